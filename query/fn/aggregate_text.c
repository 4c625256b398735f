/* SPDX-License-Identifier: Apache-2.0
 * LISTAGG: texts joined, at most as long as Trino lets them be. */
#include <stdio.h>

#include "query/fn/aggregate_impl.h"

#define LISTAGG_MAX (1u << 20)

static bool room(th_agg_context *ctx, listagg_state *s, size_t more)
{
    if (s->size + more <= s->capacity) return true;
    size_t capacity = s->capacity == 0 ? 64 : s->capacity * 2;
    while (capacity < s->size + more) capacity *= 2;
    uint8_t *bytes = th_arena_alloc(ctx->arena, capacity);
    if (bytes == NULL) {
        agg_memory(ctx);
        return false;
    }
    if (s->size > 0) memcpy(bytes, s->bytes, s->size);
    s->bytes = bytes;
    s->capacity = capacity;
    return true;
}

static void append(listagg_state *s, th_slice text)
{
    if (text.size > 0) memcpy(s->bytes + s->size, text.bytes, text.size);
    s->size += text.size;
}

static void first_entry(th_agg_context *ctx, listagg_state *s, const th_value *args)
{
    if (ctx->arg_count > 1 && !args[1].null) s->separator = th_arena_copy(ctx->arena, args[1].s);
    if (ctx->arg_count < 4) return;
    s->filler = th_arena_copy(ctx->arena, args[2].s);
    s->with_count = args[3].i != 0;
}

void add_listagg(th_agg_context *ctx, void *state, const th_value *args)
{
    listagg_state *s = state;
    if (s->count++ == 0) first_entry(ctx, s, args);
    if (s->cut) return;
    th_slice separator = s->kept > 0 ? s->separator : (th_slice){0};
    size_t more = separator.size + args[0].s.size;
    if (s->size + more > LISTAGG_MAX) {
        s->cut = true;
        if (ctx->arg_count < 4)
            agg_fail(ctx, "EXCEEDED_FUNCTION_MEMORY_LIMIT",
                     "Concatenated string has the length in bytes larger than the maximum output "
                     "length 1048576");
        return;
    }
    if (!room(ctx, s, more)) return;
    append(s, separator);
    append(s, args[0].s);
    s->kept++;
}

void finish_listagg(th_agg_context *ctx, void *state, th_arena *arena, th_value *out)
{
    const listagg_state *s = state;
    char count[40] = "";
    out->null = s->count == 0;
    if (s->count == 0) return;
    if (s->cut && s->with_count)
        (void)snprintf(count, sizeof count, "(%lld)", (long long)(s->count - s->kept));
    size_t tail = s->cut ? s->separator.size + s->filler.size + strlen(count) : 0;
    listagg_state made = {.bytes = th_arena_alloc(arena, s->size + tail + 1)};
    if (made.bytes == NULL) {
        agg_memory(ctx);
        return;
    }
    append(&made, th_slice_of(s->bytes, s->size));
    if (s->cut) {
        if (s->kept > 0) append(&made, s->separator);
        append(&made, s->filler);
        append(&made, th_slice_text(count));
    }
    out->s = th_slice_of(made.bytes, made.size);
}
