/* SPDX-License-Identifier: Apache-2.0
 * Fields of dates and times, truncation, addition, difference, intervals. */
#include "query/fn/datetime.h"

#include <math.h>

#include "query/fn/families.h"
#include "query/fn/zone.h"

#define YEAR_AWAY 287000 /* years from 0 to either side that timestamps reach */
#define US_PER_HOUR (INT64_C(3600) * TH_US_PER_SECOND)
#define US_PER_MINUTE (INT64_C(60) * TH_US_PER_SECOND)

const char *const fn_month_names[12] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
const char *const fn_day_names[7] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                     "Friday", "Saturday", "Sunday"};

int64_t fn_floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

th_err fn_local_us(th_fn_call *call, const th_type *type, const th_value *v, int64_t *us)
{
    *us = v->i;
    if (type->kind == TH_TIMESTAMP_TZ)
        *us += th_zone_offset_at(v->zone, v->i) * TH_US_PER_SECOND;
    else if (type->kind == TH_DATE && __builtin_mul_overflow(v->i, TH_US_PER_DAY, us))
        return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE",
                       "Date cannot be represented as timestamp: %lld", (long long)v->i);
    return TH_OK;
}

void fn_from_local(const th_type *type, int64_t local_us, const th_value *like, th_value *out)
{
    out->zone = like->zone;
    out->extra = like->extra;
    if (type->kind == TH_DATE) {
        out->i = fn_floor_div(local_us, TH_US_PER_DAY);
        out->extra = 0;
    } else if (type->kind == TH_TIMESTAMP_TZ) {
        out->i = th_zone_local_to_utc(like->zone, local_us);
    } else {
        out->i = local_us;
    }
}

int64_t fn_add_months(int64_t local_us, int64_t months)
{
    th_civil c;
    th_civil_from_us(local_us, &c);
    int64_t total = (int64_t)c.year * 12 + (c.month - 1) + months;
    if (total / 12 > YEAR_AWAY) return INT64_MAX;
    if (total / 12 < -YEAR_AWAY) return INT64_MIN;
    c.year = (int32_t)fn_floor_div(total, 12);
    c.month = (uint8_t)(total - (int64_t)c.year * 12 + 1);
    uint32_t last = th_days_in_month(c.year, c.month);
    if (c.day > last) c.day = (uint8_t)last;
    return th_us_from_civil(&c);
}

static int64_t weekday(int64_t local_us) /* Monday 1 .. Sunday 7 */
{
    int64_t days = fn_floor_div(local_us, TH_US_PER_DAY);
    return ((days + 3) % 7 + 7) % 7 + 1;
}

static int64_t day_of_year(int64_t local_us)
{
    th_civil c;
    th_civil_from_us(local_us, &c);
    return th_day_from_civil(c.year, c.month, c.day) - th_day_from_civil(c.year, 1, 1) + 1;
}

int64_t fn_iso_week(int64_t local_us, int64_t *year)
{
    th_civil c;
    int64_t thursday = local_us + (4 - weekday(local_us)) * TH_US_PER_DAY;
    th_civil_from_us(thursday, &c);
    if (year != NULL) *year = c.year;
    return (day_of_year(thursday) - 1) / 7 + 1;
}

enum {
    YEAR,
    QUARTER,
    MONTH,
    WEEK,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    MILLISECOND,
    DAY_OF_WEEK,
    DAY_OF_YEAR,
    YEAR_OF_WEEK
};

static int64_t field_of(int64_t us, int field)
{
    th_civil c;
    int64_t year;
    th_civil_from_us(us, &c);
    switch (field) {
    case YEAR: return c.year;
    case QUARTER: return (c.month - 1) / 3 + 1;
    case MONTH: return c.month;
    case WEEK: return fn_iso_week(us, NULL);
    case DAY: return c.day;
    case HOUR: return c.hour;
    case MINUTE: return c.minute;
    case SECOND: return c.second;
    case MILLISECOND: return c.us / 1000;
    case DAY_OF_WEEK: return weekday(us);
    case DAY_OF_YEAR: return day_of_year(us);
    default: (void)fn_iso_week(us, &year); return year;
    }
}

