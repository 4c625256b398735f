/* SPDX-License-Identifier: Apache-2.0
 * The fast path of cutting with AVX2, for CPUs that have it. */
#include "segment/shape_private.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define WALK_TARGET __attribute__((target("avx2")))

WALK_TARGET static inline __m256i avx2_load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

WALK_TARGET static inline uint32_t walk_equal(const uint8_t *a, const uint8_t *b)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(avx2_load(a), avx2_load(b)));
}

WALK_TARGET static inline uint32_t walk_special(const uint8_t *p)
{
    __m256i v = avx2_load(p);
    __m256i hits = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')),
                                   _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
    /* Signed: bytes from 0x80 on are negative, so one comparison finds them and the controls. */
    hits = _mm256_or_si256(hits, _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v));
    return (uint32_t)_mm256_movemask_epi8(hits);
}

#define WALK shape_walk_avx2
#define WALK_LANES 32u
#include "segment/shape_walk.inc"

#endif
