/* SPDX-License-Identifier: Apache-2.0
 * Reading a version: which segments it has, their heads, their rows. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

/* ---- one value ------------------------------------------------------------------------------------------------------- */

void store_ref_key(const store_file *file, const th_segment_ref *ref, uint8_t key[STORE_SEALED_KEY], size_t *size)
{
    if (file->info.kind == STORE_JOURNAL) {
        store_journal_key(ref->first_lsn, (uint16_t)ref->place, key);
        *size = STORE_JOURNAL_KEY;
    } else {
        store_sealed_key(ref->day, ref->first_seq, key);
        *size = STORE_SEALED_KEY;
    }
}

static th_err read_value(store_file *file, const th_segment_ref *ref, size_t size, uint8_t **out, size_t *got,
                         th_diag *diag)
{
    if (file->info.kind == STORE_JOURNAL) {
        if (file->journal == NULL)
            return store_file_damaged(file, diag, "it could not be opened");
        return store_journal_read(file, ref->first_lsn, (uint16_t)ref->place, size, out, got, diag);
    }
    store_piece *dir;
    TH_TRY(store_sealed_directory(file, &dir, diag));
    th_err err = ref->place < dir->entry_count ? store_sealed_read(file, &dir->entries[ref->place], size, out, got, diag)
                                               : TH_EINVAL;
    store_piece_release(dir);
    return err;
}

/* What the value says about itself must be what the directory said. */
static bool header_matches(const store_header *h, const th_segment_ref *ref)
{
    return h->table == ref->table && h->day == ref->day && h->first_seq == ref->first_seq &&
           h->rows == ref->rows_stored && h->first_lsn == ref->first_lsn && h->last_lsn == ref->last_lsn;
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
    if (fingerprints.size == 0)
        return TH_OK;
    piece->fingerprints = malloc(fingerprints.size);
    if (piece->fingerprints == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment's fingerprints");
    memcpy(piece->fingerprints, fingerprints.bytes, fingerprints.size);
    return TH_OK;
}

static th_err fail_in_file(store_file *file, th_err err, const th_diag *why, th_diag *diag)
{
    if (err == TH_ECORRUPT)
        return store_file_damaged(file, diag, why->text);
    return th_fail(diag, err, why->name[0] != 0 ? why->name : NULL, "%s", why->text);
}

static store_piece *new_piece(const store_file *file, const th_segment_ref *ref)
{
    store_piece *piece = calloc(1, sizeof(*piece));
    if (piece == NULL)
        return NULL;
    atomic_init(&piece->refs, 1);
    piece->file = file->info.id;
    /* A journal's place is the number inside its commit: the LSN makes it one of the file. */
    piece->place = file->info.kind == STORE_JOURNAL ? ref->first_lsn << 16 | ref->place : ref->place;
    return piece;
}

static th_err open_piece(store_piece *piece, th_slice value, th_slice key, const th_segment_ref *ref, store_header *h,
                         th_diag *why)
{
    th_slice head, image;
    TH_TRY(store_value_open(value, key, STORE_VALUE_SEGMENT, h, &head, &image, why));
    if (!header_matches(h, ref))
        return th_fail(why, TH_ECORRUPT, NULL, "a segment is not the one its directory names");
    TH_TRY(decode_head(h, head, piece, why));
    TH_TRY(th_segment_open(image, &piece->segment, why));
    if (th_segment_rows(piece->segment) != h->rows)
        return th_fail(why, TH_ECORRUPT, NULL, "a segment has another number of rows than its header says");
    return TH_OK;
}

th_err store_read_segment(store_file *file, const th_segment_ref *ref, store_piece **out, store_header *header,
                          th_diag *diag)
{
    uint8_t key[STORE_SEALED_KEY];
    size_t key_size, got;
    store_ref_key(file, ref, key, &key_size);
    store_piece *piece = new_piece(file, ref);
    if (piece == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment");
    store_header h;
    th_diag why = {0};
    th_err err = read_value(file, ref, SIZE_MAX, &piece->image, &got, diag);
    if (err == TH_OK) {
        err = open_piece(piece, th_slice_of(piece->image, got), th_slice_of(key, key_size), ref, &h, &why);
        if (err != TH_OK)
            (void)fail_in_file(file, err, &why, diag);
    }
    if (err != TH_OK) {
        store_piece_release(piece);
        return err;
    }
    piece->bytes = sizeof(*piece) + got + piece->run_count * sizeof(th_run) +
                   (piece->fingerprints != NULL ? (size_t)piece->rows * 4 : 0);
    if (header != NULL)
        *header = h;
    *out = piece;
    return TH_OK;
}

static th_err read_head(store_file *file, const th_segment_ref *ref, store_piece *piece, th_diag *diag)
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
        if (STORE_HEADER + (size_t)h.head_bytes > got && h.head_bytes <= STORE_VALUE_MAX && got == size) {
            free(bytes);
            TH_TRY(read_value(file, ref, STORE_HEADER + h.head_bytes, &bytes, &got, diag));
        }
    }
    th_diag why = {0};
    th_slice head;
    th_err err = store_value_open_head(th_slice_of(bytes, got), th_slice_of(key, key_size), STORE_VALUE_SEGMENT, &h,
                                       &head, &why);
    if (err == TH_OK && !header_matches(&h, ref))
        err = th_fail(&why, TH_ECORRUPT, NULL, "a segment is not the one its directory names");
    if (err == TH_OK)
        err = decode_head(&h, head, piece, &why);
    free(bytes);
    return err == TH_OK ? TH_OK : fail_in_file(file, err, &why, diag);
}

