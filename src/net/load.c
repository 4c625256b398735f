/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/ingest/SOURCE: one object in, answered only after its commit.
 *
 * X-Trailhold-Object names it, x-amz-* headers stay with the delivery. X-Trailhold-Case, -Acquired-By, -Note go into the
 * delivery, X-Trailhold-Containers: exact and X-Trailhold-Reprocess: 1 are the command line's. X-Trailhold-Encoding: url
 * says that the values of X-Trailhold-* headers are percent-encoded, for names with bytes that a header cannot hold.
 * X-Trailhold-Headers: NAME=VALUE&... (both percent-encoded) holds what else came with the delivery, from a sidecar. */
#include <stdlib.h>

#include "base/hash.h"
#include "net/net_private.h"
#include "net/words.h"
#include "os/os.h"

typedef struct load {
    net_exchange *ex;
    th_arena *arena;
    th_ingest_options how;
    th_object_input object;
} load;

/* A header's value in the arena, of any bytes but NUL; NULL when it is not there. */
static th_err take_bytes(load *l, const char *header, size_t size_max, const char **out,
                         th_diag *diag)
{
    const net_request *request = &l->ex->request;
    th_slice value = net_request_header(request, header);
    *out = NULL;
    if (value.size == 0) return TH_OK;
    th_buf decoded;
    th_buf_init(&decoded, TH_HTTP_HEADER_MAX);
    bool good = true;
    if (th_slice_is(net_request_header(request, "x-trailhold-encoding"), "url")) {
        good = net_url_decode(&decoded, value);
        value = th_buf_slice(&decoded);
    }
    good = good && value.size <= size_max &&
           (value.size == 0 || memchr(value.bytes, '\0', value.size) == NULL);
    th_slice copy = good ? th_arena_copy(l->arena, value) : (th_slice){0};
    th_buf_free(&decoded);
    if (!good)
        return th_fail(diag, TH_EINVAL, NULL, "%s is not text of at most %zu bytes", header,
                       size_max);
    *out = (const char *)copy.bytes;
    return copy.bytes == NULL ? TH_ENOMEM : TH_OK;
}

static th_err take_text(load *l, const char *header, size_t size_max, const char **out,
                        th_diag *diag)
{
    TH_TRY(take_bytes(l, header, size_max, out, diag));
    if (*out == NULL || th_utf8_valid(th_slice_text(*out))) return TH_OK;
    return th_fail(diag, TH_EINVAL, NULL, "%s is not UTF-8 text", header);
}

/* Signing headers say how the request was made, not what was delivered; a session token is a secret. */
static bool is_kept(th_slice name)
{
    return th_slice_starts(name, TH_SLICE("x-amz-")) &&
           !th_slice_is(name, "x-amz-security-token") &&
           !th_slice_is(name, "x-amz-content-sha256") && !th_slice_is(name, "x-amz-date");
}

/* Percent-encoded text up to a delimiter, taken off *rest; bytes NULL: broken or no memory. */
static th_slice take_part(load *l, th_slice *rest, uint8_t delimiter)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->bytes, delimiter, rest->size);
    size_t size = at == NULL ? rest->size : (size_t)(at - rest->bytes);
    th_buf decoded;
    th_buf_init(&decoded, TH_HTTP_HEADER_MAX);
    bool good =
        net_url_decode(&decoded, th_slice_of(rest->bytes, size)) && th_buf_error(&decoded) == TH_OK;
    th_slice part = good ? th_arena_copy(l->arena, th_buf_slice(&decoded)) : (th_slice){0};
    th_buf_free(&decoded);
    size_t used = at == NULL ? size : size + 1;
    *rest = th_slice_of(rest->bytes + used, rest->size - used);
    return part;
}

/* What X-Trailhold-Headers tells, behind the request's own. */
static th_err add_told(load *l, th_header *headers, th_diag *diag)
{
    th_slice rest = net_request_header(&l->ex->request, "x-trailhold-headers");
    while (rest.size > 0) {
        if (l->object.header_count == NET_HEADERS_MAX)
            return th_fail(diag, TH_ELIMIT, NULL, "more than %d headers of a delivery",
                           NET_HEADERS_MAX);
        th_slice name = take_part(l, &rest, '=');
        th_slice value = take_part(l, &rest, '&');
        if (name.bytes == NULL || value.bytes == NULL)
            return th_fail(diag, TH_EINVAL, NULL, "x-trailhold-headers is not NAME=VALUE&...");
        headers[l->object.header_count++] = (th_header){name, value};
    }
    return TH_OK;
}

