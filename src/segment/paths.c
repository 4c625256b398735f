/* SPDX-License-Identifier: Apache-2.0
 * Finds the values of many paths in one pass over a record.
 *
 * The paths form a tree. Each inner node remembers the keys that its objects had, wanted or not, and which key followed
 * which: records of one service repeat their key order, so that nearly every key is settled by one comparison. */
#include <stdlib.h>

#include "base/assert.h"
#include "json/json.h"
#include "segment/paths.h"

#define NONE UINT32_MAX
#define DEPTH_MAX 64u
#define LEARNED_MAX 128u
#define LEARNED_SLOTS 256u
#define LEARNED_KEY_MAX 48u

typedef struct learned_key {
    uint8_t size;
    uint8_t bytes[LEARNED_KEY_MAX];
    bool exact;
    uint16_t next; /* key that followed, + 1 */
    uint32_t child;
} learned_key;

typedef struct memo {
    uint16_t first; /* key that objects begin with, + 1 */
    uint16_t count;
    uint16_t slots[LEARNED_SLOTS]; /* + 1 */
    learned_key keys[LEARNED_MAX];
} memo;

typedef enum rank { RANK_NONE, RANK_NOCASE, RANK_EXACT } rank;

typedef struct node {
    th_slice key;
    uint32_t first_child, next_sibling, children;
    bool wanted; /* a path ends here */
    uint8_t found;
    bool folded;
    th_slice value;
    memo *memo;
} node;

struct segment_paths {
    bool strict;
    char *text; /* what keys point into */
    node *nodes;
    uint32_t node_count;
    uint32_t *ends;   /* nodes of the alternatives of all paths */
    uint32_t *begins; /* per path: first of its ends; count + 1 of them */
};

static uint32_t child_called(const segment_paths *paths, uint32_t parent, th_slice key)
{
    for (uint32_t i = paths->nodes[parent].first_child; i != NONE; i = paths->nodes[i].next_sibling)
        if (th_slice_equal(paths->nodes[i].key, key)) return i;
    return NONE;
}

static uint32_t add_child(segment_paths *paths, uint32_t parent, th_slice key)
{
    uint32_t i = child_called(paths, parent, key);
    if (i != NONE) return i;
    i = paths->node_count++;
    paths->nodes[i] =
        (node){.key = key, .first_child = NONE, .next_sibling = paths->nodes[parent].first_child};
    paths->nodes[parent].first_child = i;
    paths->nodes[parent].children++;
    return i;
}

/* Insert one alternative; its end node. Steps beyond DEPTH_MAX make a path that nothing matches. */
static uint32_t add_path(segment_paths *paths, th_slice dotted)
{
    uint32_t at = 0;
    for (uint32_t depth = 0; depth < DEPTH_MAX; depth++) {
        size_t dot = th_slice_find(dotted, TH_SLICE("."));
        th_slice key = {dotted.bytes, dot == SIZE_MAX ? dotted.size : dot};
        at = add_child(paths, at, key);
        if (dot == SIZE_MAX) {
            paths->nodes[at].wanted = true;
            return at;
        }
        dotted = (th_slice){dotted.bytes + dot + 1, dotted.size - dot - 1};
    }
    return NONE;
}

static void add_alternatives(segment_paths *paths, th_slice text, uint32_t *end_count)
{
    for (;;) {
        size_t bar = th_slice_find(text, TH_SLICE("|"));
        th_slice one = {text.bytes, bar == SIZE_MAX ? text.size : bar};
        paths->ends[(*end_count)++] = add_path(paths, one);
        if (bar == SIZE_MAX) return;
        text = (th_slice){text.bytes + bar + 1, text.size - bar - 1};
    }
}

