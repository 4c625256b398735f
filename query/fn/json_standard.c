/* SPDX-License-Identifier: Apache-2.0
 * JSON_EXISTS, JSON_VALUE, JSON_QUERY, JSON_OBJECT and JSON_ARRAY, as query/parse_json.c writes them down: the third
 * argument (the first one of the constructors) has a letter for each clause. */
#include "base/limits.h"
#include "json/json.h"
#include "query/fn/families.h"
#include "query/fn/jsonpath.h"

enum { FOUND, NOTHING, FAILED }; /* how it went */

static th_err read_document(th_fn_call *call, const th_type *type, th_slice text, th_slice *raw)
{
    if (type->kind == TH_JSON) {
        *raw = text;
        return TH_OK;
    }
    if (th_json_document(text, TH_JSON_DEPTH_MAX, raw, NULL) == TH_OK) return TH_OK;
    return fn_fail(call, "JSON_INPUT_CONVERSION_ERROR",
                   "conversion to JSON failed: the text is no JSON");
}

static th_err check_input(th_fn_call *call)
{
    th_type_kind kind = call->arg_types[0]->kind;
    if (kind == TH_JSON || kind == TH_VARCHAR || kind == TH_VARBINARY || kind == TH_UNKNOWN)
        return TH_OK;
    return fn_fail(call, "TYPE_MISMATCH", "Cannot read input of this type as JSON");
}

/* Pairs of a name and a value, from argument first on. */
static th_err read_variables(th_fn_call *call, const th_value *args, uint32_t first,
                             path_variable **out, uint32_t *count)
{
    *count = (call->arg_count - first) / 2;
    *out = TH_NEW_ARRAY(call->arena, path_variable, (size_t)*count + 1);
    if (*out == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < *count; i++) {
        th_slice name = args[first + 2 * i].s;
        const th_value *v = &args[first + 2 * i + 1];
        const th_type *type = call->arg_types[first + 2 * i + 1];
        path_variable *variable = &(*out)[i];
        variable->name = th_slice_of(name.bytes + 1, name.size - 1);
        if (!v->null && (name.bytes[0] == 'j' || type->kind == TH_JSON)) {
            th_slice raw;
            TH_TRY(read_document(call, type, v->s, &raw));
            TH_TRY(jsonpath_item(call, raw, &variable->item));
            continue;
        }
        if (type->child_count > 0)
            return fn_fail(call, "NOT_SUPPORTED", "Unsupported type of JSON path parameter");
        variable->item =
            (path_item){.type = th_type_is_integer(type) ? &th_type_bigint : type, .value = *v};
    }
    return TH_OK;
}

static th_err run_path(th_fn_call *call, const th_value *args, uint32_t first, path_items *items)
{
    jsonpath *path;
    path_variable *variables;
    uint32_t count;
    th_slice raw;
    TH_TRY(read_document(call, call->arg_types[0], args[0].s, &raw));
    TH_TRY(jsonpath_of(call, args[1].s, &path));
    TH_TRY(read_variables(call, args, first, &variables, &count));
    return jsonpath_run(call, path, raw, variables, count, items);
}

/* An error of the document, the path or the result, which ON ERROR may take; not one of the path's spelling. */
static bool is_taken(const th_fn_call *call, th_err err)
{
    const char *name = th_diag_name(call->diag);
    return err == TH_ESQL && strcmp(name, "INVALID_PATH") != 0 &&
           strcmp(name, "NOT_SUPPORTED") != 0 && strcmp(name, "TYPE_MISMATCH") != 0;
}

th_err fn_json_exists(th_fn_call *call, const th_value *args, th_value *out)
{
    path_items items;
    TH_TRY(check_input(call));
    out->null = args[0].null;
    if (args[0].null) return TH_OK;
    th_err err = run_path(call, args, 3, &items);
    char on_error = (char)args[2].s.bytes[0];
    if (err != TH_OK && (!is_taken(call, err) || on_error == 'E')) return err;
    if (err == TH_OK) {
        out->i = items.count > 0;
        return TH_OK;
    }
    th_diag_clear(call->diag);
    out->null = on_error == 'U';
    out->i = on_error == 'T';
    return TH_OK;
}

static th_err bad_result(th_fn_call *call, const char *name, const char *what)
{
    return fn_fail(call, name, "cannot extract SQL value from JSON: %s", what);
}

