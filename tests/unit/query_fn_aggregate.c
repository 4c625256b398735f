/* SPDX-License-Identifier: Apache-2.0
 * Aggregates beside the everyday ones, over rows that are written out, and format(). */
#include "tests/unit/query_help.h"

#define OVER(aggregates, rows) "SELECT " aggregates " FROM (VALUES " rows ") t(y, x)"
#define AGREES(aggregates, rows, wanted) \
    VALUE("(" OVER("array_join(ARRAY[" aggregates "], ' ')", rows) ")", wanted)

TEST(two_columns)
{
    AGREES("round(corr(y, x), 9), covar_pop(y, x), covar_samp(y, x), regr_slope(y, x), "
           "regr_intercept(y, x)",
           "(2e0, 1e0), (4e0, 2e0), (6e0, 3e0), (NULL, 9e0), (1e0, NULL)",
           "1.0E0 1.3333333333333333E0 2.0E0 2.0E0 0E0");
    AGREES("regr_avgx(y, x), regr_avgy(y, x), regr_sxx(y, x), regr_syy(y, x), regr_sxy(y, x), "
           "regr_r2(y, x)",
           "(1e0, 1e0), (3e0, 2e0), (2e0, 3e0)", "2.0E0 2.0E0 2.0E0 2.0E0 1.0E0 2.5E-1");
    VALUE("(" OVER("corr(y, x)", "(1e0, 1e0)") "), (" OVER("regr_count(y, x)",
                                                           "(1e0, 1e0), (NULL, 2e0)") ")",
          "NULL, 1");
}

TEST(shape_of_a_distribution)
{
    AGREES("round(skewness(y), 9), round(kurtosis(x), 9)",
           "(1e0, 1e0), (2e0, 2e0), (9e0, 3e0), (4e0, 9e0)", "7.68417258E-1 3.014360042E0");
    VALUE("(SELECT round(entropy(x), 9) FROM (VALUES 1, 1, 2) t(x)), (SELECT kurtosis(x) FROM "
          "(VALUES 1, 2, 3) t(x))",
          "1.5, NULL");
}

TEST(bits_and_checksums)
{
    VALUE("(SELECT ARRAY[bitwise_and_agg(x), bitwise_or_agg(x), bitwise_xor_agg(x)] FROM (VALUES "
          "6, 3, NULL) t(x))",
          "[2, 7, 5]");
    VALUE("(SELECT checksum(x) FROM (VALUES 1, 2, 3) t(x)) = (SELECT checksum(x) FROM (VALUES 3, "
          "1, 2) t(x)), "
          "(SELECT checksum(x) FROM (VALUES 1, 2) t(x)) = (SELECT checksum(x) FROM (VALUES 1, 3) "
          "t(x)), "
          "(SELECT length(checksum(x)) FROM (VALUES 'a', NULL) t(x))",
          "true, false, 8");
}

TEST(values_kept)
{
    VALUE(
        "(SELECT max_by(y, x, 2) FROM (VALUES ('a', 1), ('b', 3), ('c', 2), ('d', NULL)) t(y, x)), "
        "(SELECT min_by(y, x, 5) FROM (VALUES ('a', 1), (NULL, 3), ('c', 2)) t(y, x))",
        "[b, c], [a, c, null]");
    VALUE("(SELECT multimap_agg(y, x) FROM (VALUES ('a', 1), ('b', 3), ('a', NULL), ('a', 2)) t(y, "
          "x))",
          "{a=[1, null, 2], b=[3]}");
    VALUE("(SELECT map_union(m) FROM (VALUES MAP(ARRAY['a', 'b'], ARRAY[1, 2]), MAP(ARRAY['b', "
          "'c'], ARRAY[9, 3])) t(m)), "
          "(SELECT set_union(a) FROM (VALUES ARRAY[1, 2], ARRAY[2, 3]) t(a))",
          "{a=1, b=2, c=3}, [1, 2, 3]");
    VALUE("(SELECT approx_most_frequent(2, x, 10) FROM (VALUES 'a', 'b', 'c', 'b', 'c', 'c') t(x))",
          "{c=3, b=2}");
    VALUE("(SELECT numeric_histogram(2, x) FROM (VALUES 1, 2, 10, 11) t(x)), "
          "(SELECT approx_percentile(y, x, 0.5) FROM (VALUES (1, 1), (2, 1), (3, 10)) t(y, x)), "
          "(SELECT approx_percentile(y, x, ARRAY[0.0, 0.99]) FROM (VALUES (1, 1), (2, 1), (3, 10)) "
          "t(y, x))",
          "{1.5=2.0, 10.5=2.0}, 3, [1, 3]");
    ERROR("SELECT max_by(y, x, 0) FROM (VALUES (1, 2)) t(y, x)", "INVALID_FUNCTION_ARGUMENT");
    VALUE("(SELECT multimap_agg(y, x) FROM (VALUES (1, 2)) t(y, x) WHERE y > 1)", "NULL");
}

TEST(java_formats)
{
    VALUE(
        "format('%s%%', 123), format('%.4f', pi()), format('%03d', 8), format('%,.2f', 1234567.89)",
        "123%, 3.1416, 008, 1,234,567.89");
    VALUE("format('%-5s|%5s|', 'a', 'b'), format('%2$s %1$s', 'a', 'b'), format('%x %X %o', 255, "
          "255, 8)",
          "a    |    b|, b a, ff FF 10");
    VALUE("format('%,d', -1234567), format('%+d %(d', 5, -5), format('%e', 12345.678e0), "
          "format('%S', 'up')",
          "-1,234,567, +5 (5), 1.234568e+04, UP");
    VALUE("format('%1$tA, %1$tB %1$te, %1$tY', date '2006-07-04'), format('%s %s', 0.5e0, NULL), "
          "format('%.1f', 0.25e0), format('%.2f', DECIMAL '-0.005')",
          "Tuesday, July 4, 2006, 0.5 null, 0.3, -0.01");
    ERROR("SELECT format('%d', 'x')", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT format('%s')", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT format('%q', 1)", "INVALID_FUNCTION_ARGUMENT");
    ERROR("SELECT format('%', 1)", "INVALID_FUNCTION_ARGUMENT");
}

TEST_MAIN(two_columns, shape_of_a_distribution, bits_and_checksums, values_kept, java_formats)
