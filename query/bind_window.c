/* SPDX-License-Identifier: Apache-2.0
 * Window calls: named windows put together, frames checked, arguments typed. While SELECT and ORDER BY are bound a call
 * is a placeholder, as an aggregate is (bind_agg.c); plan_window.c makes the nodes. */
#include "query/bind.h"
#include "query/type/coerce.h"

typedef struct window_function {
    const char *name;
    th_window_kind kind;
    uint32_t args_min, args_max;
} window_function;

static const window_function functions[] = {
    {"row_number", TH_W_ROW_NUMBER, 0, 0},
    {"rank", TH_W_RANK, 0, 0},
    {"dense_rank", TH_W_DENSE_RANK, 0, 0},
    {"percent_rank", TH_W_PERCENT_RANK, 0, 0},
    {"cume_dist", TH_W_CUME_DIST, 0, 0},
    {"ntile", TH_W_NTILE, 1, 1},
    {"lag", TH_W_LAG, 1, 3},
    {"lead", TH_W_LEAD, 1, 3},
    {"first_value", TH_W_FIRST_VALUE, 1, 1},
    {"last_value", TH_W_LAST_VALUE, 1, 1},
    {"nth_value", TH_W_NTH_VALUE, 2, 2},
};

static const window_function *find_function(th_slice name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (th_slice_equal_nocase(name, th_slice_text(functions[i].name))) return &functions[i];
    return NULL;
}

bool query_is_window_function(th_slice name)
{
    return find_function(name) != NULL;
}

static th_err fail(const bind_place *at, const ast_expr *ast, const char *name, const char *text)
{
    return th_fail_at(at->b->diag, TH_ESQL, name, ast->line, ast->column, "%s", text);
}

static th_err window_fail(const bind_place *at, const ast_window *w, const char *name,
                          const char *text)
{
    return th_fail_at(at->b->diag, TH_ESQL, name, w->line, w->column, "%s", text);
}

static th_err named_window(const bind_place *at, const ast_window *w, const ast_window **out)
{
    const ast_body *body = at->windows->body;
    for (uint32_t i = 0; i < body->window_count; i++) {
        if (!th_slice_equal_nocase(body->windows[i].name.text, w->name)) continue;
        if (body->windows[i].window == w) break; /* itself */
        *out = body->windows[i].window;
        return TH_OK;
    }
    return th_fail_at(at->b->diag, TH_ESQL, "INVALID_WINDOW_REFERENCE", w->line, w->column,
                      "Cannot resolve WINDOW name %.*s", TH_SLICE_ARGS(w->name));
}

/* The clauses of a window and of those that it is built on. */
static th_err whole_window(const bind_place *at, const ast_window *w, uint32_t depth,
                           ast_window *out)
{
    *out = *w;
    if (w->name.size == 0) return TH_OK;
    if (depth > at->windows->body->window_count)
        return window_fail(at, w, "INVALID_WINDOW_REFERENCE", "WINDOW names refer to each other");
    const ast_window *named;
    ast_window base;
    TH_TRY(named_window(at, w, &named));
    TH_TRY(whole_window(at, named, depth + 1, &base));
    bool alone = w->partition.count == 0 && w->sort_count == 0 && w->unit == AST_FRAME_NONE;
    if (w->partition.count > 0)
        return window_fail(at, w, "INVALID_PARTITION_BY",
                           "WINDOW specification with named WINDOW reference cannot specify "
                           "PARTITION BY");
    if (w->sort_count > 0 && base.sort_count > 0)
        return window_fail(at, w, "INVALID_ORDER_BY",
                           "Cannot specify ORDER BY if referenced named WINDOW specifies ORDER BY");
    if (!alone && base.unit != AST_FRAME_NONE)
        return window_fail(at, w, "INVALID_WINDOW_REFERENCE",
                           "Cannot reference named WINDOW containing frame specification");
    *out = base;
    out->line = w->line;
    out->column = w->column;
    if (w->sort_count > 0) {
        out->sort_count = w->sort_count;
        out->sorts = w->sorts;
    }
    if (w->unit == AST_FRAME_NONE) return TH_OK;
    out->unit = w->unit;
    out->start = w->start;
    out->end = w->end;
    out->start_value = w->start_value;
    out->end_value = w->end_value;
    return TH_OK;
}

