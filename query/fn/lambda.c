/* SPDX-License-Identifier: Apache-2.0
 * Functions with lambdas: the body runs once over all elements of all rows of the batch. */
#include "query/fn/families.h"
#include "query/fn/nested.h"

/* All elements of one nested argument, side by side, and the row that each comes from. */
typedef struct spread {
    uint32_t *rows, *starts; /* starts: rows + 1 offsets into the elements */
    uint32_t count;
    th_vector elements[2]; /* array: one; map: keys, values */
} spread;

static th_err spread_out(th_fn_call *call, const th_vector *v, uint32_t rows, spread *s)
{
    uint32_t parts = v->type->kind == TH_MAP ? 2 : 1;
    uint64_t total = 0;
    th_value list, x;
    th_builder b[2];
    s->starts = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)rows + 1);
    if (s->starts == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) {
        th_value_get(v, i, &list);
        total += list.null ? 0 : th_value_size(&list);
        if (total > UINT32_MAX / 4) return fn_memory(call);
        s->starts[i + 1] = (uint32_t)total;
    }
    s->count = (uint32_t)total;
    s->rows = TH_NEW_ARRAY(call->arena, uint32_t, total + 1);
    if (s->rows == NULL) return fn_memory(call);
    for (uint32_t c = 0; c < parts; c++) {
        if (!th_builder_init(&b[c], call->arena, v->type->children[c], s->count, false))
            return fn_memory(call);
        for (uint32_t i = 0; i < rows; i++) {
            th_value_get(v, i, &list);
            for (uint32_t k = s->starts[i]; k < s->starts[i + 1]; k++) {
                s->rows[k] = i;
                th_value_element(&list, c, k - s->starts[i], &x);
                if (!th_builder_add(&b[c], &x)) return fn_memory(call);
            }
        }
        th_builder_finish(&b[c], &s->elements[c]);
    }
    return TH_OK;
}

static th_err run(th_fn_call *call, uint32_t arg, const spread *s, th_vector **out)
{
    const th_vector *params[2] = {&s->elements[0], &s->elements[1]};
    *out = TH_NEW(call->arena, th_vector);
    return *out == NULL ? fn_memory(call)
                        : call->lambda(call, arg, s->rows, s->count, params, *out);
}

static bool is_true(const th_vector *v, uint32_t i)
{
    th_value x;
    th_value_get(v, i, &x);
    return !x.null && x.i != 0;
}

static bool row_null(const th_vector *v, uint32_t row)
{
    return v->type->kind == TH_UNKNOWN || th_vector_is_null(v, row);
}

