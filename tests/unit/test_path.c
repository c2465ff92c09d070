/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relative paths that may cross the border.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/path.h"
#include "sandbox/base/own.h"

static void ordinary_paths_are_taken(void **state)
{
    static const char *const paths[] = {
        "a",       "a.csv", "a/b/c",         "..a",      "a..",
        ".hidden", "*.png", "out/[ab]?.txt", "\xc3\xa9", "a b"
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(paths); i++)
        assert_null(cl_path_fault(paths[i], strlen(paths[i])));
}

static void paths_that_lead_out_are_refused(void **state)
{
    static const char *const paths[] = { "",     "/",      "/a",   "..",   "../a",
                                         "a/..", "a/../b", ".",    "./a",  "a/./b",
                                         "a//b", "a/",     "a\\b", "a\nb", "\x7f" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(paths); i++)
        assert_non_null(cl_path_fault(paths[i], strlen(paths[i])));
    assert_non_null(cl_path_fault("a\0b", 3));
}

static void lengths_are_capped(void **state)
{
    char path[CL_PATH_MAX + 2];

    (void)state;
    memset(path, 'x', sizeof(path));
    assert_null(cl_path_fault(path, 255));
    assert_non_null(cl_path_fault(path, 256));
    for (size_t i = 200; i < sizeof(path) - 100; i += 200)
        path[i] = '/';
    assert_null(cl_path_fault(path, CL_PATH_MAX));
    assert_non_null(cl_path_fault(path, CL_PATH_MAX + 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_paths_are_taken),
        cmocka_unit_test(paths_that_lead_out_are_refused),
        cmocka_unit_test(lengths_are_capped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
