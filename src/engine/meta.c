/* SPDX-License-Identifier: Apache-2.0
 * The hidden columns that every table has: the exact record, its id, log position, arrival and origin. */
#include "engine/engine_private.h"

static th_err text_vector(th_arena *arena, uint32_t count, th_slice **values, th_vector *out)
{
    *values = TH_NEW_ARRAY(arena, th_slice, (size_t)count + 1);
    if (*values == NULL) return TH_ELIMIT;
    *out =
        (th_vector){.type = &th_type_varchar, .form = TH_FLAT, .count = count, .data.str = *values};
    return TH_OK;
}

static th_err int_vector(th_arena *arena, uint32_t count, const th_type *type, int64_t **values,
                         th_vector *out)
{
    *values = TH_NEW_ARRAY(arena, int64_t, (size_t)count + 1);
    if (*values == NULL) return TH_ELIMIT;
    *out = (th_vector){.type = type, .form = TH_FLAT, .count = count, .data.i64 = *values};
    return TH_OK;
}

static th_err meta_record(const engine_rows *rows, th_arena *arena, th_vector *out, uint64_t *bytes)
{
    th_slice *values = NULL;
    TH_TRY(text_vector(arena, rows->count, &values, out));
    if (rows->count == 0) return TH_OK;
    uint32_t first = engine_row(rows, 0), last = engine_row(rows, rows->count - 1);
    th_slice *records = TH_NEW_ARRAY(arena, th_slice, (size_t)(last - first) + 1);
    if (records == NULL) return TH_ELIMIT;
    TH_TRY(th_segment_records(rows->loaded->segment, first, last - first + 1, arena, records));
    for (uint32_t i = 0; i < rows->count; i++) {
        values[i] = records[engine_row(rows, i) - first];
        *bytes += values[i].size;
    }
    return TH_OK;
}

/* One text for all rows; bytes NULL: NULL. */
static th_err same_text(const engine_rows *rows, th_slice text, th_arena *arena, th_vector *out)
{
    th_slice *value = th_arena_alloc(arena, sizeof(*value));
    uint64_t *valid = TH_NEW(arena, uint64_t);
    if (value == NULL || valid == NULL) return TH_ELIMIT;
    *value = text;
    *valid = text.bytes != NULL;
    *out = (th_vector){.type = &th_type_varchar,
                       .form = TH_CONST,
                       .count = rows->count,
                       .valid = valid,
                       .data.str = value};
    return TH_OK;
}

static th_err meta_day(const engine_rows *rows, th_arena *arena, th_vector *out)
{
    char day[16];
    th_day_format(rows->unit->ref.day, day);
    const char *text = th_arena_printf(arena, "%s", day);
    return text == NULL ? TH_ELIMIT : same_text(rows, th_slice_text(text), arena, out);
}

static th_err meta_id(const engine_rows *rows, th_arena *arena, th_vector *out)
{
    th_slice *values = NULL;
    TH_TRY(text_vector(arena, rows->count, &values, out));
    char day[16];
    th_day_format(rows->unit->ref.day, day);
    const char *table = th_model_table(rows->unit->ref.table)->name;
    for (uint32_t i = 0; i < rows->count; i++) {
        unsigned long long seq = rows->unit->ref.first_seq + engine_row(rows, i);
        char *text = th_arena_printf(arena, "%s/%s/%llu", table, day, seq);
        if (text == NULL) return TH_ELIMIT;
        values[i] = th_slice_text(text);
    }
    return TH_OK;
}

static th_err meta_number(const engine_rows *rows, engine_meta meta, th_arena *arena,
                          th_vector *out)
{
    static const th_type ingested = {.kind = TH_TIMESTAMP, .precision = 6};
    int64_t *values = NULL;
    TH_TRY(int_vector(arena, rows->count, meta == META_INGESTED ? &ingested : &th_type_bigint,
                      &values, out));
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = engine_row(rows, i);
        switch (meta) {
        case META_SEQ: values[i] = (int64_t)(rows->unit->ref.first_seq + row); break;
        case META_LSN: values[i] = (int64_t)th_loaded_run(rows->loaded, row)->lsn; break;
        case META_INGESTED: values[i] = th_loaded_run(rows->loaded, row)->arrival_us; break;
        default:
            values[i] = rows->unit->flags != NULL && (rows->unit->flags[row] & ENGINE_HIDDEN) != 0;
            break;
        }
    }
    return TH_OK;
}

