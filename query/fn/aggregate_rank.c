/* SPDX-License-Identifier: Apache-2.0
 * Percentiles: values in order, by the digits of keys that sort as the values do, each as often as it came. */
#include "query/fn/aggregate_impl.h"

#define RADIX_BITS 8u
#define RADIX_SIZE (1u << RADIX_BITS)
#define FEW 32u /* sorted by insertion */

typedef struct keyed {
    uint64_t key;
    uint32_t at;
} keyed;

/* Orders as th_value_compare does: NaN last, both zeroes alike. */
static uint64_t key_of(const th_type *type, const th_value *v)
{
    uint64_t bits;
    if (type->kind != TH_DOUBLE && type->kind != TH_REAL)
        return (uint64_t)v->i ^ UINT64_C(0x8000000000000000);
    if (v->f != v->f) return UINT64_MAX;
    double f = v->f == 0 ? 0 : v->f;
    memcpy(&bits, &f, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | UINT64_C(0x8000000000000000);
}

static void insert_sorted(keyed *k, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        keyed x = k[i];
        uint32_t at = i;
        for (; at > 0 && k[at - 1].key > x.key; at--) k[at] = k[at - 1];
        k[at] = x;
    }
}

/* Stable; the result is in *from or *spare, and *from points to it in the end. */
static void sort_keys(keyed **from, keyed **spare, uint32_t n)
{
    if (n <= FEW) {
        insert_sorted(*from, n);
        return;
    }
    uint64_t differs = 0;
    for (uint32_t i = 1; i < n; i++) differs |= (*from)[i].key ^ (*from)[0].key;
    for (unsigned shift = 0; shift < 64; shift += RADIX_BITS) {
        uint32_t first[RADIX_SIZE] = {0}, sum = 0;
        if ((differs >> shift & (RADIX_SIZE - 1)) == 0) continue;
        for (uint32_t i = 0; i < n; i++) first[(*from)[i].key >> shift & (RADIX_SIZE - 1)]++;
        for (uint32_t d = 0; d < RADIX_SIZE; d++) {
            uint32_t count = first[d];
            first[d] = sum;
            sum += count;
        }
        for (uint32_t i = 0; i < n; i++)
            (*spare)[first[(*from)[i].key >> shift & (RADIX_SIZE - 1)]++] = (*from)[i];
        keyed *other = *from;
        *from = *spare;
        *spare = other;
    }
}

typedef struct ranking {
    th_agg_context *ctx;
    const list_state *s;
    const keyed *order;
    uint64_t total; /* of all weights */
} ranking;

static bool rank(th_agg_context *ctx, const list_state *s, th_arena *arena, ranking *out)
{
    keyed *order = th_arena_alloc(arena, ((size_t)s->count + 1) * sizeof *order);
    keyed *spare = th_arena_alloc(arena, ((size_t)s->count + 1) * sizeof *spare);
    *out = (ranking){.ctx = ctx, .s = s};
    if (order == NULL || spare == NULL) {
        agg_memory(ctx);
        return false;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        order[i] = (keyed){key_of(ctx->arg_types[0], &s->values[i]), i};
        out->total += s->weights == NULL ? 1 : s->weights[i];
    }
    sort_keys(&order, &spare, s->count);
    out->order = order;
    return true;
}

static th_value at_share(const ranking *r, double share)
{
    const list_state *s = r->s;
    if (!(share >= 0 && share <= 1)) {
        agg_fail(r->ctx, "INVALID_FUNCTION_ARGUMENT", "Percentile must be between 0 and 1");
        return (th_value){.null = true};
    }
    uint64_t at = (uint64_t)(share * (double)r->total), before = 0;
    if (at >= r->total) at = r->total - 1;
    if (s->weights == NULL) return s->values[r->order[at].at];
    uint32_t i = 0;
    while (before + s->weights[r->order[i].at] <= at) before += s->weights[r->order[i++].at];
    return s->values[r->order[i].at];
}

void finish_percentile(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const list_state *s = state;
    ranking r;
    out->null = s->count == 0 || s->second.null;
    if (out->null || !rank(ctx, s, arena, &r)) return;
    *out = at_share(&r, s->second.f);
}

void finish_percentiles(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const list_state *s = state;
    th_value share;
    ranking r;
    out->null = s->count == 0 || s->second.null;
    if (out->null) return;
    uint32_t n = th_value_size(&s->second);
    th_value *picked = TH_NEW_ARRAY(arena, th_value, n);
    if (picked == NULL || !rank(ctx, s, arena, &r)) {
        agg_memory(ctx);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        th_value_element(&s->second, 0, i, &share);
        picked[i] = at_share(&r, share.null ? 0 : share.f);
    }
    agg_give_values(ctx, arena, picked, n, out);
}
