/* SPDX-License-Identifier: Apache-2.0
 * Stand-ins for calls of segment.h that come with its second format: one tier, and rows read by th_segment_records. The
 * linker takes them only where segment/ has none. */
#include <stdlib.h>

#include "store/store_private.h"

enum { ROWS_A_CALL = 2048 };

struct th_segment_cursor {
    const th_segment *segment;
    uint32_t at;
    th_arena *arena;
};

__attribute__((weak)) void th_segment_builder_set_tier(th_segment_builder *builder,
                                                       th_segment_tier tier)
{
    (void)builder;
    (void)tier;
}

__attribute__((weak)) th_err th_segment_cursor_open(const th_segment *segment, uint32_t begin,
                                                    th_budget *budget, th_segment_cursor **out)
{
    th_segment_cursor *cursor = calloc(1, sizeof(*cursor));
    if (cursor == NULL) return TH_ENOMEM;
    cursor->segment = segment;
    cursor->at = begin;
    cursor->arena = th_arena_new((size_t)TH_SEGMENT_RAW_MAX * 2, budget);
    if (cursor->arena == NULL) {
        free(cursor);
        return TH_ENOMEM;
    }
    *out = cursor;
    return TH_OK;
}

__attribute__((weak)) th_err th_segment_cursor_next(th_segment_cursor *cursor, uint32_t most,
                                                    const th_slice **records, uint32_t *count)
{
    uint32_t n = th_segment_rows(cursor->segment) - cursor->at;
    if (n > most) n = most;
    if (n > ROWS_A_CALL) n = ROWS_A_CALL;
    th_arena_reset(cursor->arena);
    th_slice *out = TH_NEW_ARRAY(cursor->arena, th_slice, n + 1);
    if (out == NULL) return TH_ELIMIT;
    TH_TRY(th_segment_records(cursor->segment, cursor->at, n, cursor->arena, out));
    cursor->at += n;
    *records = out;
    *count = n;
    return TH_OK;
}

__attribute__((weak)) void th_segment_cursor_close(th_segment_cursor *cursor)
{
    if (cursor == NULL) return;
    th_arena_free(cursor->arena);
    free(cursor);
}
