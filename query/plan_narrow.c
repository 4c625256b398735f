/* SPDX-License-Identifier: Apache-2.0
 * Read only what is needed. From the top of the plan down goes a list of wants: columns, fields in them
 * (useridentity.arn), keys in JSON text (json_extract_scalar(requestparameters, '$.bucketName')). Each node passes on
 * what it needs itself, and answers where each want is found in its new output: whole, or a part of the way to it.
 *
 * A want is an expression over the node's old columns; `have` is the part of it that column `at` of the new output
 * holds. */
#include "query/bind.h"

typedef struct want {
    const th_expr *expr, *have;
    uint32_t at;
} want;

typedef struct wants {
    uint32_t count, capacity;
    want *items;
} wants;

static th_err narrow(binder *b, const th_plan *plan, wants *w, const th_plan **out);

static bool is_field_path(const th_expr *e)
{
    while (e->kind == TH_X_FIELD) e = e->children[0];
    return e->kind == TH_X_COLUMN;
}

static bool is_json_path(const th_expr *e)
{
    if (e->kind != TH_X_CALL || e->child_count != 2) return false;
    if (strcmp(e->function->name, "json_extract_scalar") != 0 &&
        strcmp(e->function->name, "json_extract") != 0) {
        return false;
    }
    const th_expr *path = e->children[1];
    bool text = path->kind == TH_X_CONST && path->type->kind == TH_VARCHAR &&
                !th_vector_is_null(path->constant, 0);
    return text && e->children[0]->type->kind == TH_VARCHAR && is_field_path(e->children[0]);
}

static const th_expr *root_of(const th_expr *e)
{
    while (e->kind != TH_X_COLUMN) e = e->children[0];
    return e;
}

static th_err add(binder *b, wants *w, const th_expr *e, uint32_t *index)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (!query_expr_equal(w->items[i].expr, e)) continue;
        if (index != NULL) *index = i;
        return TH_OK;
    }
    if (w->count == w->capacity) {
        uint32_t capacity = w->capacity == 0 ? 16 : w->capacity * 2;
        want *items = TH_NEW_ARRAY(b->arena, want, capacity);
        if (items == NULL) return query_no_memory(b);
        for (uint32_t i = 0; i < w->count; i++) items[i] = w->items[i];
        w->items = items;
        w->capacity = capacity;
    }
    if (index != NULL) *index = w->count;
    w->items[w->count++] = (want){.expr = e};
    return TH_OK;
}

static th_err collect(binder *b, wants *w, const th_expr *e)
{
    if (e == NULL || e->kind == TH_X_CONST) return TH_OK;
    if (stack_guard_full(&b->stack)) return query_too_deep(b, e->line, e->column);
    if (is_field_path(e) || is_json_path(e)) return add(b, w, e, NULL);
    for (uint32_t i = 0; i < e->child_count; i++) TH_TRY(collect(b, w, e->children[i]));
    return TH_OK;
}

typedef struct lookup {
    binder *b;
    const wants *w;
} lookup;

/* e, of which `have` is column `at`: what is left of the way is walked again above it. */
static const th_expr *rebuild(binder *b, const th_expr *e, const want *found)
{
    if (query_expr_equal(e, found->have)) {
        th_expr *column = TH_NEW(b->arena, th_expr);
        if (column == NULL) return NULL;
        *column = (th_expr){.kind = TH_X_COLUMN,
                            .line = e->line,
                            .column = e->column,
                            .type = e->type,
                            .index = found->at};
        return column;
    }
    const th_expr *base = rebuild(b, e->children[0], found);
    th_expr *copy = TH_NEW(b->arena, th_expr);
    const th_expr **children = TH_NEW_ARRAY(b->arena, const th_expr *, e->child_count);
    if (base == NULL || copy == NULL || children == NULL) return NULL;
    for (uint32_t i = 1; i < e->child_count; i++) children[i] = e->children[i];
    children[0] = base;
    *copy = *e;
    copy->children = children;
    return copy;
}

