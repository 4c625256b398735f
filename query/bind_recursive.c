/* SPDX-License-Identifier: Apache-2.0
 * WITH RECURSIVE t(a, b) AS (base UNION [ALL] step): where t may be used in it, and the plan of the two. */
#include "query/bind.h"
#include "query/type/coerce.h"

static bool query_uses(const ast_query *query, th_slice name);

static bool is_name(const ast_path *path, th_slice name)
{
    return path->count == 1 && th_slice_equal_nocase(path->parts[0].text, name);
}

static bool relation_uses(const ast_relation *r, th_slice name)
{
    if (r == NULL) return false;
    if (r->kind == AST_TABLE) return is_name(&r->name, name);
    if (r->query != NULL) return query_uses(r->query, name);
    return relation_uses(r->left, name) || relation_uses(r->right, name);
}

static bool body_uses(const ast_body *body, th_slice name)
{
    if (body == NULL) return false;
    if (body->kind == AST_TABLE_BODY) return is_name(&body->table, name);
    if (relation_uses(body->from, name)) return true;
    if (body->nested != NULL && query_uses(body->nested, name)) return true;
    return body_uses(body->left, name) || body_uses(body->right, name);
}

/* A WITH of the same name inside hides it from there on. */
static bool query_uses(const ast_query *query, th_slice name)
{
    for (uint32_t i = 0; i < query->with_count; i++) {
        if (query_uses(query->with[i].query, name)) return true;
        if (th_slice_equal_nocase(query->with[i].name.text, name)) return false;
    }
    return body_uses(query->body, name);
}

bool query_is_recursive(const bind_cte *cte)
{
    return cte->recursive && query_uses(cte->with->query, cte->with->name.text);
}

static th_err refuse(binder *b, const ast_with *with, th_err code, const char *name,
                     const char *text)
{
    return th_fail_at(b->diag, code, name, with->name.line, with->name.column, "%s", text);
}

/* The side of an outer join that gets NULLs must not depend on the rows that came last. */
static const char *join_fault(const ast_relation *r, th_slice name)
{
    if (r == NULL || r->kind != AST_JOIN) return NULL;
    bool left = relation_uses(r->left, name), right = relation_uses(r->right, name);
    if (left && right) return "multiple recursive references in the step relation of recursion";
    if (right && (r->join == AST_LEFT || r->join == AST_FULL))
        return "recursive reference in right source of an outer join";
    if (left && (r->join == AST_RIGHT || r->join == AST_FULL))
        return "recursive reference in left source of an outer join";
    const char *fault = join_fault(r->left, name);
    return fault != NULL ? fault : join_fault(r->right, name);
}

static const char *body_fault(const ast_body *body, th_slice name)
{
    if (body == NULL) return NULL;
    if (body->kind == AST_EXCEPT && body_uses(body->right, name))
        return "recursive reference in right relation of EXCEPT";
    if (body->kind == AST_EXCEPT && !body->distinct && body_uses(body->left, name))
        return "recursive reference in left relation of EXCEPT ALL";
    if (body->kind == AST_INTERSECT && !body->distinct && body_uses(body, name))
        return "recursive reference in INTERSECT ALL";
    const char *fault = join_fault(body->from, name);
    if (fault == NULL && body->nested != NULL) fault = body_fault(body->nested->body, name);
    if (fault == NULL) fault = body_fault(body->left, name);
    return fault != NULL ? fault : body_fault(body->right, name);
}

static th_err check(binder *b, const ast_with *with)
{
    const ast_query *query = with->query;
    const ast_body *body = query->body;
    th_slice name = with->name.text;
    if (with->column_count == 0)
        return refuse(b, with, TH_ESQL, "MISSING_COLUMN_ALIASES",
                      "Column alias list must be specified in a recursive query");
    if (query->with_count > 0 || query->sort_count > 0 || query->limit != NULL ||
        query->offset != NULL || query->with_ties)
        return refuse(
            b, with, TH_EUNSUPPORTED, "NOT_SUPPORTED",
            "immediate WITH, ORDER BY, OFFSET, FETCH FIRST or LIMIT clause in a recursive "
            "query is not supported");
    if (body->kind != AST_UNION)
        return refuse(b, with, TH_ESQL, "INVALID_RECURSIVE_REFERENCE",
                      "a recursive query is a UNION of a base and a step");
    if (body_uses(body->left, name))
        return refuse(b, with, TH_ESQL, "INVALID_RECURSIVE_REFERENCE",
                      "WITH table name is referenced in the base relation of recursion");
    const char *fault = body_fault(body->right, name);
    return fault == NULL ? TH_OK : refuse(b, with, TH_ESQL, "INVALID_RECURSIVE_REFERENCE", fault);
}

