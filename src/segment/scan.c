/* SPDX-License-Identifier: Apache-2.0
 * Rows in order, and values of some slots of each. Values of a column are read for many rows at once; a row takes the
 * next one of each of its slots. Sums of shapes say where in each column a row begins. */
#include "base/assert.h"
#include "segment/image.h"

/* The stream that a slot's values come from: its column, or that of the residual values. */
static uint32_t stream_of(const segment_scan *scan, uint32_t slot)
{
    return segment_slot_kind_of(slot) == SEGMENT_SLOT_RESIDUAL ? scan->streams - 1
                                                               : segment_slot_column(slot);
}

th_err segment_scan_begin(segment_scan *scan, segment_image *image,
                          const segment_skeleton *skeleton, const segment_steps *steps,
                          uint32_t row, segment_reading *reading, th_arena *arena)
{
    *scan = (segment_scan){.image = image,
                           .skeleton = skeleton,
                           .steps = steps,
                           .reading = reading,
                           .streams = image->column_count + 1};
    scan->position = TH_NEW_ARRAY(arena, uint32_t, scan->streams);
    scan->others = TH_NEW_ARRAY(arena, uint32_t, scan->streams);
    scan->wanted = TH_NEW_ARRAY(arena, uint32_t, scan->streams);
    scan->touched = TH_NEW_ARRAY(arena, uint32_t, scan->streams);
    scan->counts = TH_NEW_ARRAY(arena, uint32_t, (size_t)image->shape_count + 1);
    scan->cells = th_arena_zalloc(arena, scan->streams, sizeof(*scan->cells));
    scan->flags = th_arena_zalloc(arena, scan->streams, sizeof(*scan->flags));
    if (scan->position == NULL || scan->others == NULL || scan->wanted == NULL ||
        scan->touched == NULL || scan->counts == NULL || scan->cells == NULL || scan->flags == NULL)
        return TH_ELIMIT;
    return segment_scan_seek(scan, row);
}

th_err segment_scan_seek(segment_scan *scan, uint32_t row)
{
    const segment_image *s = scan->image;
    const uint16_t *rows = scan->skeleton->rows;
    scan->row = row;
    scan->whole = row;
    if (rows == NULL) return TH_OK;
    memset(scan->position, 0, scan->streams * sizeof(uint32_t));
    memset(scan->others, 0xff, scan->streams * sizeof(uint32_t));
    uint32_t block = row / SEGMENT_BLOCK_ROWS, width = s->shape_count + 1;
    memcpy(scan->counts, scan->skeleton->sums + (size_t)block * width, width * sizeof(uint32_t));
    for (uint32_t i = block * SEGMENT_BLOCK_ROWS; i < row; i++) scan->counts[rows[i]]++;
    for (uint32_t shape = 1; shape < width; shape++) {
        const segment_steps *steps = &scan->steps[shape];
        uint32_t count = scan->counts[shape];
        if (count == 0) continue;
        for (uint32_t i = 0; i < steps->count; i++)
            scan->position[stream_of(scan, steps->slots[i])] += count;
    }
    scan->whole = scan->counts[0];
    memset(scan->counts, 0, width * sizeof(uint32_t));
    return TH_OK;
}

void segment_scan_measure(segment_scan *scan, uint32_t count)
{
    const uint16_t *rows = scan->skeleton->rows;
    scan->touched_count = 0;
    scan->whole_wanted = count;
    if (rows == NULL) return;
    for (uint32_t i = 0; i < count; i++) scan->counts[rows[scan->row + i]]++;
    scan->whole_wanted = scan->counts[0];
    scan->counts[0] = 0;
    uint32_t width = scan->image->shape_count + 1;
    for (uint32_t shape = 1; shape < width; shape++) {
        const segment_steps *steps = &scan->steps[shape];
        uint32_t n = scan->counts[shape];
        if (n == 0) continue;
        scan->counts[shape] = 0;
        for (uint32_t i = 0; i < steps->count; i++) {
            uint32_t stream = stream_of(scan, steps->slots[i]);
            if (scan->wanted[stream] == 0) scan->touched[scan->touched_count++] = stream;
            scan->wanted[stream] += n;
        }
    }
}

th_err segment_others_before(segment_image *s, uint32_t column, uint32_t position,
                             segment_reading *reading, uint32_t *out)
{
    const segment_leaf *leaf = &s->columns[column];
    uint32_t blocks = leaf->count / SEGMENT_BLOCK_ROWS + 1;
    uint32_t *flags = th_arena_alloc(reading->arena, SEGMENT_BLOCK_ROWS * sizeof(uint32_t));
    if (flags == NULL) return TH_ELIMIT;
    (void)pthread_mutex_lock(&s->lock);
    th_arena *kept = segment_kept_arena(s);
    th_err err = kept == NULL ? TH_ENOMEM : TH_OK;
    if (err == TH_OK && s->ones == NULL)
        s->ones = th_arena_zalloc(kept, s->column_count, sizeof(*s->ones));
    if (err == TH_OK && s->ones == NULL) err = TH_ELIMIT;
    uint32_t *ones = err == TH_OK ? s->ones[column] : NULL;
    bool fresh = err == TH_OK && ones == NULL;
    if (fresh) ones = TH_NEW_ARRAY(kept, uint32_t, (size_t)blocks + 1);
    if (err == TH_OK && ones == NULL) err = TH_ELIMIT;
    for (uint32_t i = 0; fresh && err == TH_OK && i < blocks; i++) {
        uint32_t first = i * SEGMENT_BLOCK_ROWS, left = leaf->count - first, sum = 0;
        uint32_t count = left < SEGMENT_BLOCK_ROWS ? left : SEGMENT_BLOCK_ROWS;
        if (count > 0) err = segment_codes_read(leaf->others_at, reading, first, count, flags);
        for (uint32_t k = 0; err == TH_OK && k < count; k++) sum += flags[k];
        ones[i + 1] = ones[i] + sum;
    }
    if (err == TH_OK && ones[blocks] != leaf->other_count) err = TH_ECORRUPT;
    if (err == TH_OK) s->ones[column] = ones;
    (void)pthread_mutex_unlock(&s->lock);
    TH_TRY(err);
    uint32_t first = position / SEGMENT_BLOCK_ROWS * SEGMENT_BLOCK_ROWS;
    *out = ones[position / SEGMENT_BLOCK_ROWS];
    if (position == first) return TH_OK;
    TH_TRY(segment_codes_read(leaf->others_at, reading, first, position - first, flags));
    for (uint32_t i = 0; i < position - first; i++) *out += flags[i];
    return TH_OK;
}

