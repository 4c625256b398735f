/* SPDX-License-Identifier: Apache-2.0
 * Candidates for known identities: the wanted fingerprints against those kept beside each segment, 4 bytes a row. */
#include <stdlib.h>

#include "store/store_private.h"

/* Rows are tested against a bitmap of the wanted fingerprints first: nearly all rows end there. */
enum { BITS_MIN = 12, BITS_MAX = 24 };

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
    while (bits < BITS_MAX && (UINT64_C(1) << bits) < w->count * 16)
        bits++;
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

static th_err scan(const wanted *w, const store_piece *head, const th_segment_ref *ref, uint64_t after_lsn,
                   th_candidate_fn fn, void *ctx)
{
    for (uint32_t row = 0; row < ref->rows; row++) {
        uint32_t low = head->fingerprints[row], at = low & w->mask;
        if ((w->bits[at / 64] >> (at % 64) & 1) == 0 || low == 0)
            continue;
        size_t which = first_equal(w, low);
        if (which == w->count || low_of(w->fingerprints[which]) != low || lsn_of(head, row) <= after_lsn)
            continue;
        th_record_id id = {.table = ref->table, .day = ref->day, .seq = ref->first_seq + row};
        for (; which < w->count && low_of(w->fingerprints[which]) == low; which++)
            TH_TRY(fn(ctx, which, &id));
    }
    return TH_OK;
}

static th_err gather(th_version *version, uint32_t table, uint64_t after_lsn, store_refs *refs, th_diag *diag)
{
    for (uint32_t i = 0; i < version->files->count; i++) {
        store_file *file = version->files->files[i];
        bool sealed = file->info.kind == STORE_SEALED;
        if (sealed && (file->info.table != table || file->info.last_lsn <= after_lsn))
            continue;
        TH_TRY(store_refs_add_file(version, file, table, INT32_MIN, INT32_MAX, refs, diag));
    }
    store_refs_sort(refs);
    return TH_OK;
}

th_err th_version_find(th_version *version, uint32_t table, uint64_t after_lsn, const uint64_t *fingerprints,
                       size_t count, th_candidate_fn fn, void *ctx, th_diag *diag)
{
    if (count == 0 || version->lsn <= after_lsn)
        return TH_OK;
    wanted w = {.fingerprints = fingerprints, .count = count};
    if (!make_bits(&w))
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to look up %zu identities", count);
    store_refs refs = {0};
    th_err err = gather(version, table, after_lsn, &refs, diag);
    for (size_t i = 0; i < refs.count && err == TH_OK; i++) {
        if (refs.refs[i].last_lsn <= after_lsn)
            continue;
        store_piece *head;
        err = store_read_head(version, &refs.refs[i], &head, diag);
        if (err != TH_OK)
            break;
        if (head->fingerprints != NULL)
            err = scan(&w, head, &refs.refs[i], after_lsn, fn, ctx);
        store_piece_release(head);
    }
    free(refs.refs);
    free(w.bits);
    return err;
}
