/* SPDX-License-Identifier: Apache-2.0
 * From resolved items to one th_write, and the rows that name positions (contents, deliveries, refused pieces, marks),
 * which only the committer's thread can write: late() runs there, once sequences are given. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "ingest/ingest_private.h"

#define STEPS_INLINE_MAX (1u << 20)

/* ---- positions ---------------------------------------------------------------------------------------------------------- */

static const ingest_item *row_of(const th_ingest *in, const ingest_item *item)
{
    while (item->fate == INGEST_FATE_TWIN) item = &in->items.at[item->twin];
    return item;
}

static uint64_t seq_of(const th_commit_view *view, const ingest_item *row)
{
    return row->fate == INGEST_FATE_NEW ? th_commit_first_seq(view, row->table, row->day) + row->seq
                                        : row->seq;
}

/* ---- recipes ------------------------------------------------------------------------------------------------------------ */

static void forget_trials(th_ingest *in)
{
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        if (o->has_trial) ingest_recipe_free(&o->trial);
        o->has_trial = false;
    }
}

static void keep_trials(th_ingest *in)
{
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        if (!o->has_trial) continue;
        if (o->has_recipe) ingest_recipe_free(&o->recipe);
        o->recipe = o->trial;
        o->built = o->trial_built;
        o->has_recipe = true;
        o->has_trial = false;
    }
}

static th_err start_trial(ingest_object *o)
{
    if (o->has_trial) return TH_OK;
    ingest_recipe_init(&o->trial);
    o->has_trial = true;
    o->trial_built = o->built;
    return o->has_recipe ? ingest_recipe_copy(&o->trial, &o->recipe) : TH_OK;
}

static void add_literal(ingest_object *o, uint64_t to)
{
    TH_ASSERT(to >= o->trial_built && to <= o->content.size);
    /* Within a commit gaps are short; after one that ended inside a gap the rest of it is as well. */
    while (o->trial_built < to) {
        uint64_t step =
            to - o->trial_built < INGEST_LITERAL_MAX ? to - o->trial_built : INGEST_LITERAL_MAX;
        ingest_recipe_literal(&o->trial,
                              th_slice_of(o->content.bytes + o->trial_built, (size_t)step));
        o->trial_built += step;
    }
}

static th_err build_recipes(th_ingest *in, const th_commit_view *view)
{
    for (uint32_t i = 0; i < in->items.count; i++) {
        const ingest_item *item = &in->items.at[i];
        ingest_object *o = &in->objects.at[item->object];
        if (item->outside || o->known) continue;
        TH_TRY(start_trial(o));
        const ingest_item *row = row_of(in, item);
        uint64_t seq = seq_of(view, row);
        add_literal(o, item->offset);
        if (item->table == TH_TABLE_blobs) {
            ingest_recipe_blob(&o->trial, row->day, seq, item->size);
        } else {
            ingest_recipe_record(&o->trial, (ingest_record_mode)item->mode, item->escape,
                                 row->table, row->day, seq);
        }
        if (item->mode != INGEST_MODE_GHOST) o->trial_built = item->offset + item->size;
    }
    return TH_OK;
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

/* Steps that are too long for one row go to blobs; the row then names those. */
static th_err move_steps(const th_commit_view *view, th_buf *steps, th_buf *row)
{
    ingest_blob_place place = {.day = view->arrival_day};
    th_slice rest = th_buf_slice(steps);
    while (rest.size > 0) {
        size_t size = rest.size < TH_CHUNK_SIZE_MAX ? rest.size : TH_CHUNK_SIZE_MAX;
        th_row blob = {.record = th_slice_of(rest.bytes, size), .object = INGEST_NONE};
        uint64_t seq;
        TH_TRY(th_write_add_late(view, th_model_table(TH_TABLE_blobs), place.day, &blob, &seq));
        if (place.count == 0) place.first = seq;
        TH_ASSERT(seq == place.first + place.count);
        place.count++;
        rest = th_slice_of(rest.bytes + size, rest.size - size);
    }
    ingest_step_write_more(row, place.day, place.first, place.count, steps->size);
    return TH_OK;
}

static th_err add_content_row(const th_commit_view *view, ingest_object *o, uint32_t delivery)
{
    TH_TRY(start_trial(o));
    add_literal(o, o->content.size);
    TH_TRY(ingest_recipe_finish(&o->trial));
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
    th_err err = TH_OK;
    if (o->trial.steps.size > STEPS_INLINE_MAX)
        err = move_steps(view, &o->trial.steps, &row);
    else
        th_buf_add_slice(&row, th_buf_slice(&o->trial.steps));
    uint64_t seq;
    if (err == TH_OK)
        err = add_late(view, TH_TABLE_contents, view->arrival_day, &row, o->fingerprint, delivery,
                       &seq);
    th_buf_free(&row);
    return err;
}

static ingest_blob_place place_of(const th_ingest *in, const th_commit_view *view, uint32_t first,
                                  uint32_t count)
{
    if (count == 0) return (ingest_blob_place){0};
    const ingest_item *item = &in->items.at[first];
    return (ingest_blob_place){item->day, seq_of(view, item), count};
}

static th_err add_deliveries(th_ingest *in, const th_commit_view *view, th_buf *row)
{
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        ingest_blob_place container = place_of(in, view, o->container_item, o->container_items);
        th_buf_clear(row);
        ingest_delivery_json(in, o, view->arrival_us, &container, row);
        uint64_t seq;
        TH_TRY(add_late(view, TH_TABLE_objects, view->arrival_day, row, 0, i, &seq));
        if (o->same == INGEST_NONE && !o->known) TH_TRY(add_content_row(view, o, i));
    }
    return TH_OK;
}

