/* SPDX-License-Identifier: Apache-2.0
 * The writer, quoting and the compact form. */
#include <math.h>

#include "json/json.h"
#include "tests/unit/test.h"

static th_buf buf;

static th_json_writer fresh(void)
{
    th_buf_free(&buf);
    th_buf_init(&buf, 1 << 20);
    th_json_writer w;
    th_json_writer_init(&w, &buf);
    return w;
}

TEST(writer_keeps_commas_and_colons)
{
    th_json_writer w = fresh();
    th_json_begin_object(&w);
    th_json_put_key(&w, "a");
    th_json_begin_array(&w);
    th_json_put_i64(&w, INT64_MIN);
    th_json_put_u64(&w, UINT64_MAX);
    th_json_put_bool(&w, true);
    th_json_put_null(&w);
    th_json_begin_object(&w);
    th_json_end_object(&w);
    th_json_begin_array(&w);
    th_json_end_array(&w);
    th_json_end_array(&w);
    th_json_put_key_slice(&w, TH_SLICE("b\n"));
    th_json_put_raw(&w, TH_SLICE("[1.0]"));
    th_json_put_key(&w, "c");
    th_json_put_text(&w, "x");
    th_json_end_object(&w);
    CHECK_EQ_STR(th_buf_text(&buf),
                 "{\"a\":[-9223372036854775808,18446744073709551615,true,null,{},[]],"
                 "\"b\\n\":[1.0],\"c\":\"x\"}");
    th_buf_free(&buf);
}

TEST(values_at_the_top_are_the_callers_to_separate)
{
    th_json_writer w = fresh();
    th_json_put_i64(&w, 0);
    th_buf_add_byte(&buf, '\n');
    th_json_begin_array(&w);
    th_json_end_array(&w);
    CHECK_EQ_STR(th_buf_text(&buf), "0\n[]");
    th_buf_free(&buf);
}

static const char *written(double v)
{
    th_json_writer w = fresh();
    th_json_put_double(&w, v);
    static char out[64];
    snprintf(out, sizeof out, "%s", th_buf_text(&buf));
    th_buf_free(&buf);
    return out;
}

TEST(doubles_read_back_equal)
{
    CHECK_EQ_STR(written(0.1), "0.1");
    CHECK_EQ_STR(written(5), "5");
    CHECK_EQ_STR(written(-0.0), "-0");
    CHECK_EQ_STR(written(1e300), "1e+300");
    CHECK_EQ_STR(written(1.0 / 3), "0.3333333333333333");
    CHECK_EQ_STR(written(0.1 + 0.2), "0.30000000000000004");
    CHECK_EQ_STR(written((double)NAN), "\"NaN\"");
    CHECK_EQ_STR(written((double)INFINITY), "\"Infinity\"");
    CHECK_EQ_STR(written(-(double)INFINITY), "\"-Infinity\"");
    uint64_t state = 1;
    for (int i = 0; i < 10000; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double v;
        memcpy(&v, &state, sizeof v);
        if (isfinite(v) && strtod(written(v), NULL) != v) FAIL("%.17g", v);
    }
}

static const char *quoted(th_slice text)
{
    (void)fresh();
    th_json_quote(&buf, text);
    static char out[256];
    snprintf(out, sizeof out, "%s", th_buf_text(&buf));
    th_buf_free(&buf);
    return out;
}

TEST(quoting_escapes_what_must_be)
{
    CHECK_EQ_STR(quoted((th_slice){0}), "\"\"");
    CHECK_EQ_STR(quoted(TH_SLICE("a\"b\\c/\x7F")), "\"a\\\"b\\\\c/\x7F\"");
    CHECK_EQ_STR(quoted(TH_SLICE("\0\x01\b\t\n\x0B\f\r\x1F")),
                 "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\"");
    CHECK_EQ_STR(quoted(TH_SLICE("\xC3\xA9\xF0\x9F\x98\x80")), "\"\xC3\xA9\xF0\x9F\x98\x80\"");
    CHECK_EQ_STR(quoted(TH_SLICE("a\xFFz\xC3")), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
}

TEST(all_bytes_come_back_from_their_quotes)
{
    th_arena *arena = th_arena_new(1 << 20, NULL);
    for (size_t pad = 0; pad < 20; pad++) {
        char text[200];
        memset(text, 'p', pad);
        for (size_t i = 0; i < 128; i++) text[pad + i] = (char)i;
        th_slice all = th_slice_of(text, pad + 128), value;
        (void)fresh();
        th_json_quote(&buf, all);
        CHECK(th_json_document(th_buf_slice(&buf), 1, &value, NULL) == TH_OK);
        CHECK(th_slice_equal(th_json_string(value, arena), all));
        th_buf_free(&buf);
    }
    th_arena_free(arena);
}

TEST(compact_drops_only_blanks_outside_strings)
{
    (void)fresh();
    th_json_compact(&buf, TH_SLICE("{ \"a b\" :\t[ 1 , 2.0 ],\r\n\"c\\\" d\": \" \" }"));
    CHECK_EQ_STR(th_buf_text(&buf), "{\"a b\":[1,2.0],\"c\\\" d\":\" \"}");
    th_buf_clear(&buf);
    th_json_compact(&buf, (th_slice){0});
    CHECK_EQ_I64(buf.size, 0);
    th_buf_free(&buf);
}

TEST(errors_stay_in_the_buffer)
{
    th_buf_init(&buf, 4);
    th_json_writer w;
    th_json_writer_init(&w, &buf);
    th_json_put_text(&w, "longer than that");
    CHECK(th_buf_error(&buf) == TH_ELIMIT);
    th_buf_free(&buf);
}

TEST_MAIN(writer_keeps_commas_and_colons, values_at_the_top_are_the_callers_to_separate,
          doubles_read_back_equal, quoting_escapes_what_must_be,
          all_bytes_come_back_from_their_quotes, compact_drops_only_blanks_outside_strings,
          errors_stay_in_the_buffer)
