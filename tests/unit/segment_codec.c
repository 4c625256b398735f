/* SPDX-License-Identifier: Apache-2.0
 * Arrays of strings come back exactly, whatever they are held as; parts of them equal the whole; damaged descriptions and
 * payloads are TH_ECORRUPT. */
#include "segment/codec.h"
#include "segment/codec_private.h"
#include "segment/codec_simd.h"
#include "tests/unit/test.h"

enum { HEADER = 64 };

static uint64_t seed = 88172645463325252u;
static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}
static uint32_t below(uint32_t n)
{
    return (uint32_t)(random_bits() % n);
}

/* ---- an image of one array ---- */

typedef struct world {
    th_arena *values, *scratch, *parsed, *out, *chunks;
    segment_payload_writer writer;
    segment_pool *pool;
    th_buf image, directory, description;
} world;

static void world_open(world *w)
{
    memset(w, 0, sizeof(*w));
    th_arena **arenas[] = {&w->values, &w->scratch, &w->parsed, &w->out, &w->chunks};
    for (size_t i = 0; i < 5; i++) *arenas[i] = th_arena_new((size_t)2 << 30, NULL);
    segment_payload_writer_init(&w->writer);
    w->pool = segment_pool_new(NULL);
    th_buf_init(&w->image, 1 << 30);
    th_buf_init(&w->directory, 1 << 28);
    th_buf_init(&w->description, 1 << 28);
}

static void world_close(world *w)
{
    th_arena *arenas[] = {w->values, w->scratch, w->parsed, w->out, w->chunks};
    for (size_t i = 0; i < 5; i++) th_arena_free(arenas[i]);
    segment_payload_writer_free(&w->writer);
    segment_pool_free(w->pool);
    th_buf_free(&w->image);
    th_buf_free(&w->directory);
    th_buf_free(&w->description);
}

static segment_encoder begin(world *w, segment_tier_effort effort)
{
    static const uint8_t header[HEADER];
    th_buf_clear(&w->image);
    th_buf_clear(&w->directory);
    th_buf_clear(&w->description);
    th_buf_add(&w->image, header, HEADER);
    segment_payload_begin(&w->writer, &w->image, effort);
    segment_pool_clear(w->pool);
    return (segment_encoder){.payloads = &w->writer,
                             .directory = &w->description,
                             .pool = effort == SEGMENT_EFFORT_COMPACT ? w->pool : NULL,
                             .effort = effort,
                             .scratch = w->scratch};
}

/* Chunk table, description of the array, and of the pool. */
static void finish(world *w, segment_encoder *encoder)
{
    uint32_t pooled = encoder->pool == NULL ? 0 : segment_pool_count(encoder->pool);
    th_buf_add_varint(&w->description, pooled);
    if (pooled > 0) CHECK_EQ_I64(segment_encode_pool(encoder, encoder->pool), TH_OK);
    CHECK_EQ_I64(segment_payload_end(&w->writer), TH_OK);
    th_buf_add_varint(&w->directory, w->writer.count);
    th_buf_add_slice(&w->directory, th_buf_slice(&w->writer.chunks));
    th_buf_add_slice(&w->directory, th_buf_slice(&w->description));
    CHECK_EQ_I64(th_buf_error(&w->directory), TH_OK);
    th_arena_reset(w->scratch);
}

typedef struct opened {
    segment_payloads *payloads;
    segment_codec *codec, *pool;
    segment_reading reading;
} opened;

static th_err reopen(world *w, th_slice directory, th_slice image, uint32_t count, opened *o)
{
    memset(o, 0, sizeof(*o));
    th_arena_reset(w->parsed);
    th_arena_reset(w->out);
    th_arena_reset(w->chunks);
    th_reader r = th_reader_of(directory);
    o->payloads = segment_payloads_open(&r, image, HEADER, image.size, w->parsed);
    if (o->payloads == NULL) return r.bad ? TH_ECORRUPT : TH_ENOMEM;
    segment_describing d = {.directory = &r, .payloads = o->payloads, .arena = w->parsed};
    TH_TRY(segment_describe_array(&d, count, &o->codec));
    uint64_t pooled = th_take_varint(&r);
    if (r.bad || pooled > UINT32_MAX) return TH_ECORRUPT;
    if (pooled > 0) TH_TRY(segment_describe_array(&d, (uint32_t)pooled, &o->pool));
    if (r.pos != r.end || !segment_payloads_used_up(o->payloads, d.at)) return TH_ECORRUPT;
    TH_TRY(segment_reading_begin(&o->reading, o->payloads, w->out, w->chunks));
    o->reading.pool = o->pool;
    return TH_OK;
}

