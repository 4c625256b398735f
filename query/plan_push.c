/* SPDX-License-Identifier: Apache-2.0
 * Conditions go down to where the rows come from: through projections, sorts, unions and joins, below an aggregation
 * when they speak of its keys only. What reaches a join from above may become its key. */
#include "base/limits.h"
#include "query/bind.h"

typedef struct conjuncts {
    uint32_t count, capacity;
    const th_expr **items;
} conjuncts;

static th_err push(binder *b, const th_plan *plan, const conjuncts *given, const th_plan **out);

static th_err add(binder *b, conjuncts *list, const th_expr *e)
{
    if (e->kind == TH_X_AND) {
        for (uint32_t i = 0; i < e->child_count; i++) TH_TRY(add(b, list, e->children[i]));
        return TH_OK;
    }
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

static th_err add_all(binder *b, conjuncts *list, const conjuncts *more)
{
    for (uint32_t i = 0; i < more->count; i++) TH_TRY(add(b, list, more->items[i]));
    return TH_OK;
}

/* 1 true, 0 false or NULL, -1 not a constant */
static int constant_truth(const th_expr *e)
{
    if (e->kind != TH_X_CONST || e->type->kind != TH_BOOLEAN) return -1;
    th_value v;
    th_value_get(e->constant, 0, &v);
    return !v.null && v.i != 0;
}

static th_err no_rows(binder *b, const th_plan *like, const th_plan **out)
{
    th_plan *plan = query_plan_new(b, TH_P_VALUES, 0, 0, NULL);
    if (plan == NULL) return query_no_memory(b);
    plan->column_count = like->column_count;
    plan->columns = like->columns;
    *out = plan;
    return TH_OK;
}

static th_err filter_above(binder *b, const conjuncts *list, const th_plan *input,
                           const th_plan **out)
{
    const th_expr **kept = TH_NEW_ARRAY(b->arena, const th_expr *, list->count);
    uint32_t n = 0;
    if (kept == NULL) return query_no_memory(b);
    *out = input;
    for (uint32_t i = 0; i < list->count; i++) {
        int truth = constant_truth(list->items[i]);
        if (truth == 0) return no_rows(b, input, out);
        if (truth < 0) kept[n++] = list->items[i];
    }
    if (n == 0) return TH_OK;
    const th_expr *predicate = kept[0];
    if (n > 1) predicate = query_expr_children(b, TH_X_AND, &th_type_boolean, NULL, n, kept);
    *out = predicate == NULL ? NULL : query_plan_filter(b, input, predicate);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* The node with new inputs; columns stay. */
static th_err with_inputs(binder *b, const th_plan *plan, const th_plan *const *inputs,
                          th_plan **out)
{
    th_plan *copy = query_plan_new(b, plan->kind, 0, plan->input_count, inputs);
    if (copy == NULL) return query_no_memory(b);
    const th_plan *const *kept = copy->inputs;
    *copy = *plan;
    copy->inputs = kept;
    *out = copy;
    return TH_OK;
}

/* Same conditions for the one input; plan above it. */
static th_err through(binder *b, const th_plan *plan, const conjuncts *down, const conjuncts *stay,
                      const th_plan **out)
{
    const th_plan *input;
    th_plan *copy = NULL;
    TH_TRY(push(b, plan->inputs[0], down, &input));
    TH_TRY(with_inputs(b, plan, &input, &copy));
    return filter_above(b, stay, copy, out);
}

static bool only_columns_below(const th_expr *e, uint32_t limit)
{
    if (e->kind == TH_X_COLUMN) return e->index < limit;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (!only_columns_below(e->children[i], limit)) return false;
    }
    return true;
}

static bool reads_volatile(const th_expr *e, const th_expr *const *exprs)
{
    if (e->kind == TH_X_COLUMN) return query_expr_volatile(exprs[e->index]);
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (reads_volatile(e->children[i], exprs)) return true;
    }
    return false;
}

