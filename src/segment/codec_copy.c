/* SPDX-License-Identifier: Apache-2.0
 * COPY: values that an earlier array of the image has as well, as their places there. Only arrays of many different values
 * get a label; what repeats within one array is a dictionary's business. */
#include "base/map.h"
#include "segment/codec_pool.h"
#include "segment/codec_private.h"

enum {
    COUNT_MIN = 256, /* values of an array with a label */
    COUNT_MAX = 1 << 15,
    BYTES_MAX = 1 << 20,
    LABELS_MAX = 4096,
    PROBES = 24, /* values looked up before all are */
    PROBES_HIT = 12
};

uint32_t codec_labels(const codec_out *out)
{
    return out->encoder->pool == NULL ? 0 : out->encoder->pool->label_count;
}

void codec_show_labels(const codec_out *out, uint32_t from, uint32_t to, bool shown)
{
    for (uint32_t i = from; i < to; i++) {
        uint32_t *hidden = &out->encoder->pool->labels[i].hidden;
        *hidden = shown ? *hidden - 1 : *hidden + 1;
    }
}

/* Only values that are made from nothing else, so that taking one costs no more than reading it. */
static bool is_leaf(const codec_draft *draft)
{
    const uint8_t *d = draft->directory.bytes;
    switch (d[0]) {
    case CODEC_TEXT:
    case CODEC_UUID:
    case CODEC_HEX:
    case CODEC_BITS:
    case CODEC_RADIX: return true;
    case CODEC_BASE64: return draft->directory.size > 2 && d[2] == CODEC_TEXT;
    default: return false;
    }
}

th_err codec_put_label(codec_out *out, codec_strings s, const codec_draft *draft)
{
    segment_pool *pool = out->encoder->pool;
    if (pool == NULL || out->sampling || out->depth == 0 || s.n < COUNT_MIN || s.n > COUNT_MAX ||
        !is_leaf(draft) || out->depth + 2 > SEGMENT_CODEC_DEPTH_MAX - 1)
        return TH_OK;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s.n; i++) bytes += s.v[i].size;
    if (bytes < s.n * 6 || bytes > BYTES_MAX || pool->label_count == LABELS_MAX) return TH_OK;
    /* When its memory is used up there are no more labels. */
    pool_label *labels = th_arena_room(pool->label_arena, pool->labels, pool->label_count,
                                       &pool->label_room, sizeof(*labels));
    th_map *map = labels == NULL ? NULL : th_map_new(pool->label_arena);
    if (map == NULL) return TH_OK;
    pool->labels = labels;
    for (uint32_t i = 0; i < s.n; i++)
        if (th_map_put(map, s.v[i], i, NULL) == NULL) return TH_OK;
    if (th_map_count(map) < s.n / 2) return TH_OK;
    th_buf_add_byte(out->directory, CODEC_LABEL);
    th_buf_add_varint(out->directory, pool->label_count);
    labels[pool->label_count++] = (pool_label){.map = map};
    return codec_out_error(out);
}

/* How many of some values spread over all are there. */
static uint32_t probe(const th_map *map, codec_strings s)
{
    uint32_t hits = 0;
    for (uint32_t i = 0; i < PROBES; i++)
        hits += th_map_get(map, s.v[(uint64_t)i * s.n / PROBES]) != NULL;
    return hits;
}

static const pool_label *find_label(const segment_pool *pool, codec_strings s)
{
    const pool_label *best = NULL;
    uint32_t most = PROBES_HIT - 1;
    for (uint32_t i = pool->label_count; i-- > 0;) {
        if (pool->labels[i].hidden > 0) continue;
        uint32_t hits = probe(pool->labels[i].map, s);
        if (hits <= most) continue;
        most = hits;
        best = &pool->labels[i];
        if (hits == PROBES) break;
    }
    return best;
}

th_err codec_put_copy(codec_out *out, codec_strings s, bool *fits)
{
    const segment_pool *pool = out->encoder->pool;
    *fits = false;
    if (pool == NULL || s.n < PROBES) return TH_OK;
    const pool_label *label = find_label(pool, s);
    if (label == NULL) return TH_OK;
    int64_t *places = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*places));
    uint32_t *missing = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*missing)), hits = 0;
    if (places == NULL || missing == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < s.n; i++) {
        const uint64_t *place = th_map_get(label->map, s.v[i]);
        missing[i] = place == NULL;
        places[i] = place == NULL ? 0 : (int64_t)*place;
        hits += place != NULL;
    }
    *fits = hits == s.n || (hits >= s.n / 4 && !out->in_class);
    if (!*fits) return TH_OK;
    if (hits < s.n) return codec_put_pick(out, s, missing, 2);
    th_buf_add_byte(out->directory, CODEC_COPY);
    th_buf_add_varint(out->directory, (uint64_t)(label - pool->labels));
    return codec_put_ints(out, places, s.n);
}
