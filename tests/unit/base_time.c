/* SPDX-License-Identifier: Apache-2.0
 * The calendar and ISO 8601. */
#include "base/time.h"
#include "tests/unit/test.h"

static int64_t parsed(const char *text)
{
    int64_t us;
    return th_time_parse_iso(th_slice_text(text), &us) ? us : INT64_MIN;
}

static bool refused(const char *text)
{
    return parsed(text) == INT64_MIN;
}

static const char *formatted(int64_t us)
{
    static char out[40];
    size_t size = th_time_format_iso(us, out);
    return size == strlen(out) ? out : "wrong size";
}

TEST(days_follow_the_gregorian_calendar)
{
    /* The plain twin: count day by day from the year -401 to 2801. */
    int32_t day = th_day_from_civil(-401, 1, 1);
    for (int32_t year = -401; year <= 2800; year++) {
        for (uint32_t month = 1; month <= 12; month++) {
            for (uint32_t d = 1; d <= th_days_in_month(year, month); d++, day++) {
                th_civil c;
                th_civil_from_us(day * TH_US_PER_DAY, &c);
                if (th_day_from_civil(year, month, d) != day || c.year != year ||
                    c.month != month || c.day != d) {
                    FAIL("%d-%u-%u", year, month, d);
                }
            }
        }
    }
    CHECK_EQ_I64(th_day_from_civil(1970, 1, 1), 0);
    CHECK_EQ_I64(th_day_from_civil(2000, 3, 1), 11017);
    CHECK_EQ_I64(th_days_in_month(1900, 2), 28);
    CHECK_EQ_I64(th_days_in_month(2000, 2), 29);
    CHECK_EQ_I64(th_days_in_month(2023, 13), 0);
}

TEST(times_before_1970_round_down)
{
    CHECK_EQ_I64(th_day_from_us(-1), -1);
    CHECK_EQ_I64(th_day_from_us(0), 0);
    CHECK_EQ_STR(formatted(-1), "1969-12-31T23:59:59.999999Z");
    CHECK(formatted(INT64_MIN)[0] == '-');
    CHECK(strlen(formatted(INT64_MAX)) > 20);
    th_civil c;
    th_civil_from_us(INT64_MIN, &c);
    CHECK(th_us_from_civil(&c) == INT64_MIN);
}

TEST(iso_times_are_read_in_all_their_forms)
{
    const int64_t noon = INT64_C(1706702400) * TH_US_PER_SECOND; /* 2024-01-31T12:00:00Z */
    CHECK_EQ_I64(parsed("2024-01-31"), noon - TH_US_PER_DAY / 2);
    CHECK_EQ_I64(parsed("2024-01-31T12:00:00Z"), noon);
    CHECK_EQ_I64(parsed("2024-01-31t12:00:00z"), noon);
    CHECK_EQ_I64(parsed("2024-01-31 12:00"), noon);
    CHECK_EQ_I64(parsed("2024-01-31T12:00:00"), noon);
    CHECK_EQ_I64(parsed("2024-01-31T14:00:00+02:00"), noon);
    CHECK_EQ_I64(parsed("2024-01-31T06:30:00-05:30"), noon);
    CHECK_EQ_I64(parsed("2024-01-31T14:00+02"), noon);
    CHECK_EQ_I64(parsed("20240131T120000Z"), noon);
    CHECK_EQ_I64(parsed("2024-01-31T12:00:00.5Z"), noon + 500000);
    CHECK_EQ_I64(parsed("2024-01-31T12:00:00.1234567899Z"), noon + 123456);
}

TEST(iso_refuses_everything_else)
{
    static const char *const wrong[] = {
        "",
        "2024",
        "2024-01",
        "2024-1-31",
        "2024-02-30",
        "2023-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-01-31T",
        "2024-01-31T24:00:00Z",
        "2024-01-31T12:60:00Z",
        "2024-01-31T12:00:60Z",
        "2024-01-31T12Z",
        "2024-01-31T12:00:00.Z",
        "2024-01-31T12:00:00,5Z",
        "2024-01-31T12:00:00ZZ",
        "2024-01-31T12:00:00 Z",
        "2024-01-31T12:00:00+24:00",
        "2024-01-31T12:00:00+02:60",
        "2024-01-31T12:00:00+2",
        "2024-01-31T12:00:00+0200",
        "20240131",
        "20240131T120000",
        "20240131T120000+00",
        "2024-0131",
        "202401-31",
        "-2024-01-31",
        " 2024-01-31",
        "2024-01-31Z",
        "2024-01-31X12:00:00Z",
        "2024-01-31T12:00:00Z\n",
        "02024-01-31",
        "2024/01/31",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (!refused(wrong[i])) FAIL("took '%s'", wrong[i]);
    }
    CHECK(!th_time_parse_iso((th_slice){0}, &(int64_t){0}));
}

TEST(iso_format_shows_only_the_fraction_there_is)
{
    CHECK_EQ_STR(formatted(0), "1970-01-01T00:00:00Z");
    CHECK_EQ_STR(formatted(1000), "1970-01-01T00:00:00.001Z");
    CHECK_EQ_STR(formatted(1001), "1970-01-01T00:00:00.001001Z");
    CHECK_EQ_STR(formatted(TH_US_PER_DAY * 19753), "2024-01-31T00:00:00Z");
    CHECK_EQ_STR(formatted(th_day_from_civil(-44, 3, 15) * TH_US_PER_DAY), "-0044-03-15T00:00:00Z");
    CHECK_EQ_I64(parsed(formatted(1234567890123456)), 1234567890123456);
}

TEST(days_have_names)
{
    char out[16];
    int32_t day;
    CHECK_EQ_I64(th_day_format(19753, out), 10);
    CHECK_EQ_STR(out, "2024-01-31");
    CHECK(th_day_parse(TH_SLICE("2024-01-31"), &day) && day == 19753);
    th_day_format(TH_DAY_UNDATED, out);
    CHECK_EQ_STR(out, "undated");
    CHECK(th_day_parse(TH_SLICE("undated"), &day) && day == TH_DAY_UNDATED);
    CHECK(!th_day_parse(TH_SLICE("20240131"), &day) && !th_day_parse(TH_SLICE("2024-01-32"), &day));
    CHECK(!th_day_parse(TH_SLICE("2024-01-31T00:00Z"), &day) && !th_day_parse(TH_SLICE(""), &day));
    CHECK(th_day_format(INT32_MAX, out) < sizeof out);
    CHECK(th_day_format(INT32_MIN + 1, out) < sizeof out);
}

TEST_MAIN(days_follow_the_gregorian_calendar, times_before_1970_round_down,
          iso_times_are_read_in_all_their_forms, iso_refuses_everything_else,
          iso_format_shows_only_the_fraction_there_is, days_have_names)
