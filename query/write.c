/* SPDX-License-Identifier: Apache-2.0
 * INSERT and CREATE TABLE AS into tables of our own, UNLOAD and external locations into files: the query's rows go to the
 * provider as they come, and all of it counts at the end or nothing. */
#include "json/json.h"
#include "query/result.h"
#include "query/statement.h"
#include "query/type/coerce.h"

#define EVENT_SIZE_MAX (4u << 20)
#define LINE_SIZE_MAX (64u << 20)

typedef struct writing {
    statement *s;
    const th_provider_ops *ops;
    th_change *change;           /* NULL: files only */
    const th_definition *target; /* of the change's rows */
    th_export *file;             /* NULL: none */
    bool json;
    uint8_t delimiter;
    uint32_t stored; /* columns of a batch that are stored; what follows is for the file */
    const th_plan_column *columns;
    uint32_t column_count; /* of the file */
    uint64_t rows;
    th_buf line;
} writing;

/* ---- files -------------------------------------------------------------------------------------------------------- */

static void json_line(writing *w, const th_batch *batch, uint32_t row)
{
    bool first = true;
    th_buf_add_byte(&w->line, '{');
    for (uint32_t c = 0; c < w->column_count; c++) {
        const th_vector *v = &batch->columns[w->stored + c];
        if (th_vector_is_null(v, row)) continue; /* as Athena leaves them out */
        if (!first) th_buf_add_byte(&w->line, ',');
        first = false;
        th_json_quote(&w->line, w->columns[c].name);
        th_buf_add_byte(&w->line, ':');
        th_value_json(&w->line, v, row);
    }
    th_buf_add_text(&w->line, "}\n");
}

/* NULL is \N; what would end a field or a line is escaped by a backslash. */
static void text_line(writing *w, const th_batch *batch, uint32_t row)
{
    th_buf value;
    th_buf_init(&value, LINE_SIZE_MAX);
    for (uint32_t c = 0; c < w->column_count; c++) {
        const th_vector *v = &batch->columns[w->stored + c];
        if (c > 0) th_buf_add_byte(&w->line, w->delimiter);
        if (th_vector_is_null(v, row)) {
            th_buf_add_text(&w->line, "\\N");
            continue;
        }
        th_buf_clear(&value);
        if (v->type->child_count > 0)
            th_value_json(&value, v, row);
        else
            th_value_text(&value, v, row);
        for (size_t i = 0; i < value.size; i++) {
            uint8_t byte = value.bytes[i];
            if (byte == w->delimiter || byte == '\\' || byte == '\n')
                th_buf_add_byte(&w->line, '\\');
            th_buf_add_byte(&w->line, byte == '\n' ? 'n' : byte);
        }
    }
    th_buf_free(&value);
    th_buf_add_byte(&w->line, '\n');
}

static th_err write_lines(writing *w, const th_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (w->json)
            json_line(w, batch, row);
        else
            text_line(w, batch, row);
        if (w->line.size < (1u << 20) && row + 1 < batch->rows) continue;
        if (th_buf_error(&w->line) != TH_OK) return th_fail_memory(w->s->diag);
        TH_TRY(w->ops->export_write(w->file, th_buf_slice(&w->line), w->s->diag));
        th_buf_clear(&w->line);
    }
    return TH_OK;
}

static th_err write_batch(void *ctx, const th_batch *batch)
{
    writing *w = ctx;
    w->rows += batch->rows;
    if (batch->rows == 0) return TH_OK;
    if (w->file != NULL) TH_TRY(write_lines(w, batch));
    if (w->change == NULL) return TH_OK;
    th_batch stored = *batch;
    stored.column_count = w->stored;
    return w->ops->change_rows(w->change, w->target, &stored, w->s->diag);
}

static th_err bad_property(statement *s, const ast_statement *ast, const char *what, th_slice value)
{
    return th_fail_at(s->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                      "%s '%.*s' is not supported", what,
                      (int)(value.size > 100 ? 100 : value.size), (const char *)value.bytes);
}

static th_slice property(const ast_ddl *ddl, const char *key)
{
    for (uint32_t i = 0; i < ddl->properties.count; i++)
        if (th_slice_equal_nocase(ddl->properties.items[i].key, th_slice_text(key)))
            return ddl->properties.items[i].value;
    return (th_slice){0};
}

