/* SPDX-License-Identifier: Apache-2.0
 * Between the compactor (compact.c, cool.c), the merging of one group (merge.c) and the encoding of one piece of it
 * (encode.c). */
#ifndef TH_STORE_MERGE_H
#define TH_STORE_MERGE_H

#include "store/write.h"

/* One round: some journals or some sealed files become new sealed files, named by one catalog commit. */
typedef struct store_merge {
    th_store *store;
    th_version *version;
    store_file **journals; /* in the arena */
    uint32_t journal_count;
    bool background; /* stops when the store does */
    bool yields;     /* stands back for everybody else, too */
    bool compact;    /* the tier that is written */
    uint32_t threads;
    th_progress_fn progress;
    void *progress_ctx;
    uint64_t done_bytes, total_bytes;
    store_outputs outputs; /* files that are in place and not named yet */
} store_merge;

TH_MUST_CHECK th_err store_merge_group(store_merge *round, const store_group *group, th_diag *diag);
bool store_merge_goes_on(store_merge *round);
/* One round over what there is now; *did says whether anything was to be done. */
TH_MUST_CHECK th_err store_merge_round(store_merge *round, const store_plan_rules *rules, bool *did,
                                       th_diag *diag);
/* Rounds until nothing is left to do; what is damaged is left out. */
TH_MUST_CHECK th_err store_merge_rounds(store_merge *round, const store_plan_rules *rules,
                                        th_diag *diag);

/* ---- encode.c: segments that become one, apart from all others --------------------------------------------------------- */

/* A segment to be written. */
typedef struct merge_value {
    store_header header;
    store_piece *piece; /* as it was read, when it is taken as it is; else: */
    th_buf head, image;
} merge_value;

typedef struct merge_task {
    size_t first, count; /* segments of one day that follow each other */
    uint64_t rows, raw_bytes, stored_bytes;
    bool copy;           /* one that is good as it is */
    merge_value *values; /* mostly one */
    uint32_t value_count, value_capacity;
    th_err err;
    th_diag diag;
} merge_task;

typedef struct merge_encoder merge_encoder;
/* One thread's. NULL: no memory. */
merge_encoder *merge_encoder_new(const store_merge *round, const th_stored_table *table);
void merge_encoder_free(merge_encoder *encoder); /* accepts NULL */
/* Fills task->values; the result is in task->err, too. */
TH_MUST_CHECK th_err merge_encode(merge_encoder *encoder, const th_segment_ref *refs,
                                  merge_task *task);
void merge_task_free(merge_task *task);

#endif
