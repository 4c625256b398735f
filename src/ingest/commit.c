/* SPDX-License-Identifier: Apache-2.0
 * A batch as one th_write, and the rows that name positions (contents, deliveries, refused pieces, marks), which only the
 * committer's thread can write: late() runs there, once sequences are given. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "ingest/ingest_private.h"
#include "os/os.h"

#define STEPS_INLINE_MAX TH_CHUNK_SIZE_MAX

/* The sequence of an item's or a draft's row. */
static uint64_t seq_of(const th_commit_view *view, uint32_t table, int32_t day, uint64_t seq)
{
    if ((seq & INGEST_SEQ_OWN) == 0) return seq;
    return th_commit_first_seq(view, table, day) + (seq & ~INGEST_SEQ_OWN);
}

/* ---- late rows ---------------------------------------------------------------------------------------------------------- */

static th_err add_late(const th_commit_view *view, th_table_id table, int32_t day, th_buf *record,
                       uint64_t fingerprint, uint32_t object, uint64_t *seq)
{
    TH_TRY(th_buf_error(record));
    const th_stored_table *t = th_model_table((uint32_t)table);
    th_row row = {.record = th_buf_slice(record), .fingerprint = fingerprint, .object = object};
    row.has_time = th_model_time(t, row.record, (th_slice){0}, &row.time_us);
    return th_write_add_late(view, t, day, &row, seq);
}

/* Steps that are too long for one row go to blobs, some at a time; the row then names those. */
typedef struct step_sink {
    const th_commit_view *view;
    th_buf steps;
    ingest_blob_place place;
    uint64_t moved; /* bytes */
} step_sink;

static th_err move_steps(step_sink *s)
{
    th_row blob = {.record = th_buf_slice(&s->steps), .object = INGEST_NONE};
    const th_stored_table *blobs = th_model_table(TH_TABLE_blobs);
    uint64_t seq;
    s->place.day = s->view->arrival_day;
    TH_TRY(th_write_add_late(s->view, blobs, s->place.day, &blob, &seq));
    if (s->place.count == 0) s->place.first = seq;
    TH_ASSERT(seq == s->place.first + s->place.count);
    s->place.count++;
    s->moved += s->steps.size;
    th_buf_clear(&s->steps);
    return TH_OK;
}

/* The draft with its rows' sequences. A step is far smaller than a row may be. */
static th_err write_steps(step_sink *s, th_slice draft)
{
    enum { STEP_ROOM = 4 * INGEST_LITERAL_MAX };
    ingest_recipe_reader reader = ingest_recipe_reader_of(draft);
    ingest_step_writer writer = {0};
    ingest_step step;
    while (ingest_recipe_next(&reader, &step)) {
        uint32_t table = step.kind == INGEST_STEP_RUN ? step.table : TH_TABLE_blobs;
        if (step.kind != INGEST_STEP_LITERAL)
            step.first = seq_of(s->view, table, step.day, step.first);
        ingest_step_write(&writer, &step, &s->steps);
        TH_TRY(th_buf_error(&s->steps));
        if (s->steps.size > STEPS_INLINE_MAX - STEP_ROOM) TH_TRY(move_steps(s));
    }
    TH_ASSERT(!reader.in.bad);
    return TH_OK;
}

static th_err add_steps(const th_commit_view *view, const ingest_object *o, th_buf *row)
{
    step_sink s = {.view = view};
    th_buf_init(&s.steps, STEPS_INLINE_MAX);
    th_err err = write_steps(&s, o->draft);
    if (err == TH_OK && s.place.count > 0 && s.steps.size > 0) err = move_steps(&s);
    if (s.place.count > 0)
        ingest_step_write_more(row, s.place.day, s.place.first, s.place.count, s.moved);
    else
        th_buf_add_slice(row, th_buf_slice(&s.steps));
    th_buf_free(&s.steps);
    return err;
}

static th_err add_content_row(const th_commit_view *view, const ingest_object *o, uint32_t delivery)
{
    ingest_content_head head = {
        .sha = o->sha,
        .size = o->content.size,
        .source = o->source,
        .form = o->form,
        .recogniser_version =
            o->result.source == INGEST_AUTO ? 0 : ingest_recognisers[o->result.source].version,
        .records = o->records,
        .refused = o->refused,
    };
    th_buf row;
    th_buf_init(&row, TH_RECORD_SIZE_MAX);
    ingest_content_head_write(&row, &head);
    th_err err = add_steps(view, o, &row);
    uint64_t seq;
    if (err == TH_OK)
        err = add_late(view, TH_TABLE_contents, view->arrival_day, &row, o->fingerprint, delivery,
                       &seq);
    th_buf_free(&row);
    return err;
}

