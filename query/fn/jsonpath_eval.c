/* SPDX-License-Identifier: Apache-2.0
 * A compiled JSON path over a document. In lax mode arrays are unwrapped and wrapped as a step needs it and what is
 * missing is left out; in strict mode both are errors. An error inside a filter makes its predicate unknown. */
#include <math.h>

#include "base/limits.h"
#include "json/json.h"
#include "query/fn/families.h"
#include "query/fn/jsonpath.h"
#include "query/type/coerce.h"
#include "query/type/datetime.h"
#include "query/type/number.h"

#define ITEMS_MAX 1000000u

enum { NO = 0, YES = 1, UNKNOWN = -1 };

typedef struct path_run {
    th_fn_call *call;
    bool strict;
    path_item root;
    const path_item *current; /* @ */
    int64_t last;             /* last, in a subscript; -1 outside */
    const path_variable *variables;
    uint32_t variable_count;
} path_run;

static th_err eval(path_run *r, const path_node *n, path_items *out);
static th_err decide(path_run *r, const path_node *n, int *answer);

static th_err failed(path_run *r, const char *what)
{
    return fn_fail(r->call, "PATH_EVALUATION_ERROR", "path evaluation failed: %s", what);
}

static th_err push(path_run *r, path_items *items, const path_item *item)
{
    if (items->count == items->capacity) {
        uint32_t more = items->capacity * 2 + 8;
        path_item *at = TH_NEW_ARRAY(r->call->arena, path_item, more);
        if (at == NULL || items->count > ITEMS_MAX) return fn_memory(r->call);
        if (items->count > 0) memcpy(at, items->at, items->count * sizeof *at);
        items->at = at;
        items->capacity = more;
    }
    items->at[items->count++] = *item;
    return TH_OK;
}

static th_err number_item(th_fn_call *call, th_slice raw, path_item *out)
{
    bool whole = true, exponent = false;
    uint32_t precision, scale;
    for (size_t i = 0; i < raw.size; i++) {
        whole = whole && (raw.bytes[i] == '-' || (raw.bytes[i] >= '0' && raw.bytes[i] <= '9'));
        exponent = exponent || raw.bytes[i] == 'e' || raw.bytes[i] == 'E';
    }
    th_i128 d;
    if (!exponent && th_decimal_parse(raw, &d, &precision, &scale)) {
        if (whole && d >= INT64_MIN && d <= INT64_MAX) {
            out->type = &th_type_bigint;
            out->value.i = (int64_t)d;
            return TH_OK;
        }
        out->type = th_type_decimal(call->arena, precision, scale);
        out->value.d = d;
        return out->type == NULL ? fn_memory(call) : TH_OK;
    }
    out->type = &th_type_double;
    (void)th_double_parse(raw, &out->value.f);
    return TH_OK;
}

th_err jsonpath_item(th_fn_call *call, th_slice raw, path_item *out)
{
    *out = (path_item){.raw = raw};
    switch (th_json_kind_of(raw)) {
    case TH_JSON_NULL:
        out->type = &th_type_unknown;
        out->value.null = true;
        return TH_OK;
    case TH_JSON_TRUE:
    case TH_JSON_FALSE:
        out->type = &th_type_boolean;
        out->value.i = th_json_kind_of(raw) == TH_JSON_TRUE;
        return TH_OK;
    case TH_JSON_NUMBER: return number_item(call, raw, out);
    case TH_JSON_STRING:
        out->type = &th_type_varchar;
        out->value.s = th_json_string(raw, call->arena);
        return out->value.s.bytes == NULL ? fn_memory(call) : TH_OK;
    default: return TH_OK;
    }
}

static th_err push_raw(path_run *r, path_items *out, th_slice raw)
{
    path_item item;
    TH_TRY(jsonpath_item(r->call, raw, &item));
    return push(r, out, &item);
}

static bool is_array(const path_item *item)
{
    return item->type == NULL && th_json_kind_of(item->raw) == TH_JSON_ARRAY;
}

static th_err push_elements(path_run *r, path_items *out, const path_item *array)
{
    th_json_iter it = th_json_iter_of(array->raw);
    th_slice key, value;
    while (th_json_next(&it, &key, &value)) TH_TRY(push_raw(r, out, value));
    return TH_OK;
}

