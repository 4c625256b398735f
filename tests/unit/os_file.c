/* SPDX-License-Identifier: Apache-2.0
 * Files, folders and the lock; each call made to fail once. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "os/os_test.h"
#include "tests/unit/test.h"

static char folder[256];

/* The path of a name in the folder of the test; good for the next 31 calls. */
static const char *in_folder(const char *name)
{
    static char paths[32][512];
    static unsigned next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void start(void)
{
    th_os_test_reset();
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/th-os-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(folder) != NULL);
}

static void finish(void)
{
    char command[400];
    th_os_test_reset();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

static bool is_there(const char *path)
{
    th_os_stat st;
    return th_os_stat_path(path, false, &st, NULL) == TH_OK;
}

static void check_holds(const char *path, const char *text)
{
    th_buf buf;
    th_buf_init(&buf, 1 << 20);
    CHECK(th_os_read_file(path, &buf, NULL) == TH_OK);
    CHECK_EQ_STR(th_buf_text(&buf), text);
    th_buf_free(&buf);
}

TEST(write_file_replaces_as_a_whole)
{
    start();
    const char *path = in_folder("file");
    CHECK(th_os_write_file(path, TH_SLICE("one"), 0600, NULL) == TH_OK);
    CHECK(th_os_write_file(path, TH_SLICE("two"), 0600, NULL) == TH_OK);
    check_holds(path, "two");
    th_os_stat st;
    CHECK(th_os_stat_path(path, true, &st, NULL) == TH_OK);
    CHECK(st.is_file && !st.is_dir && st.size == 3 && st.inode != 0 && st.mtime_us > 0);
    CHECK(!is_there(in_folder("file.tmp")));
    finish();
}

TEST(write_file_leaves_the_old_file_when_any_call_fails)
{
    static const struct {
        const char *call;
        int after;
        int error;
        th_err wanted;
    } cases[] = {
        {"open", 0, EACCES, TH_EPERM},   {"write", 0, ENOSPC, TH_ENOSPC},
        {"write", 1, EDQUOT, TH_ENOSPC}, {"fsync", 0, EIO, TH_EIO},
        {"rename", 0, EROFS, TH_EPERM},  {"unlink", 0, EPERM, TH_EPERM},
    };
    start();
    const char *path = in_folder("file");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(th_os_write_file(path, TH_SLICE("old text"), 0600, NULL) == TH_OK);
        th_diag diag = {0};
        th_os_test_short_writes(3);
        th_os_test_fail_after(cases[i].call, cases[i].after, cases[i].error);
        th_err err = th_os_write_file(path, TH_SLICE("new text"), 0600, &diag);
        CHECK(th_os_test_calls() > cases[i].after);
        th_os_test_reset();
        if (err != cases[i].wanted) FAIL("%s gave %s", cases[i].call, th_err_name(err));
        CHECK(diag.code == err && strstr(diag.text, path) != NULL);
        check_holds(path, "old text");
        CHECK(!is_there(in_folder("file.tmp")));
    }
    finish();
}

TEST(write_file_reports_a_folder_that_is_not_durable)
{
    start();
    th_os_test_fail_after("fsync", 1, EIO); /* the file's goes through, the folder's does not */
    CHECK(th_os_write_file(in_folder("file"), TH_SLICE("x"), 0600, NULL) == TH_EIO);
    finish();
}

TEST(short_writes_are_continued)
{
    start();
    th_os_test_short_writes(1);
    CHECK(th_os_write_file(in_folder("file"), TH_SLICE("byte by byte"), 0600, NULL) == TH_OK);
    check_holds(in_folder("file"), "byte by byte");
    finish();
}

TEST(read_file_stops_at_the_limit)
{
    start();
    const char *path = in_folder("file");
    CHECK(th_os_write_file(path, TH_SLICE("0123456789"), 0600, NULL) == TH_OK);
    th_buf buf;
    th_diag diag = {0};
    th_buf_init(&buf, 10);
    CHECK(th_os_read_file(path, &buf, &diag) == TH_OK);
    CHECK_EQ_I64(buf.size, 10);
    th_buf_free(&buf);
    th_buf_init(&buf, 9);
    CHECK(th_os_read_file(path, &buf, &diag) == TH_ELIMIT);
    CHECK(strstr(diag.text, "larger than 9 bytes") != NULL);
    th_buf_free(&buf);
    th_diag_clear(&diag);
    CHECK(th_os_read_file(in_folder("none"), &buf, &diag) == TH_ENOTFOUND);
    CHECK(strstr(diag.text, "No such file") != NULL);
    CHECK(th_os_read_file(folder, &buf, NULL) == TH_EIO);
    th_os_test_fail_after("read", 0, EIO);
    CHECK(th_os_read_file(path, &buf, NULL) == TH_EIO);
    th_buf_free(&buf);
    finish();
}

TEST(pread_reads_at_an_offset)
{
    start();
    CHECK(th_os_write_file(in_folder("file"), TH_SLICE("0123456789"), 0600, NULL) == TH_OK);
    int fd = th_os_open(in_folder("file"), O_RDONLY, 0, NULL);
    char out[8];
    size_t got = 99;
    CHECK(th_os_pread(fd, out, sizeof out, 7, &got, NULL) == TH_OK);
    CHECK_EQ_BYTES(out, got, "789", 3);
    CHECK(th_os_pread(fd, out, sizeof out, 10, &got, NULL) == TH_OK && got == 0);
    CHECK(th_os_pread(fd, out, sizeof out, UINT64_MAX, &got, NULL) == TH_EIO);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    th_os_close(fd);
    th_os_close(-1);
    th_diag diag = {0};
    CHECK(th_os_open(in_folder("none"), O_RDONLY, 0, &diag) == -1 && diag.code == TH_ENOTFOUND);
    finish();
}

