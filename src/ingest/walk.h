/* SPDX-License-Identifier: Apache-2.0
 * Files below a path in name order, with the names and headers that they are delivered under. Shared by loading here
 * and by handing objects to another process. */
#ifndef TH_INGEST_WALK_H
#define TH_INGEST_WALK_H

#include "ingest/ingest.h"

typedef struct th_walk_file {
    const char *path; /* to open */
    const char
        *name; /* as delivered: the path, or the --as prefix and the path below the folder given */
    const th_header *headers; /* from FILE.head.json; may be none */
    size_t header_count;
    const char *error; /* not NULL: the file, folder or sidecar cannot be read, and why */
    uint64_t size;
    bool follow; /* named by the user: may be a symbolic link */
} th_walk_file;

typedef th_err (*th_walk_fn)(void *ctx, const th_walk_file *file, th_diag *diag);

/* A file, or a folder and all below it; symbolic links are not followed. fn's error ends the walk. as_prefix may be NULL. */
TH_MUST_CHECK th_err th_walk(const char *path, const char *as_prefix, th_walk_fn fn, void *ctx,
                             th_diag *diag);

#endif
