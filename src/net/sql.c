/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/sql: a statement in, rows out as they come.
 *
 * ndjson (the default) ends with a line {"end":{...}} or {"error":{...}}. The other formats have no room for that: the
 * end travels in the trailers X-Trailhold-End (ok, error), X-Trailhold-Rows and X-Trailhold-Error (the error object,
 * percent-encoded); a client that did not say `TE: trailers` sees the connection cut instead. */
#include <stdlib.h>

#include "json/json.h"
#include "net/net_private.h"
#include "net/words.h"
#include "os/os.h"
#include "base/time.h"

#define PARAMS_MAX 1000u
#define END_TRAILERS "Trailer: X-Trailhold-End, X-Trailhold-Rows, X-Trailhold-Error\r\n"

typedef struct sql_run {
    net_exchange *ex;
    net_sql sql;
    th_arena *arena;
} sql_run;

static th_err bad(th_diag *diag, const char *what)
{
    return th_fail(diag, TH_EINVAL, NULL, "%s", what);
}

/* ---- the request ---------------------------------------------------------------------------------------------------- */

/* A log position, or a time. */
static th_err parse_as_known_at(th_slice text, th_as_known_at *out, th_diag *diag)
{
    out->set = true;
    if (th_slice_to_u64(text, &out->lsn)) return TH_OK;
    out->by_time = true;
    if (th_time_parse_iso(text, &out->time_us)) return TH_OK;
    return bad(diag, "as_known_at is neither a log position nor a time like 2026-03-01T00:00:00Z");
}

static th_err parse_format(sql_run *run, th_slice name, th_diag *diag)
{
    char text[16];
    if (name.size < sizeof(text)) {
        memcpy(text, name.bytes, name.size);
        text[name.size] = '\0';
        if (run->ex->server->services->format(text, &run->sql.format)) return TH_OK;
    }
    return bad(diag, "format is one of table, vertical, csv, tsv, json, ndjson");
}

/* A JSON value as the text of a SQL literal. */
static th_err parse_param(sql_run *run, th_slice raw, th_slice *out, th_diag *diag)
{
    th_json_kind kind = th_json_kind_of(raw);
    if (kind == TH_JSON_ARRAY || kind == TH_JSON_OBJECT)
        return bad(diag, "params holds strings, numbers, booleans and null");
    *out = th_arena_copy(run->arena, raw);
    if (kind != TH_JSON_STRING) return out->bytes == NULL ? TH_ENOMEM : TH_OK;
    th_slice text = th_json_string(raw, run->arena);
    uint8_t *quoted = th_arena_alloc(run->arena, 2 * text.size + 2);
    if (text.bytes == NULL || quoted == NULL) return TH_ENOMEM;
    size_t size = 0;
    quoted[size++] = '\'';
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '\'') quoted[size++] = '\'';
        quoted[size++] = text.bytes[i];
    }
    quoted[size++] = '\'';
    *out = th_slice_of(quoted, size);
    return TH_OK;
}

static th_err parse_params(sql_run *run, th_slice raw, th_diag *diag)
{
    if (th_json_kind_of(raw) != TH_JSON_ARRAY) return bad(diag, "params is not an array");
    th_slice *params = TH_NEW_ARRAY(run->arena, th_slice, PARAMS_MAX);
    if (params == NULL) return TH_ENOMEM;
    th_json_iter it = th_json_iter_of(raw);
    th_slice key, value;
    while (th_json_next(&it, &key, &value)) {
        if (run->sql.param_count == PARAMS_MAX) return bad(diag, "too many params");
        TH_TRY(parse_param(run, value, &params[run->sql.param_count++], diag));
    }
    run->sql.params = params;
    return TH_OK;
}

static th_err parse_limits(sql_run *run, th_slice raw, th_diag *diag)
{
    if (th_json_kind_of(raw) != TH_JSON_OBJECT) return bad(diag, "limits is not an object");
    th_json_iter it = th_json_iter_of(raw);
    th_slice key, value;
    while (th_json_next(&it, &key, &value)) {
        uint64_t number = 0;
        if (!th_slice_to_u64(value, &number) || number > INT64_MAX / 1000)
            return bad(diag, "a limit is not a whole number");
        if (th_json_key_equals(key, TH_SLICE("rows"))) {
            run->sql.limits.rows = number;
        } else if (th_json_key_equals(key, TH_SLICE("time_ms"))) {
            run->sql.limits.time_us = (int64_t)number * 1000;
        } else if (th_json_key_equals(key, TH_SLICE("memory_bytes"))) {
            run->sql.limits.memory_bytes = number;
        } else {
            return bad(diag, "limits has rows, time_ms and memory_bytes");
        }
    }
    return TH_OK;
}

