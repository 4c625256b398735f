/* SPDX-License-Identifier: Apache-2.0
 * What the files of this folder share: environments, files, versions, the write path, upkeep.
 *
 * Locks, in the order in which they may be taken: compact_lock, lock (the store's), catalog lock, a journal's lock, a
 * cache's lock. No LMDB call, no read and no write of a file happens under `lock`. */
#ifndef TH_STORE_STORE_PRIVATE_H
#define TH_STORE_STORE_PRIVATE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/budget.h"
#include "base/limits.h"
#include "store/format.h"
#include "store/store.h"

#define STORE_CLASS_DEFAULT 0u
#define STORE_CACHE_BYTES (64u << 20)        /* loaded segments */
#define STORE_HEAD_CACHE_BYTES (16u << 20)   /* runs and directories */
#define STORE_FILTER_CACHE_BYTES (40u << 20) /* filters over fingerprints: 12 bits a row */
#define STORE_JOURNAL_VALUES_MAX \
    16384u /* a journal of many small commits is rolled at this count */
#define STORE_JOURNAL_SLACK \
    (512u << 20) /* map space beyond the size at which a journal is rolled */
#define STORE_CATALOG_MAP (UINT64_C(1) << 30)
#define STORE_DISK_SLACK (1u << 20) /* with less than this free a failed write means: disk full */
#define STORE_NAME_MAX 160u
#define STORE_PART_SMALL (8u << 20)   /* sparse days share a file up to this size */
#define STORE_PART_DAYS 31            /* ... or this many days */
#define STORE_PART_DONE (256u << 20)  /* larger files are not merged again */
#define STORE_PART_LIMIT (512u << 20) /* a file is ended at this size */
#define STORE_GENERATIONS_MAX \
    4u /* files over the same days before they are merged in the background */
#define STORE_ROUND_BYTES (UINT64_C(2) << 30) /* journals merged by one catalog commit */
#define STORE_GROUP_BYTES \
    (UINT64_C(1) << 30) /* sealed files merged by one catalog commit, without journals */
#define STORE_COOL_US (INT64_C(3600) * 1000000)

/* ---- env.c: LMDB environments ----------------------------------------------------------------------------------- */

typedef struct store_env {
    MDB_env *env;
    MDB_dbi dbi;
    uint64_t device, inode;
    int fd;              /* LMDB's */
    const uint8_t *base; /* where the file is mapped */
    bool read_only;
    pthread_mutex_t lock; /* of pool */
    MDB_txn *pool[8];     /* reset read transactions */
    uint32_t pooled;
} store_env;

/* Open PATH (one file, NOSUBDIR). flags: MDB_RDONLY | MDB_NOLOCK for sealed files, 0, or MDB_NOSYNC. */
TH_MUST_CHECK th_err store_env_open(const char *path, unsigned flags, uint64_t map_bytes,
                                    store_env *out, th_diag *diag);
void store_env_close(store_env *env); /* accepts one that was never opened */
/* A read transaction, and its return (it is reset: no snapshot stays). */
TH_MUST_CHECK th_err store_env_read(store_env *env, MDB_txn **txn, th_diag *diag);
void store_env_read_done(store_env *env, MDB_txn *txn);
/* Learn `base` from a key that a cursor returned; needs a value in the file. */
void store_env_find_base(store_env *env, const MDB_val *key);
/* An LMDB code as ours, in words; path names the file. */
th_err store_lmdb_fail(th_diag *diag, int rc, const char *what, const char *path);
/* True when the disk under path is so full that a failed write is explained. */
bool store_disk_is_full(const char *path, uint64_t wanted);
MDB_val store_val(th_slice s);
th_slice store_val_slice(const MDB_val *val);

/* ---- pages.c: what LMDB itself does not check -------------------------------------------------------------------- */

/* SHA-256 over all pages that are no values: tree and meta pages whole, of value pages the header. Reads the file by
 * pread only. *pages: how many the file has. */
