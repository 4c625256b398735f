/* SPDX-License-Identifier: Apache-2.0
 * The opened data folder with what runs over it: store, provider, plugin host, and the network (at least the private
 * socket, so that other processes of this user reach the archive through its owner). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "cmd/cmd.h"
#include "engine/engine.h"

#define GRACE_US (20 * INT64_C(1000000))
#define INGEST_BUDGET (300u << 20)
#define CACHE_SHARE 5 /* of a server's memory, for segments that were loaded */

static void node_committed(void *ctx, uint64_t lsn)
{
    cmd_node *node = ctx;
    (void)lsn;
    if (node->plugins != NULL) th_plugins_wake(node->plugins);
}

/* What changes the archive's files or its detectors is for the folder's own user, who comes over the private socket: TCP
 * has no login yet. */
static bool only_socket(const char *const *argv, int argc)
{
    const char *verb = argc > 1 ? argv[argc > 2 && strcmp(argv[1], "--json") == 0 ? 2 : 1] : "";
    if (strcmp(argv[0], "compact") == 0) return true;
    return strcmp(argv[0], "plugins") == 0 && strcmp(verb, "list") != 0 &&
           strcmp(verb, "wait") != 0;
}

/* A command asked for by another process, run on a worker of the server. */
static int node_command(void *ctx, const th_principal *principal, const char *const *argv, int argc,
                        th_err (*write)(void *write_ctx, th_slice bytes), void *write_ctx,
                        th_buf *messages, th_query_control *control)
{
    cmd_node *node = ctx;
    cmd_io io = {.write = write, .ctx = write_ctx, .messages = messages, .control = control};
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const cmd_command *command = argc > 0 ? cmd_find(argv[0]) : NULL;
    if (command == NULL || (command->flags & CMD_NODE) == 0) {
        return cmd_usage(&io, "help", "no command '%s' over the network", argc > 0 ? argv[0] : "");
    }
    if (strcmp(principal->source, "socket") != 0 && only_socket(argv, argc)) {
        cmd_message(&io,
                    "error: PERMISSION_DENIED: %s is for the owner of the data folder\n"
                    "hint: run it on the server's machine with --data\n",
                    command->name);
        return CMD_EXIT_ERROR;
    }
    cmd_call call = {.name = command->name,
                     .argc = argc - (json ? 2 : 1),
                     .argv = argv + (json ? 2 : 1),
                     .node = node,
                     .dir = th_store_dir(node->store),
                     .json = json,
                     .principal = *principal,
                     .io = &io};
    return command->run(&call);
}

static void budgets_init(cmd_node *node)
{
    size_t total = (size_t)(th_os_memory_size() / 4);
    th_budget_init(&node->root, "process", total, NULL);
    th_budget_init(&node->ingest, "ingest", INGEST_BUDGET < total ? INGEST_BUDGET : total,
                   &node->root);
    th_budget_init(&node->queries, "queries", total, &node->root);
}

static th_err start_plugins(cmd_node *node, th_diag *diag)
{
    th_plugins_options options = {.store = node->store, .provider = node->provider};
    return th_plugins_start(&options, &node->plugins, diag);
}

static th_err start_server(cmd_node *node, const char *dir, const cmd_node_options *options,
                           th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    int size = snprintf(path, sizeof(path), "%s/sock", dir);
    if (size < 0 || (size_t)size >= sizeof(path))
        return th_fail(diag, TH_EINVAL, NULL, "the data folder's path is too long");
    th_server_options server = {.listen = options->listen,
                                .socket_path = path,
                                .store = node->store,
                                .provider = node->provider,
                                .sessions = node->sessions,
                                .budget = &node->queries,
                                .committed = node_committed,
                                .command = node_command,
                                .ctx = node};
    return th_server_start(&server, &node->server, diag);
}

static void read_number(const char *variable, uint64_t *out)
{
    const char *text = getenv(variable);
    if (text != NULL && !th_slice_to_u64(th_slice_text(text), out)) *out = 0;
}

th_err cmd_node_open(const char *dir, const cmd_node_options *options, cmd_node **out,
                     int *owner_pid, th_diag *diag)
{
    cmd_node *node = calloc(1, sizeof(*node));
    if (node == NULL) return TH_ENOMEM;
    budgets_init(node);
    th_store_options store = {
        .create = options->create,
        .budget = &node->ingest,
        .cache_bytes = options->listen == NULL ? 0 : node->root.limit_bytes / CACHE_SHARE,
        .cache_budget = &node->root,
        .test_mode = getenv("TRAILHOLD_TEST_MODE")};
    /* The crash rigs roll small journals and have small writes count as large, so that every step is reached. */
    read_number("TRAILHOLD_TEST_JOURNAL_BYTES", &store.journal_bytes);
    read_number("TRAILHOLD_TEST_BULK_BYTES", &store.bulk_bytes);
    th_err err = th_store_open(dir, &store, &node->store, owner_pid, diag);
    if (err == TH_OK) {
        node->provider = th_engine_new(node->store, &node->queries);
        node->sessions = th_sessions_new();
        if (node->provider == NULL || node->sessions == NULL)
            err = th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    }
    if (err == TH_OK && options->plugins) err = start_plugins(node, diag);
    if (err == TH_OK) err = start_server(node, dir, options, diag);
    if (err != TH_OK) {
        cmd_node_close(node);
        return err;
    }
    *out = node;
    return TH_OK;
}

th_err cmd_node_own(const char *dir, const cmd_node_options *options, cmd_node **out, th_diag *diag)
{
    int64_t give_up = th_os_mono_us() + CMD_OWNER_WAIT_US;
    for (;;) {
        int pid = 0;
        th_diag_clear(diag);
        th_err err = cmd_node_open(dir, options, out, &pid, diag);
        if (err != TH_EBUSY || th_os_mono_us() > give_up) return err;
        usleep(CMD_OWNER_POLL_US);
    }
}

void cmd_node_finish(cmd_node *node)
{
    if (node == NULL) return;
    th_server_finish(node->server, GRACE_US, &cmd_interrupted);
    node->server = NULL;
    cmd_node_close(node);
}

void cmd_node_close(cmd_node *node)
{
    if (node == NULL) return;
    th_server_stop(node->server, GRACE_US);
    th_plugins_stop(node->plugins);
    th_engine_free(node->provider);
    th_sessions_free(node->sessions);
    th_store_close(node->store);
    free(node);
}
