/* SPDX-License-Identifier: Apache-2.0
 * WITH RECURSIVE: the base's rows, then the step's over the rows that came last, until none come. The step is a plan of
 * its own that runs anew each time; its leaf hands out those last rows. */
#include "base/limits.h"
#include "query/op/op.h"
#include "query/op/valueset.h"

#define DEPTH_DEFAULT 10u

/* Rows that came last, where the leaf finds them. */
struct th_working {
    const th_plan *plan; /* the recursion */
    th_vector *vectors;
    uint32_t rows;
    th_working *next;
};

typedef struct recursive_op {
    th_op op;
    th_arena *last_arena, *fresh_arena, *seen_arena;
    th_builder *fresh;
    uint32_t fresh_rows;
    th_working working;
    valueset seen; /* UNION: rows that were given already */
    th_op *source; /* the base, then the step */
    uint32_t depth;
    bool done;
} recursive_op;

static th_err begin_fresh(recursive_op *r)
{
    th_arena_reset(r->fresh_arena);
    r->fresh_rows = 0;
    return op_builders_init(&r->op, r->fresh_arena, r->op.plan, &r->fresh);
}

static th_err recursive_open(th_op *op)
{
    recursive_op *r = (recursive_op *)op;
    const th_plan *p = op->plan;
    r->last_arena = th_exec_arena(op->exec);
    r->fresh_arena = th_exec_arena(op->exec);
    r->seen_arena = th_exec_arena(op->exec);
    const th_type **types = TH_NEW_ARRAY(op->exec->arena, const th_type *, p->column_count);
    if (r->last_arena == NULL || r->fresh_arena == NULL || r->seen_arena == NULL || types == NULL)
        return op_memory(op);
    for (uint32_t i = 0; i < p->column_count; i++) types[i] = p->columns[i].type;
    if (p->distinct && !valueset_init(&r->seen, r->seen_arena, types, p->column_count))
        return op_memory(op);
    r->working.plan = p;
    r->working.next = *op->exec->env->working;
    *op->exec->env->working = &r->working;
    r->source = op->inputs[0];
    return begin_fresh(r);
}

/* What is new of a batch. */
static th_err new_rows(recursive_op *r, th_arena *batch, const th_batch *in, const th_batch **out)
{
    uint32_t n = in->column_count, count = 0, index;
    uint32_t *rows = TH_NEW_ARRAY(batch, uint32_t, in->rows);
    th_value *v = TH_NEW_ARRAY(batch, th_value, n);
    th_vector *vectors;
    bool added;
    if (rows == NULL || v == NULL) return op_memory(&r->op);
    for (uint32_t i = 0; i < in->rows; i++) {
        for (uint32_t k = 0; k < n; k++) th_value_get(&in->columns[k], i, &v[k]);
        if (!valueset_put(&r->seen, v, &index, &added)) return op_memory(&r->op);
        if (added) rows[count++] = i;
    }
    th_batch *result = op_batch_new(&r->op, batch, count, n, &vectors);
    if (result == NULL) return op_memory(&r->op);
    *out = result;
    return op_batch_gather(&r->op, batch, in, rows, count, vectors);
}

static void close_source(recursive_op *r)
{
    if (r->source != NULL && r->source != r->op.inputs[0]) th_op_close(r->source);
    r->source = NULL;
}

/* The rows that came last go to the step, unless there are none. */
static th_err next_round(recursive_op *r)
{
    const th_plan *p = r->op.plan;
    close_source(r);
    r->done = r->fresh_rows == 0;
    if (r->done) return TH_OK;
    r->working.vectors = TH_NEW_ARRAY(r->fresh_arena, th_vector, p->column_count);
    if (r->working.vectors == NULL) return op_memory(&r->op);
    for (uint32_t i = 0; i < p->column_count; i++)
        th_builder_finish(&r->fresh[i], &r->working.vectors[i]);
    r->working.rows = r->fresh_rows;
    th_arena *last = r->last_arena;
    r->last_arena = r->fresh_arena;
    r->fresh_arena = last;
    r->depth++;
    TH_TRY(begin_fresh(r));
    TH_TRY(th_op_new(r->op.exec, p->inputs[1], &r->source));
    return th_op_open(r->source);
}

static th_err too_deep(const recursive_op *r, uint32_t most)
{
    return th_fail(
        r->op.exec->diag, TH_ESQL, "NOT_SUPPORTED",
        "Recursion depth limit exceeded (%u). Use 'max_recursion_depth' session property "
        "to modify the limit.",
        most);
}

static th_err recursive_next(th_op *op, th_arena *batch, const th_batch **out)
{
    recursive_op *r = (recursive_op *)op;
    uint32_t most = op->exec->env->recursion_max;
    const th_batch *in = NULL;
    *out = NULL;
    if (most == 0) most = DEPTH_DEFAULT;
    while (!r->done) {
        TH_TRY(th_op_next(r->source, batch, &in));
        if (in == NULL) {
            TH_TRY(next_round(r));
            continue;
        }
        if (op->plan->distinct && in->rows > 0) TH_TRY(new_rows(r, batch, in, &in));
        if (in->rows == 0) continue;
        if (r->depth > most) return too_deep(r, most);
        TH_TRY(op_builders_add(op, r->fresh, in));
        r->fresh_rows += in->rows;
        *out = in;
        return TH_OK;
    }
    return TH_OK;
}

static void recursive_close(th_op *op)
{
    recursive_op *r = (recursive_op *)op;
    close_source(r);
    for (th_working **w = op->exec->env->working; *w != NULL; w = &(*w)->next) {
        if (*w != &r->working) continue;
        *w = r->working.next;
        break;
    }
    th_arena_free(r->last_arena);
    th_arena_free(r->fresh_arena);
    th_arena_free(r->seen_arena);
    r->last_arena = r->fresh_arena = r->seen_arena = NULL;
}

const th_op_ops th_op_recursive = {"Recursive", sizeof(recursive_op), recursive_open,
                                   recursive_next, recursive_close};

typedef struct working_op {
    th_op op;
    uint32_t at;
} working_op;

static th_err working_next(th_op *op, th_arena *batch, const th_batch **out)
{
    working_op *s = (working_op *)op;
    const th_working *w = *op->exec->env->working;
    uint32_t rows[TH_QUERY_BATCH_ROWS / 4], n = 0;
    th_vector *vectors;
    while (w != NULL && w->plan->recursion != op->plan->recursion) w = w->next;
    *out = NULL;
    if (w == NULL || s->at >= w->rows) return TH_OK;
    th_batch held = {
        .rows = w->rows, .column_count = op->plan->column_count, .columns = w->vectors};
    for (; n < sizeof rows / sizeof rows[0] && s->at < w->rows; n++) rows[n] = s->at++;
    th_batch *result = op_batch_new(op, batch, n, op->plan->column_count, &vectors);
    if (result == NULL) return op_memory(op);
    *out = result;
    return op_batch_gather(op, batch, &held, rows, n, vectors);
}

const th_op_ops th_op_working = {"LastRows", sizeof(working_op), NULL, working_next, NULL};
