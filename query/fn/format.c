/* SPDX-License-Identifier: Apache-2.0
 * Times by pattern: MySQL's % specifiers (date_format, date_parse) and Joda's letters (format_datetime,
 * parse_datetime). */
#include "query/fn/datetime.h"

#include <stdio.h>

#include "query/fn/families.h"
#include "query/fn/zone.h"

typedef struct fields {
    int64_t year, month, day, day_of_year, hour, minute, second, us,
        era_half; /* era_half: AM 0, PM 1, none -1 */
    bool half_day_hour, has_zone;
    uint16_t zone;
} fields;

typedef struct reader {
    const uint8_t *pos, *end;
} reader;

static bool number(reader *r, int max, int64_t *out)
{
    int n = 0;
    int64_t v = 0;
    for (; n < max && r->pos < r->end && *r->pos >= '0' && *r->pos <= '9'; n++)
        v = v * 10 + (*r->pos++ - '0');
    *out = v;
    return n > 0;
}

static bool word(reader *r, const char *text, size_t size)
{
    if ((size_t)(r->end - r->pos) < size) return false;
    if (!th_slice_equal_nocase(th_slice_of(r->pos, size), th_slice_of(text, size))) return false;
    r->pos += size;
    return true;
}

/* One of the names, whole or its first three letters. */
static bool name(reader *r, const char *const *names, int count, int64_t *index)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            if (!word(r, names[i], pass == 0 ? strlen(names[i]) : 3)) continue;
            *index = i;
            return true;
        }
    }
    return false;
}

static bool half(reader *r, fields *f)
{
    if (word(r, "AM", 2))
        f->era_half = 0;
    else if (word(r, "PM", 2))
        f->era_half = 1;
    else
        return false;
    return true;
}

static bool fraction(reader *r, int max, int64_t *us)
{
    const uint8_t *from = r->pos;
    int64_t v;
    if (!number(r, max, &v)) return false;
    for (ptrdiff_t n = r->pos - from; n < 9; n++) v *= 10;
    *us = v / 1000;
    return true;
}

static bool finish(const fields *f, int64_t *local_us)
{
    int64_t hour = f->hour;
    if (f->half_day_hour) hour = hour % 12 + (f->era_half == 1 ? 12 : 0);
    th_civil c = {.year = (int32_t)f->year,
                  .month = (uint8_t)f->month,
                  .day = (uint8_t)f->day,
                  .hour = (uint8_t)hour,
                  .minute = (uint8_t)f->minute,
                  .second = (uint8_t)f->second,
                  .us = (uint32_t)f->us};
    if (f->month < 1 || f->month > 12 || f->day < 1 || f->day > 31 || hour > 23 || f->minute > 59 ||
        f->second > 59 || f->year > 200000 || f->year < -200000 || !th_civil_valid(&c))
        return false;
    *local_us = th_us_from_civil(&c);
    if (f->day_of_year > 0)
        *local_us = (th_day_from_civil(c.year, 1, 1) + f->day_of_year - 1) * TH_US_PER_DAY +
                    *local_us % TH_US_PER_DAY;
    return true;
}

static const fields fields_default = {.year = 1970, .month = 1, .day = 1, .era_half = -1};

static int64_t weekday_of(int64_t us) /* Monday 0 */
{
    return ((fn_floor_div(us, TH_US_PER_DAY) + 3) % 7 + 7) % 7;
}

static int64_t day_of_year(const th_civil *c)
{
    return th_day_from_civil(c->year, c->month, c->day) - th_day_from_civil(c->year, 1, 1) + 1;
}

static int twelve(int hour)
{
    return hour % 12 == 0 ? 12 : hour % 12;
}

