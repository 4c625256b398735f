/* SPDX-License-Identifier: Apache-2.0
 * Mathematics: rounding, powers, logarithms, trigonometry, bits, random numbers. */
#include <math.h>
#include <sys/random.h>

#include "query/fn/call.h"
#include "query/fn/families.h"
#include "query/type/number.h"

#define MATH_1(name, expression)                                       \
    th_err name(th_fn_call *call, const th_value *args, th_value *out) \
    {                                                                  \
        double x = args[0].f;                                          \
        (void)call;                                                    \
        out->f = (expression);                                         \
        return TH_OK;                                                  \
    }
MATH_1(fn_sqrt, sqrt(x))
MATH_1(fn_cbrt, cbrt(x))
MATH_1(fn_ln, log(x))
MATH_1(fn_log2, log2(x))
MATH_1(fn_log10, log10(x))
MATH_1(fn_exp, exp(x))
MATH_1(fn_sin, sin(x))
MATH_1(fn_cos, cos(x))
MATH_1(fn_tan, tan(x))
MATH_1(fn_asin, asin(x))
MATH_1(fn_acos, acos(x))
MATH_1(fn_atan, atan(x))
MATH_1(fn_sinh, sinh(x))
MATH_1(fn_cosh, cosh(x))
MATH_1(fn_tanh, tanh(x))
MATH_1(fn_degrees, x * 180.0 / M_PI)
MATH_1(fn_radians, x / 180.0 * M_PI)
MATH_1(fn_abs_double, fabs(x))
MATH_1(fn_ceil_double, ceil(x))
MATH_1(fn_floor_double, floor(x))
MATH_1(fn_truncate_double, trunc(x))
MATH_1(fn_sign_double, isnan(x) ? NAN : x == 0 ? x : x > 0 ? 1.0 : -1.0)

th_err fn_is_nan(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = isnan(args[0].f) != 0;
    return TH_OK;
}

th_err fn_is_finite(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = isfinite(args[0].f) != 0;
    return TH_OK;
}

th_err fn_is_infinite(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = isinf(args[0].f) != 0;
    return TH_OK;
}

th_err fn_power(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->f = isnan(args[1].f) || (fabs(args[0].f) == 1 && isinf(args[1].f))
                 ? NAN
                 : pow(args[0].f, args[1].f);
    return TH_OK;
}

th_err fn_log(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->f = log(args[1].f) / log(args[0].f);
    return TH_OK;
}

th_err fn_atan2(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->f = atan2(args[0].f, args[1].f);
    return TH_OK;
}

static th_err constant(th_value *out, double v)
{
    out->f = v;
    return TH_OK;
}

th_err fn_pi(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    (void)args;
    return constant(out, M_PI);
}

th_err fn_e(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    (void)args;
    return constant(out, M_E);
}

th_err fn_nan(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    (void)args;
    return constant(out, NAN);
}

th_err fn_infinity(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    (void)args;
    return constant(out, INFINITY);
}

th_err fn_abs_int(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t min = call->type->kind == TH_BIGINT     ? INT64_MIN
                  : call->type->kind == TH_INTEGER  ? INT32_MIN
                  : call->type->kind == TH_SMALLINT ? INT16_MIN
                                                    : INT8_MIN;
    if (args[0].i == min)
        return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "Value %lld is out of range for abs",
                       (long long)min);
    out->i = args[0].i < 0 ? -args[0].i : args[0].i;
    return TH_OK;
}

th_err fn_same_int(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = args[0].i;
    return TH_OK;
}

th_err fn_sign_int(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = (args[0].i > 0) - (args[0].i < 0);
    return TH_OK;
}

th_err fn_abs_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->d = args[0].d < 0 ? -args[0].d : args[0].d;
    return TH_OK;
}

th_err fn_sign_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->d = (args[0].d > 0) - (args[0].d < 0);
    return TH_OK;
}

const th_type *fn_sign_decimal_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)params;
    (void)count;
    return th_type_decimal(arena, 1, 0);
}

