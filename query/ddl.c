/* SPDX-License-Identifier: Apache-2.0
 * CREATE and DROP of views, tables and schemas. A definition goes into the session when that keeps its own, else into the
 * provider's catalog. What is defined hides what is built in; dropping it shows that again. */
#include "query/statement.h"

#define EVENT_SIZE_MAX (4u << 20)

static const ast_name *last_of(const ast_path *name)
{
    return &name->parts[name->count - 1];
}

static bool is_apart(const statement *s)
{
    return s->env->session != NULL && s->env->session->apart;
}

const th_definition *query_recorded(const statement *s, th_slice schema, th_slice name)
{
    return th_catalog_relation(is_apart(s) ? s->binder.own : s->binder.shared, schema, name);
}

static th_err record_shared(statement *s, th_slice event)
{
    const th_provider_ops *ops = s->env->provider == NULL ? NULL : s->env->provider->ops;
    if (ops == NULL || ops->change_begin == NULL)
        return th_fail(s->diag, TH_EUNSUPPORTED, NULL, "Nothing can be defined here");
    th_change *change = NULL;
    TH_TRY(ops->change_begin(s->env->provider, &s->env->principal, &change, s->diag));
    th_err err = ops->change_event(change, event, s->diag);
    if (err == TH_OK) err = ops->change_commit(change, s->diag);
    ops->change_free(change);
    return err;
}

th_err query_record(statement *s, const th_definition *d, bool drop)
{
    th_buf event;
    th_buf_init(&event, EVENT_SIZE_MAX);
    if (drop)
        th_catalog_drop_event(&event, d);
    else
        th_catalog_put_event(&event, d);
    th_err err = TH_OK;
    if (th_buf_error(&event) != TH_OK)
        err = th_fail(s->diag, TH_ELIMIT, NULL, "The definition is longer than %u bytes",
                      EVENT_SIZE_MAX);
    else if (is_apart(s))
        err = session_define(s->env->session, th_buf_slice(&event), s->diag);
    else
        err = record_shared(s, th_buf_slice(&event));
    th_buf_free(&event);
    return err;
}

/* ---- names and columns -------------------------------------------------------------------------------------------- */

static th_err new_name(statement *s, const ast_path *path, th_slice *schema, th_slice *name)
{
    *schema = query_schema_of(&s->binder, path);
    *name = last_of(path)->text;
    bool system = th_slice_equal_nocase(*schema, TH_SLICE("information_schema"));
    if (!system && schema->size <= SESSION_NAME_MAX && name->size <= SESSION_NAME_MAX) return TH_OK;
    return th_fail_at(s->diag, TH_ESQL, system ? "PERMISSION_DENIED" : "INVALID_ARGUMENTS",
                      path->parts[0].line, path->parts[0].column,
                      system ? "information_schema is built in"
                             : "The name is longer than %d bytes",
                      SESSION_NAME_MAX);
}

/* Names of SQL and of other databases for types that we have. */
static th_slice known_type(th_slice written, bool hive)
{
    static const char *const names[][2] = {{"text", "varchar"},
                                           {"clob", "varchar"},
                                           {"bool", "boolean"},
                                           {"datetime", "timestamp"},
                                           {"character varying", "varchar"},
                                           {"numeric", "decimal"},
                                           {"blob", "varbinary"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (th_slice_equal_nocase(written, th_slice_text(names[i][0])))
            return th_slice_text(names[i][1]);
    bool real = !hive && th_slice_equal_nocase(written, TH_SLICE("float"));
    return real ? TH_SLICE("double") : written;
}

static th_err column_type(statement *s, const ast_column *c, bool hive, th_slice *text)
{
    th_diag why = {0};
    const th_type *type;
    *text = known_type(c->type, hive);
    if (th_type_parse(*text, s->arena, &type, &why) != TH_OK) {
        return th_fail_at(s->diag, TH_ESQL, "TYPE_NOT_FOUND", c->name.line, c->name.column,
                          "Unknown type '%.*s' for column '%.*s'",
                          (int)(c->type.size > 200 ? 200 : c->type.size),
                          (const char *)c->type.bytes, TH_SLICE_ARGS(c->name.text));
    }
    if (th_storage_type(type) != NULL) return TH_OK;
    return th_fail_at(s->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", c->name.line, c->name.column,
                      "A table cannot hold columns of type %.*s", TH_SLICE_ARGS(*text));
}

th_err query_define_columns(statement *s, const ast_columns *columns, bool partition, bool hive,
                            uint32_t first_slot, th_definition_column *out)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        const ast_column *c = &columns->items[i];
        out[i] = (th_definition_column){.name = c->name.text,
                                        .comment = c->comment,
                                        .partition = partition,
                                        .slot = first_slot + i};
        TH_TRY(column_type(s, c, hive, &out[i].type));
    }
    return TH_OK;
}

