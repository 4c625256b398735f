/* SPDX-License-Identifier: Apache-2.0
 * Copies of short texts, in line: most values have less bytes than a call of memcpy takes time. */
#ifndef TH_SEGMENT_COPY_H
#define TH_SEGMENT_COPY_H

#include <string.h>

#include "base/slice.h"

/* Nothing beyond either is touched. Returns the end of what was written. */
static inline uint8_t *segment_copy(uint8_t *to, th_slice from)
{
    const uint8_t *bytes = from.bytes;
    size_t size = from.size;
    if (size > 64) {
        memcpy(to, bytes, size);
    } else if (size >= 16) {
        for (size_t i = 0; i + 16 < size; i += 16) memcpy(to + i, bytes + i, 16);
        memcpy(to + size - 16, bytes + size - 16, 16);
    } else if (size >= 8) {
        memcpy(to, bytes, 8);
        memcpy(to + size - 8, bytes + size - 8, 8);
    } else if (size >= 4) {
        memcpy(to, bytes, 4);
        memcpy(to + size - 4, bytes + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++) to[i] = bytes[i];
    }
    return to + size;
}

#endif
