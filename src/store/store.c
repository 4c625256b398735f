/* SPDX-License-Identifier: Apache-2.0
 * Opening and closing the archive: the lock, the secret, recovery, threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "store/write.h"

static const char *const folders[] = {"journal", "parts",      "trash",   "tmp",
                                      "keys",    "quarantine", "plugins", "log"};

const char *th_store_dir(const th_store *store)
{
    return store->dir;
}

const uint8_t *th_store_secret(const th_store *store)
{
    return store->secret;
}

uint64_t th_store_fingerprint(const th_store *store, th_slice identity)
{
    th_sha256 mac = th_hmac_sha256_keyed(&store->fingerprint_key, identity);
    uint64_t fingerprint;
    memcpy(&fingerprint, mac.bytes, sizeof(fingerprint));
    /* The low half is what is stored, and 0 there means none. */
    return (uint32_t)fingerprint != 0 ? fingerprint : fingerprint | 1;
}

/* ---- the folder ---------------------------------------------------------------------------------------------------------- */

static th_err write_secret(const th_store *store, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX], keys[TH_PATH_SIZE_MAX];
    uint8_t secret[32];
    store_path(store, "keys/store.secret", path);
    store_path(store, "keys", keys);
    TH_TRY(th_os_random(secret, sizeof(secret)));
    TH_TRY(th_os_write_file(path, th_slice_of(secret, sizeof(secret)), 0600, diag));
    return th_os_fsync_dir(keys, diag);
}

static th_err read_secret(th_store *store, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    store_path(store, "keys/store.secret", path);
    th_buf in;
    th_buf_init(&in, 4096);
    th_err err = th_os_read_file(path, &in, diag);
    if (err == TH_OK && in.size != sizeof(store->secret))
        err = th_fail(diag, TH_ECORRUPT, NULL, "%s has %zu bytes, not 32", path, in.size);
    if (err == TH_OK) {
        memcpy(store->secret, in.bytes, sizeof(store->secret));
        th_hmac_key_init(&store->fingerprint_key, store->secret);
    }
    th_buf_free(&in);
    return err;
}

/* Enough of a keyed hash to notice a folder and a secret that do not belong together. */
static uint64_t secret_check(const th_store *store)
{
    return th_store_fingerprint(store, TH_SLICE("trailhold store"));
}

static th_err make_folders(const th_store *store, th_diag *diag)
{
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char path[TH_PATH_SIZE_MAX];
        store_path(store, folders[i], path);
        TH_TRY(th_os_mkdirs(path, 0700, diag));
    }
    return th_os_fsync_dir(store->dir, diag);
}

/* Files without a catalog are an archive that lost it: a new one would have them swept. */
static th_err refuse_orphans(const th_store *store, th_diag *diag)
{
    static const char *const places[] = {"journal", "parts"};
    th_arena *arena = th_arena_new((size_t)64 << 20, NULL);
    th_err err =
        arena == NULL ? th_fail(diag, TH_ENOMEM, NULL, "no memory to look at a folder") : TH_OK;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && err == TH_OK; i++) {
        char path[TH_PATH_SIZE_MAX];
        const char **names;
        size_t count = 0;
        store_path(store, places[i], path);
        err = th_os_list_dir(path, arena, &names, &count, diag);
        if (err == TH_OK && count > 0)
            err = th_fail(diag, TH_ECORRUPT, NULL, "%s holds data, but its catalog.mdb is missing",
                          store->dir);
    }
    th_arena_free(arena);
    return err;
}

