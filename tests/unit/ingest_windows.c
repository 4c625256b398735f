/* SPDX-License-Identifier: Apache-2.0
 * Batches that go into their commit window by window: one commit whatever the size, the same records, variants, recipes and
 * counts as in one window, on one thread and on two; and nothing of it where the commit never comes. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/time.h"
#include "ingest/object.h"
#include "os/os.h"

static char folder[256];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static th_store *open_again(void)
{
    th_store_options options = {.create = true, .no_background = true};
    th_store *store = NULL;
    th_diag diag = {0};
    if (th_store_open(folder, &options, &store, NULL, &diag) != TH_OK) FAIL("%s", diag.text);
    return store;
}

static th_store *open_new(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/windows-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(folder) != NULL);
    return open_again();
}

static void close_and_remove(th_store *store)
{
    th_store_close(store);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* window_bytes 1: each record is a window. */
static th_ingest *new_ingest(th_store *store, uint64_t window_bytes, uint32_t threads)
{
    th_ingest_options options = {.quiet = true, .threads = threads};
    th_ingest *ingest = th_ingest_new(store, &options);
    CHECK(ingest != NULL);
    ingest->window_bytes = window_bytes;
    return ingest;
}

/* Into the batch, whatever its size: as take_object does with what is smaller. */
static void gather_object(th_ingest *ingest, const char *name, th_slice bytes)
{
    th_diag diag = {0};
    uint64_t window_bytes = ingest->window_bytes;
    ingest->window_bytes = INGEST_BATCH_BYTES_MAX;
    th_object_input input = {.name = name, .bytes = bytes};
    if (th_ingest_object(ingest, &input, &diag) != TH_OK) FAIL("%s", diag.text);
    ingest->window_bytes = window_bytes;
}

static void commit(th_ingest *ingest)
{
    th_diag diag = {0};
    if (th_ingest_commit(ingest, &diag) != TH_OK) FAIL("%s", diag.text);
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

static uint32_t seed = 5;
static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* ---- one commit ----------------------------------------------------------------------------------------------------------- */

enum { EVENTS = 4000, DISTINCT = 3000, DAYS = 150 };

/* An event of a day of its own choice; n + DISTINCT is n again. */
static void add_event(th_buf *text, uint32_t n)
{
    n %= DISTINCT;
    char day[16];
    th_day_format((int32_t)(18000 + n * 7 % DAYS), day);
    th_buf_printf(text,
                  "{\"eventName\":\"A%u\",\"eventSource\":\"s3.amazonaws.com\",\"eventTime\":"
                  "\"%sT12:00:00Z\",\"eventID\":\"%u\",\"recipientAccountId\":\"1\"}",
                  n % 9, day, n);
}

static void make_trail(th_buf *text)
{
    th_buf_init(text, 16 << 20);
    th_buf_add_text(text, "{\"Records\":[");
    for (uint32_t i = 0; i < EVENTS; i++) {
        if (i > 0) th_buf_add_text(text, i % 50 == 0 ? ",\n  " : ",");
        add_event(text, i);
    }
    th_buf_add_text(text, "]}");
}

static void load_large(th_store *store, th_slice bytes, uint32_t threads, th_ingest_summary *out)
{
    th_diag diag = {0};
    th_ingest *ingest = new_ingest(store, 20000, threads);
    th_object_input input = {.name = "large.json", .bytes = bytes};
    if (th_ingest_object(ingest, &input, &diag) != TH_OK) FAIL("%s", diag.text);
    commit(ingest);
    *out = *th_ingest_summary_get(ingest);
    th_ingest_free(ingest);
}

TEST(a_large_object_is_one_commit)
{
    th_buf text;
    make_trail(&text);
    for (uint32_t threads = 1; threads <= 2; threads++) {
        th_ingest_summary s;
        th_store *store = open_new();
        load_large(store, th_buf_slice(&text), threads, &s);
        CHECK_EQ_U64(th_store_lsn(store), 1);
        CHECK_EQ_U64(s.records, DISTINCT);
        CHECK_EQ_U64(s.duplicates, EVENTS - DISTINCT);
        CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), DISTINCT);
        check_back(store, th_buf_slice(&text));
        /* Each row names its delivery. */
        th_version *version = th_store_version(store);
        th_arena *arena = th_arena_new(1 << 20, NULL);
        th_record_id id = {TH_TABLE_cloudtrail, 18000, 0};
        th_slice record;
        th_run run;
        CHECK_EQ_I64(th_version_record(version, &id, arena, &record, &run, NULL), TH_OK);
        CHECK(run.object_seq != UINT64_MAX);
        th_arena_free(arena);
        th_version_release(version);

        load_large(store, th_buf_slice(&text), threads, &s);
        CHECK_EQ_U64(s.objects_known, 1);
        CHECK_EQ_U64(s.records, 0);
        /* The same events in another content. */
        th_buf_add_text(&text, "\n");
        load_large(store, th_buf_slice(&text), threads, &s);
        CHECK_EQ_U64(s.objects, 1);
        CHECK_EQ_U64(s.records, 0);
        CHECK_EQ_U64(s.duplicates, EVENTS);
        CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), DISTINCT);
        check_back(store, th_buf_slice(&text));
        text.size--;
        close_and_remove(store);
    }
    th_buf_free(&text);
}

