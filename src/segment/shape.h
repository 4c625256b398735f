/* SPDX-License-Identifier: Apache-2.0
 * Records cut into literals and values by learnt literals. A literal is what stands between two values, exactly as
 * written; the state is the place in the tree of paths; for each state the literals seen so far are tried, last used
 * first. A miss goes to a strict parser, the only judge of what is valid, which learns the literal. The list of literals
 * is the record's shape: equal text, equal number.
 *
 * A shape that is new goes through the strict parser as a whole, so that what learnt literals add up to (keys twice in an
 * object, too many values) was judged once for every shape. Within a known shape only the values need judging.
 *
 * Threads: one. Numbers given out stay as they are for the life of the shaper. */
#ifndef TH_SEGMENT_SHAPE_H
#define TH_SEGMENT_SHAPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/model.h"

enum {
    SEGMENT_DEPTH_MAX = 64,
    SEGMENT_SLOTS_MAX = 4096,   /* values of a record; more: it is kept whole */
    SEGMENT_LITERAL_MAX = 4096, /* bytes of a literal */
    SEGMENT_SHAPES_MAX = 4096,  /* of a segment */
    SEGMENT_LEAVES_MAX = 8192   /* columns of a segment */
};

typedef enum segment_leaf_kind {
    SEGMENT_LEAF_STRING = 0, /* between the quotes, as written */
    SEGMENT_LEAF_SCALAR = 1, /* number, true, false, null */
    SEGMENT_LEAF_FIELD = 2   /* of a line */
} segment_leaf_kind;
typedef enum segment_node_kind {
    SEGMENT_NODE_MEMBER = 0,
    SEGMENT_NODE_ELEMENT = 1,
    SEGMENT_NODE_FIELD = 2
} segment_node_kind;

typedef struct segment_value {
    uint32_t column;       /* shaper's number of (node, kind) */
    uint32_t offset, size; /* in the record */
} segment_value;

typedef struct segment_shaper segment_shaper;
segment_shaper *segment_shaper_new(th_record_format format,
                                   th_budget *budget); /* NULL: no memory */
void segment_shaper_free(segment_shaper *shaper);      /* accepts NULL */

/* Cut one whole record. True: *shape is its number, values[*count] its values in order. False: it is to be kept whole (not
 * valid, duplicate keys, over a limit, or no room left to learn). layout: of a LINE record. */
bool segment_shaper_cut(segment_shaper *shaper, th_slice record, th_slice layout,
                        segment_value values[SEGMENT_SLOTS_MAX], uint32_t *count, uint32_t *shape);

/* What numbers mean. Borrowed, valid until the shaper is freed. */
uint32_t segment_shaper_shapes(const segment_shaper *shaper);  /* how many */
uint32_t segment_shaper_columns(const segment_shaper *shaper); /* how many */
typedef struct segment_shape {
    uint32_t slots;
    const uint32_t *columns;  /* slots of them */
    const uint32_t *literals; /* slots + 1 of them */
    bool repeats;             /* some column has more than one slot */
} segment_shape;
void segment_shaper_shape(const segment_shaper *shaper, uint32_t shape, segment_shape *out);
th_slice segment_shaper_literal(const segment_shaper *shaper, uint32_t literal);
void segment_shaper_column(const segment_shaper *shaper, uint32_t column, uint32_t *node,
                           segment_leaf_kind *kind);
/* Parent node (0 = root), kind, key bytes as written or field number. */
void segment_shaper_node(const segment_shaper *shaper, uint32_t node, uint32_t *parent,
                         segment_node_kind *kind, th_slice *key, uint32_t *field);
/* More was learnt than is good: its owner should begin with a new one at the next occasion. */
bool segment_shaper_is_full(const segment_shaper *shaper);

/* For tests: 0 the portable twin, 1 what every CPU of this kind has, 2 the best there is. Not while others cut. */
void segment_shaper_use_level(int level);

#endif