#define FIELD(name, field)                                             \
    th_err name(th_fn_call *call, const th_value *args, th_value *out) \
    {                                                                  \
        int64_t us;                                                    \
        TH_TRY(fn_local_us(call, call->arg_types[0], &args[0], &us));  \
        out->i = field_of(us, field);                                  \
        return TH_OK;                                                  \
    }
FIELD(fn_year, YEAR)
FIELD(fn_quarter, QUARTER)
FIELD(fn_month, MONTH)
FIELD(fn_week, WEEK)
FIELD(fn_day, DAY)
FIELD(fn_hour, HOUR)
FIELD(fn_minute, MINUTE)
FIELD(fn_second, SECOND)
FIELD(fn_millisecond, MILLISECOND)
FIELD(fn_day_of_week, DAY_OF_WEEK)
FIELD(fn_day_of_year, DAY_OF_YEAR)
FIELD(fn_year_of_week, YEAR_OF_WEEK)

#define INTERVAL_FIELD(name, divisor, modulus)                         \
    th_err name(th_fn_call *call, const th_value *args, th_value *out) \
    {                                                                  \
        (void)call;                                                    \
        out->i = args[0].i / (divisor) % (modulus);                    \
        return TH_OK;                                                  \
    }
INTERVAL_FIELD(fn_interval_year, 12, INT64_MAX)
INTERVAL_FIELD(fn_interval_month, 1, 12)
INTERVAL_FIELD(fn_interval_day, TH_US_PER_DAY, INT64_MAX)
INTERVAL_FIELD(fn_interval_hour, US_PER_HOUR, 24)
INTERVAL_FIELD(fn_interval_minute, US_PER_MINUTE, 60)
INTERVAL_FIELD(fn_interval_second, TH_US_PER_SECOND, 60)
INTERVAL_FIELD(fn_interval_millisecond, 1000, 1000)
INTERVAL_FIELD(fn_to_milliseconds, 1000, INT64_MAX)

th_err fn_timezone_hour(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = th_zone_offset_at(args[0].zone, args[0].i) / 3600;
    return TH_OK;
}

th_err fn_timezone_minute(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = th_zone_offset_at(args[0].zone, args[0].i) / 60 % 60;
    return TH_OK;
}

static const struct unit {
    const char *name;
    int field;
    int64_t us;     /* fixed length, or */
    int64_t months; /* months */
} units[] = {{"millisecond", MILLISECOND, 1000, 0},
             {"second", SECOND, TH_US_PER_SECOND, 0},
             {"minute", MINUTE, US_PER_MINUTE, 0},
             {"hour", HOUR, US_PER_HOUR, 0},
             {"day", DAY, TH_US_PER_DAY, 0},
             {"week", WEEK, 7 * TH_US_PER_DAY, 0},
             {"month", MONTH, 0, 1},
             {"quarter", QUARTER, 0, 3},
             {"year", YEAR, 0, 12}};

static th_err unit_of(th_fn_call *call, th_slice name, bool is_date, const struct unit **out)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!th_slice_equal_nocase(name, th_slice_text(units[i].name))) continue;
        if (is_date && units[i].field >= HOUR && units[i].field <= MILLISECOND) break;
        *out = &units[i];
        return TH_OK;
    }
    return fn_bad(call, "'%.*s' is not a valid %s field", (int)(name.size > 60 ? 60 : name.size),
                  (const char *)name.bytes, is_date ? "DATE" : "Timestamp");
}

