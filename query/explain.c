/* SPDX-License-Identifier: Apache-2.0
 * A plan as text, one operator a line, inputs indented below it; with what each did when it has run. */
#include <inttypes.h>

#include "json/json.h"
#include "query/bind.h"
#include "query/result.h"

enum { EXPLAIN_DEPTH_MAX = 12, EXPLAIN_LIST_MAX = 40 };

static void print_expr(th_buf *out, const th_expr *e, const th_plan *input, uint32_t depth);

static void print_exprs(th_buf *out, const th_expr *const *exprs, uint32_t count,
                        const th_plan *input, uint32_t depth)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_text(out, ", ");
        if (i == EXPLAIN_LIST_MAX) {
            th_buf_printf(out, "... %u more", count - i);
            return;
        }
        print_expr(out, exprs[i], input, depth);
    }
}

static bool is_text(const th_type *type)
{
    return type->kind == TH_VARCHAR || type->kind == TH_CHAR || type->kind == TH_JSON;
}

static void print_constant(th_buf *out, const th_type *type, const th_vector *v, uint32_t row)
{
    if (th_vector_is_null(v, row)) {
        th_buf_add_text(out, "NULL");
        return;
    }
    const char *quote = is_text(type) || type->kind >= TH_DATE ? "'" : "";
    th_buf_add_text(out, quote);
    th_value_text(out, v, row);
    th_buf_add_text(out, quote);
}

static void print_column(th_buf *out, const th_plan *input, uint32_t index)
{
    th_slice name = {0};
    if (input != NULL && index < input->column_count) name = input->columns[index].name;
    if (name.size > 0)
        th_buf_add_slice(out, name);
    else
        th_buf_printf(out, "#%u", index);
}

static void print_infix(th_buf *out, const th_expr *e, const char *word, const th_plan *input,
                        uint32_t depth)
{
    th_buf_add_byte(out, '(');
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (i > 0) th_buf_printf(out, " %s ", word);
        print_expr(out, e->children[i], input, depth);
    }
    th_buf_add_byte(out, ')');
}

static const char *infix_of(const th_function *f)
{
    static const char *const names[][2] = {
        {"$eq", "="},  {"$ne", "<>"},     {"$lt", "<"},     {"$le", "<="}, {"$gt", ">"},
        {"$ge", ">="}, {"$add", "+"},     {"$sub", "-"},    {"$mul", "*"}, {"$div", "/"},
        {"$mod", "%"}, {"$concat", "||"}, {"$like", "LIKE"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(f->name, names[i][0]) == 0) return names[i][1];
    }
    return NULL;
}

static void print_call(th_buf *out, const th_expr *e, const th_plan *input, uint32_t depth)
{
    const char *word = e->child_count == 2 ? infix_of(e->function) : NULL;
    if (word != NULL) {
        print_infix(out, e, word, input, depth);
        return;
    }
    th_buf_printf(out, "%s(", e->function->name);
    print_exprs(out, e->children, e->child_count, input, depth);
    th_buf_add_byte(out, ')');
}

static void print_cast(th_buf *out, const th_expr *e, const th_plan *input, uint32_t depth)
{
    th_buf_add_text(out, e->try_cast ? "try_cast(" : "cast(");
    print_expr(out, e->children[0], input, depth);
    th_buf_add_text(out, " as ");
    th_type_print(out, e->type);
    th_buf_add_byte(out, ')');
}

static void print_named(th_buf *out, const th_expr *e, const char *name, const th_plan *input,
                        uint32_t depth)
{
    th_buf_printf(out, "%s(", name);
    print_exprs(out, e->children, e->child_count, input, depth);
    if (e->plan != NULL)
        th_buf_printf(out, "%splan %u", e->child_count > 0 ? ", " : "", e->plan->id);
    th_buf_add_byte(out, ')');
}

static void print_field(th_buf *out, const th_expr *e, const th_plan *input, uint32_t depth)
{
    print_expr(out, e->children[0], input, depth);
    th_slice name =
        e->children[0]->type == NULL ? (th_slice){0} : e->children[0]->type->names[e->index];
    th_buf_printf(out, ".%.*s", TH_SLICE_ARGS(name));
}

