/* SPDX-License-Identifier: Apache-2.0
 * The catalog: which files the archive consists of, settings, and the version of the whole folder. Small values only.
 * A COUNTS value, written with every commit, says how many values there are and sums their hashes, so that a value
 * lost to damage inside LMDB's tree is noticed at open. */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

static const char FORMAT_KEY[] = "!format";
static const char COUNTS_KEY[] = "!counts";
enum { VALUE_MAX = 2000, KEY_MAX = 300, COPY_MAX = 1 << 30 };

static th_slice file_key(uint32_t id, uint8_t key[5])
{
    key[0] = 'f';
    for (int i = 0; i < 4; i++) key[1 + i] = (uint8_t)(id >> (24 - 8 * i));
    return th_slice_of(key, 5);
}

static uint64_t value_hash(th_slice key, uint64_t check)
{
    return store_chain_next(0, key, check);
}

typedef struct edit {
    th_store *store;
    MDB_txn *txn;
    store_counts counts;
    char path[TH_PATH_SIZE_MAX];
} edit;

static th_err edit_fail(edit *e, th_diag *diag, int rc)
{
    if (rc == EIO && store_disk_is_full(e->path, 0)) rc = ENOSPC;
    return store_lmdb_fail(diag, rc, "write", e->path);
}

/* Take the value of key out of the counts; *found says whether there is one. */
static th_err edit_uncount(edit *e, th_slice key, bool *found, th_diag *diag)
{
    MDB_val k = store_val(key), v;
    int rc = mdb_get(e->txn, e->store->catalog.env.dbi, &k, &v);
    *found = rc == 0;
    if (rc == MDB_NOTFOUND) return TH_OK;
    if (rc != 0) return edit_fail(e, diag, rc);
    if (v.mv_size < STORE_HEADER)
        return th_fail(diag, TH_ECORRUPT, NULL, "%s: a value is cut off", e->path);
    store_header header;
    memcpy(&header, v.mv_data, STORE_HEADER);
    e->counts.values--;
    e->counts.sum -= value_hash(key, header.check);
    return TH_OK;
}

static th_err edit_put_raw(edit *e, th_slice key, store_value_type type, th_slice payload,
                           uint64_t *check, th_diag *diag)
{
    store_header header = {.type = (uint8_t)type};
    store_value_seal(&header, key, TH_SLICE(""), payload);
    uint8_t value[VALUE_MAX];
    size_t size = store_value_size(payload.size);
    TH_ASSERT(size <= sizeof(value) && key.size <= KEY_MAX);
    store_value_write(value, size, &header, TH_SLICE(""), payload);
    MDB_val k = store_val(key), v = {size, value};
    int rc = mdb_put(e->txn, e->store->catalog.env.dbi, &k, &v, 0);
    *check = header.check;
    return rc == 0 ? TH_OK : edit_fail(e, diag, rc);
}

static th_err edit_put(edit *e, th_slice key, store_value_type type, th_slice payload,
                       th_diag *diag)
{
    bool found;
    uint64_t check;
    TH_TRY(edit_uncount(e, key, &found, diag));
    TH_TRY(edit_put_raw(e, key, type, payload, &check, diag));
    e->counts.values++;
    e->counts.sum += value_hash(key, check);
    return TH_OK;
}

static th_err edit_drop(edit *e, th_slice key, th_diag *diag)
{
    bool found;
    TH_TRY(edit_uncount(e, key, &found, diag));
    if (!found) return TH_OK;
    MDB_val k = store_val(key);
    int rc = mdb_del(e->txn, e->store->catalog.env.dbi, &k, NULL);
    return rc == 0 ? TH_OK : edit_fail(e, diag, rc);
}

/* Takes the catalog's lock until edit_end. */
static th_err edit_begin(edit *e, th_store *store, th_diag *diag)
{
    e->store = store;
    e->txn = NULL;
    store_path(store, "catalog.mdb", e->path);
    pthread_mutex_lock(&store->catalog.lock);
    e->counts = store->catalog.counts;
    int rc = mdb_txn_begin(store->catalog.env.env, NULL, 0, &e->txn);
    return rc == 0 ? TH_OK : edit_fail(e, diag, rc);
}

