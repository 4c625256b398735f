/* SPDX-License-Identifier: Apache-2.0
 * Candidates for known identities: the wanted fingerprints against those kept beside each segment, 4 bytes a row. */
#include <stdlib.h>

#include "store/store_private.h"

/* Rows are tested against a bitmap of the wanted fingerprints first: nearly all rows end there. */
enum { BITS_MIN = 12, BITS_MAX = 24, BLOCK = 256, FEW = 8 };

typedef struct wanted {
    const uint64_t *fingerprints;
    size_t count;
    uint64_t *bits;
    uint32_t mask;
} wanted;

/* As stored: 0 is kept for "none". */
static uint32_t low_of(uint64_t fingerprint)
{
    uint32_t low = (uint32_t)fingerprint;
    return low == 0 ? 1 : low;
}

static bool make_bits(wanted *w)
{
    uint32_t bits = BITS_MIN;
    while (bits < BITS_MAX && (UINT64_C(1) << bits) < w->count * 16) bits++;
    w->mask = (UINT32_C(1) << bits) - 1;
    w->bits = calloc(((size_t)1 << bits) / 64, sizeof(uint64_t));
    for (size_t i = 0; w->bits != NULL && i < w->count; i++) {
        uint32_t at = low_of(w->fingerprints[i]) & w->mask;
        w->bits[at / 64] |= UINT64_C(1) << (at % 64);
    }
    return w->bits != NULL;
}

static size_t first_equal(const wanted *w, uint32_t low)
{
    size_t begin = 0, end = w->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (low_of(w->fingerprints[middle]) < low)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

static uint64_t lsn_of(const store_piece *head, uint32_t row)
{
    uint32_t low = 0, high = head->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (head->runs[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return head->runs[low].lsn;
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
    store_refs refs; /* segments whose heads must be read */
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

/* Whether the block holds one of few wanted fingerprints: simple enough for vector instructions. */
static bool holds_any(const uint32_t *prints, const wanted *w)
{
    uint32_t any = 0;
    for (size_t k = 0; k < w->count; k++) {
        uint32_t low = low_of(w->fingerprints[k]);
        for (uint32_t i = 0; i < BLOCK; i++) any |= prints[i] == low;
    }
    return any != 0;
}

/* head may be NULL: all rows are of one commit that is late enough. */
static th_err scan(finder *f, const uint32_t *prints, uint32_t rows, const store_piece *head,
                   int32_t day, uint64_t seq)
{
    const wanted *w = &f->w;
    for (uint32_t row = 0; row < rows; row++) {
        while (w->count <= FEW && row % BLOCK == 0 && rows - row >= BLOCK &&
               !holds_any(prints + row, w))
            row += BLOCK;
        if (row == rows) break;
        uint32_t low = prints[row], at = low & w->mask;
        if ((w->bits[at / 64] >> (at % 64) & 1) == 0 || low == 0) continue;
        size_t which = first_equal(w, low);
        if (which == w->count || low_of(w->fingerprints[which]) != low) continue;
        if (head != NULL && lsn_of(head, row) <= f->after_lsn) continue;
        for (; which < w->count && low_of(w->fingerprints[which]) == low; which++)
            TH_TRY(add_hit(f, (hit){day, (uint32_t)which, seq + row}));
    }
    return TH_OK;
}

static th_err scan_entry(finder *f, const store_file *file, const store_entry *e)
{
    if (e->lsn <= f->after_lsn || e->lsn > f->version->lsn || e->prints == STORE_PRINTS_NONE)
        return TH_OK;
    if (e->prints != STORE_PRINTS_ON_DISK)
        return scan(f, file->journal->prints + e->prints, e->rows, NULL, e->day, e->first_seq);
    th_segment_ref ref = store_entry_ref(file, e);
    return store_refs_push(&f->refs, &ref);
}

static th_err scan_journal(finder *f, store_file *file, th_diag *diag)
{
    store_journal *j = file->journal;
    if (j == NULL) return store_file_damaged(file, diag, "it could not be opened");
    th_err err = TH_OK;
    pthread_rwlock_rdlock(&j->lock);
    for (uint32_t d = 0; d < j->day_count && err == TH_OK; d++)
        for (uint32_t i = 0; j->days[d].table == f->table && i < j->days[d].count && err == TH_OK;
             i++)
            err = scan_entry(f, file, &j->entries[j->days[d].list[i]]);
    pthread_rwlock_unlock(&j->lock);
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "no memory to look up identities");
}

/* Damage is logged where it is met, and passed over: what lies there can be stored again. */
static th_err unless_damaged(th_err err, const th_diag *why, th_diag *diag)
{
    if (err == TH_OK || err == TH_ECORRUPT) return TH_OK;
    return th_fail(diag, err, NULL, "%s", why->text);
}

static th_err scan_sealed(finder *f, th_diag *diag)
{
    for (size_t i = 0; i < f->refs.count; i++) {
        const th_segment_ref *ref = &f->refs.refs[i];
        if (ref->last_lsn <= f->after_lsn) continue;
        store_piece *head = NULL;
        th_diag why = {0};
        TH_TRY(unless_damaged(store_read_head(f->version, ref, &head, &why), &why, diag));
        if (head == NULL) continue;
        th_err err = head->fingerprints == NULL
                         ? TH_OK
                         : scan(f, head->fingerprints, ref->rows, head, ref->day, ref->first_seq);
        store_piece_release(head);
        if (err != TH_OK) return th_fail(diag, err, NULL, "no memory to look up identities");
    }
    return TH_OK;
}

static th_err scan_all(finder *f, th_diag *diag)
{
    const store_files *files = f->version->files;
    for (uint32_t i = 0; i < files->journals; i++) {
        th_diag why = {0};
        TH_TRY(unless_damaged(scan_journal(f, files->files[i], &why), &why, diag));
    }
    for (uint32_t i = store_files_of_table(files, f->table); i < files->count; i++) {
        store_file *file = files->files[i];
        th_diag why = {0};
        if (file->info.table != f->table) break;
        if (file->info.last_lsn <= f->after_lsn) continue;
        TH_TRY(unless_damaged(
            store_refs_add_file(f->version, file, f->table, INT32_MIN, INT32_MAX, &f->refs, &why),
            &why, diag));
    }
    return scan_sealed(f, diag);
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
    if (!make_bits(&f.w))
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to look up %zu identities", count);
    th_err err = scan_all(&f, diag);
    if (f.count > 1) qsort(f.hits, f.count, sizeof(*f.hits), hit_order);
    for (size_t i = 0; i < f.count && err == TH_OK; i++) {
        th_record_id id = {.table = (uint16_t)table, .day = f.hits[i].day, .seq = f.hits[i].seq};
        err = fn(ctx, f.hits[i].which, &id);
    }
    free(f.hits);
    free(f.refs.refs);
    free(f.w.bits);
    return err;
}
