/* SPDX-License-Identifier: Apache-2.0
 * Which events of findings_events are the current state: the last by (UpdatedAt, log position) of each
 * (ProductArn, Id). UpdatedAt first, so that a trail of imports loaded in another order shows the same state. */
#include <stdlib.h>

#include "base/map.h"
#include "base/time.h"
#include "finding/finding_private.h"
#include "json/json.h"

#define BATCH_ROWS 4096u
#define EACH_ARENA (256u << 20)

typedef struct current_row {
    th_record_id id;
    int64_t updated_us;
    uint64_t lsn;
} current_row;

typedef struct current_state {
    th_version *version;
    th_arena *arena; /* keys and rows */
    th_map *keys;    /* ProductArn 0x00 Id -> index of rows */
    current_row *rows;
    size_t count, room;
    th_diag *diag;
} current_state;

static bool later(const current_row *a, const current_row *b)
{
    if (a->updated_us != b->updated_us) return a->updated_us > b->updated_us;
    if (a->lsn != b->lsn) return a->lsn > b->lsn;
    return a->id.day != b->id.day ? a->id.day > b->id.day : a->id.seq > b->id.seq;
}

static th_err take_row(current_state *c, th_slice product, th_slice id, const current_row *row)
{
    th_buf key;
    th_buf_init(&key, 1u << 20);
    th_buf_add_slice(&key, product);
    th_buf_add_byte(&key, 0);
    th_buf_add_slice(&key, id);
    bool added = false;
    uint64_t *slot = th_map_put(c->keys, th_buf_slice(&key), c->count, &added);
    th_buf_free(&key);
    if (slot == NULL) return TH_ELIMIT;
    if (!added) {
        if (later(row, &c->rows[*slot])) c->rows[*slot] = *row;
        return TH_OK;
    }
    if (c->count == c->room) {
        size_t room = c->room == 0 ? 1024 : c->room * 2;
        current_row *bigger = TH_NEW_ARRAY(c->arena, current_row, room);
        if (bigger == NULL) return TH_ELIMIT;
        if (c->count > 0) memcpy(bigger, c->rows, c->count * sizeof(*bigger));
        c->rows = bigger;
        c->room = room;
    }
    c->rows[c->count++] = *row;
    return TH_OK;
}

static th_slice cell_of(const th_segment_column *column, uint32_t row)
{
    uint32_t at = column->codes != NULL ? column->codes[row] : row;
    return column->kinds[at] == TH_CELL_STRING ? column->values[at] : (th_slice){0};
}

static uint64_t lsn_of(const th_loaded *loaded, uint32_t row)
{
    uint64_t lsn = 0;
    for (uint32_t i = 0; i < loaded->run_count && loaded->runs[i].first_row <= row; i++)
        lsn = loaded->runs[i].lsn;
    return lsn;
}

static th_err take_rows(current_state *c, const th_loaded *loaded, uint32_t begin, uint32_t count,
                        th_arena *batch)
{
    static const char *const paths[3] = {"ProductArn", "Id", "UpdatedAt"};
    th_segment_column columns[3];
    uint64_t bytes = 0;
    for (int i = 0; i < 3; i++) {
        TH_TRY(th_segment_read_column(loaded->segment, paths[i], begin, count, batch, &columns[i],
                                      &bytes));
    }
    for (uint32_t r = 0; r < count; r++) {
        current_row row = {
            .id = {TH_TABLE_findings_events, loaded->ref.day, loaded->ref.first_seq + begin + r},
            .lsn = lsn_of(loaded, begin + r)};
        if (!th_time_parse_iso(cell_of(&columns[2], r), &row.updated_us))
            row.updated_us = INT64_MIN;
        TH_TRY(take_row(c, cell_of(&columns[0], r), cell_of(&columns[1], r), &row));
    }
    return TH_OK;
}

