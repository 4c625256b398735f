/* SPDX-License-Identifier: Apache-2.0
 * Raw JSON as vectors of rows, arrays and maps. Field names match JSON keys without regard to ASCII case, as Athena's
 * serializers do; the depth is that of the declared type. */
#include "engine/engine_private.h"

static th_err valid_bits(const th_slice *raw, uint32_t count, th_json_kind kind, th_arena *arena,
                         uint64_t **out)
{
    uint64_t *bits = TH_NEW_ARRAY(arena, uint64_t, (size_t)count / 64 + 1);
    if (bits == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        if (raw[i].size > 0 && th_json_kind_of(raw[i]) == kind)
            bits[i / 64] |= UINT64_C(1) << (i % 64);
    }
    *out = bits;
    return TH_OK;
}

/* "a|b": other keys of the field, or NULL. */
static const char *other_keys(const engine_names *names, th_slice field)
{
    char text[64];
    if (names == NULL || names->schema == NULL || field.size >= sizeof(text)) return NULL;
    memcpy(text, field.bytes, field.size);
    text[field.size] = '\0';
    return th_schema_field_key(names->schema, names->column, text);
}

static th_slice member_of(th_slice raw, th_slice field, const char *keys)
{
    th_slice value = {0};
    while (keys != NULL && *keys != '\0' && value.size == 0) {
        size_t size = strcspn(keys, "|");
        value = th_json_member_nocase(raw, th_slice_of(keys, size));
        keys += size + (keys[size] == '|');
    }
    return value.size > 0 ? value : th_json_member_nocase(raw, field);
}

static th_err nested_row(const th_slice *raw, uint32_t count, const th_type *type,
                         const engine_names *names, th_arena *arena, th_vector *out, th_diag *diag)
{
    uint64_t *valid = NULL;
    TH_TRY(valid_bits(raw, count, TH_JSON_OBJECT, arena, &valid));
    th_vector *children = TH_NEW_ARRAY(arena, th_vector, (size_t)type->child_count + 1);
    th_slice *members = TH_NEW_ARRAY(arena, th_slice, (size_t)count + 1);
    if (children == NULL || members == NULL) return TH_ELIMIT;
    for (uint32_t f = 0; f < type->child_count; f++) {
        const char *keys = other_keys(names, type->names[f]);
        for (uint32_t i = 0; i < count; i++) {
            members[i] =
                th_bit_get(valid, i) ? member_of(raw[i], type->names[f], keys) : (th_slice){0};
        }
        TH_TRY(engine_nested_vector(members, count, type->children[f], names, arena, &children[f],
                                    diag));
    }
    *out = (th_vector){
        .type = type, .form = TH_FLAT, .count = count, .valid = valid, .children = children};
    return TH_OK;
}

typedef struct element_list {
    uint32_t *offsets;
    th_slice *keys, *values; /* keys NULL for arrays */
} element_list;

/* Offsets and elements of each array or object in raw. */
static th_err elements_of(const th_slice *raw, uint32_t count, const uint64_t *valid, bool keyed,
                          th_arena *arena, element_list *out)
{
    out->offsets = TH_NEW_ARRAY(arena, uint32_t, (size_t)count + 1);
    if (out->offsets == NULL) return TH_ELIMIT;
    uint64_t total = 0;
    th_slice key, value;
    for (uint32_t i = 0; i < count; i++) {
        th_json_iter it = th_json_iter_of(th_bit_get(valid, i) ? raw[i] : (th_slice){0});
        while (th_json_next(&it, &key, &value)) total++;
        if (total > UINT32_MAX) return TH_ELIMIT;
        out->offsets[i + 1] = (uint32_t)total;
    }
    out->values = TH_NEW_ARRAY(arena, th_slice, total + 1);
    out->keys = keyed ? TH_NEW_ARRAY(arena, th_slice, total + 1) : NULL;
    if (out->values == NULL || (keyed && out->keys == NULL)) return TH_ELIMIT;
    size_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        th_json_iter it = th_json_iter_of(th_bit_get(valid, i) ? raw[i] : (th_slice){0});
        while (th_json_next(&it, &key, &value)) {
            if (keyed) out->keys[n] = th_json_key(key, arena);
            out->values[n++] = value;
        }
    }
    return TH_OK;
}

static th_err nested_list(const th_slice *raw, uint32_t count, const th_type *type,
                          const engine_names *names, th_arena *arena, th_vector *out, th_diag *diag)
{
    bool keyed = type->kind == TH_MAP;
    uint64_t *valid = NULL;
    TH_TRY(valid_bits(raw, count, keyed ? TH_JSON_OBJECT : TH_JSON_ARRAY, arena, &valid));
    element_list list;
    TH_TRY(elements_of(raw, count, valid, keyed, arena, &list));
    uint32_t total = list.offsets[count];
    th_vector *children = TH_NEW_ARRAY(arena, th_vector, 2);
    if (children == NULL) return TH_ELIMIT;
    if (keyed) {
        children[0] = (th_vector){
            .type = type->children[0], .form = TH_FLAT, .count = total, .data.str = list.keys};
    }
    TH_TRY(engine_nested_vector(list.values, total, type->children[keyed ? 1 : 0], names, arena,
                                &children[keyed ? 1 : 0], diag));
    *out = (th_vector){.type = type,
                       .form = TH_FLAT,
                       .count = count,
                       .valid = valid,
                       .offsets = list.offsets,
                       .children = children};
    return TH_OK;
}

static th_err nested_scalar(const th_slice *raw, uint32_t count, const th_type *type,
                            const engine_names *names, th_arena *arena, th_vector *out,
                            th_diag *diag)
{
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, (size_t)count + 1);
    uint8_t *kinds = TH_NEW_ARRAY(arena, uint8_t, (size_t)count + 1);
    if (values == NULL || kinds == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        th_json_kind kind = raw[i].size == 0 ? TH_JSON_NONE : th_json_kind_of(raw[i]);
        if (kind == TH_JSON_NONE || kind == TH_JSON_NULL) continue;
        kinds[i] = kind == TH_JSON_STRING ? TH_CELL_STRING : TH_CELL_JSON;
        values[i] = kind == TH_JSON_STRING ? th_json_string(raw[i], arena) : raw[i];
        if (values[i].bytes == NULL && kind == TH_JSON_STRING) return TH_ELIMIT;
    }
    th_segment_column cells = {.value_count = count, .values = values, .kinds = kinds};
    return engine_cells_vector(&cells, count, type, names, arena, out, diag);
}

th_err engine_nested_vector(const th_slice *raw, uint32_t count, const th_type *type,
                            const engine_names *names, th_arena *arena, th_vector *out,
                            th_diag *diag)
{
    switch (type->kind) {
    case TH_ROW: return nested_row(raw, count, type, names, arena, out, diag);
    case TH_ARRAY:
    case TH_MAP: return nested_list(raw, count, type, names, arena, out, diag);
    default: return nested_scalar(raw, count, type, names, arena, out, diag);
    }
}
