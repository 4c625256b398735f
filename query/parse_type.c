/* SPDX-License-Identifier: Apache-2.0
 * The grammar of type names. It only finds where a type ends; th_type_parse says which type it is. The text that comes
 * out has single blanks between its tokens and no comments. */
#include "base/buf.h"
#include "query/parser.h"

static th_err type_text(parser *p, th_buf *buf);

static void take_token(parser *p, th_buf *buf)
{
    if (buf->size > 0) th_buf_add_byte(buf, ' ');
    th_buf_add_slice(buf, p->token.text);
    parser_advance(p);
}

/* A field's name is a word before another word that is no suffix of a type: `a array(x)` but not `varchar array`. */
static bool at_field_name(const parser *p)
{
    lex ahead = p->lexer;
    lex_token next = query_lex_next(&ahead);
    if (next.kind != LEX_WORD && next.kind != LEX_QUOTED) return false;
    if (next.keyword == KW_ARRAY) {
        lex_token third = query_lex_next(&ahead);
        return third.kind == LEX_OP && (third.op == '(' || third.op == '<');
    }
    bool suffix =
        next.keyword == KW_WITH || next.keyword == KW_WITHOUT || next.keyword == KW_PRECISION;
    return !suffix && !parser_is(p, KW_INTERVAL);
}

static th_err type_args(parser *p, th_buf *buf)
{
    take_token(p, buf);
    for (;;) {
        if (p->token.kind == LEX_INTEGER) {
            take_token(p, buf);
        } else {
            if (parser_at_name(p) && at_field_name(p)) take_token(p, buf);
            TH_TRY(type_text(p, buf));
        }
        if (!parser_is_op(p, ',')) break;
        take_token(p, buf);
    }
    if (!parser_is_op(p, ')') && !parser_is_op(p, '>')) return parser_mismatch(p, "')', ','");
    take_token(p, buf);
    return TH_OK;
}

static void type_suffix(parser *p, th_buf *buf)
{
    if ((parser_is(p, KW_WITH) || parser_is(p, KW_WITHOUT)) && parser_peek(p).keyword == KW_TIME) {
        take_token(p, buf);
        take_token(p, buf);
        if (parser_is(p, KW_ZONE)) take_token(p, buf);
    }
    while (parser_is(p, KW_ARRAY)) take_token(p, buf);
}

static th_err type_text(parser *p, th_buf *buf)
{
    TH_TRY(parser_enter(p));
    bool interval = parser_is(p, KW_INTERVAL), real = parser_is(p, KW_DOUBLE);
    if (!parser_at_name(p)) return parser_mismatch(p, "<type>");
    take_token(p, buf);
    if (interval) {
        for (int i = 0; i < 3 && p->token.kind == LEX_WORD; i++) take_token(p, buf);
    } else if (real && parser_is(p, KW_PRECISION)) {
        take_token(p, buf);
    }
    if (parser_is_op(p, '(') || parser_is_op(p, '<')) TH_TRY(type_args(p, buf));
    type_suffix(p, buf);
    parser_leave(p);
    return TH_OK;
}

th_err parser_type(parser *p, th_slice *out)
{
    th_buf buf;
    th_buf_init(&buf, TH_SQL_SIZE_MAX * 2);
    th_err err = type_text(p, &buf);
    if (err == TH_OK && th_buf_error(&buf) == TH_OK)
        *out = th_arena_copy(p->arena, th_buf_slice(&buf));
    if (err == TH_OK && out->bytes == NULL) err = parser_no_memory(p);
    th_buf_free(&buf);
    return err;
}
