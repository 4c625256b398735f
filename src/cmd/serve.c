/* SPDX-License-Identifier: Apache-2.0
 * trailhold serve: own the folder, listen, stop on SIGTERM or Ctrl-C. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/cmd.h"

#define DEFAULT_LISTEN "127.0.0.1:8370"
#define LISTEN_MAX 16

/* --listen may be repeated: the shared parser keeps one value an option, so they are gathered here. */
static bool gather_listen(cmd_call *call, const char **listen)
{
    int count = 0;
    for (int i = 0; i < call->argc; i++) {
        const char *word = call->argv[i];
        const char *value = NULL;
        if (strncmp(word, "--listen=", 9) == 0)
            value = word + 9;
        else if (strcmp(word, "--listen") == 0 && i + 1 < call->argc)
            value = call->argv[++i];
        if (value == NULL) {
            cmd_usage(call->io, call->name, "what is '%s'?", word);
            return false;
        }
        if (count == LISTEN_MAX) {
            cmd_usage(call->io, call->name, "more than %d addresses", LISTEN_MAX);
            return false;
        }
        listen[count++] = value;
    }
    if (count == 0) listen[count++] = DEFAULT_LISTEN;
    listen[count] = NULL;
    return true;
}

/* Signals stay blocked but for the wait itself, so that one which comes between the test and the wait is not lost. */
static void wait_for_signal(void)
{
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigaddset(&block, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    while (!cmd_interrupted) sigsuspend(&before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int cmd_run_serve(cmd_call *call)
{
    const char *listen[LISTEN_MAX + 1];
    if (!gather_listen(call, listen)) return CMD_EXIT_USAGE;
    if (call->server != NULL)
        return cmd_usage(call->io, call->name,
                         "serve owns a data folder: --server does not go with it");
    th_log_set_format(TH_LOG_LINES);
    cmd_node *node = NULL;
    cmd_node_options options = {.create = true, .plugins = true, .listen = listen};
    th_diag diag = {0};
    if (cmd_node_own(call->dir, &options, &node, &diag) != TH_OK)
        return cmd_error(call->io, &diag, (th_slice){0});
    for (size_t i = 0; th_server_address(node->server, i) != NULL; i++) {
        cmd_print(call->io, "listening on %s\n", th_server_address(node->server, i));
    }
    fflush(stdout);
    wait_for_signal();
    cmd_node_close(node);
    return CMD_EXIT_OK;
}
