/* SPDX-License-Identifier: Apache-2.0
 * JSON functions over text and over the type json. Text that is no JSON gives NULL, but for json_parse and
 * is_json_scalar. Paths: $, .key, ["key"], [n]; compiled once a place. */
#include "json/json.h"

#include "base/limits.h"
#include "query/fn/call.h"
#include "query/fn/families.h"
#include "query/type/number.h"

typedef struct path_step {
    th_slice key; /* when index is -1 */
    int64_t index;
} path_step;

typedef struct json_path {
    th_slice source;
    path_step *steps;
    uint32_t count;
} json_path;

static bool is_bare(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == ':' || c == '@' || c >= 0x80;
}

static bool dot_step(const uint8_t **pos, const uint8_t *end, path_step *step)
{
    const uint8_t *p = *pos + 1, *from = p;
    while (p < end && is_bare(*p)) p++;
    if (p == from) return false;
    *step = (path_step){th_slice_of(from, (size_t)(p - from)), -1};
    *pos = p;
    return true;
}

static bool bracket_step(th_arena *arena, const uint8_t **pos, const uint8_t *end, path_step *step)
{
    const uint8_t *p = *pos + 1;
    if (p < end && (*p == '"' || *p == '\'')) {
        uint8_t quote = *p++;
        uint8_t *key = th_arena_alloc(arena, (size_t)(end - p) + 1);
        size_t n = 0;
        if (key == NULL) return false;
        while (p < end && *p != quote) {
            if (*p == '\\' && p + 1 < end) p++;
            key[n++] = *p++;
        }
        if (end - p < 2 || p[1] != ']') return false;
        *step = (path_step){th_slice_of(key, n), -1};
        *pos = p + 2;
        return true;
    }
    int64_t index = 0;
    const uint8_t *from = p;
    for (; p < end && *p >= '0' && *p <= '9' && index < INT32_MAX; p++)
        index = index * 10 + (*p - '0');
    if (p > from && p < end && *p == ']') {
        *step = (path_step){{NULL, 0}, index};
        *pos = p + 1;
        return true;
    }
    p = from; /* a bare key in brackets */
    while (p < end && *p != ']' && is_bare(*p)) p++;
    if (p == from || p == end || *p != ']') return false;
    *step = (path_step){th_slice_of(from, (size_t)(p - from)), -1};
    *pos = p + 1;
    return true;
}

static th_err compile_path(th_fn_call *call, th_slice source, json_path *path)
{
    path->source = th_arena_copy(call->query, source);
    path->steps = TH_NEW_ARRAY(call->query, path_step, source.size + 1);
    if (path->source.bytes == NULL || path->steps == NULL) return fn_memory(call);
    const uint8_t *p = path->source.bytes, *end = p + source.size;
    bool ok = p < end && (*p == '$' || is_bare(*p));
    if (ok && *p == '$') {
        p++;
    } else if (ok) { /* "a.b" is taken as "$.a.b" */
        p--;
        ok = dot_step(&p, end, &path->steps[path->count++]);
    }
    while (ok && p < end) {
        path_step *step = &path->steps[path->count++];
        ok = *p == '.' ? dot_step(&p, end, step)
                       : *p == '[' && bracket_step(call->query, &p, end, step);
    }
    if (ok) return TH_OK;
    return fn_bad(call, "Invalid JSON path: '%.*s'", (int)(source.size > 200 ? 200 : source.size),
                  (const char *)source.bytes);
}

static th_err path_of(th_fn_call *call, th_slice source, json_path **out)
{
    json_path *path = *call->state;
    if (path == NULL || !th_slice_equal(path->source, source)) {
        path = TH_NEW(call->query, json_path);
        if (path == NULL) return fn_memory(call);
        TH_TRY(compile_path(call, source, path));
        *call->state = path;
    }
    *out = path;
    return TH_OK;
}

/* Raw JSON of the argument; empty when it is text that is no JSON. */
static th_slice document(const th_fn_call *call, th_slice text)
{
    th_slice value;
    if (call->arg_types[0]->kind == TH_JSON) return text;
    return th_json_document(text, TH_JSON_DEPTH_MAX, &value, NULL) == TH_OK ? value
                                                                            : (th_slice){NULL, 0};
}

static th_slice follow(th_slice raw, const json_path *path)
{
    for (uint32_t i = 0; i < path->count && raw.size > 0; i++) {
        const path_step *step = &path->steps[i];
        bool array = th_json_kind_of(raw) == TH_JSON_ARRAY;
        if (step->index >= 0)
            raw = array ? th_json_element(raw, (size_t)step->index) : (th_slice){NULL, 0};
        else
            raw = array ? (th_slice){NULL, 0} : th_json_member(raw, step->key);
    }
    return raw;
}

static th_err find(th_fn_call *call, const th_value *args, th_slice *raw)
{
    json_path *path;
    TH_TRY(path_of(call, args[1].s, &path));
    th_slice doc = document(call, args[0].s);
    *raw = doc.size == 0 ? doc : follow(doc, path);
    return TH_OK;
}

