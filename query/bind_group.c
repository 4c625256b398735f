/* SPDX-License-Identifier: Apache-2.0
 * GROUP BY: keys, ordinals, AUTO, grouping sets and GROUPING().
 *
 * With several sets each row is repeated once a set (an UNNEST of their numbers), its keys are NULL where the set does
 * not have them, and the number of the set is one more key. */
#include "query/bind.h"
#include "query/type/coerce.h"

#define SETS_MAX 2048u
#define GROUPING_ARGS_MAX 63u

typedef struct group_state {
    const bind_place *at;
    const ast_body *body;
    uint32_t item_count;
    const bind_item *items;
    bind_groups *out;
} group_state;

static th_err add_key(const group_state *g, const ast_expr *ast, const th_expr *e, uint32_t *index)
{
    bind_groups *out = g->out;
    binder *b = g->at->b;
    if (!th_type_is_comparable(e->type)) {
        return th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
                          "Type is not comparable, and therefore cannot be used in GROUP BY");
    }
    for (*index = 0; *index < out->count; (*index)++) {
        if (query_expr_equal(out->keys[*index], e)) return TH_OK;
    }
    if (out->count + 1 >= out->capacity) { /* one place stays free for the number of the set */
        uint32_t capacity = out->capacity == 0 ? 8 : out->capacity * 2;
        const th_expr **keys = TH_NEW_ARRAY(b->arena, const th_expr *, capacity);
        if (keys == NULL) return query_no_memory(b);
        for (uint32_t i = 0; i < out->count; i++) keys[i] = out->keys[i];
        out->keys = keys;
        out->capacity = capacity;
    }
    out->keys[out->count++] = e;
    return TH_OK;
}

static bool has_aggregate(const th_expr *e)
{
    if (e->kind == TH_X_COLUMN && e->index >= BIND_AGG_BASE) return true;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (has_aggregate(e->children[i])) return true;
    }
    return false;
}

static th_err ordinal(const group_state *g, const ast_expr *ast, const th_expr **out)
{
    int64_t n = 0;
    th_diag *diag = g->at->b->diag;
    if (!th_slice_to_i64(ast->text, &n) || n < 1 || n > g->item_count) {
        return th_fail_at(diag, TH_ESQL, "INVALID_COLUMN_REFERENCE", ast->line, ast->column,
                          "GROUP BY position %.*s is not in select list", TH_SLICE_ARGS(ast->text));
    }
    *out = g->items[n - 1].expr;
    if (!has_aggregate(*out)) return TH_OK;
    return th_fail_at(diag, TH_ESQL, "EXPRESSION_NOT_SCALAR", ast->line, ast->column,
                      "GROUP BY clause cannot contain aggregations, window functions or grouping "
                      "operations: position %lld is one",
                      (long long)n);
}

static th_err one_key(const group_state *g, const ast_expr *ast, uint32_t *index)
{
    const th_expr *e;
    if (ast->kind == AST_INTEGER)
        TH_TRY(ordinal(g, ast, &e));
    else
        TH_TRY(query_bind_expr(g->at, ast, &e));
    return add_key(g, ast, e, index);
}

static void put(bind_set *set, uint32_t key)
{
    uint32_t at = set->count;
    while (at > 0 && set->keys[at - 1] > key) at--;
    if (at > 0 && set->keys[at - 1] == key) return;
    memmove(&set->keys[at + 1], &set->keys[at], (set->count - at) * sizeof key);
    set->keys[at] = key;
    set->count++;
}

static th_err new_set(binder *b, uint32_t room, bind_set *out)
{
    *out = (bind_set){0, TH_NEW_ARRAY(b->arena, uint32_t, room + 1)};
    return out->keys == NULL ? query_no_memory(b) : TH_OK;
}