TH_MUST_CHECK th_err store_pages_hash(const char *path, uint64_t *pages, th_sha256 *hash,
                                      th_diag *diag);

/* ---- cache.c: ref-counted pieces in memory ------------------------------------------------------------------------ */

typedef struct store_piece {
    uint32_t file;
    uint64_t place;
    atomic_uint refs;
    size_t bytes; /* charged to the cache's budget */
    size_t held;  /* and what its segment held when the cache last looked, charged by the segment */
    uint8_t *image; /* the value as it was read */
    th_run *runs;
    uint32_t run_count;
    uint32_t *fingerprints; /* NULL: none of the rows has one */
    uint32_t rows;
    th_segment *segment;      /* NULL: head only */
    store_dir_entry *entries; /* a sealed file's directory, place UINT64_MAX */
    uint32_t entry_count;
    uint64_t *filter; /* blocks of 512 bits */
    uint32_t filter_blocks;
    struct store_piece *chain, *newer, *older;
} store_piece;

typedef struct store_cache store_cache;
store_cache *store_cache_new(size_t limit_bytes, th_budget *budget);
void store_cache_free(store_cache *cache);
/* A reference, or NULL. */
store_piece *store_cache_get(store_cache *cache, uint32_t file, uint64_t place);
/* Give a new piece to the cache (which may drop others, or not keep it); returns the piece to use, referenced. */
store_piece *store_cache_put(store_cache *cache, store_piece *piece);
/* So much more fits without dropping anything. */
bool store_cache_has_room(store_cache *cache, size_t bytes);
void store_cache_forget(store_cache *cache, uint32_t file);
/* Empty it when nothing was taken from it or put into it since the last call; true when that gave memory back. */
bool store_cache_trim(store_cache *cache);
void store_piece_release(store_piece *piece); /* accepts NULL */

/* ---- files -------------------------------------------------------------------------------------------------------- */

/* One value of a journal, in memory. */
typedef struct store_entry {
    uint64_t lsn, first_seq;
    int64_t min_us, max_us;
    uint64_t raw_bytes;
    uint32_t rows, payload_bytes;
    uint32_t prints; /* where its fingerprints are in the journal's, or one of the two below */
    int32_t day;
    uint16_t n, table;
} store_entry;
#define STORE_PRINTS_NONE UINT32_MAX          /* no row has one */
#define STORE_PRINTS_ON_DISK (UINT32_MAX - 1) /* a large value: they are read with its head */

/* Entries of one (table, day): indexes, by sequence. */
typedef struct store_journal_day {
    uint16_t table;
    int32_t day;
    uint32_t *list;
    uint32_t count, capacity;
} store_journal_day;

typedef struct store_journal {
    store_env env;
    store_meta meta;       /* committer's */
    pthread_rwlock_t lock; /* of all below */
    store_entry *entries;
    uint32_t count, capacity;
    store_journal_day *days;
    uint32_t day_count, day_capacity;
    uint32_t *slots; /* hash of (table, day) to index in days, UINT32_MAX empty */
    uint32_t slot_count;
    uint32_t *
        prints; /* fingerprints of entries that lie in leaf pages, so that lookups need not read them one by one */
    uint32_t print_count, print_capacity;
} store_journal;

typedef struct store_file {
    store_file_info info; /* of an active journal: last_lsn, rows, bytes are not kept here */
    th_store *store;
    atomic_uint refs;        /* file lists that name it */
    atomic_bool doomed;      /* goes to trash with its last reference */
    atomic_bool damaged;     /* said so already */
    atomic_bool unmergeable; /* the compactor met damage in it */
    store_journal
        *journal; /* NULL for a sealed file, and for a journal that is damaged as a whole */
    struct store_file *next_trash;
} store_file;

