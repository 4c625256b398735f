/* SPDX-License-Identifier: Apache-2.0
 * Subqueries inside expressions: run once and kept. Those that read the outer row became joins (query/plan_apply.c). */
#include "query/eval_internal.h"

typedef struct answer {
    th_value scalar;
    bool exists, has_null;
    th_vector column;
    uint32_t *buckets;
    uint32_t mask;
} answer;

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

static th_err answer_new(eval_node *node, eval_frame *frame, answer **out)
{
    th_exec *exec = frame->eval->exec;
    const th_expr *x = node->expr;
    th_vector *columns;
    uint32_t rows, most = x->kind == TH_X_SCALAR ? 2 : x->kind == TH_X_EXISTS ? 1 : UINT32_MAX;
    answer *a = TH_NEW(exec->arena, answer);
    if (a == NULL) return eval_memory(frame);
    TH_TRY(th_exec_collect(exec, x->plan, most, &columns, &rows));
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

/* NULLs inside of values leave comparisons open: look at them all. */
static void find_nested(const answer *a, const th_value *needle, th_value *out)
{
    th_value x;
    for (uint32_t i = 0; i < a->column.count; i++) {
        th_value_get(&a->column, i, &x);
        int equal = x.null ? -1 : th_value_equal3(a->column.type, &x, needle);
        out->null = out->null || equal < 0;
        out->i = equal == 1;
        if (equal != 1) continue;
        out->null = false;
        return;
    }
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
    } else if (a->column.type->child_count > 0) {
        find_nested(a, needle, out);
    } else {
        bool nan = th_value_equal3(a->column.type, needle, needle) != 1;
        out->i = !nan && find(a, needle, &bucket);
        out->null = out->i == 0 && a->has_null;
    }
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
    if (a == NULL) {
        TH_TRY(answer_new(node, frame, &a));
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
