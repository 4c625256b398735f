/* SPDX-License-Identifier: Apache-2.0
 * fuzz-module: segment
 *
 * The first byte says what the rest is: an image as it is; an image (of version 1, of version 2) whose checksums are made
 * right first, so that what lies behind them is reached; or lines that are records of one table, written in one of the
 * tiers and read back, where every record must come back as it was and every column must equal a plain look-up in the
 * record. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "json/json.h"
#include "segment/paths.h"
#include "segment/reader.h"
#include "segment/v1/v1.h"

#define ARENA_MAX ((size_t)256 << 20)
#define ROWS_MAX 600u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_IMAGE = 0, INPUT_SEALED_V1 = 1, INPUT_SEALED_V2 = 255 }; /* else: lines */
#define INPUT_COMPACT 0x40u                                           /* of lines */

static const char *const more_paths[] = {
    "requestParameters", "=userIdentity.ARN", "a.b|c", "x", "", "az-id", "a", "a.b",
    "userIdentity"};

static void read_column(const th_segment *s, const char *path, uint32_t begin, uint32_t count,
                        th_arena *arena)
{
    th_segment_column c;
    uint64_t bytes = 0;
    th_arena_reset(arena);
    if (th_segment_read_column(s, path, begin, count, arena, &c, &bytes) != TH_OK) return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = c.codes == NULL ? i : c.codes[i];
        TH_ASSERT(at < c.value_count);
        TH_ASSERT(c.kinds[at] <= TH_CELL_JSON);
        if (c.values[at].size > 0) TH_ASSERT(c.values[at].bytes[c.values[at].size - 1] <= 255);
    }
    th_slice min, max;
    if (th_segment_zone(s, path, &min, &max)) (void)th_segment_may_equal(s, path, min);
    (void)th_segment_may_equal(s, path, TH_SLICE("x"));
}

static void read_everything(const th_segment *s, th_arena *arena)
{
    uint32_t rows = th_segment_rows(s);
    th_diag diag = {0};
    int64_t first_us, last_us;
    (void)th_segment_times(s, &first_us, &last_us);
    (void)th_segment_verify(s, &diag);
    for (uint32_t row = 0; row < rows; row += 1 + rows / 16) (void)th_segment_layout(s, row);
    uint32_t begin = rows / 3, count = rows / 2;
    th_arena_reset(arena);
    th_slice *records = TH_NEW_ARRAY(arena, th_slice, (size_t)rows + 1);
    int64_t *times = TH_NEW_ARRAY(arena, int64_t, (size_t)rows + 1);
    if (records == NULL || times == NULL) return;
    (void)th_segment_records(s, begin, count, arena, records);
    if (rows > 0) (void)th_segment_records(s, rows - 1, 1, arena, records);
    (void)th_segment_read_times(s, begin, count, arena, times);
    for (uint32_t i = 0; i < s->table->column_count; i++)
        read_column(s, s->table->columns[i].path, begin, count, arena);
    for (size_t i = 0; i < sizeof(more_paths) / sizeof(more_paths[0]); i++)
        read_column(s, more_paths[i], begin, count, arena);
}

static void open_image(th_slice image)
{
    th_segment *s = NULL;
    th_diag diag = {0};
    if (th_segment_open(image, &s, &diag) != TH_OK) return;
    th_arena *arena = th_arena_new(ARENA_MAX, NULL);
    if (arena != NULL) read_everything(s, arena);
    th_arena_free(arena);
    th_segment_close(s);
}

/* ---- making checksums right ---- */

static uint8_t *
    sealed_bytes; /* start of the image in hand: the directory is walked to find its chunks' checksums */

static void seal_chunk(th_reader *r, uint64_t *at, uint64_t end)
{
    uint64_t stored = th_take_varint(r);
    (void)th_take_varint(r);
    const uint8_t *place = r->pos;
    (void)th_take_u64(r);
    if (r->bad || stored > end - *at) {
        r->bad = true;
        return;
    }
    uint64_t hash = th_xxh3(th_slice_of(sealed_bytes + *at, (size_t)stored));
    memcpy(sealed_bytes + (place - sealed_bytes), &hash, sizeof(hash));
    *at += stored;
}

