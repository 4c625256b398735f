/* SPDX-License-Identifier: Apache-2.0
 * A correlated subquery whose parameters stand in conditions only: the conditions come up, past projections, joins and
 * groupings, until they are conditions of the join that the subquery becomes. */
#include "query/bind.h"

typedef struct pulling {
    binder *b;
    bool can;
} pulling;

static th_err pull(pulling *p, const th_plan *plan, const th_plan **out, expr_list *list);

bool query_pull_equality(const th_expr *e, const th_expr **outer, const th_expr **inner)
{
    if (e->kind != TH_X_CALL || e->child_count != 2 || strcmp(e->function->name, "$eq") != 0)
        return false;
    for (uint32_t side = 0; side < 2; side++) {
        *outer = e->children[side];
        *inner = e->children[1 - side];
        if (query_expr_has_outer(*inner) || query_expr_volatile(*inner)) continue;
        if (!query_expr_has_outer(*outer) || query_expr_volatile(*outer)) continue;
        if (query_expr_sides(*outer, UINT32_MAX) == 0 && query_expr_sides(*inner, UINT32_MAX) != 0)
            return true;
    }
    return false;
}

/* The conjuncts with column map[i] of plan for column i. */
static th_err renumber(binder *b, expr_list *list, const th_plan *plan, uint32_t count,
                       const uint32_t *map)
{
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, count);
    if (exprs == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) {
        if (!query_plan_columns(b, plan, map[i], 1, &exprs[i])) return query_no_memory(b);
    }
    for (uint32_t i = 0; i < list->count; i++)
        TH_TRY(query_expr_substitute(b, list->items[i], exprs, &list->items[i]));
    return TH_OK;
}

static th_err pull_filter(pulling *p, const th_plan *plan, const th_plan **out, expr_list *list)
{
    expr_list own = {0}, stay = {0};
    const th_plan *input;
    const th_expr *predicate;
    TH_TRY(pull(p, plan->inputs[0], &input, list));
    TH_TRY(query_list_conjuncts(p->b, &own, plan->predicate));
    for (uint32_t i = 0; i < own.count; i++) {
        bool outer = query_expr_has_outer(own.items[i]);
        if (outer && query_expr_volatile(own.items[i])) p->can = false;
        TH_TRY(query_list_add(p->b, outer ? list : &stay, own.items[i]));
    }
    TH_TRY(query_list_and(p->b, &stay, &predicate));
    *out = predicate == NULL ? input : query_plan_filter(p->b, input, predicate);
    return *out == NULL ? query_no_memory(p->b) : TH_OK;
}

static th_err pull_project(pulling *p, const th_plan *plan, const th_plan **out, expr_list *list)
{
    const th_plan *input;
    TH_TRY(pull(p, plan->inputs[0], &input, list));
    uint32_t n = plan->expr_count, m = input->column_count;
    const th_expr **exprs = TH_NEW_ARRAY(p->b->arena, const th_expr *, n + m);
    th_slice *names = TH_NEW_ARRAY(p->b->arena, th_slice, n + m);
    if (exprs == NULL || names == NULL) return query_no_memory(p->b);
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = plan->exprs[i];
        names[i] = plan->columns[i].name;
    }
    if (!query_plan_columns(p->b, input, 0, m, exprs + n)) return query_no_memory(p->b);
    *out = query_plan_project(p->b, input, n + m, exprs, names);
    if (*out == NULL) return query_no_memory(p->b);
    for (uint32_t i = 0; i < list->count; i++)
        TH_TRY(query_expr_shift(p->b, list->items[i], n, &list->items[i]));
    return TH_OK;
}

