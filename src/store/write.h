/* SPDX-License-Identifier: Apache-2.0
 * A write from inside: its parts, what is encoded of it, its trees; filled by write.c and part.c, read by the committer. */
#ifndef TH_STORE_WRITE_H
#define TH_STORE_WRITE_H

#include "store/store_private.h"

/* ---- tree.c: RFC 6962 trees that can be put aside --------------------------------------------------------------------- */

typedef struct store_packed_tree {
    th_sha256 *digests; /* malloc'ed; of the whole subtrees, the smallest first */
    uint64_t leaves;
} store_packed_tree;
/* The next leaf: the SHA-256 of a record. */
void store_tree_add(th_merkle *tree, const th_sha256 *digest);
/* False: no memory. What out held is given back or used again. */
bool store_tree_pack(const th_merkle *tree, store_packed_tree *out);
void store_tree_unpack(const store_packed_tree *packed, th_merkle *out);

/* ---- spool.c ------------------------------------------------------------------------------------------------------------ */

/* Small pieces are written together and read ahead: a write of a hundred thousand days has as many of them. */
#define STORE_SPOOL_BUFFER (256u << 10)
typedef struct store_spool {
    bool is_open;
    int fd;
    uint64_t size, written; /* what lies between is in pending */
    th_buf pending;
    th_buf window;                /* of the file, from window_at on */
    uint64_t window_at, read_end; /* where the last read ended */
    size_t ahead;                 /* what the next read takes when it goes on from there */
} store_spool;
TH_MUST_CHECK th_err store_spool_add(th_store *store, store_spool *spool, th_slice bytes,
                                     uint64_t *at, th_diag *diag);
TH_MUST_CHECK th_err store_spool_read(store_spool *spool, uint64_t at, size_t size, uint8_t *out,
                                      th_diag *diag);
void store_spool_close(store_spool *spool);

/* ---- write.c, part.c, encoded.c ------------------------------------------------------------------------------------------ */

#define STORE_WRITE_PARTS_MAX \
    (1u << 17)                   /* (table, day) pairs of a write: its leaf has one group each */
#define STORE_WRITE_OPEN_MAX 64u /* builders in use */
#define STORE_OPEN_BYTES \
    (UINT64_C(80) << 20)                  /* records in builders of all writes, in equal shares */
#define STORE_WRITE_SPARE_MAX 4u          /* builders that wait for their table's next part */
#define STORE_WRITE_KEPT_MAX (8u << 20)   /* encoded bytes in memory; more are spooled */
#define STORE_WRITE_CLAIMS_MAX (1u << 18) /* more: the write shares its group with none */
#define STORE_BULK_BYTES (8u << 20)       /* a larger write goes to sealed files */
#define STORE_BULK_VALUES 4096u           /* ... or one of more segments */

/* A segment of a write, encoded. */
typedef struct write_segment {
    uint8_t *bytes; /* image, then fingerprints when there are any; NULL: in the spool */
    uint64_t spooled_at;
    uint32_t image_bytes;
    uint32_t first_row; /* in the part */
    uint32_t rows;
    bool has_prints;
    uint64_t raw_bytes;
    int64_t min_us, max_us;
} write_segment;

typedef struct write_run {
    uint32_t first_row; /* in the part */
    uint32_t object;
} write_run;

struct write_part;

/* What a part needs while rows come. */
typedef struct write_open {
    const th_stored_table *table;
    struct write_part *part;
    th_segment_builder *builder;
    th_merkle tree;
    uint32_t *prints; /* of the builder's rows */
    uint32_t print_capacity;
    bool has_prints;
    int64_t min_us, max_us; /* of the builder's rows */
    struct write_open *newer, *older;
} write_open;

