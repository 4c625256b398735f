/* SPDX-License-Identifier: Apache-2.0
 * A folder loaded by one thread and by several: the same counts, reasons, contents, records and shown variants. */
#include "tests/unit/test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "ingest/ingest_private.h"
#include "ingest/resolve.h"

enum { FILES = 240 };

static char work[256];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* Events shared between files, other texts of the same event, whole files twice, lines that are none. */
static void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(work, sizeof(work), "%s/threads-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(work) != NULL);
    char path[400], text[2000];
    snprintf(path, sizeof(path), "%s/in", work);
    CHECK(mkdir(path, 0700) == 0);
    for (int i = 0; i < FILES; i++) {
        int n = 0;
        for (int k = 0; k < 4; k++) {
            n +=
                snprintf(text + n, sizeof(text) - (size_t)n,
                         "{\"eventName\":\"A\",\"eventSource\":\"s\",\"eventTime\":\"2024-01-31T12:"
                         "00:00Z\",\"eventID\":\"%d\",\"recipientAccountId\":\"1\",\"n\":%d}\n",
                         i % 12 == 0 ? k : (i * 7 + k) % 150, i % 5 == 0 ? i % 3 : 0);
        }
        if (i % 40 == 3) snprintf(text + n, sizeof(text) - (size_t)n, "{\"broken\n");
        snprintf(path, sizeof(path), "%s/in/%03d.json", work, i);
        write_file(path, text);
    }
    snprintf(path, sizeof(path), "%s/in/unreadable.json", work);
    CHECK(mkfifo(path, 0600) == 0);
}

typedef struct outcome {
    th_ingest_summary summary;
    uint64_t rows[5], hidden, hidden_sum, conflicts, reasons_sum;
} outcome;

static void look_at_marks(th_store *store, outcome *out)
{
    th_diag diag = {0};
    th_arena *arena = th_arena_new(16 << 20, NULL);
    th_version *version = th_store_version(store);
    int32_t day = th_day_from_civil(2024, 1, 31);
    th_variant_mark *marks;
    size_t count;
    if (th_variant_marks(version, TH_TABLE_cloudtrail, day, arena, &marks, &count, &diag) != TH_OK)
        FAIL("%s", diag.text);
    for (size_t i = 0; i < count; i++) {
        th_record_id id = {TH_TABLE_cloudtrail, day, marks[i].seq};
        th_slice record;
        CHECK(th_version_record(version, &id, arena, &record, NULL, &diag) == TH_OK);
        out->hidden += marks[i].hidden;
        out->conflicts += marks[i].conflict;
        if (marks[i].hidden) out->hidden_sum += th_xxh3(record);
    }
    static const th_table_id tables[] = {TH_TABLE_cloudtrail, TH_TABLE_contents, TH_TABLE_objects,
                                         TH_TABLE_quarantine, TH_TABLE_blobs};
    for (size_t i = 0; i < 5; i++)
        CHECK(th_version_rows(version, (uint32_t)tables[i], &out->rows[i], &diag) == TH_OK);
    th_version_release(version);
    th_arena_free(arena);
}

static outcome load_with(uint32_t threads, uint32_t batch_objects)
{
    char path[400];
    th_diag diag = {0};
    snprintf(path, sizeof(path), "%s/data-%u", work, threads);
    th_store_options store_options = {.create = true, .no_background = true};
    th_store *store = NULL;
    if (th_store_open(path, &store_options, &store, NULL, &diag) != TH_OK) FAIL("%s", diag.text);
    th_ingest_options options = {.quiet = true, .threads = threads, .batch_objects = batch_objects};
    th_ingest *ingest = th_ingest_new(store, &options);
    snprintf(path, sizeof(path), "%s/in", work);
    if (th_ingest_path(ingest, path, NULL, &diag) != TH_OK) FAIL("%s", diag.text);
    if (th_ingest_commit(ingest, &diag) != TH_OK) FAIL("%s", diag.text);
    outcome out = {.summary = *th_ingest_summary_get(ingest)};
    for (size_t i = 0; i < out.summary.reason_count; i++) {
        const th_ingest_reason *r = &out.summary.reasons[i];
        out.reasons_sum = th_xxh3_seed(th_slice_text(r->path), out.reasons_sum + r->offset);
    }
    look_at_marks(store, &out);
    th_ingest_free(ingest);
    th_store_close(store);
    return out;
}

