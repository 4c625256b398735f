/* SPDX-License-Identifier: Apache-2.0
 * Arrays of strings come back exactly, whatever they are held as; parts of them equal the whole. */
#include "tests/unit/codec_world.h"
#include "tests/unit/test.h"

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

static void every_kind(segment_tier_effort effort, uint32_t most)
{
    world w;
    world_open(&w);
    for (size_t m = 0; m < WORLD_MAKERS; m++)
        for (size_t s = 0; s < WORLD_SIZES && world_sizes[s] <= most; s++) {
            world_round_trip(&w, world_make(&w, world_makers[m], world_sizes[s]), world_sizes[s],
                             effort);
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
    for (size_t m = 0; m < WORLD_MAKERS; m++)
        for (size_t k = 0; k < ODD; k++) {
            uint32_t n = 1 + world_below(m % 2 == 0 ? 400 : 40);
            th_slice *v = world_make(&w, world_makers[m], n);
            v[world_below(n)] = th_slice_text(odd[k]);
            if (k % 3 == 0) v[world_below(n)] = th_slice_of("\0", 1);
            world_round_trip(&w, v, n, effort);
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
    for (size_t m = 0; m < WORLD_MAKERS; m++) {
        uint32_t n = 9001;
        th_slice *v = world_make(&w, world_makers[m], n);
        for (int i = 0; i < 3; i++) v[world_below(n)] = th_slice_text(odd[world_below(ODD)]);
        world_round_trip(&w, v, n, SEGMENT_EFFORT_FAST);
        th_arena_reset(w.values);
    }
    world_close(&w);
}

TEST(mixtures_come_back)
{
    world w;
    world_open(&w);
    for (int round = 0; round < 60; round++) {
        uint32_t n = 1 + world_below(round % 10 == 0 ? 5000 : 600), kinds = 1 + world_below(4);
        world_maker *set[4];
        for (uint32_t k = 0; k < kinds; k++) set[k] = world_makers[world_below(WORLD_MAKERS)];
        th_slice *v = TH_NEW_ARRAY(w.values, th_slice, n);
        for (uint32_t i = 0; i < n; i++) v[i] = set[world_below(kinds)](w.values, i);
        world_round_trip(&w, v, n, round % 2 == 0 ? SEGMENT_EFFORT_FAST : SEGMENT_EFFORT_COMPACT);
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
        check_sizes("uuid", world_round_trip(&w, world_make(&w, value_uuid, n), n, efforts[e]),
                    16 * n + 200);
        check_sizes("id2", world_round_trip(&w, world_make(&w, value_id2, n), n, efforts[e]),
                    56 * n + 200);
        check_sizes("address",
                    world_round_trip(&w, world_make(&w, value_address, n), n, efforts[e]),
                    4 * n + 200);
        check_sizes("port", world_round_trip(&w, world_make(&w, value_port, n), n, efforts[e]),
                    2 * n + 500);
        check_sizes("request id",
                    world_round_trip(&w, world_make(&w, value_request_id, n), n, efforts[e]),
                    (16 * 2 + 12) * n / 3 + n / 8 + 2000);
    }
    world_close(&w);
}

TEST(what_arrays_have_in_common_is_there_once)
{
    world w;
    world_open(&w);
    for (uint32_t n = 1000; n <= 20000; n *= 20) {
        size_t size = world_round_trip(&w, world_twins(&w, n), n, SEGMENT_EFFORT_COMPACT);
        check_sizes("world_twins", size, (size_t)n / 2 * 16 + n / 8 + 600);
    }
    world_close(&w);
}

/* ---- dictionaries ---- */

static void round_trip_codes(world *w, world_maker *maker_of, uint32_t d, uint32_t n,
                             segment_tier_effort effort)
{
    th_slice *values = world_make(w, maker_of, d);
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
        codes[i] = i < distinct ? i : n % 2 == 0 ? world_below(distinct) : i / 50 % distinct;
        wanted[i] = values[codes[i]];
    }
    segment_encoder e = world_begin(w, effort);
    segment_array a = {.count = n, .codes = codes, .values = values, .value_count = distinct};
    CHECK_EQ_I64(segment_encode_array(&e, &a), TH_OK);
    world_finish(w, &e);
    world_check_read(w, wanted, n);

    world_opened o;
    CHECK_EQ_I64(world_reopen(w, th_buf_slice(&w->directory), th_buf_slice(&w->image), n, &o),
                 TH_OK);
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
    for (size_t m = 0; m < WORLD_MAKERS; m++)
        for (size_t d = 0; d < 9; d++) {
            uint32_t n = entries[d] * (1 + world_below(20)) + world_below(3);
            round_trip_codes(&w, world_makers[m], entries[d], n,
                             (m + d) % 2 == 0 ? SEGMENT_EFFORT_FAST : SEGMENT_EFFORT_COMPACT);
            th_arena_reset(w.values);
        }
    world_close(&w);
}

TEST_MAIN(every_kind_and_size_comes_back_fast, every_kind_and_size_comes_back_compact,
          one_odd_value_among_many_comes_back, an_odd_value_outside_the_sample_comes_back,
          mixtures_come_back, random_bits_take_what_they_hold, dictionaries_come_back,
          what_arrays_have_in_common_is_there_once)
