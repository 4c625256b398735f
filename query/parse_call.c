/* SPDX-License-Identifier: Apache-2.0
 * Function calls: the ordinary form with DISTINCT, ORDER BY, FILTER and OVER, and the forms that SQL spells with
 * words: EXTRACT(x FROM y), TRIM(BOTH FROM x), CURRENT_DATE. */
#include "query/parser.h"

static void deepen(ast_expr *e, const ast_expr *part)
{
    if (part != NULL && part->depth >= e->depth) e->depth = part->depth + 1;
}

static th_err call_suffix(parser *p, ast_call *call)
{
    if (parser_is(p, KW_FILTER) && parser_peek(p).op == '(') {
        parser_advance(p);
        parser_advance(p);
        TH_TRY(parser_expect(p, KW_WHERE));
        TH_TRY(parser_expr(p, &call->filter));
        TH_TRY(parser_expect_op(p, ')'));
    }
    if ((parser_is(p, KW_IGNORE) || parser_is(p, KW_RESPECT)) &&
        parser_peek(p).keyword == KW_NULLS) {
        call->ignore_nulls = parser_is(p, KW_IGNORE);
        parser_advance(p);
        parser_advance(p);
        if (!parser_is(p, KW_OVER)) return parser_mismatch(p, "'OVER'");
    }
    if (!parser_is(p, KW_OVER)) return TH_OK;
    parser_advance(p);
    return parser_window(p, &call->over);
}

static th_err one_arg(parser *p, pointers *args)
{
    lex_token next = parser_peek(p);
    if (next.kind == LEX_OP && next.op == LEX_FAT_ARROW) {
        return th_fail_at(p->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", p->token.line, p->token.column,
                          "Named arguments are not supported");
    }
    ast_expr *e;
    TH_TRY(parser_expr(p, &e));
    return parser_push(p, args, e);
}

static th_err call_args(parser *p, ast_call *call, pointers *args)
{
    if (parser_is_op(p, '*')) {
        call->star = true;
        parser_advance(p);
        return TH_OK;
    }
    if (parser_is(p, KW_DISTINCT) || parser_is(p, KW_ALL)) {
        call->distinct = parser_is(p, KW_DISTINCT);
        parser_advance(p);
    }
    if (!parser_is_op(p, ')')) {
        do {
            TH_TRY(one_arg(p, args));
        } while (parser_take_op(p, ','));
    }
    if (!parser_take(p, KW_ORDER)) return TH_OK;
    TH_TRY(parser_expect(p, KW_BY));
    return parser_sorts(p, &call->sort_count, &call->sorts);
}

static th_err finish_call(parser *p, ast_expr *e, const pointers *args)
{
    ast_call *call = e->call;
    for (uint32_t i = 0; i < call->sort_count; i++) deepen(e, call->sorts[i].expr);
    deepen(e, call->filter);
    if (call->over != NULL) {
        for (uint32_t i = 0; i < call->over->partition.count; i++)
            deepen(e, call->over->partition.items[i]);
        for (uint32_t i = 0; i < call->over->sort_count; i++) deepen(e, call->over->sorts[i].expr);
    }
    TH_TRY(parser_adopt_list(p, e, args));
    call->args = (ast_list){e->child_count, e->children};
    return TH_OK;
}

static th_err within_group(parser *p, ast_call *call)
{
    if (!parser_is(p, KW_WITHIN)) return TH_OK;
    parser_advance(p);
    TH_TRY(parser_expect(p, KW_GROUP));
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_expect(p, KW_ORDER));
    TH_TRY(parser_expect(p, KW_BY));
    TH_TRY(parser_sorts(p, &call->sort_count, &call->sorts));
    return parser_expect_op(p, ')');
}

static th_err text_arg(parser *p, const lex_token *place, const char *text, pointers *args)
{
    ast_expr *e;
    TH_TRY(parser_expr_new(p, AST_STRING, place, &e));
    e->text = th_slice_text(text);
    return parser_push(p, args, e);
}

