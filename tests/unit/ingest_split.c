/* SPDX-License-Identifier: Apache-2.0
 * What a content is cut into: which bytes are records of which table, and what is refused where. */
#include "tests/unit/test.h"

#include "ingest/split.h"

enum { PIECES_MAX = 5000 };
static ingest_piece pieces[PIECES_MAX];
static char reasons[PIECES_MAX][160];
static char texts[PIECES_MAX][2000];
static size_t piece_count;
static uint64_t last_end;

static th_err collect(void *ctx, const ingest_piece *piece)
{
    th_slice content = *(th_slice *)ctx;
    CHECK(piece_count < PIECES_MAX);
    CHECK(piece->offset >= last_end);
    CHECK(piece->offset + piece->size <= content.size);
    last_end = piece->offset + piece->size;
    ingest_piece *p = &pieces[piece_count];
    *p = *piece;
    snprintf(reasons[piece_count], sizeof(reasons[0]), "%s",
             piece->reason == NULL ? "" : piece->reason);
    p->reason = reasons[piece_count];
    if (piece->kind == INGEST_RECORD) CHECK(piece->record.bytes == content.bytes + piece->offset);
    snprintf(texts[piece_count], sizeof(texts[0]), "%.*s", TH_SLICE_ARGS(piece->record));
    p->record = th_slice_text(texts[piece_count]);
    piece_count++;
    return TH_OK;
}

static ingest_split_result split_as(const char *text, size_t size, const char *source)
{
    th_slice content = th_slice_of(text, size);
    ingest_split_result result;
    piece_count = 0;
    last_end = 0;
    CHECK_EQ_I64(ingest_split(content, ingest_recogniser_find(source), collect, &content, &result),
                 TH_OK);
    return result;
}

static ingest_split_result split(const char *text)
{
    return split_as(text, strlen(text), NULL);
}

/* One letter a piece: table of a record (c, d, g, f = findings, i = Config item, v, n = dns, e = EKS, s = S3 access, a =
 * ALB, w = WAF, l = log event), or - for refused. */
static const char *shape(void)
{
    static char out[PIECES_MAX + 1];
    for (size_t i = 0; i < piece_count; i++) {
        static const char letters[] = {'?', 'c', 'd', 'i', 'f', 'g', 'v',
                                       'n', 'e', 's', 'a', 'w', 'l'};
        out[i] = pieces[i].kind == INGEST_REFUSED ? '-' : letters[pieces[i].recogniser];
    }
    out[piece_count] = '\0';
    return out;
}

#define CT(id)                                                                                    \
    "{\"eventName\":\"A\",\"eventSource\":\"s3.amazonaws.com\",\"eventTime\":\"2024-01-31T12:00:" \
    "00Z\",\"eventID\":\"" id "\"}"
#define ASFF                                                                                   \
    "{\"SchemaVersion\":\"2018-10-08\",\"Id\":\"x\",\"ProductArn\":\"arn:p\",\"GeneratorId\":" \
    "\"g\",\"AwsAccountId\":\"1\"}"
#define GUARD "{\"accountId\":\"1\",\"id\":\"i\",\"type\":\"T\",\"severity\":5,\"service\":{}}"
#define ITEM                                                                                     \
    "{\"resourceType\":\"AWS::S3::Bucket\",\"configurationItemCaptureTime\":\"2024-01-31T12:00:" \
    "00.000Z\"}"

TEST(log_file_has_records_in_delivered_form)
{
    ingest_split_result r = split("{\"Records\":[" CT("1") "," CT("2") "]}");
    CHECK_EQ_STR(shape(), "cc");
    CHECK_EQ_STR(r.form, "records");
    CHECK_EQ_U64(r.records, 2);
    CHECK(pieces[0].delivered_form);
    CHECK_SLICE(pieces[1].record, CT("2"));
    CHECK_EQ_U64(pieces[0].offset, strlen("{\"Records\":["));
}