static th_err map_wanted(void *ctx, const th_expr *e, const th_expr **out)
{
    const lookup *l = ctx;
    if (!is_field_path(e) && !is_json_path(e)) return TH_OK;
    for (uint32_t i = 0; i < l->w->count; i++) {
        if (!query_expr_equal(l->w->items[i].expr, e)) continue;
        *out = rebuild(l->b, e, &l->w->items[i]);
        return *out == NULL ? query_no_memory(l->b) : TH_OK;
    }
    return TH_OK;
}

static th_err rewrite(binder *b, const wants *w, const th_expr *e, const th_expr **out)
{
    lookup l = {b, w};
    *out = NULL;
    return e == NULL ? TH_OK : query_expr_rewrite(b, e, map_wanted, &l, out);
}

static th_err rewrite_all(binder *b, const wants *w, uint32_t count, const th_expr *const *exprs,
                          const th_expr *const **out)
{
    const th_expr **copy = TH_NEW_ARRAY(b->arena, const th_expr *, count);
    if (copy == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) TH_TRY(rewrite(b, w, exprs[i], &copy[i]));
    *out = copy;
    return TH_OK;
}

static th_err copy_node(binder *b, const th_plan *plan, uint32_t input_count,
                        const th_plan *const *inputs, th_plan **out)
{
    th_plan *copy = query_plan_new(b, plan->kind, 0, input_count, inputs);
    if (copy == NULL) return query_no_memory(b);
    const th_plan *const *kept = copy->inputs;
    *copy = *plan;
    copy->inputs = kept;
    copy->column_count = input_count == 0 ? plan->column_count : inputs[0]->column_count;
    copy->columns = input_count == 0 ? plan->columns : inputs[0]->columns;
    *out = copy;
    return TH_OK;
}

/* Is a shorter way than h wanted too? Then h needs no column of its own. */
static const th_expr *shortest(const wants *w, const th_expr *h)
{
    const th_expr *best = h;
    for (const th_expr *e = h; e->kind == TH_X_FIELD;) {
        e = e->children[0];
        for (uint32_t i = 0; i < w->count; i++) {
            if (query_expr_equal(w->items[i].have, e)) best = e;
        }
    }
    return best;
}

/* What e names, on top of what the scan's column is already narrowed to: a subquery's plan may come here twice. */
static th_err scan_column(binder *b, const th_plan *scan, const th_expr *e, th_scan_column *out)
{
    const th_expr *path = is_json_path(e) ? e->children[0] : e, *f;
    uint32_t depth = 0;
    for (f = path; f->kind == TH_X_FIELD; f = f->children[0]) depth++;
    *out = scan->scan_columns[f->index];
    if (e->kind == TH_X_COLUMN) return TH_OK;
    th_slice *fields = TH_NEW_ARRAY(b->arena, th_slice, out->field_count + depth);
    if (fields == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < out->field_count; i++) fields[i] = out->fields[i];
    out->fields = fields;
    out->field_count += depth;
    out->type = e->type;
    depth = out->field_count;
    for (f = path; f->kind == TH_X_FIELD; f = f->children[0])
        fields[--depth] = f->children[0]->type->names[f->index];
    if (path == e) return TH_OK;
    th_value v;
    th_value_get(e->children[1]->constant, 0, &v);
    out->json_path = v.s;
    out->json_scalar = strcmp(e->function->name, "json_extract_scalar") == 0;
    return TH_OK;
}

