/* SPDX-License-Identifier: Apache-2.0
 * What host and runner say to each other: what is written is read back the same, and nothing else is believed. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/wire.h"
#include "tests/unit/test.h"

#define ROWS 10u

static th_arena *arena;
static th_buf frame;

static void begin(void)
{
    th_arena_free(arena);
    th_buf_free(&frame);
    arena = th_arena_new(64u << 20, NULL);
    th_buf_init(&frame, WIRE_FRAME_MAX);
}

static void put_hit(uint64_t row, const char *rule, const char *severity, const char *title)
{
    th_buf_add_varint(&frame, row);
    for (int i = 0; i < HIT_TEXTS; i++) {
        wire_put_text(&frame, i == HIT_RULE       ? rule
                              : i == HIT_SEVERITY ? severity
                              : i == HIT_TITLE    ? title
                                                  : NULL);
    }
}

/* A result with that one hit and nothing else. */
static void put_one_hit(uint64_t row, const char *rule, const char *severity, const char *title)
{
    begin();
    th_buf_add_u32(&frame, 0);
    th_buf_add_varint(&frame, 1);
    put_hit(row, rule, severity, title);
    th_buf_add_varint(&frame, 0);
    th_buf_add_varint(&frame, 0);
}

static void check_refused(const char *words)
{
    wire_result result;
    th_diag diag = {0};
    CHECK_EQ_I64(wire_result_decode(th_buf_slice(&frame), ROWS, arena, &result, &diag), TH_EPARSE);
    if (strstr(diag.text, words) == NULL) FAIL("\"%s\" does not say \"%s\"", diag.text, words);
}

static void put_full_result(void)
{
    begin();
    th_buf_add_u32(&frame, 0);
    th_buf_add_varint(&frame, 2);
    put_hit(3, "rule", "HIGH", "");
    put_hit(9, "other", "LOW",
            "Gr\xc3\xb6\xc3\x9f"
            "e");
    th_buf_add_varint(&frame, 1);
    th_buf_add_varint(&frame, 4);
    wire_put_text(&frame, "secret.key");
    th_buf_add_varint(&frame, UINT64_MAX);
    wire_put_text(&frame, "[\"a.b\"]");
    th_buf_add_varint(&frame, 2);
    wire_put_text(&frame, "kept");
    wire_put_bytes(&frame, th_slice_of("", 0));
    th_buf_add_varint(&frame, 60);
    wire_put_text(&frame, "gone");
    wire_put_bytes(&frame, (th_slice){0});
    th_buf_add_varint(&frame, 0);
}

TEST(a_result_is_read_as_it_was_written)
{
    put_full_result();
    wire_result r;
    th_diag diag = {0};
    CHECK(wire_result_decode(th_buf_slice(&frame), ROWS, arena, &r, &diag) == TH_OK);
    CHECK_EQ_U64(r.hit_count, 2);
    CHECK_EQ_U64(r.hits[0].row, 3);
    CHECK_SLICE(r.hits[0].text[HIT_RULE], "rule");
    CHECK(r.hits[0].text[HIT_TITLE].bytes != NULL && r.hits[0].text[HIT_TITLE].size == 0);
    CHECK(r.hits[0].text[HIT_ACTOR].bytes == NULL);
    CHECK_SLICE(r.hits[1].text[HIT_TITLE], "Gr\xc3\xb6\xc3\x9f"
                                           "e");
    CHECK_EQ_U64(r.tag_count, 1);
    CHECK_SLICE(r.tags[0].tag, "secret.key");
    CHECK_EQ_U64(r.tags[0].count, UINT64_MAX);
    CHECK_EQ_U64(r.put_count, 2);
    CHECK(r.puts[0].value.bytes != NULL && r.puts[0].value.size == 0); /* empty is a value */
    CHECK_EQ_U64(r.puts[0].ttl_s, 60);
    CHECK(r.puts[1].value.bytes == NULL); /* absent deletes */
}

