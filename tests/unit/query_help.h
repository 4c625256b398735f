/* SPDX-License-Identifier: Apache-2.0
 * What the tests of the running engine share: a statement and its rows as text, a statement and its error.
 * Rows are separated by " | ", values by ", "; NULL is written as NULL. */
#ifndef TH_TESTS_UNIT_QUERY_HELP_H
#define TH_TESTS_UNIT_QUERY_HELP_H

#include "query/result.h"
#include "tests/unit/memory_provider.h"
#include "tests/unit/test.h"

static memory_provider *help_provider; /* the tables of this program's tests; may stay NULL */
static th_query_limits help_limits;
static th_query_control *help_control;
static th_query_options help_options; /* how statements run */
static const char *help_temp_dir;     /* where statements may spill; NULL: nowhere */

static inline th_err help_batch(void *ctx, const th_batch *batch)
{
    th_buf *out = ctx;
    for (uint32_t i = 0; i < batch->rows; i++) {
        if (out->size > 0) th_buf_add_text(out, " | ");
        for (uint32_t c = 0; c < batch->column_count; c++) {
            if (c > 0) th_buf_add_text(out, ", ");
            if (batch->columns[c].type->kind == TH_UNKNOWN ||
                th_vector_is_null(&batch->columns[c], i))
                th_buf_add_text(out, "NULL");
            else
                th_value_text(out, &batch->columns[c], i);
        }
    }
    return TH_OK;
}

static inline th_err help_run(const char *sql, th_buf *out, th_diag *diag)
{
    th_query_env env = {.provider =
                            help_provider == NULL ? NULL : memory_provider_of(help_provider),
                        .limits = help_limits,
                        .options = help_options,
                        .control = help_control,
                        .temp_dir = help_temp_dir};
    th_result_sink sink = {NULL, help_batch, out};
    memory_provider *empty = NULL;
    if (help_provider == NULL) {
        empty = memory_provider_new(1);
        env.provider = memory_provider_of(empty);
    }
    th_err e = th_query_run(&env, th_slice_text(sql), &sink, NULL, diag);
    if (help_provider != NULL && memory_provider_open_segments(help_provider) != 0) e = TH_EBUSY;
    memory_provider_free(empty);
    return e;
}

static inline void help_rows(const char *file, int line, const char *sql, const char *wanted)
{
    th_buf out;
    th_diag diag = {0};
    th_buf_init(&out, 16u << 20);
    th_err e = help_run(sql, &out, &diag);
    bool same = e == TH_OK && strcmp(th_buf_text(&out), wanted) == 0;
    if (!same)
        printf("not ok %s: %s:%d: %s\n    gave   %s%s %s\n    wanted %s\n", test_name, file, line,
               sql, e == TH_OK ? th_buf_text(&out) : "", e == TH_OK ? "" : th_diag_name(&diag),
               diag.text, wanted);
    th_buf_free(&out);
    if (!same) test_leave();
}

static inline void help_error(const char *file, int line, const char *sql, const char *name)
{
    th_buf out;
    th_diag diag = {0};
    th_buf_init(&out, 16u << 20);
    th_err e = help_run(sql, &out, &diag);
    bool same = e != TH_OK && strcmp(th_diag_name(&diag), name) == 0;
    if (!same)
        printf("not ok %s: %s:%d: %s\n    gave   %s %s %s\n    wanted %s\n", test_name, file, line,
               sql, e == TH_OK ? th_buf_text(&out) : "", th_diag_name(&diag), diag.text, name);
    th_buf_free(&out);
    if (!same) test_leave();
}

#define ROWS(sql, wanted) help_rows(__FILE__, __LINE__, sql, wanted)
#define VALUE(expr, wanted) help_rows(__FILE__, __LINE__, "SELECT " expr, wanted)
#define ERROR(sql, name) help_error(__FILE__, __LINE__, sql, name)

#endif
