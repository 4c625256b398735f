/* SPDX-License-Identifier: Apache-2.0
 * The judge of JSON text: RFC 8259, nothing more lenient. One loop with a bit for each open bracket (1 = object), so
 * hostile nesting costs no stack. Line and column are counted only once something is wrong. */
#include "base/assert.h"
#include "json/json_private.h"

typedef json_checker checker;

static bool refuse(checker *c, const uint8_t *at, const char *problem)
{
    c->pos = at;
    c->problem = problem;
    return false;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool check_escape(checker *c)
{
    const uint8_t *p = c->pos + 1;
    if (p == c->end) return refuse(c, p, "the text ends inside a string");
    if (*p == 'u') {
        for (int i = 1; i <= 4; i++) {
            if (c->end - p <= i) return refuse(c, c->end, "the text ends inside a string");
            if (!is_hex(p[i])) return refuse(c, p + i, "four hex digits must follow \\u");
        }
        c->pos = p + 5;
        return true;
    }
    if (strchr("\"\\/bfnrt", *p) == NULL || *p == 0)
        return refuse(c, c->pos, "unknown escape in a string");
    c->pos = p + 1;
    return true;
}

/* c->pos is at the opening quote. */
static bool check_string(checker *c)
{
    c->pos++;
    for (;;) {
        c->pos = json_find_special(c->pos, c->end);
        if (c->pos == c->end) return refuse(c, c->pos, "the text ends inside a string");
        uint8_t byte = *c->pos;
        if (byte == '"') {
            c->pos++;
            return true;
        }
        if (byte < 0x20)
            return refuse(c, c->pos, "a control character in a string must be escaped");
        if (byte == '\\') {
            if (!check_escape(c)) return false;
            continue;
        }
        size_t size = th_utf8_size(c->pos, (size_t)(c->end - c->pos));
        if (size == 0) return refuse(c, c->pos, "a string holds bytes that are not UTF-8");
        c->pos += size;
    }
}

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p;
}

static bool check_number(checker *c)
{
    const uint8_t *p = c->pos;
    if (*p == '-') p++;
    const uint8_t *digits = p;
    p = p < c->end && *p == '0' ? p + 1 : skip_digits(p, c->end);
    if (p == digits) return refuse(c, p, "a digit must follow '-'");
    if (p < c->end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, c->end);
        if (p == digits) return refuse(c, p, "a digit must follow the decimal point");
    }
    if (p < c->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < c->end && (*p == '+' || *p == '-')) p++;
        digits = p;
        p = skip_digits(p, c->end);
        if (p == digits) return refuse(c, p, "an exponent must have a digit");
    }
    c->pos = p;
    return true;
}

static bool check_literal(checker *c, const char *literal)
{
    th_slice rest = {c->pos, (size_t)(c->end - c->pos)};
    if (!th_slice_starts(rest, th_slice_text(literal)))
        return refuse(c, c->pos, "no value starts like this");
    c->pos += strlen(literal);
    return true;
}

static bool check_scalar(checker *c)
{
    switch (*c->pos) {
    case '"': return check_string(c);
    case 't': return check_literal(c, "true");
    case 'f': return check_literal(c, "false");
    case 'n': return check_literal(c, "null");
    default:
        if (*c->pos == '-' || (*c->pos >= '0' && *c->pos <= '9')) return check_number(c);
        return refuse(c, c->pos, "a value should be here");
    }
}

/* A key and its colon, blanks around both. */
static bool check_key(checker *c)
{
    c->pos = json_skip_blank(c->pos, c->end);
    if (c->pos == c->end) return refuse(c, c->pos, "the text ends inside an object");
    if (*c->pos != '"') return refuse(c, c->pos, "a key in double quotes should be here");
    const uint8_t *key = c->pos + 1;
    if (!check_string(c)) return false;
    if (c->depth == 1) {
        size_t size = (size_t)(c->pos - 1 - key);
        json_note_key(c, th_slice_of(key, size), memchr(key, '\\', size) != NULL);
    }
    c->pos = json_skip_blank(c->pos, c->end);
    if (c->pos == c->end || *c->pos != ':')
        return refuse(c, c->pos, "a colon should follow the key");
    c->pos++;
    return true;
}

static bool in_object(const checker *c)
{
    uint32_t top = c->depth - 1;
    return (c->is_object[top / 64] >> (top % 64) & 1) != 0;
}

