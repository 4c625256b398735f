/* SPDX-License-Identifier: Apache-2.0
 * Rows of one group into new sealed files: segments are re-encoded into large ones, in order of day and sequence; runs
 * and fingerprints come along. One source segment is in memory at a time. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/merge.h"

enum { ROWS_A_STEP = 2048, STEP_BYTES = 4 << 20 };

typedef struct merger {
    store_merge *round;
    const store_group *group;
    th_segment_builder *builder;
    store_sealer *sealer;
    th_arena *arena;
    /* the segment that is being filled */
    int32_t day;
    uint64_t first_seq;
    int64_t min_us, max_us;
    th_run *runs;
    uint32_t run_count, run_capacity;
    uint32_t *fingerprints; /* TH_SEGMENT_ROWS_MAX */
    bool has_fingerprints;
} merger;

static th_err note_output(store_merge *round, const store_file_info *info)
{
    if (round->output_count == round->output_capacity) {
        uint32_t capacity = round->output_capacity == 0 ? 64 : round->output_capacity * 2;
        store_file_info *bigger = realloc(round->outputs, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        round->outputs = bigger;
        round->output_capacity = capacity;
    }
    round->outputs[round->output_count++] = *info;
    return TH_OK;
}

static th_err finish_file(merger *m, th_diag *diag)
{
    if (m->sealer == NULL) return TH_OK;
    store_file_info info;
    th_err err = store_sealer_finish(m->sealer, &info, diag);
    if (err == TH_OK && note_output(m->round, &info) != TH_OK)
        err = th_fail(diag, TH_ENOMEM, NULL, "no memory to merge");
    store_sealer_free(m->sealer);
    m->sealer = NULL;
    return err;
}

static th_err add_to_file(merger *m, store_header *header, th_slice head, th_slice image,
                          th_diag *diag)
{
    th_store *store = m->round->store;
    if (m->sealer == NULL)
        TH_TRY(store_sealer_new(store, store_catalog_next_id(store), m->group->table, &m->sealer,
                                diag));
    TH_TRY(store_sealer_add(m->sealer, header, head, image, diag));
    return store_sealer_bytes(m->sealer) >= STORE_PART_LIMIT ? finish_file(m, diag) : TH_OK;
}

static store_header header_of(const merger *m, uint32_t rows)
{
    return (store_header){.flags = m->has_fingerprints ? STORE_FLAG_FINGERPRINTS : 0,
                          .rows = rows,
                          .day = m->day,
                          .runs = m->run_count,
                          .first_seq = m->first_seq,
                          .first_lsn = m->runs[0].lsn,
                          .last_lsn = m->runs[m->run_count - 1].lsn,
                          .min_us = m->min_us,
                          .max_us = m->max_us,
                          .raw_bytes = th_segment_builder_bytes(m->builder)};
}

/* Write the segment that is being filled. */
static th_err flush(merger *m, th_diag *diag)
{
    uint32_t rows = th_segment_builder_rows(m->builder);
    if (rows == 0) return TH_OK;
    store_header header = header_of(m, rows);
    th_buf head, image;
    th_buf_init(&head, STORE_VALUE_MAX / 4);
    th_buf_init(&image, STORE_VALUE_MAX / 2);
    store_runs_encode(m->runs, m->run_count, &head);
    if (m->has_fingerprints) th_buf_add(&head, m->fingerprints, (size_t)rows * 4);
    th_err err = th_buf_error(&head);
    if (err == TH_OK) err = th_segment_builder_finish(m->builder, &image);
    if (err != TH_OK)
        (void)th_fail(diag, err, NULL, "cannot encode a segment: %s", th_err_text(err));
    else
        err = add_to_file(m, &header, th_buf_slice(&head), th_buf_slice(&image), diag);
    th_buf_free(&head);
    th_buf_free(&image);
    m->run_count = 0;
    m->has_fingerprints = false;
    m->min_us = INT64_MAX;
    m->max_us = INT64_MIN;
    return err;
}

/* The row at `at` of the segment comes from this run. */
static th_err note_run(merger *m, const th_run *run, uint32_t at)
{
    const th_run *last = m->run_count > 0 ? &m->runs[m->run_count - 1] : NULL;
    if (last != NULL && last->lsn == run->lsn && last->object_seq == run->object_seq &&
        last->object_day == run->object_day && last->arrival_us == run->arrival_us)
        return TH_OK;
    if (m->run_count == m->run_capacity) {
        uint32_t capacity = m->run_capacity == 0 ? 1024 : m->run_capacity * 2;
        th_run *bigger = realloc(m->runs, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        m->runs = bigger;
        m->run_capacity = capacity;
    }
    m->runs[m->run_count] = *run;
    m->runs[m->run_count++].first_row = at;
    return TH_OK;
}

typedef struct source {
    const store_piece *piece;
    const th_segment_ref *ref;
    uint32_t run; /* of the next row */
} source;

static th_err add_row(merger *m, source *s, uint32_t row, th_slice record, int64_t time_us,
                      th_diag *diag)
{
    th_slice layout = th_segment_layout(s->piece->segment, row);
    bool has_time = time_us != INT64_MIN;
    th_err err = th_segment_builder_add(m->builder, record, layout, has_time, time_us);
    if (err == TH_ELIMIT && th_segment_builder_rows(m->builder) > 0) {
        TH_TRY(flush(m, diag));
        err = th_segment_builder_add(m->builder, record, layout, has_time, time_us);
    }
    uint32_t at = th_segment_builder_rows(m->builder) - 1;
    while (s->run + 1 < s->piece->run_count && s->piece->runs[s->run + 1].first_row <= row)
        s->run++;
    if (err == TH_OK) err = note_run(m, &s->piece->runs[s->run], at);
    if (err != TH_OK) return th_fail(diag, err, NULL, "cannot merge a row: %s", th_err_text(err));
    if (at == 0) m->first_seq = s->ref->first_seq + row;
    uint32_t fingerprint = s->piece->fingerprints != NULL ? s->piece->fingerprints[row] : 0;
    m->fingerprints[at] = fingerprint;
    m->has_fingerprints = m->has_fingerprints || fingerprint != 0;
    if (has_time && time_us < m->min_us) m->min_us = time_us;
    if (has_time && time_us > m->max_us) m->max_us = time_us;
    return TH_OK;
}

static th_err add_rows(merger *m, source *s, uint32_t begin, uint32_t count, th_diag *diag)
{
    const th_segment *segment = s->piece->segment;
    th_slice *records = TH_NEW_ARRAY(m->arena, th_slice, count);
    int64_t *times = TH_NEW_ARRAY(m->arena, int64_t, count);
    if (records == NULL || times == NULL)
        return th_fail(diag, TH_ELIMIT, NULL, "no memory left to merge");
    th_err err = th_segment_records(segment, begin, count, m->arena, records);
    if (err == TH_OK) err = th_segment_read_times(segment, begin, count, m->arena, times);
    if (err != TH_OK)
        return th_fail(diag, err, NULL, "cannot read rows to merge: %s", th_err_text(err));
    for (uint32_t i = 0; i < count; i++)
        TH_TRY(add_row(m, s, begin + i, records[i], times[i], diag));
    return TH_OK;
}

/* A segment that is large already is taken as it is: only its key and checksums are made anew. */
static th_err copy_segment(merger *m, const store_piece *piece, const store_header *from,
                           th_diag *diag)
{
    TH_TRY(flush(m, diag));
    store_header header = *from;
    th_slice head = th_slice_of(piece->image + STORE_HEADER, from->head_bytes);
    th_slice image = th_slice_of(head.bytes + head.size, from->payload_bytes - head.size);
    return add_to_file(m, &header, head, image, diag);
}

static th_err add_segment(merger *m, const th_segment_ref *ref, const store_piece *piece,
                          const store_header *header, th_diag *diag)
{
    if (header->rows >= TH_SEGMENT_ROWS_MAX / 2 || header->raw_bytes >= TH_SEGMENT_RAW_MAX / 2)
        return copy_segment(m, piece, header, diag);
    uint32_t open_rows = th_segment_builder_rows(m->builder);
    if (open_rows > 0 && (m->day != ref->day || m->first_seq + open_rows != ref->first_seq))
        TH_TRY(flush(m, diag));
    m->day = ref->day;
    source s = {.piece = piece, .ref = ref};
    uint64_t step = STEP_BYTES / (header->raw_bytes / header->rows + 1);
    step = step < 1 ? 1 : step > ROWS_A_STEP ? ROWS_A_STEP : step;
    for (uint32_t row = 0; row < header->rows;) {
        uint32_t n = header->rows - row < step ? header->rows - row : (uint32_t)step;
        th_arena_reset(m->arena);
        TH_TRY(add_rows(m, &s, row, n, diag));
        row += n;
    }
    return TH_OK;
}

static th_err add_source(merger *m, const th_segment_ref *ref, th_diag *diag)
{
    store_file *file = store_files_find(m->round->version->files, ref->file);
    store_piece *piece;
    store_header header;
    th_err err = store_read_segment(file, ref, &piece, &header, diag);
    if (err == TH_OK) {
        err = add_segment(m, ref, piece, &header, diag);
        store_piece_release(piece);
    }
    if (err == TH_ECORRUPT) atomic_store(&file->unmergeable, true);
    m->round->done_bytes += STORE_HEADER + ref->stored_bytes;
    return err;
}

static th_err gather(merger *m, store_refs *refs, th_diag *diag)
{
    store_merge *round = m->round;
    const store_group *group = m->group;
    for (uint32_t i = 0; i < round->journal_count && group->has_journal; i++)
        TH_TRY(store_refs_add_file(round->version, round->journals[i], group->table,
                                   group->first_day, group->last_day, refs, diag));
    for (uint32_t i = 0; i < group->file_count; i++) {
        th_err err = store_refs_add_file(round->version, group->files[i], group->table, INT32_MIN,
                                         INT32_MAX, refs, diag);
        if (err == TH_ECORRUPT) atomic_store(&group->files[i]->unmergeable, true);
        TH_TRY(err);
    }
    store_refs_sort(refs);
    for (size_t i = 1; i < refs->count; i++) {
        const th_segment_ref *a = &refs->refs[i - 1], *b = &refs->refs[i];
        if (a->day == b->day && a->first_seq + a->rows > b->first_seq)
            return th_fail(diag, TH_EIO, NULL, "two files hold the same rows of table %u",
                           group->table);
    }
    return TH_OK;
}

static th_err merge_refs(merger *m, const store_refs *refs, th_diag *diag)
{
    for (size_t i = 0; i < refs->count; i++) {
        if (!store_merge_goes_on(m->round))
            return th_fail(diag, TH_ECANCELED, NULL, "the merge was stopped");
        TH_TRY(add_source(m, &refs->refs[i], diag));
    }
    TH_TRY(flush(m, diag));
    return finish_file(m, diag);
}

th_err store_merge_group(store_merge *round, const store_group *group, th_diag *diag)
{
    const th_stored_table *table = th_model_table(group->table);
    if (table == NULL)
        return th_fail(diag, TH_EVERSION, NULL, "table %u is unknown to this program",
                       group->table);
    merger m = {.round = round, .group = group, .min_us = INT64_MAX, .max_us = INT64_MIN};
    store_refs refs = {0};
    m.builder = th_segment_builder_new(table, round->store->options.budget);
    m.arena = th_arena_new((size_t)TH_SEGMENT_RAW_MAX * 2, round->store->options.budget);
    m.fingerprints = malloc(TH_SEGMENT_ROWS_MAX * sizeof(*m.fingerprints));
    th_err err = m.builder == NULL || m.arena == NULL || m.fingerprints == NULL
                     ? th_fail(diag, TH_ENOMEM, NULL, "no memory to merge")
                     : gather(&m, &refs, diag);
    if (err == TH_OK) err = merge_refs(&m, &refs, diag);
    store_sealer_free(m.sealer);
    th_segment_builder_free(m.builder);
    th_arena_free(m.arena);
    free(m.fingerprints);
    free(m.runs);
    free(refs.refs);
    return err;
}
