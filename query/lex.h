/* SPDX-License-Identifier: Apache-2.0
 * SQL text to tokens, one at a time. A lexer is a small value: copy it to look ahead. It allocates nothing and fails
 * never: what it does not know is a LEX_BAD token, for the parser to complain of. */
#ifndef TH_QUERY_LEX_H
#define TH_QUERY_LEX_H

#include "base/arena.h"
#include "base/slice.h"

typedef enum lex_kind {
    LEX_END,
    LEX_WORD,       /* identifier or keyword, as written; see keyword */
    LEX_QUOTED,     /* "name" */
    LEX_BACKQUOTED, /* `name` */
    LEX_DIGIT_WORD, /* 1abc */
    LEX_STRING,     /* 'text' */
    LEX_UNICODE,    /* U&'text' */
    LEX_BINARY,     /* X'00ff' */
    LEX_INTEGER,
    LEX_DECIMAL,
    LEX_DOUBLE,
    LEX_OP, /* op says which */
    LEX_BAD
} lex_kind;

typedef enum lex_keyword {
    KW_NONE,
#define KW(name, reserved) KW_##name,
#include "query/keywords.def"
#undef KW
    KW_COUNT
} lex_keyword;

/* One-character operators are their character. */
enum { LEX_NE = 256, LEX_LE, LEX_GE, LEX_CONCAT, LEX_ARROW, LEX_FAT_ARROW, LEX_COLONS };

typedef struct lex_token {
    lex_kind kind;
    lex_keyword keyword;
    uint32_t op;
    uint32_t line, column; /* from 1; column in characters */
    th_slice text;         /* as written, with quotes and prefixes */
} lex_token;

typedef struct lex {
    const uint8_t *pos, *end;
    uint32_t line, column;
} lex;

lex query_lex_of(th_slice sql);
lex_token query_lex_next(lex *lexer);
/* The name of an event data store stands bare in FROM: a UUID, or a word that starts with a digit and may hold '-'.
 * True when such a name starts at `at` (a token that lexer has just given); then *out is it, and lexer stands behind. */
bool query_lex_table_word(lex *lexer, const lex_token *at, lex_token *out);

const char *query_keyword_name(lex_keyword keyword);
bool query_keyword_reserved(lex_keyword keyword);

/* Value of a LEX_QUOTED, LEX_BACKQUOTED, LEX_STRING or LEX_BINARY token: quotes undoubled, hex decoded. It borrows from
 * the text where it can. False: no memory, or hex that is none (*bad_hex). */
bool query_lex_value(const lex_token *token, th_arena *arena, th_slice *out, bool *bad_hex);
/* Value of U&'..' with its escape character. NULL text: fine; else what is wrong with it. */
const char *query_lex_unicode(th_slice raw, uint8_t escape, th_arena *arena, th_slice *out);

#endif