/* The rows of one (table, day); early and late rows of it are two parts. */
typedef struct write_part {
    const th_stored_table *table;
    int32_t day;
    uint32_t rows;
    uint64_t first_seq; /* committer's */
    uint32_t built;     /* rows that are in finished segments */
    uint32_t spooled;   /* segments that are in the spool: the first ones */
    write_open *open;
    write_segment *segments;
    uint32_t segment_count, segment_capacity;
    write_run *runs;
    uint32_t run_count, run_capacity;
    store_packed_tree tree; /* while it is not open; a late part goes on from the early one */
} write_part;

/* By (table, day), sorted when they are finished. */
typedef struct write_parts {
    write_part **parts;
    uint32_t count, capacity;
    write_part **slots; /* hash of (table, day) */
    uint32_t slot_count;
} write_parts;

typedef struct write_object {
    int32_t day;
    uint64_t seq; /* UINT64_MAX: no row yet */
} write_object;

struct th_write {
    th_store *store;
    write_parts early, late;
    th_segment_shaper *shaper; /* of all its builders */
    write_open *newest, *oldest, *spare;
    uint32_t open_count, spare_count;
    uint64_t open_bytes;    /* records in builders */
    uint64_t kept_bytes;    /* encoded, in memory */
    uint64_t encoded_bytes; /* of all finished segments */
    uint32_t values;        /* finished segments */
    store_spool spool;
    th_diag spool_diag;
    th_buf scratch, head; /* one segment in hand */
    uint64_t bytes, rows;
    uint64_t *claims; /* (table, fingerprint) mixed */
    size_t claim_count, claim_capacity;
    bool claims_all; /* shares a group with no other write */
    write_object *objects;
    uint32_t object_count, object_capacity;
    th_late_fn late_fn;
    void *late_ctx;
    th_err error; /* no memory, a full disk: reported at commit */
    /* while queued */
    th_write *next;
    bool roll; /* not a write: asks for a new journal */
    bool done;
    th_err result;
    uint64_t lsn;
    int64_t arrival_us;
    th_diag *diag;
    write_segment leaf; /* its one-row segment of table leaves */
    uint64_t leaf_seq;
};

/* The array with room for one more, moved perhaps; NULL: no memory, the array is as it was. */
void *write_grow(void *array, uint32_t count, uint32_t *capacity, size_t size);
write_part *write_parts_find(const write_parts *parts, uint32_t table, int32_t day);
/* A new one; NULL: no memory. */
write_part *write_parts_add(write_parts *parts, const th_stored_table *table, int32_t day);
TH_MUST_CHECK th_err write_part_add(th_write *write, write_part *part, const th_row *row);
/* Encode what is not, and sort. */
TH_MUST_CHECK th_err write_parts_finish(th_write *write, write_parts *parts, th_diag *diag);
void write_parts_free(th_write *write, write_parts *parts);
void write_spare_free(th_write *write);
void write_segment_free(write_segment *segment);
size_t write_segment_size(const write_segment *segment);
uint32_t write_values(const th_write *write);
/* Too large for the journal. */
bool write_is_large(const th_write *write);
/* Forget what late() added, deliveries' places included. */
void write_forget_late(th_write *write);
/* Leaf bytes of the write: groups of early and late parts, sorted. */
TH_MUST_CHECK th_err write_leaf(th_write *write, th_buf *out);

/* A segment as it is stored; what it points to is the write's, until the next one. */
typedef struct write_value {
    store_header header;
    th_slice head, image;
    const uint8_t *prints; /* NULL: none */
} write_value;
typedef th_err (*write_value_fn)(void *ctx, write_value *value, th_diag *diag);
TH_MUST_CHECK th_err write_segment_value(th_write *write, const write_part *part,
                                         const write_segment *segment, write_value *out,
                                         th_diag *diag);
TH_MUST_CHECK th_err write_leaf_value(th_write *write, write_value *out);
/* All but the leaf, by (table, day, sequence). */
TH_MUST_CHECK th_err write_each_value(th_write *write, write_value_fn fn, void *ctx, th_diag *diag);

#endif
