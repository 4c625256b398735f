/* SPDX-License-Identifier: Apache-2.0
 * Records of version 1, and values of paths that were not stored as columns: out of the records of the rows asked for. */
#include <stdlib.h>

#include "segment/v1/v1.h"

#define PAD 64u

static uint32_t block_of(const v1_segment *s, uint32_t row)
{
    uint32_t low = 0, high = s->block_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->blocks[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static th_err block_decode(const v1_segment *s, const v1_block *block, uint8_t *bytes,
                           th_slice *records)
{
    memset(bytes + block->chunk.raw, 0, PAD);
    TH_TRY(v1_chunk_read(s->base.image, &block->chunk, bytes));
    th_reader sizes = th_reader_of(th_slice_of(bytes, block->chunk.raw));
    th_reader texts = sizes;
    for (uint32_t i = 0; i < block->rows; i++) (void)th_take_varint(&texts);
    for (uint32_t i = 0; i < block->rows && !texts.bad; i++) {
        uint64_t size = th_take_varint(&sizes);
        if (size > block->chunk.raw) return TH_ECORRUPT;
        records[i] = th_take_bytes(&texts, (size_t)size);
    }
    return texts.bad || texts.pos != texts.end ? TH_ECORRUPT : TH_OK;
}

/* One block decoded into memory of its own; room grows from block to block. */
typedef struct scratch {
    uint8_t *bytes;
    size_t bytes_capacity;
    th_slice *records;
    size_t records_capacity;
} scratch;

static void scratch_free(scratch *room)
{
    free(room->bytes);
    free(room->records);
}

static th_err scratch_decode(const v1_segment *s, const v1_block *block, scratch *room)
{
    size_t bytes = (size_t)block->chunk.raw + PAD;
    if (room->bytes_capacity < bytes) {
        free(room->bytes);
        room->bytes = malloc(bytes);
        room->bytes_capacity = room->bytes == NULL ? 0 : bytes;
    }
    if (room->records_capacity < block->rows) {
        free(room->records);
        room->records = calloc(block->rows, sizeof(th_slice));
        room->records_capacity = room->records == NULL ? 0 : block->rows;
    }
    if (room->bytes == NULL || room->records == NULL) return TH_ENOMEM;
    return block_decode(s, block, room->bytes, room->records);
}

/* Rows of block that are in [begin, end): first and one past the last. */
static void clip(const v1_block *block, uint32_t begin, uint32_t end, uint32_t *first,
                 uint32_t *past)
{
    uint32_t block_end = block->first_row + block->rows;
    *first = block->first_row > begin ? block->first_row : begin;
    *past = block_end < end ? block_end : end;
}

static th_err whole_block(const v1_segment *s, const v1_block *block, th_arena *arena,
                          th_slice *out)
{
    uint8_t *bytes = th_arena_alloc(arena, (size_t)block->chunk.raw + PAD);
    return bytes == NULL ? TH_ELIMIT : block_decode(s, block, bytes, out);
}

th_err v1_records(const th_segment *segment, uint32_t begin, uint32_t count, th_arena *arena,
                  th_slice *out)
{
    const v1_segment *s = (const v1_segment *)segment;
    scratch room = {0};
    th_err err = TH_OK;
    uint32_t end = begin + count;
    for (uint32_t i = block_of(s, begin); err == TH_OK && i < s->block_count; i++) {
        const v1_block *block = &s->blocks[i];
        uint32_t first, past;
        if (block->first_row >= end) break;
        clip(block, begin, end, &first, &past);
        if (past - first == block->rows) {
            err = whole_block(s, block, arena, out + (first - begin));
            continue;
        }
        err = scratch_decode(s, block, &room);
        for (uint32_t row = first; err == TH_OK && row < past; row++) {
            out[row - begin] = th_arena_copy(arena, room.records[row - block->first_row]);
            if (out[row - begin].bytes == NULL) err = TH_ELIMIT;
        }
    }
    scratch_free(&room);
    return err;
}

/* What a look-up in records needs from block to block. */
typedef struct extraction {
    const v1_segment *segment;
    segment_paths *paths; /* JSON */
    const char *path;
    th_slice layout; /* LINE: the layout that field is of */
    uint32_t field;
    bool have_layout;
    th_arena *arena;
} extraction;

static th_err keep_text(th_arena *arena, th_slice borrowed_from, th_slice *text)
{
    bool inside = text->bytes >= borrowed_from.bytes &&
                  text->bytes <= borrowed_from.bytes + borrowed_from.size;
    if (text->bytes == NULL || !inside) return TH_OK;
    *text = th_arena_copy(arena, *text);
    return text->bytes == NULL ? TH_ELIMIT : TH_OK;
}

static th_err extract_cell(extraction *x, uint32_t row, th_slice record, uint8_t *kind,
                           th_slice *text)
{
    if (x->segment->base.table->format == TH_RECORD_JSON) {
        bool folded = false;
        segment_paths_run(x->paths, record);
        if (!segment_cell_of_json(segment_paths_value(x->paths, 0, &folded), x->arena, kind, text))
            return TH_ELIMIT;
        return keep_text(x->arena, record, text);
    }
    *kind = TH_CELL_ABSENT;
    *text = (th_slice){NULL, 0};
    if (x->segment->base.table->format != TH_RECORD_LINE) return TH_OK;
    th_slice layout = th_segment_layout(&x->segment->base, row);
    if (!x->have_layout || layout.bytes != x->layout.bytes || layout.size != x->layout.size) {
        x->layout = layout;
        x->have_layout = true;
        x->field = segment_line_index(layout, x->path);
    }
    th_slice fields[SEGMENT_FIELDS_MAX];
    uint32_t found = x->field < SEGMENT_FIELDS_MAX
                         ? th_model_line_split(record, x->layout, fields, x->field + 1)
                         : 0;
    segment_cell_of_field(x->field < found ? fields[x->field] : (th_slice){NULL, 0}, kind, text);
    return keep_text(x->arena, record, text);
}

static th_err extract_rows(extraction *x, uint32_t begin, uint32_t end, uint8_t *kinds,
                           th_slice *values, uint64_t *bytes_read)
{
    const v1_segment *s = x->segment;
    scratch room = {0};
    th_err err = TH_OK;
    for (uint32_t i = block_of(s, begin); err == TH_OK && i < s->block_count; i++) {
        const v1_block *block = &s->blocks[i];
        uint32_t first, past;
        if (block->first_row >= end) break;
        clip(block, begin, end, &first, &past);
        err = scratch_decode(s, block, &room);
        *bytes_read += block->chunk.stored;
        for (uint32_t row = first; err == TH_OK && row < past; row++) {
            err = extract_cell(x, row, room.records[row - block->first_row], &kinds[row - begin],
                               &values[row - begin]);
        }
    }
    scratch_free(&room);
    return err;
}

th_err v1_extract_column(const v1_segment *s, const char *path, uint32_t begin, uint32_t count,
                         th_arena *arena, th_segment_column *out, uint64_t *bytes_read)
{
    bool strict = path[0] == '=';
    extraction x = {.segment = s, .path = path + strict, .arena = arena};
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, count);
    uint8_t *kinds = TH_NEW_ARRAY(arena, uint8_t, count);
    if (values == NULL || kinds == NULL) return TH_ELIMIT;
    if (s->base.table->format == TH_RECORD_JSON) {
        x.paths = segment_paths_new(&x.path, 1, strict);
        if (x.paths == NULL) return TH_ENOMEM;
    }
    th_err err = extract_rows(&x, begin, begin + count, kinds, values, bytes_read);
    segment_paths_free(x.paths);
    if (err == TH_OK) *out = (th_segment_column){count, values, kinds, NULL};
    return err;
}
