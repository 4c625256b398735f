/* SPDX-License-Identifier: Apache-2.0
 * The compactor: rounds that turn closed journals and small generations into sealed files. Each round ends with one
 * catalog commit; before it nothing has changed, after it the old files only wait for their last reader. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/time.h"
#include "store/merge.h"

enum { RETRY_US = 5 * 1000 * 1000, ROUNDS_MAX = 1000 };

bool store_merge_goes_on(store_merge *round)
{
    bool goes_on = round->progress == NULL ||
                   round->progress(round->progress_ctx, round->done_bytes,
                                   round->done_bytes > round->total_bytes ? round->done_bytes
                                                                          : round->total_bytes);
    th_store *store = round->store;
    pthread_mutex_lock(&store->lock);
    goes_on = goes_on && !(round->background && store->stop_background) &&
              !(round->yields && (store->unmerged > 0 || store->compact_waiting > 0));
    pthread_mutex_unlock(&store->lock);
    return goes_on;
}

/* The oldest closed journals, up to what one round may hold. */
static th_err choose_journals(store_merge *round, const store_plan_rules *rules, th_arena *arena,
                              th_diag *diag)
{
    const store_files *files = round->version->files;
    round->journal_count = 0;
    round->journals = TH_NEW_ARRAY(arena, store_file *, files->journals + 1);
    if (round->journals == NULL) return th_fail(diag, TH_ELIMIT, NULL, "no memory to plan a merge");
    uint64_t bytes = 0;
    pthread_mutex_lock(&round->store->lock);
    for (uint32_t i = 0; i < files->journals; i++) {
        store_file *file = files->files[i];
        if (!file->info.closed || file->journal == NULL || atomic_load(&file->unmergeable) ||
            file->info.last_lsn > rules->last_lsn_max)
            continue;
        if (round->journal_count > 0 && bytes + file->info.bytes > STORE_ROUND_BYTES) break;
        bytes += file->info.bytes;
        round->journals[round->journal_count++] = file;
    }
    pthread_mutex_unlock(&round->store->lock);
    return TH_OK;
}

/* Everything that the round replaces. */
static th_err list_gone(const store_merge *round, const store_group *groups, uint32_t count,
                        store_file ***out, uint32_t *gone_count)
{
    uint32_t total = round->journal_count;
    for (uint32_t i = 0; i < count; i++) total += groups[i].file_count;
    store_file **gone = malloc((total + 1) * sizeof(*gone));
    if (gone == NULL) return TH_ENOMEM;
    uint32_t n = 0;
    for (uint32_t i = 0; i < round->journal_count; i++) gone[n++] = round->journals[i];
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < groups[i].file_count; k++) gone[n++] = groups[i].files[k];
    *out = gone;
    *gone_count = n;
    return TH_OK;
}

static th_err finish_round(store_merge *round, const store_group *groups, uint32_t count,
                           th_diag *diag)
{
    store_change change = {.merged_journals = round->journal_count};
    store_file **gone = NULL;
    if (list_gone(round, groups, count, &gone, &change.gone_count) != TH_OK)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to merge");
    change.gone = gone;
    TH_FAILPOINT("compact_before_catalog");
    th_err err = store_outputs_name(round->store, &round->outputs, &change, 0, diag);
    free(gone);
    return err;
}

/* Merge the groups and name the result. */
static th_err run_round(store_merge *round, const store_group *groups, uint32_t count,
                        th_diag *diag)
{
    th_err err = TH_OK;
    for (uint32_t i = 0; i < count && err == TH_OK; i++)
        err = store_merge_group(round, &groups[i], diag);
    if (err == TH_OK) err = finish_round(round, groups, count, diag);
    if (err != TH_OK)
        store_outputs_remove(round->store, &round->outputs);
    else
        atomic_fetch_add(&round->store->merges, 1);
    store_outputs_free(&round->outputs);
    return err;
}

/* Sealed files alone: each group is a round of its own, so that a stop loses little. */
static th_err run_sealed(store_merge *round, const store_group *groups, uint32_t count,
                         th_diag *diag)
{
    for (uint32_t i = 0; i < count; i++) TH_TRY(run_round(round, &groups[i], 1, diag));
    return TH_OK;
}

/* A damaged journal stays as it is and does not hold up the writers. */
static void leave_out_damaged(store_merge *round)
{
    for (uint32_t i = 0; i < round->journal_count; i++) {
        if (!atomic_load(&round->journals[i]->unmergeable)) continue;
        pthread_mutex_lock(&round->store->lock);
        round->store->unmerged--;
        pthread_mutex_unlock(&round->store->lock);
    }
}

