/* SPDX-License-Identifier: Apache-2.0
 * Statement text to syntax tree, by recursive descent. Any bytes are allowed in; what is no statement is TH_ESYNTAX in
 * Trino's words ("mismatched input 'x'. Expecting: ...") with line and column, what is nested too deeply TH_ELIMIT. */
#ifndef TH_QUERY_PARSE_H
#define TH_QUERY_PARSE_H

#include "base/arena.h"
#include "query/ast.h"

/* One statement, a trailing ; allowed. *out and all below it live in the arena and borrow from sql. */
TH_MUST_CHECK th_err query_parse(th_slice sql, th_arena *arena, ast_statement **out, th_diag *diag);
/* One expression alone (the text of a parameter). */
TH_MUST_CHECK th_err query_parse_lone_expr(th_slice sql, th_arena *arena, ast_expr **out,
                                           th_diag *diag);

#endif
