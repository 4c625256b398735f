/* SPDX-License-Identifier: Apache-2.0
 * From delivered bytes to stored records: inflate, recognise, split, identify, deduplicate, commit; and back: a content
 * rebuilt byte for byte from its records.
 *
 *   bytes -> container (gzip?) -> content (SHA-256) -> envelope + records -> (table, day) rows -> one th_write
 *
 * Nothing is dropped: what no recogniser takes is kept whole in `blobs` and named in `quarantine` with reason and place.
 * Threads: an ingest object belongs to one thread, whatever threads of its own it has; several may run on one store. */
#ifndef TH_INGEST_INGEST_H
#define TH_INGEST_INGEST_H

#include "store/store.h"

typedef struct th_ingest th_ingest;

#define TH_INGEST_THREADS_MAX 64u

typedef struct th_ingest_options {
    const char *source; /* a recogniser's name, or NULL / "auto" */
    const char *
        as_prefix; /* "s3://BUCKET/PREFIX": name of a file = prefix + path below the folder given */
    const char *case_id, *acquired_by, *note; /* NULL: none */
    bool containers_exact;                    /* keep or rebuild containers bit for bit */
    bool reprocess;                           /* run recognisers again on contents that are known */
    const char *who;        /* "uid 1000", an access key's name: goes into the delivery */
    uint64_t batch_bytes;   /* record bytes a commit; 0 = 32 MiB, less with more than two threads */
    uint32_t batch_objects; /* objects a commit; 0 = 4096 */
    uint32_t threads;       /* that load files; 0 and 1 = the caller's alone */
    bool quiet;             /* no progress on standard error */
} th_ingest_options;

/* A refused piece. */
typedef struct th_ingest_reason {
    const char *path;
    uint64_t offset;
    const char *reason;
} th_ingest_reason;

/* What cli.md calls the ingest summary. Counts cover what is committed. */
typedef struct th_ingest_summary {
    uint64_t objects;       /* new contents */
    uint64_t objects_known; /* contents already held */
    uint64_t deliveries;    /* rows added to `objects` */
    uint64_t records;       /* newly stored */
    uint64_t duplicates;
    uint64_t variants; /* stored under a known identity */
    uint64_t quarantined;
    uint64_t bytes; /* content bytes */
    int64_t elapsed_us;
    uint64_t lsn;
    uint64_t unreadable; /* files that could not be read: exit 1 */
    const th_ingest_reason
        *reasons; /* quarantined and unreadable pieces, at most 10,000 are listed */
    size_t reason_count;
} th_ingest_summary;

th_ingest *th_ingest_new(th_store *store, const th_ingest_options *options); /* NULL: no memory */
void th_ingest_free(th_ingest *ingest);

/* A delivered object. name: path or s3:// name. headers: response headers that belong to the delivery, names lower case. */
typedef struct th_header {
    th_slice name, value;
} th_header;
typedef struct th_object_input {
    const char *name;
    th_slice bytes; /* the container as delivered */
    const th_header *headers;
    size_t header_count;
} th_object_input;

/* Prepare one object; commits by itself when the batch is full. Bad content is no error: it is quarantined. */
TH_MUST_CHECK th_err th_ingest_object(th_ingest *ingest, const th_object_input *object,
                                      th_diag *diag);
/* The same from a file descriptor, size unknown (files, standard input); read and inflated by pieces, large ones spooled to DATA/tmp. */
TH_MUST_CHECK th_err th_ingest_stream(th_ingest *ingest, const char *name, int fd,
                                      const th_header *headers, size_t header_count, th_diag *diag);
/* A file, or a folder walked in name order, symbolic links not followed; FILE.head.json sidecars belong to FILE. Unreadable
 * files are counted and named, the rest loads. "-" is standard input. cancel may be NULL: not 0 stops between objects and
 * while one is read. With options.threads above 1 files may still be in the hands of other threads when it returns; their
 * failures come back from later calls, their counts are in the summary after th_ingest_commit. */
