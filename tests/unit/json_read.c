/* SPDX-License-Identifier: Apache-2.0
 * Look-ups in raw text, decoding, and their good manners with text that was never judged. */
#include "json/json.h"
#include "tests/unit/test.h"

static const char record[] =
    "{ \"eventName\" : \"GetObject\", \"n\": -12.50, \"n\": 2, \"list\": [ 1 ,[2,3], {\"x\":null} "
    "],"
    " \"a\\u0062c\": true, \"\": \"empty\", \"user\": {\"arn\": {\"deep\": [false]}} }";

TEST(kinds)
{
    CHECK_EQ_I64(th_json_kind_of((th_slice){0}), TH_JSON_NONE);
    CHECK_EQ_I64(th_json_kind_of(TH_SLICE("null")), TH_JSON_NULL);
    CHECK_EQ_I64(th_json_kind_of(TH_SLICE("true")), TH_JSON_TRUE);
    CHECK_EQ_I64(th_json_kind_of(TH_SLICE("false")), TH_JSON_FALSE);
    CHECK_EQ_I64(th_json_kind_of(TH_SLICE("-1")), TH_JSON_NUMBER);
    CHECK_EQ_I64(th_json_kind_of(TH_SLICE("\"\"")), TH_JSON_STRING);
    CHECK_EQ_I64(th_json_kind_of(TH_SLICE("[]")), TH_JSON_ARRAY);
    CHECK_EQ_I64(th_json_kind_of(TH_SLICE("{}")), TH_JSON_OBJECT);
}

TEST(members_keep_their_spelling)
{
    th_slice raw = TH_SLICE(record);
    CHECK_SLICE(th_json_member(raw, TH_SLICE("eventName")), "\"GetObject\"");
    CHECK_SLICE(th_json_member(raw, TH_SLICE("n")), "-12.50"); /* of two the first */
    CHECK_SLICE(th_json_member(raw, TH_SLICE("list")), "[ 1 ,[2,3], {\"x\":null} ]");
    CHECK_SLICE(th_json_member(raw, TH_SLICE("")), "\"empty\"");
    CHECK_SLICE(th_json_member(raw, TH_SLICE("eventname")), "");
    CHECK_SLICE(th_json_member_nocase(raw, TH_SLICE("EVENTNAME")), "\"GetObject\"");
    CHECK_SLICE(th_json_member(TH_SLICE("[1]"), TH_SLICE("")), "");
}

TEST(keys_are_compared_decoded)
{
    CHECK_SLICE(th_json_member(TH_SLICE(record), TH_SLICE("abc")), "true");
    CHECK_SLICE(th_json_member_nocase(TH_SLICE(record), TH_SLICE("ABC")), "true");
    CHECK(th_json_key_equals(TH_SLICE("a\\u0062"), TH_SLICE("ab")));
    CHECK(!th_json_key_equals(TH_SLICE("a\\u0062"), TH_SLICE("a\\u0062")));
    CHECK(!th_json_key_equals(TH_SLICE("a\\n"), TH_SLICE("a")) &&
          !th_json_key_equals(TH_SLICE("a"), TH_SLICE("ab")));
    CHECK(th_json_key_equals(TH_SLICE("\\uD83D\\uDE00"), TH_SLICE("\xF0\x9F\x98\x80")));
}

TEST(elements_and_paths)
{
    th_slice list = th_json_member(TH_SLICE(record), TH_SLICE("list"));
    CHECK_SLICE(th_json_element(list, 0), "1");
    CHECK_SLICE(th_json_element(list, 1), "[2,3]");
    CHECK_SLICE(th_json_element(list, 2), "{\"x\":null}");
    CHECK_SLICE(th_json_element(list, 3), "");
    CHECK_SLICE(th_json_element(TH_SLICE("{\"a\":1}"), 0), "");
    CHECK_SLICE(th_json_path(TH_SLICE(record), "user.arn.deep"), "[false]");
    CHECK_SLICE(th_json_path(TH_SLICE(record), "user.none.deep"), "");
    CHECK_SLICE(th_json_path(TH_SLICE(record), "eventName.x"), "");
}

