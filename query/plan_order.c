/* SPDX-License-Identifier: Apache-2.0
 * The order of inner joins. A tree of them is taken apart into relations and conditions and put together again, always
 * the pair that gives the fewest rows, pairs with a condition between them first; of two sides the smaller one is held
 * in memory. Equal columns are one class: a = b and b = c join a with c as well, and what is said of a against a
 * constant holds for all of the class. */
#include <float.h>

#include "query/bind.h"

#define RELATIONS_MAX 64u
#define CLASSES_MAX 256u

typedef struct relation {
    const th_plan *plan;
    uint32_t first; /* of its columns in the row of all relations */
} relation;

/* A tree of some of the relations; order: which column of all stands where. */
typedef struct component {
    const th_plan *plan;
    uint64_t relations;
    double rows;
    uint32_t *order;
} component;

typedef struct condition {
    const th_expr *expr;
    uint64_t relations;
    bool equality, done;
} condition;

typedef struct ordering {
    binder *b;
    uint32_t count, width;
    relation relations[RELATIONS_MAX];
    expr_list conjuncts; /* over the row of all */
    expr_list above;     /* what may fail or is volatile: last of all */
    const th_type **types;
    uint32_t *class_of; /* of each column: the least column that it equals */
    condition *conditions;
    uint32_t condition_count;
    component *components[RELATIONS_MAX];
    double costs[RELATIONS_MAX][RELATIONS_MAX];
    uint32_t component_count;
} ordering;

static th_err order(binder *b, const th_plan *plan, const th_plan **out);

static bool is_inner(const th_plan *plan)
{
    return plan->kind == TH_P_JOIN && plan->null_keys == 0 &&
           (plan->join == TH_JOIN_INNER || plan->join == TH_JOIN_CROSS);
}

static uint32_t count_relations(const th_plan *plan)
{
    if (!is_inner(plan)) return 1;
    uint32_t left = count_relations(plan->inputs[0]);
    return left > RELATIONS_MAX ? left : left + count_relations(plan->inputs[1]);
}

static th_err add_condition(ordering *o, const th_expr *e, uint32_t first)
{
    TH_TRY(query_expr_shift(o->b, e, first, &e));
    bool last = query_expr_volatile(e) || query_expr_may_fail(e);
    return query_list_conjuncts(o->b, last ? &o->above : &o->conjuncts, e);
}

/* The relations under an inner join, from column `first` on. Subtrees that are too many stay as they are. */
static th_err take_apart(ordering *o, const th_plan *plan, uint32_t first)
{
    if (stack_guard_full(&o->b->stack)) return query_too_deep(o->b, 1, 1);
    if (!is_inner(plan)) {
        relation *r = &o->relations[o->count++];
        r->first = first;
        return order(o->b, plan, &r->plan);
    }
    uint32_t n = plan->inputs[0]->column_count;
    TH_TRY(take_apart(o, plan->inputs[0], first));
    TH_TRY(take_apart(o, plan->inputs[1], first + n));
    for (uint32_t i = 0; i < plan->key_count; i++) {
        const th_expr *pair[2] = {plan->left_keys[i], NULL}, *test;
        TH_TRY(query_expr_shift(o->b, plan->right_keys[i], n, &pair[1]));
        TH_TRY(query_bind_function(o->b, NULL, "$eq", 2, pair, &test));
        TH_TRY(add_condition(o, test, first));
    }
    expr_list residual = {0};
    TH_TRY(query_list_conjuncts(o->b, &residual, plan->predicate));
    for (uint32_t i = 0; i < residual.count; i++)
        TH_TRY(add_condition(o, residual.items[i], first));
    return TH_OK;
}

static uint32_t relation_of(const ordering *o, uint32_t column)
{
    uint32_t r = 0;
    while (r + 1 < o->count && o->relations[r + 1].first <= column) r++;
    while (r > 0 && o->relations[r].plan->column_count == 0) r--;
    return r;
}

static uint64_t relations_in(const ordering *o, const th_expr *e)
{
    if (e->kind == TH_X_COLUMN) return UINT64_C(1) << relation_of(o, e->index);
    uint64_t all = 0;
    for (uint32_t i = 0; i < e->child_count; i++) all |= relations_in(o, e->children[i]);
    return all;
}