static th_err edit_end(edit *e, th_err err, th_diag *diag)
{
    th_buf counts;
    th_buf_init(&counts, VALUE_MAX);
    if (err == TH_OK) {
        e->counts.commits++;
        store_counts_encode(&e->counts, &counts);
        uint64_t check;
        err = th_buf_error(&counts);
        if (err == TH_OK)
            err = edit_put_raw(e, TH_SLICE(COUNTS_KEY), STORE_VALUE_COUNTS, th_buf_slice(&counts),
                               &check, diag);
    }
    if (err == TH_OK) {
        int rc = mdb_txn_commit(e->txn);
        e->txn = NULL;
        if (rc != 0)
            err = edit_fail(e, diag, rc);
        else
            e->store->catalog.counts = e->counts;
    }
    if (e->txn != NULL) mdb_txn_abort(e->txn);
    pthread_mutex_unlock(&e->store->catalog.lock);
    th_buf_free(&counts);
    return err;
}

static th_err put_file(edit *e, const store_file_info *info, th_diag *diag)
{
    uint8_t key[5];
    th_buf payload;
    th_buf_init(&payload, VALUE_MAX);
    store_file_encode(info, &payload);
    th_err err = th_buf_error(&payload);
    if (err == TH_OK)
        err = edit_put(e, file_key(info->id, key), STORE_VALUE_FILE, th_buf_slice(&payload), diag);
    th_buf_free(&payload);
    return err;
}

th_err store_catalog_commit(th_store *store, const store_file_info *puts, uint32_t put_count,
                            const uint32_t *drops, uint32_t drop_count, th_diag *diag)
{
    edit e;
    th_err err = edit_begin(&e, store, diag);
    for (uint32_t i = 0; i < put_count && err == TH_OK; i++) err = put_file(&e, &puts[i], diag);
    for (uint32_t i = 0; i < drop_count && err == TH_OK; i++) {
        uint8_t key[5];
        err = edit_drop(&e, file_key(drops[i], key), diag);
    }
    return edit_end(&e, err, diag);
}

uint32_t store_catalog_next_id(th_store *store)
{
    pthread_mutex_lock(&store->catalog.lock);
    uint32_t id = store->catalog.counts.next_id++;
    pthread_mutex_unlock(&store->catalog.lock);
    return id;
}

static th_err write_format(th_store *store, uint64_t secret_check, th_diag *diag)
{
    edit e;
    th_buf payload;
    th_buf_init(&payload, VALUE_MAX);
    th_buf_add_u32(&payload, TH_FORMAT_VERSION);
    th_buf_add_u64(&payload, secret_check);
    th_err err = th_buf_error(&payload);
    if (err == TH_OK) {
        err = edit_begin(&e, store, diag);
        if (err == TH_OK)
            err = edit_put(&e, TH_SLICE(FORMAT_KEY), STORE_VALUE_FORMAT, th_buf_slice(&payload),
                           diag);
        err = edit_end(&e, err, diag);
    }
    th_buf_free(&payload);
    return err;
}

th_err store_catalog_create(th_store *store, uint64_t secret_check, th_diag *diag)
{
    char temporary[TH_PATH_SIZE_MAX], place[TH_PATH_SIZE_MAX], tmp[TH_PATH_SIZE_MAX];
    store_path(store, "tmp/catalog.mdb", temporary);
    store_path(store, "tmp", tmp);
    store_path(store, "catalog.mdb", place);
    store->catalog.counts = (store_counts){.next_id = 1};
    TH_TRY(store_env_open(temporary, 0, STORE_CATALOG_MAP, &store->catalog.env, diag));
    th_err err = write_format(store, secret_check, diag);
    if (err == TH_OK) {
        int rc = mdb_env_sync(store->catalog.env.env, 1);
        if (rc != 0) err = store_lmdb_fail(diag, rc, "write", temporary);
    }
    store_env_close(&store->catalog.env);
    TH_TRY(err);
    TH_TRY(th_os_rename(temporary, place, diag));
    TH_TRY(th_os_fsync_dir(tmp, diag));
    return th_os_fsync_dir(store->dir, diag);
}

/* ---- open ------------------------------------------------------------------------------------------------------------ */

typedef th_err (*value_fn)(void *ctx, th_slice key, const store_header *header, th_slice payload,
                           th_diag *diag);

static th_err check_value(th_slice key, th_slice value, store_header *header, th_slice *payload,
                          th_diag *diag)
{
    th_slice head;
    if (value.size < STORE_HEADER)
        return th_fail(diag, TH_ECORRUPT, NULL, "the catalog is damaged: a value is cut off");
    memcpy(header, value.bytes, STORE_HEADER);
    return store_value_open(value, key, header->type, header, &head, payload, diag);
}

