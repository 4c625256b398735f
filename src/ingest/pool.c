/* SPDX-License-Identifier: Apache-2.0
 * Threads that load files from one bounded queue. What is stored does not depend on which of them takes a file: claims and
 * the second look in late() see to that, as with any two writers of one store. */
#include "ingest/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "os/os.h"

enum {
    QUEUED_MAX = 64,
    POOL_THREADS_MAX = TH_INGEST_THREADS_MAX,
    STACK_BYTES = 4 << 20,
    WAIT_MS = 100
};
enum { BATCH_BYTES_MIN = 4 << 20 };
#define SLOT_BYTES (UINT64_C(32) << 20)

/* One file on its way: a copy of what the walk gave. */
typedef struct slot {
    th_arena *arena;
    th_walk_file file;
} slot;

typedef struct worker {
    ingest_pool *pool;
    th_ingest *in;
    pthread_t thread;
    th_err result;
    th_diag diag;
} worker;

struct ingest_pool {
    th_ingest *head;
    pthread_mutex_t lock;
    pthread_cond_t work, room; /* something is queued, or nothing will be; a slot is free */
    slot slots[QUEUED_MAX + POOL_THREADS_MAX];
    uint32_t free[QUEUED_MAX + POOL_THREADS_MAX], free_count;
    uint32_t queue[QUEUED_MAX], queue_first, queue_count;
    uint32_t idle, running;
    bool closed; /* nothing more will be queued */
    bool failed; /* take nothing more */
    worker workers[POOL_THREADS_MAX];
    uint32_t worker_count;
};

/* ---- the threads -------------------------------------------------------------------------------------------------------- */

static bool is_cancelled(const th_ingest *in)
{
    return in->cancel != NULL && *in->cancel != 0;
}

/* The next file's slot; false: there is none and will be none. */
static bool take(ingest_pool *p, uint32_t *index)
{
    bool have = false;
    pthread_mutex_lock(&p->lock);
    p->idle++;
    while (p->queue_count == 0 && !p->closed && !p->failed) pthread_cond_wait(&p->work, &p->lock);
    p->idle--;
    if (p->queue_count > 0 && !p->failed) {
        *index = p->queue[p->queue_first];
        p->queue_first = (p->queue_first + 1) % QUEUED_MAX;
        p->queue_count--;
        have = true;
    }
    pthread_mutex_unlock(&p->lock);
    return have;
}

static void give_back(ingest_pool *p, uint32_t index, bool failed)
{
    pthread_mutex_lock(&p->lock);
    p->free[p->free_count++] = index;
    if (failed) {
        p->failed = true;
        pthread_cond_broadcast(&p->work);
    }
    pthread_cond_signal(&p->room);
    pthread_mutex_unlock(&p->lock);
}

static void *run_worker(void *arg)
{
    worker *w = arg;
    ingest_pool *p = w->pool;
    uint32_t index;
    while (w->result == TH_OK && take(p, &index)) {
        if (!is_cancelled(w->in))
            w->result = th_ingest_walked(w->in, &p->slots[index].file, &w->diag);
        give_back(p, index, w->result != TH_OK);
    }
    /* What was prepared before a failure or Ctrl-C is good: keep it. */
    th_diag diag = {0};
    th_err err = th_ingest_commit(w->in, &diag);
    if (err != TH_OK && (w->result == TH_OK || w->result == TH_ECANCELED)) {
        w->result = err;
        w->diag = diag;
    }
    pthread_mutex_lock(&p->lock);
    p->failed |= w->result != TH_OK;
    p->running--;
    pthread_cond_broadcast(&p->work);
    pthread_cond_signal(&p->room);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* What all threads hold together is bounded, however many there are. */
static uint64_t batch_bytes_for(uint32_t threads)
{
    uint64_t share = 2 * INGEST_BATCH_BYTES / threads;
    if (share > INGEST_BATCH_BYTES) return INGEST_BATCH_BYTES;
    return share < BATCH_BYTES_MIN ? BATCH_BYTES_MIN : share;
}

static th_err start_worker(ingest_pool *p, th_diag *diag)
{
    worker *w = &p->workers[p->worker_count];
    th_ingest_options options = p->head->options;
    options.threads = 1;
    options.quiet = true;
    if (options.batch_bytes == 0) options.batch_bytes = batch_bytes_for(p->head->options.threads);
    *w = (worker){.pool = p, .in = th_ingest_new(p->head->store, &options)};
    if (w->in == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to load with");
    w->in->head = p->head;
    w->in->cancel = p->head->cancel;
    w->in->memory_max = INGEST_SLURP_MEMORY_MAX / p->head->options.threads;
    th_err err = th_os_thread(&w->thread, "th-load", STACK_BYTES, run_worker, w, diag);
    if (err != TH_OK) {
        th_ingest_free(w->in);
        return err;
    }
    p->running++;
    p->worker_count++;
    return TH_OK;
}

/* ---- the head ----------------------------------------------------------------------------------------------------------- */

static ingest_pool *pool_new(th_ingest *head)
{
    ingest_pool *p = calloc(1, sizeof(*p));
    if (p == NULL) return NULL;
    p->head = head;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, &attr);
    pthread_cond_init(&p->room, &attr);
    pthread_condattr_destroy(&attr);
    for (uint32_t i = 0; i < QUEUED_MAX + POOL_THREADS_MAX; i++) p->free[p->free_count++] = i;
    return p;
}

static void pool_free(ingest_pool *p)
{
    for (uint32_t i = 0; i < QUEUED_MAX + POOL_THREADS_MAX; i++) th_arena_free(p->slots[i].arena);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->room);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Wait for news, but not for ever: Ctrl-C makes none, and progress is to be shown. */
static void wait_a_little(ingest_pool *p)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += WAIT_MS * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000L;
    end.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(&p->room, &p->lock, &end);
    pthread_mutex_unlock(&p->lock);
    ingest_progress(p->head);
    pthread_mutex_lock(&p->lock);
}

