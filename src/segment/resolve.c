/* SPDX-License-Identifier: Apache-2.0
 * Walks the literals of a shape as the JSON that they are, with holes where values go: where does a path lead? */
#include "json/json.h"
#include "segment/route.h"

#define PATH_STEPS_MAX 64u

/* A place in a shape: a byte of one of its literals; at the literal's end is the hole of the next value. */
typedef struct place {
    uint32_t joint;
    uint32_t at;
} place;

typedef struct walk {
    const th_slice *literals;
    const uint32_t *joints;
    uint32_t slots;
    bool bad;
} walk;

enum { HOLE = 256, END = 257 };

static th_slice literal_at(const walk *w, place p)
{
    return w->literals[w->joints[p.joint]];
}

static unsigned peek(const walk *w, place p)
{
    th_slice literal = literal_at(w, p);
    if (p.at < literal.size) return literal.bytes[p.at];
    return p.joint < w->slots ? HOLE : END;
}

static void skip_space(const walk *w, place *p)
{
    th_slice literal = literal_at(w, *p);
    while (p->at < literal.size) {
        uint8_t c = literal.bytes[p->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
        p->at++;
    }
}

/* Behind the quote that ends a key; p is behind the one that begins it. Keys lie in one literal. */
static th_slice take_key(walk *w, place *p)
{
    th_slice literal = literal_at(w, *p);
    uint32_t begin = p->at;
    while (p->at < literal.size && literal.bytes[p->at] != '"')
        p->at += literal.bytes[p->at] == '\\' ? 2 : 1;
    if (p->at >= literal.size) {
        w->bad = true;
        return (th_slice){NULL, 0};
    }
    return th_slice_of(literal.bytes + begin, p->at++ - begin);
}

/* Is there a quote at p with a hole behind it? */
static bool opens_value(const walk *w, place p)
{
    return p.at + 1 == literal_at(w, p).size && p.joint < w->slots;
}

/* Over the hole of a string; p is at the quote before it. */
static void skip_string(walk *w, place *p)
{
    *p = (place){p->joint + 1, 0};
    if (peek(w, *p) != '"')
        w->bad = true;
    else
        p->at = 1;
}

/* Over brackets and what they hold; p is at the first. */
static void skip_brackets(walk *w, place *p)
{
    uint32_t depth = 0;
    do {
        unsigned c = peek(w, *p);
        if (c == HOLE) {
            *p = (place){p->joint + 1, 0};
            continue;
        }
        if (c == END) {
            w->bad = true;
            return;
        }
        if (c == '"' && opens_value(w, *p)) {
            skip_string(w, p);
            continue;
        }
        p->at++;
        if (c == '"') (void)take_key(w, p);
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
    } while (depth > 0 && !w->bad);
}

/* Over a value. */
static void skip_value(walk *w, place *p)
{
    unsigned c = peek(w, *p);
    if (c == HOLE)
        *p = (place){p->joint + 1, 0};
    else if (c == '"' && opens_value(w, *p))
        skip_string(w, p);
    else if (c == '{' || c == '[')
        skip_brackets(w, p);
    else
        w->bad = true;
}

/* The member of the object at p that key names: exactly, else but for case. False: none. */
static bool find_member(walk *w, place p, th_slice key, bool strict, place *out)
{
    bool found = false;
    p.at++;
    for (;;) {
        skip_space(w, &p);
        unsigned c = peek(w, p);
        if (c == ',') {
            p.at++;
            continue;
        }
        if (c != '"') {
            w->bad |= c != '}';
            return found;
        }
        p.at++;
        th_slice name = take_key(w, &p);
        skip_space(w, &p);
        if (w->bad || peek(w, p) != ':') {
            w->bad = true;
            return false;
        }
        p.at++;
        skip_space(w, &p);
        bool exact = th_json_key_equals(name, key);
        if (exact || (!strict && !found && th_json_key_equals_nocase(name, key))) {
            *out = p;
            found = true;
            if (exact) return true;
        }
        skip_value(w, &p);
        if (w->bad) return false;
    }
}

/* One alternative: false when it is not there. */
static bool find_path(walk *w, th_slice path, bool strict, segment_spot *out)
{
    place p = {0, 0};
    skip_space(w, &p);
    for (uint32_t depth = 0;; depth++) {
        if (depth == PATH_STEPS_MAX || peek(w, p) != '{') return false;
        size_t dot = th_slice_find(path, TH_SLICE("."));
        th_slice key = {path.bytes, dot == SIZE_MAX ? path.size : dot};
        if (!find_member(w, p, key, strict, &p)) return false;
        if (dot == SIZE_MAX) break;
        path = (th_slice){path.bytes + dot + 1, path.size - dot - 1};
    }
    place begin = p;
    unsigned c = peek(w, p);
    skip_value(w, &p);
    if (c == HOLE || c == '"') {
        uint8_t kind = c == HOLE ? SEGMENT_SPOT_SCALAR : SEGMENT_SPOT_STRING;
        *out = (segment_spot){.kind = kind, .first = begin.joint, .count = 1};
    } else {
        *out = (segment_spot){.kind = SEGMENT_SPOT_TEXT,
                              .first = begin.joint,
                              .count = p.joint - begin.joint,
                              .joint = begin.joint,
                              .from = begin.at,
                              .to = p.at};
    }
    return !w->bad;
}

th_err segment_resolve(const segment_skeleton *k, uint32_t shape, const char *name, bool strict,
                       th_arena *arena, segment_spots *out)
{
    walk w = {.literals = k->literals, .joints = k->joints[shape], .slots = k->shapes[shape].count};
    uint32_t alternatives = 1, count = 0;
    for (const char *c = name; *c != '\0'; c++) alternatives += *c == '|';
    segment_spot *spots = NULL;
    th_slice rest = th_slice_text(name);
    for (uint32_t i = 0; i < alternatives; i++) {
        size_t bar = th_slice_find(rest, TH_SLICE("|"));
        th_slice path = {rest.bytes, bar == SIZE_MAX ? rest.size : bar};
        segment_spot spot;
        if (find_path(&w, path, strict, &spot)) {
            if (spots == NULL) spots = TH_NEW_ARRAY(arena, segment_spot, alternatives - i);
            if (spots == NULL) return TH_ELIMIT;
            spots[count++] = spot;
            if (spot.kind != SEGMENT_SPOT_SCALAR) break; /* never null: the others do not count */
        }
        if (w.bad) return TH_ECORRUPT;
        if (bar != SIZE_MAX) rest = (th_slice){rest.bytes + bar + 1, rest.size - bar - 1};
    }
    *out = (segment_spots){spots, count};
    return TH_OK;
}
