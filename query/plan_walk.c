/* SPDX-License-Identifier: Apache-2.0
 * Walks over plan nodes and the small nodes that several steps of planning make. */
#include "query/bind.h"

bool query_expr_has_outer(const th_expr *e)
{
    if (e == NULL) return false;
    if (e->kind == TH_X_OUTER) return true;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (query_expr_has_outer(e->children[i])) return true;
    }
    return false;
}

static bool any_of(uint32_t count, const th_expr *const *exprs, query_expr_test test)
{
    for (uint32_t i = 0; i < count; i++) {
        if (test(exprs[i])) return true;
    }
    return false;
}

static bool any_sort(uint32_t count, const th_sort_key *sorts, query_expr_test test)
{
    for (uint32_t i = 0; i < count; i++) {
        if (test(sorts[i].expr)) return true;
    }
    return false;
}

static bool in_call(const th_agg_call *a, query_expr_test test)
{
    return any_of(a->arg_count, a->args, test) || test(a->filter) ||
           any_sort(a->order_count, a->order, test);
}

static bool in_bound(const th_frame_bound *b, query_expr_test test)
{
    return test(b->offset) || test(b->limit) || test(b->key);
}

bool query_node_any(const th_plan *p, query_expr_test test)
{
    if (test(p->predicate) || any_of(p->expr_count, p->exprs, test) ||
        any_of(p->key_count, p->left_keys, test) || any_of(p->key_count, p->right_keys, test) ||
        any_sort(p->sort_count, p->sorts, test))
        return true;
    for (uint32_t i = 0; i < p->aggregate_count; i++) {
        if (in_call(&p->aggregates[i], test)) return true;
    }
    for (uint32_t i = 0; i < p->window_count; i++) {
        const th_window_call *w = &p->windows[i];
        if (in_call(&w->call, test) || in_bound(&w->start, test) || in_bound(&w->end, test))
            return true;
    }
    return false;
}

bool query_node_has_outer(const th_plan *p)
{
    return query_node_any(p, query_expr_has_outer);
}

bool query_plan_has_outer(const th_plan *p)
{
    if (query_node_has_outer(p)) return true;
    for (uint32_t i = 0; i < p->input_count; i++) {
        if (query_plan_has_outer(p->inputs[i])) return true;
    }
    return false;
}

th_plan *query_plan_copy(binder *b, const th_plan *node, const th_plan *const *inputs)
{
    th_plan *copy = query_plan_new(b, node->kind, 0, node->input_count, inputs);
    if (copy == NULL) return NULL;
    const th_plan *const *kept = copy->inputs;
    *copy = *node;
    copy->inputs = kept;
    return copy;
}

static th_err map_list(binder *b, uint32_t count, const th_expr *const **exprs, query_expr_map map,
                       void *ctx)
{
    const th_expr **mapped = TH_NEW_ARRAY(b->arena, const th_expr *, count);
    if (mapped == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++)
        TH_TRY(query_expr_rewrite(b, (*exprs)[i], map, ctx, &mapped[i]));
    *exprs = mapped;
    return TH_OK;
}

static th_err map_sorts(binder *b, uint32_t count, const th_sort_key **sorts, query_expr_map map,
                        void *ctx)
{
    th_sort_key *mapped = TH_NEW_ARRAY(b->arena, th_sort_key, count);
    if (mapped == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) {
        mapped[i] = (*sorts)[i];
        TH_TRY(query_expr_rewrite(b, (*sorts)[i].expr, map, ctx, &mapped[i].expr));
    }
    *sorts = mapped;
    return TH_OK;
}

static th_err map_call(binder *b, th_agg_call *call, query_expr_map map, void *ctx)
{
    TH_TRY(map_list(b, call->arg_count, &call->args, map, ctx));
    TH_TRY(map_sorts(b, call->order_count, &call->order, map, ctx));
    if (call->filter == NULL) return TH_OK;
    return query_expr_rewrite(b, call->filter, map, ctx, &call->filter);
}

