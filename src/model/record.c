/* SPDX-License-Identifier: Apache-2.0
 * Time, day, identity and account of one record: functions of its bytes alone. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/time.h"
#include "json/json.h"
#include "model/model_private.h"

#define EPOCH_MS_FROM \
    INT64_C(100000000000) /* numbers from here on are milliseconds (seconds would be year 5138) */
#define EPOCH_US_FROM INT64_C(100000000000000) /* and from here on microseconds */

/* Epoch time as decimal text: seconds with a fraction, milliseconds or microseconds by size. */
static bool parse_epoch(th_slice s, int64_t *us)
{
    size_t dot = th_slice_find(s, TH_SLICE("."));
    th_slice whole = {s.bytes, dot == SIZE_MAX ? s.size : dot};
    int64_t v;
    if (!th_slice_to_i64(whole, &v) || v < -EPOCH_MS_FROM || v > EPOCH_MS_FROM * 1000000)
        return false;
    int64_t unit = v >= EPOCH_US_FROM ? 1 : v >= EPOCH_MS_FROM ? 1000 : TH_US_PER_SECOND;
    int64_t fraction = 0, weight = unit;
    for (size_t i = whole.size + 1; i < s.size; i++) {
        if (s.bytes[i] < '0' || s.bytes[i] > '9') return false;
        weight /= 10;
        fraction += (s.bytes[i] - '0') * weight;
    }
    *us = v * unit + (s.size > 0 && s.bytes[0] == '-' ? -fraction : fraction);
    return true;
}

/* 1.436317441E9, as some serialisers write it. */
static bool parse_exponent(th_slice s, int64_t *us)
{
    char text[40];
    if (s.size >= sizeof(text) || s.size == 0) return false;
    for (size_t i = 0; i < s.size; i++)
        if (memchr("0123456789.eE+-", s.bytes[i], 15) == NULL) return false;
    memcpy(text, s.bytes, s.size);
    text[s.size] = '\0';
    char *end;
    double v = strtod(text, &end);
    if (*end != '\0' || !(v > 0 && v < (double)EPOCH_MS_FROM * 1000)) return false;
    if (v < (double)EPOCH_MS_FROM)
        v *= 1e6;
    else
        v *= 1e3;
    *us = (int64_t)v;
    return true;
}

static bool parse_time(th_slice raw, int64_t *us)
{
    th_slice text;
    return model_scalar_text(raw, &text) &&
           (th_time_parse_iso(text, us) || parse_epoch(text, us) || parse_exponent(text, us));
}

/* "06/Feb/2019:00:00:38 +0000", as web servers write it. */
static bool parse_web_time(th_slice s, int64_t *us)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[26] = "yyyy-mm-ddThh:mm:ss+hh:mm";
    if (s.size != 26 || s.bytes[2] != '/' || s.bytes[6] != '/' || s.bytes[11] != ':' ||
        s.bytes[20] != ' ')
        return false;
    const char *p = (const char *)s.bytes;
    int month = 0;
    while (month < 12 && memcmp(months + 3 * month, p + 3, 3) != 0) month++;
    memcpy(iso, p + 7, 4);
    iso[5] = (char)('0' + (month + 1) / 10);
    iso[6] = (char)('0' + (month + 1) % 10);
    memcpy(iso + 8, p, 2);
    memcpy(iso + 11, p + 12, 8);
    memcpy(iso + 19, p + 21, 3);
    memcpy(iso + 23, p + 24, 2);
    return month < 12 && th_time_parse_iso(th_slice_of(iso, 25), us);
}

static bool line_time(const th_stored_table *table, th_slice record, th_slice layout, int64_t *us)
{
    th_slice text = th_model_line_field(record, layout, th_slice_text(th_model_time_path(table)));
    if (table->id == TH_TABLE_s3_access) return parse_web_time(text, us);
    return table->id == TH_TABLE_alb ? th_time_parse_iso(text, us) : parse_epoch(text, us);
}

/* The member that holds the time, and another where the first is missing. */
typedef struct time_members {
    const char *names[2];
} time_members;

