/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a session in its worker: calls in, one behind the other, and numbered frames out.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/emit.h"
#include "runtime/intake.h"
#include "sandbox/base/own.h"

static struct cl_intake intake;
static struct cl_err err;
static int pair[2];

static int setup(void **state)
{
    (void)state;
    memset(&intake, 0, sizeof(intake));
    memset(&err, 0, sizeof(err));
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return -1;
    intake.fd = pair[0];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(pair[0]);
    close(pair[1]);
    return 0;
}

/* ---------------------------------------------------------------------------------------- in */

static void put(enum cl_frame_type type, const void *bytes, size_t length)
{
    const struct cl_frame head = cl_frame_make(type, length);

    assert_int_equal(write(pair[1], &head, sizeof(head)), sizeof(head));
    if (length)
        assert_int_equal(write(pair[1], bytes, length), length);
}

static void put_call(uint32_t number, uint32_t flags, const char *source)
{
    const struct cl_frame_call head = { flags, 64, 1, 2, 3 };

    if (number)
        put(CL_F_NUMBER, &number, sizeof(number));
    put(CL_F_CALL, &head, sizeof(head));
    put(CL_F_SOURCE, source, strlen(source));
    put(CL_F_GO, NULL, 0);
}

static void calls_of_a_session_may_stand_behind_each_other(void **state)
{
    static const char *const sources[] = { "one", "two", "three" };

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        put_call(i + 1, CL_CALL_SESSION, sources[i]);
    for (uint32_t i = 0; i < 3; i++) {
        struct cl_call *call = calloc(1, sizeof(*call));

        intake.total = 0;
        assert_int_equal(cl_intake_call(&intake, call, NULL, &err), 1);
        assert_int_equal(call->number, i + 1);
        assert_string_equal(call->source.bytes, sources[i]);
        free((void *)(uintptr_t)call->source.bytes);
        free(call);
    }
}

static void refused(void)
{
    struct cl_call *call = calloc(1, sizeof(*call));

    assert_fails(cl_intake_call(&intake, call, NULL, &err), &err, CL_E_LOST);
    free((void *)(uintptr_t)call->source.bytes);
    free(call);
}

static void a_session_without_a_number_fails_lost(void **state)
{
    (void)state;
    put_call(0, CL_CALL_SESSION, "x");
    refused();
}

static void a_number_without_a_session_fails_lost(void **state)
{
    (void)state;
    put_call(7, 0, "x");
    refused();
}

static void plain_calls_behind_each_other_fail_lost(void **state)
{
    (void)state;
    put_call(0, 0, "x");
    put_call(0, 0, "y");
    refused();
}

static void a_number_twice_fails_lost(void **state)
{
    const uint32_t number = 1;

    (void)state;
    put(CL_F_NUMBER, &number, sizeof(number));
    put_call(2, CL_CALL_SESSION, "x");
    refused();
}

/* --------------------------------------------------------------------------------------- out */

static const struct cl_frame_call caps = { .output_bytes = 10,
                                           .result_bytes = 50,
                                           .files_bytes = 20 };

/* The next frame, which must be of this call and type and carry this text. */
static void assert_next(uint32_t call, uint32_t type, const char *text)
{
    struct cl_frame_of of;
    char bytes[128] = "";

    assert_int_equal(read(pair[0], &of, sizeof(of)), sizeof(of));
    assert_works(cl_frame_check_of(&of, &err), &err);
    assert_int_equal(of.call, call);
    assert_int_equal(of.head.type, type);
    assert_in_range(of.head.length, 0, sizeof(bytes) - 1);
    if (of.head.length)
        assert_int_equal(read(pair[0], bytes, of.head.length), of.head.length);
    if (text)
        assert_string_equal(bytes, text);
}

static void assert_silence(void)
{
    char byte;

    assert_int_equal(recv(pair[0], &byte, 1, MSG_DONTWAIT), -1);
}

static void voices_are_numbered_and_capped_each_by_itself(void **state)
{
    struct cl_emit_voice one, two;

    (void)state;
    cl_emit_open(pair[1], &caps);
    cl_emit_voice_open(&one, 1, &caps);
    cl_emit_voice_open(&two, 2, &caps);
    cl_emit_speak(&one);
    cl_emit_output(CL_F_STDOUT, "12345678", 8);
    cl_emit_speak(&two);
    cl_emit_output(CL_F_STDERR, "abcdefgh", 8);
    assert_next(1, CL_F_STDOUT, "12345678");
    assert_next(2, CL_F_STDERR, "abcdefgh");
    assert_int_equal(one.output_sent, 8);
    assert_int_equal(two.output_sent, 8);
    cl_emit_speak(NULL);
}

static void a_voice_is_silent_after_its_answer_and_others_are_not(void **state)
{
    const struct cl_frame_error head = { .line = 1 };
    struct cl_emit_voice one, two;

    (void)state;
    cl_emit_open(pair[1], &caps);
    cl_emit_voice_open(&one, 1, &caps);
    cl_emit_voice_open(&two, 2, &caps);
    cl_emit_speak(&one);
    cl_emit_result("1", 1);
    cl_emit_result("2", 1);
    cl_emit_output(CL_F_STDOUT, "late", 4);
    cl_emit_log(0, "late", 4);
    cl_emit_output(CL_F_STDOUT, "more than the cap of this call", 30);
    cl_emit_speak(&two);
    cl_emit_error(&head, "T", "m", "t");
    assert_next(1, CL_F_RESULT, "1");
    assert_next(2, CL_F_ERROR, NULL);
    assert_silence();
    cl_emit_speak(NULL);
}

static void nobody_is_not_heard(void **state)
{
    (void)state;
    cl_emit_open(pair[1], &caps);
    cl_emit_speak(NULL);
    cl_emit_output(CL_F_STDOUT, "x", 1);
    cl_emit_result("1", 1);
    assert_silence();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(calls_of_a_session_may_stand_behind_each_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_session_without_a_number_fails_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_without_a_session_fails_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(plain_calls_behind_each_other_fail_lost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_number_twice_fails_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(voices_are_numbered_and_capped_each_by_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_voice_is_silent_after_its_answer_and_others_are_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_not_heard, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
