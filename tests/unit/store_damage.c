/* SPDX-License-Identifier: Apache-2.0
 * store: damage on disk is found, named, and kept from spreading; what a later program wrote is refused in words. */
#include "tests/unit/store_help.h"

#include <fcntl.h>
#include <lmdb.h>

enum { DAY = 20000 };

typedef struct damage {
    int count;
    char file[128], what[256];
} damage;

static void note(void *ctx, const char *file, const char *what)
{
    damage *d = ctx;
    if (d->count++ == 0) {
        (void)snprintf(d->file, sizeof(d->file), "%s", file);
        (void)snprintf(d->what, sizeof(d->what), "%s", what);
    }
}

static damage verify(th_store *store)
{
    damage d = {0};
    uint64_t bytes = 0;
    th_diag diag = {0};
    if (th_store_verify(store, note, &d, NULL, &bytes, &diag) != TH_OK)
        FAIL("verify: %s", diag.text);
    return d;
}

/* A store with one sealed file of cloudtrail, closed; its path. */
static void make_sealed(char path[256])
{
    help_new_dir();
    th_store *store = help_open();
    for (uint64_t i = 0; i < 4; i++) (void)help_commit(store, DAY, i * 500, 500);
    th_diag diag = {0};
    CHECK(th_store_compact(store, NULL, NULL, &diag) == TH_OK);
    CHECK_EQ_I64(verify(store).count, 0);
    th_store_close(store);
    char command[300];
    (void)snprintf(command, sizeof(command), "ls %s/parts/cloudtrail/default/*.mdb", help_dir);
    FILE *f = popen(command, "r");
    CHECK(f != NULL && fgets(path, 256, f) != NULL);
    pclose(f);
    path[strcspn(path, "\n")] = 0;
}

static void flip(const char *path, uint64_t offset, int bit)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)offset) == 1);
    byte ^= (uint8_t)(1 << bit);
    CHECK(pwrite(fd, &byte, 1, (off_t)offset) == 1);
    close(fd);
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    CHECK(stat(path, &st) == 0);
    return (uint64_t)st.st_size;
}

TEST(every_flipped_bit_of_a_sealed_file_is_found)
{
    char path[256];
    make_sealed(path);
    uint64_t size = size_of(path), state = 42;
    for (int i = 0; i < 120; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t offset = i < 40 ? (uint64_t)i * 3 : (state >> 20) % size;
        flip(path, offset, i % 8);
        th_store *store = help_open();
        if (verify(store).count == 0)
            FAIL("bit %d of byte %llu of %llu was not found", i % 8, (unsigned long long)offset,
                 (unsigned long long)size);
        th_store_close(store);
        flip(path, offset, i % 8);
    }
    th_store *store = help_open();
    CHECK_EQ_I64(verify(store).count, 0);
    th_store_close(store);
}

static th_err count_one(void *ctx, size_t which, const th_record_id *id)
{
    (void)which;
    (void)id;
    (*(int *)ctx)++;
    return TH_OK;
}

TEST(a_damaged_file_is_named_and_the_rest_answers)
{
    char path[256];
    make_sealed(path);
    th_store *store = help_open();
    (void)help_commit(store, DAY + 100, 9000, 5);
    th_store_close(store);
    flip(path, 3 * 4096 + 2000, 3); /* a value's page */
    store = help_open();
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(8 << 20, NULL);
    th_record_id id = {.table = TH_TABLE_cloudtrail, .day = DAY, .seq = 10};
    th_slice record;
    th_diag diag = {0};
    CHECK_EQ_I64(th_version_record(version, &id, arena, &record, NULL, &diag), TH_ECORRUPT);
    CHECK(strstr(diag.text, "parts/cloudtrail/default/2024-10-04..2024-10-04.g") != NULL);
    help_check_record(version, DAY + 100, 0, 9000);
    /* Its identities are not in the way of storing them again. */
    uint64_t fingerprint = help_fingerprint(store, 9000);
    int found = 0;
    CHECK_EQ_I64(
        th_version_find(version, TH_TABLE_cloudtrail, 0, &fingerprint, 1, count_one, &found, &diag),
        TH_OK);
    CHECK_EQ_I64(found, 1);
    th_version_release(version);
    /* Its sequences are not given out again. */
    (void)help_commit(store, DAY, 7777, 1);
    version = th_store_version(store);
    help_check_record(version, DAY, 2000, 7777);
    th_version_release(version);
    th_arena_free(arena);
    th_store_close(store);
}

