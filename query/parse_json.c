/* SPDX-License-Identifier: Apache-2.0
 * JSON_EXISTS, JSON_VALUE, JSON_QUERY, JSON_OBJECT and JSON_ARRAY: calls of hidden functions with what the clauses say
 * in a text of one letter a clause (query/fn/json_standard.c reads it). */
#include <stdio.h>

#include "query/parser.h"

static bool at_word(const parser *p, const char *word)
{
    return p->token.kind == LEX_WORD && th_slice_equal_nocase(p->token.text, th_slice_text(word));
}

static bool take_word(parser *p, const char *word)
{
    if (!at_word(p, word)) return false;
    parser_advance(p);
    return true;
}

static th_err need_word(parser *p, const char *word)
{
    char expecting[40];
    if (take_word(p, word)) return TH_OK;
    (void)snprintf(expecting, sizeof expecting, "'%s'", word);
    return parser_mismatch(p, expecting);
}

/* [FORMAT JSON [ENCODING UTF8]] */
static th_err format_json(parser *p, bool *json)
{
    *json = parser_take(p, KW_FORMAT);
    if (!*json) return TH_OK;
    TH_TRY(need_word(p, "JSON"));
    if (take_word(p, "ENCODING")) return need_word(p, "UTF8");
    return TH_OK;
}

static th_err text_node(parser *p, const char *text, size_t size, ast_expr **out)
{
    uint8_t *copy = parser_new(p, size + 1);
    if (copy == NULL) return parser_no_memory(p);
    memcpy(copy, text, size);
    TH_TRY(parser_expr_new(p, AST_STRING, &p->token, out));
    (*out)->text = th_slice_of(copy, size);
    return TH_OK;
}

static th_err push_text(parser *p, pointers *args, const char *text, size_t size)
{
    ast_expr *e;
    TH_TRY(text_node(p, text, size, &e));
    return parser_push(p, args, e);
}

/* [PASSING value [FORMAT JSON] AS name, ...]: pairs of a name, with j or v before it, and a value. */
static th_err passing(parser *p, pointers *pairs)
{
    if (!take_word(p, "PASSING")) return TH_OK;
    do {
        ast_expr *value;
        ast_name name;
        bool json;
        char text[200];
        TH_TRY(parser_expr(p, &value));
        TH_TRY(format_json(p, &json));
        TH_TRY(parser_expect(p, KW_AS));
        TH_TRY(parser_name(p, &name));
        int size = snprintf(text, sizeof text, "%c%.*s", json ? 'j' : 'v',
                            (int)(name.text.size < 190 ? name.text.size : 190),
                            (const char *)name.text.bytes);
        for (int i = 1; !name.quoted && i < size; i++)
            if (text[i] >= 'a' && text[i] <= 'z') text[i] = (char)(text[i] - 32);
        TH_TRY(push_text(p, pairs, text, (size_t)size));
        TH_TRY(parser_push(p, pairs, value));
    } while (parser_take_op(p, ','));
    return TH_OK;
}

/* The value that RETURNING's type gives its type to. */
static th_err typed_null(parser *p, th_slice type, ast_expr **out)
{
    ast_expr *null;
    TH_TRY(parser_expr_new(p, AST_NULL, &p->token, &null));
    TH_TRY(parser_expr_new(p, AST_CAST, &p->token, out));
    (*out)->type_text = type;
    return parser_adopt(p, *out, 1, &null);
}

static th_err cast_to(parser *p, th_slice type, ast_expr *value, ast_expr **out)
{
    TH_TRY(parser_expr_new(p, AST_CAST, &p->token, out));
    (*out)->type_text = type;
    return parser_adopt(p, *out, 1, &value);
}

static th_err returning(parser *p, th_slice *type)
{
    bool json;
    if (!take_word(p, "RETURNING")) return TH_OK;
    TH_TRY(parser_type(p, type));
    return format_json(p, &json);
}

/* Up to the clauses: ( input [FORMAT JSON], path [PASSING ...] */
static th_err begin(parser *p, pointers *args, pointers *pairs)
{
    ast_expr *e;
    bool json;
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_expr(p, &e));
    TH_TRY(parser_push(p, args, e));
    TH_TRY(format_json(p, &json));
    TH_TRY(parser_expect_op(p, ','));
    if (p->token.kind != LEX_STRING) return parser_mismatch(p, "<string>");
    TH_TRY(parser_primary(p, &e));
    TH_TRY(parser_push(p, args, e));
    return passing(p, pairs);
}

