/* SPDX-License-Identifier: Apache-2.0
 * Journals: files that commits are appended to, one LMDB value a segment, and their directory in memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

/* ---- directory in memory ------------------------------------------------------------------------------------------- */

static uint32_t day_slot(const store_journal *j, uint16_t table, int32_t day)
{
    uint32_t key[2] = {table, (uint32_t)day};
    uint32_t at = (uint32_t)th_xxh3(th_slice_of(key, sizeof(key))) & (j->slot_count - 1);
    while (j->slots[at] != UINT32_MAX &&
           (j->days[j->slots[at]].table != table || j->days[j->slots[at]].day != day))
        at = (at + 1) & (j->slot_count - 1);
    return at;
}

static th_err grow_slots(store_journal *j, uint32_t slot_count)
{
    uint32_t *slots = malloc(slot_count * sizeof(*slots));
    if (slots == NULL) return TH_ENOMEM;
    memset(slots, 0xff, slot_count * sizeof(*slots));
    free(j->slots);
    j->slots = slots;
    j->slot_count = slot_count;
    for (uint32_t i = 0; i < j->day_count; i++)
        j->slots[day_slot(j, j->days[i].table, j->days[i].day)] = i;
    return TH_OK;
}

/* Room for more entries, and as many more days: the add after a commit must not fail. */
th_err store_journal_reserve(store_journal *j, uint32_t more)
{
    th_err err = TH_OK;
    pthread_rwlock_wrlock(&j->lock);
    if (j->count + more > j->capacity) {
        uint32_t capacity = (j->count + more) * 2;
        store_entry *entries = realloc(j->entries, capacity * sizeof(*entries));
        if (entries != NULL) {
            j->entries = entries;
            j->capacity = capacity;
        } else {
            err = TH_ENOMEM;
        }
    }
    if (err == TH_OK && j->day_count + more > j->day_capacity) {
        uint32_t capacity = (j->day_count + more) * 2;
        store_journal_day *days = realloc(j->days, capacity * sizeof(*days));
        if (days != NULL) {
            j->days = days;
            j->day_capacity = capacity;
        } else {
            err = TH_ENOMEM;
        }
    }
    uint32_t slots = j->slot_count == 0 ? 64 : j->slot_count;
    while (slots < (j->day_count + more) * 2) slots *= 2;
    if (err == TH_OK && slots != j->slot_count) err = grow_slots(j, slots);
    pthread_rwlock_unlock(&j->lock);
    return err;
}

/* Small arrays only grow by what a commit brought: without memory for them the process ends, and a start finds all. */
static void *grow_or_stop(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count <= *capacity) return array;
    *capacity = count * 2;
    void *bigger = realloc(array, *capacity * size);
    TH_ASSERT(bigger != NULL);
    return bigger;
}

static void add_to_day(store_journal *j, const store_entry *e, uint32_t index)
{
    uint32_t at = day_slot(j, e->table, e->day);
    if (j->slots[at] == UINT32_MAX) {
        j->days[j->day_count] = (store_journal_day){.table = e->table, .day = e->day};
        j->slots[at] = j->day_count++;
    }
    store_journal_day *day = &j->days[j->slots[at]];
    day->list = grow_or_stop(day->list, day->count + 1, &day->capacity, sizeof(*day->list));
    day->list[day->count++] = index;
}

static uint32_t keep_prints(store_journal *j, const store_entry *e, const uint8_t *prints)
{
    if (prints == NULL) return STORE_PRINTS_NONE;
    if (store_value_size(e->payload_bytes) > STORE_INLINE_MAX) return STORE_PRINTS_ON_DISK;
    j->prints =
        grow_or_stop(j->prints, j->print_count + e->rows, &j->print_capacity, sizeof(*j->prints));
    memcpy(j->prints + j->print_count, prints, e->rows * sizeof(*j->prints));
    j->print_count += e->rows;
    return j->print_count - e->rows;
}

void store_journal_add(store_journal *j, const store_entry *entries, const uint8_t *const *prints,
                       uint32_t count)
{
    pthread_rwlock_wrlock(&j->lock);
    TH_ASSERT(j->count + count <= j->capacity);
    for (uint32_t i = 0; i < count; i++) {
        store_entry *e = &j->entries[j->count];
        *e = entries[i];
        e->prints = keep_prints(j, e, prints[i]);
        add_to_day(j, e, j->count++);
    }
    pthread_rwlock_unlock(&j->lock);
}

