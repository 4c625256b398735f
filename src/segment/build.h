/* SPDX-License-Identifier: Apache-2.0
 * Shared by build*.c: rows on their way into an image. */
#ifndef TH_SEGMENT_BUILD_H
#define TH_SEGMENT_BUILD_H

#include "base/map.h"
#include "segment/codec.h"
#include "segment/paths.h"
#include "segment/segment_private.h"
#include "segment/shape.h"

#define BUILD_NONE UINT32_MAX
#define BUILD_ARENA_MAX ((size_t)1 << 30)
#define BUILD_IMAGE_MAX ((size_t)TH_SEGMENT_RAW_MAX * 16)
#define BUILD_EARLY_ROWS 16u    /* rows kept as they are until it is known that more come */
#define BUILD_FEW_ROWS 4u       /* that never are smaller as columns, so that is not tried */
#define BUILD_RESIDUAL_MAX 16u  /* values of a column up to which it is among the residual values */
#define BUILD_FILTER_FROM 1024u /* distinct values beyond which a stored column has a filter */
#define BUILD_TRY_WHOLE_FAST (64u << 10) /* raw bytes up to which whole records are tried, too */
#define BUILD_TRY_WHOLE_COMPACT (4u << 20)

/* ---- a column while its rows arrive (build_column.c) ---- */

typedef struct build_text {
    uint32_t at, size; /* in bytes */
} build_text;

/* Distinct values and for each value which one it is. When most of them are distinct it turns plain: from then on every
 * value is an entry of its own and has no code. */
typedef struct build_column {
    uint8_t *bytes;
    uint32_t *codes;
    size_t codes_room;
    uint32_t count;              /* of values */
    uint32_t coded;              /* the first of them have a code */
    uint32_t last;               /* entry of the value before, or BUILD_NONE */
    uint32_t last_at, last_size; /* its text */
    uint32_t entry_count, entries_coded, byte_count;
    bool plain;
    bool judge; /* turn plain after this value */
    bool holes; /* an entry may have no value: one was taken back */
    build_text *entries;
    uint32_t *hashes; /* of the coded entries */
    uint32_t *table;  /* hash -> entry + 1 */
    size_t entries_room, hashes_room, bytes_room, table_room;
    uint32_t number; /* the shaper's */
} build_column;

void build_column_clear(build_column *column); /* keeps memory */
void build_column_free(build_column *column, segment_memory *memory);
TH_MUST_CHECK th_err build_column_add(build_column *column, segment_memory *memory, th_slice value);
/* Take the last value back. */
void build_column_undo(build_column *column);
static inline th_slice build_column_entry(const build_column *c, uint32_t entry)
{
    return th_slice_of(c->bytes + c->entries[entry].at, c->entries[entry].size);
}
static inline uint32_t build_column_code(const build_column *c, uint32_t i)
{
    return i < c->coded ? c->codes[i] : c->entries_coded + (i - c->coded);
}
static inline th_slice build_column_value(const build_column *c, uint32_t i)
{
    return build_column_entry(c, build_column_code(c, i));
}
/* As the codecs want it; its values are in values, which has room for all of the column's. In the arena what else it
 * needs. False: no memory. */
TH_MUST_CHECK bool build_column_array(const build_column *column, th_arena *arena, th_slice *values,
                                      segment_array *out);

/* ---- numbers of the shaper to those of one image ---- */

typedef struct build_map {
    struct build_pair {
        uint32_t key; /* + 1 */
        uint32_t value;
    } * pairs;
    size_t room;
    uint32_t count;
} build_map;
/* Borrowed until the next put; NULL: not there. */
uint32_t *build_map_find(const build_map *map, uint32_t key);
/* BUILD_NONE: not there. */
uint32_t build_map_get(const build_map *map, uint32_t key);
TH_MUST_CHECK th_err build_map_put(build_map *map, segment_memory *memory, uint32_t key,
                                   uint32_t value);
void build_map_clear(build_map *map);
void build_map_free(build_map *map, segment_memory *memory);

/* ---- what builders of one thread share (build_share.c) ---- */

/* What was learnt from one table's records. Lives until no builder has rows that it numbered. */
typedef struct build_book {
    segment_shaper *shaper;
    segment_paths *paths; /* of the stored columns; NULL: not JSON, or none */
    uint32_t users;
    bool retired;
} build_book;

