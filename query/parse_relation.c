/* SPDX-License-Identifier: Apache-2.0
 * FROM: tables, derived tables, UNNEST, LATERAL, joins, aliases. */
#include "query/parser.h"

static th_err new_relation(parser *p, ast_relation_kind kind, ast_relation **out)
{
    ast_relation *r = parser_new(p, sizeof *r);
    if (r == NULL) return parser_no_memory(p);
    *r = (ast_relation){.kind = kind, .line = p->token.line, .column = p->token.column, .depth = 1};
    *out = r;
    return TH_OK;
}

static void deepen(ast_relation *r, uint32_t part)
{
    if (part >= r->depth) r->depth = part + 1;
}

/* Words that are no aliases because a clause begins with them. */
static bool at_alias(const parser *p)
{
    if (!parser_at_name(p)) return false;
    lex_token next = parser_peek(p);
    bool paren = next.kind == LEX_OP && next.op == '(';
    switch (p->token.keyword) {
    case KW_LIMIT: return next.kind != LEX_INTEGER && next.keyword != KW_ALL && next.op != '?';
    case KW_OFFSET: return next.kind != LEX_INTEGER && next.op != '?';
    case KW_FETCH: return next.keyword != KW_FIRST && next.keyword != KW_NEXT;
    case KW_WINDOW: return next.kind != LEX_WORD;
    case KW_TABLESAMPLE: return next.keyword != KW_BERNOULLI && next.keyword != KW_SYSTEM;
    case KW_MATCH_RECOGNIZE: return !paren;
    default: return true;
    }
}

static th_err alias(parser *p, ast_relation *r)
{
    bool as = parser_take(p, KW_AS);
    if (!as && !at_alias(p)) return TH_OK;
    TH_TRY(parser_name(p, &r->alias));
    if (parser_is_op(p, '(')) TH_TRY(parser_name_list(p, &r->alias_count, &r->aliases));
    return TH_OK;
}

static th_err not_supported(parser *p, const char *what)
{
    return th_fail_at(p->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", p->token.line, p->token.column,
                      "%s is not supported", what);
}

static th_err sample_and_alias(parser *p, ast_relation *r)
{
    if (parser_is(p, KW_MATCH_RECOGNIZE) && !at_alias(p))
        return not_supported(p, "MATCH_RECOGNIZE");
    TH_TRY(alias(p, r));
    if (parser_is(p, KW_MATCH_RECOGNIZE) && parser_peek(p).op == '(')
        return not_supported(p, "MATCH_RECOGNIZE");
    if (!parser_take(p, KW_TABLESAMPLE)) return TH_OK;
    r->sample_system = parser_is(p, KW_SYSTEM);
    if (!parser_is(p, KW_SYSTEM) && !parser_is(p, KW_BERNOULLI))
        return parser_mismatch(p, "'BERNOULLI', 'SYSTEM'");
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_expr(p, &r->sample));
    deepen(r, r->sample->depth);
    return parser_expect_op(p, ')');
}

/* FOR TIMESTAMP|VERSION AS OF expr */
static th_err as_of(parser *p, ast_relation *r)
{
    if (!parser_take(p, KW_FOR)) return TH_OK;
    r->as_of_version = parser_is(p, KW_VERSION);
    if (!parser_is(p, KW_VERSION) && !parser_is(p, KW_TIMESTAMP)) {
        return parser_mismatch(p, "'TIMESTAMP', 'VERSION'");
    }
    parser_advance(p);
    TH_TRY(parser_expect(p, KW_AS));
    TH_TRY(parser_expect(p, KW_OF));
    TH_TRY(parser_value_expr(p, &r->as_of));
    deepen(r, r->as_of->depth);
    return TH_OK;
}

static bool table_word(parser *p)
{
    lex copy = p->lexer;
    lex_token t;
    if (!query_lex_table_word(&copy, &p->token, &t)) return false;
    p->lexer = copy;
    p->token = t;
    return true;
}

