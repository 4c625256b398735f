/* SPDX-License-Identifier: Apache-2.0
 * Arrays whose values are all of one family. Everything is parsed before anything is written. */
#include "segment/codec_private.h"

enum { PAD = 64, SAMPLE = 16 << 10 };

/* Random bits are better left alone: they save nothing and cost time at both ends. */
static segment_squeeze squeeze_of(const codec_out *out, th_slice bytes)
{
    th_slice sample = {bytes.bytes, bytes.size < SAMPLE ? bytes.size : SAMPLE};
    if (sample.size < 1024) return SEGMENT_SQUEEZE_TEXT;
    size_t squeezed = codec_squeezed(sample, out->encoder->scratch);
    return squeezed > sample.size - sample.size / 32 ? SEGMENT_SQUEEZE_NONE : SEGMENT_SQUEEZE_TEXT;
}

static th_err put_lengths(codec_out *out, codec_strings s)
{
    int64_t *lengths = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*lengths));
    if (lengths == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < s.n; i++) lengths[i] = (int64_t)s.v[i].size;
    return codec_put_ints(out, lengths, s.n);
}

/* Pages of values of `each` bytes. */
static void put_pages(codec_out *out, const uint8_t *bytes, uint32_t n, size_t each)
{
    for (uint32_t at = 0; at < n; at += SEGMENT_PAGE) {
        th_slice page = {bytes + at * each, codec_min(SEGMENT_PAGE, n - at) * each};
        codec_put_payload(out, page, squeeze_of(out, page));
    }
}

/* ---- TEXT ---- */

enum { TEXT_PAGE = 64 << 10, TEXT_SHIFT_MAX = 16 };

th_err codec_put_text(codec_out *out, codec_strings s)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < s.n; i++) total += s.v[i].size;
    unsigned shift = TEXT_SHIFT_MAX;
    while (shift > 0 && (total << shift) / s.n > TEXT_PAGE && (UINT32_C(1) << shift) > 1) shift--;
    th_buf_add_byte(out->directory, CODEC_TEXT);
    TH_TRY(put_lengths(out, s));
    th_buf_add_byte(out->directory, (uint8_t)shift);
    for (uint64_t at = 0; at < s.n; at += UINT64_C(1) << shift) {
        uint64_t end = at + (UINT64_C(1) << shift) < s.n ? at + (UINT64_C(1) << shift) : s.n;
        size_t size = 0;
        for (uint64_t i = at; i < end; i++) size += s.v[i].size;
        uint8_t *bytes = th_arena_alloc(out->encoder->scratch, size), *p = bytes;
        if (bytes == NULL) return TH_ELIMIT;
        for (uint64_t i = at; i < end; i++) {
            codec_ahead(s, (uint32_t)i);
            if (s.v[i].size > 0) memcpy(p, s.v[i].bytes, s.v[i].size);
            p += s.v[i].size;
        }
        codec_put_payload(out, th_slice_of(bytes, size), squeeze_of(out, th_slice_of(bytes, size)));
    }
    return codec_out_error(out);
}

/* ---- INT, TIME ---- */

static th_err put_numbers(codec_out *out, codec_strings s, codec_family family, bool *fits)
{
    codec_day day = {0};
    int64_t *numbers = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*numbers));
    if (numbers == NULL) return TH_ELIMIT;
    *fits = false;
    for (uint32_t i = 0; i < s.n; i++) {
        codec_ahead(s, i);
        bool good = family == FAMILY_INT
                        ? s.v[i].size <= CODEC_INT_TEXT_MAX && th_slice_to_i64(s.v[i], &numbers[i])
                        : codec_time_parse(s.v[i], family - FAMILY_TIME0, &day, &numbers[i]);
        if (!good) return TH_OK;
    }
    *fits = true;
    th_buf_add_byte(out->directory, family == FAMILY_INT ? CODEC_INT : CODEC_TIME);
    if (family != FAMILY_INT) th_buf_add_byte(out->directory, (uint8_t)(family - FAMILY_TIME0));
    return codec_put_ints(out, numbers, s.n);
}

/* ---- UUID, IPV4 ---- */

static th_err put_fixed(codec_out *out, codec_strings s, codec_family family, bool *fits)
{
    size_t each = family == FAMILY_IPV4 ? 4 : 16;
    uint8_t *bytes = th_arena_alloc(out->encoder->scratch, s.n * each);
    if (bytes == NULL) return TH_ELIMIT;
    *fits = false;
    for (uint32_t i = 0; i < s.n; i++) {
        uint8_t *to = bytes + i * each;
        codec_ahead(s, i);
        if (family == FAMILY_IPV4 ? !codec_ipv4_parse(s.v[i], to)
                                  : !codec_uuid_parse(s.v[i], family == FAMILY_UUID_UPPER, to))
            return TH_OK;
    }
    *fits = true;
    th_buf_add_byte(out->directory, family == FAMILY_IPV4 ? CODEC_IPV4 : CODEC_UUID);
    if (family != FAMILY_IPV4) th_buf_add_byte(out->directory, family == FAMILY_UUID_UPPER);
    put_pages(out, bytes, s.n, each);
    return codec_out_error(out);
}

