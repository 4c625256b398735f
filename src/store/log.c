/* SPDX-License-Identifier: Apache-2.0
 * The log read forward: rows in order of their commits, whatever files they lie in by now. */
#include <stdlib.h>

#include "store/store_private.h"

/* A segment whose next run waits in the heap. */
typedef struct cursor {
    const th_segment_ref *ref;
    store_piece *head;
    uint32_t run;
    uint64_t lsn;
} cursor;

typedef struct reader {
    th_version *version;
    store_refs refs; /* by first LSN not read yet */
    size_t next_ref;
    cursor *heap;
    size_t heap_count, heap_capacity;
    th_log_range *ranges;
    size_t count, capacity;
    uint64_t after_lsn, rows, last_lsn;
} reader;

static bool goes_first(const cursor *a, const cursor *b)
{
    if (a->lsn != b->lsn) return a->lsn < b->lsn;
    if (a->ref->table != b->ref->table) return a->ref->table < b->ref->table;
    if (a->ref->day != b->ref->day) return a->ref->day < b->ref->day;
    return a->ref->first_seq < b->ref->first_seq;
}

static void sift_down(reader *r, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = at * 2 + 1; child <= at * 2 + 2 && child < r->heap_count; child++)
            if (goes_first(&r->heap[child], &r->heap[least])) least = child;
        if (least == at) return;
        cursor swap = r->heap[at];
        r->heap[at] = r->heap[least];
        r->heap[least] = swap;
        at = least;
    }
}

