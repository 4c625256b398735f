/* SPDX-License-Identifier: Apache-2.0
 * The archive on disk: commits, log positions, versions, sealed partitions, compaction. Layout: docs/FORMAT.md;
 * reasons: docs/ARCHITECTURE.md.
 *
 * Rows of every table, our own included, go the same way: a writer fills a th_write with rows by (table, day), the
 * committer gives it a log sequence number (LSN) and each row its sequence in (table, day), and one LMDB transaction in
 * default sync mode makes it durable together with its log leaf. th_store_commit returns after that: the ack.
 *
 * Threads: all calls from any thread, except that one th_write belongs to one thread until it is committed. No call may
 * be made on a network loop. */
#ifndef TH_STORE_STORE_H
#define TH_STORE_STORE_H

#include "base/arena.h"
#include "base/hash.h"
#include "model/model.h"
#include "os/os.h"
#include "segment/segment.h"

typedef struct th_store th_store;

typedef struct th_store_options {
    bool create;            /* make the folder when it is missing */
    bool no_background;     /* no compactor thread (tests) */
    th_budget *budget;      /* may be NULL */
    uint64_t journal_bytes; /* 0 = TH_JOURNAL_SIZE_MAX; small values for tests */
    const char *test_mode;  /* NULL; crash rigs' controls: "ack-before-commit", "nosync" */
    int64_t
        cool_us; /* how long ago the last row of a file arrived before the background encodes it in the
                               compact tier; 0 = an hour, below 0 = never */
    uint64_t cache_bytes;    /* most that loaded segments take; 0 = 64 MiB */
    th_budget *cache_budget; /* who is charged for them; NULL = budget */
    uint64_t
        bulk_bytes; /* a write with more encoded bytes goes to sealed files; 0 = 8 MiB; small for tests */
} th_store_options;

/* Take DIR/LOCK, recover, open. TH_ENOTFOUND "no data folder", TH_EBUSY (another process owns it; its pid in diag and
 * *owner_pid), TH_EVERSION, TH_ECORRUPT. */
TH_MUST_CHECK th_err th_store_open(const char *dir, const th_store_options *options, th_store **out,
                                   int *owner_pid, th_diag *diag);
/* Finish what is queued, stop threads, close files, release the lock. Accepts NULL. */
void th_store_close(th_store *store);
const char *th_store_dir(const th_store *store);
/* 32 secret bytes made when the store was made: key of fingerprints. Never shown. */
const uint8_t *th_store_secret(const th_store *store);
/* Fingerprint of identity bytes: the first 8 bytes, little-endian, of HMAC-SHA-256 under the secret; never 0. */
uint64_t th_store_fingerprint(const th_store *store, th_slice identity);

/* ---- positions ------------------------------------------------------------------------------------------------ */

/* A record's permanent id: TABLE/DAY/SEQ. */
typedef struct th_record_id {
    uint16_t table;
    int32_t day;
    uint64_t seq;
} th_record_id;

/* ---- writing --------------------------------------------------------------------------------------------------- */

typedef struct th_write th_write;

/* An empty write. who: arrival's author, for our own logs; copied. NULL: no memory. */
th_write *th_write_new(th_store *store);
void th_write_free(th_write *write); /* accepts NULL */
/* A row of (table, day); bytes are copied. fingerprint 0 = not deduplicated. object: index, given by
 * th_write_add_object, of the delivery that it came in (UINT32_MAX = none). sha: SHA-256 of record when the caller has
 * it, else NULL and it is computed; the log's leaf is made of it, so a wrong one makes the commit fail verification.
 * *local is the row's number inside its (table, day) of this write: its sequence will be first_seq(table, day) + local.
 *
 * A write takes any number of rows: what is encoded goes to a file without a name in DATA/tmp when it grows. In memory
 * are at most 80 MiB of records that are not encoded, of all writes together, in 64 builders a write, 8 MiB of encoded
 * ones a write, and about 150 bytes a segment, 100 bytes a (table, day), 16 a delivery, 8 for each change of the delivery from row to row. Many days at a time
 * make small segments, which the compactor joins; rows in order of days make large ones. A large write is encoded as it
 * is filled, so that filling it is what takes time. Two writes may be filled on two threads.
 *
 * TH_ELIMIT: 131,072 (table, day) pairs are in it, or 2^32 - 2 rows in one of them; commit it. TH_ENOSPC, TH_EIO: the file
 * in DATA/tmp could not be written; the write is broken. */
