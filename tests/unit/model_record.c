/* SPDX-License-Identifier: Apache-2.0
 * Time, day, identity and account are functions of a record's bytes. */
#include "base/time.h"
#include "model/model.h"
#include "tests/unit/test.h"

static const th_stored_table *table_of(th_table_id id)
{
    return th_model_table((uint32_t)id);
}

/* Event time as ISO text; "none". */
static const char *time_of(th_table_id id, const char *record, const char *layout)
{
    static char text[40];
    int64_t us;
    if (!th_model_time(table_of(id), th_slice_text(record), th_slice_text(layout), &us))
        return "none";
    th_time_format_iso(us, text);
    return text;
}

TEST(cloudtrail_time_is_event_time)
{
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "{\"eventTime\":\"2023-07-10T12:00:01Z\"}", ""),
                 "2023-07-10T12:00:01Z");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "{\"EventTime\":\"2022-02-08 09:23:37+11:00\"}", ""),
                 "2022-02-07T22:23:37Z");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "{\"eventTime\":1436317441.5}", ""),
                 "2015-07-08T01:04:01.500Z");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "{\"eventTime\":\"1436317441.0\"}", ""),
                 "2015-07-08T01:04:01Z");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "{\"eventTime\":1.436317441E9}", ""),
                 "2015-07-08T01:04:01Z");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "{\"eventTime\":\"2023-02-30T00:00:00Z\"}", ""),
                 "none");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "{\"eventTime\":null}", ""), "none");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudtrail, "[1]", ""), "none");
}

TEST(other_sources_have_their_own_time_field)
{
    CHECK_EQ_STR(time_of(TH_TABLE_config_items,
                         "{\"configurationItemCaptureTime\":\"2022-02-21T18:46:35.200Z\"}", ""),
                 "2022-02-21T18:46:35.200Z");
    CHECK_EQ_STR(
        time_of(TH_TABLE_config_items, "{\"configurationItemCaptureTime\":1645469195.2}", ""),
        "2022-02-21T18:46:35.200Z");
    CHECK_EQ_STR(
        time_of(TH_TABLE_config_items, "{\"configurationItemCaptureTime\":1645469195200}", ""),
        "2022-02-21T18:46:35.200Z");
    CHECK_EQ_STR(time_of(TH_TABLE_guardduty, "{\"updatedAt\":\"2020-02-14T18:12:22.316Z\"}", ""),
                 "2020-02-14T18:12:22.316Z");
    CHECK_EQ_STR(time_of(TH_TABLE_guardduty, "{\"UpdatedAt\":\"2020-02-14T18:12:22.316Z\"}", ""),
                 "2020-02-14T18:12:22.316Z");
    CHECK_EQ_STR(time_of(TH_TABLE_findings_events,
                         "{\"CreatedAt\":\"x\",\"UpdatedAt\":\"2021-11-01T09:48:48Z\"}", ""),
                 "2021-11-01T09:48:48Z");
    CHECK_EQ_STR(time_of(TH_TABLE_objects, "{\"arrival\":\"2026-01-01T00:00:00.000001Z\"}", ""),
                 "2026-01-01T00:00:00.000001Z");
    CHECK_EQ_STR(time_of(TH_TABLE_objects, "{\"arrival\":1767225600000001}", ""),
                 "2026-01-01T00:00:00.000001Z");
    CHECK_EQ_STR(time_of(TH_TABLE_blobs, "bytes", ""), "none");
}

