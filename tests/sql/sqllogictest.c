/* SPDX-License-Identifier: Apache-2.0
 * Scripts of sqllogictest: `sqllogictest [-v] [--most N] FILE...` runs each script over tables in memory and prints how
 * many queries gave what the script says. -v names the others; --most: only N queries of each file. Ends with 1 when one
 * gave something else.
 *
 * Where the scripts' dialect is not ours:
 * - We are the engine "trailhold". `skipif postgresql` is honoured for two of its reasons, which are Trino's too: strict
 *   GROUP BY, and division by zero, an error and not NULL. Everything that is `onlyif` for another engine is left out.
 * - The scripts' integers have 64 bits, Trino's literals 32: an expression of literals that leaves 32 bits is an error
 *   NUMERIC_VALUE_OUT_OF_RANGE in Trino. Only such a query is asked again with its literals as BIGINT.
 * - INTEGER columns are bigint, FLOAT and REAL double. PRIMARY KEY, UNIQUE and indexes are read over.
 * - A column of type I is cut to an integer as SQLite does it, one of type R has three decimals. */
#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "query/result.h"
#include "tests/unit/memory_provider.h"

#define TEXT_MAX (64u << 20)

typedef struct score {
    uint32_t right, wrong, skipped, statements_failed;
} score;

typedef struct script {
    memory_provider *p;
    char *text, *at;
    uint32_t line;
    bool verbose;
    uint32_t most;
    score score;
} script;

/* One record: its lines up to a blank one, cut at ---- */
typedef struct record {
    uint32_t line;
    bool skip;
    char *words[4]; /* of its first line */
    uint32_t word_count;
    char *sql, *wanted; /* terminated; wanted NULL: no ---- */
} record;

typedef struct answer {
    th_buf text;    /* values, each terminated */
    size_t *values; /* offsets in text */
    uint32_t count, capacity, columns;
    const char *types;
    const char *all; /* for sorting */
} answer;

static char *next_line(script *s)
{
    if (*s->at == '\0') return NULL;
    char *line = s->at, *end = strchr(line, '\n');
    s->line++;
    s->at = end == NULL ? line + strlen(line) : end + 1;
    if (end != NULL) *end = '\0';
    return line;
}

static bool honoured(const char *condition)
{
    if (strncmp(condition, "onlyif ", 7) == 0) return strncmp(condition + 7, "trailhold", 9) != 0;
    if (strncmp(condition, "skipif trailhold", 16) == 0) return true;
    if (strncmp(condition, "skipif postgresql", 17) != 0) return false;
    return strstr(condition, "GROUP BY") != NULL || strstr(condition, "DIV/0") != NULL;
}

static void split_words(char *line, record *r)
{
    r->word_count = 0;
    for (char *w = strtok(line, " \t"); w != NULL && r->word_count < 4; w = strtok(NULL, " \t"))
        r->words[r->word_count++] = w;
}

/* From here to the next blank line. */
static void take_block(script *s, record *r)
{
    char *end = *s->at == '\n' ? s->at - 1 : strstr(s->at, "\n\n");
    r->sql = s->at;
    r->wanted = NULL;
    end[1] = '\0';
    for (const char *c = s->at; *c != '\0'; c++) s->line += *c == '\n';
    s->at = end + 2;
    s->line++;
    char *cut = strstr(r->sql, "\n----\n");
    if (cut == NULL) return;
    *cut = '\0';
    r->wanted = cut + 6;
}

static bool next_record(script *s, record *r)
{
    char *line;
    *r = (record){0};
    while ((line = next_line(s)) != NULL) {
        if (*line == '\0' || *line == '#') continue;
        if (strncmp(line, "skipif ", 7) == 0 || strncmp(line, "onlyif ", 7) == 0) {
            r->skip = r->skip || honoured(line);
            continue;
        }
        r->line = s->line;
        split_words(line, r);
        if (strcmp(r->words[0], "hash-threshold") == 0) continue; /* the answers show it */
        if (strcmp(r->words[0], "halt") == 0) {
            if (!r->skip) return false;
            r->skip = false;
            continue;
        }
        take_block(s, r);
        return true;
    }
    return false;
}

