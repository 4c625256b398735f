/* SPDX-License-Identifier: Apache-2.0
 * A write once it has its LSN and sequences: its leaf, the heads and headers of its segments, their bytes. */
#include <stdlib.h>

#include "base/time.h"
#include "store/write.h"

/* ---- the leaf ------------------------------------------------------------------------------------------------------------ */

static store_leaf_group group_of(const write_part *part)
{
    th_merkle tree;
    store_tree_unpack(&part->tree, &tree);
    return (store_leaf_group){.table = (uint16_t)part->table->id,
                              .class_id = STORE_CLASS_DEFAULT,
                              .day = part->day,
                              .first_seq = part->first_seq,
                              .rows = part->rows,
                              .root = th_merkle_root(&tree)};
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

/* ---- segments ------------------------------------------------------------------------------------------------------------ */

size_t write_segment_size(const write_segment *segment)
{
    return segment->image_bytes + (segment->has_prints ? (size_t)segment->rows * 4 : 0);
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

static th_err add_runs(const th_write *write, const write_part *part, const write_segment *segment,
                       th_buf *out, uint32_t *run_count)
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
    store_runs_encode(runs, count, out);
    free(runs);
    *run_count = count;
    return th_buf_error(out);
}

static th_err read_spooled(th_write *write, const write_segment *segment, th_diag *diag)
{
    size_t size = write_segment_size(segment);
    th_buf_clear(&write->scratch);
    uint8_t *room = th_buf_reserve(&write->scratch, size);
    if (room == NULL) return TH_ENOMEM;
    TH_TRY(store_spool_read(&write->spool, segment->spooled_at, size, room, diag));
    th_buf_grow(&write->scratch, size);
    return TH_OK;
}

th_err write_segment_value(th_write *write, const write_part *part, const write_segment *segment,
                           write_value *out, th_diag *diag)
{
    const uint8_t *bytes = segment->bytes;
    if (bytes == NULL) {
        TH_TRY(read_spooled(write, segment, diag));
        bytes = write->scratch.bytes;
    }
    uint32_t runs = 0;
    th_buf_clear(&write->head);
    if (write->head.limit == 0) th_buf_init(&write->head, STORE_VALUE_MAX / 4);
    TH_TRY(add_runs(write, part, segment, &write->head, &runs));
    const uint8_t *prints = segment->has_prints ? bytes + segment->image_bytes : NULL;
    if (prints != NULL) th_buf_add(&write->head, prints, (size_t)segment->rows * 4);
    TH_TRY(th_buf_error(&write->head));
    out->head = th_buf_slice(&write->head);
    out->image = th_slice_of(bytes, segment->image_bytes);
    out->prints = prints;
    out->header = (store_header){.type = STORE_VALUE_SEGMENT,
                                 .flags = prints != NULL ? STORE_FLAG_FINGERPRINTS : 0,
                                 .rows = segment->rows,
                                 .table = (uint16_t)part->table->id,
                                 .class_id = STORE_CLASS_DEFAULT,
                                 .day = part->day,
                                 .runs = runs,
                                 .first_seq = part->first_seq + segment->first_row,
                                 .first_lsn = write->lsn,
                                 .last_lsn = write->lsn,
                                 .min_us = segment->min_us,
                                 .max_us = segment->max_us,
                                 .raw_bytes = segment->raw_bytes};
    return TH_OK;
}

th_err write_leaf_value(th_write *write, write_value *out)
{
    const write_segment *segment = &write->leaf;
    th_run run = {.lsn = write->lsn, .arrival_us = write->arrival_us, .object_seq = UINT64_MAX};
    th_buf_clear(&write->head);
    if (write->head.limit == 0) th_buf_init(&write->head, STORE_VALUE_MAX / 4);
    store_runs_encode(&run, 1, &write->head);
    out->head = th_buf_slice(&write->head);
    out->image = th_slice_of(segment->bytes, segment->image_bytes);
    out->prints = NULL;
    out->header = (store_header){.type = STORE_VALUE_SEGMENT,
                                 .rows = 1,
                                 .table = TH_TABLE_leaves,
                                 .class_id = STORE_CLASS_DEFAULT,
                                 .day = th_day_from_us(write->arrival_us),
                                 .runs = 1,
                                 .first_seq = write->leaf_seq,
                                 .first_lsn = write->lsn,
                                 .last_lsn = write->lsn,
                                 .min_us = write->arrival_us,
                                 .max_us = write->arrival_us,
                                 .raw_bytes = segment->raw_bytes};
    return th_buf_error(&write->head);
}

/* Parts come sorted; of a (table, day) the early one's rows are first. */
th_err write_each_value(th_write *write, write_value_fn fn, void *ctx, th_diag *diag)
{
    uint32_t e = 0, l = 0;
    while (e < write->early.count || l < write->late.count) {
        const write_part *early = e < write->early.count ? write->early.parts[e] : NULL;
        const write_part *late = l < write->late.count ? write->late.parts[l] : NULL;
        bool take_early =
            late == NULL ||
            (early != NULL && (early->table->id < late->table->id ||
                               (early->table->id == late->table->id && early->day <= late->day)));
        const write_part *part = take_early ? early : late;
        *(take_early ? &e : &l) += 1;
        for (uint32_t i = 0; i < part->segment_count; i++) {
            write_value value;
            TH_TRY(write_segment_value(write, part, &part->segments[i], &value, diag));
            TH_TRY(fn(ctx, &value, diag));
        }
    }
    return TH_OK;
}
