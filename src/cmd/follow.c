/* SPDX-License-Identifier: Apache-2.0
 * Following folders. The kernel tells which files became complete; a look at everything, once a minute and whenever it lost
 * count, finds what it did not tell (network file systems, links). A file that somebody still writes is left alone until
 * it is closed. */
#include "cmd/follow.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/map.h"
#include "os/watch.h"

#define RESCAN_US INT64_C(60000000)
#define RESCAN_SOON_US \
    INT64_C(5000000) /* somebody may still be writing, and the kernel will not say */
#define SETTLED_US INT64_C(10000000) /* such a file is taken when it was left alone this long */
#define GATHER_US INT64_C(500000)    /* deliveries that come together are stored together */
enum { WAIT_MS = 250, QUIET_MS = 50, PENDING_MAX = 4096 };
enum { KNOWN_BYTES_MAX = 512 << 20, PENDING_BYTES_MAX = 64 << 20, KEY_BYTES = 16 };

typedef struct pending {
    const char *path;
    uint32_t folder;
} pending;

typedef struct follow {
    cmd_call *call;
    const cmd_sink *sink;
    const char *as_prefix;
    const char *const *folders;
    uint32_t folder; /* in hand */
    bool by_event;   /* the file in hand was told of */
    th_os_watch *watch;
    bool watch_full;
    th_arena *known_arena;
    th_map *known; /* path -> what the file was like when it was read */
    th_arena *pending_arena;
    th_map *pending_map;
    pending pending[PENDING_MAX];
    uint32_t pending_count;
    int64_t rescan_us; /* when to look at everything */
} follow;

/* ---- files -------------------------------------------------------------------------------------------------------------- */

static uint64_t state_of(const th_walk_file *file)
{
    const uint64_t state[] = {file->size, (uint64_t)file->mtime_us, file->device, file->inode};
    if (file->error != NULL) return th_xxh3(th_slice_text(file->error)) | 1;
    return th_xxh3(th_slice_of(state, sizeof(state))) | 1;
}

static void rescan_by(follow *f, int64_t from_now_us)
{
    int64_t at = th_os_mono_us() + from_now_us;
    if (at < f->rescan_us) f->rescan_us = at;
}

/* Not to be read now: gone already, or not yet whole. */
static bool is_unready(follow *f, const th_walk_file *file)
{
    th_diag diag = {0};
    int fd = th_os_open(file->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, &diag);
    if (fd < 0) return diag.code == TH_ENOTFOUND;
    th_os_writers writers = th_os_writers_of(fd);
    th_os_close(fd);
    if (writers != TH_OS_WRITERS_UNKNOWN || f->by_event) return writers == TH_OS_WRITERS_SOME;
    int64_t age = th_os_now_us() - file->mtime_us;
    if (age < 0 || age >= SETTLED_US) return false;
    rescan_by(f, RESCAN_SOON_US);
    return true;
}

static th_err on_file(void *ctx, const th_walk_file *file, th_diag *diag)
{
    follow *f = ctx;
    if (cmd_interrupted) return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
    th_sha256 key = th_sha256_of(th_slice_text(file->path));
    uint64_t state = state_of(file);
    uint64_t *known = th_map_put(f->known, th_slice_of(key.bytes, KEY_BYTES), 0, NULL);
    if (known == NULL)
        return th_fail(diag, TH_ELIMIT, NULL, "more files than one run can follow: start again");
    if (*known == state || (file->error == NULL && is_unready(f, file))) return TH_OK;
    *known = state;
    return f->sink->file(f->sink->ctx, file, diag);
}

static th_err on_folder(void *ctx, const char *path, th_diag *diag)
{
    (void)diag;
    follow *f = ctx;
    if (f->watch == NULL) return TH_OK;
    th_diag own = {0};
    if (th_os_watch_add(f->watch, path, f->folder, &own) == TH_ELIMIT && !f->watch_full) {
        f->watch_full = true; /* the others are looked at once a minute */
        cmd_message(f->call->io, "warning: %s\n", own.text);
    }
    return TH_OK;
}

static th_err take_path(follow *f, uint32_t folder, const char *path, th_diag *diag)
{
    th_walk_scope scope = {.root = f->folders[folder],
                           .as_prefix = f->as_prefix,
                           .file = on_file,
                           .folder = on_folder,
                           .ctx = f};
    f->folder = folder;
    return th_walk_below(&scope, path, diag);
}

