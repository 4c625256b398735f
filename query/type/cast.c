/* SPDX-License-Identifier: Apache-2.0
 * CAST between scalar types and between nested ones; JSON is in cast_json.c. One function a target kind. */
#include <math.h>
#include <stdio.h>

#include "query/fn/call.h"
#include "query/fn/zone.h"
#include "query/type/cast.h"
#include "query/type/datetime.h"
#include "query/type/number.h"

typedef th_err (*cast_fn)(th_fn_call *, const th_type *from, const th_type *to, const th_value *in,
                          th_value *out);

static th_err invalid(th_fn_call *call, const char *fmt, th_slice value)
{
    char text[400];
    int size = (int)(value.size > SHOWN_MAX ? SHOWN_MAX : value.size);
    (void)snprintf(text, sizeof text, fmt, size, (const char *)value.bytes);
    return fn_fail(call, "INVALID_CAST_ARGUMENT", "%s", text);
}

static th_err out_of_range(th_fn_call *call, const th_type *to, const char *value)
{
    char text[64];
    th_buf b = {.bytes = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text - 1};
    th_type_print(&b, to);
    return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "Out of range for %s: %s", text, value);
}

static bool in_range(th_type_kind kind, int64_t v)
{
    switch (kind) {
    case TH_TINYINT: return v >= INT8_MIN && v <= INT8_MAX;
    case TH_SMALLINT: return v >= INT16_MIN && v <= INT16_MAX;
    case TH_INTEGER: return v >= INT32_MIN && v <= INT32_MAX;
    default: return true;
    }
}

th_err cast_unsupported(th_fn_call *call, const th_type *from, const th_type *to)
{
    char a[200] = "", b[200] = "";
    th_buf fa = {.bytes = (uint8_t *)a, .capacity = sizeof a, .limit = sizeof a - 1};
    th_buf fb = {.bytes = (uint8_t *)b, .capacity = sizeof b, .limit = sizeof b - 1};
    th_type_print(&fa, from);
    th_type_print(&fb, to);
    return fn_fail(call, "TYPE_MISMATCH", "Cannot cast %s to %s", a, b);
}

static const char *upper_name(th_type_kind kind)
{
    switch (kind) {
    case TH_TINYINT: return "TINYINT";
    case TH_SMALLINT: return "SMALLINT";
    case TH_INTEGER: return "INT";
    default: return "BIGINT";
    }
}

static th_err text_to_integer(th_fn_call *call, const th_type *to, th_slice s, th_value *out)
{
    uint64_t u = 0;
    th_slice whole = s;
    while (s.size > 0 && s.bytes[0] <= ' ') s = th_slice_of(s.bytes + 1, s.size - 1);
    while (s.size > 0 && s.bytes[s.size - 1] <= ' ') s.size--;
    th_slice digits = s;
    bool minus = s.size > 0 && s.bytes[0] == '-', ok = true;
    if (s.size > 0 && (minus || s.bytes[0] == '+')) digits = th_slice_of(s.bytes + 1, s.size - 1);
    ok = digits.size > 0;
    for (size_t i = 0; i < digits.size && ok; i++) {
        uint8_t c = digits.bytes[i];
        ok = c >= '0' && c <= '9' && !__builtin_mul_overflow(u, 10u, &u) &&
             !__builtin_add_overflow(u, (uint64_t)(c - '0'), &u);
    }
    if (ok && u <= (uint64_t)INT64_MAX + minus) {
        out->i = minus ? (int64_t)-u : (int64_t)u;
        if (in_range(to->kind, out->i)) return TH_OK;
    }
    return fn_fail(call, "INVALID_CAST_ARGUMENT", "Cannot cast '%.*s' to %s",
                   (int)(whole.size > SHOWN_MAX ? SHOWN_MAX : whole.size),
                   (const char *)whole.bytes, upper_name(to->kind));
}

