/* SPDX-License-Identifier: Apache-2.0
 * Which path is answered by what, and the short answers: health, readiness, other modules' routes, commands. */
#include <stdlib.h>
#include <zlib.h>

#include "json/json.h"
#include "net/net_private.h"
#include "net/words.h"
#include "os/os.h"

#define ARGV_MAX 256
#define INFLATE_PIECE (64u << 10)

static void run_healthz(net_exchange *ex)
{
    net_answer_whole(ex, 200, "text/plain", "", TH_SLICE("ok\n"));
}

static void run_readyz(net_exchange *ex)
{
    if (ex->server->stop_seen) {
        net_answer_refuse(ex, 503, "the server is stopping");
    } else {
        net_answer_whole(ex, 200, "text/plain", "", TH_SLICE("ready\n"));
    }
}

static void run_other(net_exchange *ex)
{
    const th_server_options *options = &ex->server->options;
    th_buf out, inflated;
    th_buf_init(&out, 4u << 20);
    th_buf_init(&inflated, NET_SMALL_BODY_MAX);
    th_diag diag = {0};
    th_slice body;
    th_err err = net_body_plain(ex, &inflated, &body, &diag);
    if (err == TH_OK) {
        err = options->route(options->ctx, th_slice_text(ex->request.method),
                             net_request_target(&ex->request), body, &out, &diag);
    }
    if (err == TH_OK) err = th_buf_error(&out);
    if (err == TH_OK) {
        net_answer_whole(ex, 200, "application/json", "", th_buf_slice(&out));
    } else {
        net_answer_error(ex, net_status_of(err), err, &diag);
    }
    th_buf_free(&out);
    th_buf_free(&inflated);
}

static const net_route routes[] = {
    {"GET", "/healthz", false, false, NET_ON_LOOP, 0, run_healthz},
    {"GET", "/readyz", false, false, NET_ON_LOOP, 0, run_readyz},
    {"GET", "/metrics", false, false, NET_QUICK, 0, net_run_metrics},
    {"POST", "/v1/sql", false, false, NET_QUERY, NET_SQL_BODY_MAX, net_run_sql},
    {"POST", "/v1/ingest/", true, true, NET_LOAD, TH_HTTP_BODY_MAX, net_run_ingest},
    {"POST", "/v1/command", false, false, NET_COMMAND, NET_SMALL_BODY_MAX, net_run_command},
};
static const net_route other_route = {"",       "", true, false, NET_QUICK, NET_SMALL_BODY_MAX,
                                      run_other};

const net_route *net_route_find(const net_server *server, th_slice method, th_slice path,
                                bool *wrong_method)
{
    *wrong_method = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const net_route *route = &routes[i];
        th_slice wanted = th_slice_text(route->path);
        bool same = route->prefix ? th_slice_starts(path, wanted) : th_slice_equal(path, wanted);
        if (!same || (route->run == net_run_command && server->options.command == NULL)) continue;
        bool head = th_slice_is(method, "HEAD") && strcmp(route->method, "GET") == 0;
        if (head || th_slice_is(method, route->method)) return route;
        *wrong_method = true;
    }
    return server->options.route != NULL && !*wrong_method ? &other_route : NULL;
}

/* ---- bodies --------------------------------------------------------------------------------------------------------- */

static th_err inflate_body(th_slice gzip, th_buf *out, th_diag *diag)
{
    z_stream z = {0};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) return TH_ENOMEM;
    z.next_in = (Bytef *)(uintptr_t)gzip.bytes;
    z.avail_in = (uInt)gzip.size; /* at most TH_HTTP_BODY_MAX */
    int status = Z_OK;
    while (status == Z_OK) {
        uint8_t *room = th_buf_reserve(out, INFLATE_PIECE);
        if (room == NULL) break;
        z.next_out = room;
        z.avail_out = INFLATE_PIECE;
        status = inflate(&z, Z_NO_FLUSH);
        th_buf_grow(out, INFLATE_PIECE - z.avail_out);
    }
    bool whole = status == Z_STREAM_END && z.avail_in == 0;
    (void)inflateEnd(&z);
    if (th_buf_error(out) != TH_OK)
        return th_fail(diag, TH_ELIMIT, "BODY_TOO_LARGE", "the body is too large once inflated");
    return whole ? TH_OK : th_fail(diag, TH_EINVAL, NULL, "the body is not one whole gzip stream");
}

