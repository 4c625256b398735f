/* SPDX-License-Identifier: Apache-2.0
 * Bytes of a segment image; docs/FORMAT.md has it in words. Integers are little-endian, varints LEB128.
 *
 *     header 64 | chunks | directory
 *
 * The header is the same in all versions; what else version 1 had is in v1/v1.h. */
#ifndef TH_SEGMENT_FORMAT_H
#define TH_SEGMENT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

#define SEGMENT_MAGIC UINT32_C(0x47534854) /* "THSG" */
#define SEGMENT_VERSION 2u                 /* what is written; all earlier ones are read */
#define SEGMENT_FLAG_COMPACT 1u            /* of version 2: the compact tier */

typedef struct segment_header {
    uint32_t magic;
    uint16_t version;
    uint16_t flags; /* SEGMENT_FLAG_ */
    uint32_t rows;
    uint32_t table;
    uint64_t raw_bytes;   /* of all records together */
    uint64_t image_bytes; /* header to the end of the directory */
    uint64_t directory_at;
    uint32_t directory_stored; /* the rest of the image: one LZ4 block when smaller than raw */
    uint32_t directory_raw;    /* version 1: 0, the directory is as it is */
    uint64_t directory_hash;   /* XXH3 of the stored bytes */
    uint64_t header_hash;      /* XXH3 of the bytes before it */
} segment_header;
_Static_assert(sizeof(segment_header) == 64, "on disk");
_Static_assert(offsetof(segment_header, raw_bytes) == 16, "on disk");
_Static_assert(offsetof(segment_header, header_hash) == 56, "on disk");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "header structs are read in place");

/* How the event times are held. On disk. */
typedef enum segment_times_held {
    SEGMENT_TIMES_NONE = 0, /* no row has one */
    SEGMENT_TIMES_SAME = 1, /* all the same */
    SEGMENT_TIMES_INTS = 5
} segment_times_held;

#define SEGMENT_ZONE_BYTES 256u   /* longer extremes are not kept */
#define SEGMENT_COLUMNS_MAX 1024u /* stored columns of a table */
#define SEGMENT_CHUNK_MAX \
    (TH_SEGMENT_RAW_MAX + (16u << 20)) /* raw bytes of a chunk: all records and their lengths */

#endif
