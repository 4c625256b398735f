/* SPDX-License-Identifier: Apache-2.0
 * What a path is in each shape of an image, found once and kept. */
#ifndef TH_SEGMENT_ROUTE_H
#define TH_SEGMENT_ROUTE_H

#include "segment/image.h"

typedef enum segment_spot_kind {
    SEGMENT_SPOT_STRING, /* one slot between quotes */
    SEGMENT_SPOT_SCALAR, /* one slot: a number, true, false, null */
    SEGMENT_SPOT_FIELD,  /* one slot: a field of a line */
    SEGMENT_SPOT_TEXT    /* an object or array: from a byte of one literal to a byte of another */
} segment_spot_kind;

/* Where an alternative of a path is in a shape. Of those that are not there, there is none. */
typedef struct segment_spot {
    uint8_t kind;
    uint32_t first, count; /* slots: of the shape as found, of its steps in a route */
    uint32_t joint;        /* TEXT: number of its first literal; its last is count further on */
    uint32_t from, to;     /* TEXT: bytes in them */
} segment_spot;

/* Where the alternatives of a path are, in their order. */
typedef struct segment_spots {
    const segment_spot *spots;
    uint32_t count;
} segment_spots;

/* One entry each for the distinct values of a path, in all rows of an image. */
typedef struct segment_dictionary {
    uint32_t count;
    th_slice *values;
    uint8_t *kinds;
    uint32_t absent, null; /* their codes; SEGMENT_NONE when no row needs them */
    uint32_t **code_of;    /* of each stream that the path touches: its entries' codes; else NULL */
    uint32_t *whole_codes; /* of whole records */
    bool exact;            /* one stream whose entries have the codes that they have there */
} segment_dictionary;

typedef struct segment_route {
    char *path;       /* as callers write it */
    const char *name; /* what is looked for, without the '=' */
    bool strict;
    uint32_t variants;              /* of lines: distinct numbers that the field has; else 1 */
    uint32_t *variant_of;           /* of each layout; SEGMENT_NONE: it has no such field */
    uint32_t *fields;               /* of lines: the number of each variant */
    segment_spots *spots;           /* [variant][shape] */
    segment_steps *steps;           /* of each shape: the slots that are read */
    bool *touched;                  /* of each stream */
    uint32_t only;                  /* the one stream touched, or SEGMENT_NONE */
    bool simple;                    /* each shape has at most one spot, of one slot */
    uint64_t stored;                /* bytes of the image that it is read from */
    segment_dictionary *dictionary; /* NULL: values are given row by row */
} segment_route;

/* The route of a path: kept with the segment, or in the arena when the segment keeps enough. TH_ECORRUPT, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_need_route(segment_image *image, const char *path, th_arena *arena,
                                        const segment_route **out);

/* Behind each successful segment_need_route, when its dictionary at most is used on. */
void segment_release_route(segment_image *image, const segment_route *route);

/* ---- parts of making one ---- */

/* Spots of "a.b|c" in one shape (resolve.c). TH_ECORRUPT: its literals are no JSON. */
TH_MUST_CHECK th_err segment_resolve(const segment_skeleton *skeleton, uint32_t shape,
                                     const char *name, bool strict, th_arena *arena,
                                     segment_spots *out);
/* The dictionary of a route, NULL when it has none (dictionary.c). */
TH_MUST_CHECK th_err segment_make_dictionary(segment_image *image, const segment_skeleton *skeleton,
                                             const segment_route *route, th_arena *arena,
                                             segment_dictionary **out);
/* ---- cells (cells.c) ---- */

/* Kind and text of a slot's value; the text borrows or lives in the arena. False: no memory. */
TH_MUST_CHECK bool segment_cell_of_slot(uint8_t leaf_kind, th_slice value, th_arena *arena,
                                        uint8_t *kind, th_slice *text);
/* Cells of a row of a shape from the values of its steps. TH_ELIMIT, TH_ECORRUPT. */
TH_MUST_CHECK th_err segment_cell_of_spots(const segment_skeleton *skeleton, uint32_t shape,
                                           const segment_spots *spots, const th_slice *steps,
                                           th_arena *arena, uint8_t *kind, th_slice *text);
/* Looks a route's path up in whole records. */
typedef struct segment_whole_cells {
    const segment_route *route;
    const th_segment *segment;
    struct segment_paths *paths; /* JSON */
} segment_whole_cells;
TH_MUST_CHECK th_err segment_whole_begin(segment_whole_cells *cells, const th_segment *segment,
                                         const segment_route *route);
void segment_whole_end(segment_whole_cells *cells);
/* The text borrows from the record or lives in the arena. */
TH_MUST_CHECK th_err segment_whole_cell(segment_whole_cells *cells, uint32_t row, th_slice record,
                                        th_arena *arena, uint8_t *kind, th_slice *text);
/* Spots of a row; NULL: its layout has no such field. Rows in order: *run is that of the row before (0 at first). */
const segment_spots *segment_route_spots(const segment_route *route, const segment_image *image,
                                         uint32_t row, uint32_t shape, uint32_t *run);

#endif