/* The catalog is made last: a folder without one is not a store yet. */
static th_err ready_folder(th_store *store, bool create, th_diag *diag)
{
    char catalog[TH_PATH_SIZE_MAX], secret[TH_PATH_SIZE_MAX];
    store_path(store, "catalog.mdb", catalog);
    store_path(store, "keys/store.secret", secret);
    th_os_stat st;
    bool is_there = th_os_stat_path(catalog, false, &st, NULL) == TH_OK;
    if (!is_there && !create)
        return th_fail(diag, TH_ENOTFOUND, NULL, "no data folder at %s", store->dir);
    TH_TRY(make_folders(store, diag));
    if (!is_there) TH_TRY(refuse_orphans(store, diag));
    if (!is_there && th_os_stat_path(secret, false, &st, NULL) != TH_OK)
        TH_TRY(write_secret(store, diag));
    TH_TRY(read_secret(store, diag));
    if (is_there) return TH_OK;
    char rest[TH_PATH_SIZE_MAX]; /* of an attempt that did not end */
    th_diag ignored = {0};
    store_path(store, "tmp/catalog.mdb", rest);
    (void)!th_os_unlink(rest, &ignored);
    return store_catalog_create(store, secret_check(store), diag);
}

static th_err lock_folder(th_store *store, const char *dir, bool create, int *owner_pid,
                          th_diag *diag)
{
    th_os_stat st;
    if (th_os_stat_path(dir, true, &st, NULL) != TH_OK) {
        if (!create) return th_fail(diag, TH_ENOTFOUND, NULL, "no data folder at %s", dir);
        TH_TRY(th_os_mkdirs(dir, 0700, diag));
    } else if (!st.is_dir) {
        return th_fail(diag, TH_EINVAL, NULL, "%s is not a folder", dir);
    }
    if (th_os_is_network_fs(dir))
        return th_fail(
            diag, TH_EUNSUPPORTED, NULL,
            "%s lies on a network or FUSE file system, where nothing can be promised to be durable",
            dir);
    char path[TH_PATH_SIZE_MAX];
    if (!create) { /* leave no lock file in a folder that is not ours */
        store_path(store, "catalog.mdb", path);
        if (th_os_stat_path(path, false, &st, NULL) != TH_OK)
            return th_fail(diag, TH_ENOTFOUND, NULL, "no data folder at %s", dir);
    }
    store_path(store, "LOCK", path);
    int owner = 0;
    th_err err = th_os_lock_file(path, &store->lock_fd, &owner, diag);
    if (owner_pid != NULL) *owner_pid = owner;
    return err;
}

/* ---- recovery ------------------------------------------------------------------------------------------------------------ */

typedef struct found_files {
    th_store *store;
    store_file **files;
    uint32_t count, capacity;
} found_files;

