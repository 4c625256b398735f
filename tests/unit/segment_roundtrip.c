/* SPDX-License-Identifier: Apache-2.0
 * What goes into a segment comes out of it: records byte for byte, columns as the records say. */
#include "base/buf.h"
#include "base/limits.h"
#include "base/time.h"
#include "json/json.h"
#include "segment/segment.h"
#include "tests/unit/test.h"

typedef struct fixture {
    th_buf image;
    th_segment *segment;
    th_arena *arena;
    uint64_t bytes_read;
} fixture;

static th_segment_builder *new_builder(th_table_id table)
{
    th_segment_builder *b = th_segment_builder_new(th_model_table((uint32_t)table), NULL);
    CHECK(b != NULL);
    return b;
}

static void open_built(fixture *f, th_segment_builder *b)
{
    *f = (fixture){0};
    th_buf_init(&f->image, (size_t)1 << 30);
    CHECK_EQ_I64(th_segment_builder_finish(b, &f->image), TH_OK);
    th_segment_builder_free(b);
    th_diag diag = {0};
    th_err err = th_segment_open(th_buf_slice(&f->image), &f->segment, &diag);
    CHECK_EQ_STR(diag.text, "");
    CHECK_EQ_I64(err, TH_OK);
    CHECK_EQ_I64(th_segment_verify(f->segment, &diag), TH_OK);
    f->arena = th_arena_new((size_t)1 << 30, NULL);
    CHECK(f->arena != NULL);
}

static void close_built(fixture *f)
{
    th_segment_close(f->segment);
    th_arena_free(f->arena);
    th_buf_free(&f->image);
}

static void add(th_segment_builder *b, const char *record)
{
    CHECK_EQ_I64(th_segment_builder_add(b, th_slice_text(record), TH_SLICE(""), false, 0), TH_OK);
}

static th_slice cell(fixture *f, const char *path, uint32_t row, uint8_t *kind)
{
    th_segment_column c;
    CHECK_EQ_I64(th_segment_read_column(f->segment, path, row, 1, f->arena, &c, &f->bytes_read),
                 TH_OK);
    uint32_t at = c.codes == NULL ? 0 : c.codes[0];
    CHECK(at < c.value_count);
    *kind = c.kinds[at];
    return c.values[at];
}

#define CHECK_CELL(f, path, row, wanted_kind, wanted) \
    do {                                              \
        uint8_t kind_;                                \
        th_slice text_ = cell(f, path, row, &kind_);  \
        CHECK_EQ_I64(kind_, wanted_kind);             \
        CHECK_SLICE(text_, wanted);                   \
    } while (0)

TEST(records_come_back_byte_for_byte)
{
    static const char *const records[] = {
        "{ \"eventName\" :\t\"A\", \"eventName\":\"B\", \"n\": 1E2 }",
        "{}",
        "[1,2]",
        "\"text\"",
        "-0.0",
        " {\"a\":{}} ",
    };
    th_segment_builder *b = new_builder(TH_TABLE_cloudtrail);
    for (size_t i = 0; i < 6; i++) add(b, records[i]);
    CHECK_EQ_U64(th_segment_builder_rows(b), 6);
    fixture f;
    open_built(&f, b);
    CHECK_EQ_U64(th_segment_rows(f.segment), 6);
    th_slice out[6];
    CHECK_EQ_I64(th_segment_records(f.segment, 0, 6, f.arena, out), TH_OK);
    for (size_t i = 0; i < 6; i++)
        CHECK_EQ_BYTES(out[i].bytes, out[i].size, records[i], strlen(records[i]));
    CHECK_EQ_I64(th_segment_records(f.segment, 3, 1, f.arena, out), TH_OK);
    CHECK_SLICE(out[0], "\"text\"");
    close_built(&f);
}

