/* SPDX-License-Identifier: Apache-2.0
 * An open image of format 2. The directory is parsed when it is opened; the skeleton (nodes, literals, shapes and which
 * row has which) when rows are first asked for; values only as rows are read. Everything here was checked. */
#ifndef TH_SEGMENT_IMAGE_H
#define TH_SEGMENT_IMAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "segment/codec.h"
#include "segment/reader.h"
#include "segment/shape.h"

#define SEGMENT_NONE UINT32_MAX
#define SEGMENT_BLOCK_ROWS 4096u           /* rows between two sums of the row directory */
#define SEGMENT_WORK_MAX ((size_t)1 << 30) /* bytes of the arenas of one read */

typedef enum segment_held {
    SEGMENT_HELD_CODEC = 0,
    SEGMENT_HELD_REFERENCE = 1,
    SEGMENT_HELD_RESIDUAL = 2
} segment_held;

typedef struct segment_leaf {
    uint32_t node, count;
    uint8_t kind;                 /* segment_leaf_kind */
    uint8_t held;                 /* segment_held */
    uint32_t target, other_count; /* of a reference */
    segment_codes *others_at;     /* of a reference with others: 1 = the next one of the others */
    segment_codec *codec;         /* the values; of a reference the others, or NULL */
    uint64_t stored;              /* its share of the image's bytes */
} segment_leaf;

typedef struct segment_zone_entry {
    bool known, folded, has_zone;
    uint32_t absent, nulls;
    th_slice min, max;
    uint32_t filter_keys; /* 0: no filter */
    segment_payload filter;
} segment_zone_entry;

typedef struct segment_node {
    uint32_t parent; /* 0: the root, else number + 1 */
    uint8_t kind;    /* segment_node_kind */
    uint32_t field;
    th_slice key;
} segment_node;

/* A slot of a shape: column, and where its value comes from. */
typedef enum segment_slot_kind {
    SEGMENT_SLOT_CODEC,
    SEGMENT_SLOT_RESIDUAL,
    SEGMENT_SLOT_BEFORE, /* a reference to a slot before this one in the row, ... */
    SEGMENT_SLOT_BEHIND, /* ... behind it, ... */
    SEGMENT_SLOT_ALONE   /* ... or not in this shape: always another value */
} segment_slot_kind;
static inline uint32_t segment_slot(uint32_t column, segment_slot_kind kind)
{
    return column | (uint32_t)kind << 16;
}
static inline uint32_t segment_slot_column(uint32_t slot)
{
    return slot & 0xffffu;
}
static inline segment_slot_kind segment_slot_kind_of(uint32_t slot)
{
    return (segment_slot_kind)(slot >> 16);
}

/* Slots of each shape that a scan reads: all of them, or those of some paths. */
typedef struct segment_steps {
    const uint32_t *slots;
    uint32_t count;
} segment_steps;

typedef struct segment_skeleton {
    segment_node *nodes;
    th_slice *literals;      /* 64 readable bytes behind each */
    segment_steps *shapes;   /* all slots of each; number 0 (whole records) has none */
    const uint32_t **joints; /* literals of each: slots + 1 */
    uint32_t *literal_bytes; /* of each, together */
    uint16_t *rows;          /* shape of each row, 0 = whole; NULL: all are whole */
    uint32_t *sums;          /* [block][shape]: rows of the shape before the block */
} segment_skeleton;

typedef struct segment_image {
    th_segment base;
    th_arena *arena; /* the directory and what it says */
    segment_payloads *payloads;
    uint8_t times_encoding;
    uint32_t timed_count;
    segment_codes *timed; /* NULL: all rows have a time */
    segment_ints *times;
    uint32_t whole_count, node_count, literal_count, column_count, shape_count;
    uint32_t residual_count, pool_count;
    segment_codec *whole, *residual, *pool; /* NULL when there are none */
    segment_payload nodes, literals, shapes;
    segment_leaf *columns;
    segment_codes *rows;       /* NULL: all are whole */
    segment_zone_entry *zones; /* of each stored column of the table */
    uint64_t whole_stored, residual_stored, skeleton_stored;
    uint32_t mark_count;

    pthread_mutex_t lock; /* guards what follows */
    th_arena *kept;       /* what lives until the segment is closed */
    _Atomic(const segment_skeleton *) skeleton;
    _Atomic(segment_marks *) marks; /* with the skeleton */
    uint32_t **ones; /* of references: others before each block of values; NULL until asked for */
    struct segment_route_cache *routes;
} segment_image;

