/* SPDX-License-Identifier: Apache-2.0
 * Evaluate bound expressions over batches, a vector at a time.
 *
 * AND, OR, CASE, COALESCE, TRY evaluate a part only for the rows that need it; an error counts only for those.
 * A function over a dictionary runs once for each entry that a row uses. Compiled expressions live in exec->arena. */
#ifndef TH_QUERY_EVAL_H
#define TH_QUERY_EVAL_H

#include "query/exec.h"

typedef struct th_eval th_eval;

TH_MUST_CHECK th_err th_eval_new(th_exec *exec, const th_expr *expr, th_eval **out);
/* batch->rows values into *out; what it points to lives in arena or in the batch. */
TH_MUST_CHECK th_err th_eval_run(th_eval *eval, const th_batch *batch, th_arena *arena,
                                 th_vector *out);
/* Numbers of the rows for which the boolean expression is true, in order. */
TH_MUST_CHECK th_err th_eval_filter(th_eval *eval, const th_batch *batch, th_arena *arena,
                                    const uint32_t **rows, uint32_t *count);
/* count of them at once. */
TH_MUST_CHECK th_err th_eval_new_many(th_exec *exec, const th_expr *const *exprs, uint32_t count,
                                      th_eval ***out);

#endif
