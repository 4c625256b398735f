/* SPDX-License-Identifier: Apache-2.0
 * Gathers rows and writes an image. Records are compressed block by block as they come, so that a builder holds
 * compressed records, one open block and the columns. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "segment/segment_private.h"

#define BUILDER_MAGIC UINT32_C(0x53454742)
#define ARENA_MAX (256u << 20)
#define IMAGE_MAX ((size_t)TH_SEGMENT_RAW_MAX * 16)

typedef struct built_block {
    uint32_t rows;
    size_t stored, raw;
    uint64_t at;
} built_block;

struct th_segment_builder {
    uint32_t magic;
    const th_stored_table *table;
    segment_memory memory;
    th_arena *scratch;      /* decoded strings of one record */
    th_arena *layout_arena; /* layouts, since the last finish */
    th_map *layout_map;
    segment_paths *paths; /* JSON tables with stored columns */
    segment_gather *columns;
    th_slice *cells; /* per column: raw value or field of the row in hand */

    th_buf open_sizes, open_bytes; /* the block in hand */
    uint32_t open_rows;
    th_buf packed;  /* compressed blocks */
    size_t buffers; /* bytes of the three that are charged */
    built_block *blocks;
    size_t block_count, blocks_capacity;

    uint32_t *row_layouts;
    size_t row_layouts_capacity;
    th_slice last_layout;
    uint32_t last_layout_code;
    uint32_t *field_of_column; /* of the last layout */
    int64_t *times;
    size_t times_capacity;
    uint8_t *time_kinds;
    size_t time_kinds_capacity;
    uint32_t rows;
    uint64_t raw_bytes;
};

static void builder_check(const th_segment_builder *b)
{
    TH_ASSERT(b != NULL);
    TH_ASSERT(b->magic == BUILDER_MAGIC);
}

static bool init_columns(th_segment_builder *b)
{
    uint32_t count = b->table->column_count;
    if (count == 0) return true;
    b->columns = calloc(count, sizeof(segment_gather));
    b->cells = calloc(count, sizeof(th_slice));
    b->field_of_column = calloc(count, sizeof(uint32_t));
    const char **names = calloc(count, sizeof(char *));
    if (b->columns == NULL || b->cells == NULL || b->field_of_column == NULL || names == NULL) {
        free(names);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        segment_gather_init(&b->columns[i], &b->memory);
        names[i] = b->table->columns[i].path;
    }
    b->paths = segment_paths_new(names, count, false);
    free(names);
    return b->paths != NULL;
}

/* Layout codes start anew: the empty layout is 0. */
static bool reset_layouts(th_segment_builder *b)
{
    th_arena_reset(b->layout_arena);
    b->layout_map = th_map_new(b->layout_arena);
    b->last_layout = (th_slice){NULL, 0};
    b->last_layout_code = UINT32_MAX;
    return b->layout_map != NULL;
}

th_segment_builder *th_segment_builder_new(const th_stored_table *table, th_budget *budget)
{
    TH_ASSERT(table != NULL && table->column_count <= SEGMENT_COLUMNS_MAX);
    th_segment_builder *b = calloc(1, sizeof(*b));
    if (b == NULL) return NULL;
    b->magic = BUILDER_MAGIC;
    b->table = table;
    b->memory.budget = budget;
    th_buf_init(&b->open_sizes, SEGMENT_CHUNK_MAX);
    th_buf_init(&b->open_bytes, SEGMENT_CHUNK_MAX);
    th_buf_init(&b->packed, IMAGE_MAX);
    b->scratch = th_arena_new(ARENA_MAX, budget);
    b->layout_arena = th_arena_new(ARENA_MAX, budget);
    if (b->scratch == NULL || b->layout_arena == NULL || !reset_layouts(b) || !init_columns(b)) {
        th_segment_builder_free(b);
        return NULL;
    }
    return b;
}

