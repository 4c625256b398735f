/* SPDX-License-Identifier: Apache-2.0
 * The parts of the window operator. Its input comes sorted; it holds whole partitions, as many as make a batch, and
 * works out each call for one partition after the other. Row numbers are those within what it holds. */
#ifndef TH_QUERY_OP_WINDOW_H
#define TH_QUERY_OP_WINDOW_H

#include "query/fn/aggregate.h"
#include "query/op/op.h"

#define WINDOW_NO_COLUMN UINT32_MAX

typedef struct window_op window_op;

/* A bound of a frame, as columns of what is held. */
typedef struct window_bound {
    th_bound_kind kind;
    uint32_t offset, limit, key;
} window_bound;

typedef struct window_aggregate window_aggregate;

typedef struct window_call {
    const th_window_call *call;
    uint32_t *args, *order; /* columns */
    uint32_t filter;
    window_bound start, end;
    window_aggregate *aggregate;
    th_builder values; /* a value a row; aggregates: one a different frame */
    uint32_t *codes;   /* aggregates: which of them */
    th_vector result;
} window_call;

struct window_op {
    th_op op;
    th_arena *rows_arena, *input_arena, *keys_arena, *old_keys_arena;
    th_eval **partition, **order, **extras;
    uint32_t width; /* columns held: the input's, then extras */
    uint32_t extra_count, extra_capacity;
    const th_expr **extra_exprs;
    th_builder *columns;
    th_vector *vectors;
    window_call *calls;
    /* input batch, and how far it is taken */
    const th_batch *in;
    th_vector *in_keys, *in_extras;
    uint32_t in_at;
    th_value *last_keys; /* of the row before, in keys_arena; NULL: none */
    bool ended;
    /* what is held */
    uint32_t rows, row_room, at;
    uint32_t *group_of; /* of each row: number of its group of peers */
    uint32_t group_count, group_room;
    uint32_t *group_starts; /* and one past the last */
    uint32_t partition_count, partition_room;
    uint32_t *partition_starts; /* and one past the last */
};

/* Rows [first, end) are one partition. */
typedef struct window_part {
    uint32_t first, end;
} window_part;

static inline uint32_t window_peers_first(const window_op *w, uint32_t row)
{
    return w->group_starts[w->group_of[row]];
}
static inline uint32_t window_peers_end(const window_op *w, uint32_t row)
{
    return w->group_starts[w->group_of[row] + 1];
}

/* window_frame.c: rows [*from, *to) are the frame of row; from = to when it is empty. */
TH_MUST_CHECK th_err window_frame(const window_op *w, const window_call *c, window_part part,
                                  uint32_t row, uint32_t *from, uint32_t *to);
/* window_value.c: ranks, neighbours and values of the frame for one partition. */
TH_MUST_CHECK th_err window_values(window_op *w, window_call *c, window_part part);
/* window_aggregate.c */
TH_MUST_CHECK th_err window_aggregate_open(window_op *w, window_call *c);
TH_MUST_CHECK th_err window_aggregates(window_op *w, window_call *c, window_part part);
void window_aggregate_close(window_call *c);

#endif
