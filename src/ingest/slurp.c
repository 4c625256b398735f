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
#include "ingest/writer.h"
#include "os/os.h"

void ingest_slurp_init(ingest_slurp *slurp, const char *dir, size_t memory_max, ingest_spare *spare)
{
    *slurp = (ingest_slurp){.dir = dir, .spare = spare, .memory_max = memory_max, .fd = -1};
}

/* ---- buffers used again ------------------------------------------------------------------------------------------------- */

/* The smallest that is large enough, unless it is far too large. */
static uint8_t *take_spare(ingest_spare *spare, size_t size, size_t *capacity)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; spare != NULL && i < spare->count; i++) {
        size_t have = spare->at[i].capacity;
        if (have >= size && have / 8 <= size &&
            (best == UINT32_MAX || have < spare->at[best].capacity))
            best = i;
    }
    if (best == UINT32_MAX) {
        *capacity = size;
        return malloc(size);
    }
    uint8_t *bytes = spare->at[best].bytes;
    *capacity = spare->at[best].capacity;
    spare->bytes -= *capacity;
    spare->at[best] = spare->at[--spare->count];
    return bytes;
}

static void give_spare(ingest_spare *spare, uint8_t *bytes, size_t capacity)
{
    if (bytes == NULL) return;
    if (spare == NULL || spare->count == INGEST_SPARE_MAX ||
        spare->bytes + capacity > spare->bytes_max) {
        free(bytes);
        return;
    }
    spare->at[spare->count].bytes = bytes;
    spare->at[spare->count++].capacity = capacity;
    spare->bytes += capacity;
}

void ingest_spare_free(ingest_spare *spare)
{
    while (spare->count > 0) free(spare->at[--spare->count].bytes);
    spare->bytes = 0;
}

/* ---- gathering ---------------------------------------------------------------------------------------------------------- */

th_err ingest_unnamed_file(const char *dir, int *fd, th_diag *diag)
{
    uint8_t random[8];
    char hex[17] = "", path[TH_PATH_SIZE_MAX];
    TH_TRY(th_os_random(random, sizeof(random)));
    th_hex_encode(random, sizeof(random), hex);
    if ((size_t)snprintf(path, sizeof(path), "%s/object-%.16s", dir, hex) >= sizeof(path))
        return th_fail(diag, TH_ELIMIT, NULL,
                       "the path of the folder for large objects is too long");
    TH_TRY(th_os_mkdirs(dir, 0700, diag));
    th_diag own = {0};
    int opened = th_os_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, &own);
    if (opened < 0) return th_fail(diag, own.code, NULL, "%s", own.text);
    th_err err = th_os_unlink(path, diag);
    if (err != TH_OK) {
        th_os_close(opened);
        return err;
    }
    *fd = opened;
    return TH_OK;
}

void ingest_slurp_large(ingest_slurp *slurp, bool behind)
{
    slurp->digested = true;
    slurp->behind = behind;
}

bool ingest_slurp_sha(const ingest_slurp *slurp, th_sha256 *out)
{
    if (slurp->has_sha) *out = slurp->sha;
    return slurp->has_sha;
}

static th_err write_bytes(ingest_slurp *slurp, th_slice bytes, th_diag *diag)
{
    if (slurp->writer != NULL) return ingest_writer_add(slurp->writer, bytes, diag);
    TH_TRY(th_os_write_all(slurp->fd, bytes, diag));
    if (slurp->digest != NULL) th_sha256_update(slurp->digest, bytes);
    return TH_OK;
}

static th_err start_spool(ingest_slurp *slurp, th_diag *diag)
{
    TH_TRY(ingest_unnamed_file(slurp->dir, &slurp->fd, diag));
    if (slurp->digested) slurp->digest = th_sha256_new();
    if (slurp->behind) slurp->writer = ingest_writer_new(slurp->fd, slurp->digest);
    if (slurp->size > 0) TH_TRY(write_bytes(slurp, th_slice_of(slurp->bytes, slurp->size), diag));
    give_spare(slurp->spare, slurp->bytes, slurp->capacity);
    slurp->bytes = NULL;
    slurp->capacity = 0;
    return TH_OK;
}

static th_err spool(ingest_slurp *slurp, th_slice bytes, th_diag *diag)
{
    if (slurp->fd < 0) TH_TRY(start_spool(slurp, diag));
    TH_TRY(write_bytes(slurp, bytes, diag));
    slurp->size += bytes.size;
    return TH_OK;
}

/* All is in the file. */
static th_err end_spool(ingest_slurp *slurp, th_diag *diag)
{
    struct ingest_writer *writer = slurp->writer;
    slurp->writer = NULL;
    th_err err = writer == NULL ? TH_OK : ingest_writer_finish(writer, diag);
    slurp->has_sha = err == TH_OK && slurp->digest != NULL;
    if (slurp->has_sha) slurp->sha = th_sha256_finish(slurp->digest);
    th_sha256_free(slurp->digest);
    slurp->digest = NULL;
    return err;
}

static th_err grow_to(ingest_slurp *slurp, size_t size, th_diag *diag)
{
    size_t capacity;
    uint8_t *bigger = take_spare(slurp->spare, size, &capacity);
    if (bigger == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for an object");
    if (slurp->size > 0) memcpy(bigger, slurp->bytes, slurp->size);
    give_spare(slurp->spare, slurp->bytes, slurp->capacity);
    slurp->bytes = bigger;
    slurp->capacity = capacity;
    return TH_OK;
}

th_err ingest_slurp_reserve(ingest_slurp *slurp, uint64_t size, th_diag *diag)
{
    TH_ASSERT(!slurp->mapped);
    if (slurp->fd >= 0 || size <= slurp->capacity) return TH_OK;
    return size > slurp->memory_max ? start_spool(slurp, diag) : grow_to(slurp, (size_t)size, diag);
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
        TH_TRY(grow_to(slurp, capacity, diag));
    }
    memcpy(slurp->bytes + slurp->size, bytes.bytes, bytes.size);
    slurp->size += bytes.size;
    return TH_OK;
}

th_err ingest_slurp_finish(ingest_slurp *slurp, th_slice *out, th_diag *diag)
{
    if (slurp->fd >= 0 && !slurp->mapped) {
        TH_TRY(end_spool(slurp, diag));
        if (slurp->size == 0) {
            *out = th_slice_of(slurp->bytes, 0);
            return TH_OK;
        }
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
    th_diag ignored = {0};
    (void)!end_spool(slurp, &ignored);
    if (slurp->mapped)
        (void)munmap(slurp->bytes, slurp->size);
    else
        give_spare(slurp->spare, slurp->bytes, slurp->capacity);
    th_os_close(slurp->fd);
    *slurp = (ingest_slurp){.dir = slurp->dir,
                            .spare = slurp->spare,
                            .memory_max = slurp->memory_max,
                            .digested = slurp->digested,
                            .behind = slurp->behind,
                            .fd = -1};
}
