/* SPDX-License-Identifier: Apache-2.0
 * Decodes every part of a segment; what the parts say about each other is compared on the way. */
#include "base/hash.h"
#include "segment/filter.h"
#include "segment/paths.h"
#include "segment/route.h"

#define VERIFY_ARENA_MAX ((size_t)1 << 30)

static th_err verify_chunks(const segment_image *s, th_diag *diag)
{
    uint32_t bad = 0;
    th_err err = segment_payloads_verify(s->payloads, &bad);
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "chunk %u is damaged", bad);
}

static th_err verify_records(const th_segment *s, th_diag *diag)
{
    th_segment_cursor *cursor = NULL;
    th_err err = th_segment_cursor_open(s, 0, NULL, &cursor);
    uint64_t raw_bytes = 0;
    uint32_t row = 0, count = 0;
    do {
        const th_slice *records = NULL;
        if (err == TH_OK) err = th_segment_cursor_next(cursor, s->rows, &records, &count);
        for (uint32_t i = 0; err == TH_OK && i < count; i++) raw_bytes += records[i].size;
        if (err == TH_OK) row += count;
    } while (err == TH_OK && count > 0);
    th_segment_cursor_close(cursor);
    if (err != TH_OK) return th_fail(diag, err, NULL, "rows from %u on are damaged", row);
    if (raw_bytes == s->raw_bytes) return TH_OK;
    return th_fail(diag, TH_ECORRUPT, NULL, "records have %llu bytes, the header says %llu",
                   (unsigned long long)raw_bytes, (unsigned long long)s->raw_bytes);
}

static th_err verify_times(const th_segment *s, th_arena *arena, th_diag *diag)
{
    int64_t *times = TH_NEW_ARRAY(arena, int64_t, (size_t)s->rows + 1);
    th_err err = times == NULL ? TH_ELIMIT : th_segment_read_times(s, 0, s->rows, arena, times);
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "event times are damaged");
}

/* A stored column against what its zone and its filter say. */
static th_err verify_column(const segment_image *s, uint32_t number, th_arena *arena)
{
    const segment_zone_entry *zone = &s->zones[number];
    th_segment_column column;
    uint64_t bytes = 0;
    TH_TRY(th_segment_read_column(&s->base, s->base.table->columns[number].path, 0, s->base.rows,
                                  arena, &column, &bytes));
    if (!zone->known) return TH_OK;
    th_slice bits = {NULL, 0};
    segment_reading reading;
    TH_TRY(segment_image_reading(s, arena, arena, &reading));
    if (zone->filter_keys > 0) TH_TRY(segment_payload_read(&reading, zone->filter, &bits));
    uint32_t absent = 0, nulls = 0;
    for (uint32_t row = 0; row < s->base.rows; row++) {
        uint32_t at = column.codes == NULL ? row : column.codes[row];
        absent += column.kinds[at] == TH_CELL_ABSENT;
        nulls += column.kinds[at] == TH_CELL_NULL;
        if (!segment_kind_has_text(column.kinds[at])) continue;
        th_slice text = column.values[at];
        if (zone->has_zone &&
            (th_slice_compare(text, zone->min) < 0 || th_slice_compare(text, zone->max) > 0))
            return TH_ECORRUPT;
        if (bits.size > 0 && !segment_filter_may_have(bits.bytes, bits.size, th_xxh3(text)))
            return TH_ECORRUPT;
    }
    return absent == zone->absent && nulls == zone->nulls ? TH_OK : TH_ECORRUPT;
}

static th_err verify_columns(const segment_image *s, th_arena *arena, th_diag *diag)
{
    for (uint32_t i = 0; s->base.rows > 0 && i < s->base.table->column_count; i++) {
        th_arena_reset(arena);
        th_err err = verify_column(s, i, arena);
        if (err != TH_OK)
            return th_fail(diag, err, NULL, "column %s is damaged", s->base.table->columns[i].path);
    }
    return TH_OK;
}

th_err segment_v2_verify(const th_segment *segment, th_diag *diag)
{
    const segment_image *s = segment_image_of(segment);
    TH_TRY(verify_chunks(s, diag));
    th_arena *arena = th_arena_new(VERIFY_ARENA_MAX, NULL);
    if (arena == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to verify a segment");
    th_err err = verify_records(segment, diag);
    if (err == TH_OK) err = verify_times(segment, arena, diag);
    if (err == TH_OK) err = verify_columns(s, arena, diag);
    th_arena_free(arena);
    return err;
}