segment_paths *segment_paths_new(const char *const *names, uint32_t count, bool strict)
{
    size_t text_size = 1, steps = 1, ends = 0;
    for (uint32_t i = 0; i < count; i++) {
        ends++;
        steps++;
        for (const char *c = names[i]; *c != '\0'; c++) {
            ends += *c == '|';
            steps += *c == '|' || *c == '.';
        }
        text_size += strlen(names[i]) + 1;
    }
    segment_paths *paths = calloc(1, sizeof(*paths));
    if (paths == NULL) return NULL;
    paths->strict = strict;
    paths->text = malloc(text_size);
    paths->nodes = calloc(steps, sizeof(node));
    paths->ends = calloc(ends + 1, sizeof(uint32_t));
    paths->begins = calloc((size_t)count + 1, sizeof(uint32_t));
    if (paths->text == NULL || paths->nodes == NULL || paths->ends == NULL ||
        paths->begins == NULL) {
        segment_paths_free(paths);
        return NULL;
    }
    paths->nodes[0] = (node){.first_child = NONE, .next_sibling = NONE};
    paths->node_count = 1;
    char *text = paths->text;
    uint32_t end_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        memcpy(text, names[i], size);
        paths->begins[i] = end_count;
        add_alternatives(paths, th_slice_of(text, size), &end_count);
        text += size;
    }
    paths->begins[count] = end_count;
    TH_ASSERT(paths->node_count <= steps && end_count <= ends);
    return paths;
}

void segment_paths_free(segment_paths *paths)
{
    if (paths == NULL) return;
    for (uint32_t i = 0; i < paths->node_count; i++) free(paths->nodes[i].memo);
    free(paths->nodes);
    free(paths->ends);
    free(paths->begins);
    free(paths->text);
    free(paths);
}

/* Which child of parent a key is, by comparing with all of them. */
static uint32_t settle_key(const segment_paths *paths, uint32_t parent, th_slice key, bool *exact)
{
    uint32_t nocase = NONE;
    for (uint32_t i = paths->nodes[parent].first_child; i != NONE;
         i = paths->nodes[i].next_sibling) {
        const node *child = &paths->nodes[i];
        if (th_json_key_equals(key, child->key)) {
            *exact = true;
            return i;
        }
        if (!paths->strict && th_json_key_equals_nocase(key, child->key)) nocase = i;
    }
    *exact = false;
    return nocase;
}

static uint32_t key_slot(th_slice key)
{
    uint32_t h = (uint32_t)key.size * 131u + key.bytes[0] * 31u + key.bytes[key.size - 1] * 7u +
                 key.bytes[key.size / 2];
    return h % LEARNED_SLOTS;
}

static bool is_learned(const learned_key *learned, th_slice key)
{
    return learned->size == key.size && memcmp(learned->bytes, key.bytes, key.size) == 0;
}

/* The learned key, + 1, learning it when there is room; 0 = not learned. */
static uint16_t learn_key(const segment_paths *paths, uint32_t parent, memo *m, th_slice key)
{
    uint32_t slot = key_slot(key);
    while (m->slots[slot] != 0) {
        if (is_learned(&m->keys[m->slots[slot] - 1], key)) return m->slots[slot];
        slot = (slot + 1) % LEARNED_SLOTS;
    }
    if (m->count == LEARNED_MAX) return 0;
    learned_key *learned = &m->keys[m->count];
    learned->size = (uint8_t)key.size;
    memcpy(learned->bytes, key.bytes, key.size);
    learned->child = settle_key(paths, parent, key, &learned->exact);
    m->slots[slot] = ++m->count;
    return m->count;
}

/* Child of parent that key names, or NONE. *at: what follows the key before (its guess). */
static uint32_t find_child(segment_paths *paths, uint32_t parent, th_slice key, uint16_t **at,
                           bool *exact)
{
    memo *m = paths->nodes[parent].memo;
    if (m == NULL || key.size == 0 || key.size > LEARNED_KEY_MAX)
        return settle_key(paths, parent, key, exact);
    uint16_t guess = **at;
    if (guess == 0 || !is_learned(&m->keys[guess - 1], key)) {
        guess = learn_key(paths, parent, m, key);
        if (guess == 0) return settle_key(paths, parent, key, exact);
        **at = guess;
    }
    learned_key *learned = &m->keys[guess - 1];
    *at = &learned->next;
    *exact = learned->exact;
    return learned->child;
}

static void forget(segment_paths *paths, uint32_t parent)
{
    for (uint32_t i = paths->nodes[parent].first_child; i != NONE;
         i = paths->nodes[i].next_sibling) {
        paths->nodes[i].found = RANK_NONE;
        forget(paths, i);
    }
}