TEST(nothing_in_it_is_fine)
{
    static const char *const texts_of_nothing[] = {
        "", " \n", "{\"Records\":[]}", "{\"Records\": [ ] }\n", "[]", "\xEF\xBB\xBF[]"};
    for (size_t i = 0; i < sizeof(texts_of_nothing) / sizeof(char *); i++) {
        ingest_split_result r = split(texts_of_nothing[i]);
        CHECK_EQ_U64(r.records, 0);
        CHECK_EQ_U64(r.refused, 0);
    }
}

TEST(bare_array_lines_and_concatenated)
{
    CHECK_EQ_STR(split(CT("1")).form, "object");
    CHECK(!pieces[0].delivered_form);
    CHECK_EQ_STR(split("[" CT("1") " , " CT("2") "]").form, "array");
    CHECK_EQ_STR(shape(), "cc");
    CHECK_EQ_STR(split(CT("1") "\n" CT("2") "\r\n\n" CT("3")).form, "documents");
    CHECK_EQ_STR(shape(), "ccc");
    split(CT("1") CT("2"));
    CHECK_EQ_STR(shape(), "cc");
    split("{\"Records\":[" CT("1") "]}{\"Records\":[" CT("2") "]}");
    CHECK_EQ_STR(shape(), "cc");
    split("\xEF\xBB\xBF" CT("1"));
    CHECK_EQ_STR(shape(), "c");
    CHECK_EQ_U64(pieces[0].offset, 3);
    split("[[{\"Records\":[" CT("1") "]}," CT("2") "]]");
    CHECK_EQ_STR(shape(), "cc");
    CHECK(!pieces[0].delivered_form);
}

TEST(event_names_alone_do_not_make_cloudtrail)
{
    /* S3 notifications and stream records come as Records with eventName, eventTime and eventSource, too. */
    split("{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\",\"eventName\":"
          "\"ObjectCreated:Put\","
          "\"eventTime\":\"2024-01-31T12:00:00Z\"}]}");
    CHECK_EQ_STR(shape(), "-");
    split("{\"eventName\":\"A\",\"eventSource\":\"s3.amazonaws.com\",\"awsService\":\"S3\"}");
    CHECK_EQ_STR(shape(), "-");
    split("{\"eventName\":[\"A\"],\"eventSource\":[\"s3.amazonaws.com\"],\"eventID\":\"1\"}");
    CHECK_EQ_STR(shape(), "-");
    split("{\"eventID\":\"1\",\"eventType\":\"AwsCloudTrailInsight\",\"insightDetails\":{}}");
    CHECK_EQ_STR(shape(), "c");
}

TEST(lookup_events_record_is_the_decoded_text)
{
    split("{\"Events\":[{\"EventId\":\"1\",\"CloudTrailEvent\":\"{\\\"eventName\\\":\\\"A\\\","
          "\\\"eventSource\\\":\\\"s\\\","
          "\\\"eventID\\\":\\\"1\\\"}\"}],\"NextToken\":\"n\"}");
    CHECK_EQ_STR(shape(), "c");
    CHECK_EQ_I64(pieces[0].kind, INGEST_ESCAPED);
    CHECK_SLICE(pieces[0].record, "{\"eventName\":\"A\",\"eventSource\":\"s\",\"eventID\":\"1\"}");
    ingest_split_result r = split("{\"EventId\":\"1\",\"CloudTrailEvent\":\"not json\"}");
    CHECK_EQ_STR(shape(), "-");
    CHECK_EQ_U64(r.refused, 1);
}

TEST(eventbridge_and_notifications)
{
    CHECK_EQ_STR(
        split("{\"version\":\"0\",\"detail-type\":\"AWS API Call via CloudTrail\",\"detail\":" CT(
                  "1") "}")
            .form,
        "eventbridge");
    CHECK_SLICE(pieces[0].record, CT("1"));
    split("{\"detail-type\":\"GuardDuty Finding\",\"detail\":" GUARD "}");
    CHECK_EQ_STR(shape(), "g");
    split("{\"detail-type\":\"Security Hub Findings - Imported\",\"detail\":{\"findings\":[" ASFF
          "," ASFF "]}}");
    CHECK_EQ_STR(shape(), "ff");
    split("{\"detail-type\":\"Config Configuration Item "
          "Change\",\"detail\":{\"messageType\":\"x\",\"configurationItem\":" ITEM "}}");
    CHECK_EQ_STR(shape(), "i");
    split("{\"configurationItemDiff\":null,\"configurationItem\":" ITEM "}");
    CHECK_EQ_STR(shape(), "i");
    split("{\"detail-type\":\"EC2 Instance State-change "
          "Notification\",\"detail\":{\"state\":\"running\"}}");
    CHECK_EQ_STR(shape(), "-");
}