/* "useridentity.arn", as EXPLAIN shows it */
static th_err scan_name(binder *b, const th_plan *scan, const th_scan_column *c, th_slice *out)
{
    *out = scan->table->columns[c->column].name;
    for (uint32_t i = 0; i < c->field_count && out->bytes != NULL; i++) {
        *out = th_slice_text(th_arena_printf(b->arena, "%.*s.%.*s", TH_SLICE_ARGS(*out),
                                             TH_SLICE_ARGS(c->fields[i])));
    }
    if (c->json_path.size > 0 && out->bytes != NULL) {
        *out = th_slice_text(th_arena_printf(b->arena, "%.*s -> %.*s", TH_SLICE_ARGS(*out),
                                             TH_SLICE_ARGS(c->json_path)));
    }
    return out->bytes == NULL ? query_no_memory(b) : TH_OK;
}

static bool anonymous_field(const th_expr *e)
{
    for (; e->kind == TH_X_FIELD; e = e->children[0]) {
        if (e->children[0]->type->names[e->index].size == 0) return true;
    }
    return false;
}

/* What the scan can deliver of a want. */
static th_err deliverable(binder *b, const th_plan *scan, want *item)
{
    item->have = item->expr;
    if (is_json_path(item->expr)) {
        th_scan_column column;
        TH_TRY(scan_column(b, scan, item->expr, &column));
        bool can = b->provider != NULL && !anonymous_field(item->expr->children[0]) &&
                   b->provider->ops->can_json_path(b->snapshot, scan->table, &column);
        if (!can) item->have = item->expr->children[0];
    }
    if (item->have->kind == TH_X_FIELD && anonymous_field(item->have))
        item->have = root_of(item->have);
    return TH_OK;
}

static th_err narrow_scan(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    th_plan *copy = query_plan_new(b, TH_P_SCAN, w->count, 0, NULL);
    th_scan_column *columns = TH_NEW_ARRAY(b->arena, th_scan_column, w->count);
    const th_expr **sources = TH_NEW_ARRAY(b->arena, const th_expr *, w->count);
    if (copy == NULL || columns == NULL || sources == NULL) return query_no_memory(b);
    th_plan_column *names = (th_plan_column *)(uintptr_t)copy->columns;
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->count; i++) TH_TRY(deliverable(b, plan, &w->items[i]));
    for (uint32_t i = 0; i < w->count; i++) {
        want *item = &w->items[i];
        item->have = shortest(w, item->have);
        for (item->at = 0; item->at < n && !query_expr_equal(sources[item->at], item->have);
             item->at++) {}
        if (item->at < n) continue;
        sources[n] = item->have;
        TH_TRY(scan_column(b, plan, item->have, &columns[n]));
        names[n].type = item->have->type;
        TH_TRY(scan_name(b, plan, &columns[n], &names[n].name));
        n++;
    }
    copy->column_count = n;
    copy->scan_columns = columns;
    copy->table = plan->table;
    *out = copy;
    return TH_OK;
}

/* The want as an expression over the projection's input: the whole of it when that is still a way to somewhere. */
static th_err through_project(binder *b, const th_plan *plan, want *item, const th_expr **source)
{
    const th_expr *root = root_of(item->expr), *below = plan->exprs[root->index];
    item->have = root;
    *source = below;
    if (item->expr == root || !is_field_path(below)) return TH_OK;
    item->have = item->expr;
    return query_expr_substitute(b, item->expr, plan->exprs, source);
}

static bool only_columns(uint32_t count, const th_expr *const *exprs)
{
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i]->kind != TH_X_COLUMN) return false;
    }
    return true;
}

