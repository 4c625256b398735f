/* SPDX-License-Identifier: Apache-2.0
 * State of an ingest, shared by the files of this folder: a batch of objects, the rows that they were cut into (items),
 * and what the store already holds of them. A batch is one commit. It goes there window by window: some items at a time,
 * for one object may have any number of them.
 *
 *   object.c   bytes -> ingest_object in the batch
 *   stage.c    objects -> windows of items (splits what is not known)
 *   window.c   a window -> rows of the write, drafts of recipes, logs
 *   resolve.c  items -> fates: new, known, twin of another item; members of variant groups
 *   commit.c   the batch's write; rows that name positions are added in late() */
#ifndef TH_INGEST_INGEST_PRIVATE_H
#define TH_INGEST_INGEST_PRIVATE_H

#include "base/map.h"
#include "ingest/ingest.h"
#include "ingest/inflate.h"
#include "ingest/recipe.h"
#include "ingest/seen.h"
#include "ingest/split.h"
#include "store/reader.h"

#define INGEST_NONE UINT32_MAX
enum {
    INGEST_BATCH_BYTES = 32 << 20, /* contents a commit, unless the caller says otherwise */
    INGEST_BATCH_BYTES_MAX =
        40 << 20, /* ... and at most; a larger content is a commit of its own */
    INGEST_BATCH_OBJECTS = 4096,
    INGEST_SPARE_BYTES = 20 << 20, /* of buffers kept to be used again */
    INGEST_ITEMS_MAX = 1 << 17,    /* items a window */
    INGEST_DAYS_MAX = 125000, /* different (table, day) a commit: a write has an upper bound, too */
    INGEST_REASONS_MAX = 10000,
    INGEST_TRIES_MAX = 1000
};

typedef enum ingest_fate {
    INGEST_FATE_NEW,
    INGEST_FATE_KNOWN, /* day and seq name the row: a stored one, or one of an earlier window */
    INGEST_FATE_TWIN   /* the same bytes as item `twin` of this window */
} ingest_fate;

/* A row to be: a record of an object, or a chunk of its bytes for `blobs`. */
typedef struct ingest_item {
    th_slice bytes, layout;
    uint64_t offset, size; /* of its text in the content */
    uint64_t fingerprint;  /* 0 = not deduplicated */
    uint64_t hash;         /* of bytes */
    int64_t time_us;
    uint64_t seq;    /* with INGEST_SEQ_OWN: number inside this write's (table, day) */
    uint32_t object; /* index in the batch */
    uint32_t twin;
    uint32_t
        next; /* next item whose fingerprint has these low 32 bits, with other bytes; or INGEST_NONE */
    int32_t day;
    uint16_t table;
    uint8_t fate, mode, escape;
    bool has_time;
    bool delivered_form; /* of this item's content */
    bool any_delivered;  /* some item with these bytes was delivered in that form */
    bool promote;        /* so, but the row's own delivery was not */
    bool outside;        /* a blob that is no part of the content */
    bool variant;        /* new bytes under an identity that the store or the batch has already */
    bool has_stored;     /* the store, or an earlier window, has other bytes of its identity */
    bool asks;           /* its identity is to be looked up in the store */
    bool has_hashes;     /* sha, and hash where it has a fingerprint */
    th_sha256 sha;
} ingest_item;

/* Items of the last window. */
typedef struct ingest_blob_items {
    uint32_t first, count;
} ingest_blob_items;

/* Rows of `blobs`, one behind the other. */
typedef struct ingest_blob_place {
    int32_t day;
    uint64_t first, count; /* count 0 = none */
} ingest_blob_place;

/* A refused piece, for `quarantine`. */
typedef struct ingest_refusal {
    uint32_t object;
    uint64_t offset, size;
    const char *reason;
} ingest_refusal;

typedef struct ingest_object {
    const char *name;
    th_header *headers;
    size_t header_count;
    ingest_slurp store; /* owner of content */
    th_slice content;
    th_sha256 sha, container_sha;
    uint64_t fingerprint; /* of the content's identity */
    uint64_t container_size;
    bool gzipped;
    ingest_gzip gzip;
    const char *
        problem; /* why the container could not be inflated: static text; the content is then the container */
    const char *container_problem; /* this, or why it cannot be rebuilt: static text, or NULL */
    uint64_t container_used;       /* bytes of the gzip stream */
    th_slice trailing;  /* container bytes behind the gzip stream, in the batch's arena */
    th_slice container; /* kept whole, in the batch's arena; empty = not kept */
    ingest_blob_items trailing_items, container_items;
    ingest_blob_place trailing_place, container_place;
    uint32_t same;   /* earlier object of the batch with this content, or INGEST_NONE */
    bool known;      /* the store has the content: only a delivery is added */
    bool again;      /* the store has the content */
    uint64_t cursor; /* content bytes that items cover */
    uint64_t built;  /* content bytes that the recipe covers */
    ingest_split_result result;
    th_slice source, form;                /* as the rows say it */
    uint64_t records, refused;            /* of the content */
    uint64_t added, duplicates, variants; /* of its records, in the commit in hand */
    ingest_recipe recipe;                 /* a draft */
    ingest_log *moved;                    /* its first steps, when it is long; or NULL */
    th_slice draft;                       /* the whole, once all is staged */
    bool has_recipe;
} ingest_object;

