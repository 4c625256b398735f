/* SPDX-License-Identifier: Apache-2.0
 * Chunks of version 1: checksummed, LZ4 where it saved something. */
#include <lz4.h>

#include "base/hash.h"
#include "segment/v1/v1.h"

#define RATIO_MAX 256u /* no LZ4 block expands further */

v1_chunk v1_chunk_take(th_reader *reader, uint64_t *at)
{
    v1_chunk chunk = {.offset = *at};
    uint64_t stored = th_take_varint(reader), raw = th_take_varint(reader);
    chunk.hash = th_take_u64(reader);
    if (raw > SEGMENT_CHUNK_MAX || stored > raw || raw > stored * RATIO_MAX) {
        reader->bad = true;
        return chunk;
    }
    chunk.stored = (uint32_t)stored;
    chunk.raw = (uint32_t)raw;
    *at += stored;
    return chunk;
}

th_err v1_chunk_read(th_slice image, const v1_chunk *chunk, uint8_t *raw)
{
    th_slice stored = {image.bytes + chunk->offset, chunk->stored};
    if (th_xxh3(stored) != chunk->hash) return TH_ECORRUPT;
    if (stored.size == 0) return TH_OK;
    if (chunk->stored == chunk->raw) {
        memcpy(raw, stored.bytes, stored.size);
        return TH_OK;
    }
    int size = LZ4_decompress_safe((const char *)stored.bytes, (char *)raw, (int)stored.size,
                                   (int)chunk->raw);
    return size >= 0 && (uint32_t)size == chunk->raw ? TH_OK : TH_ECORRUPT;
}
