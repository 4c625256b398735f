/* SPDX-License-Identifier: Apache-2.0
 * JSON as a SQL type: canonical text, casts from it and to it. Text of the type json is always valid and canonical:
 * no white space, keys of objects sorted. */
#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "json/json.h"
#include "query/fn/call.h"
#include "query/type/datetime.h"
#include "query/type/number.h"

typedef struct member {
    th_slice key, value;
} member;

static int compare_members(const void *a, const void *b)
{
    return th_slice_compare(((const member *)a)->key, ((const member *)b)->key);
}

/* A number as Jackson prints it again: integers as they are, the rest as doubles. */
static void put_number(th_buf *out, th_slice raw)
{
    bool integer = true;
    double d;
    for (size_t i = 0; i < raw.size && integer; i++)
        integer = raw.bytes[i] != '.' && raw.bytes[i] != 'e' && raw.bytes[i] != 'E';
    if (integer || raw.size > 17 || !th_double_parse(raw, &d) || isinf(d))
        th_buf_add_slice(out, raw);
    else
        th_double_print(out, d, false);
}

static void put_string(th_buf *out, th_slice raw, th_arena *arena)
{
    th_slice text = th_json_string(raw, arena);
    th_json_quote(out, text.bytes == NULL ? (th_slice){NULL, 0} : text);
}

/* depth is bounded by the validation that raw went through (TH_JSON_DEPTH_MAX). */
static void put_canonical(th_arena *arena, th_buf *out, th_slice raw)
{
    th_slice key, value;
    th_json_iter it = th_json_iter_of(raw);
    switch (th_json_kind_of(raw)) {
    case TH_JSON_STRING: put_string(out, raw, arena); return;
    case TH_JSON_NUMBER: put_number(out, raw); return;
    case TH_JSON_ARRAY: {
        const char *separator = "[";
        while (th_json_next(&it, &key, &value)) {
            th_buf_add_text(out, separator);
            put_canonical(arena, out, value);
            separator = ",";
        }
        th_buf_add_text(out, separator[0] == '[' ? "[]" : "]");
        return;
    }
    case TH_JSON_OBJECT: {
        size_t count = 0, n = 0;
        while (th_json_next(&it, &key, &value)) count++;
        member *members = TH_NEW_ARRAY(arena, member, count);
        if (members == NULL) {
            out->error = TH_ELIMIT;
            return;
        }
        for (it = th_json_iter_of(raw); th_json_next(&it, &key, &value); n++)
            members[n] = (member){th_json_key(key, arena), value};
        qsort(members, count, sizeof *members, compare_members);
        th_buf_add_byte(out, '{');
        for (size_t i = 0; i < count; i++) {
            if (i > 0) th_buf_add_byte(out, ',');
            th_json_quote(out, members[i].key);
            th_buf_add_byte(out, ':');
            put_canonical(arena, out, members[i].value);
        }
        th_buf_add_byte(out, '}');
        return;
    }
    default: th_buf_add_slice(out, raw); return;
    }
}

void fn_json_canonical(th_fn_call *call, th_buf *out, th_slice raw)
{
    put_canonical(call->arena, out, raw);
}

static void quote_double(th_buf *out, double f, bool real)
{
    bool odd = isnan(f) || isinf(f);
    if (odd) th_buf_add_byte(out, '"');
    th_double_print(out, f, real);
    if (odd) th_buf_add_byte(out, '"');
}

static th_err append_map(th_fn_call *call, th_buf *out, const th_type *type, const th_value *v)
{
    uint32_t n = th_value_size(v);
    member *members = TH_NEW_ARRAY(call->arena, member, n);
    th_value x, k, text;
    if (members == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < n; i++) {
        th_buf part;
        th_value_element(v, 0, i, &k);
        th_value_element(v, 1, i, &x);
        text = (th_value){0};
        if (type->children[0]->kind == TH_DOUBLE || type->children[0]->kind == TH_REAL) {
            th_double_print(fn_scratch(call), k.f, type->children[0]->kind == TH_REAL);
            TH_TRY(fn_take_scratch(call, &text));
        } else {
            TH_TRY(th_cast_value(call, type->children[0], &th_type_varchar, &k, &text));
        }
        th_buf_init(&part, UINT32_MAX);
        th_err e = cast_append_json(call, &part, type->children[1], &x);
        members[i] = (member){text.s, th_arena_copy(call->arena, th_buf_slice(&part))};
        if (e == TH_OK && (th_buf_error(&part) != TH_OK || members[i].value.bytes == NULL))
            e = fn_memory(call);
        th_buf_free(&part);
        TH_TRY(e);
    }
    qsort(members, n, sizeof *members, compare_members);
    th_buf_add_byte(out, '{');
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) th_buf_add_byte(out, ',');
        th_json_quote(out, members[i].key);
        th_buf_add_byte(out, ':');
        th_buf_add_slice(out, members[i].value);
    }
    th_buf_add_byte(out, '}');
    return TH_OK;
}

