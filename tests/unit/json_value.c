/* SPDX-License-Identifier: Apache-2.0
 * What is JSON and what is not, and where values end. */
#include <dirent.h>

#include "json/json.h"
#include "tests/unit/test.h"

static th_err judge(th_slice text)
{
    th_slice value;
    return th_json_document(text, 128, &value, NULL);
}

static th_err judge_text(const char *text)
{
    return judge(th_slice_text(text));
}

TEST(valid_documents_are_taken)
{
    static const char *const valid[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1.5e+10",
        "1E9",
        "1e-2",
        "123456789012345678901234567890",
        "\"\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
        "\"\\ud800\"",
        "\"\xF0\x9F\x98\x80\"",
        "\"\x7F\"",
        "{}",
        "[]",
        " \t\r\n[ 1 , 2 ] ",
        "{\"a\":{\"b\":[{},[],\"\"]}}",
        "{\"a\":1,\"a\":2}",
        "[[],[[]],{}]",
        "\"a string of more than sixteen bytes, and an escape \\n after them\"",
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        if (judge_text(valid[i]) != TH_OK) FAIL("refused %s", valid[i]);
    }
}

TEST(everything_else_is_refused)
{
    static const char *const wrong[] = {
        "",
        " ",
        "nul",
        "True",
        "+1",
        "01",
        "-",
        "-a",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "'a'",
        "\"",
        "\"a",
        "\"\\",
        "\"\\u",
        "\"\\u12",
        "\"\\u12G4\"",
        "\"\\x\"",
        "\"\t\"",
        "\"\n\"",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\"0123456789abcdef\x1F\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "[1}",
        "{\"a\":1]",
        "[\"a\":1]",
        "1 2",
        "[] []",
        "\xEF\xBB\xBF[]",
        "[1]//",
        "nulll",
        "\v1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (judge_text(wrong[i]) != TH_EPARSE) FAIL("took %s", wrong[i]);
    }
    CHECK(judge(TH_SLICE("1\0")) == TH_EPARSE && judge(TH_SLICE("\"\0\"")) == TH_EPARSE);
    CHECK(judge((th_slice){0}) == TH_EPARSE && judge(TH_SLICE("\"\\\0\"")) == TH_EPARSE);
}

TEST(a_byte_is_judged_alike_wherever_it_stands_in_a_string)
{
    /* Long enough for the steps of sixteen bytes and for what is left after them. */
    for (size_t at = 1; at <= 40; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[42];
            memset(text, 'a', sizeof text);
            text[0] = text[41] = '"';
            text[at] = (char)byte;
            bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            bool taken = judge(th_slice_of(text, sizeof text)) == TH_OK;
            if (taken != plain) FAIL("byte %02x at %zu", (unsigned)byte, at);
        }
    }
}

TEST(depth_is_limited_by_the_caller)
{
    enum { MOST = 1024 };
    static char text[2 * (MOST + 1) + 1];
    for (uint32_t depth = 1; depth <= MOST + 1; depth++) {
        for (uint32_t i = 0; i < depth; i++) {
            text[i] = '[';
            text[2 * depth - 1 - i] = ']';
        }
        th_slice value, all = th_slice_of(text, 2 * depth);
        CHECK(th_json_document(all, depth - 1, &value, NULL) == TH_ELIMIT);
        CHECK(th_json_document(all, depth, &value, NULL) == (depth <= MOST ? TH_OK : TH_ELIMIT));
    }
    th_slice value;
    CHECK(th_json_document(TH_SLICE("[[],[[]],{\"a\":[]}]"), 3, &value, NULL) == TH_OK);
    CHECK(th_json_document(TH_SLICE("1"), 0, &value, NULL) == TH_OK);
}

TEST(value_is_raw_and_what_follows_is_not_looked_at)
{
    th_slice value;
    CHECK(th_json_value(TH_SLICE(" {\"a\": 1} garbage"), 8, &value, NULL) == TH_OK);
    CHECK_SLICE(value, "{\"a\": 1}");
    CHECK(th_json_value(TH_SLICE("12,"), 8, &value, NULL) == TH_OK);
    CHECK_SLICE(value, "12");
    CHECK(th_json_document(TH_SLICE("\n[1 ,2]\n"), 8, &value, NULL) == TH_OK);
    CHECK_SLICE(value, "[1 ,2]");
}