/* The operand; in lax mode the elements of its arrays instead of them. */
static th_err unwrapped(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    if (r->strict) return eval(r, n, out);
    TH_TRY(eval(r, n, &items));
    for (uint32_t i = 0; i < items.count; i++) {
        if (is_array(&items.at[i]))
            TH_TRY(push_elements(r, out, &items.at[i]));
        else
            TH_TRY(push(r, out, &items.at[i]));
    }
    return TH_OK;
}

/* The last member of that name, as a parser that keeps one of equal keys has it. */
static th_slice member(th_slice object, th_slice name)
{
    th_json_iter it = th_json_iter_of(object);
    th_slice key, value, found = {NULL, 0};
    while (th_json_next(&it, &key, &value))
        if (th_json_key_equals(key, name)) found = value;
    return found;
}

static th_err members(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    TH_TRY(unwrapped(r, n->first, &items));
    for (uint32_t i = 0; i < items.count; i++) {
        const path_item *item = &items.at[i];
        bool object = item->type == NULL && th_json_kind_of(item->raw) == TH_JSON_OBJECT;
        if (!object && r->strict) return failed(r, "invalid item type. Expected: OBJECT");
        if (!object) continue;
        if (n->kind == PATH_MEMBERS) {
            TH_TRY(push_elements(r, out, item));
            continue;
        }
        th_slice value = member(item->raw, n->text);
        if (value.size > 0)
            TH_TRY(push_raw(r, out, value));
        else if (r->strict)
            return failed(r, "missing member in JSON object");
    }
    return TH_OK;
}

/* The member itself first, then what lies below all members. Depth is that of a document. */
static th_err descend(path_run *r, th_slice raw, th_slice name, path_items *out)
{
    th_json_iter it = th_json_iter_of(raw);
    th_slice key, value,
        own = th_json_kind_of(raw) == TH_JSON_OBJECT ? member(raw, name) : (th_slice){NULL, 0};
    if (own.size > 0) TH_TRY(push_raw(r, out, own));
    while (th_json_next(&it, &key, &value)) TH_TRY(descend(r, value, name, out));
    return TH_OK;
}

static th_err descendants(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    TH_TRY(eval(r, n->first, &items));
    for (uint32_t i = 0; i < items.count; i++)
        if (items.at[i].type == NULL) TH_TRY(descend(r, items.at[i].raw, n->text, out));
    return TH_OK;
}

static th_err elements(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    TH_TRY(eval(r, n->first, &items));
    for (uint32_t i = 0; i < items.count; i++) {
        if (is_array(&items.at[i]))
            TH_TRY(push_elements(r, out, &items.at[i]));
        else if (r->strict)
            return failed(r, "invalid item type. Expected: ARRAY");
        else
            TH_TRY(push(r, out, &items.at[i]));
    }
    return TH_OK;
}

/* One whole number. */
static th_err index_of(path_run *r, const path_node *n, int64_t *out)
{
    path_items items = {0};
    th_value whole = {0};
    TH_TRY(unwrapped(r, n, &items));
    bool one = items.count == 1 && items.at[0].type != NULL && th_type_is_numeric(items.at[0].type);
    if (!one) return failed(r, "array subscript must be a single number");
    if (items.at[0].type->kind == TH_DOUBLE) items.at[0].value.f = trunc(items.at[0].value.f);
    TH_TRY(th_cast_value(r->call, items.at[0].type, &th_type_bigint, &items.at[0].value, &whole));
    *out = whole.i;
    return TH_OK;
}

static th_err subscript_one(path_run *r, const path_node *n, const path_item *item, path_items *out)
{
    path_items parts = {0};
    if (is_array(item))
        TH_TRY(push_elements(r, &parts, item));
    else if (r->strict)
        return failed(r, "invalid item type. Expected: ARRAY");
    else
        TH_TRY(push(r, &parts, item));
    int64_t outer = r->last;
    r->last = (int64_t)parts.count - 1;
    for (const path_node *range = n->second; range != NULL; range = range->next) {
        int64_t from, to;
        TH_TRY(index_of(r, range->first, &from));
        to = from;
        if (range->second != NULL) TH_TRY(index_of(r, range->second, &to));
        if (r->strict && (from < 0 || to >= (int64_t)parts.count || from > to))
            return failed(r, "invalid array subscript");
        for (int64_t k = from < 0 ? 0 : from; k <= to && k < (int64_t)parts.count; k++)
            TH_TRY(push(r, out, &parts.at[k]));
    }
    r->last = outer;
    return TH_OK;
}

