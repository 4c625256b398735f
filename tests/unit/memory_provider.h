/* SPDX-License-Identifier: Apache-2.0
 * Storage in memory for tests and fuzz targets of query/: tables made of the rows of a query, cut into segments, plain
 * or dictionary-coded. Limits of rows and tables are not its business. A header, so that every program is one file.
 *
 *     memory_provider *p = memory_provider_new(3);
 *     CHECK(memory_provider_add(p, "t", "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s)", true, &diag) == TH_OK);
 *     env.provider = memory_provider_of(p); */
#ifndef TH_TESTS_UNIT_MEMORY_PROVIDER_H
#define TH_TESTS_UNIT_MEMORY_PROVIDER_H

#include <stdlib.h>

#include "query/query.h"
#include "query/value.h"

#define MEMORY_TABLES_MAX 256
#define MEMORY_COLUMNS_MAX 64

typedef struct memory_table {
    th_table table;
    th_table_column columns[MEMORY_COLUMNS_MAX];
    th_builder builders[MEMORY_COLUMNS_MAX];
    th_vector vectors[MEMORY_COLUMNS_MAX]; /* FLAT, all rows */
    uint32_t *codes[MEMORY_COLUMNS_MAX];   /* of dictionary columns */
    th_vector dictionaries[MEMORY_COLUMNS_MAX];
    uint32_t rows;
} memory_table;

typedef struct memory_provider {
    th_provider base;
    th_arena *arena;
    memory_table *tables[MEMORY_TABLES_MAX];
    const th_table *list[MEMORY_TABLES_MAX];
    uint32_t count, segment_rows;
    bool prune; /* leave out segments in which no row can satisfy the scan's predicates */
    atomic_int open_segments;
} memory_provider;

struct th_scan {
    memory_provider *p;
    const memory_table *table;
    th_scan_spec copy;
    uint32_t *first; /* of the segments that pruning left: their first rows */
    uint32_t segments;
};

struct th_scan_segment {
    th_scan *scan;
    uint32_t first;
};

static th_err memory_snapshot_open(th_provider *p, const th_principal *who,
                                   const th_as_known_at *as, th_snapshot **out, th_diag *diag)
{
    (void)who;
    (void)as;
    (void)diag;
    *out = (th_snapshot *)p;
    return TH_OK;
}

static void memory_snapshot_close(th_snapshot *s)
{
    (void)s;
}

static th_err memory_table_find(th_snapshot *s, th_slice schema, th_slice name,
                                const th_table **out, th_diag *diag)
{
    memory_provider *p = (memory_provider *)s;
    (void)diag;
    if (schema.size > 0 && !th_slice_equal_nocase(schema, TH_SLICE("default"))) return TH_ENOTFOUND;
    for (uint32_t i = 0; i < p->count; i++) {
        if (!th_slice_equal_nocase(name, p->tables[i]->table.name)) continue;
        *out = &p->tables[i]->table;
        return TH_OK;
    }
    return TH_ENOTFOUND;
}

static th_err memory_table_list(th_snapshot *s, th_arena *arena, const th_table *const **out,
                                uint32_t *count, th_diag *diag)
{
    memory_provider *p = (memory_provider *)s;
    (void)arena;
    (void)diag;
    *out = p->list;
    *count = p->count;
    return TH_OK;
}

static uint64_t memory_table_rows(th_snapshot *s, const th_table *table, bool *exact)
{
    (void)s;
    *exact = true;
    return ((const memory_table *)table->handle)->rows;
}

static bool memory_can_json_path(th_snapshot *s, const th_table *table,
                                 const th_scan_column *column)
{
    (void)s;
    (void)table;
    (void)column;
    return false;
}

