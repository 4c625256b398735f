/* SPDX-License-Identifier: Apache-2.0
 * Queries: WITH, set operations, ORDER BY and LIMIT. INTERSECT binds tighter than UNION and EXCEPT. */
#include "query/parser.h"

/* parse_select.c */
th_err parser_select(parser *p, ast_body *body);

bool parser_at_query(const parser *p)
{
    if (parser_is(p, KW_SELECT) || parser_is(p, KW_VALUES) || parser_is(p, KW_TABLE)) return true;
    return parser_is(p, KW_WITH);
}

bool parser_at_query_tail(const parser *p)
{
    return parser_is(p, KW_UNION) || parser_is(p, KW_INTERSECT) || parser_is(p, KW_EXCEPT) ||
           parser_is(p, KW_ORDER) || parser_is(p, KW_LIMIT) || parser_is(p, KW_OFFSET) ||
           parser_is(p, KW_FETCH);
}

static void deepen(uint32_t *depth, uint32_t part)
{
    if (part >= *depth) *depth = part + 1;
}

static th_err new_body(parser *p, ast_body_kind kind, const lex_token *place, ast_body **out)
{
    ast_body *body = parser_new(p, sizeof *body);
    if (body == NULL) return parser_no_memory(p);
    *body = (ast_body){.kind = kind, .line = place->line, .column = place->column, .depth = 1};
    *out = body;
    return TH_OK;
}

static th_err values(parser *p, ast_body *body)
{
    parser_advance(p);
    TH_TRY(parser_expr_list(p, &body->rows));
    for (uint32_t i = 0; i < body->rows.count; i++)
        deepen(&body->depth, body->rows.items[i]->depth);
    return TH_OK;
}

static th_err nested(parser *p, ast_body *body)
{
    parser_advance(p);
    TH_TRY(parser_query(p, &body->nested));
    if (!parser_is_op(p, ')'))
        return parser_mismatch(p, "')', 'EXCEPT', 'INTERSECT', 'LIMIT', 'ORDER', 'UNION'");
    parser_advance(p);
    deepen(&body->depth, body->nested->depth);
    return parser_check_depth(p, body->depth);
}

static th_err primary(parser *p, ast_body **out)
{
    ast_body *body;
    TH_TRY(new_body(p, AST_SELECT, &p->token, &body));
    *out = body;
    if (parser_is(p, KW_SELECT)) return parser_select(p, body);
    if (parser_is(p, KW_VALUES)) {
        body->kind = AST_VALUES;
        return values(p, body);
    }
    if (parser_take(p, KW_TABLE)) {
        body->kind = AST_TABLE_BODY;
        return parser_path(p, &body->table);
    }
    if (!parser_is_op(p, '('))
        return parser_mismatch(p, "'(', 'SELECT', 'TABLE', 'VALUES', 'WITH'");
    body->kind = AST_NESTED;
    return nested(p, body);
}

static th_err set_operation(parser *p, ast_body **left, bool tight);

static th_err right_side(parser *p, bool tight, ast_body **out)
{
    TH_TRY(primary(p, out));
    return tight ? TH_OK : set_operation(p, out, true);
}

static th_err set_operation(parser *p, ast_body **left, bool tight)
{
    for (;;) {
        ast_body_kind kind = parser_is(p, KW_INTERSECT) ? AST_INTERSECT
                             : parser_is(p, KW_UNION)   ? AST_UNION
                                                        : AST_EXCEPT;
        if (tight ? !parser_is(p, KW_INTERSECT)
                  : !parser_is(p, KW_UNION) && !parser_is(p, KW_EXCEPT))
            return TH_OK;
        ast_body *node, *right;
        TH_TRY(new_body(p, kind, &p->token, &node));
        parser_advance(p);
        node->distinct = !parser_is(p, KW_ALL);
        if (parser_is(p, KW_ALL) || parser_is(p, KW_DISTINCT)) parser_advance(p);
        node->corresponding = parser_take(p, KW_CORRESPONDING);
        TH_TRY(right_side(p, tight, &right));
        node->left = *left;
        node->right = right;
        deepen(&node->depth, node->left->depth);
        deepen(&node->depth, right->depth);
        TH_TRY(parser_check_depth(p, node->depth));
        *left = node;
    }
}

static th_err with_one(parser *p, ast_with *with)
{
    TH_TRY(parser_name(p, &with->name));
    if (parser_is_op(p, '(')) TH_TRY(parser_name_list(p, &with->column_count, &with->columns));
    TH_TRY(parser_expect(p, KW_AS));
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_query(p, &with->query));
    return parser_expect_op(p, ')');
}

