/* SPDX-License-Identifier: Apache-2.0
 * Zones: fixed offsets by arithmetic, named ones from the tz database's files (query/fn/zone.h). */
#include "query/fn/zone.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"

#define NAME_MAX_BYTES 64
#define FILE_MAX_BYTES (64 * 1024)
#define FIRST_NAMED (TH_ZONE_OFFSET_BASE + TH_ZONE_OFFSET_MAX + 1)
#define TRANSITIONS_MAX 4096

/* A zone's transitions, and the rule that goes on after the last one. Never freed: ids stay good for ever. */
typedef struct zone {
    char name[NAME_MAX_BYTES];
    uint32_t count;
    int64_t *at;     /* seconds UTC */
    int32_t *offset; /* from at[i] on */
    int32_t first;   /* before at[0] */
    bool has_rule;   /* the file's TZ string has daylight saving */
    int32_t standard, daylight;
    struct rule {
        uint8_t month, week, day; /* Mm.w.d */
        int32_t seconds;          /* local time of the change */
    } to_daylight, to_standard;
} zone;

static zone *zones[TH_ZONES_NAMED_MAX];
static atomic_uint zone_count;
static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t big_endian(const uint8_t *p, int size)
{
    uint64_t v = 0;
    for (int i = 0; i < size; i++) v = v << 8 | p[i];
    return size == 4 ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v;
}

/* "EST" or "<+03>", then an offset for the first form of a TZ string. */
static const char *tz_name(const char *p)
{
    if (*p == '<') {
        while (*p != 0 && *p != '>') p++;
        return *p == '>' ? p + 1 : p;
    }
    while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')) p++;
    return p;
}

static const char *tz_time(const char *p, int32_t *seconds)
{
    int sign = 1, h = 0, m = 0, s = 0, used = 0;
    if (*p == '+' || *p == '-') sign = *p++ == '-' ? -1 : 1;
    if (sscanf(p, "%3d%n", &h, &used) != 1) return NULL;
    p += used;
    if (*p == ':' && sscanf(p, ":%2d%n", &m, &used) == 1) p += used;
    if (*p == ':' && sscanf(p, ":%2d%n", &s, &used) == 1) p += used;
    *seconds = sign * (h * 3600 + m * 60 + s);
    return p;
}

static const char *tz_rule(const char *p, struct rule *r)
{
    unsigned month, week, day;
    int used = 0;
    if (sscanf(p, ",M%2u.%1u.%1u%n", &month, &week, &day, &used) != 3) return NULL;
    if (month < 1 || month > 12 || week < 1 || week > 5 || day > 6) return NULL;
    *r = (struct rule){(uint8_t)month, (uint8_t)week, (uint8_t)day, 7200};
    p += used;
    return *p == '/' ? tz_time(p + 1, &r->seconds) : p;
}

static void parse_rule(zone *z, const char *text)
{
    const char *p = tz_time(tz_name(text), &z->standard);
    if (p == NULL || *p == 0) return;
    z->standard = -z->standard;
    z->daylight = z->standard + 3600;
    p = tz_name(p);
    if (*p != ',' && *p != 0) {
        p = tz_time(p, &z->daylight);
        z->daylight = -z->daylight;
    }
    if (p == NULL || (p = tz_rule(p, &z->to_daylight)) == NULL) return;
    z->has_rule = tz_rule(p, &z->to_standard) != NULL;
}

