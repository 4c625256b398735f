/* SPDX-License-Identifier: Apache-2.0
 * The binder: syntax tree to plan. Names are looked up, types settled, casts put in, constants folded. Private to
 * bind*.c, plan*.c, show.c and query.c.
 *
 * A query is bound from the inside out: FROM gives a plan and the fields that names may mean; SELECT, WHERE and the
 * rest become expressions over the columns of that plan. The plan that comes out reads every column of every table;
 * query_optimize narrows it. */
#ifndef TH_QUERY_BIND_H
#define TH_QUERY_BIND_H

#include "query/ast.h"
#include "query/fn/aggregate.h"
#include "query/fn/function.h"
#include "query/plan.h"
#include "query/run.h"
#include "query/stack.h"

/* Relations, CTE uses and set operations of one statement; each CTE use is bound anew, so this bounds the work. */
#define QUERY_RELATIONS_MAX 2000u
/* Levels of the plan tree: operators recurse over it. */
#define QUERY_PLAN_DEPTH_MAX 400u

/* Something that a name can mean. */
typedef struct bind_field {
    th_slice schema, relation; /* what may stand before the name; size 0 = nothing */
    th_slice name;
    const th_type *type;
    uint32_t column;     /* of the plan */
    uint32_t row_field;  /* from 1: field of the row in that column; 0 = the column itself */
    bool hidden;         /* not in * */
    bool qualified_only; /* the other side of USING */
    const th_expr *expr; /* over the columns of the plan, instead of column: joined by USING */
} bind_field;

typedef struct bind_relation {
    th_plan *plan;
    uint32_t count;
    bind_field *fields;
} bind_relation;

typedef struct bind_cte {
    const ast_with *with;
    const struct bind_cte *next; /* what its own query may see too */
    bool recursive;
    const th_plan *working; /* in its own step: the rows that came last */
} bind_cte;

/* What a subquery reads of the queries around it: value i is what TH_X_OUTER i in its plan means, an expression over
 * the relation that the subquery stands in. */
typedef struct bind_params {
    uint32_t count, capacity;
    const th_expr **values;
} bind_params;

/* The query around a subquery. */
typedef struct bind_outer {
    const bind_relation *relation;
    const struct bind_outer *next;
    bind_params *params; /* grows as names are used */
} bind_outer;

typedef struct binder {
    th_arena *arena;
    th_diag *diag;
    const th_provider *provider; /* NULL: no tables */
    th_snapshot *snapshot;
    th_slice schema; /* where bare table names are */
    const th_run_env *run;
    stack_guard stack;
    const bind_cte *ctes;
    uint32_t relation_count;
    uint32_t lambda_slots;
    uint32_t param_count;
    ast_expr *const *params;    /* what each ? stands for */
    const th_catalog *own;      /* the session's definitions, before all others; may be NULL */
    const th_catalog *shared;   /* the provider's; may be NULL */
    const th_catalog *built_in; /* its own views; may be NULL */
    uint32_t view_depth;
    const th_definition *view; /* whose query is bound: its name means what it hides; may be NULL */
} binder;

typedef struct bind_item {
    const th_expr *expr; /* over the columns of FROM, aggregates as placeholders */
    th_slice name;       /* of the result column */
    bool named;          /* has an alias or is a column */
} bind_item;

typedef struct bind_lambda {
    uint32_t count;
    const ast_name *names;
    const th_type *const *types;
    uint32_t first_slot;
    const struct bind_lambda *outer;
} bind_lambda;

/* Aggregate calls found so far; a placeholder is a column from BIND_AGG_BASE on. */
#define BIND_AGG_BASE 0x80000000u
typedef struct bind_aggs {
    uint32_t count, capacity;
    th_agg_call *calls;
    uint32_t grouping_count, grouping_capacity;
    struct bind_grouping *groupings;
} bind_aggs;

/* GROUPING(a, b): over FROM, and what it is over the output of the aggregation. A placeholder is a column from
 * BIND_GROUPING_BASE on. */
#define BIND_GROUPING_BASE 0xA0000000u
typedef struct bind_grouping {
    const ast_expr *ast;
    const th_expr **args;
    const th_type *type;
    const th_expr *above;
} bind_grouping;