static ingest_blob_place placed(const th_commit_view *view, const ingest_blob_place *own)
{
    ingest_blob_place place = *own;
    if (place.count > 0) place.first = seq_of(view, TH_TABLE_blobs, place.day, place.first);
    return place;
}

static th_err add_deliveries(th_ingest *in, const th_commit_view *view, th_buf *row)
{
    for (uint32_t i = 0; i < in->objects.count; i++) {
        const ingest_object *o = &in->objects.at[i];
        ingest_blob_place container = placed(view, &o->container_place);
        th_buf_clear(row);
        ingest_delivery_json(in, o, view->arrival_us, &container, row);
        uint64_t seq;
        TH_TRY(add_late(view, TH_TABLE_objects, view->arrival_day, row, 0, i, &seq));
        if (o->same == INGEST_NONE && !o->known) TH_TRY(add_content_row(view, o, i));
    }
    return TH_OK;
}

static th_err add_refusal(th_ingest *in, const th_commit_view *view, const ingest_refusal *r,
                          const ingest_blob_place *blob, th_buf *row)
{
    th_buf_clear(row);
    ingest_quarantine_json(in, r, view->arrival_us, blob, row);
    uint64_t seq;
    return add_late(view, TH_TABLE_quarantine, view->arrival_day, row, 0, r->object, &seq);
}

/* What stands behind a gzip stream is no part of the content, known or not. */
static bool refuses_trailing(const th_ingest *in, uint32_t object, ingest_refusal *out)
{
    const ingest_object *o = &in->objects.at[object];
    *out = (ingest_refusal){.object = object,
                            .offset = o->container_used,
                            .size = o->trailing.size,
                            .reason = o->container_problem};
    return o->trailing.size > 0;
}

static th_err add_refusals(th_ingest *in, const th_commit_view *view, th_buf *row)
{
    static const ingest_blob_place none;
    th_reader log = th_reader_of(in->refusal_bytes);
    ingest_refusal r;
    while (ingest_refusal_next(&log, &r))
        if (!in->objects.at[r.object].known) TH_TRY(add_refusal(in, view, &r, &none, row));
    TH_ASSERT(!log.bad);
    for (uint32_t i = 0; i < in->objects.count; i++) {
        if (!refuses_trailing(in, i, &r)) continue;
        ingest_blob_place blob = placed(view, &in->objects.at[i].trailing_place);
        TH_TRY(add_refusal(in, view, &r, &blob, row));
    }
    return TH_OK;
}

static th_err add_marks(th_ingest *in, const th_commit_view *view, th_buf *row)
{
    th_reader log = th_reader_of(in->mark_bytes);
    ingest_mark m;
    while (ingest_mark_next(&log, &m)) {
        th_buf_clear(row);
        ingest_mark_write(row, m.table, seq_of(view, m.table, m.day, m.seq), m.action);
        uint64_t seq;
        TH_TRY(add_late(view, TH_TABLE_hidden_rows, m.day, row, m.fingerprint, INGEST_NONE, &seq));
    }
    TH_ASSERT(!log.bad);
    return TH_OK;
}

static th_err late(void *ctx, const th_commit_view *view, th_diag *diag)
{
    th_ingest *in = ctx;
    bool hit = false;
    th_version *fresh = th_store_version(view->store);
    th_err err = ingest_check_since(in, fresh, &hit, diag);
    th_version_release(fresh);
    TH_TRY(err);
    if (hit) return TH_EAGAIN;
    th_buf row;
    th_buf_init(&row, TH_RECORD_SIZE_MAX);
    err = add_deliveries(in, view, &row);
    if (err == TH_OK) err = add_refusals(in, view, &row);
    if (err == TH_OK) err = add_marks(in, view, &row);
    th_buf_free(&row);
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, NULL, "cannot write deliveries: %s", th_err_text(err));
}

/* ---- the batch ---------------------------------------------------------------------------------------------------------- */

static void count_refusal(th_ingest *in, const ingest_refusal *r)
{
    in->summary.quarantined++;
    ingest_add_reason(in, in->objects.at[r->object].name, r->offset, r->reason);
}

