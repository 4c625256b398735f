/* SPDX-License-Identifier: Apache-2.0
 * Instants: now, Unix time, ISO 8601, zones, durations. */
#include <math.h>

#include "query/fn/datetime.h"
#include "query/fn/families.h"
#include "query/fn/zone.h"
#include "query/type/datetime.h"
#include "query/type/number.h"

th_err fn_now(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    out->i = fn_floor_div(call->now_us, 1000) * 1000;
    out->zone = call->zone;
    return TH_OK;
}

static int64_t local_now(const th_fn_call *call)
{
    return call->now_us + th_zone_offset_at(call->zone, call->now_us) * TH_US_PER_SECOND;
}

th_err fn_current_date(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    out->i = fn_floor_div(local_now(call), TH_US_PER_DAY);
    return TH_OK;
}

th_err fn_localtimestamp(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    out->i = fn_floor_div(local_now(call), 1000) * 1000;
    return TH_OK;
}

th_err fn_localtime(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    int64_t now = fn_floor_div(local_now(call), 1000) * 1000;
    out->i = now - fn_floor_div(now, TH_US_PER_DAY) * TH_US_PER_DAY;
    return TH_OK;
}

static th_err unix_time(th_fn_call *call, double seconds, uint16_t zone, th_value *out)
{
    double ms = round(seconds * 1000);
    if (isnan(ms) || fabs(ms) > 9.2e15)
        return fn_bad(call, "Millis overflow: %lld",
                      isnan(ms) ? 0LL
                      : ms > 0  ? (long long)INT64_MAX
                                : (long long)INT64_MIN);
    out->i = (int64_t)ms * 1000;
    out->zone = zone;
    return TH_OK;
}

th_err fn_from_unixtime(th_fn_call *call, const th_value *args, th_value *out)
{
    return unix_time(call, args[0].f, call->zone, out);
}

static th_err zone_of(th_fn_call *call, th_slice name, uint16_t *zone)
{
    if (th_zone_find(name, zone)) return TH_OK;
    return fn_bad(call, "'%.*s' is not a valid time zone", (int)(name.size > 100 ? 100 : name.size),
                  (const char *)name.bytes);
}

th_err fn_from_unixtime_zone(th_fn_call *call, const th_value *args, th_value *out)
{
    uint16_t zone;
    TH_TRY(zone_of(call, args[1].s, &zone));
    return unix_time(call, args[0].f, zone, out);
}

th_err fn_from_unixtime_offset(th_fn_call *call, const th_value *args, th_value *out)
{
    if (args[1].i < -14 || args[1].i > 14 || args[2].i < -59 || args[2].i > 59)
        return fn_bad(call, "Invalid offset minutes %lld", (long long)(args[1].i * 60 + args[2].i));
    int64_t minutes = args[1].i * 60 + args[2].i;
    if (minutes < -TH_ZONE_OFFSET_MAX || minutes > TH_ZONE_OFFSET_MAX)
        return fn_bad(call, "Invalid offset minutes %lld", (long long)minutes);
    return unix_time(call, args[0].f, th_zone_of_offset((int32_t)minutes), out);
}

th_err fn_from_unixtime_nanos(th_fn_call *call, const th_value *args, th_value *out)
{
    out->i = fn_floor_div(args[0].i, 1000);
    out->extra = (int32_t)((args[0].i - out->i * 1000) * 1000);
    out->zone = call->zone;
    return TH_OK;
}

const th_type *fn_nanos_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)params;
    (void)count;
    return th_type_with_precision(arena, TH_TIMESTAMP_TZ, 9);
}

th_err fn_to_unixtime(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->f = (double)args[0].i / 1e6;
    return TH_OK;
}

static void print_offset(th_buf *b, int32_t seconds)
{
    int32_t minutes = seconds / 60;
    if (minutes == 0)
        th_buf_add_byte(b, 'Z');
    else
        th_buf_printf(b, "%c%02d:%02d", minutes < 0 ? '-' : '+',
                      (minutes < 0 ? -minutes : minutes) / 60,
                      (minutes < 0 ? -minutes : minutes) % 60);
}

