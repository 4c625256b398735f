/* SPDX-License-Identifier: Apache-2.0
 * Records from literals and values: of any rows, and of rows in order. */
#include <stdlib.h>

#include "base/assert.h"
#include "segment/copy.h"
#include "segment/image.h"

#define WINDOW_ROWS 1024u
#define WINDOW_BYTES (8u << 20) /* of records of average size */
#define WINDOW_KEPT (4u << 20)  /* of what a window's values took, for the next one */
#define SLACK 32u               /* copies may write so much behind a record */

/* size bytes, in steps of 32: as many are readable behind from and writable behind to. */
static inline uint8_t *put_literal(uint8_t *to, th_slice from)
{
    for (size_t i = 0; i < from.size; i += 32) memcpy(to + i, from.bytes + i, 32);
    return to + from.size;
}

static th_err put_record(segment_scan *scan, uint32_t shape, th_slice *values, th_arena *arena,
                         th_slice *out)
{
    const segment_skeleton *k = scan->skeleton;
    uint32_t slots = k->shapes[shape].count;
    TH_TRY(segment_scan_row(scan, shape, values));
    size_t size = k->literal_bytes[shape];
    for (uint32_t i = 0; i < slots; i++) size += values[i].size;
    if (size > scan->image->base.raw_bytes) return TH_ECORRUPT;
    uint8_t *bytes = th_arena_alloc(arena, size + SLACK);
    if (bytes == NULL) return TH_ELIMIT;
    const uint32_t *joints = k->joints[shape];
    uint8_t *to = bytes;
    for (uint32_t i = 0; i < slots; i++) {
        to = put_literal(to, k->literals[joints[i]]);
        to = segment_copy(to, values[i]);
    }
    to = put_literal(to, k->literals[joints[slots]]);
    TH_ASSERT((size_t)(to - bytes) == size);
    *out = th_slice_of(bytes, size);
    return TH_OK;
}

/* The next rows of a scan of all slots. */
static th_err put_rows(segment_scan *scan, uint32_t count, th_arena *arena, th_slice *out)
{
    segment_reading *reading = scan->reading;
    const uint16_t *rows = scan->skeleton->rows;
    segment_scan_measure(scan, count);
    TH_TRY(segment_scan_fill(scan));
    th_slice *values = th_arena_alloc(reading->arena, SEGMENT_SLOTS_MAX * sizeof(th_slice));
    th_slice *whole =
        th_arena_alloc(reading->arena, ((size_t)scan->whole_wanted + 1) * sizeof(th_slice));
    if (values == NULL || whole == NULL) return TH_ELIMIT;
    if (scan->whole_wanted > 0)
        TH_TRY(segment_codec_read(scan->image->whole, reading, scan->whole, scan->whole_wanted,
                                  whole));
    uint64_t left = scan->image->base.raw_bytes; /* few bytes of image may stand for very many */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t shape = rows == NULL ? 0 : rows[scan->row + i];
        if (shape != 0)
            TH_TRY(put_record(scan, shape, values, arena, &out[i]));
        else
            out[i] = th_arena_copy(arena, *whole++);
        if (out[i].bytes == NULL) return TH_ELIMIT;
        if (out[i].size > left) return TH_ECORRUPT;
        left -= out[i].size;
    }
    segment_scan_pass(scan, count);
    return TH_OK;
}

/* ---- rows in order ---- */

typedef struct row_scan {
    segment_scan scan;
    segment_reading reading;
    th_arena *state, *chunks, *values;
    uint32_t page; /* of the row that the chunks were decoded for */
} row_scan;

static void scan_free(row_scan *r)
{
    th_arena_free(r->state);
    th_arena_free(r->chunks);
    th_arena_free(r->values);
}

/* resumes: it goes on for more than a window. */
static th_err scan_start(row_scan *r, segment_image *s, uint32_t begin, bool resumes,
                         th_budget *budget)
{
    const segment_skeleton *skeleton;
    TH_TRY(segment_need_skeleton(s, &skeleton));
    r->state = th_arena_new(SEGMENT_WORK_MAX, budget);
    r->chunks = th_arena_new(SEGMENT_WORK_MAX, budget);
    r->values = th_arena_new(SEGMENT_WORK_MAX, budget);
    if (r->state == NULL || r->chunks == NULL || r->values == NULL) return TH_ENOMEM;
    th_arena_keep(r->values, WINDOW_KEPT);
    r->page = begin / SEGMENT_PAGE;
    TH_TRY(segment_image_reading(s, r->values, r->chunks, &r->reading));
    r->reading.resumes_arena = r->state;
    if (resumes)
        r->reading.resumes = TH_NEW_ARRAY(r->state, segment_resume, (size_t)s->mark_count + 1);
    if (resumes && r->reading.resumes == NULL) return TH_ELIMIT;
    return segment_scan_begin(&r->scan, s, skeleton, skeleton->shapes, begin, &r->reading,
                              r->state);
}

/* Chunks of rows passed are given back from page to page. */
static th_err forget_chunks(row_scan *r)
{
    uint32_t page = r->scan.row / SEGMENT_PAGE;
    if (page == r->page) return TH_OK;
    r->page = page;
    segment_resume *resumes = r->reading.resumes;
    th_arena_reset(r->chunks);
    TH_TRY(segment_image_reading(r->scan.image, r->values, r->chunks, &r->reading));
    r->reading.resumes = resumes;
    r->reading.resumes_arena = r->state;
    return TH_OK;
}

static th_err scan_rows(row_scan *r, uint32_t count, th_arena *arena, th_slice *out)
{
    const th_segment *s = &r->scan.image->base;
    uint64_t share = (uint64_t)WINDOW_BYTES * s->rows / (s->raw_bytes + 1) + 1;
    for (uint32_t done = 0, n; done < count; done += n) {
        uint32_t page_left = SEGMENT_PAGE - r->scan.row % SEGMENT_PAGE;
        n = count - done < WINDOW_ROWS ? count - done : WINDOW_ROWS;
        if (n > share) n = (uint32_t)share;
        if (n > page_left) n = page_left;
        th_arena_reset(r->values);
        TH_TRY(forget_chunks(r));
        TH_TRY(put_rows(&r->scan, n, arena, out + done));
    }
    return TH_OK;
}

th_err segment_v2_records(const th_segment *segment, uint32_t begin, uint32_t count,
                          th_arena *arena, th_slice *out)
{
    row_scan r = {0};
    th_err err = scan_start(&r, segment_image_of(segment), begin, count > WINDOW_ROWS, NULL);
    if (err == TH_OK) err = scan_rows(&r, count, arena, out);
    scan_free(&r);
    return err;
}

th_err segment_v2_scan_open(const th_segment *segment, uint32_t begin, th_budget *budget,
                            void **scan)
{
    row_scan *r = calloc(1, sizeof(*r));
    if (r == NULL) return TH_ENOMEM;
    th_err err = scan_start(r, segment_image_of(segment), begin, true, budget);
    if (err != TH_OK)
        segment_v2_scan_close(r);
    else
        *scan = r;
    return err;
}

th_err segment_v2_scan_next(void *scan, uint32_t count, th_arena *arena, th_slice *out)
{
    return scan_rows(scan, count, arena, out);
}

void segment_v2_scan_close(void *scan)
{
    scan_free(scan);
    free(scan);
}
