/* SPDX-License-Identifier: Apache-2.0
 * ALTER TABLE: the definition is put again with the change. Partitions, locations and properties say nothing about rows
 * that are stored here: of tables that nobody defined, built-in ones included, they are taken and change nothing. */
#include "query/statement.h"

static th_slice partition_key(statement *s, const ast_partition *p)
{
    th_buf text;
    th_buf_init(&text, 1u << 16);
    for (uint32_t i = 0; i < p->values.count; i++) {
        if (i > 0) th_buf_add_byte(&text, '/');
        th_buf_printf(&text, "%.*s=%.*s", TH_SLICE_ARGS(p->values.items[i].key),
                      TH_SLICE_ARGS(p->values.items[i].value));
    }
    th_slice copy = th_arena_copy(s->arena, th_buf_slice(&text));
    th_buf_free(&text);
    return copy;
}

static th_definition_pair *find_pair(th_definition_pair *pairs, uint32_t count, th_slice key)
{
    for (uint32_t i = 0; i < count; i++)
        if (th_slice_equal(pairs[i].key, key)) return &pairs[i];
    return NULL;
}

static th_err partitions(statement *s, const ast_statement *ast, th_definition *d)
{
    const ast_ddl *ddl = ast->ddl;
    size_t room = (size_t)d->partition_count + ddl->partition_count + 1;
    th_definition_pair *pairs = TH_NEW_ARRAY(s->arena, th_definition_pair, room);
    if (pairs == NULL) return th_fail_memory(s->diag);
    if (d->partition_count > 0) memcpy(pairs, d->partitions, d->partition_count * sizeof *pairs);
    uint32_t n = d->partition_count;
    bool rename = ddl->action == AST_ALTER_RENAME_PARTITION;
    th_slice to = rename ? partition_key(s, &ddl->partitions[1]) : (th_slice){0};
    for (uint32_t i = 0; i < (rename ? 1 : ddl->partition_count); i++) {
        const ast_partition *p = &ddl->partitions[i];
        th_slice key = partition_key(s, p);
        if (key.size == 0) continue;
        th_definition_pair *known = find_pair(pairs, n, key);
        if (ddl->action == AST_ALTER_ADD_PARTITIONS && known == NULL) {
            pairs[n++] = (th_definition_pair){key, p->location};
        } else if (known != NULL && ddl->action == AST_ALTER_SET_LOCATION) {
            known->value = ddl->location;
        } else if (known != NULL && rename) {
            known->key = to;
        } else if (known != NULL && ddl->action == AST_ALTER_DROP_PARTITIONS) {
            *known = pairs[--n];
        }
    }
    if (n > TH_DEFINITION_PARTITIONS_MAX) {
        return th_fail_at(s->diag, TH_ELIMIT, NULL, ast->line, ast->column,
                          "A table has at most %u partitions", TH_DEFINITION_PARTITIONS_MAX);
    }
    d->partitions = pairs;
    d->partition_count = n;
    return TH_OK;
}

static th_err properties(statement *s, const ast_ddl *ddl, th_definition *d)
{
    th_definition_pair *pairs = TH_NEW_ARRAY(s->arena, th_definition_pair,
                                             (size_t)d->property_count + ddl->properties.count + 1);
    if (pairs == NULL) return th_fail_memory(s->diag);
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->property_count; i++) {
        bool named = false;
        for (uint32_t k = 0; k < ddl->properties.count; k++)
            named |= th_slice_equal(d->properties[i].key, ddl->properties.items[k].key);
        if (!named) pairs[n++] = d->properties[i];
    }
    for (uint32_t k = 0; ddl->action == AST_ALTER_SET_PROPERTIES && k < ddl->properties.count; k++)
        pairs[n++] =
            (th_definition_pair){ddl->properties.items[k].key, ddl->properties.items[k].value};
    d->properties = pairs;
    d->property_count = n;
    return TH_OK;
}

static uint32_t next_slot(const th_definition *d)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < d->column_count; i++)
        if (d->columns[i].slot >= next) next = d->columns[i].slot + 1;
    return next;
}

/* New ones stand before the partition columns; REPLACE leaves nothing but those. */
static th_err add_columns(statement *s, const ast_ddl *ddl, th_definition *d)
{
    uint32_t added = ddl->columns.count, n = 0;
    th_definition_column *columns =
        TH_NEW_ARRAY(s->arena, th_definition_column, (size_t)d->column_count + added + 1);
    if (columns == NULL) return th_fail_memory(s->diag);
    for (uint32_t i = 0; i < d->column_count; i++)
        if (!d->columns[i].partition && ddl->action != AST_ALTER_REPLACE_COLUMNS)
            columns[n++] = d->columns[i];
    TH_TRY(query_define_columns(s, &ddl->columns, false, d->kind == TH_DEFINE_MAPPING, next_slot(d),
                                columns + n));
    n += added;
    for (uint32_t i = 0; i < d->column_count; i++)
        if (d->columns[i].partition) columns[n++] = d->columns[i];
    d->columns = columns;
    d->column_count = n;
    return TH_OK;
}

