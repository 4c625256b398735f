/* SPDX-License-Identifier: Apache-2.0
 * Records that try to come back changed: key order, blanks, escapes, spellings of numbers, duplicate keys, deep, wide,
 * empty, odd Unicode, values that nearly are UUIDs, times, base64 or addresses, and bytes that are no JSON at all. The
 * same seed gives the same records. */
#ifndef TH_TESTS_UNIT_BENT_H
#define TH_TESTS_UNIT_BENT_H

#include "base/buf.h"

typedef struct bent {
    uint64_t state;
    uint32_t depth;
    char last[64]; /* a value of before, to come again */
} bent;

void bent_init(bent *h, uint64_t seed);
uint64_t bent_next(bent *h);
/* Replaces what out holds by the next record; never empty. */
void bent_record(bent *h, th_buf *out);

#endif
