/* SPDX-License-Identifier: Apache-2.0
 * Sealed files: written once under tmp/, moved into parts/, then only read. LMDB is used to write them and to find the
 * values once; the values themselves are read from the file by their place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

enum { TXN_BYTES = 16 << 20, TXN_VALUES = 5000 };

struct store_sealer {
    th_store *store;
    store_file_info info;
    store_env env;
    MDB_txn *txn;
    uint64_t txn_bytes, txn_values;
    uint64_t bytes; /* values so far */
    store_dir_entry *entries;
    uint32_t count, capacity;
    char path[TH_PATH_SIZE_MAX];
    bool finished;
};

static th_err sealer_fail(store_sealer *s, int rc, th_diag *diag)
{
    if (rc == EIO && store_disk_is_full(s->path, s->txn_bytes)) rc = ENOSPC;
    return store_lmdb_fail(diag, rc, "write", s->path);
}

th_err store_sealer_new(th_store *store, uint32_t id, uint16_t table, store_sealer **out,
                        th_diag *diag)
{
    store_sealer *s = calloc(1, sizeof(*s));
    if (s == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to write a sealed file");
    s->store = store;
    s->info = (store_file_info){.id = id,
                                .kind = STORE_SEALED,
                                .closed = 1,
                                .flags = STORE_FILE_COMPACT, /* until a segment is not */
                                .table = table,
                                .class_id = STORE_CLASS_DEFAULT,
                                .first_lsn = UINT64_MAX,
                                .min_us = INT64_MAX,
                                .max_us = INT64_MIN};
    char name[64];
    (void)snprintf(name, sizeof(name), "tmp/part-%06u.mdb", id);
    store_path(store, name, s->path);
    /* Nothing names it before it is whole and synced: its transactions need no sync of their own. */
    th_err err = store_env_open(s->path, MDB_NOSYNC, (uint64_t)STORE_PART_LIMIT * 4, &s->env, diag);
    if (err != TH_OK) {
        free(s);
        return err;
    }
    *out = s;
    return TH_OK;
}

static th_err commit(store_sealer *s, th_diag *diag)
{
    if (s->txn == NULL) return TH_OK;
    int rc = mdb_txn_commit(s->txn);
    s->txn = NULL;
    th_err err = rc == 0 ? TH_OK : sealer_fail(s, rc, diag);
    s->txn_bytes = s->txn_values = 0;
    return err;
}

static th_err put(store_sealer *s, th_slice key, store_header *header, th_slice head, th_slice rest,
                  th_diag *diag)
{
    int rc = 0;
    size_t size = store_value_size(head.size + rest.size);
    if (s->txn != NULL && (s->txn_bytes + size > TXN_BYTES || s->txn_values >= TXN_VALUES))
        TH_TRY(commit(s, diag));
    if (s->txn == NULL) rc = mdb_txn_begin(s->env.env, NULL, 0, &s->txn);
    if (rc != 0) return sealer_fail(s, rc, diag);
    store_value_seal(header, key, head, rest);
    MDB_val k = store_val(key), v = {size, NULL};
    rc = mdb_put(s->txn, s->env.dbi, &k, &v, MDB_APPEND | MDB_RESERVE);
    if (rc != 0) return sealer_fail(s, rc, diag);
    store_value_write(v.mv_data, v.mv_size, header, head, rest);
    s->txn_bytes += size;
    s->txn_values++;
    s->bytes += size;
    return TH_OK;
}

static void count_in(store_file_info *info, const store_header *h)
{
    if (info->rows == 0) info->first_day = h->day;
    if ((h->flags & STORE_FLAG_COMPACT) == 0) info->flags &= (uint16_t)~STORE_FILE_COMPACT;
    info->last_day = h->day;
    info->rows += h->rows;
    info->raw_bytes += h->raw_bytes;
    info->values++;
    if (h->first_lsn < info->first_lsn) info->first_lsn = h->first_lsn;
    if (h->last_lsn > info->last_lsn) info->last_lsn = h->last_lsn;
    if (h->min_us <= h->max_us && h->min_us < info->min_us) info->min_us = h->min_us;
    if (h->min_us <= h->max_us && h->max_us > info->max_us) info->max_us = h->max_us;
    if (h->first_seq + h->rows > info->next_seq) info->next_seq = h->first_seq + h->rows;
}

th_err store_sealer_add(store_sealer *s, store_header *header, th_slice head, th_slice image,
                        th_diag *diag)
{
    if (s->count == s->capacity) {
        uint32_t capacity = s->capacity == 0 ? 64 : s->capacity * 2;
        store_dir_entry *entries = realloc(s->entries, capacity * sizeof(*entries));
        if (entries == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a directory");
        s->entries = entries;
        s->capacity = capacity;
    }
    uint8_t key[STORE_SEALED_KEY];
    store_sealed_key(header->day, header->first_seq, key);
    header->type = STORE_VALUE_SEGMENT;
    header->table = s->info.table;
    header->class_id = s->info.class_id;
    TH_TRY(put(s, th_slice_of(key, sizeof(key)), header, head, image, diag));
    s->entries[s->count++] = (store_dir_entry){.day = header->day,
                                               .rows = header->rows,
                                               .first_seq = header->first_seq,
                                               .raw_bytes = header->raw_bytes,
                                               .payload_bytes = header->payload_bytes,
                                               .flags = header->flags & STORE_FLAG_COMPACT,
                                               .min_us = header->min_us,
                                               .max_us = header->max_us,
                                               .first_lsn = header->first_lsn,
                                               .last_lsn = header->last_lsn};
    count_in(&s->info, header);
    return TH_OK;
}

uint64_t store_sealer_bytes(const store_sealer *s)
{
    return s->bytes;
}

static th_err put_directory(store_sealer *s, th_diag *diag)
{
    uint8_t key[STORE_SEALED_KEY];
    store_sealed_key(STORE_DIRECTORY_DAY, UINT64_MAX, key);
    th_buf payload;
    th_buf_init(&payload, STORE_VALUE_MAX);
    store_dir_encode(s->entries, s->count, &payload);
    th_err err = th_buf_error(&payload);
    if (err == TH_OK) {
        store_header header = {.type = STORE_VALUE_DIRECTORY, .table = s->info.table};
        err = put(s, th_slice_of(key, sizeof(key)), &header, TH_SLICE(""), th_buf_slice(&payload),
                  diag);
    }
    th_buf_free(&payload);
    return err;
}

/* parts/TABLE/default, each level durable in the one above. */
static th_err make_folder(th_store *store, char *place, th_diag *diag)
{
    char *slash = strrchr(place, '/');
    *slash = 0;
    th_os_stat st;
    th_err err = TH_OK;
    if (th_os_stat_path(place, false, &st, NULL) != TH_OK) {
        err = th_os_mkdirs(place, 0700, diag);
        char *upper = strrchr(place, '/');
        if (err == TH_OK) {
            *upper = 0;
            err = th_os_fsync_dir(place, diag);
            *upper = '/';
        }
        char parts[TH_PATH_SIZE_MAX];
        store_path(store, "parts", parts);
        if (err == TH_OK) err = th_os_fsync_dir(parts, diag);
    }
    *slash = '/';
    return err;
}

static th_err move_into_place(store_sealer *s, th_diag *diag)
{
    char name[STORE_NAME_MAX], place[TH_PATH_SIZE_MAX], tmp[TH_PATH_SIZE_MAX];
    store_file_name(&s->info, name);
    store_path(s->store, name, place);
    store_path(s->store, "tmp", tmp);
    TH_TRY(make_folder(s->store, place, diag));
    TH_TRY(th_os_rename(s->path, place, diag));
    s->finished = true;
    TH_TRY(th_os_fsync_dir(tmp, diag));
    *strrchr(place, '/') = 0;
    TH_TRY(th_os_fsync_dir(place, diag));
    TH_FAILPOINT("part_renamed");
    return TH_OK;
}

th_err store_sealer_finish(store_sealer *s, store_file_info *info, th_diag *diag)
{
    TH_ASSERT(s->count > 0);
    TH_TRY(put_directory(s, diag));
    TH_TRY(commit(s, diag));
    int rc = mdb_env_sync(s->env.env, 1);
    if (rc != 0) return sealer_fail(s, rc, diag);
    store_env_close(&s->env);
    TH_TRY(store_pages_hash(s->path, &s->info.pages, &s->info.page_hash, diag));
    s->info.bytes = s->info.pages * STORE_PAGE;
    TH_FAILPOINT("part_written");
    TH_TRY(move_into_place(s, diag));
    *info = s->info;
    return TH_OK;
}

void store_sealer_free(store_sealer *s)
{
    if (s == NULL) return;
    if (s->txn != NULL) mdb_txn_abort(s->txn);
    store_env_close(&s->env);
    th_diag ignored = {0};
    if (!s->finished) (void)!th_os_unlink(s->path, &ignored);
    free(s->entries);
    free(s);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static void file_path(const store_file *file, char out[TH_PATH_SIZE_MAX])
{
    char name[STORE_NAME_MAX];
    store_file_name(&file->info, name);
    store_path(file->store, name, out);
}

/* The pages that LMDB will walk must be those that were written. */
static th_err check_pages(store_file *file, const char *path, th_diag *diag)
{
    uint64_t pages = 0;
    th_sha256 hash;
    th_diag why = {0};
    th_err err = store_pages_hash(path, &pages, &hash, &why);
    if (err == TH_ENOTFOUND || err == TH_ECORRUPT)
        return store_file_damaged(
            file, diag, err == TH_ENOTFOUND ? "it is missing" : "its length or pages are wrong");
    if (err != TH_OK) return th_fail(diag, err, NULL, "%s", why.text);
    if (pages != file->info.pages || !th_sha256_equal(&hash, &file->info.page_hash))
        return store_file_damaged(file, diag, "its pages are not those that were written");
    return TH_OK;
}

static th_err decode_directory(store_file *file, const MDB_val *v, store_piece *piece,
                               th_diag *diag)
{
    uint8_t key[STORE_SEALED_KEY];
    store_sealed_key(STORE_DIRECTORY_DAY, UINT64_MAX, key);
    store_header header;
    th_slice head, payload;
    th_diag why = {0};
    th_err err = store_value_open(store_val_slice(v), th_slice_of(key, sizeof(key)),
                                  STORE_VALUE_DIRECTORY, &header, &head, &payload, &why);
    if (err == TH_OK) err = store_dir_decode(payload, &piece->entries, &piece->entry_count, &why);
    if (err == TH_ECORRUPT) return store_file_damaged(file, diag, why.text);
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "%s", why.text);
}

/* Walk the keys beside the directory: the place of each value in the file. */
static th_err find_places(store_file *file, store_env *env, MDB_cursor *cursor, store_piece *piece,
                          th_diag *diag)
{
    MDB_val k, v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
    if (rc != 0) return store_file_damaged(file, diag, "it is empty");
    store_env_find_base(env, &k);
    TH_TRY(decode_directory(file, &v, piece, diag));
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    for (uint32_t i = 0; i < piece->entry_count; i++) {
        store_dir_entry *e = &piece->entries[i];
        uint8_t key[STORE_SEALED_KEY];
        store_sealed_key(e->day, e->first_seq, key);
        if (rc != 0 || !th_slice_equal(store_val_slice(&k), th_slice_of(key, sizeof(key))) ||
            v.mv_size != store_value_size(e->payload_bytes))
            return store_file_damaged(file, diag, "its directory and its values differ");
        e->offset = (uint64_t)((const uint8_t *)v.mv_data - env->base);
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    return rc == 0 ? TH_OK : store_file_damaged(file, diag, "its directory and its values differ");
}

static th_err read_directory(store_file *file, store_env *env, store_piece *piece, th_diag *diag)
{
    MDB_txn *txn;
    TH_TRY(store_env_read(env, &txn, diag));
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->dbi, &cursor);
    th_err err = rc == 0 ? find_places(file, env, cursor, piece, diag)
                         : store_lmdb_fail(diag, rc, "read", "a file");
    if (rc == 0) mdb_cursor_close(cursor);
    store_env_read_done(env, txn);
    return err;
}

th_err store_sealed_read_directory(store_file *file, store_piece **out, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    file_path(file, path);
    TH_TRY(check_pages(file, path, diag));
    store_env env = {0};
    TH_TRY(store_env_open(path, MDB_RDONLY | MDB_NOLOCK, file->info.bytes, &env, diag));
    store_piece *piece = calloc(1, sizeof(*piece));
    th_err err =
        piece == NULL ? th_fail(diag, TH_ENOMEM, NULL, "no memory for a directory") : TH_OK;
    if (err == TH_OK) {
        atomic_init(&piece->refs, 1);
        piece->file = file->info.id;
        piece->place = UINT64_MAX;
        err = read_directory(file, &env, piece, diag);
    }
    store_env_close(&env);
    if (err == TH_OK && piece->entry_count != file->info.values)
        err = store_file_damaged(file, diag, "its directory is not the one that was written");
    if (err != TH_OK) {
        store_piece_release(piece);
        return err;
    }
    piece->bytes = sizeof(*piece) + piece->entry_count * sizeof(*piece->entries);
    *out = piece;
    return TH_OK;
}

th_err store_sealed_directory(store_file *file, store_piece **out, th_diag *diag)
{
    store_cache *cache = file->store->heads;
    *out = store_cache_get(cache, file->info.id, UINT64_MAX);
    if (*out != NULL) return TH_OK;
    store_piece *piece;
    TH_TRY(store_sealed_read_directory(file, &piece, diag));
    *out = store_cache_put(cache, piece);
    return TH_OK;
}

th_err store_sealed_read(store_file *file, const store_dir_entry *entry, size_t size, uint8_t **out,
                         size_t *got, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    file_path(file, path);
    size_t whole = store_value_size(entry->payload_bytes);
    if (size > whole) size = whole;
    th_diag why = {0};
    int fd = th_os_open(path, O_RDONLY, 0, &why);
    if (fd < 0 && why.code == TH_ENOTFOUND) return store_file_damaged(file, diag, "it is missing");
    if (fd < 0) return th_fail(diag, why.code, NULL, "%s", why.text);
    uint8_t *copy = malloc(size);
    th_err err = copy == NULL
                     ? th_fail(diag, TH_ENOMEM, NULL, "no memory for a value of %zu bytes", size)
                     : TH_OK;
    for (size_t have = 0, part; err == TH_OK && have < size; have += part) {
        err = th_os_pread(fd, copy + have, size - have, entry->offset + have, &part, diag);
        if (err == TH_OK && part == 0) err = store_file_damaged(file, diag, "it is cut off");
    }
    th_os_close(fd);
    if (err != TH_OK) {
        free(copy);
        return err;
    }
    *out = copy;
    *got = size;
    return TH_OK;
}
