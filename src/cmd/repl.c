/* SPDX-License-Identifier: Apache-2.0
 * The prompt: statements end at `;`, a continuation prompt until then, history as whole statements, Tab completes
 * keywords, tables and columns, Ctrl-C drops the line or cancels the query that runs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "cmd/cmd.h"
#include "cmd/line.h"

#define WORDS_ARENA (8u << 20)

static const char *const keywords[] = {"SELECT",
                                       "FROM",
                                       "WHERE",
                                       "GROUP",
                                       "BY",
                                       "HAVING",
                                       "ORDER",
                                       "LIMIT",
                                       "OFFSET",
                                       "DISTINCT",
                                       "JOIN",
                                       "LEFT",
                                       "INNER",
                                       "CROSS",
                                       "UNNEST",
                                       "WITH",
                                       "AS",
                                       "ON",
                                       "AND",
                                       "OR",
                                       "NOT",
                                       "IN",
                                       "LIKE",
                                       "CASE",
                                       "WHEN",
                                       "BETWEEN",
                                       "INTERVAL",
                                       "TIMESTAMP",
                                       "EXPLAIN",
                                       "SHOW",
                                       "DESCRIBE",
                                       "TABLES",
                                       "COLUMNS",
                                       "count(",
                                       "sum(",
                                       "avg(",
                                       "min(",
                                       "max(",
                                       "approx_distinct(",
                                       "json_extract_scalar(",
                                       "date_trunc(",
                                       "from_iso8601_timestamp(",
                                       "regexp_like(",
                                       NULL};

typedef struct repl {
    cmd_call *call;
    cmd_access *access;
    const char *format, *as_known_at;
    cmd_line *line;
    th_arena *arena;
    const char **words;
    th_buf statement;
    bool done;
} repl;

/* Where names for completion come from: a query whose one column is collected. */
static th_err collect(void *ctx, th_slice bytes)
{
    th_buf_add_slice(ctx, bytes);
    return TH_OK;
}

static void load_words(repl *r)
{
    th_buf names, messages;
    th_buf_init(&names, WORDS_ARENA);
    th_buf_init(&messages, WORDS_ARENA);
    th_query_control control = {0};
    cmd_io io = {.write = collect, .ctx = &names, .messages = &messages, .control = &control};
    cmd_statement(r->call, r->access,
                  TH_SLICE("SELECT table_name FROM information_schema.tables UNION "
                           "SELECT column_name FROM information_schema.columns"),
                  "csv", false, NULL, &io);
    size_t count = 0, room = sizeof(keywords) / sizeof(keywords[0]);
    for (size_t i = 0; i < names.size; i++) room += names.bytes[i] == '\n';
    r->words = TH_NEW_ARRAY(r->arena, const char *, room + 1);
    if (r->words != NULL) {
        for (size_t i = 0; keywords[i] != NULL; i++) r->words[count++] = keywords[i];
        const char *text = th_arena_printf(r->arena, "%s", th_buf_text(&names));
        char *save = NULL;
        for (char *w = text == NULL ? NULL : strtok_r((char *)(uintptr_t)text, "\n", &save);
             w != NULL && count < room; w = strtok_r(NULL, "\n", &save)) {
            r->words[count++] = w;
        }
        cmd_line_set_words(r->line, r->words);
    }
    th_buf_free(&names);
    th_buf_free(&messages);
}

