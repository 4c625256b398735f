/* SPDX-License-Identifier: Apache-2.0
 * The parser's token stream, its errors, and the small things: names, lists, strings. */
#include "query/parser.h"

#include <ctype.h>
#include <stdio.h>

void parser_advance(parser *p)
{
    p->last_end = p->token.text.bytes + p->token.text.size;
    p->token = query_lex_next(&p->lexer);
}

lex_token parser_peek(const parser *p)
{
    lex copy = p->lexer;
    return query_lex_next(&copy);
}

bool parser_take(parser *p, lex_keyword keyword)
{
    if (!parser_is(p, keyword)) return false;
    parser_advance(p);
    return true;
}

bool parser_take_op(parser *p, uint32_t op)
{
    if (!parser_is_op(p, op)) return false;
    parser_advance(p);
    return true;
}

th_err parser_expect(parser *p, lex_keyword keyword)
{
    if (parser_take(p, keyword)) return TH_OK;
    char expecting[40];
    snprintf(expecting, sizeof expecting, "'%s'", query_keyword_name(keyword));
    return parser_mismatch(p, expecting);
}

th_err parser_expect_op(parser *p, uint32_t op)
{
    if (parser_take_op(p, op)) return TH_OK;
    char expecting[8];
    if (op < 128)
        snprintf(expecting, sizeof expecting, "'%c'", (int)op);
    else
        snprintf(expecting, sizeof expecting, "%s", op == LEX_ARROW ? "'->'" : "'=>'");
    return parser_mismatch(p, expecting);
}

static void hint_bad_token(parser *p)
{
    const lex_token *t = &p->token;
    uint8_t c = t->text.size == 0 ? 0 : t->text.bytes[t->text.size - 1];
    if (t->kind == LEX_BAD && c == '\'')
        th_diag_hint(p->diag, "the string that starts here is not closed");
    else if (t->kind == LEX_BAD && c == '"')
        th_diag_hint(p->diag, "the quoted name that starts here is not closed");
    else if (t->kind == LEX_BAD && c == ';')
        th_diag_hint(p->diag, "one statement at a time");
    else if (parser_is_op(p, '/') && parser_peek(p).op == '*')
        th_diag_hint(p->diag, "the comment is not closed");
    else if (t->kind == LEX_BAD && c >= 0x80)
        th_diag_hint(p->diag, "names with such letters go in double quotes");
    else if (t->kind == LEX_WORD && query_keyword_reserved(t->keyword)) {
        th_diag_hint(p->diag, "%s is a reserved word; as a name it goes in double quotes",
                     query_keyword_name(t->keyword));
    }
}

th_err parser_mismatch(parser *p, const char *expecting)
{
    const lex_token *t = &p->token;
    if (t->kind == LEX_BACKQUOTED) {
        th_fail_at(
            p->diag, TH_ESYNTAX, "SYNTAX_ERROR", t->line, t->column,
            "backquoted identifiers are not supported; use double quotes to quote identifiers");
        th_diag_hint(p->diag, "backquotes are for CREATE TABLE and other DDL");
        return TH_ESYNTAX;
    }
    if (t->kind == LEX_DIGIT_WORD) {
        return th_fail_at(
            p->diag, TH_ESYNTAX, "SYNTAX_ERROR", t->line, t->column,
            "identifiers must not start with a digit; surround the identifier with double quotes");
    }
    size_t size = t->text.size > 60 ? 60 : t->text.size;
    th_fail_at(p->diag, TH_ESYNTAX, "SYNTAX_ERROR", t->line, t->column,
               "mismatched input '%.*s'. Expecting: %s", t->kind == LEX_END ? 5 : (int)size,
               t->kind == LEX_END ? "<EOF>" : (const char *)t->text.bytes, expecting);
    hint_bad_token(p);
    return TH_ESYNTAX;
}

th_err parser_no_memory(parser *p)
{
    return th_fail_at(p->diag, TH_ELIMIT, "EXCEEDED_MEMORY_LIMIT", p->token.line, p->token.column,
                      "The statement needs more memory than it may have");
}

th_err parser_check_depth(parser *p, uint32_t depth)
{
    if (depth <= TH_SQL_DEPTH_MAX && !stack_guard_full(&p->stack)) return TH_OK;
    return th_fail_at(p->diag, TH_ELIMIT, "EXCEEDED_NESTING_LIMIT", p->token.line, p->token.column,
                      "The statement is nested too deeply; at most %u levels are allowed",
                      TH_SQL_DEPTH_MAX);
}