/* Path below the data folder: journal/000001.mdb, parts/TABLE/default/FIRST..LAST.g000002.mdb */
void store_file_name(const store_file_info *info, char out[STORE_NAME_MAX]);
void store_path(const th_store *store, const char *name, char out[TH_PATH_SIZE_MAX]);
/* "FILE: what" with TH_ECORRUPT; logs it the first time. */
th_err store_file_damaged(store_file *file, th_diag *diag, const char *what);
store_file *store_file_new(th_store *store, const store_file_info *info);
void store_file_release(store_file *file);

/* The files of a version: journals in order of LSN, then sealed files by (table, first day, id). */
typedef struct store_files {
    atomic_uint refs;
    uint32_t journals, count;
    store_file **files; /* count */
    store_file **by_id; /* count, by info.id */
} store_files;

struct th_version {
    atomic_uint refs;
    th_store *store;
    store_files *files;
    uint64_t lsn;
};

/* A new list = files of `now` (may be NULL) that are not doomed, and `added`; each gets a reference. NULL: no memory. */
store_files *store_files_change(const store_files *now, store_file *const *added,
                                uint32_t added_count);
void store_files_release(store_files *files);
store_file *store_files_find(const store_files *files, uint32_t id);
th_version *store_version_new(th_store *store, store_files *files,
                              uint64_t lsn); /* takes a reference of files */

/* Publish a version: the current files with a change (NULL: none), bounded by lsn (0: as before). TH_ENOMEM. */
typedef struct store_change {
    store_file *const *gone; /* become doomed */
    uint32_t gone_count;
    store_file *const *added;
    uint32_t added_count;
    uint32_t merged_journals, closed_journals; /* change of the count of unmerged journals */
} store_change;
TH_MUST_CHECK th_err store_publish(th_store *store, const store_change *change, uint64_t lsn);

/* ---- journal.c ------------------------------------------------------------------------------------------------------ */

/* Make journal/ID.mdb, durable, with META as given; not in the catalog yet. */
TH_MUST_CHECK th_err store_journal_create(th_store *store, uint32_t id, const store_meta *meta,
                                          th_diag *diag);
/* Open it and read its directory into memory, checked; a closed one only up to info.last_lsn. */
TH_MUST_CHECK th_err store_journal_open(th_store *store, store_file *file, th_diag *diag);
void store_journal_close(store_journal *journal);
/* Take entries into the directory in memory (after their commit; reserve room for all before). prints[i]: fingerprints
 * of entry i, 4 bytes each, NULL none; not read when the value has pages of its own. */
TH_MUST_CHECK th_err store_journal_reserve(store_journal *journal, uint32_t more);
void store_journal_add(store_journal *journal, const store_entry *entries,
                       const uint8_t *const *prints, uint32_t count);
/* Under the journal's lock: the entries of a (table, day), or NULL. */
const store_journal_day *store_journal_day_of(const store_journal *journal, uint32_t table,
                                              int32_t day);
uint64_t store_journal_used_bytes(store_journal *journal);
TH_MUST_CHECK th_err store_journal_put(MDB_txn *txn, MDB_dbi dbi, store_meta *meta, uint64_t lsn,
                                       uint16_t n, store_header *header, th_slice head,
                                       th_slice rest, int *rc);
TH_MUST_CHECK th_err store_journal_put_meta(MDB_txn *txn, MDB_dbi dbi, const store_meta *meta,
                                            int *rc);
/* META as a new read transaction sees it. */
TH_MUST_CHECK th_err store_journal_read_meta(store_file *file, store_meta *out, th_diag *diag);
/* First `size` bytes (or all) of one value, malloc'ed. */
TH_MUST_CHECK th_err store_journal_read(store_file *file, uint64_t lsn, uint16_t n, size_t size,
                                        uint8_t **out, size_t *got, th_diag *diag);

/* ---- sealed.c ------------------------------------------------------------------------------------------------------- */

typedef struct store_sealer store_sealer;
/* A new sealed file, written to tmp/. */
TH_MUST_CHECK th_err store_sealer_new(th_store *store, uint32_t id, uint16_t table,
                                      store_sealer **out, th_diag *diag);
