/* SPDX-License-Identifier: Apache-2.0
 * Results as text: the formats of the command line and of HTTP, and the text of single values. */
#ifndef TH_QUERY_RESULT_H
#define TH_QUERY_RESULT_H

#include "query/query.h"

typedef enum th_format {
    TH_FORMAT_TABLE,
    TH_FORMAT_VERTICAL,
    TH_FORMAT_CSV,
    TH_FORMAT_TSV,
    TH_FORMAT_JSON,
    TH_FORMAT_NDJSON
} th_format;
/* False when name is none of table, vertical, csv, tsv, json, ndjson. */
bool th_format_parse(const char *name, th_format *out);

/* Text of one value as Athena prints it ("2024-01-31 12:00:00.000", arrays [a, b], maps {k=v}, rows {f=v}); nothing
 * for NULL. */
void th_value_text(th_buf *out, const th_vector *v, uint32_t row);
/* One value as JSON: numbers as numbers, decimals and times as strings, nested values as arrays and objects. */
void th_value_json(th_buf *out, const th_vector *v, uint32_t row);

/* A writer turns a result into bytes, handed to `write` in pieces of about 64 KiB.
 * table and vertical hold back up to 10,000 rows to size columns, then go on with those widths. */
typedef struct th_result_writer th_result_writer;
typedef struct th_writer_options {
    th_format format;
    bool header;    /* csv, tsv, table */
    uint32_t width; /* terminal columns; 0 = no limit */
    bool colour;
    th_err (*write)(void *ctx, th_slice bytes);
    void *ctx;
} th_writer_options;
th_result_writer *th_result_writer_new(const th_writer_options *options); /* NULL: no memory */
void th_result_writer_free(th_result_writer *writer);
/* The sink to give to th_query_run; ctx is the writer. */
th_result_sink th_result_writer_sink(th_result_writer *writer);
/* Write what is held back and the end (json's closing bracket). Call after a successful run. */
TH_MUST_CHECK th_err th_result_writer_finish(th_result_writer *writer);

#endif
