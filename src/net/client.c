/* SPDX-License-Identifier: Apache-2.0
 * The blocking client of commands: one kept-alive connection, requests one after the other, trailers kept. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/time.h"
#include "json/json.h"
#include "llhttp.h"
#include "net/net.h"
#include "net/unix_address.h"
#include "os/os.h"

#define CONNECT_US (10 * TH_US_PER_SECOND)
#define POLL_MS 50 /* how long a cancel may go unseen */
#define PIECE (64u << 10)
#define FIELDS_LIMIT (256u << 10)
#define ERROR_BODY_DEPTH 8

struct th_client {
    char *path; /* of a socket file; NULL: TCP */
    char host[256], port[8];
    int fd;
    llhttp_t http;
    th_buf fields; /* "name\0value\0" of the trailers, the one under way at the end */
    bool in_trailers, in_value, informational, done, close;
    int status, *status_out;
    th_err (*on_body)(void *ctx, th_slice bytes);
    void *ctx;
    th_err body_error;
    const volatile int *cancel;
    int64_t give_up_us; /* th_os_mono_us() of the end of patience; 0: none */
    uint8_t piece[PIECE];
};

/* ---- the answer, as llhttp tells it --------------------------------------------------------------------------------- */

static int on_head(llhttp_t *http)
{
    th_client *c = http->data;
    c->informational = http->status_code < 200;
    c->status = *c->status_out = http->status_code;
    c->in_trailers = !c->informational;
    return http->upgrade ? -1 : 0;
}

static int on_field(llhttp_t *http, const char *bytes, size_t size)
{
    th_client *c = http->data;
    if (!c->in_trailers) return 0;
    if (c->in_value) th_buf_add_byte(&c->fields, 0);
    c->in_value = false;
    for (size_t i = 0; i < size; i++) {
        bool upper = bytes[i] >= 'A' && bytes[i] <= 'Z';
        th_buf_add_byte(&c->fields, (uint8_t)(upper ? bytes[i] | 0x20 : bytes[i]));
    }
    return th_buf_error(&c->fields) == TH_OK ? 0 : -1;
}

static int on_value(llhttp_t *http, const char *bytes, size_t size)
{
    th_client *c = http->data;
    if (!c->in_trailers) return 0;
    if (!c->in_value) th_buf_add_byte(&c->fields, 0);
    c->in_value = true;
    th_buf_add(&c->fields, bytes, size);
    return th_buf_error(&c->fields) == TH_OK ? 0 : -1;
}

static int on_value_end(llhttp_t *http)
{
    return on_value(http, "", 0); /* an empty value has no piece of its own */
}

static int on_body(llhttp_t *http, const char *bytes, size_t size)
{
    th_client *c = http->data;
    c->body_error = c->on_body(c->ctx, th_slice_of(bytes, size));
    return c->body_error == TH_OK ? 0 : -1;
}

