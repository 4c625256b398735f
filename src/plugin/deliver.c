/* SPDX-License-Identifier: Apache-2.0
 * One stretch of the log through a plugin, and what happens when the plugin fails on it.
 *
 * A stretch is whole commits after the cursor. A batch that kills the runner, hangs it or is refused is halved until the
 * row is found; that row is set aside, named in the server's log and counted, and the rest goes on. */
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/time.h"
#include "plugin/host_private.h"

typedef struct stretch {
    th_plugin_host *host;
    th_version *version;
    th_arena *arena;
    hit_list *hits;
    th_diag *diag;
} stretch;

static void count_fault(th_plugin_host *host, const th_diag *diag)
{
    th_log(TH_LOG_WARN, "%s", diag->text);
    pthread_mutex_lock(&host->all->lock);
    host->faults++;
    host->restarts++;
    pthread_mutex_unlock(&host->all->lock);
}

static void set_aside(th_plugin_host *host, const th_loaded *loaded, uint32_t row)
{
    char day[16];
    th_day_format(loaded->ref.day, day);
    th_log(TH_LOG_WARN, "plugin %s fails on %s/%s/%llu: the record is set aside for it", host->name,
           th_model_table(loaded->ref.table)->name, day,
           (unsigned long long)(loaded->ref.first_seq + row));
    pthread_mutex_lock(&host->all->lock);
    host->set_aside++;
    pthread_mutex_unlock(&host->all->lock);
}

/* A runner's own failure, as against one of ours (store, memory): those end the stretch. */
static bool is_fault(const th_diag *diag)
{
    return strcmp(diag->name, "PLUGIN_FAULT") == 0;
}

/* Rows of one segment that a subscription takes. */
typedef struct rows_of {
    uint32_t subscription;
    const th_loaded *loaded;
    uint64_t lsn;
} rows_of;

/* *too_large: the batch does not fit into memory; fewer rows may. */
static th_err give_rows(stretch *s, const rows_of *of, const uint32_t *rows, uint32_t count,
                        bool *too_large)
{
    th_plugin_host *host = s->host;
    uint32_t index = of->subscription;
    int fd = -1;
    /* A runner that was started again has greeted again, and may have said something else. */
    if (index >= host->subscription_count ||
        host->subscriptions[index].table != of->loaded->ref.table) {
        return th_fail(s->diag, TH_EINVAL, NULL, "plugin %s changed its subscriptions", host->name);
    }
    th_arena_reset(host->scratch);
    th_err err = feed_batch(&host->subscriptions[index], index, of->loaded, rows, count, of->lsn,
                            host->scratch, &fd, s->diag);
    *too_large = err == TH_ELIMIT;
    if (err != TH_OK) return err;
    wire_result result;
    err = host_exchange(host, fd, count, &result, s->diag);
    th_os_close(fd);
    if (err == TH_OK) {
        err = hits_add(s->hits, &result, of->loaded->ref.table, of->loaded, rows, host->scratch);
    }
    return err;
}

/* A new runner after a fault, unless there were too many in a row. */
static th_err recover(stretch *s)
{
    count_fault(s->host, s->diag);
    th_diag_clear(s->diag);
    host_process_end(s->host, false);
    if (++s->host->faults_in_a_row > HOST_BATCH_FAULTS_MAX) {
        return th_fail(s->diag, TH_EPERM, "PLUGIN_OFF", "plugin %s failed %u times in a row",
                       s->host->name, s->host->faults_in_a_row);
    }
    return host_process_start(s->host, s->diag);
}

/* Give the rows; on a fault start the runner again and give halves. A single record gets several tries, since a runner may
 * have been killed from outside. Depth is log2 of a batch. */
static th_err give_halving(stretch *s, const rows_of *of, const uint32_t *rows, uint32_t count)
{
    for (uint32_t tries = 1;; tries++) {
        bool too_large = false;
        if (host_stopping(s->host)) return TH_ESTOPPING;
        th_err err = give_rows(s, of, rows, count, &too_large);
        if (err == TH_OK) s->host->faults_in_a_row = 0;
        if (err == TH_OK || (!too_large && !is_fault(s->diag))) return err;
        if (!too_large) TH_TRY(recover(s));
        th_diag_clear(s->diag);
        if (count > 1) break;
        if (too_large || tries == HOST_ROW_TRIES) {
            set_aside(s->host, of->loaded, rows[0]);
            return TH_OK;
        }
    }
    TH_TRY(give_halving(s, of, rows, count / 2));
    return give_halving(s, of, rows + count / 2, count - count / 2);
}

static th_err give_range(stretch *s, uint32_t index, const th_log_range *range,
                         const th_loaded *loaded)
{
    uint32_t *rows = NULL, count = 0;
    rows_of of = {index, loaded, range->lsn};
    TH_TRY(feed_rows(&s->host->subscriptions[index], s->version, range, s->arena, &rows, &count,
                     s->diag));
    for (uint32_t begin = 0; begin < count; begin += HOST_BATCH_ROWS) {
        uint32_t n = count - begin < HOST_BATCH_ROWS ? count - begin : HOST_BATCH_ROWS;
        TH_TRY(give_halving(s, &of, rows + begin, n));
    }
    pthread_mutex_lock(&s->host->all->lock);
    s->host->rows += count;
    pthread_mutex_unlock(&s->host->all->lock);
    return TH_OK;
}

