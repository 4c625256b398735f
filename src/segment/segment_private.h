/* SPDX-License-Identifier: Apache-2.0
 * Shared inside src/segment. */
#ifndef TH_SEGMENT_SEGMENT_PRIVATE_H
#define TH_SEGMENT_SEGMENT_PRIVATE_H

#include "segment/format.h"
#include "segment/paths.h"
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
/* Append the column's chunks to out and its description to the directory. */
TH_MUST_CHECK th_err segment_encode_column(const segment_gather *gather, th_stored_kind kind,
                                           uint32_t rows, th_buf *out, th_buf *directory);
/* Rows' integers where kinds[row] has text; the payload of SEGMENT_INT. */
void segment_v1_encode_ints(const uint8_t *kinds, const int64_t *values, uint32_t rows,
                         th_buf *payload);

#endif
