/* SPDX-License-Identifier: Apache-2.0
 * Hash aggregation. Groups come out in the order in which they were first seen; without keys there is one group. */
#include <stdlib.h>

#include "base/limits.h"
#include "query/fn/call.h"
#include "query/op/agg.h"
#include "query/op/scan.h"

static th_err open_call(agg_op *g, agg_state *a, const th_agg_call *call)
{
    th_exec *exec = g->op.exec;
    const th_type **types = TH_NEW_ARRAY(exec->arena, const th_type *, call->arg_count + 1);
    if (types == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < call->arg_count; i++) types[i] = call->args[i]->type;
    a->call = call;
    a->context = (th_agg_context){.arena = g->arena,
                                  .arg_types = types,
                                  .arg_count = call->arg_count,
                                  .type = call->type,
                                  .diag = exec->diag};
    a->offset = g->stride;
    g->stride += ((size_t)call->aggregate->state_size + 15) / 16 * 16;
    a->repeats = agg_repeats(call);
    a->ranks = agg_ranks(call);
    a->row_width = 1 + call->arg_count + call->order_count;
    TH_TRY(th_eval_new_many(exec, call->args, call->arg_count, &a->args));
    if (call->filter != NULL) TH_TRY(th_eval_new(exec, call->filter, &a->filter));
    if (call->order_count > 0) {
        a->order = TH_NEW_ARRAY(exec->arena, th_eval *, call->order_count);
        if (a->order == NULL) return op_memory(&g->op);
        for (uint32_t i = 0; i < call->order_count; i++)
            TH_TRY(th_eval_new(exec, call->order[i].expr, &a->order[i]));
    }
    if (!call->distinct) return TH_OK;
    const th_type **keyed = TH_NEW_ARRAY(exec->arena, const th_type *, call->arg_count + 1);
    if (keyed == NULL) return op_memory(&g->op);
    keyed[0] = &th_type_bigint;
    for (uint32_t i = 0; i < call->arg_count; i++) keyed[i + 1] = types[i];
    return valueset_init(&a->distinct, g->arena, keyed, call->arg_count + 1) ? TH_OK
                                                                             : op_memory(&g->op);
}

th_err agg_open_state(agg_op *g)
{
    th_op *op = &g->op;
    const th_plan *p = op->plan;
    g->states = NULL;
    g->stride = 0;
    g->state_capacity = 0;
    g->arena = th_exec_arena(op->exec);
    g->input_arena = th_exec_arena(op->exec);
    if (g->arena == NULL || g->input_arena == NULL) return op_memory(op);
    TH_TRY(th_eval_new_many(op->exec, p->exprs, p->expr_count, &g->keys));
    g->aggs = TH_NEW_ARRAY(op->exec->arena, agg_state, p->aggregate_count);
    const th_type **types = TH_NEW_ARRAY(op->exec->arena, const th_type *, p->expr_count);
    if (g->aggs == NULL || types == NULL) return op_memory(op);
    for (uint32_t i = 0; i < p->expr_count; i++) types[i] = p->exprs[i]->type;
    for (uint32_t i = 0; i < p->aggregate_count; i++)
        TH_TRY(open_call(g, &g->aggs[i], &p->aggregates[i]));
    return valueset_init(&g->groups, g->arena, types, p->expr_count) ? TH_OK : op_memory(op);
}

static th_err agg_open(th_op *op)
{
    return agg_open_state((agg_op *)op);
}

bool agg_grow_states(agg_op *g)
{
    if (g->groups.count <= g->state_capacity) return true;
    uint32_t capacity = g->state_capacity == 0 ? 16 : g->state_capacity * 2;
    while (capacity < g->groups.count) capacity *= 2;
    uint8_t *states = th_arena_zalloc(g->arena, capacity, g->stride);
    if (states == NULL) return false;
    if (g->state_capacity > 0) memcpy(states, g->states, g->state_capacity * g->stride);
    g->states = states;
    g->state_capacity = capacity;
    return true;
}

/* One dictionary key: each entry is looked up once a batch. */
static bool groups_by_code(agg_op *g, const th_vector *key, uint32_t rows, uint32_t *out)
{
    const th_vector *d = key->dictionary;
    uint32_t *known = th_arena_alloc(g->input_arena, ((size_t)d->count + 1) * sizeof *known);
    th_value v;
    if (known == NULL) return false;
    memset(known, 0xff, d->count * sizeof *known);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t code = key->codes[i];
        if (known[code] == UINT32_MAX) {
            th_value_get(d, code, &v);
            if (!valueset_put(&g->groups, &v, &known[code], NULL)) return false;
        }
        out[i] = known[code];
    }
    return true;
}

