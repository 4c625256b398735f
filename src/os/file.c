/* SPDX-License-Identifier: Apache-2.0
 * Open files and their bytes. fsync is never tried again after it failed: the kernel may have dropped the dirty pages,
 * and a second call would then report success for bytes that are gone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include "os/os_private.h"

int th_os_open(const char *path, int flags, mode_t mode, th_diag *diag)
{
    for (;;) {
        int fd = os_call.open(path, flags | O_CLOEXEC, mode);
        if (fd >= 0) return fd;
        if (errno == EINTR) continue;
        (void)os_fail(diag, errno, "cannot open", path);
        return -1;
    }
}

void th_os_close(int fd)
{
    if (fd >= 0) close(fd);
}

th_err th_os_read(int fd, void *out, size_t size, size_t *got, th_diag *diag)
{
    for (;;) {
        ssize_t n = os_call.read(fd, out, size);
        if (n >= 0) {
            *got = (size_t)n;
            return TH_OK;
        }
        if (errno != EINTR) return os_fail(diag, errno, "cannot read", NULL);
    }
}

th_err th_os_pread(int fd, void *out, size_t size, uint64_t offset, size_t *got, th_diag *diag)
{
    if (offset > INT64_MAX) return os_fail(diag, EOVERFLOW, "cannot read", NULL);
    for (;;) {
        ssize_t n = os_call.pread(fd, out, size, (off_t)offset);
        if (n >= 0) {
            *got = (size_t)n;
            return TH_OK;
        }
        if (errno != EINTR) return os_fail(diag, errno, "cannot read", NULL);
    }
}

static th_err write_all(int fd, th_slice bytes, const char *path, th_diag *diag)
{
    while (bytes.size > 0) {
        ssize_t n = os_call.write(fd, bytes.bytes, bytes.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_fail(diag, errno, "cannot write", path);
        bytes = (th_slice){bytes.bytes + n, bytes.size - (size_t)n};
    }
    return TH_OK;
}

th_err th_os_write_all(int fd, th_slice bytes, th_diag *diag)
{
    return write_all(fd, bytes, NULL, diag);
}

th_err th_os_fsync(int fd, const char *path, th_diag *diag)
{
    while (os_call.fsync(fd) != 0) {
        if (errno != EINTR) return os_fail(diag, errno, "cannot make durable", path);
    }
    return TH_OK;
}

th_err th_os_fsync_dir(const char *path, th_diag *diag)
{
    int fd = -1;
    while ((fd = os_call.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)) < 0) {
        if (errno != EINTR) return os_fail(diag, errno, "cannot open", path);
    }
    th_err err = th_os_fsync(fd, path, diag);
    th_os_close(fd);
    return err;
}

static th_err read_to_end(int fd, const char *path, th_buf *out, th_diag *diag)
{
    enum { STEP = 64 << 10 };
    for (;;) {
        /* Near the limit ask for what still fits and one byte more: only the end of the file may come then. */
        size_t room = out->limit > out->size ? out->limit - out->size : 0;
        uint8_t probe;
        uint8_t *at = room == 0 ? &probe : th_buf_reserve(out, room < STEP ? room : STEP);
        if (at == NULL)
            return th_fail(diag, th_buf_error(out), NULL, "cannot read %s: no memory", path);
        ssize_t n = os_call.read(fd, at, room == 0 ? 1 : room < STEP ? room : STEP);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_fail(diag, errno, "cannot read", path);
        if (n == 0) return TH_OK;
        if (room == 0) {
            return th_fail(diag, TH_ELIMIT, NULL, "%s is larger than %zu bytes", path, out->limit);
        }
        th_buf_grow(out, (size_t)n);
    }
}

th_err th_os_read_file(const char *path, th_buf *out, th_diag *diag)
{
    th_diag own = {0};
    int fd = th_os_open(path, O_RDONLY, 0, &own);
    if (fd < 0) {
        if (diag != NULL && diag->code == TH_OK) *diag = own;
        return own.code;
    }
    th_err err = read_to_end(fd, path, out, diag);
    th_os_close(fd);
    return err;
}

/* A copy of path without its last part; the caller frees it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static th_err write_new(const char *path, th_slice bytes, mode_t mode, th_diag *diag)
{
    /* What an earlier crash left is no use; O_EXCL then refuses whatever somebody puts there in between. */
    if (os_call.unlink(path) != 0 && errno != ENOENT)
        return os_fail(diag, errno, "cannot remove", path);
    int fd = os_call.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) return os_fail(diag, errno, "cannot create", path);
    th_err err = write_all(fd, bytes, path, diag);
    if (err == TH_OK) err = th_os_fsync(fd, path, diag);
    th_os_close(fd);
    return err;
}

th_err th_os_write_file(const char *path, th_slice bytes, mode_t mode, th_diag *diag)
{
    char *folder = folder_of(path);
    char *temp = NULL;
    th_err err = TH_ENOMEM;
    if (folder == NULL || asprintf(&temp, "%s.tmp", path) < 0) {
        temp = NULL;
        (void)th_fail(diag, TH_ENOMEM, NULL, "no memory to write %s", path);
        goto done;
    }
    err = write_new(temp, bytes, mode, diag);
    if (err == TH_OK) err = th_os_rename(temp, path, diag);
    if (err != TH_OK) {
        (void)os_call.unlink(temp);
        goto done;
    }
    err = th_os_fsync_dir(folder, diag);
done:
    free(temp);
    free(folder);
    return err;
}

/* The pid that a holder of the lock has left, 0 when there is none. */
static int read_owner(int fd)
{
    char text[16];
    ssize_t n = os_call.pread(fd, text, sizeof text, 0);
    size_t size = 0;
    while (n > 0 && size < (size_t)n && text[size] != '\n') size++;
    int64_t pid;
    return th_slice_to_i64(th_slice_of(text, size), &pid) && pid > 0 && pid <= INT32_MAX ? (int)pid
                                                                                         : 0;
}

th_err th_os_lock_file(const char *path, int *fd, int *owner_pid, th_diag *diag)
{
    int lock = os_call.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) return os_fail(diag, errno, "cannot open", path);
    if (os_call.flock(lock, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        int owner = error == EWOULDBLOCK ? read_owner(lock) : 0;
        th_os_close(lock);
        if (error != EWOULDBLOCK) return os_fail(diag, error, "cannot lock", path);
        if (owner_pid != NULL) *owner_pid = owner;
        if (owner == 0) return th_fail(diag, TH_EBUSY, NULL, "%s is held by another process", path);
        return th_fail(diag, TH_EBUSY, NULL, "%s is held by process %d", path, owner);
    }
    /* The pid is a courtesy to whoever is refused: on a full disk the lock holds without it. */
    char text[16];
    int size = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (pwrite(lock, text, (size_t)size, 0) != size || ftruncate(lock, size) != 0) {
        (void)!ftruncate(lock, 0);
    }
    *fd = lock;
    return TH_OK;
}
