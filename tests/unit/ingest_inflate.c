/* SPDX-License-Identifier: Apache-2.0
 * Gzip containers: both engines give the same bytes, facts and complaints. */
#include "tests/unit/test.h"

#include <zlib.h>

#include "base/buf.h"
#include "ingest/inflate.h"

static uint8_t packed[1 << 20];

/* A gzip member made by zlib, behind at. */
static size_t pack(size_t at, const void *bytes, size_t size, gz_header *header)
{
    z_stream s = {0};
    CHECK_EQ_I64(deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    if (header != NULL) CHECK_EQ_I64(deflateSetHeader(&s, header), Z_OK);
    s.next_in = (Bytef *)(uintptr_t)bytes;
    s.avail_in = (uInt)size;
    s.next_out = packed + at;
    s.avail_out = (uInt)(sizeof(packed) - at);
    CHECK_EQ_I64(deflate(&s, Z_FINISH), Z_STREAM_END);
    size_t end = sizeof(packed) - s.avail_out;
    CHECK_EQ_I64(deflateEnd(&s), Z_OK);
    return end;
}

static th_err gather(void *ctx, th_slice bytes)
{
    th_buf_add_slice(ctx, bytes);
    return th_buf_error(ctx);
}

/* Inflate with both engines, compare, and give what came out. */
static ingest_inflated inflate_both(th_slice container, const ingest_inflate_limits *limits,
                                    th_buf *out)
{
    ingest_inflated results[2];
    th_buf other;
    th_buf_init(&other, 256u << 20);
    th_buf_clear(out);
    CHECK_EQ_I64(ingest_inflate(INGEST_ENGINE_ISAL, container, limits, gather, out, &results[0]),
                 TH_OK);
    CHECK_EQ_I64(ingest_inflate(INGEST_ENGINE_ZLIB, container, limits, gather, &other, &results[1]),
                 TH_OK);
    CHECK_EQ_STR(results[0].problem, results[1].problem);
    if (results[0].problem == NULL) {
        CHECK_EQ_U64(results[0].consumed, results[1].consumed);
        CHECK_EQ_U64(results[0].produced, results[1].produced);
        CHECK_EQ_U64(results[0].produced, out->size);
        CHECK_EQ_BYTES(out->bytes, out->size, other.bytes, other.size);
    }
    th_buf_free(&other);
    return results[0];
}

TEST(one_member_with_its_facts)
{
    th_buf out;
    th_buf_init(&out, 1 << 20);
    ingest_inflate_limits limits = ingest_inflate_limits_default();
    gz_header header = {
        .time = 1612345678, .os = 3, .name = (Bytef *)(uintptr_t) "a.json", .hcrc = 1};
    size_t size = pack(0, "hello", 5, &header);
    ingest_inflated r = inflate_both(th_slice_of(packed, size), &limits, &out);
    CHECK(r.problem == NULL);
    CHECK_SLICE(th_buf_slice(&out), "hello");
    CHECK_EQ_U64(r.gzip.mtime, 1612345678);
    CHECK_EQ_U64(r.gzip.os, 3);
    CHECK_SLICE(r.gzip.name, "a.json");
    CHECK_EQ_U64(r.gzip.members, 1);
    CHECK_EQ_U64(r.consumed, size);
    th_buf_free(&out);
}

TEST(members_back_to_back_and_what_follows)
{
    th_buf out;
    th_buf_init(&out, 1 << 20);
    ingest_inflate_limits limits = ingest_inflate_limits_default();
    size_t size = pack(0, "one,", 4, NULL);
    size = pack(size, "", 0, NULL);
    size = pack(size, "two", 3, NULL);
    memcpy(packed + size, "trailing", 8);
    ingest_inflated r = inflate_both(th_slice_of(packed, size + 8), &limits, &out);
    CHECK(r.problem == NULL);
    CHECK_SLICE(th_buf_slice(&out), "one,two");
    CHECK_EQ_U64(r.gzip.members, 3);
    CHECK_EQ_U64(r.consumed, size);
    th_buf_free(&out);
}

TEST(every_cut_and_every_flipped_bit_is_noticed)
{
    th_buf out;
    th_buf_init(&out, 1 << 20);
    ingest_inflate_limits limits = ingest_inflate_limits_default();
    size_t size = pack(0, "the same words, the same words, other words", 43, NULL);
    for (size_t cut = 2; cut < size; cut++) {
        ingest_inflated r = inflate_both(th_slice_of(packed, cut), &limits, &out);
        CHECK(r.problem != NULL);
    }
    for (size_t bit = 10 * 8; bit < size * 8; bit++) {
        packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ingest_inflated r = {0};
        CHECK_EQ_I64(ingest_inflate(INGEST_ENGINE_ISAL, th_slice_of(packed, size), &limits, gather,
                                    &out, &r),
                     TH_OK);
        th_buf_clear(&out);
        /* A flip in padding bits may change nothing; then the bytes are the same. */
        CHECK(r.problem != NULL || r.produced == 43);
        packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    th_buf_free(&out);
}

TEST(a_bomb_is_stopped)
{
    th_buf out;
    th_buf_init(&out, 64u << 20);
    size_t raw = 40u << 20;
    void *zeros = calloc(1, raw);
    size_t size = pack(0, zeros, raw, NULL);
    free(zeros);
    ingest_inflate_limits by_size = {
        .size_max = 30u << 20, .ratio_max = 2000, .ratio_from = 16u << 20};
    CHECK(strstr(inflate_both(th_slice_of(packed, size), &by_size, &out).problem, "larger") !=
          NULL);
    CHECK(out.size <= (30u << 20));
    ingest_inflate_limits by_ratio = {
        .size_max = 64u << 20, .ratio_max = 100, .ratio_from = 16u << 20};
    CHECK(strstr(inflate_both(th_slice_of(packed, size), &by_ratio, &out).problem, "ratio") !=
          NULL);
    CHECK(out.size <= (17u << 20));
    ingest_inflate_limits limits = ingest_inflate_limits_default();
    CHECK(inflate_both(th_slice_of(packed, size), &limits, &out).problem == NULL);
    CHECK_EQ_U64(out.size, raw);
    th_buf_free(&out);
}

TEST(random_contents_of_many_sizes_agree)
{
    th_buf out;
    th_buf_init(&out, 1 << 20);
    ingest_inflate_limits limits = ingest_inflate_limits_default();
    static uint8_t raw[400000];
    uint32_t seed = 12345;
    for (size_t i = 0; i < sizeof(raw); i++) {
        seed = seed * 1103515245 + 12345;
        raw[i] = (uint8_t)(i % 3 == 0 ? seed >> 24 : 'a' + (seed >> 28));
    }
    for (size_t size = 0; size <= sizeof(raw); size = size * 3 + 1) {
        size_t end = pack(0, raw, size, NULL);
        end = pack(end, raw, size / 2, NULL);
        ingest_inflated r = inflate_both(th_slice_of(packed, end), &limits, &out);
        CHECK(r.problem == NULL);
        CHECK_EQ_U64(out.size, size + size / 2);
        CHECK(size == 0 || memcmp(out.bytes, raw, size) == 0);
    }
    th_buf_free(&out);
}

TEST_MAIN(one_member_with_its_facts, members_back_to_back_and_what_follows,
          every_cut_and_every_flipped_bit_is_noticed, a_bomb_is_stopped,
          random_contents_of_many_sizes_agree)