TEST(a_missing_or_cut_file_is_damage)
{
    char path[256];
    make_sealed(path);
    uint64_t size = size_of(path);
    CHECK(truncate(path, (off_t)(size - 4096)) == 0);
    th_store *store = help_open();
    CHECK(verify(store).count > 0);
    th_store_close(store);
    CHECK(unlink(path) == 0);
    store = help_open();
    CHECK(verify(store).count > 0);
    (void)help_commit(store, DAY, 1, 1);
    th_store_close(store);
}

TEST(damage_in_a_journal_is_found)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 2000);
    (void)help_commit(store, DAY, 2000, 2000);
    th_store_close(store);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/journal/000001.mdb", help_dir);
    uint64_t size = size_of(path);
    int found = 0, tried = 0;
    for (uint64_t offset = 4 * 4096 + 300; offset < size; offset += 4096, tried++) {
        flip(path, offset, 2);
        th_diag diag = {0};
        th_store_options options = {.no_background = true};
        store = NULL;
        th_err err = th_store_open(help_dir, &options, &store, NULL, &diag);
        if (err == TH_ECORRUPT || (err == TH_OK && verify(store).count > 0)) found++;
        th_store_close(store);
        flip(path, offset, 2);
    }
    CHECK(tried > 4 && found >= tried - 4); /* unused bytes of tree pages change nothing */
}

/* ---- versions and keys --------------------------------------------------------------------------------------------------- */

TEST(another_secret_is_refused)
{
    help_new_dir();
    th_store_close(help_open());
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/keys/store.secret", help_dir);
    flip(path, 5, 1);
    th_store *store;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_open(help_dir, NULL, &store, NULL, &diag), TH_ECORRUPT);
    CHECK(strstr(diag.text, "store.secret") != NULL);
}

TEST(a_later_format_is_refused_in_words)
{
    help_new_dir();
    th_store_close(help_open());
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/catalog.mdb", help_dir);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    CHECK(mdb_env_create(&env) == 0 && mdb_env_open(env, path, MDB_NOSUBDIR, 0600) == 0);
    CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, NULL, 0, &dbi) == 0);
    MDB_val key = {7, "!format"}, value;
    CHECK(mdb_get(txn, dbi, &key, &value) == 0);
    uint8_t copy[2000];
    size_t size = value.mv_size;
    CHECK(size < sizeof(copy));
    memcpy(copy, value.mv_data, size);
    copy[4] = 99; /* the value's version */
    value = (MDB_val){size, copy};
    CHECK(mdb_put(txn, dbi, &key, &value, 0) == 0 && mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
    th_store *store;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_open(help_dir, NULL, &store, NULL, &diag), TH_EVERSION);
    CHECK(strstr(diag.text, "format 99") != NULL);
}

TEST(a_lost_catalog_is_not_made_anew)
{
    help_new_dir();
    th_store_close(help_open());
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/catalog.mdb", help_dir);
    CHECK(unlink(path) == 0);
    th_store_options options = {.create = true};
    th_store *store;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_open(help_dir, &options, &store, NULL, &diag), TH_ECORRUPT);
    CHECK(strstr(diag.text, "catalog.mdb is missing") != NULL);
}

TEST(a_lost_catalog_value_is_noticed)
{
    help_new_dir();
    th_store_close(help_open());
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/catalog.mdb", help_dir);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    CHECK(mdb_env_create(&env) == 0 && mdb_env_open(env, path, MDB_NOSUBDIR, 0600) == 0);
    CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, NULL, 0, &dbi) == 0);
    MDB_val key = {5, "f\0\0\0\1"};
    CHECK(mdb_del(txn, dbi, &key, NULL) == 0 && mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
    th_store *store;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_open(help_dir, NULL, &store, NULL, &diag), TH_ECORRUPT);
}

TEST_MAIN(every_flipped_bit_of_a_sealed_file_is_found, a_damaged_file_is_named_and_the_rest_answers,
          a_missing_or_cut_file_is_damage, damage_in_a_journal_is_found, another_secret_is_refused,
          a_later_format_is_refused_in_words, a_lost_catalog_is_not_made_anew,
          a_lost_catalog_value_is_noticed)
