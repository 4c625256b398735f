/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/route.h"
th_err segment_make_dictionary(segment_image *image, const segment_skeleton *skeleton,
                               const segment_route *route, th_arena *arena,
                               segment_dictionary **out)
{
    (void)image;
    (void)skeleton;
    (void)route;
    (void)arena;
    *out = NULL;
    return TH_OK;
}