static bool is_equality(const th_expr *e)
{
    return e->kind == TH_X_CALL && e->child_count == 2 && strcmp(e->function->name, "$eq") == 0;
}

static uint32_t class_root(const ordering *o, uint32_t column)
{
    while (o->class_of[column] != column) column = o->class_of[column];
    return column;
}

static void unite(ordering *o, uint32_t a, uint32_t b)
{
    a = class_root(o, a);
    b = class_root(o, b);
    if (a < b)
        o->class_of[b] = a;
    else
        o->class_of[a] = b;
}

/* Equal columns make classes; the other conditions are kept with the relations that they read. */
static th_err sort_conditions(ordering *o)
{
    uint32_t n = o->conjuncts.count;
    o->class_of = TH_NEW_ARRAY(o->b->arena, uint32_t, o->width);
    o->conditions = TH_NEW_ARRAY(o->b->arena, condition, n);
    if (o->class_of == NULL || o->conditions == NULL) return query_no_memory(o->b);
    for (uint32_t i = 0; i < o->width; i++) o->class_of[i] = i;
    for (uint32_t i = 0; i < n; i++) {
        const th_expr *e = o->conjuncts.items[i];
        if (is_equality(e) && e->children[0]->kind == TH_X_COLUMN &&
            e->children[1]->kind == TH_X_COLUMN) {
            unite(o, e->children[0]->index, e->children[1]->index);
            continue;
        }
        condition c = {.expr = e, .relations = relations_in(o, e)};
        if (is_equality(e)) {
            uint64_t left = relations_in(o, e->children[0]),
                     right = relations_in(o, e->children[1]);
            c.equality = left != 0 && right != 0 && (left & right) == 0;
        }
        o->conditions[o->condition_count++] = c;
    }
    for (uint32_t i = 0; i < o->width; i++) o->class_of[i] = class_root(o, i);
    return TH_OK;
}

static th_err put_filter(ordering *o, relation *r, const th_expr *e)
{
    expr_list all = {0};
    const th_plan *input = r->plan;
    const th_expr *predicate;
    if (input->kind == TH_P_FILTER) {
        TH_TRY(query_list_conjuncts(o->b, &all, input->predicate));
        input = input->inputs[0];
    }
    for (uint32_t i = 0; i < all.count; i++) {
        if (query_expr_equal(all.items[i], e)) return TH_OK;
    }
    TH_TRY(query_list_add(o->b, &all, e));
    TH_TRY(query_list_and(o->b, &all, &predicate));
    r->plan = query_plan_filter(o->b, input, predicate);
    return r->plan == NULL ? query_no_memory(o->b) : TH_OK;
}

static th_err column_equality(ordering *o, uint32_t a, uint32_t b, uint32_t from,
                              const th_expr **out)
{
    const th_expr *pair[2] = {query_expr_column(o->b, a - from, o->types[a], NULL),
                              query_expr_column(o->b, b - from, o->types[b], NULL)};
    if (pair[0] == NULL || pair[1] == NULL) return query_no_memory(o->b);
    return query_bind_function(o->b, NULL, "$eq", 2, pair, out);
}

/* Two columns of one relation in one class: a condition of its own. */
static th_err equal_inside(ordering *o)
{
    for (uint32_t r = 0; r < o->count; r++) {
        uint32_t first = o->relations[r].first, n = o->relations[r].plan->column_count;
        for (uint32_t i = first; i < first + n; i++) {
            for (uint32_t k = first; k < i; k++) {
                const th_expr *e;
                if (o->class_of[i] != o->class_of[k]) continue;
                TH_TRY(column_equality(o, k, i, first, &e));
                TH_TRY(put_filter(o, &o->relations[r], e));
                break;
            }
        }
    }
    return TH_OK;
}

/* The one column that a comparison with constants reads, or UINT32_MAX. */
static uint32_t compared_column(const th_expr *e)
{
    uint32_t column = UINT32_MAX;
    bool compares = e->kind == TH_X_IN ||
                    (e->kind == TH_X_CALL && e->child_count == 2 && e->function->name[0] == '$' &&
                     strchr("elg", e->function->name[1]) != NULL);
    for (uint32_t i = 0; compares && i < e->child_count; i++) {
        if (e->children[i]->kind == TH_X_CONST) continue;
        if (e->children[i]->kind != TH_X_COLUMN || column != UINT32_MAX) return UINT32_MAX;
        column = e->children[i]->index;
    }
    return column;
}

