/* SPDX-License-Identifier: Apache-2.0
 * The door: one statement from text to result. */
#include "query/query.h"

#include <inttypes.h>
#include <time.h>

#include "query/parse.h"
#include "query/fn/zone.h"
#include "query/statement.h"

#define QUERY_MEMORY_DEFAULT (UINT64_C(1) << 30)
#define EXPLAIN_SIZE_MAX (16u << 20)

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
    /* The statements of a script share one. */
    s->control->rows_read = s->control->bytes_read = s->control->segments_read = 0;
    s->control->segments_pruned = s->control->partitions_read = s->control->segments_total = 0;
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
                          .zone = env->session == NULL ? TH_ZONE_UTC : env->session->zone,
                          .user = env->principal.name,
                          .temp_dir = env->temp_dir,
                          .options = env->options};
    return TH_OK;
}

static th_err bind_parameters(statement *s, const ast_statement *ast)
{
    const th_query_env *env = s->env;
    ast_expr **params = TH_NEW_ARRAY(s->arena, ast_expr *, env->param_count);
    if (params == NULL) return th_fail_memory(s->diag);
    if (ast->kind != AST_EXECUTE && env->param_count != ast->param_count) {
        return th_fail_at(s->diag, TH_ESQL, "INVALID_PARAMETER_USAGE", 1, 1,
                          "Incorrect number of parameters: expected %u but found %u",
                          ast->param_count, env->param_count);
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
    TH_TRY(bind_parameters(s, ast));
    if (env->provider == NULL) return TH_OK;
    TH_TRY(env->provider->ops->snapshot_open(env->provider, &env->principal, &env->as_known_at,
                                             &s->snapshot, s->diag));
    s->binder.snapshot = s->run.snapshot = s->snapshot;
    if (env->session != NULL) s->binder.own = env->session->catalog;
    if (env->provider->ops->catalog != NULL)
        s->binder.shared = env->provider->ops->catalog(s->snapshot);
    if (env->provider->ops->built_in != NULL)
        s->binder.built_in = env->provider->ops->built_in(env->provider);
    return TH_OK;
}

static th_err bind_statement(statement *s, const ast_statement *ast, th_plan **out)
{
    if (ast->kind == AST_QUERY) return query_bind_query(&s->binder, ast->query, NULL, out);
    return query_bind_show(&s->binder, ast, out);
}

static th_err finish_plan(statement *s, th_plan *plan, th_plan **out)
{
    TH_TRY(query_optimize(&s->binder, plan, out));
    uint32_t count = query_number_plan(*out);
    s->run.op_stats = TH_NEW_ARRAY(s->arena, th_op_stats, count);
    s->run.op_stats_count = count;
    return s->run.op_stats == NULL ? th_fail_memory(s->diag) : TH_OK;
}

th_err query_run_plan(statement *s, th_plan *plan, const th_result_sink *sink)
{
    TH_TRY(finish_plan(s, plan, &plan));
    return th_plan_run(plan, &s->run, sink, s->stats, s->diag);
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

static th_err not_supported(statement *s, const ast_statement *ast)
{
    return th_fail_at(s->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                      "%.*s is not supported", (int)(ast->text.size > 100 ? 100 : ast->text.size),
                      (const char *)ast->text.bytes);
}

/* The query inside a statement that can be explained, or NULL. */
static const ast_statement *explained(const ast_statement *inner, ast_statement *query)
{
    bool writes = inner->kind == AST_INSERT || inner->kind == AST_UNLOAD ||
                  inner->kind == AST_CREATE_VIEW ||
                  (inner->kind == AST_CREATE_TABLE && inner->query != NULL);
    if (writes) {
        *query = (ast_statement){
            .kind = AST_QUERY, .line = inner->line, .column = inner->column, .query = inner->query};
        return query;
    }
    bool shows = inner->kind > AST_EXPLAIN && inner->kind <= AST_SHOW_CREATE;
    bool plain = inner->kind == AST_QUERY || inner->kind == AST_DESCRIBE;
    return plain || shows ? inner : NULL;
}

static void print_plan(const statement *s, const ast_statement *ast, const th_plan *plan,
                       th_buf *text)
{
    const th_op_stats *stats = ast->analyze ? s->run.op_stats : NULL;
    if (ast->json) {
        query_explain_json(text, plan, stats, s->run.op_stats_count);
        return;
    }
    query_explain(text, plan, stats, s->run.op_stats_count);
    if (ast->analyze) print_totals(text, s->control, s->stats);
}

static th_err explain(statement *s, const ast_statement *ast)
{
    ast_statement query;
    const ast_statement *inner = explained(ast->inner, &query);
    if (inner == NULL) {
        return th_fail_at(s->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->inner->line,
                          ast->inner->column, "This statement has no plan to explain");
    }
    th_plan *plan = NULL, *lines = NULL;
    TH_TRY(bind_statement(s, inner, &plan));
    TH_TRY(finish_plan(s, plan, &plan));
    th_result_sink none = {.batch = drop_batch};
    if (ast->analyze) TH_TRY(th_plan_run(plan, &s->run, &none, s->stats, s->diag));
    th_buf text;
    th_buf_init(&text, EXPLAIN_SIZE_MAX);
    print_plan(s, ast, plan, &text);
    th_err err = th_buf_error(&text) == TH_OK ? TH_OK : th_fail_memory(s->diag);
    th_slice copy = th_arena_copy(s->arena, th_buf_slice(&text));
    th_buf_free(&text);
    if (err == TH_OK && copy.bytes == NULL) err = th_fail_memory(s->diag);
    if (err == TH_OK) err = query_list_lines(&s->binder, copy, "Query Plan", &lines);
    return err != TH_OK ? err : query_run_plan(s, lines, s->sink);
}

static th_statement_kind kind_of(const ast_statement *ast)
{
    switch (ast->kind) {
    case AST_QUERY:
    case AST_EXECUTE:
    case AST_INSERT:
    case AST_UNLOAD: return TH_STATEMENT_QUERY;
    case AST_CREATE_TABLE: return ast->query != NULL ? TH_STATEMENT_QUERY : TH_STATEMENT_DDL;
    case AST_CREATE_VIEW:
    case AST_CREATE_SCHEMA:
    case AST_DROP:
    case AST_ALTER_TABLE:
    case AST_ALTER_SCHEMA:
    case AST_REPAIR:
    case AST_INDEX: return TH_STATEMENT_DDL;
    default: return TH_STATEMENT_UTILITY;
    }
}

th_err query_run_parsed(statement *s, const ast_statement *ast)
{
    th_plan *plan = NULL;
    s->stats->kind = kind_of(ast);
    switch (ast->kind) {
    case AST_UNSUPPORTED: return not_supported(s, ast);
    case AST_EXPLAIN: return explain(s, ast);
    case AST_USE: return query_run_use(s, ast);
    case AST_SET:
    case AST_RESET: return query_run_set(s, ast);
    case AST_SHOW_SESSION: return query_run_show_session(s, ast);
    case AST_PREPARE:
    case AST_EXECUTE:
    case AST_DEALLOCATE:
    case AST_DESCRIBE_INPUT:
    case AST_DESCRIBE_OUTPUT: return query_run_prepared(s, ast);
    case AST_INSERT: return query_run_insert(s, ast);
    case AST_UNLOAD: return query_run_unload(s, ast);
    case AST_CREATE_VIEW:
    case AST_CREATE_TABLE:
    case AST_CREATE_SCHEMA:
    case AST_DROP:
    case AST_ALTER_TABLE:
    case AST_ALTER_SCHEMA:
    case AST_REPAIR:
    case AST_INDEX: return query_run_ddl(s, ast);
    default: break;
    }
    TH_TRY(bind_statement(s, ast, &plan));
    return query_run_plan(s, plan, s->sink);
}

static th_err run_statement(statement *s, th_slice sql)
{
    ast_statement *ast = NULL;
    TH_TRY(open_statement(s));
    TH_TRY(query_parse(sql, s->arena, &ast, s->diag));
    TH_TRY(open_binder(s, ast));
    return query_run_parsed(s, ast);
}

th_err th_query_run(const th_query_env *env, th_slice sql, const th_result_sink *sink,
                    th_query_stats *stats, th_diag *diag)
{
    th_diag own_diag = {0};
    if (diag == NULL) diag = &own_diag;
    th_query_stats own = {0}, *filled = stats == NULL ? &own : stats;
    statement s = {.env = env, .sink = sink, .diag = diag, .stats = filled};
    int64_t start = clock_us(CLOCK_MONOTONIC);
    *filled = (th_query_stats){0};
    th_err err = run_statement(&s, sql);
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
