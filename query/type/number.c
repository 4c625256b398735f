/* SPDX-License-Identifier: Apache-2.0
 * Doubles and decimals as text, and wide decimal arithmetic (query/type/number.h). */
#include "query/type/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double th_real_of(double v)
{
    return (double)(float)v;
}

/* Shortest digits that read back equal: "d.ddd" without point into digits, decimal exponent of the first digit. */
static int shortest(double v, bool real, char digits[24], int *exponent)
{
    char text[40];
    int start = real           ? (v < 1.2e-38 ? 2 : 6)
                : v < 2.3e-308 ? 2
                               : 15; /* subnormal numbers need fewer digits */
    for (int n = start;; n++) {
        (void)snprintf(text, sizeof text, "%.*e", n - 1, v);
        bool last = n == (real ? 9 : 17);
        if (last || (real ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)) break;
    }
    int count = 0;
    char *p = text;
    for (; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') digits[count++] = *p;
    *exponent = (int)strtol(p + 1, NULL, 10);
    while (count > 1 && digits[count - 1] == '0') count--;
    return count;
}

static bool print_special(th_buf *out, double v)
{
    if (isnan(v)) {
        th_buf_add_text(out, "NaN");
        return true;
    }
    if (signbit(v)) th_buf_add_byte(out, '-');
    if (!isinf(v)) return false;
    th_buf_add_text(out, "Infinity");
    return true;
}

static void print_scientific(th_buf *out, const char *digits, int count, int exponent)
{
    th_buf_add_byte(out, (uint8_t)digits[0]);
    th_buf_add_byte(out, '.');
    if (count == 1)
        th_buf_add_byte(out, '0');
    else
        th_buf_add(out, digits + 1, (size_t)count - 1);
    th_buf_printf(out, "E%d", exponent);
}

void th_double_print_cast(th_buf *out, double v, bool real)
{
    char digits[24];
    int exponent;
    if (print_special(out, v)) return;
    if (v == 0) {
        th_buf_add_text(out, "0E0");
        return;
    }
    int count = shortest(fabs(v), real, digits, &exponent);
    print_scientific(out, digits, count, exponent);
}

void th_double_print(th_buf *out, double v, bool real)
{
    char digits[24];
    int exponent;
    if (print_special(out, v)) return;
    if (v == 0) {
        th_buf_add_text(out, "0.0");
        return;
    }
    int count = shortest(fabs(v), real, digits, &exponent);
    if (exponent < -3 || exponent >= 7) {
        print_scientific(out, digits, count, exponent);
        return;
    }
    if (exponent < 0) {
        th_buf_add_text(out, "0.");
        for (int i = -1; i > exponent; i--) th_buf_add_byte(out, '0');
        th_buf_add(out, digits, (size_t)count);
        return;
    }
    for (int i = 0; i <= exponent || i < count; i++) {
        if (i == exponent + 1) th_buf_add_byte(out, '.');
        th_buf_add_byte(out, i < count ? (uint8_t)digits[i] : '0');
    }
    if (count <= exponent + 1) th_buf_add_text(out, ".0");
}

static th_slice trim(th_slice s)
{
    while (s.size > 0 && s.bytes[0] <= ' ') {
        s.bytes++;
        s.size--;
    }
    while (s.size > 0 && s.bytes[s.size - 1] <= ' ') s.size--;
    return s;
}

/* Only digits, one point, one exponent: what strtod would take beyond that (hex, nan(..)) is refused. */
static bool is_plain_number(th_slice s)
{
    size_t i = 0, digits = 0;
    if (i < s.size && (s.bytes[i] == '+' || s.bytes[i] == '-')) i++;
    for (; i < s.size && s.bytes[i] >= '0' && s.bytes[i] <= '9'; i++) digits++;
    if (i < s.size && s.bytes[i] == '.')
        for (i++; i < s.size && s.bytes[i] >= '0' && s.bytes[i] <= '9'; i++) digits++;
    if (digits == 0) return false;
    if (i < s.size && (s.bytes[i] == 'e' || s.bytes[i] == 'E')) {
        i++;
        if (i < s.size && (s.bytes[i] == '+' || s.bytes[i] == '-')) i++;
        size_t from = i;
        while (i < s.size && s.bytes[i] >= '0' && s.bytes[i] <= '9') i++;
        if (i == from) return false;
    }
    return i == s.size;
}

bool th_double_parse(th_slice s, double *out)
{
    char small[64];
    s = trim(s);
    th_slice word = s;
    bool minus = s.size > 0 && s.bytes[0] == '-';
    if (s.size > 0 && (s.bytes[0] == '+' || minus)) word = th_slice_of(s.bytes + 1, s.size - 1);
    if (th_slice_is(word, "NaN")) {
        *out = NAN;
        return true;
    }
    if (th_slice_is(word, "Infinity")) {
        *out = minus ? -INFINITY : INFINITY;
        return true;
    }
    uint8_t last = s.size > 0 ? s.bytes[s.size - 1] | 0x20 : 0;
    if (last == 'f' || last == 'd') s.size--; /* as Java spells the type of a number */
    if (s.size >= 1024 || !is_plain_number(s)) return false;
    char *text = s.size < sizeof small ? small : malloc(s.size + 1);
    if (text == NULL) return false;
    memcpy(text, s.bytes, s.size);
    text[s.size] = 0;
    *out = strtod(text, NULL);
    if (text != small) free(text);
    return true;
}

th_i128 th_pow10(uint32_t exponent)
{
    th_i128 v = 1;
    while (exponent-- > 0) v *= 10;
    return v;
}

bool th_decimal_fits(th_i128 v, uint32_t precision)
{
    th_i128 bound = th_pow10(precision);
    return v < bound && v > -bound;
}

bool th_decimal_parse(th_slice s, th_i128 *out, uint32_t *precision, uint32_t *scale)
{
    th_i128 v = 0;
    uint32_t digits = 0, fraction = 0;
    int64_t exponent = 0;
    bool minus = false, any = false, point = false;
    size_t i = 0;
    s = trim(s);
    if (i < s.size && (s.bytes[i] == '+' || s.bytes[i] == '-')) minus = s.bytes[i++] == '-';
    for (; i < s.size; i++) {
        uint8_t c = s.bytes[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') break;
        any = true;
        if (digits > 0 || c != '0') digits++;
        if (digits > TH_DECIMAL_DIGITS_MAX) return false;
        v = v * 10 + (c - '0');
        fraction += point;
    }
    if (!any) return false;
    if (i < s.size && (s.bytes[i] == 'e' || s.bytes[i] == 'E')) {
        th_slice e = th_slice_of(s.bytes + i + 1, s.size - i - 1);
        if (e.size > 0 && e.bytes[0] == '+') e = th_slice_of(e.bytes + 1, e.size - 1);
        if (!th_slice_to_i64(e, &exponent) || exponent > 100 || exponent < -100) return false;
        i = s.size;
    }
    if (i < s.size) return false;
    int64_t new_scale = (int64_t)fraction - exponent;
    for (; new_scale < 0; new_scale++) {
        if (v != 0 && ++digits > TH_DECIMAL_DIGITS_MAX) return false;
        v *= 10;
    }
    if (new_scale > TH_DECIMAL_DIGITS_MAX) return false;
    *scale = (uint32_t)new_scale;
    *precision = digits > *scale ? digits : *scale > 0 ? *scale : 1;
    *out = minus ? -v : v;
    return true;
}

void th_decimal_print(th_buf *out, th_i128 v, uint32_t scale)
{
    char text[48];
    int at = (int)sizeof text;
    uint32_t digits = 0;
    unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    while (u > 0 || digits <= scale) {
        if (digits == scale && scale > 0) text[--at] = '.';
        text[--at] = (char)('0' + (int)(u % 10));
        u /= 10;
        digits++;
    }
    if (v < 0) text[--at] = '-';
    th_buf_add(out, text + at, sizeof text - (size_t)at);
}

bool th_decimal_rescale(th_i128 v, uint32_t from, uint32_t to, th_i128 *out)
{
    if (to >= from) {
        th_i128 r;
        if (to - from > TH_DECIMAL_DIGITS_MAX) return v == 0 ? (*out = 0, true) : false;
        if (__builtin_mul_overflow(v, th_pow10(to - from), &r)) return false;
        *out = r;
        return th_decimal_fits(r, TH_DECIMAL_DIGITS_MAX);
    }
    th_i128 p = th_pow10(from - to), q = v / p, r = v % p;
    if (r < 0) r = -r;
    if (r >= p - r) q += v < 0 ? -1 : 1;
    *out = q;
    return true;
}

typedef struct u256 {
    unsigned __int128 hi, lo;
} u256;

static u256 wide_multiply(unsigned __int128 a, unsigned __int128 b)
{
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    unsigned __int128 p00 = (unsigned __int128)a0 * b0, p01 = (unsigned __int128)a0 * b1;
    unsigned __int128 p10 = (unsigned __int128)a1 * b0, p11 = (unsigned __int128)a1 * b1;
    unsigned __int128 mid = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10;
    return (u256){p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64), (mid << 64) | (uint64_t)p00};
}

/* Quotient of 256 by 128 bits and its remainder; false when the quotient needs more than 128 bits. */
static bool wide_divide(u256 n, unsigned __int128 d, unsigned __int128 *quotient,
                        unsigned __int128 *remainder)
{
    unsigned __int128 r = n.hi, q = 0;
    if (r >= d) return false;
    for (int i = 127; i >= 0; i--) {
        bool carry = (r >> 127) != 0;
        r = (r << 1) | ((n.lo >> i) & 1);
        q <<= 1;
        if (carry || r >= d) {
            r -= d;
            q |= 1;
        }
    }
    *quotient = q;
    *remainder = r;
    return true;
}

bool th_decimal_divide(th_i128 a, uint32_t shift, th_i128 b, th_i128 *out)
{
    bool minus = (a < 0) != (b < 0);
    unsigned __int128 ua = a < 0 ? -(unsigned __int128)a : (unsigned __int128)a;
    unsigned __int128 ub = b < 0 ? -(unsigned __int128)b : (unsigned __int128)b;
    unsigned __int128 q, r;
    if (ua == 0) {
        *out = 0;
        return true;
    }
    while (shift > TH_DECIMAL_DIGITS_MAX) { /* 10^shift itself must fit 128 bits */
        if (ua > ((unsigned __int128)-1) / 10) return false;
        ua *= 10;
        shift--;
    }
    if (!wide_divide(wide_multiply(ua, (unsigned __int128)th_pow10(shift)), ub, &q, &r))
        return false;
    if (r >= ub - r) q++;
    if (q >= (unsigned __int128)th_pow10(TH_DECIMAL_DIGITS_MAX)) return false;
    *out = minus ? -(th_i128)q : (th_i128)q;
    return true;
}

/* n / 10^drop, rounded half away from zero, with a sign. False: over 38 digits. */
static bool wide_shorten(u256 n, uint32_t drop, bool minus, th_i128 *out)
{
    unsigned __int128 d = (unsigned __int128)th_pow10(drop), q, r;
    if (!wide_divide(n, d, &q, &r)) return false;
    if (r >= d - r) q++;
    if (q >= (unsigned __int128)th_pow10(TH_DECIMAL_DIGITS_MAX)) return false;
    *out = minus ? -(th_i128)q : (th_i128)q;
    return true;
}

static unsigned __int128 magnitude(th_i128 v)
{
    return v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
}

bool th_decimal_multiply(th_i128 a, th_i128 b, uint32_t drop, th_i128 *out)
{
    return wide_shorten(wide_multiply(magnitude(a), magnitude(b)), drop, (a < 0) != (b < 0), out);
}

double th_decimal_to_double(th_i128 v, uint32_t scale)
{
    uint8_t text[64];
    th_buf b = {.bytes = text, .capacity = sizeof text, .limit = sizeof text};
    double d = 0;
    if (v < (INT64_C(1) << 53) && v > -(INT64_C(1) << 53) && scale <= 22)
        return (double)v / (double)th_pow10(scale);
    th_decimal_print(&b, v, scale);
    (void)th_double_parse(th_slice_of(text, b.size), &d);
    return d;
}

bool th_decimal_from_double(double v, bool real, uint32_t precision, uint32_t scale, th_i128 *out)
{
    /* from the shortest digits that name the number, not from its exact binary value */
    char text[64];
    th_buf b = {.bytes = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text - 1};
    th_i128 digits = 0;
    int64_t exponent = 0;
    if (isnan(v) || isinf(v) || fabs(v) >= 1e38) return false;
    th_double_print(&b, fabs(v), real);
    for (size_t i = 0, point = SIZE_MAX; i < b.size; i++) {
        if (text[i] == '.') {
            point = i;
        } else if (text[i] == 'E') {
            exponent += strtol(text + i + 1, NULL, 10);
            break;
        } else {
            digits = digits * 10 + (text[i] - '0');
            exponent -= point != SIZE_MAX;
        }
    }
    exponent += scale;
    if (exponent >= 0) {
        if (exponent > TH_DECIMAL_DIGITS_MAX && digits != 0) return false;
        if (digits == 0) exponent = 0;
        if (__builtin_mul_overflow(digits, th_pow10((uint32_t)exponent), &digits)) return false;
    } else if (exponent < -TH_DECIMAL_DIGITS_MAX) {
        digits = 0;
    } else {
        (void)th_decimal_rescale(digits, (uint32_t)-exponent, 0, &digits);
    }
    *out = v < 0 ? -digits : digits;
    return th_decimal_fits(digits, precision);
}
