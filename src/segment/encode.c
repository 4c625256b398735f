/* SPDX-License-Identifier: Apache-2.0
 * Chooses and writes the encoding of a gathered column. Every value is checked to come back as it was; what does not
 * fit an encoding sends the whole column to a plainer one. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/time.h"
#include "segment/segment_private.h"
#include "segment/text.h"

#define DICT_ALWAYS 16u /* entries up to which a dictionary is always right */
#define INT_FROM 256u   /* integers with fewer distinct values are a dictionary */
#define PAYLOAD_MAX ((size_t)SEGMENT_CHUNK_MAX * 2)

typedef struct encoder {
    const segment_gather *gather;
    uint32_t rows;
    uint32_t absent, nulls; /* rows */
    uint32_t min, max;      /* entries with the smallest and largest text; valid when has_text */
    bool has_text;
    th_buf payload;
} encoder;

static void count_specials(encoder *e)
{
    const segment_gather *g = e->gather;
    for (uint32_t row = 0; row < e->rows; row++) {
        e->absent += g->codes[row] == g->special[0];
        e->nulls += g->codes[row] == g->special[1];
    }
}

static void find_zone(encoder *e)
{
    const segment_gather *g = e->gather;
    for (uint32_t i = 0; i < g->entry_count; i++) {
        if (!segment_kind_has_text(g->entries[i].kind)) continue;
        th_slice text = segment_entry_text(g, &g->entries[i]);
        if (!e->has_text || th_slice_compare(text, segment_entry_text(g, &g->entries[e->min])) < 0)
            e->min = i;
        if (!e->has_text || th_slice_compare(text, segment_entry_text(g, &g->entries[e->max])) > 0)
            e->max = i;
        e->has_text = true;
    }
}

static void put_head(const encoder *e, segment_encoding encoding, th_buf *directory)
{
    const segment_gather *g = e->gather;
    th_slice min = {NULL, 0}, max = {NULL, 0};
    bool zone = e->has_text && encoding != SEGMENT_CONST;
    if (zone) {
        min = segment_entry_text(g, &g->entries[e->min]);
        max = segment_entry_text(g, &g->entries[e->max]);
        zone = min.size <= SEGMENT_ZONE_BYTES && max.size <= SEGMENT_ZONE_BYTES;
    }
    unsigned flags =
        (unsigned)encoding | (g->folded ? SEGMENT_FOLDED : 0u) | (zone ? SEGMENT_HAS_ZONE : 0u);
    th_buf_add_byte(directory, (uint8_t)flags);
    th_buf_add_varint(directory, e->absent);
    th_buf_add_varint(directory, e->nulls);
    if (!zone) return;
    th_buf_add_varint(directory, min.size);
    th_buf_add_slice(directory, min);
    th_buf_add_varint(directory, max.size);
    th_buf_add_slice(directory, max);
}

static void put_const(const encoder *e, th_buf *directory)
{
    const segment_entry *entry = &e->gather->entries[0];
    put_head(e, SEGMENT_CONST, directory);
    th_buf_add_byte(directory, entry->kind);
    th_buf_add_varint(directory, entry->size);
    th_buf_add_slice(directory, segment_entry_text(e->gather, entry));
}

static int compare_entries(const void *left, const void *right, void *context)
{
    const segment_gather *g = context;
    const segment_entry *a = &g->entries[*(const uint32_t *)left],
                        *b = &g->entries[*(const uint32_t *)right];
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    return th_slice_compare(segment_entry_text(g, a), segment_entry_text(g, b));
}

static void put_dictionary(encoder *e, const uint32_t *order, th_buf *out, th_buf *directory)
{
    const segment_gather *g = e->gather;
    for (size_t i = 0; i < g->entry_count; i++)
        th_buf_add_byte(&e->payload, g->entries[order[i]].kind);
    for (size_t i = 0; i < g->entry_count; i++)
        if (segment_kind_has_text(g->entries[order[i]].kind))
            th_buf_add_varint(&e->payload, g->entries[order[i]].size);
    for (size_t i = 0; i < g->entry_count; i++)
        th_buf_add_slice(&e->payload, segment_entry_text(g, &g->entries[order[i]]));
    segment_chunk_write(out, directory, th_buf_slice(&e->payload));
}