static th_err heap_add(reader *r, cursor c)
{
    if (r->heap_count == r->heap_capacity) {
        size_t capacity = r->heap_capacity == 0 ? 64 : r->heap_capacity * 2;
        cursor *bigger = realloc(r->heap, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        r->heap = bigger;
        r->heap_capacity = capacity;
    }
    size_t at = r->heap_count++;
    r->heap[at] = c;
    while (at > 0 && goes_first(&r->heap[at], &r->heap[(at - 1) / 2])) {
        cursor swap = r->heap[at];
        r->heap[at] = r->heap[(at - 1) / 2];
        r->heap[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
    return TH_OK;
}

/* Rows of the cursor's run that the version sees. */
static uint32_t run_end(const cursor *c)
{
    uint32_t end =
        c->run + 1 < c->head->run_count ? c->head->runs[c->run + 1].first_row : c->head->rows;
    return end < c->ref->rows ? end : c->ref->rows;
}

/* A segment enters the heap at its first run behind after_lsn; false: it has none that is visible. */
static th_err open_cursor(reader *r, const th_segment_ref *ref, th_diag *diag)
{
    cursor c = {.ref = ref};
    TH_TRY(store_read_head(r->version, ref, &c.head, diag));
    uint32_t high = c.head->run_count;
    while (c.run < high) {
        uint32_t middle = c.run + (high - c.run) / 2;
        if (c.head->runs[middle].lsn <= r->after_lsn)
            c.run = middle + 1;
        else
            high = middle;
    }
    th_err err = TH_OK;
    if (c.run < c.head->run_count && c.head->runs[c.run].first_row < ref->rows) {
        c.lsn = c.head->runs[c.run].lsn;
        err = heap_add(r, c);
        if (err == TH_OK) return TH_OK;
        (void)th_fail(diag, err, NULL, "no memory to read the log");
    }
    store_piece_release(c.head);
    return err;
}

static th_err emit(reader *r, const cursor *c)
{
    uint32_t begin = c->head->runs[c->run].first_row, count = run_end(c) - begin;
    r->rows += count;
    r->last_lsn = c->lsn;
    th_log_range *last = r->count > 0 ? &r->ranges[r->count - 1] : NULL;
    bool joins = last != NULL && last->lsn == c->lsn && last->ref.file == c->ref->file &&
                 last->ref.table == c->ref->table && last->ref.day == c->ref->day &&
                 last->ref.first_seq == c->ref->first_seq && last->begin + last->count == begin;
    if (joins) {
        last->count += count;
        return TH_OK;
    }
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 64 : r->capacity * 2;
        th_log_range *bigger = realloc(r->ranges, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        r->ranges = bigger;
        r->capacity = capacity;
    }
    r->ranges[r->count++] =
        (th_log_range){.lsn = c->lsn, .ref = *c->ref, .begin = begin, .count = count};
    return TH_OK;
}

static uint64_t opens_at(const reader *r, const th_segment_ref *ref)
{
    return ref->first_lsn > r->after_lsn ? ref->first_lsn : r->after_lsn + 1;
}

static int by_lsn(const void *a, const void *b)
{
    const th_segment_ref *x = a, *y = b;
    return x->first_lsn < y->first_lsn ? -1 : x->first_lsn > y->first_lsn;
}

static th_err gather(reader *r, const uint32_t *tables, size_t table_count, th_diag *diag)
{
    const store_files *files = r->version->files;
    for (size_t t = 0; t < table_count; t++) {
        for (uint32_t i = 0; i < files->count; i++) {
            store_file *file = files->files[i];
            bool sealed = file->info.kind == STORE_SEALED;
            if (sealed && (file->info.table != tables[t] || file->info.last_lsn <= r->after_lsn))
                continue;
            TH_TRY(store_refs_add_file(r->version, file, tables[t], INT32_MIN, INT32_MAX, &r->refs,
                                       diag));
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < r->refs.count; i++)
        if (r->refs.refs[i].last_lsn > r->after_lsn) r->refs.refs[kept++] = r->refs.refs[i];
    r->refs.count = kept;
    if (kept > 1) qsort(r->refs.refs, kept, sizeof(*r->refs.refs), by_lsn);
    return TH_OK;
}

/* Whole commits until there are enough rows. */
static th_err read_ranges(reader *r, uint64_t rows_max, bool *ended, th_diag *diag)
{
    for (;;) {
        while (r->next_ref < r->refs.count &&
               (r->heap_count == 0 || opens_at(r, &r->refs.refs[r->next_ref]) <= r->heap[0].lsn))
            TH_TRY(open_cursor(r, &r->refs.refs[r->next_ref++], diag));
        *ended = r->heap_count == 0;
        if (*ended || (r->rows >= rows_max && r->heap[0].lsn != r->last_lsn)) return TH_OK;
        cursor *c = &r->heap[0];
        if (emit(r, c) != TH_OK) return th_fail(diag, TH_ENOMEM, NULL, "no memory to read the log");
        c->run++;
        if (c->run < c->head->run_count && c->head->runs[c->run].first_row < c->ref->rows) {
            c->lsn = c->head->runs[c->run].lsn;
        } else {
            store_piece_release(c->head);
            r->heap[0] = r->heap[--r->heap_count];
        }
        sift_down(r, 0);
    }
}

th_err th_version_log(th_version *version, const uint32_t *tables, size_t table_count,
                      uint64_t after_lsn, uint64_t rows_max, th_arena *arena, th_log_range **out,
                      size_t *count, uint64_t *last_lsn, th_diag *diag)
{
    reader r = {.version = version, .after_lsn = after_lsn, .last_lsn = after_lsn};
    bool ended = false;
    th_err err = gather(&r, tables, table_count, diag);
    if (err == TH_OK) err = read_ranges(&r, rows_max, &ended, diag);
    if (err == TH_OK) {
        th_log_range *copy = TH_NEW_ARRAY(arena, th_log_range, r.count);
        if (copy == NULL) {
            err =
                th_fail(diag, TH_ELIMIT, NULL, "no memory left for %zu ranges of the log", r.count);
        } else {
            if (r.count > 0) memcpy(copy, r.ranges, r.count * sizeof(*copy));
            *out = copy;
            *count = r.count;
            *last_lsn = ended && version->lsn > after_lsn ? version->lsn : r.last_lsn;
        }
    }
    for (size_t i = 0; i < r.heap_count; i++) store_piece_release(r.heap[i].head);
    free(r.heap);
    free(r.ranges);
    free(r.refs.refs);
    return err;
}