typedef struct replacement {
    binder *b;
    uint32_t column;
} replacement;

static th_err replace_column(void *ctx, const th_expr *e, const th_expr **out)
{
    const replacement *r = ctx;
    if (e->kind != TH_X_COLUMN) return TH_OK;
    *out = query_expr_column(r->b, r->column, e->type, NULL);
    return *out == NULL ? query_no_memory(r->b) : TH_OK;
}

/* a = 5 and a = b: b = 5. */
static th_err spread_constants(ordering *o)
{
    for (uint32_t r = 0; r < o->count; r++) {
        expr_list own = {0};
        if (o->relations[r].plan->kind != TH_P_FILTER) continue;
        TH_TRY(query_list_conjuncts(o->b, &own, o->relations[r].plan->predicate));
        for (uint32_t i = 0; i < own.count; i++) {
            uint32_t column = compared_column(own.items[i]);
            if (column == UINT32_MAX) continue;
            uint32_t class = o->class_of[o->relations[r].first + column];
            for (uint32_t c = 0; c < o->width; c++) {
                uint32_t other = relation_of(o, c);
                if (o->class_of[c] != class || other == r) continue;
                replacement ctx = {o->b, c - o->relations[other].first};
                const th_expr *e;
                TH_TRY(query_expr_rewrite(o->b, own.items[i], replace_column, &ctx, &e));
                TH_TRY(put_filter(o, &o->relations[other], e));
            }
        }
    }
    return TH_OK;
}

static th_err make_components(ordering *o)
{
    for (uint32_t r = 0; r < o->count; r++) {
        component *c = TH_NEW(o->b->arena, component);
        if (c == NULL) return query_no_memory(o->b);
        uint32_t n = o->relations[r].plan->column_count;
        *c = (component){.plan = o->relations[r].plan,
                         .relations = UINT64_C(1) << r,
                         .rows = query_estimate_rows(o->b, o->relations[r].plan),
                         .order = TH_NEW_ARRAY(o->b->arena, uint32_t, n + 1)};
        if (c->order == NULL) return query_no_memory(o->b);
        for (uint32_t i = 0; i < n; i++) c->order[i] = o->relations[r].first + i;
        o->components[o->component_count++] = c;
    }
    return TH_OK;
}

/* A column of the class in the component, as its place in the component's row; UINT32_MAX: none. */
static uint32_t member(const ordering *o, const component *c, uint32_t class)
{
    for (uint32_t i = 0; i < c->plan->column_count; i++) {
        if (o->class_of[c->order[i]] == class) return i;
    }
    return UINT32_MAX;
}

/* A bit a class that has columns in the component; the bit is shared where there are many. */
static uint64_t classes_in(const ordering *o, const component *c)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < c->plan->column_count; i++)
        bits |= UINT64_C(1) << (o->class_of[c->order[i]] % 64);
    return bits;
}

/* Rows that joining the two gives; DBL_MAX / 4 and more when nothing connects them. */
static double pair_cost(const ordering *o, const component *a, const component *b)
{
    double rows = a->rows * b->rows, larger = a->rows > b->rows ? a->rows : b->rows;
    bool connected = false;
    if ((classes_in(o, a) & classes_in(o, b)) != 0) {
        for (uint32_t i = 0; i < a->plan->column_count; i++) {
            uint32_t class = o->class_of[a->order[i]];
            if (member(o, b, class) == UINT32_MAX) continue;
            rows *= connected ? 0.3 : 1 / (larger < 1 ? 1 : larger);
            connected = true;
        }
    }
    for (uint32_t i = 0; i < o->condition_count; i++) {
        const condition *c = &o->conditions[i];
        uint64_t both = a->relations | b->relations;
        if (c->done || (c->relations & ~both) != 0 || (c->relations & a->relations) == 0 ||
            (c->relations & b->relations) == 0)
            continue;
        bool first = !connected && c->equality;
        rows *= first ? 1 / (larger < 1 ? 1 : larger) : 0.5;
        connected = connected || c->equality;
    }
    if (rows < 1e-3) rows = 1e-3;
    return connected ? rows : DBL_MAX / 4 * (1 + rows / (1 + rows));
}

