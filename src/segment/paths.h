/* SPDX-License-Identifier: Apache-2.0
 * Values of paths in a record that is at hand as text, and what a value is as a cell. */
#ifndef TH_SEGMENT_PATHS_H
#define TH_SEGMENT_PATHS_H

#include "segment/segment.h"

typedef struct segment_paths segment_paths;
/* A finder of count paths ("a.b|c"). strict: keys must be spelt as in the path; else the exact spelling is preferred
 * and one that differs in case is taken when there is no other. Paths of one set must not differ in case alone. NULL:
 * no memory. */
segment_paths *segment_paths_new(const char *const *names, uint32_t count, bool strict);
void segment_paths_free(segment_paths *paths); /* accepts NULL */
/* Find all of them in one JSON record. */
void segment_paths_run(segment_paths *paths, th_slice record);
/* Raw value of path i in the last record, bytes NULL when absent; *folded is set when a key differed in case. */
th_slice segment_paths_value(const segment_paths *paths, uint32_t i, bool *folded);
/* How many of its alternatives the last record has, null or not. */
uint32_t segment_paths_found(const segment_paths *paths, uint32_t i);
/* Position of a path ("a|b") among the fields of a line, or UINT32_MAX. */
uint32_t segment_line_index(th_slice layout, const char *path);
/* Kind and text of a raw JSON value, or of a field of a line. The text borrows or lives in the arena; false: no memory. */
TH_MUST_CHECK bool segment_cell_of_json(th_slice raw, th_arena *arena, uint8_t *kind,
                                        th_slice *text);
void segment_cell_of_field(th_slice field, uint8_t *kind, th_slice *text);
#define SEGMENT_FIELDS_MAX 256u

static inline bool segment_kind_has_text(uint8_t kind)
{
    return kind == TH_CELL_STRING || kind == TH_CELL_JSON;
}

#endif
