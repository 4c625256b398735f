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
    th_plan *plan = NULL;
    th_err err;
    if (cte->working != NULL) {
        plan = query_plan_new(b, TH_P_WORKING, 0, 0, NULL);
        if (plan == NULL) return query_no_memory(b);
        *plan = *cte->working;
        return from_plan(b, plan, cte->with->name.text, out);
    }
    b->ctes = cte->next;
    err = query_is_recursive(cte) ? query_bind_recursive(b, cte, &plan)
                                  : query_bind_query(b, cte->with->query, NULL, &plan);
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

static th_err bind_named(binder *b, const ast_relation *ast, bind_relation *out)
{
    if (ast->as_of != NULL) {
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->as_of->line,
                          ast->as_of->column, "FOR %s AS OF is not supported on this table",
                          ast->as_of_version ? "VERSION" : "TIMESTAMP");
    }
    const bind_cte *cte = find_cte(b, &ast->name);
    if (cte == NULL) return query_bind_table(b, &ast->name, out);
    return bind_cte_use(b, cte, out);
}

static th_err bind_derived(binder *b, const ast_relation *ast, const bind_outer *outer,
                           bind_relation *out)
{
    th_plan *plan;
    TH_TRY(query_bind_query(b, ast->query, outer, &plan));
    return from_plan(b, plan, (th_slice){0}, out);
}

/* RIGHT and FULL JOIN of an UNNEST that does not read the left side: its rows are there without a left row. */
static bool stands_alone(const ast_relation *ast, const th_plan *unnest)
{
    if (ast->join != AST_RIGHT && ast->join != AST_FULL) return false;
    for (uint32_t i = 0; i < unnest->expr_count; i++)
        if (query_expr_has_column(unnest->exprs[i])) return false;
    return true;
}

static th_err bind_join_sides(binder *b, const ast_relation *ast, const bind_outer *outer,
                              bind_relation *out)
{
    bind_relation left, right;
    TH_TRY(query_bind_from(b, ast->left, outer, &left));
    if (ast->right->kind == AST_UNNEST) {
        if (ast->right->sample != NULL)
            return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->right->line,
                              ast->right->column,
                              "TABLESAMPLE of a joined UNNEST is not supported");
        bool keep = ast->join == AST_LEFT || ast->join == AST_FULL;
        TH_TRY(query_bind_unnest(b, &left, ast->right, outer, keep, out));
        if (!stands_alone(ast, out->plan))
            return query_bind_join(b, ast, outer, &left, NULL, NULL, out);
    }
    bind_params params = {0};
    bind_outer lateral = {&left, outer, &params};
    TH_TRY(
        query_bind_from(b, ast->right, ast->right->kind == AST_LATERAL ? &lateral : outer, &right));
    return query_bind_join(b, ast, outer, &left, &right, &params, out);
}

/* TABLESAMPLE */
static th_err sampled(binder *b, const ast_relation *ast, bind_relation *r)
{
    bind_place at = {.b = b, .clause = "TABLESAMPLE"};
    const th_expr *e;
    th_value v = {.null = true};
    TH_TRY(query_bind_expr(&at, ast->sample, &e));
    if (th_type_is_numeric(e->type)) TH_TRY(query_bind_cast(b, e, &th_type_double, &e));
    if (e->kind == TH_X_CONST && e->type->kind == TH_DOUBLE) th_value_get(e->constant, 0, &v);
    if (v.null || !(v.f >= 0 && v.f <= 100)) {
        return th_fail_at(b->diag, TH_ESQL, v.null ? "TYPE_MISMATCH" : "INVALID_ARGUMENTS",
                          ast->sample->line, ast->sample->column,
                          "Sample percentage must be a number from 0 to 100");
    }
    th_plan *plan = query_plan_new(b, TH_P_SAMPLE, 0, 1, (const th_plan *const *)&r->plan);
    if (plan == NULL) return query_no_memory(b);
    plan->column_count = r->plan->column_count;
    plan->columns = r->plan->columns;
    plan->share = v.f / 100;
    plan->by_batch = ast->sample_system;
    r->plan = plan;
    return TH_OK;
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
    case AST_JOIN:
        TH_TRY(bind_join_sides(b, ast, outer, out));
        return ast->sample == NULL ? TH_OK : sampled(b, ast, out);
    case AST_UNNEST:
        nothing.plan = query_plan_new(b, TH_P_SINGLE_ROW, 0, 0, NULL);
        if (nothing.plan == NULL) return query_no_memory(b);
        TH_TRY(query_bind_unnest(b, &nothing, ast, outer, false, out));
        return ast->sample == NULL ? TH_OK : sampled(b, ast, out);
    default:
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                          "Table functions are not supported");
    }
    if (ast->sample != NULL) TH_TRY(sampled(b, ast, out));
    return query_bind_alias(b, ast, out);
}
