/* SPDX-License-Identifier: Apache-2.0
 * A correlated subquery for all values of its parameters at once. The domain, the distinct values, goes down the plan
 * to where it is needed; every row on the way up carries the values that it is for, so that groupings, limits and
 * joins keep them apart. */
#include "query/bind.h"
#include "query/type/coerce.h"

typedef struct depending {
    binder *b;
    const th_plan *domain;
    uint32_t width; /* columns of the domain */
    uint32_t at;    /* where they stand in the input of the expressions that are rewritten */
} depending;

static th_err depend(depending *d, const th_plan *plan, const th_plan **out);

static th_err map_outer(void *ctx, const th_expr *e, const th_expr **out)
{
    const depending *d = ctx;
    if (e->kind != TH_X_OUTER) return TH_OK;
    *out = query_expr_column(d->b, d->at + e->index, e->type, NULL);
    return *out == NULL ? query_no_memory(d->b) : TH_OK;
}

static th_err no_such_subquery(binder *b)
{
    return th_fail(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED",
                   "Given correlated subquery is not supported");
}

/* plan * domain, for a part without parameters. */
static th_err product(depending *d, const th_plan *plan, const th_plan **out)
{
    *out = d->domain;
    if (plan->kind == TH_P_SINGLE_ROW) return TH_OK;
    *out = query_plan_join(d->b, TH_JOIN_CROSS, plan, d->domain);
    return *out == NULL ? query_no_memory(d->b) : TH_OK;
}

/* Columns that pass through, then the domain: of a node whose columns are those of its input. */
static th_err same_columns(depending *d, const th_plan *plan, th_plan **out)
{
    const th_plan *input;
    TH_TRY(depend(d, plan->inputs[0], &input));
    *out = query_plan_copy(d->b, plan, &input);
    if (*out == NULL) return query_no_memory(d->b);
    (*out)->columns = input->columns;
    (*out)->column_count = input->column_count;
    d->at = plan->inputs[0]->column_count;
    return query_plan_map_exprs(d->b, *out, map_outer, d);
}

static th_err depend_project(depending *d, const th_plan *plan, const th_plan **out)
{
    const th_plan *input;
    uint32_t n = plan->expr_count;
    const th_expr **exprs = TH_NEW_ARRAY(d->b->arena, const th_expr *, n + d->width);
    th_slice *names = TH_NEW_ARRAY(d->b->arena, th_slice, n + d->width);
    if (exprs == NULL || names == NULL) return query_no_memory(d->b);
    TH_TRY(depend(d, plan->inputs[0], &input));
    uint32_t at = plan->inputs[0]->column_count;
    for (uint32_t i = 0; i < n; i++) {
        d->at = at;
        TH_TRY(query_expr_rewrite(d->b, plan->exprs[i], map_outer, d, &exprs[i]));
        names[i] = plan->columns[i].name;
    }
    if (!query_plan_columns(d->b, input, at, d->width, exprs + n)) return query_no_memory(d->b);
    *out = query_plan_project(d->b, input, n + d->width, exprs, names);
    return *out == NULL ? query_no_memory(d->b) : TH_OK;
}

/* The grouping by its keys and the domain: keys, domain, aggregates. */
static th_err group_more(depending *d, const th_plan *plan, th_plan **out)
{
    const th_plan *input;
    uint32_t keys = plan->expr_count, w = d->width, n = plan->inputs[0]->column_count;
    TH_TRY(depend(d, plan->inputs[0], &input));
    th_plan *copy = query_plan_copy(d->b, plan, &input);
    const th_expr **exprs = TH_NEW_ARRAY(d->b->arena, const th_expr *, keys + w);
    th_plan_column *columns = TH_NEW_ARRAY(d->b->arena, th_plan_column, plan->column_count + w);
    if (copy == NULL || exprs == NULL || columns == NULL) return query_no_memory(d->b);
    d->at = n;
    TH_TRY(query_plan_map_exprs(d->b, copy, map_outer, d));
    for (uint32_t i = 0; i < keys; i++) exprs[i] = copy->exprs[i];
    if (!query_plan_columns(d->b, input, n, w, exprs + keys)) return query_no_memory(d->b);
    for (uint32_t i = 0; i < plan->column_count + w; i++)
        columns[i] = i < keys       ? plan->columns[i]
                     : i < keys + w ? input->columns[n + i - keys]
                                    : plan->columns[i - w];
    copy->exprs = exprs;
    copy->expr_count = keys + w;
    copy->columns = columns;
    copy->column_count = plan->column_count + w;
    *out = copy;
    return TH_OK;
}

