/* SPDX-License-Identifier: Apache-2.0
 * store: what is committed comes back, in order, with positions, from all threads and after a new start. */
#include "tests/unit/store_help.h"

#include <fcntl.h>
#include <pthread.h>

enum { DAY = 20000 };

TEST(a_new_store_is_empty)
{
    help_new_dir();
    th_store *store = help_open();
    CHECK_EQ_U64(th_store_lsn(store), 0);
    th_version *version = th_store_version(store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), 0);
    th_version_release(version);
    th_store_close(store);
}

TEST(committed_rows_come_back)
{
    help_new_dir();
    th_store *store = help_open();
    CHECK_EQ_U64(help_commit(store, DAY, 0, 10), 1);
    CHECK_EQ_U64(help_commit(store, DAY, 10, 5), 2);
    CHECK_EQ_U64(help_commit(store, DAY + 1, 100, 1), 3);
    for (int round = 0; round < 2; round++) {
        th_version *version = th_store_version(store);
        CHECK_EQ_U64(th_version_lsn(version), 3);
        CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), 16);
        CHECK_EQ_U64(help_rows(version, TH_TABLE_leaves), 3);
        for (uint64_t i = 0; i < 15; i++) help_check_record(version, DAY, i, i);
        help_check_record(version, DAY + 1, 0, 100);
        th_version_release(version);
        th_store_close(store);
        store = help_open();
    }
    CHECK_EQ_U64(help_commit(store, DAY, 15, 1), 4);
    th_version *version = th_store_version(store);
    help_check_record(version, DAY, 15, 15);
    th_version_release(version);
    th_store_close(store);
}

TEST(a_record_that_is_not_there_is_not_found)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 1);
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_slice record;
    th_diag diag = {0};
    th_record_id id = {.table = TH_TABLE_cloudtrail, .day = DAY, .seq = 1};
    CHECK_EQ_I64(th_version_record(version, &id, arena, &record, NULL, &diag), TH_ENOTFOUND);
    th_arena_free(arena);
    th_version_release(version);
    th_store_close(store);
}

TEST(undated_rows_have_their_own_day)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, TH_DAY_UNDATED, 7, 3);
    th_version *version = th_store_version(store);
    help_check_record(version, TH_DAY_UNDATED, 2, 9);
    th_version_release(version);
    th_store_close(store);
}

TEST(an_old_version_does_not_see_later_commits)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 4);
    th_version *old = th_store_version(store);
    (void)help_commit(store, DAY, 4, 4);
    CHECK_EQ_U64(help_rows(old, TH_TABLE_cloudtrail), 4);
    th_version *now = th_store_version(store), *bound = NULL;
    CHECK_EQ_U64(help_rows(now, TH_TABLE_cloudtrail), 8);
    CHECK_EQ_I64(th_version_bound(now, 1, &bound), TH_OK);
    CHECK_EQ_U64(help_rows(bound, TH_TABLE_cloudtrail), 4);
    th_version_release(bound);
    CHECK_EQ_I64(th_version_bound(now, 3, &bound), TH_EINVAL);
    th_version_release(old);
    th_version_release(now);
    th_store_close(store);
}

/* ---- late rows ----------------------------------------------------------------------------------------------------------- */

typedef struct delivery {
    uint32_t object;
    uint64_t object_seq, first_seq, lsn;
    int refusals;
} delivery;

static th_err add_delivery(void *ctx, const th_commit_view *view, th_diag *diag)
{
    (void)diag;
    delivery *d = ctx;
    th_row row = {.record = TH_SLICE("{\"name\":\"a.json.gz\"}"), .object = d->object};
    d->lsn = view->lsn;
    d->first_seq = th_commit_first_seq(view, TH_TABLE_cloudtrail, DAY);
    th_err err = th_write_add_late(view, th_model_table(TH_TABLE_objects), view->arrival_day, &row,
                                   &d->object_seq);
    return err == TH_OK && d->refusals-- > 0 ? TH_EAGAIN : err;
}

static th_write *write_with_delivery(th_store *store, delivery *d, uint64_t first)
{
    th_write *write = th_write_new(store);
    d->object = th_write_add_object(write);
    char text[160];
    uint32_t local;
    th_row row = {.record = help_record(first, text), .object = d->object};
    CHECK(th_write_add(write, th_model_table(TH_TABLE_cloudtrail), DAY, &row, &local) == TH_OK);
    th_write_set_late(write, add_delivery, d);
    return write;
}

TEST(rows_find_the_delivery_that_late_added)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 3);
    delivery d = {0};
    th_write *write = write_with_delivery(store, &d, 3);
    uint64_t lsn;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_commit(store, write, &lsn, &diag), TH_OK);
    th_write_free(write);
    CHECK_EQ_U64(d.first_seq, 3);
    CHECK_EQ_U64(d.lsn, lsn);
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_record_id id = {.table = TH_TABLE_cloudtrail, .day = DAY, .seq = 3};
    th_slice record;
    th_run run;
    CHECK_EQ_I64(th_version_record(version, &id, arena, &record, &run, &diag), TH_OK);
    CHECK_EQ_U64(run.lsn, 2);
    CHECK_EQ_U64(run.object_seq, d.object_seq);
    th_record_id object = {.table = TH_TABLE_objects, .day = run.object_day, .seq = run.object_seq};
    CHECK_EQ_I64(th_version_record(version, &object, arena, &record, &run, &diag), TH_OK);
    CHECK_SLICE(record, "{\"name\":\"a.json.gz\"}");
    CHECK_EQ_U64(run.object_seq, UINT64_MAX);
    th_arena_free(arena);
    th_version_release(version);
    th_store_close(store);
}

