/* SPDX-License-Identifier: Apache-2.0 */
/* The framing of bodies: lengths and chunks, in pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/http1/body.h"
#include "sandbox/base/own.h"

/* Feeds pieces of `step` bytes; returns what was consumed or minus the status of the fault. */
static ssize_t feed(struct cl_body *body, const char *bytes, size_t length, size_t step,
                    char *out, size_t *out_length)
{
    size_t at = 0;

    *out_length = 0;
    while (at < length && !cl_body_is_complete(body)) {
        size_t piece = length - at < step ? length - at : step;
        struct cl_http_fault fault = { 0, NULL };
        const char *content;
        size_t content_length;
        ssize_t taken =
            cl_body_next(body, bytes + at, piece, &content, &content_length, &fault);
        if (taken < 0)
            return -fault.status;
        assert_true(taken > 0);
        memcpy(out + *out_length, content, content_length);
        *out_length += content_length;
        at += (size_t)taken;
    }
    return (ssize_t)at;
}

static void body_of_a_length_ends_there(void **state)
{
    struct cl_body body;
    char out[16];
    size_t length;

    (void)state;
    for (size_t step = 1; step <= 8; step++) {
        cl_body_init_length(&body, 5);
        assert_int_equal(feed(&body, "helloGET", 8, step, out, &length), 5);
        assert_true(cl_body_is_complete(&body));
        assert_int_equal(length, 5);
        assert_memory_equal(out, "hello", 5);
    }
}

static void body_of_length_zero_is_complete(void **state)
{
    struct cl_body body;

    (void)state;
    cl_body_init_length(&body, 0);
    assert_true(cl_body_is_complete(&body));
}

static void body_that_is_short_is_not_complete(void **state)
{
    struct cl_body body;
    char out[16];
    size_t length;

    (void)state;
    cl_body_init_length(&body, 5);
    assert_int_equal(feed(&body, "hell", 4, 4, out, &length), 4);
    assert_false(cl_body_is_complete(&body));
}

static void body_in_chunks_is_put_together(void **state)
{
    static const char bytes[] =
        "5\r\nhello\r\n0A\r\n, wide wor\r\n00000002\r\nld\r\n0\r\n\r\nGET";
    struct cl_body body;
    char out[64];
    size_t length;

    (void)state;
    for (size_t step = 1; step < sizeof(bytes); step++) {
        cl_body_init_chunked(&body, 17);
        assert_int_equal(feed(&body, bytes, sizeof(bytes) - 1, step, out, &length),
                         sizeof(bytes) - 1 - 3);
        assert_true(cl_body_is_complete(&body));
        assert_int_equal(length, 17);
        assert_memory_equal(out, "hello, wide world", 17);
    }
}

static void body_refuses_broken_chunks(void **state)
{
    static const struct {
        const char *bytes;
        int status;
    } samples[] = {
        { "\r\n", 400 },
        { "g\r\n", 400 },
        { " 5\r\nhello\r\n", 400 },
        { "5 \r\nhello\r\n", 400 },
        { "+5\r\nhello\r\n", 400 },
        { "-5\r\nhello\r\n", 400 },
        { "0x5\r\nhello\r\n", 400 },
        { "5;a=b\r\nhello\r\n", 400 },
        { "5\nhello\r\n", 400 },
        { "5\rhello\r\n", 400 },
        { "5\r\nhello\n", 400 },
        { "5\r\nhello\r\r", 400 },
        { "5\r\nhelloX\r\n", 400 },
        { "5\r\nhello5\r\n", 400 },
        { "000000005\r\n", 400 },
        { "100000000\r\n", 400 },
        { "ffffffffffffffff\r\n", 400 },
        { "0\r\nX: a\r\n\r\n", 400 },
        { "0\r\n\n", 400 },
        { "0\n\n", 400 },
        { "0\r\n\rX", 400 },
        { "ffffffff\r\n", 413 },
        { "15\r\n", 413 },
        { "14\r\nabcdefghijabcdefghij\r\n1\r\n", 413 },
    };
    struct cl_body body;
    char out[64];
    size_t length;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(samples); i++) {
        for (size_t step = 1; step < 4; step++) {
            cl_body_init_chunked(&body, 20);
            ssize_t got =
                feed(&body, samples[i].bytes, strlen(samples[i].bytes), step, out, &length);
            if (got != -samples[i].status)
                fail_msg("%zd instead of %d for: %s", got, -samples[i].status,
                         samples[i].bytes);
        }
    }
}

static void body_in_chunks_may_reach_its_cap(void **state)
{
    static const char bytes[] = "14\r\nabcdefghijabcdefghij\r\n0\r\n\r\n";
    struct cl_body body;
    char out[64];
    size_t length;

    (void)state;
    cl_body_init_chunked(&body, 20);
    assert_int_equal(feed(&body, bytes, sizeof(bytes) - 1, 7, out, &length), sizeof(bytes) - 1);
    assert_int_equal(length, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_of_a_length_ends_there),
        cmocka_unit_test(body_of_length_zero_is_complete),
        cmocka_unit_test(body_that_is_short_is_not_complete),
        cmocka_unit_test(body_in_chunks_is_put_together),
        cmocka_unit_test(body_refuses_broken_chunks),
        cmocka_unit_test(body_in_chunks_may_reach_its_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