th_err segment_scan_flags(segment_scan *scan, uint32_t column, uint32_t *first_other,
                          uint32_t *count_others)
{
    const segment_leaf *leaf = &scan->image->columns[column];
    segment_reading *reading = scan->reading;
    uint32_t count = scan->wanted[column];
    scan->flags[column] = NULL;
    *count_others = *first_other = 0;
    if (leaf->other_count == 0) return TH_OK;
    uint32_t position = scan->position[column];
    if (scan->others[column] == SEGMENT_NONE)
        TH_TRY(
            segment_others_before(scan->image, column, position, reading, &scan->others[column]));
    uint32_t *flags = th_arena_alloc(reading->arena, (size_t)count * sizeof(uint32_t));
    if (flags == NULL) return TH_ELIMIT;
    TH_TRY(segment_codes_read(leaf->others_at, reading, position, count, flags));
    uint32_t others = 0, first = scan->others[column];
    for (uint32_t i = 0; i < count; i++) others += flags[i];
    if (others > leaf->other_count - first) return TH_ECORRUPT;
    scan->flags[column] = flags;
    scan->others[column] = first + others;
    *first_other = first;
    *count_others = others;
    return TH_OK;
}

static th_err fill_reference(segment_scan *scan, uint32_t column)
{
    uint32_t first, others;
    TH_TRY(segment_scan_flags(scan, column, &first, &others));
    scan->cells[column] = NULL;
    if (others == 0) return TH_OK;
    segment_reading *reading = scan->reading;
    scan->cells[column] = th_arena_alloc(reading->arena, (size_t)others * sizeof(th_slice));
    if (scan->cells[column] == NULL) return TH_ELIMIT;
    return segment_codec_read(scan->image->columns[column].codec, reading, first, others,
                              scan->cells[column]);
}

static th_err fill_stream(segment_scan *scan, uint32_t stream)
{
    const segment_image *s = scan->image;
    uint32_t count = scan->wanted[stream];
    bool residual = stream == s->column_count;
    if (!residual && s->columns[stream].held == SEGMENT_HELD_REFERENCE)
        return fill_reference(scan, stream);
    const segment_codec *codec = residual ? s->residual : s->columns[stream].codec;
    scan->cells[stream] = th_arena_alloc(scan->reading->arena, (size_t)count * sizeof(th_slice));
    if (scan->cells[stream] == NULL) return TH_ELIMIT;
    return segment_codec_read(codec, scan->reading, scan->position[stream], count,
                              scan->cells[stream]);
}

th_err segment_scan_fill(segment_scan *scan)
{
    for (uint32_t i = 0; i < scan->touched_count; i++) TH_TRY(fill_stream(scan, scan->touched[i]));
    return TH_OK;
}

/* Is the value of a reference another one than that of the column it refers to? */
static bool takes_other(segment_scan *scan, uint32_t column)
{
    return scan->flags[column] != NULL && *scan->flags[column]++ != 0;
}

th_err segment_scan_row(segment_scan *scan, uint32_t shape, th_slice *out)
{
    const segment_steps *steps = &scan->steps[shape];
    th_slice **cells = scan->cells;
    for (uint32_t i = 0; i < steps->count; i++) {
        uint32_t column = segment_slot_column(steps->slots[i]);
        segment_slot_kind kind = segment_slot_kind_of(steps->slots[i]);
        if (kind == SEGMENT_SLOT_CODEC) {
            out[i] = *cells[column]++;
            continue;
        }
        if (kind == SEGMENT_SLOT_RESIDUAL) {
            out[i] = *cells[scan->streams - 1]++;
            continue;
        }
        uint32_t target = scan->image->columns[column].target;
        if (takes_other(scan, column))
            out[i] = *cells[column]++;
        else if (kind == SEGMENT_SLOT_ALONE)
            return TH_ECORRUPT;
        else
            out[i] = kind == SEGMENT_SLOT_BEHIND ? *cells[target] : cells[target][-1];
    }
    return TH_OK;
}

void segment_scan_pass(segment_scan *scan, uint32_t count)
{
    for (uint32_t i = 0; i < scan->touched_count; i++) {
        uint32_t stream = scan->touched[i];
        scan->position[stream] += scan->wanted[stream];
        scan->wanted[stream] = 0;
    }
    scan->touched_count = 0;
    scan->whole += scan->whole_wanted;
    scan->row += count;
}
