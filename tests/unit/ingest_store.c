/* SPDX-License-Identifier: Apache-2.0
 * Objects into a store and out again: contents byte for byte, records once, variants the same in every order. */
#include "tests/unit/test.h"

#include <ftw.h>
#include <pthread.h>
#include <unistd.h>
#include <zlib.h>

#include "ingest/ingest.h"
#include "os/os.h"
#include "base/time.h"

static char folder[256];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static th_store *open_new(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/ingest-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(folder) != NULL);
    th_store_options options = {.create = true, .no_background = true};
    th_store *store = NULL;
    th_diag diag = {0};
    if (th_store_open(folder, &options, &store, NULL, &diag) != TH_OK) FAIL("%s", diag.text);
    return store;
}

static void close_and_remove(th_store *store)
{
    th_store_close(store);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static th_ingest *new_ingest(th_store *store)
{
    th_ingest_options options = {.quiet = true};
    th_ingest *ingest = th_ingest_new(store, &options);
    CHECK(ingest != NULL);
    return ingest;
}

static void load_slice(th_ingest *ingest, const char *name, th_slice bytes)
{
    th_diag diag = {0};
    th_object_input input = {.name = name, .bytes = bytes};
    if (th_ingest_object(ingest, &input, &diag) != TH_OK) FAIL("%s", diag.text);
}

static void load(th_ingest *ingest, const char *name, const char *text)
{
    load_slice(ingest, name, th_slice_text(text));
}

static void commit(th_ingest *ingest)
{
    th_diag diag = {0};
    if (th_ingest_commit(ingest, &diag) != TH_OK) FAIL("%s", diag.text);
}

/* Load one object by itself; what its commit added. */
static th_ingest_summary load_one(th_store *store, const char *name, th_slice bytes)
{
    th_ingest *ingest = new_ingest(store);
    load_slice(ingest, name, bytes);
    commit(ingest);
    th_ingest_summary summary = *th_ingest_summary_get(ingest);
    summary.reasons = NULL;
    th_ingest_free(ingest);
    return summary;
}

static th_err gather(void *ctx, th_slice bytes)
{
    th_buf_add_slice(ctx, bytes);
    return th_buf_error(ctx);
}

static void check_back(th_store *store, th_slice content)
{
    th_diag diag = {0};
    th_buf buf;
    th_buf_init(&buf, content.size + 1);
    th_sha256 sha = th_sha256_of(content);
    th_version *version = th_store_version(store);
    if (th_content_read(version, &sha, gather, &buf, &diag) != TH_OK) FAIL("%s", diag.text);
    CHECK_EQ_BYTES(buf.bytes, buf.size, content.bytes, content.size);
    th_version_release(version);
    th_buf_free(&buf);
}

static uint64_t rows_of(th_store *store, th_table_id table)
{
    uint64_t rows = 0;
    th_version *version = th_store_version(store);
    CHECK_EQ_I64(th_version_rows(version, (uint32_t)table, &rows, NULL), TH_OK);
    th_version_release(version);
    return rows;
}

#define CT_MORE(id, more)                                                                         \
    "{\"eventName\":\"A\",\"eventSource\":\"s3.amazonaws.com\",\"eventTime\":\"2024-01-31T12:00:" \
    "00Z\",\"eventID\":\"" id "\",\"recipientAccountId\":\"1\"" more "}"
#define CT(id) CT_MORE(id, "")

static size_t gzip(const void *bytes, size_t size, uint8_t *out, size_t capacity)
{
    z_stream s = {0};
    CHECK_EQ_I64(deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    s.next_in = (Bytef *)(uintptr_t)bytes;
    s.avail_in = (uInt)size;
    s.next_out = out;
    s.avail_out = (uInt)capacity;
    CHECK_EQ_I64(deflate(&s, Z_FINISH), Z_STREAM_END);
    size_t made = capacity - s.avail_out;
    CHECK_EQ_I64(deflateEnd(&s), Z_OK);
    return made;
}

TEST(contents_come_back_and_are_stored_once)
{
    static const char *const contents[] = {
        "",
        "{\"Records\":[]}",
        "{\"Records\":[" CT("a") "," CT("b") "]}",
        "{\"Records\": [ " CT("b") " ,\n " CT("c") "," CT("a") " ] } \n",
        CT("a") "\n" CT("d") "\r\n{\"x\":1}\n{broken\n" CT("e"),
        "[" CT("f") "," CT("f") "," CT("a") "]",
        "{\"Events\":[{\"EventId\":\"1\",\"CloudTrailEvent\":\"{\\\"eventName\\\":\\\"A\\\","
        "\\\"eventSource\\\":\\\"s\\\",\\\"eventID\\\":\\\"1\\\"}\"},"
        "{\"CloudTrailEvent\":\"{\\\"eventName\\\":\\\"\\u0041\\/\\\",\\\"eventSource\\\":\\\"s/"
        "\\\",\\\"eventID\\\":\\\"2\\\"}\"}]}",
        "2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 50000 6 1 40 1600000000 1600000060 ACCEPT "
        "OK\r\n\r\n"
        "2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 50000 6 1 40 1600000000 1600000060 ACCEPT OK",
        "not of any kind",
    };
    enum { COUNT = sizeof(contents) / sizeof(contents[0]) };
    th_store *store = open_new();
    th_ingest *ingest = new_ingest(store);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT; i++) load(ingest, "name", contents[i]);
    commit(ingest);
    const th_ingest_summary *s = th_ingest_summary_get(ingest);
    CHECK_EQ_U64(s->objects, COUNT);
    CHECK_EQ_U64(s->objects_known, COUNT);
    CHECK_EQ_U64(s->deliveries, 2 * COUNT);
    CHECK_EQ_U64(s->records, 6 + 2 + 2); /* a to f, two looked up, two lines that are equal */
    CHECK_EQ_U64(s->variants, 0);
    CHECK_EQ_U64(s->quarantined, 3);
    th_ingest_free(ingest);
    for (size_t i = 0; i < COUNT; i++) check_back(store, th_slice_text(contents[i]));
    CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), 8);
    CHECK_EQ_U64(rows_of(store, TH_TABLE_vpc_flow), 2);

    for (size_t i = 0; i < COUNT; i++) {
        th_ingest_summary again = load_one(store, "name", th_slice_text(contents[i]));
        CHECK_EQ_U64(again.records, 0);
        CHECK_EQ_U64(again.objects_known, 1);
    }
    CHECK_EQ_U64(rows_of(store, TH_TABLE_objects), 3 * COUNT);
    CHECK_EQ_U64(rows_of(store, TH_TABLE_contents), COUNT);
    CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), 8);
    close_and_remove(store);
}

