/* SPDX-License-Identifier: Apache-2.0
 * Strings between their JSON spelling and plain UTF-8, and the compact form. */
#include "json/json_private.h"

/* Four hex digits at p, or UINT32_MAX. */
static uint32_t hex4(const uint8_t *p, const uint8_t *end)
{
    uint8_t bytes[2];
    if (end - p < 4 || !th_hex_decode(th_slice_of(p, 4), bytes, 2)) return UINT32_MAX;
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t simple_escape(uint8_t c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c < 0x80 ? c : 0xFFFD;
    }
}

size_t json_decode_escape(const uint8_t **p, const uint8_t *end, uint8_t out[4])
{
    const uint8_t *at = *p + 1;
    if (at == end) {
        *p = end;
        return th_utf8_put('\\', out);
    }
    uint8_t kind = *at++;
    uint32_t c = kind == 'u' ? hex4(at, end) : simple_escape(kind);
    if (kind == 'u' && c != UINT32_MAX) at += 4;
    if (c >= 0xD800 && c <= 0xDBFF && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hex4(at + 2, end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
    }
    *p = at;
    return th_utf8_put(c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0xFFFD : c, out);
}

th_slice th_json_key(th_slice raw_key, th_arena *arena)
{
    if (raw_key.size == 0) return TH_SLICE("");
    const uint8_t *p = raw_key.bytes;
    const uint8_t *end = p + raw_key.size;
    const uint8_t *escape = memchr(p, '\\', raw_key.size);
    if (escape == NULL) return raw_key;
    /* In valid text every escape is longer than its character; in wrong text two bytes may become three. */
    uint8_t *out = th_arena_alloc(arena, raw_key.size + raw_key.size / 2 + 4);
    if (out == NULL) return (th_slice){0};
    size_t size = 0;
    for (; p < end; escape = p < end ? memchr(p, '\\', (size_t)(end - p)) : NULL) {
        size_t run = (size_t)((escape == NULL ? end : escape) - p);
        memcpy(out + size, p, run);
        size += run;
        p += run;
        if (p < end) size += json_decode_escape(&p, end, out + size);
    }
    return (th_slice){out, size};
}

th_slice th_json_string(th_slice raw, th_arena *arena)
{
    if (raw.size < 2 || raw.bytes[0] != '"') return TH_SLICE("");
    return th_json_key((th_slice){raw.bytes + 1, raw.size - 2}, arena);
}

static void quote_special(th_buf *buf, uint8_t c)
{
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char form = c == '"' || c == '\\' ? (char)c : c < 0x20 ? short_forms[c] : 0;
    if (form != 0) {
        th_buf_add(buf, (const char[]){'\\', form}, 2);
        return;
    }
    char text[6] = "\\u00";
    th_hex_encode(&c, 1, text + 4);
    th_buf_add(buf, text, sizeof text);
}

void th_json_quote(th_buf *buf, th_slice utf8)
{
    if (utf8.size == 0) {
        th_buf_add_text(buf, "\"\"");
        return;
    }
    th_buf_add_byte(buf, '"');
    const uint8_t *p = utf8.bytes;
    const uint8_t *end = p + utf8.size;
    while (p < end) {
        const uint8_t *special = json_find_special(p, end);
        th_buf_add(buf, p, (size_t)(special - p));
        p = special;
        if (p == end) break;
        if (*p < 0x80) {
            quote_special(buf, *p++);
            continue;
        }
        size_t size = th_utf8_size(p, (size_t)(end - p));
        if (size > 0) {
            th_buf_add(buf, p, size);
            p += size;
        } else {
            th_buf_add_text(buf, "\xEF\xBF\xBD");
            p++;
        }
    }
    th_buf_add_byte(buf, '"');
}

void th_json_compact(th_buf *buf, th_slice raw)
{
    if (raw.size == 0) return;
    const uint8_t *p = raw.bytes;
    const uint8_t *end = p + raw.size;
    while (p < end) {
        const uint8_t *run = p;
        while (p < end && !json_is_blank(*p)) p = *p == '"' ? json_skip_string(p, end) : p + 1;
        th_buf_add(buf, run, (size_t)(p - run));
        p = json_skip_blank(p, end);
    }
}
