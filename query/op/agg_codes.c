/* SPDX-License-Identifier: Apache-2.0
 * Aggregation by dictionary codes: a group is looked up by its values once for each combination of codes, and a value
 * that an aggregate has met in a group is not given to it again. Both hold as long as batches come with the same
 * dictionaries, which is a segment. The plain twin is in aggregate.c. */
#include <string.h>

#include "query/fn/aggregate_impl.h"
#include "query/op/agg.h"

#define DIRECT_MAX (1u << 18) /* combinations that have a place each */
#define TABLE_MIN 1024u       /* places of the hash table at first */
#define MET_BYTES_MAX ((size_t)8 << 20)

/* The same for vectors of the same content only: ids are counted by each provider for itself. */
static uint64_t source_of(const th_vector *v)
{
    uint64_t place = (uint64_t)(uintptr_t)v->dictionary->data.any;
    return v->dictionary_id * UINT64_C(0x9E3779B97F4A7C15) ^ place;
}

static bool is_coded(const th_vector *v)
{
    return v->form == TH_DICT && v->dictionary_id != 0;
}

/* ---- groups ---- */

static th_err need_arena(agg_op *g, th_arena **arena)
{
    if (*arena != NULL)
        th_arena_reset(*arena);
    else
        *arena = th_exec_arena(g->op.exec);
    return *arena == NULL ? op_memory(&g->op) : TH_OK;
}

/* An empty table for so many combinations. */
static th_err begin_codes(agg_op *g, uint64_t combinations)
{
    agg_codes *c = &g->codes;
    TH_TRY(need_arena(g, &c->arena));
    c->known = NULL;
    c->keys = NULL;
    c->used = 0;
    if (combinations <= DIRECT_MAX) {
        c->known = th_arena_alloc(c->arena, (combinations + 1) * sizeof *c->known);
        if (c->known == NULL) return op_memory(&g->op);
        memset(c->known, 0xff, combinations * sizeof *c->known);
        return TH_OK;
    }
    c->mask = TABLE_MIN - 1;
    c->keys = TH_NEW_ARRAY(c->arena, uint64_t, TABLE_MIN);
    c->groups = TH_NEW_ARRAY(c->arena, uint32_t, TABLE_MIN);
    return c->keys == NULL || c->groups == NULL ? op_memory(&g->op) : TH_OK;
}

static uint32_t place_of(const agg_codes *c, uint64_t key)
{
    uint32_t at = (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & c->mask;
    while (c->keys[at] != 0 && c->keys[at] != key + 1) at = (at + 1) & c->mask;
    return at;
}

static th_err grow_table(agg_op *g)
{
    agg_codes *c = &g->codes, old = *c;
    uint32_t size = (c->mask + 1) * 2;
    c->mask = size - 1;
    c->keys = TH_NEW_ARRAY(c->arena, uint64_t, size);
    c->groups = TH_NEW_ARRAY(c->arena, uint32_t, size);
    if (c->keys == NULL || c->groups == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i <= old.mask; i++) {
        if (old.keys[i] == 0) continue;
        uint32_t at = place_of(c, old.keys[i] - 1);
        c->keys[at] = old.keys[i];
        c->groups[at] = old.groups[i];
    }
    return TH_OK;
}

static th_err group_of_row(agg_op *g, const th_vector *keys, uint32_t row, uint32_t *out)
{
    th_value v[AGG_CODED_KEYS];
    for (uint32_t k = 0; k < g->op.plan->expr_count; k++) th_value_get(&keys[k], row, &v[k]);
    return valueset_put(&g->groups, v, out, NULL) ? TH_OK : op_memory(&g->op);
}

static th_err look_up(agg_op *g, const th_vector *keys, const uint64_t *combined, uint32_t rows,
                      uint32_t *out)
{
    agg_codes *c = &g->codes;
    for (uint32_t i = 0; i < rows; i++) {
        if (i > 0 && combined[i] == combined[i - 1]) {
            out[i] = out[i - 1];
            continue;
        }
        uint32_t at = place_of(c, combined[i]);
        if (c->keys[at] == 0) {
            TH_TRY(group_of_row(g, keys, i, &c->groups[at]));
            c->keys[at] = combined[i] + 1;
            out[i] = c->groups[at];
            if (++c->used * 2 > c->mask) TH_TRY(grow_table(g));
            continue;
        }
        out[i] = c->groups[at];
    }
    return TH_OK;
}

static th_err look_up_direct(agg_op *g, const th_vector *keys, const uint64_t *combined,
                             uint32_t rows, uint32_t *out)
{
    uint32_t *known = g->codes.known;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t group = known[combined[i]];
        if (group == UINT32_MAX) {
            TH_TRY(group_of_row(g, keys, i, &group));
            known[combined[i]] = group;
        }
        out[i] = group;
    }
    return TH_OK;
}

