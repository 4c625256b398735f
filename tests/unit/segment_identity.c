/* SPDX-License-Identifier: Apache-2.0
 * Byte identity: bent records come back exactly from fast and from compact segments, in order and one by one.
 * TH_BENT_RECORDS and TH_BENT_SEED make it as long as one likes (tests/soak/identity); TH_BENT_CANARY (fast, compact)
 * changes one byte of one record that this tier hands back, to see that it is noticed. */
#include "base/hash.h"
#include "base/limits.h"
#include "segment/segment.h"
#include "tests/unit/bent.h"
#include "tests/unit/test.h"

enum { RECORDS_IF_UNSET = 12000, ONE_BY_ONE = 40 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

/* Hash of every record that went in, by row. */
static uint64_t went_in[TH_SEGMENT_ROWS_MAX];

static uint32_t fill(bent *h, th_segment_builder *builder, uint64_t most, th_buf *record,
                     bool *pending)
{
    uint32_t rows = 0;
    while (rows < most) {
        if (!*pending) bent_record(h, record);
        th_slice bytes = th_buf_slice(record);
        bool has_time = bytes.size % 3 != 0;
        th_err err = th_segment_builder_add(builder, bytes, TH_SLICE(""), has_time,
                                            (int64_t)bytes.size * 1000);
        *pending = err == TH_ELIMIT;
        if (*pending) break;
        CHECK_EQ_I64(err, TH_OK);
        went_in[rows++] = th_xxh3(bytes);
    }
    return rows;
}

/* What the tier hands back, or a changed copy of it when the canary is in that tier. */
static th_slice handed_back(th_slice record, th_segment_tier tier, uint32_t row, uint32_t rows)
{
    static uint8_t changed[64u << 20];
    const char *canary = getenv("TH_BENT_CANARY");
    const char *name = tier == TH_TIER_FAST ? "fast" : "compact";
    if (canary == NULL || strcmp(canary, name) != 0 || row != rows / 2) return record;
    CHECK(record.size > 0 && record.size <= sizeof changed);
    memcpy(changed, record.bytes, record.size);
    changed[record.size / 2] ^= 1;
    return (th_slice){.bytes = changed, .size = record.size};
}

static void compare_all(const th_segment *segment, th_segment_tier tier, uint32_t rows)
{
    th_segment_cursor *cursor;
    CHECK_EQ_I64(th_segment_cursor_open(segment, 0, NULL, &cursor), TH_OK);
    uint32_t row = 0;
    for (;;) {
        const th_slice *records;
        uint32_t count;
        CHECK_EQ_I64(th_segment_cursor_next(cursor, 2000, &records, &count), TH_OK);
        if (count == 0) break;
        CHECK(row + count <= rows);
        for (uint32_t i = 0; i < count; i++, row++) {
            th_slice record = handed_back(records[i], tier, row, rows);
            CHECK_EQ_U64(th_xxh3(record), went_in[row]);
        }
    }
    th_segment_cursor_close(cursor);
    CHECK_EQ_U64(row, rows);
}

static void compare_some(bent *h, const th_segment *segment, uint32_t rows)
{
    th_arena *arena = th_arena_new((size_t)1 << 30, NULL);
    CHECK(arena != NULL);
    for (uint32_t i = 0; i < ONE_BY_ONE; i++) {
        uint32_t row = (uint32_t)(bent_next(h) % rows);
        th_slice record;
        CHECK_EQ_I64(th_segment_records(segment, row, 1, arena, &record), TH_OK);
        CHECK_EQ_U64(th_xxh3(record), went_in[row]);
        int64_t time_us;
        CHECK_EQ_I64(th_segment_read_times(segment, row, 1, arena, &time_us), TH_OK);
        CHECK_EQ_I64(time_us, record.size % 3 != 0 ? (int64_t)record.size * 1000 : INT64_MIN);
        th_arena_reset(arena);
    }
    th_arena_free(arena);
}

static void round_trip(th_segment_tier tier)
{
    uint64_t left = setting("TH_BENT_RECORDS", RECORDS_IF_UNSET), segments = 0;
    bent h, picks;
    bent_init(&h, setting("TH_BENT_SEED", 1));
    bent_init(&picks, 7);
    th_buf record, image;
    th_buf_init(&record, 64u << 20);
    th_buf_init(&image, (size_t)1 << 30);
    th_segment_builder *builder = th_segment_builder_new(th_model_table(TH_TABLE_cloudtrail), NULL);
    CHECK(builder != NULL);
    th_segment_builder_set_tier(builder, tier);
    bool pending = false;
    while (left > 0) {
        uint64_t most = segments % 3 == 0 ? TH_SEGMENT_ROWS_MAX : 1 + bent_next(&picks) % 5000;
        uint32_t rows = fill(&h, builder, most < left ? most : left, &record, &pending);
        left -= rows;
        th_buf_clear(&image);
        CHECK_EQ_I64(th_segment_builder_finish(builder, &image), TH_OK);
        th_segment *segment;
        th_diag diag = {0};
        CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &segment, &diag), TH_OK);
        CHECK_EQ_U64(th_segment_rows(segment), rows);
        CHECK_EQ_I64(th_segment_tier_of(segment), tier);
        compare_all(segment, tier, rows);
        compare_some(&picks, segment, rows);
        th_segment_close(segment);
        if (++segments % 10 == 0) {
            fprintf(stderr, "%llu records left\n", (unsigned long long)left);
        }
    }
    th_segment_builder_free(builder);
    th_buf_free(&image);
    th_buf_free(&record);
}

TEST(bent_records_come_back_from_fast_segments)
{
    round_trip(TH_TIER_FAST);
}

TEST(bent_records_come_back_from_compact_segments)
{
    round_trip(TH_TIER_COMPACT);
}

TEST_MAIN(bent_records_come_back_from_fast_segments, bent_records_come_back_from_compact_segments)
