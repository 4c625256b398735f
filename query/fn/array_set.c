/* SPDX-License-Identifier: Apache-2.0
 * Arrays as sets: every element once, in the order of its first coming. */
#include "query/fn/families.h"
#include "query/fn/nested.h"
#include "query/op/valueset.h"

static bool new_set(th_fn_call *call, const th_type *const *element, valueset *set)
{
    return valueset_init(set, call->arena, element, 1);
}

static th_err add_distinct(th_fn_call *call, const th_value *array, valueset *seen,
                           const valueset *wanted, bool want_present, th_builder *b)
{
    th_value x;
    uint32_t index;
    bool added;
    for (uint32_t i = 0, n = th_value_size(array); i < n; i++) {
        th_value_element(array, 0, i, &x);
        if (wanted != NULL && (valueset_find(wanted, &x) != UINT32_MAX) != want_present) continue;
        if (!valueset_put(seen, &x, &index, &added)) return fn_memory(call);
        if (added && b != NULL && !th_builder_add(&b->children[0], &x)) return fn_memory(call);
    }
    return TH_OK;
}

th_err fn_array_distinct(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset seen;
    th_builder b;
    if (!new_set(call, &call->type->children[0], &seen) ||
        !th_builder_init(&b, call->arena, call->type, 1, false))
        return fn_memory(call);
    TH_TRY(add_distinct(call, &args[0], &seen, NULL, false, &b));
    return fn_finish_nested(call, &b, out);
}

th_err fn_array_union(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset seen;
    th_builder b;
    if (!new_set(call, &call->type->children[0], &seen) ||
        !th_builder_init(&b, call->arena, call->type, 1, false))
        return fn_memory(call);
    TH_TRY(add_distinct(call, &args[0], &seen, NULL, false, &b));
    TH_TRY(add_distinct(call, &args[1], &seen, NULL, false, &b));
    return fn_finish_nested(call, &b, out);
}

static th_err by_presence(th_fn_call *call, const th_value *args, bool want, th_value *out)
{
    valueset seen, other;
    th_builder b;
    if (!new_set(call, &call->type->children[0], &seen) ||
        !new_set(call, &call->type->children[0], &other) ||
        !th_builder_init(&b, call->arena, call->type, 1, false))
        return fn_memory(call);
    TH_TRY(add_distinct(call, &args[1], &other, NULL, false, NULL));
    TH_TRY(add_distinct(call, &args[0], &seen, &other, want, &b));
    return fn_finish_nested(call, &b, out);
}

th_err fn_array_intersect(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value swapped[2] = {args[1], args[0]}; /* in the order of the longer one */
    return by_presence(call, th_value_size(&args[0]) < th_value_size(&args[1]) ? swapped : args,
                       true, out);
}

th_err fn_array_except(th_fn_call *call, const th_value *args, th_value *out)
{
    return by_presence(call, args, false, out);
}

th_err fn_arrays_overlap(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset other;
    th_value x;
    bool null = false, other_null = false;
    const th_type *const *element = &call->arg_types[0]->children[0];
    if (!new_set(call, element, &other)) return fn_memory(call);
    TH_TRY(add_distinct(call, &args[1], &other, NULL, false, NULL));
    for (uint32_t i = 0; i < other.count; i++)
        other_null = other_null || valueset_at(&other, i, 0)->null;
    uint32_t n = th_value_size(&args[0]);
    for (uint32_t i = 0; i < n; i++) {
        th_value_element(&args[0], 0, i, &x);
        null = null || x.null;
        if (x.null || valueset_find(&other, &x) == UINT32_MAX) continue;
        out->i = 1;
        return TH_OK;
    }
    out->null = n > 0 && other.count > 0 && (null || other_null);
    return TH_OK;
}
