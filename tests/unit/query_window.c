/* SPDX-License-Identifier: Apache-2.0
 * Window functions: ranks, neighbours, frames of every kind, aggregates over frames, named windows, and what is refused. */
#include "tests/unit/query_help.h"

static void tables(void)
{
    th_diag d = {0};
    if (help_provider != NULL) return;
    help_provider = memory_provider_new(3);
    CHECK(memory_provider_add(help_provider, "t",
                              "SELECT * FROM (VALUES "
                              "(1,'a',10),(2,'a',20),(3,'a',20),(4,'b',NULL),(5,'b',5),(6,'b',7),"
                              "(7,NULL,1)) AS x(n,g,v)",
                              true, &d) == TH_OK);
    CHECK(memory_provider_add(help_provider, "many",
                              "SELECT i, i % 7 AS g, i * 7919 % 1009 AS v, "
                              "CAST(i * 31 % 97 AS double) / 8 AS d, CAST(i % 13 AS varchar) AS s "
                              "FROM UNNEST(sequence(1, 3000)) AS x(i)",
                              true, &d) == TH_OK);
}

TEST(ranks)
{
    tables();
    ROWS("SELECT n, row_number() OVER (ORDER BY n DESC) FROM t ORDER BY n LIMIT 2", "1, 7 | 2, 6");
    ROWS("SELECT n, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w "
         "FROM t WHERE g = 'a' OR n = 4 WINDOW w AS (ORDER BY v) ORDER BY n",
         "1, 1, 1, 0.0, 0.25 | 2, 2, 2, 0.3333333333333333, 0.75 | "
         "3, 2, 2, 0.3333333333333333, 0.75 | 4, 4, 3, 1.0, 1.0");
    ROWS("SELECT g, n, row_number() OVER (PARTITION BY g ORDER BY n) FROM t ORDER BY n",
         "a, 1, 1 | a, 2, 2 | a, 3, 3 | b, 4, 1 | b, 5, 2 | b, 6, 3 | NULL, 7, 1");
    ROWS("SELECT ntile(3) OVER (ORDER BY n) FROM t ORDER BY n", "1 | 1 | 1 | 2 | 2 | 3 | 3");
    ROWS("SELECT ntile(9) OVER (ORDER BY n) FROM t ORDER BY n", "1 | 2 | 3 | 4 | 5 | 6 | 7");
    ROWS("SELECT ntile(if(n = 1, CAST(NULL AS bigint), 2)) OVER (ORDER BY n) FROM t ORDER BY n "
         "LIMIT 2",
         "NULL | 1");
    ROWS("SELECT row_number() OVER () FROM t", "1 | 2 | 3 | 4 | 5 | 6 | 7");
    ROWS("SELECT row_number() OVER (ORDER BY n) FROM t WHERE n > 9", "");
    ERROR("SELECT ntile(0) OVER (ORDER BY n) FROM t", "INVALID_FUNCTION_ARGUMENT");
}

TEST(neighbours)
{
    tables();
    ROWS("SELECT n, lag(v) OVER w, lead(v) OVER w, lag(v, 2) OVER w, lead(v, 1, -1) OVER w, "
         "lag(v, 0) OVER w FROM t WINDOW w AS (ORDER BY n) ORDER BY n",
         "1, NULL, 20, NULL, 20, 10 | 2, 10, 20, NULL, 20, 20 | 3, 20, NULL, 10, NULL, 20 | "
         "4, 20, 5, 20, 5, NULL | 5, NULL, 7, 20, 7, 5 | 6, 5, 1, NULL, 1, 7 | 7, 7, NULL, 5, -1, "
         "1");
    ROWS("SELECT n, lag(v) IGNORE NULLS OVER w, lead(v, 2) IGNORE NULLS OVER w FROM t "
         "WINDOW w AS (PARTITION BY g = 'c' ORDER BY n) ORDER BY n",
         "1, NULL, 20 | 2, 10, 5 | 3, 20, 7 | 4, 20, 7 | 5, 20, NULL | 6, 5, NULL | 7, NULL, NULL");
    ROWS("SELECT lag(n, 1, 2.5e0) OVER (ORDER BY n) FROM t ORDER BY n LIMIT 2", "2.5 | 1.0");
    ERROR("SELECT lag(v, -1) OVER (ORDER BY n) FROM t", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT lag(v, NULL) OVER (ORDER BY n) FROM t", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT lag(v) OVER (PARTITION BY g) FROM t", "MISSING_ORDER_BY");
    ERROR("SELECT lead(v) OVER (ORDER BY n ROWS 1 PRECEDING) FROM t", "INVALID_WINDOW_FRAME");
}