th_err fn_date_trunc(th_fn_call *call, const th_value *args, th_value *out)
{
    const struct unit *u;
    const th_type *type = call->arg_types[1];
    th_value plain = args[1];
    th_civil c;
    TH_TRY(unit_of(call, args[0].s, type->kind == TH_DATE, &u));
    int64_t local, us;
    TH_TRY(fn_local_us(call, type, &args[1], &local));
    us = local;
    plain.extra = 0;
    if (u->us > 0 && u->field != WEEK) {
        us = fn_floor_div(us, u->us) * u->us;
    } else if (u->field == WEEK) {
        us = (fn_floor_div(us, TH_US_PER_DAY) - (weekday(us) - 1)) * TH_US_PER_DAY;
    } else {
        th_civil_from_us(us, &c);
        int32_t month = u->field == YEAR      ? 1
                        : u->field == QUARTER ? (c.month - 1) / 3 * 3 + 1
                                              : c.month;
        us = th_day_from_civil(c.year, (uint32_t)month, 1) * TH_US_PER_DAY;
    }
    if (u->field >= HOUR && u->field <= MILLISECOND && type->kind == TH_TIMESTAMP_TZ) {
        /* the offset stays: no gap or overlap is crossed */
        out->i = args[1].i - (local - us);
        out->zone = args[1].zone;
        return TH_OK;
    }
    fn_from_local(type, us, &plain, out);
    return TH_OK;
}

/* Units of one length, times of UTC. Neighbours are mostly in the same unit. */
bool fn_date_trunc_many(th_fn_call *call, const th_vector *const *args, uint32_t rows, void *data)
{
    const struct unit *u;
    int64_t *out = data, low = 0, high = 0;
    if (args[0]->form != TH_CONST || args[1]->form != TH_FLAT || args[1]->zone != NULL ||
        args[1]->valid != NULL || unit_of(call, args[0]->data.str[0], false, &u) != TH_OK) {
        th_diag_clear(call->diag);
        return false;
    }
    if (u->us == 0 || u->field == WEEK) return false;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t us = args[1]->data.i64[i];
        if (us < low || us >= high) {
            low = fn_floor_div(us, u->us) * u->us;
            high = low + u->us;
        }
        out[i] = low;
    }
    return true;
}

/* Add months or microseconds to a value of a date or time type. */
static th_err shift(th_fn_call *call, const th_type *type, const th_value *v, int64_t us,
                    int64_t months, th_value *out)
{
    int64_t moved;
    *out = *v;
    if (months != 0) {
        int64_t local;
        TH_TRY(fn_local_us(call, type, v, &local));
        if (months > 12 * YEAR_AWAY * 2 || months < -12 * YEAR_AWAY * 2)
            return fn_bad(call, "date out of range");
        local = fn_add_months(local, months);
        if (local == INT64_MAX || local == INT64_MIN) return fn_bad(call, "date out of range");
        fn_from_local(type, local, v, out);
        return TH_OK;
    }
    if (type->kind == TH_DATE) {
        out->i = v->i + us / TH_US_PER_DAY;
        return out->i > INT32_MAX || out->i < INT32_MIN ? fn_bad(call, "date out of range") : TH_OK;
    }
    if (__builtin_add_overflow(v->i, us, &moved)) return fn_bad(call, "timestamp out of range");
    out->i = moved;
    if (type->kind == TH_TIME) out->i = ((moved % TH_US_PER_DAY) + TH_US_PER_DAY) % TH_US_PER_DAY;
    return TH_OK;
}

th_err fn_date_add(th_fn_call *call, const th_value *args, th_value *out)
{
    const struct unit *u;
    const th_type *type = call->arg_types[2];
    int64_t amount;
    TH_TRY(unit_of(call, args[0].s, type->kind == TH_DATE, &u));
    if (__builtin_mul_overflow(args[1].i, u->us > 0 ? u->us : u->months, &amount))
        return fn_bad(call, "date_add out of range");
    if (u->us == 0 || type->kind != TH_TIMESTAMP_TZ || u->us < TH_US_PER_DAY)
        return shift(call, type, &args[2], u->us > 0 ? amount : 0, u->us > 0 ? 0 : amount, out);
    int64_t moved; /* days keep the local time */
    TH_TRY(fn_local_us(call, type, &args[2], &moved));
    if (__builtin_add_overflow(moved, amount, &moved)) return fn_bad(call, "date_add out of range");
    fn_from_local(type, moved, &args[2], out);
    return TH_OK;
}

