/* SPDX-License-Identifier: Apache-2.0
 * What a shaper has learnt: nodes, columns, literals, edges and shapes, each found again by hash. All of it lives in one
 * arena and only grows; at a limit the shaper is full and learns no more. */
#include "segment/shape.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "segment/cpu.h"
#include "segment/shape_private.h"

static atomic_int forced_level = 2;

/* ---- tables ---- */

static bool table_room(segment_shaper *s, shape_table *table,
                       uint64_t (*hash_of)(const segment_shaper *, uint32_t))
{
    if (2 * (table->count + 1) <= table->capacity) return true;
    uint32_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    uint32_t *slots = TH_NEW_ARRAY(s->arena, uint32_t, capacity);
    if (slots == NULL) return false;
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->slots[i] == 0) continue;
        uint32_t at = (uint32_t)hash_of(s, table->slots[i] - 1) & (capacity - 1);
        while (slots[at] != 0) at = (at + 1) & (capacity - 1);
        slots[at] = table->slots[i];
    }
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

static void table_put(shape_table *table, uint64_t hash, uint32_t number)
{
    uint32_t at = (uint32_t)hash & (table->capacity - 1);
    while (table->slots[at] != 0) at = (at + 1) & (table->capacity - 1);
    table->slots[at] = number + 1;
    table->count++;
}

/* Room for one more element; false makes the shaper full. */
static bool make_room(segment_shaper *s, void *array, size_t count, size_t *room, size_t each)
{
    void **pointer = array;
    void *grown = count < *room ? *pointer : th_arena_room(s->arena, *pointer, count, room, each);
    if (grown == NULL) return false;
    *pointer = grown;
    return true;
}

static uint32_t give_up(segment_shaper *s)
{
    s->full = true;
    return SHAPE_NONE;
}

