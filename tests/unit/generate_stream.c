/* SPDX-License-Identifier: Apache-2.0
 * Whole runs: each record is JSON of its kind, event ids repeat only where a delivery does, the size is met, the same
 * options give the same bytes and another seed no token of the first. */
#include "base/map.h"
#include "generate/generate.h"
#include "json/json.h"
#include "tests/unit/test.h"

#define RUN_MAX (64u << 20)
#define DEPTH_MAX 32

static th_err collect(void *ctx, th_slice bytes, th_diag *diag)
{
    (void)diag;
    th_buf_add_slice(ctx, bytes);
    return TH_OK;
}

static th_err generate(uint64_t seed, uint32_t accounts, uint32_t days, uint64_t bytes,
                       const char *sources, th_buf *out, th_generate_summary *summary)
{
    th_diag diag = {0};
    th_generate_options options = {.seed = seed,
                                   .accounts = accounts,
                                   .days = days,
                                   .start_day = TH_GENERATE_START_DAY,
                                   .bytes = bytes,
                                   .level = 1,
                                   .write = collect,
                                   .ctx = out};
    th_buf_init(out, RUN_MAX);
    th_err err = th_generate_parse_sources(sources, options.share, &diag);
    return err == TH_OK ? th_generate(&options, summary, &diag) : err;
}

static bool next_line(th_slice *rest, th_slice *line)
{
    if (rest->size == 0) return false;
    const uint8_t *end = memchr(rest->bytes, '\n', rest->size);
    CHECK(end != NULL);
    *line = th_slice_of(rest->bytes, (size_t)(end - rest->bytes));
    *rest = th_slice_of(end + 1, rest->size - line->size - 1);
    return true;
}

static uint32_t check_lines(th_slice all, const char *const *members)
{
    th_slice line, value;
    uint32_t count = 0;
    while (next_line(&all, &line)) {
        count++;
        CHECK_EQ_I64(th_json_document(line, DEPTH_MAX, &value, NULL), TH_OK);
        for (const char *const *m = members; *m != NULL; m++)
            CHECK(th_json_kind_of(th_json_member(value, th_slice_text(*m))) != TH_JSON_NONE);
    }
    return count;
}

TEST(every_record_is_valid_and_of_its_kind)
{
    static const struct {
        const char *source;
        const char *members[12];
    } rows[] = {
        {"cloudtrail",
         {"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion",
          "sourceIPAddress", "requestParameters", "responseElements", "eventID",
          "recipientAccountId", NULL}},
        {"dns",
         {"version", "account_id", "query_timestamp", "query_name", "rcode", "srcids", NULL}},
        {"config",
         {"configurationItemVersion", "resourceType", "resourceId", "configuration", "ARN",
          "awsAccountId", NULL}},
        {"findings",
         {"SchemaVersion", "Id", "ProductArn", "GeneratorId", "Resources", "Severity", NULL}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        th_buf out;
        th_generate_summary summary;
        CHECK_EQ_I64(generate(3, 5, 4, 2000000, rows[i].source, &out, &summary), TH_OK);
        CHECK_EQ_I64(check_lines(th_buf_slice(&out), rows[i].members), (int64_t)summary.records);
        CHECK_EQ_I64((int64_t)(out.size - summary.records), (int64_t)summary.record_bytes);
        CHECK(summary.record_bytes > 1990000 && summary.record_bytes < 2060000);
        th_buf_free(&out);
    }
}

TEST(flow_logs_have_a_header_and_fourteen_fields)
{
    th_buf out;
    th_generate_summary summary;
    CHECK_EQ_I64(generate(3, 5, 4, 1000000, "vpc_flow", &out, &summary), TH_OK);
    th_slice rest = th_buf_slice(&out), line;
    CHECK(next_line(&rest, &line) && th_slice_starts(line, TH_SLICE("version account-id ")));
    while (next_line(&rest, &line)) {
        uint32_t blanks = 0;
        for (size_t i = 0; i < line.size; i++) blanks += line.bytes[i] == ' ';
        CHECK_EQ_I64(blanks, 13);
        CHECK(th_slice_starts(line, TH_SLICE("2 ")));
    }
    th_buf_free(&out);
}

/* What stands at `path` in the lines, into the map: value, the line's offset. `again` sees what was there before. */
static void collect_values(th_slice all, const char *path, th_map *map,
                           void (*again)(th_slice a, th_slice b))
{
    th_slice rest = all, line;
    while (next_line(&rest, &line)) {
        th_slice value = th_json_path(line, path);
        uint64_t offset = (uint64_t)(line.bytes - all.bytes);
        bool added = false;
        if (value.size <= 2) continue;
        uint64_t *first = th_map_put(map, value, offset, &added);
        CHECK(first != NULL);
        if (added || again == NULL) continue;
        th_slice before = th_slice_of(all.bytes + *first, all.size - *first), line_before;
        CHECK(next_line(&before, &line_before));
        again(line_before, line);
    }
}

static void must_be_equal(th_slice a, th_slice b)
{
    CHECK(th_slice_equal(a, b));
}

/* A record that comes twice is the same record. */
TEST(ids_are_fresh_but_for_second_deliveries)
{
    th_buf out;
    th_generate_summary summary;
    th_arena *arena = th_arena_new(256u << 20, NULL);
    th_map *ids = th_map_new(arena);
    CHECK_EQ_I64(generate(3, 5, 4, 24000000, "cloudtrail", &out, &summary), TH_OK);
    collect_values(th_buf_slice(&out), "eventID", ids, must_be_equal);
    CHECK(th_map_count(ids) < summary.records);
    CHECK(th_map_count(ids) > summary.records - summary.records / 500);
    th_buf_free(&out);
    th_arena_free(arena);
}

TEST(credentials_of_a_session_come_back)
{
    th_buf out;
    th_generate_summary summary;
    th_arena *arena = th_arena_new(256u << 20, NULL);
    th_map *keys = th_map_new(arena);
    CHECK_EQ_I64(generate(3, 2, 4, 4000000, "cloudtrail", &out, &summary), TH_OK);
    collect_values(th_buf_slice(&out), "userIdentity.accessKeyId", keys, NULL);
    CHECK(th_map_count(keys) > 100 && th_map_count(keys) < summary.records / 2);
    th_buf_free(&out);
    th_arena_free(arena);
}

TEST(two_seeds_share_no_token)
{
    static const char *const paths[] = {"eventID",
                                        "requestID",
                                        "sharedEventID",
                                        "userIdentity.accessKeyId",
                                        "userIdentity.principalId",
                                        "additionalEventData.x-amz-id-2",
                                        "recipientAccountId"};
    th_buf a, b;
    th_generate_summary summary;
    CHECK_EQ_I64(generate(21, 3, 3, 2000000, "cloudtrail", &a, &summary), TH_OK);
    CHECK_EQ_I64(generate(22, 3, 3, 2000000, "cloudtrail", &b, &summary), TH_OK);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        th_arena *arena = th_arena_new(256u << 20, NULL);
        th_map *of_a = th_map_new(arena), *of_b = th_map_new(arena);
        collect_values(th_buf_slice(&a), paths[i], of_a, NULL);
        collect_values(th_buf_slice(&b), paths[i], of_b, NULL);
        CHECK(th_map_count(of_a) > 2);
        for (size_t k = 0; k < th_map_count(of_a); k++) {
            th_slice key = th_map_key_at(of_a, k);
            /* The vendor that scans accounts is the same company everywhere. */
            bool vendor = th_slice_is(key, "\"AROA4N6KTVQXWJ2Z7RMHD:scanner\"");
            CHECK(vendor || th_map_get(of_b, key) == NULL);
        }
        th_arena_free(arena);
    }
    th_buf_free(&a);
    th_buf_free(&b);
}

