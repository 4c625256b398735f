/* SPDX-License-Identifier: Apache-2.0
 * The chunk table of an image, and payloads out of it. A place in payload space, as callers keep it, is two counters in
 * one number: bytes of shared chunks passed (low 40 bits), chunks of their own passed (high 24 bits). */
#include <lz4.h>

#include "base/hash.h"
#include "segment/format.h"
#include "segment/payload_private.h"

enum { SHARED_BITS = 40, PAD = 64 };
#define SHARED_MASK ((UINT64_C(1) << SHARED_BITS) - 1)

typedef struct chunk {
    uint64_t offset; /* in the image */
    uint64_t hash;
    uint32_t stored, raw;
    uint8_t method;
} chunk;

struct segment_payloads {
    th_slice image;
    chunk *chunks;
    uint64_t *
        shared_at; /* where shared chunk i begins in the space of shared chunks; one more: the end */
    uint32_t *shared; /* numbers of shared chunks */
    uint32_t *own;    /* numbers of the others */
    uint32_t count, shared_count, own_count;
};

static bool take_chunk(th_reader *directory, chunk *c, bool *own)
{
    uint8_t method = th_take_u8(directory);
    *own = (method & PAYLOAD_OWN) != 0;
    c->method = method & PAYLOAD_METHOD_MASK;
    uint64_t stored = th_take_varint(directory);
    uint64_t raw = c->method == PAYLOAD_RAW ? stored : th_take_varint(directory);
    c->hash = th_take_u64(directory);
    if (directory->bad || (method & ~(PAYLOAD_METHOD_MASK | PAYLOAD_OWN)) != 0) return false;
    if (c->method > PAYLOAD_LZ4_PRESET || stored == 0 || stored > raw) return false;
    if (raw > SEGMENT_CHUNK_MAX || raw > stored * PAYLOAD_LZ4_RATIO_MAX) return false;
    if (*own ? raw < PAYLOAD_OWN_MIN : raw >= PAYLOAD_SHARED_MAX) return false;
    c->stored = (uint32_t)stored;
    c->raw = (uint32_t)raw;
    return true;
}

segment_payloads *segment_payloads_open(th_reader *directory, th_slice image, uint64_t first,
                                        uint64_t end, th_arena *arena)
{
    uint64_t count = th_take_varint(directory);
    /* A chunk takes ten bytes of directory at least. */
    if (directory->bad || first > end || end > image.size || count > PAYLOAD_CHUNKS_MAX ||
        count > (uint64_t)(directory->end - directory->pos) / 10) {
        directory->bad = true;
        return NULL;
    }
    segment_payloads *p = TH_NEW(arena, segment_payloads);
    if (p == NULL) return NULL;
    p->image = image;
    p->count = (uint32_t)count;
    p->chunks = TH_NEW_ARRAY(arena, chunk, count + 1);
    p->shared_at = TH_NEW_ARRAY(arena, uint64_t, count + 1);
    p->shared = TH_NEW_ARRAY(arena, uint32_t, count + 1);
    p->own = TH_NEW_ARRAY(arena, uint32_t, count + 1);
    if (p->chunks == NULL || p->shared_at == NULL || p->shared == NULL || p->own == NULL)
        return NULL;
    uint64_t at = first, shared = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        chunk *c = &p->chunks[i];
        bool own;
        if (!take_chunk(directory, c, &own) || c->stored > end - at) {
            directory->bad = true;
            return NULL;
        }
        c->offset = at;
        at += c->stored;
        if (own) {
            p->own[p->own_count++] = i;
            continue;
        }
        p->shared[p->shared_count] = i;
        p->shared_at[p->shared_count++] = shared;
        shared += c->raw;
    }
    p->shared_at[p->shared_count] = shared;
    if (at != end) {
        directory->bad = true;
        return NULL;
    }
    return p;
}

