/* SPDX-License-Identifier: Apache-2.0
 * Aggregates over frames. A frame that grows at its end is added to; else exact sums come from running totals, other
 * aggregates from a tree of states with FAN rows or nodes under each, and what cannot be merged row by row. */
#include <stdlib.h>

#include "query/fn/aggregate_impl.h"
#include "query/fn/aggregate_merge.h"
#include "query/fn/call.h"
#include "query/op/window.h"

#define FAN 16u
#define LEVELS 8u          /* 16^8 rows are more than a partition can have */
#define PLAIN_ROWS 64u     /* a frame of so many rows is added up row by row */
#define CHECK_ROWS 100000u /* rows between two looks at the control */

typedef struct tree_level {
    uint8_t *states;
    uint32_t count;
} tree_level;

struct window_aggregate {
    window_op *w;
    const th_agg_call *call;
    const window_call *columns;
    th_agg_context context;
    th_arena *state_arena, *part_arena; /* of the frame's state; of totals and tree */
    th_arena *scratch;                  /* of one result */
    void *state;
    size_t stride;
    valueset seen; /* DISTINCT */
    th_value *args;
    th_agg_total total;
    th_agg_merge merge;
    window_part part;
    bool grows; /* state holds exactly rows [from, to) */
    bool begun; /* a long frame was added up row by row; the next one is not */
    uint32_t from, to;
    int64_t *counts; /* of rows before; NULL: not made */
    th_i128 *sums;
    uint32_t level_count; /* of the tree; 0: not made */
    tree_level levels[LEVELS];
    uint64_t work;
};

th_err window_aggregate_open(window_op *w, window_call *c)
{
    th_exec *exec = w->op.exec;
    const th_agg_call *call = &c->call->call;
    window_aggregate *a = TH_NEW(exec->arena, window_aggregate);
    const th_type **types = TH_NEW_ARRAY(exec->arena, const th_type *, call->arg_count + 1);
    if (a == NULL || types == NULL) return op_memory(&w->op);
    c->aggregate = a;
    for (uint32_t i = 0; i < call->arg_count; i++) types[i] = call->args[i]->type;
    *a = (window_aggregate){.w = w, .call = call, .columns = c};
    a->state_arena = th_exec_arena(exec);
    a->part_arena = th_exec_arena(exec);
    a->scratch = th_exec_arena(exec);
    a->stride = ((size_t)call->aggregate->state_size + 15) / 16 * 16;
    a->state = th_arena_zalloc(exec->arena, 1, a->stride);
    a->args = TH_NEW_ARRAY(exec->arena, th_value, call->arg_count + 1);
    if (a->state_arena == NULL || a->part_arena == NULL || a->scratch == NULL || a->state == NULL ||
        a->args == NULL)
        return op_memory(&w->op);
    a->context = (th_agg_context){.arena = a->state_arena,
                                  .arg_types = types,
                                  .arg_count = call->arg_count,
                                  .type = call->type,
                                  .diag = exec->diag};
    bool plain = !call->distinct && call->order_count == 0;
    if (plain) a->total = th_aggregate_total(call->aggregate);
    if (plain) a->merge = th_aggregate_merge(call->aggregate);
    return TH_OK;
}

void window_aggregate_close(window_call *c)
{
    if (c->aggregate == NULL) return;
    th_arena_free(c->aggregate->state_arena);
    th_arena_free(c->aggregate->part_arena);
    th_arena_free(c->aggregate->scratch);
    c->aggregate->state_arena = c->aggregate->part_arena = c->aggregate->scratch = NULL;
}

static th_err look(window_aggregate *a, uint64_t rows)
{
    a->work += rows;
    if (a->work < CHECK_ROWS) return TH_OK;
    a->work = 0;
    return th_control_check(a->w->op.exec->env->control, a->w->op.exec->diag);
}

/* The arguments of a row; false: it does not count. */
static bool row_counts(window_aggregate *a, uint32_t row)
{
    const window_op *w = a->w;
    th_value v;
    if (a->columns->filter != WINDOW_NO_COLUMN) {
        th_value_get(&w->vectors[a->columns->filter], row, &v);
        if (v.null || v.i == 0) return false;
    }
    for (uint32_t i = 0; i < a->call->arg_count; i++)
        th_value_get(&w->vectors[a->columns->args[i]], row, &a->args[i]);
    return a->call->aggregate->nulls || a->call->arg_count == 0 || !a->args[0].null;
}