/* The one scalar as the type of args[3]; *state says how it went, the error stays in the diag. */
static th_err find_value(th_fn_call *call, const th_value *args, int *state, th_value *out)
{
    path_items items;
    *state = FAILED;
    TH_TRY(run_path(call, args, 4, &items));
    if (items.count == 0) {
        *state = NOTHING;
        return bad_result(call, "JSON_VALUE_RESULT_ERROR", "the path found no items");
    }
    if (items.count > 1 || items.at[0].type == NULL)
        return bad_result(call, "JSON_VALUE_RESULT_ERROR", "the path did not find one scalar");
    path_item *item = &items.at[0];
    out->null = item->value.null;
    const th_type *to = call->arg_types[3];
    if (!out->null && th_type_equal(item->type, to))
        *out = item->value;
    else if (!out->null)
        TH_TRY(th_cast_value(call, item->type, to, &item->value, out));
    *state = FOUND;
    return TH_OK;
}

const th_type *fn_json_value_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)arena;
    (void)count;
    return params[3]->child_count > 0 ? NULL : params[3];
}

th_err fn_json_value(th_fn_call *call, const th_value *args, th_value *out)
{
    int state;
    TH_TRY(check_input(call));
    out->null = args[0].null;
    if (args[0].null) return TH_OK;
    th_err err = find_value(call, args, &state, out);
    if (err == TH_OK) return TH_OK;
    char wish = (char)args[2].s.bytes[state == NOTHING ? 0 : 1];
    if (!is_taken(call, err)) return err;
    /* an error that ON EMPTY asks for is one that ON ERROR may take */
    if (state == NOTHING && wish == 'E' && args[2].s.bytes[1] != 'E') return err;
    if (wish == 'E') return err;
    th_diag_clear(call->diag);
    *out = (th_value){.null = true};
    return TH_OK;
}

/* 0: a value, 1: nothing found, 2: an error. */
th_err fn_json_value_state(th_fn_call *call, const th_value *args, th_value *out)
{
    int state;
    th_value ignored = {0};
    TH_TRY(check_input(call));
    if (args[0].null) return TH_OK;
    th_err err = find_value(call, args, &state, &ignored);
    if (err != TH_OK && !is_taken(call, err)) return err;
    if (err != TH_OK) th_diag_clear(call->diag);
    out->i = state;
    return TH_OK;
}

static th_err print_found(th_fn_call *call, const path_items *items, char wrapper, char quotes,
                          th_value *out)
{
    bool wrap =
        wrapper == 'U' || (wrapper == 'C' && (items->count > 1 || items->at[0].type != NULL));
    th_buf b;
    if (!wrap && items->count > 1)
        return fn_fail(call, "JSON_QUERY_RESULT_ERROR", "JSON path found multiple items");
    const path_item *first = &items->at[0];
    if (!wrap && quotes == 'O' && first->type != NULL && first->type->kind == TH_VARCHAR &&
        !first->value.null)
        return fn_copy(call, first->value.s, out);
    th_buf_init(&b, UINT32_MAX);
    th_err err = TH_OK;
    if (wrap) th_buf_add_byte(&b, '[');
    for (uint32_t i = 0; i < items->count && err == TH_OK; i++) {
        if (i > 0) th_buf_add_byte(&b, ',');
        err = jsonpath_print(call, &b, &items->at[i]);
    }
    if (wrap) th_buf_add_byte(&b, ']');
    if (err == TH_OK && th_buf_error(&b) != TH_OK) err = fn_memory(call);
    if (err == TH_OK) err = fn_copy(call, th_buf_slice(&b), out);
    th_buf_free(&b);
    return err;
}

static th_err find_json(th_fn_call *call, const th_value *args, int *state, th_value *out)
{
    path_items items;
    *state = FAILED;
    TH_TRY(run_path(call, args, 3, &items));
    if (items.count == 0) {
        *state = NOTHING;
        return fn_fail(call, "JSON_QUERY_RESULT_ERROR", "JSON path found no items");
    }
    return print_found(call, &items, (char)args[2].s.bytes[2], (char)args[2].s.bytes[3], out);
}

th_err fn_json_query(th_fn_call *call, const th_value *args, th_value *out)
{
    int state;
    TH_TRY(check_input(call));
    out->null = args[0].null;
    if (args[0].null) return TH_OK;
    th_err err = find_json(call, args, &state, out);
    if (err == TH_OK) return TH_OK;
    char wish = (char)args[2].s.bytes[state == NOTHING ? 0 : 1];
    if (!is_taken(call, err) || wish == 'E') return err;
    th_diag_clear(call->diag);
    *out = (th_value){.null = wish == 'N'};
    if (wish != 'N') out->s = wish == 'A' ? TH_SLICE("[]") : TH_SLICE("{}");
    return TH_OK;
}

