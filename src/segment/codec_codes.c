/* SPDX-License-Identifier: Apache-2.0
 * Streams of small numbers (entries of a dictionary, shapes, classes), written and read. */
#include "segment/codec_private.h"

enum { SAMPLE = 16 << 10 };

/* ---- writing ---- */

/* Bytes of page [v, v + n) by tag. Room for n * 4 + 16. */
static size_t put_page(codec_codes_tag tag, unsigned bits, const uint32_t *v, uint32_t n,
                       uint8_t *out)
{
    if (tag == CODES_BITS) {
        uint64_t step[CODEC_STEP];
        size_t size = 0;
        /* A step fills whole bytes, whatever the width. */
        for (uint32_t at = 0; at < n; at += CODEC_STEP) {
            uint32_t m = codec_min(CODEC_STEP, n - at);
            for (uint32_t i = 0; i < m; i++) step[i] = v[at + i];
            size += codec_bits_pack(step, m, bits, out + size);
        }
        return size;
    }
    for (uint32_t i = 0; i < n; i++) out[i] = (uint8_t)v[i];
    if (tag == CODES_BYTES) return n;
    for (uint32_t i = 0; i < n; i++) out[n + i] = (uint8_t)(v[i] >> 8);
    return (size_t)n * 2;
}

static th_err put_pages(codec_out *out, codec_codes_tag tag, unsigned bits, const uint32_t *codes,
                        uint32_t count)
{
    uint8_t *bytes =
        th_arena_alloc(out->encoder->scratch, (size_t)codec_min(SEGMENT_PAGE, count) * 4 + 16);
    if (bytes == NULL) return TH_ELIMIT;
    th_buf_add_byte(out->directory, (uint8_t)tag);
    if (tag == CODES_BITS) th_buf_add_byte(out->directory, (uint8_t)bits);
    for (uint32_t at = 0; at < count; at += SEGMENT_PAGE) {
        uint32_t n = codec_min(SEGMENT_PAGE, count - at);
        size_t size = put_page(tag, bits, codes + at, n, bytes);
        codec_put_payload(out, th_slice_of(bytes, size), SEGMENT_SQUEEZE_TEXT);
    }
    return codec_out_error(out);
}

static th_err put_runs(codec_out *out, const uint32_t *codes, uint32_t count)
{
    th_buf runs;
    th_buf_init(&runs, (size_t)count * 10 + 16);
    for (uint32_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && codes[i + run] == codes[i]; run++) {}
        th_buf_add_varint(&runs, codes[i]);
        th_buf_add_varint(&runs, run);
    }
    th_err err = th_buf_error(&runs);
    if (err == TH_OK) {
        th_buf_add_byte(out->directory, CODES_RLE);
        codec_put_payload(out, th_buf_slice(&runs), SEGMENT_SQUEEZE_TEXT);
        err = codec_out_error(out);
    }
    th_buf_free(&runs);
    return err;
}

static uint32_t count_runs(const uint32_t *codes, uint32_t count)
{
    uint32_t runs = 1;
    for (uint32_t i = 1; i < count; i++) runs += codes[i] != codes[i - 1];
    return runs;
}

/* Do bytes, compressed, take less than bits? Judged by the first page. */
static bool bytes_are_better(codec_out *out, codec_codes_tag tag, unsigned bits,
                             const uint32_t *codes, uint32_t count, bool *known)
{
    uint32_t n = codec_min(SAMPLE, count);
    uint8_t *bytes = th_arena_alloc(out->encoder->scratch, (size_t)n * 4 + 16);
    *known = bytes != NULL;
    if (bytes == NULL) return false;
    size_t size = put_page(tag, bits, codes, n, bytes);
    size_t squeezed = codec_squeezed(th_slice_of(bytes, size), out->encoder->scratch);
    return squeezed < (size_t)n * bits / 8;
}

static th_err put_quick(codec_out *out, const uint32_t *codes, uint32_t count, unsigned bits)
{
    uint32_t runs = count_runs(codes, count);
    unsigned pair = bits <= 7 ? 2 : 3;
    if ((uint64_t)runs * pair * 8 < count) return put_runs(out, codes, count);
    if (bits == 3) bits = 4;
    if (bits <= 2 || bits == 4 || bits > 16) return put_pages(out, CODES_BITS, bits, codes, count);
    codec_codes_tag tag = bits <= 8 ? CODES_BYTES : CODES_BYTES2;
    bool known, better = bytes_are_better(out, tag, bits, codes, count, &known);
    if (!known) return TH_ELIMIT;
    return put_pages(out, better ? tag : CODES_BITS, bits, codes, count);
}

