/* SPDX-License-Identifier: Apache-2.0
 * A write while it is filled: rows by (table, day), encoded as they come. One thread's until it is committed. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

/* The array with room for one more, moved perhaps; NULL: no memory, the array is as it was. */
static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return array;
    uint32_t more = *capacity == 0 ? 16 : *capacity * 2;
    void *bigger = realloc(array, more * size);
    if (bigger != NULL) *capacity = more;
    return bigger;
}

th_write *th_write_new(th_store *store)
{
    th_write *write = calloc(1, sizeof(*write));
    if (write != NULL) write->store = store;
    return write;
}

void write_segment_free(write_segment *segment)
{
    th_buf_free(&segment->image);
    th_buf_free(&segment->head);
    *segment = (write_segment){0};
}

static void free_parts(write_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        write_part *part = parts->parts[i];
        for (uint32_t k = 0; k < part->segment_count; k++) write_segment_free(&part->segments[k]);
        th_segment_builder_free(part->builder);
        free(part->segments);
        free(part->runs);
        free(part->fingerprints);
        free(part);
    }
    free(parts->parts);
    *parts = (write_parts){0};
}

void th_write_free(th_write *write)
{
    if (write == NULL) return;
    free_parts(&write->early);
    free_parts(&write->late);
    write_segment_free(&write->leaf);
    free(write->claims);
    free(write->objects);
    free(write);
}

void write_forget_late(th_write *write)
{
    free_parts(&write->late);
    write_segment_free(&write->leaf);
    for (uint32_t i = 0; i < write->object_count; i++)
        write->objects[i] = (write_object){.seq = UINT64_MAX};
}

/* Parts are sorted by (table, day). Index of the first not below. */
static uint32_t part_place(const write_parts *parts, uint32_t table, int32_t day)
{
    uint32_t low = 0, high = parts->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const write_part *part = parts->parts[middle];
        if (part->table->id < table || (part->table->id == table && part->day < day))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

write_part *write_parts_find(const write_parts *parts, uint32_t table, int32_t day)
{
    uint32_t at = part_place(parts, table, day);
    if (at == parts->count || parts->parts[at]->table->id != table || parts->parts[at]->day != day)
        return NULL;
    return parts->parts[at];
}

static write_part *part_new(th_write *write, write_parts *parts, const th_stored_table *table,
                            int32_t day)
{
    write_part **list = grow(parts->parts, parts->count, &parts->capacity, sizeof(*list));
    if (list == NULL) return NULL;
    parts->parts = list;
    write_part *part = calloc(1, sizeof(*part));
    if (part == NULL) return NULL;
    part->builder = th_segment_builder_new(table, write->store->options.budget);
    if (part->builder == NULL) {
        free(part);
        return NULL;
    }
    part->table = table;
    part->day = day;
    part->min_us = INT64_MAX;
    part->max_us = INT64_MIN;
    th_merkle_init(&part->merkle);
    uint32_t at = part_place(parts, table->id, day);
    memmove(&parts->parts[at + 1], &parts->parts[at], (parts->count - at) * sizeof(*parts->parts));
    parts->parts[at] = part;
    parts->count++;
    return part;
}

static th_err finish_segment(write_part *part)
{
    uint32_t rows = th_segment_builder_rows(part->builder);
    if (rows == 0) return TH_OK;
    write_segment *segments =
        grow(part->segments, part->segment_count, &part->segment_capacity, sizeof(*segments));
    if (segments == NULL) return TH_ENOMEM;
    part->segments = segments;
    write_segment *segment = &part->segments[part->segment_count];
    *segment = (write_segment){.first_row = part->built,
                               .rows = rows,
                               .raw_bytes = th_segment_builder_bytes(part->builder),
                               .min_us = part->min_us,
                               .max_us = part->max_us};
    th_buf_init(&segment->image, STORE_VALUE_MAX / 2);
    th_buf_init(&segment->head, STORE_VALUE_MAX / 4);
    part->segment_count++;
    TH_TRY(th_segment_builder_finish(part->builder, &segment->image));
    part->built += rows;
    part->min_us = INT64_MAX;
    part->max_us = INT64_MIN;
    return TH_OK;
}

th_err write_parts_finish(write_parts *parts, th_diag *diag)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        write_part *part = parts->parts[i];
        th_err err = finish_segment(part);
        if (err != TH_OK)
            return th_fail(diag, err, NULL, "cannot encode rows of %s: %s", part->table->name,
                           th_err_text(err));
    }
    return TH_OK;
}

th_err th_write_encode(th_write *write, th_diag *diag)
{
    if (write->error != TH_OK)
        return th_fail(diag, write->error, NULL, "the write is broken: %s",
                       th_err_text(write->error));
    return write_parts_finish(&write->early, diag);
}

uint32_t write_values(const th_write *write)
{
    uint32_t values = 1; /* the leaf */
    for (uint32_t i = 0; i < write->early.count; i++)
        values += write->early.parts[i]->segment_count;
    for (uint32_t i = 0; i < write->late.count; i++) values += write->late.parts[i]->segment_count;
    return values;
}