/* A value of a constructor as JSON text. */
static th_err put_value(th_fn_call *call, th_buf *b, const th_type *type, const th_value *v,
                        char format)
{
    th_slice raw;
    if (v->null) {
        th_buf_add_text(b, "null");
        return TH_OK;
    }
    if (format == 'J' || type->kind == TH_JSON) {
        if (type->kind != TH_JSON && type->kind != TH_VARCHAR && type->kind != TH_VARBINARY)
            return fn_fail(call, "TYPE_MISMATCH", "Cannot read input of this type as JSON");
        TH_TRY(read_document(call, type, v->s, &raw));
        return jsonpath_print_raw(call, b, raw);
    }
    if (type->child_count > 0)
        return fn_fail(call, "NOT_SUPPORTED",
                       "Arrays, maps and rows are not supported as input of a JSON constructor");
    return cast_append_json(call, b, type, v);
}

/* Where a hash map of 16 buckets, doubled when it is three quarters full, would have the key: the order in which Trino
 * gives the members. */
static uint32_t bucket_of(th_slice key, uint32_t buckets)
{
    uint32_t hash = 0;
    for (size_t at = 0; at < key.size;) {
        uint32_t code = fn_utf8_next(key, &at);
        if (code >= 0x10000) {
            hash = hash * 31 + (0xD800 + ((code - 0x10000) >> 10));
            code = 0xDC00 + (code & 0x3FF);
        }
        hash = hash * 31 + code;
    }
    return (hash ^ hash >> 16) & (buckets - 1);
}

static th_err put_members(th_fn_call *call, const th_value *args, th_buf *b)
{
    uint32_t n = (call->arg_count - 1) / 2, buckets = 16, put = 0;
    const uint8_t *spec = args[0].s.bytes;
    for (uint32_t i = 0; i < n; i++) {
        if (args[1 + 2 * i].null)
            return fn_fail(call, "INVALID_FUNCTION_ARGUMENT",
                           "null value passed for JSON object key");
        for (uint32_t k = 0; k < i; k++)
            if (th_slice_equal(args[1 + 2 * i].s, args[1 + 2 * k].s))
                return fn_fail(call, "NOT_SUPPORTED",
                               "cannot construct a JSON object with duplicate key");
    }
    while (n * 4 > buckets * 3) buckets *= 2;
    for (uint32_t bucket = 0; bucket < buckets; bucket++) {
        for (uint32_t i = 0; i < n; i++) {
            const th_value *key = &args[1 + 2 * i], *v = &args[2 + 2 * i];
            if (bucket_of(key->s, buckets) != bucket || (v->null && spec[0] == 'A')) continue;
            if (put++ > 0) th_buf_add_byte(b, ',');
            th_json_quote(b, key->s);
            th_buf_add_byte(b, ':');
            TH_TRY(put_value(call, b, call->arg_types[2 + 2 * i], v, (char)spec[1 + i]));
        }
    }
    return TH_OK;
}

static th_err put_elements(th_fn_call *call, const th_value *args, th_buf *b)
{
    uint32_t put = 0;
    const uint8_t *spec = args[0].s.bytes;
    for (uint32_t i = 1; i < call->arg_count; i++) {
        if (args[i].null && spec[0] == 'A') continue;
        if (put++ > 0) th_buf_add_byte(b, ',');
        TH_TRY(put_value(call, b, call->arg_types[i], &args[i], (char)spec[i]));
    }
    return TH_OK;
}

static th_err construct(th_fn_call *call, const th_value *args, bool object, th_value *out)
{
    th_buf b;
    th_buf_init(&b, UINT32_MAX);
    th_buf_add_byte(&b, object ? '{' : '[');
    th_err err = object ? put_members(call, args, &b) : put_elements(call, args, &b);
    th_buf_add_byte(&b, object ? '}' : ']');
    if (err == TH_OK && th_buf_error(&b) != TH_OK) err = fn_memory(call);
    if (err == TH_OK) err = fn_copy(call, th_buf_slice(&b), out);
    th_buf_free(&b);
    return err;
}

const th_type *fn_json_object_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)arena;
    for (uint32_t i = 1; i < count; i += 2) {
        if (params[i]->kind != TH_VARCHAR && params[i]->kind != TH_CHAR &&
            params[i]->kind != TH_UNKNOWN)
            return NULL;
        params[i] = &th_type_varchar;
    }
    return &th_type_varchar;
}

th_err fn_json_object(th_fn_call *call, const th_value *args, th_value *out)
{
    return construct(call, args, true, out);
}

th_err fn_json_array(th_fn_call *call, const th_value *args, th_value *out)
{
    return construct(call, args, false, out);
}