static th_err listed_set(const group_state *g, const ast_list *list, bind_set *out)
{
    TH_TRY(new_set(g->at->b, list->count, out));
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t key;
        TH_TRY(one_key(g, list->items[i], &key));
        put(out, key);
    }
    return TH_OK;
}

/* GROUP BY AUTO, where no column has that name: all of the SELECT list that is no aggregate. */
static bool is_auto(const group_state *g, const ast_group *group)
{
    if (group->kind != AST_GROUP_SIMPLE || group->sets[0].count != 1) return false;
    const ast_expr *e = group->sets[0].items[0];
    const bind_relation *from = g->at->from;
    if (e->kind != AST_NAME || e->quoted || !th_slice_equal_nocase(e->text, TH_SLICE("auto")))
        return false;
    for (uint32_t i = 0; from != NULL && i < from->count; i++) {
        if (th_slice_equal_nocase(from->fields[i].name, e->text)) return false;
    }
    return true;
}

static th_err auto_set(const group_state *g, const ast_group *group, bind_set *out)
{
    TH_TRY(new_set(g->at->b, g->item_count, out));
    for (uint32_t i = 0; i < g->item_count; i++) {
        const th_expr *e = g->items[i].expr;
        uint32_t key;
        if (has_aggregate(e) || !query_expr_has_column(e)) continue;
        TH_TRY(add_key(g, group->sets[0].items[0], e, &key));
        put(out, key);
    }
    return TH_OK;
}

static th_err too_many(const group_state *g, const ast_group *group, uint64_t count)
{
    return th_fail_at(g->at->b->diag, TH_ELIMIT, "TOO_MANY_GROUPING_SETS", group->line,
                      group->column, "GROUP BY has %llu grouping sets but can contain at most %u",
                      (unsigned long long)count, SETS_MAX);
}

static th_err joined(binder *b, const bind_set *const *parts, uint32_t count, bind_set *out)
{
    uint32_t room = 0;
    for (uint32_t i = 0; i < count; i++) room += parts[i]->count;
    TH_TRY(new_set(b, room, out));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < parts[i]->count; k++) put(out, parts[i]->keys[k]);
    return TH_OK;
}

/* ROLLUP: the first n, n-1, .. 0 parts. CUBE: every choice of parts, the fullest first. */
static th_err combinations(const group_state *g, const ast_group *group, const bind_set *parts,
                           bind_set *out)
{
    uint32_t n = group->set_count;
    const bind_set **chosen = TH_NEW_ARRAY(g->at->b->arena, const bind_set *, n);
    if (chosen == NULL) return query_no_memory(g->at->b);
    bool rollup = group->kind == AST_GROUP_ROLLUP;
    uint32_t count = rollup ? n + 1 : 1u << n;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t used = 0;
        for (uint32_t k = 0; k < n; k++) {
            bool take = rollup ? k < n - i : ((i >> (n - 1 - k)) & 1) == 0;
            if (take) chosen[used++] = &parts[k];
        }
        TH_TRY(joined(g->at->b, chosen, used, &out[i]));
    }
    return TH_OK;
}

static th_err element_sets(const group_state *g, const ast_group *group, uint32_t *count,
                           bind_set **out)
{
    binder *b = g->at->b;
    uint32_t n = group->set_count;
    bool listed = group->kind == AST_GROUP_SIMPLE || group->kind == AST_GROUP_SETS;
    uint64_t wanted = listed ? n : group->kind == AST_GROUP_ROLLUP ? (uint64_t)n + 1 : UINT64_MAX;
    if (group->kind == AST_GROUP_CUBE && n < 32) wanted = UINT64_C(1) << n;
    if (wanted > SETS_MAX) return too_many(g, group, wanted);
    *count = (uint32_t)wanted;
    bind_set *parts = TH_NEW_ARRAY(b->arena, bind_set, n);
    *out = listed ? parts : TH_NEW_ARRAY(b->arena, bind_set, *count);
    if (parts == NULL || *out == NULL) return query_no_memory(b);
    if (is_auto(g, group)) return auto_set(g, group, &parts[0]);
    for (uint32_t i = 0; i < n; i++) TH_TRY(listed_set(g, &group->sets[i], &parts[i]));
    return listed ? TH_OK : combinations(g, group, parts, *out);
}