/* The 64-bit part of a TZif file. */
static bool parse_file(zone *z, const uint8_t *bytes, size_t size)
{
    const uint8_t *p = bytes;
    if (size < 44 || memcmp(p, "TZif", 4) != 0 || p[4] < '2') return false;
    size_t skip = 44 + (size_t)big_endian(p + 32, 4) * 5 + (size_t)big_endian(p + 36, 4) * 6 +
                  (size_t)big_endian(p + 40, 4) + (size_t)big_endian(p + 28, 4) * 8 +
                  (size_t)big_endian(p + 24, 4) + (size_t)big_endian(p + 20, 4);
    if (skip > size || size - skip < 44 || memcmp(p + skip, "TZif", 4) != 0) return false;
    p += skip;
    int64_t utc = big_endian(p + 20, 4), std = big_endian(p + 24, 4), leap = big_endian(p + 28, 4);
    int64_t times = big_endian(p + 32, 4), types = big_endian(p + 36, 4),
            chars = big_endian(p + 40, 4);
    if (times < 0 || times > TRANSITIONS_MAX || types < 1 || types > 256 || chars < 0 ||
        chars > 4096 || utc < 0 || utc > 256 || std < 0 || std > 256 || leap < 0 || leap > 256)
        return false;
    size_t need = 44 + (size_t)(times * 9 + types * 6 + chars + leap * 12 + std + utc);
    if (need > size - skip) return false;
    const uint8_t *index = p + 44 + times * 8, *info = index + times;
    z->at = malloc((size_t)(times + 1) * sizeof *z->at);
    z->offset = malloc((size_t)(times + 1) * sizeof *z->offset);
    if (z->at == NULL || z->offset == NULL) return false;
    z->first = (int32_t)big_endian(info, 4);
    for (int64_t i = 0; i < times; i++) {
        if (index[i] >= types) return false;
        z->at[i] = big_endian(p + 44 + i * 8, 8);
        z->offset[i] = (int32_t)big_endian(info + index[i] * 6, 4);
    }
    z->count = (uint32_t)times;
    char rule[128];
    size_t left = size - skip - need;
    if (left > 2 && left < sizeof rule) {
        memcpy(rule, p + need + 1, left - 2);
        rule[left - 2] = 0;
        parse_rule(z, rule);
    }
    return true;
}

static bool safe_name(th_slice name)
{
    if (name.size == 0 || name.size >= NAME_MAX_BYTES || name.bytes[0] == '/') return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.bytes[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '/' || c == '-' || c == '+'))
            return false;
    }
    return true;
}

static zone *load(th_slice name)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", TH_SLICE_ARGS(name));
    FILE *f = fopen(path, "rbe");
    if (f == NULL) return NULL;
    zone *z = calloc(1, sizeof *z);
    uint8_t *bytes = malloc(FILE_MAX_BYTES);
    bool ok = false;
    if (z != NULL && bytes != NULL) {
        memcpy(z->name, name.bytes, name.size);
        ok = parse_file(z, bytes, fread(bytes, 1, FILE_MAX_BYTES, f));
    }
    (void)fclose(f);
    free(bytes);
    if (ok) return z;
    if (z != NULL) {
        free(z->at);
        free(z->offset);
    }
    free(z);
    return NULL;
}

static bool find_named(th_slice name, uint16_t *id)
{
    bool found = false;
    (void)pthread_mutex_lock(&zones_lock);
    unsigned count = atomic_load(&zone_count);
    for (unsigned i = 0; i < count && !found; i++) {
        if (!th_slice_equal_nocase(th_slice_text(zones[i]->name), name)) continue;
        *id = (uint16_t)(FIRST_NAMED + i);
        found = true;
    }
    if (!found && count < TH_ZONES_NAMED_MAX && (zones[count] = load(name)) != NULL) {
        atomic_store(&zone_count, count + 1);
        *id = (uint16_t)(FIRST_NAMED + count);
        found = true;
    }
    (void)pthread_mutex_unlock(&zones_lock);
    return found;
}

/* "+hh", "+hhmm", "+hh:mm", "+h:mm". */
static bool find_offset(th_slice s, uint16_t *id)
{
    int32_t part[2] = {0, 0}, n[2] = {0, 0};
    int at = 0;
    for (size_t i = 1; i < s.size; i++) {
        if (s.bytes[i] == ':' && at == 0) {
            at = 1;
        } else if (s.bytes[i] >= '0' && s.bytes[i] <= '9' && n[at] < 4) {
            part[at] = part[at] * 10 + (s.bytes[i] - '0');
            n[at]++;
        } else {
            return false;
        }
    }
    if (at == 0 && n[0] == 4) {
        part[1] = part[0] % 100;
        part[0] /= 100;
    } else if (n[0] < 1 || n[0] > 2 || (at == 1 && n[1] != 2)) {
        return false;
    }
    int32_t minutes = part[0] * 60 + part[1];
    if (part[1] > 59 || minutes > TH_ZONE_OFFSET_MAX) return false;
    *id = th_zone_of_offset(s.bytes[0] == '-' ? -minutes : minutes);
    return true;
}

