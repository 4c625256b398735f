/* SPDX-License-Identifier: Apache-2.0
 * Types, their text, coercion and casts. */
#include "query/type/coerce.h"
#include "query/type/number.h"
#include "tests/unit/query_help.h"

static th_arena *arena;

static const th_type *type_of(const char *text)
{
    const th_type *t = NULL;
    if (arena == NULL) arena = th_arena_new(1u << 20, NULL);
    return th_type_parse(th_slice_text(text), arena, &t, NULL) == TH_OK ? t : NULL;
}

static void prints(const char *text, const char *wanted)
{
    th_buf b;
    const th_type *t = type_of(text);
    CHECK(t != NULL);
    th_buf_init(&b, 10000);
    th_type_print(&b, t);
    CHECK_EQ_STR(th_buf_text(&b), wanted);
    th_buf_free(&b);
}

TEST(type_names_in_both_spellings)
{
    prints("VARCHAR", "varchar");
    prints("varchar(12)", "varchar(12)");
    prints("decimal(10, 2)", "decimal(10,2)");
    prints("timestamp", "timestamp(3)");
    prints("timestamp(6) with time zone", "timestamp(6) with time zone");
    prints("array(row(arn varchar, bigint))", "array(row(arn varchar, bigint))");
    prints("array<struct<a:string,b:map<string,int>>>",
           "array(row(a varchar, b map(varchar, integer)))");
    prints("interval day to second", "interval day to second");
    prints("row(\"odd name\" double precision)", "row(\"odd name\" double)");
    CHECK(type_of("") == NULL);
    CHECK(type_of("array(") == NULL);
    CHECK(type_of("decimal(39,0)") == NULL);
    CHECK(type_of("nosuchtype") == NULL);
    CHECK(type_of("bigint bigint") == NULL);
}

TEST(nesting_of_types_is_bounded)
{
    char text[2000] = "";
    for (int i = 0; i < 100; i++) strcat(text, "array(");
    CHECK(type_of(text) == NULL);
}

static bool coerces(const char *from, const char *to)
{
    return th_type_can_coerce(type_of(from), type_of(to));
}

TEST(what_coerces)
{
    CHECK(coerces("integer", "bigint"));
    CHECK(coerces("bigint", "double"));
    CHECK(coerces("integer", "decimal(12,2)"));
    CHECK(!coerces("bigint", "decimal(12,2)"));
    CHECK(coerces("date", "timestamp(3)"));
    CHECK(coerces("varchar(3)", "varchar"));
    CHECK(!coerces("varchar", "bigint"));
    CHECK(!coerces("varchar", "date"));
    CHECK(!coerces("double", "bigint"));
    CHECK(coerces("unknown", "array(row(a bigint))"));
    CHECK(coerces("array(integer)", "array(bigint)"));
}

TEST(common_types)
{
    CHECK(th_type_equal(th_type_common_super(arena, type_of("integer"), type_of("decimal(3,1)")),
                        type_of("decimal(11,1)")));
    CHECK(th_type_equal(th_type_common_super(arena, type_of("varchar(2)"), type_of("varchar(5)")),
                        type_of("varchar(5)")));
    CHECK(th_type_equal(th_type_common_super(arena, type_of("date"), type_of("timestamp(3)")),
                        type_of("timestamp(3)")));
    CHECK(th_type_common_super(arena, type_of("varchar"), type_of("bigint")) == NULL);
}

static void double_is(double v, const char *shown, const char *as_cast)
{
    th_buf b;
    th_buf_init(&b, 1000);
    th_double_print(&b, v, false);
    CHECK_EQ_STR(th_buf_text(&b), shown);
    th_buf_clear(&b);
    th_double_print_cast(&b, v, false);
    CHECK_EQ_STR(th_buf_text(&b), as_cast);
    th_buf_free(&b);
}

TEST(doubles_as_java_prints_them)
{
    double_is(0.25, "0.25", "2.5E-1");
    double_is(1e10, "1.0E10", "1.0E10");
    double_is(100, "100.0", "1.0E2");
    double_is(1234567.5, "1234567.5", "1.2345675E6");
    double_is(0.001, "0.001", "1.0E-3");
    double_is(0.0001, "1.0E-4", "1.0E-4");
    double_is(0.1 + 0.2, "0.30000000000000004", "3.0000000000000004E-1");
    double_is(-0.0, "-0.0", "-0E0");
    double_is(1e-323, "9.9E-324", "9.9E-324");
}

