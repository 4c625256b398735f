/* SPDX-License-Identifier: Apache-2.0
 * An array of rows and two tables of slots over it, all in files: one object may have a hundred million records. */
#include "ingest/seen.h"

#include <stdlib.h>

enum { SLOTS_MIN = 1 << 16, SLOTS_GROW = 4 };

ingest_seen *ingest_seen_new(const char *dir)
{
    ingest_seen *seen = calloc(1, sizeof(*seen));
    if (seen == NULL) return NULL;
    seen->rows.dir = seen->by_hash.dir = seen->by_fingerprint.dir = dir;
    return seen;
}

void ingest_seen_free(ingest_seen *seen)
{
    if (seen == NULL) return;
    ingest_spill_free(&seen->rows);
    ingest_spill_free(&seen->by_hash);
    ingest_spill_free(&seen->by_fingerprint);
    free(seen);
}

static uint32_t place_of(uint64_t key)
{
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The slot of the fingerprint: holds its last row + 1, or 0. */
static uint32_t *fingerprint_slot(const ingest_seen *seen, uint64_t fingerprint)
{
    uint32_t *slots = seen->by_fingerprint.at;
    for (uint32_t at = place_of(fingerprint);; at++) {
        uint32_t *slot = &slots[at & (seen->slots - 1)];
        if (*slot == 0 || ingest_seen_at(seen, *slot - 1)->fingerprint == fingerprint) return slot;
    }
}

static void put_hash(ingest_seen *seen, uint32_t index)
{
    uint32_t *slots = seen->by_hash.at;
    uint32_t at = place_of(ingest_seen_at(seen, index)->hash);
    while (slots[at & (seen->slots - 1)] != 0) at++;
    slots[at & (seen->slots - 1)] = index + 1;
}

static th_err grow_slots(ingest_seen *seen, th_diag *diag)
{
    uint32_t slots = seen->slots == 0 ? SLOTS_MIN : seen->slots * SLOTS_GROW;
    size_t size = (size_t)slots * sizeof(uint32_t);
    if (slots < seen->slots)
        return th_fail(diag, TH_ELIMIT, NULL, "too many records in one commit");
    TH_TRY(ingest_spill_reserve(&seen->by_hash, size, diag));
    TH_TRY(ingest_spill_reserve(&seen->by_fingerprint, size, diag));
    memset(seen->by_hash.at, 0, size);
    memset(seen->by_fingerprint.at, 0, size);
    seen->slots = slots;
    for (uint32_t i = 0; i < seen->count; i++) {
        put_hash(seen, i);
        /* In order, so that the last row of an identity stays the one that is found. */
        *fingerprint_slot(seen, ingest_seen_at(seen, i)->fingerprint) = i + 1;
    }
    return TH_OK;
}

th_err ingest_seen_add(ingest_seen *seen, const ingest_seen_row *row, th_diag *diag)
{
    if ((uint64_t)seen->count * 2 >= seen->slots) TH_TRY(grow_slots(seen, diag));
    TH_TRY(ingest_spill_reserve(&seen->rows, (size_t)(seen->count + 1) * sizeof(*row), diag));
    uint32_t index = seen->count++;
    uint32_t *slot = fingerprint_slot(seen, row->fingerprint);
    ingest_seen_row *at = ingest_seen_at(seen, index);
    *at = *row;
    at->next = *slot - 1; /* 0 - 1 = INGEST_SEEN_NONE */
    *slot = index + 1;
    put_hash(seen, index);
    return TH_OK;
}

uint32_t ingest_seen_last(const ingest_seen *seen, uint64_t fingerprint)
{
    return seen->slots == 0 ? INGEST_SEEN_NONE : *fingerprint_slot(seen, fingerprint) - 1;
}

uint32_t ingest_seen_hashed(const ingest_seen *seen, uint64_t hash, uint32_t *place)
{
    const uint32_t *slots = seen->by_hash.at;
    while (seen->slots > 0) {
        uint32_t slot = slots[(place_of(hash) + (*place)++) & (seen->slots - 1)];
        if (slot == 0) break;
        if (ingest_seen_at(seen, slot - 1)->hash == hash) return slot - 1;
    }
    return INGEST_SEEN_NONE;
}