TEST(mkdirs_makes_what_is_missing)
{
    start();
    CHECK(th_os_mkdirs(in_folder("a/b//c/"), 0700, NULL) == TH_OK);
    CHECK(th_os_mkdirs(in_folder("a/b/c"), 0700, NULL) == TH_OK);
    CHECK(th_os_mkdirs("/", 0700, NULL) == TH_OK);
    th_os_stat st;
    CHECK(th_os_stat_path(in_folder("a/b/c"), true, &st, NULL) == TH_OK && st.is_dir);
    CHECK(th_os_write_file(in_folder("a/file"), TH_SLICE(""), 0600, NULL) == TH_OK);
    CHECK(th_os_mkdirs(in_folder("a/file"), 0700, NULL) == TH_EEXIST);
    CHECK(th_os_mkdirs(in_folder("a/file/x"), 0700, NULL) != TH_OK);
    th_os_test_fail_after("mkdir", 0, ENOSPC);
    CHECK(th_os_mkdirs(in_folder("d"), 0700, NULL) == TH_ENOSPC);
    finish();
}

TEST(list_dir_is_sorted_by_bytes)
{
    start();
    static const char *const wanted[] = {".hidden", "10", "9", "B", "a", "\xC3\xA9"};
    for (int i = 5; i >= 0; i--)
        CHECK(th_os_write_file(in_folder(wanted[i]), TH_SLICE(""), 0600, NULL) == TH_OK);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    const char **names;
    size_t count;
    CHECK(th_os_list_dir(folder, arena, &names, &count, NULL) == TH_OK);
    CHECK_EQ_I64(count, 6);
    for (size_t i = 0; i < count; i++) CHECK_EQ_STR(names[i], wanted[i]);
    CHECK(th_os_list_dir(in_folder("none"), arena, &names, &count, NULL) == TH_ENOTFOUND);
    th_arena_free(arena);
    arena = th_arena_new(100, NULL);
    CHECK(th_os_list_dir(folder, arena, &names, &count, NULL) == TH_ELIMIT);
    th_arena_free(arena);
    finish();
}

TEST(links_are_followed_only_when_asked)
{
    start();
    CHECK(symlink("nowhere", in_folder("link")) == 0);
    th_os_stat st;
    CHECK(th_os_stat_path(in_folder("link"), false, &st, NULL) == TH_OK && st.is_link);
    CHECK(th_os_stat_path(in_folder("link"), true, &st, NULL) == TH_ENOTFOUND);
    CHECK(th_os_stat_path("/dev/null", true, &st, NULL) == TH_OK && st.is_other);
    finish();
}

TEST(rename_and_unlink_name_what_failed)
{
    start();
    th_diag diag = {0};
    CHECK(th_os_rename(in_folder("none"), in_folder("other"), &diag) == TH_ENOTFOUND);
    CHECK(strstr(diag.text, "none") != NULL && strstr(diag.text, "other") != NULL);
    CHECK(th_os_unlink(in_folder("none"), NULL) == TH_ENOTFOUND);
    finish();
}

TEST(lock_is_for_one_process)
{
    start();
    const char *path = in_folder("LOCK");
    int fd = -1, owner = -1;
    th_diag diag = {0};
    CHECK(th_os_lock_file(path, &fd, &owner, &diag) == TH_OK);
    char text[32];
    snprintf(text, sizeof text, "%d\n", (int)getpid());
    check_holds(path, text);
    int other =
        -1; /* flock belongs to the open file, so a second open is as good as a second process */
    CHECK(th_os_lock_file(path, &other, &owner, &diag) == TH_EBUSY);
    CHECK_EQ_I64(other, -1);
    CHECK_EQ_I64(owner, getpid());
    CHECK(strstr(diag.text, "is held by process") != NULL);
    CHECK(truncate(path, 0) == 0);
    CHECK(th_os_lock_file(path, &other, &owner, NULL) == TH_EBUSY);
    CHECK_EQ_I64(owner, 0);
    th_os_close(fd);
    CHECK(th_os_lock_file(path, &fd, &owner, NULL) == TH_OK);
    th_os_close(fd);
    th_os_test_fail_after("flock", 0, ENOLCK);
    CHECK(th_os_lock_file(path, &fd, &owner, NULL) == TH_EIO);
    finish();
}

TEST(disk_and_file_system)
{
    start();
    uint64_t bytes = 0;
    CHECK(th_os_disk_free(folder, &bytes, NULL) == TH_OK && bytes > 0);
    CHECK(th_os_disk_free(in_folder("none"), &bytes, NULL) == TH_ENOTFOUND);
    CHECK(!th_os_is_network_fs("/proc/self"));
    CHECK(!th_os_is_network_fs("/proc/self/not/there"));
    finish();
}

TEST_MAIN(write_file_replaces_as_a_whole, write_file_leaves_the_old_file_when_any_call_fails,
          write_file_reports_a_folder_that_is_not_durable, short_writes_are_continued,
          read_file_stops_at_the_limit, pread_reads_at_an_offset, mkdirs_makes_what_is_missing,
          list_dir_is_sorted_by_bytes, links_are_followed_only_when_asked,
          rename_and_unlink_name_what_failed, lock_is_for_one_process, disk_and_file_system)
