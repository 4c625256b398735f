/* SPDX-License-Identifier: Apache-2.0
 * Expressions: operators, predicates, CASE, constructors, subqueries. Calls, names and literals have their own files. */
#include <ctype.h>
#include <stdio.h>

#include "query/bind.h"
#include "query/lex.h"
#include "query/type/coerce.h"

static th_err not_of(binder *b, const ast_expr *ast, const th_expr *e, const th_expr **out)
{
    th_expr *not = query_expr_children(b, TH_X_NOT, &th_type_boolean, ast, 1, &e);
    return not == NULL ? query_no_memory(b) : query_bind_fold(b, not, out);
}

static th_err maybe_not(binder *b, const ast_expr *ast, const th_expr **out)
{
    return ast->negated ? not_of(b, ast, *out, out) : TH_OK;
}

static th_err must_be_boolean(binder *b, const ast_expr *ast, const char *what, const th_expr **e)
{
    if ((*e)->type->kind == TH_BOOLEAN) return TH_OK;
    if ((*e)->type->kind == TH_UNKNOWN) return query_bind_cast(b, *e, &th_type_boolean, e);
    th_buf type;
    th_buf_init(&type, 1u << 16);
    th_type_print(&type, (*e)->type);
    th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
               "%s must evaluate to a boolean: actual type %s", what, th_buf_text(&type));
    th_buf_free(&type);
    return TH_ESQL;
}

th_err query_bind_boolean(const bind_place *at, const ast_expr *ast, const char *what,
                          const th_expr **out)
{
    TH_TRY(query_bind_expr(at, ast, out));
    return must_be_boolean(at->b, ast, what, out);
}

static th_err logical(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    th_expr_kind kind = ast->kind == AST_AND ? TH_X_AND : ast->kind == AST_OR ? TH_X_OR : TH_X_NOT;
    const th_expr **children = th_arena_alloc(at->b->arena, ast->child_count * sizeof *children);
    if (children == NULL) return query_no_memory(at->b);
    for (uint32_t i = 0; i < ast->child_count; i++) {
        TH_TRY(query_bind_boolean(at, ast->children[i], "Logical expression term", &children[i]));
    }
    th_expr *e =
        query_expr_children(at->b, kind, &th_type_boolean, ast, ast->child_count, children);
    return e == NULL ? query_no_memory(at->b) : query_bind_fold(at->b, e, out);
}

static const char *comparison_name(uint32_t op)
{
    switch (op) {
    case LEX_NE: return "$ne";
    case '<': return "$lt";
    case LEX_LE: return "$le";
    case '>': return "$gt";
    case LEX_GE: return "$ge";
    default: return "$eq";
    }
}

static th_err compare(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    const th_expr *left, *right;
    TH_TRY(query_bind_expr(at, ast->children[0], &left));
    TH_TRY(query_bind_expr(at, ast->children[1], &right));
    const char *name = ast->kind == AST_DISTINCT ? "$is_distinct" : comparison_name(ast->op);
    TH_TRY(query_bind_compare(at->b, ast, name, left, right, out));
    return ast->kind == AST_DISTINCT ? maybe_not(at->b, ast, out) : TH_OK;
}

static th_err between(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    const th_expr *value, *low, *high, *both[2];
    TH_TRY(query_bind_expr(at, ast->children[0], &value));
    TH_TRY(query_bind_expr(at, ast->children[1], &low));
    TH_TRY(query_bind_expr(at, ast->children[2], &high));
    TH_TRY(query_bind_compare(at->b, ast, "$ge", value, low, &both[0]));
    TH_TRY(query_bind_compare(at->b, ast, "$le", value, high, &both[1]));
    th_expr *e = query_expr_children(at->b, TH_X_AND, &th_type_boolean, ast, 2, both);
    if (e == NULL) return query_no_memory(at->b);
    TH_TRY(query_bind_fold(at->b, e, out));
    return maybe_not(at->b, ast, out);
}

/* Items that are no constants: value = a OR value = b ... */
static th_err in_expressions(const bind_place *at, const ast_expr *ast, uint32_t count,
                             const th_expr *const *e, const th_expr **out)
{
    const th_expr **terms = th_arena_alloc(at->b->arena, count * sizeof *terms);
    if (terms == NULL) return query_no_memory(at->b);
    for (uint32_t i = 1; i < count; i++) {
        TH_TRY(query_bind_compare(at->b, ast, "$eq", e[0], e[i], &terms[i - 1]));
    }
    if (count == 2) {
        *out = terms[0];
        return TH_OK;
    }
    th_expr *any = query_expr_children(at->b, TH_X_OR, &th_type_boolean, ast, count - 1, terms);
    return any == NULL ? query_no_memory(at->b) : query_bind_fold(at->b, any, out);
}