th_err fn_to_iso8601(th_fn_call *call, const th_value *args, th_value *out)
{
    const th_type *type = call->arg_types[0];
    th_buf *b = fn_scratch(call);
    int64_t us;
    if (type->kind == TH_DATE) {
        th_date_print(b, args[0].i);
        return fn_take_scratch(call, out);
    }
    TH_TRY(fn_local_us(call, type, &args[0], &us));
    th_timestamp_print(b, us, args[0].extra, type->precision, 'T');
    if (type->kind == TH_TIMESTAMP_TZ) print_offset(b, th_zone_offset_at(args[0].zone, args[0].i));
    return fn_take_scratch(call, out);
}

/* Reader of fixed-width digits. */
typedef struct cursor {
    const uint8_t *pos, *end;
} cursor;

static bool number(cursor *c, int min, int max, int64_t *out)
{
    int n = 0;
    int64_t v = 0;
    for (; n < max && c->pos < c->end && *c->pos >= '0' && *c->pos <= '9'; n++)
        v = v * 10 + (*c->pos++ - '0');
    *out = v;
    return n >= min;
}

static bool take(cursor *c, char ch)
{
    if (c->pos == c->end || *c->pos != (uint8_t)ch) return false;
    c->pos++;
    return true;
}

static bool iso_date(cursor *c, th_civil *civil)
{
    int64_t year, month = 1, day = 1;
    bool minus = take(c, '-');
    if (!minus) (void)take(c, '+');
    const uint8_t *from = c->pos;
    if (!number(c, 4, 9, &year)) return false;
    if (c->pos - from == 8) { /* yyyyMMdd */
        day = year % 100;
        month = year / 100 % 100;
        year /= 10000;
    } else if (take(c, '-')) {
        if (!number(c, 1, 2, &month)) return false;
        if (take(c, '-') && !number(c, 1, 2, &day)) return false;
    }
    *civil = (th_civil){
        .year = (int32_t)(minus ? -year : year), .month = (uint8_t)month, .day = (uint8_t)day};
    return month >= 1 && month <= 12 && day >= 1 && day <= 31 && year < 300000;
}

static bool iso_time(cursor *c, th_civil *civil, int32_t *extra)
{
    int64_t h = 0, m = 0, s = 0, f = 0;
    if (!number(c, 1, 2, &h)) return false;
    if (take(c, ':')) {
        if (!number(c, 1, 2, &m)) return false;
        if (take(c, ':') && !number(c, 1, 2, &s)) return false;
    } else if (number(c, 2, 2, &m)) {
        (void)number(c, 2, 2, &s);
    }
    if (take(c, '.') || take(c, ',')) {
        const uint8_t *from = c->pos;
        if (!number(c, 1, 12, &f)) return false;
        for (ptrdiff_t n = c->pos - from; n < 12; n++) f *= 10;
    }
    civil->hour = (uint8_t)h;
    civil->minute = (uint8_t)m;
    civil->second = (uint8_t)s;
    civil->us = (uint32_t)(f / 1000000);
    *extra = (int32_t)(f % 1000000);
    return h < 24 && m < 60 && s < 60;
}

static bool iso_parse(th_slice s, uint16_t session, int64_t *us, int32_t *extra, uint16_t *zone)
{
    cursor c = {s.bytes, s.bytes + s.size};
    th_civil civil;
    *zone = session;
    *extra = 0;
    if (!iso_date(&c, &civil)) return false;
    if (take(&c, 'T') && c.pos < c.end && !iso_time(&c, &civil, extra)) return false;
    if (!th_civil_valid(&civil)) return false;
    if (c.pos < c.end) {
        th_slice rest = th_slice_of(c.pos, (size_t)(c.end - c.pos));
        bool sign = rest.bytes[0] == '+' || rest.bytes[0] == '-' || th_slice_is(rest, "Z");
        if (!sign || !th_zone_find(rest, zone)) return false;
    }
    *us = th_zone_local_to_utc(*zone, th_us_from_civil(&civil));
    return true;
}

static th_err bad_iso(th_fn_call *call, th_slice s)
{
    return fn_bad(call, "Invalid format: \"%.*s\"", (int)(s.size > 100 ? 100 : s.size),
                  (const char *)s.bytes);
}