static th_err narrow_project(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    const th_expr **sources = TH_NEW_ARRAY(b->arena, const th_expr *, w->count);
    const th_expr **haves = TH_NEW_ARRAY(b->arena, const th_expr *, w->count);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, w->count);
    if (sources == NULL || haves == NULL || names == NULL) return query_no_memory(b);
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        want *item = &w->items[i];
        TH_TRY(through_project(b, plan, item, &sources[n]));
        for (item->at = 0; item->at < n && !query_expr_equal(haves[item->at], item->have);
             item->at++) {}
        if (item->at < n) continue;
        haves[n] = item->have;
        names[n++] = plan->columns[root_of(item->have)->index].name;
    }
    wants below = {0};
    const th_plan *input;
    const th_expr *const *exprs;
    for (uint32_t i = 0; i < n; i++) TH_TRY(collect(b, &below, sources[i]));
    TH_TRY(narrow(b, plan->inputs[0], &below, &input));
    TH_TRY(rewrite_all(b, &below, n, sources, &exprs));
    if (only_columns(n, exprs)) {
        for (uint32_t i = 0; i < w->count; i++) w->items[i].at = exprs[w->items[i].at]->index;
        *out = input;
        return TH_OK;
    }
    *out = query_plan_project(b, input, n, exprs, names);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static th_err narrow_filter(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    const th_plan *input;
    th_plan *copy = NULL;
    TH_TRY(collect(b, w, plan->predicate));
    TH_TRY(narrow(b, plan->inputs[0], w, &input));
    TH_TRY(copy_node(b, plan, 1, &input, &copy));
    *out = copy;
    return rewrite(b, w, plan->predicate, &copy->predicate);
}

static th_err rewrite_sorts(binder *b, const wants *w, uint32_t count, const th_sort_key *sorts,
                            const th_sort_key **out)
{
    th_sort_key *keys = TH_NEW_ARRAY(b->arena, th_sort_key, count);
    if (keys == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = sorts[i];
        TH_TRY(rewrite(b, w, sorts[i].expr, &keys[i].expr));
    }
    *out = keys;
    return TH_OK;
}

static th_err narrow_sort(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    const th_plan *input;
    th_plan *copy = NULL;
    for (uint32_t i = 0; i < plan->sort_count; i++) TH_TRY(collect(b, w, plan->sorts[i].expr));
    TH_TRY(narrow(b, plan->inputs[0], w, &input));
    TH_TRY(copy_node(b, plan, 1, &input, &copy));
    *out = copy;
    return rewrite_sorts(b, w, plan->sort_count, plan->sorts, &copy->sorts);
}

static th_err collect_call(binder *b, wants *w, const th_agg_call *call)
{
    for (uint32_t i = 0; i < call->arg_count; i++) TH_TRY(collect(b, w, call->args[i]));
    for (uint32_t i = 0; i < call->order_count; i++) TH_TRY(collect(b, w, call->order[i].expr));
    return collect(b, w, call->filter);
}

static th_err rewrite_call(binder *b, const wants *w, const th_agg_call *call, th_agg_call *out)
{
    *out = *call;
    TH_TRY(rewrite_all(b, w, call->arg_count, call->args, &out->args));
    TH_TRY(rewrite_sorts(b, w, call->order_count, call->order, &out->order));
    return rewrite(b, w, call->filter, &out->filter);
}

/* All keys stay, they make the groups; of the aggregates those that are wanted, and one when there is nothing else. */
static th_err narrow_aggregate(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    uint32_t keys = plan->expr_count, n = 0;
    uint32_t *place = TH_NEW_ARRAY(b->arena, uint32_t, plan->aggregate_count);
    bool *used = TH_NEW_ARRAY(b->arena, bool, plan->aggregate_count + 1);
    th_agg_call *calls = TH_NEW_ARRAY(b->arena, th_agg_call, plan->aggregate_count);
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, plan->column_count);
    if (place == NULL || used == NULL || calls == NULL || columns == NULL)
        return query_no_memory(b);
    used[0] = keys == 0;
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t c = root_of(w->items[i].expr)->index;
        if (c >= keys) used[c - keys] = true;
    }
    wants below = {0};
    for (uint32_t i = 0; i < keys; i++) TH_TRY(collect(b, &below, plan->exprs[i]));
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        if (used[i]) TH_TRY(collect_call(b, &below, &plan->aggregates[i]));
    }
    const th_plan *input;
    th_plan *copy = NULL;
    TH_TRY(narrow(b, plan->inputs[0], &below, &input));
    TH_TRY(copy_node(b, plan, 1, &input, &copy));
    TH_TRY(rewrite_all(b, &below, keys, plan->exprs, &copy->exprs));
    for (uint32_t i = 0; i < keys; i++) columns[i] = plan->columns[i];
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        if (!used[i]) continue;
        TH_TRY(rewrite_call(b, &below, &plan->aggregates[i], &calls[n]));
        columns[keys + n] = plan->columns[keys + i];
        place[i] = n++;
    }
    for (uint32_t i = 0; i < w->count; i++) {
        want *item = &w->items[i];
        item->have = root_of(item->expr);
        item->at =
            item->have->index < keys ? item->have->index : keys + place[item->have->index - keys];
    }
    copy->aggregates = calls;
    copy->aggregate_count = n;
    copy->columns = columns;
    copy->column_count = keys + n;
    *out = copy;
    return TH_OK;
}