/* round(decimal) and ceil, floor: no digits after the point, room for a carry. */
const th_type *fn_round_decimal_type(th_arena *arena, const th_type **params, uint32_t count)
{
    const th_type *t = params[0];
    (void)count;
    uint32_t p = t->precision - t->scale + (t->scale > 0 ? 1 : 0);
    return th_type_decimal(arena, p > 38 ? 38 : p < 1 ? 1 : p, 0);
}

const th_type *fn_truncate_decimal_type(th_arena *arena, const th_type **params, uint32_t count)
{
    const th_type *t = params[0];
    (void)count;
    return th_type_decimal(arena, t->precision > t->scale ? t->precision - t->scale : 1, 0);
}

th_err fn_round_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    return th_decimal_rescale(args[0].d, call->arg_types[0]->scale, 0, &out->d)
               ? TH_OK
               : fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "decimal overflow");
}

th_err fn_truncate_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    out->d = args[0].d / th_pow10(call->arg_types[0]->scale);
    return TH_OK;
}

static th_err toward(th_fn_call *call, const th_value *args, int sign, th_value *out)
{
    th_i128 unit = th_pow10(call->arg_types[0]->scale);
    out->d = args[0].d / unit;
    if (args[0].d % unit != 0 && (args[0].d > 0) == (sign > 0)) out->d += sign;
    return TH_OK;
}

th_err fn_ceil_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    return toward(call, args, 1, out);
}

th_err fn_floor_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    return toward(call, args, -1, out);
}

/* round(x, n) keeps the scale but has room for one more digit. */
const th_type *fn_round_decimal_to_type(th_arena *arena, const th_type **params, uint32_t count)
{
    const th_type *t = params[0];
    (void)count;
    uint32_t p = t->precision + 1;
    return th_type_decimal(arena, p > 38 ? 38 : p, t->scale);
}

th_err fn_round_decimal_to(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t scale = call->arg_types[0]->scale, digits = args[1].i;
    out->d = args[0].d;
    if (digits >= scale) return TH_OK;
    int64_t cut = scale - digits;
    if (cut > 38) {
        out->d = 0;
        return TH_OK;
    }
    th_i128 unit = th_pow10((uint32_t)cut), rest = out->d % unit;
    out->d -= rest;
    if (rest < 0) rest = -rest;
    if (rest >= unit - rest) out->d += args[0].d < 0 ? -unit : unit;
    return th_decimal_fits(out->d, 38)
               ? TH_OK
               : fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "decimal overflow");
}

const th_type *fn_truncate_decimal_to_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)arena;
    (void)count;
    return params[0];
}

th_err fn_truncate_decimal_to(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t scale = call->arg_types[0]->scale, digits = args[1].i;
    out->d = args[0].d;
    if (digits >= scale) return TH_OK;
    if (digits < scale - 38)
        out->d = 0;
    else
        out->d -= out->d % th_pow10((uint32_t)(scale - digits));
    return TH_OK;
}

th_err fn_round_double(th_fn_call *call, const th_value *args, th_value *out)
{
    double x = args[0].f;
    int64_t digits = call->arg_count > 1 ? args[1].i : 0;
    out->f = x;
    if (isnan(x) || isinf(x) || digits > 300) return TH_OK;
    if (digits < -300) {
        out->f = 0;
        return TH_OK;
    }
    double factor = pow(10, (double)digits), scaled = x * factor;
    if (isinf(scaled) || fabs(scaled) >= 4503599627370496.0) return TH_OK;
    out->f = round(scaled) / factor;
    if (call->type->kind == TH_REAL) out->f = th_real_of(out->f);
    return TH_OK;
}

th_err fn_truncate_double_to(th_fn_call *call, const th_value *args, th_value *out)
{
    double x = args[0].f, factor = pow(10, (double)args[1].i);
    (void)call;
    out->f = isnan(x) || isinf(x) || isinf(x * factor) ? x : trunc(x * factor) / factor;
    return TH_OK;
}

