/* SPDX-License-Identifier: Apache-2.0
 * Growing arrays of the builder, charged to the ingest budget. */
#include <stdlib.h>

#include "segment/segment_private.h"

th_err segment_grow(segment_memory *memory, void **array, size_t *capacity, size_t need,
                    size_t each)
{
    if (need <= *capacity) return TH_OK;
    size_t wanted = *capacity < 16 ? 16 : *capacity * 2;
    if (wanted < need) wanted = need;
    size_t extra = (wanted - *capacity) * each;
    if (!th_budget_charge(memory->budget, extra)) return TH_ELIMIT;
    void *grown = realloc(*array, wanted * each);
    if (grown == NULL) {
        th_budget_release(memory->budget, extra);
        return TH_ENOMEM;
    }
    memory->charged += extra;
    *array = grown;
    *capacity = wanted;
    return TH_OK;
}

th_err segment_follow(segment_memory *memory, size_t *followed, size_t now)
{
    if (now <= *followed) return TH_OK;
    if (!th_budget_charge(memory->budget, now - *followed)) return TH_ELIMIT;
    memory->charged += now - *followed;
    *followed = now;
    return TH_OK;
}

void segment_shrink(segment_memory *memory, void **array, size_t *capacity, size_t each)
{
    size_t bytes = *capacity * each;
    free(*array);
    *array = NULL;
    *capacity = 0;
    memory->charged -= bytes;
    th_budget_release(memory->budget, bytes);
}
