/* SPDX-License-Identifier: Apache-2.0
 * Operands: literals, names, parentheses, CASE, constructors, lambdas, and what may follow them: .field and [index]. */
#include "query/parser.h"
#include "query/type.h"

static th_err text_literal(parser *p, ast_kind kind, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, kind, &p->token, out));
    parser_advance(p);
    return parser_adopt(p, *out, 0, NULL);
}

static STACK_OWN_FRAME th_err number(parser *p, ast_kind kind, ast_expr **out)
{
    th_slice raw = p->token.text;
    TH_TRY(text_literal(p, kind, out));
    uint8_t *digits = th_arena_alloc(p->arena, raw.size);
    if (digits == NULL) return parser_no_memory(p);
    size_t n = 0;
    for (size_t i = 0; i < raw.size; i++) {
        if (raw.bytes[i] != '_') digits[n++] = raw.bytes[i];
    }
    (*out)->text = th_slice_of(digits, n);
    return TH_OK;
}

static STACK_OWN_FRAME th_err string_literal(parser *p, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, AST_STRING, &p->token, out));
    TH_TRY(parser_string(p, &(*out)->text));
    return parser_adopt(p, *out, 0, NULL);
}

static STACK_OWN_FRAME th_err binary_literal(parser *p, ast_expr **out)
{
    lex_token t = p->token;
    TH_TRY(text_literal(p, AST_BINARY, out));
    bool bad_hex;
    if (query_lex_value(&t, p->arena, &(*out)->text, &bad_hex)) return TH_OK;
    if (!bad_hex) return parser_no_memory(p);
    return th_fail_at(p->diag, TH_ESYNTAX, "SYNTAX_ERROR", t.line, t.column,
                      "Binary literal must contain an even number of hexadecimal digits");
}

static STACK_OWN_FRAME th_err parameter(parser *p, ast_expr **out)
{
    TH_TRY(text_literal(p, AST_PARAM, out));
    (*out)->index = p->param_count++;
    return TH_OK;
}

static bool unit_of(lex_keyword keyword, ast_unit *out)
{
    static const struct {
        lex_keyword keyword;
        ast_unit unit;
    } units[] = {{KW_SECOND, AST_SECOND}, {KW_MINUTE, AST_MINUTE}, {KW_HOUR, AST_HOUR},
                 {KW_DAY, AST_DAY},       {KW_WEEK, AST_WEEK},     {KW_MONTH, AST_MONTH},
                 {KW_YEAR, AST_YEAR}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].keyword != keyword) continue;
        *out = units[i].unit;
        return true;
    }
    return false;
}

static th_err interval_unit(parser *p, ast_unit *out)
{
    if (!unit_of(p->token.keyword, out)) {
        return parser_mismatch(p, "'DAY', 'HOUR', 'MINUTE', 'MONTH', 'SECOND', 'WEEK', 'YEAR'");
    }
    parser_advance(p);
    return TH_OK;
}

static th_err interval(parser *p, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, AST_INTERVAL, &p->token, out));
    parser_advance(p);
    (*out)->negated = parser_is_op(p, '-');
    if (parser_is_op(p, '-') || parser_is_op(p, '+')) parser_advance(p);
    TH_TRY(parser_string(p, &(*out)->text));
    TH_TRY(interval_unit(p, &(*out)->unit));
    (*out)->unit_to = (*out)->unit;
    if (parser_is(p, KW_TO)) {
        ast_unit unit;
        if (unit_of(parser_peek(p).keyword, &unit)) {
            parser_advance(p);
            TH_TRY(interval_unit(p, &(*out)->unit_to));
        }
    }
    return parser_adopt(p, *out, 0, NULL);
}

static th_err when_then(parser *p, bool simple, pointers *list)
{
    ast_expr *e;
    TH_TRY(simple ? parser_when(p, &e) : parser_expr(p, &e));
    TH_TRY(parser_push(p, list, e));
    TH_TRY(parser_expect(p, KW_THEN));
    TH_TRY(parser_expr(p, &e));
    return parser_push(p, list, e);
}

