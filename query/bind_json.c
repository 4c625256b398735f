/* SPDX-License-Identifier: Apache-2.0
 * Dots and subscripts behind a value of type json: j.a[0].b is JSON_QUERY(j, 'lax $.a[0].b' WITH ARRAY WRAPPER), and
 * j.a.bigint() is JSON_VALUE with that type. Each further step makes the path longer. */
#include <stdio.h>

#include "query/bind.h"
#include "query/fn/function.h"

#define ACCESS_SPEC "NNUK" /* NULL on empty and on error, a wrapper always, quotes kept */

bool query_is_json_access(const th_expr *e)
{
    th_value spec;
    if (e->type->kind == TH_JSON) return true;
    if (e->kind != TH_X_CALL || strcmp(e->function->name, "$json_query") != 0) return false;
    if (e->child_count != 3 || e->children[0]->type->kind != TH_JSON) return false;
    if (e->children[1]->kind != TH_X_CONST || e->children[2]->kind != TH_X_CONST) return false;
    th_value_get(e->children[2]->constant, 0, &spec);
    return th_slice_is(spec.s, ACCESS_SPEC);
}

/* The json value that the steps so far begin at, and their path. */
static void steps_of(const th_expr *e, const th_expr **value, th_slice *path)
{
    th_value v;
    *value = e;
    *path = TH_SLICE("lax $");
    if (e->type->kind == TH_JSON) return;
    th_value_get(e->children[1]->constant, 0, &v);
    *value = e->children[0];
    *path = v.s;
}

static th_err with_path(const bind_place *at, const ast_expr *ast, const th_expr *base,
                        th_slice step, const th_expr **out)
{
    binder *b = at->b;
    const th_expr *args[3];
    th_slice before;
    steps_of(base, &args[0], &before);
    char *path = th_arena_printf(b->arena, "%.*s%.*s", TH_SLICE_ARGS(before), TH_SLICE_ARGS(step));
    if (path == NULL) return query_no_memory(b);
    args[1] = query_expr_text(b, th_slice_text(path), ast);
    args[2] = query_expr_text(b, TH_SLICE(ACCESS_SPEC), ast);
    if (args[1] == NULL || args[2] == NULL) return query_no_memory(b);
    return query_bind_function(b, ast, "$json_query", 3, args, out);
}

th_err query_bind_json_field(const bind_place *at, const ast_expr *ast, const th_expr *base,
                             const th_expr **out)
{
    th_buf step;
    th_buf_init(&step, 1u << 20);
    th_buf_add_text(&step, ".\"");
    for (size_t i = 0; i < ast->text.size; i++) {
        uint8_t c = ast->text.bytes[i];
        if (c == '"' || c == '\\') th_buf_add_byte(&step, '\\');
        th_buf_add_byte(&step, c);
    }
    th_buf_add_byte(&step, '"');
    th_err err = th_buf_error(&step) != TH_OK ? query_no_memory(at->b)
                                              : with_path(at, ast, base, th_buf_slice(&step), out);
    th_buf_free(&step);
    return err;
}

th_err query_bind_json_subscript(const bind_place *at, const ast_expr *ast, const th_expr *base,
                                 const th_expr *index, const th_expr **out)
{
    th_value v = {.null = true};
    char step[40];
    if (index->kind == TH_X_CONST && th_type_is_integer(index->type))
        th_value_get(index->constant, 0, &v);
    if (v.null)
        return th_fail_at(at->b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                          "Subscript of a json value must be a constant number");
    (void)snprintf(step, sizeof step, "[%lld]", (long long)v.i);
    return with_path(at, ast, base, th_slice_text(step), out);
}

/* The type that a method makes; empty when there is no such method. */
static th_slice method_type(const ast_expr *ast, char *text, size_t size)
{
    static const char *const plain[] = {"bigint",  "integer", "smallint", "tinyint",
                                        "double",  "boolean", "real",     "date",
                                        "decimal", "time",    "timestamp"};
    th_slice name = ast->text;
    uint32_t numbers = 0, most = 0;
    if (th_slice_equal_nocase(name, TH_SLICE("string")))
        return ast->child_count == 0 ? TH_SLICE("varchar") : (th_slice){NULL, 0};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (!th_slice_equal_nocase(name, th_slice_text(plain[i]))) continue;
        most = strcmp(plain[i], "decimal") == 0                                 ? 2
               : plain[i][0] == 't' && plain[i][1] == 'i' && plain[i][2] == 'm' ? 1
                                                                                : 0;
        numbers = ast->child_count;
        if (numbers > most) return (th_slice){NULL, 0};
        int used = snprintf(text, size, "%s", plain[i]);
        for (uint32_t k = 0; k < numbers; k++) {
            th_slice digits = ast->children[k]->text;
            if (ast->children[k]->kind != AST_INTEGER || digits.size > 3)
                return (th_slice){NULL, 0};
            used += snprintf(text + used, size - (size_t)used, "%s%.*s", k == 0 ? "(" : ",",
                             TH_SLICE_ARGS(digits));
        }
        if (numbers > 0) (void)snprintf(text + used, size - (size_t)used, ")");
        return th_slice_text(text);
    }
    return (th_slice){NULL, 0};
}

/* The names before the last one, as the tree of a column with fields. */
static ast_expr *chain_of(binder *b, const ast_expr *call)
{
    const ast_path *name = &call->call->name;
    ast_expr *e = NULL;
    for (uint32_t i = 0; i + 1 < name->count; i++) {
        ast_expr *next = TH_NEW(b->arena, ast_expr),
                 **child = TH_NEW_ARRAY(b->arena, ast_expr *, 1);
        if (next == NULL || child == NULL) return NULL;
        *child = e;
        *next = (ast_expr){.kind = i == 0 ? AST_NAME : AST_FIELD,
                           .text = name->parts[i].text,
                           .quoted = name->parts[i].quoted,
                           .line = call->line,
                           .column = call->column,
                           .start_line = call->line,
                           .start_column = call->column,
                           .source = name->parts[i].text,
                           .child_count = i == 0 ? 0 : 1,
                           .children = child,
                           .depth = i + 1};
        e = next;
    }
    return e;
}

th_err query_bind_json_method(const bind_place *at, const ast_expr *ast, bool *done,
                              const th_expr **out)
{
    binder *b = at->b;
    char text[64];
    th_slice name = method_type(ast, text, sizeof text), path;
    const th_expr *base, *args[4];
    const th_type *type;
    th_diag before = *b->diag;
    *done = false;
    if (name.size == 0) return TH_OK;
    ast_expr *chain = chain_of(b, ast);
    if (chain == NULL) return query_no_memory(b);
    th_err err = query_bind_expr(at, chain, &base);
    if (err != TH_OK || !query_is_json_access(base)) {
        *b->diag = before;
        return err == TH_ESQL || err == TH_EUNSUPPORTED ? TH_OK : err;
    }
    *done = true;
    steps_of(base, &args[0], &path);
    if (args[0]->kind == TH_X_OUTER)
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                          "A json method over a column of the outer query is not supported");
    TH_TRY(query_at(b, ast, th_type_parse(name, b->arena, &type, b->diag)));
    args[1] = query_expr_text(b, path, ast);
    args[2] = query_expr_text(b, TH_SLICE("NN"), ast);
    args[3] = query_expr_null(b, type, ast);
    if (args[1] == NULL || args[2] == NULL || args[3] == NULL) return query_no_memory(b);
    return query_bind_function(b, ast, "$json_value", 4, args, out);
}
