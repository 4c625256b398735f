/* SPDX-License-Identifier: Apache-2.0
 * Detector: calls that stop, delete or narrow a trail. Rules and reasons: README.md.
 *
 * Request parameters come as JSON text. The few members looked at are found by their key and compared as written; a key
 * inside a string value cannot be mistaken for one, because its quotes would be escaped there. */
#include <ctype.h>
#include <stdlib.h>

#include "plugins/sdk/trailhold_plugin.h"
#include "plugins/sdk/trailhold_rows.h"

enum {
    C_EVENT,
    C_ERROR,
    C_REGION,
    C_RECIPIENT,
    C_ACCOUNT,
    C_ARN,
    C_PRINCIPAL,
    C_NAME,
    C_TRAIL,
    C_MULTI,
    C_GLOBAL,
    C_VALIDATION,
    C_ORGANIZATION,
    C_SELECTORS,
    C_ADVANCED,
    C_COUNT
};

static const char *const columns[C_COUNT] = {
    [C_EVENT] = "eventName",
    [C_ERROR] = "errorCode",
    [C_REGION] = "awsRegion",
    [C_RECIPIENT] = "recipientAccountId",
    [C_ACCOUNT] = "userIdentity.accountId",
    [C_ARN] = "userIdentity.arn",
    [C_PRINCIPAL] = "userIdentity.principalId",
    [C_NAME] = "requestParameters.name",
    [C_TRAIL] = "requestParameters.trailName",
    [C_MULTI] = "requestParameters.isMultiRegionTrail",
    [C_GLOBAL] = "requestParameters.includeGlobalServiceEvents",
    [C_VALIDATION] = "requestParameters.enableLogFileValidation",
    [C_ORGANIZATION] = "requestParameters.isOrganizationTrail",
    [C_SELECTORS] = "requestParameters.eventSelectors",
    [C_ADVANCED] = "requestParameters.advancedEventSelectors",
};

static const th_subscription subscription = {
    .struct_size = sizeof(th_subscription),
    .table = "cloudtrail",
    .columns = columns,
    .column_count = C_COUNT,
    .predicate = "eventsource = 'cloudtrail.amazonaws.com' AND "
                 "eventname IN ('StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors')",
};

struct th_plugin_state {
    const th_host *host;
};

static int trail_open(const th_host *host, const char *config_json, th_plugin_state **out)
{
    (void)config_json;
    th_plugin_state *state = calloc(1, sizeof(*state));
    if (state == NULL) return -1;
    state->host = host;
    *out = state;
    return 0;
}

static int trail_subscriptions(th_plugin_state *state, const th_subscription **out, uint32_t *count)
{
    (void)state;
    *out = &subscription;
    *count = 1;
    return 0;
}

/* The value that stands behind the next "key": from *from on; NULL when there is none. */
static const char *member_value(th_text json, const char *key, size_t *from)
{
    size_t size = strlen(key);
    for (size_t i = *from; i + size + 2 < json.size; i++) {
        if (json.bytes[i] != '"' || memcmp(json.bytes + i + 1, key, size) != 0 ||
            json.bytes[i + 1 + size] != '"')
            continue;
        if (i > 0 && json.bytes[i - 1] == '\\') continue;
        size_t at = i + size + 2;
        while (at < json.size && (isspace((unsigned char)json.bytes[at]) || json.bytes[at] == ':'))
            at++;
        *from = at;
        return at < json.size ? json.bytes + at : NULL;
    }
    return NULL;
}

/* Nothing but brackets and blanks: [] or absent. */
static bool empty_list(th_text json)
{
    for (size_t i = 0; i < json.size; i++) {
        if (json.bytes[i] != '[' && json.bytes[i] != ']' && !isspace((unsigned char)json.bytes[i]))
            return false;
    }
    return true;
}

/* Does no basic selector record management events, and none any data? */
static bool selectors_record_nothing(th_text selectors)
{
    size_t from = 0;
    const char *value;
    uint32_t management = 0;
    while ((value = member_value(selectors, "includeManagementEvents", &from)) != NULL) {
        if (*value == 't') return false;
        management++;
    }
    if (management == 0) return false; /* absent: management events are recorded by default */
    from = 0;
    while ((value = member_value(selectors, "values", &from)) != NULL) {
        size_t left = selectors.size - (size_t)(value - selectors.bytes), size = 0;
        while (size < left && value[size] != ']') size++;
        th_text list = {value, size};
        if (!empty_list(list)) return false;
    }
    return true;
}

