/* SPDX-License-Identifier: Apache-2.0
 * Subqueries in expressions and LATERAL: what they give, and that a correlated one is a join, never a scan a row. */
#include "tests/unit/query_help.h"

static void tables(void)
{
    th_diag diag = {0};
    help_provider = memory_provider_new(3);
    CHECK(memory_provider_add(help_provider, "person",
                              "SELECT * FROM (VALUES (1, 'ann', 10), (2, 'bob', 20), (3, 'cid', "
                              "NULL), (4, NULL, 10)) AS t(id, name, dept)",
                              true, &diag) == TH_OK);
    CHECK(memory_provider_add(help_provider, "sale",
                              "SELECT * FROM (VALUES (1, 5), (1, 7), (2, 9), (9, 1), (NULL, 3), "
                              "(2, NULL)) AS t(who, price)",
                              true, &diag) == TH_OK);
}

TEST(scalar)
{
    tables();
    ROWS("SELECT id, (SELECT sum(price) FROM sale WHERE who = id) FROM person ORDER BY id",
         "1, 12 | 2, 9 | 3, NULL | 4, NULL");
    ROWS("SELECT id, (SELECT count(*) FROM sale WHERE who = p.id AND price > 5) AS n FROM person p "
         "ORDER BY n DESC, id",
         "1, 1 | 2, 1 | 3, 0 | 4, 0");
    ROWS("SELECT id FROM person WHERE (SELECT max(price) FROM sale WHERE who < id) = 7 ORDER BY 1",
         "2");
    ROWS("SELECT id, (SELECT count(*) + id FROM sale WHERE who = id) FROM person ORDER BY id",
         "1, 3 | 2, 4 | 3, 3 | 4, 4");
    ROWS("SELECT dept, (SELECT count(*) FROM sale WHERE price = dept - 3) FROM person GROUP BY "
         "dept ORDER BY 1",
         "10, 1 | 20, 0 | NULL, 0");
    ROWS("SELECT id FROM person ORDER BY (SELECT max(price) FROM sale WHERE who = id), id DESC",
         "1 | 2 | 4 | 3");
    ROWS("SELECT CASE WHEN (SELECT count(*) FROM sale WHERE who = id) = 2 THEN 'two' ELSE 'other' "
         "END FROM person ORDER BY id",
         "two | two | other | other");
    ROWS("SELECT (SELECT 1, 'a')", "{field0=1, field1=a}");
}

TEST(scalar_with_many_rows)
{
    tables();
    ERROR("SELECT (SELECT price FROM sale)", "SUBQUERY_MULTIPLE_ROWS");
    ERROR("SELECT (SELECT price FROM sale WHERE who = id) FROM person", "SUBQUERY_MULTIPLE_ROWS");
    ROWS("SELECT (SELECT price FROM sale WHERE who = id) FROM person WHERE id > 2", "NULL | NULL");
    ROWS("SELECT id, (SELECT price FROM sale WHERE who = id ORDER BY price DESC LIMIT 1) FROM "
         "person ORDER BY 1",
         "1, 7 | 2, 9 | 3, NULL | 4, NULL");
    ROWS("SELECT id, (SELECT price FROM sale WHERE who = id ORDER BY price OFFSET 1 LIMIT 1) FROM "
         "person ORDER BY 1",
         "1, 7 | 2, NULL | 3, NULL | 4, NULL");
}

TEST(exists)
{
    tables();
    ROWS("SELECT id FROM person WHERE EXISTS (SELECT 1 FROM sale WHERE who = id) ORDER BY 1",
         "1 | 2");
    ROWS("SELECT id FROM person WHERE NOT EXISTS (SELECT 1 FROM sale WHERE who = id) ORDER BY 1",
         "3 | 4");
    ROWS("SELECT id, EXISTS (SELECT 1 FROM sale WHERE who > id) FROM person ORDER BY 1",
         "1, true | 2, true | 3, true | 4, true");
    ROWS("SELECT id FROM person p WHERE EXISTS (SELECT 1 FROM sale s WHERE s.who = p.id AND EXISTS "
         "(SELECT 1 FROM sale t WHERE t.price = s.price + 2 AND t.who = p.id)) ORDER BY 1",
         "1");
    ROWS("SELECT id FROM person WHERE id = 3 OR EXISTS (SELECT price FROM sale WHERE who = id "
         "LIMIT 1) ORDER BY 1",
         "1 | 2 | 3");
}

