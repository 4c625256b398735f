/* SPDX-License-Identifier: Apache-2.0
 * Candidates for known identities: the wanted fingerprints against those kept beside each segment, 4 bytes a row. Few are
 * looked up by filters in memory first; many are worth a pass over all fingerprints, which no cache could hold. */
#include <stdlib.h>

#include "store/filter.h"

/* Rows are tested against a bitmap of the wanted fingerprints first: nearly all rows end there. What is left is found by
 * the upper bits of its fingerprint. */
enum { BITS_MIN = 12, BITS_MAX = 23, BITS_A_PRINT = 64, FEW = 100 };

typedef struct wanted {
    const uint64_t *fingerprints;
    size_t count;
    uint64_t *bits;
    uint32_t mask;
    uint32_t *starts; /* by the upper bits: index of the first fingerprint */
    uint32_t shift;
} wanted;

/* As stored: 0 is kept for "none". */
static uint32_t low_of(uint64_t fingerprint)
{
    uint32_t low = (uint32_t)fingerprint;
    return low == 0 ? 1 : low;
}

static bool make_wanted(wanted *w)
{
    uint32_t bits = BITS_MIN, upper = 4;
    while (bits < BITS_MAX && (UINT64_C(1) << bits) < w->count * BITS_A_PRINT) bits++;
    while (upper < 20 && (UINT64_C(1) << upper) < w->count) upper++;
    w->mask = (UINT32_C(1) << bits) - 1;
    w->shift = 32 - upper;
    w->bits = calloc(((size_t)1 << bits) / 64, sizeof(uint64_t));
    w->starts = calloc(((size_t)1 << upper) + 1, sizeof(uint32_t));
    if (w->bits == NULL || w->starts == NULL) return false;
    for (size_t i = 0; i < w->count; i++) {
        uint32_t low = low_of(w->fingerprints[i]), at = low & w->mask;
        w->bits[at / 64] |= UINT64_C(1) << (at % 64);
        w->starts[(low >> w->shift) + 1]++;
    }
    for (size_t i = 0; i < (size_t)1 << upper; i++) w->starts[i + 1] += w->starts[i];
    return true;
}

/* Index of the first fingerprint with this low half, or count. */
static size_t first_equal(const wanted *w, uint32_t low)
{
    uint32_t upper = low >> w->shift;
    for (size_t i = w->starts[upper]; i < w->starts[upper + 1]; i++)
        if (low_of(w->fingerprints[i]) == low) return i;
    return w->count;
}

/* A row whose fingerprint is wanted. */
typedef struct hit {
    int32_t day;
    uint32_t which;
    uint64_t seq;
} hit;

typedef struct finder {
    wanted w;
    th_version *version;
    uint32_t table;
    uint64_t after_lsn;
    hit *hits;
    size_t count, capacity;
    store_prints prints;
    store_refs refs; /* segments of the journal in hand whose fingerprints must be read */
} finder;

static th_err add_hit(finder *f, hit h)
{
    if (f->count == f->capacity) {
        size_t capacity = f->capacity == 0 ? 256 : f->capacity * 2;
        hit *bigger = realloc(f->hits, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        f->hits = bigger;
        f->capacity = capacity;
    }
    f->hits[f->count++] = h;
    return TH_OK;
}

static th_err add_row(finder *f, size_t which, uint32_t low, int32_t day, uint64_t seq)
{
    const wanted *w = &f->w;
    for (; which < w->count && low_of(w->fingerprints[which]) == low; which++)
        TH_TRY(add_hit(f, (hit){day, (uint32_t)which, seq}));
    return TH_OK;
}

/* All rows count. */
static th_err scan(finder *f, const uint8_t *prints, uint32_t rows, int32_t day, uint64_t seq)
{
    const wanted *w = &f->w;
    const uint64_t *bits = w->bits;
    uint32_t mask = w->mask;
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t low;
        memcpy(&low, prints + (size_t)row * 4, 4);
        uint32_t at = low & mask;
        if (__builtin_expect((bits[at / 64] >> (at % 64) & 1) == 0, 1) || low == 0) continue;
        size_t which = first_equal(w, low);
        if (which < w->count) TH_TRY(add_row(f, which, low, day, seq + row));
    }
    return TH_OK;
}

/* ---- one segment -------------------------------------------------------------------------------------------------------------- */

/* Damage is logged where it is met, and passed over: what lies there can be stored again. */
static th_err unless_damaged(th_err err, const th_diag *why, th_diag *diag)
{
    if (err == TH_OK || err == TH_ECORRUPT) return TH_OK;
    return th_fail(diag, err, NULL, "%s", why->text);
}

