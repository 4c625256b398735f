/* SPDX-License-Identifier: Apache-2.0
 * Rows of a version: segments loaded through the cache, single records. Runs of records: reader.h. */
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