TEST(every_cut_of_a_result_is_refused)
{
    put_full_result();
    for (size_t size = 0; size < frame.size; size++) {
        wire_result r;
        th_diag diag = {0};
        CHECK(wire_result_decode(th_slice_of(frame.bytes, size), ROWS, arena, &r, &diag) ==
              TH_EPARSE);
    }
    th_buf_add_byte(&frame, 0);
    check_refused("bytes left over");
}

TEST(a_hit_must_name_a_row_of_the_batch)
{
    put_one_hit(ROWS, "rule", "HIGH", NULL);
    check_refused("row 10 of 10");
    put_one_hit(UINT64_C(1) << 32, "rule", "HIGH", NULL); /* would be row 0 when cut to 32 bits */
    check_refused("row 4294967296 of 10");
}

TEST(a_hit_needs_a_rule_and_a_severity)
{
    put_one_hit(0, NULL, "HIGH", NULL);
    check_refused("names no rule");
    put_one_hit(0, "", "HIGH", NULL);
    check_refused("names no rule");
    put_one_hit(0, "rule", NULL, NULL);
    check_refused("no known severity");
    put_one_hit(0, "rule", "high", NULL);
    check_refused("no known severity");
}

TEST(texts_are_bounded_and_utf8)
{
    static char text[WIRE_TEXT_MAX + 2];
    memset(text, 'x', sizeof(text) - 1);
    text[WIRE_TEXT_MAX] = '\0';
    put_one_hit(0, "rule", "HIGH", text);
    wire_result r;
    th_diag diag = {0};
    CHECK(wire_result_decode(th_buf_slice(&frame), ROWS, arena, &r, &diag) == TH_OK);
    text[WIRE_TEXT_MAX] = 'x';
    put_one_hit(0, "rule", "HIGH", text);
    check_refused("too long");
    text[WIRE_RULE_MAX + 1] = '\0';
    put_one_hit(0, text, "HIGH", NULL);
    check_refused("too long");
    put_one_hit(0, "rule", "HIGH", "\xc3");
    check_refused("not UTF-8");
}

TEST(counts_are_bounded_before_memory_is_taken)
{
    for (int list = 0; list < 3; list++) {
        begin();
        th_buf_add_u32(&frame, 0);
        for (int i = 0; i < list; i++) th_buf_add_varint(&frame, 0);
        th_buf_add_varint(&frame, UINT64_MAX);
        check_refused("too m");
    }
}

static void put_ready(const char *name, uint64_t subscriptions, uint64_t columns)
{
    begin();
    th_buf_add_u32(&frame, 1);
    th_buf_add_u32(&frame, 0);
    th_buf_add_u32(&frame, TH_CAP_DETECT);
    wire_put_text(&frame, name);
    wire_put_text(&frame, "1.0.0");
    wire_put_text(&frame, NULL);
    th_buf_add_varint(&frame, subscriptions);
    wire_put_text(&frame, "cloudtrail");
    wire_put_text(&frame, NULL);
    th_buf_add_varint(&frame, columns);
    wire_put_text(&frame, "eventName");
    wire_put_text(&frame, "record");
}

TEST(a_greeting_is_read_as_it_was_written)
{
    put_ready("some-rule", 1, 2);
    wire_ready r;
    th_diag diag = {0};
    CHECK(wire_ready_decode(th_buf_slice(&frame), arena, &r, &diag) == TH_OK);
    CHECK_SLICE(r.name, "some-rule");
    CHECK_EQ_U64(r.subscription_count, 1);
    CHECK_SLICE(r.subscriptions[0].table, "cloudtrail");
    CHECK(r.subscriptions[0].predicate.bytes == NULL);
    CHECK_EQ_U64(r.subscriptions[0].column_count, 2);
    CHECK_SLICE(r.subscriptions[0].columns[1], "record");
}

