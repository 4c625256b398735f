/* SPDX-License-Identifier: Apache-2.0
 * Folders whose files are loaded as they are delivered. */
#ifndef TH_CMD_FOLLOW_H
#define TH_CMD_FOLLOW_H

#include "cmd/cmd.h"
#include "ingest/walk.h"

/* Where files go. finish: all given so far is stored, and what was done is told; first: tell even if nothing was. */
typedef struct cmd_sink {
    th_walk_fn file;
    th_err (*finish)(void *ctx, bool first, th_diag *diag);
    void *ctx;
} cmd_sink;

/* Load what the folders hold, then what comes, until Ctrl-C or an error. A file counts as delivered when it is closed
 * after writing or moved in; it is not read again in this run while it stays as it is. Returns the exit status. */
int cmd_follow(cmd_call *call, const cmd_sink *sink, const char *as_prefix,
               const char *const *folders, int count);

#endif
