/* SPDX-License-Identifier: Apache-2.0
 * What users have defined, as relations: a view is its query with the columns renamed; a table of our own is a scan with
 * its values brought back to their declared types. */
#include "query/bind.h"
#include "query/parse.h"

const th_type *th_storage_type(const th_type *t)
{
    switch (t->kind) {
    case TH_BOOLEAN:
    case TH_TINYINT:
    case TH_SMALLINT:
    case TH_INTEGER:
    case TH_BIGINT:
    case TH_REAL:
    case TH_DOUBLE: return t;
    case TH_UNKNOWN:
    case TH_FUNCTION:
    case TH_INTERVAL_YEAR_MONTH:
    case TH_INTERVAL_DAY_SECOND: return NULL;
    default: return &th_type_varchar;
    }
}

static bool is_json_stored(const th_type *t)
{
    return t->kind == TH_JSON || t->kind == TH_ARRAY || t->kind == TH_MAP || t->kind == TH_ROW;
}

th_err query_to_storage(binder *b, const th_expr *e, const th_expr **out)
{
    *out = e;
    if (e->type->kind == TH_VARBINARY) return query_bind_function(b, NULL, "to_hex", 1, &e, out);
    if (is_json_stored(e->type)) {
        TH_TRY(query_bind_cast(b, e, &th_type_json, &e));
        return query_bind_function(b, NULL, "json_format", 1, &e, out);
    }
    return query_bind_cast(b, e, th_storage_type(e->type), out);
}

th_err query_from_storage(binder *b, const th_expr *e, const th_type *type, const th_expr **out)
{
    if (type->kind == TH_VARBINARY) return query_bind_function(b, NULL, "from_hex", 1, &e, out);
    if (is_json_stored(type)) TH_TRY(query_bind_function(b, NULL, "json_parse", 1, &e, &e));
    return query_bind_cast(b, e, type, out);
}

th_slice query_alias(const binder *b, th_slice name)
{
    if (b->provider == NULL || b->provider->ops->alias == NULL) return (th_slice){0};
    return b->provider->ops->alias((th_provider *)(uintptr_t)b->provider, name);
}

const th_definition *query_definition(const binder *b, th_slice schema, th_slice name)
{
    if (b->view != NULL && th_slice_equal_nocase(b->view->name, name) &&
        th_slice_equal_nocase(b->view->schema, schema))
        return NULL;
    const th_definition *d = th_catalog_relation(b->own, schema, name);
    if (d == NULL) d = th_catalog_relation(b->shared, schema, name);
    if (d == NULL) d = th_catalog_relation(b->built_in, schema, name);
    th_slice other = d == NULL ? query_alias(b, name) : (th_slice){0};
    return other.size == 0 ? d : th_catalog_relation(b->built_in, TH_SLICE("default"), other);
}

th_err query_define_table(binder *b, const th_definition *d, const th_table **out)
{
    const th_provider_ops *ops = b->provider->ops;
    if (ops->table_define != NULL) return ops->table_define(b->snapshot, d, b->arena, out, b->diag);
    return th_fail(b->diag, TH_EUNSUPPORTED, NULL, "Tables cannot be defined here");
}

/* ---- views -------------------------------------------------------------------------------------------------------- */

static th_err fields_of_plan(binder *b, const ast_path *name, th_plan *plan, bind_relation *out)
{
    *out = (bind_relation){plan, plan->column_count,
                           TH_NEW_ARRAY(b->arena, bind_field, plan->column_count)};
    if (out->fields == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < out->count; i++) {
        out->fields[i] = (bind_field){.schema = query_schema_of(b, name),
                                      .relation = name->parts[name->count - 1].text,
                                      .name = plan->columns[i].name,
                                      .type = plan->columns[i].type,
                                      .column = i};
    }
    return TH_OK;
}

static bool has_call(const ast_expr *e)
{
    if (e == NULL) return false;
    if (e->kind == AST_CALL || e->kind == AST_SUBQUERY) return true;
    for (uint32_t i = 0; i < e->child_count; i++)
        if (has_call(e->children[i])) return true;
    return false;
}

