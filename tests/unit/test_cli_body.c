/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies made from a command line.
 * Runs in: the unit tests.
 * Trusts: nothing.
 */
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/cli/body.h"
#include "api/json/scan.h"
#include "sandbox/base/own.h"

static char path[] = "/tmp/cloche-test-body.XXXXXX";

static void write_source(const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    close(fd);
}

/* The body for `args`, which must be one JSON object; the caller frees it. */
static char *made(struct cl_args *args)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(1 << 20);
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_BODY_MAX);
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    args->operand = path;
    assert_int_equal(cl_body_make(&body, args, &err), 0);
    assert_int_equal(cl_json_check((char *)body.bytes, body.length, &caps, NULL, &at, &err), 0);
    return strndup((char *)body.bytes, body.length);
}

static void refused(struct cl_args *args, const char *why)
{
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_BODY_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (!args->operand)
        args->operand = path;
    assert_int_equal(cl_body_make(&body, args, &err), -1);
    assert_non_null(strstr(err.text, why));
}

static void body_escapes_the_source(void **state)
{
    struct cl_args args = { 0 };

    (void)state;
    write_source("a\"\n\\\0\xc3\xa9", 7);
    cl_free_auto char *text = made(&args);
    assert_string_equal(text, "{\"source\":\"a\\\"\\n\\\\\\u0000\xc3\xa9\"}");
}

static void body_drops_a_byte_order_mark(void **state)
{
    struct cl_args args = { 0 };

    (void)state;
    write_source("\xef\xbb\xbfx", 4);
    cl_free_auto char *text = made(&args);
    assert_string_equal(text, "{\"source\":\"x\"}");
}

static void body_takes_an_empty_file(void **state)
{
    struct cl_args args = { 0 };

    (void)state;
    write_source("", 0);
    cl_free_auto char *text = made(&args);
    assert_string_equal(text, "{\"source\":\"\"}");
}

static void body_passes_values_digit_for_digit(void **state)
{
    struct cl_args args = { .args = { { "1000000000000000000000000000000", " 0.10 " }, 2 },
                            .kwargs = { { "x={\"k\": 1e5}", "y=\"a=b\"" }, 2 } };

    (void)state;
    write_source("s", 1);
    cl_free_auto char *text = made(&args);
    assert_string_equal(text,
                        "{\"source\":\"s\",\"args\":[1000000000000000000000000000000,0.10],"
                        "\"kwargs\":{\"x\":{\"k\": 1e5},\"y\":\"a=b\"}}");
}

static void body_sends_counts_as_numbers_and_quantities_as_texts(void **state)
{
    struct cl_args args = { .limits = { { "wall=2s", "processes=1", "result=10" }, 3 } };

    (void)state;
    write_source("s", 1);
    cl_free_auto char *text = made(&args);
    assert_string_equal(text, "{\"source\":\"s\",\"limits\":{\"wall\":\"2s\",\"processes\":1,"
                              "\"result\":\"10\"}}");
}

static void body_names_entry_policy_and_stdin(void **state)
{
    struct cl_args args = { .entry = "f\"", .policy = "p", .stdin_file = path };

    (void)state;
    write_source("s", 1);
    cl_free_auto char *text = made(&args);
    assert_string_equal(text, "{\"source\":\"s\",\"entry\":\"f\\\"\",\"policy\":\"p\","
                              "\"stdin\":\"s\"}");
}

static void body_refuses_what_is_not_json(void **state)
{
    static const char *const bad[] = { "hello", "", "1,2", "NaN", "{\"a\":1,\"a\":2}", "1]" };

    (void)state;
    write_source("s", 1);
    for (size_t i = 0; i < CL_COUNT(bad); i++) {
        struct cl_args args = { .args = { { bad[i] }, 1 } };

        refused(&args, "-a is not JSON");
    }
}

static void body_refuses_pairs_without_a_name(void **state)
{
    struct cl_args no_equals = { .kwargs = { { "x" }, 1 } };
    struct cl_args no_name = { .kwargs = { { "=1" }, 1 } };
    struct cl_args limit = { .limits = { { "wall" }, 1 } };

    (void)state;
    write_source("s", 1);
    refused(&no_equals, "-k wants NAME=VALUE");
    refused(&no_name, "-k wants NAME=VALUE");
    refused(&limit, "--limit wants NAME=VALUE");
}

static void body_refuses_a_source_that_is_not_utf8(void **state)
{
    static const char *const bad[] = { "ok\xff", "\xc3", "\xed\xa0\x80", "\xc0\x80" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad); i++) {
        struct cl_args args = { 0 };

        write_source(bad[i], strlen(bad[i]));
        refused(&args, "not UTF-8 at byte");
    }
}

static void body_refuses_a_file_that_is_not_there(void **state)
{
    struct cl_args args = { .operand = "/nonexistent/x.py" };
    struct cl_args twice = { .operand = "-", .stdin_file = "-" };

    (void)state;
    refused(&args, "/nonexistent/x.py");
    refused(&twice, "can't both");
}

static void eval_sends_expression_context_policy_and_limits(void **state)
{
    struct cl_args args = { .operand = "'\xc3\xa9' + \"x\"",
                            .context = " {\"x\": 1.50}",
                            .policy = "calc",
                            .limits = { { "wall=1s" }, 1 } };
    struct cl_args bare = { .operand = "" };
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(1 << 10);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_body_make_eval(&body, &args, &err), 0);
    cl_buf_put(&body, "", 1, &err);
    assert_string_equal((const char *)body.bytes,
                        "{\"expression\":\"'\xc3\xa9' + \\\"x\\\"\",\"policy\":\"calc\","
                        "\"limits\":{\"wall\":\"1s\"},\"context\":{\"x\": 1.50}}");
    cl_buf_clear(&body);
    assert_int_equal(cl_body_make_eval(&body, &bare, &err), 0);
    cl_buf_put(&body, "", 1, &err);
    assert_string_equal((const char *)body.bytes, "{\"expression\":\"\"}");
}

static void eval_refuses_what_is_neither_utf8_nor_json(void **state)
{
    struct cl_args text = { .operand = "ok\xff" };
    struct cl_args context = { .operand = "1", .context = "{x: 1}" };
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(1 << 10);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_body_make_eval(&body, &text, &err), -1);
    assert_non_null(strstr(err.text, "the expression: not UTF-8 at byte 2"));
    assert_int_equal(cl_body_make_eval(&body, &context, &err), -1);
    assert_non_null(strstr(err.text, "-c is not JSON"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_escapes_the_source),
        cmocka_unit_test(body_drops_a_byte_order_mark),
        cmocka_unit_test(body_takes_an_empty_file),
        cmocka_unit_test(body_passes_values_digit_for_digit),
        cmocka_unit_test(body_sends_counts_as_numbers_and_quantities_as_texts),
        cmocka_unit_test(body_names_entry_policy_and_stdin),
        cmocka_unit_test(body_refuses_what_is_not_json),
        cmocka_unit_test(body_refuses_pairs_without_a_name),
        cmocka_unit_test(body_refuses_a_source_that_is_not_utf8),
        cmocka_unit_test(body_refuses_a_file_that_is_not_there),
        cmocka_unit_test(eval_sends_expression_context_policy_and_limits),
        cmocka_unit_test(eval_refuses_what_is_neither_utf8_nor_json),
    };
    int failed;
    int fd;

    setlocale(LC_CTYPE, "C.UTF-8");
    fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