static bool groups_by_value(agg_op *g, const th_vector *keys, uint32_t rows, uint32_t *out)
{
    uint32_t n = g->op.plan->expr_count;
    th_value *v = TH_NEW_ARRAY(g->input_arena, th_value, n);
    if (v == NULL) return false;
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t k = 0; k < n; k++) th_value_get(&keys[k], i, &v[k]);
        if (!valueset_put(&g->groups, v, &out[i], NULL)) return false;
    }
    return true;
}

static th_err find_groups(agg_op *g, const th_batch *in, uint32_t *out)
{
    uint32_t n = g->op.plan->expr_count;
    th_vector *keys = TH_NEW_ARRAY(g->input_arena, th_vector, n);
    if (keys == NULL) return op_memory(&g->op);
    bool same = true;
    for (uint32_t i = 0; i < n; i++) {
        TH_TRY(th_eval_run(g->keys[i], in, g->input_arena, &keys[i]));
        same = same && keys[i].form == TH_CONST;
    }
    bool done = false;
    if (!same) TH_TRY(agg_groups_by_codes(g, keys, in->rows, out, &done));
    bool ok = done ? true
              : n == 1 && keys[0].form == TH_DICT
                  ? groups_by_code(g, &keys[0], in->rows, out)
                  : groups_by_value(g, keys, same ? 1 : in->rows, out);
    if (ok && same)
        for (uint32_t i = 1; i < in->rows; i++) out[i] = out[0];
    return ok && agg_grow_states(g) ? TH_OK : op_memory(&g->op);
}

static void *state_of(agg_op *g, const agg_state *a, uint32_t group)
{
    return g->states + (size_t)group * g->stride + a->offset;
}

static bool keep_ordered_row(agg_op *g, agg_state *a, uint32_t group, uint32_t row,
                             const th_value *args)
{
    if (a->row_count == a->row_capacity) {
        uint32_t capacity = a->row_capacity == 0 ? 64 : a->row_capacity * 2;
        th_value *rows = TH_NEW_ARRAY(g->arena, th_value, (size_t)capacity * a->row_width);
        if (rows == NULL) return false;
        if (a->row_count > 0)
            memcpy(rows, a->rows, (size_t)a->row_count * a->row_width * sizeof *rows);
        a->rows = rows;
        a->row_capacity = capacity;
    }
    th_value *to = a->rows + (size_t)a->row_count++ * a->row_width;
    *to++ = fn_int(group);
    for (uint32_t i = 0; i < a->call->arg_count; i++)
        if (!th_value_copy(g->arena, a->context.arg_types[i], &args[i], to++)) return false;
    for (uint32_t i = 0; i < a->call->order_count; i++) {
        th_value v;
        th_value_get(&a->order_vectors[i], row, &v);
        if (!th_value_copy(g->arena, a->call->order[i].expr->type, &v, to++)) return false;
    }
    return true;
}

/* One row into one group; args has a free place in front for the group of DISTINCT. */
static th_err add_row(agg_op *g, agg_state *a, uint32_t group, uint32_t row, th_value *args)
{
    const th_agg_call *call = a->call;
    bool added = true;
    if (!call->aggregate->nulls)
        for (uint32_t i = 0; i < call->arg_count; i++)
            if (args[i + 1].null && i == 0) return TH_OK;
    if (call->distinct) {
        uint32_t index;
        args[0] = fn_int(group);
        if (!valueset_put(&a->distinct, args, &index, &added)) return op_memory(&g->op);
        if (!added) return TH_OK;
    }
    if (call->order_count > 0)
        return keep_ordered_row(g, a, group, row, args + 1) ? TH_OK : op_memory(&g->op);
    call->aggregate->add(&a->context, state_of(g, a, group), args + 1);
    return a->context.error;
}

static th_err add_rows(agg_op *g, agg_state *a, const uint32_t *groups, const uint32_t *rows,
                       uint32_t count)
{
    const th_agg_call *call = a->call;
    th_value *args = TH_NEW_ARRAY(g->input_arena, th_value, call->arg_count + 1);
    if (args == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows == NULL ? i : rows[i];
        for (uint32_t k = 0; k < call->arg_count; k++)
            th_value_get(&a->vectors[k], row, &args[k + 1]);
        TH_TRY(add_row(g, a, groups[row], row, args));
    }
    return TH_OK;
}

