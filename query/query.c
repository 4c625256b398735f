/* SPDX-License-Identifier: Apache-2.0
 * The door: one statement from text to result. */
#include "query/query.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "query/bind.h"
#include "query/parse.h"

enum { SCHEMA_SIZE_MAX = 256 };
#define QUERY_MEMORY_DEFAULT (UINT64_C(1) << 30)
#define EXPLAIN_SIZE_MAX (16u << 20)

struct th_session {
    char schema[SCHEMA_SIZE_MAX + 1];
};

th_session *th_session_new(void)
{
    th_session *session = calloc(1, sizeof *session);
    if (session != NULL) memcpy(session->schema, "default", sizeof "default");
    return session;
}

void th_session_free(th_session *session)
{
    free(session);
}

/* All that one statement holds. */
typedef struct statement {
    const th_query_env *env;
    const th_result_sink *sink;
    th_query_stats *stats;
    th_diag *diag;
    th_arena *arena;
    th_query_control own_control, *control;
    th_snapshot *snapshot;
    th_run_env run;
    binder binder;
} statement;

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static th_err open_statement(statement *s)
{
    const th_query_env *env = s->env;
    s->control = env->control != NULL ? env->control : &s->own_control;
    if (env->limits.time_us > 0) {
        int64_t deadline = clock_us(CLOCK_MONOTONIC) + env->limits.time_us;
        if (s->control->deadline_mono_us == 0 || deadline < s->control->deadline_mono_us) {
            s->control->deadline_mono_us = deadline;
        }
    }
    uint64_t memory =
        env->limits.memory_bytes == 0 ? QUERY_MEMORY_DEFAULT : env->limits.memory_bytes;
    s->arena = th_arena_new(memory, env->budget);
    if (s->arena == NULL) return th_fail_memory(s->diag);
    s->run = (th_run_env){.provider = env->provider,
                          .control = s->control,
                          .budget = env->budget,
                          .memory_bytes = memory,
                          .row_limit = env->limits.rows,
                          .now_us = clock_us(CLOCK_REALTIME),
                          .user = env->principal.name,
                          .temp_dir = env->temp_dir,
                          .options = env->options};
    return TH_OK;
}

static th_err bind_parameters(statement *s, uint32_t wanted)
{
    const th_query_env *env = s->env;
    ast_expr **params = TH_NEW_ARRAY(s->arena, ast_expr *, env->param_count);
    if (params == NULL) return th_fail_memory(s->diag);
    if (env->param_count != wanted) {
        return th_fail_at(s->diag, TH_ESQL, "INVALID_PARAMETER_USAGE", 1, 1,
                          "Incorrect number of parameters: expected %u but found %u", wanted,
                          env->param_count);
    }
    for (uint32_t i = 0; i < env->param_count; i++) {
        th_diag why = {0};
        th_err err = query_parse_lone_expr(env->params[i], s->arena, &params[i], &why);
        if (err == TH_OK) continue;
        return th_fail(s->diag, err, "INVALID_PARAMETER_USAGE",
                       "Parameter %u is not an SQL literal: %s", i + 1, why.text);
    }
    s->binder.params = params;
    s->binder.param_count = env->param_count;
    return TH_OK;
}

static th_err open_binder(statement *s, const ast_statement *ast)
{
    const th_query_env *env = s->env;
    th_slice schema =
        env->session == NULL ? TH_SLICE("default") : th_slice_text(env->session->schema);
    s->binder.arena = s->arena;
    s->binder.diag = s->diag;
    s->binder.provider = env->provider;
    s->binder.schema = schema;
    s->binder.run = &s->run;
    s->binder.stack = stack_guard_here();
    TH_TRY(bind_parameters(s, ast->param_count));
    if (env->provider == NULL) return TH_OK;
    TH_TRY(env->provider->ops->snapshot_open(env->provider, &env->principal, &env->as_known_at,
                                             &s->snapshot, s->diag));
    s->binder.snapshot = s->run.snapshot = s->snapshot;
    return TH_OK;
}

static th_err make_plan(statement *s, const ast_statement *ast, th_plan **out)
{
    if (ast->kind == AST_QUERY)
        TH_TRY(query_bind_query(&s->binder, ast->query, NULL, out));
    else
        TH_TRY(query_bind_show(&s->binder, ast, out));
    TH_TRY(query_optimize(&s->binder, *out, out));
    uint32_t count = query_number_plan(*out);
    s->run.op_stats = TH_NEW_ARRAY(s->arena, th_op_stats, count);
    s->run.op_stats_count = count;
    return s->run.op_stats == NULL ? th_fail_memory(s->diag) : TH_OK;
}

static th_err drop_batch(void *ctx, const th_batch *batch)
{
    (void)ctx;
    (void)batch;
    return TH_OK;
}

static void print_totals(th_buf *out, const th_query_control *c, const th_query_stats *stats)
{
    th_buf_printf(
        out,
        "rows read %" PRIuFAST64 ", bytes read %" PRIuFAST64 ", segments read %" PRIuFAST64
        ", pruned %" PRIuFAST64 ", peak memory %" PRIu64 " bytes\n",
        c->rows_read, c->bytes_read, c->segments_read, c->segments_pruned, stats->peak_bytes);
}

