/* SPDX-License-Identifier: Apache-2.0
 * trailhold sql: where the statements come from, and one statement run here or at the folder's owner. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "cmd/cmd.h"

#define SCRIPT_MAX (64u << 20)

static uint32_t terminal_width(void)
{
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

/* This run's own name for its session, where it has no file. */
static const char *session_name(void)
{
    static char name[33];
    uint8_t random[16];
    if (name[0] == '\0' && th_os_random(random, sizeof(random)) == TH_OK)
        th_hex_encode(random, sizeof(random), name);
    return name;
}

int cmd_statement(cmd_call *call, cmd_access *access, th_slice sql, const char *format, bool header,
                  const char *as_known_at, cmd_io *io)
{
    bool terminal = isatty(STDOUT_FILENO) != 0;
    if (format == NULL) format = call->json ? "json" : terminal ? "table" : "csv";
    char width[16];
    snprintf(width, sizeof(width), "%u", terminal_width());
    char *text = malloc(sql.size + 1);
    if (text == NULL) return CMD_EXIT_ERROR;
    if (sql.size > 0) memcpy(text, sql.bytes, sql.size);
    text[sql.size] = '\0';
    const char *argv[16];
    int argc = 0;
    argv[argc++] = "--format";
    argv[argc++] = format;
    argv[argc++] = "--width";
    argv[argc++] = width;
    if (!header) argv[argc++] = "--no-header";
    if (terminal && getenv("NO_COLOR") == NULL) argv[argc++] = "--colour";
    if (as_known_at != NULL) {
        argv[argc++] = "--as-known-at";
        argv[argc++] = as_known_at;
    }
    argv[argc++] = access->session != NULL ? "--session" : "--session-name";
    argv[argc++] = access->session != NULL ? access->session : session_name();
    argv[argc++] = "-c";
    argv[argc++] = text;
    int status = cmd_access_run(access, call, "statement", argv, argc, io);
    free(text);
    return status;
}

/* ---- on the node -------------------------------------------------------------------------------------------------- */

static bool parse_as_known_at(const char *text, th_as_known_at *out)
{
    if (text == NULL) return true;
    th_slice s = th_slice_text(text);
    out->set = true;
    if (th_slice_to_u64(s, &out->lsn)) return true;
    out->by_time = true;
    return th_time_parse_iso(s, &out->time_us);
}

static th_err statement_write(void *ctx, th_slice bytes)
{
    cmd_io *io = ctx;
    return io->write(io->ctx, bytes);
}

/* A file is opened here, where the archive is: for the folder's own user only. */
static th_err take_session(cmd_call *call, const char *name, const char *file,
                           th_session_lease *lease, th_diag *diag)
{
    bool remote = call->principal.source != NULL && strncmp(call->principal.source, "http", 4) == 0;
    if (file != NULL && (remote || file[0] != '/'))
        return th_fail(diag, TH_EPERM, NULL,
                       "a session's file is read on the server's machine: use --data there");
    if (name == NULL && file == NULL) return TH_OK;
    return th_session_take(call->node->sessions, name, file, lease, diag);
}

int cmd_run_statement(cmd_call *call)
{
    const char *format_name = "csv", *width = "0", *sql = NULL, *as_known_at = NULL, **rest;
    const char *session = NULL, *session_file = NULL;
    bool no_header = false, colour = false;
    const cmd_option options[] = {{"--format", &format_name, NULL},
                                  {"--width", &width, NULL},
                                  {"-c", &sql, NULL},
                                  {"--as-known-at", &as_known_at, NULL},
                                  {"--session-name", &session, NULL},
                                  {"--session", &session_file, NULL},
                                  {"--no-header", NULL, &no_header},
                                  {"--colour", NULL, &colour},
                                  {NULL, NULL, NULL}};
    rest = calloc((size_t)call->argc + 1, sizeof(*rest));
    int rest_count = 0;
    bool understood = rest != NULL && cmd_options_parse(call, options, rest, &rest_count);
    free(rest);
    if (!understood) return CMD_EXIT_USAGE;
    uint64_t columns = 0;
    char temp_dir[TH_PATH_SIZE_MAX];
    (void)snprintf(temp_dir, sizeof temp_dir, "%s/tmp", th_store_dir(call->node->store));
    th_query_env env = {.provider = call->node->provider,
                        .temp_dir = temp_dir,
                        .principal = call->principal,
                        .budget = &call->node->queries,
                        .control = call->io->control};
    th_writer_options writer_options = {
        .header = !no_header, .colour = colour, .write = statement_write, .ctx = call->io};
    if (sql == NULL || !th_format_parse(format_name, &writer_options.format)) {
        return cmd_usage(call->io, "sql", "no format '%s'", format_name);
    }
    const char *how = getenv("TRAILHOLD_TEST_QUERY");
    if (how != NULL && !th_query_options_parse(th_slice_text(how), &env.options)) {
        return cmd_usage(call->io, "sql", "TRAILHOLD_TEST_QUERY says '%s'", how);
    }
    if (!parse_as_known_at(as_known_at, &env.as_known_at)) {
        return cmd_usage(call->io, "sql", "--as-known-at wants a log position or a time, not '%s'",
                         as_known_at);
    }
    if (th_slice_to_u64(th_slice_text(width), &columns)) writer_options.width = (uint32_t)columns;
    th_result_writer *writer = th_result_writer_new(&writer_options);
    if (writer == NULL) return CMD_EXIT_ERROR;
    th_result_sink sink = th_result_writer_sink(writer);
    th_diag diag = {0};
    th_session_lease lease = {.fd = -1};
    th_err err = take_session(call, session, session_file, &lease, &diag);
    env.session = lease.session;
    if (err == TH_OK) err = th_query_run(&env, th_slice_text(sql), &sink, NULL, &diag);
    if (lease.entry != NULL) th_session_give(call->node->sessions, &lease);
    if (err == TH_OK) err = th_result_writer_finish(writer);
    th_result_writer_free(writer);
    if (err == TH_OK) return CMD_EXIT_OK;
    if (diag.code == TH_OK) th_fail(&diag, err, NULL, "%s", th_err_text(err));
    return cmd_error(call->io, &diag, th_slice_text(sql));
}

