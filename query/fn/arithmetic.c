/* SPDX-License-Identifier: Apache-2.0
 * + - * / % and negation of integers, doubles and decimals, with Trino's decimal types. */
#include <math.h>

#include "query/fn/call.h"
#include "query/fn/families.h"
#include "query/type/number.h"

static th_err overflow(th_fn_call *call, const char *what, int64_t a, int64_t b)
{
    static const char *const names[] = {[TH_TINYINT] = "tinyint",
                                        [TH_SMALLINT] = "smallint",
                                        [TH_INTEGER] = "integer",
                                        [TH_BIGINT] = "bigint"};
    const char *op = what[0] == 'a' ? "+" : what[0] == 's' ? "-" : "*";
    return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "%s %s overflow: %lld %s %lld",
                   names[call->type->kind], what, (long long)a, op, (long long)b);
}

static bool fits(th_type_kind kind, int64_t v)
{
    switch (kind) {
    case TH_TINYINT: return v >= INT8_MIN && v <= INT8_MAX;
    case TH_SMALLINT: return v >= INT16_MIN && v <= INT16_MAX;
    case TH_INTEGER: return v >= INT32_MIN && v <= INT32_MAX;
    default: return true;
    }
}

th_err fn_add_int(th_fn_call *call, const th_value *args, th_value *out)
{
    if (__builtin_add_overflow(args[0].i, args[1].i, &out->i) || !fits(call->type->kind, out->i))
        return overflow(call, "addition", args[0].i, args[1].i);
    return TH_OK;
}

th_err fn_sub_int(th_fn_call *call, const th_value *args, th_value *out)
{
    if (__builtin_sub_overflow(args[0].i, args[1].i, &out->i) || !fits(call->type->kind, out->i))
        return overflow(call, "subtraction", args[0].i, args[1].i);
    return TH_OK;
}

th_err fn_mul_int(th_fn_call *call, const th_value *args, th_value *out)
{
    if (__builtin_mul_overflow(args[0].i, args[1].i, &out->i) || !fits(call->type->kind, out->i))
        return overflow(call, "multiplication", args[0].i, args[1].i);
    return TH_OK;
}

th_err fn_div_int(th_fn_call *call, const th_value *args, th_value *out)
{
    if (args[1].i == 0) return fn_fail(call, "DIVISION_BY_ZERO", "Division by zero");
    if (args[1].i == -1) {
        if (__builtin_sub_overflow(0, args[0].i, &out->i) || !fits(call->type->kind, out->i))
            return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "division overflow: %lld / -1",
                           (long long)args[0].i);
        return TH_OK;
    }
    out->i = args[0].i / args[1].i;
    return TH_OK;
}

th_err fn_mod_int(th_fn_call *call, const th_value *args, th_value *out)
{
    if (args[1].i == 0) return fn_fail(call, "DIVISION_BY_ZERO", "Division by zero");
    out->i = args[1].i == -1 ? 0 : args[0].i % args[1].i;
    return TH_OK;
}

th_err fn_neg_int(th_fn_call *call, const th_value *args, th_value *out)
{
    if (__builtin_sub_overflow(0, args[0].i, &out->i) || !fits(call->type->kind, out->i))
        return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "negation overflow: %lld",
                       (long long)args[0].i);
    return TH_OK;
}

/* Plain loop over one or two arrays; overflow anywhere leaves it to the row twin, which knows the place. */
#define INT_KERNEL(name, builtin)                                                              \
    bool name(th_fn_call *call, const th_vector *const *args, uint32_t rows, void *data)       \
    {                                                                                          \
        const int64_t *a = args[0]->data.i64, *b = args[1]->data.i64;                          \
        uint32_t sa = args[0]->form == TH_FLAT, sb = args[1]->form == TH_FLAT;                 \
        int64_t *out = data;                                                                   \
        bool bad = false;                                                                      \
        if (call->type->kind != TH_BIGINT || args[0]->valid != NULL || args[1]->valid != NULL) \
            return false;                                                                      \
        for (uint32_t i = 0; i < rows; i++) bad |= builtin(a[i * sa], b[i * sb], &out[i]);     \
        return !bad;                                                                           \
    }
INT_KERNEL(fn_add_int_many, __builtin_add_overflow)
INT_KERNEL(fn_sub_int_many, __builtin_sub_overflow)
INT_KERNEL(fn_mul_int_many, __builtin_mul_overflow)

static th_err give(th_fn_call *call, double v, th_value *out)
{
    out->f = call->type->kind == TH_REAL ? th_real_of(v) : v;
    return TH_OK;
}

th_err fn_add_double(th_fn_call *call, const th_value *args, th_value *out)
{
    return give(call, args[0].f + args[1].f, out);
}

th_err fn_sub_double(th_fn_call *call, const th_value *args, th_value *out)
{
    return give(call, args[0].f - args[1].f, out);
}

th_err fn_mul_double(th_fn_call *call, const th_value *args, th_value *out)
{
    return give(call, args[0].f * args[1].f, out);
}

th_err fn_div_double(th_fn_call *call, const th_value *args, th_value *out)
{
    return give(call, args[0].f / args[1].f, out);
}

th_err fn_mod_double(th_fn_call *call, const th_value *args, th_value *out)
{
    return give(call, fmod(args[0].f, args[1].f), out);
}

