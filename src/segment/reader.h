/* SPDX-License-Identifier: Apache-2.0
 * What the readers of all format versions share: the open segment, and what each version answers. The version is looked
 * at once, when an image is opened (segment.c). */
#ifndef TH_SEGMENT_READER_H
#define TH_SEGMENT_READER_H

#include <stdatomic.h>

#include "segment/format.h"
#include "segment/segment.h"

typedef struct segment_run {
    uint32_t first_row, layout;
} segment_run;

/* begin and count are inside the rows, and count > 0. Everything but close may be called from any thread. */
typedef struct segment_ops {
    void (*close)(th_segment *segment); /* the version's own; the common part is freed behind it */
    th_err (*records)(const th_segment *segment, uint32_t begin, uint32_t count, th_arena *arena,
                      th_slice *out);
    th_err (*column)(const th_segment *segment, const char *path, uint32_t begin, uint32_t count,
                     th_arena *arena, th_segment_column *out, uint64_t *bytes_read);
    th_err (*times)(const th_segment *segment, uint32_t begin, uint32_t count, int64_t *out);
    bool (*zone)(const th_segment *segment, const char *path, th_slice *min, th_slice *max);
    bool (*may_equal)(const th_segment *segment, const char *path, th_slice value);
    th_err (*verify)(const th_segment *segment, th_diag *diag);
    th_err (*search)(const th_segment *segment, th_slice text, uint64_t *bits,
                     uint64_t *bytes_read); /* NULL: cannot */
    /* Rows in order; NULL: records is called for them. The scan keeps what it decoded from call to call. */
    th_err (*scan_open)(const th_segment *segment, uint32_t begin, th_budget *budget, void **scan);
    th_err (*scan_next)(void *scan, uint32_t count, th_arena *arena, th_slice *out);
    void (*scan_close)(void *scan);
} segment_ops;

struct th_segment {
    uint32_t magic;
    const segment_ops *ops;
    th_slice image;
    const th_stored_table *table;
    th_budget *budget;  /* of what it takes and keeps decoded; may be NULL */
    atomic_size_t held; /* of that, about */
    uint32_t rows;
    uint64_t raw_bytes;
    th_segment_tier tier;
    bool has_times;
    int64_t first_us, last_us;
    th_slice *layouts; /* in the image or the directory */
    segment_run *runs;
    uint32_t layout_count, run_count;
};
#define SEGMENT_OPEN_MAGIC UINT32_C(0x5345474f)

static inline void segment_holds(th_segment *segment, size_t more, size_t less)
{
    atomic_fetch_add_explicit(&segment->held, more - less, memory_order_relaxed);
}

/* Open what segment.c has checked: sizes of the header and the hash of the directory. *out begins with a th_segment whose
 * image, table, rows and raw_bytes are set. On failure everything is freed. */
TH_MUST_CHECK th_err segment_v1_open(th_slice image, const segment_header *header,
                                     th_budget *budget, th_segment **out);
TH_MUST_CHECK th_err segment_v2_open(th_slice image, const segment_header *header,
                                     th_budget *budget, th_segment **out);

/* ---- parts of a directory (layout.c) ---- */

/* A count of things that each take at least one byte of what is left. */
uint32_t segment_take_count(th_reader *reader, uint64_t max);
th_slice segment_take_text(th_reader *reader, size_t max);
/* The layouts and their runs into segment->layouts and ->runs. TH_ECORRUPT, TH_ENOMEM. */
TH_MUST_CHECK th_err segment_take_layouts(th_segment *segment, th_reader *reader);
/* Number of the run that holds row; run_count > 0. */
uint32_t segment_run_of(const th_segment *segment, uint32_t row);
/* Stored column number for a path as callers write it ('=' before it: only exact spelling), or UINT32_MAX. */
uint32_t segment_stored_column(const th_segment *segment, const char *path);

#endif