static void check_range(world *w, opened *o, const th_slice *wanted, uint32_t begin, uint32_t count)
{
    th_slice *got = TH_NEW_ARRAY(w->out, th_slice, count);
    CHECK(got != NULL);
    CHECK_EQ_I64(segment_codec_read(o->codec, &o->reading, begin, count, got), TH_OK);
    for (uint32_t i = 0; i < count; i++)
        if (!th_slice_equal(got[i], wanted[begin + i]))
            FAIL("value %u of tag %u is %.*s, wanted %.*s", begin + i, o->codec->tag,
                 TH_SLICE_ARGS(got[i]), TH_SLICE_ARGS(wanted[begin + i]));
}

static void check_read(world *w, const th_slice *wanted, uint32_t n)
{
    opened o;
    CHECK_EQ_I64(reopen(w, th_buf_slice(&w->directory), th_buf_slice(&w->image), n, &o), TH_OK);
    CHECK_EQ_U64(segment_codec_count(o.codec), n);
    uint32_t bad_chunk;
    CHECK_EQ_I64(segment_payloads_verify(o.payloads, &bad_chunk), TH_OK);
    check_range(w, &o, wanted, n / 2, 1); /* a single value first: nothing is decoded yet */
    check_range(w, &o, wanted, 0, n);
    check_range(w, &o, wanted, n - 1, 1);
    for (int i = 0; i < 6; i++) {
        uint32_t begin = below(n), count = 1 + below(n - begin);
        check_range(w, &o, wanted, begin, count < 3000 ? count : 3000);
    }
}

static size_t image_size(const world *w)
{
    return w->image.size + w->directory.size - HEADER;
}

/* Encode plain, read back; the size. */
static size_t round_trip(world *w, const th_slice *values, uint32_t n, segment_tier_effort effort)
{
    segment_encoder e = begin(w, effort);
    segment_array a = {.count = n, .values = values, .value_count = n};
    CHECK_EQ_I64(segment_encode_array(&e, &a), TH_OK);
    finish(w, &e);
    check_read(w, values, n);
    return image_size(w);
}

/* ---- values ---- */

typedef th_slice maker(th_arena *arena, uint32_t i);

static th_slice text(th_arena *arena, const char *fmt, ...)
{
    char bytes[256];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(bytes, sizeof(bytes), fmt, args);
    va_end(args);
    return th_arena_copy(arena, th_slice_of(bytes, (size_t)size));
}

static th_slice token(th_arena *arena, const char *alphabet, size_t size)
{
    char bytes[1024];
    uint32_t letters = (uint32_t)strlen(alphabet);
    for (size_t i = 0; i < size; i++) bytes[i] = alphabet[below(letters)];
    return th_arena_copy(arena, th_slice_of(bytes, size));
}

#define LOWER_HEX "0123456789abcdef"
#define UPPER_ALNUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

