/* SPDX-License-Identifier: Apache-2.0
 * Literals and type names. */
#include <ctype.h>

#include "query/bind.h"
#include "query/fn/call.h"
#include "query/fn/zone.h"
#include "query/type/datetime.h"
#include "query/type/number.h"

static th_err make(binder *b, const th_type *type, const th_value *v, const ast_expr *ast,
                   const th_expr **out)
{
    if (type == NULL) return query_no_memory(b);
    *out = query_expr_const(b, type, v, ast);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

static int printed(size_t size)
{
    return size > 100 ? 100 : (int)size;
}

static th_err invalid(binder *b, const ast_expr *ast, const char *type)
{
    return th_fail_at(b->diag, TH_ESQL, "INVALID_LITERAL", ast->line, ast->column,
                      "'%.*s' is not a valid %s literal", printed(ast->text.size),
                      (const char *)ast->text.bytes, type);
}

/* 12, 0xFF, 0o17, 0b101 */
static bool integer_value(th_slice text, bool negative, int64_t *out)
{
    uint64_t value = 0, base = 10;
    size_t i = 0;
    if (text.size > 2 && text.bytes[0] == '0' && isalpha(text.bytes[1])) {
        int kind = tolower(text.bytes[1]);
        base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
        i = 2;
    }
    for (; i < text.size; i++) {
        int c = tolower(text.bytes[i]);
        uint64_t digit = (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static th_err integer(binder *b, const ast_expr *ast, bool negative, const th_expr **out)
{
    th_value v = {0};
    if (!integer_value(ast->text, negative, &v.i)) {
        return th_fail_at(b->diag, TH_ESQL, "INVALID_LITERAL", ast->line, ast->column,
                          "Invalid numeric literal: %s%.*s", negative ? "-" : "",
                          printed(ast->text.size), (const char *)ast->text.bytes);
    }
    bool narrow = v.i >= INT32_MIN && v.i <= INT32_MAX;
    return make(b, narrow ? &th_type_integer : &th_type_bigint, &v, ast, out);
}

static th_err decimal(binder *b, const ast_expr *ast, bool negative, const th_expr **out)
{
    th_value v = {0};
    uint32_t precision, scale;
    if (!th_decimal_parse(ast->text, &v.d, &precision, &scale)) return invalid(b, ast, "DECIMAL");
    if (negative) v.d = -v.d;
    return make(b, th_type_decimal(b->arena, precision, scale), &v, ast, out);
}

static th_err real_number(binder *b, const ast_expr *ast, bool negative, const th_expr **out)
{
    th_value v = {0};
    if (!th_double_parse(ast->text, &v.f)) return invalid(b, ast, "DOUBLE");
    if (negative) v.f = -v.f;
    return make(b, &th_type_double, &v, ast, out);
}

static th_err string(binder *b, const ast_expr *ast, const th_expr **out)
{
    th_value v = {.s = ast->text};
    size_t length = fn_utf8_length(ast->text);
    return make(b, th_type_varchar_of(b->arena, (uint32_t)length), &v, ast, out);
}

/* Amounts of an interval: numbers one after the other, each in its unit. */
static bool take_amount(th_slice *s, int64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;
    for (; n < s->size && isdigit(s->bytes[n]); n++) {
        if (n > 17) return false;
        value = value * 10 + (uint64_t)(s->bytes[n] - '0');
    }
    if (n == 0) return false;
    *s = th_slice_of(s->bytes + n, s->size - n);
    *out = (int64_t)value;
    return true;
}

static bool take_char(th_slice *s, char c)
{
    if (s->size == 0 || s->bytes[0] != (uint8_t)c) return false;
    *s = th_slice_of(s->bytes + 1, s->size - 1);
    return true;
}

static bool take_fraction(th_slice *s, int64_t *us)
{
    if (!take_char(s, '.')) return true;
    int64_t unit = 100000;
    size_t n = 0;
    for (; n < s->size && isdigit(s->bytes[n]); n++) {
        *us += (s->bytes[n] - '0') * unit;
        unit /= 10;
    }
    *s = th_slice_of(s->bytes + n, s->size - n);
    return n > 0;
}

static bool add_scaled(int64_t *total, int64_t amount, int64_t unit)
{
    int64_t part;
    return !__builtin_mul_overflow(amount, unit, &part) &&
           !__builtin_add_overflow(*total, part, total);
}

/* "2", "2-3" (year to month) */
static bool months_of(const ast_expr *ast, th_slice s, int64_t *out)
{
    int64_t amount;
    *out = 0;
    if (!take_amount(&s, &amount)) return false;
    if (!add_scaled(out, amount, ast->unit == AST_YEAR ? 12 : 1)) return false;
    if (ast->unit_to != ast->unit && take_char(&s, '-')) {
        if (!take_amount(&s, &amount) || !add_scaled(out, amount, 1)) return false;
    }
    return s.size == 0 && *out <= INT32_MAX;
}

/* "2", "1 02:03:04.5" (day to second) and what lies between */
static bool micros_of(const ast_expr *ast, th_slice s, int64_t *out)
{
    static const int64_t sizes[] = {[AST_SECOND] = 1000000,
                                    [AST_MINUTE] = 60000000,
                                    [AST_HOUR] = INT64_C(3600000000),
                                    [AST_DAY] = INT64_C(86400000000),
                                    [AST_WEEK] = INT64_C(604800000000)};
    *out = 0;
    for (int unit = (int)ast->unit; unit >= (int)ast->unit_to; unit--) {
        int64_t amount;
        if (unit != (int)ast->unit && !take_char(&s, unit == AST_HOUR ? ' ' : ':')) return false;
        if (!take_amount(&s, &amount) || !add_scaled(out, amount, sizes[unit])) return false;
        int64_t fraction = 0;
        if (unit == AST_SECOND && (!take_fraction(&s, &fraction) || !add_scaled(out, fraction, 1)))
            return false;
    }
    return s.size == 0;
}

static th_err interval(binder *b, const ast_expr *ast, const th_expr **out)
{
    th_slice s = ast->text;
    while (take_char(&s, ' ')) {}
    bool negative = take_char(&s, '-');
    if (!negative) take_char(&s, '+');
    bool years = ast->unit == AST_MONTH || ast->unit == AST_YEAR;
    bool mixed = years != (ast->unit_to == AST_MONTH || ast->unit_to == AST_YEAR) ||
                 ast->unit_to > ast->unit;
    th_value v = {0};
    if (mixed || !(years ? months_of(ast, s, &v.i) : micros_of(ast, s, &v.i)))
        return invalid(b, ast, "INTERVAL");
    if (negative != ast->negated) v.i = -v.i;
    return make(b, years ? &th_type_interval_ym : &th_type_interval_ds, &v, ast, out);
}

static th_err date(binder *b, const ast_expr *ast, const th_expr **out)
{
    th_value v = {0};
    if (!th_date_parse(ast->text, &v.i)) return invalid(b, ast, "DATE");
    return make(b, &th_type_date, &v, ast, out);
}

static th_err timestamp(binder *b, const ast_expr *ast, const th_expr **out)
{
    th_moment m = {0};
    if (!th_timestamp_parse(ast->text, &m)) return invalid(b, ast, "TIMESTAMP");
    th_value v = {.i = m.us, .extra = m.extra, .zone = m.has_zone ? m.zone : 0};
    th_type_kind kind = m.has_zone ? TH_TIMESTAMP_TZ : TH_TIMESTAMP;
    return make(b, th_type_with_precision(b->arena, kind, m.precision), &v, ast, out);
}

static th_err time_of_day(binder *b, const ast_expr *ast, const th_expr **out)
{
    th_moment m = {0};
    if (!th_time_parse(ast->text, &m)) return invalid(b, ast, "TIME");
    th_value v = {.i = m.us, .extra = m.extra};
    return make(b, th_type_with_precision(b->arena, TH_TIME, m.precision), &v, ast, out);
}

/* JSON '..' parses its text; other types take it as CAST does. */
static th_err other_typed(binder *b, const ast_expr *ast, const th_expr **out)
{
    const th_type *type;
    TH_TRY(query_bind_type(b, ast, &type));
    const th_expr *text;
    TH_TRY(string(b, ast, &text));
    if (th_slice_equal_nocase(ast->type_text, TH_SLICE("char"))) { /* as long as its text */
        uint32_t length = text->type->precision;
        type = th_type_with_precision(b->arena, TH_CHAR, length < 1 ? 1 : length);
        if (type == NULL) return query_no_memory(b);
    }
    if (type->kind == TH_JSON) {
        TH_TRY(query_bind_function(b, ast, "json_parse", 1, &text, out));
    } else {
        TH_TRY(query_bind_cast(b, text, type, out));
    }
    if ((*out)->kind == TH_X_CONST) return TH_OK;
    char name[64];
    size_t n = 0;
    for (; n < ast->type_text.size && n < sizeof name - 1; n++)
        name[n] = (char)toupper(ast->type_text.bytes[n]);
    name[n] = '\0';
    return invalid(b, ast, name);
}

static th_err typed(binder *b, const ast_expr *ast, const th_expr **out)
{
    if (th_slice_equal_nocase(ast->type_text, TH_SLICE("date"))) return date(b, ast, out);
    if (th_slice_equal_nocase(ast->type_text, TH_SLICE("timestamp"))) return timestamp(b, ast, out);
    if (th_slice_equal_nocase(ast->type_text, TH_SLICE("time"))) return time_of_day(b, ast, out);
    if (th_slice_equal_nocase(ast->type_text, TH_SLICE("decimal")))
        return decimal(b, ast, false, out);
    return other_typed(b, ast, out);
}

th_err query_bind_literal(binder *b, const ast_expr *ast, bool negative, const th_expr **out)
{
    switch (ast->kind) {
    case AST_INTEGER: return integer(b, ast, negative, out);
    case AST_DECIMAL: return decimal(b, ast, negative, out);
    case AST_DOUBLE: return real_number(b, ast, negative, out);
    case AST_STRING: return string(b, ast, out);
    case AST_BINARY: {
        th_value v = {.s = ast->text};
        return make(b, &th_type_varbinary, &v, ast, out);
    }
    case AST_INTERVAL: return interval(b, ast, out);
    case AST_TYPED: return typed(b, ast, out);
    case AST_TRUE:
    case AST_FALSE: {
        th_value v = {.i = ast->kind == AST_TRUE};
        return make(b, &th_type_boolean, &v, ast, out);
    }
    default:
        *out = query_expr_null(b, &th_type_unknown, ast);
        return *out == NULL ? query_no_memory(b) : TH_OK;
    }
}

th_err query_bind_type(binder *b, const ast_expr *ast, const th_type **out)
{
    th_diag why = {0};
    th_err err = th_type_parse(ast->type_text, b->arena, out, &why);
    if (err == TH_OK) return TH_OK;
    if (err == TH_ELIMIT || err == TH_ENOMEM) return query_no_memory(b);
    return th_fail_at(b->diag, TH_ESQL, "TYPE_NOT_FOUND", ast->line, ast->column,
                      "Unknown type: %.*s", printed(ast->type_text.size),
                      (const char *)ast->type_text.bytes);
}