/* Segments come by (day, first_seq). header: day, sequence, LSNs, times, rows, runs, raw bytes, flags. */
TH_MUST_CHECK th_err store_sealer_add(store_sealer *sealer, store_header *header, th_slice head,
                                      th_slice image, th_diag *diag);
uint64_t store_sealer_bytes(const store_sealer *sealer);
/* Complete it, move it into parts/; info is its catalog entry. */
TH_MUST_CHECK th_err store_sealer_finish(store_sealer *sealer, store_file_info *info,
                                         th_diag *diag);
void store_sealer_free(store_sealer *sealer); /* removes what is not finished; accepts NULL */

/* Finished files that no catalog entry names yet. */
typedef struct store_outputs {
    store_file_info *infos; /* malloc'ed */
    uint32_t count, capacity;
} store_outputs;
TH_MUST_CHECK th_err store_outputs_add(store_outputs *outputs, const store_file_info *info);
/* One catalog commit that names them and drops `gone`, then the version with lsn (0: as before). change: what
 * else changes; added and added_count are filled in. On an error nothing has changed. */
TH_MUST_CHECK th_err store_outputs_name(th_store *store, const store_outputs *outputs,
                                        store_change *change, uint64_t lsn, th_diag *diag);
void store_outputs_remove(th_store *store, const store_outputs *outputs); /* the files */
void store_outputs_free(store_outputs *outputs);

/* The directory, through the cache: verified pages, entries with offsets. */
TH_MUST_CHECK th_err store_sealed_directory(store_file *file, store_piece **out, th_diag *diag);
/* The same, past the cache. */
TH_MUST_CHECK th_err store_sealed_read_directory(store_file *file, store_piece **out,
                                                 th_diag *diag);
/* size bytes (or all of the payload) of one value, malloc'ed. */
TH_MUST_CHECK th_err store_sealed_read(store_file *file, const store_dir_entry *entry, size_t size,
                                       uint8_t **out, size_t *got, th_diag *diag);

/* ---- read.c --------------------------------------------------------------------------------------------------------- */

/* What the value says about itself is what the directory said. */
bool store_header_matches(const store_header *h, const th_segment_ref *ref);
/* The run that a row lies in. */
const th_run *store_run_at(const th_run *runs, uint32_t count, uint32_t row);
/* Runs of a segment, without its fingerprints, through the cache. Release the piece. */
TH_MUST_CHECK th_err store_read_head(th_version *version, const th_segment_ref *ref,
                                     store_piece **out, th_diag *diag);
/* All of a segment, read anew, past the cache; header may be NULL. */
TH_MUST_CHECK th_err store_read_segment(store_file *file, const th_segment_ref *ref,
                                        store_piece **out, store_header *header, th_diag *diag);
/* Segments of one file in [first_day, last_day], rows cut at the bound; appended to a growing array. */
typedef struct store_refs {
    th_segment_ref *refs;
    size_t count, capacity;
} store_refs;
TH_MUST_CHECK th_err store_refs_add_file(th_version *version, store_file *file, uint32_t table,
                                         int32_t first_day, int32_t last_day, store_refs *refs,
                                         th_diag *diag);
void store_refs_sort(store_refs *refs);
/* All segments of table in these days, sorted; the caller frees refs->refs, whatever is returned. */
TH_MUST_CHECK th_err store_refs_gather(th_version *version, uint32_t table, int32_t first_day,
                                       int32_t last_day, store_refs *refs, th_diag *diag);
/* First segment of a sealed file's directory that has rows at or behind (day, seq). */
uint32_t store_dir_place(const store_piece *dir, int32_t day, uint64_t seq);
/* A segment of a sealed file; rows is 0 when the version sees none. */
TH_MUST_CHECK th_err store_sealed_ref(th_version *version, store_file *file, const store_piece *dir,
                                      uint32_t place, th_segment_ref *out, th_diag *diag);
