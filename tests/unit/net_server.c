/* SPDX-License-Identifier: Apache-2.0
 * The server over real sockets, with stand-ins for SQL and ingest: framing, order, back-pressure, limits, refusals,
 * deadlines, cancel, and the graceful end. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/time.h"
#include "net/net_private.h"
#include "net/words.h"
#include "os/os.h"
#include "tests/unit/test.h"

/* ---- stand-ins ------------------------------------------------------------------------------------------------------ */

static atomic_uint_fast64_t written_bytes; /* by the endless query */
static atomic_int running, cancelled, loads;
static atomic_bool hold_loads;
static char last_object[256], last_source[64], last_who[64], last_headers[256];
static th_as_known_at last_as_known_at;
static th_query_limits last_limits;
static char last_param[64];
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

static th_err endless(const net_sql *sql, th_err (*write)(void *ctx, th_slice bytes), void *ctx)
{
    static uint8_t piece[32768];
    th_err err = TH_OK;
    atomic_fetch_add(&running, 1);
    while (err == TH_OK && atomic_load(&sql->control->cancel) == 0) {
        err = write(ctx, th_slice_of(piece, sizeof(piece)));
        atomic_fetch_add(&written_bytes, sizeof(piece));
    }
    atomic_fetch_sub(&running, 1);
    atomic_fetch_add(&cancelled, 1);
    return TH_ECANCELED;
}

static th_err fake_sql(const th_server_options *options, const net_sql *sql,
                       th_err (*write)(void *ctx, th_slice bytes), void *ctx, th_query_stats *stats,
                       th_diag *diag)
{
    (void)options;
    pthread_mutex_lock(&last_lock);
    last_as_known_at = sql->as_known_at;
    last_limits = sql->limits;
    if (sql->param_count > 0)
        snprintf(last_param, sizeof(last_param), "%.*s", TH_SLICE_ARGS(sql->params[0]));
    pthread_mutex_unlock(&last_lock);
    if (th_slice_is(sql->text, "bad")) {
        th_err err =
            th_fail_at(diag, TH_ESQL, "COLUMN_NOT_FOUND", 1, 8, "Column 'x' cannot be resolved");
        th_diag_hint(diag, "did you mean y?");
        return err;
    }
    if (th_slice_is(sql->text, "endless")) return endless(sql, write, ctx);
    if (th_slice_is(sql->text, "sleep")) {
        atomic_fetch_add(&running, 1);
        for (int i = 0; i < 500 && atomic_load(&sql->control->cancel) == 0; i++) usleep(1000);
        atomic_fetch_sub(&running, 1);
    }
    TH_TRY(write(ctx, TH_SLICE("{\"a\":1}\n")));
    if (th_slice_is(sql->text, "late"))
        return th_fail(diag, TH_ESQL, "DIVISION_BY_ZERO", "Division by zero");
    stats->rows = 1;
    return TH_OK;
}

static th_err fake_ingest(const th_server_options *options, const th_ingest_options *how,
                          const th_object_input *object, th_buf *json, th_ingest_summary *summary,
                          th_diag *diag)
{
    (void)options;
    if (strcmp(how->source, "full") == 0) return th_fail(diag, TH_ENOSPC, NULL, "the disk is full");
    atomic_fetch_add(&loads, 1);
    while (atomic_load(&hold_loads)) usleep(1000);
    pthread_mutex_lock(&last_lock);
    snprintf(last_object, sizeof(last_object), "%s", object->name);
    snprintf(last_source, sizeof(last_source), "%s", how->source);
    snprintf(last_who, sizeof(last_who), "%s", how->who);
    last_headers[0] = '\0';
    for (size_t i = 0; i < object->header_count; i++) {
        size_t used = strlen(last_headers);
        snprintf(last_headers + used, sizeof(last_headers) - used, "%.*s=%.*s;",
                 TH_SLICE_ARGS(object->headers[i].name), TH_SLICE_ARGS(object->headers[i].value));
    }
    pthread_mutex_unlock(&last_lock);
    summary->records = 3;
    summary->lsn = 7;
    th_buf_printf(json, "{\"bytes\":%zu}", object->bytes.size);
    return TH_OK;
}

