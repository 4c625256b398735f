/* SPDX-License-Identifier: Apache-2.0
 * An image of one array, and what is put into it. */
#include "tests/unit/codec_world.h"

#include "segment/codec_private.h"
#include "tests/unit/test.h"

static uint64_t seed = 88172645463325252u;
uint64_t world_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}
uint32_t world_below(uint32_t n)
{
    return (uint32_t)(world_bits() % n);
}

/* ---- an image of one array ---- */

void world_open(world *w)
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

void world_close(world *w)
{
    th_arena *arenas[] = {w->values, w->scratch, w->parsed, w->out, w->chunks};
    for (size_t i = 0; i < 5; i++) th_arena_free(arenas[i]);
    segment_payload_writer_free(&w->writer);
    segment_pool_free(w->pool);
    th_buf_free(&w->image);
    th_buf_free(&w->directory);
    th_buf_free(&w->description);
}

segment_encoder world_begin(world *w, segment_tier_effort effort)
{
    static const uint8_t header[WORLD_HEADER];
    th_buf_clear(&w->image);
    th_buf_clear(&w->directory);
    th_buf_clear(&w->description);
    th_buf_add(&w->image, header, WORLD_HEADER);
    segment_payload_begin(&w->writer, &w->image, effort);
    segment_pool_clear(w->pool);
    return (segment_encoder){.payloads = &w->writer,
                             .directory = &w->description,
                             .pool = effort == SEGMENT_EFFORT_COMPACT ? w->pool : NULL,
                             .effort = effort,
                             .scratch = w->scratch};
}

void world_finish(world *w, segment_encoder *encoder)
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

th_err world_reopen(world *w, th_slice directory, th_slice image, uint32_t count, world_opened *o)
{
    memset(o, 0, sizeof(*o));
    th_arena_reset(w->parsed);
    th_arena_reset(w->out);
    th_arena_reset(w->chunks);
    th_reader r = th_reader_of(directory);
    o->payloads = segment_payloads_open(&r, image, WORLD_HEADER, image.size, w->parsed);
    if (o->payloads == NULL) return r.bad ? TH_ECORRUPT : TH_ENOMEM;
    segment_describing d = {.directory = &r, .payloads = o->payloads, .arena = w->parsed};
    TH_TRY(segment_describe_array(&d, count, &o->codec));
    uint64_t pooled = th_take_varint(&r);
    if (r.bad || pooled > UINT32_MAX) return TH_ECORRUPT;
    if (pooled > 0) TH_TRY(segment_describe_array(&d, (uint32_t)pooled, &o->pool));
    if (r.pos != r.end || !segment_payloads_used_up(o->payloads, d.at)) return TH_ECORRUPT;
    TH_TRY(segment_reading_begin(&o->reading, o->payloads, w->out, w->chunks));
    o->reading.pool = o->pool;
    o->marks = d.marks;
    return TH_OK;
}

static void check_range(world *w, world_opened *o, const th_slice *wanted, uint32_t begin,
                        uint32_t count)
{
    th_slice *got = TH_NEW_ARRAY(w->out, th_slice, count);
    CHECK(got != NULL);
    CHECK_EQ_I64(segment_codec_read(o->codec, &o->reading, begin, count, got), TH_OK);
    for (uint32_t i = 0; i < count; i++)
        if (!th_slice_equal(got[i], wanted[begin + i]))
            FAIL("value %u of tag %u is %.*s, wanted %.*s", begin + i, o->codec->tag,
                 TH_SLICE_ARGS(got[i]), TH_SLICE_ARGS(wanted[begin + i]));
}

/* In steps from some place on, places to resume at kept. */
static void check_cursor(world *w, const th_slice *wanted, uint32_t n)
{
    world_opened o;
    CHECK_EQ_I64(world_reopen(w, th_buf_slice(&w->directory), th_buf_slice(&w->image), n, &o),
                 TH_OK);
    o.reading.resumes = TH_NEW_ARRAY(w->parsed, segment_resume, o.marks + 1u);
    o.reading.resumes_arena = w->parsed;
    uint32_t step = 1 + world_below(3000);
    for (uint32_t at = n > 50 ? world_below(n / 2) : 0, here; at < n; at += here) {
        here = step < n - at ? step : n - at;
        check_range(w, &o, wanted, at, here);
    }
    check_range(w, &o, wanted, 0, n < 100 ? n : 100); /* back again */
}

