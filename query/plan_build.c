/* SPDX-License-Identifier: Apache-2.0
 * Making plan nodes and expressions. */
#include "base/limits.h"
#include "query/bind.h"

th_err query_no_memory(binder *b)
{
    return th_fail_memory(b->diag);
}

th_err query_too_deep(binder *b, uint32_t line, uint32_t column)
{
    return th_fail_at(b->diag, TH_ELIMIT, "EXCEEDED_NESTING_LIMIT", line, column,
                      "The statement is nested too deeply; at most %u levels are allowed",
                      TH_SQL_DEPTH_MAX);
}

th_err query_at(binder *b, const ast_expr *ast, th_err err)
{
    if (err != TH_OK && b->diag != NULL && b->diag->line == 0 && ast != NULL) {
        b->diag->line = ast->line;
        b->diag->column = ast->column;
    }
    return err;
}

th_expr *query_expr_new(binder *b, th_expr_kind kind, const th_type *type, const ast_expr *place)
{
    th_expr *e = TH_NEW(b->arena, th_expr);
    if (e == NULL) return NULL;
    e->kind = kind;
    e->type = type;
    if (place != NULL) {
        e->line = place->line;
        e->column = place->column;
    }
    return e;
}

th_expr *query_expr_children(binder *b, th_expr_kind kind, const th_type *type,
                             const ast_expr *place, uint32_t count, const th_expr *const *children)
{
    th_expr *e = query_expr_new(b, kind, type, place);
    const th_expr **copy = th_arena_alloc(b->arena, count * sizeof *copy);
    if (e == NULL || copy == NULL) return NULL;
    if (count > 0) memcpy(copy, children, count * sizeof *copy);
    e->child_count = count;
    e->children = copy;
    return e;
}

const th_expr *query_expr_column(binder *b, uint32_t index, const th_type *type,
                                 const ast_expr *place)
{
    th_expr *e = query_expr_new(b, TH_X_COLUMN, type, place);
    if (e != NULL) e->index = index;
    return e;
}

const th_expr *query_expr_const(binder *b, const th_type *type, const void *value,
                                const ast_expr *place)
{
    th_expr *e = query_expr_new(b, TH_X_CONST, type, place);
    if (e == NULL) return NULL;
    e->constant = th_vector_const(b->arena, type, value, 1);
    return e->constant == NULL ? NULL : e;
}

const th_expr *query_expr_bool(binder *b, bool value, const ast_expr *place)
{
    th_value v = {.i = value};
    return query_expr_const(b, &th_type_boolean, &v, place);
}

const th_expr *query_expr_text(binder *b, th_slice text, const ast_expr *place)
{
    th_value v = {.s = text};
    return query_expr_const(b, &th_type_varchar, &v, place);
}

const th_expr *query_expr_bigint(binder *b, int64_t value, const ast_expr *place)
{
    th_value v = {.i = value};
    return query_expr_const(b, &th_type_bigint, &v, place);
}

const th_expr *query_expr_null(binder *b, const th_type *type, const ast_expr *place)
{
    th_expr *e = query_expr_new(b, TH_X_CONST, type, place);
    if (e == NULL) return NULL;
    e->constant = th_vector_null(b->arena, type, 1);
    return e->constant == NULL ? NULL : e;
}

th_plan *query_plan_new(binder *b, th_plan_kind kind, uint32_t column_count, uint32_t input_count,
                        const th_plan *const *inputs)
{
    th_plan *plan = TH_NEW(b->arena, th_plan);
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, column_count);
    const th_plan **copy = TH_NEW_ARRAY(b->arena, const th_plan *, input_count);
    if (plan == NULL || columns == NULL || copy == NULL) return NULL;
    for (uint32_t i = 0; i < input_count; i++) copy[i] = inputs[i];
    plan->kind = kind;
    plan->column_count = column_count;
    plan->columns = columns;
    plan->input_count = input_count;
    plan->inputs = copy;
    return plan;
}

th_plan *query_plan_filter(binder *b, const th_plan *input, const th_expr *predicate)
{
    th_plan *plan = query_plan_new(b, TH_P_FILTER, 0, 1, &input);
    if (plan == NULL) return NULL;
    plan->column_count = input->column_count;
    plan->columns = input->columns;
    plan->predicate = predicate;
    return plan;
}

th_plan *query_plan_project(binder *b, const th_plan *input, uint32_t count,
                            const th_expr *const *exprs, const th_slice *names)
{
    th_plan *plan = query_plan_new(b, TH_P_PROJECT, count, 1, &input);
    const th_expr **copy = TH_NEW_ARRAY(b->arena, const th_expr *, count);
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, count);
    if (plan == NULL || copy == NULL || columns == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = exprs[i];
        columns[i] = (th_plan_column){names == NULL ? (th_slice){0} : names[i], exprs[i]->type};
    }
    plan->columns = columns;
    plan->exprs = copy;
    plan->expr_count = count;
    return plan;
}

/* Rows that differ: an aggregation by all columns. */
th_plan *query_plan_distinct(binder *b, const th_plan *input)
{
    th_plan *plan = query_plan_new(b, TH_P_AGGREGATE, 0, 1, &input);
    const th_expr **keys = TH_NEW_ARRAY(b->arena, const th_expr *, input->column_count);
    if (plan == NULL || keys == NULL) return NULL;
    for (uint32_t i = 0; i < input->column_count; i++) {
        keys[i] = query_expr_column(b, i, input->columns[i].type, NULL);
        if (keys[i] == NULL) return NULL;
    }
    plan->column_count = input->column_count;
    plan->columns = input->columns;
    plan->exprs = keys;
    plan->expr_count = input->column_count;
    return plan;
}