/* Wants on the left input, and those on the right one with its own numbering; which[i] is the place in its list. */
static th_err split_wants(binder *b, const wants *w, uint32_t left_columns, wants *left,
                          wants *right, uint32_t *which)
{
    for (uint32_t i = 0; i < w->count; i++) {
        const th_expr *e = w->items[i].expr;
        if (root_of(e)->index < left_columns) {
            TH_TRY(add(b, left, e, &which[i]));
        } else {
            TH_TRY(query_expr_shift(b, e, -(int64_t)left_columns, &e));
            TH_TRY(add(b, right, e, &which[i]));
        }
    }
    return TH_OK;
}

static th_err join_wants_back(binder *b, wants *w, uint32_t left_columns, const wants *left,
                              const wants *right, uint32_t new_left, const uint32_t *which)
{
    for (uint32_t i = 0; i < w->count; i++) {
        want *item = &w->items[i];
        bool is_left = root_of(item->expr)->index < left_columns;
        const want *found = is_left ? &left->items[which[i]] : &right->items[which[i]];
        item->at = found->at + (is_left ? 0 : new_left);
        item->have = found->have;
        if (!is_left) TH_TRY(query_expr_shift(b, found->have, left_columns, &item->have));
    }
    return TH_OK;
}

/* Semi joins: the left side's wants, and the mark, which is the column behind them. */
static th_err left_wants(binder *b, const wants *w, uint32_t left_columns, wants *left,
                         uint32_t *which)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (root_of(w->items[i].expr)->index < left_columns)
            TH_TRY(add(b, left, w->items[i].expr, &which[i]));
    }
    return TH_OK;
}

static void left_wants_back(wants *w, uint32_t left_columns, const wants *left, uint32_t new_left,
                            const uint32_t *which)
{
    for (uint32_t i = 0; i < w->count; i++) {
        want *item = &w->items[i];
        bool is_left = root_of(item->expr)->index < left_columns;
        item->at = is_left ? left->items[which[i]].at : new_left;
        item->have = is_left ? left->items[which[i]].have : item->expr;
    }
}

