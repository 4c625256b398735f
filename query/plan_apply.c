/* SPDX-License-Identifier: Apache-2.0
 * Correlated subqueries become joins with the input of the node whose expressions they stand in: a condition EXISTS or
 * IN a semi join, another one a mark, a scalar an outer join that allows one match. Their conditions on the outer row
 * become keys where they can be pulled up (plan_pull.c); else the subquery is made for all values of its parameters at
 * once (plan_depend.c). A subquery never runs once a row. */
#include "query/bind.h"
#include "query/type/coerce.h"

typedef struct applied {
    const th_expr *subquery, *value;
} applied;

/* The input of a node while joins are put on it. */
typedef struct applying {
    binder *b;
    const th_plan *input, *base; /* base: before the joins; the parameters read its columns */
    uint32_t count, capacity;
    applied *done;
} applying;

/* A subquery taken apart: params are over the input that it is joined to. */
typedef struct sub {
    const th_plan *plan;
    const th_expr *needle; /* IN */
    uint32_t count;
    const th_expr *const *params;
    uint32_t line, column;
} sub;

static bool is_subquery(const th_expr *e)
{
    return e->kind == TH_X_SCALAR || e->kind == TH_X_EXISTS || e->kind == TH_X_IN_PLAN;
}

static bool is_correlated(const th_expr *e)
{
    return is_subquery(e) && e->child_count > (e->kind == TH_X_IN_PLAN);
}

static bool has_correlated(const th_expr *e)
{
    if (e == NULL) return false;
    if (is_correlated(e)) return true;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (has_correlated(e->children[i])) return true;
    }
    return false;
}

typedef struct parameters {
    binder *b;
    const sub *s;
    uint32_t by; /* columns of the subquery move by so many */
} parameters;

static th_err map_parameter(void *ctx, const th_expr *e, const th_expr **out)
{
    const parameters *p = ctx;
    if (e->kind == TH_X_OUTER) *out = p->s->params[e->index];
    return TH_OK;
}

static th_err map_over_join(void *ctx, const th_expr *e, const th_expr **out)
{
    const parameters *p = ctx;
    if (e->kind == TH_X_OUTER) *out = p->s->params[e->index];
    if (e->kind != TH_X_COLUMN) return TH_OK;
    *out = query_expr_column(p->b, e->index + p->by, e->type, NULL);
    return *out == NULL ? query_no_memory(p->b) : TH_OK;
}

/* Distinct values of the parameters. */
static th_err domain_of(binder *b, const th_plan *input, const sub *s, const th_plan **out)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (th_type_is_comparable(s->params[i]->type)) continue;
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", s->line, s->column,
                          "Given correlated subquery is not supported: it reads a column that "
                          "cannot be compared");
    }
    th_plan *values = query_plan_project(b, input, s->count, s->params, NULL);
    *out = values == NULL ? NULL : query_plan_distinct(b, values);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* Parameter i = column first + i of the right side, NULL or not. */
static th_err domain_keys(binder *b, const sub *s, uint32_t first, th_plan *join)
{
    const th_expr **right = TH_NEW_ARRAY(b->arena, const th_expr *, s->count);
    if (right == NULL) return query_no_memory(b);
    if (!query_plan_columns(b, join->inputs[1], first, s->count, right)) return query_no_memory(b);
    join->left_keys = s->params;
    join->right_keys = right;
    join->key_count = join->null_keys = s->count;
    return TH_OK;
}

static bool reads_only(const sub *s, uint32_t columns)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if ((query_expr_sides(s->params[i], columns) & 2) != 0) return false;
    }
    return true;
}

/* input joined with the subquery by its parameters alone: pulled conditions, or the domain. only_keys: conditions that
 * are no keys will not do. */