th_err query_empty_aggregate(binder *b, const th_agg_call *call, const th_plan *input,
                             const th_expr **out)
{
    th_plan *none = query_plan_new(b, TH_P_VALUES, 0, 0, NULL);
    if (none == NULL) return query_no_memory(b);
    none->column_count = input->column_count;
    none->columns = input->columns;
    const th_plan *below = none;
    th_plan *plan = query_plan_new(b, TH_P_AGGREGATE, 1, 1, &below);
    th_agg_call *one = TH_NEW(b->arena, th_agg_call);
    th_expr *e = query_expr_new(b, TH_X_SCALAR, call->type, NULL);
    if (plan == NULL || one == NULL || e == NULL) return query_no_memory(b);
    *one = *call;
    ((th_plan_column *)(uintptr_t)plan->columns)[0].type = call->type;
    plan->aggregates = one;
    plan->aggregate_count = 1;
    e->plan = plan;
    const th_vector *value;
    TH_TRY(th_expr_fold(e, b->run, b->arena, &value, b->diag));
    th_expr *constant = query_expr_new(b, TH_X_CONST, call->type, NULL);
    if (constant == NULL) return query_no_memory(b);
    constant->constant = value;
    *out = constant;
    return TH_OK;
}

/* An aggregation without keys has a row for each value of the domain, also where nothing was found. */
static th_err depend_total(depending *d, const th_plan *plan, const th_plan **out)
{
    binder *b = d->b;
    th_plan *grouped, *join;
    uint32_t w = d->width, n = plan->aggregate_count;
    TH_TRY(group_more(d, plan, &grouped));
    join = query_plan_join(b, TH_JOIN_LEFT, d->domain, grouped);
    const th_expr **keys = TH_NEW_ARRAY(b->arena, const th_expr *, w);
    const th_expr **same = TH_NEW_ARRAY(b->arena, const th_expr *, w);
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, n + w);
    if (join == NULL || keys == NULL || same == NULL || exprs == NULL) return query_no_memory(b);
    if (!query_plan_columns(b, d->domain, 0, w, keys) ||
        !query_plan_columns(b, grouped, 0, w, same) ||
        !query_plan_columns(b, join, 2 * w, n, exprs) ||
        !query_plan_columns(b, join, 0, w, exprs + n))
        return query_no_memory(b);
    join->left_keys = keys;
    join->right_keys = same;
    join->key_count = join->null_keys = w;
    for (uint32_t i = 0; i < n; i++) {
        const th_expr *both[2] = {exprs[i], NULL};
        TH_TRY(query_empty_aggregate(b, &grouped->aggregates[i], grouped->inputs[0], &both[1]));
        if (th_vector_is_null(both[1]->constant, 0)) continue;
        exprs[i] = query_expr_children(b, TH_X_COALESCE, exprs[i]->type, NULL, 2, both);
        if (exprs[i] == NULL) return query_no_memory(b);
    }
    *out = query_plan_project(b, join, n + w, exprs, NULL);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* Columns of plan so that the domain, which stands at `at`, comes last. */