th_err store_read_head(th_version *version, const th_segment_ref *ref, store_piece **out, th_diag *diag)
{
    store_file *file = store_files_find(version->files, ref->file);
    if (file == NULL)
        return th_fail(diag, TH_EINVAL, NULL, "a segment is not of this version");
    store_cache *cache = version->store->heads;
    store_piece *piece = new_piece(file, ref);
    if (piece == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment's head");
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
    piece->bytes = sizeof(*piece) + piece->run_count * sizeof(th_run) +
                   (piece->fingerprints != NULL ? (size_t)piece->rows * 4 : 0);
    *out = store_cache_put(cache, piece);
    return TH_OK;
}

/* ---- lists of segments ------------------------------------------------------------------------------------------------ */

static th_err push(store_refs *refs, const th_segment_ref *ref)
{
    if (refs->count == refs->capacity) {
        size_t capacity = refs->capacity == 0 ? 64 : refs->capacity * 2;
        th_segment_ref *bigger = realloc(refs->refs, capacity * sizeof(*bigger));
        if (bigger == NULL)
            return TH_ENOMEM;
        refs->refs = bigger;
        refs->capacity = capacity;
    }
    refs->refs[refs->count++] = *ref;
    return TH_OK;
}

static th_err add_journal_day(store_file *file, const store_journal_day *day, uint64_t bound, store_refs *refs)
{
    const store_journal *j = file->journal;
    for (uint32_t i = day->last; i != UINT32_MAX; i = j->entries[i].before) {
        const store_entry *e = &j->entries[i];
        if (e->lsn > bound)
            continue;
        th_segment_ref ref = {.table = e->table,
                              .day = e->day,
                              .first_seq = e->first_seq,
                              .rows = e->rows,
                              .rows_stored = e->rows,
                              .min_us = e->min_us,
                              .max_us = e->max_us,
                              .first_lsn = e->lsn,
                              .last_lsn = e->lsn,
                              .stored_bytes = e->payload_bytes,
                              .file = file->info.id,
                              .place = e->n};
        TH_TRY(push(refs, &ref));
    }
    return TH_OK;
}

static th_err add_journal(store_file *file, uint64_t bound, uint32_t table, int32_t first_day, int32_t last_day,
                          store_refs *refs, th_diag *diag)
{
    store_journal *j = file->journal;
    if (j == NULL)
        return store_file_damaged(file, diag, "it could not be opened");
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

static th_err add_sealed_segment(th_version *version, store_file *file, const store_piece *dir, uint32_t place,
                                 store_refs *refs, th_diag *diag)
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
                          .file = file->info.id,
                          .place = place};
    if (e->last_lsn > version->lsn) {
        store_piece *head;
        TH_TRY(store_read_head(version, &ref, &head, diag));
        ref.rows = rows_up_to(head, version->lsn);
        store_piece_release(head);
        if (ref.rows == 0)
            return TH_OK;
    }
    return push(refs, &ref) == TH_OK ? TH_OK : th_fail(diag, TH_ENOMEM, NULL, "no memory for a list of segments");
}

static th_err add_sealed(th_version *version, store_file *file, int32_t first_day, int32_t last_day, store_refs *refs,
                         th_diag *diag)
{
    store_piece *dir;
    TH_TRY(store_sealed_directory(file, &dir, diag));
    uint32_t low = 0, high = dir->entry_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (dir->entries[middle].day < first_day)
            low = middle + 1;
        else
            high = middle;
    }
    th_err err = TH_OK;
    for (uint32_t i = low; i < dir->entry_count && dir->entries[i].day <= last_day && err == TH_OK; i++)
        if (dir->entries[i].first_lsn <= version->lsn)
            err = add_sealed_segment(version, file, dir, i, refs, diag);
    store_piece_release(dir);
    return err;
}

