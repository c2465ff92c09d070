/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a worker that means harm, whole and in pieces.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "api/calls/stream.h"
#include "sandbox/base/own.h"

static const uint64_t limits[CL_LIMIT_COUNT_] = {
    [CL_LIMIT_OUTPUT] = 100,
    [CL_LIMIT_RESULT] = 200,
    [CL_LIMIT_FILES] = 50,
    [CL_LIMIT_DEPTH] = CL_DEPTH_MAX,
};

static struct cl_stream stream;
static char heard[4096]; /* what the sink was told, one line each */

__attribute__((format(printf, 1, 2))) static void hear(const char *format, ...)
{
    const size_t at = strlen(heard);
    va_list args;

    va_start(args, format);
    vsnprintf(heard + at, sizeof(heard) - at, format, args);
    va_end(args);
}

static void on_output(void *self, bool is_stderr, const char *text, size_t length)
{
    (void)self;
    hear("%s %.*s\n", is_stderr ? "err" : "out", (int)length, text);
}

static void on_log(void *self, uint32_t level, const char *text, size_t length)
{
    (void)self;
    hear("log %u %.*s\n", level, (int)length, text);
}

static void on_item(void *self, struct cl_json value)
{
    (void)self;
    hear("item %.*s\n", (int)value.length, value.text);
}

static void on_progress(void *self, struct cl_json value)
{
    (void)self;
    hear("progress %.*s\n", (int)value.length, value.text);
}

static void on_file(void *self, struct cl_json path, struct cl_json content)
{
    (void)self;
    hear("file %.*s=%.*s\n", (int)path.length, path.text, (int)content.length, content.text);
}

static const struct cl_stream_sink sink = { on_output, on_log, on_item, on_progress, on_file };

static int setup(void **state)
{
    (void)state;
    heard[0] = '\0';
    cl_stream_init(&stream, limits, &sink, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_stream_fini(&stream);
    return 0;
}

/* Bytes of a conversation. */
struct talk {
    uint8_t bytes[8192];
    size_t length;
};

static void say(struct talk *talk, uint32_t type, const void *bytes, size_t length)
{
    const struct cl_frame head = { CL_FRAME_MAGIC, (uint16_t)type, (uint32_t)length };

    memcpy(talk->bytes + talk->length, &head, sizeof(head));
    if (length)
        memcpy(talk->bytes + talk->length + sizeof(head), bytes, length);
    talk->length += sizeof(head) + length;
}

static void say_text(struct talk *talk, uint32_t type, const char *text)
{
    say(talk, type, text, strlen(text));
}

static void say_file(struct talk *talk, const char *path, const char *content)
{
    uint8_t bytes[2048];
    const struct cl_frame_file head = { (uint32_t)strlen(path), 0 };

    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), path, strlen(path));
    memcpy(bytes + sizeof(head) + strlen(path), content, strlen(content));
    say(talk, CL_F_FILE_OUT, bytes, sizeof(head) + strlen(path) + strlen(content));
}

static enum cl_stream_state feed(const struct talk *talk)
{
    return cl_stream_feed(&stream, talk->bytes, talk->length);
}

static void say_everything(struct talk *talk)
{
    const uint32_t level = 1;
    char log[16];

    memcpy(log, &level, 4);
    memcpy(log + 4, "careful", 7);
    say_text(talk, CL_F_STDOUT, "one");
    say_text(talk, CL_F_STDERR, "two");
    say(talk, CL_F_LOG, log, 11);
    say_text(talk, CL_F_PROGRESS, "{\"value\":1,\"total\":2}");
    say_text(talk, CL_F_ITEM, " [1, 2] ");
    say_file(talk, "out/a", "abc");
    say(talk, CL_F_STDOUT, NULL, 0);
    say_text(talk, CL_F_RESULT, "\n42 ");
}

static const char everything[] =
    "out one\nerr two\nlog 1 careful\nprogress {\"value\":1,\"total\":2}\n"
    "item [1, 2]\nfile out/a=abc\n";

static void expect_everything(void)
{
    assert_string_equal(heard, everything);
    assert_int_equal(stream.final_type, CL_F_RESULT);
    assert_int_equal(stream.final.length, 2);
    assert_memory_equal(stream.final.bytes, "42", 2);
    assert_int_equal(stream.output_bytes[0], 3);
    assert_int_equal(stream.output_bytes[1], 3);
    assert_int_equal(stream.file_bytes, 3);
}