TEST(iteration_visits_all_in_order)
{
    th_json_iter it = th_json_iter_of(TH_SLICE("{\"a\":1,\"a\" : [2] , \"\":{}}"));
    th_slice key, value;
    CHECK(th_json_next(&it, &key, &value));
    CHECK_SLICE(key, "a");
    CHECK_SLICE(value, "1");
    CHECK(th_json_next(&it, &key, &value));
    CHECK_SLICE(value, "[2]");
    CHECK(th_json_next(&it, &key, &value));
    CHECK_SLICE(key, "");
    CHECK_SLICE(value, "{}");
    CHECK(!th_json_next(&it, &key, &value));
    CHECK(!th_json_next(&it, &key, &value));
    it = th_json_iter_of(TH_SLICE("[]"));
    CHECK(!th_json_next(&it, &key, &value));
    it = th_json_iter_of(TH_SLICE("\"[1]\""));
    CHECK(!th_json_next(&it, &key, &value));
    it = th_json_iter_of((th_slice){0});
    CHECK(!th_json_next(&it, &key, &value));
}

TEST(strings_are_decoded)
{
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_slice plain = TH_SLICE("\"plain\"");
    th_slice text = th_json_string(plain, arena);
    CHECK_SLICE(text, "plain");
    CHECK(text.bytes == plain.bytes + 1); /* borrowed */
    CHECK_SLICE(th_json_string(TH_SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), arena),
                "\"\\/\b\f\n\r\t");
    CHECK_SLICE(th_json_string(TH_SLICE("\"x\\u0000y\""), arena), "x\0y");
    CHECK_SLICE(th_json_string(TH_SLICE("\"\\u00e9\\u20AC\\uD83D\\uDE00\""), arena),
                "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    CHECK_SLICE(th_json_string(TH_SLICE("\"\\uD83D.\\uDE00\\uD83D\""), arena),
                "\xEF\xBF\xBD.\xEF\xBF\xBD\xEF\xBF\xBD"); /* lone surrogates */
    CHECK_SLICE(th_json_string(TH_SLICE("\"\\uD800\\uD83D\\uDE00\""), arena),
                "\xEF\xBF\xBD\xF0\x9F\x98\x80");
    CHECK_SLICE(th_json_key(TH_SLICE("a\\tb"), arena), "a\tb");
    CHECK(th_json_string(TH_SLICE("\"\""), arena).bytes != NULL);
    CHECK(th_json_key((th_slice){0}, arena).bytes != NULL);
    th_arena_free(arena);
    arena = th_arena_new(10, NULL);
    CHECK(th_json_string(TH_SLICE("\"\\n\""), arena).bytes == NULL);
    th_arena_free(arena);
}

/* Every cut of a record, in memory that ends where the cut does: the sanitizer sees any step past it. */
TEST(text_cut_anywhere_is_no_danger)
{
    th_arena *arena = th_arena_new(16 << 20, NULL);
    for (size_t from = 0; from < sizeof record - 1; from++) {
        for (size_t to = from; to < sizeof record - 1; to += 3) {
            uint8_t *copy = malloc(to - from + (to == from));
            memcpy(copy, record + from, to - from);
            th_slice raw = th_slice_of(copy, to - from), key, value;
            th_json_iter it = th_json_iter_of(raw);
            for (size_t n = 0; th_json_next(&it, &key, &value); n++) {
                CHECK(n < raw.size && value.size > 0);
                CHECK(th_json_key(key, arena).bytes != NULL &&
                      th_json_string(value, arena).bytes != NULL);
            }
            CHECK_SLICE(th_json_member(raw, TH_SLICE("not there")), "");
            CHECK_SLICE(th_json_element(raw, 99), "");
            CHECK(th_json_key(raw, arena).bytes != NULL);
            th_arena_reset(arena);
            free(copy);
        }
    }
    th_arena_free(arena);
}

TEST_MAIN(kinds, members_keep_their_spelling, keys_are_compared_decoded, elements_and_paths,
          iteration_visits_all_in_order, strings_are_decoded, text_cut_anywhere_is_no_danger)