/* Below a projection, or an aggregation for conditions on its first `limit` columns. */
static th_err push_substituted(binder *b, const th_plan *plan, const conjuncts *given,
                               uint32_t limit, const th_plan **out)
{
    conjuncts down = {0}, stay = {0};
    for (uint32_t i = 0; i < given->count; i++) {
        const th_expr *e = given->items[i], *below;
        bool can = !query_expr_volatile(e) && only_columns_below(e, limit) &&
                   !reads_volatile(e, plan->exprs);
        if (can) TH_TRY(query_expr_substitute(b, e, plan->exprs, &below));
        if (can && query_expr_depth(below, TH_SQL_DEPTH_MAX) <= TH_SQL_DEPTH_MAX)
            TH_TRY(add(b, &down, below));
        else
            TH_TRY(add(b, &stay, e));
    }
    return through(b, plan, &down, &stay, out);
}

static th_err push_unnest(binder *b, const th_plan *plan, const conjuncts *given,
                          const th_plan **out)
{
    conjuncts down = {0}, stay = {0};
    uint32_t limit = plan->inputs[0]->column_count;
    for (uint32_t i = 0; i < given->count; i++) {
        const th_expr *e = given->items[i];
        bool can =
            only_columns_below(e, limit) && !query_expr_volatile(e) && !query_expr_may_fail(e);
        TH_TRY(add(b, can ? &down : &stay, e));
    }
    return through(b, plan, &down, &stay, out);
}

static bool is_partition_column(const th_plan *plan, uint32_t index)
{
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        if (plan->exprs[i]->kind == TH_X_COLUMN && plan->exprs[i]->index == index) return true;
    }
    return false;
}

static bool only_partition_columns(const th_plan *plan, const th_expr *e)
{
    if (e->kind == TH_X_COLUMN) return is_partition_column(plan, e->index);
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (!only_partition_columns(plan, e->children[i])) return false;
    }
    return true;
}

/* What takes away whole partitions changes nothing in the others. */
static th_err push_window(binder *b, const th_plan *plan, const conjuncts *given,
                          const th_plan **out)
{
    conjuncts down = {0}, stay = {0};
    for (uint32_t i = 0; i < given->count; i++) {
        const th_expr *e = given->items[i];
        bool can =
            only_partition_columns(plan, e) && !query_expr_volatile(e) && !query_expr_may_fail(e);
        TH_TRY(add(b, can ? &down : &stay, e));
    }
    return through(b, plan, &down, &stay, out);
}

static th_err push_union(binder *b, const th_plan *plan, const conjuncts *given,
                         const th_plan **out)
{
    const th_plan **inputs = TH_NEW_ARRAY(b->arena, const th_plan *, plan->input_count);
    th_plan *copy = NULL;
    if (inputs == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < plan->input_count; i++)
        TH_TRY(push(b, plan->inputs[i], given, &inputs[i]));
    TH_TRY(with_inputs(b, plan, inputs, &copy));
    *out = copy;
    return TH_OK;
}

/* Base and step for themselves; what is asked of their rows stays above. */
static th_err push_recursive(binder *b, const th_plan *plan, const conjuncts *given,
                             const th_plan **out)
{
    conjuncts none = {0};
    const th_plan *inputs[2];
    th_plan *copy = NULL;
    for (uint32_t i = 0; i < 2; i++) TH_TRY(push(b, plan->inputs[i], &none, &inputs[i]));
    TH_TRY(with_inputs(b, plan, inputs, &copy));
    return filter_above(b, given, copy, out);
}

typedef struct join_parts {
    conjuncts left, right, both, above;
} join_parts;

static th_err to_side(binder *b, join_parts *parts, const th_expr *e, uint32_t left_columns,
                      bool left, bool right, conjuncts *otherwise)
{
    uint32_t sides = query_expr_volatile(e) ? 3 : query_expr_sides(e, left_columns);
    if (sides == 1 && left) return add(b, &parts->left, e);
    if (sides != 2 || !right) return add(b, otherwise, e);
    const th_expr *moved;
    TH_TRY(query_expr_shift(b, e, -(int64_t)left_columns, &moved));
    return add(b, &parts->right, moved);
}