/* Entries that are whole numbers and never NULL, else NULL: neighbours are often equal, as hours are. */
static const int64_t *numbers_of(const th_vector *d)
{
    bool plain = th_type_is_integer(d->type) || d->type->kind == TH_DATE ||
                 d->type->kind == TH_TIMESTAMP || d->type->kind == TH_TIMESTAMP_TZ;
    return plain && d->valid == NULL && d->extra == NULL && d->zone == NULL ? d->data.i64 : NULL;
}

static th_err look_up_one(agg_op *g, const th_vector *key, uint32_t rows, uint32_t *out)
{
    uint32_t *known = g->codes.known, last = UINT32_MAX;
    const int64_t *numbers = numbers_of(key->dictionary);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t code = key->codes[i], group = known[code];
        if (group == UINT32_MAX) {
            if (numbers != NULL && last != UINT32_MAX && numbers[code] == numbers[last])
                group = known[last];
            else
                TH_TRY(group_of_row(g, key, i, &group));
            known[code] = group;
        }
        last = code;
        out[i] = group;
    }
    return TH_OK;
}

static uint64_t *combine(agg_op *g, const th_vector *keys, uint32_t count, uint32_t rows)
{
    uint64_t *combined = th_arena_alloc(g->input_arena, ((size_t)rows + 1) * sizeof *combined);
    if (combined == NULL) return NULL;
    uint32_t k = 0;
    while (k + 1 < count && keys[k].form == TH_CONST) k++;
    for (uint32_t i = 0; i < rows; i++) combined[i] = keys[k].codes[i];
    for (k++; k < count; k++) {
        if (keys[k].form == TH_CONST) continue;
        uint64_t n = keys[k].dictionary->count;
        const uint32_t *codes = keys[k].codes;
        for (uint32_t i = 0; i < rows; i++) combined[i] = combined[i] * n + codes[i];
    }
    return combined;
}

/* Sources of the keys and how many combinations of codes there can be; false: not by codes. */
static bool find_sources(const agg_op *g, const th_vector *keys, uint64_t *sources,
                         uint64_t *combinations)
{
    uint32_t n = g->op.plan->expr_count, coded = 0;
    *combinations = 1;
    if (n == 0 || n > AGG_CODED_KEYS || g->op.exec->env->options.plain_vectors) return false;
    for (uint32_t k = 0; k < n; k++) {
        if (keys[k].form == TH_CONST) continue;
        if (!is_coded(&keys[k]) ||
            __builtin_mul_overflow(*combinations, (uint64_t)keys[k].dictionary->count,
                                   combinations) ||
            *combinations > UINT64_MAX / 2)
            return false;
        sources[k] = source_of(&keys[k]);
        coded++;
    }
    return coded > 0;
}

static bool same_constants(const agg_op *g, const th_vector *keys)
{
    th_value v;
    for (uint32_t k = 0; k < g->op.plan->expr_count; k++) {
        if (keys[k].form != TH_CONST) continue;
        th_value_get(&keys[k], 0, &v);
        if (!th_value_same(keys[k].type, &v, &g->codes.constants[k])) return false;
    }
    return true;
}

static th_err keep_constants(agg_op *g, const th_vector *keys)
{
    agg_codes *c = &g->codes;
    th_value v;
    for (uint32_t k = 0; k < g->op.plan->expr_count; k++) {
        if (keys[k].form != TH_CONST) continue;
        th_value_get(&keys[k], 0, &v);
        if (!th_value_copy(c->arena, keys[k].type, &v, &c->constants[k])) return op_memory(&g->op);
    }
    return TH_OK;
}

