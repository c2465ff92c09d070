/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered frames of a worker that means harm, whole and in pieces.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "api/sessions/stream.h"
#include "sandbox/base/own.h"

enum { CALLS = 3 };

static const uint64_t limits[CL_LIMIT_COUNT_] = {
    [CL_LIMIT_OUTPUT] = 100,
    [CL_LIMIT_RESULT] = 200,
    [CL_LIMIT_FILES] = 50,
    [CL_LIMIT_DEPTH] = CL_DEPTH_MAX,
};

static struct cl_sessionstream frames;
static struct cl_stream calls[CALLS]; /* 1, 2, 3 */
static bool is_open[CALLS];
static char heard[CALLS][1024];
static size_t told[CALLS]; /* bytes that on_frame was told of */

static void on_output(void *self, bool is_stderr, const char *text, size_t length)
{
    char *line = self;
    const size_t at = strlen(line);

    snprintf(line + at, sizeof(heard[0]) - at, "%s:%.*s;", is_stderr ? "err" : "out",
             (int)length, text);
}

static void on_log(void *self, uint32_t level, const char *text, size_t length)
{
    (void)level;
    on_output(self, true, text, length);
}

static void on_json(void *self, struct cl_json value)
{
    on_output(self, false, value.text, value.length);
}

static void on_file(void *self, struct cl_json path, struct cl_json content)
{
    on_output(self, false, path.text, path.length);
    on_output(self, false, content.text, content.length);
}

static const struct cl_stream_sink sink = { on_output, on_log, on_json, on_json, on_file };

static struct cl_stream *find(void *self, uint32_t call)
{
    (void)self;
    return call >= 1 && call <= CALLS && is_open[call - 1] ? &calls[call - 1] : NULL;
}

static bool on_frame(void *self, uint32_t call, size_t length)
{
    (void)self;
    told[call - 1] += length;
    is_open[call - 1] = calls[call - 1].state == CL_STREAM_OPEN;
    return calls[call - 1].state == CL_STREAM_OPEN || calls[call - 1].state == CL_STREAM_FINAL;
}

