/* SPDX-License-Identifier: Apache-2.0
 * Steps over JSON text that the files of this folder share. All stop at end, whatever the text is. */
#ifndef TH_JSON_JSON_PRIVATE_H
#define TH_JSON_JSON_PRIVATE_H

#include "json/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef int8_t json_lanes __attribute__((vector_size(16)));

/* Offset of the first lane that is not zero, 16 when all are. */
static inline size_t json_first_lane(json_lanes hits)
{
#if defined(__SSE2__)
    __m128i bytes;
    memcpy(&bytes, &hits, sizeof bytes);
    return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(bytes) | 0x10000u);
#else
    uint64_t halves[2];
    memcpy(halves, &hits, sizeof halves);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    halves[0] = __builtin_bswap64(halves[0]);
    halves[1] = __builtin_bswap64(halves[1]);
#endif
    if (halves[0] != 0) return (size_t)__builtin_ctzll(halves[0]) / 8;
    return halves[1] != 0 ? 8 + (size_t)__builtin_ctzll(halves[1]) / 8 : 16;
#endif
}

/* Among sixteen bytes, the first that is not plain ASCII text inside a string; 16 when all are. Signed: bytes from 0x80 on
 * are negative, so one comparison finds them and the controls. */
static inline size_t json_first_special(const uint8_t *p)
{
    json_lanes v;
    memcpy(&v, p, sizeof v);
    return json_first_lane((json_lanes)((v < 0x20) | (v == '"') | (v == '\\')));
}

static inline bool json_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* First byte of a string's inside that is not plain ASCII text: a quote, a backslash, a control or a byte >= 0x80. */
static inline const uint8_t *json_find_special(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 16) {
        size_t at = json_first_special(p);
        p += at;
        if (at < 16) return p;
    }
    while (p < end && json_is_plain(*p)) p++;
    return p;
}

/* First quote or backslash. */
static inline const uint8_t *json_find_quote(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 16) {
        json_lanes v;
        memcpy(&v, p, sizeof v);
        size_t at = json_first_lane((json_lanes)((v == '"') | (v == '\\')));
        p += at;
        if (at < 16) return p;
    }
    while (p < end && *p != '"' && *p != '\\') p++;
    return p;
}

static inline bool json_is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const uint8_t *json_skip_blank(const uint8_t *p, const uint8_t *end)
{
    while (p < end && json_is_blank(*p)) p++;
    return p;
}

/* Ends a number or a literal when it comes after one. */
static inline bool json_is_delimiter(uint8_t c)
{
    return json_is_blank(c) || c == ',' || c == ':' || c == '"' || c == '[' || c == ']' ||
           c == '{' || c == '}';
}

/* p is at an opening quote: behind the closing one, or end. */
const uint8_t *json_skip_string(const uint8_t *p, const uint8_t *end);
/* p is where a value starts: behind it, p itself when nothing like a value is there, or end. */
const uint8_t *json_skip_value(const uint8_t *p, const uint8_t *end);

/* ---- the judge's state, shared by value.c and hasty.c ------------------------------------------------------------------- */

enum { JSON_DEPTH_MOST = 1024 };

typedef struct json_checker {
    const uint8_t *pos;
    const uint8_t *end;
    const char *problem; /* what is wrong at pos */
    bool too_deep;
    uint32_t depth;
    uint32_t depth_max;
    th_json_members *members; /* NULL: nobody asks for them */
    const uint8_t *value_at;  /* where the value of the member at the top starts */
    th_slice key;             /* its key */
    uint64_t is_object[JSON_DEPTH_MOST / 64];
} json_checker;

/* A key of the object at the top. */
static inline void json_note_key(json_checker *c, th_slice key, bool escaped)
{
    c->key = key;
    if (escaped && c->members != NULL) c->members->escaped = true;
}

/* The value of a member at the top ends here. */
static inline void json_note_value(json_checker *c, const uint8_t *end)
{
    th_json_members *m = c->members;
    if (m == NULL || (c->is_object[0] & 1) == 0) return;
    if (m->count == TH_JSON_MEMBERS_MAX) {
        m->all = false;
        return;
    }
    m->at[m->count].key = c->key;
    m->at[m->count++].value = th_slice_of(c->value_at, (size_t)(end - c->value_at));
}

typedef enum json_step { JSON_DONE, JSON_AT_VALUE, JSON_AFTER_VALUE } json_step;
/* From pos, where a value should start, on over all that is plainly right; stops before what is not, what is unusual and the
 * end of the text, with pos and depth where the judge goes on. */
json_step json_hasty_run(json_checker *c);

/* Decode the escape at *p (a backslash) as UTF-8 into out and step over it; returns the bytes written, 1 to 4. */
size_t json_decode_escape(const uint8_t **p, const uint8_t *end, uint8_t out[4]);

#endif
