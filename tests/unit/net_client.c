/* SPDX-License-Identifier: Apache-2.0
 * The blocking client against a real server (SQL and ingest are stand-ins): both kinds of address, kept connections,
 * trailers, errors, cancel; and the private socket's rules. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/time.h"
#include "net/net_private.h"
#include "net/words.h"
#include "os/os.h"
#include "tests/unit/test.h"

static atomic_int running, cancelled;
static char last_source[96], last_name[64];
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

static th_err fake_sql(const th_server_options *options, const net_sql *sql,
                       th_err (*write)(void *ctx, th_slice bytes), void *ctx, th_query_stats *stats,
                       th_diag *diag)
{
    (void)options;
    pthread_mutex_lock(&last_lock);
    snprintf(last_source, sizeof(last_source), "%s", sql->principal->source);
    snprintf(last_name, sizeof(last_name), "%s", sql->principal->name);
    pthread_mutex_unlock(&last_lock);
    if (th_slice_is(sql->text, "wait")) {
        atomic_fetch_add(&running, 1);
        while (atomic_load(&sql->control->cancel) == 0) usleep(1000);
        atomic_fetch_add(&cancelled, 1);
        return TH_ECANCELED;
    }
    if (th_slice_is(sql->text, "bad"))
        return th_fail_at(diag, TH_ESQL, "TYPE_MISMATCH", 2, 3, "nö");
    TH_TRY(write(ctx, TH_SLICE("a,b\n")));
    if (th_slice_is(sql->text, "late")) return th_fail(diag, TH_ETIME, NULL, "too slow");
    stats->rows = 2;
    return TH_OK;
}

static th_err fake_ingest(const th_server_options *options, const th_ingest_options *how,
                          const th_object_input *object, th_buf *json, th_ingest_summary *summary,
                          th_diag *diag)
{
    (void)options;
    (void)how;
    (void)diag;
    th_sha256 sha = th_sha256_of(object->bytes);
    char hex[65];
    th_sha256_hex(&sha, hex);
    th_buf_add_text(json, hex);
    summary->lsn = 1;
    return TH_OK;
}

static void fake_stats(const th_server_options *options, th_store_stats *out)
{
    (void)options;
    (void)out;
}

static bool fake_format(const char *name, th_format *out)
{
    *out = TH_FORMAT_CSV;
    return strcmp(name, "csv") == 0;
}

static const net_services services = {fake_sql, fake_ingest, fake_stats, fake_format};

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
    if (argc > 1) th_buf_printf(messages, "50%% done\nby %s\n", principal->source);
    return 3;
}

static net_server *server;
static char socket_path[512], url[128];

static void start_at(const char *path)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    snprintf(socket_path, sizeof(socket_path), "%s", path);
    th_server_options options = {
        .listen = listen, .socket_path = socket_path, .workers = 2, .command = fake_command};
    th_diag diag = {0};
    if (net_server_start(&options, &services, &net_deadlines_default, &server, &diag) != TH_OK)
        FAIL("%s", diag.text);
    snprintf(url, sizeof(url), "http://%s", th_server_address((th_server *)server, 0));
}

static void start(void)
{
    char path[128];
    snprintf(path, sizeof(path), "/tmp/net_client_test.%d.sock", (int)getpid());
    start_at(path);
}

static void stop(void)
{
    th_server_stop((th_server *)server, TH_US_PER_SECOND);
    server = NULL;
}

static th_client *open_client(const char *target)
{
    th_client *client = NULL;
    th_diag diag = {0};
    if (th_client_open(target, &client, &diag) != TH_OK) FAIL("%s", diag.text);
    return client;
}

static th_client *open_socket(void)
{
    char target[600];
    snprintf(target, sizeof(target), "unix:%s", socket_path);
    return open_client(target);
}

static char body[1u << 16];
static size_t body_size;

static th_err keep(void *ctx, th_slice bytes)
{
    if (ctx != NULL) return TH_ELIMIT;
    if (bytes.size >= sizeof(body) - body_size) return TH_ELIMIT;
    memcpy(body + body_size, bytes.bytes, bytes.size);
    body_size += bytes.size;
    body[body_size] = '\0';
    return TH_OK;
}

static th_diag diag;
static const th_client_header csv = {"X-Trailhold-Format", {(const uint8_t *)"csv", 3}};

static th_err post(th_client *client, const char *path, th_slice bytes, int *status)
{
    body_size = 0;
    body[0] = '\0';
    th_diag_clear(&diag);
    return th_client_request(client, "POST", path, &csv, 1, bytes, status, keep, NULL, NULL, &diag);
}

TEST(answers_come_with_their_trailers)
{
    start();
    th_client *clients[2] = {open_client(url), open_socket()};
    for (int i = 0; i < 2; i++) {
        int status = 0;
        CHECK_EQ_I64(post(clients[i], "/v1/sql", TH_SLICE("good"), &status), TH_OK);
        CHECK_EQ_I64(status, 200);
        CHECK_EQ_STR(body, "a,b\n");
        CHECK_SLICE(th_client_trailer(clients[i], "x-trailhold-end"), "ok");
        CHECK_SLICE(th_client_trailer(clients[i], "x-trailhold-rows"), "2");
        CHECK(th_client_trailer(clients[i], "x-trailhold-error").bytes == NULL);
        CHECK_EQ_I64(post(clients[i], "/v1/sql", TH_SLICE("late"), &status), TH_OK);
        CHECK_SLICE(th_client_trailer(clients[i], "x-trailhold-end"), "error");
        th_buf json;
        th_buf_init(&json, 4096);
        CHECK(net_url_decode(&json, th_client_trailer(clients[i], "x-trailhold-error")));
        CHECK_EQ_I64(th_client_error(200, th_buf_slice(&json), &diag), TH_ETIME);
        CHECK_EQ_STR(diag.text, "too slow");
        th_buf_free(&json);
        char uid[32];
        snprintf(uid, sizeof(uid), "uid %u", (unsigned)getuid());
        CHECK_EQ_STR(last_name, i == 0 ? "anonymous" : uid);
        th_client_close(clients[i]);
    }
    CHECK_EQ_STR(last_source, "socket");
    stop();
}

TEST(error_object_becomes_a_diagnosis_again)
{
    start();
    th_client *client = open_client(url);
    int status = 0;
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("bad"), &status), TH_OK);
    CHECK_EQ_I64(status, 400);
    CHECK_EQ_I64(th_client_error(status, th_slice_text(body), &diag), TH_ESQL);
    CHECK_EQ_STR(diag.name, "TYPE_MISMATCH");
    CHECK_EQ_STR(diag.text, "nö");
    CHECK_EQ_I64(diag.line, 2);
    CHECK_EQ_I64(diag.column, 3);
    th_diag_clear(&diag);
    CHECK_EQ_I64(th_client_error(502, TH_SLICE("<html>"), &diag), TH_ENET);
    CHECK_EQ_STR(diag.text, "the server answered 502");
    th_client_close(client);
    stop();
}

TEST(one_connection_carries_many_requests)
{
    start();
    th_client *client = open_socket();
    for (int i = 0; i < 50; i++) {
        int status = 0;
        CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_OK);
    }
    CHECK_EQ_U64(atomic_load(&server->counters.accepted), 1);
    th_client_close(client);
    stop();
}

TEST(ended_connection_is_replaced_before_a_request)
{
    start();
    th_client *client = open_socket();
    int status = 0;
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_OK);
    stop();
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_ENET);
    start();
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_OK);
    th_client_close(client);
    stop();
}

TEST(command_streams_and_its_status_comes_last)
{
    start();
    th_client *client = open_socket();
    int status = 0;
    CHECK_EQ_I64(
        post(client, "/v1/command", TH_SLICE("{\"argv\":[\"object\",\"a\\u0020\\\"b\"]}"), &status),
        TH_OK);
    CHECK_EQ_STR(body, "object\na \"b\n");
    CHECK_SLICE(th_client_trailer(client, "x-trailhold-exit"), "3");
    CHECK_SLICE(th_client_trailer(client, "x-trailhold-messages"), "50%25%20done%0Aby%20socket%0A");
    CHECK_EQ_I64(post(client, "/v1/command", TH_SLICE("{\"argv\":[\"quiet\"]}"), &status), TH_OK);
    CHECK_SLICE(th_client_trailer(client, "x-trailhold-messages"), "");
    static const char *const bad[] = {"{\"argv\":[]}", "{\"argv\":[1]}", "[]",
                                      "{\"argv\":[\"a\\u0000b\"]}", "nonsense"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ_I64(post(client, "/v1/command", th_slice_text(bad[i]), &status), TH_OK);
        CHECK_EQ_I64(status, 400);
    }
    th_client_close(client);
    stop();
}

TEST(large_body_arrives_whole)
{
    start();
    th_client *client = open_client(url);
    size_t size = 40u << 20;
    uint8_t *bytes = malloc(size);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(i * 7 + (i >> 13));
    th_sha256 sha = th_sha256_of(th_slice_of(bytes, size));
    char hex[66];
    th_sha256_hex(&sha, hex);
    int status = 0;
    CHECK_EQ_I64(post(client, "/v1/ingest/auto", th_slice_of(bytes, size), &status), TH_OK);
    CHECK_EQ_I64(status, 200);
    hex[64] = '\n';
    hex[65] = '\0';
    CHECK_EQ_STR(body, hex);
    free(bytes);
    for (int i = 0; i < 3000 && th_budget_used(&server->bodies) > 0; i++) usleep(1000);
    CHECK_EQ_U64(th_budget_used(&server->bodies), 0);
    /* one byte too many is refused while it is sent; the client sees the answer, not a broken pipe */
    bytes = calloc(1, TH_HTTP_BODY_MAX + 1);
    CHECK_EQ_I64(post(client, "/v1/ingest/auto", th_slice_of(bytes, TH_HTTP_BODY_MAX + 1), &status),
                 TH_OK);
    CHECK_EQ_I64(status, 413);
    CHECK_EQ_I64(th_client_error(status, th_slice_text(body), &diag), TH_ELIMIT);
    CHECK_EQ_STR(diag.name, "BODY_TOO_LARGE");
    free(bytes);
    th_client_close(client);
    stop();
}