static void add_value(answer *a, const th_vector *v, uint32_t row, char type)
{
    th_buf text;
    char number[400] = "";
    if (a->count == a->capacity) {
        a->capacity = a->capacity == 0 ? 64 : a->capacity * 2;
        a->values = realloc(a->values, a->capacity * sizeof *a->values);
        if (a->values == NULL) abort();
    }
    a->values[a->count++] = a->text.size;
    th_buf_init(&text, TEXT_MAX);
    bool null = v->type->kind == TH_UNKNOWN || th_vector_is_null(v, row);
    if (!null) th_value_text(&text, v, row);
    const char *plain = th_buf_text(&text);
    if (null) {
        th_buf_add_text(&a->text, "NULL");
    } else if (type == 'I') {
        bool real = strpbrk(plain, ".eE") != NULL && v->type->kind != TH_VARCHAR;
        if (v->type->kind == TH_BOOLEAN)
            th_buf_add_text(&a->text, plain[0] == 't' ? "1" : "0");
        else if (real)
            th_buf_printf(&a->text, "%lld", (long long)strtod(plain, NULL));
        else
            th_buf_printf(&a->text, "%lld", strtoll(plain, NULL, 10));
    } else if (type == 'R') {
        (void)snprintf(number, sizeof number, "%.3f", strtod(plain, NULL));
        th_buf_add_text(&a->text, number);
    } else {
        th_buf_add_text(&a->text, plain[0] == '\0' ? "(empty)" : plain);
    }
    th_buf_add_byte(&a->text, '\0');
    th_buf_free(&text);
}

static th_err take_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    answer *a = ctx;
    (void)columns;
    a->columns = count;
    return TH_OK;
}

static th_err take_batch(void *ctx, const th_batch *batch)
{
    answer *a = ctx;
    if (batch->column_count != strlen(a->types)) return TH_EINVAL;
    for (uint32_t i = 0; i < batch->rows; i++)
        for (uint32_t c = 0; c < batch->column_count; c++)
            add_value(a, &batch->columns[c], i, a->types[c]);
    return TH_OK;
}

static int compare_values(const void *x, const void *y, void *ctx)
{
    const answer *a = ctx;
    const size_t *l = x, *r = y;
    for (uint32_t c = 0; c < a->columns; c++) {
        int order = strcmp(a->all + l[c], a->all + r[c]);
        if (order != 0) return order;
    }
    return 0;
}

static void sort_answer(answer *a, const char *mode)
{
    a->all = th_buf_text(&a->text);
    if (strcmp(mode, "valuesort") == 0) a->columns = 1;
    if (strcmp(mode, "nosort") != 0 && a->count > 0)
        qsort_r(a->values, a->count / a->columns, a->columns * sizeof *a->values, compare_values,
                a);
}

/* As the script says it: the values a line, or their number and MD5. */
static void print_answer(const answer *a, bool hashed, th_buf *out)
{
    th_buf lines;
    th_buf_init(&lines, TEXT_MAX);
    for (uint32_t i = 0; i < a->count; i++) {
        th_buf_add_text(&lines, a->all + a->values[i]);
        th_buf_add_byte(&lines, '\n');
    }
    if (!hashed) {
        th_buf_add_slice(out, th_buf_slice(&lines));
    } else {
        uint8_t digest[16];
        unsigned int size = 0;
        th_slice all = th_buf_slice(&lines);
        if (EVP_Digest(all.bytes, all.size, digest, &size, EVP_md5(), NULL) != 1) abort();
        th_buf_printf(out, "%u values hashing to ", a->count);
        for (unsigned int i = 0; i < size; i++) th_buf_printf(out, "%02x", digest[i]);
        th_buf_add_byte(out, '\n');
    }
    th_buf_free(&lines);
}

/* Whole numbers of an expression as BIGINT '5'; ordinals of GROUP BY and ORDER BY do not come with such an error. */
static void widen_literals(const char *sql, th_buf *out)
{
    char before = ' ';
    for (const char *c = sql; *c != '\0';) {
        bool starts = isdigit((unsigned char)*c) && !isalnum((unsigned char)before) &&
                      before != '_' && before != '.' && before != '\'';
        size_t n = starts ? strspn(c, "0123456789") : 1;
        if (*c == '\'') n = 1 + strcspn(c + 1, "'") + (strchr(c + 1, '\'') != NULL);
        if (starts && c[n] != '.')
            th_buf_printf(out, "BIGINT '%.*s'", (int)n, c);
        else
            th_buf_add_slice(out, th_slice_of(c, n));
        before = c[n - 1];
        c += n;
    }
}

static th_err ask(const script *s, const char *sql, answer *a, th_diag *diag)
{
    th_query_env env = {.provider = memory_provider_of(s->p)};
    th_result_sink sink = {take_columns, take_batch, a};
    *diag = (th_diag){0};
    a->count = 0;
    th_buf_clear(&a->text);
    return th_query_run(&env, th_slice_text(sql), &sink, NULL, diag);
}