static th_err note_file(void *ctx, const store_file_info *info, th_diag *diag)
{
    found_files *found = ctx;
    if (found->count == found->capacity) {
        uint32_t capacity = found->capacity == 0 ? 256 : found->capacity * 2;
        store_file **bigger = realloc(found->files, capacity * sizeof(*bigger));
        if (bigger == NULL)
            return th_fail(diag, TH_ENOMEM, NULL, "no memory for the list of files");
        found->files = bigger;
        found->capacity = capacity;
    }
    store_file *file = store_file_new(found->store, info);
    if (file == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for the list of files");
    found->files[found->count++] = file;
    return TH_OK;
}

/* A closed journal that is damaged stays out of the way; the active one must be whole, or the log could fork. */
static th_err open_journals(th_store *store, const store_files *files, th_diag *diag)
{
    uint64_t next_lsn = 0;
    for (uint32_t i = 0; i < files->journals; i++) {
        store_file *file = files->files[i];
        bool last = i + 1 == files->journals;
        if (file->info.first_lsn <
            next_lsn) /* behind next_lsn may be commits that lie in sealed files */
            return th_fail(diag, TH_ECORRUPT, NULL,
                           "the catalog is damaged: two journals begin before %llu",
                           (unsigned long long)next_lsn);
        next_lsn = file->info.last_lsn + 1;
        if (last != !file->info.closed)
            return th_fail(diag, TH_ECORRUPT, NULL, "the catalog is damaged: journal %u is %s",
                           file->info.id, last ? "closed and the last" : "open and not the last");
        th_diag why = {0};
        th_err err = store_journal_open(store, file, &why);
        if (err == TH_ECORRUPT && !last) continue;
        store->unmerged += file->info.closed;
        if (err != TH_OK)
            return th_fail(diag, err, why.name[0] != 0 ? why.name : NULL, "%s", why.text);
        if (last) store->active = file;
    }
    return TH_OK;
}

static th_err check_sealed(th_store *store, const store_files *files)
{
    for (uint32_t i = files->journals; i < files->count; i++) {
        char name[STORE_NAME_MAX], path[TH_PATH_SIZE_MAX];
        store_file_name(&files->files[i]->info, name);
        store_path(store, name, path);
        th_os_stat st;
        if (th_os_stat_path(path, false, &st, NULL) != TH_OK ||
            st.size != files->files[i]->info.bytes)
            (void)!store_file_damaged(files->files[i], NULL, "it is missing or has another size");
    }
    return TH_OK;
}

/* The last commit is in the active journal, or in sealed files that the catalog named: their leaf's time is its arrival. */
static uint64_t last_position(th_store *store, const store_files *files)
{
    uint64_t lsn = store->active == NULL ? 0 : store->active->journal->meta.last_lsn;
    if (store->active != NULL)
        store->last_arrival_us = store->active->journal->meta.last_arrival_us;
    for (uint32_t i = files->journals; i < files->count; i++) {
        const store_file_info *info = &files->files[i]->info;
        if (info->last_lsn > lsn) lsn = info->last_lsn;
        if (info->table == TH_TABLE_leaves && info->max_us > store->last_arrival_us)
            store->last_arrival_us = info->max_us;
    }
    return lsn;
}

static th_err recover(th_store *store, th_diag *diag)
{
    found_files found = {.store = store};
    th_err err = store_catalog_each_file(store, note_file, &found, diag);
    store_files *files = err == TH_OK ? store_files_change(NULL, found.files, found.count) : NULL;
    if (err == TH_OK && files == NULL)
        err = th_fail(diag, TH_ENOMEM, NULL, "no memory for the list of files");
    for (uint32_t i = 0; i < found.count; i++) store_file_release(found.files[i]);
    free(found.files);
    TH_TRY(err);
    err = open_journals(store, files, diag);
    uint64_t lsn = last_position(store, files);
    if (err == TH_OK) err = check_sealed(store, files);
    if (err == TH_OK) {
        store->current = store_version_new(store, files, lsn);
        if (store->current == NULL) err = th_fail(diag, TH_ENOMEM, NULL, "no memory for a version");
    }
    store_files_release(files);
    TH_TRY(err);
    TH_TRY(store_sweep(store, diag));
    return store->active == NULL ? store_roll(store, diag) : TH_OK;
}

/* ---- open, close --------------------------------------------------------------------------------------------------------- */

static void init_locks(th_store *store)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->compact_lock, NULL);
    pthread_mutex_init(&store->catalog.lock, NULL);
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->room, NULL);
    pthread_cond_init(&store->done, NULL);
    pthread_cond_init(&store->published, &attr);
    pthread_cond_init(&store->merge, &attr);
    pthread_cond_init(&store->trash, NULL);
    pthread_condattr_destroy(&attr);
}

static th_err start_threads(th_store *store, th_diag *diag)
{
    TH_TRY(th_os_thread(&store->unlinker, "th-unlinker", 0, store_trash_thread, store, diag));
    store->has_unlinker = true;
    /* late() runs on the committer: it may need a deep stack */
    TH_TRY(
        th_os_thread(&store->committer, "th-committer", 4 << 20, store_commit_thread, store, diag));
    store->has_committer = true;
    if (store->options.no_background) return TH_OK;
    TH_TRY(th_os_thread(&store->compactor, "th-compactor", 0, store_compact_thread, store, diag));
    pthread_mutex_lock(&store->lock);
    store->has_compactor = true;
    pthread_mutex_unlock(&store->lock);
    return TH_OK;
}

