/* SPDX-License-Identifier: Apache-2.0
 * The lexer. */
#include "query/lex.h"

#include <ctype.h>

static const struct {
    const char *name;
    bool reserved;
} keywords[] = {
    {"", false},
#define KW(name, reserved) {#name, reserved},
#include "query/keywords.def"
#undef KW
};

const char *query_keyword_name(lex_keyword keyword)
{
    return keywords[keyword].name;
}

bool query_keyword_reserved(lex_keyword keyword)
{
    return keywords[keyword].reserved;
}

static int compare_word(th_slice word, const char *name)
{
    size_t i = 0;
    for (; i < word.size && name[i] != '\0'; i++) {
        int c = toupper(word.bytes[i]);
        if (c != name[i]) return c < name[i] ? -1 : 1;
    }
    return i < word.size ? 1 : name[i] != '\0' ? -1 : 0;
}

static lex_keyword find_keyword(th_slice word)
{
    int low = 1, high = KW_COUNT - 1;
    while (low <= high) {
        int mid = (low + high) / 2;
        int order = compare_word(word, keywords[mid].name);
        if (order == 0) return (lex_keyword)mid;
        if (order < 0)
            high = mid - 1;
        else
            low = mid + 1;
    }
    return KW_NONE;
}

lex query_lex_of(th_slice sql)
{
    static const uint8_t nothing[1];
    const uint8_t *start = sql.bytes == NULL ? nothing : sql.bytes;
    return (lex){start, start + sql.size, 1, 1};
}

static bool at(const lex *l, size_t ahead, uint8_t c)
{
    return (size_t)(l->end - l->pos) > ahead && l->pos[ahead] == c;
}

static void step(lex *l)
{
    uint8_t c = *l->pos++;
    if (c == '\n') {
        l->line++;
        l->column = 1;
    } else if ((c & 0xC0) != 0x80) {
        l->column++;
    }
}

static void step_to(lex *l, const uint8_t *to)
{
    while (l->pos < to) step(l);
}

static const uint8_t *find_comment_end(const lex *l)
{
    for (const uint8_t *p = l->pos + 2; p + 1 < l->end; p++) {
        if (p[0] == '*' && p[1] == '/') return p + 2;
    }
    return NULL;
}

static void skip_blanks(lex *l)
{
    while (l->pos < l->end) {
        uint8_t c = *l->pos;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
            step(l);
        } else if (c == '-' && at(l, 1, '-')) {
            while (l->pos < l->end && *l->pos != '\n') step(l);
        } else if (c == '/' && at(l, 1, '*') && find_comment_end(l) != NULL) {
            step_to(l, find_comment_end(l));
        } else {
            return;
        }
    }
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(uint8_t c)
{
    return is_letter(c) || is_digit(c);
}

/* The end of the quoted text that starts at p, behind its closing quote; NULL when it is not closed. */
static const uint8_t *quote_end(const uint8_t *p, const uint8_t *end)
{
    uint8_t quote = *p++;
    for (; p < end; p++) {
        if (*p != quote) continue;
        if (p + 1 < end && p[1] == quote)
            p++;
        else
            return p + 1;
    }
    return NULL;
}

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (is_digit(*p) || (*p == '_' && p + 1 < end && is_digit(p[1])))) p++;
    return p;
}

/* 0x.., 0o.., 0b.. */
static const uint8_t *radix_end(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 3 || p[0] != '0') return NULL;
    int kind = tolower(p[1]);
    if (kind != 'x' && kind != 'o' && kind != 'b') return NULL;
    const uint8_t *q = p + 2;
    while (q < end &&
           (kind == 'x' ? isxdigit(*q) != 0 : *q >= '0' && *q <= (kind == 'o' ? '7' : '1')))
        q++;
    return q > p + 2 && (q == end || !is_word(*q)) ? q : NULL;
}