th_err fn_transform(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    spread *s = TH_NEW(call->arena, spread);
    th_vector *v;
    th_builder b;
    th_value x;
    if (s == NULL || !th_builder_init(&b, call->arena, call->type, rows, false))
        return fn_memory(call);
    TH_TRY(spread_out(call, args[0], rows, s));
    TH_TRY(run(call, 1, s, &v));
    for (uint32_t i = 0; i < rows; i++) {
        bool ok = true;
        for (uint32_t k = s->starts[i]; k < s->starts[i + 1] && ok; k++) {
            th_value_get(v, k, &x);
            ok = th_builder_add(&b.children[0], &x);
        }
        ok = ok && (row_null(args[0], i) ? th_builder_add_null(&b) : th_builder_end_nested(&b));
        if (!ok) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

/* filter(array, x -> ..) and map_filter(map, (k, v) -> ..). */
th_err fn_filter(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    spread *s = TH_NEW(call->arena, spread);
    uint32_t parts = args[0]->type->kind == TH_MAP ? 2 : 1;
    th_vector *v;
    th_builder b;
    th_value x;
    if (s == NULL || !th_builder_init(&b, call->arena, call->type, rows, false))
        return fn_memory(call);
    TH_TRY(spread_out(call, args[0], rows, s));
    TH_TRY(run(call, 1, s, &v));
    for (uint32_t i = 0; i < rows; i++) {
        bool ok = true;
        for (uint32_t k = s->starts[i]; k < s->starts[i + 1] && ok; k++) {
            if (!is_true(v, k)) continue;
            for (uint32_t c = 0; c < parts && ok; c++) {
                th_value_get(&s->elements[c], k, &x);
                ok = th_builder_add(&b.children[c], &x);
            }
        }
        ok = ok && (row_null(args[0], i) ? th_builder_add_null(&b) : th_builder_end_nested(&b));
        if (!ok) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

/* transform_values and transform_keys: the part that the lambda makes anew. */
static th_err transform_part(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                             uint32_t part, th_vector *out)
{
    spread *s = TH_NEW(call->arena, spread);
    th_vector *v;
    th_builder b;
    th_value x, earlier;
    if (s == NULL || !th_builder_init(&b, call->arena, call->type, rows, false))
        return fn_memory(call);
    TH_TRY(spread_out(call, args[0], rows, s));
    TH_TRY(run(call, 1, s, &v));
    for (uint32_t i = 0; i < rows; i++) {
        bool ok = true;
        for (uint32_t k = s->starts[i]; k < s->starts[i + 1] && ok; k++) {
            th_value_get(v, k, &x);
            if (part == 0 && x.null) return fn_bad(call, "map key cannot be null");
            for (uint32_t j = s->starts[i]; part == 0 && j < k; j++) {
                th_value_get(v, j, &earlier);
                if (th_value_same(v->type, &earlier, &x))
                    return fn_bad(call, "Duplicate map keys are not allowed");
            }
            ok = th_builder_add(&b.children[part], &x);
            th_value_get(&s->elements[1 - part], k, &x);
            ok = ok && th_builder_add(&b.children[1 - part], &x);
        }
        ok = ok && (row_null(args[0], i) ? th_builder_add_null(&b) : th_builder_end_nested(&b));
        if (!ok) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

th_err fn_transform_values(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                           th_vector *out)
{
    return transform_part(call, args, rows, 1, out);
}

th_err fn_transform_keys(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                         th_vector *out)
{
    return transform_part(call, args, rows, 0, out);
}

enum { MATCH_ANY, MATCH_ALL, MATCH_NONE };

static th_err match(th_fn_call *call, const th_vector *const *args, uint32_t rows, int kind,
                    th_vector *out)
{
    spread *s = TH_NEW(call->arena, spread);
    th_vector *v;
    th_builder b;
    th_value x;
    if (s == NULL || !th_builder_init(&b, call->arena, call->type, rows, false))
        return fn_memory(call);
    TH_TRY(spread_out(call, args[0], rows, s));
    TH_TRY(run(call, 1, s, &v));
    for (uint32_t i = 0; i < rows; i++) {
        bool any_true = false, any_false = false, any_null = false;
        for (uint32_t k = s->starts[i]; k < s->starts[i + 1]; k++) {
            th_value_get(v, k, &x);
            any_null = any_null || x.null;
            any_true = any_true || (!x.null && x.i != 0);
            any_false = any_false || (!x.null && x.i == 0);
        }
        bool decided = kind == MATCH_ALL ? any_false : any_true;
        x = fn_int(kind == MATCH_ANY ? decided : !decided);
        x.null = row_null(args[0], i) || (!decided && any_null);
        if (!th_builder_add(&b, &x)) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

th_err fn_any_match(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    return match(call, args, rows, MATCH_ANY, out);
}

th_err fn_all_match(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    return match(call, args, rows, MATCH_ALL, out);
}

th_err fn_none_match(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    return match(call, args, rows, MATCH_NONE, out);
}

/* Step k of reduce: states of the rows that have an element k. */
static th_err reduce_step(th_fn_call *call, const spread *s, uint32_t k, uint32_t rows,
                          const th_vector *states, th_vector *out, bool *any)
{
    uint32_t *sel = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)rows + 1), n = 0;
    uint32_t *elements = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)rows + 1);
    th_vector *part = TH_NEW_ARRAY(call->arena, th_vector, 3);
    th_builder b;
    th_value x;
    if (sel == NULL || elements == NULL || part == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) {
        if (s->starts[i] + k >= s->starts[i + 1]) continue;
        sel[n] = i;
        elements[n++] = s->starts[i] + k;
    }
    *any = n > 0;
    if (n == 0) return TH_OK;
    if (!th_vector_gather(call->arena, states, sel, n, &part[0]) ||
        !th_vector_gather(call->arena, &s->elements[0], elements, n, &part[1]))
        return fn_memory(call);
    const th_vector *params[2] = {&part[0], &part[1]};
    TH_TRY(call->lambda(call, 2, sel, n, params, &part[2]));
    if (!th_builder_init(&b, call->arena, states->type, rows, false)) return fn_memory(call);
    for (uint32_t i = 0, at = 0; i < rows; i++) {
        if (at < n && sel[at] == i)
            th_value_get(&part[2], at++, &x);
        else
            th_value_get(states, i, &x);
        if (!th_builder_add(&b, &x)) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

th_err fn_reduce(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    spread *s = TH_NEW(call->arena, spread);
    uint32_t *all = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)rows + 1);
    th_builder b;
    th_value x;
    bool any = true;
    if (s == NULL || all == NULL) return fn_memory(call);
    TH_TRY(spread_out(call, args[0], rows, s));
    const th_vector *states = args[1];
    for (uint32_t k = 0; any; k++) {
        th_vector *next = TH_NEW(call->arena, th_vector);
        if (next == NULL) return fn_memory(call);
        TH_TRY(reduce_step(call, s, k, rows, states, next, &any));
        if (any) states = next;
    }
    for (uint32_t i = 0; i < rows; i++) all[i] = i;
    th_vector *result = TH_NEW(call->arena, th_vector);
    if (result == NULL || !th_builder_init(&b, call->arena, call->type, rows, false))
        return fn_memory(call);
    TH_TRY(call->lambda(call, 3, all, rows, &states, result));
    for (uint32_t i = 0; i < rows; i++) {
        th_value_get(result, i, &x);
        if (row_null(args[0], i)) x.null = true;
        if (!th_builder_add(&b, &x)) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

th_err fn_zip_with(th_fn_call *call, const th_vector *const *args, uint32_t rows, th_vector *out)
{
    uint32_t *starts = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)rows + 1), *owner;
    th_builder b, sides[2];
    th_value list[2], x;
    if (starts == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t most = 0;
        for (uint32_t k = 0; k < 2; k++) {
            th_value_get(args[k], i, &list[k]);
            uint32_t n = list[k].null ? 0 : th_value_size(&list[k]);
            if (n > most) most = n;
        }
        starts[i + 1] = starts[i] + (list[0].null || list[1].null ? 0 : most);
    }
    owner = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)starts[rows] + 1);
    th_vector *v = TH_NEW_ARRAY(call->arena, th_vector, 3);
    if (owner == NULL || v == NULL || !th_builder_init(&b, call->arena, call->type, rows, false))
        return fn_memory(call);
    for (uint32_t k = 0; k < 2; k++) {
        const th_type *element =
            args[k]->type->kind == TH_ARRAY ? args[k]->type->children[0] : &th_type_unknown;
        if (!th_builder_init(&sides[k], call->arena, element, starts[rows], false))
            return fn_memory(call);
        for (uint32_t i = 0; i < rows; i++) {
            th_value_get(args[k], i, &list[k]);
            for (uint32_t e = starts[i]; e < starts[i + 1]; e++) {
                owner[e] = i;
                x = (th_value){.null = true};
                if (e - starts[i] < th_value_size(&list[k]))
                    th_value_element(&list[k], 0, e - starts[i], &x);
                if (!th_builder_add(&sides[k], &x)) return fn_memory(call);
            }
        }
        th_builder_finish(&sides[k], &v[k]);
    }
    const th_vector *params[2] = {&v[0], &v[1]};
    TH_TRY(call->lambda(call, 2, owner, starts[rows], params, &v[2]));
    for (uint32_t i = 0; i < rows; i++) {
        bool ok = true;
        for (uint32_t e = starts[i]; e < starts[i + 1] && ok; e++) {
            th_value_get(&v[2], e, &x);
            ok = th_builder_add(&b.children[0], &x);
        }
        bool null = row_null(args[0], i) || row_null(args[1], i);
        if (!ok || !(null ? th_builder_add_null(&b) : th_builder_end_nested(&b)))
            return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}