static th_err join_subquery(const applying *a, th_join_kind kind, const sub *s, bool only_keys,
                            th_plan **out)
{
    binder *b = a->b;
    const th_plan *right, *domain, *input = a->input;
    const th_plan *base = reads_only(s, a->base->column_count) ? a->base : input;
    expr_list list = {0};
    bool can;
    parameters p = {b, s, input->column_count};
    TH_TRY(query_pull(b, s->plan, &right, &list, &can));
    if (can) {
        *out = query_plan_join(b, kind, input, right);
        if (*out == NULL) return query_no_memory(b);
        for (uint32_t i = 0; i < list.count; i++)
            TH_TRY(query_expr_rewrite(b, list.items[i], map_over_join, &p, &list.items[i]));
        TH_TRY(query_join_conjuncts(b, *out, list.count, list.items));
        if (!only_keys || (*out)->predicate == NULL) return TH_OK;
    }
    TH_TRY(domain_of(b, base, s, &domain));
    TH_TRY(query_depend(b, s->plan, domain, &right));
    *out = query_plan_join(b, kind, input, right);
    if (*out == NULL) return query_no_memory(b);
    return domain_keys(b, s, s->plan->column_count, *out);
}

/* needle = the subquery's column as the last key. */
static th_err needle_key(binder *b, const sub *s, th_plan *join)
{
    uint32_t n = join->key_count;
    const th_expr **left = TH_NEW_ARRAY(b->arena, const th_expr *, n + 1);
    const th_expr **right = TH_NEW_ARRAY(b->arena, const th_expr *, n + 1);
    if (left == NULL || right == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        left[i] = join->left_keys[i];
        right[i] = join->right_keys[i];
    }
    left[n] = s->needle;
    if (!query_plan_columns(b, join->inputs[1], 0, 1, &right[n])) return query_no_memory(b);
    join->left_keys = left;
    join->right_keys = right;
    join->key_count = n + 1;
    return TH_OK;
}

static const th_plan *without_order(const th_plan *plan)
{
    while (plan->kind == TH_P_PROJECT || (plan->kind == TH_P_SORT && !plan->has_limit) ||
           (plan->kind == TH_P_LIMIT && plan->offset_rows == 0 && plan->limit_rows > 0) ||
           (plan->kind == TH_P_SORT && plan->offset_rows == 0 && plan->limit_rows > 0))
        plan = plan->inputs[0];
    return plan;
}

static sub take_apart(const th_expr *e)
{
    uint32_t first = e->kind == TH_X_IN_PLAN;
    return (sub){.plan = e->kind == TH_X_EXISTS ? without_order(e->plan) : e->plan,
                 .needle = first ? e->children[0] : NULL,
                 .count = e->child_count - first,
                 .params = e->children + first,
                 .line = e->line,
                 .column = e->column};
}

static th_err marked(applying *a, th_plan *join, const th_expr **out)
{
    *out = query_expr_column(a->b, a->input->column_count, &th_type_boolean, NULL);
    a->input = join;
    return *out == NULL ? query_no_memory(a->b) : TH_OK;
}

static bool is_nested(const th_type *type)
{
    return type->kind == TH_ROW || type->kind == TH_ARRAY || type->kind == TH_MAP;
}

/* A mark for the rows where needle = column is true, or where it is NULL. */
static th_err mark_compared(applying *a, const sub *s, bool null, const th_expr **out)
{
    binder *b = a->b;
    th_plan *join;
    TH_TRY(join_subquery(a, TH_JOIN_MARK, s, false, &join));
    const th_type *type = s->plan->columns[0].type;
    const th_expr *pair[2] = {s->needle, query_expr_column(b, a->input->column_count, type, NULL)};
    if (pair[1] == NULL) return query_no_memory(b);
    const th_expr *test;
    TH_TRY(query_bind_function(b, NULL, "$eq", 2, pair, &test));
    if (null) test = query_expr_children(b, TH_X_IS_NULL, &th_type_boolean, NULL, 1, &test);
    if (test == NULL) return query_no_memory(b);
    expr_list all = {0};
    TH_TRY(query_list_conjuncts(b, &all, join->predicate));
    TH_TRY(query_list_add(b, &all, test));
    TH_TRY(query_list_and(b, &all, &join->predicate));
    return marked(a, join, out);
}

