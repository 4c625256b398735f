/* SPDX-License-Identifier: Apache-2.0
 * The one table through which this folder calls the system, and how a failed call becomes a th_err. */
#ifndef TH_OS_OS_PRIVATE_H
#define TH_OS_OS_PRIVATE_H

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "os/os.h"

/* result, name, parameters, arguments. All fail with -1 and errno. */
#define OS_CALLS(X)                                                                            \
    X(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode))              \
    X(ssize_t, read, (int fd, void *out, size_t size), (fd, out, size))                        \
    X(ssize_t, pread, (int fd, void *out, size_t size, off_t offset), (fd, out, size, offset)) \
    X(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))             \
    X(int, fsync, (int fd), (fd))                                                              \
    X(int, fstatat, (int dir, const char *path, struct stat *out, int flags),                  \
      (dir, path, out, flags))                                                                 \
    X(int, rename, (const char *from, const char *to), (from, to))                             \
    X(int, unlink, (const char *path), (path))                                                 \
    X(int, mkdir, (const char *path, mode_t mode), (path, mode))                               \
    X(int, statvfs, (const char *path, struct statvfs *out), (path, out))                      \
    X(int, flock, (int fd, int operation), (fd, operation))                                    \
    X(ssize_t, readlink, (const char *path, char *out, size_t size), (path, out, size))        \
    X(ssize_t, getrandom, (void *out, size_t size, unsigned flags), (out, size, flags))        \
    X(int, pipe2, (int fds[2], int flags), (fds, flags))                                       \
    X(pid_t, fork, (void), ())

typedef struct os_calls {
#define OS_FIELD(type, name, params, args) type(*name) params;
    OS_CALLS(OS_FIELD)
#undef OS_FIELD
} os_calls;

/* The table in use, and the one that is real. Only tests write the first (os/os_test.h). */
extern os_calls os_call;
extern const os_calls os_real_calls;

/* The fixed time of a test, or INT64_MIN. */
extern _Atomic int64_t os_fixed_now_us;

/* Fill diag with "WHAT PATH: reason" for an errno and return the code that fits it. path may be NULL. */
th_err os_fail(th_diag *diag, int error, const char *what, const char *path);

#endif
