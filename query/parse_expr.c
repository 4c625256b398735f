/* SPDX-License-Identifier: Apache-2.0
 * Expressions with operators, by precedence climbing: one function for all levels, so that a level of nesting costs
 * little stack.
 *
 *   OR < AND < NOT < comparison, BETWEEN, IN, LIKE, IS < || < + - < * / % < unary < AT TIME ZONE */
#include "query/parser.h"

enum {
    LEVEL_OR = 1,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_PREDICATE,
    LEVEL_CONCAT,
    LEVEL_ADD,
    LEVEL_MULTIPLY,
    LEVEL_UNARY
};

static th_err parse_level(parser *p, uint32_t level, ast_expr **out);

th_err parser_expr_new(parser *p, ast_kind kind, const lex_token *place, ast_expr **out)
{
    ast_expr *e = parser_new(p, sizeof *e);
    if (e == NULL) return parser_no_memory(p);
    e->kind = kind;
    e->line = e->start_line = place->line;
    e->column = e->start_column = place->column;
    e->depth = 1;
    e->source = th_slice_of(place->text.bytes, place->text.size);
    *out = e;
    return TH_OK;
}

/* The source text goes from the earliest start of the expression and its children to the last token taken. */
static void widen_source(parser *p, ast_expr *e)
{
    const uint8_t *start = e->source.bytes;
    for (uint32_t i = 0; i < e->child_count; i++) {
        const ast_expr *child = e->children[i];
        if (child == NULL || child->source.bytes >= start) continue;
        start = child->source.bytes;
        e->start_line = child->start_line;
        e->start_column = child->start_column;
    }
    if (p->last_end >= start) e->source = th_slice_of(start, (size_t)(p->last_end - start));
}

th_err parser_adopt(parser *p, ast_expr *e, uint32_t count, ast_expr *const *children)
{
    e->children = th_arena_alloc(p->arena, count * sizeof *e->children);
    if (e->children == NULL) return parser_no_memory(p);
    if (count > 0) memcpy(e->children, children, count * sizeof *children);
    e->child_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (children[i]->depth >= e->depth) e->depth = children[i]->depth + 1;
    }
    widen_source(p, e);
    return parser_check_depth(p, e->depth);
}

th_err parser_adopt_list(parser *p, ast_expr *e, const pointers *list)
{
    return parser_adopt(p, e, list->count, (ast_expr *const *)list->items);
}

th_err parser_expr_list(parser *p, ast_list *out)
{
    pointers list = {0};
    do {
        ast_expr *e;
        TH_TRY(parser_expr(p, &e));
        TH_TRY(parser_push(p, &list, e));
    } while (parser_take_op(p, ','));
    out->count = list.count;
    out->items = (ast_expr **)list.items;
    return TH_OK;
}

th_err parser_expr(parser *p, ast_expr **out)
{
    return parse_level(p, LEVEL_OR, out);
}

th_err parser_value_expr(parser *p, ast_expr **out)
{
    return parse_level(p, LEVEL_CONCAT, out);
}

static th_err binary(parser *p, ast_kind kind, uint32_t next_level, ast_expr **left)
{
    lex_token op = p->token;
    parser_advance(p);
    ast_expr *pair[2] = {*left, NULL};
    TH_TRY(parse_level(p, next_level, &pair[1]));
    TH_TRY(parser_expr_new(p, kind, &op, left));
    (*left)->op = op.op;
    return parser_adopt(p, *left, 2, pair);
}

/* a OR b OR c is one node: long chains do not nest. */
static STACK_OWN_FRAME th_err logical(parser *p, ast_kind kind, lex_keyword keyword,
                                      uint32_t next_level, ast_expr **left)
{
    lex_token op = p->token;
    pointers list = {0};
    TH_TRY(parser_push(p, &list, *left));
    while (parser_take(p, keyword)) {
        ast_expr *e;
        TH_TRY(parse_level(p, next_level, &e));
        TH_TRY(parser_push(p, &list, e));
    }
    TH_TRY(parser_expr_new(p, kind, &op, left));
    return parser_adopt_list(p, *left, &list);
}

static bool at_word(const parser *p, const char *word)
{
    return p->token.kind == LEX_WORD && th_slice_equal_nocase(p->token.text, th_slice_text(word));
}

static th_err between(parser *p, ast_expr *e, ast_expr *value)
{
    ast_expr *three[3] = {value, NULL, NULL}, *ends[2];
    lex_token place = p->token;
    bool symmetric = at_word(p, "SYMMETRIC");
    if (symmetric || at_word(p, "ASYMMETRIC")) parser_advance(p);
    TH_TRY(parser_value_expr(p, &ends[0]));
    TH_TRY(parser_expect(p, KW_AND));
    TH_TRY(parser_value_expr(p, &ends[1]));
    three[1] = ends[0];
    three[2] = ends[1];
    if (symmetric) { /* the smaller end first */
        TH_TRY(parser_simple_call(p, &place, "least", 2, ends, &three[1]));
        TH_TRY(parser_simple_call(p, &place, "greatest", 2, ends, &three[2]));
    }
    e->kind = AST_BETWEEN;
    return parser_adopt(p, e, 3, three);
}