bool th_zone_find(th_slice name, uint16_t *id)
{
    static const char *const utc[] = {"UTC",  "Z",       "GMT",  "UT",     "Etc/UTC",
                                      "Zulu", "Etc/GMT", "GMT0", "Etc/UCT"};
    for (size_t i = 0; i < sizeof utc / sizeof utc[0]; i++) {
        if (!th_slice_equal_nocase(name, th_slice_text(utc[i]))) continue;
        *id = TH_ZONE_UTC;
        return true;
    }
    if (name.size > 3 &&
        (th_slice_starts(name, TH_SLICE("UTC")) || th_slice_starts(name, TH_SLICE("GMT"))) &&
        (name.bytes[3] == '+' || name.bytes[3] == '-'))
        name = th_slice_of(name.bytes + 3, name.size - 3);
    if (name.size > 1 && (name.bytes[0] == '+' || name.bytes[0] == '-'))
        return find_offset(name, id);
    return safe_name(name) && find_named(name, id);
}

uint16_t th_zone_of_offset(int32_t minutes)
{
    return minutes == 0 ? TH_ZONE_UTC : (uint16_t)((int32_t)TH_ZONE_OFFSET_BASE + minutes);
}

static const zone *named(uint16_t id)
{
    unsigned i = (unsigned)id - FIRST_NAMED;
    return id >= FIRST_NAMED && i < atomic_load(&zone_count) ? zones[i] : NULL;
}

void th_zone_print(th_buf *out, uint16_t id)
{
    const zone *z = named(id);
    if (z != NULL) {
        th_buf_add_text(out, z->name);
    } else if (id == TH_ZONE_UTC || id >= FIRST_NAMED) {
        th_buf_add_text(out, "UTC");
    } else {
        int32_t m = (int32_t)id - (int32_t)TH_ZONE_OFFSET_BASE;
        th_buf_printf(out, "%c%02d:%02d", m < 0 ? '-' : '+', abs(m) / 60, abs(m) % 60);
    }
}

/* When the rule's change happens in a year, in seconds of local time. */
static int64_t rule_at(const struct rule *r, int32_t year)
{
    int32_t first = th_day_from_civil(year, r->month, 1);
    int32_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int32_t day = (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
    while (day >= (int32_t)th_days_in_month(year, r->month)) day -= 7;
    return (int64_t)(first + day) * 86400 + r->seconds;
}

static int32_t offset_by_rule(const zone *z, int64_t utc)
{
    th_civil c;
    th_civil_from_us((utc + z->standard) * TH_US_PER_SECOND, &c);
    int64_t on = rule_at(&z->to_daylight, c.year) - z->standard;
    int64_t off = rule_at(&z->to_standard, c.year) - z->daylight;
    bool summer = on < off ? utc >= on && utc < off : utc >= on || utc < off;
    return summer ? z->daylight : z->standard;
}

int32_t th_zone_offset_at(uint16_t id, int64_t utc_us)
{
    const zone *z = named(id);
    if (z == NULL) {
        if (id == TH_ZONE_UTC || id >= FIRST_NAMED) return 0;
        return ((int32_t)id - (int32_t)TH_ZONE_OFFSET_BASE) * 60;
    }
    int64_t utc = utc_us / TH_US_PER_SECOND - (utc_us % TH_US_PER_SECOND < 0);
    if (z->count == 0 || utc < z->at[0])
        return z->count == 0 && z->has_rule ? offset_by_rule(z, utc) : z->first;
    if (z->has_rule && utc >= z->at[z->count - 1]) return offset_by_rule(z, utc);
    uint32_t low = 0, high = z->count;
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (z->at[mid] <= utc)
            low = mid;
        else
            high = mid;
    }
    return z->offset[low];
}

int64_t th_zone_local_to_utc(uint16_t id, int64_t local_us)
{
    int64_t before = th_zone_offset_at(id, local_us - TH_US_PER_DAY) * TH_US_PER_SECOND;
    int64_t after = th_zone_offset_at(id, local_us + TH_US_PER_DAY) * TH_US_PER_SECOND;
    if (th_zone_offset_at(id, local_us - before) * TH_US_PER_SECOND == before)
        return local_us - before;
    if (th_zone_offset_at(id, local_us - after) * TH_US_PER_SECOND == after)
        return local_us - after;
    return local_us - before; /* a gap: the offset from before it moves the time past the gap */
}
