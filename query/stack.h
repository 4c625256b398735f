/* SPDX-License-Identifier: Apache-2.0
 * A guard for code that recurses over what a user wrote: SQL runs on threads with 512 KiB of stack. */
#ifndef TH_QUERY_STACK_H
#define TH_QUERY_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes that parsing, binding and planning may use below the place where the guard was set. */
#define QUERY_STACK_MAX (384u << 10)

/* For helpers beside the path of a recursion: their locals stay out of its frames. */
#define STACK_OWN_FRAME __attribute__((noinline))

typedef struct stack_guard {
    uintptr_t base;
} stack_guard;

static inline __attribute__((always_inline)) stack_guard stack_guard_here(void)
{
    return (stack_guard){(uintptr_t)__builtin_frame_address(0)};
}

static inline __attribute__((always_inline)) bool stack_guard_full(const stack_guard *guard)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return (guard->base > here ? guard->base - here : here - guard->base) > QUERY_STACK_MAX;
}

#endif