/* NULLs inside of values: one mark for equal, one for undecided. */
static th_err apply_in_nested(applying *a, const sub *s, const th_expr **out)
{
    const th_expr *parts[5];
    TH_TRY(mark_compared(a, s, false, &parts[0]));
    TH_TRY(mark_compared(a, s, true, &parts[2]));
    parts[1] = query_expr_bool(a->b, true, NULL);
    parts[3] = query_expr_null(a->b, &th_type_boolean, NULL);
    parts[4] = query_expr_bool(a->b, false, NULL);
    if (parts[1] == NULL || parts[3] == NULL || parts[4] == NULL) return query_no_memory(a->b);
    *out = query_expr_children(a->b, TH_X_CASE, &th_type_boolean, NULL, 5, parts);
    return *out == NULL ? query_no_memory(a->b) : TH_OK;
}

static th_err apply_test(applying *a, const th_expr *e, const th_expr **out)
{
    sub s = take_apart(e);
    th_plan *join;
    if (s.needle != NULL && is_nested(s.needle->type)) return apply_in_nested(a, &s, out);
    TH_TRY(join_subquery(a, TH_JOIN_MARK, &s, s.needle != NULL, &join));
    if (s.needle != NULL) {
        TH_TRY(needle_key(a->b, &s, join));
        join->null_aware = true;
    }
    return marked(a, join, out);
}

/* An aggregation without keys under projections: *exprs are what they make of its aggregates. */
static th_err find_total(binder *b, const th_plan *plan, const th_plan **total,
                         const th_expr **value)
{
    *total = NULL;
    *value = query_expr_column(b, 0, plan->columns[0].type, NULL);
    if (*value == NULL) return query_no_memory(b);
    while (plan->kind == TH_P_PROJECT) {
        if (query_expr_volatile(*value)) return TH_OK;
        TH_TRY(query_expr_substitute(b, *value, plan->exprs, value));
        plan = plan->inputs[0];
    }
    if (plan->kind == TH_P_AGGREGATE && plan->expr_count == 0 && !query_node_has_outer(plan) &&
        !query_expr_volatile(*value))
        *total = plan;
    return TH_OK;
}

/* The aggregation grouped by what the parameters are compared with; *can false: not all are compared by =. */
static th_err group_total(applying *a, const sub *s, const th_plan *total, th_plan **join,
                          bool *can)
{
    binder *b = a->b;
    const th_plan *input;
    expr_list list = {0};
    TH_TRY(query_pull(b, total->inputs[0], &input, &list, can));
    uint32_t k = list.count, n = total->aggregate_count;
    *can = *can && k > 0;
    if (!*can) return TH_OK;
    const th_expr **left = TH_NEW_ARRAY(b->arena, const th_expr *, k);
    const th_expr **keys = TH_NEW_ARRAY(b->arena, const th_expr *, k);
    const th_expr **right = TH_NEW_ARRAY(b->arena, const th_expr *, k);
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, k + n);
    th_plan *grouped = query_plan_copy(b, total, &input);
    if (left == NULL || keys == NULL || right == NULL || columns == NULL || grouped == NULL)
        return query_no_memory(b);
    parameters p = {b, s, 0};
    for (uint32_t i = 0; i < k; i++) {
        *can = query_pull_equality(list.items[i], &left[i], &keys[i]);
        if (!*can) return TH_OK;
        TH_TRY(query_expr_rewrite(b, left[i], map_parameter, &p, &left[i]));
        columns[i].type = keys[i]->type;
    }
    for (uint32_t i = 0; i < n; i++) columns[k + i] = total->columns[i];
    grouped->exprs = keys;
    grouped->expr_count = k;
    grouped->columns = columns;
    grouped->column_count = k + n;
    *join = query_plan_join(b, TH_JOIN_LEFT, a->input, grouped);
    if (*join == NULL || !query_plan_columns(b, grouped, 0, k, right)) return query_no_memory(b);
    (*join)->left_keys = left;
    (*join)->right_keys = right;
    (*join)->key_count = k;
    return TH_OK;
}