void world_check_read(world *w, const th_slice *wanted, uint32_t n)
{
    world_opened o;
    CHECK_EQ_I64(world_reopen(w, th_buf_slice(&w->directory), th_buf_slice(&w->image), n, &o),
                 TH_OK);
    CHECK_EQ_U64(segment_codec_count(o.codec), n);
    uint32_t bad_chunk;
    CHECK_EQ_I64(segment_payloads_verify(o.payloads, &bad_chunk), TH_OK);
    check_range(w, &o, wanted, n / 2, 1); /* a single value first: nothing is decoded yet */
    check_range(w, &o, wanted, 0, n);
    check_range(w, &o, wanted, n - 1, 1);
    for (int i = 0; i < 6; i++) {
        uint32_t begin = world_below(n), count = 1 + world_below(n - begin);
        check_range(w, &o, wanted, begin, count < 3000 ? count : 3000);
    }
    check_cursor(w, wanted, n);
}

size_t world_round_trip(world *w, const th_slice *values, uint32_t n, segment_tier_effort effort)
{
    segment_encoder e = world_begin(w, effort);
    segment_array a = {.count = n, .values = values, .value_count = n};
    CHECK_EQ_I64(segment_encode_array(&e, &a), TH_OK);
    world_finish(w, &e);
    world_check_read(w, values, n);
    return w->image.size + w->directory.size - WORLD_HEADER;
}

/* ---- values ---- */

static th_slice value_text(th_arena *arena, const char *fmt, ...)
{
    char bytes[256];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(bytes, sizeof(bytes), fmt, args);
    va_end(args);
    return th_arena_copy(arena, th_slice_of(bytes, (size_t)size));
}

static th_slice value_token(th_arena *arena, const char *alphabet, size_t size)
{
    char bytes[1024];
    uint32_t letters = (uint32_t)strlen(alphabet);
    for (size_t i = 0; i < size; i++) bytes[i] = alphabet[world_below(letters)];
    return th_arena_copy(arena, th_slice_of(bytes, size));
}

#define LOWER_HEX "0123456789abcdef"
#define UPPER_ALNUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

