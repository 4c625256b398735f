/* SPDX-License-Identifier: Apache-2.0
 * Slices, numbers as text, UTF-8, hex, and the diagnosis of an error. */
#include "base/err.h"
#include "base/slice.h"
#include "tests/unit/test.h"

TEST(slices_compare_by_bytes)
{
    CHECK(th_slice_compare(TH_SLICE("a"), TH_SLICE("b")) < 0);
    CHECK(th_slice_compare(TH_SLICE("a"), TH_SLICE("ab")) < 0);
    CHECK(th_slice_compare(TH_SLICE("\xff"), TH_SLICE("a")) > 0);
    CHECK(th_slice_compare((th_slice){0}, TH_SLICE("")) == 0);
    CHECK(th_slice_equal_nocase(TH_SLICE("EventName"), TH_SLICE("eventname")));
    CHECK(!th_slice_equal_nocase(TH_SLICE("@"), TH_SLICE("`"))); /* one bit apart, but no letters */
    CHECK(th_slice_starts(TH_SLICE("abc"), TH_SLICE("ab")) &&
          !th_slice_starts(TH_SLICE("a"), TH_SLICE("ab")));
    CHECK(th_slice_ends(TH_SLICE("abc"), TH_SLICE("bc")) &&
          !th_slice_ends(TH_SLICE("c"), TH_SLICE("bc")));
    CHECK_EQ_I64(th_slice_find(TH_SLICE("abcabc"), TH_SLICE("ca")), 2);
    CHECK_EQ_I64(th_slice_find(TH_SLICE("abc"), TH_SLICE("")), 0);
    CHECK(th_slice_find(TH_SLICE("abc"), TH_SLICE("cb")) == SIZE_MAX);
    CHECK(th_slice_find((th_slice){0}, TH_SLICE("x")) == SIZE_MAX);
}

static bool reads_i64(const char *text, int64_t wanted)
{
    int64_t v;
    return th_slice_to_i64(th_slice_text(text), &v) && v == wanted;
}

static bool refuses_i64(const char *text)
{
    int64_t v = 77;
    return !th_slice_to_i64(th_slice_text(text), &v) && v == 77;
}

TEST(integers_are_canonical_decimals)
{
    CHECK(reads_i64("0", 0) && reads_i64("-1", -1) && reads_i64("42", 42));
    CHECK(reads_i64("9223372036854775807", INT64_MAX) &&
          reads_i64("-9223372036854775808", INT64_MIN));
    CHECK(refuses_i64("9223372036854775808") && refuses_i64("-9223372036854775809"));
    CHECK(refuses_i64("") && refuses_i64("-") && refuses_i64("+1") && refuses_i64(" 1") &&
          refuses_i64("1 "));
    CHECK(refuses_i64("007") && refuses_i64("-0") && refuses_i64("1e3") && refuses_i64("0x1"));
    uint64_t u;
    CHECK(th_slice_to_u64(TH_SLICE("18446744073709551615"), &u) && u == UINT64_MAX);
    CHECK(!th_slice_to_u64(TH_SLICE("18446744073709551616"), &u));
    CHECK(!th_slice_to_u64(TH_SLICE("99999999999999999999"), &u) &&
          !th_slice_to_u64(TH_SLICE("-1"), &u));
}

TEST(hex_goes_both_ways)
{
    char text[8];
    th_hex_encode((const uint8_t *)"\x00\xff\x1a\xB2", 4, text);
    CHECK_EQ_BYTES(text, 8, "00ff1ab2", 8);
    uint8_t bytes[4];
    CHECK(th_hex_decode(TH_SLICE("00FF1aB2"), bytes, 4));
    CHECK_EQ_BYTES(bytes, 4, "\x00\xff\x1a\xB2", 4);
    CHECK(!th_hex_decode(TH_SLICE("00FF1aB"), bytes, 4));
    CHECK(!th_hex_decode(TH_SLICE("00FF1aB2x"), bytes, 4));
    CHECK(!th_hex_decode(TH_SLICE("0g"), bytes, 1) && !th_hex_decode(TH_SLICE("g0"), bytes, 1));
}

