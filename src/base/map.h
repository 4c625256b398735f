/* SPDX-License-Identifier: Apache-2.0
 * Hash map from bytes to a 64-bit value: open addressing, XXH3 with a per-process random seed (keys come from outside).
 * Keys are copied into the map's own arena. Not for two threads at once. */
#ifndef TH_BASE_MAP_H
#define TH_BASE_MAP_H

#include "base/arena.h"

typedef struct th_map th_map;

th_map *th_map_new(th_arena *arena); /* lives and dies with the arena; NULL when no memory */
size_t th_map_count(const th_map *map);
/* Pointer to the value of key, or NULL. Dies at the next put. */
uint64_t *th_map_get(const th_map *map, th_slice key);
/* Pointer to the value, inserted as `initial` when the key is new (*added says so; may be NULL). NULL: no memory. */
uint64_t *th_map_put(th_map *map, th_slice key, uint64_t initial, bool *added);
/* Visit all, in insertion order: index from 0 to count - 1. */
th_slice th_map_key_at(const th_map *map, size_t index);
uint64_t th_map_value_at(const th_map *map, size_t index);

#endif