static void a_conversation_is_heard_in_order(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say_everything(&talk);
    assert_int_equal(feed(&talk), CL_STREAM_FINAL);
    expect_everything();
}

static void it_may_arrive_in_any_pieces(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say_everything(&talk);
    for (size_t step = 1; step < talk.length; step++) {
        setup(NULL);
        for (size_t at = 0; at < talk.length; at += step) {
            const size_t left = talk.length - at;

            cl_stream_feed(&stream, talk.bytes + at, left < step ? left : step);
        }
        assert_int_equal(stream.state, CL_STREAM_FINAL);
        expect_everything();
        cl_stream_fini(&stream);
    }
    setup(NULL);
}

static void a_byte_behind_the_final_frame_breaks(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say_text(&talk, CL_F_RESULT, "1");
    talk.length++;
    assert_int_equal(feed(&talk), CL_STREAM_BROKEN);
    teardown(NULL);
    setup(NULL);
    talk.length--;
    assert_int_equal(feed(&talk), CL_STREAM_FINAL);
    assert_int_equal(cl_stream_feed(&stream, "x", 0), CL_STREAM_FINAL);
    assert_int_equal(cl_stream_feed(&stream, "x", 1), CL_STREAM_BROKEN);
}

static void half_a_frame_is_told_apart(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say_text(&talk, CL_F_STDOUT, "one");
    talk.length--;
    assert_int_equal(feed(&talk), CL_STREAM_OPEN);
    assert_true(stream.partial.length > 0);
    assert_string_equal(heard, "");
}

struct bad {
    uint32_t type;
    const char *bytes;
    size_t length;
};

#define ZEROS_24 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define BAD(type, text)                                                                        \
    {                                                                                          \
        type, text, sizeof(text) - 1                                                           \
    }

static const struct bad bad_rows[] = {
    BAD(CL_F_CALL, ""),
    BAD(CL_F_GO, ""),
    BAD(CL_F_READY, ""),
    BAD(0, ""),
    BAD(255, ""),
    BAD(CL_F_PROBED, "0123456789012345678901234567890"),
    BAD(CL_F_ITEM, "{"),
    BAD(CL_F_ITEM, "1 2"),
    BAD(CL_F_ITEM, "NaN"),
    BAD(CL_F_ITEM, ""),
    BAD(CL_F_RESULT, "{\"a\":1,\"a\":2}"),
    BAD(CL_F_RESULT, "\"\\ud800\""),
    BAD(CL_F_RESULT, "\"\xff\""),
    BAD(CL_F_RESULT, ""),
    BAD(CL_F_PROGRESS, "[]"),
    BAD(CL_F_PROGRESS, "{\"seq\":1}"),
    BAD(CL_F_PROGRESS, "{\"v\\u0061lue\":1,\"event\":2}"),
    BAD(CL_F_LOG, "\4\0\0\0text"),
    BAD(CL_F_LOG, "\0\0"),
    BAD(CL_F_FILE_OUT, "\1\0\0"),
    BAD(CL_F_FILE_OUT, "\5\0\0\0\0\0\0\0abc"),
    BAD(CL_F_FILE_OUT, "\0\0\0\0\0\0\0\0abc"),
    BAD(CL_F_FILE_OUT, "\2\0\0\0\0\0\0\0..abc"),
    BAD(CL_F_FILE_OUT, "\2\0\0\0\1\0\0\0ababc"),
    BAD(CL_F_ERROR, "short"),
    BAD(CL_F_ERROR, "\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0ab"),
    BAD(CL_F_ERROR, "\0\0\0\0\0\0\0\0\377\377\377\377\377\377\377\377\2\0\0\0"),
    BAD(CL_F_DENIED, "\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0abcd"),
    BAD(CL_F_LIMIT, ""),
    BAD(CL_F_LIMIT, "\1\0\0\0" ZEROS_24 "\0\0\0\0"),
    BAD(CL_F_LIMIT, "\3\0\0\0" ZEROS_24),
    BAD(CL_F_LIMIT, "\0\0\0\0" ZEROS_24 "\0\0\0\0"),
    BAD(CL_F_LIMIT, "\11\0\0\0" ZEROS_24 "\0\0\0\0"),
    BAD(CL_F_FAILED, "text"),
};