typedef struct numbers {
    const uint32_t *codes;
    uint32_t count;
    unsigned bits;
} numbers;

static th_err try_tag(codec_out *out, unsigned tag, const void *what)
{
    const numbers *n = what;
    return tag == CODES_RLE ? put_runs(out, n->codes, n->count)
                            : put_pages(out, (codec_codes_tag)tag, n->bits, n->codes, n->count);
}

static th_err put_smallest(codec_out *out, const uint32_t *codes, uint32_t count, unsigned bits)
{
    uint32_t tags = 1u << CODES_BITS | 1u << CODES_RLE;
    if (bits <= 8) tags |= 1u << CODES_BYTES;
    if (bits > 8 && bits <= 16) tags |= 1u << CODES_BYTES2;
    return codec_put_cheapest(out, tags, try_tag, &(numbers){codes, count, bits});
}

th_err codec_put_codes(codec_out *out, const uint32_t *codes, uint32_t count, uint32_t limit)
{
    TH_ASSERT(count > 0);
    uint32_t all = codes[0], max = codes[0];
    bool same = true;
    for (uint32_t i = 1; i < count; i++) {
        same &= codes[i] == all;
        max = codes[i] > max ? codes[i] : max;
    }
    TH_ASSERT(max < limit);
    if (same) {
        th_buf_add_byte(out->directory, CODES_CONST);
        th_buf_add_varint(out->directory, all);
        return codec_out_error(out);
    }
    unsigned bits = codec_bits_of(max);
    return out->encoder->effort == SEGMENT_EFFORT_COMPACT ? put_smallest(out, codes, count, bits)
                                                          : put_quick(out, codes, count, bits);
}

th_err segment_encode_codes(segment_encoder *encoder, const uint32_t *codes, uint32_t count,
                            uint32_t limit)
{
    codec_out out = {.encoder = encoder, .directory = encoder->directory};
    return codec_put_codes(&out, codes, count, limit);
}

/* ---- reading ---- */

th_err segment_describe_codes(segment_describing *d, uint32_t count, uint32_t limit,
                              segment_codes **out)
{
    segment_codes *s = TH_NEW(d->arena, segment_codes);
    if (s == NULL) return TH_ELIMIT;
    if (count == 0 || limit == 0) return TH_ECORRUPT;
    s->tag = th_take_u8(d->directory);
    s->count = count;
    s->limit = limit;
    *out = s;
    if (d->directory->bad || s->tag > CODES_RLE) return TH_ECORRUPT;
    if (s->tag == CODES_CONST) {
        uint64_t code = th_take_varint(d->directory);
        if (d->directory->bad || code >= limit) return TH_ECORRUPT;
        s->code = (uint32_t)code;
        return TH_OK;
    }
    if (s->tag == CODES_BITS) {
        s->bits = th_take_u8(d->directory);
        if (d->directory->bad || s->bits < 1 || s->bits > 32) return TH_ECORRUPT;
    }
    s->mark = d->marks++;
    return codec_describe_pages(d, s->tag == CODES_RLE ? 1 : codec_pages(count), &s->pages);
}

/* The next run, whose codes begin at `at`. */
static bool take_run(const segment_codes *s, th_reader *r, uint64_t at, uint32_t *code,
                     uint64_t *run)
{
    uint64_t value = th_take_varint(r);
    *run = th_take_varint(r);
    *code = (uint32_t)value;
    return !r->bad && value<s->limit && * run> 0 && *run <= s->count - at;
}

/* From the front, or from the run where the last read ended. */
static bool read_runs(const segment_codes *s, th_slice page, uint32_t begin, uint32_t count,
                      uint32_t *out, segment_resume *resume)
{
    th_reader r = th_reader_of(page);
    uint64_t at = 0, end = (uint64_t)begin + count, run;
    if (resume != NULL && resume->at <= begin) {
        at = resume->at;
        r.pos += resume->byte;
    }
    for (uint32_t code; at < end; at += run) {
        if (resume != NULL)
            *resume = (segment_resume){.at = (uint32_t)at, .byte = (uint32_t)(r.pos - page.bytes)};
        if (!take_run(s, &r, at, &code, &run)) return false;
        uint64_t from = at < begin ? begin : at, to = at + run < end ? at + run : end;
        for (uint64_t i = from; i < to; i++) out[i - begin] = code;
    }
    return true;
}

