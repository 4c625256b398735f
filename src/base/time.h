/* SPDX-License-Identifier: Apache-2.0
 * Time is int64 microseconds since 1970-01-01 UTC everywhere ("us"); a day is an int32 count of days since then.
 * Proleptic Gregorian calendar, no leap seconds. Years -9999 to 9999 are formatted. */
#ifndef TH_BASE_TIME_H
#define TH_BASE_TIME_H

#include "base/slice.h"

#define TH_US_PER_SECOND INT64_C(1000000)
#define TH_US_PER_DAY (INT64_C(86400) * TH_US_PER_SECOND)
#define TH_DAY_UNDATED \
    INT32_MIN /* the partition of records that have no usable time; spelt "undated" */

typedef struct th_civil {
    int32_t year;
    uint8_t month, day; /* from 1 */
    uint8_t hour, minute, second;
    uint32_t us;
} th_civil;

int32_t th_day_from_civil(int32_t year, uint32_t month, uint32_t day);
void th_civil_from_us(int64_t us, th_civil *out);
int64_t th_us_from_civil(const th_civil *c);
bool th_civil_valid(const th_civil *c); /* rejects Feb 30, 24:00, :60 */
uint32_t th_days_in_month(int32_t year, uint32_t month);
int32_t th_day_from_us(int64_t us); /* floor */

/* ISO 8601: YYYY-MM-DD, or with T or t or a blank hh:mm[:ss[.fraction]] and Z or +hh[:mm] (none = UTC). Basic form
 * YYYYMMDDThhmmssZ too. Fractions beyond microseconds are cut. False when anything else or out of range. */
bool th_time_parse_iso(th_slice s, int64_t *out_us);
/* "2024-01-31T12:00:00Z", with .fff or .ffffff only when not zero; returns bytes written, terminated. */
size_t th_time_format_iso(int64_t us, char out[40]);
/* "2024-01-31" or "undated". */
size_t th_day_format(int32_t day, char out[16]);
bool th_day_parse(th_slice s, int32_t *out);

#endif