TEST(values_of_the_frame)
{
    tables();
    ROWS("SELECT n, first_value(v) OVER w, last_value(v) OVER w, nth_value(v, 2) OVER w FROM t "
         "WINDOW w AS (PARTITION BY g ORDER BY n) ORDER BY n",
         "1, 10, 10, NULL | 2, 10, 20, 20 | 3, 10, 20, 20 | 4, NULL, NULL, NULL | 5, NULL, 5, 5 | "
         "6, NULL, 7, 5 | 7, 1, 1, NULL");
    ROWS("SELECT n, first_value(v) IGNORE NULLS OVER w, last_value(v) IGNORE NULLS OVER w FROM t "
         "WINDOW w AS (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) ORDER BY n",
         "1, 10, 10 | 2, 10, 20 | 3, 20, 20 | 4, 20, 20 | 5, 5, 5 | 6, 5, 7 | 7, 7, 1");
    ROWS("SELECT nth_value(v, n) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED "
         "FOLLOWING) FROM t ORDER BY n",
         "10 | 20 | 20 | NULL | 5 | 7 | 1");
    ROWS("SELECT first_value(n) OVER (ORDER BY n ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING) FROM t "
         "ORDER BY n",
         "3 | 4 | 5 | 6 | 7 | NULL | NULL");
    ERROR("SELECT nth_value(v, 0) OVER (ORDER BY n) FROM t", "INVALID_FUNCTION_ARGUMENT");
}

TEST(frames_of_rows)
{
    tables();
    ROWS("SELECT sum(n) OVER (ORDER BY n ROWS 1 PRECEDING) FROM t ORDER BY n",
         "1 | 3 | 5 | 7 | 9 | 11 | 13");
    ROWS("SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING) FROM t ORDER BY "
         "n",
         "6 | 9 | 12 | 15 | 18 | 13 | 7");
    ROWS("SELECT array_agg(n) OVER (ORDER BY n ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) FROM t "
         "ORDER BY n",
         "NULL | NULL | [1] | [1, 2] | [2, 3] | [3, 4] | [4, 5]");
    ROWS("SELECT count(*) OVER (ORDER BY n ROWS BETWEEN n PRECEDING AND 1 PRECEDING) FROM t ORDER "
         "BY n",
         "0 | 1 | 2 | 3 | 4 | 5 | 6");
    ROWS("SELECT count(*) OVER (ROWS BETWEEN 9223372036854775807 PRECEDING AND "
         "9223372036854775807 FOLLOWING) FROM t LIMIT 1",
         "7");
    ROWS("SELECT max(n) OVER (ORDER BY n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), "
         "sum(n) OVER (ORDER BY n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM t ORDER "
         "BY n LIMIT 2",
         "7, 28 | 7, 27");
    ERROR("SELECT sum(n) OVER (ORDER BY n ROWS n - 3 PRECEDING) FROM t", "INVALID_WINDOW_FRAME");
    ERROR("SELECT sum(n) OVER (ORDER BY n ROWS 1.5 PRECEDING) FROM t", "TYPE_MISMATCH");
}

