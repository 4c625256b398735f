/* SPDX-License-Identifier: Apache-2.0
 * Streams of 64-bit integers, written. Arithmetic is modulo 2^64, so that no difference overflows. */
#include "segment/codec_private.h"

enum { BLOCK_ROOM = CODEC_BLOCK * 10 + 64 }; /* as varints, or heads and bits */

typedef struct shape {
    int64_t min, max;
    uint64_t for_bytes, delta_bytes; /* what each would take */
} shape;

static size_t put_varint(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

static size_t varint_size(uint64_t v)
{
    unsigned bits = codec_bits_of(v);
    return bits == 0 ? 1 : (bits + 6) / 7;
}

static int64_t difference(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* Smallest and largest of a run of values, or of the differences between them. */
static void bounds(const int64_t *v, uint32_t n, int64_t *min, int64_t *max)
{
    int64_t low = v[0], high = v[0];
    for (uint32_t i = 1; i < n; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
    }
    *min = low;
    *max = high;
}

static void delta_bounds(const int64_t *v, uint32_t n, int64_t *min, int64_t *max)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (uint32_t i = 1; i < n; i++) {
        int64_t d = difference(v[i], v[i - 1]);
        low = d < low ? d : low;
        high = d > high ? d : high;
    }
    *min = low;
    *max = high;
}

static shape measure(const int64_t *v, uint32_t n)
{
    shape s = {.min = v[0], .max = v[0]};
    for (uint32_t at = 0; at < n; at += CODEC_BLOCK) {
        uint32_t count = codec_min(CODEC_BLOCK, n - at);
        int64_t min, max, dmin, dmax;
        bounds(v + at, count, &min, &max);
        s.min = min < s.min ? min : s.min;
        s.max = max > s.max ? max : s.max;
        unsigned width = codec_bits_of((uint64_t)max - (uint64_t)min);
        s.for_bytes += varint_size(codec_zigzag(min)) + 1 + (count * width + 7) / 8;
        s.delta_bytes += varint_size(codec_zigzag(v[at]));
        if (count == 1) continue;
        delta_bounds(v + at, count, &dmin, &dmax);
        width = codec_bits_of((uint64_t)dmax - (uint64_t)dmin);
        s.delta_bytes += varint_size(codec_zigzag(dmin)) + 1 + ((count - 1) * width + 7) / 8;
    }
    return s;
}

static size_t put_for(const int64_t *v, uint32_t n, uint8_t *out)
{
    int64_t min, max;
    uint64_t packed[CODEC_BLOCK];
    bounds(v, n, &min, &max);
    unsigned width = codec_bits_of((uint64_t)max - (uint64_t)min);
    for (uint32_t i = 0; i < n; i++) packed[i] = (uint64_t)v[i] - (uint64_t)min;
    size_t at = put_varint(out, codec_zigzag(min));
    out[at++] = (uint8_t)width;
    return at + codec_bits_pack(packed, n, width, out + at);
}

static size_t put_delta(const int64_t *v, uint32_t n, uint8_t *out)
{
    int64_t min, max;
    uint64_t packed[CODEC_BLOCK];
    size_t at = put_varint(out, codec_zigzag(v[0]));
    if (n == 1) return at;
    delta_bounds(v, n, &min, &max);
    unsigned width = codec_bits_of((uint64_t)max - (uint64_t)min);
    for (uint32_t i = 1; i < n; i++)
        packed[i - 1] = (uint64_t)v[i] - (uint64_t)v[i - 1] - (uint64_t)min;
    at += put_varint(out + at, codec_zigzag(min));
    out[at++] = (uint8_t)width;
    return at + codec_bits_pack(packed, n - 1, width, out + at);
}

static size_t put_varints(const int64_t *v, uint32_t n, uint8_t *out)
{
    size_t at = 0;
    int64_t before = 0;
    for (uint32_t i = 0; i < n; i++) {
        at += put_varint(out + at, codec_zigzag(difference(v[i], before)));
        before = v[i];
    }
    return at;
}

static size_t put_planes(const int64_t *v, uint32_t n, int64_t base, unsigned width, uint8_t *out)
{
    for (unsigned plane = 0; plane < width; plane++)
        for (uint32_t i = 0; i < n; i++)
            out[plane * n + i] = (uint8_t)(((uint64_t)v[i] - (uint64_t)base) >> (8 * plane));
    return (size_t)n * width;
}

/* One page; blocks follow each other in those that have them. */
static size_t put_page(codec_ints_tag tag, const int64_t *v, uint32_t n, int64_t base,
                       unsigned width, uint8_t *out)
{
    if (tag == INTS_PLANES) return put_planes(v, n, base, width, out);
    if (tag == INTS_VARINT) return put_varints(v, n, out);
    size_t at = 0;
    for (uint32_t i = 0; i < n; i += CODEC_BLOCK) {
        uint32_t count = codec_min(CODEC_BLOCK, n - i);
        at += tag == INTS_FOR ? put_for(v + i, count, out + at) : put_delta(v + i, count, out + at);
    }
    return at;
}

static th_err put_all(codec_out *out, codec_ints_tag tag, const int64_t *v, uint32_t count,
                      const shape *s)
{
    th_arena *scratch = out->encoder->scratch;
    unsigned width = (codec_bits_of((uint64_t)s->max - (uint64_t)s->min) + 7) / 8;
    uint32_t page = codec_min(SEGMENT_PAGE, count);
    uint8_t *bytes = th_arena_alloc(scratch, (size_t)(page / CODEC_BLOCK + 1) * BLOCK_ROOM);
    if (bytes == NULL) return TH_ELIMIT;
    th_buf_add_byte(out->directory, (uint8_t)tag);
    if (tag == INTS_PLANES) {
        th_buf_add_varint(out->directory, codec_zigzag(s->min));
        th_buf_add_byte(out->directory, (uint8_t)width);
    }
    for (uint32_t at = 0; at < count; at += SEGMENT_PAGE) {
        uint32_t n = codec_min(SEGMENT_PAGE, count - at);
        size_t size = put_page(tag, v + at, n, s->min, width, bytes);
        codec_put_payload(out, th_slice_of(bytes, size), SEGMENT_SQUEEZE_TEXT);
    }
    return codec_out_error(out);
}

typedef struct numbers {
    const int64_t *v;
    uint32_t count;
    const shape *shape;
} numbers;

static th_err try_tag(codec_out *out, unsigned tag, const void *what)
{
    const numbers *n = what;
    return put_all(out, (codec_ints_tag)tag, n->v, n->count, n->shape);
}

static th_err put_smallest(codec_out *out, const int64_t *v, uint32_t count, const shape *s)
{
    uint32_t tags = 1u << INTS_FOR | 1u << INTS_DELTA | 1u << INTS_PLANES | 1u << INTS_VARINT;
    return codec_put_cheapest(out, tags, try_tag, &(numbers){v, count, s});
}

th_err codec_put_ints(codec_out *out, const int64_t *values, uint32_t count)
{
    TH_ASSERT(count > 0);
    shape s = measure(values, count);
    if (s.min == s.max) {
        th_buf_add_byte(out->directory, INTS_CONST);
        th_buf_add_varint(out->directory, codec_zigzag(s.min));
        return codec_out_error(out);
    }
    if (out->encoder->effort == SEGMENT_EFFORT_COMPACT) return put_smallest(out, values, count, &s);
    codec_ints_tag tag = s.delta_bytes < s.for_bytes ? INTS_DELTA : INTS_FOR;
    return put_all(out, tag, values, count, &s);
}

th_err segment_encode_ints(segment_encoder *encoder, const int64_t *values, uint32_t count)
{
    codec_out out = {.encoder = encoder, .directory = encoder->directory};
    return codec_put_ints(&out, values, count);
}