static void what_may_not_be_breaks(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad_rows); i++) {
        struct talk talk = { .length = 0 };

        setup(NULL);
        say(&talk, bad_rows[i].type, bad_rows[i].bytes, bad_rows[i].length);
        if (feed(&talk) != CL_STREAM_BROKEN)
            fail_msg("row %zu (frame %u) was taken", i, bad_rows[i].type);
        assert_true(stream.why[0] != '\0');
        assert_string_equal(heard, "");
        assert_int_equal(stream.final_type, 0);
        teardown(NULL);
    }
    setup(NULL);
}

static void a_wrong_magic_or_an_endless_frame_breaks_by_the_head(void **state)
{
    const struct cl_frame heads[] = {
        { 0x1234, CL_F_STDOUT, 1 },
        { CL_FRAME_MAGIC, CL_F_STDOUT, CL_FRAME_OUTPUT_MAX + 1 },
        { CL_FRAME_MAGIC, CL_F_ITEM, UINT32_MAX },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(heads); i++) {
        setup(NULL);
        assert_int_equal(cl_stream_feed(&stream, &heads[i], sizeof(heads[i])),
                         CL_STREAM_BROKEN);
        teardown(NULL);
    }
    setup(NULL);
}

static void json_may_be_as_deep_as_the_cap(void **state)
{
    char text[2 * CL_DEPTH_MAX + 3];
    struct talk talk = { .length = 0 };
    struct talk deeper = { .length = 0 };

    (void)state;
    memset(text, '[', CL_DEPTH_MAX);
    memset(text + CL_DEPTH_MAX, ']', CL_DEPTH_MAX);
    say(&talk, CL_F_RESULT, text, 2 * CL_DEPTH_MAX);
    assert_int_equal(feed(&talk), CL_STREAM_FINAL);
    teardown(NULL);
    setup(NULL);
    memset(text, '[', CL_DEPTH_MAX + 1);
    memset(text + CL_DEPTH_MAX + 1, ']', CL_DEPTH_MAX + 1);
    say(&deeper, CL_F_RESULT, text, 2 * CL_DEPTH_MAX + 2);
    assert_int_equal(feed(&deeper), CL_STREAM_BROKEN);
}

static void expect_over(const struct talk *talk, enum cl_limit limit, uint64_t used)
{
    assert_int_equal(feed(talk), CL_STREAM_OVER);
    assert_int_equal(stream.over, limit);
    assert_int_equal(stream.over_used, used);
}

static void output_is_capped_over_both_streams(void **state)
{
    char text[101];
    struct talk talk = { .length = 0 };

    (void)state;
    memset(text, 'x', sizeof(text));
    say(&talk, CL_F_STDOUT, text, 60);
    say(&talk, CL_F_STDERR, text, 40);
    assert_int_equal(feed(&talk), CL_STREAM_OPEN);
    talk.length = 0;
    say(&talk, CL_F_STDERR, text, 1);
    expect_over(&talk, CL_LIMIT_OUTPUT, 101);
    assert_int_equal(stream.output_bytes[0] + stream.output_bytes[1], 100);
}

static void output_up_to_the_cap_is_kept(void **state)
{
    char text[150];
    struct talk talk = { .length = 0 };

    (void)state;
    memset(text, 'x', sizeof(text));
    say(&talk, CL_F_STDOUT, text, sizeof(text));
    expect_over(&talk, CL_LIMIT_OUTPUT, 150);
    assert_int_equal(stream.output_bytes[0], 100);
    assert_int_equal(strlen(heard), strlen("out \n") + 100);
}

static void chatter_counts_like_output(void **state)
{
    char log[60] = { 0 };
    struct talk talk = { .length = 0 };

    (void)state;
    memset(log + 4, 'x', 56);
    say(&talk, CL_F_LOG, log, sizeof(log));
    say(&talk, CL_F_LOG, log, sizeof(log));
    expect_over(&talk, CL_LIMIT_OUTPUT, 120);
}

