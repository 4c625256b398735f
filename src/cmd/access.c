/* SPDX-License-Identifier: Apache-2.0
 * The way to the archive: own the folder, or talk to who owns it.
 *
 * One process owns DIR. When it is alive it answers on DIR/sock; when it is dying its lock goes within two seconds; when
 * it does neither it is named and we give up. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cmd/cmd.h"
#include "json/json.h"

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

th_err cmd_access_open(const cmd_call *call, const cmd_node_options *options, cmd_access *out,
                       th_diag *diag)
{
    *out = (cmd_access){.dir = call->dir, .server = call->server};
    if (call->server != NULL) return th_client_open(call->server, &out->client, diag);
    int64_t give_up = th_os_mono_us() + CMD_OWNER_WAIT_US;
    for (;;) {
        int pid = 0;
        th_diag_clear(diag);
        th_err err = cmd_node_open(call->dir, options, &out->node, &pid, diag);
        if (err != TH_EBUSY) return err;
        if (reach_owner(call->dir, give_up, &out->client) == TH_OK) {
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
                           "process %d owns %s and does not answer on its socket", pid, call->dir);
        }
        usleep(CMD_OWNER_POLL_US);
    }
}

void cmd_access_close(cmd_access *access)
{
    cmd_node_close(access->node);
    th_client_close(access->client);
    *access = (cmd_access){0};
}

typedef struct forward {
    cmd_io *io;
    int status;
    th_buf error; /* body of an answer that is not 200 */
} forward;

static th_err forward_body(void *ctx, th_slice bytes)
{
    forward *f = ctx;
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

static int forward_command(cmd_access *access, const cmd_call *like, const char *name,
                           const char *const *argv, int argc, cmd_io *io)
{
    th_buf body;
    th_buf_init(&body, TH_HTTP_BODY_MAX);
    command_json(&body, like, name, argv, argc);
    forward f = {.io = io};
    int status = 0;
    th_diag diag = {0};
    th_client_header type = {"content-type", TH_SLICE("application/json")};
    th_err err = th_buf_error(&body);
    if (err == TH_OK) {
        err =
            th_client_request(access->client, "POST", "/v1/command", &type, 1, th_buf_slice(&body),
                              &status, forward_body, &f, &cmd_interrupted, &diag);
    }
    th_buf_free(&body);
    if (err != TH_OK) {
        if (diag.code == TH_OK) th_fail(&diag, err, NULL, "%s", th_err_text(err));
        return cmd_error(io, &diag, (th_slice){0});
    }
    th_slice messages = th_client_trailer(access->client, "x-trailhold-messages");
    th_slice exit_status = th_client_trailer(access->client, "x-trailhold-exit");
    int64_t code = CMD_EXIT_ERROR;
    if (messages.size > 0) print_messages(io, messages);
    if (status != 200 || !th_slice_to_i64(exit_status, &code)) {
        th_fail(&diag, TH_ENET, NULL, "the server answered %d", status);
        return cmd_error(io, &diag, (th_slice){0});
    }
    return (int)code;
}

int cmd_access_run(cmd_access *access, const cmd_call *like, const char *name,
                   const char *const *argv, int argc, cmd_io *io)
{
    if (access->client != NULL) return forward_command(access, like, name, argv, argc, io);
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
