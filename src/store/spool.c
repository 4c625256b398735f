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
    return TH_OK;
}

th_err store_spool_add(th_store *store, store_spool *spool, th_slice bytes, uint64_t *at,
                       th_diag *diag)
{
    if (!spool->is_open) TH_TRY(open_spool(store, spool, diag));
    TH_TRY(th_os_write_all(spool->fd, bytes, diag));
    *at = spool->size;
    spool->size += bytes.size;
    return TH_OK;
}

th_err store_spool_read(const store_spool *spool, uint64_t at, size_t size, uint8_t *out,
                        th_diag *diag)
{
    for (size_t have = 0, part; have < size; have += part) {
        TH_TRY(th_os_pread(spool->fd, out + have, size - have, at + have, &part, diag));
        if (part == 0) return th_fail(diag, TH_EIO, NULL, "a file of a write in hand is cut off");
    }
    return TH_OK;
}

void store_spool_close(store_spool *spool)
{
    if (spool->is_open) th_os_close(spool->fd);
    *spool = (store_spool){0};
}