static th_err domain_last(depending *d, const th_plan *plan, uint32_t at, const th_plan **out)
{
    uint32_t n = plan->column_count, k = 0;
    uint32_t *order = TH_NEW_ARRAY(d->b->arena, uint32_t, n);
    if (order == NULL) return query_no_memory(d->b);
    for (uint32_t i = 0; i < n; i++)
        if (i < at || i >= at + d->width) order[k++] = i;
    for (uint32_t i = 0; i < d->width; i++) order[k++] = at + i;
    *out = query_plan_pick(d->b, plan, n, order);
    return *out == NULL ? query_no_memory(d->b) : TH_OK;
}

static th_err depend_grouping(depending *d, const th_plan *plan, const th_plan **out)
{
    th_plan *grouped;
    if (plan->expr_count == 0) return depend_total(d, plan, out);
    if (plan->empty_group_count > 0) return no_such_subquery(d->b);
    TH_TRY(group_more(d, plan, &grouped));
    return domain_last(d, grouped, plan->expr_count, out);
}

static th_err depend_unnest(depending *d, const th_plan *plan, const th_plan **out)
{
    const th_plan *input;
    uint32_t n = plan->inputs[0]->column_count;
    TH_TRY(depend(d, plan->inputs[0], &input));
    th_plan *copy = query_plan_copy(d->b, plan, &input);
    th_plan_column *columns =
        TH_NEW_ARRAY(d->b->arena, th_plan_column, plan->column_count + d->width);
    if (copy == NULL || columns == NULL) return query_no_memory(d->b);
    copy->column_count = plan->column_count + d->width;
    for (uint32_t i = 0; i < copy->column_count; i++)
        columns[i] = i < n + d->width ? input->columns[i] : plan->columns[i - d->width];
    copy->columns = columns;
    d->at = n;
    TH_TRY(query_plan_map_exprs(d->b, copy, map_outer, d));
    return domain_last(d, copy, n, out);
}

/* The sort under a window, by the domain before all else. */
static th_err sort_domain(depending *d, const th_plan *plan, const th_plan **out)
{
    bool sorted = plan->kind == TH_P_SORT && !plan->has_limit;
    const th_plan *source = sorted ? plan->inputs[0] : plan, *input;
    uint32_t n = sorted ? plan->sort_count : 0, w = d->width;
    TH_TRY(depend(d, source, &input));
    th_plan *sort = query_plan_new(d->b, TH_P_SORT, 0, 1, &input);
    th_sort_key *keys = TH_NEW_ARRAY(d->b->arena, th_sort_key, w + n);
    if (sort == NULL || keys == NULL) return query_no_memory(d->b);
    sort->columns = input->columns;
    sort->column_count = input->column_count;
    for (uint32_t i = 0; i < w; i++) {
        if (!query_plan_columns(d->b, input, source->column_count + i, 1, &keys[i].expr))
            return query_no_memory(d->b);
    }
    for (uint32_t i = 0; i < n; i++) keys[w + i] = plan->sorts[i];
    sort->sorts = keys;
    sort->sort_count = w + n;
    d->at = source->column_count;
    *out = sort;
    return query_plan_map_exprs(d->b, sort, map_outer, d);
}

static th_err depend_window(depending *d, const th_plan *plan, const th_plan **out)
{
    const th_plan *input;
    uint32_t n = plan->inputs[0]->column_count, w = d->width, keys = plan->expr_count;
    for (uint32_t i = 0; i < w; i++) { /* the sort needs an order */
        if (!th_type_is_orderable(d->domain->columns[i].type)) return no_such_subquery(d->b);
    }
    TH_TRY(sort_domain(d, plan->inputs[0], &input));
    th_plan *copy = query_plan_copy(d->b, plan, &input);
    const th_expr **exprs = TH_NEW_ARRAY(d->b->arena, const th_expr *, keys + w);
    th_plan_column *columns = TH_NEW_ARRAY(d->b->arena, th_plan_column, plan->column_count + w);
    if (copy == NULL || exprs == NULL || columns == NULL) return query_no_memory(d->b);
    d->at = n;
    TH_TRY(query_plan_map_exprs(d->b, copy, map_outer, d));
    if (!query_plan_columns(d->b, input, n, w, exprs)) return query_no_memory(d->b);
    for (uint32_t i = 0; i < keys; i++) exprs[w + i] = copy->exprs[i];
    copy->exprs = exprs;
    copy->expr_count = keys + w;
    copy->column_count = plan->column_count + w;
    for (uint32_t i = 0; i < copy->column_count; i++)
        columns[i] = i < n + w ? input->columns[i] : plan->columns[i - w];
    copy->columns = columns;
    return domain_last(d, copy, n, out);
}

