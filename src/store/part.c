/* SPDX-License-Identifier: Apache-2.0
 * The parts of a write: rows of one (table, day). A few of them are open, with a builder each; what is encoded is kept in
 * memory while it is little, and in the write's spool else. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/write.h"

void *write_grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return array;
    uint32_t more = *capacity == 0 ? 4 : *capacity * 2;
    void *bigger = realloc(array, more * size);
    if (bigger != NULL) *capacity = more;
    return bigger;
}

/* ---- which parts there are ----------------------------------------------------------------------------------------------- */

static uint32_t slot_of(const write_parts *parts, uint32_t table, int32_t day)
{
    uint64_t key = ((uint64_t)table << 32 | (uint32_t)day) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(key >> 32) & (parts->slot_count - 1);
    while (parts->slots[at] != NULL &&
           (parts->slots[at]->table->id != table || parts->slots[at]->day != day))
        at = (at + 1) & (parts->slot_count - 1);
    return at;
}

write_part *write_parts_find(const write_parts *parts, uint32_t table, int32_t day)
{
    return parts->slot_count == 0 ? NULL : parts->slots[slot_of(parts, table, day)];
}

static bool grow_slots(write_parts *parts)
{
    if (parts->count * 2 < parts->slot_count) return true;
    uint32_t size = parts->slot_count == 0 ? 16 : parts->slot_count * 4;
    write_part **slots = calloc(size, sizeof(*slots));
    if (slots == NULL) return false;
    free(parts->slots);
    parts->slots = slots;
    parts->slot_count = size;
    for (uint32_t i = 0; i < parts->count; i++) {
        const write_part *part = parts->parts[i];
        slots[slot_of(parts, part->table->id, part->day)] = parts->parts[i];
    }
    return true;
}

write_part *write_parts_add(write_parts *parts, const th_stored_table *table, int32_t day)
{
    write_part **list = write_grow(parts->parts, parts->count, &parts->capacity, sizeof(*list));
    if (list == NULL) return NULL;
    parts->parts = list;
    if (!grow_slots(parts)) return NULL;
    write_part *part = calloc(1, sizeof(*part));
    if (part == NULL) return NULL;
    part->table = table;
    part->day = day;
    part->first_seq = UINT64_MAX;
    parts->slots[slot_of(parts, table->id, day)] = part;
    parts->parts[parts->count++] = part;
    return part;
}

static int part_order(const void *a, const void *b)
{
    const write_part *x = *(write_part *const *)a, *y = *(write_part *const *)b;
    if (x->table->id != y->table->id) return x->table->id < y->table->id ? -1 : 1;
    return x->day < y->day ? -1 : x->day > y->day;
}

/* ---- open parts ---------------------------------------------------------------------------------------------------------- */

static void free_open(write_open *open)
{
    if (open == NULL) return;
    th_segment_builder_free(open->builder);
    free(open->prints);
    free(open);
}

static void unlink_open(th_write *write, write_open *open)
{
    *(open->newer != NULL ? &open->newer->older : &write->newest) = open->older;
    *(open->older != NULL ? &open->older->newer : &write->oldest) = open->newer;
}

static void link_newest(th_write *write, write_open *open)
{
    open->newer = NULL;
    open->older = write->newest;
    *(write->newest != NULL ? &write->newest->newer : &write->oldest) = open;
    write->newest = open;
}

/* Into the list of builders that wait for the next part of their table. */
static void retire(th_write *write, write_open *open)
{
    unlink_open(write, open);
    write->open_count--;
    open->part->open = NULL;
    if (write->spare_count == STORE_WRITE_SPARE_MAX) {
        free_open(open);
        return;
    }
    open->older = write->spare;
    write->spare = open;
    write->spare_count++;
}

static write_open *take_spare(th_write *write, const th_stored_table *table)
{
    for (write_open **at = &write->spare; *at != NULL; at = &(*at)->older) {
        if ((*at)->table != table) continue;
        write_open *open = *at;
        *at = open->older;
        write->spare_count--;
        return open;
    }
    return NULL;
}

static write_open *new_open(th_write *write, const th_stored_table *table)
{
    th_budget *budget = write->store->options.budget;
    if (write->shaper == NULL) write->shaper = th_segment_shaper_new(budget);
    if (write->shaper == NULL) return NULL;
    write_open *open = calloc(1, sizeof(*open));
    if (open == NULL) return NULL;
    open->table = table;
    open->builder = th_segment_builder_new_sharing(table, budget, write->shaper);
    if (open->builder == NULL) {
        free(open);
        return NULL;
    }
    return open;
}

