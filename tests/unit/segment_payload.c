/* SPDX-License-Identifier: Apache-2.0
 * Payloads come back in the order in which they were added, small ones from shared chunks, large ones from their own;
 * chunk tables that cannot be are refused. */
#include "segment/format.h"
#include "segment/payload_private.h"
#include "tests/unit/test.h"

enum { HEADER = 64 };

typedef struct world {
    segment_payload_writer writer;
    th_buf image, sizes, directory;
    th_arena *arena, *chunks;
} world;

static void world_open(world *w, segment_tier_effort effort)
{
    static const uint8_t header[HEADER];
    memset(w, 0, sizeof(*w));
    segment_payload_writer_init(&w->writer);
    th_buf_init(&w->image, 1 << 28);
    th_buf_init(&w->sizes, 1 << 20);
    th_buf_init(&w->directory, 1 << 20);
    th_buf_add(&w->image, header, HEADER);
    w->arena = th_arena_new(1 << 28, NULL);
    w->chunks = th_arena_new(1 << 28, NULL);
    segment_payload_begin(&w->writer, &w->image, effort);
}

static void world_close(world *w)
{
    segment_payload_writer_free(&w->writer);
    th_buf_free(&w->image);
    th_buf_free(&w->sizes);
    th_buf_free(&w->directory);
    th_arena_free(w->arena);
    th_arena_free(w->chunks);
}

/* Bytes of payload i: some compress, some do not. */
static th_slice payload_of(th_arena *arena, uint32_t i, size_t size)
{
    uint8_t *bytes = th_arena_alloc(arena, size);
    uint64_t x = i * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (size_t k = 0; k < size; k++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[k] = i % 3 == 0 ? (uint8_t)x : (uint8_t)("abcdefgh"[k / (1 + i % 5) % 8]);
    }
    return th_slice_of(bytes, size);
}

static void add(world *w, th_slice bytes, segment_squeeze squeeze)
{
    th_buf_add_varint(&w->sizes, bytes.size);
    segment_payload_add(&w->writer, bytes, squeeze);
}

static segment_payloads *finish(world *w, th_reader *directory)
{
    CHECK_EQ_I64(segment_payload_end(&w->writer), TH_OK);
    th_buf_add_varint(&w->directory, w->writer.count);
    th_buf_add_slice(&w->directory, th_buf_slice(&w->writer.chunks));
    th_buf_add_slice(&w->directory, th_buf_slice(&w->sizes));
    *directory = th_reader_of(th_buf_slice(&w->directory));
    segment_payloads *p =
        segment_payloads_open(directory, th_buf_slice(&w->image), HEADER, w->image.size, w->arena);
    CHECK(p != NULL);
    return p;
}

static const size_t sizes[] = {0,     1,     2,     100,   32767, 32768, 32769,  5000, 0,    65535,
                               65536, 65537, 30000, 30000, 30000, 30000, 300000, 7,    9999, 12};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void round_trip(segment_tier_effort effort)
{
    world w;
    th_slice wanted[SIZES];
    segment_payload places[SIZES];
    world_open(&w, effort);
    for (uint32_t i = 0; i < SIZES; i++) {
        wanted[i] = payload_of(w.arena, i, sizes[i]);
        add(&w, wanted[i], i % 2 == 0 ? SEGMENT_SQUEEZE_TEXT : SEGMENT_SQUEEZE_NONE);
    }
    th_reader r;
    segment_payloads *p = finish(&w, &r);
    uint64_t at = 0;
    for (uint32_t i = 0; i < SIZES; i++) places[i] = segment_payload_take(&r, p, &at);
    CHECK(!r.bad && r.pos == r.end);
    CHECK(segment_payloads_used_up(p, at));
    segment_reading reading;
    CHECK_EQ_I64(segment_reading_begin(&reading, p, w.arena, w.chunks), TH_OK);
    for (uint32_t i = SIZES; i-- > 0;) {
        th_slice got;
        CHECK_EQ_I64(segment_payload_read(&reading, places[i], &got), TH_OK);
        CHECK(th_slice_equal(got, wanted[i]));
        unsigned sum = 0;
        for (int k = 0; k < 64; k++) sum += got.bytes[got.size + (size_t)k];
        CHECK(sum <= 64 * 255); /* readable: the sanitizer says when not */
    }
    CHECK_EQ_U64(reading.bytes_read, w.image.size - HEADER);
    uint32_t bad_chunk;
    CHECK_EQ_I64(segment_payloads_verify(p, &bad_chunk), TH_OK);
    world_close(&w);
}

TEST(payloads_come_back)
{
    round_trip(SEGMENT_EFFORT_FAST);
    round_trip(SEGMENT_EFFORT_COMPACT);
}