static const char *frame_fault(const ast_window *w)
{
    if (w->start == AST_UNBOUNDED_FOLLOWING)
        return "Window frame start cannot be UNBOUNDED FOLLOWING";
    if (w->end == AST_UNBOUNDED_PRECEDING) return "Window frame end cannot be UNBOUNDED PRECEDING";
    if (w->start == AST_CURRENT_ROW && w->end == AST_PRECEDING)
        return "Window frame starting from CURRENT ROW cannot end with PRECEDING";
    if (w->start == AST_FOLLOWING && w->end == AST_PRECEDING)
        return "Window frame starting from FOLLOWING cannot end with PRECEDING";
    if (w->start == AST_FOLLOWING && w->end == AST_CURRENT_ROW)
        return "Window frame starting from FOLLOWING cannot end with CURRENT ROW";
    return NULL;
}

static th_err check_frame(const bind_place *at, const ast_window *w)
{
    const char *fault = frame_fault(w);
    bool values = w->start_value != NULL || w->end_value != NULL;
    if (fault != NULL) return window_fail(at, w, "INVALID_WINDOW_FRAME", fault);
    if (!values || w->unit == AST_FRAME_ROWS) return TH_OK;
    if (w->sort_count == 0)
        return window_fail(
            at, w, "MISSING_ORDER_BY",
            w->unit == AST_FRAME_RANGE
                ? "Window frame of type RANGE PRECEDING or FOLLOWING requires ORDER BY"
                : "Window frame of type GROUPS PRECEDING or FOLLOWING requires ORDER BY");
    if (w->sort_count == 1 || w->unit == AST_FRAME_GROUPS) return TH_OK;
    return th_fail_at(at->b->diag, TH_ESQL, "INVALID_ORDER_BY", w->line, w->column,
                      "Window frame of type RANGE PRECEDING or FOLLOWING requires single sort item "
                      "in ORDER BY (actual: %u)",
                      w->sort_count);
}

static bool has_no_fraction(const th_type *t)
{
    return th_type_is_integer(t) || (t->kind == TH_DECIMAL && t->scale == 0) ||
           t->kind == TH_UNKNOWN;
}

static th_err count_bound(const bind_place *at, const ast_window *w, const ast_expr *ast,
                          th_frame_bound *out)
{
    const th_expr *e;
    TH_TRY(query_bind_expr(at, ast, &e));
    if (!has_no_fraction(e->type)) {
        th_buf type;
        th_buf_init(&type, 1u << 16);
        th_type_print(&type, e->type);
        th_fail_at(at->b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
                   "Window frame %s value type must be exact numeric type with scale 0 (actual %s)",
                   w->unit == AST_FRAME_ROWS ? "ROWS" : "GROUPS", th_buf_text(&type));
        th_buf_free(&type);
        return TH_ESQL;
    }
    const th_type *type =
        e->type->kind == TH_DECIMAL ? th_type_decimal(at->b->arena, 38, 0) : &th_type_bigint;
    if (type == NULL) return query_no_memory(at->b);
    return query_bind_cast(at->b, e, type, &out->offset);
}

