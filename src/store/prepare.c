/* SPDX-License-Identifier: Apache-2.0
 * One write on the committer's thread, before it is written: its LSN, its sequences, its late rows, its leaf. */
#include <stdlib.h>

#include "base/map.h"
#include "base/time.h"
#include "store/write.h"

enum { SEQ_KEYS_MAX = 1 << 17 };

/* ---- sequences --------------------------------------------------------------------------------------------------------- */

static th_err highest_in(th_version *version, store_file *file, uint32_t table, int32_t day,
                         uint64_t *next, th_diag *diag)
{
    if (file->info.kind == STORE_SEALED &&
        (file->info.table != table || file->info.first_day > day || file->info.last_day < day))
        return TH_OK;
    store_refs refs = {0};
    th_diag why = {0};
    th_err err = store_refs_add_file(version, file, table, day, day, &refs, &why);
    for (size_t i = 0; i < refs.count; i++) {
        uint64_t end = refs.refs[i].first_seq + refs.refs[i].rows_stored;
        if (end > *next) *next = end;
    }
    free(refs.refs);
    if (err == TH_ECORRUPT) {
        /* The catalog knows a number above all of the file's: ids are never given twice, damage or not. */
        if (file->info.next_seq > *next) *next = file->info.next_seq;
        return TH_OK;
    }
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "%s", why.text);
}

th_err store_next_seq(th_store *store, uint32_t table, int32_t day, uint64_t **slot, th_diag *diag)
{
    uint32_t words[2] = {table, (uint32_t)day};
    th_slice key = th_slice_of(words, sizeof(words));
    *slot = th_map_get(store->next_seq, key);
    if (*slot != NULL) return TH_OK;
    uint64_t next = 0;
    th_err err = TH_OK;
    th_version *version = th_store_version(store);
    const store_files *files = version->files;
    for (uint32_t i = 0; i < files->journals && err == TH_OK; i++)
        err = highest_in(version, files->files[i], table, day, &next, diag);
    for (uint32_t i = store_files_of_table(files, table); i < files->count && err == TH_OK; i++) {
        if (files->files[i]->info.table != table) break;
        err = highest_in(version, files->files[i], table, day, &next, diag);
    }
    th_version_release(version);
    TH_TRY(err);
    *slot = th_map_put(store->next_seq, key, next, NULL);
    return *slot != NULL ? TH_OK : th_fail(diag, TH_ENOMEM, NULL, "no memory for sequences");
}

th_err store_fresh_sequences(th_store *store)
{
    if (store->next_seq != NULL && th_map_count(store->next_seq) < SEQ_KEYS_MAX) return TH_OK;
    if (store->seq_arena == NULL) store->seq_arena = th_arena_new((size_t)256 << 20, NULL);
    if (store->seq_arena == NULL) return TH_ENOMEM;
    th_arena_reset(store->seq_arena);
    store->next_seq = th_map_new(store->seq_arena);
    return store->next_seq == NULL ? TH_ENOMEM : TH_OK;
}

static void take_back(th_store *store, const write_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        const write_part *part = parts->parts[i];
        uint64_t *slot;
        if (part->first_seq != UINT64_MAX &&
            store_next_seq(store, part->table->id, part->day, &slot, NULL) == TH_OK)
            *slot = part->first_seq;
    }
}

/* Sequences of a write that is not committed: nothing after it has taken any. */
void store_take_back_sequences(th_store *store, th_write *write)
{
    uint64_t *slot;
    if (write->leaf_seq != UINT64_MAX &&
        store_next_seq(store, TH_TABLE_leaves, th_day_from_us(write->arrival_us), &slot, NULL) ==
            TH_OK)
        *slot = write->leaf_seq;
    take_back(store, &write->late);
    take_back(store, &write->early);
    write_forget_late(write);
}

/* ---- one write ----------------------------------------------------------------------------------------------------------- */

static th_err give_sequences(th_store *store, th_write *write)
{
    for (uint32_t i = 0; i < write->early.count; i++) write->early.parts[i]->first_seq = UINT64_MAX;
    for (uint32_t i = 0; i < write->early.count; i++) {
        write_part *part = write->early.parts[i];
        uint64_t *slot;
        TH_TRY(store_next_seq(store, part->table->id, part->day, &slot, write->diag));
        part->first_seq = *slot;
        *slot += part->rows;
    }
    return TH_OK;
}

static th_err call_late(th_store *store, th_write *write)
{
    if (write->late_fn == NULL) return TH_OK;
    th_commit_view view = {.lsn = write->lsn,
                           .arrival_us = write->arrival_us,
                           .arrival_day = th_day_from_us(write->arrival_us),
                           .store = store,
                           .write = write};
    TH_TRY(write->late_fn(write->late_ctx, &view, write->diag));
    return write->error;
}

static th_err encode_leaf(th_store *store, th_write *write, th_slice leaf, th_buf *image)
{
    write_segment *segment = &write->leaf;
    TH_TRY(
        th_segment_builder_add(store->leaf_builder, leaf, TH_SLICE(""), true, write->arrival_us));
    TH_TRY(th_segment_builder_finish(store->leaf_builder, image));
    segment->bytes = malloc(image->size);
    if (segment->bytes == NULL) return TH_ENOMEM;
    memcpy(segment->bytes, image->bytes, image->size);
    segment->image_bytes = (uint32_t)image->size;
    segment->raw_bytes = leaf.size;
    segment->rows = 1;
    return TH_OK;
}

static th_err make_leaf(th_store *store, th_write *write)
{
    const th_stored_table *table = th_model_table(TH_TABLE_leaves);
    if (store->leaf_builder == NULL) store->leaf_builder = th_segment_builder_new(table, NULL);
    if (store->leaf_builder == NULL) return TH_ENOMEM;
    uint64_t *slot;
    TH_TRY(store_next_seq(store, TH_TABLE_leaves, th_day_from_us(write->arrival_us), &slot,
                          write->diag));
    write->leaf_seq = (*slot)++;
    th_buf leaf, image;
    th_buf_init(&leaf, TH_RECORD_SIZE_MAX);
    th_buf_init(&image, TH_RECORD_SIZE_MAX * 2);
    th_err err = write_leaf(write, &leaf);
    if (err == TH_OK) err = encode_leaf(store, write, th_buf_slice(&leaf), &image);
    th_buf_free(&leaf);
    th_buf_free(&image);
    return err;
}

/* Everything that is known once the write has its LSN. *empty: it has no rows. */
th_err store_prepare_write(th_store *store, th_write *write, uint64_t lsn, bool *empty)
{
    int64_t now = th_os_now_us();
    write->lsn = lsn;
    write->arrival_us = now > store->last_arrival_us ? now : store->last_arrival_us;
    write->leaf_seq = UINT64_MAX;
    write_forget_late(write);
    th_err err = give_sequences(store, write);
    if (err == TH_OK) err = call_late(store, write);
    if (err == TH_OK) err = write_parts_finish(write, &write->late, write->diag);
    *empty = write->early.count + write->late.count == 0;
    if (err == TH_OK && !*empty) err = make_leaf(store, write);
    if (err != TH_OK)
        store_take_back_sequences(store, write);
    else if (!*empty)
        store->last_arrival_us = write->arrival_us;
    return err;
}