/* A limit counts for each value of the domain. */
static th_err depend_limit(depending *d, const th_plan *plan, const th_plan **out)
{
    th_plan *copy;
    TH_TRY(same_columns(d, plan, &copy));
    *out = copy;
    if (!plan->has_limit && plan->offset_rows == 0) return TH_OK;
    uint32_t n = plan->kind == TH_P_LIMIT ? plan->expr_count : 0;
    const th_expr **keys = TH_NEW_ARRAY(d->b->arena, const th_expr *, n + d->width);
    if (keys == NULL) return query_no_memory(d->b);
    for (uint32_t i = 0; i < n; i++) keys[i] = copy->exprs[i];
    if (!query_plan_columns(d->b, copy, copy->column_count - d->width, d->width, keys + n))
        return query_no_memory(d->b);
    th_plan *limit = copy;
    if (plan->kind == TH_P_SORT) {
        const th_plan *below = copy;
        limit = query_plan_new(d->b, TH_P_LIMIT, 0, 1, &below);
        if (limit == NULL) return query_no_memory(d->b);
        limit->columns = copy->columns;
        limit->column_count = copy->column_count;
        limit->has_limit = true;
        limit->limit_rows = plan->limit_rows;
        limit->offset_rows = plan->offset_rows;
        copy->has_limit = false;
        copy->limit_rows = copy->offset_rows = 0;
    }
    limit->exprs = keys;
    limit->expr_count = n + d->width;
    *out = limit;
    return TH_OK;
}

static th_err union_of(depending *d, uint32_t count, const th_plan *const *inputs,
                       const th_plan *like, const th_plan **out)
{
    th_plan *plan = query_plan_new(d->b, TH_P_UNION_ALL, 0, count, inputs);
    if (plan == NULL) return query_no_memory(d->b);
    plan->columns = like->columns;
    plan->column_count = like->column_count;
    *out = plan;
    return TH_OK;
}

static th_err depend_union(depending *d, const th_plan *plan, const th_plan **out)
{
    const th_plan **inputs = TH_NEW_ARRAY(d->b->arena, const th_plan *, plan->input_count);
    if (inputs == NULL) return query_no_memory(d->b);
    for (uint32_t i = 0; i < plan->input_count; i++) TH_TRY(depend(d, plan->inputs[i], &inputs[i]));
    return union_of(d, plan->input_count, inputs, inputs[0], out);
}

/* Each row of VALUES is a projection of the domain. */
static th_err depend_values(depending *d, const th_plan *plan, const th_plan **out)
{
    uint32_t n = plan->column_count;
    const th_plan **rows = TH_NEW_ARRAY(d->b->arena, const th_plan *, plan->row_count);
    if (rows == NULL) return query_no_memory(d->b);
    for (uint32_t r = 0; r < plan->row_count; r++) {
        th_plan row = *plan;
        th_plan *single = query_plan_new(d->b, TH_P_SINGLE_ROW, 0, 0, NULL);
        const th_plan *input = single;
        if (single == NULL) return query_no_memory(d->b);
        row.inputs = &input;
        row.exprs = plan->exprs + (size_t)r * n;
        row.expr_count = n;
        TH_TRY(depend_project(d, &row, &rows[r]));
    }
    return plan->row_count == 1 ? (*out = rows[0], TH_OK)
                                : union_of(d, plan->row_count, rows, rows[0], out);
}