static volatile int interrupted;

static void *interrupt(void *arg)
{
    (void)arg;
    while (atomic_load(&running) == 0) usleep(1000);
    __atomic_store_n(&interrupted, 1, __ATOMIC_RELAXED);
    return NULL;
}

TEST(cancel_ends_the_call_and_the_query)
{
    start();
    atomic_store(&running, 0);
    atomic_store(&cancelled, 0);
    interrupted = 0;
    th_client *client = open_socket();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, interrupt, NULL) == 0);
    int status = 0;
    th_diag_clear(&diag);
    CHECK_EQ_I64(th_client_request(client, "POST", "/v1/sql", NULL, 0, TH_SLICE("wait"), &status,
                                   keep, NULL, &interrupted, &diag),
                 TH_ECANCELED);
    pthread_join(thread, NULL);
    for (int i = 0; i < 3000 && atomic_load(&cancelled) == 0; i++) usleep(1000);
    CHECK_EQ_I64(atomic_load(&cancelled), 1);
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_OK);
    th_client_close(client);
    stop();
}

TEST(error_of_the_body_callback_is_returned)
{
    start();
    th_client *client = open_socket();
    int status = 0;
    th_diag_clear(&diag);
    CHECK_EQ_I64(th_client_request(client, "POST", "/v1/sql", &csv, 1, TH_SLICE("good"), &status,
                                   keep, &status, NULL, &diag),
                 TH_ELIMIT);
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_OK);
    th_client_close(client);
    stop();
}

