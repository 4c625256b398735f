/* SPDX-License-Identifier: Apache-2.0
 * A schema column, a field below it, or a JSON path into it, for the visible rows of a segment.
 *
 * The segment is asked for the whole path: it knows whether it holds it apart. SQL's field names are lower case, so members
 * are matched without regard to case; keys of a JSON path keep theirs. */
#include "engine/engine_private.h"

/* The path that the segment is asked for: the schema's path, below it the fields, or, with a leading '=' so that keys keep
 * their case, the members of a JSON path. False when it is too long or the schema names alternatives: then the column is
 * read whole and descended. */
bool engine_column_path(const engine_table *table, const th_scan_column *column,
                        char out[ENGINE_PATH_SIZE_MAX])
{
    const char *base = table->schema->columns[column->column].path;
    size_t at = 0;
    if (base[0] == '~' || strchr(base, '|') != NULL || strlen(base) + 2 > ENGINE_PATH_SIZE_MAX)
        return false;
    if (column->json_path.size > 2) out[at++] = '=';
    memcpy(out + at, base, strlen(base));
    at += strlen(base);
    for (uint32_t i = 0; i < column->field_count; i++) {
        if (at + column->fields[i].size + 2 > ENGINE_PATH_SIZE_MAX) return false;
        out[at++] = '.';
        memcpy(out + at, column->fields[i].bytes, column->fields[i].size);
        at += column->fields[i].size;
    }
    if (column->json_path.size > 2) {
        if (at + column->json_path.size > ENGINE_PATH_SIZE_MAX) return false;
        memcpy(out + at, column->json_path.bytes + 1, column->json_path.size - 1);
        at += column->json_path.size - 1;
    }
    out[at] = '\0';
    return true;
}

/* The raw JSON with the keys of all its objects in lower case: as many bytes as before. */
static th_slice folded(th_slice raw, th_arena *arena)
{
    th_slice copy = th_arena_copy(arena, raw);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.bytes;
    for (size_t i = 0; bytes != NULL && i < copy.size; i++) {
        if (bytes[i] != '"') continue;
        size_t begin = i + 1;
        for (i++; i < copy.size && bytes[i] != '"'; i++) i += bytes[i] == '\\';
        size_t end = i < copy.size ? i : copy.size, next = end + 1;
        while (next < copy.size && strchr(" \t\r\n", bytes[next]) != NULL) next++;
        if (next >= copy.size || bytes[next] != ':') continue;
        for (size_t k = begin; k < end; k++)
            if (bytes[k] >= 'A' && bytes[k] <= 'Z') bytes[k] = (uint8_t)(bytes[k] + 32);
    }
    return copy;
}

static th_err fold_cells(th_segment_column *cells, th_arena *arena)
{
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, (size_t)cells->value_count + 1);
    if (values == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < cells->value_count; i++) {
        bool json = cells->kinds[i] == TH_CELL_JSON;
        values[i] = json ? folded(cells->values[i], arena) : cells->values[i];
        if (json && values[i].bytes == NULL) return TH_ELIMIT;
    }
    cells->values = values;
    return TH_OK;
}

/* Cells of a path for the visible rows: the physical range is read, then the rows are picked. */
static th_err read_cells(const engine_rows *rows, const char *path, th_arena *arena,
                         th_segment_column *out, uint64_t *bytes)
{
    *out = (th_segment_column){0};
    if (rows->count == 0) return TH_OK;
    uint32_t first = engine_row(rows, 0), last = engine_row(rows, rows->count - 1);
    TH_TRY(th_segment_read_column(rows->loaded->segment, path, first, last - first + 1, arena, out,
                                  bytes));
    if (rows->unit->rows == NULL) return TH_OK;
    if (out->codes != NULL) {
        uint32_t *codes = th_arena_alloc(arena, sizeof(*codes) * rows->count);
        if (codes == NULL) return TH_ELIMIT;
        for (uint32_t i = 0; i < rows->count; i++)
            codes[i] = out->codes[engine_row(rows, i) - first];
        out->codes = codes;
        return TH_OK;
    }
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, rows->count);
    uint8_t *kinds = TH_NEW_ARRAY(arena, uint8_t, rows->count);
    if (values == NULL || kinds == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < rows->count; i++) {
        values[i] = out->values[engine_row(rows, i) - first];
        kinds[i] = out->kinds[engine_row(rows, i) - first];
    }
    *out = (th_segment_column){.value_count = rows->count, .values = values, .kinds = kinds};
    return TH_OK;
}

