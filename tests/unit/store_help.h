/* SPDX-License-Identifier: Apache-2.0
 * What the tests of store/ share: a data folder that is removed again, rows that are easy to tell apart. */
#ifndef TH_TESTS_UNIT_STORE_HELP_H
#define TH_TESTS_UNIT_STORE_HELP_H

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "base/time.h"
#include "store/store.h"
#include "tests/unit/test.h"

static char help_dir[64];

static inline int help_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void help_clean(void)
{
    if (help_dir[0] != 0) (void)nftw(help_dir, help_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* A name for a new data folder, gone when the program ends. */
static inline const char *help_new_dir(void)
{
    static bool registered;
    help_clean();
    (void)snprintf(help_dir, sizeof(help_dir), "/tmp/th-store-XXXXXX");
    CHECK(mkdtemp(help_dir) != NULL);
    if (!registered) atexit(help_clean);
    registered = true;
    return help_dir;
}

static inline th_store *help_open_with(const th_store_options *options)
{
    th_store *store = NULL;
    th_diag diag = {0};
    th_err err = th_store_open(help_dir, options, &store, NULL, &diag);
    if (err != TH_OK) FAIL("open: %s", diag.text);
    return store;
}

static inline th_store *help_open(void)
{
    th_store_options options = {.create = true, .no_background = true};
    return help_open_with(&options);
}

/* The text of row `number`; the same number is the same record everywhere. */
static inline th_slice help_record(uint64_t number, char out[160])
{
    int size = snprintf(
        out, 160,
        "{\"eventVersion\":\"1.08\",\"eventID\":\"%016llx\",\"n\":%llu,\"eventName\":\"Get%llu\"}",
        (unsigned long long)(number * 0x9e3779b97f4a7c15u), (unsigned long long)number,
        (unsigned long long)(number % 7));
    return th_slice_of(out, (size_t)size);
}

static inline uint64_t help_fingerprint(const th_store *store, uint64_t number)
{
    return th_store_fingerprint(store, th_slice_of(&number, sizeof(number)));
}

/* Add rows first .. first + count - 1 of cloudtrail to one day. */
static inline void help_add(th_store *store, th_write *write, int32_t day, uint64_t first,
                            uint64_t count)
{
    const th_stored_table *table = th_model_table(TH_TABLE_cloudtrail);
    for (uint64_t i = 0; i < count; i++) {
        char text[160];
        uint32_t local;
        bool dated = day != TH_DAY_UNDATED;
        th_row row = {.record = help_record(first + i, text),
                      .has_time = dated,
                      .time_us = dated ? day * TH_US_PER_DAY + (int64_t)(first + i) : 0,
                      .fingerprint = help_fingerprint(store, first + i),
                      .object = UINT32_MAX};
        CHECK(th_write_add(write, table, day, &row, &local) == TH_OK);
    }
}

/* A row of blobs that cannot be encoded in less than `size` bytes, 64 KiB at most. */
static inline void help_add_noise(th_write *write, int32_t day, size_t size)
{
    static const uint64_t step = 6364136223846793005u, more = 1442695040888963407u;
    char text[65536];
    uint64_t state = 88172645463325252u;
    CHECK(size <= sizeof(text));
    for (size_t i = 0; i < size; i++) {
        state = state * step + more;
        text[i] = (char)(state >> 56);
    }
    th_row row = {.record = th_slice_of(text, size), .object = UINT32_MAX};
    uint32_t local;
    CHECK(th_write_add(write, th_model_table(TH_TABLE_blobs), day, &row, &local) == TH_OK);
}

static inline uint64_t help_commit(th_store *store, int32_t day, uint64_t first, uint64_t count)
{
    th_write *write = th_write_new(store);
    help_add(store, write, day, first, count);
    uint64_t lsn = 0;
    th_diag diag = {0};
    th_err err = th_store_commit(store, write, &lsn, &diag);
    th_write_free(write);
    if (err != TH_OK) FAIL("commit: %s", diag.text);
    return lsn;
}

static inline uint64_t help_rows(th_version *version, uint32_t table)
{
    uint64_t rows = 0;
    th_diag diag = {0};
    if (th_version_rows(version, table, &rows, &diag) != TH_OK) FAIL("rows: %s", diag.text);
    return rows;
}

/* CHECKs that record (cloudtrail, day, seq) is row `number`. */
static inline void help_check_record(th_version *version, int32_t day, uint64_t seq,
                                     uint64_t number)
{
    th_arena *arena = th_arena_new(32 << 20, NULL);
    th_record_id id = {.table = TH_TABLE_cloudtrail, .day = day, .seq = seq};
    th_slice record;
    th_diag diag = {0};
    if (th_version_record(version, &id, arena, &record, NULL, &diag) != TH_OK)
        FAIL("record %llu: %s", (unsigned long long)seq, diag.text);
    char text[160];
    th_slice wanted = help_record(number, text);
    CHECK_EQ_BYTES(record.bytes, record.size, wanted.bytes, wanted.size);
    th_arena_free(arena);
}

#endif
