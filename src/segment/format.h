/* SPDX-License-Identifier: Apache-2.0
 * Bytes of a segment image; docs/FORMAT.md has it in words. Integers are little-endian, varints LEB128.
 *
 *     header 64 | blocks of records | other chunks | directory
 *
 * A chunk is a run of bytes, LZ4 block format when its stored size is below its raw size, else as it is. Chunks follow
 * each other without gaps in the order in which the directory lists them, so that only sizes are written there. */
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

/* How a column or the event times are held. On disk. */
typedef enum segment_encoding {
    SEGMENT_ABSENT = 0, /* no row has a value */
    SEGMENT_CONST = 1,  /* one value, in the directory */
    SEGMENT_DICT = 2,   /* sorted distinct values, a code a row */
    SEGMENT_PLAIN = 3,  /* a text a row */
    SEGMENT_UUID = 4,   /* 16 bytes a row, lower-case text */
    SEGMENT_INT = 5     /* differences of integers */
} segment_encoding;
#define SEGMENT_ENCODING_MASK 0x0fu
#define SEGMENT_FOLDED 0x10u   /* some value was found under a key that differs in case */
#define SEGMENT_HAS_ZONE 0x20u /* smallest and largest text follow */

/* What the integers of SEGMENT_INT were. On disk. */
typedef enum segment_int_form {
    SEGMENT_INT_TIME = 0,   /* ISO 8601 text */
    SEGMENT_INT_STRING = 1, /* decimal text */
    SEGMENT_INT_NUMBER = 2  /* JSON number */
} segment_int_form;

#define SEGMENT_BLOCK_BYTES (256u << 10) /* records of a block; a larger record has its own */
#define SEGMENT_ZONE_BYTES 256u          /* longer extremes are not kept */
#define SEGMENT_CONST_BYTES 1024u        /* longer single values become a dictionary */
#define SEGMENT_COLUMNS_MAX 1024u
#define SEGMENT_CHUNK_MAX \
    (TH_SEGMENT_RAW_MAX + (16u << 20)) /* raw bytes of a chunk: all records and their lengths */

#endif
