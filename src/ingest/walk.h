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
    int64_t mtime_us;
    uint64_t device, inode;
    bool follow; /* named by the user: may be a symbolic link */
} th_walk_file;

typedef th_err (*th_walk_fn)(void *ctx, const th_walk_file *file, th_diag *diag);

/* A file, or a folder and all below it; symbolic links are not followed. fn's error ends the walk. as_prefix may be NULL. */
TH_MUST_CHECK th_err th_walk(const char *path, const char *as_prefix, th_walk_fn fn, void *ctx,
                             th_diag *diag);

/* The same for what lies at or below root, named as a walk of root would name it: for those who learn of files one by one.
 * path is root, or root, a slash and more. folder, if not NULL, is called for each folder before its names are read. */
typedef struct th_walk_scope {
    const char *root, *as_prefix;
    th_walk_fn file;
    th_err (*folder)(void *ctx, const char *path, th_diag *diag);
    void *ctx;
} th_walk_scope;
TH_MUST_CHECK th_err th_walk_below(const th_walk_scope *scope, const char *path, th_diag *diag);

/* Load one file that a walk gave; cancel as in th_ingest_path. An unreadable one is counted and named. */
TH_MUST_CHECK th_err th_ingest_walked(th_ingest *ingest, const th_walk_file *file, th_diag *diag);
void th_ingest_cancel_by(th_ingest *ingest, const volatile int *cancel);

#endif