/* Number among the shared chunks of the one that holds a byte. */
static uint32_t shared_chunk(const segment_payloads *p, uint64_t at)
{
    uint32_t low = 0, high = p->shared_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (p->shared_at[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

segment_payload segment_payload_take(th_reader *directory, const segment_payloads *p, uint64_t *at)
{
    uint64_t size = th_take_varint(directory);
    segment_payload none = {0, 0};
    if (directory->bad || size == 0) return none;
    uint64_t shared = *at & SHARED_MASK, own = *at >> SHARED_BITS;
    if (size >= PAYLOAD_OWN_MIN) {
        if (own >= p->own_count || p->chunks[p->own[own]].raw != size) {
            directory->bad = true;
            return none;
        }
        *at += UINT64_C(1) << SHARED_BITS;
        return (segment_payload){(uint64_t)p->own[own] << 32, (uint32_t)size};
    }
    if (shared >= p->shared_at[p->shared_count]) {
        directory->bad = true;
        return none;
    }
    uint32_t i = shared_chunk(p, shared);
    uint64_t within = shared - p->shared_at[i];
    if (size > p->chunks[p->shared[i]].raw - within) {
        directory->bad = true;
        return none;
    }
    *at += size;
    return (segment_payload){(uint64_t)p->shared[i] << 32 | within, (uint32_t)size};
}

bool segment_payloads_used_up(const segment_payloads *p, uint64_t at)
{
    return (at & SHARED_MASK) == p->shared_at[p->shared_count] && at >> SHARED_BITS == p->own_count;
}

uint64_t segment_payloads_stored(const segment_payloads *p, uint64_t from, uint64_t to)
{
    uint64_t stored = 0, at = from & SHARED_MASK, end = to & SHARED_MASK;
    for (uint64_t i = from >> SHARED_BITS; i < to >> SHARED_BITS; i++)
        stored += p->chunks[p->own[i]].stored;
    for (uint32_t i = at < end ? shared_chunk(p, at) : p->shared_count; at < end; i++) {
        const chunk *c = &p->chunks[p->shared[i]];
        uint64_t past = p->shared_at[i + 1] < end ? p->shared_at[i + 1] : end;
        stored += c->stored * (past - at) / c->raw;
        at = past;
    }
    return stored;
}

th_err segment_reading_begin(segment_reading *reading, const segment_payloads *payloads,
                             th_arena *arena, th_arena *chunks_arena)
{
    *reading =
        (segment_reading){.payloads = payloads, .arena = arena, .chunks_arena = chunks_arena};
    reading->chunks = th_arena_zalloc(chunks_arena, payloads->count + 1, sizeof(*reading->chunks));
    return reading->chunks == NULL ? TH_ELIMIT : TH_OK;
}

static th_err decode_chunk(const segment_payloads *p, const chunk *c, th_arena *arena,
                           const uint8_t **out)
{
    th_slice stored = {p->image.bytes + c->offset, c->stored};
    if (th_xxh3(stored) != c->hash) return TH_ECORRUPT;
    if (c->method == PAYLOAD_RAW && p->image.size - c->offset - c->stored >= PAD) {
        *out = stored.bytes;
        return TH_OK;
    }
    uint8_t *raw = th_arena_alloc(arena, c->raw);
    if (raw == NULL) return TH_ELIMIT;
    *out = raw;
    if (c->method == PAYLOAD_RAW) {
        memcpy(raw, stored.bytes, stored.size);
        return TH_OK;
    }
    th_slice preset = c->method == PAYLOAD_LZ4_PRESET ? segment_preset() : (th_slice){NULL, 0};
    int size =
        LZ4_decompress_safe_usingDict((const char *)stored.bytes, (char *)raw, (int)c->stored,
                                      (int)c->raw, (const char *)preset.bytes, (int)preset.size);
    return size >= 0 && (uint32_t)size == c->raw ? TH_OK : TH_ECORRUPT;
}

th_err segment_payload_read(segment_reading *reading, segment_payload payload, th_slice *out)
{
    static const uint8_t nothing[PAD];
    if (payload.size == 0) {
        *out = th_slice_of(nothing, 0);
        return TH_OK;
    }
    uint32_t number = (uint32_t)(payload.at >> 32), within = (uint32_t)payload.at;
    if (reading->chunks[number] == NULL) {
        const chunk *c = &reading->payloads->chunks[number];
        const uint8_t *bytes;
        TH_TRY(decode_chunk(reading->payloads, c, reading->chunks_arena, &bytes));
        reading->chunks[number] = bytes;
        reading->bytes_read += c->stored;
    }
    *out = th_slice_of(reading->chunks[number] + within, payload.size);
    return TH_OK;
}

th_err segment_payloads_verify(const segment_payloads *p, uint32_t *bad_chunk)
{
    th_arena *arena = th_arena_new((size_t)SEGMENT_CHUNK_MAX * 2, NULL);
    if (arena == NULL) return TH_ENOMEM;
    th_err err = TH_OK;
    for (uint32_t i = 0; err == TH_OK && i < p->count; i++) {
        const uint8_t *bytes;
        err = decode_chunk(p, &p->chunks[i], arena, &bytes);
        if (err != TH_OK) *bad_chunk = i;
        th_arena_reset(arena);
    }
    th_arena_free(arena);
    return err;
}