/* GROUP BY. Each set is the list of its keys. */
typedef struct bind_set {
    uint32_t count;
    uint32_t *keys; /* ascending */
} bind_set;
typedef struct bind_groups {
    uint32_t count, capacity;
    const th_expr *
        *keys; /* over FROM; when there are several sets the number of the set comes last */
    uint32_t set_count; /* 0: no GROUP BY; 1: the keys as they are */
    bind_set *sets;
} bind_groups;

/* Window calls found so far; a placeholder is a column from BIND_WINDOW_BASE on. */
#define BIND_WINDOW_BASE 0xC0000000u
typedef struct bind_window {
    uint32_t partition_count, sort_count;
    const th_expr **partition;
    th_sort_key *sorts;
    th_window_call call;
} bind_window;
typedef struct bind_windows {
    const ast_body *body; /* with the named windows */
    uint32_t count, capacity;
    bind_window *items;
} bind_windows;

/* Where an expression stands. */
typedef struct bind_place {
    binder *b;
    const bind_relation *from;
    const bind_outer *outer;
    const bind_lambda *lambda;
    bind_aggs *aggs;       /* NULL: aggregates are not allowed here */
    bind_windows *windows; /* NULL: window functions are not allowed here */
    const char *clause;    /* "WHERE clause" */
    bool in_aggregate, in_window;
    const th_expr *operand; /* of the CASE around */
    uint32_t item_count;    /* ORDER BY: names mean these first */
    const bind_item *items;
    uint32_t select_count; /* SELECT list as written, for hints */
    const ast_item *select;
} bind_place;

/* define.c: what users have defined, as relations. */
#define QUERY_VIEW_DEPTH_MAX 32u
const th_definition *query_definition(const binder *b, th_slice schema, th_slice name);
/* The relation of a definition: a view's query, the rows of a table. */
TH_MUST_CHECK th_err query_bind_definition(binder *b, const ast_path *name, const th_definition *d,
                                           bind_relation *out);
/* The table to scan for it; not for views. */
TH_MUST_CHECK th_err query_define_table(binder *b, const th_definition *d, const th_table **out);
/* A value as it is stored, and back. */
TH_MUST_CHECK th_err query_to_storage(binder *b, const th_expr *e, const th_expr **out);
TH_MUST_CHECK th_err query_from_storage(binder *b, const th_expr *e, const th_type *type,
                                        const th_expr **out);
/* Columns of a definition with their types: of a view, those of its query. */
TH_MUST_CHECK th_err query_definition_columns(binder *b, const th_definition *d,
                                              const th_plan_column **out, uint32_t *count);
/* bind_table.c */
/* What a name of someone else's making stands for; size 0: nothing. */
th_slice query_alias(const binder *b, th_slice name);
th_slice query_schema_of(const binder *b, const ast_path *name);
/* All columns of a table as a relation. */
TH_MUST_CHECK th_err query_bind_scan(binder *b, const th_table *table, bind_relation *out);
th_err query_table_not_found(binder *b, const ast_path *name);

/* bind_expr.c */
TH_MUST_CHECK th_err query_bind_expr(const bind_place *at, const ast_expr *ast,
                                     const th_expr **out);
TH_MUST_CHECK th_err query_bind_boolean(const bind_place *at, const ast_expr *ast, const char *what,
                                        const th_expr **out);
/* bind_function.c
 * Call of an operator or function that must exist for these arguments, with its casts. */
TH_MUST_CHECK th_err query_bind_function(binder *b, const ast_expr *ast, const char *name,
                                         uint32_t count, const th_expr *const *args,
                                         const th_expr **out);
TH_MUST_CHECK th_err query_bind_compare(binder *b, const ast_expr *ast, const char *name,
                                        const th_expr *left, const th_expr *right,
                                        const th_expr **out);
/* The same for an operator, which the message writes as `symbol`. */
TH_MUST_CHECK th_err query_bind_operator(binder *b, const ast_expr *ast, const char *name,
                                         const char *symbol, uint32_t count,
                                         const th_expr *const *args, const th_expr **out);
