/* SPDX-License-Identifier: Apache-2.0
 * Digests against published vectors, and the tree of RFC 6962 against its recursive definition. */
#include <pthread.h>

#include "base/hash.h"
#include "tests/unit/test.h"

static const char *hex(th_sha256 digest)
{
    static char out[65];
    th_sha256_hex(&digest, out);
    return out;
}

TEST(sha256_vectors)
{
    CHECK_EQ_STR(hex(th_sha256_of((th_slice){0})),
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_EQ_STR(hex(th_sha256_of(TH_SLICE("abc"))),
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    th_sha256 one = th_sha256_of(TH_SLICE("abc")),
              two = th_sha256_pair(TH_SLICE("a"), TH_SLICE("bc"));
    CHECK(th_sha256_equal(&one, &two));
    two.bytes[31] ^= 1;
    CHECK(!th_sha256_equal(&one, &two));
}

TEST(sha256_streams_and_starts_again)
{
    th_sha256_ctx *ctx = th_sha256_new();
    for (int round = 0; round < 2; round++) {
        th_sha256_update(ctx, TH_SLICE("ab"));
        th_sha256_update(ctx, (th_slice){0});
        th_sha256_update(ctx, TH_SLICE("c"));
        CHECK_EQ_STR(hex(th_sha256_finish(ctx)),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    th_sha256_free(ctx);
    th_sha256_free(NULL);
}

TEST(hmac_is_that_of_rfc_2104)
{
    /* RFC 4231, case 1, whose key of 20 bytes is padded with zeros as ours of 32 is. */
    uint8_t key[32] = {0};
    memset(key, 0x0b, 20);
    CHECK_EQ_STR(hex(th_hmac_sha256(key, TH_SLICE("Hi There"))),
                 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

TEST(a_digest_in_pieces_is_that_of_the_whole)
{
    static uint8_t bytes[700];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + 1);
    th_sha256_ctx *ctx = th_sha256_new();
    for (size_t size = 0; size < sizeof bytes; size++) {
        th_slice whole = th_slice_of(bytes, size);
        th_sha256 want = th_sha256_of(whole), have;
        for (size_t at = 0, step = size % 90 + 1; at < size; at += step)
            th_sha256_update(ctx, th_slice_of(bytes + at, size - at < step ? size - at : step));
        have = th_sha256_finish(ctx);
        CHECK(th_sha256_equal(&want, &have));
    }
    th_sha256_free(ctx);
}

static void *hash_in_thread(void *arg)
{
    for (int i = 0; i < 1000; i++) *(th_sha256 *)arg = th_sha256_of(TH_SLICE("abc"));
    return NULL;
}

TEST(sha256_works_in_every_thread)
{
    pthread_t threads[4];
    th_sha256 digests[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, hash_in_thread, &digests[i]) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ_STR(hex(digests[i]),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

TEST(xxh3_is_stable)
{
    CHECK_EQ_U64(th_xxh3((th_slice){0}), UINT64_C(0x2d06800538d394c2));
    CHECK_EQ_U64(th_xxh3(TH_SLICE("a")), th_xxh3_seed(TH_SLICE("a"), 0));
    CHECK(th_xxh3_seed(TH_SLICE("a"), 1) != th_xxh3(TH_SLICE("a")));
}

/* MTH of RFC 6962, section 2.1, word for word; leaf i is the text of i. */
static th_sha256 tree_hash(uint64_t first, uint64_t count)
{
    if (count == 0) return th_sha256_of((th_slice){0});
    uint8_t bytes[65];
    if (count == 1) {
        int size = snprintf((char *)bytes + 1, 30, "%" PRIu64, first);
        bytes[0] = 0;
        return th_sha256_of(th_slice_of(bytes, (size_t)size + 1));
    }
    uint64_t split = 1;
    while (split * 2 < count) split *= 2;
    th_sha256 left = tree_hash(first, split), right = tree_hash(first + split, count - split);
    bytes[0] = 1;
    memcpy(bytes + 1, left.bytes, 32);
    memcpy(bytes + 33, right.bytes, 32);
    return th_sha256_of(th_slice_of(bytes, sizeof bytes));
}

TEST(merkle_root_is_that_of_rfc_6962)
{
    th_merkle m;
    th_merkle_init(&m);
    for (uint64_t count = 0; count < 130; count++) {
        th_sha256 wanted = tree_hash(0, count), root = th_merkle_root(&m);
        if (!th_sha256_equal(&root, &wanted)) FAIL("%" PRIu64 " leaves", count);
        char leaf[30];
        int size = snprintf(leaf, sizeof leaf, "%" PRIu64, count);
        th_merkle_add(&m, th_slice_of(leaf, (size_t)size));
    }
    th_merkle_init(&m);
    th_merkle_add(&m, (th_slice){0});
    CHECK_EQ_STR(hex(th_merkle_root(&m)),
                 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

TEST_MAIN(sha256_vectors, sha256_streams_and_starts_again, a_digest_in_pieces_is_that_of_the_whole,
          hmac_is_that_of_rfc_2104, sha256_works_in_every_thread, xxh3_is_stable,
          merkle_root_is_that_of_rfc_6962)
