/* SPDX-License-Identifier: Apache-2.0
 * Inside net/: the exchange (one request and its answer), the jobs, the routes, the services behind them, the server.
 *
 *   loop:    conn.c reads and parses -> exchange -> route -> jobs.c
 *   worker:  the route's run() writes the answer into the exchange (answer.c), held back above NET_OUT_HIGH
 *   loop:    conn.c takes what is there and writes it; the next request is parsed after the answer's end
 *
 * Locks, never two at once: an exchange's (its output), the jobs' (queues), the server's (the ready list, the count). */
#ifndef TH_NET_NET_PRIVATE_H
#define TH_NET_NET_PRIVATE_H

#include <stdatomic.h>
#include <uv.h>

#include "ingest/ingest.h"
#include "net/http_parse.h"
#include "net/net.h"
#include "query/result.h"

#define NET_OUT_HIGH (1u << 20)     /* a worker waits above this much unsent output */
#define NET_OUT_LOW (256u << 10)    /* and goes on below this */
#define NET_FRAME_MAX (64u << 10)   /* one chunk of an answer */
#define NET_AHEAD_MAX (64u << 10)   /* bytes of later requests read while an answer is under way */
#define NET_READ_SIZE (64u << 10)   /* the loop's one read buffer */
#define NET_BODIES_MAX (256u << 20) /* request bodies in memory, all connections */
#define NET_SQL_BODY_MAX (4u << 20)
#define NET_SMALL_BODY_MAX (1u << 20)
#define NET_JOBS_MAX 256u            /* requests waiting for a worker */
#define NET_MESSAGES_MAX (16u << 10) /* messages of a command in a trailer */
#define NET_LISTEN_MAX 16u

typedef struct net_server net_server;
typedef struct net_conn net_conn;
typedef struct net_exchange net_exchange;

/* Which workers take it: each class has threads of its own number, so that readers who are slow to take their results
 * never hold up a load, nor a long command either of them. */
typedef enum net_class {
    NET_QUICK,
    NET_QUERY,
    NET_LOAD,
    NET_COMMAND,
    NET_CLASS_COUNT,
    NET_ON_LOOP
} net_class;

typedef struct net_route {
    const char *method, *path;
    bool prefix;   /* path is the start of the request's */
    bool raw_body; /* a gzip body is handed on as it is */
    net_class class;
    size_t body_max;
    void (*run)(net_exchange *ex);
} net_route;
/* NULL: no such path; *wrong_method says that there is one for another method. */
const net_route *net_route_find(const net_server *server, th_slice method, th_slice path,
                                bool *wrong_method);

/* What requests are made of; the real ones are in services.c, tests bring their own. */
typedef struct net_sql {
    th_slice text;
    th_format format;
    bool header, colour;
    uint32_t width;
    th_query_limits limits;
    th_as_known_at as_known_at;
    const th_slice *params;
    uint32_t param_count;
    const char *session; /* its name; NULL: none */
    const th_principal *principal;
    th_query_control *control;
} net_sql;
typedef struct net_services {
    th_err (*sql)(const th_server_options *options, const net_sql *sql,
                  th_err (*write)(void *ctx, th_slice bytes), void *ctx, th_query_stats *stats,
                  th_diag *diag);
    /* Load and commit; the summary is copied, its reasons are NULL. */
    th_err (*ingest)(const th_server_options *options, const th_ingest_options *how,
                     const th_object_input *object, th_buf *json, th_ingest_summary *summary,
                     th_diag *diag);
    void (*stats)(const th_server_options *options, th_store_stats *out);
    bool (*format)(const char *name, th_format *out);
} net_services;

/* ---- exchange ------------------------------------------------------------------------------------------------------ */

struct net_exchange {
    atomic_uint refs;
    net_server *server;
    net_conn *conn;     /* the loop's own; NULL once the connection is gone */
    net_exchange *next; /* in a queue of jobs */
    net_exchange *next_ready;
    net_request request;
    const net_route *route;
    th_principal principal;
    char principal_name[64], principal_source[96];
    th_query_control control;

    bool close; /* the connection ends after this answer; set before the head is written */
    bool started, chunked; /* the writer's own */
    int status;
    atomic_bool on_ready_list;
    pthread_mutex_t lock; /* below */
    pthread_cond_t room;
    th_buf out;
    size_t flying;      /* taken from out, not yet written */
    bool gone;          /* nobody reads the answer */
    bool ended, failed; /* failed: the connection is cut, so that the client sees no good end */
};
net_exchange *net_exchange_new(net_server *server,
                               net_conn *conn); /* one reference; NULL: no memory */
void net_exchange_unref(net_exchange *ex);
/* The client is gone: stop the query, wake the writer. */
void net_exchange_abandon(net_exchange *ex);

/* An answer of unknown size. more: further header lines, each with its CRLF, or "". On a worker. */
TH_MUST_CHECK th_err net_answer_begin(net_exchange *ex, int status, const char *type,
                                      const char *more);