static th_err table_part(parser *p, pointers *parts)
{
    ast_name *name = parser_new(p, sizeof *name);
    if (name == NULL) return parser_no_memory(p);
    bool bare = (p->token.kind == LEX_WORD || p->token.kind == LEX_INTEGER ||
                 p->token.kind == LEX_DECIMAL || p->token.kind == LEX_DOUBLE ||
                 p->token.kind == LEX_DIGIT_WORD) &&
                table_word(p);
    if (bare) {
        *name = (ast_name){p->token.text, false, p->token.line, p->token.column};
        parser_advance(p);
    } else {
        TH_TRY(parser_name(p, name));
    }
    return parser_push(p, parts, name);
}

static th_err table(parser *p, ast_relation **out)
{
    ast_relation *r;
    TH_TRY(new_relation(p, AST_TABLE, &r));
    *out = r;
    pointers parts = {0};
    do {
        TH_TRY(table_part(p, &parts));
    } while (parser_take_op(p, '.'));
    r->name.count = parts.count;
    TH_TRY(parser_pack(p, &parts, sizeof(ast_name), &r->name.parts));
    TH_TRY(as_of(p, r));
    return sample_and_alias(p, r);
}

static th_err derived(parser *p, ast_relation_kind kind, ast_query *query, ast_relation **out)
{
    ast_relation *r;
    TH_TRY(new_relation(p, kind, &r));
    r->line = query->line;
    r->column = query->column;
    r->query = query;
    deepen(r, query->depth);
    *out = r;
    return sample_and_alias(p, r);
}

static th_err unnest(parser *p, ast_relation **out)
{
    ast_relation *r;
    TH_TRY(new_relation(p, AST_UNNEST, &r));
    *out = r;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_expr_list(p, &r->exprs));
    for (uint32_t i = 0; i < r->exprs.count; i++) deepen(r, r->exprs.items[i]->depth);
    TH_TRY(parser_expect_op(p, ')'));
    if (parser_is(p, KW_WITH)) {
        parser_advance(p);
        TH_TRY(parser_expect(p, KW_ORDINALITY));
        r->ordinality = true;
    }
    return sample_and_alias(p, r);
}

static th_err lateral(parser *p, ast_relation **out)
{
    ast_query *query;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_query(p, &query));
    TH_TRY(parser_expect_op(p, ')'));
    return derived(p, AST_LATERAL, query, out);
}

/* ( query ) or ( relation ); what begins with (( is a relation until it goes on as a query. */
static th_err paren(parser *p, ast_relation **out)
{
    ast_query *query;
    parser_advance(p);
    if (parser_at_query(p)) {
        TH_TRY(parser_query(p, &query));
        TH_TRY(parser_expect_op(p, ')'));
        return derived(p, AST_DERIVED, query, out);
    }
    TH_TRY(parser_relation(p, out));
    ast_relation *inner = *out;
    if (inner->kind == AST_DERIVED && inner->alias.text.size == 0 && parser_at_query_tail(p)) {
        TH_TRY(parser_query_rest(p, inner->query, &query));
        TH_TRY(parser_expect_op(p, ')'));
        return derived(p, AST_DERIVED, query, out);
    }
    TH_TRY(parser_expect_op(p, ')'));
    if (inner->alias.text.size > 0 || inner->kind == AST_JOIN) {
        return parser_is(p, KW_AS) || at_alias(p) ? parser_mismatch(p, "<end of relation>") : TH_OK;
    }
    return alias(p, inner);
}