/* TYPE_MISMATCH "Cannot apply operator: varchar = integer"; right may be NULL. */
th_err query_cannot_apply(binder *b, const ast_expr *ast, const char *op, const th_type *left,
                          const th_type *right);
/* bind_literal.c */
TH_MUST_CHECK th_err query_bind_literal(binder *b, const ast_expr *ast, bool negative,
                                        const th_expr **out);
TH_MUST_CHECK th_err query_bind_type(binder *b, const ast_expr *ast, const th_type **out);
/* bind_call.c */
TH_MUST_CHECK th_err query_bind_call(const bind_place *at, const ast_expr *ast,
                                     const th_expr **out);
/* bind_agg.c */
TH_MUST_CHECK th_err query_bind_aggregate(const bind_place *at, const ast_expr *ast,
                                          const th_expr **out);
/* The call itself, with its clauses but without a place among the aggregates of the query. inner: place of its
 * arguments. */
TH_MUST_CHECK th_err query_bind_agg_call(const bind_place *inner, const ast_expr *ast,
                                         th_agg_call *out);
/* EXPRESSION_NOT_SCALAR: an aggregate or window function where there can be none. */
th_err query_not_scalar(const bind_place *at, const ast_expr *ast);
bool query_agg_calls_equal(const th_agg_call *a, const th_agg_call *b);
TH_MUST_CHECK th_err query_bind_sort_keys(const bind_place *at, uint32_t count,
                                          const ast_sort *sorts, th_sort_key **out);
/* expr over FROM to the same over the output of an aggregation with these keys. */
TH_MUST_CHECK th_err query_bind_above_agg(binder *b, const bind_relation *from,
                                          const bind_groups *groups, const bind_aggs *aggs,
                                          const th_expr *expr, const th_expr **out);
/* bind_group.c
 * Keys and sets of GROUP BY. at: the GROUP BY clause; items: what ordinals mean. */
TH_MUST_CHECK th_err query_bind_groups(const bind_place *at, const ast_body *body,
                                       uint32_t item_count, const bind_item *items,
                                       bind_groups *out);
TH_MUST_CHECK th_err query_bind_grouping(const bind_place *at, const ast_expr *ast,
                                         const th_expr **out);
/* The aggregation above *plan. Afterwards groups and the groupings of aggs speak of its output. */
TH_MUST_CHECK th_err query_plan_groups(binder *b, bind_groups *groups, bind_aggs *aggs,
                                       th_plan **plan);
/* bind_unique.c */
TH_MUST_CHECK th_err query_bind_unique(const bind_place *at, const ast_expr *ast,
                                       const th_expr **out);
/* bind_window.c */
bool query_is_window_function(th_slice name);
TH_MUST_CHECK th_err query_bind_window(const bind_place *at, const ast_expr *ast,
                                       const th_expr **out);
/* plan_window.c: the nodes for these calls above *plan; places[i] is the column of call i. */
TH_MUST_CHECK th_err query_plan_windows(binder *b, const bind_windows *windows, th_plan **plan,
                                        uint32_t *places);
/* e with the placeholders of window calls replaced by columns. */
TH_MUST_CHECK th_err query_bind_above_windows(binder *b, const th_expr *e, const uint32_t *places,
                                              const th_expr **out);
/* bind_name.c */
TH_MUST_CHECK th_err query_bind_name(const bind_place *at, const ast_expr *ast,
                                     const th_expr **out);
TH_MUST_CHECK th_err query_bind_field_expr(binder *b, const bind_field *field, const ast_expr *ast,
                                           const th_expr **out);
/* Nearest of the names to what was written, or an empty slice when none is near. */
typedef struct bind_nearest {
    th_slice wanted, best;
    uint32_t distance;
} bind_nearest;
bind_nearest query_nearest_of(th_slice wanted);
void query_nearest_try(bind_nearest *nearest, th_slice name);
/* bind_coerce.c */
TH_MUST_CHECK th_err query_bind_cast(binder *b, const th_expr *expr, const th_type *to,
                                     const th_expr **out);
TH_MUST_CHECK th_err query_bind_fold(binder *b, th_expr *expr, const th_expr **out);
/* Bring both to one type for a comparison, string literals included. NULL common type: *left unchanged. */
TH_MUST_CHECK th_err query_bind_unify(binder *b, const th_expr **left, const th_expr **right,
                                      bool *unified);
