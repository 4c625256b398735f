/* SPDX-License-Identifier: Apache-2.0
 * Aggregates that keep values: extremes, arrays, maps, percentiles. */
#include <stdlib.h>

#include "query/fn/aggregate_impl.h"

static void keep(th_agg_context *ctx, uint32_t arg, const th_value *v, th_value *to)
{
    if (!th_value_copy(ctx->arena, ctx->arg_types[arg], v, to)) agg_memory(ctx);
}

/* NaN loses against any number, in max as in min. */
static bool is_better(const th_type *type, const th_value *v, const th_value *best, int sign)
{
    return sign > 0 ? th_value_compare_unordered_first(type, v, best) > 0
                    : th_value_compare(type, v, best) < 0;
}

static void add_best(th_agg_context *ctx, best_state *s, const th_value *v, int sign)
{
    if (s->set && !is_better(ctx->arg_types[0], v, &s->value, sign)) return;
    s->set = true;
    keep(ctx, 0, v, &s->value);
}

void add_min(th_agg_context *ctx, void *state, const th_value *args)
{
    add_best(ctx, state, &args[0], -1);
}

void add_max(th_agg_context *ctx, void *state, const th_value *args)
{
    add_best(ctx, state, &args[0], 1);
}

void add_first(th_agg_context *ctx, void *state, const th_value *args)
{
    best_state *s = state;
    if (s->set) return;
    s->set = true;
    keep(ctx, 0, &args[0], &s->value);
}

void finish_best(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const best_state *s = state;
    (void)ctx;
    (void)arena;
    *out = s->value;
    out->null = !s->set || s->value.null;
}

static void add_best_by(th_agg_context *ctx, best_by_state *s, const th_value *args, int sign)
{
    if (args[1].null) return;
    if (s->set && !is_better(ctx->arg_types[1], &args[1], &s->key, sign)) return;
    s->set = true;
    keep(ctx, 1, &args[1], &s->key);
    keep(ctx, 0, &args[0], &s->value);
}

void add_min_by(th_agg_context *ctx, void *state, const th_value *args)
{
    add_best_by(ctx, state, args, -1);
}

void add_max_by(th_agg_context *ctx, void *state, const th_value *args)
{
    add_best_by(ctx, state, args, 1);
}

void finish_best_by(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const best_by_state *s = state;
    (void)ctx;
    (void)arena;
    *out = s->value;
    out->null = !s->set || s->value.null;
}

static bool grow_list(th_agg_context *ctx, list_state *s)
{
    uint32_t capacity = s->capacity == 0 ? 8 : s->capacity * 2;
    if (capacity > UINT32_MAX / 4) return false;
    th_value *values = th_arena_alloc(ctx->arena, capacity * sizeof *values);
    if (values == NULL) return false;
    if (s->count > 0) memcpy(values, s->values, s->count * sizeof *values);
    s->values = values;
    s->capacity = capacity;
    if (s->weights == NULL) return true;
    uint64_t *weights = th_arena_alloc(ctx->arena, capacity * sizeof *weights);
    if (weights == NULL) return false;
    memcpy(weights, s->weights, s->count * sizeof *weights);
    s->weights = weights;
    return true;
}

static void append(th_agg_context *ctx, list_state *s, const th_value *v)
{
    if (s->count == s->capacity && !grow_list(ctx, s)) {
        agg_memory(ctx);
        return;
    }
    if (s->weights != NULL) s->weights[s->count] = 1;
    keep(ctx, 0, v, &s->values[s->count++]);
}

void agg_add_weighted(th_agg_context *ctx, void *state, const th_value *args, uint64_t weight)
{
    list_state *s = state;
    add_list(ctx, state, args);
    if (ctx->error != TH_OK) return;
    if (s->weights == NULL) {
        s->weights = th_arena_alloc(ctx->arena, s->capacity * sizeof *s->weights);
        if (s->weights == NULL) {
            agg_memory(ctx);
            return;
        }
        for (uint32_t i = 0; i < s->count; i++) s->weights[i] = 1;
    }
    s->weights[s->count - 1] = weight;
}

void add_list(th_agg_context *ctx, void *state, const th_value *args)
{
    list_state *s = state;
    if (s->count == 0 && ctx->arg_count > 1) keep(ctx, 1, &args[1], &s->second);
    append(ctx, s, &args[0]);
}