static th_slice uuid(th_arena *arena, uint32_t i)
{
    (void)i;
    uint64_t a = random_bits(), b = random_bits();
    return text(arena, "%08x-%04x-%04x-%04x-%012" PRIx64, (unsigned)(a >> 32),
                (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), (unsigned)(b >> 48),
                b & UINT64_C(0xffffffffffff));
}
static th_slice upper_uuid(th_arena *arena, uint32_t i)
{
    th_slice t = uuid(arena, i);
    for (size_t k = 0; k < t.size; k++) {
        uint8_t *c = (uint8_t *)(uintptr_t)t.bytes + k;
        if (*c >= 'a') *c = (uint8_t)(*c - 32);
    }
    return t;
}
static th_slice second(th_arena *arena, uint32_t i)
{
    return text(arena, "2026-%02u-%02uT%02u:%02u:%02uZ", 1 + i / 20000 % 12, 1 + i / 3000 % 28,
                i / 150 % 24, below(60), below(60));
}
static th_slice millisecond(th_arena *arena, uint32_t i)
{
    return text(arena, "2024-02-29T%02u:%02u:59.%03uZ", i / 4000 % 24, i / 60 % 60, below(1000));
}
static th_slice microsecond(th_arena *arena, uint32_t i)
{
    return text(arena, "1969-12-31T%02u:%02u:59.%06uZ", i / 4000 % 24, i / 60 % 60, below(1000000));
}
static th_slice integer(th_arena *arena, uint32_t i)
{
    return text(arena, "%" PRId64, (int64_t)(random_bits() >> (i % 64)) * (i % 3 == 0 ? -1 : 1));
}
static th_slice port(th_arena *arena, uint32_t i)
{
    (void)i;
    return text(arena, "%u", below(65536));
}
static th_slice address(th_arena *arena, uint32_t i)
{
    (void)i;
    return text(arena, "%u.%u.%u.%u", below(256), below(256), below(256), below(256));
}
static th_slice lower_hex(th_arena *arena, uint32_t i)
{
    return token(arena, LOWER_HEX, 8 + i % 57);
}
static th_slice upper_hex(th_arena *arena, uint32_t i)
{
    return token(arena, "0123456789ABCDEF", 17 + i % 2);
}
static th_slice request_token(th_arena *arena, uint32_t i)
{
    (void)i;
    return token(arena, UPPER_ALNUM, 16);
}
static th_slice long_token(th_arena *arena, uint32_t i)
{
    return token(arena, BASE64 "-_", 20 + i % 40);
}
static th_slice base64_of(th_arena *arena, uint32_t size)
{
    uint8_t bytes[256 + 64], out[512];
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)random_bits();
    codec_base64_encode(th_slice_of(bytes, size), 0, out);
    return th_arena_copy(arena, th_slice_of(out, codec_base64_size(size, 0)));
}
static th_slice base64(th_arena *arena, uint32_t i)
{
    return base64_of(arena, 9 + i % 90);
}
static th_slice id2(th_arena *arena, uint32_t i)
{
    (void)i;
    return base64_of(arena, 56);
}
static th_slice request_id(th_arena *arena, uint32_t i)
{
    return below(3) == 0 ? request_token(arena, i) : uuid(arena, i);
}
static th_slice key(th_arena *arena, uint32_t i)
{
    return text(arena, "AWSLogs/%012u/CloudTrail/eu-west-%u/2026/%02u/%02u/x_%u_%08x.json.gz",
                below(5) * 1234567, below(3), 1 + below(12), 1 + below(28), i,
                (unsigned)random_bits());
}
static th_slice arn(th_arena *arena, uint32_t i)
{
    (void)i;
    return text(arena, "arn:aws:%s:eu-west-1:%012u:role/%s-%u",
                (const char *[]){"iam", "s3", "lambda"}[below(3)], below(1000000),
                (const char *[]){"admin", "ci/deploy", "x"}[below(3)], below(3000));
}
static th_slice anything(th_arena *arena, uint32_t i)
{
    uint8_t bytes[96];
    uint32_t size = below(i % 7 == 0 ? 96 : 9);
    for (uint32_t k = 0; k < size; k++)
        bytes[k] = (uint8_t)(below(4) == 0 ? below(3) : random_bits());
    return th_arena_copy(arena, th_slice_of(bytes, size));
}
static th_slice empty(th_arena *arena, uint32_t i)
{
    return i % 5 == 4 ? text(arena, "x") : th_slice_of("", 0);
}
static th_slice policy(th_arena *arena, uint32_t i)
{
    uint8_t out[512];
    th_slice json = text(arena, "{\"aws:s3:arn\":\"arn:aws:s3:::bucket-%u/key/%u\",\"n\":%u}",
                         below(4), i, below(100));
    codec_base64_encode(json, 0, out);
    return th_arena_copy(arena, th_slice_of(out, codec_base64_size(json.size, 0)));
}

static maker *const makers[] = {uuid,          upper_uuid, second,   millisecond, microsecond,
                                integer,       port,       address,  lower_hex,   upper_hex,
                                request_token, long_token, base64,   id2,         request_id,
                                key,           arn,        anything, empty,       policy};
enum { MAKERS = sizeof(makers) / sizeof(makers[0]) };

