/* SPDX-License-Identifier: Apache-2.0
 * What a scan is told: the columns and paths that are needed, and conditions that leave out no row that counts. */
#include "tests/unit/query_help.h"

static void tables(void)
{
    th_diag diag = {0};
    memory_provider_free(help_provider);
    help_provider =
        memory_provider_new(1); /* each row is a segment, so that a wrong condition loses it */
    help_provider->prune = true;
    CHECK(memory_provider_add(
              help_provider, "e",
              "SELECT n, TIMESTAMP '2024-01-01 00:00:00.000' + n * INTERVAL '7' HOUR AS d, "
              "DOUBLE '9007199254740992' AS x, 9007199254740990 + n AS big, "
              "CAST(ROW(n, concat('v', CAST(n AS varchar))) AS row(p bigint, q varchar)) AS r "
              "FROM UNNEST(sequence(1, 6)) AS s(n)",
              true, &diag) == TH_OK);
}

TEST(a_cast_that_loses_something_is_no_condition_on_the_column)
{
    tables();
    ROWS("SELECT n FROM e WHERE CAST(d AS date) = DATE '2024-01-01'", "1 | 2 | 3");
    ROWS("SELECT n FROM e WHERE CAST(d AS date) IN (DATE '2024-01-02')", "4 | 5 | 6");
    ROWS("SELECT n FROM e WHERE CAST(d AS date) > DATE '2024-01-01'", "4 | 5 | 6");
    ROWS("SELECT count(*) FROM e WHERE CAST(big AS double) = x", "2");
    ROWS("SELECT n FROM e WHERE d = TIMESTAMP '2024-01-01 07:00:00.000000'", "1");
}

TEST(a_subquery_reads_fields_below_a_column)
{
    tables();
    ROWS("SELECT n FROM e WHERE n IN (SELECT i.n FROM e AS i WHERE lower(i.r.q) > 'v3' AND i.d > "
         "TIMESTAMP '2024-01-01')",
         "4 | 5 | 6");
    ROWS("SELECT n FROM e WHERE n > (SELECT max(i.r.p) - 2 FROM e AS i WHERE i.r.q < 'v5')",
         "3 | 4 | 5 | 6");
}

TEST(a_row_with_a_null_in_it_joins_nothing)
{
    ROWS("SELECT count(*) FROM (VALUES 1) AS a(x), (VALUES 1) AS b(y) WHERE ROW(x, CAST(NULL AS "
         "integer)) = ROW(y, "
         "CAST(NULL AS integer))",
         "0");
    ROWS("SELECT count(*) FROM (VALUES ROW(nan(), 1), ROW(DOUBLE '1.5', 2)) AS a(x, i) JOIN "
         "(VALUES nan(), DOUBLE '1.5') AS "
         "b(y) ON x = y",
         "1");
}

TEST_MAIN(a_cast_that_loses_something_is_no_condition_on_the_column,
          a_subquery_reads_fields_below_a_column, a_row_with_a_null_in_it_joins_nothing)
