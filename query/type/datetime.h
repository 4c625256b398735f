/* SPDX-License-Identifier: Apache-2.0
 * Dates, times, timestamps and intervals as SQL text. */
#ifndef TH_QUERY_TYPE_DATETIME_H
#define TH_QUERY_TYPE_DATETIME_H

#include "base/buf.h"
#include "base/time.h"

/* An instant or a local time of up to 12 digits of fraction. */
typedef struct th_moment {
    int64_t us;
    int32_t extra;      /* picoseconds below the microsecond */
    uint32_t precision; /* digits of fraction that were written */
    bool has_zone;
    uint16_t zone;
} th_moment;

/* "[+-]Y-M-D", spaces around allowed. */
bool th_date_parse(th_slice s, int64_t *days);
void th_date_print(th_buf *out, int64_t days);
/* "Y-M-D[ h:m[:s[.f]]][ zone]"; us is local time when there is no zone, else the instant. */
bool th_timestamp_parse(th_slice s, th_moment *out);
/* "h:m[:s[.f]]". */
bool th_time_parse(th_slice s, th_moment *out);
/* 'T' or blank between date and time; fraction of exactly precision digits. */
void th_timestamp_print(th_buf *out, int64_t local_us, int32_t extra, uint32_t precision,
                        char separator);
void th_timestamp_tz_print(th_buf *out, int64_t us, int32_t extra, uint32_t precision,
                           uint16_t zone);
void th_time_print(th_buf *out, int64_t us, int32_t extra, uint32_t precision);
void th_interval_ds_print(th_buf *out, int64_t us);     /* "1 02:03:04.005" */
void th_interval_ym_print(th_buf *out, int64_t months); /* "1-2" */
/* Round half up to the precision. False: out of range. */
bool th_moment_round(int64_t *us, int32_t *extra, uint32_t precision);

#endif
