/* SPDX-License-Identifier: Apache-2.0
 * Blocked Bloom filters. Block: high half of the hash times the number of blocks, divided by 2^32. In it bits
 * (a + i * b) mod 512 for i from 0 to 7: a = hash bits 0 to 8, b = hash bits 9 to 17 with the lowest one set. Bit n is
 * bit n mod 8 of byte n / 8. */
#include "segment/filter.h"

#include "base/assert.h"

size_t segment_filter_size(uint64_t keys, uint32_t bits)
{
    uint64_t block = SEGMENT_FILTER_BLOCK * 8u;
    uint64_t blocks = (keys * bits + block - 1) / block;
    return (size_t)(blocks == 0 ? 1 : blocks) * SEGMENT_FILTER_BLOCK;
}

static size_t block_of(size_t size, uint64_t hash)
{
    TH_ASSERT(size >= SEGMENT_FILTER_BLOCK && size % SEGMENT_FILTER_BLOCK == 0);
    return (size_t)(((hash >> 32) * (size / SEGMENT_FILTER_BLOCK)) >> 32) * SEGMENT_FILTER_BLOCK;
}

static uint32_t bit_of(uint64_t hash, uint32_t probe)
{
    uint32_t first = (uint32_t)hash & 511u, step = ((uint32_t)(hash >> 9) & 511u) | 1u;
    return (first + probe * step) & 511u;
}

void segment_filter_add(uint8_t *bytes, size_t size, uint64_t hash)
{
    uint8_t *block = bytes + block_of(size, hash);
    for (uint32_t i = 0; i < SEGMENT_FILTER_PROBES; i++) {
        uint32_t bit = bit_of(hash, i);
        block[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

bool segment_filter_may_have(const uint8_t *bytes, size_t size, uint64_t hash)
{
    const uint8_t *block = bytes + block_of(size, hash);
    for (uint32_t i = 0; i < SEGMENT_FILTER_PROBES; i++) {
        uint32_t bit = bit_of(hash, i);
        if ((block[bit / 8] >> bit % 8 & 1) == 0) return false;
    }
    return true;
}
