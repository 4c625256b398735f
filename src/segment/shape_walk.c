/* SPDX-License-Identifier: Apache-2.0
 * The fast path of cutting without and with SSE2, and the steps that all its kinds share. */
#include "segment/shape_private.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p;
}

static const uint8_t *number_end(const uint8_t *p, const uint8_t *end)
{
    if (*p == '-') p++;
    const uint8_t *digits = p;
    p = p < end && *p == '0' ? p + 1 : skip_digits(p, end);
    if (p == digits) return NULL;
    if (p < end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, end);
        if (p == digits) return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        digits = p;
        p = skip_digits(p, end);
        if (p == digits) return NULL;
    }
    return p;
}

const uint8_t *shape_scalar_end(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    if (left >= 4 && (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0))
        p += 4;
    else if (left >= 5 && memcmp(p, "false", 5) == 0)
        p += 5;
    else if (left == 0 || (p = number_end(p, end)) == NULL)
        return NULL;
    return p == end || *p == ',' || *p == '}' || *p == ']' || shape_is_blank(*p) ? p : NULL;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

const uint8_t *shape_string_step(const uint8_t *p, const uint8_t *end)
{
    if (*p < 0x20) return NULL;
    if (*p >= 0x80) {
        size_t size = th_utf8_size(p, (size_t)(end - p));
        return size == 0 ? NULL : p + size;
    }
    if (end - p < 2) return NULL;
    if (p[1] != 'u') return p[1] != 0 && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
    if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) || !is_hex(p[4]) || !is_hex(p[5]))
        return NULL;
    return p + 6;
}

/* ---- eight bytes at a time, in plain C ---- */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* The top bit of each byte gathered into eight bits. */
static inline uint32_t gather_highs(uint64_t highs)
{
    return (uint32_t)(((highs >> 7) * UINT64_C(0x0102040810204080)) >> 56);
}

/* The top bit of each byte that is zero; exact for every byte. */
static inline uint64_t zeros(uint64_t v)
{
    return ~(((v & ~HIGHS) + ~HIGHS) | v) & HIGHS;
}

static inline uint32_t portable_equal(const uint8_t *a, const uint8_t *b)
{
    return gather_highs(zeros(load8(a) ^ load8(b)));
}

static inline uint32_t portable_special(const uint8_t *p)
{
    uint64_t v = load8(p);
    uint64_t quote = zeros(v ^ ONES * '"'), slash = zeros(v ^ ONES * '\\');
    uint64_t control = zeros(v & ONES * 0xe0);
    return gather_highs(quote | slash | control | (v & HIGHS));
}

#define WALK shape_walk_portable
#define WALK_TARGET
#define WALK_LANES 8u
#define walk_equal portable_equal
#define walk_special portable_special
#define walk_matches portable_matches
#define walk_fits portable_fits
#define walk_choose portable_choose
#define walk_string portable_string
#include "segment/shape_walk.inc"

#if defined(__x86_64__)

static inline __m128i sse2_load(const uint8_t *p)
{
    __m128i v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t sse2_equal(const uint8_t *a, const uint8_t *b)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(sse2_load(a), sse2_load(b)));
}

static inline uint32_t sse2_special(const uint8_t *p)
{
    __m128i v = sse2_load(p);
    __m128i hits =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    /* Signed: bytes from 0x80 on are negative, so one comparison finds them and the controls. */
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(hits, _mm_cmplt_epi8(v, _mm_set1_epi8(0x20))));
}

#undef WALK
#undef WALK_LANES
#undef walk_equal
#undef walk_special
#undef walk_matches
#undef walk_fits
#undef walk_choose
#undef walk_string
#define WALK shape_walk_sse2
#define WALK_LANES 16u
#define walk_equal sse2_equal
#define walk_special sse2_special
#define walk_matches sse2_matches
#define walk_fits sse2_fits
#define walk_choose sse2_choose
#define walk_string sse2_string
#include "segment/shape_walk.inc"

#endif
