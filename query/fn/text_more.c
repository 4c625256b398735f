/* SPDX-License-Identifier: Apache-2.0
 * Text functions beside the everyday ones: sizes and numbers for people, sounds, check digits, OVERLAY. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "query/fn/call.h"
#include "query/fn/families.h"
#include "query/type/number.h"

#define SHOWN 200 /* bytes of a bad value that an error shows */

static int shown(th_slice s)
{
    return (int)(s.size > SHOWN ? SHOWN : s.size);
}

/* Three significant digits at most and a unit: 12.3K. */
th_err fn_format_number(th_fn_call *call, const th_value *args, th_value *out)
{
    static const char *const units[] = {"", "K", "M", "B", "T", "Q"};
    double v = args[0].f, size = fabs(v);
    int unit = 0;
    char text[400];
    if (!isfinite(v)) {
        (void)snprintf(text, sizeof text, "%s", isnan(v) ? "NaN" : v < 0 ? "-∞" : "∞");
        return fn_copy(call, th_slice_text(text), out);
    }
    for (; size >= 1000 && unit < 5; unit++) size /= 1000;
    /* the smallest bigint has no absolute value there, and gets the digits of a small number */
    int digits = size < 10 || v == (double)INT64_MIN ? 2 : size < 100 ? 1 : 0;
    double factor = pow(10, digits);
    double rounded = floor(size * factor + 0.5) / factor;
    int n =
        snprintf(text, sizeof text, "%s%.*f", v < 0 && rounded != 0 ? "-" : "", digits, rounded);
    while (digits > 0 && n > 0 && (text[n - 1] == '0' || text[n - 1] == '.'))
        if (text[--n] == '.') break;
    (void)snprintf(text + n, sizeof text - (size_t)n, "%s", units[unit]);
    return fn_copy(call, th_slice_text(text), out);
}

th_err fn_human_readable_seconds(th_fn_call *call, const th_value *args, th_value *out)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"week", 604800}, {"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
    char text[64];
    th_buf number = {.bytes = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text - 1};
    if (!isfinite(args[0].f)) {
        th_double_print(&number, args[0].f, false);
        return fn_bad(call, "Invalid argument found: %s", text);
    }
    if (fabs(args[0].f) >= 9e18) return fn_bad(call, "Invalid argument found: it is too large");
    int64_t left = (int64_t)floor(fabs(args[0].f) + 0.5);
    th_buf *b = fn_scratch(call);
    if (left == 0) th_buf_add_text(b, "0 seconds");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        int64_t n = left / units[i].seconds;
        left -= n * units[i].seconds;
        if (n == 0) continue;
        th_buf_printf(b, "%s%lld %s%s", b->size > 0 ? ", " : "", (long long)n, units[i].name,
                      n == 1 ? "" : "s");
    }
    return fn_take_scratch(call, out);
}

const th_type *fn_parse_data_size_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)params;
    (void)count;
    return th_type_decimal(arena, 38, 0);
}

/* "2.3MB" in bytes; the rest of a byte is dropped. */
th_err fn_parse_data_size(th_fn_call *call, const th_value *args, th_value *out)
{
    static const char units[] = "kMGTPEZY";
    th_slice s = args[0].s;
    size_t n = 0;
    uint32_t precision, scale, power = 0;
    th_i128 digits;
    while (n < s.size && (isdigit(s.bytes[n]) || s.bytes[n] == '.')) n++;
    th_slice unit = th_slice_of(s.bytes + n, s.size - n);
    const char *at = unit.size == 2 && unit.bytes[0] != 0 ? strchr(units, unit.bytes[0]) : NULL;
    bool ok = (unit.size == 1 || at != NULL) && unit.bytes[unit.size - 1] == 'B' && n > 0 &&
              s.bytes[0] != '.' &&
              th_decimal_parse(th_slice_of(s.bytes, n), &digits, &precision, &scale);
    if (!ok) return fn_bad(call, "Invalid data size: '%.*s'", shown(s), (const char *)s.bytes);
    if (at != NULL) power = (uint32_t)(at - units) + 1;
    for (; power > 0; power--)
        if (__builtin_mul_overflow(digits, 1024, &digits))
            return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "Value out of range: '%.*s'",
                           shown(s), (const char *)s.bytes);
    out->d = digits / th_pow10(scale);
    if (!th_decimal_fits(out->d, 38))
        return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "Value out of range: '%.*s'", shown(s),
                       (const char *)s.bytes);
    return TH_OK;
}