TEST(cells_say_absent_null_text_or_json)
{
    th_segment_builder *b = new_builder(TH_TABLE_cloudtrail);
    add(b, "{\"eventName\":\"Get\\u0041\",\"readOnly\":true,\"errorCode\":null,\"userIdentity\":{"
           "\"type\":\"Root\"}}");
    add(b, "{\"eventName\":{\"x\": [1]},\"userIdentity\":\"nobody\"}");
    fixture f;
    open_built(&f, b);
    CHECK_CELL(&f, "eventName", 0, TH_CELL_STRING, "GetA");
    CHECK_CELL(&f, "eventName", 1, TH_CELL_JSON, "{\"x\": [1]}");
    CHECK_CELL(&f, "eventName.x", 1, TH_CELL_JSON, "[1]");
    CHECK_CELL(&f, "readOnly", 0, TH_CELL_JSON, "true");
    CHECK_CELL(&f, "errorCode", 0, TH_CELL_NULL, "");
    CHECK_CELL(&f, "errorCode", 1, TH_CELL_ABSENT, "");
    CHECK_CELL(&f, "userIdentity.type", 0, TH_CELL_STRING, "Root");
    CHECK_CELL(&f, "userIdentity.type", 1, TH_CELL_ABSENT, "");
    CHECK_CELL(&f, "userIdentity", 1, TH_CELL_STRING, "nobody");
    CHECK_CELL(&f, "userIdentity", 0, TH_CELL_JSON, "{\"type\":\"Root\"}");
    close_built(&f);
}

TEST(keys_match_exactly_first_and_without_case_next)
{
    th_segment_builder *b = new_builder(TH_TABLE_cloudtrail);
    add(b,
        "{\"EVENTNAME\":\"shout\",\"userIdentity\":{\"ARN\":\"a\",\"arn\":\"b\",\"arn\":\"c\"}}");
    add(b, "{\"EVENTNAME\":\"shout\",\"eventName\":\"said\"}");
    add(b, "{\"eventName\":\"Said\",\"USERIDENTITY\":{\"arn\":\"x\"},\"userIdentity\":{}}");
    fixture f;
    open_built(&f, b);
    CHECK_CELL(&f, "eventName", 0, TH_CELL_STRING, "shout");
    CHECK_CELL(&f, "eventname", 1, TH_CELL_STRING, "said");
    CHECK_CELL(&f, "=eventName", 0, TH_CELL_ABSENT, "");
    CHECK_CELL(&f, "=eventName", 1, TH_CELL_STRING, "said");
    CHECK_CELL(&f, "=EVENTNAME", 1, TH_CELL_STRING, "shout");
    CHECK_CELL(&f, "userIdentity.arn", 0, TH_CELL_STRING, "b");
    CHECK_CELL(&f, "useridentity.ARN", 0, TH_CELL_STRING, "b");
    CHECK_CELL(&f, "=userIdentity.ARN", 0, TH_CELL_STRING, "a");
    CHECK_CELL(&f, "userIdentity.arn", 2, TH_CELL_ABSENT, "");
    close_built(&f);
}

TEST(alternatives_take_the_first_that_is_there)
{
    th_segment_builder *b = new_builder(TH_TABLE_config_items);
    add(b, "{\"accountId\":\"1\",\"version\":\"1.3\",\"tags\":{\"k\":\"v\"}}");
    add(b, "{\"accountId\":\"1\",\"awsAccountId\":\"2\"}");
    add(b, "{\"accountId\":\"1\",\"awsAccountId\":null}");
    fixture f;
    open_built(&f, b);
    CHECK_CELL(&f, "awsAccountId|accountId", 0, TH_CELL_STRING, "1");
    CHECK_CELL(&f, "awsAccountId|accountId", 1, TH_CELL_STRING, "2");
    CHECK_CELL(&f, "awsAccountId|accountId", 2, TH_CELL_STRING, "1");
    CHECK_CELL(&f, "accountId", 1, TH_CELL_STRING, "1");
    CHECK_CELL(&f, "tags.z|tags.k", 0, TH_CELL_STRING, "v");
    close_built(&f);
}

