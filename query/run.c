/* SPDX-License-Identifier: Apache-2.0
 * Run plans: arenas, the pull loop, folding of constant expressions (query/run.h). */
#include "query/run.h"

#include "base/limits.h"
#include "query/fn/function.h"
#include "query/op/op.h"

#define MEMORY_DEFAULT (UINT64_C(1) << 30)
#define FOLD_MEMORY (UINT64_C(64) << 20)
#define SCRATCH_MAX (64u << 20) /* text that one function call may make */

typedef struct running {
    th_exec exec;
    th_run_env env;
    th_budget budget;
    th_diag own_diag;
    th_working *working;
    uint64_t spilled;
} running;

static th_err start(running *r, const th_run_env *env, uint64_t memory, th_diag *diag)
{
    r->env = *env;
    r->own_diag = (th_diag){0};
    r->spilled = 0;
    th_budget_init(&r->budget, "query", memory, env->budget);
    r->env.budget = &r->budget;
    r->working = NULL;
    r->env.working = &r->working;
    r->exec = (th_exec){.env = &r->env,
                        .diag = diag == NULL ? &r->own_diag : diag,
                        .memory_bytes = memory,
                        .spilled = &r->spilled};
    th_buf_init(&r->exec.scratch, SCRATCH_MAX);
    r->exec.arena = th_exec_arena(&r->exec);
    return r->exec.arena == NULL ? th_fail_memory(r->exec.diag) : TH_OK;
}

static void finish(running *r)
{
    eval_memos_free(&r->exec);
    th_arena_free(r->exec.arena);
    th_buf_free(&r->exec.scratch);
}

th_arena *th_exec_arena(th_exec *exec)
{
    return th_arena_new(exec->memory_bytes, exec->env->budget);
}

static th_err announce(const th_plan *plan, th_arena *arena, const th_result_sink *sink)
{
    th_result_column *columns = TH_NEW_ARRAY(arena, th_result_column, plan->column_count);
    if (columns == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < plan->column_count; i++)
        columns[i] = (th_result_column){plan->columns[i].name, plan->columns[i].type};
    return sink->columns == NULL ? TH_OK : sink->columns(sink->ctx, columns, plan->column_count);
}

static th_err pull_all(th_exec *exec, th_op *root, const th_result_sink *sink, uint64_t *rows)
{
    th_arena *batch = th_exec_arena(exec);
    const th_batch *b;
    th_err e = batch == NULL ? th_fail_memory(exec->diag) : th_op_open(root);
    while (e == TH_OK) {
        th_arena_reset(batch);
        e = th_op_next(root, batch, &b);
        if (e != TH_OK || b == NULL) break;
        if (b->rows == 0) continue;
        *rows += b->rows;
        if (exec->env->row_limit != 0 && *rows > exec->env->row_limit)
            e = th_fail(exec->diag, TH_ELIMIT, NULL, "Query has more than %llu result rows",
                        (unsigned long long)exec->env->row_limit);
        if (e == TH_OK) e = sink->batch(sink->ctx, b);
    }
    th_op_close(root);
    th_arena_free(batch);
    return e;
}

static void memory_text(running *r)
{
    th_diag *d = r->exec.diag;
    if (d->code == TH_ELIMIT && strcmp(d->name, "EXCEEDED_LOCAL_MEMORY_LIMIT") == 0) {
        th_diag_clear(d);
        (void)th_fail(d, TH_ELIMIT, "EXCEEDED_LOCAL_MEMORY_LIMIT",
                      "Query exceeded its memory limit of %llu MB",
                      (unsigned long long)(r->exec.memory_bytes >> 20));
        th_diag_hint(d, "narrow the query, or raise the memory limit");
    }
}

th_err th_plan_run(const th_plan *plan, const th_run_env *env, const th_result_sink *sink,
                   th_query_stats *stats, th_diag *diag)
{
    running r;
    th_op *root = NULL;
    uint64_t rows = 0;
    th_err e = start(&r, env, env->memory_bytes == 0 ? MEMORY_DEFAULT : env->memory_bytes, diag);
    if (e == TH_OK) e = th_op_new(&r.exec, plan, &root);
    if (e == TH_OK) e = announce(plan, r.exec.arena, sink);
    if (e == TH_OK) e = pull_all(&r.exec, root, sink, &rows);
    if (e != TH_OK) memory_text(&r);
    if (stats != NULL) {
        stats->rows = rows;
        stats->peak_bytes = atomic_load(&r.budget.peak_bytes);
    }
    finish(&r);
    return e;
}