static const uint8_t *number_end(const uint8_t *p, const uint8_t *end, lex_kind *kind)
{
    *kind = LEX_INTEGER;
    const uint8_t *q = radix_end(p, end);
    if (q != NULL) return q;
    q = skip_digits(p, end);
    if (q < end && *q == '.') {
        *kind = LEX_DECIMAL;
        q = skip_digits(q + 1, end);
    }
    if (q < end && (*q == 'e' || *q == 'E')) {
        const uint8_t *e = q + 1;
        if (e < end && (*e == '+' || *e == '-')) e++;
        if (e < end && is_digit(*e)) {
            *kind = LEX_DOUBLE;
            q = e;
            while (q < end && is_digit(*q)) q++;
        }
    }
    if (*kind == LEX_INTEGER && q < end && is_word(*q)) {
        *kind = LEX_DIGIT_WORD;
        while (q < end && is_word(*q)) q++;
    }
    return q;
}

static const uint8_t *operator_end(const lex *l, lex_token *t)
{
    static const struct {
        char text[3];
        uint32_t op;
    } pairs[] = {{"<>", LEX_NE},     {"!=", LEX_NE},    {"<=", LEX_LE},        {">=", LEX_GE},
                 {"||", LEX_CONCAT}, {"->", LEX_ARROW}, {"=>", LEX_FAT_ARROW}, {"::", LEX_COLONS}};
    t->kind = LEX_OP;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (!at(l, 0, (uint8_t)pairs[i].text[0]) || !at(l, 1, (uint8_t)pairs[i].text[1])) continue;
        t->op = pairs[i].op;
        return l->pos + 2;
    }
    t->op = *l->pos;
    if (t->op != 0 && t->op < 128 && strchr("()[].,;+-*/%<>=?:@|", (int)t->op) != NULL)
        return l->pos + 1;
    t->kind = LEX_BAD;
    const uint8_t *p = l->pos + 1;
    while (p < l->end && (*p & 0xC0) == 0x80) p++;
    return p;
}

static const uint8_t *quoted_token(const lex *l, size_t prefix, lex_kind kind, lex_token *t)
{
    const uint8_t *stop = quote_end(l->pos + prefix, l->end);
    t->kind = stop == NULL ? LEX_BAD : kind;
    return stop == NULL ? l->pos + prefix + 1 : stop;
}

static const uint8_t *token_end(const lex *l, lex_token *t)
{
    uint8_t c = *l->pos;
    if (c == '\'') return quoted_token(l, 0, LEX_STRING, t);
    if (c == '"') return quoted_token(l, 0, LEX_QUOTED, t);
    if (c == '`') return quoted_token(l, 0, LEX_BACKQUOTED, t);
    if ((c == 'X' || c == 'x') && at(l, 1, '\'')) return quoted_token(l, 1, LEX_BINARY, t);
    if ((c == 'U' || c == 'u') && at(l, 1, '&') && at(l, 2, '\''))
        return quoted_token(l, 2, LEX_UNICODE, t);
    if (is_digit(c) || (c == '.' && l->end - l->pos > 1 && is_digit(l->pos[1]))) {
        return number_end(l->pos, l->end, &t->kind);
    }
    if (!is_letter(c)) return operator_end(l, t);
    const uint8_t *p = l->pos;
    while (p < l->end && is_word(*p)) p++;
    t->kind = LEX_WORD;
    t->keyword = find_keyword(th_slice_of(l->pos, (size_t)(p - l->pos)));
    return p;
}

lex_token query_lex_next(lex *l)
{
    skip_blanks(l);
    lex_token t = {
        .kind = LEX_END, .line = l->line, .column = l->column, .text = th_slice_of(l->pos, 0)};
    if (l->pos == l->end) return t;
    const uint8_t *stop = token_end(l, &t);
    t.text.size = (size_t)(stop - l->pos);
    step_to(l, stop);
    return t;
}

static bool is_uuid(const uint8_t *p, size_t size)
{
    if (size != 36) return false;
    for (size_t i = 0; i < size; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? p[i] != '-' : !isxdigit(p[i])) return false;
    }
    return true;
}

