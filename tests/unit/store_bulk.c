/* SPDX-License-Identifier: Apache-2.0
 * store: a write of any size is one commit: all of it or nothing, with its own position, beside what the journal takes. */
#include "tests/unit/store_help.h"

enum { DAY = 20000 };

static th_store *open_small_bulk(uint64_t bulk_bytes)
{
    th_store_options options = {.create = true, .no_background = true, .bulk_bytes = bulk_bytes};
    return help_open_with(&options);
}

static th_store_stats stats(th_store *store)
{
    th_store_stats s;
    th_store_stats_get(store, &s);
    return s;
}

static int damaged;
static void note_damage(void *ctx, const char *file, const char *what)
{
    (void)ctx;
    printf("# %s: %s\n", file, what);
    damaged++;
}

static void verify(th_store *store)
{
    uint64_t bytes = 0;
    th_diag diag = {0};
    damaged = 0;
    CHECK(th_store_verify(store, note_damage, NULL, NULL, &bytes, &diag) == TH_OK);
    CHECK_EQ_I64(damaged, 0);
}

static uint64_t commit_days(th_store *store, uint64_t first, uint64_t count, int32_t days)
{
    th_write *write = th_write_new(store);
    for (int32_t d = 0; d < days; d++)
        help_add(store, write, DAY + d, first + (uint64_t)d * count, count);
    uint64_t lsn = 0;
    th_diag diag = {0};
    if (th_store_commit(store, write, &lsn, &diag) != TH_OK) FAIL("commit: %s", diag.text);
    th_write_free(write);
    return lsn;
}

TEST(a_large_write_goes_to_sealed_files)
{
    help_new_dir();
    th_store *store = open_small_bulk(1 << 16);
    CHECK_EQ_U64(commit_days(store, 0, 5000, 3), 1);
    CHECK_EQ_U64(stats(store).sealed_files, 2); /* cloudtrail, its days together, and the leaf */
    CHECK_EQ_U64(stats(store).commits, 1);
    th_version *version = th_store_version(store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), 15000);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_leaves), 1);
    for (uint64_t i = 0; i < 15000; i += 333)
        help_check_record(version, DAY + (int32_t)(i / 5000), i % 5000, i);
    th_version_release(version);
    verify(store);
    th_store_close(store);
}

/* Positions and sequences go on across both ways of storing, and across a start. */
TEST(large_and_small_writes_share_one_log)
{
    help_new_dir();
    uint64_t lsn = 0, rows = 0;
    for (int round = 0; round < 4; round++) {
        th_store *store = open_small_bulk(1 << 14);
        CHECK_EQ_U64(th_store_lsn(store), lsn);
        for (int i = 0; i < 3; i++) {
            uint64_t count = (round + i) % 3 == 0 ? 2000 : 5;
            CHECK_EQ_U64(help_commit(store, DAY, rows, count), ++lsn);
            rows += count;
        }
        th_version *version = th_store_version(store);
        CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), rows);
        for (uint64_t i = 0; i < rows; i += 101) help_check_record(version, DAY, i, i);
        th_version_release(version);
        verify(store);
        th_diag diag = {0};
        if (round == 2) CHECK(th_store_compact(store, NULL, NULL, &diag) == TH_OK);
        th_store_close(store);
    }
    th_store *store = open_small_bulk(1 << 14);
    static const uint32_t tables[] = {TH_TABLE_cloudtrail};
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(16 << 20, NULL);
    uint64_t after = 0, next = 0, last = 0;
    while (after < lsn) {
        th_log_range *ranges;
        size_t count;
        th_diag diag = {0};
        CHECK(th_version_log(version, tables, 1, after, 100, arena, &ranges, &count, &after,
                             &diag) == TH_OK);
        for (size_t i = 0; i < count; i++) {
            CHECK(ranges[i].lsn >= last);
            last = ranges[i].lsn;
            CHECK_EQ_U64(ranges[i].ref.first_seq + ranges[i].begin, next);
            next += ranges[i].count;
        }
    }
    CHECK_EQ_U64(next, rows);
    th_arena_free(arena);
    th_version_release(version);
    th_store_close(store);
}

/* More than is kept in memory: the rest waits in a file without a name. Records of random bytes, of one day after the
 * other in turn. */
static void spooled(uint32_t size, uint32_t records, uint32_t days)
{
    help_new_dir();
    th_store *store = help_open();
    th_write *write = th_write_new(store);
    uint8_t *text = malloc(size);
    uint64_t state = 1;
    const th_stored_table *table = th_model_table(TH_TABLE_blobs);
    for (uint32_t i = 0; i < records; i++) {
        for (size_t k = 0; k < size; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[k] = (uint8_t)(state >> 56);
        }
        uint32_t local;
        memcpy(text, &i, sizeof(i));
        th_row row = {.record = th_slice_of(text, size), .object = UINT32_MAX};
        CHECK(th_write_add(write, table, DAY + (int32_t)(i % days), &row, &local) == TH_OK);
        CHECK_EQ_U64(local, i / days);
    }
    free(text);
    uint64_t lsn;
    th_diag diag = {0};
    if (th_store_commit(store, write, &lsn, &diag) != TH_OK) FAIL("commit: %s", diag.text);
    th_write_free(write);
    verify(store);
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(64 << 20, NULL);
    for (uint32_t i = 0; i < records; i++) {
        th_record_id id = {
            .table = TH_TABLE_blobs, .day = DAY + (int32_t)(i % days), .seq = i / days};
        th_slice record;
        CHECK(th_version_record(version, &id, arena, &record, NULL, &diag) == TH_OK);
        uint32_t number;
        memcpy(&number, record.bytes, sizeof(number));
        CHECK_EQ_U64(number, i);
        th_arena_reset(arena);
    }
    th_arena_free(arena);
    th_version_release(version);
    th_store_close(store);
}

