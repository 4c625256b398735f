/* SPDX-License-Identifier: Apache-2.0
 * Strings that hold records come back as other writers wrote them. */
#include "tests/unit/test.h"

#include "ingest/escape.h"

static void check_round(const char *raw, const char *text, bool found)
{
    uint8_t bits = 0;
    CHECK_EQ_I64(ingest_escape_find(th_slice_text(raw), th_slice_text(text), &bits), found);
    if (!found) return;
    th_buf buf;
    th_buf_init(&buf, 1000);
    ingest_escape(&buf, th_slice_text(text), bits);
    CHECK_EQ_BYTES(buf.bytes, buf.size, raw, strlen(raw));
    th_buf_free(&buf);
}

TEST(usual_writers_are_reproduced)
{
    check_round("{\\\"a\\\":\\\"\\n\\\\\\\"}", "{\"a\":\"\n\\\"}", true);
    check_round("a\\/b", "a/b", true);
    check_round("a/b", "a/b", true);
    check_round("\\u003ca\\u003e\\u0026", "<a>&", true);
    check_round("\\u003Ca", "<a", true);
    check_round("\\u0027x\\u003d", "'x=", true);
    check_round("\\u00e9\\ud83d\\ude00", "\xc3\xa9\xf0\x9f\x98\x80", true);
    check_round("\xc3\xa9", "\xc3\xa9", true);
    check_round("\\u2028\xc3\xa9", "\xe2\x80\xa8\xc3\xa9", true);
    check_round("\\u0008\\u0001", "\b\x01", true);
    check_round("\\b\\u007f", "\b\x7f", true);
}

TEST(mixed_habits_are_not_claimed)
{
    check_round("a\\/b/c", "a/b/c", false);
    check_round("\\u0041", "A", false);
    check_round("\\u003c\\u003C", "<<", false);
    check_round("\\ud83d", "\xef\xbf\xbd", false);
}

TEST_MAIN(usual_writers_are_reproduced, mixed_habits_are_not_claimed)
