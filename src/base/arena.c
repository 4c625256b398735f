/* SPDX-License-Identifier: Apache-2.0
 * Chunks of malloc, newest first; allocation bumps `used` in the newest. Chunks grow from 64 KiB to 1 MiB; a request
 * that would waste much of a chunk gets one of its own, behind the newest, which stays in use.
 *
 *   chunk: [ header | allocations ... free ... | 64 spare bytes ]
 *
 * The spare bytes make every allocation readable 64 bytes past its end. In address-sanitizer builds what is not
 * allocated (but for those 64 bytes) is poisoned, so use after th_arena_reset stops at once. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#ifdef ARENA_POISONS
void __asan_poison_memory_region(void const volatile *addr, size_t size);
void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
#define POISON(p, size) __asan_poison_memory_region((p), (size))
#define UNPOISON(p, size) __asan_unpoison_memory_region((p), (size))
#else
#define POISON(p, size) ((void)0)
#define UNPOISON(p, size) ((void)0)
#endif

enum {
    ARENA_ALIGN = 16,
    ARENA_SPARE = 64,
    ARENA_CHUNK_MIN =
        4 << 10, /* a store keeps thousands of small segments open, an arena or two each */
    ARENA_CHUNK_MAX = 1 << 20,
    ARENA_MAGIC = 0x41524e41
};

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t total; /* bytes from malloc, header and spare included */
    size_t room;  /* bytes for allocations */
    size_t used;
} arena_chunk;

enum { ARENA_OVERHEAD = sizeof(arena_chunk) + ARENA_SPARE };
_Static_assert(sizeof(arena_chunk) % ARENA_ALIGN == 0, "allocations start aligned");

struct th_arena {
    uint32_t magic;
    size_t limit;
    size_t taken;
    size_t next_total; /* size of the next ordinary chunk */
    size_t keep;       /* bytes of ordinary chunks that a reset keeps beside the largest */
    th_budget *budget;
    arena_chunk *head;
    arena_chunk *spare; /* kept by the last reset and not used since */
};

static uint8_t *chunk_data(arena_chunk *chunk)
{
    return (uint8_t *)(chunk + 1);
}

static void arena_check(const th_arena *arena)
{
    TH_ASSERT(arena != NULL);
    TH_ASSERT(arena->magic == ARENA_MAGIC);
}

th_arena *th_arena_new(size_t limit_bytes, th_budget *budget)
{
    th_arena *arena = calloc(1, sizeof *arena);
    if (arena == NULL) return NULL;
    arena->magic = ARENA_MAGIC;
    arena->limit = limit_bytes;
    arena->next_total = ARENA_CHUNK_MIN;
    arena->budget = budget;
    return arena;
}

static void chunk_free(th_arena *arena, arena_chunk *chunk)
{
    th_budget_release(arena->budget, chunk->total);
    arena->taken -= chunk->total;
    UNPOISON(chunk_data(chunk), chunk->room + ARENA_SPARE);
    free(chunk);
}

static void free_list(th_arena *arena, arena_chunk *chunk)
{
    for (arena_chunk *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_free(arena, chunk);
    }
}

void th_arena_free(th_arena *arena)
{
    if (arena == NULL) return;
    arena_check(arena);
    free_list(arena, arena->head);
    free_list(arena, arena->spare);
    TH_ASSERT(arena->taken == 0);
    arena->magic = 0;
    free(arena);
}

static void chunk_clear(arena_chunk *chunk, arena_chunk *next)
{
    chunk->next = next;
    chunk->used = 0;
    POISON(chunk_data(chunk), chunk->room + ARENA_SPARE);
}

void th_arena_reset(th_arena *arena)
{
    arena_check(arena);
    /* Keep the largest ordinary chunk: a loop over batches then soon runs without malloc. */
    arena_chunk *keep = NULL;
    for (arena_chunk *c = arena->head; c != NULL; c = c->next) {
        if (c->total <= ARENA_CHUNK_MAX && (keep == NULL || c->total > keep->total)) keep = c;
    }
    arena_chunk *used = arena->head;
    size_t kept = 0;
    arena->head = NULL;
    for (arena_chunk *c = arena->spare; c != NULL; c = c->next) kept += c->total;
    for (arena_chunk *c = used, *next; c != NULL; c = next) {
        next = c->next;
        if (c == keep) {
            chunk_clear(c, NULL);
            arena->head = c;
        } else if (c->total == ARENA_CHUNK_MAX && c->total <= arena->keep - kept) {
            chunk_clear(c, arena->spare);
            arena->spare = c;
            kept += c->total;
        } else {
            chunk_free(arena, c);
        }
    }
}

