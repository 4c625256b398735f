/* SPDX-License-Identifier: Apache-2.0
 * CAST to varchar and char. */
#include "query/type/cast.h"

#include "query/fn/call.h"
#include "query/type/datetime.h"
#include "query/type/number.h"

static bool append_text(th_buf *b, const th_type *from, const th_value *in)
{
    switch (from->kind) {
    case TH_BOOLEAN: th_buf_add_text(b, in->i ? "true" : "false"); return true;
    case TH_TINYINT:
    case TH_SMALLINT:
    case TH_INTEGER:
    case TH_BIGINT: th_buf_printf(b, "%lld", (long long)in->i); return true;
    case TH_REAL:
    case TH_DOUBLE: th_double_print_cast(b, in->f, from->kind == TH_REAL); return true;
    case TH_DECIMAL: th_decimal_print(b, in->d, from->scale); return true;
    case TH_DATE: th_date_print(b, in->i); return true;
    case TH_TIME: th_time_print(b, in->i, in->extra, from->precision); return true;
    case TH_TIMESTAMP: th_timestamp_print(b, in->i, in->extra, from->precision, ' '); return true;
    case TH_TIMESTAMP_TZ:
        th_timestamp_tz_print(b, in->i, in->extra, from->precision, in->zone);
        return true;
    case TH_INTERVAL_DAY_SECOND: th_interval_ds_print(b, in->i); return true;
    case TH_INTERVAL_YEAR_MONTH: th_interval_ym_print(b, in->i); return true;
    case TH_IPADDRESS: fn_ip_print(b, in->s.bytes); return true;
    case TH_UUID: {
        const uint8_t *u = in->s.bytes;
        for (int i = 0; i < 16; i++)
            th_buf_printf(b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", u[i]);
        return true;
    }
    default: return false;
    }
}

/* Values that are not text do not get shortened silently. */
static th_err check_length(th_fn_call *call, const th_type *from, const th_type *to,
                           const th_value *in, th_value *out)
{
    if (to->precision == TH_UNBOUNDED || fn_utf8_length(out->s) <= to->precision) return TH_OK;
    char what[80] = "";
    if (from->kind == TH_DOUBLE || from->kind == TH_REAL) {
        th_buf b = {.bytes = (uint8_t *)what, .capacity = sizeof what, .limit = sizeof what - 1};
        th_double_print(&b, in->f, from->kind == TH_REAL);
        return fn_fail(call, "INVALID_CAST_ARGUMENT",
                       "Value %s (%.*s) cannot be represented as varchar(%u)", what,
                       TH_SLICE_ARGS(out->s), to->precision);
    }
    return fn_fail(call, "INVALID_CAST_ARGUMENT", "Value %.*s cannot be represented as varchar(%u)",
                   (int)(out->s.size > SHOWN_MAX ? SHOWN_MAX : out->s.size),
                   (const char *)out->s.bytes, to->precision);
}

th_err fn_pad_char(th_fn_call *call, const th_type *from, th_slice s, th_value *out)
{
    size_t length = fn_utf8_length(s), missing = from->precision - length;
    out->s = s;
    if (length >= from->precision) return TH_OK;
    uint8_t *bytes = th_arena_alloc(call->arena, s.size + missing);
    if (bytes == NULL) return fn_memory(call);
    if (s.size > 0) memcpy(bytes, s.bytes, s.size);
    memset(bytes + s.size, ' ', missing);
    out->s = th_slice_of(bytes, s.size + missing);
    return TH_OK;
}

th_err cast_to_varchar(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                       th_value *out)
{
    th_slice s = in->s;
    switch (from->kind) {
    case TH_CHAR:
    case TH_VARCHAR:
        if (to->precision != TH_UNBOUNDED && s.size > to->precision)
            s.size = fn_utf8_prefix(s, to->precision);
        if (to->kind == TH_CHAR)
            while (s.size > 0 && s.bytes[s.size - 1] == ' ') s.size--;
        out->s = s;
        return TH_OK;
    case TH_JSON: return cast_from_json(call, to, in->s, out);
    default:
        if (!append_text(fn_scratch(call), from, in)) return cast_unsupported(call, from, to);
        TH_TRY(fn_take_scratch(call, out));
        return check_length(call, from, to, in, out);
    }
}
