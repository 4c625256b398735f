/* SPDX-License-Identifier: Apache-2.0
 * SELECT ... FROM ... WHERE ... GROUP BY ... HAVING ... WINDOW. */
#include "query/parser.h"

th_err parser_select(parser *p, ast_body *body);

static void deepen(ast_body *body, uint32_t part)
{
    if (part >= body->depth) body->depth = part + 1;
}

static th_err item_alias(parser *p, ast_item *item)
{
    bool as = parser_take(p, KW_AS);
    if (as && item->star_of != NULL) return parser_name_list(p, &item->alias_count, &item->aliases);
    if (!as && (!parser_at_name(p) || item->star_of != NULL)) return TH_OK;
    return parser_name(p, &item->alias);
}

static th_err item(parser *p, ast_body *body, ast_item *out)
{
    out->line = p->token.line;
    out->column = p->token.column;
    if (parser_take_op(p, '*')) return TH_OK;
    TH_TRY(parser_expr(p, &out->expr));
    deepen(body, out->expr->depth);
    if (parser_is_op(p, '.')) {
        parser_advance(p);
        TH_TRY(parser_expect_op(p, '*'));
        out->star_of = out->expr;
        out->expr = NULL;
    }
    return item_alias(p, out);
}

static th_err items(parser *p, ast_body *body)
{
    pointers list = {0};
    do {
        ast_item *one = parser_new(p, sizeof *one);
        if (one == NULL) return parser_no_memory(p);
        TH_TRY(item(p, body, one));
        TH_TRY(parser_push(p, &list, one));
    } while (parser_take_op(p, ','));
    body->item_count = list.count;
    return parser_pack(p, &list, sizeof(ast_item), &body->items);
}

/* a | (a, b) | () as a set of grouping expressions */
static th_err group_set(parser *p, ast_body *body, ast_list *out)
{
    if (parser_is_op(p, '(')) {
        lex_token next = parser_peek(p);
        if (next.kind == LEX_OP && next.op == ')') {
            parser_advance(p);
            parser_advance(p);
            return TH_OK;
        }
    }
    ast_expr *e;
    TH_TRY(parser_expr(p, &e));
    deepen(body, e->depth);
    if (e->kind == AST_ROW) {
        *out = (ast_list){e->child_count, e->children};
        return TH_OK;
    }
    out->items = parser_new(p, sizeof *out->items);
    if (out->items == NULL) return parser_no_memory(p);
    out->items[0] = e;
    out->count = 1;
    return TH_OK;
}

static th_err group_sets(parser *p, ast_body *body, ast_group *group)
{
    TH_TRY(parser_expect_op(p, '('));
    pointers list = {0};
    if (!parser_is_op(p, ')') || group->kind == AST_GROUP_SETS) {
        do {
            ast_list *set = parser_new(p, sizeof *set);
            if (set == NULL) return parser_no_memory(p);
            TH_TRY(group_set(p, body, set));
            TH_TRY(parser_push(p, &list, set));
        } while (parser_take_op(p, ','));
    }
    TH_TRY(parser_expect_op(p, ')'));
    group->set_count = list.count;
    return parser_pack(p, &list, sizeof(ast_list), &group->sets);
}

static th_err group_element(parser *p, ast_body *body, ast_group *group)
{
    group->line = p->token.line;
    group->column = p->token.column;
    lex_token next = parser_peek(p);
    if (parser_is(p, KW_GROUPING) && next.keyword == KW_SETS) {
        parser_advance(p);
        group->kind = AST_GROUP_SETS;
    } else if (parser_is(p, KW_ROLLUP)) {
        group->kind = AST_GROUP_ROLLUP;
    } else if (parser_is(p, KW_CUBE)) {
        group->kind = AST_GROUP_CUBE;
    } else {
        group->set_count = 1;
        group->sets = parser_new(p, sizeof *group->sets);
        if (group->sets == NULL) return parser_no_memory(p);
        return group_set(p, body, group->sets);
    }
    parser_advance(p);
    return group_sets(p, body, group);
}

static th_err group_by(parser *p, ast_body *body)
{
    TH_TRY(parser_expect(p, KW_BY));
    if (parser_is(p, KW_ALL) || parser_is(p, KW_DISTINCT)) {
        body->group_distinct = parser_is(p, KW_DISTINCT);
        parser_advance(p);
    }
    pointers list = {0};
    do {
        ast_group *group = parser_new(p, sizeof *group);
        if (group == NULL) return parser_no_memory(p);
        TH_TRY(group_element(p, body, group));
        TH_TRY(parser_push(p, &list, group));
    } while (parser_take_op(p, ','));
    body->group_count = list.count;
    return parser_pack(p, &list, sizeof(ast_group), &body->groups);
}

static th_err windows(parser *p, ast_body *body)
{
    pointers list = {0};
    do {
        ast_named_window *one = parser_new(p, sizeof *one);
        if (one == NULL) return parser_no_memory(p);
        TH_TRY(parser_name(p, &one->name));
        TH_TRY(parser_expect(p, KW_AS));
        TH_TRY(parser_window_spec(p, &one->window));
        TH_TRY(parser_push(p, &list, one));
    } while (parser_take_op(p, ','));
    body->window_count = list.count;
    return parser_pack(p, &list, sizeof(ast_named_window), &body->windows);
}

th_err parser_select(parser *p, ast_body *body)
{
    parser_advance(p);
    body->distinct = parser_is(p, KW_DISTINCT);
    if (parser_is(p, KW_DISTINCT) || parser_is(p, KW_ALL)) parser_advance(p);
    TH_TRY(items(p, body));
    if (parser_take(p, KW_FROM)) {
        TH_TRY(parser_from(p, &body->from));
        deepen(body, body->from->depth);
    }
    if (parser_take(p, KW_WHERE)) {
        TH_TRY(parser_expr(p, &body->where));
        deepen(body, body->where->depth);
    }
    if (parser_take(p, KW_GROUP)) TH_TRY(group_by(p, body));
    if (parser_take(p, KW_HAVING)) {
        TH_TRY(parser_expr(p, &body->having));
        deepen(body, body->having->depth);
    }
    if (parser_is(p, KW_WINDOW) && parser_peek(p).kind == LEX_WORD) {
        parser_advance(p);
        TH_TRY(windows(p, body));
    }
    return parser_check_depth(p, body->depth);
}