/* What looks like a kind and is not it. */
static const char *const odd[] = {"",
                                  "0",
                                  "-0",
                                  "00",
                                  "01",
                                  "+1",
                                  "1.0",
                                  "1e3",
                                  "9223372036854775807",
                                  "9223372036854775808",
                                  "-9223372036854775808",
                                  "-9223372036854775809",
                                  "99999999999999999999",
                                  "2026-02-30T00:00:00Z",
                                  "2026-02-28T24:00:00Z",
                                  "2026-02-28T23:59:60Z",
                                  "2026-02-28t23:59:59Z",
                                  "2026-02-28T23:59:59z",
                                  "0000-01-01T00:00:00Z",
                                  "9999-12-31T23:59:59.999999Z",
                                  "2026-00-10T00:00:00Z",
                                  "2026-02-28T23:59:59.12Z",
                                  "256.1.1.1",
                                  "01.1.1.1",
                                  "1.1.1",
                                  "1.1.1.1.",
                                  "1.1.1.1",
                                  "0123ABCD-0000-0000-0000-0123456789ab",
                                  "0123abcd-0000-0000-0000-0123456789a",
                                  "0123abcd-0000-0000-0000_0123456789ab",
                                  "ABCDEFGHIJKLMNOB",
                                  "ABCDEFGHIJKLMNO=",
                                  "ABCDEFGHIJKLMNP=",
                                  "ABCDEFGHIJKLMQ==",
                                  "ABCDEFGHIJKLMR==",
                                  "ABCDEFGHIJKL====",
                                  "=",
                                  "==",
                                  "====",
                                  "ABCDEFGHIJK=LMNO",
                                  "deadbeefDEADBEEF",
                                  "deadbeefdeadbeeg",
                                  "\x01",
                                  ("a\x01"
                                   "b"),
                                  "\xff\xfe"};
enum { ODD = sizeof(odd) / sizeof(odd[0]) };

static const uint32_t sizes[] = {1, 2, 3, 127, 128, 129, 1000, 16383, 16384, 16385, 65536};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static th_slice *make(world *w, maker *maker_of, uint32_t n)
{
    th_slice *v = TH_NEW_ARRAY(w->values, th_slice, n);
    for (uint32_t i = 0; i < n; i++) v[i] = maker_of(w->values, i);
    return v;
}

static void every_kind(segment_tier_effort effort, uint32_t most)
{
    world w;
    world_open(&w);
    for (size_t m = 0; m < MAKERS; m++)
        for (size_t s = 0; s < SIZES && sizes[s] <= most; s++) {
            round_trip(&w, make(&w, makers[m], sizes[s]), sizes[s], effort);
            th_arena_reset(w.values);
        }
    world_close(&w);
}

TEST(every_kind_and_size_comes_back_fast)
{
    every_kind(SEGMENT_EFFORT_FAST, 65536);
}

TEST(every_kind_and_size_comes_back_compact)
{
    every_kind(SEGMENT_EFFORT_COMPACT, 16385);
}

static void near_kinds(segment_tier_effort effort)
{
    world w;
    world_open(&w);
    for (size_t m = 0; m < MAKERS; m++)
        for (size_t k = 0; k < ODD; k++) {
            uint32_t n = 1 + below(m % 2 == 0 ? 400 : 40);
            th_slice *v = make(&w, makers[m], n);
            v[below(n)] = th_slice_text(odd[k]);
            if (k % 3 == 0) v[below(n)] = th_slice_of("\0", 1);
            round_trip(&w, v, n, effort);
            th_arena_reset(w.values);
        }
    world_close(&w);
}

TEST(one_odd_value_among_many_comes_back)
{
    near_kinds(SEGMENT_EFFORT_FAST);
    near_kinds(SEGMENT_EFFORT_COMPACT);
}

/* Past what the choice looked at. */
TEST(an_odd_value_outside_the_sample_comes_back)
{
    world w;
    world_open(&w);
    for (size_t m = 0; m < MAKERS; m++) {
        uint32_t n = 9001;
        th_slice *v = make(&w, makers[m], n);
        for (int i = 0; i < 3; i++) v[below(n)] = th_slice_text(odd[below(ODD)]);
        round_trip(&w, v, n, SEGMENT_EFFORT_FAST);
        th_arena_reset(w.values);
    }
    world_close(&w);
}

TEST(mixtures_come_back)
{
    world w;
    world_open(&w);
    for (int round = 0; round < 60; round++) {
        uint32_t n = 1 + below(round % 10 == 0 ? 5000 : 600), kinds = 1 + below(4);
        maker *set[4];
        for (uint32_t k = 0; k < kinds; k++) set[k] = makers[below(MAKERS)];
        th_slice *v = TH_NEW_ARRAY(w.values, th_slice, n);
        for (uint32_t i = 0; i < n; i++) v[i] = set[below(kinds)](w.values, i);
        round_trip(&w, v, n, round % 2 == 0 ? SEGMENT_EFFORT_FAST : SEGMENT_EFFORT_COMPACT);
        th_arena_reset(w.values);
    }
    world_close(&w);
}

static void check_sizes(const char *what, size_t got, size_t most)
{
    if (got > most) FAIL("%s: %zu bytes, wanted at most %zu", what, got, most);
}

