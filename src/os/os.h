/* SPDX-License-Identifier: Apache-2.0
 * What the operating system gives: files, folders, clock, random, processes, threads. Everything that can fail
 * returns th_err (TH_ENOSPC for a full disk, TH_ENOTFOUND, TH_EPERM, else TH_EIO) and says path and reason in diag.
 * All descriptors are opened close-on-exec. Calls go through one table so that tests can make each of them fail. */
#ifndef TH_OS_OS_H
#define TH_OS_OS_H

#include <pthread.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Clock, us since 1970 UTC; tests may fix it. */
int64_t th_os_now_us(void);
/* Monotonic, us from an arbitrary start. */
int64_t th_os_mono_us(void);
/* Fill from the kernel's generator; TH_EIO only when the kernel has none. */
TH_MUST_CHECK th_err th_os_random(void *out, size_t size);

typedef struct th_os_stat {
    uint64_t size;
    int64_t mtime_us;
    uint64_t device, inode;
    bool is_file, is_dir, is_link, is_other;
} th_os_stat;

/* follow: whether a symbolic link as the last part is followed. */
TH_MUST_CHECK th_err th_os_stat_path(const char *path, bool follow, th_os_stat *out, th_diag *diag);
/* -1 on failure with diag set; flags as open(2), O_CLOEXEC is added. */
int th_os_open(const char *path, int flags, mode_t mode, th_diag *diag);
void th_os_close(int fd); /* accepts -1 */
/* Up to size bytes; *got 0 means the end. Retries EINTR. */
TH_MUST_CHECK th_err th_os_read(int fd, void *out, size_t size, size_t *got, th_diag *diag);
TH_MUST_CHECK th_err th_os_pread(int fd, void *out, size_t size, uint64_t offset, size_t *got,
                                 th_diag *diag);
TH_MUST_CHECK th_err th_os_write_all(int fd, th_slice bytes, th_diag *diag);
TH_MUST_CHECK th_err th_os_fsync(int fd, const char *path, th_diag *diag);
TH_MUST_CHECK th_err th_os_fsync_dir(const char *path, th_diag *diag);
/* Whole file into buf (its limit applies: TH_ELIMIT). */
TH_MUST_CHECK th_err th_os_read_file(const char *path, th_buf *out, th_diag *diag);
/* Write to PATH.tmp, fsync, rename, fsync the folder. */
TH_MUST_CHECK th_err th_os_write_file(const char *path, th_slice bytes, mode_t mode, th_diag *diag);
TH_MUST_CHECK th_err th_os_rename(const char *from, const char *to, th_diag *diag);
TH_MUST_CHECK th_err th_os_unlink(const char *path, th_diag *diag);
/* Make the folder and its parents; no error when it is there. */
TH_MUST_CHECK th_err th_os_mkdirs(const char *path, mode_t mode, th_diag *diag);
/* Bytes free to us on the file system of path. */
TH_MUST_CHECK th_err th_os_disk_free(const char *path, uint64_t *bytes, th_diag *diag);
/* True when path lies on a network or FUSE file system. */
bool th_os_is_network_fs(const char *path);

/* Names in a folder, "." and ".." left out, sorted by byte order, in the arena. */
TH_MUST_CHECK th_err th_os_list_dir(const char *path, th_arena *arena, const char ***names,
                                    size_t *count, th_diag *diag);

/* Exclusive flock on path (made when missing, mode 0600, holds our pid). *fd stays open as long as the lock is held.
 * TH_EBUSY when another process holds it; *owner_pid then says which (0 = unknown). */
TH_MUST_CHECK th_err th_os_lock_file(const char *path, int *fd, int *owner_pid, th_diag *diag);

/* Processes. spawn: new process from the running binary or another program with exactly the given descriptors: child
 * descriptor i is fds[i] (0, 1, 2 first), all others are closed. argv and env end with NULL; env NULL = ours.
 * The child dies with its parent when die_with_parent: more exactly with the thread that spawned it, as Linux has it. */
typedef struct th_os_spawn {
    const char *program;
    const char *const *argv;
    const char *const *env;
    const int *fds;
    size_t fd_count;
    bool die_with_parent;
} th_os_spawn;
TH_MUST_CHECK th_err th_os_spawn_process(const th_os_spawn *spec, pid_t *pid, th_diag *diag);
/* Spawn and wait; *status: exit status, or 128 + the signal that ended it. */
TH_MUST_CHECK th_err th_os_run_process(const th_os_spawn *spec, int *status, th_diag *diag);
/* Absolute path of the running binary. */
TH_MUST_CHECK th_err th_os_self_path(char *out, size_t size, th_diag *diag);

/* Threads carry names (15 characters) and a stack size (0 = the default of 1 MiB). */
TH_MUST_CHECK th_err th_os_thread(pthread_t *out, const char *name, size_t stack_bytes,
                                  void *(*run)(void *), void *arg, th_diag *diag);
uint32_t th_os_cpu_count(void);
/* RAM in bytes; cgroup limit counted when lower. */
uint64_t th_os_memory_size(void);
/* RssAnon + RssShmem of this process in bytes (/proc/self/status). */
uint64_t th_os_memory_used(void);

/* Failpoints for the crash rigs. Builds have them always; they cost one load when off. TRAILHOLD_FAILPOINT=NAME[:N]
 * kills this process with SIGKILL at the Nth time NAME is passed (default 1); NAME=stop:N stops it with SIGSTOP. */
#define TH_FAILPOINT(name) \
    (__builtin_expect(th_failpoints_on, 0) ? th_failpoint_hit(name) : (void)0)
extern int th_failpoints_on;
void th_failpoint_hit(const char *name);
void th_failpoints_init(void); /* reads the environment, once, at start */
/* Every name that the program has, ended by NULL: `trailhold --failpoints` prints them. One list in os/failpoints.def */
extern const char *const th_failpoint_names[];

#endif