TEST(containers_good_and_bad)
{
    static const char text[] = "{\"Records\":[" CT("a") "]}";
    uint8_t packed[1000];
    size_t size = gzip(text, strlen(text), packed, 900);
    th_store *store = open_new();
    CHECK_EQ_U64(load_one(store, "a.json.gz", th_slice_of(packed, size)).records, 1);
    check_back(store, th_slice_text(text));
    CHECK_EQ_U64(load_one(store, "a.json", th_slice_text(text)).objects_known, 1);

    /* Cut off: the container is the content, kept as it is. */
    th_ingest_summary cut = load_one(store, "cut.gz", th_slice_of(packed, size - 5));
    CHECK_EQ_U64(cut.quarantined, 1);
    CHECK_EQ_U64(cut.records, 0);
    check_back(store, th_slice_of(packed, size - 5));

    /* Bytes behind the stream: the content is what inflates, they are kept and named. */
    memcpy(packed + size, "behind", 6);
    th_ingest *ingest = new_ingest(store);
    load_slice(ingest, "more.gz", th_slice_of(packed, size + 6));
    commit(ingest);
    const th_ingest_summary *s = th_ingest_summary_get(ingest);
    CHECK_EQ_U64(s->objects_known, 1);
    CHECK_EQ_U64(s->quarantined, 1);
    CHECK_EQ_STR(s->reasons[0].reason, "bytes after the gzip stream");
    CHECK_EQ_U64(s->reasons[0].offset, size);
    th_ingest_free(ingest);
    close_and_remove(store);
}