static void run_query(script *s, const record *r)
{
    answer a = {.types = r->word_count > 1 ? r->words[1] : ""};
    const char *wanted = r->wanted == NULL ? "" : r->wanted;
    th_buf wide, got;
    th_diag diag;
    th_buf_init(&a.text, TEXT_MAX);
    th_buf_init(&wide, TEXT_MAX);
    th_buf_init(&got, TEXT_MAX);
    th_err err = ask(s, r->sql, &a, &diag);
    if (err != TH_OK && strcmp(th_diag_name(&diag), "NUMERIC_VALUE_OUT_OF_RANGE") == 0) {
        widen_literals(r->sql, &wide);
        err = ask(s, th_buf_text(&wide), &a, &diag);
    }
    if (err == TH_OK) {
        sort_answer(&a, r->word_count > 2 ? r->words[2] : "nosort");
        print_answer(&a, strstr(wanted, " values hashing to ") != NULL, &got);
    }
    bool right = err == TH_OK && strcmp(th_buf_text(&got), wanted) == 0;
    s->score.right += right;
    s->score.wrong += !right;
    if (!right && s->verbose)
        printf("line %u: %s\n    gave   %s%s\n%s\n    wanted\n%s\n", r->line, r->sql,
               err == TH_OK ? "" : th_diag_name(&diag), err == TH_OK ? "" : diag.text,
               th_buf_text(&got), wanted);
    free(a.values);
    th_buf_free(&a.text);
    th_buf_free(&wide);
    th_buf_free(&got);
}

typedef struct words {
    th_slice rest;
} words;

/* The next word, number or sign of a statement. */
static th_slice take(words *w)
{
    const char *c = (const char *)w->rest.bytes;
    size_t n = w->rest.size, at = 0, size = 0;
    while (at < n && isspace((unsigned char)c[at])) at++;
    while (at + size < n && (isalnum((unsigned char)c[at + size]) || c[at + size] == '_')) size++;
    if (size == 0 && at < n) size = 1;
    th_slice word = th_slice_of(c + at, size);
    w->rest = th_slice_of(c + at + size, n - at - size);
    return word;
}

static bool is(th_slice word, const char *text)
{
    return th_slice_equal_nocase(word, th_slice_text(text));
}

static const char *type_of(th_slice word)
{
    if (is(word, "INTEGER") || is(word, "INT") || is(word, "BIGINT") || is(word, "SMALLINT"))
        return "bigint";
    if (is(word, "FLOAT") || is(word, "REAL") || is(word, "DOUBLE") || is(word, "NUMERIC"))
        return "double";
    return "varchar";
}

/* CREATE TABLE name(column TYPE[(n)] [PRIMARY KEY ...], ...), after the words CREATE TABLE */
static th_err create_table(script *s, words *w, th_diag *diag)
{
    th_buf sql;
    th_buf_init(&sql, TEXT_MAX);
    th_slice name = take(w), word = take(w);
    th_buf_add_text(&sql, "SELECT ");
    for (bool first = true; word.size > 0 && !is(word, ")"); first = false) {
        th_slice column = take(w);
        if (is(column, "PRIMARY") || is(column, "UNIQUE")) break;
        th_buf_printf(&sql, "%sCAST(NULL AS %s) AS %.*s", first ? "" : ", ", type_of(take(w)),
                      TH_SLICE_ARGS(column));
        for (int open = 0; (word = take(w)).size > 0;) {
            if (open == 0 && (is(word, ",") || is(word, ")"))) break;
            open += is(word, "(") - is(word, ")");
        }
    }
    th_buf_add_text(&sql, " WHERE false");
    char text[256];
    (void)snprintf(text, sizeof text, "%.*s", TH_SLICE_ARGS(name));
    th_err err = memory_provider_add(s->p, text, th_buf_text(&sql), false, diag);
    th_buf_free(&sql);
    return err;
}

static void add_names(th_buf *out, const memory_table *t)
{
    for (uint32_t i = 0; i < t->table.column_count; i++)
        th_buf_printf(out, "%s%.*s", i == 0 ? "" : ",", TH_SLICE_ARGS(t->columns[i].name));
}