TEST(line_fields_follow_the_layout_of_their_row)
{
    th_segment_builder *b = new_builder(TH_TABLE_vpc_flow);
    static const char first[] = "version account-id srcaddr bytes action",
                      second[] = "bytes az-id version";
    CHECK_EQ_I64(th_segment_builder_add(b, TH_SLICE("2 1 10.0.0.1 00 ACCEPT"), th_slice_text(first),
                                        true, 5),
                 TH_OK);
    CHECK_EQ_I64(
        th_segment_builder_add(b, TH_SLICE("77 use1-az1 -"), th_slice_text(second), true, 6),
        TH_OK);
    CHECK_EQ_I64(th_segment_builder_add(b, TH_SLICE("2 1"), th_slice_text(first), false, 0), TH_OK);
    fixture f;
    open_built(&f, b);
    CHECK_CELL(&f, "bytes", 0, TH_CELL_STRING, "00");
    CHECK_CELL(&f, "bytes", 1, TH_CELL_STRING, "77");
    CHECK_CELL(&f, "bytes", 2, TH_CELL_ABSENT, "");
    CHECK_CELL(&f, "version", 1, TH_CELL_NULL, "");
    CHECK_CELL(&f, "account_id", 0, TH_CELL_STRING, "1");
    CHECK_CELL(&f, "az-id", 1, TH_CELL_STRING, "use1-az1");
    CHECK_CELL(&f, "az-id", 0, TH_CELL_ABSENT, "");
    CHECK_SLICE(th_segment_layout(f.segment, 0), "version account-id srcaddr bytes action");
    CHECK_SLICE(th_segment_layout(f.segment, 1), "bytes az-id version");
    CHECK_SLICE(th_segment_layout(f.segment, 2), "version account-id srcaddr bytes action");
    int64_t first_us, last_us, times[3];
    CHECK(th_segment_times(f.segment, &first_us, &last_us));
    CHECK_EQ_I64(first_us, 5);
    CHECK_EQ_I64(last_us, 6);
    CHECK_EQ_I64(th_segment_read_times(f.segment, 0, 3, f.arena, times), TH_OK);
    CHECK_EQ_I64(times[1], 6);
    CHECK_EQ_I64(times[2], INT64_MIN);
    close_built(&f);
}

/* Row i of the generated set: every encoding occurs, with texts that an encoding must refuse strewn in. */
static size_t make_row(uint32_t i, uint32_t strange, char *out, size_t size)
{
    char time[40];
    th_time_format_iso(
        INT64_C(1700000000000000) + (int64_t)i * 7000000 + (i % 13 == 0 ? 123000 : 0), time);
    const char *when = strange == 0 || i != strange ? time
                       : strange % 2 == 0           ? "2024-02-30T00:00:00Z"
                                                    : "2024-01-01 00:00:00.10Z";
    uint32_t r = (i * UINT32_C(2654435761)) ^ (i >> 7);
    int n = snprintf(
        out, size,
        "{\"eventTime\":\"%s\",\"eventName\":\"Op%u\",\"eventID\":\"%08x-0000-4000-8000-%012x\","
        "\"userAgent\":\"agent/%u %u\",\"awsRegion\":\"us-east-1\",\"eventVersion\":\"1.08\"%s%s}",
        when, i % 700, r, i, r, i, i % 3 == 0 ? ",\"errorCode\":\"AccessDenied\"" : "",
        i % 5 == 0 ? ",\"requestParameters\":{\"bucketName\":\"b\\u00e9\",\"x\":[1,2]}" : "");
    return (size_t)n;
}