static bool is_fast(const agg_state *a)
{
    const th_agg_call *call = a->call;
    if (call->distinct || call->filter != NULL || call->order_count > 0 ||
        call->aggregate->add_many == NULL)
        return false;
    return call->arg_count == 0 ||
           (call->arg_count == 1 && a->vectors[0].form == TH_FLAT && a->vectors[0].valid == NULL);
}

static th_err add_call(agg_op *g, agg_state *a, const th_batch *in, const uint32_t *groups)
{
    const th_agg_call *call = a->call;
    const uint32_t *rows = NULL;
    uint32_t count = in->rows;
    a->vectors = TH_NEW_ARRAY(g->input_arena, th_vector, call->arg_count);
    a->order_vectors = TH_NEW_ARRAY(g->input_arena, th_vector, call->order_count);
    if (a->vectors == NULL || a->order_vectors == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < call->arg_count; i++)
        TH_TRY(th_eval_run(a->args[i], in, g->input_arena, &a->vectors[i]));
    for (uint32_t i = 0; i < call->order_count; i++)
        TH_TRY(th_eval_run(a->order[i], in, g->input_arena, &a->order_vectors[i]));
    if (is_fast(a)) {
        call->aggregate->add_many(&a->context, g->states + a->offset, (uint32_t)g->stride, groups,
                                  call->arg_count == 0 ? NULL : &a->vectors[0], in->rows);
        return a->context.error;
    }
    if (agg_count_codes(g, a, groups, in->rows)) return TH_OK;
    if (a->filter != NULL) TH_TRY(th_eval_filter(a->filter, in, g->input_arena, &rows, &count));
    bool met = false;
    TH_TRY(agg_weigh(g, a, groups, rows, count, &met));
    if (met) return TH_OK;
    TH_TRY(agg_first_met(g, a, groups, rows, count, &rows, &count, &met));
    return add_rows(g, a, groups, rows, count);
}

typedef struct order_context {
    const agg_state *a;
} order_context;

static int compare_ordered(const void *pa, const void *pb, void *ctx)
{
    const agg_state *a = ((const order_context *)ctx)->a;
    uint32_t ia = *(const uint32_t *)pa, ib = *(const uint32_t *)pb;
    const th_value *x = a->rows + (size_t)ia * a->row_width + 1 + a->call->arg_count;
    const th_value *y = a->rows + (size_t)ib * a->row_width + 1 + a->call->arg_count;
    for (uint32_t i = 0; i < a->call->order_count; i++) {
        const th_sort_key *k = &a->call->order[i];
        if (x[i].null || y[i].null) {
            if (x[i].null == y[i].null) continue;
            return x[i].null == k->nulls_first ? -1 : 1;
        }
        int c = th_value_compare(k->expr->type, &x[i], &y[i]);
        if (c != 0) return k->descending ? -c : c;
    }
    return (ia > ib) - (ia < ib);
}

/* Feed what ORDER BY held back. */
static th_err add_ordered(agg_op *g, agg_state *a)
{
    order_context c = {a};
    uint32_t *order = th_arena_alloc(g->arena, ((size_t)a->row_count + 1) * sizeof *order);
    if (order == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < a->row_count; i++) order[i] = i;
    qsort_r(order, a->row_count, sizeof *order, compare_ordered, &c);
    for (uint32_t i = 0; i < a->row_count; i++) {
        const th_value *row = a->rows + (size_t)order[i] * a->row_width;
        a->call->aggregate->add(&a->context, state_of(g, a, (uint32_t)row[0].i), row + 1);
        if (a->context.error != TH_OK) return a->context.error;
    }
    return TH_OK;
}

/* Grouping sets without keys have their group of all rows even when there are none. */
static th_err empty_groups(agg_op *g)
{
    const th_plan *p = g->op.plan;
    uint32_t group;
    if (g->groups.count > 0) return TH_OK;
    for (uint32_t i = 0; i < p->empty_group_count; i++) {
        th_value *key = TH_NEW_ARRAY(g->arena, th_value, p->expr_count);
        if (key == NULL) return op_memory(&g->op);
        for (uint32_t k = 0; k + 1 < p->expr_count; k++) key[k].null = true;
        key[p->expr_count - 1] = fn_int(p->empty_groups[i]);
        if (!valueset_put(&g->groups, key, &group, NULL) || !agg_grow_states(g))
            return op_memory(&g->op);
    }
    return TH_OK;
}

