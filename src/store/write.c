/* SPDX-License-Identifier: Apache-2.0
 * A write while it is filled: rows by (table, day), encoded as they come. One thread's until it is committed. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/write.h"

th_write *th_write_new(th_store *store)
{
    th_write *write = calloc(1, sizeof(*write));
    if (write != NULL) write->store = store;
    return write;
}

void th_write_free(th_write *write)
{
    if (write == NULL) return;
    write_parts_free(write, &write->early);
    write_parts_free(write, &write->late);
    write_spare_free(write);
    th_segment_shaper_free(write->shaper);
    write_segment_free(&write->leaf);
    store_spool_close(&write->spool);
    th_buf_free(&write->scratch);
    th_buf_free(&write->head);
    free(write->claims);
    free(write->objects);
    free(write);
}

void write_forget_late(th_write *write)
{
    write_parts_free(write, &write->late);
    write_segment_free(&write->leaf);
    for (uint32_t i = 0; i < write->object_count; i++)
        write->objects[i] = (write_object){.seq = UINT64_MAX};
}

th_err th_write_encode(th_write *write, th_diag *diag)
{
    if (write->error != TH_OK)
        return th_fail(diag, write->error, NULL, "the write is broken: %s",
                       write->spool_diag.code == write->error ? write->spool_diag.text
                                                              : th_err_text(write->error));
    return write_parts_finish(write, &write->early, diag);
}

uint32_t write_values(const th_write *write)
{
    return write->values + 1; /* the leaf */
}

bool write_is_large(const th_write *write)
{
    return write->encoded_bytes > write->store->bulk_bytes || write->values > STORE_BULK_VALUES;
}

static bool claim(th_write *write, uint32_t table, uint64_t fingerprint)
{
    if (write->claims_all) return true;
    if (write->claim_count == STORE_WRITE_CLAIMS_MAX) {
        /* It will be large: it shares its group with no other write, whatever that one claims. */
        free(write->claims);
        write->claims = NULL;
        write->claim_count = write->claim_capacity = 0;
        write->claims_all = true;
        return true;
    }
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

static th_err add_row(th_write *write, const th_stored_table *table, int32_t day, const th_row *row,
                      uint32_t *local)
{
    write_part *part = write_parts_find(&write->early, table->id, day);
    if (part == NULL) part = write_parts_add(&write->early, table, day);
    if (part == NULL) return TH_ENOMEM;
    TH_TRY(write_part_add(write, part, row));
    *local = part->rows - 1;
    if (row->fingerprint != 0 && !claim(write, table->id, row->fingerprint)) return TH_ENOMEM;
    return TH_OK;
}

th_err th_write_add(th_write *write, const th_stored_table *table, int32_t day, const th_row *row,
                    uint32_t *local)
{
    TH_ASSERT(table->id != TH_TABLE_leaves);
    TH_ASSERT(row->object == UINT32_MAX || row->object < write->object_count);
    TH_TRY(write->error);
    const write_part *part = write_parts_find(&write->early, table->id, day);
    if (part == NULL ? write->early.count >= STORE_WRITE_PARTS_MAX : part->rows == UINT32_MAX - 1)
        return TH_ELIMIT;
    th_err err = add_row(write, table, day, row, local);
    if (err != TH_OK) {
        write->error = err;
        return err;
    }
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
        write_grow(write->objects, write->object_count, &write->object_capacity, sizeof(*objects));
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

/* A late part's tree goes on from the early one's. */
static th_err late_part(const th_commit_view *view, const th_stored_table *table, int32_t day,
                        uint64_t first_seq, write_part **out)
{
    th_write *write = view->write;
    write_part *part = write_parts_find(&write->late, table->id, day);
    if (part == NULL) {
        if (write->late.count >= STORE_WRITE_PARTS_MAX) return TH_ELIMIT;
        part = write_parts_add(&write->late, table, day);
        if (part == NULL) return TH_ENOMEM;
        part->first_seq = first_seq;
        const write_part *early = write_parts_find(&write->early, table->id, day);
        if (early != NULL) {
            th_merkle tree;
            store_tree_unpack(&early->tree, &tree);
            if (!store_tree_pack(&tree, &part->tree)) return TH_ENOMEM;
        }
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
    if (err == TH_OK) err = late_part(view, table, day, *slot, &part);
    if (err == TH_OK) err = write_part_add(write, part, &added);
    if (err != TH_OK) {
        write->error = err;
        return err;
    }
    *seq = (*slot)++;
    if (table->id == TH_TABLE_objects && row->object != UINT32_MAX)
        write->objects[row->object] = (write_object){day, *seq};
    return TH_OK;
}
