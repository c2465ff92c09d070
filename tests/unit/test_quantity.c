/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and times as callers write them.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/quantity.h"
#include "sandbox/base/own.h"

struct row {
    const char *text;
    uint64_t value;
};

static void sizes_are_read_exactly(void **state)
{
    static const struct row rows[] = {
        { "0", 0 },           { "4096", 4096 },        { "64Ki", 65536 },
        { "64Mi", 64 << 20 }, { "1Gi", 1 << 30 },      { "1.5Gi", 1536ull << 20 },
        { "0.5Ki", 512 },     { "1k", 1000 },          { "2M", 2000000 },
        { "3G", 3000000000 }, { "1T", 1000000000000 }, { "1Ti", 1ull << 40 },
        { "0.001k", 1 },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_err err = CL_ERR_INIT;
        uint64_t bytes = 1;

        assert_works(cl_quantity_bytes(rows[i].text, strlen(rows[i].text), &bytes, &err), &err);
        assert_int_equal(bytes, rows[i].value);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "Mi",
        "64MB",
        "64mi",
        "64 Mi",
        "-1",
        "+1",
        "1e3",
        "0x10",
        "1.5",
        "1.",
        ".5Mi",
        "1.0001Ki",
        "1,5Mi",
        "64Mi ",
        "inf",
        "8388608Ti",
        "999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_err err = CL_ERR_INIT;
        uint64_t bytes = 0;

        assert_fails(cl_quantity_bytes(rows[i], strlen(rows[i]), &bytes, &err), &err,
                     CL_E_INPUT);
    }
}

static void times_are_read_exactly(void **state)
{
    static const struct row rows[] = {
        { "1ms", 1 },    { "250ms", 250 }, { "2s", 2000 },    { "1.5s", 1500 },
        { "0.001s", 1 }, { "2m", 120000 }, { "1h", 3600000 }, { "0s", 0 },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_err err = CL_ERR_INIT;
        uint64_t ms = 1;

        assert_works(cl_quantity_ms(rows[i].text, strlen(rows[i].text), &ms, &err), &err);
        assert_int_equal(ms, rows[i].value);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const rows[] = { "",      "5",       "1 parsec", "1d",
                                        "1.5ms", "0.0001s", "-1s",      "1S" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_err err = CL_ERR_INIT;
        uint64_t ms = 0;

        assert_fails(cl_quantity_ms(rows[i], strlen(rows[i]), &ms, &err), &err, CL_E_INPUT);
    }
}

static void length_is_kept_and_not_the_nul(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    uint64_t bytes = 0;

    (void)state;
    assert_works(cl_quantity_bytes("64Mixyz", 4, &bytes, &err), &err);
    assert_int_equal(bytes, 64 << 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_exactly),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(times_are_read_exactly),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(length_is_kept_and_not_the_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
