/* SPDX-License-Identifier: Apache-2.0
 * UNION, INTERSECT, EXCEPT. The last two are an aggregation over a union whose rows say from which side they came. */
#include "query/bind.h"
#include "query/lex.h"
#include "query/type/coerce.h"

static const char *name_of(const ast_body *body)
{
    return body->kind == AST_UNION ? "UNION" : body->kind == AST_INTERSECT ? "INTERSECT" : "EXCEPT";
}

static th_err column_types(binder *b, const ast_body *body, const th_plan *left,
                           const th_plan *right, const th_type **types)
{
    if (left->column_count != right->column_count) {
        return th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", body->line, body->column,
                          "%s query has different number of fields: %u, %u", name_of(body),
                          left->column_count, right->column_count);
    }
    for (uint32_t i = 0; i < left->column_count; i++) {
        types[i] = th_type_common_super(b->arena, left->columns[i].type, right->columns[i].type);
        if (types[i] != NULL) continue;
        th_buf l, r;
        th_buf_init(&l, 1u << 16);
        th_buf_init(&r, 1u << 16);
        th_type_print(&l, left->columns[i].type);
        th_type_print(&r, right->columns[i].type);
        th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", body->line, body->column,
                   "column %u in %s query has incompatible types: %s, %s", i + 1, name_of(body),
                   th_buf_text(&l), th_buf_text(&r));
        th_buf_free(&l);
        th_buf_free(&r);
        return TH_ESQL;
    }
    return TH_OK;
}

/* input's columns in these types; marker 0 adds none, else two counters: 1 for its own side. */
static th_err side(binder *b, const th_plan *input, const th_type *const *types, uint32_t marker,
                   const th_plan **out)
{
    uint32_t n = input->column_count;
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, n + 2);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, n + 2);
    if (exprs == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        const th_expr *column = query_expr_column(b, i, input->columns[i].type, NULL);
        if (column == NULL) return query_no_memory(b);
        TH_TRY(query_bind_cast(b, column, types[i], &exprs[i]));
        names[i] = input->columns[i].name;
    }
    for (uint32_t k = 0; marker != 0 && k < 2; k++) {
        exprs[n + k] = query_expr_bigint(b, k + 1 == marker, NULL);
        if (exprs[n + k] == NULL) return query_no_memory(b);
    }
    *out = query_plan_project(b, input, marker == 0 ? n : n + 2, exprs, names);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static th_err union_of(binder *b, const th_plan *const *sides, th_plan **out)
{
    th_plan *plan = query_plan_new(b, TH_P_UNION_ALL, 0, 2, sides);
    if (plan == NULL) return query_no_memory(b);
    plan->column_count = sides[0]->column_count;
    plan->columns = sides[0]->columns;
    *out = plan;
    return TH_OK;
}

/* sum(counter) of each side by all columns */
static th_err count_sides(binder *b, const th_plan *input, uint32_t n, th_plan **out)
{
    th_plan *plan = query_plan_new(b, TH_P_AGGREGATE, n + 2, 1, &input);
    th_agg_call *calls = TH_NEW_ARRAY(b->arena, th_agg_call, 2);
    const th_expr **keys = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    if (plan == NULL || calls == NULL || keys == NULL) return query_no_memory(b);
    th_plan_column *columns = (th_plan_column *)(uintptr_t)plan->columns;
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = query_expr_column(b, i, input->columns[i].type, NULL);
        if (keys[i] == NULL) return query_no_memory(b);
        columns[i] = input->columns[i];
    }
    for (uint32_t k = 0; k < 2; k++) {
        const th_expr **arg = TH_NEW_ARRAY(b->arena, const th_expr *, 1);
        const th_type *bigint = &th_type_bigint;
        const th_type *const *params;
        if (arg == NULL) return query_no_memory(b);
        arg[0] = query_expr_column(b, n + k, bigint, NULL);
        if (arg[0] == NULL) return query_no_memory(b);
        TH_TRY(th_aggregate_resolve(TH_SLICE("sum"), &bigint, 1, b->arena, &calls[k].aggregate,
                                    &params, &calls[k].type, b->diag));
        calls[k].args = arg;
        calls[k].arg_count = 1;
        columns[n + k].type = calls[k].type;
    }
    plan->exprs = keys;
    plan->expr_count = n;
    plan->aggregates = calls;
    plan->aggregate_count = 2;
    *out = plan;
    return TH_OK;
}