TEST(frames_of_groups_and_ranges)
{
    tables();
    ROWS(
        "SELECT v, array_agg(v) OVER (ORDER BY v GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM "
        "t "
        "ORDER BY v, n",
        "1, [1, 5] | 5, [1, 5, 7] | 7, [5, 7, 10] | 10, [7, 10, 20, 20] | 20, [10, 20, 20, null] | "
        "20, [10, 20, 20, null] | NULL, [20, 20, null]");
    ROWS("SELECT v, array_agg(v) OVER (ORDER BY v GROUPS BETWEEN 2 FOLLOWING AND 3 FOLLOWING) FROM "
         "t "
         "WHERE v > 5 ORDER BY v, n",
         "7, [20, 20] | 10, NULL | 20, NULL | 20, NULL");
    ROWS(
        "SELECT v, array_agg(v) OVER (ORDER BY v RANGE BETWEEN 3 PRECEDING AND 2 FOLLOWING) FROM t "
        "ORDER BY v, n",
        "1, [1] | 5, [5, 7] | 7, [5, 7] | 10, [7, 10] | 20, [20, 20] | 20, [20, 20] | NULL, "
        "[null]");
    ROWS("SELECT v, array_agg(v) OVER (ORDER BY v DESC NULLS FIRST RANGE 5.5 PRECEDING) FROM t "
         "ORDER BY v, n",
         "1, [5, 1] | 5, [10, 7, 5] | 7, [10, 7] | 10, [10] | 20, [20, 20] | 20, [20, 20] | NULL, "
         "[null]");
    ROWS("SELECT count(*) OVER (ORDER BY d RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT "
         "ROW) "
         "FROM (VALUES DATE '2024-03-01', DATE '2024-02-29', DATE '2024-02-27') AS x(d) ORDER BY d",
         "1 | 1 | 2");
    ROWS("SELECT count(*) OVER (ORDER BY v), count(*) OVER (ORDER BY v RANGE CURRENT ROW) FROM t "
         "ORDER BY v, n",
         "1, 1 | 2, 1 | 3, 1 | 4, 1 | 6, 2 | 6, 2 | 7, 1");
    ERROR("SELECT sum(n) OVER (RANGE 1 PRECEDING) FROM t", "MISSING_ORDER_BY");
    ERROR("SELECT sum(n) OVER (ORDER BY n, v RANGE 1 PRECEDING) FROM t", "INVALID_ORDER_BY");
    ERROR("SELECT sum(n) OVER (GROUPS 1 PRECEDING) FROM t", "MISSING_ORDER_BY");
    ERROR("SELECT sum(n) OVER (ORDER BY n RANGE NULL PRECEDING) FROM t", "INVALID_WINDOW_FRAME");
}

TEST(aggregates_with_their_clauses)
{
    tables();
    ROWS("SELECT n, sum(v) FILTER (WHERE n % 2 = 0) OVER (ORDER BY n) FROM t ORDER BY n LIMIT 4",
         "1, NULL | 2, 20 | 3, 20 | 4, 20");
    ROWS("SELECT count(DISTINCT v) OVER (ORDER BY n), array_agg(v ORDER BY v DESC) OVER (ORDER BY "
         "n) "
         "FROM t ORDER BY n LIMIT 4",
         "1, [10] | 2, [20, 10] | 2, [20, 20, 10] | 2, [20, 20, 10, null]");
    ROWS("SELECT g, count(*) OVER (), sum(count(*)) OVER (ORDER BY g), rank() OVER (ORDER BY "
         "count(*) "
         "DESC, g) FROM t GROUP BY g HAVING count(*) > 0 ORDER BY g",
         "a, 3, 3, 1 | b, 3, 6, 2 | NULL, 3, 7, 3");
    ROWS("SELECT n FROM t ORDER BY row_number() OVER (ORDER BY v DESC, n) LIMIT 3", "2 | 3 | 1");
    ROWS("SELECT DISTINCT count(*) OVER (PARTITION BY g) FROM t ORDER BY 1", "1 | 3");
    ROWS("SELECT n, sum(v) OVER (PARTITION BY g), n - lag(n, 1, 0) OVER (ORDER BY n) FROM t WHERE "
         "g = 'a' "
         "ORDER BY n",
         "1, 50, 1 | 2, 50, 1 | 3, 50, 1");
    ERROR("SELECT sum(v) IGNORE NULLS OVER () FROM t", "NULL_TREATMENT_NOT_ALLOWED");
    ERROR("SELECT sum(9223372036854775807) OVER () FROM t", "NUMERIC_VALUE_OUT_OF_RANGE");
}

