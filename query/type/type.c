/* SPDX-License-Identifier: Apache-2.0
 * Types: singletons, makers, equality and printing (query/type.h). Parsing is in type_parse.c. */
#include "query/type.h"

#include <stdio.h>

#define SINGLETON(name, k, p) const th_type th_type_##name = {.kind = (k), .precision = (p)}
SINGLETON(unknown, TH_UNKNOWN, 0);
SINGLETON(boolean, TH_BOOLEAN, 0);
SINGLETON(tinyint, TH_TINYINT, 0);
SINGLETON(smallint, TH_SMALLINT, 0);
SINGLETON(integer, TH_INTEGER, 0);
SINGLETON(bigint, TH_BIGINT, 0);
SINGLETON(real, TH_REAL, 0);
SINGLETON(double, TH_DOUBLE, 0);
SINGLETON(varchar, TH_VARCHAR, TH_UNBOUNDED);
SINGLETON(varbinary, TH_VARBINARY, 0);
SINGLETON(date, TH_DATE, 0);
SINGLETON(time, TH_TIME, 3);
SINGLETON(timestamp, TH_TIMESTAMP, 3);
SINGLETON(timestamp_tz, TH_TIMESTAMP_TZ, 3);
SINGLETON(interval_ym, TH_INTERVAL_YEAR_MONTH, 0);
SINGLETON(interval_ds, TH_INTERVAL_DAY_SECOND, 0);
SINGLETON(json, TH_JSON, 0);
SINGLETON(uuid, TH_UUID, 0);
SINGLETON(ipaddress, TH_IPADDRESS, 0);

static const th_type *make(th_arena *arena, th_type_kind kind, const th_type *const *children,
                           const th_slice *names, uint32_t count)
{
    th_type *t = TH_NEW(arena, th_type);
    const th_type **kids = TH_NEW_ARRAY(arena, const th_type *, count);
    if (t == NULL || kids == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (children[i] == NULL) return NULL;
        kids[i] = children[i];
    }
    *t = (th_type){.kind = kind, .child_count = count, .children = kids, .names = names};
    return t;
}

const th_type *th_type_array(th_arena *arena, const th_type *element)
{
    return make(arena, TH_ARRAY, &element, NULL, 1);
}

const th_type *th_type_map(th_arena *arena, const th_type *key, const th_type *value)
{
    const th_type *children[2] = {key, value};
    return make(arena, TH_MAP, children, NULL, 2);
}

const th_type *th_type_row(th_arena *arena, const th_type *const *fields, const th_slice *names,
                           uint32_t count)
{
    th_slice *own = TH_NEW_ARRAY(arena, th_slice, count);
    if (own == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) own[i] = names == NULL ? (th_slice){NULL, 0} : names[i];
    return make(arena, TH_ROW, fields, own, count);
}

static const th_type *scalar(th_arena *arena, th_type_kind kind, uint32_t precision, uint32_t scale)
{
    th_type *t = TH_NEW(arena, th_type);
    if (t != NULL) *t = (th_type){.kind = kind, .precision = precision, .scale = scale};
    return t;
}

const th_type *th_type_decimal(th_arena *arena, uint32_t precision, uint32_t scale)
{
    return scalar(arena, TH_DECIMAL, precision, scale);
}

const th_type *th_type_varchar_of(th_arena *arena, uint32_t length)
{
    return length == TH_UNBOUNDED ? &th_type_varchar : scalar(arena, TH_VARCHAR, length, 0);
}

const th_type *th_type_with_precision(th_arena *arena, th_type_kind kind, uint32_t precision)
{
    return scalar(arena, kind, precision, 0);
}

bool th_type_equal(const th_type *a, const th_type *b)
{
    if (a == b) return true;
    if (a->kind != b->kind || a->precision != b->precision || a->scale != b->scale ||
        a->child_count != b->child_count)
        return false;
    for (uint32_t i = 0; i < a->child_count; i++) {
        if (!th_type_equal(a->children[i], b->children[i])) return false;
        if (a->kind == TH_ROW && !th_slice_equal_nocase(a->names[i], b->names[i])) return false;
    }
    return true;
}