/* Records in builders, of this write and of all: a write that has them is one of those that share the room. */
static void count_open(th_write *write, uint64_t more, uint64_t less)
{
    th_store *store = write->store;
    bool had = write->open_bytes > 0;
    write->open_bytes += more;
    write->open_bytes -= less;
    atomic_fetch_add(&store->open_bytes, more);
    atomic_fetch_sub(&store->open_bytes, less);
    bool has = write->open_bytes > 0;
    if (has && !had) atomic_fetch_add(&store->open_writes, 1);
    if (had && !has) atomic_fetch_sub(&store->open_writes, 1);
}

/* All writes together have too much, and this one more than its share. */
static bool has_too_much(const th_write *write)
{
    if (atomic_load(&write->store->open_bytes) <= STORE_OPEN_BYTES) return false;
    return write->open_bytes * atomic_load(&write->store->open_writes) >= STORE_OPEN_BYTES;
}

static void start_segment(write_open *open)
{
    open->has_prints = false;
    open->min_us = INT64_MAX;
    open->max_us = INT64_MIN;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------- */

/* Image and fingerprints as bytes in memory; the spool takes them when there are many. */
static th_err keep_bytes(th_write *write, write_segment *segment, th_slice bytes)
{
    segment->bytes = malloc(bytes.size);
    if (segment->bytes == NULL) return TH_ENOMEM;
    memcpy(segment->bytes, bytes.bytes, bytes.size);
    write->kept_bytes += bytes.size;
    return TH_OK;
}

static th_err spool_part(th_write *write, write_part *part)
{
    for (uint32_t i = part->spooled; i < part->segment_count; i++) {
        write_segment *segment = &part->segments[i];
        size_t size = write_segment_size(segment);
        TH_TRY(store_spool_add(write->store, &write->spool, th_slice_of(segment->bytes, size),
                               &segment->spooled_at, &write->spool_diag));
        free(segment->bytes);
        segment->bytes = NULL;
        write->kept_bytes -= size;
        part->spooled = i + 1;
    }
    return TH_OK;
}

static th_err spool_all(th_write *write, write_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) TH_TRY(spool_part(write, parts->parts[i]));
    return TH_OK;
}

static th_err encode(th_write *write, write_open *open, write_segment *segment)
{
    th_buf *out = &write->scratch;
    if (out->limit == 0) th_buf_init(out, STORE_VALUE_MAX);
    th_buf_clear(out);
    TH_TRY(th_segment_builder_finish(open->builder, out));
    segment->image_bytes = (uint32_t)out->size;
    if (open->has_prints) th_buf_add(out, open->prints, (size_t)segment->rows * 4);
    TH_TRY(th_buf_error(out));
    return keep_bytes(write, segment, th_buf_slice(out));
}

/* Rows since the last segment become one; the part stays open. */
static th_err finish_segment(th_write *write, write_part *part)
{
    write_open *open = part->open;
    uint32_t rows = th_segment_builder_rows(open->builder);
    if (rows == 0) return TH_OK;
    write_segment *segments =
        write_grow(part->segments, part->segment_count, &part->segment_capacity, sizeof(*segments));
    if (segments == NULL) return TH_ENOMEM;
    part->segments = segments;
    write_segment *segment = &segments[part->segment_count];
    *segment = (write_segment){.first_row = part->built,
                               .rows = rows,
                               .raw_bytes = th_segment_builder_bytes(open->builder),
                               .has_prints = open->has_prints,
                               .min_us = open->min_us,
                               .max_us = open->max_us};
    TH_TRY(encode(write, open, segment));
    part->segment_count++;
    write->values++;
    write->encoded_bytes += STORE_HEADER + write_segment_size(segment);
    count_open(write, 0, segment->raw_bytes);
    part->built += rows;
    start_segment(open);
    if (write->kept_bytes <= STORE_WRITE_KEPT_MAX) return TH_OK;
    TH_TRY(spool_all(write, &write->early));
    return spool_all(write, &write->late);
}

static th_err close_part(th_write *write, write_part *part)
{
    write_open *open = part->open;
    if (open == NULL) return TH_OK;
    TH_TRY(finish_segment(write, part));
    if (!store_tree_pack(&open->tree, &part->tree)) return TH_ENOMEM;
    retire(write, open);
    return TH_OK;
}

/* A builder keeps the memory of its largest segment. Where many share the room, that would add up to as many times of it. */
static th_err freshen(th_write *write, write_open *open)
{
    th_segment_builder *fresh =
        th_segment_builder_new_sharing(open->table, write->store->options.budget, write->shaper);
    if (fresh == NULL) return TH_ENOMEM;
    th_segment_builder_free(open->builder);
    open->builder = fresh;
    return TH_OK;
}

/* Encode what takes most memory, or what was not touched for longest, until the bounds hold again. */
static th_err make_room(th_write *write, const write_part *keep)
{
    while (write->open_count > STORE_WRITE_OPEN_MAX) {
        write_part *part = write->oldest->part;
        if (part == keep) part = write->oldest->newer->part;
        TH_TRY(close_part(write, part));
    }
    while (has_too_much(write)) {
        write_open *largest = write->newest;
        for (write_open *open = largest; open != NULL; open = open->older)
            if (th_segment_builder_bytes(open->builder) >
                th_segment_builder_bytes(largest->builder))
                largest = open;
        TH_TRY(finish_segment(write, largest->part));
        if (write->open_count > 1) TH_TRY(freshen(write, largest));
    }
    return TH_OK;
}

