/* SPDX-License-Identifier: Apache-2.0
 * Folders under watch: inotify, with the names that its numbers stand for. What the kernel could not tell in time is told
 * as an overflow: whoever watches looks at everything again then. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>

#include "base/limits.h"
#include "os/os_private.h"
#include "os/watch.h"

enum { EVENT_BYTES = 64 << 10, FOLDERS_FIRST = 64 };

typedef struct watched {
    int wd;
    uint32_t tag;
    char *path;
} watched;

struct th_os_watch {
    int fd;
    watched *folders; /* by wd: the kernel gives growing numbers */
    size_t count, capacity;
    size_t at, end; /* of what was read */
    char path[TH_PATH_SIZE_MAX];
    _Alignas(struct inotify_event) char bytes[EVENT_BYTES];
};

th_err th_os_watch_open(th_os_watch **out, th_diag *diag)
{
    th_os_watch *w = calloc(1, sizeof(*w));
    if (w == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to watch folders");
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->fd < 0) {
        int error = errno;
        free(w);
        return os_fail(diag, error, "cannot watch folders", NULL);
    }
    *out = w;
    return TH_OK;
}

void th_os_watch_close(th_os_watch *w)
{
    if (w == NULL) return;
    th_os_close(w->fd);
    for (size_t i = 0; i < w->count; i++) free(w->folders[i].path);
    free(w->folders);
    free(w);
}

/* The place of wd, or where it would be. */
static size_t place_of(const th_os_watch *w, int wd)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->folders[middle].wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static watched *find(const th_os_watch *w, int wd)
{
    size_t i = place_of(w, wd);
    return i < w->count && w->folders[i].wd == wd ? &w->folders[i] : NULL;
}

static void forget(th_os_watch *w, watched *folder)
{
    free(folder->path);
    size_t behind = w->count - (size_t)(folder - w->folders) - 1;
    memmove(folder, folder + 1, behind * sizeof(*folder));
    w->count--;
}

static th_err remember(th_os_watch *w, int wd, uint32_t tag, char *path)
{
    watched *known = find(w, wd);
    if (known != NULL) { /* the same folder, perhaps under another name by now */
        free(known->path);
        known->path = path;
        known->tag = tag;
        return TH_OK;
    }
    if (w->count == w->capacity) {
        size_t more = w->capacity == 0 ? FOLDERS_FIRST : w->capacity * 2;
        watched *bigger = realloc(w->folders, more * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        w->folders = bigger;
        w->capacity = more;
    }
    size_t i = place_of(w, wd);
    memmove(&w->folders[i + 1], &w->folders[i], (w->count - i) * sizeof(*w->folders));
    w->folders[i] = (watched){wd, tag, path};
    w->count++;
    return TH_OK;
}

th_err th_os_watch_add(th_os_watch *w, const char *folder, uint32_t tag, th_diag *diag)
{
    if (w->count >= TH_OS_WATCH_FOLDERS_MAX)
        return th_fail(diag, TH_ELIMIT, NULL, "more than %u folders to watch",
                       TH_OS_WATCH_FOLDERS_MAX);
    int wd = inotify_add_watch(
        w->fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR | IN_EXCL_UNLINK);
    if (wd < 0 && errno == ENOSPC)
        return th_fail(diag, TH_ELIMIT, NULL,
                       "cannot watch %s: the system's limit of watches is reached "
                       "(fs.inotify.max_user_watches)",
                       folder);
    if (wd < 0) return os_fail(diag, errno, "cannot watch", folder);
    char *path = strdup(folder);
    th_err err = path == NULL ? TH_ENOMEM : remember(w, wd, tag, path);
    if (err != TH_OK) {
        free(path);
        return th_fail(diag, err, NULL, "no memory to watch %s", folder);
    }
    return TH_OK;
}

/* *got: bytes are there. */
static th_err fill(th_os_watch *w, int timeout_ms, bool *got, th_diag *diag)
{
    *got = false;
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int ready = poll(&p, 1, timeout_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return TH_OK;
    ssize_t size = os_call.read(w->fd, w->bytes, sizeof(w->bytes));
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return TH_OK;
    if (size < 0) return os_fail(diag, errno, "cannot read what was watched", NULL);
    w->at = 0;
    w->end = (size_t)size;
    *got = size > 0;
    return TH_OK;
}

/* One event of the kernel's; false: it says nothing to us. */
static bool translate(th_os_watch *w, const struct inotify_event *e, th_os_watch_event *out)
{
    if (e->mask & IN_Q_OVERFLOW) {
        *out = (th_os_watch_event){.kind = TH_OS_WATCH_OVERFLOW};
        return true;
    }
    watched *folder = find(w, e->wd);
    if (folder == NULL) return false;
    if (e->mask & IN_IGNORED) {
        forget(w, folder);
        return false;
    }
    bool dir = (e->mask & IN_ISDIR) != 0;
    /* A file that was only made is not yet written. */
    if (e->len == 0 || !(dir || (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)))) return false;
    size_t size = strlen(folder->path);
    const char *slash = size > 0 && folder->path[size - 1] == '/' ? "" : "/";
    int need = snprintf(w->path, sizeof(w->path), "%s%s%s", folder->path, slash, e->name);
    if (need < 0 || (size_t)need >= sizeof(w->path)) return false;
    *out = (th_os_watch_event){dir ? TH_OS_WATCH_FOLDER : TH_OS_WATCH_FILE, folder->tag, w->path};
    return true;
}

th_err th_os_watch_next(th_os_watch *w, int timeout_ms, th_os_watch_event *out, th_diag *diag)
{
    *out = (th_os_watch_event){.kind = TH_OS_WATCH_NOTHING};
    bool got = w->at < w->end;
    if (!got) TH_TRY(fill(w, timeout_ms, &got, diag));
    while (w->at < w->end) {
        const struct inotify_event *e = (const void *)(w->bytes + w->at);
        if (w->end - w->at < sizeof(*e) || w->end - w->at - sizeof(*e) < e->len) {
            w->at = w->end;
            *out = (th_os_watch_event){.kind = TH_OS_WATCH_OVERFLOW};
            return TH_OK;
        }
        w->at += sizeof(*e) + e->len;
        if (translate(w, e, out)) return TH_OK;
    }
    return TH_OK;
}

th_os_writers th_os_writers_of(int fd)
{
    /* Should a writer come just while the lease is held, its notice must not end us. */
    if (fcntl(fd, F_SETSIG, SIGURG) != 0) return TH_OS_WRITERS_UNKNOWN;
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return TH_OS_WRITERS_NONE;
    }
    return errno == EAGAIN ? TH_OS_WRITERS_SOME : TH_OS_WRITERS_UNKNOWN;
}
