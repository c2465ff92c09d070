/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists with weights and a media type's parameters, as clients write them and as they should not.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include "api/field.h"
#include "sandbox/base/own.h"

static void weights_are_read_as_rfc_9110_has_them(void **state)
{
    static const struct {
        const char *field;
        int weight; /* of text/a */
    } cases[] = {
        { NULL, 0 },
        { "", 0 },
        { "text/a", 1000 },
        { " , ,TEXT/A , text/b", 1000 },
        { "text/ab", 0 },
        { "text/b, text/a;q=0", 0 },
        { "text/a;q=0.000", 0 },
        { "text/a; Q=0.25", 250 },
        { "text/a;level=1 ; q=0.5, text/a", 500 },
        { "text/a;q=1.000", 1000 },
        { "text/a;q=1.9", 1000 },
        { "text/a;q=0.1239", 123 },
        { "text/a;q=", 1000 },
        { "text/a;q=x", 1000 },
        { "text/b;q=0.1, text/a", 1000 },
        { "text/a, text/b;q=0.1", 1000 },
        { "text/b;note=\"x, text/a, y\"", 0 },
        { "text/b;note=\"x\\\", text/a\"", 0 },
        { "text/b;note=\"never closed, text/a", 0 },
        { "text/a;note=\";q=0\"", 1000 },
        { "text/a=1", 1000 },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        if (cl_field_weight(cases[i].field, "text/a") != cases[i].weight)
            fail_msg("%s", cases[i].field ? cases[i].field : "NULL");
    }
}

static void charset_is_utf_8_or_not_said(void **state)
{
    static const char *const good[] = {
        "",
        " ",
        ";",
        "; ;",
        ";charset=utf-8",
        " ; Charset=UTF-8 ;",
        ";charset=\"utf-8\"",
        ";v=1;charset=utf-8;w=\"; ,\"",
    };
    static const char *const bad[] = {
        " x",
        ";;;=",
        ";charset",
        ";charset=",
        ";=utf-8",
        ";charset=utf-16",
        ";charset=utf-8;charset=utf-8",
        ";charset=utf-8;charset=latin-1",
        ";charset=\"utf-8",
        ";charset=\"",
        ";charset =utf-8",
        ", text/b",
        ";v=1 w=2",
        ";charset=\"\"",
        ";v=\"a\"b",
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(good); i++) {
        if (!cl_field_is_utf8(good[i]))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < CL_COUNT(bad); i++) {
        if (cl_field_is_utf8(bad[i]))
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_read_as_rfc_9110_has_them),
        cmocka_unit_test(charset_is_utf_8_or_not_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
