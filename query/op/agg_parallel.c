/* SPDX-License-Identifier: Apache-2.0
 * Aggregation over a scan by several threads. Each has operators of its own over the same plan and takes segments from
 * the one open scan until none is left; then their groups are put together in the order in which one thread would have
 * seen them, so that the answer is the same to the last row for any number of threads.
 *
 * When a worker fails, all is done again by the calling thread alone: its error is then that of the first row that has
 * one, and what does not fit twice into memory may fit once. */
#include <pthread.h>
#include <unistd.h>

#include "base/limits.h"
#include "query/fn/function.h"
#include "query/op/agg.h"
#include "query/op/scan.h"

#define WORKERS_MAX 64u
#define ROWS_MIN 100000u /* less is not worth a thread, unless threads are asked for by number */
#define STACK_SIZE (512u << 10)
#define SCRATCH_MAX (64u << 20)

typedef struct worker {
    th_exec exec;
    th_run_env env;
    th_diag diag;
    th_op *op;
    scan_share *share;
    pthread_t thread;
    bool started;
    th_err err;
} worker;

/* Threads beside those that run statements, of the whole process. */
static atomic_uint busy;

static uint32_t cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > (long)WORKERS_MAX ? WORKERS_MAX : (uint32_t)n;
}

/* Up to so many more threads; how many. */
static uint32_t hire(uint32_t wanted, bool by_number)
{
    uint32_t most = by_number ? WORKERS_MAX : cores() - 1, now = atomic_load(&busy), n;
    do {
        n = now >= most ? 0 : most - now < wanted ? most - now : wanted;
    } while (n > 0 && !atomic_compare_exchange_weak(&busy, &now, now + n));
    return n;
}

static bool is_steady(const th_expr *x)
{
    if (x == NULL) return true;
    if (x->plan != NULL || x->kind == TH_X_OUTER) return false;
    if (x->kind == TH_X_CALL && (x->function->flags & TH_FN_VOLATILE) != 0) return false;
    for (uint32_t i = 0; i < x->child_count; i++)
        if (!is_steady(x->children[i])) return false;
    return true;
}

static bool all_steady(const th_expr *const *exprs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!is_steady(exprs[i])) return false;
    return true;
}

/* Only filters and projections lie between the aggregation and the scan, which is given. NULL: something else does. */
static th_op *find_scan(const agg_op *g)
{
    th_op *op = g->op.inputs[0];
    for (; op->plan->kind == TH_P_FILTER || op->plan->kind == TH_P_PROJECT; op = op->inputs[0])
        if (!is_steady(op->plan->predicate) || !all_steady(op->plan->exprs, op->plan->expr_count))
            return NULL;
    return op->plan->kind == TH_P_SCAN ? op : NULL;
}

static bool calls_steady(const th_plan *plan)
{
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        const th_agg_call *call = &plan->aggregates[i];
        if (!all_steady(call->args, call->arg_count) || !is_steady(call->filter)) return false;
    }
    return true;
}

/* How many workers it is worth; 1: none. */
static uint32_t workers_wanted(const agg_op *g, th_op *scan)
{
    const th_run_env *env = g->op.exec->env;
    uint32_t threads = env->options.threads == 0 ? cores() : env->options.threads;
    uint32_t segments = op_scan_share(scan)->segments;
    if (threads > WORKERS_MAX) threads = WORKERS_MAX;
    if (threads > segments) threads = segments;
    if (threads < 2 || (env->options.threads == 0 && op_scan_rows(scan) < ROWS_MIN)) return 1;
    return threads;
}

static th_err work(worker *w)
{
    TH_TRY(th_op_new(&w->exec, w->op->plan, &w->op));
    TH_TRY(th_op_open(w->op));
    agg_op *g = (agg_op *)w->op;
    g->scan = find_scan(g);
    return agg_consume_rows(g);
}

static void *run_worker(void *ctx)
{
    worker *w = ctx;
    w->err = work(w);
    if (w->err != TH_OK) atomic_store(&w->share->next, w->share->segments);
    return NULL;
}