static th_err join(parser *p, pointers *args, const pointers *pairs)
{
    for (uint32_t i = 0; i < pairs->count; i++) TH_TRY(parser_push(p, args, pairs->items[i]));
    return TH_OK;
}

static th_err call(parser *p, const lex_token *place, const char *name, const pointers *args,
                   ast_expr **out)
{
    return parser_simple_call(p, place, name, args->count, (ast_expr *const *)args->items, out);
}

static th_err json_exists(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    pointers args = {0}, pairs = {0};
    char spec[1] = {'F'};
    TH_TRY(begin(p, &args, &pairs));
    bool clause =
        at_word(p, "TRUE") || at_word(p, "FALSE") || at_word(p, "UNKNOWN") || at_word(p, "ERROR");
    if (clause) {
        spec[0] = (char)(p->token.text.bytes[0] & 0xDF);
        parser_advance(p);
        TH_TRY(parser_expect(p, KW_ON));
        TH_TRY(need_word(p, "ERROR"));
    }
    TH_TRY(parser_expect_op(p, ')'));
    TH_TRY(push_text(p, &args, spec, 1));
    TH_TRY(join(p, &args, &pairs));
    return call(p, &place, "$json_exists", &args, out);
}

/* ON EMPTY and ON ERROR of JSON_VALUE. */
static th_err value_clauses(parser *p, char spec[2], ast_expr *defaults[2])
{
    while (parser_is(p, KW_NULL) || at_word(p, "ERROR") || at_word(p, "DEFAULT")) {
        char letter = parser_is(p, KW_NULL) ? 'N' : at_word(p, "ERROR") ? 'E' : 'D';
        ast_expr *value = NULL;
        parser_advance(p);
        if (letter == 'D') TH_TRY(parser_expr(p, &value));
        TH_TRY(parser_expect(p, KW_ON));
        int which = at_word(p, "EMPTY") ? 0 : 1;
        if (which == 1 && !at_word(p, "ERROR")) return parser_mismatch(p, "'EMPTY', 'ERROR'");
        parser_advance(p);
        spec[which] = letter;
        defaults[which] = value;
    }
    return TH_OK;
}

static th_err refuse_subquery(parser *p, const ast_expr *e)
{
    if (e == NULL || e->kind != AST_SUBQUERY) return TH_OK;
    return th_fail_at(p->diag, TH_EUNSUPPORTED, "UNSUPPORTED_SUBQUERY", e->line, e->column,
                      "Subqueries are not supported in JSON_VALUE default expressions");
}

/* The default of ON EMPTY; when it fails, that of ON ERROR. */
static th_err empty_default(parser *p, const lex_token *place, th_slice type,
                            ast_expr *const defaults[2], ast_expr **out)
{
    TH_TRY(cast_to(p, type, defaults[0], out));
    if (defaults[1] == NULL) return TH_OK;
    ast_expr *pair[2];
    TH_TRY(parser_simple_call(p, place, "try", 1, out, &pair[0]));
    TH_TRY(cast_to(p, type, defaults[1], &pair[1]));
    return parser_simple_call(p, place, "coalesce", 2, pair, out);
}

/* CASE state WHEN 1 THEN default-on-empty WHEN 2 THEN default-on-error ELSE value END */
static th_err with_defaults(parser *p, const lex_token *place, const pointers *args, th_slice type,
                            ast_expr *const defaults[2], ast_expr **out)
{
    pointers parts = {0};
    ast_expr *e, *value = *out;
    TH_TRY(call(p, place, "$json_value_state", args, &e));
    TH_TRY(parser_push(p, &parts, e));
    for (uint32_t i = 0; i < 2; i++) {
        if (defaults[i] == NULL) continue;
        TH_TRY(parser_expr_new(p, AST_INTEGER, place, &e));
        e->text = i == 0 ? TH_SLICE("1") : TH_SLICE("2");
        TH_TRY(parser_push(p, &parts, e));
        TH_TRY(i == 0 ? empty_default(p, place, type, defaults, &e)
                      : cast_to(p, type, defaults[1], &e));
        TH_TRY(parser_push(p, &parts, e));
    }
    TH_TRY(parser_push(p, &parts, value));
    TH_TRY(parser_expr_new(p, AST_CASE, place, out));
    (*out)->simple = true;
    (*out)->has_else = true;
    return parser_adopt_list(p, *out, &parts);
}

