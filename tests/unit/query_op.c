/* SPDX-License-Identifier: Apache-2.0
 * The operators over tables in memory: segments of three rows, text in dictionaries. */
#include "tests/unit/query_help.h"

static void tables(void)
{
    th_diag d = {0};
    if (help_provider != NULL) return;
    help_provider = memory_provider_new(3);
    CHECK(memory_provider_add(help_provider, "t",
                              "SELECT * FROM (VALUES "
                              "(1,'a',1.5e0),(2,'b',2.5e0),(3,'a',NULL),(4,NULL,4e0),(5,'c',5e0),"
                              "(6,'a',6e0),(7,'b',7e0)) AS x(n,s,d)",
                              true, &d) == TH_OK);
    CHECK(memory_provider_add(help_provider, "u",
                              "SELECT * FROM (VALUES "
                              "(1,'one'),(2,'two'),(2,'zwei'),(9,'nine'),(NULL,'null')) AS x(n,w)",
                              false, &d) == TH_OK);
    CHECK(memory_provider_add(help_provider, "lists",
                              "SELECT * FROM (VALUES "
                              "(1,ARRAY[1,2,3]),(2,ARRAY[]),(3,NULL),(4,ARRAY[4,NULL])) AS x(id,a)",
                              false, &d) == TH_OK);
    CHECK(
        memory_provider_add(
            help_provider, "many",
            "SELECT a * 100 + b AS n, CAST(a AS varchar) AS k FROM UNNEST(sequence(0, 99)) AS x(a) "
            "CROSS JOIN UNNEST(sequence(0, 99)) AS y(b)",
            true, &d) == TH_OK);
}

TEST(scan_reads_all_segments_in_order)
{
    tables();
    ROWS("SELECT n, s FROM t", "1, a | 2, b | 3, a | 4, NULL | 5, c | 6, a | 7, b");
    ROWS("SELECT count(*), min(n), max(n), sum(n) FROM many", "10000, 0, 9999, 49995000");
}

TEST(filter_keeps_only_what_is_true)
{
    tables();
    ROWS("SELECT n FROM t WHERE s = 'a'", "1 | 3 | 6");
    ROWS("SELECT n FROM t WHERE NOT (s = 'a')", "2 | 5 | 7");
    ROWS("SELECT n FROM t WHERE s IS NULL OR d > 6", "4 | 7");
    ROWS("SELECT n FROM t WHERE s IN ('b', 'c', NULL)", "2 | 5 | 7");
    ROWS("SELECT n FROM t WHERE s NOT IN ('b', NULL)", "");
}

TEST(an_error_counts_only_where_the_value_is_needed)
{
    tables();
    ROWS("SELECT n FROM t WHERE n <> 3 AND 1 / (n - 3) > 0", "4");
    ROWS("SELECT CASE WHEN n = 3 THEN 0 ELSE 6 / (n - 3) END FROM t WHERE n < 5",
         "-3 | -6 | 0 | 6");
    ROWS("SELECT coalesce(d, 1 / (n - 3) + 0e0) FROM t WHERE n IN (2, 4)", "2.5 | 4.0");
    ERROR("SELECT 1 / (n - 3) FROM t", "DIVISION_BY_ZERO");
    ROWS("SELECT try(1 / (n - 3)) FROM t WHERE n IN (2, 3, 4)", "-1 | NULL | 1");
    ROWS("SELECT coalesce(try(1 / (n - 3)), 99) FROM t WHERE n IN (2, 3, 4)", "-1 | 99 | 1");
    ROWS("SELECT try(CAST(s AS bigint)) FROM t WHERE n < 3", "NULL | NULL");
    /* an entry of a dictionary that no row uses is not looked at */
    ROWS("SELECT 1 / (length(s) - 1) FROM t WHERE s > 'z'", "");
}

