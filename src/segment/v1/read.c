/* SPDX-License-Identifier: Apache-2.0
 * Stored columns of version 1, decoded once and kept while the segment is open, event times, and what can be told
 * without decoding rows. */
#include <stdlib.h>

#include "segment/v1/v1.h"

#define PAD 64u

/* The cache behind the lock is not part of what callers see. */
static v1_segment *mutable(const th_segment *segment)
{
    return (v1_segment *)(uintptr_t)segment;
}

/* The stored column for a path as callers write it, or NULL. */
static v1_column *find_column(v1_segment *s, const char *path)
{
    uint32_t i = segment_stored_column(&s->base, path);
    if (i >= s->column_count) return NULL;
    bool json = s->base.table->format != TH_RECORD_LINE;
    return path[0] == '=' && json && s->columns[i].folded ? NULL : &s->columns[i];
}

static uint64_t column_bytes(const v1_column *c)
{
    return (uint64_t)c->chunk[0].stored + c->chunk[1].stored +
           (c->encoding == V1_CONST ? c->const_text.size : 0);
}

/* Under the lock. */
static th_err need_dictionary(const v1_segment *s, v1_column *c)
{
    return c->dictionary != NULL ? TH_OK : v1_decode_dictionary(s->base.image, c, &c->dictionary);
}

static th_err need_values(const v1_segment *s, v1_column *c)
{
    if (c->values != NULL) return TH_OK;
    if (c->encoding != V1_DICT) return v1_decode_rows(s->base.image, c, s->base.rows, &c->values);
    TH_TRY(need_dictionary(s, c));
    v1_values *v = calloc(1, sizeof(*v));
    if (v == NULL) return TH_ENOMEM;
    th_err err = v1_decode_codes(s->base.image, c, s->base.rows, &v->codes);
    if (err != TH_OK)
        free(v);
    else
        c->values = v;
    return err;
}

/* One value for all rows, as a dictionary of one. */
static th_err constant_column(const v1_column *c, uint32_t count, th_arena *arena,
                              th_segment_column *out)
{
    th_slice *value = TH_NEW(arena, th_slice);
    uint8_t *kind = TH_NEW(arena, uint8_t);
    uint32_t *codes = TH_NEW_ARRAY(arena, uint32_t, count);
    if (value == NULL || kind == NULL || codes == NULL) return TH_ELIMIT;
    *value = c->const_text;
    *kind = c->encoding == V1_ABSENT ? (uint8_t)TH_CELL_ABSENT : c->const_kind;
    *out = (th_segment_column){.value_count = 1, .values = value, .kinds = kind, .codes = codes};
    return TH_OK;
}

static th_err stored_column(v1_segment *s, v1_column *c, uint32_t begin, uint32_t count,
                            th_arena *arena, th_segment_column *out)
{
    if (c->encoding == V1_ABSENT || c->encoding == V1_CONST)
        return constant_column(c, count, arena, out);
    (void)pthread_mutex_lock(&s->lock);
    th_err err = need_values(s, c);
    (void)pthread_mutex_unlock(&s->lock);
    TH_TRY(err);
    if (c->encoding == V1_DICT) {
        *out = (th_segment_column){c->dictionary->count, c->dictionary->values,
                                   c->dictionary->kinds, c->values->codes + begin};
    } else {
        *out =
            (th_segment_column){count, c->values->values + begin, c->values->kinds + begin, NULL};
    }
    return TH_OK;
}

th_err v1_read_column(const th_segment *segment, const char *path, uint32_t begin, uint32_t count,
                      th_arena *arena, th_segment_column *out, uint64_t *bytes_read)
{
    v1_segment *s = mutable(segment);
    v1_column *column = find_column(s, path);
    if (column == NULL) return v1_extract_column(s, path, begin, count, arena, out, bytes_read);
    TH_TRY(stored_column(s, column, begin, count, arena, out));
    /* The share of the rows, whoever decoded the column first: the parts of a scan add up to the whole. */
    uint64_t stored = column_bytes(column);
    uint32_t rows = s->base.rows;
    *bytes_read += stored * (begin + count) / rows - stored * begin / rows;
    return TH_OK;
}

