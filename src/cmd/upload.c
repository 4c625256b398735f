/* SPDX-License-Identifier: Apache-2.0
 * Walk on this side, store on the other. The summary is the sum of the server's answers. */
#include "cmd/upload.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "json/json.h"
#include "net/words.h"

#define ANSWER_MAX (16u << 20)
#define CANCEL_POLL_MS 100

struct cmd_uploader {
    cmd_call *call;
    cmd_access *access;
    const th_ingest_options *options;
    uint64_t counts[8]; /* as in names below */
    uint64_t lsn, unreadable;
    int64_t started_us;
    th_buf reasons; /* elements of the JSON array, comma-separated */
    th_buf answer;
};
typedef cmd_uploader upload;

static const char *const count_names[8] = {"objects",    "objects_known", "deliveries",  "records",
                                           "duplicates", "variants",      "quarantined", "bytes"};

static th_err keep_answer(void *ctx, th_slice bytes)
{
    upload *u = ctx;
    th_buf_add_slice(&u->answer, bytes);
    return th_buf_error(&u->answer);
}

static void add_reason(upload *u, const char *path, const char *reason)
{
    if (u->reasons.size > 0) th_buf_add_byte(&u->reasons, ',');
    th_json_writer w;
    th_json_writer_init(&w, &u->reasons);
    th_json_begin_object(&w);
    th_json_put_key(&w, "path");
    th_json_put_text(&w, path);
    th_json_put_key(&w, "offset");
    th_json_put_u64(&w, 0);
    th_json_put_key(&w, "reason");
    th_json_put_text(&w, reason);
    th_json_end_object(&w);
}

static void add_answer(upload *u)
{
    th_slice answer = th_buf_slice(&u->answer);
    for (int i = 0; i < 8; i++) {
        uint64_t n = 0;
        if (th_slice_to_u64(th_json_path(answer, count_names[i]), &n)) u->counts[i] += n;
    }
    uint64_t lsn = 0;
    if (th_slice_to_u64(th_json_path(answer, "lsn"), &lsn) && lsn > u->lsn) u->lsn = lsn;
    th_slice reasons = th_json_path(answer, "reasons");
    if (reasons.size > 2) {
        if (u->reasons.size > 0) th_buf_add_byte(&u->reasons, ',');
        th_buf_add_slice(&u->reasons, th_slice_of(reasons.bytes + 1, reasons.size - 2));
    }
}

static th_err refused(upload *u, const char *name, int status, th_diag *diag)
{
    th_slice text = th_json_path(th_buf_slice(&u->answer), "error.message");
    if (text.size >= 2) text = th_slice_of(text.bytes + 1, text.size - 2);
    th_err code = status == 507   ? TH_ENOSPC
                  : status == 429 ? TH_EAGAIN
                  : status == 503 ? TH_ESTOPPING
                                  : TH_ENET;
    return th_fail(diag, code, NULL, "%s: the server answered %d: %.*s", name, status,
                   TH_SLICE_ARGS(text));
}

/* X-Trailhold-* headers are sent percent-encoded: a name may hold any bytes, a note a line break. */
typedef struct words_sent {
    th_client_header headers[8];
    th_buf values[8];
    size_t count;
} words_sent;

static void words_add(words_sent *w, const char *header, const char *text)
{
    if (text == NULL || text[0] == '\0') return;
    th_buf *value = &w->values[w->count];
    th_buf_init(value, TH_HTTP_HEADER_MAX);
    net_url_encode(value, th_slice_text(text));
    w->headers[w->count++] = (th_client_header){header, th_buf_slice(value)};
}

static void words_add_metadata(words_sent *w, const th_header *headers, size_t count)
{
    if (count == 0) return;
    th_buf *value = &w->values[w->count];
    th_buf_init(value, TH_HTTP_HEADER_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_byte(value, '&');
        net_url_encode(value, headers[i].name);
        th_buf_add_byte(value, '=');
        net_url_encode(value, headers[i].value);
    }
    w->headers[w->count++] = (th_client_header){"X-Trailhold-Headers", th_buf_slice(value)};
}