TEST(the_seed_decides_everything)
{
    th_buf a, b, c;
    th_generate_summary summary;
    CHECK_EQ_I64(generate(8, 3, 3, 800000, "cloudtrail,dns,config,findings", &a, &summary), TH_OK);
    CHECK_EQ_I64(generate(8, 3, 3, 800000, "cloudtrail,dns,config,findings", &b, &summary), TH_OK);
    CHECK_EQ_I64(generate(9, 3, 3, 800000, "cloudtrail,dns,config,findings", &c, &summary), TH_OK);
    CHECK(th_slice_equal(th_buf_slice(&a), th_buf_slice(&b)));
    CHECK(!th_slice_equal(th_buf_slice(&a), th_buf_slice(&c)));
    th_buf_free(&a);
    th_buf_free(&b);
    th_buf_free(&c);
}

TEST(small_wholes_and_many_accounts)
{
    th_buf out;
    th_generate_summary summary;
    CHECK_EQ_I64(generate(1, 1, 1, 1, "cloudtrail", &out, &summary), TH_OK);
    th_buf_free(&out);
    CHECK_EQ_I64(generate(1, 400, 60, 300000, "cloudtrail", &out, &summary), TH_OK);
    CHECK(summary.record_bytes > 290000 && summary.record_bytes < 320000);
    th_buf_free(&out);
}

TEST(what_cannot_be_is_refused)
{
    th_buf out;
    th_generate_summary summary;
    CHECK_EQ_I64(generate(1, 0, 1, 1000, "cloudtrail", &out, &summary), TH_EINVAL);
    CHECK_EQ_I64(generate(1, TH_GENERATE_ACCOUNTS_MAX + 1, 1, 1000, "cloudtrail", &out, &summary),
                 TH_EINVAL);
    CHECK_EQ_I64(generate(1, 1, 0, 1000, "cloudtrail", &out, &summary), TH_EINVAL);
    CHECK_EQ_I64(generate(1, 1, 1, 0, "cloudtrail", &out, &summary), TH_EINVAL);
    CHECK_EQ_I64(generate(1, 1, 1, 1000, "cloudtrail,vpc_flow", &out, &summary), TH_EINVAL);
    th_buf_free(&out);
}

static bool stop(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return false;
}

TEST(a_run_can_be_stopped)
{
    th_buf out;
    th_diag diag = {0};
    th_generate_summary summary;
    th_buf_init(&out, RUN_MAX);
    th_generate_options options = {.seed = 1,
                                   .accounts = 1,
                                   .days = 1,
                                   .start_day = TH_GENERATE_START_DAY,
                                   .bytes = 1000000,
                                   .level = 1,
                                   .write = collect,
                                   .ctx = &out,
                                   .progress = stop,
                                   .share = {1}};
    CHECK_EQ_I64(th_generate(&options, &summary, &diag), TH_ECANCELED);
    th_buf_free(&out);
}

TEST_MAIN(every_record_is_valid_and_of_its_kind, flow_logs_have_a_header_and_fourteen_fields,
          ids_are_fresh_but_for_second_deliveries, credentials_of_a_session_come_back,
          two_seeds_share_no_token, the_seed_decides_everything, small_wholes_and_many_accounts,
          what_cannot_be_is_refused, a_run_can_be_stopped)