const store_journal_day *store_journal_day_of(const store_journal *j, uint32_t table, int32_t day)
{
    uint32_t at = day_slot(j, (uint16_t)table, day);
    return j->slots[at] == UINT32_MAX ? NULL : &j->days[j->slots[at]];
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static int put_value(MDB_txn *txn, MDB_dbi dbi, th_slice key, unsigned flags,
                     const store_header *header, th_slice head, th_slice rest)
{
    MDB_val k = store_val(key), v = {store_value_size(head.size + rest.size), NULL};
    int rc = mdb_put(txn, dbi, &k, &v, flags | MDB_RESERVE);
    if (rc == 0) store_value_write(v.mv_data, v.mv_size, header, head, rest);
    return rc;
}

th_err store_journal_put(MDB_txn *txn, MDB_dbi dbi, store_meta *meta, uint64_t lsn, uint16_t n,
                         store_header *header, th_slice head, th_slice rest, int *rc)
{
    uint8_t bytes[STORE_JOURNAL_KEY];
    store_journal_key(lsn, n, bytes);
    th_slice key = th_slice_of(bytes, sizeof(bytes));
    store_value_seal(header, key, head, rest);
    *rc = put_value(txn, dbi, key, MDB_APPEND, header, head, rest);
    if (*rc != 0) return TH_EIO;
    meta->values++;
    meta->rows += header->rows;
    meta->chain = store_chain_next(meta->chain, key, header->check);
    return TH_OK;
}

th_err store_journal_put_meta(MDB_txn *txn, MDB_dbi dbi, const store_meta *meta, int *rc)
{
    uint8_t bytes[STORE_JOURNAL_KEY] = {0};
    th_slice key = th_slice_of(bytes, sizeof(bytes));
    th_buf payload;
    th_buf_init(&payload, 256);
    store_meta_encode(meta, &payload);
    th_err err = th_buf_error(&payload);
    if (err == TH_OK) {
        store_header header = {.type = STORE_VALUE_META, .last_lsn = meta->last_lsn};
        store_value_seal(&header, key, TH_SLICE(""), th_buf_slice(&payload));
        *rc = put_value(txn, dbi, key, 0, &header, TH_SLICE(""), th_buf_slice(&payload));
        err = *rc == 0 ? TH_OK : TH_EIO;
    } else {
        *rc = ENOMEM;
    }
    th_buf_free(&payload);
    return err;
}

static uint64_t map_bytes(const th_store *store)
{
    return store->journal_bytes * 2 + STORE_JOURNAL_SLACK;
}

static th_err write_first_meta(store_env *env, const char *path, const store_meta *meta,
                               th_diag *diag)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->env, NULL, 0, &txn);
    if (rc == 0) {
        if (store_journal_put_meta(txn, env->dbi, meta, &rc) == TH_OK)
            rc = mdb_txn_commit(txn);
        else
            mdb_txn_abort(txn);
    }
    if (rc == 0) rc = mdb_env_sync(env->env, 1);
    if (rc == EIO && store_disk_is_full(path, 0)) rc = ENOSPC;
    return rc == 0 ? TH_OK : store_lmdb_fail(diag, rc, "write", path);
}

th_err store_journal_create(th_store *store, uint32_t id, const store_meta *meta, th_diag *diag)
{
    store_file_info info = {.id = id, .kind = STORE_JOURNAL};
    char name[STORE_NAME_MAX], place[TH_PATH_SIZE_MAX], tmp[TH_PATH_SIZE_MAX],
        temporary[TH_PATH_SIZE_MAX];
    store_file_name(&info, name);
    store_path(store, name, place);
    store_path(store, "tmp", tmp);
    (void)snprintf(name, sizeof(name), "tmp/journal-%06u.mdb", id);
    store_path(store, name, temporary);
    store_env env = {0};
    TH_TRY(store_env_open(temporary, 0, 1 << 20, &env, diag));
    th_err err = write_first_meta(&env, temporary, meta, diag);
    store_env_close(&env);
    if (err == TH_OK) err = th_os_rename(temporary, place, diag);
    if (err == TH_OK) err = th_os_fsync_dir(tmp, diag);
    store_path(store, "journal", tmp);
    if (err == TH_OK) err = th_os_fsync_dir(tmp, diag);
    if (err == TH_OK) TH_FAILPOINT("journal_created");
    th_diag ignored = {0};
    if (err != TH_OK) (void)!th_os_unlink(temporary, &ignored);
    return err;
}

