/* SPDX-License-Identifier: Apache-2.0
 * From contents to items: each record gets time, day and fingerprint; long runs of other bytes become chunks for `blobs`.
 * What is staged borrows from contents, which live until their commit, and from the window that it lies in. */
#include "base/limits.h"
#include "base/time.h"
#include "ingest/escape.h"
#include "ingest/ingest_private.h"
#include "os/os.h"

enum {
    WINDOW_DAYS_FEW = 64, /* a write encodes so many days at a time */
    WINDOW_SMALL = 16     /* the part of a window that is a small one */
};

typedef struct stage {
    th_ingest *in;
    uint32_t object;
    th_diag *diag;
    th_buf identity;
    uint64_t ordinal;
    uint64_t unplaced; /* records that were refused because their day had no room */
} stage;

void ingest_identity(const th_stored_table *table, th_slice record,
                     const struct th_json_members *members, const th_sha256 *content,
                     uint64_t ordinal, th_buf *out)
{
    if (th_model_identity_in(table, record, members, content->bytes, ordinal, out)) return;
    th_sha256 sha = th_sha256_of(record);
    th_buf_add_varint(out, (uint64_t)table->id);
    th_buf_add(out, sha.bytes, TH_SHA256_SIZE);
}

void ingest_stage_clear(th_ingest *in)
{
    in->staged.items.count = 0;
    in->staged.bytes = 0;
    in->staged.many_days = false;
    th_arena_reset(in->staged.arena);
    ingest_log_clear(&in->refusals);
    in->handed_over = 0;
    in->days = NULL;
    th_arena_reset(in->days_arena);
    in->last_table = 0;
    in->today = th_day_from_us(th_os_now_us());
    for (uint32_t i = 0; i < in->objects.count; i++) in->objects.at[i].cursor = 0;
}

/* Count the (table, day). *fits: the commit has room for it, or `always`. */
static th_err count_day(th_ingest *in, uint16_t table, int32_t day, bool always, bool *fits)
{
    *fits = true;
    if (in->days != NULL && in->last_table == table && in->last_day == day) return TH_OK;
    if (in->days == NULL) in->days = th_map_new(in->days_arena);
    if (in->days == NULL) return TH_ENOMEM;
    uint8_t bytes[6] = {(uint8_t)table,
                        (uint8_t)(table >> 8),
                        (uint8_t)day,
                        (uint8_t)((uint32_t)day >> 8),
                        (uint8_t)((uint32_t)day >> 16),
                        (uint8_t)((uint32_t)day >> 24)};
    th_slice key = th_slice_of(bytes, sizeof(bytes));
    *fits = always || th_map_count(in->days) < in->days_max || th_map_get(in->days, key) != NULL;
    if (!*fits) return TH_OK;
    if (th_map_put(in->days, key, 0, NULL) == NULL) return TH_ENOMEM;
    in->last_table = table;
    in->last_day = day;
    return TH_OK;
}

static th_err add_item(th_ingest *in, const ingest_item *item)
{
    ingest_window *w = &in->staged;
    TH_TRY(INGEST_GROW(w->items));
    w->items.at[w->items.count++] = *item;
    w->bytes += item->bytes.size;
    w->many_days = th_map_count(in->days) > WINDOW_DAYS_FEW;
    return TH_OK;
}

/* Where two threads take turns, the first windows are small so that the second one starts soon, and so are the last ones:
 * a thread works alone on no more than a small one. In between they are large, for each costs a look at the archive. */
static uint64_t window_limit(const stage *s)
{
    const th_ingest *in = s->in;
    const ingest_object *o = &in->objects.at[s->object];
    uint64_t largest = in->window_bytes, smallest = largest / WINDOW_SMALL;
    if (!ingest_has_helpers(in)) return largest;
    uint64_t limit = (o->content.size - o->cursor) / 2;
    uint64_t grown = in->handed_over < 16 ? smallest << in->handed_over : largest;
    if (limit > grown) limit = grown;
    return limit < smallest ? smallest : limit < largest ? limit : largest;
}

static th_err make_room(stage *s)
{
    th_ingest *in = s->in;
    const ingest_window *w = &in->staged;
    bool large = in->object_bytes > in->window_bytes;
    uint64_t limit = large ? window_limit(s) : in->window_bytes;
    if (w->bytes < limit && w->items.count < INGEST_ITEMS_MAX) return TH_OK;
    in->handed_over++;
    return ingest_window_hand_over(in, s->diag);
}