static th_err subscripts(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    TH_TRY(eval(r, n->first, &items));
    for (uint32_t i = 0; i < items.count; i++) TH_TRY(subscript_one(r, n, &items.at[i], out));
    return TH_OK;
}

static th_err filter(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    const path_item *outer = r->current;
    TH_TRY(unwrapped(r, n->first, &items));
    for (uint32_t i = 0; i < items.count; i++) {
        int answer;
        r->current = &items.at[i];
        TH_TRY(decide(r, n->second, &answer));
        if (answer == YES) TH_TRY(push(r, out, &items.at[i]));
    }
    r->current = outer;
    return TH_OK;
}

/* A function of the function table, by name. */
static th_err apply(path_run *r, const char *name, const path_item *args, uint32_t count,
                    path_item *out)
{
    const th_function *fn;
    const th_type *const *params, *types[2], *result;
    th_value values[2];
    th_diag ignored = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (args[i].type == NULL || !th_type_is_numeric(args[i].type))
            return failed(r, "invalid item type. Expected: NUMBER");
        types[i] = args[i].type;
    }
    if (th_function_resolve(th_slice_text(name), types, count, r->call->arena, &fn, &params,
                            &result, &ignored) != TH_OK)
        return failed(r, "invalid operand types");
    for (uint32_t i = 0; i < count; i++) {
        values[i] = args[i].value;
        if (th_type_equal(types[i], params[i])) continue;
        values[i] = (th_value){0};
        TH_TRY(th_cast_value(r->call, types[i], params[i], &args[i].value, &values[i]));
    }
    th_fn_call call = *r->call;
    void *state = NULL;
    call.type = result;
    call.arg_types = params;
    call.arg_count = count;
    call.state = &state;
    *out = (path_item){.type = result};
    return fn->row(&call, values, &out->value);
}

static th_err arithmetic(path_run *r, const path_node *n, path_items *out)
{
    path_items sides[2] = {{0}, {0}};
    const char *name = n->op == '+'   ? "$add"
                       : n->op == '-' ? "$sub"
                       : n->op == '*' ? "$mul"
                       : n->op == '/' ? "$div"
                                      : "$mod";
    TH_TRY(unwrapped(r, n->first, &sides[0]));
    TH_TRY(unwrapped(r, n->second, &sides[1]));
    if (sides[0].count != 1 || sides[1].count != 1)
        return failed(r, "arithmetic binary expression requires singleton operands");
    path_item pair[2] = {sides[0].at[0], sides[1].at[0]}, result;
    TH_TRY(apply(r, name, pair, 2, &result));
    return push(r, out, &result);
}

static th_err sign(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    TH_TRY(unwrapped(r, n->first, &items));
    for (uint32_t i = 0; i < items.count; i++) {
        path_item result = items.at[i];
        if (result.type == NULL || !th_type_is_numeric(result.type))
            return failed(r, "invalid item type. Expected: NUMBER");
        if (n->kind == PATH_NEGATE) TH_TRY(apply(r, "$neg", &items.at[i], 1, &result));
        TH_TRY(push(r, out, &result));
    }
    return TH_OK;
}

static const char *type_name(const path_item *item)
{
    if (item->type == NULL) return is_array(item) ? "array" : "object";
    if (item->value.null) return "null";
    switch (item->type->kind) {
    case TH_BOOLEAN: return "boolean";
    case TH_VARCHAR: return "string";
    case TH_DATE: return "date";
    case TH_TIME: return "time without time zone";
    case TH_TIMESTAMP: return "timestamp without time zone";
    case TH_TIMESTAMP_TZ: return "timestamp with time zone";
    default: return "number";
    }
}

static th_err datetime(path_run *r, const path_item *item, path_items *out)
{
    path_item result = {.type = &th_type_date};
    th_moment m = {0};
    if (item->type == NULL || item->type->kind != TH_VARCHAR || item->value.s.size == 0)
        return failed(r, "invalid item type. Expected: STRING");
    th_slice s = item->value.s;
    bool date = memchr(s.bytes, ':', s.size) == NULL,
         time = !date && memchr(s.bytes, ' ', s.size) == NULL;
    bool ok = date   ? th_date_parse(s, &result.value.i)
              : time ? th_time_parse(s, &m)
                     : th_timestamp_parse(s, &m);
    if (!ok) return failed(r, "the text is no date or time");
    if (!date) {
        th_type_kind kind = time ? TH_TIME : m.has_zone ? TH_TIMESTAMP_TZ : TH_TIMESTAMP;
        result.type = th_type_with_precision(r->call->arena, kind, m.precision);
        if (result.type == NULL) return fn_memory(r->call);
        result.value = (th_value){.i = m.us, .extra = m.extra, .zone = m.zone};
    }
    return push(r, out, &result);
}