/* value over the aggregates, which stand at `at` in the join and are those of no rows where nothing matched. */
static th_err value_of_total(applying *a, const sub *s, const th_plan *grouped, uint32_t at,
                             const th_expr **value)
{
    binder *b = a->b;
    uint32_t n = grouped->aggregate_count;
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    if (exprs == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        const th_type *type = grouped->aggregates[i].type;
        const th_expr *both[2] = {query_expr_column(b, at + i, type, NULL), NULL};
        if (both[0] == NULL) return query_no_memory(b);
        TH_TRY(query_empty_aggregate(b, &grouped->aggregates[i], grouped->inputs[0], &both[1]));
        exprs[i] = both[0];
        if (th_vector_is_null(both[1]->constant, 0)) continue;
        exprs[i] = query_expr_children(b, TH_X_COALESCE, type, NULL, 2, both);
        if (exprs[i] == NULL) return query_no_memory(b);
    }
    /* first the columns, then the parameters, whose columns are others */
    TH_TRY(query_expr_substitute(b, *value, exprs, value));
    parameters p = {b, s, 0};
    return query_expr_rewrite(b, *value, map_parameter, &p, value);
}

static th_err apply_scalar(applying *a, const th_expr *e, const th_expr **out)
{
    binder *b = a->b;
    sub s = take_apart(e);
    const th_plan *total;
    th_plan *join = NULL;
    bool can = false;
    uint32_t n = a->input->column_count;
    TH_TRY(find_total(b, s.plan, &total, out));
    if (total != NULL) TH_TRY(group_total(a, &s, total, &join, &can));
    if (can) {
        a->input = join;
        const th_plan *grouped = join->inputs[1];
        return value_of_total(a, &s, grouped, n + grouped->expr_count, out);
    }
    TH_TRY(join_subquery(a, TH_JOIN_LEFT, &s, false, &join));
    join->single = true;
    join->line = e->line;
    join->column = e->column;
    a->input = join;
    *out = query_expr_column(b, n, e->type, NULL);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* The subquery's plan first loses the subqueries in it, its parameters those in them. */
static th_err map_subquery(void *ctx, const th_expr *e, const th_expr **out)
{
    applying *a = ctx;
    if (!is_correlated(e)) return TH_OK;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!query_expr_equal(a->done[i].subquery, e)) continue;
        *out = a->done[i].value;
        return TH_OK;
    }
    th_expr *copy = query_expr_children(a->b, e->kind, e->type, NULL, e->child_count, e->children);
    if (copy == NULL) return query_no_memory(a->b);
    const th_expr **children = (const th_expr **)(uintptr_t)copy->children;
    for (uint32_t i = 0; i < e->child_count; i++)
        TH_TRY(query_expr_rewrite(a->b, e->children[i], map_subquery, a, &children[i]));
    copy->line = e->line;
    copy->column = e->column;
    TH_TRY(query_apply(a->b, e->plan, &copy->plan));
    TH_TRY(e->kind == TH_X_SCALAR ? apply_scalar(a, copy, out) : apply_test(a, copy, out));
    if (a->count == a->capacity) {
        uint32_t capacity = a->capacity == 0 ? 4 : a->capacity * 2;
        applied *done = TH_NEW_ARRAY(a->b->arena, applied, capacity);
        if (done == NULL) return query_no_memory(a->b);
        for (uint32_t i = 0; i < a->count; i++) done[i] = a->done[i];
        a->done = done;
        a->capacity = capacity;
    }
    a->done[a->count++] = (applied){e, *out};
    return TH_OK;
}