/* ---- scripts ------------------------------------------------------------------------------------------------------ */

typedef struct sql_words {
    const char *text, *file, *format, *as_known_at, *session;
    bool no_header;
} sql_words;

/* The statement with as many line ends and blanks before it as stand before it in the script, so that the line and column
 * of an error are those of the script. */
static void place_statement(th_slice script, th_slice statement, th_buf *out)
{
    size_t column = 0;
    for (const uint8_t *p = script.bytes; p < statement.bytes; p++) {
        if (*p == '\n') th_buf_add_byte(out, '\n');
        column = *p == '\n' ? 0 : column + ((*p & 0xC0) != 0x80);
    }
    for (size_t i = 0; i < column; i++) th_buf_add_byte(out, ' ');
    th_buf_add_slice(out, statement);
}

static int run_script(cmd_call *call, cmd_access *access, const sql_words *w, th_slice script)
{
    th_slice left = script;
    th_buf placed;
    th_buf_init(&placed, SCRIPT_MAX);
    int status = CMD_EXIT_OK;
    while (status == CMD_EXIT_OK) {
        th_slice rest;
        uint32_t line = 1;
        bool complete = false;
        th_slice statement = th_sql_split(left, &rest, &line, &complete);
        if (statement.size == 0) break;
        th_buf_clear(&placed);
        place_statement(script, statement, &placed);
        status = cmd_statement(call, access, th_buf_slice(&placed), w->format, !w->no_header,
                               w->as_known_at, call->io);
        if (status == CMD_EXIT_OK && cmd_interrupted) status = CMD_EXIT_INTERRUPTED;
        left = rest;
    }
    th_buf_free(&placed);
    return status;
}

static th_err read_all(int fd, th_buf *out, th_diag *diag)
{
    for (;;) {
        uint8_t *room = th_buf_reserve(out, 65536);
        if (room == NULL)
            return th_fail(diag, TH_ELIMIT, NULL, "the script is longer than %u bytes", SCRIPT_MAX);
        size_t got = 0;
        TH_TRY(th_os_read(fd, room, 65536, &got, diag));
        if (got == 0) return TH_OK;
        th_buf_grow(out, got);
    }
}

static th_err read_script(const sql_words *w, th_buf *out, th_diag *diag)
{
    if (w->text != NULL) {
        th_buf_add_text(out, w->text);
        return th_buf_error(out);
    }
    if (w->file != NULL && strcmp(w->file, "-") != 0) return th_os_read_file(w->file, out, diag);
    return read_all(STDIN_FILENO, out, diag);
}

/* The path from the root: the archive's owner runs elsewhere. */
static bool absolute(const char *path, char out[TH_PATH_SIZE_MAX])
{
    char here[TH_PATH_SIZE_MAX] = "";
    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL) return false;
    int size = snprintf(out, TH_PATH_SIZE_MAX, "%s%s%s", here, path[0] == '/' ? "" : "/", path);
    return size > 0 && size < (int)TH_PATH_SIZE_MAX;
}

int cmd_run_sql(cmd_call *call)
{
    sql_words w = {0};
    const cmd_option options[] = {{"-c", &w.text, NULL},
                                  {"-f", &w.file, NULL},
                                  {"--format", &w.format, NULL},
                                  {"--as-known-at", &w.as_known_at, NULL},
                                  {"--session", &w.session, NULL},
                                  {"--no-header", NULL, &w.no_header},
                                  {NULL, NULL, NULL}};
    const char **rest = calloc((size_t)call->argc + 1, sizeof(*rest));
    int rest_count = 0;
    bool understood = rest != NULL && cmd_options_parse(call, options, rest, &rest_count);
    const char *extra = rest_count > 0 ? rest[0] : NULL;
    free(rest);
    th_format format;
    if (!understood) return CMD_EXIT_USAGE;
    if (extra != NULL)
        return cmd_usage(call->io, call->name, "what is '%s'? A statement goes behind -c", extra);
    if (w.format != NULL && !th_format_parse(w.format, &format)) {
        return cmd_usage(call->io, call->name,
                         "no format '%s': table, vertical, csv, tsv, json or ndjson", w.format);
    }
    cmd_access access;
    cmd_node_options node = {.plugins = false};
    th_diag diag = {0};
    th_err err = cmd_access_open(call, &node, &access, &diag);
    if (err != TH_OK) return cmd_error(call->io, &diag, (th_slice){0});
    int status;
    char session[TH_PATH_SIZE_MAX];
    if (w.session != NULL && !absolute(w.session, session)) {
        cmd_access_close(&access);
        return cmd_usage(call->io, call->name, "the session's path is too long");
    }
    if (w.session != NULL) access.session = session;
    if (w.text == NULL && w.file == NULL && isatty(STDIN_FILENO)) {
        status = cmd_repl(call, &access, w.format, w.as_known_at);
    } else {
        th_buf script;
        th_buf_init(&script, SCRIPT_MAX);
        err = read_script(&w, &script, &diag);
        status = err == TH_OK ? run_script(call, &access, &w, th_buf_slice(&script))
                              : cmd_error(call->io, &diag, (th_slice){0});
        th_buf_free(&script);
    }
    cmd_access_close(&access);
    return status;
}
