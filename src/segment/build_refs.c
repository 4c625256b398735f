/* SPDX-License-Identifier: Apache-2.0
 * Columns that repeat another column's values row by row (a session's access key and a principal, an ARN in two places).
 * Candidates come from a sample of rows; a candidate is taken when four of five values of all rows are the same, and
 * more where the values are short as they are. */
#include <stdlib.h>

#include "base/hash.h"
#include "segment/build.h"

#define SAMPLE_ROWS 1024u
#define SIZE_MIN 6u    /* shorter values are equal by chance */
#define ENTRIES_MIN 4u /* columns with fewer distinct values are small as they are */
#define ROW_VALUES_MAX 512u

typedef struct pair_count {
    uint64_t pair; /* referring column << 32 | target, + 1 */
    uint32_t equal;
} pair_count;

typedef struct refs {
    const th_segment_builder *b;
    th_arena *arena;
    const uint8_t *held;
    uint8_t *eligible;
    uint32_t **rows; /* of each eligible column: the row of each value */
    pair_count *pairs;
    size_t room, count;
} refs;

static bool mark_eligible(refs *r)
{
    const th_segment_builder *b = r->b;
    r->eligible = TH_NEW_ARRAY(r->arena, uint8_t, b->column_count + 1u);
    if (r->eligible == NULL) return false;
    for (uint32_t i = 0; i < b->column_count; i++)
        r->eligible[i] = r->held[i] == BUILD_CODEC && b->columns[i].entry_count >= ENTRIES_MIN;
    for (uint32_t s = 0; s < b->shape_count; s++) {
        segment_shape learnt;
        segment_shaper_shape(b->book->shaper, b->shapes[s].number, &learnt);
        if (!learnt.repeats) continue;
        const uint32_t *columns = build_shape_columns(b, &b->shapes[s]);
        uint32_t *stamps = TH_NEW_ARRAY(r->arena, uint32_t, b->column_count + 1u);
        if (stamps == NULL) return false;
        for (uint32_t i = 0; i < learnt.slots; i++)
            if (stamps[columns[i]]++ > 0) r->eligible[columns[i]] = 0;
    }
    return true;
}

static bool fill_rows(refs *r)
{
    const th_segment_builder *b = r->b;
    uint32_t *next = TH_NEW_ARRAY(r->arena, uint32_t, b->column_count + 1u);
    r->rows = TH_NEW_ARRAY(r->arena, uint32_t *, b->column_count + 1u);
    if (next == NULL || r->rows == NULL) return false;
    for (uint32_t i = 0; i < b->column_count; i++) {
        if (!r->eligible[i]) continue;
        r->rows[i] = th_arena_alloc(r->arena, b->columns[i].count * sizeof(uint32_t));
        if (r->rows[i] == NULL) return false;
    }
    for (uint32_t row = 0; row < b->rows; row++) {
        if (b->row_shapes[row] == 0) continue;
        const build_shape *shape = &b->shapes[b->row_shapes[row] - 1];
        const uint32_t *columns = build_shape_columns(b, shape);
        for (uint32_t i = 0; i < shape->slots; i++)
            if (r->eligible[columns[i]]) r->rows[columns[i]][next[columns[i]]++] = row;
    }
    return true;
}

