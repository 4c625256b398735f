/* SPDX-License-Identifier: Apache-2.0
 * Shared by shape*.c: what a shaper has learnt. */
#ifndef TH_SEGMENT_SHAPE_PRIVATE_H
#define TH_SEGMENT_SHAPE_PRIVATE_H

#include "segment/shape.h"

#define SHAPE_NONE UINT32_MAX
#define SHAPE_PAD 32u   /* readable bytes behind a literal: vectors may read them */
#define SHAPE_TRIES 48u /* literals tried after a state before the strict parser is asked */
#define SHAPE_END 0u    /* "next" of a literal that ends the record: the state of its start */

/* Most that is learnt; beyond it records are kept whole until a new shaper begins. */
#define SHAPE_NODES_MAX 65536u
#define SHAPE_COLUMNS_MAX 32768u
#define SHAPE_LITERALS_MAX 65536u
#define SHAPE_EDGES_MAX 131072u
#define SHAPE_SHAPES_MAX 16384u
#define SHAPE_SLOTS_MAX (2u << 20) /* of all shapes together */
#define SHAPE_ARENA_MAX (64u << 20)

/* An open hash table of numbers + 1; whoever uses it knows what to compare. */
typedef struct shape_table {
    uint32_t *slots;
    uint32_t capacity, count;
} shape_table;

typedef struct shape_literal {
    const uint8_t *bytes; /* SHAPE_PAD readable bytes follow */
    uint32_t size;
    uint64_t hash;
} shape_literal;

/* A literal that was seen after a state, and where it leads. */
typedef struct shape_edge {
    const uint8_t *bytes;
    uint32_t size, literal;
    uint32_t from, next; /* states: column + 1, 0 the start; next SHAPE_END: the record's end */
    uint32_t follow;     /* edge that came after this one last time, or SHAPE_NONE */
} shape_edge;

typedef struct shape_state {
    uint32_t *edges; /* last used first */
    uint32_t count, room;
} shape_state;

typedef struct shape_node {
    uint32_t parent, field;
    th_slice key;
    uint32_t columns[3]; /* by segment_leaf_kind, or SHAPE_NONE */
    uint32_t same;  /* node whose key decodes to the same text: itself but for keys with escapes */
    uint64_t stamp; /* object in which it was seen last */
    uint8_t kind;
} shape_node;

typedef struct shape_column {
    uint32_t node;
    uint8_t kind;
} shape_column;

typedef struct shape_known {
    uint64_t hash;
    uint32_t slots;
    uint32_t at; /* in ids: slots + 1 literals, then slots columns */
    bool refused, repeats;
} shape_known;

struct segment_shaper {
    th_record_format format;
    th_arena *arena;   /* literals, keys and all arrays: they only grow */
    th_arena *scratch; /* decoded keys of a record */
    bool full;
    shape_node *nodes; /* 0 is the root */
    shape_column *columns;
    shape_literal *literals;
    shape_edge *edges;
    shape_state *states; /* column + 1 of them */
    shape_known *shapes;
    uint32_t *ids;
    size_t nodes_room, columns_room, literals_room, edges_room, states_room, shapes_room, ids_room;
    uint32_t node_count, column_count, literal_count, edge_count, state_count, shape_count;
    uint32_t id_count;
    shape_table node_table, literal_table, edge_table, shape_table;
    uint64_t objects;                        /* serial of the object in hand */
    uint32_t fields[2 * TH_LINE_FIELDS_MAX]; /* column of a line's field + 1, 0 not known yet */
    uint32_t path[SEGMENT_SLOTS_MAX + 1];    /* literals of the record in hand */
};

/* Numbers of things, learnt when they are new; SHAPE_NONE: no room, the shaper is full. */
uint32_t shape_node_of(segment_shaper *shaper, uint32_t parent, segment_node_kind kind,
                       th_slice key, uint32_t field);
uint32_t shape_column_of(segment_shaper *shaper, uint32_t node, segment_leaf_kind kind);
/* The edge of a literal after a state, put first among those of its state. */
uint32_t shape_edge_of(segment_shaper *shaper, uint32_t from, th_slice literal, uint32_t next);
static inline uint64_t shape_mix(uint64_t hash, uint32_t literal)
{
    hash = (hash ^ literal) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}
/* The shape of shaper->path; SHAPE_NONE: new. */
uint32_t shape_find(const segment_shaper *shaper, uint64_t hash, const segment_value *values,
                    uint32_t slots);
uint32_t shape_learn(segment_shaper *shaper, uint64_t hash, const segment_value *values,
                     uint32_t slots, bool refused);

/* Parse the whole record strictly, learn its literals, and fill path and values. False: not to be cut. */
bool shape_strict_json(segment_shaper *shaper, th_slice record, segment_value *values,
                       uint32_t *slots);
bool shape_strict_line(segment_shaper *shaper, th_slice record, th_slice layout,
                       segment_value *values, uint32_t *slots);

/* The fast path: false when a literal is not known or a value is not plainly valid. */
typedef bool shape_walk(segment_shaper *shaper, th_slice record, segment_value *values,
                        uint32_t *slots, uint64_t *hash);
shape_walk shape_walk_portable;
#if defined(__x86_64__)
shape_walk shape_walk_sse2, shape_walk_avx2;
#endif

static inline bool shape_is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
/* Behind the scalar that p starts, NULL when it is none or what follows cannot follow one. */
const uint8_t *shape_scalar_end(const uint8_t *p, const uint8_t *end);
/* Step over what a fast look at a string stopped at: behind it, NULL when it is not valid. p is not at a quote. */
const uint8_t *shape_string_step(const uint8_t *p, const uint8_t *end);

#endif
