/* SPDX-License-Identifier: Apache-2.0
 * What a name means: a lambda's parameter, an alias (in ORDER BY), a column, a field of a row, a key in JSON text. */
#include <ctype.h>

#include "query/bind.h"

bind_nearest query_nearest_of(th_slice wanted)
{
    return (bind_nearest){wanted, {0}, (uint32_t)(wanted.size / 3 + 1)};
}

/* Edit distance without regard to case; names over 64 bytes are not near to anything. */
static uint32_t distance(th_slice a, th_slice b)
{
    uint32_t row[65];
    if (a.size > 64 || b.size > 64) return UINT32_MAX;
    for (uint32_t j = 0; j <= b.size; j++) row[j] = j;
    for (uint32_t i = 1; i <= a.size; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b.size; j++) {
            uint32_t change = diagonal + (tolower(a.bytes[i - 1]) != tolower(b.bytes[j - 1]));
            diagonal = row[j];
            uint32_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[b.size];
}

void query_nearest_try(bind_nearest *nearest, th_slice name)
{
    uint32_t d = distance(nearest->wanted, name);
    if (d > nearest->distance || (d == nearest->distance && nearest->best.size > 0)) return;
    nearest->distance = d;
    nearest->best = name;
}

th_err query_bind_field_expr(binder *b, const bind_field *field, const ast_expr *ast,
                             const th_expr **out)
{
    if (field->expr != NULL) {
        *out = field->expr;
        return TH_OK;
    }
    if (field->row_field == 0) {
        *out = query_expr_column(b, field->column, field->type, ast);
        return *out == NULL ? query_no_memory(b) : TH_OK;
    }
    const th_expr *row = query_expr_column(b, field->column, NULL, ast);
    if (row == NULL) return query_no_memory(b);
    th_expr *e = query_expr_children(b, TH_X_FIELD, field->type, ast, 1, &row);
    if (e == NULL) return query_no_memory(b);
    e->index = field->row_field - 1;
    *out = e;
    return TH_OK;
}

/* A name of several parts as it was written: a.b.c; count of parts, first to last. */
typedef struct dotted {
    uint32_t count;
    th_slice parts[4];
} dotted;

/* False when the expression is no plain chain of names, or longer than any qualified name. */
static bool chain_of(const ast_expr *ast, dotted *out)
{
    uint32_t count = 1;
    const ast_expr *e = ast;
    for (; e->kind == AST_FIELD; e = e->children[0]) count++;
    if (e->kind != AST_NAME || count > 4) return false;
    out->count = count;
    for (e = ast; count > 0; e = e->kind == AST_FIELD ? e->children[0] : e)
        out->parts[--count] = e->text;
    return true;
}

static bool field_matches(const bind_field *f, const dotted *name)
{
    uint32_t n = name->count;
    if (!th_slice_equal_nocase(f->name, name->parts[n - 1])) return false;
    if (n == 1) return !f->qualified_only;
    if (f->relation.size == 0 || !th_slice_equal_nocase(f->relation, name->parts[n - 2]))
        return false;
    if (n == 2) return true;
    return f->schema.size > 0 && th_slice_equal_nocase(f->schema, name->parts[n - 3]);
}

static bool same_field(const bind_field *a, const bind_field *b)
{
    return a->expr == b->expr && a->column == b->column && a->row_field == b->row_field;
}

static th_err find_field(binder *b, const bind_relation *from, const ast_expr *ast,
                         const dotted *name, const bind_field **out)
{
    *out = NULL;
    for (uint32_t i = 0; from != NULL && i < from->count; i++) {
        const bind_field *f = &from->fields[i];
        if (!field_matches(f, name)) continue;
        if (*out != NULL && !same_field(*out, f)) {
            return th_fail_at(b->diag, TH_EAMBIGUOUS, "AMBIGUOUS_NAME", ast->line, ast->column,
                              "Column '%.*s' is ambiguous", TH_SLICE_ARGS(ast->source));
        }
        *out = f;
    }
    return TH_OK;
}

static th_err lambda_param(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    *out = NULL;
    for (const bind_lambda *l = at->lambda; l != NULL; l = l->outer) {
        for (uint32_t i = 0; i < l->count; i++) {
            if (!th_slice_equal_nocase(l->names[i].text, ast->text)) continue;
            th_expr *e = query_expr_new(at->b, TH_X_PARAM, l->types[i], ast);
            if (e == NULL) return query_no_memory(at->b);
            e->index = l->first_slot + i;
            *out = e;
            return TH_OK;
        }
    }
    return TH_OK;
}

static th_err alias(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    *out = NULL;
    for (uint32_t i = 0; i < at->item_count; i++) {
        const bind_item *item = &at->items[i];
        if (!item->named || !th_slice_equal_nocase(item->name, ast->text)) continue;
        if (*out != NULL && !query_expr_equal(*out, item->expr)) {
            return th_fail_at(at->b->diag, TH_EAMBIGUOUS, "AMBIGUOUS_NAME", ast->line, ast->column,
                              "Column '%.*s' is ambiguous", TH_SLICE_ARGS(ast->source));
        }
        *out = item->expr;
    }
    return TH_OK;
}

th_err query_param_add(binder *b, bind_params *params, const th_expr *value, uint32_t *index)
{
    for (*index = 0; *index < params->count; (*index)++) {
        if (query_expr_equal(params->values[*index], value)) return TH_OK;
    }
    if (params->count == params->capacity) {
        uint32_t capacity = params->capacity == 0 ? 4 : params->capacity * 2;
        const th_expr **values = TH_NEW_ARRAY(b->arena, const th_expr *, capacity);
        if (values == NULL) return query_no_memory(b);
        for (uint32_t i = 0; i < params->count; i++) values[i] = params->values[i];
        params->values = values;
        params->capacity = capacity;
    }
    params->values[params->count++] = value;
    return TH_OK;
}

/* A column of the queries around: handed in as a parameter through each subquery on the way. */
static th_err outer_name(binder *b, const bind_outer *o, const ast_expr *ast, const dotted *name,
                         const th_expr **out)
{
    const bind_field *f;
    const th_expr *value = NULL;
    *out = NULL;
    if (o == NULL) return TH_OK;
    if (stack_guard_full(&b->stack)) return query_too_deep(b, ast->line, ast->column);
    TH_TRY(find_field(b, o->relation, ast, name, &f));
    if (f != NULL)
        TH_TRY(query_bind_field_expr(b, f, ast, &value));
    else
        TH_TRY(outer_name(b, o->next, ast, name, &value));
    if (value == NULL) return TH_OK;
    th_expr *e = query_expr_new(b, TH_X_OUTER, value->type, ast);
    if (e == NULL) return query_no_memory(b);
    *out = e;
    return query_param_add(b, o->params, value, &e->index);
}

/* The fields of from, ORDER BY's aliases, and everything around; *out NULL when the chain means nothing as a whole. */
static th_err whole_name(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    dotted name;
    *out = NULL;
    if (!chain_of(ast, &name)) return TH_OK;
    if (name.count == 1) {
        TH_TRY(lambda_param(at, ast, out));
        if (*out == NULL) TH_TRY(alias(at, ast, out));
        if (*out != NULL) return TH_OK;
    }
    const bind_field *field;
    TH_TRY(find_field(at->b, at->from, ast, &name, &field));
    if (field != NULL) return query_bind_field_expr(at->b, field, ast, out);
    return outer_name(at->b, at->outer, ast, &name, out);
}

static void hint_name(const bind_place *at, const ast_expr *ast)
{
    th_slice name = ast->text;
    for (uint32_t i = 0; i < at->select_count; i++) {
        if (!th_slice_equal_nocase(at->select[i].alias.text, name) || name.size == 0) continue;
        th_diag_hint(
            at->b->diag,
            "'%.*s' is an alias of the SELECT list; the %s does not see it: repeat the expression",
            TH_SLICE_ARGS(name), at->clause == NULL ? "clause" : at->clause);
        return;
    }
    bind_nearest nearest = query_nearest_of(name);
    for (uint32_t i = 0; at->from != NULL && i < at->from->count; i++) {
        if (!at->from->fields[i].hidden) query_nearest_try(&nearest, at->from->fields[i].name);
    }
    if (nearest.best.size > 0)
        th_diag_hint(at->b->diag, "did you mean '%.*s'?", TH_SLICE_ARGS(nearest.best));
    else if (ast->quoted)
        th_diag_hint(at->b->diag, "double quotes are for names; text goes in single quotes");
}

static th_err unresolved(const bind_place *at, const ast_expr *ast)
{
    const ast_expr *first = ast;
    while (first->kind == AST_FIELD) first = first->children[0];
    size_t size = ast->source.size > 200 ? 200 : ast->source.size;
    th_fail_at(at->b->diag, TH_ESQL, "COLUMN_NOT_FOUND", first->start_line, first->start_column,
               "Column '%.*s' cannot be resolved", (int)size, (const char *)ast->source.bytes);
    hint_name(at, first);
    return TH_ESQL;
}

static th_err row_field(const bind_place *at, const ast_expr *ast, const th_expr *base,
                        const th_expr **out)
{
    int32_t index = th_type_field(base->type, ast->text);
    if (index < 0) {
        th_fail_at(at->b->diag, TH_ESQL, "COLUMN_NOT_FOUND", ast->line, ast->column,
                   "Column '%.*s' cannot be resolved", TH_SLICE_ARGS(ast->source));
        bind_nearest nearest = query_nearest_of(ast->text);
        for (uint32_t i = 0; i < base->type->child_count; i++)
            query_nearest_try(&nearest, base->type->names[i]);
        if (nearest.best.size > 0)
            th_diag_hint(at->b->diag, "did you mean '%.*s'?", TH_SLICE_ARGS(nearest.best));
        return TH_ESQL;
    }
    th_expr *e = query_expr_children(at->b, TH_X_FIELD, base->type->children[index], ast, 1, &base);
    if (e == NULL) return query_no_memory(at->b);
    e->index = (uint32_t)index;
    return query_bind_fold(at->b, e, out);
}

static bool is_call_of(const th_expr *e, const char *name)
{
    return e->kind == TH_X_CALL && strcmp(e->function->name, name) == 0;
}

/* requestparameters.bucketName: ours, not Trino's. A further .key makes the path longer. */
static th_err json_key(const bind_place *at, const ast_expr *ast, const th_expr *base,
                       const th_expr **out)
{
    const th_expr *args[2] = {base, NULL};
    th_slice before = TH_SLICE("$");
    if (is_call_of(base, "json_extract_scalar") && base->children[1]->kind == TH_X_CONST) {
        th_value v;
        th_value_get(base->children[1]->constant, 0, &v);
        args[0] = base->children[0];
        before = v.s;
    }
    bool plain = true;
    for (size_t i = 0; i < ast->text.size; i++)
        plain = plain && (isalnum(ast->text.bytes[i]) || ast->text.bytes[i] == '_');
    if (!plain && memchr(ast->text.bytes, '"', ast->text.size) != NULL) return unresolved(at, ast);
    char *path = th_arena_printf(at->b->arena, plain ? "%.*s.%.*s" : "%.*s[\"%.*s\"]",
                                 TH_SLICE_ARGS(before), TH_SLICE_ARGS(ast->text));
    if (path == NULL) return query_no_memory(at->b);
    args[1] = query_expr_text(at->b, th_slice_text(path), ast);
    if (args[1] == NULL) return query_no_memory(at->b);
    return query_bind_function(at->b, ast, "json_extract_scalar", 2, args, out);
}

static th_err dereference(const bind_place *at, const ast_expr *ast, const th_expr *base,
                          const th_expr **out)
{
    if (base->type->kind == TH_ROW) return row_field(at, ast, base, out);
    if (query_is_json_access(base)) return query_bind_json_field(at, ast, base, out);
    bool from_table = query_expr_has_column(base);
    if (base->type->kind == TH_MAP && base->type->children[0]->kind == TH_VARCHAR && from_table) {
        const th_expr *args[2] = {base, query_expr_text(at->b, ast->text, ast)};
        if (args[1] == NULL) return query_no_memory(at->b);
        return query_bind_function(at->b, ast, "element_at", 2, args, out);
    }
    bool column = base->kind == TH_X_COLUMN || base->kind == TH_X_FIELD ||
                  base->kind == TH_X_OUTER || is_call_of(base, "json_extract_scalar");
    if (base->type->kind == TH_VARCHAR && from_table && column) {
        return json_key(at, ast, base, out);
    }
    th_buf type;
    th_buf_init(&type, 1u << 16);
    th_type_print(&type, base->type);
    th_fail_at(at->b->diag, TH_ESQL, "TYPE_MISMATCH", ast->line, ast->column,
               "Expression %.*s is not of type ROW: it is %s",
               (int)(ast->children[0]->source.size > 100 ? 100 : ast->children[0]->source.size),
               (const char *)ast->children[0]->source.bytes, th_buf_text(&type));
    th_buf_free(&type);
    return TH_ESQL;
}

th_err query_bind_name(const bind_place *at, const ast_expr *ast, const th_expr **out)
{
    TH_TRY(whole_name(at, ast, out));
    if (*out != NULL) return TH_OK;
    if (ast->kind == AST_NAME) return unresolved(at, ast);
    const th_expr *base;
    TH_TRY(query_bind_expr(at, ast->children[0], &base));
    return dereference(at, ast, base, out);
}