/* EXISTS (...), NOT EXISTS (...), x IN (...) as a whole condition: a semi or anti join, no mark. */
static th_err semi_join(applying *a, const th_expr *e, bool *done)
{
    bool negated = e->kind == TH_X_NOT;
    const th_expr *inner = negated ? e->children[0] : e;
    th_plan *join;
    *done = is_correlated(inner) &&
            (inner->kind == TH_X_EXISTS ||
             (inner->kind == TH_X_IN_PLAN && !negated && !is_nested(inner->children[0]->type)));
    for (uint32_t i = 0; *done && i < inner->child_count; i++)
        *done = !has_correlated(inner->children[i]);
    if (!*done) return TH_OK;
    th_expr copy = *inner;
    TH_TRY(query_apply(a->b, inner->plan, &copy.plan));
    sub s = take_apart(&copy);
    TH_TRY(join_subquery(a, negated ? TH_JOIN_ANTI : TH_JOIN_SEMI, &s, false, &join));
    if (s.needle != NULL) TH_TRY(needle_key(a->b, &s, join));
    a->input = join;
    return TH_OK;
}

static th_err put_filter(applying *a, const expr_list *list)
{
    const th_expr *predicate;
    TH_TRY(query_list_and(a->b, list, &predicate));
    if (predicate == NULL) return TH_OK;
    a->input = query_plan_filter(a->b, a->input, predicate);
    return a->input == NULL ? query_no_memory(a->b) : TH_OK;
}