TEST(other_formats)
{
    CHECK_EQ_STR(
        split("{\"fileVersion\":\"1.0\",\"configSnapshotId\":\"u\",\"configurationItems\":[" ITEM
              "," ITEM "]}")
            .form,
        "config-file");
    CHECK_EQ_STR(shape(), "ii");
    split("{\"findings\":[" ASFF "," GUARD ",{\"findingArn\":\"a\"}]}");
    CHECK_EQ_STR(shape(), "fg-");
    split("{\"Findings\":[" ASFF "]}");
    CHECK_EQ_STR(shape(), "f");
    split("{\"digestEndTime\":\"2024-01-31T12:00:00Z\",\"digestS3Object\":\"k\",\"logFiles\":[]}");
    CHECK_EQ_STR(shape(), "d");
}

TEST(flow_lines_keep_their_ends)
{
    ingest_split_result r = split("version account-id interface-id action\r\n2 1 eni-1 "
                                  "ACCEPT\r\n\r\n2 1 eni-1\r\n2 1 eni-2 -");
    CHECK_EQ_STR(shape(), "v-v");
    CHECK_EQ_STR(r.form, "lines");
    CHECK_SLICE(pieces[0].record, "2 1 eni-1 ACCEPT");
    CHECK_SLICE(pieces[0].layout, "version account-id interface-id action");
    CHECK_SLICE(pieces[2].record, "2 1 eni-2 -");
    split(
        "2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 50000 6 1 40 1600000000 1600000060 ACCEPT OK\n"
        "2 123456789012 eni-1 - - - - - - - 1600000000 1600000060 - NODATA\n");
    CHECK_EQ_STR(shape(), "vv");
    CHECK_EQ_U64(ingest_split((th_slice){0}, INGEST_vpc_flow, collect, NULL, &r), TH_OK);
    split("some words of no format\n");
    CHECK_EQ_STR(shape(), "-");
}

#define FLOW \
    "2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 50000 6 1 40 1600000000 1600000060 ACCEPT OK"
#define DNS                                                                                        \
    "{\"version\":\"1.100000\",\"account_id\":\"1\",\"query_timestamp\":\"2024-01-31T12:00:00Z\"," \
    "\"query_name\":\"example.com.\",\"query_type\":\"A\",\"rcode\":\"NOERROR\"}"
#define EKS                                                  \
    "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/"     \
    "v1\",\"auditID\":\"a\",\"stage\":\"ResponseComplete\"," \
    "\"verb\":\"get\"}"
#define WAF                                                                                 \
    "{\"timestamp\":1679548657700,\"webaclId\":\"arn:aws:wafv2:us-east-1:1:x\",\"action\":" \
    "\"ALLOW\","                                                                            \
    "\"httpRequest\":{\"clientIp\":\"203.0.113.1\"}}"
#define S3_LINE                                                                                 \
    "79a5 logs [06/Feb/2019:00:00:38 +0000] 203.0.113.1 79a5 3E57 REST.GET.OBJECT a.txt \"GET " \
    "/logs/a.txt "                                                                              \
    "HTTP/1.1\" 200 - 113 113 7 6 \"-\" \"curl \"x\" y\" - s9lz= SigV4 TLS AuthHeader h TLSv1.2"
#define ALB_LINE                                                                                  \
    "https 2022-07-05T04:47:50.273035Z app/lb/1 203.0.113.1:65301 10.0.0.1:80 0.001 0.000 0.000 " \
    "404 404 "                                                                                    \
    "472 696 \"GET https://h:443/ HTTP/1.1\" \"curl/7\" TLS TLSv1.2 arn:tg \"Root=1\" \"h\" "     \
    "\"arn:c\" 0 "                                                                                \
    "2022-07-05T04:47:50.271000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"404\" \"-\" \"-\""
