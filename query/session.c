/* SPDX-License-Identifier: Apache-2.0
 * What a client keeps between statements: the schema in use, settings, its own definitions. Every change is a line of
 * JSON, so that a session can be kept in a file and taken up again. */
#include <stdlib.h>

#include "json/json.h"
#include "query/result.h"
#include "query/fn/zone.h"
#include "query/statement.h"

#define EVENT_SIZE_MAX (4u << 20)

th_session *th_session_new(void)
{
    th_session *session = calloc(1, sizeof *session);
    if (session == NULL) return NULL;
    memcpy(session->schema, "default", sizeof "default");
    session->settings = calloc(SESSION_SETTINGS_MAX, sizeof *session->settings);
    session->catalog = th_catalog_new();
    if (session->catalog != NULL && session->settings != NULL) return session;
    th_session_free(session);
    return NULL;
}

void th_session_free(th_session *session)
{
    if (session == NULL) return;
    th_catalog_free(session->catalog);
    free(session->settings);
    free(session);
}

void th_session_set_apart(th_session *session)
{
    session->apart = true;
}

void th_session_set_journal(th_session *session, th_session_journal journal, void *ctx)
{
    session->journal = journal;
    session->journal_ctx = ctx;
}

static th_err tell(th_session *session, th_slice line, th_diag *diag)
{
    return session->journal == NULL ? TH_OK : session->journal(session->journal_ctx, line, diag);
}

th_err session_define(th_session *session, th_slice event, th_diag *diag)
{
    TH_TRY(tell(session, event, diag));
    return th_catalog_apply(session->catalog, event, diag);
}

/* ---- settings ----------------------------------------------------------------------------------------------------- */

static void copy_text(char *out, size_t room, th_slice text)
{
    size_t size = text.size < room ? text.size : room - 1;
    if (size > 0) memcpy(out, text.bytes, size);
    out[size] = '\0';
}

static session_setting *find_setting(th_session *session, th_slice name)
{
    for (uint32_t i = 0; i < session->setting_count; i++)
        if (th_slice_equal_nocase(th_slice_text(session->settings[i].name), name))
            return &session->settings[i];
    return NULL;
}

/* value.bytes NULL: take it away. False: there are too many. */
static bool put_setting(th_session *session, th_slice name, th_slice value)
{
    session_setting *setting = find_setting(session, name);
    if (value.bytes == NULL) {
        if (setting != NULL) *setting = session->settings[--session->setting_count];
        return true;
    }
    if (setting == NULL) {
        if (session->setting_count == SESSION_SETTINGS_MAX) return false;
        setting = &session->settings[session->setting_count++];
        copy_text(setting->name, sizeof setting->name, name);
    }
    copy_text(setting->value, sizeof setting->value, value);
    return true;
}

static bool put_zone(th_session *session, th_slice name)
{
    return th_zone_find(name, &session->zone);
}

/* {"op":"use"|"zone"|"set"|"reset", "name":..., "value":...} */
static th_err event(th_session *session, const char *op, th_slice name, th_slice value,
                    th_diag *diag)
{
    if (session->journal == NULL) return TH_OK;
    th_buf line;
    th_json_writer w;
    th_buf_init(&line, EVENT_SIZE_MAX);
    th_json_writer_init(&w, &line);
    th_json_begin_object(&w);
    th_json_put_key(&w, "op");
    th_json_put_text(&w, op);
    th_json_put_key(&w, "name");
    th_json_put_string(&w, name);
    th_json_put_key(&w, "value");
    th_json_put_string(&w, value);
    th_json_end_object(&w);
    th_err err = th_buf_error(&line) == TH_OK ? tell(session, th_buf_slice(&line), diag)
                                              : th_fail_memory(diag);
    th_buf_free(&line);
    return err;
}

static th_slice member(th_slice raw, const char *key, th_arena *arena)
{
    th_slice value = th_json_member(raw, th_slice_text(key));
    if (th_json_kind_of(value) != TH_JSON_STRING) return TH_SLICE("");
    return th_json_string(value, arena);
}

static th_err replay(th_session *session, th_slice line, th_slice raw, th_arena *arena,
                     th_diag *diag)
{
    th_slice op = member(raw, "op", arena), name = member(raw, "name", arena),
             value = member(raw, "value", arena);
    if (th_slice_is(op, "use")) {
        copy_text(session->schema, sizeof session->schema, name);
    } else if (th_slice_is(op, "zone")) {
        put_zone(session, name);
    } else if (th_slice_is(op, "set")) {
        put_setting(session, name, value);
    } else if (th_slice_is(op, "reset")) {
        put_setting(session, name, (th_slice){0});
    } else {
        return th_catalog_apply(session->catalog, line, diag);
    }
    return TH_OK;
}

th_err th_session_replay(th_session *session, th_slice line, th_diag *diag)
{
    th_slice raw;
    TH_TRY(th_json_document(line, 8, &raw, diag));
    th_arena *arena = th_arena_new(EVENT_SIZE_MAX, NULL);
    if (arena == NULL) return th_fail_memory(diag);
    th_err err = replay(session, line, raw, arena, diag);
    th_arena_free(arena);
    return err;
}

