/* SPDX-License-Identifier: Apache-2.0
 * Digests. SHA-256's blocks go through the CPU's own instructions where it has them, two messages at a time where there
 * are two, else through OpenSSL's code; padding and streaming are here, since what costs most for a short record is what
 * general interfaces do around the blocks. */
#include "base/hash.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* the calls without look-up and allocation are what is wanted here */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/hash_private.h"

static pthread_once_t hash_once = PTHREAD_ONCE_INIT;
static bool hash_by_cpu;

static void hash_start(void)
{
    hash_by_cpu = hash_x86_usable();
}

static const uint32_t first_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* ---- blocks ------------------------------------------------------------------------------------------------------------- */

static void add_blocks_portable(uint32_t state[8], const uint8_t *p, size_t blocks)
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    for (int i = 0; i < 8; i++) ctx.h[i] = state[i];
    SHA256_Update(&ctx, p, blocks * SHA256_BLOCK);
    for (int i = 0; i < 8; i++) state[i] = ctx.h[i];
}

static void add_blocks(uint32_t state[8], const uint8_t *p, size_t blocks)
{
    if (blocks == 0) return;
    if (hash_by_cpu)
        hash_x86_one(state, p, blocks);
    else
        add_blocks_portable(state, p, blocks);
}

/* One store each: the blocks are read back at once, and a load waits for stores that are narrower than itself. */
static void put_be32(uint8_t *out, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(out, &v, sizeof v);
}

static void put_be64(uint8_t *out, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(out, &v, sizeof v);
}

/* The last blocks of a message: what is left of it, a one bit, its length. Gives their number. */
static size_t make_tail(uint8_t tail[2 * SHA256_BLOCK], const uint8_t *rest, size_t size,
                        uint64_t message_size)
{
    size_t blocks = size < SHA256_BLOCK - 8 ? 1 : 2;
    if (size > 0) memcpy(tail, rest, size);
    memset(tail + size, 0, blocks * SHA256_BLOCK - size);
    tail[size] = 0x80;
    put_be64(tail + blocks * SHA256_BLOCK - 8, message_size * 8);
    return blocks;
}

static th_sha256 digest_of(const uint32_t state[8])
{
    th_sha256 digest;
    for (size_t i = 0; i < 8; i++) put_be32(digest.bytes + 4 * i, state[i]);
    return digest;
}

/* From the state after `before` bytes: those of s, and the end. */
static th_sha256 finish_from(const uint32_t from[8], uint64_t before, th_slice s)
{
    uint32_t state[8];
    uint8_t tail[2 * SHA256_BLOCK];
    memcpy(state, from, sizeof state);
    size_t whole = s.size / SHA256_BLOCK;
    size_t left = s.size % SHA256_BLOCK;
    if (whole > 0) add_blocks(state, s.bytes, whole);
    size_t blocks =
        make_tail(tail, left == 0 ? NULL : s.bytes + s.size - left, left, before + s.size);
    add_blocks(state, tail, blocks);
    return digest_of(state);
}

/* ---- one digest --------------------------------------------------------------------------------------------------------- */

th_sha256 th_sha256_of(th_slice s)
{
    pthread_once(&hash_once, hash_start);
    return finish_from(first_state, 0, s);
}

struct th_sha256_ctx {
    uint32_t state[8];
    uint64_t size;
    uint8_t rest[SHA256_BLOCK];
};

static void ctx_start(th_sha256_ctx *ctx)
{
    pthread_once(&hash_once, hash_start);
    memcpy(ctx->state, first_state, sizeof ctx->state);
    ctx->size = 0;
}

th_sha256_ctx *th_sha256_new(void)
{
    th_sha256_ctx *ctx = malloc(sizeof *ctx);
    if (ctx != NULL) ctx_start(ctx);
    return ctx;
}

void th_sha256_update(th_sha256_ctx *ctx, th_slice s)
{
    size_t held = ctx->size % SHA256_BLOCK;
    ctx->size += s.size;
    if (held > 0) {
        size_t room = SHA256_BLOCK - held;
        size_t part = s.size < room ? s.size : room;
        if (part > 0) memcpy(ctx->rest + held, s.bytes, part);
        if (part < room) return;
        add_blocks(ctx->state, ctx->rest, 1);
        s = th_slice_of(s.bytes + part, s.size - part);
    }
    size_t whole = s.size / SHA256_BLOCK;
    if (whole > 0) add_blocks(ctx->state, s.bytes, whole);
    size_t left = s.size % SHA256_BLOCK;
    if (left > 0) memcpy(ctx->rest, s.bytes + s.size - left, left);
}

th_sha256 th_sha256_finish(th_sha256_ctx *ctx)
{
    uint8_t tail[2 * SHA256_BLOCK];
    size_t blocks = make_tail(tail, ctx->rest, ctx->size % SHA256_BLOCK, ctx->size);
    add_blocks(ctx->state, tail, blocks);
    th_sha256 digest = digest_of(ctx->state);
    ctx_start(ctx);
    return digest;
}