static th_err parse_flag(th_slice raw, bool *out, th_diag *diag)
{
    th_json_kind kind = th_json_kind_of(raw);
    *out = kind == TH_JSON_TRUE;
    return kind == TH_JSON_TRUE || kind == TH_JSON_FALSE
               ? TH_OK
               : bad(diag, "header and colour are true or false");
}

static th_err parse_text(sql_run *run, th_slice raw, th_slice *out, th_diag *diag)
{
    if (th_json_kind_of(raw) != TH_JSON_STRING)
        return bad(diag, "sql, format and as_known_at are strings");
    *out = th_json_string(raw, run->arena);
    return out->bytes == NULL && out->size > 0 ? TH_ENOMEM : TH_OK;
}

static th_err parse_member(sql_run *run, th_slice key, th_slice raw, th_diag *diag)
{
    th_slice text = {0};
    uint64_t number = 0;
    if (th_json_kind_of(raw) == TH_JSON_NULL) return TH_OK;
    if (th_json_key_equals(key, TH_SLICE("sql"))) return parse_text(run, raw, &run->sql.text, diag);
    if (th_json_key_equals(key, TH_SLICE("params"))) return parse_params(run, raw, diag);
    if (th_json_key_equals(key, TH_SLICE("limits"))) return parse_limits(run, raw, diag);
    if (th_json_key_equals(key, TH_SLICE("header"))) return parse_flag(raw, &run->sql.header, diag);
    if (th_json_key_equals(key, TH_SLICE("colour"))) return parse_flag(raw, &run->sql.colour, diag);
    if (th_json_key_equals(key, TH_SLICE("format"))) {
        TH_TRY(parse_text(run, raw, &text, diag));
        return parse_format(run, text, diag);
    }
    if (th_json_key_equals(key, TH_SLICE("as_known_at"))) {
        if (th_json_kind_of(raw) == TH_JSON_NUMBER)
            return parse_as_known_at(raw, &run->sql.as_known_at, diag);
        TH_TRY(parse_text(run, raw, &text, diag));
        return parse_as_known_at(text, &run->sql.as_known_at, diag);
    }
    if (th_json_key_equals(key, TH_SLICE("width"))) {
        if (!th_slice_to_u64(raw, &number) || number > 100000)
            return bad(diag, "width is not a number of columns");
        run->sql.width = (uint32_t)number;
        return TH_OK;
    }
    /* A misspelt limit that is passed over would be no limit. */
    return th_fail(diag, TH_EINVAL, NULL, "unknown member \"%.*s\"",
                   TH_SLICE_ARGS(th_slice_of(key.bytes, key.size < 64 ? key.size : 64)));
}

static th_err parse_json(sql_run *run, th_slice body, th_diag *diag)
{
    th_slice document, key, raw;
    TH_TRY(th_json_document(body, 8, &document, diag));
    if (th_json_kind_of(document) != TH_JSON_OBJECT) return bad(diag, "the body is not an object");
    th_json_iter it = th_json_iter_of(document);
    while (th_json_next(&it, &key, &raw)) TH_TRY(parse_member(run, key, raw, diag));
    return TH_OK;
}

/* Sessions are in memory, apart for each who asks; a name is no secret and gives no rights. */
static th_err parse_session(sql_run *run, th_slice name, th_diag *diag)
{
    if (name.size == 0) return TH_OK;
    const char *who = run->sql.principal->name;
    run->sql.session =
        th_arena_printf(run->arena, "%s %.*s", who == NULL ? "" : who, TH_SLICE_ARGS(name));
    if (name.size > 64) return bad(diag, "the name of a session has at most 64 characters");
    return run->sql.session == NULL ? TH_ENOMEM : TH_OK;
}

static th_err parse_request(sql_run *run, th_slice body, th_diag *diag)
{
    const net_request *request = &run->ex->request;
    th_slice format = net_request_header(request, "x-trailhold-format");
    th_slice as_known_at = net_request_header(request, "x-trailhold-as-known-at");
    TH_TRY(parse_session(run, net_request_header(request, "x-trailhold-session"), diag));
    if (format.size > 0) TH_TRY(parse_format(run, format, diag));
    if (as_known_at.size > 0) TH_TRY(parse_as_known_at(as_known_at, &run->sql.as_known_at, diag));
    if (th_slice_starts(net_request_header(request, "content-type"),
                        TH_SLICE("application/json"))) {
        TH_TRY(parse_json(run, body, diag));
    } else {
        run->sql.text = body;
    }
    if (run->sql.text.size == 0) return bad(diag, "there is no statement");
    if (run->sql.text.size > TH_SQL_SIZE_MAX)
        return th_fail(diag, TH_ELIMIT, NULL, "the statement is longer than %u bytes",
                       TH_SQL_SIZE_MAX);
    return TH_OK;
}

/* ---- the answer ----------------------------------------------------------------------------------------------------- */