/* Hand the statement in hand to $EDITOR and take back what it saved. */
static void edit_statement(repl *r)
{
    char path[] = "/tmp/trailhold-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return;
    th_diag diag = {0};
    const char *editor = getenv("EDITOR");
    if (editor == NULL || editor[0] == '\0') editor = "vi";
    th_err err = th_os_write_all(fd, th_buf_slice(&r->statement), &diag);
    th_os_close(fd);
    const char *argv[] = {"/bin/sh", "-c", "exec $0 \"$1\"", editor, path, NULL};
    const int fds[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    th_os_spawn spawn = {.program = "/bin/sh", .argv = argv, .fds = fds, .fd_count = 3};
    int status = 0;
    if (err == TH_OK && th_os_run_process(&spawn, &status, &diag) == TH_OK && status == 0) {
        th_buf_clear(&r->statement);
        err = th_os_read_file(path, &r->statement, &diag);
    }
    if (err != TH_OK) cmd_error(r->call->io, &diag, (th_slice){0});
    unlink(path);
}

static void show_help(void)
{
    puts("Statements end with ;\n"
         "  \\q         leave            \\e  edit the statement in $EDITOR\n"
         "  \\f FORMAT  table, vertical, csv, tsv, json, ndjson\n"
         "  SHOW TABLES; DESCRIBE cloudtrail; SHOW FUNCTIONS;");
}

/* A line that starts with a backslash; false when it is no command of the prompt. */
static bool backslash(repl *r, const char *line)
{
    if (line[0] != '\\') return false;
    th_format format;
    if (line[1] == 'q') {
        r->done = true;
    } else if (line[1] == 'e') {
        edit_statement(r);
    } else if (line[1] == 'f' && line[2] == ' ' && th_format_parse(line + 3, &format)) {
        r->format = th_arena_printf(r->arena, "%s", line + 3);
    } else {
        show_help();
    }
    return true;
}

/* Run every whole statement that has been typed; keep the rest. */
static void run_complete(repl *r)
{
    for (;;) {
        th_slice rest;
        uint32_t line = 1;
        bool complete = false;
        th_slice statement = th_sql_split(th_buf_slice(&r->statement), &rest, &line, &complete);
        if (!complete) return;
        if (statement.size > 0) {
            char *entry = th_arena_printf(r->arena, "%.*s;", TH_SLICE_ARGS(statement));
            if (entry != NULL) cmd_line_add_history(r->line, entry);
            cmd_interrupted = 0;
            atomic_store(&r->call->io->control->cancel, 0);
            cmd_statement(r->call, r->access, statement, r->format, true, r->as_known_at,
                          r->call->io);
            fflush(stdout);
        }
        th_buf left;
        th_buf_init(&left, TH_SQL_SIZE_MAX);
        th_buf_add_slice(&left, rest);
        th_buf_clear(&r->statement);
        th_buf_add_slice(&r->statement, th_buf_slice(&left));
        th_buf_free(&left);
    }
}

static bool blank(th_slice s)
{
    for (size_t i = 0; i < s.size; i++) {
        if (s.bytes[i] > ' ') return false;
    }
    return true;
}

static void repl_loop(repl *r)
{
    while (!r->done) {
        bool fresh = blank(th_buf_slice(&r->statement)), interrupted = false;
        const char *line =
            cmd_line_read(r->line, fresh ? "trailhold> " : "        -> ", &interrupted);
        if (interrupted) {
            th_buf_clear(&r->statement);
            continue;
        }
        if (line == NULL) return;
        if (backslash(r, line)) {
            run_complete(r);
            continue;
        }
        if (fresh && (strcmp(line, "exit") == 0 || strcmp(line, "quit") == 0)) return;
        th_buf_add_text(&r->statement, line);
        th_buf_add_byte(&r->statement, '\n');
        run_complete(r);
    }
}

int cmd_repl(cmd_call *call, cmd_access *access, const char *format, const char *as_known_at)
{
    repl r = {.call = call, .access = access, .format = format, .as_known_at = as_known_at};
    r.arena = th_arena_new(WORDS_ARENA * 4, NULL);
    if (r.arena == NULL) return CMD_EXIT_ERROR;
    const char *home = getenv("HOME");
    char *history = home != NULL ? th_arena_printf(r.arena, "%s/.trailhold_history", home) : NULL;
    r.line = cmd_line_open(history);
    th_buf_init(&r.statement, TH_SQL_SIZE_MAX);
    if (r.line != NULL) {
        if (!call->quiet) puts("Statements end with ; and \\? shows help.");
        load_words(&r);
        repl_loop(&r);
        puts("");
    }
    cmd_line_close(r.line);
    th_buf_free(&r.statement);
    th_arena_free(r.arena);
    return CMD_EXIT_OK;
}
