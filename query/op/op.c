/* SPDX-License-Identifier: Apache-2.0
 * The table of operators, and what they share (query/op/op.h). */
#include "query/op/op.h"

#include <time.h>

#include "base/limits.h"
#include "base/time.h"
#include "query/fn/call.h"

static const th_op_ops *const operators[] = {
    [TH_P_SCAN] = &th_op_scan,
    [TH_P_VALUES] = &th_op_values,
    [TH_P_FILTER] = &th_op_filter,
    [TH_P_PROJECT] = &th_op_project,
    [TH_P_AGGREGATE] = &th_op_aggregate,
    [TH_P_JOIN] = &th_op_join,
    [TH_P_SORT] = &th_op_sort,
    [TH_P_LIMIT] = &th_op_limit,
    [TH_P_UNION_ALL] = &th_op_union,
    [TH_P_UNNEST] = &th_op_unnest,
    [TH_P_WINDOW] = &th_op_window,
    [TH_P_RECURSIVE] = &th_op_recursive,
    [TH_P_WORKING] = &th_op_working,
    [TH_P_SAMPLE] = &th_op_sample,
    [TH_P_SINGLE_ROW] = &th_op_single_row,
};

th_err op_memory(const th_op *op)
{
    return th_fail_memory(op->exec->diag);
}

/* A recursion makes and opens its step itself, once a round. */
static uint32_t own_inputs(const th_plan *plan)
{
    return plan->kind == TH_P_RECURSIVE ? 1 : plan->input_count;
}

static th_err new_at(th_exec *exec, const th_plan *plan, uint32_t depth, th_op **out)
{
    const th_op_ops *ops = operators[plan->kind];
    if (depth > TH_SQL_DEPTH_MAX)
        return th_fail(exec->diag, TH_ELIMIT, NULL, "Query is nested too deeply");
    th_op *op = th_arena_zalloc(exec->arena, 1, ops->size);
    if (op == NULL) return th_fail_memory(exec->diag);
    *op = (th_op){.ops = ops, .plan = plan, .exec = exec};
    op->inputs = TH_NEW_ARRAY(exec->arena, th_op *, plan->input_count);
    if (op->inputs == NULL) return op_memory(op);
    for (uint32_t i = 0; i < own_inputs(plan); i++)
        TH_TRY(new_at(exec, plan->inputs[i], depth + 1, &op->inputs[i]));
    *out = op;
    return TH_OK;
}

th_err th_op_new(th_exec *exec, const th_plan *plan, th_op **out)
{
    return new_at(exec, plan, 0, out);
}

th_err th_op_open(th_op *op)
{
    for (uint32_t i = 0; i < own_inputs(op->plan); i++) TH_TRY(th_op_open(op->inputs[i]));
    op->opened = true;
    return op->ops->open == NULL ? TH_OK : op->ops->open(op);
}

static int64_t mono_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * TH_US_PER_SECOND + t.tv_nsec / 1000;
}

th_err th_op_next(th_op *op, th_arena *batch, const th_batch **out)
{
    const th_run_env *env = op->exec->env;
    TH_TRY(th_control_check(env->control, op->exec->diag));
    if (env->op_stats == NULL || op->plan->id >= env->op_stats_count)
        return op->ops->next(op, batch, out);
    th_op_stats *stats = &env->op_stats[op->plan->id];
    int64_t start = mono_us();
    th_err e = op->ops->next(op, batch, out);
    stats->total_us += mono_us() - start;
    if (e == TH_OK && *out != NULL) {
        stats->rows += (*out)->rows;
        stats->batches++;
    }
    return e;
}

void th_op_close(th_op *op)
{
    if (op == NULL) return;
    if (op->opened && op->ops->close != NULL) op->ops->close(op);
    op->opened = false;
    for (uint32_t i = 0; i < own_inputs(op->plan); i++) th_op_close(op->inputs[i]);
}

th_batch *op_batch_new(th_op *op, th_arena *arena, uint32_t rows, uint32_t columns,
                       th_vector **vectors)
{
    (void)op;
    th_batch *b = TH_NEW(arena, th_batch);
    *vectors = TH_NEW_ARRAY(arena, th_vector, columns);
    if (b == NULL || *vectors == NULL) return NULL;
    *b = (th_batch){.rows = rows, .column_count = columns, .columns = *vectors};
    return b;
}

th_err op_batch_gather(th_op *op, th_arena *arena, const th_batch *in, const uint32_t *rows,
                       uint32_t count, th_vector *out)
{
    for (uint32_t c = 0; c < in->column_count; c++)
        if (!th_vector_gather(arena, &in->columns[c], rows, count, &out[c])) return op_memory(op);
    return TH_OK;
}

th_err op_builders_init(th_op *op, th_arena *arena, const th_plan *plan, th_builder **out)
{
    th_builder *b = TH_NEW_ARRAY(arena, th_builder, plan->column_count);
    if (b == NULL) return op_memory(op);
    for (uint32_t c = 0; c < plan->column_count; c++)
        if (!th_builder_init(&b[c], arena, plan->columns[c].type, 16, true)) return op_memory(op);
    *out = b;
    return TH_OK;
}

th_err op_builders_add(th_op *op, th_builder *builders, const th_batch *in)
{
    th_value v;
    for (uint32_t c = 0; c < in->column_count; c++) {
        for (uint32_t i = 0; i < in->rows; i++) {
            th_value_get(&in->columns[c], i, &v);
            if (!th_builder_add(&builders[c], &v)) return op_memory(op);
        }
    }
    return TH_OK;
}