typedef struct th_row {
    th_slice record;
    th_slice layout;
    bool has_time;
    int64_t time_us;
    uint64_t fingerprint;
    uint32_t object;
    const th_sha256 *sha;
} th_row;
TH_MUST_CHECK th_err th_write_add(th_write *write, const th_stored_table *table, int32_t day,
                                  const th_row *row, uint32_t *local);
uint64_t th_write_bytes(const th_write *write);
uint64_t th_write_rows(const th_write *write);
/* Claim an identity that this write will decide on in late() (a content's, say). Two writes that claim or add the same
 * (table, fingerprint) never share a commit group: the later one is committed after the earlier is published, and its
 * late() sees it. Rows added with a fingerprint are claimed by themselves. A large write shares its group with none. */
void th_write_claim(th_write *write, uint32_t table, uint64_t fingerprint);
/* A delivery in this write; the row itself is added by late(). Returns its index. */
uint32_t th_write_add_object(th_write *write);

/* Called on the committer's thread, once this write has its LSN and sequences: may add rows that name them (deliveries,
 * contents, hidden rows) with th_write_add_late, and may look the write's identities up among what was committed since
 * the snapshot it was prepared with. Return TH_EAGAIN to have nothing committed: th_store_commit then returns TH_EAGAIN
 * and the writer prepares again against a newer version. */
typedef struct th_commit_view {
    uint64_t lsn;
    int64_t arrival_us;
    int32_t arrival_day;
    th_store *store;
    th_write *write;
} th_commit_view;
typedef th_err (*th_late_fn)(void *ctx, const th_commit_view *view, th_diag *diag);
void th_write_set_late(th_write *write, th_late_fn late, void *ctx);
/* First sequence given to this write's rows of (table, day); only inside late(). */
uint64_t th_commit_first_seq(const th_commit_view *view, uint32_t table, int32_t day);
/* Add a row inside late(). *seq is its sequence. For objects: pass the index from th_write_add_object as row->object,
 * so that rows which named that index find their delivery (day arrival_day, this seq). */
TH_MUST_CHECK th_err th_write_add_late(const th_commit_view *view, const th_stored_table *table,
                                       int32_t day, const th_row *row, uint64_t *seq);

/* Encode what can be encoded on the caller's thread (segments, leaf hashes). th_store_commit does it when it was not done. */
TH_MUST_CHECK th_err th_write_encode(th_write *write, th_diag *diag);
/* Hand to the committer and wait until it is durable and published. A write with more than options.bulk_bytes encoded goes
 * to sealed files that one catalog commit names, any other one to the journal; either way all of it is stored or nothing.
 * Other writers wait while a large one is copied and synced. On TH_OK *lsn is its position. On TH_EAGAIN see
 * th_late_fn. TH_ENOSPC, TH_EIO: nothing of it is stored. The write is spent either way (free it), but for TH_EAGAIN.
 * Blocks while TH_COMMIT_QUEUE_MAX writes or too many unmerged journals wait: the back-pressure. An empty write with no
 * late rows commits nothing and gives the current LSN. */
TH_MUST_CHECK th_err th_store_commit(th_store *store, th_write *write, uint64_t *lsn,
                                     th_diag *diag);
