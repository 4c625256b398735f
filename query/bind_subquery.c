/* SPDX-License-Identifier: Apache-2.0
 * Subqueries in expressions: scalar, EXISTS, IN, and comparisons with ANY and ALL, which look at how many rows the
 * subquery has and at the least and greatest of them. */
#include "query/bind.h"
#include "query/lex.h"
#include "query/type/coerce.h"

static bool is_nested(const th_type *type)
{
    return type->kind == TH_ROW || type->kind == TH_ARRAY || type->kind == TH_MAP;
}

/* Several columns are one of a row. */
static th_err one_column(binder *b, const ast_expr *ast, th_plan **plan)
{
    uint32_t n = (*plan)->column_count;
    if (n == 1) return TH_OK;
    const th_expr **fields = TH_NEW_ARRAY(b->arena, const th_expr *, n + 1), *row;
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, n + 1);
    if (fields == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        fields[i] = query_expr_column(b, i, (*plan)->columns[i].type, ast);
        if (fields[i] == NULL) return query_no_memory(b);
        th_slice name = (*plan)->columns[i].name;
        if (name.size < 4 || memcmp(name.bytes, "_col", 4) != 0) names[i] = name;
    }
    TH_TRY(query_bind_function(b, ast, "$row", n, fields, &row));
    const th_type *type = th_type_row(b->arena, row->type->children, names, n);
    if (type == NULL) return query_no_memory(b);
    row = query_expr_children(b, TH_X_CAST, type, ast, 1, &row);
    if (row == NULL) return query_no_memory(b);
    *plan = query_plan_project(b, *plan, 1, &row, NULL);
    return *plan == NULL ? query_no_memory(b) : TH_OK;
}

/* The finished subquery as an expression; needle may be NULL. */
static th_err subquery_expr(const bind_place *at, const ast_expr *ast, th_expr_kind kind,
                            const th_type *type, const th_expr *needle, const bind_params *params,
                            th_plan *plan, const th_expr **out)
{
    uint32_t first = needle != NULL;
    const th_expr **children =
        TH_NEW_ARRAY(at->b->arena, const th_expr *, params->count + first + 1);
    if (children == NULL) return query_no_memory(at->b);
    children[0] = needle;
    for (uint32_t i = 0; i < params->count; i++) children[first + i] = params->values[i];
    th_expr *e = query_expr_children(at->b, kind, type, ast, first + params->count, children);
    if (e == NULL) return query_no_memory(at->b);
    e->plan = plan;
    *out = e;
    return TH_OK;
}

th_err query_bind_exists(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    bind_params params = {0};
    th_plan *plan;
    TH_TRY(query_bind_subplan(at, ast->query, &params, &plan));
    return subquery_expr(at, ast, TH_X_EXISTS, &th_type_boolean, NULL, &params, plan, out);
}

th_err query_bind_scalar(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    bind_params params = {0};
    th_plan *plan;
    TH_TRY(query_bind_subplan(at, ast->query, &params, &plan));
    TH_TRY(one_column(at->b, ast, &plan));
    return subquery_expr(at, ast, TH_X_SCALAR, plan->columns[0].type, NULL, &params, plan, out);
}

/* value and the one column of the subquery, brought to one type. */
typedef struct compared {
    bind_params params;
    th_plan *plan;
    const th_expr *value, *column;
} compared;

static th_err bind_compared(const bind_place *at, const ast_expr *ast, const char *op, compared *c)
{
    binder *b = at->b;
    TH_TRY(query_bind_expr(at, ast->children[0], &c->value));
    TH_TRY(query_bind_subplan(at, ast->query, &c->params, &c->plan));
    TH_TRY(one_column(b, ast, &c->plan));
    const th_type *was = c->value->type, *type = c->plan->columns[0].type;
    c->column = query_expr_column(b, 0, type, ast);
    if (c->column == NULL) return query_no_memory(b);
    if (was->kind == TH_ROW && type->kind != TH_ROW && type->kind != TH_UNKNOWN)
        TH_TRY(query_bind_function(b, ast, "$row", 1, &c->column, &c->column));
    bool unified;
    TH_TRY(query_at(b, ast, query_bind_unify(b, &c->value, &c->column, &unified)));
    return unified ? TH_OK : query_cannot_apply(b, ast, op, was, type);
}