TEST(what_does_not_fit_memory_is_spooled)
{
    spooled(1 << 20, 48, 7);
}

/* Written together, and read in another order: the days' second records lie behind all first ones. */
TEST(small_pieces_of_many_days_are_spooled)
{
    spooled(3000, 7000, 3500);
}

/* ---- late rows, and writers that prepare again ------------------------------------------------------------------------------- */

typedef struct later {
    int refusals;
    uint32_t object;
    uint64_t first, seq, lsn;
} later;

static th_err add_later(void *ctx, const th_commit_view *view, th_diag *diag)
{
    later *l = ctx;
    (void)diag;
    if (l->refusals-- > 0) return TH_EAGAIN;
    l->first = th_commit_first_seq(view, TH_TABLE_cloudtrail, DAY);
    l->lsn = view->lsn;
    char text[160];
    th_row row = {.record = help_record(77, text), .object = l->object};
    TH_TRY(th_write_add_late(view, th_model_table(TH_TABLE_objects), view->arrival_day, &row,
                             &l->seq));
    uint64_t seq;
    row.object = l->object;
    row.record = help_record(5000, text);
    return th_write_add_late(view, th_model_table(TH_TABLE_cloudtrail), DAY, &row, &seq);
}

TEST(late_rows_are_part_of_a_large_write)
{
    help_new_dir();
    th_store *store = open_small_bulk(1 << 14);
    (void)help_commit(store, DAY, 9000, 3);
    th_write *write = th_write_new(store);
    later l = {.refusals = 1, .object = th_write_add_object(write)};
    const th_stored_table *table = th_model_table(TH_TABLE_cloudtrail);
    for (uint64_t i = 0; i < 5000; i++) {
        char text[160];
        uint32_t local;
        th_slice record = help_record(i, text);
        th_sha256 sha = th_sha256_of(record);
        th_row row = {.record = record, .object = l.object, .sha = i % 2 == 0 ? &sha : NULL};
        CHECK(th_write_add(write, table, DAY, &row, &local) == TH_OK);
    }
    th_write_set_late(write, add_later, &l);
    uint64_t lsn = 0;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_commit(store, write, &lsn, &diag), TH_EAGAIN);
    CHECK_EQ_I64(th_store_commit(store, write, &lsn, &diag), TH_OK);
    th_write_free(write);
    CHECK_EQ_U64(lsn, 2);
    CHECK_EQ_U64(l.lsn, 2);
    CHECK_EQ_U64(l.first, 3);
    th_version *version = th_store_version(store);
    help_check_record(version, DAY, 3 + 5000, 5000);
    th_arena *arena = th_arena_new(16 << 20, NULL);
    th_record_id id = {.table = TH_TABLE_cloudtrail, .day = DAY, .seq = 4321};
    th_slice record;
    th_run run;
    CHECK(th_version_record(version, &id, arena, &record, &run, &diag) == TH_OK);
    CHECK_EQ_U64(run.lsn, 2);
    CHECK_EQ_U64(run.object_seq, l.seq);
    th_version *before;
    CHECK(th_version_bound(version, 1, &before) == TH_OK);
    CHECK_EQ_U64(help_rows(before, TH_TABLE_cloudtrail), 3);
    CHECK_EQ_U64(help_rows(before, TH_TABLE_objects), 0);
    th_version_release(before);
    th_version_release(version);
    th_arena_free(arena);
    verify(store);
    th_store_close(store);
}

/* ---- identities ----------------------------------------------------------------------------------------------------------------- */

typedef struct hits {
    size_t count;
    uint64_t last;
} hits;

static th_err note_hit(void *ctx, size_t which, const th_record_id *id)
{
    hits *h = ctx;
    (void)which;
    h->count++;
    h->last = id->seq;
    return TH_OK;
}

static int by_low(const void *a, const void *b)
{
    uint32_t x = (uint32_t) * (const uint64_t *)a, y = (uint32_t) * (const uint64_t *)b;
    return x < y ? -1 : x > y;
}

