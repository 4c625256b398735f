/* SPDX-License-Identifier: Apache-2.0
 * Rows on disk: what an operator puts down when the statement's memory is nearly used up. A file has no name, is
 * written from front to back in LZ4 blocks, and read back in the same order, as often as wanted. */
#ifndef TH_QUERY_OP_SPILL_H
#define TH_QUERY_OP_SPILL_H

#include "query/op/op.h"

/* Parts that rows are divided into by the hash of their keys, and how often a part may be divided again. */
#define SPILL_PARTS 16u
#define SPILL_LEVELS_MAX 6u

typedef struct spill spill;

/* Should this operator put down what it holds? held: bytes of its own that this would free. */
bool spill_wanted(const th_op *op, size_t held);
/* A new file of rows with these columns; buffers for writing are in the arena, the file is closed with spill_close. EXCEEDED_... when
 * the statement has nowhere to spill to. */
TH_MUST_CHECK th_err spill_new(th_op *op, th_arena *arena, uint32_t width,
                               const th_type *const *types, spill **out);
void spill_close(spill *s); /* accepts NULL */
/* One row of the batch's columns. */
TH_MUST_CHECK th_err spill_add(spill *s, const th_vector *columns, uint32_t row);
TH_MUST_CHECK th_err spill_end(spill *s); /* no more rows come */
uint64_t spill_rows(const spill *s);
/* From the first row again. The buffers for reading are in the arena. */
TH_MUST_CHECK th_err spill_rewind(spill *s, th_arena *arena);
/* At most most rows as FLAT vectors in the arena; *rows 0: no more. */
TH_MUST_CHECK th_err spill_read(spill *s, th_arena *arena, uint32_t most, th_vector *columns,
                                uint32_t *rows);
/* Which of SPILL_PARTS a hash belongs to on a level. */
static inline uint32_t spill_part(uint64_t hash, uint32_t level)
{
    return (uint32_t)(hash >> (60 - 4 * level)) % SPILL_PARTS;
}

#endif