static th_err case_expr(parser *p, ast_expr **out)
{
    ast_expr *node, *e;
    TH_TRY(parser_expr_new(p, AST_CASE, &p->token, &node));
    parser_advance(p);
    pointers list = {0};
    node->simple = !parser_is(p, KW_WHEN);
    if (node->simple) {
        TH_TRY(parser_expr(p, &e));
        TH_TRY(parser_push(p, &list, e));
    }
    if (!parser_is(p, KW_WHEN)) return parser_mismatch(p, "'WHEN'");
    while (parser_take(p, KW_WHEN)) TH_TRY(when_then(p, node->simple, &list));
    node->has_else = parser_take(p, KW_ELSE);
    if (node->has_else) {
        TH_TRY(parser_expr(p, &e));
        TH_TRY(parser_push(p, &list, e));
    }
    if (!parser_take(p, KW_END))
        return parser_mismatch(p, node->has_else ? "'END'" : "'ELSE', 'END', 'WHEN'");
    *out = node;
    return parser_adopt_list(p, node, &list);
}

static th_err cast(parser *p, bool try_cast, ast_expr **out)
{
    ast_expr *node, *value;
    TH_TRY(parser_expr_new(p, AST_CAST, &p->token, &node));
    node->try_cast = try_cast;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_expr(p, &value));
    TH_TRY(parser_expect(p, KW_AS));
    TH_TRY(parser_type(p, &node->type_text));
    TH_TRY(parser_expect_op(p, ')'));
    *out = node;
    return parser_adopt(p, node, 1, &value);
}

static th_err array_items(parser *p, const lex_token *place, ast_expr **out)
{
    ast_expr *node, *e;
    TH_TRY(parser_expr_new(p, AST_ARRAY, place, &node));
    parser_advance(p);
    pointers list = {0};
    if (!parser_is_op(p, ']')) {
        do {
            TH_TRY(parser_expr(p, &e));
            TH_TRY(parser_push(p, &list, e));
        } while (parser_take_op(p, ','));
    }
    TH_TRY(parser_expect_op(p, ']'));
    *out = node;
    return parser_adopt_list(p, node, &list);
}

static th_err array(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    parser_advance(p);
    return array_items(p, &place, out);
}

/* The rest of a row behind its first expression or at it: a [AS x], b ... ) */
static STACK_OWN_FRAME th_err row_rest(parser *p, ast_expr *node, pointers *values)
{
    pointers names = {0};
    for (;;) {
        ast_expr *e;
        if (values->count > names.count) {
            e = values->items[values->count - 1];
        } else {
            TH_TRY(parser_expr(p, &e));
            TH_TRY(parser_push(p, values, e));
        }
        ast_name *name = parser_new(p, sizeof *name);
        if (name == NULL) return parser_no_memory(p);
        if (parser_take(p, KW_AS)) TH_TRY(parser_name(p, name));
        TH_TRY(parser_push(p, &names, name));
        if (!parser_take_op(p, ',')) break;
    }
    if (!parser_is_op(p, ')')) return parser_mismatch(p, "')', ','");
    parser_advance(p);
    node->param_count = names.count;
    TH_TRY(parser_pack(p, &names, sizeof(ast_name), &node->params));
    return parser_adopt_list(p, node, values);
}

static th_err row(parser *p, ast_expr **out)
{
    ast_expr *node;
    TH_TRY(parser_expr_new(p, AST_ROW, &p->token, &node));
    parser_advance(p);
    parser_advance(p);
    pointers values = {0};
    *out = node;
    return row_rest(p, node, &values);
}

static STACK_OWN_FRAME th_err subquery(parser *p, ast_kind kind, const lex_token *place,
                                       ast_query *query, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, kind, place, out));
    (*out)->query = query;
    (*out)->depth = query->depth + 1;
    return parser_adopt(p, *out, 0, NULL);
}

static th_err exists(parser *p, ast_kind kind, ast_expr **out)
{
    lex_token place = p->token;
    ast_query *query;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_query(p, &query));
    TH_TRY(parser_expect_op(p, ')'));
    return subquery(p, kind, &place, query, out);
}

/* At '(' or a name: is it a lambda's parameter list, followed by -> ? */
static STACK_OWN_FRAME bool at_lambda(const parser *p)
{
    lex ahead = p->lexer;
    lex_token t = query_lex_next(&ahead);
    if (!parser_is_op(p, '(')) return parser_at_name(p) && t.kind == LEX_OP && t.op == LEX_ARROW;
    while (t.kind == LEX_WORD || t.kind == LEX_QUOTED) {
        t = query_lex_next(&ahead);
        if (t.kind != LEX_OP || t.op != ',') break;
        t = query_lex_next(&ahead);
    }
    if (t.kind != LEX_OP || t.op != ')') return false;
    t = query_lex_next(&ahead);
    return t.kind == LEX_OP && t.op == LEX_ARROW;
}

