/* SPDX-License-Identifier: Apache-2.0
 * Asks a statement of the same tables stored in two ways and compares answers. Part of random_queries.c. */
#ifndef TH_TESTS_SQL_RANDOM_ASK_H
#define TH_TESTS_SQL_RANDOM_ASK_H

#include <stdlib.h>

#include "json/json.h"
#include "query/result.h"
#include "tests/sql/random_sql.h"
#include "tests/unit/memory_provider.h"

enum { WAYS = 2, ANSWER_MAX = 4 << 20 };

typedef struct answer {
    th_err err;
    th_diag diag;
    th_buf rows; /* a line of JSON a row */
    th_slice *lines;
    size_t count;
} answer;

typedef struct tester {
    sql_random g;
    memory_provider *ways[WAYS];
    uint64_t seed, statements, questions, unsupported, refused, mismatches;
    bool verbose, print;
    sql_text text[6];
    answer answers[6];
} tester;

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

static th_err take_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    (void)ctx;
    (void)columns;
    (void)count;
    return TH_OK;
}

static th_err take_batch(void *ctx, const th_batch *batch)
{
    answer *a = ctx;
    for (uint32_t i = 0; i < batch->rows; i++, a->count++) {
        for (uint32_t c = 0; c < batch->column_count; c++) {
            if (c > 0) th_buf_add_byte(&a->rows, '\t');
            th_value_json(&a->rows, &batch->columns[c], i);
        }
        th_buf_add_byte(&a->rows, '\n');
    }
    return th_buf_error(&a->rows);
}

static int compare_lines(const void *a, const void *b)
{
    return th_slice_compare(*(const th_slice *)a, *(const th_slice *)b);
}

static void cut_lines(answer *a, bool sorted)
{
    free(a->lines);
    a->lines = malloc((a->count + 1) * sizeof *a->lines);
    if (a->lines == NULL) abort();
    const uint8_t *from = a->rows.bytes;
    for (size_t i = 0; i < a->count; i++) {
        const uint8_t *end = memchr(from, '\n', (size_t)(a->rows.bytes + a->rows.size - from));
        a->lines[i] = th_slice_of(from, (size_t)(end - from));
        from = end + 1;
    }
    if (sorted) qsort(a->lines, a->count, sizeof *a->lines, compare_lines);
}

static void ask_one(tester *t, uint32_t way, const sql_text *sql, bool ordered, answer *out)
{
    th_query_env env = {.provider = memory_provider_of(t->ways[way])};
    th_result_sink sink = {take_columns, take_batch, out};
    th_buf_clear(&out->rows);
    out->count = 0;
    out->diag = (th_diag){0};
    out->err = th_query_run(&env, th_slice_of(sql->at, sql->size), &sink, NULL, &out->diag);
    if (out->err == TH_OK) cut_lines(out, !ordered);
    t->statements++;
}

static bool same(const answer *a, const answer *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!th_slice_equal(a->lines[i], b->lines[i])) return false;
    return true;
}

static void show(const char *name, const answer *a)
{
    printf("%s: %zu rows%s%s\n", name, a->count, a->err == TH_OK ? "" : ", ",
           a->err == TH_OK ? "" : a->diag.text);
    for (size_t i = 0; i < a->count && i < 12 && a->err == TH_OK; i++)
        printf("    %.*s\n", TH_SLICE_ARGS(a->lines[i]));
}

static void report(tester *t, const char *what, const sql_text *x, const answer *a,
                   const sql_text *y, const answer *b)
{
    t->mismatches++;
    printf("MISMATCH %s, seed %llu\n  %s\n  %s\n", what, (unsigned long long)t->seed, x->at, y->at);
    show("  first", a);
    show("  second", b);
    (void)fflush(stdout);
}

/* {"sql": text, "rows": [[...], ...]} on a line, for another engine to answer. */
static void print_answer(const sql_text *sql, const answer *a)
{
    th_buf line;
    th_buf_init(&line, ANSWER_MAX);
    th_buf_add_text(&line, "{\"sql\": ");
    th_json_quote(&line, th_slice_of(sql->at, sql->size));
    th_buf_add_text(&line, ", \"rows\": [");
    for (size_t i = 0; i < a->count; i++) {
        th_buf_add_text(&line, i == 0 ? "[" : ", [");
        for (size_t k = 0; k < a->lines[i].size; k++)
            th_buf_add_byte(&line, a->lines[i].bytes[k] == '\t' ? ',' : a->lines[i].bytes[k]);
        th_buf_add_byte(&line, ']');
    }
    th_buf_add_text(&line, "]}");
    puts(th_buf_text(&line));
    th_buf_free(&line);
}

/* Both ways; false when the statement has no answer here, which is counted. */
static bool ask(tester *t, const sql_text *sql, bool ordered, answer *out)
{
    answer *other = &t->answers[5];
    ask_one(t, 0, sql, ordered, out);
    ask_one(t, 1, sql, ordered, other);
    if (t->verbose)
        printf("%s\n  -> %zu rows %s\n", sql->at, out->count, out->err ? out->diag.text : "");
    if (out->err != other->err || (out->err == TH_OK && !same(out, other))) {
        report(t, "paths", sql, out, sql, other);
        return false;
    }
    if (out->err == TH_OK && t->print) print_answer(sql, out);
    if (out->err == TH_OK) return true;
    if (strcmp(th_diag_name(&out->diag), "NOT_SUPPORTED") == 0) {
        t->unsupported++;
        return false;
    }
    t->refused++;
    printf("REFUSED seed %llu: %s: %s\n  %s\n", (unsigned long long)t->seed,
           th_diag_name(&out->diag), out->diag.text, sql->at);
    return false;
}

#endif