static th_err json_value(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    pointers args = {0}, pairs = {0};
    th_slice type = TH_SLICE("varchar");
    char spec[2] = {'N', 'N'};
    ast_expr *defaults[2] = {NULL, NULL}, *witness;
    TH_TRY(begin(p, &args, &pairs));
    TH_TRY(returning(p, &type));
    TH_TRY(value_clauses(p, spec, defaults));
    TH_TRY(parser_expect_op(p, ')'));
    TH_TRY(refuse_subquery(p, defaults[0]));
    TH_TRY(refuse_subquery(p, defaults[1]));
    TH_TRY(push_text(p, &args, spec, 2));
    TH_TRY(typed_null(p, type, &witness));
    TH_TRY(parser_push(p, &args, witness));
    TH_TRY(join(p, &args, &pairs));
    TH_TRY(call(p, &place, "$json_value", &args, out));
    if (defaults[0] == NULL && defaults[1] == NULL) return TH_OK;
    return with_defaults(p, &place, &args, type, defaults, out);
}

/* WITHOUT | WITH [CONDITIONAL | UNCONDITIONAL], [ARRAY] WRAPPER */
static th_err wrapper(parser *p, char *letter)
{
    if (take_word(p, "WITHOUT")) {
        *letter = 'W';
    } else if (parser_take(p, KW_WITH)) {
        *letter = take_word(p, "CONDITIONAL") ? 'C' : 'U';
        (void)take_word(p, "UNCONDITIONAL");
    } else {
        return TH_OK;
    }
    (void)parser_take(p, KW_ARRAY);
    return need_word(p, "WRAPPER");
}

static th_err quotes(parser *p, char *letter)
{
    if (!at_word(p, "KEEP") && !at_word(p, "OMIT")) return TH_OK;
    *letter = (char)(p->token.text.bytes[0] & 0xDF);
    parser_advance(p);
    TH_TRY(need_word(p, "QUOTES"));
    if (!parser_take(p, KW_ON)) return TH_OK;
    TH_TRY(need_word(p, "SCALAR"));
    return need_word(p, "STRING");
}

static th_err query_clauses(parser *p, char spec[2])
{
    while (parser_is(p, KW_NULL) || at_word(p, "ERROR") || at_word(p, "EMPTY")) {
        char letter = parser_is(p, KW_NULL) ? 'N' : 'E';
        bool empty = at_word(p, "EMPTY");
        parser_advance(p);
        if (empty) {
            letter = parser_is(p, KW_ARRAY) ? 'A' : 'O';
            if (letter == 'O' && !at_word(p, "OBJECT"))
                return parser_mismatch(p, "'ARRAY', 'OBJECT'");
            parser_advance(p);
        }
        TH_TRY(parser_expect(p, KW_ON));
        int which = at_word(p, "EMPTY") ? 0 : 1;
        if (which == 1 && !at_word(p, "ERROR")) return parser_mismatch(p, "'EMPTY', 'ERROR'");
        parser_advance(p);
        spec[which] = letter;
    }
    return TH_OK;
}

static th_err json_query(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    pointers args = {0}, pairs = {0};
    th_slice type = {NULL, 0};
    char spec[4] = {'N', 'N', 'W', 'K'};
    TH_TRY(begin(p, &args, &pairs));
    TH_TRY(returning(p, &type));
    TH_TRY(wrapper(p, &spec[2]));
    TH_TRY(quotes(p, &spec[3]));
    TH_TRY(query_clauses(p, spec));
    TH_TRY(parser_expect_op(p, ')'));
    TH_TRY(push_text(p, &args, spec, 4));
    TH_TRY(join(p, &args, &pairs));
    TH_TRY(call(p, &place, "$json_query", &args, out));
    return type.size == 0 ? TH_OK : cast_to(p, type, *out, out);
}