static th_err lambda_params(parser *p, ast_expr *node)
{
    if (!parser_is_op(p, '(')) {
        ast_name *name = parser_new(p, sizeof *name);
        if (name == NULL) return parser_no_memory(p);
        node->params = name;
        node->param_count = 1;
        return parser_name(p, name);
    }
    lex_token next = parser_peek(p);
    if (next.kind != LEX_OP || next.op != ')')
        return parser_name_list(p, &node->param_count, &node->params);
    parser_advance(p);
    parser_advance(p);
    return TH_OK;
}

static STACK_OWN_FRAME th_err lambda(parser *p, ast_expr **out)
{
    ast_expr *body;
    TH_TRY(parser_expr_new(p, AST_LAMBDA, &p->token, out));
    TH_TRY(lambda_params(p, *out));
    TH_TRY(parser_expect_op(p, LEX_ARROW));
    TH_TRY(parser_expr(p, &body));
    return parser_adopt(p, *out, 1, &body);
}

static STACK_OWN_FRAME th_err paren_query(parser *p, const lex_token *open, ast_expr **out)
{
    ast_query *query;
    TH_TRY(parser_query(p, &query));
    TH_TRY(parser_expect_op(p, ')'));
    return subquery(p, AST_SUBQUERY, open, query, out);
}

static th_err paren(parser *p, ast_expr **out)
{
    lex_token open = p->token;
    parser_advance(p);
    if (parser_at_query(p)) return paren_query(p, &open, out);
    TH_TRY(parser_expr(p, out));
    if ((*out)->kind == AST_SUBQUERY && parser_at_query_tail(p)) {
        ast_query *query;
        TH_TRY(parser_query_rest(p, (*out)->query, &query));
        TH_TRY(parser_expect_op(p, ')'));
        return subquery(p, AST_SUBQUERY, &open, query, out);
    }
    if (parser_is_op(p, ',') || parser_is(p, KW_AS)) {
        pointers values = {0};
        TH_TRY(parser_push(p, &values, *out));
        TH_TRY(parser_expr_new(p, AST_ROW, &open, out));
        return row_rest(p, *out, &values);
    }
    if (!parser_is_op(p, ')')) return parser_mismatch(p, "')', ',', <operator>");
    parser_advance(p);
    (*out)->start_line = open.line;
    (*out)->start_column = open.column;
    (*out)->source = th_slice_of(open.text.bytes, (size_t)(p->last_end - open.text.bytes));
    return TH_OK;
}

static th_err typed_literal(parser *p, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, AST_TYPED, &p->token, out));
    const uint8_t *start = p->token.text.bytes;
    if (parser_is(p, KW_DOUBLE) && parser_peek(p).keyword == KW_PRECISION) parser_advance(p);
    parser_advance(p);
    (*out)->type_text = th_slice_of(start, (size_t)(p->last_end - start));
    TH_TRY(parser_string(p, &(*out)->text));
    return parser_adopt(p, *out, 0, NULL);
}

static th_err name_expr(parser *p, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, AST_NAME, &p->token, out));
    ast_name name;
    TH_TRY(parser_name(p, &name));
    (*out)->text = name.text;
    (*out)->quoted = name.quoted;
    return TH_OK;
}

/* type::function(args): the functions that belong to a type and need no value of it. */
static th_err static_call(parser *p, ast_expr **out)
{
    static const struct {
        const char *type, *name, *function;
    } known[] = {{"varchar", "chr", "chr"},
                 {"varchar", "from_utf8", "from_utf8"},
                 {"row", "fields", "$row_fields"}};
    lex_token place = p->token;
    th_slice type = place.text;
    const th_type *found;
    const char *function = NULL;
    parser_advance(p);
    parser_advance(p);
    ast_name name;
    ast_name *part = parser_new(p, sizeof *part);
    if (part == NULL) return parser_no_memory(p);
    TH_TRY(parser_name(p, &name));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (th_slice_equal_nocase(type, th_slice_text(known[i].type)) &&
            th_slice_equal_nocase(name.text, th_slice_text(known[i].name)))
            function = known[i].function;
    bool nested = th_slice_equal_nocase(type, TH_SLICE("row")) ||
                  th_slice_equal_nocase(type, TH_SLICE("array")) ||
                  th_slice_equal_nocase(type, TH_SLICE("map"));
    if (!nested && th_type_parse(type, p->arena, &found, NULL) != TH_OK)
        return th_fail_at(p->diag, TH_ESQL, "TYPE_NOT_FOUND", place.line, place.column,
                          "Unknown type: %.*s", (int)(type.size > 100 ? 100 : type.size),
                          (const char *)type.bytes);
    if (function == NULL)
        return th_fail_at(p->diag, TH_ESQL, "FUNCTION_NOT_FOUND", place.line, place.column,
                          "Static method %.*s::%.*s not registered",
                          (int)(type.size > 100 ? 100 : type.size), (const char *)type.bytes,
                          (int)(name.text.size > 100 ? 100 : name.text.size),
                          (const char *)name.text.bytes);
    *part = (ast_name){th_slice_text(function), false, place.line, place.column};
    ast_path path = {1, part};
    return parser_call(p, &place, &path, out);
}

