/* SPDX-License-Identifier: Apache-2.0
 * The next journal: made, opened, named by the catalog together with the closing of the one before. */
#include "base/assert.h"
#include "base/log.h"
#include "store/store_private.h"

/* It counts up to its own last commit: later positions may lie in sealed files, and behind it there may be what failed. */
static void describe_closed(const store_file *file, store_file_info *out)
{
    const store_journal *j = file->journal;
    *out = file->info;
    out->closed = 1;
    out->last_lsn = j->meta.last_lsn;
    out->rows = j->meta.rows;
    out->values = j->meta.values;
    out->chain = j->meta.chain;
    out->bytes = store_journal_used_bytes(file->journal);
    for (uint32_t i = 0; i < j->count; i++) {
        out->raw_bytes += j->entries[i].raw_bytes;
        if (j->entries[i].first_seq + j->entries[i].rows > out->next_seq)
            out->next_seq = j->entries[i].first_seq + j->entries[i].rows;
    }
}

static th_err open_next(th_store *store, const store_file_info *info, const store_meta *meta,
                        store_file **out, th_diag *diag)
{
    TH_TRY(store_journal_create(store, info->id, meta, diag));
    store_file *file = store_file_new(store, info);
    if (file == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a journal");
    th_err err = store_journal_open(store, file, diag);
    if (err != TH_OK) {
        store_file_release(file);
        return err;
    }
    *out = file;
    return TH_OK;
}

/* These numbers are read by other threads only under the lock; the rest of info never changes. */
static void close_active(th_store *store, const store_file_info *closed)
{
    store_file_info *info = &store->active->info;
    pthread_mutex_lock(&store->lock);
    info->closed = closed->closed;
    info->last_lsn = closed->last_lsn;
    info->rows = closed->rows;
    info->values = closed->values;
    info->chain = closed->chain;
    info->bytes = closed->bytes;
    info->raw_bytes = closed->raw_bytes;
    info->next_seq = closed->next_seq;
    pthread_mutex_unlock(&store->lock);
}

th_err store_roll(th_store *store, th_diag *diag)
{
    store_file *old = store->active, *next = NULL;
    uint64_t lsn = th_store_lsn(store);
    store_meta meta = {.last_lsn = lsn, .last_arrival_us = store->last_arrival_us};
    store_file_info infos[2] = {
        {.id = store_catalog_next_id(store), .kind = STORE_JOURNAL, .first_lsn = lsn + 1}};
    TH_TRY(open_next(store, &infos[0], &meta, &next, diag));
    if (old != NULL) describe_closed(old, &infos[1]);
    th_err err = store_catalog_commit(store, infos, old != NULL ? 2 : 1, NULL, 0, diag);
    if (err != TH_OK) {
        atomic_store(&next->doomed, true);
        store_file_release(next);
        return err;
    }
    TH_FAILPOINT("journal_rolled");
    if (old != NULL) close_active(store, &infos[1]);
    store_change change = {.added = &next, .added_count = 1, .closed_journals = old != NULL};
    err = store_publish(store, &change, 0);
    TH_ASSERT(err == TH_OK); /* the catalog names it */
    store_file_release(next);
    store->active = next;
    store->active_failed = store->active_full = false;
    th_diag ignored = {0};
    if (store_catalog_copy(store, &ignored) != TH_OK)
        th_log(TH_LOG_WARN, "the catalog's copy was not written: %s", ignored.text);
    pthread_mutex_lock(&store->lock);
    pthread_cond_broadcast(&store->merge);
    pthread_mutex_unlock(&store->lock);
    return TH_OK;
}