th_slice value_uuid(th_arena *arena, uint32_t i)
{
    (void)i;
    uint64_t a = world_bits(), b = world_bits();
    return value_text(arena, "%08x-%04x-%04x-%04x-%012" PRIx64, (unsigned)(a >> 32),
                      (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), (unsigned)(b >> 48),
                      b & UINT64_C(0xffffffffffff));
}
static th_slice upper_uuid(th_arena *arena, uint32_t i)
{
    th_slice t = value_uuid(arena, i);
    for (size_t k = 0; k < t.size; k++) {
        uint8_t *c = (uint8_t *)(uintptr_t)t.bytes + k;
        if (*c >= 'a') *c = (uint8_t)(*c - 32);
    }
    return t;
}
static th_slice second(th_arena *arena, uint32_t i)
{
    return value_text(arena, "2026-%02u-%02uT%02u:%02u:%02uZ", 1 + i / 20000 % 12,
                      1 + i / 3000 % 28, i / 150 % 24, world_below(60), world_below(60));
}
static th_slice millisecond(th_arena *arena, uint32_t i)
{
    return value_text(arena, "2024-02-29T%02u:%02u:59.%03uZ", i / 4000 % 24, i / 60 % 60,
                      world_below(1000));
}
static th_slice microsecond(th_arena *arena, uint32_t i)
{
    return value_text(arena, "1969-12-31T%02u:%02u:59.%06uZ", i / 4000 % 24, i / 60 % 60,
                      world_below(1000000));
}
static th_slice integer(th_arena *arena, uint32_t i)
{
    return value_text(arena, "%" PRId64,
                      (int64_t)(world_bits() >> (i % 64)) * (i % 3 == 0 ? -1 : 1));
}
th_slice value_port(th_arena *arena, uint32_t i)
{
    (void)i;
    return value_text(arena, "%u", world_below(65536));
}
th_slice value_address(th_arena *arena, uint32_t i)
{
    (void)i;
    return value_text(arena, "%u.%u.%u.%u", world_below(256), world_below(256), world_below(256),
                      world_below(256));
}
static th_slice lower_hex(th_arena *arena, uint32_t i)
{
    return value_token(arena, LOWER_HEX, 8 + i % 57);
}
static th_slice upper_hex(th_arena *arena, uint32_t i)
{
    return value_token(arena, "0123456789ABCDEF", 17 + i % 2);
}
static th_slice request_token(th_arena *arena, uint32_t i)
{
    (void)i;
    return value_token(arena, UPPER_ALNUM, 16);
}
static th_slice long_token(th_arena *arena, uint32_t i)
{
    return value_token(arena, BASE64 "-_", 20 + i % 40);
}
static th_slice base64_of(th_arena *arena, uint32_t size)
{
    uint8_t bytes[256 + 64], out[512];
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)world_bits();
    codec_base64_encode(th_slice_of(bytes, size), 0, out);
    return th_arena_copy(arena, th_slice_of(out, codec_base64_size(size, 0)));
}
static th_slice base64(th_arena *arena, uint32_t i)
{
    return base64_of(arena, 9 + i % 90);
}
th_slice value_id2(th_arena *arena, uint32_t i)
{
    (void)i;
    return base64_of(arena, 56);
}
th_slice value_request_id(th_arena *arena, uint32_t i)
{
    return world_below(3) == 0 ? request_token(arena, i) : value_uuid(arena, i);
}
static th_slice key(th_arena *arena, uint32_t i)
{
    return value_text(arena, "AWSLogs/%012u/CloudTrail/eu-west-%u/2026/%02u/%02u/x_%u_%08x.json.gz",
                      world_below(5) * 1234567, world_below(3), 1 + world_below(12),
                      1 + world_below(28), i, (unsigned)world_bits());
}
static th_slice arn(th_arena *arena, uint32_t i)
{
    (void)i;
    return value_text(arena, "arn:aws:%s:eu-west-1:%012u:role/%s-%u",
                      (const char *[]){"iam", "s3", "lambda"}[world_below(3)], world_below(1000000),
                      (const char *[]){"admin", "ci/deploy", "x"}[world_below(3)],
                      world_below(3000));
}
static th_slice anything(th_arena *arena, uint32_t i)
{
    uint8_t bytes[96];
    uint32_t size = world_below(i % 7 == 0 ? 96 : 9);
    for (uint32_t k = 0; k < size; k++)
        bytes[k] = (uint8_t)(world_below(4) == 0 ? world_below(3) : world_bits());
    return th_arena_copy(arena, th_slice_of(bytes, size));
}
static th_slice empty(th_arena *arena, uint32_t i)
{
    return i % 5 == 4 ? value_text(arena, "x") : th_slice_of("", 0);
}
static th_slice policy(th_arena *arena, uint32_t i)
{
    uint8_t out[512];
    th_slice json = value_text(arena, "{\"aws:s3:arn\":\"arn:aws:s3:::bucket-%u/key/%u\",\"n\":%u}",
                               world_below(4), i, world_below(100));
    codec_base64_encode(json, 0, out);
    return th_arena_copy(arena, th_slice_of(out, codec_base64_size(json.size, 0)));
}

world_maker *const world_makers[WORLD_MAKERS] = {
    value_uuid,       upper_uuid, second,    millisecond,   microsecond, integer, value_port,
    value_address,    lower_hex,  upper_hex, request_token, long_token,  base64,  value_id2,
    value_request_id, key,        arn,       anything,      empty,       policy};

const uint32_t world_sizes[WORLD_SIZES] = {1,    2,     3,     127,   128,  129,
                                           1000, 16383, 16384, 16385, 65536};

th_slice *world_make(world *w, world_maker *maker_of, uint32_t n)
{
    th_slice *v = TH_NEW_ARRAY(w->values, th_slice, n);
    for (uint32_t i = 0; i < n; i++) v[i] = maker_of(w->values, i);
    return v;
}

th_slice *world_twins(world *w, uint32_t n)
{
    th_slice *v = TH_NEW_ARRAY(w->values, th_slice, n);
    for (uint32_t i = 0; i < n / 2; i++) {
        th_slice part = value_token(w->values, LOWER_HEX, 32);
        v[i] = value_text(w->values, "logs/%.*s", TH_SLICE_ARGS(part));
        v[n / 2 + i] = value_text(w->values, "arn:aws:s3:::logs/%.*s", TH_SLICE_ARGS(part));
    }
    return v;
}
