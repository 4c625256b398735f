/* SPDX-License-Identifier: Apache-2.0
 * Shared inside src/segment. */
#ifndef TH_SEGMENT_SEGMENT_PRIVATE_H
#define TH_SEGMENT_SEGMENT_PRIVATE_H

#include <pthread.h>

#include "segment/format.h"
#include "segment/segment.h"

/* ---- memory that is charged to a budget (memory.c) ---- */

typedef struct segment_memory {
    th_budget *budget; /* may be NULL */
    size_t charged;
} segment_memory;
/* Make *array (element size each) hold need elements; new ones are not cleared. */
TH_MUST_CHECK th_err segment_grow(segment_memory *memory, void **array, size_t *capacity,
                                  size_t need, size_t each);
/* Charge what buffers with their own memory hold now. TH_ELIMIT: more than the budget has. */
TH_MUST_CHECK th_err segment_follow(segment_memory *memory, size_t *followed, size_t now);
/* Release an array that segment_grow made. */
void segment_shrink(segment_memory *memory, void **array, size_t *capacity, size_t each);

/* ---- chunks (chunk.c) ---- */

typedef struct segment_chunk {
    uint64_t offset; /* in the image */
    uint32_t stored, raw;
    uint64_t hash; /* XXH3 of the stored bytes */
} segment_chunk;
/* Compress raw to the end of out and describe it in the directory. */
void segment_chunk_write(th_buf *out, th_buf *directory, th_slice raw);
/* The description alone. */
void segment_chunk_describe(th_buf *directory, th_slice stored, size_t raw);
/* Stored bytes of raw appended to out; how many. 0: out has an error. */
size_t segment_chunk_compress(th_buf *out, th_slice raw);
/* Read a description; offset comes from *at, which moves on. The reader turns bad when sizes are not possible. */
segment_chunk segment_chunk_take(th_reader *reader, uint64_t *at);
/* Bytes of a chunk of the image, into raw[chunk->raw]. TH_ECORRUPT. */
TH_MUST_CHECK th_err segment_chunk_read(th_slice image, const segment_chunk *chunk, uint8_t *raw);

/* ---- values of paths in a record (paths.c) ---- */

typedef struct segment_paths segment_paths;
/* A finder of count paths ("a.b|c"). strict: keys must be spelt as in the path; else the exact spelling is preferred
 * and one that differs in case is taken when there is no other. Paths of one set must not differ in case alone. NULL:
 * no memory. */
segment_paths *segment_paths_new(const char *const *names, uint32_t count, bool strict);
void segment_paths_free(segment_paths *paths); /* accepts NULL */
/* Find all of them in one JSON record. */
void segment_paths_run(segment_paths *paths, th_slice record);
/* Raw value of path i in the last record, bytes NULL when absent; *folded is set when a key differed in case. */
th_slice segment_paths_value(const segment_paths *paths, uint32_t i, bool *folded);
/* Position of a path ("a|b") among the fields of a line, or UINT32_MAX. */
uint32_t segment_line_index(th_slice layout, const char *path);
/* Kind and text of a raw JSON value, or of a field of a line. The text borrows or lives in the arena; false: no memory. */
TH_MUST_CHECK bool segment_cell_of_json(th_slice raw, th_arena *arena, uint8_t *kind,
                                        th_slice *text);
void segment_cell_of_field(th_slice field, uint8_t *kind, th_slice *text);
#define SEGMENT_FIELDS_MAX 256u

/* ---- gathering a column (gather.c) and encoding it (encode.c) ---- */

typedef struct segment_entry {
    uint64_t hash;
    uint32_t at, size; /* in text */
    uint8_t kind;
} segment_entry;

typedef struct segment_gather {
    segment_memory *memory;
    uint32_t *codes; /* a row each: index of an entry */
    size_t codes_capacity;
    segment_entry *entries;
    size_t entry_count, entries_capacity;
    uint8_t *text;
    size_t text_size, text_capacity;
    uint32_t *table; /* hash -> entry + 1 */
    size_t table_capacity;
    uint32_t special[2]; /* entry of ABSENT and of NULL, or UINT32_MAX */
    uint32_t last;       /* entry of the row before */
    bool plain;          /* too many distinct values: rows are no longer compared */
    bool folded;
} segment_gather;

