/* SPDX-License-Identifier: Apache-2.0
 * One CloudTrail record: the members in the order in which AWS writes them. */
#include "generate/trail.h"
#include "generate/write.h"

/* A string member without its key. */
static uint8_t *quoted(uint8_t *out, const char *text)
{
    *out++ = '"';
    out = gen_put_text(out, text);
    *out++ = '"';
    return out;
}

static uint8_t *write_identity(gen_scene *s, const trail_call *c, uint8_t *out)
{
    out = GEN_PUT(out, ",\"userIdentity\":");
    if (c->as_owner) {
        out = GEN_PUT(out, "{\"type\":\"AWSAccount\",\"principalId\":\"");
        out = s->me.role[0] == '\0' ? GEN_PUT(out, "AIDA") : GEN_PUT(out, "AROA");
        out = gen_put(out, s->account->code, 8);
        gen_random own;
        gen_random_seed(&own, s->account->key ^ s->me.agent_key);
        out = gen_write_letters(&own, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32, 9, out);
        *out++ = ':';
        out = gen_put_text(out, s->me.session);
        out = GEN_PUT(out, "\",\"accountId\":\"");
        out = gen_put(out, s->account->id, 12);
        return GEN_PUT(out, "\"}");
    }
    if (c->event->identity != NULL) return gen_template_run(&c->event->identity->text, s, out);
    return gen_put(out, (const char *)s->me.identity, s->me.identity_size);
}

/* What varies in the agent follows from the actor: the same in each of its records. */
static uint8_t *write_agent(gen_scene *s, uint8_t *out)
{
    gen_random own, *outer = s->random;
    gen_random_seed(&own, s->me.agent_key);
    s->random = &own;
    out = gen_template_run(s->me.agent, s, out);
    s->random = outer;
    return out;
}

static uint8_t *write_origin(gen_scene *s, const trail_call *c, uint8_t *out)
{
    const trail_identity *identity = c->event->identity;
    out = GEN_PUT(out, ",\"sourceIPAddress\":\"");
    if (identity != NULL && identity->address.count > 0)
        out = gen_template_run(&identity->address, s, out);
    else
        out = gen_put_text(out, s->me.address);
    out = GEN_PUT(out, "\",\"userAgent\":\"");
    if (identity != NULL && identity->agent.count > 0)
        out = gen_template_run(&identity->agent, s, out);
    else
        out = write_agent(s, out);
    *out++ = '"';
    return out;
}

static uint8_t *write_error(gen_scene *s, const trail_error *error, uint8_t *out)
{
    if (error->code.count > 0) {
        out = GEN_PUT(out, ",\"errorCode\":\"");
        out = gen_template_run(&error->code, s, out);
        *out++ = '"';
    }
    if (error->message.count == 0) return out;
    out = GEN_PUT(out, ",\"errorMessage\":\"");
    out = gen_template_run(&error->message, s, out);
    *out++ = '"';
    return out;
}

static uint8_t *write_bodies(gen_scene *s, const trail_call *c, uint8_t *out)
{
    const trail_event *e = c->event;
    if (c->error != NULL) out = write_error(s, c->error, out);
    out = GEN_PUT(out, ",\"requestParameters\":");
    out = gen_template_run(&e->request, s, out);
    out = GEN_PUT(out, ",\"responseElements\":");
    if (c->error == NULL) {
        out = gen_template_run(&e->response, s, out);
    } else if ((e->flags & SIGN_IN) != 0) {
        out = GEN_PUT(out, "{\"");
        out = gen_put_text(out, e->name);
        out = GEN_PUT(out, "\":\"Failure\"}");
    } else {
        out = GEN_PUT(out, "null");
    }
    if (e->more.count == 0 || (e->flags & SERVICE_EVENT) != 0) return out;
    out = GEN_PUT(out, ",\"additionalEventData\":");
    return gen_template_run(&e->more, s, out);
}

static uint8_t *write_ids(gen_scene *s, const trail_call *c, uint8_t *out)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const trail_event *e = c->event;
    gen_request_id kind =
        (e->flags & (SERVICE_EVENT | SIGN_IN)) != 0 ? RID_NONE : e->service->request_id;
    if (kind != RID_NONE) out = GEN_PUT(out, ",\"requestID\":\"");
    if (kind == RID_UUID) out = gen_write_uuid(s->random, out);
    if (kind == RID_S3) out = gen_write_letters(s->random, upper, 36, 16, out);
    if (kind == RID_LONG) {
        out = gen_write_letters(s->random, upper, 36, 26, out);
        out = GEN_PUT(out, "VV4KQNSO5AEMVJF66Q9ASUAAJG");
    }
    if (kind != RID_NONE) *out++ = '"';
    out = GEN_PUT(out, ",\"eventID\":\"");
    out = gen_write_uuid(c->ids, out);
    out = GEN_PUT(out, "\",\"readOnly\":");
    return (e->flags & READ) != 0 ? GEN_PUT(out, "true") : GEN_PUT(out, "false");
}

