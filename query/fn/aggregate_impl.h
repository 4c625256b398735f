/* SPDX-License-Identifier: Apache-2.0
 * States of the aggregates, and what aggregates.def names. */
#ifndef TH_QUERY_FN_AGGREGATE_IMPL_H
#define TH_QUERY_FN_AGGREGATE_IMPL_H

#include "query/fn/aggregate.h"
#include "query/op/valueset.h"

typedef struct count_state {
    int64_t count;
} count_state;

typedef struct sum_state {
    int64_t count;
    union {
        int64_t i;
        double f;
    };
} sum_state;

typedef struct sum_decimal_state {
    th_i128 sum;
    int64_t count;
} sum_decimal_state;

typedef struct moments_state { /* Welford's running mean and squared distance */
    int64_t count;
    double mean, squares, sum;
} moments_state;

typedef struct best_state {
    bool set;
    th_value value;
} best_state;

typedef struct best_by_state {
    bool set;
    th_value key, value;
} best_by_state;

typedef struct list_state {
    th_value *values;
    uint32_t count, capacity;
    th_value second;   /* the second argument of the first row */
    uint64_t *weights; /* how often each value; NULL: once */
} list_state;

typedef struct listagg_state {
    uint8_t *bytes;
    size_t size, capacity;
    int64_t count, kept;        /* entries, and those that the text holds */
    th_slice separator, filler; /* what is left out is shown by the filler */
    bool cut, with_count;
} listagg_state;

typedef struct map_state {
    valueset *keys;
    th_value *values;
    uint32_t capacity;
} map_state;

typedef struct pair_state { /* of (y, x) */
    int64_t count;
    double mean_x, mean_y, xx, yy, xy;
} pair_state;

typedef struct powers_state {
    int64_t count;
    double mean, second, third, fourth;
} powers_state;

typedef struct value_pair {
    th_value key, value;
    uint32_t place; /* of the key in keys */
} value_pair;

typedef struct pairs_state {
    value_pair *at;
    uint32_t count, capacity, limit;
    valueset *keys;
    bool any;
    double weight;
    th_value share;
} pairs_state;

#define AGG(name, params, result, nulls, state, add, many, finish, help) \
    void add(th_agg_context *, void *, const th_value *);                \
    void finish(th_agg_context *, void *, th_arena *, th_value *);
#include "query/fn/aggregates.def"
#undef AGG
void many_count(th_agg_context *, uint8_t *, uint32_t, const uint32_t *, const th_vector *,
                uint32_t);
void many_sum(th_agg_context *, uint8_t *, uint32_t, const uint32_t *, const th_vector *, uint32_t);
void many_sum_double(th_agg_context *, uint8_t *, uint32_t, const uint32_t *, const th_vector *,
                     uint32_t);

/* An array of ctx->type. */
void agg_give_values(th_agg_context *ctx, th_arena *arena, const th_value *values, uint32_t count,
                     th_value *out);
/* A value of percentiles that came so often. */
void agg_add_weighted(th_agg_context *ctx, void *state, const th_value *args, uint64_t weight);

/* Record the failure in the context, from where the operator takes it. */
void agg_fail(th_agg_context *ctx, const char *name, const char *text);
void agg_memory(th_agg_context *ctx);

#endif
