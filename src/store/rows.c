/* SPDX-License-Identifier: Apache-2.0
 * Rows of a version: segments loaded through the cache, single records, runs of records. */
#include <stdlib.h>

#include "store/store_private.h"

/* For tables whose rows have no fingerprints. */
static uint32_t no_fingerprints[TH_SEGMENT_ROWS_MAX];

typedef struct loaded_piece {
    th_loaded seen; /* first: what the caller holds */
    store_piece *piece;
} loaded_piece;

th_err th_version_load(th_version *version, const th_segment_ref *ref, const th_loaded **out,
                       th_diag *diag)
{
    store_file *file = store_files_find(version->files, ref->file);
    if (file == NULL) return th_fail(diag, TH_EINVAL, NULL, "a segment is not of this version");
    store_cache *cache = version->store->segments;
    uint64_t place =
        file->info.kind == STORE_JOURNAL ? ref->first_lsn << 16 | ref->place : ref->place;
    store_piece *piece = store_cache_get(cache, file->info.id, place);
    if (piece == NULL) {
        TH_TRY(store_read_segment(file, ref, &piece, NULL, diag));
        piece = store_cache_put(cache, piece);
    }
    loaded_piece *l = malloc(sizeof(*l));
    if (l == NULL) {
        store_piece_release(piece);
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a segment");
    }
    l->seen = (th_loaded){.segment = piece->segment,
                          .runs = piece->runs,
                          .run_count = piece->run_count,
                          .fingerprints =
                              piece->fingerprints != NULL ? piece->fingerprints : no_fingerprints,
                          .ref = *ref};
    l->piece = piece;
    *out = &l->seen;
    return TH_OK;
}

void th_version_unload(const th_loaded *loaded)
{
    if (loaded == NULL) return;
    loaded_piece *l = (loaded_piece *)(uintptr_t)loaded;
    store_piece_release(l->piece);
    free(l);
}

const th_run *store_run_at(const th_run *runs, uint32_t count, uint32_t row)
{
    uint32_t low = 0, high = count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (runs[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return &runs[low];
}

const th_run *th_loaded_run(const th_loaded *l, uint32_t row)
{
    return store_run_at(l->runs, l->run_count, row);
}

/* Rows [begin, begin + count) of a loaded segment, some at a time. */
static th_err hand_rows(const th_loaded *l, uint32_t begin, uint32_t count, th_records_fn fn,
                        void *ctx, th_diag *diag)
{
    uint64_t average = th_segment_raw_bytes(l->segment) / th_segment_rows(l->segment) + 1;
    uint64_t step = (UINT64_C(4) << 20) / average;
    step = step < 1 ? 1 : step > 4096 ? 4096 : step;
    th_arena *arena = th_arena_new((size_t)TH_SEGMENT_RAW_MAX * 4, NULL);
    if (arena == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for records");
    th_err err = TH_OK;
    for (uint32_t done = 0; done < count && err == TH_OK;) {
        uint32_t n = count - done < step ? count - done : (uint32_t)step;
        th_slice *records = TH_NEW_ARRAY(arena, th_slice, n);
        err = records == NULL ? TH_ENOMEM
                              : th_segment_records(l->segment, begin + done, n, arena, records);
        if (err != TH_OK)
            (void)th_fail(diag, err, NULL, "cannot read records of a segment: %s",
                          th_err_text(err));
        else
            err = fn(ctx, records, n);
        th_arena_reset(arena);
        done += n;
    }
    th_arena_free(arena);
    return err;
}

th_err th_version_record_run(th_version *version, uint32_t table, int32_t day, uint64_t seq,
                             uint64_t count, th_records_fn fn, void *ctx, th_diag *diag)
{
    if (seq > UINT64_MAX - count)
        return th_fail(diag, TH_EINVAL, NULL, "a run of rows that ends behind the last number");
    uint64_t end = seq + count;
    while (seq < end) {
        th_record_id id = {.table = (uint16_t)table, .day = day, .seq = seq};
        th_segment_ref ref;
        th_err err = store_find_row(version, &id, &ref, diag);
        if (err != TH_OK)
            return th_fail(diag, err, NULL, "record %llu of a run is not there",
                           (unsigned long long)seq);
        uint32_t begin = (uint32_t)(seq - ref.first_seq);
        uint64_t rows = ref.rows - begin < end - seq ? ref.rows - begin : end - seq;
        const th_loaded *l;
        TH_TRY(th_version_load(version, &ref, &l, diag));
        err = hand_rows(l, begin, (uint32_t)rows, fn, ctx, diag);
        th_version_unload(l);
        TH_TRY(err);
        seq += rows;
    }
    return TH_OK;
}

static th_err record_in(const th_loaded *l, uint32_t row, th_arena *arena, th_slice *record,
                        th_run *arrival, th_diag *diag)
{
    th_err err = th_segment_records(l->segment, row, 1, arena, record);
    if (err != TH_OK) return th_fail(diag, err, NULL, "cannot read a record: %s", th_err_text(err));
    if (arrival != NULL) *arrival = *th_loaded_run(l, row);
    return TH_OK;
}

th_err th_version_record(th_version *version, const th_record_id *id, th_arena *arena,
                         th_slice *record, th_run *arrival, th_diag *diag)
{
    th_segment_ref ref;
    th_err err = store_find_row(version, id, &ref, diag);
    if (err != TH_OK) return th_fail(diag, err, NULL, "there is no such record");
    const th_loaded *l;
    TH_TRY(th_version_load(version, &ref, &l, diag));
    err = record_in(l, (uint32_t)(id->seq - ref.first_seq), arena, record, arrival, diag);
    th_version_unload(l);
    return err;
}
