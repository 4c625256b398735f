/* SPDX-License-Identifier: Apache-2.0
 * ORDER BY lists, window specifications and frames. */
#include "query/parser.h"

static th_err one_sort(parser *p, ast_sort *out)
{
    TH_TRY(parser_expr(p, &out->expr));
    out->descending = parser_is(p, KW_DESC);
    if (parser_is(p, KW_ASC) || parser_is(p, KW_DESC)) parser_advance(p);
    if (!parser_take(p, KW_NULLS)) return TH_OK;
    out->nulls_first = parser_is(p, KW_FIRST);
    if (!parser_is(p, KW_FIRST) && !parser_is(p, KW_LAST))
        return parser_mismatch(p, "'FIRST', 'LAST'");
    parser_advance(p);
    return TH_OK;
}

th_err parser_sorts(parser *p, uint32_t *count, ast_sort **out)
{
    pointers list = {0};
    do {
        ast_sort *sort = parser_new(p, sizeof *sort);
        if (sort == NULL) return parser_no_memory(p);
        TH_TRY(one_sort(p, sort));
        TH_TRY(parser_push(p, &list, sort));
    } while (parser_take_op(p, ','));
    *count = list.count;
    return parser_pack(p, &list, sizeof(ast_sort), out);
}

static th_err frame_bound(parser *p, ast_bound_kind *kind, ast_expr **value)
{
    bool unbounded = parser_is(p, KW_UNBOUNDED);
    if (parser_is(p, KW_CURRENT) && parser_peek(p).keyword == KW_ROW) {
        parser_advance(p);
        parser_advance(p);
        *kind = AST_CURRENT_ROW;
        return TH_OK;
    }
    if (unbounded)
        parser_advance(p);
    else
        TH_TRY(parser_expr(p, value));
    bool preceding = parser_is(p, KW_PRECEDING);
    if (!preceding && !parser_is(p, KW_FOLLOWING))
        return parser_mismatch(p, "'FOLLOWING', 'PRECEDING'");
    parser_advance(p);
    *kind = preceding ? (unbounded ? AST_UNBOUNDED_PRECEDING : AST_PRECEDING)
                      : (unbounded ? AST_UNBOUNDED_FOLLOWING : AST_FOLLOWING);
    return TH_OK;
}

static th_err frame(parser *p, ast_window *w)
{
    if (parser_is(p, KW_ROWS))
        w->unit = AST_FRAME_ROWS;
    else if (parser_is(p, KW_RANGE))
        w->unit = AST_FRAME_RANGE;
    else if (parser_is(p, KW_GROUPS))
        w->unit = AST_FRAME_GROUPS;
    else
        return TH_OK;
    parser_advance(p);
    w->end = AST_CURRENT_ROW;
    if (!parser_take(p, KW_BETWEEN)) return frame_bound(p, &w->start, &w->start_value);
    TH_TRY(frame_bound(p, &w->start, &w->start_value));
    TH_TRY(parser_expect(p, KW_AND));
    return frame_bound(p, &w->end, &w->end_value);
}

static bool at_frame_or_clause(const parser *p)
{
    return parser_is(p, KW_PARTITION) || parser_is(p, KW_ROWS) || parser_is(p, KW_RANGE) ||
           parser_is(p, KW_GROUPS);
}

th_err parser_window_spec(parser *p, ast_window **out)
{
    ast_window *w = parser_new(p, sizeof *w);
    if (w == NULL) return parser_no_memory(p);
    w->line = p->token.line;
    w->column = p->token.column;
    TH_TRY(parser_expect_op(p, '('));
    if (parser_at_name(p) && !at_frame_or_clause(p)) {
        ast_name name;
        TH_TRY(parser_name(p, &name));
        w->name = name.text;
    }
    if (parser_take(p, KW_PARTITION)) {
        TH_TRY(parser_expect(p, KW_BY));
        TH_TRY(parser_expr_list(p, &w->partition));
    }
    if (parser_take(p, KW_ORDER)) {
        TH_TRY(parser_expect(p, KW_BY));
        TH_TRY(parser_sorts(p, &w->sort_count, &w->sorts));
    }
    TH_TRY(frame(p, w));
    if (!parser_is_op(p, ')'))
        return parser_mismatch(p, "')', 'ORDER', 'PARTITION', 'RANGE', 'ROWS'");
    parser_advance(p);
    *out = w;
    return TH_OK;
}

th_err parser_window(parser *p, ast_window **out)
{
    if (!parser_at_name(p)) return parser_window_spec(p, out);
    ast_window *w = parser_new(p, sizeof *w);
    if (w == NULL) return parser_no_memory(p);
    ast_name name;
    TH_TRY(parser_name(p, &name));
    w->name = name.text;
    w->line = name.line;
    w->column = name.column;
    *out = w;
    return TH_OK;
}