static void print_name(th_buf *out, th_slice name)
{
    bool plain = name.size > 0 && !(name.bytes[0] >= '0' && name.bytes[0] <= '9');
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.bytes[i];
        plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '_' || c >= 0x80);
    }
    if (plain) {
        th_buf_add_slice(out, name);
        return;
    }
    th_buf_add_byte(out, '"');
    for (size_t i = 0; i < name.size; i++) {
        if (name.bytes[i] == '"') th_buf_add_byte(out, '"');
        th_buf_add_byte(out, name.bytes[i]);
    }
    th_buf_add_byte(out, '"');
}

static void print_children(th_buf *out, const th_type *type)
{
    th_buf_add_byte(out, '(');
    for (uint32_t i = 0; i < type->child_count; i++) {
        if (i > 0) th_buf_add_text(out, ", ");
        if (type->kind == TH_ROW && type->names[i].size > 0) {
            print_name(out, type->names[i]);
            th_buf_add_byte(out, ' ');
        }
        th_type_print(out, type->children[i]);
    }
    th_buf_add_byte(out, ')');
}

static const char *const kind_names[TH_TYPE_KIND_COUNT] = {
    [TH_UNKNOWN] = "unknown",
    [TH_BOOLEAN] = "boolean",
    [TH_TINYINT] = "tinyint",
    [TH_SMALLINT] = "smallint",
    [TH_INTEGER] = "integer",
    [TH_BIGINT] = "bigint",
    [TH_REAL] = "real",
    [TH_DOUBLE] = "double",
    [TH_DECIMAL] = "decimal",
    [TH_CHAR] = "char",
    [TH_VARCHAR] = "varchar",
    [TH_VARBINARY] = "varbinary",
    [TH_DATE] = "date",
    [TH_TIME] = "time",
    [TH_TIMESTAMP] = "timestamp",
    [TH_TIMESTAMP_TZ] = "timestamp",
    [TH_INTERVAL_YEAR_MONTH] = "interval year to month",
    [TH_INTERVAL_DAY_SECOND] = "interval day to second",
    [TH_JSON] = "json",
    [TH_UUID] = "uuid",
    [TH_IPADDRESS] = "ipaddress",
    [TH_ARRAY] = "array",
    [TH_MAP] = "map",
    [TH_ROW] = "row",
    [TH_FUNCTION] = "function",
};

void th_type_print(th_buf *out, const th_type *type)
{
    th_buf_add_text(out, kind_names[type->kind]);
    switch (type->kind) {
    case TH_DECIMAL: th_buf_printf(out, "(%u,%u)", type->precision, type->scale); break;
    case TH_VARCHAR:
        if (type->precision != TH_UNBOUNDED) th_buf_printf(out, "(%u)", type->precision);
        break;
    case TH_CHAR:
    case TH_TIME:
    case TH_TIMESTAMP: th_buf_printf(out, "(%u)", type->precision); break;
    case TH_TIMESTAMP_TZ: th_buf_printf(out, "(%u) with time zone", type->precision); break;
    case TH_ARRAY:
    case TH_MAP:
    case TH_ROW:
    case TH_FUNCTION: print_children(out, type); break;
    default: break;
    }
}

bool th_type_is_integer(const th_type *type)
{
    return type->kind >= TH_TINYINT && type->kind <= TH_BIGINT;
}

bool th_type_is_numeric(const th_type *type)
{
    return type->kind >= TH_TINYINT && type->kind <= TH_DECIMAL;
}

int32_t th_type_field(const th_type *row, th_slice name)
{
    if (row->kind != TH_ROW || row->names == NULL || name.size == 0) return -1;
    for (uint32_t i = 0; i < row->child_count; i++)
        if (th_slice_equal_nocase(row->names[i], name)) return (int32_t)i;
    return -1;
}
