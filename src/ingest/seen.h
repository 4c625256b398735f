/* SPDX-License-Identifier: Apache-2.0
 * Rows that earlier windows put into the write in hand: nobody can look them up in the store yet. Found by their bytes'
 * hash and by their identity; their bytes are read from the content that they came from. */
#ifndef TH_INGEST_SEEN_H
#define TH_INGEST_SEEN_H

#include "ingest/spill.h"

#define INGEST_SEEN_NONE UINT32_MAX

typedef struct ingest_seen_row {
    uint64_t fingerprint; /* of its identity */
    uint64_t hash;        /* of its bytes */
    uint64_t offset;      /* of its text in the content */
    uint64_t seq;         /* as in an item */
    uint32_t size, object;
    int32_t day;
    uint32_t next; /* the row before with this fingerprint, or INGEST_SEEN_NONE */
    uint16_t table;
    uint8_t mode;
    bool stored;    /* in the store, and promoted by the write in hand */
    bool delivered; /* in the form in which its source delivers */
} ingest_seen_row;

typedef struct ingest_seen {
    ingest_spill rows, by_hash, by_fingerprint; /* the latter two: a row + 1, or 0 */
    uint32_t count, slots;
} ingest_seen;

ingest_seen *ingest_seen_new(const char *dir); /* NULL: no memory */
void ingest_seen_free(ingest_seen *seen);      /* accepts NULL */
TH_MUST_CHECK th_err ingest_seen_add(ingest_seen *seen, const ingest_seen_row *row, th_diag *diag);
static inline ingest_seen_row *ingest_seen_at(const ingest_seen *seen, uint32_t index)
{
    return (ingest_seen_row *)seen->rows.at + index;
}
/* The last one of an identity, or INGEST_SEEN_NONE; others by `next`. */
uint32_t ingest_seen_last(const ingest_seen *seen, uint64_t fingerprint);
/* Rows whose bytes have the hash: the first call with *place = 0; INGEST_SEEN_NONE after the last one. */
uint32_t ingest_seen_hashed(const ingest_seen *seen, uint64_t hash, uint32_t *place);

#endif