/* Hits behind `from` that are of commits up to after_lsn do not count. */
static th_err drop_early(finder *f, const th_segment_ref *ref, size_t from, th_diag *diag)
{
    if (f->count == from || ref->first_lsn > f->after_lsn) return TH_OK;
    store_piece *head;
    th_err err = store_read_head(f->version, ref, &head, diag);
    size_t kept = from;
    for (size_t i = from; i < f->count && err == TH_OK; i++) {
        uint32_t row = (uint32_t)(f->hits[i].seq - ref->first_seq);
        if (store_run_at(head->runs, head->run_count, row)->lsn > f->after_lsn)
            f->hits[kept++] = f->hits[i];
    }
    f->count = kept;
    if (err == TH_OK) store_piece_release(head);
    return err;
}

static th_err scan_segment(finder *f, store_file *file, const store_piece *dir,
                           const th_segment_ref *ref, th_diag *diag)
{
    if (ref->last_lsn <= f->after_lsn) return TH_OK;
    const uint8_t *prints = NULL;
    th_diag why = {0};
    size_t from = f->count;
    th_err err = store_prints_read(&f->prints, file, dir, ref, &prints, &why);
    if (err == TH_OK && prints != NULL) {
        if (scan(f, prints, ref->rows, ref->day, ref->first_seq) != TH_OK)
            return th_fail(diag, TH_ENOMEM, NULL, "no memory to look up identities");
        err = drop_early(f, ref, from, &why);
    }
    return unless_damaged(err, &why, diag);
}

/* ---- segments that share a filter ------------------------------------------------------------------------------------------------ */

/* Of a sealed file: entries [begin, end) of its directory, at most TH_SEGMENT_ROWS_MAX rows unless it is one. */
typedef struct unit {
    store_file *file;
    const store_piece *dir; /* NULL: one segment of a journal */
    uint32_t begin, end;
    uint64_t rows;
    const th_segment_ref *ref; /* journal */
} unit;

static th_segment_ref stored_ref(const unit *u, uint32_t place)
{
    const store_dir_entry *e = &u->dir->entries[place];
    return (th_segment_ref){.table = u->file->info.table,
                            .day = e->day,
                            .first_seq = e->first_seq,
                            .rows = e->rows,
                            .rows_stored = e->rows,
                            .first_lsn = e->first_lsn,
                            .last_lsn = e->last_lsn,
                            .stored_bytes = e->payload_bytes,
                            .file = u->file->info.id,
                            .place = place};
}

static th_err fill_filter(finder *f, const unit *u, store_piece *filter, th_diag *diag)
{
    for (uint32_t i = u->begin; i < u->end; i++) {
        const uint8_t *prints;
        th_segment_ref ref = u->dir != NULL ? stored_ref(u, i) : *u->ref;
        TH_TRY(store_prints_read(&f->prints, u->file, u->dir, &ref, &prints, diag));
        if (prints != NULL) store_filter_add(filter, prints, ref.rows_stored);
    }
    return TH_OK;
}

/* NULL: it could not be made, and the segments themselves say why; or there is no room for more, and reading these is
 * cheaper than making others anew each time. */
static store_piece *filter_of(finder *f, const unit *u)
{
    store_cache *cache = f->version->store->filters;
    uint64_t place = u->dir != NULL ? u->begin : u->ref->first_lsn << 16 | u->ref->place;
    store_piece *filter = store_cache_get(cache, u->file->info.id, place);
    if (filter != NULL) return filter;
    if (!store_cache_has_room(cache, store_filter_bytes(u->rows))) return NULL;
    th_diag ignored = {0};
    filter = store_filter_new(u->file->info.id, place, u->rows);
    if (filter == NULL) return NULL;
    if (fill_filter(f, u, filter, &ignored) != TH_OK) {
        store_piece_release(filter);
        return NULL;
    }
    return store_cache_put(cache, filter);
}

static bool may_hold_any(finder *f, const unit *u)
{
    if (f->w.count > FEW) return true;
    store_piece *filter = filter_of(f, u);
    bool any = filter == NULL;
    for (size_t i = 0; i < f->w.count && !any; i++)
        any = store_filter_may_hold(filter, low_of(f->w.fingerprints[i]));
    store_piece_release(filter);
    return any;
}

