/* SPDX-License-Identifier: Apache-2.0
 * Processes, threads, failpoints, the clock and the machine. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "os/os_test.h"
#include "tests/unit/test.h"

/* Run a shell text with the given descriptors; what it wrote to descriptor 1 is in out. */
static int run_shell(const char *text, const int *extra, size_t extra_count, char *out, size_t size)
{
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[8] = {nothing, ends[1], 2};
    for (size_t i = 0; i < extra_count; i++) fds[3 + i] = extra[i];
    const char *argv[] = {"sh", "-c", text, NULL};
    const char *env[] = {"GREETING=hello", NULL};
    th_os_spawn spec = {
        .program = "/bin/sh", .argv = argv, .env = env, .fds = fds, .fd_count = 3 + extra_count};
    pid_t pid = 0;
    th_diag diag = {0};
    if (th_os_spawn_process(&spec, &pid, &diag) != TH_OK) FAIL("%s", diag.text);
    th_os_close(ends[1]);
    th_os_close(nothing);
    size_t used = 0, got;
    do {
        CHECK(th_os_read(ends[0], out + used, size - 1 - used, &got, NULL) == TH_OK);
        used += got;
    } while (got > 0);
    out[used] = '\0';
    th_os_close(ends[0]);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

TEST(spawn_gives_exactly_the_descriptors_named)
{
    /* Inherited on purpose: only the closing in the child keeps them out. */
    int stray = open("/dev/null", O_RDONLY);
    int high = fcntl(stray, F_DUPFD, 300);
    char out[1000];
    int status = run_shell("for fd in /proc/self/fd/*; do case $fd in */[0-9]*) "
                           "[ -e $fd ] && echo ${fd##*/}; esac; done; echo $GREETING; exit 3",
                           NULL, 0, out, sizeof out);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    /* The shell opens the folder itself while it expands the pattern; by the time of -e that one is gone. */
    CHECK_EQ_STR(out, "0\n1\n2\nhello\n");
    th_os_close(stray);
    th_os_close(high);
}

TEST(spawn_places_descriptors_in_any_order)
{
    /* The extra ones are pipes whose numbers here are the places of others there. */
    int a[2], b[2];
    CHECK(pipe2(a, O_CLOEXEC) == 0 && pipe2(b, O_CLOEXEC) == 0);
    CHECK(write(a[1], "from a\n", 7) == 7 && write(b[1], "from b\n", 7) == 7);
    int extra[] = {b[0], a[0]};
    char out[1000];
    (void)run_shell("read x <&4; read y <&3; echo $x, $y", extra, 2, out, sizeof out);
    CHECK_EQ_STR(out, "from a, from b\n");
    for (int i = 0; i < 2; i++) {
        th_os_close(a[i]);
        th_os_close(b[i]);
    }
}

TEST(spawn_reports_what_the_child_could_not_do)
{
    const char *argv[] = {"x", NULL};
    int fds[17] = {0, 1, 2};
    th_os_spawn spec = {.program = "/no/such/program", .argv = argv, .fds = fds, .fd_count = 3};
    pid_t pid = -7;
    th_diag diag = {0};
    CHECK(th_os_spawn_process(&spec, &pid, &diag) == TH_ENOTFOUND);
    CHECK(strstr(diag.text, "/no/such/program") != NULL);
    CHECK_EQ_I64(pid, -7);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD); /* nobody is left to wait for */
    spec.program = "/bin/true";
    fds[2] = 999;
    CHECK(th_os_spawn_process(&spec, &pid, NULL) == TH_EIO);
    spec.fd_count = 17;
    CHECK(th_os_spawn_process(&spec, &pid, NULL) == TH_EINVAL);
    spec.fd_count = 2;
    th_os_test_fail_after("fork", 0, EAGAIN);
    CHECK(th_os_spawn_process(&spec, &pid, NULL) == TH_EIO);
    th_os_test_fail_after("pipe2", 0, EMFILE);
    CHECK(th_os_spawn_process(&spec, &pid, NULL) == TH_EIO);
    th_os_test_reset();
}