static th_err narrow_join(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    uint32_t n = plan->inputs[0]->column_count;
    bool semi =
        plan->join == TH_JOIN_SEMI || plan->join == TH_JOIN_ANTI || plan->join == TH_JOIN_MARK;
    wants left = {0}, right = {0}, own = {0};
    TH_TRY(collect(b, &own, plan->predicate));
    for (uint32_t i = 0; i < plan->key_count; i++) {
        TH_TRY(collect(b, &left, plan->left_keys[i]));
        TH_TRY(collect(b, &right, plan->right_keys[i]));
    }
    uint32_t *which = TH_NEW_ARRAY(b->arena, uint32_t, w->count + 1);
    uint32_t *which_own = TH_NEW_ARRAY(b->arena, uint32_t, own.count + 1);
    if (which == NULL || which_own == NULL) return query_no_memory(b);
    TH_TRY(split_wants(b, &own, n, &left, &right, which_own));
    TH_TRY(semi ? left_wants(b, w, n, &left, which) : split_wants(b, w, n, &left, &right, which));
    const th_plan *inputs[2];
    th_plan *copy = NULL;
    TH_TRY(narrow(b, plan->inputs[0], &left, &inputs[0]));
    TH_TRY(narrow(b, plan->inputs[1], &right, &inputs[1]));
    TH_TRY(copy_node(b, plan, 2, inputs, &copy));
    const th_plan *shape = query_plan_join(b, plan->join, inputs[0], inputs[1]);
    if (shape == NULL) return query_no_memory(b);
    copy->columns = shape->columns;
    copy->column_count = shape->column_count;
    uint32_t m = inputs[0]->column_count;
    TH_TRY(join_wants_back(b, &own, n, &left, &right, m, which_own));
    if (semi)
        left_wants_back(w, n, &left, m, which);
    else
        TH_TRY(join_wants_back(b, w, n, &left, &right, m, which));
    TH_TRY(rewrite_all(b, &left, plan->key_count, plan->left_keys, &copy->left_keys));
    TH_TRY(rewrite_all(b, &right, plan->key_count, plan->right_keys, &copy->right_keys));
    *out = copy;
    return rewrite(b, &own, plan->predicate, &copy->predicate);
}

/* Every input gives exactly the wants, in their order. */
static th_err narrow_union(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    const th_plan **inputs = TH_NEW_ARRAY(b->arena, const th_plan *, plan->input_count);
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, w->count);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, w->count);
    th_plan *copy = NULL;
    if (inputs == NULL || exprs == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < w->count; i++) {
        exprs[i] = w->items[i].expr;
        names[i] = plan->columns[root_of(exprs[i])->index].name;
    }
    for (uint32_t k = 0; k < plan->input_count; k++) {
        wants below = {0};
        const th_expr *const *above;
        for (uint32_t i = 0; i < w->count; i++) TH_TRY(add(b, &below, exprs[i], NULL));
        TH_TRY(narrow(b, plan->inputs[k], &below, &inputs[k]));
        TH_TRY(rewrite_all(b, &below, w->count, exprs, &above));
        inputs[k] = query_plan_project(b, inputs[k], w->count, above, names);
        if (inputs[k] == NULL) return query_no_memory(b);
    }
    TH_TRY(copy_node(b, plan, plan->input_count, inputs, &copy));
    for (uint32_t i = 0; i < w->count; i++) {
        w->items[i].have = w->items[i].expr;
        w->items[i].at = i;
    }
    *out = copy;
    return TH_OK;
}

static th_err narrow_unnest(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    uint32_t n = plan->inputs[0]->column_count, added = plan->column_count - n;
    wants below = {0}, elements = {0};
    for (uint32_t i = 0; i < plan->expr_count; i++) TH_TRY(collect(b, &below, plan->exprs[i]));
    uint32_t *which = TH_NEW_ARRAY(b->arena, uint32_t, w->count);
    if (which == NULL) return query_no_memory(b);
    TH_TRY(split_wants(b, w, n, &below, &elements, which));
    for (uint32_t i = 0; i < elements.count; i++) {
        elements.items[i].have = root_of(elements.items[i].expr);
        elements.items[i].at = elements.items[i].have->index;
    }
    const th_plan *input;
    th_plan *copy = NULL;
    TH_TRY(narrow(b, plan->inputs[0], &below, &input));
    TH_TRY(copy_node(b, plan, 1, &input, &copy));
    copy->column_count = input->column_count + added;
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, copy->column_count);
    if (columns == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < input->column_count; i++) columns[i] = input->columns[i];
    for (uint32_t i = 0; i < added; i++) columns[input->column_count + i] = plan->columns[n + i];
    copy->columns = columns;
    TH_TRY(join_wants_back(b, w, n, &below, &elements, input->column_count, which));
    *out = copy;
    return rewrite_all(b, &below, plan->expr_count, plan->exprs, &copy->exprs);
}

