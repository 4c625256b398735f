/* SPDX-License-Identifier: Apache-2.0
 * Filters over the distinct texts of a column: "surely not there" or "perhaps". A blocked Bloom filter: a key
 * touches one block of 64 bytes. On disk: docs/FORMAT.md, "Filters". Hashes are XXH3 of the text. */
#ifndef TH_SEGMENT_FILTER_H
#define TH_SEGMENT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_FILTER_BLOCK 64u
#define SEGMENT_FILTER_BITS \
    12u /* a key, at most: a text that is not there is taken for one once in 300 times */
#define SEGMENT_FILTER_BITS_COMPACT \
    8u /* once in 30 times: to look in vain costs a page or a column, not more */
#define SEGMENT_FILTER_PROBES 8u /* bits set a key */

/* Bytes of a filter of this many keys, some bits each: whole blocks, at least one. */
size_t segment_filter_size(uint64_t keys, uint32_t bits);
/* bytes[size] is zero at first; size as above. */
void segment_filter_add(uint8_t *bytes, size_t size, uint64_t hash);
/* False only when hash was never added. */
bool segment_filter_may_have(const uint8_t *bytes, size_t size, uint64_t hash);

#endif
