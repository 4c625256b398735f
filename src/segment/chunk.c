/* SPDX-License-Identifier: Apache-2.0
 * Chunks: checksummed, LZ4 where it saves something. */
#include <lz4.h>

#include "base/assert.h"
#include "base/hash.h"
#include "segment/segment_private.h"

#define LZ4_RATIO_MAX 256u /* no LZ4 block expands further */

size_t segment_chunk_compress(th_buf *out, th_slice raw)
{
    TH_ASSERT(raw.size <= SEGMENT_CHUNK_MAX);
    if (raw.size == 0) return 0;
    int bound = LZ4_compressBound((int)raw.size);
    uint8_t *room = th_buf_reserve(out, (size_t)bound);
    if (room == NULL) return 0;
    int packed = LZ4_compress_default((const char *)raw.bytes, (char *)room, (int)raw.size, bound);
    size_t stored = packed > 0 && (size_t)packed < raw.size ? (size_t)packed : raw.size;
    if (stored == raw.size) memcpy(room, raw.bytes, raw.size);
    th_buf_grow(out, stored);
    return stored;
}

void segment_chunk_describe(th_buf *directory, th_slice stored, size_t raw)
{
    th_buf_add_varint(directory, stored.size);
    th_buf_add_varint(directory, raw);
    th_buf_add_u64(directory, th_xxh3(stored));
}

void segment_chunk_write(th_buf *out, th_buf *directory, th_slice raw)
{
    size_t stored = segment_chunk_compress(out, raw);
    if (th_buf_error(out) != TH_OK) return;
    segment_chunk_describe(directory, th_slice_of(out->bytes + (out->size - stored), stored),
                           raw.size);
}