static th_err collect_window(binder *b, wants *w, const th_window_call *call)
{
    const th_frame_bound *bounds[2] = {&call->start, &call->end};
    for (uint32_t i = 0; i < 2; i++) {
        TH_TRY(collect(b, w, bounds[i]->offset));
        TH_TRY(collect(b, w, bounds[i]->limit));
        TH_TRY(collect(b, w, bounds[i]->key));
    }
    return collect_call(b, w, &call->call);
}

static th_err rewrite_bound(binder *b, const wants *w, th_frame_bound *bound)
{
    TH_TRY(rewrite(b, w, bound->offset, &bound->offset));
    TH_TRY(rewrite(b, w, bound->limit, &bound->limit));
    return rewrite(b, w, bound->key, &bound->key);
}

/* The columns of the new input, then the calls that are wanted. place[i]: column of call i. */
static th_err window_columns(binder *b, const th_plan *plan, const wants *below, const bool *used,
                             th_plan *copy, uint32_t *place)
{
    const th_plan *input = copy->inputs[0];
    uint32_t n = plan->inputs[0]->column_count, count = 0;
    th_window_call *calls = TH_NEW_ARRAY(b->arena, th_window_call, plan->window_count);
    th_plan_column *columns =
        TH_NEW_ARRAY(b->arena, th_plan_column, input->column_count + plan->window_count);
    if (calls == NULL || columns == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < input->column_count; i++) columns[i] = input->columns[i];
    for (uint32_t i = 0; i < plan->window_count; i++) {
        if (!used[i]) continue;
        calls[count] = plan->windows[i];
        TH_TRY(rewrite_call(b, below, &plan->windows[i].call, &calls[count].call));
        TH_TRY(rewrite_bound(b, below, &calls[count].start));
        TH_TRY(rewrite_bound(b, below, &calls[count].end));
        columns[input->column_count + count] = plan->columns[n + i];
        place[i] = input->column_count + count++;
    }
    copy->windows = calls;
    copy->window_count = count;
    copy->columns = columns;
    copy->column_count = input->column_count + count;
    return TH_OK;
}

static th_err narrow_window(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    uint32_t n = plan->inputs[0]->column_count;
    wants below = {0}, calls = {0};
    uint32_t *which = TH_NEW_ARRAY(b->arena, uint32_t, w->count);
    uint32_t *place = TH_NEW_ARRAY(b->arena, uint32_t, plan->window_count);
    bool *used = TH_NEW_ARRAY(b->arena, bool, plan->window_count);
    if (which == NULL || place == NULL || used == NULL) return query_no_memory(b);
    TH_TRY(split_wants(b, w, n, &below, &calls, which));
    for (uint32_t i = 0; i < calls.count; i++) used[root_of(calls.items[i].expr)->index] = true;
    for (uint32_t i = 0; i < plan->expr_count; i++) TH_TRY(collect(b, &below, plan->exprs[i]));
    for (uint32_t i = 0; i < plan->sort_count; i++) TH_TRY(collect(b, &below, plan->sorts[i].expr));
    for (uint32_t i = 0; i < plan->window_count; i++) {
        if (used[i]) TH_TRY(collect_window(b, &below, &plan->windows[i]));
    }
    const th_plan *input;
    th_plan *copy = NULL;
    TH_TRY(narrow(b, plan->inputs[0], &below, &input));
    TH_TRY(copy_node(b, plan, 1, &input, &copy));
    TH_TRY(rewrite_all(b, &below, plan->expr_count, plan->exprs, &copy->exprs));
    TH_TRY(rewrite_sorts(b, &below, plan->sort_count, plan->sorts, &copy->sorts));
    TH_TRY(window_columns(b, plan, &below, used, copy, place));
    for (uint32_t i = 0; i < calls.count; i++) {
        calls.items[i].have = root_of(calls.items[i].expr);
        calls.items[i].at = place[calls.items[i].have->index] - input->column_count;
    }
    *out = copy;
    return join_wants_back(b, w, n, &below, &calls, input->column_count, which);
}