/* Codes of one byte, or low bytes of all rows and then high bytes. */
static void put_codes(encoder *e, const uint32_t *position, th_buf *out, th_buf *directory)
{
    const segment_gather *g = e->gather;
    bool wide = g->entry_count > 256;
    th_buf_clear(&e->payload);
    uint8_t *codes = th_buf_reserve(&e->payload, (size_t)e->rows * (wide ? 2 : 1));
    if (codes == NULL) return;
    for (uint32_t row = 0; row < e->rows; row++) {
        uint32_t code = position[g->codes[row]];
        codes[row] = (uint8_t)code;
        if (wide) codes[e->rows + row] = (uint8_t)(code >> 8);
    }
    th_buf_grow(&e->payload, (size_t)e->rows * (wide ? 2 : 1));
    segment_chunk_write(out, directory, th_buf_slice(&e->payload));
}

static th_err put_dict(encoder *e, th_buf *out, th_buf *directory)
{
    const segment_gather *g = e->gather;
    uint32_t *order = calloc(g->entry_count, 2 * sizeof(uint32_t));
    if (order == NULL) return TH_ENOMEM;
    uint32_t *position = order + g->entry_count;
    for (uint32_t i = 0; i < g->entry_count; i++) order[i] = i;
    qsort_r(order, g->entry_count, sizeof(uint32_t), compare_entries, (void *)(uintptr_t)g);
    for (uint32_t i = 0; i < g->entry_count; i++) position[order[i]] = i;
    put_head(e, SEGMENT_DICT, directory);
    th_buf_add_varint(directory, g->entry_count);
    put_dictionary(e, order, out, directory);
    put_codes(e, position, out, directory);
    free(order);
    return TH_OK;
}

static void put_row_kinds(encoder *e)
{
    for (uint32_t row = 0; row < e->rows; row++)
        th_buf_add_byte(&e->payload, e->gather->entries[e->gather->codes[row]].kind);
}

static void put_plain(encoder *e, th_buf *out, th_buf *directory)
{
    const segment_gather *g = e->gather;
    put_row_kinds(e);
    for (uint32_t row = 0; row < e->rows; row++) {
        const segment_entry *entry = &g->entries[g->codes[row]];
        if (segment_kind_has_text(entry->kind)) th_buf_add_varint(&e->payload, entry->size);
    }
    for (uint32_t row = 0; row < e->rows; row++)
        th_buf_add_slice(&e->payload, segment_entry_text(g, &g->entries[g->codes[row]]));
    put_head(e, SEGMENT_PLAIN, directory);
    segment_chunk_write(out, directory, th_buf_slice(&e->payload));
}

/* True when all texts are UUIDs as AWS writes them, and the column was written. */
static bool put_uuid(encoder *e, th_buf *out, th_buf *directory)
{
    const segment_gather *g = e->gather;
    uint8_t uuid[16];
    for (size_t i = 0; i < g->entry_count; i++) {
        const segment_entry *entry = &g->entries[i];
        if (entry->kind == TH_CELL_JSON) return false;
        if (entry->kind == TH_CELL_STRING &&
            !segment_uuid_parse(segment_entry_text(g, entry), uuid))
            return false;
    }
    put_row_kinds(e);
    for (uint32_t row = 0; row < e->rows; row++) {
        const segment_entry *entry = &g->entries[g->codes[row]];
        if (entry->kind != TH_CELL_STRING) continue;
        bool parsed = segment_uuid_parse(segment_entry_text(g, entry), uuid);
        TH_ASSERT(parsed);
        th_buf_add(&e->payload, uuid, sizeof(uuid));
    }
    put_head(e, SEGMENT_UUID, directory);
    segment_chunk_write(out, directory, th_buf_slice(&e->payload));
    return true;
}

/* The integer of an entry, when formatting it gives its text back. */
static bool entry_integer(const segment_gather *g, const segment_entry *entry, th_stored_kind kind,
                          int64_t *value)
{
    char text[SEGMENT_INT_TEXT_MAX];
    th_slice s = segment_entry_text(g, entry);
    size_t size;
    if (kind == TH_STORED_TIME) {
        if (entry->kind != TH_CELL_STRING || !th_time_parse_iso(s, value)) return false;
        if (*value < SEGMENT_TIME_MIN || *value > SEGMENT_TIME_MAX) return false;
        size = segment_format_time(*value, text);
    } else {
        if (!th_slice_to_i64(s, value)) return false;
        size = segment_format_int(*value, text);
    }
    return th_slice_equal(s, th_slice_of(text, size));
}

