/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/format.h"

static void numbers_read_well(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *count, *bytes;
    } rows[] = {
        {0, "0", "0 B"},
        {950, "950", "950 B"},
        {999.4, "999", "999 B"},
        {999.6, "1.00k", "1.00 KB"},
        {1234, "1.23k", "1.23 KB"},
        {9996, "10.0k", "10.0 KB"},
        {12345, "12.3k", "12.3 KB"},
        {99960, "100k", "100 KB"},
        {4.56e6, "4.56M", "4.56 MB"},
        {1.2e9, "1.20G", "1.20 GB"},
        {7e12, "7.00T", "7.00 TB"},
        {1e16, "10000T", "10000 TB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[32];
        format_count(text, sizeof text, rows[i].value);
        assert_string_equal(text, rows[i].count);
        format_bytes(text, sizeof text, rows[i].value);
        assert_string_equal(text, rows[i].bytes);
    }
}

static void durations_read_well(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {{0.04, "0.0s"},     {0.44, "0.4s"},     {9.96, "10s"},
                {59.7, "60s"},      {119.4, "119s"},    {119.6, "2m00s"},
                {185.2, "3m05s"},   {3599.7, "60m00s"}, {7169, "119m29s"},
                {7200, "2h00m"},    {7620, "2h07m"},    {7199.9, "1h59m"},
                {360000, "100h00m"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[32];
        format_duration(text, sizeof text, rows[i].seconds);
        assert_string_equal(text, rows[i].text);
    }
}

static void counts_are_read_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"0", 0},
        {"64", 64},
        {"2k", 2000},
        {"2K", 2000},
        {"1.5M", 1500000},
        {"4G", 4000000000},
        {"1.005k", 1005},
        {"1.10k", 1100},
        {"3.0", 3},
        {"007", 7},
        {"9007199254740993", 9007199254740993}, /* no double */
        {"9223372036854775807", INT64_MAX},
        {"9223372036.854775807G", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t v = -1;
        assert_true(format_parse_count(rows[i].text, &v));
        assert_int_equal(v, rows[i].value);
    }
}

static void what_is_no_count_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       "-1",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "k",
                                       ".5k",
                                       "1.k",
                                       "1.5",
                                       "1.05",
                                       "1.0005k",
                                       "2kk",
                                       "2T",
                                       "0x10",
                                       "1e3",
                                       "nan",
                                       "inf",
                                       "1,5k",
                                       "9223372036854775808",
                                       "9223372036.854775808G",
                                       "99999999999999999999",
                                       "1k5"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t v = -7;
        if (format_parse_count(rows[i], &v))
            fail_msg("'%s' was read as %lld", rows[i], (long long)v);
        assert_int_equal(v, -7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_read_well),
        cmocka_unit_test(durations_read_well),
        cmocka_unit_test(counts_are_read_exactly),
        cmocka_unit_test(what_is_no_count_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
