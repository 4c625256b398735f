/* SPDX-License-Identifier: Apache-2.0
 * What the store and the batch itself already hold. Fingerprints give candidates, bytes decide:
 *
 *   1. twins inside the window: a hash of bytes; different bytes in chains by the low 32 bits of fingerprints
 *   2. rows of earlier windows (resolve_seen.c)
 *   3. candidates of the version, for all items at once; each segment is loaded once and its rows read in runs
 *   4. groups of variants (variant_group.c) */
#include "ingest/resolve.h"

#include <stdlib.h>

#include "base/limits.h"

enum {
    RUN_ROWS_MAX = 1024,
    RUN_GAP_MAX = 64,
    DIGIT_BITS = 8,
    DIGIT_VALUES = 1 << DIGIT_BITS,
    WINDOW_TABLES = 64
};

/* ---- identities asked for ------------------------------------------------------------------------------------------- */

/* One pass of a radix sort, by the digit of the low 32 bits that starts at the bit. */
static void sort_digit(const uint64_t *from, uint64_t *to, size_t count, uint32_t bit)
{
    size_t starts[DIGIT_VALUES + 1] = {0};
    for (size_t i = 0; i < count; i++) starts[(from[i] >> bit) % DIGIT_VALUES + 1]++;
    for (size_t i = 0; i < DIGIT_VALUES; i++) starts[i + 1] += starts[i];
    for (size_t i = 0; i < count; i++) to[starts[(from[i] >> bit) % DIGIT_VALUES]++] = from[i];
}

size_t resolve_sort_low(uint64_t *at, size_t count, uint64_t *spare)
{
    size_t kept = 0;
    for (uint32_t bit = 0; bit < 32; bit += 2 * DIGIT_BITS) {
        sort_digit(at, spare, count, bit);
        sort_digit(spare, at, count, bit + DIGIT_BITS);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || (uint32_t)at[kept - 1] != (uint32_t)at[i]) at[kept++] = at[i];
    }
    return kept;
}

/* ---- contents ------------------------------------------------------------------------------------------------------- */

typedef struct content_search {
    th_ingest *in;
    th_version *version;
    th_diag *diag;
    const uint64_t *fingerprints;
} content_search;

static bool is_by_position(uint32_t table)
{
    const th_stored_table *t = th_model_table(table);
    return t != NULL && t->identity == TH_IDENTITY_POSITION;
}

/* Records that are known by their place only: equal ones are separate facts, and taken apart again they could not be told
 * from those that are stored. The first steps show them, or the source when the recipe is long. */
static bool holds_lines(const ingest_content_head *head, ingest_recipe_reader steps)
{
    for (int i = 1; i < INGEST_RECOGNISER_COUNT; i++)
        if (th_slice_is(head->source, ingest_recognisers[i].name) &&
            is_by_position((uint32_t)ingest_recognisers[i].table))
            return true;
    ingest_step step;
    while (ingest_recipe_next(&steps, &step))
        if (step.kind == INGEST_STEP_RUN && is_by_position(step.table)) return true;
    return false;
}

static th_err take_content(void *ctx, size_t which, const th_record_id *id)
{
    content_search *s = ctx;
    th_ingest *in = s->in;
    th_slice row;
    ingest_content_head head;
    ingest_recipe_reader steps;
    TH_TRY(th_version_record(s->version, id, in->resolving, &row, NULL, s->diag));
    TH_TRY(ingest_content_head_read(row, &head, &steps, s->diag));
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        if ((uint32_t)o->fingerprint != (uint32_t)s->fingerprints[which] ||
            !th_sha256_equal(&o->sha, &head.sha))
            continue;
        o->again = true;
        if (in->options.reprocess && !holds_lines(&head, steps)) continue;
        o->known = true;
        o->source = th_arena_copy(in->arena, head.source);
        o->form = th_arena_copy(in->arena, head.form);
        o->records = head.records;
        o->refused = head.refused;
    }
    return TH_OK;
}

static uint64_t *content_fingerprints(th_ingest *in, size_t *count)
{
    size_t room = in->objects.count + 1u;
    uint64_t *list = TH_NEW_ARRAY(in->resolving, uint64_t, 2 * room);
    size_t n = 0;
    for (uint32_t i = 0; list != NULL && i < in->objects.count; i++) {
        if (!in->objects.at[i].known && in->objects.at[i].same == INGEST_NONE)
            list[n++] = in->objects.at[i].fingerprint;
    }
    *count = list == NULL ? 0 : resolve_sort_low(list, n, list + room);
    return list;
}

