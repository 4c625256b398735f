/* SPDX-License-Identifier: Apache-2.0
 * Shared by the files that cast. */
#ifndef TH_QUERY_TYPE_CAST_H
#define TH_QUERY_TYPE_CAST_H

#include "query/fn/function.h"

#define SHOWN_MAX 200 /* bytes of a bad value that an error shows */

th_err cast_to_varchar(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                       th_value *out);
/* TYPE_MISMATCH: there is no such cast. */
th_err cast_unsupported(th_fn_call *call, const th_type *from, const th_type *to);

#endif