static void fake_stats(const th_server_options *options, th_store_stats *out)
{
    (void)options;
    out->lsn = 41;
}

static bool fake_format(const char *name, th_format *out)
{
    *out = strcmp(name, "csv") == 0 ? TH_FORMAT_CSV : TH_FORMAT_NDJSON;
    return strcmp(name, "csv") == 0 || strcmp(name, "ndjson") == 0;
}

static const net_services services = {fake_sql, fake_ingest, fake_stats, fake_format};

static th_err fake_route(void *ctx, th_slice method, th_slice path, th_slice body, th_buf *out,
                         th_diag *diag)
{
    (void)ctx;
    if (!th_slice_starts(path, TH_SLICE("/v1/echo")))
        return th_fail(diag, TH_ENOTFOUND, NULL, "no such path");
    th_buf_printf(out, "%.*s %.*s %.*s", TH_SLICE_ARGS(method), TH_SLICE_ARGS(path),
                  TH_SLICE_ARGS(body));
    return TH_OK;
}

static int fake_command(void *ctx, const th_principal *principal, const char *const *argv, int argc,
                        th_err (*write)(void *write_ctx, th_slice bytes), void *write_ctx,
                        th_buf *messages, th_query_control *control)
{
    (void)ctx;
    (void)control;
    for (int i = 0; i < argc; i++) {
        if (write(write_ctx, th_slice_text(argv[i])) != TH_OK ||
            write(write_ctx, TH_SLICE("\n")) != TH_OK)
            return 130;
    }
    th_buf_printf(messages, "50%% done, asked by %s", principal->source);
    return 3;
}

static uint64_t committed_lsn;

static void fake_committed(void *ctx, uint64_t lsn)
{
    (void)ctx;
    pthread_mutex_lock(&last_lock);
    committed_lsn = lsn;
    pthread_mutex_unlock(&last_lock);
}

/* ---- a server and raw clients --------------------------------------------------------------------------------------- */

static net_server *server;
static char socket_path[128];

static void start_with(const net_deadlines *deadlines)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    snprintf(socket_path, sizeof(socket_path), "/tmp/net_server_test.%d.sock", (int)getpid());
    th_server_options options = {.listen = listen,
                                 .socket_path = socket_path,
                                 .workers = 2,
                                 .committed = fake_committed,
                                 .route = fake_route,
                                 .command = fake_command};
    th_diag diag = {0};
    atomic_store(&hold_loads, false);
    if (net_server_start(&options, &services, deadlines, &server, &diag) != TH_OK)
        FAIL("%s", diag.text);
}

static void start(void)
{
    start_with(&net_deadlines_default);
}

static void stop(void)
{
    th_server_stop((th_server *)server, TH_US_PER_SECOND);
    server = NULL;
}

static int dial(void)
{
    const char *address = th_server_address((th_server *)server, 0);
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port =
                                 htons((uint16_t)strtoul(strchr(address, ':') + 1, NULL, 10))};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
    return fd;
}

static void say(int fd, const char *text)
{
    CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static char heard[1u << 20];

/* Read until `wanted` was heard, the end, or 5 seconds. */
static const char *hear(int fd, const char *wanted)
{
    size_t size = 0;
    int64_t give_up = th_os_mono_us() + 5 * TH_US_PER_SECOND;
    heard[0] = '\0';
    while (size < sizeof(heard) - 1 && th_os_mono_us() < give_up) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0) continue;
        ssize_t got = recv(fd, heard + size, sizeof(heard) - 1 - size, 0);
        if (got <= 0) break;
        size += (size_t)got;
        heard[size] = '\0';
        if (wanted != NULL && strstr(heard, wanted) != NULL) break;
    }
    return heard;
}

