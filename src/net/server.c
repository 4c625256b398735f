/* SPDX-License-Identifier: Apache-2.0
 * Start, the loop's thread, loop lag, and the graceful end. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/assert.h"
#include "base/time.h"
#include "net/net_private.h"
#include "os/os.h"

#define TICK_MS 20
#define SWEEP_TICKS 10
#define LOOK_UP_US 50000 /* how long an interruption of the graceful end may go unseen */
#define QUICK_THREADS 2
#define LOAD_THREADS 8 /* they wait for the disk together: one commit takes them all */
#define COMMAND_THREADS 4

const net_deadlines net_deadlines_default = {
    .head_us = 10 * TH_US_PER_SECOND,
    .body_us = 10 * TH_US_PER_SECOND,
    .idle_us = 60 * TH_US_PER_SECOND,
    .stall_us = 60 * TH_US_PER_SECOND,
    .local_stall_us = 3600 * TH_US_PER_SECOND, /* a person reads the result in a pager */
    .linger_us = 2 * TH_US_PER_SECOND,
    .body_rate = 1024,
};

/* ---- lag ------------------------------------------------------------------------------------------------------------ */

/* Quarter powers of two: 4 buckets an octave from 1 us; the upper edge of bucket b is (5 + b % 4) << (b / 4) >> 2. */
static size_t bucket_of(uint64_t us)
{
    size_t b = 0;
    while (b < 63 && us >= (((uint64_t)5 + b % 4) << (b / 4)) >> 2) b++;
    return b;
}

void net_histogram_add(net_histogram *h, uint64_t us)
{
    atomic_fetch_add_explicit(&h->count[bucket_of(us)], 1, memory_order_relaxed);
    if (us > atomic_load_explicit(&h->max_us, memory_order_relaxed)) {
        atomic_store_explicit(&h->max_us, us, memory_order_relaxed); /* one writer: the loop */
    }
}

uint64_t net_histogram_p99(const net_histogram *h)
{
    uint64_t total = 0, seen = 0, max = atomic_load(&h->max_us);
    for (size_t b = 0; b < 64; b++) total += atomic_load(&h->count[b]);
    for (size_t b = 0; b < 64; b++) {
        seen += atomic_load(&h->count[b]);
        uint64_t edge = (((uint64_t)5 + b % 4) << (b / 4)) >> 2;
        if (seen * 100 >= total * 99 && seen > 0) return edge < max ? edge : max;
    }
    return max;
}

void th_server_lag(const th_server *server, uint64_t *p99_us, uint64_t *max_us)
{
    const net_server *s = (const net_server *)server;
    *p99_us = net_histogram_p99(&s->lag);
    *max_us = atomic_load(&s->lag.max_us);
}

/* ---- the loop ------------------------------------------------------------------------------------------------------- */

