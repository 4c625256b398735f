/* SPDX-License-Identifier: Apache-2.0
 * Queries: WITH, ORDER BY over results, OFFSET and LIMIT. */
#include "query/bind.h"
#include "query/type/coerce.h"

static th_err row_count(binder *b, const ast_expr *ast, uint64_t *out)
{
    bind_place at = {.b = b, .clause = "LIMIT clause"};
    const th_expr *e;
    TH_TRY(query_bind_expr(&at, ast, &e));
    th_value v = {.null = true};
    if (e->kind == TH_X_CONST && th_type_is_integer(e->type)) th_value_get(e->constant, 0, &v);
    if (v.null || v.i < 0) {
        return th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
                          "A row count must be a number of 0 or more");
    }
    *out = (uint64_t)v.i;
    return TH_OK;
}

static th_plan *limit_node(binder *b, const th_plan *input, bool has_limit, uint64_t limit,
                           uint64_t offset)
{
    th_plan *plan = query_plan_new(b, TH_P_LIMIT, 0, 1, &input);
    if (plan == NULL) return NULL;
    plan->column_count = input->column_count;
    plan->columns = input->columns;
    plan->has_limit = has_limit;
    plan->limit_rows = limit;
    plan->offset_rows = offset;
    return plan;
}

/* The first rows and all that are their equals: those of a rank. */
static th_err with_ties(binder *b, const ast_query *query, const th_plan *input, uint64_t limit,
                        uint64_t offset, th_plan **out)
{
    uint32_t n = input->column_count, place;
    if (input->kind != TH_P_SORT) {
        return th_fail_at(b->diag, TH_ESQL, "MISSING_ORDER_BY", query->limit->line,
                          query->limit->column, "FETCH FIRST WITH TIES clause requires ORDER BY");
    }
    bind_window rank = {.sorts = (th_sort_key *)(uintptr_t)input->sorts,
                        .sort_count = input->sort_count,
                        .call = {.kind = TH_W_RANK, .call = {.type = &th_type_bigint}}};
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, n);
    th_plan *plan =
        offset > 0 ? limit_node(b, input, false, 0, offset) : (th_plan *)(uintptr_t)input;
    if (exprs == NULL || names == NULL || plan == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = query_expr_column(b, i, input->columns[i].type, NULL);
        if (exprs[i] == NULL) return query_no_memory(b);
        names[i] = input->columns[i].name;
    }
    TH_TRY(query_plan_windows(b, &(bind_windows){.count = 1, .items = &rank}, &plan, &place));
    const th_expr *test,
        *pair[2] = {query_expr_column(b, place, &th_type_bigint, NULL),
                    query_expr_bigint(b, limit > INT64_MAX ? INT64_MAX : (int64_t)limit, NULL)};
    if (pair[0] == NULL || pair[1] == NULL) return query_no_memory(b);
    TH_TRY(query_bind_function(b, NULL, "$le", 2, pair, &test));
    plan = query_plan_filter(b, plan, test);
    *out = plan == NULL ? NULL : query_plan_project(b, plan, n, exprs, names);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* A limit straight above a sort is a TOP-N. */
