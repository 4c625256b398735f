/* SPDX-License-Identifier: Apache-2.0
 * Watched folders: what is told, and when; who writes a file. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os_test.h"
#include "os/watch.h"
#include "tests/unit/test.h"

enum { PATIENCE_MS = 10000 };

static char folder[256];
static th_os_watch *watch;

static const char *in_folder(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void start(void)
{
    th_os_test_reset();
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/th-watch-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ_I64(th_os_watch_open(&watch, NULL), TH_OK);
    CHECK_EQ_I64(th_os_watch_add(watch, folder, 7, NULL), TH_OK);
}

static void finish(void)
{
    char command[400];
    th_os_test_reset();
    th_os_watch_close(watch);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

static int make(const char *name)
{
    int fd = open(in_folder(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, "x", 1) == 1);
    return fd;
}

/* "file NAME", "folder NAME", "overflow", "nothing". */
static const char *next(int timeout_ms)
{
    static char text[700];
    th_os_watch_event event;
    CHECK_EQ_I64(th_os_watch_next(watch, timeout_ms, &event, NULL), TH_OK);
    switch (event.kind) {
    case TH_OS_WATCH_NOTHING: return "nothing";
    case TH_OS_WATCH_OVERFLOW: return "overflow";
    default: break;
    }
    CHECK_EQ_U64(event.tag, 7);
    CHECK(strncmp(event.path, folder, strlen(folder)) == 0);
    snprintf(text, sizeof(text), "%s %s", event.kind == TH_OS_WATCH_FILE ? "file" : "folder",
             event.path + strlen(folder) + 1);
    return text;
}

TEST(a_file_is_told_of_when_it_is_closed)
{
    start();
    CHECK_EQ_STR(next(0), "nothing");
    int fd = make("a");
    CHECK_EQ_STR(next(0), "nothing");
    close(fd);
    CHECK_EQ_STR(next(PATIENCE_MS), "file a");
    CHECK(rename(in_folder("a"), in_folder("b")) == 0);
    CHECK_EQ_STR(next(PATIENCE_MS), "file b");
    CHECK(unlink(in_folder("b")) == 0);
    CHECK_EQ_STR(next(0), "nothing");
    finish();
}

TEST(folders_below_are_told_of_and_may_be_watched_too)
{
    start();
    CHECK(mkdir(in_folder("d"), 0700) == 0);
    CHECK_EQ_STR(next(PATIENCE_MS), "folder d");
    close(make("d/unseen"));
    CHECK_EQ_STR(next(0), "nothing");
    CHECK_EQ_I64(th_os_watch_add(watch, in_folder("d"), 7, NULL), TH_OK);
    close(make("d/seen"));
    CHECK_EQ_STR(next(PATIENCE_MS), "file d/seen");
    CHECK(rename(in_folder("d"), in_folder("e")) == 0);
    CHECK_EQ_STR(next(PATIENCE_MS), "folder e");
    CHECK_EQ_I64(th_os_watch_add(watch, in_folder("e"), 7, NULL), TH_OK);
    close(make("e/again"));
    CHECK_EQ_STR(next(PATIENCE_MS), "file e/again");
    CHECK(unlink(in_folder("e/seen")) == 0 && unlink(in_folder("e/unseen")) == 0 &&
          unlink(in_folder("e/again")) == 0 && rmdir(in_folder("e")) == 0);
    CHECK_EQ_STR(next(0), "nothing");
    CHECK(mkdir(in_folder("d"), 0700) == 0);
    CHECK_EQ_STR(next(PATIENCE_MS), "folder d");
    finish();
}

TEST(what_cannot_be_watched_is_said)
{
    start();
    CHECK_EQ_I64(th_os_watch_add(watch, in_folder("none"), 7, NULL), TH_ENOTFOUND);
    close(make("a"));
    CHECK_EQ_I64(th_os_watch_add(watch, in_folder("a"), 7, NULL), TH_ENOTFOUND);
    th_os_watch_event event;
    th_os_test_fail_after("read", 0, EIO);
    CHECK_EQ_I64(th_os_watch_next(watch, PATIENCE_MS, &event, NULL), TH_EIO);
    th_os_test_fail_after("read", 0, EINTR);
    CHECK_EQ_STR(next(PATIENCE_MS), "nothing");
    th_os_test_reset();
    CHECK_EQ_STR(next(PATIENCE_MS), "file a");
    finish();
}

TEST(more_than_the_kernel_holds_is_an_overflow)
{
    start();
    int limit = 16384;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    if (file != NULL) {
        if (fscanf(file, "%d", &limit) != 1) limit = 16384;
        fclose(file);
    }
    if (limit <= 65536) {
        close(make("a"));
        close(make("b"));
        /* Equal neighbours become one event: the names take turns. */
        for (int i = 0; i <= limit; i++) close(make(i % 2 == 0 ? "a" : "b"));
        bool overflow = false;
        for (const char *got = next(0); strcmp(got, "nothing") != 0; got = next(0))
            overflow |= strcmp(got, "overflow") == 0;
        CHECK(overflow);
    }
    finish();
}

TEST(a_file_that_is_written_is_known_as_such)
{
    start();
    int writer = make("a");
    int fd = open(in_folder("a"), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    th_os_writers writers = th_os_writers_of(fd);
    CHECK(writers == TH_OS_WRITERS_SOME || writers == TH_OS_WRITERS_UNKNOWN);
    close(writer);
    CHECK(th_os_writers_of(fd) ==
          (writers == TH_OS_WRITERS_SOME ? TH_OS_WRITERS_NONE : TH_OS_WRITERS_UNKNOWN));
    close(fd);
    CHECK(open(in_folder("a"), O_WRONLY | O_CLOEXEC) >= 0); /* nothing is held */
    finish();
}

TEST_MAIN(a_file_is_told_of_when_it_is_closed, folders_below_are_told_of_and_may_be_watched_too,
          what_cannot_be_watched_is_said, more_than_the_kernel_holds_is_an_overflow,
          a_file_that_is_written_is_known_as_such)