TEST(groups_come_in_the_order_of_their_first_row)
{
    tables();
    ROWS("SELECT s, count(*), sum(n), avg(d) FROM t GROUP BY s",
         "a, 3, 10, 3.75 | b, 2, 9, 4.75 | NULL, 1, 4, 4.0 | c, 1, 5, 5.0");
    ROWS("SELECT n % 2, s, count(*) FROM t GROUP BY n % 2, s HAVING count(*) > 1", "1, a, 2");
    ROWS("SELECT count(*), sum(n), max(s) FROM t WHERE n > 100", "0, NULL, NULL");
    ROWS("SELECT s FROM t WHERE n > 100 GROUP BY s", "");
    ROWS("SELECT count(*), sum(c) FROM (SELECT k, count(*) AS c FROM many GROUP BY k)",
         "100, 10000");
    ROWS("SELECT count(*) FROM (SELECT n, count(*) AS c FROM many GROUP BY n)", "10000");
}

TEST(aggregates_take_distinct_filter_and_order)
{
    tables();
    ROWS("SELECT count(DISTINCT s), count(s), count(*) FROM t", "3, 6, 7");
    ROWS("SELECT sum(DISTINCT n % 3), count(DISTINCT k) FROM many", "3, 100");
    ROWS("SELECT count(*) FILTER (WHERE n > 4), sum(n) FILTER (WHERE s = 'a') FROM t", "3, 10");
    ROWS("SELECT array_agg(n ORDER BY s NULLS FIRST, n DESC) FROM t", "[4, 6, 3, 1, 7, 2, 5]");
    ROWS("SELECT s, array_agg(DISTINCT n % 2 ORDER BY n % 2) FROM t WHERE s < 'c' GROUP BY s",
         "a, [0, 1] | b, [0, 1]");
}

TEST(joins)
{
    tables();
    ROWS("SELECT t.n, w FROM t JOIN u ON t.n = u.n", "1, one | 2, two | 2, zwei");
    ROWS("SELECT t.n, w FROM t LEFT JOIN u ON t.n = u.n WHERE t.n < 4 ORDER BY 1, 2",
         "1, one | 2, two | 2, zwei | 3, NULL");
    ROWS("SELECT t.n, w FROM t RIGHT JOIN u ON t.n = u.n ORDER BY 2",
         "NULL, nine | NULL, null | 1, one | 2, two | 2, zwei");
    ROWS("SELECT t.n, w FROM t FULL JOIN u ON t.n = u.n AND w <> 'two' WHERE t.n < 3 OR t.n IS "
         "NULL ORDER BY 2",
         "NULL, nine | NULL, null | 1, one | NULL, two | 2, zwei");
    ROWS("SELECT t.n, u.n FROM t JOIN u ON t.n > u.n WHERE t.n = 2", "2, 1");
    ROWS("SELECT count(*) FROM t CROSS JOIN u", "35");
    ROWS("SELECT count(*), sum(a.n) FROM many a JOIN many b ON a.k = b.k WHERE b.n % 100 = 0",
         "10000, 49995000");
    ROWS("SELECT count(*) FROM many a JOIN many b ON a.n = b.n", "10000");
}

TEST(subqueries)
{
    tables();
    ROWS("SELECT n FROM t WHERE n IN (SELECT n FROM u)", "1 | 2");
    ROWS("SELECT n FROM t WHERE n NOT IN (SELECT n FROM u)", "");
    ROWS("SELECT n FROM t WHERE n NOT IN (SELECT n FROM u WHERE n IS NOT NULL)",
         "3 | 4 | 5 | 6 | 7");
    ROWS("SELECT n FROM t WHERE n = (SELECT max(n) FROM u) - 2", "7");
    ROWS("SELECT (SELECT n FROM u WHERE n > 100)", "NULL");
    ERROR("SELECT (SELECT n FROM u)", "SUBQUERY_MULTIPLE_ROWS");
}