/* Every set of one side with every set of the other. */
static th_err cross(const group_state *g, const ast_group *group, uint32_t count,
                    const bind_set *sets)
{
    bind_groups *out = g->out;
    uint64_t wanted = (uint64_t)out->set_count * count;
    if (wanted > SETS_MAX) return too_many(g, group, wanted);
    bind_set *all = TH_NEW_ARRAY(g->at->b->arena, bind_set, wanted);
    if (all == NULL) return query_no_memory(g->at->b);
    for (uint32_t i = 0; i < wanted; i++) {
        const bind_set *pair[2] = {&out->sets[i / count], &sets[i % count]};
        TH_TRY(joined(g->at->b, pair, 2, &all[i]));
    }
    out->sets = all;
    out->set_count = (uint32_t)wanted;
    return TH_OK;
}

static bool same_set(const bind_set *a, const bind_set *b)
{
    return a->count == b->count && memcmp(a->keys, b->keys, a->count * sizeof *a->keys) == 0;
}

static void drop_repeated(bind_groups *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->set_count; i++) {
        uint32_t k = 0;
        while (k < n && !same_set(&g->sets[k], &g->sets[i])) k++;
        if (k == n) g->sets[n++] = g->sets[i];
    }
    g->set_count = n;
}

th_err query_bind_groups(const bind_place *at, const ast_body *body, uint32_t item_count,
                         const bind_item *items, bind_groups *out)
{
    group_state g = {at, body, item_count, items, out};
    if (body->group_count == 0) return TH_OK;
    out->sets = TH_NEW_ARRAY(at->b->arena, bind_set, 1);
    if (out->sets == NULL) return query_no_memory(at->b);
    TH_TRY(new_set(at->b, 0, &out->sets[0]));
    out->set_count = 1;
    for (uint32_t i = 0; i < body->group_count; i++) {
        bind_set *sets;
        uint32_t count;
        TH_TRY(element_sets(&g, &body->groups[i], &count, &sets));
        TH_TRY(cross(&g, &body->groups[i], count, sets));
    }
    if (body->group_distinct) drop_repeated(out);
    return TH_OK;
}

th_err query_bind_grouping(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    binder *b = at->b;
    bind_aggs *aggs = at->aggs;
    if (aggs == NULL || at->in_aggregate || at->lambda != NULL) return query_not_scalar(at, ast);
    if (ast->child_count > GROUPING_ARGS_MAX) {
        return th_fail_at(b->diag, TH_ESQL, "TOO_MANY_ARGUMENTS", ast->line, ast->column,
                          "GROUPING supports up to %u column arguments", GROUPING_ARGS_MAX);
    }
    bind_place inner = *at;
    inner.aggs = NULL;
    inner.items = NULL;
    inner.item_count = 0;
    bind_grouping made = {.ast = ast,
                          .args = TH_NEW_ARRAY(b->arena, const th_expr *, ast->child_count + 1),
                          .type = ast->child_count < 32 ? &th_type_integer : &th_type_bigint};
    if (made.args == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < ast->child_count; i++)
        TH_TRY(query_bind_expr(&inner, ast->children[i], &made.args[i]));
    if (aggs->grouping_count == aggs->grouping_capacity) {
        uint32_t capacity = aggs->grouping_capacity == 0 ? 4 : aggs->grouping_capacity * 2;
        bind_grouping *more = TH_NEW_ARRAY(b->arena, bind_grouping, capacity);
        if (more == NULL) return query_no_memory(b);
        for (uint32_t i = 0; i < aggs->grouping_count; i++) more[i] = aggs->groupings[i];
        aggs->groupings = more;
        aggs->grouping_capacity = capacity;
    }
    *out = query_expr_column(b, BIND_GROUPING_BASE + aggs->grouping_count, made.type, ast);
    aggs->groupings[aggs->grouping_count++] = made;
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static bool in_set(const bind_set *set, uint32_t key)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->keys[i] == key) return true;
    }
    return false;
}

