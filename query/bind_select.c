/* SPDX-License-Identifier: Apache-2.0
 * SELECT: FROM, WHERE, GROUP BY, HAVING, the list itself, DISTINCT and ORDER BY, in that order. */
#include "query/bind.h"
#include "query/type/coerce.h"

typedef struct select_state {
    binder *b;
    const ast_body *body;
    const ast_query *query; /* ORDER BY and LIMIT; may be NULL */
    const bind_outer *outer;
    bind_relation from;
    bind_aggs aggs;
    bind_windows windows;
    uint32_t item_count, item_capacity;
    bind_item *items;
    bind_groups groups;
    const th_expr *having;
    uint32_t sort_count;
    th_sort_key *sorts;
    uint32_t extra; /* items that only ORDER BY needs, behind the others */
} select_state;

static bind_place place_of(select_state *s, const char *clause, bool aggregates)
{
    return (bind_place){.b = s->b,
                        .from = &s->from,
                        .outer = s->outer,
                        .aggs = aggregates ? &s->aggs : NULL,
                        .clause = clause,
                        .select_count = s->body->item_count,
                        .select = s->body->items};
}

static bind_place window_place(select_state *s, const char *clause)
{
    bind_place at = place_of(s, clause, true);
    at.windows = &s->windows;
    return at;
}

static th_err bind_from(select_state *s)
{
    if (s->body->from != NULL) return query_bind_from(s->b, s->body->from, s->outer, &s->from);
    s->from.plan = query_plan_new(s->b, TH_P_SINGLE_ROW, 0, 0, NULL);
    return s->from.plan == NULL ? query_no_memory(s->b) : TH_OK;
}

static th_err bind_where(select_state *s)
{
    if (s->body->where == NULL) return TH_OK;
    bind_place at = place_of(s, "WHERE clause", false);
    const th_expr *predicate;
    TH_TRY(query_bind_boolean(&at, s->body->where, "WHERE clause", &predicate));
    s->from.plan = query_plan_filter(s->b, s->from.plan, predicate);
    return s->from.plan == NULL ? query_no_memory(s->b) : TH_OK;
}

static th_err add_item(select_state *s, const th_expr *expr, th_slice name, bool named)
{
    if (s->item_count == s->item_capacity) {
        uint32_t capacity = s->item_capacity == 0 ? 16 : s->item_capacity * 2;
        bind_item *items = TH_NEW_ARRAY(s->b->arena, bind_item, capacity);
        if (items == NULL) return query_no_memory(s->b);
        for (uint32_t i = 0; i < s->item_count; i++) items[i] = s->items[i];
        s->items = items;
        s->item_capacity = capacity;
    }
    if (name.size == 0) {
        name = th_slice_text(th_arena_printf(s->b->arena, "_col%u", s->item_count));
        if (name.size == 0) return query_no_memory(s->b);
    }
    s->items[s->item_count++] = (bind_item){expr, name, named};
    return TH_OK;
}

static bool star_takes(const ast_item *item, const bind_field *f)
{
    if (f->hidden) return false;
    const ast_expr *of = item->star_of;
    if (of == NULL) return !f->qualified_only;
    if (!th_slice_equal_nocase(of->text, f->relation)) return false;
    if (of->kind == AST_NAME) return true;
    return of->kind == AST_FIELD && th_slice_equal_nocase(of->children[0]->text, f->schema);
}

/* row.* : the fields of a row */
static th_err row_star(select_state *s, const ast_item *item, bool *found)
{
    bind_place at = window_place(s, "SELECT list");
    const th_expr *row;
    th_diag was = s->b->diag == NULL ? (th_diag){0} : *s->b->diag;
    th_err err = query_bind_expr(&at, item->star_of, &row);
    *found = err == TH_OK && row->type->kind == TH_ROW;
    if (!*found) {
        if (s->b->diag != NULL) *s->b->diag = was;
        return err == TH_ELIMIT || err == TH_ENOMEM ? err : TH_OK;
    }
    for (uint32_t i = 0; i < row->type->child_count; i++) {
        th_expr *field =
            query_expr_children(s->b, TH_X_FIELD, row->type->children[i], item->star_of, 1, &row);
        if (field == NULL) return query_no_memory(s->b);
        field->index = i;
        TH_TRY(add_item(s, field, row->type->names[i], row->type->names[i].size > 0));
    }
    return TH_OK;
}

