/* SPDX-License-Identifier: Apache-2.0
 * A layout is a picture of a line: which words, pairs, quoted and bracketed texts are which fields. */
#include "model/model.h"
#include "tests/unit/test.h"

/* Fields as "a|b|c"; a field that is not there is '?'. */
static const char *cut(const char *record, const char *layout)
{
    static char out[1000];
    th_slice fields[TH_LINE_FIELDS_MAX];
    uint32_t count = th_model_line_split(th_slice_text(record), th_slice_text(layout), fields,
                                         TH_LINE_FIELDS_MAX);
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].bytes == NULL)
            at += (size_t)snprintf(out + at, sizeof(out) - at, "%s?", i > 0 ? "|" : "");
        else
            at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s", i > 0 ? "|" : "",
                                   TH_SLICE_ARGS(fields[i]));
    }
    return out;
}

TEST(plain_layouts_are_single_blanks)
{
    CHECK(th_model_layout_is_plain(TH_SLICE("version account-id")));
    CHECK_EQ_STR(cut("2 \"a b\" [c\r\n", "version x y z"), "2|\"a|b\"|[c");
    CHECK_EQ_STR(cut("a  c", "x y z"), "a||c");
    CHECK_EQ_STR(cut("a b c", "x"), "a|b|c");
}

TEST(quotes_and_brackets_are_not_part_of_a_field)
{
    const char *layout = "owner [when] \"what\" code";
    CHECK(!th_model_layout_is_plain(th_slice_text(layout)));
    CHECK_EQ_STR(cut("o [06/Feb/2019:00:00:38 +0000] \"GET / HTTP/1.1\" 200\n", layout),
                 "o|06/Feb/2019:00:00:38 +0000|GET / HTTP/1.1|200");
    CHECK_EQ_STR(cut("o [x] \"\" 200", layout), "o|x||200");
    CHECK_EQ_STR(cut("o [x] - 200", layout), "o|x|-|200");
    CHECK_EQ_STR(cut("o - \"-\" 200", layout), "o|-|-|200");
    CHECK_EQ_STR(cut("o [a]b] \"x\" 2", layout), "o|a]b|x|2");
    CHECK_EQ_STR(cut("o [x", layout), "o|[x");
    CHECK_EQ_STR(cut("o [x] \"GET / HT", layout), "o|x|\"GET|/");
    CHECK_EQ_STR(cut("o [x] \"", layout), "o|x|\"");
    CHECK_EQ_STR(cut("", layout), "");
}

/* Clients put quotes into what they send, and nobody escapes them. */
TEST(a_quoted_field_ends_where_the_rest_fits)
{
    const char *layout = "\"uri\" status size \"referrer\" \"agent\" version";
    CHECK_EQ_STR(cut("\"GET /a\" b\" HTTP/1.1\" 200 7 \"-\" \"curl\" -", layout),
                 "GET /a\" b\" HTTP/1.1|200|7|-|curl|-");
    CHECK_EQ_STR(cut("\"GET /a\" HTTP/1.1\" 200 - - \"curl\" v1", layout),
                 "GET /a\" HTTP/1.1|200|-|-|curl|v1");
    CHECK_EQ_STR(cut("\"GET /\" 200 7 \"a\" b\" \"c\" d\" v1", layout),
                 "GET /|200|7|a\" b|c\" d|v1");
    CHECK_EQ_STR(cut("\"GET /\" 200 7 - - v1", layout), "GET /|200|7|-|-|v1");
    CHECK_EQ_STR(cut("\"GET /\" 200 7 \"a\"", layout), "GET /|200|7|a");
    CHECK_EQ_STR(cut("\"GET /\" 200", layout), "GET /|200");
}

TEST(several_fields_may_share_a_word)
{
    const char *layout = "ip:port \"verb url proto\" end";
    CHECK_EQ_STR(cut("10.0.0.1:443 \"GET http://h/ HTTP/1.1\" x", layout),
                 "10.0.0.1|443|GET|http://h/|HTTP/1.1|x");
    CHECK_EQ_STR(cut("2001:db8::1:443 \"GET http://h/a b HTTP/1.1\" x", layout),
                 "2001:db8::1|443|GET|http://h/a b|HTTP/1.1|x");
    CHECK_EQ_STR(cut("- \"-\" x", layout), "-|?|-|?|?|x");
    CHECK_EQ_STR(cut("- - x", layout), "-|?|-|?|?|x");
    CHECK_EQ_STR(cut("- \"- http://h:80- \" x", layout), "-|?|-|http://h:80-||x");
    CHECK_EQ_STR(cut("- \"GET /\" x", layout), "-|?|GET|/|?|x");
}

TEST(fields_are_numbered_in_the_order_of_their_names)
{
    th_slice layout = TH_SLICE("ip:port \"verb url proto\" [when] \"agent\" end");
    CHECK_EQ_U64(th_model_layout_index(layout, TH_SLICE("ip")), 0);
    CHECK_EQ_U64(th_model_layout_index(layout, TH_SLICE("port")), 1);
    CHECK_EQ_U64(th_model_layout_index(layout, TH_SLICE("Proto")), 4);
    CHECK_EQ_U64(th_model_layout_index(layout, TH_SLICE("when")), 5);
    CHECK_EQ_U64(th_model_layout_index(layout, TH_SLICE("agent")), 6);
    CHECK_EQ_U64(th_model_layout_index(layout, TH_SLICE("end")), 7);
    CHECK_EQ_U64(th_model_layout_index(layout, TH_SLICE("verb url proto")), UINT32_MAX);
    th_slice line = TH_SLICE("- \"-\" [x] \"curl\" y");
    CHECK_SLICE(th_model_line_field(line, layout, TH_SLICE("agent")), "curl");
    CHECK_SLICE(th_model_line_field(line, layout, TH_SLICE("end")), "y");
    CHECK(th_model_line_field(line, layout, TH_SLICE("port")).bytes == NULL);
    CHECK(th_model_line_field(line, layout, TH_SLICE("none")).bytes == NULL);
}

TEST(fewer_fields_may_be_asked_for)
{
    th_slice fields[4], layout = TH_SLICE("a:b \"c d e\" f");
    CHECK_EQ_U64(th_model_line_split(TH_SLICE("1:2 \"3 4 5\" 6"), layout, fields, 4), 4);
    CHECK_SLICE(fields[3], "4");
    CHECK_EQ_U64(th_model_line_split(TH_SLICE("1:2 \"3 4 5\" 6"), layout, fields, 0), 0);
}

TEST(broken_layouts_do_no_harm)
{
    CHECK_EQ_STR(cut("a b c", "\"x y"), "a|b");
    CHECK_EQ_STR(cut("a b c", "[x y:"), "a|b|?");
    CHECK_EQ_STR(cut("a b c", "\""), "a");
    CHECK_EQ_STR(cut("a b", ":"), "a|?");
    CHECK_EQ_STR(cut("a b", "\"\" x"), "a|b");
}

TEST_MAIN(plain_layouts_are_single_blanks, quotes_and_brackets_are_not_part_of_a_field,
          a_quoted_field_ends_where_the_rest_fits, several_fields_may_share_a_word,
          fields_are_numbered_in_the_order_of_their_names, fewer_fields_may_be_asked_for,
          broken_layouts_do_no_harm)
