/* SPDX-License-Identifier: Apache-2.0
 * From contents to items: each record gets time, day and fingerprint; long runs of other bytes become chunks for `blobs`.
 * What is staged borrows from contents, which live until their commit. */
#include "base/limits.h"
#include "base/time.h"
#include "ingest/escape.h"
#include "ingest/ingest_private.h"
#include "os/os.h"

typedef struct stage {
    th_ingest *in;
    uint32_t object;
    th_diag *diag;
    th_buf identity;
    uint64_t ordinal;
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
    in->items.count = 0;
    in->refusals.count = 0;
    in->marks.count = 0;
    in->item_bytes = 0;
    in->days = NULL;
    th_arena_reset(in->days_arena);
    in->last_table = 0;
}

/* Count the item's (table, day). */
static th_err count_day(th_ingest *in, uint16_t table, int32_t day)
{
    if (in->days != NULL && in->last_table == table && in->last_day == day) return TH_OK;
    if (in->days == NULL) in->days = th_map_new(in->days_arena);
    uint8_t key[6] = {(uint8_t)table,
                      (uint8_t)(table >> 8),
                      (uint8_t)day,
                      (uint8_t)((uint32_t)day >> 8),
                      (uint8_t)((uint32_t)day >> 16),
                      (uint8_t)((uint32_t)day >> 24)};
    if (in->days == NULL || th_map_put(in->days, th_slice_of(key, sizeof(key)), 0, NULL) == NULL)
        return TH_ENOMEM;
    in->last_table = table;
    in->last_day = day;
    return TH_OK;
}

static th_err add_item(th_ingest *in, const ingest_item *item)
{
    TH_TRY(INGEST_GROW(in->items));
    TH_TRY(count_day(in, item->table, item->day));
    in->items.at[in->items.count++] = *item;
    in->item_bytes += item->bytes.size;
    return TH_OK;
}

/* Contents that are larger than a commit may be leave in parts: rows first, their deliveries with the last one. */
static th_err make_room(stage *s)
{
    th_ingest *in = s->in;
    bool full = in->item_bytes >= in->part_bytes || in->items.count >= INGEST_ITEMS_MAX ||
                (in->days != NULL && th_map_count(in->days) >= INGEST_DAYS_MAX);
    if (!full) return TH_OK;
    return ingest_commit_items(in, true, s->diag);
}

static int32_t today(void)
{
    return th_day_from_us(th_os_now_us());
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
            .day = today(),
            .table = TH_TABLE_blobs,
        };
        TH_TRY(add_item(s->in, &item));
        TH_TRY(make_room(s));
        object = &s->in->objects.at[s->object];
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

th_err ingest_stage_outside(th_ingest *in, uint32_t object, th_slice bytes, uint32_t *first,
                            uint32_t *count)
{
    *first = in->items.count;
    while (bytes.size > 0) {
        size_t chunk = bytes.size < TH_CHUNK_SIZE_MAX ? bytes.size : TH_CHUNK_SIZE_MAX;
        ingest_item item = {
            .bytes = th_slice_of(bytes.bytes, chunk),
            .object = object,
            .day = today(),
            .table = TH_TABLE_blobs,
            .outside = true,
        };
        TH_TRY(add_item(in, &item));
        bytes = th_slice_of(bytes.bytes + chunk, bytes.size - chunk);
    }
    *count = in->items.count - *first;
    return TH_OK;
}

static th_err stage_refusal(stage *s, const ingest_piece *piece)
{
    th_ingest *in = s->in;
    th_slice reason = th_arena_copy(in->arena, th_slice_text(piece->reason));
    TH_TRY(INGEST_GROW(in->refusals));
    in->refusals.at[in->refusals.count++] = (ingest_refusal){
        .object = s->object,
        .offset = piece->offset,
        .size = piece->size,
        .reason = reason.bytes == NULL ? "not valid" : (const char *)reason.bytes,
    };
    /* A long piece is chunks of its own; a short one is part of the bytes between records. */
    return piece->size > INGEST_LITERAL_MAX ? add_blobs(s, piece->offset, piece->size) : TH_OK;
}