/* field_delimiter as Athena takes it: one character, or \t or an octal escape. */
static uint8_t delimiter_of(th_slice text, uint8_t otherwise)
{
    if (text.size == 0) return otherwise;
    if (th_slice_is(text, "\\t")) return '\t';
    if (text.size == 4 && text.bytes[0] == '\\') return (uint8_t)(text.bytes[3] - '0');
    return text.bytes[0];
}

static th_err open_file(writing *w, const ast_statement *ast, th_slice location)
{
    th_slice format = property(ast->ddl, "format"), codec = property(ast->ddl, "compression");
    statement *s = w->s;
    if (codec.size == 0) codec = property(ast->ddl, "write_compression");
    w->json = th_slice_equal_nocase(format, TH_SLICE("json"));
    bool csv = th_slice_equal_nocase(format, TH_SLICE("csv"));
    if (!w->json && !csv && !th_slice_equal_nocase(format, TH_SLICE("textfile")))
        return bad_property(s, ast, "Writing the format",
                            format.size > 0 ? format : TH_SLICE("PARQUET"));
    bool none = th_slice_equal_nocase(codec, TH_SLICE("none"));
    if (!none && codec.size > 0 && !th_slice_equal_nocase(codec, TH_SLICE("gzip")))
        return bad_property(s, ast, "The compression", codec);
    if (property(ast->ddl, "partitioned_by").size > 0 && ast->kind == AST_UNLOAD)
        return bad_property(s, ast, "UNLOAD with", TH_SLICE("partitioned_by"));
    if (w->ops->export_open == NULL)
        return th_fail(s->diag, TH_EUNSUPPORTED, NULL, "Nothing can be exported here");
    w->delimiter = delimiter_of(property(ast->ddl, "field_delimiter"), csv ? ',' : 1);
    return w->ops->export_open(s->env->provider, &s->env->principal, location, !none,
                               w->json ? ".json"
                               : csv   ? ".csv"
                                       : ".txt",
                               &w->file, s->diag);
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

static th_err begin(writing *w, statement *s)
{
    *w = (writing){.s = s};
    th_buf_init(&w->line, LINE_SIZE_MAX);
    w->ops = s->env->provider == NULL ? NULL : s->env->provider->ops;
    if (w->ops != NULL && w->ops->change_begin != NULL) return TH_OK;
    return th_fail(s->diag, TH_EUNSUPPORTED, NULL, "There is nowhere to write to");
}

static th_err run(writing *w, th_plan *plan)
{
    th_result_sink sink = {.batch = write_batch, .ctx = w};
    TH_TRY(query_run_plan(w->s, plan, &sink));
    w->s->stats->rows_written = w->rows;
    w->s->stats->rows = 0;
    return TH_OK;
}

static void end(writing *w)
{
    if (w->change != NULL) w->ops->change_free(w->change);
    if (w->file != NULL) (void)w->ops->export_close(w->file, false, NULL);
    th_buf_free(&w->line);
}

static th_err keep_file(writing *w)
{
    th_export *file = w->file;
    w->file = NULL;
    return file == NULL ? TH_OK : w->ops->export_close(file, true, w->s->diag);
}

/* ---- INSERT ------------------------------------------------------------------------------------------------------- */

static th_err find_target(statement *s, const ast_statement *ast, const th_definition **out)
{
    const ast_name *place = &ast->name.parts[ast->name.count - 1];
    th_slice schema = query_schema_of(&s->binder, &ast->name);
    const th_definition *d = query_definition(&s->binder, schema, place->text);
    if (d == NULL) {
        const th_table *table;
        TH_TRY(query_find_table(&s->binder, &ast->name, &table));
    } else if (d->kind == TH_DEFINE_TABLE) {
        *out = d;
        return TH_OK;
    } else if (d->kind == TH_DEFINE_MAPPING) {
        const th_table *table;
        TH_TRY(query_define_table(&s->binder, d, &table));
        *out = d;
        if (table->own) return TH_OK;
    }
    return th_fail_at(s->diag, TH_EPERM, NULL, place->line, place->column,
                      "'%.*s.%.*s' shows stored evidence, which INSERT does not write",
                      TH_SLICE_ARGS(schema), TH_SLICE_ARGS(place->text));
}

static th_err mismatch(statement *s, const ast_statement *ast, const th_type *have,
                       const th_type *want, th_slice column)
{
    th_slice a, b;
    TH_TRY(query_type_text(&s->binder, have, false, &a));
    TH_TRY(query_type_text(&s->binder, want, false, &b));
    return th_fail_at(s->diag, TH_ESQL, "TYPE_MISMATCH", ast->query->line, ast->query->column,
                      "Insert query has mismatched column types: column '%.*s' is %.*s, the query "
                      "gives %.*s",
                      TH_SLICE_ARGS(column), TH_SLICE_ARGS(b), TH_SLICE_ARGS(a));
}

/* May a value of one type go into a column of the other? As assignments do: what loses nothing, and numbers of any kind. */
static bool assignable(const th_type *from, const th_type *to)
{
    if (th_type_can_coerce(from, to)) return true;
    if (th_type_is_numeric(from) && th_type_is_numeric(to)) return true;
    bool text = from->kind == TH_VARCHAR || from->kind == TH_CHAR;
    if (text && (to->kind == TH_VARCHAR || to->kind == TH_CHAR || to->kind == TH_DATE ||
                 to->kind == TH_TIMESTAMP))
        return true;
    bool nested =
        from->kind == to->kind && from->child_count == to->child_count && from->child_count > 0;
    for (uint32_t i = 0; nested && i < from->child_count; i++)
        nested = assignable(from->children[i], to->children[i]);
    return nested;
}

/* Which column of the query each column of the table gets; UINT32_MAX: none. */
static th_err sources(statement *s, const ast_statement *ast, const th_definition *d,
                      uint32_t columns, uint32_t *source)
{
    const ast_ddl *ddl = ast->ddl;
    uint32_t wanted = ddl->name_count > 0 ? ddl->name_count : d->column_count;
    if (columns != wanted) {
        return th_fail_at(s->diag, TH_ESQL, "TYPE_MISMATCH", ast->query->line, ast->query->column,
                          "Insert query has %u columns, the table wants %u", columns, wanted);
    }
    for (uint32_t i = 0; i < d->column_count; i++) source[i] = ddl->name_count > 0 ? UINT32_MAX : i;
    for (uint32_t k = 0; k < ddl->name_count; k++) {
        uint32_t at = 0;
        while (at < d->column_count &&
               !th_slice_equal_nocase(d->columns[at].name, ddl->names[k].text))
            at++;
        if (at == d->column_count || source[at] != UINT32_MAX) {
            return th_fail_at(s->diag, TH_ESQL,
                              at == d->column_count ? "COLUMN_NOT_FOUND" : "DUPLICATE_COLUMN_NAME",
                              ddl->names[k].line, ddl->names[k].column,
                              at == d->column_count
                                  ? "Insert column name does not exist in target table: %.*s"
                                  : "Insert column name is specified more than once: %.*s",
                              TH_SLICE_ARGS(ddl->names[k].text));
        }
        source[at] = k;
    }
    return TH_OK;
}

static th_err stored_column(statement *s, const ast_statement *ast, const th_plan *plan,
                            uint32_t source, const th_definition_column *c, const th_expr **out)
{
    binder *b = &s->binder;
    const th_type *type;
    TH_TRY(th_type_parse(c->type, s->arena, &type, s->diag));
    if (source == UINT32_MAX) {
        *out = query_expr_null(b, th_storage_type(type), NULL);
        return *out == NULL ? th_fail_memory(s->diag) : TH_OK;
    }
    const th_type *from = plan->columns[source].type;
    if (!assignable(from, type)) return mismatch(s, ast, from, type, c->name);
    const th_expr *e = query_expr_column(b, source, from, NULL);
    if (e == NULL) return th_fail_memory(s->diag);
    TH_TRY(query_bind_cast(b, e, type, &e));
    return query_to_storage(b, e, out);
}

static th_err insert_plan(statement *s, const ast_statement *ast, const th_definition *d,
                          th_plan **out)
{
    th_plan *plan;
    TH_TRY(query_bind_query(&s->binder, ast->query, NULL, &plan));
    uint32_t *source = TH_NEW_ARRAY(s->arena, uint32_t, (size_t)d->column_count + 1);
    const th_expr **exprs = TH_NEW_ARRAY(s->arena, const th_expr *, (size_t)d->column_count + 1);
    th_slice *names = TH_NEW_ARRAY(s->arena, th_slice, (size_t)d->column_count + 1);
    if (source == NULL || exprs == NULL || names == NULL) return th_fail_memory(s->diag);
    TH_TRY(sources(s, ast, d, plan->column_count, source));
    for (uint32_t i = 0; i < d->column_count; i++) {
        TH_TRY(stored_column(s, ast, plan, source[i], &d->columns[i], &exprs[i]));
        names[i] = d->columns[i].name;
    }
    *out = query_plan_project(&s->binder, plan, d->column_count, exprs, names);
    return *out == NULL ? th_fail_memory(s->diag) : TH_OK;
}

static th_err insert(writing *w, const ast_statement *ast)
{
    statement *s = w->s;
    th_plan *plan;
    TH_TRY(find_target(s, ast, &w->target));
    w->stored = w->target->column_count;
    TH_TRY(insert_plan(s, ast, w->target, &plan));
    TH_TRY(w->ops->change_begin(s->env->provider, &s->env->principal, &w->change, s->diag));
    TH_TRY(run(w, plan));
    return w->ops->change_commit(w->change, s->diag);
}

th_err query_run_insert(statement *s, const ast_statement *ast)
{
    writing w;
    th_err err = begin(&w, s);
    if (err == TH_OK) err = insert(&w, ast);
    end(&w);
    return err;
}

/* ---- CREATE TABLE AS ---------------------------------------------------------------------------------------------- */

/* Is the name in the text of ARRAY['a', 'b']? */
static bool listed(th_slice array, th_slice name)
{
    const uint8_t *p = array.bytes, *stop = array.bytes + array.size;
    while (p < stop) {
        const uint8_t *open = memchr(p, '\'', (size_t)(stop - p));
        if (open == NULL) return false;
        const uint8_t *close = memchr(open + 1, '\'', (size_t)(stop - open - 1));
        if (close == NULL) return false;
        if (th_slice_equal_nocase(th_slice_of(open + 1, (size_t)(close - open - 1)), name))
            return true;
        p = close + 1;
    }
    return false;
}

static th_err created_columns(statement *s, const ast_statement *ast, const th_plan *plan,
                              th_definition *d)
{
    th_definition_column *columns =
        TH_NEW_ARRAY(s->arena, th_definition_column, (size_t)plan->column_count + 1);
    if (columns == NULL) return th_fail_memory(s->diag);
    th_slice partitioned = property(ast->ddl, "partitioned_by");
    for (uint32_t i = 0; i < plan->column_count; i++) {
        const th_type *type = plan->columns[i].type;
        columns[i].name = plan->columns[i].name;
        columns[i].slot = i;
        columns[i].partition = listed(partitioned, columns[i].name);
        TH_TRY(query_type_text(&s->binder, type, false, &columns[i].type));
        for (uint32_t k = 0; k < i; k++) {
            if (!th_slice_equal_nocase(columns[k].name, columns[i].name)) continue;
            return th_fail_at(s->diag, TH_ESQL, "DUPLICATE_COLUMN_NAME", ast->query->line,
                              ast->query->column, "Column name '%.*s' specified more than once",
                              TH_SLICE_ARGS(columns[i].name));
        }
        if (th_storage_type(type) != NULL) continue;
        return th_fail_at(s->diag, TH_ESQL,
                          type->kind == TH_UNKNOWN ? "COLUMN_TYPE_UNKNOWN" : "NOT_SUPPORTED",
                          ast->query->line, ast->query->column,
                          "Column '%.*s' has type %.*s, which a table cannot hold",
                          TH_SLICE_ARGS(columns[i].name), TH_SLICE_ARGS(columns[i].type));
    }
    d->columns = columns;
    d->column_count = plan->column_count;
    return TH_OK;
}

/* The query's columns as they are stored and, when a file is written as well, once more as they are. */
static th_err created_plan(writing *w, const th_definition *d, th_plan *plan, th_plan **out)
{
    statement *s = w->s;
    uint32_t n = plan->column_count, width = w->file != NULL ? 2 * n : n;
    const th_expr **exprs = TH_NEW_ARRAY(s->arena, const th_expr *, (size_t)width + 1);
    th_slice *names = TH_NEW_ARRAY(s->arena, th_slice, (size_t)width + 1);
    if (exprs == NULL || names == NULL) return th_fail_memory(s->diag);
    for (uint32_t i = 0; i < width; i++) {
        exprs[i] = query_expr_column(&s->binder, i % n, plan->columns[i % n].type, NULL);
        if (exprs[i] == NULL) return th_fail_memory(s->diag);
        if (i < n) TH_TRY(query_to_storage(&s->binder, exprs[i], &exprs[i]));
        names[i] = d->columns[i % n].name;
    }
    w->stored = n;
    w->columns = plan->columns;
    w->column_count = n;
    *out = query_plan_project(&s->binder, plan, width, exprs, names);
    return *out == NULL ? th_fail_memory(s->diag) : TH_OK;
}

/* Rows and definition are one commit; a session's own definition follows the rows. */
static th_err commit_created(writing *w, const th_definition *d)
{
    statement *s = w->s;
    bool apart = s->env->session != NULL && s->env->session->apart;
    th_buf event;
    th_buf_init(&event, EVENT_SIZE_MAX);
    if (apart)
        th_catalog_reserve_event(&event, d->number);
    else
        th_catalog_put_event(&event, d);
    th_err err = th_buf_error(&event) == TH_OK ? TH_OK : th_fail_memory(s->diag);
    if (err == TH_OK) err = w->ops->change_event(w->change, th_buf_slice(&event), s->diag);
    if (err == TH_OK) err = keep_file(w);
    if (err == TH_OK) err = w->ops->change_commit(w->change, s->diag);
    th_buf_clear(&event);
    th_catalog_put_event(&event, d);
    if (err == TH_OK && apart) err = session_define(s->env->session, th_buf_slice(&event), s->diag);
    th_buf_free(&event);
    return err;
}

static th_err create_as(writing *w, const ast_statement *ast)
{
    statement *s = w->s;
    const ast_name *place = &ast->name.parts[ast->name.count - 1];
    th_definition d = {.kind = TH_DEFINE_TABLE,
                       .schema = query_schema_of(&s->binder, &ast->name),
                       .name = place->text,
                       .comment = ast->ddl->comment};
    th_plan *plan;
    if (query_recorded(s, d.schema, d.name) != NULL && !ast->ddl->or_replace) {
        if (ast->ddl->if_not_exists) return TH_OK;
        return th_fail_at(s->diag, TH_ESQL, "TABLE_ALREADY_EXISTS", place->line, place->column,
                          "Table '%.*s.%.*s' already exists", TH_SLICE_ARGS(d.schema),
                          TH_SLICE_ARGS(d.name));
    }
    TH_TRY(query_bind_query(&s->binder, ast->query, NULL, &plan));
    TH_TRY(created_columns(s, ast, plan, &d));
    TH_TRY(query_define_pairs(s, &ast->ddl->properties, &d.properties, &d.property_count));
    d.location = property(ast->ddl, "external_location");
    TH_TRY(w->ops->change_begin(s->env->provider, &s->env->principal, &w->change, s->diag));
    TH_TRY(w->ops->change_number(w->change, &d.number, s->diag));
    if (d.location.size > 0) TH_TRY(open_file(w, ast, d.location));
    TH_TRY(created_plan(w, &d, plan, &plan));
    w->target = &d;
    if (!ast->ddl->with_no_data) TH_TRY(run(w, plan));
    return commit_created(w, &d);
}

th_err query_run_create_as(statement *s, const ast_statement *ast)
{
    writing w;
    th_err err = begin(&w, s);
    if (err == TH_OK) err = create_as(&w, ast);
    end(&w);
    return err;
}

/* ---- UNLOAD ------------------------------------------------------------------------------------------------------- */

static th_err unload(writing *w, const ast_statement *ast)
{
    th_plan *plan;
    TH_TRY(query_bind_query(&w->s->binder, ast->query, NULL, &plan));
    w->columns = plan->columns;
    w->column_count = plan->column_count;
    TH_TRY(open_file(w, ast, ast->ddl->location));
    TH_TRY(run(w, plan));
    return keep_file(w);
}

th_err query_run_unload(statement *s, const ast_statement *ast)
{
    writing w;
    th_err err = begin(&w, s);
    if (err == TH_OK) err = unload(&w, ast);
    end(&w);
    return err;
}