void th_segment_builder_free(th_segment_builder *b)
{
    if (b == NULL) return;
    builder_check(b);
    if (b->columns != NULL)
        for (uint32_t i = 0; i < b->table->column_count; i++) segment_gather_free(&b->columns[i]);
    free(b->columns);
    free(b->cells);
    free(b->field_of_column);
    segment_paths_free(b->paths);
    segment_shrink(&b->memory, (void **)&b->blocks, &b->blocks_capacity, sizeof(built_block));
    segment_shrink(&b->memory, (void **)&b->row_layouts, &b->row_layouts_capacity,
                   sizeof(uint32_t));
    segment_shrink(&b->memory, (void **)&b->times, &b->times_capacity, sizeof(int64_t));
    segment_shrink(&b->memory, (void **)&b->time_kinds, &b->time_kinds_capacity, 1);
    th_buf_free(&b->open_sizes);
    th_buf_free(&b->open_bytes);
    th_buf_free(&b->packed);
    th_arena_free(b->scratch);
    th_arena_free(b->layout_arena);
    th_budget_release(b->memory.budget, b->buffers);
    b->magic = 0;
    free(b);
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

static void forget_rows(th_segment_builder *b)
{
    for (uint32_t i = 0; i < b->table->column_count; i++) segment_gather_clear(&b->columns[i]);
    th_buf_clear(&b->open_sizes);
    th_buf_clear(&b->open_bytes);
    th_buf_clear(&b->packed);
    b->open_rows = 0;
    b->block_count = 0;
    b->rows = 0;
    b->raw_bytes = 0;
}

/* A block is the sizes of its records and then their bytes. */
static th_err close_block(th_segment_builder *b)
{
    TH_TRY(th_buf_error(&b->open_bytes));
    TH_TRY(th_buf_error(&b->open_sizes));
    if (b->open_rows == 0) return TH_OK;
    TH_TRY(segment_grow(&b->memory, (void **)&b->blocks, &b->blocks_capacity, b->block_count + 1,
                        sizeof(built_block)));
    th_buf_add_slice(&b->open_sizes, th_buf_slice(&b->open_bytes));
    TH_TRY(th_buf_error(&b->open_sizes));
    uint64_t at = b->packed.size;
    size_t stored = segment_chunk_compress(&b->packed, th_buf_slice(&b->open_sizes));
    TH_TRY(th_buf_error(&b->packed));
    b->blocks[b->block_count++] = (built_block){b->open_rows, stored, b->open_sizes.size, at};
    th_buf_clear(&b->open_sizes);
    th_buf_clear(&b->open_bytes);
    b->open_rows = 0;
    return TH_OK;
}

static th_err charge_buffers(th_segment_builder *b)
{
    size_t now = b->open_sizes.capacity + b->open_bytes.capacity + b->packed.capacity;
    return segment_follow(&b->memory, &b->buffers, now);
}

static th_err use_layout(th_segment_builder *b, th_slice layout)
{
    if (b->last_layout_code != UINT32_MAX && th_slice_equal(layout, b->last_layout)) return TH_OK;
    th_slice key = layout.size == 0 ? TH_SLICE("") : layout;
    uint64_t *code = th_map_put(b->layout_map, key, th_map_count(b->layout_map), NULL);
    if (code == NULL) return TH_ELIMIT;
    b->last_layout_code = (uint32_t)*code;
    b->last_layout = th_map_key_at(b->layout_map, b->last_layout_code);
    for (uint32_t i = 0; b->table->format == TH_RECORD_LINE && i < b->table->column_count; i++)
        b->field_of_column[i] = segment_line_index(layout, b->table->columns[i].path);
    return TH_OK;
}

static th_err gather_json(th_segment_builder *b, th_slice record)
{
    th_arena_reset(b->scratch);
    segment_paths_run(b->paths, record);
    for (uint32_t i = 0; i < b->table->column_count; i++) {
        uint8_t kind;
        th_slice text;
        th_slice raw = segment_paths_value(b->paths, i, &b->columns[i].folded);
        if (!segment_cell_of_json(raw, b->scratch, &kind, &text)) return TH_ELIMIT;
        TH_TRY(segment_gather_add(&b->columns[i], b->rows, kind, text));
    }
    return TH_OK;
}

static th_err gather_line(th_segment_builder *b, th_slice record)
{
    th_slice fields[SEGMENT_FIELDS_MAX];
    uint32_t count = th_model_line_split(record, b->last_layout, fields, SEGMENT_FIELDS_MAX);
    for (uint32_t i = 0; i < b->table->column_count; i++) {
        uint32_t field = b->field_of_column[i];
        uint8_t kind;
        th_slice text;
        segment_cell_of_field(field < count ? fields[field] : (th_slice){NULL, 0}, &kind, &text);
        TH_TRY(segment_gather_add(&b->columns[i], b->rows, kind, text));
    }
    return TH_OK;
}

static th_err gather_columns(th_segment_builder *b, th_slice record)
{
    if (b->table->column_count == 0) return TH_OK;
    return b->table->format == TH_RECORD_LINE ? gather_line(b, record) : gather_json(b, record);
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
    TH_TRY(segment_grow(&b->memory, (void **)&b->times, &b->times_capacity, rows, sizeof(int64_t)));
    TH_TRY(segment_grow(&b->memory, (void **)&b->time_kinds, &b->time_kinds_capacity, rows, 1));
    TH_TRY(segment_grow(&b->memory, (void **)&b->row_layouts, &b->row_layouts_capacity, rows,
                        sizeof(uint32_t)));
    if (b->open_rows > 0 && b->open_bytes.size + record.size > SEGMENT_BLOCK_BYTES) {
        TH_TRY(close_block(b));
        TH_TRY(charge_buffers(b));
    }
    TH_TRY(use_layout(b, layout));
    TH_TRY(gather_columns(b, record));
    th_buf_add_slice(&b->open_bytes,
                     record); /* a failure stays in the buffer: finish reports it too */
    th_buf_add_varint(&b->open_sizes, record.size);
    TH_TRY(th_buf_error(&b->open_bytes));
    TH_TRY(th_buf_error(&b->open_sizes));
    b->open_rows++;
    b->times[b->rows] = has_time ? time_us : 0;
    b->time_kinds[b->rows] = has_time ? TH_CELL_STRING : TH_CELL_ABSENT;
    b->row_layouts[b->rows] = b->last_layout_code;
    b->rows++;
    b->raw_bytes += record.size;
    return TH_OK;
}

static void put_blocks(const th_segment_builder *b, th_buf *directory)
{
    th_buf_add_varint(directory, b->block_count);
    for (size_t i = 0; i < b->block_count; i++) {
        const built_block *block = &b->blocks[i];
        th_buf_add_varint(directory, block->rows);
        segment_chunk_describe(directory, th_slice_of(b->packed.bytes + block->at, block->stored),
                               block->raw);
    }
}

/* No layouts at all when the only one is empty; runs of (layout, rows) otherwise. */
static void put_layouts(const th_segment_builder *b, th_buf *directory)
{
    size_t count = th_map_count(b->layout_map);
    if (count == 1 && th_map_key_at(b->layout_map, 0).size == 0) count = 0;
    th_buf_add_varint(directory, count);
    for (size_t i = 0; i < count; i++) {
        th_slice layout = th_map_key_at(b->layout_map, i);
        th_buf_add_varint(directory, layout.size);
        th_buf_add_slice(directory, layout);
    }
    if (count == 0) return;
    uint32_t runs = b->rows > 0;
    for (uint32_t row = 1; row < b->rows; row++)
        runs += b->row_layouts[row] != b->row_layouts[row - 1];
    th_buf_add_varint(directory, runs);
    for (uint32_t row = 0, end; row < b->rows; row = end) {
        for (end = row + 1; end < b->rows && b->row_layouts[end] == b->row_layouts[row];) end++;
        th_buf_add_varint(directory, b->row_layouts[row]);
        th_buf_add_varint(directory, end - row);
    }
}

static void put_times(const th_segment_builder *b, th_buf *out, th_buf *directory)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    uint32_t timed = 0;
    for (uint32_t row = 0; row < b->rows; row++) {
        if (b->time_kinds[row] == TH_CELL_ABSENT) continue;
        if (b->times[row] < first) first = b->times[row];
        if (b->times[row] > last) last = b->times[row];
        timed++;
    }
    if (timed == 0) {
        th_buf_add_byte(directory, SEGMENT_ABSENT);
        return;
    }
    bool constant = timed == b->rows && first == last;
    th_buf_add_byte(directory, constant ? SEGMENT_CONST : SEGMENT_INT);
    th_buf_add_u64(directory, (uint64_t)first);
    th_buf_add_u64(directory, (uint64_t)last);
    if (constant) return;
    th_buf payload;
    th_buf_init(&payload, SEGMENT_CHUNK_MAX);
    segment_v1_encode_ints(b->time_kinds, b->times, b->rows, &payload);
    if (th_buf_error(&payload) == TH_OK)
        segment_chunk_write(out, directory, th_buf_slice(&payload));
    else
        directory->error = th_buf_error(&payload);
    th_buf_free(&payload);
}

