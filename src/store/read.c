/* SPDX-License-Identifier: Apache-2.0
 * Reading a version: which segments it has, their heads, their rows. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

/* ---- one value ------------------------------------------------------------------------------------------------------- */

void store_ref_key(const store_file *file, const th_segment_ref *ref, uint8_t key[STORE_SEALED_KEY],
                   size_t *size)
{
    if (file->info.kind == STORE_JOURNAL) {
        store_journal_key(ref->first_lsn, (uint16_t)ref->place, key);
        *size = STORE_JOURNAL_KEY;
    } else {
        store_sealed_key(ref->day, ref->first_seq, key);
        *size = STORE_SEALED_KEY;
    }
}

static th_err read_value(store_file *file, const th_segment_ref *ref, size_t size, uint8_t **out,
                         size_t *got, th_diag *diag)
{
    if (file->info.kind == STORE_JOURNAL) {
        if (file->journal == NULL) return store_file_damaged(file, diag, "it could not be opened");
        return store_journal_read(file, ref->first_lsn, (uint16_t)ref->place, size, out, got, diag);
    }
    store_piece *dir;
    TH_TRY(store_sealed_directory(file, &dir, diag));
    th_err err = ref->place < dir->entry_count
                     ? store_sealed_read(file, &dir->entries[ref->place], size, out, got, diag)
                     : TH_EINVAL;
    store_piece_release(dir);
    return err;
}

bool store_header_matches(const store_header *h, const th_segment_ref *ref)
{
    return h->table == ref->table && h->day == ref->day && h->first_seq == ref->first_seq &&
           h->rows == ref->rows_stored && h->first_lsn == ref->first_lsn &&
           h->last_lsn == ref->last_lsn;
}