static th_err primary(parser *p, ast_relation **out)
{
    lex_token next = parser_peek(p);
    bool call = next.kind == LEX_OP && next.op == '(';
    if (parser_is_op(p, '(')) return paren(p, out);
    if (parser_is(p, KW_UNNEST)) return unnest(p, out);
    if (parser_is(p, KW_LATERAL) && call) return lateral(p, out);
    if (parser_is(p, KW_TABLE) && call) return not_supported(p, "A table function");
    if (parser_is(p, KW_JSON_TABLE)) return not_supported(p, "JSON_TABLE");
    bool name = parser_at_name(p) || p->token.kind == LEX_INTEGER ||
                p->token.kind == LEX_DIGIT_WORD || p->token.kind == LEX_DOUBLE ||
                p->token.kind == LEX_DECIMAL;
    if (!name) return parser_mismatch(p, "'(', 'LATERAL', 'UNNEST', <identifier>");
    return table(p, out);
}

static bool join_kind(parser *p, ast_join *kind)
{
    switch (p->token.keyword) {
    case KW_CROSS: *kind = AST_CROSS; break;
    case KW_INNER:
    case KW_JOIN: *kind = AST_INNER; break;
    case KW_LEFT: *kind = AST_LEFT; break;
    case KW_RIGHT: *kind = AST_RIGHT; break;
    case KW_FULL: *kind = AST_FULL; break;
    default: return false;
    }
    if (parser_take(p, KW_JOIN)) return true;
    parser_advance(p);
    if (*kind != AST_CROSS && *kind != AST_INNER) parser_take(p, KW_OUTER);
    return true;
}

static th_err join_condition(parser *p, ast_relation *join)
{
    if (join->natural || join->join == AST_CROSS) return TH_OK;
    if (parser_take(p, KW_USING)) return parser_name_list(p, &join->using_count, &join->using);
    if (!parser_take(p, KW_ON)) return parser_mismatch(p, "'ON', 'USING'");
    TH_TRY(parser_expr(p, &join->on));
    deepen(join, join->on->depth);
    return TH_OK;
}

static th_err join(parser *p, ast_relation **left, bool *more)
{
    ast_relation *node;
    TH_TRY(new_relation(p, AST_JOIN, &node));
    node->natural = parser_take(p, KW_NATURAL);
    lex_keyword word = p->token.keyword;
    *more = join_kind(p, &node->join);
    if (!*more)
        return node->natural ? parser_mismatch(p, "'FULL', 'INNER', 'JOIN', 'LEFT', 'RIGHT'")
                             : TH_OK;
    if (word != KW_JOIN) TH_TRY(parser_expect(p, KW_JOIN));
    node->left = *left;
    /* A JOIN B JOIN C ON .. ON ..: the right side of a join with a condition may itself be joined. */
    TH_TRY(primary(p, &node->right));
    bool inner_more = node->join != AST_CROSS && !node->natural && !parser_is(p, KW_ON) &&
                      !parser_is(p, KW_USING);
    TH_TRY(parser_enter(p));
    while (inner_more && !parser_is(p, KW_ON) && !parser_is(p, KW_USING)) {
        TH_TRY(join(p, &node->right, &inner_more));
    }
    parser_leave(p);
    TH_TRY(join_condition(p, node));
    deepen(node, node->left->depth);
    deepen(node, node->right->depth);
    *left = node;
    return parser_check_depth(p, node->depth);
}

th_err parser_relation(parser *p, ast_relation **out)
{
    TH_TRY(parser_enter(p));
    TH_TRY(primary(p, out));
    for (bool more = true; more;) TH_TRY(join(p, out, &more));
    parser_leave(p);
    return TH_OK;
}

th_err parser_from(parser *p, ast_relation **out)
{
    TH_TRY(parser_relation(p, out));
    while (parser_is_op(p, ',')) {
        ast_relation *node;
        TH_TRY(new_relation(p, AST_JOIN, &node));
        parser_advance(p);
        node->join = AST_IMPLICIT;
        node->left = *out;
        TH_TRY(parser_relation(p, &node->right));
        deepen(node, node->left->depth);
        deepen(node, node->right->depth);
        TH_TRY(parser_check_depth(p, node->depth));
        *out = node;
    }
    return TH_OK;
}