static th_err double_to_integer(th_fn_call *call, const th_type *to, double f, th_value *out)
{
    char text[64] = "";
    th_buf b = {.bytes = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text - 1};
    double r = f < 0 ? ceil(f - 0.5) : floor(f + 0.5);
    if (fabs(f) >= 4503599627370496.0) r = f;
    if (f == 0.49999999999999994 || f == -0.49999999999999994) r = 0;
    if (r >= -9223372036854775808.0 && r < 9223372036854775808.0 &&
        in_range(to->kind, (int64_t)r)) {
        out->i = (int64_t)r;
        return TH_OK;
    }
    th_double_print(&b, f, false);
    if (isnan(f))
        return fn_fail(call, "INVALID_CAST_ARGUMENT", "Cannot cast double NaN to %s",
                       upper_name(to->kind));
    return out_of_range(call, to, text);
}

static th_err to_integer(th_fn_call *call, const th_type *from, const th_type *to,
                         const th_value *in, th_value *out)
{
    char text[64] = "";
    th_buf b = {.bytes = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text - 1};
    th_i128 d;
    switch (from->kind) {
    case TH_VARCHAR:
    case TH_CHAR: return text_to_integer(call, to, in->s, out);
    case TH_REAL:
    case TH_DOUBLE: return double_to_integer(call, to, in->f, out);
    case TH_DECIMAL:
        (void)th_decimal_rescale(in->d, from->scale, 0, &d);
        if (d >= INT64_MIN && d <= INT64_MAX && in_range(to->kind, (int64_t)d)) {
            out->i = (int64_t)d;
            return TH_OK;
        }
        th_decimal_print(&b, in->d, from->scale);
        return fn_fail(call, "INVALID_CAST_ARGUMENT", "Cannot cast '%s' to %s", text,
                       upper_name(to->kind));
    case TH_BOOLEAN: out->i = in->i; return TH_OK;
    case TH_JSON: return cast_from_json(call, to, in->s, out);
    default:
        if (!th_type_is_integer(from)) return cast_unsupported(call, from, to);
        out->i = in->i;
        if (in_range(to->kind, in->i)) return TH_OK;
        (void)snprintf(text, sizeof text, "%lld", (long long)in->i);
        return out_of_range(call, to, text);
    }
}

static th_err to_double(th_fn_call *call, const th_type *from, const th_type *to,
                        const th_value *in, th_value *out)
{
    switch (from->kind) {
    case TH_VARCHAR:
    case TH_CHAR:
        if (!th_double_parse(in->s, &out->f))
            return invalid(call,
                           to->kind == TH_REAL ? "Cannot cast '%.*s' to REAL"
                                               : "Cannot cast '%.*s' to DOUBLE",
                           in->s);
        break;
    case TH_REAL:
    case TH_DOUBLE: out->f = in->f; break;
    case TH_DECIMAL: out->f = th_decimal_to_double(in->d, from->scale); break;
    case TH_JSON: return cast_from_json(call, to, in->s, out);
    default:
        if (!th_type_is_integer(from) && from->kind != TH_BOOLEAN)
            return cast_unsupported(call, from, to);
        out->f = (double)in->i;
        break;
    }
    if (to->kind == TH_REAL) out->f = th_real_of(out->f);
    return TH_OK;
}

static th_err decimal_error(th_fn_call *call, const th_type *from, const th_type *to,
                            const th_value *in)
{
    char text[SHOWN_MAX + 8] = "";
    th_buf b = {.bytes = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text - 1};
    const char *name = "DOUBLE";
    if (from->kind == TH_VARCHAR || from->kind == TH_CHAR) {
        name = "VARCHAR";
        th_buf_add(&b, in->s.bytes, in->s.size > SHOWN_MAX ? SHOWN_MAX : in->s.size);
    } else if (from->kind == TH_DECIMAL) {
        name = "DECIMAL";
        th_decimal_print(&b, in->d, from->scale);
    } else if (from->kind == TH_DOUBLE || from->kind == TH_REAL) {
        name = from->kind == TH_REAL ? "REAL" : "DOUBLE";
        th_double_print(&b, in->f, from->kind == TH_REAL);
    } else {
        name = upper_name(from->kind);
        th_buf_printf(&b, "%lld", (long long)in->i);
    }
    return fn_fail(call, "INVALID_CAST_ARGUMENT", "Cannot cast %s '%s' to DECIMAL(%u, %u)", name,
                   text, to->precision, to->scale);
}

