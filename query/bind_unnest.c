/* SPDX-License-Identifier: Apache-2.0
 * UNNEST. An array of rows gives one column of row type when one name is given for it (as Athena does), one column for
 * each field when as many names are given, and its fields by their own names when none is given. */
#include "query/bind.h"

typedef struct unnest_shape {
    uint32_t plain, expanded; /* columns that the expressions give: a row whole, or its fields */
} unnest_shape;

static bool is_row_array(const th_type *t)
{
    return t->kind == TH_ARRAY && t->children[0]->kind == TH_ROW;
}

static th_err bind_exprs(binder *b, const bind_relation *left, const ast_relation *ast,
                         const bind_outer *outer, const th_expr **exprs, unnest_shape *shape)
{
    bind_place at = {.b = b, .from = left, .outer = outer, .clause = "UNNEST"};
    for (uint32_t i = 0; i < ast->exprs.count; i++) {
        const ast_expr *e = ast->exprs.items[i];
        TH_TRY(query_bind_expr(&at, e, &exprs[i]));
        const th_type *t = exprs[i]->type;
        if (t->kind != TH_ARRAY && t->kind != TH_MAP) {
            th_buf name;
            th_buf_init(&name, 1u << 16);
            th_type_print(&name, t);
            th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH", e->line, e->column,
                       "Cannot unnest type: %s", th_buf_text(&name));
            th_buf_free(&name);
            return TH_ESQL;
        }
        shape->plain += t->kind == TH_MAP ? 2 : 1;
        shape->expanded += t->kind == TH_MAP ? 2
                           : is_row_array(t) ? t->children[0]->child_count
                                             : 1;
    }
    return TH_OK;
}

static th_err node(binder *b, const bind_relation *left, const ast_relation *ast,
                   const th_expr *const *exprs, uint32_t added, th_plan **out)
{
    const th_plan *input = left->plan;
    uint32_t n = input->column_count + added;
    th_plan *plan = query_plan_new(b, TH_P_UNNEST, n, 1, &input);
    if (plan == NULL) return query_no_memory(b);
    th_plan_column *columns = (th_plan_column *)(uintptr_t)plan->columns;
    uint32_t at = 0;
    for (; at < input->column_count; at++) columns[at] = input->columns[at];
    for (uint32_t i = 0; i < ast->exprs.count; i++) {
        const th_type *t = exprs[i]->type;
        for (uint32_t k = 0; k < t->child_count; k++) columns[at++].type = t->children[k];
    }
    if (ast->ordinality) columns[at++].type = &th_type_bigint;
    plan->exprs = exprs;
    plan->expr_count = ast->exprs.count;
    plan->with_ordinality = ast->ordinality;
    *out = plan;
    return TH_OK;
}

static uint32_t add_row_fields(bind_field *fields, uint32_t n, const th_type *row, uint32_t column)
{
    for (uint32_t k = 0; k < row->child_count; k++) {
        fields[n++] = (bind_field){
            .name = row->names[k], .type = row->children[k], .column = column, .row_field = k + 1};
    }
    return n;
}

static th_err fields_of(binder *b, const bind_relation *left, const ast_relation *ast,
                        const th_plan *plan, bool expand, uint32_t count, bind_relation *out)
{
    out->fields = TH_NEW_ARRAY(b->arena, bind_field, left->count + count);
    if (out->fields == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < left->count; i++) out->fields[i] = left->fields[i];
    uint32_t n = left->count;
    for (uint32_t c = left->plan->column_count; c < plan->column_count; c++) {
        const th_type *t = plan->columns[c].type;
        if (expand && t->kind == TH_ROW)
            n = add_row_fields(out->fields, n, t, c);
        else
            out->fields[n++] = (bind_field){.type = t, .column = c};
    }
    for (uint32_t i = left->count; i < n; i++) {
        out->fields[i].relation = ast->alias.text;
        if (ast->alias_count > 0) out->fields[i].name = ast->aliases[i - left->count].text;
    }
    out->count = n;
    return TH_OK;
}

/* A map's value may be a row too: only rows out of arrays expand, so look at the expressions. */
static bool expands_cleanly(const th_expr *const *exprs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const th_type *t = exprs[i]->type;
        if (t->kind == TH_MAP && (t->children[0]->kind == TH_ROW || t->children[1]->kind == TH_ROW))
            return false;
    }
    return true;
}

th_err query_bind_unnest(binder *b, const bind_relation *left, const ast_relation *ast,
                         const bind_outer *outer, bool keep_left, bind_relation *out)
{
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, ast->exprs.count);
    if (exprs == NULL) return query_no_memory(b);
    unnest_shape shape = {0};
    TH_TRY(bind_exprs(b, left, ast, outer, exprs, &shape));
    uint32_t plain = shape.plain + ast->ordinality, expanded = shape.expanded + ast->ordinality;
    bool expand = ast->alias_count == 0 ? true : ast->alias_count != plain;
    if (!expands_cleanly(exprs, ast->exprs.count)) expand = false;
    uint32_t count = expand ? expanded : plain;
    if (ast->alias_count > 0 && ast->alias_count != count) {
        return th_fail_at(b->diag, TH_ESQL, "MISMATCHED_COLUMN_ALIASES", ast->alias.line,
                          ast->alias.column,
                          "Column alias list has %u entries but '%.*s' has %u columns available",
                          ast->alias_count, TH_SLICE_ARGS(ast->alias.text), plain);
    }
    th_plan *plan = NULL;
    TH_TRY(node(b, left, ast, exprs, plain, &plan));
    plan->outer_unnest = keep_left;
    out->plan = plan;
    return fields_of(b, left, ast, plan, expand, count, out);
}
