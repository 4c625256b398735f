/* SPDX-License-Identifier: Apache-2.0
 * Matching of signature patterns (query/fn/resolve.h). */
#include "query/fn/resolve.h"

#include <ctype.h>

typedef struct pattern {
    const char *pos;
} pattern;

static void skip_space(pattern *p)
{
    while (*p->pos == ' ') p->pos++;
}

static th_slice word(pattern *p)
{
    skip_space(p);
    if (*p->pos == '=') p->pos++;
    const char *from = p->pos;
    while (isalnum((unsigned char)*p->pos) || *p->pos == '_') p->pos++;
    return th_slice_of(from, (size_t)(p->pos - from));
}

static bool take(pattern *p, char c)
{
    skip_space(p);
    if (*p->pos != c) return false;
    p->pos++;
    return true;
}

static bool is_variable(th_slice w)
{
    return w.size == 1 && w.bytes[0] >= 'A' && w.bytes[0] <= 'Z';
}

/* Move over one pattern. */
static void skip(pattern *p)
{
    (void)word(p);
    if (!take(p, '(')) return;
    do skip(p);
    while (take(p, ','));
    (void)take(p, ')');
}

/* Give the variables in the pattern what the argument says; false: no common type. */
static bool unify(pattern *p, const th_type *arg, th_arena *arena, signature_match *m)
{
    th_slice w = word(p);
    if (is_variable(w)) {
        const th_type **var = &m->variables[w.bytes[0] - 'A'];
        if (arg == NULL) return true;
        if (arg->kind == TH_FUNCTION) return false;
        *var = *var == NULL ? arg : th_type_common_super(arena, *var, arg);
        return *var != NULL;
    }
    if (!take(p, '(')) return true;
    bool lambda = th_slice_is(w, "lambda");
    bool same = arg != NULL && ((th_slice_is(w, "array") && arg->kind == TH_ARRAY) ||
                                (th_slice_is(w, "map") && arg->kind == TH_MAP) ||
                                (lambda && arg->kind == TH_FUNCTION));
    uint32_t i = 0;
    bool ok = true;
    do {
        const th_type *child = same && i < arg->child_count ? arg->children[i] : NULL;
        skip_space(p);
        bool last = same && i + 1 == arg->child_count;
        if (lambda && (!last || (is_variable(th_slice_of(p->pos, 1)) && p->pos[1] == ')' &&
                                 m->variables[*p->pos - 'A'] != NULL)))
            skip(p); /* parameters, and a result that is known already, say nothing new */
        else
            ok = unify(p, child, arena, m) && ok;
        i++;
    } while (take(p, ','));
    (void)take(p, ')');
    return ok;
}

static const th_type *integer_as_decimal(th_arena *arena, th_type_kind kind)
{
    switch (kind) {
    case TH_TINYINT: return th_type_decimal(arena, 3, 0);
    case TH_SMALLINT: return th_type_decimal(arena, 5, 0);
    case TH_INTEGER: return th_type_decimal(arena, 10, 0);
    case TH_BIGINT: return th_type_decimal(arena, 19, 0);
    default: return th_type_decimal(arena, 1, 0);
    }
}

static const th_type *with_precision_of(th_arena *arena, th_type_kind kind, const th_type *arg)
{
    bool times = arg != NULL && (arg->kind == TH_TIMESTAMP || arg->kind == TH_TIMESTAMP_TZ ||
                                 arg->kind == TH_TIME);
    if (arg != NULL && arg->kind == kind) return arg;
    return th_type_with_precision(arena, kind, times ? arg->precision : 3);
}

