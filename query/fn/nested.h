/* SPDX-License-Identifier: Apache-2.0
 * Shared by the array, map and lambda families. */
#ifndef TH_QUERY_FN_NESTED_H
#define TH_QUERY_FN_NESTED_H

#include "query/fn/call.h"

/* End the one entry of b and give it as the result. */
th_err fn_finish_nested(th_fn_call *call, th_builder *b, th_value *out);
/* The elements of an array as boxes in the arena. */
th_err fn_elements(th_fn_call *call, const th_value *array, th_value **out);
/* An array of call->type. */
th_err fn_give_array(th_fn_call *call, const th_value *values, uint32_t count, th_value *out);
/* What comes before the mark; rest goes on behind it, and is empty when there is no mark. */
th_slice fn_cut(th_slice *rest, th_slice mark);

#endif
