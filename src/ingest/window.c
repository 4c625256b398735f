/* SPDX-License-Identifier: Apache-2.0
 * A window on its way into the write: fates, rows, steps of recipes, marks. What is kept of it afterwards are places of
 * rows, in logs and in the table of what was seen; its items are used again. */
#include <stdlib.h>

#include "base/assert.h"
#include "ingest/ingest_private.h"
#include "os/os.h"

enum { DRAFT_STEP = 64 << 10 };

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

static th_err add_row(th_ingest *in, ingest_item *item)
{
    th_row row = {
        .record = item->bytes,
        .layout = item->layout,
        .has_time = item->has_time,
        .time_us = item->time_us,
        .fingerprint = item->fingerprint,
        .object = item->object,
        .sha = item->has_hashes ? &item->sha : NULL,
    };
    uint32_t local;
    TH_TRY(th_write_add(in->write, th_model_table(item->table), item->day, &row, &local));
    item->seq = INGEST_SEQ_OWN | local;
    return TH_OK;
}

static int by_day(const void *a, const void *b)
{
    const ingest_item *x = *(ingest_item *const *)a, *y = *(ingest_item *const *)b;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* A write has few days open at a time: rows of many days go there by days, or each would be a segment of its own. */
static th_err add_rows_by_day(th_ingest *in)
{
    ingest_item **rows = malloc((in->window.items.count + 1u) * sizeof(ingest_item *));
    if (rows == NULL) return TH_ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        ingest_item *item = &in->window.items.at[i];
        if (ingest_item_counts(in, item) && item->fate == INGEST_FATE_NEW) rows[count++] = item;
    }
    qsort(rows, count, sizeof(ingest_item *), by_day);
    th_err err = TH_OK;
    for (uint32_t i = 0; i < count && err == TH_OK; i++) err = add_row(in, rows[i]);
    free(rows);
    return err;
}

static th_err add_rows(th_ingest *in)
{
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        ingest_item *item = &in->window.items.at[i];
        if (!ingest_item_counts(in, item)) continue;
        if (item->promote) th_write_claim(in->write, item->table, item->fingerprint);
        if (item->fate == INGEST_FATE_NEW && !in->window.many_days) TH_TRY(add_row(in, item));
    }
    return in->window.many_days ? add_rows_by_day(in) : TH_OK;
}

static const ingest_item *row_of(const th_ingest *in, const ingest_item *item)
{
    while (item->fate == INGEST_FATE_TWIN) item = &in->window.items.at[item->twin];
    return item;
}

/* ---- drafts of recipes --------------------------------------------------------------------------------------------------- */

static void add_literal(ingest_object *o, uint64_t to)
{
    TH_ASSERT(to >= o->built && to <= o->content.size);
    /* Gaps are short; the last one of a content that ends in short refused pieces may be any number of them. */
    while (o->built < to) {
        uint64_t step = to - o->built < INGEST_LITERAL_MAX ? to - o->built : INGEST_LITERAL_MAX;
        ingest_recipe_literal(&o->recipe, th_slice_of(o->content.bytes + o->built, (size_t)step));
        o->built += step;
    }
}

/* A long draft leaves memory. */
static th_err move_steps(th_ingest *in, ingest_object *o, th_diag *diag)
{
    if (o->moved == NULL) {
        o->moved = malloc(sizeof(*o->moved));
        if (o->moved == NULL) return TH_ENOMEM;
        ingest_log_init(o->moved, in->tmp_dir);
    }
    th_buf_add_slice(&o->moved->tail, th_buf_slice(&o->recipe.steps));
    TH_TRY(th_buf_error(&o->recipe.steps));
    th_buf_clear(&o->recipe.steps);
    return ingest_log_settle(o->moved, diag);
}

static void start_recipe(ingest_object *o)
{
    if (!o->has_recipe) ingest_recipe_init(&o->recipe);
    o->has_recipe = true;
}

static th_err draft_recipes(th_ingest *in, th_diag *diag)
{
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        const ingest_item *item = &in->window.items.at[i];
        ingest_object *o = &in->objects.at[item->object];
        if (item->outside || o->known) continue;
        start_recipe(o);
        const ingest_item *row = row_of(in, item);
        add_literal(o, item->offset);
        if (item->table == TH_TABLE_blobs) {
            ingest_recipe_blob(&o->recipe, row->day, row->seq, item->size);
        } else {
            ingest_recipe_record(&o->recipe, (ingest_record_mode)item->mode, item->escape,
                                 row->table, row->day, row->seq);
        }
        if (item->mode != INGEST_MODE_GHOST) o->built = item->offset + item->size;
        if (o->recipe.steps.size >= DRAFT_STEP) TH_TRY(move_steps(in, o, diag));
    }
    return TH_OK;
}