TEST(logs_of_requests_have_their_own_time_fields)
{
    CHECK_EQ_STR(time_of(TH_TABLE_dns, "{\"query_timestamp\":\"2023-04-11T01:29:20Z\"}", ""),
                 "2023-04-11T01:29:20Z");
    CHECK_EQ_STR(time_of(TH_TABLE_dns, "{\"query_timestamp\":\"2023-04-11 01:29:20\"}", ""),
                 "2023-04-11T01:29:20Z");
    CHECK_EQ_STR(time_of(TH_TABLE_eks_audit,
                         "{\"requestReceivedTimestamp\":\"2022-11-29T00:09:04.380000Z\","
                         "\"stageTimestamp\":\"2022-11-30T00:00:00Z\"}",
                         ""),
                 "2022-11-29T00:09:04.380Z");
    CHECK_EQ_STR(time_of(TH_TABLE_eks_audit, "{\"stageTimestamp\":\"2022-11-30T00:00:00Z\"}", ""),
                 "2022-11-30T00:00:00Z");
    CHECK_EQ_STR(time_of(TH_TABLE_eks_audit,
                         "{\"requestReceivedTimestamp\":\"soon\","
                         "\"stageTimestamp\":\"2022-11-30T00:00:00Z\"}",
                         ""),
                 "none");
    CHECK_EQ_STR(time_of(TH_TABLE_waf, "{\"timestamp\":1679548657700}", ""),
                 "2023-03-23T05:17:37.700Z");
    CHECK_EQ_STR(time_of(TH_TABLE_cloudwatch_logs, "{\"timestamp\":1679548657700}", ""),
                 "2023-03-23T05:17:37.700Z");
    const char *web = "bucket [requestdatetime]";
    CHECK_EQ_STR(time_of(TH_TABLE_s3_access, "b [06/Feb/2019:00:00:38 +0000]", web),
                 "2019-02-06T00:00:38Z");
    CHECK_EQ_STR(time_of(TH_TABLE_s3_access, "b [31/Dec/2019:23:30:00 -0130]", web),
                 "2020-01-01T01:00:00Z");
    CHECK_EQ_STR(time_of(TH_TABLE_s3_access, "b [31/Foo/2019:23:30:00 +0000]", web), "none");
    CHECK_EQ_STR(time_of(TH_TABLE_s3_access, "b [31/Feb/2019:23:30:00 +0000]", web), "none");
    CHECK_EQ_STR(time_of(TH_TABLE_s3_access, "b -", web), "none");
    CHECK_EQ_STR(time_of(TH_TABLE_alb, "h2 2022-07-05T04:47:50.273035Z", "type time"),
                 "2022-07-05T04:47:50.273035Z");
    CHECK_EQ_STR(time_of(TH_TABLE_alb, "h2 1679548657", "type time"), "none");
}

TEST(flow_lines_have_the_time_that_their_layout_names)
{
    const char *layout = "version account-id start end";
    CHECK_EQ_STR(time_of(TH_TABLE_vpc_flow, "2 123456789012 1418530010 1418530070", layout),
                 "2014-12-14T04:06:50Z");
    CHECK_EQ_STR(time_of(TH_TABLE_vpc_flow, "2 123456789012 - 1418530070", layout), "none");
    CHECK_EQ_STR(time_of(TH_TABLE_vpc_flow, "2 123456789012", layout), "none");
    CHECK_EQ_STR(time_of(TH_TABLE_vpc_flow, "1418530010", "end"), "none");
}

TEST(absurd_times_are_undated)
{
    int64_t us;
    CHECK(th_time_parse_iso(TH_SLICE("1989-12-31T23:59:59Z"), &us));
    CHECK_EQ_I64(th_model_day(true, us), TH_DAY_UNDATED);
    CHECK(th_time_parse_iso(TH_SLICE("1990-01-01T00:00:00Z"), &us));
    CHECK_EQ_I64(th_model_day(true, us), th_day_from_civil(1990, 1, 1));
    CHECK(th_time_parse_iso(TH_SLICE("2200-12-31T23:59:59Z"), &us));
    CHECK_EQ_I64(th_model_day(true, us), th_day_from_civil(2200, 12, 31));
    CHECK(th_time_parse_iso(TH_SLICE("2201-01-01T00:00:00Z"), &us));
    CHECK_EQ_I64(th_model_day(true, us), TH_DAY_UNDATED);
    CHECK_EQ_I64(th_model_day(false, us), TH_DAY_UNDATED);
}

static const uint8_t content_a[32] = {1}, content_b[32] = {2};

static bool identity(th_table_id id, const char *record, const uint8_t *content, uint64_t ordinal,
                     th_buf *out)
{
    th_buf_init(out, 1 << 20);
    return th_model_identity(table_of(id), th_slice_text(record), TH_SLICE(""), content, ordinal,
                             out);
}

static bool same_identity(th_table_id id, const char *a, const char *b)
{
    th_buf left, right;
    CHECK(identity(id, a, content_a, 0, &left));
    CHECK(identity(id, b, content_b, 1, &right));
    bool same = th_slice_equal(th_buf_slice(&left), th_buf_slice(&right));
    CHECK(left.size > 0 && right.size > 0);
    th_buf_free(&left);
    th_buf_free(&right);
    return same;
}

static bool has_identity(th_table_id id, const char *record)
{
    th_buf out;
    bool has = identity(id, record, content_a, 0, &out);
    CHECK(has || out.size == 0);
    th_buf_free(&out);
    return has;
}

