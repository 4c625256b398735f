/* SPDX-License-Identifier: Apache-2.0
 * Gathering bytes in memory or in a file that nobody else can see. */
#include "ingest/slurp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "os/os.h"

void ingest_slurp_init(ingest_slurp *slurp, const char *dir, size_t memory_max)
{
    *slurp = (ingest_slurp){.dir = dir, .memory_max = memory_max, .fd = -1};
}

static th_err open_spool(ingest_slurp *slurp, th_diag *diag)
{
    uint8_t random[8];
    char hex[17] = "", path[TH_PATH_SIZE_MAX];
    TH_TRY(th_os_random(random, sizeof(random)));
    th_hex_encode(random, sizeof(random), hex);
    if ((size_t)snprintf(path, sizeof(path), "%s/object-%.16s", slurp->dir, hex) >= sizeof(path))
        return th_fail(diag, TH_ELIMIT, NULL,
                       "the path of the folder for large objects is too long");
    TH_TRY(th_os_mkdirs(slurp->dir, 0700, diag));
    th_diag own = {0};
    slurp->fd = th_os_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, &own);
    if (slurp->fd < 0) return th_fail(diag, own.code, NULL, "%s", own.text);
    return th_os_unlink(path, diag);
}

static th_err spool(ingest_slurp *slurp, th_slice bytes, th_diag *diag)
{
    if (slurp->fd < 0) {
        TH_TRY(open_spool(slurp, diag));
        TH_TRY(th_os_write_all(slurp->fd, th_slice_of(slurp->bytes, slurp->size), diag));
        free(slurp->bytes);
        slurp->bytes = NULL;
    }
    TH_TRY(th_os_write_all(slurp->fd, bytes, diag));
    slurp->size += bytes.size;
    return TH_OK;
}

th_err ingest_slurp_add(ingest_slurp *slurp, th_slice bytes, th_diag *diag)
{
    TH_ASSERT(!slurp->mapped);
    if (bytes.size == 0) return TH_OK;
    if (slurp->fd >= 0 || bytes.size > slurp->memory_max - slurp->size)
        return spool(slurp, bytes, diag);
    if (slurp->size + bytes.size > slurp->capacity) {
        size_t capacity = slurp->capacity < 4096 ? 4096 : slurp->capacity * 2;
        while (capacity < slurp->size + bytes.size) capacity *= 2;
        uint8_t *bigger = realloc(slurp->bytes, capacity);
        if (bigger == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for an object");
        slurp->bytes = bigger;
        slurp->capacity = capacity;
    }
    memcpy(slurp->bytes + slurp->size, bytes.bytes, bytes.size);
    slurp->size += bytes.size;
    return TH_OK;
}

th_err ingest_slurp_finish(ingest_slurp *slurp, th_slice *out, th_diag *diag)
{
    if (slurp->fd >= 0 && !slurp->mapped) {
        void *at = mmap(NULL, slurp->size, PROT_READ, MAP_PRIVATE, slurp->fd, 0);
        if (at == MAP_FAILED) return th_fail(diag, TH_ENOMEM, NULL, "cannot map a large object");
        slurp->bytes = at;
        slurp->mapped = true;
    }
    *out = th_slice_of(slurp->bytes, slurp->size);
    return TH_OK;
}

void ingest_slurp_free(ingest_slurp *slurp)
{
    if (slurp->mapped)
        (void)munmap(slurp->bytes, slurp->size);
    else
        free(slurp->bytes);
    th_os_close(slurp->fd);
    ingest_slurp_init(slurp, slurp->dir, slurp->memory_max);
}
