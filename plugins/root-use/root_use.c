/* SPDX-License-Identifier: Apache-2.0
 * Detector: use of the account's root user. Rules and reasons: README.md. */
#include <stdlib.h>

#include "plugins/sdk/trailhold_plugin.h"
#include "plugins/sdk/trailhold_rows.h"

enum {
    C_INVOKED_BY,
    C_ACCOUNT,
    C_ARN,
    C_EVENT,
    C_TYPE,
    C_REGION,
    C_RECIPIENT,
    C_LOGIN,
    C_MFA,
    C_COUNT
};

static const char *const columns[C_COUNT] = {
    [C_INVOKED_BY] = "userIdentity.invokedBy",
    [C_ACCOUNT] = "userIdentity.accountId",
    [C_ARN] = "userIdentity.arn",
    [C_EVENT] = "eventName",
    [C_TYPE] = "eventType",
    [C_REGION] = "awsRegion",
    [C_RECIPIENT] = "recipientAccountId",
    [C_LOGIN] = "responseElements.ConsoleLogin",
    [C_MFA] = "additionalEventData.MFAUsed",
};

static const th_subscription subscription = {
    .struct_size = sizeof(th_subscription),
    .table = "cloudtrail",
    .columns = columns,
    .column_count = C_COUNT,
    .predicate = "useridentity.type = 'Root'",
};

struct th_plugin_state {
    const th_host *host;
};

static int root_open(const th_host *host, const char *config_json, th_plugin_state **out)
{
    (void)config_json;
    th_plugin_state *state = calloc(1, sizeof(*state));
    if (state == NULL) return -1;
    state->host = host;
    *out = state;
    return 0;
}

static int root_subscriptions(th_plugin_state *state, const th_subscription **out, uint32_t *count)
{
    (void)state;
    *out = &subscription;
    *count = 1;
    return 0;
}

/* What a sign-in event says; false when it is none. */
static bool sign_in(const th_plugin_batch *batch, uint32_t row, th_hit *hit)
{
    if (!th_text_is(th_text_at(batch, C_EVENT, row), "ConsoleLogin")) return false;
    if (!th_text_is(th_text_at(batch, C_LOGIN, row), "Success")) {
        hit->rule = "root-sign-in-failed";
        hit->title = "Sign-in as root failed";
        hit->description =
            "Somebody tried to sign in to the console as the account's root user and was refused.";
        hit->severity = "MEDIUM";
        hit->finding_type = "TTPs/Initial Access";
        return true;
    }
    bool mfa = th_text_is(th_text_at(batch, C_MFA, row), "Yes");
    hit->rule = mfa ? "root-sign-in" : "root-sign-in-without-mfa";
    hit->title = mfa ? "The root user signed in to the console"
                     : "The root user signed in to the console without MFA";
    hit->description =
        "The root user can do anything in the account and cannot be limited by policies. Daily "
        "work should "
        "not need it; a sign-in that nobody announced is a takeover until shown otherwise.";
    hit->severity = mfa ? "HIGH" : "CRITICAL";
    hit->finding_type = "TTPs/Initial Access";
    return true;
}

static void api_use(th_hit *hit)
{
    hit->rule = "root-api-use";
    hit->title = "The root user called an API";
    hit->description = "A call was made with the root user's own credentials. Few tasks need them; "
                       "access keys of root should "
                       "not exist.";
    hit->severity = "MEDIUM";
    hit->finding_type = "TTPs/Privilege Escalation";
}

static int root_row(th_plugin_state *state, const th_plugin_batch *batch, uint32_t row)
{
    /* A service that acts for the account shows root as the caller, and so do events of the service itself. */
    if (th_text_at(batch, C_INVOKED_BY, row).bytes != NULL) return 0;
    if (th_text_is(th_text_at(batch, C_TYPE, row), "AwsServiceEvent")) return 0;
    char account[32], arn[256], region[64];
    th_hit hit = {.struct_size = sizeof(hit), .row = row};
    if (!sign_in(batch, row, &hit)) api_use(&hit);
    th_text recipient = th_text_at(batch, C_RECIPIENT, row);
    hit.account =
        th_text_copy(recipient.bytes != NULL ? recipient : th_text_at(batch, C_ACCOUNT, row),
                     account, sizeof(account));
    hit.actor = th_text_copy(th_text_at(batch, C_ARN, row), arn, sizeof(arn));
    hit.region = th_text_copy(th_text_at(batch, C_REGION, row), region, sizeof(region));
    return state->host->hit(state->host->ctx, &hit);
}

static int root_on_batch(th_plugin_state *state, const th_plugin_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        int rc = root_row(state, batch, row);
        if (rc != 0) return rc;
    }
    return 0;
}

static void root_close(th_plugin_state *state)
{
    free(state);
}

static const th_plugin root_use = {
    .struct_size = sizeof(th_plugin),
    .abi_major = TH_ABI_MAJOR,
    .abi_minor = TH_ABI_MINOR,
    .caps = TH_CAP_DETECT,
    .name = "root-use",
    .version = "1.0.0",
    .description = "Console sign-in and API use by the account's root user",
    .open = root_open,
    .subscriptions = root_subscriptions,
    .on_batch = root_on_batch,
    .close = root_close,
};

TH_PLUGIN(root_use)
