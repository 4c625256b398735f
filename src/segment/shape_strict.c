/* SPDX-License-Identifier: Apache-2.0
 * The strict way to cut a record. json/ judges the text; what it let through is walked byte by byte, and literals,
 * nodes and columns are learnt on the way. Lines are cut where the model says that their fields are. */
#include "json/json.h"
#include "segment/shape_private.h"

typedef struct cutter {
    segment_shaper *shaper;
    const uint8_t *start, *pos, *end;
    const uint8_t *from; /* where the literal in hand begins */
    uint32_t state, edge;
    segment_value *values;
    uint32_t slots;
    uint32_t depth;
    bool key_next; /* the next string is a key */
    uint32_t node; /* of the value to come */
    struct {
        uint32_t node;
        bool array;
        uint64_t serial;
    } open[SEGMENT_DEPTH_MAX];
} cutter;

/* What came after this place last time. */
static uint32_t guess_edge(const cutter *c)
{
    if (c->edge != SHAPE_NONE) return c->shaper->edges[c->edge].follow;
    const shape_state *start = &c->shaper->states[0];
    return start->count > 0 ? start->edges[0] : SHAPE_NONE;
}

/* The literal up to `to` leads to state next. */
static bool end_literal(cutter *c, const uint8_t *to, uint32_t next)
{
    segment_shaper *s = c->shaper;
    size_t size = (size_t)(to - c->from);
    if (size > SEGMENT_LITERAL_MAX) return false;
    uint32_t edge = guess_edge(c);
    const shape_edge *e = edge == SHAPE_NONE ? NULL : &s->edges[edge];
    if (e == NULL || e->next != next || e->size != size || memcmp(e->bytes, c->from, size) != 0)
        edge = shape_edge_of(s, c->state, th_slice_of(c->from, size), next);
    if (edge == SHAPE_NONE) return false;
    if (c->edge != SHAPE_NONE) s->edges[c->edge].follow = edge;
    s->path[c->slots] = s->edges[edge].literal;
    c->edge = edge;
    c->state = next;
    return true;
}

static bool put_value(cutter *c, uint32_t column, const uint8_t *first, const uint8_t *past)
{
    if (c->slots == SEGMENT_SLOTS_MAX || column == SHAPE_NONE || !end_literal(c, first, column + 1))
        return false;
    c->values[c->slots++] =
        (segment_value){column, (uint32_t)(first - c->start), (uint32_t)(past - first)};
    c->from = past;
    return true;
}

/* The node of a key, as often as it is spelt; false when the object has it twice. */
static bool take_key(cutter *c, th_slice key)
{
    segment_shaper *s = c->shaper;
    uint32_t parent = c->open[c->depth - 1].node;
    uint32_t node = shape_node_of(s, parent, SEGMENT_NODE_MEMBER, key, 0);
    if (node == SHAPE_NONE) return false;
    if (s->nodes[node].same == node && key.size > 0 && memchr(key.bytes, '\\', key.size) != NULL) {
        th_slice text = th_json_key(key, s->scratch);
        if (text.bytes == NULL) return false;
        uint32_t same = shape_node_of(s, parent, SEGMENT_NODE_MEMBER, text, 0);
        if (same == SHAPE_NONE) return false;
        s->nodes[node].same = same;
    }
    shape_node *judged = &s->nodes[s->nodes[node].same];
    if (judged->stamp == c->open[c->depth - 1].serial) return false;
    judged->stamp = c->open[c->depth - 1].serial;
    c->node = node;
    return true;
}

static bool open_container(cutter *c, bool array)
{
    if (c->depth == SEGMENT_DEPTH_MAX) return false;
    uint32_t node = c->node;
    c->open[c->depth].node = node;
    c->open[c->depth].array = array;
    c->open[c->depth].serial = ++c->shaper->objects;
    c->depth++;
    c->key_next = !array;
    if (!array) return true;
    c->node = shape_node_of(c->shaper, node, SEGMENT_NODE_ELEMENT, TH_SLICE(""), 0);
    return c->node != SHAPE_NONE;
}

static bool after_comma(cutter *c)
{
    bool array = c->open[c->depth - 1].array;
    c->key_next = !array;
    if (!array) return true;
    c->node =
        shape_node_of(c->shaper, c->open[c->depth - 1].node, SEGMENT_NODE_ELEMENT, TH_SLICE(""), 0);
    return c->node != SHAPE_NONE;
}