void th_sha256_free(th_sha256_ctx *ctx)
{
    free(ctx);
}

th_sha256 th_sha256_pair(th_slice a, th_slice b)
{
    th_sha256_ctx ctx;
    ctx_start(&ctx);
    th_sha256_update(&ctx, a);
    th_sha256_update(&ctx, b);
    return th_sha256_finish(&ctx);
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

/* ---- many digests ------------------------------------------------------------------------------------------------------- */

/* A message being hashed: blocks in place, then its tail. */
typedef struct lane {
    uint32_t state[8];
    const uint8_t *p;
    size_t blocks, index, tail_blocks;
    uint8_t tail[2 * SHA256_BLOCK];
} lane;

static void lane_start(lane *l, th_slice s, size_t index)
{
    memcpy(l->state, first_state, sizeof l->state);
    size_t left = s.size % SHA256_BLOCK;
    l->p = s.bytes;
    l->blocks = s.size / SHA256_BLOCK;
    l->index = index;
    l->tail_blocks = make_tail(l->tail, left == 0 ? NULL : s.bytes + s.size - left, left, s.size);
    if (l->blocks > 0) return;
    l->p = l->tail;
    l->blocks = l->tail_blocks;
    l->tail_blocks = 0;
}

/* After some blocks: on to the tail, or to the next message. False: there is none. */
static bool lane_go_on(lane *l, size_t done, const th_slice *in, size_t count, size_t *next,
                       th_sha256 *out)
{
    l->p += done * SHA256_BLOCK;
    l->blocks -= done;
    if (l->blocks > 0) return true;
    if (l->tail_blocks > 0) {
        l->p = l->tail;
        l->blocks = l->tail_blocks;
        l->tail_blocks = 0;
        return true;
    }
    out[l->index] = digest_of(l->state);
    if (*next == count) return false;
    lane_start(l, in[*next], *next);
    (*next)++;
    return true;
}

static void hash_two_by_two(const th_slice *in, size_t count, th_sha256 *out)
{
    lane lanes[2];
    size_t next = 2;
    bool more[2] = {true, true};
    lane_start(&lanes[0], in[0], 0);
    lane_start(&lanes[1], in[1], 1);
    while (more[0] && more[1]) {
        size_t blocks = lanes[0].blocks < lanes[1].blocks ? lanes[0].blocks : lanes[1].blocks;
        hash_x86_two(lanes[0].state, lanes[0].p, lanes[1].state, lanes[1].p, blocks);
        for (int i = 0; i < 2; i++) more[i] = lane_go_on(&lanes[i], blocks, in, count, &next, out);
    }
    for (int i = 0; i < 2; i++) {
        while (more[i]) {
            size_t blocks = lanes[i].blocks;
            hash_x86_one(lanes[i].state, lanes[i].p, blocks);
            more[i] = lane_go_on(&lanes[i], blocks, in, count, &next, out);
        }
    }
}

void th_sha256_many(const th_slice *in, size_t count, th_sha256 *out)
{
    pthread_once(&hash_once, hash_start);
    if (hash_by_cpu && count > 1) {
        hash_two_by_two(in, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) out[i] = finish_from(first_state, 0, in[i]);
}

/* ---- keyed digests ------------------------------------------------------------------------------------------------------ */

/* RFC 2104; a key of 32 bytes is shorter than the block, so it is padded with zeros. */
void th_hmac_key_init(th_hmac_key *out, const uint8_t key[32])
{
    uint8_t inner[SHA256_BLOCK], outer[SHA256_BLOCK];
    pthread_once(&hash_once, hash_start);
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        uint8_t k = i < 32 ? key[i] : 0;
        inner[i] = k ^ 0x36;
        outer[i] = k ^ 0x5C;
    }
    memcpy(out->inner, first_state, sizeof out->inner);
    memcpy(out->outer, first_state, sizeof out->outer);
    add_blocks(out->inner, inner, 1);
    add_blocks(out->outer, outer, 1);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
}

th_sha256 th_hmac_sha256_keyed(const th_hmac_key *key, th_slice s)
{
    th_sha256 digest = finish_from(key->inner, SHA256_BLOCK, s);
    return finish_from(key->outer, SHA256_BLOCK, th_slice_of(digest.bytes, TH_SHA256_SIZE));
}

th_sha256 th_hmac_sha256(const uint8_t key[32], th_slice s)
{
    th_hmac_key states;
    th_hmac_key_init(&states, key);
    th_sha256 digest = th_hmac_sha256_keyed(&states, s);
    OPENSSL_cleanse(&states, sizeof states);
    return digest;
}

void th_hash_use_portable(bool portable)
{
    pthread_once(&hash_once, hash_start);
    hash_by_cpu = !portable && hash_x86_usable();
}

uint64_t th_xxh3(th_slice s)
{
    return XXH3_64bits(s.size == 0 ? (const void *)"" : s.bytes, s.size);
}

uint64_t th_xxh3_seed(th_slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.size == 0 ? (const void *)"" : s.bytes, s.size, seed);
}
