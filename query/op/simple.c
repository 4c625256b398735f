/* SPDX-License-Identifier: Apache-2.0
 * Operators that keep no rows: values, single row, filter, project, limit, union all, sample. */
#include "base/limits.h"
#include "query/op/op.h"
#include "query/op/valueset.h"
#include "query/op/scan.h"

typedef struct single_op {
    th_op op;
    uint64_t at; /* next row; limit: rows seen; union: current input */
    uint64_t left;
    th_eval **evals;
    th_arena *arena; /* limit by key: */
    valueset *keys;
    uint64_t *counts; /* rows seen of each */
    uint32_t count_capacity;
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

/* A scan filters for itself; then there is nothing to evaluate here. */
static th_err filter_open(th_op *op)
{
    if (op_scan_takes(op->inputs[0], op->plan->predicate))
        return op_scan_filter(op->inputs[0], op->plan->predicate);
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
    if (in->rows == 0 || s->evals == NULL) {
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

/* A limit for each value of the plan's exprs. */
static th_err keyed_open(single_op *s)
{
    const th_plan *p = s->op.plan;
    const th_type **types = TH_NEW_ARRAY(s->op.exec->arena, const th_type *, p->expr_count);
    s->arena = th_exec_arena(s->op.exec);
    s->keys = TH_NEW(s->op.exec->arena, valueset);
    if (types == NULL || s->arena == NULL || s->keys == NULL) return op_memory(&s->op);
    for (uint32_t i = 0; i < p->expr_count; i++) types[i] = p->exprs[i]->type;
    if (!valueset_init(s->keys, s->arena, types, p->expr_count)) return op_memory(&s->op);
    return th_eval_new_many(s->op.exec, p->exprs, p->expr_count, &s->evals);
}

static th_err count_key(single_op *s, const th_value *tuple, uint64_t *seen)
{
    uint32_t index;
    if (!valueset_put(s->keys, tuple, &index, NULL)) return op_memory(&s->op);
    if (index >= s->count_capacity) {
        uint32_t capacity = s->count_capacity == 0 ? 64 : s->count_capacity * 2;
        uint64_t *counts = TH_NEW_ARRAY(s->arena, uint64_t, capacity);
        if (counts == NULL) return op_memory(&s->op);
        if (s->count_capacity > 0) memcpy(counts, s->counts, s->count_capacity * sizeof *counts);
        s->counts = counts;
        s->count_capacity = capacity;
    }
    *seen = s->counts[index]++;
    return TH_OK;
}

static th_err keyed_next(single_op *s, th_arena *batch, const th_batch **out)
{
    const th_plan *p = s->op.plan;
    const th_batch *in;
    th_vector *vectors;
    uint32_t n = 0;
    uint64_t seen;
    TH_TRY(th_op_next(s->op.inputs[0], batch, &in));
    *out = in;
    if (in == NULL || in->rows == 0) return TH_OK;
    th_vector *keys = TH_NEW_ARRAY(batch, th_vector, p->expr_count);
    th_value *tuple = TH_NEW_ARRAY(batch, th_value, p->expr_count);
    uint32_t *rows = th_arena_alloc(batch, in->rows * sizeof *rows);
    if (keys == NULL || tuple == NULL || rows == NULL) return op_memory(&s->op);
    for (uint32_t k = 0; k < p->expr_count; k++)
        TH_TRY(th_eval_run(s->evals[k], in, batch, &keys[k]));
    for (uint32_t i = 0; i < in->rows; i++) {
        for (uint32_t k = 0; k < p->expr_count; k++) th_value_get(&keys[k], i, &tuple[k]);
        TH_TRY(count_key(s, tuple, &seen));
        if (seen >= p->offset_rows && (!p->has_limit || seen - p->offset_rows < p->limit_rows))
            rows[n++] = i;
    }
    th_batch *result = op_batch_new(&s->op, batch, n, in->column_count, &vectors);
    if (result == NULL) return op_memory(&s->op);
    TH_TRY(op_batch_gather(&s->op, batch, in, rows, n, vectors));
    *out = result;
    return TH_OK;
}

static void limit_close(th_op *op)
{
    single_op *s = (single_op *)op;
    th_arena_free(s->arena);
    s->arena = NULL;
}

static th_err limit_open(th_op *op)
{
    single_op *s = (single_op *)op;
    if (op->plan->expr_count > 0) return keyed_open(s);
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
    if (op->plan->expr_count > 0) return keyed_next(s, batch, out);
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

const th_op_ops th_op_limit = {"Limit", sizeof(single_op), limit_open, limit_next, limit_close};

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

/* A number for each row or batch that is the same in every run. */
static double chance(uint64_t at)
{
    uint64_t x = (at + 1) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

static th_err sample_next(th_op *op, th_arena *batch, const th_batch **out)
{
    single_op *s = (single_op *)op;
    const th_plan *p = op->plan;
    const th_batch *in;
    th_vector *vectors;
    uint32_t n = 0;
    *out = NULL;
    TH_TRY(th_op_next(op->inputs[0], batch, &in));
    if (in == NULL) return TH_OK;
    uint32_t *rows = th_arena_alloc(batch, ((size_t)in->rows + 1) * sizeof *rows);
    if (rows == NULL) return op_memory(op);
    bool whole = p->by_batch && in->rows > 0 && chance(s->at++) < p->share;
    for (uint32_t i = 0; i < in->rows; i++) {
        if (p->by_batch ? whole : chance(s->at++) < p->share) rows[n++] = i;
    }
    th_batch *result = op_batch_new(op, batch, n, in->column_count, &vectors);
    if (result == NULL) return op_memory(op);
    *out = result;
    return op_batch_gather(op, batch, in, rows, n, vectors);
}

const th_op_ops th_op_sample = {"Sample", sizeof(single_op), NULL, sample_next, NULL};