/* min(x, n) and max(x, n): a sorted list of the n best. */
static void add_ranked(th_agg_context *ctx, list_state *s, const th_value *args, int sign)
{
    if (args[1].null || args[1].i <= 0 || args[1].i > 10000) {
        agg_fail(ctx, "INVALID_FUNCTION_ARGUMENT",
                 "second argument of max/min must be between 1 and 10000");
        return;
    }
    uint32_t most = (uint32_t)args[1].i, at = s->count;
    while (at > 0 && th_value_compare(ctx->arg_types[0], &args[0], &s->values[at - 1]) * sign > 0)
        at--;
    if (at >= most) return;
    append(ctx, s, &args[0]);
    if (ctx->error != TH_OK) return;
    th_value fresh = s->values[s->count - 1];
    memmove(&s->values[at + 1], &s->values[at], (s->count - 1 - at) * sizeof fresh);
    s->values[at] = fresh;
    if (s->count > most) s->count = most;
}

void add_min_n(th_agg_context *ctx, void *state, const th_value *args)
{
    add_ranked(ctx, state, args, -1);
}

void add_max_n(th_agg_context *ctx, void *state, const th_value *args)
{
    add_ranked(ctx, state, args, 1);
}

static void give_nested(th_agg_context *ctx, th_arena *arena, th_builder *b, th_value *out)
{
    th_vector *v = TH_NEW(arena, th_vector);
    if (v == NULL || !th_builder_end_nested(b)) {
        agg_memory(ctx);
        return;
    }
    th_builder_finish(b, v);
    out->n.vector = v;
    out->n.slot = 0;
}

void agg_give_values(th_agg_context *ctx, th_arena *arena, const th_value *values, uint32_t count,
                     th_value *out)
{
    th_builder b;
    bool ok = th_builder_init(&b, arena, ctx->type, 1, false);
    for (uint32_t i = 0; i < count && ok; i++) ok = th_builder_add(&b.children[0], &values[i]);
    if (ok)
        give_nested(ctx, arena, &b, out);
    else
        agg_memory(ctx);
}

void finish_list(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const list_state *s = state;
    out->null = s->count == 0;
    if (s->count > 0) agg_give_values(ctx, arena, s->values, s->count, out);
}

/* The place of args[0] among the keys; UINT32_MAX after a failure. */
static uint32_t key_place(th_agg_context *ctx, map_state *s, const th_value *key, bool *added)
{
    uint32_t index;
    if (s->keys == NULL) {
        s->keys = TH_NEW(ctx->arena, valueset);
        if (s->keys == NULL || !valueset_init(s->keys, ctx->arena, ctx->arg_types, 1)) {
            agg_memory(ctx);
            return UINT32_MAX;
        }
    }
    if (!valueset_put(s->keys, key, &index, added)) {
        agg_memory(ctx);
        return UINT32_MAX;
    }
    if (index >= s->capacity) {
        uint32_t capacity = s->keys->capacity;
        th_value *values = TH_NEW_ARRAY(ctx->arena, th_value, capacity);
        if (values == NULL) {
            agg_memory(ctx);
            return UINT32_MAX;
        }
        if (s->capacity > 0) memcpy(values, s->values, s->capacity * sizeof *values);
        s->values = values;
        s->capacity = capacity;
    }
    return index;
}

void add_map(th_agg_context *ctx, void *state, const th_value *args)
{
    map_state *s = state;
    bool added;
    uint32_t at = key_place(ctx, s, &args[0], &added);
    if (at != UINT32_MAX && added) keep(ctx, 1, &args[1], &s->values[at]);
}

void add_histogram(th_agg_context *ctx, void *state, const th_value *args)
{
    map_state *s = state;
    bool added;
    uint32_t at = key_place(ctx, s, &args[0], &added);
    if (at != UINT32_MAX) s->values[at].i++;
}

void add_set(th_agg_context *ctx, void *state, const th_value *args)
{
    bool added;
    (void)key_place(ctx, state, &args[0], &added);
}

void add_distinct(th_agg_context *ctx, void *state, const th_value *args)
{
    add_set(ctx, state, args);
}

void finish_distinct(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const map_state *s = state;
    (void)ctx;
    (void)arena;
    out->i = s->keys == NULL ? 0 : s->keys->count;
}

void finish_set(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const map_state *s = state;
    out->null = s->keys == NULL;
    if (!out->null) agg_give_values(ctx, arena, s->keys->values, s->keys->count, out);
}

void finish_map(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const map_state *s = state;
    th_builder b;
    out->null = s->keys == NULL;
    if (out->null) return;
    bool ok = th_builder_init(&b, arena, ctx->type, 1, false);
    for (uint32_t i = 0; i < s->keys->count && ok; i++)
        ok = th_builder_add(&b.children[0], valueset_at(s->keys, i, 0)) &&
             th_builder_add(&b.children[1], &s->values[i]);
    if (ok)
        give_nested(ctx, arena, &b, out);
    else
        agg_memory(ctx);
}
