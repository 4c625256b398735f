/* SPDX-License-Identifier: Apache-2.0
 * store: merging changes where rows lie and nothing else: records, ids, positions, arrivals, older bounds, lookups. */
#include "tests/unit/store_help.h"

enum { DAY = 20000 };

static void compact(th_store *store)
{
    th_diag diag = {0};
    if (th_store_compact(store, NULL, NULL, &diag) != TH_OK) FAIL("compact: %s", diag.text);
}

static th_store_stats stats(th_store *store)
{
    th_store_stats s;
    th_store_stats_get(store, &s);
    return s;
}

TEST(merged_rows_are_the_same)
{
    help_new_dir();
    th_store *store = help_open();
    for (uint64_t i = 0; i < 30; i++) (void)help_commit(store, DAY + (int32_t)(i % 3), i * 10, 10);
    (void)help_commit(store, TH_DAY_UNDATED, 5000, 2);
    compact(store);
    CHECK_EQ_U64(stats(store).journals, 1);
    for (int round = 0; round < 2; round++) {
        th_version *version = th_store_version(store);
        CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), 302);
        for (uint64_t i = 0; i < 30; i++)
            for (uint64_t k = 0; k < 10; k++)
                help_check_record(version, DAY + (int32_t)(i % 3), i / 3 * 10 + k, i * 10 + k);
        help_check_record(version, TH_DAY_UNDATED, 1, 5001);
        th_version_release(version);
        th_store_close(store);
        store = help_open();
    }
    CHECK_EQ_U64(help_commit(store, DAY, 999, 1), 32);
    th_version *version = th_store_version(store);
    help_check_record(version, DAY, 100, 999);
    th_version_release(version);
    th_store_close(store);
}

TEST(merging_again_changes_nothing)
{
    help_new_dir();
    th_store *store = help_open();
    for (uint64_t i = 0; i < 5; i++) {
        (void)help_commit(store, DAY + (int32_t)i, i * 10, 10);
        compact(store);
    }
    th_store_stats before = stats(store);
    CHECK_EQ_U64(before.sealed_files, 2); /* cloudtrail, leaves: sparse days share a file */
    compact(store);
    CHECK_EQ_U64(stats(store).merges, before.merges);
    CHECK_EQ_U64(stats(store).sealed_files, 2);
    th_store_close(store);
}

TEST(days_far_apart_do_not_share_a_file)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 1);
    (void)help_commit(store, DAY + 30, 1, 1);
    (void)help_commit(store, DAY + 31, 2, 1);
    (void)help_commit(store, TH_DAY_UNDATED, 3, 1);
    compact(store);
    CHECK_EQ_U64(stats(store).sealed_files, 4); /* two, undated, leaves */
    th_store_close(store);
}

TEST(an_older_bound_cuts_a_merged_segment)
{
    help_new_dir();
    th_store *store = help_open();
    for (uint64_t i = 0; i < 20; i++) (void)help_commit(store, DAY, i * 3, 3);
    compact(store);
    th_version *version = th_store_version(store);
    for (uint64_t lsn = 0; lsn <= 20; lsn++) {
        th_version *bound;
        CHECK(th_version_bound(version, lsn, &bound) == TH_OK);
        CHECK_EQ_U64(help_rows(bound, TH_TABLE_cloudtrail), lsn * 3);
        CHECK_EQ_U64(help_rows(bound, TH_TABLE_leaves), lsn);
        th_version_release(bound);
    }
    th_version_release(version);
    th_store_close(store);
}