static th_err out_of_range(th_fn_call *call, int64_t v, int64_t digits)
{
    return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "rounding overflow: round(%lld, %lld)",
                   (long long)v, (long long)digits);
}

th_err fn_round_int(th_fn_call *call, const th_value *args, th_value *out)
{
    th_i128 v = args[0].i, unit;
    int64_t max = call->type->kind == TH_BIGINT     ? INT64_MAX
                  : call->type->kind == TH_INTEGER  ? INT32_MAX
                  : call->type->kind == TH_SMALLINT ? INT16_MAX
                                                    : INT8_MAX;
    int64_t digits = call->arg_count > 1 ? args[1].i : 0;
    out->i = args[0].i;
    if (digits >= 0) return TH_OK;
    if (digits < -19) return out_of_range(call, args[0].i, digits);
    unit = th_pow10((uint32_t)-digits);
    th_i128 rest = v % unit;
    v -= rest;
    if ((rest < 0 ? -rest : rest) * 2 >= unit) v += rest < 0 ? -unit : unit;
    if (v > max || v < -(th_i128)max - 1) return out_of_range(call, args[0].i, digits);
    out->i = (int64_t)v;
    return TH_OK;
}

#define BITS_2(name, expression)                                       \
    th_err name(th_fn_call *call, const th_value *args, th_value *out) \
    {                                                                  \
        int64_t a = args[0].i, b = args[1].i;                          \
        (void)call;                                                    \
        out->i = (expression);                                         \
        return TH_OK;                                                  \
    }
BITS_2(fn_bitwise_and, a &b)
BITS_2(fn_bitwise_or, a | b)
BITS_2(fn_bitwise_xor, a ^ b)

static uint32_t width_of(th_type_kind kind)
{
    return kind == TH_TINYINT ? 8 : kind == TH_SMALLINT ? 16 : kind == TH_INTEGER ? 32 : 64;
}

static int64_t narrow(th_type_kind kind, uint64_t v)
{
    uint32_t width = width_of(kind);
    return width == 64 ? (int64_t)v : (int64_t)(v << (64 - width)) >> (64 - width);
}

th_err fn_bitwise_not(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = ~args[0].i;
    return TH_OK;
}

th_err fn_shift_left(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t width = width_of(call->type->kind);
    if (args[1].i < 0) return fn_bad(call, "Shift must be positive");
    out->i = args[1].i >= width ? 0 : narrow(call->type->kind, (uint64_t)args[0].i << args[1].i);
    return TH_OK;
}

th_err fn_shift_right(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t width = width_of(call->type->kind);
    uint64_t v = (uint64_t)args[0].i & (width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1);
    if (args[1].i < 0) return fn_bad(call, "Shift must be positive");
    out->i = args[1].i >= width ? 0 : narrow(call->type->kind, v >> args[1].i);
    return TH_OK;
}

th_err fn_shift_right_arithmetic(th_fn_call *call, const th_value *args, th_value *out)
{
    if (args[1].i < 0) return fn_bad(call, "Shift must be positive");
    out->i = args[0].i >> (args[1].i > 63 ? 63 : args[1].i);
    return TH_OK;
}

th_err fn_bit_count(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t v = args[0].i, bits = args[1].i;
    if (bits < 2 || bits > 64)
        return fn_bad(call, "Bits specified in bit_count must be between 2 and 64, got %lld",
                      (long long)bits);
    int64_t top = bits == 64 ? INT64_MAX : (INT64_C(1) << (bits - 1)) - 1;
    if (v > top || v < -top - 1)
        return fn_bad(call,
                      "Number must be representable with the bits specified. %lld cannot be "
                      "represented with %lld bits",
                      (long long)v, (long long)bits);
    uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    out->i = __builtin_popcountll((uint64_t)v & mask);
    return TH_OK;
}

static th_err random_bits(th_fn_call *call, uint64_t *out)
{
    if (getrandom(out, sizeof *out, 0) == (ssize_t)sizeof *out) return TH_OK;
    return fn_fail(call, "GENERIC_INTERNAL_ERROR", "The system gave no random bytes");
}

