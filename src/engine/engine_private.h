/* SPDX-License-Identifier: Apache-2.0
 * What the files of engine/ share: the provider and its tables, a snapshot, and the row sets that a scan walks. */
#ifndef TH_ENGINE_ENGINE_PRIVATE_H
#define TH_ENGINE_ENGINE_PRIVATE_H

#include <pthread.h>

#include "engine/engine.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/time.h"
#include "ingest/ingest.h"
#include "json/json.h"
#include "model/model.h"
#include "query/value.h"

extern const th_provider_ops engine_ops;

/* Columns that every table has besides its schema's; hidden from SELECT *. */
typedef enum engine_meta {
    META_RECORD,
    META_ID,
    META_DAY,
    META_SEQ,
    META_LSN,
    META_INGESTED,
    META_OBJECT,
    META_VARIANT,
    META_CONFLICT,
    META_PATH,
    META_SEARCH,
    META_COUNT
} engine_meta;

typedef struct engine_table {
    th_table base; /* handle points back here */
    const th_schema *schema;
    const th_stored_table *stored;
    uint32_t meta_first;  /* column index of META_RECORD */
    uint32_t time_column; /* SQL column that holds the event time, or UINT32_MAX */
    bool one_day;         /* all its rows are of this day: a table of our own, whose number it is */
    int32_t day;
} engine_table;

typedef struct engine_keep engine_keep; /* keep.c */

/* The definitions as of some number of their events; shared by the snapshots that see just these. */
typedef struct engine_catalog {
    th_catalog *catalog;
    uint64_t events;
    uint32_t refs; /* under the engine's mutex */
} engine_catalog;

typedef struct engine {
    th_provider base;
    th_store *store;                    /* NULL for a window over given rows */
    const struct engine_window *window; /* NULL for the whole store */
    th_budget *budget;
    engine_keep *keep; /* NULL: nothing is kept decoded */
    th_arena *arena;
    engine_table *tables;
    const th_table **list;
    uint32_t table_count;
    pthread_mutex_t mutex; /* over what follows */
    th_catalog *views;     /* built-in ones */
    engine_catalog *latest;
    uint64_t last_number; /* of a table, given out by this process */
} engine;

struct th_snapshot {
    engine *engine;
    th_version *version;
    th_principal principal;
    const struct engine_window *window; /* not NULL: only these rows exist */
    engine_catalog *defined;            /* NULL: nothing is defined */
};

/* A fixed range of rows of one segment: what a row filter evaluates over. */
typedef struct engine_window {
    th_version *version;
    th_segment_ref ref;
    uint32_t begin, count;
} engine_window;

#define ENGINE_HIDDEN 1u
#define ENGINE_CONFLICT 2u

/* Where a delivered copy came from. */
typedef struct engine_source {
    th_slice name;
    th_sha256 content;
} engine_source;

/* One segment of a scan: which of its rows are in the table, and for delivered copies from where.
 * rows NULL: rows [begin, begin + count). */
typedef struct engine_unit {
    th_segment_ref ref;
    uint32_t begin, count;
    const uint32_t *rows;    /* count ascending row numbers, or NULL */
    const uint32_t *sources; /* deliveries: index into the scan's sources, a row each; else NULL */
    const uint8_t
        *flags; /* a stored row each: ENGINE_HIDDEN, ENGINE_CONFLICT; NULL when no row has a mark */
} engine_unit;

/* Days that a scan's predicates allow; undated rows are always looked at. */
typedef struct engine_days {
    int32_t first, last;
} engine_days;

/* rows.c: the units of a table's row set within days, in the arena. */
TH_MUST_CHECK th_err engine_rows_find(th_snapshot *snapshot, const engine_table *table,
                                      const engine_days *days, th_arena *arena, engine_unit **units,
                                      size_t *count, const engine_source **sources, th_diag *diag);

/* prune.c: days and event times allowed by the predicates. Fills answers. */
void engine_prune(const engine_table *table, const th_scan_spec *spec, engine_days *days,
                  int64_t *min_us, int64_t *max_us);

