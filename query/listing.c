/* SPDX-License-Identifier: Apache-2.0
 * Rows of text as VALUES, and the relations there are. */
#include "query/listing.h"

#include <stdlib.h>

th_err query_list_exprs(listing *l, const th_expr *const *cells)
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

th_err query_list_row(listing *l, const th_slice *cells)
{
    const th_expr *exprs[16];
    for (uint32_t i = 0; i < l->width; i++) {
        exprs[i] = cells[i].bytes == NULL && cells[i].size == 0
                       ? query_expr_null(l->b, &th_type_varchar, NULL)
                       : query_expr_text(l->b, cells[i], NULL);
    }
    return query_list_exprs(l, exprs);
}

th_err query_list_finish(listing *l, const char *const *names, const th_type *const *types,
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

th_err query_list_lines(binder *b, th_slice text, const char *name, th_plan **out)
{
    listing l = {.b = b, .width = 1};
    while (text.size > 0) {
        const uint8_t *end = memchr(text.bytes, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.bytes);
        th_slice line = size == 0 ? TH_SLICE("") : th_slice_of(text.bytes, size);
        TH_TRY(query_list_row(&l, &line));
        text = th_slice_of(text.bytes + size, text.size - size);
        if (text.size > 0) text = th_slice_of(text.bytes + 1, text.size - 1);
    }
    return query_list_finish(&l, &name, NULL, out);
}

/* ---- relations ---------------------------------------------------------------------------------------------------- */

static int compare_relations(const void *a, const void *b)
{
    const list_relation *x = a, *y = b;
    int order = th_slice_compare(x->schema, y->schema);
    return order != 0 ? order : th_slice_compare(x->name, y->name);
}

static uint32_t add_defined(const th_catalog *catalog, const th_catalog *above, list_relation *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < th_catalog_places(catalog); i++) {
        const th_definition *d = th_catalog_at(catalog, i);
        if (d == NULL || d->kind == TH_DEFINE_SCHEMA || d->kind == TH_DEFINE_PREPARED) continue;
        if (th_catalog_relation(above, d->schema, d->name) != NULL) continue;
        out[n++] = (list_relation){.schema = d->schema, .name = d->name, .definition = d};
    }
    return n;
}

th_err query_list_relations(binder *b, const list_relation **out, uint32_t *count)
{
    const th_table *const *tables = NULL;
    uint32_t built_in = 0, n = 0;
    if (b->provider != NULL)
        TH_TRY(b->provider->ops->table_list(b->snapshot, b->arena, &tables, &built_in, b->diag));
    size_t room = (size_t)built_in + th_catalog_places(b->own) + th_catalog_places(b->shared) +
                  th_catalog_places(b->built_in);
    list_relation *list = TH_NEW_ARRAY(b->arena, list_relation, room + 1);
    if (list == NULL) return query_no_memory(b);
    n += add_defined(b->own, NULL, list);
    n += add_defined(b->shared, b->own, list + n);
    uint32_t users = n;
    n += add_defined(b->built_in, b->own, list + n);
    for (uint32_t i = users; i < n;) {
        if (th_catalog_relation(b->shared, list[i].schema, list[i].name) != NULL)
            list[i] = list[--n];
        else
            i++;
    }
    for (uint32_t i = 0; i < built_in; i++) {
        if (query_definition(b, tables[i]->schema, tables[i]->name) != NULL) continue;
        list[n++] = (list_relation){
            .schema = tables[i]->schema, .name = tables[i]->name, .table = tables[i]};
    }
    qsort(list, n, sizeof *list, compare_relations);
    *out = list;
    *count = n;
    return TH_OK;
}

th_err query_find_relation(binder *b, const ast_path *name, list_relation *out)
{
    th_slice schema = query_schema_of(b, name), last = name->parts[name->count - 1].text;
    const th_definition *d = query_definition(b, schema, last);
    if (d != NULL) {
        *out = (list_relation){.schema = d->schema, .name = d->name, .definition = d};
        return TH_OK;
    }
    const th_table *table;
    TH_TRY(query_find_table(b, name, &table));
    *out = (list_relation){.schema = table->schema, .name = table->name, .table = table};
    return TH_OK;
}

static th_err built_in_columns(binder *b, const th_table *t, list_column *columns, uint32_t *count)
{
    (void)b;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < t->column_count; i++) {
            const th_table_column *c = &t->columns[i];
            if (c->partition != (pass == 1) || (c->hidden && !c->partition)) continue;
            columns[(*count)++] = (list_column){c->name, c->type, TH_SLICE(""), c->partition};
        }
    }
    return TH_OK;
}

th_err query_list_columns(binder *b, const list_relation *r, const list_column **out,
                          uint32_t *count)
{
    const th_plan_column *plain = NULL;
    uint32_t room = 0;
    *count = 0;
    if (r->definition != NULL)
        TH_TRY(query_definition_columns(b, r->definition, &plain, &room));
    else
        room = r->table->column_count;
    list_column *columns = TH_NEW_ARRAY(b->arena, list_column, (size_t)room + 1);
    if (columns == NULL) return query_no_memory(b);
    *out = columns;
    if (r->definition == NULL) return built_in_columns(b, r->table, columns, count);
    bool view = r->definition->kind == TH_DEFINE_VIEW;
    for (uint32_t i = 0; i < room; i++) {
        const th_definition_column *c = view ? NULL : &r->definition->columns[i];
        columns[i] = (list_column){plain[i].name, plain[i].type,
                                   c != NULL && c->comment.size > 0 ? c->comment : TH_SLICE(""),
                                   c != NULL && c->partition};
    }
    *count = room;
    return TH_OK;
}

/* ---- types -------------------------------------------------------------------------------------------------------- */

/* Depth is that of the type. */
static void hive_type(th_buf *out, const th_type *t)
{
    switch (t->kind) {
    case TH_INTEGER: th_buf_add_text(out, "int"); return;
    case TH_REAL: th_buf_add_text(out, "float"); return;
    case TH_VARBINARY: th_buf_add_text(out, "binary"); return;
    case TH_TIMESTAMP: th_buf_add_text(out, "timestamp"); return;
    case TH_ARRAY:
    case TH_MAP:
        th_buf_add_text(out, t->kind == TH_ARRAY ? "array<" : "map<");
        for (uint32_t i = 0; i < t->child_count; i++) {
            if (i > 0) th_buf_add_byte(out, ',');
            hive_type(out, t->children[i]);
        }
        th_buf_add_byte(out, '>');
        return;
    case TH_ROW:
        th_buf_add_text(out, "struct<");
        for (uint32_t i = 0; i < t->child_count; i++) {
            if (i > 0) th_buf_add_byte(out, ',');
            if (t->names != NULL) th_buf_add_slice(out, t->names[i]);
            th_buf_add_byte(out, ':');
            hive_type(out, t->children[i]);
        }
        th_buf_add_byte(out, '>');
        return;
    default:
        if (t->kind == TH_VARCHAR && t->precision == TH_UNBOUNDED)
            th_buf_add_text(out, "string");
        else
            th_type_print(out, t);
    }
}

th_err query_type_text(binder *b, const th_type *type, bool hive, th_slice *out)
{
    th_buf text;
    th_buf_init(&text, 1u << 20);
    if (hive)
        hive_type(&text, type);
    else
        th_type_print(&text, type);
    *out = th_arena_copy(b->arena, th_buf_slice(&text));
    th_err err = th_buf_error(&text);
    th_buf_free(&text);
    return err != TH_OK || out->bytes == NULL ? query_no_memory(b) : TH_OK;
}
