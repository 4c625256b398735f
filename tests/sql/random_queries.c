/* SPDX-License-Identifier: Apache-2.0
 * random_queries [--seed N] [--queries N] [--one SEED] [--common] [-v]: random queries whose answers must agree with themselves.
 *
 * A round makes two tables and asks until ROUND_STATEMENTS statements ran; round N of a run has seed SEED + N, so that
 * `--one` repeats what a mismatch names. Each question is asked in ways that must give the same rows:
 *
 *   paths      the tables in one segment of plain vectors, and in segments of a few rows with codes, pruned
 *   ternary    rows WHERE p, WHERE NOT p and WHERE p IS NULL together are all rows (TLP: Rigger and Su, OOPSLA 2020)
 *   no filter  count(*) WHERE p is the sum of p over all rows (NoREC: Rigger and Su, ESEC/FSE 2020)
 *   forms      a join as JOIN and as a product with WHERE; an outer join as pairs and the rows without; IN as EXISTS; ORDER BY with LIMIT as the start of all rows in
 *              order; DISTINCT as GROUP BY; a subquery as WITH; a grouped query as one over a derived table;
 *              a window as a join of the table with itself
 *
 * --common keeps to what DuckDB understands in the same way and prints tables and answers as JSON lines, for
 * duckdb-random.soak.py to compare.
 *
 * Ends with 1 when two ways differed, or when a statement failed in other words than "not supported". */
#include "tests/sql/random_source.h"

enum { ROUND_STATEMENTS = 400 };

/* ---- questions -------------------------------------------------------------------------------------------------------------- */

static void compare(tester *t, const char *what, bool ordered)
{
    if (!ask(t, &t->text[0], ordered, &t->answers[0]) ||
        !ask(t, &t->text[1], ordered, &t->answers[1]))
        return;
    if (!same(&t->answers[0], &t->answers[1]))
        report(t, what, &t->text[0], &t->answers[0], &t->text[1], &t->answers[1]);
}

static const char *const partings[] = {"", "NOT ", ""};
static const char *const endings[] = {"", "", " IS NULL"};

/* All rows, and the three parts of them. */
static void ternary_rows(tester *t)
{
    source s;
    char p[3000], columns[3000];
    make_source(t, &s);
    make_condition(t, &s.scope, p, sizeof p);
    sql_clear(&t->text[5]);
    put_columns(t, &t->text[5], &s.scope, 1 + sql_below(&t->g, 3), 2);
    copy_text(columns, sizeof columns, &t->text[5]);
    bool distinct = sql_below(&t->g, 4) == 0;
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    put(&t->text[0], "SELECT %s%s FROM %s", distinct ? "DISTINCT " : "", columns, s.text);
    for (int i = 0; i < 3; i++)
        put(&t->text[1], "%sSELECT %s FROM %s WHERE %s(%s)%s",
            i == 0     ? ""
            : distinct ? " UNION "
                       : " UNION ALL ",
            columns, s.text, partings[i], p, endings[i]);
    compare(t, "ternary rows", false);
}

/* Aggregates of all rows, and of the parts' aggregates. */
static void ternary_aggregates(tester *t)
{
    static const char *const inner =
        "count(*) AS n, count(%s) AS k, sum(%s) AS s, min(%s) AS a, max(%s) AS b, bool_or(%s) AS o";
    static const char *const outer = "sum(n), sum(k), sum(s), min(a), max(b), bool_or(o)";
    source s;
    char p[3000], e[5][800], list[6000];
    make_source(t, &s);
    make_condition(t, &s.scope, p, sizeof p);
    static const sql_kind kinds[] = {K_TEXT, K_INT, K_TEXT, K_TIME, K_BOOL};
    for (int i = 0; i < 5; i++) {
        sql_clear(&t->text[5]);
        put_expr(&t->g, &t->text[5], &s.scope, kinds[i], 1);
        copy_text(e[i], sizeof e[i], &t->text[5]);
    }
    (void)snprintf(list, sizeof list, inner, e[0], e[1], e[2], e[3], e[4]);
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    put(&t->text[0], "SELECT %s FROM (SELECT %s FROM %s) z", outer, list, s.text);
    put(&t->text[1], "SELECT %s FROM (", outer);
    for (int i = 0; i < 3; i++)
        put(&t->text[1], "%sSELECT %s FROM %s WHERE %s(%s)%s", i ? " UNION ALL " : "", list, s.text,
            partings[i], p, endings[i]);
    put(&t->text[1], ") z");
    compare(t, "ternary aggregates", false);
}

