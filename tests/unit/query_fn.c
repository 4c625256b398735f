/* SPDX-License-Identifier: Apache-2.0
 * Scalar functions by family: an expression and its value as text. */
#include "tests/unit/query_help.h"

TEST(arithmetic)
{
    VALUE("1 + 2, 7 / 2, -7 / 2, -7 % 3, 7e0 / 2, 2 * 3.5", "3, 3, -3, -1, 3.5, 7.0");
    VALUE("DECIMAL '1.10' + DECIMAL '2.205', DECIMAL '10' / DECIMAL '3', DECIMAL '1.5' * DECIMAL "
          "'1.5'",
          "3.305, 3.333333, 2.25");
    VALUE("DECIMAL '-9' / DECIMAL '5', DECIMAL '1' / DECIMAL "
          "'99999999999999999999999999999999999999'",
          "-1.800000, 0.0000000000000000000000000000000000000");
    VALUE("DECIMAL '1234567890123456789.0123456789012345678' * DECIMAL '3'",
          "3703703670370370367.037037036703703703");
    ERROR("SELECT DECIMAL '99999999999999999999999999999999999999' + DECIMAL '1'",
          "NUMERIC_VALUE_OUT_OF_RANGE");
    VALUE("CAST(1.2345678901234568E24 AS decimal(30,5)), CAST(REAL '1456213.432' AS decimal(18,9))",
          "1234567890123456800000000.00000, 1456213.400000000");
    VALUE("typeof(DECIMAL '1' / DECIMAL '3'), truncate(DECIMAL '1239.99', -1)",
          "decimal(7,6), 1230.00");
    VALUE("1e0 / 0e0, -1e0 / 0e0, 0e0 / 0e0", "Infinity, -Infinity, NaN");
    ERROR("SELECT 1 / 0", "DIVISION_BY_ZERO");
    ERROR("SELECT 5 % 0", "DIVISION_BY_ZERO");
    ERROR("SELECT 9223372036854775807 + 1", "NUMERIC_VALUE_OUT_OF_RANGE");
    ERROR("SELECT 2147483647 * 2", "NUMERIC_VALUE_OUT_OF_RANGE");
    VALUE("CAST(2147483647 AS bigint) * 2, 1 + NULL", "4294967294, NULL");
}

TEST(comparison_is_three_valued)
{
    VALUE("1 = 1, 1 = NULL, NULL IS NULL, 1 <> 2, 'a' < 'B'", "true, NULL, true, true, false");
    VALUE("NULL IS DISTINCT FROM 1, NULL IS NOT DISTINCT FROM NULL, 1 IS DISTINCT FROM 1",
          "true, true, false");
    VALUE("true AND NULL, false AND NULL, true OR NULL, NOT NULL", "NULL, false, true, NULL");
    VALUE("1 IN (1, NULL), 2 IN (1, NULL), 2 NOT IN (1, NULL)", "true, NULL, NULL");
    VALUE("ARRAY[1, NULL] = ARRAY[1, 2], ARRAY[1] = ARRAY[1], ROW(1, NULL) = ROW(2, 1)",
          "NULL, true, false");
    VALUE("greatest(1, 3, 2), least('b', 'a'), greatest(1, NULL)", "3, a, NULL");
    ERROR("SELECT timestamp '2024-01-01 00:00:00' > 'x'", "TYPE_MISMATCH");
}

/* char(n) has n characters where they are looked at, and compares without the blanks at its end. */
TEST(char_of_fixed_length)
{
    VALUE("CAST('ab' AS char(4)), CAST('ab' AS char(4)) = 'ab', length(CAST('ab' AS char(4)))",
          "ab  , true, 4");
    VALUE("CAST('ab' AS char(4)) LIKE 'ab', CAST('ab' AS char(4)) LIKE 'ab  '", "false, true");
    VALUE("'<' || reverse(CAST('ab' AS char(4))) || '>', '<' || CAST(CAST('ab' AS char(4)) AS "
          "varchar) || '>'",
          "<  ba>, <ab>");
    VALUE(
        "'<' || lpad(CAST('ab' AS char(3)), 5, 'x') || '>', to_hex(to_utf8(CAST('a' AS char(2))))",
        "<xxab >, 6120");
    VALUE("typeof(concat(CAST('a' AS char(2)), CAST('b' AS char(3)))), typeof(upper(CAST('a' AS "
          "char(2))))",
          "char(5), char(2)");
}