static time_members time_members_of(th_table_id table)
{
    switch (table) {
    case TH_TABLE_cloudtrail: return (time_members){{"eventTime", NULL}};
    case TH_TABLE_config_items: return (time_members){{"configurationItemCaptureTime", NULL}};
    case TH_TABLE_guardduty: return (time_members){{"updatedAt", NULL}};
    case TH_TABLE_findings_events: return (time_members){{"UpdatedAt", NULL}};
    case TH_TABLE_cloudtrail_digests: return (time_members){{"digestEndTime", NULL}};
    case TH_TABLE_dns: return (time_members){{"query_timestamp", NULL}};
    case TH_TABLE_eks_audit: return (time_members){{"requestReceivedTimestamp", "stageTimestamp"}};
    case TH_TABLE_waf:
    case TH_TABLE_cloudwatch_logs: return (time_members){{"timestamp", NULL}};
    case TH_TABLE_objects:
    case TH_TABLE_quarantine:
    case TH_TABLE_access_log: return (time_members){{"arrival", NULL}};
    default: return (time_members){{NULL, NULL}};
    }
}

bool th_model_time(const th_stored_table *table, th_slice record, th_slice layout, int64_t *us)
{
    return th_model_time_in(table, record, NULL, layout, us);
}

bool th_model_time_in(const th_stored_table *table, th_slice record, const th_json_members *known,
                      th_slice layout, int64_t *us)
{
    if (table->format == TH_RECORD_LINE) return line_time(table, record, layout, us);
    time_members members = time_members_of(table->id);
    th_slice raw[2] = {{NULL, 0}, {NULL, 0}};
    if (members.names[0] == NULL || table->format != TH_RECORD_JSON) return false;
    model_find_members_in(record, known, members.names, members.names[1] == NULL ? 1 : 2, raw);
    /* The other one only where the first is missing: filters on the first must find the row by its day. */
    return parse_time(raw[0].bytes != NULL ? raw[0] : raw[1], us);
}

const char *th_model_time_path(const th_stored_table *table)
{
    switch (table->id) {
    case TH_TABLE_s3_access: return "requestdatetime";
    case TH_TABLE_alb: return "time";
    case TH_TABLE_vpc_flow: return "start";
    default: return time_members_of(table->id).names[0];
    }
}

int32_t th_model_day(bool has_time, int64_t us)
{
    if (!has_time || us < th_day_from_civil(1990, 1, 1) * TH_US_PER_DAY ||
        us >= th_day_from_civil(2201, 1, 1) * TH_US_PER_DAY) {
        return TH_DAY_UNDATED;
    }
    return th_day_from_us(us);
}

/* Key members of a source: all of the first `required` must be there, the others may be empty. */
typedef struct identity_rule {
    th_table_id table;
    uint8_t required, count;
    const char *names[8];
} identity_rule;

static const identity_rule identity_rules[] = {
    {TH_TABLE_cloudtrail, 2, 2, {"recipientAccountId", "eventID"}},
    {TH_TABLE_config_items,
     3,
     7,
     {"resourceType", "resourceId", "configurationItemCaptureTime", "awsRegion",
      "configurationStateId", "awsAccountId", "accountId"}},
    {TH_TABLE_guardduty, 2, 2, {"arn", "updatedAt"}},
    {TH_TABLE_findings_events, 3, 3, {"ProductArn", "Id", "UpdatedAt"}},
    {TH_TABLE_eks_audit, 2, 2, {"auditID", "stage"}},
    {TH_TABLE_cloudwatch_logs, 0, 2, {"id", "eventId"}}, /* delivered; asked for by API */
};

static const identity_rule *rule_of(th_table_id table)
{
    for (size_t i = 0; i < sizeof(identity_rules) / sizeof(identity_rules[0]); i++)
        if (identity_rules[i].table == table) return &identity_rules[i];
    return NULL;
}

static void add_field(th_buf *out, th_slice text)
{
    th_buf_add_varint(out, text.size);
    th_buf_add_slice(out, text);
}

/* An identity that is only its bytes starts with the table too, so that two tables never share one. */
static bool identity_of_members(const identity_rule *rule, th_slice record,
                                const th_json_members *members, th_buf *out)
{
    th_slice raw[8], text[8];
    model_find_members_in(record, members, rule->names, rule->count, raw);
    for (uint32_t i = 0; i < rule->count; i++) {
        if (!model_scalar_text(raw[i], &text[i])) {
            if (i < rule->required) return false;
            text[i] = (th_slice){NULL, 0};
        }
    }
    uint32_t count = rule->count;
    if (rule->table == TH_TABLE_config_items) { /* one account, however it is spelt */
        if (text[5].size == 0) text[5] = text[6];
        count = 6;
    }
    if (rule->table == TH_TABLE_cloudwatch_logs) {
        if (text[0].size == 0) text[0] = text[1];
        if (text[0].size == 0) return false;
        count = 1;
    }
    th_buf_add_varint(out, (uint64_t)rule->table);
    for (uint32_t i = 0; i < count; i++) add_field(out, text[i]);
    return true;
}

