/* SPDX-License-Identifier: Apache-2.0
 * Some segments of one day, which follow each other, read and encoded as one; runs and fingerprints come along. What is
 * good as it is, is taken over: only its key and checksums are made anew. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/merge.h"

enum { ROWS_A_STEP = 4096, FRESH_ROWS = 1024 };

struct merge_encoder {
    const store_merge *round;
    const th_stored_table *table;
    th_segment_builder *builder; /* NULL after a failure: the merge ends */
    th_arena *arena;
    merge_task *task;
    /* the segment that is being filled */
    int32_t day;
    uint64_t first_seq;
    int64_t min_us, max_us;
    th_run *runs;
    uint32_t run_count, run_capacity;
    uint32_t *fingerprints; /* TH_SEGMENT_ROWS_MAX */
    bool has_fingerprints;
    uint64_t sum;       /* over what goes in, row by row */
    th_arena *checking; /* times of an image that is read back */
};

static th_segment_builder *new_builder(const store_merge *round, const th_stored_table *table)
{
    th_segment_builder *b = th_segment_builder_new(table, round->store->options.budget);
    if (b != NULL) th_segment_builder_set_tier(b, round->compact ? TH_TIER_COMPACT : TH_TIER_FAST);
    return b;
}

/* What a large segment took goes back before the next one: a builder keeps its memory, and two threads have one each. */
static th_err freshen(merge_encoder *e)
{
    th_segment_builder_free(e->builder);
    e->builder = new_builder(e->round, e->table);
    return e->builder != NULL ? TH_OK : TH_ENOMEM;
}

merge_encoder *merge_encoder_new(const store_merge *round, const th_stored_table *table)
{
    merge_encoder *e = calloc(1, sizeof(*e));
    if (e == NULL) return NULL;
    th_budget *budget = round->store->options.budget;
    e->round = round;
    e->table = table;
    e->builder = new_builder(round, table);
    e->arena = th_arena_new((size_t)TH_SEGMENT_RAW_MAX * 2, budget);
    e->checking = th_arena_new((size_t)TH_SEGMENT_RAW_MAX, budget);
    e->fingerprints = malloc(TH_SEGMENT_ROWS_MAX * sizeof(*e->fingerprints));
    if (e->builder == NULL || e->arena == NULL || e->checking == NULL || e->fingerprints == NULL) {
        merge_encoder_free(e);
        return NULL;
    }
    return e;
}

void merge_encoder_free(merge_encoder *e)
{
    if (e == NULL) return;
    th_segment_builder_free(e->builder);
    th_arena_free(e->arena);
    th_arena_free(e->checking);
    free(e->fingerprints);
    free(e->runs);
    free(e);
}

void merge_task_free(merge_task *task)
{
    for (uint32_t i = 0; i < task->value_count; i++) {
        store_piece_release(task->values[i].piece);
        th_buf_free(&task->values[i].head);
        th_buf_free(&task->values[i].image);
    }
    free(task->values);
    task->values = NULL;
    task->value_count = task->value_capacity = 0;
}

static merge_value *add_value(merge_task *task)
{
    merge_value *values =
        write_grow(task->values, task->value_count, &task->value_capacity, sizeof(*values));
    if (values == NULL) return NULL;
    task->values = values;
    merge_value *value = &values[task->value_count++];
    *value = (merge_value){0};
    th_buf_init(&value->head, STORE_VALUE_MAX / 4);
    th_buf_init(&value->image, STORE_VALUE_MAX / 2);
    return value;
}

static void start_segment(merge_encoder *e)
{
    e->run_count = 0;
    e->has_fingerprints = false;
    e->min_us = INT64_MAX;
    e->max_us = INT64_MIN;
    e->sum = 0;
}

static uint64_t sum_row(uint64_t sum, th_slice record, th_slice layout, int64_t time_us)
{
    sum = th_xxh3_seed(record, sum);
    sum = th_xxh3_seed(layout, sum);
    return th_xxh3_seed(th_slice_of(&time_us, sizeof(time_us)), sum);
}

