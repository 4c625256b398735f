/* SPDX-License-Identifier: Apache-2.0
 * Groups of variants that a batch changes: a new text under a known identity, or a known text that now arrived in the
 * form in which its source delivers. What was shown before follows from the old members by the same rule as what is
 * shown now, so only differences are written as marks. */
#include <stdlib.h>

#include "base/assert.h"
#include "ingest/resolve.h"
#include "json/json.h"

enum { GROUP_MAX = 100000 };

th_err resolve_add_member(resolve_run *r, const resolve_member *member)
{
    if (r->member_count == r->member_capacity) {
        size_t capacity = r->member_capacity == 0 ? 256 : r->member_capacity * 2;
        resolve_member *bigger = realloc(r->members, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        r->members = bigger;
        r->member_capacity = capacity;
    }
    r->members[r->member_count++] = *member;
    return TH_OK;
}

/* Was the delivery that brought the row in the delivered form? */
static th_err form_of(resolve_run *r, int32_t day, uint64_t seq, bool *delivered)
{
    *delivered = false;
    if (seq == UINT64_MAX) return TH_OK;
    uint8_t key[12];
    memcpy(key, &day, 4);
    memcpy(key + 4, &seq, 8);
    if (r->forms == NULL) r->forms = th_map_new(r->in->resolving);
    bool added = false;
    uint64_t *value =
        r->forms == NULL ? NULL : th_map_put(r->forms, th_slice_of(key, sizeof(key)), 0, &added);
    if (value == NULL) return TH_ELIMIT;
    if (added) {
        th_slice row;
        th_record_id id = {TH_TABLE_objects, day, seq};
        TH_TRY(th_version_record(r->version, &id, r->in->resolving, &row, NULL, r->diag));
        th_slice form = th_json_member(row, TH_SLICE("form"));
        *th_map_get(r->forms, th_slice_of(key, sizeof(key))) = th_slice_is(form, "\"records\"");
    }
    *delivered = *th_map_get(r->forms, th_slice_of(key, sizeof(key))) != 0;
    return TH_OK;
}

static th_err marks_of(resolve_run *r, uint16_t table, int32_t day, size_t *index)
{
    uint8_t key[6];
    memcpy(key, &table, 2);
    memcpy(key + 2, &day, 4);
    if (r->marked == NULL) r->marked = th_map_new(r->in->resolving);
    uint64_t *value =
        r->marked == NULL ? NULL : th_map_put(r->marked, th_slice_of(key, sizeof(key)), 0, NULL);
    if (value == NULL) return TH_ELIMIT;
    if (*value == 0) {
        if (r->mark_set_count == r->mark_set_capacity) {
            size_t capacity = r->mark_set_capacity == 0 ? 16 : r->mark_set_capacity * 2;
            void *bigger = th_arena_alloc(r->in->resolving, capacity * sizeof(*r->mark_sets));
            if (bigger == NULL) return TH_ELIMIT;
            if (r->mark_set_count > 0)
                memcpy(bigger, r->mark_sets, r->mark_set_count * sizeof(*r->mark_sets));
            r->mark_sets = bigger;
            r->mark_set_capacity = capacity;
        }
        ingest_marked *at = NULL;
        size_t count = 0;
        TH_TRY(ingest_marks_read(r->version, table, day, r->in->resolving, &at, &count, r->diag));
        r->mark_sets[r->mark_set_count].at = at;
        r->mark_sets[r->mark_set_count].count = count;
        *value = ++r->mark_set_count;
    }
    *index = (size_t)*value - 1;
    return TH_OK;
}

static th_err is_promoted(resolve_run *r, const resolve_member *m, bool *promoted)
{
    size_t set;
    TH_TRY(marks_of(r, m->table, m->day, &set));
    size_t low = 0, high = r->mark_sets[set].count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->mark_sets[set].at[middle].seq < m->seq)
            low = middle + 1;
        else
            high = middle;
    }
    *promoted = low < r->mark_sets[set].count && r->mark_sets[set].at[low].seq == m->seq &&
                r->mark_sets[set].at[low].promoted;
    return TH_OK;
}

