/* SPDX-License-Identifier: Apache-2.0
 * Matches of a regular expression, for functions that do something with each. */
#ifndef TH_QUERY_FN_REGEXP_H
#define TH_QUERY_FN_REGEXP_H

#include "query/fn/call.h"

typedef struct regexp_span {
    size_t from, to; /* bytes; SIZE_MAX: the group took no part */
} regexp_span;

/* Call each(ctx, call, row, spans, count, text) for every match from left to right; spans[0] is the whole match. The
 * compiled pattern is kept in *call->state. */
th_err regexp_each_match(th_fn_call *call, th_value pattern, th_slice text, uint32_t row,
                         th_err (*each)(void *ctx, th_fn_call *call, uint32_t row,
                                        const regexp_span *spans, uint32_t count, th_slice text),
                         void *ctx);

#endif
