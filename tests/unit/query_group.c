/* SPDX-License-Identifier: Apache-2.0
 * GROUP BY with several sets, GROUPING(), AUTO, and aggregates with DISTINCT, FILTER and ORDER BY in them; LISTAGG. */
#include "tests/unit/query_help.h"

#define T "(VALUES (1,'a',10),(1,'b',20),(2,'a',30),(2,'a',30),(NULL,'b',40)) AS t(k,s,v)"

TEST(sets)
{
    ROWS("SELECT k, s, sum(v) FROM " T " GROUP BY ROLLUP(k, s) ORDER BY grouping(k, s), k, s",
         "1, a, 10 | 1, b, 20 | 2, a, 60 | NULL, b, 40 | 1, NULL, 30 | 2, NULL, 60 | NULL, NULL, "
         "40 | "
         "NULL, NULL, 130");
    ROWS("SELECT k, s, count(*), grouping(k), grouping(s), grouping(s, k) FROM " T
         " GROUP BY CUBE(k, s) HAVING sum(v) >= 60 ORDER BY 6, 1, 2",
         "2, a, 2, 0, 0, 0 | NULL, a, 3, 1, 0, 1 | NULL, b, 2, 1, 0, 1 | 2, NULL, 2, 0, 1, 2 | "
         "NULL, NULL, 5, 1, 1, 3");
    ROWS("SELECT k, s, count(*) FROM " T " GROUP BY GROUPING SETS ((k), (s), ()) "
         "ORDER BY grouping(k, s), k, s",
         "1, NULL, 2 | 2, NULL, 2 | NULL, NULL, 1 | NULL, a, 3 | NULL, b, 2 | NULL, NULL, 5");
    /* several elements: every set of one with every set of the other */
    ROWS("SELECT k, s, v, count(*) FROM " T
         " WHERE k = 2 GROUP BY k, GROUPING SETS ((s), (v)), ROLLUP(s) "
         "ORDER BY grouping(k, s, v)",
         "2, a, 30, 2 | 2, a, NULL, 2 | 2, a, NULL, 2 | 2, NULL, 30, 2");
    ROWS("SELECT k, count(*) FROM " T
         " GROUP BY DISTINCT ROLLUP(k), CUBE(k) ORDER BY grouping(k), k",
         "1, 2 | 2, 2 | NULL, 1 | NULL, 5");
    ROWS("SELECT k, count(*) FROM " T " GROUP BY GROUPING SETS ((1)) ORDER BY 1",
         "1, 2 | 2, 2 | NULL, 1");
}

TEST(a_set_without_keys_has_its_group_even_without_rows)
{
    ROWS("SELECT k, count(*), sum(v) FROM " T " WHERE v > 99 GROUP BY GROUPING SETS ((), (k), ())",
         "NULL, 0, NULL | NULL, 0, NULL");
    ROWS("SELECT k, count(*) FROM " T " WHERE v > 99 GROUP BY ROLLUP(k) HAVING k = 1", "");
    ROWS("SELECT k, n FROM (SELECT k, count(*) AS n FROM " T " GROUP BY ROLLUP(k)) WHERE k = 7",
         "");
    ROWS("SELECT k, n FROM (SELECT k, count(*) AS n FROM " T " GROUP BY ROLLUP(k)) WHERE k IS NULL "
         "ORDER BY n",
         "NULL, 1 | NULL, 5");
    ROWS("SELECT count(*) FROM " T " WHERE v > 99 GROUP BY ()", "0");
    ROWS("SELECT count(*) FROM " T " WHERE v > 99 GROUP BY k", "");
}

TEST(an_argument_sees_the_key_as_it_was)
{
    ROWS("SELECT k, sum(k), k + 1 FROM " T
         " WHERE k IS NOT NULL GROUP BY ROLLUP(k) ORDER BY grouping(k), k",
         "1, 2, 2 | 2, 4, 3 | NULL, 6, NULL");
    ROWS("SELECT lower(s), count(*) FROM " T
         " GROUP BY ROLLUP(lower(s)) ORDER BY grouping(lower(s)), 1",
         "a, 3 | b, 2 | NULL, 5");
}

TEST(auto_groups_by_what_is_no_aggregate)
{
    ROWS("SELECT k, upper(s), sum(v) + 1 FROM " T " GROUP BY AUTO ORDER BY k, 2",
         "1, A, 11 | 1, B, 21 | 2, A, 61 | NULL, B, 41");
    ROWS("SELECT auto, count(*) FROM (VALUES 1, 1) AS t(auto) GROUP BY auto", "1, 2");
}