typedef struct collector {
    th_exec *exec;
    th_builder *builders;
    uint32_t rows, row_max;
    bool full;
} collector;

static th_err collect_rows(collector *c, const th_batch *b)
{
    th_value v;
    for (uint32_t i = 0; i < b->rows && c->rows < c->row_max; i++, c->rows++) {
        for (uint32_t k = 0; k < b->column_count; k++) {
            th_value_get(&b->columns[k], i, &v);
            if (!th_builder_add(&c->builders[k], &v)) return th_fail_memory(c->exec->diag);
        }
    }
    c->full = c->rows >= c->row_max;
    return TH_OK;
}

static th_err collect_from(collector *c, th_op *root)
{
    th_arena *batch = th_exec_arena(c->exec);
    const th_batch *b;
    th_err e = batch == NULL ? th_fail_memory(c->exec->diag) : th_op_open(root);
    while (e == TH_OK && !c->full) {
        th_arena_reset(batch);
        e = th_op_next(root, batch, &b);
        if (e != TH_OK || b == NULL) break;
        e = collect_rows(c, b);
    }
    th_op_close(root);
    th_arena_free(batch);
    return e;
}

th_err th_exec_collect(th_exec *exec, const th_plan *plan, uint32_t row_max, th_vector **columns,
                       uint32_t *rows)
{
    th_run_env env = *exec->env;
    th_exec inner = {.env = &env,
                     .arena = exec->arena,
                     .diag = exec->diag,
                     .memory_bytes = exec->memory_bytes,
                     .spilled = exec->spilled};
    collector c = {.exec = &inner, .row_max = row_max};
    th_op *root;
    th_buf_init(&inner.scratch, SCRATCH_MAX);
    TH_TRY(th_op_new(&inner, plan, &root));
    TH_TRY(op_builders_init(root, exec->arena, plan, &c.builders));
    th_err e = collect_from(&c, root);
    th_buf_free(&inner.scratch);
    eval_memos_free(&inner);
    TH_TRY(e);
    *columns = TH_NEW_ARRAY(exec->arena, th_vector, plan->column_count);
    if (*columns == NULL) return th_fail_memory(exec->diag);
    for (uint32_t i = 0; i < plan->column_count; i++)
        th_builder_finish(&c.builders[i], &(*columns)[i]);
    *rows = c.rows;
    return TH_OK;
}

static bool is_constant(const th_expr *x, uint32_t lambda_from)
{
    switch (x->kind) {
    case TH_X_COLUMN:
    case TH_X_OUTER:
    case TH_X_SCALAR:
    case TH_X_EXISTS:
    case TH_X_IN_PLAN: return false;
    case TH_X_PARAM: return x->index >= lambda_from;
    case TH_X_CALL:
        if ((x->function->flags & TH_FN_VOLATILE) != 0) return false;
        break;
    case TH_X_LAMBDA:
        if (x->index < lambda_from) lambda_from = x->index;
        break;
    default: break;
    }
    for (uint32_t i = 0; i < x->child_count; i++)
        if (!is_constant(x->children[i], lambda_from)) return false;
    return true;
}

bool th_expr_is_constant(const th_expr *expr)
{
    return is_constant(expr, UINT32_MAX);
}

th_err th_expr_fold(const th_expr *expr, const th_run_env *env, th_arena *arena,
                    const th_vector **out, th_diag *diag)
{
    running r;
    th_eval *eval;
    th_vector v;
    th_value value, copy;
    th_batch one = {.rows = 1};
    th_err e = start(&r, env, FOLD_MEMORY, diag);
    if (e == TH_OK) e = th_eval_new(&r.exec, expr, &eval);
    if (e == TH_OK) e = th_eval_run(eval, &one, r.exec.arena, &v);
    if (e == TH_OK) {
        th_value_get(&v, 0, &value);
        if (!th_value_copy(arena, expr->type, &value, &copy) ||
            (*out = th_vector_const(arena, expr->type, &copy, 1)) == NULL)
            e = th_fail_memory(r.exec.diag);
    }
    finish(&r);
    return e;
}
