/* SPDX-License-Identifier: Apache-2.0
 * What the files of the parser share: the token stream, errors, lists. Private to parse*.c. */
#ifndef TH_QUERY_PARSER_H
#define TH_QUERY_PARSER_H

#include "base/arena.h"
#include "base/limits.h"
#include "query/ast.h"
#include "query/lex.h"
#include "query/stack.h"

typedef struct parser {
    th_arena *arena;
    th_diag *diag;
    lex lexer; /* behind token */
    lex_token token;
    const uint8_t *last_end; /* of the token taken before */
    uint32_t depth;
    uint32_t param_count;
    stack_guard stack;
} parser;

/* A list that grows while it is parsed; its memory is the arena's. */
typedef struct pointers {
    uint32_t count, capacity;
    void **items;
} pointers;

static inline bool parser_is(const parser *p, lex_keyword keyword)
{
    return p->token.keyword == keyword;
}
static inline bool parser_is_op(const parser *p, uint32_t op)
{
    return p->token.kind == LEX_OP && p->token.op == op;
}

void parser_advance(parser *p);
lex_token parser_peek(const parser *p);
bool parser_take(parser *p, lex_keyword keyword); /* advance when it is that */
bool parser_take_op(parser *p, uint32_t op);
th_err parser_expect(parser *p, lex_keyword keyword);
th_err parser_expect_op(parser *p, uint32_t op);
/* mismatched input at the current token; expecting as Trino writes it: "'FROM', <expression>". */
th_err parser_mismatch(parser *p, const char *expecting);
th_err parser_no_memory(parser *p);
/* Around everything that nests. */
th_err parser_enter(parser *p);
static inline void parser_leave(parser *p)
{
    p->depth--;
}
th_err parser_check_depth(parser *p, uint32_t depth);
void *parser_new(parser *p, size_t size); /* zeroed, or NULL */
th_err parser_push(parser *p, pointers *list, void *item);
/* Copy of structs that were pushed by pointer, as an array. */
th_err parser_pack(parser *p, const pointers *list, size_t size, void *out_array);

bool parser_at_name(const parser *p);
th_err parser_name(parser *p, ast_name *out);
th_err parser_path(parser *p, ast_path *out);
th_err parser_name_list(parser *p, uint32_t *count, const ast_name **out); /* (a, b) */
th_err parser_string(parser *p, th_slice *out);

/* parse_expr.c */
th_err parser_expr(parser *p, ast_expr **out);
th_err parser_value_expr(parser *p, ast_expr **out);
th_err parser_expr_new(parser *p, ast_kind kind, const lex_token *place, ast_expr **out);
/* Give it children; sets depth. */
th_err parser_adopt(parser *p, ast_expr *expr, uint32_t count, ast_expr *const *children);
th_err parser_adopt_list(parser *p, ast_expr *expr, const pointers *list);
th_err parser_expr_list(parser *p, ast_list *out); /* a, b, c: one or more */
/* parse_primary.c */
th_err parser_primary(parser *p, ast_expr **out);
/* parse_call.c */
th_err parser_call(parser *p, const lex_token *place, const ast_path *name, ast_expr **out);
th_err parser_simple_call(parser *p, const lex_token *place, const char *name, uint32_t count,
                          ast_expr *const *args, ast_expr **out);
th_err parser_special(parser *p, bool *done, ast_expr **out);
/* parse_json.c: at JSON_EXISTS and its like */
th_err parser_json(parser *p, ast_expr **out);
/* parse_window.c */
/* After WHEN of CASE x: a value, or a predicate without its left side, whose operand is an AST_OPERAND. */
th_err parser_when(parser *p, ast_expr **out);
th_err parser_window(parser *p, ast_window **out);               /* at '(' or a name */
th_err parser_window_spec(parser *p, ast_window **out);          /* at '(' */
th_err parser_sorts(parser *p, uint32_t *count, ast_sort **out); /* behind ORDER BY */
/* parse_type.c */
th_err parser_type(parser *p, th_slice *out);
/* parse_statement.c */
th_err parser_statement(parser *p, ast_statement **out);
/* The rest of the statement is not looked at. */
void parser_skip_statement(parser *p);
/* parse_words.c: words that are keywords in their place only, and names as Hive writes them. */
bool parser_is_word(const parser *p, const char *word);
bool parser_take_word(parser *p, const char *word);
th_err parser_expect_word(parser *p, const char *word);
/* A name, a reserved word, `name`, or one with digits and hyphens. */
th_err parser_hive_name(parser *p, ast_name *out);
/* The same with dots between; those inside backquotes part names as well. */
th_err parser_hive_path(parser *p, ast_path *out);
/* 'text' or, as Hive takes it, "text". */
th_err parser_hive_string(parser *p, th_slice *out);
/* ( 'key' = 'value', ... ); values may be any text up to the next comma. */
th_err parser_properties(parser *p, ast_properties *out);
bool parser_take_if_exists(parser *p);
bool parser_take_if_not_exists(parser *p);
/* parse_ddl.c: CREATE, DROP, ALTER, MSCK at their first word. *known false: not one of ours, nothing was taken. */
th_err parser_ddl(parser *p, ast_statement *s, bool *known);
/* parse_table.c: behind CREATE [EXTERNAL] TABLE; columns of ALTER TABLE, PARTITION clauses. */
th_err parser_create_table(parser *p, ast_statement *s);
th_err parser_columns(parser *p, ast_columns *out);
th_err parser_column(parser *p, ast_column *out);
/* parse_query.c */
th_err parser_query(parser *p, ast_query **out);
bool parser_at_query(const parser *p);      /* SELECT, WITH, VALUES, TABLE */
bool parser_at_query_tail(const parser *p); /* a set operation, ORDER, LIMIT, ... */
/* The query goes on behind ( first ). */
th_err parser_query_rest(parser *p, ast_query *first, ast_query **out);
/* parse_relation.c */
th_err parser_from(parser *p, ast_relation **out);
th_err parser_relation(parser *p, ast_relation **out);

#endif
