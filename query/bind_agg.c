/* SPDX-License-Identifier: Apache-2.0
 * Aggregates. While SELECT, HAVING and ORDER BY are bound over the columns of FROM, an aggregate call is a placeholder;
 * afterwards each of these expressions is rewritten over the output of the aggregation: its keys, then its calls. */
#include "query/bind.h"
#include "query/type/coerce.h"

static bool sorts_equal(const th_agg_call *a, const th_agg_call *b)
{
    for (uint32_t i = 0; i < a->order_count; i++) {
        const th_sort_key *x = &a->order[i], *y = &b->order[i];
        if (x->descending != y->descending || x->nulls_first != y->nulls_first) return false;
        if (!query_expr_equal(x->expr, y->expr)) return false;
    }
    return true;
}

bool query_agg_calls_equal(const th_agg_call *a, const th_agg_call *b)
{
    if (a->aggregate != b->aggregate || a->arg_count != b->arg_count ||
        a->distinct != b->distinct || a->order_count != b->order_count ||
        (a->filter == NULL) != (b->filter == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < a->arg_count; i++) {
        if (!query_expr_equal(a->args[i], b->args[i])) return false;
    }
    return (a->filter == NULL || query_expr_equal(a->filter, b->filter)) && sorts_equal(a, b);
}

static th_err placeholder(const bind_place *at, const ast_expr *ast, const th_agg_call *call,
                          const th_expr **out)
{
    bind_aggs *aggs = at->aggs;
    uint32_t i = 0;
    while (i < aggs->count && !query_agg_calls_equal(&aggs->calls[i], call)) i++;
    if (i == aggs->count) {
        if (aggs->count == aggs->capacity) {
            uint32_t capacity = aggs->capacity == 0 ? 8 : aggs->capacity * 2;
            th_agg_call *calls = TH_NEW_ARRAY(at->b->arena, th_agg_call, capacity);
            if (calls == NULL) return query_no_memory(at->b);
            for (uint32_t k = 0; k < aggs->count; k++) calls[k] = aggs->calls[k];
            aggs->calls = calls;
            aggs->capacity = capacity;
        }
        aggs->calls[aggs->count++] = *call;
    }
    *out = query_expr_column(at->b, BIND_AGG_BASE + i, call->type, ast);
    return *out == NULL ? query_no_memory(at->b) : TH_OK;
}

th_err query_not_scalar(const bind_place *at, const ast_expr *ast)
{
    size_t size = ast->source.size > 100 ? 100 : ast->source.size;
    if (at->in_aggregate) {
        return th_fail_at(at->b->diag, TH_ESQL, "NESTED_AGGREGATION", ast->line, ast->column,
                          "Cannot nest aggregations: %.*s is inside another one", (int)size,
                          (const char *)ast->source.bytes);
    }
    th_fail_at(at->b->diag, TH_ESQL, "EXPRESSION_NOT_SCALAR", ast->line, ast->column,
               "%s cannot contain aggregations, window functions or grouping operations: [%.*s]",
               at->clause == NULL ? "Expression" : at->clause, (int)size,
               (const char *)ast->source.bytes);
    if (at->clause != NULL && strncmp(at->clause, "WHERE", 5) == 0) {
        th_diag_hint(at->b->diag, "conditions on aggregates stand in HAVING");
    }
    return TH_ESQL;
}

th_err query_bind_sort_keys(const bind_place *at, uint32_t count, const ast_sort *sorts,
                            th_sort_key **out)
{
    th_sort_key *keys = TH_NEW_ARRAY(at->b->arena, th_sort_key, count);
    if (keys == NULL) return query_no_memory(at->b);
    for (uint32_t i = 0; i < count; i++) {
        const ast_sort *sort = &sorts[i];
        TH_TRY(query_bind_expr(at, sort->expr, &keys[i].expr));
        if (!th_type_is_orderable(keys[i].expr->type)) {
            return th_fail_at(at->b->diag, TH_ESQL, "TYPE_MISMATCH", sort->expr->line,
                              sort->expr->column,
                              "ORDER BY can only be applied to orderable types");
        }
        keys[i].descending = sort->descending;
        keys[i].nulls_first = sort->nulls_first;
    }
    *out = keys;
    return TH_OK;
}

static th_err bind_order(const bind_place *inner, const ast_call *call, th_agg_call *out)
{
    th_sort_key *keys;
    TH_TRY(query_bind_sort_keys(inner, call->sort_count, call->sorts, &keys));
    out->order = keys;
    out->order_count = call->sort_count;
    return TH_OK;
}

static th_err check_distinct_order(const bind_place *at, const th_agg_call *call)
{
    for (uint32_t i = 0; i < call->order_count; i++) {
        const th_expr *e = call->order[i].expr;
        bool found = false;
        for (uint32_t k = 0; k < call->arg_count; k++) {
            found = found || query_expr_equal(e, call->args[k]);
        }
        if (found) continue;
        return th_fail_at(
            at->b->diag, TH_ESQL, "EXPRESSION_NOT_IN_DISTINCT", e->line, e->column,
            "For aggregate function with DISTINCT, ORDER BY expressions must appear in arguments");
    }
    return TH_OK;
}

static th_err resolve(const bind_place *at, const ast_expr *ast, const th_expr **args,
                      th_agg_call *call)
{
    binder *b = at->b;
    uint32_t count = ast->child_count;
    const th_type **types = TH_NEW_ARRAY(b->arena, const th_type *, count + 1);
    if (types == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) types[i] = args[i]->type;
    const th_type *const *params;
    TH_TRY(query_at(b, ast,
                    th_aggregate_resolve(ast->text, types, count, b->arena, &call->aggregate,
                                         &params, &call->type, b->diag)));
    for (uint32_t i = 0; i < count; i++) TH_TRY(query_bind_cast(b, args[i], params[i], &args[i]));
    call->args = args;
    call->arg_count = count;
    return TH_OK;
}

th_err query_bind_agg_call(const bind_place *inner, const ast_expr *ast, th_agg_call *out)
{
    const ast_call *call = ast->call;
    const th_expr **args = TH_NEW_ARRAY(inner->b->arena, const th_expr *, ast->child_count + 1);
    if (args == NULL) return query_no_memory(inner->b);
    for (uint32_t i = 0; i < ast->child_count; i++)
        TH_TRY(query_bind_expr(inner, ast->children[i], &args[i]));
    if (call->star && !th_slice_equal_nocase(ast->text, TH_SLICE("count"))) {
        return th_fail_at(inner->b->diag, TH_ESQL, "FUNCTION_NOT_FOUND", ast->line, ast->column,
                          "%.*s(*) is not a function: only count takes *",
                          TH_SLICE_ARGS(ast->text));
    }
    *out = (th_agg_call){.distinct = call->distinct, .line = ast->line, .column = ast->column};
    TH_TRY(resolve(inner, ast, args, out));
    for (uint32_t i = 0; call->distinct && i < out->arg_count; i++) {
        if (th_type_is_comparable(args[i]->type)) continue;
        return th_fail_at(inner->b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
                          "DISTINCT can only be applied to comparable types");
    }
    if (call->sort_count > 0) TH_TRY(bind_order(inner, call, out));
    if (call->distinct) TH_TRY(check_distinct_order(inner, out));
    if (call->filter == NULL) return TH_OK;
    return query_bind_boolean(inner, call->filter, "FILTER", &out->filter);
}

th_err query_bind_aggregate(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    if (at->aggs == NULL || at->in_aggregate || at->lambda != NULL)
        return query_not_scalar(at, ast);
    bind_place inner = *at;
    th_agg_call made;
    inner.in_aggregate = true;
    inner.windows = NULL;
    inner.items = NULL;
    inner.item_count = 0;
    TH_TRY(query_bind_agg_call(&inner, ast, &made));
    return placeholder(at, ast, &made, out);
}

typedef struct above {
    binder *b;
    const bind_relation *from;
    const bind_groups *groups;
    const bind_aggs *aggs;
} above;

static th_err not_grouped(const above *a, const th_expr *e)
{
    th_slice name = TH_SLICE("expression");
    for (uint32_t i = 0; a->from != NULL && i < a->from->count; i++) {
        if (a->from->fields[i].column == e->index) {
            name = a->from->fields[i].name;
            break;
        }
    }
    th_fail_at(a->b->diag, TH_ESQL, "EXPRESSION_NOT_AGGREGATE", e->line, e->column,
               "'%.*s' must be an aggregate expression or appear in GROUP BY clause",
               TH_SLICE_ARGS(name));
    th_diag_hint(a->b->diag,
                 "add it to GROUP BY, or take any value of the group with arbitrary(%.*s)",
                 TH_SLICE_ARGS(name));
    return TH_ESQL;
}

static th_err map_above(void *ctx, const th_expr *e, const th_expr **out)
{
    const above *a = ctx;
    const bind_groups *groups = a->groups;
    uint32_t index = UINT32_MAX;
    bool column_like = e->kind == TH_X_COLUMN;
    if (column_like && e->index >= BIND_GROUPING_BASE) {
        bool window = e->index >= BIND_WINDOW_BASE;
        *out = window ? e : a->aggs->groupings[e->index - BIND_GROUPING_BASE].above;
        return TH_OK;
    }
    if (column_like && e->index >= BIND_AGG_BASE)
        index = groups->count + (e->index - BIND_AGG_BASE);
    for (uint32_t i = 0; index == UINT32_MAX && e->kind != TH_X_CONST && i < groups->count; i++) {
        if (query_expr_equal(e, groups->keys[i])) index = i;
    }
    if (index == UINT32_MAX) return column_like ? not_grouped(a, e) : TH_OK;
    th_expr *column = query_expr_new(a->b, TH_X_COLUMN, e->type, NULL);
    if (column == NULL) return query_no_memory(a->b);
    column->line = e->line;
    column->column = e->column;
    column->index = index;
    *out = column;
    return TH_OK;
}

th_err query_bind_above_agg(binder *b, const bind_relation *from, const bind_groups *groups,
                            const bind_aggs *aggs, const th_expr *expr, const th_expr **out)
{
    above ctx = {b, from, groups, aggs};
    return query_expr_rewrite(b, expr, map_above, &ctx, out);
}