/* SELECT *[, ...] FROM one table, row by row: what that table hides can be seen through it. */
static bool is_transparent(const ast_query *q)
{
    const ast_body *body = q->body;
    if (body->kind != AST_SELECT || body->distinct || body->group_count > 0 ||
        body->having != NULL || body->from == NULL || body->from->kind != AST_TABLE ||
        body->from->alias_count > 0 || q->sort_count > 0)
        return false;
    bool star = false;
    for (uint32_t i = 0; i < body->item_count; i++) {
        if (body->items[i].expr == NULL && body->items[i].star_of == NULL) star = true;
        if (has_call(body->items[i].expr)) return false; /* may be an aggregate */
    }
    return star;
}

/* The hidden columns of the table in FROM as further items; *hidden of them. */
static th_err add_hidden(binder *b, ast_query *q, uint32_t *hidden)
{
    ast_body *body = q->body;
    bind_relation from;
    *hidden = 0;
    if (!is_transparent(q) || q->with_count > 0) return TH_OK;
    TH_TRY(query_bind_from(b, body->from, NULL, &from));
    for (uint32_t i = 0; i < from.count; i++) *hidden += from.fields[i].hidden;
    ast_item *items = TH_NEW_ARRAY(b->arena, ast_item, (size_t)body->item_count + *hidden);
    if (items == NULL) return query_no_memory(b);
    memcpy(items, body->items, body->item_count * sizeof *items);
    for (uint32_t i = 0, n = body->item_count; i < from.count; i++) {
        if (!from.fields[i].hidden) continue;
        ast_expr *column = TH_NEW(b->arena, ast_expr);
        if (column == NULL) return query_no_memory(b);
        *column = (ast_expr){.kind = AST_NAME,
                             .text = from.fields[i].name,
                             .quoted = true,
                             .line = body->line,
                             .column = body->column,
                             .start_line = body->line,
                             .start_column = body->column,
                             .depth = 1};
        items[n++].expr = column;
    }
    body->items = items;
    body->item_count += *hidden;
    return TH_OK;
}

static th_err bind_query_text(binder *b, const th_definition *d, th_plan **plan, uint32_t *hidden)
{
    ast_statement *s;
    TH_TRY(query_parse(d->text, b->arena, &s, b->diag));
    if (s->kind != AST_QUERY) return th_fail(b->diag, TH_ESQL, NULL, "The view is not a query");
    if (s->param_count > 0) return th_fail(b->diag, TH_ESQL, NULL, "A view cannot have parameters");
    TH_TRY(add_hidden(b, s->query, hidden));
    return query_bind_query(b, s->query, NULL, plan);
}

/* With the names, the schema and the diagnosis of the view's own text. */
static th_err bind_inside(binder *b, const th_definition *d, th_plan **plan, uint32_t *hidden,
                          th_diag *why)
{
    binder before = *b;
    b->ctes = NULL;
    b->schema = d->in_schema.size > 0 ? d->in_schema : TH_SLICE("default");
    b->diag = why;
    b->params = NULL;
    b->param_count = 0;
    b->view_depth++;
    b->view = d;
    th_err err = bind_query_text(b, d, plan, hidden);
    b->ctes = before.ctes;
    b->schema = before.schema;
    b->diag = before.diag;
    b->params = before.params;
    b->param_count = before.param_count;
    b->view_depth--;
    b->view = before.view;
    return err;
}