TEST(an_event_is_the_same_whatever_else_its_copy_says)
{
    CHECK(same_identity(TH_TABLE_cloudtrail,
                        "{\"eventID\":\"e1\",\"recipientAccountId\":\"1\",\"x\":1}",
                        "{ \"recipientAccountId\":\"1\", \"eventID\":\"e1\" }"));
    CHECK(!same_identity(TH_TABLE_cloudtrail, "{\"eventID\":\"e1\",\"recipientAccountId\":\"1\"}",
                         "{\"eventID\":\"e1\",\"recipientAccountId\":\"2\"}"));
    /* fields keep their borders */
    CHECK(!same_identity(TH_TABLE_cloudtrail, "{\"eventID\":\"1e1\",\"recipientAccountId\":\"1\"}",
                         "{\"eventID\":\"e1\",\"recipientAccountId\":\"11\"}"));
    CHECK(!has_identity(TH_TABLE_cloudtrail, "{\"eventID\":\"e1\"}"));
    CHECK(!has_identity(TH_TABLE_cloudtrail, "{\"eventID\":\"\",\"recipientAccountId\":\"1\"}"));
    CHECK(!has_identity(TH_TABLE_cloudtrail, "[]"));
    CHECK(!has_identity(TH_TABLE_cloudtrail_digests, "{\"awsAccountId\":\"1\"}"));
}

TEST(a_version_is_the_same_only_with_the_same_bytes)
{
    const char *item =
        "{\"awsAccountId\":\"1\",\"resourceType\":\"T\",\"resourceId\":\"i\","
        "\"configurationItemCaptureTime\":\"2022-02-21T18:46:35.200Z\",\"configurationStateId\":7}";
    const char *blank =
        "{\"awsAccountId\":\"1\",\"resourceType\":\"T\",\"resourceId\":\"i\", "
        "\"configurationItemCaptureTime\":\"2022-02-21T18:46:35.200Z\",\"configurationStateId\":7}";
    CHECK(same_identity(TH_TABLE_config_items, item, item));
    CHECK(!same_identity(TH_TABLE_config_items, item, blank));
    CHECK(!has_identity(TH_TABLE_config_items, "{\"resourceType\":\"T\",\"resourceId\":\"i\"}"));
    CHECK(has_identity(TH_TABLE_guardduty, "{\"arn\":\"a\",\"updatedAt\":\"t\"}"));
    CHECK(has_identity(TH_TABLE_guardduty, "{\"Arn\":\"a\",\"UpdatedAt\":\"t\"}"));
    CHECK(!has_identity(TH_TABLE_guardduty, "{\"arn\":\"a\"}"));
    CHECK(has_identity(TH_TABLE_findings_events,
                       "{\"ProductArn\":\"p\",\"Id\":\"i\",\"UpdatedAt\":\"t\"}"));
    CHECK(!has_identity(TH_TABLE_findings_events, "{\"ProductArn\":\"p\",\"Id\":\"i\"}"));
    CHECK(!has_identity(TH_TABLE_finding_evidence, "{\"finding\":\"f\"}"));
}

TEST(an_audit_event_is_a_stage_of_a_request)
{
    const char *received = "{\"auditID\":\"a\",\"stage\":\"RequestReceived\"}";
    CHECK(same_identity(TH_TABLE_eks_audit, received,
                        "{\"stage\":\"RequestReceived\",\"auditID\":\"a\",\"x\":1}"));
    CHECK(!same_identity(TH_TABLE_eks_audit, received,
                         "{\"auditID\":\"a\",\"stage\":\"ResponseComplete\"}"));
    CHECK(!has_identity(TH_TABLE_eks_audit, "{\"auditID\":\"a\"}"));
}

TEST(a_log_event_is_known_by_its_id)
{
    const char *delivered = "{\"id\":\"37\",\"timestamp\":1,\"message\":\"m\"}";
    CHECK(same_identity(TH_TABLE_cloudwatch_logs, delivered,
                        "{\"eventId\":\"37\",\"message\":\"m\",\"ingestionTime\":2}"));
    CHECK(!same_identity(TH_TABLE_cloudwatch_logs, delivered, "{\"id\":\"38\"}"));
    CHECK(!has_identity(TH_TABLE_cloudwatch_logs, "{\"id\":\"\",\"message\":\"m\"}"));
    CHECK(!has_identity(TH_TABLE_cloudwatch_logs, "{\"message\":\"m\"}"));
}