TH_MUST_CHECK th_err store_refs_push(store_refs *refs, const th_segment_ref *ref);
th_segment_ref store_entry_ref(const store_file *file, const store_entry *entry);
/* Index of the first sealed file that can hold rows of table: they are sorted by table. */
uint32_t store_files_of_table(const store_files *files, uint32_t table);
/* The segment that holds a row. TH_ENOTFOUND, without a diagnosis. */
TH_MUST_CHECK th_err store_find_row(th_version *version, const th_record_id *id,
                                    th_segment_ref *out, th_diag *diag);
void store_ref_key(const store_file *file, const th_segment_ref *ref, uint8_t key[STORE_SEALED_KEY],
                   size_t *size);

/* ---- catalog.c ------------------------------------------------------------------------------------------------------ */

typedef struct store_catalog {
    store_env env;
    pthread_mutex_t lock;
    store_counts counts;
} store_catalog;

typedef th_err (*store_catalog_fn)(void *ctx, const store_file_info *info, th_diag *diag);
/* Make it (durably) when it is missing and create is set. secret_check: first 8 bytes of a keyed hash of the secret. */
TH_MUST_CHECK th_err store_catalog_create(th_store *store, uint64_t secret_check, th_diag *diag);
TH_MUST_CHECK th_err store_catalog_open(th_store *store, uint64_t secret_check, th_diag *diag);
/* Check all values against their checksums and the counts; hand over the files. */
TH_MUST_CHECK th_err store_catalog_each_file(th_store *store, store_catalog_fn fn, void *ctx,
                                             th_diag *diag);
/* One transaction: put entries, drop ids. */
TH_MUST_CHECK th_err store_catalog_commit(th_store *store, const store_file_info *puts,
                                          uint32_t put_count, const uint32_t *drops,
                                          uint32_t drop_count, th_diag *diag);
/* A file id that was never used; durable with the next commit. */
uint32_t store_catalog_next_id(th_store *store);
/* Checksummed copy of all values: DIR/catalog.copy. */
TH_MUST_CHECK th_err store_catalog_copy(th_store *store, th_diag *diag);
TH_MUST_CHECK th_err store_catalog_copy_check(th_store *store, th_diag *diag);

/* ---- queue.c, prepare.c, commit.c, bulk.c, roll.c -------------------------------------------------------------------------- */

void *store_commit_thread(void *arg);
/* Prepare, write and answer what was chosen from the queue. Committer's, as are the next five. */
void store_serve(th_store *store, th_write **chosen, uint32_t count);
/* A prepared write into sealed files, named by one catalog commit, published and answered. */
void store_commit_bulk(th_store *store, th_write *write);
/* Give back a prepared write's LSN and sequences and answer it with an error. */
void store_fail_write(th_store *store, th_write *write, th_err err, const th_diag *diag);
/* Make room for a commit's sequences in memory, when there are too many. */
TH_MUST_CHECK th_err store_fresh_sequences(th_store *store);
/* Everything that is known once the write has its LSN. *empty: it has no rows. */
TH_MUST_CHECK th_err store_prepare_write(th_store *store, th_write *write, uint64_t lsn,
                                         bool *empty);
/* Sequences of a write that is not committed, when nothing after it has taken any. */
void store_take_back_sequences(th_store *store, th_write *write);
/* Wake the writer. */
void store_answer(th_store *store, th_write *write, th_err result);
/* Give the store its next journal and close the active one (NULL: none yet). Committer's, and open's. */
TH_MUST_CHECK th_err store_roll(th_store *store, th_diag *diag);
/* Have the committer do it, when the active journal holds anything. Any thread. */
TH_MUST_CHECK th_err store_ask_roll(th_store *store, th_diag *diag);
/* Next sequence of (table, day); *slot stays valid until the next call. Committer's. */
TH_MUST_CHECK th_err store_next_seq(th_store *store, uint32_t table, int32_t day, uint64_t **slot,
                                    th_diag *diag);
/* ---- merge.c, plan.c, trash.c ---------------------------------------------------------------------------------------- */