/* LISTAGG(x, s ON OVERFLOW TRUNCATE 'filler' WITH COUNT) becomes listagg(x, s, filler, true). */
static th_err overflow(parser *p, pointers *args)
{
    if (!parser_is(p, KW_ON)) return TH_OK;
    lex_token place = p->token;
    parser_advance(p);
    TH_TRY(parser_expect(p, KW_OVERFLOW));
    if (parser_take(p, KW_ERROR)) return TH_OK;
    if (!parser_take(p, KW_TRUNCATE)) return parser_mismatch(p, "'ERROR', 'TRUNCATE'");
    if (args->count == 1) TH_TRY(text_arg(p, &place, "", args));
    if (p->token.kind == LEX_STRING)
        TH_TRY(one_arg(p, args));
    else
        TH_TRY(text_arg(p, &place, "...", args));
    bool with = parser_is(p, KW_WITH);
    if (!with && !parser_is(p, KW_WITHOUT))
        return parser_mismatch(p, "'WITH', 'WITHOUT', <string>");
    parser_advance(p);
    if (p->token.kind != LEX_WORD || !th_slice_equal_nocase(p->token.text, TH_SLICE("count")))
        return parser_mismatch(p, "'COUNT'");
    parser_advance(p);
    ast_expr *e;
    TH_TRY(parser_expr_new(p, with ? AST_TRUE : AST_FALSE, &place, &e));
    return parser_push(p, args, e);
}

th_err parser_call(parser *p, const lex_token *place, const ast_path *name, ast_expr **out)
{
    ast_expr *e;
    TH_TRY(parser_expr_new(p, AST_CALL, place, &e));
    e->call = parser_new(p, sizeof *e->call);
    if (e->call == NULL) return parser_no_memory(p);
    e->call->name = *name;
    e->text = name->parts[name->count - 1].text;
    TH_TRY(parser_expect_op(p, '('));
    pointers args = {0};
    TH_TRY(call_args(p, e->call, &args));
    bool listagg = name->count == 1 && th_slice_equal_nocase(e->text, TH_SLICE("listagg"));
    if (listagg) TH_TRY(overflow(p, &args));
    if (!parser_is_op(p, ')'))
        return parser_mismatch(p, args.count > 0 ? "')', ','" : "')', <expression>");
    parser_advance(p);
    if (listagg && !parser_is(p, KW_WITHIN)) return parser_mismatch(p, "'WITHIN'");
    TH_TRY(within_group(p, e->call));
    TH_TRY(call_suffix(p, e->call));
    *out = e;
    return finish_call(p, e, &args);
}

th_err parser_simple_call(parser *p, const lex_token *place, const char *name, uint32_t count,
                          ast_expr *const *args, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, AST_CALL, place, out));
    ast_call *call = parser_new(p, sizeof *call);
    ast_name *part = parser_new(p, sizeof *part);
    if (call == NULL || part == NULL) return parser_no_memory(p);
    *part = (ast_name){th_slice_text(name), false, place->line, place->column};
    call->name = (ast_path){1, part};
    (*out)->call = call;
    (*out)->text = part->text;
    TH_TRY(parser_adopt(p, *out, count, args));
    call->args = (ast_list){count, (*out)->children};
    return TH_OK;
}

/* CURRENT_TIMESTAMP and its like: no parentheses, or a precision in them. */
static th_err current(parser *p, const char *name, bool with_precision, ast_expr **out)
{
    lex_token place = p->token;
    parser_advance(p);
    ast_expr *precision = NULL;
    if (with_precision && parser_take_op(p, '(')) {
        if (p->token.kind != LEX_INTEGER) return parser_mismatch(p, "<integer>");
        TH_TRY(parser_primary(p, &precision));
        TH_TRY(parser_expect_op(p, ')'));
    }
    return parser_simple_call(p, &place, name, precision != NULL, &precision, out);
}

static const char extract_fields[] =
    "YEAR, QUARTER, MONTH, WEEK, DAY, DAY_OF_MONTH, DAY_OF_WEEK, DOW, DAY_OF_YEAR, DOY, "
    "YEAR_OF_WEEK, YOW, HOUR, MINUTE, SECOND, TIMEZONE_HOUR, TIMEZONE_MINUTE";

