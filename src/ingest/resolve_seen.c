/* SPDX-License-Identifier: Apache-2.0
 * A window against rows that earlier windows put into the same write: the store cannot be asked for them yet. Such a row
 * is to its group of variants what a stored one is. */
#include "ingest/resolve.h"
#include "json/json.h"

enum { GROUP_MAX = 100000, QUOTES = 2 };

/* The record's bytes: in the content, or decoded from there. NULL bytes: no memory. */
static th_slice bytes_of(const th_ingest *in, const ingest_seen_row *row, th_arena *arena)
{
    const uint8_t *text = in->objects.at[row->object].content.bytes + row->offset;
    if (row->mode == INGEST_MODE_RAW) return th_slice_of(text, row->size);
    /* The string's quotes are around it. */
    return th_json_string(th_slice_of(text - 1, row->size + QUOTES), arena);
}

/* The row with the item's bytes, or INGEST_SEEN_NONE. */
static th_err find_same(resolve_run *r, const ingest_item *item, uint32_t *out)
{
    const th_ingest *in = r->in;
    uint32_t place = 0;
    for (;;) {
        *out = ingest_seen_hashed(in->seen, item->hash, &place);
        if (*out == INGEST_SEEN_NONE) return TH_OK;
        const ingest_seen_row *row = ingest_seen_at(in->seen, *out);
        if (row->stored || row->table != item->table || row->fingerprint != item->fingerprint)
            continue;
        th_arena_reset(r->rows);
        th_slice bytes = bytes_of(in, row, r->rows);
        if (bytes.bytes == NULL) return TH_ELIMIT;
        if (th_slice_equal(bytes, item->bytes)) return TH_OK;
    }
}

/* All rows of the identity, once. same: of them the one that has the item's bytes, or INGEST_SEEN_NONE. */
static th_err add_members(resolve_run *r, uint32_t index, uint32_t same)
{
    th_ingest *in = r->in;
    const ingest_item *item = &in->window.items.at[index];
    uint32_t count = 0;
    for (uint32_t i = ingest_seen_last(in->seen, item->fingerprint);
         i != INGEST_SEEN_NONE && count < GROUP_MAX; i = ingest_seen_at(in->seen, i)->next) {
        const ingest_seen_row *row = ingest_seen_at(in->seen, i);
        if (row->stored || row->table != item->table) continue;
        resolve_member m = {.fingerprint = row->fingerprint,
                            .table = row->table,
                            .day = row->day,
                            .seq = row->seq,
                            .object_seq = UINT64_MAX,
                            .item = INGEST_NONE,
                            .known = i == same ? index : INGEST_NONE,
                            .seen = i,
                            .record = bytes_of(in, row, in->resolving)};
        if (m.record.bytes == NULL) return TH_ELIMIT;
        TH_TRY(resolve_add_member(r, &m));
        count++;
    }
    return TH_OK;
}

/* Whether the identity's rows are members already. */
static th_err is_member(resolve_run *r, uint64_t fingerprint, bool *was)
{
    bool added = false;
    if (r->grouped == NULL) r->grouped = th_map_new(r->in->resolving);
    if (r->grouped == NULL ||
        th_map_put(r->grouped, th_slice_of(&fingerprint, sizeof(fingerprint)), 0, &added) == NULL)
        return TH_ELIMIT;
    *was = !added;
    return TH_OK;
}

static bool has_rows(const th_ingest *in, const ingest_item *item)
{
    uint32_t i = ingest_seen_last(in->seen, item->fingerprint);
    for (; i != INGEST_SEEN_NONE; i = ingest_seen_at(in->seen, i)->next) {
        const ingest_seen_row *row = ingest_seen_at(in->seen, i);
        if (!row->stored && row->table == item->table) return true;
    }
    return false;
}

static th_err resolve_item(resolve_run *r, uint32_t index)
{
    th_ingest *in = r->in;
    ingest_item *item = &in->window.items.at[index];
    uint32_t same;
    TH_TRY(find_same(r, item, &same));
    bool event = th_model_table(item->table)->identity == TH_IDENTITY_EVENT;
    if (same != INGEST_SEEN_NONE) {
        const ingest_seen_row *row = ingest_seen_at(in->seen, same);
        item->fate = INGEST_FATE_KNOWN;
        item->day = row->day;
        item->seq = row->seq;
        /* Its group changes only where it now arrived in the source's own form. */
        item->asks = event && item->any_delivered && !row->delivered;
        if (!item->asks) return TH_OK;
    } else if (!event || !has_rows(in, item)) {
        return TH_OK;
    }
    bool was;
    item->has_stored = true;
    TH_TRY(is_member(r, item->fingerprint, &was));
    return was && same == INGEST_SEEN_NONE ? TH_OK : add_members(r, index, same);
}

th_err resolve_seen(resolve_run *r)
{
    th_ingest *in = r->in;
    for (uint32_t i = 0; i < in->window.items.count; i++)
        if (in->window.items.at[i].asks) TH_TRY(resolve_item(r, i));
    return TH_OK;
}

bool resolve_was_promoted(const th_ingest *in, const resolve_member *m)
{
    uint32_t i = in->seen == NULL ? INGEST_SEEN_NONE : ingest_seen_last(in->seen, m->fingerprint);
    for (; i != INGEST_SEEN_NONE; i = ingest_seen_at(in->seen, i)->next) {
        const ingest_seen_row *row = ingest_seen_at(in->seen, i);
        if (row->stored && row->table == m->table && row->day == m->day && row->seq == m->seq)
            return true;
    }
    return false;
}