void segment_gather_init(segment_gather *gather, segment_memory *memory);
void segment_gather_free(segment_gather *gather);
void segment_gather_clear(segment_gather *gather); /* keeps memory */
TH_MUST_CHECK th_err segment_gather_add(segment_gather *gather, uint32_t row, uint8_t kind,
                                        th_slice text);
static inline th_slice segment_entry_text(const segment_gather *gather, const segment_entry *entry)
{
    return entry->size == 0 ? (th_slice){NULL, 0}
                            : (th_slice){gather->text + entry->at, entry->size};
}
static inline bool segment_kind_has_text(uint8_t kind)
{
    return kind == TH_CELL_STRING || kind == TH_CELL_JSON;
}

/* Append the column's chunks to out and its description to the directory. */
TH_MUST_CHECK th_err segment_encode_column(const segment_gather *gather, th_stored_kind kind,
                                           uint32_t rows, th_buf *out, th_buf *directory);
/* Rows' integers where kinds[row] has text; the payload of SEGMENT_INT. */
void segment_encode_ints(const uint8_t *kinds, const int64_t *values, uint32_t rows,
                         th_buf *payload);

/* ---- decoding (decode.c) ---- */

typedef struct segment_column {
    uint8_t encoding, form;
    bool folded, has_zone;
    uint32_t absent, nulls, entries;
    th_slice min, max; /* in the image */
    uint8_t const_kind;
    th_slice const_text;               /* in the image */
    segment_chunk chunk[2];            /* data or dictionary; codes */
    struct segment_values *values;     /* decoded, under the segment's lock; NULL until asked for */
    struct segment_values *dictionary; /* of SEGMENT_DICT: values without codes */
} segment_column;

/* A decoded column. One allocation each, freed with segment_values_free. */
typedef struct segment_values {
    uint32_t count; /* rows or dictionary entries */
    th_slice *values;
    uint8_t *kinds;
    uint32_t *codes; /* NULL, or rows of them */
    uint8_t *bytes;  /* what values point into */
} segment_values;
void segment_values_free(segment_values *values);
TH_MUST_CHECK th_err segment_decode_dictionary(th_slice image, const segment_column *column,
                                               segment_values **out);
TH_MUST_CHECK th_err segment_decode_codes(th_slice image, const segment_column *column,
                                          uint32_t rows, uint32_t **out);
TH_MUST_CHECK th_err segment_decode_rows(th_slice image, const segment_column *column,
                                         uint32_t rows, segment_values **out);
/* Integers of a SEGMENT_INT payload; kinds[rows] and values[rows] are filled. TH_ECORRUPT. */
TH_MUST_CHECK th_err segment_decode_ints(th_slice payload, uint32_t rows, uint8_t *kinds,
                                         int64_t *values);

/* ---- the open segment (open.c) ---- */

typedef struct segment_block {
    uint32_t first_row, rows;
    segment_chunk chunk;
} segment_block;
typedef struct segment_run {
    uint32_t first_row, layout;
} segment_run;

struct th_segment {
    uint32_t magic;
    th_slice image;
    const th_stored_table *table;
    uint32_t rows;
    uint64_t raw_bytes;
    segment_block *blocks;
    uint32_t block_count;
    th_slice *layouts;
    segment_run *runs;
    uint32_t layout_count, run_count;
    segment_column *columns;
    uint32_t column_count; /* of the image or of the table, whichever is smaller */
    uint8_t times_encoding;
    int64_t first_us, last_us;
    segment_chunk times;
    int64_t *times_values; /* decoded, under the lock */
    pthread_mutex_t lock;  /* guards the decoded columns and times */
};
#define SEGMENT_OPEN_MAGIC UINT32_C(0x5345474f)
void segment_check(const th_segment *segment);
/* First block that holds row. */
uint32_t segment_block_of(const th_segment *segment, uint32_t row);
/* Records of a block: bytes[chunk.raw + 64] is filled, records[rows] point into it. TH_ECORRUPT. */
TH_MUST_CHECK th_err segment_block_decode(const th_segment *segment, const segment_block *block,
                                          uint8_t *bytes, th_slice *records);
/* The stored column for a path as callers write it ('=' prefix: strict), or NULL. */
segment_column *segment_find_column(const th_segment *segment, const char *path);

#endif
