/* SPDX-License-Identifier: Apache-2.0
 * The bound plan: what bind.c makes of the syntax tree and what run.c executes. Read-only while it runs; the state of
 * operators lives beside it. All of it is in the query's arena.
 *
 * Every expression has its final type: the binder inserts TH_X_CAST for each coercion, so that both sides of a
 * comparison and all arguments of a function have exactly the types that the function row asks for. */
#ifndef TH_QUERY_PLAN_H
#define TH_QUERY_PLAN_H

#include "query/provider.h"

typedef struct th_function th_function;   /* query/fn/function.h: a row of functions.def */
typedef struct th_aggregate th_aggregate; /* query/fn/aggregate.h */
typedef struct th_plan th_plan;

typedef struct th_plan_column {
    th_slice name; /* as a result shows it */
    const th_type *type;
} th_plan_column;

typedef enum th_expr_kind {
    TH_X_CONST,  /* constant: a CONST vector, count 1 */
    TH_X_COLUMN, /* index: column of the input batch */
    TH_X_OUTER, /* index: parameter of the subquery that it stands in; gone once the plan is made */
    TH_X_FIELD, /* child 0 is a row; index: field */
    TH_X_CALL,  /* function with children as arguments */
    TH_X_CAST,  /* child 0 to type; try: NULL on failure */
    TH_X_AND,   /* children: 2 or more, three-valued */
    TH_X_OR,
    TH_X_NOT,
    TH_X_IS_NULL,
    TH_X_CASE,     /* children: when, then, when, then, ..., else (always there) */
    TH_X_COALESCE, /* children: 1 or more */
    TH_X_IN,       /* child 0 in constants children[1..]; list may be hashed */
    TH_X_TRY,      /* child 0; errors that Trino's TRY catches become NULL */
    TH_X_LAMBDA,   /* child 0 is the body; index: first parameter slot, index2: count */
    TH_X_PARAM,    /* index: lambda parameter slot */
    /* Subqueries. The last children are the values of the plan's parameters (TH_X_OUTER in it): such a correlated one
     * becomes a join before the plan runs. */
    TH_X_SCALAR, /* plan: one row, one column; NULL when no row; error when more */
    TH_X_EXISTS, /* plan */
    TH_X_IN_PLAN /* child 0 IN plan's one column */
} th_expr_kind;

typedef struct th_expr {
    th_expr_kind kind;
    bool try_cast;
    uint32_t line, column; /* where it stands in the text */
    const th_type *type;
    uint32_t index, index2;
    uint32_t child_count;
    const struct th_expr *const *children;
    const th_function *function;
    const th_vector *constant;
    const th_plan *plan;
} th_expr;

typedef enum th_plan_kind {
    TH_P_SCAN,
    TH_P_VALUES,    /* rows of expressions without input */
    TH_P_FILTER,    /* predicate */
    TH_P_PROJECT,   /* exprs */
    TH_P_AGGREGATE, /* keys, aggregates; output = keys then aggregates; no keys = one row */
    TH_P_JOIN,
    TH_P_SORT,      /* sorts; limit = TOP-N when limit_rows is set */
    TH_P_LIMIT,     /* offset_rows, limit_rows; with exprs: counted for each of their values */
    TH_P_UNION_ALL, /* inputs of equal types */
    TH_P_UNNEST,    /* input's columns, then the elements of exprs (arrays, maps), zipped */
    TH_P_WINDOW, /* input's columns, then windows; input is sorted by exprs (the partition) and sorts */
    TH_P_RECURSIVE, /* input 0, then input 1 over the rows that came last, until none come; distinct */
    TH_P_WORKING,   /* those rows, within input 1 of the recursion of the same number */
    TH_P_SAMPLE,    /* of the input's rows a share; by_batch: of its batches */
    TH_P_SINGLE_ROW /* one row, no columns: FROM-less SELECT */
} th_plan_kind;

typedef struct th_sort_key {
    const th_expr *expr;
    bool descending, nulls_first;
} th_sort_key;

typedef struct th_agg_call {
    const th_aggregate *aggregate;
    const th_type *type;
    const th_expr *const *args;
    uint32_t arg_count;
    bool distinct;
    const th_expr *filter; /* or NULL */
    const th_sort_key *order;
    uint32_t order_count;
    uint32_t line, column;
} th_agg_call;