static th_err bind_view(binder *b, const ast_path *name, const th_definition *d, bind_relation *out)
{
    const ast_name *place = &name->parts[0];
    if (b->view_depth >= QUERY_VIEW_DEPTH_MAX || stack_guard_full(&b->stack)) {
        return th_fail_at(b->diag, TH_ESQL, "VIEW_IS_RECURSIVE", place->line, place->column,
                          "View '%.*s.%.*s' is recursive or stands on too many views",
                          TH_SLICE_ARGS(d->schema), TH_SLICE_ARGS(d->name));
    }
    TH_TRY(query_bind_count_relation(b, place->line, place->column));
    th_diag why = {0};
    th_plan *plan;
    uint32_t hidden = 0;
    th_err err = bind_inside(b, d, &plan, &hidden, &why);
    if (err == TH_ESQL || err == TH_ESYNTAX || err == TH_EUNSUPPORTED) {
        return th_fail_at(
            b->diag, err, why.name[0] != '\0' ? why.name : "INVALID_VIEW", place->line,
            place->column, "Failed analyzing stored view '%.*s.%.*s': line %u:%u: %s",
            TH_SLICE_ARGS(d->schema), TH_SLICE_ARGS(d->name), why.line, why.column, why.text);
    }
    if (err != TH_OK) {
        th_fail_at(b->diag, err, why.name, place->line, place->column, "%s", why.text);
        return err;
    }
    TH_TRY(fields_of_plan(b, name, plan, out));
    for (uint32_t i = 0; i < out->count; i++)
        out->fields[i].hidden = out->fields[i].name.size > 0 && out->fields[i].name.bytes[0] == '$';
    for (uint32_t i = 0; i < hidden; i++) out->fields[out->count - hidden + i].hidden = true;
    for (uint32_t i = 0; i < d->column_count && i < out->count; i++)
        out->fields[i].name = d->columns[i].name;
    return TH_OK;
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

/* Does the scan give stored values, not those of the declared types? */
static bool is_stored(const th_definition *d, const th_table *table)
{
    return d->kind == TH_DEFINE_TABLE || table->own;
}

static th_err bind_own(binder *b, const ast_path *name, const th_definition *d,
                       const th_table *table, bind_relation *out)
{
    bind_relation scan;
    TH_TRY(query_bind_scan(b, table, &scan));
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, d->column_count);
    th_slice *names = TH_NEW_ARRAY(b->arena, th_slice, d->column_count);
    if (exprs == NULL || names == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < d->column_count; i++) {
        const th_type *type;
        TH_TRY(th_type_parse(d->columns[i].type, b->arena, &type, b->diag));
        const th_expr *e = query_expr_column(b, i, table->columns[i].type, NULL);
        if (e == NULL) return query_no_memory(b);
        TH_TRY(query_from_storage(b, e, type, &exprs[i]));
        names[i] = d->columns[i].name;
    }
    th_plan *plan = query_plan_project(b, scan.plan, d->column_count, exprs, names);
    return plan == NULL ? query_no_memory(b) : fields_of_plan(b, name, plan, out);
}

th_err query_bind_definition(binder *b, const ast_path *name, const th_definition *d,
                             bind_relation *out)
{
    if (d->kind == TH_DEFINE_VIEW) return bind_view(b, name, d, out);
    const th_table *table;
    TH_TRY(query_define_table(b, d, &table));
    if (is_stored(d, table)) return bind_own(b, name, d, table, out);
    TH_TRY(query_bind_scan(b, table, out));
    for (uint32_t i = 0; i < out->count; i++) {
        out->fields[i].relation = name->parts[name->count - 1].text;
        out->fields[i].schema = query_schema_of(b, name);
    }
    return TH_OK;
}

th_err query_definition_columns(binder *b, const th_definition *d, const th_plan_column **out,
                                uint32_t *count)
{
    ast_name part = {.text = d->name, .line = 1, .column = 1};
    ast_path name = {1, &part};
    th_plan_column *columns;
    *count = 0;
    if (d->kind == TH_DEFINE_VIEW) {
        bind_relation r;
        TH_TRY(bind_view(b, &name, d, &r));
        columns = TH_NEW_ARRAY(b->arena, th_plan_column, r.count);
        for (uint32_t i = 0; columns != NULL && i < r.count; i++)
            if (!r.fields[i].hidden)
                columns[(*count)++] = (th_plan_column){r.fields[i].name, r.fields[i].type};
    } else {
        columns = TH_NEW_ARRAY(b->arena, th_plan_column, d->column_count);
        for (; columns != NULL && *count < d->column_count; (*count)++) {
            columns[*count].name = d->columns[*count].name;
            TH_TRY(
                th_type_parse(d->columns[*count].type, b->arena, &columns[*count].type, b->diag));
        }
    }
    *out = columns;
    return columns == NULL ? query_no_memory(b) : TH_OK;
}