th_err parser_enter(parser *p)
{
    TH_TRY(parser_check_depth(p, p->depth + 1));
    p->depth++;
    return TH_OK;
}

void *parser_new(parser *p, size_t size)
{
    return th_arena_zalloc(p->arena, 1, size);
}

th_err parser_push(parser *p, pointers *list, void *item)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        void **items = th_arena_alloc(p->arena, capacity * sizeof *items);
        if (items == NULL) return parser_no_memory(p);
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return TH_OK;
}

th_err parser_pack(parser *p, const pointers *list, size_t size, void *out_array)
{
    uint8_t *array = th_arena_zalloc(p->arena, list->count == 0 ? 1 : list->count, size);
    if (array == NULL) return parser_no_memory(p);
    for (uint32_t i = 0; i < list->count; i++) memcpy(array + i * size, list->items[i], size);
    memcpy(out_array, &array, sizeof array);
    return TH_OK;
}

bool parser_at_name(const parser *p)
{
    const lex_token *t = &p->token;
    return t->kind == LEX_QUOTED || (t->kind == LEX_WORD && !query_keyword_reserved(t->keyword));
}

th_err parser_name(parser *p, ast_name *out)
{
    if (!parser_at_name(p)) return parser_mismatch(p, "<identifier>");
    *out = (ast_name){p->token.text, p->token.kind == LEX_QUOTED, p->token.line, p->token.column};
    if (out->quoted) {
        bool bad_hex;
        if (!query_lex_value(&p->token, p->arena, &out->text, &bad_hex)) return parser_no_memory(p);
        if (out->text.size == 0) {
            return th_fail_at(p->diag, TH_ESYNTAX, "SYNTAX_ERROR", out->line, out->column,
                              "Zero-length delimited identifier not allowed");
        }
    }
    parser_advance(p);
    return TH_OK;
}

th_err parser_path(parser *p, ast_path *out)
{
    pointers parts = {0};
    do {
        ast_name *name = parser_new(p, sizeof *name);
        if (name == NULL) return parser_no_memory(p);
        TH_TRY(parser_name(p, name));
        TH_TRY(parser_push(p, &parts, name));
    } while (parser_take_op(p, '.'));
    out->count = parts.count;
    return parser_pack(p, &parts, sizeof(ast_name), &out->parts);
}

th_err parser_name_list(parser *p, uint32_t *count, const ast_name **out)
{
    TH_TRY(parser_expect_op(p, '('));
    pointers names = {0};
    do {
        ast_name *name = parser_new(p, sizeof *name);
        if (name == NULL) return parser_no_memory(p);
        TH_TRY(parser_name(p, name));
        TH_TRY(parser_push(p, &names, name));
    } while (parser_take_op(p, ','));
    TH_TRY(parser_expect_op(p, ')'));
    *count = names.count;
    return parser_pack(p, &names, sizeof(ast_name), out);
}

static th_err unicode_string(parser *p, th_slice *out)
{
    lex_token t = p->token;
    uint8_t escape = '\\';
    parser_advance(p);
    if (parser_take(p, KW_UESCAPE)) {
        th_slice text = p->token.text;
        bool fits = p->token.kind == LEX_STRING && text.size == 3 && !isxdigit(text.bytes[1]) &&
                    strchr("+\"' ", text.bytes[1]) == NULL;
        if (!fits) return parser_mismatch(p, "<one escape character in quotes>");
        escape = text.bytes[1];
        parser_advance(p);
    }
    const char *wrong = query_lex_unicode(t.text, escape, p->arena, out);
    if (wrong == NULL) return TH_OK;
    return th_fail_at(p->diag, TH_ESYNTAX, "SYNTAX_ERROR", t.line, t.column, "%s", wrong);
}

th_err parser_string(parser *p, th_slice *out)
{
    if (p->token.kind == LEX_UNICODE) return unicode_string(p, out);
    if (p->token.kind != LEX_STRING) return parser_mismatch(p, "<string>");
    bool bad_hex;
    if (!query_lex_value(&p->token, p->arena, out, &bad_hex)) return parser_no_memory(p);
    parser_advance(p);
    return TH_OK;
}