static STACK_OWN_FRAME th_err name_or_call(parser *p, ast_expr **out)
{
    lex_token place = p->token, next = parser_peek(p);
    if (place.kind == LEX_WORD && next.kind == LEX_OP && next.op == LEX_COLONS)
        return static_call(p, out);
    if (next.kind == LEX_STRING || next.kind == LEX_UNICODE || next.keyword == KW_PRECISION) {
        if (p->token.kind == LEX_WORD) return typed_literal(p, out);
    }
    if (next.kind != LEX_OP || next.op != '(') return name_expr(p, out);
    ast_path path;
    TH_TRY(parser_path(p, &path));
    return parser_call(p, &place, &path, out);
}

/* a.b.f(x): a chain of names before '(' names a function. */
static th_err qualified_call(parser *p, ast_expr **out)
{
    pointers parts = {0};
    const ast_expr *e = *out;
    uint32_t count = 0;
    for (; e->kind == AST_FIELD; e = e->children[0]) count++;
    if (e->kind != AST_NAME) return parser_mismatch(p, "<end of expression>");
    ast_name *names = th_arena_zalloc(p->arena, count + 1, sizeof *names);
    if (names == NULL) return parser_no_memory(p);
    lex_token place = {.line = e->line, .column = e->column, .text = e->source};
    for (e = *out;; e = e->children[0]) {
        names[count--] = (ast_name){e->text, e->quoted, e->line, e->column};
        if (e->kind == AST_NAME) break;
        parts.count++;
    }
    ast_path path = {parts.count + 1, names};
    return parser_call(p, &place, &path, out);
}

/* Is what stands before a dot a chain of names? Then it is a qualified name, not a value with a method. */
static bool is_name_chain(const ast_expr *e)
{
    while (e->kind == AST_FIELD) e = e->children[0];
    return e->kind == AST_NAME;
}

