/* SPDX-License-Identifier: Apache-2.0
 * Statements. Those that the grammar knows by their first words only come out as AST_UNSUPPORTED with these words. */
#include "query/parse.h"

#include "query/parser.h"

static th_err statement(parser *p, ast_statement **out);

static void skip_statement(parser *p)
{
    while (p->token.kind != LEX_END && !parser_is_op(p, ';')) parser_advance(p);
}

static th_err like_clause(parser *p, ast_statement *s)
{
    if (p->token.kind == LEX_STRING) { /* SHOW TABLES 'pattern', as Athena takes it */
        s->has_like = true;
        return parser_string(p, &s->like);
    }
    if (!parser_take(p, KW_LIKE)) return TH_OK;
    s->has_like = true;
    TH_TRY(parser_string(p, &s->like));
    s->has_escape = parser_take(p, KW_ESCAPE);
    return s->has_escape ? parser_string(p, &s->escape) : TH_OK;
}

static th_err from_clause(parser *p, ast_statement *s, bool required)
{
    if (!parser_is(p, KW_FROM) && !parser_is(p, KW_IN)) {
        return required ? parser_mismatch(p, "'FROM', 'IN'") : TH_OK;
    }
    parser_advance(p);
    return parser_path(p, &s->name);
}

static th_err show(parser *p, ast_statement *s)
{
    parser_advance(p);
    lex_keyword what = p->token.keyword;
    switch (what) {
    case KW_TABLES: s->kind = AST_SHOW_TABLES; break;
    case KW_COLUMNS: s->kind = AST_SHOW_COLUMNS; break;
    case KW_SCHEMAS:
    case KW_DATABASES: s->kind = AST_SHOW_SCHEMAS; break;
    case KW_FUNCTIONS: s->kind = AST_SHOW_FUNCTIONS; break;
    case KW_CATALOGS: s->kind = AST_SHOW_CATALOGS; break;
    default:
        if (p->token.kind != LEX_WORD) {
            return parser_mismatch(
                p, "'CATALOGS', 'COLUMNS', 'DATABASES', 'FUNCTIONS', 'SCHEMAS', 'TABLES'");
        }
        s->kind = AST_UNSUPPORTED;
        return TH_OK;
    }
    parser_advance(p);
    if (what != KW_FUNCTIONS && what != KW_CATALOGS) TH_TRY(from_clause(p, s, what == KW_COLUMNS));
    return like_clause(p, s);
}

static th_err describe(parser *p, ast_statement *s)
{
    parser_advance(p);
    lex_token next = parser_peek(p);
    bool word = parser_is(p, KW_EXTENDED) || parser_is(p, KW_FORMATTED);
    if (word && (next.kind == LEX_WORD || next.kind == LEX_QUOTED)) parser_advance(p);
    s->kind = AST_SHOW_COLUMNS;
    return parser_path(p, &s->name);
}

/* (FORMAT x, TYPE y): every type gives the same plan, and text is the format that there is. */
static th_err explain_options(parser *p)
{
    parser_advance(p);
    do {
        bool format = parser_is(p, KW_FORMAT);
        if (!format && !parser_is(p, KW_TYPE)) return parser_mismatch(p, "'FORMAT', 'TYPE'");
        parser_advance(p);
        if (p->token.kind != LEX_WORD)
            return parser_mismatch(p, format ? "'TEXT'" : "'DISTRIBUTED', 'LOGICAL'");
        if (format && !th_slice_equal_nocase(p->token.text, TH_SLICE("text"))) {
            return th_fail_at(p->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", p->token.line,
                              p->token.column, "EXPLAIN prints the plan as text only");
        }
        parser_advance(p);
    } while (parser_take_op(p, ','));
    return parser_expect_op(p, ')');
}

