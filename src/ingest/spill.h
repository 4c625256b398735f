/* SPDX-License-Identifier: Apache-2.0
 * What grows with an object and not with a batch: in memory while it is little, else in files under DATA/tmp that have no
 * name, so that neither size nor kind of an object decides how much memory its load takes. */
#ifndef TH_INGEST_SPILL_H
#define TH_INGEST_SPILL_H

#include "ingest/slurp.h"

/* Bytes that are appended to `tail`, and read once all are there. */
typedef struct ingest_log {
    th_buf tail;
    ingest_slurp rest; /* what was before it */
} ingest_log;
void ingest_log_init(ingest_log *log, const char *dir);
/* To be called after what was appended: moves a long tail away, and tells of its errors. */
TH_MUST_CHECK th_err ingest_log_settle(ingest_log *log, th_diag *diag);
/* All of it as one slice, until the log is cleared or freed; nothing can be appended before that. */
TH_MUST_CHECK th_err ingest_log_finish(ingest_log *log, th_slice *out, th_diag *diag);
void ingest_log_clear(ingest_log *log);
void ingest_log_free(ingest_log *log);

/* An array in a mapped file: read and written anywhere, moved when it grows. Zero-initialised but for dir; its room on disk
 * is taken beforehand, for a full disk behind a mapping ends the process. */
typedef struct ingest_spill {
    const char *dir;
    bool is_open;
    int fd;
    void *at;
    size_t capacity;
} ingest_spill;
/* Room for size bytes; what is new is zero. TH_ENOSPC, TH_EIO, TH_ENOMEM: it is as it was. */
TH_MUST_CHECK th_err ingest_spill_reserve(ingest_spill *spill, size_t size, th_diag *diag);
void ingest_spill_free(ingest_spill *spill);

#endif