static void words_of(words_sent *w, const th_ingest_options *o, const char *name,
                     const th_header *headers, size_t count)
{
    *w = (words_sent){0};
    words_add(w, "X-Trailhold-Encoding", "url");
    words_add(w, "X-Trailhold-Object", name);
    words_add(w, "X-Trailhold-Case", o->case_id);
    words_add(w, "X-Trailhold-Acquired-By", o->acquired_by);
    words_add(w, "X-Trailhold-Note", o->note);
    words_add(w, "X-Trailhold-Containers", o->containers_exact ? "exact" : NULL);
    words_add(w, "X-Trailhold-Reprocess", o->reprocess ? "1" : NULL);
    words_add_metadata(w, headers, count);
}

static th_err words_free(words_sent *w)
{
    th_err err = TH_OK;
    for (size_t i = 0; i < w->count; i++) {
        if (th_buf_error(&w->values[i]) != TH_OK) err = TH_ELIMIT;
        th_buf_free(&w->values[i]);
    }
    return err;
}

/* An object that was sent twice is known the second time. */
static th_err send_object(upload *u, const char *path, const words_sent *words, th_slice bytes,
                          int *status, th_diag *diag)
{
    for (;;) {
        th_client *client;
        TH_TRY(cmd_access_client(u->access, &client, diag));
        *status = 0;
        th_buf_clear(&u->answer);
        th_err err = th_client_request(client, "POST", path, words->headers, words->count, bytes,
                                       status, keep_answer, u, &cmd_interrupted, diag);
        if (!cmd_access_lost(u->access, err, *status)) {
            if (err == TH_OK) cmd_access_found(u->access);
            return err;
        }
        th_diag_clear(diag);
        TH_TRY(cmd_access_again(u->access, diag));
    }
}

/* *not_taken: the object itself is the reason; others may still be taken. */
static th_err post_object(upload *u, const char *name, th_slice bytes, const th_header *headers,
                          size_t header_count, bool *not_taken, th_diag *diag)
{
    char path[256];
    snprintf(path, sizeof(path), "/v1/ingest/%s",
             u->options->source != NULL ? u->options->source : "auto");
    words_sent words;
    words_of(&words, u->options, name, headers, header_count);
    int status = 0;
    th_err err = send_object(u, path, &words, bytes, &status, diag);
    if (words_free(&words) != TH_OK) {
        *not_taken = true;
        return th_fail(diag, TH_ELIMIT, NULL, "%s: too much metadata for a request", name);
    }
    if (err != TH_OK) return err;
    *not_taken = status == 413 || status == 431;
    if (status != 200) return refused(u, name, status, diag);
    add_answer(u);
    return TH_OK;
}

static void count_unreadable(upload *u, const char *path, const char *why)
{
    u->unreadable++;
    bool named = strstr(why, path) != NULL;
    cmd_message(u->call->io, "error: UNREADABLE: %s%s%s\n", named ? "" : path, named ? "" : ": ",
                why);
    add_reason(u, path, why);
}

th_err cmd_uploader_file(void *uploader, const th_walk_file *file, th_diag *diag)
{
    upload *u = uploader;
    if (cmd_interrupted) return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
    if (file->error != NULL) {
        count_unreadable(u, file->path, file->error);
        return TH_OK;
    }
    th_buf bytes;
    th_buf_init(&bytes, TH_HTTP_BODY_MAX);
    th_diag own = {0};
    bool not_taken = true;
    th_err err = th_os_read_file(file->path, &bytes, &own);
    if (err == TH_OK) {
        not_taken = false;
        err = post_object(u, file->name, th_buf_slice(&bytes), file->headers, file->header_count,
                          &not_taken, &own);
    } else if (err == TH_ELIMIT) {
        cmd_message(u->call->io,
                    "hint: objects over %u MiB are loaded by a process that owns the folder: stop "
                    "the server, or ingest there\n",
                    TH_HTTP_BODY_MAX >> 20);
    }
    th_buf_free(&bytes);
    if (err == TH_OK) return TH_OK;
    if (!not_taken) {
        *diag = own;
        return err;
    }
    count_unreadable(u, file->path, own.text);
    return TH_OK;
}