/* True when all texts are integers of one form, and the column was written. */
static bool put_ints(encoder *e, th_stored_kind kind, uint8_t *kinds, int64_t *of_entry,
                     int64_t *values, th_buf *out, th_buf *directory)
{
    const segment_gather *g = e->gather;
    uint8_t text_kind = TH_CELL_ABSENT;
    for (size_t i = 0; i < g->entry_count; i++) {
        const segment_entry *entry = &g->entries[i];
        if (!segment_kind_has_text(entry->kind)) continue;
        if (text_kind != TH_CELL_ABSENT && entry->kind != text_kind) return false;
        text_kind = entry->kind;
        if (!entry_integer(g, entry, kind, &of_entry[i])) return false;
    }
    for (uint32_t row = 0; row < e->rows; row++) {
        kinds[row] = g->entries[g->codes[row]].kind;
        values[row] = of_entry[g->codes[row]];
    }
    segment_v1_encode_ints(kinds, values, e->rows, &e->payload);
    put_head(e, SEGMENT_INT, directory);
    segment_int_form form = kind == TH_STORED_TIME      ? SEGMENT_INT_TIME
                            : text_kind == TH_CELL_JSON ? SEGMENT_INT_NUMBER
                                                        : SEGMENT_INT_STRING;
    th_buf_add_byte(directory, (uint8_t)form);
    segment_chunk_write(out, directory, th_buf_slice(&e->payload));
    return true;
}

static th_err try_ints(encoder *e, th_stored_kind kind, th_buf *out, th_buf *directory, bool *done)
{
    uint8_t *kinds = calloc(e->rows, 1);
    int64_t *of_entry = calloc(e->gather->entry_count, sizeof(int64_t));
    int64_t *values = calloc(e->rows, sizeof(int64_t));
    bool memory = kinds != NULL && of_entry != NULL && values != NULL;
    if (memory) *done = put_ints(e, kind, kinds, of_entry, values, out, directory);
    free(kinds);
    free(of_entry);
    free(values);
    return memory ? TH_OK : TH_ENOMEM;
}

static th_err encode(encoder *e, th_stored_kind kind, th_buf *out, th_buf *directory)
{
    const segment_gather *g = e->gather;
    if (e->absent == e->rows) {
        put_head(e, SEGMENT_ABSENT, directory);
        return TH_OK;
    }
    if (g->entry_count == 1 && g->entries[0].size <= SEGMENT_CONST_BYTES) {
        put_const(e, directory);
        return TH_OK;
    }
    if (kind != TH_STORED_TEXT && g->entry_count > INT_FROM) {
        bool done = false;
        TH_TRY(try_ints(e, kind, out, directory, &done));
        if (done) return TH_OK;
    }
    bool few = g->entry_count <= DICT_ALWAYS || g->entry_count <= e->rows / 2;
    if (!g->plain && few) return put_dict(e, out, directory);
    if (!put_uuid(e, out, directory)) put_plain(e, out, directory);
    return TH_OK;
}

th_err segment_encode_column(const segment_gather *gather, th_stored_kind kind, uint32_t rows,
                             th_buf *out, th_buf *directory)
{
    encoder e = {.gather = gather, .rows = rows};
    th_buf_init(&e.payload, PAYLOAD_MAX);
    count_specials(&e);
    find_zone(&e);
    th_err err = encode(&e, kind, out, directory);
    if (err == TH_OK) err = th_buf_error(&e.payload);
    if (err == TH_OK) err = th_buf_error(out);
    th_buf_free(&e.payload);
    return err;
}

/* Microseconds of whole seconds or milliseconds are kept in that unit. */
static uint8_t common_scale(const uint8_t *kinds, const int64_t *values, uint32_t rows)
{
    uint8_t scale = 2;
    for (uint32_t row = 0; row < rows && scale > 0; row++) {
        if (!segment_kind_has_text(kinds[row])) continue;
        if (scale == 2 && values[row] % 1000000 != 0) scale = 1;
        if (scale == 1 && values[row] % 1000 != 0) scale = 0;
    }
    return scale;
}

void segment_v1_encode_ints(const uint8_t *kinds, const int64_t *values, uint32_t rows,
                         th_buf *payload)
{
    uint8_t scale = common_scale(kinds, values, rows);
    int64_t unit = scale == 2 ? 1000000 : scale == 1 ? 1000 : 1;
    th_buf_add(payload, kinds, rows);
    th_buf_add_byte(payload, scale);
    uint64_t before = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (!segment_kind_has_text(kinds[row])) continue;
        uint64_t now = (uint64_t)(values[row] / unit);
        uint64_t difference = now - before;
        th_buf_add_varint(payload, (difference << 1) ^ (0 - (difference >> 63)));
        before = now;
    }
}