/* key - offset or key + offset is where the frame ends; it is compared with the key in a common type. */
static th_err range_bound(const bind_place *at, const th_sort_key *sort, bool preceding,
                          const ast_expr *ast, th_frame_bound *out)
{
    binder *b = at->b;
    const th_expr *pair[2] = {sort->expr, NULL};
    bool minus = preceding != sort->descending, unified;
    TH_TRY(query_bind_expr(at, ast, &pair[1]));
    if (pair[1]->type->kind == TH_UNKNOWN)
        TH_TRY(query_bind_cast(b, pair[1], &th_type_bigint, &pair[1]));
    out->offset = pair[1];
    TH_TRY(query_bind_operator(b, ast, minus ? "$sub" : "$add", minus ? "-" : "+", 2, pair,
                               &out->limit));
    out->key = sort->expr;
    TH_TRY(query_bind_unify(b, &out->key, &out->limit, &unified));
    if (unified) return TH_OK;
    return fail(at, ast, "TYPE_MISMATCH",
                "Window frame RANGE value type is not compatible with sort item type");
}

static th_err bind_bound(const bind_place *at, const ast_window *w, const bind_window *made,
                         ast_bound_kind kind, const ast_expr *value, th_frame_bound *out)
{
    static const th_bound_kind kinds[] = {[AST_UNBOUNDED_PRECEDING] = TH_BOUND_UNBOUNDED_PRECEDING,
                                          [AST_PRECEDING] = TH_BOUND_PRECEDING,
                                          [AST_CURRENT_ROW] = TH_BOUND_CURRENT_ROW,
                                          [AST_FOLLOWING] = TH_BOUND_FOLLOWING,
                                          [AST_UNBOUNDED_FOLLOWING] = TH_BOUND_UNBOUNDED_FOLLOWING};
    *out = (th_frame_bound){.kind = kinds[kind]};
    if (value == NULL) return TH_OK;
    if (w->unit != AST_FRAME_RANGE) return count_bound(at, w, value, out);
    return range_bound(at, &made->sorts[0], kind == AST_PRECEDING, value, out);
}

static th_err bind_specification(const bind_place *inner, const ast_window *over, bind_window *out)
{
    ast_window w;
    TH_TRY(whole_window(inner, over, 0, &w));
    if (w.unit == AST_FRAME_NONE) {
        w.start = AST_UNBOUNDED_PRECEDING;
        w.end = AST_CURRENT_ROW;
    }
    TH_TRY(check_frame(inner, &w));
    out->partition = TH_NEW_ARRAY(inner->b->arena, const th_expr *, w.partition.count);
    if (out->partition == NULL) return query_no_memory(inner->b);
    out->partition_count = w.partition.count;
    for (uint32_t i = 0; i < w.partition.count; i++) {
        const ast_expr *ast = w.partition.items[i];
        TH_TRY(query_bind_expr(inner, ast, &out->partition[i]));
        if (!th_type_is_comparable(out->partition[i]->type))
            return fail(inner, ast, "TYPE_MISMATCH",
                        "Type is not comparable, and therefore cannot be used in window function "
                        "PARTITION BY");
        if (!th_type_is_orderable(out->partition[i]->type))
            return th_fail_at(inner->b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line,
                              ast->column, "PARTITION BY a map is not supported");
    }
    TH_TRY(query_bind_sort_keys(inner, w.sort_count, w.sorts, &out->sorts));
    out->sort_count = w.sort_count;
    out->call.unit = w.unit == AST_FRAME_ROWS     ? TH_FRAME_ROWS
                     : w.unit == AST_FRAME_GROUPS ? TH_FRAME_GROUPS
                                                  : TH_FRAME_RANGE;
    TH_TRY(bind_bound(inner, &w, out, w.start, w.start_value, &out->call.start));
    return bind_bound(inner, &w, out, w.end, w.end_value, &out->call.end);
}

static th_err wrong_arguments(const bind_place *at, const ast_expr *ast, const window_function *f)
{
    return th_fail_at(at->b->diag, TH_ESQL, "FUNCTION_NOT_FOUND", ast->line, ast->column,
                      "Unexpected parameters for function %s: it takes %u to %u, not %u", f->name,
                      f->args_min, f->args_max, ast->child_count);
}