/* Groups of all rows, and the groups that HAVING leaves in three parts. */
static void ternary_groups(tester *t)
{
    source s;
    char key[2000], having[2000];
    make_source(t, &s);
    sql_clear(&t->text[5]);
    put_expr(&t->g, &t->text[5], &s.scope, (sql_kind)(1 + sql_below(&t->g, K_DATE)), 2);
    copy_text(key, sizeof key, &t->text[5]);
    sql_clear(&t->text[5]);
    static const char *const conditions[] = {"count(*) > %u", "min(p.b) < %u", "max(p.a) + %u > 3",
                                             "sum(p.i) >= %u"};
    put(&t->text[5], conditions[sql_below(&t->g, 4)],
        sql_below(&t->g, 5)); // NOLINT: one of four constants
    copy_text(having, sizeof having, &t->text[5]);
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    const char *list = "count(*), count(DISTINCT p.s), max(p.u), sum(p.m), min(p.d)";
    put(&t->text[0], "SELECT %s, %s FROM %s GROUP BY 1", key, list, s.text);
    for (int i = 0; i < 3; i++)
        put(&t->text[1], "%sSELECT %s, %s FROM %s GROUP BY 1 HAVING %s(%s)%s",
            i ? " UNION ALL " : "", key, list, s.text, partings[i], having, endings[i]);
    compare(t, "ternary groups", false);
}

static void no_filter(tester *t)
{
    source s;
    char p[3000];
    make_source(t, &s);
    make_condition(t, &s.scope, p, sizeof p);
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    put(&t->text[0], "SELECT count(*) FROM %s WHERE %s", s.text, p);
    if (sql_below(&t->g, 2))
        put(&t->text[1], "SELECT coalesce(sum(CASE WHEN %s THEN 1 ELSE 0 END), 0) FROM %s", p,
            s.text);
    else
        put(&t->text[1], "SELECT count_if(y) FROM (SELECT %s AS y FROM %s) z", p, s.text);
    compare(t, "no filter", false);
}

static void join_forms(tester *t)
{
    sql_scope both;
    set_scope(&both, "p", "q");
    char p[3000];
    make_condition(t, &both, p, sizeof p);
    static const char *const keys[] = {"p.a = q.a", "p.s = q.u", "p.a = q.i AND p.s = q.s",
                                       "p.d = q.d", "p.b < q.b", "true"};
    const char *key = keys[sql_below(&t->g, 6)];
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    put(&t->text[0], "SELECT p.a, p.s, q.b, q.u FROM t0 AS p JOIN t1 AS q ON %s AND (%s)", key, p);
    if (sql_below(&t->g, 2))
        put(&t->text[1], "SELECT p.a, p.s, q.b, q.u FROM t1 AS q, t0 AS p WHERE (%s) AND %s", p,
            key);
    else
        put(&t->text[1],
            "SELECT a, s, b, u FROM (SELECT p.a, p.s, q.b, q.u, (%s) AS y, (%s) AS w FROM t0 AS p "
            "CROSS JOIN "
            "t1 AS q) z WHERE w AND y",
            p, key);
    compare(t, "join forms", false);
}

/* template with alias where it says %s */
static void replace_alias(char *to, size_t size, const char *template, const char *alias)
{
    const char *at = strstr(template, "%s");
    if (at == NULL)
        (void)snprintf(to, size, "%s", template);
    else
        (void)snprintf(to, size, "%.*s%s%s", (int)(at - template), template, alias, at + 2);
}

/* Left rows with their pairs, and those that have none; n is the number of a row. */
static void outer_forms(tester *t)
{
    static const char *const keys[] = {"p.a = q.a", "p.s = q.u", "p.i = q.i AND p.f = q.f",
                                       "p.b = q.b"};
    const char *key = keys[sql_below(&t->g, 4)];
    sql_scope both;
    set_scope(&both, "p", "q");
    char p[3000];
    make_condition(t, &both, p, sizeof p);
    bool right = sql_below(&t->g, 2);
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    put(&t->text[0], "SELECT p.n, p.s, q.n, q.u FROM %s AS %s %s JOIN %s AS %s ON %s AND (%s)",
        right ? "t1" : "t0", right ? "q" : "p", right ? "RIGHT" : "LEFT", right ? "t0" : "t1",
        right ? "p" : "q", key, p);
    put(&t->text[1],
        "SELECT p.n, p.s, q.n, q.u FROM t0 AS p JOIN t1 AS q ON %s AND (%s) UNION ALL SELECT n, s, "
        "NULL, NULL FROM t0 WHERE n "
        "NOT IN (SELECT p.n FROM t0 AS p, t1 AS q WHERE %s AND (%s))",
        key, p, key, p);
    compare(t, "outer forms", false);
}

