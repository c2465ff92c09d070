/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments as users of `cloche audit show` write them.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/cli/since.h"
#include "sandbox/base/own.h"

static void each_beginning_of_a_time_is_taken(void **state)
{
    static const char *const times[] = { "2026-01-31T12:00:00.000", "2026-12-30T23:59:59.999",
                                         "1999-09-09T09:09:09.090" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(times); i++) {
        for (size_t length = 1; length <= strlen(times[i]); length++) {
            struct cl_err err = CL_ERR_INIT;
            char text[32];

            snprintf(text, sizeof(text), "%.*s", (int)length, times[i]);
            assert_int_equal(cl_since_parse(text, &err), length);
        }
    }
}

static void a_z_ends_a_time_and_is_not_compared(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_since_parse("2026-01-31T12:00:00Z", &err), 19);
    assert_int_equal(cl_since_parse("2026-01-31T12:00:00.5Z", &err), 21);
    assert_int_equal(cl_since_parse("2026-01-31T12:00:00.000Z", &err), 23);
}

static void what_begins_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "bogus",
        "1x",
        "-1h",
        "1h",
        "99999999999999h",
        "Z",
        "2026Z",
        "2026-01-31Z",
        " 2026",
        "2026-13",
        "2026-00",
        "2026-2",
        "2026-01-32",
        "2026-01-00",
        "2026-01-4",
        "2026/01",
        "2026-01-31 12:00",
        "2026-01-31T24",
        "2026-01-31T12:60",
        "2026-01-31T12:00:00.0000",
        "2026-01-31T12:00:00.000ZZ",
        "2026-01-31T12:00:00+01:00",
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(texts); i++) {
        struct cl_err err = CL_ERR_INIT;

        assert_int_equal(cl_since_parse(texts[i], &err), -1);
        assert_int_equal(err.kind, CL_E_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_beginning_of_a_time_is_taken),
        cmocka_unit_test(a_z_ends_a_time_and_is_not_compared),
        cmocka_unit_test(what_begins_no_time_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
