/* SPDX-License-Identifier: Apache-2.0
 * Conditions that a scan can use to skip segments and rows: a column against constants. The filter above the scan
 * stays; the scan says which of them it took exactly. */
#include "query/bind.h"
#include "query/type/coerce.h"

typedef struct scan_predicates {
    uint32_t count;
    th_scan_predicate *items;
    uint32_t conjunct; /* in hand */
} scan_predicates;

static const struct {
    const char *function;
    th_compare compare, swapped;
} comparisons[] = {{"$eq", TH_CMP_EQ, TH_CMP_EQ}, {"$ne", TH_CMP_NE, TH_CMP_NE},
                   {"$lt", TH_CMP_LT, TH_CMP_GT}, {"$le", TH_CMP_LE, TH_CMP_GE},
                   {"$gt", TH_CMP_GT, TH_CMP_LT}, {"$ge", TH_CMP_GE, TH_CMP_LE}};

/* Do different values stay different, and in their order? CAST(ts AS date) = d is no condition on ts = midnight. */
static bool keeps_order(const th_type *from, const th_type *to)
{
    bool small = from->kind == TH_TINYINT || from->kind == TH_SMALLINT;
    if (to->kind == TH_REAL) return small;
    if (to->kind == TH_DOUBLE) return small || from->kind == TH_INTEGER || from->kind == TH_REAL;
    return th_type_can_coerce(from, to);
}

/* The column under e, when e is one or a cast of one that loses nothing. */
static const th_expr *column_of(const th_expr *e)
{
    if (e->kind == TH_X_CAST && !e->try_cast && keeps_order(e->children[0]->type, e->type))
        e = e->children[0];
    return e->kind == TH_X_COLUMN ? e : NULL;
}

/* value (of type from) in the column's own type; *fits false when it does not come back the same. */
static th_err to_column_type(binder *b, const th_expr *constant, const th_type *to,
                             const th_expr **out, bool *fits)
{
    const th_expr *back;
    *fits = false;
    TH_TRY(query_bind_cast(b, constant, to, out));
    if ((*out)->kind != TH_X_CONST) return TH_OK;
    TH_TRY(query_bind_cast(b, *out, constant->type, &back));
    if (back->kind != TH_X_CONST) return TH_OK;
    th_value x, y;
    th_value_get(constant->constant, 0, &x);
    th_value_get(back->constant, 0, &y);
    *fits = !x.null && !y.null && th_value_same(constant->type, &x, &y);
    return TH_OK;
}

/* The constants as one FLAT vector of the column's type. */
static th_err values_of(binder *b, const th_expr *column, uint32_t count,
                        const th_expr *const *constants, const th_vector **out, bool *fits)
{
    th_builder builder;
    th_vector *vector = TH_NEW(b->arena, th_vector);
    if (vector == NULL || !th_builder_init(&builder, b->arena, column->type, count, false))
        return query_no_memory(b);
    *fits = true;
    for (uint32_t i = 0; i < count && *fits; i++) {
        const th_expr *value;
        TH_TRY(to_column_type(b, constants[i], column->type, &value, fits));
        if (!*fits) return TH_OK;
        th_value v;
        th_value_get(value->constant, 0, &v);
        if (!th_builder_add(&builder, &v)) return query_no_memory(b);
    }
    th_builder_finish(&builder, vector);
    *out = vector;
    return TH_OK;
}

static void put(scan_predicates *list, const th_expr *column, th_compare compare,
                const th_vector *values)
{
    list->items[list->count++] =
        (th_scan_predicate){column->index, compare, values, list->conjunct};
}

static th_err comparison(binder *b, const th_expr *e, scan_predicates *list)
{
    size_t k = 0, n = sizeof comparisons / sizeof comparisons[0];
    while (k < n && strcmp(comparisons[k].function, e->function->name) != 0) k++;
    if (k == n) return TH_OK;
    bool swapped = e->children[0]->kind == TH_X_CONST;
    const th_expr *constant = e->children[swapped ? 0 : 1],
                  *column = column_of(e->children[swapped ? 1 : 0]);
    if (column == NULL || constant->kind != TH_X_CONST || th_vector_is_null(constant->constant, 0))
        return TH_OK;
    const th_vector *values;
    bool fits;
    TH_TRY(values_of(b, column, 1, &constant, &values, &fits));
    if (fits) put(list, column, swapped ? comparisons[k].swapped : comparisons[k].compare, values);
    return TH_OK;
}