TEST(no_payload_is_an_empty_table)
{
    world w;
    world_open(&w, SEGMENT_EFFORT_FAST);
    th_reader r;
    segment_payloads *p = finish(&w, &r);
    CHECK_EQ_U64(w.image.size, HEADER);
    CHECK(segment_payloads_used_up(p, 0));
    uint64_t at = 0;
    th_buf_add_varint(&w.sizes, 1);
    r = th_reader_of(th_buf_slice(&w.sizes));
    (void)segment_payload_take(&r, p, &at);
    CHECK(r.bad); /* there is none */
    world_close(&w);
}

TEST(a_payload_does_not_cross_chunks)
{
    world w;
    world_open(&w, SEGMENT_EFFORT_FAST);
    for (uint32_t i = 0; i < 6; i++) add(&w, payload_of(w.arena, i, 20000), SEGMENT_SQUEEZE_TEXT);
    th_reader r;
    segment_payloads *p = finish(&w, &r);
    uint64_t at = 0;
    th_buf_clear(&w.sizes);
    for (int i = 0; i < 5; i++)
        th_buf_add_varint(&w.sizes, 17000); /* four chunks of 80,000 in one */
    r = th_reader_of(th_buf_slice(&w.sizes));
    for (int i = 0; i < 4; i++) (void)segment_payload_take(&r, p, &at);
    CHECK(!r.bad);
    (void)segment_payload_take(&r, p, &at);
    CHECK(r.bad);
    world_close(&w);
}

TEST(damage_is_found_in_the_chunk_that_has_it)
{
    world w;
    world_open(&w, SEGMENT_EFFORT_FAST);
    add(&w, payload_of(w.arena, 1, 40000), SEGMENT_SQUEEZE_TEXT);
    add(&w, payload_of(w.arena, 3, 40000), SEGMENT_SQUEEZE_TEXT);
    add(&w, payload_of(w.arena, 2, 500), SEGMENT_SQUEEZE_TEXT);
    th_reader r;
    segment_payloads *p = finish(&w, &r);
    w.image.bytes[w.image.size - 1] ^= 1;
    uint32_t bad_chunk = 99;
    CHECK_EQ_I64(segment_payloads_verify(p, &bad_chunk), TH_ECORRUPT);
    CHECK_EQ_U64(bad_chunk, 2);
    world_close(&w);
}

/* A table of one chunk, as given, for an image with `stored` bytes of chunks. */
static bool opens(uint8_t method, uint64_t stored, uint64_t raw, uint64_t present)
{
    world w;
    world_open(&w, SEGMENT_EFFORT_FAST);
    for (uint64_t i = 0; i < present; i++) th_buf_add_byte(&w.image, 'x');
    th_buf_add_varint(&w.directory, 1);
    th_buf_add_byte(&w.directory, method);
    th_buf_add_varint(&w.directory, stored);
    if ((method & PAYLOAD_METHOD_MASK) != 0) th_buf_add_varint(&w.directory, raw);
    th_buf_add_u64(&w.directory, 0);
    th_reader r = th_reader_of(th_buf_slice(&w.directory));
    bool good =
        segment_payloads_open(&r, th_buf_slice(&w.image), HEADER, w.image.size, w.arena) != NULL;
    CHECK(good == !r.bad);
    world_close(&w);
    return good;
}

TEST(impossible_chunk_tables_are_refused)
{
    CHECK(opens(PAYLOAD_RAW, 10, 0, 10));
    CHECK(opens(PAYLOAD_LZ4, 10, 100, 10));
    CHECK(opens(PAYLOAD_LZ4 | PAYLOAD_OWN, 1000, 40000, 1000));
    CHECK(!opens(PAYLOAD_RAW, 10, 0, 9));                        /* more than is there */
    CHECK(!opens(PAYLOAD_RAW, 10, 0, 11));                       /* less */
    CHECK(!opens(PAYLOAD_RAW, 0, 0, 0));                         /* no bytes */
    CHECK(!opens(PAYLOAD_LZ4, 10, 9, 10));                       /* grew */
    CHECK(!opens(PAYLOAD_LZ4, 10, 2561, 10));                    /* expands further than LZ4 can */
    CHECK(!opens(3, 10, 100, 10));                               /* no such method */
    CHECK(!opens(0x21, 10, 100, 10));                            /* a flag to come */
    CHECK(!opens(PAYLOAD_LZ4 | PAYLOAD_OWN, 1000, 32767, 1000)); /* too small to be alone */
    CHECK(!opens(PAYLOAD_LZ4, 5000, PAYLOAD_SHARED_MAX, 5000));  /* too large to be shared */
    CHECK(!opens(PAYLOAD_LZ4 | PAYLOAD_OWN, 1 << 20, (uint64_t)SEGMENT_CHUNK_MAX + 1, 1 << 20));
}

TEST_MAIN(payloads_come_back, no_payload_is_an_empty_table, a_payload_does_not_cross_chunks,
          damage_is_found_in_the_chunk_that_has_it, impossible_chunk_tables_are_refused)
