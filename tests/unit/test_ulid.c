/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of calls.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <sodium.h>
#include <string.h>

#include "api/ulid.h"

static void format_knows_the_specimen(void **state)
{
    static const uint8_t ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    static const uint8_t zeros[10] = { 0 };
    char text[CL_ULID_SIZE];

    (void)state;
    cl_ulid_format(text, 1469918176385, zeros);
    assert_string_equal(text, "01ARYZ6S410000000000000000");
    cl_ulid_format(text, 0xffffffffffff, ones);
    assert_string_equal(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
}

static void later_ids_sort_later(void **state)
{
    static const uint8_t ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    static const uint8_t zeros[10] = { 0 };
    char first[CL_ULID_SIZE];
    char second[CL_ULID_SIZE];

    (void)state;
    for (uint64_t ms = 1; ms < 1ull << 47; ms *= 3) {
        cl_ulid_format(first, ms, ones);
        cl_ulid_format(second, ms + 1, zeros);
        assert_true(strcmp(first, second) < 0);
    }
}

static void made_ids_differ_and_keep_to_the_alphabet(void **state)
{
    char first[CL_ULID_SIZE];
    char second[CL_ULID_SIZE];

    (void)state;
    assert_true(sodium_init() >= 0);
    cl_ulid_make(first);
    cl_ulid_make(second);
    assert_int_equal(strlen(first), 26);
    assert_int_equal(strspn(first, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
    assert_string_not_equal(first + 10, second + 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_knows_the_specimen),
        cmocka_unit_test(later_ids_sort_later),
        cmocka_unit_test(made_ids_differ_and_keep_to_the_alphabet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