static th_err to_decimal(th_fn_call *call, const th_type *from, const th_type *to,
                         const th_value *in, th_value *out)
{
    uint32_t precision, scale;
    th_i128 d;
    bool ok;
    switch (from->kind) {
    case TH_VARCHAR:
    case TH_CHAR:
        ok = th_decimal_parse(in->s, &d, &precision, &scale) &&
             th_decimal_rescale(d, scale, to->scale, &out->d);
        break;
    case TH_DECIMAL: ok = th_decimal_rescale(in->d, from->scale, to->scale, &out->d); break;
    case TH_REAL:
    case TH_DOUBLE:
        ok =
            th_decimal_from_double(in->f, from->kind == TH_REAL, to->precision, to->scale, &out->d);
        break;
    case TH_JSON: return cast_from_json(call, to, in->s, out);
    default:
        if (!th_type_is_integer(from) && from->kind != TH_BOOLEAN)
            return cast_unsupported(call, from, to);
        ok = th_decimal_rescale(in->i, 0, to->scale, &out->d);
        break;
    }
    return ok && th_decimal_fits(out->d, to->precision) ? TH_OK : decimal_error(call, from, to, in);
}

static th_err to_boolean(th_fn_call *call, const th_type *from, const th_type *to,
                         const th_value *in, th_value *out)
{
    th_slice s = in->s;
    switch (from->kind) {
    case TH_VARCHAR:
    case TH_CHAR:
        out->i = th_slice_is(s, "1") || th_slice_equal_nocase(s, TH_SLICE("t")) ||
                 th_slice_equal_nocase(s, TH_SLICE("true"));
        if (out->i != 0 || th_slice_is(s, "0") || th_slice_equal_nocase(s, TH_SLICE("f")) ||
            th_slice_equal_nocase(s, TH_SLICE("false")))
            return TH_OK;
        return invalid(call, "Cannot cast '%.*s' to BOOLEAN", s);
    case TH_REAL:
    case TH_DOUBLE: out->i = in->f != 0; return TH_OK;
    case TH_DECIMAL: out->i = in->d != 0; return TH_OK;
    case TH_BOOLEAN: out->i = in->i; return TH_OK;
    case TH_JSON: return cast_from_json(call, to, in->s, out);
    default:
        if (!th_type_is_integer(from)) return cast_unsupported(call, from, to);
        out->i = in->i != 0;
        return TH_OK;
    }
}

static th_err to_date(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                      th_value *out)
{
    int64_t us = in->i;
    switch (from->kind) {
    case TH_VARCHAR:
    case TH_CHAR:
        if (!th_date_parse(in->s, &out->i))
            return invalid(call, "Value cannot be cast to date: %.*s", in->s);
        return TH_OK;
    case TH_DATE: out->i = in->i; return TH_OK;
    case TH_TIMESTAMP_TZ:
        us += th_zone_offset_at(in->zone, us) * TH_US_PER_SECOND;
        out->i = th_day_from_us(us);
        return TH_OK;
    case TH_TIMESTAMP: out->i = th_day_from_us(us); return TH_OK;
    case TH_JSON: return cast_from_json(call, to, in->s, out);
    default: return cast_unsupported(call, from, to);
    }
}

static th_err to_time(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                      th_value *out)
{
    th_moment m = {.us = in->i, .extra = in->extra};
    if (from->kind == TH_VARCHAR || from->kind == TH_CHAR) {
        if (!th_time_parse(in->s, &m))
            return invalid(call, "Value cannot be cast to time: %.*s", in->s);
    } else if (from->kind == TH_TIMESTAMP || from->kind == TH_TIMESTAMP_TZ) {
        if (from->kind == TH_TIMESTAMP_TZ)
            m.us += th_zone_offset_at(in->zone, m.us) * TH_US_PER_SECOND;
        m.us -= (int64_t)th_day_from_us(m.us) * TH_US_PER_DAY;
    } else if (from->kind != TH_TIME) {
        return cast_unsupported(call, from, to);
    }
    (void)th_moment_round(&m.us, &m.extra, to->precision);
    out->i = m.us % TH_US_PER_DAY;
    out->extra = m.extra;
    return TH_OK;
}

