/* SPDX-License-Identifier: Apache-2.0
 * Sessions by name. A file's session stays in memory as long as nobody else wrote to the file. */
#include "engine/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "os/os.h"

#define FILE_SIZE_MAX (256u << 20)

typedef struct entry {
    char name[TH_PATH_SIZE_MAX]; /* or the file's path */
    th_session *session;
    bool taken;
    uint64_t used;
    int fd; /* while it is taken */
    ino_t inode;
    off_t size; /* of the file that the session has taken up */
} entry;

struct th_sessions {
    pthread_mutex_t mutex;
    uint64_t clock;
    entry *entries[TH_SESSIONS_MAX];
};

th_sessions *th_sessions_new(void)
{
    th_sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions != NULL) pthread_mutex_init(&sessions->mutex, NULL);
    return sessions;
}

static void free_entry(entry *e)
{
    if (e == NULL) return;
    th_session_free(e->session);
    free(e);
}

void th_sessions_free(th_sessions *sessions)
{
    if (sessions == NULL) return;
    for (uint32_t i = 0; i < TH_SESSIONS_MAX; i++) free_entry(sessions->entries[i]);
    pthread_mutex_destroy(&sessions->mutex);
    free(sessions);
}

/* The entry of the name, or a new one in the place of the one that was idle longest; NULL: all are taken. */
static entry *find_entry(th_sessions *sessions, const char *name)
{
    uint32_t oldest = UINT32_MAX;
    for (uint32_t i = 0; i < TH_SESSIONS_MAX; i++) {
        entry *e = sessions->entries[i];
        if (e != NULL && strcmp(e->name, name) == 0) return e;
        if (e != NULL && e->taken) continue;
        uint64_t used = e == NULL ? 0 : e->used;
        if (oldest == UINT32_MAX ||
            used < (sessions->entries[oldest] == NULL ? 0 : sessions->entries[oldest]->used))
            oldest = i;
    }
    if (oldest == UINT32_MAX) return NULL;
    entry *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) return NULL;
    memcpy(fresh->name, name, strlen(name) + 1);
    fresh->fd = -1;
    free_entry(sessions->entries[oldest]);
    sessions->entries[oldest] = fresh;
    return fresh;
}

static th_err take_entry(th_sessions *sessions, const char *name, entry **out, th_diag *diag)
{
    pthread_mutex_lock(&sessions->mutex);
    entry *e = find_entry(sessions, name);
    bool busy = e != NULL && e->taken;
    if (e != NULL && !busy) {
        e->taken = true;
        e->used = ++sessions->clock;
    }
    pthread_mutex_unlock(&sessions->mutex);
    if (e == NULL) return th_fail(diag, TH_ELIMIT, NULL, "there are too many sessions");
    if (busy) return th_fail(diag, TH_EBUSY, NULL, "the session runs another statement");
    *out = e;
    return TH_OK;
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static th_err append(void *ctx, th_slice line, th_diag *diag)
{
    entry *e = ctx;
    th_buf text;
    th_buf_init(&text, FILE_SIZE_MAX);
    th_buf_add_slice(&text, line);
    th_buf_add_byte(&text, '\n');
    th_err err = th_buf_error(&text);
    size_t done = 0;
    while (err == TH_OK && done < text.size) {
        ssize_t n = write(e->fd, text.bytes + done, text.size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            err = th_fail(diag, errno == ENOSPC ? TH_ENOSPC : TH_EIO, NULL,
                          "the session's file cannot be written: %s", strerror(errno));
        else
            done += (size_t)n;
    }
    if (err == TH_OK && fdatasync(e->fd) != 0)
        err =
            th_fail(diag, TH_EIO, NULL, "the session's file cannot be synced: %s", strerror(errno));
    if (err == TH_OK) e->size += (off_t)text.size;
    /* Half a line would be in the way of the next one. */
    if (err != TH_OK && ftruncate(e->fd, e->size) != 0) e->size = -1;
    th_buf_free(&text);
    return err;
}

static th_err replay(entry *e, th_slice text, th_diag *diag)
{
    for (uint32_t line = 1; text.size > 0; line++) {
        const uint8_t *end = memchr(text.bytes, '\n', text.size);
        if (end == NULL) return TH_OK; /* a line that was cut off while it was written */
        size_t size = (size_t)(end - text.bytes);
        th_diag why = {0};
        th_err err =
            size == 0 ? TH_OK : th_session_replay(e->session, th_slice_of(text.bytes, size), &why);
        if (err != TH_OK)
            return th_fail(diag, err, NULL, "line %u of the session's file is not one: %s", line,
                           why.text);
        e->size += (off_t)size + 1;
        text = th_slice_of(end + 1, text.size - size - 1);
    }
    return TH_OK;
}

static th_err read_file(entry *e, const char *path, th_diag *diag)
{
    struct stat st;
    if (flock(e->fd, LOCK_EX) != 0 || fstat(e->fd, &st) != 0)
        return th_fail(diag, TH_EIO, NULL, "the session's file cannot be locked: %s",
                       strerror(errno));
    if (e->session != NULL && e->inode == st.st_ino && e->size == st.st_size) return TH_OK;
    th_session_free(e->session);
    e->session = th_session_new();
    if (e->session == NULL) return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    e->inode = st.st_ino;
    e->size = 0;
    th_buf text;
    th_buf_init(&text, FILE_SIZE_MAX);
    th_err err = th_os_read_file(path, &text, diag);
    if (err == TH_OK) err = replay(e, th_buf_slice(&text), diag);
    if (err == TH_OK && e->size != st.st_size && ftruncate(e->fd, e->size) != 0)
        err = th_fail(diag, TH_EIO, NULL, "the session's file cannot be cut: %s", strerror(errno));
    th_buf_free(&text);
    return err;
}

static th_err take_file(entry *e, const char *path, th_diag *diag)
{
    e->fd = th_os_open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600, diag);
    if (e->fd < 0) return th_fail(diag, TH_EIO, NULL, "the session's file cannot be opened");
    th_err err = read_file(e, path, diag);
    if (err == TH_OK) {
        th_session_set_apart(e->session);
        th_session_set_journal(e->session, append, e);
        return TH_OK;
    }
    th_session_free(e->session);
    e->session = NULL;
    return err;
}

/* ---- the two doors ------------------------------------------------------------------------------------------------ */

th_err th_session_take(th_sessions *sessions, const char *name, const char *path,
                       th_session_lease *out, th_diag *diag)
{
    entry *e = NULL;
    const char *key = path != NULL ? path : name;
    *out = (th_session_lease){.fd = -1};
    if (strlen(key) >= (path != NULL ? TH_PATH_SIZE_MAX : TH_SESSION_NAME_MAX))
        return th_fail(diag, TH_EINVAL, NULL, "the session's name is too long");
    TH_TRY(take_entry(sessions, key, &e, diag));
    out->entry = e;
    th_err err = path != NULL ? take_file(e, path, diag) : TH_OK;
    if (err == TH_OK && e->session == NULL && (e->session = th_session_new()) == NULL)
        err = th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    if (err != TH_OK) {
        th_session_give(sessions, out);
        return err;
    }
    out->session = e->session;
    out->fd = e->fd;
    return TH_OK;
}

void th_session_give(th_sessions *sessions, th_session_lease *lease)
{
    entry *e = lease->entry;
    if (e == NULL) return;
    if (e->fd >= 0) th_os_close(e->fd); /* and with it the lock */
    e->fd = -1;
    pthread_mutex_lock(&sessions->mutex);
    e->taken = false;
    pthread_mutex_unlock(&sessions->mutex);
    *lease = (th_session_lease){.fd = -1};
}