static void check_rows(fixture *f, uint32_t rows, uint32_t strange)
{
    static const char *const paths[] = {"eventTime",
                                        "eventName",
                                        "eventID",
                                        "userAgent",
                                        "awsRegion",
                                        "errorCode",
                                        "requestParameters.bucketName",
                                        "requestParameters"};
    char text[512];
    for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
        th_segment_column all, part;
        th_arena_reset(f->arena);
        CHECK_EQ_I64(
            th_segment_read_column(f->segment, paths[p], 0, rows, f->arena, &all, &f->bytes_read),
            TH_OK);
        uint32_t begin = rows / 3, count = rows / 4;
        CHECK_EQ_I64(th_segment_read_column(f->segment, paths[p], begin, count, f->arena, &part,
                                            &f->bytes_read),
                     TH_OK);
        for (uint32_t i = 0; i < rows; i++) {
            th_slice record = th_slice_of(text, make_row(i, strange, text, sizeof(text)));
            th_slice raw = th_json_path(record, paths[p]);
            uint32_t at = all.codes == NULL ? i : all.codes[i];
            CHECK(at < all.value_count);
            if (raw.size == 0) {
                CHECK_EQ_I64(all.kinds[at], TH_CELL_ABSENT);
                continue;
            }
            th_slice wanted = raw.bytes[0] == '"' ? th_json_string(raw, f->arena) : raw;
            CHECK_EQ_BYTES(all.values[at].bytes, all.values[at].size, wanted.bytes, wanted.size);
            CHECK(th_segment_may_equal(f->segment, paths[p], wanted));
            if (i < begin || i >= begin + count) continue;
            uint32_t part_at = part.codes == NULL ? i - begin : part.codes[i - begin];
            CHECK(th_slice_equal(part.values[part_at], wanted));
        }
    }
}

static void build_rows(fixture *f, uint32_t rows, uint32_t strange)
{
    th_segment_builder *b = new_builder(TH_TABLE_cloudtrail);
    char text[512];
    for (uint32_t i = 0; i < rows; i++) {
        th_slice record = th_slice_of(text, make_row(i, strange, text, sizeof(text)));
        CHECK_EQ_I64(th_segment_builder_add(b, record, TH_SLICE(""), i % 2 == 0, (int64_t)i * 1000),
                     TH_OK);
    }
    open_built(f, b);
}

TEST(columns_equal_a_plain_look_up_in_the_records)
{
    static const uint32_t sizes[] = {1, 2, 17, 300, 5000};
    for (size_t i = 0; i < 5; i++) {
        fixture f;
        build_rows(&f, sizes[i], 0);
        check_rows(&f, sizes[i], 0);
        close_built(&f);
    }
}

TEST(a_text_that_does_not_fit_its_encoding_keeps_its_spelling)
{
    for (uint32_t strange = 1234; strange <= 1235; strange++) {
        fixture f;
        build_rows(&f, 3000, strange);
        check_rows(&f, 3000, strange);
        close_built(&f);
    }
}

TEST(numbers_keep_their_spelling)
{
    static const char *const strange[] = {"7", "007", "-0", "+5", "9223372036854775808", "1e3", ""};
    for (size_t k = 0; k < sizeof(strange) / sizeof(strange[0]); k++) {
        th_segment_builder *b = new_builder(TH_TABLE_vpc_flow);
        char text[64];
        for (uint32_t i = 0; i < 1000; i++) {
            snprintf(text, sizeof(text), i == 500 ? "%s -%u" : "%s%u", i == 500 ? strange[k] : "",
                     i);
            CHECK_EQ_I64(
                th_segment_builder_add(b, th_slice_text(text), TH_SLICE("bytes packets"), false, 0),
                TH_OK);
        }
        fixture f;
        open_built(&f, b);
        CHECK_CELL(&f, "bytes", 999, TH_CELL_STRING, "999");
        uint8_t kind;
        th_slice got = cell(&f, "bytes", 500, &kind);
        CHECK_EQ_BYTES(got.bytes, got.size, strange[k], strlen(strange[k]));
        CHECK_EQ_I64(kind, TH_CELL_STRING);
        CHECK_CELL(&f, "packets", 500, TH_CELL_STRING, "-500");
        CHECK_CELL(&f, "packets", 501, TH_CELL_ABSENT, "");
        close_built(&f);
    }
}

TEST(a_number_and_its_text_stay_apart)
{
    th_segment_builder *b = new_builder(TH_TABLE_config_items);
    char text[64];
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text),
                 i % 2 ? "{\"configurationStateId\":%u}" : "{\"configurationStateId\":\"%u\"}", i);
        add(b, text);
    }
    fixture f;
    open_built(&f, b);
    CHECK_CELL(&f, "configurationStateId", 600, TH_CELL_STRING, "600");
    CHECK_CELL(&f, "configurationStateId", 601, TH_CELL_JSON, "601");
    close_built(&f);
}