th_err store_refs_add_file(th_version *version, store_file *file, uint32_t table, int32_t first_day, int32_t last_day,
                           store_refs *refs, th_diag *diag)
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
    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

void store_refs_sort(store_refs *refs)
{
    if (refs->count > 1)
        qsort(refs->refs, refs->count, sizeof(*refs->refs), ref_order);
}

/* Index of the first sealed file that can hold rows of table: they are sorted by table. */
static uint32_t first_of_table(const store_files *files, uint32_t table)
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

static th_err gather(th_version *version, uint32_t table, int32_t first_day, int32_t last_day, store_refs *refs,
                     th_diag *diag)
{
    const store_files *files = version->files;
    for (uint32_t i = 0; i < files->journals; i++)
        TH_TRY(store_refs_add_file(version, files->files[i], table, first_day, last_day, refs, diag));
    for (uint32_t i = first_of_table(files, table); i < files->count; i++) {
        if (files->files[i]->info.table != table || files->files[i]->info.first_day > last_day)
            break;
        TH_TRY(store_refs_add_file(version, files->files[i], table, first_day, last_day, refs, diag));
    }
    store_refs_sort(refs);
    return TH_OK;
}

th_err th_version_segments(th_version *version, uint32_t table, int32_t first_day, int32_t last_day, th_arena *arena,
                           th_segment_ref **out, size_t *count, th_diag *diag)
{
    store_refs refs = {0};
    th_err err = gather(version, table, first_day, last_day, &refs, diag);
    if (err == TH_OK) {
        th_segment_ref *copy = TH_NEW_ARRAY(arena, th_segment_ref, refs.count);
        if (copy == NULL) {
            err = th_fail(diag, TH_ELIMIT, NULL, "no memory left for a list of %zu segments", refs.count);
        } else {
            if (refs.count > 0)
                memcpy(copy, refs.refs, refs.count * sizeof(*copy));
            *out = copy;
            *count = refs.count;
        }
    }
    free(refs.refs);
    return err;
}

th_err th_version_rows(th_version *version, uint32_t table, uint64_t *rows, th_diag *diag)
{
    const store_files *files = version->files;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < files->count; i++) {
        store_file *file = files->files[i];
        bool sealed = file->info.kind == STORE_SEALED;
        if (sealed && file->info.table != table)
            continue;
        if (sealed && file->info.last_lsn <= version->lsn) {
            sum += file->info.rows;
            continue;
        }
        store_refs refs = {0};
        th_err err = store_refs_add_file(version, file, table, INT32_MIN, INT32_MAX, &refs, diag);
        for (size_t k = 0; k < refs.count; k++)
            sum += refs.refs[k].rows;
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
    th_err err = gather(version, TH_TABLE_leaves, INT32_MIN, INT32_MAX, &refs, diag);
    uint64_t found = 0;
    for (size_t i = refs.count; i > 0 && err == TH_OK && found == 0; i--) {
        if (refs.refs[i - 1].min_us > arrival_us)
            continue;
        store_piece *head;
        err = store_read_head(version, &refs.refs[i - 1], &head, diag);
        if (err != TH_OK)
            break;
        for (uint32_t k = head->run_count; k > 0 && found == 0; k--)
            if (head->runs[k - 1].arrival_us <= arrival_us && head->runs[k - 1].lsn <= version->lsn)
                found = head->runs[k - 1].lsn;
        store_piece_release(head);
    }
    free(refs.refs);
    if (err == TH_OK)
        *lsn = found;
    return err;
}

/* ---- rows -------------------------------------------------------------------------------------------------------------- */

/* For tables whose rows have no fingerprints. */
static uint32_t no_fingerprints[TH_SEGMENT_ROWS_MAX];

typedef struct loaded {
    th_loaded seen; /* first: what the caller holds */
    store_piece *piece;
} loaded;

th_err th_version_load(th_version *version, const th_segment_ref *ref, const th_loaded **out, th_diag *diag)
{
    store_file *file = store_files_find(version->files, ref->file);
    if (file == NULL)
        return th_fail(diag, TH_EINVAL, NULL, "a segment is not of this version");
    store_cache *cache = version->store->segments;
    uint64_t place = file->info.kind == STORE_JOURNAL ? ref->first_lsn << 16 | ref->place : ref->place;
    store_piece *piece = store_cache_get(cache, file->info.id, place);
    if (piece == NULL) {
        TH_TRY(store_read_segment(file, ref, &piece, NULL, diag));
        piece = store_cache_put(cache, piece);
    }
    loaded *l = malloc(sizeof(*l));
    if (l == NULL) {
        store_piece_release(piece);
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment");
    }
    l->seen = (th_loaded){.segment = piece->segment,
                          .runs = piece->runs,
                          .run_count = piece->run_count,
                          .fingerprints = piece->fingerprints != NULL ? piece->fingerprints : no_fingerprints,
                          .ref = *ref};
    l->piece = piece;
    *out = &l->seen;
    return TH_OK;
}