static th_err append_nested(th_fn_call *call, th_buf *out, const th_type *type, const th_value *v)
{
    th_value x;
    bool row = type->kind == TH_ROW;
    uint32_t n = row ? type->child_count : th_value_size(v);
    if (type->kind == TH_MAP) return append_map(call, out, type, v);
    th_buf_add_byte(out, row ? '{' : '[');
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) th_buf_add_byte(out, ',');
        if (row) {
            th_json_quote(out, type->names[i]);
            th_buf_add_byte(out, ':');
            th_value_field(v, i, &x);
        } else {
            th_value_element(v, 0, i, &x);
        }
        TH_TRY(cast_append_json(call, out, type->children[row ? i : 0], &x));
    }
    th_buf_add_byte(out, row ? '}' : ']');
    return TH_OK;
}

th_err cast_append_json(th_fn_call *call, th_buf *out, const th_type *type, const th_value *v)
{
    th_value text = {0};
    if (v->null) {
        th_buf_add_text(out, "null");
        return TH_OK;
    }
    switch (type->kind) {
    case TH_BOOLEAN: th_buf_add_text(out, v->i ? "true" : "false"); return TH_OK;
    case TH_TINYINT:
    case TH_SMALLINT:
    case TH_INTEGER:
    case TH_BIGINT: th_buf_printf(out, "%lld", (long long)v->i); return TH_OK;
    case TH_REAL:
    case TH_DOUBLE: quote_double(out, v->f, type->kind == TH_REAL); return TH_OK;
    case TH_DECIMAL: th_decimal_print(out, v->d, type->scale); return TH_OK;
    case TH_JSON: th_buf_add_slice(out, v->s); return TH_OK;
    case TH_VARCHAR: th_json_quote(out, v->s); return TH_OK;
    case TH_ARRAY:
    case TH_MAP:
    case TH_ROW: return append_nested(call, out, type, v);
    default:
        TH_TRY(th_cast_value(call, type, &th_type_varchar, v, &text));
        th_json_quote(out, text.s);
        return TH_OK;
    }
}

static th_err cannot(th_fn_call *call, const th_type *to, th_slice raw)
{
    char type[200] = "";
    th_buf b = {.bytes = (uint8_t *)type, .capacity = sizeof type, .limit = sizeof type - 1};
    th_type_print(&b, to);
    return fn_fail(call, "INVALID_CAST_ARGUMENT", "Cannot cast '%.*s' to %s",
                   (int)(raw.size > 200 ? 200 : raw.size), (const char *)raw.bytes, type);
}

static th_err part_from_json(th_fn_call *call, const th_type *to, th_slice raw, th_builder *b)
{
    th_value x = {0};
    TH_TRY(cast_from_json(call, to, raw, &x));
    return th_builder_add(b, &x) ? TH_OK : fn_memory(call);
}

static th_err row_from_json(th_fn_call *call, const th_type *to, th_slice raw, th_builder *b)
{
    th_slice key, value;
    th_json_iter it = th_json_iter_of(raw);
    if (th_json_kind_of(raw) == TH_JSON_ARRAY) {
        for (uint32_t i = 0; i < to->child_count; i++) {
            if (!th_json_next(&it, &key, &value)) return cannot(call, to, raw);
            TH_TRY(part_from_json(call, to->children[i], value, &b->children[i]));
        }
        return th_json_next(&it, &key, &value) ? cannot(call, to, raw) : TH_OK;
    }
    for (uint32_t i = 0; i < to->child_count; i++) {
        value = th_json_member(raw, to->names[i]);
        if (value.size == 0) value = th_json_member_nocase(raw, to->names[i]);
        if (value.size == 0) value = TH_SLICE("null");
        TH_TRY(part_from_json(call, to->children[i], value, &b->children[i]));
    }
    return TH_OK;
}