/* Conditions between the two that are not yet said, over the row of a, then b. */
static th_err between(ordering *o, const component *a, const component *b, const uint32_t *place,
                      expr_list *out)
{
    uint64_t both = a->relations | b->relations;
    for (uint32_t i = 0; i < a->plan->column_count; i++) {
        uint32_t class = o->class_of[a->order[i]], k = member(o, b, class);
        if (k == UINT32_MAX || member(o, a, class) != i) continue;
        const th_expr *pair[2] = {
            query_expr_column(o->b, i, o->types[a->order[i]], NULL),
            query_expr_column(o->b, a->plan->column_count + k, o->types[b->order[k]], NULL)};
        const th_expr *e;
        if (pair[0] == NULL || pair[1] == NULL) return query_no_memory(o->b);
        TH_TRY(query_bind_function(o->b, NULL, "$eq", 2, pair, &e));
        TH_TRY(query_list_add(o->b, out, e));
    }
    const th_expr **columns = TH_NEW_ARRAY(o->b->arena, const th_expr *, o->width);
    if (columns == NULL) return query_no_memory(o->b);
    for (uint32_t i = 0; i < o->width; i++) {
        columns[i] = query_expr_column(o->b, place[i], o->types[i], NULL);
        if (columns[i] == NULL) return query_no_memory(o->b);
    }
    for (uint32_t i = 0; i < o->condition_count; i++) {
        condition *c = &o->conditions[i];
        const th_expr *e;
        if (c->done || (c->relations & ~both) != 0) continue;
        TH_TRY(query_expr_substitute(o->b, c->expr, columns, &e));
        TH_TRY(query_list_add(o->b, out, e));
        c->done = true;
    }
    return TH_OK;
}

static th_err join_pair(ordering *o, component *a, component *b, double rows, component **out)
{
    if (a->rows < b->rows) { /* the right side is held in memory */
        component *swap = a;
        a = b;
        b = swap;
    }
    uint32_t n = a->plan->column_count, m = b->plan->column_count;
    component *c = TH_NEW(o->b->arena, component);
    uint32_t *place = TH_NEW_ARRAY(o->b->arena, uint32_t, o->width + 1);
    th_plan *join = query_plan_join(o->b, TH_JOIN_CROSS, a->plan, b->plan);
    if (c == NULL || place == NULL || join == NULL) return query_no_memory(o->b);
    *c = (component){.plan = join,
                     .relations = a->relations | b->relations,
                     .rows = rows,
                     .order = TH_NEW_ARRAY(o->b->arena, uint32_t, n + m + 1)};
    if (c->order == NULL) return query_no_memory(o->b);
    for (uint32_t i = 0; i < n + m; i++) {
        c->order[i] = i < n ? a->order[i] : b->order[i - n];
        place[c->order[i]] = i;
    }
    expr_list list = {0};
    TH_TRY(between(o, a, b, place, &list));
    TH_TRY(query_join_conjuncts(o->b, join, list.count, list.items));
    if (list.count > 0) join->join = TH_JOIN_INNER;
    *out = c;
    return TH_OK;
}

static void cost_row(ordering *o, uint32_t row)
{
    for (uint32_t i = 0; i < o->component_count; i++) {
        if (i == row) continue;
        double cost = pair_cost(o, o->components[i], o->components[row]);
        o->costs[i][row] = o->costs[row][i] = cost;
    }
}

static th_err join_all(ordering *o)
{
    for (uint32_t i = 0; i < o->component_count; i++) cost_row(o, i);
    while (o->component_count > 1) {
        uint32_t a = 0, b = 1;
        for (uint32_t i = 0; i < o->component_count; i++)
            for (uint32_t k = i + 1; k < o->component_count; k++)
                if (o->costs[i][k] < o->costs[a][b]) a = i, b = k;
        component *joined;
        double rows = o->costs[a][b];
        if (rows >= DBL_MAX / 4) rows = o->components[a]->rows * o->components[b]->rows;
        TH_TRY(join_pair(o, o->components[a], o->components[b], rows, &joined));
        uint32_t last = --o->component_count;
        o->components[a] = joined;
        o->components[b] = o->components[last];
        for (uint32_t i = 0; i < last; i++) o->costs[b][i] = o->costs[i][b] = o->costs[last][i];
        cost_row(o, a);
    }
    return TH_OK;
}