static void skip_text(th_reader *r)
{
    uint64_t size = th_take_varint(r);
    if (size > (uint64_t)(r->end - r->pos))
        r->bad = true;
    else
        (void)th_take_bytes(r, (size_t)size);
}

static void seal_column(th_reader *r, uint64_t *at, uint64_t end)
{
    uint8_t flags = th_take_u8(r);
    unsigned encoding = flags & V1_ENCODING_MASK;
    (void)th_take_varint(r);
    (void)th_take_varint(r);
    if ((flags & V1_HAS_ZONE) != 0) {
        skip_text(r);
        skip_text(r);
    }
    if (encoding == V1_CONST || encoding == V1_INT) (void)th_take_u8(r);
    if (encoding == V1_CONST) skip_text(r);
    if (encoding == V1_DICT) (void)th_take_varint(r);
    if (encoding == V1_DICT) seal_chunk(r, at, end);
    if (encoding >= V1_DICT) seal_chunk(r, at, end);
}

static void seal_directory(th_reader *r, uint64_t end)
{
    uint64_t at = sizeof(segment_header);
    for (uint64_t blocks = th_take_varint(r); blocks > 0 && !r->bad; blocks--) {
        (void)th_take_varint(r);
        seal_chunk(r, &at, end);
    }
    uint64_t layouts = th_take_varint(r);
    for (uint64_t i = 0; i < layouts && !r->bad; i++) skip_text(r);
    for (uint64_t runs = layouts == 0 ? 0 : th_take_varint(r); runs > 0 && !r->bad; runs--) {
        (void)th_take_varint(r);
        (void)th_take_varint(r);
    }
    uint8_t times = th_take_u8(r);
    if (times != V1_ABSENT) (void)th_take_bytes(r, 16);
    if (times == V1_INT) seal_chunk(r, &at, end);
    for (uint64_t columns = th_take_varint(r); columns > 0 && !r->bad; columns--)
        seal_column(r, &at, end);
}

/* The chunks of version 2 stand first in its directory. */
static void seal_chunks(th_reader *r, uint64_t end)
{
    uint64_t at = sizeof(segment_header);
    for (uint64_t chunks = th_take_varint(r); chunks > 0 && !r->bad; chunks--) {
        bool packed = (th_take_u8(r) & 15) != 0;
        uint64_t stored = th_take_varint(r);
        if (packed) (void)th_take_varint(r);
        const uint8_t *place = r->pos;
        (void)th_take_u64(r);
        if (r->bad || stored > end - at) return;
        uint64_t hash = th_xxh3(th_slice_of(sealed_bytes + at, (size_t)stored));
        memcpy(sealed_bytes + (place - sealed_bytes), &hash, sizeof(hash));
        at += stored;
    }
}

/* table, rows (2), size of what lies between header and directory (3), raw bytes (3); then those bytes. */
#define SEAL_HEAD 9u

static void open_sealed(uint16_t version, const uint8_t *data, size_t size)
{
    if (size < SEAL_HEAD) return;
    size_t count, body = size - SEAL_HEAD;
    const th_stored_table *tables = th_model_tables(&count);
    uint64_t between = data[3] | (uint64_t)data[4] << 8 | (uint64_t)data[5] << 16;
    if (between > body) between = body;
    segment_header header = {.magic = SEGMENT_MAGIC,
                             .version = version,
                             .rows = data[1] | (uint32_t)data[2] << 8,
                             .table = (uint32_t)tables[data[0] % count].id,
                             .raw_bytes =
                                 data[6] | (uint64_t)data[7] << 8 | (uint64_t)data[8] << 16,
                             .image_bytes = sizeof(header) + body,
                             .directory_at = sizeof(header) + between,
                             .directory_stored = (uint32_t)(body - between),
                             .directory_raw = version == 1 ? 0 : (uint32_t)(body - between)};
    sealed_bytes = malloc(sizeof(header) + body);
    if (sealed_bytes == NULL) return;
    if (body > 0) memcpy(sealed_bytes + sizeof(header), data + SEAL_HEAD, body);
    th_slice directory = {sealed_bytes + header.directory_at, body - between};
    th_reader reader = th_reader_of(directory);
    if (version == 1)
        seal_directory(&reader, header.directory_at);
    else
        seal_chunks(&reader, header.directory_at);
    header.directory_hash = th_xxh3(directory);
    header.header_hash = th_xxh3(th_slice_of(&header, offsetof(segment_header, header_hash)));
    memcpy(sealed_bytes, &header, sizeof(header));
    open_image(th_slice_of(sealed_bytes, sizeof(header) + body));
    free(sealed_bytes);
    sealed_bytes = NULL;
}