static th_err map_from_json(th_fn_call *call, const th_type *to, th_slice raw, th_builder *b)
{
    th_slice key, value;
    for (th_json_iter it = th_json_iter_of(raw); th_json_next(&it, &key, &value);) {
        th_value k = {.s = th_json_key(key, call->arena)}, cast = {0};
        if (k.s.bytes == NULL) return fn_memory(call);
        TH_TRY(th_cast_value(call, &th_type_varchar, to->children[0], &k, &cast));
        if (!th_builder_add(&b->children[0], &cast)) return fn_memory(call);
        TH_TRY(part_from_json(call, to->children[1], value, &b->children[1]));
    }
    return TH_OK;
}

static th_err nested_from_json(th_fn_call *call, const th_type *to, th_slice raw, th_value *out)
{
    th_builder b;
    th_slice key, value;
    th_json_kind kind = th_json_kind_of(raw);
    if (kind != TH_JSON_ARRAY && (kind != TH_JSON_OBJECT || to->kind == TH_ARRAY))
        return cannot(call, to, raw);
    if (kind == TH_JSON_ARRAY && to->kind == TH_MAP) return cannot(call, to, raw);
    if (!th_builder_init(&b, call->arena, to, 1, false)) return fn_memory(call);
    if (to->kind == TH_ROW) {
        TH_TRY(row_from_json(call, to, raw, &b));
    } else if (to->kind == TH_MAP) {
        TH_TRY(map_from_json(call, to, raw, &b));
    } else {
        for (th_json_iter it = th_json_iter_of(raw); th_json_next(&it, &key, &value);)
            TH_TRY(part_from_json(call, to->children[0], value, &b.children[0]));
    }
    th_vector *v = TH_NEW(call->arena, th_vector);
    if (v == NULL || !th_builder_end_nested(&b)) return fn_memory(call);
    th_builder_finish(&b, v);
    out->n.vector = v;
    out->n.slot = 0;
    return TH_OK;
}

static th_err number_from_json(th_fn_call *call, const th_type *to, th_slice raw, th_value *out)
{
    th_value x = {0};
    bool integer = true;
    if (to->kind == TH_VARCHAR) {
        put_number(fn_scratch(call), raw);
        return fn_take_scratch(call, out);
    }
    for (size_t i = 0; i < raw.size; i++)
        integer = integer && raw.bytes[i] != '.' && raw.bytes[i] != 'e' && raw.bytes[i] != 'E';
    if (integer && th_slice_to_i64(raw, &x.i) && to->kind != TH_DECIMAL)
        return th_cast_value(call, &th_type_bigint, to, &x, out);
    x.s = raw;
    if (to->kind == TH_DECIMAL) return th_cast_value(call, &th_type_varchar, to, &x, out);
    if (!th_double_parse(raw, &x.f)) return cannot(call, to, raw);
    return th_cast_value(call, &th_type_double, to, &x, out);
}

th_err cast_from_json(th_fn_call *call, const th_type *to, th_slice raw, th_value *out)
{
    th_value x = {0};
    th_json_kind kind = th_json_kind_of(raw);
    if (to->kind == TH_JSON) {
        out->s = raw;
        return TH_OK;
    }
    if (kind == TH_JSON_NULL || kind == TH_JSON_NONE) {
        out->null = true;
        return TH_OK;
    }
    if (to->child_count > 0 || to->kind == TH_ROW) return nested_from_json(call, to, raw, out);
    switch (kind) {
    case TH_JSON_TRUE:
    case TH_JSON_FALSE:
        x.i = kind == TH_JSON_TRUE;
        return th_cast_value(call, &th_type_boolean, to, &x, out);
    case TH_JSON_STRING:
        x.s = th_json_string(raw, call->arena);
        if (x.s.bytes == NULL && x.s.size > 0) return fn_memory(call);
        return th_cast_value(call, &th_type_varchar, to, &x, out);
    case TH_JSON_NUMBER: return number_from_json(call, to, raw, out);
    default: return cannot(call, to, raw);
    }
}