TEST(the_number_of_threads_changes_nothing)
{
    make_folder();
    outcome one = load_with(1, 7);
    CHECK(one.hidden > 10 && one.conflicts > 10 && one.summary.quarantined == 6);
    CHECK_EQ_U64(one.summary.unreadable, 1);
    for (uint32_t threads = 2; threads <= 8; threads += 3) {
        outcome many = load_with(threads, 7);
        CHECK_EQ_U64(many.summary.objects, one.summary.objects);
        CHECK_EQ_U64(many.summary.objects_known, one.summary.objects_known);
        CHECK_EQ_U64(many.summary.deliveries, one.summary.deliveries);
        CHECK_EQ_U64(many.summary.records, one.summary.records);
        CHECK_EQ_U64(many.summary.duplicates, one.summary.duplicates);
        CHECK_EQ_U64(many.summary.variants, one.summary.variants);
        CHECK_EQ_U64(many.summary.quarantined, one.summary.quarantined);
        CHECK_EQ_U64(many.summary.bytes, one.summary.bytes);
        CHECK_EQ_U64(many.summary.unreadable, one.summary.unreadable);
        CHECK_EQ_U64(many.summary.reason_count, one.summary.reason_count);
        CHECK_EQ_U64(many.reasons_sum, one.reasons_sum);
        CHECK_EQ_U64(many.hidden, one.hidden);
        CHECK_EQ_U64(many.hidden_sum, one.hidden_sum);
        CHECK_EQ_U64(many.conflicts, one.conflicts);
        for (size_t i = 0; i < 5; i++) CHECK_EQ_U64(many.rows[i], one.rows[i]);
    }
    nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static th_ingest *new_ingest(th_store *store)
{
    th_ingest_options options = {.quiet = true};
    return th_ingest_new(store, &options);
}

/* The other load ends after this one has looked everything up and before it commits. */
TEST(contents_that_another_load_stored_meanwhile_are_known)
{
    make_folder();
    char path[400];
    th_diag diag = {0};
    snprintf(path, sizeof(path), "%s/data", work);
    th_store_options store_options = {.create = true, .no_background = true};
    th_store *store = NULL;
    CHECK(th_store_open(path, &store_options, &store, NULL, &diag) == TH_OK);
    th_object_input object = {
        .name = "a.json",
        .bytes = th_slice_text("{\"eventName\":\"A\",\"eventSource\":\"s\",\"eventID\":\"1\","
                               "\"eventTime\":\"2024-01-31T12:00:00Z\"}\n")};
    th_ingest *slow = new_ingest(store), *quick = new_ingest(store);
    CHECK(th_ingest_object(slow, &object, &diag) == TH_OK);
    CHECK(ingest_identify_objects(slow) == TH_OK);
    bool staged = false;
    CHECK(ingest_prepare(slow, &staged, &diag) == TH_OK);

    CHECK(th_ingest_object(quick, &object, &diag) == TH_OK);
    CHECK(th_ingest_commit(quick, &diag) == TH_OK);
    CHECK(ingest_commit_prepared(slow, &diag) == TH_EAGAIN);
    ingest_forget_try(slow);
    CHECK(ingest_commit_batch(slow, &diag) == TH_OK);

    CHECK_EQ_U64(th_ingest_summary_get(quick)->objects, 1);
    CHECK_EQ_U64(th_ingest_summary_get(slow)->objects, 0);
    CHECK_EQ_U64(th_ingest_summary_get(slow)->objects_known, 1);
    uint64_t contents = 0;
    th_version *version = th_store_version(store);
    CHECK(th_version_rows(version, TH_TABLE_contents, &contents, &diag) == TH_OK);
    CHECK_EQ_U64(contents, 1);
    th_version_release(version);
    th_ingest_free(slow);
    th_ingest_free(quick);
    th_store_close(store);
    nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Set from the start: nothing is loaded, and all threads come to an end. */
TEST(an_interrupt_ends_all_threads)
{
    static const volatile int cancel = 1;
    make_folder();
    char path[400];
    th_diag diag = {0};
    snprintf(path, sizeof(path), "%s/data", work);
    th_store_options store_options = {.create = true, .no_background = true};
    th_store *store = NULL;
    CHECK(th_store_open(path, &store_options, &store, NULL, &diag) == TH_OK);
    th_ingest_options options = {.quiet = true, .threads = 4};
    th_ingest *ingest = th_ingest_new(store, &options);
    snprintf(path, sizeof(path), "%s/in", work);
    CHECK(th_ingest_path(ingest, path, &cancel, &diag) == TH_ECANCELED);
    CHECK(th_ingest_commit(ingest, &diag) == TH_OK);
    CHECK_EQ_U64(th_ingest_summary_get(ingest)->deliveries, 0);
    th_ingest_free(ingest);
    th_store_close(store);
    nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_MAIN(the_number_of_threads_changes_nothing,
          contents_that_another_load_stored_meanwhile_are_known, an_interrupt_ends_all_threads)