/* NULLs in the list match nothing; without them the list selects the same rows. */
static th_err in_list(binder *b, const th_expr *e, scan_predicates *list)
{
    const th_expr *column = column_of(e->children[0]);
    const th_expr **constants = TH_NEW_ARRAY(b->arena, const th_expr *, e->child_count);
    if (constants == NULL) return query_no_memory(b);
    uint32_t n = 0;
    for (uint32_t i = 1; i < e->child_count; i++) {
        if (e->children[i]->kind != TH_X_CONST) return TH_OK;
        if (!th_vector_is_null(e->children[i]->constant, 0)) constants[n++] = e->children[i];
    }
    if (column == NULL || n == 0) return TH_OK;
    const th_vector *values;
    bool fits;
    TH_TRY(values_of(b, column, n, constants, &values, &fits));
    if (fits) put(list, column, TH_CMP_IN, values);
    return TH_OK;
}

/* Bytes of a pattern before its first wildcard. */
static size_t plain_size(th_slice pattern)
{
    size_t n = 0;
    while (n < pattern.size && pattern.bytes[n] != '%' && pattern.bytes[n] != '_') n++;
    return n;
}

static th_err like_text(binder *b, const th_expr *column, th_slice text, th_compare compare,
                        scan_predicates *list)
{
    const th_expr *constant = query_expr_text(b, text, NULL);
    if (constant == NULL) return query_no_memory(b);
    const th_vector *values;
    bool fits;
    TH_TRY(values_of(b, column, 1, &constant, &values, &fits));
    if (fits) put(list, column, compare, values);
    return TH_OK;
}

/* LIKE 'prefix%', LIKE 'whole' and LIKE '%part%'; an escape character makes it too fine. */
static th_err like(binder *b, const th_expr *e, scan_predicates *list)
{
    const th_expr *column = column_of(e->children[0]), *pattern = e->children[1];
    if (column == NULL || column->type->kind != TH_VARCHAR || e->child_count != 2) return TH_OK;
    if (pattern->kind != TH_X_CONST || th_vector_is_null(pattern->constant, 0)) return TH_OK;
    th_value v;
    th_value_get(pattern->constant, 0, &v);
    size_t n = plain_size(v.s);
    if (n > 0)
        return like_text(b, column, th_slice_of(v.s.bytes, n),
                         n == v.s.size ? TH_CMP_EQ : TH_CMP_PREFIX, list);
    if (v.s.size < 3 || v.s.bytes[0] != '%' || v.s.bytes[v.s.size - 1] != '%') return TH_OK;
    th_slice inner = th_slice_of(v.s.bytes + 1, v.s.size - 2);
    if (plain_size(inner) != inner.size) return TH_OK;
    return like_text(b, column, inner, TH_CMP_CONTAINS, list);
}

static th_err conjunct(binder *b, const th_expr *e, scan_predicates *list)
{
    const th_expr *inner = e->kind == TH_X_NOT ? e->children[0] : e;
    if (inner->kind == TH_X_IS_NULL) {
        const th_expr *column = inner->children[0];
        if (column->kind == TH_X_COLUMN)
            put(list, column, inner == e ? TH_CMP_IS_NULL : TH_CMP_NOT_NULL, NULL);
        return TH_OK;
    }
    if (e->kind == TH_X_IN) return in_list(b, e, list);
    if (e->kind != TH_X_CALL || e->child_count < 2) return TH_OK;
    return strcmp(e->function->name, "$like") == 0 ? like(b, e, list) : comparison(b, e, list);
}

th_err query_scan_predicates(binder *b, const th_expr *predicate, th_plan *scan)
{
    bool and_ = predicate->kind == TH_X_AND;
    uint32_t n = and_ ? predicate->child_count : 1;
    scan_predicates list = {.items = TH_NEW_ARRAY(b->arena, th_scan_predicate, n)};
    if (list.items == NULL) return query_no_memory(b);
    for (; list.conjunct < n; list.conjunct++)
        TH_TRY(conjunct(b, and_ ? predicate->children[list.conjunct] : predicate, &list));
    scan->scan_predicates = list.items;
    scan->scan_predicate_count = list.count;
    return TH_OK;
}
