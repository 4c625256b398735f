/* SPDX-License-Identifier: Apache-2.0
 * store: killed at each of its failpoints, a store comes back with all that it answered for, whole, and goes on. */
#include "tests/unit/store_help.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { DAY = 20000, ROWS = 40, COMMITS = 40, LARGE_EVERY = 4, LARGE_BYTES = 20000 };

/* Some of the history's commits go the way of large ones. */
static bool with_large;

/* Commit number i of the history puts rows i * ROWS .. on one of three days. */
static bool commit_next(th_store *store, uint64_t i)
{
    th_write *batch = th_write_new(store);
    help_add(store, batch, DAY + (int32_t)(i % 3), i * ROWS, ROWS);
    if (with_large && i % LARGE_EVERY == LARGE_EVERY - 1) help_add_noise(batch, DAY, LARGE_BYTES);
    uint64_t lsn = 0;
    th_diag diag = {0};
    bool good = th_store_commit(store, batch, &lsn, &diag) == TH_OK && lsn == i + 1;
    th_write_free(batch);
    return good;
}

/* The child: goes on with the history until it is killed; each answered commit is told through the pipe. */
_Noreturn static void write_until_killed(const char *failpoint, int pass, const char *mode,
                                         int tell)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "%s:%d", failpoint, pass);
    setenv("TRAILHOLD_FAILPOINT", text, 1);
    th_failpoints_init();
    th_store_options options = {.create = true,
                                .no_background = true,
                                .journal_bytes = 40 << 10,
                                .test_mode = mode,
                                .bulk_bytes = LARGE_BYTES};
    th_store *store;
    th_diag diag = {0};
    if (th_store_open(help_dir, &options, &store, NULL, &diag) != TH_OK) _exit(2);
    uint64_t first = th_store_lsn(store);
    for (uint64_t i = first; i < first + COMMITS; i++) {
        if (!commit_next(store, i)) _exit(3);
        if (write(tell, &i, sizeof(i)) != sizeof(i)) _exit(4);
        if (i % 15 == 14 && th_store_compact(store, NULL, NULL, &diag) != TH_OK) _exit(5);
    }
    th_store_close(store);
    _exit(0);
}

static int count_damage;
static void note(void *ctx, const char *file, const char *what)
{
    (void)ctx;
    printf("# %s: %s\n", file, what);
    count_damage++;
}

/* Everything up to the last answered commit is there and whole; returns how many commits are. */
static uint64_t check_history(uint64_t answered)
{
    th_store *store = help_open();
    th_version *version = th_store_version(store);
    uint64_t lsn = th_version_lsn(version);
    if (lsn < answered || lsn > answered + 1)
        FAIL("%llu commits were answered, %llu are there", (unsigned long long)answered,
             (unsigned long long)lsn);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), lsn * ROWS);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_leaves), lsn);
    for (uint64_t i = 0; i < lsn; i++)
        help_check_record(version, DAY + (int32_t)(i % 3), i / 3 * ROWS + i % ROWS,
                          i * ROWS + i % ROWS);
    th_version_release(version);
    uint64_t bytes = 0;
    th_diag diag = {0};
    count_damage = 0;
    CHECK(th_store_verify(store, note, NULL, NULL, &bytes, &diag) == TH_OK);
    CHECK_EQ_I64(count_damage, 0);
    th_store_close(store);
    return lsn;
}

/* Run a child against the folder; the count of commits answered in all its life, from 1. */
static bool run_child(const char *failpoint, int pass, const char *mode, uint64_t *answered)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        write_until_killed(failpoint, pass, mode, fds[1]);
    }
    close(fds[1]);
    uint64_t i;
    while (read(fds[0], &i, sizeof(i)) == sizeof(i)) *answered = i + 1;
    close(fds[0]);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        FAIL("%s:%d: the child ended with %d", failpoint, pass, WEXITSTATUS(status));
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void crash_at(const char *failpoint, int first_pass, int second_pass)
{
    help_new_dir();
    uint64_t answered = 0;
    if (!run_child(failpoint, first_pass, NULL, &answered))
        FAIL("%s:%d was not passed", failpoint, first_pass);
    answered = check_history(answered);
    (void)run_child(failpoint, second_pass, NULL, &answered);
    (void)check_history(answered);
}

