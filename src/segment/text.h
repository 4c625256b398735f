/* SPDX-License-Identifier: Apache-2.0
 * Texts that are stored as something shorter, and back: UUIDs as AWS writes them (lower-case with dashes), times,
 * integers. The encoder checks with the functions that the decoder formats with, so that they cannot differ. */
#ifndef TH_SEGMENT_TEXT_H
#define TH_SEGMENT_TEXT_H

#include "base/slice.h"

#define SEGMENT_UUID_TEXT 36u
#define SEGMENT_TIME_MIN INT64_C(-62135596800000000) /* year 1 */
#define SEGMENT_TIME_MAX INT64_C(253402300799999999) /* year 9999 */

/* False for anything else, upper case included. */
bool segment_uuid_parse(th_slice text, uint8_t uuid[16]);
void segment_uuid_format(const uint8_t uuid[16], char text[SEGMENT_UUID_TEXT]);

#define SEGMENT_INT_TEXT_MAX 40u
/* ISO 8601 of a time from SEGMENT_TIME_MIN to SEGMENT_TIME_MAX, and a decimal; bytes written, at most 39. */
size_t segment_format_time(int64_t us, char text[SEGMENT_INT_TEXT_MAX]);
size_t segment_format_int(int64_t value, char text[SEGMENT_INT_TEXT_MAX]);

#endif
