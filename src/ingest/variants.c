/* SPDX-License-Identifier: Apache-2.0
 * Several texts of one event: which of them a table shows. The rule looks at the set of variants only (S3-delivered form
 * first, then lowest SHA-256), so that every order of arrival gives the same answer.
 *
 * A mark is a row of `hidden_rows` in the day of the row that it speaks of: varint table, varint sequence, u8 action.
 * Later marks win. */
#include <stdlib.h>

#include "base/limits.h"
#include "ingest/ingest_private.h"

void ingest_mark_write(th_buf *out, uint32_t table, uint64_t seq, uint8_t action)
{
    th_buf_add_varint(out, table);
    th_buf_add_varint(out, seq);
    th_buf_add_byte(out, action);
}

static bool shown_before(const ingest_variant *a, const ingest_variant *b)
{
    if (a->delivered_form != b->delivered_form) return a->delivered_form;
    return memcmp(a->sha.bytes, b->sha.bytes, TH_SHA256_SIZE) < 0;
}

size_t ingest_variant_shown(const ingest_variant *variants, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (shown_before(&variants[i], &variants[best])) best = i;
    }
    return best;
}

typedef struct mark_list {
    ingest_marked *at;
    size_t count, capacity;
    uint32_t table;
    th_arena *arena;
} mark_list;

static th_err add_mark(mark_list *list, th_slice row)
{
    th_reader in = th_reader_of(row);
    uint64_t table = th_take_varint(&in);
    uint64_t seq = th_take_varint(&in);
    uint8_t action = th_take_u8(&in);
    if (in.bad) return TH_ECORRUPT;
    if (table != list->table) return TH_OK;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        ingest_marked *bigger = TH_NEW_ARRAY(list->arena, ingest_marked, capacity);
        if (bigger == NULL) return TH_ELIMIT;
        if (list->count > 0) memcpy(bigger, list->at, list->count * sizeof(*bigger));
        list->at = bigger;
        list->capacity = capacity;
    }
    list->at[list->count] = (ingest_marked){
        .seq = seq,
        .hidden = action == INGEST_MARK_HIDE,
        .conflict = action == INGEST_MARK_CONFLICT,
        .promoted = action == INGEST_MARK_PROMOTE,
        .shown = action == INGEST_MARK_SHOW,
        .order = (uint32_t)list->count,
    };
    list->count++;
    return TH_OK;
}

static int by_seq_and_order(const void *a, const void *b)
{
    const ingest_marked *x = a, *y = b;
    if (x->seq != y->seq) return x->seq < y->seq ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* One entry a row: what its marks come to. */
static void fold(mark_list *list)
{
    size_t kept = 0;
    qsort(list->at, list->count, sizeof(*list->at), by_seq_and_order);
    for (size_t i = 0; i < list->count; i++) {
        const ingest_marked *m = &list->at[i];
        if (kept == 0 || list->at[kept - 1].seq != m->seq) {
            list->at[kept++] = *m;
            continue;
        }
        ingest_marked *row = &list->at[kept - 1];
        row->hidden = (row->hidden && !m->shown) || m->hidden;
        row->conflict |= m->conflict;
        row->promoted |= m->promoted;
    }
    list->count = kept;
}

static th_err add_segment(mark_list *list, const th_segment_ref *ref, const th_loaded *loaded,
                          th_diag *diag)
{
    enum { STEP = 4096 };
    th_arena *rows = th_arena_new(64u << 20, NULL);
    th_slice *records = rows == NULL ? NULL : malloc(STEP * sizeof(*records));
    th_err err = records == NULL ? TH_ENOMEM : TH_OK;
    for (uint32_t begin = 0; err == TH_OK && begin < ref->rows; begin += STEP) {
        uint32_t count = ref->rows - begin < STEP ? ref->rows - begin : STEP;
        th_arena_reset(rows);
        err = th_segment_records(loaded->segment, begin, count, rows, records);
        for (uint32_t i = 0; err == TH_OK && i < count; i++) err = add_mark(list, records[i]);
    }
    free(records);
    th_arena_free(rows);
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, NULL, "cannot read which rows are hidden: %s",
                                  th_err_text(err));
}

th_err ingest_marks_read(th_version *version, uint32_t table, int32_t day, th_arena *arena,
                         ingest_marked **out, size_t *count, th_diag *diag)
{
    mark_list list = {.table = table, .arena = arena};
    th_segment_ref *refs = NULL;
    size_t ref_count = 0;
    TH_TRY(th_version_segments(version, TH_TABLE_hidden_rows, day, day, arena, &refs, &ref_count,
                               diag));
    for (size_t i = 0; i < ref_count; i++) {
        const th_loaded *loaded = NULL;
        TH_TRY(th_version_load(version, &refs[i], &loaded, diag));
        th_err err = add_segment(&list, &refs[i], loaded, diag);
        th_version_unload(loaded);
        TH_TRY(err);
    }
    if (list.count > 0) fold(&list);
    *out = list.at;
    *count = list.count;
    return TH_OK;
}

th_err th_variant_marks(th_version *version, uint32_t table, int32_t day, th_arena *arena,
                        th_variant_mark **out, size_t *count, th_diag *diag)
{
    ingest_marked *marked = NULL;
    size_t marked_count = 0;
    TH_TRY(ingest_marks_read(version, table, day, arena, &marked, &marked_count, diag));
    th_variant_mark *marks = TH_NEW_ARRAY(arena, th_variant_mark, marked_count + 1);
    if (marks == NULL)
        return th_fail(diag, TH_ELIMIT, NULL, "no memory for the list of hidden rows");
    size_t kept = 0;
    for (size_t i = 0; i < marked_count; i++) {
        if (marked[i].hidden || marked[i].conflict)
            marks[kept++] = (th_variant_mark){marked[i].seq, marked[i].hidden, marked[i].conflict};
    }
    *out = marks;
    *count = kept;
    return TH_OK;
}