static bool take_string(cutter *c)
{
    const uint8_t *first = c->pos + 1, *last = first;
    while (*last != '"') last += *last == '\\' ? 2 : 1;
    c->pos = last + 1;
    if (c->key_next) {
        c->key_next = false;
        return take_key(c, th_slice_of(first, (size_t)(last - first)));
    }
    return put_value(c, shape_column_of(c->shaper, c->node, SEGMENT_LEAF_STRING), first, last);
}

static bool take_scalar(cutter *c)
{
    const uint8_t *first = c->pos, *past = shape_scalar_end(first, c->end);
    if (past == NULL) return false;
    c->pos = past;
    return put_value(c, shape_column_of(c->shaper, c->node, SEGMENT_LEAF_SCALAR), first, past);
}

/* The text was judged: what comes next is one of these. */
static bool take_next(cutter *c)
{
    switch (*c->pos) {
    case ' ':
    case '\t':
    case '\n':
    case '\r':
    case ':': c->pos++; return true;
    case '{':
    case '[': return open_container(c, *c->pos++ == '[');
    case '}':
    case ']':
        c->pos++;
        c->depth--;
        return true;
    case ',': c->pos++; return after_comma(c);
    case '"': return take_string(c);
    default: return take_scalar(c);
    }
}

bool shape_strict_json(segment_shaper *s, th_slice record, segment_value *values, uint32_t *slots)
{
    th_slice value;
    if (th_json_document(record, SEGMENT_DEPTH_MAX, &value, NULL) != TH_OK) return false;
    cutter c = {.shaper = s,
                .start = record.bytes,
                .pos = record.bytes,
                .end = record.bytes + record.size,
                .from = record.bytes,
                .edge = SHAPE_NONE,
                .values = values};
    th_arena_reset(s->scratch);
    while (c.pos < c.end)
        if (!take_next(&c)) return false;
    if (!end_literal(&c, c.end, SHAPE_END)) return false;
    *slots = c.slots;
    return true;
}

static bool put_field(cutter *c, th_slice field, uint32_t number)
{
    if (field.bytes < c->from || field.bytes + field.size > c->end) return false;
    segment_shaper *s = c->shaper;
    uint32_t room = sizeof(s->fields) / sizeof(s->fields[0]);
    uint32_t column = number < room ? s->fields[number] - 1 : SHAPE_NONE;
    if (column == SHAPE_NONE) {
        uint32_t node = shape_node_of(s, 0, SEGMENT_NODE_FIELD, TH_SLICE(""), number);
        if (node == SHAPE_NONE) return false;
        column = shape_column_of(s, node, SEGMENT_LEAF_FIELD);
        if (number < room) s->fields[number] = column + 1; /* SHAPE_NONE becomes 0 */
    }
    return put_value(c, column, field.bytes, field.bytes + field.size);
}

/* Words that the layout does not know, from *pos on: they are fields, too, so that the literal stays short. */
static bool put_words(cutter *c)
{
    const uint8_t *end = c->end;
    while (end > c->from && (end[-1] == '\n' || end[-1] == '\r')) end--;
    for (uint32_t number = TH_LINE_FIELDS_MAX; c->from < end; number++) {
        const uint8_t *first = c->from;
        while (first < end && *first == ' ') first++;
        if (first == end) return true;
        const uint8_t *past = memchr(first, ' ', (size_t)(end - first));
        if (past == NULL) past = end;
        if (!put_field(c, th_slice_of(first, (size_t)(past - first)), number)) return false;
    }
    return true;
}

bool shape_strict_line(segment_shaper *s, th_slice record, th_slice layout, segment_value *values,
                       uint32_t *slots)
{
    if (record.size == 0) return false;
    th_slice fields[TH_LINE_FIELDS_MAX];
    uint32_t count = th_model_line_split(record, layout, fields, TH_LINE_FIELDS_MAX);
    cutter c = {.shaper = s,
                .start = record.bytes,
                .end = record.bytes + record.size,
                .from = record.bytes,
                .edge = SHAPE_NONE,
                .values = values};
    for (uint32_t i = 0; i < count; i++)
        if (fields[i].bytes != NULL && !put_field(&c, fields[i], i)) return false;
    if (!put_words(&c) || !end_literal(&c, c.end, SHAPE_END)) return false;
    *slots = c.slots;
    return true;
}
