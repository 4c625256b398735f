/* SPDX-License-Identifier: Apache-2.0
 * Signatures of functions and aggregates as people read them: what SHOW FUNCTIONS and the function page print. */
#include <ctype.h>

#include "query/fn/signature_text.h"

static const struct {
    const char *pattern, *shown;
} names[] = {
    {"timestamp", "timestamp(p)"},
    {"timestamp_tz", "timestamp(p) with time zone"},
    {"time", "time(p)"},
    {"interval_ds", "interval day to second"},
    {"interval_ym", "interval year to month"},
    {"decimal", "decimal(p,s)"},
    {"char", "char(n)"},
    {"pattern", "varchar"},
    {"lambda", "function"},
};

static void put_word(th_buf *out, th_slice word)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!th_slice_is(word, names[i].pattern)) continue;
        th_buf_add_text(out, names[i].shown);
        return;
    }
    th_buf_add_slice(out, word);
}

/* The text up to the comma that ends the first parameter. */
static th_slice first_of(const char *params)
{
    size_t n = 0;
    for (int depth = 0; params[n] != 0 && (params[n] != ',' || depth > 0); n++)
        depth += (params[n] == '(') - (params[n] == ')');
    if (n > 3 && strncmp(params + n - 3, "...", 3) == 0) n -= 3;
    return th_slice_of(params, n);
}

static void put_pattern(th_buf *out, th_slice s)
{
    for (size_t i = 0; i < s.size;) {
        size_t from = i;
        while (i < s.size && (isalnum(s.bytes[i]) || s.bytes[i] == '_')) i++;
        if (i > from)
            put_word(out, th_slice_of(s.bytes + from, i - from));
        else if (s.bytes[i++] != '=')
            th_buf_add_byte(out, s.bytes[i - 1]);
    }
}

void th_signature_params(th_buf *out, const char *params)
{
    put_pattern(out, th_slice_text(params));
}

static th_slice parameter(const char *params, uint32_t index)
{
    th_slice first = first_of(params);
    for (; index > 0; index--) {
        params = (const char *)first.bytes + first.size;
        while (*params == ',' || *params == ' ' || *params == '.') params++;
        first = first_of(params);
    }
    return first;
}

void th_signature_result(th_buf *out, const char *result, const char *params)
{
    const char *mark = strchr(result, '$');
    if (strcmp(result, "sum") == 0) {
        th_buf_add_text(out, "decimal(38,s)");
    } else if (result[0] == 0) {
        th_buf_add_text(out, "of the arguments");
    } else if (mark == NULL) {
        put_pattern(out, th_slice_text(result));
    } else {
        th_buf_add(out, result, (size_t)(mark - result));
        put_pattern(out, parameter(params, (uint32_t)(mark[1] - '1')));
        th_buf_add_text(out, mark + 2);
    }
}
