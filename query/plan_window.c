/* SPDX-License-Identifier: Apache-2.0
 * Plan nodes of window calls. Calls over the same partition and order share a node, which stands above a sort by
 * both, so that it sees one partition after the other. */
#include "query/bind.h"

static bool same_sorts(uint32_t count, const th_sort_key *a, const th_sort_key *b)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].descending != b[i].descending || a[i].nulls_first != b[i].nulls_first ||
            !query_expr_equal(a[i].expr, b[i].expr))
            return false;
    }
    return true;
}

static bool same_node(const bind_window *a, const bind_window *b)
{
    if (a->partition_count != b->partition_count || a->sort_count != b->sort_count) return false;
    for (uint32_t i = 0; i < a->partition_count; i++)
        if (!query_expr_equal(a->partition[i], b->partition[i])) return false;
    return same_sorts(a->sort_count, a->sorts, b->sorts);
}

static th_err sorted_input(binder *b, const bind_window *w, const th_plan *input,
                           const th_plan **out)
{
    uint32_t n = w->partition_count + w->sort_count;
    *out = input;
    if (n == 0) return TH_OK;
    th_plan *sort = query_plan_new(b, TH_P_SORT, 0, 1, &input);
    th_sort_key *keys = TH_NEW_ARRAY(b->arena, th_sort_key, n);
    if (sort == NULL || keys == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < w->partition_count; i++)
        keys[i] = (th_sort_key){.expr = w->partition[i]};
    for (uint32_t i = 0; i < w->sort_count; i++) keys[w->partition_count + i] = w->sorts[i];
    sort->column_count = input->column_count;
    sort->columns = input->columns;
    sort->sorts = keys;
    sort->sort_count = n;
    *out = sort;
    return TH_OK;
}

/* One node with the calls that are like the first one. */
static th_err window_node(binder *b, const bind_windows *all, uint32_t first, bool *done,
                          th_plan **plan, uint32_t *places)
{
    const bind_window *w = &all->items[first];
    uint32_t n = (*plan)->column_count, count = 0;
    const th_plan *input;
    th_window_call *calls = TH_NEW_ARRAY(b->arena, th_window_call, all->count);
    if (calls == NULL) return query_no_memory(b);
    for (uint32_t i = first; i < all->count; i++) {
        if (done[i] || !same_node(w, &all->items[i])) continue;
        done[i] = true;
        places[i] = n + count;
        calls[count++] = all->items[i].call;
    }
    TH_TRY(sorted_input(b, w, *plan, &input));
    th_plan *node = query_plan_new(b, TH_P_WINDOW, n + count, 1, &input);
    if (node == NULL) return query_no_memory(b);
    th_plan_column *columns = (th_plan_column *)(uintptr_t)node->columns;
    for (uint32_t i = 0; i < n; i++) columns[i] = input->columns[i];
    for (uint32_t i = 0; i < count; i++) columns[n + i].type = calls[i].call.type;
    node->exprs = w->partition;
    node->expr_count = w->partition_count;
    node->sorts = w->sorts;
    node->sort_count = w->sort_count;
    node->windows = calls;
    node->window_count = count;
    *plan = node;
    return TH_OK;
}

th_err query_plan_windows(binder *b, const bind_windows *windows, th_plan **plan, uint32_t *places)
{
    bool *done = TH_NEW_ARRAY(b->arena, bool, windows->count);
    if (done == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < windows->count; i++) {
        if (!done[i]) TH_TRY(window_node(b, windows, i, done, plan, places));
    }
    return TH_OK;
}

typedef struct above {
    binder *b;
    const uint32_t *places;
} above;

static th_err map_above(void *ctx, const th_expr *e, const th_expr **out)
{
    const above *a = ctx;
    if (e->kind != TH_X_COLUMN || e->index < BIND_WINDOW_BASE) return TH_OK;
    th_expr *column = query_expr_new(a->b, TH_X_COLUMN, e->type, NULL);
    if (column == NULL) return query_no_memory(a->b);
    column->line = e->line;
    column->column = e->column;
    column->index = a->places[e->index - BIND_WINDOW_BASE];
    *out = column;
    return TH_OK;
}

th_err query_bind_above_windows(binder *b, const th_expr *e, const uint32_t *places,
                                const th_expr **out)
{
    above ctx = {b, places};
    return query_expr_rewrite(b, e, map_above, &ctx, out);
}
