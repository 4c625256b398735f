/* SPDX-License-Identifier: Apache-2.0
 * Sealed files between the moment when they are in place and the catalog commit that makes them part of the archive. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

th_err store_outputs_add(store_outputs *outputs, const store_file_info *info)
{
    if (outputs->count == outputs->capacity) {
        uint32_t capacity = outputs->capacity == 0 ? 16 : outputs->capacity * 2;
        store_file_info *bigger = realloc(outputs->infos, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        outputs->infos = bigger;
        outputs->capacity = capacity;
    }
    outputs->infos[outputs->count++] = *info;
    return TH_OK;
}

void store_outputs_remove(th_store *store, const store_outputs *outputs)
{
    for (uint32_t i = 0; i < outputs->count; i++) {
        char name[STORE_NAME_MAX], path[TH_PATH_SIZE_MAX];
        th_diag ignored = {0};
        store_file_name(&outputs->infos[i], name);
        store_path(store, name, path);
        (void)!th_os_unlink(path, &ignored);
    }
}

void store_outputs_free(store_outputs *outputs)
{
    free(outputs->infos);
    *outputs = (store_outputs){0};
}

static th_err commit_names(th_store *store, const store_outputs *outputs,
                           const store_change *change, th_diag *diag)
{
    uint32_t *drops = malloc((change->gone_count + 1) * sizeof(*drops));
    if (drops == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to name files");
    for (uint32_t i = 0; i < change->gone_count; i++) drops[i] = change->gone[i]->info.id;
    th_err err = store_catalog_commit(store, outputs->infos, outputs->count, drops,
                                      change->gone_count, diag);
    free(drops);
    return err;
}

th_err store_outputs_name(th_store *store, const store_outputs *outputs, store_change *change,
                          uint64_t lsn, th_diag *diag)
{
    store_file **added = calloc(outputs->count + 1, sizeof(*added));
    th_err err = added == NULL ? TH_ENOMEM : TH_OK;
    for (uint32_t i = 0; i < outputs->count && err == TH_OK; i++) {
        added[i] = store_file_new(store, &outputs->infos[i]);
        err = added[i] == NULL ? TH_ENOMEM : TH_OK;
    }
    if (err != TH_OK)
        (void)th_fail(diag, err, NULL, "no memory to name files");
    else
        err = commit_names(store, outputs, change, diag);
    if (err == TH_OK) {
        if (lsn != 0)
            TH_FAILPOINT("bulk_after_catalog");
        else
            TH_FAILPOINT("compact_after_catalog");
        change->added = added;
        change->added_count = outputs->count;
        th_err published = store_publish(store, change, lsn);
        TH_ASSERT(published ==
                  TH_OK); /* the catalog has changed: the lists in memory must follow */
    }
    for (uint32_t i = 0; added != NULL && i < outputs->count; i++) store_file_release(added[i]);
    free(added);
    return err;
}