/* in as a local timestamp, or as an instant when *is_instant is set. */
static th_err read_moment(th_fn_call *call, const th_type *from, const th_type *to,
                          const th_value *in, th_moment *m)
{
    *m = (th_moment){.us = in->i, .extra = in->extra};
    switch (from->kind) {
    case TH_VARCHAR:
    case TH_CHAR:
        if (th_timestamp_parse(in->s, m)) return TH_OK;
        return invalid(call, "Value cannot be cast to timestamp: %.*s", in->s);
    case TH_DATE:
        if (__builtin_mul_overflow(in->i, TH_US_PER_DAY, &m->us))
            return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE",
                           "Date cannot be represented as timestamp: %lld", (long long)in->i);
        return TH_OK;
    case TH_TIME: m->us += (int64_t)th_day_from_us(call->now_us) * TH_US_PER_DAY; return TH_OK;
    case TH_TIMESTAMP: return TH_OK;
    case TH_TIMESTAMP_TZ:
        m->has_zone = true;
        m->zone = in->zone;
        return TH_OK;
    default: return cast_unsupported(call, from, to);
    }
}

static th_err to_timestamp(th_fn_call *call, const th_type *from, const th_type *to,
                           const th_value *in, th_value *out)
{
    th_moment m;
    if (from->kind == TH_JSON) return cast_from_json(call, to, in->s, out);
    TH_TRY(read_moment(call, from, to, in, &m));
    if (to->kind == TH_TIMESTAMP) {
        if (m.has_zone) m.us += th_zone_offset_at(m.zone, m.us) * TH_US_PER_SECOND;
    } else if (!m.has_zone) {
        m.zone = call->zone;
        m.us = th_zone_local_to_utc(m.zone, m.us);
    }
    if (!th_moment_round(&m.us, &m.extra, to->precision))
        return fn_fail(call, "INVALID_CAST_ARGUMENT", "timestamp out of range");
    out->i = m.us;
    out->extra = m.extra;
    out->zone = m.zone;
    return TH_OK;
}

static th_err to_varbinary(th_fn_call *call, const th_type *from, const th_type *to,
                           const th_value *in, th_value *out)
{
    if (from->kind == TH_CHAR) return fn_pad_char(call, from, in->s, out);
    if (from->kind != TH_VARCHAR && from->kind != TH_VARBINARY && from->kind != TH_UUID &&
        from->kind != TH_IPADDRESS)
        return cast_unsupported(call, from, to);
    out->s = in->s;
    return TH_OK;
}

static th_err to_ipaddress(th_fn_call *call, const th_type *from, const th_type *to,
                           const th_value *in, th_value *out)
{
    uint8_t ip[16];
    if (from->kind == TH_IPADDRESS) {
        out->s = in->s;
        return TH_OK;
    }
    if (from->kind == TH_VARBINARY) {
        if (in->s.size == 16) {
            memcpy(ip, in->s.bytes, 16);
        } else if (in->s.size == 4) {
            memset(ip, 0, 10);
            memset(ip + 10, 0xff, 2);
            memcpy(ip + 12, in->s.bytes, 4);
        } else {
            return fn_fail(call, "INVALID_CAST_ARGUMENT", "Invalid InetAddress binary length: %zu",
                           in->s.size);
        }
        return fn_copy(call, th_slice_of(ip, 16), out);
    }
    if (from->kind != TH_VARCHAR && from->kind != TH_CHAR) return cast_unsupported(call, from, to);
    if (!fn_ip_parse(in->s, ip))
        return invalid(call, "Cannot cast value to IPADDRESS: %.*s", in->s);
    return fn_copy(call, th_slice_of(ip, 16), out);
}

static th_err to_uuid(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                      th_value *out)
{
    uint8_t bytes[16];
    char hex[32];
    size_t n = 0;
    if (from->kind == TH_UUID) {
        out->s = in->s;
        return TH_OK;
    }
    if (from->kind == TH_VARBINARY && in->s.size == 16) return fn_copy(call, in->s, out);
    if (from->kind != TH_VARCHAR && from->kind != TH_CHAR) return cast_unsupported(call, from, to);
    bool ok = in->s.size == 36;
    for (size_t i = 0; i < in->s.size && ok; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        ok = (in->s.bytes[i] == '-') == dash;
        if (!dash && ok) hex[n++] = (char)in->s.bytes[i];
    }
    if (!ok || n != 32 || !th_hex_decode(th_slice_of(hex, 32), bytes, sizeof bytes))
        return invalid(call, "Cannot cast value to UUID: %.*s", in->s);
    return fn_copy(call, th_slice_of(bytes, 16), out);
}

