/* SPDX-License-Identifier: Apache-2.0
 * The values of a path for a range of rows: a dictionary and codes where the path has one, else kinds and texts. */
#include "segment/paths.h"
#include "segment/route.h"

#define WINDOW_ROWS 4096u

typedef struct column_read {
    segment_image *image;
    const segment_skeleton *k;
    const segment_route *route;
    segment_reading reading;
    segment_scan scan;
    th_arena *arena; /* what goes out */
    th_arena *work;  /* what does not */
    uint32_t run;
    /* values by row */
    uint8_t *kinds;
    th_slice *values;
    segment_whole_cells whole;
    /* or codes */
    uint32_t *codes;
    uint32_t **cells; /* of each stream: the code of the next value */
} column_read;

/* ---- values ---- */

static uint8_t leaf_kind_of(const column_read *r)
{
    uint32_t only = r->route->only;
    return r->image->columns[only].kind;
}

/* Each of the rows that were measured takes one value of one column, in order. */
static bool is_straight(const column_read *r, uint32_t count)
{
    uint32_t only = r->route->only;
    return r->route->simple && only < r->image->column_count && r->scan.whole_wanted == 0 &&
           r->scan.wanted[only] == count && r->image->columns[only].held == SEGMENT_HELD_CODEC;
}

static th_err read_straight(column_read *r, uint32_t count, uint8_t *kinds, th_slice *values)
{
    uint32_t only = r->route->only;
    const segment_leaf *leaf = &r->image->columns[only];
    TH_TRY(segment_codec_read(leaf->codec, &r->reading, r->scan.position[only], count, values));
    uint8_t kind = leaf_kind_of(r);
    for (uint32_t i = 0; i < count; i++) {
        th_slice value = values[i];
        if (!segment_cell_of_slot(kind, value, r->arena, &kinds[i], &values[i])) return TH_ELIMIT;
    }
    return TH_OK;
}

static th_err read_rows(column_read *r, uint32_t count, uint8_t *kinds, th_slice *values)
{
    segment_scan *scan = &r->scan;
    const segment_image *s = r->image;
    th_slice *steps = th_arena_alloc(r->work, SEGMENT_SLOTS_MAX * sizeof(th_slice));
    if (steps == NULL) return TH_ELIMIT;
    TH_TRY(segment_scan_fill(scan));
    th_slice *whole = NULL;
    if (scan->whole_wanted > 0) {
        whole = th_arena_alloc(r->arena, scan->whole_wanted * sizeof(th_slice));
        if (whole == NULL) return TH_ELIMIT;
        TH_TRY(segment_codec_read(s->whole, &r->reading, scan->whole, scan->whole_wanted, whole));
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = scan->row + i, shape = r->k->rows == NULL ? 0 : r->k->rows[row];
        if (shape == 0) {
            TH_TRY(segment_whole_cell(&r->whole, row, *whole++, r->arena, &kinds[i], &values[i]));
            continue;
        }
        TH_TRY(segment_scan_row(scan, shape, steps));
        const segment_spots *spots = segment_route_spots(r->route, s, row, shape, &r->run);
        static const segment_spots none = {NULL, 0};
        TH_TRY(segment_cell_of_spots(r->k, shape, spots == NULL ? &none : spots, steps, r->arena,
                                     &kinds[i], &values[i]));
    }
    return TH_OK;
}

static th_err read_values(column_read *r, uint32_t count)
{
    r->kinds = th_arena_alloc(r->arena, count);
    r->values = th_arena_alloc(r->arena, (size_t)count * sizeof(th_slice));
    if (r->kinds == NULL || r->values == NULL) return TH_ELIMIT;
    TH_TRY(segment_whole_begin(&r->whole, &r->image->base, r->route));
    th_err err = TH_OK;
    for (uint32_t done = 0, n; err == TH_OK && done < count; done += n) {
        n = count - done < WINDOW_ROWS ? count - done : WINDOW_ROWS;
        segment_scan_measure(&r->scan, n);
        err = is_straight(r, n) ? read_straight(r, n, r->kinds + done, r->values + done)
                                : read_rows(r, n, r->kinds + done, r->values + done);
        segment_scan_pass(&r->scan, n);
    }
    segment_whole_end(&r->whole);
    return err;
}

/* ---- codes ---- */

static void translate(uint32_t *codes, uint32_t count, const uint32_t *to)
{
    for (uint32_t i = 0; i < count; i++) codes[i] = to[codes[i]];
}

static th_err fill_codes(column_read *r, uint32_t stream)
{
    segment_scan *scan = &r->scan;
    const segment_leaf *leaf = &r->image->columns[stream];
    const segment_dictionary *d = r->route->dictionary;
    bool reference = leaf->held == SEGMENT_HELD_REFERENCE;
    uint32_t first = scan->position[stream], count = scan->wanted[stream];
    if (reference) TH_TRY(segment_scan_flags(scan, stream, &first, &count));
    r->cells[stream] = NULL;
    if (count == 0) return TH_OK;
    uint32_t *codes = th_arena_alloc(r->reading.arena, (size_t)count * sizeof(uint32_t));
    if (codes == NULL) return TH_ELIMIT;
    r->cells[stream] = codes;
    if (reference && segment_codec_dictionary(leaf->codec) == NULL) {
        memcpy(codes, d->code_of[stream] + first, (size_t)count * sizeof(uint32_t));
        return TH_OK;
    }
    TH_TRY(segment_codec_codes(leaf->codec, &r->reading, first, count, codes));
    translate(codes, count, d->code_of[stream]);
    return TH_OK;
}

