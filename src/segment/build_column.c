/* SPDX-License-Identifier: Apache-2.0
 * A column while its rows arrive: distinct values, and for each value which one it is. A column of which most values are
 * distinct stops comparing and keeps every value. And the small tables from the shaper's numbers to an image's. */
#include "base/hash.h"
#include "segment/build.h"

#define PROBES_MAX 256u  /* values made to collide end the search: the column turns plain */
#define JUDGE_FROM 2048u /* values before a column may be called plain */
#define TABLE_FROM 8u    /* entries up to which they are compared one by one */

void build_column_clear(build_column *c)
{
    if (c->table_room > 0) memset(c->table, 0, c->table_room * sizeof(uint32_t));
    c->count = c->coded = c->entry_count = c->entries_coded = c->byte_count = 0;
    c->last = BUILD_NONE;
    c->plain = c->judge = c->holes = false;
}

void build_column_free(build_column *c, segment_memory *memory)
{
    segment_shrink(memory, (void **)&c->codes, &c->codes_room, sizeof(uint32_t));
    segment_shrink(memory, (void **)&c->entries, &c->entries_room, sizeof(build_text));
    segment_shrink(memory, (void **)&c->hashes, &c->hashes_room, sizeof(uint32_t));
    segment_shrink(memory, (void **)&c->bytes, &c->bytes_room, 1);
    segment_shrink(memory, (void **)&c->table, &c->table_room, sizeof(uint32_t));
}

static th_err add_entry(build_column *c, segment_memory *memory, th_slice value)
{
    TH_TRY(segment_grow(memory, (void **)&c->entries, &c->entries_room, (size_t)c->entry_count + 1,
                        sizeof(build_text)));
    TH_TRY(segment_grow(memory, (void **)&c->bytes, &c->bytes_room, c->byte_count + value.size + 1,
                        1));
    if (value.size > 0) memcpy(c->bytes + c->byte_count, value.bytes, value.size);
    c->entries[c->entry_count++] = (build_text){c->byte_count, (uint32_t)value.size};
    c->byte_count += (uint32_t)value.size;
    return TH_OK;
}

static bool entry_is(const build_column *c, uint32_t entry, th_slice value)
{
    const build_text *e = &c->entries[entry];
    return e->size == value.size && memcmp(c->bytes + e->at, value.bytes, value.size) == 0;
}

static void put_in_table(build_column *c, uint32_t entry)
{
    size_t mask = c->table_room - 1, slot = c->hashes[entry] & mask;
    while (c->table[slot] != 0) slot = (slot + 1) & mask;
    c->table[slot] = entry + 1;
}

/* Keep the table at most half full. */
static th_err grow_table(build_column *c, segment_memory *memory)
{
    size_t wanted = c->table_room < 32 ? 32 : c->table_room;
    while (wanted < 2 * ((size_t)c->entry_count + 1)) wanted *= 2;
    if (wanted == c->table_room) return TH_OK;
    segment_shrink(memory, (void **)&c->table, &c->table_room, sizeof(uint32_t));
    TH_TRY(segment_grow(memory, (void **)&c->table, &c->table_room, wanted, sizeof(uint32_t)));
    memset(c->table, 0, wanted * sizeof(uint32_t));
    for (uint32_t i = 0; i < c->entry_count; i++) put_in_table(c, i);
    return TH_OK;
}

static void turn_plain(build_column *c)
{
    c->plain = true;
    c->coded = c->count;
    c->entries_coded = c->entry_count;
}

/* The entry equal to value, or BUILD_NONE; *many: values were made to collide. */
static uint32_t search(const build_column *c, th_slice value, uint32_t hash, bool *many)
{
    if (c->entry_count < TABLE_FROM) {
        for (uint32_t i = 0; i < c->entry_count; i++)
            if (c->hashes[i] == hash && entry_is(c, i, value)) return i;
        return BUILD_NONE;
    }
    size_t mask = c->table_room - 1, slot = hash & mask;
    for (uint32_t probes = 0; c->table[slot] != 0; slot = (slot + 1) & mask) {
        uint32_t i = c->table[slot] - 1;
        if (c->hashes[i] == hash && entry_is(c, i, value)) return i;
        if (++probes > PROBES_MAX) {
            *many = true;
            return BUILD_NONE;
        }
    }
    return BUILD_NONE;
}

static th_err find_entry(build_column *c, segment_memory *memory, th_slice value, uint32_t *entry)
{
    bool many = false;
    uint32_t hash = (uint32_t)(th_xxh3(value) >> 16);
    if (c->entry_count >= TABLE_FROM) TH_TRY(grow_table(c, memory));
    *entry = search(c, value, hash, &many);
    if (*entry != BUILD_NONE) return TH_OK;
    TH_TRY(segment_grow(memory, (void **)&c->hashes, &c->hashes_room, (size_t)c->entry_count + 1,
                        sizeof(uint32_t)));
    TH_TRY(add_entry(c, memory, value));
    *entry = c->entry_count - 1;
    c->hashes[*entry] = hash;
    if (c->table_room > 0) put_in_table(c, *entry);
    if (many) c->judge = true;
    return TH_OK;
}

