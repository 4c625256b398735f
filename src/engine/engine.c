/* SPDX-License-Identifier: Apache-2.0
 * The provider over the store: tables from model's schemas, snapshots from versions. */
#include "engine/engine_private.h"

#include <stdlib.h>

#define ENGINE_ARENA_MAX (16u << 20)

static const struct {
    const char *name;
    const char *type;
} meta_columns[META_COUNT] = {
    [META_RECORD] = {"record", "varchar"},
    [META_ID] = {"_id", "varchar"},
    [META_DAY] = {"_day", "varchar"},
    [META_SEQ] = {"_seq", "bigint"},
    [META_LSN] = {"_lsn", "bigint"},
    [META_INGESTED] = {"_ingested", "timestamp(6)"},
    [META_OBJECT] = {"_object", "varchar"},
    [META_VARIANT] = {"_variant", "bigint"},
    [META_CONFLICT] = {"_conflict", "boolean"},
    [META_PATH] = {"$path", "varchar"},
    [META_SEARCH] = {"_search", "varchar"},
};

static th_err table_column(th_arena *arena, th_table_column *column, const char *name,
                           const char *type, bool hidden)
{
    column->name = th_slice_text(name);
    column->hidden = hidden;
    th_diag diag = {0};
    return th_type_parse(th_slice_text(type), arena, &column->type, &diag);
}

/* The event time's SQL column, where it is text that sorts as times do. */
uint32_t engine_time_column(const engine_table *t)
{
    const char *time = th_model_time_path(t->stored);
    bool sorts = false;
    for (uint32_t s = 0; time != NULL && s < t->stored->column_count; s++) {
        const th_stored_column *column = &t->stored->columns[s];
        sorts |= column->kind == TH_STORED_TIME && strcmp(column->path, time) == 0;
    }
    for (uint32_t c = 0; sorts && c < t->schema->column_count; c++)
        if (strcmp(t->schema->columns[c].path, time) == 0) return c;
    return UINT32_MAX;
}

th_err engine_meta_columns(engine_table *t, th_table_column *columns, th_arena *arena)
{
    for (uint32_t i = 0; i < META_COUNT; i++) {
        TH_TRY(table_column(arena, &columns[t->meta_first + i], meta_columns[i].name,
                            meta_columns[i].type, true));
    }
    return TH_OK;
}

static th_err table_build(engine *e, engine_table *t, const th_schema *schema)
{
    t->schema = schema;
    t->stored = th_model_table(schema->table);
    TH_ASSERT(t->stored != NULL);
    uint32_t count = schema->column_count + META_COUNT;
    th_table_column *columns = TH_NEW_ARRAY(e->arena, th_table_column, count);
    if (columns == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        bool computed = schema->columns[i].path[0] == '\0';
        TH_TRY(table_column(e->arena, &columns[i], schema->columns[i].name, schema->columns[i].type,
                            schema->columns[i].hidden));
        columns[i].partition = computed;
    }
    t->meta_first = schema->column_count;
    TH_TRY(engine_meta_columns(t, columns, e->arena));
    t->time_column = engine_time_column(t);
    t->base = (th_table){.schema = TH_SLICE("default"),
                         .name = th_slice_text(schema->name),
                         .columns = columns,
                         .column_count = count,
                         .row_unit = TH_UNIT_RECORD,
                         .rules = strcmp(schema->name, "cloudtrail_lake") == 0 ? TH_RULES_LAKE
                                                                               : TH_RULES_ATHENA,
                         .handle = t};
    return TH_OK;
}

static th_err tables_build(engine *e)
{
    size_t count = 0;
    const th_schema *schemas = th_model_schemas(&count);
    e->tables = TH_NEW_ARRAY(e->arena, engine_table, count);
    e->list = TH_NEW_ARRAY(e->arena, const th_table *, count);
    if (e->tables == NULL || e->list == NULL) return TH_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        TH_TRY(table_build(e, &e->tables[i], &schemas[i]));
        e->list[i] = &e->tables[i].base;
    }
    e->table_count = (uint32_t)count;
    return TH_OK;
}

static th_err snapshot_bound(th_version **version, const th_as_known_at *at, th_diag *diag)
{
    uint64_t lsn = at->lsn;
    if (at->by_time) TH_TRY(th_version_lsn_at(*version, at->time_us, &lsn, diag));
    if (lsn > th_version_lsn(*version)) {
        return th_fail(diag, TH_EINVAL, NULL,
                       "log position %llu is in the future: the last one is %llu",
                       (unsigned long long)lsn, (unsigned long long)th_version_lsn(*version));
    }
    th_version *bound = NULL;
    TH_TRY(th_version_bound(*version, lsn, &bound));
    th_version_release(*version);
    *version = bound;
    return TH_OK;
}

static th_err engine_snapshot_open(th_provider *provider, const th_principal *principal,
                                   const th_as_known_at *at, th_snapshot **out, th_diag *diag)
{
    engine *e = (engine *)provider;
    th_snapshot *s = calloc(1, sizeof(*s));
    if (s == NULL) return TH_ENOMEM;
    s->engine = e;
    s->window = e->window;
    if (principal != NULL) s->principal = *principal;
    if (e->window != NULL) {
        *out = s;
        return TH_OK;
    }
    s->version = th_store_version(e->store);
    th_err err = s->version == NULL ? TH_ENOMEM : TH_OK;
    if (err == TH_OK && at != NULL && at->set) err = snapshot_bound(&s->version, at, diag);
    if (err == TH_OK) err = engine_defined_open(s, diag);
    if (err != TH_OK) {
        th_version_release(s->version);
        free(s);
        return err;
    }
    *out = s;
    return TH_OK;
}

