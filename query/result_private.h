/* SPDX-License-Identifier: Apache-2.0
 * What the files of the result writer share. */
#ifndef TH_QUERY_RESULT_PRIVATE_H
#define TH_QUERY_RESULT_PRIVATE_H

#include "query/result.h"

#define RESULT_HELD_ROWS 10000u
#define RESULT_PIECE (64u << 10)
#define RESULT_CELL_MAX (64u << 20)
#define RESULT_HELD_BYTES (64u << 20)

typedef struct result_name {
    char *text;
    size_t size;
    bool numeric; /* to the right in a table */
    bool nested;
} result_name;

struct th_result_writer {
    th_writer_options options;
    result_name *names;
    uint32_t column_count;
    uint64_t rows;
    th_buf out;  /* on its way to options.write */
    th_buf cell; /* one value's text */
    /* table, vertical: cells held back, each with its size in front; widths once they are known */
    th_buf held;
    uint64_t held_rows;
    uint32_t *widths;
    bool flushed;
};

/* Hand over what is in out when it is a piece or more (or at the end). */
TH_MUST_CHECK th_err result_pass_on(th_result_writer *w, bool all);
/* result_table.c */
TH_MUST_CHECK th_err result_table_row(th_result_writer *w, const th_batch *batch, uint32_t row);
TH_MUST_CHECK th_err result_table_end(th_result_writer *w);

#endif
