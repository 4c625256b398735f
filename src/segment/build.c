/* SPDX-License-Identifier: Apache-2.0
 * Rows into columns. A record is cut and its values go to their columns; what cannot be cut is kept whole. The first few
 * rows wait as they are, so that builders of days with hardly any rows cost no more than these. */
#include <stdlib.h>

#include "base/assert.h"
#include "segment/build.h"

#define BUILDER_MAGIC UINT32_C(0x53454742)
#define LAYOUTS_ARENA_MAX (256u << 20)
#define BUSY_ROWS 4096u /* a builder that had as many keeps its memory for the next image */

static void builder_check(const th_segment_builder *b)
{
    TH_ASSERT(b != NULL);
    TH_ASSERT(b->magic == BUILDER_MAGIC);
}

th_segment_builder *th_segment_builder_new_sharing(const th_stored_table *table, th_budget *budget,
                                                   th_segment_shaper *shared)
{
    TH_ASSERT(table != NULL && table->column_count <= SEGMENT_COLUMNS_MAX);
    th_segment_builder *b = calloc(1, sizeof(*b));
    if (b == NULL) return NULL;
    b->magic = BUILDER_MAGIC;
    b->table = table;
    b->memory.budget = budget;
    b->owns_shared = shared == NULL;
    b->shared = shared != NULL ? shared : th_segment_shaper_new(budget);
    th_buf_init(&b->early, SEGMENT_CHUNK_MAX);
    th_buf_init(&b->whole, SEGMENT_CHUNK_MAX);
    if (b->shared == NULL) {
        th_segment_builder_free(b);
        return NULL;
    }
    return b;
}

th_segment_builder *th_segment_builder_new(const th_stored_table *table, th_budget *budget)
{
    return th_segment_builder_new_sharing(table, budget, NULL);
}

static void release(th_segment_builder *b)
{
    segment_memory *m = &b->memory;
    for (uint32_t i = 0; i < b->columns_made; i++) build_column_free(&b->columns[i], m);
    b->columns_made = 0;
    segment_shrink(m, (void **)&b->columns, &b->columns_room, sizeof(build_column));
    segment_shrink(m, (void **)&b->shapes, &b->shapes_room, sizeof(build_shape));
    segment_shrink(m, (void **)&b->shape_columns, &b->shape_columns_room, sizeof(uint32_t));
    segment_shrink(m, (void **)&b->row_shapes, &b->row_shapes_room, sizeof(uint16_t));
    segment_shrink(m, (void **)&b->whole_sizes, &b->whole_room, sizeof(uint32_t));
    segment_shrink(m, (void **)&b->early_sizes, &b->early_room, sizeof(uint32_t));
    segment_shrink(m, (void **)&b->runs, &b->runs_room, sizeof(build_run));
    segment_shrink(m, (void **)&b->times, &b->times_room, sizeof(int64_t));
    segment_shrink(m, (void **)&b->timed, &b->timed_room, 1);
    segment_shrink(m, (void **)&b->first_layout, &b->first_layout_room, 1);
    build_map_free(&b->column_map, m);
    build_map_free(&b->shape_map, m);
    th_buf_free(&b->early);
    th_buf_free(&b->whole);
    th_arena_free(b->layout_arena);
    b->layout_arena = NULL;
    th_budget_release(m->budget, b->buffers);
    m->charged -= b->buffers;
    b->buffers = 0;
}

static void forget_rows(th_segment_builder *b)
{
    if (b->rows < BUSY_ROWS) release(b);
    /* All that were made: an image of whole records has no columns, but had some while it was weighed. */
    for (uint32_t i = 0; i < b->columns_made; i++) build_column_clear(&b->columns[i]);
    if (b->book != NULL) build_book_leave(b->book);
    b->book = NULL;
    th_buf_clear(&b->early);
    th_buf_clear(&b->whole);
    if (b->layout_arena != NULL) th_arena_reset(b->layout_arena);
    b->layout_map = NULL;
    build_map_clear(&b->column_map);
    build_map_clear(&b->shape_map);
    b->column_count = b->shape_count = b->shape_columns_count = b->whole_count = 0;
    b->run_count = 0;
    b->rows = b->cut_rows = 0;
    b->raw_bytes = 0;
}

