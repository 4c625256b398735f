/* SPDX-License-Identifier: Apache-2.0
 * Bytes of unknown number as one slice: in memory while they are few, then in an unlinked file under DATA/tmp that is
 * mapped. So a content is one slice however large it is, and memory stays bounded. */
#ifndef TH_INGEST_SLURP_H
#define TH_INGEST_SLURP_H

#include "base/buf.h"
#include "base/hash.h"

#define INGEST_SLURP_MEMORY_MAX (64u << 20)

/* Buffers that were used and will be again: fresh memory costs more to touch than to fill. One thread's. */
enum { INGEST_SPARE_MAX = 128 };
typedef struct ingest_spare {
    struct {
        uint8_t *bytes;
        size_t capacity;
    } at[INGEST_SPARE_MAX];
    uint32_t count;
    size_t bytes, bytes_max;
} ingest_spare;
void ingest_spare_free(ingest_spare *spare);

typedef struct ingest_slurp {
    const char *dir;     /* folder of the spool file; borrowed */
    ingest_spare *spare; /* NULL: malloc and free */
    size_t memory_max;
    uint8_t *bytes; /* malloc'd, or mapped once finished */
    size_t size, capacity;
    int fd;
    bool mapped;
    bool digested, behind; /* as ingest_slurp_large says */
    th_sha256_ctx *digest; /* of what is spooled */
    struct ingest_writer *writer;
    th_sha256 sha;
    bool has_sha;
} ingest_slurp;

/* A file under dir that has no name any more: it is gone with its descriptor. */
TH_MUST_CHECK th_err ingest_unnamed_file(const char *dir, int *fd, th_diag *diag);

void ingest_slurp_init(ingest_slurp *slurp, const char *dir, size_t memory_max,
                       ingest_spare *spare);
/* What is spooled is an object's: its SHA-256 is made on the way, while the bytes are at hand. behind: a thread writes. */
void ingest_slurp_large(ingest_slurp *slurp, bool behind);
/* The SHA-256 of all bytes, once finished. False: it was not made; the bytes are in memory, or their digest had none. */
bool ingest_slurp_sha(const ingest_slurp *slurp, th_sha256 *out);
/* Expect so many bytes in all; more or fewer may come. Too many for memory are spooled from the first one on. */
TH_MUST_CHECK th_err ingest_slurp_reserve(ingest_slurp *slurp, uint64_t size, th_diag *diag);
TH_MUST_CHECK th_err ingest_slurp_add(ingest_slurp *slurp, th_slice bytes, th_diag *diag);
/* The bytes as one slice, until freed; nothing can be added afterwards. */
TH_MUST_CHECK th_err ingest_slurp_finish(ingest_slurp *slurp, th_slice *out, th_diag *diag);
void ingest_slurp_free(ingest_slurp *slurp);

#endif