/* The first n columns alone when joins have added others. */
static th_err first_columns(binder *b, const th_plan *plan, uint32_t n, const th_plan **out)
{
    uint32_t *order = TH_NEW_ARRAY(b->arena, uint32_t, n);
    *out = plan;
    if (plan->column_count == n) return TH_OK;
    if (order == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    *out = query_plan_pick(b, plan, n, order);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static th_err apply_filter(binder *b, const th_plan *plan, const th_plan *input,
                           const th_plan **out)
{
    applying a = {.b = b, .input = input, .base = input};
    expr_list own = {0}, plain = {0}, marks = {0};
    TH_TRY(query_list_conjuncts(b, &own, plan->predicate));
    for (uint32_t i = 0; i < own.count; i++) {
        if (!has_correlated(own.items[i])) TH_TRY(query_list_add(b, &plain, own.items[i]));
    }
    TH_TRY(put_filter(&a, &plain));
    a.base = a.input;
    for (uint32_t i = 0; i < own.count; i++) {
        bool done;
        const th_expr *e;
        if (!has_correlated(own.items[i])) continue;
        TH_TRY(semi_join(&a, own.items[i], &done));
        if (done) continue;
        TH_TRY(query_expr_rewrite(b, own.items[i], map_subquery, &a, &e));
        TH_TRY(query_list_add(b, &marks, e));
    }
    TH_TRY(put_filter(&a, &marks));
    return first_columns(b, a.input, plan->column_count, out);
}

/* A node with one input: the columns that joins add stand between the input's and the node's own. */
static th_err apply_node(binder *b, const th_plan *plan, const th_plan *input, const th_plan **out)
{
    applying a = {.b = b, .input = input, .base = input};
    uint32_t n = input->column_count;
    th_plan *copy = query_plan_copy(b, plan, &input);
    if (copy == NULL) return query_no_memory(b);
    TH_TRY(query_plan_map_exprs(b, copy, map_subquery, &a));
    *(const th_plan **)(uintptr_t)copy->inputs = a.input;
    *out = copy;
    uint32_t more = a.input->column_count - n, total = plan->column_count + more;
    if (plan->kind == TH_P_PROJECT || plan->kind == TH_P_AGGREGATE || more == 0) return TH_OK;
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, total);
    uint32_t *order = TH_NEW_ARRAY(b->arena, uint32_t, plan->column_count);
    if (columns == NULL || order == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < total; i++)
        columns[i] = i < n + more ? a.input->columns[i] : plan->columns[i - more];
    copy->columns = columns;
    copy->column_count = total;
    for (uint32_t i = 0; i < plan->column_count; i++) order[i] = i < n ? i : i + more;
    *out = query_plan_pick(b, copy, plan->column_count, order);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* ON with subqueries: those of an inner join go above it, where they may read both sides. */
static th_err apply_join(binder *b, const th_plan *plan, const th_plan *const *inputs,
                         const th_plan **out)
{
    th_plan *copy = query_plan_copy(b, plan, inputs);
    if (copy == NULL) return query_no_memory(b);
    if (plan->join != TH_JOIN_INNER && plan->join != TH_JOIN_CROSS) {
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", plan->predicate->line,
                          plan->predicate->column,
                          "A subquery in the condition of an outer join must not read columns of "
                          "the join");
    }
    copy->predicate = NULL;
    if (copy->key_count == 0) copy->join = TH_JOIN_CROSS;
    const th_plan *filter = query_plan_filter(b, copy, plan->predicate);
    return filter == NULL ? query_no_memory(b) : apply_filter(b, filter, copy, out);
}

/* VALUES with subqueries: a projection for each row. */
static th_err apply_values(binder *b, const th_plan *plan, const th_plan **out)
{
    const th_plan **rows = TH_NEW_ARRAY(b->arena, const th_plan *, plan->row_count);
    th_plan *single = query_plan_new(b, TH_P_SINGLE_ROW, 0, 0, NULL);
    uint32_t n = plan->column_count;
    if (rows == NULL || single == NULL) return query_no_memory(b);
    for (uint32_t r = 0; r < plan->row_count; r++) {
        th_plan *row = query_plan_project(b, single, n, plan->exprs + (size_t)r * n, NULL);
        if (row == NULL) return query_no_memory(b);
        TH_TRY(apply_node(b, row, single, &rows[r]));
    }
    th_plan *all = query_plan_new(b, TH_P_UNION_ALL, 0, plan->row_count, rows);
    if (all == NULL) return query_no_memory(b);
    all->columns = plan->columns;
    all->column_count = n;
    *out = all;
    return TH_OK;
}

th_err query_apply(binder *b, const th_plan *plan, const th_plan **out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, 1, 1);
    const th_plan **inputs = TH_NEW_ARRAY(b->arena, const th_plan *, plan->input_count + 1);
    bool changed = false;
    if (inputs == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < plan->input_count; i++) {
        TH_TRY(query_apply(b, plan->inputs[i], &inputs[i]));
        changed = changed || inputs[i] != plan->inputs[i];
    }
    *out = plan;
    if (changed) *out = query_plan_copy(b, plan, inputs);
    if (*out == NULL) return query_no_memory(b);
    if (!query_node_any(plan, has_correlated)) return TH_OK;
    switch (plan->kind) {
    case TH_P_FILTER: return apply_filter(b, plan, inputs[0], out);
    case TH_P_JOIN: return apply_join(b, plan, inputs, out);
    case TH_P_VALUES: return apply_values(b, plan, out);
    default: return apply_node(b, plan, inputs[0], out);
    }
}

th_err query_apply_lateral(binder *b, th_join_kind kind, const th_plan *left, const th_plan *right,
                           const bind_params *params, const th_expr *on, th_plan **out)
{
    applying a = {.b = b, .input = left, .base = left};
    sub s = {.count = params->count, .params = params->values, .line = 1, .column = 1};
    const th_plan *first;
    th_plan *join;
    expr_list list = {0};
    TH_TRY(query_apply(b, right, &s.plan));
    TH_TRY(join_subquery(&a, kind, &s, false, &join));
    TH_TRY(query_list_conjuncts(b, &list, join->predicate));
    TH_TRY(query_list_conjuncts(b, &list, on));
    TH_TRY(query_join_conjuncts(b, join, list.count, list.items));
    if (kind == TH_JOIN_INNER && join->key_count == 0 && join->predicate == NULL)
        join->join = TH_JOIN_CROSS;
    TH_TRY(first_columns(b, join, left->column_count + right->column_count, &first));
    *out = (th_plan *)(uintptr_t)first;
    return TH_OK;
}
