/* SPDX-License-Identifier: Apache-2.0
 * Maps: construction and parts. Keys are never NULL and never twice. */
#include "query/fn/families.h"
#include "query/fn/nested.h"
#include "query/op/valueset.h"

static th_err duplicate(th_fn_call *call, const th_type *type, const th_value *key)
{
    th_value text = {0};
    if (type->child_count > 0 || th_cast_value(call, type, &th_type_varchar, key, &text) != TH_OK) {
        th_diag_clear(call->diag);
        return fn_bad(call, "Duplicate map keys are not allowed");
    }
    return fn_bad(call, "Duplicate map keys (%.*s) are not allowed",
                  (int)(text.s.size > 200 ? 200 : text.s.size), (const char *)text.s.bytes);
}

static th_err put_entry(th_fn_call *call, valueset *keys, th_builder *b, const th_value *key,
                        const th_value *value)
{
    uint32_t index;
    bool added;
    if (key->null) return fn_bad(call, "map key cannot be null");
    if (!valueset_put(keys, key, &index, &added)) return fn_memory(call);
    if (!added) return duplicate(call, keys->types[0], key);
    return th_builder_add(&b->children[0], key) && th_builder_add(&b->children[1], value)
               ? TH_OK
               : fn_memory(call);
}

static th_err begin(th_fn_call *call, valueset *keys, th_builder *b)
{
    if (!valueset_init(keys, call->arena, call->type->children, 1)) return fn_memory(call);
    return th_builder_init(b, call->arena, call->type, 1, false) ? TH_OK : fn_memory(call);
}

th_err fn_map_empty(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    th_builder b;
    (void)args;
    TH_TRY(begin(call, &keys, &b));
    return fn_finish_nested(call, &b, out);
}

th_err fn_map(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    th_builder b;
    th_value k, v;
    uint32_t n = th_value_size(&args[0]);
    if (n != th_value_size(&args[1]))
        return fn_bad(call, "Key and value arrays must be the same length");
    TH_TRY(begin(call, &keys, &b));
    for (uint32_t i = 0; i < n; i++) {
        th_value_element(&args[0], 0, i, &k);
        th_value_element(&args[1], 0, i, &v);
        TH_TRY(put_entry(call, &keys, &b, &k, &v));
    }
    return fn_finish_nested(call, &b, out);
}

const th_type *fn_map_from_entries_type(th_arena *arena, const th_type **params, uint32_t count)
{
    const th_type *row = params[0]->kind == TH_ARRAY ? params[0]->children[0] : NULL;
    (void)count;
    if (params[0]->kind == TH_UNKNOWN || (row != NULL && row->kind == TH_UNKNOWN))
        return th_type_map(arena, &th_type_unknown, &th_type_unknown);
    if (row == NULL || row->kind != TH_ROW || row->child_count != 2) return NULL;
    return th_type_map(arena, row->children[0], row->children[1]);
}

th_err fn_map_from_entries(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    th_builder b;
    th_value row, k, v;
    TH_TRY(begin(call, &keys, &b));
    for (uint32_t i = 0, n = th_value_size(&args[0]); i < n; i++) {
        th_value_element(&args[0], 0, i, &row);
        if (row.null) return fn_bad(call, "map entry cannot be null");
        th_value_field(&row, 0, &k);
        th_value_field(&row, 1, &v);
        TH_TRY(put_entry(call, &keys, &b, &k, &v));
    }
    return fn_finish_nested(call, &b, out);
}

const th_type *fn_map_entries_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    if (params[0]->kind != TH_MAP) return NULL;
    return th_type_array(arena, th_type_row(arena, params[0]->children, NULL, 2));
}

th_err fn_map_entries(th_fn_call *call, const th_value *args, th_value *out)
{
    th_builder b;
    th_value x;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t i = 0, n = th_value_size(&args[0]); i < n; i++) {
        for (uint32_t c = 0; c < 2; c++) {
            th_value_element(&args[0], c, i, &x);
            if (!th_builder_add(&b.children[0].children[c], &x)) return fn_memory(call);
        }
        if (!th_builder_end_nested(&b.children[0])) return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}

static th_err half(th_fn_call *call, const th_value *map, uint32_t child, th_value *out)
{
    th_builder b;
    th_value x;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t i = 0, n = th_value_size(map); i < n; i++) {
        th_value_element(map, child, i, &x);
        if (!th_builder_add(&b.children[0], &x)) return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}

th_err fn_map_keys(th_fn_call *call, const th_value *args, th_value *out)
{
    return half(call, &args[0], 0, out);
}

th_err fn_map_values(th_fn_call *call, const th_value *args, th_value *out)
{
    return half(call, &args[0], 1, out);
}

/* The last map that has a key wins. */
th_err fn_map_concat(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    th_builder b;
    th_value k, v;
    uint32_t index, total = 0;
    for (uint32_t m = 0; m < call->arg_count; m++) total += th_value_size(&args[m]);
    th_value *values = TH_NEW_ARRAY(call->arena, th_value, total);
    TH_TRY(begin(call, &keys, &b));
    if (values == NULL) return fn_memory(call);
    for (uint32_t m = 0; m < call->arg_count; m++) {
        for (uint32_t i = 0, n = th_value_size(&args[m]); i < n; i++) {
            th_value_element(&args[m], 0, i, &k);
            th_value_element(&args[m], 1, i, &v);
            if (!valueset_put(&keys, &k, &index, NULL)) return fn_memory(call);
            values[index] = v;
        }
    }
    for (uint32_t i = 0; i < keys.count; i++)
        if (!th_builder_add(&b.children[0], valueset_at(&keys, i, 0)) ||
            !th_builder_add(&b.children[1], &values[i]))
            return fn_memory(call);
    return fn_finish_nested(call, &b, out);
}

th_slice fn_cut(th_slice *rest, th_slice mark)
{
    size_t at = th_slice_find(*rest, mark);
    th_slice head = th_slice_of(rest->bytes, at == SIZE_MAX ? rest->size : at);
    size_t used = at == SIZE_MAX ? rest->size : at + mark.size;
    *rest = th_slice_of(rest->bytes + used, rest->size - used);
    return head;
}

th_err fn_split_to_map(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    th_builder b;
    th_slice rest = args[0].s;
    uint32_t index;
    bool added;
    if (args[1].s.size == 0 || args[2].s.size == 0) return fn_bad(call, "entryDelimiter is empty");
    if (th_slice_equal(args[1].s, args[2].s))
        return fn_bad(call, "entryDelimiter and keyValueDelimiter must not be the same");
    TH_TRY(begin(call, &keys, &b));
    while (rest.size > 0) {
        th_slice entry = fn_cut(&rest, args[1].s), value = entry;
        th_slice key = fn_cut(&value, args[2].s);
        if (key.size == entry.size || th_slice_find(value, args[2].s) != SIZE_MAX)
            return fn_bad(
                call,
                "Key-value delimiter must appear exactly once in each entry. Bad input: '%.*s'",
                (int)(entry.size > 200 ? 200 : entry.size), (const char *)entry.bytes);
        th_value k = fn_text(key), v = fn_text(value);
        if (!valueset_put(&keys, &k, &index, &added)) return fn_memory(call);
        if (!added)
            return fn_bad(call, "Duplicate keys (%.*s) are not allowed",
                          (int)(key.size > 200 ? 200 : key.size), (const char *)key.bytes);
        if (!th_builder_add(&b.children[0], &k) || !th_builder_add(&b.children[1], &v))
            return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}
