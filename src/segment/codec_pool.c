/* SPDX-License-Identifier: Apache-2.0
 * Strings that small dictionaries of one image share: each once, in order of first use. */
#include <stdlib.h>

#include "segment/codec_pool.h"
#include "segment/codec_private.h"

enum { POOL_MAX = 256 << 20, LABELS_BYTES_MAX = 64 << 20 };

segment_pool *segment_pool_new(th_budget *budget)
{
    segment_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) return NULL;
    pool->arena = th_arena_new(POOL_MAX, budget);
    pool->label_arena = th_arena_new(LABELS_BYTES_MAX, budget);
    if (pool->arena != NULL && pool->label_arena != NULL) return pool;
    segment_pool_free(pool);
    return NULL;
}

void segment_pool_free(segment_pool *pool)
{
    if (pool == NULL) return;
    th_arena_free(pool->arena);
    th_arena_free(pool->label_arena);
    free(pool);
}

void segment_pool_clear(segment_pool *pool)
{
    th_arena_reset(pool->arena);
    th_arena_reset(pool->label_arena);
    *pool = (segment_pool){.arena = pool->arena, .label_arena = pool->label_arena};
}

uint32_t segment_pool_count(const segment_pool *pool)
{
    return pool->map == NULL ? 0 : (uint32_t)th_map_count(pool->map);
}

th_err codec_pool_add(segment_pool *pool, th_slice text, int64_t *number)
{
    if (pool->map == NULL) pool->map = th_map_new(pool->arena);
    if (pool->map == NULL) return TH_ELIMIT;
    uint64_t *at = th_map_put(pool->map, text, th_map_count(pool->map), NULL);
    if (at == NULL) return TH_ELIMIT;
    *number = (int64_t)*at;
    return TH_OK;
}

th_err segment_encode_pool(segment_encoder *encoder, const segment_pool *pool)
{
    uint32_t n = segment_pool_count(pool);
    TH_ASSERT(n > 0);
    th_slice *v = th_arena_alloc(encoder->scratch, n * sizeof(*v));
    if (v == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < n; i++) v[i] = th_map_key_at(pool->map, i);
    codec_out out = {.encoder = encoder, .directory = encoder->directory};
    return codec_put_text(&out, (codec_strings){v, n});
}