/* One specifier of date_format; false: not supported. */
static bool mysql_put(th_buf *b, uint8_t spec, int64_t us, const th_civil *c)
{
    int64_t week_year, week = fn_iso_week(us, &week_year);
    switch (spec) {
    case 'a': th_buf_printf(b, "%.3s", fn_day_names[weekday_of(us)]); break;
    case 'b': th_buf_printf(b, "%.3s", fn_month_names[c->month - 1]); break;
    case 'c': th_buf_printf(b, "%u", c->month); break;
    case 'd': th_buf_printf(b, "%02u", c->day); break;
    case 'e': th_buf_printf(b, "%u", c->day); break;
    case 'f': th_buf_printf(b, "%06u", c->us); break;
    case 'H': th_buf_printf(b, "%02u", c->hour); break;
    case 'h':
    case 'I': th_buf_printf(b, "%02d", twelve(c->hour)); break;
    case 'i': th_buf_printf(b, "%02u", c->minute); break;
    case 'j': th_buf_printf(b, "%03d", (int)day_of_year(c)); break;
    case 'k': th_buf_printf(b, "%u", c->hour); break;
    case 'l': th_buf_printf(b, "%d", twelve(c->hour)); break;
    case 'M': th_buf_add_text(b, fn_month_names[c->month - 1]); break;
    case 'm': th_buf_printf(b, "%02u", c->month); break;
    case 'p': th_buf_add_text(b, c->hour < 12 ? "AM" : "PM"); break;
    case 'r':
        th_buf_printf(b, "%02d:%02u:%02u %s", twelve(c->hour), c->minute, c->second,
                      c->hour < 12 ? "AM" : "PM");
        break;
    case 'S':
    case 's': th_buf_printf(b, "%02u", c->second); break;
    case 'T': th_buf_printf(b, "%02u:%02u:%02u", c->hour, c->minute, c->second); break;
    case 'v': th_buf_printf(b, "%02d", (int)week); break;
    case 'W': th_buf_add_text(b, fn_day_names[weekday_of(us)]); break;
    case 'x': th_buf_printf(b, "%04d", (int)week_year); break;
    case 'Y': th_buf_printf(b, "%04d", c->year); break;
    case 'y': th_buf_printf(b, "%02d", (c->year % 100 + 100) % 100); break;
    case 'D':
    case 'U':
    case 'u':
    case 'V':
    case 'X':
    case 'w': return false;
    default: th_buf_add_byte(b, spec); break;
    }
    return true;
}

static th_err unsupported(th_fn_call *call, uint8_t spec)
{
    return fn_bad(call, "%%%c not supported in date format string", spec);
}

th_err fn_date_format(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice f = args[1].s;
    int64_t us;
    TH_TRY(fn_local_us(call, call->arg_types[0], &args[0], &us));
    th_civil c;
    th_buf *b = fn_scratch(call);
    th_civil_from_us(us, &c);
    for (size_t i = 0; i < f.size; i++) {
        if (f.bytes[i] != '%' || i + 1 == f.size) {
            th_buf_add_byte(b, f.bytes[i]);
        } else if (!mysql_put(b, f.bytes[++i], us, &c)) {
            return unsupported(call, f.bytes[i]);
        }
    }
    return fn_take_scratch(call, out);
}

static bool mysql_time(reader *r, fields *f, bool twelve_hours)
{
    if (!number(r, 2, &f->hour) || !word(r, ":", 1) || !number(r, 2, &f->minute) ||
        !word(r, ":", 1) || !number(r, 2, &f->second))
        return false;
    f->half_day_hour = twelve_hours;
    return !twelve_hours || (word(r, " ", 1) && half(r, f));
}

/* One specifier of date_parse. */
static bool mysql_take(reader *r, uint8_t spec, fields *f)
{
    int64_t index;
    switch (spec) {
    case 'a':
    case 'W': return name(r, fn_day_names, 7, &index);
    case 'b':
    case 'M':
        if (!name(r, fn_month_names, 12, &index)) return false;
        f->month = index + 1;
        return true;
    case 'c':
    case 'm': return number(r, 2, &f->month);
    case 'd':
    case 'e': return number(r, 2, &f->day);
    case 'f': return fraction(r, 9, &f->us);
    case 'H':
    case 'k': return number(r, 2, &f->hour);
    case 'h':
    case 'I':
    case 'l': f->half_day_hour = true; return number(r, 2, &f->hour);
    case 'i': return number(r, 2, &f->minute);
    case 'j': return number(r, 3, &f->day_of_year);
    case 'p': return half(r, f);
    case 'r': return mysql_time(r, f, true);
    case 'S':
    case 's': return number(r, 2, &f->second);
    case 'T': return mysql_time(r, f, false);
    case 'Y':
    case 'x': return number(r, 4, &f->year);
    case 'y':
        if (!number(r, 2, &f->year)) return false;
        f->year += f->year < 70 ? 2000 : 1900;
        return true;
    case 'v': return number(r, 2, &index);
    default: {
        const char literal[1] = {(char)spec};
        return word(r, literal, 1);
    }
    }
}

static th_err malformed(th_fn_call *call, th_slice s, const uint8_t *pos)
{
    int size = (int)(s.size > 100 ? 100 : s.size);
    size_t left = (size_t)(s.bytes + s.size - pos);
    if (pos == s.bytes || left == 0 || s.size > 100)
        return fn_bad(call, "Invalid format: \"%.*s\"%s", size, (const char *)s.bytes,
                      left == 0 && s.size > 0 ? " is too short" : "");
    return fn_bad(call, "Invalid format: \"%.*s\" is malformed at \"%.*s\"", size,
                  (const char *)s.bytes, (int)left, (const char *)pos);
}