/* t.* of a query around: its columns by their names. */
static th_err outer_star(select_state *s, const ast_item *item, bool *found)
{
    bind_place at = window_place(s, "SELECT list");
    for (const bind_outer *o = s->outer; o != NULL && !*found; o = o->next) {
        for (uint32_t i = 0; i < o->relation->count; i++) {
            const bind_field *f = &o->relation->fields[i];
            const th_expr *e;
            if (!star_takes(item, f)) continue;
            ast_expr name = *item->star_of;
            name.kind = AST_FIELD;
            name.text = f->name;
            name.child_count = 1;
            name.children = TH_NEW_ARRAY(s->b->arena, ast_expr *, 1);
            if (name.children == NULL) return query_no_memory(s->b);
            name.children[0] = item->star_of;
            TH_TRY(query_bind_expr(&at, &name, &e));
            TH_TRY(add_item(s, e, f->name, f->name.size > 0));
            *found = true;
        }
    }
    return TH_OK;
}

static th_err star(select_state *s, const ast_item *item)
{
    uint32_t before = s->item_count;
    ast_expr place = {.line = item->line, .column = item->column};
    for (uint32_t i = 0; i < s->from.count; i++) {
        const bind_field *f = &s->from.fields[i];
        if (!star_takes(item, f)) continue;
        const th_expr *e;
        TH_TRY(query_bind_field_expr(s->b, f, &place, &e));
        TH_TRY(add_item(s, e, f->name, f->name.size > 0));
    }
    bool found = s->item_count > before;
    if (!found && item->star_of != NULL) TH_TRY(outer_star(s, item, &found));
    if (!found && item->star_of != NULL) TH_TRY(row_star(s, item, &found));
    if (found) {
        for (uint32_t i = 0; i < item->alias_count && before + i < s->item_count; i++) {
            s->items[before + i].name = item->aliases[i].text;
            s->items[before + i].named = true;
        }
        return TH_OK;
    }
    if (item->star_of == NULL) {
        return th_fail_at(s->b->diag, TH_ESQL, "COLUMN_NOT_FOUND", item->line, item->column,
                          "SELECT * not allowed in queries without FROM clause");
    }
    return th_fail_at(s->b->diag, TH_ESQL, "TABLE_NOT_FOUND", item->line, item->column,
                      "Unable to resolve reference %.*s", TH_SLICE_ARGS(item->star_of->source));
}

/* A column keeps its name; a field of a row its field name. */
static th_slice natural_name(const select_state *s, const ast_expr *ast, const th_expr *e)
{
    if (ast->kind == AST_FIELD && e->kind == TH_X_FIELD) return ast->text;
    if (ast->kind == AST_FIELD && e->kind == TH_X_CALL) return ast->text;
    if ((ast->kind != AST_NAME && ast->kind != AST_FIELD)) return (th_slice){0};
    for (uint32_t i = 0; i < s->from.count; i++) {
        const bind_field *f = &s->from.fields[i];
        if (th_slice_equal_nocase(f->name, ast->text)) return f->name;
    }
    return ast->text;
}

static th_err bind_items(select_state *s)
{
    bind_place at = window_place(s, "SELECT list");
    at.select_count = 0;
    for (uint32_t i = 0; i < s->body->item_count; i++) {
        const ast_item *item = &s->body->items[i];
        if (item->expr == NULL) {
            TH_TRY(star(s, item));
            continue;
        }
        const th_expr *e;
        TH_TRY(query_bind_expr(&at, item->expr, &e));
        th_slice name = item->alias.text;
        if (name.size == 0) name = natural_name(s, item->expr, e);
        TH_TRY(add_item(s, e, name, name.size > 0));
    }
    return TH_OK;
}

static th_err bind_keys(select_state *s)
{
    bind_place at = place_of(s, "GROUP BY clause", false);
    return query_bind_groups(&at, s->body, s->item_count, s->items, &s->groups);
}

static th_err bind_having(select_state *s)
{
    if (s->body->having == NULL) return TH_OK;
    bind_place at = place_of(s, "HAVING clause", true);
    return query_bind_boolean(&at, s->body->having, "HAVING clause", &s->having);
}

static th_err sort_ordinal(select_state *s, const ast_expr *ast, uint32_t *out)
{
    int64_t n = 0;
    if (!th_slice_to_i64(ast->text, &n) || n < 1 || n > s->item_count - s->extra) {
        return th_fail_at(s->b->diag, TH_ESQL, "INVALID_COLUMN_REFERENCE", ast->line, ast->column,
                          "ORDER BY position %.*s is not in select list", TH_SLICE_ARGS(ast->text));
    }
    *out = (uint32_t)n - 1;
    return TH_OK;
}

/* In an expression of ORDER BY a plain name means the result's column, which is none of FROM's. */
static bool reads_result(const select_state *s, const ast_expr *ast)
{
    if (ast->kind == AST_NAME) {
        for (uint32_t i = 0; i < s->item_count - s->extra; i++) {
            if (s->items[i].named && th_slice_equal_nocase(s->items[i].name, ast->text))
                return true;
        }
    }
    for (uint32_t i = 0; i < ast->child_count; i++) {
        if (reads_result(s, ast->children[i])) return true;
    }
    return false;
}