/* Equal values of the domain on both sides, in front of the keys that are there. */
static th_err join_domains(depending *d, const th_plan *plan, th_plan *join, uint32_t left,
                           uint32_t right)
{
    uint32_t w = d->width, n = plan->key_count;
    const th_expr **l = TH_NEW_ARRAY(d->b->arena, const th_expr *, w + n);
    const th_expr **r = TH_NEW_ARRAY(d->b->arena, const th_expr *, w + n);
    if (l == NULL || r == NULL) return query_no_memory(d->b);
    if (!query_plan_columns(d->b, join->inputs[0], left, w, l) ||
        !query_plan_columns(d->b, join->inputs[1], right, w, r))
        return query_no_memory(d->b);
    for (uint32_t i = 0; i < n; i++) {
        l[w + i] = join->left_keys[i];
        r[w + i] = join->right_keys[i];
    }
    join->left_keys = l;
    join->right_keys = r;
    join->key_count += w;
    join->null_keys += w;
    if (join->join == TH_JOIN_CROSS) join->join = TH_JOIN_INNER;
    return TH_OK;
}

typedef struct join_sides {
    bool left, right; /* has the domain */
} join_sides;

static join_sides sides_of(const th_plan *plan)
{
    bool left = query_plan_has_outer(plan->inputs[0]),
         right = query_plan_has_outer(plan->inputs[1]);
    for (uint32_t i = 0; i < plan->key_count; i++) {
        left = left || query_expr_has_outer(plan->left_keys[i]);
        right = right || query_expr_has_outer(plan->right_keys[i]);
    }
    switch (plan->join) {
    case TH_JOIN_INNER:
    case TH_JOIN_CROSS: return (join_sides){left || !right, right};
    case TH_JOIN_RIGHT: return (join_sides){left, true};
    case TH_JOIN_FULL: return (join_sides){true, true};
    default: return (join_sides){true, right};
    }
}

static th_err depend_keys(depending *d, uint32_t at, uint32_t count, const th_expr *const **keys)
{
    const th_expr **made = TH_NEW_ARRAY(d->b->arena, const th_expr *, count);
    if (made == NULL) return query_no_memory(d->b);
    for (uint32_t i = 0; i < count; i++) {
        d->at = at;
        if (at == UINT32_MAX && query_expr_has_outer((*keys)[i])) return no_such_subquery(d->b);
        TH_TRY(query_expr_rewrite(d->b, (*keys)[i], map_outer, d, &made[i]));
    }
    *keys = made;
    return TH_OK;
}

/* The residual condition: the right side's columns have moved. */
static th_err depend_condition(depending *d, const th_plan *plan, th_plan *join, join_sides has)
{
    uint32_t n = plan->inputs[0]->column_count, m = plan->inputs[1]->column_count;
    uint32_t wide = join->inputs[0]->column_count;
    const th_expr **moved = TH_NEW_ARRAY(d->b->arena, const th_expr *, n + m);
    if (moved == NULL) return query_no_memory(d->b);
    if (plan->predicate == NULL) return TH_OK;
    if (!query_plan_columns(d->b, plan->inputs[0], 0, n, moved)) return query_no_memory(d->b);
    for (uint32_t i = 0; i < m; i++) {
        moved[n + i] = query_expr_column(d->b, wide + i, plan->inputs[1]->columns[i].type, NULL);
        if (moved[n + i] == NULL) return query_no_memory(d->b);
    }
    TH_TRY(query_expr_substitute(d->b, plan->predicate, moved, &join->predicate));
    d->at = has.left ? n : wide + m;
    return query_expr_rewrite(d->b, join->predicate, map_outer, d, &join->predicate);
}