TEST(errors_name_the_place)
{
    th_slice value = TH_SLICE("untouched");
    th_diag diag = {0};
    CHECK(th_json_document(TH_SLICE("{\n  \"\xC3\xA9\": nil\n}"), 8, &value, &diag) == TH_EPARSE);
    CHECK_EQ_I64(diag.line, 2);
    CHECK_EQ_I64(diag.column, 8);
    CHECK_EQ_STR(diag.text, "JSON at byte 10: no value starts like this");
    CHECK_SLICE(value, "untouched");
    th_diag_clear(&diag);
    CHECK(th_json_document(TH_SLICE("[[[]]]"), 2, &value, &diag) == TH_ELIMIT);
    CHECK_EQ_STR(diag.text, "JSON at byte 2: nested deeper than 2 levels");
}

/* Feed text in pieces of the given size; returns where the value ended, SIZE_MAX when it did not. */
static size_t scan_end(th_slice text, size_t piece)
{
    th_json_scan scan;
    th_json_scan_init(&scan);
    size_t at = 0;
    while (at < text.size && !scan.done) {
        size_t size = text.size - at < piece ? text.size - at : piece;
        at += th_json_scan_feed(&scan, th_slice_of(text.bytes + at, size));
    }
    CHECK(!scan.done || th_json_scan_feed(&scan, TH_SLICE("more")) == 0);
    return scan.done ? at : SIZE_MAX;
}

TEST(scan_finds_the_end_whatever_the_pieces)
{
    static const struct {
        const char *text;
        size_t end;
    } cases[] = {
        {"{\"a\": \"}\\\"}\", \"b\": [1, {}]} {\"next\": 1}", 27},
        {"  [1, 2]\n", 8},
        {" \"a\\\\\" ", 6},
        {"12 ", 2},
        {"12,", 2},
        {"true\n", 4},
        {"12", SIZE_MAX},
        {"{\"a\": \"never closed} ", SIZE_MAX},
        {"   ", SIZE_MAX},
        {"]", 1},
        {" , 1", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 1; piece < 40; piece++) {
            size_t end = scan_end(th_slice_text(cases[i].text), piece);
            if (end != cases[i].end) FAIL("%s by %zu: %zu", cases[i].text, piece, end);
        }
    }
}

static void read_whole(const char *path, th_buf *out)
{
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    for (size_t got = 1; got > 0;) {
        got = fread(th_buf_reserve(out, 4096), 1, 4096, file);
        th_buf_grow(out, got);
    }
    fclose(file);
}

TEST(the_common_test_suite_agrees)
{
    const char *shared = getenv("SHARED");
    char folder[1024], path[2048];
    snprintf(folder, sizeof folder, "%s/data/json-testsuite",
             shared == NULL ? "../shared" : shared);
    DIR *dir = opendir(folder);
    if (dir == NULL) return; /* the cases above are what the tree carries itself */
    int judged = 0;
    th_buf text;
    th_buf_init(&text, 1 << 20);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char kind = entry->d_name[0];
        if (entry->d_name[1] != '_' || strchr("yni", kind) == NULL) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        th_buf_clear(&text);
        read_whole(path, &text);
        th_err err = judge(th_buf_slice(&text));
        if (kind == 'y' ? err != TH_OK : kind == 'n' && err == TH_OK)
            FAIL("%s: %s", entry->d_name, th_err_name(err));
        judged++;
    }
    closedir(dir);
    th_buf_free(&text);
    CHECK(judged > 100);
}

TEST_MAIN(valid_documents_are_taken, everything_else_is_refused,
          a_byte_is_judged_alike_wherever_it_stands_in_a_string, depth_is_limited_by_the_caller,
          value_is_raw_and_what_follows_is_not_looked_at, errors_name_the_place,
          scan_finds_the_end_whatever_the_pieces, the_common_test_suite_agrees)
