/* SPDX-License-Identifier: Apache-2.0
 * Writers wait here for the committer; the committer takes from here what may share a transaction. */
#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "store/write.h"

/* ---- the writers' side ----------------------------------------------------------------------------------------------------- */

/* The store's door: bounded by the queue and by journals that wait for the compactor. */
static th_err wait_for_room(th_store *store, th_diag *diag)
{
    for (;;) {
        bool behind = store->unmerged >= TH_JOURNALS_MAX && store->has_compactor;
        if (store->stopping) return th_fail(diag, TH_ESTOPPING, NULL, "the store stops");
        if (behind && store->merge_error != TH_OK)
            return th_fail(diag, store->merge_error, NULL,
                           "%u journals wait to be merged, and that fails: %s", store->unmerged,
                           store->merge_diag.text);
        if (!behind && store->queue_depth < TH_COMMIT_QUEUE_MAX) return TH_OK;
        pthread_cond_wait(&store->room, &store->lock);
    }
}

static th_err queue_and_wait(th_store *store, th_write *write, th_diag *diag)
{
    write->diag = diag;
    write->done = false;
    write->next = NULL;
    pthread_mutex_lock(&store->lock);
    th_err err =
        write->roll ? (store->stopping ? TH_ESTOPPING : TH_OK) : wait_for_room(store, diag);
    if (err == TH_OK) {
        if (store->queue_last != NULL)
            store->queue_last->next = write;
        else
            store->queue_first = write;
        store->queue_last = write;
        store->queue_depth++;
        pthread_cond_signal(&store->work);
        while (!write->done) pthread_cond_wait(&store->done, &store->lock);
        err = write->result;
    }
    pthread_mutex_unlock(&store->lock);
    return err;
}

th_err th_store_commit(th_store *store, th_write *write, uint64_t *lsn, th_diag *diag)
{
    th_diag mine = {0};
    if (diag == NULL) diag = &mine;
    TH_TRY(th_write_encode(write, diag));
    TH_TRY(queue_and_wait(store, write, diag));
    *lsn = write->lsn;
    return TH_OK;
}

th_err store_ask_roll(th_store *store, th_diag *diag)
{
    th_write *write = th_write_new(store);
    if (write == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory");
    write->roll = true;
    th_err err = queue_and_wait(store, write, diag);
    th_write_free(write);
    return err;
}

uint64_t th_store_lsn(const th_store *store)
{
    pthread_mutex_t *lock = &((th_store *)(uintptr_t)store)->lock;
    pthread_mutex_lock(lock);
    uint64_t lsn = store->current == NULL ? 0 : store->current->lsn;
    pthread_mutex_unlock(lock);
    return lsn;
}

bool th_store_wait(th_store *store, uint64_t after, int64_t timeout_us)
{
    struct timespec end;
    int64_t until = th_os_mono_us() + (timeout_us < 0 ? 0 : timeout_us);
    end.tv_sec = (time_t)(until / TH_US_PER_SECOND);
    end.tv_nsec = (long)(until % TH_US_PER_SECOND * 1000);
    int rc = 0;
    pthread_mutex_lock(&store->lock);
    while (store->current->lsn <= after && !store->stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&store->published, &store->lock, &end);
    bool past = store->current->lsn > after;
    pthread_mutex_unlock(&store->lock);
    return past;
}

/* ---- the committer's side ------------------------------------------------------------------------------------------------- */

void store_answer(th_store *store, th_write *write, th_err result)
{
    pthread_mutex_lock(&store->lock);
    write->result = result;
    write->done = true;
    store->queue_depth--;
    pthread_cond_broadcast(&store->done);
    pthread_cond_broadcast(&store->room);
    pthread_mutex_unlock(&store->lock);
}

typedef struct claims {
    uint64_t *slots; /* 0 = empty */
    size_t size, count;
} claims;

static bool claimed(const claims *c, uint64_t claim)
{
    claim |= 1; /* never 0: two that differ in this bit only wait for each other without need */
    for (size_t at = claim >> 7; c->size > 0; at++) {
        uint64_t slot = c->slots[at & (c->size - 1)];
        if (slot == claim) return true;
        if (slot == 0) return false;
    }
    return false;
}

static void set_claim(claims *c, uint64_t claim)
{
    claim |= 1;
    size_t at = claim >> 7;
    while (c->slots[at & (c->size - 1)] != 0 && c->slots[at & (c->size - 1)] != claim) at++;
    if (c->slots[at & (c->size - 1)] == 0) c->count++;
    c->slots[at & (c->size - 1)] = claim;
}

/* What shares a transaction with no other. */
static bool goes_alone(const th_write *write)
{
    return write->roll || write->claims_all || write_is_large(write);
}

/* True when none of the write's claims is taken; they are taken then. False too when memory is short: it waits. */
static bool take_claims(claims *c, const th_write *write)
{
    for (size_t i = 0; i < write->claim_count; i++)
        if (claimed(c, write->claims[i])) return false;
    size_t size = c->size == 0 ? 1024 : c->size;
    while (size < (c->count + write->claim_count) * 2) size *= 2;
    if (size != c->size) {
        claims bigger = {calloc(size, sizeof(uint64_t)), size, 0};
        if (bigger.slots == NULL) return false;
        for (size_t i = 0; i < c->size; i++)
            if (c->slots[i] != 0) set_claim(&bigger, c->slots[i]);
        free(c->slots);
        *c = bigger;
    }
    for (size_t i = 0; i < write->claim_count; i++) set_claim(c, write->claims[i]);
    return true;
}

/* Take writes out of the waiting list: in order, but for those whose claims collide. The first always fits. */
static uint32_t choose(th_write **waiting, th_write *chosen[TH_COMMIT_QUEUE_MAX])
{
    claims c = {0};
    uint32_t count = 0;
    uint64_t bytes = 0, values = 0;
    bool alone = false; /* its claims could not be noted */
    th_write **at = waiting;
    while (*at != NULL && count < TH_COMMIT_QUEUE_MAX) {
        th_write *write = *at;
        bool first = count == 0;
        bool room = first || (bytes + write->bytes <= TH_BATCH_BYTES_MAX &&
                              values + write_values(write) <= TH_BATCH_VALUES_MAX);
        if (goes_alone(write) || !room) {
            if (!first) break;
        } else if (write->next != NULL || !first) {
            alone = !take_claims(&c, write);
            if (alone && !first) {
                alone = false;
                at = &write->next;
                continue;
            }
        }
        *at = write->next;
        chosen[count++] = write;
        bytes += write->bytes;
        values += write_values(write);
        if (goes_alone(write) || alone) break;
    }
    free(c.slots);
    return count;
}

/* Move what is queued behind what waits here; false when the store stops and nothing is left. */
static bool take_queue(th_store *store, th_write **waiting)
{
    pthread_mutex_lock(&store->lock);
    while (store->queue_first == NULL && *waiting == NULL && !store->stopping)
        pthread_cond_wait(&store->work, &store->lock);
    th_write **end = waiting;
    while (*end != NULL) end = &(*end)->next;
    *end = store->queue_first;
    store->queue_first = store->queue_last = NULL;
    pthread_mutex_unlock(&store->lock);
    return *waiting != NULL;
}

void *store_commit_thread(void *arg)
{
    th_store *store = arg;
    th_write *waiting = NULL;
    while (take_queue(store, &waiting)) {
        th_write *chosen[TH_COMMIT_QUEUE_MAX];
        uint32_t count = choose(&waiting, chosen);
        store_serve(store, chosen, count);
    }
    return NULL;
}
