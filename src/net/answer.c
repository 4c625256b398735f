/* SPDX-License-Identifier: Apache-2.0
 * The exchange and its answer: written by one worker (or by the loop, when it is short), taken by the loop.
 *
 * out holds framed bytes. A worker that is NET_OUT_HIGH ahead of the socket waits; so a query runs no faster than its
 * reader reads, and memory for answers is bounded by the number of workers. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "net/net_private.h"
#include "net/words.h"
#include "os/os.h"

#define OUT_LIMIT (8u << 20) /* never reached: NET_OUT_HIGH and one whole answer */
#define WHOLE_MAX (4u << 20)

net_exchange *net_exchange_new(net_server *server, net_conn *conn)
{
    net_exchange *ex = calloc(1, sizeof(*ex));
    if (ex == NULL) return NULL;
    atomic_init(&ex->refs, 1);
    ex->server = server;
    ex->conn = conn;
    net_request_init(&ex->request, &server->bodies);
    th_buf_init(&ex->out, OUT_LIMIT);
    pthread_mutex_init(&ex->lock, NULL);
    pthread_cond_init(&ex->room, NULL);
    return ex;
}

void net_exchange_unref(net_exchange *ex)
{
    if (ex == NULL || atomic_fetch_sub(&ex->refs, 1) != 1) return;
    net_request_free(&ex->request);
    th_buf_free(&ex->out);
    pthread_mutex_destroy(&ex->lock);
    pthread_cond_destroy(&ex->room);
    free(ex);
}

void net_exchange_abandon(net_exchange *ex)
{
    atomic_store(&ex->control.cancel, 1);
    pthread_mutex_lock(&ex->lock);
    ex->gone = true;
    pthread_cond_broadcast(&ex->room);
    pthread_mutex_unlock(&ex->lock);
}

/* Append while holding the lock; the caller tells the loop afterwards. */
static void add_frame(net_exchange *ex, th_slice bytes)
{
    if (ex->chunked) th_buf_printf(&ex->out, "%zx\r\n", bytes.size);
    th_buf_add_slice(&ex->out, bytes);
    if (ex->chunked) th_buf_add_text(&ex->out, "\r\n");
}

static void add_head(net_exchange *ex, int status, const char *type, const char *more)
{
    th_buf *out = &ex->out;
    ex->started = true;
    ex->status = status;
    if (!ex->request.keep_alive) ex->close = true;
    th_buf_printf(out, "HTTP/1.1 %d %s\r\nDate: ", status, net_status_text(status));
    net_add_date(out, th_os_now_us());
    th_buf_printf(
        out,
        "\r\nContent-Type: %s\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s",
        type, more);
    th_buf_printf(out, "Connection: %s\r\n", ex->close ? "close" : "keep-alive");
}

