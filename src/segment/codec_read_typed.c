/* SPDX-License-Identifier: Apache-2.0
 * Values whose text is made from something shorter: numbers, times, identifiers, tokens. */
#include "segment/codec_private.h"

enum { PAD = 64 };

th_err codec_read_numbers(const segment_codec *c, segment_reading *reading, uint32_t begin,
                          uint32_t count, th_slice *out)
{
    codec_day day = {0};
    size_t most = c->tag == CODEC_INT ? (size_t)CODEC_INT_TEXT_MAX : codec_time_size(c->form);
    for (uint32_t at = 0; at < count; at += CODEC_STEP) {
        int64_t numbers[CODEC_STEP];
        uint32_t n = codec_min(CODEC_STEP, count - at);
        TH_TRY(segment_ints_read(c->ints, reading, begin + at, n, numbers));
        uint8_t *text = th_arena_alloc(reading->arena, n * most + PAD);
        if (text == NULL) return TH_ELIMIT;
        for (uint32_t i = 0; i < n; i++) {
            size_t size = most;
            if (c->tag == CODEC_INT)
                size = codec_int_format(numbers[i], text);
            else if (!codec_time_format(numbers[i], c->form, &day, text))
                return TH_ECORRUPT;
            out[at + i] = th_slice_of(text, size);
            text += size;
        }
    }
    return TH_OK;
}

/* Texts of n addresses or UUIDs. */
static th_err format_fixed(const segment_codec *c, segment_reading *reading, const uint8_t *bytes,
                           uint32_t n, th_slice *out)
{
    bool uuid = c->tag == CODEC_UUID;
    uint8_t *text = th_arena_alloc(
        reading->arena, (size_t)n * (uuid ? CODEC_UUID_TEXT : CODEC_IPV4_TEXT_MAX) + PAD);
    if (text == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < n; i++) {
        size_t size = CODEC_UUID_TEXT;
        if (uuid)
            codec_uuid_format(bytes + (size_t)i * 16, c->form == 1, text);
        else
            size = codec_ipv4_format(bytes + (size_t)i * 4, text);
        out[i] = th_slice_of(text, size);
        text += size;
    }
    return TH_OK;
}

th_err codec_read_fixed(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out)
{
    size_t each = c->tag == CODEC_UUID ? 16 : 4;
    while (count > 0) {
        uint32_t number = begin / SEGMENT_PAGE, within = begin % SEGMENT_PAGE;
        uint32_t n = codec_min(SEGMENT_PAGE, c->count - number * SEGMENT_PAGE);
        uint32_t here = codec_min(count, n - within);
        th_slice page;
        TH_TRY(segment_payload_read(reading, c->pages[number], &page));
        if (page.size != n * each) return TH_ECORRUPT;
        TH_TRY(format_fixed(c, reading, page.bytes + within * each, here, out));
        begin += here;
        count -= here;
        out += here;
    }
    return TH_OK;
}

/* Values [begin, begin + n) of one page, skip characters into it. */
static th_err read_bits_page(const segment_codec *c, segment_reading *reading, th_slice page,
                             uint64_t skip, uint32_t begin, uint32_t n, th_slice *out)
{
    uint64_t total;
    TH_TRY(codec_sum(c->ints, reading, begin, n, &total));
    uint64_t held = (uint64_t)page.size * 8 / c->bits;
    if (skip > held || total > held - skip) return TH_ECORRUPT;
    uint8_t *text = th_arena_alloc(reading->arena, (size_t)total + PAD);
    if (text == NULL) return TH_ELIMIT;
    codec_bits_unpack_bytes(page.bytes, (size_t)skip, (size_t)total, c->bits, c->alphabet, text);
    for (uint32_t at = 0; at < n; at += CODEC_STEP) {
        int64_t lengths[CODEC_STEP];
        uint32_t step = codec_min(CODEC_STEP, n - at);
        TH_TRY(codec_lengths(c->ints, reading, begin + at, step, lengths, &total));
        for (uint32_t i = 0; i < step; i++) {
            out[at + i] = th_slice_of(text, (size_t)lengths[i]);
            text += lengths[i];
        }
    }
    return TH_OK;
}

th_err codec_read_bits(const segment_codec *c, segment_reading *reading, uint32_t begin,
                       uint32_t count, th_slice *out)
{
    while (count > 0) {
        uint32_t number = begin / SEGMENT_PAGE, within = begin % SEGMENT_PAGE;
        uint32_t n = codec_min(SEGMENT_PAGE, c->count - number * SEGMENT_PAGE);
        uint32_t here = codec_min(count, n - within);
        th_slice page;
        uint64_t skip;
        TH_TRY(segment_payload_read(reading, c->pages[number], &page));
        TH_TRY(codec_sum(c->ints, reading, begin - within, within, &skip));
        TH_TRY(read_bits_page(c, reading, page, skip, begin, here, out));
        begin += here;
        count -= here;
        out += here;
    }
    return TH_OK;
}

th_err codec_read_base64(const segment_codec *c, segment_reading *reading, uint32_t begin,
                         uint32_t count, th_slice *out)
{
    TH_TRY(segment_codec_read(c->child, reading, begin, count, out));
    size_t total = PAD;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = codec_base64_size(out[i].size, c->form);
        if (size > SIZE_MAX / 2 - total) return TH_ELIMIT;
        total += size;
    }
    uint8_t *text = th_arena_alloc(reading->arena, total);
    if (text == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        codec_base64_encode(out[i], c->form, text);
        size_t size = codec_base64_size(out[i].size, c->form);
        out[i] = th_slice_of(text, size);
        text += size;
    }
    return TH_OK;
}