TEST(random_bits_take_what_they_hold)
{
    world w;
    world_open(&w);
    uint32_t n = 10000;
    static const segment_tier_effort efforts[] = {SEGMENT_EFFORT_FAST, SEGMENT_EFFORT_COMPACT};
    for (size_t e = 0; e < 2; e++) {
        check_sizes("uuid", round_trip(&w, make(&w, uuid, n), n, efforts[e]), 16 * n + 200);
        check_sizes("id2", round_trip(&w, make(&w, id2, n), n, efforts[e]), 56 * n + 200);
        check_sizes("address", round_trip(&w, make(&w, address, n), n, efforts[e]), 4 * n + 200);
        check_sizes("port", round_trip(&w, make(&w, port, n), n, efforts[e]), 2 * n + 500);
        check_sizes("request id", round_trip(&w, make(&w, request_id, n), n, efforts[e]),
                    (16 * 2 + 12) * n / 3 + n / 8 + 2000);
    }
    world_close(&w);
}

/* Two sorts of names with the same random parts, row by row. */
static th_slice *twins(world *w, uint32_t n)
{
    th_slice *v = TH_NEW_ARRAY(w->values, th_slice, n);
    for (uint32_t i = 0; i < n / 2; i++) {
        th_slice part = token(w->values, LOWER_HEX, 32);
        v[i] = text(w->values, "logs/%.*s", TH_SLICE_ARGS(part));
        v[n / 2 + i] = text(w->values, "arn:aws:s3:::logs/%.*s", TH_SLICE_ARGS(part));
    }
    return v;
}

TEST(what_arrays_have_in_common_is_there_once)
{
    world w;
    world_open(&w);
    for (uint32_t n = 1000; n <= 20000; n *= 20) {
        size_t size = round_trip(&w, twins(&w, n), n, SEGMENT_EFFORT_COMPACT);
        check_sizes("twins", size, (size_t)n / 2 * 16 + n / 8 + 600);
    }
    world_close(&w);
}

/* ---- dictionaries ---- */

static void round_trip_codes(world *w, maker *maker_of, uint32_t d, uint32_t n,
                             segment_tier_effort effort)
{
    th_slice *values = make(w, maker_of, d);
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < d; i++) { /* distinct ones only */
        bool known = false;
        for (uint32_t k = 0; k < distinct && !known; k++)
            known = th_slice_equal(values[k], values[i]);
        if (!known) values[distinct++] = values[i];
    }
    uint32_t *codes = TH_NEW_ARRAY(w->values, uint32_t, n);
    th_slice *wanted = TH_NEW_ARRAY(w->values, th_slice, n);
    for (uint32_t i = 0; i < n; i++) {
        codes[i] = i < distinct ? i : n % 2 == 0 ? below(distinct) : i / 50 % distinct;
        wanted[i] = values[codes[i]];
    }
    segment_encoder e = begin(w, effort);
    segment_array a = {.count = n, .codes = codes, .values = values, .value_count = distinct};
    CHECK_EQ_I64(segment_encode_array(&e, &a), TH_OK);
    finish(w, &e);
    check_read(w, wanted, n);

    opened o;
    CHECK_EQ_I64(reopen(w, th_buf_slice(&w->directory), th_buf_slice(&w->image), n, &o), TH_OK);
    const segment_codec *dictionary = segment_codec_dictionary(o.codec);
    if (dictionary == NULL) return;
    uint32_t entries = segment_codec_entries(o.codec);
    CHECK_EQ_U64(entries, distinct);
    th_slice *entry = TH_NEW_ARRAY(w->values, th_slice, entries);
    uint32_t *got = TH_NEW_ARRAY(w->values, uint32_t, n);
    int64_t *counts = TH_NEW_ARRAY(w->values, int64_t, entries);
    CHECK_EQ_I64(segment_codec_read(dictionary, &o.reading, 0, entries, entry), TH_OK);
    CHECK_EQ_I64(segment_codec_codes(o.codec, &o.reading, 0, n, got), TH_OK);
    for (uint32_t i = 0; i < n; i++) CHECK(th_slice_equal(entry[got[i]], wanted[i]));
    if (!segment_codec_counts(o.codec, &o.reading, counts)) return;
    for (uint32_t i = 0; i < n; i++) counts[got[i]]--;
    for (uint32_t i = 0; i < entries; i++) CHECK_EQ_I64(counts[i], 0);
}

TEST(dictionaries_come_back)
{
    world w;
    world_open(&w);
    static const uint32_t entries[] = {1, 2, 3, 16, 17, 255, 256, 257, 700};
    for (size_t m = 0; m < MAKERS; m++)
        for (size_t d = 0; d < 9; d++) {
            uint32_t n = entries[d] * (1 + below(20)) + below(3);
            round_trip_codes(&w, makers[m], entries[d], n,
                             (m + d) % 2 == 0 ? SEGMENT_EFFORT_FAST : SEGMENT_EFFORT_COMPACT);
            th_arena_reset(w.values);
        }
    world_close(&w);
}

