/* SPDX-License-Identifier: Apache-2.0
 * Function calls: the forms that are no functions (COALESCE, IF, NULLIF, TRY), lambdas, aggregates, and the rest. */
#include "query/bind.h"

static bool named(const ast_expr *ast, const char *name)
{
    return ast->call->name.count == 1 && th_slice_equal_nocase(ast->text, th_slice_text(name));
}

static th_err wrong_count(binder *b, const ast_expr *ast, const char *what)
{
    return th_fail_at(b->diag, TH_ESQL, "INVALID_ARGUMENTS", ast->line, ast->column,
                      "Invalid number of arguments for '%.*s' function: it takes %s",
                      TH_SLICE_ARGS(ast->text), what);
}

static th_err bind_args(const bind_place *at, const ast_expr *ast, const th_expr ***out)
{
    uint32_t count = ast->child_count;
    const th_expr **args = TH_NEW_ARRAY(at->b->arena, const th_expr *, count + 1);
    if (args == NULL) return query_no_memory(at->b);
    for (uint32_t i = 0; i < count; i++) {
        if (ast->children[i]->kind == AST_LAMBDA) continue;
        TH_TRY(query_bind_expr(at, ast->children[i], &args[i]));
    }
    *out = args;
    return TH_OK;
}

static th_err coalesce(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (ast->child_count < 2) return wrong_count(at->b, ast, "two or more");
    const th_expr **args;
    TH_TRY(bind_args(at, ast, &args));
    const th_type *type;
    TH_TRY(query_bind_common(at->b, ast, "COALESCE operands", ast->child_count, args, &type));
    th_expr *e = query_expr_children(at->b, TH_X_COALESCE, type, ast, ast->child_count, args);
    return e == NULL ? query_no_memory(at->b) : query_bind_fold(at->b, e, out);
}

static th_err finish_case(const bind_place *at, const ast_expr *ast, const th_expr *when,
                          const th_expr *then, const th_expr *otherwise, const th_expr **out)
{
    if (otherwise == NULL) return query_no_memory(at->b);
    const th_expr *results[2] = {then, otherwise};
    const th_type *type;
    TH_TRY(query_bind_common(at->b, ast, "result types", 2, results, &type));
    const th_expr *parts[3] = {when, results[0], results[1]};
    th_expr *e = query_expr_children(at->b, TH_X_CASE, type, ast, 3, parts);
    return e == NULL ? query_no_memory(at->b) : query_bind_fold(at->b, e, out);
}

static th_err if_call(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (ast->child_count != 2 && ast->child_count != 3)
        return wrong_count(at->b, ast, "two or three");
    const th_expr *when, *then, *otherwise;
    TH_TRY(query_bind_boolean(at, ast->children[0], "IF condition", &when));
    TH_TRY(query_bind_expr(at, ast->children[1], &then));
    otherwise = query_expr_null(at->b, &th_type_unknown, ast);
    if (ast->child_count == 3) TH_TRY(query_bind_expr(at, ast->children[2], &otherwise));
    return finish_case(at, ast, when, then, otherwise, out);
}

static th_err nullif_call(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (ast->child_count != 2) return wrong_count(at->b, ast, "two");
    const th_expr **args, *when;
    TH_TRY(bind_args(at, ast, &args));
    TH_TRY(query_bind_compare(at->b, ast, "$eq", args[0], args[1], &when));
    if (query_expr_may_fail(when)) { /* the second is not looked at when the first is NULL */
        const th_expr *both[2] = {NULL, when};
        th_expr *null =
            query_expr_children(at->b, TH_X_IS_NULL, &th_type_boolean, ast, 1, &args[0]);
        if (null == NULL) return query_no_memory(at->b);
        const th_expr *is_null = null;
        both[0] = query_expr_children(at->b, TH_X_NOT, &th_type_boolean, ast, 1, &is_null);
        if (both[0] == NULL) return query_no_memory(at->b);
        when = query_expr_children(at->b, TH_X_AND, &th_type_boolean, ast, 2, both);
        if (when == NULL) return query_no_memory(at->b);
    }
    return finish_case(at, ast, when, query_expr_null(at->b, &th_type_unknown, ast), args[0], out);
}

static th_err try_call(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (ast->child_count != 1) return wrong_count(at->b, ast, "one");
    const th_expr *value;
    TH_TRY(query_bind_expr(at, ast->children[0], &value));
    th_expr *e = query_expr_children(at->b, TH_X_TRY, value->type, ast, 1, &value);
    return e == NULL ? query_no_memory(at->b) : query_bind_fold(at->b, e, out);
}

static const th_type *function_type(binder *b, uint32_t count, const th_type *const *params,
                                    const th_type *result)
{
    th_type *type = TH_NEW(b->arena, th_type);
    const th_type **children = TH_NEW_ARRAY(b->arena, const th_type *, count + 1);
    if (type == NULL || children == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) children[i] = params[i];
    children[count] = result;
    *type = (th_type){.kind = TH_FUNCTION, .child_count = count + 1, .children = children};
    return type;
}

static th_err lambda(const bind_place *at, const ast_expr *ast, uint32_t index,
                     const th_type **types, const th_expr **args)
{
    binder *b = at->b;
    const ast_expr *node = ast->children[index];
    const th_type *const *params;
    TH_TRY(query_at(b, ast,
                    th_function_lambda(ast->text, types, ast->child_count, index, node->param_count,
                                       b->arena, &params, b->diag)));
    bind_lambda scope = {node->param_count, node->params, params, b->lambda_slots, at->lambda};
    b->lambda_slots += node->param_count;
    bind_place inner = *at;
    inner.lambda = &scope;
    const th_expr *body;
    TH_TRY(query_bind_expr(&inner, node->children[0], &body));
    types[index] = function_type(b, node->param_count, params, body->type);
    if (types[index] == NULL) return query_no_memory(b);
    th_expr *e = query_expr_children(b, TH_X_LAMBDA, types[index], node, 1, &body);
    if (e == NULL) return query_no_memory(b);
    e->index = scope.first_slot;
    e->index2 = node->param_count;
    args[index] = e;
    return TH_OK;
}