static void print_expr(th_buf *out, const th_expr *e, const th_plan *input, uint32_t depth)
{
    if (depth == 0) {
        th_buf_add_text(out, "...");
        return;
    }
    switch (e->kind) {
    case TH_X_CONST: print_constant(out, e->type, e->constant, 0); break;
    case TH_X_COLUMN: print_column(out, input, e->index); break;
    case TH_X_PARAM: th_buf_printf(out, "$%u", e->index); break;
    case TH_X_FIELD: print_field(out, e, input, depth - 1); break;
    case TH_X_CALL: print_call(out, e, input, depth - 1); break;
    case TH_X_CAST: print_cast(out, e, input, depth - 1); break;
    case TH_X_AND: print_infix(out, e, "AND", input, depth - 1); break;
    case TH_X_OR: print_infix(out, e, "OR", input, depth - 1); break;
    case TH_X_NOT: print_named(out, e, "NOT", input, depth - 1); break;
    case TH_X_IS_NULL: print_named(out, e, "is_null", input, depth - 1); break;
    case TH_X_CASE: print_named(out, e, "case", input, depth - 1); break;
    case TH_X_COALESCE: print_named(out, e, "coalesce", input, depth - 1); break;
    case TH_X_IN: print_named(out, e, "in", input, depth - 1); break;
    case TH_X_TRY: print_named(out, e, "try", input, depth - 1); break;
    case TH_X_LAMBDA: print_named(out, e, "lambda", input, depth - 1); break;
    case TH_X_SCALAR: print_named(out, e, "scalar", input, depth - 1); break;
    case TH_X_EXISTS: print_named(out, e, "exists", input, depth - 1); break;
    case TH_X_IN_PLAN: print_named(out, e, "in", input, depth - 1); break;
    default: th_buf_printf(out, "outer %u", e->index);
    }
}

static void print_scan_column(th_buf *out, const th_plan *plan, const th_scan_column *c)
{
    th_buf_add_slice(out, plan->table->columns[c->column].name);
    for (uint32_t i = 0; i < c->field_count; i++)
        th_buf_printf(out, ".%.*s", TH_SLICE_ARGS(c->fields[i]));
    if (c->json_path.size > 0) th_buf_printf(out, " -> %.*s", TH_SLICE_ARGS(c->json_path));
}

static void print_predicate(th_buf *out, const th_plan *plan, const th_scan_predicate *p)
{
    static const char *const words[] = {"=",  "<>", "<",       "<=",          ">",
                                        ">=", "IN", "IS NULL", "IS NOT NULL", "STARTS WITH"};
    print_scan_column(out, plan, &plan->scan_columns[p->scan_column]);
    th_buf_printf(out, " %s", words[p->compare]);
    for (uint32_t i = 0; p->values != NULL && i < p->values->count && i < EXPLAIN_LIST_MAX; i++) {
        th_buf_add_text(out, i == 0 ? " " : ", ");
        print_constant(out, p->values->type, p->values, i);
    }
}

static void print_scan(th_buf *out, const th_plan *plan)
{
    th_buf_printf(out, "Scan %.*s.%.*s [", TH_SLICE_ARGS(plan->table->schema),
                  TH_SLICE_ARGS(plan->table->name));
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (i > 0) th_buf_add_text(out, ", ");
        print_scan_column(out, plan, &plan->scan_columns[i]);
    }
    th_buf_add_byte(out, ']');
    for (uint32_t i = 0; i < plan->scan_predicate_count; i++) {
        th_buf_add_text(out, i == 0 ? " where " : " and ");
        print_predicate(out, plan, &plan->scan_predicates[i]);
    }
}

static void print_aggregate(th_buf *out, const th_plan *plan)
{
    const th_plan *input = plan->inputs[0];
    th_buf_add_text(out, plan->expr_count > 0 ? "Aggregate by [" : "Aggregate [");
    print_exprs(out, plan->exprs, plan->expr_count, input, EXPLAIN_DEPTH_MAX);
    th_buf_add_text(out, plan->expr_count > 0 ? "] [" : "");
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        const th_agg_call *call = &plan->aggregates[i];
        th_buf_printf(out, "%s%s(%s", i > 0 ? ", " : "", call->aggregate->name,
                      call->distinct ? "DISTINCT " : "");
        if (call->arg_count == 0) th_buf_add_byte(out, '*');
        print_exprs(out, call->args, call->arg_count, input, EXPLAIN_DEPTH_MAX);
        th_buf_add_byte(out, ')');
        if (call->filter == NULL) continue;
        th_buf_add_text(out, " FILTER ");
        print_expr(out, call->filter, input, EXPLAIN_DEPTH_MAX);
    }
    th_buf_add_byte(out, ']');
}