static bool is_false(const th_plugin_batch *batch, uint32_t column, uint32_t row)
{
    return th_text_is(th_text_at(batch, column, row), "false");
}

/* Which of a trail's recording an UpdateTrail switches off; NULL when none. */
static const char *narrowed(const th_plugin_batch *batch, uint32_t row)
{
    if (is_false(batch, C_MULTI, row)) return "The trail no longer records the other regions.";
    if (is_false(batch, C_GLOBAL, row))
        return "The trail no longer records global services such as IAM and STS.";
    if (is_false(batch, C_ORGANIZATION, row))
        return "The trail no longer records the organization's other accounts.";
    if (is_false(batch, C_VALIDATION, row))
        return "The trail no longer signs digests: altered log files cannot be told.";
    return NULL;
}

static bool emptied(const th_plugin_batch *batch, uint32_t row)
{
    th_text basic = th_text_at(batch, C_SELECTORS, row),
            advanced = th_text_at(batch, C_ADVANCED, row);
    if (advanced.bytes != NULL && !empty_list(advanced)) return false;
    if (basic.bytes == NULL && advanced.bytes == NULL) return false;
    return basic.bytes == NULL || empty_list(basic) || selectors_record_nothing(basic);
}

/* Which rule the row breaks; false when it is harmless. */
static bool judge(const th_plugin_batch *batch, uint32_t row, th_hit *hit)
{
    th_text event = th_text_at(batch, C_EVENT, row);
    hit->severity = "HIGH";
    if (th_text_is(event, "StopLogging")) {
        hit->rule = "stop-logging";
        hit->title = "A trail was stopped";
        hit->description =
            "StopLogging ends the recording of API calls by this trail until it is started again.";
        return true;
    }
    if (th_text_is(event, "DeleteTrail")) {
        hit->rule = "delete-trail";
        hit->title = "A trail was deleted";
        hit->description = "DeleteTrail ends the recording of API calls by this trail for good.";
        return true;
    }
    if (th_text_is(event, "UpdateTrail")) {
        hit->rule = "narrow-trail";
        hit->title = "A trail was made to record less";
        hit->description = narrowed(batch, row);
        hit->severity = "MEDIUM";
        return hit->description != NULL;
    }
    hit->rule = "empty-event-selectors";
    hit->title = "A trail's event selectors were emptied";
    hit->description =
        "The trail still runs but records nothing: no selector takes management events or data.";
    return emptied(batch, row);
}

static int trail_row(th_plugin_state *state, const th_plugin_batch *batch, uint32_t row)
{
    th_hit hit = {.struct_size = sizeof(hit), .row = row, .finding_type = "TTPs/Defense Evasion"};
    if (th_text_at(batch, C_ERROR, row).bytes != NULL)
        return 0; /* refused: nothing happened to the trail */
    if (!judge(batch, row, &hit)) return 0;
    char account[32], actor[256], trail[512], region[64];
    th_text recipient = th_text_at(batch, C_RECIPIENT, row), arn = th_text_at(batch, C_ARN, row);
    th_text name = th_text_at(batch, C_NAME, row);
    hit.account =
        th_text_copy(recipient.bytes != NULL ? recipient : th_text_at(batch, C_ACCOUNT, row),
                     account, sizeof(account));
    hit.actor = th_text_copy(arn.bytes != NULL ? arn : th_text_at(batch, C_PRINCIPAL, row), actor,
                             sizeof(actor));
    hit.resource_type = "AwsCloudTrailTrail";
    hit.resource_id = th_text_copy(name.bytes != NULL ? name : th_text_at(batch, C_TRAIL, row),
                                   trail, sizeof(trail));
    hit.region = th_text_copy(th_text_at(batch, C_REGION, row), region, sizeof(region));
    return state->host->hit(state->host->ctx, &hit);
}

static int trail_on_batch(th_plugin_state *state, const th_plugin_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        int rc = trail_row(state, batch, row);
        if (rc != 0) return rc;
    }
    return 0;
}

static void trail_close(th_plugin_state *state)
{
    free(state);
}

static const th_plugin trail_tampering = {
    .struct_size = sizeof(th_plugin),
    .abi_major = TH_ABI_MAJOR,
    .abi_minor = TH_ABI_MINOR,
    .caps = TH_CAP_DETECT,
    .name = "trail-tampering",
    .version = "1.0.0",
    .description = "Calls that stop, delete or narrow a CloudTrail trail",
    .open = trail_open,
    .subscriptions = trail_subscriptions,
    .on_batch = trail_on_batch,
    .close = trail_close,
};

TH_PLUGIN(trail_tampering)
