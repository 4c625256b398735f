/* SPDX-License-Identifier: Apache-2.0
 * Rows of a segment for plugins: a SQL predicate as one bit a row, and columns by JSON path.
 *
 * A filter is a provider of its own whose only rows are a window over one segment; the predicate runs as a statement over
 * it, so that it means exactly what it means in SQL. */
#include "engine/engine_private.h"

#include <stdlib.h>

struct th_row_filter {
    engine engine; /* a copy that sees the window only; borrows the tables */
    engine_window window;
    th_buf sql;
    uint64_t *bits; /* of the run in hand */
};

static th_err ignore_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    (void)ctx;
    (void)columns;
    (void)count;
    return TH_OK;
}

static th_err ignore_batch(void *ctx, const th_batch *batch)
{
    (void)ctx;
    (void)batch;
    return TH_OK;
}

th_err th_row_filter_new(th_provider *provider, const char *table, th_slice predicate,
                         th_row_filter **out, th_diag *diag)
{
    const engine *e = (const engine *)provider;
    const th_table *found = NULL;
    for (uint32_t i = 0; i < e->table_count; i++) {
        if (th_slice_is(e->list[i]->name, table)) found = e->list[i];
    }
    if (found == NULL)
        return th_fail(diag, TH_ENOTFOUND, "TABLE_NOT_FOUND", "no table '%s'", table);
    th_row_filter *f = calloc(1, sizeof(*f));
    if (f == NULL) return TH_ENOMEM;
    f->engine = *e;
    f->engine.store = NULL;
    f->engine.window = &f->window;
    th_buf_init(&f->sql, TH_SQL_SIZE_MAX);
    th_buf_printf(&f->sql, "SELECT \"_seq\" FROM \"%s\" WHERE (", table);
    th_buf_add_slice(&f->sql, predicate);
    th_buf_add_text(&f->sql, "\n)");
    th_err err = th_buf_error(&f->sql);
    /* Parsed and bound once now, so that a wrong predicate is refused here and not with the first batch. */
    if (err == TH_OK) {
        th_query_env env = {.provider = &f->engine.base,
                            .principal = {"plugin", "plugin", UINT32_MAX}};
        th_result_sink sink = {ignore_columns, ignore_batch, NULL};
        th_buf explain;
        th_buf_init(&explain, TH_SQL_SIZE_MAX + 64);
        th_buf_add_text(&explain, "EXPLAIN ");
        th_buf_add_slice(&explain, th_buf_slice(&f->sql));
        err = th_query_run(&env, th_buf_slice(&explain), &sink, NULL, diag);
        th_buf_free(&explain);
    }
    if (err != TH_OK) {
        th_row_filter_free(f);
        return err;
    }
    *out = f;
    return TH_OK;
}

void th_row_filter_free(th_row_filter *filter)
{
    if (filter == NULL) return;
    th_buf_free(&filter->sql);
    free(filter);
}

static th_err filter_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    (void)ctx;
    return count == 1 && columns[0].type == &th_type_bigint ? TH_OK : TH_EINVAL;
}

static th_err filter_batch(void *ctx, const th_batch *batch)
{
    th_row_filter *f = ctx;
    const th_vector *seq = &batch->columns[0], *base = th_vector_base(seq);
    for (uint32_t i = 0; i < batch->rows; i++) {
        uint64_t row = (uint64_t)base->data.i64[th_vector_slot(seq, i)] - f->window.ref.first_seq -
                       f->window.begin;
        if (row >= f->window.count)
            return TH_EINVAL; /* a predicate that closes our bracket and goes on */
        f->bits[row / 64] |= UINT64_C(1) << (row % 64);
    }
    return TH_OK;
}

th_err th_row_filter_run(th_row_filter *filter, th_version *version, const th_segment_ref *ref,
                         uint32_t begin, uint32_t count, th_arena *arena, uint64_t **bits,
                         th_diag *diag)
{
    filter->window = (engine_window){version, *ref, begin, count};
    filter->bits = TH_NEW_ARRAY(arena, uint64_t, (size_t)count / 64 + 1);
    if (filter->bits == NULL) return TH_ELIMIT;
    th_query_env env = {.provider = &filter->engine.base,
                        .principal = {"plugin", "plugin", UINT32_MAX}};
    th_result_sink sink = {filter_columns, filter_batch, filter};
    TH_TRY(th_query_run(&env, th_buf_slice(&filter->sql), &sink, NULL, diag));
    *bits = filter->bits;
    return TH_OK;
}

th_err th_engine_paths(const th_loaded *loaded, const char *const *paths, uint32_t path_count,
                       uint32_t begin, uint32_t count, th_arena *arena, th_vector *out,
                       th_diag *diag)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < path_count; i++) {
        th_segment_column cells;
        TH_TRY(
            th_segment_read_column(loaded->segment, paths[i], begin, count, arena, &cells, &bytes));
        TH_TRY(engine_cells_vector(&cells, count, &th_type_varchar, NULL, arena, &out[i], diag));
    }
    return TH_OK;
}
