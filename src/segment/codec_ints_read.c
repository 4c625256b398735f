/* SPDX-License-Identifier: Apache-2.0
 * Streams of 64-bit integers, read. */
#include "segment/codec_private.h"

th_err codec_describe_pages(segment_describing *d, uint32_t pages, segment_payload **out)
{
    /* A page takes a byte of directory at least. */
    if (d->directory->bad || pages > (size_t)(d->directory->end - d->directory->pos))
        return TH_ECORRUPT;
    segment_payload *p = th_arena_alloc(d->arena, pages * sizeof(*p));
    if (p == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < pages; i++)
        p[i] = segment_payload_take(d->directory, d->payloads, &d->at);
    *out = p;
    return d->directory->bad ? TH_ECORRUPT : TH_OK;
}

th_err segment_describe_ints(segment_describing *d, uint32_t count, segment_ints **out)
{
    segment_ints *s = TH_NEW(d->arena, segment_ints);
    if (s == NULL) return TH_ELIMIT;
    if (count == 0) return TH_ECORRUPT;
    s->tag = th_take_u8(d->directory);
    s->count = count;
    *out = s;
    if (s->tag > INTS_VARINT) return TH_ECORRUPT;
    if (s->tag == INTS_VARINT) s->mark = d->marks++;
    if (s->tag == INTS_CONST || s->tag == INTS_PLANES)
        s->base = codec_unzigzag(th_take_varint(d->directory));
    if (s->tag == INTS_PLANES) s->width = th_take_u8(d->directory);
    if (d->directory->bad || (s->tag == INTS_PLANES && (s->width < 1 || s->width > 8)))
        return TH_ECORRUPT;
    return s->tag == INTS_CONST ? TH_OK : codec_describe_pages(d, codec_pages(count), &s->pages);
}

static bool take_varint(th_reader *r, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->pos == r->end) return false;
        uint8_t byte = *r->pos++;
        if (shift == 63 && byte > 1) return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

/* Width and bits of a block. */
static bool take_bits(th_reader *r, uint32_t n, const uint8_t **bits, unsigned *width)
{
    if (r->pos == r->end) return false;
    *width = *r->pos++;
    if (*width > 64) return false;
    size_t size = ((size_t)n * *width + 7) / 8;
    if (size > (size_t)(r->end - r->pos)) return false;
    *bits = r->pos;
    r->pos += size;
    return true;
}

/* The values of one block of n; out NULL: passed over. */
static bool take_block(th_reader *r, uint8_t tag, uint32_t n, int64_t *out)
{
    uint64_t base, first = 0, v[CODEC_BLOCK];
    const uint8_t *bits;
    unsigned width;
    if (tag == INTS_DELTA) {
        if (!take_varint(r, &first)) return false;
        if (out != NULL) out[0] = codec_unzigzag(first);
        if (--n == 0) return true;
    }
    if (!take_varint(r, &base) || !take_bits(r, n, &bits, &width)) return false;
    if (out == NULL) return true;
    base = (uint64_t)codec_unzigzag(base);
    codec_bits_unpack(bits, 0, n, width, v);
    if (tag == INTS_FOR) {
        for (uint32_t i = 0; i < n; i++) out[i] = (int64_t)(base + v[i]);
        return true;
    }
    uint64_t value = (uint64_t)out[0];
    for (uint32_t i = 0; i < n; i++) {
        value += base + v[i];
        out[i + 1] = (int64_t)value;
    }
    return true;
}

/* Values [begin, begin + count) of a page of n. */
static bool read_blocks(th_slice page, uint8_t tag, uint32_t n, uint32_t begin, uint32_t count,
                        int64_t *out)
{
    th_reader r = th_reader_of(page);
    int64_t block[CODEC_BLOCK] = {0};
    for (uint32_t at = 0; at < begin + count; at += CODEC_BLOCK) {
        uint32_t have = codec_min(CODEC_BLOCK, n - at);
        if (at + have <= begin) {
            if (!take_block(&r, tag, have, NULL)) return false;
            continue;
        }
        bool whole = at >= begin && at + have <= begin + count;
        if (!take_block(&r, tag, have, whole ? out + (at - begin) : block)) return false;
        if (whole) continue;
        uint32_t from = at < begin ? begin : at, to = codec_min(at + have, begin + count);
        memcpy(out + (from - begin), block + (from - at), (to - from) * sizeof(*out));
    }
    return true;
}

