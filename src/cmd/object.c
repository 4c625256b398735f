/* SPDX-License-Identifier: Apache-2.0
 * trailhold object and record: contents and records back out, byte for byte. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/time.h"
#include "cmd/cmd.h"
#include "ingest/ingest.h"
#include "json/json.h"

#define REF_ARENA (64u << 20)
#define LINE_MAX_SIZE (16u << 20)

typedef struct listing {
    cmd_io *io;
    bool json;
    th_buf line;
} listing;

static th_err list_one(void *ctx, const th_content_info *info)
{
    listing *l = ctx;
    char hex[65];
    th_sha256_hex(&info->sha, hex);
    th_buf_clear(&l->line);
    if (!l->json) {
        th_buf_printf(&l->line, "%s  %12llu  %8llu  %-18.*s %s\n", hex,
                      (unsigned long long)info->size, (unsigned long long)info->records,
                      TH_SLICE_ARGS(info->source), info->quarantined > 0 ? "quarantined" : "");
        for (size_t i = 0; i < info->name_count; i++)
            th_buf_printf(&l->line, "    %.*s\n", TH_SLICE_ARGS(info->names[i]));
    } else {
        th_json_writer w;
        th_json_writer_init(&w, &l->line);
        th_json_begin_object(&w);
        th_json_put_key(&w, "sha256");
        th_json_put_text(&w, hex);
        th_json_put_key(&w, "names");
        th_json_begin_array(&w);
        for (size_t i = 0; i < info->name_count; i++) th_json_put_string(&w, info->names[i]);
        th_json_end_array(&w);
        th_json_put_key(&w, "source");
        th_json_put_string(&w, info->source);
        th_json_put_key(&w, "size");
        th_json_put_u64(&w, info->size);
        th_json_put_key(&w, "records");
        th_json_put_u64(&w, info->records);
        th_json_put_key(&w, "state");
        th_json_put_text(&w, info->quarantined > 0 ? "quarantined" : "whole");
        th_json_end_object(&w);
        th_buf_add_byte(&l->line, '\n');
    }
    TH_TRY(th_buf_error(&l->line));
    return l->io->write(l->io->ctx, th_buf_slice(&l->line));
}

static int object_list(cmd_call *call, th_version *version, bool json)
{
    listing l = {.io = call->io, .json = json};
    th_buf_init(&l.line, LINE_MAX_SIZE);
    th_diag diag = {0};
    th_err err = th_content_list(version, list_one, &l, &diag);
    th_buf_free(&l.line);
    return err == TH_OK ? CMD_EXIT_OK : cmd_error(call->io, &diag, (th_slice){0});
}

static th_err write_bytes(void *ctx, th_slice bytes)
{
    cmd_io *io = ctx;
    return io->write(io->ctx, bytes);
}

static int ambiguous(cmd_call *call, const char *ref, const th_sha256 *found, size_t count)
{
    cmd_message(call->io, "error: AMBIGUOUS_NAME: %s names %zu contents\n", ref, count);
    for (size_t i = 0; i < count; i++) {
        char hex[65];
        th_sha256_hex(&found[i], hex);
        cmd_message(call->io, "  %s\n", hex);
    }
    cmd_message(call->io, "hint: ask for one of them by its SHA-256\n");
    return CMD_EXIT_ERROR;
}

static int object_get(cmd_call *call, th_version *version, const char *ref)
{
    th_arena *arena = th_arena_new(REF_ARENA, &call->node->queries);
    if (arena == NULL) return CMD_EXIT_ERROR;
    th_sha256 *found = NULL;
    size_t count = 0;
    th_diag diag = {0};
    th_err err = th_content_find(version, ref, arena, &found, &count, &diag);
    int status;
    if (err == TH_EAMBIGUOUS) {
        status = ambiguous(call, ref, found, count);
    } else {
        if (err == TH_OK) err = th_content_read(version, &found[0], write_bytes, call->io, &diag);
        if (err != TH_OK) th_fail(&diag, err, NULL, "%s: %s", ref, th_err_text(err));
        status = err == TH_OK ? CMD_EXIT_OK : cmd_error(call->io, &diag, (th_slice){0});
    }
    th_arena_free(arena);
    return status;
}

int cmd_run_object(cmd_call *call)
{
    static const char wanted[] = "list, get REF, or export";
    if (call->argc == 0) return cmd_usage(call->io, call->name, "%s", wanted);
    const char *what = call->argv[0];
    bool list = strcmp(what, "list") == 0, get = strcmp(what, "get") == 0,
         export = strcmp(what, "export") == 0;
    if (!list && !get && !export)
        return cmd_usage(call->io, call->name, "what is '%s'? %s", what, wanted);
    if (get && call->argc != 2) return cmd_usage(call->io, call->name, "get wants one REF");
    th_version *version = th_store_version(call->node->store);
    if (version == NULL) return CMD_EXIT_ERROR;
    int status = list  ? object_list(call, version, call->json)
                 : get ? object_get(call, version, call->argv[1])
                       : cmd_object_export(call, version);
    th_version_release(version);
    return status;
}

/* TABLE/DAY/SEQ */
static bool parse_record_id(const char *text, th_record_id *out)
{
    const char *day = strchr(text, '/'), *seq = day == NULL ? NULL : strchr(day + 1, '/');
    if (seq == NULL || (size_t)(day - text) >= 64) return false;
    char table[64];
    memcpy(table, text, (size_t)(day - text));
    table[day - text] = '\0';
    const th_stored_table *stored = th_model_table_by_name(table);
    if (stored == NULL || !th_day_parse(th_slice_of(day + 1, (size_t)(seq - day - 1)), &out->day))
        return false;
    out->table = (uint16_t)stored->id;
    return th_slice_to_u64(th_slice_text(seq + 1), &out->seq);
}

int cmd_run_record(cmd_call *call)
{
    th_record_id id;
    if (call->argc != 2 || strcmp(call->argv[0], "get") != 0)
        return cmd_usage(call->io, call->name, "get TABLE/DAY/SEQ");
    if (!parse_record_id(call->argv[1], &id)) {
        return cmd_usage(call->io, call->name, "'%s' is no TABLE/DAY/SEQ", call->argv[1]);
    }
    th_version *version = th_store_version(call->node->store);
    th_arena *arena = th_arena_new(REF_ARENA, &call->node->queries);
    th_slice record;
    th_diag diag = {0};
    th_err err = version == NULL || arena == NULL
                     ? TH_ENOMEM
                     : th_version_record(version, &id, arena, &record, NULL, &diag);
    if (err == TH_OK) err = call->io->write(call->io->ctx, record);
    if (err != TH_OK) th_fail(&diag, err, NULL, "%s: %s", call->argv[1], th_err_text(err));
    th_arena_free(arena);
    th_version_release(version);
    return err == TH_OK ? CMD_EXIT_OK : cmd_error(call->io, &diag, (th_slice){0});
}
