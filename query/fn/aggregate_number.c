/* SPDX-License-Identifier: Apache-2.0
 * Counts, sums and moments. */
#include <math.h>

#include "query/fn/aggregate_impl.h"
#include "query/type/number.h"

void add_count(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    (void)args;
    ((count_state *)state)->count++;
}

void many_count(th_agg_context *ctx, uint8_t *states, uint32_t stride, const uint32_t *groups,
                const th_vector *arg, uint32_t rows)
{
    (void)ctx;
    (void)arg;
    for (uint32_t i = 0; i < rows; i++)
        ((count_state *)(void *)(states + (size_t)groups[i] * stride))->count++;
}

void finish_count(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    (void)ctx;
    (void)arena;
    out->i = ((count_state *)state)->count;
}

void add_count_if(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    ((count_state *)state)->count += args[0].i != 0;
}

static void sum_overflow(th_agg_context *ctx)
{
    agg_fail(ctx, "NUMERIC_VALUE_OUT_OF_RANGE", "bigint addition overflow in sum");
}

void add_sum(th_agg_context *ctx, void *state, const th_value *args)
{
    sum_state *s = state;
    s->count++;
    if (__builtin_add_overflow(s->i, args[0].i, &s->i)) sum_overflow(ctx);
}

void many_sum(th_agg_context *ctx, uint8_t *states, uint32_t stride, const uint32_t *groups,
              const th_vector *arg, uint32_t rows)
{
    bool bad = false;
    for (uint32_t i = 0; i < rows; i++) {
        sum_state *s = (sum_state *)(void *)(states + (size_t)groups[i] * stride);
        s->count++;
        bad |= __builtin_add_overflow(s->i, arg->data.i64[i], &s->i);
    }
    if (bad) sum_overflow(ctx);
}

void finish_sum(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const sum_state *s = state;
    (void)ctx;
    (void)arena;
    out->null = s->count == 0;
    out->i = s->i;
}

void add_sum_double(th_agg_context *ctx, void *state, const th_value *args)
{
    sum_state *s = state;
    (void)ctx;
    s->count++;
    s->f += args[0].f;
}

void many_sum_double(th_agg_context *ctx, uint8_t *states, uint32_t stride, const uint32_t *groups,
                     const th_vector *arg, uint32_t rows)
{
    (void)ctx;
    for (uint32_t i = 0; i < rows; i++) {
        sum_state *s = (sum_state *)(void *)(states + (size_t)groups[i] * stride);
        s->count++;
        s->f += arg->data.f64[i];
    }
}

void finish_sum_double(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const sum_state *s = state;
    (void)arena;
    out->null = s->count == 0;
    out->f = ctx->type->kind == TH_REAL ? th_real_of(s->f) : s->f;
}

void add_sum_decimal(th_agg_context *ctx, void *state, const th_value *args)
{
    sum_decimal_state *s = state;
    s->count++;
    if (__builtin_add_overflow(s->sum, args[0].d, &s->sum) || !th_decimal_fits(s->sum, 38))
        agg_fail(ctx, "NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow in sum");
}

void finish_sum_decimal(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const sum_decimal_state *s = state;
    (void)ctx;
    (void)arena;
    out->null = s->count == 0;
    out->d = s->sum;
}

void finish_avg_decimal(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const sum_decimal_state *s = state;
    (void)arena;
    out->null = s->count == 0;
    if (s->count > 0 && !th_decimal_divide(s->sum, 0, s->count, &out->d))
        agg_fail(ctx, "NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow in avg");
}

void finish_avg_interval(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const sum_state *s = state;
    (void)ctx;
    (void)arena;
    out->null = s->count == 0;
    if (s->count > 0) out->i = s->i / s->count / 1000 * 1000;
}

static void moment(moments_state *m, double x)
{
    double before = x - m->mean;
    m->count++;
    m->sum += x;
    m->mean += before / (double)m->count;
    m->squares += before * (x - m->mean);
}

void add_moments(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    moment(state, args[0].f);
}

void add_moments_int(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    moment(state, (double)args[0].i);
}

void add_log(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    moment(state, log(args[0].f));
}

void finish_avg(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const moments_state *m = state;
    (void)arena;
    out->null = m->count == 0;
    out->f = m->count == 0 ? 0 : m->sum / (double)m->count;
    if (ctx->type->kind == TH_REAL) out->f = th_real_of(out->f);
}

void finish_geometric(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    finish_avg(ctx, state, arena, out);
    out->f = exp(out->f);
}

static void spread(const moments_state *m, int64_t less, bool root, th_value *out)
{
    out->null = m->count <= less;
    if (out->null) return;
    out->f = m->squares / (double)(m->count - less);
    if (root) out->f = sqrt(out->f);
}

void finish_stddev(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    (void)ctx;
    (void)arena;
    spread(state, 1, true, out);
}

void finish_stddev_pop(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    (void)ctx;
    (void)arena;
    spread(state, 0, true, out);
}

void finish_variance(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    (void)ctx;
    (void)arena;
    spread(state, 1, false, out);
}

void finish_var_pop(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    (void)ctx;
    (void)arena;
    spread(state, 0, false, out);
}
