/* SPDX-License-Identifier: Apache-2.0
 * Joins. An equality between the two sides becomes a key, the rest of ON the residual predicate. */
#include "query/bind.h"
#include "query/type/coerce.h"

static th_join_kind kind_of(const ast_relation *ast)
{
    switch (ast->join) {
    case AST_LEFT: return TH_JOIN_LEFT;
    case AST_RIGHT: return TH_JOIN_RIGHT;
    case AST_FULL: return TH_JOIN_FULL;
    case AST_INNER: return TH_JOIN_INNER;
    default: return TH_JOIN_CROSS;
    }
}

/* Fields of both, columns of the right one behind those of the left one. */
static th_err both_fields(binder *b, const bind_relation *left, const bind_relation *right,
                          bind_relation *out)
{
    out->count = left->count + right->count;
    out->fields = TH_NEW_ARRAY(b->arena, bind_field, out->count + left->count);
    if (out->fields == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < left->count; i++) out->fields[i] = left->fields[i];
    for (uint32_t i = 0; i < right->count; i++) {
        out->fields[left->count + i] = right->fields[i];
        bind_field *f = &out->fields[left->count + i];
        uint32_t by = left->plan->column_count;
        f->column += by;
        if (f->expr != NULL) TH_TRY(query_expr_shift(b, f->expr, by, &f->expr));
    }
    return TH_OK;
}

/* Field called name on one side of USING. */
static th_err using_field(binder *b, const bind_relation *r, const ast_name *name, const char *side,
                          bind_field **out)
{
    *out = NULL;
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->fields[i].qualified_only || !th_slice_equal_nocase(r->fields[i].name, name->text))
            continue;
        if (*out != NULL) {
            return th_fail_at(b->diag, TH_EAMBIGUOUS, "AMBIGUOUS_NAME", name->line, name->column,
                              "Column '%.*s' is ambiguous", TH_SLICE_ARGS(name->text));
        }
        *out = &r->fields[i];
    }
    if (*out != NULL) return TH_OK;
    return th_fail_at(b->diag, TH_ESQL, "COLUMN_NOT_FOUND", name->line, name->column,
                      "Column '%.*s' is missing from %s side of join", TH_SLICE_ARGS(name->text),
                      side);
}

/* The joined column has the type that both sides meet in; of a full join it is the side that is there. */
static th_err joined_value(binder *b, th_join_kind kind, const th_expr *left, const th_expr *right,
                           bind_field *joined)
{
    const th_type *type = th_type_common_super(b->arena, left->type, right->type);
    if (type == NULL || (kind != TH_JOIN_FULL && th_type_equal(type, joined->type))) return TH_OK;
    const th_expr *both[2];
    TH_TRY(query_bind_cast(b, left, type, &both[0]));
    TH_TRY(query_bind_cast(b, right, type, &both[1]));
    joined->type = type;
    joined->expr = both[kind == TH_JOIN_RIGHT];
    if (kind != TH_JOIN_FULL) return TH_OK;
    joined->expr = query_expr_children(b, TH_X_COALESCE, type, NULL, 2, both);
    return joined->expr == NULL ? query_no_memory(b) : TH_OK;
}

static th_err using_one(binder *b, const ast_name *name, const bind_relation *left,
                        const bind_relation *right, th_join_kind kind, bind_relation *out,
                        uint32_t index, const th_expr **test)
{
    bind_field *l, *r;
    TH_TRY(using_field(b, left, name, "left", &l));
    TH_TRY(using_field(b, right, name, "right", &r));
    ast_expr place = {.line = name->line, .column = name->column};
    bind_field *lf = &out->fields[l - left->fields],
               *rf = &out->fields[left->count + (size_t)(r - right->fields)];
    const th_expr *le, *re;
    TH_TRY(query_bind_field_expr(b, lf, &place, &le));
    TH_TRY(query_bind_field_expr(b, rf, &place, &re));
    TH_TRY(query_bind_compare(b, &place, "$eq", le, re, test));
    lf->qualified_only = rf->qualified_only = true;
    bind_field *joined = &out->fields[index];
    *joined = kind == TH_JOIN_RIGHT ? *rf : *lf;
    joined->qualified_only = false;
    joined->relation = joined->schema = (th_slice){0};
    return joined_value(b, kind, le, re, joined);
}