static uint8_t *write_kind(gen_scene *s, const trail_call *c, uint8_t *out)
{
    const trail_event *e = c->event;
    if (e->resources.count > 0) {
        out = GEN_PUT(out, ",\"resources\":");
        out = gen_template_run(&e->resources, s, out);
    }
    out = GEN_PUT(out, ",\"eventType\":");
    out = quoted(out, (e->flags & SIGN_IN) != 0         ? "AwsConsoleSignIn"
                      : (e->flags & SERVICE_EVENT) != 0 ? "AwsServiceEvent"
                                                        : "AwsApiCall");
    if (e->service->api[0] != '\0') {
        out = GEN_PUT(out, ",\"apiVersion\":");
        out = quoted(out, e->service->api);
    }
    out = (e->flags & DATA) != 0 ? GEN_PUT(out, ",\"managementEvent\":false")
                                 : GEN_PUT(out, ",\"managementEvent\":true");
    out = GEN_PUT(out, ",\"recipientAccountId\":\"");
    out = gen_put(out, c->as_owner ? s->peer->id : s->account->id, 12);
    *out++ = '"';
    return out;
}

static uint8_t *write_tail(gen_scene *s, const trail_call *c, uint8_t *out)
{
    const trail_event *e = c->event;
    if ((e->flags & (SHARED | CROSS)) != 0) {
        out = GEN_PUT(out, ",\"sharedEventID\":\"");
        out = gen_put(out, (const char *)c->shared, sizeof(c->shared));
        *out++ = '"';
    }
    if ((e->flags & SERVICE_EVENT) != 0 && e->more.count > 0) {
        out = GEN_PUT(out, ",\"serviceEventDetails\":");
        out = gen_template_run(&e->more, s, out);
    }
    out = (e->flags & DATA) != 0 ? GEN_PUT(out, ",\"eventCategory\":\"Data\"")
                                 : GEN_PUT(out, ",\"eventCategory\":\"Management\"");
    if (c->actor->itself || c->as_owner || (e->flags & (INSIDE | SERVICE_EVENT)) != 0) return out;
    if (c->console && (e->flags & SIGN_IN) == 0)
        return GEN_PUT(out, ",\"sessionCredentialFromConsole\":\"true\"");
    out = s->me.agent_key % 5 == 0
              ? GEN_PUT(out, ",\"tlsDetails\":{\"tlsVersion\":\"TLSv1.2\",\"cipherSuite\":"
                             "\"ECDHE-RSA-AES128-GCM-SHA256\",\"clientProvidedHostHeader\":\"")
              : GEN_PUT(out, ",\"tlsDetails\":{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":"
                             "\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\"");
    out = gen_put_text(out, e->service->host);
    if ((e->flags & GLOBAL) == 0) {
        *out++ = '.';
        out = gen_put_text(out, gen_regions[s->region].name);
    }
    return GEN_PUT(out, ".amazonaws.com\"}");
}

uint8_t *trail_write_record(gen_scene *s, const trail_call *c, uint8_t *out)
{
    const trail_event *e = c->event;
    uint32_t region = s->region;
    if ((e->flags & GLOBAL) != 0) s->region = GEN_US_EAST_1;
    s->service = e->service->action;
    s->host = e->service->host;
    s->event = e->name;
    s->command = e->command;
    out = GEN_PUT(out, "{\"eventVersion\":");
    out = quoted(out, e->service->version);
    out = write_identity(s, c, out);
    out = GEN_PUT(out, ",\"eventTime\":\"");
    out = gen_write_time(s->now_s, out);
    out = GEN_PUT(out, "\",\"eventSource\":\"");
    out = gen_put_text(out, e->service->host);
    out = GEN_PUT(out, ".amazonaws.com\",\"eventName\":");
    out = quoted(out, e->name);
    out = GEN_PUT(out, ",\"awsRegion\":");
    out = quoted(out, gen_regions[s->region].name);
    out = write_origin(s, c, out);
    out = write_bodies(s, c, out);
    out = write_ids(s, c, out);
    out = write_kind(s, c, out);
    out = write_tail(s, c, out);
    *out++ = '}';
    s->region = region;
    return out;
}
