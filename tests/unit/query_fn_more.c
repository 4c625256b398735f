/* SPDX-License-Identifier: Apache-2.0
 * Scalar functions beside the everyday ones: an expression and its value as text. */
#include "tests/unit/query_help.h"

TEST(hashes_and_encodings)
{
    VALUE("crc32(to_utf8('123456789')), to_hex(xxhash64(to_utf8('')))",
          "3421780262, EF46DB3751D8E999");
    VALUE("to_hex(hmac_sha256(to_utf8('what do ya want for nothing?'), to_utf8('Jefe')))",
          "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843");
    VALUE("to_base32(to_utf8('foobar')), from_utf8(from_base32('MZXW6YTBOI======'))",
          "MZXW6YTBOI======, foobar");
    VALUE("to_hex(to_big_endian_64(258)), from_big_endian_32(X'FFFFFFFE'), "
          "to_hex(to_ieee754_64(1e0)), "
          "from_ieee754_32(X'40490FDB')",
          "0000000000000102, -2, 3FF0000000000000, 3.1415927");
    VALUE(
        "to_hex(lpad(X'01', 3, X'AB')), to_hex(rpad(X'0102', 1, X'AB')), to_hex(reverse(X'0102'))",
        "ABAB01, 01, 0201");
    VALUE("length(spooky_hash_v2_64(to_utf8(lpad('', 500, 'x')))), to_hex(murmur3(X'')) ",
          "8, 00000000000000000000000000000000");
    ERROR("SELECT from_base32('A')", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT hmac_md5(X'00', X'')", "INVALID_FUNCTION_ARGUMENT");
}

TEST(text_for_people)
{
    VALUE("format_number(999), format_number(1000), format_number(-12345e0), format_number(0.5e0)",
          "999, 1K, -12.3K, 0.5");
    VALUE("human_readable_seconds(96), human_readable_seconds(604800)",
          "1 minute, 36 seconds, 1 week");
    VALUE("parse_data_size('2.5MB'), parse_data_size('1B')", "2621440, 1");
    VALUE("title_case('aLL wORDS'), soundex('Robert'), soundex('Rupert'), soundex('Tymczak')",
          "All Words, R163, R163, T522");
    VALUE("luhn_check('79927398713'), luhn_check('79927398710')", "true, false");
    ERROR("SELECT parse_data_size('3 bananas')", "INVALID_FUNCTION_ARGUMENT");
}

TEST(distributions)
{
    VALUE("round(normal_cdf(0, 1, 1.96), 12), round(inverse_normal_cdf(0, 1, 0.975), 12)",
          "0.975002104852, 1.95996398454");
    VALUE("round(beta_cdf(2, 3, 0.5), 12), round(inverse_beta_cdf(2, 3, 0.6875), 12)",
          "0.6875, 0.5");
    VALUE("round(t_cdf(0, 5), 12), round(t_pdf(0, 1) * pi(), 12)", "0.5, 1.0");
    VALUE("round(wilson_interval_lower(50, 100, 1.96), 6), round(wilson_interval_upper(50, 100, "
          "1.96), 6)",
          "0.40383, 0.59617");
    VALUE("width_bucket(3, ARRAY[1, 2, 3]), width_bucket(0, ARRAY[1, 2, 3])", "3, 0");
    VALUE("euclidean_distance(ARRAY[0, 0], ARRAY[3, 4]), dot_product(ARRAY[1, 2], ARRAY[3, 4]), "
          "cosine_similarity(ARRAY[1, 0], ARRAY[0, 2])",
          "5.0, 11.0, 0.0");
    ERROR("SELECT dot_product(ARRAY[1], ARRAY[1, 2])", "INVALID_FUNCTION_ARGUMENT");
}

TEST(arrays_of_arrays_and_lists_of_maps)
{
    VALUE("combinations(ARRAY[1, 2, 3], 2), ngrams(ARRAY['a', 'b', 'c'], 2)",
          "[[1, 2], [1, 3], [2, 3]], [[a, b], [b, c]]");
    VALUE("contains_sequence(ARRAY[1, 2, 3], ARRAY[2, 3]), contains_sequence(ARRAY[1, 2], ARRAY[2, "
          "1])",
          "true, false");
    VALUE("array_histogram(ARRAY['a', NULL, 'b', 'a']), cardinality(shuffle(ARRAY[1, 2, 3]))",
          "{a=2, b=1}, 3");
    VALUE("multimap_from_entries(ARRAY[(1, 'x'), (2, 'y'), (1, 'z')])", "{1=[x, z], 2=[y]}");
    VALUE("split_to_multimap('a=1,b=2,a=3', ',', '=')", "{a=[1, 3], b=[2]}");
    VALUE("array_first(ARRAY[3, 4]), array_last(ARRAY[3, 4]), array_first(ARRAY[])", "3, 4, NULL");
    ERROR("SELECT combinations(ARRAY[1], 6)", "INVALID_FUNCTION_ARGUMENT");
}

TEST(more_lambdas)
{
    VALUE("apply(5, x -> x * 2), array_first(ARRAY[1, 8, 9], x -> x > 5), "
          "array_last(ARRAY[1, 8, 9, 2], x -> x > 5), array_first(ARRAY[1], x -> x > 5)",
          "10, 8, 9, NULL");
    VALUE("array_sort(ARRAY[3, 1, 5, 2], (x, y) -> IF(x < y, 1, IF(x = y, 0, -1)))",
          "[5, 3, 2, 1]");
    VALUE("map_zip_with(MAP(ARRAY['a', 'b'], ARRAY[1, 2]), MAP(ARRAY['b', 'c'], ARRAY[20, 30]), "
          "(k, x, y) -> coalesce(x, 0) + coalesce(y, 0))",
          "{a=1, b=22, c=30}");
    VALUE("regexp_replace('new york', '(\\w)(\\w*)', x -> upper(x[1]) || x[2])", "New York");
    VALUE("regexp_replace('aab', NULL, x -> x[1]), regexp_replace('aab', '(x)', x -> x[1]), "
          "map_zip_with(MAP(), MAP(), (k, x, y) -> 1)",
          "NULL, aab, {}");
    VALUE("regexp_replace('aab', '(a)|(b)', x -> coalesce(x[2], '-'))", "--b");
    ERROR("SELECT array_sort(ARRAY[1, 2], (x, y) -> 7)", "INVALID_FUNCTION_ARGUMENT");
}

TEST(json_paths)
{
    VALUE(
        "json_value('{\"a\": [1, 2.5, \"x\"]}', 'lax $.a[1]' RETURNING decimal(3,1)), "
        "json_value('{\"a\": 1}', 'lax $.b'), json_value('[1, 2]', 'lax $[last]' RETURNING bigint)",
        "2.5, NULL, 2");
    VALUE("json_value('{\"a\": 1}', 'lax $.b' DEFAULT 'none' ON EMPTY), "
          "json_value('{\"a\": 1}', 'strict $.b' DEFAULT 'bad' ON ERROR), "
          "json_value('[1]', 'lax $[0]' RETURNING bigint DEFAULT 1 / 0 ON EMPTY)",
          "none, bad, 1");
    VALUE("json_query('{\"a\": {\"b\": [1, 2]}}', 'lax $.a.b[*]' WITH ARRAY WRAPPER), "
          "json_query('{\"a\": \"x\"}', 'lax $.a' OMIT QUOTES), json_query('[]', 'lax $.a' EMPTY "
          "OBJECT ON EMPTY)",
          "[1,2], x, {}");
    VALUE("json_exists('[1, 5, 9]', 'lax $[*] ? (@ > 4 && @ < 6)'), json_exists('[1]', 'strict "
          "$[3]'), "
          "json_exists('{\"n\": \"role\"}', 'lax $.n ? (@ starts with \"ro\")'), "
          "json_exists('{\"n\": \"role\"}', 'lax $.n ? (!(@ like_regex \"^r.*\"))')",
          "true, false, true, false");
    VALUE("json_query('{\"a\": {\"c\": 1}, \"b\": [{\"c\": 2}]}', 'lax $..c' WITH ARRAY WRAPPER), "
          "json_value('[3, 4]', 'lax $[0] * $[1] - 2'), json_value('{\"a\": [1, 2]}', 'lax "
          "$.a.size()'), "
          "json_value('\"2024-01-02\"', 'lax $.datetime()' RETURNING date)",
          "[1,2], 10, 2, 2024-01-02");
    VALUE("json_exists('{\"a\": 7}', 'lax $.a ? (@ == $want)' PASSING 7 AS \"want\")", "true");
    VALUE("json_object('a': 1, KEY 'b' VALUE NULL ABSENT ON NULL), json_array(1, NULL, 'x', "
          "json_array(true)), "
          "json_array('[1, 2]' FORMAT JSON)",
          "{\"a\":1}, [1,\"x\",[true]], [[1,2]]");
    VALUE("TRY(json_value('[', 'lax $' ERROR ON ERROR)), json_value(NULL, 'lax $')", "NULL, NULL");
    ERROR("SELECT json_value('{}', '$.a')", "INVALID_PATH");
    ERROR("SELECT json_value('{}', 'lax $.a ? (@ = ')", "INVALID_PATH");
    ERROR("SELECT json_exists('1', 'lax $ ? (@ like_regex \"(?=x)\")')", "INVALID_PATH");
    ERROR("SELECT json_value('[1, 2]', 'lax $[*]' ERROR ON ERROR)", "JSON_VALUE_RESULT_ERROR");
}

TEST(forms_that_sql_spells_with_words)
{
    VALUE("3 BETWEEN SYMMETRIC 4 AND 2, 3 BETWEEN ASYMMETRIC 4 AND 2, 3 NOT BETWEEN SYMMETRIC 4 "
          "AND 2",
          "true, false, false");
    VALUE("OVERLAY('Txxxxas' PLACING 'hom' FROM 2 FOR 4), overlay('abc', 'X', 2)", "Thomas, aXc");
    VALUE("(DATE '2020-01-01', DATE '2020-06-01') OVERLAPS (DATE '2020-05-01', DATE '2020-12-31'), "
          "(DATE '2020-01-01', DATE '2020-02-01') OVERLAPS (DATE '2020-02-01', DATE '2020-12-31')",
          "true, false");
    VALUE("'xAx'.trim('x').lower(), [1, 2][2]", "a, 2");
    VALUE("TIMESTAMP '2024-01-01 00:00:00 +02:00' AT LOCAL", "2023-12-31 22:00:00.000 UTC");
    ERROR("SELECT EXTRACT(MILLISECOND FROM DATE '2024-01-01')", "SYNTAX_ERROR");
    ERROR("SELECT (1, 2) OVERLAPS (3, 4)", "TYPE_MISMATCH");
    VALUE(
        "varchar::chr(65), ROW::fields(CAST(ROW(1, 2) AS ROW(a integer, b integer))), REAL '1.5f'",
        "A, [a, b], 1.5");
    ERROR("SELECT bigint::nope(1)", "FUNCTION_NOT_FOUND");
    ERROR("SELECT no_such::f(1)", "TYPE_NOT_FOUND");
}

TEST_MAIN(json_paths, forms_that_sql_spells_with_words, hashes_and_encodings, text_for_people,
          distributions, arrays_of_arrays_and_lists_of_maps, more_lambdas)
