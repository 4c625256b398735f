/* SPDX-License-Identifier: Apache-2.0
 * The directory of an image of version 1; chunks are checked when they are read. */
#include <stdlib.h>

#include "segment/v1/v1.h"

static th_err take_blocks(v1_segment *s, th_reader *reader, uint64_t *at)
{
    s->block_count = segment_take_count(reader, s->base.rows);
    s->blocks = calloc((size_t)s->block_count + 1, sizeof(v1_block));
    if (s->blocks == NULL) return TH_ENOMEM;
    uint32_t row = 0;
    for (uint32_t i = 0; i < s->block_count && !reader->bad; i++) {
        uint64_t rows = th_take_varint(reader);
        if (rows == 0 || rows > s->base.rows - row) return TH_ECORRUPT;
        s->blocks[i] = (v1_block){row, (uint32_t)rows, v1_chunk_take(reader, at)};
        row += (uint32_t)rows;
    }
    return reader->bad || row != s->base.rows ? TH_ECORRUPT : TH_OK;
}

static th_err take_times(v1_segment *s, th_reader *reader, uint64_t *at)
{
    s->times_encoding = th_take_u8(reader);
    if (s->times_encoding == V1_ABSENT) return reader->bad ? TH_ECORRUPT : TH_OK;
    if (s->times_encoding != V1_CONST && s->times_encoding != V1_INT) return TH_ECORRUPT;
    s->base.first_us = (int64_t)th_take_u64(reader);
    s->base.last_us = (int64_t)th_take_u64(reader);
    bool constant = s->times_encoding == V1_CONST;
    if (s->base.first_us > s->base.last_us || (constant && s->base.first_us != s->base.last_us))
        return TH_ECORRUPT;
    if (!constant) s->times = v1_chunk_take(reader, at);
    return reader->bad ? TH_ECORRUPT : TH_OK;
}

static void take_column(th_reader *reader, uint64_t *at, v1_column *c)
{
    uint8_t flags = th_take_u8(reader);
    c->encoding = flags & V1_ENCODING_MASK;
    c->folded = (flags & V1_FOLDED) != 0;
    c->has_zone = (flags & V1_HAS_ZONE) != 0;
    c->absent = (uint32_t)th_take_varint(reader);
    c->nulls = (uint32_t)th_take_varint(reader);
    if (c->has_zone) {
        c->min = segment_take_text(reader, V1_ZONE_BYTES);
        c->max = segment_take_text(reader, V1_ZONE_BYTES);
    }
    switch (c->encoding) {
    case V1_ABSENT: break;
    case V1_CONST:
        c->const_kind = th_take_u8(reader);
        c->const_text = segment_take_text(reader, V1_CONST_BYTES);
        if (c->const_kind > TH_CELL_JSON) reader->bad = true;
        break;
    case V1_DICT:
        c->entries = (uint32_t)th_take_varint(reader);
        if (c->entries == 0 || c->entries > TH_SEGMENT_ROWS_MAX) reader->bad = true;
        c->chunk[0] = v1_chunk_take(reader, at);
        c->chunk[1] = v1_chunk_take(reader, at);
        break;
    case V1_INT:
        c->form = th_take_u8(reader);
        if (c->form > V1_INT_NUMBER) reader->bad = true;
        c->chunk[0] = v1_chunk_take(reader, at);
        break;
    case V1_PLAIN:
    case V1_UUID: c->chunk[0] = v1_chunk_take(reader, at); break;
    default: reader->bad = true;
    }
}

/* Columns that a newer version appended are passed over. */
static th_err take_columns(v1_segment *s, th_reader *reader, uint64_t *at)
{
    uint32_t stored = segment_take_count(reader, V1_COLUMNS_MAX);
    s->column_count = stored < s->base.table->column_count ? stored : s->base.table->column_count;
    s->columns = calloc((size_t)s->column_count + 1, sizeof(v1_column));
    if (s->columns == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < stored && !reader->bad; i++) {
        v1_column passed = {0};
        take_column(reader, at, i < s->column_count ? &s->columns[i] : &passed);
    }
    return reader->bad ? TH_ECORRUPT : TH_OK;
}

static th_err read_directory(v1_segment *s, const segment_header *header)
{
    th_reader reader = th_reader_of(
        th_slice_of(s->base.image.bytes + header->directory_at, header->directory_stored));
    uint64_t at = sizeof(*header);
    TH_TRY(take_blocks(s, &reader, &at));
    TH_TRY(segment_take_layouts(&s->base, &reader));
    TH_TRY(take_times(s, &reader, &at));
    TH_TRY(take_columns(s, &reader, &at));
    /* Chunks fill the room between header and directory exactly: each offset is inside. */
    return reader.pos == reader.end && at == header->directory_at ? TH_OK : TH_ECORRUPT;
}

static void close_segment(th_segment *segment)
{
    v1_segment *s = (v1_segment *)segment;
    for (uint32_t i = 0; s->columns != NULL && i < s->column_count; i++) {
        v1_values_free(s->columns[i].values);
        v1_values_free(s->columns[i].dictionary);
    }
    free(s->columns);
    free(s->blocks);
    free(s->times_values);
    (void)pthread_mutex_destroy(&s->lock);
}

static const segment_ops ops = {.close = close_segment,
                                .records = v1_records,
                                .column = v1_read_column,
                                .times = v1_times,
                                .zone = v1_zone,
                                .may_equal = v1_may_equal,
                                .verify = v1_verify};

th_err segment_v1_open(th_slice image, const segment_header *header, th_budget *budget,
                       th_segment **out)
{
    if (header->directory_raw != 0 || header->flags != 0) return TH_ECORRUPT;
    v1_segment *s = calloc(1, sizeof(*s));
    if (s == NULL) return TH_ENOMEM;
    s->base = (th_segment){.magic = SEGMENT_OPEN_MAGIC,
                           .ops = &ops,
                           .image = image,
                           .table = th_model_table(header->table),
                           .budget = budget,
                           .rows = header->rows,
                           .raw_bytes = header->raw_bytes};
    (void)pthread_mutex_init(&s->lock, NULL);
    th_err err = read_directory(s, header);
    if (err != TH_OK) {
        th_segment_close(&s->base);
        return err;
    }
    s->base.has_times = s->times_encoding != V1_ABSENT;
    *out = &s->base;
    return TH_OK;
}
