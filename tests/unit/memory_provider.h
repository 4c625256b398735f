/* SPDX-License-Identifier: Apache-2.0
 * Storage in memory for tests and fuzz targets of query/: tables made of the rows of a query, cut into segments, plain
 * or dictionary-coded. Row and table limits are not its business.
 *
 *     memory_provider *p = memory_provider_new(3);
 *     CHECK(memory_provider_add(p, "t", "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s)", true, &diag) == TH_OK);
 *     env.provider = memory_provider_of(p); */
#ifndef TH_TESTS_UNIT_MEMORY_PROVIDER_H
#define TH_TESTS_UNIT_MEMORY_PROVIDER_H

#include "query/query.h"

typedef struct memory_provider memory_provider;

/* segment_rows: rows a segment. NULL: no memory. */
memory_provider *memory_provider_new(uint32_t segment_rows);
void memory_provider_free(memory_provider *p);
th_provider *memory_provider_of(memory_provider *p);
/* A table default.NAME with the columns and rows of sql, which may read earlier tables. dictionary: varchar columns
 * are handed out as codes. */
th_err memory_provider_add(memory_provider *p, const char *name, const char *sql, bool dictionary, th_diag *diag);
/* Segments that are open now; 0 when the engine closed what it opened. */
int memory_provider_open_segments(const memory_provider *p);

#endif