/* The item that ORDER BY sorts by: one that is there, or a further one. */
static th_err sort_item(select_state *s, const ast_expr *ast, uint32_t *out)
{
    if (ast->kind == AST_INTEGER) return sort_ordinal(s, ast, out);
    bind_place at = window_place(s, "ORDER BY clause");
    at.items = s->items;
    at.item_count = s->item_count - s->extra;
    at.select_count = 0;
    const th_expr *e;
    TH_TRY(query_bind_expr(&at, ast, &e));
    bool other = s->body->distinct && ast->kind != AST_NAME && reads_result(s, ast);
    for (*out = 0; !other && *out < s->item_count; (*out)++) {
        if (query_expr_equal(s->items[*out].expr, e)) return TH_OK;
    }
    if (s->body->distinct) {
        return th_fail_at(s->b->diag, TH_ESQL, "EXPRESSION_NOT_IN_DISTINCT", ast->line, ast->column,
                          "For SELECT DISTINCT, ORDER BY expressions must appear in select list");
    }
    s->extra++;
    return add_item(s, e, TH_SLICE("_sort"), false);
}

static th_err bind_sorts(select_state *s)
{
    if (s->query == NULL || s->query->sort_count == 0) return TH_OK;
    s->sort_count = s->query->sort_count;
    s->sorts = TH_NEW_ARRAY(s->b->arena, th_sort_key, s->sort_count);
    if (s->sorts == NULL) return query_no_memory(s->b);
    for (uint32_t i = 0; i < s->sort_count; i++) {
        const ast_sort *sort = &s->query->sorts[i];
        uint32_t index = 0;
        TH_TRY(sort_item(s, sort->expr, &index));
        const th_type *type = s->items[index].expr->type;
        if (!th_type_is_orderable(type)) {
            return th_fail_at(s->b->diag, TH_ESQL, "TYPE_MISMATCH", sort->expr->line,
                              sort->expr->column,
                              "Type is not orderable, and therefore cannot be used in ORDER BY");
        }
        s->sorts[i] = (th_sort_key){query_expr_column(s->b, index, type, sort->expr),
                                    sort->descending, sort->nulls_first};
        if (s->sorts[i].expr == NULL) return query_no_memory(s->b);
    }
    return TH_OK;
}

static th_err sorts_above(select_state *s, const bind_relation *below, uint32_t count,
                          th_sort_key *sorts)
{
    for (uint32_t i = 0; i < count; i++) {
        TH_TRY(
            query_bind_above_agg(s->b, below, &s->groups, &s->aggs, sorts[i].expr, &sorts[i].expr));
    }
    return TH_OK;
}

static th_err exprs_above(select_state *s, const bind_relation *below, uint32_t count,
                          const th_expr **exprs)
{
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i] == NULL) continue;
        TH_TRY(query_bind_above_agg(s->b, below, &s->groups, &s->aggs, exprs[i], &exprs[i]));
    }
    return TH_OK;
}

/* The window calls over the output of the aggregation. */
static th_err windows_above(select_state *s, const bind_relation *below)
{
    for (uint32_t i = 0; i < s->windows.count; i++) {
        bind_window *w = &s->windows.items[i];
        th_agg_call *call = &w->call.call;
        th_frame_bound *start = &w->call.start, *end = &w->call.end;
        TH_TRY(exprs_above(s, below, w->partition_count, w->partition));
        TH_TRY(sorts_above(s, below, w->sort_count, w->sorts));
        TH_TRY(exprs_above(s, below, call->arg_count, (const th_expr **)(uintptr_t)call->args));
        TH_TRY(sorts_above(s, below, call->order_count, (th_sort_key *)(uintptr_t)call->order));
        TH_TRY(exprs_above(s, below, 1, &call->filter));
        const th_expr *bounds[6] = {start->offset, start->limit, start->key,
                                    end->offset,   end->limit,   end->key};
        TH_TRY(exprs_above(s, below, 6, bounds));
        *start = (th_frame_bound){start->kind, bounds[0], bounds[1], bounds[2]};
        *end = (th_frame_bound){end->kind, bounds[3], bounds[4], bounds[5]};
    }
    return TH_OK;
}

/* Window functions see the groups that HAVING left. */
static th_err windows(select_state *s)
{
    if (s->windows.count == 0) return TH_OK;
    uint32_t *places = TH_NEW_ARRAY(s->b->arena, uint32_t, s->windows.count);
    if (places == NULL) return query_no_memory(s->b);
    TH_TRY(query_plan_windows(s->b, &s->windows, &s->from.plan, places));
    for (uint32_t i = 0; i < s->item_count; i++)
        TH_TRY(query_bind_above_windows(s->b, s->items[i].expr, places, &s->items[i].expr));
    return TH_OK;
}

