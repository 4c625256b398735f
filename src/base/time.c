/* SPDX-License-Identifier: Apache-2.0
 * Calendar arithmetic and ISO 8601. The calendar counts from 1 March, so that the leap day is the last of its year;
 * 400 years are 146,097 days. */
#include "base/time.h"

#include <stdio.h>

enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

int32_t th_day_from_civil(int32_t year, uint32_t month, uint32_t day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year =
        (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int32_t)(era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970);
}

static void civil_from_day(int64_t day, th_civil *out)
{
    day += DAYS_TO_1970;
    int64_t era = (day >= 0 ? day : day - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = day - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 = March */
    out->day = (uint8_t)(day_of_year - (153 * month + 2) / 5 + 1);
    out->month = (uint8_t)(month < 10 ? month + 3 : month - 9);
    out->year = (int32_t)(year_of_era + era * 400 + (out->month <= 2));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int32_t th_day_from_us(int64_t us)
{
    return (int32_t)floor_div(us, TH_US_PER_DAY);
}

void th_civil_from_us(int64_t us, th_civil *out)
{
    int64_t day = floor_div(us, TH_US_PER_DAY);
    int64_t rest = us % TH_US_PER_DAY;
    if (rest < 0) rest += TH_US_PER_DAY;
    civil_from_day(day, out);
    int64_t second = rest / TH_US_PER_SECOND;
    out->hour = (uint8_t)(second / 3600);
    out->minute = (uint8_t)(second / 60 % 60);
    out->second = (uint8_t)(second % 60);
    out->us = (uint32_t)(rest % TH_US_PER_SECOND);
}

int64_t th_us_from_civil(const th_civil *c)
{
    int64_t second = c->hour * INT64_C(3600) + c->minute * INT64_C(60) + c->second;
    int64_t us;
    if (__builtin_mul_overflow((int64_t)th_day_from_civil(c->year, c->month, c->day), TH_US_PER_DAY,
                               &us) ||
        __builtin_add_overflow(us, second * TH_US_PER_SECOND + c->us, &us)) {
        return c->year < 0 ? INT64_MIN : INT64_MAX;
    }
    return us;
}

uint32_t th_days_in_month(int32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12) return 0;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool th_civil_valid(const th_civil *c)
{
    return c->year >= -9999 && c->year <= 9999 && c->day >= 1 &&
           c->day <= th_days_in_month(c->year, c->month) && c->hour < 24 && c->minute < 60 &&
           c->second < 60 && c->us < TH_US_PER_SECOND;
}

/* Exactly count digits. */
static bool take_digits(th_slice *s, size_t count, uint32_t *out)
{
    if (s->size < count) return false;
    uint32_t v = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t digit = (uint32_t)s->bytes[i] - '0';
        if (digit > 9) return false;
        v = v * 10 + digit;
    }
    *s = (th_slice){s->bytes + count, s->size - count};
    *out = v;
    return true;
}

static bool take_byte(th_slice *s, char byte)
{
    if (s->size == 0 || s->bytes[0] != (uint8_t)byte) return false;
    *s = (th_slice){s->bytes + 1, s->size - 1};
    return true;
}

static bool take_two(th_slice *s, uint8_t *out)
{
    uint32_t v;
    if (!take_digits(s, 2, &v)) return false;
    *out = (uint8_t)v;
    return true;
}

/* YYYY-MM-DD or YYYYMMDD; *basic says which. */
static bool take_date(th_slice *s, th_civil *c, bool *basic)
{
    uint32_t year;
    if (!take_digits(s, 4, &year)) return false;
    c->year = (int32_t)year;
    *basic = !take_byte(s, '-');
    if (!take_two(s, &c->month)) return false;
    if (!*basic && !take_byte(s, '-')) return false;
    return take_two(s, &c->day);
}

static bool take_fraction(th_slice *s, uint32_t *us)
{
    uint32_t digits = 0, v = 0, digit;
    while (take_digits(s, 1, &digit)) {
        if (digits < 6) v = v * 10 + digit;
        digits++;
    }
    if (digits == 0) return false;
    for (; digits < 6; digits++) v *= 10;
    *us = v;
    return true;
}

/* Z, +hh, +hh:mm or nothing, to the end of s. */
static bool take_zone(th_slice *s, int64_t *offset_us)
{
    *offset_us = 0;
    if (s->size == 0) return true;
    if (take_byte(s, 'Z') || take_byte(s, 'z')) return s->size == 0;
    bool west = take_byte(s, '-');
    if (!west && !take_byte(s, '+')) return false;
    uint8_t hour, minute = 0;
    if (!take_two(s, &hour) || (s->size > 0 && !(take_byte(s, ':') && take_two(s, &minute))))
        return false;
    if (s->size != 0 || hour > 23 || minute > 59) return false;
    *offset_us = (hour * INT64_C(60) + minute) * 60 * TH_US_PER_SECOND * (west ? -1 : 1);
    return true;
}

static bool take_clock(th_slice *s, th_civil *c)
{
    if (!take_two(s, &c->hour) || !take_byte(s, ':') || !take_two(s, &c->minute)) return false;
    if (!take_byte(s, ':')) return true;
    if (!take_two(s, &c->second)) return false;
    return !take_byte(s, '.') || take_fraction(s, &c->us);
}

bool th_time_parse_iso(th_slice s, int64_t *out_us)
{
    th_civil c = {0};
    bool basic;
    int64_t offset_us = 0;
    if (!take_date(&s, &c, &basic)) return false;
    if (basic) {
        if (!take_byte(&s, 'T') || !take_two(&s, &c.hour) || !take_two(&s, &c.minute) ||
            !take_two(&s, &c.second) || !take_byte(&s, 'Z') || s.size != 0) {
            return false;
        }
    } else if (s.size != 0) {
        if (!take_byte(&s, 'T') && !take_byte(&s, 't') && !take_byte(&s, ' ')) return false;
        if (!take_clock(&s, &c) || !take_zone(&s, &offset_us)) return false;
    }
    if (!th_civil_valid(&c)) return false;
    *out_us = th_us_from_civil(&c) - offset_us;
    return true;
}

static int format_date(const th_civil *c, char *out, size_t size)
{
    const char *sign = c->year < 0 ? "-" : "";
    return snprintf(out, size, "%s%04d-%02u-%02u", sign, c->year < 0 ? -c->year : c->year,
                    (unsigned)c->month, (unsigned)c->day);
}

size_t th_time_format_iso(int64_t us, char out[40])
{
    th_civil c;
    th_civil_from_us(us, &c);
    int n = format_date(&c, out, 40);
    n += snprintf(out + n, (size_t)(40 - n), "T%02u:%02u:%02u", (unsigned)c.hour,
                  (unsigned)c.minute, (unsigned)c.second);
    if (c.us % 1000 != 0) {
        n += snprintf(out + n, (size_t)(40 - n), ".%06u", (unsigned)c.us);
    } else if (c.us != 0) {
        n += snprintf(out + n, (size_t)(40 - n), ".%03u", (unsigned)(c.us / 1000));
    }
    n += snprintf(out + n, (size_t)(40 - n), "Z");
    return (size_t)n;
}

size_t th_day_format(int32_t day, char out[16])
{
    if (day == TH_DAY_UNDATED) return (size_t)snprintf(out, 16, "undated");
    th_civil c;
    civil_from_day(day, &c);
    return (size_t)format_date(&c, out, 16);
}

bool th_day_parse(th_slice s, int32_t *out)
{
    if (th_slice_is(s, "undated")) {
        *out = TH_DAY_UNDATED;
        return true;
    }
    th_civil c = {0};
    bool basic;
    if (!take_date(&s, &c, &basic) || basic || s.size != 0 || !th_civil_valid(&c)) return false;
    *out = th_day_from_civil(c.year, c.month, c.day);
    return true;
}
