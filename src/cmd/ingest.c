/* SPDX-License-Identifier: Apache-2.0
 * trailhold ingest: load into the folder that this process owns, or hand the objects to its owner. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/follow.h"
#include "cmd/upload.h"
#include "ingest/ingest.h"
#include "os/os.h"

#define SUMMARY_MAX (64u << 20)
#define PLUGIN_WAIT_US (INT64_C(3600) * 1000000)
#define REASONS_SHOWN 20
enum { MMAP_FROM_BYTES = 32 << 20, TRIM_FROM_BYTES = 128 << 20 };

typedef struct ingest_words {
    th_ingest_options options;
    const char *containers, *manifest, *threads;
    bool no_plugins, follow;
    const char **paths;
    int path_count;
} ingest_words;

static bool parse_threads(cmd_call *call, ingest_words *w)
{
    uint64_t threads = th_os_cpu_count();
    bool good = w->threads == NULL || (th_slice_to_u64(th_slice_text(w->threads), &threads) &&
                                       threads >= 1 && threads <= TH_INGEST_THREADS_MAX);
    if (!good)
        cmd_usage(call->io, call->name, "--threads is a number from 1 to %u, not '%s'",
                  TH_INGEST_THREADS_MAX, w->threads);
    w->options.threads =
        threads > TH_INGEST_THREADS_MAX ? TH_INGEST_THREADS_MAX : (uint32_t)threads;
    return good;
}

static bool parse_words(cmd_call *call, ingest_words *w)
{
    th_ingest_options *o = &w->options;
    const cmd_option options[] = {{"--source", &o->source, NULL},
                                  {"--as", &o->as_prefix, NULL},
                                  {"--containers", &w->containers, NULL},
                                  {"--case", &o->case_id, NULL},
                                  {"--acquired-by", &o->acquired_by, NULL},
                                  {"--note", &o->note, NULL},
                                  {"--threads", &w->threads, NULL},
                                  {"--reprocess", NULL, &o->reprocess},
                                  {"--no-plugins", NULL, &w->no_plugins},
                                  {"--follow", NULL, &w->follow},
                                  {NULL, NULL, NULL}};
    w->paths = calloc((size_t)call->argc + 1, sizeof(*w->paths));
    if (w->paths == NULL || !cmd_options_parse(call, options, w->paths, &w->path_count))
        return false;
    o->quiet = call->quiet || call->json;
    o->who = call->principal.name;
    if (w->path_count == 0) {
        cmd_usage(call->io, call->name, "name a file, a folder, or - for standard input");
        return false;
    }
    if (w->containers != NULL && strcmp(w->containers, "exact") != 0 &&
        strcmp(w->containers, "hash") != 0) {
        cmd_usage(call->io, call->name, "--containers is hash or exact, not '%s'", w->containers);
        return false;
    }
    o->containers_exact = w->containers != NULL && strcmp(w->containers, "exact") == 0;
    bool known = o->source == NULL || strcmp(o->source, "auto") == 0;
    for (const char *const *s = th_ingest_sources(); !known && *s != NULL; s++)
        known = strcmp(*s, o->source) == 0;
    if (!known) cmd_usage(call->io, call->name, "no source '%s'", o->source);
    return known && parse_threads(call, w);
}

static void print_counts(cmd_io *io, const th_ingest_summary *s)
{
    double seconds = (double)s->elapsed_us / 1e6;
    cmd_message(io,
                "%llu objects (%llu known), %llu records stored, %llu duplicates, %llu variants, "
                "%llu quarantined; "
                "%.1f MB in %.2f s\n",
                (unsigned long long)(s->objects + s->objects_known),
                (unsigned long long)s->objects_known, (unsigned long long)s->records,
                (unsigned long long)s->duplicates, (unsigned long long)s->variants,
                (unsigned long long)s->quarantined, (double)s->bytes / 1e6, seconds);
    for (size_t i = 0; i < s->reason_count && i < REASONS_SHOWN; i++) {
        cmd_message(io, "  %s at byte %llu: %s\n", s->reasons[i].path,
                    (unsigned long long)s->reasons[i].offset, s->reasons[i].reason);
    }
    if (s->reason_count > REASONS_SHOWN) {
        cmd_message(io, "  and %zu more: trailhold quarantine list\n",
                    s->reason_count - REASONS_SHOWN);
    }
}

static int print_summary(cmd_call *call, const th_ingest_summary *s)
{
    if (call->json) {
        th_buf text;
        th_buf_init(&text, SUMMARY_MAX);
        th_ingest_summary_json(s, &text);
        cmd_print(call->io, "%s\n", th_buf_text(&text));
        th_buf_free(&text);
    } else if (!call->quiet) {
        print_counts(call->io, s);
    }
    if (s->unreadable > 0) return CMD_EXIT_ERROR;
    return s->quarantined > 0 ? CMD_EXIT_QUARANTINED : CMD_EXIT_OK;
}

/* Builders grow and go with every commit: memory that is given back to the system is zeroed and faulted in again at once. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
}

static int run_local(cmd_call *call, cmd_node *node, const ingest_words *w)
{
    keep_memory();
    th_ingest *ingest = th_ingest_new(node->store, &w->options);
    if (ingest == NULL) return CMD_EXIT_ERROR;
    th_diag diag = {0};
    th_err err = TH_OK;
    for (int i = 0; i < w->path_count && err == TH_OK && !cmd_interrupted; i++) {
        err = th_ingest_path(ingest, w->paths[i], &cmd_interrupted, &diag);
    }
    /* What was prepared before a failure or Ctrl-C is good: keep it. */
    th_diag commit_diag = {0};
    th_err commit = th_ingest_commit(ingest, &commit_diag);
    const th_ingest_summary *summary = th_ingest_summary_get(ingest);
    int status = print_summary(call, summary);
    if (err != TH_OK && err != TH_ECANCELED)
        status = cmd_error(call->io, &diag, (th_slice){0});
    else if (commit != TH_OK)
        status = cmd_error(call->io, &commit_diag, (th_slice){0});
    else if (cmd_interrupted)
        status = CMD_EXIT_INTERRUPTED;
    if (node->plugins != NULL && !cmd_interrupted && commit == TH_OK) {
        th_plugins_wake(node->plugins);
        th_diag wait_diag = {0};
        if (th_plugins_wait(node->plugins, th_store_lsn(node->store), PLUGIN_WAIT_US, &wait_diag) !=
            TH_OK) {
            cmd_error(call->io, &wait_diag, (th_slice){0});
        }
    }
    th_ingest_free(ingest);
    return status;
}

