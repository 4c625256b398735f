/* SPDX-License-Identifier: Apache-2.0
 * store: one past each limit is an error in words; a full disk loses nothing that was answered. */
#include "base/limits.h"
#include "tests/unit/store_help.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { DAY = 20000, DAYS_MAX = 1 << 17 };

/* One past the number of (table, day) pairs. */
TEST(a_write_takes_so_many_days)
{
    help_new_dir();
    th_store *store = help_open();
    th_write *batch = th_write_new(store);
    const th_stored_table *table = th_model_table(TH_TABLE_cloudtrail);
    char text[160];
    uint32_t local;
    th_row row = {.record = help_record(1, text), .object = UINT32_MAX};
    for (int32_t i = 0; i < DAYS_MAX; i++)
        CHECK(th_write_add(batch, table, i, &row, &local) == TH_OK);
    CHECK_EQ_I64(th_write_add(batch, table, DAYS_MAX, &row, &local), TH_ELIMIT);
    CHECK_EQ_I64(th_write_add(batch, table, 0, &row, &local), TH_OK);
    CHECK_EQ_U64(local, 1);
    uint64_t lsn;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_commit(store, batch, &lsn, &diag), TH_OK); /* what fitted is whole */
    th_write_free(batch);
    th_store_stats stats;
    th_store_stats_get(store, &stats);
    CHECK(stats.sealed_files <= 3);
    th_version *version = th_store_version(store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), DAYS_MAX + 1);
    help_check_record(version, 0, 1, 1);
    help_check_record(version, DAYS_MAX - 1, 0, 1);
    th_version_release(version);
    th_store_close(store);
}

TEST(a_setting_is_small)
{
    help_new_dir();
    th_store *store = help_open();
    char text[1024];
    memset(text, 'x', sizeof(text));
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_setting_put(store, "a", th_slice_of(text, 1023), &diag), TH_OK);
    CHECK_EQ_I64(th_store_setting_put(store, "a", th_slice_of(text, 1024), &diag), TH_ELIMIT);
    th_diag_clear(&diag);
    text[300] = 0;
    CHECK_EQ_I64(th_store_setting_put(store, text, TH_SLICE("x"), &diag), TH_EINVAL);
    CHECK(strstr(diag.text, "a setting's name") != NULL);
    th_store_close(store);
}

/* ---- a full disk ----------------------------------------------------------------------------------------------------------- */

static th_err commit_some(th_store *store, uint64_t i, th_diag *diag)
{
    th_write *batch = th_write_new(store);
    help_add(store, batch, DAY, i * 200, 200);
    uint64_t lsn;
    th_err err = th_store_commit(store, batch, &lsn, diag);
    th_write_free(batch);
    return err;
}

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    bool good = f != NULL && fputs(text, f) >= 0;
    return (f == NULL || fclose(f) == 0) && good;
}

/* Root needs a mount namespace only; others get one inside a user namespace, as its root. */
static bool enter_namespace(void)
{
    if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0)
        return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    char map[64];
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/uid_map", map);
}

/* In a mount namespace of its own, on a file system of 3 MiB. 77: this system gives us none. */
_Noreturn static void fill_the_disk(void)
{
    if (!enter_namespace() || mount("none", help_dir, "tmpfs", 0, "size=3m") != 0) _exit(77);
    th_store_options options = {.create = true, .no_background = true, .journal_bytes = 64 << 20};
    th_store *store;
    th_diag diag = {0};
    if (th_store_open(help_dir, &options, &store, NULL, &diag) != TH_OK) {
        printf("# %s\n", diag.text);
        fflush(stdout);
        _exit(2);
    }
    uint64_t stored = 0;
    th_err err = TH_OK;
    for (; stored < 2000 && err == TH_OK; stored += err == TH_OK)
        err = commit_some(store, stored, &diag);
    if (err != TH_ENOSPC || strstr(diag.text, "storage full") == NULL ||
        th_store_lsn(store) != stored)
        _exit(3);
    if (commit_some(store, stored, &diag) != TH_ENOSPC) _exit(4);
    for (uint64_t i = 0; i < stored * 200; i += 101) {
        th_version *version = th_store_version(store);
        help_check_record(version, DAY, i, i);
        th_version_release(version);
    }
    (void)mount("none", help_dir, "tmpfs", MS_REMOUNT, "size=6m");
    if (commit_some(store, stored, &diag) != TH_OK || th_store_lsn(store) != stored + 1) _exit(5);
    th_store_close(store);
    options.create = false;
    if (th_store_open(help_dir, &options, &store, NULL, &diag) != TH_OK ||
        th_store_lsn(store) != stored + 1)
        _exit(6);
    th_store_close(store);
    _exit(0);
}

