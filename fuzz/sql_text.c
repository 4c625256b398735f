/* SPDX-License-Identifier: Apache-2.0
 * SQL text of any bytes: split, parse, bind and plan against two tables, print the plan. Every failure has a name and
 * words; a syntax error has a place inside the text. TH_FUZZ_CANARY forgets that a string can be open at the end. */
/* fuzz-module: query */
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "query/query.h"

enum { TEXT_MAX = 64 << 10, MEMORY_MAX = 256 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static th_table_column columns[] = {
    {{0}, &th_type_varchar, false, false}, {{0}, &th_type_timestamp, false, false},
    {{0}, &th_type_bigint, false, true},   {{0}, NULL, false, false},
    {{0}, &th_type_varchar, true, false},  {{0}, &th_type_boolean, false, false},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };
static th_table tables[2];
static const th_table *const table_list[2] = {&tables[0], &tables[1]};

static th_err snapshot_open(th_provider *p, const th_principal *who, const th_as_known_at *as,
                            th_snapshot **out, th_diag *diag)
{
    (void)who;
    (void)as;
    (void)diag;
    *out = (th_snapshot *)p;
    return TH_OK;
}

static void snapshot_close(th_snapshot *snapshot)
{
    (void)snapshot;
}

static th_err table_find(th_snapshot *snapshot, th_slice schema, th_slice name,
                         const th_table **out, th_diag *diag)
{
    (void)snapshot;
    (void)schema;
    (void)diag;
    for (int i = 0; i < 2; i++) {
        *out = &tables[i];
        if (th_slice_equal_nocase(name, tables[i].name)) return TH_OK;
    }
    return TH_ENOTFOUND;
}

static th_err list_tables(th_snapshot *snapshot, th_arena *arena, const th_table *const **out,
                          uint32_t *count, th_diag *diag)
{
    (void)snapshot;
    (void)arena;
    (void)diag;
    *out = table_list;
    *count = 2;
    return TH_OK;
}

static bool can_json_path(th_snapshot *snapshot, const th_table *table,
                          const th_scan_column *column)
{
    (void)snapshot;
    TH_ASSERT(column->column < table->column_count && column->json_path.size > 0);
    return column->json_scalar;
}

static const th_provider_ops ops = {.snapshot_open = snapshot_open,
                                    .snapshot_close = snapshot_close,
                                    .table_find = table_find,
                                    .table_list = list_tables,
                                    .can_json_path = can_json_path};
static th_provider provider = {&ops};

static void make_tables(th_arena *arena)
{
    static const char *const names[COLUMNS] = {"a", "eventtime", "n", "r", "$path", "ok"};
    const th_type *row;
    th_err err =
        th_type_parse(TH_SLICE("row(x varchar, y array(row(z bigint)), m map(varchar, varchar))"),
                      arena, &row, NULL);
    TH_ASSERT(err == TH_OK);
    columns[3].type = row;
    for (int i = 0; i < COLUMNS; i++) columns[i].name = th_slice_text(names[i]);
    tables[0] = (th_table){TH_SLICE("default"), TH_SLICE("t"),   columns, COLUMNS,
                           TH_UNIT_RECORD,      TH_RULES_ATHENA, false,   NULL};
    tables[1] = (th_table){TH_SLICE("default"), TH_SLICE("u"), columns, COLUMNS,
                           TH_UNIT_RECORD,      TH_RULES_LAKE, false,   NULL};
}

static th_err count_rows(void *ctx, const th_batch *batch)
{
    *(uint64_t *)ctx += batch->rows;
    return TH_OK;
}

/* EXPLAIN binds and plans without reading; what it prints is rows of one column. */
static void explain(th_slice sql)
{
    static const char prefix[] = "EXPLAIN ";
    uint8_t *text = malloc(sizeof prefix + sql.size);
    if (text == NULL) return;
    memcpy(text, prefix, sizeof prefix - 1);
    memcpy(text + sizeof prefix - 1, sql.bytes, sql.size);
    uint64_t rows = 0;
    th_query_env env = {.provider = &provider,
                        .principal = {.name = "fuzz"},
                        .limits = {.memory_bytes = MEMORY_MAX}};
    th_result_sink sink = {.batch = count_rows, .ctx = &rows};
    th_diag diag = {0};
    th_err err =
        th_query_run(&env, th_slice_of(text, sizeof prefix - 1 + sql.size), &sink, NULL, &diag);
    TH_ASSERT(err == diag.code && (err != TH_OK || rows > 0));
    TH_ASSERT(err == TH_OK || diag.text[0] != '\0');
    TH_ASSERT(err != TH_ESYNTAX || (diag.line > 0 && diag.column > 0));
    th_buf out;
    th_buf_init(&out, 1 << 20);
    th_query_print_error(&out, &diag, th_slice_of(text, sizeof prefix - 1 + sql.size));
    TH_ASSERT(th_buf_error(&out) == TH_OK);
    th_buf_free(&out);
    free(text);
}

/* The pieces that a text is cut into lie in it, in order, and use it up. */
static void split(th_slice text)
{
    th_slice rest = text;
    uint32_t line = 1;
    bool complete = true;
    while (rest.size > 0) {
        size_t before = rest.size;
        th_slice one = th_sql_split(rest, &rest, &line, &complete);
        TH_ASSERT(rest.size < before && line >= 1);
        TH_ASSERT(one.bytes >= text.bytes && one.bytes + one.size <= text.bytes + text.size);
        TH_ASSERT(complete || rest.size == 0);
#ifdef TH_FUZZ_CANARY
        TH_ASSERT(complete || memchr(one.bytes, '\'', one.size) == NULL ||
                  one.bytes[one.size - 1] == '\'');
#endif
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > TEXT_MAX) return 0;
    th_arena *arena = th_arena_new(1 << 20, NULL);
    if (arena == NULL) return 0;
    make_tables(arena);
    th_slice text = th_slice_of(data == NULL ? (const uint8_t *)"" : data, size);
    split(text);
    explain(text);
    th_arena_free(arena);
    return 0;
}
