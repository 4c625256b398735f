/* SPDX-License-Identifier: Apache-2.0
 * Shared by the date and time families: local time of an argument, units, month arithmetic. */
#ifndef TH_QUERY_FN_DATETIME_H
#define TH_QUERY_FN_DATETIME_H

#include "base/time.h"
#include "query/fn/call.h"

/* Wall-clock microseconds of a date, time, timestamp or timestamp with time zone. Fails the call for a date that is too
 * far away for them. */
TH_MUST_CHECK th_err fn_local_us(th_fn_call *call, const th_type *type, const th_value *v,
                                 int64_t *us);
/* A value of type from wall-clock microseconds, zone and extra digits as in like. */
void fn_from_local(const th_type *type, int64_t local_us, const th_value *like, th_value *out);
/* Local time plus months, the day clamped to the month's end; INT64_MAX or INT64_MIN when that is out of reach. */
int64_t fn_add_months(int64_t local_us, int64_t months);
int64_t fn_iso_week(int64_t local_us, int64_t *year);
int64_t fn_floor_div(int64_t a, int64_t b);

extern const char *const fn_month_names[12];
extern const char *const fn_day_names[7]; /* Monday first */

#endif
