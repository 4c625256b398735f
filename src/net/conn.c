/* SPDX-License-Identifier: Apache-2.0
 * One connection, on the loop: bytes in, one request at a time, its answer out.
 *
 *   IDLE -> HEAD -> BODY -> ANSWER -> IDLE ...        the next request is parsed after the answer's end
 *                             |---> LINGER -> CLOSED  (we end: what the client still sends is read over, so that the
 *                                                      answer is not lost in a reset)
 *
 * While an answer is under way reading goes on up to NET_AHEAD_MAX bytes, so that a client that leaves is noticed; above
 * that the socket is left alone, and TCP holds the client back. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/net_private.h"
#include "net/words.h"
#include "os/os.h"

#define TURNED_AWAY_MAX 64u /* connections above the limit that are still told so */

typedef enum conn_state {
    CONN_IDLE,
    CONN_HEAD,
    CONN_BODY,
    CONN_ANSWER,
    CONN_LINGER,
    CONN_CLOSED
} conn_state;

struct net_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    net_server *server;
    net_conn *next, *prev;
    conn_state state;
    bool local, reading, writing;
    net_parser parser;
    net_exchange *ex; /* the request being read or answered; NULL in IDLE, LINGER and CLOSED */
    th_buf ahead;
    uv_write_t write;
    uv_shutdown_t shutdown;
    th_buf written;    /* what the write under way holds */
    size_t write_left; /* of it, when last looked at */
    int64_t since_us;  /* when this state was entered */
    int64_t moved_us;  /* last time that output moved, in ANSWER */
    uint32_t uid;      /* of the peer; UINT32_MAX: not known */
    char principal_name[64], principal_source[96];
};

static void consume(net_conn *conn, th_slice bytes);

static void enter(net_conn *conn, conn_state state)
{
    conn->state = state;
    conn->since_us = conn->moved_us = th_os_mono_us();
}