/* Runs and fingerprints out of a checked head. */
static th_err decode_head(const store_header *h, th_slice head, store_piece *piece, th_diag *diag)
{
    if (h->runs == 0 || h->runs > TH_SEGMENT_ROWS_MAX)
        return th_fail(diag, TH_ECORRUPT, NULL, "a segment's counts are damaged");
    piece->runs = malloc(h->runs * sizeof(*piece->runs));
    if (piece->runs == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment's runs");
    th_slice fingerprints;
    TH_TRY(store_head_decode(h, head, piece->runs, &fingerprints, diag));
    piece->run_count = h->runs;
    piece->rows = h->rows;
    if (fingerprints.size == 0) return TH_OK;
    piece->fingerprints = malloc(fingerprints.size);
    if (piece->fingerprints == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment's fingerprints");
    memcpy(piece->fingerprints, fingerprints.bytes, fingerprints.size);
    return TH_OK;
}

static th_err fail_in_file(store_file *file, th_err err, const th_diag *why, th_diag *diag)
{
    if (err == TH_ECORRUPT) return store_file_damaged(file, diag, why->text);
    return th_fail(diag, err, why->name[0] != 0 ? why->name : NULL, "%s", why->text);
}

static store_piece *new_piece(const store_file *file, const th_segment_ref *ref)
{
    store_piece *piece = calloc(1, sizeof(*piece));
    if (piece == NULL) return NULL;
    atomic_init(&piece->refs, 1);
    piece->file = file->info.id;
    /* A journal's place is the number inside its commit: the LSN makes it one of the file. */
    piece->place =
        file->info.kind == STORE_JOURNAL ? ref->first_lsn << 16 | ref->place : ref->place;
    return piece;
}

static th_err open_piece(store_piece *piece, th_slice value, th_slice key,
                         const th_segment_ref *ref, th_budget *budget, store_header *h,
                         th_diag *why)
{
    th_slice head, image;
    TH_TRY(store_value_open(value, key, STORE_VALUE_SEGMENT, h, &head, &image, why));
    if (!store_header_matches(h, ref))
        return th_fail(why, TH_ECORRUPT, NULL, "a segment is not the one its directory names");
    TH_TRY(decode_head(h, head, piece, why));
    TH_TRY(th_segment_open_within(image, budget, &piece->segment, why));
    if (th_segment_rows(piece->segment) != h->rows)
        return th_fail(why, TH_ECORRUPT, NULL,
                       "a segment has another number of rows than its header says");
    return TH_OK;
}

th_err store_read_segment(store_file *file, const th_segment_ref *ref, store_piece **out,
                          store_header *header, th_diag *diag)
{
    uint8_t key[STORE_SEALED_KEY];
    size_t key_size, got;
    store_ref_key(file, ref, key, &key_size);
    store_piece *piece = new_piece(file, ref);
    if (piece == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment");
    store_header h;
    th_diag why = {0};
    /* What it keeps decoded is the cache's, as the piece itself is. */
    const th_store_options *o = &file->store->options;
    th_budget *budget = o->cache_budget == NULL ? o->budget : o->cache_budget;
    th_err err = read_value(file, ref, SIZE_MAX, &piece->image, &got, diag);
    if (err == TH_OK) {
        err = open_piece(piece, th_slice_of(piece->image, got), th_slice_of(key, key_size), ref,
                         budget, &h, &why);
        if (err != TH_OK) (void)fail_in_file(file, err, &why, diag);
    }
    if (err != TH_OK) {
        store_piece_release(piece);
        return err;
    }
    piece->bytes = sizeof(*piece) + got + piece->run_count * sizeof(th_run) +
                   (piece->fingerprints != NULL ? (size_t)piece->rows * 4 : 0);
    if (header != NULL) *header = h;
    *out = piece;
    return TH_OK;
}

static th_err read_head(store_file *file, const th_segment_ref *ref, store_piece *piece,
                        th_diag *diag)
{
    uint8_t key[STORE_SEALED_KEY];
    size_t key_size, got;
    store_ref_key(file, ref, key, &key_size);
    /* Runs take about 8 bytes and there are few; when there are many, a second read gets the rest. */
    size_t size = STORE_HEADER + (size_t)ref->rows_stored * 4 + 4096;
    uint8_t *bytes;
    TH_TRY(read_value(file, ref, size, &bytes, &got, diag));
    store_header h;
    if (got >= STORE_HEADER) {
        memcpy(&h, bytes, STORE_HEADER);
        if (STORE_HEADER + (size_t)h.head_bytes > got && h.head_bytes <= STORE_VALUE_MAX &&
            got == size) {
            free(bytes);
            TH_TRY(read_value(file, ref, STORE_HEADER + h.head_bytes, &bytes, &got, diag));
        }
    }
    th_diag why = {0};
    th_slice head;
    th_err err = store_value_open_head(th_slice_of(bytes, got), th_slice_of(key, key_size),
                                       STORE_VALUE_SEGMENT, &h, &head, &why);
    if (err == TH_OK && !store_header_matches(&h, ref))
        err = th_fail(&why, TH_ECORRUPT, NULL, "a segment is not the one its directory names");
    if (err == TH_OK) err = decode_head(&h, head, piece, &why);
    free(bytes);
    return err == TH_OK ? TH_OK : fail_in_file(file, err, &why, diag);
}

th_err store_read_head(th_version *version, const th_segment_ref *ref, store_piece **out,
                       th_diag *diag)
{
    store_file *file = store_files_find(version->files, ref->file);
    if (file == NULL) return th_fail(diag, TH_EINVAL, NULL, "a segment is not of this version");
    store_cache *cache = version->store->heads;
    store_piece *piece = new_piece(file, ref);
    if (piece == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment's head");
    *out = store_cache_get(cache, piece->file, piece->place);
    if (*out != NULL) {
        store_piece_release(piece);
        return TH_OK;
    }
    th_err err = read_head(file, ref, piece, diag);
    if (err != TH_OK) {
        store_piece_release(piece);
        return err;
    }
    free(piece->fingerprints); /* of no use here, and most of the bytes */
    piece->fingerprints = NULL;
    piece->bytes = sizeof(*piece) + piece->run_count * sizeof(th_run);
    *out = store_cache_put(cache, piece);
    return TH_OK;
}

/* ---- lists of segments ------------------------------------------------------------------------------------------------ */

th_err store_refs_push(store_refs *refs, const th_segment_ref *ref)
{
    if (refs->count == refs->capacity) {
        size_t capacity = refs->capacity == 0 ? 64 : refs->capacity * 2;
        th_segment_ref *bigger = realloc(refs->refs, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        refs->refs = bigger;
        refs->capacity = capacity;
    }
    refs->refs[refs->count++] = *ref;
    return TH_OK;
}

th_segment_ref store_entry_ref(const store_file *file, const store_entry *e)
{
    return (th_segment_ref){.table = e->table,
                            .day = e->day,
                            .first_seq = e->first_seq,
                            .rows = e->rows,
                            .rows_stored = e->rows,
                            .min_us = e->min_us,
                            .max_us = e->max_us,
                            .first_lsn = e->lsn,
                            .last_lsn = e->lsn,
                            .stored_bytes = e->payload_bytes,
                            .raw_bytes = e->raw_bytes,
                            .file = file->info.id,
                            .place = e->n};
}

static th_err add_journal_day(store_file *file, const store_journal_day *day, uint64_t bound,
                              store_refs *refs)
{
    for (uint32_t i = 0; i < day->count; i++) {
        const store_entry *e = &file->journal->entries[day->list[i]];
        if (e->lsn > bound) break;
        th_segment_ref ref = store_entry_ref(file, e);
        TH_TRY(store_refs_push(refs, &ref));
    }
    return TH_OK;
}

static th_err add_journal(store_file *file, uint64_t bound, uint32_t table, int32_t first_day,
                          int32_t last_day, store_refs *refs, th_diag *diag)
{
    store_journal *j = file->journal;
    if (j == NULL) return store_file_damaged(file, diag, "it could not be opened");
    th_err err = TH_OK;
    pthread_rwlock_rdlock(&j->lock);
    for (uint32_t i = 0; i < j->day_count && err == TH_OK; i++) {
        const store_journal_day *day = &j->days[i];
        if (day->table == table && day->day >= first_day && day->day <= last_day)
            err = add_journal_day(file, day, bound, refs);
    }
    pthread_rwlock_unlock(&j->lock);
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "no memory for a list of segments");
}

/* Rows of runs up to the bound. */
static uint32_t rows_up_to(const store_piece *head, uint64_t bound)
{
    uint32_t low = 0, high = head->run_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (head->runs[middle].lsn <= bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low == head->run_count ? head->rows : head->runs[low].first_row;
}

th_err store_sealed_ref(th_version *version, store_file *file, const store_piece *dir,
                        uint32_t place, th_segment_ref *out, th_diag *diag)
{
    const store_dir_entry *e = &dir->entries[place];
    th_segment_ref ref = {.table = file->info.table,
                          .day = e->day,
                          .first_seq = e->first_seq,
                          .rows = e->rows,
                          .rows_stored = e->rows,
                          .min_us = e->min_us,
                          .max_us = e->max_us,
                          .first_lsn = e->first_lsn,
                          .last_lsn = e->last_lsn,
                          .stored_bytes = e->payload_bytes,
                          .raw_bytes = e->raw_bytes,
                          .compact = (e->flags & STORE_FLAG_COMPACT) != 0,
                          .file = file->info.id,
                          .place = place};
    if (e->first_lsn > version->lsn) {
        ref.rows = 0;
    } else if (e->last_lsn > version->lsn) {
        store_piece *head;
        TH_TRY(store_read_head(version, &ref, &head, diag));
        ref.rows = rows_up_to(head, version->lsn);
        store_piece_release(head);
    }
    *out = ref;
    return TH_OK;
}

uint32_t store_dir_place(const store_piece *dir, int32_t day, uint64_t seq)
{
    uint32_t low = 0, high = dir->entry_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const store_dir_entry *e = &dir->entries[middle];
        if (e->day < day || (e->day == day && e->first_seq + e->rows <= seq))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static th_err add_sealed(th_version *version, store_file *file, int32_t first_day, int32_t last_day,
                         store_refs *refs, th_diag *diag)
{
    store_piece *dir;
    TH_TRY(store_sealed_directory(file, &dir, diag));
    th_err err = TH_OK;
    for (uint32_t i = store_dir_place(dir, first_day, 0); i < dir->entry_count && err == TH_OK;
         i++) {
        if (dir->entries[i].day > last_day) break;
        th_segment_ref ref;
        err = store_sealed_ref(version, file, dir, i, &ref, diag);
        if (err == TH_OK && ref.rows > 0 && store_refs_push(refs, &ref) != TH_OK)
            err = th_fail(diag, TH_ENOMEM, NULL, "no memory for a list of segments");
    }
    store_piece_release(dir);
    return err;
}

th_err store_refs_add_file(th_version *version, store_file *file, uint32_t table, int32_t first_day,
                           int32_t last_day, store_refs *refs, th_diag *diag)
{
    const store_file_info *info = &file->info;
    if (info->kind == STORE_JOURNAL)
        return add_journal(file, version->lsn, table, first_day, last_day, refs, diag);
    if (info->table != table || info->first_day > last_day || info->last_day < first_day ||
        info->first_lsn > version->lsn)
        return TH_OK;
    return add_sealed(version, file, first_day, last_day, refs, diag);
}

static int ref_order(const void *a, const void *b)
{
    const th_segment_ref *x = a, *y = b;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

void store_refs_sort(store_refs *refs)
{
    if (refs->count > 1) qsort(refs->refs, refs->count, sizeof(*refs->refs), ref_order);
}

uint32_t store_files_of_table(const store_files *files, uint32_t table)
{
    uint32_t low = files->journals, high = files->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (files->files[middle]->info.table < table)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

th_err store_refs_gather(th_version *version, uint32_t table, int32_t first_day, int32_t last_day,
                         store_refs *refs, th_diag *diag)
{
    const store_files *files = version->files;
    for (uint32_t i = 0; i < files->journals; i++)
        TH_TRY(
            store_refs_add_file(version, files->files[i], table, first_day, last_day, refs, diag));
    for (uint32_t i = store_files_of_table(files, table); i < files->count; i++) {
        if (files->files[i]->info.table != table || files->files[i]->info.first_day > last_day)
            break;
        TH_TRY(
            store_refs_add_file(version, files->files[i], table, first_day, last_day, refs, diag));
    }
    store_refs_sort(refs);
    return TH_OK;
}

th_err th_version_segments(th_version *version, uint32_t table, int32_t first_day, int32_t last_day,
                           th_arena *arena, th_segment_ref **out, size_t *count, th_diag *diag)
{
    store_refs refs = {0};
    th_err err = store_refs_gather(version, table, first_day, last_day, &refs, diag);
    if (err == TH_OK) {
        th_segment_ref *copy = TH_NEW_ARRAY(arena, th_segment_ref, refs.count);
        if (copy == NULL) {
            err = th_fail(diag, TH_ELIMIT, NULL, "no memory left for a list of %zu segments",
                          refs.count);
        } else {
            if (refs.count > 0) memcpy(copy, refs.refs, refs.count * sizeof(*copy));
            *out = copy;
            *count = refs.count;
        }
    }
    free(refs.refs);
    return err;
}