static th_err decode_times(const v1_segment *s, int64_t **out)
{
    uint8_t *payload = malloc((size_t)s->times.raw + PAD);
    uint8_t *kinds = malloc((size_t)s->base.rows + 1);
    int64_t *values = calloc((size_t)s->base.rows + 1, sizeof(int64_t));
    bool memory = payload != NULL && kinds != NULL && values != NULL;
    th_err err = memory ? v1_chunk_read(s->base.image, &s->times, payload) : TH_ENOMEM;
    if (err == TH_OK)
        err = v1_decode_ints(th_slice_of(payload, s->times.raw), s->base.rows, kinds, values);
    for (uint32_t row = 0; err == TH_OK && row < s->base.rows; row++) {
        if (!segment_kind_has_text(kinds[row]))
            values[row] = INT64_MIN;
        else if (values[row] < s->base.first_us || values[row] > s->base.last_us)
            err = TH_ECORRUPT;
    }
    free(payload);
    free(kinds);
    if (err != TH_OK)
        free(values);
    else
        *out = values;
    return err;
}

th_err v1_times(const th_segment *segment, uint32_t begin, uint32_t count, int64_t *out)
{
    v1_segment *s = mutable(segment);
    if (s->times_encoding != V1_INT) {
        int64_t value = s->times_encoding == V1_CONST ? segment->first_us : INT64_MIN;
        for (uint32_t i = 0; i < count; i++) out[i] = value;
        return TH_OK;
    }
    (void)pthread_mutex_lock(&s->lock);
    th_err err = s->times_values != NULL ? TH_OK : decode_times(s, &s->times_values);
    (void)pthread_mutex_unlock(&s->lock);
    TH_TRY(err);
    memcpy(out, s->times_values + begin, count * sizeof(int64_t));
    return TH_OK;
}

bool v1_zone(const th_segment *segment, const char *path, th_slice *min, th_slice *max)
{
    const v1_column *c = find_column(mutable(segment), path);
    if (c == NULL) return false;
    if (c->encoding == V1_CONST && segment_kind_has_text(c->const_kind)) {
        *min = *max = c->const_text;
        return true;
    }
    if (!c->has_zone) return false;
    *min = c->min;
    *max = c->max;
    return true;
}

/* Is value among the sorted entries, as a string or as JSON? */
static bool in_dictionary(const v1_values *d, th_slice value)
{
    for (unsigned kind = TH_CELL_STRING; kind <= TH_CELL_JSON; kind++) {
        uint32_t low = 0, high = d->count;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            int order = d->kinds[middle] != kind ? (d->kinds[middle] < kind ? -1 : 1)
                                                 : th_slice_compare(d->values[middle], value);
            if (order == 0) return true;
            if (order < 0)
                low = middle + 1;
            else
                high = middle;
        }
    }
    return false;
}

bool v1_may_equal(const th_segment *segment, const char *path, th_slice value)
{
    v1_segment *s = mutable(segment);
    v1_column *c = find_column(s, path);
    if (c == NULL) return true;
    if (c->encoding == V1_ABSENT) return false;
    if (c->encoding == V1_CONST)
        return segment_kind_has_text(c->const_kind) && th_slice_equal(c->const_text, value);
    if (c->has_zone && (th_slice_compare(value, c->min) < 0 || th_slice_compare(value, c->max) > 0))
        return false;
    if (c->encoding != V1_DICT) return true;
    (void)pthread_mutex_lock(&s->lock);
    th_err err = need_dictionary(s, c);
    (void)pthread_mutex_unlock(&s->lock);
    return err != TH_OK || in_dictionary(c->dictionary, value);
}
