/* SPDX-License-Identifier: Apache-2.0
 * A small key-value file of its own: plugin state, which is overwritten, unlike all else here. */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/store_private.h"

struct th_kv {
    store_env env;
    pthread_mutex_t lock; /* one writer */
    char path[TH_PATH_SIZE_MAX];
};

enum { KV_KEY_MAX = 511 };

th_err th_kv_open(const char *path, uint64_t map_bytes, th_kv **out, th_diag *diag)
{
    size_t size = strlen(path);
    if (size == 0 || size >= TH_PATH_SIZE_MAX)
        return th_fail(diag, TH_EINVAL, NULL, "the name of a state file has %zu bytes", size);
    th_os_stat st;
    bool is_new = th_os_stat_path(path, false, &st, NULL) != TH_OK;
    th_kv *kv = calloc(1, sizeof(*kv));
    if (kv == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a state file");
    memcpy(kv->path, path, size + 1);
    th_err err = store_env_open(path, 0, map_bytes, &kv->env, diag);
    if (err == TH_OK && is_new) {
        /* LMDB syncs neither a new file nor its folder. */
        char folder[TH_PATH_SIZE_MAX];
        memcpy(folder, path, size + 1);
        char *slash = strrchr(folder, '/');
        if (slash != NULL) *slash = 0;
        int rc = mdb_env_sync(kv->env.env, 1);
        err = rc == 0 ? th_os_fsync_dir(slash != NULL ? folder : ".", diag)
                      : store_lmdb_fail(diag, rc, "write", path);
    }
    if (err != TH_OK) {
        store_env_close(&kv->env);
        free(kv);
        return err;
    }
    pthread_mutex_init(&kv->lock, NULL);
    *out = kv;
    return TH_OK;
}

void th_kv_close(th_kv *kv)
{
    if (kv == NULL) return;
    store_env_close(&kv->env);
    pthread_mutex_destroy(&kv->lock);
    free(kv);
}

th_err th_kv_get(th_kv *kv, th_slice key, th_arena *arena, th_slice *value)
{
    if (key.size == 0 || key.size > KV_KEY_MAX) return TH_ENOTFOUND;
    MDB_txn *txn;
    TH_TRY(store_env_read(&kv->env, &txn, NULL));
    MDB_val k = store_val(key), v;
    int rc = mdb_get(txn, kv->env.dbi, &k, &v);
    th_err err = rc == 0              ? TH_OK
                 : rc == MDB_NOTFOUND ? TH_ENOTFOUND
                                      : store_lmdb_fail(NULL, rc, "read", kv->path);
    if (err == TH_OK) {
        th_slice copy = th_arena_copy(arena, store_val_slice(&v));
        err = copy.bytes == NULL ? TH_ELIMIT : TH_OK;
        if (err == TH_OK) *value = copy;
    }
    store_env_read_done(&kv->env, txn);
    return err;
}

/* fn is called inside a read transaction: the pair is valid during the call. */
th_err th_kv_each(th_kv *kv, th_slice prefix, th_kv_fn fn, void *ctx)
{
    MDB_txn *txn;
    TH_TRY(store_env_read(&kv->env, &txn, NULL));
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, kv->env.dbi, &cursor);
    if (rc != 0) {
        store_env_read_done(&kv->env, txn);
        return store_lmdb_fail(NULL, rc, "read", kv->path);
    }
    MDB_val k = store_val(prefix), v;
    th_err err = TH_OK;
    rc = mdb_cursor_get(cursor, &k, &v, prefix.size == 0 ? MDB_FIRST : MDB_SET_RANGE);
    while (rc == 0 && err == TH_OK && th_slice_starts(store_val_slice(&k), prefix)) {
        err = fn(ctx, store_val_slice(&k), store_val_slice(&v));
        if (err == TH_OK) rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    store_env_read_done(&kv->env, txn);
    if (err == TH_OK && rc != 0 && rc != MDB_NOTFOUND)
        err = store_lmdb_fail(NULL, rc, "read", kv->path);
    return err;
}

static th_err put_all(th_kv *kv, MDB_txn *txn, const th_kv_put *puts, size_t count, th_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        if (puts[i].key.size == 0 || puts[i].key.size > KV_KEY_MAX)
            return th_fail(diag, TH_EINVAL, NULL, "a state key has 1 to %d bytes, not %zu",
                           KV_KEY_MAX, puts[i].key.size);
        MDB_val k = store_val(puts[i].key), v = store_val(puts[i].value);
        int rc = puts[i].value.bytes == NULL ? mdb_del(txn, kv->env.dbi, &k, NULL)
                                             : mdb_put(txn, kv->env.dbi, &k, &v, 0);
        if (rc == MDB_MAP_FULL)
            return th_fail(diag, TH_ELIMIT, NULL, "the state file %s has reached its size limit",
                           kv->path);
        if (rc != 0 && rc != MDB_NOTFOUND) return store_lmdb_fail(diag, rc, "write", kv->path);
    }
    return TH_OK;
}

th_err th_kv_commit(th_kv *kv, const th_kv_put *puts, size_t count, th_diag *diag)
{
    if (count == 0) return TH_OK;
    pthread_mutex_lock(&kv->lock);
    MDB_txn *txn;
    int rc = mdb_txn_begin(kv->env.env, NULL, 0, &txn);
    th_err err = rc == 0 ? put_all(kv, txn, puts, count, diag) : TH_OK;
    if (rc == 0 && err == TH_OK)
        rc = mdb_txn_commit(txn);
    else if (rc == 0)
        mdb_txn_abort(txn);
    if (rc == EIO && store_disk_is_full(kv->path, 0)) rc = ENOSPC;
    if (rc == MDB_MAP_FULL)
        err = th_fail(diag, TH_ELIMIT, NULL, "the state file %s has reached its size limit",
                      kv->path);
    else if (rc != 0)
        err = store_lmdb_fail(diag, rc, "write", kv->path);
    pthread_mutex_unlock(&kv->lock);
    return err;
}