static void print_join(th_buf *out, const th_plan *plan)
{
    static const char *const kinds[] = {"InnerJoin", "LeftJoin", "RightJoin", "FullJoin",
                                        "CrossJoin", "SemiJoin", "AntiJoin",  "MarkJoin"};
    th_buf_add_text(out, kinds[plan->join]);
    for (uint32_t i = 0; i < plan->key_count; i++) {
        th_buf_add_text(out, i == 0 ? " on " : " and ");
        print_expr(out, plan->left_keys[i], plan->inputs[0], EXPLAIN_DEPTH_MAX);
        th_buf_add_text(out, " = ");
        print_expr(out, plan->right_keys[i], plan->inputs[1], EXPLAIN_DEPTH_MAX);
    }
    if (plan->predicate == NULL) return;
    th_buf_add_text(out, plan->key_count > 0 ? " and " : " on ");
    print_expr(out, plan->predicate, plan, EXPLAIN_DEPTH_MAX);
}

static void print_sort(th_buf *out, const th_plan *plan)
{
    if (plan->has_limit)
        th_buf_printf(out, "TopN %" PRIu64 " by ", plan->limit_rows);
    else
        th_buf_add_text(out, "Sort by ");
    for (uint32_t i = 0; i < plan->sort_count; i++) {
        if (i > 0) th_buf_add_text(out, ", ");
        print_expr(out, plan->sorts[i].expr, plan->inputs[0], EXPLAIN_DEPTH_MAX);
        th_buf_add_text(out, plan->sorts[i].descending ? " DESC" : "");
        th_buf_add_text(out, plan->sorts[i].nulls_first ? " NULLS FIRST" : "");
    }
}

static void print_bound(th_buf *out, const th_frame_bound *b, const th_plan *input)
{
    static const char *const words[] = {"UNBOUNDED PRECEDING", " PRECEDING", "CURRENT ROW",
                                        " FOLLOWING", "UNBOUNDED FOLLOWING"};
    if (b->offset != NULL) print_expr(out, b->offset, input, EXPLAIN_DEPTH_MAX);
    th_buf_add_text(out, words[b->kind]);
}

static void print_window_call(th_buf *out, const th_window_call *w, const th_plan *input)
{
    static const char *const names[] = {
        "",      "row_number", "rank", "dense_rank",  "percent_rank", "cume_dist",
        "ntile", "lag",        "lead", "first_value", "last_value",   "nth_value"};
    static const char *const units[] = {"ROWS", "RANGE", "GROUPS"};
    th_buf_printf(out, "%s(%s",
                  w->kind == TH_W_AGGREGATE ? w->call.aggregate->name : names[w->kind],
                  w->call.distinct ? "DISTINCT " : "");
    print_exprs(out, w->call.args, w->call.arg_count, input, EXPLAIN_DEPTH_MAX);
    th_buf_add_byte(out, ')');
    if (w->kind != TH_W_AGGREGATE && w->kind < TH_W_FIRST_VALUE) return;
    th_buf_printf(out, " %s ", units[w->unit]);
    print_bound(out, &w->start, input);
    th_buf_add_text(out, " to ");
    print_bound(out, &w->end, input);
}

static void print_window(th_buf *out, const th_plan *plan)
{
    const th_plan *input = plan->inputs[0];
    th_buf_add_text(out, "Window by [");
    print_exprs(out, plan->exprs, plan->expr_count, input, EXPLAIN_DEPTH_MAX);
    th_buf_add_text(out, "] [");
    for (uint32_t i = 0; i < plan->window_count; i++) {
        if (i > 0) th_buf_add_text(out, ", ");
        print_window_call(out, &plan->windows[i], input);
    }
    th_buf_add_byte(out, ']');
}

static void print_list(th_buf *out, const char *name, const th_plan *plan)
{
    th_buf_printf(out, "%s [", name);
    print_exprs(out, plan->exprs, plan->expr_count, plan->inputs[0], EXPLAIN_DEPTH_MAX);
    th_buf_add_byte(out, ']');
}

static void print_node(th_buf *out, const th_plan *plan)
{
    switch (plan->kind) {
    case TH_P_SCAN: print_scan(out, plan); break;
    case TH_P_VALUES: th_buf_printf(out, "Values (%u rows)", plan->row_count); break;
    case TH_P_FILTER:
        th_buf_add_text(out, "Filter ");
        print_expr(out, plan->predicate, plan->inputs[0], EXPLAIN_DEPTH_MAX);
        break;
    case TH_P_PROJECT: print_list(out, "Project", plan); break;
    case TH_P_AGGREGATE: print_aggregate(out, plan); break;
    case TH_P_JOIN: print_join(out, plan); break;
    case TH_P_SORT: print_sort(out, plan); break;
    case TH_P_LIMIT:
        th_buf_add_text(out, "Limit");
        if (plan->has_limit) th_buf_printf(out, " %" PRIu64, plan->limit_rows);
        if (plan->offset_rows > 0) th_buf_printf(out, " offset %" PRIu64, plan->offset_rows);
        break;
    case TH_P_UNION_ALL: th_buf_add_text(out, "UnionAll"); break;
    case TH_P_UNNEST: print_list(out, plan->outer_unnest ? "LeftUnnest" : "Unnest", plan); break;
    case TH_P_WINDOW: print_window(out, plan); break;
    case TH_P_RECURSIVE: th_buf_add_text(out, "Recursive"); break;
    case TH_P_WORKING: th_buf_add_text(out, "LastRows"); break;
    case TH_P_SAMPLE: th_buf_printf(out, "Sample %g%%", plan->share * 100); break;
    case TH_P_SINGLE_ROW: th_buf_add_text(out, "SingleRow"); break;
    }
}

