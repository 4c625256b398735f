/* SPDX-License-Identifier: Apache-2.0
 * What the engine knows of itself, as rows: information_schema, SHOW and DESCRIBE. Each is a VALUES plan over the
 * tables that the provider lists for this user. */
#include "query/bind.h"
#include "query/fn/signature_text.h"

/* Rows of text under construction. */
typedef struct listing {
    binder *b;
    uint32_t width, rows, capacity;
    const th_expr **cells;
} listing;

static th_err add_row(listing *l, const th_expr *const *cells)
{
    if (l->rows == l->capacity) {
        uint32_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        const th_expr **more =
            TH_NEW_ARRAY(l->b->arena, const th_expr *, (size_t)capacity * l->width);
        if (more == NULL) return query_no_memory(l->b);
        for (size_t i = 0; i < (size_t)l->rows * l->width; i++) more[i] = l->cells[i];
        l->cells = more;
        l->capacity = capacity;
    }
    for (uint32_t i = 0; i < l->width; i++) {
        if (cells[i] == NULL) return query_no_memory(l->b);
        l->cells[(size_t)l->rows * l->width + i] = cells[i];
    }
    l->rows++;
    return TH_OK;
}

static th_err finish(listing *l, const char *const *names, const th_type *const *types,
                     th_plan **out)
{
    th_plan *plan = query_plan_new(l->b, TH_P_VALUES, l->width, 0, NULL);
    if (plan == NULL) return query_no_memory(l->b);
    th_plan_column *columns = (th_plan_column *)(uintptr_t)plan->columns;
    for (uint32_t i = 0; i < l->width; i++) {
        columns[i] =
            (th_plan_column){th_slice_text(names[i]), types == NULL ? &th_type_varchar : types[i]};
    }
    plan->exprs = l->cells;
    plan->expr_count = l->rows * l->width;
    plan->row_count = l->rows;
    *out = plan;
    return TH_OK;
}

static th_err tables_of(binder *b, const th_table *const **tables, uint32_t *count)
{
    *count = 0;
    if (b->provider == NULL) return TH_OK;
    return b->provider->ops->table_list(b->snapshot, b->arena, tables, count, b->diag);
}

static const th_expr *text(binder *b, th_slice s)
{
    return query_expr_text(b, s, NULL);
}

static const th_expr *type_text(binder *b, const th_type *type)
{
    th_buf buf;
    th_buf_init(&buf, 1u << 20);
    th_type_print(&buf, type);
    th_slice copy = th_arena_copy(b->arena, th_buf_slice(&buf));
    th_buf_free(&buf);
    return copy.bytes == NULL ? NULL : text(b, copy);
}

static th_err list_tables(binder *b, th_plan **out)
{
    static const char *const names[] = {"table_catalog", "table_schema", "table_name",
                                        "table_type"};
    const th_table *const *tables;
    uint32_t count;
    listing l = {.b = b, .width = 4};
    TH_TRY(tables_of(b, &tables, &count));
    for (uint32_t i = 0; i < count; i++) {
        const th_expr *row[] = {text(b, TH_SLICE("awsdatacatalog")), text(b, tables[i]->schema),
                                text(b, tables[i]->name), text(b, TH_SLICE("BASE TABLE"))};
        TH_TRY(add_row(&l, row));
    }
    return finish(&l, names, NULL, out);
}

static th_err columns_of(listing *l, const th_table *t)
{
    binder *b = l->b;
    for (uint32_t i = 0, n = 0; i < t->column_count; i++) {
        const th_table_column *c = &t->columns[i];
        if (c->hidden) continue;
        const th_expr *row[] = {text(b, TH_SLICE("awsdatacatalog")),
                                text(b, t->schema),
                                text(b, t->name),
                                text(b, c->name),
                                query_expr_bigint(b, ++n, NULL),
                                query_expr_null(b, &th_type_varchar, NULL),
                                text(b, TH_SLICE("YES")),
                                type_text(b, c->type)};
        TH_TRY(add_row(l, row));
    }
    return TH_OK;
}