static bool memory_may_hold(const th_vector *v, uint32_t row, const th_scan_predicate *p)
{
    th_value x, y;
    th_value_get(v, row, &x);
    if (p->compare == TH_CMP_IS_NULL || p->compare == TH_CMP_NOT_NULL)
        return x.null == (p->compare == TH_CMP_IS_NULL);
    for (uint32_t i = 0; i < p->values->count && !x.null; i++) {
        th_value_get(p->values, i, &y);
        int c = th_value_compare(v->type, &x, &y);
        bool prefix = p->compare == TH_CMP_PREFIX && x.s.size >= y.s.size &&
                      memcmp(x.s.bytes, y.s.bytes, y.s.size) == 0;
        bool holds[] = {[TH_CMP_EQ] = c == 0,
                        [TH_CMP_NE] = c != 0,
                        [TH_CMP_LT] = c<0, [TH_CMP_LE] = c <= 0, [TH_CMP_GT] = c> 0,
                        [TH_CMP_GE] = c >= 0,
                        [TH_CMP_IN] = c == 0,
                        [TH_CMP_PREFIX] = prefix,
                        [TH_CMP_CONTAINS] = true};
        if (holds[p->compare]) return true;
    }
    return false;
}

/* Can a row of [first, first + rows) satisfy this predicate? Columns below a path are not looked at. */
static bool memory_segment_may(const th_scan *scan, uint32_t first, const th_scan_predicate *p)
{
    const th_scan_column *column = &scan->copy.columns[p->scan_column];
    uint32_t end = first + scan->p->segment_rows;
    if (end > scan->table->rows) end = scan->table->rows;
    if (column->field_count > 0 || column->json_path.size > 0) return true;
    for (uint32_t i = first; i < end; i++)
        if (memory_may_hold(&scan->table->vectors[column->column], i, p)) return true;
    return false;
}

static th_err memory_scan_open(th_snapshot *s, const th_scan_spec *spec, th_scan **out,
                               th_diag *diag)
{
    th_scan *scan = TH_NEW(spec->arena, th_scan);
    if (scan == NULL) return th_fail_memory(diag);
    *scan = (th_scan){(memory_provider *)s, spec->table->handle, *spec, NULL, 0};
    uint32_t step = scan->p->segment_rows;
    scan->first = TH_NEW_ARRAY(spec->arena, uint32_t, scan->table->rows / step + 1);
    if (scan->first == NULL) return th_fail_memory(diag);
    for (uint32_t first = 0; first < scan->table->rows; first += step) {
        bool may = true;
        for (uint32_t i = 0; i < spec->predicate_count && scan->p->prune; i++)
            may = may && memory_segment_may(scan, first, &spec->predicates[i]);
        if (may) scan->first[scan->segments++] = first;
    }
    for (uint32_t i = 0; i < spec->predicate_count; i++)
        spec->answers[i] = scan->p->prune ? TH_PREDICATE_INEXACT : TH_PREDICATE_UNSUPPORTED;
    *out = scan;
    return TH_OK;
}

static void memory_scan_close(th_scan *scan)
{
    (void)scan;
}

static uint32_t memory_segment_count(th_scan *scan)
{
    return scan->segments;
}

static void memory_segment_info(th_scan *scan, uint32_t index, th_segment_info *out)
{
    uint32_t first = scan->first[index], left = scan->table->rows - first;
    *out = (th_segment_info){.rows = left < scan->p->segment_rows ? left : scan->p->segment_rows,
                             .min_us = 1};
}

static th_err memory_segment_open(th_scan *scan, uint32_t index, th_arena *arena,
                                  th_scan_segment **out, th_diag *diag)
{
    th_scan_segment *segment = TH_NEW(arena, th_scan_segment);
    if (segment == NULL) return th_fail_memory(diag);
    *segment = (th_scan_segment){scan, scan->first[index]};
    scan->p->open_segments++;
    if (scan->copy.control != NULL) atomic_fetch_add(&scan->copy.control->segments_read, 1);
    *out = segment;
    return TH_OK;
}

static void memory_segment_close(th_scan_segment *segment)
{
    segment->scan->p->open_segments--;
}

