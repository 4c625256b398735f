/* SPDX-License-Identifier: Apache-2.0
 * Files of the archive as objects in memory, lists of them, and versions: a list and a bound. All ref-counted; the last
 * reference to a file that compaction replaced sends it to the trash. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/time.h"
#include "store/store_private.h"

void store_file_name(const store_file_info *info, char out[STORE_NAME_MAX])
{
    if (info->kind == STORE_JOURNAL) {
        (void)snprintf(out, STORE_NAME_MAX, "journal/%06u.mdb", info->id);
        return;
    }
    char first[16], last[16], number[16];
    const th_stored_table *table = th_model_table(info->table);
    (void)th_day_format(info->first_day, first);
    (void)th_day_format(info->last_day, last);
    (void)snprintf(number, sizeof(number), "table-%u", info->table);
    (void)snprintf(out, STORE_NAME_MAX, "parts/%s/default/%s..%s.g%06u.mdb",
                   table != NULL ? table->name : number, first, last, info->id);
}

void store_path(const th_store *store, const char *name, char out[TH_PATH_SIZE_MAX])
{
    int size = snprintf(out, TH_PATH_SIZE_MAX, "%s/%s", store->dir, name);
    TH_ASSERT(size > 0 && (unsigned)size < TH_PATH_SIZE_MAX);
}

th_err store_file_damaged(store_file *file, th_diag *diag, const char *what)
{
    char name[STORE_NAME_MAX];
    store_file_name(&file->info, name);
    if (!atomic_exchange(&file->damaged, true))
        th_log(TH_LOG_ERROR, "%s is damaged: %s; what needs it fails, all else goes on", name,
               what);
    return th_fail(diag, TH_ECORRUPT, NULL, "%s is damaged: %s", name, what);
}

store_file *store_file_new(th_store *store, const store_file_info *info)
{
    store_file *file = calloc(1, sizeof(*file));
    if (file == NULL) return NULL;
    file->info = *info;
    file->store = store;
    atomic_init(&file->refs, 1);
    return file;
}

void store_file_release(store_file *file)
{
    if (file == NULL || atomic_fetch_sub(&file->refs, 1) != 1) return;
    if (atomic_load(&file->doomed)) {
        store_trash_add(file->store, file);
        return;
    }
    store_journal_close(file->journal);
    free(file);
}

/* Journals by LSN, then sealed files by (table, first day, id). */
static int file_order(const void *a, const void *b)
{
    const store_file_info *x = &(*(store_file *const *)a)->info,
                          *y = &(*(store_file *const *)b)->info;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->kind == STORE_SEALED && x->table != y->table) return x->table < y->table ? -1 : 1;
    if (x->kind == STORE_SEALED && x->first_day != y->first_day)
        return x->first_day < y->first_day ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int id_order(const void *a, const void *b)
{
    uint32_t x = (*(store_file *const *)a)->info.id, y = (*(store_file *const *)b)->info.id;
    return x < y ? -1 : x > y;
}

store_files *store_files_change(const store_files *now, store_file *const *added,
                                uint32_t added_count)
{
    uint32_t before = now == NULL ? 0 : now->count;
    size_t room = (size_t)before + added_count + 1;
    store_files *files = calloc(1, sizeof(*files));
    store_file **both = calloc(room * 2, sizeof(*both));
    if (files == NULL || both == NULL) {
        free(files);
        free(both);
        return NULL;
    }
    atomic_init(&files->refs, 1);
    files->files = both;
    files->by_id = both + room;
    for (uint32_t i = 0; i < before; i++)
        if (!atomic_load(&now->files[i]->doomed)) both[files->count++] = now->files[i];
    for (uint32_t i = 0; i < added_count; i++) both[files->count++] = added[i];
    for (uint32_t i = 0; i < files->count; i++) {
        atomic_fetch_add(&both[i]->refs, 1);
        files->journals += both[i]->info.kind == STORE_JOURNAL;
    }
    memcpy(files->by_id, both, files->count * sizeof(*both));
    qsort(both, files->count, sizeof(*both), file_order);
    qsort(files->by_id, files->count, sizeof(*both), id_order);
    return files;
}

void store_files_release(store_files *files)
{
    if (files == NULL || atomic_fetch_sub(&files->refs, 1) != 1) return;
    for (uint32_t i = 0; i < files->count; i++) store_file_release(files->files[i]);
    free(files->files);
    free(files);
}

store_file *store_files_find(const store_files *files, uint32_t id)
{
    uint32_t low = 0, high = files->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (files->by_id[middle]->info.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < files->count && files->by_id[low]->info.id == id ? files->by_id[low] : NULL;
}

/* ---- versions -------------------------------------------------------------------------------------------------------- */

th_version *store_version_new(th_store *store, store_files *files, uint64_t lsn)
{
    th_version *version = calloc(1, sizeof(*version));
    if (version == NULL) return NULL;
    atomic_init(&version->refs, 1);
    atomic_fetch_add(&files->refs, 1);
    atomic_fetch_add(&store->versions, 1);
    version->store = store;
    version->files = files;
    version->lsn = lsn;
    return version;
}

th_version *th_store_version(th_store *store)
{
    pthread_mutex_lock(&store->lock);
    th_version *version = store->current;
    atomic_fetch_add(&version->refs, 1);
    pthread_mutex_unlock(&store->lock);
    return version;
}

th_err th_version_bound(th_version *version, uint64_t lsn, th_version **out)
{
    if (lsn > version->lsn) return TH_EINVAL;
    th_version *bound = store_version_new(version->store, version->files, lsn);
    if (bound == NULL) return TH_ENOMEM;
    *out = bound;
    return TH_OK;
}

th_store *th_version_store(const th_version *version)
{
    return version->store;
}

void th_version_release(th_version *version)
{
    if (version == NULL || atomic_fetch_sub(&version->refs, 1) != 1) return;
    th_store *store = version->store;
    store_files_release(version->files);
    free(version);
    atomic_fetch_sub(&store->versions, 1);
}

uint64_t th_version_lsn(const th_version *version)
{
    return version->lsn;
}

th_err store_publish(th_store *store, const store_change *change, uint64_t lsn)
{
    static const store_change nothing = {0};
    if (change == NULL) change = &nothing;
    pthread_mutex_lock(&store->lock);
    th_version *old = store->current;
    store_files *files = old->files;
    bool changes = change->gone_count + change->added_count > 0;
    for (uint32_t i = 0; i < change->gone_count; i++) atomic_store(&change->gone[i]->doomed, true);
    if (changes) files = store_files_change(old->files, change->added, change->added_count);
    th_version *version =
        files == NULL ? NULL : store_version_new(store, files, lsn != 0 ? lsn : old->lsn);
    if (version != NULL) {
        store->current = version;
        store->unmerged -= change->merged_journals;
        store->unmerged += change->closed_journals;
        pthread_cond_broadcast(&store->published);
    }
    pthread_mutex_unlock(&store->lock);
    if (changes) store_files_release(files);
    if (version == NULL) return TH_ENOMEM;
    th_version_release(old);
    return TH_OK;
}
