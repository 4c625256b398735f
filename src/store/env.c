/* SPDX-License-Identifier: Apache-2.0
 * LMDB environments: one open per file and process, descriptors closed on exec, short read transactions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "store/store_private.h"

/* POSIX record locks of LMDB are lost when the same file is closed anywhere else in the process: a second open of a
 * file that may be written is a mistake of ours, found here. */
typedef struct open_file {
    uint64_t device, inode;
} open_file;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static open_file *registry;
static size_t registry_count, registry_capacity;

static bool registry_add(uint64_t device, uint64_t inode)
{
    bool added = true;
    pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_count; i++)
        added = added && !(registry[i].device == device && registry[i].inode == inode);
    if (added && registry_count == registry_capacity) {
        size_t capacity = registry_capacity == 0 ? 16 : registry_capacity * 2;
        open_file *bigger = realloc(registry, capacity * sizeof(*bigger));
        added = bigger != NULL;
        if (added) {
            registry = bigger;
            registry_capacity = capacity;
        }
    }
    if (added) registry[registry_count++] = (open_file){device, inode};
    pthread_mutex_unlock(&registry_lock);
    return added;
}

static void registry_remove(uint64_t device, uint64_t inode)
{
    pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_count; i++) {
        if (registry[i].device == device && registry[i].inode == inode) {
            registry[i] = registry[--registry_count];
            break;
        }
    }
    if (registry_count == 0) {
        free(registry);
        registry = NULL;
        registry_capacity = 0;
    }
    pthread_mutex_unlock(&registry_lock);
}

MDB_val store_val(th_slice s)
{
    return (MDB_val){s.size, (void *)(uintptr_t)s.bytes};
}

th_slice store_val_slice(const MDB_val *val)
{
    return th_slice_of(val->mv_data, val->mv_size);
}

bool store_disk_is_full(const char *path, uint64_t wanted)
{
    uint64_t bytes = 0;
    th_diag ignored = {0};
    return th_os_disk_free(path, &bytes, &ignored) == TH_OK && bytes < wanted + STORE_DISK_SLACK;
}

th_err store_lmdb_fail(th_diag *diag, int rc, const char *what, const char *path)
{
    switch (rc) {
    case ENOMEM: return th_fail(diag, TH_ENOMEM, NULL, "no memory to %s %s", what, path);
    case ENOSPC:
    case EDQUOT:
        return th_fail(diag, TH_ENOSPC, NULL, "cannot %s %s: the disk is full", what, path);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_BAD_VALSIZE:
        return th_fail(diag, TH_ECORRUPT, NULL, "cannot %s %s: the file is damaged (%s)", what,
                       path, mdb_strerror(rc));
    case MDB_VERSION_MISMATCH:
        return th_fail(diag, TH_EVERSION, NULL, "cannot %s %s: it has another LMDB format", what,
                       path);
    default: return th_fail(diag, TH_EIO, NULL, "cannot %s %s: %s", what, path, mdb_strerror(rc));
    }
}

static th_err open_mdb(const char *path, unsigned flags, uint64_t map_bytes, store_env *env,
                       th_diag *diag)
{
    int rc = mdb_env_create(&env->env);
    if (rc != 0) return store_lmdb_fail(diag, rc, "open", path);
    map_bytes = (map_bytes + STORE_PAGE - 1) / STORE_PAGE * STORE_PAGE;
    rc = mdb_env_set_mapsize(env->env, map_bytes);
    if (rc == 0) rc = mdb_env_set_maxreaders(env->env, 510);
    if (rc == 0) rc = mdb_env_open(env->env, path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600);
    if (rc != 0) return store_lmdb_fail(diag, rc, "open", path);
    rc = mdb_env_get_fd(env->env, &env->fd);
    TH_ASSERT(rc == 0);
    (void)fcntl(env->fd, F_SETFD, FD_CLOEXEC); /* the one descriptor that LMDB opens without it */
    struct stat st;
    if (fstat(env->fd, &st) != 0) return th_fail(diag, TH_EIO, NULL, "cannot look at %s", path);
    env->device = st.st_dev;
    env->inode = st.st_ino;
    MDB_stat stat;
    MDB_envinfo info;
    (void)mdb_env_stat(env->env, &stat);
    (void)mdb_env_info(env->env, &info);
    if (stat.ms_psize != STORE_PAGE)
        return th_fail(diag, TH_EUNSUPPORTED, NULL, "%s has pages of %u bytes, not %u", path,
                       stat.ms_psize, STORE_PAGE);
    /* A shorter file would end the process when its missing pages are touched. */
    if (info.me_last_pgno > 1 &&
        ((uint64_t)info.me_last_pgno + 1) * STORE_PAGE > (uint64_t)st.st_size)
        return th_fail(diag, TH_ECORRUPT, NULL, "%s is cut off", path);
    return TH_OK;
}