void *store_compact_thread(void *arg);
void *store_trash_thread(void *arg);
/* Remove what no catalog entry names, from journal/ and parts/; all of tmp/ and trash/. */
TH_MUST_CHECK th_err store_sweep(th_store *store, th_diag *diag);

/* What goes into one or more new sealed files together: rows of journals in some days, and whole sealed files. */
typedef struct store_group {
    uint16_t table;
    bool has_journal;
    int32_t first_day, last_day; /* of journal rows */
    uint64_t bytes;
    store_file **files;
    uint32_t file_count;
} store_group;
/* Which sealed files a round takes in. */
typedef struct store_plan_rules {
    bool files;   /* false: only where a group of journal rows meets too many generations */
    bool compact; /* a file that is not in the compact tier is worth a round of its own */
    bool
        small_only; /* files under STORE_PART_SMALL, and only where STORE_GENERATIONS_MAX of them would become one */
    uint64_t last_lsn_max; /* files, and journals, whose last commit is at or before this */
} store_plan_rules;
/* Groups for a round over `journals`, and sealed files by the rules; without any journals, groups of sealed files only.
 * In the arena. */
TH_MUST_CHECK th_err store_plan(th_version *version, store_file *const *journals,
                                uint32_t journal_count, const store_plan_rules *rules,
                                th_arena *arena, store_group **out, uint32_t *count, th_diag *diag);

/* ---- cool.c: what the compactor does when no journal waits ----------------------------------------------------------------- */

#define STORE_TICK_US (10 * INT64_C(1000000)) /* between looks at what could be done */
/* Microseconds between two looks at what has cooled. */
int64_t store_cool_interval(const th_store *store);
/* Join small files; encode what has cooled in the compact tier. Compactor's. */
void store_cool(th_store *store);
/* Give back memory of caches that nothing has used since the last call. */
void store_trim_caches(th_store *store);

/* ---- store.c ---------------------------------------------------------------------------------------------------------- */

struct th_store {
    char dir[TH_PATH_SIZE_MAX - STORE_NAME_MAX];
    int lock_fd;
    th_store_options options;
    char test_mode[24];
    uint64_t journal_bytes, bulk_bytes;
    uint8_t secret[32];
    th_hmac_key fingerprint_key; /* of the secret, hashed once */
    store_catalog catalog;
    store_cache *segments, *heads, *filters;

    pthread_mutex_t lock;     /* of what follows */
    pthread_cond_t work;      /* committer: something is queued */
    pthread_cond_t room;      /* writers: the queue has room, journals were merged */
    pthread_cond_t done;      /* writers: some write is done */
    pthread_cond_t published; /* th_store_wait */
    pthread_cond_t merge;     /* compactor: a journal was closed */
    pthread_cond_t trash;     /* unlinker */
    th_write *queue_first, *queue_last;
    uint32_t queue_depth;
    uint32_t unmerged; /* closed journals */
    th_err merge_error;
    th_diag merge_diag;
    uint32_t compact_waiting; /* callers of th_store_compact: the background makes way */
    bool stopping, stop_background, stop_trash;
    th_version *current;
    store_file *trash_first;

    pthread_mutex_t compact_lock; /* one merge at a time */
    pthread_t committer, compactor, unlinker;
    bool has_committer, has_compactor, has_unlinker;

    /* compactor's alone */
    uint64_t commits_seen, commits_trimmed; /* at the last look, and when memory was given back */

    /* committer's alone */
    store_file *active;
    bool active_full;   /* a commit found the disk full: look at the journal before the next */
    bool active_failed; /* a commit failed otherwise: no more commits there */
    int64_t last_arrival_us;
    th_arena *seq_arena;
    struct th_map *next_seq;
    th_segment_builder *leaf_builder;

    atomic_uint_fast64_t commits, merges, versions, spools;
    atomic_uint_fast64_t open_bytes,
        open_writes; /* records in builders, and the writes that have any */
};

/* Take over lock and signal: a file that nobody names any more. */
void store_trash_add(th_store *store, store_file *file);

#endif
