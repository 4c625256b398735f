/* SPDX-License-Identifier: Apache-2.0
 * The current state of a finding: its last event by UpdatedAt, then by log position. */
#include "finding/finding.h"
#include "tests/unit/store_help.h"

static void put(th_store *store, const char *product, const char *id, const char *updated, int mark)
{
    char text[512];
    const th_stored_table *table = th_model_table(TH_TABLE_findings_events);
    int size = snprintf(text, sizeof(text),
                        "{\"ProductArn\":\"%s\",\"Id\":\"%s\",\"UpdatedAt\":\"%s\",\"mark\":%d}",
                        product, id, updated, mark);
    th_row row = {.record = th_slice_of(text, (size_t)size), .object = UINT32_MAX};
    row.has_time = th_model_time(table, row.record, (th_slice){0}, &row.time_us);
    th_write *write = th_write_new(store);
    uint32_t local = 0;
    uint64_t lsn = 0;
    CHECK(th_write_add(write, table, th_model_day(row.has_time, row.time_us), &row, &local) ==
          TH_OK);
    CHECK(th_store_commit(store, write, &lsn, NULL) == TH_OK);
    th_write_free(write);
}

typedef struct seen {
    char marks[256];
    uint64_t last_lsn;
} seen;

static th_err note(void *ctx, th_slice asff, uint64_t lsn, int64_t arrival_us)
{
    seen *s = ctx;
    CHECK(arrival_us > 0 && lsn > 0);
    size_t at = th_slice_find(asff, TH_SLICE("\"mark\":")) + 7;
    size_t used = strlen(s->marks);
    snprintf(s->marks + used, sizeof(s->marks) - used, "%s%.*s", used > 0 ? " " : "",
             (int)(asff.size - at - 1), asff.bytes + at);
    s->last_lsn = lsn;
    return TH_OK;
}

static void check_marks(th_store *store, bool history, const char *wanted)
{
    seen s = {0};
    th_version *version = th_store_version(store);
    th_diag diag = {0};
    if (th_finding_each(version, history, note, &s, &diag) != TH_OK) FAIL("%s", diag.text);
    th_version_release(version);
    CHECK_EQ_STR(s.marks, wanted);
}

TEST(the_last_update_counts_not_the_last_arrival)
{
    help_new_dir();
    th_store *store = help_open();
    put(store, "p", "a", "2026-01-02T00:00:00Z", 2);
    put(store, "p", "a", "2026-01-03T00:00:00Z", 3);
    put(store, "p", "a", "2026-01-01T00:00:00Z", 1); /* late */
    check_marks(store, false, "3");
    check_marks(store, true, "1 2 3");
    th_store_close(store);
}

TEST(at_the_same_moment_the_later_arrival_counts)
{
    help_new_dir();
    th_store *store = help_open();
    put(store, "p", "a", "2026-01-02T00:00:00Z", 1);
    put(store, "p", "a", "2026-01-02T00:00:00.000Z", 2);
    put(store, "p", "a", "2026-01-02T01:00:00+01:00", 3); /* the same moment in other words */
    check_marks(store, false, "3");
    th_store_close(store);
}

TEST(a_finding_is_known_by_product_and_id)
{
    help_new_dir();
    th_store *store = help_open();
    put(store, "p", "a", "2026-01-02T00:00:00Z", 1);
    put(store, "q", "a", "2026-01-02T00:00:00Z", 2);
    put(store, "p", "b", "2026-01-02T00:00:00Z", 3);
    put(store, "pa", "", "2026-01-02T00:00:00Z", 4);
    check_marks(store, false, "1 2 3 4");
    th_store_close(store);
}

TEST(sealed_and_fresh_events_are_one_history)
{
    help_new_dir();
    th_store *store = help_open();
    put(store, "p", "a", "2026-01-02T00:00:00Z", 1);
    put(store, "p", "b", "2026-01-02T00:00:00Z", 2);
    th_diag diag = {0};
    CHECK(th_store_compact(store, NULL, NULL, &diag) == TH_OK);
    check_marks(store, false, "1 2");
    put(store, "p", "a", "2026-01-02T00:00:00Z", 3);
    check_marks(store, false, "2 3");
    th_store_close(store);
    store = help_open();
    check_marks(store, false, "2 3");
    th_store_close(store);
}

TEST(no_findings_are_no_error)
{
    help_new_dir();
    th_store *store = help_open();
    check_marks(store, false, "");
    check_marks(store, true, "");
    th_store_close(store);
}

TEST_MAIN(the_last_update_counts_not_the_last_arrival, at_the_same_moment_the_later_arrival_counts,
          a_finding_is_known_by_product_and_id, sealed_and_fresh_events_are_one_history,
          no_findings_are_no_error)
