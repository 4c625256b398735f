/* SPDX-License-Identifier: Apache-2.0
 * Operators that keep no rows: values, single row, filter, project, limit, union all. */
#include "base/limits.h"
#include "query/op/op.h"

typedef struct single_op {
    th_op op;
    uint64_t at; /* next row; limit: rows seen; union: current input */
    uint64_t left;
    th_eval **evals;
} single_op;

static th_err single_row_next(th_op *op, th_arena *batch, const th_batch **out)
{
    single_op *s = (single_op *)op;
    th_vector *vectors;
    *out = NULL;
    if (s->at++ > 0) return TH_OK;
    *out = op_batch_new(op, batch, 1, 0, &vectors);
    return *out == NULL ? op_memory(op) : TH_OK;
}

const th_op_ops th_op_single_row = {"SingleRow", sizeof(single_op), NULL, single_row_next, NULL};

static th_err values_open(th_op *op)
{
    single_op *s = (single_op *)op;
    return th_eval_new_many(op->exec, op->plan->exprs, op->plan->row_count * op->plan->column_count,
                            &s->evals);
}

static th_err values_next(th_op *op, th_arena *batch, const th_batch **out)
{
    single_op *s = (single_op *)op;
    const th_plan *p = op->plan;
    th_batch one = {.rows = 1};
    th_vector *vectors, *v = TH_NEW(batch, th_vector);
    th_builder b;
    th_value x;
    *out = NULL;
    if (s->at >= p->row_count) return TH_OK;
    uint32_t first = (uint32_t)s->at, n = p->row_count - first;
    if (n > TH_QUERY_BATCH_ROWS) n = TH_QUERY_BATCH_ROWS;
    th_batch *result = op_batch_new(op, batch, n, p->column_count, &vectors);
    if (result == NULL || v == NULL) return op_memory(op);
    for (uint32_t c = 0; c < p->column_count; c++) {
        if (!th_builder_init(&b, batch, p->columns[c].type, n, false)) return op_memory(op);
        for (uint32_t r = 0; r < n; r++) {
            TH_TRY(
                th_eval_run(s->evals[(size_t)(first + r) * p->column_count + c], &one, batch, v));
            th_value_get(v, 0, &x);
            if (!th_builder_add(&b, &x)) return op_memory(op);
        }
        th_builder_finish(&b, &vectors[c]);
    }
    s->at += n;
    *out = result;
    return TH_OK;
}

const th_op_ops th_op_values = {"Values", sizeof(single_op), values_open, values_next, NULL};

static th_err filter_open(th_op *op)
{
    return th_eval_new_many(op->exec, &op->plan->predicate, 1, &((single_op *)op)->evals);
}

static th_err filter_next(th_op *op, th_arena *batch, const th_batch **out)
{
    single_op *s = (single_op *)op;
    const th_batch *in;
    const uint32_t *rows;
    uint32_t count;
    th_vector *vectors;
    *out = NULL;
    TH_TRY(th_op_next(op->inputs[0], batch, &in));
    if (in == NULL) return TH_OK;
    if (in->rows == 0) {
        *out = in;
        return TH_OK;
    }
    TH_TRY(th_eval_filter(s->evals[0], in, batch, &rows, &count));
    if (count == in->rows) {
        *out = in;
        return TH_OK;
    }
    th_batch *result = op_batch_new(op, batch, count, in->column_count, &vectors);
    if (result == NULL) return op_memory(op);
    TH_TRY(op_batch_gather(op, batch, in, rows, count, vectors));
    *out = result;
    return TH_OK;
}

const th_op_ops th_op_filter = {"Filter", sizeof(single_op), filter_open, filter_next, NULL};

static th_err project_open(th_op *op)
{
    return th_eval_new_many(op->exec, op->plan->exprs, op->plan->expr_count,
                            &((single_op *)op)->evals);
}

static th_err project_next(th_op *op, th_arena *batch, const th_batch **out)
{
    single_op *s = (single_op *)op;
    const th_batch *in;
    th_vector *vectors;
    *out = NULL;
    TH_TRY(th_op_next(op->inputs[0], batch, &in));
    if (in == NULL) return TH_OK;
    th_batch *result = op_batch_new(op, batch, in->rows, op->plan->expr_count, &vectors);
    if (result == NULL) return op_memory(op);
    for (uint32_t i = 0; i < op->plan->expr_count && in->rows > 0; i++)
        TH_TRY(th_eval_run(s->evals[i], in, batch, &vectors[i]));
    for (uint32_t i = 0; i < op->plan->expr_count && in->rows == 0; i++)
        vectors[i] = (th_vector){.type = op->plan->columns[i].type, .form = TH_FLAT};
    *out = result;
    return TH_OK;
}

const th_op_ops th_op_project = {"Project", sizeof(single_op), project_open, project_next, NULL};

static th_err limit_open(th_op *op)
{
    single_op *s = (single_op *)op;
    s->at = op->plan->offset_rows;
    s->left = op->plan->has_limit ? op->plan->limit_rows : UINT64_MAX;
    return TH_OK;
}

/* at: rows still to skip, left: rows still to give. */
static th_err limit_next(th_op *op, th_arena *batch, const th_batch **out)
{
    single_op *s = (single_op *)op;
    const th_batch *in;
    th_vector *vectors;
    *out = NULL;
    if (s->left == 0) return TH_OK;
    TH_TRY(th_op_next(op->inputs[0], batch, &in));
    if (in == NULL) return TH_OK;
    uint32_t skip = s->at < in->rows ? (uint32_t)s->at : in->rows;
    uint32_t take = in->rows - skip;
    if (take > s->left) take = (uint32_t)s->left;
    s->at -= skip;
    s->left -= take;
    if (take == in->rows) {
        *out = in;
        return TH_OK;
    }
    uint32_t *rows = th_arena_alloc(batch, ((size_t)take + 1) * sizeof *rows);
    th_batch *result = op_batch_new(op, batch, take, in->column_count, &vectors);
    if (rows == NULL || result == NULL) return op_memory(op);
    for (uint32_t i = 0; i < take; i++) rows[i] = skip + i;
    TH_TRY(op_batch_gather(op, batch, in, rows, take, vectors));
    *out = result;
    return TH_OK;
}

const th_op_ops th_op_limit = {"Limit", sizeof(single_op), limit_open, limit_next, NULL};

static th_err union_next(th_op *op, th_arena *batch, const th_batch **out)
{
    single_op *s = (single_op *)op;
    *out = NULL;
    for (; s->at < op->plan->input_count; s->at++) {
        TH_TRY(th_op_next(op->inputs[s->at], batch, out));
        if (*out != NULL) return TH_OK;
    }
    return TH_OK;
}

const th_op_ops th_op_union = {"UnionAll", sizeof(single_op), NULL, union_next, NULL};
