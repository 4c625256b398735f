/* SPDX-License-Identifier: Apache-2.0
 * Operators and functions by name and argument types, with the casts that they ask for. */
#include "query/bind.h"

/* "varchar = integer" and the like, for a message */
th_err query_cannot_apply(binder *b, const ast_expr *ast, const char *op, const th_type *left,
                          const th_type *right)
{
    th_buf text;
    th_buf_init(&text, 1u << 16);
    th_type_print(&text, left);
    th_buf_printf(&text, right == NULL ? " %s" : " %s ", op);
    if (right != NULL) th_type_print(&text, right);
    th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
               "Cannot apply operator: %s", th_buf_text(&text));
    th_buf_free(&text);
    bool varchar = left->kind == TH_VARCHAR || (right != NULL && right->kind == TH_VARCHAR);
    if (varchar && right != NULL && left->kind != right->kind) {
        th_diag_hint(
            b->diag,
            "text is not converted by itself: write CAST(... AS type), or quote the literal");
    }
    return TH_ESQL;
}

static th_err call_resolved(binder *b, const ast_expr *ast, const th_function *fn,
                            const th_type *result, const th_type *const *params, uint32_t count,
                            const th_expr *const *args, const th_expr **out)
{
    th_expr *call = query_expr_children(b, TH_X_CALL, result, ast, count, args);
    if (call == NULL) return query_no_memory(b);
    call->function = fn;
    const th_expr **children = (const th_expr **)(uintptr_t)call->children;
    for (uint32_t i = 0; i < count; i++) {
        if (params[i]->kind != TH_FUNCTION)
            TH_TRY(query_bind_cast(b, args[i], params[i], &children[i]));
    }
    return query_bind_fold(b, call, out);
}

static th_err resolve(binder *b, const char *name, uint32_t count, const th_expr *const *args,
                      const th_function **fn, const th_type *const **params, const th_type **result,
                      th_diag *diag)
{
    const th_type **types = th_arena_alloc(b->arena, count * sizeof *types);
    if (types == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) types[i] = args[i]->type;
    return th_function_resolve(th_slice_text(name), types, count, b->arena, fn, params, result,
                               diag);
}

th_err query_bind_function(binder *b, const ast_expr *ast, const char *name, uint32_t count,
                           const th_expr *const *args, const th_expr **out)
{
    const th_function *fn;
    const th_type *const *params;
    const th_type *result;
    TH_TRY(query_at(b, ast, resolve(b, name, count, args, &fn, &params, &result, b->diag)));
    return call_resolved(b, ast, fn, result, params, count, args, out);
}

/* An operator: the message speaks of it as SQL writes it. */
th_err query_bind_operator(binder *b, const ast_expr *ast, const char *name, const char *symbol,
                           uint32_t count, const th_expr *const *args, const th_expr **out)
{
    const th_function *fn;
    const th_type *const *params;
    const th_type *result;
    th_diag why = {0};
    th_err err = resolve(b, name, count, args, &fn, &params, &result, &why);
    if (err == TH_ESQL)
        return query_cannot_apply(b, ast, symbol, args[0]->type, count > 1 ? args[1]->type : NULL);
    if (err != TH_OK) return query_at(b, ast, th_fail(b->diag, err, why.name, "%s", why.text));
    return call_resolved(b, ast, fn, result, params, count, args, out);
}

static const struct {
    const char *name, *symbol;
} comparisons[] = {{"$eq", "="},
                   {"$ne", "<>"},
                   {"$lt", "<"},
                   {"$le", "<="},
                   {"$gt", ">"},
                   {"$ge", ">="},
                   {"$is_distinct", "IS DISTINCT FROM"}};

th_err query_bind_compare(binder *b, const ast_expr *ast, const char *name, const th_expr *left,
                          const th_expr *right, const th_expr **out)
{
    const char *symbol = "=";
    for (size_t i = 0; i < sizeof comparisons / sizeof comparisons[0]; i++) {
        if (strcmp(comparisons[i].name, name) == 0) symbol = comparisons[i].symbol;
    }
    const th_expr *pair[2] = {left, right};
    bool unified;
    TH_TRY(query_at(b, ast, query_bind_unify(b, &pair[0], &pair[1], &unified)));
    if (!unified) return query_cannot_apply(b, ast, symbol, left->type, right->type);
    return query_bind_operator(b, ast, name, symbol, 2, pair, out);
}