TEST(positions_are_found_by_time_before_and_after)
{
    help_new_dir();
    th_store *store = help_open();
    th_arena *arena = th_arena_new(16 << 20, NULL);
    th_diag diag = {0};
    for (uint64_t i = 0; i < 10; i++) (void)help_commit(store, DAY, i, 1);
    int64_t arrivals[10];
    for (int round = 0; round < 2; round++) {
        th_version *version = th_store_version(store);
        for (uint64_t i = 0; i < 10; i++) {
            th_record_id id = {.table = TH_TABLE_cloudtrail, .day = DAY, .seq = i};
            th_slice record;
            th_run run;
            CHECK(th_version_record(version, &id, arena, &record, &run, &diag) == TH_OK);
            CHECK_EQ_U64(run.lsn, i + 1);
            CHECK(round == 0 || run.arrival_us == arrivals[i]);
            arrivals[i] = run.arrival_us;
        }
        uint64_t lsn;
        CHECK(th_version_lsn_at(version, arrivals[0] - 1, &lsn, &diag) == TH_OK);
        CHECK_EQ_U64(lsn, 0);
        for (uint64_t i = 0; i < 10; i++) {
            CHECK(th_version_lsn_at(version, arrivals[i], &lsn, &diag) == TH_OK);
            CHECK(lsn >= i + 1 && (i == 9 || arrivals[i + 1] == arrivals[i] || lsn == i + 1));
        }
        th_version_release(version);
        compact(store);
    }
    th_arena_free(arena);
    th_store_close(store);
}

/* ---- lookups --------------------------------------------------------------------------------------------------------------- */

typedef struct found {
    uint64_t seqs[64];
    size_t count;
} found;

static th_err note(void *ctx, size_t which, const th_record_id *id)
{
    found *f = ctx;
    (void)which;
    f->seqs[f->count++] = id->seq;
    return TH_OK;
}

TEST(identities_are_found_wherever_they_lie)
{
    help_new_dir();
    th_store *store = help_open();
    for (uint64_t i = 0; i < 10; i++) (void)help_commit(store, DAY, i * 10, 10);
    for (int round = 0; round < 2; round++) {
        th_version *version = th_store_version(store);
        th_diag diag = {0};
        for (uint64_t i = 0; i < 100; i += 9) {
            found f = {0};
            uint64_t fingerprint = help_fingerprint(store, i);
            CHECK(th_version_find(version, TH_TABLE_cloudtrail, 0, &fingerprint, 1, note, &f,
                                  &diag) == TH_OK);
            CHECK_EQ_U64(f.count, 1);
            CHECK_EQ_U64(f.seqs[0], i);
            f.count = 0;
            uint64_t after = i / 10 + 1;
            CHECK(th_version_find(version, TH_TABLE_cloudtrail, after, &fingerprint, 1, note, &f,
                                  &diag) == TH_OK);
            CHECK_EQ_U64(f.count, 0);
            CHECK(th_version_find(version, TH_TABLE_cloudtrail, after - 1, &fingerprint, 1, note,
                                  &f, &diag) == TH_OK);
            CHECK_EQ_U64(f.count, 1);
        }
        uint64_t unknown = help_fingerprint(store, 12345);
        found f = {0};
        CHECK(th_version_find(version, TH_TABLE_cloudtrail, 0, &unknown, 1, note, &f, &diag) ==
              TH_OK);
        CHECK_EQ_U64(f.count, 0);
        th_version_release(version);
        compact(store);
    }
    th_store_close(store);
}

/* ---- the log ---------------------------------------------------------------------------------------------------------------- */

TEST(the_log_reads_the_same_before_and_after)
{
    help_new_dir();
    th_store *store = help_open();
    for (uint64_t i = 0; i < 40; i++)
        (void)help_commit(store, DAY + (int32_t)(i * 7 % 5), i * 3, 3);
    static const uint32_t tables[] = {TH_TABLE_cloudtrail};
    for (int round = 0; round < 2; round++) {
        th_version *version = th_store_version(store);
        th_arena *arena = th_arena_new(16 << 20, NULL);
        uint64_t after = 0, next = 1;
        while (after < 40) {
            th_log_range *ranges;
            size_t count;
            th_diag diag = {0};
            CHECK(th_version_log(version, tables, 1, after, 7, arena, &ranges, &count, &after,
                                 &diag) == TH_OK);
            for (size_t i = 0; i < count; i++, next++) {
                CHECK_EQ_U64(ranges[i].lsn, next);
                CHECK_EQ_U64(ranges[i].count, 3);
                help_check_record(version, ranges[i].ref.day,
                                  ranges[i].ref.first_seq + ranges[i].begin, (next - 1) * 3);
            }
        }
        CHECK_EQ_U64(next, 41);
        CHECK_EQ_U64(after, 40);
        th_arena_free(arena);
        th_version_release(version);
        compact(store);
    }
    th_store_close(store);
}

