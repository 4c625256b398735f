/* SPDX-License-Identifier: Apache-2.0
 * Aggregates of statistics: two columns against each other, higher moments, bits, entropy. */
#include <math.h>
#include <xxhash.h>

#include "query/fn/aggregate_impl.h"

/* Running means and squared distances of pairs (y, x), as regr_slope(y, x) has them. */
void add_pair(th_agg_context *ctx, void *state, const th_value *args)
{
    pair_state *s = state;
    (void)ctx;
    if (args[1].null) return;
    double y = args[0].f, x = args[1].f;
    s->count++;
    double n = (double)s->count, dx = x - s->mean_x, dy = y - s->mean_y;
    s->mean_x += dx / n;
    s->mean_y += dy / n;
    s->xx += dx * (x - s->mean_x);
    s->yy += dy * (y - s->mean_y);
    s->xy += dx * (y - s->mean_y);
}

static void give(th_agg_context *ctx, bool there, double v, th_value *out)
{
    out->null = !there;
    out->f = ctx->type->kind == TH_REAL ? (double)(float)v : v;
}

#define PAIR(name, there, value)                                                         \
    void finish_##name(th_agg_context *ctx, void *state, th_arena *arena, th_value *out) \
    {                                                                                    \
        const pair_state *s = state;                                                     \
        double n = (double)s->count;                                                     \
        (void)arena;                                                                     \
        (void)n;                                                                         \
        give(ctx, there, there ? (value) : 0, out);                                      \
    }
PAIR(corr, s->count > 0 && s->xx != 0 && s->yy != 0, s->xy / sqrt(s->xx * s->yy))
PAIR(covar_pop, s->count > 0, s->xy / n)
PAIR(covar_samp, s->count > 1, s->xy / (n - 1))
PAIR(regr_slope, s->count > 0 && s->xx != 0, s->xy / s->xx)
PAIR(regr_intercept, s->count > 0 && s->xx != 0, s->mean_y - s->xy / s->xx * s->mean_x)
PAIR(regr_r2, s->count > 0 && s->xx != 0, s->yy == 0 ? 1 : s->xy * s->xy / (s->xx * s->yy))
PAIR(regr_avgx, s->count > 0, s->mean_x)
PAIR(regr_avgy, s->count > 0, s->mean_y)
PAIR(regr_sxx, s->count > 0, s->xx)
PAIR(regr_syy, s->count > 0, s->yy)
PAIR(regr_sxy, s->count > 0, s->xy)

void finish_regr_count(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    (void)ctx;
    (void)arena;
    out->i = ((const pair_state *)state)->count;
}

/* Sums of the second, third and fourth power of the distance to the mean, kept up to date value by value. */
void add_powers(th_agg_context *ctx, void *state, const th_value *args)
{
    powers_state *s = state;
    (void)ctx;
    double before = (double)s->count++, n = (double)s->count;
    double delta = args[0].f - s->mean, part = delta / n, square = part * part;
    double term = delta * part * before;
    s->mean += part;
    s->fourth += term * square * (n * n - 3 * n + 3) + 6 * square * s->second - 4 * part * s->third;
    s->third += term * part * (n - 2) - 3 * part * s->second;
    s->second += term;
}

void finish_skewness(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const powers_state *s = state;
    (void)arena;
    give(ctx, s->count >= 3,
         s->count < 3 ? 0 : sqrt((double)s->count) * s->third / pow(s->second, 1.5), out);
}

void finish_kurtosis(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const powers_state *s = state;
    double n = (double)s->count;
    (void)arena;
    if (s->count < 4) {
        out->null = true;
        return;
    }
    double excess = (n - 1) / ((n - 2) * (n - 3)) *
                    (n * (n + 1) * s->fourth / (s->second * s->second) - 3 * (n - 1));
    give(ctx, true, excess, out);
}

static void add_bits(void *state, const th_value *args, char op)
{
    sum_state *s = state;
    int64_t v = args[0].i;
    s->i = s->count++ == 0 ? v : op == '&' ? s->i & v : op == '|' ? s->i | v : s->i ^ v;
}

void add_bits_and(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    add_bits(state, args, '&');
}

void add_bits_or(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    add_bits(state, args, '|');
}

void add_bits_xor(th_agg_context *ctx, void *state, const th_value *args)
{
    (void)ctx;
    add_bits(state, args, '^');
}

/* Log-2 entropy of counts: log2(S) - sum(c log2 c) / S. */
void add_entropy(th_agg_context *ctx, void *state, const th_value *args)
{
    moments_state *s = state;
    double c = args[0].f;
    if (c < 0) {
        agg_fail(ctx, "INVALID_FUNCTION_ARGUMENT", "Entropy count argument must be non-negative");
        return;
    }
    s->count++;
    if (c == 0) return;
    s->sum += c;
    s->squares += c * log(c);
}

void finish_entropy(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const moments_state *s = state;
    (void)arena;
    double v = s->sum > 0 ? (log(s->sum) - s->squares / s->sum) / M_LN2 : 0;
    give(ctx, true, v > 0 ? v : 0, out);
}

#define CHECKSUM_PRIME 0x9E3779B185EBCA87u

/* Trino's hash for scalars of up to 64 bits and for text; a hash of our own for the rest. */
static uint64_t checksum_hash(const th_type *type, const th_value *v)
{
    int64_t bits = v->i;
    switch (type->kind) {
    case TH_VARCHAR:
    case TH_CHAR:
    case TH_VARBINARY:
    case TH_JSON: return XXH64(v->s.bytes, v->s.size, 0);
    case TH_REAL: {
        float f = v->f == 0 ? 0 : (float)v->f;
        int32_t half;
        memcpy(&half, &f, sizeof half);
        bits = isnan(f) ? 0x7FC00000 : half;
        break;
    }
    case TH_DOUBLE:
        if (isnan(v->f))
            bits = 0x7FF8000000000000;
        else if (v->f == 0)
            bits = 0;
        else
            memcpy(&bits, &v->f, sizeof bits);
        break;
    case TH_BOOLEAN:
    case TH_DATE: break;
    default:
        if (!th_type_is_integer(type)) return th_value_hash(type, v);
    }
    return XXH64(&bits, sizeof bits, 0);
}

/* The order of rows does not count: hashes are added up. */
void add_checksum(th_agg_context *ctx, void *state, const th_value *args)
{
    sum_state *s = state;
    uint64_t hash = args[0].null ? 1 : checksum_hash(ctx->arg_types[0], &args[0]);
    s->count++;
    s->i = (int64_t)((uint64_t)s->i + hash * CHECKSUM_PRIME);
}

void finish_checksum(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const sum_state *s = state;
    uint64_t v = (uint64_t)s->i;
    uint8_t bytes[8];
    out->null = s->count == 0;
    if (out->null) return;
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(v >> (8 * i));
    out->s = th_arena_copy(arena, th_slice_of(bytes, sizeof bytes));
    if (out->s.bytes == NULL) agg_memory(ctx);
}