static const char *ask(const char *text)
{
    int fd = dial();
    say(fd, text);
    (void)hear(fd, NULL);
    close(fd);
    return heard;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static bool wait_until(atomic_int *value, int wanted)
{
    for (int i = 0; i < 5000 && atomic_load(value) != wanted; i++) usleep(1000);
    return atomic_load(value) == wanted;
}

#define CLOSE_HEAD "Host: localhost\r\nConnection: close\r\n"

/* ---- tests ---------------------------------------------------------------------------------------------------------- */

TEST(health_and_unknown_paths)
{
    start();
    CHECK(has(ask("GET /healthz HTTP/1.1\r\n" CLOSE_HEAD "\r\n"), "HTTP/1.1 200 OK"));
    CHECK(has(heard, "\r\n\r\nok\n"));
    CHECK(has(ask("HEAD /healthz HTTP/1.1\r\n" CLOSE_HEAD "\r\n"), "Content-Length: 3\r\n"));
    CHECK(!has(heard, "ok\n"));
    CHECK(has(ask("GET /readyz HTTP/1.1\r\n" CLOSE_HEAD "\r\n"), "ready"));
    CHECK(has(ask("GET /nothing HTTP/1.1\r\n" CLOSE_HEAD "\r\n"), "HTTP/1.1 404"));
    CHECK(has(ask("GET /v1/sql HTTP/1.1\r\n" CLOSE_HEAD "\r\n"), "HTTP/1.1 405"));
    CHECK(has(ask("GET /v1/echo?a=b HTTP/1.1\r\n" CLOSE_HEAD "\r\n"), "GET /v1/echo?a=b "));
    CHECK(has(ask("GET /healthz HTTP/1.0\r\n\r\n"), "Connection: close"));
    CHECK(has(ask("nonsense\r\n\r\n"), "HTTP/1.1 400"));
    stop();
}

TEST(metrics_are_told)
{
    start();
    (void)ask("GET /healthz HTTP/1.1\r\n" CLOSE_HEAD "\r\n");
    const char *text = ask("GET /metrics HTTP/1.1\r\n" CLOSE_HEAD "\r\n");
    CHECK(has(text, "trailhold_lsn 41\n"));
    CHECK(has(text, "trailhold_http_answers_total{class=\"2xx\"} 1\n"));
    CHECK(has(text, "trailhold_connections_accepted_total 2\n"));
    CHECK(has(text, "trailhold_loop_lag_p99_microseconds"));
    stop();
}

TEST(rows_end_with_an_end_line)
{
    start();
    CHECK(has(ask("POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 4\r\n\r\ngood"),
              "Transfer-Encoding: chunked"));
    CHECK(has(heard, "8\r\n{\"a\":1}\n\r\n"));
    CHECK(has(heard, "{\"end\":{\"rows\":1,\"ms\":"));
    CHECK(has(heard, "\r\n0\r\n\r\n"));
    CHECK(has(ask("POST /v1/sql HTTP/1.0\r\nHost: localhost\r\nContent-Length: 4\r\n\r\ngood"),
              "\r\n\r\n{\"a\":1}\n{\"end\":"));
    stop();
}

TEST(error_before_the_first_row_is_the_status)
{
    start();
    CHECK(has(ask("POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 3\r\n\r\nbad"),
              "HTTP/1.1 400"));
    CHECK(has(heard, "{\"error\":{\"code\":\"COLUMN_NOT_FOUND\",\"message\":\"Column 'x' cannot be "
                     "resolved\",\"line\":1,"
                     "\"column\":8,\"hint\":\"did you mean y?\"}}\n"));
    stop();
}

TEST(error_after_rows_is_never_a_good_end)
{
    start();
    CHECK(has(ask("POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 4\r\n\r\nlate"),
              "HTTP/1.1 200"));
    CHECK(has(heard, "{\"error\":{\"code\":\"DIVISION_BY_ZERO\""));
    CHECK(!has(heard, "\"end\""));
    /* csv has no such line: the trailer tells it to who asked for trailers, the cut connection to all others */
    CHECK(has(ask("POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD
                  "TE: trailers\r\nX-Trailhold-Format: csv\r\nContent-Length: 4\r\n\r\nlate"),
              "0\r\nX-Trailhold-End: error\r\nX-Trailhold-Error: %7B%22error%22"));
    CHECK(!has(ask("POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD
                   "X-Trailhold-Format: csv\r\nContent-Length: 4\r\n\r\nlate"),
               "0\r\n\r\n"));
    stop();
}

TEST(statement_as_json)
{
    start();
    const char *body = "{\"sql\":\"good\",\"params\":[\"it's\"],\"limits\":{\"rows\":5,\"time_ms\":"
                       "20},\"as_known_at\":12}";
    char text[512];
    snprintf(text, sizeof(text),
             "POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    CHECK(has(ask(text), "{\"a\":1}"));
    CHECK_EQ_STR(last_param, "'it''s'");
    CHECK_EQ_U64(last_limits.rows, 5);
    CHECK_EQ_I64(last_limits.time_us, 20000);
    CHECK(last_as_known_at.set && !last_as_known_at.by_time);
    CHECK_EQ_U64(last_as_known_at.lsn, 12);
    body = "{\"sql\":\"good\",\"limit\":{\"rows\":5}}";
    snprintf(text, sizeof(text),
             "POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    CHECK(has(ask(text), "unknown member \\\"limit\\\""));
    CHECK(has(ask("POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD
                  "X-Trailhold-As-Known-At: 2026-03-01T00:00:00Z\r\nContent-Length: 4\r\n\r\ngood"),
              "200"));
    CHECK(last_as_known_at.by_time);
    stop();
}