static th_err add_row(window_aggregate *a, void *state, uint32_t row)
{
    bool added;
    uint32_t index;
    if (!row_counts(a, row)) return TH_OK;
    if (a->call->distinct) {
        if (!valueset_put(&a->seen, a->args, &index, &added)) return op_memory(&a->w->op);
        if (!added) return TH_OK;
    }
    a->call->aggregate->add(&a->context, state, a->args);
    return a->context.error;
}

static th_err add_rows(window_aggregate *a, void *state, uint32_t from, uint32_t to)
{
    TH_TRY(look(a, to - from));
    for (uint32_t row = from; row < to; row++) TH_TRY(add_row(a, state, row));
    return TH_OK;
}

static th_err empty_state(window_aggregate *a)
{
    th_arena_reset(a->state_arena);
    memset(a->state, 0, a->stride);
    a->context.arena = a->state_arena;
    if (!a->call->distinct) return TH_OK;
    return valueset_init(&a->seen, a->state_arena, a->context.arg_types, a->call->arg_count)
               ? TH_OK
               : op_memory(&a->w->op);
}

static int compare_ordered(const void *pa, const void *pb, void *ctx)
{
    const window_aggregate *a = ctx;
    uint32_t x = *(const uint32_t *)pa, y = *(const uint32_t *)pb;
    for (uint32_t i = 0; i < a->call->order_count; i++) {
        const th_sort_key *k = &a->call->order[i];
        const th_vector *v = &a->w->vectors[a->columns->order[i]];
        th_value l, r;
        th_value_get(v, x, &l);
        th_value_get(v, y, &r);
        if (l.null || r.null) {
            if (l.null == r.null) continue;
            return l.null == k->nulls_first ? -1 : 1;
        }
        int c = th_value_compare(v->type, &l, &r);
        if (c != 0) return k->descending ? -c : c;
    }
    return (x > y) - (x < y);
}

static th_err add_ordered(window_aggregate *a, uint32_t from, uint32_t to)
{
    uint32_t *rows = th_arena_alloc(a->state_arena, ((size_t)to - from + 1) * sizeof *rows);
    if (rows == NULL) return op_memory(&a->w->op);
    for (uint32_t row = from; row < to; row++) rows[row - from] = row;
    TH_TRY(look(a, to - from));
    qsort_r(rows, to - from, sizeof *rows, compare_ordered, a);
    for (uint32_t i = 0; i < to - from; i++) TH_TRY(add_row(a, a->state, rows[i]));
    return TH_OK;
}

static th_err make_totals(window_aggregate *a)
{
    uint32_t n = a->part.end - a->part.first;
    bool sums = a->total == TH_AGG_TOTAL_BIGINT || a->total == TH_AGG_TOTAL_DECIMAL;
    a->counts = th_arena_zalloc(a->part_arena, (size_t)n + 1, sizeof *a->counts);
    a->sums = sums ? th_arena_zalloc(a->part_arena, (size_t)n + 1, sizeof *a->sums) : NULL;
    if (a->counts == NULL || (sums && a->sums == NULL)) return op_memory(&a->w->op);
    TH_TRY(look(a, n));
    for (uint32_t i = 0; i < n; i++) {
        bool counts = row_counts(a, a->part.first + i);
        if (counts && a->total == TH_AGG_TOTAL_TRUE) counts = a->args[0].i != 0;
        a->counts[i + 1] = a->counts[i] + counts;
        if (!sums) continue;
        th_i128 x = a->total == TH_AGG_TOTAL_DECIMAL ? a->args[0].d : a->args[0].i;
        /* Sums that overflow wrap; their differences do not mind. */
        unsigned __int128 next =
            (unsigned __int128)a->sums[i] + (unsigned __int128)(counts ? x : 0);
        a->sums[i + 1] = (th_i128)next;
    }
    return TH_OK;
}

static th_err by_totals(window_aggregate *a, uint32_t from, uint32_t to)
{
    if (a->counts == NULL) TH_TRY(make_totals(a));
    uint32_t first = a->part.first;
    th_i128 sum = 0;
    if (a->sums != NULL)
        sum = (th_i128)((unsigned __int128)a->sums[to - first] -
                        (unsigned __int128)a->sums[from - first]);
    th_aggregate_set_total(&a->context, a->total, a->state,
                           a->counts[to - first] - a->counts[from - first], sum);
    return a->context.error;
}

