/* SPDX-License-Identifier: Apache-2.0
 * Groups of several workers put together. Only aggregates whose result does not depend on the order of rows: sums of
 * doubles and means would differ in their last digits with the number of threads. */
#include <stdlib.h>

#include "query/fn/aggregate_impl.h"
#include "query/fn/aggregate_merge.h"
#include "query/op/agg.h"
#include "query/type/number.h"

typedef enum merge_kind {
    MERGE_NONE,
    MERGE_COUNT,
    MERGE_SUM,
    MERGE_DECIMAL,
    MERGE_BEST,
    MERGE_LIST,    /* percentiles */
    MERGE_DISTINCT /* the tuples that were met */
} merge_kind;

/* Types of which equal values are the same value. */
static bool is_plain(const th_type *type)
{
    return th_type_is_integer(type) || type->kind == TH_VARCHAR || type->kind == TH_BOOLEAN ||
           type->kind == TH_DATE;
}

static merge_kind kind_of(const th_agg_call *call)
{
    const th_aggregate *a = call->aggregate;
    th_agg_total total = th_aggregate_total(a);
    if (call->order_count > 0) return MERGE_NONE;
    if ((a->add == add_min || a->add == add_max) && call->arg_count == 1 &&
        is_plain(call->args[0]->type))
        return MERGE_BEST; /* DISTINCT changes nothing */
    if (call->distinct) {
        bool counts = total == TH_AGG_TOTAL_ROWS || total == TH_AGG_TOTAL_BIGINT;
        return counts && call->arg_count > 0 ? MERGE_DISTINCT : MERGE_NONE;
    }
    if (total == TH_AGG_TOTAL_ROWS || total == TH_AGG_TOTAL_TRUE) return MERGE_COUNT;
    if (total == TH_AGG_TOTAL_BIGINT) return MERGE_SUM;
    if (total == TH_AGG_TOTAL_DECIMAL && a->finish == finish_sum_decimal) return MERGE_DECIMAL;
    return agg_ranks(call) ? MERGE_LIST : MERGE_NONE;
}

bool agg_can_merge(const th_plan *plan)
{
    for (uint32_t i = 0; i < plan->aggregate_count; i++)
        if (kind_of(&plan->aggregates[i]) == MERGE_NONE) return false;
    return true;
}

static th_err too_large(agg_state *a)
{
    agg_fail(&a->context, "NUMERIC_VALUE_OUT_OF_RANGE", "overflow in sum");
    return a->context.error;
}

/* Zeroes of both signs are equal, and which comes out depends on the order of rows: then one thread has to do it. */
static bool is_minus_zero(const th_type *type, const th_value *v)
{
    return type->kind != TH_BIGINT && v->f == 0 && __builtin_signbit(v->f);
}

static th_err merge_list(agg_state *a, void *state, const list_state *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        if (is_minus_zero(a->context.arg_types[0], &from->values[i])) return TH_EAGAIN;
        th_value args[2] = {from->values[i], from->second};
        uint64_t weight = from->weights == NULL ? 1 : from->weights[i];
        agg_add_weighted(&a->context, state, args, weight);
        if (a->context.error != TH_OK) return a->context.error;
    }
    return TH_OK;
}

static th_err merge_state(agg_state *a, void *state, const void *other)
{
    sum_state *sum = state;
    sum_decimal_state *decimal = state;
    switch (kind_of(a->call)) {
    case MERGE_COUNT: ((count_state *)state)->count += ((const count_state *)other)->count; break;
    case MERGE_SUM:
        sum->count += ((const sum_state *)other)->count;
        if (__builtin_add_overflow(sum->i, ((const sum_state *)other)->i, &sum->i))
            return too_large(a);
        break;
    case MERGE_DECIMAL:
        decimal->count += ((const sum_decimal_state *)other)->count;
        if (__builtin_add_overflow(decimal->sum, ((const sum_decimal_state *)other)->sum,
                                   &decimal->sum) ||
            !th_decimal_fits(decimal->sum, 38))
            return too_large(a);
        break;
    case MERGE_BEST:
        th_aggregate_merge(a->call->aggregate)(&a->context, state, other);
        return a->context.error;
    case MERGE_LIST: return merge_list(a, state, other);
    case MERGE_DISTINCT:
    case MERGE_NONE: break;
    }
    return TH_OK;
}