static th_err memory_nested_column(const th_vector *v, const th_scan_column *column,
                                   const uint32_t *rows, uint32_t count, th_arena *arena,
                                   th_vector *out, th_diag *diag)
{
    th_builder b;
    if (!th_builder_init(&b, arena, column->type, count, true)) return th_fail_memory(diag);
    for (uint32_t i = 0; i < count; i++) {
        const th_type *type = v->type;
        th_value x, field;
        th_value_get(v, rows[i], &x);
        for (uint32_t f = 0; f < column->field_count && !x.null; f++) {
            uint32_t at = (uint32_t)th_type_field(type, column->fields[f]);
            th_value_field(&x, at, &field);
            x = field;
            type = type->children[at];
        }
        if (!th_builder_add(&b, &x)) return th_fail_memory(diag);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

static th_err memory_segment_column(th_scan_segment *segment, uint32_t col, uint32_t begin,
                                    uint32_t count, th_arena *arena, th_vector *out, th_diag *diag)
{
    const memory_table *t = segment->scan->table;
    const th_scan_column *column = &segment->scan->copy.columns[col];
    uint32_t *rows = th_arena_alloc(arena, ((size_t)count + 1) * sizeof *rows);
    if (rows == NULL) return th_fail_memory(diag);
    for (uint32_t i = 0; i < count; i++) rows[i] = segment->first + begin + i;
    if (column->field_count > 0)
        return memory_nested_column(&t->vectors[column->column], column, rows, count, arena, out,
                                    diag);
    if (t->codes[column->column] == NULL)
        return th_vector_gather(arena, &t->vectors[column->column], rows, count, out)
                   ? TH_OK
                   : th_fail_memory(diag);
    *out = (th_vector){.type = column->type,
                       .form = TH_DICT,
                       .count = count,
                       .dictionary_id = column->column + 1,
                       .codes = t->codes[column->column] + segment->first + begin,
                       .dictionary = &t->dictionaries[column->column]};
    return TH_OK;
}

static const th_provider_ops memory_ops = {
    .snapshot_open = memory_snapshot_open,
    .snapshot_close = memory_snapshot_close,
    .table_find = memory_table_find,
    .table_list = memory_table_list,
    .table_rows = memory_table_rows,
    .can_json_path = memory_can_json_path,
    .scan_open = memory_scan_open,
    .scan_close = memory_scan_close,
    .segment_count = memory_segment_count,
    .segment_info = memory_segment_info,
    .segment_open = memory_segment_open,
    .segment_close = memory_segment_close,
    .segment_column = memory_segment_column,
};

/* segment_rows: rows a segment. NULL: no memory. */
static inline memory_provider *memory_provider_new(uint32_t segment_rows)
{
    memory_provider *p = calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    p->base.ops = &memory_ops;
    p->segment_rows = segment_rows;
    p->arena = th_arena_new(SIZE_MAX / 2, NULL);
    return p;
}

static inline void memory_provider_free(memory_provider *p)
{
    if (p == NULL) return;
    th_arena_free(p->arena);
    free(p);
}

static inline th_provider *memory_provider_of(memory_provider *p)
{
    return &p->base;
}

/* Segments that are open now; 0 when the engine closed what it opened. */
static inline int memory_provider_open_segments(const memory_provider *p)
{
    return p->open_segments;
}

typedef struct memory_filling {
    memory_provider *p;
    memory_table *t;
} memory_filling;

/* The binder's types die with the query: keep our own. */
static const th_type *memory_own_type(th_arena *arena, const th_type *type)
{
    th_buf text;
    const th_type *copy = NULL;
    th_buf_init(&text, 1u << 20);
    th_type_print(&text, type);
    if (th_type_parse(th_buf_slice(&text), arena, &copy, NULL) != TH_OK) copy = NULL;
    th_buf_free(&text);
    return copy;
}

static th_err memory_take_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    memory_filling *f = ctx;
    if (count > MEMORY_COLUMNS_MAX) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        const th_type *type = memory_own_type(f->p->arena, columns[i].type);
        if (type == NULL) return TH_EINVAL;
        f->t->columns[i] =
            (th_table_column){.name = th_arena_copy(f->p->arena, columns[i].name), .type = type};
        if (!th_builder_init(&f->t->builders[i], f->p->arena, type, 16, true)) return TH_ELIMIT;
    }
    f->t->table.column_count = count;
    return TH_OK;
}

