/* SPDX-License-Identifier: Apache-2.0
 * The writer. It knows only whether a comma is due; wrong nesting is a mistake of the caller's and asserted. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "json/json.h"

enum { WRITER_DEPTH_MAX = 64 };

void th_json_writer_init(th_json_writer *w, th_buf *buf)
{
    *w = (th_json_writer){.buf = buf};
}

/* What is due before a value or key. Values at the top (depth 0) are the caller's to separate. */
static void put_comma(th_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0) return;
    uint64_t bit = UINT64_C(1) << w->depth;
    if ((w->comma_bits & bit) != 0) th_buf_add_byte(w->buf, ',');
    w->comma_bits |= bit;
}

static void begin(th_json_writer *w, uint8_t bracket)
{
    put_comma(w);
    th_buf_add_byte(w->buf, bracket);
    TH_ASSERT(w->depth < WRITER_DEPTH_MAX - 1);
    w->depth++;
    w->comma_bits &= ~(UINT64_C(1) << w->depth);
}

static void end(th_json_writer *w, uint8_t bracket)
{
    TH_ASSERT(w->depth > 0 && !w->after_key);
    w->depth--;
    th_buf_add_byte(w->buf, bracket);
}

void th_json_begin_object(th_json_writer *w)
{
    begin(w, '{');
}

void th_json_end_object(th_json_writer *w)
{
    end(w, '}');
}

void th_json_begin_array(th_json_writer *w)
{
    begin(w, '[');
}

void th_json_end_array(th_json_writer *w)
{
    end(w, ']');
}

void th_json_put_key(th_json_writer *w, const char *key)
{
    th_json_put_key_slice(w, th_slice_text(key));
}

void th_json_put_key_slice(th_json_writer *w, th_slice key)
{
    TH_ASSERT(w->depth > 0 && !w->after_key);
    put_comma(w);
    th_json_quote(w->buf, key);
    th_buf_add_byte(w->buf, ':');
    w->after_key = true;
}

void th_json_put_string(th_json_writer *w, th_slice utf8)
{
    put_comma(w);
    th_json_quote(w->buf, utf8);
}

void th_json_put_text(th_json_writer *w, const char *text)
{
    th_json_put_string(w, th_slice_text(text));
}

/* Digits of v, most significant first, at the end of out; returns where they start. */
static char *print_u64(uint64_t v, char out[20])
{
    char *p = out + 20;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return p;
}

void th_json_put_i64(th_json_writer *w, int64_t v)
{
    char digits[20];
    put_comma(w);
    if (v < 0) th_buf_add_byte(w->buf, '-');
    char *p = print_u64(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, digits);
    th_buf_add(w->buf, p, (size_t)(digits + 20 - p));
}

void th_json_put_u64(th_json_writer *w, uint64_t v)
{
    char digits[20];
    put_comma(w);
    char *p = print_u64(v, digits);
    th_buf_add(w->buf, p, (size_t)(digits + 20 - p));
}

void th_json_put_double(th_json_writer *w, double v)
{
    if (!isfinite(v)) {
        th_json_put_text(w, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    put_comma(w);
    th_buf_add_text(w->buf, text);
}

void th_json_put_bool(th_json_writer *w, bool v)
{
    put_comma(w);
    th_buf_add_text(w->buf, v ? "true" : "false");
}

void th_json_put_null(th_json_writer *w)
{
    put_comma(w);
    th_buf_add_text(w->buf, "null");
}

void th_json_put_raw(th_json_writer *w, th_slice raw_json)
{
    put_comma(w);
    th_buf_add_slice(w->buf, raw_json);
}
