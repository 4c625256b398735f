/* SPDX-License-Identifier: Apache-2.0
 * Files and folders: order, names, sidecars, links, what cannot be read. */
#include "tests/unit/test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "ingest/walk.h"
#include "os/os.h"

static char folder[256];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static const char *at(const char *name)
{
    static char paths[4][600];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *text)
{
    CHECK_EQ_I64(th_os_write_file(at(name), th_slice_text(text), 0600, NULL), TH_OK);
}

static void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/walk-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ_I64(mkdir(at("b"), 0700), 0);
    put_file("b/2", "two");
    put_file("b/1", "one");
    put_file("a.json", "{}");
    put_file("a.json.head.json",
             "{\"ETag\":\"\\\"abc\\\"\",\"ContentType\":\"application/json\",\"VersionId\":\"v1\","
             "\"ContentLength\":2,\"Metadata\":{\"Signature\":\"00ff\"}}");
    put_file("c.head.json", "{}");
    put_file("d", "");
    put_file("d.head.json", "{broken");
    CHECK_EQ_I64(symlink("a.json", at("link")), 0);
    CHECK_EQ_I64(symlink("/", at("linked-folder")), 0);
    CHECK_EQ_I64(mkfifo(at("fifo"), 0600), 0);
}

/* One line a file: its name below the folder, its headers or its error. */
static th_err note(void *ctx, const th_walk_file *file, th_diag *diag)
{
    th_buf *out = ctx;
    (void)diag;
    const char *name =
        strncmp(file->name, folder, strlen(folder)) == 0 ? file->name + strlen(folder) : file->name;
    th_buf_printf(out, "%s%s", name, file->error != NULL ? " error" : "");
    for (size_t i = 0; i < file->header_count; i++)
        th_buf_printf(out, " %.*s=%.*s", TH_SLICE_ARGS(file->headers[i].name),
                      TH_SLICE_ARGS(file->headers[i].value));
    th_buf_add_text(out, "\n");
    return th_buf_error(out);
}

static void check_walk(const char *path, const char *prefix, const char *wanted)
{
    th_buf out;
    th_buf_init(&out, 1 << 16);
    CHECK_EQ_I64(th_walk(path, prefix, note, &out, NULL), TH_OK);
    CHECK_EQ_STR(th_buf_text(&out), wanted);
    th_buf_free(&out);
}

#define HEADERS                                                                                  \
    " x-amz-meta-signature=00ff etag=\"abc\" content-type=application/json x-amz-version-id=v1 " \
    "content-length=2"

TEST(folders_are_walked_in_name_order)
{
    make_folder();
    check_walk(folder, NULL,
               "/a.json" HEADERS "\n/b/1\n/b/2\n/c.head.json\n/d error\n/d\n/fifo error\n");
    check_walk(folder, "s3://bucket/p/",
               "s3://bucket/p/a.json" HEADERS
               "\ns3://bucket/p/b/1\ns3://bucket/p/b/2\ns3://bucket/p/c.head.json\n"
               "s3://bucket/p/d error\ns3://bucket/p/d\ns3://bucket/p/fifo error\n");
    check_walk(at("a.json"), "s3://bucket", "s3://bucket/a.json" HEADERS "\n");
    check_walk(at("link"), NULL, "/link\n");
    check_walk(at("none"), NULL, "/none error\n");
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST(unreadable_files_are_named_and_the_rest_loads)
{
    make_folder();
    th_store *store = NULL;
    th_store_options store_options = {.create = true, .no_background = true};
    CHECK_EQ_I64(th_store_open(at("data"), &store_options, &store, NULL, NULL), TH_OK);
    th_ingest_options options = {.quiet = true, .as_prefix = "s3://bucket"};
    th_ingest *ingest = th_ingest_new(store, &options);
    th_diag diag = {0};
    CHECK_EQ_I64(th_ingest_path(ingest, at("b"), NULL, &diag), TH_OK);
    CHECK_EQ_I64(th_ingest_path(ingest, at("fifo"), NULL, &diag), TH_OK);
    CHECK_EQ_I64(th_ingest_path(ingest, at("none"), NULL, &diag), TH_OK);
    CHECK_EQ_I64(th_ingest_path(ingest, at("a.json"), NULL, &diag), TH_OK);
    CHECK_EQ_I64(th_ingest_commit(ingest, &diag), TH_OK);
    const th_ingest_summary *s = th_ingest_summary_get(ingest);
    CHECK_EQ_U64(s->unreadable, 2);
    CHECK_EQ_U64(s->deliveries, 3);
    volatile int cancel = 1;
    CHECK_EQ_I64(th_ingest_path(ingest, at("b"), &cancel, &diag), TH_ECANCELED);
    th_ingest_free(ingest);

    /* The metadata went with the delivery. */
    th_version *version = th_store_version(store);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_segment_ref *refs;
    size_t count;
    CHECK_EQ_I64(th_version_segments(version, TH_TABLE_objects, INT32_MIN, INT32_MAX, arena, &refs,
                                     &count, NULL),
                 TH_OK);
    th_record_id id = {TH_TABLE_objects, refs[count - 1].day,
                       refs[count - 1].first_seq + refs[count - 1].rows - 1};
    th_slice row;
    CHECK_EQ_I64(th_version_record(version, &id, arena, &row, NULL, NULL), TH_OK);
    CHECK(th_slice_find(row, TH_SLICE("\"x-amz-meta-signature\":\"00ff\"")) != SIZE_MAX);
    CHECK(th_slice_find(row,
                        TH_SLICE("\"bucket\":\"bucket\",\"key\":\"a.json\",\"version\":\"v1\"")) !=
          SIZE_MAX);
    th_arena_free(arena);
    th_version_release(version);
    th_store_close(store);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_MAIN(folders_are_walked_in_name_order, unreadable_files_are_named_and_the_rest_loads)
