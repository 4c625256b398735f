/* SPDX-License-Identifier: Apache-2.0
 * About how many rows a plan gives: what storage says of tables, and rules of thumb above. */
#include "query/bind.h"

#define ROWS_UNKNOWN 1e6
#define NESTING_MAX 400

/* Which part of the rows a condition keeps. */
static double selectivity(const th_expr *e, uint32_t depth)
{
    double part = 1;
    if (depth > NESTING_MAX) return 0.5;
    switch (e->kind) {
    case TH_X_AND:
        for (uint32_t i = 0; i < e->child_count; i++)
            part *= selectivity(e->children[i], depth + 1);
        return part;
    case TH_X_OR:
        part = 0;
        for (uint32_t i = 0; i < e->child_count; i++)
            part += selectivity(e->children[i], depth + 1);
        return part > 1 ? 1 : part;
    case TH_X_NOT: return 0.9;
    case TH_X_IS_NULL: return 0.1;
    case TH_X_IN: part = 0.02 * (double)(e->child_count - 1); return part > 0.5 ? 0.5 : part;
    case TH_X_CALL: break;
    default: return 0.5;
    }
    if (strcmp(e->function->name, "$eq") == 0) return 0.05;
    if (strcmp(e->function->name, "$ne") == 0) return 0.95;
    return strcmp(e->function->name, "$like") == 0 ? 0.1 : 0.3;
}

static double join_rows(const th_plan *plan, double left, double right)
{
    double rows = left * right;
    if (plan->join == TH_JOIN_MARK) return left;
    if (plan->join == TH_JOIN_SEMI || plan->join == TH_JOIN_ANTI) return left * 0.5;
    if (plan->key_count > 0) rows /= left > right ? left : right;
    if (plan->predicate != NULL) rows *= selectivity(plan->predicate, 0);
    bool keeps_left = plan->join == TH_JOIN_LEFT || plan->join == TH_JOIN_FULL;
    bool keeps_right = plan->join == TH_JOIN_RIGHT || plan->join == TH_JOIN_FULL;
    if (keeps_left && rows < left) rows = left;
    if (keeps_right && rows < right) rows = right;
    return rows;
}

static double scan_rows(binder *b, const th_plan *plan)
{
    bool exact;
    if (b->provider == NULL || b->provider->ops->table_rows == NULL) return ROWS_UNKNOWN;
    uint64_t rows = b->provider->ops->table_rows(b->snapshot, plan->table, &exact);
    return rows == UINT64_MAX ? ROWS_UNKNOWN : (double)rows;
}

static double rows_of(binder *b, const th_plan *plan, uint32_t depth)
{
    double rows = 0, input = ROWS_UNKNOWN;
    if (depth > NESTING_MAX) return ROWS_UNKNOWN;
    if (plan->kind == TH_P_JOIN)
        return join_rows(plan, rows_of(b, plan->inputs[0], depth + 1),
                         rows_of(b, plan->inputs[1], depth + 1));
    if (plan->kind == TH_P_UNION_ALL) {
        for (uint32_t i = 0; i < plan->input_count; i++)
            rows += rows_of(b, plan->inputs[i], depth + 1);
        return rows;
    }
    if (plan->input_count > 0) input = rows_of(b, plan->inputs[0], depth + 1);
    switch (plan->kind) {
    case TH_P_SCAN: return scan_rows(b, plan);
    case TH_P_VALUES: return plan->row_count;
    case TH_P_SINGLE_ROW: return 1;
    case TH_P_FILTER: return input * selectivity(plan->predicate, 0);
    case TH_P_AGGREGATE: return plan->expr_count == 0 ? 1 : input * 0.3;
    case TH_P_UNNEST: return input * 3;
    case TH_P_SORT:
    case TH_P_LIMIT:
        return plan->has_limit && (double)plan->limit_rows < input ? (double)plan->limit_rows
                                                                   : input;
    default: return input;
    }
}

double query_estimate_rows(binder *b, const th_plan *plan)
{
    double rows = rows_of(b, plan, 0);
    return rows < 1e-3 ? 1e-3 : rows;
}
