/* SPDX-License-Identifier: Apache-2.0
 * Scans: the units of a table's row set, opened one at a time, columns by range. */
#include "engine/engine_private.h"

static void count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Keep the units that can hold a row within [min_us, max_us]; rows without a time are in every unit that has no times. */
static uint32_t keep_units(engine_unit *units, size_t unit_count, int64_t min_us, int64_t max_us)
{
    uint32_t kept = 0;
    for (size_t i = 0; i < unit_count; i++) {
        const th_segment_ref *ref = &units[i].ref;
        bool timed = ref->min_us <= ref->max_us && ref->day != TH_DAY_UNDATED;
        if (units[i].count == 0 || (timed && (ref->max_us < min_us || ref->min_us > max_us)))
            continue;
        units[kept++] = units[i];
    }
    return kept;
}

th_err engine_scan_open(th_snapshot *snapshot, const th_scan_spec *spec, th_scan **out,
                        th_diag *diag)
{
    th_scan *scan = TH_NEW(spec->arena, th_scan);
    if (scan == NULL) return TH_ELIMIT;
    scan->snapshot = snapshot;
    scan->table = spec->table->handle;
    scan->spec = *spec;
    engine_days days;
    int64_t min_us, max_us;
    engine_prune(scan->table, spec, &days, &min_us, &max_us);
    size_t units = 0;
    TH_TRY(engine_rows_find(snapshot, scan->table, &days, spec->arena, &scan->units, &units,
                            &scan->sources, diag));
    scan->unit_count = keep_units(scan->units, units, min_us, max_us);
    if (spec->control != NULL) {
        count(&spec->control->segments_total, scan->unit_count);
        count(&spec->control->segments_pruned, units - scan->unit_count);
    }
    *out = scan;
    return TH_OK;
}

void engine_scan_close(th_scan *scan)
{
    (void)scan; /* lives in the query's arena, holds nothing else */
}

uint32_t engine_segment_count(th_scan *scan)
{
    return scan->unit_count;
}

void engine_segment_info(th_scan *scan, uint32_t index, th_segment_info *out)
{
    TH_ASSERT(index < scan->unit_count);
    const engine_unit *unit = &scan->units[index];
    *out =
        (th_segment_info){unit->count, unit->ref.stored_bytes, unit->ref.min_us, unit->ref.max_us};
}

static th_version *version_of(const th_scan *scan)
{
    const engine_window *window = scan->snapshot->window;
    return window != NULL ? window->version : scan->snapshot->version;
}

/* Nothing is read before a column needs it: rows are counted, and counted by day, from the list of segments. */
th_err engine_segment_open(th_scan *scan, uint32_t index, th_arena *arena, th_scan_segment **out,
                           th_diag *diag)
{
    (void)diag;
    TH_ASSERT(index < scan->unit_count);
    th_scan_segment *segment = TH_NEW(arena, th_scan_segment);
    if (segment == NULL) return TH_ELIMIT;
    segment->scan = scan;
    segment->arena = arena;
    segment->unit = &scan->units[index];
    segment->columns = TH_NEW_ARRAY(arena, const engine_kept *, scan->spec.column_count + 1);
    segment->asked = TH_NEW_ARRAY(arena, bool, scan->spec.column_count + 1);
    if (segment->columns == NULL || segment->asked == NULL) return TH_ELIMIT;
    if (!scan->spec.plain)
        segment->kept = engine_keep_begin(scan->snapshot->engine->keep, &segment->unit->ref);
    *out = segment;
    return TH_OK;
}

void engine_segment_close(th_scan_segment *segment)
{
    if (segment == NULL) return;
    engine_keep_end(segment->kept);
    th_version_unload(segment->loaded);
}

th_err engine_segment_load(th_scan_segment *segment, th_diag *diag)
{
    const th_scan *scan = segment->scan;
    if (segment->loaded != NULL) return TH_OK;
    TH_TRY(th_version_load(version_of(scan), &segment->unit->ref, &segment->loaded, diag));
    return TH_OK;
}