static th_err overlaps(parser *p, ast_expr **out, ast_expr *value)
{
    lex_token place = p->token;
    ast_expr *pair[2] = {value, NULL};
    parser_advance(p);
    TH_TRY(parser_value_expr(p, &pair[1]));
    return parser_simple_call(p, &place, "$overlaps", 2, pair, out);
}

static th_err like(parser *p, ast_expr *e, ast_expr *value)
{
    ast_expr *three[3] = {value, NULL, NULL};
    TH_TRY(parser_value_expr(p, &three[1]));
    bool escape = parser_take(p, KW_ESCAPE);
    if (escape) TH_TRY(parser_value_expr(p, &three[2]));
    e->kind = AST_LIKE;
    return parser_adopt(p, e, escape ? 3 : 2, three);
}

static th_err in_list(parser *p, ast_expr *e, ast_expr *value)
{
    TH_TRY(parser_expect_op(p, '('));
    if (parser_at_query(p)) {
        e->kind = AST_IN_QUERY;
        TH_TRY(parser_query(p, &e->query));
        TH_TRY(parser_expect_op(p, ')'));
        e->depth = e->query->depth + 1;
        return parser_adopt(p, e, 1, &value);
    }
    pointers list = {0};
    TH_TRY(parser_push(p, &list, value));
    do {
        ast_expr *item;
        TH_TRY(parser_expr(p, &item));
        TH_TRY(parser_push(p, &list, item));
    } while (parser_take_op(p, ','));
    if (!parser_is_op(p, ')')) return parser_mismatch(p, "')', ','");
    parser_advance(p);
    e->kind = AST_IN;
    return parser_adopt_list(p, e, &list);
}

static th_err is_something(parser *p, ast_expr *e, ast_expr *value)
{
    e->negated = parser_take(p, KW_NOT);
    bool unknown =
        p->token.kind == LEX_WORD && th_slice_equal_nocase(p->token.text, TH_SLICE("unknown"));
    if (unknown || parser_is(p, KW_NULL)) {
        parser_advance(p);
        e->kind = AST_IS_NULL;
        return parser_adopt(p, e, 1, &value);
    }
    if (parser_is(p, KW_TRUE) || parser_is(p, KW_FALSE)) { /* IS TRUE: IS NOT DISTINCT FROM TRUE */
        ast_expr *truth[2] = {value, NULL};
        TH_TRY(parser_primary(p, &truth[1]));
        e->kind = AST_DISTINCT;
        e->negated = !e->negated;
        return parser_adopt(p, e, 2, truth);
    }
    if (!parser_take(p, KW_DISTINCT))
        return parser_mismatch(p, e->negated ? "'DISTINCT', 'NULL'" : "'DISTINCT', 'NOT', 'NULL'");
    TH_TRY(parser_expect(p, KW_FROM));
    ast_expr *pair[2] = {value, NULL};
    TH_TRY(parser_value_expr(p, &pair[1]));
    e->kind = AST_DISTINCT;
    return parser_adopt(p, e, 2, pair);
}

static th_err word_predicate(parser *p, ast_expr **left)
{
    ast_expr *value = *left, *e = NULL;
    TH_TRY(parser_expr_new(p, AST_BETWEEN, &p->token, &e));
    *left = e;
    if (parser_take(p, KW_IS)) return is_something(p, e, value);
    e->negated = parser_take(p, KW_NOT);
    if (parser_take(p, KW_BETWEEN)) return between(p, e, value);
    if (parser_take(p, KW_IN)) return in_list(p, e, value);
    if (parser_take(p, KW_LIKE)) return like(p, e, value);
    if (!e->negated && at_word(p, "OVERLAPS")) return overlaps(p, left, value);
    return parser_mismatch(p, "'BETWEEN', 'IN', 'LIKE'");
}

/* value op ALL|ANY|SOME ( query ); the operator is p->token, the quantifier behind it. */
static th_err quantified(parser *p, ast_expr **left)
{
    ast_expr *value = *left, *e = NULL;
    TH_TRY(parser_expr_new(p, AST_QUANTIFIED, &p->token, &e));
    e->op = p->token.op;
    parser_advance(p);
    e->quantifier = parser_is(p, KW_ALL) ? AST_ALL : AST_ANY;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_query(p, &e->query));
    TH_TRY(parser_expect_op(p, ')'));
    e->depth = e->query->depth + 1;
    *left = e;
    return parser_adopt(p, e, 1, &value);
}

static bool at_comparison(const parser *p)
{
    uint32_t op = p->token.op;
    return p->token.kind == LEX_OP &&
           (op == '=' || op == '<' || op == '>' || op == LEX_NE || op == LEX_LE || op == LEX_GE);
}

