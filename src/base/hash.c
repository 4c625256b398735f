/* SPDX-License-Identifier: Apache-2.0
 * Digests. OpenSSL's SHA-256 is looked up once for the process and its context is reused, once per thread: looking up
 * and allocating costs more than hashing a short record. */
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/assert.h"

static pthread_once_t hash_once = PTHREAD_ONCE_INIT;
static EVP_MD *hash_md;
static pthread_key_t hash_key; /* frees the context of a thread that ends */
static _Thread_local EVP_MD_CTX *hash_ctx;

static void free_thread_ctx(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void hash_start(void)
{
    hash_md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    TH_ASSERT(hash_md != NULL);
    TH_ASSERT(pthread_key_create(&hash_key, free_thread_ctx) == 0);
}

static EVP_MD *sha256_md(void)
{
    pthread_once(&hash_once, hash_start);
    return hash_md;
}

static EVP_MD_CTX *thread_ctx(void)
{
    if (hash_ctx != NULL) return hash_ctx;
    (void)sha256_md();
    hash_ctx = EVP_MD_CTX_new();
    TH_ASSERT(hash_ctx != NULL);
    TH_ASSERT(pthread_setspecific(hash_key, hash_ctx) == 0);
    return hash_ctx;
}

static th_sha256 digest_two(EVP_MD_CTX *ctx, th_slice a, th_slice b)
{
    th_sha256 digest;
    unsigned size = sizeof digest.bytes;
    TH_ASSERT(EVP_DigestInit_ex2(ctx, hash_md, NULL) == 1);
    TH_ASSERT(a.size == 0 || EVP_DigestUpdate(ctx, a.bytes, a.size) == 1);
    TH_ASSERT(b.size == 0 || EVP_DigestUpdate(ctx, b.bytes, b.size) == 1);
    TH_ASSERT(EVP_DigestFinal_ex(ctx, digest.bytes, &size) == 1);
    TH_ASSERT(size == TH_SHA256_SIZE);
    return digest;
}

th_sha256 th_sha256_of(th_slice s)
{
    return digest_two(thread_ctx(), s, (th_slice){0});
}

th_sha256 th_sha256_pair(th_slice a, th_slice b)
{
    return digest_two(thread_ctx(), a, b);
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

struct th_sha256_ctx {
    EVP_MD_CTX *evp;
};

th_sha256_ctx *th_sha256_new(void)
{
    th_sha256_ctx *ctx = malloc(sizeof *ctx);
    if (ctx == NULL) return NULL;
    ctx->evp = EVP_MD_CTX_new();
    if (ctx->evp == NULL || EVP_DigestInit_ex2(ctx->evp, sha256_md(), NULL) != 1) {
        th_sha256_free(ctx);
        return NULL;
    }
    return ctx;
}

void th_sha256_update(th_sha256_ctx *ctx, th_slice s)
{
    if (s.size > 0) TH_ASSERT(EVP_DigestUpdate(ctx->evp, s.bytes, s.size) == 1);
}

th_sha256 th_sha256_finish(th_sha256_ctx *ctx)
{
    th_sha256 digest;
    unsigned size = sizeof digest.bytes;
    TH_ASSERT(EVP_DigestFinal_ex(ctx->evp, digest.bytes, &size) == 1);
    TH_ASSERT(size == TH_SHA256_SIZE);
    TH_ASSERT(EVP_DigestInit_ex2(ctx->evp, hash_md, NULL) == 1);
    return digest;
}

void th_sha256_free(th_sha256_ctx *ctx)
{
    if (ctx == NULL) return;
    EVP_MD_CTX_free(ctx->evp);
    free(ctx);
}

/* RFC 2104 over the digest above; a key of 32 bytes is shorter than the block, so it is padded with zeros. */
th_sha256 th_hmac_sha256(const uint8_t key[32], th_slice s)
{
    uint8_t inner[64], outer[64];
    for (size_t i = 0; i < 64; i++) {
        uint8_t k = i < 32 ? key[i] : 0;
        inner[i] = k ^ 0x36;
        outer[i] = k ^ 0x5C;
    }
    th_sha256 digest = th_sha256_pair(th_slice_of(inner, 64), s);
    digest = th_sha256_pair(th_slice_of(outer, 64), th_slice_of(digest.bytes, TH_SHA256_SIZE));
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
    return digest;
}

uint64_t th_xxh3(th_slice s)
{
    return XXH3_64bits(s.size == 0 ? (const void *)"" : s.bytes, s.size);
}

uint64_t th_xxh3_seed(th_slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.size == 0 ? (const void *)"" : s.bytes, s.size, seed);
}