th_err ingest_find_contents(th_ingest *in, th_version *version, th_diag *diag)
{
    th_arena_reset(in->resolving);
    size_t count;
    uint64_t *list = content_fingerprints(in, &count);
    if (list == NULL) return th_fail(diag, TH_ELIMIT, NULL, "no memory to look contents up");
    content_search search = {in, version, diag, list};
    return count == 0 ? TH_OK
                      : th_version_find(version, TH_TABLE_contents, 0, list, count, take_content,
                                        &search, diag);
}

/* ---- twins ---------------------------------------------------------------------------------------------------------- */

static th_err make_chains(th_ingest *in)
{
    uint32_t size = 1024;
    while (size < in->window.items.count * 2) size *= 2;
    if (in->chains == NULL || in->chain_mask != size - 1) {
        free(in->chains);
        free(in->twins);
        in->chains = malloc(size * sizeof(*in->chains));
        in->twins = malloc(size * sizeof(*in->twins));
        in->chain_mask = 0;
        if (in->chains == NULL || in->twins == NULL) return TH_ENOMEM;
        in->chain_mask = size - 1;
    }
    memset(in->chains, 0, size * sizeof(*in->chains));
    memset(in->twins, 0, size * sizeof(*in->twins));
    return TH_OK;
}

/* The slot of the low bits: holds an item + 1 of their chain, or 0. */
static uint32_t *chain_slot(const th_ingest *in, uint32_t low)
{
    uint32_t at = low * 2654435761u;
    for (;; at++) {
        uint32_t *slot = &in->chains[at & in->chain_mask];
        if (*slot == 0 || (uint32_t)in->window.items.at[*slot - 1].fingerprint == low) return slot;
    }
}

bool resolve_is_alone(const th_ingest *in, uint32_t index)
{
    const ingest_item *item = &in->window.items.at[index];
    return item->next == INGEST_NONE && !item->has_stored &&
           *chain_slot(in, (uint32_t)item->fingerprint) == index + 1;
}

static uint32_t chain_of(const th_ingest *in, uint64_t fingerprint)
{
    return *chain_slot(in, (uint32_t)fingerprint) - 1; /* 0 - 1 = INGEST_NONE */
}

/* The slot of the bytes in a table: holds the item + 1 that has them, or 0. */
static uint32_t *twin_slot(const th_ingest *in, uint16_t table, th_slice bytes, uint64_t hash)
{
    for (uint32_t at = (uint32_t)hash;; at++) {
        uint32_t *slot = &in->twins[at & in->chain_mask];
        if (*slot == 0) return slot;
        const ingest_item *item = &in->window.items.at[*slot - 1];
        if (item->hash == hash && item->table == table && th_slice_equal(item->bytes, bytes))
            return slot;
    }
}

static void find_twin(th_ingest *in, uint32_t index)
{
    ingest_item *item = &in->window.items.at[index];
    if (!item->has_hashes) item->hash = th_xxh3_seed(item->bytes, in->seed);
    uint32_t *slot = twin_slot(in, item->table, item->bytes, item->hash);
    if (*slot != 0) {
        item->fate = INGEST_FATE_TWIN;
        item->twin = *slot - 1;
        in->window.items.at[item->twin].any_delivered |= item->delivered_form;
        return;
    }
    *slot = index + 1;
    uint32_t *chain = chain_slot(in, (uint32_t)item->fingerprint);
    item->next = *chain - 1;
    *chain = index + 1;
    item->asks = true;
}

static th_err find_twins(th_ingest *in)
{
    TH_TRY(make_chains(in));
    in->window.tables = 0;
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        ingest_item *item = &in->window.items.at[i];
        item->fate = INGEST_FATE_NEW;
        item->next = INGEST_NONE;
        item->promote = item->variant = item->has_stored = item->asks = false;
        item->any_delivered = item->delivered_form;
        in->window.tables |= UINT64_C(1) << (item->table % WINDOW_TABLES);
        if (item->fingerprint != 0 && ingest_item_counts(in, item)) find_twin(in, i);
    }
    return TH_OK;
}