th_err query_define_pairs(statement *s, const ast_properties *from, const th_definition_pair **out,
                          uint32_t *count)
{
    th_definition_pair *pairs = TH_NEW_ARRAY(s->arena, th_definition_pair, (size_t)from->count + 1);
    if (pairs == NULL) return th_fail_memory(s->diag);
    for (uint32_t i = 0; i < from->count; i++)
        pairs[i] = (th_definition_pair){from->items[i].key, from->items[i].value};
    *out = pairs;
    *count = from->count;
    return TH_OK;
}

static th_err check_columns(statement *s, const ast_statement *ast, const th_definition *d)
{
    if (d->column_count > TH_DEFINITION_COLUMNS_MAX) {
        return th_fail_at(s->diag, TH_ELIMIT, NULL, ast->line, ast->column,
                          "A table has at most %u columns", TH_DEFINITION_COLUMNS_MAX);
    }
    for (uint32_t i = 0; i < d->column_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!th_slice_equal_nocase(d->columns[i].name, d->columns[k].name)) continue;
            return th_fail_at(s->diag, TH_ESQL, "DUPLICATE_COLUMN_NAME", ast->line, ast->column,
                              "Column name '%.*s' specified more than once",
                              TH_SLICE_ARGS(d->columns[i].name));
        }
    }
    return TH_OK;
}

/* What is there already under the name; *done: nothing is left to do. */
static th_err check_new(statement *s, const ast_statement *ast, const th_definition *d, bool *done)
{
    const th_definition *before = query_recorded(s, d->schema, d->name);
    const ast_name *place = last_of(&ast->name);
    *done = before != NULL && ast->ddl->if_not_exists;
    if (before == NULL || *done) return TH_OK;
    bool same = (before->kind == TH_DEFINE_VIEW) == (d->kind == TH_DEFINE_VIEW);
    if (ast->ddl->or_replace && same) return TH_OK;
    return th_fail_at(s->diag, TH_ESQL, "TABLE_ALREADY_EXISTS", place->line, place->column,
                      "%s '%.*s.%.*s' already exists",
                      before->kind == TH_DEFINE_VIEW ? "View" : "Table", TH_SLICE_ARGS(d->schema),
                      TH_SLICE_ARGS(d->name));
}

/* ---- CREATE ------------------------------------------------------------------------------------------------------- */

static th_err view_columns(statement *s, const ast_statement *ast, const th_plan *plan,
                           th_definition *d)
{
    uint32_t n = ast->ddl->name_count;
    if (n > 0 && n != plan->column_count) {
        return th_fail_at(s->diag, TH_ESQL, "MISMATCHED_COLUMN_ALIASES", ast->line, ast->column,
                          "Column alias list has %u entries but the view's query has %u columns", n,
                          plan->column_count);
    }
    th_definition_column *columns =
        TH_NEW_ARRAY(s->arena, th_definition_column, (size_t)plan->column_count + 1);
    if (columns == NULL) return th_fail_memory(s->diag);
    for (uint32_t i = 0; i < plan->column_count; i++)
        columns[i].name = n > 0 ? ast->ddl->names[i].text : plan->columns[i].name;
    d->columns = columns;
    d->column_count = plan->column_count;
    TH_TRY(check_columns(s, ast, d));
    d->column_count = n;
    return TH_OK;
}

static th_err create_view(statement *s, const ast_statement *ast)
{
    th_definition d = {.kind = TH_DEFINE_VIEW,
                       .text = ast->source,
                       .in_schema = s->binder.schema,
                       .comment = ast->ddl->comment};
    bool done;
    TH_TRY(new_name(s, &ast->name, &d.schema, &d.name));
    TH_TRY(check_new(s, ast, &d, &done));
    if (done) return TH_OK;
    if (ast->param_count > 0) {
        return th_fail_at(s->diag, TH_ESQL, "INVALID_PARAMETER_USAGE", ast->line, ast->column,
                          "A view cannot have parameters");
    }
    th_plan *plan;
    s->binder.view = &d;
    th_err err = query_bind_query(&s->binder, ast->query, NULL, &plan);
    s->binder.view = NULL;
    TH_TRY(err);
    TH_TRY(view_columns(s, ast, plan, &d));
    return query_record(s, &d, false);
}