/* left > 0 AND right > 0, or right = 0 */
static th_err side_test(binder *b, const th_plan *counted, uint32_t column, const char *op,
                        const th_expr **out)
{
    const th_expr *pair[2] = {query_expr_column(b, column, counted->columns[column].type, NULL),
                              query_expr_bigint(b, 0, NULL)};
    if (pair[0] == NULL || pair[1] == NULL) return query_no_memory(b);
    return query_bind_function(b, NULL, op, 2, pair, out);
}

static th_err keep_side(binder *b, const ast_body *body, const th_plan *counted, uint32_t n,
                        th_plan **out)
{
    const th_expr *tests[2];
    TH_TRY(side_test(b, counted, n, "$gt", &tests[0]));
    TH_TRY(side_test(b, counted, n + 1, body->kind == AST_INTERSECT ? "$gt" : "$eq", &tests[1]));
    th_expr *both = query_expr_children(b, TH_X_AND, &th_type_boolean, NULL, 2, tests);
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, n);
    if (both == NULL || exprs == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = query_expr_column(b, i, counted->columns[i].type, NULL);
        if (exprs[i] == NULL) return query_no_memory(b);
        names[i] = counted->columns[i].name;
    }
    th_plan *filter = query_plan_filter(b, counted, both);
    *out = filter == NULL ? NULL : query_plan_project(b, filter, n, exprs, names);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* sum(marker of a side) over all rows that are alike */
static th_err side_total(binder *b, uint32_t column, bind_window *out)
{
    const th_expr **arg = TH_NEW_ARRAY(b->arena, const th_expr *, 1);
    const th_type *bigint = &th_type_bigint;
    const th_type *const *params;
    th_agg_call *call = &out->call.call;
    if (arg == NULL) return query_no_memory(b);
    arg[0] = query_expr_column(b, column, bigint, NULL);
    if (arg[0] == NULL) return query_no_memory(b);
    out->call.kind = TH_W_AGGREGATE;
    call->args = arg;
    call->arg_count = 1;
    return th_aggregate_resolve(TH_SLICE("sum"), &bigint, 1, b->arena, &call->aggregate, &params,
                                &call->type, b->diag);
}

/* ALL: of rows that are alike as many as the operation leaves. They are numbered, and both sides' counted. */
static th_err keep_numbered(binder *b, const ast_body *body, uint32_t n, th_plan *plan,
                            th_plan **out)
{
    bind_window calls[3] = {{0}};
    uint32_t places[3];
    const th_expr **keys = TH_NEW_ARRAY(b->arena, const th_expr *, n + 1);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, n + 1);
    if (keys == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = query_expr_column(b, i, plan->columns[i].type, NULL);
        if (keys[i] == NULL) return query_no_memory(b);
        names[i] = plan->columns[i].name;
        if (!th_type_is_orderable(plan->columns[i].type))
            return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", body->line, body->column,
                              "%s ALL of a map is not supported", name_of(body));
    }
    calls[0].call.kind = TH_W_ROW_NUMBER;
    calls[0].call.call.type = &th_type_bigint;
    TH_TRY(side_total(b, n, &calls[1]));
    TH_TRY(side_total(b, n + 1, &calls[2]));
    for (uint32_t i = 0; i < 3; i++) {
        calls[i].partition = keys;
        calls[i].partition_count = n;
        calls[i].call.unit = TH_FRAME_RANGE;
        calls[i].call.end.kind = TH_BOUND_UNBOUNDED_FOLLOWING;
    }
    TH_TRY(query_plan_windows(b, &(bind_windows){.count = 3, .items = calls}, &plan, places));
    const th_expr *parts[3], *pair[2], *test;
    for (uint32_t i = 0; i < 3; i++) {
        parts[i] = query_expr_column(b, places[i], &th_type_bigint, NULL);
        if (parts[i] == NULL) return query_no_memory(b);
    }
    bool intersect = body->kind == AST_INTERSECT;
    TH_TRY(query_bind_function(b, NULL, intersect ? "least" : "$sub", 2, &parts[1], &pair[1]));
    pair[0] = parts[0];
    TH_TRY(query_bind_function(b, NULL, "$le", 2, pair, &test));
    th_plan *filter = query_plan_filter(b, plan, test);
    *out = filter == NULL ? NULL : query_plan_project(b, filter, n, keys, names);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