static th_err map_windows(binder *b, th_plan *p, query_expr_map map, void *ctx)
{
    th_window_call *calls = TH_NEW_ARRAY(b->arena, th_window_call, p->window_count);
    if (calls == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < p->window_count; i++) {
        th_window_call *w = &calls[i];
        *w = p->windows[i];
        TH_TRY(map_call(b, &w->call, map, ctx));
        const th_expr **parts[] = {&w->start.offset, &w->start.limit, &w->start.key,
                                   &w->end.offset,   &w->end.limit,   &w->end.key};
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            if (*parts[k] != NULL) TH_TRY(query_expr_rewrite(b, *parts[k], map, ctx, parts[k]));
        }
    }
    p->windows = calls;
    return TH_OK;
}

th_err query_plan_map_exprs(binder *b, th_plan *p, query_expr_map map, void *ctx)
{
    if (p->predicate != NULL) TH_TRY(query_expr_rewrite(b, p->predicate, map, ctx, &p->predicate));
    if (p->expr_count > 0) TH_TRY(map_list(b, p->expr_count, &p->exprs, map, ctx));
    if (p->sort_count > 0) TH_TRY(map_sorts(b, p->sort_count, &p->sorts, map, ctx));
    if (p->window_count > 0) TH_TRY(map_windows(b, p, map, ctx));
    if (p->aggregate_count == 0) return TH_OK;
    th_agg_call *calls = TH_NEW_ARRAY(b->arena, th_agg_call, p->aggregate_count);
    if (calls == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < p->aggregate_count; i++) {
        calls[i] = p->aggregates[i];
        TH_TRY(map_call(b, &calls[i], map, ctx));
    }
    p->aggregates = calls;
    return TH_OK;
}

bool query_plan_columns(binder *b, const th_plan *plan, uint32_t first, uint32_t count,
                        const th_expr **exprs)
{
    for (uint32_t i = 0; i < count; i++) {
        exprs[i] = query_expr_column(b, first + i, plan->columns[first + i].type, NULL);
        if (exprs[i] == NULL) return false;
    }
    return true;
}

th_plan *query_plan_pick(binder *b, const th_plan *plan, uint32_t count, const uint32_t *columns)
{
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, count);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, count);
    if (exprs == NULL || names == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!query_plan_columns(b, plan, columns[i], 1, &exprs[i])) return NULL;
        names[i] = plan->columns[columns[i]].name;
    }
    return query_plan_project(b, plan, count, exprs, names);
}

th_plan *query_plan_join(binder *b, th_join_kind kind, const th_plan *left, const th_plan *right)
{
    const th_plan *inputs[2] = {left, right};
    bool semi = kind == TH_JOIN_SEMI || kind == TH_JOIN_ANTI, mark = kind == TH_JOIN_MARK;
    uint32_t n = left->column_count, more = semi ? 0 : mark ? 1 : right->column_count;
    th_plan *plan = query_plan_new(b, TH_P_JOIN, n + more, 2, inputs);
    if (plan == NULL) return NULL;
    th_plan_column *columns = (th_plan_column *)(uintptr_t)plan->columns;
    for (uint32_t i = 0; i < n; i++) columns[i] = left->columns[i];
    if (mark) columns[n].type = &th_type_boolean;
    for (uint32_t i = 0; !mark && i < more; i++) columns[n + i] = right->columns[i];
    plan->join = kind;
    return plan;
}

th_err query_list_add(binder *b, expr_list *list, const th_expr *e)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        const th_expr **items = TH_NEW_ARRAY(b->arena, const th_expr *, capacity);
        if (items == NULL) return query_no_memory(b);
        for (uint32_t i = 0; i < list->count; i++) items[i] = list->items[i];
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = e;
    return TH_OK;
}

th_err query_list_conjuncts(binder *b, expr_list *list, const th_expr *e)
{
    if (e == NULL) return TH_OK;
    if (e->kind != TH_X_AND) return query_list_add(b, list, e);
    if (stack_guard_full(&b->stack)) return query_too_deep(b, e->line, e->column);
    for (uint32_t i = 0; i < e->child_count; i++)
        TH_TRY(query_list_conjuncts(b, list, e->children[i]));
    return TH_OK;
}

th_err query_list_and(binder *b, const expr_list *list, const th_expr **out)
{
    *out = list->count == 0 ? NULL : list->items[0];
    if (list->count < 2) return TH_OK;
    *out = query_expr_children(b, TH_X_AND, &th_type_boolean, NULL, list->count, list->items);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}