/* Where the groups of a worker were first seen, for those that are new. */
static th_err note_first(agg_op *g, uint32_t from)
{
    if (g->scan == NULL) return TH_OK;
    if (g->groups.count > g->first_room) {
        uint32_t room = g->groups.count * 2;
        uint64_t *first = th_arena_alloc(g->arena, room * sizeof *first);
        if (first == NULL) return op_memory(&g->op);
        if (from > 0) memcpy(first, g->first, from * sizeof *first);
        g->first = first;
        g->first_room = room;
    }
    for (uint32_t i = from; i < g->groups.count; i++)
        g->first[i] = (uint64_t)op_scan_segment(g->scan) << 32 | i;
    return TH_OK;
}

static th_err consume_batch(agg_op *g, const th_batch *in)
{
    const th_plan *p = g->op.plan;
    uint32_t before = g->groups.count;
    uint32_t *groups = TH_NEW_ARRAY(g->input_arena, uint32_t, in->rows);
    if (groups == NULL) return op_memory(&g->op);
    if (agg_is_full(g))
        TH_TRY(agg_known_groups(g, &in, groups));
    else if (p->expr_count > 0)
        TH_TRY(find_groups(g, in, groups));
    TH_TRY(note_first(g, before));
    for (uint32_t i = 0; i < p->aggregate_count && in->rows > 0; i++)
        TH_TRY(add_call(g, &g->aggs[i], in, groups));
    return agg_check_room(g);
}

th_err agg_consume_rows(agg_op *g)
{
    const th_plan *p = g->op.plan;
    const th_batch *in;
    uint32_t group;
    if (p->expr_count == 0 &&
        (!valueset_put(&g->groups, NULL, &group, NULL) || !agg_grow_states(g)))
        return op_memory(&g->op);
    TH_TRY(note_first(g, 0));
    for (;;) {
        TH_TRY(agg_next_rows(g, &in));
        if (in == NULL) break;
        if (in->rows > 0) TH_TRY(consume_batch(g, in));
    }
    TH_TRY(agg_end_parts(g));
    for (uint32_t i = 0; i < p->aggregate_count; i++) {
        TH_TRY(agg_flush(g, &g->aggs[i]));
        if (g->aggs[i].call->order_count > 0) TH_TRY(add_ordered(g, &g->aggs[i]));
    }
    return TH_OK;
}

static th_err consume(agg_op *g)
{
    bool done = false;
    if (!agg_reads_part(g)) TH_TRY(agg_consume_parallel(g, &done));
    if (!done) TH_TRY(agg_consume_rows(g));
    g->done = true;
    return agg_reads_part(g) ? TH_OK : empty_groups(g);
}

static th_err output_column(agg_op *g, th_arena *batch, uint32_t c, uint32_t from, uint32_t count,
                            th_vector *out)
{
    const th_plan *p = g->op.plan;
    th_builder b;
    if (!th_builder_init(&b, batch, p->columns[c].type, count, false)) return op_memory(&g->op);
    for (uint32_t i = 0; i < count; i++) {
        th_value v = {0};
        if (c < p->expr_count) {
            v = *valueset_at(&g->groups, from + i, c);
        } else {
            agg_state *a = &g->aggs[c - p->expr_count];
            a->call->aggregate->finish(&a->context, state_of(g, a, from + i), batch, &v);
            if (a->context.error != TH_OK) return a->context.error;
        }
        if (!th_builder_add(&b, &v)) return op_memory(&g->op);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

static th_err agg_next(th_op *op, th_arena *batch, const th_batch **out)
{
    agg_op *g = (agg_op *)op;
    th_vector *vectors;
    *out = NULL;
    if (!g->done) TH_TRY(consume(g));
    while (g->at == g->groups.count && agg_parts_left(g)) {
        TH_TRY(agg_next_part(g));
        TH_TRY(consume(g));
    }
    uint32_t n = g->groups.count - g->at;
    if (n == 0) return TH_OK;
    if (n > TH_QUERY_BATCH_ROWS) n = TH_QUERY_BATCH_ROWS;
    th_batch *result = op_batch_new(op, batch, n, op->plan->column_count, &vectors);
    if (result == NULL) return op_memory(op);
    for (uint32_t c = 0; c < op->plan->column_count; c++)
        TH_TRY(output_column(g, batch, c, g->at, n, &vectors[c]));
    g->at += n;
    *out = result;
    return TH_OK;
}

void agg_close_state(agg_op *g)
{
    agg_codes_close(g);
    th_arena_free(g->arena);
    th_arena_free(g->input_arena);
    g->arena = g->input_arena = NULL;
}

static void agg_close(th_op *op)
{
    agg_spill_close((agg_op *)op);
    agg_close_state((agg_op *)op);
}

const th_op_ops th_op_aggregate = {"Aggregate", sizeof(agg_op), agg_open, agg_next, agg_close};
