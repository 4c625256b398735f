/* SPDX-License-Identifier: Apache-2.0
 * Columns from their chunks. Everything in a chunk is checked: kinds, sizes, codes, and that nothing is left over. */
#include <stdlib.h>

#include "segment/v1/v1.h"
#include "segment/text.h"

#define PAD 64u /* readable bytes behind texts, for vector loads */

void v1_values_free(v1_values *values)
{
    if (values == NULL) return;
    free(values->values);
    free(values->kinds);
    free(values->codes);
    free(values->bytes);
    free(values);
}

static v1_values *new_values(uint32_t count, size_t bytes)
{
    v1_values *v = calloc(1, sizeof(*v));
    if (v == NULL) return NULL;
    v->count = count;
    v->values = calloc((size_t)count + 1, sizeof(th_slice));
    v->kinds = calloc((size_t)count + 1, 1);
    v->bytes = calloc(bytes + PAD, 1);
    if (v->values != NULL && v->kinds != NULL && v->bytes != NULL) return v;
    v1_values_free(v);
    return NULL;
}

static bool take_kinds(th_reader *reader, uint32_t count, uint8_t *kinds)
{
    th_slice taken = th_take_bytes(reader, count);
    if (reader->bad) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (taken.bytes[i] > TH_CELL_JSON) return false;
        kinds[i] = taken.bytes[i];
    }
    return true;
}

/* Kinds, sizes of those with text, texts: of a dictionary's entries or of rows. values->bytes holds the payload. */
static th_err parse_texts(v1_values *v, size_t payload)
{
    th_reader sizes = th_reader_of(th_slice_of(v->bytes, payload));
    if (!take_kinds(&sizes, v->count, v->kinds)) return TH_ECORRUPT;
    th_reader texts = sizes;
    for (uint32_t i = 0; i < v->count; i++)
        if (segment_kind_has_text(v->kinds[i])) (void)th_take_varint(&texts);
    for (uint32_t i = 0; i < v->count; i++) {
        if (!segment_kind_has_text(v->kinds[i])) continue;
        uint64_t size = th_take_varint(&sizes);
        if (size > payload) return TH_ECORRUPT;
        v->values[i] = th_take_bytes(&texts, (size_t)size);
    }
    return sizes.bad || texts.bad || texts.pos != texts.end ? TH_ECORRUPT : TH_OK;
}

static th_err read_texts(th_slice image, const v1_chunk *chunk, uint32_t count, v1_values **out)
{
    v1_values *v = new_values(count, chunk->raw);
    if (v == NULL) return TH_ENOMEM;
    th_err err = v1_chunk_read(image, chunk, v->bytes);
    if (err == TH_OK) err = parse_texts(v, chunk->raw);
    if (err != TH_OK)
        v1_values_free(v);
    else
        *out = v;
    return err;
}

/* Entries rise by kind, then text: look-ups search them in halves. */
static bool is_sorted(const v1_values *v)
{
    for (uint32_t i = 1; i < v->count; i++) {
        if (v->kinds[i] < v->kinds[i - 1]) return false;
        if (v->kinds[i] == v->kinds[i - 1] && th_slice_compare(v->values[i - 1], v->values[i]) >= 0)
            return false;
    }
    return true;
}

th_err v1_decode_dictionary(th_slice image, const v1_column *column, v1_values **out)
{
    v1_values *v;
    TH_TRY(read_texts(image, &column->chunk[0], column->entries, &v));
    if (is_sorted(v)) {
        *out = v;
        return TH_OK;
    }
    v1_values_free(v);
    return TH_ECORRUPT;
}

th_err v1_decode_codes(th_slice image, const v1_column *column, uint32_t rows, uint32_t **out)
{
    bool wide = column->entries > 256;
    if (column->chunk[1].raw != (uint64_t)rows * (wide ? 2 : 1)) return TH_ECORRUPT;
    uint8_t *bytes = malloc((size_t)column->chunk[1].raw + PAD);
    uint32_t *codes = calloc((size_t)rows + 1, sizeof(uint32_t));
    th_err err =
        bytes == NULL || codes == NULL ? TH_ENOMEM : v1_chunk_read(image, &column->chunk[1], bytes);
    for (uint32_t row = 0; err == TH_OK && row < rows; row++) {
        codes[row] = bytes[row] | (wide ? (uint32_t)bytes[rows + row] << 8 : 0u);
        if (codes[row] >= column->entries) err = TH_ECORRUPT;
    }
    free(bytes);
    if (err != TH_OK)
        free(codes);
    else
        *out = codes;
    return err;
}