static th_err in_list(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    uint32_t count = ast->child_count;
    const th_expr **e = th_arena_alloc(at->b->arena, count * sizeof *e);
    if (e == NULL) return query_no_memory(at->b);
    bool constants = true;
    for (uint32_t i = 0; i < count; i++) TH_TRY(query_bind_expr(at, ast->children[i], &e[i]));
    for (uint32_t i = 1; i < count; i++) {
        bool unified;
        const th_type *was = e[0]->type;
        TH_TRY(query_at(at->b, ast->children[i], query_bind_unify(at->b, &e[0], &e[i], &unified)));
        if (!unified) return query_cannot_apply(at->b, ast->children[i], "=", was, e[i]->type);
        constants = constants && e[i]->kind == TH_X_CONST;
    }
    /* The value may have grown on the way (integer, then bigint): bring the earlier items along. */
    for (uint32_t i = 1; i < count; i++) TH_TRY(query_bind_cast(at->b, e[i], e[0]->type, &e[i]));
    if (!th_type_is_comparable(e[0]->type))
        return query_cannot_apply(at->b, ast, "=", e[0]->type, e[0]->type);
    for (uint32_t i = 1; i < count; i++) constants = constants && e[i]->kind == TH_X_CONST;
    if (constants && e[0]->type->kind != TH_UNKNOWN) {
        th_expr *in = query_expr_children(at->b, TH_X_IN, &th_type_boolean, ast, count, e);
        if (in == NULL) return query_no_memory(at->b);
        TH_TRY(query_bind_fold(at->b, in, out));
    } else {
        TH_TRY(in_expressions(at, ast, count, e, out));
    }
    return maybe_not(at->b, ast, out);
}

static th_err call_children(const bind_place *at, const ast_expr *ast, const char *name,
                            const char *symbol, const th_expr **out)
{
    const th_expr **args = th_arena_alloc(at->b->arena, ast->child_count * sizeof *args);
    if (args == NULL) return query_no_memory(at->b);
    for (uint32_t i = 0; i < ast->child_count; i++)
        TH_TRY(query_bind_expr(at, ast->children[i], &args[i]));
    return query_bind_operator(at->b, ast, name, symbol, ast->child_count, args, out);
}

static th_err arithmetic(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    switch (ast->op) {
    case '+': return call_children(at, ast, "$add", "+", out);
    case '-': return call_children(at, ast, "$sub", "-", out);
    case '*': return call_children(at, ast, "$mul", "*", out);
    case '/': return call_children(at, ast, "$div", "/", out);
    case '%': return call_children(at, ast, "$mod", "%", out);
    default: return call_children(at, ast, "$concat", "||", out);
    }
}

static th_err negate(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    ast_kind kind = ast->children[0]->kind;
    if (kind == AST_INTEGER || kind == AST_DECIMAL || kind == AST_DOUBLE) {
        return query_bind_literal(at->b, ast->children[0], true, out);
    }
    return call_children(at, ast, "$neg", "-", out);
}

static th_err is_null(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    const th_expr *value;
    TH_TRY(query_bind_expr(at, ast->children[0], &value));
    th_expr *e = query_expr_children(at->b, TH_X_IS_NULL, &th_type_boolean, ast, 1, &value);
    if (e == NULL) return query_no_memory(at->b);
    TH_TRY(query_bind_fold(at->b, e, out));
    return maybe_not(at->b, ast, out);
}

static bool calls_volatile(const th_expr *e)
{
    if (e->function != NULL && (e->function->flags & TH_FN_VOLATILE) != 0) return true;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (calls_volatile(e->children[i])) return true;
    }
    return false;
}

/* WHEN predicate without its left side? */
static bool is_half(const ast_expr *when)
{
    return when->child_count > 0 && when->children[0]->kind == AST_OPERAND;
}

static th_err when_of(const bind_place *at, const ast_expr *when, const th_expr *operand,
                      const th_expr **out)
{
    const th_expr *value;
    bind_place inner = *at;
    inner.operand = operand;
    if (is_half(when)) return query_bind_boolean(&inner, when, "CASE WHEN clause", out);
    TH_TRY(query_bind_expr(at, when, &value));
    return query_bind_compare(at->b, when, "$eq", operand, value, out);
}

/* The operand stands in each WHEN: it must not change from one to the next. */
static th_err case_operand(const bind_place *at, const ast_expr *ast, uint32_t pairs,
                           const th_expr **out)
{
    TH_TRY(query_bind_expr(at, ast->children[0], out));
    if (pairs == 1 || !calls_volatile(*out)) return TH_OK;
    return th_fail_at(at->b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                      "CASE of a value that changes with each look at it is not supported");
}