/* ---- candidates of the version ---------------------------------------------------------------------------------------- */

static th_err add_candidate(void *ctx, size_t which, const th_record_id *id)
{
    resolve_run *r = ctx;
    if (r->candidate_count == r->candidate_capacity) {
        size_t capacity = r->candidate_capacity == 0 ? 1024 : r->candidate_capacity * 2;
        resolve_candidate *bigger = realloc(r->candidates, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        r->candidates = bigger;
        r->candidate_capacity = capacity;
    }
    r->candidates[r->candidate_count++] =
        (resolve_candidate){r->fingerprints[which], id->day, id->seq};
    return TH_OK;
}

/* An item that is another text of the record's event, or INGEST_NONE. */
static uint32_t find_sibling(resolve_run *r, uint64_t fingerprint, th_slice record)
{
    th_ingest *in = r->in;
    static const th_sha256 no_content;
    th_buf_clear(&r->identity);
    ingest_identity(r->table, record, NULL, &no_content, 0, &r->identity);
    if (th_buf_error(&r->identity) != TH_OK) return INGEST_NONE;
    uint64_t whole = th_store_fingerprint(in->store, th_buf_slice(&r->identity));
    for (uint32_t i = chain_of(in, fingerprint); i != INGEST_NONE;
         i = in->window.items.at[i].next) {
        if (in->window.items.at[i].table == r->table->id &&
            in->window.items.at[i].fingerprint == whole)
            return i;
    }
    return INGEST_NONE;
}

static void make_known(ingest_item *item, const resolve_candidate *c)
{
    item->fate = INGEST_FATE_KNOWN;
    item->day = c->day;
    item->seq = c->seq;
}

/* One stored row against the items that asked for it. */
static th_err judge(resolve_run *r, const resolve_candidate *c, th_slice record, const th_run *run)
{
    th_ingest *in = r->in;
    uint16_t table = (uint16_t)r->table->id;
    uint32_t same = *twin_slot(in, table, record, th_xxh3_seed(record, in->seed)) - 1;
    uint32_t sibling = same;
    if (same != INGEST_NONE) {
        if (in->window.items.at[same].fate == INGEST_FATE_KNOWN) return TH_OK;
        make_known(&in->window.items.at[same], c);
    } else if (r->table->identity == TH_IDENTITY_EVENT) {
        sibling = find_sibling(r, c->fingerprint, record);
    }
    if (sibling == INGEST_NONE || r->table->identity != TH_IDENTITY_EVENT) return TH_OK;
    ingest_item *item = &in->window.items.at[sibling];
    item->has_stored = true;
    resolve_member member = {.fingerprint = item->fingerprint,
                             .table = table,
                             .day = c->day,
                             .seq = c->seq,
                             .object_day = run->object_day,
                             .object_seq = run->object_seq,
                             .item = INGEST_NONE,
                             .known = same,
                             .seen = INGEST_SEEN_NONE};
    member.record = same != INGEST_NONE ? item->bytes : th_arena_copy(in->resolving, record);
    return member.record.bytes == NULL ? TH_ELIMIT : resolve_add_member(r, &member);
}

/* Candidates [from, to) lie in one segment. */
static th_err judge_segment(resolve_run *r, const th_segment_ref *ref, size_t from, size_t to)
{
    const th_loaded *loaded = NULL;
    TH_TRY(th_version_load(r->version, ref, &loaded, r->diag));
    th_err err = TH_OK;
    while (err == TH_OK && from < to) {
        size_t end = from + 1;
        uint64_t first = r->candidates[from].seq;
        while (end < to && r->candidates[end].seq - r->candidates[end - 1].seq <= RUN_GAP_MAX &&
               r->candidates[end].seq - first < RUN_ROWS_MAX)
            end++;
        uint32_t count = (uint32_t)(r->candidates[end - 1].seq - first + 1);
        uint32_t row = (uint32_t)(first - ref->first_seq);
        th_arena_reset(r->rows);
        th_slice *records = TH_NEW_ARRAY(r->rows, th_slice, count);
        err = records == NULL ? TH_ELIMIT
                              : th_segment_records(loaded->segment, row, count, r->rows, records);
        for (; err == TH_OK && from < end; from++) {
            const resolve_candidate *c = &r->candidates[from];
            err = judge(r, c, records[c->seq - first],
                        th_loaded_run(loaded, (uint32_t)(c->seq - ref->first_seq)));
        }
    }
    th_version_unload(loaded);
    return err == TH_OK
               ? TH_OK
               : th_fail(r->diag, err, NULL, "cannot read stored records: %s", th_err_text(err));
}

/* Candidates [from, to) lie in one day. */
static th_err judge_day(resolve_run *r, size_t from, size_t to)
{
    th_segment_ref *refs = NULL;
    size_t count = 0;
    int32_t day = r->candidates[from].day;
    th_arena_reset(r->segments);
    TH_TRY(th_version_segments(r->version, (uint32_t)r->table->id, day, day, r->segments, &refs,
                               &count, r->diag));
    for (size_t i = 0; i < count && from < to; i++) {
        size_t end = from;
        while (end < to && r->candidates[end].seq < refs[i].first_seq + refs[i].rows) end++;
        if (end > from && r->candidates[from].seq >= refs[i].first_seq)
            TH_TRY(judge_segment(r, &refs[i], from, end));
        from = end;
    }
    return TH_OK;
}

static th_err find_stored(resolve_run *r, const th_stored_table *table)
{
    th_ingest *in = r->in;
    size_t count = 0;
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        const ingest_item *item = &in->window.items.at[i];
        if (item->asks && item->table == table->id) r->fingerprints[count++] = item->fingerprint;
    }
    if (count == 0) return TH_OK;
    count = resolve_sort_low(r->fingerprints, count, r->fingerprints + in->window.items.count);
    r->table = table;
    r->candidate_count = 0;
    TH_TRY(th_version_find(r->version, (uint32_t)table->id, 0, r->fingerprints, count,
                           add_candidate, r, r->diag));
    for (size_t from = 0, end; from < r->candidate_count; from = end) {
        for (end = from + 1;
             end < r->candidate_count && r->candidates[end].day == r->candidates[from].day; end++) {
        }
        TH_TRY(judge_day(r, from, end));
    }
    return TH_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

static void count_fates(th_ingest *in)
{
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        const ingest_item *item = &in->window.items.at[i];
        ingest_object *o = &in->objects.at[item->object];
        if (item->table == TH_TABLE_blobs || !ingest_item_counts(in, item)) continue;
        o->added += item->fate == INGEST_FATE_NEW;
        o->duplicates += item->fate != INGEST_FATE_NEW;
        o->variants += item->variant;
    }
}