static void results_and_items_are_capped_by_the_head(void **state)
{
    const struct cl_frame result = { CL_FRAME_MAGIC, CL_F_RESULT, 201 };
    const struct cl_frame item = { CL_FRAME_MAGIC, CL_F_ITEM, 201 };
    struct talk talk = { .length = 0 };
    char text[210] = "\"";

    (void)state;
    assert_int_equal(cl_stream_feed(&stream, &result, sizeof(result)), CL_STREAM_OVER);
    assert_int_equal(stream.over, CL_LIMIT_RESULT);
    teardown(NULL);
    setup(NULL);
    assert_int_equal(cl_stream_feed(&stream, &item, sizeof(item)), CL_STREAM_OVER);
    teardown(NULL);
    setup(NULL);
    memset(text + 1, 'x', 198);
    text[199] = '"';
    say(&talk, CL_F_RESULT, text, 200);
    assert_int_equal(feed(&talk), CL_STREAM_FINAL);
    teardown(NULL);
    setup(NULL);
    talk.length = 0;
    say(&talk, CL_F_ITEM, text, 200);
    say_text(&talk, CL_F_ITEM, "1");
    expect_over(&talk, CL_LIMIT_RESULT, 201);
}

static void files_are_capped_together(void **state)
{
    struct talk talk = { .length = 0 };

    (void)state;
    say_file(&talk, "a", "0123456789012345678901234");
    say_file(&talk, "b", "0123456789012345678901234");
    assert_int_equal(feed(&talk), CL_STREAM_OPEN);
    talk.length = 0;
    say_file(&talk, "c", "0");
    expect_over(&talk, CL_LIMIT_FILES, 51);
}

static void empty_frames_do_not_go_on_for_ever(void **state)
{
    struct talk talk = { .length = 0 };
    unsigned count = 0;

    (void)state;
    say(&talk, CL_F_STDOUT, NULL, 0);
    while (feed(&talk) == CL_STREAM_OPEN)
        count++;
    assert_int_equal(stream.state, CL_STREAM_BROKEN);
    assert_int_equal(count, 4096);
}

static void texts_of_an_error_are_views(void **state)
{
    static const struct cl_frame_error head = { 3, 7, 2, 3, 4 };
    struct talk talk = { .length = 0 };
    uint8_t bytes[64];
    struct cl_stream_texts texts;

    (void)state;
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), "aabbbcccc", 9);
    say(&talk, CL_F_ERROR, bytes, sizeof(head) + 9);
    assert_int_equal(feed(&talk), CL_STREAM_FINAL);
    texts = cl_stream_texts(&stream);
    assert_int_equal(texts.line, 3);
    assert_int_equal(texts.column, 7);
    assert_int_equal(texts.text[1].length, 3);
    assert_memory_equal(texts.text[0].text, "aa", 2);
    assert_memory_equal(texts.text[1].text, "bbb", 3);
    assert_memory_equal(texts.text[2].text, "cccc", 4);
}

static void limits_that_a_worker_keeps_may_be_claimed(void **state)
{
    (void)state;
    for (uint32_t limit = CL_LIMIT_CPU; limit < CL_LIMIT_COUNT_; limit++) {
        const struct cl_frame_limit claim = { .limit = limit, .used = 9 };
        struct talk talk = { .length = 0 };

        setup(NULL);
        say(&talk, CL_F_LIMIT, &claim, sizeof(claim));
        assert_int_equal(feed(&talk), CL_STREAM_FINAL);
        teardown(NULL);
    }
    setup(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_conversation_is_heard_in_order),
        CASE(it_may_arrive_in_any_pieces),
        CASE(a_byte_behind_the_final_frame_breaks),
        CASE(half_a_frame_is_told_apart),
        CASE(what_may_not_be_breaks),
        CASE(a_wrong_magic_or_an_endless_frame_breaks_by_the_head),
        CASE(json_may_be_as_deep_as_the_cap),
        CASE(output_is_capped_over_both_streams),
        CASE(output_up_to_the_cap_is_kept),
        CASE(chatter_counts_like_output),
        CASE(results_and_items_are_capped_by_the_head),
        CASE(files_are_capped_together),
        CASE(empty_frames_do_not_go_on_for_ever),
        CASE(texts_of_an_error_are_views),
        CASE(limits_that_a_worker_keeps_may_be_claimed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