void th_arena_keep(th_arena *arena, size_t bytes)
{
    arena_check(arena);
    if (bytes > arena->keep) arena->keep = bytes;
}

static arena_chunk *chunk_new(th_arena *arena, size_t total)
{
    if (total > arena->limit - arena->taken) return NULL;
    if (!th_budget_charge(arena->budget, total)) return NULL;
    arena_chunk *chunk = malloc(total);
    if (chunk == NULL) {
        th_budget_release(arena->budget, total);
        return NULL;
    }
    *chunk = (arena_chunk){.total = total,
                           .room = (total - ARENA_OVERHEAD) & ~(size_t)(ARENA_ALIGN - 1)};
    memset(chunk_data(chunk) + chunk->room, 0, ARENA_SPARE);
    POISON(chunk_data(chunk), chunk->room + ARENA_SPARE);
    arena->taken += total;
    return chunk;
}

static void *chunk_take(arena_chunk *chunk, size_t size)
{
    uint8_t *p = chunk_data(chunk) + chunk->used;
    chunk->used += size;
    UNPOISON(p, size + ARENA_SPARE);
    return p;
}

/* size is rounded up and does not fit the newest chunk. */
static void *alloc_slow(th_arena *arena, size_t size)
{
    size_t need = size + ARENA_OVERHEAD;
    if (size > arena->next_total / 4) {
        arena_chunk *own = chunk_new(arena, need);
        if (own == NULL && arena->spare != NULL) {
            free_list(arena, arena->spare);
            arena->spare = NULL;
            own = chunk_new(arena, need);
        }
        if (own == NULL) return NULL;
        if (arena->head == NULL) {
            arena->head = own;
        } else {
            own->next = arena->head->next;
            arena->head->next = own;
        }
        return chunk_take(own, size);
    }
    if (arena->spare != NULL) {
        arena_chunk *chunk = arena->spare;
        arena->spare = chunk->next;
        chunk->next = arena->head;
        arena->head = chunk;
        return chunk_take(chunk, size);
    }
    size_t left = arena->limit - arena->taken;
    size_t total = arena->next_total < left ? arena->next_total : left;
    arena_chunk *chunk = total >= need ? chunk_new(arena, total) : NULL;
    if (chunk == NULL) chunk = chunk_new(arena, need); /* the budget may still hold this much */
    if (chunk == NULL) return NULL;
    chunk->next = arena->head;
    arena->head = chunk;
    if (arena->next_total < ARENA_CHUNK_MAX) arena->next_total *= 2;
    return chunk_take(chunk, size);
}

void *th_arena_alloc(th_arena *arena, size_t size)
{
    arena_check(arena);
    if (size > SIZE_MAX - ARENA_OVERHEAD - ARENA_ALIGN) return NULL;
    size_t rounded =
        size == 0 ? ARENA_ALIGN : (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    arena_chunk *head = arena->head;
    if (head != NULL && rounded <= head->room - head->used) return chunk_take(head, rounded);
    return alloc_slow(arena, rounded);
}

void *th_arena_zalloc(th_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    void *p = th_arena_alloc(arena, bytes);
    if (p != NULL) memset(p, 0, bytes);
    return p;
}

th_slice th_arena_copy(th_arena *arena, th_slice bytes)
{
    if (bytes.size == SIZE_MAX) return (th_slice){0};
    uint8_t *p = th_arena_alloc(arena, bytes.size + 1);
    if (p == NULL) return (th_slice){0};
    if (bytes.size > 0) memcpy(p, bytes.bytes, bytes.size);
    p[bytes.size] = 0;
    return (th_slice){p, bytes.size};
}

char *th_arena_printf(th_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = size < 0 ? NULL : th_arena_alloc(arena, (size_t)size + 1);
    if (text != NULL) vsnprintf(text, (size_t)size + 1, fmt, again);
    va_end(again);
    return text;
}

size_t th_arena_used(const th_arena *arena)
{
    arena_check(arena);
    return arena->taken;
}

void *th_arena_room(th_arena *arena, void *old, size_t count, size_t *room, size_t size)
{
    if (count < *room) return old;
    size_t wanted = *room == 0 ? 64 : *room * 2;
    void *bigger = th_arena_zalloc(arena, wanted, size);
    if (bigger == NULL) return NULL;
    if (count > 0) memcpy(bigger, old, count * size);
    *room = wanted;
    return bigger;
}