th_err query_bind_limit(binder *b, const ast_query *query, th_plan *input, th_plan **out)
{
    uint64_t offset = 0, limit = 0, top;
    *out = input;
    if (query->offset != NULL) TH_TRY(row_count(b, query->offset, &offset));
    if (query->limit != NULL) TH_TRY(row_count(b, query->limit, &limit));
    if (query->with_ties) return with_ties(b, query, input, limit, offset, out);
    if (query->limit == NULL && offset == 0) return TH_OK;
    bool sorted =
        input->kind == TH_P_SORT && !input->has_limit && query->limit != NULL && limit > 0;
    if (sorted && !__builtin_add_overflow(limit, offset, &top)) {
        input->has_limit = true;
        input->limit_rows = top;
        if (offset == 0) return TH_OK;
    }
    *out = limit_node(b, input, query->limit != NULL, limit, offset);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* ORDER BY over the columns of what came out: set operations, VALUES, TABLE. */
static th_err sort_result(binder *b, const ast_query *query, const bind_outer *outer,
                          th_plan *input, th_plan **out)
{
    *out = input;
    if (query->sort_count == 0) return TH_OK;
    bind_relation result = {input, input->column_count,
                            TH_NEW_ARRAY(b->arena, bind_field, input->column_count)};
    th_sort_key *keys = TH_NEW_ARRAY(b->arena, th_sort_key, query->sort_count);
    th_plan *plan = query_plan_new(b, TH_P_SORT, 0, 1, (const th_plan *const *)&input);
    if (result.fields == NULL || keys == NULL || plan == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < result.count; i++) {
        result.fields[i] = (bind_field){
            .name = input->columns[i].name, .type = input->columns[i].type, .column = i};
    }
    bind_place at = {.b = b, .from = &result, .outer = outer, .clause = "ORDER BY clause"};
    for (uint32_t i = 0; i < query->sort_count; i++) {
        const ast_sort *sort = &query->sorts[i];
        int64_t ordinal;
        if (sort->expr->kind == AST_INTEGER && th_slice_to_i64(sort->expr->text, &ordinal)) {
            if (ordinal < 1 || ordinal > result.count) {
                return th_fail_at(b->diag, TH_ESQL, "INVALID_COLUMN_REFERENCE", sort->expr->line,
                                  sort->expr->column,
                                  "ORDER BY position %lld is not in select list",
                                  (long long)ordinal);
            }
            TH_TRY(
                query_bind_field_expr(b, &result.fields[ordinal - 1], sort->expr, &keys[i].expr));
        } else {
            TH_TRY(query_bind_expr(&at, sort->expr, &keys[i].expr));
        }
        if (!th_type_is_orderable(keys[i].expr->type)) {
            return th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", sort->expr->line,
                              sort->expr->column,
                              "Type is not orderable, and therefore cannot be used in ORDER BY");
        }
        keys[i].descending = sort->descending;
        keys[i].nulls_first = sort->nulls_first;
    }
    plan->column_count = input->column_count;
    plan->columns = input->columns;
    plan->sorts = keys;
    plan->sort_count = query->sort_count;
    *out = plan;
    return TH_OK;
}

/* The cells of one row of VALUES: those of ROW(..) or (..), the fields of a value of row type, or the one value. */
static th_err values_row(const bind_place *at, const ast_expr *ast, uint32_t *count,
                         const th_expr *const **out)
{
    const th_expr **cells, *whole = NULL;
    bool written = ast->kind == AST_ROW;
    if (!written) TH_TRY(query_bind_expr(at, ast, &whole));
    bool fields = !written && whole->type->kind == TH_ROW;
    *count = written ? ast->child_count : fields ? whole->type->child_count : 1;
    cells = TH_NEW_ARRAY(at->b->arena, const th_expr *, *count);
    if (cells == NULL) return query_no_memory(at->b);
    for (uint32_t i = 0; i < *count; i++) {
        if (written) {
            TH_TRY(query_bind_expr(at, ast->children[i], &cells[i]));
        } else if (!fields) {
            cells[i] = whole;
        } else {
            th_expr *e =
                query_expr_children(at->b, TH_X_FIELD, whole->type->children[i], ast, 1, &whole);
            if (e == NULL) return query_no_memory(at->b);
            e->index = i;
            TH_TRY(query_bind_fold(at->b, e, &cells[i]));
        }
    }
    *out = cells;
    return TH_OK;
}

/* One type a column, in place. */
static th_err values_types(binder *b, const ast_body *body, const th_expr **cells, th_plan *plan)
{
    uint32_t rows = body->rows.count, columns = plan->column_count;
    const th_expr **column = TH_NEW_ARRAY(b->arena, const th_expr *, rows);
    th_plan_column *made = (th_plan_column *)(uintptr_t)plan->columns;
    if (column == NULL) return query_no_memory(b);
    for (uint32_t c = 0; c < columns; c++) {
        for (uint32_t r = 0; r < rows; r++) column[r] = cells[(size_t)r * columns + c];
        TH_TRY(
            query_bind_common(b, body->rows.items[0], "Values rows", rows, column, &made[c].type));
        for (uint32_t r = 0; r < rows; r++) cells[(size_t)r * columns + c] = column[r];
        made[c].name = th_slice_text(th_arena_printf(b->arena, "_col%u", c));
    }
    return TH_OK;
}

