/* SPDX-License-Identifier: Apache-2.0
 * A file without a name in DATA/tmp: what a large write has encoded waits there for its commit. It is gone with its
 * descriptor, whatever happens to the process. */
#include <fcntl.h>
#include <stdio.h>

#include "store/write.h"

static th_err open_spool(th_store *store, store_spool *spool, th_diag *diag)
{
    char name[64], path[TH_PATH_SIZE_MAX];
    (void)snprintf(name, sizeof(name), "tmp/spool-%llu",
                   (unsigned long long)atomic_fetch_add(&store->spools, 1));
    store_path(store, name, path);
    int fd = th_os_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, diag);
    if (fd < 0) return diag->code;
    th_err err = th_os_unlink(path, diag);
    if (err != TH_OK) {
        th_os_close(fd);
        return err;
    }
    spool->fd = fd;
    spool->is_open = true;
    th_buf_init(&spool->pending, 2 * STORE_SPOOL_BUFFER);
    th_buf_init(&spool->window, 2 * STORE_SPOOL_BUFFER);
    return TH_OK;
}

static th_err write_pending(store_spool *spool, th_diag *diag)
{
    TH_TRY(th_os_write_all(spool->fd, th_buf_slice(&spool->pending), diag));
    th_buf_clear(&spool->pending);
    spool->written = spool->size;
    return TH_OK;
}

th_err store_spool_add(th_store *store, store_spool *spool, th_slice bytes, uint64_t *at,
                       th_diag *diag)
{
    if (!spool->is_open) TH_TRY(open_spool(store, spool, diag));
    if (spool->pending.size + bytes.size > STORE_SPOOL_BUFFER) TH_TRY(write_pending(spool, diag));
    bool small = bytes.size <= STORE_SPOOL_BUFFER;
    if (small) {
        th_buf_add_slice(&spool->pending, bytes);
        TH_TRY(th_buf_error(&spool->pending));
    } else {
        TH_TRY(th_os_write_all(spool->fd, bytes, diag));
    }
    *at = spool->size;
    spool->size += bytes.size;
    if (!small) spool->written = spool->size;
    return TH_OK;
}

static th_err read_file(const store_spool *spool, uint64_t at, size_t size, uint8_t *out,
                        th_diag *diag)
{
    for (size_t have = 0, part; have < size; have += part) {
        TH_TRY(th_os_pread(spool->fd, out + have, size - have, at + have, &part, diag));
        if (part == 0) return th_fail(diag, TH_EIO, NULL, "a file of a write in hand is cut off");
    }
    return TH_OK;
}

/* More is read ahead the longer reads follow each other; one that does not takes what it needs. */
static th_err move_window(store_spool *spool, uint64_t at, size_t size, th_diag *diag)
{
    size_t ahead = at == spool->read_end ? spool->ahead * 2 : 0;
    ahead = ahead < size ? size : ahead > STORE_SPOOL_BUFFER ? STORE_SPOOL_BUFFER : ahead;
    if (ahead > spool->size - at) ahead = (size_t)(spool->size - at);
    th_buf_clear(&spool->window);
    uint8_t *room = th_buf_reserve(&spool->window, ahead);
    if (room == NULL) return TH_ENOMEM;
    TH_TRY(read_file(spool, at, ahead, room, diag));
    th_buf_grow(&spool->window, ahead);
    spool->window_at = at;
    spool->ahead = ahead;
    return TH_OK;
}

th_err store_spool_read(store_spool *spool, uint64_t at, size_t size, uint8_t *out, th_diag *diag)
{
    if (spool->written < spool->size) TH_TRY(write_pending(spool, diag));
    if (size > STORE_SPOOL_BUFFER) {
        TH_TRY(read_file(spool, at, size, out, diag));
    } else {
        if (at < spool->window_at || at + size > spool->window_at + spool->window.size)
            TH_TRY(move_window(spool, at, size, diag));
        memcpy(out, spool->window.bytes + (at - spool->window_at), size);
    }
    spool->read_end = at + size;
    return TH_OK;
}

void store_spool_close(store_spool *spool)
{
    if (spool->is_open) th_os_close(spool->fd);
    th_buf_free(&spool->pending);
    th_buf_free(&spool->window);
    *spool = (store_spool){0};
}