/* ---- writing and reading back ---- */

static th_slice look_up(th_slice record, th_slice path)
{
    for (;;) {
        size_t dot = th_slice_find(path, TH_SLICE("."));
        th_slice key = {path.bytes, dot == SIZE_MAX ? path.size : dot};
        th_slice value = th_json_member(record, key);
        record = value.size > 0 ? value : th_json_member_nocase(record, key);
        if (dot == SIZE_MAX || record.size == 0) return record;
        path = (th_slice){path.bytes + dot + 1, path.size - dot - 1};
    }
}

static th_slice look_up_any(th_slice record, const char *path)
{
    th_slice rest = th_slice_text(path), null = {NULL, 0};
    for (;;) {
        size_t bar = th_slice_find(rest, TH_SLICE("|"));
        th_slice value = look_up(record, (th_slice){rest.bytes, bar == SIZE_MAX ? rest.size : bar});
        if (value.size > 0 && th_json_kind_of(value) != TH_JSON_NULL) return value;
        if (value.size > 0 && null.size == 0) null = value;
        if (bar == SIZE_MAX) return null;
        rest = (th_slice){rest.bytes + bar + 1, rest.size - bar - 1};
    }
}

static void plain_cell(const th_stored_table *table, th_slice record, th_slice layout,
                       const char *path, th_arena *arena, uint8_t *kind, th_slice *text)
{
    if (table->format == TH_RECORD_LINE) {
        segment_cell_of_field(th_model_line_field(record, layout, th_slice_text(path)), kind, text);
        return;
    }
    th_slice document, raw = {NULL, 0};
    if (th_json_document(record, TH_JSON_DEPTH_MAX, &document, NULL) == TH_OK)
        raw = look_up_any(document, path);
    bool kept = segment_cell_of_json(raw, arena, kind, text);
    TH_ASSERT(kept);
}

typedef struct written {
    const th_stored_table *table;
    uint32_t rows;
    th_slice records[ROWS_MAX];
    th_slice layouts[ROWS_MAX];
    int64_t times[ROWS_MAX];
} written;

static void compare_column(const th_segment *s, const written *w, const char *path, th_arena *arena)
{
    th_segment_column c;
    uint64_t bytes = 0;
    th_err err = th_segment_read_column(s, path, 0, w->rows, arena, &c, &bytes);
    TH_ASSERT(err == TH_OK);
    th_slice min = {NULL, 0}, max = {NULL, 0};
    bool zone = th_segment_zone(s, path, &min, &max);
    for (uint32_t i = 0; i < w->rows; i++) {
        uint8_t kind;
        th_slice text;
        plain_cell(w->table, w->records[i], w->layouts[i], path, arena, &kind, &text);
        uint32_t at = c.codes == NULL ? i : c.codes[i];
        TH_ASSERT(c.kinds[at] == kind);
        TH_ASSERT(th_slice_equal(c.values[at], text));
        if (!segment_kind_has_text(kind)) continue;
        TH_ASSERT(th_segment_may_equal(s, path, text));
        TH_ASSERT(!zone || (th_slice_compare(min, text) <= 0 && th_slice_compare(text, max) <= 0));
    }
}

static void compare(const th_segment *s, const written *w, th_arena *arena)
{
    th_diag diag = {0};
    th_err err = th_segment_verify(s, &diag);
    TH_ASSERT(err == TH_OK);
    TH_ASSERT(th_segment_rows(s) == w->rows);
    th_slice out[ROWS_MAX];
    int64_t times[ROWS_MAX];
    err = th_segment_records(s, 0, w->rows, arena, out);
    TH_ASSERT(err == TH_OK);
    err = th_segment_read_times(s, 0, w->rows, arena, times);
    TH_ASSERT(err == TH_OK);
    for (uint32_t i = 0; i < w->rows; i++) {
#ifdef TH_FUZZ_CANARY
        if (w->rows > 40 && out[i].size > 10 && out[i].bytes[2] == 'q') out[i].size--;
#endif
        TH_ASSERT(th_slice_equal(out[i], w->records[i]));
        TH_ASSERT(th_slice_equal(th_segment_layout(s, i), w->layouts[i]));
        TH_ASSERT(times[i] == w->times[i]);
    }
    for (uint32_t i = 0; i < w->table->column_count; i++)
        compare_column(s, w, w->table->columns[i].path, arena);
    compare_column(s, w, "requestParameters", arena);
    if (w->table->format == TH_RECORD_JSON) compare_column(s, w, "a.b|a", arena);
}

