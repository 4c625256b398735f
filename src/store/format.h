/* SPDX-License-Identifier: Apache-2.0
 * Bytes on disk: the header that every stored value carries, and the payloads that store/ itself defines.
 * docs/FORMAT.md says the same in words; both change together. All integers are little-endian; keys are big-endian. */
#ifndef TH_STORE_FORMAT_H
#define TH_STORE_FORMAT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "store/store.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "headers are copied as they lie in memory");

/* Version of the whole data folder, and of each value. Older ones are read; a later one is refused (TH_EVERSION). */
#define TH_FORMAT_VERSION 2u

#define STORE_MAGIC 0x31564854u /* "THV1" */
#define STORE_PAGE 4096u        /* LMDB's page */
#define STORE_PAGE_HEADER 16u
#define STORE_INLINE_MAX \
    2000u /* a value up to this lies in its leaf page, a larger one in pages of its own */
#define STORE_VALUE_MAX (512u << 20)

typedef enum store_value_type {
    STORE_VALUE_SEGMENT = 1,   /* journal, sealed: runs, fingerprints, image */
    STORE_VALUE_META = 2,      /* journal: what the file holds so far */
    STORE_VALUE_DIRECTORY = 3, /* sealed: all its segments */
    STORE_VALUE_FORMAT = 4,    /* catalog: version of the folder, check of the secret */
    STORE_VALUE_FILE = 5,      /* catalog: a journal or a sealed file */
    STORE_VALUE_SETTING = 6,   /* catalog: a setting */
    STORE_VALUE_COUNTS = 7     /* catalog: how many values, their hash, the next file id */
} store_value_type;

#define STORE_FLAG_FINGERPRINTS 1u /* SEGMENT: 4 bytes a row follow the runs */
#define STORE_FLAG_COMPACT 2u /* SEGMENT, its directory entry: the image is of the compact tier */
#define STORE_FILE_COMPACT 1u /* FILE: all its segments are */

typedef struct store_header {
    uint32_t magic;
    uint16_t version;
    uint8_t type;
    uint8_t flags;
    uint32_t key_id; /* 0: the payload is clear; then nonce and tag are zero */
    uint8_t nonce[12];
    uint8_t tag[16];
    uint32_t payload_bytes;
    uint32_t head_bytes; /* the payload's first part, which can be read and checked alone */
    uint32_t rows;
    uint16_t table;
    uint16_t class_id;
    int32_t day;
    uint32_t runs;
    uint64_t first_seq;
    uint64_t first_lsn;
    uint64_t last_lsn;
    int64_t min_us; /* event times; min > max: none */
    int64_t max_us;
    uint64_t raw_bytes;
    uint64_t head_check;
    uint64_t check;
} store_header;

#define STORE_HEADER 128u
#define STORE_HEADER_CHECKED 112u /* what head_check covers of the header */
_Static_assert(sizeof(store_header) == STORE_HEADER, "header size");
_Static_assert(offsetof(store_header, key_id) == 8, "key id");
_Static_assert(offsetof(store_header, nonce) == 12, "nonce");
_Static_assert(offsetof(store_header, tag) == 24, "tag");
_Static_assert(offsetof(store_header, payload_bytes) == 40, "payload length");
_Static_assert(offsetof(store_header, rows) == 48, "rows");
_Static_assert(offsetof(store_header, table) == 52, "table");
_Static_assert(offsetof(store_header, day) == 56, "day");
_Static_assert(offsetof(store_header, first_seq) == 64, "first sequence");
_Static_assert(offsetof(store_header, min_us) == 88, "times");
_Static_assert(offsetof(store_header, raw_bytes) == 104, "raw bytes");
_Static_assert(offsetof(store_header, head_check) == STORE_HEADER_CHECKED, "checksums");
_Static_assert(offsetof(store_header, check) == 120, "checksum");

/* Bytes that a value with this payload takes: padded to whole pages when it does not fit a leaf page. */
size_t store_value_size(size_t payload_bytes);
/* Fill in magic, version, lengths and checksums of a value stored under key; payload = head then rest. */
void store_value_seal(store_header *header, th_slice key, th_slice head, th_slice rest);
/* Write header, head, rest and zero padding: exactly size bytes. */
void store_value_write(uint8_t *out, size_t size, const store_header *header, th_slice head,
                       th_slice rest);
/* Check only what stands in the header: magic, version, type, lengths against the stored size (0: unknown). */
TH_MUST_CHECK th_err store_header_check(const store_header *header, store_value_type type,
                                        size_t stored_size, th_diag *diag);
/* Check the header and the head (bytes: at least header and head of the value). */
TH_MUST_CHECK th_err store_value_open_head(th_slice bytes, th_slice key, store_value_type type,
                                           store_header *header, th_slice *head, th_diag *diag);
/* Check everything (bytes: the value with or without its padding). */
TH_MUST_CHECK th_err store_value_open(th_slice bytes, th_slice key, store_value_type type,
                                      store_header *header, th_slice *head, th_slice *rest,
                                      th_diag *diag);

