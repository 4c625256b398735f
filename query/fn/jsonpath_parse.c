/* SPDX-License-Identifier: Apache-2.0
 * Text of a JSON path into nodes, by recursive descent. */
#include <ctype.h>
#include <stdio.h>

#include "query/fn/families.h"
#include "query/fn/jsonpath.h"
#include "query/type/number.h"

#define PATH_DEPTH_MAX 64u
#define PATH_STEPS_MAX 20000u /* what is read twice, as some parentheses are, counts twice */

typedef struct reader {
    th_fn_call *call;
    const uint8_t *start, *pos, *end;
    uint32_t depth, *steps;
} reader;

static th_err invalid(reader *r, const char *what)
{
    return fn_fail(r->call, "INVALID_PATH", "Invalid JSON path at character %zu: %s",
                   (size_t)(r->pos - r->start) + 1, what);
}

static void skip_space(reader *r)
{
    while (r->pos < r->end && isspace(*r->pos)) r->pos++;
}

static bool at(reader *r, const char *text)
{
    size_t n = strlen(text);
    skip_space(r);
    return (size_t)(r->end - r->pos) >= n && memcmp(r->pos, text, n) == 0;
}

static bool take(reader *r, const char *text)
{
    if (!at(r, text)) return false;
    r->pos += strlen(text);
    return true;
}

static bool is_word_byte(uint8_t c)
{
    return isalnum(c) || c == '_' || c >= 0x80;
}

static bool take_word(reader *r, const char *word)
{
    if (!at(r, word)) return false;
    const uint8_t *behind = r->pos + strlen(word);
    if (behind < r->end && is_word_byte(*behind)) return false;
    r->pos = behind;
    return true;
}

static th_err need(reader *r, const char *text)
{
    char what[40];
    if (take(r, text)) return TH_OK;
    (void)snprintf(what, sizeof what, "'%s' is missing", text);
    return invalid(r, what);
}

static th_err node(reader *r, path_kind kind, path_node *first, path_node **out)
{
    if (++*r->steps > PATH_STEPS_MAX) return invalid(r, "it is too complicated");
    *out = TH_NEW(r->call->query, path_node);
    if (*out == NULL) return fn_memory(r->call);
    **out = (path_node){.kind = kind, .first = first};
    return TH_OK;
}

static th_err word(reader *r, th_slice *out)
{
    skip_space(r);
    const uint8_t *from = r->pos;
    while (r->pos < r->end && is_word_byte(*r->pos)) r->pos++;
    *out = th_slice_of(from, (size_t)(r->pos - from));
    return out->size > 0 && !isdigit(*from) ? TH_OK : invalid(r, "a name is missing");
}

/* "text" as JSON writes it, but that an unknown escape stays as it is, for patterns. */
static th_err quoted(reader *r, th_slice *out)
{
    TH_TRY(need(r, "\""));
    uint8_t *to = th_arena_alloc(r->call->query, (size_t)(r->end - r->pos) + 1);
    size_t n = 0;
    if (to == NULL) return fn_memory(r->call);
    while (r->pos < r->end && *r->pos != '"') {
        if (*r->pos == '\\' && r->pos + 1 < r->end) {
            r->pos++;
            if (*r->pos != '"' && *r->pos != '/') to[n++] = '\\';
            if (*r->pos == '\\') n--;
        }
        to[n++] = *r->pos++;
    }
    if (r->pos == r->end) return invalid(r, "a string does not end");
    r->pos++;
    *out = th_slice_of(to, n);
    return TH_OK;
}

static th_err number(reader *r, path_item *item)
{
    const uint8_t *from = r->pos;
    while (r->pos < r->end && isdigit(*r->pos)) r->pos++;
    if (r->pos + 1 < r->end && *r->pos == '.' && isdigit(r->pos[1])) {
        r->pos++;
        while (r->pos < r->end && isdigit(*r->pos)) r->pos++;
    }
    if (r->pos < r->end && (*r->pos == 'e' || *r->pos == 'E')) {
        r->pos++;
        if (r->pos < r->end && (*r->pos == '-' || *r->pos == '+')) r->pos++;
        while (r->pos < r->end && isdigit(*r->pos)) r->pos++;
    }
    return jsonpath_item(r->call, th_slice_of(from, (size_t)(r->pos - from)), item);
}

static th_err expression(reader *r, path_node **out);
static th_err predicate(reader *r, path_node **out);

static th_err literal(reader *r, path_node **out)
{
    TH_TRY(node(r, PATH_LITERAL, NULL, out));
    path_item *item = &(*out)->literal;
    if (at(r, "\"")) {
        item->type = &th_type_varchar;
        return quoted(r, &item->value.s);
    }
    if (take_word(r, "true") || take_word(r, "false")) {
        item->type = &th_type_boolean;
        item->value.i = r->pos[-2] == 'u';
        return TH_OK;
    }
    if (take_word(r, "null")) {
        item->type = &th_type_unknown;
        item->value.null = true;
        return TH_OK;
    }
    if (r->pos < r->end && isdigit(*r->pos)) return number(r, item);
    return invalid(r, "a path is missing");
}

