/* SPDX-License-Identifier: Apache-2.0
 * Names: what is at a path, folders, file systems. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/vfs.h>

#include "base/time.h"
#include "os/os_private.h"

th_err th_os_stat_path(const char *path, bool follow, th_os_stat *out, th_diag *diag)
{
    struct stat st;
    if (os_call.fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
        return os_fail(diag, errno, "cannot look at", path);
    }
    *out = (th_os_stat){
        .size = (uint64_t)st.st_size,
        .mtime_us = (int64_t)st.st_mtim.tv_sec * TH_US_PER_SECOND + st.st_mtim.tv_nsec / 1000,
        .device = (uint64_t)st.st_dev,
        .inode = (uint64_t)st.st_ino,
        .is_file = S_ISREG(st.st_mode),
        .is_dir = S_ISDIR(st.st_mode),
        .is_link = S_ISLNK(st.st_mode),
    };
    out->is_other = !out->is_file && !out->is_dir && !out->is_link;
    return TH_OK;
}

th_err th_os_rename(const char *from, const char *to, th_diag *diag)
{
    if (os_call.rename(from, to) == 0) return TH_OK;
    int error = errno;
    th_diag own = {0};
    th_err err = os_fail(&own, error, "cannot rename", from);
    return th_fail(diag, err, NULL, "%s (to %s)", own.text, to);
}

th_err th_os_unlink(const char *path, th_diag *diag)
{
    return os_call.unlink(path) == 0 ? TH_OK : os_fail(diag, errno, "cannot remove", path);
}

/* Make one folder; its name is made durable too, as a file synced inside is lost with the folder's name. */
static th_err make_one(char *path, mode_t mode, th_diag *diag)
{
    if (os_call.mkdir(path, mode) != 0) {
        int error = errno;
        struct stat st;
        if (error == EEXIST && os_call.fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISDIR(st.st_mode))
            return TH_OK;
        return os_fail(diag, error, "cannot make folder", path);
    }
    char *slash = strrchr(path, '/');
    th_err err;
    if (slash == NULL) {
        err = th_os_fsync_dir(".", NULL);
    } else if (slash == path) {
        err = th_os_fsync_dir("/", NULL);
    } else {
        *slash = '\0';
        err = th_os_fsync_dir(path, NULL);
        *slash = '/';
    }
    /* A parent that may be written but not read cannot be synced; that is its owner's choice. */
    if (err == TH_OK || err == TH_EPERM) return TH_OK;
    return th_fail(diag, err, NULL, "cannot make the new folder %s durable", path);
}

th_err th_os_mkdirs(const char *path, mode_t mode, th_diag *diag)
{
    struct stat st;
    if (os_call.fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISDIR(st.st_mode)) return TH_OK;
    char *copy = strdup(path);
    if (copy == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to make folder %s", path);
    size_t size = strlen(copy);
    while (size > 1 && copy[size - 1] == '/') copy[--size] = '\0';
    th_err err = TH_OK;
    for (char *p = copy + 1; size > 0 && *p != '\0' && err == TH_OK; p++) {
        if (*p != '/' || p[-1] == '/') continue;
        *p = '\0';
        /* Only what is missing is made: a parent on a read-only file system may well be there. */
        if (os_call.fstatat(AT_FDCWD, copy, &st, 0) != 0) err = make_one(copy, mode, diag);
        *p = '/';
    }
    if (err == TH_OK) err = make_one(copy, mode, diag);
    free(copy);
    return err;
}

th_err th_os_disk_free(const char *path, uint64_t *bytes, th_diag *diag)
{
    struct statvfs fs;
    while (os_call.statvfs(path, &fs) != 0) {
        if (errno != EINTR) return os_fail(diag, errno, "cannot ask for the free space of", path);
    }
    *bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
    return TH_OK;
}

/* File systems whose locks, maps or fsync another machine or program answers for; numbers as in statfs(2). */
static bool is_network_type(uint32_t type)
{
    static const uint32_t types[] = {
        0x6969,     /* NFS */
        0x517B,     /* SMB */
        0xFF534D42, /* CIFS */
        0xFE534D42, /* SMB2 */
        0x65735546, /* FUSE */
        0x5346414F, /* AFS */
        0x01021997, /* 9P */
        0x00C36400, /* Ceph */
        0x73757245, /* Coda */
        0x0BD00BD0, /* Lustre */
        0x01161970, /* GFS2 */
        0x7461636F, /* OCFS2 */
        0x47504653, /* GPFS */
        0x19830326, /* BeeGFS */
        0x564C,     /* NCP */
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i] == type) return true;
    }
    return false;
}

bool th_os_is_network_fs(const char *path)
{
    struct statfs fs;
    if (statfs(path, &fs) == 0) return is_network_type((uint32_t)fs.f_type);
    if (errno != ENOENT) return false;
    /* Not made yet: its nearest parent that is there decides. */
    char *copy = strdup(path);
    if (copy == NULL) return false;
    bool answer = false;
    for (char *slash; (slash = strrchr(copy, '/')) != NULL && slash != copy;) {
        *slash = '\0';
        if (statfs(copy, &fs) != 0) continue;
        answer = is_network_type((uint32_t)fs.f_type);
        free(copy);
        return answer;
    }
    if (statfs(path[0] == '/' ? "/" : ".", &fs) == 0) answer = is_network_type((uint32_t)fs.f_type);
    free(copy);
    return answer;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static th_err read_names(DIR *dir, const char *path, th_arena *arena, const char ***names,
                         size_t *count, th_diag *diag)
{
    size_t capacity = 0, n = 0;
    const char **list = NULL;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL && errno != 0) return os_fail(diag, errno, "cannot list", path);
        if (entry == NULL) break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (n == capacity) {
            size_t larger = capacity == 0 ? 64 : capacity * 2;
            const char **copy = TH_NEW_ARRAY(arena, const char *, larger);
            if (copy != NULL && n > 0) memcpy(copy, list, n * sizeof *list);
            list = copy;
            capacity = larger;
        }
        th_slice name =
            list == NULL ? (th_slice){0} : th_arena_copy(arena, th_slice_text(entry->d_name));
        if (name.bytes == NULL) return th_fail(diag, TH_ELIMIT, NULL, "too many names in %s", path);
        list[n++] = (const char *)name.bytes;
    }
    if (n > 1) qsort(list, n, sizeof *list, compare_names);
    *names = list;
    *count = n;
    return TH_OK;
}

th_err th_os_list_dir(const char *path, th_arena *arena, const char ***names, size_t *count,
                      th_diag *diag)
{
    int fd = os_call.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) return os_fail(diag, errno, "cannot list", path);
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        th_os_close(fd);
        return os_fail(diag, error, "cannot list", path);
    }
    th_err err = read_names(dir, path, arena, names, count, diag);
    closedir(dir);
    return err;
}
