/* SPDX-License-Identifier: Apache-2.0
 * Options of a command, and what commands say: output, messages, errors, exit status. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"

#define PRINT_MAX (64u << 20)

void cmd_print(cmd_io *io, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int size = vasprintf(&text, fmt, args);
    va_end(args);
    if (size < 0) return;
    th_err err = io->write(io->ctx, th_slice_of(text, (size_t)size));
    if (err != TH_OK && io->control != NULL) atomic_store(&io->control->cancel, 1);
    free(text);
}

static void add_message(cmd_io *io, const char *text)
{
    if (io->messages != NULL)
        th_buf_add_text(io->messages, text);
    else
        fputs(text, stderr);
}

void cmd_message(cmd_io *io, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int size = vasprintf(&text, fmt, args);
    va_end(args);
    if (size < 0) return;
    add_message(io, text);
    free(text);
}

int cmd_exit_of(th_err err)
{
    switch (err) {
    case TH_OK: return CMD_EXIT_OK;
    case TH_EUSAGE: return CMD_EXIT_USAGE;
    case TH_ECORRUPT:
    case TH_EPARTIAL: return CMD_EXIT_DAMAGE;
    case TH_ECANCELED: return CMD_EXIT_INTERRUPTED;
    default: return CMD_EXIT_ERROR;
    }
}

int cmd_error(cmd_io *io, const th_diag *diag, th_slice sql)
{
    th_diag untold = {0};
    if (diag->code == TH_OK) {
        (void)th_fail(&untold, TH_EIO, NULL, "the output cannot be written");
        diag = &untold;
    }
    th_buf text;
    th_buf_init(&text, PRINT_MAX);
    th_query_print_error(&text, diag, sql);
    add_message(io, th_buf_text(&text));
    th_buf_free(&text);
    return cmd_exit_of(diag->code);
}

int cmd_usage(cmd_io *io, const char *command, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int size = vasprintf(&text, fmt, args);
    va_end(args);
    if (size < 0) return CMD_EXIT_USAGE;
    cmd_message(io, "error: USAGE: %s\nhint: trailhold %s --help\n", text, command);
    free(text);
    return CMD_EXIT_USAGE;
}

static const cmd_option *find_option(const cmd_option *options, const char *word, size_t size)
{
    for (const cmd_option *o = options; o->name != NULL; o++) {
        if (strlen(o->name) == size && strncmp(o->name, word, size) == 0) return o;
    }
    return NULL;
}

bool cmd_options_parse(cmd_call *call, const cmd_option *options, const char **rest,
                       int *rest_count)
{
    *rest_count = 0;
    for (int i = 0; i < call->argc; i++) {
        const char *word = call->argv[i];
        if (word[0] != '-' || word[1] == '\0') {
            rest[(*rest_count)++] = word;
            continue;
        }
        const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
        const cmd_option *o =
            find_option(options, word, equals != NULL ? (size_t)(equals - word) : strlen(word));
        if (o == NULL) {
            cmd_usage(call->io, call->name, "no option %s", word);
            return false;
        }
        if (o->flag != NULL) {
            *o->flag = true;
            continue;
        }
        if (equals == NULL && i + 1 >= call->argc) {
            cmd_usage(call->io, call->name, "%s needs a value", word);
            return false;
        }
        *o->value = equals != NULL ? equals + 1 : call->argv[++i];
    }
    return true;
}