static th_err no_column(statement *s, const ast_name *name)
{
    return th_fail_at(s->diag, TH_ESQL, "COLUMN_NOT_FOUND", name->line, name->column,
                      "Column '%.*s' does not exist", TH_SLICE_ARGS(name->text));
}

/* CHANGE, RENAME, DROP: of one column. */
static th_err one_column(statement *s, const ast_ddl *ddl, th_definition *d)
{
    th_definition_column *columns =
        TH_NEW_ARRAY(s->arena, th_definition_column, (size_t)d->column_count + 1);
    if (columns == NULL) return th_fail_memory(s->diag);
    uint32_t n = 0, at = UINT32_MAX;
    for (uint32_t i = 0; i < d->column_count; i++) {
        bool named = th_slice_equal_nocase(d->columns[i].name, ddl->names[0].text);
        if (named) at = n;
        if (!named || ddl->action != AST_ALTER_DROP_COLUMN) columns[n++] = d->columns[i];
    }
    if (at == UINT32_MAX) return ddl->if_exists ? TH_OK : no_column(s, &ddl->names[0]);
    if (ddl->action == AST_ALTER_RENAME_COLUMN) columns[at].name = ddl->names[1].text;
    if (ddl->action == AST_ALTER_CHANGE_COLUMN) {
        th_definition_column changed = columns[at];
        bool hive = d->kind == TH_DEFINE_MAPPING;
        TH_TRY(query_define_columns(s, &ddl->columns, changed.partition, hive, changed.slot,
                                    &changed));
        columns[at] = changed;
    }
    d->columns = columns;
    d->column_count = n;
    return TH_OK;
}

static th_err check_names(statement *s, const ast_statement *ast, const th_definition *d)
{
    for (uint32_t i = 0; i < d->column_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!th_slice_equal_nocase(d->columns[i].name, d->columns[k].name)) continue;
            return th_fail_at(s->diag, TH_ESQL, "COLUMN_ALREADY_EXISTS", ast->line, ast->column,
                              "Column '%.*s' already exists", TH_SLICE_ARGS(d->columns[i].name));
        }
    }
    return TH_OK;
}

static th_err rename_table(statement *s, const ast_statement *ast, const th_definition *before)
{
    const ast_path *path = &ast->ddl->new_name;
    th_definition d = *before;
    d.schema = path->count > 1 ? query_schema_of(&s->binder, path) : before->schema;
    d.name = path->parts[path->count - 1].text;
    if (query_recorded(s, d.schema, d.name) != NULL) {
        return th_fail_at(s->diag, TH_ESQL, "TABLE_ALREADY_EXISTS", path->parts[0].line,
                          path->parts[0].column, "Table '%.*s.%.*s' already exists",
                          TH_SLICE_ARGS(d.schema), TH_SLICE_ARGS(d.name));
    }
    TH_TRY(query_record(s, &d, false));
    return query_record(s, before, true);
}

/* About the place of rows, not about columns. */
static bool is_about_storage(ast_alter action)
{
    return action <= AST_ALTER_UNSET_PROPERTIES;
}

static th_err change(statement *s, const ast_statement *ast, th_definition *d)
{
    const ast_ddl *ddl = ast->ddl;
    switch (ddl->action) {
    case AST_ALTER_SET_LOCATION:
        if (ddl->partition_count == 0) {
            d->location = ddl->location;
            return TH_OK;
        }
        return partitions(s, ast, d);
    case AST_ALTER_ADD_PARTITIONS:
    case AST_ALTER_DROP_PARTITIONS:
    case AST_ALTER_RENAME_PARTITION: return partitions(s, ast, d);
    case AST_ALTER_SET_PROPERTIES:
    case AST_ALTER_UNSET_PROPERTIES: return properties(s, ddl, d);
    case AST_ALTER_ADD_COLUMNS:
    case AST_ALTER_REPLACE_COLUMNS: return add_columns(s, ddl, d);
    default: return one_column(s, ddl, d);
    }
}

th_err query_run_alter(statement *s, const ast_statement *ast)
{
    th_slice schema = query_schema_of(&s->binder, &ast->name);
    const ast_name *place = &ast->name.parts[ast->name.count - 1];
    const th_definition *before = query_recorded(s, schema, place->text);
    if (before == NULL && (ast->ddl->if_exists || is_about_storage(ast->ddl->action))) return TH_OK;
    if (before == NULL) {
        list_relation found;
        TH_TRY(query_find_relation(&s->binder, &ast->name, &found));
        return th_fail_at(s->diag, TH_EPERM, NULL, place->line, place->column,
                          "'%.*s.%.*s' is built in: its columns cannot be changed",
                          TH_SLICE_ARGS(schema), TH_SLICE_ARGS(place->text));
    }
    if (before->kind == TH_DEFINE_VIEW) {
        return th_fail_at(s->diag, TH_ESQL, "NOT_SUPPORTED", place->line, place->column,
                          "'%.*s.%.*s' is a view", TH_SLICE_ARGS(schema),
                          TH_SLICE_ARGS(place->text));
    }
    if (ast->ddl->action == AST_ALTER_RENAME) return rename_table(s, ast, before);
    th_definition d = *before;
    TH_TRY(change(s, ast, &d));
    TH_TRY(check_names(s, ast, &d));
    return query_record(s, &d, false);
}
