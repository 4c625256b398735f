/* SPDX-License-Identifier: Apache-2.0
 * Aggregate functions: rows of aggregates.def. DISTINCT, FILTER and ORDER BY are done by the aggregation operator.
 *
 * A group's state is a fixed block of bytes, zeroed at first; what it points to lives in the operator's arena. */
#ifndef TH_QUERY_FN_AGGREGATE_H
#define TH_QUERY_FN_AGGREGATE_H

#include "query/plan.h"
#include "query/value.h"

typedef struct th_agg_context {
    th_arena *arena; /* the operator's */
    const th_type *const *arg_types;
    uint32_t arg_count;
    const th_type *type; /* result */
    th_diag *diag;
    th_err error; /* set by add and finish on failure */
} th_agg_context;

struct th_aggregate {
    const char *name;
    const char *params; /* as in query/fn/function.h; "" for count(*) */
    const char *result; /* as there; "sum" = Trino's type of sum and avg over decimals */
    bool nulls;         /* rows whose first argument is NULL count too */
    uint32_t state_size;
    /* One row into one state. */
    void (*add)(th_agg_context *ctx, void *state, const th_value *args);
    /* The fast twin for one fixed-width argument that is FLAT without NULLs: group g[i] gets row i; may be NULL. */
    void (*add_many)(th_agg_context *ctx, uint8_t *states, uint32_t stride, const uint32_t *groups,
                     const th_vector *arg, uint32_t rows);
    void (*finish)(th_agg_context *ctx, void *state, th_arena *arena, th_value *out);
    const char *help;
};

/* As th_function_resolve. count(*) is "count" without arguments. */
TH_MUST_CHECK th_err th_aggregate_resolve(th_slice name, const th_type *const *args, uint32_t count,
                                          th_arena *arena, const th_aggregate **agg,
                                          const th_type *const **params, const th_type **result,
                                          th_diag *diag);
bool th_aggregate_exists(th_slice name);
const th_aggregate *th_aggregate_list(uint32_t *count);

#endif