static th_err add_blob(th_ingest *in, ingest_item *item)
{
    bool fits;
    item->table = TH_TABLE_blobs;
    item->day = in->today;
    TH_TRY(count_day(in, item->table, item->day, true, &fits));
    return add_item(in, item);
}

/* Bytes [offset, offset + size) of the content, for `blobs`. */
static th_err add_blobs(stage *s, uint64_t offset, uint64_t size)
{
    const ingest_object *object = &s->in->objects.at[s->object];
    while (size > 0) {
        uint64_t chunk = size < TH_CHUNK_SIZE_MAX ? size : TH_CHUNK_SIZE_MAX;
        ingest_item item = {
            .bytes = th_slice_of(object->content.bytes + offset, (size_t)chunk),
            .offset = offset,
            .size = chunk,
            .object = s->object,
        };
        TH_TRY(add_blob(s->in, &item));
        TH_TRY(make_room(s));
        offset += chunk;
        size -= chunk;
    }
    return TH_OK;
}

/* The envelope's bytes up to offset: short ones are implied by the places of items, long ones are chunks. */
static th_err cover_gap(stage *s, uint64_t from, uint64_t to)
{
    return to - from > INGEST_LITERAL_MAX ? add_blobs(s, from, to - from) : TH_OK;
}

th_err ingest_stage_outside(th_ingest *in, uint32_t object, th_slice bytes, ingest_blob_items *out)
{
    out->first = in->staged.items.count;
    while (bytes.size > 0) {
        size_t chunk = bytes.size < TH_CHUNK_SIZE_MAX ? bytes.size : TH_CHUNK_SIZE_MAX;
        ingest_item item = {
            .bytes = th_slice_of(bytes.bytes, chunk),
            .object = object,
            .outside = true,
        };
        TH_TRY(add_blob(in, &item));
        bytes = th_slice_of(bytes.bytes + chunk, bytes.size - chunk);
    }
    out->count = in->staged.items.count - out->first;
    return TH_OK;
}

static th_err stage_refusal(stage *s, const ingest_piece *piece)
{
    ingest_refusal refusal = {
        .object = s->object, .offset = piece->offset, .size = piece->size, .reason = piece->reason};
    ingest_refusal_write(&s->in->refusals.tail, &refusal);
    TH_TRY(ingest_log_settle(&s->in->refusals, s->diag));
    /* A long piece is chunks of its own; a short one is part of the bytes between records. */
    return piece->size > INGEST_LITERAL_MAX ? add_blobs(s, piece->offset, piece->size) : TH_OK;
}

static th_err fill_escaped(stage *s, const ingest_piece *piece, ingest_item *item)
{
    th_slice copy = th_arena_copy(s->in->staged.arena, piece->record);
    if (copy.bytes == NULL) return TH_ENOMEM;
    const ingest_object *object = &s->in->objects.at[s->object];
    th_slice raw = th_slice_of(object->content.bytes + piece->offset, (size_t)piece->size);
    item->bytes = copy;
    item->mode =
        ingest_escape_find(raw, copy, &item->escape) ? INGEST_MODE_ESCAPED : INGEST_MODE_GHOST;
    if (item->mode == INGEST_MODE_GHOST) item->escape = 0;
    return TH_OK;
}

/* Lines are separate facts, equal or not. */
static bool is_deduplicated(const th_stored_table *table)
{
    return table->identity == TH_IDENTITY_EVENT || table->identity == TH_IDENTITY_VERSION;
}

static th_err fill_item(stage *s, const ingest_piece *piece, ingest_item *item)
{
    th_ingest *in = s->in;
    const th_stored_table *table = th_model_table(ingest_recognisers[piece->recogniser].table);
    *item = (ingest_item){
        .bytes = piece->record,
        .layout = piece->layout,
        .offset = piece->offset,
        .size = piece->size,
        .object = s->object,
        .table = (uint16_t)table->id,
        .delivered_form = piece->delivered_form,
    };
    const struct th_json_members *members = piece->members;
    item->has_time = th_model_time_in(table, item->bytes, members, item->layout, &item->time_us);
    item->day = th_model_day(item->has_time, item->time_us);
    if (is_deduplicated(table)) {
        th_buf_clear(&s->identity);
        ingest_identity(table, item->bytes, members, &in->objects.at[s->object].sha, s->ordinal,
                        &s->identity);
        TH_TRY(th_buf_error(&s->identity));
        item->fingerprint = th_store_fingerprint(in->store, th_buf_slice(&s->identity));
    }
    s->ordinal++;
    /* Beside the thread that encodes there is time for it here. */
    item->has_hashes = in->helper != NULL;
    if (!item->has_hashes) return TH_OK;
    item->sha = th_sha256_of(item->bytes);
    if (item->fingerprint != 0) item->hash = th_xxh3_seed(item->bytes, in->seed);
    return TH_OK;
}

