/* SPDX-License-Identifier: Apache-2.0
 * Where encoders write: straight to the image, or to a draft that competes with others. */
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>

#include "segment/codec_private.h"

enum { DRAFT_MAX = 1 << 30, CHUNK_NAME = 14, GUESS_LEVEL = 4, SQUEEZE_MIN = 16 };

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

size_t codec_squeezed(th_slice bytes, th_arena *scratch)
{
    if (bytes.size < SQUEEZE_MIN || bytes.size > LZ4_MAX_INPUT_SIZE) return bytes.size;
    int bound = LZ4_compressBound((int)bytes.size);
    char *room = th_arena_alloc(scratch, (size_t)bound);
    if (room == NULL) return bytes.size;
    int size = LZ4_compress_default((const char *)bytes.bytes, room, (int)bytes.size, bound);
    return size > 0 && (size_t)size < bytes.size ? (size_t)size : bytes.size;
}

/* What the compact tier's chunks would make of it. The state is kept: to clear one costs more than most drafts do. */
static size_t guess_size(th_slice bytes, segment_encoder *encoder)
{
    segment_payload_writer *writer = encoder->payloads;
    if (bytes.size < SQUEEZE_MIN || bytes.size > LZ4_MAX_INPUT_SIZE) return bytes.size;
    if (writer->guess == NULL) {
        writer->guess = malloc((size_t)LZ4_sizeofStateHC());
        if (writer->guess == NULL) return bytes.size;
        (void)LZ4_initStreamHC(writer->guess, (size_t)LZ4_sizeofStateHC());
    }
    /* Room for the worst: after a failure the state had to be cleared again. */
    int bound = LZ4_compressBound((int)bytes.size);
    char *room = th_arena_alloc(encoder->scratch, (size_t)bound);
    if (room == NULL) return bytes.size;
    LZ4_resetStreamHC_fast(writer->guess, GUESS_LEVEL);
    int size = LZ4_compress_HC_continue(writer->guess, (const char *)bytes.bytes, room,
                                        (int)bytes.size, bound);
    return size > 0 && (size_t)size < bytes.size ? (size_t)size : bytes.size;
}

uint64_t codec_draft_cost(const codec_draft *draft, segment_encoder *encoder)
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
            cost += guess_size(th_slice_of(draft->bytes.bytes + begin, end - begin), encoder);
        if (p.squeeze == SEGMENT_SQUEEZE_NONE)
            cost += p.size + (p.size >= 32 << 10 ? CHUNK_NAME : 0);
        if (p.squeeze == SEGMENT_SQUEEZE_NONE) end += p.size;
        begin = end;
    }
    if (end > begin)
        cost += guess_size(th_slice_of(draft->bytes.bytes + begin, end - begin), encoder);
    return cost;
}

th_err codec_put_cheapest(codec_out *out, uint32_t tags, codec_attempt *attempt, const void *what)
{
    codec_draft best;
    uint64_t best_cost = UINT64_MAX;
    codec_draft_init(&best);
    th_err err = TH_OK;
    for (; err == TH_OK && tags != 0; tags &= tags - 1) {
        codec_draft draft;
        codec_draft_init(&draft);
        codec_out to = *out;
        to.draft = &draft;
        to.directory = &draft.directory;
        err = attempt(&to, (unsigned)__builtin_ctz(tags), what);
        uint64_t cost = err == TH_OK ? codec_draft_cost(&draft, out->encoder) : UINT64_MAX;
        if (cost < best_cost) {
            codec_draft worse = best;
            best = draft;
            draft = worse;
            best_cost = cost;
        }
        codec_draft_free(&draft);
    }
    if (err == TH_OK) codec_draft_replay(&best, out);
    codec_draft_free(&best);
    return err == TH_OK ? codec_out_error(out) : err;
}