TEST(object_is_answered_after_its_commit)
{
    start();
    committed_lsn = 0;
    CHECK(has(ask("POST /v1/ingest/cloudtrail HTTP/1.1\r\n" CLOSE_HEAD
                  "X-Trailhold-Object: s3://b/k\r\nx-amz-meta-a: 1\r\nX-Amz-Security-Token: "
                  "secret\r\nContent-Length: 5\r\n\r\nhello"),
              "{\"bytes\":5}\n"));
    CHECK_EQ_STR(last_object, "s3://b/k");
    CHECK_EQ_STR(last_source, "cloudtrail");
    CHECK_EQ_STR(last_who, "anonymous");
    CHECK_EQ_STR(last_headers, "x-amz-meta-a=1;");
    CHECK_EQ_U64(committed_lsn, 7);
    (void)ask("POST /v1/ingest/auto HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 5\r\n\r\nhello");
    CHECK_EQ_STR(last_object,
                 "http/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    (void)ask(
        "POST /v1/ingest/auto HTTP/1.1\r\n" CLOSE_HEAD
        "X-Trailhold-Encoding: url\r\nX-Trailhold-Object: a%0Ab\r\nContent-Length: 1\r\n\r\nh");
    CHECK_EQ_STR(last_object, "a\nb");
    CHECK(has(ask("POST /v1/ingest/full HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 1\r\n\r\nh"),
              "HTTP/1.1 507"));
    CHECK(has(heard, "\"code\":\"STORAGE_FULL\""));
    CHECK(has(ask("POST /v1/ingest/../x HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 1\r\n\r\nh"),
              "HTTP/1.1 404"));
    CHECK(has(ask("POST /v1/ingest/auto HTTP/1.1\r\n" CLOSE_HEAD
                  "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nh"),
              "HTTP/1.1 415"));
    stop();
}

TEST(too_large_a_body_is_refused_before_it_is_sent)
{
    start();
    char text[256];
    snprintf(text, sizeof(text),
             "POST /v1/ingest/auto HTTP/1.1\r\nHost: localhost\r\nExpect: "
             "100-continue\r\nContent-Length: %u\r\n\r\n",
             TH_HTTP_BODY_MAX + 1);
    CHECK(has(ask(text), "HTTP/1.1 413"));
    CHECK(!has(heard, "100 Continue"));
    stop();
}