static th_err scan(follow *f, uint32_t count, th_diag *diag)
{
    f->rescan_us = th_os_mono_us() + RESCAN_US;
    f->by_event = false;
    for (uint32_t i = 0; i < count; i++) TH_TRY(take_path(f, i, f->folders[i], diag));
    return TH_OK;
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static bool is_sidecar(const char *path)
{
    static const char suffix[] = ".head.json";
    size_t size = strlen(path);
    return size >= sizeof(suffix) && strcmp(path + size - sizeof(suffix) + 1, suffix) == 0;
}

/* No room: everything is looked at instead. */
static void add_pending(follow *f, const th_os_watch_event *event)
{
    bool added = false;
    const char *path = th_arena_printf(f->pending_arena, "%s", event->path);
    if (path == NULL || f->pending_count == PENDING_MAX ||
        th_map_put(f->pending_map, th_slice_text(path), 0, &added) == NULL)
        rescan_by(f, 0);
    else if (added)
        f->pending[f->pending_count++] = (pending){path, event->tag};
}

static th_err next_event(follow *f, int timeout_ms, th_os_watch_event *event, th_diag *diag)
{
    *event = (th_os_watch_event){.kind = TH_OS_WATCH_NOTHING};
    if (f->watch != NULL) return th_os_watch_next(f->watch, timeout_ms, event, diag);
    (void)poll(NULL, 0, timeout_ms);
    return TH_OK;
}

/* Wait for something to do; what comes close behind it is done with it. */
static th_err gather(follow *f, th_diag *diag)
{
    int64_t first = 0;
    th_arena_reset(f->pending_arena);
    f->pending_count = 0;
    f->pending_map = th_map_new(f->pending_arena);
    if (f->pending_map == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to follow");
    while (!cmd_interrupted && f->pending_count < PENDING_MAX) {
        int64_t now = th_os_mono_us();
        if (now >= f->rescan_us || (first != 0 && now - first > GATHER_US)) break;
        th_os_watch_event event;
        TH_TRY(next_event(f, first != 0 ? QUIET_MS : WAIT_MS, &event, diag));
        if (event.kind == TH_OS_WATCH_NOTHING) {
            if (first != 0) break;
            continue;
        }
        if (first == 0) first = now;
        if (event.kind == TH_OS_WATCH_OVERFLOW)
            rescan_by(f, 0);
        else if (event.kind == TH_OS_WATCH_FOLDER || !is_sidecar(event.path))
            add_pending(
                f, &event); /* a sidecar is read with its file, or found by a look at everything */
    }
    return TH_OK;
}

static th_err take_pending(follow *f, th_diag *diag)
{
    f->by_event = true;
    for (uint32_t i = 0; i < f->pending_count; i++) {
        th_os_stat st;
        if (th_os_stat_path(f->pending[i].path, false, &st, NULL) != TH_OK) continue;
        TH_TRY(take_path(f, f->pending[i].folder, f->pending[i].path, diag));
    }
    return TH_OK;
}

/* ---- the run ------------------------------------------------------------------------------------------------------------ */

static th_err finish(follow *f, bool first, th_diag *diag)
{
    th_err err = f->sink->finish(f->sink->ctx, first, diag);
    (void)fflush(stdout); /* whoever reads the counts waits for them */
    return err;
}

static th_err run(follow *f, uint32_t count, th_diag *diag)
{
    th_err err = scan(f, count, diag);
    /* What was read before a failure or Ctrl-C is good: keep it. */
    for (bool first = true; err == TH_OK; first = false) {
        TH_TRY(finish(f, first, diag));
        err = gather(f, diag);
        if (err == TH_OK && cmd_interrupted) err = th_fail(diag, TH_ECANCELED, NULL, "interrupted");
        if (err == TH_OK) err = take_pending(f, diag);
        if (err == TH_OK && th_os_mono_us() >= f->rescan_us) err = scan(f, count, diag);
    }
    th_diag own = {0};
    th_err kept = finish(f, false, &own);
    if (kept != TH_OK && err == TH_ECANCELED) *diag = own;
    return err == TH_ECANCELED ? kept : err;
}

static bool are_folders(cmd_call *call, const char *const *folders, int count)
{
    for (int i = 0; i < count; i++) {
        th_os_stat st;
        if (th_os_stat_path(folders[i], true, &st, NULL) == TH_OK && st.is_dir) continue;
        cmd_usage(call->io, call->name, "--follow wants folders: '%s' is none", folders[i]);
        return false;
    }
    return true;
}

static void open_watch(follow *f)
{
    th_diag diag = {0};
    if (th_os_watch_open(&f->watch, &diag) != TH_OK)
        cmd_message(f->call->io, "warning: %s: looking once a minute\n", diag.text);
}

int cmd_follow(cmd_call *call, const cmd_sink *sink, const char *as_prefix,
               const char *const *folders, int count)
{
    if (!are_folders(call, folders, count)) return CMD_EXIT_USAGE;
    static follow f; /* one a process: too large for a stack */
    f = (follow){.call = call, .sink = sink, .as_prefix = as_prefix, .folders = folders};
    f.known_arena = th_arena_new(KNOWN_BYTES_MAX, NULL);
    f.pending_arena = th_arena_new(PENDING_BYTES_MAX, NULL);
    f.known = f.known_arena == NULL ? NULL : th_map_new(f.known_arena);
    th_diag diag = {0};
    th_err err = f.known == NULL || f.pending_arena == NULL
                     ? th_fail(&diag, TH_ENOMEM, NULL, "no memory to follow")
                     : TH_OK;
    if (err == TH_OK) {
        open_watch(&f);
        err = run(&f, (uint32_t)count, &diag);
    }
    th_os_watch_close(f.watch);
    th_arena_free(f.known_arena);
    th_arena_free(f.pending_arena);
    if (err != TH_OK) return cmd_error(call->io, &diag, (th_slice){0});
    return CMD_EXIT_INTERRUPTED;
}