/* The plain twin: decode a code point, then ask whether its shortest form has this size. */
static bool plain_utf8_valid(const uint8_t *p, size_t size)
{
    while (size > 0) {
        size_t n = p[0] < 0x80         ? 1
                   : (p[0] >> 5) == 6  ? 2
                   : (p[0] >> 4) == 14 ? 3
                   : (p[0] >> 3) == 30 ? 4
                                       : 0;
        if (n == 0 || n > size) return false;
        uint32_t c = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
        for (size_t i = 1; i < n; i++) {
            if ((p[i] & 0xC0) != 0x80) return false;
            c = c << 6 | (p[i] & 0x3Fu);
        }
        size_t shortest = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (shortest != n || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return false;
        p += n;
        size -= n;
    }
    return true;
}

TEST(utf8_agrees_with_its_plain_twin_on_all_short_texts)
{
    uint8_t text[3];
    for (uint32_t v = 0; v < 1u << 24; v += 1 + (v & 0xFF) % 3) {
        text[0] = (uint8_t)(v >> 16);
        text[1] = (uint8_t)(v >> 8);
        text[2] = (uint8_t)v;
        if (th_utf8_valid(th_slice_of(text, 3)) != plain_utf8_valid(text, 3))
            FAIL("differs at %06x", v);
    }
}

TEST(utf8_agrees_with_its_plain_twin_on_random_texts)
{
    static const char *const pieces[] = {"a",
                                         "plain ascii text of more than sixteen bytes",
                                         "\xC3\xA9",
                                         "\xE2\x82\xAC",
                                         "\xF0\x9F\x98\x80",
                                         "\xF4\x8F\xBF\xBF",
                                         "\xF4\x90\x80\x80",
                                         "\xED\xA0\x80",
                                         "\xC0\x80",
                                         "\xF0\x82\x82\xAC",
                                         "\x80",
                                         "\xE2\x82",
                                         "\xFF",
                                         "\xED\x9F\xBF"};
    uint32_t state = 1, valid = 0;
    for (int round = 0; round < 50000; round++) {
        uint8_t text[400];
        size_t size = 0;
        for (int i = 0; i < 6; i++) {
            state = state * 1664525 + 1013904223;
            const char *piece = pieces[(state >> 16) % (round % 2 != 0 ? 6 : 14)];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        bool answer = plain_utf8_valid(text, size);
        valid += answer;
        if (th_utf8_valid(th_slice_of(text, size)) != answer) FAIL("differs in round %d", round);
    }
    CHECK(valid > 20000 && valid < 45000);
}

TEST(diag_keeps_the_first_failure)
{
    th_diag diag = {0};
    CHECK(th_fail(&diag, TH_ENOTFOUND, "TABLE_NOT_FOUND", "no table '%s'", "x") == TH_ENOTFOUND);
    CHECK(th_fail(&diag, TH_EIO, NULL, "later") == TH_EIO);
    CHECK_EQ_STR(diag.text, "no table 'x'");
    CHECK_EQ_STR(th_diag_name(&diag), "TABLE_NOT_FOUND");
    th_diag_hint(&diag, "try %s", "y");
    th_diag_hint(&diag, "not this");
    CHECK_EQ_STR(diag.hint, "try y");
    th_diag_clear(&diag);
    th_diag_hint(&diag, "nothing to hint at");
    CHECK_EQ_STR(diag.hint, "");
    CHECK(th_fail_at(&diag, TH_ESYNTAX, NULL, 3, 9, "here") == TH_ESYNTAX);
    CHECK_EQ_I64(diag.line, 3);
    CHECK_EQ_I64(diag.column, 9);
    CHECK_EQ_STR(th_diag_name(&diag), "SYNTAX_ERROR");
    CHECK(th_fail(NULL, TH_EIO, NULL, "nobody listens") == TH_EIO);
}

TEST(diag_text_is_cut_at_a_character_and_always_utf8)
{
    char text[1200];
    for (size_t pad = 0; pad < 4; pad++) {
        memset(text, 'a', sizeof text);
        for (size_t i = pad; i + 4 < sizeof text - 1; i += 4)
            memcpy(text + i, "\xF0\x9F\x98\x80", 4);
        text[sizeof text - 1] = '\0';
        th_diag diag = {0};
        (void)th_fail(&diag, TH_EPARSE, NULL, "%s", text);
        CHECK(th_utf8_valid(th_slice_text(diag.text)));
        CHECK(strlen(diag.text) >= sizeof diag.text - 4 && strchr(diag.text, '?') == NULL);
    }
    th_diag diag = {0};
    (void)th_fail(&diag, TH_EPARSE, NULL, "no table '%s'", "\xFF\xFE");
    CHECK_EQ_STR(diag.text, "no table '?\?'");
}

TEST(error_codes_have_words)
{
    for (int code = 0; code < TH_ERR_COUNT; code++) {
        CHECK(th_err_text((th_err)code)[0] != '\0' && th_err_name((th_err)code)[0] != '\0');
    }
    CHECK_EQ_STR(th_err_text(TH_ECORRUPT), "stored bytes are damaged");
    CHECK_EQ_STR(th_err_name(TH_EUSAGE), "USAGE");
    CHECK_EQ_STR(th_err_name((th_err)9999), "UNKNOWN");
}

TEST_MAIN(slices_compare_by_bytes, integers_are_canonical_decimals, hex_goes_both_ways,
          utf8_agrees_with_its_plain_twin_on_all_short_texts,
          utf8_agrees_with_its_plain_twin_on_random_texts, diag_keeps_the_first_failure,
          diag_text_is_cut_at_a_character_and_always_utf8, error_codes_have_words)
