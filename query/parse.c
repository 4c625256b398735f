/* SPDX-License-Identifier: Apache-2.0
 * The parser's door: a whole statement, or a lone expression. */
#include "query/parse.h"

#include "query/parser.h"

static parser new_parser(th_slice sql, th_arena *arena, th_diag *diag)
{
    parser p = {.arena = arena, .diag = diag, .lexer = query_lex_of(sql)};
    p.last_end = p.lexer.pos;
    p.token = query_lex_next(&p.lexer);
    return p;
}

static th_err check_size(th_slice sql, th_diag *diag)
{
    if (sql.size <= TH_SQL_SIZE_MAX) return TH_OK;
    return th_fail_at(diag, TH_ELIMIT, "QUERY_TEXT_TOO_LARGE", 1, 1,
                      "Query text length (%zu) exceeds the maximum length (%u)", sql.size,
                      TH_SQL_SIZE_MAX);
}

th_err query_parse(th_slice sql, th_arena *arena, ast_statement **out, th_diag *diag)
{
    TH_TRY(check_size(sql, diag));
    parser p = new_parser(sql, arena, diag);
    p.stack = stack_guard_here();
    ast_statement *s;
    TH_TRY(parser_statement(&p, &s));
    while (parser_take_op(&p, ';')) {}
    if (p.token.kind != LEX_END) return parser_mismatch(&p, "<EOF>");
    s->param_count = p.param_count;
    *out = s;
    return TH_OK;
}

th_err query_parse_lone_expr(th_slice sql, th_arena *arena, ast_expr **out, th_diag *diag)
{
    TH_TRY(check_size(sql, diag));
    parser p = new_parser(sql, arena, diag);
    p.stack = stack_guard_here();
    TH_TRY(parser_expr(&p, out));
    return p.token.kind == LEX_END ? TH_OK : parser_mismatch(&p, "<EOF>");
}