/* Step into the bracket at pos. *empty: it was closed at once. */
static bool open_bracket(checker *c, bool *empty)
{
    bool object = *c->pos == '{';
    if (c->depth == c->depth_max) {
        c->too_deep = true;
        return refuse(c, c->pos, "nested too deep");
    }
    uint64_t bit = UINT64_C(1) << (c->depth % 64);
    if (object) {
        c->is_object[c->depth / 64] |= bit;
    } else {
        c->is_object[c->depth / 64] &= ~bit;
    }
    c->depth++;
    c->pos = json_skip_blank(c->pos + 1, c->end);
    *empty = c->pos < c->end && *c->pos == (object ? '}' : ']');
    if (!*empty) return !object || check_key(c);
    c->pos++;
    c->depth--;
    return true;
}

/* After a value: close what closes, take the comma. *more: another value follows. */
static bool after_value(checker *c, bool *more)
{
    *more = false;
    while (c->depth > 0) {
        c->pos = json_skip_blank(c->pos, c->end);
        bool object = in_object(c);
        if (c->pos == c->end) {
            return refuse(c, c->pos,
                          object ? "the text ends inside an object"
                                 : "the text ends inside an array");
        }
        if (*c->pos == ',') {
            c->pos++;
            *more = true;
            return !object || check_key(c);
        }
        if (*c->pos != (object ? '}' : ']')) {
            return refuse(c, c->pos,
                          object ? "',' or '}' should be here" : "',' or ']' should be here");
        }
        c->pos++;
        if (--c->depth == 1) json_note_value(c, c->pos);
    }
    return true;
}

static bool check_value(checker *c)
{
    for (bool more = true; more;) {
        json_step step = json_hasty_run(c);
        if (step == JSON_DONE) return true;
        if (step == JSON_AFTER_VALUE) {
            if (!after_value(c, &more)) return false;
            continue;
        }
        c->pos = json_skip_blank(c->pos, c->end);
        if (c->pos == c->end) return refuse(c, c->pos, "the text ends where a value should be");
        bool ended = true;
        if (c->depth == 1) c->value_at = c->pos;
        if (*c->pos == '{' || *c->pos == '[') {
            if (!open_bracket(c, &ended)) return false;
        } else if (!check_scalar(c)) {
            return false;
        }
        if (ended && c->depth == 1) json_note_value(c, c->pos);
        if (ended && !after_value(c, &more)) return false;
    }
    return true;
}

static th_err report(th_slice text, const checker *c, th_diag *diag)
{
    th_err err = c->too_deep ? TH_ELIMIT : TH_EPARSE;
    if (diag == NULL) return err;
    uint32_t line = 1, column = 1;
    for (const uint8_t *p = text.bytes; p < c->pos; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if ((*p & 0xC0) != 0x80) {
            column++;
        }
    }
    size_t offset = (size_t)(c->pos - text.bytes);
    if (c->too_deep) {
        return th_fail_at(diag, err, NULL, line, column,
                          "JSON at byte %zu: nested deeper than %u levels", offset,
                          (unsigned)c->depth_max);
    }
    return th_fail_at(diag, err, NULL, line, column, "JSON at byte %zu: %s", offset, c->problem);
}

static th_err check_text(th_slice text, uint32_t depth_max, bool whole, th_slice *value,
                         th_json_members *members, th_diag *diag)
{
    if (text.size == 0) text = TH_SLICE("");
    checker c;
    c.pos = json_skip_blank(text.bytes, text.bytes + text.size);
    c.end = text.bytes + text.size;
    c.problem = NULL;
    c.too_deep = false;
    c.depth = 0;
    c.members = members;
    c.value_at = c.pos;
    c.key = (th_slice){0};
    if (members != NULL) {
        members->count = 0;
        members->all = true;
        members->escaped = false;
    }
    c.depth_max = depth_max < JSON_DEPTH_MOST ? depth_max : JSON_DEPTH_MOST;
    const uint8_t *start = c.pos;
    if (!check_value(&c)) return report(text, &c, diag);
    TH_ASSERT(c.pos > start && c.pos <= c.end);
    th_slice found = {start, (size_t)(c.pos - start)};
    if (whole) {
        c.pos = json_skip_blank(c.pos, c.end);
        if (c.pos != c.end) {
            (void)refuse(&c, c.pos, "something follows the value");
            return report(text, &c, diag);
        }
    }
    *value = found;
    return TH_OK;
}

th_err th_json_value(th_slice text, uint32_t depth_max, th_slice *value, th_diag *diag)
{
    return check_text(text, depth_max, false, value, NULL, diag);
}

th_err th_json_value_members(th_slice text, uint32_t depth_max, th_slice *value,
                             th_json_members *members, th_diag *diag)
{
    return check_text(text, depth_max, false, value, members, diag);
}

th_err th_json_document(th_slice text, uint32_t depth_max, th_slice *value, th_diag *diag)
{
    return check_text(text, depth_max, true, value, NULL, diag);
}