TEST(spawned_programs_start_with_default_signals)
{
    signal(SIGPIPE, SIG_IGN);
    char out[1000];
    (void)run_shell("grep -E 'Sig(Blk|Ign)' /proc/self/status", NULL, 0, out, sizeof out);
    signal(SIGPIPE, SIG_DFL);
    CHECK_EQ_STR(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(run_waits_for_the_status)
{
    int fds[] = {0, 1, 2};
    const char *argv[] = {"sh", "-c", "kill -9 $$", NULL};
    th_os_spawn spec = {.program = "/bin/sh", .argv = argv, .fds = fds, .fd_count = 3};
    int status = 0;
    CHECK(th_os_run_process(&spec, &status, NULL) == TH_OK);
    CHECK_EQ_I64(status, 128 + 9);
}

/* In a child of the test: spawn a long sleep that dies with it, tell its pid, die. */
static _Noreturn void die_after_spawn(int report)
{
    const char *argv[] = {"sleep", "60", NULL};
    int fds[] = {0, 1, 2};
    th_os_spawn spec = {
        .program = "/bin/sleep", .argv = argv, .fds = fds, .fd_count = 3, .die_with_parent = true};
    pid_t pid = 0;
    if (th_os_spawn_process(&spec, &pid, NULL) != TH_OK) pid = -1;
    (void)!write(report, &pid, sizeof pid);
    kill(getpid(), SIGKILL);
    _exit(1);
}

TEST(a_child_dies_with_its_parent_when_asked)
{
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t parent = fork();
    if (parent == 0) die_after_spawn(ends[1]);
    pid_t pid = -1;
    CHECK(read(ends[0], &pid, sizeof pid) == (ssize_t)sizeof pid && pid > 0);
    CHECK(waitpid(parent, NULL, 0) == parent);
    bool gone = false;
    for (int i = 0; i < 500 && !gone; i++) {
        char path[64], state[512] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, state, sizeof state - 1);
        th_os_close(fd);
        gone = n <= 0 ||
               strstr(state, ") Z ") != NULL; /* a zombie is dead, only not yet buried by init */
        if (!gone) usleep(10000);
    }
    CHECK(gone);
    th_os_close(ends[0]);
    th_os_close(ends[1]);
}

static void *tell_name(void *arg)
{
    pthread_getname_np(pthread_self(), arg, 16);
    return arg;
}

TEST(threads_have_names_cut_at_15_characters)
{
    pthread_t thread;
    char name[16] = "";
    void *result = NULL;
    CHECK(th_os_thread(&thread, "a name that is far too long", 0, tell_name, name, NULL) == TH_OK);
    pthread_join(thread, &result);
    CHECK(result == name);
    CHECK_EQ_STR(name, "a name that is ");
    CHECK(th_os_thread(&thread, "huge", SIZE_MAX / 2, tell_name, name, NULL) != TH_OK);
}

/* The signal that ends (or, with stop, stops) a child that passes a failpoint `passes` times; 0 = it came through. */
static int signal_at(const char *setting, const char *name, int passes)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("TRAILHOLD_FAILPOINT", setting, 1);
        (void)!freopen("/dev/null", "w", stderr);
        th_failpoints_init();
        for (int i = 0; i < passes; i++) TH_FAILPOINT(name);
        TH_FAILPOINT("commit_begin");
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    if (WIFSTOPPED(status)) {
        int sig = WSTOPSIG(status);
        kill(child, SIGCONT);
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
        return sig;
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(failpoints_kill_or_stop_at_the_nth_pass)
{
    CHECK_EQ_I64(signal_at("part_written", "part_written", 1), SIGKILL);
    CHECK_EQ_I64(signal_at("part_written:3", "part_written", 2), 0);
    CHECK_EQ_I64(signal_at("part_written:3", "part_written", 3), SIGKILL);
    CHECK_EQ_I64(signal_at("part_written=stop:2", "part_written", 5), SIGSTOP);
    CHECK_EQ_I64(signal_at("part_written=stop", "part_renamed", 1), 0);
    CHECK_EQ_I64(signal_at("no_such_place", "part_written", 1), 0);
    CHECK_EQ_I64(signal_at("part_written:x", "part_written", 1), 0);
    CHECK_EQ_I64(signal_at("", "part_written", 1), 0);
    CHECK_EQ_STR(th_failpoint_names[0], "ingest_window");
}

TEST(clock_and_random)
{
    int64_t before = th_os_mono_us();
    CHECK(th_os_now_us() > INT64_C(1577836800) * 1000000);
    CHECK(th_os_mono_us() >= before);
    th_os_test_set_now(42);
    CHECK_EQ_I64(th_os_now_us(), 42);
    th_os_test_reset();
    CHECK(th_os_now_us() != 42);
    uint8_t a[1000] = {0}, b[1000] = {0};
    CHECK(th_os_random(a, sizeof a) == TH_OK && th_os_random(b, sizeof b) == TH_OK);
    CHECK(memcmp(a, b, sizeof a) != 0);
    th_os_test_fail_after("getrandom", 0, ENOSYS);
    CHECK(th_os_random(a, sizeof a) == TH_EIO);
    th_os_test_reset();
}

TEST(the_machine_is_described)
{
    CHECK(th_os_cpu_count() >= 1);
    CHECK(th_os_memory_size() > 16 << 20);
    CHECK(th_os_memory_used() > 0 && th_os_memory_used() < UINT64_C(1) << 40);
    char path[4096], tiny[4];
    CHECK(th_os_self_path(path, sizeof path, NULL) == TH_OK && path[0] == '/' &&
          access(path, X_OK) == 0);
    CHECK(th_os_self_path(tiny, sizeof tiny, NULL) == TH_ELIMIT);
}

TEST_MAIN(spawn_gives_exactly_the_descriptors_named, spawn_places_descriptors_in_any_order,
          spawn_reports_what_the_child_could_not_do, spawned_programs_start_with_default_signals,
          run_waits_for_the_status, a_child_dies_with_its_parent_when_asked,
          threads_have_names_cut_at_15_characters, failpoints_kill_or_stop_at_the_nth_pass,
          clock_and_random, the_machine_is_described)