TEST(header_with_a_line_end_is_refused)
{
    start();
    th_client *client = open_socket();
    th_client_header evil = {"X-Trailhold-Object", TH_SLICE("a\r\nX-Amz-Meta-B: c")};
    int status = 0;
    th_diag_clear(&diag);
    CHECK_EQ_I64(th_client_request(client, "GET", "/healthz", &evil, 1, (th_slice){0}, &status,
                                   keep, NULL, NULL, &diag),
                 TH_EINVAL);
    th_client_close(client);
    stop();
}

TEST(bad_targets_are_refused)
{
    static const char *const bad[] = {
        "",           "localhost",  "https://localhost:1", "http://localhost",
        "http://:80", "http://h:0", "http://h:70000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        th_client *client = NULL;
        th_diag_clear(&diag);
        CHECK_EQ_I64(th_client_open(bad[i], &client, &diag), TH_EINVAL);
    }
    th_client *client = open_client("unix:/nonexistent/sock");
    int status = 0;
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_ENET);
    CHECK(strstr(diag.text, "/nonexistent/sock") != NULL);
    th_client_close(client);
}

TEST(private_socket_is_private_and_replaces_a_stale_one)
{
    char path[128];
    snprintf(path, sizeof(path), "/tmp/net_client_stale.%d.sock", (int)getpid());
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(stale, (struct sockaddr *)&name, sizeof(name)) == 0);
    close(stale); /* the file stays, as after a crash */
    start_at(path);
    struct stat info;
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    th_client *client = open_socket();
    int status = 0;
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_OK);
    th_client_close(client);
    stop();
    CHECK(stat(path, &info) != 0);
    /* a file of another kind is not ours to remove */
    CHECK_EQ_I64(th_os_write_file(path, TH_SLICE("precious"), 0600, NULL), TH_OK);
    th_server_options options = {.socket_path = path};
    th_diag_clear(&diag);
    CHECK_EQ_I64(net_server_start(&options, &services, &net_deadlines_default, &server, &diag),
                 TH_ENET);
    CHECK(stat(path, &info) == 0 && unlink(path) == 0);
}

