/* SPDX-License-Identifier: Apache-2.0
 * Records, and values of paths: from a stored column, decoded once and kept while the segment is open, or else from the
 * records of the rows asked for. */
#include <stdlib.h>

#include "base/assert.h"
#include "segment/segment_private.h"

#define PAD 64u

uint32_t segment_block_of(const th_segment *s, uint32_t row)
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

th_err segment_block_decode(const th_segment *s, const segment_block *block, uint8_t *bytes,
                            th_slice *records)
{
    memset(bytes + block->chunk.raw, 0, PAD);
    TH_TRY(segment_chunk_read(s->image, &block->chunk, bytes));
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

static th_err scratch_decode(const th_segment *s, const segment_block *block, scratch *room)
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
    return segment_block_decode(s, block, room->bytes, room->records);
}

/* Rows of block that are in [begin, end): first and one past the last. */
static void clip(const segment_block *block, uint32_t begin, uint32_t end, uint32_t *first,
                 uint32_t *past)
{
    uint32_t block_end = block->first_row + block->rows;
    *first = block->first_row > begin ? block->first_row : begin;
    *past = block_end < end ? block_end : end;
}

static th_err whole_block(const th_segment *s, const segment_block *block, th_arena *arena,
                          th_slice *out)
{
    uint8_t *bytes = th_arena_alloc(arena, (size_t)block->chunk.raw + PAD);
    return bytes == NULL ? TH_ELIMIT : segment_block_decode(s, block, bytes, out);
}