/* A mark to be written: on a stored row, or on an item of this write. */
typedef struct ingest_mark {
    uint16_t table;
    int32_t day;
    uint64_t seq;  /* as in an item; not of one that has an item */
    uint32_t item; /* of this window, or INGEST_NONE */
    uint8_t action;
    uint64_t fingerprint; /* of the identity */
} ingest_mark;

/* Growing array of T: zero-initialised, freed with free(array.at). */
#define INGEST_ARRAY(T)           \
    struct {                      \
        T *at;                    \
        uint32_t count, capacity; \
    }

/* Some items on their way into the write. */
typedef struct ingest_window {
    th_arena *arena; /* decoded records */
    INGEST_ARRAY(ingest_item) items;
    uint64_t bytes; /* of records */
    bool many_days;
    uint64_t tables; /* that may have items: a bit each, by the low 6 bits of their ids */
} ingest_window;

struct th_ingest {
    struct ingest_pool *pool; /* threads that load for this one; NULL: there are none */
    struct th_ingest *head;   /* the one that this one loads for, or NULL */
    size_t memory_max;        /* bytes of one object in memory */
    th_store *store;
    th_ingest_options options;
    const char *tmp_dir;
    void *read_buffer, *inflate_state;
    ingest_spare spare;
    ingest_recogniser_id source;
    const char *who;
    uint64_t batch_bytes;
    uint64_t window_bytes; /* records a window; a content beyond this is alone in its batch */
    size_t days_max;       /* (table, day) a commit */
    uint32_t batch_objects;

    th_arena *arena; /* of the batch: names, headers, containers */
    INGEST_ARRAY(ingest_object) objects;
    uint64_t object_bytes; /* contents in the batch */

    /* what stage.c fills: one thread */
    ingest_window staged;
    ingest_log refusals;
    th_map *days; /* (table, day) of the batch */
    th_arena *days_arena;
    uint16_t last_table;
    int32_t last_day;
    int32_t today;
    uint32_t handed_over;         /* windows of this batch */
    struct ingest_helper *helper; /* takes windows on a thread of its own; NULL: there is none */

    /* what takes windows: one thread, the helper's where there is one */
    ingest_window window;
    uint32_t windows;    /* taken by the write in hand */
    th_version *version; /* that fates come from */
    th_write *write;
    ingest_seen *seen; /* rows of earlier windows; NULL: this is the first one */
    INGEST_ARRAY(ingest_mark) marks;
    ingest_log mark_log;
    uint32_t *chains; /* low 32 bits of fingerprints -> an item + 1, others by `next` */
    uint32_t *twins;  /* hash of bytes -> item + 1 */
    uint64_t seed;    /* of that hash: what is hashed comes from outside */
    uint32_t chain_mask;
    th_arena *resolving;                /* one resolve */
    uint64_t snapshot_lsn;              /* up to where identities were looked up */
    th_slice mark_bytes, refusal_bytes; /* the logs, for late() */

    th_arena *kept; /* of the summary's texts */
    INGEST_ARRAY(th_ingest_reason) reasons;
    th_ingest_summary summary;
    int64_t started_us;
    uint64_t progress_files, progress_bytes;
    _Atomic uint64_t progress_done_files, progress_done_bytes; /* a head's: by all its threads */
    const volatile int *cancel; /* not 0: reading stops; NULL: it does not */
    _Atomic bool progress_on;
    int64_t progress_shown_us;
};

/* Room for one more in an INGEST_ARRAY; TH_ENOMEM. */
#define INGEST_GROW(array) \
    ingest_grow((void **)&(array).at, (array).count, &(array).capacity, sizeof(*(array).at))
TH_MUST_CHECK th_err ingest_grow(void **at, uint32_t count, uint32_t *capacity, size_t size);

/* object.c: forget the recipe. */
void ingest_object_forget(ingest_object *object);
/* Hashes and fingerprints of all contents of the batch; which of them are the same. */
TH_MUST_CHECK th_err ingest_identify_objects(th_ingest *in);

/* stage.c: cut an object of the batch into items. Full windows are handed over on the way. */
TH_MUST_CHECK th_err ingest_stage_object(th_ingest *in, uint32_t object, th_diag *diag);
/* Bytes that are no part of a content, as blob items of the last window. */
TH_MUST_CHECK th_err ingest_stage_outside(th_ingest *in, uint32_t object, th_slice bytes,
                                          ingest_blob_items *out);
/* Forget what is staged. */
void ingest_stage_clear(th_ingest *in);
/* Refused pieces, one behind the other. False at the end. */
void ingest_refusal_write(th_buf *out, const ingest_refusal *refusal);
bool ingest_refusal_next(th_reader *in, ingest_refusal *out);

