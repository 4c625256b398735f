/* SPDX-License-Identifier: Apache-2.0
 * The one adapter from store to query: model's schemas as SQL tables, versions as snapshots, segments as scans. */
#ifndef TH_ENGINE_ENGINE_H
#define TH_ENGINE_ENGINE_H

#include "query/query.h"
#include "store/store.h"

/* A provider over the store; NULL: no memory. It borrows the store. Every read carries the asking principal and is
 * counted against `budget` (may be NULL). */
th_provider *th_engine_new(th_store *store, th_budget *budget);
void th_engine_free(th_provider *provider); /* accepts NULL */

/* Values of stored rows for plugins and for finding/: the columns named by dotted JSON path of rows [begin, begin+count)
 * of a loaded segment as vectors of varchar, without SQL. */
TH_MUST_CHECK th_err th_engine_paths(const th_loaded *loaded, const char *const *paths,
                                     uint32_t path_count, uint32_t begin, uint32_t count,
                                     th_arena *arena, th_vector *out, th_diag *diag);

/* Evaluate a SQL predicate over the rows of a loaded segment as the table's schema shows them: one bit a row. Parsed and
 * bound once. table is a SQL table name of record unit. */
typedef struct th_row_filter th_row_filter;
TH_MUST_CHECK th_err th_row_filter_new(th_provider *provider, const char *table, th_slice predicate,
                                       th_row_filter **out, th_diag *diag);
void th_row_filter_free(th_row_filter *filter); /* accepts NULL */
TH_MUST_CHECK th_err th_row_filter_run(th_row_filter *filter, th_version *version,
                                       const th_segment_ref *ref, uint32_t begin, uint32_t count,
                                       th_arena *arena, uint64_t **bits, th_diag *diag);

#endif