static th_slice descend(th_slice raw, const th_scan_column *column)
{
    for (uint32_t i = 0; i < column->field_count && raw.size > 0; i++)
        raw = th_json_member_nocase(raw, column->fields[i]);
    const uint8_t *pos = column->json_path.bytes + 2,
                  *end = column->json_path.bytes + column->json_path.size;
    while (column->json_path.size > 2 && pos < end && raw.size > 0) {
        const uint8_t *dot = memchr(pos, '.', (size_t)(end - pos));
        const uint8_t *stop = dot == NULL ? end : dot;
        raw = th_json_member(raw, th_slice_of(pos, (size_t)(stop - pos)));
        pos = stop + 1;
    }
    return raw;
}

/* Replace JSON cells by what lies below them; strings and scalars have nothing below. */
static th_err descend_cells(th_segment_column *cells, const th_scan_column *column, th_arena *arena)
{
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, (size_t)cells->value_count + 1);
    uint8_t *kinds = TH_NEW_ARRAY(arena, uint8_t, (size_t)cells->value_count + 1);
    if (values == NULL || kinds == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < cells->value_count; i++) {
        if (cells->kinds[i] != TH_CELL_JSON) continue;
        th_slice raw = descend(cells->values[i], column);
        if (raw.size == 0) continue;
        th_json_kind kind = th_json_kind_of(raw);
        bool text = kind == TH_JSON_STRING;
        kinds[i] = kind == TH_JSON_NULL ? TH_CELL_NULL : text ? TH_CELL_STRING : TH_CELL_JSON;
        values[i] = text ? th_json_string(raw, arena) : raw;
    }
    cells->values = values;
    cells->kinds = kinds;
    return TH_OK;
}

/* json_extract_scalar: objects and arrays are NULL. json_extract: strings keep their quotes (engine_cells_vector). */
static th_err scalars_only(th_segment_column *cells, th_arena *arena)
{
    uint8_t *kinds = TH_NEW_ARRAY(arena, uint8_t, (size_t)cells->value_count + 1);
    if (kinds == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < cells->value_count; i++) {
        kinds[i] = cells->kinds[i];
        if (kinds[i] != TH_CELL_JSON) continue;
        th_json_kind kind = th_json_kind_of(cells->values[i]);
        if (kind == TH_JSON_OBJECT || kind == TH_JSON_ARRAY) kinds[i] = TH_CELL_NULL;
    }
    cells->kinds = kinds;
    return TH_OK;
}

th_err engine_schema_cells(const engine_rows *rows, const engine_table *table,
                           const th_scan_column *column, th_arena *arena, th_segment_column *out,
                           uint64_t *bytes)
{
    bool below = column->field_count > 0 || column->json_path.size > 0;
    char path[ENGINE_PATH_SIZE_MAX];
    bool joined = below && engine_column_path(table, column, path);
    const char *base = table->schema->columns[column->column].path;
    bool fold = base[0] == '~';
    TH_TRY(read_cells(rows, joined ? path : base + fold, arena, out, bytes));
    if (fold) TH_TRY(fold_cells(out, arena));
    if (below && !joined) TH_TRY(descend_cells(out, column, arena));
    if (column->json_path.size == 0 || !column->json_scalar) return TH_OK;
    return scalars_only(out, arena);
}

th_err engine_schema_column(const engine_rows *rows, const engine_table *table,
                            const th_scan_column *column, th_arena *arena, th_vector *out,
                            uint64_t *bytes, th_diag *diag)
{
    engine_names names = {table->schema, table->schema->columns[column->column].name};
    th_segment_column cells;
    TH_TRY(engine_schema_cells(rows, table, column, arena, &cells, bytes));
    return engine_cells_vector(&cells, rows->count, column->type, &names, arena, out, diag);
}