/* window.c: what is staged becomes in->window ... */
void ingest_window_swap(th_ingest *in);
/* ... which goes into the write. last: no other one follows. */
TH_MUST_CHECK th_err ingest_window_fill(th_ingest *in, bool last, th_diag *diag);
/* helper.c: may a large object use more than its ingest's own thread? */
bool ingest_has_helpers(const th_ingest *in);
/* Both, on another thread where there is one: a failure then comes back from a later call. */
TH_MUST_CHECK th_err ingest_window_hand_over(th_ingest *in, th_diag *diag);
/* All that was handed over is taken, and the other thread has ended. */
TH_MUST_CHECK th_err ingest_window_settle(th_ingest *in, th_diag *diag);
/* Marks, one behind the other. False at the end. */
bool ingest_mark_next(th_reader *in, ingest_mark *out);

/* resolve.c */
TH_MUST_CHECK th_err ingest_find_contents(th_ingest *in, th_version *version, th_diag *diag);
/* Fates of the window's items, by in->version and what earlier windows hold. */
TH_MUST_CHECK th_err ingest_resolve(th_ingest *in, th_diag *diag);
/* since.c: does the version hold an identity of this batch that was committed after the snapshot? */
TH_MUST_CHECK th_err ingest_check_since(th_ingest *in, th_version *version, bool *hit,
                                        th_diag *diag);
/* Whether an item is part of the write in hand: items of contents that turned out to be known are not. */
static inline bool ingest_item_counts(const struct th_ingest *in, const ingest_item *item)
{
    const ingest_object *object = &in->objects.at[item->object];
    return item->outside || !object->known;
}
/* Identity bytes of a record as the store keeps them, appended. */
void ingest_identity(const th_stored_table *table, th_slice record,
                     const struct th_json_members *members, const th_sha256 *content,
                     uint64_t ordinal, th_buf *out);

/* commit.c: the batch in one commit; again while others commit the same identities meanwhile. */
TH_MUST_CHECK th_err ingest_commit_batch(th_ingest *in, th_diag *diag);
/* Its steps. *staged: the items of a try before are as they were. TH_EAGAIN: forget, and try again. */
TH_MUST_CHECK th_err ingest_prepare(th_ingest *in, bool *staged, th_diag *diag);
TH_MUST_CHECK th_err ingest_commit_prepared(th_ingest *in, th_diag *diag);
/* Forget all that a try has made, but for what is staged. */
void ingest_forget_try(th_ingest *in);

/* delivery.c: rows about objects, as JSON. */
void ingest_delivery_json(const th_ingest *in, const ingest_object *object, int64_t arrival_us,
                          const ingest_blob_place *container, th_buf *out);
void ingest_quarantine_json(const th_ingest *in, const ingest_refusal *refusal, int64_t arrival_us,
                            const ingest_blob_place *blob, th_buf *out);

/* variants.c */
enum {
    INGEST_MARK_HIDE = 1,
    INGEST_MARK_SHOW = 2,
    INGEST_MARK_PROMOTE = 3,
    INGEST_MARK_CONFLICT = 4
};
void ingest_mark_write(th_buf *out, uint32_t table, uint64_t seq, uint8_t action);
/* One variant of an identity. */
typedef struct ingest_variant {
    th_sha256 sha;
    bool delivered_form;
} ingest_variant;
/* Which is shown: an index below count. The same whatever their order. */
size_t ingest_variant_shown(const ingest_variant *variants, size_t count);
/* All marks of a day's rows of one table, by seq; promoted rows among them. */
typedef struct ingest_marked {
    uint64_t seq;
    uint32_t order; /* of arrival, while reading */
    bool hidden, conflict, promoted, shown;
} ingest_marked;
TH_MUST_CHECK th_err ingest_marks_read(th_version *version, uint32_t table, int32_t day,
                                       th_arena *arena, ingest_marked **out, size_t *count,
                                       th_diag *diag);

/* jsonsame.c: are two valid JSON texts the same value? Key order, white space, escapes and the spelling of numbers
 * do not matter. Depth is at most TH_JSON_DEPTH_MAX. No memory: false. */
bool ingest_json_same(th_slice a, th_slice b, th_arena *arena);

/* content.c: the content that a row of `contents` describes, checked against its SHA-256. */
TH_MUST_CHECK th_err ingest_content_read_row(th_record_reader *reader, th_slice row, th_bytes_fn fn,
                                             void *ctx, th_diag *diag);
/* The newest row of a content; TH_ENOTFOUND. */
TH_MUST_CHECK th_err ingest_content_row(th_version *version, const th_sha256 *sha, th_arena *arena,
                                        th_slice *row, th_diag *diag);

/* path.c */
void ingest_progress(th_ingest *in);
/* Count what was read, in the head, and show it where this is one. */
void ingest_progress_add(th_ingest *in, uint64_t files, uint64_t bytes);
void ingest_add_reason(th_ingest *in, const char *path, uint64_t offset, const char *reason);

#endif
