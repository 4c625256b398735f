/* SPDX-License-Identifier: Apache-2.0
 * Execute a bound plan.
 *
 * Threads: everything runs on the caller's thread. The plan is not written; operator state lives in arenas that are
 * charged to env->budget and freed on every path. */
#ifndef TH_QUERY_RUN_H
#define TH_QUERY_RUN_H

#include "query/plan.h"
#include "query/query.h"

/* What one operator did; index = plan id. */
typedef struct th_op_stats {
    uint64_t rows; /* given to its parent */
    uint64_t batches;
    int64_t total_us; /* with its inputs */
} th_op_stats;

typedef struct th_working th_working; /* query/op/recursive.c */

typedef struct th_run_env {
    th_provider *provider; /* may be NULL when the plan has no scan */
    th_snapshot *snapshot;
    th_query_control *control; /* may be NULL */
    th_budget *budget;         /* the query's; may be NULL */
    uint64_t memory_bytes;     /* most that this query may hold; 0 = 1 GiB */
    uint64_t row_limit;        /* result rows; more: TH_ELIMIT; 0 = none */
    int64_t now_us;            /* current_timestamp, fixed for the statement */
    uint16_t zone;             /* session zone (query/fn/zone.h); 0 = UTC */
    const char *user;          /* current_user; may be NULL */
    const char *temp_dir;
    th_query_options options;
    th_op_stats *op_stats; /* by plan id, zeroed by the caller; may be NULL */
    uint32_t op_stats_count;
    uint32_t recursion_max; /* steps of WITH RECURSIVE; 0 = 10 */
    th_working **working;   /* its rows that came last; run.c sets it */
} th_run_env;

/* Columns to the sink, then batches. stats: rows and peak_bytes are filled; may be NULL. */
TH_MUST_CHECK th_err th_plan_run(const th_plan *plan, const th_run_env *env,
                                 const th_result_sink *sink, th_query_stats *stats, th_diag *diag);

/* True when expr reads no column, outer row, lambda parameter of an enclosing lambda or plan, and is not volatile. */
bool th_expr_is_constant(const th_expr *expr);
/* Value of a constant expression as a CONST vector of one row in the arena. Errors are those of the evaluation. */
TH_MUST_CHECK th_err th_expr_fold(const th_expr *expr, const th_run_env *env, th_arena *arena,
                                  const th_vector **out, th_diag *diag);

#endif
