/* SPDX-License-Identifier: Apache-2.0
 * SpookyHash version 2 with seed 0, whose first 32 or 64 bits are two SQL functions. */
#include "query/fn/call.h"
#include "query/fn/digest.h"
#include "query/fn/families.h"

#define SPOOKY_CONST 0xDEADBEEFDEADBEEFu
#define SHORT_MAX 192 /* bytes: two blocks */
#define BLOCK_SIZE 96

static uint64_t rotate(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static uint64_t word_at(const uint8_t *from)
{
    uint64_t v;
    memcpy(&v, from, sizeof v);
    return v;
}

static void short_mix(uint64_t h[4])
{
    static const int turns[12] = {50, 52, 30, 41, 54, 48, 38, 37, 62, 34, 5, 36};
    for (int i = 0; i < 12; i++) {
        uint64_t *a = &h[(i + 2) % 4], *b = &h[(i + 3) % 4], *c = &h[i % 4];
        *a = rotate(*a, turns[i]) + *b;
        *c ^= *a;
    }
}

static void short_end(uint64_t h[4])
{
    static const int turns[11] = {15, 52, 26, 51, 28, 9, 47, 54, 32, 25, 63};
    for (int i = 0; i < 11; i++) {
        uint64_t *d = &h[(i + 3) % 4], *c = &h[(i + 2) % 4];
        *d ^= *c;
        *c = rotate(*c, turns[i]);
        *d += *c;
    }
}

static void add_rest(uint64_t h[4], const uint8_t *at, size_t rest)
{
    uint8_t padded[16] = {0};
    if (rest == 0) {
        h[2] += SPOOKY_CONST;
        h[3] += SPOOKY_CONST;
        return;
    }
    memcpy(padded, at, rest);
    h[2] += word_at(padded);
    h[3] += word_at(padded + 8);
}

static uint64_t hash_short(th_slice s)
{
    uint64_t h[4] = {0, 0, SPOOKY_CONST, SPOOKY_CONST};
    const uint8_t *at = s.bytes;
    size_t rest = s.size % 32;
    for (size_t blocks = s.size / 32; blocks > 0; blocks--, at += 32) {
        h[2] += word_at(at);
        h[3] += word_at(at + 8);
        short_mix(h);
        h[0] += word_at(at + 16);
        h[1] += word_at(at + 24);
    }
    if (rest >= 16) {
        h[2] += word_at(at);
        h[3] += word_at(at + 8);
        short_mix(h);
        at += 16;
        rest -= 16;
    }
    h[3] += (uint64_t)s.size << 56;
    add_rest(h, at, rest);
    short_end(h);
    return h[0];
}

static void mix(const uint8_t *data, uint64_t s[12])
{
    static const int turns[12] = {11, 32, 43, 31, 17, 28, 39, 57, 55, 54, 22, 46};
    for (int i = 0; i < 12; i++) {
        s[i] += word_at(data + (ptrdiff_t)8 * i);
        s[(i + 2) % 12] ^= s[(i + 10) % 12];
        s[(i + 11) % 12] ^= s[i];
        s[i] = rotate(s[i], turns[i]);
        s[(i + 11) % 12] += s[(i + 1) % 12];
    }
}

static void end_part(uint64_t h[12])
{
    static const int turns[12] = {44, 15, 34, 21, 38, 33, 10, 13, 38, 53, 42, 54};
    for (int i = 0; i < 12; i++) {
        h[(i + 11) % 12] += h[(i + 1) % 12];
        h[(i + 2) % 12] ^= h[(i + 11) % 12];
        h[(i + 1) % 12] = rotate(h[(i + 1) % 12], turns[i]);
    }
}

static uint64_t hash_long(th_slice s)
{
    uint64_t h[12];
    uint8_t last[BLOCK_SIZE] = {0};
    size_t at = 0;
    for (int i = 0; i < 12; i++) h[i] = i % 3 == 2 ? SPOOKY_CONST : 0;
    for (; s.size - at >= BLOCK_SIZE; at += BLOCK_SIZE) mix(s.bytes + at, h);
    memcpy(last, s.bytes + at, s.size - at);
    last[BLOCK_SIZE - 1] = (uint8_t)(s.size - at);
    for (int i = 0; i < 12; i++) h[i] += word_at(last + (ptrdiff_t)8 * i);
    for (int i = 0; i < 3; i++) end_part(h);
    return h[0];
}

static uint64_t spooky(th_slice s)
{
    return s.size < SHORT_MAX ? hash_short(s) : hash_long(s);
}

th_err fn_spooky_32(th_fn_call *call, const th_value *args, th_value *out)
{
    uint8_t bytes[4];
    fn_put_be(bytes, spooky(args[0].s) & UINT32_MAX, 4);
    return fn_copy(call, th_slice_of(bytes, 4), out);
}

th_err fn_spooky_64(th_fn_call *call, const th_value *args, th_value *out)
{
    uint8_t bytes[8];
    fn_put_be(bytes, spooky(args[0].s), 8);
    return fn_copy(call, th_slice_of(bytes, 8), out);
}
