/* SPDX-License-Identifier: Apache-2.0
 * Opens an image: header and directory are checked here; chunks are checked when they are read. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "segment/segment_private.h"

void segment_check(const th_segment *segment)
{
    TH_ASSERT(segment != NULL);
    TH_ASSERT(segment->magic == SEGMENT_OPEN_MAGIC);
}

static th_err read_header(th_slice image, segment_header *header, th_diag *diag)
{
    if (image.size < sizeof(*header))
        return th_fail(diag, TH_ECORRUPT, NULL, "segment is cut short");
    memcpy(header, image.bytes, sizeof(*header));
    if (header->magic != SEGMENT_MAGIC) return th_fail(diag, TH_ECORRUPT, NULL, "not a segment");
    if (header->version != 1) {
        return th_fail(diag, TH_EVERSION, NULL, "segment has format version %u, known is %u",
                       (unsigned)header->version, SEGMENT_VERSION);
    }
    if (th_xxh3(th_slice_of(header, offsetof(segment_header, header_hash))) != header->header_hash)
        return th_fail(diag, TH_ECORRUPT, NULL, "segment header does not match its checksum");
    bool sane = header->image_bytes == image.size && header->directory_at >= sizeof(*header) &&
                header->directory_at <= image.size && header->directory_raw == 0 &&
                header->directory_stored == image.size - header->directory_at &&
                header->rows <= TH_SEGMENT_ROWS_MAX && header->raw_bytes <= TH_SEGMENT_RAW_MAX;
    if (!sane) return th_fail(diag, TH_ECORRUPT, NULL, "segment header has impossible sizes");
    th_slice directory = {image.bytes + header->directory_at, header->directory_stored};
    if (th_xxh3(directory) != header->directory_hash)
        return th_fail(diag, TH_ECORRUPT, NULL, "segment directory does not match its checksum");
    if (th_model_table(header->table) == NULL)
        return th_fail(diag, TH_EVERSION, NULL, "segment is of table %u, which is not known",
                       header->table);
    return TH_OK;
}

/* A count of things that each take at least one byte of what is left. */
static uint32_t take_count(th_reader *reader, uint64_t max)
{
    uint64_t count = th_take_varint(reader);
    if (count > max || count > (uint64_t)(reader->end - reader->pos)) reader->bad = true;
    return reader->bad ? 0 : (uint32_t)count;
}

static th_slice take_text(th_reader *reader, size_t max)
{
    uint64_t size = th_take_varint(reader);
    if (size > max) reader->bad = true;
    return reader->bad ? (th_slice){NULL, 0} : th_take_bytes(reader, (size_t)size);
}

static th_err take_blocks(th_segment *s, th_reader *reader, uint64_t *at)
{
    s->block_count = take_count(reader, s->rows);
    s->blocks = calloc((size_t)s->block_count + 1, sizeof(segment_block));
    if (s->blocks == NULL) return TH_ENOMEM;
    uint32_t row = 0;
    for (uint32_t i = 0; i < s->block_count && !reader->bad; i++) {
        uint64_t rows = th_take_varint(reader);
        if (rows == 0 || rows > s->rows - row) return TH_ECORRUPT;
        s->blocks[i] = (segment_block){row, (uint32_t)rows, segment_chunk_take(reader, at)};
        row += (uint32_t)rows;
    }
    return reader->bad || row != s->rows ? TH_ECORRUPT : TH_OK;
}

static th_err take_layouts(th_segment *s, th_reader *reader)
{
    s->layout_count = take_count(reader, s->rows);
    if (s->layout_count == 0) return reader->bad ? TH_ECORRUPT : TH_OK;
    s->layouts = calloc(s->layout_count, sizeof(th_slice));
    if (s->layouts == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < s->layout_count; i++) s->layouts[i] = take_text(reader, SIZE_MAX);
    s->run_count = take_count(reader, s->rows);
    s->runs = calloc((size_t)s->run_count + 1, sizeof(segment_run));
    if (s->runs == NULL) return TH_ENOMEM;
    uint32_t row = 0;
    for (uint32_t i = 0; i < s->run_count && !reader->bad; i++) {
        uint64_t layout = th_take_varint(reader), rows = th_take_varint(reader);
        if (layout >= s->layout_count || rows == 0 || rows > s->rows - row) return TH_ECORRUPT;
        s->runs[i] = (segment_run){row, (uint32_t)layout};
        row += (uint32_t)rows;
    }
    return reader->bad || row != s->rows ? TH_ECORRUPT : TH_OK;
}

static th_err take_times(th_segment *s, th_reader *reader, uint64_t *at)
{
    s->times_encoding = th_take_u8(reader);
    if (s->times_encoding == SEGMENT_ABSENT) return reader->bad ? TH_ECORRUPT : TH_OK;
    if (s->times_encoding != SEGMENT_CONST && s->times_encoding != SEGMENT_INT) return TH_ECORRUPT;
    s->first_us = (int64_t)th_take_u64(reader);
    s->last_us = (int64_t)th_take_u64(reader);
    bool constant = s->times_encoding == SEGMENT_CONST;
    if (s->first_us > s->last_us || (constant && s->first_us != s->last_us)) return TH_ECORRUPT;
    if (!constant) s->times = segment_chunk_take(reader, at);
    return reader->bad ? TH_ECORRUPT : TH_OK;
}