/* The first character of each word in upper case, the others in lower case. */
th_err fn_title_case(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value lower = {0}, upper = {0};
    TH_TRY(fn_lower(call, args, &lower));
    TH_TRY(fn_upper(call, args, &upper));
    th_buf *b = fn_scratch(call);
    bool start = true;
    size_t lo = 0, up = 0;
    while (lo < lower.s.size && up < upper.s.size) {
        uint32_t small = fn_utf8_next(lower.s, &lo), large = fn_utf8_next(upper.s, &up);
        fn_utf8_put(b, start ? large : small);
        start = small == ' ' || (small >= 9 && small <= 13);
    }
    return fn_take_scratch(call, out);
}

const th_type *fn_soundex_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)params;
    (void)count;
    return th_type_varchar_of(arena, 4);
}

/* American Soundex: h and w do not part equal codes, vowels do. */
th_err fn_soundex(th_fn_call *call, const th_value *args, th_value *out)
{
    static const char codes[] = "01230120022455012623010202";
    char text[5] = "";
    size_t n = 0;
    char last = 0;
    for (size_t i = 0; i < args[0].s.size && n < 4; i++) {
        uint8_t c = args[0].s.bytes[i];
        if (c >= 0x80) return fn_bad(call, "The character is not mapped");
        if (!isalpha(c)) continue;
        c = (uint8_t)toupper(c);
        char code = codes[c - 'A'];
        if (n == 0)
            text[n++] = (char)c;
        else if (code != '0' && code != last)
            text[n++] = code;
        if (c != 'H' && c != 'W') last = code;
    }
    while (n > 0 && n < 4) text[n++] = '0';
    return fn_copy(call, th_slice_of(text, n), out);
}

/* Credit card and similar numbers: does the last digit fit the others? */
th_err fn_luhn_check(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t sum = 0;
    th_slice s = args[0].s;
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.bytes[s.size - 1 - i];
        if (!isdigit(c))
            return fn_bad(call, "Input contains non-digit character: %.*s", shown(s),
                          (const char *)s.bytes);
        uint32_t digit = c - '0';
        if (i % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
        sum += digit;
    }
    out->i = s.size > 0 && sum % 10 == 0;
    return TH_OK;
}

const th_type *fn_overlay_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    uint64_t a = params[0]->precision, b = params[1]->precision;
    if (a == TH_UNBOUNDED || b == TH_UNBOUNDED || a + b > INT32_MAX) return &th_type_varchar;
    return th_type_varchar_of(arena, (uint32_t)(a + b));
}

/* OVERLAY(text PLACING other FROM start [FOR length]). */
th_err fn_overlay(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s, other = args[1].s;
    int64_t start = args[2].i;
    int64_t length = call->arg_count > 3 ? args[3].i : (int64_t)fn_utf8_length(other);
    if (start < 1) return fn_bad(call, "OVERLAY start must be at least 1");
    if (length < 0) return fn_bad(call, "OVERLAY length must not be negative");
    size_t head = fn_utf8_prefix(s, (size_t)start - 1);
    th_slice rest = th_slice_of(s.bytes + head, s.size - head);
    size_t gone = fn_utf8_prefix(rest, (size_t)length);
    th_buf *b = fn_scratch(call);
    th_buf_add(b, s.bytes, head);
    th_buf_add_slice(b, other);
    th_buf_add(b, rest.bytes + gone, rest.size - gone);
    return fn_take_scratch(call, out);
}