/* Most windows are of one table. */
static bool has_table(const th_ingest *in, uint32_t table)
{
    return in->window.tables >> (table % WINDOW_TABLES) & 1;
}

static th_err run_resolve(resolve_run *r)
{
    th_ingest *in = r->in;
    size_t table_count;
    const th_stored_table *tables = th_model_tables(&table_count);
    TH_TRY(find_twins(in));
    if (in->seen != NULL) TH_TRY(resolve_seen(r));
    for (size_t i = 0; i < table_count; i++) {
        bool deduplicated =
            tables[i].identity == TH_IDENTITY_EVENT || tables[i].identity == TH_IDENTITY_VERSION;
        if (deduplicated && has_table(in, (uint32_t)tables[i].id))
            TH_TRY(find_stored(r, &tables[i]));
    }
    in->marks.count = 0;
    TH_TRY(resolve_variants(r));
    count_fates(in);
    return TH_OK;
}

th_err ingest_resolve(th_ingest *in, th_diag *diag)
{
    th_arena_reset(in->resolving);
    resolve_run r = {.in = in, .version = in->version, .diag = diag};
    th_buf_init(&r.identity, TH_RECORD_SIZE_MAX * 2u);
    r.rows = th_arena_new(2u * TH_SEGMENT_RAW_MAX, NULL);
    r.segments = th_arena_new(256u << 20, NULL);
    r.fingerprints = malloc((2u * in->window.items.count + 1u) * sizeof(*r.fingerprints));
    th_err err = r.rows == NULL || r.segments == NULL || r.fingerprints == NULL ? TH_ENOMEM
                                                                                : run_resolve(&r);
    th_buf_free(&r.identity);
    th_arena_free(r.rows);
    th_arena_free(r.segments);
    free(r.fingerprints);
    free(r.candidates);
    free(r.members);
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, NULL, "cannot look records up: %s", th_err_text(err));
}
