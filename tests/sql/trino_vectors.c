/* SPDX-License-Identifier: Apache-2.0
 * Expressions and queries with the values that they must have: reads JSON lines {"expr", "value" | "matches_expr" |
 * "error"} and {"query", "matches" | "rows" | "error", "ordered"} from the files named as arguments, runs each, and
 * prints how many were right, unsupported (no such function, type or syntax here) and wrong; -v names them. Ends with 1
 * when one was wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "json/json.h"
#include "query/result.h"
#include "tests/unit/memory_provider.h"

typedef struct outcome {
    th_err err;
    th_diag diag;
    th_buf json, text, type;
    bool lines; /* a query: one line of JSON a row */
} outcome;

static th_err take_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    outcome *o = ctx;
    for (uint32_t i = 0; i < count; i++) th_type_print(&o->type, columns[i].type);
    return TH_OK;
}

static th_err take_batch(void *ctx, const th_batch *batch)
{
    outcome *o = ctx;
    for (uint32_t i = 0; i < batch->rows; i++) {
        for (uint32_t c = 0; c < batch->column_count; c++) {
            if (c > 0) th_buf_add_byte(&o->json, ',');
            th_value_json(&o->json, &batch->columns[c], i);
            th_value_text(&o->text, &batch->columns[c], i);
        }
        if (o->lines) th_buf_add_byte(&o->json, '\n');
    }
    return TH_OK;
}

static void run(memory_provider *p, th_slice expr, outcome *o)
{
    th_buf sql;
    th_query_env env = {.provider = memory_provider_of(p)};
    th_result_sink sink = {take_columns, take_batch, o};
    o->diag = (th_diag){0};
    th_buf_clear(&o->json);
    th_buf_clear(&o->text);
    th_buf_clear(&o->type);
    th_buf_init(&sql, 1u << 20);
    if (!o->lines) th_buf_add_text(&sql, "SELECT ");
    th_buf_add_slice(&sql, expr);
    o->err = th_query_run(&env, th_buf_slice(&sql), &sink, NULL, &o->diag);
    th_buf_free(&sql);
}

