/* SPDX-License-Identifier: Apache-2.0
 * What random queries select from: tables, joins, derived tables; columns and conditions over them. Part of random_queries.c. */
#ifndef TH_TESTS_SQL_RANDOM_SOURCE_H
#define TH_TESTS_SQL_RANDOM_SOURCE_H

#include "tests/sql/random_ask.h"

typedef struct source {
    char text[3000];
    sql_scope scope;
} source;

static void set_scope(sql_scope *s, const char *a, const char *b)
{
    *s = (sql_scope){.at = {{a, true}, {b, true}}, .count = b == NULL ? 1 : 2};
}

static void copy_text(char *to, size_t size, const sql_text *from)
{
    (void)snprintf(to, size, "%s", from->at);
}

/* Something to select from: a table, a join, a derived table. t->text[5] is scratch. */
static void make_source(tester *t, source *s)
{
    sql_random *g = &t->g;
    sql_text *x = &t->text[5];
    sql_clear(x);
    set_scope(&s->scope, "p", NULL);
    uint32_t form = sql_below(g, g->common ? 8 : 9);
    if (form < 3) {
        put(x, "t%u AS p", sql_below(g, 2));
    } else if (form < 7) {
        static const char *const joins[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "JOIN"};
        set_scope(&s->scope, "p", "q");
        static const char *const keys[][2] = {{"a", "a"}, {"i", "i"}, {"s", "u"}, {"d", "d"}};
        const char *const *key = keys[sql_below(g, 4)];
        put(x, "t0 AS p %s t1 AS q ON p.%s = q.%s", joins[sql_below(g, 5)], key[0], key[1]);
        if (sql_below(g, 3) == 0) {
            put(x, " AND ");
            put_expr(g, x, &s->scope, K_BOOL, 2);
        }
    } else if (form == 7) {
        sql_scope inner;
        set_scope(&inner, "w", NULL);
        put(x, "(SELECT w.* FROM t0 AS w WHERE ");
        put_expr(g, x, &inner, K_BOOL, 2);
        put(x, " UNION ALL SELECT * FROM t1) AS p");
    } else {
        put(x, "t0 AS p CROSS JOIN UNNEST(p.l) AS n(e)");
    }
    copy_text(s->text, sizeof s->text, x);
}

static void put_columns(tester *t, sql_text *x, const sql_scope *scope, uint32_t count, int depth)
{
    for (uint32_t i = 0; i < count; i++) {
        put(x, "%s", i ? ", " : "");
        put_expr(&t->g, x, scope, (sql_kind)sql_below(&t->g, K_DATE + 1), depth);
        put(x, " AS c%u", i);
    }
}

static void make_condition(tester *t, const sql_scope *scope, char *out, size_t size)
{
    sql_text *x = &t->text[5];
    sql_clear(x);
    put_expr(&t->g, x, scope, K_BOOL, 3);
    copy_text(out, size, x);
}

#endif