/* Is it the value before? Most that are not differ within their first bytes. */
static bool is_last(const build_column *c, th_slice value)
{
    if (c->last == BUILD_NONE || c->last_size != value.size) return false;
    const uint8_t *last = c->bytes + c->last_at;
    if (value.size < 8) {
        for (size_t i = 0; i < value.size; i++)
            if (last[i] != value.bytes[i]) return false;
        return true;
    }
    uint64_t a, b;
    memcpy(&a, last, 8);
    memcpy(&b, value.bytes, 8);
    if (a != b) return false;
    memcpy(&a, last + value.size - 8, 8);
    memcpy(&b, value.bytes + value.size - 8, 8);
    return a == b && (value.size <= 16 || memcmp(last, value.bytes, value.size) == 0);
}

th_err build_column_add(build_column *c, segment_memory *memory, th_slice value)
{
    if (c->plain) {
        TH_TRY(add_entry(c, memory, value));
        c->count++;
        return TH_OK;
    }
    TH_TRY(segment_grow(memory, (void **)&c->codes, &c->codes_room, (size_t)c->count + 1,
                        sizeof(uint32_t)));
    if (!is_last(c, value)) {
        TH_TRY(find_entry(c, memory, value, &c->last));
        c->last_at = c->entries[c->last].at;
        c->last_size = c->entries[c->last].size;
    }
    c->codes[c->count++] = c->last;
    c->coded = c->count;
    if (c->judge || (c->count >= JUDGE_FROM && c->entry_count > c->count / 2)) turn_plain(c);
    return TH_OK;
}

void build_column_undo(build_column *c)
{
    if (c->count > c->coded) {
        c->byte_count -= c->entries[--c->entry_count].size;
    } else {
        c->coded--;
        c->holes = true;
    }
    c->count--;
    c->last = BUILD_NONE;
}

/* Codes and values without the entries that no value has. */
static bool close_holes(const build_column *c, th_arena *arena, th_slice *values,
                        segment_array *out)
{
    uint32_t *numbers = TH_NEW_ARRAY(arena, uint32_t, c->entry_count);
    uint32_t *codes = TH_NEW_ARRAY(arena, uint32_t, c->count);
    if (numbers == NULL || codes == NULL) return false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t *number = &numbers[c->codes[i]];
        if (*number == 0) {
            values[used] = build_column_entry(c, c->codes[i]);
            *number = ++used;
        }
        codes[i] = *number - 1;
    }
    *out = (segment_array){c->count, codes, values, used};
    return true;
}

bool build_column_array(const build_column *c, th_arena *arena, th_slice *values,
                        segment_array *out)
{
    if (c->holes && !c->plain) return close_holes(c, arena, values, out);
    bool plain = c->plain || c->entry_count == c->count;
    uint32_t count = plain ? c->count : c->entry_count;
    for (uint32_t i = 0; i < count; i++)
        values[i] = plain ? build_column_value(c, i) : build_column_entry(c, i);
    *out = (segment_array){c->count, plain ? NULL : c->codes, values, count};
    return true;
}

/* ---- maps ---- */

static size_t map_slot(const build_map *map, uint32_t key)
{
    size_t slot = (key * 0x9E3779B1u >> 7) & (map->room - 1);
    while (map->pairs[slot].key != 0 && map->pairs[slot].key != key + 1)
        slot = (slot + 1) & (map->room - 1);
    return slot;
}

uint32_t *build_map_find(const build_map *map, uint32_t key)
{
    if (map->room == 0) return NULL;
    struct build_pair *pair = &map->pairs[map_slot(map, key)];
    return pair->key == 0 ? NULL : &pair->value;
}

uint32_t build_map_get(const build_map *map, uint32_t key)
{
    const uint32_t *value = build_map_find(map, key);
    return value == NULL ? BUILD_NONE : *value;
}

th_err build_map_put(build_map *map, segment_memory *memory, uint32_t key, uint32_t value)
{
    if (2 * ((size_t)map->count + 1) > map->room) {
        build_map bigger = {0};
        size_t wanted = map->room == 0 ? 16 : map->room * 2;
        TH_TRY(segment_grow(memory, (void **)&bigger.pairs, &bigger.room, wanted,
                            sizeof(struct build_pair)));
        memset(bigger.pairs, 0, wanted * sizeof(struct build_pair));
        for (size_t i = 0; i < map->room; i++) {
            if (map->pairs[i].key == 0) continue;
            bigger.pairs[map_slot(&bigger, map->pairs[i].key - 1)] = map->pairs[i];
            bigger.count++;
        }
        build_map_free(map, memory);
        *map = bigger;
    }
    map->pairs[map_slot(map, key)] = (struct build_pair){key + 1, value};
    map->count++;
    return TH_OK;
}

void build_map_clear(build_map *map)
{
    if (map->room > 0) memset(map->pairs, 0, map->room * sizeof(struct build_pair));
    map->count = 0;
}

void build_map_free(build_map *map, segment_memory *memory)
{
    segment_shrink(memory, (void **)&map->pairs, &map->room, sizeof(struct build_pair));
    map->count = 0;
}
