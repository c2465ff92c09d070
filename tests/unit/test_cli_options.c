/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options by table.
 * Runs in: the unit tests.
 * Trusts: nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/cli/options.h"
#include "sandbox/base/own.h"

static const struct cl_option options[] = {
    { "arg", "JSON", "", offsetof(struct cl_args, args), CL_OPTION_TEXTS, 'a' },
    { "stdin", "FILE", "", offsetof(struct cl_args, stdin_file), CL_OPTION_TEXT, 0 },
    { "stream", NULL, "", offsetof(struct cl_args, is_streamed), CL_OPTION_FLAG, 0 },
};

static const struct cl_verb verb = { .name = "v",
                                     .operands = "FILE",
                                     .options = options,
                                     .option_count = CL_COUNT(options),
                                     .needs_operand = true };

static int parsed(struct cl_args *args, struct cl_err *err, char **argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    *args = (struct cl_args){ 0 };
    *err = (struct cl_err)CL_ERR_INIT;
    return cl_options_parse(&verb, argc, argv, args, err);
}

#define PARSED(...) parsed(&args, &err, (char *[]){ "v", __VA_ARGS__, NULL })

static void options_fill_their_places_in_any_order(void **state)
{
    struct cl_args args;
    struct cl_err err;

    (void)state;
    assert_int_equal(PARSED("-a", "-1", "f.py", "--stream", "--arg=2", "--stdin", "x"), 0);
    assert_string_equal(args.operand, "f.py");
    assert_int_equal(args.args.count, 2);
    assert_string_equal(args.args.items[0], "-1");
    assert_string_equal(args.args.items[1], "2");
    assert_string_equal(args.stdin_file, "x");
    assert_true(args.is_streamed);
}

static void options_take_a_dash_as_operand(void **state)
{
    struct cl_args args;
    struct cl_err err;

    (void)state;
    assert_int_equal(PARSED("-"), 0);
    assert_string_equal(args.operand, "-");
    assert_int_equal(PARSED("--", "--stream"), 0);
    assert_string_equal(args.operand, "--stream");
    assert_false(args.is_streamed);
}

static void options_answer_help(void **state)
{
    struct cl_args args;
    struct cl_err err;

    (void)state;
    assert_int_equal(PARSED("--help"), 1);
    assert_int_equal(PARSED("-h"), 1);
}

static void options_refuse_and_say_what(void **state)
{
    struct cl_args args;
    struct cl_err err;

    (void)state;
    assert_int_equal(PARSED("f", "--bogus"), -1);
    assert_non_null(strstr(err.text, "--bogus"));
    assert_int_equal(PARSED("f", "-z"), -1);
    assert_non_null(strstr(err.text, "unknown option -z"));
    assert_int_equal(PARSED("f", "-a"), -1);
    assert_non_null(strstr(err.text, "option -a needs a value"));
    assert_int_equal(PARSED("f", "--stdin"), -1);
    assert_non_null(strstr(err.text, "option --stdin needs a value"));
    assert_int_equal(PARSED("f", "g"), -1);
    assert_non_null(strstr(err.text, "unexpected argument \"g\""));
    assert_int_equal(PARSED("--stream"), -1);
    assert_non_null(strstr(err.text, "FILE is missing"));
}

static void options_stop_at_the_cap_of_a_list(void **state)
{
    char *argv[2 * CL_TEXTS_MAX + 5] = { "v", "f" };
    struct cl_args args;
    struct cl_err err;

    (void)state;
    for (size_t i = 0; i < 2 * CL_TEXTS_MAX; i++)
        argv[2 + i] = i % 2 ? "1" : "-a";
    assert_int_equal(parsed(&args, &err, argv), 0);
    assert_int_equal(args.args.count, CL_TEXTS_MAX);
    argv[2 + 2 * CL_TEXTS_MAX] = "-a";
    argv[3 + 2 * CL_TEXTS_MAX] = "1";
    assert_int_equal(parsed(&args, &err, argv), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_fill_their_places_in_any_order),
        cmocka_unit_test(options_take_a_dash_as_operand),
        cmocka_unit_test(options_answer_help),
        cmocka_unit_test(options_refuse_and_say_what),
        cmocka_unit_test(options_stop_at_the_cap_of_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
