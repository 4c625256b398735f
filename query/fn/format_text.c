/* SPDX-License-Identifier: Apache-2.0
 * format(pattern, ...): the conversions of Java's formatter, which Trino's function takes. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "query/fn/datetime.h"
#include "query/fn/families.h"
#include "query/type/datetime.h"
#include "query/type/number.h"

#define WIDTH_MAX 10000
#define DIGITS_MAX 300

typedef struct directive {
    bool left, zero, plus, space, comma, paren, alternate;
    int width, precision; /* -1: none */
    uint32_t arg;         /* from 1; 0: the next one */
    char conversion, time;
} directive;

static th_err invalid(th_fn_call *call, th_slice pattern, const char *why)
{
    return fn_bad(call, "Invalid format string: %.*s (%s)",
                  (int)(pattern.size > 200 ? 200 : pattern.size), (const char *)pattern.bytes, why);
}

static int number_at(th_slice s, size_t *at)
{
    int n = 0;
    while (*at < s.size && isdigit(s.bytes[*at]) && n <= WIDTH_MAX)
        n = n * 10 + (s.bytes[(*at)++] - '0');
    return n;
}

/* Behind the %: [index$][flags][width][.precision]conversion */
static bool read_directive(th_slice s, size_t *at, directive *d)
{
    size_t start = *at;
    *d = (directive){.width = -1, .precision = -1};
    int n = number_at(s, at);
    if (n > 0 && *at < s.size && s.bytes[*at] == '$') {
        d->arg = (uint32_t)n;
        (*at)++;
    } else {
        *at = start;
    }
    for (; *at < s.size; (*at)++) {
        uint8_t c = s.bytes[*at];
        bool *flag = c == '-'   ? &d->left
                     : c == '0' ? &d->zero
                     : c == '+' ? &d->plus
                     : c == ' ' ? &d->space
                     : c == ',' ? &d->comma
                     : c == '(' ? &d->paren
                     : c == '#' ? &d->alternate
                                : NULL;
        if (flag == NULL) break;
        *flag = true;
    }
    if (*at < s.size && isdigit(s.bytes[*at])) d->width = number_at(s, at);
    if (*at < s.size && s.bytes[*at] == '.') {
        (*at)++;
        d->precision = number_at(s, at);
    }
    if (*at >= s.size || d->width > WIDTH_MAX || d->precision > DIGITS_MAX) return false;
    d->conversion = (char)s.bytes[(*at)++];
    if (d->conversion != 't' && d->conversion != 'T') return true;
    if (*at >= s.size) return false;
    d->time = (char)s.bytes[(*at)++];
    return true;
}

/* Digits with an optional fraction: sign, groups of three, filled up. */
static void put_number(th_buf *out, const directive *d, bool minus, const char *digits)
{
    char text[2 * WIDTH_MAX > 2000 ? 2000 : 2 * WIDTH_MAX];
    size_t n = 0, whole = strcspn(digits, ".");
    for (size_t i = 0; digits[i] != 0 && n + 2 < sizeof text; i++) {
        if (d->comma && i > 0 && i < whole && (whole - i) % 3 == 0) text[n++] = ',';
        text[n++] = digits[i];
    }
    const char *before = minus ? (d->paren ? "(" : "-") : d->plus ? "+" : d->space ? " " : "";
    const char *behind = minus && d->paren ? ")" : "";
    int used = (int)(n + strlen(before) + strlen(behind)),
        fill = d->width > used ? d->width - used : 0;
    for (int i = 0; i < fill && !d->left && !d->zero; i++) th_buf_add_byte(out, ' ');
    th_buf_add_text(out, before);
    for (int i = 0; i < fill && d->zero; i++) th_buf_add_byte(out, '0');
    th_buf_add(out, text, n);
    th_buf_add_text(out, behind);
    for (int i = 0; i < fill && d->left; i++) th_buf_add_byte(out, ' ');
}

static void put_text(th_buf *out, const directive *d, th_slice s, bool upper)
{
    if (d->precision >= 0) s.size = fn_utf8_prefix(s, (size_t)d->precision);
    int length = (int)fn_utf8_length(s), fill = d->width > length ? d->width - length : 0;
    for (int i = 0; i < fill && !d->left; i++) th_buf_add_byte(out, ' ');
    for (size_t i = 0; i < s.size; i++)
        th_buf_add_byte(out, upper ? (uint8_t)toupper(s.bytes[i]) : s.bytes[i]);
    for (int i = 0; i < fill && d->left; i++) th_buf_add_byte(out, ' ');
}

