/* SPDX-License-Identifier: Apache-2.0
 * Walks over bound expressions: equality, questions, rewriting. */
#include "query/bind.h"
#include "query/type/coerce.h"

static bool constants_equal(const th_expr *a, const th_expr *b)
{
    if (a->constant == b->constant) return true;
    if (a->constant == NULL || b->constant == NULL) return false;
    th_value x, y;
    th_value_get(a->constant, 0, &x);
    th_value_get(b->constant, 0, &y);
    if (x.null || y.null) return x.null == y.null;
    return x.zone == y.zone && x.extra == y.extra && th_value_same(a->type, &x, &y);
}

/* Lambdas around what is compared: parameter slots from a on stand for those from b on. */
typedef struct paired_lambda {
    uint32_t a, b, count;
    const struct paired_lambda *outer;
} paired_lambda;

static bool equal(const th_expr *a, const th_expr *b, const paired_lambda *around);

static bool params_equal(const th_expr *a, const th_expr *b, const paired_lambda *around)
{
    for (const paired_lambda *l = around; l != NULL; l = l->outer) {
        bool in_a = a->index >= l->a && a->index < l->a + l->count;
        bool in_b = b->index >= l->b && b->index < l->b + l->count;
        if (in_a || in_b) return in_a && in_b && a->index - l->a == b->index - l->b;
    }
    return a->index == b->index;
}

static bool lambdas_equal(const th_expr *a, const th_expr *b, const paired_lambda *around)
{
    paired_lambda inner = {a->index, b->index, a->index2, around};
    return a->index2 == b->index2 && equal(a->children[0], b->children[0], &inner);
}

/* Names of fields are written as the cast says. */
static bool same_field_names(const th_type *a, const th_type *b)
{
    for (uint32_t i = 0; i < a->child_count; i++) {
        if (a->kind == TH_ROW && !th_slice_equal(a->names[i], b->names[i])) return false;
        if (!same_field_names(a->children[i], b->children[i])) return false;
    }
    return true;
}

static bool equal(const th_expr *a, const th_expr *b, const paired_lambda *around)
{
    if (a == b && around == NULL) return true;
    if (a->kind != b->kind || a->try_cast != b->try_cast || a->child_count != b->child_count ||
        a->function != b->function || a->plan != b->plan) {
        return false;
    }
    if (!th_type_equal(a->type, b->type)) return false;
    if (a->kind == TH_X_CAST && !same_field_names(a->type, b->type)) return false;
    if (a->kind == TH_X_CONST) return constants_equal(a, b);
    if (a->kind == TH_X_PARAM) return params_equal(a, b, around);
    if (a->kind == TH_X_LAMBDA) return lambdas_equal(a, b, around);
    if (a->index != b->index || a->index2 != b->index2) return false;
    if (a->function != NULL && (a->function->flags & TH_FN_VOLATILE) != 0) return false;
    for (uint32_t i = 0; i < a->child_count; i++) {
        if (!equal(a->children[i], b->children[i], around)) return false;
    }
    return true;
}

bool query_expr_equal(const th_expr *a, const th_expr *b)
{
    return equal(a, b, NULL);
}

bool query_expr_is_const(const th_expr *e)
{
    return e->kind == TH_X_CONST;
}

bool query_expr_volatile(const th_expr *e)
{
    if (e->plan != NULL || (e->function != NULL && (e->function->flags & TH_FN_VOLATILE) != 0))
        return true;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (query_expr_volatile(e->children[i])) return true;
    }
    return false;
}

/* Functions that give an answer for every argument. */
static bool never_fails(const th_function *f)
{
    static const char *const names[] = {"$eq",          "$ne",
                                        "$lt",          "$le",
                                        "$gt",          "$ge",
                                        "$is_distinct", "$like",
                                        "lower",        "upper",
                                        "trim",         "ltrim",
                                        "rtrim",        "json_extract_scalar",
                                        "length",       "concat",
                                        "$concat",      "strpos",
                                        "starts_with",  "json_extract",
                                        "regexp_like"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(f->name, names[i]) == 0) return true;
    }
    return false;
}