static bool is_unsupported(const outcome *o)
{
    static const char *const names[] = {
        "FUNCTION_NOT_FOUND", "SYNTAX_ERROR",       "TYPE_NOT_FOUND",
        "NOT_SUPPORTED",      "TYPE_MISMATCH",      "COLUMN_NOT_FOUND",
        "INVALID_LITERAL",    "GENERIC_USER_ERROR", "TABLE_NOT_FOUND"};
    const char *name = th_diag_name(&o->diag);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* A number may come as a string: decimals, and doubles that JSON cannot spell. */
static bool same_number(th_slice got, th_slice wanted)
{
    char a[400], b[400];
    if (got.size > 1 && got.bytes[0] == '"') got = th_slice_of(got.bytes + 1, got.size - 2);
    if (wanted.size > 1 && wanted.bytes[0] == '"')
        wanted = th_slice_of(wanted.bytes + 1, wanted.size - 2);
    if (got.size >= sizeof a || wanted.size >= sizeof b || got.size == 0 || wanted.size == 0)
        return false;
    memcpy(a, got.bytes, got.size);
    memcpy(b, wanted.bytes, wanted.size);
    a[got.size] = b[wanted.size] = 0;
    char *ea, *eb;
    double x = strtod(a, &ea), y = strtod(b, &eb);
    if (*ea != 0 || *eb != 0) return false;
    return x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= fabs(y) * 1e-14 ||
           (float)x == (float)y;
}

static bool same_json(th_slice got, th_slice wanted, th_arena *arena);

static bool same_members(th_slice got, th_slice wanted, th_arena *arena)
{
    th_slice key, value, k, v;
    th_json_iter it = th_json_iter_of(wanted), other = th_json_iter_of(got);
    bool rows = th_json_kind_of(got) == TH_JSON_OBJECT && th_json_kind_of(wanted) == TH_JSON_ARRAY;
    if (th_json_kind_of(got) == TH_JSON_OBJECT && !rows) {
        size_t n = 0, m = 0;
        while (th_json_next(&other, &k, &v)) m++;
        for (; th_json_next(&it, &key, &value); n++)
            if (!same_json(th_json_member(got, th_json_key(key, arena)), value, arena))
                return false;
        return n == m;
    }
    while (th_json_next(&it, &key, &value))
        if (!th_json_next(&other, &k, &v) || !same_json(v, value, arena)) return false;
    return !th_json_next(&other, &k, &v);
}

static bool same_json(th_slice got, th_slice wanted, th_arena *arena)
{
    th_json_kind a = th_json_kind_of(got), b = th_json_kind_of(wanted);
    if (got.size == 0) return false;
    if ((b == TH_JSON_ARRAY || b == TH_JSON_OBJECT) && (a == TH_JSON_ARRAY || a == TH_JSON_OBJECT))
        return same_members(got, wanted, arena);
    if (a == TH_JSON_STRING && b == TH_JSON_STRING &&
        th_slice_equal(th_json_string(got, arena), th_json_string(wanted, arena)))
        return true;
    if (b == TH_JSON_STRING) { /* JSON text of a json value */
        th_buf compact;
        th_buf_init(&compact, 1u << 20);
        th_json_compact(&compact, got);
        bool same = th_slice_equal(th_buf_slice(&compact), th_json_string(wanted, arena));
        th_buf_free(&compact);
        if (same) return true;
    }
    return th_slice_equal(got, wanted) || same_number(got, wanted);
}

static int compare_lines(const void *a, const void *b)
{
    return th_slice_compare(*(const th_slice *)a, *(const th_slice *)b);
}

static size_t lines_of(const th_buf *b, th_arena *arena, bool ordered, th_slice **out)
{
    size_t n = 0, from = 0;
    th_slice *lines = TH_NEW_ARRAY(arena, th_slice, b->size + 1);
    for (size_t i = 0; lines != NULL && i < b->size; i++) {
        if (b->bytes[i] != '\n') continue;
        lines[n++] = th_slice_of(b->bytes + from, i - from);
        from = i + 1;
    }
    if (!ordered) qsort(lines, n, sizeof *lines, compare_lines);
    *out = lines;
    return n;
}

static bool same_rows(const outcome *a, const outcome *b, bool ordered, th_arena *arena)
{
    th_slice *x, *y;
    size_t n = lines_of(&a->json, arena, ordered, &x), m = lines_of(&b->json, arena, ordered, &y);
    bool same = n == m;
    for (size_t i = 0; i < n && same; i++) {
        char wrapped[2][4000];
        (void)snprintf(wrapped[0], sizeof wrapped[0], "[%.*s]", TH_SLICE_ARGS(x[i]));
        (void)snprintf(wrapped[1], sizeof wrapped[1], "[%.*s]", TH_SLICE_ARGS(y[i]));
        same = same_json(th_slice_text(wrapped[0]), th_slice_text(wrapped[1]), arena);
    }
    return same;
}

static const char *judge_query(memory_provider *p, th_slice line, outcome *o, outcome *other,
                               th_arena *arena)
{
    th_slice error = th_json_member(line, TH_SLICE("error")),
             rows = th_json_member(line, TH_SLICE("rows"));
    th_slice matches = th_json_member(line, TH_SLICE("matches"));
    bool ordered = th_json_kind_of(th_json_member(line, TH_SLICE("ordered"))) == TH_JSON_TRUE;
    o->lines = other->lines = true;
    run(p, th_json_string(th_json_member(line, TH_SLICE("query")), arena), o);
    /* "error": true without a message: a form of subquery that Trino has no plan for, and no word about its answer. */
    bool no_plan = th_json_kind_of(error) == TH_JSON_TRUE &&
                   th_json_kind_of(th_json_member(line, TH_SLICE("message"))) == TH_JSON_NULL;
    if (no_plan && o->err == TH_OK) return "answered";
    if (error.size > 0)
        return o->err != TH_OK
                   ? is_unsupported(o) || th_json_kind_of(error) == TH_JSON_TRUE ||
                             th_slice_is(th_json_string(error, arena), th_diag_name(&o->diag))
                         ? "right"
                         : "wrong"
                   : "wrong";
    if (o->err != TH_OK) return is_unsupported(o) ? "unsupported" : "wrong";
    if (rows.size > 0) return o->json.size == 0 ? "right" : "wrong";
    run(p, th_json_string(matches, arena), other);
    if (other->err != TH_OK) return is_unsupported(other) ? "unsupported" : "wrong";
    return same_rows(o, other, ordered, arena) ? "right" : "wrong";
}

/* The vector names the type, as tests/sql/java_value.py reads it. */
static bool same_type(th_slice line, outcome *o, th_arena *arena)
{
    th_slice name = th_json_member(line, TH_SLICE("type_name"));
    if (name.size == 0) return true;
    th_slice wanted = th_json_string(name, arena);
    return th_slice_equal(wanted, th_buf_slice(&o->type));
}

typedef struct score {
    uint32_t right, unsupported, wrong, answered, skipped;
} score;

static bool judge(memory_provider *p, th_slice line, outcome *o, outcome *other, th_arena *arena,
                  const char **verdict)
{
    if (th_json_member(line, TH_SLICE("query")).size > 0) {
        *verdict = judge_query(p, line, o, other, arena);
        return true;
    }
    o->lines = other->lines = false;
    th_slice expr = th_json_string(th_json_member(line, TH_SLICE("expr")), arena);
    th_slice value = th_json_member(line, TH_SLICE("value"));
    th_slice matches = th_json_member(line, TH_SLICE("matches_expr"));
    th_slice error = th_json_member(line, TH_SLICE("error"));
    *verdict = "skipped";
    if (value.size == 0 && matches.size == 0 && error.size == 0) return false;
    if (th_slice_find(line, TH_SLICE("Pacific/Apia")) != SIZE_MAX)
        return false; /* their session's zone */
    run(p, expr, o);
    if (error.size > 0) {
        th_slice name =
            th_json_kind_of(error) == TH_JSON_STRING ? th_json_string(error, arena) : TH_SLICE("");
        bool named =
            o->err != TH_OK && (name.size == 0 || th_slice_is(name, th_diag_name(&o->diag)));
        *verdict = named ? "right" : o->err != TH_OK && is_unsupported(o) ? "unsupported" : "wrong";
        return true;
    }
    if (o->err != TH_OK) {
        *verdict = is_unsupported(o) ? "unsupported" : "wrong";
        return true;
    }
    if (value.size > 0) {
        bool same = th_slice_equal(th_buf_slice(&o->json), value) ||
                    (strncmp(th_buf_text(&o->type), "decimal", 7) != 0 &&
                     same_json(th_buf_slice(&o->json), value, arena));
        *verdict = same && same_type(line, o, arena) ? "right" : "wrong";
        return true;
    }
    run(p, th_json_string(matches, arena), other);
    if (other->err != TH_OK)
        *verdict = is_unsupported(other) ? "unsupported" : "wrong";
    else
        *verdict = th_slice_equal(th_buf_slice(&o->text), th_buf_slice(&other->text)) &&
                           th_slice_equal(th_buf_slice(&o->type), th_buf_slice(&other->type))
                       ? "right"
                       : "wrong";
    return true;
}

static void explain(const char *verdict, th_slice line, outcome *o, outcome *other)
{
    printf("%s\t%.*s\n\tgot %s %s: %s", verdict, (int)(line.size > 20000 ? 20000 : line.size),
           (const char *)line.bytes, o->err != TH_OK ? th_diag_name(&o->diag) : "",
           th_buf_text(&o->type), o->err != TH_OK ? o->diag.text : th_buf_text(&o->json));
    if (other->type.size > 0 || other->err != TH_OK)
        printf(" | other %s: %s %s", th_buf_text(&other->type), th_buf_text(&other->json),
               other->diag.text);
    printf("\n");
}

static void judge_file(memory_provider *p, const char *path, bool verbose, score *s)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    outcome o = {0}, other = {0};
    th_buf_init(&o.json, 1u << 24);
    th_buf_init(&o.text, 1u << 24);
    th_buf_init(&o.type, 1u << 16);
    th_buf_init(&other.json, 1u << 24);
    th_buf_init(&other.text, 1u << 24);
    th_buf_init(&other.type, 1u << 16);
    th_arena *arena = th_arena_new(64u << 20, NULL);
    FILE *f = fopen(path, "r");
    while (f != NULL && (size = getline(&line, &capacity, f)) > 0) {
        const char *verdict;
        th_arena_reset(arena);
        other.diag = (th_diag){0};
        other.err = TH_OK;
        th_buf_clear(&other.type);
        th_slice raw = th_slice_of(line, (size_t)size - 1);
        if (!judge(p, raw, &o, &other, arena, &verdict)) {
            s->skipped++;
            continue;
        }
        s->right += verdict[0] == 'r';
        s->unsupported += verdict[0] == 'u';
        s->wrong += verdict[0] == 'w';
        s->answered += verdict[0] == 'a';
        if (verbose && verdict[0] != 'r') explain(verdict, raw, &o, &other);
    }
    if (f != NULL) (void)fclose(f);
    free(line);
    th_arena_free(arena);
    th_buf *const buffers[] = {&o.json, &o.text, &o.type, &other.json, &other.text, &other.type};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) th_buf_free(buffers[i]);
}

int main(int argc, char **argv)
{
    bool verbose = false;
    score s = {0};
    memory_provider *p = memory_provider_new(1000);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else
            judge_file(p, argv[i], verbose, &s);
    }
    memory_provider_free(p);
    printf(
        "%u right, %u unsupported, %u wrong, %u answered where Trino has no plan, %u not judged\n",
        s.right, s.unsupported, s.wrong, s.answered, s.skipped);
    return s.wrong == 0 ? 0 : 1;
}