TEST(names_and_lists)
{
    th_store *store = open_new();
    load_one(store, "s3://b/k1", TH_SLICE("{\"Records\":[" CT("a") "]}"));
    load_one(store, "s3://b/k2", TH_SLICE("{\"Records\":[" CT("a") "]}"));
    load_one(store, "s3://b/k2", TH_SLICE("other"));
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_sha256 *found;
    size_t count;
    th_diag diag = {0};
    CHECK_EQ_I64(th_content_find(version, "s3://b/k1", arena, &found, &count, NULL), TH_OK);
    CHECK_EQ_U64(count, 1);
    char hex[65];
    th_sha256_hex(found, hex);
    CHECK_EQ_I64(th_content_find(version, hex, arena, &found, &count, NULL), TH_OK);
    CHECK_EQ_I64(th_content_find(version, "s3://b/k2", arena, &found, &count, &diag),
                 TH_EAMBIGUOUS);
    CHECK_EQ_U64(count, 2);
    CHECK_EQ_I64(th_content_find(version, "s3://b/k3", arena, &found, &count, NULL), TH_ENOTFOUND);
    hex[0] = hex[0] == '0' ? '1' : '0';
    CHECK_EQ_I64(th_content_find(version, hex, arena, &found, &count, NULL), TH_ENOTFOUND);

    th_content_run *runs;
    th_sha256 sha = th_sha256_of(TH_SLICE("{\"Records\":[" CT("a") "]}"));
    CHECK_EQ_I64(th_content_runs(version, &sha, arena, &runs, &count, NULL), TH_OK);
    CHECK_EQ_U64(count, 1);
    CHECK_EQ_U64(runs[0].table, TH_TABLE_cloudtrail);
    CHECK_EQ_U64(runs[0].count, 1);
    th_arena_free(arena);
    th_version_release(version);
    close_and_remove(store);
}

/* ---- variants ----------------------------------------------------------------------------------------------------------- */

/* Arrivals: texts of two events, each in delivered form or not. */
static const char *const arrivals[] = {
    "{\"Records\":[" CT_MORE("v", ",\"x\":1") "]}",
    "{\"Records\":[" CT_MORE("v", ", \"x\":1.0") "]}",
    "[" CT_MORE("v", ",\"x\":1") "]",
    "[" CT_MORE("v", ",\"x\":2") "]",
    "[" CT_MORE("w", "") "]",
    CT_MORE("w", " "),
    CT_MORE("w", "  "),
    "{\"Records\":[" CT_MORE("w", "  ") "]} ",
    "{\"Records\":[" CT_MORE("u", "") "]}",
};
enum { ARRIVALS = sizeof(arrivals) / sizeof(arrivals[0]) };

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Every stored record with what it is marked as, sorted: the state that must not depend on order. */
static void state_of(th_store *store, char out[16][300], size_t *count)
{
    th_arena *arena = th_arena_new(64 << 20, NULL);
    th_version *version = th_store_version(store);
    int32_t day = 0;
    CHECK(th_day_parse(TH_SLICE("2024-01-31"), &day));
    th_variant_mark *marks;
    size_t mark_count;
    CHECK_EQ_I64(
        th_variant_marks(version, TH_TABLE_cloudtrail, day, arena, &marks, &mark_count, NULL),
        TH_OK);
    *count = 0;
    for (uint64_t seq = 0; seq < 16; seq++) {
        th_record_id id = {TH_TABLE_cloudtrail, day, seq};
        th_slice record;
        if (th_version_record(version, &id, arena, &record, NULL, NULL) != TH_OK) break;
        const char *mark = "shown";
        bool conflict = false;
        for (size_t i = 0; i < mark_count; i++) {
            if (marks[i].seq != seq) continue;
            if (marks[i].hidden) mark = "hidden";
            conflict = marks[i].conflict;
        }
        snprintf(out[(*count)++], 300, "%.*s %s%s", TH_SLICE_ARGS(record), mark,
                 conflict ? " conflict" : "");
    }
    qsort(out, *count, 300, by_text);
    th_version_release(version);
    th_arena_free(arena);
}