static void *node_at(const window_aggregate *a, uint32_t level, uint32_t i)
{
    return a->levels[level].states + (size_t)i * a->stride;
}

/* Nodes [from, to) of a level into a state; level 0 is the rows. */
static th_err add_nodes(window_aggregate *a, void *state, uint32_t level, uint32_t from,
                        uint32_t to)
{
    if (level == 0) return add_rows(a, state, a->part.first + from, a->part.first + to);
    for (uint32_t i = from; i < to; i++) {
        a->merge(&a->context, state, node_at(a, level, i));
        if (a->context.error != TH_OK) return a->context.error;
    }
    return TH_OK;
}

static th_err make_tree(window_aggregate *a)
{
    uint32_t below = a->part.end - a->part.first, level = 1;
    a->context.arena = a->part_arena;
    for (; below > FAN && level < LEVELS; level++) {
        uint32_t count = (below + FAN - 1) / FAN;
        a->levels[level].states = th_arena_zalloc(a->part_arena, count, a->stride);
        a->levels[level].count = count;
        if (a->levels[level].states == NULL) return op_memory(&a->w->op);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t to = below - i * FAN < FAN ? below : (i + 1) * FAN;
            TH_TRY(add_nodes(a, node_at(a, level, i), level - 1, i * FAN, to));
        }
        below = count;
    }
    a->level_count = level;
    a->context.arena = a->state_arena;
    return TH_OK;
}

/* Upwards along the left edge, then down along the right one: rows stay in order. */
static th_err by_tree(window_aggregate *a, uint32_t from, uint32_t to)
{
    uint32_t right_from[LEVELS], right_to[LEVELS], level = 0;
    if (a->level_count == 0) TH_TRY(make_tree(a));
    from -= a->part.first;
    to -= a->part.first;
    for (;; level++) {
        uint32_t up_from = (from + FAN - 1) / FAN, up_to = to / FAN;
        if (level + 1 >= a->level_count || up_from >= up_to) break;
        TH_TRY(add_nodes(a, a->state, level, from, up_from * FAN));
        right_from[level] = up_to * FAN;
        right_to[level] = to;
        from = up_from;
        to = up_to;
    }
    TH_TRY(add_nodes(a, a->state, level, from, to));
    while (level-- > 0) TH_TRY(add_nodes(a, a->state, level, right_from[level], right_to[level]));
    return TH_OK;
}

/* The state of rows [from, to). */
static th_err reach(window_aggregate *a, uint32_t from, uint32_t to)
{
    if (a->grows && a->from == from && a->to <= to) {
        TH_TRY(add_rows(a, a->state, a->to, to));
        a->to = to;
        return TH_OK;
    }
    TH_TRY(empty_state(a));
    a->from = from;
    a->to = to;
    a->grows = false;
    if (a->call->order_count > 0) return add_ordered(a, from, to);
    bool plain = to - from <= PLAIN_ROWS || !a->begun;
    if (!plain && a->total != TH_AGG_TOTAL_NONE) return by_totals(a, from, to);
    if (!plain && a->merge != NULL) return by_tree(a, from, to);
    a->begun = a->begun || to - from > PLAIN_ROWS;
    a->grows = true;
    return add_rows(a, a->state, from, to);
}

static th_err give(window_aggregate *a, window_call *c)
{
    th_value v = {0};
    th_arena_reset(a->scratch);
    a->call->aggregate->finish(&a->context, a->state, a->scratch, &v);
    TH_TRY(a->context.error);
    return th_builder_add(&c->values, &v) ? TH_OK : op_memory(&a->w->op);
}

th_err window_aggregates(window_op *w, window_call *c, window_part part)
{
    window_aggregate *a = c->aggregate;
    uint32_t last_from = UINT32_MAX, last_to = 0, from, to;
    th_arena_reset(a->part_arena);
    a->part = part;
    a->grows = a->begun = false;
    a->counts = NULL;
    a->level_count = 0;
    for (uint32_t row = part.first; row < part.end; row++) {
        TH_TRY(window_frame(w, c, part, row, &from, &to));
        bool same = (from == last_from && to == last_to) || (from == to && last_from == last_to);
        if (!same) {
            TH_TRY(reach(a, from, to));
            TH_TRY(give(a, c));
        }
        last_from = from;
        last_to = to;
        c->codes[row] = c->values.count - 1;
    }
    return TH_OK;
}
