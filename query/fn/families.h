/* SPDX-License-Identifier: Apache-2.0
 * Declarations of all that functions.def names. */
#ifndef TH_QUERY_FN_FAMILIES_H
#define TH_QUERY_FN_FAMILIES_H

#include "query/fn/function.h"

#define FN(name_, params_, result_, flags_, row_, help_) \
    th_err row_(th_fn_call *, const th_value *, th_value *);
#define FN_FAST(name_, params_, result_, row_, kernel_, help_) \
    th_err row_(th_fn_call *, const th_value *, th_value *);   \
    bool kernel_(th_fn_call *, const th_vector *const *, uint32_t, void *);
#define FN_TYPED(name_, params_, flags_, row_, typer_, help_) \
    th_err row_(th_fn_call *, const th_value *, th_value *);  \
    const th_type *typer_(th_arena *, const th_type **, uint32_t);
#define FN_VECTOR(name_, params_, result_, vector_, help_) \
    th_err vector_(th_fn_call *, const th_vector *const *, uint32_t, th_vector *);
#include "query/fn/functions.def"
#undef FN
#undef FN_FAST
#undef FN_TYPED
#undef FN_VECTOR

#endif
