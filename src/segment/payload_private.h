/* SPDX-License-Identifier: Apache-2.0
 * Shared by the two sides of payload space: how a chunk is named in the directory. */
#ifndef TH_SEGMENT_PAYLOAD_PRIVATE_H
#define TH_SEGMENT_PAYLOAD_PRIVATE_H

#include "segment/payload.h"

/* How the bytes of a chunk are stored. On disk. */
typedef enum payload_method {
    PAYLOAD_RAW = 0,
    PAYLOAD_LZ4 = 1,
    PAYLOAD_LZ4_PRESET = 2 /* with preset dictionary 1 before it */
} payload_method;
#define PAYLOAD_METHOD_MASK 0x0fu
#define PAYLOAD_OWN 0x10u /* the chunk is one payload of at least PAYLOAD_OWN_MIN bytes */

enum {
    PAYLOAD_OWN_MIN = 32 << 10,      /* smaller payloads share chunks */
    PAYLOAD_SHARED_CLOSE = 64 << 10, /* a shared chunk is closed when it holds so much */
    PAYLOAD_SHARED_MAX = PAYLOAD_OWN_MIN + PAYLOAD_SHARED_CLOSE,
    PAYLOAD_CHUNKS_MAX = 1 << 22,
    PAYLOAD_LZ4_RATIO_MAX = 256 /* no LZ4 block expands further */
};

/* Preset dictionary 1 (preset.c): part of the format, the same for ever. */
th_slice segment_preset(void);

#endif