static th_err memory_take_batch(void *ctx, const th_batch *batch)
{
    memory_filling *f = ctx;
    th_value v;
    for (uint32_t c = 0; c < batch->column_count; c++) {
        for (uint32_t i = 0; i < batch->rows; i++) {
            th_value_get(&batch->columns[c], i, &v);
            if (!th_builder_add(&f->t->builders[c], &v)) return TH_ELIMIT;
        }
    }
    f->t->rows += batch->rows;
    return TH_OK;
}

static th_err memory_encode(memory_provider *p, memory_table *t, uint32_t c)
{
    th_builder b;
    th_value v, x;
    if (!th_builder_init(&b, p->arena, t->vectors[c].type, 16, false)) return TH_ELIMIT;
    t->codes[c] = TH_NEW_ARRAY(p->arena, uint32_t, (size_t)t->rows + 1);
    if (t->codes[c] == NULL) return TH_ELIMIT;
    uint32_t *first = TH_NEW_ARRAY(p->arena, uint32_t, (size_t)t->rows + 1); /* row of each entry */
    if (first == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < t->rows; i++) {
        uint32_t code = 0;
        th_value_get(&t->vectors[c], i, &v);
        for (; code < b.count; code++) {
            th_value_get(&t->vectors[c], first[code], &x);
            if (th_value_same(t->vectors[c].type, &x, &v)) break;
        }
        if (code == b.count) {
            first[code] = i;
            if (!th_builder_add(&b, &v)) return TH_ELIMIT;
        }
        t->codes[c][i] = code;
    }
    th_builder_finish(&b, &t->dictionaries[c]);
    return TH_OK;
}

/* A table default.NAME with the columns and rows of sql, which may read earlier tables. dictionary: varchar columns
 * are handed out as codes. */
static inline th_err memory_provider_add(memory_provider *p, const char *name, const char *sql,
                                         bool dictionary, th_diag *diag)
{
    memory_table *t = TH_NEW(p->arena, memory_table);
    if (t == NULL || p->count == MEMORY_TABLES_MAX) return th_fail_memory(diag);
    memory_filling f = {p, t};
    th_query_env env = {.provider = &p->base};
    th_result_sink sink = {memory_take_columns, memory_take_batch, &f};
    TH_TRY(th_query_run(&env, th_slice_text(sql), &sink, NULL, diag));
    t->table = (th_table){.schema = TH_SLICE("default"),
                          .name = th_arena_copy(p->arena, th_slice_text(name)),
                          .columns = t->columns,
                          .column_count = t->table.column_count,
                          .handle = t};
    for (uint32_t c = 0; c < t->table.column_count; c++) {
        th_builder_finish(&t->builders[c], &t->vectors[c]);
        if (dictionary && t->vectors[c].type->kind == TH_VARCHAR && t->rows > 0)
            TH_TRY(memory_encode(p, t, c));
    }
    p->list[p->count] = &t->table;
    p->tables[p->count++] = t;
    return TH_OK;
}

static inline memory_table *memory_provider_table(memory_provider *p, th_slice name)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (th_slice_equal_nocase(name, p->tables[i]->table.name)) return p->tables[i];
    return NULL;
}

static inline bool memory_provider_drop(memory_provider *p, th_slice name)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (!th_slice_equal_nocase(name, p->tables[i]->table.name)) continue;
        p->tables[i] = p->tables[--p->count];
        p->list[i] = p->list[p->count];
        return true;
    }
    return false;
}

static th_err memory_same_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    const memory_filling *f = ctx;
    (void)columns;
    return count == f->t->table.column_count ? TH_OK : TH_EINVAL;
}

/* The rows of sql, which has the types of the table's columns, behind those of a table of plain columns. */
static inline th_err memory_provider_insert(memory_provider *p, memory_table *t, th_slice sql,
                                            th_diag *diag)
{
    memory_filling f = {p, t};
    th_query_env env = {.provider = &p->base};
    th_result_sink sink = {memory_same_columns, memory_take_batch, &f};
    TH_TRY(th_query_run(&env, sql, &sink, NULL, diag));
    for (uint32_t c = 0; c < t->table.column_count; c++)
        th_builder_finish(&t->builders[c], &t->vectors[c]);
    return TH_OK;
}

#endif
