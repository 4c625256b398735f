/* SPDX-License-Identifier: Apache-2.0
 * One open segment read by many threads at once gives each the same as one alone. */
#include <pthread.h>

#include "base/buf.h"
#include "segment/segment.h"
#include "tests/unit/test.h"

#define ROWS 3000u
#define THREADS 4

static size_t make_row(uint32_t i, char *text, size_t size)
{
    return (size_t)snprintf(text, size, "{\"eventName\":\"Op%u\",\"errorCode\":\"%u\",\"x\":%u}",
                            i % 50, i, i);
}

typedef struct job {
    const th_segment *segment;
    uint32_t turn;
    const char *wrong; /* checks jump, so they are for the test's own thread */
} job;

static const char *read_rows(const th_segment *s, uint32_t turn, th_arena *arena)
{
    static const char *const paths[] = {"eventName", "errorCode", "x"};
    th_slice records[100];
    int64_t times[100];
    uint64_t bytes = 0;
    char text[128], wanted[32];
    for (uint32_t step = 0; step < ROWS / 100; step++) {
        uint32_t begin = (step + turn * 7) % (ROWS / 100) * 100;
        th_arena_reset(arena);
        if (th_segment_records(s, begin, 100, arena, records) != TH_OK) return "records";
        if (th_segment_read_times(s, begin, 100, arena, times) != TH_OK) return "times";
        for (uint32_t i = 0; i < 100; i++) {
            size_t size = make_row(begin + i, text, sizeof(text));
            if (!th_slice_equal(records[i], th_slice_of(text, size))) return "a record differs";
            if (times[i] != (int64_t)(begin + i)) return "a time differs";
        }
        for (uint32_t p = 0; p < 3; p++) {
            th_segment_column c;
            if (th_segment_read_column(s, paths[(p + turn) % 3], begin, 100, arena, &c, &bytes) !=
                TH_OK)
                return "column";
            for (uint32_t i = 0; i < 100; i++) {
                uint32_t row = begin + i, at = c.codes == NULL ? i : c.codes[i];
                snprintf(wanted, sizeof(wanted), (p + turn) % 3 == 0 ? "Op%u" : "%u",
                         (p + turn) % 3 == 0 ? row % 50 : row);
                if (!th_slice_is(c.values[at], wanted)) return "a cell differs";
            }
        }
        if (!th_segment_may_equal(s, "eventName", TH_SLICE("Op7"))) return "may_equal";
    }
    return NULL;
}

static void *run_job(void *context)
{
    job *j = context;
    th_arena *arena = th_arena_new(64 << 20, NULL);
    j->wrong = arena == NULL ? "no memory" : read_rows(j->segment, j->turn, arena);
    th_arena_free(arena);
    return NULL;
}

TEST(threads_share_an_open_segment)
{
    th_segment_builder *b = th_segment_builder_new(th_model_table(TH_TABLE_cloudtrail), NULL);
    char text[128];
    for (uint32_t i = 0; i < ROWS; i++) {
        size_t size = make_row(i, text, sizeof(text));
        CHECK_EQ_I64(th_segment_builder_add(b, th_slice_of(text, size), TH_SLICE(""), true, i),
                     TH_OK);
    }
    th_buf image;
    th_buf_init(&image, 1 << 24);
    CHECK_EQ_I64(th_segment_builder_finish(b, &image), TH_OK);
    th_segment_builder_free(b);
    for (uint32_t round = 0; round < 20; round++) {
        th_segment *s;
        CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &s, NULL), TH_OK);
        pthread_t threads[THREADS];
        job jobs[THREADS];
        for (uint32_t i = 0; i < THREADS; i++) {
            jobs[i] = (job){.segment = s, .turn = i};
            CHECK_EQ_I64(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
        }
        for (uint32_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        for (uint32_t i = 0; i < THREADS; i++)
            CHECK_EQ_STR(jobs[i].wrong == NULL ? "" : jobs[i].wrong, "");
        th_segment_close(s);
    }
    th_buf_free(&image);
}

TEST_MAIN(threads_share_an_open_segment)
