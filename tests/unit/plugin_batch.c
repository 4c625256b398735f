/* SPDX-License-Identifier: Apache-2.0
 * From rows of a segment to what a plugin reads through the SDK: values, NULLs, times, alignment, seals. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/time.h"
#include "plugin/batch.h"
#include "plugin/host_private.h"
#include "plugins/sdk/trailhold_rows.h"
#include "tests/unit/test.h"

#define DAY 20000
#define ROWS 40u

enum { C_NAME, C_PARAMETERS, C_DEEP, C_ACCOUNT, C_DAY, C_TIME, C_RECORD, C_COUNT };

static th_slice names[C_COUNT];
static th_buf image;
static th_loaded loaded;
static th_arena *arena;

static int64_t time_of(uint32_t row)
{
    return DAY * TH_US_PER_DAY + row * INT64_C(1000001);
}

/* Every third row has no name, every fifth no parameters, row 0 no time. */
static th_slice record_of(uint32_t row, char out[256])
{
    char name[64] = "", parameters[64] = "null";
    if (row % 3 != 0) snprintf(name, sizeof(name), "\"eventName\":\"Caf\\u00e9 %u\",", row);
    if (row % 5 != 0)
        snprintf(parameters, sizeof(parameters), "{\"deep\":{\"n\":%u}, \"list\":[]}", row);
    int size = snprintf(out, 256, "{%s\"requestParameters\":%s,\"recipientAccountId\":\"%012u\"}",
                        name, parameters, row);
    return th_slice_of(out, (size_t)size);
}

static void load(void)
{
    static const char *const list[C_COUNT] = {
        "eventName", "requestParameters", "requestParameters.deep.n", "_account", "_day", "_time",
        "record"};
    for (int i = 0; i < C_COUNT; i++) names[i] = th_slice_text(list[i]);
    arena = th_arena_new(64u << 20, NULL);
    th_segment_builder *builder = th_segment_builder_new(th_model_table(TH_TABLE_cloudtrail), NULL);
    CHECK(arena != NULL && builder != NULL);
    for (uint32_t row = 0; row < ROWS; row++) {
        char text[256];
        CHECK(th_segment_builder_add(builder, record_of(row, text), (th_slice){0}, row > 0,
                                     time_of(row)) == TH_OK);
    }
    th_buf_init(&image, 16u << 20);
    CHECK(th_segment_builder_finish(builder, &image) == TH_OK);
    th_segment_builder_free(builder);
    th_segment *segment = NULL;
    th_diag diag = {0};
    CHECK(th_segment_open(th_buf_slice(&image), &segment, &diag) == TH_OK);
    loaded = (th_loaded){
        .segment = segment,
        .ref = {.table = TH_TABLE_cloudtrail, .day = DAY, .rows = ROWS, .rows_stored = ROWS}};
}

static void unload(void)
{
    th_segment_close((th_segment *)(uintptr_t)loaded.segment);
    th_buf_free(&image);
    th_arena_free(arena);
}

/* The rows as a memfd, mapped as the runner does. */
static int feed(const uint32_t *rows, uint32_t count, runner_batch *batch)
{
    plugin_subscription subscription = {
        .wire = {.table = TH_SLICE("cloudtrail"), .columns = names, .column_count = C_COUNT},
        .table = TH_TABLE_cloudtrail};
    th_diag diag = {0};
    int fd = -1;
    if (feed_batch(&subscription, 3, &loaded, rows, count, 77, arena, &fd, &diag) != TH_OK)
        FAIL("%s", diag.text);
    CHECK(runner_batch_map(fd, batch) == TH_OK);
    CHECK_EQ_U64(batch->batch.rows, count);
    return fd;
}

static void check_text(const runner_batch *b, uint32_t column, uint32_t i, const char *wanted)
{
    th_text text = th_text_at(&b->batch, column, i);
    if (wanted == NULL) {
        CHECK(text.bytes == NULL);
        return;
    }
    CHECK(text.bytes != NULL);
    CHECK_EQ_BYTES(text.bytes, text.size, wanted, strlen(wanted));
}