TEST(socket_path_may_be_longer_than_an_address)
{
    char dir[400], path[420];
    int at = snprintf(dir, sizeof(dir), "/tmp/net_client_long.%d", (int)getpid());
    for (int i = 0; i < 20; i++) at += snprintf(dir + at, sizeof(dir) - (size_t)at, "/a-long-name");
    CHECK_EQ_I64(th_os_mkdirs(dir, 0700, NULL), TH_OK);
    snprintf(path, sizeof(path), "%s/sock", dir);
    start_at(path);
    th_client *client = open_socket();
    int status = 0;
    CHECK_EQ_I64(post(client, "/v1/sql", TH_SLICE("good"), &status), TH_OK);
    th_client_close(client);
    stop();
    struct stat info;
    CHECK(stat(path, &info) != 0);
    for (int i = 0; i <= 20; i++) {
        CHECK(rmdir(dir) == 0);
        *strrchr(dir, '/') = '\0';
    }
}

typedef struct visitor {
    pthread_t thread;
    uint32_t seed;
    uint64_t answers;
    atomic_bool *over;
} visitor;

static th_err drop(void *ctx, th_slice bytes)
{
    (void)ctx;
    (void)bytes;
    return TH_OK;
}

/* Asks this and that, leaves in the middle now and then. */
static void *visit(void *arg)
{
    visitor *v = arg;
    static const char *const words[] = {"good", "late", "bad", "good"};
    while (!atomic_load(v->over)) {
        th_client *client = NULL;
        th_diag own = {0};
        if (th_client_open(url, &client, &own) != TH_OK) break;
        for (int i = 0; i < 20; i++) {
            int status = 0, leave = 1;
            v->seed = v->seed * 1664525u + 1013904223u;
            bool load = v->seed >> 31 != 0, leaves = (v->seed >> 24 & 15) == 0;
            th_slice text = th_slice_text(words[v->seed >> 16 & 3]);
            th_diag_clear(&own);
            th_err err =
                th_client_request(client, "POST", load ? "/v1/ingest/auto" : "/v1/sql", &csv, 1,
                                  text, &status, drop, NULL, leaves ? &leave : NULL, &own);
            if (err == TH_OK && (status == 200 || status == 400)) v->answers++;
        }
        th_client_close(client);
    }
    return NULL;
}

TEST(visitors_come_and_go_while_it_stops)
{
    static visitor visitors[8];
    for (int round = 0; round < 5; round++) {
        atomic_bool over = false;
        uint64_t answers = 0;
        start();
        for (uint32_t i = 0; i < 8; i++) {
            visitors[i] = (visitor){.seed = 77 * i + (uint32_t)round, .over = &over};
            CHECK(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]) == 0);
        }
        usleep(200000);
        stop();
        atomic_store(&over, true);
        for (int i = 0; i < 8; i++) {
            pthread_join(visitors[i].thread, NULL);
            answers += visitors[i].answers;
        }
        CHECK(answers > 0);
    }
}

TEST_MAIN(answers_come_with_their_trailers, error_object_becomes_a_diagnosis_again,
          one_connection_carries_many_requests, ended_connection_is_replaced_before_a_request,
          command_streams_and_its_status_comes_last, large_body_arrives_whole,
          cancel_ends_the_call_and_the_query, error_of_the_body_callback_is_returned,
          header_with_a_line_end_is_refused, bad_targets_are_refused,
          private_socket_is_private_and_replaces_a_stale_one,
          socket_path_may_be_longer_than_an_address, visitors_come_and_go_while_it_stops)