static const struct {
    const char *name;
    const th_type *type;
} fixed[] = {
    {"boolean", &th_type_boolean},
    {"tinyint", &th_type_tinyint},
    {"smallint", &th_type_smallint},
    {"integer", &th_type_integer},
    {"bigint", &th_type_bigint},
    {"real", &th_type_real},
    {"double", &th_type_double},
    {"varbinary", &th_type_varbinary},
    {"date", &th_type_date},
    {"json", &th_type_json},
    {"uuid", &th_type_uuid},
    {"ipaddress", &th_type_ipaddress},
    {"interval_ym", &th_type_interval_ym},
    {"interval_ds", &th_type_interval_ds},
    {"unknown", &th_type_unknown},
};

static const th_type *build(pattern *p, const th_type *arg, th_arena *arena,
                            const signature_match *m);

static const th_type *build_nested(pattern *p, th_slice w, const th_type *arg, th_arena *arena,
                                   const signature_match *m)
{
    const th_type *children[8];
    uint32_t n = 0;
    bool same = arg != NULL && arg->child_count > 0;
    do {
        children[n] = build(p, same && n < arg->child_count ? arg->children[n] : NULL, arena, m);
        if (children[n] == NULL) return NULL;
        n++;
    } while (take(p, ',') && n < 8);
    (void)take(p, ')');
    if (th_slice_is(w, "array")) return th_type_array(arena, children[0]);
    if (th_slice_is(w, "map") && n == 2) return th_type_map(arena, children[0], children[1]);
    if (th_slice_is(w, "row")) return th_type_row(arena, children, NULL, n);
    th_type *t = TH_NEW(arena, th_type);
    const th_type **own = TH_NEW_ARRAY(arena, const th_type *, n);
    if (t == NULL || own == NULL) return NULL;
    memcpy(own, children, n * sizeof *own);
    *t = (th_type){.kind = TH_FUNCTION, .child_count = n, .children = own};
    return t;
}

/* The concrete type of a pattern, near to the argument's where the pattern leaves room. */
static const th_type *build(pattern *p, const th_type *arg, th_arena *arena,
                            const signature_match *m)
{
    th_slice w = word(p);
    if (is_variable(w)) {
        const th_type *bound = m->variables[w.bytes[0] - 'A'];
        return bound == NULL ? &th_type_unknown : bound;
    }
    if (take(p, '(')) return build_nested(p, w, arg, arena, m);
    if (th_slice_is(w, "any") || th_slice_is(w, "row")) return arg == NULL ? &th_type_unknown : arg;
    if (th_slice_is(w, "varchar")) {
        if (arg != NULL && arg->kind == TH_VARCHAR) return arg;
        return arg != NULL && arg->kind == TH_CHAR ? th_type_varchar_of(arena, arg->precision)
                                                   : &th_type_varchar;
    }
    if (th_slice_is(w, "pattern"))
        return arg != NULL && (arg->kind == TH_VARCHAR || arg->kind == TH_CHAR) ? arg
                                                                                : &th_type_varchar;
    if (th_slice_is(w, "char"))
        return arg != NULL && arg->kind == TH_CHAR ? arg
                                                   : th_type_with_precision(arena, TH_CHAR, 1);
    if (th_slice_is(w, "decimal"))
        return arg != NULL && arg->kind == TH_DECIMAL
                   ? arg
                   : integer_as_decimal(arena, arg == NULL ? TH_UNKNOWN : arg->kind);
    if (th_slice_is(w, "timestamp")) return with_precision_of(arena, TH_TIMESTAMP, arg);
    if (th_slice_is(w, "timestamp_tz")) return with_precision_of(arena, TH_TIMESTAMP_TZ, arg);
    if (th_slice_is(w, "time")) return with_precision_of(arena, TH_TIME, arg);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (th_slice_is(w, fixed[i].name)) return fixed[i].type;
    return NULL;
}