static bool put_integer(th_buf *out, const directive *d, const th_type *type, const th_value *v)
{
    char digits[80];
    bool minus = v->i < 0;
    if (!th_type_is_integer(type)) {
        if (type->kind != TH_DECIMAL || type->scale != 0 || d->conversion != 'd') return false;
        th_buf b = {
            .bytes = (uint8_t *)digits, .capacity = sizeof digits, .limit = sizeof digits - 1};
        minus = v->d < 0;
        th_decimal_print(&b, minus ? -v->d : v->d, 0);
        put_number(out, d, minus, th_buf_text(&b));
        return true;
    }
    if (d->conversion == 'd') {
        (void)snprintf(digits, sizeof digits, "%llu",
                       minus ? 0ULL - (unsigned long long)v->i : (unsigned long long)v->i);
        put_number(out, d, minus, digits);
        return true;
    }
    unsigned long long bits = (unsigned long long)v->i;
    if (type->kind == TH_INTEGER) bits &= UINT32_MAX;
    if (type->kind == TH_SMALLINT) bits &= UINT16_MAX;
    if (type->kind == TH_TINYINT) bits &= UINT8_MAX;
    (void)snprintf(digits, sizeof digits,
                   d->conversion == 'o'   ? "%s%llo"
                   : d->conversion == 'x' ? "%s%llx"
                                          : "%s%llX",
                   d->alternate ? (d->conversion == 'o' ? "0" : "0x") : "", bits);
    put_number(out, d, false, digits);
    return true;
}

/* False: no number. */
static bool put_fraction(th_buf *out, const directive *d, const th_type *type, const th_value *v)
{
    char digits[DIGITS_MAX + 400];
    int precision = d->precision < 0 ? 6 : d->precision;
    th_i128 exact;
    double f = type->kind == TH_DECIMAL ? th_decimal_to_double(v->d, type->scale) : v->f;
    if (type->kind != TH_DECIMAL && type->kind != TH_DOUBLE && type->kind != TH_REAL) return false;
    bool minus = type->kind == TH_DECIMAL ? v->d < 0 : signbit(f) != 0 && !isnan(f);
    if (type->kind != TH_DECIMAL && !isfinite(f)) {
        directive plain = *d;
        plain.zero = plain.comma = false;
        put_number(out, &plain, minus, isnan(f) ? "NaN" : "Infinity");
        return true;
    }
    bool fits =
        precision <= 30 &&
        (type->kind == TH_DECIMAL
             ? th_decimal_rescale(v->d, type->scale, (uint32_t)precision, &exact)
             : th_decimal_from_double(f, type->kind == TH_REAL, 38, (uint32_t)precision, &exact));
    if (d->conversion == 'f' && fits) {
        th_buf b = {
            .bytes = (uint8_t *)digits, .capacity = sizeof digits, .limit = sizeof digits - 1};
        th_decimal_print(&b, exact < 0 ? -exact : exact, (uint32_t)precision);
        put_number(out, d, minus, th_buf_text(&b));
        return true;
    }
    bool small = fabs(f) >= 1e-4 && fabs(f) < pow(10, precision < 1 ? 1 : precision);
    if (d->conversion == 'g' && (small || f == 0)) {
        int whole = f == 0 ? 1 : (int)floor(log10(fabs(f))) + 1,
            shown = (precision < 1 ? 1 : precision) - whole;
        (void)snprintf(digits, sizeof digits, "%.*f", shown < 0 ? 0 : shown, fabs(f));
    } else if (d->conversion == 'f') {
        (void)snprintf(digits, sizeof digits, "%.*f", precision, fabs(f));
    } else {
        int behind = d->conversion == 'g' ? (precision < 1 ? 0 : precision - 1) : precision;
        (void)snprintf(digits, sizeof digits, d->conversion == 'E' ? "%.*E" : "%.*e", behind,
                       fabs(f));
    }
    put_number(out, d, minus, digits);
    return true;
}

static bool put_time(th_fn_call *call, th_buf *out, const directive *d, const th_type *type,
                     const th_value *v)
{
    static const struct {
        char letter;
        const char *pattern; /* of format_datetime */
    } patterns[] = {{'A', "EEEE"},     {'a', "EEE"},   {'B', "MMMM"},    {'b', "MMM"},
                    {'h', "MMM"},      {'Y', "yyyy"},  {'y', "yy"},      {'m', "MM"},
                    {'d', "dd"},       {'e', "d"},     {'H', "HH"},      {'I', "hh"},
                    {'k', "H"},        {'l', "h"},     {'M', "mm"},      {'S', "ss"},
                    {'L', "SSS"},      {'p', "a"},     {'j', "DDD"},     {'F', "yyyy-MM-dd"},
                    {'T', "HH:mm:ss"}, {'R', "HH:mm"}, {'D', "MM/dd/yy"}};
    const char *pattern = NULL;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (patterns[i].letter == d->time) pattern = patterns[i].pattern;
    if (pattern == NULL ||
        (type->kind != TH_DATE && type->kind != TH_TIMESTAMP && type->kind != TH_TIMESTAMP_TZ))
        return false;
    th_value args[2] = {*v, fn_text(th_slice_text(pattern))}, text = {0};
    const th_type *types[2] = {type, &th_type_varchar};
    void *state = NULL;
    th_buf scratch;
    th_buf_init(&scratch, 4096);
    th_fn_call sub = *call;
    sub.arg_types = types;
    sub.arg_count = 2;
    sub.state = &state;
    sub.scratch = &scratch;
    bool ok = fn_format_datetime(&sub, args, &text) == TH_OK;
    if (ok) put_text(out, d, text.s, d->conversion == 'T');
    th_buf_free(&scratch);
    return ok;
}

