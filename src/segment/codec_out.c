/* SPDX-License-Identifier: Apache-2.0
 * Where encoders write: straight to the image, or to a draft that competes with others. */
#include <lz4.h>
#include <lz4hc.h>

#include "segment/codec_private.h"

enum { DRAFT_MAX = 1 << 30, CHUNK_NAME = 14, GUESS_LEVEL = 4 };

typedef struct piece {
    uint32_t size, squeeze;
} piece;

void codec_put_payload(codec_out *out, th_slice bytes, segment_squeeze squeeze)
{
    th_buf_add_varint(out->directory, bytes.size);
    if (out->draft == NULL) {
        segment_payload_add(out->encoder->payloads, bytes, squeeze);
        return;
    }
    piece p = {(uint32_t)bytes.size, squeeze};
    th_buf_add(&out->draft->pieces, &p, sizeof(p));
    th_buf_add_slice(&out->draft->bytes, bytes);
}

th_err codec_out_error(const codec_out *out)
{
    TH_TRY(th_buf_error(out->directory));
    if (out->draft == NULL) return TH_OK; /* payloads say it at their end */
    TH_TRY(th_buf_error(&out->draft->pieces));
    return th_buf_error(&out->draft->bytes);
}

void codec_draft_init(codec_draft *draft)
{
    th_buf_init(&draft->directory, DRAFT_MAX);
    th_buf_init(&draft->bytes, DRAFT_MAX);
    th_buf_init(&draft->pieces, DRAFT_MAX);
}

void codec_draft_free(codec_draft *draft)
{
    th_buf_free(&draft->directory);
    th_buf_free(&draft->bytes);
    th_buf_free(&draft->pieces);
}

void codec_draft_replay(const codec_draft *draft, codec_out *out)
{
    th_buf_add_slice(out->directory, th_buf_slice(&draft->directory));
    if (out->draft != NULL) {
        th_buf_add_slice(&out->draft->pieces, th_buf_slice(&draft->pieces));
        th_buf_add_slice(&out->draft->bytes, th_buf_slice(&draft->bytes));
        return;
    }
    const uint8_t *bytes = draft->bytes.bytes;
    for (size_t at = 0; at < draft->pieces.size; at += sizeof(piece)) {
        piece p;
        memcpy(&p, draft->pieces.bytes + at, sizeof(p));
        segment_payload_add(out->encoder->payloads, th_slice_of(bytes, p.size),
                            (segment_squeeze)p.squeeze);
        bytes += p.size;
    }
}

size_t codec_squeezed(th_slice bytes, th_arena *scratch, segment_tier_effort effort)
{
    if (bytes.size < 16 || bytes.size > LZ4_MAX_INPUT_SIZE) return bytes.size;
    int bound = LZ4_compressBound((int)bytes.size);
    char *room = th_arena_alloc(scratch, (size_t)bound);
    if (room == NULL) return bytes.size;
    const char *from = (const char *)bytes.bytes;
    int size = effort == SEGMENT_EFFORT_FAST
                   ? LZ4_compress_default(from, room, (int)bytes.size, bound)
                   : LZ4_compress_HC(from, room, (int)bytes.size, bound, GUESS_LEVEL);
    return size > 0 && (size_t)size < bytes.size ? (size_t)size : bytes.size;
}

uint64_t codec_draft_cost(const codec_draft *draft, th_arena *scratch)
{
    uint64_t cost = draft->directory.size, begin = 0, end = 0;
    for (size_t at = 0; at < draft->pieces.size; at += sizeof(piece)) {
        piece p;
        memcpy(&p, draft->pieces.bytes + at, sizeof(p));
        if (p.squeeze == SEGMENT_SQUEEZE_TEXT) {
            end += p.size;
            if (end - begin < 64 << 10) continue; /* small ones share a chunk */
        }
        if (end > begin)
            cost += codec_squeezed(th_slice_of(draft->bytes.bytes + begin, end - begin), scratch,
                                   SEGMENT_EFFORT_COMPACT);
        if (p.squeeze == SEGMENT_SQUEEZE_NONE)
            cost += p.size + (p.size >= 32 << 10 ? CHUNK_NAME : 0);
        if (p.squeeze == SEGMENT_SQUEEZE_NONE) end += p.size;
        begin = end;
    }
    if (end > begin)
        cost += codec_squeezed(th_slice_of(draft->bytes.bytes + begin, end - begin), scratch,
                               SEGMENT_EFFORT_COMPACT);
    return cost;
}
