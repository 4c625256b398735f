/* SPDX-License-Identifier: Apache-2.0
 * One write on the committer's thread, before it is written: its LSN, its sequences, its late rows, its leaf. */
#include <stdlib.h>

#include "base/map.h"
#include "base/time.h"
#include "store/write.h"

enum { SEQ_KEYS_MAX = 1 << 17 };

/* ---- sequences --------------------------------------------------------------------------------------------------------- */

/* Days of one table, and the next sequence of each as far as it is known. */
typedef struct day_seqs {
    uint32_t table, count;
    int32_t *days; /* ascending */
    uint64_t *next;
} day_seqs;

static void raise_to(uint64_t *next, uint64_t end)
{
    if (end > *next) *next = end;
}

static void highest_in_journal(const th_version *version, store_file *file, day_seqs *s)
{
    store_journal *j = file->journal;
    pthread_rwlock_rdlock(&j->lock);
    for (uint32_t d = 0; d < s->count; d++) {
        const store_journal_day *day = store_journal_day_of(j, s->table, s->days[d]);
        for (uint32_t i = day == NULL ? 0 : day->count; i > 0; i--) {
            const store_entry *e = &j->entries[day->list[i - 1]];
            if (e->lsn > version->lsn) continue;
            raise_to(&s->next[d], e->first_seq + e->rows);
            break;
        }
    }
    pthread_rwlock_unlock(&j->lock);
}

static void highest_in_directory(const store_piece *dir, day_seqs *s)
{
    for (uint32_t d = 0; d < s->count; d++) {
        uint32_t behind = store_dir_place(dir, s->days[d], UINT64_MAX);
        if (behind == 0 || dir->entries[behind - 1].day != s->days[d]) continue;
        const store_dir_entry *e = &dir->entries[behind - 1];
        raise_to(&s->next[d], e->first_seq + e->rows);
    }
}

/* The catalog knows a number above all of the file's: ids are never given twice, damage or not. */
static void above_all_of(const store_file *file, day_seqs *s)
{
    bool sealed = file->info.kind == STORE_SEALED;
    for (uint32_t d = 0; d < s->count; d++)
        if (!sealed || (s->days[d] >= file->info.first_day && s->days[d] <= file->info.last_day))
            raise_to(&s->next[d], file->info.next_seq);
}

static th_err highest_in_sealed(const th_version *version, store_file *file, day_seqs *s,
                                th_diag *diag)
{
    const store_file_info *info = &file->info;
    if (info->first_day > s->days[s->count - 1] || info->last_day < s->days[0] ||
        info->first_lsn > version->lsn)
        return TH_OK;
    store_piece *dir;
    th_diag why = {0};
    th_err err = store_sealed_directory(file, &dir, &why);
    if (err == TH_OK) {
        highest_in_directory(dir, s);
        store_piece_release(dir);
    } else if (err == TH_ECORRUPT) {
        above_all_of(file, s);
        err = TH_OK;
    }
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "%s", why.text);
}

/* Each file is looked at once for all the days: a directory may be larger than what its cache keeps. */
static th_err highest_of(th_store *store, day_seqs *s, th_diag *diag)
{
    th_version *version = th_store_version(store);
    const store_files *files = version->files;
    th_err err = TH_OK;
    for (uint32_t i = 0; i < files->journals; i++) {
        if (files->files[i]->journal != NULL)
            highest_in_journal(version, files->files[i], s);
        else
            above_all_of(files->files[i], s);
    }
    for (uint32_t i = store_files_of_table(files, s->table); i < files->count && err == TH_OK;
         i++) {
        if (files->files[i]->info.table != s->table) break;
        err = highest_in_sealed(version, files->files[i], s, diag);
    }
    th_version_release(version);
    return err;
}

typedef struct seq_key {
    uint32_t words[2];
} seq_key;

static seq_key key_of(uint32_t table, int32_t day)
{
    return (seq_key){{table, (uint32_t)day}};
}

static th_err learn(th_store *store, day_seqs *s, th_diag *diag)
{
    if (s->count == 0) return TH_OK;
    TH_TRY(highest_of(store, s, diag));
    for (uint32_t d = 0; d < s->count; d++) {
        seq_key key = key_of(s->table, s->days[d]);
        if (th_map_put(store->next_seq, th_slice_of(&key, sizeof(key)), s->next[d], NULL) == NULL)
            return th_fail(diag, TH_ENOMEM, NULL, "no memory for sequences");
    }
    return TH_OK;
}

th_err store_next_seq(th_store *store, uint32_t table, int32_t day, uint64_t **slot, th_diag *diag)
{
    seq_key key = key_of(table, day);
    *slot = th_map_get(store->next_seq, th_slice_of(&key, sizeof(key)));
    if (*slot != NULL) return TH_OK;
    uint64_t next = 0;
    TH_TRY(learn(store, &(day_seqs){table, 1, &day, &next}, diag));
    *slot = th_map_get(store->next_seq, th_slice_of(&key, sizeof(key)));
    return TH_OK;
}

/* Parts [begin, end) are of one table, by day. */
static th_err learn_table(th_store *store, const write_parts *parts, uint32_t begin, uint32_t end,
                          th_diag *diag)
{
    day_seqs s = {.table = parts->parts[begin]->table->id};
    s.days = malloc((end - begin) * sizeof(*s.days));
    s.next = calloc(end - begin, sizeof(*s.next));
    th_err err = s.days != NULL && s.next != NULL
                     ? TH_OK
                     : th_fail(diag, TH_ENOMEM, NULL, "no memory for sequences");
    for (uint32_t i = begin; i < end && err == TH_OK; i++) {
        seq_key key = key_of(s.table, parts->parts[i]->day);
        if (th_map_get(store->next_seq, th_slice_of(&key, sizeof(key))) == NULL)
            s.days[s.count++] = parts->parts[i]->day;
    }
    if (err == TH_OK) err = learn(store, &s, diag);
    free(s.days);
    free(s.next);
    return err;
}

static th_err learn_parts(th_store *store, const write_parts *parts, th_diag *diag)
{
    for (uint32_t begin = 0, end; begin < parts->count; begin = end) {
        for (end = begin + 1;
             end < parts->count && parts->parts[end]->table == parts->parts[begin]->table;)
            end++;
        TH_TRY(learn_table(store, parts, begin, end, diag));
    }
    return TH_OK;
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
    TH_TRY(learn_parts(store, &write->early, write->diag));
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