/* Whole months from a to b, toward zero. */
static int64_t months_between(int64_t a, int64_t b)
{
    th_civil x, y;
    if (a > b) return -months_between(b, a);
    th_civil_from_us(a, &x);
    th_civil_from_us(b, &y);
    int64_t n = ((int64_t)y.year - x.year) * 12 + (y.month - x.month);
    while (n > 0 && fn_add_months(a, n) > b) n--;
    return n;
}

th_err fn_date_diff(th_fn_call *call, const th_value *args, th_value *out)
{
    const struct unit *u;
    const th_type *type = call->arg_types[1];
    TH_TRY(unit_of(call, args[0].s, type->kind == TH_DATE, &u));
    int64_t a, b, difference;
    TH_TRY(fn_local_us(call, type, &args[1], &a));
    TH_TRY(fn_local_us(call, type, &args[2], &b));
    if (type->kind == TH_TIMESTAMP_TZ && u->us > 0 && u->us < TH_US_PER_DAY) {
        a = args[1].i;
        b = args[2].i;
    } else if (type->kind == TH_TIMESTAMP_TZ) {
        b = args[2].i + th_zone_offset_at(args[1].zone, args[2].i) * TH_US_PER_SECOND;
    }
    if (u->us > 0) {
        if (__builtin_sub_overflow(b, a, &difference))
            return fn_bad(call, "date_diff out of range");
        out->i = difference / u->us;
    } else {
        out->i = months_between(a, b) / u->months;
    }
    return TH_OK;
}

th_err fn_last_day_of_month(th_fn_call *call, const th_value *args, th_value *out)
{
    th_civil c;
    int64_t us;
    TH_TRY(fn_local_us(call, call->arg_types[0], &args[0], &us));
    th_civil_from_us(us, &c);
    out->i = th_day_from_civil(c.year, c.month, th_days_in_month(c.year, c.month));
    return TH_OK;
}

static th_err date_and_time(th_fn_call *call, const th_type *type, const th_value *v, int64_t us,
                            const char *verb, th_value *out)
{
    if (type->kind == TH_DATE && us % TH_US_PER_DAY != 0)
        return fn_bad(call, "Cannot %s hour, minutes or seconds %s a date", verb,
                      verb[0] == 'a' ? "to" : "from");
    return shift(call, type, v, us, 0, out);
}

/* Intervals have milliseconds: the sum has at least three digits. */
static const th_type *with_milliseconds(th_arena *arena, const th_type *type)
{
    bool times =
        type->kind == TH_TIMESTAMP || type->kind == TH_TIMESTAMP_TZ || type->kind == TH_TIME;
    return times && type->precision < 3 ? th_type_with_precision(arena, type->kind, 3) : type;
}

const th_type *fn_add_ds_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    return with_milliseconds(arena, params[0]);
}

const th_type *fn_ds_add_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    return with_milliseconds(arena, params[1]);
}

th_err fn_add_ds(th_fn_call *call, const th_value *args, th_value *out)
{
    return date_and_time(call, call->arg_types[0], &args[0], args[1].i, "add", out);
}

th_err fn_ds_add(th_fn_call *call, const th_value *args, th_value *out)
{
    return date_and_time(call, call->arg_types[1], &args[1], args[0].i, "add", out);
}

th_err fn_sub_ds(th_fn_call *call, const th_value *args, th_value *out)
{
    return date_and_time(call, call->arg_types[0], &args[0], -args[1].i, "subtract", out);
}

th_err fn_add_ym(th_fn_call *call, const th_value *args, th_value *out)
{
    return shift(call, call->arg_types[0], &args[0], 0, args[1].i, out);
}