/* %s and %b: any value as text; doubles as Java writes them. */
static th_err put_any(th_fn_call *call, th_buf *out, const directive *d, const th_type *type,
                      const th_value *v)
{
    bool upper = isupper((unsigned char)d->conversion) != 0;
    char text[64];
    th_value as_text = {0};
    if (v->null || d->conversion == 'b' || d->conversion == 'B') {
        bool truth = !v->null && (type->kind != TH_BOOLEAN || v->i != 0);
        bool b = d->conversion == 'b' || d->conversion == 'B';
        put_text(out, d, b ? (truth ? TH_SLICE("true") : TH_SLICE("false")) : TH_SLICE("null"),
                 upper);
        return TH_OK;
    }
    if (type->kind == TH_DOUBLE || type->kind == TH_REAL) {
        th_buf b = {.bytes = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text - 1};
        th_double_print(&b, v->f, type->kind == TH_REAL);
        put_text(out, d, th_buf_slice(&b), upper);
        return TH_OK;
    }
    th_buf scratch;
    th_buf_init(&scratch, UINT32_MAX);
    th_fn_call sub = *call;
    sub.scratch = &scratch;
    th_err err = th_cast_value(&sub, type, &th_type_varchar, v, &as_text);
    if (err == TH_OK) put_text(out, d, as_text.s, upper);
    th_buf_free(&scratch);
    return err;
}

static th_err put_directive(th_fn_call *call, th_buf *out, th_slice pattern, const directive *d,
                            const th_type *type, const th_value *v)
{
    bool ok;
    switch (d->conversion) {
    case 's':
    case 'S':
    case 'b':
    case 'B': return put_any(call, out, d, type, v);
    case 'd':
    case 'x':
    case 'X':
    case 'o':
        if (v->null) return put_any(call, out, d, type, v);
        ok = put_integer(out, d, type, v);
        break;
    case 'f':
    case 'e':
    case 'E':
    case 'g':
        if (v->null) return put_any(call, out, d, type, v);
        ok = put_fraction(out, d, type, v);
        break;
    case 't':
    case 'T':
        if (v->null) return put_any(call, out, d, type, v);
        ok = put_time(call, out, d, type, v);
        break;
    case 'c': {
        uint8_t bytes[4];
        ok = !v->null && th_type_is_integer(type) && v->i >= 0 && v->i <= 0x10FFFF;
        if (ok) put_text(out, d, th_slice_of(bytes, th_utf8_put((uint32_t)v->i, bytes)), false);
        break;
    }
    default: return invalid(call, pattern, "there is no such conversion");
    }
    return ok ? TH_OK : invalid(call, pattern, "a conversion does not take its argument");
}

static th_err put_pattern(th_fn_call *call, th_buf *out, const th_value *args)
{
    th_slice s = args[0].s;
    uint32_t next = 1, last = 0;
    for (size_t at = 0; at < s.size;) {
        directive d;
        if (s.bytes[at] != '%') {
            th_buf_add_byte(out, s.bytes[at++]);
            continue;
        }
        at++;
        if (at < s.size && s.bytes[at] == '<' && last > 0) {
            at++;
            if (!read_directive(s, &at, &d)) return invalid(call, s, "a conversion does not end");
            d.arg = last;
        } else if (!read_directive(s, &at, &d)) {
            return invalid(call, s, "a conversion does not end");
        }
        if (d.conversion == '%' || d.conversion == 'n') {
            put_text(out, &d, d.conversion == 'n' ? TH_SLICE("\n") : TH_SLICE("%"), false);
            continue;
        }
        last = d.arg > 0 ? d.arg : next++;
        if (last >= call->arg_count) return invalid(call, s, "an argument is missing");
        TH_TRY(put_directive(call, out, s, &d, call->arg_types[last], &args[last]));
    }
    return TH_OK;
}

th_err fn_format(th_fn_call *call, const th_value *args, th_value *out)
{
    th_buf b;
    if (args[0].null) {
        out->null = true;
        return TH_OK;
    }
    th_buf_init(&b, 16u << 20);
    th_err err = put_pattern(call, &b, args);
    if (err == TH_OK && th_buf_error(&b) != TH_OK) err = fn_memory(call);
    if (err == TH_OK) err = fn_copy(call, th_buf_slice(&b), out);
    th_buf_free(&b);
    return err;
}