/* ARRAY[..] of bigint constants */
static th_err number_list(binder *b, uint32_t count, const int64_t *numbers, const th_type *type,
                          const th_expr **out)
{
    const th_expr **items = TH_NEW_ARRAY(b->arena, const th_expr *, count);
    if (items == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) {
        th_value v = {.i = numbers[i]};
        items[i] = query_expr_const(b, type, &v, NULL);
        if (items[i] == NULL) return query_no_memory(b);
    }
    return query_bind_function(b, NULL, "$array", count, items, out);
}

/* The number of the set, from 1, is a column more. */
static th_err repeat_rows(binder *b, uint32_t set_count, th_plan **plan, const th_expr **number)
{
    int64_t *numbers = TH_NEW_ARRAY(b->arena, int64_t, set_count);
    const th_expr **list = TH_NEW_ARRAY(b->arena, const th_expr *, 1);
    uint32_t n = (*plan)->column_count;
    if (numbers == NULL || list == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < set_count; i++) numbers[i] = i + 1;
    TH_TRY(number_list(b, set_count, numbers, &th_type_bigint, &list[0]));
    th_plan *node = query_plan_new(b, TH_P_UNNEST, n + 1, 1, (const th_plan *const *)plan);
    if (node == NULL) return query_no_memory(b);
    th_plan_column *columns = (th_plan_column *)(uintptr_t)node->columns;
    for (uint32_t i = 0; i < n; i++) columns[i] = (*plan)->columns[i];
    columns[n].type = &th_type_bigint;
    node->exprs = list;
    node->expr_count = 1;
    *plan = node;
    *number = query_expr_column(b, n, &th_type_bigint, NULL);
    return *number == NULL ? query_no_memory(b) : TH_OK;
}

