/* SPDX-License-Identifier: Apache-2.0
 * What requests are made of in the real program: query/ and ingest/ over the store. */
#include <stdio.h>

#include "net/net_private.h"

static th_err real_sql(const th_server_options *options, const net_sql *sql,
                       th_err (*write)(void *ctx, th_slice bytes), void *ctx, th_query_stats *stats,
                       th_diag *diag)
{
    char temp_dir[TH_PATH_SIZE_MAX];
    int size = snprintf(temp_dir, sizeof(temp_dir), "%s/tmp", th_store_dir(options->store));
    if (size < 0 || (size_t)size >= sizeof(temp_dir))
        return th_fail(diag, TH_EINVAL, NULL, "the data folder's path is too long");
    const th_writer_options how = {.format = sql->format,
                                   .header = sql->header,
                                   .width = sql->width,
                                   .colour = sql->colour,
                                   .write = write,
                                   .ctx = ctx};
    th_result_writer *writer = th_result_writer_new(&how);
    if (writer == NULL) return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    th_session_lease lease = {.fd = -1};
    th_err err = sql->session == NULL || options->sessions == NULL
                     ? TH_OK
                     : th_session_take(options->sessions, sql->session, NULL, &lease, diag);
    const th_query_env env = {
        .session = lease.session,
        .provider = options->provider,
        .principal = *sql->principal,
        .as_known_at = sql->as_known_at,
        .limits = sql->limits,
        .budget = options->budget,
        .control = sql->control,
        .params = sql->params,
        .param_count = sql->param_count,
        .temp_dir = temp_dir,
    };
    th_result_sink sink = th_result_writer_sink(writer);
    if (err == TH_OK) err = th_query_run(&env, sql->text, &sink, stats, diag);
    if (lease.entry != NULL) th_session_give(options->sessions, &lease);
    if (err == TH_OK) err = th_result_writer_finish(writer);
    th_result_writer_free(writer);
    return err;
}

static bool is_source(const char *name)
{
    if (strcmp(name, "auto") == 0) return true;
    for (const char *const *known = th_ingest_sources(); *known != NULL; known++) {
        if (strcmp(name, *known) == 0) return true;
    }
    return false;
}

static th_err real_ingest(const th_server_options *options, const th_ingest_options *how,
                          const th_object_input *object, th_buf *json, th_ingest_summary *summary,
                          th_diag *diag)
{
    if (!is_source(how->source)) {
        th_err err = th_fail(diag, TH_ENOTFOUND, "UNKNOWN_SOURCE", "no source '%s'", how->source);
        th_diag_hint(diag, "POST to /v1/ingest/auto to have it recognised");
        return err;
    }
    th_ingest *ingest = th_ingest_new(options->store, how);
    if (ingest == NULL) return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    th_err err = th_ingest_object(ingest, object, diag);
    if (err == TH_OK) err = th_ingest_commit(ingest, diag);
    if (err == TH_OK) {
        *summary = *th_ingest_summary_get(ingest);
        th_ingest_summary_json(summary, json);
        summary->reasons = NULL; /* they go with the ingest */
        summary->reason_count = 0;
        if (th_buf_error(json) ==
            TH_ELIMIT) { /* what is stored is told, if without its reasons: `quarantine` has them */
            th_buf_clear(json);
            th_ingest_summary_json(summary, json);
        }
    }
    th_ingest_free(ingest);
    return err;
}

static void real_stats(const th_server_options *options, th_store_stats *out)
{
    th_store_stats_get(options->store, out);
}

static const net_services services = {
    .sql = real_sql,
    .ingest = real_ingest,
    .stats = real_stats,
    .format = th_format_parse,
};

th_err th_server_start(const th_server_options *options, th_server **out, th_diag *diag)
{
    net_server *server = NULL;
    TH_TRY(net_server_start(options, &services, &net_deadlines_default, &server, diag));
    *out = (th_server *)server;
    return TH_OK;
}
