/* SPDX-License-Identifier: Apache-2.0
 * Aggregates that keep values beside the everyday ones: the n best by a key, maps of lists, unions, the most frequent
 * values, histograms of numbers, weighted percentiles. */
#include <math.h>
#include <stdlib.h>

#include "query/fn/aggregate_impl.h"

#define BEST_MAX 10000
#define BUCKETS_MAX 10000

static bool keep(th_agg_context *ctx, const th_type *type, const th_value *v, th_value *to)
{
    if (th_value_copy(ctx->arena, type, v, to)) return true;
    agg_memory(ctx);
    return false;
}

/* Room for one more pair. */
static bool grow(th_agg_context *ctx, pairs_state *s)
{
    if (s->count < s->capacity) return true;
    uint32_t more = s->capacity == 0 ? 8 : s->capacity * 2;
    value_pair *at = TH_NEW_ARRAY(ctx->arena, value_pair, more);
    if (at == NULL || more > UINT32_MAX / 4) {
        agg_memory(ctx);
        return false;
    }
    if (s->count > 0) memcpy(at, s->at, s->count * sizeof *at);
    s->at = at;
    s->capacity = more;
    return true;
}

static void give_nested(th_agg_context *ctx, th_arena *arena, th_builder *b, bool ok, th_value *out)
{
    th_vector *v = TH_NEW(arena, th_vector);
    if (!ok || v == NULL || !th_builder_end_nested(b)) {
        agg_memory(ctx);
        return;
    }
    th_builder_finish(b, v);
    out->n.vector = v;
    out->n.slot = 0;
}

/* min_by and max_by(value, key, n): pairs in order of the key, n at most. */
static void add_best_n(th_agg_context *ctx, pairs_state *s, const th_value *args, int sign)
{
    if (args[2].null || args[2].i <= 0 || args[2].i > BEST_MAX) {
        agg_fail(ctx, "INVALID_FUNCTION_ARGUMENT",
                 "third argument of max_by/min_by must be between 1 and 10000");
        return;
    }
    if (args[1].null) return;
    uint32_t most = (uint32_t)args[2].i, at = s->count;
    const th_type *key = ctx->arg_types[1];
    while (at > 0 && th_value_compare(key, &args[1], &s->at[at - 1].key) * sign > 0) at--;
    if (at >= most || !grow(ctx, s)) return;
    value_pair fresh = {0};
    fresh.value.null = args[0].null;
    if (!keep(ctx, key, &args[1], &fresh.key)) return;
    if (!args[0].null && !keep(ctx, ctx->arg_types[0], &args[0], &fresh.value)) return;
    if (s->count < most) s->count++;
    memmove(&s->at[at + 1], &s->at[at], (s->count - 1 - at) * sizeof fresh);
    s->at[at] = fresh;
}

void add_min_by_n(th_agg_context *ctx, void *state, const th_value *args)
{
    add_best_n(ctx, state, args, -1);
}

void add_max_by_n(th_agg_context *ctx, void *state, const th_value *args)
{
    add_best_n(ctx, state, args, 1);
}

void finish_best_n(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const pairs_state *s = state;
    th_builder b;
    out->null = s->count == 0;
    if (out->null) return;
    bool ok = th_builder_init(&b, arena, ctx->type, 1, false);
    for (uint32_t i = 0; i < s->count && ok; i++)
        ok = th_builder_add(&b.children[0], &s->at[i].value);
    give_nested(ctx, arena, &b, ok, out);
}

/* The place of the key; UINT32_MAX after a failure. */
static uint32_t place_of(th_agg_context *ctx, valueset **set, const th_type *const *type,
                         const th_value *key, bool *added)
{
    uint32_t index;
    if (*set == NULL) {
        *set = TH_NEW(ctx->arena, valueset);
        if (*set != NULL && !valueset_init(*set, ctx->arena, type, 1)) *set = NULL;
    }
    if (*set == NULL || !valueset_put(*set, key, &index, added)) {
        agg_memory(ctx);
        return UINT32_MAX;
    }
    return index;
}

void add_multimap(th_agg_context *ctx, void *state, const th_value *args)
{
    pairs_state *s = state;
    bool added;
    uint32_t place = place_of(ctx, &s->keys, ctx->arg_types, &args[0], &added);
    if (place == UINT32_MAX || !grow(ctx, s)) return;
    value_pair *pair = &s->at[s->count++];
    *pair = (value_pair){.place = place};
    pair->value.null = args[1].null;
    if (!args[1].null) (void)keep(ctx, ctx->arg_types[1], &args[1], &pair->value);
}