static bool is_extract_field(th_slice name)
{
    size_t size;
    for (const char *at = extract_fields; *at != 0; at += size) {
        at += strspn(at, ", ");
        size = strcspn(at, ",");
        if (th_slice_equal_nocase(name, th_slice_of(at, size))) return true;
    }
    return false;
}

static th_err extract(parser *p, ast_expr **out)
{
    ast_expr *node, *value;
    TH_TRY(parser_expr_new(p, AST_EXTRACT, &p->token, &node));
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    ast_name name;
    TH_TRY(parser_name(p, &name));
    node->text = name.text;
    if (!is_extract_field(name.text))
        return th_fail_at(p->diag, TH_ESYNTAX, "SYNTAX_ERROR", node->line, node->column,
                          "Invalid EXTRACT field %.*s, valid fields are: %s",
                          (int)(name.text.size > 100 ? 100 : name.text.size),
                          (const char *)name.text.bytes, extract_fields);
    TH_TRY(parser_expect(p, KW_FROM));
    TH_TRY(parser_value_expr(p, &value));
    TH_TRY(parser_expect_op(p, ')'));
    *out = node;
    return parser_adopt(p, node, 1, &value);
}

/* TRIM([LEADING|TRAILING|BOTH] [what] FROM x), TRIM(x), TRIM(x, what) */
static th_err trim(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    const char *name = "trim";
    ast_expr *args[2] = {NULL, NULL};
    uint32_t count = 1;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    bool side = parser_is(p, KW_LEADING) || parser_is(p, KW_TRAILING) || parser_is(p, KW_BOTH);
    if (side) {
        name = parser_is(p, KW_LEADING) ? "ltrim" : parser_is(p, KW_TRAILING) ? "rtrim" : "trim";
        parser_advance(p);
    }
    if (!parser_is(p, KW_FROM)) TH_TRY(parser_value_expr(p, &args[0]));
    if (parser_take(p, KW_FROM)) {
        if (args[0] != NULL) {
            args[1] = args[0];
            count = 2;
        }
        TH_TRY(parser_value_expr(p, &args[0]));
    } else if (parser_take_op(p, ',')) {
        TH_TRY(parser_value_expr(p, &args[1]));
        count = 2;
    }
    TH_TRY(parser_expect_op(p, ')'));
    return parser_simple_call(p, &place, name, count, args, out);
}

/* SUBSTRING(x FROM a [FOR b]); with commas it is an ordinary call. */
static th_err substring(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    ast_expr *args[3] = {NULL};
    uint32_t count = 1;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_value_expr(p, &args[0]));
    bool words = parser_take(p, KW_FROM);
    if (words || parser_take_op(p, ',')) TH_TRY(parser_value_expr(p, &args[count++]));
    if (count == 2 && (words ? parser_take(p, KW_FOR) : parser_take_op(p, ','))) {
        TH_TRY(parser_value_expr(p, &args[count++]));
    }
    TH_TRY(parser_expect_op(p, ')'));
    return parser_simple_call(p, &place, "substring", count, args, out);
}

/* POSITION(needle IN text) is strpos(text, needle). */
static th_err position(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    ast_expr *args[2];
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_value_expr(p, &args[1]));
    TH_TRY(parser_expect(p, KW_IN));
    TH_TRY(parser_value_expr(p, &args[0]));
    TH_TRY(parser_expect_op(p, ')'));
    return parser_simple_call(p, &place, "strpos", 2, args, out);
}

static bool at_word(const parser *p, const char *word)
{
    return p->token.kind == LEX_WORD && th_slice_equal_nocase(p->token.text, th_slice_text(word));
}

