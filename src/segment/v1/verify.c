/* SPDX-License-Identifier: Apache-2.0
 * Decodes every part of a segment; each part checks its own checksum and form on the way. */
#include "segment/v1/v1.h"

#define VERIFY_ARENA_MAX ((size_t)512 << 20)

static th_err verify_blocks(const v1_segment *s, th_arena *arena, th_diag *diag)
{
    uint64_t raw_bytes = 0;
    for (uint32_t i = 0; i < s->block_count; i++) {
        const v1_block *block = &s->blocks[i];
        th_arena_reset(arena);
        th_slice *records = TH_NEW_ARRAY(arena, th_slice, block->rows);
        if (records == NULL)
            return th_fail(diag, TH_ELIMIT, NULL, "no memory to verify block %u", i);
        th_err err = v1_records(&s->base, block->first_row, block->rows, arena, records);
        if (err != TH_OK)
            return th_fail(diag, err, NULL, "block %u (rows from %u) is damaged", i,
                           block->first_row);
        for (uint32_t row = 0; row < block->rows; row++) raw_bytes += records[row].size;
    }
    if (raw_bytes == s->base.raw_bytes) return TH_OK;
    return th_fail(diag, TH_ECORRUPT, NULL, "records have %llu bytes, the header says %llu",
                   (unsigned long long)raw_bytes, (unsigned long long)s->base.raw_bytes);
}

static th_err verify_columns(const v1_segment *s, th_arena *arena, th_diag *diag)
{
    for (uint32_t i = 0; i < s->column_count; i++) {
        uint64_t bytes = 0;
        th_segment_column column;
        th_arena_reset(arena);
        const char *path = s->base.table->columns[i].path;
        th_err err =
            th_segment_read_column(&s->base, path, 0, s->base.rows, arena, &column, &bytes);
        if (err != TH_OK) return th_fail(diag, err, NULL, "column %s is damaged", path);
    }
    return TH_OK;
}

static th_err verify_times(const th_segment *s, th_arena *arena, th_diag *diag)
{
    th_arena_reset(arena);
    int64_t *times = TH_NEW_ARRAY(arena, int64_t, (size_t)s->rows + 1);
    th_err err = times == NULL ? TH_ELIMIT : th_segment_read_times(s, 0, s->rows, arena, times);
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "event times are damaged");
}

th_err v1_verify(const th_segment *segment, th_diag *diag)
{
    const v1_segment *s = (const v1_segment *)segment;
    th_arena *arena = th_arena_new(VERIFY_ARENA_MAX, NULL);
    if (arena == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to verify a segment");
    th_err err = verify_blocks(s, arena, diag);
    if (err == TH_OK) err = verify_columns(s, arena, diag);
    if (err == TH_OK) err = verify_times(segment, arena, diag);
    th_arena_free(arena);
    return err;
}