static const char *copy_text(th_arena *arena, const char *text)
{
    return text == NULL ? NULL : (const char *)th_arena_copy(arena, th_slice_text(text)).bytes;
}

static bool fill_slot(slot *s, const th_walk_file *file)
{
    if (s->arena == NULL) s->arena = th_arena_new(SLOT_BYTES, NULL);
    if (s->arena == NULL) return false;
    th_arena_reset(s->arena);
    th_header *headers = TH_NEW_ARRAY(s->arena, th_header, file->header_count + 1);
    s->file = *file;
    s->file.path = copy_text(s->arena, file->path);
    s->file.name = copy_text(s->arena, file->name);
    s->file.error = copy_text(s->arena, file->error);
    s->file.headers = headers;
    for (size_t i = 0; headers != NULL && i < file->header_count; i++) {
        headers[i].name = th_arena_copy(s->arena, file->headers[i].name);
        headers[i].value = th_arena_copy(s->arena, file->headers[i].value);
        if (headers[i].name.bytes == NULL || headers[i].value.bytes == NULL) return false;
    }
    return headers != NULL && s->file.path != NULL && s->file.name != NULL &&
           (file->error == NULL || s->file.error != NULL);
}

/* The first failure, in order of threads. */
static th_err failure(const ingest_pool *p, th_diag *diag)
{
    for (uint32_t i = 0; i < p->worker_count; i++) {
        const worker *w = &p->workers[i];
        if (w->result == TH_OK) continue;
        return th_fail(diag, w->result, w->diag.name[0] == '\0' ? NULL : w->diag.name, "%s",
                       w->diag.text[0] == '\0' ? th_err_text(w->result) : w->diag.text);
    }
    return TH_OK;
}

static th_err queue_file(ingest_pool *p, const th_walk_file *file, th_diag *diag)
{
    uint32_t index = p->free[--p->free_count];
    pthread_mutex_unlock(&p->lock);
    bool filled = fill_slot(&p->slots[index], file);
    pthread_mutex_lock(&p->lock);
    if (!filled) {
        p->free[p->free_count++] = index;
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to load %s", file->path);
    }
    p->queue[(p->queue_first + p->queue_count++) % QUEUED_MAX] = index;
    bool more = p->queue_count > p->idle && p->worker_count < p->head->options.threads &&
                p->worker_count < POOL_THREADS_MAX;
    /* One is enough; that another cannot be had is no reason to fail. */
    th_err err = more ? start_worker(p, diag) : TH_OK;
    if (err != TH_OK && p->worker_count > 0) {
        th_diag_clear(diag);
        err = TH_OK;
    }
    pthread_cond_signal(&p->work);
    return err;
}

th_err ingest_pool_feed(th_ingest *head, const th_walk_file *file, th_diag *diag)
{
    if (head->pool == NULL) head->pool = pool_new(head);
    ingest_pool *p = head->pool;
    if (p == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to load with");
    pthread_mutex_lock(&p->lock);
    while (p->queue_count == QUEUED_MAX && !p->failed && !is_cancelled(head)) wait_a_little(p);
    th_err err = TH_OK;
    bool failed = p->failed;
    if (!failed && !is_cancelled(head)) err = queue_file(p, file, diag);
    pthread_mutex_unlock(&p->lock);
    if (is_cancelled(head)) return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
    ingest_progress(head);
    /* Which thread failed and why is read once all have ended. */
    return failed ? ingest_pool_finish(head, diag) : err;
}

static void add_summary(th_ingest *head, th_ingest *in)
{
    th_ingest_summary *to = &head->summary;
    const th_ingest_summary *from = &in->summary;
    to->objects += from->objects;
    to->objects_known += from->objects_known;
    to->deliveries += from->deliveries;
    to->records += from->records;
    to->duplicates += from->duplicates;
    to->variants += from->variants;
    to->quarantined += from->quarantined;
    to->bytes += from->bytes;
    to->unreadable += from->unreadable;
    if (from->lsn > to->lsn) to->lsn = from->lsn;
    for (uint32_t i = 0; i < in->reasons.count; i++) {
        const th_ingest_reason *r = &in->reasons.at[i];
        ingest_add_reason(head, r->path, r->offset, r->reason);
    }
}

static int by_place(const void *a, const void *b)
{
    const th_ingest_reason *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    if (order != 0) return order;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

th_err ingest_pool_finish(th_ingest *head, th_diag *diag)
{
    ingest_pool *p = head->pool;
    if (p == NULL) return TH_OK;
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->work);
    while (p->running > 0) wait_a_little(p);
    pthread_mutex_unlock(&p->lock);
    uint32_t before = head->reasons.count;
    for (uint32_t i = 0; i < p->worker_count; i++) {
        pthread_join(p->workers[i].thread, NULL);
        add_summary(head, p->workers[i].in);
        th_ingest_free(p->workers[i].in);
    }
    /* As one thread would have met them. */
    if (head->reasons.count > before)
        qsort(head->reasons.at + before, head->reasons.count - before, sizeof(*head->reasons.at),
              by_place);
    th_err err = failure(p, diag);
    head->pool = NULL;
    pool_free(p);
    return err;
}
