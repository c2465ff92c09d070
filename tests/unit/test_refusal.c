/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals: pointers, near words, a row for every kind.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/refusal.h"
#include "sandbox/base/own.h"

static void every_kind_has_a_row(void **state)
{
    (void)state;
    for (enum cl_refusal_kind kind = CL_R_NONE + 1; kind < CL_R_COUNT_; kind++) {
        const struct cl_refusal_row *row = cl_refusal_row(kind);

        assert_non_null(row->slug);
        assert_non_null(row->title);
        assert_in_range(row->status, 400, 599);
    }
}

static void row_of_no_kind(void)
{
    cl_refusal_row(CL_R_COUNT_);
}

static void a_kind_without_a_row_is_a_bug(void **state)
{
    (void)state;
    assert_aborts(row_of_no_kind);
}

static void set_fills_kind_and_detail(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    assert_int_equal(cl_refusal_set(&refusal, CL_R_TOO_LARGE, "%d of %s", 3, "four"), -1);
    assert_int_equal(refusal.kind, CL_R_TOO_LARGE);
    assert_string_equal(refusal.detail, "3 of four");
}

static void an_error_is_the_requests_unless_it_is_the_systems(void **state)
{
    static const struct {
        enum cl_err_kind kind;
        enum cl_refusal_kind refusal;
    } cases[] = { { CL_E_INPUT, CL_R_MALFORMED },
                  { CL_E_LIMIT, CL_R_MALFORMED },
                  { CL_E_SYS, CL_R_NO_MEMORY } };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        struct cl_refusal refusal = CL_REFUSAL_INIT;
        struct cl_err err = CL_ERR_INIT;

        cl_fail(&err, cases[i].kind, "why");
        assert_int_equal(cl_refusal_failed(&refusal, CL_R_MALFORMED, &err), -1);
        assert_int_equal(refusal.kind, cases[i].refusal);
        assert_int_equal(strncmp(refusal.detail, "why", 3), 0);
    }
}

static void point_escapes_tokens(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    cl_refusal_point(&refusal, "limits", 6);
    cl_refusal_point(&refusal, "a/b~c", 5);
    assert_string_equal(refusal.pointer, "/limits/a~1b~0c");
    refusal.pointer[0] = '\0';
    cl_refusal_point(&refusal, "", 0);
    assert_string_equal(refusal.pointer, "/");
}

static void point_never_overflows(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    char token[400];

    (void)state;
    memset(token, '~', sizeof(token));
    cl_refusal_point(&refusal, "ok", 2);
    cl_refusal_point(&refusal, token, sizeof(token));
    assert_string_equal(refusal.pointer, "/ok");
    for (int i = 0; i < 100; i++)
        cl_refusal_point(&refusal, token, 7);
    assert_true(strlen(refusal.pointer) < sizeof(refusal.pointer));
}

static void nearest_finds_a_slip_of_two(void **state)
{
    static const char *const words[] = { "source", "stdin", "wall", NULL };

    (void)state;
    assert_string_equal(cl_refusal_nearest(words, "sorce"), "source");
    assert_string_equal(cl_refusal_nearest(words, "wal"), "wall");
    assert_string_equal(cl_refusal_nearest(words, "stidn"), "stdin");
    assert_null(cl_refusal_nearest(words, "colour"));
    assert_null(cl_refusal_nearest(words, "a very long key that nobody could have meant"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_row),
        cmocka_unit_test(a_kind_without_a_row_is_a_bug),
        cmocka_unit_test(set_fills_kind_and_detail),
        cmocka_unit_test(an_error_is_the_requests_unless_it_is_the_systems),
        cmocka_unit_test(point_escapes_tokens),
        cmocka_unit_test(point_never_overflows),
        cmocka_unit_test(nearest_finds_a_slip_of_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