static th_err case_of(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    binder *b = at->b;
    const th_expr *operand = NULL, **parts, **results;
    uint32_t first = ast->simple ? 1 : 0, pairs = (ast->child_count - first - ast->has_else) / 2;
    parts = th_arena_alloc(b->arena, (pairs * 2 + 1) * sizeof *parts);
    results = th_arena_alloc(b->arena, (pairs + 1) * sizeof *results);
    if (parts == NULL || results == NULL) return query_no_memory(b);
    if (ast->simple) TH_TRY(case_operand(at, ast, pairs, &operand));
    for (uint32_t i = 0; i < pairs; i++) {
        const ast_expr *when = ast->children[first + 2 * i];
        if (ast->simple) {
            TH_TRY(when_of(at, when, operand, &parts[2 * i]));
        } else {
            TH_TRY(query_bind_boolean(at, when, "CASE WHEN clause", &parts[2 * i]));
        }
        TH_TRY(query_bind_expr(at, ast->children[first + 2 * i + 1], &results[i]));
    }
    if (ast->has_else)
        TH_TRY(query_bind_expr(at, ast->children[ast->child_count - 1], &results[pairs]));
    else
        results[pairs] = query_expr_null(b, &th_type_unknown, ast);
    if (results[pairs] == NULL) return query_no_memory(b);
    const th_type *type;
    TH_TRY(query_bind_common(b, ast, "CASE results", pairs + 1, results, &type));
    for (uint32_t i = 0; i < pairs; i++) parts[2 * i + 1] = results[i];
    parts[2 * pairs] = results[pairs];
    th_expr *e = query_expr_children(b, TH_X_CASE, type, ast, pairs * 2 + 1, parts);
    return e == NULL ? query_no_memory(b) : query_bind_fold(b, e, out);
}

static th_err cast(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    const th_expr *value;
    const th_type *type;
    TH_TRY(query_bind_expr(at, ast->children[0], &value));
    TH_TRY(query_bind_type(at->b, ast, &type));
    if (!th_type_can_cast(value->type, type)) {
        th_buf from, to;
        th_buf_init(&from, 1u << 16);
        th_buf_init(&to, 1u << 16);
        th_type_print(&from, value->type);
        th_type_print(&to, type);
        th_fail_at(at->b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
                   "Cannot cast %s to %s", th_buf_text(&from), th_buf_text(&to));
        th_buf_free(&from);
        th_buf_free(&to);
        return TH_ESQL;
    }
    if (th_type_equal(value->type, type)) {
        *out = value;
        return TH_OK;
    }
    th_expr *e = query_expr_children(at->b, TH_X_CAST, type, ast, 1, &value);
    if (e == NULL) return query_no_memory(at->b);
    e->try_cast = ast->try_cast;
    return query_bind_fold(at->b, e, out);
}

static th_err extract(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    char name[48];
    int n =
        snprintf(name, sizeof name, "$extract_%.*s",
                 (int)(ast->text.size > 30 ? 30 : ast->text.size), (const char *)ast->text.bytes);
    for (int i = 0; i < n; i++) name[i] = (char)tolower((unsigned char)name[i]);
    const th_expr *value;
    TH_TRY(query_bind_expr(at, ast->children[0], &value));
    const th_function *fn;
    const th_type *const *params;
    const th_type *result;
    th_diag why = {0};
    th_err err = th_function_resolve(th_slice_text(name), &value->type, 1, at->b->arena, &fn,
                                     &params, &result, &why);
    if (err == TH_ESQL && strcmp(why.name, "FUNCTION_NOT_FOUND") == 0 &&
        value->type->kind != TH_VARCHAR) {
        return th_fail_at(at->b->diag, TH_ESYNTAX, "SYNTAX_ERROR", ast->line, ast->column,
                          "Invalid EXTRACT field: %.*s", TH_SLICE_ARGS(ast->text));
    }
    return query_bind_operator(at->b, ast, name, "EXTRACT", 1, &value, out);
}

/* Names that were given to fields of ROW(..) go into its type by a cast. */
static th_err row(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    TH_TRY(call_children(at, ast, "$row", "ROW", out));
    bool named = false;
    for (uint32_t i = 0; i < ast->param_count; i++) named = named || ast->params[i].text.size > 0;
    if (!named) return TH_OK;
    th_slice *names = TH_NEW_ARRAY(at->b->arena, th_slice, ast->param_count);
    if (names == NULL) return query_no_memory(at->b);
    for (uint32_t i = 0; i < ast->param_count; i++) names[i] = ast->params[i].text;
    const th_type *type =
        th_type_row(at->b->arena, (*out)->type->children, names, ast->param_count);
    if (type == NULL) return query_no_memory(at->b);
    th_expr *e = query_expr_children(at->b, TH_X_CAST, type, ast, 1, out);
    return e == NULL ? query_no_memory(at->b) : query_bind_fold(at->b, e, out);
}

