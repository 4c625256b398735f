/* SPDX-License-Identifier: Apache-2.0
 * The fast path of cutting, compiled once for each kind of vectors: whoever includes it defines
 *   WALK         the name of the function
 *   WALK_TARGET  an attribute, or nothing
 *   WALK_LANES   bytes compared at a time, a power of two up to 32
 *   walk_equal(a, b)   a mask with a bit for each of WALK_LANES bytes that are equal
 *   walk_special(p)    a mask with a bit for each byte that is a quote, a backslash, below 0x20 or above 0x7f
 * Nothing is read beyond the record; literals have SHAPE_PAD readable bytes behind them. */
#include "segment/shape_private.h"

WALK_TARGET static inline bool walk_matches(const shape_edge *e, const uint8_t *p, size_t left)
{
    if (e->size > left) return false;
    size_t size = e->size, at = 0;
    uint32_t all = WALK_LANES == 32 ? UINT32_MAX : (1u << (WALK_LANES & 31)) - 1;
    if (left < ((size + WALK_LANES - 1) & ~(size_t)(WALK_LANES - 1)))
        return memcmp(p, e->bytes, size) == 0;
    for (; size - at > WALK_LANES; at += WALK_LANES)
        if (walk_equal(p + at, e->bytes + at) != all) return false;
    if (size == at) return true;
    uint32_t differ = walk_equal(p + at, e->bytes + at) ^ all;
    return differ == 0 || (uint32_t)__builtin_ctz(differ) >= size - at;
}

/* Can this edge be taken at p? What follows the literal must fit, too: a literal that another one begins with. */
WALK_TARGET static inline bool walk_fits(const segment_shaper *s, const shape_edge *e,
                                         const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    if (!walk_matches(e, p, left)) return false;
    if (e->next == SHAPE_END) return e->size == left;
    if (s->columns[e->next - 1].kind == SEGMENT_LEAF_STRING) return true;
    if (e->size == left) return false;
    uint8_t c = p[e->size];
    return (c >= '0' && c <= '9') || c == '-' || c == 't' || c == 'f' || c == 'n';
}

WALK_TARGET static inline uint32_t walk_choose(segment_shaper *s, uint32_t state, uint32_t guess,
                                               const uint8_t *p, const uint8_t *end)
{
    if (guess != SHAPE_NONE && walk_fits(s, &s->edges[guess], p, end)) return guess;
    shape_state *x = &s->states[state];
    for (uint32_t i = 0; i < x->count; i++) {
        uint32_t edge = x->edges[i];
        if (edge == guess || !walk_fits(s, &s->edges[edge], p, end)) continue;
        memmove(x->edges + 1, x->edges, i * sizeof(uint32_t));
        x->edges[0] = edge;
        return edge;
    }
    return SHAPE_NONE;
}

/* The closing quote of the string whose inside begins at p; NULL when there is none or the inside is not valid. */
WALK_TARGET static inline const uint8_t *walk_string(const uint8_t *p, const uint8_t *end)
{
    for (;;) {
        while ((size_t)(end - p) >= WALK_LANES) {
            uint32_t special = walk_special(p);
            if (special != 0) {
                p += __builtin_ctz(special);
                break;
            }
            p += WALK_LANES;
        }
        if ((size_t)(end - p) < WALK_LANES)
            while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') p++;
        if (p == end) return NULL;
        if (*p == '"') return p;
        p = shape_string_step(p, end);
        if (p == NULL) return NULL;
    }
}

WALK_TARGET bool WALK(segment_shaper *s, th_slice record, segment_value *values, uint32_t *slots,
                      uint64_t *hash)
{
    const uint8_t *start = record.bytes, *p = start, *end = start + record.size;
    uint32_t state = 0, edge = SHAPE_NONE, n = 0;
    uint64_t h = 0;
    uint32_t guess = s->states[0].count > 0 ? s->states[0].edges[0] : SHAPE_NONE;
    for (;;) {
        uint32_t taken = walk_choose(s, state, guess, p, end);
        if (taken == SHAPE_NONE) return false;
        if (edge != SHAPE_NONE) s->edges[edge].follow = taken;
        edge = taken;
        const shape_edge *e = &s->edges[edge];
        s->path[n] = e->literal;
        h = shape_mix(h, e->literal);
        if (e->next == SHAPE_END) break;
        if (n == SEGMENT_SLOTS_MAX) return false;
        p += e->size;
        state = e->next;
        guess = e->follow;
        const uint8_t *past = s->columns[state - 1].kind == SEGMENT_LEAF_STRING
                                  ? walk_string(p, end)
                                  : shape_scalar_end(p, end);
        if (past == NULL) return false;
        values[n++] = (segment_value){state - 1, (uint32_t)(p - start), (uint32_t)(past - p)};
        p = past;
    }
    *slots = n;
    *hash = h;
    return true;
}