/* Base and step keep all their columns: each row is the step's input. */
static th_err narrow_recursive(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    const th_plan *inputs[2];
    th_plan *copy = NULL;
    for (uint32_t i = 0; i < 2; i++) TH_TRY(query_narrow(b, plan->inputs[i], &inputs[i]));
    TH_TRY(copy_node(b, plan, 2, inputs, &copy));
    for (uint32_t i = 0; i < w->count; i++) {
        w->items[i].have = root_of(w->items[i].expr);
        w->items[i].at = w->items[i].have->index;
    }
    *out = copy;
    return TH_OK;
}

static th_err narrow(binder *b, const th_plan *plan, wants *w, const th_plan **out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, 1, 1);
    th_plan *copy = NULL;
    switch (plan->kind) {
    case TH_P_SCAN: return narrow_scan(b, plan, w, out);
    case TH_P_PROJECT: return narrow_project(b, plan, w, out);
    case TH_P_FILTER: return narrow_filter(b, plan, w, out);
    case TH_P_SORT: return narrow_sort(b, plan, w, out);
    case TH_P_AGGREGATE: return narrow_aggregate(b, plan, w, out);
    case TH_P_JOIN: return narrow_join(b, plan, w, out);
    case TH_P_UNION_ALL: return narrow_union(b, plan, w, out);
    case TH_P_UNNEST: return narrow_unnest(b, plan, w, out);
    case TH_P_WINDOW: return narrow_window(b, plan, w, out);
    case TH_P_RECURSIVE: return narrow_recursive(b, plan, w, out);
    case TH_P_SAMPLE:
    case TH_P_LIMIT: {
        const th_plan *input;
        for (uint32_t i = 0; i < plan->expr_count; i++) TH_TRY(collect(b, w, plan->exprs[i]));
        TH_TRY(narrow(b, plan->inputs[0], w, &input));
        TH_TRY(copy_node(b, plan, 1, &input, &copy));
        *out = copy;
        return rewrite_all(b, w, plan->expr_count, plan->exprs, &copy->exprs);
    }
    default:
        for (uint32_t i = 0; i < w->count; i++) {
            w->items[i].have = root_of(w->items[i].expr);
            w->items[i].at = w->items[i].have->index;
        }
        TH_TRY(copy_node(b, plan, 0, NULL, &copy));
        *out = copy;
        return TH_OK;
    }
}

/* The node was made by narrow and is not shared. */
static th_err rename_columns(binder *b, th_plan *plan, const th_slice *names)
{
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, plan->column_count);
    if (columns == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < plan->column_count; i++) {
        columns[i] = (th_plan_column){names[i], plan->columns[i].type};
    }
    plan->columns = columns;
    return TH_OK;
}

/* The columns of the plan as they were, in names and order. */
th_err query_narrow(binder *b, const th_plan *plan, const th_plan **out)
{
    wants w = {0};
    uint32_t n = plan->column_count;
    const th_expr **columns = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, n);
    if (columns == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        columns[i] = query_expr_column(b, i, plan->columns[i].type, NULL);
        if (columns[i] == NULL) return query_no_memory(b);
        names[i] = plan->columns[i].name;
        TH_TRY(add(b, &w, columns[i], NULL));
    }
    TH_TRY(narrow(b, plan, &w, out));
    bool same = (*out)->column_count == n;
    for (uint32_t i = 0; same && i < n; i++) same = w.items[i].at == i;
    if (same) return rename_columns(b, (th_plan *)(uintptr_t)*out, names);
    const th_expr *const *exprs;
    TH_TRY(rewrite_all(b, &w, n, columns, &exprs));
    *out = query_plan_project(b, *out, n, exprs, names);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}