/* Rank of a stored row, as earlier commits left it. */
static th_err stored_form(resolve_run *r, const resolve_member *m, bool *delivered)
{
    if (m->seen != INGEST_SEEN_NONE) {
        *delivered = ingest_seen_at(r->in->seen, m->seen)->delivered;
        return TH_OK;
    }
    TH_TRY(form_of(r, m->object_day, m->object_seq, delivered));
    if (!*delivered) *delivered = resolve_was_promoted(r->in, m);
    return *delivered ? TH_OK : is_promoted(r, m, delivered);
}

static th_err add_mark(th_ingest *in, const resolve_member *m, uint8_t action)
{
    TH_TRY(INGEST_GROW(in->marks));
    in->marks.at[in->marks.count++] = (ingest_mark){.table = m->table,
                                                    .day = m->day,
                                                    .seq = m->seq,
                                                    .item = m->item,
                                                    .action = action,
                                                    .fingerprint = m->fingerprint};
    return TH_OK;
}

/* The item of this batch that has the member's bytes, or NULL. */
static ingest_item *item_of(th_ingest *in, const resolve_member *m)
{
    uint32_t index = m->item != INGEST_NONE ? m->item : m->known;
    return index == INGEST_NONE ? NULL : &in->window.items.at[index];
}

typedef struct group {
    const resolve_member *members;
    ingest_variant *before, *after; /* a member each; before: stored ones first */
    size_t count, stored;
    bool changed;
} group;

static th_err fill_group(resolve_run *r, group *g)
{
    th_ingest *in = r->in;
    for (size_t i = 0; i < g->count; i++) {
        const resolve_member *m = &g->members[i];
        ingest_item *item = item_of(in, m);
        bool delivered = false;
        if (m->item == INGEST_NONE)
            TH_TRY(stored_form(r, m, &delivered));
        else
            delivered = item->delivered_form;
        g->before[i].delivered_form = g->after[i].delivered_form = delivered;
        if (item != NULL && item->any_delivered && !delivered) {
            g->after[i].delivered_form = true;
            item->promote = g->changed = true;
            if (m->seen != INGEST_SEEN_NONE) ingest_seen_at(in->seen, m->seen)->delivered = true;
            TH_TRY(add_mark(in, m, INGEST_MARK_PROMOTE));
        }
        if (m->item != INGEST_NONE) {
            g->changed = true;
            item->variant = i > 0;
        }
    }
    return TH_OK;
}

static th_err mark_shown(resolve_run *r, group *g)
{
    for (size_t i = 0; i < g->count; i++)
        g->before[i].sha = g->after[i].sha = th_sha256_of(g->members[i].record);
    size_t old_best = g->stored == 0 ? SIZE_MAX : ingest_variant_shown(g->before, g->stored);
    size_t best = ingest_variant_shown(g->after, g->count);
    for (size_t i = 0; i < g->count; i++) {
        bool was_hidden = i < g->stored && i != old_best;
        bool hidden = i != best;
        if (was_hidden != hidden)
            TH_TRY(add_mark(r->in, &g->members[i], hidden ? INGEST_MARK_HIDE : INGEST_MARK_SHOW));
    }
    return TH_OK;
}

/* Do members [1, count) say what the first one says? */
static bool all_same(resolve_run *r, const group *g, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        th_arena_reset(r->rows);
        if (!ingest_json_same(g->members[i].record, g->members[0].record, r->rows)) return false;
    }
    return true;
}

/* As soon as two differ, each of them differs from some other. */
static th_err mark_conflicts(resolve_run *r, const group *g)
{
    bool before = !all_same(r, g, g->stored);
    if (!before && all_same(r, g, g->count)) return TH_OK;
    for (size_t i = before ? g->stored : 0; i < g->count; i++)
        TH_TRY(add_mark(r->in, &g->members[i], INGEST_MARK_CONFLICT));
    return TH_OK;
}

