/* SPDX-License-Identifier: Apache-2.0
 * Tables of the provider. A name is [catalog.][schema.]table; the catalogue is not looked at. */
#include "query/bind.h"

th_slice query_schema_of(const binder *b, const ast_path *name)
{
    return name->count > 1 ? name->parts[name->count - 2].text : b->schema;
}

static void try_defined(const th_catalog *catalog, bind_nearest *nearest)
{
    for (uint32_t i = 0; i < th_catalog_places(catalog); i++) {
        const th_definition *d = th_catalog_at(catalog, i);
        if (d != NULL) query_nearest_try(nearest, d->name);
    }
}

static th_err hint_table(binder *b, th_slice name)
{
    const th_table *const *tables;
    uint32_t count;
    bind_nearest nearest = query_nearest_of(name);
    th_diag ignored = {0};
    if (b->provider == NULL) return TH_OK;
    if (b->provider->ops->table_list(b->snapshot, b->arena, &tables, &count, &ignored) != TH_OK)
        return TH_OK;
    for (uint32_t i = 0; i < count; i++) query_nearest_try(&nearest, tables[i]->name);
    try_defined(b->own, &nearest);
    try_defined(b->shared, &nearest);
    if (nearest.best.size > 0)
        th_diag_hint(b->diag, "did you mean '%.*s'?", TH_SLICE_ARGS(nearest.best));
    else
        th_diag_hint(b->diag, "SHOW TABLES lists what there is");
    return TH_OK;
}

th_err query_find_table(binder *b, const ast_path *name, const th_table **out)
{
    const ast_name *last = &name->parts[name->count - 1];
    th_slice schema = query_schema_of(b, name);
    th_err err = TH_ENOTFOUND;
    if (b->provider != NULL && name->count <= 3) {
        err = b->provider->ops->table_find(b->snapshot, schema, last->text, out, b->diag);
    }
    th_slice other = err == TH_ENOTFOUND ? query_alias(b, last->text) : (th_slice){0};
    if (other.size > 0)
        err = b->provider->ops->table_find(b->snapshot, TH_SLICE("default"), other, out, b->diag);
    return err == TH_ENOTFOUND ? query_table_not_found(b, name) : err;
}

th_err query_table_not_found(binder *b, const ast_path *name)
{
    const ast_name *last = &name->parts[name->count - 1];
    th_slice schema = query_schema_of(b, name);
    th_fail_at(b->diag, TH_ESQL, "TABLE_NOT_FOUND", name->parts[0].line, name->parts[0].column,
               "Table 'hive.%.*s.%.*s' does not exist", TH_SLICE_ARGS(schema),
               TH_SLICE_ARGS(last->text));
    TH_TRY(hint_table(b, last->text));
    return TH_ESQL;
}

/* All columns, hidden ones too; what nobody asks for is dropped when the plan is narrowed. */
th_err query_bind_scan(binder *b, const th_table *table, bind_relation *out)
{
    uint32_t n = table->column_count;
    th_plan *plan = query_plan_new(b, TH_P_SCAN, n, 0, NULL);
    th_scan_column *columns = TH_NEW_ARRAY(b->arena, th_scan_column, n);
    bind_field *fields = TH_NEW_ARRAY(b->arena, bind_field, n);
    if (plan == NULL || columns == NULL || fields == NULL) return query_no_memory(b);
    th_plan_column *names = (th_plan_column *)(uintptr_t)plan->columns;
    for (uint32_t i = 0; i < n; i++) {
        const th_table_column *c = &table->columns[i];
        columns[i] = (th_scan_column){.column = i, .type = c->type};
        names[i] = (th_plan_column){c->name, c->type};
        fields[i] = (bind_field){.schema = table->schema,
                                 .relation = table->name,
                                 .name = c->name,
                                 .type = c->type,
                                 .column = i,
                                 .hidden = c->hidden};
    }
    plan->table = table;
    plan->scan_columns = columns;
    *out = (bind_relation){plan, n, fields};
    return TH_OK;
}

static th_err information_schema(binder *b, const ast_path *name, bool *found, bind_relation *out)
{
    th_slice table = name->parts[name->count - 1].text;
    th_plan *plan;
    TH_TRY(query_bind_information_schema(b, table, found, &plan));
    if (!*found) return TH_OK;
    *out = (bind_relation){plan, plan->column_count,
                           TH_NEW_ARRAY(b->arena, bind_field, plan->column_count)};
    if (out->fields == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < out->count; i++) {
        out->fields[i] = (bind_field){.schema = TH_SLICE("information_schema"),
                                      .relation = table,
                                      .name = plan->columns[i].name,
                                      .type = plan->columns[i].type,
                                      .column = i};
    }
    return TH_OK;
}

/* CREATE EXTERNAL TABLE of a table that is built in: the records stay in sight, an empty table would hide them. */
static bool is_built_in(binder *b, const ast_path *name, const th_definition *d)
{
    const th_table *table;
    th_slice last = name->parts[name->count - 1].text;
    return d->kind == TH_DEFINE_MAPPING && b->provider != NULL &&
           b->provider->ops->table_find(b->snapshot, TH_SLICE("default"), last, &table, NULL) ==
               TH_OK;
}

th_err query_bind_table(binder *b, const ast_path *name, bind_relation *out)
{
    if (th_slice_equal_nocase(query_schema_of(b, name), TH_SLICE("information_schema"))) {
        bool found;
        TH_TRY(information_schema(b, name, &found, out));
        if (found) return TH_OK;
    }
    const th_definition *defined =
        query_definition(b, query_schema_of(b, name), name->parts[name->count - 1].text);
    if (defined != NULL && !is_built_in(b, name, defined))
        return query_bind_definition(b, name, defined, out);
    const th_table *table;
    TH_TRY(query_find_table(b, name, &table));
    TH_TRY(query_bind_scan(b, table, out));
    /* The name as it was written stands before columns, also where it is an alias of the table. */
    for (uint32_t i = 0; i < out->count; i++) {
        out->fields[i].relation = name->parts[name->count - 1].text;
        out->fields[i].schema = query_schema_of(b, name);
    }
    return TH_OK;
}
