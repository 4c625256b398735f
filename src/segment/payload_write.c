/* SPDX-License-Identifier: Apache-2.0
 * Payloads into chunks. Small ones are gathered, so that the compressor sees what belongs together; large ones are
 * compressed where they are. */
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "segment/format.h"
#include "segment/payload_private.h"

enum {
    HC_LEVEL = 9,
    PRESET_UP_TO = 128 << 10, /* further on little of it is within reach */
    SAVES_AT_LEAST =
        32, /* a chunk is compressed when that saves a 32nd: reading raw bytes is free */
    CHUNK_TABLE_MAX = 64 << 20
};

void segment_payload_writer_init(segment_payload_writer *writer)
{
    *writer = (segment_payload_writer){0};
    th_buf_init(&writer->chunks, CHUNK_TABLE_MAX);
    th_buf_init(&writer->open, PAYLOAD_SHARED_MAX);
}

void segment_payload_writer_free(segment_payload_writer *writer)
{
    th_buf_free(&writer->chunks);
    th_buf_free(&writer->open);
    free(writer->scratch);
    free(writer->guess);
    writer->scratch = writer->guess = NULL;
}

void segment_payload_begin(segment_payload_writer *writer, th_buf *image,
                           segment_tier_effort effort)
{
    writer->image = image;
    writer->effort = effort;
    writer->count = 0;
    th_buf_clear(&writer->chunks);
    th_buf_clear(&writer->open);
}

/* State for either compressor; NULL: no memory. */
static void *compressor(segment_payload_writer *writer)
{
    size_t fast = (size_t)LZ4_sizeofState(), hc = (size_t)LZ4_sizeofStateHC();
    if (writer->scratch == NULL) writer->scratch = malloc(fast > hc ? fast : hc);
    return writer->scratch;
}

/* Compress raw to room; 0: it did not fit. */
static size_t pack(segment_payload_writer *writer, th_slice raw, uint8_t *room, size_t most)
{
    const char *from = (const char *)raw.bytes;
    char *to = (char *)room;
    int size = (int)raw.size, limit = (int)most;
    int packed = writer->effort == SEGMENT_EFFORT_FAST
                     ? LZ4_compress_fast_extState(writer->scratch, from, to, size, limit, 1)
                     : LZ4_compress_HC_extStateHC(writer->scratch, from, to, size, limit, HC_LEVEL);
    return packed > 0 ? (size_t)packed : 0;
}

/* The same behind the preset dictionary. */
static size_t pack_preset(segment_payload_writer *writer, th_slice raw, uint8_t *room, size_t most)
{
    th_slice preset = segment_preset();
    LZ4_streamHC_t *stream = LZ4_initStreamHC(writer->scratch, (size_t)LZ4_sizeofStateHC());
    if (stream == NULL) return 0;
    LZ4_resetStreamHC_fast(stream, HC_LEVEL);
    LZ4_loadDictHC(stream, (const char *)preset.bytes, (int)preset.size);
    int packed = LZ4_compress_HC_continue(stream, (const char *)raw.bytes, (char *)room,
                                          (int)raw.size, (int)most);
    return packed > 0 ? (size_t)packed : 0;
}

static void describe(segment_payload_writer *writer, unsigned method, th_slice stored, size_t raw)
{
    th_buf_add_byte(&writer->chunks, (uint8_t)method);
    th_buf_add_varint(&writer->chunks, stored.size);
    if ((method & PAYLOAD_METHOD_MASK) != PAYLOAD_RAW) th_buf_add_varint(&writer->chunks, raw);
    th_buf_add_u64(&writer->chunks, th_xxh3(stored));
    writer->count++;
}

static void fail(segment_payload_writer *writer, th_err err)
{
    if (writer->chunks.error == TH_OK) writer->chunks.error = err;
}

static void write_chunk(segment_payload_writer *writer, th_slice raw, unsigned own, bool squeeze)
{
    if (raw.size > SEGMENT_CHUNK_MAX || writer->count >= PAYLOAD_CHUNKS_MAX) {
        fail(writer, TH_ELIMIT);
        return;
    }
    if (compressor(writer) == NULL) {
        fail(writer, TH_ENOMEM);
        return;
    }
    /* Room for two tries side by side; neither may be longer than what is worth while. */
    uint8_t *room = th_buf_reserve(writer->image, raw.size * 2);
    if (room == NULL) return;
    size_t most = raw.size - (raw.size + SAVES_AT_LEAST - 1) / SAVES_AT_LEAST;
    size_t stored = squeeze && most > 0 ? pack(writer, raw, room, most) : 0;
    unsigned method = stored > 0 ? PAYLOAD_LZ4 : PAYLOAD_RAW;
    if (squeeze && writer->effort == SEGMENT_EFFORT_COMPACT && most > 0 &&
        raw.size <= PRESET_UP_TO) {
        uint8_t *second = room + raw.size;
        size_t preset = pack_preset(writer, raw, second, stored > 0 ? stored - 1 : most);
        if (preset > 0) {
            memmove(room, second, preset);
            stored = preset;
            method = PAYLOAD_LZ4_PRESET;
        }
    }
    if (stored == 0) {
        memcpy(room, raw.bytes, raw.size);
        stored = raw.size;
    }
    th_buf_grow(writer->image, stored);
    describe(writer, method | own,
             th_slice_of(writer->image->bytes + writer->image->size - stored, stored), raw.size);
}

static void close_shared(segment_payload_writer *writer)
{
    if (writer->open.size == 0) return;
    write_chunk(writer, th_buf_slice(&writer->open), 0, true);
    th_buf_clear(&writer->open);
}

void segment_payload_add(segment_payload_writer *writer, th_slice bytes, segment_squeeze squeeze)
{
    TH_ASSERT(writer->image != NULL);
    if (bytes.size >= PAYLOAD_OWN_MIN) {
        write_chunk(writer, bytes, PAYLOAD_OWN, squeeze == SEGMENT_SQUEEZE_TEXT);
        return;
    }
    th_buf_add_slice(&writer->open, bytes);
    if (writer->open.size >= PAYLOAD_SHARED_CLOSE) close_shared(writer);
}

th_err segment_payload_end(segment_payload_writer *writer)
{
    close_shared(writer);
    TH_TRY(th_buf_error(&writer->open));
    TH_TRY(th_buf_error(&writer->chunks));
    return th_buf_error(writer->image);
}