static size_t gzip(th_slice bytes, uint8_t *out, size_t capacity)
{
    z_stream s = {0};
    CHECK_EQ_I64(deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    s.next_in = (Bytef *)(uintptr_t)bytes.bytes;
    s.avail_in = (uInt)bytes.size;
    s.next_out = out;
    s.avail_out = (uInt)capacity;
    CHECK_EQ_I64(deflate(&s, Z_FINISH), Z_STREAM_END);
    size_t made = capacity - s.avail_out;
    CHECK_EQ_I64(deflateEnd(&s), Z_OK);
    return made;
}

static void load_file(th_store *store, th_slice bytes, uint32_t threads, uint64_t size_hint)
{
    char path[300];
    th_diag diag = {0};
    snprintf(path, sizeof(path), "%s/delivered", folder);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(bytes.bytes, 1, bytes.size, file) == bytes.size);
    CHECK(fclose(file) == 0);
    int fd = th_os_open(path, O_RDONLY, 0, &diag);
    CHECK(fd >= 0);
    th_ingest *ingest = new_ingest(store, 20000, threads);
    ingest->memory_max = 5000;
    bool unreadable;
    if (ingest_read_object(ingest, "delivered", fd, size_hint, NULL, 0, &unreadable, &diag) !=
        TH_OK)
        FAIL("%s", diag.text);
    commit(ingest);
    CHECK_EQ_U64(th_ingest_summary_get(ingest)->bytes > 0, true);
    th_ingest_free(ingest);
    th_os_close(fd);
}

/* Digests of what goes to a file are made on the way, on one thread or by the one that writes. */
TEST(what_does_not_fit_memory_is_the_same)
{
    th_buf text;
    make_trail(&text);
    size_t capacity = text.size;
    uint8_t *packed = malloc(capacity);
    size_t size = gzip(th_buf_slice(&text), packed, capacity);
    for (uint32_t threads = 1; threads <= 2; threads++) {
        for (uint64_t hint = 0; hint < 2; hint++) {
            th_store *store = open_new();
            load_file(store, th_buf_slice(&text), threads, hint * text.size);
            CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), DISTINCT);
            check_back(store, th_buf_slice(&text));
            load_file(store, th_slice_of(packed, size), threads, hint * size);
            CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), DISTINCT);
            CHECK_EQ_U64(rows_of(store, TH_TABLE_contents), 1);
            CHECK_EQ_U64(rows_of(store, TH_TABLE_objects), 2);
            close_and_remove(store);
            store = open_new();
            load_file(store, th_slice_of(packed, size), threads, hint * size);
            CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), DISTINCT);
            check_back(store, th_buf_slice(&text));
            close_and_remove(store);
        }
    }
    free(packed);
    th_buf_free(&text);
}

