/* SPDX-License-Identifier: Apache-2.0
 * What other operators ask of a scan: to apply a filter, and to share its segments between workers. */
#ifndef TH_QUERY_OP_SCAN_H
#define TH_QUERY_OP_SCAN_H

#include <stdatomic.h>

#include "query/fn/call.h"
#include "query/op/op.h"

typedef struct scan_op scan_op;

/* An open scan whose segments are taken one by one, by whoever comes. */
typedef struct scan_share {
    th_scan *scan;
    uint32_t segments;
    atomic_uint next;
} scan_share;

/* Can the operator apply the filter itself? Then op_scan_filter says which: from then on only rows for which it is true
 * come out. */
bool op_scan_takes(const th_op *op, const th_expr *predicate);
TH_MUST_CHECK th_err op_scan_filter(th_op *op, const th_expr *predicate);
/* Of an open scan. */
scan_share *op_scan_share(th_op *op);
uint64_t op_scan_rows(th_op *op); /* of all its segments */
/* Number of the segment that the last batch came from. */
uint32_t op_scan_segment(const th_op *op);

#endif