typedef enum th_window_kind {
    TH_W_AGGREGATE,
    TH_W_ROW_NUMBER,
    TH_W_RANK,
    TH_W_DENSE_RANK,
    TH_W_PERCENT_RANK,
    TH_W_CUME_DIST,
    TH_W_NTILE,
    TH_W_LAG,
    TH_W_LEAD,
    TH_W_FIRST_VALUE,
    TH_W_LAST_VALUE,
    TH_W_NTH_VALUE
} th_window_kind;

typedef enum th_frame_unit { TH_FRAME_ROWS, TH_FRAME_RANGE, TH_FRAME_GROUPS } th_frame_unit;
typedef enum th_bound_kind {
    TH_BOUND_UNBOUNDED_PRECEDING,
    TH_BOUND_PRECEDING,
    TH_BOUND_CURRENT_ROW,
    TH_BOUND_FOLLOWING,
    TH_BOUND_UNBOUNDED_FOLLOWING
} th_bound_kind;

/* One end of a frame. PRECEDING and FOLLOWING have an offset: of bigint for ROWS and GROUPS; for RANGE of any type, with
 * the value to look for (the sort key moved by the offset) and the sort key, both of one type. */
typedef struct th_frame_bound {
    th_bound_kind kind;
    const th_expr *offset, *limit, *key;
} th_frame_bound;

typedef struct th_window_call {
    th_window_kind kind;
    bool ignore_nulls;
    th_agg_call call; /* arguments and type of all kinds; the rest only of TH_W_AGGREGATE */
    th_frame_unit unit;
    th_frame_bound start, end;
} th_window_call;

typedef enum th_join_kind {
    TH_JOIN_INNER,
    TH_JOIN_LEFT,
    TH_JOIN_RIGHT,
    TH_JOIN_FULL,
    TH_JOIN_CROSS,
    TH_JOIN_SEMI, /* left columns only, here and below */
    TH_JOIN_ANTI,
    TH_JOIN_MARK /* left columns and a boolean: was there a match? */
} th_join_kind;

struct th_plan {
    th_plan_kind kind;
    uint32_t id; /* for EXPLAIN and statistics; from 0, unique in the statement */
    uint32_t column_count;
    const th_plan_column *columns;
    uint32_t input_count;
    const th_plan *const *inputs;
    /* SCAN */
    const th_table *table;
    const th_scan_column *scan_columns; /* column_count of them */
    const th_scan_predicate *scan_predicates;
    uint32_t scan_predicate_count;
    /* FILTER, JOIN (residual over left then right columns) */
    const th_expr *predicate;
    /* PROJECT, VALUES (row_count rows of column_count), UNNEST, AGGREGATE keys, WINDOW partition keys */
    const th_expr *const *exprs;
    uint32_t expr_count;
    uint32_t row_count;
    bool with_ordinality, outer_unnest;
    const th_agg_call *aggregates;
    uint32_t aggregate_count;
    /* AGGREGATE: values of the last key for which there is a group of all rows even when there are no rows */
    const int64_t *empty_groups;
    uint32_t empty_group_count;
    const th_window_call *windows;
    uint32_t window_count;
    /* JOIN: left_keys[i] = right_keys[i]; build side is input 1 */
    th_join_kind join;
    const th_expr *const *left_keys;
    const th_expr *const *right_keys;
    uint32_t key_count;
    uint32_t null_keys; /* in the first so many keys NULL equals NULL; in the others nothing */
    bool null_aware; /* MARK: of the last key as IN has it: a NULL on either side leaves it open */
    bool single;     /* LEFT: more than one match is SUBQUERY_MULTIPLE_ROWS */
    uint32_t line, column; /* of the subquery */
    /* SORT, WINDOW, LIMIT */
    const th_sort_key *sorts;
    uint32_t sort_count;
    bool has_limit;
    uint64_t limit_rows, offset_rows;
    /* RECURSIVE, WORKING */
    uint32_t recursion;
    bool distinct;
    /* SAMPLE: 0 to 1 */
    double share;
    bool by_batch;
};

#endif