TEST(text)
{
    VALUE("substr('hello', 2), substr('hello', -3, 2), substr('hello', 0), substr('größe', 3, 2)",
          "ello, ll, , öß");
    VALUE("length('größe'), lower('ÄB'), upper('aö'), reverse('añb'), trim('  x '), ltrim('xxa', "
          "'x')",
          "5, äb, AÖ, bña, x, a");
    VALUE("replace('banana', 'an', 'AN'), replace('abc', 'b'), strpos('banana', 'an', 2), "
          "strpos('a', 'x')",
          "bANANa, ac, 4, 0");
    VALUE("split('a,b,,c', ','), split_part('a/b/c', '/', 2), split_part('a', '/', 5)",
          "[a, b, , c], b, NULL");
    VALUE("lpad('7', 3, '0'), rpad('ab', 5, 'xy'), lpad('abcdef', 3, 'x')", "007, abxyx, abc");
    VALUE("concat('a', 'b', 'c'), 'a' || NULL, concat_ws('-', 'a', NULL, 'b'), starts_with('abc', "
          "'ab')",
          "abc, NULL, a-b, true");
    VALUE("chr(8364), codepoint('A'), translate('abcd', 'ac', '12'), "
          "levenshtein_distance('kitten', 'sitting')",
          "€, 65, 1b2d, 3");
    ERROR("SELECT split_part('a', '/', 0)", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT nosuch('a')", "FUNCTION_NOT_FOUND");
}

TEST(like)
{
    VALUE("'abc' LIKE 'a%', 'abc' LIKE '_b_', 'abc' LIKE 'b%', 'a\nb' LIKE 'a_b', 'äx' LIKE '_x'",
          "true, true, false, true, true");
    VALUE("'a%c' LIKE 'a\\%c' ESCAPE '\\', 'abc' LIKE 'a\\%c' ESCAPE '\\', 'a\\c' LIKE 'a\\c'",
          "true, false, true");
    VALUE("'aXbXc' LIKE '%X%X_', 'aXbX' LIKE '%X%X_', '' LIKE '%', '' LIKE '_'",
          "true, false, true, false");
    ERROR("SELECT 'a' LIKE 'b\\a' ESCAPE '\\'", "INVALID_FUNCTION_ARGUMENT");
}

TEST(regular_expressions)
{
    VALUE("regexp_like('error: disk', '^err.*disk$'), regexp_like('ABC', 'abc'), "
          "regexp_like('ABC', '(?i)abc')",
          "true, false, true");
    VALUE("regexp_extract('id=42;id=43', 'id=(\\d+)', 1), regexp_extract('x', 'y')", "42, NULL");
    VALUE("regexp_extract_all('a1b22', '\\d+'), regexp_replace('a1b2', '(\\d)', '<$1>'), "
          "regexp_count('aXbX', 'X')",
          "[1, 22], a<1>b<2>, 2");
    VALUE("regexp_split('a1b2c', '\\d'), regexp_position('abc', 'c')", "[a, b, c], 3");
    ERROR("SELECT regexp_like('a', '(')", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT regexp_like(rpad('a', 40, 'a') || 'b', '^(a|aa|a?)+$')", "REGEXP_LIMIT_EXCEEDED");
}

TEST(json)
{
    VALUE("json_extract_scalar('{\"a\":{\"b-c\":[1,\"x\"]}}', '$.a.b-c[1]'), "
          "json_extract('{\"a\":[1, 2]}', '$.a')",
          "x, [1,2]");
    VALUE("json_extract_scalar('{\"a\":{}}', '$.a'), json_extract_scalar('not json', '$.a'), "
          "json_extract_scalar('{\"a\":true}', '$[\"a\"]')",
          "NULL, NULL, true");
    VALUE("json_parse('{\"b\":1, \"a\":[true]}'), json_format(json '[1, 2]'), "
          "json_array_length('[1,2,3]')",
          "{\"a\":[true],\"b\":1}, [1,2], 3");
    VALUE("json_array_get('[1,\"two\"]', -1), json_array_contains('[1,2]', 2), "
          "json_size('{\"x\":{\"a\":1,\"b\":2}}', '$.x')",
          "two, true, 2");
    VALUE("CAST(json '\"x\"' AS varchar), CAST(json '[1,2]' AS array(bigint)), "
          "CAST(json '{\"a\":1}' AS map(varchar, bigint)), CAST(ROW(1, 'b') AS json), CAST('x' AS "
          "json)",
          "x, [1, 2], {a=1}, {\"\":1,\"\":\"b\"}, \"x\"");
    VALUE("CAST(json '{\"K2\":true,\"k1\":1}' AS row(k1 bigint, k2 boolean))", "{k1=1, k2=true}");
    ERROR("SELECT json_parse('{')", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT CAST(json '{}' AS varchar)", "INVALID_CAST_ARGUMENT");
    ERROR("SELECT json_extract('{}', '$.a[')", "INVALID_FUNCTION_ARGUMENT");
}

TEST(dates)
{
    VALUE("date '2024-01-31' + interval '1' month, date '2024-03-01' - interval '1' day",
          "2024-02-29, 2024-02-29");
    VALUE("date_trunc('hour', timestamp '2024-01-31 12:34:56.789'), date_trunc('week', date "
          "'2024-01-31')",
          "2024-01-31 12:00:00.000, 2024-01-29");
    VALUE("date_add('day', -1, timestamp '2024-03-01 00:00:00'), date_diff('month', date "
          "'2024-01-31', date '2024-02-29')",
          "2024-02-29 00:00:00.000, 1");
    VALUE("year(date '2024-01-31'), day_of_week(date '2024-01-31'), hour(timestamp '2024-01-31 "
          "12:34:56'), "
          "week(date '2021-01-03'), EXTRACT(quarter FROM date '2024-05-01')",
          "2024, 3, 12, 53, 2");
    VALUE("date_format(timestamp '2024-01-31 05:06:07', '%Y/%m/%d %H:%i:%s %W %b %e'), "
          "date_parse('2024/01/31 05', '%Y/%m/%d %H')",
          "2024/01/31 05:06:07 Wednesday Jan 31, 2024-01-31 05:00:00.000");
    VALUE("parse_datetime('31/Jan/2024:12:00:01 +0200', 'dd/MMM/yyyy:HH:mm:ss Z')",
          "2024-01-31 12:00:01.000 +02:00");
    VALUE("format_datetime(timestamp '2024-01-31 05:06:07', 'yyyy-MM-dd''T''HH:mm:ss EEE')",
          "2024-01-31T05:06:07 Wed");
    ERROR("SELECT date '2024-01-01' + interval '1' hour", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT date_format(date '2024-01-01', '%w')", "INVALID_FUNCTION_ARGUMENT");
}

TEST(instants)
{
    VALUE("from_iso8601_timestamp('2024-01-31T12:00:00Z'), "
          "from_iso8601_timestamp('2024-01-31T12:00:00.123+05:30')",
          "2024-01-31 12:00:00.000 UTC, 2024-01-31 12:00:00.123 +05:30");
    VALUE(
        "from_unixtime(1706702400), to_unixtime(from_unixtime(1.5)), to_iso8601(from_unixtime(0))",
        "2024-01-31 12:00:00.000 UTC, 1.5, 1970-01-01T00:00:00.000Z");
    VALUE("timestamp '2024-07-01 12:00:00 UTC' AT TIME ZONE 'America/New_York', "
          "at_timezone(timestamp '2024-01-01 12:00:00 UTC', 'America/New_York')",
          "2024-07-01 08:00:00.000 America/New_York, 2024-01-01 07:00:00.000 America/New_York");
    VALUE("parse_duration('1d'), parse_duration('90m'), now() - now(), typeof(now())",
          "1 00:00:00.000, 0 01:30:00.000, 0 00:00:00.000, timestamp(3) with time zone");
    VALUE("timestamp '2024-01-01 10:00:00 +02:00' = timestamp '2024-01-01 08:00:00 UTC'", "true");
    ERROR("SELECT from_iso8601_timestamp('yesterday')", "INVALID_FUNCTION_ARGUMENT");
}

TEST(arrays_and_maps)
{
    VALUE("cardinality(ARRAY[1, 2]), element_at(ARRAY[1, 2], -1), element_at(ARRAY[1], 5), "
          "ARRAY[5, 6][2]",
          "2, 2, NULL, 6");
    VALUE("contains(ARRAY[1, NULL], 1), contains(ARRAY[1, NULL], 2), array_join(ARRAY['a', NULL, "
          "'b'], '-', '?')",
          "true, NULL, a-?-b");
    VALUE("array_distinct(ARRAY[1, 2, 1]), array_sort(ARRAY[3, NULL, 1]), slice(ARRAY[1, 2, 3], "
          "-2, 5), "
          "flatten(ARRAY[ARRAY[1], ARRAY[2, 3]])",
          "[1, 2], [1, 3, null], [2, 3], [1, 2, 3]");
    VALUE("array_max(ARRAY[1, 3, 2]), array_min(ARRAY['b', 'a']), array_max(ARRAY[1, NULL]), "
          "sequence(1, 7, 3)",
          "3, a, NULL, [1, 4, 7]");
    VALUE("map(ARRAY['a', 'b'], ARRAY[1, 2])['b'], element_at(map(ARRAY['a'], ARRAY[1]), 'z'), "
          "map_keys(map(ARRAY['a'], ARRAY[1])), map_concat(map(ARRAY['a'], ARRAY[1]), "
          "map(ARRAY['a'], ARRAY[2]))",
          "2, NULL, [a], {a=2}");
    VALUE("ARRAY[1] || ARRAY[2], ARRAY[1] || 2, split_to_map('a=1,b=2', ',', '=')",
          "[1, 2], [1, 2], {a=1, b=2}");
    ERROR("SELECT ARRAY[1][0]", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT ARRAY[1][2]", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT map(ARRAY['a'], ARRAY[1])['b']", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT map(ARRAY['a', 'a'], ARRAY[1, 2])", "INVALID_FUNCTION_ARGUMENT");
}

TEST(lambdas)
{
    VALUE("transform(ARRAY[1, 2, NULL], x -> x * 10), filter(ARRAY[1, 5, NULL], x -> x > 2)",
          "[10, 20, null], [5]");
    VALUE("any_match(ARRAY[1, 2], x -> x = 2), all_match(ARRAY[1, 2], x -> x > 1), "
          "none_match(ARRAY[1], x -> x > 5)",
          "true, false, true");
    VALUE("any_match(ARRAY[1, NULL], x -> x = 2), reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> "
          "s * 10)",
          "NULL, 60");
    VALUE("map_filter(map(ARRAY['a', 'b'], ARRAY[1, 2]), (k, v) -> v > 1), "
          "transform_values(map(ARRAY['a'], ARRAY[1]), (k, v) -> k || CAST(v AS varchar))",
          "{b=2}, {a=a1}");
    VALUE("transform(ARRAY[1, 2], x -> transform(ARRAY[10, 20], y -> x + y)), zip_with(ARRAY[1], "
          "ARRAY[2], (a, b) -> a + b)",
          "[[11, 21], [12, 22]], [3]");
    VALUE("transform(ARRAY['1', 'x'], v -> try(CAST(v AS bigint))), try(transform(ARRAY[1, 0], v "
          "-> 1 / v))",
          "[1, null], NULL");
}

TEST(bytes_and_addresses)
{
    VALUE("to_hex(md5(to_utf8('a'))), to_hex(sha256(to_utf8(''))), to_base64(to_utf8('hi')), "
          "from_utf8(from_base64('aGk='))",
          "0CC175B9C0F1B6A831C399E269772661, "
          "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855, aGk=, hi");
    VALUE("contains('10.0.0.0/8', CAST('10.2.3.4' AS ipaddress)), contains('10.0.0.0/8', "
          "CAST('11.0.0.1' AS ipaddress))",
          "true, false");
    VALUE("CAST('10.0.0.1' AS ipaddress), CAST('2001:db8::0:1' AS ipaddress), "
          "ipaddress '9.9.9.9' BETWEEN ipaddress '9.0.0.0' AND ipaddress '9.255.255.255'",
          "10.0.0.1, 2001:db8::1, true");
    VALUE("url_extract_host('https://u@h.example:8/p?q=1&r=a%20b#f'), "
          "url_extract_parameter('http://x/?q=1&r=a%20b', 'r'), "
          "url_extract_port('http://h:8/')",
          "h.example, a b, 8");
    ERROR("SELECT CAST('s3.amazonaws.com' AS ipaddress)", "INVALID_CAST_ARGUMENT");
    VALUE("TRY_CAST('s3.amazonaws.com' AS ipaddress)", "NULL");
}

TEST(mathematics)
{
    VALUE("round(2.5), round(-2.5e0), round(1.2345e0, 2), ceil(1.2), floor(-1.5e0), abs(-3), "
          "sign(-2e0)",
          "3, -3.0, 1.23, 2, -2.0, 3, -1.0");
    VALUE("power(2, 10), sqrt(16), mod(-7, 3), ln(e()), log10(1000), truncate(-1.9e0)",
          "1024.0, 4.0, -1, 1.0, 3.0, -1.0");
    VALUE("bitwise_and(6, 3), bitwise_or(6, 3), bitwise_xor(6, 3), bitwise_left_shift(1, 4), "
          "bit_count(7, 64)",
          "2, 7, 5, 16, 3");
    VALUE("random() < 1, random(10) BETWEEN 0 AND 9, to_base(255, 16), from_base('ff', 16)",
          "true, true, ff, 255");
}

TEST(other)
{
    VALUE("typeof(1), typeof(ARRAY['a']), typeof(ROW(1, 'x')), nullif(1, 1), if(false, 1), "
          "coalesce(NULL, 2)",
          "integer, array(varchar(1)), row(integer, varchar(1)), NULL, NULL, 2");
    VALUE("length(CAST(uuid() AS varchar)), uuid() = uuid()", "36, false");
}

TEST_MAIN(arithmetic, comparison_is_three_valued, char_of_fixed_length, text, like,
          regular_expressions, json, dates, instants, arrays_and_maps, lambdas, bytes_and_addresses,
          mathematics, other)
