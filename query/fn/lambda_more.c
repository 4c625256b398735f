/* SPDX-License-Identifier: Apache-2.0
 * More functions with lambdas: apply, the first and last element that fits, sorting, two maps, replaced matches. */
#include "query/fn/families.h"
#include "query/fn/nested.h"
#include "query/fn/regexp.h"
#include "query/op/valueset.h"

static uint32_t *counted(th_fn_call *call, uint32_t rows)
{
    uint32_t *numbers = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)rows + 1);
    for (uint32_t i = 0; numbers != NULL && i < rows; i++) numbers[i] = i;
    return numbers;
}

th_err fn_apply(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    uint32_t *all = counted(call, rows);
    return all == NULL ? fn_memory(call) : call->lambda(call, 1, all, rows, &args[0], out);
}

/* array_first(array, x -> ..) and array_last: elements are looked at one after the other, as long as none fits. */
static th_err find(th_fn_call *call, const th_vector *const *args, uint32_t rows, bool last,
                   th_vector *out)
{
    uint32_t *left = counted(call, rows), count = rows;
    th_value *found = TH_NEW_ARRAY(call->arena, th_value, (size_t)rows + 1), list, x;
    th_builder b;
    if (left == NULL || found == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) found[i].null = true;
    for (uint32_t k = 0; count > 0; k++) {
        th_vector *v = TH_NEW_ARRAY(call->arena, th_vector, 2);
        uint32_t n = 0;
        if (v == NULL || !th_builder_init(&b, call->arena, call->type, count, false))
            return fn_memory(call);
        for (uint32_t i = 0; i < count; i++) {
            th_value_get(args[0], left[i], &list);
            uint32_t size = list.null ? 0 : th_value_size(&list);
            if (k >= size) continue;
            th_value_element(&list, 0, last ? size - 1 - k : k, &x);
            left[n++] = left[i];
            if (!th_builder_add(&b, &x)) return fn_memory(call);
        }
        th_builder_finish(&b, &v[0]);
        if (n == 0) break;
        const th_vector *params[1] = {&v[0]};
        TH_TRY(call->lambda(call, 1, left, n, params, &v[1]));
        count = 0;
        for (uint32_t i = 0; i < n; i++) {
            th_value_get(&v[1], i, &x);
            if (!x.null && x.i != 0)
                th_value_get(&v[0], i, &found[left[i]]);
            else
                left[count++] = left[i];
        }
        TH_TRY(fn_check(call));
    }
    if (!th_builder_init(&b, call->arena, call->type, rows, false)) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++)
        if (!th_builder_add(&b, &found[i])) return fn_memory(call);
    th_builder_finish(&b, out);
    return TH_OK;
}

th_err fn_array_find_first(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                           th_vector *out)
{
    return find(call, args, rows, false, out);
}

th_err fn_array_find_last(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                          th_vector *out)
{
    return find(call, args, rows, true, out);
}

/* What the lambda says of two elements. */
static th_err order_of(th_fn_call *call, uint32_t row, const th_type *type, const th_value *a,
                       const th_value *b, int *order)
{
    th_vector *v = TH_NEW(call->arena, th_vector);
    const th_vector *params[2] = {th_vector_const(call->arena, type, a, 1),
                                  th_vector_const(call->arena, type, b, 1)};
    th_value x;
    if (v == NULL || params[0] == NULL || params[1] == NULL) return fn_memory(call);
    TH_TRY(call->lambda(call, 1, &row, 1, params, v));
    th_value_get(v, 0, &x);
    if (x.null || x.i < -1 || x.i > 1)
        return fn_bad(call, "Lambda comparator must return either -1, 0, or 1");
    *order = (int)x.i;
    return TH_OK;
}

/* Merge sort, stable; from and to are swapped after each pass. */
static th_err sort_row(th_fn_call *call, uint32_t row, const th_type *type, th_value *from,
                       uint32_t n, th_value **sorted)
{
    th_value *to = TH_NEW_ARRAY(call->arena, th_value, (size_t)n + 1);
    if (to == NULL) return fn_memory(call);
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t start = 0; start < n; start += 2 * width) {
            uint64_t a = start, end_a = start + width < n ? start + width : n, b = end_a;
            uint64_t end_b = end_a + width < n ? end_a + width : n;
            for (uint64_t k = start; k < end_b; k++) {
                int order = b >= end_b ? -1 : 1;
                if (a < end_a && b < end_b)
                    TH_TRY(order_of(call, row, type, &from[a], &from[b], &order));
                to[k] = order <= 0 && a < end_a ? from[a++] : from[b++];
            }
            TH_TRY(fn_check(call));
        }
        th_value *swap = from;
        from = to;
        to = swap;
    }
    *sorted = from;
    return TH_OK;
}

