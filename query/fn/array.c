/* SPDX-License-Identifier: Apache-2.0
 * Arrays, maps and rows: construction, access, searching, sorting. Lambdas are in lambda.c. */
#include <stdlib.h>

#include "query/fn/datetime.h"
#include "query/fn/families.h"
#include "query/fn/nested.h"

#define SEQUENCE_MAX 10000

th_err fn_finish_nested(th_fn_call *call, th_builder *b, th_value *out)
{
    th_vector *v = TH_NEW(call->arena, th_vector);
    if (v == NULL || !th_builder_end_nested(b)) return fn_memory(call);
    th_builder_finish(b, v);
    out->n.vector = v;
    out->n.slot = 0;
    return TH_OK;
}

th_err fn_array(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t i = 0; i < call->arg_count; i++)
        if (!th_builder_add(&b.children[0], &args[i])) return fn_memory(call);
    return fn_finish_nested(call, &b, out);
}

th_err fn_row(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t i = 0; i < call->arg_count; i++)
        if (!th_builder_add(&b.children[i], &args[i])) return fn_memory(call);
    return fn_finish_nested(call, &b, out);
}

const th_type *fn_row_type(th_arena *arena, const th_type **params, uint32_t count)
{
    return th_type_row(arena, params, NULL, count);
}

th_err fn_cardinality(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = th_value_size(&args[0]);
    return TH_OK;
}

th_err fn_subscript(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t n = args[1].i, size = th_value_size(&args[0]);
    if (n == 0) return fn_bad(call, "SQL array indices start at 1");
    if (n < 0) return fn_bad(call, "Array subscript is negative: %lld", (long long)n);
    if (n > size)
        return fn_bad(call,
                      "Array subscript must be less than or equal to array length: %lld > %lld",
                      (long long)n, (long long)size);
    th_value_element(&args[0], 0, (uint32_t)n - 1, out);
    return TH_OK;
}

th_err fn_element_at(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t n = args[1].i, size = th_value_size(&args[0]);
    if (n == 0) return fn_bad(call, "SQL array indices start at 1");
    if (n < 0) n += size + 1;
    if (n < 1 || n > size)
        out->null = true;
    else
        th_value_element(&args[0], 0, (uint32_t)n - 1, out);
    return TH_OK;
}

static bool map_find(const th_type *type, const th_value *map, const th_value *key, th_value *out)
{
    th_value k;
    for (uint32_t i = 0, n = th_value_size(map); i < n; i++) {
        th_value_element(map, 0, i, &k);
        if (!th_value_same(type->children[0], &k, key)) continue;
        th_value_element(map, 1, i, out);
        return true;
    }
    return false;
}

th_err fn_map_element_at(th_fn_call *call, const th_value *args, th_value *out)
{
    if (!map_find(call->arg_types[0], &args[0], &args[1], out)) out->null = true;
    return TH_OK;
}

th_err fn_map_subscript(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value text = {0};
    if (map_find(call->arg_types[0], &args[0], &args[1], out)) return TH_OK;
    if (call->arg_types[1]->child_count > 0 ||
        th_cast_value(call, call->arg_types[1], &th_type_varchar, &args[1], &text) != TH_OK) {
        th_diag_clear(call->diag);
        return fn_bad(call, "Key not present in map");
    }
    return fn_bad(call, "Key not present in map: %.*s",
                  (int)(text.s.size > 200 ? 200 : text.s.size), (const char *)text.s.bytes);
}

th_err fn_contains(th_fn_call *call, const th_value *args, th_value *out)
{
    const th_type *type = call->arg_types[1];
    th_value x;
    bool undecided = false;
    for (uint32_t i = 0, n = th_value_size(&args[0]); i < n; i++) {
        th_value_element(&args[0], 0, i, &x);
        int e = th_value_equal3(type, &x, &args[1]);
        if (e == 1) {
            out->i = 1;
            return TH_OK;
        }
        if (e < 0 && !x.null && type->child_count > 0)
            return fn_fail(
                call, "NOT_SUPPORTED",
                "contains does not support arrays with elements that are null or contain null");
        undecided = undecided || e < 0;
    }
    out->null = undecided;
    return TH_OK;
}

th_err fn_array_position(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value x;
    for (uint32_t i = 0, n = th_value_size(&args[0]); i < n; i++) {
        th_value_element(&args[0], 0, i, &x);
        int e = th_value_equal3(call->arg_types[1], &x, &args[1]);
        if (e < 0 && !x.null)
            return fn_fail(call, "NOT_SUPPORTED",
                           "array_position does not support arrays with elements that are null or "
                           "contain null");
        if (e != 1) continue;
        out->i = i + 1;
        return TH_OK;
    }
    return TH_OK;
}

