/* SPDX-License-Identifier: Apache-2.0
 * Arrays: combinations, n-grams, sequences in them, counts, shuffling; maps of lists. */
#include "query/fn/families.h"
#include "query/fn/nested.h"
#include "query/op/valueset.h"

#define COMBINATION_SIZE_MAX 5
#define COMBINATIONS_MAX 100000
#define NGRAM_ELEMENTS_MAX 10000000

th_err fn_array_first(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    if (th_value_size(&args[0]) == 0)
        out->null = true;
    else
        th_value_element(&args[0], 0, 0, out);
    return TH_OK;
}

th_err fn_array_last(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t n = th_value_size(&args[0]);
    (void)call;
    if (n == 0)
        out->null = true;
    else
        th_value_element(&args[0], 0, n - 1, out);
    return TH_OK;
}

/* The names of the fields, NULL for one without. */
th_err fn_row_fields(th_fn_call *call, const th_value *args, th_value *out)
{
    const th_type *row = call->arg_types[0];
    th_value *names = TH_NEW_ARRAY(call->arena, th_value, (size_t)row->child_count + 1);
    (void)args;
    if (names == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < row->child_count; i++) {
        names[i].null = row->names == NULL || row->names[i].size == 0;
        if (!names[i].null) names[i].s = row->names[i];
    }
    return fn_give_array(call, names, row->child_count, out);
}

/* Part indexes[0..size) of the array as one element of the array of arrays in the making. */
static th_err add_part(th_fn_call *call, const th_value *elements, const uint32_t *indexes,
                       uint32_t size, th_builder *b)
{
    for (uint32_t i = 0; i < size; i++)
        if (!th_builder_add(&b->children[0].children[0], &elements[indexes[i]]))
            return fn_memory(call);
    return th_builder_end_nested(&b->children[0]) ? TH_OK : fn_memory(call);
}

/* The next choice of size out of n in order; false after the last one. */
static bool next_choice(uint32_t *indexes, uint32_t size, uint32_t n)
{
    for (uint32_t i = size; i > 0; i--) {
        if (indexes[i - 1] >= n - size + i - 1) continue;
        indexes[i - 1]++;
        for (uint32_t k = i; k < size; k++) indexes[k] = indexes[k - 1] + 1;
        return true;
    }
    return false;
}

th_err fn_combinations(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t indexes[COMBINATION_SIZE_MAX], made = 0, n = th_value_size(&args[0]);
    int64_t size = args[1].i;
    th_builder b;
    th_value *elements;
    if (size < 0)
        return fn_bad(call, "combination size must not be negative: %lld", (long long)size);
    if (size > COMBINATION_SIZE_MAX)
        return fn_bad(call, "combination size must not exceed %d: %lld", COMBINATION_SIZE_MAX,
                      (long long)size);
    TH_TRY(fn_elements(call, &args[0], &elements));
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (uint32_t i = 0; i < COMBINATION_SIZE_MAX; i++) indexes[i] = i;
    if (size <= n) {
        do {
            if (++made > COMBINATIONS_MAX) return fn_bad(call, "combinations exceed max size");
            TH_TRY(add_part(call, elements, indexes, (uint32_t)size, &b));
        } while (next_choice(indexes, (uint32_t)size, n));
    }
    return fn_finish_nested(call, &b, out);
}

th_err fn_ngrams(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t n = th_value_size(&args[0]);
    th_builder b;
    th_value *elements;
    if (args[1].i <= 0) return fn_bad(call, "N must be positive");
    uint32_t size = args[1].i < n ? (uint32_t)args[1].i : n;
    if ((uint64_t)(n - size + 1) * size > NGRAM_ELEMENTS_MAX)
        return fn_bad(call, "array is too large for n-grams of %u elements", size);
    TH_TRY(fn_elements(call, &args[0], &elements));
    uint32_t *indexes = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)size + 1);
    if (indexes == NULL || !th_builder_init(&b, call->arena, call->type, 1, false))
        return fn_memory(call);
    for (uint32_t i = 0; i + size <= n; i++) {
        for (uint32_t k = 0; k < size; k++) indexes[k] = i + k;
        TH_TRY(add_part(call, elements, indexes, size, &b));
    }
    return fn_finish_nested(call, &b, out);
}

/* Does the second array stand somewhere in the first one, in this order? */
th_err fn_contains_sequence(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t n = th_value_size(&args[0]), m = th_value_size(&args[1]);
    const th_type *element = call->arg_types[0]->children[0];
    for (uint32_t i = 0; i + m <= n && out->i == 0; i++) {
        bool same = true;
        for (uint32_t k = 0; k < m && same; k++) {
            th_value x, y;
            th_value_element(&args[0], 0, i + k, &x);
            th_value_element(&args[1], 0, k, &y);
            same = th_value_same(element, &x, &y);
        }
        out->i = same;
    }
    return TH_OK;
}