/* ---- codes and integers alone ---- */

static void begin_streams(world *w, segment_encoder *e, segment_tier_effort effort)
{
    *e = begin(w, effort);
}

static void check_ints(world *w, const int64_t *v, uint32_t n, segment_tier_effort effort)
{
    segment_encoder e;
    begin_streams(w, &e, effort);
    CHECK_EQ_I64(segment_encode_ints(&e, v, n), TH_OK);
    CHECK_EQ_I64(segment_payload_end(&w->writer), TH_OK);
    th_buf_add_varint(&w->directory, w->writer.count);
    th_buf_add_slice(&w->directory, th_buf_slice(&w->writer.chunks));
    th_buf_add_slice(&w->directory, th_buf_slice(&w->description));
    th_arena_reset(w->parsed);
    th_arena_reset(w->chunks);
    th_reader r = th_reader_of(th_buf_slice(&w->directory));
    segment_payloads *p =
        segment_payloads_open(&r, th_buf_slice(&w->image), HEADER, w->image.size, w->parsed);
    segment_describing d = {.directory = &r, .payloads = p, .arena = w->parsed};
    segment_ints *ints;
    segment_reading reading;
    CHECK(p != NULL);
    CHECK_EQ_I64(segment_describe_ints(&d, n, &ints), TH_OK);
    CHECK(r.pos == r.end);
    CHECK_EQ_I64(segment_reading_begin(&reading, p, w->out, w->chunks), TH_OK);
    int64_t *got = TH_NEW_ARRAY(w->parsed, int64_t, n);
    CHECK_EQ_I64(segment_ints_read(ints, &reading, 0, n, got), TH_OK);
    for (uint32_t i = 0; i < n; i++) CHECK_EQ_I64(got[i], v[i]);
    for (int k = 0; k < 8; k++) {
        uint32_t first = below(n), count = 1 + below(n - first);
        CHECK_EQ_I64(segment_ints_read(ints, &reading, first, count, got), TH_OK);
        for (uint32_t i = 0; i < count; i++) CHECK_EQ_I64(got[i], v[first + i]);
    }
    th_arena_reset(w->scratch);
}

TEST(integers_of_all_widths_come_back)
{
    world w;
    world_open(&w);
    for (unsigned width = 0; width <= 64; width++)
        for (size_t s = 0; s < SIZES - 1; s++) {
            uint32_t n = sizes[s];
            if (n > 1000 && width % 13 != 0) continue;
            int64_t *v = TH_NEW_ARRAY(w.values, int64_t, n);
            int64_t at = (int64_t)random_bits();
            for (uint32_t i = 0; i < n; i++) {
                uint64_t bits = width == 0 ? 7 : random_bits() >> (64 - width);
                at = (int64_t)((uint64_t)at + bits);
                v[i] = width % 2 == 0 ? (int64_t)bits : at;
            }
            check_ints(&w, v, n,
                       n < 2000 && width % 3 == 0 ? SEGMENT_EFFORT_COMPACT : SEGMENT_EFFORT_FAST);
            th_arena_reset(w.values);
        }
    world_close(&w);
}

