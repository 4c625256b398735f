/* SPDX-License-Identifier: Apache-2.0
 * Random SQL over two small tables: typed expressions that are always valid and do not fail on the values that the tables
 * hold, so that every statement has an answer. Same seed, same text. A header, so that a program is one file. */
#ifndef TH_TESTS_SQL_RANDOM_SQL_H
#define TH_TESTS_SQL_RANDOM_SQL_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/sql/random_templates.h"

/* ---- randomness and text ------------------------------------------------------------------------------------------------ */

#define SQL_TEXT_MAX 60000

typedef struct sql_text {
    char at[SQL_TEXT_MAX];
    size_t size;
} sql_text;

typedef enum sql_kind { K_BOOL, K_INT, K_TEXT, K_DOUBLE, K_DECIMAL, K_TIME, K_DATE } sql_kind;

typedef struct sql_column {
    const char *name;
    sql_kind kind;
} sql_column;

/* What the text being made may name. */
typedef struct sql_scope {
    struct {
        const char *alias;
        bool rows; /* one of the two tables, with its nested columns */
    } at[4];
    uint32_t count;
} sql_scope;

typedef struct sql_random {
    uint64_t state;
    bool subqueries; /* whether subqueries may be made */
    bool common;     /* only what DuckDB understands in the same way */
    uint32_t aliases;
} sql_random;

