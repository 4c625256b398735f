/* SPDX-License-Identifier: Apache-2.0
 * Parse type names in Trino's spelling (array(row(a varchar))) and in Hive's (array<struct<a:string>>). */
#include "query/type.h"

#define DEPTH_MAX 64
#define FIELDS_MAX 4096

typedef struct parser {
    const uint8_t *pos, *end, *start;
    th_arena *arena;
    th_diag *diag;
    int depth;
} parser;

static const struct {
    const char *name;
    const th_type *type;
} simple_types[] = {
    {"boolean", &th_type_boolean},     {"tinyint", &th_type_tinyint},
    {"smallint", &th_type_smallint},   {"integer", &th_type_integer},
    {"int", &th_type_integer},         {"bigint", &th_type_bigint},
    {"real", &th_type_real},           {"float", &th_type_real},
    {"double", &th_type_double},       {"string", &th_type_varchar},
    {"varbinary", &th_type_varbinary}, {"binary", &th_type_varbinary},
    {"date", &th_type_date},           {"json", &th_type_json},
    {"uuid", &th_type_uuid},           {"ipaddress", &th_type_ipaddress},
    {"unknown", &th_type_unknown},
};

static th_err parse_type(parser *p, const th_type **out);

static th_err syntax(parser *p, const char *what)
{
    return th_fail(p->diag, TH_ESYNTAX, NULL, "%s at character %zu of type '%.*s'", what,
                   (size_t)(p->pos - p->start) + 1,
                   (int)(p->end - p->start > 200 ? 200 : p->end - p->start),
                   (const char *)p->start);
}

static th_err no_memory(parser *p)
{
    return th_fail(p->diag, TH_ELIMIT, NULL, "no memory for a type");
}

static void skip_space(parser *p)
{
    while (p->pos < p->end &&
           (*p->pos == ' ' || *p->pos == '\t' || *p->pos == '\n' || *p->pos == '\r'))
        p->pos++;
}

static bool take(parser *p, char c)
{
    skip_space(p);
    if (p->pos == p->end || *p->pos != (uint8_t)c) return false;
    p->pos++;
    return true;
}

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c >= 0x80;
}

/* A bare word, or a name between double or back quotes; empty when there is none. */
static th_slice word(parser *p, bool *quoted)
{
    skip_space(p);
    *quoted = false;
    if (p->pos < p->end && (*p->pos == '"' || *p->pos == '`')) {
        uint8_t quote = *p->pos;
        const uint8_t *from = ++p->pos;
        while (p->pos < p->end && *p->pos != quote) p->pos++;
        th_slice s = th_slice_of(from, (size_t)(p->pos - from));
        if (p->pos < p->end) p->pos++;
        *quoted = true;
        return s;
    }
    const uint8_t *from = p->pos;
    while (p->pos < p->end && (is_word(*p->pos) || (*p->pos == '-' && p->pos > from))) p->pos++;
    return th_slice_of(from, (size_t)(p->pos - from));
}

static bool take_word(parser *p, const char *text)
{
    const uint8_t *saved = p->pos;
    bool quoted;
    th_slice s = word(p, &quoted);
    if (!quoted && th_slice_equal_nocase(s, th_slice_text(text))) return true;
    p->pos = saved;
    return false;
}

static th_err number(parser *p, uint32_t max, uint32_t *out)
{
    bool quoted;
    uint64_t n;
    th_slice s = word(p, &quoted);
    if (quoted || !th_slice_to_u64(s, &n) || n > max) return syntax(p, "bad type parameter");
    *out = (uint32_t)n;
    return TH_OK;
}

/* "(n)" when it is there. */
static th_err length(parser *p, uint32_t max, uint32_t *out)
{
    if (!take(p, '(')) return TH_OK;
    TH_TRY(number(p, max, out));
    return take(p, ')') ? TH_OK : syntax(p, "')' expected");
}