th_err fn_ym_add(th_fn_call *call, const th_value *args, th_value *out)
{
    return shift(call, call->arg_types[1], &args[1], 0, args[0].i, out);
}

th_err fn_sub_ym(th_fn_call *call, const th_value *args, th_value *out)
{
    return shift(call, call->arg_types[0], &args[0], 0, -args[1].i, out);
}

th_err fn_sub_time(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t unit = call->arg_types[0]->kind == TH_DATE ? TH_US_PER_DAY : 1;
    if (__builtin_sub_overflow(args[0].i, args[1].i, &out->i) ||
        __builtin_mul_overflow(out->i, unit, &out->i))
        return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "interval out of range");
    int64_t rest = out->i % 1000; /* intervals count milliseconds */
    out->i += (rest >= 500 ? 1000 : rest <= -500 ? -1000 : 0) - rest;
    return TH_OK;
}

static th_err interval(th_fn_call *call, bool overflow, const char *what, int64_t a, const char *op,
                       int64_t b, th_value *out)
{
    bool ym = call->type->kind == TH_INTERVAL_YEAR_MONTH;
    if (!overflow && (!ym || (out->i >= INT32_MIN && out->i <= INT32_MAX))) return TH_OK;
    return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "interval %s %s overflow: %lld %s %lld",
                   ym ? "year to month" : "day to second", what, (long long)a, op, (long long)b);
}

th_err fn_add_interval(th_fn_call *call, const th_value *args, th_value *out)
{
    bool bad = __builtin_add_overflow(args[0].i, args[1].i, &out->i);
    return interval(call, bad, "addition", args[0].i, "+", args[1].i, out);
}

th_err fn_sub_interval(th_fn_call *call, const th_value *args, th_value *out)
{
    bool bad = __builtin_sub_overflow(args[0].i, args[1].i, &out->i);
    return interval(call, bad, "subtraction", args[0].i, "-", args[1].i, out);
}

th_err fn_mul_interval(th_fn_call *call, const th_value *args, th_value *out)
{
    bool bad = __builtin_mul_overflow(args[0].i, args[1].i, &out->i);
    return interval(call, bad, "multiplication", args[0].i, "*", args[1].i, out);
}

th_err fn_neg_interval(th_fn_call *call, const th_value *args, th_value *out)
{
    if (__builtin_sub_overflow(0, args[0].i, &out->i) ||
        (call->type->kind == TH_INTERVAL_YEAR_MONTH && out->i > INT32_MAX))
        return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "interval %s negation overflow: %lld",
                       call->type->kind == TH_INTERVAL_YEAR_MONTH ? "year to month"
                                                                  : "day to second",
                       (long long)args[0].i);
    return TH_OK;
}

static th_err scaled(th_fn_call *call, double v, th_value *out)
{
    double unit =
        call->type->kind == TH_INTERVAL_DAY_SECOND ? 1000.0 : 1.0; /* whole milliseconds */
    if (isnan(v)) return fn_bad(call, "Cannot scale an interval by NaN");
    if (fabs(v) >= 9e18)
        return fn_fail(call, "NUMERIC_VALUE_OUT_OF_RANGE", "interval out of range");
    out->i = (int64_t)(trunc(v / unit) * unit);
    return TH_OK;
}

th_err fn_mul_interval_double(th_fn_call *call, const th_value *args, th_value *out)
{
    return scaled(call, (double)args[0].i * args[1].f, out);
}

th_err fn_mul_double_interval(th_fn_call *call, const th_value *args, th_value *out)
{
    return scaled(call, args[0].f * (double)args[1].i, out);
}

th_err fn_div_interval(th_fn_call *call, const th_value *args, th_value *out)
{
    if (args[1].f == 0) return fn_fail(call, "DIVISION_BY_ZERO", "Division by zero");
    return scaled(call, (double)args[0].i / args[1].f, out);
}