/* Keys. */
#define STORE_JOURNAL_KEY 10u
#define STORE_SEALED_KEY 12u
void store_journal_key(uint64_t lsn, uint16_t n, uint8_t out[STORE_JOURNAL_KEY]);
void store_sealed_key(int32_t day, uint64_t first_seq, uint8_t out[STORE_SEALED_KEY]);
#define STORE_DIRECTORY_DAY \
    INT32_MAX /* with sequence UINT64_MAX: the key of the directory, behind all others */

/* Head of a SEGMENT value. */
void store_runs_encode(const th_run *runs, uint32_t count, th_buf *out);
/* Runs into out[header->runs]; fingerprints: borrowed bytes of rows * 4, or none. TH_ECORRUPT. */
TH_MUST_CHECK th_err store_head_decode(const store_header *header, th_slice head, th_run *runs,
                                       th_slice *fingerprints, th_diag *diag);

/* One segment in a sealed file's directory: 64 bytes. */
typedef struct store_dir_entry {
    int32_t day;
    uint32_t rows;
    uint64_t first_seq, raw_bytes;
    uint32_t payload_bytes;
    uint32_t flags; /* STORE_FLAG_COMPACT */
    int64_t min_us, max_us;
    uint64_t first_lsn, last_lsn;
    uint64_t offset; /* of the value in the file; not stored, found when the file is opened */
} store_dir_entry;
#define STORE_DIR_ENTRY 64u
void store_dir_encode(const store_dir_entry *entries, uint32_t count, th_buf *out);
/* *count entries, malloc'ed. TH_ECORRUPT, TH_ENOMEM. */
TH_MUST_CHECK th_err store_dir_decode(th_slice payload, store_dir_entry **out, uint32_t *count,
                                      th_diag *diag);

/* META of a journal. */
typedef struct store_meta {
    uint64_t last_lsn;
    int64_t last_arrival_us;
    uint64_t commits, values, rows;
    uint64_t chain; /* running hash over (key, checksum) of all values in order */
} store_meta;
void store_meta_encode(const store_meta *meta, th_buf *out);
TH_MUST_CHECK th_err store_meta_decode(th_slice payload, store_meta *out, th_diag *diag);
uint64_t store_chain_next(uint64_t chain, th_slice key, uint64_t check);

/* FILE of the catalog. */
typedef enum store_file_kind { STORE_JOURNAL = 1, STORE_SEALED = 2 } store_file_kind;
typedef struct store_file_info {
    uint32_t id;
    uint8_t kind;
    uint8_t
        closed; /* journal: nothing is appended any more; last_lsn, rows, values, chain are final */
    uint16_t table, class_id;
    uint16_t flags; /* sealed: STORE_FILE_COMPACT */
    int32_t first_day, last_day;
    uint64_t first_lsn, last_lsn; /* active journal: last_lsn 0 */
    uint64_t rows, bytes, raw_bytes, values;
    int64_t min_us, max_us;
    uint64_t next_seq; /* sealed: above every sequence in it */
    uint64_t chain;
    uint64_t
        pages; /* sealed: pages that page_hash covers; the file is pages * 4096 bytes or longer */
    th_sha256 page_hash;
} store_file_info;
void store_file_encode(const store_file_info *info, th_buf *out);
TH_MUST_CHECK th_err store_file_decode(uint32_t id, th_slice payload, store_file_info *out,
                                       th_diag *diag);

/* COUNTS of the catalog. */
typedef struct store_counts {
    uint64_t commits, values, sum; /* sum modulo 2^64 of a hash of each (key, checksum) */
    uint32_t next_id;
} store_counts;
void store_counts_encode(const store_counts *counts, th_buf *out);
TH_MUST_CHECK th_err store_counts_decode(th_slice payload, store_counts *out, th_diag *diag);

/* The log leaf of a commit. */
#define STORE_LEAF_VERSION 1u
#define STORE_LEAF_HEADER 24u
#define STORE_LEAF_GROUP 56u
typedef struct store_leaf_group {
    uint16_t table, class_id;
    int32_t day;
    uint64_t first_seq, rows;
    th_sha256
        root; /* RFC 6962 tree hash; leaf data are the SHA-256 digests of the records in order */
} store_leaf_group;
/* Groups must be sorted by (table, class, day). */
void store_leaf_encode(uint64_t lsn, int64_t arrival_us, const store_leaf_group *groups,
                       uint32_t count, th_buf *out);
typedef struct store_leaf {
    uint64_t lsn;
    int64_t arrival_us;
    uint32_t count;
    th_slice groups;
} store_leaf;
TH_MUST_CHECK th_err store_leaf_decode(th_slice leaf, store_leaf *out, th_diag *diag);
void store_leaf_group_at(const store_leaf *leaf, uint32_t index, store_leaf_group *out);

#endif
