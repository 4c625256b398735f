/* SPDX-License-Identifier: Apache-2.0
 * Between the look-up of identities (find.c) and fingerprints on disk and in memory (filter.c). */
#ifndef TH_STORE_FILTER_H
#define TH_STORE_FILTER_H

#include "store/store_private.h"

/* A buffer, and the file that was read last. */
typedef struct store_prints {
    store_file *file;
    int fd;
    th_buf bytes;
} store_prints;
void store_prints_init(store_prints *p);
void store_prints_free(store_prints *p);
/* Fingerprints of a segment, checked: 4 bytes a row, until the next call; *prints NULL: no row has one. dir: of a sealed
 * file; NULL for a journal. */
TH_MUST_CHECK th_err store_prints_read(store_prints *p, store_file *file, const store_piece *dir,
                                       const th_segment_ref *ref, const uint8_t **prints,
                                       th_diag *diag);

/* What a filter for so many rows takes. */
size_t store_filter_bytes(uint64_t rows);
/* An empty filter for so many rows. NULL: no memory. */
store_piece *store_filter_new(uint32_t file, uint64_t place, uint64_t rows);
void store_filter_add(store_piece *piece, const uint8_t *prints, uint32_t rows);
/* False when none of its rows has this fingerprint (low half). */
bool store_filter_may_hold(const store_piece *piece, uint32_t low);

#endif