TEST(equal_lines_at_two_places_are_two_facts)
{
    CHECK(!same_identity(TH_TABLE_dns, "{\"query_name\":\"a\"}", "{\"query_name\":\"a\"}"));
    CHECK(!same_identity(TH_TABLE_waf, "{}", "{}"));
    CHECK(!same_identity(TH_TABLE_vpc_flow, "2 1 eni", "2 1 eni"));
    th_buf first, again;
    CHECK(identity(TH_TABLE_vpc_flow, "2 1 eni", content_a, 9, &first));
    CHECK(identity(TH_TABLE_vpc_flow, "2 1 eni", content_a, 9, &again));
    CHECK(th_slice_equal(th_buf_slice(&first), th_buf_slice(&again)));
    th_buf_free(&first);
    th_buf_free(&again);
    CHECK(identity(TH_TABLE_contents, "x", content_a, 0, &first));
    CHECK(identity(TH_TABLE_contents, "y", content_a, 1, &again));
    CHECK(th_slice_equal(th_buf_slice(&first), th_buf_slice(&again)));
    th_buf_free(&first);
    th_buf_free(&again);
    CHECK(identity(TH_TABLE_objects, "{}", content_a, 0, &first));
    CHECK_EQ_U64(first.size, 0);
    th_buf_free(&first);
}

static th_slice account(th_table_id id, const char *record, const char *layout)
{
    return th_model_account(table_of(id), th_slice_text(record), th_slice_text(layout));
}

TEST(account_of_a_record)
{
    CHECK_SLICE(account(TH_TABLE_cloudtrail,
                        "{\"recipientAccountId\":\"1\",\"userIdentity\":{\"accountId\":\"2\"}}",
                        ""),
                "1");
    CHECK_SLICE(account(TH_TABLE_cloudtrail, "{\"userIdentity\":{\"accountId\":\"2\"}}", ""), "2");
    CHECK_SLICE(account(TH_TABLE_cloudtrail, "{\"userIdentity\":null}", ""), "");
    CHECK_SLICE(account(TH_TABLE_config_items, "{\"accountId\":\"3\"}", ""), "3");
    CHECK_SLICE(account(TH_TABLE_findings_events, "{\"AwsAccountId\":\"4\"}", ""), "4");
    CHECK_SLICE(account(TH_TABLE_guardduty, "{\"accountId\":\"5\"}", ""), "5");
    CHECK_SLICE(account(TH_TABLE_vpc_flow, "2 6", "version account-id"), "6");
    CHECK_SLICE(account(TH_TABLE_vpc_flow, "2 -", "version account_id"), "");
    CHECK_SLICE(account(TH_TABLE_dns, "{\"account_id\":\"7\"}", ""), "7");
    CHECK_SLICE(account(TH_TABLE_waf,
                        "{\"webaclId\":\"arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/b\"}",
                        ""),
                "123456789012");
    CHECK_SLICE(account(TH_TABLE_waf, "{\"webaclId\":\"b1b2\"}", ""), "");
    CHECK_SLICE(account(TH_TABLE_s3_access, "79a5 b", "bucketowner bucket_name"), "");
    CHECK_SLICE(account(TH_TABLE_contents, "{\"accountId\":\"5\"}", ""), "");
}

TEST(line_fields_are_blank_separated)
{
    th_slice fields[4];
    CHECK_EQ_U64(th_model_line_fields(TH_SLICE("a  c\r\n"), fields, 4), 3);
    CHECK_SLICE(fields[1], "");
    CHECK_SLICE(fields[2], "c");
    CHECK_EQ_U64(th_model_line_fields(TH_SLICE("a b c d e"), fields, 4), 4);
    CHECK_EQ_U64(th_model_line_fields(TH_SLICE("\n"), fields, 4), 0);
    CHECK_EQ_U64(th_model_layout_index(TH_SLICE("version Account-ID"), TH_SLICE("account_id")), 1);
    CHECK_EQ_U64(th_model_layout_index(TH_SLICE("version"), TH_SLICE("")), UINT32_MAX);
}

TEST_MAIN(cloudtrail_time_is_event_time, other_sources_have_their_own_time_field,
          logs_of_requests_have_their_own_time_fields,
          flow_lines_have_the_time_that_their_layout_names, absurd_times_are_undated,
          an_event_is_the_same_whatever_else_its_copy_says,
          a_version_is_the_same_only_with_the_same_bytes, an_audit_event_is_a_stage_of_a_request,
          a_log_event_is_known_by_its_id, equal_lines_at_two_places_are_two_facts,
          account_of_a_record, line_fields_are_blank_separated)