static void take_column(th_reader *reader, uint64_t *at, segment_column *c)
{
    uint8_t flags = th_take_u8(reader);
    c->encoding = flags & SEGMENT_ENCODING_MASK;
    c->folded = (flags & SEGMENT_FOLDED) != 0;
    c->has_zone = (flags & SEGMENT_HAS_ZONE) != 0;
    c->absent = (uint32_t)th_take_varint(reader);
    c->nulls = (uint32_t)th_take_varint(reader);
    if (c->has_zone) {
        c->min = take_text(reader, SEGMENT_ZONE_BYTES);
        c->max = take_text(reader, SEGMENT_ZONE_BYTES);
    }
    switch (c->encoding) {
    case SEGMENT_ABSENT: break;
    case SEGMENT_CONST:
        c->const_kind = th_take_u8(reader);
        c->const_text = take_text(reader, SEGMENT_CONST_BYTES);
        if (c->const_kind > TH_CELL_JSON) reader->bad = true;
        break;
    case SEGMENT_DICT:
        c->entries = (uint32_t)th_take_varint(reader);
        if (c->entries == 0 || c->entries > TH_SEGMENT_ROWS_MAX) reader->bad = true;
        c->chunk[0] = segment_chunk_take(reader, at);
        c->chunk[1] = segment_chunk_take(reader, at);
        break;
    case SEGMENT_INT:
        c->form = th_take_u8(reader);
        if (c->form > SEGMENT_INT_NUMBER) reader->bad = true;
        c->chunk[0] = segment_chunk_take(reader, at);
        break;
    case SEGMENT_PLAIN:
    case SEGMENT_UUID: c->chunk[0] = segment_chunk_take(reader, at); break;
    default: reader->bad = true;
    }
}

/* Columns that a newer version appended are passed over. */
static th_err take_columns(th_segment *s, th_reader *reader, uint64_t *at)
{
    uint32_t stored = take_count(reader, SEGMENT_COLUMNS_MAX);
    s->column_count = stored < s->table->column_count ? stored : s->table->column_count;
    s->columns = calloc((size_t)s->column_count + 1, sizeof(segment_column));
    if (s->columns == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < stored && !reader->bad; i++) {
        segment_column passed = {0};
        take_column(reader, at, i < s->column_count ? &s->columns[i] : &passed);
    }
    return reader->bad ? TH_ECORRUPT : TH_OK;
}

static th_err read_directory(th_segment *s, const segment_header *header)
{
    th_reader reader =
        th_reader_of(th_slice_of(s->image.bytes + header->directory_at, header->directory_stored));
    uint64_t at = sizeof(*header);
    TH_TRY(take_blocks(s, &reader, &at));
    TH_TRY(take_layouts(s, &reader));
    TH_TRY(take_times(s, &reader, &at));
    TH_TRY(take_columns(s, &reader, &at));
    /* Chunks fill the room between header and directory exactly: each offset is inside. */
    return reader.pos == reader.end && at == header->directory_at ? TH_OK : TH_ECORRUPT;
}

th_err th_segment_open(th_slice image, th_segment **out, th_diag *diag)
{
    segment_header header;
    TH_TRY(read_header(image, &header, diag));
    th_segment *s = calloc(1, sizeof(*s));
    if (s == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment");
    s->magic = SEGMENT_OPEN_MAGIC;
    s->image = image;
    s->table = th_model_table(header.table);
    s->rows = header.rows;
    s->raw_bytes = header.raw_bytes;
    (void)pthread_mutex_init(&s->lock, NULL);
    th_err err = read_directory(s, &header);
    if (err != TH_OK) {
        th_segment_close(s);
        return th_fail(diag, err, NULL, "segment directory is not consistent");
    }
    *out = s;
    return TH_OK;
}

void th_segment_close(th_segment *s)
{
    if (s == NULL) return;
    segment_check(s);
    for (uint32_t i = 0; s->columns != NULL && i < s->column_count; i++) {
        segment_values_free(s->columns[i].values);
        segment_values_free(s->columns[i].dictionary);
    }
    free(s->columns);
    free(s->blocks);
    free(s->layouts);
    free(s->runs);
    free(s->times_values);
    (void)pthread_mutex_destroy(&s->lock);
    s->magic = 0;
    free(s);
}

uint32_t th_segment_rows(const th_segment *s)
{
    segment_check(s);
    return s->rows;
}

uint64_t th_segment_raw_bytes(const th_segment *s)
{
    segment_check(s);
    return s->raw_bytes;
}

bool th_segment_times(const th_segment *s, int64_t *first_us, int64_t *last_us)
{
    segment_check(s);
    if (s->times_encoding == SEGMENT_ABSENT) return false;
    *first_us = s->first_us;
    *last_us = s->last_us;
    return true;
}

th_slice th_segment_layout(const th_segment *s, uint32_t row)
{
    segment_check(s);
    TH_ASSERT(row < s->rows);
    if (s->run_count == 0) return (th_slice){NULL, 0};
    uint32_t low = 0, high = s->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->runs[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return s->layouts[s->runs[low].layout];
}
