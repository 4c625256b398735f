/* SPDX-License-Identifier: Apache-2.0
 * The way to the archive: own the folder, or talk to who owns it.
 *
 * One process owns DIR. When it is alive it answers on DIR/sock; when it is ending its lock is free soon; when it does
 * neither for two seconds it is named and we give up. An owner that is no server ends with its own command, at any moment:
 * what was asked of it and had no answer is asked again, of the next owner or of ourselves. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cmd/cmd.h"
#include "json/json.h"

#define ERROR_BODY_MAX (1u << 20)

static th_err ignore_body(void *ctx, th_slice bytes)
{
    (void)ctx;
    (void)bytes;
    return TH_OK;
}

/* TH_OK when the owner behind DIR/sock answers in time: a stopped one still has its socket open. */
static th_err reach_owner(const char *dir, int64_t give_up_us, th_client **out)
{
    char target[TH_PATH_SIZE_MAX];
    if (snprintf(target, sizeof(target), "unix:%s/sock", dir) >= (int)sizeof(target))
        return TH_ENET;
    th_diag diag = {0};
    th_client *client = NULL;
    TH_TRY(th_client_open(target, &client, &diag));
    int status = 0;
    th_client_patience(client, give_up_us);
    th_err err = th_client_request(client, "GET", "/readyz", NULL, 0, (th_slice){0}, &status,
                                   ignore_body, NULL, &cmd_interrupted, &diag);
    th_client_patience(client, 0);
    if (err == TH_OK && status == 200) {
        *out = client;
        return TH_OK;
    }
    th_client_close(client);
    return TH_ENET;
}

/* Own the folder, or reach who does. */
static th_err find_way(cmd_access *a, th_diag *diag)
{
    int64_t give_up = th_os_mono_us() + CMD_OWNER_WAIT_US;
    for (;;) {
        int pid = 0;
        th_diag_clear(diag);
        th_err err = cmd_node_open(a->dir, &a->options, &a->node, &pid, diag);
        if (err != TH_EBUSY) return err;
        if (reach_owner(a->dir, give_up, &a->client) == TH_OK) {
            th_diag_clear(diag);
            return TH_OK;
        }
        if (cmd_interrupted) {
            th_diag_clear(diag);
            return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
        }
        if (th_os_mono_us() > give_up) {
            th_diag_clear(diag);
            return th_fail(diag, TH_EBUSY, "DATA_FOLDER_IN_USE",
                           "process %d owns %s and does not answer on its socket", pid, a->dir);
        }
        usleep(CMD_OWNER_POLL_US);
    }
}

th_err cmd_access_open(const cmd_call *call, const cmd_node_options *options, cmd_access *out,
                       th_diag *diag)
{
    *out = (cmd_access){.dir = call->dir, .server = call->server, .options = *options};
    if (call->server != NULL) return th_client_open(call->server, &out->client, diag);
    return find_way(out, diag);
}

void cmd_access_close(cmd_access *access)
{
    (void)fflush(stdout); /* others may be served for a while yet */
    cmd_node_finish(access->node);
    th_client_close(access->client);
    *access = (cmd_access){0};
}

/* ---- owners that end ------------------------------------------------------------------------------------------------- */

bool cmd_access_lost(const cmd_access *access, th_err err, int status)
{
    if (access->server != NULL || cmd_interrupted) return false;
    return err == TH_ENET || (err == TH_OK && status == 503);
}

th_err cmd_access_again(cmd_access *access, th_diag *diag)
{
    int64_t now = th_os_mono_us();
    if (access->lost_us == 0) access->lost_us = now;
    if (now - access->lost_us > CMD_OWNER_FOLLOW_US)
        return th_fail(diag, TH_ENET, NULL, "each process that owned %s ended before it answered",
                       access->dir);
    th_client_close(access->client);
    access->client = NULL;
    return access->node != NULL ? TH_OK : find_way(access, diag);
}

void cmd_access_found(cmd_access *access)
{
    access->lost_us = 0;
}

th_err cmd_access_client(cmd_access *access, th_client **out, th_diag *diag)
{
    if (access->client == NULL) {
        char target[TH_PATH_SIZE_MAX];
        if (snprintf(target, sizeof(target), "unix:%s/sock", access->dir) >= (int)sizeof(target))
            return th_fail(diag, TH_ENET, NULL, "the data folder's path is too long");
        TH_TRY(th_client_open(target, &access->client, diag));
    }
    *out = access->client;
    return TH_OK;
}

/* ---- commands of the owner --------------------------------------------------------------------------------------------- */

typedef struct forward {
    cmd_io *io;
    int status;
    bool gave;    /* output was passed on */
    th_buf error; /* body of an answer that is not 200 */
} forward;

static th_err forward_body(void *ctx, th_slice bytes)
{
    forward *f = ctx;
    if (f->status != 200) {
        th_buf_add_slice(&f->error, bytes);
        return th_buf_error(&f->error);
    }
    f->gave = f->gave || bytes.size > 0;
    return f->io->write(f->io->ctx, bytes);
}

