/* SPDX-License-Identifier: Apache-2.0
 * Images of format version 1: read, no longer written. docs/FORMAT.md, "Version 1".
 *
 *     header 64 | blocks of records | other chunks | directory
 *
 * A chunk is a run of bytes, LZ4 block format when its stored size is below its raw size, else as it is. Chunks follow
 * each other without gaps in the order in which the directory lists them, so that only sizes are written there. Columns
 * are copies of what is in the records. */
#ifndef TH_SEGMENT_V1_V1_H
#define TH_SEGMENT_V1_V1_H

#include <pthread.h>

#include "segment/paths.h"
#include "segment/reader.h"

/* How a column or the event times are held. On disk. */
typedef enum v1_encoding {
    V1_ABSENT = 0, /* no row has a value */
    V1_CONST = 1,  /* one value, in the directory */
    V1_DICT = 2,   /* sorted distinct values, a code a row */
    V1_PLAIN = 3,  /* a text a row */
    V1_UUID = 4,   /* 16 bytes a row, lower-case text */
    V1_INT = 5     /* differences of integers */
} v1_encoding;
#define V1_ENCODING_MASK 0x0fu
#define V1_FOLDED 0x10u   /* some value was found under a key that differs in case */
#define V1_HAS_ZONE 0x20u /* smallest and largest text follow */

/* What the integers of V1_INT were. On disk. */
typedef enum v1_int_form {
    V1_INT_TIME = 0,   /* ISO 8601 text */
    V1_INT_STRING = 1, /* decimal text */
    V1_INT_NUMBER = 2  /* JSON number */
} v1_int_form;

#define V1_ZONE_BYTES 256u
#define V1_CONST_BYTES 1024u
#define V1_COLUMNS_MAX 1024u

/* ---- chunks (chunk.c) ---- */

typedef struct v1_chunk {
    uint64_t offset; /* in the image */
    uint32_t stored, raw;
    uint64_t hash; /* XXH3 of the stored bytes */
} v1_chunk;
/* Read a description; offset comes from *at, which moves on. The reader turns bad when sizes are not possible. */
v1_chunk v1_chunk_take(th_reader *reader, uint64_t *at);
/* Bytes of a chunk of the image, into raw[chunk->raw]. TH_ECORRUPT. */
TH_MUST_CHECK th_err v1_chunk_read(th_slice image, const v1_chunk *chunk, uint8_t *raw);

/* ---- columns (decode.c) ---- */

typedef struct v1_column {
    uint8_t encoding, form;
    bool folded, has_zone;
    uint32_t absent, nulls, entries;
    th_slice min, max; /* in the image */
    uint8_t const_kind;
    th_slice const_text;          /* in the image */
    v1_chunk chunk[2];            /* data or dictionary; codes */
    struct v1_values *values;     /* decoded, under the segment's lock; NULL until asked for */
    struct v1_values *dictionary; /* of V1_DICT: values without codes */
} v1_column;

/* A decoded column. One allocation each, freed with v1_values_free. */
typedef struct v1_values {
    uint32_t count; /* rows or dictionary entries */
    th_slice *values;
    uint8_t *kinds;
    uint32_t *codes; /* NULL, or rows of them */
    uint8_t *bytes;  /* what values point into */
} v1_values;
void v1_values_free(v1_values *values); /* accepts NULL */
TH_MUST_CHECK th_err v1_decode_dictionary(th_slice image, const v1_column *column, v1_values **out);
TH_MUST_CHECK th_err v1_decode_codes(th_slice image, const v1_column *column, uint32_t rows,
                                     uint32_t **out);
TH_MUST_CHECK th_err v1_decode_rows(th_slice image, const v1_column *column, uint32_t rows,
                                    v1_values **out);
/* Integers of a V1_INT payload; kinds[rows] and values[rows] are filled. TH_ECORRUPT. */
TH_MUST_CHECK th_err v1_decode_ints(th_slice payload, uint32_t rows, uint8_t *kinds,
                                    int64_t *values);

/* ---- the open segment ---- */

typedef struct v1_block {
    uint32_t first_row, rows;
    v1_chunk chunk;
} v1_block;

typedef struct v1_segment {
    th_segment base;
    v1_block *blocks;
    uint32_t block_count;
    v1_column *columns;
    uint32_t column_count; /* of the image or of the table, whichever is smaller */
    uint8_t times_encoding;
    v1_chunk times;
    int64_t *times_values; /* decoded, under the lock */
    pthread_mutex_t lock;  /* guards the decoded columns and times */
} v1_segment;

/* What segment_ops of version 1 do (read.c, records.c, verify.c). */
th_err v1_records(const th_segment *segment, uint32_t begin, uint32_t count, th_arena *arena,
                  th_slice *out);
/* A path that is no stored column, out of the records. */
th_err v1_extract_column(const v1_segment *segment, const char *path, uint32_t begin,
                         uint32_t count, th_arena *arena, th_segment_column *out,
                         uint64_t *bytes_read);
th_err v1_read_column(const th_segment *segment, const char *path, uint32_t begin, uint32_t count,
                      th_arena *arena, th_segment_column *out, uint64_t *bytes_read);
th_err v1_times(const th_segment *segment, uint32_t begin, uint32_t count, int64_t *out);
bool v1_zone(const th_segment *segment, const char *path, th_slice *min, th_slice *max);
bool v1_may_equal(const th_segment *segment, const char *path, th_slice value);
th_err v1_verify(const th_segment *segment, th_diag *diag);

#endif
