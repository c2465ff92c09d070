/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restricted eval from its frames in to its frames out; what expressions mean is told by
 * tests/integration/test_eval.py.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"

static int setup(void **state)
{
    static const struct case_policy policy = { .name = "calc",
                                               .modules = "math",
                                               .flags = CL_POLICY_EVAL };

    (void)state;
    return wants_open(&policy);
}

static int setup_closed(void **state)
{
    static const struct case_policy policy = { .name = "closed", .modules = "math" };

    (void)state;
    return wants_open(&policy);
}

static void wants(const char *expression, const char *context, uint32_t final,
                  struct case_end *end)
{
    const struct case_call call = { .source = expression,
                                    .kwargs = context,
                                    .flags = CL_CALL_EVAL };

    wants_call(&call, final, end);
}

static void wants_json(const char *expression, const char *context, const char *json)
{
    struct case_end end;

    wants(expression, context, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.body.bytes, json);
    case_end_fini(&end);
}

static void an_expression_has_a_value(void **state)
{
    (void)state;
    wants_json("1 + 1", NULL, "2");
    wants_json("{'a': [x, y]}", "{\"x\": 1e3, \"y\": 123456789012345678901234567890}",
               "{\"a\":[1000.0,123456789012345678901234567890]}");
    wants_json("\xc3\xa9 + '\xc3\xa9'", "{\"\xc3\xa9\": \"\"}", "\"\xc3\xa9\"");
    wants_json("(n * n for n in range(4))", NULL, "[0,1,4,9]");
    wants_json(" \t1", NULL, "1");
}

static void a_module_is_not_an_expression(void **state)
{
    struct case_end end;

    (void)state;
    wants("def main(): return 1", NULL, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "SyntaxError");
    assert_int_equal(end.line, 1);
    case_end_fini(&end);
    wants("", NULL, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "SyntaxError");
    case_end_fini(&end);
}

static void a_refusal_names_rule_name_and_place(void **state)
{
    struct case_end end;

    (void)state;
    wants("[1,\n  ().__class__]", NULL, CL_F_DENIED, &end);
    assert_string_equal(end.text[0], "eval.attribute");
    assert_string_equal(end.text[1], "__class__");
    assert_non_null(strstr(end.text[2], "().__class__"));
    assert_int_equal(end.line, 2);
    assert_int_equal(end.column, 3);
    case_end_fini(&end);
    wants("x", "{\"len\": 1}", CL_F_DENIED, &end);
    assert_string_equal(end.text[0], "eval.name");
    assert_string_equal(end.text[1], "len");
    assert_int_equal(end.line, 0);
    case_end_fini(&end);
}

static void a_limit_names_what_was_asked_for_and_where(void **state)
{
    struct case_end end;

    (void)state;
    wants("0 or 'a' * 10**9", NULL, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.limit, CL_LIMIT_MEMORY);
    assert_int_equal(end.limit.value, 32 << 20);
    assert_true(end.limit.used > 1000000000);
    assert_int_equal(end.limit.line, 1);
    assert_int_equal(end.limit.column, 6);
    assert_non_null(strstr((const char *)end.body.bytes + sizeof(end.limit), "bytes together"));
    case_end_fini(&end);
    wants("[n for n in range(10**9)]", NULL, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.limit, CL_LIMIT_CPU);
    case_end_fini(&end);
    wants("9**9**9", NULL, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.limit, CL_LIMIT_MEMORY);
    assert_true(end.limit.used > 1 << 20);
    case_end_fini(&end);
}

static void what_a_generator_does_late_is_told_like_the_rest(void **state)
{
    struct case_end end;

    (void)state;
    wants("[(1 / n for n in (1, 0))]", NULL, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "ZeroDivisionError");
    assert_int_equal(end.column, 3);
    case_end_fini(&end);
    wants("[(n for n in range(10**9))]", NULL, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.limit, CL_LIMIT_CPU);
    case_end_fini(&end);
}

static void an_error_shows_the_line(void **state)
{
    struct case_end end;

    (void)state;
    wants("[1,\n 1 / x]", "{\"x\": 0}", CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "ZeroDivisionError");
    assert_string_equal(end.text[1], "division by zero");
    assert_string_equal(end.text[2], "Traceback (most recent call last):\n"
                                     "  File \"main.py\", line 2\n"
                                     "    1 / x]\n"
                                     "    ^^^^^\n"
                                     "ZeroDivisionError: division by zero\n");
    assert_int_equal(end.line, 2);
    assert_int_equal(end.column, 2);
    case_end_fini(&end);
}

static void source_has_a_cap_in_the_worker_too(void **state)
{
    enum { MOST = 64 << 10 };
    char *text = malloc(MOST + 2);
    struct case_end end;

    (void)state;
    memset(text, ' ', MOST + 1);
    text[MOST - 1] = '7';
    text[MOST] = '\0';
    wants_json(text, NULL, "7");
    text[MOST] = '1';
    text[MOST + 1] = '\0';
    wants(text, NULL, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.value, MOST);
    case_end_fini(&end);
    free(text);
}

static void the_walker_is_no_module_of_the_callers(void **state)
{
    const struct case_call call = { .source = "import eval_cost\ndef main(): pass" };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_DENIED, &end);
    assert_string_equal(end.text[0], "modules");
    case_end_fini(&end);
}

static void nothing_is_evaluated_where_the_policy_has_no_eval(void **state)
{
    struct case_end end;

    (void)state;
    wants("1 + 1", NULL, CL_F_DENIED, &end);
    assert_string_equal(end.text[0], "eval");
    case_end_fini(&end);
}

int main(void)
{
    const struct CMUnitTest open[] = {
        cmocka_unit_test(an_expression_has_a_value),
        cmocka_unit_test(a_module_is_not_an_expression),
        cmocka_unit_test(a_refusal_names_rule_name_and_place),
        cmocka_unit_test(a_limit_names_what_was_asked_for_and_where),
        cmocka_unit_test(what_a_generator_does_late_is_told_like_the_rest),
        cmocka_unit_test(an_error_shows_the_line),
        cmocka_unit_test(source_has_a_cap_in_the_worker_too),
        cmocka_unit_test(the_walker_is_no_module_of_the_callers),
    };
    const struct CMUnitTest closed[] = {
        cmocka_unit_test(nothing_is_evaluated_where_the_policy_has_no_eval),
    };
    int failed = cmocka_run_group_tests(open, setup, wants_close);

    return failed + cmocka_run_group_tests(closed, setup_closed, wants_close);
}
