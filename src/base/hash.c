/* SPDX-License-Identifier: Apache-2.0
 * Digests. SHA-256 is OpenSSL's, by the calls that neither look up nor allocate: for a record of 1 kB those cost as much
 * as hashing it. */
#include "base/hash.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* see above */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <xxhash.h>

enum { HMAC_BLOCK = 64 };

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((th_hmac_key *)0)->inner), "room for a state");

static th_sha256 finish(SHA256_CTX *ctx)
{
    th_sha256 digest;
    SHA256_Final(digest.bytes, ctx);
    return digest;
}

th_sha256 th_sha256_of(th_slice s)
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    if (s.size > 0) SHA256_Update(&ctx, s.bytes, s.size);
    return finish(&ctx);
}

th_sha256 th_sha256_pair(th_slice a, th_slice b)
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    if (a.size > 0) SHA256_Update(&ctx, a.bytes, a.size);
    if (b.size > 0) SHA256_Update(&ctx, b.bytes, b.size);
    return finish(&ctx);
}

bool th_sha256_equal(const th_sha256 *a, const th_sha256 *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, TH_SHA256_SIZE) == 0;
}

void th_sha256_hex(const th_sha256 *digest, char out[65])
{
    th_hex_encode(digest->bytes, TH_SHA256_SIZE, out);
    out[64] = '\0';
}

/* ---- streaming ---------------------------------------------------------------------------------------------------------- */

struct th_sha256_ctx {
    SHA256_CTX ctx;
};

th_sha256_ctx *th_sha256_new(void)
{
    th_sha256_ctx *ctx = malloc(sizeof *ctx);
    if (ctx != NULL) SHA256_Init(&ctx->ctx);
    return ctx;
}

void th_sha256_update(th_sha256_ctx *ctx, th_slice s)
{
    if (s.size > 0) SHA256_Update(&ctx->ctx, s.bytes, s.size);
}

th_sha256 th_sha256_finish(th_sha256_ctx *ctx)
{
    th_sha256 digest = finish(&ctx->ctx);
    SHA256_Init(&ctx->ctx);
    return digest;
}

void th_sha256_free(th_sha256_ctx *ctx)
{
    free(ctx);
}

/* ---- keyed digests ------------------------------------------------------------------------------------------------------ */

/* RFC 2104; a key of 32 bytes is shorter than the block, so it is padded with zeros. */
static void start_keyed(uint8_t *state, const uint8_t key[32], uint8_t pad)
{
    uint8_t block[HMAC_BLOCK];
    SHA256_CTX ctx;
    for (size_t i = 0; i < sizeof block; i++) block[i] = (i < 32 ? key[i] : 0) ^ pad;
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, block, sizeof block);
    memcpy(state, &ctx, sizeof ctx);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(&ctx, sizeof ctx);
}

static th_sha256 finish_keyed(const uint8_t *state, th_slice s)
{
    SHA256_CTX ctx;
    memcpy(&ctx, state, sizeof ctx);
    if (s.size > 0) SHA256_Update(&ctx, s.bytes, s.size);
    return finish(&ctx);
}

void th_hmac_key_init(th_hmac_key *out, const uint8_t key[32])
{
    start_keyed(out->inner, key, 0x36);
    start_keyed(out->outer, key, 0x5C);
}

th_sha256 th_hmac_sha256_keyed(const th_hmac_key *key, th_slice s)
{
    th_sha256 digest = finish_keyed(key->inner, s);
    return finish_keyed(key->outer, th_slice_of(digest.bytes, TH_SHA256_SIZE));
}

th_sha256 th_hmac_sha256(const uint8_t key[32], th_slice s)
{
    th_hmac_key states;
    th_hmac_key_init(&states, key);
    th_sha256 digest = th_hmac_sha256_keyed(&states, s);
    OPENSSL_cleanse(&states, sizeof states);
    return digest;
}

/* ---- checksums ---------------------------------------------------------------------------------------------------------- */

uint64_t th_xxh3(th_slice s)
{
    return XXH3_64bits(s.size == 0 ? (const void *)"" : s.bytes, s.size);
}

uint64_t th_xxh3_seed(th_slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.size == 0 ? (const void *)"" : s.bytes, s.size, seed);
}