static th_err take_codes(column_read *r, uint32_t shape, uint32_t *out)
{
    const segment_steps *steps = &r->route->steps[shape];
    segment_scan *scan = &r->scan;
    for (uint32_t i = 0; i < steps->count; i++) {
        uint32_t column = segment_slot_column(steps->slots[i]);
        segment_slot_kind kind = segment_slot_kind_of(steps->slots[i]);
        bool own = kind == SEGMENT_SLOT_CODEC ||
                   (scan->flags[column] != NULL && *scan->flags[column]++ != 0);
        uint32_t target = r->image->columns[column].target;
        if (own)
            out[i] = *r->cells[column]++;
        else if (kind == SEGMENT_SLOT_ALONE)
            return TH_ECORRUPT;
        else
            out[i] = kind == SEGMENT_SLOT_BEHIND ? *r->cells[target] : r->cells[target][-1];
    }
    return TH_OK;
}

static uint32_t code_of_spots(const segment_dictionary *d, const segment_spots *spots,
                              const uint32_t *steps)
{
    uint32_t code = d->absent;
    for (uint32_t i = 0; spots != NULL && i < spots->count; i++) {
        const segment_spot *spot = &spots->spots[i];
        if (spot->kind == SEGMENT_SPOT_TEXT) return spot->from;
        code = steps[spot->first];
        if (d->kinds[code] != TH_CELL_NULL) return code;
    }
    return code;
}

static th_err code_rows(column_read *r, uint32_t count, uint32_t *out)
{
    segment_scan *scan = &r->scan;
    const segment_dictionary *d = r->route->dictionary;
    uint32_t *steps = th_arena_alloc(r->work, SEGMENT_SLOTS_MAX * sizeof(uint32_t));
    if (steps == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < scan->touched_count; i++) TH_TRY(fill_codes(r, scan->touched[i]));
    const uint32_t *whole = d->whole_codes == NULL ? NULL : d->whole_codes + scan->whole;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = scan->row + i, shape = r->k->rows == NULL ? 0 : r->k->rows[row];
        if (shape == 0) {
            out[i] = *whole++;
            continue;
        }
        TH_TRY(take_codes(r, shape, steps));
        out[i] =
            code_of_spots(d, segment_route_spots(r->route, r->image, row, shape, &r->run), steps);
    }
    return TH_OK;
}

static th_err code_straight(column_read *r, uint32_t count, uint32_t *out)
{
    uint32_t only = r->route->only;
    const segment_leaf *leaf = &r->image->columns[only];
    const segment_dictionary *d = r->route->dictionary;
    TH_TRY(segment_codec_codes(leaf->codec, &r->reading, r->scan.position[only], count, out));
    if (!d->exact) translate(out, count, d->code_of[only]);
    return TH_OK;
}

static th_err read_codes(column_read *r, uint32_t count)
{
    r->codes = th_arena_alloc(r->arena, (size_t)count * sizeof(uint32_t));
    r->cells = th_arena_zalloc(r->work, r->scan.streams, sizeof(*r->cells));
    if (r->codes == NULL || r->cells == NULL) return TH_ELIMIT;
    for (uint32_t done = 0, n; done < count; done += n) {
        n = count - done < WINDOW_ROWS ? count - done : WINDOW_ROWS;
        segment_scan_measure(&r->scan, n);
        TH_TRY(is_straight(r, n) ? code_straight(r, n, r->codes + done)
                                 : code_rows(r, n, r->codes + done));
        segment_scan_pass(&r->scan, n);
    }
    return TH_OK;
}

/* ---- both ---- */

static th_err read_column(column_read *r, uint32_t begin, uint32_t count, th_segment_column *out)
{
    const segment_dictionary *d = r->route->dictionary;
    th_arena *arena = d != NULL ? r->work : r->arena;
    TH_TRY(segment_image_reading(r->image, arena, arena, &r->reading));
    TH_TRY(
        segment_scan_begin(&r->scan, r->image, r->k, r->route->steps, begin, &r->reading, r->work));
    TH_TRY(d != NULL ? read_codes(r, count) : read_values(r, count));
    *out = d != NULL ? (th_segment_column){d->count, d->values, d->kinds, r->codes}
                     : (th_segment_column){count, r->values, r->kinds, NULL};
    return TH_OK;
}

th_err segment_v2_column(const th_segment *segment, const char *path, uint32_t begin,
                         uint32_t count, th_arena *arena, th_segment_column *out,
                         uint64_t *bytes_read)
{
    column_read r = {.image = segment_image_of(segment), .arena = arena};
    TH_TRY(segment_need_skeleton(r.image, &r.k));
    TH_TRY(segment_need_route(r.image, path, arena, &r.route));
    r.work = th_arena_new(SEGMENT_WORK_MAX, segment->budget);
    th_err err = r.work == NULL ? TH_ENOMEM : read_column(&r, begin, count, out);
    th_arena_free(r.work);
    /* The share of the rows: the parts of a scan add up to the whole. */
    uint64_t stored = r.route->stored;
    if (err == TH_OK)
        *bytes_read += stored * (begin + count) / segment->rows - stored * begin / segment->rows;
    segment_release_route(r.image, r.route);
    return err;
}
