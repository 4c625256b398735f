/* SPDX-License-Identifier: Apache-2.0
 * Coercion rules (query/type/coerce.h). */
#include "query/type/coerce.h"

/* Digits of the widest value of an integer type. */
static uint32_t integer_digits(th_type_kind kind)
{
    switch (kind) {
    case TH_TINYINT: return 3;
    case TH_SMALLINT: return 5;
    case TH_INTEGER: return 10;
    default: return 19;
    }
}

static bool is_integer_kind(th_type_kind kind)
{
    return kind >= TH_TINYINT && kind <= TH_BIGINT;
}

static bool coerce_children(const th_type *from, const th_type *to)
{
    if (from->child_count != to->child_count) return false;
    for (uint32_t i = 0; i < from->child_count; i++)
        if (!th_type_can_coerce(from->children[i], to->children[i])) return false;
    return true;
}

static bool coerce_same_kind(const th_type *from, const th_type *to)
{
    switch (from->kind) {
    case TH_VARCHAR:
    case TH_CHAR:
    case TH_TIME:
    case TH_TIMESTAMP:
    case TH_TIMESTAMP_TZ: return from->precision <= to->precision;
    case TH_DECIMAL:
        return from->scale <= to->scale &&
               from->precision - from->scale <= to->precision - to->scale;
    case TH_ARRAY:
    case TH_MAP:
    case TH_ROW:
    case TH_FUNCTION: return coerce_children(from, to);
    default: return true;
    }
}