th_err fn_array_sort_by(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                        th_vector *out)
{
    th_builder b;
    th_value list, *elements, *sorted;
    const th_type *type = call->type->children[0];
    if (!th_builder_init(&b, call->arena, call->type, rows, false)) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) {
        th_value_get(args[0], i, &list);
        if (list.null) {
            if (!th_builder_add_null(&b)) return fn_memory(call);
            continue;
        }
        uint32_t n = th_value_size(&list);
        TH_TRY(fn_elements(call, &list, &elements));
        TH_TRY(sort_row(call, i, type, elements, n, &sorted));
        for (uint32_t k = 0; k < n; k++)
            if (!th_builder_add(&b.children[0], &sorted[k])) return fn_memory(call);
        if (!th_builder_end_nested(&b)) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

/* Keys of both maps of all rows, with the value of each side, NULL where it is missing. */
typedef struct zipped {
    th_builder parts[3];
    uint32_t *rows, *starts, count, capacity;
} zipped;

static th_err zip_add(th_fn_call *call, zipped *z, uint32_t row, const th_value *parts)
{
    if (z->count == z->capacity) {
        uint32_t more = z->capacity * 2 + 64;
        uint32_t *rows = TH_NEW_ARRAY(call->arena, uint32_t, more);
        if (rows == NULL) return fn_memory(call);
        if (z->count > 0) memcpy(rows, z->rows, z->count * sizeof *rows);
        z->rows = rows;
        z->capacity = more;
    }
    z->rows[z->count++] = row;
    for (uint32_t i = 0; i < 3; i++)
        if (!th_builder_add(&z->parts[i], &parts[i])) return fn_memory(call);
    return TH_OK;
}

static th_err zip_row(th_fn_call *call, zipped *z, uint32_t row, const th_value *maps,
                      const th_type *const *key)
{
    valueset other, seen;
    th_value parts[3];
    uint32_t index;
    if (!valueset_init(&other, call->arena, key, 1) || !valueset_init(&seen, call->arena, key, 1))
        return fn_memory(call);
    for (uint32_t i = 0, n = th_value_size(&maps[1]); i < n; i++) {
        th_value_element(&maps[1], 0, i, &parts[0]);
        if (!valueset_put(&other, &parts[0], &index, NULL)) return fn_memory(call);
    }
    for (uint32_t i = 0, n = th_value_size(&maps[0]); i < n; i++) {
        th_value_element(&maps[0], 0, i, &parts[0]);
        th_value_element(&maps[0], 1, i, &parts[1]);
        uint32_t at = valueset_find(&other, &parts[0]);
        parts[2] = (th_value){.null = true};
        if (at != UINT32_MAX) th_value_element(&maps[1], 1, at, &parts[2]);
        if (!valueset_put(&seen, &parts[0], &index, NULL)) return fn_memory(call);
        TH_TRY(zip_add(call, z, row, parts));
    }
    parts[1] = (th_value){.null = true};
    for (uint32_t i = 0, n = th_value_size(&maps[1]); i < n; i++) {
        th_value_element(&maps[1], 0, i, &parts[0]);
        if (valueset_find(&seen, &parts[0]) != UINT32_MAX) continue;
        th_value_element(&maps[1], 1, i, &parts[2]);
        TH_TRY(zip_add(call, z, row, parts));
    }
    return TH_OK;
}

th_err fn_map_zip_with(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                       th_vector *out)
{
    zipped *z = TH_NEW(call->arena, zipped);
    th_vector *v = TH_NEW_ARRAY(call->arena, th_vector, 4);
    const th_type *key = call->type->children[0];
    th_value maps[2], x;
    th_builder b;
    if (z == NULL || v == NULL) return fn_memory(call);
    *z = (zipped){.starts = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)rows + 1)};
    const th_type *types[3] = {key, args[0]->type->children[1], args[1]->type->children[1]};
    for (uint32_t i = 0; i < 3; i++)
        if (!th_builder_init(&z->parts[i], call->arena, types[i], rows, false))
            return fn_memory(call);
    if (z->starts == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) {
        th_value_get(args[0], i, &maps[0]);
        th_value_get(args[1], i, &maps[1]);
        if (!maps[0].null && !maps[1].null)
            TH_TRY(zip_row(call, z, i, maps, &call->type->children[0]));
        z->starts[i + 1] = z->count;
    }
    for (uint32_t i = 0; i < 3; i++) th_builder_finish(&z->parts[i], &v[i]);
    const th_vector *params[3] = {&v[0], &v[1], &v[2]};
    if (z->count > 0) TH_TRY(call->lambda(call, 2, z->rows, z->count, params, &v[3]));
    if (!th_builder_init(&b, call->arena, call->type, rows, false)) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) {
        bool ok = true;
        for (uint32_t k = z->starts[i]; k < z->starts[i + 1] && ok; k++) {
            th_value_get(&v[0], k, &x);
            ok = th_builder_add(&b.children[0], &x);
            th_value_get(&v[3], k, &x);
            ok = ok && th_builder_add(&b.children[1], &x);
        }
        bool null = th_vector_is_null(args[0], i) || th_vector_is_null(args[1], i);
        if (!ok || !(null ? th_builder_add_null(&b) : th_builder_end_nested(&b)))
            return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

/* The groups of one match as an array, and where it lies. */
typedef struct replaced {
    th_builder groups;
    uint32_t *rows;
    regexp_span *spans;
    uint32_t count, capacity;
} replaced;

static th_err note_match(void *ctx, th_fn_call *call, uint32_t row, const regexp_span *spans,
                         uint32_t count, th_slice text)
{
    replaced *r = ctx;
    if (r->count == r->capacity) {
        uint32_t more = r->capacity * 2 + 64;
        uint32_t *rows = TH_NEW_ARRAY(call->arena, uint32_t, more);
        regexp_span *places = TH_NEW_ARRAY(call->arena, regexp_span, more);
        if (rows == NULL || places == NULL) return fn_memory(call);
        if (r->count > 0) {
            memcpy(rows, r->rows, r->count * sizeof *rows);
            memcpy(places, r->spans, r->count * sizeof *places);
        }
        r->rows = rows;
        r->spans = places;
        r->capacity = more;
    }
    r->rows[r->count] = row;
    r->spans[r->count++] = spans[0];
    for (uint32_t i = 1; i < count; i++) {
        th_value x = {.null = spans[i].from == SIZE_MAX};
        if (!x.null) x.s = th_slice_of(text.bytes + spans[i].from, spans[i].to - spans[i].from);
        if (!th_builder_add(&r->groups.children[0], &x)) return fn_memory(call);
    }
    return th_builder_end_nested(&r->groups) ? TH_OK : fn_memory(call);
}

/* One text with its matches, from *at on, replaced; a NULL of the lambda makes it NULL. */
static th_err put_text(th_fn_call *call, const replaced *r, const th_vector *with, uint32_t row,
                       th_slice text, uint32_t *at, th_value *out)
{
    th_buf *b = fn_scratch(call);
    size_t last = 0;
    th_value x;
    for (; *at < r->count && r->rows[*at] == row; (*at)++) {
        th_value_get(with, *at, &x);
        if (x.null) out->null = true;
        th_buf_add(b, text.bytes + last, r->spans[*at].from - last);
        if (!x.null) th_buf_add_slice(b, x.s);
        last = r->spans[*at].to;
    }
    th_buf_add(b, text.bytes + last, text.size - last);
    return out->null ? TH_OK : fn_take_scratch(call, out);
}

th_err fn_regexp_replace_by(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                            th_vector *out)
{
    replaced *r = TH_NEW(call->arena, replaced);
    th_vector *v = TH_NEW_ARRAY(call->arena, th_vector, 2);
    const th_type *groups = th_type_array(call->arena, &th_type_varchar);
    th_value text, pattern;
    th_builder b;
    if (r == NULL || v == NULL || groups == NULL) return fn_memory(call);
    *r = (replaced){0};
    if (!th_builder_init(&r->groups, call->arena, groups, rows, false) ||
        !th_builder_init(&b, call->arena, call->type, rows, false))
        return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) {
        th_value_get(args[0], i, &text);
        th_value_get(args[1], i, &pattern);
        if (!text.null && !pattern.null)
            TH_TRY(regexp_each_match(call, pattern, text.s, i, note_match, r));
    }
    th_builder_finish(&r->groups, &v[0]);
    const th_vector *params[1] = {&v[0]};
    if (r->count > 0) TH_TRY(call->lambda(call, 2, r->rows, r->count, params, &v[1]));
    for (uint32_t i = 0, at = 0; i < rows; i++) {
        th_value x = {0};
        th_value_get(args[0], i, &text);
        th_value_get(args[1], i, &pattern);
        x.null = text.null || pattern.null;
        if (!x.null) TH_TRY(put_text(call, r, &v[1], i, text.s, &at, &x));
        if (!th_builder_add(&b, &x)) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}
