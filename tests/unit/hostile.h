/* SPDX-License-Identifier: Apache-2.0
 * Records that try what can be tried: order of keys, blanks, escapes, spellings of numbers, double keys, odd Unicode; every
 * fourth has one byte broken. The same ones in every run. */
#ifndef TH_TESTS_UNIT_HOSTILE_H
#define TH_TESTS_UNIT_HOSTILE_H

#include "base/buf.h"

/* 0 to sides - 1. */
uint32_t hostile_dice(uint32_t sides);
/* The next record, in out (cleared first). Never empty. */
void hostile_record(th_buf *out);

#endif