void engine_segment_count_read(th_scan_segment *segment)
{
    th_query_control *control = segment->scan->spec.control;
    if (segment->counted || control == NULL) return;
    segment->counted = true;
    count(&control->segments_read, 1);
    count(&control->rows_read, segment->unit->count);
}

/* The name of a column that the key layout gives, not the record; NULL: another one. */
static const char *partition_of(const engine_table *table, uint32_t column)
{
    if (column >= table->meta_first) return NULL;
    const th_schema_column *c = &table->schema->columns[column];
    return c->path[0] == '\0' ? c->computed : NULL;
}

static bool reads(const engine_table *table, uint32_t column)
{
    const char *partition = partition_of(table, column);
    if (partition != NULL) return engine_partition_reads(partition);
    return column < table->meta_first ||
           engine_meta_reads((engine_meta)(column - table->meta_first));
}

const engine_kept *engine_segment_kept(th_scan_segment *segment, uint32_t col, th_arena *arena)
{
    const th_scan *scan = segment->scan;
    const th_scan_column *column = &scan->spec.columns[col];
    if (!segment->asked[col])
        segment->columns[col] = engine_keep_column(segment->kept, segment->loaded, scan->table,
                                                   column, arena, &segment->asked[col]);
    return segment->columns[col];
}

static th_err read_column(th_scan_segment *segment, uint32_t col, const engine_unit *unit,
                          uint32_t begin, uint32_t rows, th_arena *arena, th_vector *out,
                          th_diag *diag)
{
    const th_scan *scan = segment->scan;
    const th_scan_column *column = &scan->spec.columns[col];
    const char *partition = partition_of(scan->table, column->column);
    bool of_schema = partition == NULL && column->column < scan->table->meta_first;
    const engine_kept *kept = of_schema ? engine_segment_kept(segment, col, arena) : NULL;
    if (reads(scan->table, column->column)) {
        if (kept == NULL) TH_TRY(engine_segment_load(segment, diag));
        if (kept == NULL && of_schema) kept = engine_segment_kept(segment, col, arena);
        engine_segment_count_read(segment);
    }
    engine_rows range = {.loaded = segment->loaded,
                         .unit = unit,
                         .sources = scan->sources,
                         .version = version_of(scan),
                         .begin = begin,
                         .count = rows};
    uint64_t bytes = 0;
    th_err err;
    if (partition != NULL) {
        err = engine_partition_column(&range, partition, arena, out, diag);
    } else if (column->column >= scan->table->meta_first) {
        err = engine_meta_column(&range, (engine_meta)(column->column - scan->table->meta_first),
                                 arena, out, &bytes, diag);
    } else if (kept != NULL) {
        err = engine_kept_vector(kept, &range, column->type, arena, out, &bytes);
    } else {
        err = engine_schema_column(&range, scan->table, column, arena, out, &bytes, diag);
    }
    if (scan->spec.control != NULL) count(&scan->spec.control->bytes_read, bytes);
    return err;
}

th_err engine_segment_column(th_scan_segment *segment, uint32_t col, uint32_t begin, uint32_t rows,
                             th_arena *arena, th_vector *out, th_diag *diag)
{
    TH_ASSERT(col < segment->scan->spec.column_count &&
              (uint64_t)begin + rows <= segment->unit->count);
    return read_column(segment, col, segment->unit, begin, rows, arena, out, diag);
}