static th_err keyvalue(path_run *r, const path_item *item, path_items *out)
{
    if (item->type != NULL || is_array(item))
        return failed(r, "invalid item type. Expected: OBJECT");
    th_json_iter it = th_json_iter_of(item->raw);
    th_slice key, value;
    while (th_json_next(&it, &key, &value)) {
        th_buf *b = fn_scratch(r->call);
        th_value text = {0};
        th_buf_printf(b, "{\"name\":\"%.*s\",\"value\":", TH_SLICE_ARGS(key));
        th_buf_add_slice(b, value);
        th_buf_add_text(b, ",\"id\":0}");
        TH_TRY(fn_take_scratch(r->call, &text));
        TH_TRY(push_raw(r, out, text.s));
    }
    return TH_OK;
}

static th_err cast_item(path_run *r, const path_item *item, const th_type *to, path_items *out)
{
    path_item result = {.type = to};
    if (item->type == NULL || item->value.null)
        return failed(r, "invalid item type. Expected a scalar");
    TH_TRY(th_cast_value(r->call, item->type, to, &item->value, &result.value));
    return push(r, out, &result);
}

static th_err method_one(path_run *r, th_slice name, const path_item *item, path_items *out)
{
    path_item result = {.type = &th_type_varchar};
    if (th_slice_is(name, "type")) {
        result.value.s = th_slice_text(type_name(item));
        return push(r, out, &result);
    }
    if (th_slice_is(name, "size")) {
        path_items parts = {0};
        if (!is_array(item) && r->strict) return failed(r, "invalid item type. Expected: ARRAY");
        if (is_array(item)) TH_TRY(push_elements(r, &parts, item));
        result =
            (path_item){.type = &th_type_bigint, .value = {.i = is_array(item) ? parts.count : 1}};
        return push(r, out, &result);
    }
    if (th_slice_is(name, "keyvalue")) return keyvalue(r, item, out);
    if (th_slice_is(name, "datetime")) return datetime(r, item, out);
    if (th_slice_is(name, "string")) return cast_item(r, item, &th_type_varchar, out);
    if (th_slice_is(name, "boolean")) return cast_item(r, item, &th_type_boolean, out);
    if (th_slice_is(name, "bigint")) return cast_item(r, item, &th_type_bigint, out);
    if (th_slice_is(name, "integer")) return cast_item(r, item, &th_type_integer, out);
    bool text = item->type != NULL && item->type->kind == TH_VARCHAR;
    if (th_slice_is(name, "double") || (th_slice_is(name, "number") && text))
        return cast_item(r, item, &th_type_double, out);
    if (th_slice_is(name, "number")) return sign(r, &(path_node){.kind = PATH_PLUS}, out);
    TH_TRY(apply(r,
                 th_slice_is(name, "abs")     ? "abs"
                 : th_slice_is(name, "floor") ? "floor"
                                              : "ceiling",
                 item, 1, &result));
    return push(r, out, &result);
}

static th_err method(path_run *r, const path_node *n, path_items *out)
{
    path_items items = {0};
    bool whole = th_slice_is(n->text, "type") || th_slice_is(n->text, "size");
    TH_TRY(whole ? eval(r, n->first, &items) : unwrapped(r, n->first, &items));
    for (uint32_t i = 0; i < items.count; i++) TH_TRY(method_one(r, n->text, &items.at[i], out));
    return TH_OK;
}

static th_err variable(path_run *r, const path_node *n, path_items *out)
{
    for (uint32_t i = 0; i < r->variable_count; i++)
        if (th_slice_equal(r->variables[i].name, n->text))
            return push(r, out, &r->variables[i].item);
    return fn_fail(r->call, "INVALID_PATH", "no value passed for parameter %.*s",
                   TH_SLICE_ARGS(n->text));
}

