/* SPDX-License-Identifier: Apache-2.0
 * One running statement: what expressions and operators share. Owned by run.c; used by one thread. */
#ifndef TH_QUERY_EXEC_H
#define TH_QUERY_EXEC_H

#include "query/run.h"
#include "query/value.h"

typedef struct th_exec {
    const th_run_env *env;
    th_arena *arena; /* as long as the statement */
    th_buf scratch;
    th_diag *diag; /* never NULL */
    size_t memory_bytes;
    struct scan_share *scan_share; /* a worker's: where its scan takes segments from; else NULL */
    struct eval_memo *memos;       /* of all its expressions; freed by eval_memos_free */
    uint64_t *spilled;             /* bytes that the statement wrote to temporary files */
} th_exec;
void eval_memos_free(th_exec *exec);

/* The first row_max rows of a plan as FLAT vectors in exec->arena, one a column of the plan. */
TH_MUST_CHECK th_err th_exec_collect(th_exec *exec, const th_plan *plan, uint32_t row_max,
                                     th_vector **columns, uint32_t *rows);
/* A new arena under the statement's limit and budget; NULL: no memory. */
th_arena *th_exec_arena(th_exec *exec);

#endif