/* All windows are taken: the rest of each content. */
static th_err finish_drafts(th_ingest *in, th_diag *diag)
{
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        if (o->known || o->same != INGEST_NONE) continue;
        start_recipe(o);
        add_literal(o, o->content.size);
        TH_TRY(ingest_recipe_finish(&o->recipe));
        o->draft = th_buf_slice(&o->recipe.steps);
        if (o->moved == NULL) continue;
        TH_TRY(move_steps(in, o, diag));
        TH_TRY(ingest_log_finish(o->moved, &o->draft, diag));
    }
    return TH_OK;
}

/* ---- marks --------------------------------------------------------------------------------------------------------------- */

static th_err log_marks(th_ingest *in, th_diag *diag)
{
    th_buf *out = &in->mark_log.tail;
    for (uint32_t i = 0; i < in->marks.count; i++) {
        const ingest_mark *m = &in->marks.at[i];
        th_buf_add_u16(out, m->table);
        th_buf_add_u32(out, (uint32_t)m->day);
        th_buf_add_u64(out, m->item == INGEST_NONE ? m->seq : in->window.items.at[m->item].seq);
        th_buf_add_byte(out, m->action);
        th_buf_add_u64(out, m->fingerprint);
        TH_TRY(ingest_log_settle(&in->mark_log, diag));
    }
    return TH_OK;
}

bool ingest_mark_next(th_reader *in, ingest_mark *out)
{
    if (in->bad || in->pos == in->end) return false;
    *out = (ingest_mark){.item = INGEST_NONE};
    out->table = th_take_u16(in);
    out->day = (int32_t)th_take_u32(in);
    out->seq = th_take_u64(in);
    out->action = th_take_u8(in);
    out->fingerprint = th_take_u64(in);
    return !in->bad;
}

/* ---- what later windows must know ------------------------------------------------------------------------------------------- */

static th_err remember(th_ingest *in, th_diag *diag)
{
    if (in->seen == NULL) in->seen = ingest_seen_new(in->tmp_dir);
    if (in->seen == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        const ingest_item *item = &in->window.items.at[i];
        bool is_new = item->fate == INGEST_FATE_NEW;
        bool promoted = item->promote && (item->seq & INGEST_SEQ_OWN) == 0;
        if (item->fingerprint == 0 || !ingest_item_counts(in, item) || !(is_new || promoted))
            continue;
        ingest_seen_row row = {.fingerprint = item->fingerprint,
                               .hash = item->hash,
                               .offset = item->offset,
                               .seq = item->seq,
                               .size = (uint32_t)item->size,
                               .object = item->object,
                               .day = item->day,
                               .table = item->table,
                               .mode = item->mode,
                               .stored = !is_new,
                               .delivered = item->delivered_form || item->promote};
        TH_TRY(ingest_seen_add(in->seen, &row, diag));
    }
    return TH_OK;
}

static ingest_blob_place place_of(const th_ingest *in, const ingest_blob_items *items)
{
    if (items->count == 0) return (ingest_blob_place){0};
    const ingest_item *first = &in->window.items.at[items->first];
    return (ingest_blob_place){first->day, first->seq, items->count};
}

static th_err finish_window(th_ingest *in, th_diag *diag)
{
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        o->container_place = place_of(in, &o->container_items);
        o->trailing_place = place_of(in, &o->trailing_items);
    }
    TH_TRY(finish_drafts(in, diag));
    TH_TRY(ingest_log_finish(&in->mark_log, &in->mark_bytes, diag));
    return ingest_log_finish(&in->refusals, &in->refusal_bytes, diag);
}

static th_err fill_write(th_ingest *in, bool last, th_diag *diag)
{
    in->windows++;
    TH_TRY(ingest_resolve(in, diag));
    TH_TRY(add_rows(in));
    TH_TRY(draft_recipes(in, diag));
    TH_TRY(log_marks(in, diag));
    if (last) return finish_window(in, diag);
    TH_TRY(remember(in, diag));
    TH_FAILPOINT("ingest_window");
    return TH_OK;
}

th_err ingest_window_fill(th_ingest *in, bool last, th_diag *diag)
{
    th_err err = fill_write(in, last, diag);
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, NULL, "cannot fill a commit: %s", th_err_text(err));
}

void ingest_window_swap(th_ingest *in)
{
    ingest_window full = in->staged;
    in->staged = in->window;
    in->window = full;
    in->staged.items.count = 0;
    in->staged.bytes = 0;
    th_arena_reset(in->staged.arena);
}