/* The value of a constructor: what gives JSON itself goes in as JSON. */
static th_err member_value(parser *p, pointers *values, char *letter)
{
    ast_expr *e;
    bool json;
    TH_TRY(parser_expr(p, &e));
    TH_TRY(format_json(p, &json));
    bool nested = e->kind == AST_CALL &&
                  (th_slice_is(e->text, "$json_object") || th_slice_is(e->text, "$json_array") ||
                   th_slice_is(e->text, "$json_query"));
    *letter = json || nested ? 'J' : 'V';
    return parser_push(p, values, e);
}

/* NULL ON NULL, ABSENT ON NULL */
static th_err null_clause(parser *p, char *letter)
{
    bool null = parser_is(p, KW_NULL);
    if (!null && !at_word(p, "ABSENT")) return TH_OK;
    *letter = null ? 'N' : 'A';
    parser_advance(p);
    TH_TRY(parser_expect(p, KW_ON));
    return parser_expect(p, KW_NULL);
}

static bool at_null_clause(const parser *p)
{
    return (parser_is(p, KW_NULL) || at_word(p, "ABSENT")) && parser_peek(p).keyword == KW_ON;
}

#define CONSTRUCTOR_ARGS_MAX 1000u

static th_err finish(parser *p, const lex_token *place, const char *name, const char *spec,
                     size_t spec_size, const pointers *values, ast_expr **out)
{
    pointers args = {0};
    th_slice type = {NULL, 0};
    TH_TRY(returning(p, &type));
    TH_TRY(parser_expect_op(p, ')'));
    TH_TRY(push_text(p, &args, spec, spec_size));
    TH_TRY(join(p, &args, values));
    TH_TRY(call(p, place, name, &args, out));
    return type.size == 0 ? TH_OK : cast_to(p, type, *out, out);
}

static th_err too_many(parser *p)
{
    return th_fail_at(p->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", p->token.line, p->token.column,
                      "A JSON constructor takes %u values at most", CONSTRUCTOR_ARGS_MAX);
}

static th_err json_object(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    pointers values = {0};
    char spec[CONSTRUCTOR_ARGS_MAX + 2];
    size_t n = 1;
    spec[0] = 'N';
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    while (!parser_is_op(p, ')') && !at_null_clause(p) && !at_word(p, "RETURNING")) {
        ast_expr *key;
        if (n > CONSTRUCTOR_ARGS_MAX) return too_many(p);
        if (at_word(p, "KEY") && parser_peek(p).kind != LEX_OP) parser_advance(p);
        TH_TRY(parser_expr(p, &key));
        if (!take_word(p, "VALUE") && !parser_take_op(p, ':'))
            return parser_mismatch(p, "':', 'VALUE'");
        TH_TRY(parser_push(p, &values, key));
        TH_TRY(member_value(p, &values, &spec[n++]));
        if (!parser_take_op(p, ',')) break;
    }
    TH_TRY(null_clause(p, &spec[0]));
    if (at_word(p, "WITHOUT") || parser_is(p, KW_WITH)) {
        parser_advance(p);
        TH_TRY(need_word(p, "UNIQUE"));
        (void)take_word(p, "KEYS");
    }
    return finish(p, &place, "$json_object", spec, n, &values, out);
}

static th_err json_array(parser *p, ast_expr **out)
{
    lex_token place = p->token;
    pointers values = {0};
    char spec[CONSTRUCTOR_ARGS_MAX + 2];
    size_t n = 1;
    spec[0] = 'A';
    parser_advance(p);
    TH_TRY(parser_expect_op(p, '('));
    while (!parser_is_op(p, ')') && !at_null_clause(p) && !at_word(p, "RETURNING")) {
        if (n > CONSTRUCTOR_ARGS_MAX) return too_many(p);
        TH_TRY(member_value(p, &values, &spec[n++]));
        if (!parser_take_op(p, ',')) break;
    }
    TH_TRY(null_clause(p, &spec[0]));
    return finish(p, &place, "$json_array", spec, n, &values, out);
}

th_err parser_json(parser *p, ast_expr **out)
{
    switch (p->token.keyword) {
    case KW_JSON_EXISTS: return json_exists(p, out);
    case KW_JSON_VALUE: return json_value(p, out);
    case KW_JSON_QUERY: return json_query(p, out);
    case KW_JSON_OBJECT: return json_object(p, out);
    default: return json_array(p, out);
    }
}
