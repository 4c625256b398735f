/* SPDX-License-Identifier: Apache-2.0
 * Numbers that look random and are a function of a seed: xoshiro256** seeded through splitmix64 (both by David Blackman
 * and Sebastiano Vigna, in the public domain, prng.di.unimi.it; written anew here). Integers only, so that every machine
 * draws the same. Not for secrets. */
#ifndef TH_GENERATE_RANDOM_H
#define TH_GENERATE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct gen_random {
    uint64_t s[4];
} gen_random;

/* splitmix64's step: a good 64-bit mix of x. */
static inline uint64_t gen_scramble(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* One number out of two; the order counts. */
static inline uint64_t gen_mix(uint64_t a, uint64_t b)
{
    return gen_scramble(gen_scramble(a) ^ (b * UINT64_C(0xD1342543DE82EF95)));
}

static inline void gen_random_seed(gen_random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        r->s[i] = gen_scramble(seed);
        seed += UINT64_C(0x9E3779B97F4A7C15);
    }
}

static inline uint64_t gen_next(gen_random *r)
{
    uint64_t five = r->s[1] * 5;
    uint64_t result = ((five << 7) | (five >> 57)) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = (r->s[3] << 45) | (r->s[3] >> 19);
    return result;
}

/* 0 to n - 1; n from 1. */
static inline uint32_t gen_below(gen_random *r, uint32_t n)
{
    return (uint32_t)(((gen_next(r) >> 32) * n) >> 32);
}

/* low to high, both inclusive. */
static inline uint64_t gen_between(gen_random *r, uint64_t low, uint64_t high)
{
    uint64_t width = high - low + 1;
    return width <= UINT32_MAX ? low + gen_below(r, (uint32_t)width)
                               : low + gen_next(r) % (width == 0 ? UINT64_MAX : width);
}

/* True n times of `of`. */
static inline bool gen_chance(gen_random *r, uint32_t n, uint32_t of)
{
    return gen_below(r, of) < n;
}

/* 0 to n - 1, the low ones much more often: what people and programs use is never spread evenly. */
static inline uint32_t gen_skewed(gen_random *r, uint32_t n)
{
    uint32_t a = gen_below(r, n), b = gen_below(r, n);
    return a < b ? a : b;
}

/* low to high with every power of two about as likely as the next: sizes of files, of transfers, of sessions. */
static inline uint64_t gen_spread(gen_random *r, uint64_t low, uint64_t high)
{
    int low_bits = 64 - __builtin_clzll(low | 1), high_bits = 64 - __builtin_clzll(high | 1);
    int bits = low_bits + (int)gen_below(r, (uint32_t)(high_bits - low_bits + 1));
    uint64_t first = UINT64_C(1) << (bits - 1);
    uint64_t value = first + (gen_next(r) & (first - 1));
    return value < low ? low : value > high ? high : value;
}

#endif