void th_segment_builder_free(th_segment_builder *b)
{
    if (b == NULL) return;
    builder_check(b);
    if (b->book != NULL) build_book_leave(b->book);
    release(b);
    if (b->owns_shared) th_segment_shaper_free(b->shared);
    b->magic = 0;
    free(b);
}

void th_segment_builder_set_tier(th_segment_builder *b, th_segment_tier tier)
{
    builder_check(b);
    b->tier = tier;
}

uint32_t th_segment_builder_rows(const th_segment_builder *b)
{
    builder_check(b);
    return b->rows;
}

uint64_t th_segment_builder_bytes(const th_segment_builder *b)
{
    builder_check(b);
    return b->raw_bytes;
}

/* ---- layouts ---- */

/* The map, once there is a second layout: most builders never need it. */
static th_err make_layout_map(th_segment_builder *b)
{
    if (b->layout_map != NULL) return TH_OK;
    if (b->layout_arena == NULL)
        b->layout_arena = th_arena_new(LAYOUTS_ARENA_MAX, b->memory.budget);
    th_map *map = b->layout_arena == NULL ? NULL : th_map_new(b->layout_arena);
    if (map == NULL || th_map_put(map, build_layout(b, 0), 0, NULL) == NULL) return TH_ELIMIT;
    b->layout_map = map;
    return TH_OK;
}

static th_err number_layout(th_segment_builder *b, th_slice layout, uint32_t *number)
{
    *number = 0;
    if (b->run_count == 0) {
        TH_TRY(segment_grow(&b->memory, (void **)&b->first_layout, &b->first_layout_room,
                            layout.size, 1));
        if (layout.size > 0) memcpy(b->first_layout, layout.bytes, layout.size);
        b->first_layout_size = layout.size;
    }
    if (th_slice_equal(build_layout(b, 0), layout)) return TH_OK;
    TH_TRY(make_layout_map(b));
    th_slice key = layout.size == 0 ? TH_SLICE("") : layout;
    uint64_t *code = th_map_put(b->layout_map, key, th_map_count(b->layout_map), NULL);
    if (code == NULL) return TH_ELIMIT;
    *number = (uint32_t)*code;
    return TH_OK;
}

static th_err use_layout(th_segment_builder *b, th_slice layout)
{
    if (b->run_count > 0) {
        build_run *run = &b->runs[b->run_count - 1];
        if (th_slice_equal(build_layout(b, run->layout), layout)) {
            run->rows++;
            return TH_OK;
        }
    }
    uint32_t number;
    TH_TRY(segment_grow(&b->memory, (void **)&b->runs, &b->runs_room, (size_t)b->run_count + 1,
                        sizeof(build_run)));
    TH_TRY(number_layout(b, layout, &number));
    b->runs[b->run_count++] = (build_run){number, 1};
    return TH_OK;
}

/* ---- cutting ---- */

static th_err map_column(th_segment_builder *b, uint32_t number, uint32_t *out)
{
    *out = build_map_get(&b->column_map, number);
    if (*out != BUILD_NONE) return TH_OK;
    TH_TRY(segment_grow(&b->memory, (void **)&b->columns, &b->columns_room,
                        (size_t)b->column_count + 1, sizeof(build_column)));
    if (b->column_count == b->columns_made) {
        b->columns[b->columns_made] = (build_column){0};
        build_column_clear(&b->columns[b->columns_made++]);
    }
    b->columns[b->column_count].number = number;
    *out = b->column_count++;
    return build_map_put(&b->column_map, &b->memory, number, *out);
}