/* The column of that name; UINT32_MAX: none, and -2 when there are two. */
static uint32_t column_named(const th_plan *plan, th_slice name)
{
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (!th_slice_equal_nocase(plan->columns[i].name, name)) continue;
        if (found != UINT32_MAX) return UINT32_MAX - 1;
        found = i;
    }
    return found;
}

/* CORRESPONDING: the columns that both sides have, in the left one's order. */
static th_err correspond(binder *b, const ast_body *body, th_plan **left, th_plan **right)
{
    uint32_t n = (*left)->column_count, count = 0;
    const th_expr **exprs[2] = {TH_NEW_ARRAY(b->arena, const th_expr *, n),
                                TH_NEW_ARRAY(b->arena, const th_expr *, n)};
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, n);
    if (exprs[0] == NULL || exprs[1] == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) {
        th_slice name = (*left)->columns[i].name;
        uint32_t at = column_named(*right, name);
        if (at == UINT32_MAX) continue;
        if (at == UINT32_MAX - 1 || column_named(*left, name) != i)
            return th_fail_at(b->diag, TH_ESQL, "AMBIGUOUS_NAME", body->line, body->column,
                              "CORRESPONDING: column '%.*s' is ambiguous", TH_SLICE_ARGS(name));
        exprs[0][count] = query_expr_column(b, i, (*left)->columns[i].type, NULL);
        exprs[1][count] = query_expr_column(b, at, (*right)->columns[at].type, NULL);
        if (exprs[0][count] == NULL || exprs[1][count] == NULL) return query_no_memory(b);
        names[count++] = name;
    }
    if (count == 0)
        return th_fail_at(b->diag, TH_ESQL, "COLUMN_NOT_FOUND", body->line, body->column,
                          "No corresponding columns between the sides of %s", name_of(body));
    *left = query_plan_project(b, *left, count, exprs[0], names);
    *right = query_plan_project(b, *right, count, exprs[1], names);
    return *left == NULL || *right == NULL ? query_no_memory(b) : TH_OK;
}

static th_err must_compare(binder *b, const ast_body *body, const th_type *const *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (th_type_is_comparable(types[i])) continue;
        return th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", body->line, body->column,
                          "Type of column %u is not comparable and therefore cannot be used in %s",
                          i + 1, name_of(body));
    }
    return TH_OK;
}

th_err query_bind_set_operation(binder *b, const ast_body *body, const bind_outer *outer,
                                th_plan **out)
{
    TH_TRY(query_bind_count_relation(b, body->line, body->column));
    th_plan *left, *right, *plan = NULL;
    const th_plan *sides[2];
    TH_TRY(query_bind_body(b, body->left, outer, &left));
    TH_TRY(query_bind_body(b, body->right, outer, &right));
    if (body->corresponding) TH_TRY(correspond(b, body, &left, &right));
    const th_type **types = TH_NEW_ARRAY(b->arena, const th_type *, left->column_count);
    if (types == NULL) return query_no_memory(b);
    TH_TRY(column_types(b, body, left, right, types));
    bool mark = body->kind != AST_UNION;
    if (body->distinct || mark) TH_TRY(must_compare(b, body, types, left->column_count));
    TH_TRY(side(b, left, types, mark ? 1 : 0, &sides[0]));
    TH_TRY(side(b, right, types, mark ? 2 : 0, &sides[1]));
    TH_TRY(union_of(b, sides, &plan));
    if (mark && !body->distinct) return keep_numbered(b, body, left->column_count, plan, out);
    if (mark) {
        TH_TRY(count_sides(b, plan, left->column_count, &plan));
        return keep_side(b, body, plan, left->column_count, out);
    }
    *out = body->distinct ? query_plan_distinct(b, plan) : plan;
    return *out == NULL ? query_no_memory(b) : TH_OK;
}