static void note_row(write_part *part, const th_row *row)
{
    if (part->run_count == 0 || part->runs[part->run_count - 1].object != row->object)
        part->runs[part->run_count++] = (write_run){part->rows, row->object};
    /* 0 says that a row has none */
    uint32_t low = (uint32_t)row->fingerprint;
    part->fingerprints[part->rows] = row->fingerprint != 0 && low == 0 ? 1 : low;
    part->has_fingerprints = part->has_fingerprints || row->fingerprint != 0;
    if (row->has_time && row->time_us < part->min_us) part->min_us = row->time_us;
    if (row->has_time && row->time_us > part->max_us) part->max_us = row->time_us;
    th_sha256 digest = th_sha256_of(row->record);
    th_merkle_add(&part->merkle, th_slice_of(digest.bytes, sizeof(digest.bytes)));
    part->rows++;
}

static th_err part_add(write_part *part, const th_row *row)
{
    write_run *runs = grow(part->runs, part->run_count, &part->run_capacity, sizeof(*runs));
    if (runs == NULL) return TH_ENOMEM;
    part->runs = runs;
    uint32_t *prints =
        grow(part->fingerprints, part->rows, &part->fingerprint_capacity, sizeof(*prints));
    if (prints == NULL) return TH_ENOMEM;
    part->fingerprints = prints;
    th_err err = th_segment_builder_add(part->builder, row->record, row->layout, row->has_time,
                                        row->time_us);
    if (err == TH_ELIMIT && th_segment_builder_rows(part->builder) > 0) {
        TH_TRY(finish_segment(part));
        err = th_segment_builder_add(part->builder, row->record, row->layout, row->has_time,
                                     row->time_us);
    }
    if (err == TH_OK) note_row(part, row);
    return err;
}

static bool claim(th_write *write, uint32_t table, uint64_t fingerprint)
{
    if (write->claim_count == write->claim_capacity) {
        size_t capacity = write->claim_capacity == 0 ? 64 : write->claim_capacity * 2;
        uint64_t *claims = realloc(write->claims, capacity * sizeof(*claims));
        if (claims == NULL) return false;
        write->claims = claims;
        write->claim_capacity = capacity;
    }
    write->claims[write->claim_count++] = fingerprint ^ table * UINT64_C(0x9e3779b97f4a7c15);
    return true;
}

void th_write_claim(th_write *write, uint32_t table, uint64_t fingerprint)
{
    if (!claim(write, table, fingerprint)) write->error = TH_ENOMEM;
}

th_err th_write_add(th_write *write, const th_stored_table *table, int32_t day, const th_row *row,
                    uint32_t *local)
{
    TH_ASSERT(table->id != TH_TABLE_leaves);
    TH_ASSERT(row->object == UINT32_MAX || row->object < write->object_count);
    if (write->rows > 0 && write->bytes + row->record.size > TH_BATCH_BYTES_MAX) return TH_ELIMIT;
    write_part *part = write_parts_find(&write->early, table->id, day);
    if (part == NULL) {
        if (write->early.count >= TH_BATCH_VALUES_MAX / 4) return TH_ELIMIT;
        part = part_new(write, &write->early, table, day);
    }
    th_err err = part == NULL ? TH_ENOMEM : part_add(part, row);
    if (err == TH_OK && row->fingerprint != 0 && !claim(write, table->id, row->fingerprint))
        err = TH_ENOMEM;
    if (err != TH_OK) {
        write->error = err;
        return err;
    }
    *local = part->rows - 1;
    write->bytes += row->record.size;
    write->rows++;
    return TH_OK;
}

uint64_t th_write_bytes(const th_write *write)
{
    return write->bytes;
}

uint64_t th_write_rows(const th_write *write)
{
    return write->rows;
}

uint32_t th_write_add_object(th_write *write)
{
    write_object *objects =
        grow(write->objects, write->object_count, &write->object_capacity, sizeof(*objects));
    if (objects == NULL) {
        write->error = TH_ENOMEM;
        return UINT32_MAX;
    }
    write->objects = objects;
    write->objects[write->object_count] = (write_object){.seq = UINT64_MAX};
    return write->object_count++;
}

void th_write_set_late(th_write *write, th_late_fn late, void *ctx)
{
    write->late_fn = late;
    write->late_ctx = ctx;
}

/* ---- inside late() --------------------------------------------------------------------------------------------------- */

uint64_t th_commit_first_seq(const th_commit_view *view, uint32_t table, int32_t day)
{
    const write_part *part = write_parts_find(&view->write->early, table, day);
    if (part == NULL) part = write_parts_find(&view->write->late, table, day);
    if (part != NULL) return part->first_seq;
    uint64_t *slot;
    th_diag ignored = {0};
    return store_next_seq(view->store, table, day, &slot, &ignored) == TH_OK ? *slot : UINT64_MAX;
}

static th_err late_part(const th_commit_view *view, const th_stored_table *table, int32_t day,
                        uint64_t *slot, write_part **out)
{
    th_write *write = view->write;
    write_part *part = write_parts_find(&write->late, table->id, day);
    if (part == NULL) {
        part = part_new(write, &write->late, table, day);
        if (part == NULL) return TH_ENOMEM;
        part->first_seq = *slot;
        const write_part *early = write_parts_find(&write->early, table->id, day);
        if (early != NULL) part->merkle = early->merkle;
    }
    *out = part;
    return TH_OK;
}

