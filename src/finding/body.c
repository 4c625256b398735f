/* SPDX-License-Identifier: Apache-2.0
 * The ASFF body of a finding of ours. Only evidence goes in: no clock, no position in the log, no order of arrival. */
#include <stdio.h>

#include "base/time.h"
#include "finding/finding_private.h"
#include "json/json.h"

#define TITLE_MAX 256u
#define DESCRIPTION_MAX 1024u
#define TEXT_MAX (1u << 16) /* made of a few texts of a hit, each at most 4,096 bytes */

/* At most max bytes, cut at a character. */
static th_slice cut(th_slice text, size_t max)
{
    if (text.size <= max) return text;
    size_t size = max;
    while (size > 0 && (text.bytes[size] & 0xC0) == 0x80) size--;
    return th_slice_of(text.bytes, size);
}

static void put(th_json_writer *w, const char *key, th_slice value)
{
    th_json_put_key(w, key);
    th_json_put_string(w, value);
}

static void put_time(th_json_writer *w, const char *key, int64_t us)
{
    char text[40];
    size_t size = th_time_format_iso(us, text);
    put(w, key, th_slice_of(text, size));
}

static th_slice or_else(th_slice text, const char *instead)
{
    return text.size > 0 ? text : th_slice_text(instead);
}

/* ASFF's normalized value of a label. */
static int64_t normalized(th_slice label)
{
    if (th_slice_is(label, "CRITICAL")) return 90;
    if (th_slice_is(label, "HIGH")) return 70;
    if (th_slice_is(label, "MEDIUM")) return 40;
    if (th_slice_is(label, "LOW")) return 1;
    return 0;
}

static void put_severity(th_json_writer *w, th_slice label)
{
    th_json_put_key(w, "Severity");
    th_json_begin_object(w);
    put(w, "Label", label);
    th_json_put_key(w, "Normalized");
    th_json_put_i64(w, normalized(label));
    put(w, "Original", label);
    th_json_end_object(w);
}

static void put_product_fields(th_json_writer *w, const th_finding_hit *hit,
                               const th_finding_state *state)
{
    char hex[65], anchor[16], number[24];
    th_sha256_hex(&state->first_sha, hex);
    size_t anchor_size = finding_anchor(hit, anchor);
    th_json_put_key(w, "ProductFields");
    th_json_begin_object(w);
    put(w, "trailhold/plugin", hit->plugin);
    put(w, "trailhold/plugin-version", hit->plugin_version);
    put(w, "trailhold/rule", hit->rule);
    put(w, "trailhold/actor", hit->actor);
    put(w, "trailhold/anchor", th_slice_of(anchor, anchor_size));
    snprintf(number, sizeof(number), "%llu", (unsigned long long)state->count);
    put(w, "trailhold/count", th_slice_text(number));
    put(w, "trailhold/first-evidence-sha256", th_slice_of(hex, 64));
    if (hit->author.size > 0) put(w, "trailhold/rule-author", hit->author);
    if (hit->reference.size > 0) put(w, "trailhold/rule-reference", hit->reference);
    th_json_end_object(w);
}

static void put_resources(th_json_writer *w, const th_finding_hit *hit, th_slice account)
{
    th_json_put_key(w, "Resources");
    th_json_begin_array(w);
    th_json_begin_object(w);
    if (hit->resource_id.size > 0) {
        put(w, "Type", or_else(hit->resource_type, "Other"));
        put(w, "Id", hit->resource_id);
    } else {
        put(w, "Type", TH_SLICE("AwsAccount"));
        char id[64];
        snprintf(id, sizeof(id), "AWS::::Account:%.*s", TH_SLICE_ARGS(cut(account, 32)));
        put(w, "Id", th_slice_text(id));
    }
    put(w, "Partition", TH_SLICE("aws"));
    if (hit->region.size > 0) put(w, "Region", hit->region);
    th_json_end_object(w);
    th_json_end_array(w);
}