static th_err rename_columns(binder *b, const ast_with *with, th_plan *plan)
{
    if (plan->column_count != with->column_count) {
        return th_fail_at(
            b->diag, TH_ESQL, "MISMATCHED_COLUMN_ALIASES", with->name.line, with->name.column,
            "WITH column alias list has %u entries but WITH query (%.*s) has %u columns",
            with->column_count, TH_SLICE_ARGS(with->name.text), plan->column_count);
    }
    th_plan_column *columns = TH_NEW_ARRAY(b->arena, th_plan_column, plan->column_count);
    if (columns == NULL) return query_no_memory(b);
    for (uint32_t i = 0; i < plan->column_count; i++)
        columns[i] = (th_plan_column){with->columns[i].text, plan->columns[i].type};
    plan->columns = columns;
    return TH_OK;
}

/* The step gives the base's types. */
static th_err fit_step(binder *b, const ast_with *with, const th_plan *base, th_plan **step)
{
    uint32_t n = base->column_count;
    const th_expr **exprs = TH_NEW_ARRAY(b->arena, const th_expr *, n);
    if (exprs == NULL) return query_no_memory(b);
    if ((*step)->column_count != n)
        return refuse(b, with, TH_ESQL, "TYPE_MISMATCH",
                      "base and step relations of recursion have different number of fields");
    for (uint32_t i = 0; i < n; i++) {
        const th_type *from = (*step)->columns[i].type, *to = base->columns[i].type;
        if (!th_type_equal(from, to) && !th_type_can_coerce(from, to))
            return refuse(b, with, TH_ESQL, "TYPE_MISMATCH",
                          "recursion step relation output type is not coercible to recursion base "
                          "relation output type");
        const th_expr *column = query_expr_column(b, i, from, NULL);
        if (column == NULL) return query_no_memory(b);
        TH_TRY(query_bind_cast(b, column, to, &exprs[i]));
    }
    *step = query_plan_project(b, *step, n, exprs, NULL);
    return *step == NULL ? query_no_memory(b) : TH_OK;
}

static th_err both_sides(binder *b, const bind_cte *cte, th_plan **base, th_plan **step,
                         bind_cte *self)
{
    const ast_with *with = cte->with;
    const ast_body *body = with->query->body;
    b->ctes = cte->next;
    TH_TRY(query_bind_body(b, body->left, NULL, base));
    TH_TRY(rename_columns(b, with, *base));
    th_plan *leaf = query_plan_new(b, TH_P_WORKING, 0, 0, NULL);
    if (leaf == NULL) return query_no_memory(b);
    leaf->column_count = (*base)->column_count;
    leaf->columns = (*base)->columns;
    leaf->recursion = b->relation_count;
    *self = (bind_cte){with, cte->next, false, leaf};
    b->ctes = self;
    TH_TRY(query_bind_body(b, body->right, NULL, step));
    return fit_step(b, with, *base, step);
}

th_err query_bind_recursive(binder *b, const bind_cte *cte, th_plan **out)
{
    const bind_cte *before = b->ctes;
    const ast_body *body = cte->with->query->body;
    th_plan *sides[2];
    bind_cte self;
    TH_TRY(check(b, cte->with));
    th_err err = both_sides(b, cte, &sides[0], &sides[1], &self);
    b->ctes = before;
    TH_TRY(err);
    th_plan *plan = query_plan_new(b, TH_P_RECURSIVE, 0, 2, (const th_plan *const *)sides);
    if (plan == NULL) return query_no_memory(b);
    plan->column_count = sides[0]->column_count;
    plan->columns = sides[0]->columns;
    plan->recursion = self.working->recursion;
    plan->distinct = body->distinct;
    for (uint32_t i = 0; plan->distinct && i < plan->column_count; i++) {
        if (!th_type_is_comparable(plan->columns[i].type))
            return refuse(b, cte->with, TH_ESQL, "TYPE_MISMATCH",
                          "UNION takes only columns of comparable types");
    }
    *out = plan;
    return TH_OK;
}