static th_err list_columns(binder *b, th_plan **out)
{
    static const char *const names[] = {"table_catalog", "table_schema",     "table_name",
                                        "column_name",   "ordinal_position", "column_default",
                                        "is_nullable",   "data_type"};
    static const th_type *const types[] = {&th_type_varchar, &th_type_varchar, &th_type_varchar,
                                           &th_type_varchar, &th_type_bigint,  &th_type_varchar,
                                           &th_type_varchar, &th_type_varchar};
    const th_table *const *tables;
    uint32_t count;
    listing l = {.b = b, .width = 8};
    TH_TRY(tables_of(b, &tables, &count));
    for (uint32_t i = 0; i < count; i++) TH_TRY(columns_of(&l, tables[i]));
    return finish(&l, names, types, out);
}

/* Each schema that has a table once, and the two that are always there. */
static th_err schema_rows(listing *l, bool with_catalog)
{
    const th_table *const *tables;
    uint32_t count;
    TH_TRY(tables_of(l->b, &tables, &count));
    for (uint32_t i = 0; i < count + 2; i++) {
        th_slice name = i == 0   ? TH_SLICE("default")
                        : i == 1 ? TH_SLICE("information_schema")
                                 : tables[i - 2]->schema;
        bool seen =
            i >= 2 && (th_slice_is(name, "default") || th_slice_is(name, "information_schema"));
        for (uint32_t k = 2; k < i && !seen; k++)
            seen = th_slice_equal(tables[k - 2]->schema, name);
        if (seen) continue;
        const th_expr *both[] = {text(l->b, TH_SLICE("awsdatacatalog")), text(l->b, name)};
        TH_TRY(add_row(l, with_catalog ? both : both + 1));
    }
    return TH_OK;
}

static th_err list_schemata(binder *b, th_plan **out)
{
    static const char *const names[] = {"catalog_name", "schema_name"};
    listing l = {.b = b, .width = 2};
    TH_TRY(schema_rows(&l, true));
    return finish(&l, names, NULL, out);
}

th_err query_bind_information_schema(binder *b, th_slice table, bool *found, th_plan **out)
{
    *found = true;
    if (th_slice_equal_nocase(table, TH_SLICE("tables"))) return list_tables(b, out);
    if (th_slice_equal_nocase(table, TH_SLICE("columns"))) return list_columns(b, out);
    if (th_slice_equal_nocase(table, TH_SLICE("schemata"))) return list_schemata(b, out);
    *found = false;
    return TH_OK;
}

static th_err show_tables(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const names[] = {"tab_name"};
    const th_table *const *tables;
    uint32_t count;
    listing l = {.b = b, .width = 1};
    th_slice schema = s->name.count == 0 ? b->schema : s->name.parts[s->name.count - 1].text;
    TH_TRY(tables_of(b, &tables, &count));
    for (uint32_t i = 0; i < count; i++) {
        if (!th_slice_equal_nocase(tables[i]->schema, schema)) continue;
        const th_expr *row[] = {text(b, tables[i]->name)};
        TH_TRY(add_row(&l, row));
    }
    return finish(&l, names, NULL, out);
}

static th_err show_columns(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const names[] = {"Column", "Type", "Extra", "Comment"};
    const th_table *t;
    TH_TRY(query_find_table(b, &s->name, &t));
    listing l = {.b = b, .width = 4};
    for (uint32_t i = 0; i < t->column_count; i++) {
        const th_table_column *c = &t->columns[i];
        if (c->hidden) continue;
        const th_expr *row[] = {text(b, c->name), type_text(b, c->type),
                                text(b, c->partition ? TH_SLICE("partition key") : TH_SLICE("")),
                                text(b, TH_SLICE(""))};
        TH_TRY(add_row(&l, row));
    }
    return finish(&l, names, NULL, out);
}