/* The lines of the text as rows of one column. */
static th_err lines_plan(statement *s, th_slice text, th_plan **out)
{
    uint32_t rows = 0;
    for (size_t i = 0; i < text.size; i++) rows += text.bytes[i] == '\n';
    th_plan *plan = query_plan_new(&s->binder, TH_P_VALUES, 1, 0, NULL);
    const th_expr **cells = TH_NEW_ARRAY(s->arena, const th_expr *, rows);
    if (plan == NULL || cells == NULL) return th_fail_memory(s->diag);
    for (uint32_t i = 0; i < rows; i++) {
        size_t size = (size_t)((const uint8_t *)memchr(text.bytes, '\n', text.size) - text.bytes);
        cells[i] = query_expr_text(&s->binder, th_slice_of(text.bytes, size), NULL);
        if (cells[i] == NULL) return th_fail_memory(s->diag);
        text = th_slice_of(text.bytes + size + 1, text.size - size - 1);
    }
    *(th_plan_column *)(uintptr_t)plan->columns =
        (th_plan_column){TH_SLICE("Query Plan"), &th_type_varchar};
    plan->exprs = cells;
    plan->expr_count = plan->row_count = rows;
    *out = plan;
    return TH_OK;
}

static th_err not_supported(statement *s, const ast_statement *ast)
{
    return th_fail_at(s->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                      "%.*s is not supported", (int)(ast->text.size > 100 ? 100 : ast->text.size),
                      (const char *)ast->text.bytes);
}

static th_err explain(statement *s, const ast_statement *ast, th_query_stats *stats)
{
    const ast_statement *inner = ast->inner;
    if (inner->kind == AST_UNSUPPORTED || inner->kind == AST_USE) return not_supported(s, inner);
    if (inner->kind == AST_EXPLAIN) {
        return th_fail_at(s->diag, TH_ESYNTAX, "SYNTAX_ERROR", inner->line, inner->column,
                          "EXPLAIN cannot be explained");
    }
    th_plan *plan = NULL, *lines = NULL;
    TH_TRY(make_plan(s, inner, &plan));
    th_result_sink none = {.batch = drop_batch};
    if (ast->analyze) TH_TRY(th_plan_run(plan, &s->run, &none, stats, s->diag));
    th_buf text;
    th_buf_init(&text, EXPLAIN_SIZE_MAX);
    query_explain(&text, plan, ast->analyze ? s->run.op_stats : NULL, s->run.op_stats_count);
    if (ast->analyze) print_totals(&text, s->control, stats);
    th_err err = th_buf_error(&text) == TH_OK ? TH_OK : th_fail_memory(s->diag);
    th_slice copy = th_arena_copy(s->arena, th_buf_slice(&text));
    th_buf_free(&text);
    if (err == TH_OK && copy.bytes == NULL) err = th_fail_memory(s->diag);
    if (err == TH_OK) err = lines_plan(s, copy, &lines);
    s->run.op_stats = NULL;
    return err != TH_OK ? err : th_plan_run(lines, &s->run, s->sink, stats, s->diag);
}

/* USE [catalog.]schema: tables named alone are looked for there from now on. */
static th_err use_schema(statement *s, const ast_statement *ast)
{
    th_slice name = ast->name.parts[ast->name.count - 1].text;
    if (s->env->session == NULL)
        return th_fail(s->diag, TH_EUNSUPPORTED, NULL, "There is no session to USE it in");
    if (name.size > SCHEMA_SIZE_MAX) {
        return th_fail_at(s->diag, TH_ESQL, "SCHEMA_NOT_FOUND", ast->line, ast->column,
                          "The schema does not exist");
    }
    memcpy(s->env->session->schema, name.bytes, name.size);
    s->env->session->schema[name.size] = '\0';
    return TH_OK;
}

static th_err run_statement(statement *s, th_slice sql, th_query_stats *stats)
{
    ast_statement *ast = NULL;
    th_plan *plan = NULL;
    TH_TRY(open_statement(s));
    TH_TRY(query_parse(sql, s->arena, &ast, s->diag));
    stats->kind = ast->kind == AST_QUERY ? TH_STATEMENT_QUERY : TH_STATEMENT_UTILITY;
    if (ast->kind == AST_UNSUPPORTED) return not_supported(s, ast);
    TH_TRY(open_binder(s, ast));
    if (ast->kind == AST_EXPLAIN) return explain(s, ast, stats);
    if (ast->kind == AST_USE) return use_schema(s, ast);
    TH_TRY(make_plan(s, ast, &plan));
    return th_plan_run(plan, &s->run, s->sink, stats, s->diag);
}

th_err th_query_run(const th_query_env *env, th_slice sql, const th_result_sink *sink,
                    th_query_stats *stats, th_diag *diag)
{
    th_diag own_diag = {0};
    if (diag == NULL) diag = &own_diag;
    statement s = {.env = env, .sink = sink, .diag = diag};
    th_query_stats own = {0}, *filled = stats == NULL ? &own : stats;
    int64_t start = clock_us(CLOCK_MONOTONIC);
    *filled = (th_query_stats){0};
    th_err err = run_statement(&s, sql, filled);
    if (err != TH_OK) th_fail(diag, err, NULL, "%s", th_err_text(err));
    if (s.snapshot != NULL) env->provider->ops->snapshot_close(s.snapshot);
    th_arena_free(s.arena);
    if (s.control != NULL) {
        filled->rows_read = s.control->rows_read;
        filled->bytes_read = s.control->bytes_read;
        filled->segments_read = s.control->segments_read;
        filled->segments_pruned = s.control->segments_pruned;
    }
    filled->elapsed_us = clock_us(CLOCK_MONOTONIC) - start;
    return err;
}
