/* SPDX-License-Identifier: Apache-2.0
 * Memory with one lifetime: a query, a batch, a request. Allocation is a pointer bump; everything dies together.
 *
 * An arena has a limit, and charges what it takes from the system to a budget (base/budget.h), so that a full
 * arena is an error of that query alone. Not for use by two threads at once. */
#ifndef TH_BASE_ARENA_H
#define TH_BASE_ARENA_H

#include "base/budget.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct th_arena th_arena;

/* limit_bytes: most that this arena may take; budget may be NULL (charged to nobody). NULL when out of memory. */
th_arena *th_arena_new(size_t limit_bytes, th_budget *budget);
/* Accepts NULL. */
void th_arena_free(th_arena *arena);
/* Forget all allocations, keep one chunk for reuse. All pointers from it die. */
void th_arena_reset(th_arena *arena);
/* From now on a reset keeps up to so many bytes: for a loop whose rounds all need megabytes. */
void th_arena_keep(th_arena *arena, size_t bytes);

/* size bytes aligned to 16, uninitialised; followed by 64 readable bytes for vector loads. NULL when the limit or
 * the budget is reached: report TH_ELIMIT. size 0 gives a valid pointer. */
void *th_arena_alloc(th_arena *arena, size_t size);
/* The same, zeroed; count * size is checked for overflow. */
void *th_arena_zalloc(th_arena *arena, size_t count, size_t size);
/* Copy of the bytes, with a terminating NUL behind them. bytes == NULL in the result: no memory. */
th_slice th_arena_copy(th_arena *arena, th_slice bytes);
/* printf into the arena; NULL when no memory. */
char *th_arena_printf(th_arena *arena, const char *fmt, ...) TH_PRINTF(2, 3);
/* An array of count elements of `size` bytes with room for one more: old itself, or a copy twice as large (the old one
 * stays in the arena). *room is its capacity; start with old NULL and *room 0. NULL when no memory. */
void *th_arena_room(th_arena *arena, void *old, size_t count, size_t *room, size_t size);
/* Bytes taken from the system at present. */
size_t th_arena_used(const th_arena *arena);

#define TH_NEW(arena, type) ((type *)th_arena_zalloc((arena), 1, sizeof(type)))
#define TH_NEW_ARRAY(arena, type, count) ((type *)th_arena_zalloc((arena), (count), sizeof(type)))

#endif