static th_err meta_conflict(const engine_rows *rows, th_arena *arena, th_vector *out)
{
    uint8_t *values = TH_NEW_ARRAY(arena, uint8_t, (size_t)rows->count + 1);
    if (values == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < rows->count; i++) {
        values[i] = rows->unit->flags != NULL &&
                    (rows->unit->flags[engine_row(rows, i)] & ENGINE_CONFLICT) != 0;
    }
    *out = (th_vector){
        .type = &th_type_boolean, .form = TH_FLAT, .count = rows->count, .data.u8 = values};
    return TH_OK;
}

/* A member of the delivery that a run names; NULL slice when it has none. */
static th_err delivery_text(const engine_rows *rows, const th_run *run, const char *member,
                            th_arena *arena, th_slice *out, th_diag *diag)
{
    *out = (th_slice){0};
    if (run->object_seq == UINT64_MAX) return TH_OK;
    th_record_id id = {TH_TABLE_objects, run->object_day, run->object_seq};
    th_slice record;
    TH_TRY(th_version_record(rows->version, &id, arena, &record, NULL, diag));
    *out = th_json_string(th_json_path(record, member), arena);
    return TH_OK;
}

static th_err delivered_text(const engine_rows *rows, bool path, th_arena *arena, th_slice *values)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const engine_source *source = &rows->sources[rows->unit->sources[rows->begin + i]];
        if (path) {
            values[i] = source->name;
            continue;
        }
        char *hex = th_arena_alloc(arena, 65);
        if (hex == NULL) return TH_ELIMIT;
        th_sha256_hex(&source->content, hex);
        values[i] = th_slice_of(hex, 64);
    }
    return TH_OK;
}

/* "$path" and _object: the first delivery of the row, or the copy's own in a table of deliveries. */
static th_err meta_origin(const engine_rows *rows, bool path, th_arena *arena, th_vector *out,
                          th_diag *diag)
{
    th_slice *values = NULL;
    TH_TRY(text_vector(arena, rows->count, &values, out));
    if (rows->unit->sources != NULL) return delivered_text(rows, path, arena, values);
    uint64_t *valid = TH_NEW_ARRAY(arena, uint64_t, (size_t)rows->count / 64 + 1);
    if (valid == NULL) return TH_ELIMIT;
    const th_run *last = NULL;
    th_slice text = {0};
    for (uint32_t i = 0; i < rows->count; i++) {
        const th_run *run = th_loaded_run(rows->loaded, engine_row(rows, i));
        if (run != last)
            TH_TRY(delivery_text(rows, run, path ? "name" : "content", arena, &text, diag));
        last = run;
        values[i] = text;
        if (text.bytes != NULL) valid[i / 64] |= UINT64_C(1) << (i % 64);
    }
    out->valid = valid;
    return TH_OK;
}

/* ---- columns that AWS's key layout gives a table ------------------------------------------------------------------------- */

/* Region or account of the delivery's name, where it has AWS's layout, else of the record. */
static th_err place_column(const engine_rows *rows, bool region, th_arena *arena, th_slice *values,
                           th_diag *diag)
{
    const th_stored_table *table = th_model_table(rows->unit->ref.table);
    const th_run *last = NULL;
    th_object_key key;
    bool keyed = false;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = engine_row(rows, i);
        const th_run *run = th_loaded_run(rows->loaded, row);
        if (run != last) {
            th_slice name;
            TH_TRY(delivery_text(rows, run, "name", arena, &name, diag));
            keyed = name.bytes != NULL && th_model_parse_key(name, &key);
            last = run;
        }
        values[i] = keyed ? (region ? key.region : key.account) : (th_slice){0};
        if (values[i].size > 0) continue;
        th_slice record;
        TH_TRY(th_segment_records(rows->loaded->segment, row, 1, arena, &record));
        values[i] =
            region ? th_json_string(th_json_member(record, TH_SLICE("awsRegion")), arena)
                   : th_model_account(table, record, th_segment_layout(rows->loaded->segment, row));
    }
    return TH_OK;
}

