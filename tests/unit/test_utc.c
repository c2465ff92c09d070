/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates against those of libc.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

static void is_libcs(int64_t second)
{
    const time_t moment = (time_t)second;
    char text[CL_UTC_SIZE], wanted[64];
    struct tm parts;

    gmtime_r(&moment, &parts);
    strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%S", &parts);
    assert_string_equal(cl_utc_text(second * 1000000 + 999999, 0, text), wanted);
}

static void days_are_those_of_the_calendar(void **state)
{
    (void)state;
    /* a prime near a week: every month and the ends of most, to the end of 9999 */
    for (int64_t second = 0; second < 253402300800; second += 604801)
        is_libcs(second);
    for (int64_t day = 0; day < 366 * 5; day++) {
        is_libcs(day * 86400);
        is_libcs(day * 86400 - 1 + 86400);
    }
    is_libcs(253402300799);
}

static void a_fraction_is_cut_not_rounded(void **state)
{
    char text[CL_UTC_SIZE];

    (void)state;
    assert_string_equal(cl_utc_text(951782400007999, 0, text), "2000-02-29T00:00:00");
    assert_string_equal(cl_utc_text(951782400007999, 3, text), "2000-02-29T00:00:00.007");
    assert_string_equal(cl_utc_text(951782400007999, 6, text), "2000-02-29T00:00:00.007999");
}

static void other_moments_are_the_nearest(void **state)
{
    char text[CL_UTC_SIZE];

    (void)state;
    assert_string_equal(cl_utc_text(-1, 3, text), "1970-01-01T00:00:00.000");
    assert_string_equal(cl_utc_text(INT64_MIN, 6, text), "1970-01-01T00:00:00.000000");
    assert_string_equal(cl_utc_text(253402300799999999 + 1, 6, text),
                        "9999-12-31T23:59:59.999999");
    assert_string_equal(cl_utc_text(INT64_MAX, 6, text), "9999-12-31T23:59:59.999999");
}

static void now_is_between_two_looks(void **state)
{
    const time_t before = time(NULL);
    const int64_t now_us = cl_utc_us();

    (void)state;
    assert_true(now_us / 1000000 >= before && now_us / 1000000 <= time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_are_those_of_the_calendar),
        cmocka_unit_test(a_fraction_is_cut_not_rounded),
        cmocka_unit_test(other_moments_are_the_nearest),
        cmocka_unit_test(now_is_between_two_looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
