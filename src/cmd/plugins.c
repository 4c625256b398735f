/* SPDX-License-Identifier: Apache-2.0
 * trailhold plugins: state of detectors and classifiers, and the process that holds one. */
#include <stdlib.h>

#include "cmd/cmd.h"
#include "json/json.h"

#define LIST_MAX (16u << 20)
#define WAIT_DEFAULT_S 600

/* ndjson of th_plugins_list as a table. */
static void print_table(cmd_io *io, th_slice lines)
{
    cmd_print(io, "%-18s %-9s %-10s %10s %12s %10s %7s  %s\n", "NAME", "VERSION", "STATE", "LAG",
              "ROWS", "FINDINGS", "FAULTS", "REASON");
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.bytes, '\n', lines.size);
        size_t size = end == NULL ? lines.size : (size_t)(end - lines.bytes);
        th_slice line = {lines.bytes, size};
        th_slice field[8];
        const char *const names[8] = {"name", "version",  "state",  "lag_commits",
                                      "rows", "findings", "faults", "reason"};
        for (int i = 0; i < 8; i++) {
            field[i] = th_json_path(line, names[i]);
            if (field[i].size >= 2 && field[i].bytes[0] == '"')
                field[i] = th_slice_of(field[i].bytes + 1, field[i].size - 2);
        }
        cmd_print(io, "%-18.*s %-9.*s %-10.*s %10.*s %12.*s %10.*s %7.*s  %.*s\n",
                  TH_SLICE_ARGS(field[0]), TH_SLICE_ARGS(field[1]), TH_SLICE_ARGS(field[2]),
                  TH_SLICE_ARGS(field[3]), TH_SLICE_ARGS(field[4]), TH_SLICE_ARGS(field[5]),
                  TH_SLICE_ARGS(field[6]), TH_SLICE_ARGS(field[7]));
        size_t step = size + (end != NULL);
        lines = th_slice_of(lines.bytes + step, lines.size - step);
    }
}

static int plugins_list(cmd_call *call)
{
    th_buf lines;
    th_buf_init(&lines, LIST_MAX);
    th_err err = th_plugins_list(call->node->plugins, &lines);
    if (err == TH_OK && call->json) err = call->io->write(call->io->ctx, th_buf_slice(&lines));
    if (err == TH_OK && !call->json) print_table(call->io, th_buf_slice(&lines));
    th_buf_free(&lines);
    return cmd_exit_of(err);
}

static int plugins_wait(cmd_call *call, const char *timeout)
{
    int64_t seconds = WAIT_DEFAULT_S;
    if (timeout != NULL &&
        (!th_slice_to_i64(th_slice_text(timeout), &seconds) || seconds < 0 || seconds > 1000000)) {
        return cmd_usage(call->io, call->name, "--timeout wants seconds, not '%s'", timeout);
    }
    th_diag diag = {0};
    uint64_t lsn = th_store_lsn(call->node->store);
    th_err err = th_plugins_wait(call->node->plugins, lsn, seconds * INT64_C(1000000), &diag);
    return err == TH_OK ? CMD_EXIT_OK : cmd_error(call->io, &diag, (th_slice){0});
}

int cmd_run_plugins(cmd_call *call)
{
    const char *timeout = NULL;
    const cmd_option options[] = {{"--timeout", &timeout, NULL}, {NULL, NULL, NULL}};
    const char **rest = calloc((size_t)call->argc + 1, sizeof(*rest));
    int count = 0;
    if (rest == NULL || !cmd_options_parse(call, options, rest, &count)) {
        free(rest);
        return CMD_EXIT_USAGE;
    }
    const char *verb = count > 0 ? rest[0] : "list", *name = count > 1 ? rest[1] : NULL;
    free(rest);
    th_diag diag = {0};
    if (call->node->plugins == NULL) {
        th_plugins_options start = {.store = call->node->store, .provider = call->node->provider};
        if (th_plugins_start(&start, &call->node->plugins, &diag) != TH_OK)
            return cmd_error(call->io, &diag, (th_slice){0});
    }
    if (strcmp(verb, "list") == 0) return plugins_list(call);
    if (strcmp(verb, "wait") == 0) return plugins_wait(call, timeout);
    bool known =
        strcmp(verb, "enable") == 0 || strcmp(verb, "disable") == 0 || strcmp(verb, "replay") == 0;
    if (!known || name == NULL)
        return cmd_usage(call->io, call->name, "list, wait, or enable, disable, replay NAME");
    th_err err = th_plugins_control(call->node->plugins, verb, name, &diag);
    return err == TH_OK ? CMD_EXIT_OK : cmd_error(call->io, &diag, (th_slice){0});
}

int cmd_run_plugin_runner(cmd_call *call)
{
    return th_plugin_runner_main(call->argc, (char **)(uintptr_t)call->argv);
}