static void put_head(th_json_writer *w, const th_finding_hit *hit, th_slice account, th_slice id)
{
    th_buf text;
    th_buf_init(&text, TEXT_MAX);
    put(w, "SchemaVersion", TH_SLICE("2018-10-08"));
    put(w, "Id", id);
    th_buf_printf(&text, "arn:aws:securityhub:::product/%.*s/trailhold", TH_SLICE_ARGS(account));
    put(w, "ProductArn", th_buf_slice(&text));
    put(w, "ProductName", TH_SLICE("Trailhold"));
    put(w, "CompanyName", TH_SLICE("Trailhold"));
    th_buf_clear(&text);
    th_buf_printf(&text, "trailhold/%.*s/%.*s", TH_SLICE_ARGS(hit->plugin),
                  TH_SLICE_ARGS(hit->rule));
    put(w, "GeneratorId", th_buf_slice(&text));
    put(w, "AwsAccountId", account);
    if (hit->region.size > 0) put(w, "Region", hit->region);
    th_buf_free(&text);
}

th_err th_finding_body(const th_finding_hit *hit, const th_finding_state *state, th_buf *out)
{
    th_slice account = or_else(hit->account, "000000000000");
    char key[33];
    th_buf id;
    th_buf_init(&id, TEXT_MAX);
    th_finding_id(hit, key, &id);
    th_json_writer w;
    th_json_writer_init(&w, out);
    th_json_begin_object(&w);
    put_head(&w, hit, account, th_buf_slice(&id));
    th_json_put_key(&w, "Types");
    th_json_begin_array(&w);
    th_json_put_string(&w, or_else(hit->type, "Unusual Behaviors"));
    th_json_end_array(&w);
    put_time(&w, "FirstObservedAt", state->first_us);
    put_time(&w, "LastObservedAt", state->last_us);
    put_time(&w, "CreatedAt", state->first_us);
    put_time(&w, "UpdatedAt", state->last_us);
    put_severity(&w, or_else(hit->severity, "INFORMATIONAL"));
    put(&w, "Title", cut(or_else(hit->title, "Finding"), TITLE_MAX));
    put(&w, "Description", cut(or_else(hit->description, "No description."), DESCRIPTION_MAX));
    put_product_fields(&w, hit, state);
    put_resources(&w, hit, account);
    put(&w, "WorkflowState", TH_SLICE("NEW"));
    th_json_put_key(&w, "Workflow");
    th_json_begin_object(&w);
    put(&w, "Status", TH_SLICE("NEW"));
    th_json_end_object(&w);
    put(&w, "RecordState", TH_SLICE("ACTIVE"));
    th_json_end_object(&w);
    th_err err = th_buf_error(&id);
    th_buf_free(&id);
    return err != TH_OK ? err : th_buf_error(out);
}

/* ---- imported findings --------------------------------------------------------------------------------------------- */

static const struct {
    const char *path;
    th_json_kind kind;
} required[] = {
    {"SchemaVersion", TH_JSON_STRING}, {"Id", TH_JSON_STRING},
    {"ProductArn", TH_JSON_STRING},    {"GeneratorId", TH_JSON_STRING},
    {"AwsAccountId", TH_JSON_STRING},  {"CreatedAt", TH_JSON_STRING},
    {"UpdatedAt", TH_JSON_STRING},     {"Title", TH_JSON_STRING},
    {"Description", TH_JSON_STRING},   {"Severity", TH_JSON_OBJECT},
    {"Resources", TH_JSON_ARRAY},
};

th_err th_finding_validate(th_slice asff, th_diag *diag)
{
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        th_slice value = th_json_path(asff, required[i].path);
        if (value.size == 0)
            return th_fail(diag, TH_EINVAL, NULL, "the finding has no %s", required[i].path);
        if (th_json_kind_of(value) != required[i].kind) {
            return th_fail(diag, TH_EINVAL, NULL, "%s of the finding is of the wrong kind",
                           required[i].path);
        }
    }
    return TH_OK;
}