bool th_model_identity(const th_stored_table *table, th_slice record, th_slice layout,
                       const uint8_t content[32], uint64_t ordinal, th_buf *out)
{
    (void)layout;
    return th_model_identity_in(table, record, NULL, content, ordinal, out);
}

bool th_model_identity_in(const th_stored_table *table, th_slice record,
                          const th_json_members *members, const uint8_t content[32],
                          uint64_t ordinal, th_buf *out)
{
    const identity_rule *rule = rule_of(table->id);
    switch (table->identity) {
    case TH_IDENTITY_NONE: return true;
    case TH_IDENTITY_POSITION:
        if (content == NULL) return false;
        th_buf_add_varint(out, (uint64_t)table->id);
        add_field(out, th_slice_of(content, TH_SHA256_SIZE));
        th_buf_add_u64(out, ordinal);
        return true;
    case TH_IDENTITY_EVENT:
        if (table->id == TH_TABLE_contents && content != NULL) {
            th_buf_add_varint(out, (uint64_t)table->id);
            add_field(out, th_slice_of(content, TH_SHA256_SIZE));
            return true;
        }
        return rule != NULL && identity_of_members(rule, record, members, out);
    case TH_IDENTITY_VERSION: break;
    }
    if (rule == NULL || !identity_of_members(rule, record, members, out)) return false;
    th_sha256 digest = th_sha256_of(record);
    add_field(out, th_slice_of(digest.bytes, TH_SHA256_SIZE));
    return true;
}

/* The fifth part of an ARN. */
static th_slice account_of_arn(th_slice arn)
{
    for (int i = 0; i < 4; i++) {
        size_t colon = th_slice_find(arn, TH_SLICE(":"));
        if (colon == SIZE_MAX) return (th_slice){NULL, 0};
        arn = (th_slice){arn.bytes + colon + 1, arn.size - colon - 1};
    }
    size_t end = th_slice_find(arn, TH_SLICE(":"));
    return end == SIZE_MAX ? (th_slice){NULL, 0} : (th_slice){arn.bytes, end};
}

static th_slice cloudtrail_account(th_slice record)
{
    static const char *const names[] = {"recipientAccountId", "userIdentity"};
    static const char *const inner[] = {"accountId"};
    th_slice raw[2], text = {NULL, 0};
    model_find_members(record, names, 2, raw);
    if (model_scalar_text(raw[0], &text)) return text;
    if (th_json_kind_of(raw[1]) != TH_JSON_OBJECT) return (th_slice){NULL, 0};
    model_find_members(raw[1], inner, 1, raw);
    return model_scalar_text(raw[0], &text) ? text : (th_slice){NULL, 0};
}

th_slice th_model_account(const th_stored_table *table, th_slice record, th_slice layout)
{
    static const char *const names[] = {"awsAccountId", "accountId", "account_id", "webaclId"};
    th_slice raw[4], text = {NULL, 0};
    if (table->format == TH_RECORD_LINE) {
        text = th_model_line_field(record, layout, TH_SLICE("account-id"));
        return th_slice_is(text, "-") ? (th_slice){NULL, 0} : text;
    }
    if (table->format != TH_RECORD_JSON || table->id >= TH_TABLE_objects) return text;
    if (table->id == TH_TABLE_cloudtrail) return cloudtrail_account(record);
    if (table->id == TH_TABLE_cloudwatch_logs || table->id == TH_TABLE_eks_audit) return text;
    bool waf = table->id == TH_TABLE_waf;
    model_find_members(record, waf ? names + 3 : names, waf ? 1 : 3, raw);
    if (waf) return model_scalar_text(raw[0], &text) ? account_of_arn(text) : (th_slice){NULL, 0};
    for (int i = 0; i < 3; i++)
        if (model_scalar_text(raw[i], &text)) return text;
    return (th_slice){NULL, 0};
}