TH_MUST_CHECK th_err th_ingest_path(th_ingest *ingest, const char *path, const volatile int *cancel,
                                    th_diag *diag);
/* Commit what is prepared: the ack of all objects so far. */
TH_MUST_CHECK th_err th_ingest_commit(th_ingest *ingest, th_diag *diag);
/* Counts up to the last commit; lives until the next call. */
const th_ingest_summary *th_ingest_summary_get(th_ingest *ingest);
/* cli.md's JSON object, one line without newline. */
void th_ingest_summary_json(const th_ingest_summary *summary, th_buf *out);
/* Walk what th_ingest_path would load without loading it: total files and bytes, for progress. */
TH_MUST_CHECK th_err th_ingest_measure(const char *path, uint64_t *files, uint64_t *bytes,
                                       th_diag *diag);

/* ---- contents and deliveries, back out (content.c) ---------------------------------------------------------------- */

/* Content bytes of a SHA-256, in order, piece by piece. TH_ENOTFOUND; TH_EPARTIAL when parts are gone (the ranges in diag). */
typedef th_err (*th_bytes_fn)(void *ctx, th_slice bytes);
TH_MUST_CHECK th_err th_content_read(th_version *version, const th_sha256 *sha, th_bytes_fn fn,
                                     void *ctx, th_diag *diag);

/* One content with the names it was delivered under. */
typedef struct th_content_info {
    th_sha256 sha;
    uint64_t size, records;
    th_slice source;       /* recogniser's name; "" = none took it */
    const th_slice *names; /* distinct, in order of arrival */
    size_t name_count;
    uint64_t quarantined;
} th_content_info;
typedef th_err (*th_content_fn)(void *ctx, const th_content_info *info);
/* All contents in order of arrival. */
TH_MUST_CHECK th_err th_content_list(th_version *version, th_content_fn fn, void *ctx,
                                     th_diag *diag);
/* All contents in order of arrival with their bytes: begin, bytes piece by piece, end with what came of it (TH_OK: whole,
 * its SHA-256 was checked; else what diag says, and the walk goes on). An error of a callback ends the walk. A content
 * that was taken apart twice comes twice. */
typedef struct th_content_sink {
    th_err (*begin)(void *ctx, const th_sha256 *sha, uint64_t size);
    th_bytes_fn bytes;
    th_err (*end)(void *ctx, th_err err, const th_diag *diag);
    void *ctx;
} th_content_sink;
TH_MUST_CHECK th_err th_content_export(th_version *version, const th_content_sink *sink,
                                       th_diag *diag);
/* REF = 64 hex digits, s3:// name, or path as ingested. TH_ENOTFOUND; TH_EAMBIGUOUS (hashes in *out, *count of them). */
TH_MUST_CHECK th_err th_content_find(th_version *version, const char *ref, th_arena *arena,
                                     th_sha256 **out, size_t *count, th_diag *diag);

/* Where each record of a content lies, in content order: runs of consecutive sequences. For cloudtrail_deliveries. */
typedef struct th_content_run {
    uint16_t table;
    int32_t day;
    uint64_t seq, count;
    uint64_t ordinal; /* of the first record in the content */
} th_content_run;
TH_MUST_CHECK th_err th_content_runs(th_version *version, const th_sha256 *sha, th_arena *arena,
                                     th_content_run **out, size_t *count, th_diag *diag);

/* ---- variants (variants.c) ---------------------------------------------------------------------------------------- */

/* Marks on rows of one (table, day): which are not shown, which differ as JSON from a sibling. Sorted by seq. */
typedef struct th_variant_mark {
    uint64_t seq;
    bool hidden, conflict;
} th_variant_mark;
TH_MUST_CHECK th_err th_variant_marks(th_version *version, uint32_t table, int32_t day,
                                      th_arena *arena, th_variant_mark **out, size_t *count,
                                      th_diag *diag);

/* ---- names of recognisers, for --source and --help --------------------------------------------------------------- */
const char *const *th_ingest_sources(void); /* ended by NULL */

#endif