th_err fn_date_parse(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s, f = args[1].s;
    reader r = {s.bytes, s.bytes + s.size};
    fields v = fields_default;
    bool ok = true;
    if (f.size == 0) return fn_bad(call, "Both printing and parsing not supported");
    for (size_t i = 0; i < f.size && ok; i++) {
        if (f.bytes[i] == '%' && i + 1 < f.size) {
            uint8_t spec = f.bytes[++i];
            if (strchr("DUuVXw", spec) != NULL) return unsupported(call, spec);
            ok = mysql_take(&r, spec, &v);
        } else {
            ok = word(&r, (const char *)f.bytes + i, 1);
        }
    }
    if (!ok || r.pos != r.end) return malformed(call, s, r.pos);
    if (!finish(&v, &out->i))
        return fn_bad(call, "Cannot parse \"%.*s\": value out of range",
                      (int)(s.size > 100 ? 100 : s.size), (const char *)s.bytes);
    out->i = fn_floor_div(out->i, 1000) * 1000;
    return TH_OK;
}

/* Joda: a run of one letter, a quoted literal, or another character. */
typedef struct joda_token {
    uint8_t letter; /* 0: literal */
    uint32_t count;
    th_slice literal;
} joda_token;

static bool joda_next(reader *p, joda_token *t)
{
    if (p->pos == p->end) return false;
    uint8_t c = *p->pos;
    *t = (joda_token){0};
    if (c == '\'') {
        const uint8_t *from = ++p->pos;
        if (p->pos < p->end && *p->pos == '\'') { /* '' is a quote */
            t->literal = th_slice_of(p->pos++, 1);
            return true;
        }
        while (p->pos < p->end && *p->pos != '\'') p->pos++;
        t->literal = th_slice_of(from, (size_t)(p->pos - from));
        if (p->pos < p->end) p->pos++;
        return true;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        t->letter = c;
        for (; p->pos < p->end && *p->pos == c; p->pos++) t->count++;
        return true;
    }
    t->literal = th_slice_of(p->pos++, 1);
    return true;
}

static void joda_zone(th_buf *b, const joda_token *t, uint16_t zone, int64_t utc_us)
{
    int32_t minutes = th_zone_offset_at(zone, utc_us) / 60, m = minutes < 0 ? -minutes : minutes;
    if (t->letter == 'z' || t->count > 2) {
        th_zone_print(b, zone);
        return;
    }
    th_buf_printf(b, t->count == 1 ? "%c%02d%02d" : "%c%02d:%02d", minutes < 0 ? '-' : '+', m / 60,
                  m % 60);
}

static bool joda_put(th_buf *b, const joda_token *t, int64_t us, const th_civil *c)
{
    int n = (int)t->count;
    int64_t week_year, week = fn_iso_week(us, &week_year);
    switch (t->letter) {
    case 'G': th_buf_add_text(b, c->year > 0 ? "AD" : "BC"); break;
    case 'y':
    case 'Y':
    case 'u':
    case 'x':
        if (n == 2)
            th_buf_printf(b, "%02d",
                          ((t->letter == 'x' ? (int)week_year : c->year) % 100 + 100) % 100);
        else
            th_buf_printf(b, "%0*d", n, t->letter == 'x' ? (int)week_year : c->year);
        break;
    case 'M':
        if (n >= 4)
            th_buf_add_text(b, fn_month_names[c->month - 1]);
        else if (n == 3)
            th_buf_printf(b, "%.3s", fn_month_names[c->month - 1]);
        else
            th_buf_printf(b, "%0*u", n, c->month);
        break;
    case 'w': th_buf_printf(b, "%0*d", n, (int)week); break;
    case 'e': th_buf_printf(b, "%0*d", n, (int)weekday_of(us) + 1); break;
    case 'E':
        if (n >= 4)
            th_buf_add_text(b, fn_day_names[weekday_of(us)]);
        else
            th_buf_printf(b, "%.3s", fn_day_names[weekday_of(us)]);
        break;
    case 'D': th_buf_printf(b, "%0*d", n, (int)day_of_year(c)); break;
    case 'd': th_buf_printf(b, "%0*u", n, c->day); break;
    case 'a': th_buf_add_text(b, c->hour < 12 ? "AM" : "PM"); break;
    case 'K': th_buf_printf(b, "%0*d", n, c->hour % 12); break;
    case 'h': th_buf_printf(b, "%0*d", n, twelve(c->hour)); break;
    case 'H': th_buf_printf(b, "%0*u", n, c->hour); break;
    case 'k': th_buf_printf(b, "%0*d", n, c->hour == 0 ? 24 : c->hour); break;
    case 'm': th_buf_printf(b, "%0*u", n, c->minute); break;
    case 's': th_buf_printf(b, "%0*u", n, c->second); break;
    case 'S': {
        char digits[16];
        (void)snprintf(digits, sizeof digits, "%06u000", c->us);
        th_buf_add(b, digits, t->count > 9 ? 9 : t->count);
        break;
    }
    default: return false;
    }
    return true;
}

