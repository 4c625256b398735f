/* SPDX-License-Identifier: Apache-2.0
 * The steps from a bound plan to one that runs well, and the numbering of its nodes. */
#include "query/bind.h"

static th_plan *mutable_plan(const th_plan *plan)
{
    return (th_plan *)(uintptr_t)plan; /* made by this statement, in its arena, not yet running */
}

static th_err feed_scans(binder *b, const th_plan *plan, uint32_t depth)
{
    if (depth > QUERY_PLAN_DEPTH_MAX || stack_guard_full(&b->stack)) {
        return th_fail_at(b->diag, TH_ELIMIT, "EXCEEDED_NESTING_LIMIT", 1, 1,
                          "The statement's plan is over %u operators deep", QUERY_PLAN_DEPTH_MAX);
    }
    if (plan->kind == TH_P_FILTER && plan->inputs[0]->kind == TH_P_SCAN) {
        return query_scan_predicates(b, plan->predicate, mutable_plan(plan->inputs[0]));
    }
    for (uint32_t i = 0; i < plan->input_count; i++)
        TH_TRY(feed_scans(b, plan->inputs[i], depth + 1));
    return TH_OK;
}

static void number(const th_plan *plan, uint32_t *next);

static void number_expr(const th_expr *e, uint32_t *next)
{
    if (e == NULL) return;
    if (e->plan != NULL) number(e->plan, next);
    for (uint32_t i = 0; i < e->child_count; i++) number_expr(e->children[i], next);
}

static void number_exprs(const th_expr *const *exprs, uint32_t count, uint32_t *next)
{
    for (uint32_t i = 0; i < count; i++) number_expr(exprs[i], next);
}

static void number_call(const th_agg_call *call, uint32_t *next)
{
    number_exprs(call->args, call->arg_count, next);
    number_expr(call->filter, next);
    for (uint32_t k = 0; k < call->order_count; k++) number_expr(call->order[k].expr, next);
}

static void number_calls(const th_plan *plan, uint32_t *next)
{
    for (uint32_t i = 0; i < plan->aggregate_count; i++) number_call(&plan->aggregates[i], next);
    for (uint32_t i = 0; i < plan->window_count; i++) {
        number_call(&plan->windows[i].call, next);
        number_expr(plan->windows[i].start.offset, next);
        number_expr(plan->windows[i].end.offset, next);
    }
}

static void number(const th_plan *plan, uint32_t *next)
{
    mutable_plan(plan)->id = (*next)++;
    number_expr(plan->predicate, next);
    number_exprs(plan->exprs, plan->expr_count, next);
    number_exprs(plan->left_keys, plan->key_count, next);
    number_exprs(plan->right_keys, plan->key_count, next);
    number_calls(plan, next);
    for (uint32_t i = 0; i < plan->sort_count; i++) number_expr(plan->sorts[i].expr, next);
    for (uint32_t i = 0; i < plan->input_count; i++) number(plan->inputs[i], next);
}

uint32_t query_number_plan(const th_plan *plan)
{
    uint32_t next = 0;
    number(plan, &next);
    return next;
}

th_err query_optimize(binder *b, const th_plan *plan, th_plan **out)
{
    const th_plan *better;
    TH_TRY(query_apply(b, plan, &better));
    if (b->run->options.plain_plan) {
        *out = mutable_plan(better);
        return TH_OK;
    }
    TH_TRY(query_push_filters(b, better, &better));
    TH_TRY(query_order_joins(b, better, &better));
    TH_TRY(query_push_filters(b, better, &better)); /* what follows of the conditions */
    TH_TRY(query_narrow(b, better, &better));
    TH_TRY(feed_scans(b, better, 1));
    *out = mutable_plan(better);
    return TH_OK;
}
