/* SPDX-License-Identifier: Apache-2.0
 * Scalar functions: rows of functions.def, found by name and argument types.
 *
 * Operators are functions with names that no identifier can spell: $add $sub $mul $div $mod $neg $concat $eq $ne $lt
 * $le $gt $ge $is_distinct $like (value, pattern[, escape]) $subscript $at_timezone $array (ARRAY[..]) $row, and
 * EXTRACT's fields $extract_year, ... Function names are lower case; names are looked up without regard to case.
 *
 * Lambdas. The binder meets f(x, (a, b) -> body): it asks th_function_lambda with the types of the other arguments for
 * the types of a and b, binds the body, and puts a TH_FUNCTION type (parameters, then the body's type) in its place
 * for th_function_resolve. The param type that comes back has the wanted result last: cast the body to it. */
#ifndef TH_QUERY_FN_FUNCTION_H
#define TH_QUERY_FN_FUNCTION_H

#include "query/plan.h"
#include "query/value.h"

typedef struct th_fn_call th_fn_call;

/* One row. args: arg_count values, none NULL unless the function has TH_FN_NULLS. *out starts as not NULL, zeroed. */
typedef th_err (*th_fn_row)(th_fn_call *call, const th_value *args, th_value *out);
/* All rows at once over FLAT or CONST vectors without NULL handling (the caller merges NULLs); false = not for these
 * vectors or an error in some row: the caller goes row by row. */
typedef bool (*th_fn_kernel)(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                             void *data);
/* A function with lambdas: all rows, arguments in any form. */
typedef th_err (*th_fn_vector)(th_fn_call *call, const th_vector *const *args, uint32_t rows,
                               th_vector *out);
/* Result type from the final argument types, where text cannot say it; may adjust params. NULL: not applicable. */
typedef const th_type *(*th_fn_typer)(th_arena *arena, const th_type **params, uint32_t count);

enum th_fn_flags {
    TH_FN_NULLS = 1,    /* is called with NULL arguments */
    TH_FN_VOLATILE = 2, /* random(), uuid(): never folded, never run once per dictionary entry */
    TH_FN_HIDDEN = 4    /* an operator: not in SHOW FUNCTIONS */
};

struct th_function {
    const char *name;
    const char
        *params; /* "varchar, bigint", "array(T), T", "T...", "array(T), lambda(T, boolean)" */
    const char
        *result; /* "varchar", "T", "$1" = the type of the first argument; "" = typer says it */
    uint32_t flags;
    th_fn_row row;
    th_fn_kernel kernel;
    th_fn_vector vector;
    th_fn_typer typer;
    const char *help;
};

/* Find the function for these argument types. On success *params has count types that the arguments must be cast to
 * (in the arena). TH_ESQL: FUNCTION_NOT_FOUND, TYPE_MISMATCH, without a position. */
TH_MUST_CHECK th_err th_function_resolve(th_slice name, const th_type *const *args, uint32_t count,
                                         th_arena *arena, const th_function **fn,
                                         const th_type *const **params, const th_type **result,
                                         th_diag *diag);
/* Types of the lambda_params parameters of the lambda that is argument index. args: NULL for lambdas that are not yet
 * bound, TH_FUNCTION types for those that are. */
TH_MUST_CHECK th_err th_function_lambda(th_slice name, const th_type *const *args, uint32_t count,
                                        uint32_t index, uint32_t lambda_params, th_arena *arena,
                                        const th_type *const **types, th_diag *diag);
/* Is there any function of this name (operators excluded)? */
bool th_function_exists(th_slice name);
/* All rows, operators included, ordered as in functions.def. */
const th_function *th_function_list(uint32_t *count);

#endif