bool query_expr_may_fail(const th_expr *e)
{
    if (e->kind == TH_X_TRY) return false;
    if (e->kind == TH_X_CALL && !never_fails(e->function)) return true;
    if (e->kind == TH_X_CAST && !e->try_cast && !th_type_can_coerce(e->children[0]->type, e->type))
        return true;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (query_expr_may_fail(e->children[i])) return true;
    }
    return false;
}

bool query_expr_has_column(const th_expr *e)
{
    if (e->kind == TH_X_COLUMN || e->kind == TH_X_OUTER) return true;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (query_expr_has_column(e->children[i])) return true;
    }
    return false;
}

uint32_t query_expr_depth(const th_expr *e, uint32_t limit)
{
    uint32_t deepest = 0;
    if (limit == 0) return 1;
    for (uint32_t i = 0; i < e->child_count && deepest < limit; i++) {
        uint32_t depth = query_expr_depth(e->children[i], limit - 1);
        if (depth > deepest) deepest = depth;
    }
    return deepest + 1;
}

static th_err rewrite_children(binder *b, const th_expr *e, query_expr_map map, void *ctx,
                               const th_expr **out)
{
    const th_expr **children = NULL;
    for (uint32_t i = 0; i < e->child_count; i++) {
        const th_expr *child;
        TH_TRY(query_expr_rewrite(b, e->children[i], map, ctx, &child));
        if (child == e->children[i] && children == NULL) continue;
        if (children == NULL) {
            children = th_arena_alloc(b->arena, e->child_count * sizeof *children);
            if (children == NULL) return query_no_memory(b);
            memcpy(children, e->children, e->child_count * sizeof *children);
        }
        children[i] = child;
    }
    *out = e;
    if (children == NULL) return TH_OK;
    th_expr *copy = TH_NEW(b->arena, th_expr);
    if (copy == NULL) return query_no_memory(b);
    *copy = *e;
    copy->children = children;
    *out = copy;
    return TH_OK;
}

th_err query_expr_rewrite(binder *b, const th_expr *e, query_expr_map map, void *ctx,
                          const th_expr **out)
{
    if (stack_guard_full(&b->stack)) return query_too_deep(b, e->line, e->column);
    const th_expr *mapped = NULL;
    TH_TRY(map(ctx, e, &mapped));
    if (mapped != NULL) {
        *out = mapped;
        return TH_OK;
    }
    return rewrite_children(b, e, map, ctx, out);
}

uint32_t query_expr_sides(const th_expr *e, uint32_t left_columns)
{
    if (e->kind == TH_X_COLUMN) return e->index < left_columns ? 1 : 2;
    uint32_t sides = 0;
    for (uint32_t i = 0; i < e->child_count; i++)
        sides |= query_expr_sides(e->children[i], left_columns);
    return sides;
}

typedef struct shift {
    binder *b;
    int64_t by;
} shift;

static th_err shift_column(void *ctx, const th_expr *e, const th_expr **out)
{
    const shift *s = ctx;
    if (e->kind != TH_X_COLUMN) return TH_OK;
    th_expr *copy = TH_NEW(s->b->arena, th_expr);
    if (copy == NULL) return query_no_memory(s->b);
    *copy = *e;
    copy->index = (uint32_t)(e->index + s->by);
    *out = copy;
    return TH_OK;
}

th_err query_expr_shift(binder *b, const th_expr *e, int64_t by, const th_expr **out)
{
    shift ctx = {b, by};
    return query_expr_rewrite(b, e, shift_column, &ctx, out);
}

typedef struct substitution {
    binder *b;
    const th_expr *const *exprs;
} substitution;

static th_err substitute_column(void *ctx, const th_expr *e, const th_expr **out)
{
    const substitution *s = ctx;
    if (e->kind == TH_X_COLUMN) *out = s->exprs[e->index];
    return TH_OK;
}

th_err query_expr_substitute(binder *b, const th_expr *e, const th_expr *const *exprs,
                             const th_expr **out)
{
    substitution ctx = {b, exprs};
    return query_expr_rewrite(b, e, substitute_column, &ctx, out);
}