static void on_closed(uv_handle_t *handle)
{
    net_conn *conn = handle->data;
    net_server *server = conn->server;
    if (conn->prev == NULL) {
        server->conns = conn->next;
    } else {
        conn->prev->next = conn->next;
    }
    if (conn->next != NULL) conn->next->prev = conn->prev;
    th_buf_free(&conn->ahead);
    free(conn);
    pthread_mutex_lock(&server->lock);
    server->conn_count--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* Requests under way: who waits for none of them is told. */
static void count_request(net_server *server, int32_t more)
{
    pthread_mutex_lock(&server->lock);
    server->request_count += (uint32_t)more;
    if (server->request_count == 0) pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* The request is over; the reference is the caller's. */
static net_exchange *detach_exchange(net_conn *conn)
{
    net_exchange *ex = conn->ex;
    conn->ex = NULL;
    ex->conn = NULL;
    count_request(conn->server, -1);
    return ex;
}

static void drop_exchange(net_conn *conn)
{
    if (conn->ex == NULL) return;
    net_exchange *ex = detach_exchange(conn);
    net_exchange_abandon(ex);
    net_exchange_unref(ex);
}

static void close_conn(net_conn *conn)
{
    if (conn->state == CONN_CLOSED) return;
    conn->state = CONN_CLOSED;
    drop_exchange(conn);
    uv_close(&conn->handle, on_closed);
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    net_conn *conn = handle->data;
    (void)wanted;
    *out = uv_buf_init((char *)conn->server->read_buffer,
                       NET_READ_SIZE); /* one for all: used up before the next read */
}

static void read_ahead(net_conn *conn, th_slice bytes)
{
    th_buf_add_slice(&conn->ahead, bytes);
    if (th_buf_error(&conn->ahead) != TH_OK) {
        close_conn(conn);
    } else if (conn->ahead.size >= NET_AHEAD_MAX) {
        (void)uv_read_stop(&conn->stream);
        conn->reading = false;
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    net_conn *conn = stream->data;
    if (got < 0) {
        close_conn(conn);
        return;
    }
    if (got == 0 || conn->state == CONN_CLOSED) return;
    atomic_fetch_add(&conn->server->counters.bytes_in, (uint64_t)got);
    th_slice bytes = th_slice_of(buf->base, (size_t)got);
    if (conn->state == CONN_ANSWER) {
        read_ahead(conn, bytes);
    } else if (conn->state != CONN_LINGER) {
        consume(conn, bytes);
    }
}

static void start_reading(net_conn *conn)
{
    if (conn->reading || conn->state == CONN_CLOSED) return;
    conn->reading = uv_read_start(&conn->stream, on_alloc, on_read) == 0;
    if (!conn->reading) close_conn(conn);
}

/* ---- a request ------------------------------------------------------------------------------------------------------ */

static void refuse(net_conn *conn, int status, const char *text)
{
    enter(conn, CONN_ANSWER);
    net_answer_refuse(conn->ex, status, text);
}

static bool begin_request(net_conn *conn)
{
    conn->ex = net_exchange_new(conn->server, conn);
    if (conn->ex == NULL) return false;
    count_request(conn->server, 1);
    net_exchange *ex = conn->ex;
    memcpy(ex->principal_name, conn->principal_name, sizeof(ex->principal_name));
    memcpy(ex->principal_source, conn->principal_source, sizeof(ex->principal_source));
    ex->principal = (th_principal){
        .name = ex->principal_name, .source = ex->principal_source, .uid = conn->uid};
    net_parser_begin(&conn->parser, &ex->request);
    enter(conn, CONN_HEAD);
    return true;
}

/* Who asks, judged by the head alone. False: refused. */
static bool admit(net_conn *conn, const net_request *request)
{
    if (conn->local) return true;
    th_slice host = net_request_header(request, "host");
    if (host.bytes != NULL && !net_host_is_ours(host)) {
        refuse(conn, 403, "this server answers to localhost, 127.0.0.1 and [::1] only");
        return false;
    }
    th_slice origin = net_request_header(request, "origin");
    if (origin.bytes != NULL && !net_origin_is_ours(origin, host)) {
        refuse(conn, 403, "requests from pages of other sites are refused");
        return false;
    }
    return true;
}

static void no_route(net_conn *conn, bool wrong_method)
{
    if (wrong_method) {
        refuse(conn, 405, "another method is needed on this path");
    } else {
        refuse(conn, 404, "no such path");
    }
}

static void on_head(net_conn *conn)
{
    net_exchange *ex = conn->ex;
    const net_request *request = &ex->request;
    if (!admit(conn, request)) return;
    bool wrong_method = false;
    ex->route = net_route_find(conn->server, th_slice_text(request->method),
                               net_request_path(request), &wrong_method);
    if (ex->route == NULL) {
        no_route(conn, wrong_method);
        return;
    }
    if (conn->server->stop_seen && ex->route->class != NET_ON_LOOP) {
        refuse(conn, 503, "the server is stopping");
        return;
    }
    if (request->has_length && request->content_length > ex->route->body_max) {
        refuse(conn, 413, "the body is too large");
        return;
    }
    conn->parser.body_max = ex->route->body_max;
    enter(conn, CONN_BODY);
    if (request->expect_continue && (request->chunked || request->content_length > 0))
        net_answer_continue(ex);
}

static void dispatch(net_conn *conn)
{
    net_exchange *ex = conn->ex;
    enter(conn, CONN_ANSWER);
    if (ex->route->class == NET_ON_LOOP) {
        ex->route->run(ex);
    } else if (conn->server->stop_seen) {
        net_answer_refuse(ex, 503, "the server is stopping");
    } else if (!net_jobs_add(conn->server->jobs, ex)) {
        atomic_fetch_add(&conn->server->counters.refused_full, 1);
        th_diag diag = {0};
        net_answer_error(
            ex, 429, TH_EBUSY,
            (th_fail(&diag, TH_EBUSY, "TOO_MANY_REQUESTS", "too many requests wait"), &diag));
    }
}

/* Feed the parser; what belongs to later requests is kept. */
static void consume(net_conn *conn, th_slice bytes)
{
    bool more = true;
    while (more &&
           (conn->state == CONN_IDLE || conn->state == CONN_HEAD || conn->state == CONN_BODY)) {
        if (conn->ex == NULL && (bytes.size == 0 || !begin_request(conn))) break;
        size_t used = 0;
        net_parse_state state = net_parser_feed(&conn->parser, bytes, &used);
        bytes = th_slice_of(bytes.bytes + used, bytes.size - used);
        switch (state) {
        case NET_PARSE_MORE: more = false; break;
        case NET_PARSE_HEAD: on_head(conn); break;
        case NET_PARSE_DONE: dispatch(conn); break;
        case NET_PARSE_REFUSED:
            refuse(conn, conn->parser.refused_status, conn->parser.refused_text);
            break;
        }
    }
    if (conn->state == CONN_ANSWER && bytes.size > 0) {
        read_ahead(conn, bytes);
    } else if (conn->state == CONN_IDLE && conn->ex == NULL && bytes.size > 0) {
        close_conn(conn); /* no memory for a request */
    }
}

/* ---- the answer ----------------------------------------------------------------------------------------------------- */

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)request;
    (void)status;
}

static void linger(net_conn *conn)
{
    enter(conn, CONN_LINGER);
    th_buf_clear(&conn->ahead);
    start_reading(conn);
    if (conn->state == CONN_LINGER && uv_shutdown(&conn->shutdown, &conn->stream, on_shutdown) != 0)
        close_conn(conn);
}

static void end_answer(net_conn *conn)
{
    net_exchange *ex = conn->ex;
    int hundreds = ex->status / 100;
    if (hundreds > 0 && hundreds < 6)
        atomic_fetch_add(&conn->server->counters.answers[hundreds], 1);
    bool close = ex->close || conn->server->stop_seen;
    net_exchange_unref(detach_exchange(conn));
    if (close) {
        linger(conn);
        return;
    }
    enter(conn, CONN_IDLE);
    th_buf ahead = conn->ahead;
    th_buf_init(&conn->ahead, NET_AHEAD_MAX + NET_READ_SIZE);
    if (ahead.size > 0) consume(conn, th_buf_slice(&ahead));
    th_buf_free(&ahead);
    if (conn->state != CONN_ANSWER || conn->ahead.size < NET_AHEAD_MAX) start_reading(conn);
}

static void on_written(uv_write_t *request, int status)
{
    net_conn *conn = request->data;
    net_exchange *ex = conn->ex;
    size_t size = conn->written.size;
    th_buf_free(&conn->written);
    conn->writing = false;
    if (ex != NULL) {
        pthread_mutex_lock(&ex->lock);
        ex->flying -= size;
        if (ex->out.size + ex->flying < NET_OUT_LOW) pthread_cond_broadcast(&ex->room);
        pthread_mutex_unlock(&ex->lock);
    }
    if (conn->state == CONN_CLOSED) return;
    if (status < 0) {
        close_conn(conn);
        return;
    }
    atomic_fetch_add(&conn->server->counters.bytes_out, size);
    conn->moved_us = th_os_mono_us();
    net_conn_flush(conn);
}

/* Take what the exchange holds and write it; at the answer's end go on with the next request. */
void net_conn_flush(net_conn *conn)
{
    net_exchange *ex = conn->ex;
    if (conn->writing || ex == NULL || conn->state == CONN_CLOSED) return;
    pthread_mutex_lock(&ex->lock);
    bool ended = ex->ended, failed = ex->failed;
    conn->written = ex->out;
    ex->flying = ex->out.size;
    th_buf_init(&ex->out, conn->written.limit);
    pthread_mutex_unlock(&ex->lock);
    if (conn->written.size == 0) {
        th_buf_free(&conn->written);
        if (failed) {
            close_conn(conn);
        } else if (ended) {
            TH_ASSERT(conn->state == CONN_ANSWER);
            end_answer(conn);
        }
        return;
    }
    conn->writing = true;
    conn->write_left = conn->written.size;
    conn->write.data = conn;
    uv_buf_t buf = uv_buf_init((char *)conn->written.bytes, (unsigned)conn->written.size);
    if (uv_write(&conn->write, &conn->stream, &buf, 1, on_written) != 0)
        on_written(&conn->write, UV_EIO);
}

/* ---- deadlines and the end ------------------------------------------------------------------------------------------ */

static bool body_is_slow(const net_conn *conn, const net_deadlines *d, int64_t age_us)
{
    if (age_us <= d->body_us) return false;
    uint64_t due = (uint64_t)(age_us - d->body_us) * d->body_rate / 1000000u;
    return conn->ex->request.body.size < due || d->body_rate == 0;
}

static void sweep_one(net_conn *conn, const net_deadlines *d, int64_t now_us)
{
    int64_t age_us = now_us - conn->since_us;
    switch (conn->state) {
    case CONN_IDLE:
        if (age_us > d->idle_us) close_conn(conn);
        break;
    case CONN_HEAD:
        if (age_us > d->head_us) refuse(conn, 408, "the head of the request came too slowly");
        break;
    case CONN_BODY:
        if (body_is_slow(conn, d, age_us)) refuse(conn, 408, "the body came too slowly");
        break;
    case CONN_ANSWER: {
        size_t left = uv_stream_get_write_queue_size(&conn->stream);
        if (!conn->writing || left != conn->write_left) conn->moved_us = now_us;
        conn->write_left = left;
        if (now_us - conn->moved_us > (conn->local ? d->local_stall_us : d->stall_us))
            close_conn(conn);
        break;
    }
    case CONN_LINGER:
        if (age_us > d->linger_us) close_conn(conn);
        break;
    case CONN_CLOSED: break;
    }
}

void net_conn_sweep(net_server *server, int64_t now_us)
{
    for (net_conn *conn = server->conns; conn != NULL; conn = conn->next)
        sweep_one(conn, &server->deadlines, now_us);
}

void net_conn_stop(net_server *server, bool kill)
{
    for (net_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        if (kill || conn->state == CONN_IDLE) {
            close_conn(conn);
        } else if (conn->state == CONN_HEAD || conn->state == CONN_BODY) {
            refuse(conn, 503, "the server is stopping");
        }
    }
}

/* ---- accepting ------------------------------------------------------------------------------------------------------ */

/* Name the peer. False: it may not come in. */
static bool identify(net_conn *conn)
{
    int fd = -1;
    if (!conn->local) {
        struct sockaddr_storage address;
        int size = sizeof(address);
        char host[64] = "?";
        if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &size) != 0) return false;
        uint16_t port = 0;
        if (address.ss_family == AF_INET) {
            const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
            (void)uv_ip4_name(in, host, sizeof(host));
            port = ntohs(in->sin_port);
        } else {
            const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address;
            (void)uv_ip6_name(in, host, sizeof(host));
            port = ntohs(in->sin6_port);
        }
        (void)snprintf(conn->principal_name, sizeof(conn->principal_name), "anonymous");
        (void)snprintf(conn->principal_source, sizeof(conn->principal_source), "http %s:%u", host,
                       port);
        return uv_tcp_nodelay(&conn->tcp, 1) == 0;
    }
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (uv_fileno(&conn->handle, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    conn->uid = peer.uid;
    (void)snprintf(conn->principal_name, sizeof(conn->principal_name), "uid %u", peer.uid);
    (void)snprintf(conn->principal_source, sizeof(conn->principal_source), "socket");
    return peer.uid == 0 || peer.uid == geteuid();
}

/* A few words on the way out; the socket's buffer always takes them. */
static void turn_away(net_conn *conn, int status, th_err err, const char *name, const char *text)
{
    char answer[1024];
    th_diag diag = {0};
    th_buf body;
    th_buf_init(&body, sizeof(answer) / 2);
    net_error_json(&body, th_fail(&diag, err, name, "%s", text), &diag);
    int size = snprintf(answer, sizeof(answer),
                        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nRetry-After: "
                        "1\r\nContent-Length: %zu\r\n"
                        "Connection: close\r\n\r\n%s",
                        status, net_status_text(status), body.size, th_buf_text(&body));
    th_buf_free(&body);
    uv_buf_t buf = uv_buf_init(answer, (unsigned)size);
    (void)uv_try_write(&conn->stream, &buf, 1);
    linger(conn);
}

static net_conn *add_conn(net_listener *listener)
{
    net_server *server = listener->server;
    net_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) return NULL;
    conn->server = server;
    conn->local = listener->local;
    conn->uid = UINT32_MAX;
    th_buf_init(&conn->ahead, NET_AHEAD_MAX + NET_READ_SIZE);
    net_parser_init(&conn->parser);
    int status = conn->local ? uv_pipe_init(&server->loop, &conn->pipe, 0)
                             : uv_tcp_init(&server->loop, &conn->tcp);
    if (status != 0) {
        free(conn);
        return NULL;
    }
    conn->handle.data = conn;
    conn->next = server->conns;
    if (conn->next != NULL) conn->next->prev = conn;
    server->conns = conn;
    pthread_mutex_lock(&server->lock);
    server->conn_count++;
    pthread_mutex_unlock(&server->lock);
    enter(conn, CONN_IDLE);
    return conn;
}

void net_conn_accept(net_listener *listener)
{
    net_server *server = listener->server;
    net_conn *conn = add_conn(listener);
    if (conn == NULL) return;
    if (uv_accept(&listener->stream, &conn->stream) != 0) {
        close_conn(conn);
        return;
    }
    atomic_fetch_add(&server->counters.accepted, 1);
    if (!identify(conn)) {
        turn_away(conn, 403, TH_EPERM, NULL, "this socket belongs to another user");
    } else if (server->conn_count > TH_CONNECTIONS_MAX + TURNED_AWAY_MAX) {
        close_conn(conn);
    } else if (server->conn_count > TH_CONNECTIONS_MAX) {
        atomic_fetch_add(&server->counters.refused_full, 1);
        turn_away(conn, 503, TH_EBUSY, "TOO_MANY_CONNECTIONS", "too many connections");
    } else {
        start_reading(conn);
    }
}