/* ---- statements --------------------------------------------------------------------------------------------------- */

static th_err no_session(statement *s, const ast_statement *ast)
{
    return th_fail_at(s->diag, TH_EUNSUPPORTED, NULL, ast->line, ast->column,
                      "There is no session that could keep this");
}

/* USE [catalog.]schema: tables named alone are looked for there from now on. */
th_err query_run_use(statement *s, const ast_statement *ast)
{
    th_session *session = s->env->session;
    const ast_name *name = &ast->name.parts[ast->name.count - 1];
    if (session == NULL) return no_session(s, ast);
    const th_slice *schemas;
    uint32_t count;
    bool found = false;
    TH_TRY(query_list_schemas(&s->binder, &schemas, &count));
    for (uint32_t i = 0; i < count && !found; i++)
        found = th_slice_equal_nocase(schemas[i], name->text);
    if (!found || name->text.size > SESSION_NAME_MAX) {
        return th_fail_at(s->diag, TH_ESQL, "SCHEMA_NOT_FOUND", name->line, name->column,
                          "Schema '%.*s' does not exist", TH_SLICE_ARGS(name->text));
    }
    TH_TRY(event(session, "use", name->text, (th_slice){0}, s->diag));
    copy_text(session->schema, sizeof session->schema, name->text);
    return TH_OK;
}

static th_slice joined(statement *s, const ast_path *path)
{
    th_buf text;
    th_buf_init(&text, 4096);
    for (uint32_t i = 0; i < path->count; i++) {
        if (i > 0) th_buf_add_byte(&text, '.');
        th_buf_add_slice(&text, path->parts[i].text);
    }
    th_slice copy = th_arena_copy(s->arena, th_buf_slice(&text));
    th_buf_free(&text);
    return copy;
}

static th_err constant_text(statement *s, const ast_expr *ast, th_slice *out)
{
    bind_relation nothing = {0};
    bind_place at = {.b = &s->binder, .from = &nothing, .clause = "SET"};
    const th_expr *value;
    TH_TRY(query_bind_expr(&at, ast, &value));
    if (value->kind != TH_X_CONST) {
        return th_fail_at(s->diag, TH_ESQL, "INVALID_SESSION_PROPERTY", ast->line, ast->column,
                          "The value is not a constant");
    }
    th_buf text;
    th_buf_init(&text, 1u << 16);
    th_value_text(&text, value->constant, 0);
    *out = th_arena_copy(s->arena, th_buf_slice(&text));
    th_buf_free(&text);
    return out->bytes == NULL ? th_fail_memory(s->diag) : TH_OK;
}

static th_err set_zone(statement *s, const ast_statement *ast)
{
    th_session *session = s->env->session;
    th_slice name = TH_SLICE("UTC");
    if (ast->ddl->value != NULL) TH_TRY(constant_text(s, ast->ddl->value, &name));
    if (!put_zone(session, name)) {
        return th_fail_at(s->diag, TH_ESQL, "INVALID_SESSION_PROPERTY", ast->line, ast->column,
                          "'%.*s' is not a time zone", TH_SLICE_ARGS(name));
    }
    return event(session, "zone", name, (th_slice){0}, s->diag);
}

/* Settings of other engines are taken and change nothing here. */
th_err query_run_set(statement *s, const ast_statement *ast)
{
    th_session *session = s->env->session;
    if (session == NULL) return no_session(s, ast);
    if (ast->word.size > 0) return set_zone(s, ast);
    th_slice name = joined(s, &ast->name), value = {0};
    if (ast->kind == AST_SET) TH_TRY(constant_text(s, ast->ddl->value, &value));
    if (name.size > SESSION_NAME_MAX || value.size > SESSION_VALUE_MAX ||
        !put_setting(session, name, value)) {
        return th_fail_at(s->diag, TH_ELIMIT, "INVALID_SESSION_PROPERTY", ast->line, ast->column,
                          "A session keeps %d settings of %d bytes", SESSION_SETTINGS_MAX,
                          SESSION_VALUE_MAX);
    }
    return event(session, ast->kind == AST_SET ? "set" : "reset", name, value, s->diag);
}

th_err query_run_show_session(statement *s, const ast_statement *ast)
{
    static const char *const names[] = {"Name", "Value", "Default", "Type", "Description"};
    listing l = {.b = &s->binder, .width = 5};
    const th_session *session = s->env->session;
    (void)ast;
    for (uint32_t i = 0; session != NULL && i < session->setting_count; i++) {
        const th_slice row[] = {th_slice_text(session->settings[i].name),
                                th_slice_text(session->settings[i].value), TH_SLICE(""),
                                TH_SLICE("varchar"), TH_SLICE("kept, without effect here")};
        TH_TRY(query_list_row(&l, row));
    }
    th_plan *plan;
    TH_TRY(query_list_finish(&l, names, NULL, &plan));
    return query_run_plan(s, plan, s->sink);
}