/* How far a coercion goes; smaller is nearer. */
static uint32_t distance(const th_type *from, const th_type *to)
{
    if (th_type_equal(from, to)) return 0;
    if (from->kind == to->kind) return from->child_count > 0 ? 1 : 0;
    if (from->kind == TH_UNKNOWN) return 1;
    if (th_type_is_numeric(from) && th_type_is_numeric(to)) {
        static const uint32_t rank[TH_TYPE_KIND_COUNT] = {
            [TH_TINYINT] = 1, [TH_SMALLINT] = 2, [TH_INTEGER] = 3, [TH_BIGINT] = 4,
            [TH_DECIMAL] = 5, [TH_REAL] = 6,     [TH_DOUBLE] = 7};
        return 1 + rank[to->kind] - rank[from->kind];
    }
    return to->kind == TH_TIMESTAMP_TZ && from->kind == TH_DATE ? 3 : 2;
}

static bool accepts(const th_type *from, const th_type *to)
{
    if (to->kind == TH_FUNCTION) {
        if (from->kind != TH_FUNCTION || from->child_count != to->child_count) return false;
        uint32_t last = to->child_count - 1;
        const th_type *body = from->children[last], *wanted = to->children[last];
        bool same =
            body->kind == wanted->kind || (wanted->kind == TH_BIGINT && th_type_is_integer(body));
        return body->kind == TH_UNKNOWN || (same && th_type_can_coerce(body, wanted));
    }
    if (from->kind == TH_FUNCTION) return false;
    return th_type_can_coerce(from, to);
}

/* The pattern of argument i; NULL when there are fewer. The last one may repeat. */
static const char *pattern_at(const char *params, uint32_t index)
{
    pattern p = {params};
    for (uint32_t i = 0;; i++) {
        skip_space(&p);
        if (*p.pos == 0) return NULL;
        const char *start = p.pos;
        skip(&p);
        if (i == index || strncmp(p.pos, "...", 3) == 0) return start;
        if (!take(&p, ',')) return NULL;
    }
}

static bool count_fits(const char *params, uint32_t count)
{
    pattern p = {params};
    uint32_t n = 0;
    skip_space(&p);
    while (*p.pos != 0) {
        skip(&p);
        n++;
        if (strncmp(p.pos, "...", 3) == 0) return count >= n;
        if (!take(&p, ',')) break;
    }
    return n == count;
}

bool signature_matches(const char *params, const th_type *const *args, uint32_t count,
                       th_arena *arena, signature_match *out)
{
    *out = (signature_match){0};
    if (!count_fits(params, count)) return false;
    out->params = TH_NEW_ARRAY(arena, const th_type *, count + 1);
    if (out->params == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        pattern p = {pattern_at(params, i)};
        if (!unify(&p, args[i], arena, out)) return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        pattern p = {pattern_at(params, i)};
        skip_space(&p);
        bool exact = *p.pos == '=';
        out->params[i] = build(&p, args[i], arena, out);
        if (out->params[i] == NULL) return false;
        if (exact && args[i] != NULL && args[i]->kind != out->params[i]->kind &&
            args[i]->kind != TH_UNKNOWN)
            return false;
        if (args[i] == NULL) {
            if (out->params[i]->kind != TH_FUNCTION) return false;
            continue;
        }
        if (!accepts(args[i], out->params[i])) return false;
        if (args[i]->kind != TH_FUNCTION) out->cost += distance(args[i], out->params[i]);
    }
    return true;
}

const th_type *signature_result(const char *result, const signature_match *match, th_arena *arena)
{
    if (result[0] == '$') return match->params[result[1] - '1'];
    if (strcmp(result, "array($1)") == 0) return th_type_array(arena, match->params[0]);
    pattern p = {result};
    return build(&p, NULL, arena, match);
}

const th_type *const *signature_lambda(const signature_match *match, uint32_t index,
                                       uint32_t lambda_params)
{
    const th_type *t = match->params[index];
    return t->kind == TH_FUNCTION && t->child_count == lambda_params + 1 ? t->children : NULL;
}

void signature_print_types(th_buf *out, const th_type *const *args, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_text(out, ", ");
        if (args[i] == NULL || args[i]->kind == TH_FUNCTION)
            th_buf_add_text(out, "<function>");
        else
            th_type_print(out, args[i]);
    }
}
