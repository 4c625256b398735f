/* SPDX-License-Identifier: Apache-2.0
 * trailhold compact, verify and quarantine. */
#include <stdlib.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "json/json.h"

typedef struct upkeep {
    cmd_io *io;
    const char *what;
    bool json, terminal;
    uint64_t damaged;
    int percent;
} upkeep;

static bool upkeep_progress(void *ctx, uint64_t done, uint64_t total)
{
    upkeep *u = ctx;
    int percent = total == 0 ? 100 : (int)(done * 100 / total);
    if (u->terminal && percent != u->percent) cmd_message(u->io, "\r%s %3d %%", u->what, percent);
    u->percent = percent;
    return u->io->control == NULL || atomic_load(&u->io->control->cancel) == 0;
}

static void upkeep_end(upkeep *u)
{
    if (u->terminal && u->percent > 0) cmd_message(u->io, "\n");
}

static bool message_terminal(const cmd_io *io)
{
    return io->messages == NULL && isatty(STDERR_FILENO);
}

int cmd_run_compact(cmd_call *call)
{
    if (call->argc > 0) return cmd_usage(call->io, call->name, "what is '%s'?", call->argv[0]);
    upkeep u = {.io = call->io, .what = "compacting", .terminal = message_terminal(call->io)};
    th_diag diag = {0};
    th_err err = th_store_compact(call->node->store, upkeep_progress, &u, &diag);
    upkeep_end(&u);
    return err == TH_OK ? CMD_EXIT_OK : cmd_error(call->io, &diag, (th_slice){0});
}

static void report_damage(void *ctx, const char *file, const char *what)
{
    upkeep *u = ctx;
    u->damaged++;
    if (!u->json) {
        cmd_print(u->io, "damaged: %s: %s\n", file, what);
        return;
    }
    th_buf line;
    th_buf_init(&line, 65536);
    th_json_writer w;
    th_json_writer_init(&w, &line);
    th_json_begin_object(&w);
    th_json_put_key(&w, "file");
    th_json_put_text(&w, file);
    th_json_put_key(&w, "damage");
    th_json_put_text(&w, what);
    th_json_end_object(&w);
    cmd_print(u->io, "%s\n", th_buf_text(&line));
    th_buf_free(&line);
}

int cmd_run_verify(cmd_call *call)
{
    if (call->argc > 1 || (call->argc == 1 && strcmp(call->argv[0], "store") != 0)) {
        return cmd_usage(call->io, call->name, "what is '%s'? only `store` can be verified yet",
                         call->argv[0]);
    }
    upkeep u = {.io = call->io,
                .what = "verifying",
                .json = call->json,
                .terminal = message_terminal(call->io)};
    th_diag diag = {0};
    uint64_t bytes = 0;
    th_err err =
        th_store_verify(call->node->store, report_damage, &u, upkeep_progress, &bytes, &diag);
    upkeep_end(&u);
    if (err != TH_OK && err != TH_ECORRUPT) return cmd_error(call->io, &diag, (th_slice){0});
    if (call->json) {
        cmd_print(call->io, "{\"checked_bytes\":%llu,\"damaged\":%llu}\n",
                  (unsigned long long)bytes, (unsigned long long)u.damaged);
    } else {
        cmd_print(call->io, "%llu bytes checked, %llu parts damaged\n", (unsigned long long)bytes,
                  (unsigned long long)u.damaged);
    }
    return u.damaged > 0 || err == TH_ECORRUPT ? CMD_EXIT_DAMAGE : CMD_EXIT_OK;
}

int cmd_run_quarantine(cmd_call *call)
{
    const char *verb = call->argc > 0 ? call->argv[0] : "list";
    cmd_call other = *call;
    if (strcmp(verb, "get") == 0) {
        other.name = "object";
        return cmd_run_object(&other);
    }
    if (strcmp(verb, "list") != 0)
        return cmd_usage(call->io, call->name, "what is '%s'? list, or get REF", verb);
    const char *argv[] = {
        "--format", call->json ? "ndjson" : "table", "-c",
        "SELECT name, \"offset\", size, reason, sha256 FROM quarantine ORDER BY _lsn, _seq"};
    other.argv = argv;
    other.argc = 4;
    return cmd_run_statement(&other);
}
