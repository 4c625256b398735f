/* SPDX-License-Identifier: Apache-2.0
 * Files leave the disk here, on a thread of their own: a large unlink takes seconds. Also the sweep at start of what no
 * catalog entry names. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/store_private.h"

static void folder_of(const char *path, char out[TH_PATH_SIZE_MAX])
{
    (void)snprintf(out, TH_PATH_SIZE_MAX, "%s", path);
    char *slash = strrchr(out, '/');
    if (slash != NULL) *slash = 0;
}

/* Into trash/ first: what is there is gone for every later start, even when the unlink does not end. */
static th_err throw_away(th_store *store, const store_file_info *info, th_diag *diag)
{
    char name[STORE_NAME_MAX], path[TH_PATH_SIZE_MAX], folder[TH_PATH_SIZE_MAX],
        trash[TH_PATH_SIZE_MAX];
    store_file_name(info, name);
    store_path(store, name, path);
    folder_of(path, folder);
    (void)snprintf(name, sizeof(name), "trash/%06u.mdb", info->id);
    store_path(store, name, trash);
    TH_TRY(th_os_rename(path, trash, diag));
    TH_TRY(th_os_fsync_dir(folder, diag));
    folder_of(trash, folder);
    TH_TRY(th_os_fsync_dir(folder, diag));
    TH_FAILPOINT("trash_renamed");
    return th_os_unlink(trash, diag);
}

void store_trash_add(th_store *store, store_file *file)
{
    pthread_mutex_lock(&store->lock);
    file->next_trash = store->trash_first;
    store->trash_first = file;
    pthread_cond_signal(&store->trash);
    pthread_mutex_unlock(&store->lock);
}

static void remove_file(th_store *store, store_file *file)
{
    store_journal_close(file->journal);
    store_cache_forget(store->segments, file->info.id);
    store_cache_forget(store->heads, file->info.id);
    store_cache_forget(store->filters, file->info.id);
    th_diag diag = {0};
    if (throw_away(store, &file->info, &diag) != TH_OK)
        th_log(TH_LOG_WARN, "a file that is not needed any more could not be removed: %s",
               diag.text);
    free(file);
}

void *store_trash_thread(void *arg)
{
    th_store *store = arg;
    for (;;) {
        pthread_mutex_lock(&store->lock);
        while (store->trash_first == NULL && !store->stop_trash)
            pthread_cond_wait(&store->trash, &store->lock);
        store_file *file = store->trash_first;
        if (file != NULL) store->trash_first = file->next_trash;
        pthread_mutex_unlock(&store->lock);
        if (file == NULL) return NULL;
        remove_file(store, file);
    }
}

/* ---- sweep ------------------------------------------------------------------------------------------------------------- */

typedef bool (*keep_fn)(th_store *store, const char *name);

static th_err sweep_folder(th_store *store, const char *folder, keep_fn keep, th_arena *arena,
                           th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    store_path(store, folder, path);
    const char **names;
    size_t count;
    TH_TRY(th_os_list_dir(path, arena, &names, &count, diag));
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        char *name = th_arena_printf(arena, "%s/%s", folder, names[i]);
        if (name == NULL) return th_fail(diag, TH_ELIMIT, NULL, "too many files in %s", path);
        char file[TH_PATH_SIZE_MAX];
        store_path(store, name, file);
        th_os_stat st;
        if ((keep != NULL && keep(store, name)) ||
            th_os_stat_path(file, false, &st, NULL) != TH_OK || st.is_dir)
            continue;
        TH_TRY(th_os_unlink(file, diag));
        changed = true;
    }
    return changed ? th_os_fsync_dir(path, diag) : TH_OK;
}

/* Named by the catalog: the id is the number behind the last "/" or ".g". Lock files go with their journal. */
static bool is_named(th_store *store, const char *name)
{
    const char *number = strstr(name, ".g");
    number = number != NULL ? number + 2 : strrchr(name, '/') + 1;
    unsigned long id = strtoul(number, NULL, 10);
    store_file *file =
        id <= UINT32_MAX ? store_files_find(store->current->files, (uint32_t)id) : NULL;
    if (file == NULL) return false;
    char named[STORE_NAME_MAX];
    store_file_name(&file->info, named);
    size_t size = strlen(named);
    return strncmp(name, named, size) == 0 &&
           (name[size] == 0 || strcmp(name + size, "-lock") == 0);
}

static th_err sweep_parts(th_store *store, th_arena *arena, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    const char **tables, **classes;
    size_t table_count, class_count;
    store_path(store, "parts", path);
    TH_TRY(th_os_list_dir(path, arena, &tables, &table_count, diag));
    for (size_t i = 0; i < table_count; i++) {
        char *folder = th_arena_printf(arena, "parts/%s", tables[i]);
        if (folder == NULL) return TH_ELIMIT;
        store_path(store, folder, path);
        TH_TRY(th_os_list_dir(path, arena, &classes, &class_count, diag));
        for (size_t k = 0; k < class_count; k++) {
            char *inner = th_arena_printf(arena, "%s/%s", folder, classes[k]);
            if (inner == NULL) return TH_ELIMIT;
            TH_TRY(sweep_folder(store, inner, is_named, arena, diag));
        }
    }
    return TH_OK;
}

th_err store_sweep(th_store *store, th_diag *diag)
{
    th_arena *arena = th_arena_new((size_t)256 << 20, NULL);
    if (arena == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to look through the data folder");
    th_err err = sweep_folder(store, "tmp", NULL, arena, diag);
    if (err == TH_OK) err = sweep_folder(store, "trash", NULL, arena, diag);
    if (err == TH_OK) err = sweep_folder(store, "journal", is_named, arena, diag);
    if (err == TH_OK) err = sweep_parts(store, arena, diag);
    th_arena_free(arena);
    return err;
}