static void set_forms(tester *t)
{
    source s;
    char column[3000], p[2][3000];
    make_source(t, &s);
    for (int i = 0; i < 2; i++) make_condition(t, &s.scope, p[i], sizeof p[i]);
    sql_clear(&t->text[5]);
    put_columns(t, &t->text[5], &s.scope, 1, 1);
    copy_text(column, sizeof column, &t->text[5]);
    bool except = sql_below(&t->g, 2);
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    put(&t->text[0], "SELECT %s FROM %s WHERE %s %s SELECT %s FROM %s WHERE %s", column, s.text,
        p[0], except ? "EXCEPT" : "INTERSECT", column, s.text, p[1]);
    put(&t->text[1],
        "SELECT c0 FROM (SELECT DISTINCT %s, 1 AS k FROM %s WHERE %s UNION ALL SELECT DISTINCT %s, "
        "2 FROM %s WHERE %s) z GROUP "
        "BY c0 HAVING sum(k) = %d",
        column, s.text, p[0], column, s.text, p[1], except ? 1 : 3);
    compare(t, "set forms", false);
}

/* A window over the numbered rows of t0, and the same rows met in a join. */
static void window_forms(tester *t)
{
    static const char *const keys[] = {"coalesce(%s.a, 99)", "coalesce(%s.s, '-')",
                                       "(%s.i IS NULL)", "true"};
    static const char *const values[] = {"sum(%s.b)", "count(*)",    "max(%s.u)",
                                         "min(%s.d)", "count(%s.m)", "bool_or(%s.f)"};
    const char *key = keys[sql_below(&t->g, 4)], *value = values[sql_below(&t->g, 6)];
    char own[64], other[64], mine[64], theirs[64];
    replace_alias(own, sizeof own, key, "p");
    replace_alias(other, sizeof other, key, "q");
    replace_alias(mine, sizeof mine, value, "p");
    replace_alias(theirs, sizeof theirs, value, "q");
    uint32_t before = sql_below(&t->g, 5), after = sql_below(&t->g, 4);
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    switch (sql_below(&t->g, 4)) {
    case 0:
        put(&t->text[0], "SELECT p.n, %s OVER (PARTITION BY %s) FROM t0 AS p", mine, own);
        put(&t->text[1], "SELECT p.n, %s FROM t0 AS p JOIN t0 AS q ON %s = %s GROUP BY p.n", theirs,
            own, other);
        break;
    case 1:
        put(&t->text[0], "SELECT p.n, %s OVER (PARTITION BY %s ORDER BY p.n) FROM t0 AS p", mine,
            own);
        put(&t->text[1],
            "SELECT p.n, %s FROM t0 AS p JOIN t0 AS q ON %s = %s AND q.n <= p.n GROUP BY p.n",
            theirs, own, other);
        break;
    case 2:
        put(&t->text[0],
            "SELECT p.n, %s OVER (ORDER BY p.n %s BETWEEN %u PRECEDING AND %u FOLLOWING) FROM t0 "
            "AS p",
            mine, sql_below(&t->g, 2) ? "ROWS" : "RANGE", before, after);
        put(&t->text[1],
            "SELECT p.n, %s FROM t0 AS p JOIN t0 AS q ON q.n BETWEEN p.n - %u AND p.n + %u GROUP "
            "BY p.n",
            theirs, before, after);
        break;
    default:
        put(&t->text[0],
            "SELECT p.n, rank() OVER (PARTITION BY %s ORDER BY coalesce(p.b, 9)) FROM t0 AS p",
            own);
        put(&t->text[1],
            "SELECT p.n, 1 + count_if(coalesce(q.b, 9) < coalesce(p.b, 9)) FROM t0 AS p JOIN t0 AS "
            "q ON %s = %s "
            "GROUP BY p.n",
            own, other);
    }
    compare(t, "window forms", false);
}