static inline segment_image *segment_image_of(const th_segment *segment)
{
    return (segment_image *)(uintptr_t)segment; /* what is behind the lock may change */
}

/* ---- skeleton.c ---- */

/* The skeleton, read on first use. TH_ECORRUPT, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_need_skeleton(segment_image *image, const segment_skeleton **out);
/* The arena of what is kept, made on first use; under the lock. NULL: no memory. */
th_arena *segment_kept_arena(segment_image *image);
/* A reading of this image. */
TH_MUST_CHECK th_err segment_image_reading(const segment_image *image, th_arena *arena,
                                           th_arena *chunks, segment_reading *out);

/* ---- scan.c: rows in order, and the values of some of their slots ---- */

typedef struct segment_scan {
    segment_image *image;
    const segment_skeleton *skeleton;
    const segment_steps *steps;
    segment_reading *reading;
    uint32_t row;       /* the next one */
    uint32_t whole;     /* whole records before it */
    uint32_t streams;   /* columns, and the residual one behind them */
    uint32_t *position; /* of each stream: values before the row */
    uint32_t *others;   /* of each reference: others before its position, or SEGMENT_NONE */
    uint32_t *wanted;   /* of each stream: values of the rows in hand */
    uint32_t *touched;  /* streams with some */
    uint32_t touched_count;
    uint32_t *counts; /* of each shape: rows in hand */
    uint32_t whole_wanted;
    th_slice **cells; /* of each stream: the next value */
    uint32_t **flags; /* of each reference: the next flag, or NULL */
} segment_scan;
/* steps: of each shape; their columns' every slot must be among them, and those of columns that they refer to. Lives in
 * the arena. TH_ECORRUPT, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_scan_begin(segment_scan *scan, segment_image *image,
                                        const segment_skeleton *skeleton,
                                        const segment_steps *steps, uint32_t row,
                                        segment_reading *reading, th_arena *arena);
/* Move to a row. */
TH_MUST_CHECK th_err segment_scan_seek(segment_scan *scan, uint32_t row);
/* Count what the next rows need: sets wanted, touched and whole_wanted. */
void segment_scan_measure(segment_scan *scan, uint32_t count);
/* Read the values of the next rows, which were measured: cells and flags point to the first. */
TH_MUST_CHECK th_err segment_scan_fill(segment_scan *scan);
/* Flags of the next values of a reference that were measured, and which of the others they take. */
TH_MUST_CHECK th_err segment_scan_flags(segment_scan *scan, uint32_t column, uint32_t *first_other,
                                        uint32_t *count_others);
/* Values of the next row of a shape: out[steps[shape].count]. TH_ECORRUPT. */
TH_MUST_CHECK th_err segment_scan_row(segment_scan *scan, uint32_t shape, th_slice *out);
/* Behind the rows that were measured. */
void segment_scan_pass(segment_scan *scan, uint32_t count);
/* Number of others of a reference before a position. */
TH_MUST_CHECK th_err segment_others_before(segment_image *image, uint32_t column, uint32_t position,
                                           segment_reading *reading, uint32_t *out);

/* ---- the operations (assemble.c, column.c, zone.c, verify.c) ---- */

th_err segment_v2_records(const th_segment *segment, uint32_t begin, uint32_t count,
                          th_arena *arena, th_slice *out);
th_err segment_v2_scan_open(const th_segment *segment, uint32_t begin, th_budget *budget,
                            void **scan);
th_err segment_v2_scan_next(void *scan, uint32_t count, th_arena *arena, th_slice *out);
void segment_v2_scan_close(void *scan);
th_err segment_v2_column(const th_segment *segment, const char *path, uint32_t begin,
                         uint32_t count, th_arena *arena, th_segment_column *out,
                         uint64_t *bytes_read);
void segment_route_cache_free(struct segment_route_cache *cache); /* accepts NULL */
th_err segment_v2_times(const th_segment *segment, uint32_t begin, uint32_t count, int64_t *out);
bool segment_v2_zone(const th_segment *segment, const char *path, th_slice *min, th_slice *max);
bool segment_v2_may_equal(const th_segment *segment, const char *path, th_slice value);
th_err segment_v2_search(const th_segment *segment, th_slice text, uint64_t *bits,
                         uint64_t *bytes_read);
th_err segment_v2_verify(const th_segment *segment, th_diag *diag);

#endif
