/* SPDX-License-Identifier: Apache-2.0
 * Looking up in a version: the segment of one row, the count of rows, the position at a time. */
#include <stdlib.h>

#include "store/store_private.h"

/* ---- one row ------------------------------------------------------------------------------------------------------------ */

static bool find_in_journal(store_file *file, const th_record_id *id, uint64_t bound,
                            th_segment_ref *out)
{
    store_journal *j = file->journal;
    bool found = false;
    pthread_rwlock_rdlock(&j->lock);
    const store_journal_day *day = store_journal_day_of(j, id->table, id->day);
    uint32_t low = 0, high = day == NULL ? 0 : day->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const store_entry *e = &j->entries[day->list[middle]];
        if (e->first_seq + e->rows <= id->seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (day != NULL && low < day->count) {
        const store_entry *e = &j->entries[day->list[low]];
        found = e->first_seq <= id->seq && e->lsn <= bound;
        if (found) *out = store_entry_ref(file, e);
    }
    pthread_rwlock_unlock(&j->lock);
    return found;
}

static th_err find_in_sealed(th_version *version, store_file *file, const th_record_id *id,
                             bool *found, th_segment_ref *out, th_diag *diag)
{
    store_piece *dir;
    TH_TRY(store_sealed_directory(file, &dir, diag));
    uint32_t at = store_dir_place(dir, id->day, id->seq);
    th_err err = TH_OK;
    if (at < dir->entry_count && dir->entries[at].day == id->day &&
        dir->entries[at].first_seq <= id->seq) {
        err = store_sealed_ref(version, file, dir, at, out, diag);
        *found = err == TH_OK && id->seq - out->first_seq < out->rows;
    }
    store_piece_release(dir);
    return err;
}

th_err store_find_row(th_version *version, const th_record_id *id, th_segment_ref *out,
                      th_diag *diag)
{
    const store_files *files = version->files;
    bool missing_journal = false;
    for (uint32_t i = 0; i < files->journals; i++) {
        if (files->files[i]->journal == NULL)
            missing_journal = true;
        else if (find_in_journal(files->files[i], id, version->lsn, out))
            return TH_OK;
    }
    th_err damaged = TH_OK;
    th_diag why = {0};
    for (uint32_t i = store_files_of_table(files, id->table); i < files->count; i++) {
        store_file *file = files->files[i];
        if (file->info.table != id->table || file->info.first_day > id->day) break;
        if (file->info.last_day < id->day || id->seq >= file->info.next_seq) continue;
        bool found = false;
        th_err err = find_in_sealed(version, file, id, &found, out, &why);
        if (found) return TH_OK;
        if (err != TH_OK && damaged == TH_OK) damaged = err;
    }
    /* It may lie in what is damaged: "not there" would be a lie. */
    if (damaged != TH_OK) return th_fail(diag, damaged, NULL, "%s", why.text);
    return missing_journal ? th_fail(diag, TH_ECORRUPT, NULL,
                                     "a journal is damaged, and the record may lie in it")
                           : TH_ENOTFOUND;
}

/* ---- counts and positions ------------------------------------------------------------------------------------------------ */

th_err th_version_rows(th_version *version, uint32_t table, uint64_t *rows, th_diag *diag)
{
    const store_files *files = version->files;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < files->count; i++) {
        store_file *file = files->files[i];
        bool sealed = file->info.kind == STORE_SEALED;
        if (sealed && file->info.table != table) continue;
        if (sealed && file->info.last_lsn <= version->lsn) {
            sum += file->info.rows;
            continue;
        }
        store_refs refs = {0};
        th_err err = store_refs_add_file(version, file, table, INT32_MIN, INT32_MAX, &refs, diag);
        for (size_t k = 0; k < refs.count; k++) sum += refs.refs[k].rows;
        free(refs.refs);
        TH_TRY(err);
    }
    *rows = sum;
    return TH_OK;
}

/* The leaves are one row a commit whose time is the arrival: the last one at or before the time. */
th_err th_version_lsn_at(th_version *version, int64_t arrival_us, uint64_t *lsn, th_diag *diag)
{
    store_refs refs = {0};
    th_err err = store_refs_gather(version, TH_TABLE_leaves, INT32_MIN, INT32_MAX, &refs, diag);
    uint64_t found = 0;
    for (size_t i = refs.count; i > 0 && err == TH_OK && found == 0; i--) {
        if (refs.refs[i - 1].min_us > arrival_us) continue;
        store_piece *head;
        err = store_read_head(version, &refs.refs[i - 1], &head, diag);
        if (err != TH_OK) break;
        for (uint32_t k = head->run_count; k > 0 && found == 0; k--)
            if (head->runs[k - 1].arrival_us <= arrival_us && head->runs[k - 1].lsn <= version->lsn)
                found = head->runs[k - 1].lsn;
        store_piece_release(head);
    }
    free(refs.refs);
    if (err == TH_OK) *lsn = found;
    return err;
}