static th_err scan_unit(finder *f, const unit *u, th_diag *diag)
{
    if (!may_hold_any(f, u)) return TH_OK;
    for (uint32_t i = u->begin; i < u->end; i++) {
        th_segment_ref ref;
        th_diag why = {0};
        th_err err = store_sealed_ref(f->version, u->file, u->dir, i, &ref, &why);
        if (err != TH_OK)
            TH_TRY(unless_damaged(err, &why, diag));
        else if (ref.rows > 0)
            TH_TRY(scan_segment(f, u->file, u->dir, &ref, diag));
    }
    return TH_OK;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------------- */

static th_err scan_sealed(finder *f, store_file *file, th_diag *diag)
{
    store_piece *dir = NULL;
    th_diag why = {0};
    TH_TRY(unless_damaged(store_sealed_directory(file, &dir, &why), &why, diag));
    if (dir == NULL) return TH_OK;
    th_err err = TH_OK;
    unit u = {.file = file, .dir = dir};
    while (u.begin < dir->entry_count && err == TH_OK) {
        u.rows = dir->entries[u.begin].rows;
        for (u.end = u.begin + 1; u.end < dir->entry_count; u.end++) {
            if (u.rows + dir->entries[u.end].rows > TH_SEGMENT_ROWS_MAX) break;
            u.rows += dir->entries[u.end].rows;
        }
        err = scan_unit(f, &u, diag);
        u.begin = u.end;
    }
    store_piece_release(dir);
    return err;
}

static th_err scan_entry(finder *f, const store_file *file, const store_entry *e)
{
    if (e->lsn <= f->after_lsn || e->lsn > f->version->lsn || e->prints == STORE_PRINTS_NONE)
        return TH_OK;
    if (e->prints != STORE_PRINTS_ON_DISK)
        return scan(f, (const uint8_t *)(file->journal->prints + e->prints), e->rows, e->day,
                    e->first_seq);
    th_segment_ref ref = store_entry_ref(file, e);
    return store_refs_push(&f->refs, &ref);
}

static th_err scan_journal(finder *f, store_file *file, th_diag *diag)
{
    store_journal *j = file->journal;
    th_err err = TH_OK;
    if (j == NULL) {
        th_diag ignored = {0};
        (void)store_file_damaged(file, &ignored, "it could not be opened");
        return TH_OK;
    }
    f->refs.count = 0;
    pthread_rwlock_rdlock(&j->lock);
    for (uint32_t d = 0; d < j->day_count && err == TH_OK; d++)
        for (uint32_t i = 0; j->days[d].table == f->table && i < j->days[d].count && err == TH_OK;
             i++)
            err = scan_entry(f, file, &j->entries[j->days[d].list[i]]);
    pthread_rwlock_unlock(&j->lock);
    if (err != TH_OK) return th_fail(diag, err, NULL, "no memory to look up identities");
    for (size_t i = 0; i < f->refs.count; i++) {
        const th_segment_ref *ref = &f->refs.refs[i];
        unit u = {.file = file, .end = 1, .rows = ref->rows_stored, .ref = ref};
        if (may_hold_any(f, &u)) TH_TRY(scan_segment(f, file, NULL, ref, diag));
    }
    return TH_OK;
}

static th_err scan_all(finder *f, th_diag *diag)
{
    const store_files *files = f->version->files;
    for (uint32_t i = 0; i < files->journals; i++) TH_TRY(scan_journal(f, files->files[i], diag));
    for (uint32_t i = store_files_of_table(files, f->table); i < files->count; i++) {
        store_file *file = files->files[i];
        if (file->info.table != f->table) break;
        if (file->info.last_lsn > f->after_lsn && file->info.first_lsn <= f->version->lsn)
            TH_TRY(scan_sealed(f, file, diag));
    }
    return TH_OK;
}

static int hit_order(const void *a, const void *b)
{
    const hit *x = a, *y = b;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    if (x->seq != y->seq) return x->seq < y->seq ? -1 : 1;
    return x->which < y->which ? -1 : x->which > y->which;
}

th_err th_version_find(th_version *version, uint32_t table, uint64_t after_lsn,
                       const uint64_t *fingerprints, size_t count, th_candidate_fn fn, void *ctx,
                       th_diag *diag)
{
    if (count == 0 || version->lsn <= after_lsn) return TH_OK;
    finder f = {.w = {.fingerprints = fingerprints, .count = count},
                .version = version,
                .table = table,
                .after_lsn = after_lsn};
    store_prints_init(&f.prints);
    th_err err = make_wanted(&f.w)
                     ? scan_all(&f, diag)
                     : th_fail(diag, TH_ENOMEM, NULL, "no memory to look up %zu identities", count);
    if (f.count > 1) qsort(f.hits, f.count, sizeof(*f.hits), hit_order);
    for (size_t i = 0; i < f.count && err == TH_OK; i++) {
        th_record_id id = {.table = (uint16_t)table, .day = f.hits[i].day, .seq = f.hits[i].seq};
        err = fn(ctx, f.hits[i].which, &id);
    }
    store_prints_free(&f.prints);
    free(f.hits);
    free(f.refs.refs);
    free(f.w.bits);
    free(f.w.starts);
    return err;
}