TH_MUST_CHECK th_err query_bind_common(binder *b, const ast_expr *ast, const char *what,
                                       uint32_t count, const th_expr **exprs, const th_type **type);
/* bind_relation.c, bind_join.c, bind_unnest.c, bind_table.c */
TH_MUST_CHECK th_err query_bind_from(binder *b, const ast_relation *ast, const bind_outer *outer,
                                     bind_relation *out);
TH_MUST_CHECK th_err query_bind_unnest(binder *b, const bind_relation *left,
                                       const ast_relation *ast, const bind_outer *outer,
                                       bool keep_left, bind_relation *out);
TH_MUST_CHECK th_err query_bind_join(binder *b, const ast_relation *ast, const bind_outer *outer,
                                     const bind_relation *left, const bind_relation *right,
                                     const bind_params *lateral, bind_relation *out);
/* Equalities between the sides become keys, beside those that are there; the rest is the residual predicate. */
TH_MUST_CHECK th_err query_join_conjuncts(binder *b, th_plan *join, uint32_t count,
                                          const th_expr *const *conjuncts);
TH_MUST_CHECK th_err query_bind_alias(binder *b, const ast_relation *ast, bind_relation *relation);
TH_MUST_CHECK th_err query_bind_table(binder *b, const ast_path *name, bind_relation *out);
TH_MUST_CHECK th_err query_find_table(binder *b, const ast_path *name, const th_table **out);
TH_MUST_CHECK th_err query_bind_count_relation(binder *b, uint32_t line, uint32_t column);
/* bind_query.c */
TH_MUST_CHECK th_err query_bind_query(binder *b, const ast_query *ast, const bind_outer *outer,
                                      th_plan **out);
/* A query whose plan stands in an expression: optimized when it reads nothing from around it, else as it was bound. */
TH_MUST_CHECK th_err query_bind_subplan(const bind_place *at, const ast_query *ast,
                                        bind_params *params, th_plan **out);
TH_MUST_CHECK th_err query_param_add(binder *b, bind_params *params, const th_expr *value,
                                     uint32_t *index);
/* bind_subquery.c */
TH_MUST_CHECK th_err query_bind_scalar(const bind_place *at, const ast_expr *ast,
                                       const th_expr **out);
TH_MUST_CHECK th_err query_bind_exists(const bind_place *at, const ast_expr *ast,
                                       const th_expr **out);
TH_MUST_CHECK th_err query_bind_in_query(const bind_place *at, const ast_expr *ast, bool negated,
                                         const th_expr **out);
TH_MUST_CHECK th_err query_bind_quantified(const bind_place *at, const ast_expr *ast,
                                           const th_expr **out);
/* bind_recursive.c */
bool query_is_recursive(const bind_cte *cte);
TH_MUST_CHECK th_err query_bind_recursive(binder *b, const bind_cte *cte, th_plan **out);
/* bind_select.c */
TH_MUST_CHECK th_err query_bind_select(binder *b, const ast_body *body, const ast_query *query,
                                       const bind_outer *outer, th_plan **out);
TH_MUST_CHECK th_err query_bind_limit(binder *b, const ast_query *query, th_plan *input,
                                      th_plan **out);
/* bind_setop.c */
TH_MUST_CHECK th_err query_bind_set_operation(binder *b, const ast_body *body,
                                              const bind_outer *outer, th_plan **out);
TH_MUST_CHECK th_err query_bind_body(binder *b, const ast_body *body, const bind_outer *outer,
                                     th_plan **out);
/* show.c: information_schema and SHOW as VALUES. */
TH_MUST_CHECK th_err query_bind_information_schema(binder *b, th_slice table, bool *found,
                                                   th_plan **out);
TH_MUST_CHECK th_err query_bind_show(binder *b, const ast_statement *show, th_plan **out);

/* plan_build.c: nodes. NULL: no memory. */
th_expr *query_expr_new(binder *b, th_expr_kind kind, const th_type *type, const ast_expr *place);
th_expr *query_expr_children(binder *b, th_expr_kind kind, const th_type *type,
                             const ast_expr *place, uint32_t count, const th_expr *const *children);