static th_err eval(path_run *r, const path_node *n, path_items *out)
{
    path_item item = {.type = &th_type_bigint, .value = {.i = r->last}};
    switch (n->kind) {
    case PATH_ROOT: return push(r, out, &r->root);
    case PATH_CURRENT:
        if (r->current == NULL) return failed(r, "@ stands outside a filter");
        return push(r, out, r->current);
    case PATH_VARIABLE: return variable(r, n, out);
    case PATH_LAST:
        if (r->last < 0)
            return failed(r, "accessing the last array element with no enclosing array");
        return push(r, out, &item);
    case PATH_LITERAL: return push(r, out, &n->literal);
    case PATH_MEMBER:
    case PATH_MEMBERS: return members(r, n, out);
    case PATH_DESCENDANTS: return descendants(r, n, out);
    case PATH_ELEMENTS: return elements(r, n, out);
    case PATH_SUBSCRIPTS: return subscripts(r, n, out);
    case PATH_FILTER: return filter(r, n, out);
    case PATH_METHOD: return method(r, n, out);
    case PATH_NEGATE:
    case PATH_PLUS: return sign(r, n, out);
    default: return arithmetic(r, n, out);
    }
}

/* NO, YES or UNKNOWN for two items. */
static int compare_items(path_run *r, char op, const path_item *a, const path_item *b)
{
    if (a->type == NULL || b->type == NULL) return UNKNOWN;
    if (a->value.null || b->value.null) {
        bool same = a->value.null && b->value.null;
        return op == '!' ? !same : op == '=' || op == 'l' || op == 'g' ? same : NO;
    }
    const th_type *type = th_type_common_super(r->call->arena, a->type, b->type);
    th_value x = {0}, y = {0};
    if (type == NULL || th_cast_value(r->call, a->type, type, &a->value, &x) != TH_OK ||
        th_cast_value(r->call, b->type, type, &b->value, &y) != TH_OK) {
        th_diag_clear(r->call->diag);
        return UNKNOWN;
    }
    int order = th_value_compare(type, &x, &y);
    return op == '='   ? order == 0
           : op == '!' ? order != 0
           : op == '<' ? order < 0
           : op == '>' ? order > 0
           : op == 'l' ? order <= 0
                       : order >= 0;
}

static th_err match_regex(path_run *r, path_node *n, const path_item *item, int *answer)
{
    const th_type *types[2] = {&th_type_varchar, &th_type_varchar};
    th_value args[2] = {item->value, {0}}, found = {0};
    *answer = UNKNOWN;
    if (item->type == NULL || item->type->kind != TH_VARCHAR || item->value.null) return TH_OK;
    bool literal = n->flags.size > 0 && memchr(n->flags.bytes, 'q', n->flags.size) != NULL;
    th_buf *b = fn_scratch(r->call);
    th_buf_add_text(b, "(?");
    for (size_t i = 0; i < n->flags.size; i++)
        if (n->flags.bytes[i] != 'q') th_buf_add_byte(b, n->flags.bytes[i]);
    th_buf_printf(b, literal ? ")\\Q%.*s\\E" : ")%.*s", TH_SLICE_ARGS(n->text));
    TH_TRY(fn_take_scratch(r->call, &args[1]));
    th_fn_call call = *r->call;
    call.arg_types = types;
    call.arg_count = 2;
    call.state = &n->state;
    TH_TRY(fn_regexp_like(&call, args, &found));
    *answer = found.i != 0;
    return TH_OK;
}

/* Every item of the left side against every one of the right side: yes when one pair says so. */
static th_err decide_pairs(path_run *r, const path_node *n, int *answer)
{
    path_items left = {0}, right = {0};
    bool any = false, unknown = false;
    TH_TRY(unwrapped(r, n->first, &left));
    if (n->kind != PATH_LIKE_REGEX) TH_TRY(unwrapped(r, n->second, &right));
    uint32_t inner = n->kind == PATH_LIKE_REGEX ? 1 : right.count;
    for (uint32_t i = 0; i < left.count; i++) {
        for (uint32_t k = 0; k < inner; k++) {
            int one = UNKNOWN;
            if (n->kind == PATH_COMPARE) {
                one = compare_items(r, n->op, &left.at[i], &right.at[k]);
            } else if (n->kind == PATH_LIKE_REGEX) {
                TH_TRY(match_regex(r, (path_node *)(uintptr_t)n, &left.at[i], &one));
            } else if (left.at[i].type != NULL && left.at[i].type->kind == TH_VARCHAR &&
                       right.at[k].type != NULL && right.at[k].type->kind == TH_VARCHAR) {
                th_slice text = left.at[i].value.s, start = right.at[k].value.s;
                one = start.size == 0 ||
                      (text.size >= start.size && memcmp(text.bytes, start.bytes, start.size) == 0);
            }
            any = any || one == YES;
            unknown = unknown || one == UNKNOWN;
        }
    }
    *answer = any && !(unknown && r->strict) ? YES : unknown ? UNKNOWN : NO;
    return TH_OK;
}