/* Of page `number`. They can be read from the front alone, or from where the last read ended. */
static bool read_varints(th_slice page, uint32_t number, uint32_t begin, uint32_t count,
                         int64_t *out, segment_resume *resume)
{
    th_reader r = th_reader_of(page);
    uint64_t value = 0, difference;
    uint32_t i = 0, end = begin + count;
    if (resume != NULL && resume->at / SEGMENT_PAGE == number &&
        resume->at % SEGMENT_PAGE <= begin) {
        i = resume->at % SEGMENT_PAGE;
        r.pos += resume->byte;
        value = resume->value;
    }
    for (; i < end; i++) {
        if (r.pos < r.end && *r.pos < 0x80)
            difference = *r.pos++;
        else if (!take_varint(&r, &difference))
            return false;
        value += (uint64_t)codec_unzigzag(difference);
        if (i >= begin) out[i - begin] = (int64_t)value;
    }
    if (resume != NULL && end < SEGMENT_PAGE)
        *resume = (segment_resume){.at = number * SEGMENT_PAGE + end,
                                   .byte = (uint32_t)(r.pos - page.bytes),
                                   .value = value};
    return true;
}

static bool read_planes(const segment_ints *s, th_slice page, uint32_t n, uint32_t begin,
                        uint32_t count, int64_t *out)
{
    if (page.size != (size_t)n * s->width) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t v = 0;
        for (unsigned plane = 0; plane < s->width; plane++)
            v |= (uint64_t)page.bytes[plane * n + begin + i] << (8 * plane);
        out[i] = (int64_t)((uint64_t)s->base + v);
    }
    return true;
}

th_err segment_ints_read(const segment_ints *s, segment_reading *reading, uint32_t begin,
                         uint32_t count, int64_t *out)
{
    TH_ASSERT(begin <= s->count && count <= s->count - begin);
    if (s->tag == INTS_CONST) {
        for (uint32_t i = 0; i < count; i++) out[i] = s->base;
        return TH_OK;
    }
    while (count > 0) {
        uint32_t number = begin / SEGMENT_PAGE, within = begin % SEGMENT_PAGE;
        uint32_t n = codec_min(SEGMENT_PAGE, s->count - number * SEGMENT_PAGE);
        uint32_t here = codec_min(count, n - within);
        th_slice page;
        TH_TRY(segment_payload_read(reading, s->pages[number], &page));
        bool good = s->tag == INTS_PLANES   ? read_planes(s, page, n, within, here, out)
                    : s->tag == INTS_VARINT ? read_varints(page, number, within, here, out,
                                                           codec_resume(reading, s->mark))
                                            : read_blocks(page, s->tag, n, within, here, out);
        if (!good) return TH_ECORRUPT;
        begin += here;
        count -= here;
        out += here;
    }
    return TH_OK;
}

th_err codec_lengths(const segment_ints *lengths, segment_reading *reading, uint32_t begin,
                     uint32_t count, int64_t out[CODEC_STEP], uint64_t *sum)
{
    TH_ASSERT(count <= CODEC_STEP);
    TH_TRY(segment_ints_read(lengths, reading, begin, count, out));
    uint64_t all = 0, total = 0;
    for (uint32_t i = 0; i < count; i++) {
        all |= (uint64_t)out[i];
        total += (uint64_t)out[i];
    }
    if (all > UINT32_MAX) return TH_ECORRUPT;
    *sum = total;
    return TH_OK;
}

th_err codec_sum(const segment_ints *lengths, segment_reading *reading, uint32_t begin,
                 uint32_t count, uint64_t *sum)
{
    uint64_t total = 0;
    if (lengths->tag == INTS_CONST) {
        if (lengths->base < 0 || lengths->base > UINT32_MAX) return TH_ECORRUPT;
        *sum = (uint64_t)lengths->base * count;
        return TH_OK;
    }
    while (count > 0) {
        int64_t step[CODEC_STEP];
        uint32_t n = codec_min(CODEC_STEP, count);
        uint64_t part;
        TH_TRY(codec_lengths(lengths, reading, begin, n, step, &part));
        total += part;
        begin += n;
        count -= n;
    }
    *sum = total;
    return TH_OK;
}