th_err fn_array_histogram(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    th_builder b;
    uint32_t index, n = th_value_size(&args[0]);
    int64_t *counts = TH_NEW_ARRAY(call->arena, int64_t, (size_t)n + 1);
    if (counts == NULL || !valueset_init(&keys, call->arena, &call->type->children[0], 1) ||
        !th_builder_init(&b, call->arena, call->type, 1, false))
        return fn_memory(call);
    for (uint32_t i = 0; i < n; i++) {
        th_value x;
        th_value_element(&args[0], 0, i, &x);
        if (x.null) continue;
        if (!valueset_put(&keys, &x, &index, NULL)) return fn_memory(call);
        counts[index]++;
    }
    for (uint32_t i = 0; i < keys.count; i++) {
        th_value count = fn_int(counts[i]);
        if (!th_builder_add(&b.children[0], valueset_at(&keys, i, 0)) ||
            !th_builder_add(&b.children[1], &count))
            return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}

/* Fisher and Yates with the numbers of random(). */
th_err fn_shuffle(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value *elements, bound, pick;
    uint32_t n = th_value_size(&args[0]);
    TH_TRY(fn_elements(call, &args[0], &elements));
    for (uint32_t i = n; i > 1; i--) {
        bound = fn_int(i);
        pick = (th_value){0};
        TH_TRY(fn_random_below(call, &bound, &pick));
        th_value swap = elements[i - 1];
        elements[i - 1] = elements[pick.i];
        elements[pick.i] = swap;
    }
    return fn_give_array(call, elements, n, out);
}

/* Keys in the order of their first coming, each with its list of values. */
static th_err give_multimap(th_fn_call *call, const valueset *keys, const uint32_t *key_of,
                            const th_value *values, uint32_t n, th_value *out)
{
    th_builder b;
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    uint32_t *next = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)n + 1);
    uint32_t *first = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)keys->count + 1);
    if (next == NULL || first == NULL) return fn_memory(call);
    for (uint32_t i = n; i > 0; i--) { /* chains of the same key, 0 ends one */
        next[i - 1] = first[key_of[i - 1]];
        first[key_of[i - 1]] = i;
    }
    for (uint32_t k = 0; k < keys->count; k++) {
        if (!th_builder_add(&b.children[0], valueset_at(keys, k, 0))) return fn_memory(call);
        for (uint32_t i = first[k]; i > 0; i = next[i - 1])
            if (!th_builder_add(&b.children[1].children[0], &values[i - 1])) return fn_memory(call);
        if (!th_builder_end_nested(&b.children[1])) return fn_memory(call);
    }
    return fn_finish_nested(call, &b, out);
}

const th_type *fn_multimap_from_entries_type(th_arena *arena, const th_type **params,
                                             uint32_t count)
{
    const th_type *row = params[0]->kind == TH_ARRAY ? params[0]->children[0] : NULL;
    const th_type *unknown = &th_type_unknown;
    (void)count;
    if (params[0]->kind == TH_UNKNOWN || (row != NULL && row->kind == TH_UNKNOWN))
        return th_type_map(arena, unknown, th_type_array(arena, unknown));
    if (row == NULL || row->kind != TH_ROW || row->child_count != 2) return NULL;
    return th_type_map(arena, row->children[0], th_type_array(arena, row->children[1]));
}

th_err fn_multimap_from_entries(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    uint32_t n = th_value_size(&args[0]);
    uint32_t *key_of = TH_NEW_ARRAY(call->arena, uint32_t, (size_t)n + 1);
    th_value *values = TH_NEW_ARRAY(call->arena, th_value, (size_t)n + 1), row, k;
    if (key_of == NULL || values == NULL ||
        !valueset_init(&keys, call->arena, &call->type->children[0], 1))
        return fn_memory(call);
    for (uint32_t i = 0; i < n; i++) {
        th_value_element(&args[0], 0, i, &row);
        if (row.null) return fn_bad(call, "map entry cannot be null");
        th_value_field(&row, 0, &k);
        th_value_field(&row, 1, &values[i]);
        if (k.null) return fn_bad(call, "map key cannot be null");
        if (!valueset_put(&keys, &k, &key_of[i], NULL)) return fn_memory(call);
    }
    return give_multimap(call, &keys, key_of, values, n, out);
}

th_err fn_split_to_multimap(th_fn_call *call, const th_value *args, th_value *out)
{
    valueset keys;
    th_slice rest = args[0].s, between = args[1].s, inside = args[2].s;
    uint32_t n = 0;
    if (between.size == 0) return fn_bad(call, "entryDelimiter is empty");
    if (inside.size == 0) return fn_bad(call, "keyValueDelimiter is empty");
    if (th_slice_equal(between, inside))
        return fn_bad(call, "entryDelimiter and keyValueDelimiter must not be the same");
    size_t most = rest.size / between.size + 1;
    uint32_t *key_of = TH_NEW_ARRAY(call->arena, uint32_t, most);
    th_value *values = TH_NEW_ARRAY(call->arena, th_value, most);
    if (key_of == NULL || values == NULL ||
        !valueset_init(&keys, call->arena, &call->type->children[0], 1))
        return fn_memory(call);
    while (rest.size > 0) {
        th_slice entry = fn_cut(&rest, between), value = entry;
        th_slice key = fn_cut(&value, inside);
        if (key.size == entry.size || th_slice_find(value, inside) != SIZE_MAX)
            return fn_bad(
                call, "Key-value delimiter must appear exactly once in each entry. Bad input: %.*s",
                (int)(entry.size > 200 ? 200 : entry.size), (const char *)entry.bytes);
        th_value k = fn_text(key);
        values[n] = fn_text(value);
        if (!valueset_put(&keys, &k, &key_of[n++], NULL)) return fn_memory(call);
    }
    return give_multimap(call, &keys, key_of, values, n, out);
}