static th_err open_store(th_store *store, const char *dir, int *owner_pid, th_diag *diag)
{
    TH_TRY(lock_folder(store, dir, store->options.create, owner_pid, diag));
    TH_TRY(ready_folder(store, store->options.create, diag));
    const th_store_options *o = &store->options;
    store->segments =
        store_cache_new(o->cache_bytes == 0 ? STORE_CACHE_BYTES : (size_t)o->cache_bytes,
                        o->cache_budget == NULL ? o->budget : o->cache_budget);
    store->heads = store_cache_new(STORE_HEAD_CACHE_BYTES, store->options.budget);
    store->filters = store_cache_new(STORE_FILTER_CACHE_BYTES, store->options.budget);
    if (store->segments == NULL || store->heads == NULL || store->filters == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for caches");
    TH_TRY(store_catalog_open(store, secret_check(store), diag));
    TH_TRY(recover(store, diag));
    return start_threads(store, diag);
}

th_err th_store_open(const char *dir, const th_store_options *options, th_store **out,
                     int *owner_pid, th_diag *diag)
{
    th_diag mine = {0};
    if (diag == NULL) diag = &mine;
    th_store *store = calloc(1, sizeof(*store));
    if (store == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a store");
    store->lock_fd = -1;
    if (options != NULL) store->options = *options;
    store->journal_bytes =
        store->options.journal_bytes != 0 ? store->options.journal_bytes : TH_JOURNAL_SIZE_MAX;
    /* What is spooled is large: the journal needs no part of it. */
    uint64_t bulk = store->options.bulk_bytes != 0 ? store->options.bulk_bytes : STORE_BULK_BYTES;
    store->bulk_bytes = bulk < STORE_WRITE_KEPT_MAX ? bulk : STORE_WRITE_KEPT_MAX;
    if (store->options.test_mode != NULL)
        (void)snprintf(store->test_mode, sizeof(store->test_mode), "%s", store->options.test_mode);
    init_locks(store);
    int size = snprintf(store->dir, sizeof(store->dir), "%s", dir);
    th_err err = size <= 0 || (size_t)size >= sizeof(store->dir)
                     ? th_fail(diag, TH_EINVAL, NULL, "the data folder's name has %d bytes", size)
                     : open_store(store, dir, owner_pid, diag);
    if (err != TH_OK) {
        th_store_close(store);
        return err;
    }
    *out = store;
    return TH_OK;
}

static void stop(th_store *store, bool *flag, pthread_cond_t *wake, pthread_t thread, bool runs)
{
    pthread_mutex_lock(&store->lock);
    *flag = true;
    pthread_cond_broadcast(wake);
    pthread_cond_broadcast(&store->room);
    pthread_cond_broadcast(&store->published);
    pthread_mutex_unlock(&store->lock);
    if (runs) pthread_join(thread, NULL);
}

void th_store_close(th_store *store)
{
    if (store == NULL) return;
    stop(store, &store->stopping, &store->work, store->committer, store->has_committer);
    stop(store, &store->stop_background, &store->merge, store->compactor, store->has_compactor);
    th_version *last = store->current;
    store->current = NULL;
    th_version_release(last);
    stop(store, &store->stop_trash, &store->trash, store->unlinker, store->has_unlinker);
    if (atomic_load(&store->versions) != 0) {
        th_log(TH_LOG_ERROR,
               "the store is closed while a version of it is in use; its memory is not given back");
        return;
    }
    store_env_close(&store->catalog.env);
    store_cache_free(store->segments);
    store_cache_free(store->heads);
    store_cache_free(store->filters);
    th_segment_builder_free(store->leaf_builder);
    th_arena_free(store->seq_arena);
    th_os_close(store->lock_fd);
    free(store);
}

void th_store_stats_get(th_store *store, th_store_stats *out)
{
    *out = (th_store_stats){.commits = atomic_load(&store->commits),
                            .merges = atomic_load(&store->merges)};
    pthread_mutex_lock(&store->lock);
    out->queue_depth = store->queue_depth;
    pthread_mutex_unlock(&store->lock);
    th_version *version = th_store_version(store);
    out->lsn = version->lsn;
    out->journals = version->files->journals;
    out->sealed_files = version->files->count - version->files->journals;
    for (uint32_t i = 0; i < version->files->count; i++) {
        store_file *file = version->files->files[i];
        if (file->info.kind == STORE_SEALED)
            out->stored_bytes += file->info.bytes;
        else if (file->journal != NULL)
            out->stored_bytes += store_journal_used_bytes(file->journal);
    }
    th_version_release(version);
}