/* OVERLAY(x PLACING y FROM a [FOR b]); with commas it is an ordinary call. */
static th_err overlay(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    ast_expr *args[4] = {NULL};
    uint32_t count = 2;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_value_expr(p, &args[0]));
    bool words = at_word(p, "PLACING");
    if (!words && !parser_is_op(p, ',')) return parser_mismatch(p, "'PLACING', ','");
    parser_advance(p);
    TH_TRY(parser_value_expr(p, &args[1]));
    TH_TRY(words ? parser_expect(p, KW_FROM) : parser_expect_op(p, ','));
    TH_TRY(parser_value_expr(p, &args[count++]));
    if (words ? parser_take(p, KW_FOR) : parser_take_op(p, ','))
        TH_TRY(parser_value_expr(p, &args[count++]));
    TH_TRY(parser_expect_op(p, ')'));
    return parser_simple_call(p, &place, "overlay", count, args, out);
}

static th_err normalize(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    ast_expr *args[2];
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_value_expr(p, &args[0]));
    TH_TRY(parser_expr_new(p, AST_STRING, &p->token, &args[1]));
    args[1]->text = TH_SLICE("NFC");
    if (parser_take_op(p, ',')) {
        bool form = parser_is(p, KW_NFC) || parser_is(p, KW_NFD) || parser_is(p, KW_NFKC) ||
                    parser_is(p, KW_NFKD);
        if (!form) return parser_mismatch(p, "'NFC', 'NFD', 'NFKC', 'NFKD'");
        args[1]->text = th_slice_text(query_keyword_name(p->token.keyword));
        parser_advance(p);
    }
    TH_TRY(parser_expect_op(p, ')'));
    return parser_simple_call(p, &place, "normalize", 2, args, out);
}

static th_err grouping(parser *p, ast_expr **out)
{
    ast_expr *node;
    TH_TRY(parser_expr_new(p, AST_GROUPING, &p->token, &node));
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    ast_list list = {0};
    TH_TRY(parser_expr_list(p, &list));
    TH_TRY(parser_expect_op(p, ')'));
    *out = node;
    return parser_adopt(p, node, list.count, list.items);
}

static th_err reserved_call(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    ast_name name = {p->token.text, false, place.line, place.column};
    ast_name *part = parser_new(p, sizeof *part);
    if (part == NULL) return parser_no_memory(p);
    *part = name;
    ast_path path = {1, part};
    parser_advance(p);
    return parser_call(p, &place, &path, out);
}

/* A call that begins with a word of the grammar. *done false: it is none, nothing was taken. */
th_err parser_special(parser *p, bool *done, ast_expr **out)
{
    *done = true;
    lex_token next = parser_peek(p);
    bool call = next.kind == LEX_OP && next.op == '(';
    switch (p->token.keyword) {
    case KW_CURRENT_DATE: return current(p, "current_date", false, out);
    case KW_CURRENT_TIME: return current(p, "current_time", true, out);
    case KW_CURRENT_TIMESTAMP: return current(p, "current_timestamp", true, out);
    case KW_LOCALTIME: return current(p, "localtime", true, out);
    case KW_LOCALTIMESTAMP: return current(p, "localtimestamp", true, out);
    case KW_CURRENT_USER: return current(p, "current_user", false, out);
    case KW_CURRENT_CATALOG: return current(p, "current_catalog", false, out);
    case KW_CURRENT_SCHEMA: return current(p, "current_schema", false, out);
    case KW_CURRENT_PATH: return current(p, "current_path", false, out);
    case KW_EXTRACT: return extract(p, out);
    case KW_TRIM: return trim(p, out);
    case KW_NORMALIZE: return normalize(p, out);
    case KW_GROUPING: return grouping(p, out);
    case KW_LISTAGG: return reserved_call(p, out);
    case KW_JSON_ARRAY:
    case KW_JSON_EXISTS:
    case KW_JSON_OBJECT:
    case KW_JSON_QUERY:
    case KW_JSON_VALUE: return parser_json(p, out);
    case KW_SUBSTRING:
        if (call) return substring(p, out);
        break;
    case KW_POSITION:
        if (call) return position(p, out);
        break;
    default:
        if (call && at_word(p, "overlay")) return overlay(p, out);
        break;
    }
    *done = false;
    return TH_OK;
}
