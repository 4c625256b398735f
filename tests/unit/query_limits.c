/* SPDX-License-Identifier: Apache-2.0
 * Statements that ask for too much: each ends with an answer or an error of its own, in time, within its memory, and on a
 * thread with 512 KiB of stack. */
#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

#include "tests/unit/query_help.h"

#define STACK (512u << 10)

typedef struct asked {
    const char *sql;
    th_query_limits limits;
    th_query_control *control;
    th_err err;
    th_diag diag;
    uint64_t rows, peak;
    int64_t last;
} asked;

static th_err count_rows(void *ctx, const th_batch *batch)
{
    asked *a = ctx;
    th_value v;
    if (batch->rows > 0) {
        th_value_get(&batch->columns[0], batch->rows - 1, &v);
        a->last = v.i;
    }
    a->rows += batch->rows;
    return TH_OK;
}

static void *run_asked(void *arg)
{
    asked *a = arg;
    th_query_env env = {
        .provider = memory_provider_of(help_provider), .limits = a->limits, .control = a->control};
    th_result_sink sink = {NULL, count_rows, a};
    th_query_stats stats = {0};
    a->err = th_query_run(&env, th_slice_text(a->sql), &sink, &stats, &a->diag);
    a->peak = stats.peak_bytes;
    return NULL;
}

static pthread_t begin(asked *a)
{
    pthread_t thread;
    pthread_attr_t attr;
    th_diag diag = {0};
    if (help_provider == NULL) {
        help_provider = memory_provider_new(1000);
        CHECK(memory_provider_add(help_provider, "many",
                                  "SELECT x FROM UNNEST(sequence(1, 10000)) AS t(x)", false,
                                  &diag) == TH_OK);
    }
    CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, STACK) == 0);
    CHECK(pthread_create(&thread, &attr, run_asked, a) == 0);
    pthread_attr_destroy(&attr);
    return thread;
}

static void ask(asked *a)
{
    pthread_join(begin(a), NULL);
}

static char *repeated(const char *before, const char *unit, uint32_t times, const char *middle,
                      const char *unit2, const char *after)
{
    th_buf text;
    th_buf_init(&text, 64u << 20);
    th_buf_add_text(&text, before);
    for (uint32_t i = 0; i < times; i++) th_buf_add_text(&text, unit);
    th_buf_add_text(&text, middle);
    for (uint32_t i = 0; i < times; i++) th_buf_add_text(&text, unit2);
    th_buf_add_text(&text, after);
    char *copy = strdup(th_buf_text(&text));
    th_buf_free(&text);
    CHECK(copy != NULL);
    return copy;
}

static void fails_with(char *sql, const char *name)
{
    asked a = {.sql = sql};
    ask(&a);
    free(sql);
    CHECK(a.err != TH_OK);
    CHECK_EQ_STR(th_diag_name(&a.diag), name);
}

TEST(nesting)
{
    fails_with(repeated("SELECT ", "(", 100000, "1", ")", ""), "EXCEEDED_NESTING_LIMIT");
    fails_with(repeated("SELECT ", "NOT ", 100000, "true", "", ""), "EXCEEDED_NESTING_LIMIT");
    fails_with(repeated("", "SELECT * FROM (", 50000, "SELECT 1", ")", ""),
               "EXCEEDED_NESTING_LIMIT");
    fails_with(repeated("SELECT 1 WHERE ", "EXISTS (SELECT 1 WHERE ", 20000, "true", ")", ""),
               "EXCEEDED_NESTING_LIMIT");
}

TEST(long_lists)
{
    th_buf text;
    th_buf_init(&text, 64u << 20);
    th_buf_add_text(&text, "SELECT count(*) FROM many WHERE x IN (");
    for (uint32_t i = 0; i < 100000; i++) th_buf_printf(&text, "%s%u", i == 0 ? "" : ",", i * 2);
    th_buf_add_text(&text, ")");
    asked a = {.sql = th_buf_text(&text)};
    ask(&a);
    th_buf_free(&text);
    CHECK_EQ_STR(a.diag.text, "");
    CHECK_EQ_I64(a.last, 5000);
}

TEST(many_joins)
{
    th_buf text;
    th_buf_init(&text, 1u << 20);
    th_buf_add_text(&text, "SELECT count(*) FROM many AS t0");
    for (uint32_t i = 1; i < 64; i++) th_buf_printf(&text, ", many AS t%u", i);
    th_buf_add_text(&text, " WHERE t63.x < 100");
    for (uint32_t i = 1; i < 64; i++) th_buf_printf(&text, " AND t%u.x = t%u.x", i - 1, i);
    asked a = {.sql = th_buf_text(&text)};
    ask(&a);
    th_buf_free(&text);
    CHECK_EQ_STR(a.diag.text, "");
    CHECK_EQ_I64(a.last, 99);
}

TEST(cross_joins_end_in_time)
{
    asked a = {.sql =
                   "SELECT count(*) FROM many a, many b, many c, many d, many e WHERE a.x + b.x + "
                   "c.x + d.x = e.x - 40000",
               .limits = {.time_us = 50000, .memory_bytes = 64u << 20}};
    ask(&a);
    CHECK(a.err == TH_ETIME);
    CHECK(a.peak <= (64u << 20) + (64u << 20) / 20);
    asked b = {.sql = "SELECT a.x FROM many a, many b, many c", .limits = {.rows = 100000}};
    ask(&b);
    CHECK(b.err == TH_ELIMIT);
    CHECK(b.rows <= 100000);
}

TEST(cancel)
{
    static const char *const statements[] = {
        "SELECT count(*) FROM many a, many b, many c, many d",
        "SELECT max(n) FROM (SELECT a.x * 10000 + b.x AS n FROM many a, many b ORDER BY n DESC)",
        "SELECT count(*) FROM (SELECT a.x * 10000 + b.x AS n FROM many a, many b GROUP BY 1)"};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        th_query_control control = {0};
        asked a = {.sql = statements[i], .control = &control};
        pthread_t thread = begin(&a);
        while (atomic_load(&control.rows_read) == 0 && atomic_load(&control.segments_read) == 0)
            sched_yield();
        atomic_store(&control.cancel, 1);
        pthread_join(thread, NULL);
        CHECK(a.err == TH_ECANCELED);
    }
}

TEST_MAIN(nesting, long_lists, many_joins, cross_joins_end_in_time, cancel)