static bool is_hive(const ast_ddl *ddl)
{
    bool iceberg = false;
    for (uint32_t i = 0; i < ddl->properties.count; i++) {
        iceberg |= th_slice_equal_nocase(ddl->properties.items[i].key, TH_SLICE("table_type")) &&
                   th_slice_equal_nocase(ddl->properties.items[i].value, TH_SLICE("iceberg"));
    }
    return !iceberg && (ddl->external || ddl->location.size > 0 || ddl->serde.size > 0 ||
                        ddl->stored_as.size > 0);
}

static th_err all_columns(statement *s, const ast_ddl *ddl, bool hive, th_definition *d)
{
    uint32_t plain = ddl->columns.count, count = plain + ddl->partition_columns.count;
    th_definition_column *columns = TH_NEW_ARRAY(s->arena, th_definition_column, (size_t)count + 1);
    if (columns == NULL) return th_fail_memory(s->diag);
    TH_TRY(query_define_columns(s, &ddl->columns, false, hive, 0, columns));
    TH_TRY(query_define_columns(s, &ddl->partition_columns, true, hive, plain, columns + plain));
    d->columns = columns;
    d->column_count = count;
    return TH_OK;
}

/* The number of a table that only the session knows is not given out again. */
static th_err reserve(statement *s, th_change *change, uint64_t number)
{
    const th_provider_ops *ops = s->env->provider->ops;
    th_buf event;
    th_buf_init(&event, 256);
    th_catalog_reserve_event(&event, number);
    th_err err = ops->change_event(change, th_buf_slice(&event), s->diag);
    th_buf_free(&event);
    return err == TH_OK ? ops->change_commit(change, s->diag) : err;
}

static th_err table_number(statement *s, uint64_t *number)
{
    const th_provider_ops *ops = s->env->provider == NULL ? NULL : s->env->provider->ops;
    if (ops == NULL || ops->change_begin == NULL)
        return th_fail(s->diag, TH_EUNSUPPORTED, NULL, "Nothing can be defined here");
    th_change *change = NULL;
    TH_TRY(ops->change_begin(s->env->provider, &s->env->principal, &change, s->diag));
    th_err err = ops->change_number(change, number, s->diag);
    if (err == TH_OK && is_apart(s)) err = reserve(s, change, *number);
    ops->change_free(change);
    return err;
}

static th_err create_table(statement *s, const ast_statement *ast)
{
    const ast_ddl *ddl = ast->ddl;
    bool hive = is_hive(ddl), done;
    th_definition d = {.kind = hive ? TH_DEFINE_MAPPING : TH_DEFINE_TABLE,
                       .comment = ddl->comment,
                       .location = ddl->location,
                       .serde = ddl->serde,
                       .stored_as = ddl->stored_as,
                       .delimiter = ddl->delimiter};
    TH_TRY(new_name(s, &ast->name, &d.schema, &d.name));
    TH_TRY(all_columns(s, ddl, hive, &d));
    TH_TRY(check_columns(s, ast, &d));
    TH_TRY(check_new(s, ast, &d, &done));
    if (done) return TH_OK;
    TH_TRY(query_define_pairs(s, &ddl->properties, &d.properties, &d.property_count));
    TH_TRY(query_define_pairs(s, &ddl->serde_properties, &d.serde_properties,
                              &d.serde_property_count));
    TH_TRY(table_number(s, &d.number));
    return query_record(s, &d, false);
}

static bool schema_exists(statement *s, th_slice name)
{
    const th_slice *schemas;
    uint32_t count;
    if (query_list_schemas(&s->binder, &schemas, &count) != TH_OK) return false;
    for (uint32_t i = 0; i < count; i++)
        if (th_slice_equal_nocase(schemas[i], name)) return true;
    return false;
}

static th_err create_schema(statement *s, const ast_statement *ast)
{
    const ast_name *name = last_of(&ast->name);
    th_definition d = {.kind = TH_DEFINE_SCHEMA,
                       .schema = name->text,
                       .comment = ast->ddl->comment,
                       .location = ast->ddl->location};
    if (schema_exists(s, name->text)) {
        if (ast->ddl->if_not_exists) return TH_OK;
        return th_fail_at(s->diag, TH_ESQL, "SCHEMA_ALREADY_EXISTS", name->line, name->column,
                          "Schema '%.*s' already exists", TH_SLICE_ARGS(name->text));
    }
    TH_TRY(query_define_pairs(s, &ast->ddl->properties, &d.properties, &d.property_count));
    return query_record(s, &d, false);
}