/* Nothing but folders and what the program keeps open without a name. */
static bool tmp_is_empty(void)
{
    char path[TH_PATH_SIZE_MAX];
    (void)snprintf(path, sizeof(path), "%s/tmp", help_dir);
    DIR *dir = opendir(path);
    if (dir == NULL) return false;
    bool empty = true;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    closedir(dir);
    return empty;
}

static th_err commit_large(th_store *store, uint64_t first, uint64_t rows, th_diag *diag)
{
    th_write *write = th_write_new(store);
    help_add(store, write, DAY, first, rows);
    uint64_t lsn;
    th_err err = th_store_commit(store, write, &lsn, diag);
    th_write_free(write);
    return err;
}

/* A write that goes to sealed files of its own meets a full disk: refused as a whole, and nothing of it stays. */
_Noreturn static void fill_the_disk_in_bulk(void)
{
    enum { FEW = 100, MANY = 4000, LARGE_MAX = 100 };
    if (!enter_namespace() || mount("none", help_dir, "tmpfs", 0, "size=3m") != 0) _exit(77);
    th_store_options options = {.create = true, .no_background = true, .bulk_bytes = 16 << 10};
    th_store *store;
    th_diag diag = {0};
    if (th_store_open(help_dir, &options, &store, NULL, &diag) != TH_OK) _exit(2);
    if (commit_large(store, 0, FEW, &diag) != TH_OK) _exit(3);
    uint64_t stored = 0;
    th_err err = TH_OK;
    for (; stored < LARGE_MAX && err == TH_OK; stored += err == TH_OK)
        err = commit_large(store, FEW + stored * MANY, MANY, &diag);
    th_store_stats stats;
    th_store_stats_get(store, &stats);
    if (stored == 0 || stats.sealed_files != stored * 2) _exit(4);
    if (err != TH_ENOSPC || strstr(diag.text, "storage full") == NULL ||
        strstr(diag.text, help_dir) == NULL || th_store_lsn(store) != stored + 1)
        _exit(5);
    if (!tmp_is_empty()) _exit(6);
    uint64_t rows = FEW + stored * MANY;
    th_version *version = th_store_version(store);
    if (help_rows(version, TH_TABLE_cloudtrail) != rows) _exit(7);
    for (uint64_t i = 0; i < rows; i += 101) help_check_record(version, DAY, i, i);
    th_version_release(version);
    (void)mount("none", help_dir, "tmpfs", MS_REMOUNT, "size=9m");
    if (commit_large(store, rows, MANY, &diag) != TH_OK || th_store_lsn(store) != stored + 2)
        _exit(8);
    th_store_close(store);
    options.create = false;
    if (th_store_open(help_dir, &options, &store, NULL, &diag) != TH_OK ||
        th_store_lsn(store) != stored + 2)
        _exit(9);
    version = th_store_version(store);
    for (uint64_t i = rows; i < rows + MANY; i += 101) help_check_record(version, DAY, i, i);
    th_version_release(version);
    th_store_close(store);
    _exit(0);
}

static void run_on_a_small_disk(void (*fill)(void))
{
    help_new_dir();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) fill();
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        printf("# no file system of our own here: not tried\n");
    else
        CHECK_EQ_I64(WEXITSTATUS(status), 0);
}

TEST(a_full_disk_refuses_and_loses_nothing)
{
    run_on_a_small_disk(fill_the_disk);
}

TEST(a_full_disk_refuses_a_large_write_as_a_whole)
{
    run_on_a_small_disk(fill_the_disk_in_bulk);
}

TEST_MAIN(a_write_takes_so_many_days, a_setting_is_small, a_full_disk_refuses_and_loses_nothing,
          a_full_disk_refuses_a_large_write_as_a_whole)