static th_err upload_stdin(upload *u, th_diag *diag)
{
    th_buf bytes;
    th_buf_init(&bytes, TH_HTTP_BODY_MAX);
    th_err err = TH_OK;
    size_t got = 1;
    while (err == TH_OK && got > 0) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        while (!cmd_interrupted && poll(&p, 1, CANCEL_POLL_MS) == 0) {}
        if (cmd_interrupted) {
            err = th_fail(diag, TH_ECANCELED, NULL, "interrupted");
            break;
        }
        uint8_t *room = th_buf_reserve(&bytes, 65536);
        if (room == NULL)
            err = th_fail(diag, TH_ELIMIT, NULL, "standard input is longer than %u MiB",
                          TH_HTTP_BODY_MAX >> 20);
        else
            err = th_os_read(STDIN_FILENO, room, 65536, &got, diag);
        if (err == TH_OK) th_buf_grow(&bytes, got);
    }
    bool not_taken = false;
    const char *name = u->options->as_prefix != NULL ? u->options->as_prefix : "-";
    if (err == TH_OK) err = post_object(u, name, th_buf_slice(&bytes), NULL, 0, &not_taken, diag);
    th_buf_free(&bytes);
    return err;
}

static void print_sum(upload *u)
{
    double seconds = (double)(th_os_mono_us() - u->started_us) / 1e6;
    if (!u->call->json) {
        if (!u->call->quiet) {
            cmd_message(u->call->io,
                        "%llu objects (%llu known), %llu records stored, %llu duplicates, %llu "
                        "quarantined\n",
                        (unsigned long long)(u->counts[0] + u->counts[1]),
                        (unsigned long long)u->counts[1], (unsigned long long)u->counts[3],
                        (unsigned long long)u->counts[4], (unsigned long long)u->counts[6]);
        }
        return;
    }
    cmd_print(u->call->io, "{");
    for (int i = 0; i < 8; i++)
        cmd_print(u->call->io, "\"%s\":%llu,", count_names[i], (unsigned long long)u->counts[i]);
    cmd_print(u->call->io, "\"seconds\":%.6f,\"lsn\":%llu,\"unreadable\":%llu,\"reasons\":[%s]}\n",
              seconds, (unsigned long long)u->lsn, (unsigned long long)u->unreadable,
              th_buf_text(&u->reasons));
}

cmd_uploader *cmd_uploader_new(cmd_call *call, cmd_access *access, const th_ingest_options *options)
{
    upload *u = calloc(1, sizeof(*u));
    if (u == NULL) return NULL;
    *u =
        (upload){.call = call, .access = access, .options = options, .started_us = th_os_mono_us()};
    th_buf_init(&u->reasons, ANSWER_MAX);
    th_buf_init(&u->answer, ANSWER_MAX);
    return u;
}

void cmd_uploader_free(cmd_uploader *u)
{
    if (u == NULL) return;
    th_buf_free(&u->reasons);
    th_buf_free(&u->answer);
    free(u);
}

bool cmd_uploader_did(const cmd_uploader *u)
{
    uint64_t sum = u->unreadable;
    for (int i = 0; i < 8; i++) sum += u->counts[i];
    return sum > 0;
}

int cmd_uploader_summary(cmd_uploader *u)
{
    print_sum(u);
    int status = u->unreadable > 0  ? CMD_EXIT_ERROR
                 : u->counts[6] > 0 ? CMD_EXIT_QUARANTINED
                                    : CMD_EXIT_OK;
    memset(u->counts, 0, sizeof(u->counts));
    u->unreadable = 0;
    u->started_us = th_os_mono_us();
    th_buf_clear(&u->reasons);
    return status;
}

int cmd_upload(cmd_call *call, cmd_access *access, const th_ingest_options *options,
               const char *const *paths, int count)
{
    upload *u = cmd_uploader_new(call, access, options);
    if (u == NULL) return CMD_EXIT_ERROR;
    th_diag diag = {0};
    th_err err = TH_OK;
    for (int i = 0; i < count && err == TH_OK; i++) {
        if (strcmp(paths[i], "-") == 0)
            err = upload_stdin(u, &diag);
        else
            err = th_walk(paths[i], options->as_prefix, cmd_uploader_file, u, &diag);
    }
    int status = cmd_uploader_summary(u);
    if (err != TH_OK) status = cmd_error(call->io, &diag, (th_slice){0});
    cmd_uploader_free(u);
    return status;
}