/* The function wants another result of the lambda than its body gives: cast the body. */
static th_err cast_body(binder *b, const th_type *wanted, const th_expr **arg)
{
    const th_type *result = wanted->children[wanted->child_count - 1];
    const th_expr *body = (*arg)->children[0];
    if (th_type_equal(body->type, result)) return TH_OK;
    TH_TRY(query_bind_cast(b, body, result, &body));
    th_expr *e = query_expr_children(b, TH_X_LAMBDA, wanted, NULL, 1, &body);
    if (e == NULL) return query_no_memory(b);
    e->line = (*arg)->line;
    e->column = (*arg)->column;
    e->index = (*arg)->index;
    e->index2 = (*arg)->index2;
    *arg = e;
    return TH_OK;
}

static void hint_function(binder *b, const ast_expr *ast)
{
    bind_nearest nearest = query_nearest_of(ast->text);
    uint32_t count;
    const th_function *functions = th_function_list(&count);
    for (uint32_t i = 0; i < count; i++) {
        if ((functions[i].flags & TH_FN_HIDDEN) == 0)
            query_nearest_try(&nearest, th_slice_text(functions[i].name));
    }
    const th_aggregate *aggregates = th_aggregate_list(&count);
    for (uint32_t i = 0; i < count; i++)
        query_nearest_try(&nearest, th_slice_text(aggregates[i].name));
    if (nearest.best.size > 0)
        th_diag_hint(b->diag, "did you mean '%.*s'?", TH_SLICE_ARGS(nearest.best));
}

static th_err ordinary(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    binder *b = at->b;
    uint32_t count = ast->child_count;
    const th_expr **args;
    TH_TRY(bind_args(at, ast, &args));
    const th_type **types = TH_NEW_ARRAY(b->arena, const th_type *, count + 1);
    if (types == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) types[i] = args[i] == NULL ? NULL : args[i]->type;
    for (uint32_t i = 0; i < count; i++) {
        if (args[i] == NULL) TH_TRY(lambda(at, ast, i, types, args));
    }
    const th_function *fn;
    const th_type *const *params;
    const th_type *result;
    th_err err =
        th_function_resolve(ast->text, types, count, b->arena, &fn, &params, &result, b->diag);
    if (err != TH_OK) {
        if (!th_function_exists(ast->text)) hint_function(b, ast);
        return query_at(b, ast, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (params[i]->kind == TH_FUNCTION)
            TH_TRY(cast_body(b, params[i], &args[i]));
        else
            TH_TRY(query_bind_cast(b, args[i], params[i], &args[i]));
    }
    th_expr *e = query_expr_children(b, TH_X_CALL, result, ast, count, args);
    if (e == NULL) return query_no_memory(b);
    e->function = fn;
    return query_bind_fold(b, e, out);
}

static th_err text_constant(binder *b, const ast_expr *ast, th_slice text, const th_expr **out)
{
    *out = query_expr_text(b, text, ast);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static th_err refuse_aggregate_forms(const bind_place *at, const ast_expr *ast)
{
    const ast_call *call = ast->call;
    if (!call->star && !call->distinct && call->sort_count == 0 && call->filter == NULL)
        return TH_OK;
    if (!th_function_exists(ast->text)) {
        th_fail_at(at->b->diag, TH_ESQL, "FUNCTION_NOT_FOUND", ast->line, ast->column,
                   "Function '%.*s' not registered", TH_SLICE_ARGS(ast->text));
        hint_function(at->b, ast);
        return TH_ESQL;
    }
    return th_fail_at(
        at->b->diag, TH_ESQL, "FUNCTION_NOT_AGGREGATE", ast->line, ast->column,
        "*, DISTINCT, ORDER BY and FILTER are only for aggregation functions: %.*s is none",
        TH_SLICE_ARGS(ast->text));
}

th_err query_bind_call(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    binder *b = at->b;
    const ast_call *call = ast->call;
    if (call->name.count > 1) {
        bool done;
        TH_TRY(query_bind_json_method(at, ast, &done, out));
        if (done) return TH_OK;
        return th_fail_at(b->diag, TH_ESQL, "FUNCTION_NOT_FOUND", ast->line, ast->column,
                          "Function '%.*s' not registered",
                          (int)(ast->source.size > 100 ? 100 : ast->source.size),
                          (const char *)ast->source.bytes);
    }
    if (call->over != NULL || query_is_window_function(ast->text))
        return query_bind_window(at, ast, out);
    if (th_aggregate_exists(ast->text)) return query_bind_aggregate(at, ast, out);
    TH_TRY(refuse_aggregate_forms(at, ast));
    if (named(ast, "coalesce")) return coalesce(at, ast, out);
    if (named(ast, "if")) return if_call(at, ast, out);
    if (named(ast, "nullif")) return nullif_call(at, ast, out);
    if (named(ast, "try")) return try_call(at, ast, out);
    if (named(ast, "current_schema")) return text_constant(b, ast, b->schema, out);
    if (named(ast, "current_catalog"))
        return text_constant(b, ast, TH_SLICE("awsdatacatalog"), out);
    return ordinary(at, ast, out);
}