TEST(an_old_version_reads_files_that_are_merged_away)
{
    help_new_dir();
    th_store *store = help_open();
    for (uint64_t i = 0; i < 10; i++) (void)help_commit(store, DAY, i, 1);
    th_version *old = th_store_version(store);
    compact(store);
    for (uint64_t i = 0; i < 10; i++) help_check_record(old, DAY, i, i);
    th_version *sealed = th_store_version(store);
    th_version_release(old);
    (void)help_commit(store, DAY, 10, 1);
    compact(store);
    for (uint64_t i = 0; i < 10; i++) help_check_record(sealed, DAY, i, i);
    th_version_release(sealed);
    th_store_close(store);
}

TEST(journals_are_rolled_and_merged_in_the_background)
{
    help_new_dir();
    th_store_options options = {.create = true, .journal_bytes = 64 << 10};
    th_store *store = help_open_with(&options);
    for (uint64_t i = 0; i < 200; i++) (void)help_commit(store, DAY, i * 50, 50);
    CHECK(stats(store).merges > 0);
    th_version *version = th_store_version(store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), 200 * 50);
    for (uint64_t i = 0; i < 200 * 50; i += 97) help_check_record(version, DAY, i, i);
    th_version_release(version);
    th_store_close(store);
    store = help_open();
    CHECK(stats(store).sealed_files < 20);
    th_store_close(store);
}

static bool stop_at_once(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    CHECK(done <= total);
    return false;
}

TEST(a_stopped_merge_leaves_everything_as_it_was)
{
    help_new_dir();
    th_store *store = help_open();
    (void)help_commit(store, DAY, 0, 10);
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_compact(store, stop_at_once, NULL, &diag), TH_ECANCELED);
    CHECK_EQ_U64(stats(store).sealed_files, 0);
    compact(store);
    CHECK_EQ_U64(stats(store).sealed_files, 2);
    th_store_close(store);
}

/* An encoder that has written a large segment is not the same as a new one: what it writes next must be. */
TEST(days_of_one_row_beside_a_large_one_keep_theirs)
{
    enum { LARGE = 9000, DAYS = 40 };
    help_new_dir();
    th_store *store = help_open();
    help_commit(store, 20000, 0, LARGE);
    for (int32_t d = 1; d <= DAYS; d++) help_commit(store, 20000 + d, LARGE + (uint64_t)d, 1);
    compact(store);
    th_version *version = th_store_version(store);
    for (uint64_t i = 0; i < LARGE; i += 77) help_check_record(version, 20000, i, i);
    for (int32_t d = 1; d <= DAYS; d++)
        help_check_record(version, 20000 + d, 0, LARGE + (uint64_t)d);
    th_version_release(version);
    th_store_close(store);
}

TEST_MAIN(merged_rows_are_the_same, merging_again_changes_nothing,
          days_far_apart_do_not_share_a_file, an_older_bound_cuts_a_merged_segment,
          positions_are_found_by_time_before_and_after, identities_are_found_wherever_they_lie,
          the_log_reads_the_same_before_and_after, an_old_version_reads_files_that_are_merged_away,
          journals_are_rolled_and_merged_in_the_background,
          a_stopped_merge_leaves_everything_as_it_was,
          days_of_one_row_beside_a_large_one_keep_theirs)