static uint64_t sql_next(sql_random *g)
{
    /* splitmix64 */
    uint64_t z = (g->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint32_t sql_below(sql_random *g, uint32_t n)
{
    return (uint32_t)(sql_next(g) >> 33) % n;
}

__attribute__((format(printf, 2, 3))) static void put(sql_text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at + t->size, SQL_TEXT_MAX - t->size, format, args);
    va_end(args);
    if (n > 0 && t->size + (size_t)n < SQL_TEXT_MAX) t->size += (size_t)n;
}

static void sql_clear(sql_text *t)
{
    t->size = 0;
    t->at[0] = 0;
}

/* ---- tables ------------------------------------------------------------------------------------------------------------- */

static const sql_column sql_columns[] = {
    {"a", K_INT},  {"b", K_INT},  {"i", K_INT},  {"x", K_DOUBLE}, {"m", K_DECIMAL},
    {"s", K_TEXT}, {"u", K_TEXT}, {"f", K_BOOL}, {"d", K_TIME},   {"t", K_DATE},
};
enum { SQL_COLUMNS = sizeof sql_columns / sizeof sql_columns[0] };

static const char *const sql_pool[] = {"",    "a",        "b",    "ab", "A",  "B",
                                       "aab", "\xc3\xa4", "root", "10", "-3", " a",
                                       "%",   "a_",       "Root", "z",  "ba", "7"};
static const char *const sql_json[] = {"{\"k\":1,\"v\":\"a\"}",
                                       "{\"k\":null}",
                                       "[]",
                                       "null",
                                       "{\"k\":\"x\",\"o\":{\"p\":2}}",
                                       "{\"k\":true,\"v\":\"ab\"}",
                                       "{\"o\":{\"p\":\"root\"}}",
                                       "[1,2]",
                                       "\"a\""};

static void put_pooled(sql_random *g, sql_text *t)
{
    put(t, "'%s'", sql_pool[sql_below(g, sizeof sql_pool / sizeof sql_pool[0])]);
}

static void put_row(sql_random *g, sql_text *t, uint32_t number, uint32_t nulls)
{
    bool null[SQL_COLUMNS + 3];
    for (uint32_t i = 0; i < SQL_COLUMNS + 3; i++) null[i] = sql_below(g, 100) < nulls;
    put(t, "(%u, ", number);
    null[0] ? put(t, "CAST(NULL AS bigint)") : put(t, "BIGINT '%d'", (int)sql_below(g, 9) - 4);
    null[1] ? put(t, ", CAST(NULL AS bigint)")
            : put(t, ", BIGINT '%d'", (int)sql_below(g, 60) - 10);
    null[2] ? put(t, ", CAST(NULL AS integer)") : put(t, ", INTEGER '%d'", (int)sql_below(g, 5));
    null[3] ? put(t, ", CAST(NULL AS double)")
            : put(t, ", DOUBLE '%d.5'", (int)sql_below(g, 20) - 8);
    null[4]
        ? put(t, ", CAST(NULL AS decimal(8,2))")
        : put(t, ", CAST(DECIMAL '%u.%02u' AS decimal(8,2))", sql_below(g, 30), sql_below(g, 100));
    for (uint32_t i = 5; i < 7; i++) {
        put(t, ", CAST(");
        null[i] ? put(t, "NULL") : put_pooled(g, t);
        put(t, " AS varchar)");
    }
    null[7] ? put(t, ", CAST(NULL AS boolean)")
            : put(t, ", %s", sql_below(g, 2) ? "true" : "false");
    null[8] ? put(t, ", CAST(NULL AS timestamp(3))")
            : put(t, ", TIMESTAMP '2024-01-%02u %02u:%02u:00.000'", 1 + sql_below(g, 4),
                  sql_below(g, 24), sql_below(g, 2) * 30);
    null[9] ? put(t, ", CAST(NULL AS date)") : put(t, ", DATE '2024-0%u-01'", 1 + sql_below(g, 9));
    if (g->common) {
        put(t, ")");
        return;
    }
    put(t, ", CAST(");
    null[10] ? put(t, "NULL")
             : put(t, "'%s'", sql_json[sql_below(g, sizeof sql_json / sizeof sql_json[0])]);
    put(t, " AS varchar), ");
    put(t,
        null[11] ? "CAST(NULL AS row(p bigint, q varchar))"
                 : "CAST(ROW(%d, '%s') AS row(p bigint, q varchar))",
        (int)sql_below(g, 4), sql_pool[sql_below(g, 9)]);
    put(t, ", ");
    uint32_t n = sql_below(g, 4);
    null[12] ? put(t, "CAST(NULL AS array(bigint))") : put(t, "CAST(ARRAY[");
    for (uint32_t i = 0; i < n && !null[12]; i++)
        put(t, "%s%d", i ? ", " : "", (int)sql_below(g, 5));
    if (!null[12]) put(t, "] AS array(bigint))");
    put(t, ")");
}

/* The statement whose rows become a table; now and then no row, or one. */
static void sql_table(sql_random *g, sql_text *t)
{
    uint32_t rows = sql_below(g, 12) == 0 ? sql_below(g, 2) : 2 + sql_below(g, 38),
             nulls = sql_below(g, 4) * 12;
    sql_clear(t);
    put(t, "SELECT * FROM (VALUES ");
    for (uint32_t i = 0; i < rows + (rows == 0); i++) {
        if (i > 0) put(t, ", ");
        put_row(g, t, i, nulls);
    }
    put(t, ") AS v(n, a, b, i, x, m, s, u, f, d, t%s)%s", g->common ? "" : ", j, r, l",
        rows == 0 ? " WHERE false" : "");
}

/* ---- expressions --------------------------------------------------------------------------------------------------------- */

static void put_expr(sql_random *g, sql_text *t, const sql_scope *scope, sql_kind kind, int depth);

static const char *an_alias(sql_random *g, const sql_scope *scope)
{
    return scope->at[sql_below(g, scope->count)].alias;
}

static void put_column(sql_random *g, sql_text *t, const sql_scope *scope, sql_kind kind)
{
    uint32_t at;
    do at = sql_below(g, SQL_COLUMNS);
    while (sql_columns[at].kind != kind);
    put(t, "%s.%s", an_alias(g, scope), sql_columns[at].name);
}

static void put_literal(sql_random *g, sql_text *t, sql_kind kind)
{
    static const char *const types[] = {"boolean",      "bigint",       "varchar", "double",
                                        "decimal(8,2)", "timestamp(3)", "date"};
    if (sql_below(g, 12) == 0) {
        put(t, "CAST(NULL AS %s)", types[kind]);
        return;
    }
    switch (kind) {
    case K_BOOL: put(t, sql_below(g, 2) ? "true" : "false"); break;
    case K_INT: put(t, "%d", (int)sql_below(g, 14) - 4); break;
    case K_TEXT: put_pooled(g, t); break;
    case K_DOUBLE: put(t, "DOUBLE '%d.5'", (int)sql_below(g, 14) - 4); break;
    case K_DECIMAL: put(t, "DECIMAL '%u.%02u'", sql_below(g, 30), sql_below(g, 100)); break;
    case K_TIME:
        put(t, "TIMESTAMP '2024-01-%02u %02u:00:00.000'", 1 + sql_below(g, 4), sql_below(g, 24));
        break;
    case K_DATE: put(t, "DATE '2024-0%u-01'", 1 + sql_below(g, 9)); break;
    }
}

/* A template: %b bool, %i int, %s text, %x double, %m decimal, %d time, %t date, %k a small number over 0, %r %l %j a
 * nested column, %% a percent sign. */
static void put_template(sql_random *g, sql_text *t, const sql_scope *scope, const char *template,
                         int depth)
{
    for (const char *p = template; *p != 0; p++) {
        if (*p != '%') {
            put(t, "%c", *p);
            continue;
        }
        switch (*++p) {
        case 'b': put_expr(g, t, scope, K_BOOL, depth); break;
        case 'i': put_expr(g, t, scope, K_INT, depth); break;
        case 's': put_expr(g, t, scope, K_TEXT, depth); break;
        case 'x': put_expr(g, t, scope, K_DOUBLE, depth); break;
        case 'm': put_expr(g, t, scope, K_DECIMAL, depth); break;
        case 'd': put_expr(g, t, scope, K_TIME, depth); break;
        case 't': put_expr(g, t, scope, K_DATE, depth); break;
        case 'k': put(t, "%u", 1 + sql_below(g, 5)); break;
        case '%': put(t, "%%"); break;
        default: put(t, "%s.%c", an_alias(g, scope), *p); break;
        }
    }
}

/* A condition with a subquery, correlated or not. */
static void put_subquery(sql_random *g, sql_text *t, const sql_scope *scope, int depth)
{
    sql_scope inner = {.at = {{"", true}}, .count = 1};
    char alias[12];
    (void)snprintf(alias, sizeof alias, "q%u", g->aliases++);
    inner.at[0].alias = alias;
    bool was = g->subqueries;
    g->subqueries = false;
    const char *table = sql_below(g, 2) ? "t0" : "t1";
    switch (sql_below(g, 5)) {
    case 0:
    case 1:
        put_expr(g, t, scope, K_INT, depth);
        put(t, "%s IN (SELECT ", sql_below(g, 2) ? " NOT" : "");
        put_expr(g, t, &inner, K_INT, 1);
        put(t, " FROM %s AS %s WHERE ", table, alias);
        put_expr(g, t, &inner, K_BOOL, depth);
        break;
    case 2:
        put(t, "%sEXISTS (SELECT 1 FROM %s AS %s WHERE %s.s = %s.s AND ",
            sql_below(g, 2) ? "NOT " : "", table, alias, alias, an_alias(g, scope));
        put_expr(g, t, &inner, K_BOOL, depth);
        break;
    case 3:
        put_expr(g, t, scope, K_INT, depth);
        put(t, " %s (SELECT max(%s.b) FROM %s AS %s WHERE ", sql_below(g, 2) ? "<" : ">=", alias,
            table, alias);
        put_expr(g, t, &inner, K_BOOL, depth);
        break;
    default:
        put_expr(g, t, scope, K_TEXT, depth);
        put(t, "%s IN (SELECT %s.u FROM %s AS %s", sql_below(g, 2) ? " NOT" : "", alias, table,
            alias);
        break;
    }
    put(t, ")");
    g->subqueries = was;
}

static void put_expr(sql_random *g, sql_text *t, const sql_scope *scope, sql_kind kind, int depth)
{
    if (depth <= 0 || t->size > SQL_TEXT_MAX / 8 || sql_below(g, 5) == 0) {
        sql_below(g, 3) ? put_column(g, t, scope, kind) : put_literal(g, t, kind);
        return;
    }
    if (kind == K_BOOL && g->subqueries && sql_below(g, 10) == 0) {
        put(t, "(");
        put_subquery(g, t, scope, depth - 1);
        put(t, ")");
        return;
    }
    const sql_list *list = &(g->common ? common_templates : sql_templates)[kind];
    put_template(g, t, scope, list->at[sql_below(g, (uint32_t)list->count)], depth - 1);
}

#endif