/* Below a grouping: a parameter's equal becomes a further key. */
static th_err pull_grouping(pulling *p, const th_plan *plan, const th_plan **out, expr_list *list)
{
    binder *b = p->b;
    const th_plan *input;
    TH_TRY(pull(p, plan->inputs[0], &input, list));
    uint32_t keys = plan->expr_count, aggs = plan->aggregate_count, more = list->count;
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, keys + more), *outer, *inner;
    th_plan *copy = query_plan_copy(b, plan, &input);
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, keys + aggs + more);
    uint32_t *order = TH_NEW_ARRAY(b->arena, uint32_t, keys + aggs + more);
    if (exprs == NULL || copy == NULL || columns == NULL || order == NULL)
        return query_no_memory(b);
    for (uint32_t i = 0; i < keys; i++) exprs[i] = plan->exprs[i];
    for (uint32_t i = 0; i < more; i++) {
        if (!query_pull_equality(list->items[i], &outer, &inner)) {
            p->can = false;
            return TH_OK;
        }
        exprs[keys + i] = inner;
        const th_expr *pair[2] = {outer, query_expr_column(b, keys + aggs + i, inner->type, NULL)};
        if (pair[1] == NULL) return query_no_memory(b);
        TH_TRY(query_bind_function(b, NULL, "$eq", 2, pair, &list->items[i]));
    }
    for (uint32_t i = 0; i < keys + aggs + more; i++) {
        columns[i].type = i < keys          ? plan->columns[i].type
                          : i < keys + more ? exprs[i]->type
                                            : plan->columns[i - more].type;
        order[i] = i < keys ? i : i < keys + aggs ? i + more : i - aggs;
    }
    copy->exprs = exprs;
    copy->expr_count = keys + more;
    copy->columns = columns;
    copy->column_count = keys + aggs + more;
    *out = query_plan_pick(b, copy, copy->column_count, order);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* A join's own conditions that read parameters come out too when it is an inner one. */
static th_err pull_join(pulling *p, const th_plan *plan, const th_plan **out, expr_list *list)
{
    binder *b = p->b;
    bool inner = plan->join == TH_JOIN_INNER || plan->join == TH_JOIN_CROSS;
    bool left_only = plan->join == TH_JOIN_LEFT || plan->join == TH_JOIN_SEMI ||
                     plan->join == TH_JOIN_ANTI || plan->join == TH_JOIN_MARK;
    th_plan keyed = *plan;
    keyed.predicate = inner ? NULL : plan->predicate;
    p->can = p->can && (inner || left_only) && !query_node_has_outer(&keyed) &&
             (inner || !query_plan_has_outer(plan->inputs[1]));
    if (!p->can) return TH_OK;
    const th_plan *inputs[2];
    expr_list left = {0}, right = {0}, own = {0}, stay = {0};
    TH_TRY(pull(p, plan->inputs[0], &inputs[0], &left));
    TH_TRY(pull(p, plan->inputs[1], &inputs[1], &right));
    uint32_t n = plan->inputs[0]->column_count, wide = inputs[0]->column_count,
             total = wide + plan->column_count - n;
    if (inner) total = wide + inputs[1]->column_count;
    th_plan *join = query_plan_copy(b, plan, inputs);
    uint32_t *order = TH_NEW_ARRAY(b->arena, uint32_t, total);
    uint32_t *place = TH_NEW_ARRAY(b->arena, uint32_t, total);
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, total);
    const th_expr **moved =
        TH_NEW_ARRAY(b->arena, const th_expr *, plan->inputs[1]->column_count + n);
    if (join == NULL || order == NULL || place == NULL || columns == NULL || moved == NULL)
        return query_no_memory(b);
    for (uint32_t i = 0; i < total; i++) {
        columns[i] = i < wide ? inputs[0]->columns[i]
                     : inner  ? inputs[1]->columns[i - wide]
                              : plan->columns[i - wide + n];
    }
    join->columns = columns;
    join->column_count = total;
    /* the join's own columns first, then what came with the left and the right side */
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) order[k++] = i;
    for (uint32_t i = n; i < plan->column_count; i++) order[k++] = wide + i - n;
    for (uint32_t i = n; i < wide; i++) order[k++] = i;
    for (uint32_t i = wide + plan->column_count - n; i < total; i++) order[k++] = i;
    for (uint32_t i = 0; i < total; i++) place[order[i]] = i;
    if (!query_plan_columns(b, plan->inputs[0], 0, n, moved)) return query_no_memory(b);
    for (uint32_t i = 0; i < plan->inputs[1]->column_count; i++) {
        moved[n + i] = query_expr_column(b, wide + i, plan->inputs[1]->columns[i].type, NULL);
        if (moved[n + i] == NULL) return query_no_memory(b);
    }
    TH_TRY(query_list_conjuncts(b, &own, plan->predicate));
    for (uint32_t i = 0; i < own.count; i++) {
        bool outer = query_expr_has_outer(own.items[i]);
        const th_expr *e;
        TH_TRY(query_expr_substitute(b, own.items[i], moved, &e));
        if (outer && query_expr_volatile(e)) p->can = false;
        TH_TRY(query_list_add(b, outer ? list : &stay, e));
    }
    TH_TRY(query_list_and(b, &stay, &join->predicate));
    for (uint32_t i = 0; i < left.count; i++) TH_TRY(query_list_add(b, list, left.items[i]));
    for (uint32_t i = 0; i < right.count; i++) {
        TH_TRY(query_expr_shift(b, right.items[i], wide, &right.items[i]));
        TH_TRY(query_list_add(b, list, right.items[i]));
    }
    *out = query_plan_pick(b, join, total, order);
    return *out == NULL ? query_no_memory(b) : renumber(b, list, *out, total, place);
}