/* The joined columns come first in *, so their fields do too. */
static void rotate(bind_relation *out, uint32_t count, uint32_t joined, bind_field *spare)
{
    memcpy(spare, out->fields + count, joined * sizeof *spare);
    memmove(out->fields + joined, out->fields, count * sizeof *spare);
    memcpy(out->fields, spare, joined * sizeof *spare);
    out->count = count + joined;
}

static th_err using(binder *b, const ast_relation *ast, const bind_relation *left,
                    const bind_relation *right, bind_relation *out, const th_expr **predicate)
{
    uint32_t n = ast->using_count;
    th_join_kind kind = kind_of(ast);
    const th_expr **tests = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    bind_field *spare = TH_NEW_ARRAY(b->arena, bind_field, n), *fields = out->fields;
    out->fields = TH_NEW_ARRAY(b->arena, bind_field, out->count + n);
    if (tests == NULL || spare == NULL || out->fields == NULL) return query_no_memory(b);
    memcpy(out->fields, fields, out->count * sizeof *fields);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!th_slice_equal_nocase(ast->using[k].text, ast->using[i].text)) continue;
            return th_fail_at(b->diag, TH_ESQL, "DUPLICATE_COLUMN_NAME", ast->using[i].line,
                              ast->using[i].column,
                              "Column '%.*s' appears multiple times in USING clause",
                              TH_SLICE_ARGS(ast->using[i].text));
        }
        TH_TRY(using_one(b, &ast->using[i], left, right, kind, out, out -> count + i, &tests[i]));
    }
    rotate(out, out->count, n, spare);
    *predicate = tests[0];
    if (n == 1) return TH_OK;
    *predicate = query_expr_children(b, TH_X_AND, &th_type_boolean, NULL, n, tests);
    return *predicate == NULL ? query_no_memory(b) : TH_OK;
}

typedef struct keys {
    const th_expr **left, **right, **residual;
    uint32_t count, residual_count;
} keys;

static bool is_equality(const th_expr *e)
{
    return e->kind == TH_X_CALL && e->child_count == 2 && strcmp(e->function->name, "$eq") == 0;
}

static th_err sort_conjunct(binder *b, const th_expr *e, uint32_t n, keys *k)
{
    uint32_t first = 0, second = 0;
    if (is_equality(e) && !query_expr_volatile(e)) {
        first = query_expr_sides(e->children[0], n);
        second = query_expr_sides(e->children[1], n);
    }
    if ((first | second) != 3 || first == 3 || second == 3 || first == 0 || second == 0) {
        k->residual[k->residual_count++] = e;
        return TH_OK;
    }
    k->left[k->count] = e->children[first == 1 ? 0 : 1];
    return query_expr_shift(b, e->children[first == 1 ? 1 : 0], -(int64_t)n, &k->right[k->count++]);
}

th_err query_join_conjuncts(binder *b, th_plan *join, uint32_t count,
                            const th_expr *const *conjuncts)
{
    uint32_t left_columns = join->inputs[0]->column_count, n = count + join->key_count;
    keys k = {TH_NEW_ARRAY(b->arena, const th_expr *, n),
              TH_NEW_ARRAY(b->arena, const th_expr *, n),
              TH_NEW_ARRAY(b->arena, const th_expr *, n), 0, 0};
    if (k.left == NULL || k.right == NULL || k.residual == NULL) return query_no_memory(b);
    for (; k.count < join->key_count; k.count++) {
        k.left[k.count] = join->left_keys[k.count];
        k.right[k.count] = join->right_keys[k.count];
    }
    for (uint32_t i = 0; i < count; i++) TH_TRY(sort_conjunct(b, conjuncts[i], left_columns, &k));
    join->left_keys = k.left;
    join->right_keys = k.right;
    join->key_count = k.count;
    join->predicate = k.residual_count == 1 ? k.residual[0] : NULL;
    if (k.residual_count < 2) return TH_OK;
    join->predicate =
        query_expr_children(b, TH_X_AND, &th_type_boolean, NULL, k.residual_count, k.residual);
    return join->predicate == NULL ? query_no_memory(b) : TH_OK;
}