static th_err to_json(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                      th_value *out)
{
    th_buf b;
    if (from->kind == TH_JSON) {
        out->s = in->s;
        return TH_OK;
    }
    (void)to;
    th_buf_init(&b, UINT32_MAX);
    th_err e = cast_append_json(call, &b, from, in);
    if (e == TH_OK && th_buf_error(&b) != TH_OK) e = fn_memory(call);
    if (e == TH_OK) e = fn_copy(call, th_buf_slice(&b), out);
    th_buf_free(&b);
    return e;
}

/* One nested value through a builder: each part is cast and added. */
static th_err cast_part(th_fn_call *call, const th_type *from, const th_type *to,
                        const th_value *in, th_builder *b)
{
    th_value x = {0};
    if (in->null) return th_builder_add_null(b) ? TH_OK : fn_memory(call);
    if (th_type_equal(from, to)) return th_builder_add(b, in) ? TH_OK : fn_memory(call);
    TH_TRY(th_cast_value(call, from, to, in, &x));
    return th_builder_add(b, &x) ? TH_OK : fn_memory(call);
}

static th_err to_nested(th_fn_call *call, const th_type *from, const th_type *to,
                        const th_value *in, th_value *out)
{
    th_builder b;
    th_value x;
    if (from->kind == TH_JSON) return cast_from_json(call, to, in->s, out);
    if (from->kind != to->kind || from->child_count != to->child_count)
        return cast_unsupported(call, from, to);
    if (!th_builder_init(&b, call->arena, to, 1, false)) return fn_memory(call);
    uint32_t n = from->kind == TH_ROW ? 1 : th_value_size(in);
    for (uint32_t k = 0; k < n; k++) {
        for (uint32_t i = 0; i < from->child_count; i++) {
            if (from->kind == TH_ROW)
                th_value_field(in, i, &x);
            else
                th_value_element(in, i, k, &x);
            TH_TRY(cast_part(call, from->children[i], to->children[i], &x, &b.children[i]));
        }
    }
    th_vector *v = TH_NEW(call->arena, th_vector);
    if (v == NULL || !th_builder_end_nested(&b)) return fn_memory(call);
    th_builder_finish(&b, v);
    out->n.vector = v;
    out->n.slot = 0;
    return TH_OK;
}

static const cast_fn casts[TH_TYPE_KIND_COUNT] = {
    [TH_BOOLEAN] = to_boolean,
    [TH_TINYINT] = to_integer,
    [TH_SMALLINT] = to_integer,
    [TH_INTEGER] = to_integer,
    [TH_BIGINT] = to_integer,
    [TH_REAL] = to_double,
    [TH_DOUBLE] = to_double,
    [TH_DECIMAL] = to_decimal,
    [TH_CHAR] = cast_to_varchar,
    [TH_VARCHAR] = cast_to_varchar,
    [TH_VARBINARY] = to_varbinary,
    [TH_DATE] = to_date,
    [TH_TIME] = to_time,
    [TH_TIMESTAMP] = to_timestamp,
    [TH_TIMESTAMP_TZ] = to_timestamp,
    [TH_JSON] = to_json,
    [TH_UUID] = to_uuid,
    [TH_IPADDRESS] = to_ipaddress,
    [TH_ARRAY] = to_nested,
    [TH_MAP] = to_nested,
    [TH_ROW] = to_nested,
};

th_err th_cast_value(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                     th_value *out)
{
    cast_fn fn = casts[to->kind];
    if (fn != NULL) return fn(call, from, to, in, out);
    if (from->kind == to->kind) { /* intervals */
        *out = *in;
        return TH_OK;
    }
    if (from->kind == TH_UNKNOWN) {
        out->null = true;
        return TH_OK;
    }
    return cast_unsupported(call, from, to);
}