TEST(columns_are_counted_by_the_rows_read)
{
    fixture f;
    build_rows(&f, 5000, 0);
    th_segment_column c;
    uint64_t whole = 0, parts = 0, records = 0;
    CHECK_EQ_I64(th_segment_read_column(f.segment, "eventName", 0, 5000, f.arena, &c, &whole),
                 TH_OK);
    for (uint32_t i = 0; i < 5000; i += 1000)
        CHECK_EQ_I64(th_segment_read_column(f.segment, "eventName", i, 1000, f.arena, &c, &parts),
                     TH_OK);
    CHECK_EQ_U64(parts, whole);
    CHECK(whole > 0 && whole < 5000 * 3);
    CHECK_EQ_I64(
        th_segment_read_column(f.segment, "requestParameters", 0, 5000, f.arena, &c, &records),
        TH_OK);
    CHECK(records > 0 && records < whole); /* of each fifth row the same */
    close_built(&f);
}

TEST(zone_and_needles_prune_only_what_is_not_there)
{
    fixture f;
    build_rows(&f, 700, 0);
    th_slice min, max;
    CHECK(th_segment_zone(f.segment, "eventName", &min, &max));
    CHECK_SLICE(min, "Op0");
    CHECK_SLICE(max, "Op99");
    CHECK(th_segment_zone(f.segment, "awsRegion", &min, &max));
    CHECK_SLICE(max, "us-east-1");
    CHECK(!th_segment_zone(f.segment, "requestParameters", &min, &max));
    CHECK(!th_segment_zone(f.segment, "vpcEndpointId", &min, &max));
    CHECK(th_segment_may_equal(f.segment, "awsRegion", TH_SLICE("us-east-1")));
    CHECK(!th_segment_may_equal(f.segment, "awsRegion", TH_SLICE("us-east-2")));
    CHECK(!th_segment_may_equal(f.segment, "errorCode", TH_SLICE("AccessDenie")));
    CHECK(!th_segment_may_equal(f.segment, "vpcEndpointId", TH_SLICE("x")));
    CHECK(th_segment_may_equal(f.segment, "requestParameters", TH_SLICE("x")));
    close_built(&f);
}

TEST(an_empty_builder_makes_an_empty_segment_and_can_be_used_again)
{
    th_segment_builder *b = new_builder(TH_TABLE_cloudtrail);
    th_buf image;
    th_buf_init(&image, 1 << 20);
    CHECK_EQ_I64(th_segment_builder_finish(b, &image), TH_OK);
    th_segment *s;
    CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &s, NULL), TH_OK);
    CHECK_EQ_U64(th_segment_rows(s), 0);
    CHECK_EQ_I64(th_segment_verify(s, NULL), TH_OK);
    th_segment_close(s);
    th_buf_free(&image);
    add(b, "{\"eventName\":\"again\"}");
    fixture f;
    open_built(&f, b);
    CHECK_CELL(&f, "eventName", 0, TH_CELL_STRING, "again");
    close_built(&f);
}

TEST(a_builder_is_full_at_its_limits)
{
    th_segment_builder *b = new_builder(TH_TABLE_blobs);
    for (uint32_t i = 0; i < TH_SEGMENT_ROWS_MAX; i++)
        CHECK_EQ_I64(th_segment_builder_add(b, TH_SLICE("x"), TH_SLICE(""), false, 0), TH_OK);
    CHECK_EQ_I64(th_segment_builder_add(b, TH_SLICE("x"), TH_SLICE(""), false, 0), TH_ELIMIT);
    CHECK_EQ_U64(th_segment_builder_rows(b), TH_SEGMENT_ROWS_MAX);
    fixture f;
    open_built(&f, b);
    th_slice last;
    CHECK_EQ_I64(th_segment_records(f.segment, TH_SEGMENT_ROWS_MAX - 1, 1, f.arena, &last), TH_OK);
    CHECK_SLICE(last, "x");
    close_built(&f);

    b = new_builder(TH_TABLE_blobs);
    size_t size = TH_RECORD_SIZE_MAX;
    uint8_t *big = calloc(1, size);
    for (uint32_t i = 0; i < TH_SEGMENT_RAW_MAX / TH_RECORD_SIZE_MAX; i++)
        CHECK_EQ_I64(th_segment_builder_add(b, th_slice_of(big, size), TH_SLICE(""), false, 0),
                     TH_OK);
    CHECK_EQ_I64(th_segment_builder_add(b, TH_SLICE("x"), TH_SLICE(""), false, 0), TH_ELIMIT);
    free(big);
    open_built(&f, b);
    CHECK_EQ_U64(th_segment_raw_bytes(f.segment), TH_SEGMENT_RAW_MAX);
    CHECK(f.image.size < TH_SEGMENT_RAW_MAX / 100);
    close_built(&f);
}