TEST(codes_of_all_widths_come_back)
{
    world w;
    world_open(&w);
    for (unsigned width = 0; width <= 20; width++)
        for (size_t s = 0; s < SIZES; s++) {
            uint32_t n = sizes[s], run = 1 + below(width % 3 == 0 ? 200 : 1);
            uint32_t *v = TH_NEW_ARRAY(w.values, uint32_t, n),
                     *got = TH_NEW_ARRAY(w.values, uint32_t, n);
            for (uint32_t i = 0; i < n; i++)
                v[i] = i % run != 0 ? v[i - 1] : below(UINT32_C(1) << width);
            segment_encoder e;
            begin_streams(&w, &e, s % 2 == 0 ? SEGMENT_EFFORT_FAST : SEGMENT_EFFORT_COMPACT);
            CHECK_EQ_I64(segment_encode_codes(&e, v, n, UINT32_C(1) << width), TH_OK);
            CHECK_EQ_I64(segment_payload_end(&w.writer), TH_OK);
            th_buf_add_varint(&w.directory, w.writer.count);
            th_buf_add_slice(&w.directory, th_buf_slice(&w.writer.chunks));
            th_buf_add_slice(&w.directory, th_buf_slice(&w.description));
            th_reader r = th_reader_of(th_buf_slice(&w.directory));
            th_arena_reset(w.parsed);
            th_arena_reset(w.chunks);
            segment_payloads *p =
                segment_payloads_open(&r, th_buf_slice(&w.image), HEADER, w.image.size, w.parsed);
            segment_describing d = {.directory = &r, .payloads = p, .arena = w.parsed};
            segment_codes *codes;
            segment_reading reading;
            CHECK_EQ_I64(segment_describe_codes(&d, n, UINT32_C(1) << width, &codes), TH_OK);
            CHECK_EQ_I64(segment_reading_begin(&reading, p, w.out, w.chunks), TH_OK);
            for (int k = 0; k < 5; k++) {
                uint32_t first = k == 0 ? 0 : below(n), count = k == 0 ? n : 1 + below(n - first);
                CHECK_EQ_I64(segment_codes_read(codes, &reading, first, count, got), TH_OK);
                CHECK(memcmp(got, v + first, count * sizeof(*got)) == 0);
            }
            th_arena_reset(w.values);
            th_arena_reset(w.scratch);
        }
    world_close(&w);
}

/* ---- both ways of looping over characters ---- */

/* Everything that the CPU's instructions do, done with and without them. */
static void both_ways(const uint8_t *bytes, uint32_t size)
{
    uint8_t a[512 + 64] = {0}, b[512 + 64] = {0};
    uint8_t table[256];
    for (unsigned i = 0; i < 256; i++) table[i] = (uint8_t)(i * 7 + 33);
    for (unsigned portable = 0; portable < 2; portable++) {
        uint8_t *out = portable ? b : a;
        codec_simd_use_portable(portable == 1);
        if (size >= 16) {
            codec_uuid_format(bytes, size % 2 == 1, out);
            CHECK(codec_uuid_parse(th_slice_of(out, 36), size % 2 == 1, out + 40));
            CHECK(memcmp(out + 40, bytes, 16) == 0);
        }
        for (unsigned form = 0; form < 3; form++) {
            uint8_t text[512 + 64], back[512];
            codec_base64_encode(th_slice_of(bytes, size), form, text);
            th_slice whole = {text, codec_base64_size(size, form)};
            CHECK_EQ_U64(codec_base64_bytes(whole, form), size);
            CHECK(codec_base64_decode(whole, form, back));
            CHECK(memcmp(back, bytes, size) == 0);
            for (size_t i = 0; i < whole.size; i++)
                out[64 + i] = (uint8_t)(out[64 + i] * 3 + text[i]);
        }
        for (unsigned width = 1; width <= 8; width++) {
            uint8_t text[8 * 256 + 64];
            uint32_t count = size * 8 / width, first = width * 3 % (count + 1);
            codec_bits_unpack_bytes(bytes, first, count - first, width, table, text);
            for (uint32_t i = 0; i < count - first; i++)
                out[i % 500] = (uint8_t)(out[i % 500] * 5 + text[i]);
        }
    }
    codec_simd_use_portable(false);
    CHECK(memcmp(a, b, sizeof(a)) == 0);
}

TEST(the_fast_way_and_the_plain_way_agree)
{
    uint8_t bytes[256 + 64];
    for (uint32_t size = 0; size <= 256; size++)
        for (int k = 0; k < 4; k++) {
            for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)random_bits();
            both_ways(bytes, size);
        }
}

/* Each character in each place: only those of the alphabet are taken, by both. */
TEST(wrong_characters_are_seen_wherever_they_stand)
{
    th_arena *arena = th_arena_new(1 << 20, NULL);
    for (unsigned portable = 0; portable < 2; portable++) {
        codec_simd_use_portable(portable == 1);
        for (unsigned c = 0; c < 256; c++)
            for (size_t at = 0; at < 40; at++) {
                uint8_t out[64 + 64];
                uint8_t *t = (uint8_t *)(uintptr_t)id2(arena, 0).bytes;
                t[at] = (uint8_t)c;
                bool letter =
                    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                CHECK(codec_base64_decode(th_slice_of(t, 76), 0, out) ==
                      (letter || c == '+' || c == '/'));
                if (at >= 36) continue;
                t = (uint8_t *)(uintptr_t)uuid(arena, 0).bytes;
                bool dash = t[at] == '-';
                t[at] = (uint8_t)c;
                bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                CHECK(codec_uuid_parse(th_slice_of(t, 36), false, out) ==
                      (dash ? c == '-' : digit));
                th_arena_reset(arena);
            }
    }
    codec_simd_use_portable(false);
    th_arena_free(arena);
}