/* meta.c: a hidden column for the given rows of a loaded segment. */
typedef struct engine_rows {
    const th_loaded *loaded; /* NULL when the column does not read the segment */
    const engine_unit *unit;
    const engine_source *sources;
    th_version *version;
    uint32_t begin, count; /* visible rows of the unit */
} engine_rows;
static inline uint32_t engine_row(const engine_rows *rows, uint32_t i)
{
    uint32_t at = rows->begin + i;
    return rows->unit->rows != NULL ? rows->unit->rows[at] : rows->unit->begin + at;
}
/* The computed columns of a schema: region, account, year, month, day, timestamp, date, dt. */
TH_MUST_CHECK th_err engine_partition_column(const engine_rows *rows, const char *name,
                                             th_arena *arena, th_vector *out, th_diag *diag);
TH_MUST_CHECK th_err engine_meta_column(const engine_rows *rows, engine_meta meta, th_arena *arena,
                                        th_vector *out, uint64_t *bytes, th_diag *diag);

/* Is the segment looked into for such a column, or does the list of segments know it? */
bool engine_partition_reads(const char *name);
bool engine_meta_reads(engine_meta meta);

/* Where JSON keys that are not the field's name are looked up; NULL schema: nowhere. */
typedef struct engine_names {
    const th_schema *schema;
    const char *column;
} engine_names;

/* cells.c: text cells as a vector of a SQL type. */
TH_MUST_CHECK th_err engine_cells_vector(const th_segment_column *cells, uint32_t rows,
                                         const th_type *type, const engine_names *names,
                                         th_arena *arena, th_vector *out, th_diag *diag);
/* nested.c. raw[i]: JSON text, size 0 = NULL. */
TH_MUST_CHECK th_err engine_nested_vector(const th_slice *raw, uint32_t count, const th_type *type,
                                          const engine_names *names, th_arena *arena,
                                          th_vector *out, th_diag *diag);

/* column.c: a scan column of schema origin for the rows, as cells and as a vector. */
TH_MUST_CHECK th_err engine_schema_cells(const engine_rows *rows, const engine_table *table,
                                         const th_scan_column *column, th_arena *arena,
                                         th_segment_column *out, uint64_t *bytes);
TH_MUST_CHECK th_err engine_schema_column(const engine_rows *rows, const engine_table *table,
                                          const th_scan_column *column, th_arena *arena,
                                          th_vector *out, uint64_t *bytes, th_diag *diag);

/* keep.c: columns kept decoded. */
typedef struct engine_kept_segment engine_kept_segment;
typedef struct engine_kept {
    th_type type;
    th_vector dictionary;  /* FLAT */
    const uint32_t *codes; /* of all stored rows */
    uint32_t rows;
    uint64_t id;     /* of the dictionary, in this provider for ever */
    uint64_t stored; /* bytes that it was read from */
} engine_kept;
engine_keep *engine_keep_new(th_budget *budget); /* NULL: no memory */
void engine_keep_free(engine_keep *keep);        /* accepts NULL */
/* What is kept of the segment stays until the end. NULL: nothing can be (or keep is NULL); the others accept that. */
engine_kept_segment *engine_keep_begin(engine_keep *keep, const th_segment_ref *ref);
void engine_keep_end(engine_kept_segment *kept);
/* NULL: read it without, or, with *known false, ask again with the loaded segment (loaded NULL: only what is there is
 * given). arena: for the call. */
const engine_kept *engine_keep_column(engine_kept_segment *kept, const th_loaded *loaded,
                                      const engine_table *table, const th_scan_column *column,
                                      th_arena *arena, bool *known);
TH_MUST_CHECK th_err engine_kept_vector(const engine_kept *kept, const engine_rows *rows,
                                        const th_type *type, th_arena *arena, th_vector *out,
                                        uint64_t *bytes);

/* engine.c: add the hidden columns that every table has, from column t->meta_first on. */
TH_MUST_CHECK th_err engine_meta_columns(engine_table *t, th_table_column *columns,
                                         th_arena *arena);
/* SQL column of the event time, or UINT32_MAX. */
uint32_t engine_time_column(const engine_table *t);

/* defined.c: what users have defined. */
TH_MUST_CHECK th_err engine_defined_open(th_snapshot *snapshot, th_diag *diag);
void engine_defined_close(th_snapshot *snapshot);
void engine_defined_free(engine *e);
TH_MUST_CHECK th_err engine_views_build(engine *e);
const th_catalog *engine_built_in(th_provider *provider);
th_slice engine_alias(th_provider *provider, th_slice name);
const th_catalog *engine_defined(th_snapshot *snapshot);
/* own.c: rows of user_rows as a table. */
TH_MUST_CHECK th_err engine_table_define(th_snapshot *snapshot, const th_definition *d,
                                         th_arena *arena, const th_table **out, th_diag *diag);
