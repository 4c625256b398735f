/* SPDX-License-Identifier: Apache-2.0
 * Pieces of files in memory: loaded segments, their heads, directories. Least recently used goes first; a piece in use
 * outlives its place in the cache. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

enum { BUCKETS = 4096 };

struct store_cache {
    pthread_mutex_t lock;
    size_t limit, used;
    uint64_t uses, uses_seen; /* at the last trim */
    th_budget *budget;
    store_piece *buckets[BUCKETS];
    store_piece *newest, *oldest;
};

store_cache *store_cache_new(size_t limit_bytes, th_budget *budget)
{
    store_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) return NULL;
    cache->limit = limit_bytes;
    cache->budget = budget;
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void store_piece_release(store_piece *piece)
{
    if (piece == NULL || atomic_fetch_sub(&piece->refs, 1) != 1) return;
    th_segment_close(piece->segment);
    free(piece->image);
    free(piece->runs);
    free(piece->fingerprints);
    free(piece->entries);
    free(piece->filter);
    free(piece);
}

static store_piece **bucket_of(store_cache *cache, uint32_t file, uint64_t place)
{
    uint64_t key[2] = {file, place};
    return &cache->buckets[th_xxh3(th_slice_of(key, sizeof(key))) % BUCKETS];
}

static void unlink_used(store_cache *cache, store_piece *piece)
{
    *(piece->newer != NULL ? &piece->newer->older : &cache->newest) = piece->older;
    *(piece->older != NULL ? &piece->older->newer : &cache->oldest) = piece->newer;
}

static void link_newest(store_cache *cache, store_piece *piece)
{
    piece->newer = NULL;
    piece->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = piece;
    cache->newest = piece;
}

/* Of small segments what they keep open and decoded is nearly all, and it grows as they are read. Under the lock. */
static void weigh(store_cache *cache, store_piece *piece)
{
    size_t held = piece->segment == NULL ? 0 : th_segment_held(piece->segment);
    cache->used += held - piece->held;
    piece->held = held;
}

/* Under the lock. */
static void drop(store_cache *cache, store_piece *piece)
{
    store_piece **at = bucket_of(cache, piece->file, piece->place);
    while (*at != piece) at = &(*at)->chain;
    *at = piece->chain;
    unlink_used(cache, piece);
    cache->used -= piece->bytes + piece->held;
    th_budget_release(cache->budget, piece->bytes);
    store_piece_release(piece);
}

static store_piece *find(store_cache *cache, uint32_t file, uint64_t place)
{
    store_piece *piece = *bucket_of(cache, file, place);
    while (piece != NULL && (piece->file != file || piece->place != place)) piece = piece->chain;
    return piece;
}

/* The budget may be smaller than the cache, and others take from it: what open segments keep decoded is charged while they
 * are read, after they were put here, so room for that is made before it is full. The piece in hand is the last to go. Under
 * the lock. */
static void keep_headroom(store_cache *cache, const store_piece *in_hand)
{
    const th_budget *budget = cache->budget;
    while (budget != NULL && cache->oldest != NULL && cache->oldest != in_hand &&
           th_budget_used(budget) > budget->limit_bytes / 4 * 3)
        drop(cache, cache->oldest);
}

store_piece *store_cache_get(store_cache *cache, uint32_t file, uint64_t place)
{
    pthread_mutex_lock(&cache->lock);
    store_piece *piece = find(cache, file, place);
    cache->uses++;
    if (piece != NULL) {
        atomic_fetch_add(&piece->refs, 1);
        unlink_used(cache, piece);
        link_newest(cache, piece);
        weigh(cache, piece);
        while (cache->used > cache->limit && cache->oldest != piece) drop(cache, cache->oldest);
        keep_headroom(cache, piece);
    }
    pthread_mutex_unlock(&cache->lock);
    return piece;
}

/* Under the lock: make room; false when the piece is better not kept. */
static bool make_room(store_cache *cache, size_t bytes)
{
    if (bytes > cache->limit) return false;
    while (cache->oldest != NULL && cache->used + bytes > cache->limit) drop(cache, cache->oldest);
    while (!th_budget_charge(cache->budget, bytes)) {
        if (cache->oldest == NULL) return false;
        drop(cache, cache->oldest);
    }
    return true;
}

store_piece *store_cache_put(store_cache *cache, store_piece *piece)
{
    TH_ASSERT(atomic_load(&piece->refs) == 1);
    pthread_mutex_lock(&cache->lock);
    store_piece *other = find(cache, piece->file, piece->place);
    if (other != NULL) {
        atomic_fetch_add(&other->refs, 1);
    } else if (make_room(cache, piece->bytes)) {
        atomic_fetch_add(&piece->refs, 1);
        store_piece **bucket = bucket_of(cache, piece->file, piece->place);
        piece->chain = *bucket;
        *bucket = piece;
        link_newest(cache, piece);
        cache->used += piece->bytes;
        weigh(cache, piece);
        keep_headroom(cache, piece);
    }
    pthread_mutex_unlock(&cache->lock);
    if (other == NULL) return piece;
    store_piece_release(piece);
    return other;
}

bool store_cache_has_room(store_cache *cache, size_t bytes)
{
    pthread_mutex_lock(&cache->lock);
    bool room = cache->used + bytes <= cache->limit;
    pthread_mutex_unlock(&cache->lock);
    return room;
}

void store_cache_forget(store_cache *cache, uint32_t file)
{
    pthread_mutex_lock(&cache->lock);
    for (store_piece *piece = cache->newest, *older; piece != NULL; piece = older) {
        older = piece->older;
        if (piece->file == file) drop(cache, piece);
    }
    pthread_mutex_unlock(&cache->lock);
}

bool store_cache_trim(store_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    bool idle = cache->uses == cache->uses_seen && cache->used > 0;
    cache->uses_seen = cache->uses;
    while (idle && cache->newest != NULL) drop(cache, cache->newest);
    pthread_mutex_unlock(&cache->lock);
    return idle;
}

void store_cache_free(store_cache *cache)
{
    if (cache == NULL) return;
    while (cache->newest != NULL) drop(cache, cache->newest);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}