TEST(what_grouping_refuses)
{
    ERROR("SELECT grouping(v) FROM " T " GROUP BY k", "INVALID_ARGUMENTS");
    ROWS("SELECT grouping(k) FROM " T " WHERE k = 2 GROUP BY k", "0");
    ERROR("SELECT k FROM " T " WHERE grouping(k) = 1 GROUP BY k", "EXPRESSION_NOT_SCALAR");
    ERROR("SELECT count(*) FROM " T
          " GROUP BY CUBE(k, s, v, 1+k, 2+k, 3+k, 4+k, 5+k, 6+k, 7+k, 8+k, 9+k)",
          "TOO_MANY_GROUPING_SETS");
    ERROR("SELECT v FROM " T " GROUP BY ROLLUP(k)", "EXPRESSION_NOT_AGGREGATE");
}

TEST(aggregates_with_clauses_in_every_set)
{
    ROWS("SELECT k, count(DISTINCT v), count(*), sum(v) FILTER (WHERE s = 'a'), array_agg(s ORDER "
         "BY v DESC, "
         "s) FROM " T " GROUP BY ROLLUP(k) ORDER BY grouping(k), k",
         "1, 2, 2, 10, [b, a] | 2, 1, 2, 60, [a, a] | NULL, 1, 1, NULL, [b] | "
         "NULL, 4, 5, 70, [b, a, a, b, a]");
    ROWS("SELECT count(DISTINCT k), sum(DISTINCT v), count(k), max(v) FROM " T, "2, 100, 4, 40");
}

TEST(windows_over_sets)
{
    ROWS("SELECT k, sum(v), rank() OVER (PARTITION BY grouping(k) ORDER BY sum(v) DESC) FROM " T
         " GROUP BY ROLLUP(k) ORDER BY grouping(k), k",
         "1, 30, 3 | 2, 60, 1 | NULL, 40, 2 | NULL, 130, 1");
}

TEST(listagg)
{
    ROWS("SELECT listagg(s, '-') WITHIN GROUP (ORDER BY v DESC) FROM " T, "b-a-a-b-a");
    ROWS("SELECT listagg(DISTINCT s) WITHIN GROUP (ORDER BY s) FROM " T, "ab");
    ROWS("SELECT listagg(s, ',') WITHIN GROUP (ORDER BY v) FILTER (WHERE k = 9) FROM " T, "NULL");
    ROWS("SELECT length(l), substr(l, -9) FROM (SELECT listagg(x, ',' ON OVERFLOW TRUNCATE '~' "
         "WITH COUNT) "
         "WITHIN GROUP (ORDER BY x) AS l FROM UNNEST(repeat(rpad('x', 1000, 'y'), 2000)) AS u(x))",
         "1048053, yy,~(953)");
    ROWS("SELECT substr(l, -5) FROM (SELECT listagg(x ON OVERFLOW TRUNCATE WITHOUT COUNT) "
         "WITHIN GROUP (ORDER BY x) AS l FROM UNNEST(repeat(rpad('x', 1000, 'y'), 2000)) AS u(x))",
         "yy...");
    ERROR("SELECT listagg(x) WITHIN GROUP (ORDER BY x) FROM UNNEST(repeat(rpad('x', 1000, 'y'), "
          "2000)) AS u(x)",
          "EXCEEDED_FUNCTION_MEMORY_LIMIT");
    ERROR("SELECT listagg(s, ',') FROM " T, "SYNTAX_ERROR");
}

TEST(order_by_of_distinct_rows)
{
    ROWS("SELECT DISTINCT k, s FROM " T " ORDER BY s, k", "1, a | 2, a | 1, b | NULL, b");
    ROWS("SELECT DISTINCT v + 1 FROM " T " ORDER BY v + 1 DESC LIMIT 2", "41 | 31");
    ERROR("SELECT DISTINCT v, v + 1 FROM " T " ORDER BY v + 1", "EXPRESSION_NOT_IN_DISTINCT");
}

TEST_MAIN(sets, a_set_without_keys_has_its_group_even_without_rows,
          an_argument_sees_the_key_as_it_was, auto_groups_by_what_is_no_aggregate,
          what_grouping_refuses, aggregates_with_clauses_in_every_set, windows_over_sets, listagg,
          order_by_of_distinct_rows)