static th_err pull_unnest(pulling *p, const th_plan *plan, const th_plan **out, expr_list *list)
{
    binder *b = p->b;
    const th_plan *input;
    TH_TRY(pull(p, plan->inputs[0], &input, list));
    uint32_t n = plan->inputs[0]->column_count, wide = input->column_count;
    uint32_t total = wide + plan->column_count - n, k = 0;
    th_plan *copy = query_plan_copy(b, plan, &input);
    uint32_t *order = TH_NEW_ARRAY(b->arena, uint32_t, total);
    uint32_t *place = TH_NEW_ARRAY(b->arena, uint32_t, total);
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, total);
    if (copy == NULL || order == NULL || place == NULL || columns == NULL)
        return query_no_memory(b);
    for (uint32_t i = 0; i < total; i++)
        columns[i] = i < wide ? input->columns[i] : plan->columns[i - wide + n];
    copy->columns = columns;
    copy->column_count = total;
    for (uint32_t i = 0; i < n; i++) order[k++] = i;
    for (uint32_t i = wide; i < total; i++) order[k++] = i;
    for (uint32_t i = n; i < wide; i++) order[k++] = i;
    for (uint32_t i = 0; i < total; i++) place[order[i]] = i;
    *out = query_plan_pick(b, copy, total, order);
    return *out == NULL ? query_no_memory(b) : renumber(b, list, *out, wide, place);
}

static th_err pull(pulling *p, const th_plan *plan, const th_plan **out, expr_list *list)
{
    *out = plan;
    if (!p->can || !query_plan_has_outer(plan)) return TH_OK;
    if (stack_guard_full(&p->b->stack)) return query_too_deep(p->b, 1, 1);
    bool own = query_node_has_outer(plan);
    switch (plan->kind) {
    case TH_P_FILTER: return pull_filter(p, plan, out, list);
    case TH_P_JOIN: return pull_join(p, plan, out, list);
    case TH_P_PROJECT:
        if (!own) return pull_project(p, plan, out, list);
        break;
    case TH_P_AGGREGATE:
        if (!own && plan->expr_count > 0 && plan->empty_group_count == 0)
            return pull_grouping(p, plan, out, list);
        break;
    case TH_P_UNNEST:
        if (!own) return pull_unnest(p, plan, out, list);
        break;
    case TH_P_SORT:
        if (!own && !plan->has_limit) return pull(p, plan->inputs[0], out, list);
        break;
    default: break;
    }
    p->can = false;
    return TH_OK;
}

th_err query_pull(binder *b, const th_plan *plan, const th_plan **out, expr_list *conjuncts,
                  bool *can)
{
    pulling p = {b, true};
    th_err err = pull(&p, plan, out, conjuncts);
    *can = p.can;
    return err;
}
