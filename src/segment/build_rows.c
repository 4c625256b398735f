/* SPDX-License-Identifier: Apache-2.0
 * Rows of a builder put together again from literals and values. */
#include "base/assert.h"
#include "segment/build.h"

bool build_walk_begin(build_walk *walk, const th_segment_builder *b, th_arena *arena)
{
    *walk = (build_walk){.builder = b, .next = TH_NEW_ARRAY(arena, uint32_t, b->column_count + 1u)};
    return walk->next != NULL;
}

static void step_whole(build_walk *walk)
{
    walk->whole_at += walk->builder->whole_sizes[walk->whole++];
}

void build_walk_skip(build_walk *walk)
{
    const th_segment_builder *b = walk->builder;
    uint32_t number = b->row_shapes[walk->row++];
    if (number == 0) {
        step_whole(walk);
        return;
    }
    const build_shape *shape = &b->shapes[number - 1];
    const uint32_t *columns = build_shape_columns(b, shape);
    for (uint32_t i = 0; i < shape->slots; i++) walk->next[columns[i]]++;
}

th_err build_walk_record(build_walk *walk, th_buf *out)
{
    const th_segment_builder *b = walk->builder;
    TH_ASSERT(walk->row < b->cut_rows);
    th_buf_clear(out);
    uint32_t number = b->row_shapes[walk->row++];
    if (number == 0) {
        uint32_t size = b->whole_sizes[walk->whole];
        if (size > 0) th_buf_add(out, b->whole.bytes + walk->whole_at, size);
        step_whole(walk);
        return th_buf_error(out);
    }
    const build_shape *shape = &b->shapes[number - 1];
    const uint32_t *columns = build_shape_columns(b, shape);
    segment_shape learnt;
    segment_shaper_shape(b->book->shaper, shape->number, &learnt);
    for (uint32_t i = 0; i < shape->slots; i++) {
        th_buf_add_slice(out, segment_shaper_literal(b->book->shaper, learnt.literals[i]));
        const build_column *c = &b->columns[columns[i]];
        th_buf_add_slice(out, build_column_value(c, walk->next[columns[i]]++));
    }
    th_buf_add_slice(out, segment_shaper_literal(b->book->shaper, learnt.literals[shape->slots]));
    return th_buf_error(out);
}