/* Days that take turns make steps of one record each: the recipe goes to blobs, and its draft to a file. */
TEST(a_recipe_of_any_length_comes_back)
{
    enum { LINES = 120000 };
    th_buf text;
    th_buf_init(&text, 32 << 20);
    for (uint32_t i = 0; i < LINES; i++)
        th_buf_printf(&text,
                      "2 123456789012 eni-%u 10.0.0.1 10.0.0.2 443 50000 6 1 40 %u %u ACCEPT OK\n",
                      i % 7, 1600000000 + i % 2 * 86400 + i / 50, 1600000060 + i / 50);
    th_ingest_summary s;
    th_store *store = open_new();
    th_ingest *ingest = new_ingest(store, 1 << 20, 1);
    gather_object(ingest, "flow.log", th_buf_slice(&text));
    commit(ingest);
    s = *th_ingest_summary_get(ingest);
    th_ingest_free(ingest);
    CHECK_EQ_U64(s.records, LINES);
    CHECK(rows_of(store, TH_TABLE_blobs) > 0);
    check_back(store, th_buf_slice(&text));
    th_buf_free(&text);
    close_and_remove(store);
}

TEST(a_piece_that_nobody_takes_may_have_any_size)
{
    th_buf text;
    th_buf_init(&text, 16 << 20);
    for (int i = 0; i < 300000; i++) th_buf_add_text(&text, "no record of any kind\n");
    th_store *store = open_new();
    th_ingest *ingest = new_ingest(store, 1 << 20, 2);
    gather_object(ingest, "unknown", th_buf_slice(&text));
    commit(ingest);
    CHECK_EQ_U64(th_ingest_summary_get(ingest)->quarantined, 1);
    th_ingest_free(ingest);
    CHECK_EQ_U64(th_store_lsn(store), 1);
    check_back(store, th_buf_slice(&text));
    th_buf_free(&text);
    close_and_remove(store);
}

TEST(records_of_more_days_than_a_commit_takes_are_refused_and_kept)
{
    th_buf text;
    make_trail(&text);
    th_store *store = open_new();
    th_ingest *ingest = new_ingest(store, 20000, 1);
    ingest->days_max = DAYS / 2;
    gather_object(ingest, "trail.json", th_buf_slice(&text));
    commit(ingest);
    const th_ingest_summary *s = th_ingest_summary_get(ingest);
    CHECK(s->records < DISTINCT && s->records > 1000);
    CHECK_EQ_U64(s->records + s->duplicates + s->quarantined, EVENTS);
    CHECK_EQ_STR(s->reasons[0].reason, "one commit has records of too many days");
    th_ingest_free(ingest);
    check_back(store, th_buf_slice(&text));
    th_buf_free(&text);
    close_and_remove(store);
}

/* ---- nothing or everything ------------------------------------------------------------------------------------------------- */

static int load_until(const char *failpoint, th_slice text)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        setenv("TRAILHOLD_FAILPOINT", failpoint, 1);
        th_failpoints_init();
        th_ingest_summary ignored;
        load_large(open_again(), text, 2, &ignored);
        _exit(3);
    }
    int status = 0;
    CHECK_EQ_I64(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(a_load_that_is_killed_leaves_nothing_or_everything)
{
    static const struct {
        const char *failpoint;
        bool stored;
    } kills[] = {
        {"ingest_window:3", false},   {"ingest_prepared", false}, {"commit_begin", false},
        {"commit_before_txn", false}, {"commit_after_txn", true},
    };
    th_buf text;
    make_trail(&text);
    for (size_t i = 0; i < sizeof(kills) / sizeof(kills[0]); i++) {
        th_store *store = open_new();
        th_store_close(store);
        CHECK_EQ_I64(load_until(kills[i].failpoint, th_buf_slice(&text)), SIGKILL);
        store = open_again();
        CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), kills[i].stored ? DISTINCT : 0);
        CHECK_EQ_U64(rows_of(store, TH_TABLE_objects), kills[i].stored ? 1 : 0);
        th_ingest_summary s;
        load_large(store, th_buf_slice(&text), 1, &s);
        CHECK_EQ_U64(s.records, kills[i].stored ? 0 : DISTINCT);
        CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), DISTINCT);
        check_back(store, th_buf_slice(&text));
        close_and_remove(store);
    }
    th_buf_free(&text);
}

