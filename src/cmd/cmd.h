/* SPDX-License-Identifier: Apache-2.0
 * Commands: one table, one file a command. A command that reads or writes the archive is written once, against a node
 * (the opened data folder); where another process owns the folder, or --server names one, the same words travel there
 * over HTTP and its output comes back. */
#ifndef TH_CMD_CMD_H
#define TH_CMD_CMD_H

#include "engine/sessions.h"
#include "net/net.h"
#include "plugin/plugin.h"
#include "query/result.h"
#include "store/store.h"

/* An owner of the folder that does not answer is waited for no longer than this: the lock of one that ends is free soon. */
#define CMD_OWNER_WAIT_US (2 * INT64_C(1000000))
/* Owners that end while we ask them, one after the other, are followed for this long. */
#define CMD_OWNER_FOLLOW_US (10 * INT64_C(1000000))
#define CMD_OWNER_POLL_US 20000

#define CMD_EXIT_OK 0
#define CMD_EXIT_ERROR 1
#define CMD_EXIT_USAGE 2
#define CMD_EXIT_QUARANTINED 3
#define CMD_EXIT_DAMAGE 4
#define CMD_EXIT_INTERRUPTED 130

/* The opened data folder with all that runs over it. */
typedef struct cmd_node {
    th_store *store;
    th_provider *provider;
    th_plugins *plugins; /* NULL when not started */
    th_server *server;
    th_sessions *sessions;
    th_budget root, ingest, queries;
} cmd_node;

typedef struct cmd_node_options {
    bool create, plugins;
    const char *const *listen; /* NULL: the private socket only */
} cmd_node_options;

/* TH_EBUSY: another process owns the folder; *owner_pid says which. */
TH_MUST_CHECK th_err cmd_node_open(const char *dir, const cmd_node_options *options, cmd_node **out,
                                   int *owner_pid, th_diag *diag);
/* The same, waiting as long as a dying owner may hold its lock. */
TH_MUST_CHECK th_err cmd_node_own(const char *dir, const cmd_node_options *options, cmd_node **out,
                                  th_diag *diag);
void cmd_node_close(cmd_node *node); /* accepts NULL */
/* The same for a command's own node: what others ask of it meanwhile is answered first. Accepts NULL. */
void cmd_node_finish(cmd_node *node);

/* Where a command's words go. */
typedef struct cmd_io {
    th_err (*write)(void *ctx, th_slice bytes); /* standard output */
    void *ctx;
    th_buf *messages; /* NULL: standard error at once */
    th_query_control *control;
} cmd_io;

void cmd_print(cmd_io *io, const char *fmt, ...) TH_PRINTF(2, 3);
void cmd_message(cmd_io *io, const char *fmt, ...) TH_PRINTF(2, 3);
/* Print a diagnosis as cli.md says; returns the exit status for it. sql may be empty. */
int cmd_error(cmd_io *io, const th_diag *diag, th_slice sql);
/* A mistake in the words of a command, with where to look: returns CMD_EXIT_USAGE. */
int cmd_usage(cmd_io *io, const char *command, const char *fmt, ...) TH_PRINTF(3, 4);
/* Exit status of an error. */
int cmd_exit_of(th_err err);

typedef struct cmd_call {
    const char *name;
    int argc; /* words after the command's name */
    const char *const *argv;
    cmd_node *node;     /* for commands over the archive */
    const char *dir;    /* --data */
    const char *server; /* --server or NULL */
    bool quiet, json;
    th_principal principal;
    cmd_io *io;
} cmd_call;

#define CMD_NODE 1u   /* run() wants a node: forwarded where another process has it */
#define CMD_CREATE 2u /* makes the data folder when it is missing */
#define CMD_HIDDEN 4u /* not in --help */

typedef struct cmd_command {
    const char *name, *words, *summary, *help;
    uint32_t flags;
    int (*run)(cmd_call *call);
} cmd_command;

/* All commands, ended by a NULL name. */
extern const cmd_command cmd_commands[];
const cmd_command *cmd_find(const char *name);

/* The way to the archive for commands that live on the client's side (sql, the REPL, ingest). An owner that is no server
 * ends when its own command has: then the way is found anew, and this process may be the owner from there on. */
typedef struct cmd_access {
    cmd_node *node;    /* this process owns the folder, or */
    th_client *client; /* it talks to the one that does */
    const char *dir, *server;
    cmd_node_options options;
    int64_t lost_us;     /* when the first of several owners was lost in a row; 0: none was */
    const char *session; /* path of the file that keeps the session of its statements; NULL: none */
} cmd_access;
/* Own the folder, or reach its owner through DIR/sock (a dying one is waited for, 2 s), or the server. */
TH_MUST_CHECK th_err cmd_access_open(const cmd_call *call, const cmd_node_options *options,
                                     cmd_access *out, th_diag *diag);
void cmd_access_close(cmd_access *access);
/* Was the owner lost, by what a request over access->client returned? Then the request can be made again, if doing it
 * twice does no harm, once cmd_access_again is TH_OK. */
bool cmd_access_lost(const cmd_access *access, th_err err, int status);
/* The way anew. Fails in words when owners go on ending, or none can be had. */
TH_MUST_CHECK th_err cmd_access_again(cmd_access *access, th_diag *diag);
/* A request was answered. */
void cmd_access_found(cmd_access *access);
/* The client to reach the owner by, which may be this process itself. */
TH_MUST_CHECK th_err cmd_access_client(cmd_access *access, th_client **out, th_diag *diag);
/* Run a CMD_NODE command by its words, here or there; returns its exit status. */
int cmd_access_run(cmd_access *access, const cmd_call *like, const char *name,
                   const char *const *argv, int argc, cmd_io *io);

/* Options of one command: `spec` is a table; the words that are not options are left in argv, *rest of them.
 * value: "flag" when NULL target value is not wanted. Returns false after it printed what is wrong. */
typedef struct cmd_option {
    const char *name;   /* "--format" */
    const char **value; /* takes the next word (or the part behind =) */
    bool *flag;
} cmd_option;
bool cmd_options_parse(cmd_call *call, const cmd_option *options, const char **rest,
                       int *rest_count);

/* Ctrl-C: not 0 after the first. Installed by main. */
extern volatile int cmd_interrupted;
/* The control that Ctrl-C cancels; NULL between statements. */
void cmd_interrupt_target(th_query_control *control);

/* Runs of commands, one file each. */
int cmd_run_serve(cmd_call *call);
int cmd_run_ingest(cmd_call *call);
int cmd_run_sql(cmd_call *call);
int cmd_run_statement(cmd_call *call); /* hidden: one statement on the node */
int cmd_run_object(cmd_call *call);
int cmd_run_record(cmd_call *call);
int cmd_run_findings(cmd_call *call);
int cmd_run_plugins(cmd_call *call);
int cmd_run_plugin_runner(cmd_call *call);
int cmd_run_compact(cmd_call *call);
int cmd_run_verify(cmd_call *call);
int cmd_run_quarantine(cmd_call *call);
int cmd_run_generate(cmd_call *call);
/* export.c: all contents as a tar archive. */
int cmd_object_export(cmd_call *call, th_version *version);
/* sql.c and repl.c: the interactive loop; format NULL = the default. */
int cmd_repl(cmd_call *call, cmd_access *access, const char *format, const char *as_known_at);
/* One statement through the access, printed on standard output. line: of its first line in what the person wrote. */
int cmd_statement(cmd_call *call, cmd_access *access, th_slice sql, const char *format, bool header,
                  const char *as_known_at, cmd_io *io);

#endif
