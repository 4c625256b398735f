/* SPDX-License-Identifier: Apache-2.0
 * Objects handed to the owner of the archive, one request each, in name order. */
#ifndef TH_CMD_UPLOAD_H
#define TH_CMD_UPLOAD_H

#include "cmd/cmd.h"
#include "ingest/ingest.h"

/* Walk the paths and post each file to /v1/ingest; prints the summed counts as the local command does. */
int cmd_upload(cmd_call *call, th_client *client, const th_ingest_options *options,
               const char *const *paths, int count);

#endif