/* The rows as a unit of their own. */
static th_err rows_unit(const engine_unit *unit, const uint32_t *rows, uint32_t count,
                        th_arena *arena, engine_unit *out)
{
    uint32_t *stored = th_arena_alloc(arena, ((size_t)count + 1) * sizeof(*stored));
    uint32_t *sources = unit->sources == NULL
                            ? NULL
                            : th_arena_alloc(arena, ((size_t)count + 1) * sizeof(*sources));
    if (stored == NULL || (unit->sources != NULL && sources == NULL)) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        stored[i] = unit->rows != NULL ? unit->rows[rows[i]] : unit->begin + rows[i];
        if (sources != NULL) sources[i] = unit->sources[rows[i]];
    }
    *out = *unit;
    out->rows = stored;
    out->sources = sources;
    out->begin = 0;
    out->count = count;
    return TH_OK;
}

/* Runs of neighbours are read at once, and put together. */
th_err engine_segment_rows(th_scan_segment *segment, uint32_t col, const uint32_t *rows,
                           uint32_t row_count, th_arena *arena, th_vector *out, th_diag *diag)
{
    engine_unit unit;
    th_builder b;
    th_value v;
    const th_type *type = segment->scan->spec.columns[col].type;
    TH_TRY(rows_unit(segment->unit, rows, row_count, arena, &unit));
    if (!th_builder_init(&b, arena, type, row_count, false)) return TH_ELIMIT;
    for (uint32_t i = 0, n; i < row_count; i += n) {
        th_vector *part = TH_NEW(arena, th_vector);
        if (part == NULL) return TH_ELIMIT;
        for (n = 1; i + n < row_count && unit.rows[i + n] <= unit.rows[i + n - 1] + 1; n++)
            continue;
        TH_TRY(read_column(segment, col, &unit, i, n, arena, part, diag));
        if (n == row_count) {
            *out = *part;
            return TH_OK;
        }
        for (uint32_t k = 0; k < n; k++) {
            th_value_get(part, k, &v);
            if (!th_builder_add(&b, &v)) return TH_ELIMIT;
        }
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

/* ---- single rows by id ------------------------------------------------------------------------------------------- */

static th_err fetch_one(th_snapshot *snapshot, const engine_table *table, const th_row_id *id,
                        const th_scan_column *columns, uint32_t column_count, th_arena *arena,
                        th_vector *out, th_diag *diag)
{
    th_segment_ref *refs = NULL;
    size_t n = 0;
    TH_TRY(th_version_segments(snapshot->version, id->table, id->day, id->day, arena, &refs, &n,
                               diag));
    for (size_t i = 0; i < n; i++) {
        if (id->seq < refs[i].first_seq || id->seq - refs[i].first_seq >= refs[i].rows) continue;
        engine_unit *unit = TH_NEW(arena, engine_unit);
        if (unit == NULL) return TH_ELIMIT;
        *unit = (engine_unit){
            .ref = refs[i], .begin = (uint32_t)(id->seq - refs[i].first_seq), .count = 1};
        th_scan_spec spec = {.table = &table->base,
                             .columns = columns,
                             .column_count = column_count,
                             .plain = true,
                             .arena = arena};
        th_scan scan = {
            .snapshot = snapshot, .table = table, .spec = spec, .units = unit, .unit_count = 1};
        th_scan_segment *segment = NULL;
        TH_TRY(engine_segment_open(&scan, 0, arena, &segment, diag));
        th_err err = TH_OK;
        for (uint32_t c = 0; c < column_count && err == TH_OK; c++) {
            err = engine_segment_column(segment, c, 0, 1, arena, &out[c], diag);
        }
        engine_segment_close(segment);
        return err;
    }
    return TH_ENOTFOUND;
}

th_err engine_fetch(th_snapshot *snapshot, const th_table *table, const th_row_id *ids,
                    uint32_t id_count, const th_scan_column *columns, uint32_t column_count,
                    th_arena *arena, th_vector *out, th_diag *diag)
{
    for (uint32_t i = 0; i < id_count; i++) {
        if (ids[i].table != ((const engine_table *)table->handle)->stored->id) return TH_EINVAL;
        TH_TRY(fetch_one(snapshot, table->handle, &ids[i], columns, column_count, arena,
                         out + (size_t)i * column_count, diag));
    }
    return TH_OK;
}
