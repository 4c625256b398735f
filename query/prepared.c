/* SPDX-License-Identifier: Apache-2.0
 * PREPARE, EXECUTE, DEALLOCATE and what DESCRIBE says of them. A prepared statement is its text; it is parsed anew when it
 * is used. */
#include "query/parse.h"
#include "query/statement.h"

static const ast_name *name_of(const ast_statement *ast)
{
    return &ast->name.parts[ast->name.count - 1];
}

static th_err find(statement *s, const ast_statement *ast, const th_definition **out)
{
    const ast_name *name = name_of(ast);
    *out = th_catalog_prepared(s->binder.own, name->text);
    if (*out == NULL) *out = th_catalog_prepared(s->binder.shared, name->text);
    if (*out != NULL) return TH_OK;
    return th_fail_at(s->diag, TH_ESQL, "NOT_FOUND", name->line, name->column,
                      "Prepared statement not found: %.*s", TH_SLICE_ARGS(name->text));
}

static th_err prepare(statement *s, const ast_statement *ast)
{
    const ast_name *name = name_of(ast);
    ast_statement_kind inner = ast->inner->kind;
    if (inner == AST_PREPARE || inner == AST_EXECUTE || inner == AST_DEALLOCATE) {
        return th_fail_at(s->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->inner->line,
                          ast->inner->column, "Statements about prepared ones cannot be prepared");
    }
    th_definition d = {.kind = TH_DEFINE_PREPARED, .name = name->text, .text = ast->source};
    return query_record(s, &d, false);
}

static th_err deallocate(statement *s, const ast_statement *ast)
{
    const th_definition *d;
    TH_TRY(find(s, ast, &d));
    return query_record(s, d, true);
}

/* The text's own statement; what is wrong with it is told with the line and column of that text. */
static th_err parse_text(statement *s, const ast_statement *ast, ast_statement **out)
{
    th_slice text = ast->source;
    if (ast->name.count > 0) {
        const th_definition *d;
        TH_TRY(find(s, ast, &d));
        text = d->text;
    }
    return query_parse(text, s->arena, out, s->diag);
}

static th_err execute(statement *s, const ast_statement *ast)
{
    ast_statement *inner;
    TH_TRY(parse_text(s, ast, &inner));
    const ast_list *arguments = &ast->ddl->arguments;
    bool given = arguments->count > 0;
    uint32_t count = given ? arguments->count : s->binder.param_count;
    if (count != inner->param_count) {
        return th_fail_at(s->diag, TH_ESQL, "INVALID_PARAMETER_USAGE", ast->line, ast->column,
                          "Incorrect number of parameters: expected %u but found %u",
                          inner->param_count, count);
    }
    if (given) {
        s->binder.params = arguments->items;
        s->binder.param_count = count;
    }
    return query_run_parsed(s, inner);
}

static th_err describe_input(statement *s, uint32_t count)
{
    static const char *const names[] = {"Position", "Type"};
    static const th_type *const types[] = {&th_type_bigint, &th_type_varchar};
    listing l = {.b = &s->binder, .width = 2};
    for (uint32_t i = 0; i < count; i++) {
        const th_expr *row[] = {query_expr_bigint(&s->binder, i, NULL),
                                query_expr_text(&s->binder, TH_SLICE("unknown"), NULL)};
        TH_TRY(query_list_exprs(&l, row));
    }
    th_plan *plan;
    TH_TRY(query_list_finish(&l, names, types, &plan));
    return query_run_plan(s, plan, s->sink);
}

/* Bound with NULL for every ?. */
static th_err bind_without_values(statement *s, const ast_statement *inner, th_plan **out)
{
    ast_expr **nulls = TH_NEW_ARRAY(s->arena, ast_expr *, (size_t)inner->param_count + 1);
    ast_expr *null = TH_NEW(s->arena, ast_expr);
    if (nulls == NULL || null == NULL) return th_fail_memory(s->diag);
    *null = (ast_expr){.kind = AST_NULL, .line = 1, .column = 1, .depth = 1};
    for (uint32_t i = 0; i < inner->param_count; i++) nulls[i] = null;
    s->binder.params = nulls;
    s->binder.param_count = inner->param_count;
    return query_bind_query(&s->binder, inner->query, NULL, out);
}

static th_err describe_output(statement *s, const ast_statement *inner)
{
    static const char *const names[] = {"Column Name", "Catalog",   "Schema", "Table",
                                        "Type",        "Type Size", "Aliased"};
    static const th_type *const types[] = {&th_type_varchar, &th_type_varchar, &th_type_varchar,
                                           &th_type_varchar, &th_type_varchar, &th_type_bigint,
                                           &th_type_boolean};
    listing l = {.b = &s->binder, .width = 7};
    binder *b = &s->binder;
    th_plan *plan = NULL;
    if (inner->kind == AST_QUERY) TH_TRY(bind_without_values(s, inner, &plan));
    for (uint32_t i = 0; plan != NULL && i < plan->column_count; i++) {
        th_slice type;
        TH_TRY(query_type_text(b, plan->columns[i].type, false, &type));
        const th_expr *none = query_expr_text(b, TH_SLICE(""), NULL);
        const th_expr *row[] = {query_expr_text(b, plan->columns[i].name, NULL),
                                none,
                                none,
                                none,
                                query_expr_text(b, type, NULL),
                                query_expr_bigint(b, 0, NULL),
                                query_expr_bool(b, false, NULL)};
        TH_TRY(query_list_exprs(&l, row));
    }
    TH_TRY(query_list_finish(&l, names, types, &plan));
    return query_run_plan(s, plan, s->sink);
}

th_err query_run_prepared(statement *s, const ast_statement *ast)
{
    ast_statement *inner;
    switch (ast->kind) {
    case AST_PREPARE: return prepare(s, ast);
    case AST_DEALLOCATE: return deallocate(s, ast);
    case AST_EXECUTE: return execute(s, ast);
    default: break;
    }
    TH_TRY(parse_text(s, ast, &inner));
    return ast->kind == AST_DESCRIBE_INPUT ? describe_input(s, inner->param_count)
                                           : describe_output(s, inner);
}
