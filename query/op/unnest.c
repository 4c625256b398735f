/* SPDX-License-Identifier: Apache-2.0
 * Unnest: each input row once for every element of its arrays and maps, side by side, padded with NULL. */
#include "base/limits.h"
#include "query/op/op.h"

typedef struct unnest_op {
    th_op op;
    th_arena *input_arena;
    th_eval **evals;
    const th_batch *in;
    th_vector *nested; /* one an expression, over in */
    uint32_t row, element, done_rows;
} unnest_op;

static th_err unnest_open(th_op *op)
{
    unnest_op *u = (unnest_op *)op;
    u->input_arena = th_exec_arena(op->exec);
    if (u->input_arena == NULL) return op_memory(op);
    return th_eval_new_many(op->exec, op->plan->exprs, op->plan->expr_count, &u->evals);
}

static th_err fetch_input(unnest_op *u)
{
    const th_plan *p = u->op.plan;
    do {
        th_arena_reset(u->input_arena);
        TH_TRY(th_op_next(u->op.inputs[0], u->input_arena, &u->in));
    } while (u->in != NULL && u->in->rows == 0);
    u->row = u->element = 0;
    if (u->in == NULL) return TH_OK;
    u->nested = TH_NEW_ARRAY(u->input_arena, th_vector, p->expr_count);
    if (u->nested == NULL) return op_memory(&u->op);
    for (uint32_t i = 0; i < p->expr_count; i++)
        TH_TRY(th_eval_run(u->evals[i], u->in, u->input_arena, &u->nested[i]));
    return TH_OK;
}

/* Elements of expression i in row. */
static uint32_t size_at(const unnest_op *u, uint32_t i, uint32_t row)
{
    th_value v;
    th_value_get(&u->nested[i], row, &v);
    return v.null ? 0 : th_value_size(&v);
}

static uint32_t row_size(const unnest_op *u, uint32_t row)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < u->op.plan->expr_count; i++) {
        uint32_t n = size_at(u, i, row);
        if (n > most) most = n;
    }
    return most == 0 && u->op.plan->outer_unnest ? 1 : most;
}

/* Output rows: input row and element index of each. */
static uint32_t plan_rows(unnest_op *u, uint32_t *rows, uint32_t *elements)
{
    uint32_t n = 0;
    while (u->row < u->in->rows && n < TH_QUERY_BATCH_ROWS) {
        uint32_t size = row_size(u, u->row);
        while (u->element < size && n < TH_QUERY_BATCH_ROWS) {
            rows[n] = u->row;
            elements[n++] = u->element++;
        }
        if (u->element < size) break;
        u->row++;
        u->element = 0;
    }
    return n;
}

static th_err expand(unnest_op *u, th_arena *batch, uint32_t i, uint32_t child,
                     const uint32_t *rows, const uint32_t *elements, uint32_t count, th_vector *out)
{
    const th_vector *v = &u->nested[i];
    th_builder b;
    th_value list, x;
    if (v->type->kind != TH_ARRAY && v->type->kind != TH_MAP) {
        th_vector *nulls = th_vector_null(batch, &th_type_unknown, count);
        if (nulls == NULL) return op_memory(&u->op);
        *out = *nulls;
        return TH_OK;
    }
    if (!th_builder_init(&b, batch, v->type->children[child], count, true))
        return op_memory(&u->op);
    for (uint32_t r = 0; r < count; r++) {
        th_value_get(v, rows[r], &list);
        x = (th_value){.null = true};
        if (!list.null && elements[r] < th_value_size(&list))
            th_value_element(&list, child, elements[r], &x);
        if (!th_builder_add(&b, &x)) return op_memory(&u->op);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

static th_err ordinality(unnest_op *u, th_arena *batch, const uint32_t *rows,
                         const uint32_t *elements, uint32_t count, th_vector *out)
{
    th_builder b;
    if (!th_builder_init(&b, batch, &th_type_bigint, count, false)) return op_memory(&u->op);
    for (uint32_t r = 0; r < count; r++) {
        bool empty = true;
        for (uint32_t i = 0; i < u->op.plan->expr_count; i++)
            empty = empty && size_at(u, i, rows[r]) == 0;
        th_value v = {.null = empty, .i = (int64_t)elements[r] + 1};
        if (!th_builder_add(&b, &v)) return op_memory(&u->op);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

static th_err unnest_next(th_op *op, th_arena *batch, const th_batch **out)
{
    unnest_op *u = (unnest_op *)op;
    const th_plan *p = op->plan;
    th_vector *vectors;
    *out = NULL;
    while (u->in == NULL || u->row >= u->in->rows) {
        TH_TRY(fetch_input(u));
        if (u->in == NULL) return TH_OK;
    }
    uint32_t *rows = th_arena_alloc(batch, TH_QUERY_BATCH_ROWS * sizeof *rows);
    uint32_t *elements = th_arena_alloc(batch, TH_QUERY_BATCH_ROWS * sizeof *elements);
    if (rows == NULL || elements == NULL) return op_memory(op);
    uint32_t n = plan_rows(u, rows, elements), at = u->in->column_count;
    th_batch *result = op_batch_new(op, batch, n, p->column_count, &vectors);
    if (result == NULL) return op_memory(op);
    TH_TRY(op_batch_gather(op, batch, u->in, rows, n, vectors));
    for (uint32_t i = 0; i < p->expr_count; i++) {
        uint32_t parts = u->nested[i].type->kind == TH_MAP ? 2 : 1;
        for (uint32_t c = 0; c < parts && at < p->column_count; c++)
            TH_TRY(expand(u, batch, i, c, rows, elements, n, &vectors[at++]));
    }
    if (p->with_ordinality && at < p->column_count)
        TH_TRY(ordinality(u, batch, rows, elements, n, &vectors[at++]));
    *out = result;
    return TH_OK;
}

static void unnest_close(th_op *op)
{
    unnest_op *u = (unnest_op *)op;
    th_arena_free(u->input_arena);
    u->input_arena = NULL;
}

const th_op_ops th_op_unnest = {"Unnest", sizeof(unnest_op), unnest_open, unnest_next,
                                unnest_close};