th_err fn_from_iso8601_timestamp(th_fn_call *call, const th_value *args, th_value *out)
{
    int32_t extra;
    if (!iso_parse(args[0].s, call->zone, &out->i, &extra, &out->zone))
        return bad_iso(call, args[0].s);
    if (out->i > INT64_C(2251799813685247) * 1000 || out->i < INT64_C(-2251799813685248) * 1000)
        return fn_bad(call, "Millis overflow: %lld", (long long)(out->i / 1000));
    out->i = fn_floor_div(out->i, 1000) * 1000;
    return TH_OK;
}

th_err fn_from_iso8601_timestamp_nanos(th_fn_call *call, const th_value *args, th_value *out)
{
    if (!iso_parse(args[0].s, call->zone, &out->i, &out->extra, &out->zone))
        return bad_iso(call, args[0].s);
    out->extra = out->extra / 1000 * 1000;
    return TH_OK;
}

th_err fn_from_iso8601_date(th_fn_call *call, const th_value *args, th_value *out)
{
    cursor c = {args[0].s.bytes, args[0].s.bytes + args[0].s.size};
    th_civil civil;
    if (!iso_date(&c, &civil) || c.pos != c.end || !th_civil_valid(&civil))
        return bad_iso(call, args[0].s);
    out->i = th_day_from_civil(civil.year, civil.month, civil.day);
    return TH_OK;
}

th_err fn_at_timezone(th_fn_call *call, const th_value *args, th_value *out)
{
    *out = args[0];
    return zone_of(call, args[1].s, &out->zone);
}

th_err fn_at_timezone_interval(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t minutes = args[1].i / (60 * TH_US_PER_SECOND);
    *out = args[0];
    if (args[1].i % (60 * TH_US_PER_SECOND) != 0 || minutes > TH_ZONE_OFFSET_MAX ||
        minutes < -TH_ZONE_OFFSET_MAX)
        return fn_bad(call, "Invalid time zone offset interval");
    out->zone = th_zone_of_offset((int32_t)minutes);
    return TH_OK;
}

th_err fn_with_timezone(th_fn_call *call, const th_value *args, th_value *out)
{
    TH_TRY(zone_of(call, args[1].s, &out->zone));
    out->i = th_zone_local_to_utc(out->zone, args[0].i);
    out->extra = args[0].extra;
    return TH_OK;
}

const th_type *fn_with_timezone_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    return th_type_with_precision(arena, TH_TIMESTAMP_TZ, params[0]->precision);
}

th_err fn_timezone(th_fn_call *call, const th_value *args, th_value *out)
{
    th_zone_print(fn_scratch(call), args[0].zone);
    return fn_take_scratch(call, out);
}

th_err fn_current_timezone(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    th_zone_print(fn_scratch(call), call->zone);
    return fn_take_scratch(call, out);
}

th_err fn_parse_duration(th_fn_call *call, const th_value *args, th_value *out)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"ns", 1e-3}, {"us", 1},    {"ms", 1e3},   {"s", 1e6},
                 {"m", 6e7},   {"h", 3.6e9}, {"d", 8.64e10}};
    th_slice s = args[0].s;
    size_t n = 0;
    double v;
    if (s.size == 0) return fn_bad(call, "duration is empty");
    while (n < s.size && ((s.bytes[n] >= '0' && s.bytes[n] <= '9') || s.bytes[n] == '.')) n++;
    th_slice digits = th_slice_of(s.bytes, n), unit;
    while (n < s.size && s.bytes[n] == ' ') n++;
    unit = th_slice_of(s.bytes + n, s.size - n);
    if (!th_double_parse(digits, &v) || unit.size == 0)
        return fn_bad(call, "duration is not a valid data duration string: %.*s",
                      (int)(s.size > 100 ? 100 : s.size), (const char *)s.bytes);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!th_slice_is(unit, units[i].name)) continue;
        double ms = round(v * units[i].us / 1000);
        if (ms > (double)(INT64_MAX / 2000)) return fn_bad(call, "duration out of range");
        out->i = (int64_t)ms * 1000;
        return TH_OK;
    }
    return fn_bad(call, "Unknown time unit: %.*s", (int)(unit.size > 20 ? 20 : unit.size),
                  (const char *)unit.bytes);
}

th_err fn_to_date(th_fn_call *call, const th_value *args, th_value *out)
{
    return th_cast_value(call, call->arg_types[0], &th_type_date, args, out);
}
