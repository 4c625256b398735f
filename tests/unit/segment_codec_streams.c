/* SPDX-License-Identifier: Apache-2.0
 * Streams of numbers come back exactly; the loops over characters do the same with the CPU's wide instructions and without. */
#include "segment/codec_private.h"
#include "segment/codec_simd.h"
#include "tests/unit/codec_world.h"
#include "tests/unit/test.h"

/* ---- codes and integers alone ---- */

/* What was encoded, to be described and read. */
static void reopen_streams(world *w, th_reader *directory, segment_describing *d,
                           segment_reading *reading)
{
    CHECK_EQ_I64(segment_payload_end(&w->writer), TH_OK);
    th_buf_add_varint(&w->directory, w->writer.count);
    th_buf_add_slice(&w->directory, th_buf_slice(&w->writer.chunks));
    th_buf_add_slice(&w->directory, th_buf_slice(&w->description));
    th_arena_reset(w->parsed);
    th_arena_reset(w->chunks);
    *directory = th_reader_of(th_buf_slice(&w->directory));
    segment_payloads *p = segment_payloads_open(directory, th_buf_slice(&w->image), WORLD_HEADER,
                                                w->image.size, w->parsed);
    CHECK(p != NULL);
    *d = (segment_describing){.directory = directory, .payloads = p, .arena = w->parsed};
    CHECK_EQ_I64(segment_reading_begin(reading, p, w->out, w->chunks), TH_OK);
}

static void check_ints(world *w, const int64_t *v, uint32_t n, segment_tier_effort effort)
{
    segment_encoder e = world_begin(w, effort);
    CHECK_EQ_I64(segment_encode_ints(&e, v, n), TH_OK);
    th_reader r;
    segment_describing d;
    segment_reading reading;
    segment_ints *ints;
    reopen_streams(w, &r, &d, &reading);
    CHECK_EQ_I64(segment_describe_ints(&d, n, &ints), TH_OK);
    CHECK(r.pos == r.end);
    int64_t *got = TH_NEW_ARRAY(w->parsed, int64_t, n);
    CHECK_EQ_I64(segment_ints_read(ints, &reading, 0, n, got), TH_OK);
    for (uint32_t i = 0; i < n; i++) CHECK_EQ_I64(got[i], v[i]);
    for (int k = 0; k < 8; k++) {
        uint32_t first = world_below(n), count = 1 + world_below(n - first);
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
        for (size_t s = 0; s < WORLD_SIZES - 1; s++) {
            uint32_t n = world_sizes[s];
            if (n > 1000 && width % 13 != 0) continue;
            int64_t *v = TH_NEW_ARRAY(w.values, int64_t, n);
            int64_t at = (int64_t)world_bits();
            for (uint32_t i = 0; i < n; i++) {
                uint64_t bits = width == 0 ? 7 : world_bits() >> (64 - width);
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
        for (size_t s = 0; s < WORLD_SIZES; s++) {
            uint32_t n = world_sizes[s], run = 1 + world_below(width % 3 == 0 ? 200 : 1);
            uint32_t *v = TH_NEW_ARRAY(w.values, uint32_t, n),
                     *got = TH_NEW_ARRAY(w.values, uint32_t, n);
            for (uint32_t i = 0; i < n; i++)
                v[i] = i % run != 0 ? v[i - 1] : world_below(UINT32_C(1) << width);
            segment_encoder e =
                world_begin(&w, s % 2 == 0 ? SEGMENT_EFFORT_FAST : SEGMENT_EFFORT_COMPACT);
            CHECK_EQ_I64(segment_encode_codes(&e, v, n, UINT32_C(1) << width), TH_OK);
            th_reader r;
            segment_describing d;
            segment_reading reading;
            segment_codes *codes;
            reopen_streams(&w, &r, &d, &reading);
            CHECK_EQ_I64(segment_describe_codes(&d, n, UINT32_C(1) << width, &codes), TH_OK);
            for (int k = 0; k < 5; k++) {
                uint32_t first = k == 0 ? 0 : world_below(n),
                         count = k == 0 ? n : 1 + world_below(n - first);
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
            for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)world_bits();
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
                uint8_t *t = (uint8_t *)(uintptr_t)value_id2(arena, 0).bytes;
                t[at] = (uint8_t)c;
                bool letter =
                    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                CHECK(codec_base64_decode(th_slice_of(t, 76), 0, out) ==
                      (letter || c == '+' || c == '/'));
                if (at >= 36) continue;
                t = (uint8_t *)(uintptr_t)value_uuid(arena, 0).bytes;
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

TEST_MAIN(integers_of_all_widths_come_back, codes_of_all_widths_come_back,
          the_fast_way_and_the_plain_way_agree, wrong_characters_are_seen_wherever_they_stand)