static th_err decide_exists(path_run *r, const path_node *n, int *answer)
{
    path_items items = {0};
    TH_TRY(eval(r, n->first, &items));
    *answer = items.count > 0 ? YES : NO;
    return TH_OK;
}

static th_err decide_logic(path_run *r, const path_node *n, int *answer)
{
    int left, right;
    TH_TRY(decide(r, n->first, &left));
    if (n->kind == PATH_NOT) {
        *answer = left == UNKNOWN ? UNKNOWN : !left;
        return TH_OK;
    }
    if (n->kind == PATH_IS_UNKNOWN) {
        *answer = left == UNKNOWN;
        return TH_OK;
    }
    TH_TRY(decide(r, n->second, &right));
    int strong = n->kind == PATH_AND ? NO : YES;
    *answer = left == strong || right == strong     ? strong
              : left == UNKNOWN || right == UNKNOWN ? UNKNOWN
                                                    : !strong;
    return TH_OK;
}

static th_err decide(path_run *r, const path_node *n, int *answer)
{
    const path_item *current = r->current;
    int64_t last = r->last;
    th_err err = n->kind == PATH_EXISTS                       ? decide_exists(r, n, answer)
                 : n->kind >= PATH_AND && n->kind <= PATH_NOT ? decide_logic(r, n, answer)
                 : n->kind == PATH_IS_UNKNOWN                 ? decide_logic(r, n, answer)
                                                              : decide_pairs(r, n, answer);
    r->current = current;
    r->last = last;
    if (err != TH_ESQL) return err;
    th_diag_clear(r->call->diag);
    *answer = UNKNOWN;
    return TH_OK;
}

th_err jsonpath_run(th_fn_call *call, const jsonpath *path, th_slice document,
                    const path_variable *variables, uint32_t variable_count, path_items *out)
{
    path_run r = {.call = call,
                  .strict = path->strict,
                  .last = -1,
                  .variables = variables,
                  .variable_count = variable_count};
    *out = (path_items){0};
    TH_TRY(jsonpath_item(call, document, &r.root));
    return eval(&r, path->root, out);
}

th_err jsonpath_print_raw(th_fn_call *call, th_buf *out, th_slice raw)
{
    bool object = th_json_kind_of(raw) == TH_JSON_OBJECT;
    th_slice key, value;
    if (!object && th_json_kind_of(raw) != TH_JSON_ARRAY) {
        th_json_compact(out, raw);
        return TH_OK;
    }
    bool first = true;
    th_json_iter it = th_json_iter_of(raw);
    th_buf_add_byte(out, object ? '{' : '[');
    while (th_json_next(&it, &key, &value)) {
        if (object) { /* at the place of the first of equal keys stands the value of the last */
            th_slice name = th_json_key(key, call->arena);
            th_json_iter before = th_json_iter_of(raw);
            th_slice k, v;
            while (th_json_next(&before, &k, &v) && k.bytes != key.bytes)
                if (th_json_key_equals(k, name)) break;
            if (k.bytes != key.bytes) continue;
            value = member(raw, name);
        }
        if (!first) th_buf_add_byte(out, ',');
        first = false;
        if (object) th_buf_printf(out, "\"%.*s\":", TH_SLICE_ARGS(key));
        TH_TRY(jsonpath_print_raw(call, out, value));
    }
    th_buf_add_byte(out, object ? '}' : ']');
    return TH_OK;
}

th_err jsonpath_print(th_fn_call *call, th_buf *out, const path_item *item)
{
    if (item->type == NULL) return jsonpath_print_raw(call, out, item->raw);
    return cast_append_json(call, out, item->type, &item->value);
}