/* Last published LSN. */
uint64_t th_store_lsn(const th_store *store);
/* Wait until the LSN is past `after`, the timeout ends (false), or the store stops (false). */
bool th_store_wait(th_store *store, uint64_t after, int64_t timeout_us);

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* An immutable list of files and a bound: all of each commit up to its LSN, or none. Ref-counted; files that it names
 * stay readable until it is released. */
typedef struct th_version th_version;
th_version *th_store_version(th_store *store);
/* The same files with an older bound: rows with a greater LSN are not seen. TH_EINVAL when the bound is above. */
TH_MUST_CHECK th_err th_version_bound(th_version *version, uint64_t lsn, th_version **out);
/* The LSN of the last commit that arrived at or before the time. */
TH_MUST_CHECK th_err th_version_lsn_at(th_version *version, int64_t arrival_us, uint64_t *lsn,
                                       th_diag *diag);
void th_version_release(th_version *version); /* accepts NULL */
uint64_t th_version_lsn(const th_version *version);
th_store *th_version_store(const th_version *version); /* the store that it is a version of */

/* One stored segment as a version sees it. rows is the visible count: rows of later commits are cut off the end. */
typedef struct th_segment_ref {
    uint16_t table;
    int32_t day;
    uint64_t first_seq;
    uint32_t rows, rows_stored;
    int64_t min_us, max_us; /* event time; min > max: none */
    uint64_t first_lsn, last_lsn;
    uint64_t stored_bytes;
    uint64_t raw_bytes; /* of rows_stored records */
    bool compact;       /* encoded in the compact tier */
    uint32_t file;      /* store's own: which file of the version */
    uint64_t place;     /* store's own: where in it */
} th_segment_ref;

/* All segments of table whose day is in [first_day, last_day] (TH_DAY_UNDATED is its own day, below all others), by
 * (day, first_seq), in the arena. */
TH_MUST_CHECK th_err th_version_segments(th_version *version, uint32_t table, int32_t first_day,
                                         int32_t last_day, th_arena *arena, th_segment_ref **out,
                                         size_t *count, th_diag *diag);
/* Rows of table in the version; O(files). */
TH_MUST_CHECK th_err th_version_rows(th_version *version, uint32_t table, uint64_t *rows,
                                     th_diag *diag);

/* Where rows came from: rows from first_row up to the next run's. */
typedef struct th_run {
    uint32_t first_row;
    uint64_t lsn;
    int64_t arrival_us;
    int32_t
        object_day; /* the delivery: row (objects, object_day, object_seq); object_seq UINT64_MAX = none */
    uint64_t object_seq;
} th_run;

/* A segment taken into memory: checked, decrypted, opened. Valid until unloaded, whatever happens to files. */
typedef struct th_loaded {
    th_segment *segment;
    const th_run *runs;
    uint32_t run_count;
    const uint32_t *fingerprints; /* rows_stored of them: low 32 bits; 0 = none */
    th_segment_ref ref;
} th_loaded;
/* Through a bounded cache. TH_ECORRUPT names the file in diag. */
TH_MUST_CHECK th_err th_version_load(th_version *version, const th_segment_ref *ref,
                                     const th_loaded **out, th_diag *diag);
void th_version_unload(const th_loaded *loaded);
/* The run that a row of the segment lies in. */
const th_run *th_loaded_run(const th_loaded *loaded, uint32_t row);

/* Bytes of one record, in the arena. TH_ENOTFOUND. arrival may be NULL. */
TH_MUST_CHECK th_err th_version_record(th_version *version, const th_record_id *id, th_arena *arena,
                                       th_slice *record, th_run *arrival, th_diag *diag);
/* Takes some records of a run, in order (reader.h). */
typedef th_err (*th_records_fn)(void *ctx, const th_slice *records, uint32_t count);

/* Candidates for known identities: calls fn for each visible row of table whose stored fingerprint equals the low 32
 * bits of one of fingerprints[0..count) (sorted ascending by low 32 bits), with after_lsn < its LSN. Not confirmed on bytes: the
 * caller does that (load the segment once for all its candidates). Order: by day and sequence. Damaged files are logged
 * and passed over: what lies in them can be stored again. */
