/* SPDX-License-Identifier: Apache-2.0
 * information_schema: tables, columns, schemata, views. */
#include "query/listing.h"

static const th_slice catalog_name = {(const uint8_t *)"awsdatacatalog", 14};

th_err query_list_schemas(binder *b, const th_slice **out, uint32_t *count)
{
    const list_relation *relations;
    uint32_t relation_count, n = 0;
    TH_TRY(query_list_relations(b, &relations, &relation_count));
    size_t room =
        (size_t)relation_count + th_catalog_places(b->own) + th_catalog_places(b->shared) + 2;
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, room);
    if (names == NULL) return query_no_memory(b);
    names[n++] = TH_SLICE("default");
    names[n++] = TH_SLICE("information_schema");
    for (int side = 0; side < 2; side++) {
        const th_catalog *catalog = side == 0 ? b->own : b->shared;
        for (uint32_t i = 0; i < th_catalog_places(catalog); i++) {
            const th_definition *d = th_catalog_at(catalog, i);
            if (d != NULL && d->kind == TH_DEFINE_SCHEMA) names[n++] = d->schema;
        }
    }
    for (uint32_t i = 0; i < relation_count; i++) { /* sorted by schema */
        bool again = i > 0 && th_slice_equal(relations[i].schema, relations[i - 1].schema);
        if (!again) names[n++] = relations[i].schema;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool seen = false;
        for (uint32_t k = 0; k < kept && !seen; k++) seen = th_slice_equal(names[k], names[i]);
        if (!seen) names[kept++] = names[i];
    }
    *out = names;
    *count = kept;
    return TH_OK;
}

static th_err list_tables(binder *b, bool views_only, th_plan **out)
{
    static const char *const names[] = {"table_catalog", "table_schema", "table_name",
                                        "table_type"};
    static const char *const view_names[] = {"table_catalog", "table_schema", "table_name",
                                             "view_definition"};
    const list_relation *relations;
    uint32_t count;
    listing l = {.b = b, .width = 4};
    TH_TRY(query_list_relations(b, &relations, &count));
    for (uint32_t i = 0; i < count; i++) {
        const list_relation *r = &relations[i];
        bool view = r->definition != NULL && r->definition->kind == TH_DEFINE_VIEW;
        if (views_only && !view) continue;
        const th_slice row[] = {catalog_name, r->schema, r->name,
                                views_only ? r->definition->text
                                : view     ? TH_SLICE("VIEW")
                                           : TH_SLICE("BASE TABLE")};
        TH_TRY(query_list_row(&l, row));
    }
    return query_list_finish(&l, views_only ? view_names : names, NULL, out);
}

static th_err columns_of(listing *l, const list_relation *r)
{
    binder *b = l->b;
    const list_column *columns;
    uint32_t count;
    th_diag *diag = b->diag, ignored = {0};
    b->diag = &ignored; /* a view that is no longer right has no columns */
    th_err err = query_list_columns(b, r, &columns, &count);
    b->diag = diag;
    if (err == TH_ESQL || err == TH_ESYNTAX || err == TH_EUNSUPPORTED) return TH_OK;
    TH_TRY(err);
    for (uint32_t i = 0; i < count; i++) {
        th_slice type;
        TH_TRY(query_type_text(b, columns[i].type, false, &type));
        bool partition = columns[i].partition, comment = columns[i].comment.size > 0;
        const th_expr *no_text = query_expr_null(b, &th_type_varchar, NULL);
        const th_expr *row[] = {query_expr_text(b, catalog_name, NULL),
                                query_expr_text(b, r->schema, NULL),
                                query_expr_text(b, r->name, NULL),
                                query_expr_text(b, columns[i].name, NULL),
                                query_expr_bigint(b, i + 1, NULL),
                                no_text,
                                query_expr_text(b, TH_SLICE("YES"), NULL),
                                query_expr_text(b, type, NULL),
                                comment ? query_expr_text(b, columns[i].comment, NULL) : no_text,
                                partition ? query_expr_text(b, TH_SLICE("partition key"), NULL)
                                          : no_text};
        TH_TRY(query_list_exprs(l, row));
    }
    return TH_OK;
}

static th_err list_columns(binder *b, th_plan **out)
{
    static const char *const names[] = {
        "table_catalog",  "table_schema", "table_name", "column_name", "ordinal_position",
        "column_default", "is_nullable",  "data_type",  "comment",     "extra_info"};
    static const th_type *const types[] = {
        &th_type_varchar, &th_type_varchar, &th_type_varchar, &th_type_varchar, &th_type_bigint,
        &th_type_varchar, &th_type_varchar, &th_type_varchar, &th_type_varchar, &th_type_varchar};
    const list_relation *relations;
    uint32_t count;
    listing l = {.b = b, .width = 10};
    TH_TRY(query_list_relations(b, &relations, &count));
    for (uint32_t i = 0; i < count; i++) TH_TRY(columns_of(&l, &relations[i]));
    return query_list_finish(&l, names, types, out);
}

static th_err list_schemata(binder *b, th_plan **out)
{
    static const char *const names[] = {"catalog_name", "schema_name"};
    const th_slice *schemas;
    uint32_t count;
    listing l = {.b = b, .width = 2};
    TH_TRY(query_list_schemas(b, &schemas, &count));
    for (uint32_t i = 0; i < count; i++) {
        const th_slice row[] = {catalog_name, schemas[i]};
        TH_TRY(query_list_row(&l, row));
    }
    return query_list_finish(&l, names, NULL, out);
}

th_err query_bind_information_schema(binder *b, th_slice table, bool *found, th_plan **out)
{
    *found = true;
    if (th_slice_equal_nocase(table, TH_SLICE("tables"))) return list_tables(b, false, out);
    if (th_slice_equal_nocase(table, TH_SLICE("views"))) return list_tables(b, true, out);
    if (th_slice_equal_nocase(table, TH_SLICE("columns"))) return list_columns(b, out);
    if (th_slice_equal_nocase(table, TH_SLICE("schemata"))) return list_schemata(b, out);
    *found = false;
    return TH_OK;
}