/* What a worker met, with its groups' numbers here. */
static th_err merge_distinct(agg_op *g, agg_state *a, const agg_state *from, const uint32_t *here)
{
    uint32_t width = a->call->arg_count + 1;
    th_value *tuple = TH_NEW_ARRAY(g->arena, th_value, width);
    if (tuple == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < from->distinct.count; i++) {
        uint32_t index;
        bool added;
        memcpy(tuple, valueset_at(&from->distinct, i, 0), width * sizeof *tuple);
        uint32_t group = here[tuple[0].i];
        tuple[0].i = group;
        if (!valueset_put(&a->distinct, tuple, &index, &added)) return op_memory(&g->op);
        if (!added) continue;
        a->call->aggregate->add(&a->context, g->states + (size_t)group * g->stride + a->offset,
                                tuple + 1);
        if (a->context.error != TH_OK) return a->context.error;
    }
    return TH_OK;
}

/* A worker's group by where it was first seen. */
typedef struct arrival {
    uint64_t first;
    uint32_t worker, group;
} arrival;

static int compare_arrivals(const void *pa, const void *pb)
{
    const arrival *a = pa, *b = pb;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    if (a->worker != b->worker) return a->worker < b->worker ? -1 : 1;
    return a->group < b->group ? -1 : a->group > b->group;
}

static th_err merge_group(agg_op *g, const agg_op *from, uint32_t number, uint32_t *here)
{
    const th_plan *p = g->op.plan;
    const th_value *key = p->expr_count == 0 ? NULL : valueset_at(&from->groups, number, 0);
    if (!valueset_put(&g->groups, key, here, NULL) || !agg_grow_states(g)) return op_memory(&g->op);
    for (uint32_t i = 0; i < p->aggregate_count; i++) {
        agg_state *a = &g->aggs[i];
        TH_TRY(merge_state(a, g->states + (size_t)*here * g->stride + a->offset,
                           from->states + (size_t)number * from->stride + a->offset));
    }
    return TH_OK;
}

th_err agg_merge(agg_op *g, agg_op *const *workers, uint32_t count)
{
    size_t total = 0, n = 0;
    for (uint32_t w = 0; w < count; w++) total += workers[w]->groups.count;
    arrival *all = th_arena_alloc(g->arena, (total + 1) * sizeof *all);
    uint32_t **here = TH_NEW_ARRAY(g->arena, uint32_t *, count);
    if (all == NULL || here == NULL) return op_memory(&g->op);
    for (uint32_t w = 0; w < count; w++) {
        here[w] = th_arena_alloc(g->arena, ((size_t)workers[w]->groups.count + 1) * 4);
        if (here[w] == NULL) return op_memory(&g->op);
        for (uint32_t i = 0; i < workers[w]->groups.count; i++)
            all[n++] = (arrival){workers[w]->first == NULL ? 0 : workers[w]->first[i], w, i};
    }
    qsort(all, n, sizeof *all, compare_arrivals);
    for (size_t i = 0; i < n; i++)
        TH_TRY(merge_group(g, workers[all[i].worker], all[i].group,
                           &here[all[i].worker][all[i].group]));
    for (uint32_t i = 0; i < g->op.plan->aggregate_count; i++)
        for (uint32_t w = 0; w < count && kind_of(g->aggs[i].call) == MERGE_DISTINCT; w++)
            TH_TRY(merge_distinct(g, &g->aggs[i], &workers[w]->aggs[i], here[w]));
    return TH_OK;
}
