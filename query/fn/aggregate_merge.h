/* SPDX-License-Identifier: Apache-2.0
 * How states of an aggregate go together: what a window needs so that a frame costs less than its rows. Found by the
 * function that adds a row; an aggregate that is not listed is added up row by row. */
#ifndef TH_QUERY_FN_AGGREGATE_MERGE_H
#define TH_QUERY_FN_AGGREGATE_MERGE_H

#include "query/fn/aggregate.h"

/* Aggregates whose state is a count and a sum, exactly: a difference of two sums is the sum in between. */
typedef enum th_agg_total {
    TH_AGG_TOTAL_NONE,
    TH_AGG_TOTAL_ROWS,   /* count_state: rows */
    TH_AGG_TOTAL_TRUE,   /* count_state: rows with true */
    TH_AGG_TOTAL_BIGINT, /* sum_state */
    TH_AGG_TOTAL_DECIMAL /* sum_decimal_state */
} th_agg_total;

th_agg_total th_aggregate_total(const th_aggregate *agg);
/* A zeroed state becomes that of a total. Errors go into the context. */
void th_aggregate_set_total(th_agg_context *ctx, th_agg_total kind, void *state, int64_t count,
                            th_i128 sum);

/* Add the rows of other, which come behind those of state. other is not changed. NULL: cannot be done. */
typedef void (*th_agg_merge)(th_agg_context *ctx, void *state, const void *other);
th_agg_merge th_aggregate_merge(const th_aggregate *agg);

#endif