th_err th_write_add_late(const th_commit_view *view, const th_stored_table *table, int32_t day,
                         const th_row *row, uint64_t *seq)
{
    th_write *write = view->write;
    TH_ASSERT(table->id != TH_TABLE_leaves);
    TH_ASSERT(row->object == UINT32_MAX || row->object < write->object_count);
    th_row added = *row;
    if (table->id == TH_TABLE_objects) added.object = UINT32_MAX; /* it is the delivery */
    uint64_t *slot;
    write_part *part;
    th_err err = store_next_seq(view->store, table->id, day, &slot, NULL);
    if (err == TH_OK) err = late_part(view, table, day, slot, &part);
    if (err == TH_OK) err = part_add(part, &added);
    if (err != TH_OK) {
        write->error = err;
        return err;
    }
    *seq = (*slot)++;
    if (table->id == TH_TABLE_objects && row->object != UINT32_MAX)
        write->objects[row->object] = (write_object){day, *seq};
    return TH_OK;
}

/* ---- what the committer asks of a write ------------------------------------------------------------------------------- */

static store_leaf_group group_of(const write_part *part)
{
    return (store_leaf_group){.table = (uint16_t)part->table->id,
                              .class_id = STORE_CLASS_DEFAULT,
                              .day = part->day,
                              .first_seq = part->first_seq,
                              .rows = part->rows,
                              .root = th_merkle_root(&part->merkle)};
}

static int group_order(const void *a, const void *b)
{
    const store_leaf_group *x = a, *y = b;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    return x->day < y->day ? -1 : x->day > y->day;
}

th_err write_leaf(th_write *write, th_buf *out)
{
    uint32_t room = write->early.count + write->late.count, count = 0;
    store_leaf_group *groups = calloc(room == 0 ? 1 : room, sizeof(*groups));
    if (groups == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < write->early.count; i++) {
        const write_part *early = write->early.parts[i];
        if (write_parts_find(&write->late, early->table->id, early->day) == NULL)
            groups[count++] = group_of(early);
    }
    for (uint32_t i = 0; i < write->late.count; i++) {
        const write_part *late = write->late.parts[i];
        const write_part *early = write_parts_find(&write->early, late->table->id, late->day);
        groups[count] = group_of(late);
        if (early != NULL) {
            groups[count].first_seq = early->first_seq;
            groups[count].rows += early->rows;
        }
        count++;
    }
    qsort(groups, count, sizeof(*groups), group_order);
    store_leaf_encode(write->lsn, write->arrival_us, groups, count, out);
    free(groups);
    return th_buf_error(out);
}

static th_run run_of(const th_write *write, uint32_t first_row, uint32_t object)
{
    th_run run = {.first_row = first_row,
                  .lsn = write->lsn,
                  .arrival_us = write->arrival_us,
                  .object_seq = UINT64_MAX};
    if (object != UINT32_MAX && write->objects[object].seq != UINT64_MAX) {
        run.object_day = write->objects[object].day;
        run.object_seq = write->objects[object].seq;
    }
    return run;
}

/* First run that has rows of the segment. */
static uint32_t first_run(const write_part *part, const write_segment *segment)
{
    uint32_t low = 0, high = part->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (part->runs[middle].first_row <= segment->first_row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

th_err write_segment_head(const th_write *write, const write_part *part, write_segment *segment)
{
    uint32_t from = first_run(part, segment), end = segment->first_row + segment->rows, count = 0;
    while (from + count < part->run_count && part->runs[from + count].first_row < end) count++;
    th_run *runs = malloc(count * sizeof(*runs));
    if (runs == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const write_run *run = &part->runs[from + i];
        uint32_t row =
            run->first_row <= segment->first_row ? 0 : run->first_row - segment->first_row;
        runs[i] = run_of(write, row, run->object);
    }
    th_buf_clear(&segment->head);
    store_runs_encode(runs, count, &segment->head);
    free(runs);
    segment->run_count = count;
    if (part->has_fingerprints)
        th_buf_add(&segment->head, part->fingerprints + segment->first_row,
                   (size_t)segment->rows * 4);
    return th_buf_error(&segment->head);
}

store_header write_segment_header(const th_write *write, const write_part *part,
                                  const write_segment *segment)
{
    return (store_header){.type = STORE_VALUE_SEGMENT,
                          .flags = part->has_fingerprints ? STORE_FLAG_FINGERPRINTS : 0,
                          .rows = segment->rows,
                          .table = (uint16_t)part->table->id,
                          .class_id = STORE_CLASS_DEFAULT,
                          .day = part->day,
                          .runs = segment->run_count,
                          .first_seq = part->first_seq + segment->first_row,
                          .first_lsn = write->lsn,
                          .last_lsn = write->lsn,
                          .min_us = segment->min_us,
                          .max_us = segment->max_us,
                          .raw_bytes = segment->raw_bytes};
}