static void count_commit(th_ingest *in, uint64_t lsn)
{
    th_ingest_summary *s = &in->summary;
    th_reader log = th_reader_of(in->refusal_bytes);
    ingest_refusal r;
    if (lsn > s->lsn) s->lsn = lsn;
    while (ingest_refusal_next(&log, &r))
        if (!in->objects.at[r.object].known) count_refusal(in, &r);
    for (uint32_t i = 0; i < in->objects.count; i++) {
        const ingest_object *o = &in->objects.at[i];
        bool known = o->known || o->same != INGEST_NONE;
        s->records += o->added;
        s->duplicates += o->duplicates;
        s->variants += o->variants;
        if (known)
            s->duplicates += o->same != INGEST_NONE ? in->objects.at[o->same].records : o->records;
        s->objects += !known && !o->again;
        s->objects_known += known || o->again;
        s->deliveries++;
        s->bytes += o->content.size;
        if (refuses_trailing(in, i, &r)) count_refusal(in, &r);
    }
}

void ingest_forget_try(th_ingest *in)
{
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        ingest_object_forget(o);
        o->built = o->added = o->duplicates = o->variants = 0;
    }
    ingest_log_clear(&in->mark_log);
    ingest_seen_free(in->seen);
    in->seen = NULL;
    th_write_free(in->write);
    in->write = NULL;
    th_version_release(in->version);
    in->version = NULL;
}

static th_err start_write(th_ingest *in, th_diag *diag)
{
    in->windows = 0;
    in->version = th_store_version(in->store);
    in->snapshot_lsn = th_version_lsn(in->version);
    TH_TRY(ingest_find_contents(in, in->version, diag));
    in->write = th_write_new(in->store);
    if (in->write == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a commit");
    for (uint32_t i = 0; i < in->objects.count; i++) {
        const ingest_object *o = &in->objects.at[i];
        uint32_t index = th_write_add_object(in->write);
        TH_ASSERT(index == i || index == INGEST_NONE); /* no memory: the write says so */
        if (!o->known && o->same == INGEST_NONE)
            th_write_claim(in->write, TH_TABLE_contents, o->fingerprint);
    }
    return TH_OK;
}

static th_err stage_all(th_ingest *in, th_diag *diag)
{
    in->window.items.count = 0;
    ingest_stage_clear(in);
    for (uint32_t i = 0; i < in->objects.count; i++) {
        const ingest_object *o = &in->objects.at[i];
        if (!o->known && o->same == INGEST_NONE) TH_TRY(ingest_stage_object(in, i, diag));
    }
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        TH_TRY(ingest_stage_outside(in, i, o->container, &o->container_items));
        TH_TRY(ingest_stage_outside(in, i, o->trailing, &o->trailing_items));
    }
    return TH_OK;
}

/* A batch of many windows took long to prepare: what came meanwhile is looked at here, for the committer has others to
 * serve. */
static th_err look_again(th_ingest *in, th_diag *diag)
{
    bool hit = false;
    th_version *fresh = th_store_version(in->store);
    th_err err = ingest_check_since(in, fresh, &hit, diag);
    in->snapshot_lsn = th_version_lsn(fresh);
    th_version_release(fresh);
    return err == TH_OK && hit ? TH_EAGAIN : err;
}

th_err ingest_prepare(th_ingest *in, bool *staged, th_diag *diag)
{
    TH_TRY(start_write(in, diag));
    if (!*staged) {
        th_err err = stage_all(in, diag), settled = ingest_window_settle(in, diag);
        TH_TRY(err);
        TH_TRY(settled);
        ingest_window_swap(in);
        /* One window can be tried again as it is. */
        *staged = in->windows == 0;
    }
    return ingest_window_fill(in, true, diag);
}

th_err ingest_commit_prepared(th_ingest *in, th_diag *diag)
{
    uint64_t lsn = 0;
    TH_FAILPOINT("ingest_prepared");
    TH_TRY(th_write_encode(in->write, diag));
    if (in->windows > 1) TH_TRY(look_again(in, diag));
    th_write_set_late(in->write, late, in);
    TH_TRY(th_store_commit(in->store, in->write, &lsn, diag));
    count_commit(in, lsn);
    return TH_OK;
}

th_err ingest_commit_batch(th_ingest *in, th_diag *diag)
{
    TH_TRY(ingest_identify_objects(in));
    bool staged = false;
    th_err err = TH_EAGAIN;
    for (int i = 0; i < INGEST_TRIES_MAX && err == TH_EAGAIN; i++) {
        if (i > 0) th_diag_clear(diag);
        err = ingest_prepare(in, &staged, diag);
        if (err == TH_OK) err = ingest_commit_prepared(in, diag);
        ingest_forget_try(in);
    }
    return err == TH_EAGAIN
               ? th_fail(diag, TH_EBUSY, NULL, "others commit the same records all the time")
               : err;
}