/* How many runs, and for each where it begins and its code. *out NULL: there is no room to keep them. */
static th_err need_runs(const segment_codes *s, segment_reading *reading, th_slice page,
                        const uint32_t **out)
{
    *out = segment_marks_get(reading->marks, s->mark);
    if (*out != NULL) return TH_OK;
    uint32_t *words = segment_marks_room(reading->marks, page.size + 1); /* a run takes two bytes */
    if (words == NULL) return TH_OK;
    th_reader r = th_reader_of(page);
    uint32_t *next = words + 1;
    uint64_t run;
    for (uint64_t at = 0; at < s->count; at += run) {
        next[0] = (uint32_t)at;
        if (!take_run(s, &r, at, &next[1], &run)) return TH_ECORRUPT;
        next += 2;
        words[0]++;
    }
    segment_marks_put(reading->marks, s->mark, words);
    *out = words;
    return TH_OK;
}

static void spread_runs(const segment_codes *s, const uint32_t *words, uint32_t begin,
                        uint32_t count, uint32_t *out)
{
    const uint32_t *runs = words + 1;
    uint32_t low = 0, high = words[0], end = begin + count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (runs[2 * middle] <= begin)
            low = middle;
        else
            high = middle;
    }
    for (uint32_t at = begin; at < end; low++) {
        uint32_t next = low + 1 < words[0] ? runs[2 * low + 2] : s->count;
        uint32_t to = next < end ? next : end, code = runs[2 * low + 1];
        for (; at < to; at++) *out++ = code;
    }
}

/* Codes [begin, begin + count) of a page of n. */
static bool read_page(const segment_codes *s, th_slice page, uint32_t n, uint32_t begin,
                      uint32_t count, uint32_t *out)
{
    const uint8_t *p = page.bytes + begin;
    if (s->tag == CODES_BITS) {
        if (page.size != ((size_t)n * s->bits + 7) / 8) return false;
        uint64_t mask = (UINT64_C(1) << s->bits) - 1;
        size_t at = (size_t)begin * s->bits;
        for (uint32_t i = 0; i < count; i++, at += s->bits) {
            uint64_t v;
            memcpy(&v, page.bytes + at / 8, sizeof(v));
            out[i] = (uint32_t)(v >> (at % 8) & mask);
        }
    } else if (s->tag == CODES_BYTES) {
        if (page.size != n) return false;
        for (uint32_t i = 0; i < count; i++) out[i] = p[i];
    } else {
        if (page.size != (size_t)n * 2) return false;
        for (uint32_t i = 0; i < count; i++) out[i] = p[i] | (uint32_t)p[n + i] << 8;
    }
    uint32_t max = 0;
    for (uint32_t i = 0; i < count; i++) max = out[i] > max ? out[i] : max;
    return max < s->limit;
}

th_err segment_codes_read(const segment_codes *s, segment_reading *reading, uint32_t begin,
                          uint32_t count, uint32_t *out)
{
    TH_ASSERT(begin <= s->count && count <= s->count - begin);
    if (s->tag == CODES_CONST) {
        for (uint32_t i = 0; i < count; i++) out[i] = s->code;
        return TH_OK;
    }
    if (s->tag == CODES_RLE) {
        th_slice page;
        TH_TRY(segment_payload_read(reading, s->pages[0], &page));
        const uint32_t *runs = NULL;
        segment_resume *resume = codec_resume(reading, s->mark);
        if (begin > 0 && resume == NULL) TH_TRY(need_runs(s, reading, page, &runs));
        if (runs != NULL) {
            spread_runs(s, runs, begin, count, out);
            return TH_OK;
        }
        return read_runs(s, page, begin, count, out, resume) ? TH_OK : TH_ECORRUPT;
    }
    while (count > 0) {
        uint32_t number = begin / SEGMENT_PAGE, within = begin % SEGMENT_PAGE;
        uint32_t n = codec_min(SEGMENT_PAGE, s->count - number * SEGMENT_PAGE);
        uint32_t here = codec_min(count, n - within);
        th_slice page;
        TH_TRY(segment_payload_read(reading, s->pages[number], &page));
        if (!read_page(s, page, n, within, here, out)) return TH_ECORRUPT;
        begin += here;
        count -= here;
        out += here;
    }
    return TH_OK;
}