static void membership_forms(tester *t)
{
    sql_scope inner;
    set_scope(&inner, "q", NULL);
    char p[3000];
    make_condition(t, &inner, p, sizeof p);
    bool text = sql_below(&t->g, 2);
    const char *mine = text ? "p.s" : "p.a", *theirs = text ? "q.u" : "q.i";
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    put(&t->text[0],
        "SELECT p.a, p.s, p.b FROM t0 AS p WHERE %s IN (SELECT %s FROM t1 AS q WHERE %s)", mine,
        theirs, p);
    switch (sql_below(&t->g, 3)) {
    case 0:
        put(&t->text[1],
            "SELECT p.a, p.s, p.b FROM t0 AS p WHERE EXISTS (SELECT 1 FROM t1 AS q WHERE %s = %s "
            "AND (%s))",
            mine, theirs, p);
        break;
    case 1:
        put(&t->text[1],
            "SELECT p.a, p.s, p.b FROM t0 AS p JOIN (SELECT DISTINCT %s AS y FROM t1 AS q WHERE "
            "%s) z ON %s = z.y",
            theirs, p, mine);
        break;
    default:
        put(&t->text[1],
            "WITH z AS (SELECT %s AS y FROM t1 AS q WHERE %s) SELECT p.a, p.s, p.b FROM t0 AS p "
            "WHERE (SELECT "
            "count(*) FROM z WHERE z.y = %s) > 0",
            theirs, p, mine);
    }
    compare(t, "membership forms", false);
}

/* The start of all rows in order; every column is a key, so that equal rows are alike. */
static void top_rows(tester *t)
{
    source s;
    make_source(t, &s);
    sql_text *x = &t->text[0];
    uint32_t columns = 1 + sql_below(&t->g, 3), limit = sql_below(&t->g, 12),
             offset = sql_below(&t->g, 4);
    sql_clear(x);
    put(x, "SELECT ");
    put_columns(t, x, &s.scope, columns, 2);
    put(x, " FROM %s ORDER BY ", s.text);
    for (uint32_t i = 0; i < columns; i++)
        put(x, "%s%u%s%s", i ? ", " : "", i + 1, sql_below(&t->g, 2) ? " DESC" : "",
            sql_below(&t->g, 3)   ? ""
            : sql_below(&t->g, 2) ? " NULLS FIRST"
                                  : " NULLS LAST");
    if (!ask(t, x, true, &t->answers[0])) return;
    t->text[1] = *x;
    if (offset > 0) put(&t->text[1], " OFFSET %u", offset);
    put(&t->text[1], " LIMIT %u", limit);
    if (!ask(t, &t->text[1], true, &t->answers[1])) return;
    size_t from = offset < t->answers[0].count ? offset : t->answers[0].count;
    size_t left = t->answers[0].count - from, wanted = left < limit ? left : limit;
    answer part = {.lines = t->answers[0].lines + from, .count = wanted};
    if (!same(&part, &t->answers[1])) report(t, "top rows", x, &part, &t->text[1], &t->answers[1]);
}

static void group_forms(tester *t)
{
    source s;
    make_source(t, &s);
    char columns[3000], p[2000];
    make_condition(t, &s.scope, p, sizeof p);
    sql_clear(&t->text[5]);
    put_columns(t, &t->text[5], &s.scope, 2, 2);
    copy_text(columns, sizeof columns, &t->text[5]);
    sql_clear(&t->text[0]);
    sql_clear(&t->text[1]);
    switch (sql_below(&t->g, 3)) {
    case 0:
        put(&t->text[0], "SELECT DISTINCT %s FROM %s WHERE %s", columns, s.text, p);
        put(&t->text[1], "SELECT c0, c1 FROM (SELECT %s FROM %s WHERE %s) z GROUP BY c0, c1",
            columns, s.text, p);
        break;
    case 1:
        put(&t->text[0],
            "SELECT c0, count(*) FILTER (WHERE y), count(DISTINCT c1) FROM (SELECT %s, (%s) AS y "
            "FROM %s) z GROUP "
            "BY c0",
            columns, p, s.text);
        put(&t->text[1],
            "WITH z AS (SELECT %s, (%s) AS y FROM %s) SELECT c0, sum(n), count(c1) FROM (SELECT "
            "c0, c1, count_if(y) "
            "AS n FROM z GROUP BY 1, 2) GROUP BY c0",
            columns, p, s.text);
        break;
    default:
        put(&t->text[0], "SELECT c0, count(*) FROM (SELECT %s FROM %s WHERE %s) z GROUP BY c0",
            columns, s.text, p);
        put(&t->text[1],
            "SELECT c0, cardinality(array_agg(coalesce(CAST(c1 AS varchar), '-'))) FROM (SELECT %s "
            "FROM %s WHERE %s) "
            "z GROUP BY c0 HAVING count(*) > 0",
            columns, s.text, p);
    }
    compare(t, "group forms", false);
}