bool th_type_can_coerce(const th_type *from, const th_type *to)
{
    th_type_kind f = from->kind, t = to->kind;
    if (f == TH_UNKNOWN) return true;
    if (f == t) return coerce_same_kind(from, to);
    if (is_integer_kind(f)) {
        if (is_integer_kind(t)) return f < t;
        if (t == TH_DECIMAL) return to->precision - to->scale >= integer_digits(f);
        return t == TH_REAL || t == TH_DOUBLE;
    }
    switch (f) {
    case TH_DECIMAL: return t == TH_REAL || t == TH_DOUBLE;
    case TH_REAL: return t == TH_DOUBLE;
    case TH_CHAR: return t == TH_VARCHAR && from->precision <= to->precision;
    case TH_DATE: return t == TH_TIMESTAMP || t == TH_TIMESTAMP_TZ;
    case TH_TIMESTAMP: return t == TH_TIMESTAMP_TZ && from->precision <= to->precision;
    default: return false;
    }
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static const th_type *super_decimal(th_arena *arena, const th_type *a, const th_type *b)
{
    uint32_t as = a->kind == TH_DECIMAL ? a->scale : 0, bs = b->kind == TH_DECIMAL ? b->scale : 0;
    uint32_t ai = a->kind == TH_DECIMAL ? a->precision - as : integer_digits(a->kind);
    uint32_t bi = b->kind == TH_DECIMAL ? b->precision - bs : integer_digits(b->kind);
    uint32_t scale = max_u32(as, bs), precision = max_u32(ai, bi) + scale;
    return th_type_decimal(arena, precision > 38 ? 38 : precision, scale);
}

static const th_type *super_nested(th_arena *arena, const th_type *a, const th_type *b)
{
    if (a->child_count != b->child_count) return NULL;
    const th_type **children = TH_NEW_ARRAY(arena, const th_type *, a->child_count);
    if (children == NULL) return NULL;
    for (uint32_t i = 0; i < a->child_count; i++) {
        children[i] = th_type_common_super(arena, a->children[i], b->children[i]);
        if (children[i] == NULL) return NULL;
    }
    if (a->kind == TH_ARRAY) return th_type_array(arena, children[0]);
    if (a->kind == TH_MAP) return th_type_map(arena, children[0], children[1]);
    if (a->kind != TH_ROW) return NULL;
    th_slice *names = TH_NEW_ARRAY(arena, th_slice, a->child_count);
    if (names == NULL) return NULL;
    for (uint32_t i = 0; i < a->child_count; i++)
        if (th_slice_equal_nocase(a->names[i], b->names[i])) names[i] = a->names[i];
    return th_type_row(arena, children, names, a->child_count);
}

static const th_type *super_numeric(th_arena *arena, const th_type *a, const th_type *b)
{
    if (a->kind == TH_DOUBLE || b->kind == TH_DOUBLE) return &th_type_double;
    if (a->kind == TH_REAL || b->kind == TH_REAL) return &th_type_real;
    if (a->kind == TH_DECIMAL || b->kind == TH_DECIMAL) return super_decimal(arena, a, b);
    return a->kind > b->kind ? a : b;
}

static bool is_text(const th_type *t)
{
    return t->kind == TH_VARCHAR || t->kind == TH_CHAR;
}

static bool is_day_or_timestamp(const th_type *t)
{
    return t->kind == TH_DATE || t->kind == TH_TIMESTAMP || t->kind == TH_TIMESTAMP_TZ;
}

const th_type *th_type_common_super(th_arena *arena, const th_type *a, const th_type *b)
{
    if (a->kind == TH_UNKNOWN) return b;
    if (b->kind == TH_UNKNOWN || th_type_equal(a, b)) return a;
    if (th_type_is_numeric(a) && th_type_is_numeric(b)) return super_numeric(arena, a, b);
    if (is_text(a) && is_text(b)) {
        uint32_t n = max_u32(a->precision, b->precision);
        if (a->kind == TH_CHAR && b->kind == TH_CHAR)
            return th_type_with_precision(arena, TH_CHAR, n);
        return th_type_varchar_of(arena, n);
    }
    if (is_day_or_timestamp(a) && is_day_or_timestamp(b)) {
        uint32_t p =
            max_u32(a->kind == TH_DATE ? 0 : a->precision, b->kind == TH_DATE ? 0 : b->precision);
        return th_type_with_precision(arena, a->kind > b->kind ? a->kind : b->kind, p);
    }
    if (a->kind != b->kind) return NULL;
    if (a->kind == TH_TIME) return a->precision > b->precision ? a : b;
    return super_nested(arena, a, b);
}

static bool is_castable_scalar(const th_type *t)
{
    return t->kind != TH_FUNCTION && t->child_count == 0;
}

/* What a scalar may be cast to, besides itself and varchar. */
static bool can_cast_scalar(const th_type *from, const th_type *to)
{
    th_type_kind f = from->kind, t = to->kind;
    bool from_number = th_type_is_numeric(from), to_number = th_type_is_numeric(to);
    if (f == t) return true;
    switch (f) {
    case TH_VARCHAR:
    case TH_CHAR: return t != TH_FUNCTION;
    case TH_BOOLEAN: return to_number || t == TH_VARCHAR || t == TH_JSON || t == TH_CHAR;
    case TH_JSON:
        return to_number || t == TH_VARCHAR || t == TH_BOOLEAN || t == TH_DATE || t == TH_TIMESTAMP;
    case TH_DATE:
        return t == TH_VARCHAR || t == TH_CHAR || t == TH_TIMESTAMP || t == TH_TIMESTAMP_TZ ||
               t == TH_JSON;
    case TH_TIMESTAMP:
    case TH_TIMESTAMP_TZ:
        return t == TH_VARCHAR || t == TH_CHAR || t == TH_DATE || t == TH_TIME ||
               t == TH_TIMESTAMP || t == TH_TIMESTAMP_TZ || t == TH_JSON;
    case TH_TIME:
        return t == TH_VARCHAR || t == TH_CHAR || t == TH_TIMESTAMP || t == TH_TIMESTAMP_TZ;
    case TH_INTERVAL_DAY_SECOND:
    case TH_INTERVAL_YEAR_MONTH: return t == TH_VARCHAR || t == TH_CHAR;
    case TH_UUID: return t == TH_VARCHAR || t == TH_VARBINARY;
    case TH_IPADDRESS: return t == TH_VARCHAR || t == TH_VARBINARY || t == TH_CHAR;
    case TH_VARBINARY: return t == TH_IPADDRESS || t == TH_UUID;
    default:
        return from_number &&
               (to_number || t == TH_BOOLEAN || t == TH_VARCHAR || t == TH_CHAR || t == TH_JSON);
    }
}

static bool can_cast_to_json(const th_type *from)
{
    if (from->kind == TH_MAP) {
        th_type_kind k = from->children[0]->kind;
        bool key = k == TH_VARCHAR || k == TH_BOOLEAN || k == TH_CHAR || k == TH_UNKNOWN ||
                   th_type_is_numeric(from->children[0]);
        return key && th_type_can_cast(from->children[1], &th_type_json);
    }
    for (uint32_t i = 0; i < from->child_count; i++)
        if (!th_type_can_cast(from->children[i], &th_type_json)) return false;
    return from->kind != TH_FUNCTION;
}

static bool can_cast_from_json(const th_type *to)
{
    if (to->kind == TH_MAP && to->children[0]->kind == TH_JSON) return false;
    for (uint32_t i = 0; i < to->child_count; i++)
        if (!th_type_can_cast(&th_type_json, to->children[i])) return false;
    return to->kind != TH_FUNCTION;
}

bool th_type_can_cast(const th_type *from, const th_type *to)
{
    if (from->kind == TH_UNKNOWN) return true;
    if (to->kind == TH_UNKNOWN || from->kind == TH_FUNCTION || to->kind == TH_FUNCTION)
        return false;
    if (is_castable_scalar(from) && is_castable_scalar(to)) return can_cast_scalar(from, to);
    if (to->kind == TH_JSON) return can_cast_to_json(from);
    if (from->kind == TH_JSON) return can_cast_from_json(to);
    if (from->kind != to->kind || from->child_count != to->child_count) return false;
    for (uint32_t i = 0; i < from->child_count; i++)
        if (!th_type_can_cast(from->children[i], to->children[i])) return false;
    return true;
}

bool th_type_is_comparable(const th_type *type)
{
    if (type->kind == TH_FUNCTION) return false;
    for (uint32_t i = 0; i < type->child_count; i++)
        if (!th_type_is_comparable(type->children[i])) return false;
    return true;
}

bool th_type_is_orderable(const th_type *type)
{
    if (type->kind == TH_FUNCTION || type->kind == TH_MAP || type->kind == TH_JSON) return false;
    for (uint32_t i = 0; i < type->child_count; i++)
        if (!th_type_is_orderable(type->children[i])) return false;
    return true;
}
