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

static const char *time_member(th_table_id table)
{
    switch (table) {
    case TH_TABLE_cloudtrail: return "eventTime";
    case TH_TABLE_config_items: return "configurationItemCaptureTime";
    case TH_TABLE_guardduty: return "updatedAt";
    case TH_TABLE_findings_events: return "UpdatedAt";
    case TH_TABLE_cloudtrail_digests: return "digestEndTime";
    case TH_TABLE_objects:
    case TH_TABLE_quarantine:
    case TH_TABLE_access_log: return "arrival";
    default: return NULL;
    }
}

bool th_model_time(const th_stored_table *table, th_slice record, th_slice layout, int64_t *us)
{
    if (table->format == TH_RECORD_LINE)
        return parse_epoch(th_model_line_field(record, layout, TH_SLICE("start")), us);
    const char *name = time_member(table->id);
    th_slice raw;
    if (name == NULL || table->format != TH_RECORD_JSON) return false;
    model_find_members(record, &name, 1, &raw);
    return raw.bytes != NULL && parse_time(raw, us);
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
static bool identity_of_members(const identity_rule *rule, th_slice record, th_buf *out)
{
    th_slice raw[8], text[8];
    model_find_members(record, rule->names, rule->count, raw);
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
    th_buf_add_varint(out, (uint64_t)rule->table);
    for (uint32_t i = 0; i < count; i++) add_field(out, text[i]);
    return true;
}

bool th_model_identity(const th_stored_table *table, th_slice record, th_slice layout,
                       const uint8_t content[32], uint64_t ordinal, th_buf *out)
{
    (void)layout;
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
        return rule != NULL && identity_of_members(rule, record, out);
    case TH_IDENTITY_VERSION: break;
    }
    if (rule == NULL || !identity_of_members(rule, record, out)) return false;
    th_sha256 digest = th_sha256_of(record);
    add_field(out, th_slice_of(digest.bytes, TH_SHA256_SIZE));
    return true;
}

th_slice th_model_account(const th_stored_table *table, th_slice record, th_slice layout)
{
    static const char *const cloudtrail_names[] = {"recipientAccountId", "userIdentity"};
    static const char *const names[] = {"awsAccountId", "accountId"};
    th_slice raw[2], text = {NULL, 0};
    if (table->format == TH_RECORD_LINE) {
        text = th_model_line_field(record, layout, TH_SLICE("account-id"));
        return th_slice_is(text, "-") ? (th_slice){NULL, 0} : text;
    }
    if (table->format != TH_RECORD_JSON || table->id >= TH_TABLE_objects) return text;
    if (table->id == TH_TABLE_cloudtrail) {
        model_find_members(record, cloudtrail_names, 2, raw);
        if (!model_scalar_text(raw[0], &text) && th_json_kind_of(raw[1]) == TH_JSON_OBJECT) {
            model_find_members(raw[1], &names[1], 1, raw);
            if (!model_scalar_text(raw[0], &text)) text = (th_slice){NULL, 0};
        }
        return text;
    }
    model_find_members(record, names, 2, raw);
    if (!model_scalar_text(raw[0], &text) && !model_scalar_text(raw[1], &text))
        text = (th_slice){NULL, 0};
    return text;
}