/* The functions that may be called as methods: those of text. */
static bool is_method(th_slice name)
{
    static const char *const names[] = {
        "concat",  "ends_with", "length",      "lower",     "lpad",  "ltrim",      "position",
        "replace", "reverse",   "rpad",        "rtrim",     "split", "split_part", "strpos",
        "substr",  "substring", "starts_with", "translate", "trim",  "to_utf8",    "upper"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (th_slice_equal_nocase(name, th_slice_text(names[i]))) return true;
    return false;
}

/* value.method(args) is method(value, args). */
static th_err method(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    ast_name name = {place.text, false, place.line, place.column};
    ast_name *part = parser_new(p, sizeof *part);
    ast_expr *call, *value = *out;
    if (part == NULL) return parser_no_memory(p);
    *part = name;
    ast_path path = {1, part};
    parser_advance(p);
    TH_TRY(parser_call(p, &place, &path, &call));
    pointers args = {0};
    TH_TRY(parser_push(p, &args, value));
    for (uint32_t i = 0; i < call->child_count; i++)
        TH_TRY(parser_push(p, &args, (void *)(uintptr_t)call->children[i]));
    TH_TRY(parser_adopt_list(p, call, &args));
    call->call->args = (ast_list){call->child_count, call->children};
    *out = call;
    return TH_OK;
}

static th_err field(parser *p, ast_expr **out)
{
    ast_expr *base = *out;
    lex_token place = p->token;
    parser_advance(p);
    lex_token next = parser_peek(p);
    if (p->token.kind == LEX_WORD && next.kind == LEX_OP && next.op == '(' &&
        !is_name_chain(base) && is_method(p->token.text))
        return method(p, out);
    ast_name name;
    TH_TRY(parser_name(p, &name));
    TH_TRY(parser_expr_new(p, AST_FIELD, &place, out));
    (*out)->line = base->start_line;
    (*out)->column = base->start_column;
    (*out)->text = name.text;
    (*out)->quoted = name.quoted;
    TH_TRY(parser_adopt(p, *out, 1, &base));
    return parser_is_op(p, '(') ? qualified_call(p, out) : TH_OK;
}

static th_err subscript(parser *p, ast_expr **out)
{
    ast_expr *pair[2] = {*out, NULL};
    lex_token place = p->token;
    parser_advance(p);
    TH_TRY(parser_expr(p, &pair[1]));
    TH_TRY(parser_expect_op(p, ']'));
    TH_TRY(parser_expr_new(p, AST_SUBSCRIPT, &place, out));
    (*out)->line = pair[0]->start_line;
    (*out)->column = pair[0]->start_column;
    return parser_adopt(p, *out, 2, pair);
}

static STACK_OWN_FRAME th_err postfix(parser *p, ast_expr **out)
{
    for (;;) {
        if (parser_is_op(p, '[')) {
            TH_TRY(subscript(p, out));
        } else if (parser_is_op(p, '.')) {
            lex_token next = parser_peek(p);
            if (next.kind == LEX_OP && next.op == '*') return TH_OK; /* t.* of a select list */
            TH_TRY(field(p, out));
        } else {
            return TH_OK;
        }
    }
}

static STACK_OWN_FRAME th_err word(parser *p, ast_expr **out)
{
    lex_token next = parser_peek(p);
    bool call = next.kind == LEX_OP && next.op == '(';
    if (next.kind == LEX_OP && next.op == LEX_COLONS) return static_call(p, out);
    switch (p->token.keyword) {
    case KW_NULL: return text_literal(p, AST_NULL, out);
    case KW_TRUE: return text_literal(p, AST_TRUE, out);
    case KW_FALSE: return text_literal(p, AST_FALSE, out);
    case KW_CASE: return case_expr(p, out);
    case KW_CAST: return cast(p, false, out);
    case KW_EXISTS: return exists(p, AST_EXISTS, out);
    case KW_UNIQUE:
        if (call) return exists(p, AST_UNIQUE, out);
        break;
    case KW_TRY_CAST:
        if (call) return cast(p, true, out);
        break;
    case KW_ARRAY:
        if (next.kind == LEX_OP && next.op == '[') return array(p, out);
        break;
    case KW_ROW:
        if (call) return row(p, out);
        break;
    case KW_INTERVAL:
        if (next.kind == LEX_STRING || next.kind == LEX_UNICODE) return interval(p, out);
        if (next.kind == LEX_OP && (next.op == '-' || next.op == '+')) {
            lex ahead = p->lexer;
            query_lex_next(&ahead);
            if (query_lex_next(&ahead).kind == LEX_STRING) return interval(p, out);
        }
        break;
    default: {
        bool done = false;
        TH_TRY(parser_special(p, &done, out));
        if (done) return TH_OK;
    }
    }
    if (!parser_at_name(p)) return parser_mismatch(p, "<expression>");
    return name_or_call(p, out);
}

static th_err operand(parser *p, ast_expr **out)
{
    if ((parser_is_op(p, '(') || parser_at_name(p)) && at_lambda(p)) return lambda(p, out);
    switch (p->token.kind) {
    case LEX_INTEGER: return number(p, AST_INTEGER, out);
    case LEX_DECIMAL: return number(p, AST_DECIMAL, out);
    case LEX_DOUBLE: return number(p, AST_DOUBLE, out);
    case LEX_STRING:
    case LEX_UNICODE: return string_literal(p, out);
    case LEX_BINARY: return binary_literal(p, out);
    case LEX_QUOTED: return name_or_call(p, out);
    case LEX_WORD: return word(p, out);
    default:
        if (parser_is_op(p, '(')) return paren(p, out);
        if (parser_is_op(p, '[')) return array_items(p, &p->token, out);
        if (parser_is_op(p, '?')) return parameter(p, out);
        return parser_mismatch(p, "<expression>");
    }
}

th_err parser_primary(parser *p, ast_expr **out)
{
    TH_TRY(operand(p, out));
    return (*out)->kind == AST_LAMBDA ? TH_OK : postfix(p, out);
}