static th_err split_join(binder *b, const th_plan *plan, const conjuncts *given, join_parts *parts)
{
    uint32_t n = plan->inputs[0]->column_count;
    bool inner = plan->join == TH_JOIN_INNER || plan->join == TH_JOIN_CROSS;
    bool semi =
        plan->join == TH_JOIN_SEMI || plan->join == TH_JOIN_ANTI || plan->join == TH_JOIN_MARK;
    bool keeps_left = inner || semi || plan->join == TH_JOIN_LEFT,
         keeps_right = inner || plan->join == TH_JOIN_RIGHT;
    conjuncts own = {0};
    if (plan->predicate != NULL) TH_TRY(add(b, &own, plan->predicate));
    /* ON's conditions on the side that gets NULLs anyway may go down; on the other side they decide about matches. */
    for (uint32_t i = 0; i < own.count; i++) {
        TH_TRY(to_side(b, parts, own.items[i], n,
                       inner || plan->join == TH_JOIN_RIGHT || plan->join == TH_JOIN_SEMI,
                       inner || semi || plan->join == TH_JOIN_LEFT, &parts->both));
    }
    for (uint32_t i = 0; i < given->count; i++) {
        const th_expr *e = given->items[i];
        uint32_t sides = query_expr_sides(e, n);
        if (query_expr_volatile(e) || (sides != 3 && query_expr_may_fail(e))) {
            TH_TRY(add(b, &parts->above, e));
            continue;
        }
        TH_TRY(
            to_side(b, parts, e, n, keeps_left, keeps_right, inner ? &parts->both : &parts->above));
    }
    return TH_OK;
}

static th_err push_join(binder *b, const th_plan *plan, const conjuncts *given, const th_plan **out)
{
    join_parts parts = {0};
    const th_plan *inputs[2];
    th_plan *copy = NULL;
    TH_TRY(split_join(b, plan, given, &parts));
    TH_TRY(push(b, plan->inputs[0], &parts.left, &inputs[0]));
    TH_TRY(push(b, plan->inputs[1], &parts.right, &inputs[1]));
    TH_TRY(with_inputs(b, plan, inputs, &copy));
    TH_TRY(query_join_conjuncts(b, copy, parts.both.count, parts.both.items));
    bool conditions = copy->key_count > 0 || copy->predicate != NULL;
    if (copy->join == TH_JOIN_CROSS && conditions) copy->join = TH_JOIN_INNER;
    if (copy->join == TH_JOIN_INNER && !conditions) copy->join = TH_JOIN_CROSS;
    return filter_above(b, &parts.above, copy, out);
}

static th_err stop(binder *b, const th_plan *plan, const conjuncts *given, const th_plan **out)
{
    conjuncts none = {0};
    if (plan->input_count == 1) return through(b, plan, &none, given, out);
    return filter_above(b, given, plan, out);
}

static th_err push(binder *b, const th_plan *plan, const conjuncts *given, const th_plan **out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, 1, 1);
    conjuncts all = {0};
    switch (plan->kind) {
    case TH_P_FILTER:
        TH_TRY(add(b, &all, plan->predicate));
        TH_TRY(add_all(b, &all, given));
        return push(b, plan->inputs[0], &all, out);
    case TH_P_PROJECT: return push_substituted(b, plan, given, plan->column_count, out);
    case TH_P_AGGREGATE:
        if (plan->expr_count == 0 || plan->empty_group_count > 0) return stop(b, plan, given, out);
        return push_substituted(b, plan, given, plan->expr_count, out);
    case TH_P_SORT:
        return plan->has_limit ? stop(b, plan, given, out) : through(b, plan, given, &all, out);
    case TH_P_UNION_ALL: return push_union(b, plan, given, out);
    case TH_P_WINDOW: return push_window(b, plan, given, out);
    case TH_P_UNNEST: return push_unnest(b, plan, given, out);
    case TH_P_JOIN: return push_join(b, plan, given, out);
    case TH_P_RECURSIVE: return push_recursive(b, plan, given, out);
    default: return stop(b, plan, given, out);
    }
}

th_err query_push_filters(binder *b, const th_plan *plan, const th_plan **out)
{
    conjuncts none = {0};
    return push(b, plan, &none, out);
}