th_err fn_array_join(th_fn_call *call, const th_value *args, th_value *out)
{
    const th_type *element = call->arg_types[0]->children[0];
    bool first = true;
    th_value x, text;
    th_buf b;
    th_err e = TH_OK;
    if (element->child_count > 0)
        return fn_fail(call, "OPERATOR_NOT_FOUND",
                       "Input type for array_join cannot be cast to varchar");
    th_buf_init(&b, UINT32_MAX);
    for (uint32_t i = 0, n = th_value_size(&args[0]); i < n && e == TH_OK; i++) {
        th_value_element(&args[0], 0, i, &x);
        text = (th_value){0};
        if (!x.null) e = th_cast_value(call, element, &th_type_varchar, &x, &text);
        bool null = x.null || text.null;
        if (null && call->arg_count < 3) continue;
        if (!first) th_buf_add_slice(&b, args[1].s);
        th_buf_add_slice(&b, null ? args[2].s : text.s);
        first = false;
    }
    if (e == TH_OK && th_buf_error(&b) != TH_OK) e = fn_memory(call);
    if (e == TH_OK) e = fn_copy(call, th_buf_slice(&b), out);
    th_buf_free(&b);
    return e;
}

static int compare_elements(const void *a, const void *b, void *type)
{
    const th_value *x = a, *y = b;
    if (x->null || y->null) return x->null - y->null;
    return th_value_compare(type, x, y);
}

th_err fn_elements(th_fn_call *call, const th_value *array, th_value **out)
{
    uint32_t n = th_value_size(array);
    th_value *v = TH_NEW_ARRAY(call->arena, th_value, n);
    if (v == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < n; i++) th_value_element(array, 0, i, &v[i]);
    *out = v;
    return TH_OK;
}

th_err fn_give_array(th_fn_call *call, const th_value *values, uint32_t count, th_value *out)
{
    th_builder b;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t i = 0; i < count; i++)
        if (!th_builder_add(&b.children[0], &values[i])) return fn_memory(call);
    return fn_finish_nested(call, &b, out);
}

th_err fn_array_sort(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value *v;
    uint32_t n = th_value_size(&args[0]);
    TH_TRY(fn_elements(call, &args[0], &v));
    qsort_r(v, n, sizeof *v, compare_elements, (void *)(uintptr_t)call->type->children[0]);
    return fn_give_array(call, v, n, out);
}

static th_err extreme(th_fn_call *call, const th_value *args, bool max, th_value *out)
{
    th_value x;
    uint32_t n = th_value_size(&args[0]);
    out->null = n == 0;
    for (uint32_t i = 0; i < n; i++) {
        th_value_element(&args[0], 0, i, &x);
        bool better = x.null || i == 0 ||
                      (max ? th_value_compare_unordered_first(call->type, &x, out) > 0
                           : th_value_compare(call->type, &x, out) < 0);
        if (better) *out = x;
        if (x.null) return TH_OK;
    }
    return TH_OK;
}

th_err fn_array_max(th_fn_call *call, const th_value *args, th_value *out)
{
    return extreme(call, args, true, out);
}

th_err fn_array_min(th_fn_call *call, const th_value *args, th_value *out)
{
    return extreme(call, args, false, out);
}

th_err fn_array_reverse(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value *v;
    uint32_t n = th_value_size(&args[0]);
    TH_TRY(fn_elements(call, &args[0], &v));
    for (uint32_t i = 0; i < n / 2; i++) {
        th_value t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
    return fn_give_array(call, v, n, out);
}

th_err fn_slice(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value *v;
    int64_t n = th_value_size(&args[0]), start = args[1].i, length = args[2].i;
    if (length < 0) return fn_bad(call, "length must be greater than or equal to 0");
    if (start == 0) return fn_bad(call, "SQL array indices start at 1");
    TH_TRY(fn_elements(call, &args[0], &v));
    if (start < 0) start += n + 1;
    if (start < 1 || start > n) return fn_give_array(call, v, 0, out);
    if (length > n - start + 1) length = n - start + 1;
    return fn_give_array(call, v + start - 1, (uint32_t)length, out);
}

th_err fn_trim_array(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value *v;
    int64_t n = th_value_size(&args[0]), cut = args[1].i;
    if (cut < 0) return fn_bad(call, "size must not be negative: %lld", (long long)cut);
    if (cut > n)
        return fn_bad(call, "size must not exceed array cardinality %lld: %lld", (long long)n,
                      (long long)cut);
    TH_TRY(fn_elements(call, &args[0], &v));
    return fn_give_array(call, v, (uint32_t)(n - cut), out);
}

th_err fn_array_concat(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    th_value x;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t k = 0; k < call->arg_count; k++) {
        for (uint32_t i = 0, n = th_value_size(&args[k]); i < n; i++) {
            th_value_element(&args[k], 0, i, &x);
            if (!th_builder_add(&b.children[0], &x)) return fn_memory(call);
        }
    }
    return fn_finish_nested(call, &b, out);
}

static th_err concat_one(th_fn_call *call, const th_value *args, uint32_t array, th_value *out)
{
    th_builder b;
    th_value x;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    if (array == 1 && !th_builder_add(&b.children[0], &args[0])) return fn_memory(call);
    for (uint32_t i = 0, n = th_value_size(&args[array]); i < n; i++) {
        th_value_element(&args[array], 0, i, &x);
        if (!th_builder_add(&b.children[0], &x)) return fn_memory(call);
    }
    if (array == 0 && !th_builder_add(&b.children[0], &args[1])) return fn_memory(call);
    return fn_finish_nested(call, &b, out);
}

