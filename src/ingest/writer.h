/* SPDX-License-Identifier: Apache-2.0
 * Bytes into a file and a digest by a thread of its own, while more are read or inflated. A bounded queue: who is ahead
 * waits. */
#ifndef TH_INGEST_WRITER_H
#define TH_INGEST_WRITER_H

#include "base/err.h"
#include "base/hash.h"

typedef struct ingest_writer ingest_writer;

/* fd and digest (may be NULL) stay the caller's, who leaves them alone until the end. NULL: no memory or no thread; the
 * caller writes by himself. */
ingest_writer *ingest_writer_new(int fd, th_sha256_ctx *digest);
/* bytes are copied. A failure to write comes back from a later call. */
TH_MUST_CHECK th_err ingest_writer_add(ingest_writer *writer, th_slice bytes, th_diag *diag);
/* All is written, or cannot be; the writer is gone either way. */
TH_MUST_CHECK th_err ingest_writer_finish(ingest_writer *writer, th_diag *diag);

#endif