void th_version_unload(const th_loaded *seen)
{
    if (seen == NULL)
        return;
    loaded *l = (loaded *)(uintptr_t)seen;
    store_piece_release(l->piece);
    free(l);
}

static const th_run *run_of(const th_loaded *l, uint32_t row)
{
    uint32_t low = 0, high = l->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (l->runs[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return &l->runs[low];
}

/* Rows [begin, begin + count) of a loaded segment, some at a time. */
static th_err hand_rows(const th_loaded *l, uint32_t begin, uint32_t count, th_records_fn fn, void *ctx, th_diag *diag)
{
    uint64_t average = th_segment_raw_bytes(l->segment) / th_segment_rows(l->segment) + 1;
    uint64_t step = (UINT64_C(4) << 20) / average;
    step = step < 1 ? 1 : step > 4096 ? 4096 : step;
    th_arena *arena = th_arena_new((size_t)TH_SEGMENT_RAW_MAX * 4, NULL);
    if (arena == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for records");
    th_err err = TH_OK;
    for (uint32_t done = 0; done < count && err == TH_OK;) {
        uint32_t n = count - done < step ? count - done : (uint32_t)step;
        th_slice *records = TH_NEW_ARRAY(arena, th_slice, n);
        err = records == NULL ? TH_ENOMEM : th_segment_records(l->segment, begin + done, n, arena, records);
        if (err != TH_OK)
            (void)th_fail(diag, err, NULL, "cannot read records of a segment: %s", th_err_text(err));
        else
            err = fn(ctx, records, n);
        th_arena_reset(arena);
        done += n;
    }
    th_arena_free(arena);
    return err;
}

th_err th_version_record_run(th_version *version, uint32_t table, int32_t day, uint64_t seq, uint64_t count,
                             th_records_fn fn, void *ctx, th_diag *diag)
{
    store_refs refs = {0};
    th_err err = gather(version, table, day, day, &refs, diag);
    uint64_t end = seq + count;
    for (size_t i = 0; i < refs.count && err == TH_OK && seq < end; i++) {
        const th_segment_ref *ref = &refs.refs[i];
        if (ref->first_seq + ref->rows <= seq || ref->first_seq > seq)
            continue;
        uint32_t begin = (uint32_t)(seq - ref->first_seq);
        uint64_t rows = ref->rows - begin < end - seq ? ref->rows - begin : end - seq;
        const th_loaded *l;
        err = th_version_load(version, ref, &l, diag);
        if (err == TH_OK) {
            err = hand_rows(l, begin, (uint32_t)rows, fn, ctx, diag);
            th_version_unload(l);
        }
        seq += rows;
    }
    free(refs.refs);
    if (err == TH_OK && seq < end)
        return th_fail(diag, TH_ENOTFOUND, NULL, "a record is not there");
    return err;
}

static th_err record_in(const th_loaded *l, uint32_t row, th_arena *arena, th_slice *record, th_run *arrival,
                        th_diag *diag)
{
    th_err err = th_segment_records(l->segment, row, 1, arena, record);
    if (err != TH_OK)
        return th_fail(diag, err, NULL, "cannot read a record: %s", th_err_text(err));
    if (arrival != NULL)
        *arrival = *run_of(l, row);
    return TH_OK;
}

th_err th_version_record(th_version *version, const th_record_id *id, th_arena *arena, th_slice *record, th_run *arrival,
                         th_diag *diag)
{
    store_refs refs = {0};
    th_err err = gather(version, id->table, id->day, id->day, &refs, diag);
    const th_segment_ref *found = NULL;
    for (size_t i = 0; i < refs.count && err == TH_OK && found == NULL; i++)
        if (id->seq >= refs.refs[i].first_seq && id->seq - refs.refs[i].first_seq < refs.refs[i].rows)
            found = &refs.refs[i];
    if (err == TH_OK && found == NULL)
        err = th_fail(diag, TH_ENOTFOUND, NULL, "there is no such record");
    if (err == TH_OK) {
        const th_loaded *l;
        err = th_version_load(version, found, &l, diag);
        if (err == TH_OK) {
            err = record_in(l, (uint32_t)(id->seq - found->first_seq), arena, record, arrival, diag);
            th_version_unload(l);
        }
    }
    free(refs.refs);
    return err;
}