static int setup(void **state)
{
    (void)state;
    memset(heard, 0, sizeof(heard));
    memset(told, 0, sizeof(told));
    frames = (struct cl_sessionstream){ .find = find, .on_frame = on_frame };
    cl_sessionstream_init(&frames);
    for (size_t i = 0; i < CALLS; i++) {
        is_open[i] = true;
        cl_stream_init(&calls[i], limits, &sink, heard[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_sessionstream_fini(&frames);
    for (size_t i = 0; i < CALLS; i++)
        cl_stream_fini(&calls[i]);
    return 0;
}

struct talk {
    uint8_t bytes[8192];
    size_t length;
};

static void put(struct talk *talk, const void *bytes, size_t length)
{
    memcpy(talk->bytes + talk->length, bytes, length);
    talk->length += length;
}

static void say(struct talk *talk, uint32_t call, uint32_t type, const char *text)
{
    const struct cl_frame_of of = {
        { CL_FRAME_MAGIC_OF, (uint16_t)type, (uint32_t)strlen(text) }, call
    };

    put(talk, &of, sizeof(of));
    put(talk, text, strlen(text));
}

static bool feed(const struct talk *talk, size_t step)
{
    bool goes_on = true;

    for (size_t at = 0; at < talk->length; at += step)
        goes_on = cl_sessionstream_feed(&frames, talk->bytes + at,
                                        talk->length - at < step ? talk->length - at : step);
    return goes_on;
}

static void frames_reach_the_call_of_their_number(void **state)
{
    static const size_t steps[] = { 1, 7, 13, 8192 };

    for (size_t i = 0; i < CL_COUNT(steps); i++) {
        struct talk talk = { .length = 0 };

        say(&talk, 1, CL_F_STDOUT, "one");
        say(&talk, 3, CL_F_STDERR, "three");
        say(&talk, 1, CL_F_ITEM, "1");
        say(&talk, 3, CL_F_RESULT, "33");
        say(&talk, 1, CL_F_RESULT, "11");
        assert_true(feed(&talk, steps[i]));
        assert_string_equal(heard[0], "out:one;out:1;");
        assert_string_equal(heard[1], "");
        assert_string_equal(heard[2], "err:three;");
        assert_int_equal(calls[0].state, CL_STREAM_FINAL);
        assert_int_equal(calls[1].state, CL_STREAM_OPEN);
        assert_memory_equal(calls[2].final.bytes, "33", 2);
        assert_int_equal(told[2], 12 + 5 + 12 + 2);
        assert_false(cl_sessionstream_is_partial(&frames));
        teardown(state);
        setup(state);
    }
}

static void assert_breaks(const struct talk *talk, const char *word)
{
    assert_false(feed(talk, 8192));
    assert_true(frames.is_broken);
    if (!strstr(frames.why, word))
        fail_msg("\"%s\" does not say \"%s\"", frames.why, word);
    /* Whatever comes behind is not looked at. */
    assert_false(cl_sessionstream_feed(&frames, talk->bytes, talk->length));
}

static void a_number_of_no_open_call_breaks_the_protocol(void **state)
{
    static const uint32_t numbers[] = { 4, 1000, UINT32_MAX };

    for (size_t i = 0; i < CL_COUNT(numbers); i++) {
        struct talk talk = { .length = 0 };

        say(&talk, numbers[i], CL_F_STDOUT, "x");
        assert_breaks(&talk, "does not run");
        teardown(state);
        setup(state);
    }
}

static void nothing_comes_after_a_final_frame(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say(&talk, 2, CL_F_RESULT, "1");
    say(&talk, 2, CL_F_STDOUT, "late");
    assert_breaks(&talk, "call 2");
    assert_string_equal(heard[1], "");
}

static void a_second_final_frame_breaks_the_protocol(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say(&talk, 2, CL_F_RESULT, "1");
    say(&talk, 2, CL_F_RESULT, "2");
    assert_breaks(&talk, "call 2");
    assert_memory_equal(calls[1].final.bytes, "1", 1);
}

static void plain_frames_and_wrong_types_break_the_protocol(void **state)
{
    static const struct {
        uint16_t magic;
        uint16_t type;
    } heads[] = { { CL_FRAME_MAGIC, CL_F_STDOUT },
                  { CL_FRAME_MAGIC_OF, CL_F_READY },
                  { CL_FRAME_MAGIC_OF, CL_F_GO },
                  { CL_FRAME_MAGIC_OF, CL_F_NUMBER },
                  { CL_FRAME_MAGIC_OF, 999 } };

    for (size_t i = 0; i < CL_COUNT(heads); i++) {
        const struct cl_frame_of of = { { heads[i].magic, heads[i].type, 0 }, 1 };
        struct talk talk = { .length = 0 };

        put(&talk, &of, sizeof(of));
        assert_breaks(&talk, "frame");
        teardown(state);
        setup(state);
    }
}

static void number_zero_breaks_the_protocol(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say(&talk, 0, CL_F_STDOUT, "x");
    assert_breaks(&talk, "call 0");
}

static void one_call_over_its_cap_stops_the_reading(void **state)
{
    struct talk talk = { .length = 0 };
    char text[102];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    say(&talk, 1, CL_F_STDOUT, text);
    say(&talk, 2, CL_F_RESULT, "1");
    assert_false(feed(&talk, 8192));
    assert_false(frames.is_broken);
    assert_int_equal(calls[0].state, CL_STREAM_OVER);
    assert_int_equal(calls[1].state, CL_STREAM_OPEN);
}

/* Of two calls, each has its whole cap. */
static void caps_are_each_calls_own(void **state)
{
    struct talk talk = { .length = 0 };
    char text[81];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    say(&talk, 1, CL_F_STDOUT, text);
    say(&talk, 2, CL_F_STDOUT, text);
    assert_true(feed(&talk, 8192));
    assert_int_equal(calls[0].output_bytes[0], 80);
    assert_int_equal(calls[1].output_bytes[0], 80);
}

static void a_result_over_the_cap_is_refused_by_its_head(void **state)
{
    const struct cl_frame_of of = { { CL_FRAME_MAGIC_OF, CL_F_RESULT, 201 }, 1 };
    struct talk talk = { .length = 0 };

    (void)state;
    put(&talk, &of, sizeof(of));
    assert_false(feed(&talk, 8192));
    assert_int_equal(calls[0].state, CL_STREAM_OVER);
    assert_int_equal(frames.partial.length, 0);
}

static void half_a_frame_waits(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say(&talk, 1, CL_F_STDOUT, "hello");
    talk.length -= 2;
    assert_true(feed(&talk, 8192));
    assert_true(cl_sessionstream_is_partial(&frames));
    assert_string_equal(heard[0], "");
    assert_true(cl_sessionstream_feed(&frames, "lo", 2));
    assert_string_equal(heard[0], "out:hello;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_reach_the_call_of_their_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_of_no_open_call_breaks_the_protocol, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_comes_after_a_final_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_final_frame_breaks_the_protocol, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(plain_frames_and_wrong_types_break_the_protocol, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(number_zero_breaks_the_protocol, setup, teardown),
        cmocka_unit_test_setup_teardown(one_call_over_its_cap_stops_the_reading, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(caps_are_each_calls_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_result_over_the_cap_is_refused_by_its_head, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_a_frame_waits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
