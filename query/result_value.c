/* SPDX-License-Identifier: Apache-2.0
 * The text of single values: as Athena prints them, and as JSON. */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>

#include "json/json.h"
#include "query/fn/call.h"
#include "query/fn/zone.h"
#include "query/result.h"
#include "query/type/datetime.h"
#include "query/type/number.h"
#include "query/value.h"

static void hex_pairs(th_buf *out, th_slice bytes)
{
    char pair[2];
    for (size_t i = 0; i < bytes.size; i++) {
        if (i > 0) th_buf_add_byte(out, ' ');
        th_hex_encode(bytes.bytes + i, 1, pair);
        th_buf_add(out, pair, 2);
    }
}

static void print_uuid(th_buf *out, th_slice bytes)
{
    char hex[32];
    if (bytes.size != 16) return;
    th_hex_encode(bytes.bytes, 16, hex);
    static const uint8_t cuts[6] = {0, 8, 12, 16, 20, 32};
    for (int i = 0; i < 5; i++) {
        if (i > 0) th_buf_add_byte(out, '-');
        th_buf_add(out, hex + cuts[i], (size_t)(cuts[i + 1] - cuts[i]));
    }
}

/* IPv4 is held as an IPv4-mapped IPv6 address and printed short. */
static void print_address(th_buf *out, th_slice bytes)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];
    if (bytes.size != 16) return;
    bool v4 = memcmp(bytes.bytes, mapped, sizeof(mapped)) == 0;
    if (inet_ntop(v4 ? AF_INET : AF_INET6, bytes.bytes + (v4 ? 12 : 0), text, sizeof(text)) != NULL)
        th_buf_add_text(out, text);
}

/* Athena's timestamps have three digits; more are shown where the type has more. */
static uint32_t shown_precision(const th_type *type)
{
    return type->precision > 3 ? type->precision : 3;
}

/* Scalars; false when the type is nested. */
static bool scalar_text(th_buf *out, const th_type *type, const th_value *v)
{
    switch (type->kind) {
    case TH_BOOLEAN: th_buf_add_text(out, v->i != 0 ? "true" : "false"); return true;
    case TH_TINYINT:
    case TH_SMALLINT:
    case TH_INTEGER:
    case TH_BIGINT: th_buf_printf(out, "%lld", (long long)v->i); return true;
    case TH_REAL: th_double_print(out, v->f, true); return true;
    case TH_DOUBLE: th_double_print(out, v->f, false); return true;
    case TH_DECIMAL: th_decimal_print(out, v->d, type->scale); return true;
    case TH_CHAR:
        th_buf_add_slice(out, v->s);
        for (size_t n = fn_utf8_length(v->s); n < type->precision; n++) th_buf_add_byte(out, ' ');
        return true;
    case TH_VARCHAR:
    case TH_JSON: th_buf_add_slice(out, v->s); return true;
    case TH_VARBINARY: hex_pairs(out, v->s); return true;
    case TH_DATE: th_date_print(out, v->i); return true;
    case TH_TIME: th_time_print(out, v->i, v->extra, type->precision); return true;
    case TH_TIMESTAMP:
        th_timestamp_print(out, v->i, v->extra, shown_precision(type), ' ');
        return true;
    case TH_TIMESTAMP_TZ:
        th_timestamp_tz_print(out, v->i, v->extra, shown_precision(type), v->zone);
        return true;
    case TH_INTERVAL_YEAR_MONTH: th_interval_ym_print(out, v->i); return true;
    case TH_INTERVAL_DAY_SECOND: th_interval_ds_print(out, v->i); return true;
    case TH_UUID: print_uuid(out, v->s); return true;
    case TH_IPADDRESS: print_address(out, v->s); return true;
    default: return false;
    }
}

/* Depth is that of the type. */
static void value_text(th_buf *out, const th_type *type, const th_value *v)
{
    if (v->null) {
        th_buf_add_text(out, "null");
        return;
    }
    if (scalar_text(out, type, v)) return;
    th_value part;
    bool array = type->kind == TH_ARRAY, row = type->kind == TH_ROW;
    uint32_t count = row ? type->child_count : th_value_size(v);
    th_buf_add_byte(out, array ? '[' : '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_text(out, ", ");
        if (row) {
            if (type->names != NULL && type->names[i].size > 0)
                th_buf_add_slice(out, type->names[i]);
            else
                th_buf_printf(out, "field%u", i);
            th_buf_add_byte(out, '=');
            th_value_field(v, i, &part);
            value_text(out, type->children[i], &part);
            continue;
        }
        th_value_element(v, 0, i, &part);
        value_text(out, type->children[0], &part);
        if (array) continue;
        th_buf_add_byte(out, '=');
        th_value_element(v, 1, i, &part);
        value_text(out, type->children[1], &part);
    }
    th_buf_add_byte(out, array ? ']' : '}');
}

void th_value_text(th_buf *out, const th_vector *v, uint32_t row)
{
    th_value value;
    th_value_get(v, row, &value);
    if (!value.null) value_text(out, v->type, &value);
}

static void value_json(th_buf *out, const th_type *type, const th_value *v);

static void quoted_text(th_buf *out, const th_type *type, const th_value *v)
{
    if (type->kind == TH_VARCHAR) {
        th_json_quote(out, v->s);
        return;
    }
    th_buf text;
    th_buf_init(&text, out->limit);
    value_text(&text, type, v);
    th_json_quote(out, th_buf_slice(&text));
    th_buf_free(&text);
}

static void key_json(th_buf *out, const th_type *type, const th_value *v)
{
    quoted_text(out, type, v);
    th_buf_add_byte(out, ':');
}

static void nested_json(th_buf *out, const th_type *type, const th_value *v)
{
    th_value part;
    bool array = type->kind == TH_ARRAY, row = type->kind == TH_ROW;
    uint32_t count = row ? type->child_count : th_value_size(v);
    th_buf_add_byte(out, array ? '[' : '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_byte(out, ',');
        if (row) {
            char unnamed[16];
            snprintf(unnamed, sizeof(unnamed), "field%u", i);
            bool named = type->names != NULL && type->names[i].size > 0;
            th_json_quote(out, named ? type->names[i] : th_slice_text(unnamed));
            th_buf_add_byte(out, ':');
            th_value_field(v, i, &part);
            value_json(out, type->children[i], &part);
            continue;
        }
        th_value_element(v, 0, i, &part);
        if (array) {
            value_json(out, type->children[0], &part);
            continue;
        }
        key_json(out, type->children[0], &part);
        th_value_element(v, 1, i, &part);
        value_json(out, type->children[1], &part);
    }
    th_buf_add_byte(out, array ? ']' : '}');
}

static void value_json(th_buf *out, const th_type *type, const th_value *v)
{
    if (v->null) {
        th_buf_add_text(out, "null");
        return;
    }
    switch (type->kind) {
    case TH_BOOLEAN:
    case TH_TINYINT:
    case TH_SMALLINT:
    case TH_INTEGER:
    case TH_BIGINT: scalar_text(out, type, v); return;
    case TH_REAL:
    case TH_DOUBLE:
        if (isfinite(v->f))
            scalar_text(out, type, v);
        else
            quoted_text(out, type, v);
        return;
    case TH_JSON: th_buf_add_slice(out, v->s); return;
    case TH_ARRAY:
    case TH_MAP:
    case TH_ROW: nested_json(out, type, v); return;
    default: quoted_text(out, type, v); return;
    }
}

void th_value_json(th_buf *out, const th_vector *v, uint32_t row)
{
    th_value value;
    th_value_get(v, row, &value);
    value_json(out, v->type, &value);
}