static void engine_snapshot_close(th_snapshot *snapshot)
{
    if (snapshot == NULL) return;
    engine_defined_close(snapshot);
    th_version_release(snapshot->version);
    free(snapshot);
}

static th_err engine_table_find(th_snapshot *snapshot, th_slice schema, th_slice name,
                                const th_table **out, th_diag *diag)
{
    (void)diag;
    if (schema.size != 0 && !th_slice_equal_nocase(schema, TH_SLICE("default")))
        return TH_ENOTFOUND;
    engine *e = snapshot->engine;
    for (uint32_t i = 0; i < e->table_count; i++) {
        if (th_slice_equal_nocase(e->list[i]->name, name)) {
            *out = e->list[i];
            return TH_OK;
        }
    }
    return TH_ENOTFOUND;
}

static th_err engine_table_list(th_snapshot *snapshot, th_arena *arena, const th_table *const **out,
                                uint32_t *count, th_diag *diag)
{
    (void)arena;
    (void)diag;
    *out = snapshot->engine->list;
    *count = snapshot->engine->table_count;
    return TH_OK;
}

static uint64_t engine_table_rows(th_snapshot *snapshot, const th_table *table, bool *exact)
{
    const engine_table *t = table->handle;
    *exact = t->schema->rows == TH_ROWS_COPIES || t->schema->rows == TH_ROWS_ALL;
    uint64_t rows = 0;
    th_diag diag = {0};
    if (snapshot->window != NULL) return snapshot->window->count;
    if (t->one_day) {
        *exact = false;
        return UINT64_MAX;
    }
    if (th_version_rows(snapshot->version, t->stored->id, &rows, &diag) != TH_OK) {
        *exact = false;
        return UINT64_MAX;
    }
    return rows;
}

/* Keys of letters, digits, _ and - joined by dots after "$": what a member path can say. */
static bool plain_json_path(th_slice path)
{
    if (path.size < 3 || path.bytes[0] != '$' || path.bytes[1] != '.') return false;
    bool key = false;
    for (size_t i = 2; i < path.size; i++) {
        uint8_t c = path.bytes[i];
        if (c == '.') {
            if (!key) return false;
            key = false;
        } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '_' || c == '-') {
            key = true;
        } else {
            return false;
        }
    }
    return key;
}

static bool engine_can_json_path(th_snapshot *snapshot, const th_table *table,
                                 const th_scan_column *column)
{
    (void)snapshot;
    const engine_table *t = table->handle;
    return column->column < t->schema->column_count &&
           t->schema->columns[column->column].json_text && column->field_count == 0 &&
           plain_json_path(column->json_path);
}

const th_provider_ops engine_ops = {
    .snapshot_open = engine_snapshot_open,
    .snapshot_close = engine_snapshot_close,
    .table_find = engine_table_find,
    .table_list = engine_table_list,
    .table_rows = engine_table_rows,
    .can_json_path = engine_can_json_path,
    .scan_open = engine_scan_open,
    .scan_close = engine_scan_close,
    .segment_count = engine_segment_count,
    .segment_info = engine_segment_info,
    .segment_open = engine_segment_open,
    .segment_close = engine_segment_close,
    .segment_column = engine_segment_column,
    .fetch = engine_fetch,
    .segment_skip = engine_segment_skip,
    .segment_select = engine_segment_select,
    .segment_rows = engine_segment_rows,
    .catalog = engine_defined,
    .built_in = engine_built_in,
    .alias = engine_alias,
    .table_define = engine_table_define,
    .change_begin = engine_change_begin,
    .change_event = engine_change_event,
    .change_number = engine_change_number,
    .change_rows = engine_change_rows,
    .change_commit = engine_change_commit,
    .change_free = engine_change_free,
    .export_open = engine_export_open,
    .export_write = engine_export_write,
    .export_close = engine_export_close,
};

th_provider *th_engine_new(th_store *store, th_budget *budget)
{
    engine *e = calloc(1, sizeof(*e));
    if (e == NULL) return NULL;
    e->base.ops = &engine_ops;
    e->store = store;
    e->budget = budget;
    pthread_mutex_init(&e->mutex, NULL);
    e->arena = th_arena_new(ENGINE_ARENA_MAX, budget);
    e->keep = engine_keep_new(budget);
    if (e->arena == NULL || e->keep == NULL || tables_build(e) != TH_OK ||
        engine_views_build(e) != TH_OK) {
        th_engine_free(&e->base);
        return NULL;
    }
    return &e->base;
}

void th_engine_free(th_provider *provider)
{
    if (provider == NULL) return;
    engine *e = (engine *)provider;
    engine_keep_free(e->keep);
    engine_defined_free(e);
    pthread_mutex_destroy(&e->mutex);
    th_arena_free(e->arena);
    free(e);
}