static th_err negate(binder *b, const ast_expr *ast, const th_expr *e, const th_expr **out)
{
    *out = query_expr_children(b, TH_X_NOT, &th_type_boolean, ast, 1, &e);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

th_err query_bind_in_query(const bind_place *at, const ast_expr *ast, bool negated,
                           const th_expr **out)
{
    compared c = {0};
    TH_TRY(bind_compared(at, ast, "=", &c));
    if (!th_type_is_comparable(c.column->type))
        return query_cannot_apply(at->b, ast, "=", c.value->type, c.column->type);
    if (c.column->kind != TH_X_COLUMN) {
        c.plan = query_plan_project(at->b, c.plan, 1, &c.column, NULL);
        if (c.plan == NULL) return query_no_memory(at->b);
        if (c.params.count == 0) TH_TRY(query_optimize(at->b, c.plan, &c.plan));
    }
    TH_TRY(subquery_expr(at, ast, TH_X_IN_PLAN, &th_type_boolean, c.value, &c.params, c.plan, out));
    return negated ? negate(at->b, ast, *out, out) : TH_OK;
}

static th_err aggregate_call(binder *b, const char *name, const th_expr *arg, th_agg_call *call)
{
    const th_type *type = arg == NULL ? NULL : arg->type;
    const th_type *const *params;
    const th_expr **args = TH_NEW_ARRAY(b->arena, const th_expr *, 1);
    if (args == NULL) return query_no_memory(b);
    TH_TRY(th_aggregate_resolve(th_slice_text(name), &type, arg != NULL, b->arena, &call->aggregate,
                                &params, &call->type, b->diag));
    args[0] = arg;
    call->args = args;
    call->arg_count = arg != NULL;
    return TH_OK;
}

/* One row of type row(...): the aggregates named, over the rows of input. */
static th_err aggregate_row(binder *b, const ast_expr *ast, th_plan *input, uint32_t count,
                            const char *const *names, const th_expr *const *args, th_plan **out)
{
    const th_plan *inputs[1] = {input};
    th_plan *plan = query_plan_new(b, TH_P_AGGREGATE, count, 1, inputs);
    th_agg_call *calls = TH_NEW_ARRAY(b->arena, th_agg_call, count);
    if (plan == NULL || calls == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) {
        TH_TRY(aggregate_call(b, names[i], args[i], &calls[i]));
        ((th_plan_column *)(uintptr_t)plan->columns)[i].type = calls[i].type;
    }
    plan->aggregates = calls;
    plan->aggregate_count = count;
    *out = plan;
    return one_column(b, ast, out);
}

static th_err field(binder *b, const ast_expr *ast, const th_expr *row, uint32_t index,
                    const th_expr **out)
{
    th_expr *e = query_expr_children(b, TH_X_FIELD, row->type->children[index], ast, 1, &row);
    if (e == NULL) return query_no_memory(b);
    e->index = index;
    *out = e;
    return TH_OK;
}

static th_err logical(binder *b, th_expr_kind kind, const ast_expr *ast, const th_expr *left,
                      const th_expr *right, const th_expr **out)
{
    const th_expr *pair[2] = {left, right};
    *out = query_expr_children(b, kind, &th_type_boolean, ast, 2, pair);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static th_err choose(binder *b, const ast_expr *ast, const th_expr *when, const th_expr *then,
                     const th_expr *otherwise, const th_expr **out)
{
    const th_expr *parts[3] = {when, then, otherwise};
    if (then == NULL || otherwise == NULL) return query_no_memory(b);
    *out = query_expr_children(b, TH_X_CASE, &th_type_boolean, ast, 3, parts);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static const char *function_of(uint32_t op)
{
    switch (op) {
    case '=': return "$eq";
    case '<': return "$lt";
    case '>': return "$gt";
    case LEX_NE: return "$ne";
    case LEX_LE: return "$le";
    default: return "$ge";
    }
}

/* What the least and the greatest value say when none is NULL. */
static th_err by_bounds(binder *b, const ast_expr *ast, const th_expr *value, const th_expr *least,
                        const th_expr *greatest, const th_expr **out)
{
    const char *op = function_of(ast->op);
    bool all = ast->quantifier == AST_ALL, below = ast->op == '<' || ast->op == LEX_LE;
    if (ast->op == '=' || ast->op == LEX_NE) {
        const th_expr *pair[2];
        TH_TRY(query_bind_compare(b, ast, op, value, least, &pair[0]));
        TH_TRY(query_bind_compare(b, ast, op, value, greatest, &pair[1]));
        return logical(b, all ? TH_X_AND : TH_X_OR, ast, pair[0], pair[1], out);
    }
    return query_bind_compare(b, ast, op, value, below == all ? least : greatest, out);
}

/* fields: count(*), count(value), then what by_bounds wants. No rows decide; a NULL among them leaves open what the
 * others do not decide. */
static th_err by_counts(binder *b, const ast_expr *ast, const th_expr *row, const th_expr *others,
                        const th_expr **out)
{
    bool all = ast->quantifier == AST_ALL;
    const th_expr *rows, *values, *zero = query_expr_bigint(b, 0, ast), *none, *nulls, *open;
    if (zero == NULL) return query_no_memory(b);
    TH_TRY(field(b, ast, row, 0, &rows));
    TH_TRY(field(b, ast, row, 1, &values));
    TH_TRY(query_bind_compare(b, ast, "$eq", rows, zero, &none));
    TH_TRY(query_bind_compare(b, ast, "$ne", rows, values, &nulls));
    TH_TRY(choose(b, ast, nulls, query_expr_null(b, &th_type_boolean, ast),
                  query_expr_bool(b, all, ast), &open));
    TH_TRY(logical(b, all ? TH_X_AND : TH_X_OR, ast, others, open, &others));
    return choose(b, ast, none, query_expr_bool(b, all, ast), others, out);
}

static th_err ordered(const bind_place *at, const ast_expr *ast, compared *c, const th_expr **out)
{
    static const char *const names[] = {"count", "count", "min", "max"};
    const th_expr *const args[] = {NULL, c->column, c->column, c->column};
    const th_expr *row, *least, *greatest, *others;
    TH_TRY(aggregate_row(at->b, ast, c->plan, 4, names, args, &c->plan));
    if (c->params.count == 0) TH_TRY(query_optimize(at->b, c->plan, &c->plan));
    TH_TRY(subquery_expr(at, ast, TH_X_SCALAR, c->plan->columns[0].type, NULL, &c->params, c->plan,
                         &row));
    TH_TRY(field(at->b, ast, row, 2, &least));
    TH_TRY(field(at->b, ast, row, 3, &greatest));
    TH_TRY(by_bounds(at->b, ast, c->value, least, greatest, &others));
    return by_counts(at->b, ast, row, others, out);
}

/* Values whose NULLs may lie deeper, or that have no order: each row is compared in the subquery. */
static th_err one_by_one(const bind_place *at, const ast_expr *ast, compared *c,
                         const th_expr **out)
{
    const char *names[] = {"count", "count", ast->quantifier == AST_ALL ? "bool_and" : "bool_or"};
    const th_expr *value = c->value, *test, *row, *others;
    if (query_expr_has_column(value)) {
        th_expr *outer = query_expr_new(at->b, TH_X_OUTER, value->type, ast);
        if (outer == NULL) return query_no_memory(at->b);
        TH_TRY(query_param_add(at->b, &c->params, value, &outer->index));
        value = outer;
    }
    TH_TRY(query_bind_compare(at->b, ast, function_of(ast->op), value, c->column, &test));
    const th_expr *const args[] = {NULL, test, test};
    TH_TRY(aggregate_row(at->b, ast, c->plan, 3, names, args, &c->plan));
    if (c->params.count == 0) TH_TRY(query_optimize(at->b, c->plan, &c->plan));
    TH_TRY(subquery_expr(at, ast, TH_X_SCALAR, c->plan->columns[0].type, NULL, &c->params, c->plan,
                         &row));
    TH_TRY(field(at->b, ast, row, 2, &others));
    return by_counts(at->b, ast, row, others, out);
}

th_err query_bind_quantified(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (ast->op == '=' && ast->quantifier == AST_ANY)
        return query_bind_in_query(at, ast, false, out);
    if (ast->op == LEX_NE && ast->quantifier == AST_ALL)
        return query_bind_in_query(at, ast, true, out);
    compared c = {0};
    const th_expr *check;
    TH_TRY(bind_compared(at, ast, "=", &c));
    TH_TRY(query_bind_compare(at->b, ast, function_of(ast->op), c.value, c.column, &check));
    const th_type *type = c.column->type;
    bool plain = th_type_is_orderable(type) && !is_nested(type) && type->kind != TH_UNKNOWN;
    return plain ? ordered(at, ast, &c, out) : one_by_one(at, ast, &c, out);
}
