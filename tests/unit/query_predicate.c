/* SPDX-License-Identifier: Apache-2.0
 * CASE with half predicates, UNIQUE, joins with UNNEST on their outer side. */
#include "tests/unit/query_help.h"

TEST(case_with_half_predicates)
{
    ROWS("SELECT CASE x WHEN > 100 THEN 'big' WHEN < 0 THEN 'small' WHEN 50 THEN 'half' ELSE '-' "
         "END "
         "FROM (VALUES 200, -1, 50, 7, NULL) AS t(x)",
         "big | small | half | - | -");
    ROWS("SELECT CASE x WHEN NOT BETWEEN 2 AND 5 THEN 1 WHEN IN (3, 4) THEN 2 ELSE 3 END "
         "FROM (VALUES 1, 2, 3) AS t(x)",
         "1 | 3 | 2");
    ROWS("SELECT CASE x WHEN IS NULL THEN 'n' WHEN NOT LIKE 'a%' THEN 'x' WHEN IS DISTINCT FROM "
         "'ab' THEN 'y' "
         "END FROM (VALUES NULL, 'ab', 'ac', 'b') AS t(x)",
         "n | NULL | y | x");
    ROWS("SELECT CASE x WHEN IN (SELECT y FROM (VALUES 1, 3) AS u(y)) THEN 1 ELSE 0 END FROM "
         "(VALUES 1, 2) AS "
         "t(x)",
         "1 | 0");
    ROWS("SELECT CASE x + 1 WHEN > CASE x WHEN > 1 THEN 9 ELSE 0 END THEN 'a' ELSE 'b' END FROM "
         "(VALUES 1, 2) "
         "AS t(x)",
         "a | b");
    ERROR("SELECT CASE WHEN > 5 THEN 1 END", "SYNTAX_ERROR");
    ERROR("SELECT CASE 1 WHEN IN ('a') THEN 1 END", "TYPE_MISMATCH");
    ERROR("SELECT CASE random() WHEN < 0.5e0 THEN 1 WHEN >= 0.5e0 THEN 2 END", "NOT_SUPPORTED");
    ROWS("SELECT CASE random() WHEN < 2e0 THEN 1 END", "1");
}

TEST(unique_rows)
{
    VALUE("UNIQUE (VALUES (1, 'a'), (1, 'b'))", "true");
    VALUE("UNIQUE (VALUES (1, 'a'), (1, 'a'))", "false");
    VALUE("UNIQUE (VALUES (NULL, 'a'), (NULL, 'a'))", "true");
    VALUE("UNIQUE (SELECT 1 WHERE false)", "true");
    ROWS("SELECT x FROM (VALUES 1, 2) AS t(x) WHERE NOT UNIQUE (VALUES 3, 3) AND x > 1", "2");
}

TEST(unnest_on_the_kept_side_of_a_join)
{
    ROWS("SELECT x, y FROM (VALUES 1) AS t(x) RIGHT JOIN UNNEST(ARRAY[5, 6]) AS u(y) ON true",
         "1, 5 | 1, 6");
    ROWS("SELECT x, y, o FROM (SELECT 1 WHERE false) AS t(x) FULL JOIN UNNEST(ARRAY[5, 6]) WITH "
         "ORDINALITY AS "
         "u(y, o) ON true",
         "NULL, 5, 1 | NULL, 6, 2");
    ERROR("SELECT * FROM (VALUES 1) AS t(x) JOIN UNNEST(ARRAY[1]) AS u(y) ON x = y",
          "NOT_SUPPORTED");
    ERROR("SELECT * FROM (VALUES 1) AS t(x) RIGHT JOIN UNNEST(ARRAY[1]) AS u(y) ON x = y",
          "NOT_SUPPORTED");
}

TEST_MAIN(case_with_half_predicates, unique_rows, unnest_on_the_kept_side_of_a_join)