/* What another load committed while this one was prepared is not stored again, and the batch is tried once more. */
TEST(what_others_commit_meanwhile_is_found)
{
    th_buf text, event;
    th_diag diag = {0};
    make_trail(&text);
    th_buf_init(&event, 1 << 16);
    add_event(&event, 17); /* of the first window */
    th_store *store = open_new();
    th_ingest *slow = new_ingest(store, 20000, 2), *quick = new_ingest(store, 20000, 1);
    gather_object(slow, "large.json", th_buf_slice(&text));
    CHECK_EQ_I64(ingest_identify_objects(slow), TH_OK);
    bool staged = false;
    CHECK_EQ_I64(ingest_prepare(slow, &staged, &diag), TH_OK);
    CHECK(!staged);
    gather_object(quick, "one.json", th_buf_slice(&event));
    commit(quick);
    CHECK_EQ_I64(ingest_commit_prepared(slow, &diag), TH_EAGAIN);
    ingest_forget_try(slow);
    commit(slow);
    CHECK_EQ_U64(th_ingest_summary_get(slow)->records, DISTINCT - 1);
    CHECK_EQ_U64(rows_of(store, TH_TABLE_cloudtrail), DISTINCT);
    check_back(store, th_buf_slice(&text));
    th_ingest_free(slow);
    th_ingest_free(quick);
    th_buf_free(&event);
    th_buf_free(&text);
    close_and_remove(store);
}

/* ---- the same as in one window ---------------------------------------------------------------------------------------------- */

/* A text of one of a few events: other spellings, other values. */
static void add_variant(th_buf *text, uint32_t events)
{
    static const char *const more[] = {"", " ", "  ", ",\"x\":1", ",\"x\":1.0", ",\"x\":2"};
    th_buf_printf(text,
                  "{\"eventName\":\"A\",\"eventSource\":\"s\",\"eventTime\":\"2024-01-31T12:00:00Z"
                  "\",\"eventID\":\"%u\",\"recipientAccountId\":\"1\"%s}",
                  pick(events), more[pick(6)]);
}

static void add_escaped(th_buf *text, uint32_t events)
{
    th_buf inner;
    th_buf_init(&inner, 1 << 12);
    add_variant(&inner, events);
    th_buf_add_text(text, "{\"CloudTrailEvent\":\"");
    for (size_t i = 0; i < inner.size; i++) {
        if (inner.bytes[i] == '"') th_buf_add_byte(text, '\\');
        th_buf_add_byte(text, inner.bytes[i]);
    }
    th_buf_add_text(text, "\"}");
    th_buf_free(&inner);
}

/* form 0: as CloudTrail delivers; 1: lines, some of them damaged; 2: what LookupEvents answers. */
static void make_content(th_buf *text, uint32_t form, uint32_t events)
{
    static const char *const begin[] = {"{\"Records\":[", "", "{\"Events\":["};
    static const char *const between[] = {",", "\n", ", "};
    static const char *const end[] = {"]}", "\n", "]}"};
    th_buf_add_text(text, begin[form]);
    for (uint32_t i = 0, n = 1 + pick(12); i < n; i++) {
        if (i > 0) th_buf_add_text(text, between[form]);
        if (form == 2)
            add_escaped(text, events);
        else if (form == 1 && pick(5) == 0)
            th_buf_add_text(text, "{\"broken");
        else
            add_variant(text, events);
    }
    th_buf_add_text(text, end[form]);
}

enum { CONTENTS = 12, RECORDS_MAX = 64 };