/* The columns of the join, then the domain from the side that always has it. */
static th_err join_output(depending *d, const th_plan *plan, const th_plan *join, join_sides has,
                          const th_plan **out)
{
    uint32_t n = plan->inputs[0]->column_count, w = d->width, total = plan->column_count, k = 0;
    uint32_t wide = join->inputs[0]->column_count, from = wide + plan->inputs[1]->column_count;
    const th_expr **exprs = TH_NEW_ARRAY(d->b->arena, const th_expr *, total + w);
    th_slice *names = TH_NEW_ARRAY(d->b->arena, th_slice, total + w);
    if (exprs == NULL || names == NULL) return query_no_memory(d->b);
    for (uint32_t i = 0; i < total; i++, k++) {
        if (!query_plan_columns(d->b, join, i < n ? i : wide + i - n, 1, &exprs[k]))
            return query_no_memory(d->b);
        names[k] = plan->columns[i].name;
    }
    bool right = plan->join == TH_JOIN_RIGHT || !has.left;
    for (uint32_t i = 0; i < w; i++, k++) {
        if (!query_plan_columns(d->b, join, (right ? from : n) + i, 1, &exprs[k]))
            return query_no_memory(d->b);
        if (plan->join != TH_JOIN_FULL) continue;
        const th_expr *both[2] = {exprs[k], NULL};
        if (!query_plan_columns(d->b, join, from + i, 1, &both[1])) return query_no_memory(d->b);
        exprs[k] = query_expr_children(d->b, TH_X_COALESCE, both[0]->type, NULL, 2, both);
        if (exprs[k] == NULL) return query_no_memory(d->b);
    }
    *out = query_plan_project(d->b, join, k, exprs, names);
    return *out == NULL ? query_no_memory(d->b) : TH_OK;
}

static th_err depend_join(depending *d, const th_plan *plan, const th_plan **out)
{
    join_sides has = sides_of(plan);
    const th_plan *inputs[2] = {plan->inputs[0], plan->inputs[1]};
    uint32_t n = inputs[0]->column_count, m = inputs[1]->column_count;
    if (has.left) TH_TRY(depend(d, plan->inputs[0], &inputs[0]));
    if (has.right) TH_TRY(depend(d, plan->inputs[1], &inputs[1]));
    th_plan *shape = query_plan_join(d->b, plan->join, inputs[0], inputs[1]);
    th_plan *join = query_plan_copy(d->b, plan, inputs);
    if (shape == NULL || join == NULL) return query_no_memory(d->b);
    join->columns = shape->columns;
    join->column_count = shape->column_count;
    TH_TRY(depend_keys(d, has.left ? n : UINT32_MAX, plan->key_count, &join->left_keys));
    TH_TRY(depend_keys(d, has.right ? m : UINT32_MAX, plan->key_count, &join->right_keys));
    TH_TRY(depend_condition(d, plan, join, has));
    if (has.left && has.right) TH_TRY(join_domains(d, plan, join, n, m));
    return join_output(d, plan, join, has, out);
}

static th_err depend(depending *d, const th_plan *plan, const th_plan **out)
{
    th_plan *copy;
    if (stack_guard_full(&d->b->stack)) return query_too_deep(d->b, 1, 1);
    if (!query_plan_has_outer(plan)) return product(d, plan, out);
    switch (plan->kind) {
    case TH_P_VALUES: return depend_values(d, plan, out);
    case TH_P_PROJECT: return depend_project(d, plan, out);
    case TH_P_AGGREGATE:
        if (plan->empty_group_count > 0) return no_such_subquery(d->b);
        return depend_grouping(d, plan, out);
    case TH_P_JOIN: return depend_join(d, plan, out);
    case TH_P_UNION_ALL: return depend_union(d, plan, out);
    case TH_P_UNNEST: return depend_unnest(d, plan, out);
    case TH_P_WINDOW: return depend_window(d, plan, out);
    case TH_P_FILTER:
        TH_TRY(same_columns(d, plan, &copy));
        *out = copy;
        return TH_OK;
    case TH_P_SORT:
    case TH_P_LIMIT: return depend_limit(d, plan, out);
    default: return no_such_subquery(d->b);
    }
}

th_err query_depend(binder *b, const th_plan *plan, const th_plan *domain, const th_plan **out)
{
    depending d = {b, domain, domain->column_count, 0};
    return depend(&d, plan, out);
}