/* INSERT INTO name[(columns)] VALUES ... or SELECT ...: every column of the table in its type, NULL for the others. */
static th_err insert(script *s, words *w, th_diag *diag)
{
    th_buf names, sql;
    memory_table *t = memory_provider_table(s->p, take(w));
    if (t == NULL) return TH_ENOTFOUND;
    th_buf_init(&names, TEXT_MAX);
    th_buf_init(&sql, TEXT_MAX);
    words after = *w;
    if (is(take(&after), "(")) {
        const char *end = memchr(after.rest.bytes, ')', after.rest.size);
        size_t n = (size_t)(end - (const char *)after.rest.bytes);
        th_buf_add_slice(&names, th_slice_of(after.rest.bytes, n));
        w->rest = th_slice_of(end + 1, after.rest.size - n - 1);
    } else {
        add_names(&names, t);
    }
    th_buf_add_text(&sql, "SELECT ");
    for (uint32_t i = 0; i < t->table.column_count; i++) {
        bool given = false;
        words list = {th_buf_slice(&names)};
        for (th_slice word; (word = take(&list)).size > 0;)
            given = given || th_slice_equal_nocase(word, t->columns[i].name);
        th_buf_printf(&sql, "%sCAST(%.*s AS ", i == 0 ? "" : ", ",
                      given ? (int)t->columns[i].name.size : 4,
                      given ? (const char *)t->columns[i].name.bytes : "NULL");
        th_type_print(&sql, t->columns[i].type);
        th_buf_add_text(&sql, ")");
    }
    th_buf_printf(&sql, " FROM (%.*s) AS given(%s)", TH_SLICE_ARGS(w->rest), th_buf_text(&names));
    th_err err = memory_provider_insert(s->p, t, th_buf_slice(&sql), diag);
    th_buf_free(&names);
    th_buf_free(&sql);
    return err;
}

static th_err run_statement(script *s, const record *r, th_diag *diag)
{
    words w = {th_slice_text(r->sql)};
    th_slice verb = take(&w), what = take(&w);
    if (is(verb, "CREATE") && is(what, "TABLE")) return create_table(s, &w, diag);
    if ((is(verb, "CREATE") || is(verb, "DROP")) && (is(what, "INDEX") || is(what, "UNIQUE")))
        return TH_OK;
    if (is(verb, "INSERT")) return insert(s, &w, diag);
    if (!is(verb, "DROP") || !is(what, "TABLE")) return TH_EUNSUPPORTED;
    th_slice name = take(&w);
    bool optional = is(name, "IF");
    if (optional) {
        (void)take(&w);
        name = take(&w);
    }
    return memory_provider_drop(s->p, name) || optional ? TH_OK : TH_ENOTFOUND;
}

static void run_record(script *s, const record *r)
{
    if (r->skip) {
        s->score.skipped++;
    } else if (strcmp(r->words[0], "query") == 0) {
        run_query(s, r);
    } else if (strcmp(r->words[0], "statement") == 0) {
        th_diag diag = {0};
        bool ok = run_statement(s, r, &diag) == TH_OK;
        bool wanted = r->word_count < 2 || strcmp(r->words[1], "ok") == 0;
        s->score.statements_failed += ok != wanted;
        if (ok != wanted) printf("line %u: %s\n    %s\n", r->line, r->sql, diag.text);
    }
}

static bool read_file(const char *path, char **out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) return false;
    long size = ftell(f);
    *out = malloc((size_t)size + 3);
    bool ok = *out != NULL && fseek(f, 0, SEEK_SET) == 0 &&
              fread(*out, 1, (size_t)size, f) == (size_t)size;
    (void)fclose(f);
    if (!ok) return false;
    char *to = *out;
    for (const char *c = *out; c < *out + size; c++)
        if (*c != '\r') *to++ = *c;
    memcpy(to, "\n\n", 3);
    return true;
}

static bool run_file(const char *path, bool verbose, uint32_t most)
{
    script s = {.verbose = verbose, .most = most};
    record r;
    if (!read_file(path, &s.text)) {
        printf("%s: cannot be read\n", path);
        return false;
    }
    s.at = s.text;
    s.p = memory_provider_new(1000);
    while (s.score.right + s.score.wrong < s.most && next_record(&s, &r)) run_record(&s, &r);
    memory_provider_free(s.p);
    free(s.text);
    printf("%s: %u right, %u wrong, %u skipped, %u statements failed\n", path, s.score.right,
           s.score.wrong, s.score.skipped, s.score.statements_failed);
    return s.score.wrong == 0 && s.score.statements_failed == 0;
}

int main(int argc, char **argv)
{
    bool verbose = false, good = true;
    uint32_t most = UINT32_MAX;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--most") == 0 && i + 1 < argc)
            most = (uint32_t)strtoul(argv[++i], NULL, 10);
        else
            good = run_file(argv[i], verbose, most) && good;
    }
    return good ? 0 : 1;
}