/* A chunk's payload in memory of its own. */
static th_err read_payload(th_slice image, const v1_chunk *chunk, uint8_t **out)
{
    uint8_t *bytes = malloc((size_t)chunk->raw + PAD);
    if (bytes == NULL) return TH_ENOMEM;
    th_err err = v1_chunk_read(image, chunk, bytes);
    if (err != TH_OK)
        free(bytes);
    else
        *out = bytes;
    return err;
}

static th_err parse_uuids(th_slice payload, v1_values *v)
{
    th_reader reader = th_reader_of(payload);
    if (!take_kinds(&reader, v->count, v->kinds)) return TH_ECORRUPT;
    uint8_t *text = v->bytes;
    for (uint32_t row = 0; row < v->count; row++) {
        if (v->kinds[row] == TH_CELL_JSON) return TH_ECORRUPT;
        if (v->kinds[row] != TH_CELL_STRING) continue;
        th_slice uuid = th_take_bytes(&reader, 16);
        if (reader.bad) return TH_ECORRUPT;
        segment_uuid_format(uuid.bytes, (char *)text);
        v->values[row] = th_slice_of(text, SEGMENT_UUID_TEXT);
        text += SEGMENT_UUID_TEXT;
    }
    return reader.pos == reader.end ? TH_OK : TH_ECORRUPT;
}

th_err v1_decode_ints(th_slice payload, uint32_t rows, uint8_t *kinds, int64_t *values)
{
    static const int64_t units[] = {1, 1000, 1000000};
    th_reader reader = th_reader_of(payload);
    if (!take_kinds(&reader, rows, kinds)) return TH_ECORRUPT;
    uint8_t scale = th_take_u8(&reader);
    if (scale > 2) return TH_ECORRUPT;
    uint64_t before = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (!segment_kind_has_text(kinds[row])) continue;
        uint64_t folded = th_take_varint(&reader);
        before += (folded >> 1) ^ (0 - (folded & 1));
        if (__builtin_mul_overflow((int64_t)before, units[scale], &values[row])) return TH_ECORRUPT;
    }
    return reader.bad || reader.pos != reader.end ? TH_ECORRUPT : TH_OK;
}

static th_err format_ints(const v1_column *column, const int64_t *integers, v1_values *v)
{
    uint8_t wanted = column->form == V1_INT_NUMBER ? TH_CELL_JSON : TH_CELL_STRING;
    char *text = (char *)v->bytes;
    for (uint32_t row = 0; row < v->count; row++) {
        if (!segment_kind_has_text(v->kinds[row])) continue;
        if (v->kinds[row] != wanted) return TH_ECORRUPT;
        size_t size;
        if (column->form == V1_INT_TIME) {
            if (integers[row] < SEGMENT_TIME_MIN || integers[row] > SEGMENT_TIME_MAX)
                return TH_ECORRUPT;
            size = segment_format_time(integers[row], text);
        } else {
            size = segment_format_int(integers[row], text);
        }
        v->values[row] = th_slice_of(text, size);
        text += size;
    }
    return TH_OK;
}

static th_err decode_ints(th_slice payload, const v1_column *column, v1_values *v)
{
    int64_t *integers = calloc((size_t)v->count + 1, sizeof(int64_t));
    if (integers == NULL) return TH_ENOMEM;
    th_err err = v1_decode_ints(payload, v->count, v->kinds, integers);
    if (err == TH_OK) err = format_ints(column, integers, v);
    free(integers);
    return err;
}

th_err v1_decode_rows(th_slice image, const v1_column *column, uint32_t rows, v1_values **out)
{
    if (column->encoding == V1_PLAIN) return read_texts(image, &column->chunk[0], rows, out);
    bool uuid = column->encoding == V1_UUID;
    uint8_t *payload;
    TH_TRY(read_payload(image, &column->chunk[0], &payload));
    v1_values *v =
        new_values(rows, (size_t)rows * (uuid ? SEGMENT_UUID_TEXT : SEGMENT_INT_TEXT_MAX));
    th_slice bytes = th_slice_of(payload, column->chunk[0].raw);
    th_err err = v == NULL ? TH_ENOMEM
                 : uuid    ? parse_uuids(bytes, v)
                           : decode_ints(bytes, column, v);
    free(payload);
    if (err != TH_OK)
        v1_values_free(v);
    else
        *out = v;
    return err;
}