static th_err subscript(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    const th_expr *pair[2];
    TH_TRY(query_bind_expr(at, ast->children[0], &pair[0]));
    TH_TRY(query_bind_expr(at, ast->children[1], &pair[1]));
    if (query_is_json_access(pair[0]))
        return query_bind_json_subscript(at, ast, pair[0], pair[1], out);
    if (pair[0]->type->kind != TH_ROW)
        return query_bind_operator(at->b, ast, "$subscript", "[]", 2, pair, out);
    th_value v = {.null = true};
    if (pair[1]->kind == TH_X_CONST && th_type_is_integer(pair[1]->type))
        th_value_get(pair[1]->constant, 0, &v);
    if (v.null || v.i < 1 || v.i > pair[0]->type->child_count) {
        return th_fail_at(at->b->diag, TH_ESQL, "INVALID_FUNCTION_ARGUMENT", ast->line, ast->column,
                          "Subscript of a row must be a constant from 1 to %u",
                          pair[0]->type->child_count);
    }
    th_expr *e =
        query_expr_children(at->b, TH_X_FIELD, pair[0]->type->children[v.i - 1], ast, 1, pair);
    if (e == NULL) return query_no_memory(at->b);
    e->index = (uint32_t)v.i - 1;
    return query_bind_fold(at->b, e, out);
}

static th_err param(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (ast->index >= at->b->param_count) {
        th_fail_at(at->b->diag, TH_ESQL, "INVALID_PARAMETER_USAGE", ast->line, ast->column,
                   "Incorrect number of parameters: parameter %u has no value", ast->index + 1);
        return TH_ESQL;
    }
    bind_place alone = {.b = at->b, .clause = "Parameter"};
    return query_at(at->b, ast, query_bind_expr(&alone, at->b->params[ast->index], out));
}

static th_err not_yet(const bind_place *at, const ast_expr *ast, const char *what)
{
    return th_fail_at(at->b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                      "%s is not supported", what);
}

th_err query_bind_expr(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (stack_guard_full(&at->b->stack)) return query_too_deep(at->b, ast->line, ast->column);
    switch (ast->kind) {
    case AST_NAME:
    case AST_FIELD: return query_bind_name(at, ast, out);
    case AST_CALL: return query_bind_call(at, ast, out);
    case AST_NEGATE: return negate(at, ast, out);
    case AST_PLUS: return query_bind_expr(at, ast->children[0], out);
    case AST_ARITHMETIC: return arithmetic(at, ast, out);
    case AST_COMPARE:
    case AST_DISTINCT: return compare(at, ast, out);
    case AST_AND:
    case AST_OR:
    case AST_NOT: return logical(at, ast, out);
    case AST_BETWEEN: return between(at, ast, out);
    case AST_IN: return in_list(at, ast, out);
    case AST_LIKE:
        TH_TRY(call_children(at, ast, "$like", "LIKE", out));
        return maybe_not(at->b, ast, out);
    case AST_IS_NULL: return is_null(at, ast, out);
    case AST_CASE: return case_of(at, ast, out);
    case AST_CAST: return cast(at, ast, out);
    case AST_EXTRACT: return extract(at, ast, out);
    case AST_ARRAY: return call_children(at, ast, "$array", "ARRAY", out);
    case AST_ROW: return row(at, ast, out);
    case AST_SUBSCRIPT: return subscript(at, ast, out);
    case AST_AT_TIME_ZONE: return call_children(at, ast, "$at_timezone", "AT TIME ZONE", out);
    case AST_OPERAND: *out = at->operand; return TH_OK;
    case AST_UNIQUE: return query_bind_unique(at, ast, out);
    case AST_EXISTS: return query_bind_exists(at, ast, out);
    case AST_SUBQUERY: return query_bind_scalar(at, ast, out);
    case AST_IN_QUERY: return query_bind_in_query(at, ast, ast->negated, out);
    case AST_QUANTIFIED: return query_bind_quantified(at, ast, out);
    case AST_PARAM: return param(at, ast, out);
    case AST_GROUPING: return query_bind_grouping(at, ast, out);
    case AST_LAMBDA: return not_yet(at, ast, "A lambda outside a function's arguments");
    default: return query_bind_literal(at->b, ast, false, out);
    }
}
