/* SPDX-License-Identifier: Apache-2.0
 * Damaged descriptions and payloads of arrays are TH_ECORRUPT, never a crash. */
#include "tests/unit/codec_world.h"
#include "tests/unit/test.h"

/* Read all of it; anything but a crash or another error than the two is right. */
static void read_damaged(world *w, th_slice directory, th_slice image, uint32_t n)
{
    world_opened o;
    th_err err = world_reopen(w, directory, image, n, &o);
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
    for (size_t m = 0; m < WORLD_MAKERS; m++) {
        uint32_t n = m % 2 == 0 ? 300 : 40;
        world_round_trip(&w, world_make(&w, world_makers[m], n), n, effort);
        th_buf copy;
        th_buf_init(&copy, 1 << 24);
        for (uint32_t k = 0; k < rounds; k++) {
            th_buf_clear(&copy);
            th_buf_add_slice(&copy, th_buf_slice(&w.directory));
            size_t cut = k % 4 == 0 ? world_below((uint32_t)copy.size) : copy.size;
            for (uint32_t flips = k % 4 == 0 ? 0 : 1 + world_below(3); flips > 0; flips--)
                copy.bytes[world_below((uint32_t)cut)] ^= (uint8_t)(1u << world_below(8));
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
    world_round_trip(&w, world_twins(&w, n), n, SEGMENT_EFFORT_COMPACT);
    for (uint32_t k = 0; k < 4000; k++) {
        th_slice damaged = th_arena_copy(w.values, th_buf_slice(&w.directory));
        uint8_t *bytes = (uint8_t *)(uintptr_t)damaged.bytes;
        bytes[world_below((uint32_t)damaged.size)] ^= (uint8_t)(1u << world_below(8));
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
    world_round_trip(&w, world_make(&w, value_uuid, n), n, SEGMENT_EFFORT_FAST);
    th_slice *got = TH_NEW_ARRAY(w.values, th_slice, n);
    for (int k = 0; k < 50; k++) {
        size_t at = WORLD_HEADER + world_below((uint32_t)w.image.size - WORLD_HEADER);
        w.image.bytes[at] ^= 16;
        world_opened o;
        CHECK_EQ_I64(world_reopen(&w, th_buf_slice(&w.directory), th_buf_slice(&w.image), n, &o),
                     TH_OK);
        CHECK_EQ_I64(segment_codec_read(o.codec, &o.reading, 0, n, got), TH_ECORRUPT);
        w.image.bytes[at] ^= 16;
    }
    world_close(&w);
}

TEST_MAIN(damaged_descriptions_are_refused, damaged_copies_are_refused,
          a_flipped_payload_bit_is_corruption)