/* lag(x, offset, default): x and default meet, the offset is a bigint. */
static th_err bind_arguments(const bind_place *inner, const ast_expr *ast, const window_function *f,
                             th_agg_call *out)
{
    binder *b = inner->b;
    uint32_t n = ast->child_count;
    if (n < f->args_min || n > f->args_max || ast->call->star)
        return wrong_arguments(inner, ast, f);
    const th_expr **args = TH_NEW_ARRAY(b->arena, const th_expr *, n + 1);
    if (args == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < n; i++) TH_TRY(query_bind_expr(inner, ast->children[i], &args[i]));
    uint32_t number = f->kind == TH_W_NTILE ? 0 : 1;
    if (n > number && f->kind != TH_W_FIRST_VALUE && f->kind != TH_W_LAST_VALUE) {
        if (!th_type_is_integer(args[number]->type) && args[number]->type->kind != TH_UNKNOWN)
            return fail(inner, ast->children[number], "FUNCTION_NOT_FOUND",
                        "Unexpected parameters: a window function's offset is a bigint");
        TH_TRY(query_bind_cast(b, args[number], &th_type_bigint, &args[number]));
    }
    if (n == 3) {
        const th_expr *both[2] = {args[0], args[2]};
        const th_type *type;
        TH_TRY(query_bind_common(b, ast, "lag and lead values", 2, both, &type));
        args[0] = both[0];
        args[2] = both[1];
    }
    out->args = args;
    out->arg_count = n;
    out->type = &th_type_bigint;
    if (f->kind == TH_W_PERCENT_RANK || f->kind == TH_W_CUME_DIST) out->type = &th_type_double;
    if (f->kind >= TH_W_LAG) out->type = args[0]->type;
    return TH_OK;
}

static th_err function_clauses(const bind_place *at, const ast_expr *ast, const window_function *f)
{
    const ast_call *call = ast->call;
    const ast_window *w = call->over;
    ast_window whole;
    if (call->distinct || call->sort_count > 0 || call->filter != NULL)
        return fail(at, ast, "FUNCTION_NOT_AGGREGATE",
                    "DISTINCT, ORDER BY and FILTER are only valid for aggregation functions");
    if (call->ignore_nulls && f->kind < TH_W_LAG)
        return fail(at, ast, "NULL_TREATMENT_NOT_ALLOWED",
                    "Cannot specify null treatment clause for this function");
    if (f->kind != TH_W_LAG && f->kind != TH_W_LEAD) return TH_OK;
    TH_TRY(whole_window(at, w, 0, &whole));
    if (whole.sort_count == 0)
        return th_fail_at(at->b->diag, TH_ESQL, "MISSING_ORDER_BY", w->line, w->column,
                          "%s function requires an ORDER BY window clause", f->name);
    if (whole.unit != AST_FRAME_NONE)
        return th_fail_at(at->b->diag, TH_ESQL, "INVALID_WINDOW_FRAME", w->line, w->column,
                          "Cannot specify window frame for %s function", f->name);
    return TH_OK;
}

static bool bounds_equal(const th_frame_bound *a, const th_frame_bound *b)
{
    if (a->kind != b->kind) return false;
    return a->offset == NULL || query_expr_equal(a->offset, b->offset);
}

static bool windows_equal(const bind_window *a, const bind_window *b)
{
    const th_window_call *x = &a->call, *y = &b->call;
    if (x->kind != y->kind || x->ignore_nulls != y->ignore_nulls || x->unit != y->unit ||
        a->partition_count != b->partition_count || a->sort_count != b->sort_count ||
        !bounds_equal(&x->start, &y->start) || !bounds_equal(&x->end, &y->end) ||
        !query_agg_calls_equal(&x->call, &y->call)) {
        return false;
    }
    for (uint32_t i = 0; i < a->partition_count; i++)
        if (!query_expr_equal(a->partition[i], b->partition[i])) return false;
    for (uint32_t i = 0; i < a->sort_count; i++) {
        const th_sort_key *k = &a->sorts[i], *l = &b->sorts[i];
        if (k->descending != l->descending || k->nulls_first != l->nulls_first ||
            !query_expr_equal(k->expr, l->expr))
            return false;
    }
    return true;
}