static th_err open_part(th_write *write, write_part *part)
{
    write_open *open = take_spare(write, part->table);
    if (open == NULL) open = new_open(write, part->table);
    if (open == NULL) return TH_ENOMEM;
    store_tree_unpack(&part->tree, &open->tree);
    start_segment(open);
    open->part = part;
    part->open = open;
    link_newest(write, open);
    write->open_count++;
    return make_room(write, part);
}

th_err write_parts_finish(th_write *write, write_parts *parts, th_diag *diag)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        write_part *part = parts->parts[i];
        th_err err = close_part(write, part);
        if (err != TH_OK)
            return th_fail(diag, err, NULL, "cannot encode rows of %s: %s", part->table->name,
                           write->spool_diag.code == err ? write->spool_diag.text
                                                         : th_err_text(err));
    }
    if (parts->count > 1) qsort(parts->parts, parts->count, sizeof(*parts->parts), part_order);
    return TH_OK;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------- */

/* Room for all that a row adds beside the builder, so that nothing fails once the builder has it. */
static th_err reserve(write_part *part)
{
    write_run *runs = write_grow(part->runs, part->run_count, &part->run_capacity, sizeof(*runs));
    if (runs == NULL) return TH_ENOMEM;
    part->runs = runs;
    write_open *open = part->open;
    uint32_t *prints = write_grow(open->prints, th_segment_builder_rows(open->builder),
                                  &open->print_capacity, sizeof(*prints));
    if (prints == NULL) return TH_ENOMEM;
    open->prints = prints;
    return TH_OK;
}

static void note_row(write_part *part, const th_row *row)
{
    write_open *open = part->open;
    if (part->run_count == 0 || part->runs[part->run_count - 1].object != row->object)
        part->runs[part->run_count++] = (write_run){part->rows, row->object};
    /* 0 says that a row has none */
    uint32_t low = (uint32_t)row->fingerprint;
    open->prints[th_segment_builder_rows(open->builder) - 1] =
        row->fingerprint != 0 && low == 0 ? 1 : low;
    open->has_prints = open->has_prints || row->fingerprint != 0;
    if (row->has_time && row->time_us < open->min_us) open->min_us = row->time_us;
    if (row->has_time && row->time_us > open->max_us) open->max_us = row->time_us;
    th_sha256 digest = row->sha != NULL ? *row->sha : th_sha256_of(row->record);
    store_tree_add(&open->tree, &digest);
    part->rows++;
}

th_err write_part_add(th_write *write, write_part *part, const th_row *row)
{
    if (part->rows == UINT32_MAX - 1) return TH_ELIMIT;
    if (part->open == NULL) {
        TH_TRY(open_part(write, part));
    } else if (write->newest != part->open) {
        unlink_open(write, part->open);
        link_newest(write, part->open);
    }
    TH_TRY(reserve(part));
    th_segment_builder *builder = part->open->builder;
    th_err err =
        th_segment_builder_add(builder, row->record, row->layout, row->has_time, row->time_us);
    if (err == TH_ELIMIT && th_segment_builder_rows(builder) > 0) {
        TH_TRY(finish_segment(write, part));
        err =
            th_segment_builder_add(builder, row->record, row->layout, row->has_time, row->time_us);
    }
    TH_TRY(err);
    note_row(part, row);
    count_open(write, row->record.size, 0);
    return has_too_much(write) ? make_room(write, part) : TH_OK;
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

void write_segment_free(write_segment *segment)
{
    free(segment->bytes);
    *segment = (write_segment){0};
}

void write_parts_free(th_write *write, write_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        write_part *part = parts->parts[i];
        for (uint32_t k = 0; k < part->segment_count; k++) {
            if (part->segments[k].bytes != NULL)
                write->kept_bytes -= write_segment_size(&part->segments[k]);
            write->encoded_bytes -= STORE_HEADER + write_segment_size(&part->segments[k]);
            write->values--;
            write_segment_free(&part->segments[k]);
        }
        if (part->open != NULL) {
            count_open(write, 0, th_segment_builder_bytes(part->open->builder));
            unlink_open(write, part->open);
            write->open_count--;
            free_open(part->open);
        }
        free(part->segments);
        free(part->runs);
        free(part->tree.digests);
        free(part);
    }
    free(parts->parts);
    free(parts->slots);
    *parts = (write_parts){0};
}

void write_spare_free(th_write *write)
{
    while (write->spare != NULL) {
        write_open *open = write->spare;
        write->spare = open->older;
        free_open(open);
    }
    write->spare_count = 0;
}
