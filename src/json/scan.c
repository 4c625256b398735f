/* SPDX-License-Identifier: Apache-2.0
 * Where values end: in text that arrives in pieces, and inside text that was judged before. Brackets are only counted,
 * not matched, so nothing needs a stack; wrong text gives some end, and always one within the text. */
#include "json/json_private.h"

void th_json_scan_init(th_json_scan *scan)
{
    *scan = (th_json_scan){0};
}

/* Inside a string: step to behind its end, or to the end of the piece. */
static const uint8_t *feed_string(th_json_scan *scan, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        if (scan->in_escape) {
            scan->in_escape = 0;
            p++;
            continue;
        }
        p = json_find_quote(p, end);
        if (p == end) break;
        if (*p++ == '\\') {
            scan->in_escape = 1;
            continue;
        }
        scan->in_string = 0;
        scan->done = scan->depth == 0;
        break;
    }
    return p;
}

/* The first byte of a value, or one that starts none: that alone is then "the value", for the judge to refuse. */
static void feed_start(th_json_scan *scan, uint8_t byte)
{
    scan->started = 1;
    if (byte == '"') {
        scan->in_string = 1;
    } else if (byte == '{' || byte == '[') {
        scan->depth = 1;
    } else if (json_is_delimiter(byte)) {
        scan->done = 1;
    } else {
        scan->scalar = 1;
    }
}

/* Between the strings of an object or array: to the next string, or to behind the closing bracket. */
static const uint8_t *feed_inside(th_json_scan *scan, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        uint8_t byte = *p++;
        if (byte == '"') {
            scan->in_string = 1;
            break;
        }
        if (byte == '{' || byte == '[') {
            if (scan->depth < UINT32_MAX) scan->depth++;
        } else if (byte == '}' || byte == ']') {
            if (--scan->depth == 0) {
                scan->done = 1;
                break;
            }
        }
    }
    return p;
}

size_t th_json_scan_feed(th_json_scan *scan, th_slice text)
{
    if (scan->done || text.size == 0) return 0;
    const uint8_t *p = text.bytes;
    const uint8_t *end = p + text.size;
    if (!scan->started) {
        p = json_skip_blank(p, end);
        if (p < end) feed_start(scan, *p++);
    }
    while (p < end && !scan->done) {
        if (scan->in_string) {
            p = feed_string(scan, p, end);
        } else if (scan->scalar) {
            while (p < end && !json_is_delimiter(*p)) p++;
            scan->done = p < end;
        } else {
            p = feed_inside(scan, p, end);
        }
    }
    return (size_t)(p - text.bytes);
}

const uint8_t *json_skip_string(const uint8_t *p, const uint8_t *end)
{
    for (p++; p < end;) {
        p = json_find_quote(p, end);
        if (p == end) break;
        if (*p == '"') return p + 1;
        p += end - p >= 2 ? 2 : 1;
    }
    return end;
}

const uint8_t *json_skip_value(const uint8_t *p, const uint8_t *end)
{
    if (p == end) return p;
    if (*p == '"') return json_skip_string(p, end);
    if (*p != '{' && *p != '[') {
        while (p < end && !json_is_delimiter(*p)) p++;
        return p;
    }
    size_t depth = 0;
    while (p < end) {
        uint8_t byte = *p;
        if (byte == '"') {
            p = json_skip_string(p, end);
            continue;
        }
        p++;
        if (byte == '{' || byte == '[') {
            depth++;
        } else if ((byte == '}' || byte == ']') && --depth == 0) {
            return p;
        }
    }
    return end;
}