/* change.c */
/* There is no login yet: over TCP, only who is on this machine may define, write and export. */
TH_MUST_CHECK th_err engine_may_change(const th_principal *principal, th_diag *diag);
TH_MUST_CHECK th_err engine_change_begin(th_provider *provider, const th_principal *principal,
                                         th_change **out, th_diag *diag);
TH_MUST_CHECK th_err engine_change_event(th_change *change, th_slice event, th_diag *diag);
TH_MUST_CHECK th_err engine_change_number(th_change *change, uint64_t *number, th_diag *diag);
TH_MUST_CHECK th_err engine_change_rows(th_change *change, const th_definition *d,
                                        const th_batch *batch, th_diag *diag);
TH_MUST_CHECK th_err engine_change_commit(th_change *change, th_diag *diag);
void engine_change_free(th_change *change);
/* export.c */
TH_MUST_CHECK th_err engine_export_open(th_provider *provider, const th_principal *principal,
                                        th_slice location, bool gzip, const char *suffix,
                                        th_export **out, th_diag *diag);
TH_MUST_CHECK th_err engine_export_write(th_export *file, th_slice bytes, th_diag *diag);
TH_MUST_CHECK th_err engine_export_close(th_export *file, bool keep, th_diag *diag);

/* scan.c */
struct th_scan {
    th_snapshot *snapshot;
    const engine_table *table;
    th_scan_spec spec; /* the caller's may be gone once the scan is open */
    engine_unit *units;
    uint32_t unit_count;
    const engine_source *sources;
};

struct th_scan_segment {
    th_scan *scan;
    const engine_unit *unit;
    const th_loaded *loaded;
    engine_kept_segment *kept;   /* NULL: nothing of it is kept decoded */
    const engine_kept **columns; /* of the scan's columns; NULL: read without */
    bool *asked;
    th_arena *arena; /* that it lives in */
    bool counted;    /* among the segments that were read */
};
TH_MUST_CHECK th_err engine_segment_load(th_scan_segment *segment, th_diag *diag);
void engine_segment_count_read(th_scan_segment *segment);
/* NULL: the column is read without what is kept, or, when the segment is not loaded, perhaps. */
const engine_kept *engine_segment_kept(th_scan_segment *segment, uint32_t col, th_arena *arena);
TH_MUST_CHECK th_err engine_segment_rows(th_scan_segment *segment, uint32_t col,
                                         const uint32_t *rows, uint32_t count, th_arena *arena,
                                         th_vector *out, th_diag *diag);
/* select.c: predicates on a whole segment. */
bool engine_segment_skip(th_scan_segment *segment);
TH_MUST_CHECK th_err engine_segment_select(th_scan_segment *segment, uint32_t predicate,
                                           th_arena *arena, const uint64_t **bits, th_diag *diag);
/* column.c: the path that the segment is asked for; false: the column is read whole and descended. */
#define ENGINE_PATH_SIZE_MAX 1024u
bool engine_column_path(const engine_table *table, const th_scan_column *column,
                        char out[ENGINE_PATH_SIZE_MAX]);
TH_MUST_CHECK th_err engine_scan_open(th_snapshot *snapshot, const th_scan_spec *spec,
                                      th_scan **out, th_diag *diag);
void engine_scan_close(th_scan *scan);
uint32_t engine_segment_count(th_scan *scan);
void engine_segment_info(th_scan *scan, uint32_t index, th_segment_info *out);
TH_MUST_CHECK th_err engine_segment_open(th_scan *scan, uint32_t index, th_arena *arena,
                                         th_scan_segment **out, th_diag *diag);
void engine_segment_close(th_scan_segment *segment);
TH_MUST_CHECK th_err engine_segment_column(th_scan_segment *segment, uint32_t col, uint32_t begin,
                                           uint32_t count, th_arena *arena, th_vector *out,
                                           th_diag *diag);
TH_MUST_CHECK th_err engine_fetch(th_snapshot *snapshot, const th_table *table,
                                  const th_row_id *ids, uint32_t count,
                                  const th_scan_column *columns, uint32_t column_count,
                                  th_arena *arena, th_vector *out, th_diag *diag);

#endif
