/* SPDX-License-Identifier: Apache-2.0
 * Casts that nobody wrote, and constant folding. Trino's rules, and one more: a string literal that is compared with a
 * time, a truth value or a number that comes from a table is read as one. */
#include "query/bind.h"

#include "base/time.h"
#include "query/type/coerce.h"

th_err query_bind_fold(binder *b, th_expr *e, const th_expr **out)
{
    *out = e;
    if (e->kind == TH_X_CONST || e->plan != NULL) return TH_OK;
    for (uint32_t i = 0; i < e->child_count; i++) {
        if (e->children[i]->kind != TH_X_CONST) return TH_OK;
    }
    if (!th_expr_is_constant(e)) return TH_OK;
    const th_vector *value;
    th_diag ignored = {0};
    /* What fails here fails again when it runs, if it runs at all: CASE WHEN false THEN 1/0 END is no error. */
    th_err err = th_expr_fold(e, b->run, b->arena, &value, &ignored);
    if (err != TH_OK)
        return err == TH_ENOMEM || err == TH_ECANCELED || err == TH_ETIME ? err : TH_OK;
    th_expr *folded = TH_NEW(b->arena, th_expr);
    if (folded == NULL) return query_no_memory(b);
    *folded = (th_expr){.kind = TH_X_CONST,
                        .type = e->type,
                        .line = e->line,
                        .column = e->column,
                        .constant = value};
    *out = folded;
    return TH_OK;
}

/* A longer varchar has the same values: only the type changes. */
static th_err retype_text(binder *b, const th_expr *e, const th_type *to, const th_expr **out)
{
    th_expr *copy = TH_NEW(b->arena, th_expr);
    th_vector *value = TH_NEW(b->arena, th_vector);
    if (copy == NULL || value == NULL) return query_no_memory(b);
    *copy = *e;
    *value = *e->constant;
    value->type = to;
    copy->type = to;
    copy->constant = value;
    *out = copy;
    return TH_OK;
}

th_err query_bind_cast(binder *b, const th_expr *e, const th_type *to, const th_expr **out)
{
    *out = e;
    if (th_type_equal(e->type, to)) return TH_OK;
    bool longer =
        e->type->kind == TH_VARCHAR && to->kind == TH_VARCHAR && e->type->precision < to->precision;
    if (longer && e->kind == TH_X_CONST) return retype_text(b, e, to, out);
    th_expr *cast = query_expr_children(b, TH_X_CAST, to, NULL, 1, &e);
    if (cast == NULL) return query_no_memory(b);
    cast->line = e->line;
    cast->column = e->column;
    return query_bind_fold(b, cast, out);
}

/* May a string literal be read as this? */
static bool reads_literals(const th_type *t)
{
    return t->kind == TH_BOOLEAN || t->kind == TH_DATE || t->kind == TH_TIMESTAMP ||
           t->kind == TH_TIMESTAMP_TZ || th_type_is_numeric(t);
}

static th_err bad_literal(binder *b, const th_expr *literal, th_slice text, const th_type *to)
{
    th_buf name;
    th_buf_init(&name, 1u << 16);
    th_type_print(&name, to);
    th_fail_at(b->diag, TH_ESQL, "INVALID_CAST_ARGUMENT", literal->line, literal->column,
               "Value cannot be cast to %s: %.*s", th_buf_text(&name),
               (int)(text.size > 200 ? 200 : text.size), (const char *)text.bytes);
    th_buf_free(&name);
    if (to->kind == TH_TIMESTAMP || to->kind == TH_TIMESTAMP_TZ) {
        th_diag_hint(b->diag, "a time is written 'YYYY-MM-DD hh:mm:ss'");
    }
    return TH_ESQL;
}

static th_err read_literal(binder *b, const th_expr *literal, const th_type *to,
                           const th_expr **out)
{
    th_value v;
    th_value_get(literal->constant, 0, &v);
    if (v.null) return query_bind_cast(b, literal, to, out);
    int64_t us;
    bool timestamp = to->kind == TH_TIMESTAMP || to->kind == TH_TIMESTAMP_TZ;
    if (timestamp && th_time_parse_iso(v.s, &us)) {
        th_value time = {.i = us};
        *out = query_expr_const(b, to, &time, NULL);
        return *out == NULL ? query_no_memory(b) : TH_OK;
    }
    th_slice text = v.s;
    TH_TRY(query_bind_cast(b, literal, to, out));
    return (*out)->kind == TH_X_CONST ? TH_OK : bad_literal(b, literal, text, to);
}

static bool is_text_const(const th_expr *e)
{
    return e->kind == TH_X_CONST && e->type->kind == TH_VARCHAR;
}

/* A literal against a column: true when one side was changed so that types can meet. */
static th_err meet_literal(binder *b, const th_expr **literal, const th_expr **other, bool *met)
{
    *met = false;
    if (is_text_const(*literal) && reads_literals((*other)->type) &&
        query_expr_has_column(*other)) {
        *met = true;
        const th_type *to = (*other)->type;
        bool number = th_type_is_numeric(to);
        return read_literal(b, *literal, number && th_type_is_integer(to) ? &th_type_bigint : to,
                            literal);
    }
    /* text = true, as some write for the readonly column */
    if ((*literal)->kind == TH_X_CONST && (*literal)->type->kind == TH_BOOLEAN &&
        (*other)->type->kind == TH_VARCHAR && query_expr_has_column(*other)) {
        *met = true;
        return query_bind_cast(b, *literal, &th_type_varchar, literal);
    }
    return TH_OK;
}

th_err query_bind_unify(binder *b, const th_expr **left, const th_expr **right, bool *unified)
{
    *unified = true;
    const th_type *type = th_type_common_super(b->arena, (*left)->type, (*right)->type);
    if (type == NULL) {
        TH_TRY(meet_literal(b, left, right, unified));
        if (!*unified) TH_TRY(meet_literal(b, right, left, unified));
        if (!*unified) return TH_OK;
        type = th_type_common_super(b->arena, (*left)->type, (*right)->type);
        *unified = type != NULL;
        if (type == NULL) return TH_OK;
    }
    TH_TRY(query_bind_cast(b, *left, type, left));
    return query_bind_cast(b, *right, type, right);
}

th_err query_bind_common(binder *b, const ast_expr *ast, const char *what, uint32_t count,
                         const th_expr **exprs, const th_type **out)
{
    const th_type *type = &th_type_unknown;
    for (uint32_t i = 0; i < count; i++) {
        const th_type *wider = th_type_common_super(b->arena, type, exprs[i]->type);
        if (wider == NULL) {
            th_buf a, c;
            th_buf_init(&a, 1u << 16);
            th_buf_init(&c, 1u << 16);
            th_type_print(&a, exprs[i]->type);
            th_type_print(&c, type);
            th_fail_at(b->diag, TH_ESQL, "TYPE_MISMATCH",
                       exprs[i]->line == 0 ? ast->line : exprs[i]->line,
                       exprs[i]->line == 0 ? ast->column : exprs[i]->column,
                       "All %s must be the same type or coercible to a common type. Cannot find "
                       "common type between "
                       "%s and %s",
                       what, th_buf_text(&c), th_buf_text(&a));
            th_buf_free(&a);
            th_buf_free(&c);
            return TH_ESQL;
        }
        type = wider;
    }
    for (uint32_t i = 0; i < count; i++) TH_TRY(query_bind_cast(b, exprs[i], type, &exprs[i]));
    *out = type;
    return TH_OK;
}