TEST(a_builder_stays_within_its_budget)
{
    th_budget budget;
    th_budget_init(&budget, "test", 4 << 20, NULL);
    th_segment_builder *b = th_segment_builder_new(th_model_table(TH_TABLE_cloudtrail), &budget);
    th_err err = TH_OK;
    uint32_t rows = 0;
    char text[512];
    for (; err == TH_OK && rows < 60000; rows++) {
        th_slice record = th_slice_of(text, make_row(rows, 0, text, sizeof(text)));
        err = th_segment_builder_add(b, record, TH_SLICE(""), false, 0);
    }
    CHECK_EQ_I64(err, TH_ELIMIT);
    CHECK_EQ_U64(th_segment_builder_rows(b), rows - 1);
    CHECK(rows > 1000);
    fixture f;
    open_built(&f, b);
    CHECK_EQ_U64(th_budget_used(&budget), 0);
    check_rows(&f, rows - 1, 0);
    close_built(&f);
}

/* A builder weighs an image of whole records by giving up its columns: nothing of them may be left for the next image. */
TEST(a_builder_starts_anew_after_every_image)
{
    static const uint32_t sizes[] = {5000, 1, 4097, 2, 100, 1};
    for (int tier = 0; tier < 2; tier++) {
        th_segment_builder *b = new_builder(TH_TABLE_cloudtrail);
        th_segment_builder_set_tier(b, tier == 0 ? TH_TIER_FAST : TH_TIER_COMPACT);
        uint32_t number = 0;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char text[128];
            for (uint32_t k = 0; k < sizes[i]; k++, number++) {
                snprintf(text, sizeof(text), "{\"n\":%u,\"eventID\":\"id-%u\"}", number,
                         number * 7);
                add(b, text);
            }
            th_buf image;
            th_segment *s;
            th_diag diag = {0};
            th_slice last;
            th_arena *arena = th_arena_new(64 << 20, NULL);
            th_buf_init(&image, (size_t)1 << 30);
            CHECK_EQ_I64(th_segment_builder_finish(b, &image), TH_OK);
            CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &s, &diag), TH_OK);
            CHECK_EQ_I64(th_segment_records(s, sizes[i] - 1, 1, arena, &last), TH_OK);
            CHECK(th_slice_is(last, text));
            th_segment_close(s);
            th_arena_free(arena);
            th_buf_free(&image);
        }
        th_segment_builder_free(b);
    }
}

TEST_MAIN(a_builder_starts_anew_after_every_image, records_come_back_byte_for_byte,
          cells_say_absent_null_text_or_json, keys_match_exactly_first_and_without_case_next,
          alternatives_take_the_first_that_is_there, line_fields_follow_the_layout_of_their_row,
          columns_equal_a_plain_look_up_in_the_records,
          a_text_that_does_not_fit_its_encoding_keeps_its_spelling, numbers_keep_their_spelling,
          a_number_and_its_text_stay_apart, columns_are_counted_by_the_rows_read,
          zone_and_needles_prune_only_what_is_not_there,
          an_empty_builder_makes_an_empty_segment_and_can_be_used_again,
          a_builder_is_full_at_its_limits, a_builder_stays_within_its_budget)