const th_expr *query_expr_column(binder *b, uint32_t index, const th_type *type,
                                 const ast_expr *place);
const th_expr *query_expr_bool(binder *b, bool value, const ast_expr *place);
const th_expr *query_expr_text(binder *b, th_slice text, const ast_expr *place);
const th_expr *query_expr_bigint(binder *b, int64_t value, const ast_expr *place);
const th_expr *query_expr_const(binder *b, const th_type *type, const void *value,
                                const ast_expr *place);
const th_expr *query_expr_null(binder *b, const th_type *type, const ast_expr *place);
th_plan *query_plan_new(binder *b, th_plan_kind kind, uint32_t column_count, uint32_t input_count,
                        const th_plan *const *inputs);
th_plan *query_plan_filter(binder *b, const th_plan *input, const th_expr *predicate);
/* exprs become the columns; names: of the columns. */
th_plan *query_plan_project(binder *b, const th_plan *input, uint32_t count,
                            const th_expr *const *exprs, const th_slice *names);
th_plan *query_plan_distinct(binder *b, const th_plan *input);
th_err query_no_memory(binder *b);
th_err query_too_deep(binder *b, uint32_t line, uint32_t column);
/* Put the place of ast into a diagnosis that has none; returns err. */
th_err query_at(binder *b, const ast_expr *ast, th_err err);

/* plan_expr.c: walks over expressions. */
bool query_expr_equal(const th_expr *a, const th_expr *b);
bool query_expr_is_const(const th_expr *e); /* TH_X_CONST */
bool query_expr_volatile(const th_expr *e); /* random(), or a subquery in it */
/* Can it raise an error for some row? Then it must not see rows that a join would have taken away. */
bool query_expr_may_fail(const th_expr *e);
bool query_expr_has_column(const th_expr *e);
/* Depth, at most limit + 1. */
uint32_t query_expr_depth(const th_expr *e, uint32_t limit);
/* A copy in which map has replaced what it wants to: it is asked before the children are visited, and sets *out or
 * leaves it NULL. Expressions without a change are shared, not copied. */
typedef th_err (*query_expr_map)(void *ctx, const th_expr *e, const th_expr **out);
TH_MUST_CHECK th_err query_expr_rewrite(binder *b, const th_expr *e, query_expr_map map, void *ctx,
                                        const th_expr **out);

/* Which inputs of a join an expression reads: bit 0 left, bit 1 right. */
uint32_t query_expr_sides(const th_expr *e, uint32_t left_columns);
/* The same with every column index moved. */
TH_MUST_CHECK th_err query_expr_shift(binder *b, const th_expr *e, int64_t by, const th_expr **out);
/* The same with exprs[i] for column i. */
TH_MUST_CHECK th_err query_expr_substitute(binder *b, const th_expr *e, const th_expr *const *exprs,
                                           const th_expr **out);

/* plan_walk.c: over the nodes of a plan. */
/* Is there a parameter of the subquery whose plan this is? Plans inside expressions have parameters of their own. */
bool query_expr_has_outer(const th_expr *e);
bool query_plan_has_outer(const th_plan *plan);
/* Is test true for one of the node's own expressions? It is asked about each as a whole, and about NULL. */
typedef bool (*query_expr_test)(const th_expr *e);
bool query_node_any(const th_plan *node, query_expr_test test);
bool query_node_has_outer(const th_plan *node);
/* The node with other inputs; what else it has is shared. NULL: no memory. */
th_plan *query_plan_copy(binder *b, const th_plan *node, const th_plan *const *inputs);
/* Rewrite all expressions of a node that was copied. */
TH_MUST_CHECK th_err query_plan_map_exprs(binder *b, th_plan *copy, query_expr_map map, void *ctx);
/* exprs[0..count) = columns [first, first + count) of plan. False: no memory. */
TH_MUST_CHECK bool query_plan_columns(binder *b, const th_plan *plan, uint32_t first,
                                      uint32_t count, const th_expr **exprs);
