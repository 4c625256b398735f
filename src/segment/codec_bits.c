/* SPDX-License-Identifier: Apache-2.0
 * Runs of integers of a few bits each, lowest bits first. */
#include "segment/codec_private.h"
#include "segment/codec_simd.h"

static uint64_t load(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static void store(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}

size_t codec_bits_pack(const uint64_t *values, size_t count, unsigned width, uint8_t *out)
{
    uint8_t *p = out;
    uint64_t held = 0;
    unsigned fill = 0;
    if (width == 0) return 0;
    for (size_t i = 0; i < count; i++) {
        held |= values[i] << fill;
        if (fill + width < 64) {
            fill += width;
            continue;
        }
        store(p, held);
        p += 8;
        unsigned taken = 64 - fill;
        held = taken < 64 ? values[i] >> taken : 0;
        fill = width - taken;
    }
    store(p, held);
    return (size_t)(p - out) + (fill + 7) / 8;
}

void codec_bits_unpack(const uint8_t *in, size_t first, size_t count, unsigned width, uint64_t *out)
{
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    size_t at = first * width;
    for (size_t i = 0; i < count; i++, at += width) {
        const uint8_t *p = in + at / 8;
        unsigned shift = at % 8;
        uint64_t v = load(p) >> shift;
        if (shift + width > 64) v |= (uint64_t)p[8] << (64 - shift);
        out[i] = v & mask;
    }
}

void codec_bits_unpack_bytes(const uint8_t *in, size_t first, size_t count, unsigned width,
                             const uint8_t table[256], uint8_t *out)
{
    uint64_t mask = (UINT64_C(1) << width) - 1;
    size_t at = first * width, i = 0;
    if (width <= 6 && count >= 48 && codec_simd_usable()) {
        /* Every eighth value begins on a byte. */
        for (; at % 8 != 0; i++, at += width) out[i] = table[load(in + at / 8) >> (at % 8) & mask];
        size_t done = codec_simd_unpack(in + at / 8, count - i, width, table, out + i);
        i += done;
        at += done * width;
    }
    /* Seven values of at most 8 bits are in any 8 bytes, wherever in a byte they begin. */
    for (; i + 7 <= count; i += 7, at += (size_t)width * 7) {
        uint64_t v = load(in + at / 8) >> (at % 8);
        for (unsigned k = 0; k < 7; k++, v >>= width) out[i + k] = table[v & mask];
    }
    for (; i < count; i++, at += width) out[i] = table[load(in + at / 8) >> (at % 8) & mask];
}
