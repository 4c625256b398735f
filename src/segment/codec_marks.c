/* SPDX-License-Identifier: Apache-2.0
 * Sums kept with an open image, so that the middle of codes is as near as their beginning. A place is written once. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "segment/codec.h"

struct segment_marks {
    pthread_mutex_t lock; /* guards the arena */
    th_arena *arena;
    atomic_size_t *held; /* all that the image holds */
    uint32_t count;
    _Atomic(const uint32_t *) at[];
};

segment_marks *segment_marks_new(uint32_t count, size_t limit_bytes, th_budget *budget,
                                 atomic_size_t *held)
{
    segment_marks *m = calloc(1, sizeof(*m) + (size_t)count * sizeof(m->at[0]));
    if (m == NULL) return NULL;
    m->count = count;
    m->held = held;
    m->arena = th_arena_new(limit_bytes, budget);
    (void)pthread_mutex_init(&m->lock, NULL);
    if (m->arena != NULL) return m;
    segment_marks_free(m);
    return NULL;
}

void segment_marks_free(segment_marks *m)
{
    if (m == NULL) return;
    th_arena_free(m->arena);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

const uint32_t *segment_marks_get(const segment_marks *m, uint32_t number)
{
    if (m == NULL || number >= m->count) return NULL;
    return atomic_load_explicit(&m->at[number], memory_order_acquire);
}

uint32_t *segment_marks_room(segment_marks *m, size_t words)
{
    if (m == NULL) return NULL;
    (void)pthread_mutex_lock(&m->lock);
    size_t before = th_arena_used(m->arena);
    uint32_t *room = th_arena_zalloc(m->arena, words, sizeof(uint32_t));
    atomic_fetch_add_explicit(m->held, th_arena_used(m->arena) - before, memory_order_relaxed);
    (void)pthread_mutex_unlock(&m->lock);
    return room;
}

void segment_marks_put(segment_marks *m, uint32_t number, const uint32_t *words)
{
    if (number < m->count) atomic_store_explicit(&m->at[number], words, memory_order_release);
}