static th_err take_segment(current_state *c, const th_segment_ref *ref, th_arena *batch)
{
    const th_loaded *loaded = NULL;
    TH_TRY(th_version_load(c->version, ref, &loaded, c->diag));
    th_err err = TH_OK;
    for (uint32_t begin = 0; begin < ref->rows && err == TH_OK; begin += BATCH_ROWS) {
        uint32_t count = ref->rows - begin < BATCH_ROWS ? ref->rows - begin : BATCH_ROWS;
        th_arena_reset(batch);
        err = take_rows(c, loaded, begin, count, batch);
    }
    th_version_unload(loaded);
    return err;
}

static int by_id(const void *a, const void *b)
{
    const th_record_id *x = a, *y = b;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

th_err th_finding_current(th_version *version, th_arena *arena, th_record_id **out, size_t *count,
                          th_diag *diag)
{
    current_state c = {.version = version, .arena = arena, .keys = th_map_new(arena), .diag = diag};
    th_segment_ref *refs = NULL;
    size_t ref_count = 0;
    if (c.keys == NULL) return TH_ELIMIT;
    TH_TRY(th_version_segments(version, TH_TABLE_findings_events, TH_DAY_UNDATED, INT32_MAX, arena,
                               &refs, &ref_count, diag));
    th_arena *batch = th_arena_new(EACH_ARENA, NULL);
    th_err err = batch == NULL ? TH_ENOMEM : TH_OK;
    for (size_t i = 0; i < ref_count && err == TH_OK; i++) err = take_segment(&c, &refs[i], batch);
    th_arena_free(batch);
    if (err != TH_OK) return err;
    th_record_id *ids = TH_NEW_ARRAY(arena, th_record_id, c.count + 1);
    if (ids == NULL) return TH_ELIMIT;
    for (size_t i = 0; i < c.count; i++) ids[i] = c.rows[i].id;
    qsort(ids, c.count, sizeof(*ids), by_id);
    *out = ids;
    *count = c.count;
    return TH_OK;
}

static th_err give_one(th_version *version, const th_record_id *id, th_arena *batch,
                       th_finding_fn fn, void *ctx, th_diag *diag)
{
    th_slice record;
    th_run arrival;
    th_arena_reset(batch);
    TH_TRY(th_version_record(version, id, batch, &record, &arrival, diag));
    return fn(ctx, record, arrival.lsn, arrival.arrival_us);
}

static th_err each_event(th_version *version, th_arena *arena, th_arena *batch, th_finding_fn fn,
                         void *ctx, th_diag *diag)
{
    th_segment_ref *refs = NULL;
    size_t count = 0;
    TH_TRY(th_version_segments(version, TH_TABLE_findings_events, TH_DAY_UNDATED, INT32_MAX, arena,
                               &refs, &count, diag));
    for (size_t i = 0; i < count; i++) {
        for (uint32_t r = 0; r < refs[i].rows; r++) {
            th_record_id id = {TH_TABLE_findings_events, refs[i].day, refs[i].first_seq + r};
            TH_TRY(give_one(version, &id, batch, fn, ctx, diag));
        }
    }
    return TH_OK;
}

static th_err each_current(th_version *version, th_arena *arena, th_arena *batch, th_finding_fn fn,
                           void *ctx, th_diag *diag)
{
    th_record_id *ids = NULL;
    size_t count = 0;
    TH_TRY(th_finding_current(version, arena, &ids, &count, diag));
    for (size_t i = 0; i < count; i++) TH_TRY(give_one(version, &ids[i], batch, fn, ctx, diag));
    return TH_OK;
}

th_err th_finding_each(th_version *version, bool history, th_finding_fn fn, void *ctx,
                       th_diag *diag)
{
    th_arena *arena = th_arena_new(EACH_ARENA, NULL), *batch = th_arena_new(EACH_ARENA, NULL);
    th_err err = arena == NULL || batch == NULL ? TH_ENOMEM : TH_OK;
    if (err == TH_OK)
        err = (history ? each_event : each_current)(version, arena, batch, fn, ctx, diag);
    th_arena_free(batch);
    th_arena_free(arena);
    return err;
}