static th_err parse_decimal(parser *p, const th_type **out)
{
    uint32_t precision = 38, scale = 0;
    if (take(p, '(')) {
        TH_TRY(number(p, 38, &precision));
        if (take(p, ',')) TH_TRY(number(p, 38, &scale));
        if (!take(p, ')')) return syntax(p, "')' expected");
    }
    if (precision == 0 || scale > precision) return syntax(p, "bad decimal precision or scale");
    *out = th_type_decimal(p->arena, precision, scale);
    return *out == NULL ? no_memory(p) : TH_OK;
}

static th_err parse_time(parser *p, bool is_timestamp, const th_type **out)
{
    uint32_t precision = 3;
    th_type_kind kind = is_timestamp ? TH_TIMESTAMP : TH_TIME;
    TH_TRY(length(p, 12, &precision));
    if (take_word(p, "with")) {
        if (!is_timestamp || !take_word(p, "time") || !take_word(p, "zone"))
            return syntax(p, "unknown type");
        kind = TH_TIMESTAMP_TZ;
    } else if (take_word(p, "without")) {
        if (!take_word(p, "time") || !take_word(p, "zone")) return syntax(p, "unknown type");
    }
    *out = th_type_with_precision(p->arena, kind, precision);
    return *out == NULL ? no_memory(p) : TH_OK;
}

static th_err parse_interval(parser *p, const th_type **out)
{
    if (take_word(p, "year") && take_word(p, "to") && take_word(p, "month")) {
        *out = &th_type_interval_ym;
        return TH_OK;
    }
    if (take_word(p, "day") && take_word(p, "to") && take_word(p, "second")) {
        *out = &th_type_interval_ds;
        return TH_OK;
    }
    return syntax(p, "unknown interval type");
}

static th_err parse_array(parser *p, const th_type **out)
{
    bool angle = take(p, '<');
    const th_type *element;
    if (!angle && !take(p, '(')) return syntax(p, "'(' expected");
    TH_TRY(parse_type(p, &element));
    if (!take(p, angle ? '>' : ')')) return syntax(p, "end of array type expected");
    *out = th_type_array(p->arena, element);
    return *out == NULL ? no_memory(p) : TH_OK;
}

static th_err parse_map(parser *p, const th_type **out)
{
    bool angle = take(p, '<');
    const th_type *key, *value;
    if (!angle && !take(p, '(')) return syntax(p, "'(' expected");
    TH_TRY(parse_type(p, &key));
    if (!take(p, ',')) return syntax(p, "',' expected");
    TH_TRY(parse_type(p, &value));
    if (!take(p, angle ? '>' : ')')) return syntax(p, "end of map type expected");
    *out = th_type_map(p->arena, key, value);
    return *out == NULL ? no_memory(p) : TH_OK;
}

/* A field of a row: "name type", or a bare type (anonymous), or Hive's "name:type". */
static th_err parse_field(parser *p, bool angle, const th_type **type, th_slice *name)
{
    const uint8_t *saved = p->pos;
    bool quoted;
    th_slice n = word(p, &quoted);
    bool colon = angle && take(p, ':');
    skip_space(p);
    bool more =
        p->pos < p->end && *p->pos != ',' && *p->pos != ')' && *p->pos != '(' && *p->pos != '<';
    bool two_words =
        th_slice_equal_nocase(n, TH_SLICE("interval")) ||
        (th_slice_equal_nocase(n, TH_SLICE("timestamp")) && more && (*p->pos | 32) == 'w') ||
        (th_slice_equal_nocase(n, TH_SLICE("double")) && more && (*p->pos | 32) == 'p');
    *name = (th_slice){NULL, 0};
    if (colon || quoted || (more && !two_words)) {
        *name = th_arena_copy(p->arena, n);
        if (name->bytes == NULL) return no_memory(p);
    } else {
        p->pos = saved;
    }
    return parse_type(p, type);
}