static th_err fill_escaped(stage *s, const ingest_piece *piece, ingest_item *item)
{
    th_slice copy = th_arena_copy(s->in->arena, piece->record);
    if (copy.bytes == NULL) return TH_ENOMEM;
    const ingest_object *object = &s->in->objects.at[s->object];
    th_slice raw = th_slice_of(object->content.bytes + piece->offset, (size_t)piece->size);
    item->bytes = copy;
    item->mode =
        ingest_escape_find(raw, copy, &item->escape) ? INGEST_MODE_ESCAPED : INGEST_MODE_GHOST;
    if (item->mode == INGEST_MODE_GHOST) item->escape = 0;
    return TH_OK;
}

/* Lines are separate facts, equal or not. Only those of a content that goes in parts are looked up: a load that was
 * killed between two parts left some of them behind, without a delivery. */
static bool is_deduplicated(const stage *s, const th_stored_table *table)
{
    if (table->identity == TH_IDENTITY_POSITION)
        return s->in->objects.at[s->object].content.size > s->in->part_bytes;
    return table->identity == TH_IDENTITY_EVENT || table->identity == TH_IDENTITY_VERSION;
}

static th_err stage_record(stage *s, const ingest_piece *piece)
{
    th_ingest *in = s->in;
    const th_stored_table *table = th_model_table(ingest_recognisers[piece->recogniser].table);
    ingest_item item = {
        .bytes = piece->record,
        .layout = piece->layout,
        .offset = piece->offset,
        .size = piece->size,
        .object = s->object,
        .table = (uint16_t)table->id,
        .delivered_form = piece->delivered_form,
    };
    if (piece->kind == INGEST_ESCAPED) TH_TRY(fill_escaped(s, piece, &item));
    const struct th_json_members *members = piece->members;
    item.has_time = th_model_time_in(table, item.bytes, members, item.layout, &item.time_us);
    item.day = th_model_day(item.has_time, item.time_us);
    if (is_deduplicated(s, table)) {
        th_buf_clear(&s->identity);
        ingest_identity(table, item.bytes, members, &in->objects.at[s->object].sha, s->ordinal,
                        &s->identity);
        TH_TRY(th_buf_error(&s->identity));
        item.fingerprint = th_store_fingerprint(in->store, th_buf_slice(&s->identity));
    }
    s->ordinal++;
    TH_TRY(add_item(in, &item));
    if (item.mode != INGEST_MODE_GHOST) return TH_OK;
    /* No known writer escapes like this: the string's own bytes are kept beside the record. */
    return cover_gap(s, piece->offset, piece->offset + piece->size);
}

static th_err stage_piece(void *ctx, const ingest_piece *piece)
{
    stage *s = ctx;
    ingest_object *object = &s->in->objects.at[s->object];
    uint64_t cursor = object->cursor;
    bool own_chunks = piece->kind != INGEST_REFUSED || piece->size > INGEST_LITERAL_MAX;
    /* A short refused piece is left to the gap that it lies in. */
    if (own_chunks) {
        TH_TRY(cover_gap(s, cursor, piece->offset));
        s->in->objects.at[s->object].cursor = piece->offset + piece->size;
    }
    TH_TRY(piece->kind == INGEST_REFUSED ? stage_refusal(s, piece) : stage_record(s, piece));
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
    object = &in->objects.at[index];
    if (err == TH_OK) err = cover_gap(&s, object->cursor, object->content.size);
    th_buf_free(&s.identity);
    if (err != TH_OK)
        return th_fail(diag, err, NULL, "cannot take %s apart: %s", object->name, th_err_text(err));
    object = &in->objects.at[index];
    object->cursor = object->content.size;
    object->result = result;
    object->source =
        th_slice_text(result.source == INGEST_AUTO ? "" : ingest_recognisers[result.source].name);
    object->form = th_slice_text(result.form);
    object->records = result.records;
    object->refused = result.refused;
    return TH_OK;
}
