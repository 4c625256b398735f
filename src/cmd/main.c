/* SPDX-License-Identifier: Apache-2.0
 * From the words of the command line to one command: shared options, help, signals, exit status. */
#include "cmd/main.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/cmd.h"

#define VERSION_TEXT "0.1.0"

volatile int cmd_interrupted;
static th_query_control *volatile interrupt_control;

void cmd_interrupt_target(th_query_control *control)
{
    interrupt_control = control;
}

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    cmd_interrupted = 1;
    th_query_control *control = interrupt_control;
    if (control != NULL) atomic_store(&control->cancel, 1);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

const cmd_command *cmd_find(const char *name)
{
    for (const cmd_command *c = cmd_commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) return c;
    }
    return NULL;
}

static void print_overview(FILE *to)
{
    fputs("Trailhold keeps AWS security logs, answers SQL over them, and raises findings; all on "
          "this machine.\n\n"
          "Usage: trailhold COMMAND [options]\n\nCommands\n",
          to);
    for (const cmd_command *c = cmd_commands; c->name != NULL; c++) {
        if ((c->flags & CMD_HIDDEN) == 0) fprintf(to, "  %-12s %s\n", c->name, c->summary);
    }
    fputs("\nShared options\n"
          "  --data DIR       the data folder (default: $TRAILHOLD_DATA, else ./trailhold-data)\n"
          "  --server URL     talk to a running server: http://127.0.0.1:8370\n"
          "  -q               no messages but errors\n"
          "  --json           machine-readable output\n"
          "  --help           help of a command, with examples\n"
          "  --version\n"
          "\nExamples\n"
          "  trailhold ingest AWSLogs/\n"
          "  trailhold sql -c \"SELECT eventname, count(*) FROM cloudtrail GROUP BY 1\"\n"
          "  trailhold findings\n",
          to);
}

static void print_help(const cmd_command *command)
{
    printf("Usage: trailhold %s %s\n\n%s", command->name, command->words, command->help);
}

typedef struct shared_words {
    const char *dir, *server;
    bool quiet, json, help, version;
    const char **words; /* as many as there are arguments, at most */
    int count;
} shared_words;

/* The value of --name VALUE or --name=VALUE at argv[*i]; NULL when the word is another. "" when the value is missing. */
static const char *shared_value(int argc, char **argv, int *i, const char *name)
{
    size_t size = strlen(name);
    if (strncmp(argv[*i], name, size) != 0) return NULL;
    if (argv[*i][size] == '=') return argv[*i] + size + 1;
    if (argv[*i][size] != '\0') return NULL;
    if (*i + 1 >= argc) return "";
    return argv[++*i];
}

static bool take_shared(int argc, char **argv, shared_words *w)
{
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        if ((value = shared_value(argc, argv, &i, "--data")) != NULL) {
            w->dir = value;
        } else if ((value = shared_value(argc, argv, &i, "--server")) != NULL) {
            w->server = value;
        } else if (strcmp(argv[i], "-q") == 0 || strcmp(argv[i], "--quiet") == 0) {
            w->quiet = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            w->json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            w->help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            w->version = true;
        } else {
            w->words[w->count++] = argv[i];
            /* The text behind -c and -f is not ours to look into. */
            if ((strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "-f") == 0) && i + 1 < argc)
                w->words[w->count++] = argv[++i];
        }
        if (value != NULL && value[0] == '\0') {
            fprintf(stderr, "error: USAGE: %s needs a value\n", argv[i]);
            return false;
        }
    }
    return true;
}

static th_err write_stdout(void *ctx, th_slice bytes)
{
    (void)ctx;
    return bytes.size == 0 || fwrite(bytes.bytes, 1, bytes.size, stdout) == bytes.size ? TH_OK
                                                                                       : TH_EIO;
}

static int run_node_command(const cmd_command *command, cmd_call *call)
{
    cmd_access access = {0};
    cmd_node_options options = {.create = (command->flags & CMD_CREATE) != 0};
    th_diag diag = {0};
    th_err err = cmd_access_open(call, &options, &access, &diag);
    if (err != TH_OK) return cmd_error(call->io, &diag, (th_slice){0});
    int status = cmd_access_run(&access, call, call->name, call->argv, call->argc, call->io);
    cmd_access_close(&access);
    return status;
}

static int run_command(const cmd_command *command, const shared_words *w)
{
    th_query_control control = {0};
    cmd_io io = {.write = write_stdout, .control = &control};
    char user[48];
    snprintf(user, sizeof(user), "uid %u", (unsigned)getuid());
    cmd_call call = {.name = command->name,
                     .argc = w->count - 1,
                     .argv = w->words + 1,
                     .dir = w->dir,
                     .server = w->server,
                     .quiet = w->quiet,
                     .json = w->json,
                     .principal = {user, "cli", (uint32_t)getuid()},
                     .io = &io};
    if (w->quiet) th_log_set_level(TH_LOG_ERROR);
    cmd_interrupt_target(&control);
    int status =
        (command->flags & CMD_NODE) != 0 ? run_node_command(command, &call) : command->run(&call);
    cmd_interrupt_target(NULL);
    if (fflush(stdout) != 0 && status == CMD_EXIT_OK) {
        th_diag diag = {0};
        status = cmd_error(&io, &diag, (th_slice){0});
    }
    return status;
}

/* Nearest command by shared first letters, for the hint; NULL when none is near. */
static const char *near_command(const char *name)
{
    for (const cmd_command *c = cmd_commands; c->name != NULL; c++) {
        if ((c->flags & CMD_HIDDEN) == 0 && strncmp(c->name, name, 2) == 0) return c->name;
    }
    return NULL;
}

int cmd_main(int argc, char **argv)
{
    th_failpoints_init();
    install_signals();
    static shared_words w;
    w.words = calloc((size_t)argc + 1, sizeof(*w.words));
    if (w.words == NULL) return CMD_EXIT_ERROR;
    if (!take_shared(argc, argv, &w)) return CMD_EXIT_USAGE;
    if (w.version) {
        puts("trailhold " VERSION_TEXT);
        return CMD_EXIT_OK;
    }
    if (w.count > 0 && strcmp(w.words[0], "--failpoints") == 0) {
        for (size_t i = 0; th_failpoint_names[i] != NULL; i++) puts(th_failpoint_names[i]);
        return CMD_EXIT_OK;
    }
    if (w.count == 0 || strcmp(w.words[0], "help") == 0) {
        const cmd_command *command = w.count > 1 ? cmd_find(w.words[1]) : NULL;
        if (command != NULL)
            print_help(command);
        else
            print_overview(w.help || w.count > 0 ? stdout : stderr);
        return w.help || w.count > 0 ? CMD_EXIT_OK : CMD_EXIT_USAGE;
    }
    const cmd_command *command = cmd_find(w.words[0]);
    if (command == NULL) {
        const char *near_name = near_command(w.words[0]);
        fprintf(
            stderr,
            "error: USAGE: no command '%s'\nhint: %s%s; `trailhold --help` lists the commands\n",
            w.words[0], near_name != NULL ? "did you mean " : "",
            near_name != NULL ? near_name : "see help");
        return CMD_EXIT_USAGE;
    }
    if (w.help) {
        print_help(command);
        return CMD_EXIT_OK;
    }
    if (w.dir == NULL) w.dir = getenv("TRAILHOLD_DATA");
    if (w.dir == NULL || w.dir[0] == '\0') w.dir = "trailhold-data";
    return run_command(command, &w);
}