static th_err explain(parser *p, ast_statement *s)
{
    parser_advance(p);
    s->kind = AST_EXPLAIN;
    s->analyze = parser_take(p, KW_ANALYZE);
    lex_token next = parser_peek(p);
    if (parser_is_op(p, '(') && (next.keyword == KW_FORMAT || next.keyword == KW_TYPE))
        TH_TRY(explain_options(p));
    TH_TRY(parser_enter(p));
    TH_TRY(statement(p, &s->inner));
    parser_leave(p);
    return TH_OK;
}

/* PREPARE name FROM statement: what is prepared must parse. */
static th_err prepare(parser *p, ast_statement *s)
{
    s->kind = AST_UNSUPPORTED;
    s->text = p->token.text;
    parser_advance(p);
    ast_name name;
    TH_TRY(parser_name(p, &name));
    TH_TRY(parser_expect(p, KW_FROM));
    TH_TRY(parser_enter(p));
    TH_TRY(statement(p, &s->inner));
    parser_leave(p);
    if (parser_is(p, KW_EXECUTE)) skip_statement(p); /* as Athena's guide prints the two together */
    return TH_OK;
}

/* The words at the start of a statement that is not one of ours yet: "CREATE TABLE", "SHOW PARTITIONS". */
static bool known_elsewhere(const parser *p)
{
    switch (p->token.keyword) {
    case KW_ALTER:
    case KW_ANALYZE:
    case KW_CALL:
    case KW_COMMENT:
    case KW_COMMIT:
    case KW_CREATE:
    case KW_DEALLOCATE:
    case KW_DELETE:
    case KW_DENY:
    case KW_DROP:
    case KW_EXECUTE:
    case KW_GRANT:
    case KW_INSERT:
    case KW_MERGE:
    case KW_MSCK:
    case KW_REFRESH:
    case KW_RESET:
    case KW_REVOKE:
    case KW_ROLLBACK:
    case KW_SET:
    case KW_START:
    case KW_TRUNCATE:
    case KW_UNLOAD:
    case KW_UPDATE: return true;
    default: return false;
    }
}

static th_err other(parser *p, ast_statement *s)
{
    s->kind = AST_UNSUPPORTED;
    const uint8_t *start = p->token.text.bytes;
    parser_advance(p);
    if (p->token.kind == LEX_WORD) parser_advance(p);
    s->text = th_slice_of(start, (size_t)(p->last_end - start));
    skip_statement(p);
    return TH_OK;
}

#define STATEMENTS                                                                           \
    "'(', 'ALTER', 'CREATE', 'DELETE', 'DESCRIBE', 'DROP', 'EXECUTE', 'EXPLAIN', 'INSERT', " \
    "'PREPARE', 'SELECT', "                                                                  \
    "'SHOW', 'TABLE', 'UNLOAD', 'VALUES', 'WITH'"

static th_err statement(parser *p, ast_statement **out)
{
    ast_statement *s = parser_new(p, sizeof *s);
    if (s == NULL) return parser_no_memory(p);
    *out = s;
    s->line = p->token.line;
    s->column = p->token.column;
    lex_token first = p->token;
    if (parser_at_query(p) || parser_is_op(p, '(')) return parser_query(p, &s->query);
    if (parser_is(p, KW_EXPLAIN)) return explain(p, s);
    if (parser_is(p, KW_PREPARE)) return prepare(p, s);
    if (parser_is(p, KW_DESCRIBE) || parser_is(p, KW_DESC)) return describe(p, s);
    if (parser_is(p, KW_SHOW)) {
        TH_TRY(show(p, s));
        if (s->kind != AST_UNSUPPORTED) return TH_OK;
        th_slice second = p->token.text;
        s->text =
            th_slice_of(first.text.bytes, (size_t)(second.bytes + second.size - first.text.bytes));
        skip_statement(p);
        return TH_OK;
    }
    if (parser_take(p, KW_USE)) {
        s->kind = AST_USE;
        return parser_path(p, &s->name);
    }
    if (known_elsewhere(p)) return other(p, s);
    return parser_mismatch(p, STATEMENTS);
}

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
    TH_TRY(statement(&p, &s));
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