static th_err add_refusals(th_ingest *in, const th_commit_view *view, th_buf *row)
{
    for (uint32_t i = 0; i < in->refusals.count; i++) {
        const ingest_refusal *r = &in->refusals.at[i];
        if (in->objects.at[r->object].known && r->blob_count == 0) continue;
        ingest_blob_place blob = place_of(in, view, r->first_blob, r->blob_count);
        th_buf_clear(row);
        ingest_quarantine_json(in, r, view->arrival_us, &blob, row);
        uint64_t seq;
        TH_TRY(add_late(view, TH_TABLE_quarantine, view->arrival_day, row, 0,
                        in->part ? INGEST_NONE : r->object, &seq));
    }
    return TH_OK;
}

static th_err add_marks(th_ingest *in, const th_commit_view *view, th_buf *row)
{
    for (uint32_t i = 0; i < in->marks.count; i++) {
        const ingest_mark *m = &in->marks.at[i];
        uint64_t target = m->item == INGEST_NONE ? m->seq : seq_of(view, &in->items.at[m->item]);
        th_buf_clear(row);
        ingest_mark_write(row, m->table, target, m->action);
        uint64_t seq;
        TH_TRY(
            add_late(view, TH_TABLE_hidden_rows, m->day, row, m->fingerprint, INGEST_NONE, &seq));
    }
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
    forget_trials(in);
    th_buf row;
    th_buf_init(&row, TH_RECORD_SIZE_MAX);
    err = build_recipes(in, view);
    if (err == TH_OK && !in->part) err = add_deliveries(in, view, &row);
    if (err == TH_OK) err = add_refusals(in, view, &row);
    if (err == TH_OK) err = add_marks(in, view, &row);
    th_buf_free(&row);
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, NULL, "cannot write deliveries: %s", th_err_text(err));
}

/* ---- the write ---------------------------------------------------------------------------------------------------------- */

static th_err add_row(th_ingest *in, th_write *write, ingest_item *item)
{
    th_row row = {
        .record = item->bytes,
        .layout = item->layout,
        .has_time = item->has_time,
        .time_us = item->time_us,
        .fingerprint = item->fingerprint,
        .object = in->part ? INGEST_NONE : item->object,
    };
    uint32_t local;
    TH_TRY(th_write_add(write, th_model_table(item->table), item->day, &row, &local));
    item->seq = local;
    return TH_OK;
}

static th_err fill_write(th_ingest *in, th_write *write)
{
    for (uint32_t i = 0; i < in->objects.count && !in->part; i++) {
        const ingest_object *o = &in->objects.at[i];
        uint32_t index = th_write_add_object(write);
        TH_ASSERT(index == i);
        if (!o->known && o->same == INGEST_NONE)
            th_write_claim(write, TH_TABLE_contents, o->fingerprint);
    }
    for (uint32_t i = 0; i < in->items.count; i++) {
        ingest_item *item = &in->items.at[i];
        if (!ingest_item_counts(in, item)) continue;
        if (item->promote) th_write_claim(write, item->table, item->fingerprint);
        if (item->fate == INGEST_FATE_NEW) TH_TRY(add_row(in, write, item));
    }
    return TH_OK;
}

static void count_commit(th_ingest *in, uint64_t lsn)
{
    th_ingest_summary *s = &in->summary;
    if (lsn > s->lsn) s->lsn = lsn;
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        s->records += o->now_new;
        s->duplicates += o->now_duplicates;
        s->variants += o->now_variants;
        o->duplicates += o->now_duplicates;
        o->variants += o->now_variants;
        if (in->part) continue;
        bool known = o->known || o->same != INGEST_NONE;
        if (known)
            s->duplicates += o->same != INGEST_NONE ? in->objects.at[o->same].records : o->records;
        s->objects += !known && !o->again;
        s->objects_known += known || o->again;
        s->deliveries++;
        s->bytes += o->content.size;
    }
    for (uint32_t i = 0; i < in->refusals.count; i++) {
        const ingest_refusal *r = &in->refusals.at[i];
        const ingest_object *o = &in->objects.at[r->object];
        if (o->known && r->blob_count == 0) continue;
        s->quarantined++;
        ingest_add_reason(in, o->name, r->offset, r->reason);
    }
}

static th_err try_commit(th_ingest *in, th_diag *diag)
{
    th_version *version = th_store_version(in->store);
    /* Contents must be looked up in the version that fates come from: late() asks only for what came after it. */
    bool older = in->contents_lsn < th_version_lsn(version);
    th_err err = older && !in->part ? ingest_find_contents(in, version, diag) : TH_OK;
    if (err == TH_OK) err = ingest_resolve(in, version, diag);
    th_version_release(version);
    TH_TRY(err);
    th_write *write = th_write_new(in->store);
    if (write == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a commit");
    uint64_t lsn = 0;
    err = fill_write(in, write);
    if (err != TH_OK) {
        err = th_fail(diag, err, NULL, "cannot fill a commit: %s", th_err_text(err));
    } else {
        th_write_set_late(write, late, in);
        err = th_store_commit(in->store, write, &lsn, diag);
    }
    th_write_free(write);
    if (err == TH_OK) {
        keep_trials(in);
        count_commit(in, lsn);
    } else {
        forget_trials(in);
    }
    return err;
}

th_err ingest_commit_items(th_ingest *in, bool part, th_diag *diag)
{
    in->part = part;
    th_err err = TH_EAGAIN;
    for (int i = 0; i < INGEST_TRIES_MAX && err == TH_EAGAIN; i++) {
        if (i > 0) th_diag_clear(diag);
        err = try_commit(in, diag);
    }
    in->part = false;
    if (err == TH_EAGAIN)
        return th_fail(diag, TH_EBUSY, NULL, "others commit the same records all the time");
    if (err == TH_OK) ingest_stage_clear(in);
    return err;
}