th_err fn_neg_double(th_fn_call *call, const th_value *args, th_value *out)
{
    return give(call, -args[0].f, out);
}

/* Decimals: p1, s1 and p2, s2 give the result's precision and scale. */
typedef struct decimal_args {
    uint32_t p1, s1, p2, s2;
} decimal_args;

static decimal_args args_of(const th_type *const *types)
{
    return (decimal_args){types[0]->precision, types[0]->scale, types[1]->precision,
                          types[1]->scale};
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Of more than 38 digits the fraction gives way to the whole part, down to six digits of it. */
static const th_type *result_decimal(th_arena *arena, uint32_t whole, uint32_t carry,
                                     uint32_t scale)
{
    if (whole + carry + scale <= 38) return th_type_decimal(arena, whole + carry + scale, scale);
    uint32_t room = whole < 38 ? 38 - whole : 0, least = scale < 6 ? scale : 6;
    return th_type_decimal(arena, 38, scale < room ? scale : max_u32(room, least));
}

const th_type *fn_add_decimal_type(th_arena *arena, const th_type **params, uint32_t count)
{
    decimal_args d = args_of(params);
    (void)count;
    return result_decimal(arena, max_u32(d.p1 - d.s1, d.p2 - d.s2), 1, max_u32(d.s1, d.s2));
}

const th_type *fn_mul_decimal_type(th_arena *arena, const th_type **params, uint32_t count)
{
    decimal_args d = args_of(params);
    (void)count;
    return result_decimal(arena, d.p1 - d.s1 + d.p2 - d.s2, 0, d.s1 + d.s2);
}

const th_type *fn_div_decimal_type(th_arena *arena, const th_type **params, uint32_t count)
{
    decimal_args d = args_of(params);
    (void)count;
    return result_decimal(arena, d.p1 - d.s1 + d.s2, 0, max_u32(6, d.s1 + d.p2 + 1));
}

const th_type *fn_mod_decimal_type(th_arena *arena, const th_type **params, uint32_t count)
{
    decimal_args d = args_of(params);
    (void)count;
    uint32_t scale = max_u32(d.s1, d.s2), whole1 = d.p1 - d.s1, whole2 = d.p2 - d.s2;
    return result_decimal(arena, whole1 < whole2 ? whole1 : whole2, 0, scale);
}

static th_err decimal_overflow(th_fn_call *call)
{
    return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow");
}

/* Both arguments at the larger scale. False: over 38 digits. */
static bool align(const th_fn_call *call, const th_value *args, th_i128 *a, th_i128 *b)
{
    decimal_args d = args_of(call->arg_types);
    uint32_t scale = max_u32(d.s1, d.s2);
    return !__builtin_mul_overflow(args[0].d, th_pow10(scale - d.s1), a) &&
           !__builtin_mul_overflow(args[1].d, th_pow10(scale - d.s2), b);
}

/* Both at the larger scale, which 128 bits must hold, then at the scale of the result. */
static th_err add_decimal(th_fn_call *call, th_i128 a, th_i128 b, th_value *out)
{
    decimal_args d = args_of(call->arg_types);
    uint32_t scale = max_u32(d.s1, d.s2);
    bool ok = !__builtin_mul_overflow(a, th_pow10(scale - d.s1), &a) &&
              !__builtin_mul_overflow(b, th_pow10(scale - d.s2), &b) &&
              !__builtin_add_overflow(a, b, &a) &&
              th_decimal_rescale(a, scale, call->type->scale, &out->d) &&
              th_decimal_fits(out->d, 38);
    return ok ? TH_OK : decimal_overflow(call);
}

th_err fn_add_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    return add_decimal(call, args[0].d, args[1].d, out);
}

th_err fn_sub_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    return add_decimal(call, args[0].d, -args[1].d, out);
}

th_err fn_mul_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    decimal_args d = args_of(call->arg_types);
    bool ok = th_decimal_multiply(args[0].d, args[1].d, d.s1 + d.s2 - call->type->scale, &out->d);
    return ok ? TH_OK : decimal_overflow(call);
}

th_err fn_div_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    decimal_args d = args_of(call->arg_types);
    if (args[1].d == 0) return fn_fail(call, "DIVISION_BY_ZERO", "Division by zero");
    uint32_t shift = call->type->scale + d.s2 - d.s1; /* never below 0: see result_decimal */
    bool ok = shift <= 38 && th_decimal_divide(args[0].d, shift, args[1].d, &out->d);
    return ok ? TH_OK : decimal_overflow(call);
}

th_err fn_mod_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    decimal_args d = args_of(call->arg_types);
    th_i128 a, b;
    if (args[1].d == 0) return fn_fail(call, "DIVISION_BY_ZERO", "Division by zero");
    if (align(call, args, &a, &b)) {
        out->d = a % b;
        return TH_OK;
    }
    if (d.s1 >= d.s2) { /* the divisor is out of reach: it is larger than any dividend */
        out->d = args[0].d;
        return TH_OK;
    }
    th_i128 rest = args[0].d; /* (a * 10^k) mod b, digit by digit */
    for (uint32_t k = d.s2 - d.s1; k > 0; k--) {
        rest %= args[1].d;
        if (__builtin_mul_overflow(rest, 10, &rest)) return decimal_overflow(call);
    }
    out->d = rest % args[1].d;
    return TH_OK;
}

th_err fn_neg_decimal(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->d = -args[0].d;
    return TH_OK;
}
