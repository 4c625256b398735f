/* SPDX-License-Identifier: Apache-2.0
 * Changes of definitions and rows of users' tables: one write of the store, all of it durable or nothing. */
#include "engine/engine_private.h"

#include <stdlib.h>

#include "query/result.h"

/* Tables are numbered by days of the calendar that the store can name in files. */
#define NUMBER_MAX 2900000u
#define ROW_SIZE_MAX (64u << 20)

struct th_change {
    engine *engine;
    th_write *write;
    th_buf row;
};

th_err engine_may_change(const th_principal *principal, th_diag *diag)
{
    const char *source = principal == NULL ? NULL : principal->source;
    if (source == NULL || strncmp(source, "http ", 5) != 0 ||
        strncmp(source, "http 127.", 9) == 0 || strncmp(source, "http ::1:", 9) == 0 ||
        strncmp(source, "http [::1]:", 11) == 0)
        return TH_OK;
    th_fail(diag, TH_EPERM, NULL,
            "definitions and tables are changed on the server's machine only");
    th_diag_hint(diag, "run it there, with --data");
    return TH_EPERM;
}

th_err engine_change_begin(th_provider *provider, const th_principal *principal, th_change **out,
                           th_diag *diag)
{
    engine *e = (engine *)provider;
    TH_TRY(engine_may_change(principal, diag));
    if (e->store == NULL) return th_fail(diag, TH_EUNSUPPORTED, NULL, "there is no store here");
    th_change *change = calloc(1, sizeof *change);
    if (change == NULL) return TH_ENOMEM;
    change->engine = e;
    th_buf_init(&change->row, ROW_SIZE_MAX);
    change->write = th_write_new(e->store);
    if (change->write == NULL) {
        engine_change_free(change);
        return TH_ENOMEM;
    }
    *out = change;
    return TH_OK;
}

static th_err add(th_change *change, th_table_id table, int32_t day, th_slice record)
{
    th_row row = {.record = record, .object = UINT32_MAX};
    uint32_t local;
    return th_write_add(change->write, th_model_table(table), day, &row, &local);
}

th_err engine_change_event(th_change *change, th_slice event, th_diag *diag)
{
    th_err err = add(change, TH_TABLE_definitions, 0, event);
    return err == TH_OK ? err : th_fail(diag, err, NULL, "%s", th_err_text(err));
}

th_err engine_change_number(th_change *change, uint64_t *number, th_diag *diag)
{
    engine *e = change->engine;
    th_snapshot *snapshot;
    th_as_known_at now = {0};
    TH_TRY(e->base.ops->snapshot_open(&e->base, NULL, &now, &snapshot, diag));
    uint64_t next = th_catalog_next_number(engine_defined(snapshot));
    e->base.ops->snapshot_close(snapshot);
    pthread_mutex_lock(&e->mutex);
    if (next <= e->last_number) next = e->last_number + 1;
    e->last_number = next;
    pthread_mutex_unlock(&e->mutex);
    *number = next;
    if (next <= NUMBER_MAX) return TH_OK;
    return th_fail(diag, TH_ELIMIT, NULL, "%u tables were made here, more cannot be", NUMBER_MAX);
}

static void print_row(th_buf *out, const th_definition *d, const th_batch *batch, uint32_t row)
{
    bool first = true;
    th_buf_clear(out);
    th_buf_add_byte(out, '{');
    for (uint32_t c = 0; c < d->column_count; c++) {
        if (th_vector_is_null(&batch->columns[c], row)) continue;
        th_buf_printf(out, "%s\"s%u\":", first ? "" : ",", d->columns[c].slot);
        th_value_json(out, &batch->columns[c], row);
        first = false;
    }
    th_buf_add_byte(out, '}');
}

th_err engine_change_rows(th_change *change, const th_definition *d, const th_batch *batch,
                          th_diag *diag)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        print_row(&change->row, d, batch, row);
        th_err err = th_buf_error(&change->row);
        if (err == TH_OK)
            err = add(change, TH_TABLE_user_rows, (int32_t)d->number, th_buf_slice(&change->row));
        if (err != TH_OK) return th_fail(diag, err, NULL, "%s", th_err_text(err));
    }
    return TH_OK;
}

th_err engine_change_commit(th_change *change, th_diag *diag)
{
    uint64_t lsn;
    return th_store_commit(change->engine->store, change->write, &lsn, diag);
}

void engine_change_free(th_change *change)
{
    if (change == NULL) return;
    th_write_free(change->write);
    th_buf_free(&change->row);
    free(change);
}
