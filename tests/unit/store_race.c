/* SPDX-License-Identifier: Apache-2.0
 * store: readers, writers and the compactor at once: every version stays what it was when it was taken. For the thread
 * sanitizer. */
#include "tests/unit/store_help.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    DAY = 20000,
    DAYS = 3,
    ROWS = 5,
    WRITERS = 2,
    READERS = 3,
    COMMITS = 400,
    LARGE_EVERY = 8,
    BULK_BYTES = 20000
};

typedef struct shared {
    th_store *store;
    atomic_int writing, failures;
    atomic_uint_fast64_t reads, merges;
} shared;

#define EXPECT(s, cond) \
    ((cond) ? (void)0 : (void)(printf("# failed: %s line %d\n", #cond, __LINE__), (s)->failures++))

static void *write_rows(void *arg)
{
    shared *s = arg;
    for (uint64_t i = 0; i < COMMITS; i++) {
        th_write *batch = th_write_new(s->store);
        const th_stored_table *table = th_model_table(TH_TABLE_cloudtrail);
        for (uint64_t k = 0; k < ROWS; k++) {
            char text[160];
            uint32_t local;
            th_row row = {.record = help_record(i * ROWS + k, text),
                          .fingerprint = help_fingerprint(s->store, i),
                          .object = UINT32_MAX};
            EXPECT(s, th_write_add(batch, table, DAY + (int32_t)(i % DAYS), &row, &local) == TH_OK);
        }
        if (i % LARGE_EVERY == 0) help_add_noise(batch, DAY, BULK_BYTES);
        uint64_t lsn;
        th_diag diag = {0};
        EXPECT(s, th_store_commit(s->store, batch, &lsn, &diag) == TH_OK);
        th_write_free(batch);
    }
    s->writing--;
    return NULL;
}

/* A version's rows are exactly those of its commits, and each is a whole record of ours. */
static void read_one(shared *s, th_version *version, uint64_t turn)
{
    th_diag diag = {0};
    uint64_t rows = 0, lsn = th_version_lsn(version);
    th_err err = th_version_rows(version, TH_TABLE_cloudtrail, &rows, &diag);
    EXPECT(s, err == TH_OK && rows == lsn * ROWS);
    th_arena *arena = th_arena_new(16 << 20, NULL);
    th_segment_ref *refs;
    size_t count = 0;
    err = th_version_segments(version, TH_TABLE_cloudtrail, DAY, DAY + DAYS, arena, &refs, &count,
                              &diag);
    EXPECT(s, err == TH_OK && (count > 0 || lsn == 0));
    uint64_t sum = 0, next = 0;
    for (size_t i = 0; err == TH_OK && i < count; i++) {
        sum += refs[i].rows;
        EXPECT(s, i > 0 && refs[i - 1].day == refs[i].day ? refs[i].first_seq == next
                                                          : refs[i].first_seq == 0);
        next = refs[i].first_seq + refs[i].rows;
    }
    EXPECT(s, sum == rows);
    if (err == TH_OK && count > 0) {
        const th_segment_ref *ref = &refs[turn % count];
        const th_loaded *loaded;
        err = th_version_load(version, ref, &loaded, &diag);
        EXPECT(s, err == TH_OK);
        if (err == TH_OK) {
            th_slice record;
            EXPECT(s,
                   th_segment_records(loaded->segment, ref->rows - 1, 1, arena, &record) == TH_OK &&
                       record.size > 40 &&
                       memcmp(record.bytes, "{\"eventVersion\":\"1.08\"", 22) == 0);
            EXPECT(s, loaded->runs[0].lsn >= ref->first_lsn && loaded->runs[0].lsn <= lsn);
            th_version_unload(loaded);
        }
    }
    th_arena_free(arena);
    s->reads++;
}

static th_err count_candidate(void *ctx, size_t which, const th_record_id *id)
{
    (void)which;
    (void)id;
    (*(uint64_t *)ctx)++;
    return TH_OK;
}

static void *read_rows(void *arg)
{
    shared *s = arg;
    for (uint64_t turn = 0; s->writing > 0 || turn < 50; turn++) {
        th_version *version = th_store_version(s->store), *bound;
        read_one(s, version, turn);
        if (th_version_bound(version, th_version_lsn(version) * (turn % 5) / 5, &bound) == TH_OK) {
            read_one(s, bound, turn);
            th_version_release(bound);
        }
        uint64_t fingerprint = help_fingerprint(s->store, turn % COMMITS), hits = 0;
        th_diag diag = {0};
        EXPECT(s, th_version_find(version, TH_TABLE_cloudtrail, 0, &fingerprint, 1, count_candidate,
                                  &hits, &diag) == TH_OK);
        EXPECT(s, hits % ROWS == 0 && hits <= ROWS * WRITERS);
        th_version_release(version);
    }
    return NULL;
}

static void *merge_rows(void *arg)
{
    shared *s = arg;
    while (s->writing > 0) {
        th_diag diag = {0};
        th_err err = th_store_compact(s->store, NULL, NULL, &diag);
        if (err != TH_OK) printf("# compact: %s\n", diag.text);
        EXPECT(s, err == TH_OK);
        s->merges++;
    }
    return NULL;
}

TEST(versions_stand_still_while_everything_moves)
{
    help_new_dir();
    /* Some writes go the way of large ones; what is there cools at once. */
    th_store_options options = {
        .create = true, .journal_bytes = 256 << 10, .bulk_bytes = BULK_BYTES, .cool_us = 20 * 1000};
    static shared s;
    s.store = help_open_with(&options);
    s.writing = WRITERS;
    pthread_t threads[WRITERS + READERS + 1];
    for (int i = 0; i < WRITERS + READERS + 1; i++) {
        void *(*run)(void *) = i < WRITERS             ? write_rows
                               : i < WRITERS + READERS ? read_rows
                                                       : merge_rows;
        CHECK(pthread_create(&threads[i], NULL, run, &s) == 0);
    }
    for (int i = 0; i < WRITERS + READERS + 1; i++) pthread_join(threads[i], NULL);
    CHECK_EQ_I64(s.failures, 0);
    th_store_stats stats;
    th_store_stats_get(s.store, &stats);
    CHECK(s.merges > 0 && stats.merges > 1);
    th_version *version = th_store_version(s.store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), WRITERS * COMMITS * ROWS);
    th_version_release(version);
    printf("# %llu reads, %llu merges\n", (unsigned long long)s.reads,
           (unsigned long long)s.merges);
    th_store_close(s.store);
}

/* ---- claims ------------------------------------------------------------------------------------------------------------ */

/* Each thread brings the same identities; late() lets only the first of each in. */
typedef struct claimer {
    th_store *store;
    uint64_t identity, snapshot;
    int stored, refused, failed;
} claimer;

static th_err refuse_known(void *ctx, const th_commit_view *view, th_diag *diag)
{
    claimer *c = ctx;
    th_version *version = th_store_version(view->store);
    uint64_t fingerprint = help_fingerprint(view->store, c->identity), hits = 0;
    th_err err = th_version_find(version, TH_TABLE_cloudtrail, c->snapshot, &fingerprint, 1,
                                 count_candidate, &hits, diag);
    th_version_release(version);
    return err != TH_OK ? err : hits > 0 ? TH_EAGAIN : TH_OK;
}

static void *bring_identities(void *arg)
{
    claimer *c = arg;
    for (c->identity = 0; c->identity < 60; c->identity++) {
        th_write *batch = th_write_new(c->store);
        char text[160];
        uint32_t local;
        th_row row = {.record = help_record(c->identity, text),
                      .fingerprint = help_fingerprint(c->store, c->identity),
                      .object = UINT32_MAX};
        th_write_set_late(batch, refuse_known, c);
        uint64_t lsn;
        th_diag diag = {0};
        th_err err = th_write_add(batch, th_model_table(TH_TABLE_cloudtrail), DAY, &row, &local);
        if (err == TH_OK) err = th_store_commit(c->store, batch, &lsn, &diag);
        c->stored += err == TH_OK;
        c->refused += err == TH_EAGAIN;
        c->failed += err != TH_OK && err != TH_EAGAIN;
        th_write_free(batch);
    }
    return NULL;
}

TEST(an_identity_is_stored_once_however_many_bring_it)
{
    help_new_dir();
    th_store *store = help_open();
    enum { CLAIMERS = 6 };
    static claimer claimers[CLAIMERS];
    pthread_t threads[CLAIMERS];
    for (int i = 0; i < CLAIMERS; i++) {
        claimers[i] = (claimer){.store = store};
        CHECK(pthread_create(&threads[i], NULL, bring_identities, &claimers[i]) == 0);
    }
    int stored = 0;
    for (int i = 0; i < CLAIMERS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ_I64(claimers[i].failed, 0);
        stored += claimers[i].stored;
    }
    CHECK_EQ_I64(stored, 60);
    th_version *version = th_store_version(store);
    CHECK_EQ_U64(help_rows(version, TH_TABLE_cloudtrail), 60);
    CHECK_EQ_U64(th_version_lsn(version), 60);
    th_version_release(version);
    th_store_close(store);
}

TEST_MAIN(versions_stand_still_while_everything_moves,
          an_identity_is_stored_once_however_many_bring_it)
