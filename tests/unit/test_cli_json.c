/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON for people.
 * Runs in: the unit tests.
 * Trusts: nothing.
 */
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/cli/json.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

static struct cl_json checked(const char *text)
{
    const struct cl_buf body = { (uint8_t *)(uintptr_t)text, strlen(text), 0, strlen(text) };
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;

    assert_int_equal(cl_json_root(&body, &root, &err), 0);
    return root;
}

static void assert_pretty(const char *text, const char *expected)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;

    assert_int_equal(cl_json_pretty(checked(text), &out, &err), 0);
    assert_int_equal(cl_buf_put(&out, "", 1, &err), 0);
    assert_string_equal((char *)out.bytes, expected);
}

static void pretty_keeps_short_values_on_one_line(void **state)
{
    (void)state;
    assert_pretty("{}", "{}");
    assert_pretty("{\"a\":[1,2,{\"b\":null}]}", "{\"a\": [1, 2, {\"b\": null}]}");
}

static void pretty_keeps_every_digit(void **state)
{
    (void)state;
    assert_pretty("{\"n\":[1000000000000000000000000000000,0.1,1.50e+05,-0]}",
                  "{\"n\": [1000000000000000000000000000000, 0.1, 1.50e+05, -0]}");
}

#define LONG "\"0123456789012345678901234567890123456789\""

static void pretty_breaks_long_values(void **state)
{
    (void)state;
    assert_pretty("{\"a\":[" LONG "," LONG "," LONG "],\"b\":[]}",
                  "{\n  \"a\": [\n    " LONG ",\n    " LONG ",\n    " LONG
                  "\n  ],\n  \"b\": []\n}");
}

static void root_reads_an_envelope_around_the_deepest_result(void **state)
{
    char text[4 * CL_DEPTH_MAX] = "{\"result\":";

    (void)state;
    memset(text + strlen(text), '[', CL_DEPTH_MAX);
    memset(text + strlen(text), ']', CL_DEPTH_MAX);
    strcat(text, "}");
    assert_int_equal(cl_json_kind(cl_json_member(checked(text), "result")), CL_JSON_ARRAY);
}

static void root_refuses_what_is_no_object(void **state)
{
    static const char *const bad[] = { "", "[]", "1", "{", "{}x", "{\"a\":1,\"a\":2}" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad); i++) {
        const struct cl_buf body = { (uint8_t *)(uintptr_t)bad[i], strlen(bad[i]), 0, 64 };
        struct cl_err err = CL_ERR_INIT;
        struct cl_json root;

        assert_int_equal(cl_json_root(&body, &root, &err), -1);
    }
}

static void member_of_nothing_is_nothing(void **state)
{
    const struct cl_json root = checked("{\"a\":{\"b\":\"x\\n\"},\"n\":7}");
    const struct cl_json none = cl_json_member(root, "zzz");

    (void)state;
    assert_null(none.text);
    assert_null(cl_json_member(none, "b").text);
    assert_null(cl_json_member(cl_json_member(root, "n"), "b").text);
    assert_int_equal(cl_json_number(none), 0);
    assert_int_equal(cl_json_number(cl_json_member(root, "n")), 7);
    assert_int_equal(cl_json_number(cl_json_member(root, "a")), 0);
    assert_true(cl_json_has_text(cl_json_member(cl_json_member(root, "a"), "b"), "x\n"));
    assert_false(cl_json_has_text(none, ""));
}

static void plain_unescapes_texts_and_copies_the_rest(void **state)
{
    const struct cl_json root = checked("{\"a\":\"\\u00e9\\\"\",\"b\":1e9}");
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(64);

    (void)state;
    cl_json_plain(cl_json_member(root, "a"), &out);
    cl_json_plain(cl_json_member(root, "b"), &out);
    cl_json_plain(cl_json_member(root, "c"), &out);
    assert_int_equal(out.length, 6);
    assert_memory_equal(out.bytes, "\xc3\xa9\"1e9", 6);
}

/* What cl_json_show writes to a file, or, with the other end of a pty, to a terminal. */
static size_t shown(const char *text, size_t length, bool on_terminal, char *back, size_t size)
{
    struct termios raw;
    int ends[2];
    size_t length_back = 0;
    FILE *to;
    ssize_t got;

    if (on_terminal) {
        assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
        tcgetattr(ends[1], &raw);
        cfmakeraw(&raw);
        tcsetattr(ends[1], TCSANOW, &raw);
    } else {
        assert_int_equal(pipe(ends), 0);
    }
    to = fdopen(ends[1], "w");
    assert_non_null(to);
    cl_json_show(text, length, to);
    fclose(to);
    /* To the end: a terminal hands on what it has, in as many pieces as it likes. */
    while (length_back < size &&
           (got = read(ends[0], back + length_back, size - length_back)) > 0)
        length_back += (size_t)got;
    close(ends[0]);
    return length_back;
}

static void show_leaves_bytes_alone_where_there_is_no_terminal(void **state)
{
    char back[64];

    (void)state;
    assert_int_equal(shown("a\033[1m\n", 6, false, back, sizeof(back)), 6);
    assert_memory_equal(back, "a\033[1m\n", 6);
}

static void show_gives_a_terminal_no_control_bytes(void **state)
{
    static const char text[] = "a\033]0;t\007\tb\r\nc\rd\xc2\x9b\xc3\xa9\x7f\n";
    static const char expected[] = "a\\x1b]0;t\\x07\tb\r\nc\\x0dd\\x9b\xc3\xa9\\x7f\n";
    char back[64];

    (void)state;
    assert_int_equal(shown(text, sizeof(text) - 1, true, back, sizeof(back)),
                     sizeof(expected) - 1);
    assert_memory_equal(back, expected, sizeof(expected) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pretty_keeps_short_values_on_one_line),
        cmocka_unit_test(pretty_keeps_every_digit),
        cmocka_unit_test(pretty_breaks_long_values),
        cmocka_unit_test(root_reads_an_envelope_around_the_deepest_result),
        cmocka_unit_test(root_refuses_what_is_no_object),
        cmocka_unit_test(member_of_nothing_is_nothing),
        cmocka_unit_test(plain_unescapes_texts_and_copies_the_rest),
        cmocka_unit_test(show_leaves_bytes_alone_where_there_is_no_terminal),
        cmocka_unit_test(show_gives_a_terminal_no_control_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