static th_err stage_record(stage *s, const ingest_piece *piece, ingest_item *item)
{
    /* Only now: the copy is the window's that the item goes to. */
    if (piece->kind == INGEST_ESCAPED) TH_TRY(fill_escaped(s, piece, item));
    TH_TRY(add_item(s->in, item));
    if (item->mode != INGEST_MODE_GHOST) return TH_OK;
    /* No known writer escapes like this: the string's own bytes are kept beside the record. */
    return cover_gap(s, piece->offset, piece->offset + piece->size);
}

static th_err stage_piece(void *ctx, const ingest_piece *piece)
{
    stage *s = ctx;
    ingest_object *object = &s->in->objects.at[s->object];
    ingest_item item = {0};
    ingest_piece unplaced;
    if (piece->kind != INGEST_REFUSED) {
        bool fits;
        TH_TRY(fill_item(s, piece, &item));
        TH_TRY(count_day(s->in, item.table, item.day, false, &fits));
        if (!fits) {
            unplaced = (ingest_piece){.kind = INGEST_REFUSED,
                                      .offset = piece->offset,
                                      .size = piece->size,
                                      .reason = "one commit has records of too many days"};
            piece = &unplaced;
            s->unplaced++;
        }
    }
    bool own_chunks = piece->kind != INGEST_REFUSED || piece->size > INGEST_LITERAL_MAX;
    /* A short refused piece is left to the gap that it lies in. */
    if (own_chunks) {
        TH_TRY(cover_gap(s, object->cursor, piece->offset));
        object->cursor = piece->offset + piece->size;
    }
    TH_TRY(piece->kind == INGEST_REFUSED ? stage_refusal(s, piece) : stage_record(s, piece, &item));
    return make_room(s);
}

th_err ingest_stage_object(th_ingest *in, uint32_t index, th_diag *diag)
{
    stage s = {.in = in, .object = index, .diag = diag};
    th_buf_init(&s.identity, TH_RECORD_SIZE_MAX * 2u);
    ingest_object *object = &in->objects.at[index];
    ingest_split_result result;
    th_err err;
    if (object->problem != NULL) {
        /* No gzip after all: its bytes are kept, unread. */
        ingest_piece whole = {
            .kind = INGEST_REFUSED, .size = object->content.size, .reason = object->problem};
        result = (ingest_split_result){.form = "", .refused = 1};
        err = stage_piece(&s, &whole);
    } else {
        err = ingest_split(object->content, in->source, stage_piece, &s, &result);
    }
    if (err == TH_OK) err = cover_gap(&s, object->cursor, object->content.size);
    th_buf_free(&s.identity);
    if (err != TH_OK)
        return th_fail(diag, err, NULL, "cannot take %s apart: %s", object->name, th_err_text(err));
    object->cursor = object->content.size;
    object->result = result;
    object->source =
        th_slice_text(result.source == INGEST_AUTO ? "" : ingest_recognisers[result.source].name);
    object->form = th_slice_text(result.form);
    object->records = result.records - s.unplaced;
    object->refused = result.refused + s.unplaced;
    return TH_OK;
}

/* ---- refused pieces, in their log ---------------------------------------------------------------------------------------- */

void ingest_refusal_write(th_buf *out, const ingest_refusal *r)
{
    size_t size = strlen(r->reason) + 1;
    th_buf_add_u32(out, r->object);
    th_buf_add_u64(out, r->offset);
    th_buf_add_u64(out, r->size);
    th_buf_add_u32(out, (uint32_t)size);
    th_buf_add(out, r->reason, size);
}

bool ingest_refusal_next(th_reader *in, ingest_refusal *out)
{
    if (in->bad || in->pos == in->end) return false;
    out->object = th_take_u32(in);
    out->offset = th_take_u64(in);
    out->size = th_take_u64(in);
    out->reason = (const char *)th_take_bytes(in, th_take_u32(in)).bytes;
    return !in->bad;
}