/* ---- following ------------------------------------------------------------------------------------------------------ */

/* Each commit has an ingest of its own: its summary is the commit's. */
typedef struct local_sink {
    cmd_call *call;
    cmd_node *node;
    const ingest_words *words;
    th_ingest *ingest;
} local_sink;

static th_err local_file(void *ctx, const th_walk_file *file, th_diag *diag)
{
    local_sink *s = ctx;
    if (s->ingest == NULL) s->ingest = th_ingest_new(s->node->store, &s->words->options);
    if (s->ingest == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to load with");
    th_ingest_cancel_by(s->ingest, &cmd_interrupted);
    return th_ingest_walked(s->ingest, file, diag);
}

static th_err local_finish(void *ctx, bool first, th_diag *diag)
{
    static const th_ingest_summary nothing;
    local_sink *s = ctx;
    th_err err = s->ingest == NULL ? TH_OK : th_ingest_commit(s->ingest, diag);
    const th_ingest_summary *summary =
        s->ingest == NULL ? &nothing : th_ingest_summary_get(s->ingest);
    bool did = summary->deliveries > 0 || summary->quarantined > 0 || summary->unreadable > 0;
    if (did || first) (void)print_summary(s->call, summary);
    if (did && s->node->plugins != NULL) th_plugins_wake(s->node->plugins);
    th_ingest_free(s->ingest);
    s->ingest = NULL;
    return err;
}

static th_err upload_finish(void *ctx, bool first, th_diag *diag)
{
    (void)diag;
    if (first || cmd_uploader_did(ctx)) (void)cmd_uploader_summary(ctx);
    return TH_OK;
}

static int run_follow(cmd_call *call, cmd_access *access, const ingest_words *w)
{
    local_sink local = {.call = call, .node = access->node, .words = w};
    cmd_sink sink = {local_file, local_finish, &local};
    cmd_uploader *uploader = NULL;
    if (access->node == NULL) {
        uploader = cmd_uploader_new(call, access, &w->options);
        if (uploader == NULL) return CMD_EXIT_ERROR;
        sink = (cmd_sink){cmd_uploader_file, upload_finish, uploader};
    }
    int status = cmd_follow(call, &sink, w->options.as_prefix, w->paths, w->path_count);
    th_ingest_free(local.ingest);
    cmd_uploader_free(uploader);
    return status;
}

int cmd_run_ingest(cmd_call *call)
{
    ingest_words w = {0};
    int status = CMD_EXIT_USAGE;
    if (parse_words(call, &w)) {
        cmd_access access;
        cmd_node_options options = {.create = true, .plugins = !w.no_plugins};
        th_diag diag = {0};
        th_err err = cmd_access_open(call, &options, &access, &diag);
        if (err != TH_OK) {
            status = cmd_error(call->io, &diag, (th_slice){0});
        } else {
            if (w.follow)
                status = run_follow(call, &access, &w);
            else
                status = access.node != NULL
                             ? run_local(call, access.node, &w)
                             : cmd_upload(call, &access, &w.options, w.paths, w.path_count);
            cmd_access_close(&access);
        }
    }
    free(w.paths);
    return status;
}
