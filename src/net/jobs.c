/* SPDX-License-Identifier: Apache-2.0
 * Workers: bounded queues, fair by principal. In each class the principals that have something waiting stand in a ring;
 * a worker takes one request of the first and sends that principal to the end. */
#include <stdlib.h>

#include "base/assert.h"
#include "net/net_private.h"
#include "os/os.h"

#define WORKER_STACK (8u << 20) /* expressions nest up to TH_SQL_DEPTH_MAX */

typedef struct lane {
    struct lane *next;
    char name[64];
    net_exchange *first, *last;
} lane;

typedef struct worker {
    pthread_t thread;
    net_jobs *jobs;
    net_class class;
} worker;

struct net_jobs {
    pthread_mutex_t lock;
    pthread_cond_t more[NET_CLASS_COUNT];
    lane *first[NET_CLASS_COUNT], *last[NET_CLASS_COUNT];
    uint32_t waiting;
    bool stopping;
    worker *workers;
    uint32_t worker_count; /* those that run */
};

static void append_lane(net_jobs *jobs, net_class class, lane *l)
{
    l->next = NULL;
    if (jobs->last[class] == NULL) {
        jobs->first[class] = l;
    } else {
        jobs->last[class]->next = l;
    }
    jobs->last[class] = l;
}

static lane *find_lane(net_jobs *jobs, net_class class, const char *name)
{
    for (lane *l = jobs->first[class]; l != NULL; l = l->next) {
        if (strcmp(l->name, name) == 0) return l;
    }
    lane *l = calloc(1, sizeof(*l));
    if (l == NULL) return NULL;
    TH_ASSERT(strlen(name) < sizeof(l->name));
    memcpy(l->name, name, strlen(name) + 1);
    append_lane(jobs, class, l);
    return l;
}

bool net_jobs_add(net_jobs *jobs, net_exchange *ex)
{
    net_class class = ex->route->class;
    TH_ASSERT(class < NET_CLASS_COUNT);
    pthread_mutex_lock(&jobs->lock);
    lane *l = jobs->waiting < NET_JOBS_MAX && !jobs->stopping
                  ? find_lane(jobs, class, ex->principal_name)
                  : NULL;
    if (l != NULL) {
        atomic_fetch_add(&ex->refs, 1);
        ex->next = NULL;
        if (l->last == NULL) {
            l->first = ex;
        } else {
            l->last->next = ex;
        }
        l->last = ex;
        jobs->waiting++;
        pthread_cond_signal(&jobs->more[class]);
    }
    pthread_mutex_unlock(&jobs->lock);
    return l != NULL;
}

/* The next request of the ring's first principal; NULL: none. */
static net_exchange *take(net_jobs *jobs, net_class class)
{
    lane *l = jobs->first[class];
    if (l == NULL) return NULL;
    net_exchange *ex = l->first;
    l->first = ex->next;
    jobs->waiting--;
    jobs->first[class] = l->next;
    if (jobs->first[class] == NULL) jobs->last[class] = NULL;
    if (l->first == NULL) {
        free(l);
    } else {
        append_lane(jobs, class, l);
    }
    return ex;
}

static void *work(void *arg)
{
    worker *w = arg;
    net_jobs *jobs = w->jobs;
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        net_exchange *ex = jobs->stopping ? NULL : take(jobs, w->class);
        if (ex == NULL) {
            if (jobs->stopping) break;
            pthread_cond_wait(&jobs->more[w->class], &jobs->lock);
            continue;
        }
        pthread_mutex_unlock(&jobs->lock);
        net_exchange_run(ex);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

th_err net_jobs_start(const uint32_t threads[NET_CLASS_COUNT], net_jobs **out, th_diag *diag)
{
    static const char *const names[NET_CLASS_COUNT] = {"net-quick", "net-query", "net-load",
                                                       "net-command"};
    uint32_t total = 0;
    for (int c = 0; c < NET_CLASS_COUNT; c++) total += threads[c];
    net_jobs *jobs = calloc(1, sizeof(*jobs));
    worker *workers = calloc(total, sizeof(*workers));
    if (jobs == NULL || workers == NULL) {
        free(jobs);
        free(workers);
        return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    }
    jobs->workers = workers;
    pthread_mutex_init(&jobs->lock, NULL);
    for (int c = 0; c < NET_CLASS_COUNT; c++) pthread_cond_init(&jobs->more[c], NULL);
    th_err err = TH_OK;
    for (int c = 0; c < NET_CLASS_COUNT && err == TH_OK; c++) {
        for (uint32_t i = 0; i < threads[c] && err == TH_OK; i++) {
            worker *w = &workers[jobs->worker_count];
            *w = (worker){.jobs = jobs, .class = (net_class)c};
            err = th_os_thread(&w->thread, names[c], WORKER_STACK, work, w, diag);
            if (err == TH_OK) jobs->worker_count++;
        }
    }
    if (err != TH_OK) {
        net_jobs_stop(jobs);
        return err;
    }
    *out = jobs;
    return TH_OK;
}

uint32_t net_jobs_waiting(net_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    uint32_t waiting = jobs->waiting;
    pthread_mutex_unlock(&jobs->lock);
    return waiting;
}

void net_jobs_stop(net_jobs *jobs)
{
    if (jobs == NULL) return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    for (int c = 0; c < NET_CLASS_COUNT; c++) pthread_cond_broadcast(&jobs->more[c]);
    pthread_mutex_unlock(&jobs->lock);
    for (uint32_t i = 0; i < jobs->worker_count; i++)
        (void)pthread_join(jobs->workers[i].thread, NULL);
    for (int c = 0; c < NET_CLASS_COUNT; c++) {
        for (net_exchange *ex = take(jobs, (net_class)c); ex != NULL; ex = take(jobs, (net_class)c))
            net_exchange_unref(ex);
        pthread_cond_destroy(&jobs->more[c]);
    }
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->workers);
    free(jobs);
}