#define LOG_EVENT(id, message) \
    "{\"id\":\"" id "\",\"timestamp\":1700000000000,\"message\":\"" message "\"}"
#define SUBSCRIPTION(events)                                                       \
    "{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"1\",\"logGroup\":\"/aws/eks/c/" \
    "cluster\",\"logStream\":"                                                     \
    "\"s\",\"subscriptionFilters\":[\"f\"],\"logEvents\":[" events "]}"

TEST(a_damaged_flow_line_costs_itself)
{
    split(FLOW "\n" FLOW " OK\n" FLOW "\n");
    CHECK_EQ_STR(shape(), "v-v");
    split("dstport srcport end start account-id\n443 1 1600000060 1600000000 123456789012\n");
    CHECK_EQ_STR(shape(), "v");
    CHECK_SLICE(pieces[0].layout, "dstport srcport end start account-id");
}

TEST(json_logs_of_requests)
{
    CHECK_EQ_STR(split(DNS "\n" DNS "\n{\"broken\n" DNS "\n").form, "documents");
    CHECK_EQ_STR(shape(), "nn-n");
    split(WAF "\n" WAF);
    CHECK_EQ_STR(shape(), "ww");
    split(EKS "\n{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"auditID\":\"a\",\"stage\":\"b\"}\n");
    CHECK_EQ_STR(shape(), "e-");
    CHECK_EQ_STR(
        split("{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"items\":[" EKS "]}")
            .form,
        "items");
    CHECK_EQ_STR(shape(), "e");
}

TEST(access_log_lines_name_their_layout)
{
    CHECK_EQ_STR(
        split(S3_LINE "\r\n" S3_LINE " - Yes us-east-1 new\n79a5 logs [06/Fe\n" S3_LINE).form,
        "lines");
    CHECK_EQ_STR(shape(), "ss-s");
    CHECK_SLICE(pieces[0].record, S3_LINE);
    CHECK_SLICE(th_model_line_field(pieces[0].record, pieces[0].layout, TH_SLICE("useragent")),
                "curl \"x\" y");
    CHECK_SLICE(th_model_line_field(pieces[1].record, pieces[1].layout, TH_SLICE("aclrequired")),
                "Yes");
    CHECK_EQ_STR(pieces[2].reason, "not a line of an S3 server access log");
    split("cut off\n" ALB_LINE "\n" ALB_LINE " TID_1\n");
    CHECK_EQ_STR(shape(), "-aa");
    CHECK_SLICE(th_model_line_field(pieces[2].record, pieces[2].layout, TH_SLICE("conn_trace_id")),
                "TID_1");
    CHECK_SLICE(th_model_line_field(pieces[2].record, pieces[2].layout, TH_SLICE("client_port")),
                "65301");
    split_as(S3_LINE, strlen(S3_LINE), "alb");
    CHECK_EQ_STR(shape(), "-");
    split_as(S3_LINE, strlen(S3_LINE), "s3_access_logs");
    CHECK_EQ_STR(shape(), "s");
    split("http \xff\n" ALB_LINE "\n");
    CHECK_EQ_STR(pieces[0].reason, "not valid UTF-8");
}

