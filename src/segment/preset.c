/* SPDX-License-Identifier: Apache-2.0
 * Preset dictionary 1. */
#include "segment/payload_private.h"

th_slice segment_preset(void)
{
    return (th_slice){NULL, 0};
}