static uint64_t mix3(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = (a ^ 0x51ed270b7a3f9d15u) * UINT64_C(0x9E3779B97F4A7C15);
    h = ((h ^ h >> 31) + b) * 0xD1B54A32D192ED03u;
    h = ((h ^ h >> 29) + c) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

/* ---- nodes and columns ---- */

static uint64_t node_hash(uint32_t parent, uint32_t kind, th_slice key, uint32_t field)
{
    return th_xxh3_seed(key, mix3(parent, kind, field));
}

static uint64_t hash_of_node(const segment_shaper *s, uint32_t i)
{
    const shape_node *n = &s->nodes[i];
    return node_hash(n->parent, n->kind, n->key, n->field);
}

static uint32_t find_node(const segment_shaper *s, uint64_t hash, const shape_node *like)
{
    const shape_table *t = &s->node_table;
    if (t->capacity == 0) return SHAPE_NONE;
    for (uint32_t at = (uint32_t)hash & (t->capacity - 1); t->slots[at] != 0;
         at = (at + 1) & (t->capacity - 1)) {
        const shape_node *n = &s->nodes[t->slots[at] - 1];
        if (n->parent == like->parent && n->kind == like->kind && n->field == like->field &&
            th_slice_equal(n->key, like->key))
            return t->slots[at] - 1;
    }
    return SHAPE_NONE;
}

uint32_t shape_node_of(segment_shaper *s, uint32_t parent, segment_node_kind kind, th_slice key,
                       uint32_t field)
{
    shape_node like = {.parent = parent,
                       .kind = (uint8_t)kind,
                       .key = key,
                       .field = field,
                       .columns = {SHAPE_NONE, SHAPE_NONE, SHAPE_NONE}};
    uint64_t hash = node_hash(parent, kind, key, field);
    uint32_t found = find_node(s, hash, &like);
    if (found != SHAPE_NONE) return found;
    if (s->node_count >= SHAPE_NODES_MAX ||
        !make_room(s, &s->nodes, s->node_count, &s->nodes_room, sizeof(shape_node)) ||
        !table_room(s, &s->node_table, hash_of_node))
        return give_up(s);
    like.key = th_arena_copy(s->arena, key);
    if (like.key.bytes == NULL) return give_up(s);
    like.same = s->node_count;
    s->nodes[s->node_count] = like;
    table_put(&s->node_table, hash, s->node_count);
    return s->node_count++;
}

uint32_t shape_column_of(segment_shaper *s, uint32_t node, segment_leaf_kind kind)
{
    uint32_t *column = &s->nodes[node].columns[kind];
    if (*column != SHAPE_NONE) return *column;
    if (s->column_count >= SHAPE_COLUMNS_MAX ||
        !make_room(s, &s->columns, s->column_count, &s->columns_room, sizeof(shape_column)) ||
        !make_room(s, &s->states, s->state_count, &s->states_room, sizeof(shape_state)))
        return give_up(s);
    s->columns[s->column_count] = (shape_column){node, (uint8_t)kind};
    s->states[s->state_count++] = (shape_state){0};
    return *column = s->column_count++;
}

/* ---- literals and edges ---- */

static uint64_t hash_of_literal(const segment_shaper *s, uint32_t i)
{
    return s->literals[i].hash;
}

static uint32_t literal_of(segment_shaper *s, th_slice text)
{
    uint64_t hash = th_xxh3(text);
    const shape_table *t = &s->literal_table;
    for (uint32_t at = (uint32_t)hash & (t->capacity - 1); t->capacity > 0 && t->slots[at] != 0;
         at = (at + 1) & (t->capacity - 1)) {
        const shape_literal *l = &s->literals[t->slots[at] - 1];
        if (l->hash == hash && th_slice_equal(text, th_slice_of(l->bytes, l->size)))
            return t->slots[at] - 1;
    }
    if (s->literal_count >= SHAPE_LITERALS_MAX ||
        !make_room(s, &s->literals, s->literal_count, &s->literals_room, sizeof(shape_literal)) ||
        !table_room(s, &s->literal_table, hash_of_literal))
        return give_up(s);
    uint8_t *copy = th_arena_zalloc(s->arena, 1, text.size + SHAPE_PAD);
    if (copy == NULL) return give_up(s);
    if (text.size > 0) memcpy(copy, text.bytes, text.size);
    s->literals[s->literal_count] = (shape_literal){copy, (uint32_t)text.size, hash};
    table_put(&s->literal_table, hash, s->literal_count);
    return s->literal_count++;
}

static uint64_t hash_of_edge(const segment_shaper *s, uint32_t i)
{
    return mix3(s->edges[i].from, s->edges[i].literal, 0);
}

static bool put_first(segment_shaper *s, shape_state *state, uint32_t edge)
{
    uint32_t at = 0;
    while (at < state->count && state->edges[at] != edge) at++;
    if (at == state->count) {
        if (state->count == state->room) {
            uint32_t room = state->room == 0 ? 4 : state->room * 2;
            if (room > SHAPE_TRIES) room = SHAPE_TRIES;
            if (room > state->room) {
                uint32_t *edges = TH_NEW_ARRAY(s->arena, uint32_t, room);
                if (edges == NULL) return false;
                if (state->count > 0) memcpy(edges, state->edges, state->count * sizeof(uint32_t));
                state->edges = edges;
                state->room = room;
            }
        }
        if (state->count < state->room) state->count++;
        at = state->count - 1;
    }
    memmove(state->edges + 1, state->edges, at * sizeof(uint32_t));
    state->edges[0] = edge;
    return true;
}

uint32_t shape_edge_of(segment_shaper *s, uint32_t from, th_slice text, uint32_t next)
{
    uint32_t literal = literal_of(s, text), edge = SHAPE_NONE;
    if (literal == SHAPE_NONE) return SHAPE_NONE;
    uint64_t hash = mix3(from, literal, 0);
    const shape_table *t = &s->edge_table;
    for (uint32_t at = (uint32_t)hash & (t->capacity - 1); t->capacity > 0 && t->slots[at] != 0;
         at = (at + 1) & (t->capacity - 1)) {
        const shape_edge *e = &s->edges[t->slots[at] - 1];
        if (e->from == from && e->literal == literal && e->next == next) edge = t->slots[at] - 1;
    }
    if (edge == SHAPE_NONE) {
        if (s->edge_count >= SHAPE_EDGES_MAX ||
            !make_room(s, &s->edges, s->edge_count, &s->edges_room, sizeof(shape_edge)) ||
            !table_room(s, &s->edge_table, hash_of_edge))
            return give_up(s);
        const shape_literal *l = &s->literals[literal];
        edge = s->edge_count++;
        s->edges[edge] = (shape_edge){l->bytes, l->size, literal, from, next, SHAPE_NONE};
        table_put(&s->edge_table, hash, edge);
    }
    return put_first(s, &s->states[from], edge) ? edge : give_up(s);
}

/* ---- shapes ---- */

/* Literals say where in JSON a value stands; of a line only its layout does. */
static bool same_columns(const segment_shaper *s, const shape_known *k, const segment_value *values)
{
    if (s->format != TH_RECORD_LINE) return true;
    const uint32_t *columns = s->ids + k->at + k->slots + 1;
    for (uint32_t i = 0; i < k->slots; i++)
        if (columns[i] != values[i].column) return false;
    return true;
}

uint32_t shape_find(const segment_shaper *s, uint64_t hash, const segment_value *values,
                    uint32_t slots)
{
    const shape_table *t = &s->shape_table;
    for (uint32_t at = (uint32_t)hash & (t->capacity - 1); t->capacity > 0 && t->slots[at] != 0;
         at = (at + 1) & (t->capacity - 1)) {
        const shape_known *k = &s->shapes[t->slots[at] - 1];
        if (k->hash == hash && k->slots == slots &&
            memcmp(s->ids + k->at, s->path, (slots + 1) * sizeof(uint32_t)) == 0 &&
            same_columns(s, k, values))
            return t->slots[at] - 1;
    }
    return SHAPE_NONE;
}

static uint64_t hash_of_shape(const segment_shaper *s, uint32_t i)
{
    return s->shapes[i].hash;
}

/* Does a column stand in two slots? Nodes are stamped as objects stamp them. */
static bool has_repeats(segment_shaper *s, const segment_value *values, uint32_t slots)
{
    uint64_t stamp = ++s->objects;
    for (uint32_t i = 0; i < slots; i++) {
        shape_node *node = &s->nodes[s->columns[values[i].column].node];
        if (node->stamp == stamp) return true;
        node->stamp = stamp;
    }
    return false;
}

uint32_t shape_learn(segment_shaper *s, uint64_t hash, const segment_value *values, uint32_t slots,
                     bool refused)
{
    uint32_t need = 2 * slots + 1;
    if (s->shape_count >= SHAPE_SHAPES_MAX || s->id_count + need > SHAPE_SLOTS_MAX ||
        !make_room(s, &s->shapes, s->shape_count, &s->shapes_room, sizeof(shape_known)) ||
        !table_room(s, &s->shape_table, hash_of_shape))
        return give_up(s);
    while (s->id_count + need > s->ids_room) {
        size_t before = s->ids_room; /* room doubles only when it is full: fill it */
        uint32_t *ids = th_arena_room(s->arena, s->ids, before, &s->ids_room, sizeof(uint32_t));
        if (ids == NULL) return give_up(s);
        s->ids = ids;
    }
    uint32_t *ids = s->ids + s->id_count;
    memcpy(ids, s->path, (slots + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < slots; i++) ids[slots + 1 + i] = values[i].column;
    s->shapes[s->shape_count] =
        (shape_known){hash, slots, s->id_count, refused, has_repeats(s, values, slots)};
    s->id_count += need;
    table_put(&s->shape_table, hash, s->shape_count);
    return s->shape_count++;
}

/* ---- cutting ---- */

static shape_walk *best_walk(void)
{
    int level = atomic_load_explicit(&forced_level, memory_order_relaxed);
#if defined(__x86_64__)
    if (level == 2 && segment_cpu_has_avx2()) return shape_walk_avx2;
    if (level > 0) return shape_walk_sse2;
#endif
    (void)level;
    return shape_walk_portable;
}

void segment_shaper_use_level(int level)
{
    atomic_store(&forced_level, level);
}

static uint64_t hash_of_path(const segment_shaper *s, uint32_t slots)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i <= slots; i++) hash = shape_mix(hash, s->path[i]);
    return hash;
}