/* One round over what there is now; *did says whether anything was to be done. */
th_err store_merge_round(store_merge *round, const store_plan_rules *rules, bool *did,
                         th_diag *diag)
{
    th_arena *arena = th_arena_new((size_t)256 << 20, NULL);
    if (arena == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to plan a merge");
    round->version = th_store_version(round->store);
    store_group *groups = NULL;
    uint32_t count = 0;
    th_err err = round->yields ? TH_OK : choose_journals(round, rules, arena, diag);
    bool with_journals = err == TH_OK && round->journal_count > 0;
    if (err == TH_OK && (with_journals || rules->files))
        err = store_plan(round->version, round->journals, round->journal_count, rules, arena,
                         &groups, &count, diag);
    for (uint32_t i = 0; i < count; i++) round->total_bytes += groups[i].bytes;
    *did = err == TH_OK && (with_journals || count > 0);
    if (*did)
        err = with_journals ? run_round(round, groups, count, diag)
                            : run_sealed(round, groups, count, diag);
    if (err == TH_ECORRUPT) leave_out_damaged(round);
    th_version_release(round->version);
    round->version = NULL;
    th_arena_free(arena);
    return err;
}

static void note_result(th_store *store, th_err err, const th_diag *diag)
{
    pthread_mutex_lock(&store->lock);
    store->merge_error = err;
    store->merge_diag = *diag;
    pthread_cond_broadcast(&store->room);
    pthread_mutex_unlock(&store->lock);
}

th_err store_merge_rounds(store_merge *round, const store_plan_rules *rules, th_diag *diag)
{
    th_err err = TH_OK;
    bool did = true;
    for (int i = 0; i < ROUNDS_MAX && did && err == TH_OK; i++) {
        err = store_merge_round(round, rules, &did, diag);
        if (err == TH_ECORRUPT) {
            /* What is damaged is left as it is, and named; the rest goes on. */
            th_log(TH_LOG_ERROR, "a file was left out of the merge: %s", diag->text);
            th_diag_clear(diag);
            did = true;
            err = TH_OK;
        }
    }
    return err;
}

static void count_waiting(th_store *store, bool waits)
{
    pthread_mutex_lock(&store->lock);
    store->compact_waiting += waits ? 1u : UINT32_MAX;
    pthread_mutex_unlock(&store->lock);
}

th_err th_store_compact(th_store *store, th_progress_fn progress, void *ctx, th_diag *diag)
{
    th_diag mine = {0};
    if (diag == NULL) diag = &mine;
    TH_TRY(store_ask_roll(store, diag));
    count_waiting(store, true);
    pthread_mutex_lock(&store->compact_lock);
    count_waiting(store, false);
    store_merge round = {.store = store,
                         .compact = true,
                         .threads = th_os_cpu_count(),
                         .progress = progress,
                         .progress_ctx = ctx};
    /* What is committed meanwhile is for the next time: writers that go on do not keep it here for ever. */
    const store_plan_rules all = {
        .files = true, .compact = true, .last_lsn_max = th_store_lsn(store)};
    th_err err = store_merge_rounds(&round, &all, diag);
    pthread_mutex_unlock(&store->compact_lock);
    (void)malloc_trim(0);
    if (err == TH_OK) {
        const th_diag none = {0};
        note_result(store, TH_OK, &none);
    }
    return err;
}

/* ---- in the background ------------------------------------------------------------------------------------------------------- */

typedef enum wake { WAKE_STOP, WAKE_JOURNAL, WAKE_TICK } wake;

/* Wait for a closed journal or the next tick. After a failure journals wait for the tick, too. */
static wake wait_for_work(th_store *store, bool failed, int64_t tick_us)
{
    int64_t until = th_os_mono_us() + (failed ? RETRY_US : tick_us);
    struct timespec end = {.tv_sec = (time_t)(until / TH_US_PER_SECOND),
                           .tv_nsec = (long)(until % TH_US_PER_SECOND * 1000)};
    int rc = 0;
    pthread_mutex_lock(&store->lock);
    while (!store->stop_background && rc == 0 && (failed || store->unmerged == 0))
        rc = pthread_cond_timedwait(&store->merge, &store->lock, &end);
    wake woken = store->stop_background ? WAKE_STOP
                 : store->unmerged > 0  ? WAKE_JOURNAL
                                        : WAKE_TICK;
    pthread_mutex_unlock(&store->lock);
    return woken;
}

static bool merge_journals(th_store *store)
{
    static const store_plan_rules journals_only = {.last_lsn_max = UINT64_MAX};
    store_merge round = {.store = store, .background = true, .threads = 1};
    th_diag diag = {0};
    bool did = false;
    pthread_mutex_lock(&store->compact_lock);
    th_err err = store_merge_round(&round, &journals_only, &did, &diag);
    pthread_mutex_unlock(&store->compact_lock);
    (void)malloc_trim(0);
    bool failed = err != TH_OK && err != TH_ECORRUPT && err != TH_ECANCELED;
    if (err == TH_ECORRUPT)
        th_log(TH_LOG_ERROR, "a file was left out of the merge: %s", diag.text);
    else if (failed)
        th_log(TH_LOG_WARN, "journals cannot be merged, trying again: %s", diag.text);
    note_result(store, failed ? err : TH_OK, &diag);
    return !failed;
}

void *store_compact_thread(void *arg)
{
    th_store *store = arg;
    bool failed = false;
    int64_t interval = store_cool_interval(store), cooled = th_os_mono_us(), trimmed = cooled;
    for (;;) {
        wake woken =
            wait_for_work(store, failed, interval < STORE_TICK_US ? interval : STORE_TICK_US);
        if (woken == WAKE_STOP) return NULL;
        if (woken == WAKE_JOURNAL) {
            failed = !merge_journals(store);
            continue;
        }
        failed = false;
        int64_t now = th_os_mono_us();
        if (now - trimmed >= STORE_TICK_US) {
            store_trim_caches(store);
            trimmed = now;
        }
        if (now - cooled >= interval) {
            store_cool(store);
            cooled = th_os_mono_us();
        }
    }
}