static th_err take_headers(load *l, th_diag *diag)
{
    const net_request *request = &l->ex->request;
    th_header *headers = TH_NEW_ARRAY(l->arena, th_header, NET_HEADERS_MAX);
    if (headers == NULL) return TH_ENOMEM;
    size_t count = 0;
    for (uint32_t i = 0; i < request->header_count; i++) {
        th_slice name = net_request_header_name(request, i);
        if (is_kept(name))
            headers[count++] = (th_header){name, net_request_header_value(request, i)};
    }
    l->object.headers = headers;
    l->object.header_count = count;
    return add_told(l, headers, diag);
}

static th_err take_name(load *l, th_diag *diag)
{
    TH_TRY(take_bytes(l, "x-trailhold-object", TH_NAME_SIZE_MAX, &l->object.name, diag));
    if (l->object.name != NULL) return TH_OK;
    char hex[65];
    th_sha256 sha = th_sha256_of(l->object.bytes);
    th_sha256_hex(&sha, hex);
    l->object.name = th_arena_printf(l->arena, "http/%s", hex);
    return l->object.name == NULL ? TH_ENOMEM : TH_OK;
}

static th_err take_source(load *l, th_diag *diag)
{
    th_slice path = net_request_path(&l->ex->request);
    size_t prefix = sizeof("/v1/ingest/") - 1;
    th_slice source = th_slice_of(path.bytes + prefix, path.size - prefix);
    for (size_t i = 0; i < source.size; i++) {
        uint8_t c = source.bytes[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!plain) source.size = 0;
    }
    if (source.size == 0 || source.size > 64)
        return th_fail(diag, TH_ENOTFOUND, NULL,
                       "the path is /v1/ingest/SOURCE or /v1/ingest/auto");
    l->how.source = (const char *)th_arena_copy(l->arena, source).bytes;
    return l->how.source == NULL ? TH_ENOMEM : TH_OK;
}

static th_err prepare(load *l, th_diag *diag)
{
    const net_request *request = &l->ex->request;
    l->arena = th_arena_new(1u << 20, NULL);
    if (l->arena == NULL) return TH_ENOMEM;
    l->how = (th_ingest_options){
        .who = l->ex->principal.name,
        .quiet = true,
        .containers_exact =
            th_slice_is(net_request_header(request, "x-trailhold-containers"), "exact"),
        .reprocess = th_slice_is(net_request_header(request, "x-trailhold-reprocess"), "1"),
    };
    TH_TRY(take_source(l, diag));
    TH_TRY(take_name(l, diag));
    TH_TRY(take_headers(l, diag));
    TH_TRY(take_text(l, "x-trailhold-case", 256, &l->how.case_id, diag));
    TH_TRY(take_text(l, "x-trailhold-acquired-by", 1024, &l->how.acquired_by, diag));
    return take_text(l, "x-trailhold-note", 4096, &l->how.note, diag);
}

static th_err run_load(load *l, th_buf *json, th_diag *diag)
{
    net_exchange *ex = l->ex;
    net_server *server = ex->server;
    th_buf none;
    th_buf_init(&none, 0);
    TH_TRY(net_body_plain(ex, &none, &l->object.bytes,
                          diag)); /* its own gzip is the container: nothing is inflated */
    TH_TRY(prepare(l, diag));
    th_ingest_summary summary = {0};
    TH_TRY(server->services->ingest(&server->options, &l->how, &l->object, json, &summary, diag));
    atomic_fetch_add(&server->counters.ingests, 1);
    atomic_fetch_add(&server->counters.ingest_records, summary.records);
    th_buf_add_text(json, "\n");
    if (server->options.committed != NULL)
        server->options.committed(server->options.ctx, summary.lsn);
    return TH_OK;
}

static int load_status(th_err err)
{
    return err == TH_EUNSUPPORTED ? 415 : err == TH_ELIMIT ? 413 : net_status_of(err);
}

void net_run_ingest(net_exchange *ex)
{
    load l = {.ex = ex};
    th_diag diag = {0};
    th_buf json;
    th_buf_init(&json, 4u << 20);
    th_err err = run_load(&l, &json, &diag);
    if (err == TH_OK) {
        TH_FAILPOINT("answer_before_send");
        /* The object is stored: a summary with more reasons than fit is no failure of the load. */
        bool fits = th_buf_error(&json) == TH_OK;
        net_answer_whole(ex, 200, "application/json", "",
                         fits ? th_buf_slice(&json) : TH_SLICE("{}\n"));
    } else {
        atomic_fetch_add(&ex->server->counters.ingest_errors, 1);
        net_answer_error(ex, load_status(err), err, &diag);
    }
    th_buf_free(&json);
    th_arena_free(l.arena);
}