TEST(client_that_expects_is_told_to_continue)
{
    start();
    int fd = dial();
    say(fd, "POST /v1/ingest/auto HTTP/1.1\r\n" CLOSE_HEAD
            "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    CHECK_EQ_STR(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "ab");
    CHECK(has(hear(fd, NULL), "{\"bytes\":2}"));
    close(fd);
    stop();
}

TEST(pipelined_requests_are_answered_in_order)
{
    start();
    CHECK(has(ask("POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nsleep"
                  "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                  "POST /v1/ingest/auto HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
                  "GET /readyz HTTP/1.1\r\n" CLOSE_HEAD "\r\n"),
              "\"end\""));
    const char *rows = strstr(heard, "\"end\""), *ok = strstr(heard, "\r\n\r\nok\n"),
               *bytes = strstr(heard, "{\"bytes\":2}"), *ready = strstr(heard, "ready\n");
    CHECK(rows != NULL && ok != NULL && bytes != NULL && ready != NULL);
    CHECK(rows < ok && ok < bytes && bytes < ready);
    stop();
}

TEST(flood_of_pipelined_requests_is_all_answered)
{
    start();
    int fd = dial();
    enum { COUNT = 5000 };
    const char *one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    size_t sent = 0, total = COUNT * strlen(one), oks = 0, at = 0;
    int64_t give_up = th_os_mono_us() + 20 * TH_US_PER_SECOND;
    char piece[4096], text[16384];
    const char ok[] = "\r\n\r\nok\n";
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (oks < COUNT && th_os_mono_us() < give_up) {
        for (size_t i = 0; i < sizeof(text); i++) text[i] = one[(sent + i) % strlen(one)];
        size_t part = total - sent < sizeof(text) ? total - sent : sizeof(text);
        ssize_t n = part == 0 ? 0 : send(fd, text, part, MSG_NOSIGNAL);
        if (n > 0) sent += (size_t)n;
        n = recv(fd, piece, sizeof(piece), 0);
        for (ssize_t i = 0; i < n; i++) {
            at = piece[i] == ok[at] ? at + 1 : piece[i] == ok[0] ? 1 : 0;
            if (at == sizeof(ok) - 1) {
                oks++;
                at = 0;
            }
        }
    }
    CHECK_EQ_U64(oks, COUNT);
    close(fd);
    stop();
}

TEST(slow_reader_holds_its_query_and_nobody_else)
{
    start();
    atomic_store(&written_bytes, 0);
    atomic_store(&cancelled, 0);
    int fd = dial();
    say(fd, "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\nendless");
    (void)hear(fd, "200 OK");
    uint64_t before = 0;
    for (int i = 0; i < 50 && (before == 0 || before != atomic_load(&written_bytes)); i++) {
        before = atomic_load(&written_bytes);
        usleep(100000);
    }
    CHECK_EQ_U64(atomic_load(&written_bytes), before); /* it waits */
    CHECK(before < (16u << 20));
    CHECK(has(ask("POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 4\r\n\r\ngood"),
              "\"end\""));
    CHECK(has(ask("POST /v1/ingest/auto HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 1\r\n\r\nx"),
              "\"bytes\""));
    for (size_t got = 0; got < (8u << 20);) {
        ssize_t n = recv(fd, heard, sizeof(heard), 0);
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK(atomic_load(&written_bytes) > before); /* it went on */
    close(fd);
    CHECK(wait_until(&cancelled, 1)); /* and ends with its reader */
    stop();
}

TEST(client_that_leaves_cancels_its_query)
{
    start();
    int fd = dial();
    say(fd, "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nsleep");
    CHECK(wait_until(&running, 1));
    int64_t left = th_os_mono_us();
    close(fd);
    CHECK(wait_until(&running, 0));
    CHECK(th_os_mono_us() - left < 300000);
    stop();
}

TEST(full_queue_is_told_with_retry_after)
{
    start();
    atomic_store(&loads, 0);
    atomic_store(&hold_loads, true);
    enum { RUNNING = 8, ALL = NET_JOBS_MAX + RUNNING };
    static int fds[ALL + 1];
    for (int i = 0; i < ALL; i++) {
        fds[i] = dial();
        say(fds[i], "POST /v1/ingest/auto HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 1\r\n\r\nx");
        if (i == RUNNING - 1) CHECK(wait_until(&loads, RUNNING));
    }
    for (int i = 0; i < 5000 && net_jobs_waiting(server->jobs) < NET_JOBS_MAX; i++) usleep(1000);
    CHECK_EQ_U64(net_jobs_waiting(server->jobs), NET_JOBS_MAX);
    CHECK(has(ask("POST /v1/ingest/auto HTTP/1.1\r\n" CLOSE_HEAD "Content-Length: 1\r\n\r\nx"),
              "HTTP/1.1 429"));
    CHECK(has(heard, "Retry-After: 1\r\n"));
    atomic_store(&hold_loads, false);
    for (int i = 0; i < ALL; i++) {
        CHECK(has(hear(fds[i], NULL), "\"bytes\":1"));
        close(fds[i]);
    }
    stop();
}

TEST(strangers_are_refused)
{
    start();
    CHECK(has(ask("GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
              "HTTP/1.1 403"));
    CHECK(has(ask("GET /healthz HTTP/1.1\r\n" CLOSE_HEAD "Origin: http://evil.example\r\n\r\n"),
              "HTTP/1.1 403"));
    CHECK(has(ask("GET /healthz HTTP/1.1\r\n" CLOSE_HEAD "Origin: null\r\n\r\n"), "HTTP/1.1 403"));
    CHECK(has(ask("GET /healthz HTTP/1.1\r\n" CLOSE_HEAD "Origin: http://localhost\r\n\r\n"),
              "HTTP/1.1 200"));
    CHECK(net_host_is_ours(TH_SLICE("LOCALHOST:80")) && net_host_is_ours(TH_SLICE("[::1]:80")) &&
          net_host_is_ours(TH_SLICE("[::1]")));
    CHECK(net_host_is_ours(TH_SLICE("127.0.0.1")) &&
          !net_host_is_ours(TH_SLICE("127.0.0.1.evil.example")));
    CHECK(!net_host_is_ours(TH_SLICE("localhost:x")) && !net_host_is_ours(TH_SLICE("")) &&
          !net_host_is_ours(TH_SLICE("a@localhost")));
    stop();
}

TEST(only_loopback_is_listened_on)
{
    static const char *const cases[] = {"0.0.0.0:0", "[::]:0",          "192.0.2.1:80",
                                        "nonsense",  "127.0.0.1:99999", "localhost"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *listen[] = {cases[i], NULL};
        th_server_options options = {.listen = listen};
        th_diag diag = {0};
        net_server *none = NULL;
        CHECK(net_server_start(&options, &services, &net_deadlines_default, &none, &diag) != TH_OK);
        CHECK(none == NULL && strstr(diag.text, cases[i]) != NULL);
    }
}

TEST(taken_port_is_an_error_that_names_it)
{
    start();
    const char *listen[] = {th_server_address((th_server *)server, 0), NULL};
    th_server_options options = {.listen = listen};
    th_diag diag = {0};
    net_server *none = NULL;
    CHECK_EQ_I64(net_server_start(&options, &services, &net_deadlines_default, &none, &diag),
                 TH_ENET);
    CHECK(strstr(diag.text, listen[0]) != NULL);
    CHECK(th_server_address((th_server *)server, 1) == NULL);
    stop();
}

TEST(slow_head_body_and_idle_connections_end)
{
    net_deadlines quick = net_deadlines_default;
    quick.head_us = quick.body_us = quick.idle_us = 300000;
    quick.body_rate = 1000;
    start_with(&quick);
    int head = dial(), body = dial(), idle = dial();
    say(head, "GET /healthz HTTP/1.1\r\n");
    say(body,
        "POST /v1/ingest/auto HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx");
    CHECK(has(hear(head, NULL), "HTTP/1.1 408"));
    CHECK(has(hear(body, NULL), "HTTP/1.1 408"));
    CHECK_EQ_STR(hear(idle, NULL), "");
    CHECK(has(ask("GET /healthz HTTP/1.1\r\n" CLOSE_HEAD "\r\n"), "200 OK"));
    close(head);
    close(body);
    close(idle);
    stop();
}

TEST(reader_that_stands_still_is_cut)
{
    net_deadlines quick = net_deadlines_default;
    quick.stall_us = 300000;
    start_with(&quick);
    atomic_store(&cancelled, 0);
    int fd = dial();
    say(fd, "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\nendless");
    CHECK(wait_until(&cancelled, 1));
    close(fd);
    stop();
}

TEST(connection_over_the_limit_is_told)
{
    start();
    static int fds[TH_CONNECTIONS_MAX];
    for (uint32_t i = 0; i < TH_CONNECTIONS_MAX; i++) fds[i] = dial();
    int over = dial();
    CHECK(has(hear(over, NULL), "HTTP/1.1 503"));
    CHECK(has(heard, "TOO_MANY_CONNECTIONS"));
    say(fds[TH_CONNECTIONS_MAX - 1], "GET /healthz HTTP/1.1\r\n" CLOSE_HEAD "\r\n");
    CHECK(has(hear(fds[TH_CONNECTIONS_MAX - 1], NULL), "200 OK"));
    for (uint32_t i = 0; i < TH_CONNECTIONS_MAX; i++) close(fds[i]);
    close(over);
    stop();
}

TEST(stop_lets_running_requests_end)
{
    start();
    int fd = dial(), idle = dial();
    say(fd, "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nsleep");
    CHECK(wait_until(&running, 1));
    th_server_stop((th_server *)server, 5 * TH_US_PER_SECOND);
    server = NULL;
    CHECK(has(hear(fd, NULL), "\"end\""));
    CHECK_EQ_STR(hear(idle, NULL), "");
    CHECK(access(socket_path, F_OK) != 0);
    close(fd);
    close(idle);
}

TEST(stop_does_not_wait_for_ever)
{
    start();
    atomic_store(&cancelled, 0);
    int fd = dial();
    say(fd, "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\nendless");
    CHECK(wait_until(&running, 1));
    int64_t begun = th_os_mono_us();
    th_server_stop((th_server *)server, 200000);
    server = NULL;
    CHECK(th_os_mono_us() - begun < 2 * TH_US_PER_SECOND);
    CHECK_EQ_I64(atomic_load(&cancelled), 1);
    close(fd);
}

TEST(gzip_statement_is_inflated_and_bounded)
{
    start();
    static uint8_t zeros[NET_SQL_BODY_MAX + 1], packed[65536];
    for (int large = 0; large < 2; large++) {
        z_stream z = {0};
        CHECK(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        z.next_in = large ? zeros : (Bytef *)(uintptr_t) "good";
        z.avail_in = large ? sizeof(zeros) : 4;
        z.next_out = packed;
        z.avail_out = sizeof(packed);
        CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
        size_t size = sizeof(packed) - z.avail_out;
        deflateEnd(&z);
        char head[256];
        snprintf(head, sizeof(head),
                 "POST /v1/sql HTTP/1.1\r\n" CLOSE_HEAD
                 "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                 size);
        int fd = dial();
        say(fd, head);
        CHECK(send(fd, packed, size, MSG_NOSIGNAL) == (ssize_t)size);
        CHECK(has(hear(fd, NULL), large ? "BODY_TOO_LARGE" : "\"end\""));
        close(fd);
    }
    stop();
}

TEST(lag_is_measured)
{
    start();
    usleep(300000);
    uint64_t p99 = 0, max = 0;
    th_server_lag((th_server *)server, &p99, &max);
    CHECK(p99 <= max && max < 5 * 1000000);
    stop();
    net_histogram h = {0};
    for (uint64_t i = 0; i < 990; i++) net_histogram_add(&h, 100);
    for (uint64_t i = 0; i < 10; i++) net_histogram_add(&h, 50000);
    CHECK(net_histogram_p99(&h) >= 100 && net_histogram_p99(&h) < 150);
    net_histogram_add(&h, 50000);
    CHECK_EQ_U64(net_histogram_p99(&h), 50000);
}

TEST_MAIN(health_and_unknown_paths, metrics_are_told, rows_end_with_an_end_line,
          error_before_the_first_row_is_the_status, error_after_rows_is_never_a_good_end,
          statement_as_json, object_is_answered_after_its_commit,
          too_large_a_body_is_refused_before_it_is_sent, client_that_expects_is_told_to_continue,
          pipelined_requests_are_answered_in_order, flood_of_pipelined_requests_is_all_answered,
          slow_reader_holds_its_query_and_nobody_else, client_that_leaves_cancels_its_query,
          full_queue_is_told_with_retry_after, strangers_are_refused, only_loopback_is_listened_on,
          taken_port_is_an_error_that_names_it, slow_head_body_and_idle_connections_end,
          reader_that_stands_still_is_cut, connection_over_the_limit_is_told,
          stop_lets_running_requests_end, stop_does_not_wait_for_ever,
          gzip_statement_is_inflated_and_bounded, lag_is_measured)
