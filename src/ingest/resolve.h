/* SPDX-License-Identifier: Apache-2.0
 * One look-up of a batch, shared by resolve.c and variant_group.c. */
#ifndef TH_INGEST_RESOLVE_H
#define TH_INGEST_RESOLVE_H

#include "ingest/ingest_private.h"

/* A stored row whose fingerprint might be that of an item. */
typedef struct resolve_candidate {
    uint64_t fingerprint;
    int32_t day;
    uint64_t seq;
} resolve_candidate;

/* One variant of an identity: a stored row, or an item that will be one. */
typedef struct resolve_member {
    uint64_t fingerprint;
    uint16_t table;
    int32_t day, object_day;
    uint64_t seq, object_seq; /* object: the row's own delivery, UINT64_MAX = none */
    uint32_t item;            /* INGEST_NONE = stored, or of an earlier window */
    uint32_t known;           /* of such a one: the item that has its bytes, or INGEST_NONE */
    uint32_t seen;            /* the row of an earlier window, or INGEST_SEEN_NONE */
    th_slice record;
} resolve_member;

typedef struct resolve_run {
    th_ingest *in;
    th_version *version;
    th_diag *diag;
    th_buf identity;
    th_arena *rows, *segments;
    const th_stored_table *table;
    uint64_t *fingerprints;
    resolve_candidate *candidates;
    size_t candidate_count, candidate_capacity;
    resolve_member *members;
    size_t member_count, member_capacity;
    th_map *grouped; /* identities whose rows of earlier windows are members */
    th_map *forms;   /* delivery -> was it in delivered form? */
    th_map *marked;  /* (table, day) -> index in mark_sets + 1 */
    struct {
        ingest_marked *at;
        size_t count;
    } * mark_sets;
    size_t mark_set_count, mark_set_capacity;
} resolve_run;

TH_MUST_CHECK th_err resolve_add_member(resolve_run *r, const resolve_member *member);
/* Sorted by low 32 bits, one of each; how many are left. spare: room for as many. */
size_t resolve_sort_low(uint64_t *at, size_t count, uint64_t *spare);
/* resolve_seen.c: items that earlier windows have become known, or members of groups. */
TH_MUST_CHECK th_err resolve_seen(resolve_run *r);
/* Has the write in hand promoted the stored row already? */
bool resolve_was_promoted(const th_ingest *in, const resolve_member *member);
/* No other item and no stored row has the item's fingerprint, as far as candidates were judged. */
bool resolve_is_alone(const th_ingest *in, uint32_t index);
/* From members and new items: which rows are hidden, shown, promoted, in conflict. Fills in->marks. */
TH_MUST_CHECK th_err resolve_variants(resolve_run *r);

#endif