th_err fn_random(th_fn_call *call, const th_value *args, th_value *out)
{
    uint64_t bits;
    (void)args;
    TH_TRY(random_bits(call, &bits));
    out->f = (double)(bits >> 11) * 0x1p-53;
    return TH_OK;
}

th_err fn_random_below(th_fn_call *call, const th_value *args, th_value *out)
{
    uint64_t bits;
    if (args[0].i <= 0) return fn_bad(call, "bound must be positive");
    TH_TRY(random_bits(call, &bits));
    out->i = (int64_t)(bits % (uint64_t)args[0].i);
    return TH_OK;
}

th_err fn_random_between(th_fn_call *call, const th_value *args, th_value *out)
{
    if (args[0].i >= args[1].i) return fn_bad(call, "start value must be less than stop value");
    uint64_t span = (uint64_t)args[1].i - (uint64_t)args[0].i, bits;
    TH_TRY(random_bits(call, &bits));
    out->i = (int64_t)((uint64_t)args[0].i + bits % span);
    return TH_OK;
}

th_err fn_to_base(th_fn_call *call, const th_value *args, th_value *out)
{
    char text[70];
    size_t at = sizeof text;
    int64_t radix = args[1].i;
    uint64_t v = args[0].i < 0 ? -(uint64_t)args[0].i : (uint64_t)args[0].i;
    if (radix < 2 || radix > 36) return fn_bad(call, "Radix must be between 2 and 36");
    do {
        text[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[v % (uint64_t)radix];
        v /= (uint64_t)radix;
    } while (v > 0);
    if (args[0].i < 0) text[--at] = '-';
    return fn_copy(call, th_slice_of(text + at, sizeof text - at), out);
}

th_err fn_from_base(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s;
    int64_t radix = args[1].i;
    bool minus = s.size > 0 && s.bytes[0] == '-', ok = s.size > (minus ? 1u : 0u);
    if (radix < 2 || radix > 36) return fn_bad(call, "Radix must be between 2 and 36");
    for (size_t i = minus; i < s.size && ok; i++) {
        uint8_t c = s.bytes[i] | 0x20;
        int64_t digit = c >= 'a' && c <= 'z'                     ? c - 'a' + 10
                        : s.bytes[i] >= '0' && s.bytes[i] <= '9' ? s.bytes[i] - '0'
                                                                 : 99;
        ok = digit < radix && !__builtin_mul_overflow(out->i, radix, &out->i) &&
             !__builtin_add_overflow(out->i, minus ? -digit : digit, &out->i);
    }
    if (ok) return TH_OK;
    return fn_bad(call, "Not a valid base-%lld number: %.*s", (long long)radix,
                  (int)(s.size > 100 ? 100 : s.size), (const char *)s.bytes);
}

th_err fn_width_bucket(th_fn_call *call, const th_value *args, th_value *out)
{
    double x = args[0].f, low = args[1].f, high = args[2].f;
    int64_t n = args[3].i;
    if (n <= 0) return fn_bad(call, "bucketCount must be greater than 0");
    if (n == INT64_MAX) return fn_bad(call, "bucketCount out of range");
    if (isnan(x)) return fn_bad(call, "operand must not be NaN");
    if (!isfinite(low)) return fn_bad(call, "first bound must be finite");
    if (!isfinite(high)) return fn_bad(call, "second bound must be finite");
    if (low == high) return fn_bad(call, "bounds cannot equal each other");
    bool down = low > high;
    double from = down ? high : low, to = down ? low : high;
    if (x < from)
        out->i = 0;
    else if (x >= to)
        out->i = n + 1;
    else
        out->i = (int64_t)((double)n * ((x / 2 - from / 2) / (to / 2 - from / 2))) +
                 1; /* halves: no overflow */
    if (down) out->i = n - out->i + 1;
    return TH_OK;
}
