/* SPDX-License-Identifier: Apache-2.0
 * Tables that users made: rows of table user_rows whose day is the table's number, JSON objects with a member a column
 * that is not NULL, named by the column's slot: {"s0":"a","s2":1}. */
#include "engine/engine_private.h"

static th_err own_column(const th_definition_column *from, th_arena *arena,
                         th_schema_column *schema, th_table_column *column, th_diag *diag)
{
    const th_type *type;
    TH_TRY(th_type_parse(from->type, arena, &type, diag));
    const char *name = th_arena_printf(arena, "%.*s", TH_SLICE_ARGS(from->name));
    const char *path = th_arena_printf(arena, "=s%u", from->slot);
    type = th_storage_type(type);
    if (name == NULL || path == NULL) return TH_ELIMIT;
    if (type == NULL) return th_fail(diag, TH_ECORRUPT, NULL, "a table has a column of no type");
    *schema = (th_schema_column){.name = name, .type = "", .path = path};
    *column = (th_table_column){.name = from->name, .type = type, .partition = from->partition};
    return TH_OK;
}

static th_err own_table(const th_definition *d, th_arena *arena, const th_table **out,
                        th_diag *diag)
{
    engine_table *t = TH_NEW(arena, engine_table);
    th_schema *schema = TH_NEW(arena, th_schema);
    th_schema_column *paths = TH_NEW_ARRAY(arena, th_schema_column, (size_t)d->column_count + 1);
    th_table_column *columns = TH_NEW_ARRAY(arena, th_table_column, (size_t)d->column_count + 1);
    if (t == NULL || schema == NULL || paths == NULL || columns == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < d->column_count; i++)
        TH_TRY(own_column(&d->columns[i], arena, &paths[i], &columns[i], diag));
    *schema = (th_schema){.name = "",
                          .table = TH_TABLE_user_rows,
                          .rows = TH_ROWS_ALL,
                          .columns = paths,
                          .column_count = d->column_count,
                          .comment = ""};
    *t = (engine_table){.schema = schema,
                        .stored = th_model_table(TH_TABLE_user_rows),
                        .meta_first = d->column_count,
                        .time_column = UINT32_MAX,
                        .one_day = true,
                        .day = (int32_t)d->number};
    t->base = (th_table){.schema = d->schema,
                         .name = d->name,
                         .columns = columns,
                         .column_count = d->column_count,
                         .own = true,
                         .handle = t};
    *out = &t->base;
    return TH_OK;
}

th_err engine_table_define(th_snapshot *snapshot, const th_definition *d, th_arena *arena,
                           const th_table **out, th_diag *diag)
{
    (void)snapshot;
    return own_table(d, arena, out, diag);
}