static th_err aggregate(select_state *s)
{
    bool grouped = s->body->group_count > 0 || s->aggs.count > 0 || s->aggs.grouping_count > 0 ||
                   s->body->having != NULL;
    if (!grouped) return TH_OK;
    bind_relation below = s->from;
    TH_TRY(query_plan_groups(s->b, &s->groups, &s->aggs, &s->from.plan));
    for (uint32_t i = 0; i < s->item_count; i++) {
        TH_TRY(query_bind_above_agg(s->b, &below, &s->groups, &s->aggs, s->items[i].expr,
                                    &s->items[i].expr));
    }
    TH_TRY(windows_above(s, &below));
    if (s->having == NULL) return TH_OK;
    TH_TRY(query_bind_above_agg(s->b, &below, &s->groups, &s->aggs, s->having, &s->having));
    s->from.plan = query_plan_filter(s->b, s->from.plan, s->having);
    return s->from.plan == NULL ? query_no_memory(s->b) : TH_OK;
}

static th_err project_items(select_state *s, th_plan **out)
{
    const th_expr **exprs = TH_NEW_ARRAY(s->b->arena, const th_expr *, s->item_count);
    th_slice *names = TH_NEW_ARRAY(s->b->arena, th_slice, s->item_count);
    if (exprs == NULL || names == NULL) return query_no_memory(s->b);
    for (uint32_t i = 0; i < s->item_count; i++) {
        exprs[i] = s->items[i].expr;
        names[i] = s->items[i].name;
    }
    *out = query_plan_project(s->b, s->from.plan, s->item_count, exprs, names);
    return *out == NULL ? query_no_memory(s->b) : TH_OK;
}

static th_err distinct(select_state *s, th_plan **plan)
{
    if (!s->body->distinct) return TH_OK;
    for (uint32_t i = 0; i < s->item_count; i++) {
        if (th_type_is_comparable(s->items[i].expr->type)) continue;
        return th_fail_at(s->b->diag, TH_ESQL, "TYPE_MISMATCH", s->body->line, s->body->column,
                          "DISTINCT can only be applied to comparable types: column %u is not",
                          i + 1);
    }
    *plan = query_plan_distinct(s->b, *plan);
    return *plan == NULL ? query_no_memory(s->b) : TH_OK;
}

static th_err sort_node(select_state *s, th_plan **plan)
{
    if (s->sort_count == 0) return TH_OK;
    const th_plan *input = *plan;
    th_plan *sort = query_plan_new(s->b, TH_P_SORT, 0, 1, &input);
    if (sort == NULL) return query_no_memory(s->b);
    sort->column_count = input->column_count;
    sort->columns = input->columns;
    sort->sorts = s->sorts;
    sort->sort_count = s->sort_count;
    *plan = sort;
    return TH_OK;
}

/* Take away the columns that only ORDER BY needed. */
static th_err drop_extra(select_state *s, th_plan **plan)
{
    if (s->extra == 0) return TH_OK;
    uint32_t n = s->item_count - s->extra;
    const th_expr **exprs = TH_NEW_ARRAY(s->b->arena, const th_expr *, n);
    th_slice *names = TH_NEW_ARRAY(s->b->arena, th_slice, n);
    if (exprs == NULL || names == NULL) return query_no_memory(s->b);
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = query_expr_column(s->b, i, s->items[i].expr->type, NULL);
        if (exprs[i] == NULL) return query_no_memory(s->b);
        names[i] = s->items[i].name;
    }
    *plan = query_plan_project(s->b, *plan, n, exprs, names);
    return *plan == NULL ? query_no_memory(s->b) : TH_OK;
}

th_err query_bind_select(binder *b, const ast_body *body, const ast_query *query,
                         const bind_outer *outer, th_plan **out)
{
    select_state s = {
        .b = b, .body = body, .query = query, .outer = outer, .windows = {.body = body}};
    TH_TRY(bind_from(&s));
    TH_TRY(bind_where(&s));
    TH_TRY(bind_items(&s));
    TH_TRY(bind_keys(&s));
    TH_TRY(bind_having(&s));
    TH_TRY(bind_sorts(&s));
    TH_TRY(aggregate(&s));
    TH_TRY(windows(&s));
    TH_TRY(project_items(&s, out));
    TH_TRY(distinct(&s, out));
    TH_TRY(sort_node(&s, out));
    if (query != NULL) TH_TRY(query_bind_limit(b, query, *out, out));
    return drop_extra(&s, out);
}
