/* SPDX-License-Identifier: Apache-2.0
 * Predicates on a whole segment: can it have a row at all, and which rows hold a text. */
#include "engine/engine_private.h"

static const th_slice *texts_of(const th_vector *values)
{
    return values != NULL && values->type->kind == TH_VARCHAR && values->form == TH_FLAT &&
                   values->valid == NULL
               ? values->data.str
               : NULL;
}

/* False: no row of the segment has one of the texts in the column. */
static bool may_have(const th_segment *segment, const char *path, const th_scan_predicate *p)
{
    const th_slice *texts = texts_of(p->values);
    if (texts == NULL) return true;
    for (uint32_t i = 0; i < p->values->count; i++)
        if (th_segment_may_equal(segment, path, texts[i])) return true;
    return false;
}

/* The same by what is kept of the column. */
static bool kept_has(const engine_kept *kept, const th_scan_predicate *p)
{
    const th_slice *texts = texts_of(p->values);
    const th_vector *d = &kept->dictionary;
    if (texts == NULL) return true;
    for (uint32_t k = 0; k < d->count; k++)
        for (uint32_t i = 0; i < p->values->count; i++)
            if (th_slice_equal(d->data.str[k], texts[i]) && !th_vector_is_null(d, k)) return true;
    return false;
}

/* Is it certain that no row has it? */
static bool lacks(th_scan_segment *segment, const th_scan_predicate *p, const char *path)
{
    const engine_kept *kept = engine_segment_kept(segment, p->scan_column, segment->arena);
    th_diag diag = {0};
    if (kept != NULL && p->values->count <= 16) return !kept_has(kept, p);
    /* What cannot be read says so when a column is asked for. */
    if (engine_segment_load(segment, &diag) != TH_OK) return false;
    return !may_have(segment->loaded->segment, path, p);
}

bool engine_segment_skip(th_scan_segment *segment)
{
    const th_scan *scan = segment->scan;
    char path[ENGINE_PATH_SIZE_MAX];
    for (uint32_t i = 0; i < scan->spec.predicate_count; i++) {
        const th_scan_predicate *p = &scan->spec.predicates[i];
        const th_scan_column *column = &scan->spec.columns[p->scan_column];
        if ((p->compare != TH_CMP_EQ && p->compare != TH_CMP_IN) ||
            column->column >= scan->table->meta_first || column->type->kind != TH_VARCHAR ||
            scan->table->schema->columns[column->column].path[0] == '\0' ||
            !engine_column_path(scan->table, column, path))
            continue;
        if (p->values == NULL || !lacks(segment, p, path)) continue;
        if (scan->spec.control != NULL)
            atomic_fetch_add_explicit(&scan->spec.control->segments_pruned, 1,
                                      memory_order_relaxed);
        return true;
    }
    return false;
}

/* Bits of the stored rows as bits of the rows that the table shows. */
static th_err shown_bits(const engine_unit *unit, const uint64_t *stored, th_arena *arena,
                         const uint64_t **out)
{
    if (unit->rows == NULL && unit->begin == 0) {
        *out = stored;
        return TH_OK;
    }
    uint64_t *bits = TH_NEW_ARRAY(arena, uint64_t, (size_t)unit->count / 64 + 2);
    if (bits == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < unit->count; i++) {
        uint32_t row = unit->rows != NULL ? unit->rows[i] : unit->begin + i;
        bits[i >> 6] |= (uint64_t)th_bit_get(stored, row) << (i & 63);
    }
    *out = bits;
    return TH_OK;
}

th_err engine_segment_select(th_scan_segment *segment, uint32_t predicate, th_arena *arena,
                             const uint64_t **bits, th_diag *diag)
{
    const th_scan *scan = segment->scan;
    const th_scan_predicate *p = &scan->spec.predicates[predicate];
    uint32_t column = scan->spec.columns[p->scan_column].column, first = scan->table->meta_first;
    const th_slice *text = texts_of(p->values);
    *bits = NULL;
    if (p->compare != TH_CMP_CONTAINS || text == NULL ||
        (column != first + META_RECORD && column != first + META_SEARCH))
        return TH_OK;
    TH_TRY(engine_segment_load(segment, diag));
    uint32_t rows = th_segment_rows(segment->loaded->segment);
    uint64_t *stored = TH_NEW_ARRAY(arena, uint64_t, (size_t)rows / 64 + 2), bytes = 0;
    if (stored == NULL) return TH_ELIMIT;
    th_err err = th_segment_search(segment->loaded->segment, text[0], stored, &bytes);
    if (err == TH_EUNSUPPORTED) return TH_OK;
    TH_TRY(err);
    engine_segment_count_read(segment);
    if (scan->spec.control != NULL)
        atomic_fetch_add_explicit(&scan->spec.control->bytes_read, bytes, memory_order_relaxed);
    return shown_bits(segment->unit, stored, arena, bits);
}
