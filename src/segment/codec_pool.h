/* SPDX-License-Identifier: Apache-2.0
 * What the arrays of one image have in common, while it is written. */
#ifndef TH_SEGMENT_CODEC_POOL_H
#define TH_SEGMENT_CODEC_POOL_H

#include "base/map.h"
#include "segment/codec.h"

/* An array that later ones may take values from: its number is the label. */
typedef struct pool_label {
    th_map *map;     /* value -> place of its first occurrence */
    uint32_t hidden; /* drafts that hold it and lost: 0 = later arrays may name it */
} pool_label;

struct segment_pool {
    th_arena *arena;
    th_map *map; /* the pool's strings; NULL: none yet */
    th_arena *label_arena;
    pool_label *labels; /* in label_arena */
    size_t label_room;
    uint32_t label_count;
};

#endif