/* All values but the counts, checked; then the counts against them. */
static th_err each_value(th_store *store, value_fn fn, void *ctx, store_counts *counts,
                         th_diag *diag)
{
    store_env *env = &store->catalog.env;
    MDB_txn *txn;
    TH_TRY(store_env_read(env, &txn, diag));
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, env->dbi, &cursor);
    th_err err = rc == 0 ? TH_OK : store_lmdb_fail(diag, rc, "read", "the catalog");
    store_counts seen = {0}, said = {0};
    MDB_val k, v;
    while (err == TH_OK && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        th_slice key = store_val_slice(&k), payload;
        store_header header;
        err = check_value(key, store_val_slice(&v), &header, &payload, diag);
        if (err == TH_OK && header.type == STORE_VALUE_COUNTS) {
            err = store_counts_decode(payload, &said, diag);
        } else if (err == TH_OK) {
            seen.values++;
            seen.sum += value_hash(key, header.check);
            err = fn(ctx, key, &header, payload, diag);
        }
    }
    if (cursor != NULL) mdb_cursor_close(cursor);
    store_env_read_done(env, txn);
    if (err == TH_OK && rc != MDB_NOTFOUND) err = store_lmdb_fail(diag, rc, "read", "the catalog");
    if (err == TH_OK && (seen.values != said.values || seen.sum != said.sum))
        err = th_fail(diag, TH_ECORRUPT, NULL,
                      "the catalog is damaged: it has %llu values, not the %llu it says",
                      (unsigned long long)seen.values, (unsigned long long)said.values);
    if (err == TH_OK) *counts = said;
    return err;
}

typedef struct format_check {
    bool found;
    uint32_t version;
    uint64_t secret_check;
} format_check;

static th_err look_for_format(void *ctx, th_slice key, const store_header *header, th_slice payload,
                              th_diag *diag)
{
    format_check *check = ctx;
    (void)key;
    if (header->type != STORE_VALUE_FORMAT) return TH_OK;
    th_reader r = th_reader_of(payload);
    uint32_t version = th_take_u32(&r);
    check->found = true;
    check->version = version;
    check->secret_check = th_take_u64(&r);
    if (!r.bad && version > TH_FORMAT_VERSION)
        return th_fail(diag, TH_EVERSION, NULL,
                       "the data folder has format %u, this program reads up to %u", version,
                       TH_FORMAT_VERSION);
    return r.bad
               ? th_fail(diag, TH_ECORRUPT, NULL, "the catalog is damaged: its version is cut off")
               : TH_OK;
}

th_err store_catalog_open(th_store *store, uint64_t secret_check, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    store_path(store, "catalog.mdb", path);
    TH_TRY(store_env_open(path, 0, STORE_CATALOG_MAP, &store->catalog.env, diag));
    format_check check = {0};
    th_err err = each_value(store, look_for_format, &check, &store->catalog.counts, diag);
    if (err == TH_OK && !check.found)
        err = th_fail(diag, TH_ECORRUPT, NULL, "the catalog is damaged: it has no version");
    if (err == TH_OK && check.secret_check != secret_check)
        err = th_fail(diag, TH_ECORRUPT, NULL,
                      "keys/store.secret is not the one this data folder was made with");
    /* From now on the folder may hold what programs of the version before do not know. */
    if (err == TH_OK && check.version < TH_FORMAT_VERSION)
        err = write_format(store, secret_check, diag);
    return err;
}

typedef struct each_file {
    store_catalog_fn fn;
    void *ctx;
} each_file;

static th_err hand_file(void *ctx, th_slice key, const store_header *header, th_slice payload,
                        th_diag *diag)
{
    each_file *each = ctx;
    if (header->type != STORE_VALUE_FILE) return TH_OK;
    if (key.size != 5 || key.bytes[0] != 'f')
        return th_fail(diag, TH_ECORRUPT, NULL, "the catalog is damaged: a file has a wrong key");
    uint32_t id = 0;
    for (int i = 1; i < 5; i++) id = id << 8 | key.bytes[i];
    store_file_info info;
    TH_TRY(store_file_decode(id, payload, &info, diag));
    return each->fn(each->ctx, &info, diag);
}

th_err store_catalog_each_file(th_store *store, store_catalog_fn fn, void *ctx, th_diag *diag)
{
    each_file each = {fn, ctx};
    store_counts ignored;
    return each_value(store, hand_file, &each, &ignored, diag);
}

/* ---- settings --------------------------------------------------------------------------------------------------------- */