bool query_lex_table_word(lex *l, const lex_token *first, lex_token *out)
{
    const uint8_t *p = first->text.bytes;
    bool digit = p < l->end && is_digit(*p);
    if (!digit && first->kind != LEX_WORD) return false;
    while (p < l->end && (is_word(*p) || (*p == '-' && p + 1 < l->end && is_word(p[1])))) p++;
    size_t size = (size_t)(p - first->text.bytes);
    if (!digit && !is_uuid(first->text.bytes, size)) return false;
    *out = *first;
    out->kind = LEX_DIGIT_WORD;
    out->keyword = KW_NONE;
    out->text.size = size;
    l->pos = p;
    l->line = first->line;
    l->column = first->column + (uint32_t)size;
    return true;
}

static bool undouble(th_slice raw, uint8_t quote, th_arena *arena, th_slice *out)
{
    if (memchr(raw.bytes, quote, raw.size) == NULL) {
        *out = raw;
        return true;
    }
    uint8_t *copy = th_arena_alloc(arena, raw.size);
    if (copy == NULL) return false;
    size_t n = 0;
    for (size_t i = 0; i < raw.size; i++) {
        copy[n++] = raw.bytes[i];
        if (raw.bytes[i] == quote) i++;
    }
    *out = th_slice_of(copy, n);
    return true;
}

static bool decode_binary(th_slice raw, th_arena *arena, th_slice *out, bool *bad_hex)
{
    uint8_t *digits = th_arena_alloc(arena, raw.size);
    uint8_t *bytes = th_arena_alloc(arena, raw.size / 2 + 1);
    if (digits == NULL || bytes == NULL) return false;
    size_t n = 0;
    for (size_t i = 0; i < raw.size; i++) {
        if (raw.bytes[i] != ' ' && raw.bytes[i] != '\n' && raw.bytes[i] != '\t' &&
            raw.bytes[i] != '\r') {
            digits[n++] = raw.bytes[i];
        }
    }
    *out = th_slice_of(bytes, n / 2);
    *bad_hex = n % 2 != 0 || !th_hex_decode(th_slice_of(digits, n), bytes, n / 2);
    return !*bad_hex;
}

bool query_lex_value(const lex_token *t, th_arena *arena, th_slice *out, bool *bad_hex)
{
    *bad_hex = false;
    th_slice raw = t->text;
    if (t->kind == LEX_BINARY) {
        return decode_binary(th_slice_of(raw.bytes + 2, raw.size - 3), arena, out, bad_hex);
    }
    return undouble(th_slice_of(raw.bytes + 1, raw.size - 2), raw.bytes[0], arena, out);
}

static bool take_hex(const uint8_t *p, size_t count, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        int c = tolower(p[i]);
        if (!isxdigit(c)) return false;
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = value;
    return true;
}

const char *query_lex_unicode(th_slice raw, uint8_t escape, th_arena *arena, th_slice *out)
{
    th_slice text;
    if (!undouble(th_slice_of(raw.bytes + 3, raw.size - 4), '\'', arena, &text))
        return "out of memory";
    uint8_t *copy = th_arena_alloc(arena, text.size + 4);
    if (copy == NULL) return "out of memory";
    size_t n = 0;
    for (size_t i = 0; i < text.size;) {
        size_t left = text.size - i - 1;
        const uint8_t *p = text.bytes + i + 1;
        uint32_t c = 0;
        if (text.bytes[i] != escape) {
            copy[n++] = text.bytes[i++];
        } else if (left >= 1 && *p == escape) {
            copy[n++] = escape;
            i += 2;
        } else if (left >= 7 && *p == '+' ? take_hex(p + 1, 6, &c)
                                          : left >= 4 && take_hex(p, 4, &c)) {
            if (c > 0x10FFFF) return "Invalid escaped character";
            if (c >= 0xD800 && c <= 0xDFFF) return "Invalid escaped character: a surrogate";
            n += th_utf8_put(c, copy + n);
            i += *p == '+' ? 8 : 5;
        } else {
            return "Incomplete escape sequence";
        }
    }
    *out = th_slice_of(copy, n);
    return NULL;
}