static th_err bind_values(binder *b, const ast_body *body, const bind_outer *outer, th_plan **out)
{
    bind_place at = {.b = b, .outer = outer, .clause = "VALUES"};
    uint32_t rows = body->rows.count, columns, width;
    const th_expr *const *row;
    TH_TRY(values_row(&at, body->rows.items[0], &columns, &row));
    const th_expr **cells = TH_NEW_ARRAY(b->arena, const th_expr *, (size_t)rows *columns);
    th_plan *plan = query_plan_new(b, TH_P_VALUES, columns, 0, NULL);
    if (cells == NULL || plan == NULL) return query_no_memory(b);
    for (uint32_t r = 0; r < rows; r++) {
        const ast_expr *ast = body->rows.items[r];
        TH_TRY(values_row(&at, ast, &width, &row));
        if (width != columns) {
            return th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
                              "Values rows have mismatched sizes: %u vs %u", columns, width);
        }
        for (uint32_t c = 0; c < columns; c++) cells[(size_t)r * columns + c] = row[c];
    }
    TH_TRY(values_types(b, body, cells, plan));
    plan->exprs = cells;
    plan->expr_count = rows * columns;
    plan->row_count = rows;
    *out = plan;
    return TH_OK;
}

static th_err bind_table_body(binder *b, const ast_body *body, const bind_outer *outer,
                              th_plan **out)
{
    ast_item star = {.line = body->line, .column = body->column};
    ast_relation table = {
        .kind = AST_TABLE, .line = body->line, .column = body->column, .name = body->table};
    ast_body select = {.kind = AST_SELECT,
                       .line = body->line,
                       .column = body->column,
                       .item_count = 1,
                       .items = &star,
                       .from = &table};
    return query_bind_select(b, &select, NULL, outer, out);
}

th_err query_bind_body(binder *b, const ast_body *body, const bind_outer *outer, th_plan **out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, body->line, body->column);
    switch (body->kind) {
    case AST_SELECT: return query_bind_select(b, body, NULL, outer, out);
    case AST_VALUES: return bind_values(b, body, outer, out);
    case AST_TABLE_BODY: return bind_table_body(b, body, outer, out);
    case AST_NESTED: return query_bind_query(b, body->nested, outer, out);
    default: return query_bind_set_operation(b, body, outer, out);
    }
}

static th_err check_with(binder *b, const ast_query *query)
{
    for (uint32_t i = 0; i < query->with_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!th_slice_equal_nocase(query->with[i].name.text, query->with[k].name.text))
                continue;
            return th_fail_at(b->diag, TH_ESQL, "DUPLICATE_NAMED_QUERY", query->with[i].name.line,
                              query->with[i].name.column,
                              "WITH query name '%.*s' specified more than once",
                              TH_SLICE_ARGS(query->with[i].name.text));
        }
    }
    return TH_OK;
}

th_err query_bind_query(binder *b, const ast_query *query, const bind_outer *outer, th_plan **out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, query->line, query->column);
    const bind_cte *before = b->ctes;
    TH_TRY(check_with(b, query));
    for (uint32_t i = 0; i < query->with_count; i++) {
        bind_cte *cte = TH_NEW(b->arena, bind_cte);
        if (cte == NULL) return query_no_memory(b);
        *cte = (bind_cte){&query->with[i], b->ctes, query->recursive, NULL};
        b->ctes = cte;
    }
    th_err err;
    if (query->body->kind == AST_SELECT) {
        err = query_bind_select(b, query->body, query, outer, out);
    } else {
        err = query_bind_body(b, query->body, outer, out);
        if (err == TH_OK) err = sort_result(b, query, outer, *out, out);
        if (err == TH_OK) err = query_bind_limit(b, query, *out, out);
    }
    b->ctes = before;
    return err;
}

th_err query_bind_subplan(const bind_place *at, const ast_query *query, bind_params *params,
                          th_plan **out)
{
    bind_outer outer = {at->from, at->outer, params};
    TH_TRY(query_bind_query(at->b, query, &outer, out));
    return params->count > 0 ? TH_OK : query_optimize(at->b, *out, out);
}