th_err net_answer_begin(net_exchange *ex, int status, const char *type, const char *more)
{
    TH_ASSERT(!ex->started);
    pthread_mutex_lock(&ex->lock);
    ex->chunked = !ex->request.http10;
    if (ex->request.http10) ex->close = true; /* its end is the connection's end */
    add_head(ex, status, type, more);
    th_buf_add_text(&ex->out, ex->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    th_err err = th_buf_error(&ex->out);
    pthread_mutex_unlock(&ex->lock);
    net_server_ready(ex->server, ex);
    return err;
}

static th_err write_frame(net_exchange *ex, th_slice bytes)
{
    pthread_mutex_lock(&ex->lock);
    if (ex->out.size + ex->flying > NET_OUT_HIGH) {
        while (!ex->gone && ex->out.size + ex->flying >= NET_OUT_LOW)
            pthread_cond_wait(&ex->room, &ex->lock);
    }
    th_err err = ex->gone ? TH_ECANCELED : TH_OK;
    if (err == TH_OK) {
        add_frame(ex, bytes);
        err = th_buf_error(&ex->out);
    }
    pthread_mutex_unlock(&ex->lock);
    if (err == TH_OK) net_server_ready(ex->server, ex);
    return err;
}

th_err net_answer_write(net_exchange *ex, th_slice bytes)
{
    TH_ASSERT(ex->started);
    while (bytes.size > 0) { /* an empty chunk would end the answer */
        size_t size = bytes.size < NET_FRAME_MAX ? bytes.size : NET_FRAME_MAX;
        TH_TRY(write_frame(ex, th_slice_of(bytes.bytes, size)));
        bytes = th_slice_of(bytes.bytes + size, bytes.size - size);
    }
    return TH_OK;
}

void net_answer_end(net_exchange *ex, const char *trailers)
{
    TH_ASSERT(ex->started);
    pthread_mutex_lock(&ex->lock);
    TH_ASSERT(!ex->ended);
    if (ex->chunked) th_buf_printf(&ex->out, "0\r\n%s\r\n", trailers);
    ex->ended = true;
    ex->failed = th_buf_error(&ex->out) != TH_OK;
    pthread_mutex_unlock(&ex->lock);
    net_server_ready(ex->server, ex);
}

void net_answer_abort(net_exchange *ex)
{
    pthread_mutex_lock(&ex->lock);
    ex->ended = ex->failed = true;
    pthread_mutex_unlock(&ex->lock);
    net_server_ready(ex->server, ex);
}

void net_answer_whole(net_exchange *ex, int status, const char *type, const char *more,
                      th_slice body)
{
    TH_ASSERT(!ex->started && body.size <= WHOLE_MAX);
    pthread_mutex_lock(&ex->lock);
    add_head(ex, status, type, more);
    th_buf_printf(&ex->out, "Content-Length: %zu\r\n\r\n", body.size);
    if (strcmp(ex->request.method, "HEAD") != 0) th_buf_add_slice(&ex->out, body);
    ex->ended = true;
    ex->failed = th_buf_error(&ex->out) != TH_OK;
    pthread_mutex_unlock(&ex->lock);
    net_server_ready(ex->server, ex);
}

void net_answer_error(net_exchange *ex, int status, th_err err, const th_diag *diag)
{
    if (diag != NULL && strcmp(diag->name, "BODY_TOO_LARGE") == 0)
        status = 413; /* found out only when it was inflated */
    th_buf body;
    th_buf_init(&body, 64u << 10);
    net_error_json(&body, err, diag);
    th_buf_add_text(&body, "\n");
    bool wait = status == 429 || status == 503;
    net_answer_whole(ex, status, "application/json", wait ? "Retry-After: 1\r\n" : "",
                     th_buf_slice(&body));
    th_buf_free(&body);
}

void net_answer_refuse(net_exchange *ex, int status, const char *text)
{
    static const struct {
        int status;
        th_err err;
        const char *name;
    } kinds[] = {
        {403, TH_EPERM, NULL},
        {404, TH_ENOTFOUND, NULL},
        {408, TH_ETIME, "REQUEST_TIMEOUT"},
        {413, TH_ELIMIT, "BODY_TOO_LARGE"},
        {429, TH_EBUSY, "TOO_MANY_REQUESTS"},
        {431, TH_ELIMIT, "HEAD_TOO_LARGE"},
        {503, TH_ESTOPPING, NULL},
        {0, TH_EINVAL, "BAD_REQUEST"},
    };
    size_t i = 0;
    while (kinds[i].status != 0 && kinds[i].status != status) i++;
    th_diag diag = {0};
    (void)th_fail(&diag, kinds[i].err, kinds[i].name, "%s", text);
    ex->close = true;
    net_answer_error(ex, status, kinds[i].err, &diag);
}

void net_answer_continue(net_exchange *ex)
{
    pthread_mutex_lock(&ex->lock);
    th_buf_add_text(&ex->out, "HTTP/1.1 100 Continue\r\n\r\n");
    pthread_mutex_unlock(&ex->lock);
    net_server_ready(ex->server, ex);
}

void net_exchange_run(net_exchange *ex)
{
    pthread_mutex_lock(&ex->lock);
    bool gone = ex->gone;
    pthread_mutex_unlock(&ex->lock);
    if (!gone && atomic_load(&ex->server->stopping) && ex->route->class != NET_QUICK) {
        net_answer_refuse(ex, 503, "the server is stopping");
    } else if (!gone) {
        ex->route->run(ex);
        TH_ASSERT(ex->ended);
    }
    net_exchange_unref(ex);
}
