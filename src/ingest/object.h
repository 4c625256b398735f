/* SPDX-License-Identifier: Apache-2.0
 * Objects into the batch, for the files of this folder. */
#ifndef TH_INGEST_OBJECT_H
#define TH_INGEST_OBJECT_H

#include "ingest/ingest_private.h"

/* th_ingest_stream that says whether it was the descriptor that could not be read. size_hint: bytes to expect, 0 = unknown. */
TH_MUST_CHECK th_err ingest_read_object(th_ingest *in, const char *name, int fd, uint64_t size_hint,
                                        const th_header *headers, size_t header_count,
                                        bool *unreadable, th_diag *diag);
/* Drop all objects and items of the batch. */
void ingest_forget_batch(th_ingest *in);

#endif