static th_err placeholder(const bind_place *at, const ast_expr *ast, const bind_window *made,
                          const th_expr **out)
{
    bind_windows *w = at->windows;
    uint32_t i = 0;
    while (i < w->count && !windows_equal(&w->items[i], made)) i++;
    if (i == w->count) {
        if (w->count == w->capacity) {
            uint32_t capacity = w->capacity == 0 ? 4 : w->capacity * 2;
            bind_window *items = TH_NEW_ARRAY(at->b->arena, bind_window, capacity);
            if (items == NULL) return query_no_memory(at->b);
            for (uint32_t k = 0; k < w->count; k++) items[k] = w->items[k];
            w->items = items;
            w->capacity = capacity;
        }
        w->items[w->count++] = *made;
    }
    *out = query_expr_column(at->b, BIND_WINDOW_BASE + i, made->call.call.type, ast);
    return *out == NULL ? query_no_memory(at->b) : TH_OK;
}

static th_err check_place(const bind_place *at, const ast_expr *ast)
{
    if (at->in_window)
        return fail(at, ast, "NESTED_WINDOW",
                    "Cannot nest window functions or row pattern measures inside window "
                    "specification or arguments");
    if (at->in_aggregate)
        return fail(at, ast, "NESTED_WINDOW",
                    "Cannot nest window functions inside aggregate function arguments");
    if (at->windows == NULL || at->lambda != NULL) return query_not_scalar(at, ast);
    if (ast->call->over != NULL) return TH_OK;
    return th_fail_at(at->b->diag, TH_ESQL, "MISSING_OVER", ast->line, ast->column,
                      "Window function %.*s requires an OVER clause", TH_SLICE_ARGS(ast->text));
}

static th_err bind_function(const bind_place *inner, const ast_expr *ast, bind_window *made)
{
    const window_function *f = find_function(ast->text);
    made->call.ignore_nulls = ast->call->ignore_nulls;
    if (f != NULL) {
        made->call.kind = f->kind;
        made->call.call.line = ast->line;
        made->call.call.column = ast->column;
        TH_TRY(function_clauses(inner, ast, f));
        return bind_arguments(inner, ast, f, &made->call.call);
    }
    if (!th_aggregate_exists(ast->text)) {
        if (ast->call->sort_count > 0)
            return fail(inner, ast, "FUNCTION_NOT_AGGREGATE",
                        "ORDER BY is only valid for aggregation functions");
        bool known = th_function_exists(ast->text);
        return th_fail_at(inner->b->diag, TH_ESQL,
                          known ? "FUNCTION_NOT_WINDOW" : "FUNCTION_NOT_FOUND", ast->line,
                          ast->column,
                          known ? "Not a window function: %.*s" : "Function '%.*s' not registered",
                          TH_SLICE_ARGS(ast->text));
    }
    if (ast->call->ignore_nulls)
        return fail(inner, ast, "NULL_TREATMENT_NOT_ALLOWED",
                    "Cannot specify null treatment clause for this function");
    made->call.kind = TH_W_AGGREGATE;
    return query_bind_agg_call(inner, ast, &made->call.call);
}

th_err query_bind_window(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    TH_TRY(check_place(at, ast));
    bind_place inner = *at;
    bind_window made = {0};
    inner.in_window = true;
    inner.items = NULL;
    inner.item_count = 0;
    TH_TRY(bind_function(&inner, ast, &made));
    TH_TRY(bind_specification(&inner, ast->call->over, &made));
    return placeholder(at, ast, &made, out);
}
