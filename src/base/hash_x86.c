/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 by the SHA extensions of x86, one or two messages at a time. A round waits for the round before it, so one
 * message alone leaves half of the unit idle. */
#include "base/hash_private.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define SHA_INLINE static inline __attribute__((always_inline, target("sha,sse4.1,ssse3")))

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

bool hash_x86_usable(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c >> 9 & 1) == 0 || (c >> 19 & 1) == 0) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) != 0;
}

/* One message in registers: the state as the instructions want it (A B E F, C D G H), four words of schedule each. */
typedef struct lane {
    __m128i abef, cdgh, w[4];
} lane;

SHA_INLINE __m128i load(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

SHA_INLINE void lane_load(lane *l, const uint32_t state[8])
{
    __m128i low = _mm_shuffle_epi32(load(state), 0xB1);      /* C D A B */
    __m128i high = _mm_shuffle_epi32(load(state + 4), 0x1B); /* E F G H, turned */
    l->abef = _mm_alignr_epi8(low, high, 8);
    l->cdgh = _mm_blend_epi16(high, low, 0xF0);
}

SHA_INLINE void lane_store(const lane *l, uint32_t state[8])
{
    __m128i low = _mm_shuffle_epi32(l->abef, 0x1B);
    __m128i high = _mm_shuffle_epi32(l->cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

SHA_INLINE void lane_words(lane *l, const uint8_t *p)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    for (int i = 0; i < 4; i++) l->w[i] = _mm_shuffle_epi8(load(p + 16 * i), swap);
}

/* Four rounds; group is a constant wherever this is unrolled. */
SHA_INLINE void lane_rounds(lane *l, int group)
{
    int at = group & 3;
    if (group >= 4) {
        __m128i w = _mm_sha256msg1_epu32(l->w[at], l->w[(at + 1) & 3]);
        w = _mm_add_epi32(w, _mm_alignr_epi8(l->w[(at + 3) & 3], l->w[(at + 2) & 3], 4));
        l->w[at] = _mm_sha256msg2_epu32(w, l->w[(at + 3) & 3]);
    }
    __m128i k = _mm_add_epi32(l->w[at], load(constants + 4 * group));
    l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, k);
    l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(k, 0x0E));
}

SHA_INLINE void lane_add(lane *l, const lane *before)
{
    l->abef = _mm_add_epi32(l->abef, before->abef);
    l->cdgh = _mm_add_epi32(l->cdgh, before->cdgh);
}

#define SIXTEEN(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

SHA_TARGET void hash_x86_one(uint32_t state[8], const uint8_t *p, size_t blocks)
{
    lane l;
    lane_load(&l, state);
    for (; blocks > 0; blocks--, p += SHA256_BLOCK) {
        lane before = l;
        lane_words(&l, p);
#define ROUNDS(g) lane_rounds(&l, g);
        SIXTEEN(ROUNDS)
#undef ROUNDS
        lane_add(&l, &before);
    }
    lane_store(&l, state);
}

SHA_TARGET void hash_x86_two(uint32_t a[8], const uint8_t *pa, uint32_t b[8], const uint8_t *pb,
                             size_t blocks)
{
    lane x, y;
    lane_load(&x, a);
    lane_load(&y, b);
    for (; blocks > 0; blocks--, pa += SHA256_BLOCK, pb += SHA256_BLOCK) {
        lane x_before = x, y_before = y;
        lane_words(&x, pa);
        lane_words(&y, pb);
#define ROUNDS(g)       \
    lane_rounds(&x, g); \
    lane_rounds(&y, g);
        SIXTEEN(ROUNDS)
#undef ROUNDS
        lane_add(&x, &x_before);
        lane_add(&y, &y_before);
    }
    lane_store(&x, a);
    lane_store(&y, b);
}

#else

bool hash_x86_usable(void)
{
    return false;
}

void hash_x86_one(uint32_t state[8], const uint8_t *p, size_t blocks)
{
    (void)state, (void)p, (void)blocks;
}

void hash_x86_two(uint32_t a[8], const uint8_t *pa, uint32_t b[8], const uint8_t *pb, size_t blocks)
{
    (void)a, (void)pa, (void)b, (void)pb, (void)blocks;
}

#endif