static th_err begin(sql_run *run)
{
    static const char *const types[] = {
        [TH_FORMAT_TABLE] = "text/plain; charset=utf-8",
        [TH_FORMAT_VERTICAL] = "text/plain; charset=utf-8",
        [TH_FORMAT_CSV] = "text/csv; charset=utf-8",
        [TH_FORMAT_TSV] = "text/tab-separated-values; charset=utf-8",
        [TH_FORMAT_JSON] = "application/json",
        [TH_FORMAT_NDJSON] = "application/x-ndjson",
    };
    th_format format = run->sql.format;
    return net_answer_begin(run->ex, 200, types[format],
                            format == TH_FORMAT_NDJSON ? "" : END_TRAILERS);
}

static th_err write_rows(void *ctx, th_slice bytes)
{
    sql_run *run = ctx;
    if (!run->ex->started) TH_TRY(begin(run));
    return net_answer_write(run->ex, bytes);
}

static void end_well(sql_run *run, const th_query_stats *stats)
{
    char line[160];
    th_err err = run->ex->started ? TH_OK : begin(run);
    if (err == TH_OK && run->sql.format == TH_FORMAT_NDJSON) {
        int size =
            snprintf(line, sizeof(line), "{\"end\":{\"rows\":%llu,\"ms\":%lld,\"bytes\":%llu}}\n",
                     (unsigned long long)stats->rows, (long long)(stats->elapsed_us / 1000),
                     (unsigned long long)stats->bytes_read);
        err = net_answer_write(run->ex, th_slice_of(line, (size_t)size));
        line[0] = '\0';
    } else {
        (void)snprintf(line, sizeof(line), "X-Trailhold-End: ok\r\nX-Trailhold-Rows: %llu\r\n",
                       (unsigned long long)stats->rows);
    }
    if (err == TH_OK) {
        net_answer_end(run->ex, line);
    } else {
        net_answer_abort(run->ex);
    }
}

static bool takes_trailers(const net_request *request)
{
    return th_slice_find(net_request_header(request, "te"), TH_SLICE("trailers")) != SIZE_MAX;
}

/* The head is sent: tell it in the body or the trailers, else by cutting the connection. */
static void end_badly(sql_run *run, th_err err, const th_diag *diag)
{
    net_exchange *ex = run->ex;
    th_buf text, trailers;
    th_buf_init(&text, 8u << 10);
    th_buf_init(&trailers, 32u << 10);
    net_error_json(&text, err, diag);
    bool told = false;
    if (run->sql.format == TH_FORMAT_NDJSON) {
        th_buf_add_text(&text, "\n");
        told = net_answer_write(ex, th_buf_slice(&text)) == TH_OK;
    } else if (ex->chunked && takes_trailers(&ex->request)) {
        th_buf_add_text(&trailers, "X-Trailhold-End: error\r\nX-Trailhold-Error: ");
        net_url_encode(&trailers, th_buf_slice(&text));
        th_buf_add_text(&trailers, "\r\n");
        told = th_buf_error(&trailers) == TH_OK;
    }
    if (told) {
        net_answer_end(ex, th_buf_text(&trailers));
    } else {
        net_answer_abort(ex);
    }
    th_buf_free(&text);
    th_buf_free(&trailers);
}

static int sql_status(th_err err)
{
    if (err == TH_ENOTFOUND || err == TH_EPARTIAL)
        return 400; /* a table, say; the path itself is there */
    return net_status_of(err);
}

static th_err run_sql(sql_run *run, th_slice body, th_query_stats *stats, th_diag *diag)
{
    net_server *server = run->ex->server;
    run->arena = th_arena_new(16u << 20, NULL);
    if (run->arena == NULL) return TH_ENOMEM;
    TH_TRY(parse_request(run, body, diag));
    return server->services->sql(&server->options, &run->sql, write_rows, run, stats, diag);
}

void net_run_sql(net_exchange *ex)
{
    net_counters *counters = &ex->server->counters;
    sql_run run = {.ex = ex,
                   .sql = {.format = TH_FORMAT_NDJSON,
                           .header = true,
                           .principal = &ex->principal,
                           .control = &ex->control}};
    th_query_stats stats = {0};
    th_diag diag = {0};
    th_buf inflated;
    th_buf_init(&inflated, NET_SQL_BODY_MAX);
    th_slice body;
    th_err err = net_body_plain(ex, &inflated, &body, &diag);
    if (err == TH_OK) err = run_sql(&run, body, &stats, &diag);
    atomic_fetch_add(&counters->sql, 1);
    atomic_fetch_add(&counters->sql_rows, stats.rows);
    if (err != TH_OK) atomic_fetch_add(&counters->sql_errors, 1);
    if (err == TH_OK) {
        end_well(&run, &stats);
    } else if (ex->started) {
        end_badly(&run, err, &diag);
    } else {
        net_answer_error(ex, sql_status(err), err, &diag);
    }
    th_buf_free(&inflated);
    th_arena_free(run.arena);
}
