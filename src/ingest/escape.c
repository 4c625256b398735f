/* SPDX-License-Identifier: Apache-2.0
 * Escaping as others do it, and finding out how they did. */
#include "ingest/escape.h"

static void add_unit(th_buf *buf, uint32_t unit, uint8_t bits)
{
    const char *digits = bits & INGEST_ESCAPE_UPPER ? "0123456789ABCDEF" : "0123456789abcdef";
    uint8_t text[6] = {'\\',
                       'u',
                       (uint8_t)digits[unit >> 12 & 15],
                       (uint8_t)digits[unit >> 8 & 15],
                       (uint8_t)digits[unit >> 4 & 15],
                       (uint8_t)digits[unit & 15]};
    th_buf_add(buf, text, sizeof(text));
}

/* The letter of a two-character escape for c, or 0. */
static uint8_t short_escape(uint8_t c, uint8_t bits)
{
    switch (c) {
    case '"':
    case '\\': return c;
    case '/': return bits & INGEST_ESCAPE_SLASH ? c : 0;
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\b': return bits & INGEST_ESCAPE_LONG_BF ? 0 : 'b';
    case '\f': return bits & INGEST_ESCAPE_LONG_BF ? 0 : 'f';
    default: return 0;
    }
}

static bool is_long(uint8_t c, uint8_t bits)
{
    if (c < 0x20) return true;
    if (c == 0x7f) return bits & INGEST_ESCAPE_DEL;
    if (c == '<' || c == '>' || c == '&') return bits & INGEST_ESCAPE_HTML;
    return (c == '\'' || c == '=') && (bits & INGEST_ESCAPE_QUOTES);
}

static uint32_t decode(const uint8_t *p, size_t size)
{
    static const uint8_t lead[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = p[0] & lead[size];
    for (size_t i = 1; i < size; i++) code = code << 6 | (p[i] & 0x3fu);
    return code;
}

/* A character beyond ASCII; returns its size. */
static size_t add_wide(th_buf *buf, const uint8_t *p, size_t left, uint8_t bits)
{
    size_t size = th_utf8_size(p, left);
    if (size == 0) size = 1; /* not UTF-8: as it is */
    uint32_t code = decode(p, size);
    bool line = size == 3 && (code == 0x2028 || code == 0x2029);
    if (size == 1 || !(bits & INGEST_ESCAPE_ASCII || (line && bits & INGEST_ESCAPE_LINES))) {
        th_buf_add(buf, p, size);
    } else if (code < 0x10000) {
        add_unit(buf, code, bits);
    } else {
        add_unit(buf, 0xD800 + ((code - 0x10000) >> 10), bits);
        add_unit(buf, 0xDC00 + ((code - 0x10000) & 0x3ff), bits);
    }
    return size;
}

void ingest_escape(th_buf *buf, th_slice text, uint8_t bits)
{
    const uint8_t *p = text.bytes;
    const uint8_t *end = p + text.size;
    while (p < end) {
        if (*p >= 0x80) {
            p += add_wide(buf, p, (size_t)(end - p), bits);
            continue;
        }
        uint8_t letter = short_escape(*p, bits);
        if (letter != 0) {
            uint8_t pair[2] = {'\\', letter};
            th_buf_add(buf, pair, 2);
        } else if (is_long(*p, bits)) {
            add_unit(buf, *p, bits);
        } else {
            th_buf_add_byte(buf, *p);
        }
        p++;
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t habit_of(uint32_t unit)
{
    switch (unit) {
    case '<':
    case '>':
    case '&': return INGEST_ESCAPE_HTML;
    case '\'':
    case '=': return INGEST_ESCAPE_QUOTES;
    case 0x7f: return INGEST_ESCAPE_DEL;
    case 0x2028:
    case 0x2029: return INGEST_ESCAPE_LINES;
    case '\b':
    case '\f': return INGEST_ESCAPE_LONG_BF;
    default: return unit >= 0x80 ? INGEST_ESCAPE_ASCII : 0;
    }
}

/* What the escapes that occur say about their writer. */
static uint8_t guess(th_slice raw)
{
    uint8_t bits = 0;
    for (size_t i = 0; i + 1 < raw.size; i++) {
        if (raw.bytes[i] != '\\') continue;
        uint8_t c = raw.bytes[++i];
        if (c == '/') bits |= INGEST_ESCAPE_SLASH;
        if (c != 'u' || i + 4 >= raw.size) continue;
        uint32_t unit = 0;
        for (size_t k = 1; k <= 4; k++) {
            uint8_t digit = raw.bytes[i + k];
            if (digit >= 'A' && digit <= 'F') bits |= INGEST_ESCAPE_UPPER;
            unit = unit << 4 | (uint32_t)(hex_value(digit) & 15);
        }
        bits |= habit_of(unit);
        i += 4;
    }
    return bits;
}

bool ingest_escape_find(th_slice raw, th_slice text, uint8_t *bits)
{
    uint8_t habits = guess(raw);
    th_buf buf;
    th_buf_init(&buf, raw.size + 64);
    ingest_escape(&buf, text, habits);
    bool same = th_buf_error(&buf) == TH_OK && th_slice_equal(th_buf_slice(&buf), raw);
    th_buf_free(&buf);
    *bits = habits;
    return same;
}
