/* SPDX-License-Identifier: Apache-2.0
 * Hostile records through builders and back, byte for byte, in both tiers; builders that share what was learnt; and
 * stored columns as a plain look-up finds them. HOSTILE_RECORDS=N asks for more than the usual ones. */
#include "json/json.h"
#include "segment/segment.h"
#include "tests/unit/hostile.h"
#include "tests/unit/test.h"

#define SEGMENT_ROWS 3000u

static void check_image(th_slice image, const th_buf *bytes, const uint32_t *sizes, uint32_t rows)
{
    th_segment *s;
    th_diag diag;
    th_arena *arena = th_arena_new(1u << 30, NULL);
    CHECK_EQ_I64(th_segment_open(image, &s, &diag), TH_OK);
    CHECK_EQ_U64(th_segment_rows(s), rows);
    th_slice *out = TH_NEW_ARRAY(arena, th_slice, rows);
    CHECK_EQ_I64(th_segment_records(s, 0, rows, arena, out), TH_OK);
    const uint8_t *at = bytes->bytes;
    for (uint32_t i = 0; i < rows; i++) {
        CHECK_EQ_BYTES(out[i].bytes, out[i].size, at, sizes[i]);
        at += sizes[i];
    }
    CHECK_EQ_I64(th_segment_verify(s, &diag), TH_OK);
    th_segment_close(s);
    th_arena_free(arena);
}

static void run_records(uint32_t records, th_segment_shaper *shared)
{
    const th_stored_table *table = th_model_table(TH_TABLE_cloudtrail);
    static uint32_t sizes[SEGMENT_ROWS];
    th_buf record, bytes, image;
    th_buf_init(&record, 1 << 20);
    th_buf_init(&bytes, 256 << 20);
    th_buf_init(&image, 256 << 20);
    th_segment_builder *builders[2];
    for (int tier = 0; tier < 2; tier++) {
        builders[tier] = th_segment_builder_new_sharing(table, NULL, shared);
        th_segment_builder_set_tier(builders[tier], tier == 0 ? TH_TIER_FAST : TH_TIER_COMPACT);
    }
    for (uint32_t done = 0; done < records;) {
        uint32_t rows = 1 + hostile_dice(hostile_dice(3) == 0 ? 20 : SEGMENT_ROWS - 1);
        th_buf_clear(&bytes);
        for (uint32_t i = 0; i < rows; i++) {
            hostile_record(&record);
            sizes[i] = (uint32_t)record.size;
            th_buf_add_slice(&bytes, th_buf_slice(&record));
            for (int tier = 0; tier < 2; tier++) {
                /* A copy of its own size: a sanitizer sees every byte read too many. */
                uint8_t *copy = malloc(record.size);
                memcpy(copy, record.bytes, record.size);
                CHECK_EQ_I64(th_segment_builder_add(builders[tier], th_slice_of(copy, record.size),
                                                    TH_SLICE(""), i % 3 != 0, (int64_t)i * 1000),
                             TH_OK);
                free(copy);
            }
        }
        for (int tier = 0; tier < 2; tier++) {
            th_buf_clear(&image);
            CHECK_EQ_I64(th_segment_builder_finish(builders[tier], &image), TH_OK);
            check_image(th_buf_slice(&image), &bytes, sizes, rows);
        }
        done += rows;
    }
    for (int tier = 0; tier < 2; tier++) th_segment_builder_free(builders[tier]);
    th_buf_free(&record);
    th_buf_free(&bytes);
    th_buf_free(&image);
}

TEST(hostile_records_come_back)
{
    const char *asked = getenv("HOSTILE_RECORDS");
    uint32_t records = asked != NULL ? (uint32_t)strtoul(asked, NULL, 10) : 20000;
    run_records(records, NULL);
    th_segment_shaper *shared = th_segment_shaper_new(NULL);
    run_records(records / 4, shared);
    th_segment_shaper_free(shared);
}

/* A shape a record, keys without end: what is learnt is bounded, new builders learn anew, nothing is lost. */
TEST(a_shape_a_record)
{
    th_segment_shaper *shared = th_segment_shaper_new(NULL);
    const th_stored_table *table = th_model_table(TH_TABLE_cloudtrail);
    th_segment_builder *a = th_segment_builder_new_sharing(table, NULL, shared);
    th_segment_builder *b = th_segment_builder_new_sharing(table, NULL, shared);
    th_buf image;
    th_buf_init(&image, 256 << 20);
    char text[96];
    CHECK_EQ_I64(th_segment_builder_add(b, TH_SLICE("{\"first\":1}"), TH_SLICE(""), false, 0),
                 TH_OK);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 9000; i++) {
            int size =
                snprintf(text, sizeof(text), "{\"k%u\":\"v\",\"n\":%u,\"eventName\":\"E%u\"}",
                         round * 9000 + i, i, i % 7);
            CHECK_EQ_I64(
                th_segment_builder_add(a, th_slice_of(text, (size_t)size), TH_SLICE(""), false, 0),
                TH_OK);
        }
        th_buf_clear(&image);
        CHECK_EQ_I64(th_segment_builder_finish(a, &image), TH_OK);
        th_segment *s;
        CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &s, NULL), TH_OK);
        th_arena *arena = th_arena_new(64 << 20, NULL);
        th_slice last, min, max;
        CHECK_EQ_I64(th_segment_records(s, 8999, 1, arena, &last), TH_OK);
        CHECK(th_slice_is(last, text));
        CHECK(th_segment_zone(s, "eventName", &min, &max));
        CHECK_SLICE(min, "E0");
        CHECK_SLICE(max, "E6");
        th_segment_close(s);
        th_arena_free(arena);
    }
    th_buf_clear(&image);
    CHECK_EQ_I64(th_segment_builder_finish(b, &image), TH_OK);
    th_segment_builder_free(a);
    th_segment_builder_free(b);
    th_segment_shaper_free(shared);
    th_buf_free(&image);
}

TEST_MAIN(hostile_records_come_back, a_shape_a_record)
