/* SPDX-License-Identifier: Apache-2.0
 * Filters over the distinct texts of a column: "surely not there" or "perhaps". A blocked Bloom filter of 12 bits a key:
 * a key touches one block of 64 bytes. On disk: docs/FORMAT.md, "Filters". Hashes are XXH3 of the text. */
#ifndef TH_SEGMENT_FILTER_H
#define TH_SEGMENT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_FILTER_BLOCK 64u
#define SEGMENT_FILTER_BITS 12u  /* a key */
#define SEGMENT_FILTER_PROBES 8u /* bits set a key */

/* Bytes of a filter of this many keys: whole blocks, at least one. */
size_t segment_filter_size(uint64_t keys);
/* bytes[size] is zero at first; size as above. */
void segment_filter_add(uint8_t *bytes, size_t size, uint64_t hash);
/* False only when hash was never added. */
bool segment_filter_may_have(const uint8_t *bytes, size_t size, uint64_t hash);

#endif