/* The record goes through the strict parser. walked: the fast path came through, so that its literals tell the shape. */
static bool cut_strictly(segment_shaper *s, th_slice record, th_slice layout, bool walked,
                         uint64_t hash, segment_value *values, uint32_t *count, uint32_t *shape)
{
    if (s->full) return false;
    uint32_t slots = *count;
    bool good = s->format == TH_RECORD_LINE ? shape_strict_line(s, record, layout, values, count)
                                            : shape_strict_json(s, record, values, count);
    if (!good) {
        if (walked && !s->full) (void)shape_learn(s, hash, values, slots, true);
        return false;
    }
    hash = hash_of_path(s, *count);
    *shape = shape_find(s, hash, values, *count);
    if (*shape == SHAPE_NONE) *shape = shape_learn(s, hash, values, *count, false);
    return *shape != SHAPE_NONE && !s->shapes[*shape].refused;
}

bool segment_shaper_cut(segment_shaper *s, th_slice record, th_slice layout,
                        segment_value values[SEGMENT_SLOTS_MAX], uint32_t *count, uint32_t *shape)
{
    TH_ASSERT(s != NULL && record.size <= UINT32_MAX);
    *count = 0;
    if (s->format == TH_RECORD_BINARY) return false;
    if (s->format == TH_RECORD_LINE)
        return cut_strictly(s, record, layout, false, 0, values, count, shape);
    uint64_t hash = 0;
    bool walked = best_walk()(s, record, values, count, &hash);
    if (walked) {
        *shape = shape_find(s, hash, values, *count);
        if (*shape != SHAPE_NONE) return !s->shapes[*shape].refused;
    }
    return cut_strictly(s, record, layout, walked, hash, values, count, shape);
}