/* ---- HEX, BITS ---- */

/* Codes of all characters of a page, contiguous; bytes written. */
static size_t pack_page(codec_strings s, const uint8_t code[256], unsigned bits, uint8_t *out)
{
    uint8_t *p = out;
    uint64_t held = 0;
    unsigned fill = 0;
    for (uint32_t i = 0; i < s.n; i++) {
        const uint8_t *t = s.v[i].bytes;
        for (size_t k = 0; k < s.v[i].size; k++) {
            held |= (uint64_t)code[t[k]] << fill;
            fill += bits;
            if (fill < 56) continue;
            /* At most 63 bits are held: whole bytes go, less than one stays. */
            memcpy(p, &held, sizeof(held));
            p += fill / 8;
            held = fill / 8 == 8 ? 0 : held >> (fill / 8 * 8);
            fill %= 8;
        }
    }
    memcpy(p, &held, sizeof(held));
    return (size_t)(p - out) + (fill + 7) / 8;
}

static th_err put_packed(codec_out *out, codec_strings s, const uint8_t code[256], unsigned bits)
{
    TH_TRY(put_lengths(out, s));
    for (uint32_t at = 0; at < s.n; at += SEGMENT_PAGE) {
        codec_strings page = {s.v + at, codec_min(SEGMENT_PAGE, s.n - at)};
        size_t total = 0;
        for (uint32_t i = 0; i < page.n; i++) total += page.v[i].size;
        uint8_t *bytes = th_arena_alloc(out->encoder->scratch, total + PAD);
        if (bytes == NULL) return TH_ELIMIT;
        th_slice packed = {bytes, pack_page(page, code, bits, bytes)};
        codec_put_payload(out, packed, squeeze_of(out, packed));
    }
    return codec_out_error(out);
}

static th_err put_bits(codec_out *out, codec_strings s, codec_family family, bool *fits)
{
    bool seen[256] = {false};
    uint8_t code[256] = {0}, map[32] = {0};
    for (uint32_t i = 0; i < s.n; i++) {
        codec_ahead(s, i);
        for (size_t k = 0; k < s.v[i].size; k++) seen[s.v[i].bytes[k]] = true;
    }
    bool hex = family == FAMILY_HEX_LOWER || family == FAMILY_HEX_UPPER;
    const char *digits = family == FAMILY_HEX_LOWER ? "0123456789abcdef" : "0123456789ABCDEF";
    uint32_t size = 0;
    *fits = true;
    for (unsigned c = 0; c < 256; c++) {
        if (!seen[c]) continue;
        const char *digit = hex && c != 0 ? strchr(digits, (int)c) : NULL;
        if (hex && digit == NULL) *fits = false;
        code[c] = (uint8_t)(digit != NULL ? (unsigned)(digit - digits) : size);
        map[c / 8] |= (uint8_t)(1u << (c % 8));
        size++;
    }
    unsigned bits = hex ? 4 : codec_bits_of(size - 1);
    if (size == 0 || bits > 7) *fits = false;
    if (!*fits) return TH_OK;
    th_buf_add_byte(out->directory, hex ? CODEC_HEX : CODEC_BITS);
    if (hex)
        th_buf_add_byte(out->directory, family == FAMILY_HEX_UPPER);
    else
        th_buf_add(out->directory, map, sizeof(map));
    return put_packed(out, s, code, bits == 0 ? 1 : bits);
}

/* ---- BASE64 ---- */

static th_err put_base64(codec_out *out, codec_strings s, bool *fits)
{
    size_t total = 0;
    for (uint32_t i = 0; i < s.n; i++) total += s.v[i].size;
    uint8_t *bytes = th_arena_alloc(out->encoder->scratch, total + PAD);
    th_slice *values = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*values));
    if (bytes == NULL || values == NULL) return TH_ELIMIT;
    *fits = false;
    for (uint32_t i = 0; i < s.n; i++) {
        codec_ahead(s, i);
        if (!codec_base64_decode(s.v[i], 0, bytes)) return TH_OK;
        values[i] = th_slice_of(bytes, codec_base64_bytes(s.v[i], 0));
        bytes += values[i].size;
    }
    *fits = true;
    th_buf_add_byte(out->directory, CODEC_BASE64);
    th_buf_add_byte(out->directory, 0);
    codec_out child = *out;
    child.depth++;
    return out->encoder->effort == SEGMENT_EFFORT_FAST
               ? codec_put_text(&child, (codec_strings){values, s.n})
               : codec_put_strings(&child, (codec_strings){values, s.n});
}

th_err codec_put_family(codec_out *out, codec_strings s, codec_family family, bool *fits)
{
    switch (family) {
    case FAMILY_TIME0:
    case FAMILY_TIME1:
    case FAMILY_TIME2:
    case FAMILY_INT: return put_numbers(out, s, family, fits);
    case FAMILY_IPV4:
    case FAMILY_UUID_LOWER:
    case FAMILY_UUID_UPPER: return put_fixed(out, s, family, fits);
    case FAMILY_BASE64: return put_base64(out, s, fits);
    default: return put_bits(out, s, family, fits);
    }
}
