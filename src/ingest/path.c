/* SPDX-License-Identifier: Apache-2.0
 * Files and folders into an ingest, with a line of progress on a terminal. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "ingest/object.h"
#include "ingest/pool.h"
#include "ingest/walk.h"
#include "os/os.h"

enum { PROGRESS_EVERY_US = 200000 };

void ingest_progress(th_ingest *in)
{
    int64_t now = th_os_mono_us();
    if (!in->progress_on || now - in->progress_shown_us < PROGRESS_EVERY_US) return;
    in->progress_shown_us = now;
    double seconds = (double)(now - in->started_us) / 1e6;
    double rate = seconds > 0 ? (double)in->progress_done_bytes / seconds : 0;
    double left = in->progress_bytes > in->progress_done_bytes
                      ? (double)(in->progress_bytes - in->progress_done_bytes)
                      : 0;
    fprintf(stderr, "\r%llu of %llu files, %.1f of %.1f MB, %.1f MB/s, %.0f s left \033[K",
            (unsigned long long)in->progress_done_files, (unsigned long long)in->progress_files,
            (double)in->progress_done_bytes / 1e6, (double)in->progress_bytes / 1e6, rate / 1e6,
            rate > 0 ? left / rate : 0);
}

void ingest_progress_add(th_ingest *in, uint64_t files, uint64_t bytes)
{
    th_ingest *head = in->head == NULL ? in : in->head;
    head->progress_done_files += files;
    head->progress_done_bytes += bytes;
    if (head == in) ingest_progress(in);
}

static void progress_begin(th_ingest *in, const char *path)
{
    in->progress_on = !in->options.quiet && isatty(STDERR_FILENO);
    if (!in->progress_on) return;
    uint64_t files = 0, bytes = 0;
    if (th_ingest_measure(path, &files, &bytes, NULL) != TH_OK) in->progress_on = false;
    in->progress_files += files;
    in->progress_bytes += bytes;
}

static void progress_end(th_ingest *in)
{
    if (in->progress_on) fprintf(stderr, "\r\033[K");
    in->progress_on = false;
}

static void count_unreadable(th_ingest *in, const char *path, const char *why)
{
    in->summary.unreadable++;
    if (in->progress_on || (in->head != NULL && in->head->progress_on)) fprintf(stderr, "\r\033[K");
    bool named = strstr(why, path) != NULL;
    fprintf(stderr, "error: UNREADABLE: %s%s%s\n", named ? "" : path, named ? "" : ": ", why);
    ingest_add_reason(in, path, 0, why);
}

th_err th_ingest_walked(th_ingest *in, const th_walk_file *file, th_diag *diag)
{
    if (in->options.threads > 1) return ingest_pool_feed(in, file, diag);
    if (in->cancel != NULL && *in->cancel != 0)
        return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
    if (file->error != NULL) {
        count_unreadable(in, file->path, file->error);
        return TH_OK;
    }
    th_diag own = {0};
    /* Not following: what was a file when it was listed may be a link by now. */
    int fd =
        th_os_open(file->path, O_RDONLY | O_NONBLOCK | (file->follow ? 0 : O_NOFOLLOW), 0, &own);
    if (fd < 0) {
        count_unreadable(in, file->path, own.text);
        return TH_OK;
    }
    bool unreadable = false;
    th_err err = ingest_read_object(in, file->name, fd, file->size, file->headers,
                                    file->header_count, &unreadable, &own);
    th_os_close(fd);
    ingest_progress_add(in, 1, 0);
    if (err != TH_OK && unreadable) {
        count_unreadable(in, file->path, own.text);
        return TH_OK;
    }
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, own.name[0] == '\0' ? NULL : own.name, "%s", own.text);
}

static th_err load_file(void *ctx, const th_walk_file *file, th_diag *diag)
{
    return th_ingest_walked(ctx, file, diag);
}

void th_ingest_cancel_by(th_ingest *in, const volatile int *cancel)
{
    in->cancel = cancel;
}

th_err th_ingest_path(th_ingest *in, const char *path, const volatile int *cancel, th_diag *diag)
{
    const char *prefix = in->options.as_prefix;
    th_ingest_cancel_by(in, cancel);
    if (strcmp(path, "-") == 0)
        return th_ingest_stream(in, prefix == NULL ? "-" : prefix, STDIN_FILENO, NULL, 0, diag);
    progress_begin(in, path);
    th_err err = th_walk(path, prefix, load_file, in, diag);
    progress_end(in);
    return err;
}

typedef struct measure {
    uint64_t files, bytes;
} measure;

static th_err measure_file(void *ctx, const th_walk_file *file, th_diag *diag)
{
    (void)diag;
    measure *m = ctx;
    if (file->error != NULL) return TH_OK;
    m->files++;
    m->bytes += file->size;
    return TH_OK;
}

th_err th_ingest_measure(const char *path, uint64_t *files, uint64_t *bytes, th_diag *diag)
{
    measure m = {0};
    TH_TRY(th_walk(path, NULL, measure_file, &m, diag));
    *files = m.files;
    *bytes = m.bytes;
    return TH_OK;
}