static th_err begin_worker(agg_op *g, worker *w, scan_share *share)
{
    const th_exec *exec = g->op.exec;
    w->env = *exec->env;
    w->op = &g->op; /* of the plan that is run; then its own */
    w->share = share;
    w->exec = (th_exec){
        .env = &w->env, .diag = &w->diag, .memory_bytes = exec->memory_bytes, .scan_share = share};
    th_buf_init(&w->exec.scratch, SCRATCH_MAX);
    w->exec.arena = th_exec_arena(&w->exec);
    if (w->exec.arena == NULL) return op_memory(&g->op);
    if (w->env.op_stats == NULL) return TH_OK;
    w->env.op_stats = TH_NEW_ARRAY(w->exec.arena, th_op_stats, w->env.op_stats_count);
    return w->env.op_stats == NULL ? op_memory(&g->op) : TH_OK;
}

static void end_worker(agg_op *g, worker *w)
{
    const th_run_env *env = g->op.exec->env;
    for (uint32_t i = 0; env->op_stats != NULL && w->env.op_stats != NULL && w->err == TH_OK &&
                         i < env->op_stats_count;
         i++) {
        env->op_stats[i].rows += w->env.op_stats[i].rows;
        env->op_stats[i].batches += w->env.op_stats[i].batches;
        env->op_stats[i].total_us += w->env.op_stats[i].total_us;
    }
    if (w->op != &g->op) th_op_close(w->op);
    eval_memos_free(&w->exec);
    th_arena_free(w->exec.arena);
    th_buf_free(&w->exec.scratch);
}

static void start_threads(worker *workers, uint32_t count)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    for (uint32_t i = 1; i < count; i++)
        workers[i].started =
            pthread_create(&workers[i].thread, &attr, run_worker, &workers[i]) == 0;
    pthread_attr_destroy(&attr);
}

static th_err run_all(agg_op *g, worker *workers, uint32_t count)
{
    agg_op *done[WORKERS_MAX];
    uint32_t n = 0;
    th_err err = TH_OK;
    start_threads(workers, count);
    run_worker(&workers[0]);
    for (uint32_t i = 1; i < count; i++)
        if (workers[i].started) pthread_join(workers[i].thread, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && !workers[i].started) continue;
        done[n++] = (agg_op *)workers[i].op;
        if (err == TH_OK) err = workers[i].err;
        if (workers[i].err == TH_ECANCELED || workers[i].err == TH_ETIME) {
            *g->op.exec->diag = workers[i].diag;
            return workers[i].err;
        }
    }
    return err == TH_OK ? agg_merge(g, done, n) : err;
}

/* As it was before any row. */
static th_err begin_again(agg_op *g, scan_share *share)
{
    th_diag_clear(g->op.exec->diag);
    agg_close_state(g);
    atomic_store(&share->next, 0);
    return agg_open_state(g);
}

th_err agg_consume_parallel(agg_op *g, bool *done)
{
    const th_exec *exec = g->op.exec;
    *done = false;
    if (exec->scan_share != NULL || exec->env->options.plain_vectors ||
        !agg_can_merge(g->op.plan) || !calls_steady(g->op.plan) ||
        !all_steady(g->op.plan->exprs, g->op.plan->expr_count))
        return TH_OK;
    th_op *scan = find_scan(g);
    uint32_t wanted = scan == NULL ? 1 : workers_wanted(g, scan);
    if (wanted < 2) return TH_OK;
    uint32_t hired = hire(wanted - 1, exec->env->options.threads != 0), count = hired + 1;
    if (hired == 0) return TH_OK;
    worker *workers = TH_NEW_ARRAY(exec->arena, worker, count);
    th_err err = workers == NULL ? op_memory(&g->op) : TH_OK;
    for (uint32_t i = 0; err == TH_OK && i < count; i++)
        err = begin_worker(g, &workers[i], op_scan_share(scan));
    if (err == TH_OK) err = run_all(g, workers, count);
    for (uint32_t i = 0; workers != NULL && i < count; i++) end_worker(g, &workers[i]);
    atomic_fetch_sub(&busy, hired);
    *done = err == TH_OK;
    if (err == TH_OK || err == TH_ECANCELED || err == TH_ETIME) return err;
    return begin_again(g, op_scan_share(scan));
}