th_err net_body_plain(net_exchange *ex, th_buf *inflated, th_slice *body, th_diag *diag)
{
    th_slice coding = net_request_header(&ex->request, "content-encoding");
    *body = th_buf_slice(&ex->request.body);
    if (coding.size == 0 || th_slice_equal_nocase(coding, TH_SLICE("identity"))) return TH_OK;
    if (!th_slice_equal_nocase(coding, TH_SLICE("gzip"))) {
        return th_fail(diag, TH_EUNSUPPORTED, NULL, "the only Content-Encoding is gzip");
    }
    if (ex->route->raw_body) return TH_OK;
    TH_TRY(inflate_body(*body, inflated, diag));
    *body = th_buf_slice(inflated);
    return TH_OK;
}

/* ---- commands ------------------------------------------------------------------------------------------------------- */

typedef struct command_run {
    const char *argv[ARGV_MAX];
    int argc;
    th_arena *arena;
} command_run;

static th_err parse_argv(th_slice body, command_run *run, th_diag *diag)
{
    th_slice document, key, raw;
    TH_TRY(th_json_document(body, 8, &document, diag));
    th_slice list = th_json_member(document, TH_SLICE("argv"));
    if (list.size == 0 || th_json_kind_of(list) != TH_JSON_ARRAY) {
        return th_fail(diag, TH_EINVAL, NULL, "the body is not {\"argv\":[...]}");
    }
    th_json_iter it = th_json_iter_of(list);
    while (th_json_next(&it, &key, &raw)) {
        if (run->argc == ARGV_MAX - 1)
            return th_fail(diag, TH_ELIMIT, NULL, "more than %d words", ARGV_MAX - 1);
        if (th_json_kind_of(raw) != TH_JSON_STRING)
            return th_fail(diag, TH_EINVAL, NULL, "argv holds strings only");
        th_slice text = th_json_string(raw, run->arena);
        text = th_arena_copy(run->arena, text);
        if (text.bytes == NULL) return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
        if (memchr(text.bytes, '\0', text.size) != NULL)
            return th_fail(diag, TH_EINVAL, NULL, "a word holds a NUL byte");
        run->argv[run->argc++] = (const char *)text.bytes;
    }
    return run->argc > 0 ? TH_OK : th_fail(diag, TH_EINVAL, NULL, "argv is empty");
}

static th_err write_output(void *ctx, th_slice bytes)
{
    net_exchange *ex = ctx;
    if (!ex->started) {
        TH_TRY(net_answer_begin(ex, 200, "application/octet-stream",
                                "Trailer: X-Trailhold-Exit, X-Trailhold-Messages\r\n"));
    }
    return net_answer_write(ex, bytes);
}

static void answer_command(net_exchange *ex, const command_run *run)
{
    const th_server_options *options = &ex->server->options;
    th_buf messages, trailers;
    th_buf_init(&messages, 1u << 20);
    th_buf_init(&trailers, 4u * NET_MESSAGES_MAX);
    int status = options->command(options->ctx, &ex->principal, run->argv, run->argc, write_output,
                                  ex, &messages, &ex->control);
    size_t size = messages.size < NET_MESSAGES_MAX ? messages.size : NET_MESSAGES_MAX;
    th_buf_printf(&trailers, "X-Trailhold-Exit: %d\r\nX-Trailhold-Messages: ", status);
    net_url_encode(&trailers, th_slice_of(messages.bytes, size));
    th_buf_add_text(&trailers, "\r\n");
    if (write_output(ex, (th_slice){0}) == TH_OK && th_buf_error(&trailers) == TH_OK) {
        net_answer_end(ex, th_buf_text(&trailers));
    } else {
        net_answer_abort(ex);
    }
    th_buf_free(&messages);
    th_buf_free(&trailers);
}

void net_run_command(net_exchange *ex)
{
    command_run run = {.arena = th_arena_new(4u * NET_SMALL_BODY_MAX, NULL)};
    th_buf inflated;
    th_buf_init(&inflated, NET_SMALL_BODY_MAX);
    th_diag diag = {0};
    th_slice body;
    th_err err = run.arena == NULL ? TH_ENOMEM : net_body_plain(ex, &inflated, &body, &diag);
    if (err == TH_OK) err = parse_argv(body, &run, &diag);
    if (err == TH_OK) {
        answer_command(ex, &run);
    } else {
        net_answer_error(ex, net_status_of(err), err, &diag);
    }
    th_buf_free(&inflated);
    th_arena_free(run.arena);
}