static th_err open_dbi(store_env *env, const char *path, th_diag *diag)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0) {
        rc = mdb_dbi_open(txn, NULL, 0, &env->dbi);
        if (rc == 0)
            rc = mdb_txn_commit(txn);
        else
            mdb_txn_abort(txn);
    }
    return rc == 0 ? TH_OK : store_lmdb_fail(diag, rc, "open", path);
}

th_err store_env_open(const char *path, unsigned flags, uint64_t map_bytes, store_env *out,
                      th_diag *diag)
{
    store_env env = {.fd = -1, .read_only = (flags & MDB_RDONLY) != 0};
    th_os_stat st;
    th_err err = th_os_stat_path(path, false, &st, diag);
    if (err == TH_OK && !env.read_only)
        TH_ASSERT(registry_add(st.device, st.inode));
    else if (err != TH_OK && (err != TH_ENOTFOUND || env.read_only))
        return err;
    bool registered = err == TH_OK && !env.read_only;
    if (err == TH_ENOTFOUND) th_diag_clear(diag);
    err = open_mdb(path, flags, map_bytes, &env, diag);
    if (err == TH_OK) err = open_dbi(&env, path, diag);
    if (err == TH_OK && !env.read_only && !registered)
        TH_ASSERT(registry_add(env.device, env.inode));
    if (err != TH_OK) {
        if (env.env != NULL) mdb_env_close(env.env);
        if (registered) registry_remove(st.device, st.inode);
        return err;
    }
    *out = env;
    pthread_mutex_init(&out->lock, NULL);
    return TH_OK;
}

/* Only this process opens the file, so LMDB's table of readers is of no use after it. */
static void remove_lock(const char *path)
{
    char lock[TH_PATH_SIZE_MAX + 8];
    th_diag ignored = {0};
    (void)snprintf(lock, sizeof(lock), "%s-lock", path);
    (void)!th_os_unlink(lock, &ignored);
}

void store_env_close(store_env *env)
{
    if (env->env == NULL) return;
    char path[TH_PATH_SIZE_MAX] = "";
    const char *of_env;
    if (!env->read_only && mdb_env_get_path(env->env, &of_env) == 0)
        (void)snprintf(path, sizeof(path), "%s", of_env);
    for (uint32_t i = 0; i < env->pooled; i++) mdb_txn_abort(env->pool[i]);
    mdb_env_close(env->env);
    if (path[0] != 0) remove_lock(path);
    if (!env->read_only) registry_remove(env->device, env->inode);
    pthread_mutex_destroy(&env->lock);
    env->env = NULL;
}

th_err store_env_read(store_env *env, MDB_txn **txn, th_diag *diag)
{
    MDB_txn *pooled = NULL;
    pthread_mutex_lock(&env->lock);
    if (env->pooled > 0) pooled = env->pool[--env->pooled];
    pthread_mutex_unlock(&env->lock);
    int rc =
        pooled != NULL ? mdb_txn_renew(pooled) : mdb_txn_begin(env->env, NULL, MDB_RDONLY, &pooled);
    if (rc != 0) {
        if (pooled != NULL) mdb_txn_abort(pooled);
        return store_lmdb_fail(diag, rc, "read", "a live file");
    }
    *txn = pooled;
    return TH_OK;
}

void store_env_read_done(store_env *env, MDB_txn *txn)
{
    mdb_txn_reset(txn);
    pthread_mutex_lock(&env->lock);
    bool kept = env->pooled < sizeof(env->pool) / sizeof(env->pool[0]);
    if (kept) env->pool[env->pooled++] = txn;
    pthread_mutex_unlock(&env->lock);
    if (!kept) mdb_txn_abort(txn);
}

void store_env_find_base(store_env *env, const MDB_val *key)
{
    /* A key lies in its leaf page, which begins with its page number. */
    const uint8_t *page = (const uint8_t *)((uintptr_t)key->mv_data & ~(uintptr_t)(STORE_PAGE - 1));
    uint64_t number;
    memcpy(&number, page, sizeof(number));
    env->base = page - number * STORE_PAGE;
}