static void check_row(const runner_batch *b, uint32_t i, uint32_t row)
{
    char name[64], parameters[64], deep[16], account[16], record[256];
    snprintf(name, sizeof(name), "Caf\xc3\xa9 %u", row);
    snprintf(parameters, sizeof(parameters), "{\"deep\":{\"n\":%u}, \"list\":[]}", row);
    snprintf(deep, sizeof(deep), "%u", row);
    snprintf(account, sizeof(account), "%012u", row);
    check_text(b, C_NAME, i, row % 3 != 0 ? name : NULL);
    check_text(b, C_PARAMETERS, i, row % 5 != 0 ? parameters : NULL);
    check_text(b, C_DEEP, i, row % 5 != 0 ? deep : NULL);
    check_text(b, C_ACCOUNT, i, account);
    check_text(b, C_DAY, i, "2024-10-04");
    th_slice wanted = record_of(row, record);
    check_text(b, C_RECORD, i, record);
    CHECK(wanted.size > 0);
    const struct ArrowArray *times = b->batch.columns[C_TIME];
    bool valid = (((const uint8_t *)times->buffers[0])[i / 8] >> (i % 8) & 1) != 0;
    CHECK(valid == (row > 0));
    if (valid) CHECK_EQ_I64(((const int64_t *)times->buffers[1])[i], time_of(row));
}

TEST(a_plugin_reads_what_the_records_hold)
{
    load();
    uint32_t rows[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) rows[i] = i;
    runner_batch b;
    int fd = feed(rows, ROWS, &b);
    for (uint32_t i = 0; i < ROWS; i++) check_row(&b, i, i);
    CHECK_EQ_U64(b.batch.subscription, 3);
    CHECK_EQ_U64(b.batch.first_lsn, 77);
    CHECK_EQ_U64(b.batch.column_count, C_COUNT);
    CHECK_EQ_STR(b.batch.schemas[C_NAME]->format, "u");
    CHECK_EQ_STR(b.batch.schemas[C_TIME]->format, "tsu:UTC");
    runner_batch_unmap(&b);
    close(fd);
    unload();
}

TEST(any_rows_of_a_segment_can_be_given)
{
    static const uint32_t lists[][5] = {
        {0, 1, 2, 3, 4}, {39, 0, 0, 0, 0}, {1, 2, 19, 20, 39}, {0, 17, 34, 0, 0}};
    static const uint32_t counts[] = {5, 1, 5, 3};
    load();
    for (size_t l = 0; l < sizeof(counts) / sizeof(counts[0]); l++) {
        runner_batch b;
        int fd = feed(lists[l], counts[l], &b);
        for (uint32_t i = 0; i < counts[l]; i++) check_row(&b, i, lists[l][i]);
        runner_batch_unmap(&b);
        close(fd);
    }
    unload();
}

TEST(buffers_are_aligned_and_null_counts_true)
{
    load();
    uint32_t rows[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) rows[i] = i;
    runner_batch b;
    int fd = feed(rows, ROWS, &b);
    static const int64_t nulls[C_COUNT] = {14, 8, 8, 0, 0, 1, 0};
    for (uint32_t c = 0; c < C_COUNT; c++) {
        const struct ArrowArray *array = b.batch.columns[c];
        CHECK_EQ_I64(array->length, ROWS);
        CHECK_EQ_I64(array->null_count, nulls[c]);
        CHECK_EQ_I64(array->n_buffers, c == C_TIME ? 2 : 3);
        for (int64_t i = 0; i < array->n_buffers; i++)
            CHECK((uintptr_t)array->buffers[i] % 64 == 0);
    }
    runner_batch_unmap(&b);
    close(fd);
    unload();
}

TEST(a_batch_cannot_be_changed)
{
    load();
    static const uint32_t rows[] = {1};
    runner_batch b;
    int fd = feed(rows, 1, &b);
    CHECK(write(fd, "x", 1) < 0);
    CHECK(ftruncate(fd, 0) < 0);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK(fcntl(fd, F_ADD_SEALS, 0) < 0); /* nor can seals be added */
    runner_batch_unmap(&b);
    close(fd);
    unload();
}

TEST(what_is_no_batch_is_refused)
{
    runner_batch b;
    int fd = memfd_create("other", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(runner_batch_map(fd, &b) == TH_EPARSE);
    CHECK(ftruncate(fd, 4096) == 0);
    CHECK(runner_batch_map(fd, &b) == TH_EPARSE);
    runner_batch_unmap(&b);
    close(fd);
}

TEST_MAIN(a_plugin_reads_what_the_records_hold, any_rows_of_a_segment_can_be_given,
          buffers_are_aligned_and_null_counts_true, a_batch_cannot_be_changed,
          what_is_no_batch_is_refused)
