/* SPDX-License-Identifier: Apache-2.0
 * Between the compactor (compact.c) and the merging of one group (merge.c). */
#ifndef TH_STORE_MERGE_H
#define TH_STORE_MERGE_H

#include "store/store_private.h"

/* One round: some journals or some sealed files become new sealed files, named by one catalog commit. */
typedef struct store_merge {
    th_store *store;
    th_version *version;
    store_file **journals; /* in the arena */
    uint32_t journal_count;
    bool background; /* stops when the store does */
    th_progress_fn progress;
    void *progress_ctx;
    uint64_t done_bytes, total_bytes;
    store_file_info *outputs; /* files that are in place and not named yet; malloc'ed */
    uint32_t output_count, output_capacity;
} store_merge;

TH_MUST_CHECK th_err store_merge_group(store_merge *round, const store_group *group, th_diag *diag);
bool store_merge_goes_on(store_merge *round);

#endif