static th_err resolve_group(resolve_run *r, group *g)
{
    TH_TRY(fill_group(r, g));
    if (!g->changed || g->count == 1) return TH_OK;
    TH_TRY(mark_shown(r, g));
    return mark_conflicts(r, g);
}

static int by_identity(const void *a, const void *b)
{
    const resolve_member *x = a, *y = b;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    if (x->fingerprint != y->fingerprint) return x->fingerprint < y->fingerprint ? -1 : 1;
    if ((x->item == INGEST_NONE) != (y->item == INGEST_NONE))
        return x->item == INGEST_NONE ? -1 : 1;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    if (x->seq != y->seq) return x->seq < y->seq ? -1 : 1;
    return x->known < y->known ? -1 : x->known > y->known;
}

/* Rows of earlier windows may have been found twice: for another text of their identity, and for their own. */
static size_t drop_doubles(resolve_member *at, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const resolve_member *last = kept == 0 ? NULL : &at[kept - 1];
        if (last != NULL && at[i].item == INGEST_NONE && last->item == INGEST_NONE &&
            last->table == at[i].table && last->fingerprint == at[i].fingerprint &&
            last->day == at[i].day && last->seq == at[i].seq)
            continue;
        at[kept++] = at[i];
    }
    return kept;
}

/* New items join their groups. One that is alone matters only when its row needs a promotion. */
static th_err add_items(resolve_run *r)
{
    th_ingest *in = r->in;
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        const ingest_item *item = &in->window.items.at[i];
        if (item->fingerprint == 0 || item->fate != INGEST_FATE_NEW ||
            !ingest_item_counts(in, item))
            continue;
        if (th_model_table(item->table)->identity != TH_IDENTITY_EVENT) continue;
        bool needs_promotion = item->any_delivered && !item->delivered_form;
        if (resolve_is_alone(in, i) && !needs_promotion) continue; /* nearly all */
        resolve_member m = {.fingerprint = item->fingerprint,
                            .table = item->table,
                            .day = item->day,
                            .item = i,
                            .object_seq = UINT64_MAX,
                            .seen = INGEST_SEEN_NONE,
                            .record = item->bytes};
        TH_TRY(resolve_add_member(r, &m));
    }
    return TH_OK;
}

/* A group of one that nothing is to be written about: most of them. */
static bool is_plain(const resolve_run *r, const resolve_member *m, size_t count)
{
    if (count > 1) return false;
    const ingest_item *item = item_of(r->in, m);
    if (item == NULL || !item->any_delivered) return true;
    return m->item != INGEST_NONE && item->delivered_form;
}

th_err resolve_variants(resolve_run *r)
{
    TH_TRY(add_items(r));
    if (r->member_count == 0) return TH_OK;
    qsort(r->members, r->member_count, sizeof(*r->members), by_identity);
    r->member_count = drop_doubles(r->members, r->member_count);
    for (size_t from = 0, end; from < r->member_count; from = end) {
        const resolve_member *first = &r->members[from];
        size_t stored = 0;
        for (end = from;
             end < r->member_count && r->members[end].fingerprint == first->fingerprint &&
             r->members[end].table == first->table && end - from < GROUP_MAX;
             end++)
            stored += r->members[end].item == INGEST_NONE;
        if (is_plain(r, first, end - from)) continue;
        group g = {.members = first, .count = end - from, .stored = stored};
        g.before = TH_NEW_ARRAY(r->in->resolving, ingest_variant, g.count);
        g.after = TH_NEW_ARRAY(r->in->resolving, ingest_variant, g.count);
        if (g.before == NULL || g.after == NULL) return TH_ELIMIT;
        TH_TRY(resolve_group(r, &g));
    }
    return TH_OK;
}