static uint32_t seed = 99;
static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static void shuffle(size_t order[ARRIVALS])
{
    for (size_t i = 0; i < ARRIVALS; i++) order[i] = i;
    for (size_t i = ARRIVALS - 1; i > 0; i--) {
        size_t k = pick((uint32_t)i + 1), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
}

TEST(what_is_shown_does_not_depend_on_order_or_commits)
{
    char first[16][300], now[16][300];
    size_t first_count = 0, count;
    for (int round = 0; round < 25; round++) {
        size_t order[ARRIVALS];
        shuffle(order);
        th_store *store = open_new();
        /* In every second round each content is a commit of its own, and each record a window. */
        th_ingest_options options = {.quiet = true, .batch_bytes = (uint64_t)round % 2};
        th_ingest *ingest = th_ingest_new(store, &options);
        for (size_t i = 0; i < ARRIVALS; i++) {
            load(ingest, "n", arrivals[order[i]]);
            if (pick(3) == 0) commit(ingest);
        }
        commit(ingest);
        th_ingest_free(ingest);
        state_of(store, now, &count);
        close_and_remove(store);
        if (round == 0) {
            memcpy(first, now, sizeof(first));
            first_count = count;
            CHECK_EQ_U64(count, 7); /* v: three texts, w: three, u: one */
            continue;
        }
        CHECK_EQ_U64(count, first_count);
        for (size_t i = 0; i < count; i++) CHECK_EQ_STR(now[i], first[i]);
    }
    size_t shown = 0, conflicts = 0;
    for (size_t i = 0; i < first_count; i++) {
        shown += strstr(first[i], " shown") != NULL;
        conflicts += strstr(first[i], "conflict") != NULL;
        /* Only one text of w was delivered in the form of CloudTrail. */
        if (strstr(first[i], "\"w\"") != NULL)
            CHECK_EQ_I64(strstr(first[i], "  } shown") != NULL, strstr(first[i], "  }") != NULL);
    }
    CHECK_EQ_U64(shown, 3);
    CHECK_EQ_U64(conflicts, 3); /* x is 2 against 1 and 1.0 */
}

/* ---- several at once ------------------------------------------------------------------------------------------------------ */

static th_store *shared_store;

static void *load_in_thread(void *arg)
{
    uint32_t own = (uint32_t)(uintptr_t)arg;
    th_ingest_options options = {.quiet = true};
    th_ingest *ingest = th_ingest_new(shared_store, &options);
    th_err err = ingest == NULL ? TH_ENOMEM : TH_OK;
    for (uint32_t i = 0; i < 40 && err == TH_OK; i++) {
        char text[2000];
        /* All load the same 40 files at the same time, two of them from another place on. */
        uint32_t n = (i + own / 2 * 20) % 40;
        snprintf(text, sizeof(text), "{\"Records\":[" CT("same%u") "," CT("next%u") "]}", n, n + 1);
        th_object_input input = {.name = "n", .bytes = th_slice_text(text)};
        err = th_ingest_object(ingest, &input, NULL);
        if (err == TH_OK && i % 3 == 0) err = th_ingest_commit(ingest, NULL);
    }
    if (err == TH_OK) err = th_ingest_commit(ingest, NULL);
    th_ingest_free(ingest);
    return (void *)(uintptr_t)err;
}

TEST(threads_that_load_the_same_store_it_once)
{
    pthread_t threads[4];
    shared_store = open_new();
    for (uintptr_t i = 0; i < 4; i++)
        CHECK_EQ_I64(pthread_create(&threads[i], NULL, load_in_thread, (void *)i), 0);
    for (int i = 0; i < 4; i++) {
        void *err;
        CHECK_EQ_I64(pthread_join(threads[i], &err), 0);
        CHECK_EQ_I64((uintptr_t)err, TH_OK);
    }
    CHECK_EQ_U64(rows_of(shared_store, TH_TABLE_cloudtrail), 80);
    CHECK_EQ_U64(rows_of(shared_store, TH_TABLE_contents), 40);
    CHECK_EQ_U64(rows_of(shared_store, TH_TABLE_objects), 160);
    close_and_remove(shared_store);
}

TEST_MAIN(contents_come_back_and_are_stored_once, containers_good_and_bad, names_and_lists,
          what_is_shown_does_not_depend_on_order_or_commits,
          threads_that_load_the_same_store_it_once)