/* The columns in their old order, and the conditions that were to come last. */
static th_err finish(ordering *o, const th_plan **out)
{
    uint32_t *places = TH_NEW_ARRAY(o->b->arena, uint32_t, o->width + 1);
    const component *all = o->components[0];
    if (places == NULL) return query_no_memory(o->b);
    for (uint32_t i = 0; i < o->width; i++) places[all->order[i]] = i;
    const th_plan *picked = query_plan_pick(o->b, all->plan, o->width, places);
    if (picked == NULL) return query_no_memory(o->b);
    const th_expr *predicate;
    TH_TRY(query_list_and(o->b, &o->above, &predicate));
    *out = predicate == NULL ? picked : query_plan_filter(o->b, picked, predicate);
    return *out == NULL ? query_no_memory(o->b) : TH_OK;
}

static th_err order_joins(binder *b, const th_plan *plan, const th_plan **out)
{
    ordering *o = TH_NEW(b->arena, ordering);
    if (o == NULL) return query_no_memory(b);
    o->b = b;
    o->width = plan->column_count;
    o->types = TH_NEW_ARRAY(b->arena, const th_type *, o->width);
    if (o->types == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < o->width; i++) o->types[i] = plan->columns[i].type;
    TH_TRY(take_apart(o, plan, 0));
    TH_TRY(sort_conditions(o));
    TH_TRY(equal_inside(o));
    TH_TRY(spread_constants(o));
    TH_TRY(make_components(o));
    TH_TRY(join_all(o));
    return finish(o, out);
}

/* An outer join whose right side, which is held in memory, is much the larger one: the sides change places. */
static th_err swap_sides(binder *b, const th_plan *plan, const th_plan **out)
{
    const th_plan *left = plan->inputs[0], *right = plan->inputs[1], *inputs[2] = {right, left};
    bool outer = plan->join == TH_JOIN_LEFT || plan->join == TH_JOIN_RIGHT;
    *out = plan;
    if (plan->kind != TH_P_JOIN || !outer || plan->single ||
        query_estimate_rows(b, left) * 4 > query_estimate_rows(b, right))
        return TH_OK;
    uint32_t n = left->column_count, m = right->column_count;
    th_join_kind kind = plan->join == TH_JOIN_LEFT ? TH_JOIN_RIGHT : TH_JOIN_LEFT;
    th_plan *join = query_plan_copy(b, plan, inputs);
    const th_plan *shape = query_plan_join(b, kind, right, left);
    const th_expr **moved = TH_NEW_ARRAY(b->arena, const th_expr *, n + m + 1);
    uint32_t *places = TH_NEW_ARRAY(b->arena, uint32_t, n + m + 1);
    if (join == NULL || shape == NULL || moved == NULL || places == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n + m; i++) {
        places[i] = i < n ? i + m : i - n;
        moved[i] = query_expr_column(b, places[i], plan->columns[i].type, NULL);
        if (moved[i] == NULL) return query_no_memory(b);
    }
    join->join = kind;
    join->columns = shape->columns;
    join->left_keys = plan->right_keys;
    join->right_keys = plan->left_keys;
    if (plan->predicate != NULL)
        TH_TRY(query_expr_substitute(b, plan->predicate, moved, &join->predicate));
    *out = query_plan_pick(b, join, n + m, places);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static th_err order(binder *b, const th_plan *plan, const th_plan **out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, 1, 1);
    if (is_inner(plan) && count_relations(plan) <= RELATIONS_MAX) return order_joins(b, plan, out);
    const th_plan **inputs = TH_NEW_ARRAY(b->arena, const th_plan *, plan->input_count + 1);
    bool changed = false;
    if (inputs == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < plan->input_count; i++) {
        TH_TRY(order(b, plan->inputs[i], &inputs[i]));
        changed = changed || inputs[i] != plan->inputs[i];
    }
    *out = changed ? query_plan_copy(b, plan, inputs) : plan;
    return *out == NULL ? query_no_memory(b) : swap_sides(b, *out, out);
}

th_err query_order_joins(binder *b, const th_plan *plan, const th_plan **out)
{
    return order(b, plan, out);
}