static int on_complete(llhttp_t *http)
{
    th_client *c = http->data;
    if (c->informational) return 0;
    c->close = llhttp_should_keep_alive(http) == 0;
    c->done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_head,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_end,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- the connection ------------------------------------------------------------------------------------------------- */

static bool split_host(th_slice target, th_client *c)
{
    if (target.size > 0 && target.bytes[target.size - 1] == '/') target.size--;
    size_t colon = target.size;
    while (colon > 0 && target.bytes[colon - 1] != ':') colon--;
    if (colon < 2) return false;
    th_slice host = th_slice_of(target.bytes, colon - 1);
    th_slice port = th_slice_of(target.bytes + colon, target.size - colon);
    uint64_t number = 0;
    if (!th_slice_to_u64(port, &number) || number == 0 || number > 65535) return false;
    if (host.bytes[0] == '[' && host.bytes[host.size - 1] == ']')
        host = th_slice_of(host.bytes + 1, host.size - 2);
    if (host.size == 0 || host.size >= sizeof(c->host)) return false;
    memcpy(c->host, host.bytes, host.size);
    c->host[host.size] = '\0';
    (void)snprintf(c->port, sizeof(c->port), "%u", (unsigned)number);
    return true;
}

th_err th_client_open(const char *target, th_client **out, th_diag *diag)
{
    th_client *c = calloc(1, sizeof(*c));
    if (c == NULL) return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    c->fd = -1;
    th_buf_init(&c->fields, FIELDS_LIMIT);
    th_slice text = th_slice_text(target), http = TH_SLICE("http://"), file = TH_SLICE("unix:");
    bool good = false;
    if (th_slice_starts(text, file)) {
        c->path = strdup(target + file.size);
        good = c->path != NULL;
    } else if (th_slice_starts(text, http)) {
        good = split_host(th_slice_of(text.bytes + http.size, text.size - http.size), c);
    }
    if (!good) {
        th_client_close(c);
        return th_fail(diag, TH_EINVAL, NULL, "'%s' is no server: http://HOST:PORT is", target);
    }
    *out = c;
    return TH_OK;
}

static void disconnect(th_client *c)
{
    th_os_close(c->fd);
    c->fd = -1;
}

void th_client_patience(th_client *c, int64_t give_up_us)
{
    c->give_up_us = give_up_us;
}

void th_client_close(th_client *c)
{
    if (c == NULL) return;
    disconnect(c);
    th_buf_free(&c->fields);
    free(c->path);
    free(c);
}

/* Until the socket is ready for one of events. */
static th_err wait_for(th_client *c, short events, int64_t give_up_us, short *got, th_diag *diag)
{
    if (give_up_us == 0 || (c->give_up_us != 0 && c->give_up_us < give_up_us))
        give_up_us = c->give_up_us;
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = events};
        int ready = poll(&p, 1, POLL_MS);
        if (c->cancel != NULL && __atomic_load_n(c->cancel, __ATOMIC_RELAXED) != 0)
            return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
        if (ready > 0) {
            *got = p.revents;
            return TH_OK;
        }
        if (ready < 0 && errno != EINTR)
            return th_fail(diag, TH_ENET, NULL, "the connection failed: %s", strerror(errno));
        if (give_up_us != 0 && th_os_mono_us() > give_up_us)
            return th_fail(diag, TH_ENET, NULL, "the server does not answer");
    }
}

static th_err connect_to(th_client *c, const struct sockaddr *address, socklen_t size,
                         const char *name, th_diag *diag)
{
    c->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) return th_fail(diag, TH_ENET, NULL, "no socket: %s", strerror(errno));
    int failed = connect(c->fd, address, size) == 0 ? 0 : errno;
    if (failed == EINPROGRESS || failed == EINTR) {
        short got = 0;
        TH_TRY(wait_for(c, POLLOUT, th_os_mono_us() + CONNECT_US, &got, diag));
        socklen_t failed_size = sizeof(failed);
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &failed_size) != 0) failed = errno;
    }
    if (failed == 0) return TH_OK;
    disconnect(c);
    return th_fail(diag, TH_ENET, NULL, "cannot reach %s: %s", name, strerror(failed));
}

static th_err connect_file(th_client *c, th_diag *diag)
{
    net_unix_address address;
    if (!net_unix_address_open(c->path, &address))
        return th_fail(diag, TH_ENET, NULL, "cannot reach %s", c->path);
    th_err err =
        connect_to(c, (const struct sockaddr *)&address.name, sizeof(address.name), c->path, diag);
    net_unix_address_close(&address);
    return err;
}

