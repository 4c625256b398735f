/* SPDX-License-Identifier: Apache-2.0
 * Statements that need more memory than they may have put rows on disk and give the same answer. */
#include <sys/resource.h>

#include "tests/unit/query_help.h"

#define MEMORY (12u << 20)

typedef struct watched {
    uint64_t rows, sum, out_of_order;
    int64_t last;
} watched;

static th_err watch(void *ctx, const th_batch *batch)
{
    watched *w = ctx;
    th_value v;
    for (uint32_t i = 0; i < batch->rows; i++) {
        th_value_get(&batch->columns[0], i, &v);
        w->out_of_order += w->rows > 0 && v.i < w->last;
        w->last = v.i;
        w->sum += (uint64_t)v.i;
        w->rows++;
    }
    return TH_OK;
}

static th_err run_limited(const char *sql, uint64_t memory, const char *temp_dir, watched *w,
                          uint64_t *peak, th_diag *diag)
{
    memory_provider *p = memory_provider_new(1000);
    th_query_env env = {.provider = memory_provider_of(p),
                        .limits = {.memory_bytes = memory},
                        .temp_dir = temp_dir};
    th_result_sink sink = {NULL, watch, w};
    th_query_stats stats = {0};
    *w = (watched){0};
    th_err err = th_query_run(&env, th_slice_text(sql), &sink, &stats, diag);
    *peak = stats.peak_bytes;
    memory_provider_free(p);
    return err;
}

/* 400,000 rows without order: 10,000 a value, each times 40. */
#define ROWS_OF(columns) \
    "SELECT " columns    \
    " FROM UNNEST(sequence(1, 10000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 40)) AS b(y)"

static void same_as_in_memory(const char *sql, bool ordered)
{
    watched whole, spilled;
    uint64_t peak;
    th_diag diag = {0};
    CHECK(run_limited(sql, UINT64_C(1) << 30, NULL, &whole, &peak, &diag) == TH_OK);
    CHECK(peak > 2 * (uint64_t)MEMORY); /* else this shows nothing */
    CHECK(run_limited(sql, MEMORY, NULL, &spilled, &peak, &diag) == TH_ELIMIT);
    CHECK_EQ_STR(th_diag_name(&diag), "EXCEEDED_LOCAL_MEMORY_LIMIT");
    diag = (th_diag){0};
    th_err err = run_limited(sql, MEMORY, "/tmp", &spilled, &peak, &diag);
    CHECK_EQ_STR(diag.text, "");
    CHECK(err == TH_OK);
    CHECK_EQ_U64(spilled.rows, whole.rows);
    CHECK_EQ_U64(spilled.sum, whole.sum);
    CHECK(!ordered || spilled.out_of_order == 0);
    CHECK(peak <= (uint64_t)MEMORY + MEMORY / 20);
}

TEST(sort)
{
    same_as_in_memory(
        ROWS_OF("x * 7919 % 10007 * 40 + y AS k, CAST(x AS varchar) AS s") " ORDER BY k", true);
}

TEST(sort_with_offset)
{
    same_as_in_memory(
        ROWS_OF("x * 7919 % 10007 * 40 + y AS k, CAST(x AS varchar) AS s") " ORDER BY k OFFSET "
                                                                           "1000 LIMIT 350000",
        true);
}

TEST(groups)
{
    same_as_in_memory("SELECT n FROM (" ROWS_OF("x * 100 + y AS k, sum(x) AS n") " GROUP BY 1)",
                      false);
}

TEST(groups_of_text)
{
    same_as_in_memory("SELECT n FROM (" ROWS_OF(
                          "concat(CAST(x AS varchar), '-', CAST(y AS varchar)) AS k, "
                          "count(*) AS n, max(ARRAY[x, y]) AS m") " GROUP BY 1 HAVING max(x) > 0)",
                      false);
}

TEST(distinct)
{
    same_as_in_memory("SELECT k FROM (SELECT DISTINCT k, s FROM (" ROWS_OF(
                          "x * 40 + y AS k, CAST(x AS varchar) AS s") "))",
                      false);
}

TEST(joins)
{
    same_as_in_memory(
        "SELECT l.k FROM (" ROWS_OF(
            "x * 40 + y AS k, CAST(x AS varchar) AS s") ") AS l JOIN (" ROWS_OF("x * 40 + y AS k, "
                                                                                "CAST(y AS "
                                                                                "varchar) AS s") ")"
                                                                                                 " "
                                                                                                 "A"
                                                                                                 "S"
                                                                                                 " "
                                                                                                 "r"
                                                                                                 " "
                                                                                                 "O"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "l"
                                                                                                 "."
                                                                                                 "k"
                                                                                                 " "
                                                                                                 "="
                                                                                                 " "
                                                                                                 "r"
                                                                                                 "."
                                                                                                 "k",
        false);
}

TEST_MAIN(sort, sort_with_offset, groups, groups_of_text, distinct, joins)