/* Stable by place: the lists keep the order of the rows. */
void finish_multimap(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const pairs_state *s = state;
    th_builder b;
    out->null = s->count == 0;
    if (out->null) return;
    uint32_t n = s->keys->count;
    uint32_t *starts = TH_NEW_ARRAY(arena, uint32_t, (size_t)n + 2);
    const value_pair **sorted = TH_NEW_ARRAY(arena, const value_pair *, s->count);
    bool ok = starts != NULL && sorted != NULL && th_builder_init(&b, arena, ctx->type, 1, false);
    for (uint32_t i = 0; i < s->count && ok; i++) starts[s->at[i].place + 2]++;
    for (uint32_t k = 2; k < n + 2 && ok; k++) starts[k] += starts[k - 1];
    for (uint32_t i = 0; i < s->count && ok; i++) sorted[starts[s->at[i].place + 1]++] = &s->at[i];
    for (uint32_t k = 0; k < n && ok; k++) {
        ok = th_builder_add(&b.children[0], valueset_at(s->keys, k, 0));
        for (uint32_t i = starts[k]; i < starts[k + 1] && ok; i++)
            ok = th_builder_add(&b.children[1].children[0], &sorted[i]->value);
        ok = ok && th_builder_end_nested(&b.children[1]);
    }
    give_nested(ctx, arena, &b, ok, out);
}

/* map_union: of equal keys the first value. set_union: arrays as one set. */
void add_union(th_agg_context *ctx, void *state, const th_value *args)
{
    pairs_state *s = state;
    const th_type *type = ctx->arg_types[0];
    th_value key, v;
    bool added;
    s->any = true;
    for (uint32_t i = 0, n = th_value_size(&args[0]); i < n && ctx->error == TH_OK; i++) {
        th_value_element(&args[0], 0, i, &key);
        if (place_of(ctx, &s->keys, type->children, &key, &added) == UINT32_MAX || !added) continue;
        if (!grow(ctx, s)) return;
        value_pair *pair = &s->at[s->count++];
        *pair = (value_pair){0};
        if (type->kind != TH_MAP) continue;
        th_value_element(&args[0], 1, i, &v);
        pair->value.null = v.null;
        if (!v.null && !keep(ctx, type->children[1], &v, &pair->value)) return;
    }
}

void finish_union(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const pairs_state *s = state;
    th_builder b;
    out->null = !s->any;
    if (out->null) return;
    bool ok = th_builder_init(&b, arena, ctx->type, 1, false), map = ctx->type->kind == TH_MAP;
    for (uint32_t i = 0; i < s->count && ok; i++) {
        ok = th_builder_add(&b.children[0], valueset_at(s->keys, i, 0));
        if (map) ok = ok && th_builder_add(&b.children[1], &s->at[i].value);
    }
    give_nested(ctx, arena, &b, ok, out);
}

/* approx_most_frequent(buckets, value, capacity): counted exactly, whatever the capacity. */
void add_frequent(th_agg_context *ctx, void *state, const th_value *args)
{
    pairs_state *s = state;
    bool added;
    if (args[0].i < 1 || args[0].i > BUCKETS_MAX) {
        agg_fail(ctx, "INVALID_FUNCTION_ARGUMENT",
                 "approx_most_frequent bucket count must be between 1 and 10000");
        return;
    }
    if (args[1].null) return;
    s->limit = (uint32_t)args[0].i;
    uint32_t place = place_of(ctx, &s->keys, &ctx->arg_types[1], &args[1], &added);
    if (place == UINT32_MAX) return;
    if (added) {
        if (!grow(ctx, s)) return;
        s->at[s->count++] = (value_pair){.place = place};
    }
    s->at[place].value.i++;
}

