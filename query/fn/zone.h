/* SPDX-License-Identifier: Apache-2.0
 * Time zones by id. 0 is UTC; 1..1681 are fixed offsets from -14:00 to +14:00 in minutes (841 = +00:00); higher ids
 * are named zones, given out as they are first met in this process, at most TH_ZONES_NAMED_MAX of them.
 *
 * Named zones come from the system's tz database; a name that it lacks is an unknown zone. All calls are thread-safe. */
#ifndef TH_QUERY_FN_ZONE_H
#define TH_QUERY_FN_ZONE_H

#include "base/buf.h"

#define TH_ZONE_UTC 0u
#define TH_ZONE_OFFSET_BASE 841u
#define TH_ZONE_OFFSET_MAX 840 /* minutes */
#define TH_ZONES_NAMED_MAX 600u

/* "UTC", "Z", "+05:30", "America/New_York". False: unknown zone. */
bool th_zone_find(th_slice name, uint16_t *id);
/* minutes east of UTC, within -840..840. */
uint16_t th_zone_of_offset(int32_t minutes);
void th_zone_print(th_buf *out, uint16_t id);
/* Seconds east of UTC at the instant. */
int32_t th_zone_offset_at(uint16_t id, int64_t utc_us);
/* The instant of a local time; in a gap the later one, in an overlap the earlier one. */
int64_t th_zone_local_to_utc(uint16_t id, int64_t local_us);

#endif