struct th_segment_shaper {
    th_budget *budget;
    build_book *books[256]; /* by number of the table */
    segment_value values[SEGMENT_SLOTS_MAX];
    segment_payload_writer payloads;
    th_buf body, directory, second, record;
    th_slice *slices; /* values on their way to the codecs */
    size_t slices_room;
    /* Charged to nobody, or a full builder could not be emptied. */
    th_arena *arena;   /* of one image being written */
    th_arena *scratch; /* of one column of it; the same */
    segment_pool *pool;
};
/* The book for a builder's first row; NULL: no memory. */
build_book *build_book_take(th_segment_shaper *shared, const th_stored_table *table);
void build_book_leave(build_book *book);

/* ---- the builder ---- */

typedef struct build_shape {
    uint32_t number; /* the shaper's */
    uint32_t rows;
    uint32_t slots, columns_at; /* in shape_columns */
} build_shape;

typedef struct build_run {
    uint32_t layout, rows;
} build_run;

struct th_segment_builder {
    uint32_t magic;
    const th_stored_table *table;
    th_segment_shaper *shared;
    bool owns_shared;
    th_segment_tier tier;
    segment_memory memory;
    build_book *book; /* NULL: no row was cut yet */

    th_buf early; /* records not cut yet */
    uint32_t *early_sizes;
    size_t early_room;

    build_column *columns;
    build_shape *shapes;
    uint32_t *shape_columns; /* of all shapes */
    uint16_t *row_shapes;    /* number of its shape + 1, 0 = whole */
    uint32_t *whole_sizes;
    th_buf whole;
    size_t columns_room, shapes_room, shape_columns_room, row_shapes_room, whole_room;
    uint32_t column_count, columns_made, shape_count, shape_columns_count, whole_count;
    build_map column_map, shape_map;

    uint8_t *first_layout; /* number 0 */
    size_t first_layout_size, first_layout_room;
    th_arena *layout_arena;
    th_map *layout_map; /* NULL: all rows have the first layout */
    build_run *runs;
    size_t runs_room;
    uint32_t run_count;

    int64_t *times;
    uint8_t *timed;
    size_t times_room, timed_room;
    uint32_t rows, cut_rows; /* cut_rows: of them, not early */
    uint64_t raw_bytes;
    size_t buffers;
};

static inline uint32_t build_layouts(const th_segment_builder *b)
{
    return b->layout_map == NULL ? b->run_count > 0 : (uint32_t)th_map_count(b->layout_map);
}
static inline th_slice build_layout(const th_segment_builder *b, uint32_t number)
{
    if (number > 0) return th_map_key_at(b->layout_map, number);
    return b->first_layout_size == 0 ? TH_SLICE("")
                                     : th_slice_of(b->first_layout, b->first_layout_size);
}
static inline const uint32_t *build_shape_columns(const th_segment_builder *b, const build_shape *s)
{
    return b->shape_columns == NULL ? NULL : b->shape_columns + s->columns_at;
}

/* Append the image of all rows, which are cut, to out (build_write.c). */
TH_MUST_CHECK th_err build_write(th_segment_builder *builder, th_buf *out);

/* ---- rows again (build_rows.c) ---- */

/* Goes through the rows in order and knows where each column's next value is. */
typedef struct build_walk {
    const th_segment_builder *builder;
    uint32_t row, whole;
    size_t whole_at;
    uint32_t *next; /* of each column: number of its next value */
} build_walk;
/* In the arena; false: no memory. */
TH_MUST_CHECK bool build_walk_begin(build_walk *walk, const th_segment_builder *builder,
                                    th_arena *arena);
/* Put the row's record together in out (cleared first), and step. */
TH_MUST_CHECK th_err build_walk_record(build_walk *walk, th_buf *out);
void build_walk_skip(build_walk *walk);

/* ---- references between columns (build_refs.c) ---- */

typedef enum build_held { BUILD_CODEC = 0, BUILD_REFERENCE = 1, BUILD_RESIDUAL = 2 } build_held;
typedef struct build_reference {
    uint32_t target, other_count;
    uint32_t *flags; /* a value each: 1 = another */
} build_reference;
/* Which column repeats which: held[i] becomes BUILD_REFERENCE and references[i] is filled. In the arena. */
TH_MUST_CHECK th_err build_find_references(const th_segment_builder *builder, th_arena *arena,
                                           uint8_t *held, build_reference *references);

/* ---- zones and filters (build_zones.c) ---- */

TH_MUST_CHECK th_err build_put_zones(th_segment_builder *builder, th_buf *directory);

#endif
