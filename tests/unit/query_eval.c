/* SPDX-License-Identifier: Apache-2.0
 * Fast paths against their plain twins: the same random data as flat columns and as dictionaries, through kernels and
 * row by row, must give the same answers; and deep expressions stay within the stack. */
#include "tests/unit/query_help.h"

#define SEED 20260101u

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

/* Tables flat_t and dict_t: i bigint, j bigint, f double, s varchar, k varchar; NULLs here and there. */
static void make_tables(uint32_t rows)
{
    th_buf sql;
    th_diag d = {0};
    if (help_provider != NULL) return;
    random_state = SEED;
    help_provider = memory_provider_new(700);
    th_buf_init(&sql, 16u << 20);
    th_buf_add_text(
        &sql, "SELECT CAST(i AS bigint) AS i, CAST(j AS bigint) AS j, CAST(f AS double) AS f, "
              "CAST(s AS varchar) AS s, CAST(k AS varchar) AS k FROM (VALUES ");
    for (uint32_t n = 0; n < rows; n++) {
        uint64_t i = next_random() % 50, j = next_random() % 7, s = next_random() % 9,
                 k = next_random() % 4;
        th_buf_printf(&sql, "%s(%s%d, %d, %d.5e0, %s'%c%d%%', 'k%d')", n > 0 ? "," : "",
                      next_random() % 9 ? "" : "NULL + ", (int)i - 25, (int)j - 3, (int)(i * j),
                      next_random() % 11 ? "" : "NULL || ", (char)('a' + s), (int)s, (int)k);
    }
    th_buf_add_text(&sql, ") AS t(i, j, f, s, k)");
    CHECK(memory_provider_add(help_provider, "flat_t", th_buf_text(&sql), false, &d) == TH_OK);
    CHECK(memory_provider_add(help_provider, "dict_t", "SELECT * FROM flat_t", true, &d) == TH_OK);
    th_buf_free(&sql);
}

/* The statement with X for the table, over both tables: the same rows. */
static void same_on_both(const char *sql)
{
    char text[2][1000];
    th_buf out[2];
    th_diag d = {0};
    for (int t = 0; t < 2; t++) {
        const char *mark = strchr(sql, '@');
        (void)snprintf(text[t], sizeof text[t], "%.*s%s%s", (int)(mark - sql), sql,
                       t == 0 ? "flat_t" : "dict_t", mark + 1);
        th_buf_init(&out[t], 64u << 20);
        th_err e = help_run(text[t], &out[t], &d);
        if (e != TH_OK) FAIL("%s: %s %s", text[t], th_diag_name(&d), d.text);
    }
    bool same = strcmp(th_buf_text(&out[0]), th_buf_text(&out[1])) == 0;
    size_t size = out[0].size;
    th_buf_free(&out[0]);
    th_buf_free(&out[1]);
    if (!same || size == 0) FAIL("%s: %s", sql, same ? "no rows" : "the tables differ");
}

TEST(dictionaries_give_what_flat_columns_give)
{
    make_tables(3000);
    same_on_both("SELECT upper(s), length(k), s LIKE 'b%', s || k, coalesce(s, k) FROM @");
    same_on_both("SELECT count(*) FROM @ WHERE s = 'c2%' AND k <> 'k1'");
    same_on_both("SELECT s, k, count(*), sum(i), min(f), max(k) FROM @ GROUP BY s, k");
    same_on_both("SELECT s, count(DISTINCT k), array_agg(DISTINCT i ORDER BY i) FROM @ GROUP BY s");
    same_on_both(
        "SELECT CASE WHEN s IN ('a0%', 'b1%') THEN k WHEN s IS NULL THEN 'none' ELSE s END FROM @");
    same_on_both("SELECT try(CAST(substr(s, 2, 1) AS bigint) / (i % 3)) FROM @");
    same_on_both("SELECT s, i FROM @ ORDER BY s DESC, i, j, k, f");
    same_on_both("SELECT transform(ARRAY[i, j], x -> x + length(k)), regexp_replace(s, '(\\d)', "
                 "'<$1>') FROM @");
}

/* A kernel runs for plain columns; inside TRY with a division that fails the same expression goes row by row. */
TEST(kernels_give_what_rows_give)
{
    make_tables(3000);
    ROWS("SELECT count(*) FROM flat_t WHERE (i + j) IS DISTINCT FROM try(i + j + 0 / (i - i + 1)) "
         "OR (i * j) IS DISTINCT FROM CASE WHEN j > 100 THEN 1 / 0 ELSE i * j END "
         "OR (i < j) IS DISTINCT FROM (CAST(i AS decimal(19,0)) < CAST(j AS decimal(19,0))) "
         "OR (i = j) IS DISTINCT FROM (ARRAY[i] = ARRAY[j]) OR (f >= 10e0) IS DISTINCT FROM "
         "(ROW(f) >= ROW(10e0))",
         "0");
    ROWS("SELECT count(*) FROM (SELECT k, sum(i) AS a, sum(i) FILTER (WHERE true) AS b, count(*) "
         "AS c, "
         "count(*) FILTER (WHERE true) AS d FROM flat_t GROUP BY k) WHERE a <> b OR c <> d",
         "0");
}

TEST(deep_expressions_stay_within_the_stack)
{
    th_buf sql, out;
    th_diag d = {0};
    th_buf_init(&sql, 1u << 20);
    th_buf_init(&out, 1u << 20);
    th_buf_add_text(&sql, "SELECT count(*) FROM flat_t WHERE i");
    for (int n = 0; n < 300; n++) th_buf_add_text(&sql, " + j");
    th_buf_add_text(&sql, " > 100000");
    CHECK_EQ_I64(help_run(th_buf_text(&sql), &out, &d), TH_OK);
    CHECK_EQ_STR(th_buf_text(&out), "0");
    th_buf_free(&sql);
    th_buf_free(&out);
}

TEST(null_and_empty)
{
    VALUE("NULL, NULL + 1, coalesce(NULL, NULL), CASE WHEN NULL THEN 1 END, NULL AND true",
          "NULL, NULL, NULL, NULL, NULL");
    VALUE("'' = '', length(''), ARRAY[], cardinality(ARRAY[]), map()", "true, 0, [], 0, {}");
}

TEST_MAIN(dictionaries_give_what_flat_columns_give, kernels_give_what_rows_give,
          deep_expressions_stay_within_the_stack, null_and_empty)