static STACK_OWN_FRAME th_err predicate(parser *p, ast_expr **left)
{
    if (!at_comparison(p)) {
        bool word = parser_is(p, KW_IS) || parser_is(p, KW_NOT) || parser_is(p, KW_BETWEEN) ||
                    parser_is(p, KW_IN) || parser_is(p, KW_LIKE) || at_word(p, "OVERLAPS");
        return word ? word_predicate(p, left) : TH_OK;
    }
    lex_token next = parser_peek(p);
    if (next.keyword == KW_ALL || next.keyword == KW_ANY || next.keyword == KW_SOME)
        return quantified(p, left);
    return binary(p, AST_COMPARE, LEVEL_CONCAT, left);
}

static bool at_half_predicate(parser *p)
{
    lex_token next = parser_peek(p);
    bool word = parser_is(p, KW_BETWEEN) || parser_is(p, KW_IN) || parser_is(p, KW_LIKE) ||
                parser_is(p, KW_IS);
    bool not_word = parser_is(p, KW_NOT) && (next.keyword == KW_BETWEEN || next.keyword == KW_IN ||
                                             next.keyword == KW_LIKE);
    return word || not_word || at_comparison(p);
}

th_err parser_when(parser *p, ast_expr **out)
{
    if (!at_half_predicate(p)) return parser_expr(p, out);
    TH_TRY(parser_expr_new(p, AST_OPERAND, &p->token, out));
    return predicate(p, out);
}

static STACK_OWN_FRAME th_err at_time_zone(parser *p, ast_expr **left)
{
    while (parser_is(p, KW_AT)) {
        lex_token op = p->token, next = parser_peek(p);
        bool local = next.kind == LEX_WORD && th_slice_equal_nocase(next.text, TH_SLICE("LOCAL"));
        if (!local && next.keyword != KW_TIME) return TH_OK;
        parser_advance(p);
        parser_advance(p);
        ast_expr *pair[2] = {*left, NULL};
        if (local) {
            TH_TRY(parser_simple_call(p, &op, "current_timezone", 0, NULL, &pair[1]));
        } else {
            TH_TRY(parser_expect(p, KW_ZONE));
            TH_TRY(parser_primary(p, &pair[1]));
        }
        TH_TRY(parser_expr_new(p, AST_AT_TIME_ZONE, &op, left));
        TH_TRY(parser_adopt(p, *left, 2, pair));
    }
    return TH_OK;
}

/* NOT, - and + before an operand; runs of them nest only in the tree. */
static th_err prefix(parser *p, uint32_t level, ast_expr **out)
{
    lex_token op = p->token;
    bool negation = parser_is(p, KW_NOT) && level <= LEVEL_NOT;
    if (!negation && !parser_is_op(p, '-') && !parser_is_op(p, '+')) {
        TH_TRY(parser_primary(p, out));
        return at_time_zone(p, out);
    }
    parser_advance(p);
    ast_expr *operand;
    TH_TRY(parse_level(p, negation ? LEVEL_NOT : LEVEL_UNARY, &operand));
    TH_TRY(parser_expr_new(p, negation ? AST_NOT : op.op == '-' ? AST_NEGATE : AST_PLUS, &op, out));
    return parser_adopt(p, *out, 1, &operand);
}

static uint32_t arithmetic_level(const parser *p)
{
    if (p->token.kind != LEX_OP) return 0;
    switch (p->token.op) {
    case LEX_CONCAT: return LEVEL_CONCAT;
    case '+':
    case '-': return LEVEL_ADD;
    case '*':
    case '/':
    case '%': return LEVEL_MULTIPLY;
    default: return 0;
    }
}

static STACK_OWN_FRAME th_err arithmetic(parser *p, uint32_t level, ast_expr **left)
{
    for (uint32_t found; (found = arithmetic_level(p)) != 0 && found >= level;) {
        TH_TRY(binary(p, AST_ARITHMETIC, found + 1, left));
    }
    return TH_OK;
}

static th_err parse_level(parser *p, uint32_t level, ast_expr **out)
{
    TH_TRY(parser_enter(p));
    bool negation = parser_is(p, KW_NOT);
    TH_TRY(prefix(p, level, out));
    if (level <= LEVEL_MULTIPLY && !(negation && (*out)->kind == AST_NOT))
        TH_TRY(arithmetic(p, level, out));
    if (level <= LEVEL_PREDICATE && !(negation && (*out)->kind == AST_NOT))
        TH_TRY(predicate(p, out));
    if (level <= LEVEL_AND && parser_is(p, KW_AND))
        TH_TRY(logical(p, AST_AND, KW_AND, LEVEL_NOT, out));
    if (level <= LEVEL_OR && parser_is(p, KW_OR)) TH_TRY(logical(p, AST_OR, KW_OR, LEVEL_AND, out));
    parser_leave(p);
    return TH_OK;
}