TEST(identities_of_large_writes_are_found)
{
    help_new_dir();
    th_store *store = open_small_bulk(1 << 14);
    for (uint64_t i = 0; i < 4; i++) (void)help_commit(store, DAY, i * 3000, 3000);
    for (int round = 0; round < 2; round++) {
        th_version *version = th_store_version(store);
        th_diag diag = {0};
        for (uint64_t i = 0; i < 12000; i += 1999) {
            hits h = {0};
            uint64_t print = help_fingerprint(store, i);
            CHECK(th_version_find(version, TH_TABLE_cloudtrail, 0, &print, 1, note_hit, &h,
                                  &diag) == TH_OK);
            CHECK_EQ_U64(h.count, 1);
            CHECK_EQ_U64(h.last, i);
            h.count = 0;
            CHECK(th_version_find(version, TH_TABLE_cloudtrail, i / 3000 + 1, &print, 1, note_hit,
                                  &h, &diag) == TH_OK);
            CHECK_EQ_U64(h.count, 0);
        }
        enum { MANY = 10000 };
        uint64_t *prints = malloc(MANY * sizeof(*prints));
        for (uint64_t i = 0; i < MANY; i++) prints[i] = help_fingerprint(store, 7000 + i);
        qsort(prints, MANY, sizeof(*prints), by_low);
        hits h = {0};
        CHECK(th_version_find(version, TH_TABLE_cloudtrail, 0, prints, MANY, note_hit, &h, &diag) ==
              TH_OK);
        CHECK(h.count >= 5000 &&
              h.count <= 5003); /* 32 bits of a random key: some hit another row */
        free(prints);
        th_version_release(version);
        CHECK(th_store_compact(store, NULL, NULL, &diag) == TH_OK);
    }
    th_store_close(store);
}

/* ---- an error --------------------------------------------------------------------------------------------------------------------- */

static th_err refuse(void *ctx, const th_commit_view *view, th_diag *diag)
{
    (void)ctx;
    (void)view;
    return th_fail(diag, TH_EINVAL, NULL, "no");
}

TEST(a_large_write_that_fails_leaves_nothing)
{
    help_new_dir();
    th_store *store = open_small_bulk(1 << 14);
    th_write *write = th_write_new(store);
    help_add(store, write, DAY, 0, 3000);
    th_write_set_late(write, refuse, NULL);
    uint64_t lsn;
    th_diag diag = {0};
    CHECK_EQ_I64(th_store_commit(store, write, &lsn, &diag), TH_EINVAL);
    th_write_free(write);
    CHECK_EQ_U64(stats(store).sealed_files, 0);
    CHECK_EQ_U64(help_commit(store, DAY, 100, 1), 1);
    th_version *version = th_store_version(store);
    help_check_record(version, DAY, 0, 100); /* its numbers are given out again */
    th_version_release(version);
    verify(store);
    th_store_close(store);
}

/* ---- what cools ----------------------------------------------------------------------------------------------------------------- */

/* Each table is one segment of the compact tier. */
static bool is_compact(th_store *store)
{
    static const uint32_t tables[] = {TH_TABLE_cloudtrail, TH_TABLE_leaves};
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_segment_ref *refs;
    size_t count;
    th_diag diag = {0};
    bool good = true;
    for (size_t i = 0; i < 2; i++) {
        CHECK(th_version_segments(version, tables[i], INT32_MIN, INT32_MAX, arena, &refs, &count,
                                  &diag) == TH_OK);
        good = good && count == 1 && refs[0].compact;
    }
    th_arena_free(arena);
    th_version_release(version);
    return good;
}

TEST(what_has_cooled_is_encoded_anew_once)
{
    help_new_dir();
    th_store_options options = {.create = true, .bulk_bytes = 1 << 14, .cool_us = 100 * 1000};
    th_store *store = help_open_with(&options);
    for (uint64_t i = 0; i < 6; i++) (void)help_commit(store, DAY, i * 2000, 2000);
    for (int i = 0; i < 300 && !is_compact(store); i++) (void)usleep(100 * 1000);
    CHECK(is_compact(store));
    CHECK_EQ_U64(stats(store).sealed_files, 2);
    uint64_t merges = stats(store).merges;
    (void)usleep(500 * 1000);
    CHECK_EQ_U64(stats(store).merges, merges); /* nothing is done twice */
    th_diag diag = {0};
    CHECK(th_store_compact(store, NULL, NULL, &diag) == TH_OK);
    CHECK_EQ_U64(stats(store).merges, merges);
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_segment_ref *refs;
    size_t count;
    CHECK(th_version_segments(version, TH_TABLE_cloudtrail, DAY, DAY, arena, &refs, &count,
                              &diag) == TH_OK);
    CHECK_EQ_U64(count, 1);
    CHECK(refs[0].compact);
    for (uint64_t i = 0; i < 12000; i += 97) help_check_record(version, DAY, i, i);
    th_arena_free(arena);
    th_version_release(version);
    verify(store);
    th_store_close(store);
}

TEST_MAIN(a_large_write_goes_to_sealed_files, large_and_small_writes_share_one_log,
          what_does_not_fit_memory_is_spooled, small_pieces_of_many_days_are_spooled,
          late_rows_are_part_of_a_large_write, identities_of_large_writes_are_found,
          a_large_write_that_fails_leaves_nothing, what_has_cooled_is_encoded_anew_once)