static th_err sum_image(merge_encoder *e, const th_segment *segment, uint32_t rows, uint64_t *sum)
{
    th_arena_reset(e->checking);
    int64_t *times = TH_NEW_ARRAY(e->checking, int64_t, rows);
    if (times == NULL) return TH_ELIMIT;
    TH_TRY(th_segment_read_times(segment, 0, rows, e->checking, times));
    th_segment_cursor *cursor;
    TH_TRY(th_segment_cursor_open(segment, 0, e->round->store->options.budget, &cursor));
    th_err err = TH_OK;
    for (uint32_t row = 0, count = 1; err == TH_OK && row < rows && count > 0;) {
        const th_slice *records;
        err = th_segment_cursor_next(cursor, ROWS_A_STEP, &records, &count);
        for (uint32_t i = 0; err == TH_OK && i < count; i++, row++)
            *sum = sum_row(*sum, records[i], th_segment_layout(segment, row), times[row]);
    }
    th_segment_cursor_close(cursor);
    return err;
}

/* The files that are merged go away: what replaces them is read back first. */
static th_err check_image(merge_encoder *e, th_slice image, uint32_t rows, uint64_t want)
{
    th_segment *segment;
    th_diag *diag = &e->task->diag;
    TH_TRY(th_segment_open(image, &segment, diag));
    uint64_t sum = 0;
    th_err err = th_segment_rows(segment) == rows ? sum_image(e, segment, rows, &sum) : TH_EIO;
    th_segment_close(segment);
    if (err == TH_OK && sum == want) return TH_OK;
    return th_fail(
        diag, err == TH_OK ? TH_EIO : err, NULL,
        "a new segment does not give back the rows that went into it; nothing is merged");
}

/* The segment that is being filled is whole. */
static th_err flush(merge_encoder *e)
{
    uint32_t rows = th_segment_builder_rows(e->builder);
    if (rows == 0) return TH_OK;
    merge_value *value = add_value(e->task);
    if (value == NULL) return TH_ENOMEM;
    unsigned flags = (e->has_fingerprints ? STORE_FLAG_FINGERPRINTS : 0) |
                     (e->round->compact ? STORE_FLAG_COMPACT : 0);
    value->header = (store_header){.flags = (uint8_t)flags,
                                   .rows = rows,
                                   .day = e->day,
                                   .runs = e->run_count,
                                   .first_seq = e->first_seq,
                                   .first_lsn = e->runs[0].lsn,
                                   .last_lsn = e->runs[e->run_count - 1].lsn,
                                   .min_us = e->min_us,
                                   .max_us = e->max_us,
                                   .raw_bytes = th_segment_builder_bytes(e->builder)};
    store_runs_encode(e->runs, e->run_count, &value->head);
    if (e->has_fingerprints) th_buf_add(&value->head, e->fingerprints, (size_t)rows * 4);
    TH_TRY(th_buf_error(&value->head));
    uint64_t want = e->sum;
    start_segment(e);
    TH_TRY(th_segment_builder_finish(e->builder, &value->image));
    TH_TRY(check_image(e, th_buf_slice(&value->image), rows, want));
    return rows >= FRESH_ROWS ? freshen(e) : TH_OK;
}

/* The row at `at` of the segment comes from this run. */
static th_err note_run(merge_encoder *e, const th_run *run, uint32_t at)
{
    const th_run *last = e->run_count > 0 ? &e->runs[e->run_count - 1] : NULL;
    if (last != NULL && last->lsn == run->lsn && last->object_seq == run->object_seq &&
        last->object_day == run->object_day && last->arrival_us == run->arrival_us)
        return TH_OK;
    th_run *runs = write_grow(e->runs, e->run_count, &e->run_capacity, sizeof(*runs));
    if (runs == NULL) return TH_ENOMEM;
    e->runs = runs;
    e->runs[e->run_count] = *run;
    e->runs[e->run_count++].first_row = at;
    return TH_OK;
}

typedef struct source {
    const store_piece *piece;
    const th_segment_ref *ref;
    uint32_t run; /* of the next row */
} source;