TEST(casts_of_numbers)
{
    VALUE(
        "CAST('12' AS bigint), CAST(2.5 AS bigint), CAST(-2.5e0 AS integer), CAST(true AS integer)",
        "12, 3, -3, 1");
    VALUE("CAST(1.005 AS decimal(5,2)), CAST('1e3' AS double), CAST('-1.50' AS decimal(5,1)), "
          "CAST(1 AS boolean)",
          "1.01, 1000.0, -1.5, true");
    ERROR("SELECT CAST('x' AS bigint)", "INVALID_CAST_ARGUMENT");
    ERROR("SELECT CAST(300 AS tinyint)", "NUMERIC_VALUE_OUT_OF_RANGE");
    ERROR("SELECT CAST(1e300 AS bigint)", "NUMERIC_VALUE_OUT_OF_RANGE");
    ERROR("SELECT CAST(1234 AS decimal(3,0))", "INVALID_CAST_ARGUMENT");
    VALUE("TRY_CAST('x' AS bigint), TRY_CAST('7' AS bigint), TRY(CAST('x' AS bigint))",
          "NULL, 7, NULL");
}

TEST(casts_of_text_and_times)
{
    VALUE("CAST(1.5e0 AS varchar), CAST(123 AS varchar(2147483647)), CAST('abc' AS varchar(2)), "
          "CAST(true AS varchar)",
          "1.5E0, 123, ab, true");
    VALUE("CAST('2024-01-31 12:00:00.5' AS timestamp), CAST('2024-01-31' AS date), "
          "CAST('2024-01-31' AS timestamp)",
          "2024-01-31 12:00:00.500, 2024-01-31, 2024-01-31 00:00:00.000");
    VALUE("CAST(timestamp '2024-01-31 12:00:00' AS varchar), CAST(date '2024-01-31' AS varchar), "
          "CAST(timestamp '2024-01-31 23:00:00 America/New_York' AS date)",
          "2024-01-31 12:00:00, 2024-01-31, 2024-01-31");
    ERROR("SELECT CAST('2021-06-06-23:38:46' AS timestamp)", "INVALID_CAST_ARGUMENT");
    ERROR("SELECT CAST('2024-02-30' AS date)", "INVALID_CAST_ARGUMENT");
    ERROR("SELECT CAST(123456 AS varchar(3))", "INVALID_CAST_ARGUMENT");
    ERROR("SELECT CAST(ARRAY[1] AS varchar)", "TYPE_MISMATCH");
}

TEST(casts_of_nested_values)
{
    VALUE(
        "CAST(ROW('a', 1) AS row(name varchar, n bigint)), CAST(ARRAY['1', '2'] AS array(bigint))",
        "{name=a, n=1}, [1, 2]");
    VALUE("CAST(map(ARRAY['1'], ARRAY[true]) AS map(bigint, varchar))", "{1=true}");
    ERROR("SELECT CAST(ARRAY['1', 'x'] AS array(bigint))", "INVALID_CAST_ARGUMENT");
}

TEST(decimals_keep_their_digits)
{
    th_i128 v;
    uint32_t precision, scale;
    CHECK(th_decimal_parse(TH_SLICE("99999999999999999999999999999999999999"), &v, &precision,
                           &scale));
    CHECK_EQ_I64(precision, 38);
    CHECK(!th_decimal_parse(TH_SLICE("999999999999999999999999999999999999999"), &v, &precision,
                            &scale));
    CHECK(!th_decimal_parse(TH_SLICE("1.2.3"), &v, &precision, &scale));
    CHECK(!th_decimal_parse(TH_SLICE("."), &v, &precision, &scale));
    CHECK(th_decimal_rescale(-15, 1, 0, &v) && v == -2);
    CHECK(!th_decimal_rescale(th_pow10(37), 0, 2, &v));
    VALUE("DECIMAL '12345678901234567890123456789012345678' + DECIMAL '1'",
          "12345678901234567890123456789012345679");
    ERROR("SELECT DECIMAL '99999999999999999999999999999999999999' + DECIMAL '1'",
          "NUMERIC_VALUE_OUT_OF_RANGE");
}

TEST_MAIN(type_names_in_both_spellings, nesting_of_types_is_bounded, what_coerces, common_types,
          doubles_as_java_prints_them, casts_of_numbers, casts_of_text_and_times,
          casts_of_nested_values, decimals_keep_their_digits)