static th_err give_json(th_fn_call *call, th_slice raw, th_value *out)
{
    if (raw.size == 0) {
        out->null = true;
        return TH_OK;
    }
    th_json_compact(fn_scratch(call), raw);
    return fn_take_scratch(call, out);
}

th_err fn_json_extract(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice raw;
    TH_TRY(find(call, args, &raw));
    return give_json(call, raw, out);
}

/* Text of a scalar; NULL for null, objects, arrays and what is absent. */
static th_err give_scalar(th_fn_call *call, th_slice raw, th_value *out)
{
    switch (th_json_kind_of(raw)) {
    case TH_JSON_STRING:
        out->s = th_json_string(raw, call->arena);
        return out->s.bytes == NULL ? fn_memory(call) : TH_OK;
    case TH_JSON_NUMBER:
    case TH_JSON_TRUE:
    case TH_JSON_FALSE: out->s = raw; return TH_OK;
    default: out->null = true; return TH_OK;
    }
}

th_err fn_json_extract_scalar(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice raw;
    TH_TRY(find(call, args, &raw));
    if (raw.size > 0) return give_scalar(call, raw, out);
    out->null = true;
    return TH_OK;
}

th_err fn_json_size(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice raw, key, value;
    TH_TRY(find(call, args, &raw));
    out->null = raw.size == 0;
    for (th_json_iter it = th_json_iter_of(raw); raw.size > 0 && th_json_next(&it, &key, &value);)
        out->i++;
    return TH_OK;
}

th_err fn_json_parse(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice value;
    if (th_json_document(args[0].s, TH_JSON_DEPTH_MAX, &value, NULL) != TH_OK)
        return fn_bad(call, "Cannot convert value to JSON: '%.*s'",
                      (int)(args[0].s.size > 200 ? 200 : args[0].s.size),
                      (const char *)args[0].s.bytes);
    fn_json_canonical(call, fn_scratch(call), value);
    return fn_take_scratch(call, out);
}

th_err fn_json_format(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->s = args[0].s;
    return TH_OK;
}

th_err fn_is_json_scalar(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice raw = document(call, args[0].s);
    if (raw.size == 0)
        return fn_bad(call, "Invalid JSON value: %.*s",
                      (int)(args[0].s.size > 200 ? 200 : args[0].s.size),
                      (const char *)args[0].s.bytes);
    th_json_kind kind = th_json_kind_of(raw);
    out->i = kind != TH_JSON_ARRAY && kind != TH_JSON_OBJECT;
    return TH_OK;
}

th_err fn_json_array_length(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice raw = document(call, args[0].s), key, value;
    out->null = raw.size == 0 || th_json_kind_of(raw) != TH_JSON_ARRAY;
    for (th_json_iter it = th_json_iter_of(raw); !out->null && th_json_next(&it, &key, &value);)
        out->i++;
    return TH_OK;
}

th_err fn_json_array_get(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice raw = document(call, args[0].s), key, value = {NULL, 0};
    int64_t index = args[1].i;
    out->null = true;
    if (raw.size == 0 || th_json_kind_of(raw) != TH_JSON_ARRAY) return TH_OK;
    if (index < 0)
        for (th_json_iter it = th_json_iter_of(raw); th_json_next(&it, &key, &value);) index++;
    if (index < 0 || (args[1].i < 0 && args[1].i == INT64_MIN)) return TH_OK;
    value = th_json_element(raw, (size_t)index);
    th_json_kind kind = value.size == 0 ? TH_JSON_NULL : th_json_kind_of(value);
    if (kind == TH_JSON_NULL) return TH_OK;
    out->null = false;
    if (kind != TH_JSON_STRING) return give_json(call, value, out);
    out->s = th_json_string(value, call->arena); /* without quotes, as Trino does it */
    return out->s.bytes == NULL ? fn_memory(call) : TH_OK;
}

static bool same_scalar(th_fn_call *call, th_slice raw, const th_value *v)
{
    double d;
    switch (call->arg_types[1]->kind) {
    case TH_BOOLEAN: return th_json_kind_of(raw) == (v->i ? TH_JSON_TRUE : TH_JSON_FALSE);
    case TH_BIGINT: {
        int64_t i;
        return th_json_kind_of(raw) == TH_JSON_NUMBER && th_slice_to_i64(raw, &i) && i == v->i;
    }
    case TH_DOUBLE:
        if (th_json_kind_of(raw) != TH_JSON_NUMBER || memchr(raw.bytes, '.', raw.size) == NULL)
            return false;
        return th_double_parse(raw, &d) && d == v->f;
    default:
        return th_json_kind_of(raw) == TH_JSON_STRING &&
               th_slice_equal(th_json_string(raw, call->arena), v->s);
    }
}

th_err fn_json_array_contains(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice raw = document(call, args[0].s), key, value;
    out->null = raw.size == 0 || th_json_kind_of(raw) != TH_JSON_ARRAY;
    for (th_json_iter it = th_json_iter_of(raw);
         !out->null && out->i == 0 && th_json_next(&it, &key, &value);)
        out->i = same_scalar(call, value, &args[1]);
    return TH_OK;
}