TEST(log_events_hold_records_or_are_records)
{
    ingest_split_result r = split(SUBSCRIPTION(LOG_EVENT(
        "1",
        "{\\\"kind\\\":\\\"Event\\\",\\\"apiVersion\\\":\\\"audit.k8s.io/v1\\\","
        "\\\"auditID\\\":\\\"a\\\",\\\"stage\\\":\\\"s\\\"}") "," LOG_EVENT("2",
                                                                            FLOW) "," LOG_EVENT("3",
                                                                                                FLOW
                                                                                                "\\"
                                                                                                "n") "," LOG_EVENT("4",
                                                                                                                   "time=\\\"x\\\" level=info") "," LOG_EVENT("5",
                                                                                                                                                              "{\\\"a\\\":1}")));
    CHECK_EQ_STR(shape(), "evvll");
    CHECK_EQ_STR(r.form, "log-events");
    CHECK_EQ_I64(pieces[0].kind, INGEST_ESCAPED);
    CHECK_SLICE(pieces[0].record, "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\","
                                  "\"auditID\":\"a\",\"stage\":\"s\"}");
    CHECK_EQ_I64(pieces[1].kind, INGEST_ESCAPED);
    CHECK_SLICE(pieces[1].record, FLOW);
    CHECK(th_slice_starts(pieces[1].layout, TH_SLICE("version account-id ")));
    CHECK_EQ_I64(pieces[3].kind, INGEST_RECORD);
    CHECK_SLICE(pieces[3].record, LOG_EVENT("4", "time=\\\"x\\\" level=info"));
    /* Firehose joins payloads without anything between them. */
    split(SUBSCRIPTION(LOG_EVENT("1", "a")) SUBSCRIPTION(LOG_EVENT("2", FLOW)));
    CHECK_EQ_STR(shape(), "lv");
    split("{\"events\":[{\"logStreamName\":\"s\",\"timestamp\":1,\"message\":\"m\",\"eventId\":"
          "\"3\"}],"
          "\"nextToken\":\"t\"}");
    CHECK_EQ_STR(shape(), "l");
    /* Alone it could be anybody's. */
    split(LOG_EVENT("1", "a"));
    CHECK_EQ_STR(shape(), "-");
    split(LOG_EVENT("1", FLOW));
    CHECK_EQ_STR(shape(), "v");
    static const char one[] = SUBSCRIPTION(LOG_EVENT("2", FLOW));
    split_as(one, strlen(one), "cloudwatch_logs");
    CHECK_EQ_STR(shape(), "l");
    split_as(one, strlen(one), "eks");
    CHECK_EQ_STR(shape(), "-");
}

TEST(log_exports_have_a_time_before_each_message)
{
    static const char text[] =
        "2023-01-01T00:00:00.000Z " CT("1") "\n"
                                            "2023-01-01T00:00:01.000Z " EKS "\r\n"
                                            "2023-01-01T00:00:02.000Z " FLOW "\n"
                                            "2023-01-01T00:00:03.000Z time=x\n  more of it\n"
                                            "2023-01-01T00:00:04.000Z {\"broken\n"
                                            "2023-01-01T00:00:05.000Z " DNS "\n";
    CHECK_EQ_STR(split(text).form, "log-export");
    CHECK_EQ_STR(shape(), "cev---n");
    CHECK_SLICE(pieces[0].record, CT("1"));
    CHECK_SLICE(pieces[2].record, FLOW);
    CHECK_EQ_STR(pieces[4].reason, "no known record format");
    split("2023-01-01T00:00:03.000Z only words\n2023-01-01T00:00:04.000Z and more\n");
    CHECK_EQ_STR(shape(), "-");
}

TEST(a_file_cut_off_gives_the_records_before)
{
    split("{\"Records\":[" CT("1") "," CT("2") ",{\"eventName\":\"A");
    CHECK_EQ_STR(shape(), "cc-");
    CHECK_EQ_U64(pieces[2].offset, strlen("{\"Records\":[" CT("1") "," CT("2") ","));
    CHECK(strstr(pieces[2].reason, "not valid JSON at byte") != NULL);
    split("{\"Records\":[" CT("1") ",");
    CHECK_EQ_STR(shape(), "c-");
    CHECK_EQ_U64(pieces[1].size, 0);
    split("{\"Records\":[" CT("1") " " CT("2") "]}");
    CHECK_EQ_STR(shape(), "c-");
    split("{\"Records\":[" CT("1") "],\"more\":tru");
    CHECK_EQ_STR(shape(), "c-");
}

TEST(of_lines_only_the_bad_one_is_refused)
{
    split(CT("1") "\n{\"broken\n" CT("2") "\n");
    CHECK_EQ_STR(shape(), "c-c");
    CHECK_EQ_U64(pieces[1].size, strlen("{\"broken"));
    split("{\"broken\n" CT("2") "\n");
    CHECK_EQ_STR(shape(), "-c");
    split("garbage\n" CT("2") "\n");
    CHECK_EQ_STR(shape(), "-c");
}