/* ---- rounds ---------------------------------------------------------------------------------------------------------------- */

static bool make_tables(tester *t)
{
    th_diag diag = {0};
    for (uint32_t way = 0; way < WAYS; way++) {
        t->ways[way] = memory_provider_new(way == 0 ? 100000 : 1 + sql_below(&t->g, 9));
        if (t->ways[way] == NULL) return false;
        t->ways[way]->prune = way == 1;
    }
    for (int table = 0; table < 2; table++) {
        sql_table(&t->g, &t->text[0]);
        if (t->print) printf("{\"table\": \"t%d\", \"as\": \"%s\"}\n", table, t->text[0].at);
        for (uint32_t way = 0; way < WAYS; way++) {
            char name[] = {'t', (char)('0' + table), 0};
            if (memory_provider_add(t->ways[way], name, t->text[0].at, way == 1, &diag) == TH_OK)
                continue;
            printf("cannot make a table, seed %llu: %s\n  %s\n", (unsigned long long)t->seed,
                   diag.text, t->text[0].at);
            return false;
        }
    }
    return true;
}

static bool run_round(tester *t, uint64_t seed)
{
    static void (*const questions[])(tester *) = {
        ternary_rows, ternary_rows, ternary_aggregates, ternary_groups, no_filter,
        no_filter,    join_forms,   membership_forms,   outer_forms,    set_forms,
        top_rows,     group_forms,  window_forms};
    t->seed = seed;
    t->g = (sql_random){.state = seed, .common = t->print};
    t->g.state = sql_next(&t->g); /* else the next seed would give the same numbers, one later */
    bool made = make_tables(t);
    for (uint64_t end = t->statements + ROUND_STATEMENTS; made && t->statements < end;
         t->questions++) {
        t->g.subqueries = sql_below(&t->g, 3) == 0;
        questions[sql_below(&t->g, sizeof questions / sizeof questions[0])](t);
        for (uint32_t way = 0; way < WAYS; way++) {
            if (memory_provider_open_segments(t->ways[way]) == 0) continue;
            printf("MISMATCH segments left open, seed %llu\n", (unsigned long long)seed);
            t->mismatches++;
        }
    }
    for (uint32_t way = 0; way < WAYS; way++) {
        memory_provider_free(t->ways[way]);
        t->ways[way] = NULL;
    }
    return made;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, queries = 10000, one = 0;
    static tester t;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) t.verbose = true;
        if (strcmp(argv[i], "--common") == 0) t.print = true;
        if (i + 1 == argc) continue;
        if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[++i], NULL, 10);
        if (strcmp(argv[i], "--queries") == 0) queries = strtoull(argv[++i], NULL, 10);
        if (strcmp(argv[i], "--one") == 0) one = strtoull(argv[++i], NULL, 10);
    }
    for (size_t i = 0; i < sizeof t.answers / sizeof t.answers[0]; i++)
        th_buf_init(&t.answers[i].rows, ANSWER_MAX);
    bool made = true;
    if (one > 0) made = run_round(&t, one);
    for (; one == 0 && made && t.statements < queries; seed++) made = run_round(&t, seed);
    for (size_t i = 0; i < sizeof t.answers / sizeof t.answers[0]; i++) {
        th_buf_free(&t.answers[i].rows);
        free(t.answers[i].lines);
    }
    printf("%llu statements, %llu questions, %llu not supported, %llu refused, %llu mismatches\n",
           (unsigned long long)t.statements, (unsigned long long)t.questions,
           (unsigned long long)t.unsupported, (unsigned long long)t.refused,
           (unsigned long long)t.mismatches);
    return made && t.mismatches == 0 && t.refused == 0 ? 0 : 1;
}