static th_err primary(reader *r, path_node **out)
{
    skip_space(r);
    if (take(r, "(")) {
        TH_TRY(expression(r, out));
        return need(r, ")");
    }
    if (take(r, "@")) return node(r, PATH_CURRENT, NULL, out);
    if (take_word(r, "last")) return node(r, PATH_LAST, NULL, out);
    if (!take(r, "$")) return literal(r, out);
    bool named = r->pos < r->end && (is_word_byte(*r->pos) || *r->pos == '"');
    TH_TRY(node(r, named ? PATH_VARIABLE : PATH_ROOT, NULL, out));
    if (!named) return TH_OK;
    return *r->pos == '"' ? quoted(r, &(*out)->text) : word(r, &(*out)->text);
}

static th_err subscripts(reader *r, path_node **out)
{
    path_node **last;
    if (take(r, "*")) {
        TH_TRY(node(r, PATH_ELEMENTS, *out, out));
        return need(r, "]");
    }
    TH_TRY(node(r, PATH_SUBSCRIPTS, *out, out));
    last = &(*out)->second;
    do {
        path_node *from;
        TH_TRY(expression(r, &from));
        TH_TRY(node(r, PATH_RANGE, from, last));
        if (take_word(r, "to")) TH_TRY(expression(r, &(*last)->second));
        last = &(*last)->next;
    } while (take(r, ","));
    return need(r, "]");
}