/* TH_ECANCELED when the client is gone. Waits while too much is unsent: only on a worker. */
TH_MUST_CHECK th_err net_answer_write(net_exchange *ex, th_slice bytes);
/* trailers: lines, each with its CRLF, or "". */
void net_answer_end(net_exchange *ex, const char *trailers);
/* Cut the connection: an answer that has begun cannot be told to have failed in another way. */
void net_answer_abort(net_exchange *ex);
/* A whole answer; from any thread, never waits. */
void net_answer_whole(net_exchange *ex, int status, const char *type, const char *more,
                      th_slice body);
/* A whole answer with an error object. net_answer_refuse: our own words, and the connection ends after it. */
void net_answer_error(net_exchange *ex, int status, th_err err, const th_diag *diag);
void net_answer_refuse(net_exchange *ex, int status, const char *text);
void net_answer_continue(net_exchange *ex); /* 100 */

/* ---- jobs ---------------------------------------------------------------------------------------------------------- */

typedef struct net_jobs net_jobs;
TH_MUST_CHECK th_err net_jobs_start(const uint32_t threads[NET_CLASS_COUNT], net_jobs **out,
                                    th_diag *diag);
/* Takes a reference of ex. False: the queue is full. */
bool net_jobs_add(net_jobs *jobs, net_exchange *ex);
uint32_t net_jobs_waiting(net_jobs *jobs);
/* Drop what waits, wait for what runs. Accepts NULL. */
void net_jobs_stop(net_jobs *jobs);
/* What a worker does with an exchange; frees the reference. */
void net_exchange_run(net_exchange *ex);

/* ---- routes -------------------------------------------------------------------------------------------------------- */

void net_run_sql(net_exchange *ex);
void net_run_ingest(net_exchange *ex);
void net_run_command(net_exchange *ex);
void net_run_metrics(net_exchange *ex);
/* The body, inflated when it came as gzip (inflated is then its home; freed by the caller). */
TH_MUST_CHECK th_err net_body_plain(net_exchange *ex, th_buf *inflated, th_slice *body,
                                    th_diag *diag);

/* ---- server -------------------------------------------------------------------------------------------------------- */

typedef struct net_deadlines {
    int64_t head_us, body_us, idle_us, stall_us, local_stall_us, linger_us;
    uint64_t body_rate; /* bytes a second, once body_us have passed */
} net_deadlines;
extern const net_deadlines net_deadlines_default;

typedef struct net_histogram {
    atomic_uint_fast64_t count[64]; /* by quarter powers of two of us */
    atomic_uint_fast64_t max_us;
} net_histogram;
void net_histogram_add(net_histogram *h, uint64_t us);
uint64_t net_histogram_p99(const net_histogram *h);

typedef struct net_counters {
    atomic_uint_fast64_t accepted, refused_full, answers[6] /* by hundreds */, bytes_in, bytes_out,
        sql, sql_errors, sql_rows, ingests, ingest_errors, ingest_records;
} net_counters;

typedef struct net_listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    net_server *server;
    bool local; /* the private socket */
    char address[80];
} net_listener;

/* th_server is this. Fields without a note are the loop's own. */
struct net_server {
    th_server_options options; /* constant */
    const net_services *services;
    net_deadlines deadlines;
    char *socket_path;
    net_jobs *jobs;
    th_budget bodies; /* any thread */
    net_counters counters;
    net_histogram lag;
    uv_loop_t loop;
    pthread_t thread;
    bool loop_ready, thread_runs; /* the starter's own */
    uv_async_t wake;
    uv_timer_t timer;
    int64_t tick_us;
    uint32_t ticks;
    net_listener *listeners[NET_LISTEN_MAX + 1];
    size_t listener_count, tcp_count;
    net_conn *conns; /* a list */
    bool stop_seen;
    atomic_bool stopping, killing, quitting;
    pthread_mutex_t lock; /* below */
    pthread_cond_t changed;
    net_exchange *ready; /* have something for the loop; newest first */
    uint32_t conn_count, request_count;
    uint8_t read_buffer[NET_READ_SIZE];
};
TH_MUST_CHECK th_err net_server_start(const th_server_options *options,
                                      const net_services *services, const net_deadlines *deadlines,
                                      net_server **out, th_diag *diag);
/* ex has output or an end for the loop. Any thread. */
void net_server_ready(net_server *server, net_exchange *ex);
TH_MUST_CHECK th_err net_listen_all(net_server *server, th_diag *diag);

/* ---- connections, on the loop ------------------------------------------------------------------------------------- */

void net_conn_accept(net_listener *listener);
void net_conn_flush(net_conn *conn);
void net_conn_sweep(net_server *server, int64_t now_us); /* deadlines */
void net_conn_stop(net_server *server, bool kill); /* end what is idle or half read; kill: all */

#endif