th_err agg_groups_by_codes(agg_op *g, const th_vector *keys, uint32_t rows, uint32_t *out,
                           bool *done)
{
    uint32_t n = g->op.plan->expr_count;
    uint64_t combinations, sources[AGG_CODED_KEYS] = {0};
    *done = false;
    if (!find_sources(g, keys, sources, &combinations)) return TH_OK;
    *done = true;
    if (g->codes.arena == NULL || memcmp(sources, g->codes.sources, sizeof sources) != 0 ||
        !same_constants(g, keys)) {
        memcpy(g->codes.sources, sources, sizeof sources);
        TH_TRY(begin_codes(g, combinations));
        TH_TRY(keep_constants(g, keys));
    }
    if (n == 1 && g->codes.known != NULL) return look_up_one(g, &keys[0], rows, out);
    uint64_t *combined = combine(g, keys, n, rows);
    if (combined == NULL) return op_memory(&g->op);
    return g->codes.known != NULL ? look_up_direct(g, keys, combined, rows, out)
                                  : look_up(g, keys, combined, rows, out);
}

/* ---- values that were met ---- */

bool agg_repeats(const th_agg_call *call)
{
    const th_aggregate *a = call->aggregate;
    if (call->arg_count != 1 || call->order_count > 0) return false;
    return call->distinct || a->add == add_min || a->add == add_max || a->add == add_first ||
           a->add == add_set || a->add == add_distinct;
}

static th_err need_groups(agg_op *g, agg_met *m, uint32_t group)
{
    uint32_t room = m->groups == 0 ? 64 : m->groups * 2;
    if (group < m->groups) return TH_OK;
    while (room <= group) room *= 2;
    uint64_t **bits = TH_NEW_ARRAY(m->arena, uint64_t *, room);
    if (bits == NULL) return op_memory(&g->op);
    if (m->groups > 0) memcpy(bits, m->bits, m->groups * sizeof *bits);
    m->bits = bits;
    m->groups = room;
    return TH_OK;
}

static th_err need_bits(agg_op *g, agg_state *a, const th_vector *arg, uint32_t group,
                        uint64_t **out)
{
    agg_met *m = &a->met;
    TH_TRY(need_groups(g, m, group));
    if (m->bits[group] == NULL)
        m->bits[group] = TH_NEW_ARRAY(m->arena, uint64_t, arg->dictionary->count / 64 + 1);
    *out = m->bits[group];
    return *out == NULL ? op_memory(&g->op) : TH_OK;
}

th_err agg_first_met(agg_op *g, agg_state *a, const uint32_t *groups, const uint32_t *rows,
                     uint32_t count, const uint32_t **out, uint32_t *out_count, bool *done)
{
    const th_vector *arg = &a->vectors[0];
    agg_met *m = &a->met;
    *done = false;
    if (!a->repeats || !is_coded(arg) || g->op.exec->env->options.plain_vectors) return TH_OK;
    if (m->arena == NULL || m->source != source_of(arg)) {
        TH_TRY(need_arena(g, &m->arena));
        *m = (agg_met){.source = source_of(arg), .arena = m->arena};
    }
    size_t each = arg->dictionary->count / 8 + 16;
    uint32_t *first = th_arena_alloc(g->input_arena, ((size_t)count + 1) * sizeof *first), n = 0;
    if (first == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows == NULL ? i : rows[i], group = groups[row], code = arg->codes[row];
        uint64_t *bits = group < m->groups ? m->bits[group] : NULL;
        first[n] = row;
        if (bits == NULL && th_arena_used(m->arena) + each > MET_BYTES_MAX) {
            n++; /* twice does no harm */
            continue;
        }
        if (bits == NULL) TH_TRY(need_bits(g, a, arg, group, &bits));
        n += !th_bit_get(bits, code);
        bits[code >> 6] |= UINT64_C(1) << (code & 63);
    }
    *out = first;
    *out_count = n;
    *done = true;
    return TH_OK;
}

/* ---- percentiles ---- */

bool agg_ranks(const th_agg_call *call)
{
    th_type_kind kind = call->arg_count == 2 ? call->args[0]->type->kind : TH_UNKNOWN;
    return (call->aggregate->finish == finish_percentile ||
            call->aggregate->finish == finish_percentiles) &&
           !call->distinct && call->order_count == 0 && call->args[1]->kind == TH_X_CONST &&
           (kind == TH_BIGINT || kind == TH_DOUBLE || kind == TH_REAL);
}