/* Part of the day as the column's name asks; NULL when the day is unknown. */
static const char *day_part(const char *name, int32_t day, th_arena *arena)
{
    th_civil c;
    if (day == TH_DAY_UNDATED) return NULL;
    th_civil_from_us((int64_t)day * TH_US_PER_DAY, &c);
    if (strcmp(name, "year") == 0) return th_arena_printf(arena, "%04d", c.year);
    if (strcmp(name, "month") == 0) return th_arena_printf(arena, "%02u", c.month);
    if (strcmp(name, "day") == 0) return th_arena_printf(arena, "%02u", c.day);
    if (strcmp(name, "timestamp") == 0)
        return th_arena_printf(arena, "%04d/%02u/%02u", c.year, c.month, c.day);
    return th_arena_printf(arena, "%04d-%02u-%02u", c.year, c.month, c.day);
}

/* The day as a date; NULL when it is unknown. */
static th_err date_column(const engine_rows *rows, th_arena *arena, th_vector *out)
{
    int64_t *value = TH_NEW(arena, int64_t);
    uint64_t *valid = TH_NEW(arena, uint64_t);
    if (value == NULL || valid == NULL) return TH_ELIMIT;
    *value = rows->unit->ref.day;
    *valid = rows->unit->ref.day != TH_DAY_UNDATED;
    *out = (th_vector){.type = &th_type_date,
                       .form = TH_CONST,
                       .count = rows->count,
                       .valid = valid,
                       .data.i64 = value};
    return TH_OK;
}

static bool is_place(const char *name)
{
    return strcmp(name, "region") == 0 || strcmp(name, "account") == 0;
}

th_err engine_partition_column(const engine_rows *rows, const char *name, th_arena *arena,
                               th_vector *out, th_diag *diag)
{
    uint64_t bytes = 0;
    if (strcmp(name, "date as date") == 0) return date_column(rows, arena, out);
    if (strcmp(name, "record") == 0) return meta_record(rows, arena, out, &bytes);
    if (!is_place(name)) {
        const char *part = day_part(name, rows->unit->ref.day, arena);
        if (part == NULL && rows->unit->ref.day != TH_DAY_UNDATED) return TH_ELIMIT;
        return same_text(rows, part == NULL ? (th_slice){0} : th_slice_text(part), arena, out);
    }
    th_slice *values = NULL;
    TH_TRY(text_vector(arena, rows->count, &values, out));
    TH_TRY(place_column(rows, strcmp(name, "region") == 0, arena, values, diag));
    uint64_t *valid = TH_NEW_ARRAY(arena, uint64_t, (size_t)rows->count / 64 + 1);
    if (valid == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < rows->count; i++) {
        if (values[i].bytes != NULL) valid[i / 64] |= UINT64_C(1) << (i % 64);
    }
    out->valid = valid;
    return TH_OK;
}

bool engine_partition_reads(const char *name)
{
    return is_place(name) || strcmp(name, "record") == 0;
}

bool engine_meta_reads(engine_meta meta)
{
    switch (meta) {
    case META_ID:
    case META_DAY:
    case META_SEQ:
    case META_VARIANT:
    case META_CONFLICT: return false;
    default: return true;
    }
}

th_err engine_meta_column(const engine_rows *rows, engine_meta meta, th_arena *arena,
                          th_vector *out, uint64_t *bytes, th_diag *diag)
{
    switch (meta) {
    case META_RECORD:
    case META_SEARCH: return meta_record(rows, arena, out, bytes);
    case META_ID: return meta_id(rows, arena, out);
    case META_DAY: return meta_day(rows, arena, out);
    case META_CONFLICT: return meta_conflict(rows, arena, out);
    case META_OBJECT: return meta_origin(rows, false, arena, out, diag);
    case META_PATH: return meta_origin(rows, true, arena, out, diag);
    default: return meta_number(rows, meta, arena, out);
    }
}