TEST(killed_while_committing)
{
    crash_at("commit_begin", 7, 1);
    crash_at("commit_before_txn", 1, 20);
    crash_at("commit_before_txn", 33, 2);
    crash_at("commit_after_txn", 1, 1);
    crash_at("commit_after_txn", 25, 3);
    crash_at("commit_after_publish", 12, 12);
}

TEST(killed_while_rolling_a_journal)
{
    crash_at("journal_created", 1, 1);
    crash_at("journal_created", 2, 2);
    crash_at("journal_rolled", 1, 1);
    crash_at("journal_rolled", 3, 2);
}

TEST(killed_while_merging)
{
    crash_at("part_written", 1, 2);
    crash_at("part_renamed", 2, 1);
    crash_at("compact_before_catalog", 1, 1);
    crash_at("compact_after_catalog", 1, 1);
    crash_at("compact_after_catalog", 2, 1);
    crash_at("trash_renamed", 1, 3);
}

TEST(killed_while_a_large_write_is_committed)
{
    with_large = true;
    crash_at("bulk_before_seal", 1, 1);
    crash_at("bulk_before_seal", 3, 2);
    crash_at("bulk_before_catalog", 1, 2);
    crash_at("bulk_before_catalog", 4, 1);
    crash_at("bulk_after_catalog", 1, 1);
    crash_at("bulk_after_catalog", 5, 2);
    crash_at("bulk_after_publish", 2, 3);
    crash_at("part_renamed", 2, 5);
    crash_at("commit_after_txn", 4, 2); /* between large ones */
    crash_at("journal_rolled", 2, 1);
    crash_at("compact_after_catalog", 1, 1);
    with_large = false;
}

/* The control: a store that answers before it commits is found out by what this file looks at. */
TEST(answers_that_come_too_early_are_found_out)
{
    help_new_dir();
    uint64_t answered = 0;
    CHECK(run_child("commit_before_txn", 9, "ack-before-commit", &answered));
    CHECK_EQ_U64(answered, 9);
    th_store *store = help_open();
    CHECK_EQ_U64(th_store_lsn(store), 8);
    th_store_close(store);

    help_new_dir();
    with_large = true;
    answered = 0;
    CHECK(run_child("bulk_before_catalog", 2, "ack-before-commit", &answered));
    with_large = false;
    CHECK_EQ_U64(answered, 2 * LARGE_EVERY);
    store = help_open();
    CHECK_EQ_U64(th_store_lsn(store), 2 * LARGE_EVERY - 1);
    th_store_close(store);
}

/* ---- a file that cannot grow ------------------------------------------------------------------------------------------- */

/* Writes fail in the middle; what was answered stays, the log has no hole, and the store goes on when there is room. */
_Noreturn static void write_without_room(void)
{
    signal(SIGXFSZ, SIG_IGN);
    th_store_options options = {.create = true, .no_background = true};
    th_store *store;
    th_diag diag = {0};
    if (th_store_open(help_dir, &options, &store, NULL, &diag) != TH_OK || !commit_next(store, 0))
        _exit(2);
    struct rlimit limit, old;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){8 * 4096, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    uint64_t i = 1;
    while (i < 200 && commit_next(store, i)) i++;
    if (i == 200 || th_store_lsn(store) != i) _exit(3);
    th_version *version = th_store_version(store);
    help_check_record(version, DAY, 0, 0);
    th_version_release(version);
    setrlimit(RLIMIT_FSIZE, &old);
    for (uint64_t k = i; k < i + 5; k++)
        if (!commit_next(store, k)) _exit(4);
    th_store_close(store);
    _exit((int)(100 + i));
}

TEST(a_file_that_cannot_grow)
{
    help_new_dir();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) write_without_room();
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) > 100);
    (void)check_history((uint64_t)WEXITSTATUS(status) - 100 + 5);
}

TEST_MAIN(killed_while_committing, killed_while_rolling_a_journal, killed_while_merging,
          killed_while_a_large_write_is_committed, answers_that_come_too_early_are_found_out,
          a_file_that_cannot_grow)