static th_err connect_host(th_client *c, th_diag *diag)
{
    char name[300];
    (void)snprintf(name, sizeof(name), "%s:%s", c->host, c->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int status = getaddrinfo(c->host, c->port, &hints, &list);
    if (status != 0)
        return th_fail(diag, TH_ENET, NULL, "cannot reach %s: %s", name, gai_strerror(status));
    th_err err = TH_ENET;
    for (struct addrinfo *a = list; a != NULL && err == TH_ENET; a = a->ai_next) {
        th_diag_clear(diag);
        err = connect_to(c, a->ai_addr, a->ai_addrlen, name, diag);
    }
    freeaddrinfo(list);
    int one = 1;
    if (err == TH_OK) (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return err;
}

/* A kept connection that can be read from was ended by the server: take a new one. */
static th_err be_connected(th_client *c, th_diag *diag)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (c->fd >= 0 && poll(&p, 1, 0) != 0) disconnect(c);
    if (c->fd >= 0) return TH_OK;
    return c->path != NULL ? connect_file(c, diag) : connect_host(c, diag);
}

/* ---- one request ---------------------------------------------------------------------------------------------------- */

static void add_head(th_client *c, th_buf *out, const char *method, const char *path,
                     const th_client_header *headers, size_t count, size_t body_size)
{
    bool literal = strchr(c->host, ':') != NULL;
    th_buf_printf(out, "%s %s HTTP/1.1\r\n", method, path);
    if (c->path != NULL) {
        th_buf_add_text(out, "Host: localhost\r\n");
    } else {
        th_buf_printf(out, "Host: %s%s%s:%s\r\n", literal ? "[" : "", c->host, literal ? "]" : "",
                      c->port);
    }
    th_buf_printf(out, "TE: trailers\r\nContent-Length: %zu\r\n", body_size);
    for (size_t i = 0; i < count; i++) {
        th_buf_printf(out, "%s: ", headers[i].name);
        th_buf_add_slice(out, headers[i].value);
        th_buf_add_text(out, "\r\n");
    }
    th_buf_add_text(out, "\r\n");
}

static bool header_is_clean(const th_client_header *header)
{
    for (size_t i = 0; i < header->value.size; i++) {
        uint8_t b = header->value.bytes[i];
        if ((b < 0x20 && b != '\t') || b == 0x7f) return false;
    }
    return true;
}

/* Send; stops early (*answered) when the server answers before it has all. */
static th_err send_all(th_client *c, th_slice bytes, bool *answered, th_diag *diag)
{
    while (bytes.size > 0 && !*answered) {
        short got = 0;
        TH_TRY(wait_for(c, POLLOUT | POLLIN, 0, &got, diag));
        if ((got & (POLLIN | POLLHUP | POLLERR)) != 0) {
            *answered = true; /* or it is gone: reading will tell */
            break;
        }
        ssize_t sent = send(c->fd, bytes.bytes, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            *answered = true;
            break;
        }
        size_t size = sent < 0 ? 0 : (size_t)sent;
        bytes = th_slice_of(bytes.bytes + size, bytes.size - size);
    }
    return TH_OK;
}

/* Take what the socket has; 0 bytes: its end. */
static th_err receive(th_client *c, size_t *size, th_diag *diag)
{
    for (;;) {
        short got = 0;
        TH_TRY(wait_for(c, POLLIN, 0, &got, diag));
        ssize_t n = recv(c->fd, c->piece, sizeof(c->piece), MSG_DONTWAIT);
        if (n >= 0) {
            *size = (size_t)n;
            return TH_OK;
        }
        if (errno != EAGAIN && errno != EINTR)
            return th_fail(diag, TH_ENET, NULL, "the connection failed: %s", strerror(errno));
    }
}

static th_err read_answer(th_client *c, th_diag *diag)
{
    llhttp_init(&c->http, HTTP_RESPONSE, &settings);
    c->http.data = c;
    while (!c->done) {
        size_t size = 0;
        TH_TRY(receive(c, &size, diag));
        llhttp_errno_t error = size == 0 ? llhttp_finish(&c->http)
                                         : llhttp_execute(&c->http, (const char *)c->piece, size);
        if (c->body_error != TH_OK) {
            return th_fail(diag, c->body_error, NULL, "%s", th_err_text(c->body_error));
        }
        if (c->done) break;
        if (size == 0)
            return th_fail(diag, TH_ENET, NULL,
                           "the server ended the connection before its answer was whole");
        if (error != HPE_OK)
            return th_fail(diag, TH_ENET, NULL, "the server's answer is not HTTP: %s",
                           llhttp_get_error_reason(&c->http));
    }
    if (c->in_value) th_buf_add_byte(&c->fields, 0);
    return TH_OK;
}

static th_err exchange(th_client *c, th_slice head, th_slice body, th_diag *diag)
{
    TH_TRY(be_connected(c, diag));
    bool answered = false;
    TH_TRY(send_all(c, head, &answered, diag));
    TH_TRY(send_all(c, body, &answered, diag));
    TH_TRY(read_answer(c, diag));
    if (answered || c->close) disconnect(c);
    return TH_OK;
}

th_err th_client_request(th_client *c, const char *method, const char *path,
                         const th_client_header *headers, size_t header_count, th_slice body,
                         int *status, th_err (*body_fn)(void *ctx, th_slice bytes), void *ctx,
                         const volatile int *cancel, th_diag *diag)
{
    for (size_t i = 0; i < header_count; i++) {
        if (!header_is_clean(&headers[i]))
            return th_fail(diag, TH_EINVAL, NULL, "header %s holds a control character",
                           headers[i].name);
    }
    th_buf head;
    th_buf_init(&head, 2u * TH_HTTP_HEADER_MAX);
    add_head(c, &head, method, path, headers, header_count, body.size);
    th_err err = th_buf_error(&head);
    if (err != TH_OK) {
        th_buf_free(&head);
        return th_fail(diag, err, NULL, "the request's head is too large");
    }
    th_buf_clear(&c->fields);
    c->in_trailers = c->in_value = c->done = c->close = false;
    c->body_error = TH_OK;
    c->on_body = body_fn;
    c->ctx = ctx;
    c->status_out = status;
    c->cancel = cancel;
    err = exchange(c, th_buf_slice(&head), body, diag);
    th_buf_free(&head);
    if (err != TH_OK) {
        disconnect(c); /* what is left of the answer is nobody's */
    }
    return err;
}

th_slice th_client_trailer(const th_client *client, const char *name)
{
    const char *p = (const char *)client->fields.bytes;
    const char *end = client->fields.size == 0 ? p : p + client->fields.size;
    while (p < end) {
        const char *value = p + strlen(p) + 1;
        TH_ASSERT(value < end);
        if (strcmp(p, name) == 0) return th_slice_text(value);
        p = value + strlen(value) + 1;
    }
    return (th_slice){0};
}

static th_err code_of(th_slice name, int status)
{
    for (int code = 1; code < TH_ERR_COUNT; code++) {
        if (th_slice_is(name, th_err_name((th_err)code))) return (th_err)code;
    }
    switch (status) {
    case 403: return TH_EPERM;
    case 404: return TH_ENOTFOUND;
    case 413: return TH_ELIMIT;
    case 429:
    case 503: return TH_EBUSY;
    case 500: return TH_EIO;
    case 507: return TH_ENOSPC;
    default: return TH_ESQL; /* a name of Trino's */
    }
}

static th_err decode_error(int status, th_slice error, th_diag *diag)
{
    th_arena *arena = th_arena_new(64u << 10, NULL);
    if (arena == NULL) return TH_ENOMEM;
    th_slice name = th_json_string(th_json_member(error, TH_SLICE("code")), arena);
    th_slice text = th_json_string(th_json_member(error, TH_SLICE("message")), arena);
    th_slice hint_raw = th_json_member(error, TH_SLICE("hint"));
    th_slice hint = hint_raw.size == 0 ? hint_raw : th_json_string(hint_raw, arena);
    uint64_t line = 0, column = 0;
    (void)th_slice_to_u64(th_json_member(error, TH_SLICE("line")), &line);
    (void)th_slice_to_u64(th_json_member(error, TH_SLICE("column")), &column);
    char own_name[sizeof(diag->name)];
    (void)snprintf(own_name, sizeof(own_name), "%.*s",
                   (int)(name.size < sizeof(own_name) ? name.size : sizeof(own_name) - 1),
                   name.bytes == NULL ? "" : (const char *)name.bytes);
    th_err code = th_fail_at(diag, code_of(name, status), own_name, (uint32_t)line,
                             (uint32_t)column, "%.*s", TH_SLICE_ARGS(text));
    if (hint.size > 0) th_diag_hint(diag, "%.*s", TH_SLICE_ARGS(hint));
    th_arena_free(arena);
    return code;
}

th_err th_client_error(int status, th_slice body, th_diag *diag)
{
    th_slice document, error = {0};
    if (th_json_document(body, ERROR_BODY_DEPTH, &document, NULL) == TH_OK)
        error = th_json_member(document, TH_SLICE("error"));
    bool good = error.size > 0 && th_json_kind_of(error) == TH_JSON_OBJECT &&
                th_json_kind_of(th_json_member(error, TH_SLICE("code"))) == TH_JSON_STRING &&
                th_json_kind_of(th_json_member(error, TH_SLICE("message"))) == TH_JSON_STRING;
    if (good) return decode_error(status, error, diag);
    return th_fail(diag, TH_ENET, NULL, "the server answered %d", status);
}
