/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context: what is continued, what is left out.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api/http1/exchange.h"
#include "api/trace.h"
#include "sandbox/base/own.h"

#define ID     "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN   "00f067aa0ba902b7"
#define PARENT "00-" ID "-" SPAN "-01"

static const uint8_t span[8] = { 1, 2, 3, 4, 5, 6, 7, 0xab };

static void what_is_valid_goes_on_under_our_span(void **state)
{
    static const struct {
        const char *parent, *flags;
    } rows[] = {
        { PARENT, "01" },
        { "00-" ID "-" SPAN "-00", "00" },
        { "00-" ID "-" SPAN "-ff", "03" }, /* flags that nobody has defined are not handed on */
        { "00-" ID "-" SPAN "-02", "02" },
        { "cc-" ID "-" SPAN "-01", "01" }, /* a later version: read like 00 */
        { "cc-" ID "-" SPAN "-01-what-the-future-will-be", "01" },
        { "01-" ID "-" SPAN "-01-", "01" },
    };
    char out[CL_TRACE_PARENT + 1], wanted[CL_TRACE_PARENT + 1];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        assert_true(cl_trace_continue(rows[i].parent, span, out));
        snprintf(wanted, sizeof(wanted), "00-" ID "-01020304050607ab-%s", rows[i].flags);
        assert_string_equal(out, wanted);
    }
}

static void what_is_not_valid_is_none(void **state)
{
    static const char *const rows[] = {
        "",
        "00",
        "00-" ID "-" SPAN,
        "00-" ID "-" SPAN "-0",
        "00-" ID "-" SPAN "-011",
        "00-" ID "-" SPAN "-01-x", /* version 00 ends there */
        "00-" ID "-" SPAN "-01 ",
        " 00-" ID "-" SPAN "-01",
        "ff-" ID "-" SPAN "-01",
        "cc-" ID "-" SPAN "-01.x",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" ID "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" ID "-00f067aa0ba902bg-01",
        "00_" ID "-" SPAN "-01",
        "0x-" ID "-" SPAN "-01",
        "00-" ID "-" SPAN "-0x",
        "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-01",
        PARENT "," PARENT,
    };
    char out[CL_TRACE_PARENT + 1];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (cl_trace_continue(rows[i], span, out))
            fail_msg("\"%s\" was taken", rows[i]);
        assert_string_equal(out, "");
    }
}

#define X10  "xxxxxxxxxx"
#define X50  X10 X10 X10 X10 X10
#define X240 X50 X50 X50 X50 X10 X10 X10 X10