TEST(sort_puts_nulls_last_and_keeps_the_order_of_equals)
{
    tables();
    ROWS("SELECT n, s FROM t ORDER BY s", "1, a | 3, a | 6, a | 2, b | 7, b | 5, c | 4, NULL");
    ROWS("SELECT n FROM t ORDER BY s DESC, n DESC", "5 | 7 | 2 | 6 | 3 | 1 | 4");
    ROWS("SELECT n FROM t ORDER BY s NULLS FIRST LIMIT 2", "4 | 1");
    ROWS("SELECT n FROM many ORDER BY n DESC LIMIT 3", "9999 | 9998 | 9997");
    ROWS("SELECT n FROM many ORDER BY n DESC OFFSET 9998 LIMIT 5", "1 | 0");
    ROWS("SELECT sum(n) FROM (SELECT n FROM many ORDER BY k, n LIMIT 5000)", "14257500");
}

TEST(limit_offset_and_union)
{
    tables();
    ROWS("SELECT n FROM t LIMIT 2", "1 | 2");
    ROWS("SELECT n FROM t LIMIT 0", "");
    ROWS("SELECT n FROM t OFFSET 5", "6 | 7");
    ROWS("SELECT n FROM t WHERE n < 3 UNION ALL SELECT n FROM u WHERE n < 3", "1 | 2 | 1 | 2 | 2");
    ROWS("SELECT n FROM t WHERE n < 3 UNION SELECT n FROM u WHERE n < 3", "1 | 2");
    ROWS("SELECT DISTINCT s FROM t", "a | b | NULL | c");
}

TEST(unnest)
{
    tables();
    ROWS("SELECT id, x FROM lists CROSS JOIN UNNEST(a) AS z(x)",
         "1, 1 | 1, 2 | 1, 3 | 4, 4 | 4, NULL");
    ROWS("SELECT id, x, o FROM lists LEFT JOIN UNNEST(a) WITH ORDINALITY AS z(x, o) ON TRUE",
         "1, 1, 1 | 1, 2, 2 | 1, 3, 3 | 2, NULL, NULL | 3, NULL, NULL | 4, 4, 1 | 4, NULL, 2");
    ROWS("SELECT x, y FROM UNNEST(ARRAY[1, 2], ARRAY['a']) AS z(x, y)", "1, a | 2, NULL");
    ROWS("SELECT k, v FROM UNNEST(map(ARRAY['a', 'b'], ARRAY[1, 2])) AS z(k, v)", "a, 1 | b, 2");
    ROWS("SELECT count(*) FROM UNNEST(sequence(1, 10000)) AS a(x) CROSS JOIN UNNEST(sequence(1, "
         "10)) AS b(y)",
         "100000");
}

TEST(a_query_stops_at_its_limits)
{
    tables();
    th_query_control control = {0};
    help_limits = (th_query_limits){.memory_bytes = 4u << 20};
    ERROR("SELECT n, array_agg(k) FROM many CROSS JOIN UNNEST(sequence(1, 100)) AS x(i) GROUP BY n",
          "EXCEEDED_LOCAL_MEMORY_LIMIT");
    help_limits = (th_query_limits){.rows = 10};
    ERROR("SELECT * FROM many", "EXCEEDED_LIMIT");
    help_limits = (th_query_limits){0};
    atomic_store(&control.cancel, 1);
    help_control = &control;
    ERROR("SELECT count(*) FROM many", "USER_CANCELED");
    atomic_store(&control.cancel, 0);
    control.deadline_mono_us = 1;
    ERROR("SELECT count(*) FROM many", "EXCEEDED_TIME_LIMIT");
    help_control = NULL;
}

TEST_MAIN(scan_reads_all_segments_in_order, filter_keeps_only_what_is_true,
          an_error_counts_only_where_the_value_is_needed,
          groups_come_in_the_order_of_their_first_row, aggregates_take_distinct_filter_and_order,
          joins, subqueries, sort_puts_nulls_last_and_keeps_the_order_of_equals,
          limit_offset_and_union, unnest, a_query_stops_at_its_limits)