static int by_count(const void *a, const void *b)
{
    const value_pair *x = a, *y = b;
    if (x->value.i != y->value.i) return x->value.i > y->value.i ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

void finish_frequent(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const pairs_state *s = state;
    th_builder b;
    out->null = s->count == 0;
    if (out->null) return;
    value_pair *sorted = TH_NEW_ARRAY(arena, value_pair, s->count);
    bool ok = sorted != NULL && th_builder_init(&b, arena, ctx->type, 1, false);
    if (ok) {
        memcpy(sorted, s->at, s->count * sizeof *sorted);
        qsort(sorted, s->count, sizeof *sorted, by_count);
    }
    for (uint32_t i = 0; i < s->count && i < s->limit && ok; i++)
        ok = th_builder_add(&b.children[0], valueset_at(s->keys, sorted[i].place, 0)) &&
             th_builder_add(&b.children[1], &sorted[i].value);
    give_nested(ctx, arena, &b, ok, out);
}

/* Bins (key: the mean, value: the weight) in order; the two nearest become one when there are too many. */
static void squeeze(pairs_state *s)
{
    uint32_t at = 0;
    double least = INFINITY;
    for (uint32_t i = 0; i + 1 < s->count; i++) {
        double gap = s->at[i + 1].key.f - s->at[i].key.f;
        if (gap < least) {
            least = gap;
            at = i;
        }
    }
    value_pair *a = &s->at[at], *b = &s->at[at + 1];
    double weight = a->value.f + b->value.f;
    a->key.f = (a->key.f * a->value.f + b->key.f * b->value.f) / weight;
    a->value.f = weight;
    memmove(b, b + 1, (s->count - at - 2) * sizeof *b);
    s->count--;
}

void add_numeric_histogram(th_agg_context *ctx, void *state, const th_value *args)
{
    pairs_state *s = state;
    double weight = ctx->arg_count > 2 ? args[2].f : 1;
    if (args[0].i < 2 || args[0].i > BUCKETS_MAX) {
        agg_fail(ctx, "INVALID_FUNCTION_ARGUMENT",
                 "numeric_histogram bucket count must be greater than one");
        return;
    }
    if (args[1].null || isnan(args[1].f) || (ctx->arg_count > 2 && args[2].null)) return;
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->at[middle].key.f < args[1].f)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < s->count && s->at[low].key.f == args[1].f) {
        s->at[low].value.f += weight;
        return;
    }
    if (!grow(ctx, s)) return;
    memmove(&s->at[low + 1], &s->at[low], (s->count - low) * sizeof *s->at);
    s->at[low] = (value_pair){.key = {.f = args[1].f}, .value = {.f = weight}};
    s->count++;
    if (s->count > (uint32_t)args[0].i) squeeze(s);
}

void finish_numeric_histogram(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const pairs_state *s = state;
    th_builder b;
    out->null = s->count == 0;
    if (out->null) return;
    bool ok = th_builder_init(&b, arena, ctx->type, 1, false);
    for (uint32_t i = 0; i < s->count && ok; i++)
        ok = th_builder_add(&b.children[0], &s->at[i].key) &&
             th_builder_add(&b.children[1], &s->at[i].value);
    give_nested(ctx, arena, &b, ok, out);
}

/* approx_percentile(x, weight, share): key is x, value the weight, share that of the first row. */
void add_weighted(th_agg_context *ctx, void *state, const th_value *args)
{
    pairs_state *s = state;
    if (args[1].null || args[2].null) return;
    if (!(args[1].f > 0)) {
        agg_fail(ctx, "INVALID_FUNCTION_ARGUMENT", "percentile weight must be > 0");
        return;
    }
    if (!s->any && !keep(ctx, ctx->arg_types[2], &args[2], &s->share)) return;
    s->any = true;
    if (!grow(ctx, s)) return;
    s->at[s->count++] = (value_pair){.key = args[0], .value = args[1]};
    s->weight += args[1].f;
}

static int by_key(const void *a, const void *b, void *type)
{
    return th_value_compare(type, &((const value_pair *)a)->key, &((const value_pair *)b)->key);
}

static th_value at_share(th_agg_context *ctx, const pairs_state *s, double share)
{
    double wanted = share * s->weight, seen = 0;
    if (!(share >= 0 && share <= 1))
        agg_fail(ctx, "INVALID_FUNCTION_ARGUMENT", "Percentile must be between 0 and 1");
    for (uint32_t i = 0; i < s->count; i++) {
        seen += s->at[i].value.f;
        if (seen > wanted) return s->at[i].key;
    }
    return s->at[s->count - 1].key;
}

void finish_weighted(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    pairs_state *s = state;
    th_builder b;
    th_value share, v;
    out->null = s->count == 0;
    if (out->null) return;
    qsort_r(s->at, s->count, sizeof *s->at, by_key, (void *)(uintptr_t)ctx->arg_types[0]);
    if (ctx->arg_types[2]->kind != TH_ARRAY) {
        *out = at_share(ctx, s, s->share.f);
        return;
    }
    bool ok = th_builder_init(&b, arena, ctx->type, 1, false);
    for (uint32_t i = 0, n = th_value_size(&s->share); i < n && ok; i++) {
        th_value_element(&s->share, 0, i, &share);
        v = at_share(ctx, s, share.null ? 0 : share.f);
        ok = th_builder_add(&b.children[0], &v);
    }
    give_nested(ctx, arena, &b, ok, out);
}