th_err th_segment_records(const th_segment *s, uint32_t begin, uint32_t count, th_arena *arena,
                          th_slice *out)
{
    segment_check(s);
    TH_ASSERT(begin <= s->rows && count <= s->rows - begin);
    if (count == 0) return TH_OK;
    scratch room = {0};
    th_err err = TH_OK;
    uint32_t end = begin + count;
    for (uint32_t i = segment_block_of(s, begin); err == TH_OK && i < s->block_count; i++) {
        const segment_block *block = &s->blocks[i];
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

/* A path as callers write it: without the '=' of strict ones. */
static const char *plain_path(const char *path, bool *strict)
{
    *strict = path[0] == '=';
    return path + *strict;
}

segment_column *segment_find_column(const th_segment *s, const char *path)
{
    bool strict;
    th_slice name = th_slice_text(plain_path(path, &strict));
    for (uint32_t i = 0; i < s->column_count; i++) {
        th_slice stored = th_slice_text(s->table->columns[i].path);
        if (s->table->format == TH_RECORD_LINE) {
            if (th_model_layout_index(stored, name) == 0) return &s->columns[i];
        } else if (strict ? th_slice_equal(stored, name) && !s->columns[i].folded
                          : th_slice_equal_nocase(stored, name)) {
            return &s->columns[i];
        }
    }
    return NULL;
}

static uint64_t column_bytes(const segment_column *c)
{
    return (uint64_t)c->chunk[0].stored + c->chunk[1].stored +
           (c->encoding == SEGMENT_CONST ? c->const_text.size : 0);
}

/* Under the lock. */
static th_err need_dictionary(const th_segment *s, segment_column *c)
{
    return c->dictionary != NULL ? TH_OK : segment_decode_dictionary(s->image, c, &c->dictionary);
}

static th_err need_values(const th_segment *s, segment_column *c)
{
    if (c->values != NULL) return TH_OK;
    if (c->encoding != SEGMENT_DICT) return segment_decode_rows(s->image, c, s->rows, &c->values);
    TH_TRY(need_dictionary(s, c));
    segment_values *v = calloc(1, sizeof(*v));
    if (v == NULL) return TH_ENOMEM;
    th_err err = segment_decode_codes(s->image, c, s->rows, &v->codes);
    if (err != TH_OK)
        free(v);
    else
        c->values = v;
    return err;
}

/* One value for all rows, as a dictionary of one. */
static th_err constant_column(const segment_column *c, uint32_t count, th_arena *arena,
                              th_segment_column *out)
{
    th_slice *value = TH_NEW(arena, th_slice);
    uint8_t *kind = TH_NEW(arena, uint8_t);
    uint32_t *codes = TH_NEW_ARRAY(arena, uint32_t, count);
    if (value == NULL || kind == NULL || codes == NULL) return TH_ELIMIT;
    *value = c->const_text;
    *kind = c->encoding == SEGMENT_ABSENT ? (uint8_t)TH_CELL_ABSENT : c->const_kind;
    *out = (th_segment_column){.value_count = 1, .values = value, .kinds = kind, .codes = codes};
    return TH_OK;
}

static th_err stored_column(const th_segment *segment, segment_column *c, uint32_t begin,
                            uint32_t count, th_arena *arena, th_segment_column *out)
{
    if (c->encoding == SEGMENT_ABSENT || c->encoding == SEGMENT_CONST)
        return constant_column(c, count, arena, out);
    th_segment *s = (th_segment *)(uintptr_t)
        segment; /* the cache behind the lock is not part of what callers see */
    (void)pthread_mutex_lock(&s->lock);
    th_err err = need_values(s, c);
    (void)pthread_mutex_unlock(&s->lock);
    TH_TRY(err);
    if (c->encoding == SEGMENT_DICT) {
        *out = (th_segment_column){c->dictionary->count, c->dictionary->values,
                                   c->dictionary->kinds, c->values->codes + begin};
    } else {
        *out =
            (th_segment_column){count, c->values->values + begin, c->values->kinds + begin, NULL};
    }
    return TH_OK;
}

/* What a look-up in records needs from block to block. */
typedef struct extraction {
    const th_segment *segment;
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
    if (x->segment->table->format == TH_RECORD_JSON) {
        bool folded = false;
        segment_paths_run(x->paths, record);
        if (!segment_cell_of_json(segment_paths_value(x->paths, 0, &folded), x->arena, kind, text))
            return TH_ELIMIT;
        return keep_text(x->arena, record, text);
    }
    *kind = TH_CELL_ABSENT;
    *text = (th_slice){NULL, 0};
    if (x->segment->table->format != TH_RECORD_LINE) return TH_OK;
    th_slice layout = th_segment_layout(x->segment, row);
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
    const th_segment *s = x->segment;
    scratch room = {0};
    th_err err = TH_OK;
    for (uint32_t i = segment_block_of(s, begin); err == TH_OK && i < s->block_count; i++) {
        const segment_block *block = &s->blocks[i];
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

static th_err extract_column(const th_segment *s, const char *path, uint32_t begin, uint32_t count,
                             th_arena *arena, th_segment_column *out, uint64_t *bytes_read)
{
    bool strict;
    extraction x = {.segment = s, .path = plain_path(path, &strict), .arena = arena};
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, count);
    uint8_t *kinds = TH_NEW_ARRAY(arena, uint8_t, count);
    if (values == NULL || kinds == NULL) return TH_ELIMIT;
    if (s->table->format == TH_RECORD_JSON) {
        x.paths = segment_paths_new(&x.path, 1, strict);
        if (x.paths == NULL) return TH_ENOMEM;
    }
    th_err err =
        count == 0 ? TH_OK : extract_rows(&x, begin, begin + count, kinds, values, bytes_read);
    segment_paths_free(x.paths);
    if (err == TH_OK) *out = (th_segment_column){count, values, kinds, NULL};
    return err;
}

th_err th_segment_read_column(const th_segment *s, const char *path, uint32_t begin, uint32_t count,
                              th_arena *arena, th_segment_column *out, uint64_t *bytes_read)
{
    segment_check(s);
    TH_ASSERT(begin <= s->rows && count <= s->rows - begin);
    segment_column *column = segment_find_column(s, path);
    if (column == NULL) return extract_column(s, path, begin, count, arena, out, bytes_read);
    TH_TRY(stored_column(s, column, begin, count, arena, out));
    /* The share of the rows, whoever decoded the column first: the parts of a scan add up to the whole. */
    uint64_t stored = column_bytes(column);
    if (s->rows > 0) *bytes_read += stored * (begin + count) / s->rows - stored * begin / s->rows;
    return TH_OK;
}

static th_err decode_times(const th_segment *s, int64_t **out)
{
    uint8_t *payload = malloc((size_t)s->times.raw + PAD);
    uint8_t *kinds = malloc((size_t)s->rows + 1);
    int64_t *values = calloc((size_t)s->rows + 1, sizeof(int64_t));
    bool memory = payload != NULL && kinds != NULL && values != NULL;
    th_err err = memory ? segment_chunk_read(s->image, &s->times, payload) : TH_ENOMEM;
    if (err == TH_OK)
        err = segment_decode_ints(th_slice_of(payload, s->times.raw), s->rows, kinds, values);
    for (uint32_t row = 0; err == TH_OK && row < s->rows; row++) {
        if (!segment_kind_has_text(kinds[row]))
            values[row] = INT64_MIN;
        else if (values[row] < s->first_us || values[row] > s->last_us)
            err = TH_ECORRUPT;
    }
    free(payload);
    free(kinds);
    if (err != TH_OK)
        free(values);
    else
        *out = values;
    return err;
}

th_err th_segment_read_times(const th_segment *segment, uint32_t begin, uint32_t count,
                             th_arena *arena, int64_t *out)
{
    (void)arena;
    segment_check(segment);
    TH_ASSERT(begin <= segment->rows && count <= segment->rows - begin);
    if (segment->times_encoding != SEGMENT_INT) {
        int64_t value = segment->times_encoding == SEGMENT_CONST ? segment->first_us : INT64_MIN;
        for (uint32_t i = 0; i < count; i++) out[i] = value;
        return TH_OK;
    }
    th_segment *s = (th_segment *)(uintptr_t)segment;
    (void)pthread_mutex_lock(&s->lock);
    th_err err = s->times_values != NULL ? TH_OK : decode_times(s, &s->times_values);
    (void)pthread_mutex_unlock(&s->lock);
    TH_TRY(err);
    if (count > 0) memcpy(out, s->times_values + begin, count * sizeof(int64_t));
    return TH_OK;
}

bool th_segment_zone(const th_segment *s, const char *path, th_slice *min, th_slice *max)
{
    segment_check(s);
    const segment_column *c = segment_find_column(s, path);
    if (c == NULL) return false;
    if (c->encoding == SEGMENT_CONST && segment_kind_has_text(c->const_kind)) {
        *min = *max = c->const_text;
        return true;
    }
    if (!c->has_zone) return false;
    *min = c->min;
    *max = c->max;
    return true;
}

/* Is value among the sorted entries, as a string or as JSON? */
static bool in_dictionary(const segment_values *d, th_slice value)
{
    for (unsigned kind = TH_CELL_STRING; kind <= TH_CELL_JSON; kind++) {
        uint32_t low = 0, high = d->count;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            int order = d->kinds[middle] != kind ? (d->kinds[middle] < kind ? -1 : 1)
                                                 : th_slice_compare(d->values[middle], value);
            if (order == 0) return true;
            if (order < 0)
                low = middle + 1;
            else
                high = middle;
        }
    }
    return false;
}

bool th_segment_may_equal(const th_segment *segment, const char *path, th_slice value)
{
    segment_check(segment);
    segment_column *c = segment_find_column(segment, path);
    if (c == NULL) return true;
    if (c->encoding == SEGMENT_ABSENT) return false;
    if (c->encoding == SEGMENT_CONST)
        return segment_kind_has_text(c->const_kind) && th_slice_equal(c->const_text, value);
    if (c->has_zone && (th_slice_compare(value, c->min) < 0 || th_slice_compare(value, c->max) > 0))
        return false;
    if (c->encoding != SEGMENT_DICT) return true;
    th_segment *s = (th_segment *)(uintptr_t)segment;
    (void)pthread_mutex_lock(&s->lock);
    th_err err = need_dictionary(s, c);
    (void)pthread_mutex_unlock(&s->lock);
    return err != TH_OK || in_dictionary(c->dictionary, value);
}
