/* SPDX-License-Identifier: Apache-2.0
 * Runs of records read in turn from one version: what lies next to each other is decoded once, also from call to call.
 * For contents and exports; a single record is read with th_version_record. */
#ifndef TH_STORE_READER_H
#define TH_STORE_READER_H

#include "store/store.h"

typedef struct th_record_reader th_record_reader;

/* The version must outlive it. Decoded bytes are charged to budget (may be NULL). One thread. NULL: no memory. */
th_record_reader *th_record_reader_new(th_version *version, th_budget *budget);
void th_record_reader_free(th_record_reader *reader); /* accepts NULL */
/* Keep at most this many places open (1 to 8, which is what a new reader has): one is enough where runs follow each
 * other, and takes an eighth of the memory. Before the first run. */
void th_record_reader_keep(th_record_reader *reader, uint32_t places);
/* Bytes of rows seq .. seq + count - 1 of one (table, day), handed over piece by piece in order; a piece is valid during
 * the call. TH_ENOTFOUND, TH_ECORRUPT, TH_ELIMIT, fn's errors. */
TH_MUST_CHECK th_err th_record_reader_run(th_record_reader *reader, uint32_t table, int32_t day,
                                          uint64_t seq, uint64_t count, th_records_fn fn, void *ctx,
                                          th_diag *diag);

#endif
