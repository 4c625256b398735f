/* SPDX-License-Identifier: Apache-2.0
 * A batch as the plugin sees it: the host's memfd, mapped read-only, with Arrow C Data structs over it. */
#ifndef TH_PLUGIN_BATCH_H
#define TH_PLUGIN_BATCH_H

#include "base/err.h"
#include "plugins/sdk/trailhold_plugin.h"

typedef struct runner_batch {
    th_plugin_batch batch; /* valid until it is unmapped */
    uint8_t *base;
    size_t size;
    struct ArrowSchema *schemas;
    struct ArrowArray *arrays;
    const struct ArrowSchema **schema_list;
    const struct ArrowArray **array_list;
    const void *(*buffers)[3];
} runner_batch;

/* fd stays the caller's. out is zeroed; unmap it also after a failure. TH_EPARSE: not a batch; TH_ENOMEM. */
TH_MUST_CHECK th_err runner_batch_map(int fd, runner_batch *out);
void runner_batch_unmap(runner_batch *m);

#endif
