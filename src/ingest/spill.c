/* SPDX-License-Identifier: Apache-2.0
 * Logs and arrays that leave memory when they grow. */
#include "ingest/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "os/os.h"

enum { TAIL_MAX = 256 << 10, APPEND_MAX = 64 << 20, MEMORY_MAX = 1 << 20, FILE_MIN = 1 << 20 };

void ingest_log_init(ingest_log *log, const char *dir)
{
    th_buf_init(&log->tail, APPEND_MAX);
    ingest_slurp_init(&log->rest, dir, MEMORY_MAX, NULL);
}

static th_err move_tail(ingest_log *log, th_diag *diag)
{
    TH_TRY(ingest_slurp_add(&log->rest, th_buf_slice(&log->tail), diag));
    th_buf_clear(&log->tail);
    return TH_OK;
}

th_err ingest_log_settle(ingest_log *log, th_diag *diag)
{
    TH_TRY(th_buf_error(&log->tail));
    return log->tail.size < TAIL_MAX ? TH_OK : move_tail(log, diag);
}

th_err ingest_log_finish(ingest_log *log, th_slice *out, th_diag *diag)
{
    TH_TRY(th_buf_error(&log->tail));
    if (log->rest.size == 0) {
        *out = th_buf_slice(&log->tail);
        return TH_OK;
    }
    if (log->tail.size > 0) TH_TRY(move_tail(log, diag));
    return ingest_slurp_finish(&log->rest, out, diag);
}

void ingest_log_clear(ingest_log *log)
{
    th_buf_clear(&log->tail);
    ingest_slurp_free(&log->rest);
}

void ingest_log_free(ingest_log *log)
{
    th_buf_free(&log->tail);
    ingest_slurp_free(&log->rest);
}

static th_err grow_file(ingest_spill *spill, size_t capacity, th_diag *diag)
{
    if (!spill->is_open) TH_TRY(ingest_unnamed_file(spill->dir, &spill->fd, diag));
    spill->is_open = true;
    int error =
        posix_fallocate(spill->fd, (off_t)spill->capacity, (off_t)(capacity - spill->capacity));
    if (error == 0) return TH_OK;
    return th_fail(diag, error == ENOSPC ? TH_ENOSPC : TH_EIO, NULL,
                   error == ENOSPC ? "storage full: no room in %s for a large object"
                                   : "cannot grow a file in %s",
                   spill->dir);
}

th_err ingest_spill_reserve(ingest_spill *spill, size_t size, th_diag *diag)
{
    if (size <= spill->capacity) return TH_OK;
    size_t capacity = spill->capacity == 0 ? FILE_MIN : spill->capacity * 2;
    while (capacity < size) capacity *= 2;
    TH_TRY(grow_file(spill, capacity, diag));
    void *at = spill->at == NULL
                   ? mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, spill->fd, 0)
                   : mremap(spill->at, spill->capacity, capacity, MREMAP_MAYMOVE);
    if (at == MAP_FAILED) return th_fail(diag, TH_ENOMEM, NULL, "cannot map a file of an object");
    spill->at = at;
    spill->capacity = capacity;
    return TH_OK;
}

void ingest_spill_free(ingest_spill *spill)
{
    if (spill->at != NULL) (void)munmap(spill->at, spill->capacity);
    if (spill->is_open) th_os_close(spill->fd);
    *spill = (ingest_spill){.dir = spill->dir};
}
