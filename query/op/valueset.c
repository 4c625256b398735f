/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing; hashes are kept so that growing compares nothing (query/op/valueset.h). */
#include "query/op/valueset.h"

#define CAPACITY_MIN 16u

bool valueset_init(valueset *set, th_arena *arena, const th_type *const *types, uint32_t width)
{
    *set = (valueset){.arena = arena,
                      .types = types,
                      .width = width,
                      .mask = CAPACITY_MIN * 2 - 1,
                      .capacity = CAPACITY_MIN};
    set->values = TH_NEW_ARRAY(arena, th_value, (size_t)CAPACITY_MIN * width);
    set->hashes = TH_NEW_ARRAY(arena, uint64_t, CAPACITY_MIN);
    set->buckets = TH_NEW_ARRAY(arena, uint32_t, CAPACITY_MIN * 2);
    return set->values != NULL && set->hashes != NULL && set->buckets != NULL;
}

uint64_t valueset_hash(const valueset *set, const th_value *tuple)
{
    uint64_t h = 0;
    for (uint32_t i = 0; i < set->width; i++)
        h = (h ^ (h >> 29)) * UINT64_C(0x9E3779B97F4A7C15) +
            th_value_hash(set->types[i], &tuple[i]);
    return h;
}

static bool same_tuple(const valueset *set, uint32_t index, const th_value *tuple)
{
    for (uint32_t i = 0; i < set->width; i++)
        if (!th_value_same(set->types[i], valueset_at(set, index, i), &tuple[i])) return false;
    return true;
}

static bool grow(valueset *set)
{
    if (set->capacity > UINT32_MAX / 8) return false;
    uint32_t capacity = set->capacity * 2, mask = capacity * 2 - 1;
    th_value *values = TH_NEW_ARRAY(set->arena, th_value, (size_t)capacity * set->width);
    uint64_t *hashes = TH_NEW_ARRAY(set->arena, uint64_t, capacity);
    uint32_t *buckets = TH_NEW_ARRAY(set->arena, uint32_t, (size_t)capacity * 2);
    if (values == NULL || hashes == NULL || buckets == NULL) return false;
    memcpy(values, set->values, (size_t)set->count * set->width * sizeof *values);
    memcpy(hashes, set->hashes, set->count * sizeof *hashes);
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t at = (uint32_t)hashes[i] & mask;
        while (buckets[at] != 0) at = (at + 1) & mask;
        buckets[at] = i + 1;
    }
    set->values = values;
    set->hashes = hashes;
    set->buckets = buckets;
    set->capacity = capacity;
    set->mask = mask;
    return true;
}

static bool find_at(const valueset *set, const th_value *tuple, uint64_t hash, uint32_t *bucket)
{
    uint32_t at = (uint32_t)hash & set->mask;
    for (; set->buckets[at] != 0; at = (at + 1) & set->mask) {
        uint32_t index = set->buckets[at] - 1;
        if (set->hashes[index] == hash && same_tuple(set, index, tuple)) {
            *bucket = at;
            return true;
        }
    }
    *bucket = at;
    return false;
}

uint32_t valueset_find(const valueset *set, const th_value *tuple)
{
    uint32_t bucket;
    return find_at(set, tuple, valueset_hash(set, tuple), &bucket) ? set->buckets[bucket] - 1
                                                                   : UINT32_MAX;
}

bool valueset_put(valueset *set, const th_value *tuple, uint32_t *index, bool *added)
{
    uint64_t hash = valueset_hash(set, tuple);
    uint32_t bucket;
    bool found = find_at(set, tuple, hash, &bucket);
    if (added != NULL) *added = !found;
    if (found) {
        *index = set->buckets[bucket] - 1;
        return true;
    }
    if (set->count == set->capacity) {
        if (!grow(set)) return false;
        (void)find_at(set, tuple, hash, &bucket);
    }
    for (uint32_t i = 0; i < set->width; i++) {
        th_value *to = &set->values[(size_t)set->count * set->width + i];
        if (!th_value_copy(set->arena, set->types[i], &tuple[i], to)) return false;
    }
    set->hashes[set->count] = hash;
    set->buckets[bucket] = ++set->count;
    *index = set->count - 1;
    return true;
}