TEST(a_content_without_records_is_refused_whole)
{
    ingest_split_result r = split("[{\"a\":1},{\"b\":2},3]\n");
    CHECK_EQ_STR(shape(), "-");
    CHECK_EQ_U64(r.refused, 1);
    CHECK_EQ_U64(pieces[0].size, strlen("[{\"a\":1},{\"b\":2},3]\n"));
    CHECK_EQ_STR(pieces[0].reason, "no known record format");
    split("{\"a\":1");
    CHECK(strstr(pieces[0].reason, "not valid JSON at byte") != NULL);
}

TEST(strange_records_do_not_take_the_others_along)
{
    split("[" CT("1") ",{\"eventName\":\"\xff\"}," CT("2") "]");
    CHECK_EQ_STR(shape(), "c-c");
    CHECK_EQ_STR(pieces[1].reason, "not valid UTF-8");
    char deep[2000] = "[" CT("1") ",{\"eventName\":";
    size_t at = strlen(deep);
    memset(deep + at, '[', 200);
    memset(deep + at + 200, ']', 200);
    snprintf(deep + at + 400, sizeof(deep) - at - 400, "}," CT("2") "]");
    split(deep);
    CHECK_EQ_STR(shape(), "c-c");
    CHECK_EQ_STR(pieces[1].reason, "nested deeper than 128 levels");
}

TEST(too_many_refusals_are_joined)
{
    static char text[40000] = "[" CT("1");
    size_t at = strlen(text);
    for (int i = 0; i < 3000; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, ",{\"a\":1}");
    snprintf(text + at, sizeof(text) - at, "]");
    split(text);
    CHECK_EQ_U64(piece_count, 1001);
    CHECK_EQ_U64(pieces[1000].offset + pieces[1000].size, strlen(text) - 1);
}

TEST(damage_on_every_line_costs_no_square)
{
    enum { LINES = 200000 };
    char *text = malloc(LINES * 8 + 4);
    memcpy(text, "{}\n", 3); /* a good line: so the others are judged one by one */
    for (int i = 0; i < LINES; i++) memcpy(text + 3 + i * 8, "{\"ab\":[\n", 9);
    ingest_split_result r = split(text);
    free(text);
    CHECK_EQ_U64(r.records, 0);
    CHECK_EQ_U64(r.refused, 1);
}

TEST(a_record_past_the_limit_is_refused)
{
    size_t size = 16u << 20;
    char *text = malloc(size + 400);
    size_t at = (size_t)snprintf(
        text, 200, "[" CT("1") ",{\"eventName\":\"A\",\"eventSource\":\"s\",\"eventID\":\"");
    memset(text + at, 'x', size);
    snprintf(text + at + size, 200, "\"}," CT("2") "]");
    split(text);
    free(text);
    CHECK_EQ_STR(shape(), "c-c");
    CHECK_EQ_STR(pieces[1].reason, "larger than a record may be (16 MiB)");
}

TEST(a_forced_source_takes_only_its_own)
{
    static const char mixed[] = "[" CT("1") "," ITEM "]";
    split_as(mixed, strlen(mixed), "config");
    CHECK_EQ_STR(shape(), "-i");
    split_as(mixed, strlen(mixed), "vpc_flow");
    CHECK_EQ_STR(shape(), "-");
    CHECK_EQ_I64(ingest_recogniser_find("auto"), INGEST_AUTO);
    CHECK_EQ_I64(ingest_recogniser_find("no such"), INGEST_RECOGNISER_COUNT);
}

TEST_MAIN(log_file_has_records_in_delivered_form, nothing_in_it_is_fine,
          bare_array_lines_and_concatenated, event_names_alone_do_not_make_cloudtrail,
          lookup_events_record_is_the_decoded_text, eventbridge_and_notifications, other_formats,
          flow_lines_keep_their_ends, a_damaged_flow_line_costs_itself, json_logs_of_requests,
          access_log_lines_name_their_layout, log_events_hold_records_or_are_records,
          log_exports_have_a_time_before_each_message, a_file_cut_off_gives_the_records_before,
          of_lines_only_the_bad_one_is_refused, a_content_without_records_is_refused_whole,
          strange_records_do_not_take_the_others_along, too_many_refusals_are_joined,
          damage_on_every_line_costs_no_square, a_record_past_the_limit_is_refused,
          a_forced_source_takes_only_its_own)