th_err fn_array_append(th_fn_call *call, const th_value *args, th_value *out)
{
    return concat_one(call, args, 0, out);
}

th_err fn_array_prepend(th_fn_call *call, const th_value *args, th_value *out)
{
    return concat_one(call, args, 1, out);
}

th_err fn_array_remove(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    th_value x;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t i = 0, n = th_value_size(&args[0]); i < n; i++) {
        th_value_element(&args[0], 0, i, &x);
        if (th_value_equal3(call->arg_types[1], &x, &args[1]) == 1) continue;
        if (!th_builder_add(&b.children[0], &x)) return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}

th_err fn_flatten(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    th_value inner, x;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t k = 0, m = th_value_size(&args[0]); k < m; k++) {
        th_value_element(&args[0], 0, k, &inner);
        for (uint32_t i = 0, n = inner.null ? 0 : th_value_size(&inner); i < n; i++) {
            th_value_element(&inner, 0, i, &x);
            if (!th_builder_add(&b.children[0], &x)) return fn_memory(call);
        }
    }
    return fn_finish_nested(call, &b, out);
}

th_err fn_repeat(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    if (args[1].null) {
        out->null = true;
        return TH_OK;
    }
    if (args[1].i < 0)
        return fn_bad(call, "count argument of repeat function must be greater than or equal to 0");
    if (args[1].i > SEQUENCE_MAX)
        return fn_bad(call,
                      "count argument of repeat function must be less than or equal to 10000");
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (int64_t i = 0; i < args[1].i; i++)
        if (!th_builder_add(&b.children[0], &args[0])) return fn_memory(call);
    return fn_finish_nested(call, &b, out);
}

th_err fn_sequence(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    int64_t from = args[0].i, to = args[1].i, unit = 1, step;
    if (call->type->children[0]->kind == TH_DATE && call->arg_count > 2)
        unit = INT64_C(86400000000);
    step = call->arg_count > 2 ? args[2].i / unit : from <= to ? 1 : -1;
    if (call->arg_count > 2 && args[2].i % unit != 0)
        return fn_bad(call,
                      "sequence step must be a day interval if start and end values are dates");
    if (step == 0) return fn_bad(call, "step must not be zero");
    if (step > 0 ? to < from : to > from)
        return fn_bad(
            call,
            "sequence stop value should be greater than or equal to start value if step is greater "
            "than zero otherwise stop should be less than or equal to start");
    th_i128 count = ((th_i128)to - from) / step + 1;
    if (count > SEQUENCE_MAX)
        return fn_bad(call, "result of sequence function must not have more than 10000 entries");
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (int64_t i = 0; i < (int64_t)count; i++) {
        th_value v = fn_int((int64_t)((uint64_t)from + (uint64_t)i * (uint64_t)step));
        if (!th_builder_add(&b.children[0], &v)) return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}

/* sequence over times keeps the precision of the start. */
const th_type *fn_sequence_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    return th_type_array(arena, params[0]);
}

th_err fn_sequence_months(th_fn_call *call, const th_value *args, th_value *out)
{
    const th_type *type = call->type->children[0];
    th_builder b;
    int64_t step = args[2].i, from, to;
    TH_TRY(fn_local_us(call, type, &args[0], &from));
    TH_TRY(fn_local_us(call, type, &args[1], &to));
    if (step == 0) return fn_bad(call, "step must not be zero");
    if (step > 0 ? to < from : to > from)
        return fn_bad(
            call,
            "sequence stop value should be greater than or equal to start value if step is greater "
            "than zero otherwise stop should be less than or equal to start");
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (int64_t i = 0; i <= SEQUENCE_MAX; i++) {
        int64_t at = fn_add_months(from, i * step);
        if (at == INT64_MAX || at == INT64_MIN || (step > 0 ? at > to : at < to))
            return fn_finish_nested(call, &b, out);
        th_value v = {0};
        fn_from_local(type, at, &args[0], &v);
        if (!th_builder_add(&b.children[0], &v)) return fn_memory(call);
    }
    return fn_bad(call, "result of sequence function must not have more than 10000 entries");
}

th_err fn_zip(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    th_value x;
    uint32_t most = 0;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t k = 0; k < call->arg_count; k++)
        if (th_value_size(&args[k]) > most) most = th_value_size(&args[k]);
    for (uint32_t i = 0; i < most; i++) {
        for (uint32_t k = 0; k < call->arg_count; k++) {
            x = (th_value){.null = true};
            if (i < th_value_size(&args[k])) th_value_element(&args[k], 0, i, &x);
            if (!th_builder_add(&b.children[0].children[k], &x)) return fn_memory(call);
        }
        if (!th_builder_end_nested(&b.children[0])) return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}

const th_type *fn_zip_type(th_arena *arena, const th_type **params, uint32_t count)
{
    const th_type *fields[16];
    if (count < 2 || count > 16) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (params[i]->kind != TH_ARRAY) return NULL;
        fields[i] = params[i]->children[0];
    }
    return th_type_array(arena, th_type_row(arena, fields, NULL, count));
}