TEST(in_and_its_nulls)
{
    tables();
    ROWS("SELECT id FROM person WHERE id IN (SELECT who FROM sale) ORDER BY 1", "1 | 2");
    ROWS("SELECT id FROM person WHERE id NOT IN (SELECT who FROM sale) ORDER BY 1", "");
    ROWS("SELECT id, dept IN (SELECT price + 3 FROM sale WHERE who = id) FROM person ORDER BY 1",
         "1, true | 2, NULL | 3, false | 4, false");
    ROWS("SELECT id FROM person WHERE dept NOT IN (SELECT price FROM sale WHERE who = id) ORDER BY "
         "1",
         "1 | 3 | 4");
    ROWS(
        "SELECT id FROM person WHERE dept NOT IN (SELECT price FROM sale WHERE who <> id AND price "
        "> 5) ORDER BY 1",
        "1 | 2 | 4");
    ROWS("SELECT (1, 2) IN (SELECT who, price FROM sale), (1, 5) IN (SELECT who, price FROM sale)",
         "false, true");
    ROWS("SELECT id, ROW(id, 9) IN (SELECT who, price FROM sale WHERE who = id) FROM person ORDER "
         "BY 1",
         "1, false | 2, true | 3, false | 4, false");
}

TEST(any_and_all)
{
    tables();
    ROWS("SELECT 5 > ALL (VALUES 1, 2), 5 > ALL (VALUES 1, 7), 5 > ALL (VALUES 1, NULL), 5 > ALL "
         "(SELECT 1 WHERE false)",
         "true, false, NULL, true");
    ROWS("SELECT 5 < ANY (VALUES 1, 7), 5 < SOME (VALUES 1, 2), 5 < ANY (VALUES 1, NULL), 5 < ANY "
         "(SELECT 1 WHERE false)",
         "true, false, NULL, false");
    ROWS("SELECT 5 = ALL (VALUES 5, 5), 5 = ALL (VALUES 5, 4), 5 <> ANY (VALUES 5, 5), NULL = ALL "
         "(VALUES 1)",
         "true, false, false, NULL");
    ROWS("SELECT id, 8 >= ALL (SELECT price FROM sale WHERE who = id) FROM person ORDER BY 1",
         "1, true | 2, false | 3, true | 4, true");
    ROWS("SELECT ROW(2) > ALL (VALUES ROW(0), ROW(NULL)), ROW(2) = ANY (VALUES ROW(2))",
         "NULL, true");
}

/* A limit within a limit's reach: each counts for the values of both. */
TEST(limits_at_two_depths)
{
    tables();
    ROWS(
        "SELECT id FROM person p WHERE EXISTS (SELECT 1 FROM sale s WHERE s.who = p.id AND (SELECT "
        "t.price FROM sale t WHERE t.who = p.id AND t.price >= s.price ORDER BY t.price LIMIT 1) = "
        "7) ORDER BY 1",
        "1");
}

TEST(lateral)
{
    tables();
    ROWS(
        "SELECT id, m FROM person CROSS JOIN LATERAL (SELECT max(price) AS m FROM sale WHERE who = "
        "id) ORDER BY 1",
        "1, 7 | 2, 9 | 3, NULL | 4, NULL");
    ROWS("SELECT id, price FROM person LEFT JOIN LATERAL (SELECT price FROM sale WHERE who = id "
         "ORDER BY price LIMIT 1) ON true ORDER BY 1",
         "1, 5 | 2, 9 | 3, NULL | 4, NULL");
    ROWS(
        "SELECT id, x FROM person, LATERAL (VALUES id, id * 10) AS v(x) WHERE id < 3 ORDER BY 1, 2",
        "1, 1 | 1, 10 | 2, 2 | 2, 20");
    ROWS("SELECT id, w FROM person JOIN LATERAL (SELECT row_number() OVER (ORDER BY price) AS n, "
         "price AS w FROM sale WHERE who = id) ON n = 2 ORDER BY 1",
         "1, 7 | 2, NULL");
    ROWS(
        "SELECT (SELECT sum(x) FROM UNNEST(a) AS u(x)) FROM (VALUES ARRAY[1, 2], ARRAY[], NULL) AS "
        "t(a)",
        "3 | NULL | NULL");
}

/* Segments are opened once for each scan of the plan, not for each row. */
TEST(no_scan_a_row)
{
    tables();
    th_query_control control = {0};
    help_control = &control;
    ROWS("SELECT count(*) FROM person p WHERE (SELECT count(*) FROM sale WHERE who = p.id) > 0",
         "2");
    CHECK(control.segments_read == 4);
    help_control = NULL;
}

TEST_MAIN(scalar, scalar_with_many_rows, exists, in_and_its_nulls, any_and_all,
          limits_at_two_depths, lateral, no_scan_a_row)