/* Zeroes of both signs are equal, and which one comes out depends on which came first. */
static bool has_zeroes(const th_vector *d)
{
    if (d->type->kind == TH_BIGINT) return false;
    for (uint32_t i = 0; i < d->count; i++)
        if (d->data.f64[i] == 0 && __builtin_signbit(d->data.f64[i])) return true;
    return false;
}

th_err agg_flush(agg_op *g, agg_state *a)
{
    const th_vector *d = &a->weighed_entries;
    th_value args[2];
    if (a->weighed == 0) return TH_OK;
    a->weighed = 0;
    th_value_get(a->call->args[1]->constant, 0, &args[1]);
    for (uint32_t group = 0; group < a->met.groups; group++) {
        const uint32_t *counts = (const uint32_t *)a->met.bits[group];
        void *state = g->states + (size_t)group * g->stride + a->offset;
        for (uint32_t i = 0; counts != NULL && i < d->count; i++) {
            if (counts[i] == 0) continue;
            th_value_get(d, i, &args[0]);
            if (!args[0].null) agg_add_weighted(&a->context, state, args, counts[i]);
            if (a->context.error != TH_OK) return a->context.error;
        }
    }
    return TH_OK;
}

static th_err begin_weighing(agg_op *g, agg_state *a, const th_vector *arg)
{
    TH_TRY(agg_flush(g, a));
    TH_TRY(need_arena(g, &a->met.arena));
    a->met = (agg_met){.source = source_of(arg), .arena = a->met.arena};
    const th_vector *d = arg->dictionary;
    uint32_t n = d->count;
    /* The dictionary itself may be gone when the next one comes. */
    uint32_t *all = th_arena_alloc(a->met.arena, ((size_t)n + 1) * sizeof *all);
    if (all == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < n; i++) all[i] = i;
    if (!th_vector_gather(a->met.arena, d, all, n, &a->weighed_entries)) return op_memory(&g->op);
    a->weighed = has_zeroes(d) ? 0 : a->met.source;
    return TH_OK;
}

th_err agg_weigh(agg_op *g, agg_state *a, const uint32_t *groups, const uint32_t *rows,
                 uint32_t count, bool *done)
{
    const th_vector *arg = &a->vectors[0];
    agg_met *m = &a->met;
    *done = false;
    if (!a->ranks || !is_coded(arg) || g->op.exec->env->options.plain_vectors) return TH_OK;
    if (m->arena == NULL || m->source != source_of(arg)) TH_TRY(begin_weighing(g, a, arg));
    size_t each = ((size_t)arg->dictionary->count + 2) * sizeof(uint32_t);
    if (a->weighed == 0 || th_arena_used(m->arena) + each > MET_BYTES_MAX) return TH_OK;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows == NULL ? i : rows[i], group = groups[row];
        if (group >= m->groups) TH_TRY(need_groups(g, m, group));
        if (m->bits[group] == NULL) m->bits[group] = th_arena_zalloc(m->arena, each, 1);
        if (m->bits[group] == NULL) return op_memory(&g->op);
        ((uint32_t *)m->bits[group])[arg->codes[row]]++;
    }
    *done = true;
    return TH_OK;
}

bool agg_count_codes(const agg_op *g, const agg_state *a, const uint32_t *groups, uint32_t rows)
{
    const th_agg_call *call = a->call;
    if (call->aggregate->add != add_count || call->arg_count != 1 || call->distinct ||
        call->order_count > 0 || call->filter != NULL || a->vectors[0].form != TH_DICT ||
        g->op.exec->env->options.plain_vectors)
        return false;
    const uint64_t *valid = a->vectors[0].dictionary->valid;
    const uint32_t *codes = a->vectors[0].codes;
    for (uint32_t i = 0; i < rows; i++) {
        count_state *state =
            (count_state *)(void *)(g->states + (size_t)groups[i] * g->stride + a->offset);
        state->count += valid == NULL || th_bit_get(valid, codes[i]);
    }
    return true;
}

void agg_codes_close(agg_op *g)
{
    th_arena_free(g->codes.arena);
    g->codes.arena = NULL;
    for (uint32_t i = 0; g->aggs != NULL && i < g->op.plan->aggregate_count; i++) {
        th_arena_free(g->aggs[i].met.arena);
        g->aggs[i].met.arena = NULL;
    }
}
