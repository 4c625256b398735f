/* SPDX-License-Identifier: Apache-2.0
 * The network side: one libuv loop for I/O, workers for everything else; the native HTTP of docs; the same over the
 * private socket DIR/sock; and a small blocking client for commands.
 *
 * SQL, commits and LMDB never run on the loop. Everything queued is bounded. */
#ifndef TH_NET_NET_H
#define TH_NET_NET_H

#include "engine/sessions.h"
#include "query/query.h"
#include "store/store.h"

typedef struct th_server th_server;

typedef struct th_server_options {
    const char *const
        *listen; /* "HOST:PORT", port 0 allowed; ended by NULL; may be NULL (socket only) */
    const char *socket_path; /* DIR/sock, mode 0600; NULL: none */
    uint32_t workers;        /* 0 = cores, at least 2 */
    th_store *store;
    th_provider *provider;
    th_sessions *sessions; /* of X-Trailhold-Session; NULL: there are none */
    th_budget *budget;     /* queries' budget; may be NULL */
    /* Called on a worker after each commit made through the network; may be NULL. */
    void (*committed)(void *ctx, uint64_t lsn);
    /* Extra routes of other modules: plugin list and the like. Answers JSON into out; TH_ENOTFOUND = no such route. */
    th_err (*route)(void *ctx, th_slice method, th_slice path, th_slice body, th_buf *out,
                    th_diag *diag);
    /* A command of the command line, run here for another process: POST /v1/command {"argv":[...]}, on a worker. Output
     * goes to write as it comes (write's error ends the run), messages to `messages`; cancel turns not 0 when the client
     * is gone. Returns the exit status, which travels in the trailer X-Trailhold-Exit, messages (URL-encoded, at most
     * 16 KiB) in X-Trailhold-Messages. NULL: no such route. */
    int (*command)(void *ctx, const th_principal *principal, const char *const *argv, int argc,
                   th_err (*write)(void *write_ctx, th_slice bytes), void *write_ctx,
                   th_buf *messages, th_query_control *control);
    void *ctx;
} th_server_options;

/* Start loop and workers; returns when all listeners are bound. TH_ENET with the address in diag. */
TH_MUST_CHECK th_err th_server_start(const th_server_options *options, th_server **out,
                                     th_diag *diag);
/* "127.0.0.1:39123" of listener index, as bound; NULL past the last. */
const char *th_server_address(const th_server *server, size_t index);
/* Stop accepting, let running requests end (at most grace_us), answer 503 to new ones, close. Accepts NULL. */
void th_server_stop(th_server *server, int64_t grace_us);
/* The end of a process that served others by the way: goes on until no request is under way, at most grace_us, then stops
 * like th_server_stop, but waits for an answer as long as its bytes move. Not 0 in *cancel ends the waiting. Accepts NULL. */
void th_server_finish(th_server *server, int64_t grace_us, const volatile int *cancel);
/* Largest and p99 loop lag since start, us. */
void th_server_lag(const th_server *server, uint64_t *p99_us, uint64_t *max_us);

/* ---- client ----------------------------------------------------------------------------------------------------- */

typedef struct th_client th_client;
/* target: "http://HOST:PORT", or "unix:PATH". No connection is made yet. */
TH_MUST_CHECK th_err th_client_open(const char *target, th_client **out, th_diag *diag);
void th_client_close(th_client *client);
/* Requests fail with TH_ENET when the server has not answered whole at give_up_us of th_os_mono_us(). 0: no limit. */
void th_client_patience(th_client *client, int64_t give_up_us);
typedef struct th_client_header {
    const char *name;
    th_slice value;
} th_client_header;
/* One request over a kept-alive connection. The body of the answer goes to on_body as it arrives; *status is the HTTP
 * status, set before the first call of on_body. TH_ENET when the connection fails or ends early. cancel may be NULL; not 0 ends the call with TH_ECANCELED. */
TH_MUST_CHECK th_err th_client_request(th_client *client, const char *method, const char *path,
                                       const th_client_header *headers, size_t header_count,
                                       th_slice body, int *status,
                                       th_err (*on_body)(void *ctx, th_slice bytes), void *ctx,
                                       const volatile int *cancel, th_diag *diag);
/* A trailer field of the last answer (name in lower case); bytes NULL when it had none. Valid until the next request. */
th_slice th_client_trailer(const th_client *client, const char *name);
/* Decode {"error":{"code","message","line","column","hint"}} into diag and return its code; TH_ENET with "the server
 * answered STATUS" when body is not that. */
th_err th_client_error(int status, th_slice body, th_diag *diag);

#endif