typedef th_err (*th_candidate_fn)(void *ctx, size_t which, const th_record_id *id);
TH_MUST_CHECK th_err th_version_find(th_version *version, uint32_t table, uint64_t after_lsn,
                                     const uint64_t *fingerprints, size_t count, th_candidate_fn fn,
                                     void *ctx, th_diag *diag);

/* The log in order: ranges of rows of the given tables with LSN > after_lsn, whole commits, ascending LSN, until at least
 * rows_max rows are gathered or the version ends. *last_lsn = the last commit covered (at least after_lsn). */
typedef struct th_log_range {
    uint64_t lsn;
    th_segment_ref ref;
    uint32_t begin, count; /* rows of that segment */
} th_log_range;
TH_MUST_CHECK th_err th_version_log(th_version *version, const uint32_t *tables, size_t table_count,
                                    uint64_t after_lsn, uint64_t rows_max, th_arena *arena,
                                    th_log_range **out, size_t *count, uint64_t *last_lsn,
                                    th_diag *diag);

/* ---- upkeep ---------------------------------------------------------------------------------------------------- */

/* Merge what is committed now, all journals and small generations, into as few sealed files as the rules allow, everything
 * in the compact tier; two threads where there are two cores. Resumable: a stop or a crash loses only the file in hand,
 * and what is in the compact tier already is not encoded again. progress may be NULL: done and total in bytes; return false to stop (TH_ECANCELED). */
typedef bool (*th_progress_fn)(void *ctx, uint64_t done, uint64_t total);
TH_MUST_CHECK th_err th_store_compact(th_store *store, th_progress_fn progress, void *ctx,
                                      th_diag *diag);
/* Check every checksum, count and leaf root of the version; findings are handed over one a call. */
typedef void (*th_damage_fn)(void *ctx, const char *file, const char *what);
TH_MUST_CHECK th_err th_store_verify(th_store *store, th_damage_fn damage, void *ctx,
                                     th_progress_fn progress, uint64_t *checked_bytes,
                                     th_diag *diag);

/* Small settings in the catalog (values under 1 KiB); key is NUL-terminated text. TH_ENOTFOUND. */
TH_MUST_CHECK th_err th_store_setting_get(th_store *store, const char *key, th_buf *out);
TH_MUST_CHECK th_err th_store_setting_put(th_store *store, const char *key, th_slice value,
                                          th_diag *diag);

typedef struct th_store_stats {
    uint64_t lsn, commits, journals, sealed_files, stored_bytes, queue_depth, merges;
} th_store_stats;
void th_store_stats_get(th_store *store, th_store_stats *out);

/* ---- a small private key-value file (plugin state) -------------------------------------------------------------- */

typedef struct th_kv th_kv;
/* One LMDB environment; made when missing. map_bytes is its size limit. */
TH_MUST_CHECK th_err th_kv_open(const char *path, uint64_t map_bytes, th_kv **out, th_diag *diag);
void th_kv_close(th_kv *kv);
TH_MUST_CHECK th_err th_kv_get(th_kv *kv, th_slice key, th_arena *arena,
                               th_slice *value); /* TH_ENOTFOUND */
/* All pairs whose key starts with prefix, by key. */
typedef th_err (*th_kv_fn)(void *ctx, th_slice key, th_slice value);
TH_MUST_CHECK th_err th_kv_each(th_kv *kv, th_slice prefix, th_kv_fn fn, void *ctx);
/* Several puts (value.bytes NULL = delete) in one durable transaction. */
typedef struct th_kv_put {
    th_slice key, value;
} th_kv_put;
TH_MUST_CHECK th_err th_kv_commit(th_kv *kv, const th_kv_put *puts, size_t count, th_diag *diag);

#endif
