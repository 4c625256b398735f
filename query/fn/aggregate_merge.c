/* SPDX-License-Identifier: Apache-2.0
 * Totals and merging of aggregate states (query/fn/aggregate_merge.h). */
#include "query/fn/aggregate_merge.h"

#include "query/fn/aggregate_impl.h"
#include "query/type/number.h"

th_agg_total th_aggregate_total(const th_aggregate *agg)
{
    if (agg->add == add_count) return TH_AGG_TOTAL_ROWS;
    if (agg->add == add_count_if) return TH_AGG_TOTAL_TRUE;
    if (agg->add == add_sum) return TH_AGG_TOTAL_BIGINT;
    if (agg->add == add_sum_decimal) return TH_AGG_TOTAL_DECIMAL;
    return TH_AGG_TOTAL_NONE;
}

void th_aggregate_set_total(th_agg_context *ctx, th_agg_total kind, void *state, int64_t count,
                            th_i128 sum)
{
    if (kind == TH_AGG_TOTAL_ROWS || kind == TH_AGG_TOTAL_TRUE) {
        *(count_state *)state = (count_state){count};
    } else if (kind == TH_AGG_TOTAL_DECIMAL) {
        if (!th_decimal_fits(sum, 38))
            agg_fail(ctx, "NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow in sum");
        *(sum_decimal_state *)state = (sum_decimal_state){.sum = sum, .count = count};
    } else {
        if (sum > INT64_MAX || sum < INT64_MIN)
            agg_fail(ctx, "NUMERIC_VALUE_OUT_OF_RANGE", "bigint addition overflow in sum");
        *(sum_state *)state = (sum_state){.count = count, .i = (int64_t)sum};
    }
}

static void merge_sum_double(th_agg_context *ctx, void *state, const void *other)
{
    sum_state *to = state;
    const sum_state *from = other;
    (void)ctx;
    to->count += from->count;
    to->f += from->f;
}

/* Chan's formula for the squared distances of two sets. */
static void merge_moments(th_agg_context *ctx, void *state, const void *other)
{
    moments_state *to = state;
    const moments_state *from = other;
    (void)ctx;
    if (from->count == 0) return;
    if (to->count == 0) {
        *to = *from;
        return;
    }
    double n = (double)(to->count + from->count), apart = from->mean - to->mean;
    to->squares += from->squares + apart * apart * (double)to->count * (double)from->count / n;
    to->mean += apart * (double)from->count / n;
    to->sum += from->sum;
    to->count += from->count;
}

static void merge_best(th_agg_context *ctx, void *state, const best_state *from,
                       void (*add)(th_agg_context *, void *, const th_value *))
{
    if (from->set) add(ctx, state, &from->value);
}

static void merge_min(th_agg_context *ctx, void *state, const void *other)
{
    merge_best(ctx, state, other, add_min);
}

static void merge_max(th_agg_context *ctx, void *state, const void *other)
{
    merge_best(ctx, state, other, add_max);
}

static void merge_first(th_agg_context *ctx, void *state, const void *other)
{
    merge_best(ctx, state, other, add_first);
}

static void merge_best_by(th_agg_context *ctx, void *state, const best_by_state *from,
                          void (*add)(th_agg_context *, void *, const th_value *))
{
    th_value args[2] = {from->value, from->key};
    if (from->set) add(ctx, state, args);
}

static void merge_min_by(th_agg_context *ctx, void *state, const void *other)
{
    merge_best_by(ctx, state, other, add_min_by);
}

static void merge_max_by(th_agg_context *ctx, void *state, const void *other)
{
    merge_best_by(ctx, state, other, add_max_by);
}

th_agg_merge th_aggregate_merge(const th_aggregate *agg)
{
    if (agg->add == add_sum_double) return merge_sum_double;
    if (agg->add == add_moments || agg->add == add_moments_int || agg->add == add_log)
        return merge_moments;
    if (agg->add == add_min) return merge_min;
    if (agg->add == add_max) return merge_max;
    if (agg->add == add_first) return merge_first;
    if (agg->add == add_min_by) return merge_min_by;
    if (agg->add == add_max_by) return merge_max_by;
    return NULL;
}