/* A record with each '#' replaced by a hexadecimal digit that depends on the row. */
static th_slice vary(th_slice line, uint32_t row, th_arena *arena)
{
    th_slice copy = th_arena_copy(arena, line);
    TH_ASSERT(copy.bytes != NULL);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.bytes;
    uint64_t random = row * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < copy.size; i++) {
        if (bytes[i] != '#') continue;
        bytes[i] = (uint8_t) "0123456789abcdef"[random >> 60];
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    }
    return copy;
}

/* Lines repeated; a line that begins with '@' is the layout of those after it. */
static void add_lines(th_segment_builder *b, written *w, th_slice text, uint32_t repeat,
                      th_arena *arena)
{
    for (uint32_t round = 0; round < repeat; round++) {
        th_slice rest = text, layout = {NULL, 0};
        while (rest.size > 0 && w->rows < ROWS_MAX) {
            size_t end = th_slice_find(rest, TH_SLICE("\n"));
            th_slice line = {rest.bytes, end == SIZE_MAX ? rest.size : end};
            size_t taken = line.size + (end != SIZE_MAX);
            rest = (th_slice){rest.bytes + taken, rest.size - taken};
            if (line.size > 0 && line.bytes[0] == '@') {
                layout = (th_slice){line.bytes + 1, line.size - 1};
                continue;
            }
            th_slice record = vary(line, w->rows, arena);
            th_slice document;
            if (w->table->format == TH_RECORD_JSON &&
                th_json_document(record, TH_JSON_DEPTH_MAX, &document, NULL) != TH_OK) {
                continue;
            }
            int64_t us = INT64_MIN;
            bool has_time = th_model_time(w->table, record, layout, &us) && us != INT64_MIN;
            th_err err = th_segment_builder_add(b, record, layout, has_time, us);
            TH_ASSERT(err == TH_OK);
            w->records[w->rows] = record;
            w->layouts[w->rows] = layout;
            w->times[w->rows++] = has_time ? us : INT64_MIN;
        }
    }
}

static void write_and_read(uint8_t which, const uint8_t *data, size_t size)
{
    static const th_table_id ids[] = {TH_TABLE_cloudtrail, TH_TABLE_config_items, TH_TABLE_vpc_flow,
                                      TH_TABLE_blobs};
    static written w;
    if (size < 1) return;
    w.table = th_model_table((uint32_t)ids[which % 4]);
    w.rows = 0;
    th_arena *arena = th_arena_new(ARENA_MAX, NULL);
    th_segment_builder *b = th_segment_builder_new(w.table, NULL);
    th_buf image;
    th_buf_init(&image, ARENA_MAX);
    if (arena != NULL && b != NULL) {
        if ((which & INPUT_COMPACT) != 0) th_segment_builder_set_tier(b, TH_TIER_COMPACT);
        add_lines(b, &w, th_slice_of(data + 1, size - 1), data[0] % 64 + 1u, arena);
        th_segment *s;
        th_err err = th_segment_builder_finish(b, &image);
        TH_ASSERT(err == TH_OK);
        err = th_segment_open(th_buf_slice(&image), &s, NULL);
        TH_ASSERT(err == TH_OK);
        compare(s, &w, arena);
        th_segment_close(s);
    }
    th_segment_builder_free(b);
    th_buf_free(&image);
    th_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    if (data[0] == INPUT_IMAGE)
        open_image(th_slice_of(data + 1, size - 1));
    else if (data[0] == INPUT_SEALED_V1)
        open_sealed(1, data + 1, size - 1);
    else if (data[0] == INPUT_SEALED_V2)
        open_sealed(2, data + 1, size - 1);
    else
        write_and_read(data[0], data + 1, size - 1);
    return 0;
}