static th_slice setting_key(const char *name, uint8_t key[KEY_MAX])
{
    size_t size = strlen(name);
    if (size == 0 || size >= KEY_MAX) return (th_slice){NULL, 0};
    key[0] = 's';
    memcpy(key + 1, name, size);
    return th_slice_of(key, size + 1);
}

th_err th_store_setting_get(th_store *store, const char *name, th_buf *out)
{
    uint8_t bytes[KEY_MAX];
    th_slice key = setting_key(name, bytes);
    if (key.size == 0) return TH_EINVAL;
    MDB_txn *txn;
    TH_TRY(store_env_read(&store->catalog.env, &txn, NULL));
    MDB_val k = store_val(key), v;
    int rc = mdb_get(txn, store->catalog.env.dbi, &k, &v);
    th_err err = rc == MDB_NOTFOUND ? TH_ENOTFOUND : rc == 0 ? TH_OK : TH_EIO;
    if (err == TH_OK) {
        store_header header;
        th_slice head, payload;
        err = store_value_open(store_val_slice(&v), key, STORE_VALUE_SETTING, &header, &head,
                               &payload, NULL);
        if (err == TH_OK) {
            th_buf_add_slice(out, payload);
            err = th_buf_error(out);
        }
    }
    store_env_read_done(&store->catalog.env, txn);
    return err;
}

th_err th_store_setting_put(th_store *store, const char *name, th_slice value, th_diag *diag)
{
    uint8_t bytes[KEY_MAX];
    th_slice key = setting_key(name, bytes);
    if (key.size == 0)
        return th_fail(diag, TH_EINVAL, NULL, "a setting's name has 1 to %d bytes", KEY_MAX - 1);
    if (value.size >= 1024)
        return th_fail(diag, TH_ELIMIT, NULL, "a setting has less than 1024 bytes, not %zu",
                       value.size);
    edit e;
    th_err err = edit_begin(&e, store, diag);
    if (err == TH_OK) err = edit_put(&e, key, STORE_VALUE_SETTING, value, diag);
    return edit_end(&e, err, diag);
}

/* ---- copy ------------------------------------------------------------------------------------------------------------- */

static const char COPY_MAGIC[] = {'T', 'H', 'C', 'O', 'P', 'Y', '1', '\n'};

static th_err add_to_copy(void *ctx, th_slice key, const store_header *header, th_slice payload,
                          th_diag *diag)
{
    th_buf *out = ctx;
    (void)diag;
    th_buf_add_u32(out, (uint32_t)key.size);
    th_buf_add_u32(out, (uint32_t)(STORE_HEADER + payload.size));
    th_buf_add_slice(out, key);
    th_buf_add(out, header, STORE_HEADER);
    th_buf_add_slice(out, payload);
    return th_buf_error(out);
}

th_err store_catalog_copy(th_store *store, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    store_path(store, "catalog.copy", path);
    th_buf out;
    th_buf_init(&out, COPY_MAX);
    th_buf_add(&out, COPY_MAGIC, sizeof(COPY_MAGIC));
    store_counts counts;
    th_err err = each_value(store, add_to_copy, &out, &counts, diag);
    if (err == TH_OK) {
        store_counts_encode(&counts, &out);
        th_buf_add_u64(&out, th_xxh3(th_buf_slice(&out)));
        err = th_buf_error(&out);
    }
    if (err == TH_OK) err = th_os_write_file(path, th_buf_slice(&out), 0600, diag);
    th_buf_free(&out);
    return err;
}

th_err store_catalog_copy_check(th_store *store, th_diag *diag)
{
    char path[TH_PATH_SIZE_MAX];
    store_path(store, "catalog.copy", path);
    th_buf in;
    th_buf_init(&in, COPY_MAX);
    th_err err = th_os_read_file(path, &in, diag);
    if (err == TH_OK) {
        uint64_t check = 0;
        bool good = in.size >= sizeof(COPY_MAGIC) + 8 &&
                    memcmp(in.bytes, COPY_MAGIC, sizeof(COPY_MAGIC)) == 0;
        if (good) memcpy(&check, in.bytes + in.size - 8, 8);
        if (!good || check != th_xxh3(th_slice_of(in.bytes, in.size - 8)))
            err = th_fail(diag, TH_ECORRUPT, NULL, "catalog.copy is damaged");
    } else if (err == TH_ENOTFOUND) {
        th_diag_clear(diag);
        err = TH_OK;
    }
    th_buf_free(&in);
    return err;
}
