/* SPDX-License-Identifier: Apache-2.0
 * Text cells of a segment as vectors of SQL types. What a type cannot hold is NULL, as in Athena's JSON tables with
 * malformed values ignored; the exact text is always in `record`. */
#include "engine/engine_private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool cell_i64(th_slice text, int64_t *out)
{
    if (th_slice_to_i64(text, out)) return true;
    char copy[64];
    if (text.size == 0 || text.size >= sizeof(copy)) return false;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = '\0';
    char *end = NULL;
    double d = strtod(copy, &end);
    if (*end != '\0' || !(fabs(d) < 9.2e18) || d != floor(d)) return false;
    *out = (int64_t)d;
    return true;
}

static bool in_range(th_type_kind kind, int64_t v)
{
    switch (kind) {
    case TH_TINYINT: return v >= INT8_MIN && v <= INT8_MAX;
    case TH_SMALLINT: return v >= INT16_MIN && v <= INT16_MAX;
    case TH_INTEGER: return v >= INT32_MIN && v <= INT32_MAX;
    default: return true;
    }
}

static bool cell_f64(th_slice text, double *out)
{
    char copy[400];
    if (text.size == 0 || text.size >= sizeof(copy)) return false;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = '\0';
    char *end = NULL;
    *out = strtod(copy, &end);
    return *end == '\0';
}

/* One scalar that is held in an int64: false = NULL. */
static bool cell_number(const th_type *type, th_slice text, int64_t *out)
{
    switch (type->kind) {
    case TH_DATE:
        if (text.size > 10) text.size = 10;
        if (!th_time_parse_iso(text, out)) return false;
        *out = th_day_from_us(*out);
        return true;
    case TH_TIMESTAMP:
    case TH_TIMESTAMP_TZ: return th_time_parse_iso(text, out);
    default: return cell_i64(text, out) && in_range(type->kind, *out);
    }
}

static bool is_nested(const th_type *type)
{
    return type->kind == TH_ROW || type->kind == TH_ARRAY || type->kind == TH_MAP;
}

typedef struct cell_target {
    const th_type *type;
    uint64_t *valid;
    uint8_t *u8;
    int64_t *i64;
    double *f64;
    th_slice *str;
} cell_target;

static th_err cell_text(cell_target *t, uint32_t i, th_slice text, uint8_t kind, th_arena *arena)
{
    t->str[i] = text;
    if (t->type->kind != TH_JSON || kind != TH_CELL_STRING) return TH_OK;
    th_buf quoted;
    th_buf_init(&quoted, text.size * 6 + 16);
    th_json_quote(&quoted, text);
    th_err err = th_buf_error(&quoted);
    if (err == TH_OK) t->str[i] = th_arena_copy(arena, th_buf_slice(&quoted));
    th_buf_free(&quoted);
    return err == TH_OK && t->str[i].bytes == NULL ? TH_ELIMIT : err;
}

static th_err cell_set(cell_target *t, uint32_t i, th_slice text, uint8_t kind, th_arena *arena)
{
    bool ok = true;
    switch (t->type->kind) {
    case TH_BOOLEAN:
        t->u8[i] = th_slice_equal_nocase(text, TH_SLICE("true"));
        ok = t->u8[i] || th_slice_equal_nocase(text, TH_SLICE("false"));
        break;
    case TH_REAL:
        ok = cell_f64(text, &t->f64[i]);
        t->f64[i] = (double)(float)t->f64[i];
        break;
    case TH_DOUBLE: ok = cell_f64(text, &t->f64[i]); break;
    case TH_VARCHAR:
    case TH_CHAR:
    case TH_VARBINARY:
    case TH_JSON: TH_TRY(cell_text(t, i, text, kind, arena)); break;
    default: ok = cell_number(t->type, text, &t->i64[i]); break;
    }
    if (ok) t->valid[i / 64] |= UINT64_C(1) << (i % 64);
    return TH_OK;
}

static th_err target_init(cell_target *t, const th_type *type, uint32_t count, th_arena *arena,
                          th_vector *out)
{
    size_t n = (size_t)count + 1;
    *t = (cell_target){.type = type, .valid = TH_NEW_ARRAY(arena, uint64_t, n / 64 + 1)};
    void *data = NULL;
    switch (type->kind) {
    case TH_BOOLEAN: data = t->u8 = TH_NEW_ARRAY(arena, uint8_t, n); break;
    case TH_REAL:
    case TH_DOUBLE: data = t->f64 = TH_NEW_ARRAY(arena, double, n); break;
    case TH_VARCHAR:
    case TH_CHAR:
    case TH_VARBINARY:
    case TH_JSON: data = t->str = TH_NEW_ARRAY(arena, th_slice, n); break;
    default: data = t->i64 = TH_NEW_ARRAY(arena, int64_t, n); break;
    }
    if (t->valid == NULL || data == NULL) return TH_ELIMIT;
    *out = (th_vector){
        .type = type, .form = TH_FLAT, .count = count, .valid = t->valid, .data.any = data};
    if (type->kind == TH_TIMESTAMP_TZ) {
        out->zone = TH_NEW_ARRAY(arena, uint16_t, n);
        if (out->zone == NULL) return TH_ELIMIT;
    }
    return TH_OK;
}

static th_err nested_cells(const th_segment_column *cells, const th_type *type,
                           const engine_names *names, th_arena *arena, th_vector *out,
                           th_diag *diag)
{
    th_slice *raw = TH_NEW_ARRAY(arena, th_slice, (size_t)cells->value_count + 1);
    if (raw == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < cells->value_count; i++) {
        if (cells->kinds[i] == TH_CELL_JSON) raw[i] = cells->values[i];
    }
    return engine_nested_vector(raw, cells->value_count, type, names, arena, out, diag);
}

th_err engine_cells_vector(const th_segment_column *cells, uint32_t rows, const th_type *type,
                           const engine_names *names, th_arena *arena, th_vector *out,
                           th_diag *diag)
{
    th_vector flat;
    if (is_nested(type)) {
        TH_TRY(nested_cells(cells, type, names, arena, &flat, diag));
    } else {
        cell_target t;
        TH_TRY(target_init(&t, type, cells->value_count, arena, &flat));
        for (uint32_t i = 0; i < cells->value_count; i++) {
            if (cells->kinds[i] == TH_CELL_ABSENT || cells->kinds[i] == TH_CELL_NULL) continue;
            TH_TRY(cell_set(&t, i, cells->values[i], cells->kinds[i], arena));
        }
    }
    if (cells->codes == NULL) {
        *out = flat;
        return TH_OK;
    }
    th_vector *dictionary = TH_NEW(arena, th_vector);
    if (dictionary == NULL) return TH_ELIMIT;
    *dictionary = flat;
    *out = (th_vector){.type = type,
                       .form = TH_DICT,
                       .count = rows,
                       .codes = cells->codes,
                       .dictionary = dictionary};
    return TH_OK;
}