/* CASE WHEN number IN (sets with the key) THEN key END */
static th_err masked_key(binder *b, const bind_groups *g, uint32_t key, const th_expr *number,
                         const th_expr **out)
{
    const th_expr **in = TH_NEW_ARRAY(b->arena, const th_expr *, g->set_count + 1);
    if (in == NULL) return query_no_memory(b);
    uint32_t n = 1;
    in[0] = number;
    for (uint32_t i = 0; i < g->set_count; i++) {
        if (!in_set(&g->sets[i], key)) continue;
        in[n] = query_expr_bigint(b, i + 1, NULL);
        if (in[n++] == NULL) return query_no_memory(b);
    }
    *out = g->keys[key];
    if (n == g->set_count + 1) return TH_OK;
    const th_expr *parts[3] = {query_expr_children(b, TH_X_IN, &th_type_boolean, NULL, n, in),
                               g->keys[key], query_expr_null(b, g->keys[key]->type, NULL)};
    if (parts[0] == NULL || parts[2] == NULL) return query_no_memory(b);
    *out = query_expr_children(b, TH_X_CASE, g->keys[key]->type, NULL, 3, parts);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static th_err masked_keys(binder *b, bind_groups *g, th_plan **plan, const th_expr *const **out)
{
    const th_expr *number, **masked = TH_NEW_ARRAY(b->arena, const th_expr *, g->count + 1);
    if (masked == NULL) return query_no_memory(b);
    *out = masked;
    TH_TRY(repeat_rows(b, g->set_count, plan, &number));
    for (uint32_t i = 0; i < g->count; i++) TH_TRY(masked_key(b, g, i, number, &masked[i]));
    masked[g->count] = number;
    if (g->keys == NULL) g->keys = TH_NEW_ARRAY(b->arena, const th_expr *, 1);
    if (g->keys == NULL) return query_no_memory(b);
    g->keys[g->count++] = number;
    return TH_OK;
}

/* A bit for each argument, 1 where the set does not have it; the last argument is the lowest. */
static th_err grouping_bits(binder *b, const bind_groups *g, const bind_grouping *grouping,
                            uint32_t keys, int64_t *bits)
{
    const ast_expr *ast = grouping->ast;
    for (uint32_t i = 0; i < ast->child_count; i++) {
        uint32_t key = 0;
        while (key < keys && !query_expr_equal(g->keys[key], grouping->args[i])) key++;
        if (key == keys) {
            return th_fail_at(b->diag, TH_ESQL, "INVALID_ARGUMENTS", ast->line, ast->column,
                              "The arguments to GROUPING() must be expressions referenced by the "
                              "GROUP BY at the associated query level. Mismatch due to %.*s.",
                              TH_SLICE_ARGS(ast->children[i]->source));
        }
        for (uint32_t s = 0; s < g->set_count; s++)
            bits[s] = bits[s] * 2 + !in_set(&g->sets[s], key);
    }
    return TH_OK;
}

static th_err groupings_above(binder *b, const bind_groups *g, bind_aggs *aggs)
{
    bool many = g->set_count > 1;
    uint32_t keys = many ? g->count - 1 : g->count;
    for (uint32_t i = 0; i < aggs->grouping_count; i++) {
        bind_grouping *grouping = &aggs->groupings[i];
        int64_t *bits = TH_NEW_ARRAY(b->arena, int64_t, g->set_count + 1);
        if (bits == NULL) return query_no_memory(b);
        TH_TRY(grouping_bits(b, g, grouping, keys, bits));
        if (!many) {
            th_value zero = {.i = bits[0]};
            grouping->above = query_expr_const(b, grouping->type, &zero, grouping->ast);
            if (grouping->above == NULL) return query_no_memory(b);
            continue;
        }
        const th_expr *pair[2] = {NULL, query_expr_column(b, keys, &th_type_bigint, NULL)};
        if (pair[1] == NULL) return query_no_memory(b);
        TH_TRY(number_list(b, g->set_count, bits, grouping->type, &pair[0]));
        TH_TRY(query_bind_function(b, NULL, "element_at", 2, pair, &grouping->above));
    }
    return TH_OK;
}

static th_err empty_groups(binder *b, const bind_groups *g, th_plan *plan)
{
    int64_t *numbers = TH_NEW_ARRAY(b->arena, int64_t, g->set_count);
    if (numbers == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < g->set_count; i++) {
        if (g->sets[i].count == 0) numbers[plan->empty_group_count++] = i + 1;
    }
    plan->empty_groups = numbers;
    return TH_OK;
}

th_err query_plan_groups(binder *b, bind_groups *g, bind_aggs *aggs, th_plan **plan)
{
    const th_expr *const *keys = g->keys;
    bool many = g->set_count > 1;
    if (many) TH_TRY(masked_keys(b, g, plan, &keys));
    TH_TRY(groupings_above(b, g, aggs));
    th_plan *node =
        query_plan_new(b, TH_P_AGGREGATE, g->count + aggs->count, 1, (const th_plan *const *)plan);
    if (node == NULL) return query_no_memory(b);
    th_plan_column *columns = (th_plan_column *)(uintptr_t)node->columns;
    for (uint32_t i = 0; i < g->count; i++) columns[i].type = keys[i]->type;
    for (uint32_t i = 0; i < aggs->count; i++) columns[g->count + i].type = aggs->calls[i].type;
    node->exprs = keys;
    node->expr_count = g->count;
    node->aggregates = aggs->calls;
    node->aggregate_count = aggs->count;
    if (many) TH_TRY(empty_groups(b, g, node));
    *plan = node;
    return TH_OK;
}
