/* SPDX-License-Identifier: Apache-2.0
 * For tests of the codecs: an image of one array in memory, and values of all kinds to put into it, the same ones in every
 * run. */
#ifndef TH_TESTS_UNIT_CODEC_WORLD_H
#define TH_TESTS_UNIT_CODEC_WORLD_H

#include "segment/codec.h"

enum { WORLD_HEADER = 64, WORLD_MAKERS = 20, WORLD_SIZES = 11 };

uint64_t world_bits(void); /* random */
uint32_t world_below(uint32_t n);

/* ---- an image of one array ---- */

typedef struct world {
    th_arena *values, *scratch, *parsed, *out, *chunks;
    segment_payload_writer writer;
    segment_pool *pool;
    th_buf image, directory, description;
} world;

void world_open(world *w);
void world_close(world *w);
/* Arrays are encoded between the two; the second writes chunk table, descriptions and the pool. */
segment_encoder world_begin(world *w, segment_tier_effort effort);
void world_finish(world *w, segment_encoder *encoder);

typedef struct world_opened {
    segment_payloads *payloads;
    segment_codec *codec, *pool;
    segment_reading reading;
    uint32_t marks;
} world_opened;
TH_MUST_CHECK th_err world_reopen(world *w, th_slice directory, th_slice image, uint32_t count,
                                  world_opened *o);
/* All of it, single values and parts are as wanted; and all of it in steps, as a cursor reads. */
void world_check_read(world *w, const th_slice *wanted, uint32_t n);
/* Encode plain, read back; the size. */
size_t world_round_trip(world *w, const th_slice *values, uint32_t n, segment_tier_effort effort);

/* ---- values ---- */

typedef th_slice world_maker(th_arena *arena, uint32_t i);
extern world_maker *const world_makers[WORLD_MAKERS];
extern const uint32_t world_sizes[WORLD_SIZES]; /* of arrays: around what blocks and pages hold */
world_maker value_uuid, value_port, value_address, value_id2, value_request_id;
th_slice *world_make(world *w, world_maker *maker_of, uint32_t n);
/* Two sorts of names with the same random parts, row by row. */
th_slice *world_twins(world *w, uint32_t n);

#endif