TEST(named_windows)
{
    tables();
    ROWS("SELECT n, sum(n) OVER w2 FROM t WINDOW w AS (PARTITION BY g), w2 AS (w ORDER BY n) ORDER "
         "BY n",
         "1, 1 | 2, 3 | 3, 6 | 4, 4 | 5, 9 | 6, 15 | 7, 7");
    ROWS(
        "SELECT n, sum(n) OVER (w ORDER BY n ROWS CURRENT ROW) FROM t WINDOW w AS (PARTITION BY g) "
        "ORDER BY n LIMIT 2",
        "1, 1 | 2, 2");
    ERROR("SELECT sum(n) OVER w FROM t", "INVALID_WINDOW_REFERENCE");
    ERROR("SELECT sum(n) OVER (w PARTITION BY g) FROM t WINDOW w AS ()", "INVALID_PARTITION_BY");
    ERROR("SELECT sum(n) OVER (w ORDER BY g) FROM t WINDOW w AS (ORDER BY n)", "INVALID_ORDER_BY");
}

TEST(where_windows_may_stand)
{
    tables();
    ERROR("SELECT n FROM t WHERE row_number() OVER () = 1", "EXPRESSION_NOT_SCALAR");
    ERROR("SELECT n FROM t GROUP BY rank() OVER ()", "EXPRESSION_NOT_SCALAR");
    ERROR("SELECT sum(rank() OVER (ORDER BY n)) FROM t", "NESTED_WINDOW");
    ERROR("SELECT sum(sum(n) OVER ()) OVER () FROM t", "NESTED_WINDOW");
    ERROR("SELECT row_number() FROM t", "MISSING_OVER");
    ERROR("SELECT lower(g) OVER () FROM t", "FUNCTION_NOT_WINDOW");
    ERROR("SELECT n, sum(count(*)) OVER () FROM t", "EXPRESSION_NOT_AGGREGATE");
    ROWS("SELECT * FROM (SELECT g, n, row_number() OVER (PARTITION BY g ORDER BY n) AS r FROM t) "
         "WHERE g = 'b' AND r <= 2",
         "b, 4, 1 | b, 5, 2");
}

/* Frames so long that totals and trees come in must give what a self join gives. */
TEST(long_frames_equal_a_join)
{
    tables();
    ROWS("WITH w AS (SELECT i, "
         "sum(v) OVER x AS s, count(*) OVER x AS c, min(v) OVER x AS l, max(s) OVER x AS h, "
         "round(avg(d) OVER x, 6) AS a, round(stddev(d) OVER x, 6) AS sd, max_by(i, v) OVER x AS "
         "mb, "
         "count_if(v > 500) OVER x AS ci, sum(CAST(v AS decimal(10,2))) OVER x AS sn "
         "FROM many WINDOW x AS (ORDER BY i ROWS BETWEEN 700 PRECEDING AND 311 FOLLOWING)), "
         "j AS (SELECT a.i, sum(b.v) AS s, count(*) AS c, min(b.v) AS l, max(b.s) AS h, "
         "round(avg(b.d), 6) AS a, round(stddev(b.d), 6) AS sd, max_by(b.i, b.v) AS mb, "
         "count_if(b.v > 500) AS ci, sum(CAST(b.v AS decimal(10,2))) AS sn "
         "FROM many a JOIN many b ON b.i BETWEEN a.i - 700 AND a.i + 311 "
         "WHERE a.i % 50 = 3 GROUP BY a.i) "
         "SELECT count(*), count_if(w.s = j.s AND w.c = j.c AND w.l = j.l AND w.h = j.h AND w.a = "
         "j.a "
         "AND w.sd = j.sd AND w.mb = j.mb AND w.ci = j.ci AND w.sn = j.sn) FROM w JOIN j ON w.i = "
         "j.i",
         "60, 60");
    ROWS("WITH w AS (SELECT i, g, v, sum(v) OVER (PARTITION BY g ORDER BY v RANGE BETWEEN 200 "
         "PRECEDING AND 150 FOLLOWING) AS s FROM many), "
         "j AS (SELECT a.i, sum(b.v) AS s FROM many a JOIN many b ON a.g = b.g AND b.v BETWEEN a.v "
         "- 200 "
         "AND a.v + 150 GROUP BY a.i) "
         "SELECT count(*), count_if(w.s = j.s) FROM w JOIN j ON w.i = j.i",
         "3000, 3000");
}

TEST_MAIN(ranks, neighbours, values_of_the_frame, frames_of_rows, frames_of_groups_and_ranges,
          aggregates_with_their_clauses, named_windows, where_windows_may_stand,
          long_frames_equal_a_join)