/* Depth is that of the tree of paths, at most DEPTH_MAX. */
static void walk(segment_paths *paths, uint32_t parent, th_slice object, bool folded)
{
    node *self = &paths->nodes[parent];
    if (self->memo == NULL) self->memo = calloc(1, sizeof(memo)); /* without one: slower */
    uint16_t nothing = 0;
    uint16_t *at = self->memo == NULL ? &nothing : &self->memo->first;
    uint32_t exact_count = 0;
    th_json_iter it = th_json_iter_of(object);
    th_slice key, value;
    while (exact_count < self->children && th_json_next(&it, &key, &value)) {
        bool exact = false;
        uint32_t i = find_child(paths, parent, key, &at, &exact);
        if (i == NONE) continue;
        node *child = &paths->nodes[i];
        uint8_t found = exact ? RANK_EXACT : RANK_NOCASE;
        if (found <= child->found) continue;
        if (child->found == RANK_NOCASE) forget(paths, i);
        child->found = found;
        child->folded = folded || !exact;
        child->value = value;
        exact_count += exact;
        if (child->children > 0 && value.size > 0 && value.bytes[0] == '{')
            walk(paths, i, value, child->folded);
    }
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

void segment_paths_run(segment_paths *paths, th_slice record)
{
    for (uint32_t i = 0; i < paths->node_count; i++) paths->nodes[i].found = RANK_NONE;
    while (record.size > 0 && is_space(record.bytes[0]))
        record = (th_slice){record.bytes + 1, record.size - 1};
    while (record.size > 0 && is_space(record.bytes[record.size - 1])) record.size--;
    if (record.size > 0 && record.bytes[0] == '{') walk(paths, 0, record, false);
}

th_slice segment_paths_value(const segment_paths *paths, uint32_t i, bool *folded)
{
    th_slice null = {NULL, 0};
    for (uint32_t k = paths->begins[i]; k < paths->begins[i + 1]; k++) {
        if (paths->ends[k] == NONE) continue;
        const node *end = &paths->nodes[paths->ends[k]];
        if (end->found == RANK_NONE) continue;
        *folded |= end->folded;
        if (th_json_kind_of(end->value) != TH_JSON_NULL) return end->value;
        if (null.bytes == NULL) null = end->value;
    }
    return null;
}

uint32_t segment_paths_found(const segment_paths *paths, uint32_t i)
{
    uint32_t found = 0;
    for (uint32_t k = paths->begins[i]; k < paths->begins[i + 1]; k++)
        found += paths->ends[k] != NONE && paths->nodes[paths->ends[k]].found != RANK_NONE;
    return found;
}

uint32_t segment_line_index(th_slice layout, const char *path)
{
    th_slice text = th_slice_text(path);
    for (;;) {
        size_t bar = th_slice_find(text, TH_SLICE("|"));
        uint32_t index = th_model_layout_index(
            layout, (th_slice){text.bytes, bar == SIZE_MAX ? text.size : bar});
        if (index != UINT32_MAX || bar == SIZE_MAX) return index;
        text = (th_slice){text.bytes + bar + 1, text.size - bar - 1};
    }
}

bool segment_cell_of_json(th_slice raw, th_arena *arena, uint8_t *kind, th_slice *text)
{
    *text = (th_slice){NULL, 0};
    *kind = TH_CELL_ABSENT;
    if (raw.bytes == NULL || raw.size == 0) return true;
    switch (th_json_kind_of(raw)) {
    case TH_JSON_NULL: *kind = TH_CELL_NULL; return true;
    case TH_JSON_STRING:
        *kind = TH_CELL_STRING;
        *text = th_json_string(raw, arena);
        return text->bytes != NULL;
    default:
        *kind = TH_CELL_JSON;
        *text = raw;
        return true;
    }
}

void segment_cell_of_field(th_slice field, uint8_t *kind, th_slice *text)
{
    bool dash = field.size == 1 && field.bytes[0] == '-';
    *kind = field.bytes == NULL ? TH_CELL_ABSENT : dash ? TH_CELL_NULL : TH_CELL_STRING;
    *text = *kind == TH_CELL_STRING ? field : (th_slice){NULL, 0};
}