/* Columns of plan in this order. NULL: no memory. */
th_plan *query_plan_pick(binder *b, const th_plan *plan, uint32_t count, const uint32_t *columns);
/* A join of two plans without conditions. NULL: no memory. */
th_plan *query_plan_join(binder *b, th_join_kind kind, const th_plan *left, const th_plan *right);
/* The conjuncts of e, appended; NULL is none. */
typedef struct expr_list {
    uint32_t count, capacity;
    const th_expr **items;
} expr_list;
TH_MUST_CHECK th_err query_list_add(binder *b, expr_list *list, const th_expr *e);
TH_MUST_CHECK th_err query_list_conjuncts(binder *b, expr_list *list, const th_expr *e);
/* All of them; NULL for none, or when there is no memory (then diag says so). */
TH_MUST_CHECK th_err query_list_and(binder *b, const expr_list *list, const th_expr **out);

/* plan_apply.c: correlated subqueries become joins. */
TH_MUST_CHECK th_err query_apply(binder *b, const th_plan *plan, const th_plan **out);
/* LATERAL: left joined with what the subquery gives for each of its rows (kind: INNER, LEFT), `on` over both. */
TH_MUST_CHECK th_err query_apply_lateral(binder *b, th_join_kind kind, const th_plan *left,
                                         const th_plan *right, const bind_params *params,
                                         const th_expr *on, th_plan **out);
/* plan_pull.c: the subquery without the conditions that read its parameters, which come out as conjuncts over its
 * columns and the parameters; further columns may follow its own. *can false: it cannot be said like that. */
TH_MUST_CHECK th_err query_pull(binder *b, const th_plan *plan, const th_plan **out,
                                expr_list *conjuncts, bool *can);
/* A condition f(parameters) = g(columns) in its two parts. */
bool query_pull_equality(const th_expr *e, const th_expr **outer, const th_expr **inner);
/* plan_depend.c: the subquery for each row of domain at once: its columns, then those of domain, which are the values
 * of its parameters. */
TH_MUST_CHECK th_err query_depend(binder *b, const th_plan *plan, const th_plan *domain,
                                  const th_plan **out);
/* The value of an aggregation without keys over no rows. */
TH_MUST_CHECK th_err query_empty_aggregate(binder *b, const th_agg_call *call, const th_plan *input,
                                           const th_expr **out);

/* plan_optimize.c: push filters down, read only what is needed, hand predicates to scans. */
TH_MUST_CHECK th_err query_optimize(binder *b, const th_plan *plan, th_plan **out);
/* Give every node of the plan and of the plans in its expressions an id; returns how many there are. */
uint32_t query_number_plan(const th_plan *plan);
/* plan_estimate.c: about how many rows; more than 0. */
double query_estimate_rows(binder *b, const th_plan *plan);
/* plan_order.c: inner joins in a good order, the smaller side in memory. */
TH_MUST_CHECK th_err query_order_joins(binder *b, const th_plan *plan, const th_plan **out);
/* plan_push.c */
TH_MUST_CHECK th_err query_push_filters(binder *b, const th_plan *plan, const th_plan **out);
/* plan_narrow.c */
TH_MUST_CHECK th_err query_narrow(binder *b, const th_plan *plan, const th_plan **out);
/* plan_scan.c: a filter straight above a scan: its simple conjuncts as predicates of the scan. */
TH_MUST_CHECK th_err query_scan_predicates(binder *b, const th_expr *predicate, th_plan *scan);

/* explain.c */
/* The same as one JSON document. */
void query_explain_json(th_buf *out, const th_plan *plan, const th_op_stats *stats,
                        uint32_t stats_count);
void query_explain(th_buf *out, const th_plan *plan, const th_op_stats *stats,
                   uint32_t stats_count);

/* bind_json.c: is it of type json, or a path into one that a dot or a subscript may make longer? */
bool query_is_json_access(const th_expr *e);
th_err query_bind_json_field(const bind_place *at, const ast_expr *ast, const th_expr *base,
                             const th_expr **out);
th_err query_bind_json_subscript(const bind_place *at, const ast_expr *ast, const th_expr *base,
                                 const th_expr *index, const th_expr **out);
/* j.a.bigint(): *done false when the name is none such, and nothing was said. */
th_err query_bind_json_method(const bind_place *at, const ast_expr *ast, bool *done,
                              const th_expr **out);

#endif
