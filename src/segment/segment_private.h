/* SPDX-License-Identifier: Apache-2.0
 * Shared inside src/segment. */
#ifndef TH_SEGMENT_SEGMENT_PRIVATE_H
#define TH_SEGMENT_SEGMENT_PRIVATE_H

#include "segment/format.h"
#include "segment/paths.h"
#include "segment/segment.h"

/* ---- memory that is charged to a budget (memory.c) ---- */

typedef struct segment_memory {
    th_budget *budget; /* may be NULL */
    size_t charged;
} segment_memory;
/* Make *array (element size each) hold need elements; new ones are not cleared. */
TH_MUST_CHECK th_err segment_grow(segment_memory *memory, void **array, size_t *capacity,
                                  size_t need, size_t each);
/* Charge what buffers with their own memory hold now. TH_ELIMIT: more than the budget has. */
TH_MUST_CHECK th_err segment_follow(segment_memory *memory, size_t *followed, size_t now);
/* Release an array that segment_grow made. */
void segment_shrink(segment_memory *memory, void **array, size_t *capacity, size_t each);

/* ---- chunks (chunk.c) ---- */

typedef struct segment_chunk {
    uint64_t offset; /* in the image */
    uint32_t stored, raw;
    uint64_t hash; /* XXH3 of the stored bytes */
} segment_chunk;

#endif