typedef struct state {
    char rows[RECORDS_MAX][200]; /* texts with their marks, sorted */
    size_t count;
    th_ingest_summary summary;
    uint64_t quarantine, objects, contents;
} state;

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void look(th_store *store, state *out)
{
    th_arena *arena = th_arena_new(64 << 20, NULL);
    th_version *version = th_store_version(store);
    int32_t day = th_day_from_civil(2024, 1, 31);
    th_variant_mark *marks;
    size_t marked;
    CHECK_EQ_I64(th_variant_marks(version, TH_TABLE_cloudtrail, day, arena, &marks, &marked, NULL),
                 TH_OK);
    out->count = 0;
    for (uint64_t seq = 0;; seq++) {
        th_record_id id = {TH_TABLE_cloudtrail, day, seq};
        th_slice record;
        if (th_version_record(version, &id, arena, &record, NULL, NULL) != TH_OK) break;
        bool hidden = false, conflict = false;
        for (size_t i = 0; i < marked; i++) {
            hidden |= marks[i].seq == seq && marks[i].hidden;
            conflict |= marks[i].seq == seq && marks[i].conflict;
        }
        CHECK(out->count < RECORDS_MAX);
        snprintf(out->rows[out->count++], sizeof(out->rows[0]), "%.*s%s%s", TH_SLICE_ARGS(record),
                 hidden ? " hidden" : " shown", conflict ? " conflict" : "");
    }
    qsort(out->rows, out->count, sizeof(out->rows[0]), by_text);
    th_version_release(version);
    th_arena_free(arena);
    out->quarantine = rows_of(store, TH_TABLE_quarantine);
    out->objects = rows_of(store, TH_TABLE_objects);
    out->contents = rows_of(store, TH_TABLE_contents);
}

/* The first `before` contents are stored beforehand, the others are one batch. */
static void load_contents(const th_buf *contents, size_t before, uint64_t window_bytes,
                          uint32_t threads, state *out)
{
    th_store *store = open_new();
    th_ingest *ingest = new_ingest(store, INGEST_BATCH_BYTES_MAX, 1);
    for (size_t i = 0; i < before; i++) gather_object(ingest, "n", th_buf_slice(&contents[i]));
    commit(ingest);
    th_ingest_free(ingest);
    ingest = new_ingest(store, window_bytes, threads);
    for (size_t i = before; i < CONTENTS; i++)
        gather_object(ingest, "n", th_buf_slice(&contents[i]));
    commit(ingest);
    out->summary = *th_ingest_summary_get(ingest);
    th_ingest_free(ingest);
    look(store, out);
    for (size_t i = 0; i < CONTENTS; i++) check_back(store, th_buf_slice(&contents[i]));
    close_and_remove(store);
}

TEST(windows_change_nothing)
{
    static const uint64_t sizes[] = {INGEST_BATCH_BYTES_MAX, 1, 300, 1000};
    uint64_t hidden = 0, variants = 0;
    for (int round = 0; round < 14; round++) {
        th_buf contents[CONTENTS];
        uint32_t events = 1 + pick(8);
        size_t before = pick(3) * 2;
        for (size_t i = 0; i < CONTENTS; i++) {
            th_buf_init(&contents[i], 1 << 20);
            make_content(&contents[i], pick(3), events);
        }
        static state one, many;
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            load_contents(contents, before, sizes[k], 1 + (uint32_t)k % 2, &many);
            if (k == 0) {
                one = many;
                variants += one.summary.variants;
                for (size_t i = 0; i < one.count; i++)
                    hidden += strstr(one.rows[i], " hidden") != NULL;
                continue;
            }
            CHECK_EQ_U64(many.count, one.count);
            for (size_t i = 0; i < one.count; i++) CHECK_EQ_STR(many.rows[i], one.rows[i]);
            CHECK_EQ_U64(many.summary.records, one.summary.records);
            CHECK_EQ_U64(many.summary.duplicates, one.summary.duplicates);
            CHECK_EQ_U64(many.summary.variants, one.summary.variants);
            CHECK_EQ_U64(many.summary.quarantined, one.summary.quarantined);
            CHECK_EQ_U64(many.summary.objects, one.summary.objects);
            CHECK_EQ_U64(many.quarantine, one.quarantine);
            CHECK_EQ_U64(many.objects, one.objects);
            CHECK_EQ_U64(many.contents, one.contents);
        }
        for (size_t i = 0; i < CONTENTS; i++) th_buf_free(&contents[i]);
    }
    CHECK(hidden > 30 && variants > 30);
}

TEST_MAIN(a_large_object_is_one_commit, what_does_not_fit_memory_is_the_same,
          a_recipe_of_any_length_comes_back, a_piece_that_nobody_takes_may_have_any_size,
          records_of_more_days_than_a_commit_takes_are_refused_and_kept,
          a_load_that_is_killed_leaves_nothing_or_everything, what_others_commit_meanwhile_is_found,
          windows_change_nothing)
