/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/route.h"
th_err segment_v2_column(const th_segment *segment, const char *path, uint32_t begin,
                         uint32_t count, th_arena *arena, th_segment_column *out,
                         uint64_t *bytes_read)
{
    (void)segment;
    (void)path;
    (void)begin;
    (void)count;
    (void)arena;
    (void)out;
    (void)bytes_read;
    return TH_EUNSUPPORTED;
}