static void count_pair(refs *r, uint32_t column, uint32_t target)
{
    uint64_t pair = ((uint64_t)column << 32 | target) + 1;
    size_t slot = (size_t)(pair * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (r->room - 1);
    while (r->pairs[slot].pair != 0 && r->pairs[slot].pair != pair)
        slot = (slot + 1) & (r->room - 1);
    if (r->pairs[slot].pair == 0) {
        if (2 * r->count >= r->room) return; /* enough pairs for any real data */
        r->pairs[slot].pair = pair;
        r->count++;
    }
    r->pairs[slot].equal++;
}

/* Pairs of equal values in one row. */
static void sample_row(refs *r, const build_shape *shape, const uint32_t *next)
{
    const uint32_t *columns = build_shape_columns(r->b, shape);
    struct {
        th_slice value;
        uint32_t column;
    } seen[ROW_VALUES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < shape->slots && count < ROW_VALUES_MAX; i++) {
        uint32_t column = columns[i];
        if (!r->eligible[column]) continue;
        th_slice value = build_column_value(&r->b->columns[column], next[column]);
        if (value.size < SIZE_MIN) continue;
        for (uint32_t k = 0; k < count; k++) {
            if (!th_slice_equal(seen[k].value, value)) continue;
            uint32_t a = seen[k].column;
            count_pair(r, a > column ? a : column, a > column ? column : a);
        }
        seen[count].value = value;
        seen[count++].column = column;
    }
}

static bool sample(refs *r)
{
    const th_segment_builder *b = r->b;
    uint32_t *next = TH_NEW_ARRAY(r->arena, uint32_t, b->column_count + 1u);
    r->room = 1u << 16;
    r->pairs = TH_NEW_ARRAY(r->arena, pair_count, r->room);
    if (next == NULL || r->pairs == NULL) return false;
    uint32_t step = b->rows / SAMPLE_ROWS + 1;
    for (uint32_t row = 0; row < b->rows; row++) {
        if (b->row_shapes[row] == 0) continue;
        const build_shape *shape = &b->shapes[b->row_shapes[row] - 1];
        if (row % step == 0) sample_row(r, shape, next);
        const uint32_t *columns = build_shape_columns(b, shape);
        for (uint32_t i = 0; i < shape->slots; i++) next[columns[i]]++;
    }
    return true;
}

/* Few distinct values are few bytes a value as they are: then hardly any may differ. */
static uint32_t most_others(const build_column *c)
{
    return c->entry_count > c->count / 4 ? c->count / 5 : c->count / 50;
}

/* Compare all rows; true and filled when enough are the same. */
static bool try_pair(const refs *r, uint32_t column, uint32_t target, build_reference *out)
{
    const build_column *c = &r->b->columns[column], *t = &r->b->columns[target];
    uint32_t *flags = th_arena_alloc(r->arena, c->count * sizeof(uint32_t));
    if (flags == NULL) return false;
    uint32_t others = 0, most = most_others(c);
    for (uint32_t i = 0, k = 0; i < c->count && others <= most; i++) {
        uint32_t row = r->rows[column][i];
        while (k < t->count && r->rows[target][k] < row) k++;
        bool same = k < t->count && r->rows[target][k] == row &&
                    th_slice_equal(build_column_value(c, i), build_column_value(t, k));
        flags[i] = !same;
        others += !same;
    }
    if (others > most) return false;
    *out = (build_reference){target, others, flags};
    return true;
}

static int by_column_and_count(const void *left, const void *right)
{
    const pair_count *a = left, *b = right;
    uint64_t x = (a->pair - 1) >> 32, y = (b->pair - 1) >> 32;
    if (x != y) return x < y ? -1 : 1;
    if (a->equal != b->equal) return a->equal > b->equal ? -1 : 1;
    return a->pair < b->pair ? -1 : a->pair > b->pair;
}

th_err build_find_references(const th_segment_builder *b, th_arena *arena, uint8_t *held,
                             build_reference *references)
{
    refs r = {.b = b, .arena = arena, .held = held};
    if (b->column_count == 0) return TH_OK;
    if (!mark_eligible(&r) || !sample(&r) || !fill_rows(&r)) return TH_ELIMIT;
    size_t n = 0;
    for (size_t i = 0; i < r.room; i++)
        if (r.pairs[i].pair != 0) r.pairs[n++] = r.pairs[i];
    qsort(r.pairs, n, sizeof(pair_count), by_column_and_count);
    for (size_t i = 0; i < n; i++) {
        uint32_t column = (uint32_t)((r.pairs[i].pair - 1) >> 32);
        uint32_t target = (uint32_t)(r.pairs[i].pair - 1);
        if (held[column] != BUILD_CODEC || held[target] != BUILD_CODEC) continue;
        if (try_pair(&r, column, target, &references[column])) held[column] = BUILD_REFERENCE;
    }
    return TH_OK;
}