/* The image's number of a shape, BUILD_NONE when the image has no room for it. */
static th_err map_shape(th_segment_builder *b, uint32_t number, uint32_t *out)
{
    *out = build_map_get(&b->shape_map, number);
    if (*out != BUILD_NONE) return TH_OK;
    segment_shape learnt;
    segment_shaper_shape(b->book->shaper, number, &learnt);
    if (b->shape_count == SEGMENT_SHAPES_MAX || b->column_count + learnt.slots > SEGMENT_LEAVES_MAX)
        return TH_OK;
    TH_TRY(segment_grow(&b->memory, (void **)&b->shapes, &b->shapes_room,
                        (size_t)b->shape_count + 1, sizeof(build_shape)));
    TH_TRY(segment_grow(&b->memory, (void **)&b->shape_columns, &b->shape_columns_room,
                        (size_t)b->shape_columns_count + learnt.slots, sizeof(uint32_t)));
    build_shape shape = {number, 0, learnt.slots, b->shape_columns_count};
    for (uint32_t i = 0; i < learnt.slots; i++)
        TH_TRY(map_column(b, learnt.columns[i], &b->shape_columns[shape.columns_at + i]));
    b->shape_columns_count += learnt.slots;
    *out = b->shape_count;
    b->shapes[b->shape_count++] = shape;
    return build_map_put(&b->shape_map, &b->memory, number, *out);
}

static th_err follow_buffers(th_segment_builder *b)
{
    return segment_follow(&b->memory, &b->buffers, b->early.capacity + b->whole.capacity);
}

/* Append a record to one of the buffers, or leave it as it was. */
static th_err keep_bytes(th_segment_builder *b, th_buf *buf, th_slice record)
{
    size_t before = buf->size;
    th_buf_add_slice(buf, record);
    th_err err = th_buf_error(buf);
    if (err == TH_OK) err = follow_buffers(b);
    if (err != TH_OK) buf->size = before;
    return err;
}

static th_err keep_whole(th_segment_builder *b, th_slice record)
{
    TH_TRY(segment_grow(&b->memory, (void **)&b->whole_sizes, &b->whole_room,
                        (size_t)b->whole_count + 1, sizeof(uint32_t)));
    TH_TRY(keep_bytes(b, &b->whole, record));
    b->whole_sizes[b->whole_count++] = (uint32_t)record.size;
    b->row_shapes[b->cut_rows++] = 0;
    return TH_OK;
}

/* All of the row's values, or none. */
static th_err add_values(th_segment_builder *b, const uint8_t *record, const uint32_t *columns,
                         const segment_value *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        th_slice value = th_slice_of(record + values[i].offset, values[i].size);
        th_err err = build_column_add(&b->columns[columns[i]], &b->memory, value);
        if (err == TH_OK) continue;
        while (i > 0) build_column_undo(&b->columns[columns[--i]]);
        return err;
    }
    return TH_OK;
}

static th_err cut_row(th_segment_builder *b, th_slice record, th_slice layout)
{
    TH_TRY(segment_grow(&b->memory, (void **)&b->row_shapes, &b->row_shapes_room,
                        (size_t)b->cut_rows + 1, sizeof(uint16_t)));
    if (b->book == NULL) b->book = build_book_take(b->shared, b->table);
    if (b->book == NULL) return TH_ENOMEM;
    segment_value *values = b->shared->values;
    uint32_t count, number, shape = BUILD_NONE;
    if (segment_shaper_cut(b->book->shaper, record, layout, values, &count, &number))
        TH_TRY(map_shape(b, number, &shape));
    if (shape == BUILD_NONE) return keep_whole(b, record);
    const uint32_t *columns = build_shape_columns(b, &b->shapes[shape]);
    TH_TRY(add_values(b, record.bytes, columns, values, count));
    b->shapes[shape].rows++;
    b->row_shapes[b->cut_rows++] = (uint16_t)(shape + 1);
    return TH_OK;
}