static void put_header(const th_segment_builder *b, th_buf *out, size_t base, th_slice directory)
{
    segment_header header = {.magic = SEGMENT_MAGIC,
                             .version = 1,
                             .rows = b->rows,
                             .table = (uint32_t)b->table->id,
                             .raw_bytes = b->raw_bytes,
                             .image_bytes = out->size - base + directory.size,
                             .directory_at = out->size - base,
                             .directory_stored = (uint32_t)directory.size,
                             .directory_hash = th_xxh3(directory)};
    header.header_hash = th_xxh3(th_slice_of(&header, offsetof(segment_header, header_hash)));
    th_buf_add_slice(out, directory);
    if (th_buf_error(out) == TH_OK) memcpy(out->bytes + base, &header, sizeof(header));
}

static th_err write_image(th_segment_builder *b, th_buf *out, th_buf *directory)
{
    TH_TRY(close_block(b));
    size_t base = out->size;
    segment_header empty = {0};
    th_buf_add(out, &empty, sizeof(empty));
    th_buf_add_slice(out, th_buf_slice(&b->packed));
    TH_TRY(th_buf_error(out));
    put_blocks(b, directory);
    put_layouts(b, directory);
    put_times(b, out, directory);
    th_buf_add_varint(directory, b->table->column_count);
    for (uint32_t i = 0; i < b->table->column_count; i++)
        TH_TRY(segment_encode_column(&b->columns[i], b->table->columns[i].kind, b->rows, out,
                                     directory));
    TH_TRY(th_buf_error(directory));
    put_header(b, out, base, th_buf_slice(directory));
    return th_buf_error(out);
}

th_err th_segment_builder_finish(th_segment_builder *b, th_buf *out)
{
    builder_check(b);
    th_buf directory;
    th_buf_init(&directory, IMAGE_MAX);
    th_err err = write_image(b, out, &directory);
    th_buf_free(&directory);
    forget_rows(b);
    if (!reset_layouts(b) && err == TH_OK) err = TH_ENOMEM;
    return err;
}