/* A signature as people read it, in the statement's arena. */
static const th_expr *signature(binder *b, const char *params, const char *result)
{
    th_buf printed;
    th_buf_init(&printed, 1u << 16);
    if (result != NULL)
        th_signature_result(&printed, result, params);
    else
        th_signature_params(&printed, params);
    th_slice copy = th_arena_copy(b->arena, th_buf_slice(&printed));
    bool ok = th_buf_error(&printed) == TH_OK && (copy.bytes != NULL || printed.size == 0);
    th_buf_free(&printed);
    return ok ? text(b, copy) : NULL;
}

static th_err function_row(listing *l, const char *name, const char *result, const char *args,
                           const char *kind, bool deterministic, const char *help)
{
    binder *b = l->b;
    const th_expr *row[] = {text(b, th_slice_text(name)),
                            signature(b, args, result),
                            signature(b, args, NULL),
                            text(b, th_slice_text(kind)),
                            text(b, deterministic ? TH_SLICE("true") : TH_SLICE("false")),
                            text(b, th_slice_text(help))};
    return add_row(l, row);
}

static th_err show_functions(binder *b, th_plan **out)
{
    static const char *const names[] = {"Function",      "Return Type",   "Argument Types",
                                        "Function Type", "Deterministic", "Description"};
    listing l = {.b = b, .width = 6};
    uint32_t count;
    const th_aggregate *aggregates = th_aggregate_list(&count);
    for (uint32_t i = 0; i < count; i++) {
        const th_aggregate *a = &aggregates[i];
        TH_TRY(function_row(&l, a->name, a->result, a->params, "aggregate", true, a->help));
    }
    const th_function *functions = th_function_list(&count);
    for (uint32_t i = 0; i < count; i++) {
        const th_function *f = &functions[i];
        if ((f->flags & TH_FN_HIDDEN) != 0) continue;
        TH_TRY(function_row(&l, f->name, f->result, f->params, "scalar",
                            (f->flags & TH_FN_VOLATILE) == 0, f->help));
    }
    return finish(&l, names, NULL, out);
}

static th_err show_names(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const schema[] = {"database_name"}, *const catalog[] = {"Catalog"};
    listing l = {.b = b, .width = 1};
    if (s->kind == AST_SHOW_SCHEMAS) {
        TH_TRY(schema_rows(&l, false));
        return finish(&l, schema, NULL, out);
    }
    const th_expr *row[] = {text(b, TH_SLICE("awsdatacatalog"))};
    TH_TRY(add_row(&l, row));
    return finish(&l, catalog, NULL, out);
}

/* SHOW ... LIKE: over the first column. Athena's SHOW TABLES 'a*|b*' is not LIKE's language: * stands for any run. */
static th_err like(binder *b, const ast_statement *s, th_plan **out)
{
    if (!s->has_like) return TH_OK;
    bool star = !s->has_escape && memchr(s->like.bytes, '*', s->like.size) != NULL;
    th_slice pattern = th_arena_copy(b->arena, s->like);
    if (pattern.bytes == NULL) return query_no_memory(b);
    for (size_t i = 0; star && i < pattern.size; i++) {
        if (pattern.bytes[i] == '*') ((uint8_t *)(uintptr_t)pattern.bytes)[i] = '%';
    }
    const th_expr *args[3] = {query_expr_column(b, 0, &th_type_varchar, NULL), text(b, pattern),
                              text(b, s->escape)};
    if (args[0] == NULL || args[1] == NULL || args[2] == NULL) return query_no_memory(b);
    const th_expr *predicate;
    TH_TRY(query_bind_function(b, NULL, "$like", s->has_escape ? 3 : 2, args, &predicate));
    *out = query_plan_filter(b, *out, predicate);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

th_err query_bind_show(binder *b, const ast_statement *s, th_plan **out)
{
    switch (s->kind) {
    case AST_SHOW_TABLES: TH_TRY(show_tables(b, s, out)); break;
    case AST_SHOW_COLUMNS: TH_TRY(show_columns(b, s, out)); break;
    case AST_SHOW_FUNCTIONS: TH_TRY(show_functions(b, out)); break;
    default: TH_TRY(show_names(b, s, out)); break;
    }
    return like(b, s, out);
}