static void command_json(th_buf *body, const cmd_call *like, const char *name,
                         const char *const *argv, int argc)
{
    th_json_writer w;
    th_json_writer_init(&w, body);
    th_json_begin_object(&w);
    th_json_put_key(&w, "argv");
    th_json_begin_array(&w);
    th_json_put_text(&w, name);
    if (like->json) th_json_put_text(&w, "--json");
    for (int i = 0; i < argc; i++) th_json_put_text(&w, argv[i]);
    th_json_end_array(&w);
    th_json_end_object(&w);
}

/* %XX back to bytes, in place. */
static size_t url_decode(char *text)
{
    size_t out = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        uint8_t byte = 0;
        if (text[i] == '%' && text[i + 1] != '\0' && text[i + 2] != '\0' &&
            th_hex_decode(th_slice_of(text + i + 1, 2), &byte, 1)) {
            text[out++] = (char)byte;
            i += 2;
        } else {
            text[out++] = text[i];
        }
    }
    text[out] = '\0';
    return out;
}

static void print_messages(cmd_io *io, th_slice encoded)
{
    char *text = malloc(encoded.size + 1);
    if (text == NULL) return;
    if (encoded.size > 0) memcpy(text, encoded.bytes, encoded.size);
    text[encoded.size] = '\0';
    url_decode(text);
    cmd_message(io, "%s", text);
    free(text);
}

static th_err ask(th_client *client, th_slice body, forward *f, th_diag *diag)
{
    f->status = 0;
    th_buf_clear(&f->error);
    th_client_header type = {"content-type", TH_SLICE("application/json")};
    return th_client_request(client, "POST", "/v1/command", &type, 1, body, &f->status,
                             forward_body, f, &cmd_interrupted, diag);
}

/* Exit status of a command that was answered. */
static int answered(cmd_access *access, const forward *f)
{
    th_diag diag = {0};
    th_slice messages = th_client_trailer(access->client, "x-trailhold-messages");
    th_slice exit_status = th_client_trailer(access->client, "x-trailhold-exit");
    int64_t code = CMD_EXIT_ERROR;
    if (messages.size > 0) print_messages(f->io, messages);
    if (f->status != 200) {
        (void)th_client_error(f->status, th_buf_slice(&f->error), &diag);
        return cmd_error(f->io, &diag, (th_slice){0});
    }
    if (!th_slice_to_i64(exit_status, &code)) {
        th_fail(&diag, TH_ENET, NULL, "the server's answer has no exit status");
        return cmd_error(f->io, &diag, (th_slice){0});
    }
    return (int)code;
}

static int run_here(cmd_access *access, const cmd_call *like, const char *name,
                    const char *const *argv, int argc, cmd_io *io)
{
    const cmd_command *command = cmd_find(name);
    TH_ASSERT(command != NULL && (command->flags & CMD_NODE) != 0);
    cmd_call call = *like;
    call.name = name;
    call.argv = argv;
    call.argc = argc;
    call.node = access->node;
    call.io = io;
    return command->run(&call);
}

/* Until an owner has answered, or this process is the owner (*here). All commands of a node may be run twice: those that
 * change something set it to what is asked for. */
static th_err ask_owners(cmd_access *access, th_slice body, forward *f, bool *here, th_diag *diag)
{
    for (;;) {
        th_diag_clear(diag);
        th_err err = ask(access->client, body, f, diag);
        if (f->gave || !cmd_access_lost(access, err, f->status)) {
            if (err == TH_OK) cmd_access_found(access);
            return err;
        }
        th_diag_clear(diag);
        TH_TRY(cmd_access_again(access, diag));
        *here = access->node != NULL;
        if (*here) return TH_OK;
    }
}

int cmd_access_run(cmd_access *access, const cmd_call *like, const char *name,
                   const char *const *argv, int argc, cmd_io *io)
{
    if (access->node != NULL) return run_here(access, like, name, argv, argc, io);
    forward f = {.io = io};
    th_buf body;
    th_buf_init(&body, TH_HTTP_BODY_MAX);
    th_buf_init(&f.error, ERROR_BODY_MAX);
    command_json(&body, like, name, argv, argc);
    bool here = false;
    th_diag diag = {0};
    th_err err = th_buf_error(&body);
    if (err == TH_OK) err = ask_owners(access, th_buf_slice(&body), &f, &here, &diag);
    th_buf_free(&body);
    int status;
    if (err != TH_OK) {
        if (diag.code == TH_OK) th_fail(&diag, err, NULL, "%s", th_err_text(err));
        status = cmd_error(io, &diag, (th_slice){0});
    } else if (here) {
        status = run_here(access, like, name, argv, argc, io);
    } else {
        status = answered(access, &f);
    }
    th_buf_free(&f.error);
    return status;
}