void net_server_ready(net_server *server, net_exchange *ex)
{
    if (atomic_exchange(&ex->on_ready_list, true)) return;
    atomic_fetch_add(&ex->refs, 1);
    pthread_mutex_lock(&server->lock);
    ex->next_ready = server->ready;
    server->ready = ex;
    pthread_mutex_unlock(&server->lock);
    (void)uv_async_send(&server->wake);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void begin_stop(net_server *server)
{
    server->stop_seen = true;
    for (size_t i = 0; i < server->listener_count; i++) close_handle(&server->listeners[i]->handle);
    net_conn_stop(server, false);
}

static void drain_ready(net_server *server)
{
    pthread_mutex_lock(&server->lock);
    net_exchange *ex = server->ready;
    server->ready = NULL;
    pthread_mutex_unlock(&server->lock);
    while (ex != NULL) {
        net_exchange *next = ex->next_ready;
        /* Before its output is looked at: what comes later queues it again. */
        atomic_store(&ex->on_ready_list, false);
        if (ex->conn != NULL) net_conn_flush(ex->conn);
        net_exchange_unref(ex);
        ex = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    net_server *server = wake->data;
    if (atomic_load(&server->stopping) && !server->stop_seen) begin_stop(server);
    if (atomic_load(&server->killing)) net_conn_stop(server, true);
    drain_ready(server);
    if (atomic_load(&server->quitting)) {
        close_handle((uv_handle_t *)&server->wake);
        close_handle((uv_handle_t *)&server->timer);
    }
}

static void on_tick(uv_timer_t *timer)
{
    net_server *server = timer->data;
    int64_t now_us = th_os_mono_us();
    int64_t lag_us = now_us - server->tick_us - TICK_MS * 1000;
    if (server->ticks++ > 0) net_histogram_add(&server->lag, lag_us > 0 ? (uint64_t)lag_us : 0);
    if (server->ticks % SWEEP_TICKS == 0) net_conn_sweep(server, now_us);
    server->tick_us = th_os_mono_us();
    (void)uv_timer_start(timer, on_tick, TICK_MS,
                         0); /* from now: a late tick does not make the next ones early */
}

static void *run_loop(void *arg)
{
    net_server *server = arg;
    server->tick_us = th_os_mono_us();
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- start and end -------------------------------------------------------------------------------------------------- */

static net_server *new_server(const th_server_options *options, const net_services *services,
                              const net_deadlines *deadlines)
{
    net_server *server = calloc(1, sizeof(*server));
    if (server == NULL) return NULL;
    server->options = *options;
    server->services = services;
    server->deadlines = *deadlines;
    th_budget_init(&server->bodies, "request bodies", NET_BODIES_MAX, NULL);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    return server;
}

static th_err start_loop(net_server *server, th_diag *diag)
{
    if (uv_loop_init(&server->loop) != 0) return th_fail(diag, TH_ENET, NULL, "no event loop");
    server->loop_ready = true;
    int status = uv_async_init(&server->loop, &server->wake, on_wake);
    if (status == 0) status = uv_timer_init(&server->loop, &server->timer);
    if (status == 0) status = uv_timer_start(&server->timer, on_tick, TICK_MS, 0);
    if (status != 0) return th_fail(diag, TH_ENET, NULL, "no event loop: %s", uv_strerror(status));
    server->wake.data = server->timer.data = server;
    return net_listen_all(server, diag);
}

static void free_server(net_server *server)
{
    net_jobs_stop(server->jobs);
    if (server->loop_ready) {
        for (size_t i = 0; i < server->listener_count; i++)
            close_handle(&server->listeners[i]->handle);
        if (server->timer.data != NULL) {
            close_handle((uv_handle_t *)&server->wake);
            close_handle((uv_handle_t *)&server->timer);
        }
        (void)uv_run(&server->loop, UV_RUN_DEFAULT);
        TH_ASSERT(uv_loop_close(&server->loop) == 0);
    }
    drain_ready(server); /* the connections are gone: only references are left */
    for (size_t i = 0; i < server->listener_count; i++) free(server->listeners[i]);
    if (server->socket_path != NULL) {
        th_err err = th_os_unlink(server->socket_path, NULL);
        (void)
            err; /* a file that is gone already does no harm, one that stays is replaced at the next start */
    }
    free(server->socket_path);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    free(server);
}

/* All connections that we allow, and as many files again: the soft limit is often only 1024. */
static void raise_descriptor_limit(void)
{
    const rlim_t wanted = 4u * TH_CONNECTIONS_MAX;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE,
                    &limit); /* refused: connections above the limit are shed by libuv */
}

th_err net_server_start(const th_server_options *options, const net_services *services,
                        const net_deadlines *deadlines, net_server **out, th_diag *diag)
{
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    net_server *server = new_server(options, services, deadlines);
    if (server == NULL) return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    uint32_t queries = options->workers > 0 ? options->workers : th_os_cpu_count();
    const uint32_t threads[NET_CLASS_COUNT] = {
        [NET_QUICK] = QUICK_THREADS,
        [NET_QUERY] = queries < 2 ? 2 : queries,
        [NET_LOAD] = LOAD_THREADS,
        [NET_COMMAND] = COMMAND_THREADS,
    };
    th_err err = start_loop(server, diag);
    if (err == TH_OK) err = net_jobs_start(threads, &server->jobs, diag);
    if (err == TH_OK) err = th_os_thread(&server->thread, "net-loop", 0, run_loop, server, diag);
    if (err != TH_OK) {
        free_server(server);
        return err;
    }
    server->thread_runs = true;
    *out = server;
    return TH_OK;
}

static struct timespec time_from_now(int64_t us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(us / TH_US_PER_SECOND);
    until.tv_nsec += (long)(us % TH_US_PER_SECOND) * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

/* Until *count, guarded by the lock, is 0 (true) or the time is over. */
static bool wait_for_none(net_server *server, const uint32_t *count, int64_t us)
{
    struct timespec until = time_from_now(us);
    pthread_mutex_lock(&server->lock);
    while (*count > 0 && pthread_cond_timedwait(&server->changed, &server->lock, &until) == 0)
        continue;
    bool none = *count == 0;
    pthread_mutex_unlock(&server->lock);
    return none;
}

static void tell_loop(net_server *server, atomic_bool *flag)
{
    atomic_store(flag, true);
    (void)uv_async_send(&server->wake);
}

/* Stopping was told already. */
static void end_server(net_server *s)
{
    tell_loop(s, &s->killing);
    net_jobs_stop(s->jobs); /* what still runs was told to stop; a commit under way ends */
    s->jobs = NULL;
    tell_loop(s, &s->quitting);
    (void)pthread_join(s->thread, NULL);
    free_server(s);
}

void th_server_stop(th_server *server, int64_t grace_us)
{
    net_server *s = (net_server *)server;
    if (s == NULL) return;
    TH_ASSERT(s->thread_runs);
    tell_loop(s, &s->stopping);
    (void)wait_for_none(s, &s->conn_count, grace_us);
    end_server(s);
}

void th_server_finish(th_server *server, int64_t grace_us, const volatile int *cancel)
{
    net_server *s = (net_server *)server;
    if (s == NULL) return;
    TH_ASSERT(s->thread_runs);
    int64_t until = th_os_mono_us() + grace_us;
    while (*cancel == 0 && th_os_mono_us() < until &&
           !wait_for_none(s, &s->request_count, LOOK_UP_US))
        continue;
    tell_loop(s, &s->stopping);
    uint64_t moved = atomic_load(&s->counters.bytes_out);
    until = th_os_mono_us() + grace_us;
    while (*cancel == 0 && th_os_mono_us() < until &&
           !wait_for_none(s, &s->conn_count, LOOK_UP_US)) {
        uint64_t now = atomic_load(&s->counters.bytes_out);
        if (now != moved) until = th_os_mono_us() + grace_us;
        moved = now;
    }
    end_server(s);
}

const char *th_server_address(const th_server *server, size_t index)
{
    const net_server *s = (const net_server *)server;
    return index < s->tcp_count ? s->listeners[index]->address : NULL;
}
