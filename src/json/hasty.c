/* SPDX-License-Identifier: Apache-2.0
 * The judge's fast lane. It knows the grammar of everything that is common and stops before anything else, so it never
 * refuses: value.c looks at the same bytes again and decides. It stays HASTY_ROOM bytes away from the end, so that a token
 * can be looked at without asking at every byte whether there is one. */
#include "json/json_private.h"

enum { HASTY_ROOM = 64 };

/* What follows a backslash: how long the escape is; 0 = not one, 6 = \u. */
static const uint8_t escapes[256] = {['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2,
                                     ['n'] = 2, ['r'] = 2,  ['t'] = 2, ['u'] = 6};

static inline bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (uint8_t)((c | 0x20) - 'a') < 6;
}

/* An escape, a byte that is not ASCII, or a byte that may not be in a string: behind it, or NULL. */
static const uint8_t *odd_byte(const uint8_t *p)
{
    if (*p == '\\') {
        size_t size = escapes[p[1]];
        if (size == 6 && !(is_hex(p[2]) && is_hex(p[3]) && is_hex(p[4]) && is_hex(p[5])))
            return NULL;
        return size == 0 ? NULL : p + size;
    }
    size_t size = *p < 0x80 ? 0 : th_utf8_size(p, HASTY_ROOM / 2);
    return size == 0 ? NULL : p + size;
}

/* p is behind the opening quote: behind the closing one, or NULL. *odd: there is more in it than plain ASCII text. */
static inline const uint8_t *hasty_string(const uint8_t *p, const uint8_t *limit, bool *odd)
{
    *odd = false;
    for (;;) {
        size_t at = json_first_special(p);
        p += at;
        if (at < 16) {
            if (*p == '"') return p + 1;
            *odd = true;
            p = odd_byte(p);
            if (p == NULL) return NULL;
        }
        if (p > limit) return NULL;
    }
}

/* true, false, null or a whole number: behind it, or NULL. */
static inline const uint8_t *hasty_scalar(const uint8_t *p, const uint8_t *limit)
{
    if (*p == 't') return memcmp(p, "true", 4) == 0 ? p + 4 : NULL;
    if (*p == 'f') return memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
    if (*p == 'n') return memcmp(p, "null", 4) == 0 ? p + 4 : NULL;
    if (*p == '-') p++;
    const uint8_t *first = p;
    while (*p >= '0' && *p <= '9') {
        if (++p > limit) return NULL;
    }
    if (p == first || (*first == '0' && p != first + 1)) return NULL;
    return *p == '.' || *p == 'e' || *p == 'E' ? NULL : p;
}

/* Behind blanks; limit at most, which is then no place to go on from. */
static inline const uint8_t *hasty_blank(const uint8_t *p, const uint8_t *limit)
{
    while (*p <= ' ' && json_is_blank(*p) && p < limit) p++;
    return p;
}

/* A key and its colon, p at its quote: behind the colon, or NULL. */
static inline const uint8_t *hasty_key(const uint8_t *p, const uint8_t *limit, th_slice *key,
                                       bool *odd)
{
    if (*p != '"') return NULL;
    const uint8_t *end = hasty_string(p + 1, limit, odd);
    if (end == NULL || end > limit) return NULL;
    *key = (th_slice){p + 1, (size_t)(end - p - 2)};
    end = hasty_blank(end, limit);
    return *end == ':' ? end + 1 : NULL;
}

static inline bool in_object(const json_checker *c, uint32_t depth)
{
    return (c->is_object[(depth - 1) / 64] >> ((depth - 1) % 64) & 1) != 0;
}

/* An opening bracket at p. *inside: a value follows in it, else it was closed at once. Behind it (and behind the first key), or
 * NULL. */
static inline const uint8_t *hasty_open(json_checker *c, const uint8_t *p, const uint8_t *limit,
                                        bool *inside)
{
    bool object = *p == '{';
    uint32_t depth = c->depth;
    if (depth == c->depth_max) return NULL;
    p = hasty_blank(p + 1, limit);
    *inside = *p != (object ? '}' : ']');
    if (!*inside) return p + 1;
    th_slice key = {0};
    bool odd = false;
    if (object) p = hasty_key(p, limit, &key, &odd);
    if (p == NULL) return NULL;
    if (object && depth == 0) json_note_key(c, key, odd);
    uint64_t bit = UINT64_C(1) << (depth % 64), *word = &c->is_object[depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    c->depth = depth + 1;
    return p;
}

/* After a value: closes what closes. To where the next value starts, or NULL: pos is behind the last value. */
static inline const uint8_t *hasty_after(json_checker *c, const uint8_t *limit)
{
    while (c->depth > 0 && c->pos <= limit) {
        bool object = in_object(c, c->depth);
        const uint8_t *p = hasty_blank(c->pos, limit);
        if (*p == ',') {
            if (!object) return p + 1;
            th_slice key;
            bool odd;
            p = hasty_key(hasty_blank(p + 1, limit), limit, &key, &odd);
            if (p != NULL && c->depth == 1) json_note_key(c, key, odd);
            return p;
        }
        if (*p != (object ? '}' : ']')) return NULL;
        c->pos = p + 1;
        if (--c->depth == 1) json_note_value(c, c->pos);
    }
    return NULL;
}

json_step json_hasty_run(json_checker *c)
{
    if (c->end - c->pos < HASTY_ROOM) return JSON_AT_VALUE;
    const uint8_t *limit = c->end - HASTY_ROOM;
    for (const uint8_t *p = c->pos; p <= limit;) {
        c->pos = p;
        p = hasty_blank(p, limit);
        if (c->depth == 1) c->value_at = p;
        bool inside = false, odd;
        if (*p == '"')
            p = hasty_string(p + 1, limit, &odd);
        else if (*p == '{' || *p == '[')
            p = hasty_open(c, p, limit, &inside);
        else
            p = hasty_scalar(p, limit);
        if (p == NULL) return JSON_AT_VALUE;
        c->pos = p;
        if (inside) continue;
        if (c->depth == 1) json_note_value(c, p);
        p = hasty_after(c, limit);
        if (p == NULL) return c->depth == 0 ? JSON_DONE : JSON_AFTER_VALUE;
        c->pos = p;
    }
    return JSON_AT_VALUE;
}
