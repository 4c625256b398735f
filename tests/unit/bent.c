/* SPDX-License-Identifier: Apache-2.0
 * The bent records' grammar. Most records look like events of few kinds, so that shapes, dictionaries and typed
 * columns come up; then one thing or another is bent. */
#include "tests/unit/bent.h"

#include <stdio.h>
#include <string.h>

void bent_init(bent *h, uint64_t seed)
{
    *h = (bent){.state = seed};
    memcpy(h->last, "first", 6);
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t bent_next(bent *h)
{
    uint64_t z = h->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t below(bent *h, uint32_t n)
{
    return (uint32_t)(bent_next(h) >> 33) % n;
}

static bool one_in(bent *h, uint32_t n)
{
    return below(h, n) == 0;
}

#define PICK(h, list) (list)[below(h, sizeof(list) / sizeof((list)[0]))]

static void characters(bent *h, th_buf *out, const char *alphabet, uint32_t count)
{
    uint32_t size = (uint32_t)strlen(alphabet);
    for (uint32_t i = 0; i < count; i++) th_buf_add_byte(out, (uint8_t)alphabet[below(h, size)]);
}

static const char hex[] = "0123456789abcdef";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void uuid(bent *h, th_buf *out)
{
    static const uint32_t parts[] = {8, 4, 4, 4, 12};
    for (uint32_t i = 0; i < 5; i++) {
        if (i > 0) th_buf_add_byte(out, '-');
        characters(h, out, one_in(h, 400) ? "0123456789ABCDEF" : hex, parts[i]);
    }
    if (one_in(h, 500)) th_buf_add_byte(out, 'g');
}

static void odd_text(bent *h, th_buf *out)
{
    static const char *const odd[] = {"",
                                      "\\u0000",
                                      "\\ud83d\\ude00",
                                      "\\ud800",
                                      "\\udc00\\ud800",
                                      "\\/",
                                      "/",
                                      "\\\"",
                                      "\\\\",
                                      "\\b\\f\\n",
                                      "\x7f",
                                      "\xe2\x80\xa8",
                                      "\xf0\x9f\x98\x80",
                                      "\xc3\xa9",
                                      "e\xcc\x81",
                                      "\xef\xbf\xbe",
                                      "\xef\xbb\xbf",
                                      "\\u00E9",
                                      "\\u00e9",
                                      "\x01",
                                      "a\x1f\x62",
                                      "\xc0\x80",
                                      "\xed\xa0\x80",
                                      "\xff",
                                      "\\x",
                                      "\\u12",
                                      "null",
                                      "{}",
                                      "[1,2]",
                                      " ",
                                      "\xf4\x90\x80\x80",
                                      "\\u2028",
                                      "\x01\x01",
                                      "-",
                                      "\t",
                                      "%00"};
    uint32_t n = 1 + below(h, 3);
    for (uint32_t i = 0; i < n; i++) th_buf_add_text(out, PICK(h, odd));
}

static void time_text(bent *h, th_buf *out)
{
    static const char *const bent[] = {"2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z",
                                       "2024-01-01T23:59:60Z", "2024-1-1T00:00:00Z",
                                       "0000-00-00T00:00:00Z", "2024-01-01t00:00:00z",
                                       "9999-12-31T23:59:59Z", "2024-01-01T00:00:00+00:00"};
    if (one_in(h, 200)) {
        th_buf_add_text(out, PICK(h, bent));
        return;
    }
    th_buf_printf(out, "20%02u-%02u-%02uT%02u:%02u:%02u", below(h, 40), 1 + below(h, 12),
                  1 + below(h, 28), below(h, 24), below(h, 60), below(h, 60));
    if (one_in(h, 50)) th_buf_printf(out, ".%03u", below(h, 1000));
    th_buf_add_byte(out, 'Z');
}

static void address(bent *h, th_buf *out)
{
    static const char *const bent[] = {"010.0.0.1", "256.1.1.1", "1.2.3",
                                       "::1",       "1.2.3.4.5", "s3.amazonaws.com"};
    if (one_in(h, 60))
        th_buf_add_text(out, PICK(h, bent));
    else
        th_buf_printf(out, "10.%u.%u.%u", below(h, 2), below(h, 256), below(h, 256));
}

static void token(bent *h, th_buf *out)
{
    switch (below(h, 7)) {
    case 0:
        characters(h, out, base64, 76);
        if (one_in(h, 3)) th_buf_add_text(out, one_in(h, 2) ? "=" : "==");
        break;
    case 1: characters(h, out, hex, one_in(h, 30) ? 31 : 32); break;
    case 2:
        th_buf_add_text(out, "AKIA");
        characters(h, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
        break;
    case 3:
        th_buf_printf(out, "arn:aws:s3:::bucket-%u/path/%u/", below(h, 20), below(h, 100));
        characters(h, out, hex, 8);
        break;
    case 4: characters(h, out, base64, below(h, 200)); break;
    case 5: th_buf_printf(out, "%s%u", one_in(h, 40) ? "0" : "", below(h, 100000)); break;
    default: characters(h, out, "ab", below(h, 12)); break;
    }
}

static void string(bent *h, th_buf *out)
{
    th_buf_add_byte(out, '"');
    size_t start = out->size;
    if (one_in(h, 12)) {
        th_buf_add_text(out, h->last);
    } else if (one_in(h, 25)) {
        odd_text(h, out);
    } else {
        switch (below(h, 5)) {
        case 0: uuid(h, out); break;
        case 1: time_text(h, out); break;
        case 2: address(h, out); break;
        default: token(h, out); break;
        }
    }
    size_t size = out->size - start;
    if (size > 0 && size < sizeof(h->last) && one_in(h, 8)) {
        memcpy(h->last, out->bytes + start, size);
        h->last[size] = '\0';
    }
    th_buf_add_byte(out, '"');
}

static void scalar(bent *h, th_buf *out)
{
    static const char *const spelt[] = {"0",
                                        "-0",
                                        "0.0",
                                        "1e2",
                                        "1E+2",
                                        "1e-400",
                                        "1.10",
                                        "123456789012345678901234567890",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "9223372036854775808",
                                        "true",
                                        "false",
                                        "null",
                                        "01",
                                        "+1",
                                        ".5",
                                        "1.",
                                        "tru",
                                        "NaN",
                                        "-",
                                        "0x10",
                                        "1e",
                                        "Infinity"};
    if (one_in(h, 10))
        th_buf_add_text(out, PICK(h, spelt));
    else if (one_in(h, 3))
        th_buf_add_text(out, one_in(h, 2) ? "null" : "true");
    else
        th_buf_printf(out, "%lld", (long long)(bent_next(h) >> (1 + below(h, 62))));
}

static void blank(bent *h, th_buf *out)
{
    static const char *const blanks[] = {" ", "  ", "\n", "\t", "\r\n", "          "};
    if (one_in(h, 2000)) th_buf_add_text(out, PICK(h, blanks));
}

static void value(bent *h, th_buf *out);

static void object(bent *h, th_buf *out, uint32_t members)
{
    static const char *const keys[] = {"a",         "A", "b",    "bucketName", "key",
                                       "k\\u0065y", "",  "\\\"", "\xc3\xa9",   "x-amz-id-2"};
    th_buf_add_byte(out, '{');
    blank(h, out);
    for (uint32_t i = 0; i < members; i++) {
        if (i > 0) th_buf_add_byte(out, ',');
        blank(h, out);
        if (members > 20)
            th_buf_printf(out, "\"member%u\"", i);
        else if (one_in(h, 30))
            th_buf_printf(out, "\"%s\"", PICK(h, keys));
        else
            th_buf_printf(out, "\"m%u\"", i);
        blank(h, out);
        th_buf_add_byte(out, ':');
        blank(h, out);
        value(h, out);
    }
    blank(h, out);
    th_buf_add_byte(out, '}');
}

static void array(bent *h, th_buf *out)
{
    uint32_t count = below(h, 4);
    th_buf_add_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_byte(out, ',');
        blank(h, out);
        value(h, out);
    }
    th_buf_add_byte(out, ']');
}

static void value(bent *h, th_buf *out)
{
    uint32_t what = below(h, 40);
    if (h->depth > 4 || what < 26) {
        string(h, out);
    } else if (what < 36) {
        scalar(h, out);
    } else {
        h->depth++;
        if (what < 38)
            object(h, out, below(h, 4));
        else
            array(h, out);
        h->depth--;
    }
}

/* An event of one of a few kinds: the same members in the same order, most of the time. */
static void event(bent *h, th_buf *out)
{
    uint32_t kind = below(h, 6);
    bool swap = one_in(h, 20);
    th_buf_add_text(out, "{\"eventVersion\":\"1.08\",");
    if (swap) th_buf_printf(out, "\"awsRegion\":\"region-%u\",", kind);
    th_buf_add_text(out, "\"eventTime\":\"");
    time_text(h, out);
    th_buf_printf(out, "\",\"eventName\":\"Name%u\",", kind);
    if (!swap) th_buf_printf(out, "\"awsRegion\":\"region-%u\",", below(h, 3));
    th_buf_add_text(out, "\"sourceIPAddress\":\"");
    address(h, out);
    th_buf_add_text(out, "\",\"requestParameters\":");
    if (kind == 0)
        th_buf_add_text(out, "null");
    else
        object(h, out, kind);
    th_buf_add_text(out, ",\"tags\":");
    array(h, out);
    th_buf_add_text(out, ",\"eventID\":\"");
    uuid(h, out);
    th_buf_add_text(out, "\",\"size\":");
    scalar(h, out);
    th_buf_add_byte(out, '}');
}

static void deep(bent *h, th_buf *out)
{
    uint32_t levels = 1 + below(h, 200);
    bool objects = one_in(h, 2);
    for (uint32_t i = 0; i < levels; i++) th_buf_add_text(out, objects ? "{\"d\":" : "[");
    string(h, out);
    for (uint32_t i = 0; i < levels; i++) th_buf_add_byte(out, objects ? '}' : ']');
}

/* Cut off, or a byte changed: mostly no JSON any more. */
static void damage(bent *h, th_buf *out)
{
    uint32_t at = below(h, (uint32_t)out->size);
    if (one_in(h, 2) && at > 0)
        out->size = at;
    else
        out->bytes[at] = (uint8_t)bent_next(h);
}

void bent_record(bent *h, th_buf *out)
{
    th_buf_clear(out);
    h->depth = 0;
    uint32_t what = below(h, 1000);
    if (what < 900) {
        event(h, out);
    } else if (what < 970) {
        object(h, out, below(h, 12));
    } else if (what < 980) {
        deep(h, out);
    } else if (what < 982) {
        object(h, out, 100 + below(h, 3000));
    } else if (what < 990) {
        value(h, out);
    } else {
        uint32_t size = 1 + below(h, 300);
        for (uint32_t i = 0; i < size; i++) th_buf_add_byte(out, (uint8_t)bent_next(h));
    }
    if (one_in(h, 100)) damage(h, out);
    if (one_in(h, 300)) blank(h, out);
}
