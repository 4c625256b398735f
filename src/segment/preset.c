/* SPDX-License-Identifier: Apache-2.0
 * Preset dictionary 1, for records that are one of their kind: what they say is not there twice, how they say it is
 * known beforehand. */
#include "segment/payload_private.h"

static const char preset[] =
#include "segment/preset1.def"
    ;

th_slice segment_preset(void)
{
    return th_slice_of(preset, sizeof(preset) - 1);
}
