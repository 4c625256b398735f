/* SPDX-License-Identifier: Apache-2.0
 * What can be told about a stored column without reading rows, and the event times. */
#include "base/hash.h"
#include "segment/filter.h"
#include "segment/paths.h"
#include "segment/route.h"

#define WORK_MAX ((size_t)256 << 20)

/* The zone of a path as callers write it, or NULL: not stored, or other spellings would count with it. */
static const segment_zone_entry *find_zone(const segment_image *s, const char *path)
{
    uint32_t i = segment_stored_column(&s->base, path);
    if (i == SEGMENT_NONE || !s->zones[i].known) return NULL;
    bool json = s->base.table->format != TH_RECORD_LINE;
    return path[0] == '=' && json && s->zones[i].folded ? NULL : &s->zones[i];
}

bool segment_v2_zone(const th_segment *segment, const char *path, th_slice *min, th_slice *max)
{
    const segment_zone_entry *zone = find_zone(segment_image_of(segment), path);
    if (zone == NULL || !zone->has_zone) return false;
    *min = zone->min;
    *max = zone->max;
    return true;
}

static bool in_filter(segment_image *s, const segment_zone_entry *zone, th_arena *arena,
                      th_slice value)
{
    segment_reading reading;
    th_slice bits;
    if (segment_image_reading(s, arena, arena, &reading) != TH_OK ||
        segment_payload_read(&reading, zone->filter, &bits) != TH_OK) {
        return true;
    }
    return segment_filter_may_have(bits.bytes, bits.size, th_xxh3(value));
}

static bool in_dictionary(const segment_dictionary *d, th_slice value)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (segment_kind_has_text(d->kinds[i]) && th_slice_equal(d->values[i], value)) return true;
    return false;
}

bool segment_v2_may_equal(const th_segment *segment, const char *path, th_slice value)
{
    segment_image *s = segment_image_of(segment);
    const segment_zone_entry *zone = find_zone(s, path);
    if (zone == NULL) return true;
    if (zone->absent + zone->nulls == s->base.rows) return false;
    if (zone->has_zone &&
        (th_slice_compare(value, zone->min) < 0 || th_slice_compare(value, zone->max) > 0))
        return false;
    th_arena *arena = th_arena_new(WORK_MAX, s->base.budget);
    if (arena == NULL) return true;
    bool may = true;
    const segment_route *route;
    if (zone->filter_keys > 0) {
        may = in_filter(s, zone, arena, value);
    } else if (segment_need_route(s, path, arena, &route) == TH_OK) {
        may = route->dictionary == NULL || in_dictionary(route->dictionary, value);
        segment_release_route(s, route);
    }
    th_arena_free(arena);
    return may;
}

/* How many rows before begin have a time, and which of the next count have: flags[count]. */
static th_err read_flags(const segment_image *s, segment_reading *reading, uint32_t begin,
                         uint32_t count, th_arena *arena, uint32_t **flags, uint32_t *before)
{
    uint32_t *all = th_arena_alloc(arena, ((size_t)begin + count) * sizeof(uint32_t));
    if (all == NULL) return TH_ELIMIT;
    TH_TRY(segment_codes_read(s->timed, reading, 0, begin + count, all));
    *before = 0;
    for (uint32_t i = 0; i < begin; i++) *before += all[i];
    *flags = all + begin;
    return TH_OK;
}

static th_err read_times(const segment_image *s, uint32_t begin, uint32_t count, th_arena *arena,
                         int64_t *out)
{
    segment_reading reading;
    TH_TRY(segment_image_reading(s, arena, arena, &reading));
    uint32_t *flags = NULL, first = begin, timed = count;
    if (s->timed != NULL) {
        TH_TRY(read_flags(s, &reading, begin, count, arena, &flags, &first));
        timed = 0;
        for (uint32_t i = 0; i < count; i++) timed += flags[i];
        if (first + timed > s->timed_count) return TH_ECORRUPT;
    }
    if (timed > 0) TH_TRY(segment_ints_read(s->times, &reading, first, timed, out));
    for (uint32_t i = 0; i < timed; i++)
        if (out[i] < s->base.first_us || out[i] > s->base.last_us) return TH_ECORRUPT;
    if (flags == NULL) return TH_OK;
    for (uint32_t i = count; i-- > 0;) out[i] = flags[i] != 0 ? out[--timed] : INT64_MIN;
    return TH_OK;
}

th_err segment_v2_times(const th_segment *segment, uint32_t begin, uint32_t count, int64_t *out)
{
    const segment_image *s = segment_image_of(segment);
    if (s->times_encoding != SEGMENT_TIMES_INTS) {
        int64_t value = s->times_encoding == SEGMENT_TIMES_SAME ? segment->first_us : INT64_MIN;
        for (uint32_t i = 0; i < count; i++) out[i] = value;
        return TH_OK;
    }
    th_arena *arena = th_arena_new(WORK_MAX, s->base.budget);
    if (arena == NULL) return TH_ENOMEM;
    th_err err = read_times(s, begin, count, arena, out);
    th_arena_free(arena);
    return err;
}