th_err fn_format_datetime(th_fn_call *call, const th_value *args, th_value *out)
{
    const th_type *type = call->arg_types[0];
    int64_t us;
    TH_TRY(fn_local_us(call, type, &args[0], &us));
    reader p = {args[1].s.bytes, args[1].s.bytes + args[1].s.size};
    joda_token t;
    th_civil c;
    th_buf *b = fn_scratch(call);
    th_civil_from_us(us, &c);
    while (joda_next(&p, &t)) {
        if (t.letter == 0)
            th_buf_add_slice(b, t.literal);
        else if (t.letter == 'z' || t.letter == 'Z')
            joda_zone(b, &t, type->kind == TH_TIMESTAMP_TZ ? args[0].zone : call->zone, args[0].i);
        else if (!joda_put(b, &t, us, &c))
            return fn_bad(call, "Invalid format pattern letter '%c'", t.letter);
    }
    return fn_take_scratch(call, out);
}

static bool take_zone(reader *r, fields *f)
{
    const uint8_t *from = r->pos;
    while (r->pos < r->end && *r->pos != ' ' && *r->pos != ']' && *r->pos != ')') r->pos++;
    f->has_zone = th_zone_find(th_slice_of(from, (size_t)(r->pos - from)), &f->zone);
    if (!f->has_zone) r->pos = from;
    return f->has_zone;
}

/* A number of t's width: fixed when another number follows at once. */
static bool joda_number(reader *r, const joda_token *t, const reader *rest, int max, int64_t *out)
{
    bool adjacent = rest->pos < rest->end && ((*rest->pos >= 'a' && *rest->pos <= 'z') ||
                                              (*rest->pos >= 'A' && *rest->pos <= 'Z'));
    return number(r, adjacent && t->count > 1 ? (int)t->count : max, out);
}

static bool joda_take(reader *r, const joda_token *t, const reader *rest, fields *f)
{
    int64_t index;
    switch (t->letter) {
    case 'y':
    case 'Y':
    case 'u': {
        bool minus = word(r, "-", 1);
        const uint8_t *from = r->pos;
        if (!joda_number(r, t, rest, 9, &f->year)) return false;
        if (t->count == 2 && r->pos - from == 2) f->year += f->year < 70 ? 2000 : 1900;
        if (minus) f->year = -f->year;
        return true;
    }
    case 'M':
        if (t->count < 3) return joda_number(r, t, rest, 2, &f->month);
        if (!name(r, fn_month_names, 12, &index)) return false;
        f->month = index + 1;
        return true;
    case 'E': return name(r, fn_day_names, 7, &index);
    case 'D': return joda_number(r, t, rest, 3, &f->day_of_year);
    case 'd': return joda_number(r, t, rest, 2, &f->day);
    case 'e':
    case 'w': return joda_number(r, t, rest, 2, &index);
    case 'a': return half(r, f);
    case 'K':
    case 'h': f->half_day_hour = true; return joda_number(r, t, rest, 2, &f->hour);
    case 'H': return joda_number(r, t, rest, 2, &f->hour);
    case 'k':
        if (!joda_number(r, t, rest, 2, &f->hour)) return false;
        f->hour %= 24;
        return true;
    case 'm': return joda_number(r, t, rest, 2, &f->minute);
    case 's': return joda_number(r, t, rest, 2, &f->second);
    case 'S': return fraction(r, t->count > 9 ? 9 : (int)t->count, &f->us);
    case 'z':
    case 'Z': return take_zone(r, f);
    default: return false;
    }
}

th_err fn_parse_datetime(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s;
    reader r = {s.bytes, s.bytes + s.size}, p = {args[1].s.bytes, args[1].s.bytes + args[1].s.size};
    fields f = fields_default;
    joda_token t;
    bool ok = true;
    f.zone = call->zone;
    while (ok && joda_next(&p, &t))
        ok = t.letter == 0 ? word(&r, (const char *)t.literal.bytes, t.literal.size)
                           : joda_take(&r, &t, &p, &f);
    if (!ok || r.pos != r.end) return malformed(call, s, r.pos);
    if (!finish(&f, &out->i))
        return fn_bad(call, "Cannot parse \"%.*s\": value out of range",
                      (int)(s.size > 100 ? 100 : s.size), (const char *)s.bytes);
    out->i = fn_floor_div(th_zone_local_to_utc(f.zone, out->i), 1000) * 1000;
    out->zone = f.zone;
    return TH_OK;
}
