/* SPDX-License-Identifier: Apache-2.0
 * UNIQUE (query): no two of its rows that are without NULL are alike. It is NOT EXISTS over groups of several rows. */
#include "query/bind.h"
#include "query/type/coerce.h"

static th_err not_of(binder *b, const ast_expr *ast, const th_expr *e, const th_expr **out)
{
    th_expr *made = query_expr_children(b, TH_X_NOT, &th_type_boolean, ast, 1, &e);
    return made == NULL ? query_no_memory(b) : query_bind_fold(b, made, out);
}

/* The columns as keys, and the rows in which none of them is NULL. */
static th_err whole_rows(binder *b, const ast_expr *ast, bind_groups *groups, th_plan **plan)
{
    uint32_t n = (*plan)->column_count;
    const th_expr **tests = TH_NEW_ARRAY(b->arena, const th_expr *, n), *whole;
    groups->keys = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    if (tests == NULL || groups->keys == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        if (!th_type_is_comparable((*plan)->columns[i].type))
            return th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
                              "Subquery of UNIQUE has a column whose type is not comparable");
        groups->keys[i] = query_expr_column(b, i, (*plan)->columns[i].type, ast);
        groups->count++;
        if (groups->keys[i] == NULL) return query_no_memory(b);
        th_expr *null =
            query_expr_children(b, TH_X_IS_NULL, &th_type_boolean, ast, 1, &groups->keys[i]);
        if (null == NULL) return query_no_memory(b);
        TH_TRY(not_of(b, ast, null, &tests[i]));
    }
    whole = n == 1 ? tests[0] : query_expr_children(b, TH_X_AND, &th_type_boolean, ast, n, tests);
    *plan = whole == NULL ? NULL : query_plan_filter(b, *plan, whole);
    return *plan == NULL ? query_no_memory(b) : TH_OK;
}

static th_err count_groups(binder *b, const ast_expr *ast, bind_groups *groups, th_plan **plan)
{
    const th_type *const *params;
    const th_expr *several, *pair[2];
    th_agg_call *count = TH_NEW(b->arena, th_agg_call);
    bind_aggs aggs = {.count = 1, .calls = count};
    if (count == NULL) return query_no_memory(b);
    TH_TRY(th_aggregate_resolve(TH_SLICE("count"), NULL, 0, b->arena, &count->aggregate, &params,
                                &count->type, b->diag));
    TH_TRY(query_plan_groups(b, groups, &aggs, plan));
    pair[0] = query_expr_column(b, groups->count, &th_type_bigint, ast);
    pair[1] = query_expr_bigint(b, 1, ast);
    if (pair[0] == NULL || pair[1] == NULL) return query_no_memory(b);
    TH_TRY(query_bind_function(b, ast, "$gt", 2, pair, &several));
    *plan = query_plan_filter(b, *plan, several);
    return *plan == NULL ? query_no_memory(b) : TH_OK;
}

th_err query_bind_unique(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    binder *b = at->b;
    th_plan *plan;
    bind_groups groups = {0};
    bind_params params = {0};
    TH_TRY(query_bind_subplan(at, ast->query, &params, &plan));
    if (params.count > 0)
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                          "UNIQUE of a subquery that reads columns around it is not supported");
    TH_TRY(whole_rows(b, ast, &groups, &plan));
    TH_TRY(count_groups(b, ast, &groups, &plan));
    TH_TRY(query_optimize(b, plan, &plan));
    th_expr *e = query_expr_new(b, TH_X_EXISTS, &th_type_boolean, ast);
    if (e == NULL) return query_no_memory(b);
    e->plan = plan;
    return not_of(b, ast, e, out);
}
