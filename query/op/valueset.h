/* SPDX-License-Identifier: Apache-2.0
 * A set of tuples of SQL values, numbered in the order of their first coming: groups, DISTINCT, join keys. */
#ifndef TH_QUERY_OP_VALUESET_H
#define TH_QUERY_OP_VALUESET_H

#include "query/value.h"

typedef struct valueset {
    th_arena *arena;
    const th_type *const *types;
    uint32_t width, count, capacity, mask;
    th_value *values; /* count tuples of width values */
    uint64_t *hashes;
    uint32_t *buckets; /* index + 1; 0 = free */
} valueset;

/* types stay the caller's. False here and below: no memory. */
TH_MUST_CHECK bool valueset_init(valueset *set, th_arena *arena, const th_type *const *types,
                                 uint32_t width);
/* Number of the tuple, which is copied when it is new (*added, may be NULL). */
TH_MUST_CHECK bool valueset_put(valueset *set, const th_value *tuple, uint32_t *index, bool *added);
uint64_t valueset_hash(const valueset *set, const th_value *tuple);
/* UINT32_MAX when it is not there. */
uint32_t valueset_find(const valueset *set, const th_value *tuple);
static inline const th_value *valueset_at(const valueset *set, uint32_t index, uint32_t column)
{
    return &set->values[(size_t)index * set->width + column];
}

#endif
