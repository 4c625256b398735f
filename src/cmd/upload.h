/* SPDX-License-Identifier: Apache-2.0
 * Objects handed to the owner of the archive, one request each, in name order. */
#ifndef TH_CMD_UPLOAD_H
#define TH_CMD_UPLOAD_H

#include "cmd/cmd.h"
#include "ingest/walk.h"

/* Walk the paths and post each file to /v1/ingest; prints the summed counts as the local command does. */
int cmd_upload(cmd_call *call, cmd_access *access, const th_ingest_options *options,
               const char *const *paths, int count);

/* The same file by file. */
typedef struct cmd_uploader cmd_uploader;
cmd_uploader *cmd_uploader_new(cmd_call *call, cmd_access *access,
                               const th_ingest_options *options); /* NULL: no memory */
void cmd_uploader_free(cmd_uploader *uploader);                   /* accepts NULL */
/* A th_walk_fn: post the file; the answer is the owner's ack. */
TH_MUST_CHECK th_err cmd_uploader_file(void *uploader, const th_walk_file *file, th_diag *diag);
/* Was anything posted or unreadable since the last summary? */
bool cmd_uploader_did(const cmd_uploader *uploader);
/* Print the counts since the last summary; returns the exit status that they mean. */
int cmd_uploader_summary(cmd_uploader *uploader);

#endif
