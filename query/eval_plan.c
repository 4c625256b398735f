/* SPDX-License-Identifier: Apache-2.0
 * Subqueries inside expressions: run once and kept, or once a row when they read the outer row. */
#include "query/eval_internal.h"

typedef struct answer {
    th_value scalar;
    bool exists, has_null;
    th_vector column;
    uint32_t *buckets;
    uint32_t mask;
} answer;

static bool expr_reads_outer(const th_expr *x, uint32_t depth);

static bool plan_reads_outer(const th_plan *p, uint32_t depth)
{
    for (uint32_t i = 0; i < p->input_count; i++)
        if (plan_reads_outer(p->inputs[i], depth)) return true;
    if (p->predicate != NULL && expr_reads_outer(p->predicate, depth)) return true;
    uint32_t exprs = p->kind == TH_P_VALUES ? p->row_count * p->column_count : p->expr_count;
    for (uint32_t i = 0; i < exprs; i++)
        if (expr_reads_outer(p->exprs[i], depth)) return true;
    for (uint32_t i = 0; i < p->key_count; i++)
        if (expr_reads_outer(p->left_keys[i], depth) || expr_reads_outer(p->right_keys[i], depth))
            return true;
    for (uint32_t i = 0; i < p->sort_count; i++)
        if (expr_reads_outer(p->sorts[i].expr, depth)) return true;
    for (uint32_t i = 0; i < p->aggregate_count; i++) {
        const th_agg_call *a = &p->aggregates[i];
        for (uint32_t k = 0; k < a->arg_count; k++)
            if (expr_reads_outer(a->args[k], depth)) return true;
        if (a->filter != NULL && expr_reads_outer(a->filter, depth)) return true;
    }
    return false;
}

static bool expr_reads_outer(const th_expr *x, uint32_t depth)
{
    if (x->kind == TH_X_OUTER) return true;
    if (x->plan != NULL && depth < 16 && plan_reads_outer(x->plan, depth + 1)) return true;
    for (uint32_t i = 0; i < x->child_count; i++)
        if (expr_reads_outer(x->children[i], depth)) return true;
    return false;
}

static bool find(const answer *a, const th_value *v, uint32_t *bucket)
{
    th_value x;
    uint32_t at = (uint32_t)th_value_hash(a->column.type, v) & a->mask;
    for (; a->buckets[at] != 0; at = (at + 1) & a->mask) {
        th_value_get(&a->column, a->buckets[at] - 1, &x);
        if (th_value_same(a->column.type, &x, v)) return true;
    }
    *bucket = at;
    return false;
}

static th_err index_column(eval_frame *frame, answer *a)
{
    uint32_t size = 16, bucket;
    th_value v;
    while (size < a->column.count * 2) size *= 2;
    a->mask = size - 1;
    a->buckets = TH_NEW_ARRAY(frame->eval->exec->arena, uint32_t, size);
    if (a->buckets == NULL) return eval_memory(frame);
    for (uint32_t i = 0; i < a->column.count; i++) {
        th_value_get(&a->column, i, &v);
        if (v.null)
            a->has_null = true;
        else if (!find(a, &v, &bucket))
            a->buckets[bucket] = i + 1;
    }
    return TH_OK;
}

static th_err answer_new(eval_node *node, eval_frame *frame, const th_vector *const *outer,
                         answer **out)
{
    th_exec *exec = frame->eval->exec;
    const th_expr *x = node->expr;
    th_vector *columns;
    uint32_t rows, most = x->kind == TH_X_SCALAR ? 2 : x->kind == TH_X_EXISTS ? 1 : UINT32_MAX;
    answer *a = TH_NEW(exec->arena, answer);
    if (a == NULL) return eval_memory(frame);
    TH_TRY(th_exec_collect(exec, x->plan, most, outer, &columns, &rows));
    if (x->kind == TH_X_SCALAR && rows > 1)
        return th_fail_at(exec->diag, TH_ESQL, "SUBQUERY_MULTIPLE_ROWS", x->line, x->column,
                          "Scalar sub-query has returned multiple rows");
    a->exists = rows > 0;
    if (x->kind == TH_X_SCALAR) {
        a->scalar.null = true;
        if (rows > 0) th_value_get(&columns[0], 0, &a->scalar);
    } else if (x->kind == TH_X_IN_PLAN) {
        a->column = columns[0];
        TH_TRY(index_column(frame, a));
    }
    *out = a;
    return TH_OK;
}

static void answer_value(const answer *a, th_expr_kind kind, const th_value *needle, th_value *out)
{
    uint32_t bucket;
    *out = (th_value){0};
    if (kind == TH_X_SCALAR) {
        *out = a->scalar;
    } else if (kind == TH_X_EXISTS) {
        out->i = a->exists;
    } else if (needle->null) {
        out->null = a->exists;
    } else {
        out->i = find(a, needle, &bucket);
        out->null = out->i == 0 && a->has_null;
    }
}

/* Run again for each row of the frame with the row as the outer row. */
static th_err correlated(eval_node *node, eval_frame *frame, const th_vector *needles,
                         th_vector *out)
{
    const th_batch *batch = frame->batch;
    th_builder b;
    th_value v, needle = {.null = true};
    answer *a;
    const th_vector **outer = TH_NEW_ARRAY(frame->arena, const th_vector *, batch->column_count);
    if (outer == NULL || !th_builder_init(&b, frame->arena, node->expr->type, frame->count, false))
        return eval_memory(frame);
    for (uint32_t i = 0; i < frame->count; i++) {
        uint32_t row = frame->rows == NULL ? i : frame->rows[i];
        for (uint32_t c = 0; c < batch->column_count; c++) {
            th_value_get(&batch->columns[c], row, &v);
            outer[c] = th_vector_const(frame->arena, batch->columns[c].type, &v, 1);
            if (outer[c] == NULL) return eval_memory(frame);
        }
        TH_TRY(answer_new(node, frame, outer, &a));
        if (needles != NULL) th_value_get(needles, i, &needle);
        answer_value(a, node->expr->kind, &needle, &v);
        if (!th_builder_add(&b, &v)) return eval_memory(frame);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

static th_err in_plan_row(th_fn_call *call, const th_value *args, th_value *out)
{
    answer_value(*call->state, TH_X_IN_PLAN, &args[0], out);
    return TH_OK;
}

th_err eval_subquery(eval_node *node, eval_frame *frame, th_vector *out)
{
    th_vector *needles = NULL;
    answer *a = node->state;
    if (node->expr->kind == TH_X_IN_PLAN) {
        needles = TH_NEW(frame->arena, th_vector);
        if (needles == NULL) return eval_memory(frame);
        TH_TRY(eval_node_run(&node->children[0], frame, needles));
    }
    if (a == NULL && !node->reads_outer) node->reads_outer = plan_reads_outer(node->expr->plan, 0);
    if (node->reads_outer) return correlated(node, frame, needles, out);
    if (a == NULL) {
        TH_TRY(answer_new(node, frame, frame->eval->exec->env->outer_row, &a));
        node->state = a;
    }
    if (needles == NULL) {
        th_value v;
        answer_value(a, node->expr->kind, NULL, &v);
        th_vector *c = th_vector_const(frame->arena, node->expr->type, &v, frame->count);
        if (c == NULL) return eval_memory(frame);
        *out = *c;
        return TH_OK;
    }
    th_fn_call call;
    const th_vector *args[1] = {needles};
    eval_call_init(node, frame, &call);
    return eval_rows(node, frame, &call, in_plan_row, TH_FN_NULLS, args, 1, out);
}
