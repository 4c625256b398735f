/* SPDX-License-Identifier: Apache-2.0
 * Files that queries write: s3://bucket/prefix/ stands for DATA/export/bucket/prefix/. A file is made under another name
 * and gets its own when it is whole and synced. */
#include "engine/engine_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PIECE_SIZE 65536u

struct th_export {
    int fd;
    bool gzip;
    z_stream z;
    bool z_open;
    char path[TH_PATH_SIZE_MAX], unfinished[TH_PATH_SIZE_MAX];
    uint8_t piece[PIECE_SIZE];
};

static th_err bad_location(th_diag *diag, th_slice location)
{
    return th_fail(diag, TH_EINVAL, "INVALID_TABLE_PROPERTY",
                   "'%.*s' is not a location like s3://bucket/prefix/",
                   (int)(location.size > 200 ? 200 : location.size), (const char *)location.bytes);
}

/* bucket/prefix without empty, '.' and '..' steps and control characters. */
static bool is_clean(th_slice rest)
{
    size_t start = 0;
    for (size_t i = 0; i <= rest.size; i++) {
        if (i < rest.size && rest.bytes[i] < 32) return false;
        if (i < rest.size && rest.bytes[i] != '/') continue;
        th_slice step = th_slice_of(rest.bytes + start, i - start);
        bool last = i == rest.size;
        if ((step.size == 0 && !last) || th_slice_is(step, ".") || th_slice_is(step, "..") ||
            step.size > 255)
            return false;
        start = i + 1;
    }
    return rest.size > 0 && rest.bytes[0] != '/';
}

static th_err make_folders(char *path, th_diag *diag)
{
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p != '/') continue;
        *p = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST ? errno : 0;
        *p = '/';
        if (failed != 0)
            return th_fail(diag, TH_EIO, NULL, "the export folder cannot be made: %s",
                           strerror(failed));
    }
    return TH_OK;
}

static th_err paths(th_export *file, const char *dir, th_slice rest, const char *suffix,
                    th_diag *diag)
{
    uint8_t random[8];
    char name[17];
    TH_TRY(th_os_random(random, sizeof random));
    th_hex_encode(random, sizeof random, name);
    name[16] = '\0';
    bool slash = rest.bytes[rest.size - 1] == '/';
    int size =
        snprintf(file->path, sizeof file->path, "%s/export/%.*s%s%s%s%s", dir, TH_SLICE_ARGS(rest),
                 slash ? "" : "/", name, suffix, file->gzip ? ".gz" : "");
    int size2 = snprintf(file->unfinished, sizeof file->unfinished, "%s.unfinished", file->path);
    if (size < 0 || size2 < 0 || (size_t)size2 >= sizeof file->unfinished)
        return th_fail(diag, TH_EINVAL, NULL, "the location is too long");
    return make_folders(file->unfinished, diag);
}

static th_err open_file(th_export *file, const char *dir, th_slice location, const char *suffix,
                        th_diag *diag)
{
    bool s3 = th_slice_starts(location, TH_SLICE("s3://"));
    th_slice rest = s3 ? th_slice_of(location.bytes + 5, location.size - 5) : location;
    if (!s3 || !is_clean(rest)) return bad_location(diag, location);
    TH_TRY(paths(file, dir, rest, suffix, diag));
    file->fd = th_os_open(file->unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, diag);
    if (file->fd < 0) return TH_EIO;
    if (!file->gzip) return TH_OK;
    file->z_open = deflateInit2(&file->z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    return file->z_open ? TH_OK : TH_ENOMEM;
}

th_err engine_export_open(th_provider *provider, const th_principal *principal, th_slice location,
                          bool gzip, const char *suffix, th_export **out, th_diag *diag)
{
    engine *e = (engine *)provider;
    TH_TRY(engine_may_change(principal, diag));
    if (e->store == NULL) return th_fail(diag, TH_EUNSUPPORTED, NULL, "there is no store here");
    th_export *file = calloc(1, sizeof *file);
    if (file == NULL) return TH_ENOMEM;
    file->fd = -1;
    file->gzip = gzip;
    th_err err = open_file(file, th_store_dir(e->store), location, suffix, diag);
    if (err != TH_OK) {
        (void)engine_export_close(file, false, NULL);
        return err;
    }
    *out = file;
    return TH_OK;
}

static th_err write_plain(th_export *file, const uint8_t *bytes, size_t size, th_diag *diag)
{
    while (size > 0) {
        ssize_t n = write(file->fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return th_fail(diag, errno == ENOSPC ? TH_ENOSPC : TH_EIO, NULL,
                           "the export cannot be written: %s", strerror(errno));
        bytes += n;
        size -= (size_t)n;
    }
    return TH_OK;
}

static th_err deflate_bytes(th_export *file, th_slice bytes, int flush, th_diag *diag)
{
    file->z.next_in = (Bytef *)(uintptr_t)bytes.bytes;
    file->z.avail_in = (uInt)bytes.size;
    int result;
    do {
        file->z.next_out = file->piece;
        file->z.avail_out = PIECE_SIZE;
        result = deflate(&file->z, flush);
        TH_TRY(write_plain(file, file->piece, PIECE_SIZE - file->z.avail_out, diag));
    } while (file->z.avail_out == 0 || (flush == Z_FINISH && result == Z_OK));
    return TH_OK;
}

th_err engine_export_write(th_export *file, th_slice bytes, th_diag *diag)
{
    if (!file->gzip) return write_plain(file, bytes.bytes, bytes.size, diag);
    while (bytes.size > 0) {
        size_t size = bytes.size < (1u << 30) ? bytes.size : (1u << 30);
        TH_TRY(deflate_bytes(file, th_slice_of(bytes.bytes, size), Z_NO_FLUSH, diag));
        bytes = th_slice_of(bytes.bytes + size, bytes.size - size);
    }
    return TH_OK;
}

static th_err finish(th_export *file, th_diag *diag)
{
    if (file->gzip) TH_TRY(deflate_bytes(file, (th_slice){0}, Z_FINISH, diag));
    if (fsync(file->fd) == 0 && rename(file->unfinished, file->path) == 0) return TH_OK;
    return th_fail(diag, TH_EIO, NULL, "the export cannot be finished: %s", strerror(errno));
}

th_err engine_export_close(th_export *file, bool keep, th_diag *diag)
{
    if (file == NULL) return TH_OK;
    th_err err = keep ? finish(file, diag) : TH_OK;
    if (file->z_open) deflateEnd(&file->z);
    if (file->fd >= 0) th_os_close(file->fd);
    if (!keep || err != TH_OK) (void)unlink(file->unfinished);
    free(file);
    return err;
}
