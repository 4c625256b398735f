/* SPDX-License-Identifier: Apache-2.0
 * Comparison operators for every comparable type, with kernels for 64-bit numbers and text. */
#include <math.h>

#include "query/fn/call.h"
#include "query/fn/families.h"

th_err fn_eq(th_fn_call *call, const th_value *args, th_value *out)
{
    int e = th_value_equal3(call->arg_types[0], &args[0], &args[1]);
    out->null = e < 0;
    out->i = e;
    return TH_OK;
}

th_err fn_ne(th_fn_call *call, const th_value *args, th_value *out)
{
    int e = th_value_equal3(call->arg_types[0], &args[0], &args[1]);
    out->null = e < 0;
    out->i = e == 0;
    return TH_OK;
}

th_err fn_is_distinct(th_fn_call *call, const th_value *args, th_value *out)
{
    out->i = !th_value_same(call->arg_types[0], &args[0], &args[1]);
    return TH_OK;
}

static bool has_nan(const th_type *type, const th_value *args)
{
    return (type->kind == TH_DOUBLE || type->kind == TH_REAL) &&
           (isnan(args[0].f) || isnan(args[1].f));
}

/* A NULL inside an array or row leaves the order undecided. */
static bool has_null(const th_type *type, const th_value *v)
{
    th_value x;
    if (type->kind != TH_ROW && type->kind != TH_ARRAY) return false;
    uint32_t n = type->kind == TH_ROW ? type->child_count : th_value_size(v);
    for (uint32_t i = 0; i < n; i++) {
        if (type->kind == TH_ROW)
            th_value_field(v, i, &x);
        else
            th_value_element(v, 0, i, &x);
        if (x.null || has_null(type->children[type->kind == TH_ROW ? i : 0], &x)) return true;
    }
    return false;
}

static th_err order(th_fn_call *call, const th_value *args, bool less, bool equal, bool greater,
                    th_value *out)
{
    const th_type *type = call->arg_types[0];
    if (type->kind == TH_ARRAY && (has_null(type, &args[0]) || has_null(type, &args[1])))
        return fn_fail(call, "NOT_SUPPORTED",
                       "ARRAY comparison not supported for arrays with null elements");
    if (type->kind == TH_ROW && (has_null(type, &args[0]) || has_null(type, &args[1]))) {
        out->null = true;
        return TH_OK;
    }
    if (has_nan(type, args)) return TH_OK;
    int c = th_value_compare(type, &args[0], &args[1]);
    out->i = c < 0 ? less : c > 0 ? greater : equal;
    return TH_OK;
}

th_err fn_lt(th_fn_call *call, const th_value *args, th_value *out)
{
    return order(call, args, true, false, false, out);
}

th_err fn_le(th_fn_call *call, const th_value *args, th_value *out)
{
    return order(call, args, true, true, false, out);
}

th_err fn_gt(th_fn_call *call, const th_value *args, th_value *out)
{
    return order(call, args, false, false, true, out);
}

th_err fn_ge(th_fn_call *call, const th_value *args, th_value *out)
{
    return order(call, args, false, true, true, out);
}

static bool is_i64(const th_type *type)
{
    return th_type_is_integer(type) || type->kind == TH_DATE ||
           ((type->kind == TH_TIMESTAMP || type->kind == TH_TIMESTAMP_TZ) && type->precision <= 6);
}

/* Comparisons never fail, so NULL slots may be computed and thrown away. */
#define COMPARE_KERNEL(name, op)                                                         \
    bool name(th_fn_call *call, const th_vector *const *args, uint32_t rows, void *data) \
    {                                                                                    \
        uint32_t sa = args[0]->form == TH_FLAT, sb = args[1]->form == TH_FLAT;           \
        uint8_t *out = data;                                                             \
        if (call->arg_types[0]->kind == TH_DOUBLE) {                                     \
            const double *x = args[0]->data.f64, *y = args[1]->data.f64;                 \
            for (uint32_t i = 0; i < rows; i++) out[i] = x[i * sa] op y[i * sb];         \
            return true;                                                                 \
        }                                                                                \
        if (call->arg_types[0]->kind == TH_VARCHAR) {                                    \
            const th_slice *x = args[0]->data.str, *y = args[1]->data.str;               \
            for (uint32_t i = 0; i < rows; i++)                                          \
                out[i] = th_slice_compare(x[i * sa], y[i * sb]) op 0;                    \
            return true;                                                                 \
        }                                                                                \
        if (!is_i64(call->arg_types[0])) return false;                                   \
        const int64_t *a = args[0]->data.i64, *b = args[1]->data.i64;                    \
        for (uint32_t i = 0; i < rows; i++) out[i] = a[i * sa] op b[i * sb];             \
        return true;                                                                     \
    }
COMPARE_KERNEL(fn_eq_many, ==)
COMPARE_KERNEL(fn_ne_many, !=)
COMPARE_KERNEL(fn_lt_many, <)
COMPARE_KERNEL(fn_le_many, <=)
COMPARE_KERNEL(fn_gt_many, >)
COMPARE_KERNEL(fn_ge_many, >=)

static th_err extreme(th_fn_call *call, const th_value *args, bool greatest, th_value *out)
{
    *out = args[0];
    for (uint32_t i = 1; i < call->arg_count; i++) {
        if (greatest ? th_value_compare_unordered_first(call->type, &args[i], out) > 0
                     : th_value_compare(call->type, &args[i], out) < 0)
            *out = args[i];
    }
    return TH_OK;
}

th_err fn_greatest(th_fn_call *call, const th_value *args, th_value *out)
{
    return extreme(call, args, true, out);
}

th_err fn_least(th_fn_call *call, const th_value *args, th_value *out)
{
    return extreme(call, args, false, out);
}
