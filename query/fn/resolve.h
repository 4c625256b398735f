/* SPDX-License-Identifier: Apache-2.0
 * Signatures as text, matched against argument types: shared by scalar and aggregate functions.
 *
 * A pattern is a type name, an upper-case letter (a variable; all its uses get one common type), "any", array(P),
 * map(P, P), row (any row), lambda(P.., R); "..." after the last one lets it repeat. varchar, decimal, timestamp,
 * timestamp_tz and time stand for any length or precision; pattern is varchar or char. "=date" takes no other type that could become a date. */
#ifndef TH_QUERY_FN_RESOLVE_H
#define TH_QUERY_FN_RESOLVE_H

#include "query/type/coerce.h"

typedef struct signature_match {
    const th_type *variables[26];
    const th_type **params;
    uint32_t cost; /* 0: no coercion needed */
} signature_match;

/* Does the signature take these types? args[i] may be NULL (a lambda not yet bound). In the arena. */
bool signature_matches(const char *params, const th_type *const *args, uint32_t count,
                       th_arena *arena, signature_match *out);
/* The result: a pattern, or "$1" = the type of the first parameter, "array($1)". NULL: no memory. */
const th_type *signature_result(const char *result, const signature_match *match, th_arena *arena);
/* Parameter types of the lambda at argument index. NULL when it is no lambda of so many parameters. */
const th_type *const *signature_lambda(const signature_match *match, uint32_t index,
                                       uint32_t lambda_params);
/* "integer, varchar(3)" for messages. */
void signature_print_types(th_buf *out, const th_type *const *args, uint32_t count);

#endif