static void states_are_taken_by_the_grammar(void **state)
{
    static const struct {
        const char *text;
        bool is_valid;
    } rows[] = {
        { "a=1", true },
        { "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true },
        { "a=1 , b=2\t,\tc=3", true },
        { ",a=1,,b=2,", true }, /* members may be empty */
        { "a-_*/9=!x~ y", true },
        { "9tenant@vendor=1", true },
        { X240 "x@v=1", true },          /* 241 */
        { X240 "xx@v=1", false },        /* 242 */
        { X240 X10 "xxxxxx=1", true },   /* 256 */
        { X240 X10 "xxxxxxx=1", false }, /* 257 */
        { "t@xxxxxxxxxxxxxx=1", true },
        { "t@xxxxxxxxxxxxxxx=1", false },
        { "a=" X240 X10 "xxxxxx", true },
        { "a=" X240 X10 "xxxxxxx", false },
        { "", false },
        { ",", false },
        { "a", false },
        { "a=", false },
        { "=1", false },
        { "a=1=2", false },
        { "a=\xc3\xbc", false },
        { "a=1\n", false },
        { "a =1", false },
        { "A=1", false },
        { "9a=1", false },
        { "_a=1", false },
        { "a@=1", false },
        { "@a=1", false },
        { "a@9=1", false },
        { "a@b@c=1", false },
        { "a=1,a=2", false }, /* twice */
        { "a=1;b=2,c", false },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (cl_trace_is_state(rows[i].text) != rows[i].is_valid)
            fail_msg("\"%s\"", rows[i].text);
    }
}

static void states_have_at_most_32_members_and_512_bytes(void **state)
{
    char text[1024] = "";

    (void)state;
    for (int i = 0; i < 33; i++) {
        assert_int_equal(cl_trace_is_state(text), i > 0);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sk%d=v", i ? "," : "", i);
    }
    assert_false(cl_trace_is_state(text));

    snprintf(text, sizeof(text), "a=" X240 X10 ",b=" X240 X10 ",c=");
    while (strlen(text) < 512)
        strcat(text, "x");
    assert_true(cl_trace_is_state(text));
    strcat(text, "x");
    assert_false(cl_trace_is_state(text));
}

static char *trace_of(const struct cl_http_field *fields, size_t count)
{
    const struct cl_http_head head = { .fields = fields, .field_count = count };

    return cl_trace_of(&head);
}

static void a_request_is_continued_with_its_state(void **state)
{
    const struct cl_http_field fields[] = { { "tracestate", "a=1" },
                                            { "host", "h" },
                                            { "traceparent", PARENT },
                                            { "tracestate", "b=2" } };
    cl_free_auto char *first = trace_of(fields, 4);
    cl_free_auto char *second = trace_of(fields, 4);
    cl_free_auto char *branch = cl_trace_branch(first);
    char id[CL_TRACE_ID_SIZE];

    (void)state;
    assert_non_null(first);
    assert_memory_equal(first, "00-" ID "-", 36);
    assert_memory_not_equal(first + 36, SPAN, 16);
    assert_memory_not_equal(first + 36, second + 36,
                            16); /* each request has a span of its own */
    assert_string_equal(first + 52, "-01 a=1,b=2");
    assert_memory_equal(branch, first, 36);
    assert_memory_not_equal(branch + 36, first + 36, 16);
    assert_string_equal(branch + 52, "-01 a=1,b=2");
    assert_string_equal(cl_trace_state(first), "a=1,b=2");
    cl_trace_id(first, id);
    assert_string_equal(id, ID);
}

static void without_a_parent_there_is_no_state_and_without_a_state_a_parent(void **state)
{
    const struct cl_http_field bare[] = { { "tracestate", "a=1" } };
    const struct cl_http_field broken[] = { { "tracestate", "a=1" },
                                            { "traceparent", "00-x" } };
    const struct cl_http_field odd[] = { { "tracestate", "a=1" },
                                         { "tracestate", "A" },
                                         { "traceparent", PARENT } };
    cl_free_auto char *kept = trace_of(odd, 3);

    (void)state;
    assert_null(trace_of(bare, 1));
    assert_null(trace_of(broken, 2));
    assert_null(trace_of(NULL, 0));
    assert_int_equal(strlen(kept), CL_TRACE_PARENT);
    assert_string_equal(cl_trace_state(kept), "");
}

static void what_is_no_trace_has_no_parts(void **state)
{
    static const char *const rows[] = { NULL, "", "t", "00-" ID, PARENT "x" };
    char id[CL_TRACE_ID_SIZE];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        memset(id, 'x', sizeof(id));
        cl_trace_id(rows[i], id);
        assert_string_equal(id, "");
        assert_string_equal(cl_trace_state(rows[i]), "");
        assert_null(cl_trace_branch(rows[i]));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_valid_goes_on_under_our_span),
        cmocka_unit_test(what_is_not_valid_is_none),
        cmocka_unit_test(states_are_taken_by_the_grammar),
        cmocka_unit_test(states_have_at_most_32_members_and_512_bytes),
        cmocka_unit_test(a_request_is_continued_with_its_state),
        cmocka_unit_test(without_a_parent_there_is_no_state_and_without_a_state_a_parent),
        cmocka_unit_test(what_is_no_trace_has_no_parts),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
