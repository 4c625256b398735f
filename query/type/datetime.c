/* SPDX-License-Identifier: Apache-2.0
 * Text of dates and times (query/type/datetime.h). */
#include "query/type/datetime.h"

#include <stdlib.h>

#include "query/fn/zone.h"

#define YEAR_MAX 5881580

typedef struct cursor {
    const uint8_t *pos, *end;
} cursor;

static bool digits(cursor *c, uint32_t min, uint32_t max, int64_t *out)
{
    uint32_t n = 0;
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

static cursor trimmed(th_slice s)
{
    cursor c = {s.bytes, s.bytes + s.size};
    while (c.pos < c.end && *c.pos <= ' ') c.pos++;
    while (c.pos < c.end && c.end[-1] <= ' ') c.end--;
    return c;
}

static bool date_part(cursor *c, int64_t *days)
{
    int64_t year, month, day;
    bool minus = take(c, '-');
    if (!minus) (void)take(c, '+');
    if (!digits(c, 1, 9, &year) || !take(c, '-') || !digits(c, 1, 2, &month) || !take(c, '-') ||
        !digits(c, 1, 2, &day))
        return false;
    if (minus) year = -year;
    if (year > YEAR_MAX || year < -YEAR_MAX || month < 1 || month > 12 || day < 1) return false;
    if (day > th_days_in_month((int32_t)year, (uint32_t)month)) return false;
    *days = th_day_from_civil((int32_t)year, (uint32_t)month, (uint32_t)day);
    if ((year > 0) != (*days > 0) && (year > 3000 || year < -3000))
        return false; /* past 32 bits of days */
    return true;
}

bool th_date_parse(th_slice s, int64_t *days)
{
    cursor c = trimmed(s);
    return date_part(&c, days) && c.pos == c.end;
}

void th_date_print(th_buf *out, int64_t days)
{
    th_civil c;
    int64_t eras = 0; /* of 400 years, so that any day fits microseconds */
    for (; days > INT64_MAX / TH_US_PER_DAY; eras++) days -= 146097;
    for (; days < INT64_MIN / TH_US_PER_DAY; eras--) days += 146097;
    th_civil_from_us(days * TH_US_PER_DAY, &c);
    c.year += (int32_t)(eras * 400);
    if (c.year < 0)
        th_buf_printf(out, "-%04d-%02u-%02u", -c.year, c.month, c.day);
    else
        th_buf_printf(out, "%04d-%02u-%02u", c.year, c.month, c.day);
}

/* h:m[:s[.f]] into microseconds of the day. */
static bool clock_part(cursor *c, th_moment *m)
{
    int64_t h, min, s = 0, fraction = 0;
    if (!digits(c, 1, 2, &h) || !take(c, ':') || !digits(c, 1, 2, &min)) return false;
    m->precision = 0;
    m->extra = 0;
    if (take(c, ':')) {
        if (!digits(c, 1, 2, &s)) return false;
        if (take(c, '.')) {
            const uint8_t *from = c->pos;
            if (!digits(c, 1, 12, &fraction)) return false;
            m->precision = (uint32_t)(c->pos - from);
            for (uint32_t i = m->precision; i < 12; i++) fraction *= 10;
        }
    }
    if (h > 23 || min > 59 || s > 59) return false;
    m->us = ((h * 60 + min) * 60 + s) * TH_US_PER_SECOND + fraction / 1000000;
    m->extra = (int32_t)(fraction % 1000000);
    return true;
}

bool th_time_parse(th_slice s, th_moment *out)
{
    cursor c = trimmed(s);
    *out = (th_moment){0};
    return clock_part(&c, out) && c.pos == c.end;
}

bool th_timestamp_parse(th_slice s, th_moment *out)
{
    cursor c = trimmed(s);
    int64_t days;
    *out = (th_moment){0};
    if (!date_part(&c, &days)) return false;
    if (c.pos < c.end) {
        if (!take(&c, ' ') && !take(&c, 'T')) return false;
        while (take(&c, ' ')) {}
        bool is_clock = c.pos < c.end && *c.pos >= '0' && *c.pos <= '9';
        if (is_clock && !clock_part(&c, out)) return false;
    }
    while (take(&c, ' ')) {}
    int64_t us;
    if (__builtin_mul_overflow(days, TH_US_PER_DAY, &us) ||
        __builtin_add_overflow(us, out->us, &out->us))
        return false;
    if (c.pos == c.end) return true;
    if (!th_zone_find(th_slice_of(c.pos, (size_t)(c.end - c.pos)), &out->zone)) return false;
    out->has_zone = true;
    out->us = th_zone_local_to_utc(out->zone, out->us);
    return true;
}

static void fraction_print(th_buf *out, uint32_t us, int32_t extra, uint32_t precision)
{
    char text[16];
    uint64_t ps = (uint64_t)us * 1000000u + (uint64_t)extra;
    if (precision == 0) return;
    for (int i = 11; i >= 0; i--) {
        text[i] = (char)('0' + ps % 10);
        ps /= 10;
    }
    th_buf_add_byte(out, '.');
    th_buf_add(out, text, precision);
}

void th_timestamp_print(th_buf *out, int64_t local_us, int32_t extra, uint32_t precision,
                        char separator)
{
    th_civil c;
    th_civil_from_us(local_us, &c);
    if (c.year < 0) th_buf_add_byte(out, '-');
    th_buf_printf(out, "%04d-%02u-%02u%c%02u:%02u:%02u", abs(c.year), c.month, c.day, separator,
                  c.hour, c.minute, c.second);
    fraction_print(out, c.us, extra, precision);
}

void th_timestamp_tz_print(th_buf *out, int64_t us, int32_t extra, uint32_t precision,
                           uint16_t zone)
{
    th_timestamp_print(out, us + th_zone_offset_at(zone, us) * TH_US_PER_SECOND, extra, precision,
                       ' ');
    th_buf_add_byte(out, ' ');
    th_zone_print(out, zone);
}

void th_time_print(th_buf *out, int64_t us, int32_t extra, uint32_t precision)
{
    int64_t s = us / TH_US_PER_SECOND;
    th_buf_printf(out, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    fraction_print(out, (uint32_t)(us % TH_US_PER_SECOND), extra, precision);
}

void th_interval_ds_print(th_buf *out, int64_t us)
{
    uint64_t ms = (us < 0 ? -(uint64_t)us : (uint64_t)us) / 1000;
    th_buf_printf(out, "%s%llu %02llu:%02llu:%02llu.%03llu", us < 0 ? "-" : "",
                  (unsigned long long)(ms / 86400000), (unsigned long long)(ms / 3600000 % 24),
                  (unsigned long long)(ms / 60000 % 60), (unsigned long long)(ms / 1000 % 60),
                  (unsigned long long)(ms % 1000));
}

void th_interval_ym_print(th_buf *out, int64_t months)
{
    uint64_t n = months < 0 ? -(uint64_t)months : (uint64_t)months;
    th_buf_printf(out, "%s%llu-%llu", months < 0 ? "-" : "", (unsigned long long)(n / 12),
                  (unsigned long long)(n % 12));
}

bool th_moment_round(int64_t *us, int32_t *extra, uint32_t precision)
{
    int64_t unit = 1;
    if (precision > 6) {
        for (uint32_t i = precision; i < 12; i++) unit *= 10;
        int64_t e = (*extra + unit / 2) / unit * unit;
        *extra = (int32_t)(e % 1000000);
        return !__builtin_add_overflow(*us, e / 1000000, us);
    }
    if (precision == 6) {
        int64_t carry = *extra >= 500000;
        *extra = 0;
        return !__builtin_add_overflow(*us, carry, us);
    }
    for (uint32_t i = precision; i < 6; i++) unit *= 10;
    *extra = 0;
    int64_t rest = *us % unit;
    if (rest < 0) rest += unit;
    *us -= rest;
    return rest * 2 < unit || !__builtin_add_overflow(*us, unit, us);
}
