/* SPDX-License-Identifier: Apache-2.0
 * Images that an earlier build wrote are read as they were: tests/golden/segment-vN/NAME[-TIER].segment, with a line of
 * layout, tab, record for each row in NAME.records. (tests/golden/segment.test.py reads the columns without our code.) */
#include "base/buf.h"
#include "segment/segment.h"
#include "tests/unit/test.h"

static void read_file(const char *path, th_buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) FAIL("%s cannot be opened", path);
    th_buf_init(out, 64 << 20);
    uint8_t chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;) th_buf_add(out, chunk, n);
    fclose(file);
    CHECK_EQ_I64(th_buf_error(out), TH_OK);
}

static th_slice take_until(th_slice *rest, const char *end)
{
    size_t size = th_slice_find(*rest, th_slice_text(end));
    CHECK(size != SIZE_MAX);
    th_slice taken = {rest->bytes, size};
    *rest = (th_slice){rest->bytes + size + 1, rest->size - size - 1};
    return taken;
}

static void check_golden(const char *image_path, const char *records_path, th_table_id id)
{
    const th_stored_table *table = th_model_table((uint32_t)id);
    th_buf image, text;
    read_file(image_path, &image);
    read_file(records_path, &text);
    th_segment *s;
    th_diag diag = {0};
    CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &s, &diag), TH_OK);
    CHECK_EQ_I64(th_segment_verify(s, &diag), TH_OK);
    th_arena *arena = th_arena_new(64 << 20, NULL);
    uint32_t rows = th_segment_rows(s);
    th_slice *records = TH_NEW_ARRAY(arena, th_slice, rows);
    int64_t *times = TH_NEW_ARRAY(arena, int64_t, rows);
    CHECK_EQ_I64(th_segment_records(s, 0, rows, arena, records), TH_OK);
    CHECK_EQ_I64(th_segment_read_times(s, 0, rows, arena, times), TH_OK);
    th_slice rest = th_buf_slice(&text);
    for (uint32_t row = 0; row < rows; row++) {
        th_slice layout = take_until(&rest, "\t"), record = take_until(&rest, "\n");
        int64_t us;
        CHECK(th_slice_equal(th_segment_layout(s, row), layout));
        CHECK(th_slice_equal(records[row], record));
        CHECK(th_model_time(table, record, layout, &us));
        CHECK_EQ_I64(times[row], us);
    }
    CHECK_EQ_U64(rest.size, 0);
    th_segment_close(s);
    th_arena_free(arena);
    th_buf_free(&image);
    th_buf_free(&text);
}

TEST(version_1_of_json)
{
    check_golden("tests/golden/segment-v1/cloudtrail.segment",
                 "tests/golden/segment-v1/cloudtrail.records", TH_TABLE_cloudtrail);
}

TEST(version_1_of_lines)
{
    check_golden("tests/golden/segment-v1/vpc_flow.segment",
                 "tests/golden/segment-v1/vpc_flow.records", TH_TABLE_vpc_flow);
}

TEST(version_2_of_json_in_both_tiers)
{
    const char *records = "tests/golden/segment-v2/every.records";
    check_golden("tests/golden/segment-v2/every-fast.segment", records, TH_TABLE_cloudtrail);
    check_golden("tests/golden/segment-v2/every-compact.segment", records, TH_TABLE_cloudtrail);
}

TEST(version_2_of_lines_in_both_tiers)
{
    const char *records = "tests/golden/segment-v2/vpc_flow.records";
    check_golden("tests/golden/segment-v2/vpc_flow-fast.segment", records, TH_TABLE_vpc_flow);
    check_golden("tests/golden/segment-v2/vpc_flow-compact.segment", records, TH_TABLE_vpc_flow);
}

/* ---- what this build writes ---- */

static void write_image(const char *records_path, th_table_id id, th_segment_tier tier,
                        const char *name)
{
    const th_stored_table *table = th_model_table((uint32_t)id);
    th_segment_builder *builder = th_segment_builder_new(table, NULL);
    th_buf text, image;
    CHECK(builder != NULL);
    th_segment_builder_set_tier(builder, tier);
    read_file(records_path, &text);
    th_buf_init(&image, 64 << 20);
    for (th_slice rest = th_buf_slice(&text); rest.size > 0;) {
        th_slice layout = take_until(&rest, "\t"), record = take_until(&rest, "\n");
        int64_t us;
        CHECK(th_model_time(table, record, layout, &us));
        CHECK_EQ_I64(th_segment_builder_add(builder, record, layout, true, us), TH_OK);
    }
    CHECK_EQ_I64(th_segment_builder_finish(builder, &image), TH_OK);
    FILE *file = fopen(name, "wb");
    CHECK(file != NULL);
    CHECK_EQ_U64(fwrite(image.bytes, 1, image.size, file), image.size);
    fclose(file);
    th_segment_builder_free(builder);
    th_buf_free(&image);
    th_buf_free(&text);
}

/* For tests/golden/segment.test.py, which reads them with its reader of the version that they say they are. */
TEST(todays_images)
{
    const char *folder = getenv("TH_GOLDEN_OUT");
    static const char *const tiers[] = {"fast", "compact"};
    for (int tier = 0; folder != NULL && tier < 2; tier++) {
        char name[512];
        snprintf(name, sizeof(name), "%s/every-%s.segment", folder, tiers[tier]);
        write_image("tests/golden/segment-v2/every.records", TH_TABLE_cloudtrail,
                    (th_segment_tier)tier, name);
        snprintf(name, sizeof(name), "%s/vpc_flow-%s.segment", folder, tiers[tier]);
        write_image("tests/golden/segment-v2/vpc_flow.records", TH_TABLE_vpc_flow,
                    (th_segment_tier)tier, name);
    }
}

TEST_MAIN(version_1_of_json, version_1_of_lines, version_2_of_json_in_both_tiers,
          version_2_of_lines_in_both_tiers, todays_images)