/* ---- damage ---- */

/* Read all of it; anything but a crash or another error than the two is right. */
static void read_damaged(world *w, th_slice directory, th_slice image, uint32_t n)
{
    opened o;
    th_err err = reopen(w, directory, image, n, &o);
    if (err == TH_OK) {
        th_slice *got = TH_NEW_ARRAY(w->out, th_slice, n);
        err = segment_codec_read(o.codec, &o.reading, 0, n, got);
        if (err == TH_OK) err = segment_codec_read(o.codec, &o.reading, n / 2, 1, got);
    }
    CHECK(err == TH_OK || err == TH_ECORRUPT || err == TH_ELIMIT);
}

static void damage(segment_tier_effort effort, uint32_t rounds)
{
    world w;
    world_open(&w);
    /* A small bound: what a damaged size asks for beyond it is refused. */
    th_arena_free(w.out);
    w.out = th_arena_new(64 << 20, NULL);
    for (size_t m = 0; m < MAKERS; m++) {
        uint32_t n = m % 2 == 0 ? 300 : 40;
        round_trip(&w, make(&w, makers[m], n), n, effort);
        th_buf copy;
        th_buf_init(&copy, 1 << 24);
        for (uint32_t k = 0; k < rounds; k++) {
            th_buf_clear(&copy);
            th_buf_add_slice(&copy, th_buf_slice(&w.directory));
            size_t cut = k % 4 == 0 ? below((uint32_t)copy.size) : copy.size;
            for (uint32_t flips = k % 4 == 0 ? 0 : 1 + below(3); flips > 0; flips--)
                copy.bytes[below((uint32_t)cut)] ^= (uint8_t)(1u << below(8));
            th_slice damaged = th_arena_copy(w.values, th_slice_of(copy.bytes, cut));
            read_damaged(&w, damaged, th_buf_slice(&w.image), n);
        }
        th_buf_free(&copy);
        th_arena_reset(w.values);
    }
    world_close(&w);
}

TEST(damaged_descriptions_are_refused)
{
    damage(SEGMENT_EFFORT_FAST, 400);
    damage(SEGMENT_EFFORT_COMPACT, 400);
}

TEST(damaged_copies_are_refused)
{
    world w;
    world_open(&w);
    th_arena_free(w.out);
    w.out = th_arena_new(64 << 20, NULL);
    uint32_t n = 700;
    round_trip(&w, twins(&w, n), n, SEGMENT_EFFORT_COMPACT);
    for (uint32_t k = 0; k < 4000; k++) {
        th_slice damaged = th_arena_copy(w.values, th_buf_slice(&w.directory));
        uint8_t *bytes = (uint8_t *)(uintptr_t)damaged.bytes;
        bytes[below((uint32_t)damaged.size)] ^= (uint8_t)(1u << below(8));
        read_damaged(&w, damaged, th_buf_slice(&w.image), n);
        th_arena_reset(w.values);
    }
    world_close(&w);
}

TEST(a_flipped_payload_bit_is_corruption)
{
    world w;
    world_open(&w);
    uint32_t n = 500;
    round_trip(&w, make(&w, uuid, n), n, SEGMENT_EFFORT_FAST);
    th_slice *got = TH_NEW_ARRAY(w.values, th_slice, n);
    for (int k = 0; k < 50; k++) {
        size_t at = HEADER + below((uint32_t)w.image.size - HEADER);
        w.image.bytes[at] ^= 16;
        opened o;
        CHECK_EQ_I64(reopen(&w, th_buf_slice(&w.directory), th_buf_slice(&w.image), n, &o), TH_OK);
        CHECK_EQ_I64(segment_codec_read(o.codec, &o.reading, 0, n, got), TH_ECORRUPT);
        w.image.bytes[at] ^= 16;
    }
    world_close(&w);
}

TEST_MAIN(every_kind_and_size_comes_back_fast, every_kind_and_size_comes_back_compact,
          one_odd_value_among_many_comes_back, an_odd_value_outside_the_sample_comes_back,
          mixtures_come_back, random_bits_take_what_they_hold, dictionaries_come_back,
          the_fast_way_and_the_plain_way_agree, wrong_characters_are_seen_wherever_they_stand,
          integers_of_all_widths_come_back, codes_of_all_widths_come_back,
          what_arrays_have_in_common_is_there_once, damaged_copies_are_refused,
          damaged_descriptions_are_refused, a_flipped_payload_bit_is_corruption)
