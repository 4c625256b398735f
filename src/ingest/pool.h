/* SPDX-License-Identifier: Apache-2.0
 * Files loaded by several threads, each with an ingest of its own. The ingest that the caller has is the head: it walks,
 * feeds, and takes over what the others counted. */
#ifndef TH_INGEST_POOL_H
#define TH_INGEST_POOL_H

#include "ingest/ingest_private.h"
#include "ingest/walk.h"

typedef struct ingest_pool ingest_pool;

/* Hand one file over; waits while the queue is full. A failure of any thread comes back from the next call. */
TH_MUST_CHECK th_err ingest_pool_feed(th_ingest *head, const th_walk_file *file, th_diag *diag);
/* Wait until all files are loaded (or, after a failure or Ctrl-C, until the threads have stopped), commit what each thread
 * has in hand, end the threads, and add up what they counted. */
TH_MUST_CHECK th_err ingest_pool_finish(th_ingest *head, th_diag *diag);

#endif
