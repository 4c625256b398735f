/* SPDX-License-Identifier: Apache-2.0
 * FROM: tables, CTEs, derived tables and their aliases. Joins and UNNEST have their own files. */
#include "query/bind.h"

th_err query_bind_count_relation(binder *b, uint32_t line, uint32_t column)
{
    if (++b->relation_count <= QUERY_RELATIONS_MAX) return TH_OK;
    return th_fail_at(b->diag, TH_ELIMIT, "QUERY_HAS_TOO_MANY_STAGES", line, column,
                      "The statement has over %u relations, counted after WITH queries are put in "
                      "where they are used",
                      QUERY_RELATIONS_MAX);
}

th_err query_bind_alias(binder *b, const ast_relation *ast, bind_relation *r)
{
    if (ast->alias.text.size == 0) return TH_OK;
    uint32_t visible = 0;
    for (uint32_t i = 0; i < r->count; i++) visible += !r->fields[i].hidden;
    if (ast->alias_count > 0 && ast->alias_count != visible) {
        return th_fail_at(b->diag, TH_ESQL, "MISMATCHED_COLUMN_ALIASES", ast->alias.line,
                          ast->alias.column,
                          "Column alias list has %u entries but '%.*s' has %u columns available",
                          ast->alias_count, TH_SLICE_ARGS(ast->alias.text), visible);
    }
    for (uint32_t i = 0, n = 0; i < r->count; i++) {
        bind_field *f = &r->fields[i];
        f->relation = ast->alias.text;
        f->schema = (th_slice){0};
        if (ast->alias_count > 0 && !f->hidden) f->name = ast->aliases[n++].text;
    }
    return TH_OK;
}

static th_err from_plan(binder *b, th_plan *plan, th_slice name, bind_relation *out)
{
    *out = (bind_relation){plan, plan->column_count,
                           TH_NEW_ARRAY(b->arena, bind_field, plan->column_count)};
    if (out->fields == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < out->count; i++) {
        out->fields[i] = (bind_field){.relation = name,
                                      .name = plan->columns[i].name,
                                      .type = plan->columns[i].type,
                                      .column = i};
    }
    return TH_OK;
}

static th_err cte_columns(binder *b, const ast_with *with, const bind_relation *r)
{
    if (with->column_count == 0) return TH_OK;
    if (with->column_count != r->count) {
        return th_fail_at(
            b->diag, TH_ESQL, "MISMATCHED_COLUMN_ALIASES", with->name.line, with->name.column,
            "WITH column alias list has %u entries but WITH query (%.*s) has %u columns",
            with->column_count, TH_SLICE_ARGS(with->name.text), r->count);
    }
    for (uint32_t i = 0; i < r->count; i++) r->fields[i].name = with->columns[i].text;
    return TH_OK;
}

static th_err bind_cte_use(binder *b, const bind_cte *cte, bind_relation *out)
{
    const bind_cte *before = b->ctes;
    b->ctes = cte->next;
    th_plan *plan;
    th_err err = query_bind_query(b, cte->with->query, NULL, &plan);
    b->ctes = before;
    if (err == TH_OK) err = from_plan(b, plan, cte->with->name.text, out);
    return err == TH_OK ? cte_columns(b, cte->with, out) : err;
}

static const bind_cte *find_cte(const binder *b, const ast_path *name)
{
    if (name->count != 1) return NULL;
    const bind_cte *cte = b->ctes;
    while (cte != NULL && !th_slice_equal_nocase(cte->with->name.text, name->parts[0].text))
        cte = cte->next;
    return cte;
}

/* WITH RECURSIVE t AS (... t ...): the use of t inside its own query. */
static bool uses_itself(const ast_relation *r, th_slice name);

static bool body_uses(const ast_body *body, th_slice name)
{
    if (body == NULL) return false;
    if (body->from != NULL && uses_itself(body->from, name)) return true;
    if (body->nested != NULL && body_uses(body->nested->body, name)) return true;
    return body_uses(body->left, name) || body_uses(body->right, name);
}

static bool uses_itself(const ast_relation *r, th_slice name)
{
    if (r->kind == AST_TABLE)
        return r->name.count == 1 && th_slice_equal_nocase(r->name.parts[0].text, name);
    if (r->query != NULL) return body_uses(r->query->body, name);
    return r->kind == AST_JOIN && (uses_itself(r->left, name) || uses_itself(r->right, name));
}

static th_err bind_named(binder *b, const ast_relation *ast, bind_relation *out)
{
    if (ast->as_of != NULL) {
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->as_of->line,
                          ast->as_of->column, "FOR %s AS OF is not supported on this table",
                          ast->as_of_version ? "VERSION" : "TIMESTAMP");
    }
    const bind_cte *cte = find_cte(b, &ast->name);
    if (cte == NULL) return query_bind_table(b, &ast->name, out);
    if (cte->recursive && body_uses(cte->with->query->body, cte->with->name.text)) {
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", cte->with->name.line,
                          cte->with->name.column, "Recursive queries are not supported");
    }
    return bind_cte_use(b, cte, out);
}

static th_err bind_derived(binder *b, const ast_relation *ast, const bind_outer *outer,
                           bind_relation *out)
{
    th_plan *plan;
    TH_TRY(query_bind_query(b, ast->query, outer, &plan));
    return from_plan(b, plan, (th_slice){0}, out);
}

static th_err bind_join_sides(binder *b, const ast_relation *ast, const bind_outer *outer,
                              bind_relation *out)
{
    bind_relation left, right;
    TH_TRY(query_bind_from(b, ast->left, outer, &left));
    if (ast->right->kind == AST_UNNEST) {
        bool keep = ast->join == AST_LEFT || ast->join == AST_FULL;
        TH_TRY(query_bind_unnest(b, &left, ast->right, outer, keep, out));
        return query_bind_join(b, ast, outer, &left, NULL, NULL, out);
    }
    bind_params params = {0};
    bind_outer lateral = {&left, outer, &params};
    TH_TRY(
        query_bind_from(b, ast->right, ast->right->kind == AST_LATERAL ? &lateral : outer, &right));
    return query_bind_join(b, ast, outer, &left, &right, &params, out);
}

th_err query_bind_from(binder *b, const ast_relation *ast, const bind_outer *outer,
                       bind_relation *out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, ast->line, ast->column);
    TH_TRY(query_bind_count_relation(b, ast->line, ast->column));
    bind_relation nothing = {0};
    switch (ast->kind) {
    case AST_TABLE: TH_TRY(bind_named(b, ast, out)); break;
    case AST_DERIVED:
    case AST_LATERAL: TH_TRY(bind_derived(b, ast, outer, out)); break;
    case AST_JOIN: return bind_join_sides(b, ast, outer, out);
    case AST_UNNEST:
        nothing.plan = query_plan_new(b, TH_P_SINGLE_ROW, 0, 0, NULL);
        if (nothing.plan == NULL) return query_no_memory(b);
        return query_bind_unnest(b, &nothing, ast, outer, false, out);
    default:
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                          "Table functions are not supported");
    }
    return query_bind_alias(b, ast, out);
}
