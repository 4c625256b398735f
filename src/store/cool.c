/* SPDX-License-Identifier: Apache-2.0
 * What the compactor does when no journal waits: small files that large writes left are joined, and what has cooled is
 * encoded in the compact tier, a file or a few at a time, on a thread that stands back for everybody else. */
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "store/merge.h"

enum { NICE = 19, LOOKS = 4, PAUSE_MAX_US = 1000 * 1000 };
#define INTERVAL_MIN_US (INT64_C(20) * 1000)
#define INTERVAL_MAX_US (INT64_C(60) * TH_US_PER_SECOND)

static int64_t cool_us(const th_store *store)
{
    return store->options.cool_us == 0 ? STORE_COOL_US : store->options.cool_us;
}

int64_t store_cool_interval(const th_store *store)
{
    int64_t interval = cool_us(store) / LOOKS;
    if (interval < 0 || interval > INTERVAL_MAX_US) return INTERVAL_MAX_US;
    return interval < INTERVAL_MIN_US ? INTERVAL_MIN_US : interval;
}

/* Asked between two segments: while others commit, three quarters of the time are theirs. */
typedef struct pace {
    th_store *store;
    uint64_t commits;
    int64_t last_us;
} pace;

static bool keep_pace(void *ctx, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    pace *p = ctx;
    uint64_t commits = atomic_load(&p->store->commits);
    int64_t pause = (th_os_mono_us() - p->last_us) * 3;
    if (commits != p->commits && pause > 0)
        (void)usleep((useconds_t)(pause > PAUSE_MAX_US ? PAUSE_MAX_US : pause));
    p->commits = commits;
    p->last_us = th_os_mono_us();
    return true;
}

static void run(th_store *store, const store_plan_rules *rules)
{
    pace p = {store, atomic_load(&store->commits), th_os_mono_us()};
    store_merge round = {.store = store,
                         .background = true,
                         .yields = true,
                         .compact = rules->compact,
                         .threads = 1,
                         .progress = keep_pace,
                         .progress_ctx = &p};
    th_diag diag = {0};
    pthread_mutex_lock(&store->compact_lock);
    th_err err = store_merge_rounds(&round, rules, &diag);
    pthread_mutex_unlock(&store->compact_lock);
    (void)malloc_trim(0);
    if (err != TH_OK && err != TH_ECANCELED)
        th_log(TH_LOG_WARN, "what has cooled cannot be encoded anew: %s", diag.text);
}

/* The last commit that arrived long enough ago. */
static uint64_t cool_position(th_store *store)
{
    uint64_t lsn = 0;
    th_diag ignored = {0};
    th_version *version = th_store_version(store);
    if (th_version_lsn_at(version, th_os_now_us() - cool_us(store), &lsn, &ignored) != TH_OK)
        lsn = 0;
    th_version_release(version);
    return lsn;
}

static void *cool_thread(void *arg)
{
    th_store *store = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    const store_plan_rules small = {.files = true, .small_only = true, .last_lsn_max = UINT64_MAX};
    run(store, &small);
    if (cool_us(store) < 0) return NULL;
    const store_plan_rules cool = {
        .files = true, .compact = true, .last_lsn_max = cool_position(store)};
    if (cool.last_lsn_max > 0) run(store, &cool);
    return NULL;
}

void store_cool(th_store *store)
{
    pthread_t thread;
    th_diag ignored = {0};
    if (th_os_thread(&thread, "th-cool", 0, cool_thread, store, &ignored) == TH_OK)
        pthread_join(thread, NULL);
}

/* What large writes have freed stays with the allocator: it goes back once nothing is committed for a while. */
static bool writers_rest(th_store *store)
{
    uint64_t commits = atomic_load(&store->commits);
    bool rest = commits == store->commits_seen && store->commits_trimmed != commits;
    if (rest) store->commits_trimmed = commits;
    store->commits_seen = commits;
    return rest;
}

void store_trim_caches(th_store *store)
{
    bool rest = writers_rest(store);
    bool heads = store_cache_trim(store->heads), segments = store_cache_trim(store->segments),
         filters = store_cache_trim(store->filters);
    if (rest || heads || segments || filters) (void)malloc_trim(0);
}
