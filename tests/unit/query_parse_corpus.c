/* SPDX-License-Identifier: Apache-2.0
 * Every published query of ../shared/queries parses, and those that never did give a syntax error with a place.
 * Skipped where that folder is missing. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "json/json.h"
#include "query/parse.h"
#include "tests/unit/test.h"

#define FOLDER "../shared/queries/"

static th_slice read_file(const char *path, th_arena *arena)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return (th_slice){0};
    size_t room = 4u << 20;
    uint8_t *bytes = th_arena_alloc(arena, room);
    size_t size = bytes == NULL ? 0 : fread(bytes, 1, room, file);
    fclose(file);
    return th_slice_of(bytes, size);
}

/* What one entry of placeholders.json does to text. */
static th_slice substitute(th_slice rule, th_slice text, th_arena *arena)
{
    th_slice pattern = th_json_string(th_json_member(rule, TH_SLICE("pattern")), arena);
    th_slice with = th_json_string(th_json_member(rule, TH_SLICE("replacement")), arena);
    int error;
    size_t offset;
    pcre2_code *code = pcre2_compile(pattern.bytes, pattern.size, PCRE2_UTF, &error, &offset, NULL);
    CHECK(code != NULL);
    if (code == NULL) return text;
    size_t size = text.size * 4 + 4096;
    uint8_t *out = th_arena_alloc(arena, size);
    int n = pcre2_substitute(code, text.bytes, text.size, 0, PCRE2_SUBSTITUTE_GLOBAL, NULL, NULL,
                             with.bytes, with.size, out, &size);
    pcre2_code_free(code);
    CHECK(n >= 0);
    return n > 0 ? th_slice_of(out, size) : text;
}

static th_slice with_placeholders(th_slice rules, const char *folder, th_slice text,
                                  th_arena *arena)
{
    th_json_iter it = th_json_iter_of(rules);
    th_slice key, rule;
    while (th_json_next(&it, &key, &rule)) {
        th_slice sources = th_json_string(th_json_member(rule, TH_SLICE("sources")), arena);
        const char *glob = th_arena_printf(arena, "%.*s", TH_SLICE_ARGS(sources));
        if (fnmatch(glob, folder, 0) == 0) text = substitute(rule, text, arena);
    }
    return text;
}

typedef struct tally {
    int parsed, failed, broken, broken_positioned;
} tally;

static void parse_one(const char *path, const char *status, th_slice rules, tally *t)
{
    th_arena *arena = th_arena_new(256u << 20, NULL);
    char folder[200];
    snprintf(folder, sizeof folder, "%.*s", (int)strcspn(path, "/"), path);
    th_slice text = read_file(th_arena_printf(arena, FOLDER "%s", path), arena);
    text = with_placeholders(rules, folder, text, arena);
    ast_statement *s;
    th_diag diag = {0};
    th_err err = query_parse(text, arena, &s, &diag);
    if (strcmp(status, "origin-broken") == 0) {
        t->broken++;
        t->broken_positioned += err != TH_OK && diag.line > 0 && diag.column > 0;
        if (err == TH_OK) printf("# %s is broken at its origin, yet parsed\n", path);
    } else if (err == TH_OK) {
        t->parsed++;
    } else {
        t->failed++;
        printf("# %s: line %u:%u: %s: %s\n", path, diag.line, diag.column, th_diag_name(&diag),
               diag.text);
    }
    th_arena_free(arena);
}

/* file, dialect, data, status, expected, origin */
static void parse_line(char *line, th_slice rules, tally *t)
{
    char *field[4] = {line, NULL, NULL, NULL};
    for (int i = 1; i < 4; i++) {
        char *tab = strchr(field[i - 1], '\t');
        if (tab == NULL) return;
        *tab = '\0';
        field[i] = tab + 1;
    }
    field[3][strcspn(field[3], "\t")] = '\0';
    bool ours = strcmp(field[1], "trino") == 0 || strcmp(field[1], "lake") == 0 ||
                strcmp(field[1], "config") == 0;
    bool counted = strcmp(field[3], "ok") == 0 || strcmp(field[3], "origin-broken") == 0;
    if (ours && counted) parse_one(field[0], field[3], rules, t);
}

TEST(published_queries_parse)
{
    th_arena *arena = th_arena_new(64u << 20, NULL);
    th_slice rules = read_file(FOLDER "placeholders.json", arena);
    FILE *index = fopen(FOLDER "index.tsv", "r");
    if (index == NULL || rules.size == 0) {
        printf("# skipped: no " FOLDER "\n");
        if (index != NULL) fclose(index);
        th_arena_free(arena);
        return;
    }
    tally t = {0};
    CHECK(th_json_document(rules, 16, &rules, NULL) == TH_OK);
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, index) > 0) parse_line(line, rules, &t);
    free(line);
    fclose(index);
    printf("# %d parsed, %d failed; %d broken at their origin, %d of them with a place\n", t.parsed,
           t.failed, t.broken, t.broken_positioned);
    CHECK(t.parsed > 400);
    CHECK_EQ_I64(t.failed, 0);
    CHECK_EQ_I64(t.broken, t.broken_positioned);
    th_arena_free(arena);
}

TEST_MAIN(published_queries_parse)