/* The rows that waited and are not cut yet. A failure leaves the rest waiting. */
static th_err cut_early(th_segment_builder *b)
{
    const uint8_t *at = b->early.bytes;
    uint32_t run = 0, left = b->runs[0].rows;
    for (uint32_t i = 0; i < b->rows; i++, left--) {
        while (left == 0) left = b->runs[++run].rows;
        th_slice layout = build_layout(b, b->runs[run].layout);
        if (i >= b->cut_rows) TH_TRY(cut_row(b, th_slice_of(at, b->early_sizes[i]), layout));
        if (b->early_sizes[i] > 0) at += b->early_sizes[i];
    }
    th_buf_free(&b->early);
    return TH_OK;
}

/* So few that they are smallest as they are: all of them become whole records. */
static bool are_few(const th_segment_builder *b)
{
    return b->cut_rows == 0 && b->rows <= BUILD_FEW_ROWS && b->raw_bytes <= BUILD_TRY_WHOLE_FAST;
}

static th_err keep_few(th_segment_builder *b)
{
    if (b->book == NULL) b->book = build_book_take(b->shared, b->table); /* its paths */
    if (b->book == NULL) return TH_ENOMEM;
    TH_TRY(segment_grow(&b->memory, (void **)&b->row_shapes, &b->row_shapes_room, b->rows,
                        sizeof(uint16_t)));
    TH_TRY(segment_grow(&b->memory, (void **)&b->whole_sizes, &b->whole_room, b->rows,
                        sizeof(uint32_t)));
    memset(b->row_shapes, 0, b->rows * sizeof(uint16_t));
    memcpy(b->whole_sizes, b->early_sizes, b->rows * sizeof(uint32_t));
    th_buf empty = b->whole;
    b->whole = b->early;
    b->early = empty;
    b->whole_count = b->cut_rows = b->rows;
    return TH_OK;
}

static th_err add_record(th_segment_builder *b, th_slice record, th_slice layout)
{
    if (b->rows >= BUILD_EARLY_ROWS) {
        if (b->rows > b->cut_rows) TH_TRY(cut_early(b));
        return cut_row(b, record, layout);
    }
    TH_TRY(segment_grow(&b->memory, (void **)&b->early_sizes, &b->early_room, (size_t)b->rows + 1,
                        sizeof(uint32_t)));
    b->early_sizes[b->rows] = (uint32_t)record.size;
    return keep_bytes(b, &b->early, record);
}

static void undo_layout(th_segment_builder *b)
{
    if (--b->runs[b->run_count - 1].rows == 0) b->run_count--;
}

th_err th_segment_builder_add(th_segment_builder *b, th_slice record, th_slice layout,
                              bool has_time, int64_t time_us)
{
    builder_check(b);
    if (b->rows >= TH_SEGMENT_ROWS_MAX || record.size > TH_SEGMENT_RAW_MAX ||
        b->raw_bytes + record.size > TH_SEGMENT_RAW_MAX) {
        return TH_ELIMIT;
    }
    size_t rows = (size_t)b->rows + 1;
    TH_TRY(segment_grow(&b->memory, (void **)&b->times, &b->times_room, rows, sizeof(int64_t)));
    TH_TRY(segment_grow(&b->memory, (void **)&b->timed, &b->timed_room, rows, 1));
    TH_TRY(use_layout(b, layout));
    th_err err = add_record(b, record, layout);
    if (err != TH_OK) undo_layout(b);
    TH_TRY(err);
    b->times[b->rows] = has_time ? time_us : 0;
    b->timed[b->rows] = has_time;
    b->rows++;
    b->raw_bytes += record.size;
    return TH_OK;
}

th_err th_segment_builder_finish(th_segment_builder *b, th_buf *out)
{
    builder_check(b);
    th_err err = TH_OK;
    th_budget *budget = b->memory.budget;
    if (b->cut_rows < b->rows) {
        /* A full budget must not keep them from being written; there are few, and all is freed below. */
        th_budget_release(budget, b->memory.charged);
        b->memory = (segment_memory){0};
        err = are_few(b) ? keep_few(b) : cut_early(b);
    }
    if (err == TH_OK) err = build_write(b, out);
    forget_rows(b);
    if (b->memory.budget != budget) b->memory = (segment_memory){.budget = budget};
    return err;
}