static bool is_true(const th_expr *e)
{
    th_value v = {.null = true};
    if (e->kind == TH_X_CONST && e->type->kind == TH_BOOLEAN) th_value_get(e->constant, 0, &v);
    return !v.null && v.i != 0;
}

static th_err only_on_true(binder *b, const ast_relation *ast)
{
    return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->on->line, ast->on->column,
                      "%s JOIN involving UNNEST is only supported with condition ON TRUE",
                      ast->join == AST_LEFT    ? "LEFT"
                      : ast->join == AST_RIGHT ? "RIGHT"
                      : ast->join == AST_FULL  ? "FULL"
                                               : "INNER");
}

/* JOIN UNNEST takes only ON TRUE. */
static th_err finish_unnest(binder *b, const ast_relation *ast, const bind_outer *outer,
                            bind_relation *out)
{
    if (ast->on == NULL) return TH_OK;
    bind_place at = {.b = b, .from = out, .outer = outer, .clause = "JOIN clause"};
    const th_expr *on;
    TH_TRY(query_bind_boolean(&at, ast->on, "JOIN ON clause", &on));
    return is_true(on) ? TH_OK : only_on_true(b, ast);
}

th_err query_bind_join(binder *b, const ast_relation *ast, const bind_outer *outer,
                       const bind_relation *left, const bind_relation *right,
                       const bind_params *lateral, bind_relation *out)
{
    if (ast->natural) {
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                          "Natural join not supported");
    }
    if (right == NULL && ast->using_count > 0) {
        return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->line, ast->column,
                          "UNNEST on conditional JOIN is not supported: USING");
    }
    if (right == NULL) return finish_unnest(b, ast, outer, out);
    th_plan *plan = NULL;
    plan = query_plan_join(b, kind_of(ast), left->plan, right->plan);
    if (plan == NULL) return query_no_memory(b);
    TH_TRY(both_fields(b, left, right, out));
    out->plan = plan;
    const th_expr *predicate = NULL;
    if (ast->using_count > 0) TH_TRY(using(b, ast, left, right, out, &predicate));
    if (ast->on != NULL) {
        bind_place at = {.b = b, .from = out, .outer = outer, .clause = "JOIN clause"};
        TH_TRY(query_bind_boolean(&at, ast->on, "JOIN ON clause", &predicate));
    }
    if (predicate != NULL && is_true(predicate)) predicate = NULL;
    if (predicate != NULL && ast->right->kind == AST_UNNEST) return only_on_true(b, ast);
    if (ast->right->kind == AST_LATERAL) {
        /* Each left row is joined with what it gives: a left row is there in any case. */
        if (predicate != NULL && (ast->join == AST_RIGHT || ast->join == AST_FULL)) {
            return th_fail_at(b->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", ast->on->line,
                              ast->on->column,
                              "%s JOIN involving LATERAL relation is only supported with condition "
                              "ON TRUE",
                              ast->join == AST_RIGHT ? "RIGHT" : "FULL");
        }
        bool keep = ast->join == AST_LEFT || ast->join == AST_FULL;
        return query_apply_lateral(b, keep ? TH_JOIN_LEFT : TH_JOIN_INNER, left->plan, right->plan,
                                   lateral, predicate, &out->plan);
    }
    if (predicate == NULL && kind_of(ast) == TH_JOIN_INNER) plan->join = TH_JOIN_CROSS;
    if (predicate == NULL) return TH_OK;
    if (predicate->kind != TH_X_AND) return query_join_conjuncts(b, plan, 1, &predicate);
    return query_join_conjuncts(b, plan, predicate->child_count, predicate->children);
}