typedef struct printer {
    th_buf *out;
    const th_op_stats *stats;
    uint32_t stats_count;
} printer;

static void print_tree(const printer *p, const th_plan *plan, uint32_t indent);

static void print_subplans(const printer *p, const th_expr *e, uint32_t indent)
{
    if (e == NULL) return;
    if (e->plan != NULL) {
        th_buf_printf(p->out, "%*splan %u:\n", (int)indent, "", e->plan->id);
        print_tree(p, e->plan, indent + 2);
    }
    for (uint32_t i = 0; i < e->child_count; i++) print_subplans(p, e->children[i], indent);
}

static void print_tree(const printer *p, const th_plan *plan, uint32_t indent)
{
    th_buf_printf(p->out, "%*s- ", (int)indent, "");
    print_node(p->out, plan);
    if (p->stats != NULL && plan->id < p->stats_count) {
        const th_op_stats *s = &p->stats[plan->id];
        th_buf_printf(p->out, "  (%" PRIu64 " rows, %" PRId64 ".%03" PRId64 " ms)", s->rows,
                      s->total_us / 1000, s->total_us % 1000);
    }
    th_buf_add_byte(p->out, '\n');
    print_subplans(p, plan->predicate, indent + 2);
    for (uint32_t i = 0; plan->kind != TH_P_VALUES && i < plan->expr_count; i++) {
        print_subplans(p, plan->exprs[i], indent + 2);
    }
    for (uint32_t i = 0; i < plan->input_count; i++) print_tree(p, plan->inputs[i], indent + 2);
}

void query_explain(th_buf *out, const th_plan *plan, const th_op_stats *stats, uint32_t stats_count)
{
    printer p = {out, stats, stats_count};
    print_tree(&p, plan, 0);
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------ */

static void json_node(th_json_writer *w, const printer *p, const th_plan *plan)
{
    static const char *const kinds[] = {"Scan",      "Values", "Filter", "Project",
                                        "Aggregate", "Join",   "Sort",   "Limit",
                                        "UnionAll",  "Unnest", "Window", "SingleRow"};
    th_buf text;
    th_buf_init(&text, 1u << 20);
    print_node(&text, plan);
    th_json_begin_object(w);
    th_json_put_key(w, "id");
    th_json_put_u64(w, plan->id);
    th_json_put_key(w, "name");
    th_json_put_text(w, (size_t)plan->kind < sizeof kinds / sizeof kinds[0] ? kinds[plan->kind]
                                                                            : "Operator");
    th_json_put_key(w, "details");
    th_json_put_string(w, th_buf_slice(&text));
    th_buf_free(&text);
    th_json_put_key(w, "outputs");
    th_json_begin_array(w);
    for (uint32_t i = 0; i < plan->column_count; i++) {
        th_buf type;
        th_buf_init(&type, 1u << 20);
        th_type_print(&type, plan->columns[i].type);
        th_json_begin_object(w);
        th_json_put_key(w, "symbol");
        th_json_put_string(w, plan->columns[i].name);
        th_json_put_key(w, "type");
        th_json_put_string(w, th_buf_slice(&type));
        th_json_end_object(w);
        th_buf_free(&type);
    }
    th_json_end_array(w);
    if (p->stats != NULL && plan->id < p->stats_count) {
        th_json_put_key(w, "rows");
        th_json_put_u64(w, p->stats[plan->id].rows);
        th_json_put_key(w, "us");
        th_json_put_i64(w, p->stats[plan->id].total_us);
    }
    th_json_put_key(w, "children");
    th_json_begin_array(w);
    for (uint32_t i = 0; i < plan->input_count; i++) json_node(w, p, plan->inputs[i]);
    th_json_end_array(w);
    th_json_end_object(w);
}

void query_explain_json(th_buf *out, const th_plan *plan, const th_op_stats *stats,
                        uint32_t stats_count)
{
    printer p = {out, stats, stats_count};
    th_json_writer w;
    th_json_writer_init(&w, out);
    json_node(&w, &p, plan);
    th_buf_add_byte(out, '\n');
}