/* ---- DROP --------------------------------------------------------------------------------------------------------- */

static const th_catalog *recording(const statement *s)
{
    return is_apart(s) ? s->binder.own : s->binder.shared;
}

static th_err drop_schema(statement *s, const ast_statement *ast)
{
    const ast_name *name = last_of(&ast->name);
    const th_catalog *catalog = recording(s);
    const th_definition *d = th_catalog_schema(catalog, name->text);
    uint32_t held = 0;
    for (uint32_t i = 0; i < th_catalog_places(catalog); i++) {
        const th_definition *one = th_catalog_at(catalog, i);
        bool inside = one != NULL && one->kind != TH_DEFINE_SCHEMA &&
                      th_slice_equal_nocase(one->schema, name->text);
        held += inside;
        if (inside && ast->extended) TH_TRY(query_record(s, one, true));
    }
    if (held > 0 && !ast->extended) {
        return th_fail_at(s->diag, TH_ESQL, "SCHEMA_NOT_EMPTY", name->line, name->column,
                          "Schema '%.*s' is not empty: it has %u tables or views",
                          TH_SLICE_ARGS(name->text), held);
    }
    if (d != NULL) return query_record(s, d, true);
    if (held > 0 || ast->ddl->if_exists) return TH_OK;
    return th_fail_at(s->diag, TH_ESQL, "SCHEMA_NOT_FOUND", name->line, name->column,
                      "Schema '%.*s' does not exist", TH_SLICE_ARGS(name->text));
}

static th_err drop_relation(statement *s, const ast_statement *ast)
{
    const ast_name *place = last_of(&ast->name);
    th_slice schema = query_schema_of(&s->binder, &ast->name), name = place->text;
    const th_definition *d = query_recorded(s, schema, name);
    bool view = th_slice_is(ast->word, "VIEW");
    if (d != NULL && view == (d->kind == TH_DEFINE_VIEW)) return query_record(s, d, true);
    if (d != NULL) {
        return th_fail_at(s->diag, TH_ESQL, "GENERIC_USER_ERROR", place->line, place->column,
                          "'%.*s.%.*s' is a %s: DROP %s drops it", TH_SLICE_ARGS(schema),
                          TH_SLICE_ARGS(name), view ? "table" : "view", view ? "TABLE" : "VIEW");
    }
    if (ast->ddl->if_exists) return TH_OK;
    list_relation found;
    TH_TRY(query_find_relation(&s->binder, &ast->name, &found));
    return th_fail_at(s->diag, TH_EPERM, NULL, place->line, place->column,
                      found.table != NULL
                          ? "'%.*s.%.*s' is built in and cannot be dropped"
                          : "'%.*s.%.*s' is not this session's: it is defined in the data folder",
                      TH_SLICE_ARGS(schema), TH_SLICE_ARGS(name));
}

static th_err alter_schema(statement *s, const ast_statement *ast)
{
    const ast_name *name = last_of(&ast->name);
    const th_definition *before = th_catalog_schema(recording(s), name->text);
    if (before == NULL && !schema_exists(s, name->text)) {
        return th_fail_at(s->diag, TH_ESQL, "SCHEMA_NOT_FOUND", name->line, name->column,
                          "Schema '%.*s' does not exist", TH_SLICE_ARGS(name->text));
    }
    th_definition d = {.kind = TH_DEFINE_SCHEMA, .schema = name->text};
    if (before != NULL) d = *before;
    TH_TRY(query_define_pairs(s, &ast->ddl->properties, &d.properties, &d.property_count));
    return query_record(s, &d, false);
}

th_err query_run_ddl(statement *s, const ast_statement *ast)
{
    switch (ast->kind) {
    case AST_CREATE_VIEW: return create_view(s, ast);
    case AST_CREATE_TABLE:
        return ast->query != NULL ? query_run_create_as(s, ast) : create_table(s, ast);
    case AST_CREATE_SCHEMA: return create_schema(s, ast);
    case AST_ALTER_SCHEMA: return alter_schema(s, ast);
    case AST_DROP:
        return th_slice_is(ast->word, "SCHEMA") ? drop_schema(s, ast) : drop_relation(s, ast);
    case AST_ALTER_TABLE: return query_run_alter(s, ast);
    default: return TH_OK; /* MSCK REPAIR, indexes: nothing to do */
    }
}