TEST(a_greeting_is_bounded)
{
    wire_ready r;
    static const uint64_t wrong[][2] = {{WIRE_SUBSCRIPTIONS_MAX + 1, 2},
                                        {UINT64_MAX, 2},
                                        {1, WIRE_COLUMNS_MAX + 1},
                                        {1, 3},
                                        {2, 2},
                                        {1, 1},
                                        {0, 0}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        th_diag diag = {0};
        put_ready("some-rule", wrong[i][0], wrong[i][1]);
        CHECK(wire_ready_decode(th_buf_slice(&frame), arena, &r, &diag) == TH_EPARSE);
        CHECK(diag.text[0] != '\0');
    }
}

static void pair(int ends[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

TEST(frames_carry_bytes_and_a_descriptor)
{
    int ends[2], fd = -1;
    wire_kind kind;
    begin();
    pair(ends);
    int before = open_descriptors();
    CHECK(wire_send(ends[0], WIRE_BATCH, TH_SLICE("payload"), STDIN_FILENO) == TH_OK);
    CHECK(wire_send(ends[0], WIRE_CLOSE, (th_slice){0}, -1) == TH_OK);
    CHECK(wire_receive(ends[1], 1000000, &kind, &frame, &fd) == TH_OK);
    CHECK(kind == WIRE_BATCH && fd >= 0);
    CHECK_SLICE(th_buf_slice(&frame), "payload");
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
    CHECK(wire_receive(ends[1], 1000000, &kind, &frame, &fd) == TH_OK);
    CHECK(kind == WIRE_CLOSE && fd == -1 && frame.size == 0);
    CHECK_EQ_I64(open_descriptors(), before);
    close(ends[0]);
    CHECK(wire_receive(ends[1], 1000000, &kind, &frame, &fd) == TH_EIO);
    CHECK(wire_send(ends[1], WIRE_CLOSE, (th_slice){0}, -1) == TH_EIO); /* and no SIGPIPE */
    close(ends[1]);
}

TEST(descriptors_that_nobody_asked_for_are_closed)
{
    int ends[2];
    wire_kind kind;
    begin();
    pair(ends);
    int before = open_descriptors();
    CHECK(wire_send(ends[0], WIRE_LOG, TH_SLICE("x"), STDIN_FILENO) == TH_OK);
    CHECK(wire_receive(ends[1], 1000000, &kind, &frame, NULL) == TH_OK);
    CHECK_EQ_I64(open_descriptors(), before);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_frame_over_the_bound_and_a_silent_side_are_errors)
{
    int ends[2];
    wire_kind kind;
    begin();
    pair(ends);
    CHECK(wire_receive(ends[1], 20000, &kind, &frame, NULL) == TH_ETIME);
    static const uint8_t head[5] = {1, 0, 0, 1, WIRE_LOG}; /* 16 MiB and one byte */
    CHECK(write(ends[0], head, sizeof(head)) == (ssize_t)sizeof(head));
    CHECK(wire_receive(ends[1], 1000000, &kind, &frame, NULL) == TH_EPARSE);
    static const uint8_t half[6] = {9, 0, 0, 0, WIRE_LOG, 'x'};
    CHECK(write(ends[0], half, sizeof(half)) == (ssize_t)sizeof(half));
    CHECK(wire_receive(ends[1], 20000, &kind, &frame, NULL) == TH_ETIME);
    close(ends[0]);
    close(ends[1]);
}

TEST_MAIN(a_result_is_read_as_it_was_written, every_cut_of_a_result_is_refused,
          a_hit_must_name_a_row_of_the_batch, a_hit_needs_a_rule_and_a_severity,
          texts_are_bounded_and_utf8, counts_are_bounded_before_memory_is_taken,
          a_greeting_is_read_as_it_was_written, a_greeting_is_bounded,
          frames_carry_bytes_and_a_descriptor, descriptors_that_nobody_asked_for_are_closed,
          a_frame_over_the_bound_and_a_silent_side_are_errors)
