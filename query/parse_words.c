/* SPDX-License-Identifier: Apache-2.0
 * Words that mean something in their place only, and names, strings and properties as statements of definition write
 * them: Hive's backquotes, double-quoted strings, reserved words as columns, bare names with hyphens. */
#include "query/parser.h"

#include <stdio.h>

bool parser_is_word(const parser *p, const char *word)
{
    return p->token.kind == LEX_WORD && th_slice_equal_nocase(p->token.text, th_slice_text(word));
}

bool parser_take_word(parser *p, const char *word)
{
    if (!parser_is_word(p, word)) return false;
    parser_advance(p);
    return true;
}

th_err parser_expect_word(parser *p, const char *word)
{
    if (parser_take_word(p, word)) return TH_OK;
    char expecting[40];
    snprintf(expecting, sizeof expecting, "'%s'", word);
    return parser_mismatch(p, expecting);
}

bool parser_take_if_exists(parser *p)
{
    if (!parser_is_word(p, "IF") || parser_peek(p).keyword != KW_EXISTS) return false;
    parser_advance(p);
    parser_advance(p);
    return true;
}

bool parser_take_if_not_exists(parser *p)
{
    if (!parser_is_word(p, "IF") || parser_peek(p).keyword != KW_NOT) return false;
    lex ahead = p->lexer;
    query_lex_next(&ahead);
    if (query_lex_next(&ahead).keyword != KW_EXISTS) return false;
    for (int i = 0; i < 3; i++) parser_advance(p);
    return true;
}

/* Does the next token start where the last one ended? */
static bool is_glued(const parser *p)
{
    return p->token.kind != LEX_END && p->token.text.bytes == p->last_end;
}

/* my-table-01: words, digits and hyphens with nothing between them. */
static void take_bare(parser *p, th_slice *text)
{
    const uint8_t *start = p->token.text.bytes;
    parser_advance(p);
    while (is_glued(p) && (parser_is_op(p, '-') || p->token.kind == LEX_WORD ||
                           p->token.kind == LEX_DIGIT_WORD || p->token.kind == LEX_INTEGER))
        parser_advance(p);
    *text = th_slice_of(start, (size_t)(p->last_end - start));
}

th_err parser_hive_name(parser *p, ast_name *out)
{
    const lex_token *t = &p->token;
    bool quoted = t->kind == LEX_QUOTED || t->kind == LEX_BACKQUOTED;
    if (!quoted && t->kind != LEX_WORD && t->kind != LEX_DIGIT_WORD)
        return parser_mismatch(p, "<identifier>");
    *out = (ast_name){.quoted = quoted, .line = t->line, .column = t->column};
    if (!quoted) {
        take_bare(p, &out->text);
        return TH_OK;
    }
    bool bad_hex;
    if (!query_lex_value(t, p->arena, &out->text, &bad_hex)) return parser_no_memory(p);
    if (out->text.size == 0) {
        return th_fail_at(p->diag, TH_ESYNTAX, "SYNTAX_ERROR", out->line, out->column,
                          "Zero-length delimited identifier not allowed");
    }
    parser_advance(p);
    return TH_OK;
}

static th_err push_name(parser *p, pointers *parts, const ast_name *name, th_slice text)
{
    ast_name *part = parser_new(p, sizeof *part);
    if (part == NULL) return parser_no_memory(p);
    *part = *name;
    part->text = text;
    return parser_push(p, parts, part);
}

th_err parser_hive_path(parser *p, ast_path *out)
{
    pointers parts = {0};
    do {
        bool back = p->token.kind == LEX_BACKQUOTED;
        ast_name name;
        TH_TRY(parser_hive_name(p, &name));
        th_slice rest = name.text;
        const uint8_t *dot;
        while (back && (dot = memchr(rest.bytes, '.', rest.size)) != NULL && dot > rest.bytes) {
            size_t size = (size_t)(dot - rest.bytes);
            TH_TRY(push_name(p, &parts, &name, th_slice_of(rest.bytes, size)));
            rest = th_slice_of(dot + 1, rest.size - size - 1);
        }
        TH_TRY(push_name(p, &parts, &name, rest));
    } while (parser_take_op(p, '.'));
    out->count = parts.count;
    return parser_pack(p, &parts, sizeof(ast_name), &out->parts);
}

th_err parser_hive_string(parser *p, th_slice *out)
{
    if (p->token.kind != LEX_QUOTED) return parser_string(p, out);
    bool bad_hex;
    if (!query_lex_value(&p->token, p->arena, out, &bad_hex)) return parser_no_memory(p);
    parser_advance(p);
    return TH_OK;
}

/* The value of a property: a string's, or the text up to the comma or bracket that ends it. */
static th_err property_value(parser *p, th_slice *out)
{
    if (p->token.kind == LEX_STRING || p->token.kind == LEX_QUOTED)
        return parser_hive_string(p, out);
    const uint8_t *start = p->token.text.bytes;
    for (uint32_t depth = 0; p->token.kind != LEX_END; parser_advance(p)) {
        if (parser_is_op(p, '(') || parser_is_op(p, '[')) depth++;
        bool end = parser_is_op(p, ')') || parser_is_op(p, ']');
        if (depth == 0 && (end || parser_is_op(p, ','))) break;
        depth -= end;
    }
    if (p->token.text.bytes == start) return parser_mismatch(p, "<string>");
    *out = th_slice_of(start, (size_t)(p->last_end - start));
    return TH_OK;
}

static th_err property(parser *p, ast_property *out)
{
    out->line = p->token.line;
    out->column = p->token.column;
    if (p->token.kind == LEX_STRING || p->token.kind == LEX_QUOTED) {
        TH_TRY(parser_hive_string(p, &out->key));
    } else {
        ast_name name;
        TH_TRY(parser_hive_name(p, &name));
        out->key = name.text;
    }
    return parser_take_op(p, '=') ? property_value(p, &out->value) : TH_OK;
}

th_err parser_properties(parser *p, ast_properties *out)
{
    pointers list = {0};
    TH_TRY(parser_expect_op(p, '('));
    while (!parser_is_op(p, ')')) {
        ast_property *one = parser_new(p, sizeof *one);
        if (one == NULL) return parser_no_memory(p);
        TH_TRY(property(p, one));
        TH_TRY(parser_push(p, &list, one));
        if (!parser_take_op(p, ',')) break;
    }
    TH_TRY(parser_expect_op(p, ')'));
    out->count = list.count;
    return parser_pack(p, &list, sizeof(ast_property), &out->items);
}
