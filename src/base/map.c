/* SPDX-License-Identifier: Apache-2.0
 * Open addressing over an array of entries kept in insertion order. slots[i] is the entry's index + 1, 0 = free.
 * Nothing is ever removed. Growth leaves the old arrays in the arena: at most as much again as the map itself. */
#include "base/map.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"
#include "base/hash.h"

enum { MAP_SLOTS_MIN = 16 };

typedef struct map_entry {
    th_slice key;
    uint64_t hash;
    uint64_t value;
} map_entry;

struct th_map {
    th_arena *arena;
    uint32_t *slots;
    size_t slot_count; /* a power of two; at most three quarters are taken */
    map_entry *entries;
    size_t count;
    size_t capacity;
};

static pthread_once_t map_once = PTHREAD_ONCE_INIT;
static uint64_t map_seed;

/* Keys come from outside: with a known seed somebody could send a million that collide. */
static void map_start(void)
{
    if (getrandom(&map_seed, sizeof map_seed, GRND_NONBLOCK) == (ssize_t)sizeof map_seed) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    map_seed = (uint64_t)now.tv_nsec * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)(uintptr_t)&now;
}

th_map *th_map_new(th_arena *arena)
{
    pthread_once(&map_once, map_start);
    th_map *map = TH_NEW(arena, th_map);
    if (map == NULL) return NULL;
    map->arena = arena;
    return map;
}

size_t th_map_count(const th_map *map)
{
    return map->count;
}

/* Slot of key, or the free slot where it belongs. slot_count > 0. */
static size_t find_slot(const th_map *map, th_slice key, uint64_t hash)
{
    size_t mask = map->slot_count - 1;
    for (size_t slot = (size_t)hash & mask;; slot = (slot + 1) & mask) {
        if (map->slots[slot] == 0) return slot;
        const map_entry *entry = &map->entries[map->slots[slot] - 1];
        if (entry->hash == hash && th_slice_equal(entry->key, key)) return slot;
    }
}

static bool grow_slots(th_map *map)
{
    size_t count = map->slot_count == 0 ? MAP_SLOTS_MIN : map->slot_count * 2;
    uint32_t *slots = TH_NEW_ARRAY(map->arena, uint32_t, count);
    if (slots == NULL) return false;
    for (size_t i = 0; i < map->count; i++) {
        size_t slot = (size_t)map->entries[i].hash & (count - 1);
        while (slots[slot] != 0) slot = (slot + 1) & (count - 1);
        slots[slot] = (uint32_t)(i + 1);
    }
    map->slots = slots;
    map->slot_count = count;
    return true;
}

static bool grow_entries(th_map *map)
{
    size_t capacity = map->capacity == 0 ? MAP_SLOTS_MIN / 2 : map->capacity * 2;
    map_entry *entries = TH_NEW_ARRAY(map->arena, map_entry, capacity);
    if (entries == NULL) return false;
    if (map->count > 0) memcpy(entries, map->entries, map->count * sizeof *entries);
    map->entries = entries;
    map->capacity = capacity;
    return true;
}

uint64_t *th_map_get(const th_map *map, th_slice key)
{
    if (map->count == 0) return NULL;
    size_t slot = find_slot(map, key, th_xxh3_seed(key, map_seed));
    return map->slots[slot] == 0 ? NULL : &map->entries[map->slots[slot] - 1].value;
}

uint64_t *th_map_put(th_map *map, th_slice key, uint64_t initial, bool *added)
{
    if (added != NULL) *added = false;
    uint64_t hash = th_xxh3_seed(key, map_seed);
    if (map->slot_count > 0) {
        size_t slot = find_slot(map, key, hash);
        if (map->slots[slot] != 0) return &map->entries[map->slots[slot] - 1].value;
    }
    if (map->count >= UINT32_MAX - 1) return NULL;
    if ((map->count + 1) * 4 > map->slot_count * 3 && !grow_slots(map)) return NULL;
    if (map->count == map->capacity && !grow_entries(map)) return NULL;
    th_slice copy = th_arena_copy(map->arena, key);
    if (copy.bytes == NULL) return NULL;
    size_t slot = find_slot(map, key, hash);
    map_entry *entry = &map->entries[map->count++];
    *entry = (map_entry){copy, hash, initial};
    map->slots[slot] = (uint32_t)map->count;
    if (added != NULL) *added = true;
    return &entry->value;
}

th_slice th_map_key_at(const th_map *map, size_t index)
{
    TH_ASSERT(index < map->count);
    return map->entries[index].key;
}

uint64_t th_map_value_at(const th_map *map, size_t index)
{
    TH_ASSERT(index < map->count);
    return map->entries[index].value;
}
