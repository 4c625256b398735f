/* SPDX-License-Identifier: Apache-2.0
 * trailhold findings: the current state, or every event, as ASFF or as a table. */
#include <stdlib.h>

#include "base/limits.h"
#include "cmd/cmd.h"
#include "finding/finding.h"

#define TABLE_SQL                                                                                 \
    "SELECT json_extract_scalar(record, '$.Severity.Label') AS severity, title, awsaccountid AS " \
    "account, "                                                                                   \
    "json_extract_scalar(record, '$.ProductFields[\"trailhold/count\"]') AS count, updatedat AS " \
    "last_update FROM "

static th_err print_asff(void *ctx, th_slice asff, uint64_t lsn, int64_t arrival_us)
{
    (void)lsn;
    (void)arrival_us;
    cmd_io *io = ctx;
    TH_TRY(io->write(io->ctx, asff));
    return io->write(io->ctx, TH_SLICE("\n"));
}

static int findings_asff(cmd_call *call, bool history)
{
    th_version *version = th_store_version(call->node->store);
    if (version == NULL) return CMD_EXIT_ERROR;
    th_diag diag = {0};
    th_err err = th_finding_each(version, history, print_asff, call->io, &diag);
    th_version_release(version);
    return err == TH_OK ? CMD_EXIT_OK : cmd_error(call->io, &diag, (th_slice){0});
}

int cmd_run_findings(cmd_call *call)
{
    const char *format = "asff";
    bool history = false;
    const cmd_option options[] = {
        {"--format", &format, NULL}, {"--history", NULL, &history}, {NULL, NULL, NULL}};
    const char **rest = calloc((size_t)call->argc + 1, sizeof(*rest));
    int rest_count = 0;
    bool understood = rest != NULL && cmd_options_parse(call, options, rest, &rest_count);
    free(rest);
    if (!understood) return CMD_EXIT_USAGE;
    if (rest_count > 0) return cmd_usage(call->io, call->name, "options only");
    if (strcmp(format, "asff") == 0 || call->json) return findings_asff(call, history);
    if (strcmp(format, "table") != 0)
        return cmd_usage(call->io, call->name, "no format '%s': asff or table", format);
    const char *sql = history ? TABLE_SQL "findings_events ORDER BY _lsn"
                              : TABLE_SQL "findings ORDER BY 5 DESC, 2";
    cmd_call statement = *call;
    const char *argv[] = {"--format", "table", "-c", sql};
    statement.argv = argv;
    statement.argc = 4;
    return cmd_run_statement(&statement);
}