TEST(a_refused_commit_leaves_nothing_and_no_hole)
{
    help_new_dir();
    th_store *store = help_open();
    delivery d = {.refusals = 1};
    th_write *write = write_with_delivery(store, &d, 0);
    uint64_t lsn;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_commit(store, write, &lsn, &diag), TH_EAGAIN);
    CHECK_EQ_U64(th_store_lsn(store), 0);
    CHECK_EQ_I64(th_store_commit(store, write, &lsn, &diag), TH_OK);
    th_write_free(write);
    CHECK_EQ_U64(lsn, 1);
    CHECK_EQ_U64(d.first_seq, 0);
    CHECK_EQ_U64(d.object_seq, 0);
    th_version *version = th_store_version(store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_objects), 1);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), 1);
    th_version_release(version);
    th_store_close(store);
}

TEST(an_empty_write_commits_nothing)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 1);
    th_write *write = th_write_new(store);
    uint64_t lsn = 99;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_commit(store, write, &lsn, &diag), TH_OK);
    CHECK_EQ_U64(lsn, 1);
    CHECK_EQ_U64(th_store_lsn(store), 1);
    th_write_free(write);
    th_store_close(store);
}

/* ---- many threads --------------------------------------------------------------------------------------------------------- */

enum { THREADS = 8, COMMITS = 25 };

typedef struct writer {
    th_store *store;
    uint64_t number;
    uint64_t lsns[COMMITS];
    bool failed;
} writer;

static void *write_many(void *arg)
{
    writer *w = arg;
    for (uint64_t i = 0; i < COMMITS; i++) {
        th_write *write = th_write_new(w->store);
        char text[160];
        uint32_t local;
        th_row row = {.record = help_record(w->number * 1000 + i, text), .object = UINT32_MAX};
        th_diag diag = {0};
        w->failed =
            w->failed ||
            th_write_add(write, th_model_table(TH_TABLE_cloudtrail), DAY, &row, &local) != TH_OK ||
            th_store_commit(w->store, write, &w->lsns[i], &diag) != TH_OK;
        th_write_free(write);
    }
    return NULL;
}

TEST(threads_commit_together_and_each_has_its_own_position)
{
    help_new_dir();
    th_store *store = help_open();
    static writer writers[THREADS];
    pthread_t threads[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        writers[i] = (writer){.store = store, .number = i};
        CHECK(pthread_create(&threads[i], NULL, write_many, &writers[i]) == 0);
    }
    static bool seen[THREADS * COMMITS + 1];
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(!writers[i].failed);
        for (int k = 0; k < COMMITS; k++) {
            CHECK(writers[i].lsns[k] >= 1 && writers[i].lsns[k] <= THREADS * COMMITS &&
                  !seen[writers[i].lsns[k]]);
            CHECK(k == 0 || writers[i].lsns[k] > writers[i].lsns[k - 1]);
            seen[writers[i].lsns[k]] = true;
        }
    }
    th_version *version = th_store_version(store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), THREADS * COMMITS);
    CHECK_EQ_U64(th_version_lsn(version), THREADS * COMMITS);
    th_version_release(version);
    th_store_close(store);
}

TEST(wait_ends_with_the_commit)
{
    help_new_dir();
    th_store *store = help_open();
    CHECK(!th_store_wait(store, 0, 1000));
    (void)help_commit(store, DAY, 0, 1);
    CHECK(th_store_wait(store, 0, 1000));
    th_store_close(store);
}

TEST(a_second_process_is_kept_out)
{
    help_new_dir();
    th_store *store = help_open(), *other;
    int pid = 0;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_open(help_dir, NULL, &other, &pid, &diag), TH_EBUSY);
    CHECK_EQ_I64(pid, getpid());
    th_store_close(store);
}

TEST(no_descriptor_outlives_an_exec)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 1);
    int ours = 0;
    for (int fd = 3; fd < 200; fd++) {
        int flags = fcntl(fd, F_GETFD);
        char link[64], target[256] = "";
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (flags < 0 || readlink(link, target, sizeof(target) - 1) < 0 ||
            strstr(target, help_dir) == NULL)
            continue;
        ours++;
        CHECK((flags & FD_CLOEXEC) != 0);
    }
    CHECK(ours >= 5);
    th_store_close(store);
}

TEST(no_folder_is_not_found)
{
    th_store *store;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_open("/tmp/th-no-such-folder", NULL, &store, NULL, &diag), TH_ENOTFOUND);
    CHECK(strstr(diag.text, "no data folder") != NULL);
}

TEST(settings_are_kept)
{
    help_new_dir();
    th_store *store = help_open();
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_setting_put(store, "retention", TH_SLICE("7 years"), &diag), TH_OK);
    CHECK_EQ_I64(th_store_setting_put(store, "retention", TH_SLICE("8 years"), &diag), TH_OK);
    th_store_close(store);
    store = help_open();
    th_buf out;
    th_buf_init(&out, 4096);
    CHECK_EQ_I64(th_store_setting_get(store, "retention", &out), TH_OK);
    CHECK_EQ_STR(th_buf_text(&out), "8 years");
    CHECK_EQ_I64(th_store_setting_get(store, "other", &out), TH_ENOTFOUND);
    th_buf_free(&out);
    th_store_close(store);
}

TEST_MAIN(a_new_store_is_empty, committed_rows_come_back, a_record_that_is_not_there_is_not_found,
          undated_rows_have_their_own_day, an_old_version_does_not_see_later_commits,
          rows_find_the_delivery_that_late_added, a_refused_commit_leaves_nothing_and_no_hole,
          an_empty_write_commits_nothing, threads_commit_together_and_each_has_its_own_position,
          wait_ends_with_the_commit, a_second_process_is_kept_out, no_descriptor_outlives_an_exec,
          no_folder_is_not_found, settings_are_kept)