static th_err parse_row(parser *p, const th_type **out)
{
    bool angle = take(p, '<');
    const th_type *fields[128], **types = fields;
    th_slice names[128], *labels = names;
    uint32_t count = 0, capacity = 128;
    if (!angle && !take(p, '(')) return syntax(p, "'(' expected");
    do {
        if (count == capacity) {
            if (capacity >= FIELDS_MAX) return syntax(p, "too many fields");
            const th_type **more_types = TH_NEW_ARRAY(p->arena, const th_type *, capacity * 2);
            th_slice *more_labels = TH_NEW_ARRAY(p->arena, th_slice, capacity * 2);
            if (more_types == NULL || more_labels == NULL) return no_memory(p);
            memcpy(more_types, types, count * sizeof *types);
            memcpy(more_labels, labels, count * sizeof *labels);
            types = more_types;
            labels = more_labels;
            capacity *= 2;
        }
        TH_TRY(parse_field(p, angle, &types[count], &labels[count]));
        count++;
    } while (take(p, ','));
    if (!take(p, angle ? '>' : ')')) return syntax(p, "end of row type expected");
    *out = th_type_row(p->arena, types, labels, count);
    return *out == NULL ? no_memory(p) : TH_OK;
}

static th_err parse_text(parser *p, bool is_char, const th_type **out)
{
    uint32_t n = is_char ? 1 : TH_UNBOUNDED;
    TH_TRY(length(p, is_char ? 65536 : UINT32_C(2147483647), &n));
    if (n == 2147483647u) n = TH_UNBOUNDED;
    *out = is_char ? th_type_with_precision(p->arena, TH_CHAR, n) : th_type_varchar_of(p->arena, n);
    return *out == NULL ? no_memory(p) : TH_OK;
}

static th_err parse_named(parser *p, th_slice name, const th_type **out)
{
    for (size_t i = 0; i < sizeof simple_types / sizeof simple_types[0]; i++) {
        if (!th_slice_equal_nocase(name, th_slice_text(simple_types[i].name))) continue;
        *out = simple_types[i].type;
        if (*out == &th_type_double) (void)take_word(p, "precision");
        return TH_OK;
    }
    if (th_slice_equal_nocase(name, TH_SLICE("varchar"))) return parse_text(p, false, out);
    if (th_slice_equal_nocase(name, TH_SLICE("char"))) return parse_text(p, true, out);
    if (th_slice_equal_nocase(name, TH_SLICE("decimal"))) return parse_decimal(p, out);
    if (th_slice_equal_nocase(name, TH_SLICE("dec"))) return parse_decimal(p, out);
    if (th_slice_equal_nocase(name, TH_SLICE("numeric"))) return parse_decimal(p, out);
    if (th_slice_equal_nocase(name, TH_SLICE("timestamp"))) return parse_time(p, true, out);
    if (th_slice_equal_nocase(name, TH_SLICE("time"))) return parse_time(p, false, out);
    if (th_slice_equal_nocase(name, TH_SLICE("interval"))) return parse_interval(p, out);
    if (th_slice_equal_nocase(name, TH_SLICE("array"))) return parse_array(p, out);
    if (th_slice_equal_nocase(name, TH_SLICE("map"))) return parse_map(p, out);
    if (th_slice_equal_nocase(name, TH_SLICE("row"))) return parse_row(p, out);
    if (th_slice_equal_nocase(name, TH_SLICE("struct"))) return parse_row(p, out);
    return th_fail(p->diag, TH_ESYNTAX, "TYPE_NOT_FOUND", "Unknown type: %.*s",
                   (int)(name.size > 100 ? 100 : name.size), (const char *)name.bytes);
}

static th_err parse_type(parser *p, const th_type **out)
{
    bool quoted;
    if (++p->depth > DEPTH_MAX) return syntax(p, "type nested too deeply");
    th_slice name = word(p, &quoted);
    if (name.size == 0) return syntax(p, "type name expected");
    TH_TRY(parse_named(p, name, out));
    p->depth--;
    return TH_OK;
}

th_err th_type_parse(th_slice text, th_arena *arena, const th_type **out, th_diag *diag)
{
    static const uint8_t empty[1];
    if (text.size == 0) text.bytes = empty;
    parser p = {text.bytes, text.bytes + text.size, text.bytes, arena, diag, 0};
    const th_type *type;
    TH_TRY(parse_type(&p, &type));
    skip_space(&p);
    if (p.pos != p.end) return syntax(&p, "unexpected text");
    *out = type;
    return TH_OK;
}