static bool is_method(th_slice name)
{
    static const char *const names[] = {"abs",     "ceiling",  "floor",    "double", "size",
                                        "type",    "keyvalue", "datetime", "string", "bigint",
                                        "integer", "number",   "boolean"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (th_slice_is(name, names[i])) return true;
    return false;
}

static th_err dotted(reader *r, path_node **out)
{
    th_slice name;
    if (take(r, "*")) return node(r, PATH_MEMBERS, *out, out);
    bool descend = take(r, ".");
    bool key = at(r, "\"");
    TH_TRY(key ? quoted(r, &name) : word(r, &name));
    bool method = !key && !descend && at(r, "(");
    TH_TRY(node(r, method ? PATH_METHOD : descend ? PATH_DESCENDANTS : PATH_MEMBER, *out, out));
    (*out)->text = name;
    if (!method) return TH_OK;
    if (!is_method(name)) return invalid(r, "there is no such method");
    TH_TRY(need(r, "("));
    if (th_slice_is(name, "datetime") && at(r, "\"")) {
        th_slice template;
        TH_TRY(quoted(r, &template));
        return fn_fail(r->call, "NOT_SUPPORTED", "datetime() with a template is not supported");
    }
    return need(r, ")");
}

static th_err accessors(reader *r, path_node **out)
{
    TH_TRY(primary(r, out));
    for (;;) {
        if (take(r, ".")) {
            TH_TRY(dotted(r, out));
        } else if (take(r, "[")) {
            TH_TRY(subscripts(r, out));
        } else if (take(r, "?")) {
            TH_TRY(node(r, PATH_FILTER, *out, out));
            TH_TRY(need(r, "("));
            TH_TRY(predicate(r, &(*out)->second));
            TH_TRY(need(r, ")"));
        } else {
            return TH_OK;
        }
    }
}

static th_err unary(reader *r, path_node **out)
{
    bool minus = take(r, "-"), plus = !minus && take(r, "+");
    if (!minus && !plus) return accessors(r, out);
    if (++r->depth > PATH_DEPTH_MAX) return invalid(r, "it nests too deeply");
    path_node *operand;
    TH_TRY(unary(r, &operand));
    r->depth--;
    return node(r, minus ? PATH_NEGATE : PATH_PLUS, operand, out);
}

static th_err arithmetic(reader *r, path_node **out, bool product)
{
    TH_TRY(product ? unary(r, out) : arithmetic(r, out, true));
    for (;;) {
        skip_space(r);
        char op = r->pos < r->end ? (char)*r->pos : 0;
        bool mine = op != 0 && strchr(product ? "*/%" : "+-", op) != NULL;
        if (!mine) return TH_OK;
        r->pos++;
        path_node *right;
        TH_TRY(product ? unary(r, &right) : arithmetic(r, &right, true));
        TH_TRY(node(r, PATH_ARITHMETIC, *out, out));
        (*out)->op = op;
        (*out)->second = right;
    }
}

static th_err expression(reader *r, path_node **out)
{
    if (++r->depth > PATH_DEPTH_MAX) return invalid(r, "it nests too deeply");
    TH_TRY(arithmetic(r, out, false));
    r->depth--;
    return TH_OK;
}

/* XQuery's regular expressions lack what Java and PCRE add. */
static th_err check_pattern(reader *r, th_slice pattern)
{
    for (size_t i = 0; i + 1 < pattern.size; i++) {
        const uint8_t *p = pattern.bytes + i;
        size_t left = pattern.size - i;
        if (*p == '\\') {
            if (p[1] == 'x' && (left < 3 || p[2] != '{'))
                return invalid(r, "\\xHH is not supported");
            i++;
            continue;
        }
        if (p[0] != '(' || p[1] != '?') continue;
        uint8_t kind = left > 2 ? p[2] : 0;
        if (kind == ':') continue;
        if (kind == '>') return invalid(r, "atomic groups are not supported");
        if (kind == '=' || kind == '!') return invalid(r, "lookahead is not supported");
        if (kind == '<') return invalid(r, "lookbehind and named groups are not supported");
        return invalid(r, "flags in a pattern are not supported");
    }
    return TH_OK;
}

static th_err like_regex(reader *r, path_node **out)
{
    TH_TRY(node(r, PATH_LIKE_REGEX, *out, out));
    TH_TRY((skip_space(r), quoted(r, &(*out)->text)));
    TH_TRY(check_pattern(r, (*out)->text));
    if (!take_word(r, "flag")) return TH_OK;
    TH_TRY((skip_space(r), quoted(r, &(*out)->flags)));
    for (size_t i = 0; i < (*out)->flags.size; i++)
        if (strchr("ismxq", (*out)->flags.bytes[i]) == NULL)
            return invalid(r, "flags are i, s, m, x and q");
    return TH_OK;
}

static th_err comparison(reader *r, path_node **out)
{
    static const struct {
        const char *text;
        char op;
    } ops[] = {{"==", '='}, {"<>", '!'}, {"!=", '!'}, {"<=", 'l'},
               {">=", 'g'}, {"<", '<'},  {">", '>'},  {"=", '='}};
    TH_TRY(expression(r, out));
    if (take_word(r, "like_regex")) return like_regex(r, out);
    bool starts = take_word(r, "starts");
    if (starts && !take_word(r, "with")) return invalid(r, "'with' is missing");
    char op = 0;
    for (size_t i = 0; !starts && op == 0 && i < sizeof ops / sizeof ops[0]; i++)
        if (take(r, ops[i].text)) op = ops[i].op;
    if (!starts && op == 0) return invalid(r, "a comparison is missing");
    path_node *right;
    TH_TRY(expression(r, &right));
    TH_TRY(node(r, starts ? PATH_STARTS_WITH : PATH_COMPARE, *out, out));
    (*out)->op = op;
    (*out)->second = right;
    return TH_OK;
}

/* ( predicate ) [is unknown], or a comparison whose left side begins with a parenthesis. */
static th_err parenthesis(reader *r, path_node **out)
{
    reader before = *r;
    r->pos++;
    if (predicate(r, out) == TH_OK && take(r, ")")) {
        if (!take_word(r, "is")) return TH_OK;
        if (!take_word(r, "unknown")) return invalid(r, "'unknown' is missing");
        return node(r, PATH_IS_UNKNOWN, *out, out);
    }
    th_diag_clear(r->call->diag);
    *r = before;
    return comparison(r, out);
}

static th_err term(reader *r, path_node **out)
{
    if (++r->depth > PATH_DEPTH_MAX) return invalid(r, "it nests too deeply");
    if (at(r, "!") && !at(r, "!=")) {
        r->pos++;
        TH_TRY(term(r, out));
        TH_TRY(node(r, PATH_NOT, *out, out));
    } else if (take_word(r, "exists")) {
        TH_TRY(need(r, "("));
        TH_TRY(expression(r, out));
        TH_TRY(need(r, ")"));
        TH_TRY(node(r, PATH_EXISTS, *out, out));
    } else if (at(r, "(")) {
        TH_TRY(parenthesis(r, out));
    } else {
        TH_TRY(comparison(r, out));
    }
    r->depth--;
    return TH_OK;
}

static th_err junction(reader *r, path_node **out, bool both)
{
    TH_TRY(both ? term(r, out) : junction(r, out, true));
    while (take(r, both ? "&&" : "||")) {
        path_node *right;
        TH_TRY(both ? term(r, &right) : junction(r, &right, true));
        TH_TRY(node(r, both ? PATH_AND : PATH_OR, *out, out));
        (*out)->second = right;
    }
    return TH_OK;
}

static th_err predicate(reader *r, path_node **out)
{
    return junction(r, out, false);
}

static th_err compile(th_fn_call *call, th_slice source, jsonpath *path)
{
    path->source = th_arena_copy(call->query, source);
    if (path->source.bytes == NULL) return fn_memory(call);
    uint32_t steps = 0;
    const uint8_t *start = path->source.bytes;
    reader r = {call, start, start, start + source.size, 0, &steps};
    path->strict = take_word(&r, "strict");
    if (!path->strict && !take_word(&r, "lax")) return invalid(&r, "it begins with lax or strict");
    TH_TRY(expression(&r, &path->root));
    skip_space(&r);
    return r.pos == r.end ? TH_OK : invalid(&r, "it goes on behind its end");
}

th_err jsonpath_of(th_fn_call *call, th_slice source, jsonpath **out)
{
    jsonpath *path = *call->state;
    if (path == NULL || !th_slice_equal(path->source, source)) {
        path = TH_NEW(call->query, jsonpath);
        if (path == NULL) return fn_memory(call);
        TH_TRY(compile(call, source, path));
        *call->state = path;
    }
    *out = path;
    return TH_OK;
}