/* ---- life and meaning ---- */

segment_shaper *segment_shaper_new(th_record_format format, th_budget *budget)
{
    segment_shaper *s = calloc(1, sizeof(*s));
    if (s == NULL) return NULL;
    s->format = format;
    s->arena = th_arena_new(SHAPE_ARENA_MAX, budget);
    s->scratch = th_arena_new(SHAPE_ARENA_MAX, budget);
    bool good = s->arena != NULL && s->scratch != NULL &&
                make_room(s, &s->states, 0, &s->states_room, sizeof(shape_state)) &&
                shape_node_of(s, 0, SEGMENT_NODE_ELEMENT, TH_SLICE(""), SHAPE_NONE) == 0;
    if (!good) {
        segment_shaper_free(s);
        return NULL;
    }
    s->states[s->state_count++] = (shape_state){0};
    return s;
}

void segment_shaper_free(segment_shaper *s)
{
    if (s == NULL) return;
    th_arena_free(s->arena);
    th_arena_free(s->scratch);
    free(s);
}

uint32_t segment_shaper_shapes(const segment_shaper *s)
{
    return s->shape_count;
}

uint32_t segment_shaper_columns(const segment_shaper *s)
{
    return s->column_count;
}

void segment_shaper_shape(const segment_shaper *s, uint32_t shape, segment_shape *out)
{
    TH_ASSERT(shape < s->shape_count);
    const shape_known *k = &s->shapes[shape];
    const uint32_t *ids = s->ids + k->at;
    *out = (segment_shape){k->slots, ids + k->slots + 1, ids, k->repeats};
}

th_slice segment_shaper_literal(const segment_shaper *s, uint32_t literal)
{
    TH_ASSERT(literal < s->literal_count);
    return th_slice_of(s->literals[literal].bytes, s->literals[literal].size);
}

void segment_shaper_column(const segment_shaper *s, uint32_t column, uint32_t *node,
                           segment_leaf_kind *kind)
{
    TH_ASSERT(column < s->column_count);
    *node = s->columns[column].node;
    *kind = (segment_leaf_kind)s->columns[column].kind;
}

void segment_shaper_node(const segment_shaper *s, uint32_t node, uint32_t *parent,
                         segment_node_kind *kind, th_slice *key, uint32_t *field)
{
    TH_ASSERT(node < s->node_count);
    const shape_node *n = &s->nodes[node];
    *parent = n->parent;
    *kind = (segment_node_kind)n->kind;
    *key = n->key;
    *field = n->field;
}

bool segment_shaper_is_full(const segment_shaper *s)
{
    return s->full || s->shape_count > SHAPE_SHAPES_MAX / 2 ||
           s->column_count > SHAPE_COLUMNS_MAX / 2 || s->edge_count > SHAPE_EDGES_MAX / 2;
}
