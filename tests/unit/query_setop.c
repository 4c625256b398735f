/* SPDX-License-Identifier: Apache-2.0
 * Set operations with ALL and CORRESPONDING, WITH RECURSIVE, FETCH .. WITH TIES, TABLESAMPLE. */
#include "tests/unit/query_help.h"

TEST(all_keeps_as_many_as_are_left)
{
    ROWS("VALUES 1,1,2,2,3 EXCEPT ALL VALUES 1,3,4", "1 | 2 | 2");
    ROWS("VALUES 1,1,2,2,2,3 INTERSECT ALL VALUES 1,2,2,4", "1 | 2 | 2");
    ROWS("SELECT x FROM (VALUES NULL, NULL, 1) AS t(x) EXCEPT ALL VALUES NULL ORDER BY 1",
         "1 | NULL");
    ROWS("SELECT 1 WHERE false EXCEPT ALL VALUES 2", "");
    ROWS("VALUES 1, 1 EXCEPT VALUES 2", "1");
    ROWS("VALUES 1 UNION ALL VALUES 2 INTERSECT ALL VALUES 2 ORDER BY 1", "1 | 2");
    ROWS("VALUES (1, 'a'), (1, 'a') EXCEPT ALL VALUES (1e0, 'a')", "1.0, a");
    ERROR("VALUES (1, 2) EXCEPT ALL VALUES 1", "TYPE_MISMATCH");
}

TEST(corresponding_columns_meet_by_name)
{
    ROWS("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y) UNION ALL CORRESPONDING "
         "SELECT * FROM (VALUES ('c', 3, true)) AS u(Y, X, z)",
         "1, a | 2, b | 3, c");
    ROWS("SELECT 1 AS x, 2 AS y EXCEPT CORRESPONDING SELECT 1 AS x", "");
    ERROR("SELECT 1 AS x UNION CORRESPONDING SELECT 1 AS y", "COLUMN_NOT_FOUND");
    ERROR("SELECT 1 AS x, 2 AS x UNION CORRESPONDING SELECT 1 AS x", "AMBIGUOUS_NAME");
}

TEST(recursion)
{
    ROWS("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n * 2 FROM t WHERE n < 500) SELECT n "
         "FROM t",
         "1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512");
    /* UNION: a row that came before is not followed again */
    ROWS("WITH RECURSIVE e(a, b) AS (VALUES (1,2),(2,3),(3,1),(3,4)), r(x) AS (SELECT 1 UNION "
         "SELECT b FROM r JOIN e ON a = x) SELECT x FROM r ORDER BY 1",
         "1 | 2 | 3 | 4");
    ROWS("WITH RECURSIVE t(path, n) AS (SELECT ARRAY[1], 1 UNION ALL SELECT path || (n + 1), n + 1 "
         "FROM t "
         "WHERE n < 3) SELECT path FROM t WHERE n = 3",
         "[1, 2, 3]");
    ROWS("WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a WHERE x < 3), b(y) AS "
         "(SELECT x FROM a UNION ALL SELECT y + 10 FROM b WHERE y < 10) SELECT sum(y), count(*) "
         "FROM b",
         "42, 6");
    ROWS("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) "
         "SELECT count(*) FROM t CROSS JOIN t AS u WHERE t.n <= u.n",
         "15");
    ROWS("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT * FROM (WITH t(n) AS (SELECT 5) SELECT "
         "n + 1 "
         "FROM t)) SELECT * FROM t",
         "1 | 6");
}

TEST(recursion_is_bounded)
{
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
          "NOT_SUPPORTED");
    ROWS("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 11) SELECT "
         "max(n) FROM t",
         "11");
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 12) SELECT "
          "max(n) FROM t",
          "NOT_SUPPORTED");
    ROWS("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t LIMIT 3",
         "1 | 2 | 3");
}

TEST(what_a_recursion_refuses)
{
    ERROR("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
          "MISSING_COLUMN_ALIASES");
    ERROR("WITH RECURSIVE t(n) AS (SELECT n FROM t) SELECT * FROM t",
          "INVALID_RECURSIVE_REFERENCE");
    ERROR("WITH RECURSIVE t(n) AS (SELECT n FROM t UNION ALL SELECT 1) SELECT * FROM t",
          "INVALID_RECURSIVE_REFERENCE");
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT * FROM t, u",
          "TABLE_NOT_FOUND");
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT a.n FROM t a JOIN t b ON a.n = b.n) "
          "SELECT * "
          "FROM t",
          "INVALID_RECURSIVE_REFERENCE");
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT 2 FROM (VALUES 1) u LEFT JOIN t ON "
          "true) "
          "SELECT * FROM t",
          "INVALID_RECURSIVE_REFERENCE");
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT 'x' FROM t) SELECT * FROM t",
          "TYPE_MISMATCH");
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n, n FROM t) SELECT * FROM t",
          "TYPE_MISMATCH");
    ERROR("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t LIMIT 5) SELECT * FROM t",
          "NOT_SUPPORTED");
    ERROR("WITH t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
          "TABLE_NOT_FOUND");
}

TEST(ties)
{
#define TIES "SELECT x FROM (VALUES 1,2,2,2,3,3) AS t(x) ORDER BY x "
    ROWS(TIES "FETCH FIRST 2 ROWS WITH TIES", "1 | 2 | 2 | 2");
    ROWS(TIES "OFFSET 2 FETCH FIRST ROW WITH TIES", "2 | 2");
    ROWS(TIES "FETCH FIRST 9 ROWS WITH TIES", "1 | 2 | 2 | 2 | 3 | 3");
    ROWS("SELECT x FROM (VALUES (1, 5), (2, 5), (3, 4)) AS t(x, y) ORDER BY y DESC FETCH NEXT 1 "
         "ROW WITH TIES",
         "1 | 2");
    ERROR("SELECT x FROM (VALUES 1) AS t(x) FETCH FIRST 1 ROW WITH TIES", "MISSING_ORDER_BY");
}

TEST(samples)
{
#define ROWS_OF "UNNEST(sequence(1, 10000)) AS t(x) TABLESAMPLE "
    ROWS("SELECT count(*) FROM " ROWS_OF "BERNOULLI (100)", "10000");
    ROWS("SELECT count(*) FROM " ROWS_OF "BERNOULLI (0)", "0");
    ROWS("SELECT count(*) BETWEEN 2700 AND 3300 FROM " ROWS_OF "BERNOULLI (30)", "true");
    ROWS("SELECT count(*) FROM " ROWS_OF "SYSTEM (100.0)", "10000");
    ROWS("SELECT (SELECT sum(x) FROM " ROWS_OF "BERNOULLI (7.5)) = (SELECT sum(x) FROM " ROWS_OF
         "BERNOULLI (7.5))",
         "true");
    ERROR("SELECT * FROM " ROWS_OF "BERNOULLI (101)", "INVALID_ARGUMENTS");
    ERROR("SELECT * FROM " ROWS_OF "BERNOULLI ('x')", "TYPE_MISMATCH");
    ERROR("SELECT * FROM (VALUES 1) AS t(x) MATCH_RECOGNIZE (PATTERN (a) DEFINE a AS true)",
          "NOT_SUPPORTED");
}

TEST_MAIN(all_keeps_as_many_as_are_left, corresponding_columns_meet_by_name, recursion,
          recursion_is_bounded, what_a_recursion_refuses, ties, samples)