uint64_t store_journal_used_bytes(store_journal *journal)
{
    MDB_envinfo info;
    (void)mdb_env_info(journal->env.env, &info);
    return ((uint64_t)info.me_last_pgno + 1) * STORE_PAGE;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* Values in pages of their own are never moved nor freed: they are read from the file after the transaction. */
static bool copy_inline(const store_env *env, const MDB_val *v, size_t size, uint8_t *out,
                        uint64_t *offset)
{
    if (v->mv_size > STORE_INLINE_MAX) {
        *offset = (uint64_t)((const uint8_t *)v->mv_data - env->base);
        return false;
    }
    memcpy(out, v->mv_data, size);
    return true;
}

th_err store_journal_read(store_file *file, uint64_t lsn, uint16_t n, size_t size, uint8_t **out,
                          size_t *got, th_diag *diag)
{
    store_env *env = &file->journal->env;
    uint8_t bytes[STORE_JOURNAL_KEY];
    store_journal_key(lsn, n, bytes);
    MDB_txn *txn;
    TH_TRY(store_env_read(env, &txn, diag));
    MDB_val k = {sizeof(bytes), bytes}, v = {0, NULL};
    int rc = mdb_get(txn, env->dbi, &k, &v);
    if (size > v.mv_size) size = v.mv_size;
    uint8_t *copy = rc == 0 ? malloc(size == 0 ? 1 : size) : NULL;
    bool later = false;
    uint64_t offset = 0;
    if (copy != NULL) later = !copy_inline(env, &v, size, copy, &offset);
    store_env_read_done(env, txn);
    if (rc != 0) return store_file_damaged(file, diag, mdb_strerror(rc));
    if (copy == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a value of %zu bytes", size);
    for (size_t have = 0, part; later && have < size; have += part) {
        th_err err = th_os_pread(env->fd, copy + have, size - have, offset + have, &part, diag);
        if (err == TH_OK && part == 0) err = store_file_damaged(file, diag, "it is cut off");
        if (err != TH_OK) {
            free(copy);
            return err;
        }
    }
    *out = copy;
    *got = size;
    return TH_OK;
}

static th_err read_meta(store_file *file, MDB_txn *txn, store_meta *out, th_diag *diag)
{
    uint8_t bytes[STORE_JOURNAL_KEY] = {0};
    MDB_val k = {sizeof(bytes), bytes}, v;
    int rc = mdb_get(txn, file->journal->env.dbi, &k, &v);
    if (rc != 0) return store_file_damaged(file, diag, "it has no counts");
    store_header header;
    th_slice head, payload;
    th_diag why = {0};
    if (store_value_open(store_val_slice(&v), th_slice_of(bytes, sizeof(bytes)), STORE_VALUE_META,
                         &header, &head, &payload, &why) != TH_OK ||
        store_meta_decode(payload, out, &why) != TH_OK)
        return why.code == TH_EVERSION ? th_fail(diag, why.code, NULL, "%s", why.text)
                                       : store_file_damaged(file, diag, why.text);
    return TH_OK;
}

th_err store_journal_read_meta(store_file *file, store_meta *out, th_diag *diag)
{
    MDB_txn *txn;
    TH_TRY(store_env_read(&file->journal->env, &txn, diag));
    th_err err = read_meta(file, txn, out, diag);
    store_env_read_done(&file->journal->env, txn);
    return err;
}

/* ---- open ------------------------------------------------------------------------------------------------------------ */

static bool key_decode(th_slice key, uint64_t *lsn, uint16_t *n)
{
    if (key.size != STORE_JOURNAL_KEY) return false;
    *lsn = 0;
    for (int i = 0; i < 8; i++) *lsn = *lsn << 8 | key.bytes[i];
    *n = (uint16_t)(key.bytes[8] << 8 | key.bytes[9]);
    return true;
}

/* Fingerprints of a small value are taken into memory, so its head is checked now. */
static th_err add_recovered(store_file *file, th_slice key, th_slice value, const store_header *h,
                            const store_entry *e, th_diag *diag)
{
    uint8_t few[STORE_INLINE_MAX];
    const uint8_t *prints = (h->flags & STORE_FLAG_FINGERPRINTS) != 0 ? few : NULL;
    if (prints != NULL && value.size <= STORE_INLINE_MAX) {
        store_header checked;
        th_slice head;
        th_diag why = {0};
        th_err err = store_value_open_head(value, key, STORE_VALUE_SEGMENT, &checked, &head, &why);
        if (err != TH_OK || head.size < (size_t)h->rows * 4)
            return store_file_damaged(file, diag,
                                      err != TH_OK ? why.text : "a value's header is damaged");
        memcpy(few, head.bytes + head.size - (size_t)h->rows * 4, (size_t)h->rows * 4);
    }
    store_journal_add(file->journal, e, &prints, 1);
    return TH_OK;
}

/* One value's header into the directory; its payload is checked when it is read. */
static th_err recover_value(store_file *file, th_slice key, th_slice value, store_meta *seen,
                            th_diag *diag)
{
    store_header h;
    store_entry e = {0};
    if (value.size < STORE_HEADER || !key_decode(key, &e.lsn, &e.n))
        return store_file_damaged(file, diag, "a value is cut off");
    memcpy(&h, value.bytes, STORE_HEADER);
    th_diag why = {0};
    th_err err = store_header_check(&h, STORE_VALUE_SEGMENT, value.size, &why);
    if (err != TH_OK)
        return err == TH_ECORRUPT ? store_file_damaged(file, diag, why.text)
                                  : th_fail(diag, err, NULL, "%s", why.text);
    e.first_seq = h.first_seq;
    e.min_us = h.min_us;
    e.max_us = h.max_us;
    e.raw_bytes = h.raw_bytes;
    e.rows = h.rows;
    e.payload_bytes = h.payload_bytes;
    e.day = h.day;
    e.table = h.table;
    if (e.rows == 0 || e.rows > TH_SEGMENT_ROWS_MAX || h.first_lsn != e.lsn ||
        h.last_lsn != e.lsn || e.first_seq > UINT64_MAX - e.rows)
        return store_file_damaged(file, diag, "a value's header is damaged");
    if (store_journal_reserve(file->journal, 1) != TH_OK)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a journal's directory");
    TH_TRY(add_recovered(file, key, value, &h, &e, diag));
    seen->values++;
    seen->rows += e.rows;
    seen->last_lsn = e.lsn;
    seen->chain = store_chain_next(seen->chain, key, h.check);
    return TH_OK;
}

/* Values up to the bound (a closed journal may hold one commit more, whose answer was an error). */
static th_err recover_values(store_file *file, MDB_cursor *cursor, uint64_t bound, store_meta *seen,
                             th_diag *diag)
{
    MDB_val k, v;
    int rc;
    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        uint64_t lsn = 0;
        uint16_t n = 0;
        if (key_decode(store_val_slice(&k), &lsn, &n) && lsn == 0) {
            store_env_find_base(&file->journal->env, &k);
            continue;
        }
        if (lsn > bound) break;
        TH_TRY(recover_value(file, store_val_slice(&k), store_val_slice(&v), seen, diag));
    }
    return rc == 0 || rc == MDB_NOTFOUND ? TH_OK : store_file_damaged(file, diag, mdb_strerror(rc));
}

static th_err recover(store_file *file, th_diag *diag)
{
    store_journal *j = file->journal;
    MDB_txn *txn;
    TH_TRY(store_env_read(&j->env, &txn, diag));
    store_meta seen = {0};
    th_err err = read_meta(file, txn, &j->meta, diag);
    MDB_cursor *cursor = NULL;
    int rc = err == TH_OK ? mdb_cursor_open(txn, j->env.dbi, &cursor) : 0;
    if (rc != 0) err = store_lmdb_fail(diag, rc, "read", "a journal");
    if (err == TH_OK)
        err = recover_values(file, cursor, file->info.closed ? file->info.last_lsn : UINT64_MAX,
                             &seen, diag);
    if (cursor != NULL) mdb_cursor_close(cursor);
    store_env_read_done(&j->env, txn);
    TH_TRY(err);
    bool closed = file->info.closed != 0;
    bool good = closed ? seen.values == file->info.values && seen.chain == file->info.chain
                       : seen.values == j->meta.values && seen.chain == j->meta.chain &&
                             seen.rows == j->meta.rows;
    if (seen.values > 0)
        good = good && seen.last_lsn == (closed ? file->info.last_lsn : j->meta.last_lsn);
    return good ? TH_OK : store_file_damaged(file, diag, "its values are not those that it counts");
}

th_err store_journal_open(th_store *store, store_file *file, th_diag *diag)
{
    char name[STORE_NAME_MAX], path[TH_PATH_SIZE_MAX];
    store_file_name(&file->info, name);
    store_path(store, name, path);
    store_journal *journal = calloc(1, sizeof(*journal));
    if (journal == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a journal");
    pthread_rwlock_init(&journal->lock, NULL);
    file->journal = journal;
    th_err err = TH_OK;
    th_os_stat st; /* LMDB would make a missing file */
    if (th_os_stat_path(path, false, &st, NULL) != TH_OK)
        err = store_file_damaged(file, diag, "it is missing");
    /* The rig's control: without syncs the crash tests must find losses. */
    unsigned flags = strcmp(store->test_mode, "nosync") == 0 ? MDB_NOSYNC : 0;
    if (err == TH_OK) err = store_env_open(path, flags, map_bytes(store), &journal->env, diag);
    if (err == TH_OK) err = store_journal_reserve(journal, 16);
    if (err == TH_OK) err = recover(file, diag);
    if (err != TH_OK) {
        store_journal_close(journal);
        file->journal = NULL;
    }
    return err;
}

void store_journal_close(store_journal *journal)
{
    if (journal == NULL) return;
    store_env_close(&journal->env);
    pthread_rwlock_destroy(&journal->lock);
    for (uint32_t i = 0; i < journal->day_count; i++) free(journal->days[i].list);
    free(journal->prints);
    free(journal->entries);
    free(journal->days);
    free(journal->slots);
    free(journal);
}