/* All subscriptions over one range. Several may want the same table. */
static th_err give_subscriptions(stretch *s, const th_log_range *range)
{
    const th_loaded *loaded = NULL;
    TH_TRY(th_version_load(s->version, &range->ref, &loaded, s->diag));
    th_err err = TH_OK;
    /* A restart in between greets anew and gives the same subscriptions. */
    for (uint32_t i = 0; i < s->host->subscription_count && err == TH_OK; i++) {
        if (s->host->subscriptions[i].table == range->ref.table)
            err = give_range(s, i, range, loaded);
    }
    th_version_unload(loaded);
    return err;
}

static size_t subscribed_tables(const th_plugin_host *host, uint32_t tables[WIRE_SUBSCRIPTIONS_MAX])
{
    size_t n = 0;
    for (uint32_t i = 0; i < host->subscription_count; i++) {
        bool there = false;
        for (size_t k = 0; k < n; k++) there |= tables[k] == host->subscriptions[i].table;
        if (!there) tables[n++] = host->subscriptions[i].table;
    }
    return n;
}

static th_err commit_stretch(stretch *s, uint64_t last_lsn)
{
    th_plugin_host *host = s->host;
    int64_t now = th_os_mono_us();
    if (!hits_empty(s->hits))
        TH_TRY(hits_commit(s->hits, s->version, last_lsn, s->diag));
    else if (now - host->saved_us > HOST_CURSOR_EVERY_US)
        TH_TRY(cursor_save(host, last_lsn, s->diag));
    else
        return TH_OK;
    host->saved_us = now;
    return TH_OK;
}

static th_err run_stretch(stretch *s, bool *moved)
{
    uint32_t tables[WIRE_SUBSCRIPTIONS_MAX];
    size_t table_count = subscribed_tables(s->host, tables), count = 0;
    th_log_range *ranges = NULL;
    uint64_t last_lsn = s->host->cursor;
    TH_TRY(th_version_log(s->version, tables, table_count, s->host->cursor, HOST_STRETCH_ROWS,
                          s->arena, &ranges, &count, &last_lsn, s->diag));
    for (size_t i = 0; i < count; i++) TH_TRY(give_subscriptions(s, &ranges[i]));
    TH_TRY(commit_stretch(s, last_lsn));
    *moved = last_lsn > s->host->cursor;
    pthread_mutex_lock(&s->host->all->lock);
    s->host->cursor = last_lsn;
    pthread_cond_broadcast(&s->host->all->changed);
    pthread_mutex_unlock(&s->host->all->lock);
    return TH_OK;
}

th_err deliver_stretch(th_plugin_host *host, bool *moved, th_diag *diag)
{
    *moved = false;
    stretch s = {.host = host, .version = th_store_version(host->all->store), .diag = diag};
    s.arena = th_arena_new(HOST_ARENA, NULL);
    s.hits = s.arena != NULL ? hits_new(host, s.arena) : NULL;
    th_err err = s.version == NULL || s.hits == NULL ? TH_ENOMEM : TH_OK;
    host->pending = s.hits;
    if (err == TH_OK && th_version_lsn(s.version) > host->cursor) err = run_stretch(&s, moved);
    host->pending = NULL;
    th_arena_free(s.arena);
    th_version_release(s.version);
    return err;
}

/* ---- the cursor in the plugin's own file ------------------------------------------------------------------------------ */

static th_err load_mark(th_plugin_host *host, const char *key, uint64_t *out, bool *there,
                        th_diag *diag)
{
    th_arena *arena = th_arena_new(1u << 20, NULL);
    if (arena == NULL) return TH_ENOMEM;
    th_slice value;
    th_err err = th_kv_get(host->kv, th_slice_text(key), arena, &value);
    *there = err == TH_OK;
    if (err == TH_OK && value.size == sizeof(*out))
        memcpy(out, value.bytes, sizeof(*out));
    else if (err == TH_OK)
        err = th_fail(diag, TH_ECORRUPT, NULL, "the state of plugin %s is damaged", host->name);
    th_arena_free(arena);
    return err == TH_ENOTFOUND ? TH_OK : err;
}

th_err cursor_load(th_plugin_host *host, th_diag *diag)
{
    uint64_t cursor = 0, findings = 0, rebuild = 0, stored = th_store_lsn(host->all->store);
    bool known = false, there = false;
    TH_TRY(load_mark(host, "c", &cursor, &known, diag));
    TH_TRY(load_mark(host, "l", &findings, &there, diag));
    TH_TRY(load_mark(host, "r", &rebuild, &there, diag));
    if (!there)
        rebuild =
            stored; /* a new file: what the archive holds of ours, if anything, it does not know */
    if (cursor > stored || findings > stored) {
        return th_fail(diag, TH_ECORRUPT, NULL, "the state of plugin %s is newer than the archive",
                       host->name);
    }
    host->findings_lsn = findings;
    host->rebuild_until = rebuild;
    host->saved_cursor = known ? cursor : UINT64_MAX;
    pthread_mutex_lock(&host->all->lock);
    host->cursor = cursor;
    pthread_mutex_unlock(&host->all->lock);
    return TH_OK;
}

th_err cursor_save(th_plugin_host *host, uint64_t cursor, th_diag *diag)
{
    if (cursor == host->saved_cursor) return TH_OK;
    th_kv_put puts[] = {
        {TH_SLICE("c"), th_slice_of(&cursor, sizeof(cursor))},
        {TH_SLICE("r"), th_slice_of(&host->rebuild_until, sizeof(host->rebuild_until))}};
    TH_TRY(th_kv_commit(host->kv, puts, sizeof(puts) / sizeof(puts[0]), diag));
    host->saved_cursor = cursor;
    return TH_OK;
}