static th_err with_list(parser *p, ast_query *query)
{
    parser_advance(p);
    query->recursive = parser_take(p, KW_RECURSIVE);
    pointers list = {0};
    do {
        ast_with *with = parser_new(p, sizeof *with);
        if (with == NULL) return parser_no_memory(p);
        TH_TRY(with_one(p, with));
        deepen(&query->depth, with->query->depth);
        TH_TRY(parser_push(p, &list, with));
    } while (parser_take_op(p, ','));
    query->with_count = list.count;
    return parser_pack(p, &list, sizeof(ast_with), &query->with);
}

static th_err row_count(parser *p, ast_expr **out)
{
    if (p->token.kind != LEX_INTEGER && !parser_is_op(p, '?'))
        return parser_mismatch(p, "'?', <integer>");
    return parser_primary(p, out);
}

static th_err fetch(parser *p, ast_query *query)
{
    if (!parser_is(p, KW_FIRST) && !parser_is(p, KW_NEXT))
        return parser_mismatch(p, "'FIRST', 'NEXT'");
    parser_advance(p);
    if (p->token.kind == LEX_INTEGER || parser_is_op(p, '?')) {
        TH_TRY(row_count(p, &query->limit));
    } else {
        TH_TRY(parser_expr_new(p, AST_INTEGER, &p->token, &query->limit));
        query->limit->text = TH_SLICE("1");
    }
    if (!parser_is(p, KW_ROW) && !parser_is(p, KW_ROWS)) return parser_mismatch(p, "'ROW', 'ROWS'");
    parser_advance(p);
    if (parser_take(p, KW_ONLY)) return TH_OK;
    TH_TRY(parser_expect(p, KW_WITH));
    query->with_ties = true;
    return parser_expect(p, KW_TIES);
}

static th_err query_tail(parser *p, ast_query *query)
{
    if (parser_take(p, KW_ORDER)) {
        TH_TRY(parser_expect(p, KW_BY));
        TH_TRY(parser_sorts(p, &query->sort_count, &query->sorts));
        for (uint32_t i = 0; i < query->sort_count; i++)
            deepen(&query->depth, query->sorts[i].expr->depth);
    }
    if (parser_take(p, KW_OFFSET)) {
        TH_TRY(row_count(p, &query->offset));
        if (parser_is(p, KW_ROW) || parser_is(p, KW_ROWS)) parser_advance(p);
    }
    if (parser_take(p, KW_FETCH)) return fetch(p, query);
    if (!parser_take(p, KW_LIMIT)) return TH_OK;
    if (!parser_take(p, KW_ALL)) TH_TRY(row_count(p, &query->limit));
    if (parser_is(p, KW_OFFSET)) {
        parser_mismatch(p, "<EOF>");
        th_diag_hint(p->diag, "OFFSET stands before LIMIT");
        return TH_ESYNTAX;
    }
    return TH_OK;
}

static th_err finish_query(parser *p, ast_query *query)
{
    TH_TRY(set_operation(p, &query->body, true));
    TH_TRY(set_operation(p, &query->body, false));
    deepen(&query->depth, query->body->depth);
    TH_TRY(query_tail(p, query));
    return parser_check_depth(p, query->depth);
}

th_err parser_query(parser *p, ast_query **out)
{
    TH_TRY(parser_enter(p));
    ast_query *query = parser_new(p, sizeof *query);
    if (query == NULL) return parser_no_memory(p);
    *query = (ast_query){.line = p->token.line, .column = p->token.column, .depth = 1};
    if (parser_is(p, KW_WITH)) TH_TRY(with_list(p, query));
    TH_TRY(primary(p, &query->body));
    TH_TRY(finish_query(p, query));
    *out = query;
    parser_leave(p);
    return TH_OK;
}

th_err parser_query_rest(parser *p, ast_query *first, ast_query **out)
{
    ast_query *query = parser_new(p, sizeof *query);
    if (query == NULL) return parser_no_memory(p);
    *query = (ast_query){.line = first->line, .column = first->column, .depth = 1};
    TH_TRY(new_body(p, AST_NESTED, &p->token, &query->body));
    query->body->nested = first;
    query->body->line = first->line;
    query->body->column = first->column;
    query->body->depth = first->depth + 1;
    *out = query;
    return finish_query(p, query);
}