static th_err add_row(merge_encoder *e, source *s, uint32_t row, th_slice record, int64_t time_us)
{
    th_slice layout = th_segment_layout(s->piece->segment, row);
    bool has_time = time_us != INT64_MIN;
    th_err err = th_segment_builder_add(e->builder, record, layout, has_time, time_us);
    if (err == TH_ELIMIT && th_segment_builder_rows(e->builder) > 0) {
        TH_TRY(flush(e));
        err = th_segment_builder_add(e->builder, record, layout, has_time, time_us);
    }
    TH_TRY(err);
    e->sum = sum_row(e->sum, record, layout, time_us);
    uint32_t at = th_segment_builder_rows(e->builder) - 1;
    while (s->run + 1 < s->piece->run_count && s->piece->runs[s->run + 1].first_row <= row)
        s->run++;
    TH_TRY(note_run(e, &s->piece->runs[s->run], at));
    if (at == 0) e->first_seq = s->ref->first_seq + row;
    uint32_t fingerprint = s->piece->fingerprints != NULL ? s->piece->fingerprints[row] : 0;
    e->fingerprints[at] = fingerprint;
    e->has_fingerprints = e->has_fingerprints || fingerprint != 0;
    if (has_time && time_us < e->min_us) e->min_us = time_us;
    if (has_time && time_us > e->max_us) e->max_us = time_us;
    return TH_OK;
}

static th_err add_rows(merge_encoder *e, source *s, th_segment_cursor *cursor)
{
    for (uint32_t row = 0, count = 0; row < s->ref->rows_stored; row += count) {
        const th_slice *records;
        TH_TRY(th_segment_cursor_next(cursor, ROWS_A_STEP, &records, &count));
        if (count == 0) return TH_ECORRUPT;
        th_arena_reset(e->arena);
        int64_t *times = TH_NEW_ARRAY(e->arena, int64_t, count);
        if (times == NULL) return TH_ELIMIT;
        TH_TRY(th_segment_read_times(s->piece->segment, row, count, e->arena, times));
        for (uint32_t i = 0; i < count; i++) TH_TRY(add_row(e, s, row + i, records[i], times[i]));
    }
    return TH_OK;
}

static th_err add_segment(merge_encoder *e, const th_segment_ref *ref, store_piece *piece,
                          const store_header *header)
{
    if (e->task->copy) {
        merge_value *value = add_value(e->task);
        if (value == NULL) return TH_ENOMEM;
        value->header = *header;
        value->piece = piece;
        atomic_fetch_add(&piece->refs, 1);
        return TH_OK;
    }
    source s = {.piece = piece, .ref = ref};
    th_segment_cursor *cursor;
    TH_TRY(th_segment_cursor_open(piece->segment, 0, e->round->store->options.budget, &cursor));
    th_err err = add_rows(e, &s, cursor);
    th_segment_cursor_close(cursor);
    return err;
}

static th_err add_source(merge_encoder *e, const th_segment_ref *ref, th_diag *diag)
{
    store_file *file = store_files_find(e->round->version->files, ref->file);
    store_piece *piece;
    store_header header;
    th_err err = store_read_segment(file, ref, &piece, &header, diag);
    if (err == TH_OK) {
        err = add_segment(e, ref, piece, &header);
        if (err != TH_OK)
            (void)th_fail(diag, err, NULL, "cannot merge a segment: %s", th_err_text(err));
        store_piece_release(piece);
    }
    if (err == TH_ECORRUPT) atomic_store(&file->unmergeable, true);
    return err;
}

th_err merge_encode(merge_encoder *e, const th_segment_ref *refs, merge_task *task)
{
    th_err err = TH_OK;
    if (e->builder == NULL) return task->err = TH_ENOMEM;
    e->task = task;
    e->day = refs[task->first].day;
    start_segment(e);
    for (size_t i = 0; i < task->count && err == TH_OK; i++)
        err = add_source(e, &refs[task->first + i], &task->diag);
    if (err == TH_OK) {
        err = flush(e);
        if (err != TH_OK)
            (void)th_fail(&task->diag, err, NULL, "cannot encode a segment: %s", th_err_text(err));
    }
    task->err = err;
    return err;
}
