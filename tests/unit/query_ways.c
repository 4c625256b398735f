/* SPDX-License-Identifier: Apache-2.0
 * Every way to run a statement gives the same rows in the same order: row by row, by dictionary on one thread, and by
 * several threads; and a failure is the same failure. */
#include "tests/unit/query_help.h"

#define ROWS_OF_T 20000u

/* Table t in segments of 700 rows: s and k are texts with few values, w one with many, i, f numbers, at a time; NULLs. */
static void make_table(void)
{
    char sql[2000];
    th_diag d = {0};
    if (help_provider != NULL) return;
    help_provider = memory_provider_new(700);
    (void)snprintf(
        sql, sizeof sql,
        "SELECT CASE WHEN n %% 11 = 0 THEN NULL ELSE 's' || CAST(n * 7 %% 13 AS varchar) END AS s, "
        "'k' || CAST(n * n %% 5 AS varchar) AS k, 'w' || CAST(n * 31 %% 4001 AS varchar) AS w, "
        "CASE WHEN n %% 17 = 0 THEN NULL ELSE n * 37 %% 1009 - 500 END AS i, "
        "CAST(n * 13 %% 101 AS double) / 4 AS f, "
        "format_datetime(from_unixtime(1767225600 + n * 97), 'yyyy-MM-dd''T''HH:mm:ss''Z''') AS at "
        "FROM (SELECT a * 200 + b AS n FROM UNNEST(sequence(0, 99)) AS x(a), UNNEST(sequence(0, "
        "199)) AS y(b))");
    CHECK(memory_provider_add(help_provider, "t", sql, true, &d) == TH_OK);
}

static void run_way(const char *sql, th_query_options way, th_buf *out)
{
    th_diag d = {0};
    help_options = way;
    th_buf_clear(out);
    if (help_run(sql, out, &d) != TH_OK)
        th_buf_printf(out, "%s line %u:%u %s", th_diag_name(&d), (unsigned)d.line,
                      (unsigned)d.column, d.text);
    help_options = (th_query_options){0};
}

static void same_all_ways(const char *sql)
{
    static const th_query_options ways[] = {
        {.plain_vectors = true}, {.plain_plan = true}, {.threads = 1},
        {.threads = 2},          {.threads = 7},       {.threads = 3, .plain_plan = true},
    };
    th_buf first, other;
    make_table();
    th_buf_init(&first, 64u << 20);
    th_buf_init(&other, 64u << 20);
    run_way(sql, ways[0], &first);
    for (size_t i = 1; i < sizeof ways / sizeof ways[0]; i++) {
        run_way(sql, ways[i], &other);
        if (strcmp(th_buf_text(&first), th_buf_text(&other)) != 0)
            FAIL("%s: way %zu gave %.300s, not %.300s", sql, i, th_buf_text(&other),
                 th_buf_text(&first));
    }
    if (first.size == 0) FAIL("%s: no rows", sql);
    th_buf_free(&first);
    th_buf_free(&other);
}

TEST(groups)
{
    same_all_ways("SELECT s, count(*), count(i), min(w), max(i), sum(i) FROM t GROUP BY s");
    same_all_ways("SELECT s, k, count(*) FROM t GROUP BY s, k");
    same_all_ways("SELECT s, w, k, count(*) FROM t GROUP BY s, w, k");
    same_all_ways("SELECT upper(s), 7, length(k) + 1, count(*) FROM t GROUP BY 1, 2, 3");
    same_all_ways("SELECT count(*), sum(i), count(DISTINCT w), max(s) FROM t WHERE i > 100");
    same_all_ways("SELECT s, avg(f), stddev(i), array_agg(w) FROM t WHERE i > 450 GROUP BY s");
    same_all_ways("SELECT coalesce(s, k), w, count(*) FROM t GROUP BY 1, 2");
    same_all_ways("SELECT coalesce(s, k, w), count(*) FROM t WHERE k <> 'k1' GROUP BY 1");
    same_all_ways("SELECT k, arbitrary(s), any_value(i) FROM t GROUP BY k");
}

TEST(values_that_count_once)
{
    same_all_ways(
        "SELECT k, count(DISTINCT s), count(DISTINCT w), sum(DISTINCT i) FROM t GROUP BY k");
    same_all_ways(
        "SELECT s, approx_distinct(w), max(DISTINCT k) FILTER (WHERE i < 0) FROM t GROUP BY s");
    same_all_ways("SELECT count(DISTINCT s), count(DISTINCT k), count(s), count_if(i > 0) FROM t");
}

TEST(percentiles)
{
    same_all_ways(
        "SELECT k, approx_percentile(i, 0.5), approx_percentile(f, 0.95) FROM t GROUP BY k");
    same_all_ways("SELECT approx_percentile(f, ARRAY[0.0, 0.01, 0.5, 0.99, 1.0]) FROM t");
    same_all_ways("SELECT s, approx_percentile(-f, ARRAY[0.5, 1.0]) FROM t GROUP BY s");
    same_all_ways("SELECT approx_percentile(length(w) + 0, 0.3) FROM t WHERE i > 0");
}

TEST(times)
{
    same_all_ways(
        "SELECT date_trunc('hour', from_iso8601_timestamp(at)) h, count(DISTINCT s) FROM t "
        "GROUP BY 1 ORDER BY 1");
    same_all_ways(
        "SELECT count(*) FROM t WHERE at >= '2026-01-03' AND at < '2026-01-05' AND s IS NOT NULL");
    same_all_ways("SELECT date_trunc('month', from_iso8601_timestamp(at)), date_trunc('week', "
                  "from_iso8601_timestamp(at)), count(*) FROM t GROUP BY 1, 2");
}

TEST(filters)
{
    same_all_ways("SELECT w, i FROM t WHERE s = 's3' AND i BETWEEN -50 AND 50 AND w LIKE '%9%'");
    same_all_ways("SELECT w FROM t WHERE (s = 's3' OR k = 'k4') AND i = 7");
    same_all_ways("SELECT count(*) FROM t WHERE s IN ('s1', 's2', 'none') AND i IN (SELECT i FROM "
                  "t WHERE k = 'k4')");
    same_all_ways("SELECT k FROM t WHERE w = 'w4000' AND f >= 1");
    same_all_ways("SELECT count(*) FROM t WHERE NOT (s LIKE 's1%' AND k <> 'k0')");
}

TEST(first_rows)
{
    same_all_ways("SELECT w, i FROM t ORDER BY i DESC, w LIMIT 10");
    same_all_ways("SELECT w, i, s FROM t ORDER BY s NULLS FIRST, i DESC NULLS LAST LIMIT 25");
    same_all_ways("SELECT s, k FROM t ORDER BY k, s OFFSET 5 LIMIT 30");
    same_all_ways("SELECT w, count(*) c FROM t GROUP BY w ORDER BY c DESC, w LIMIT 3");
}

TEST(failures)
{
    same_all_ways("SELECT k, sum(1000 / (i - 4)) FROM t GROUP BY k");
    same_all_ways("SELECT sum(CAST(w AS bigint)) FROM t");
    same_all_ways("SELECT k, count(TRY(CAST(substr(w, 2) AS bigint) / (i - 4))) FROM t GROUP BY k");
    same_all_ways("SELECT sum(9223372036854775807 - abs(i)) FROM t");
    same_all_ways("SELECT count(*) FROM t WHERE k <> 'k1' AND CAST(substr(k, 2) AS bigint) / "
                  "(CAST(substr(k, 2) AS bigint) - 1) > 0");
}

TEST_MAIN(groups, values_that_count_once, percentiles, times, filters, first_rows, failures)
