/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames out of a worker: whole, capped, and nothing behind the final one.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/emit.h"
#include "sandbox/base/own.h"

enum { HEARD_MAX = 64 };

static const struct cl_frame_call caps = { .output_bytes = 100,
                                           .result_bytes = 50,
                                           .files_bytes = 20 };

struct heard {
    struct cl_frame head;
    char *bytes; /* owned, until the next listen_to */
};

static struct heard heard[HEARD_MAX];
static size_t heard_count;
static int pair[2];

static size_t read_full(void *bytes, size_t length)
{
    size_t have = 0;

    while (have < length) {
        ssize_t got = read(pair[0], (char *)bytes + have, length - have);

        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

static void forget_all(void)
{
    for (; heard_count > 0; heard_count--)
        free(heard[heard_count - 1].bytes);
}

static void hear_all(void)
{
    struct cl_err err = CL_ERR_INIT;

    forget_all();
    for (; heard_count < HEARD_MAX; heard_count++) {
        struct heard *now = &heard[heard_count];
        size_t got = read_full(&now->head, sizeof(now->head));

        if (got == 0)
            return;
        assert_int_equal(got, sizeof(now->head));
        assert_works(cl_frame_check(&now->head, true, &err), &err);
        now->bytes = calloc(1, now->head.length + 1);
        assert_non_null(now->bytes);
        assert_int_equal(read_full(now->bytes, now->head.length), now->head.length);
    }
    fail_msg("too many frames");
}

/* Runs `talk` in a child with its own emitter; returns its exit status. */
static int listen_to(void (*talk)(void))
{
    int status = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pair[0]);
        cl_emit_open(pair[1], &caps);
        talk();
        _exit(42);
    }
    close(pair[1]);
    hear_all();
    close(pair[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void assert_heard(size_t i, enum cl_frame_type type, const char *text)
{
    assert_true(i < heard_count);
    assert_int_equal(heard[i].head.type, type);
    assert_int_equal(heard[i].head.length, strlen(text));
    assert_string_equal(heard[i].bytes, text);
}

static void assert_limit(size_t i, enum cl_limit limit, uint64_t value, uint64_t used)
{
    struct cl_frame_limit body;

    assert_int_equal(i, heard_count - 1);
    assert_int_equal(heard[i].head.type, CL_F_LIMIT);
    memcpy(&body, heard[i].bytes, sizeof(body));
    assert_int_equal(body.limit, limit);
    assert_int_equal(body.value, value);
    assert_int_equal(body.used, used);
}

static void print_and_end(void)
{
    cl_emit_ready(pair[1]);
    cl_emit_output(CL_F_STDOUT, "one", 3);
    cl_emit_output(CL_F_STDERR, "two", 3);
    cl_emit_output(CL_F_STDOUT, "", 0);
    cl_emit_log(2, "three", 5);
    cl_emit_json(CL_F_PROGRESS, "{}", 2);
    cl_emit_json(CL_F_ITEM, "4", 1);
    cl_emit_file("a/b", 3, "five", 4);
    cl_emit_result("[6]", 3);
}

static void frames_arrive_in_order_and_the_result_ends_the_process(void **state)
{
    struct cl_frame_file file;
    struct cl_frame_log log;

    (void)state;
    assert_int_equal(listen_to(print_and_end), 0);
    assert_int_equal(heard_count, 8);
    assert_heard(0, CL_F_READY, "");
    assert_heard(1, CL_F_STDOUT, "one");
    assert_heard(2, CL_F_STDERR, "two");
    assert_int_equal(heard[3].head.type, CL_F_LOG);
    memcpy(&log, heard[3].bytes, sizeof(log));
    assert_int_equal(log.level, 2);
    assert_string_equal(heard[3].bytes + sizeof(log), "three");
    assert_heard(4, CL_F_PROGRESS, "{}");
    assert_heard(5, CL_F_ITEM, "4");
    assert_int_equal(heard[6].head.type, CL_F_FILE_OUT);
    memcpy(&file, heard[6].bytes, sizeof(file));
    assert_int_equal(file.path_length, 3);
    assert_string_equal(heard[6].bytes + sizeof(file), "a/bfive");
    assert_heard(7, CL_F_RESULT, "[6]");
}

static char long_text[200 << 10];

static void print_to_the_cap(void)
{
    memset(long_text, 'x', sizeof(long_text));
    cl_emit_output(CL_F_STDOUT, long_text, 60);
    cl_emit_output(CL_F_STDERR, long_text, 40);
    cl_emit_result("1", 1);
}

static void output_at_the_cap_is_kept(void **state)
{
    (void)state;
    assert_int_equal(listen_to(print_to_the_cap), 0);
    assert_int_equal(heard_count, 3);
    assert_heard(2, CL_F_RESULT, "1");
}

static void print_over_the_cap(void)
{
    memset(long_text, 'x', sizeof(long_text));
    memcpy(long_text + 38, "\xe2\x82\xac", 3); /* would be cut after its second byte */
    cl_emit_output(CL_F_STDOUT, long_text, 60);
    cl_emit_output(CL_F_STDERR, long_text, 41);
}

static void output_past_the_cap_ends_with_limit_after_what_fits(void **state)
{
    (void)state;
    assert_int_equal(listen_to(print_over_the_cap), 0);
    assert_int_equal(heard_count, 3);
    assert_int_equal(heard[0].head.length, 60);
    assert_int_equal(heard[1].head.length, 38); /* the border of a character, not 40 */
    assert_limit(2, CL_LIMIT_OUTPUT, 100, 101);
}

static void print_much(void)
{
    const struct cl_frame_call wide = { .output_bytes = sizeof(long_text), .result_bytes = 50 };

    cl_emit_open(pair[1], &wide);
    memset(long_text, 'y', sizeof(long_text));
    memcpy(long_text + CL_FRAME_OUTPUT_MAX - 1, "\xc3\xa9", 2);
    cl_emit_output(CL_F_STDOUT, long_text, sizeof(long_text));
    cl_emit_result("1", 1);
}

static void long_output_is_split_between_characters(void **state)
{
    size_t total = 0;

    (void)state;
    assert_int_equal(listen_to(print_much), 0);
    assert_int_equal(heard_count, 5);
    assert_int_equal(heard[0].head.length, CL_FRAME_OUTPUT_MAX - 1);
    assert_memory_equal(heard[1].bytes, "\xc3\xa9", 2);
    for (size_t i = 0; i < 4; i++)
        total += heard[i].head.length;
    assert_int_equal(total, sizeof(long_text));
}

static void yield_too_much(void)
{
    char item[26];

    memset(item, '1', sizeof(item));
    cl_emit_json(CL_F_ITEM, item, 25);
    cl_emit_json(CL_F_ITEM, item, 25);
    cl_emit_json(CL_F_ITEM, item, 1);
}

static void items_share_the_cap_of_results(void **state)
{
    (void)state;
    assert_int_equal(listen_to(yield_too_much), 0);
    assert_int_equal(heard_count, 3);
    assert_limit(2, CL_LIMIT_RESULT, 50, 51);
}

static void return_at_the_cap(void)
{
    cl_emit_result(memset(long_text, '1', 50), 50);
}

static void return_too_much(void)
{
    cl_emit_result(memset(long_text, '1', 51), 51);
}

static void result_over_its_cap_is_limit(void **state)
{
    (void)state;
    assert_int_equal(listen_to(return_at_the_cap), 0);
    assert_int_equal(heard[0].head.type, CL_F_RESULT);
    assert_int_equal(listen_to(return_too_much), 0);
    assert_limit(0, CL_LIMIT_RESULT, 50, 51);
}

static void keep_too_much(void)
{
    cl_emit_file("a", 1, long_text, 20);
    cl_emit_file("b", 1, "x", 1);
}

static void files_over_their_cap_are_limit(void **state)
{
    (void)state;
    assert_int_equal(listen_to(keep_too_much), 0);
    assert_int_equal(heard_count, 2);
    assert_limit(1, CL_LIMIT_FILES, 20, 21);
}

static void progress_too_large(void)
{
    cl_emit_json(CL_F_PROGRESS, long_text, CL_FRAME_OUTPUT_MAX + 1);
}

static void progress_over_one_frame_is_limit(void **state)
{
    (void)state;
    assert_int_equal(listen_to(progress_too_large), 0);
    assert_limit(0, CL_LIMIT_OUTPUT, CL_FRAME_OUTPUT_MAX, CL_FRAME_OUTPUT_MAX + 1);
}

static void log_too_much(void)
{
    memset(long_text, 'z', 600);
    cl_emit_log(1, long_text, 600);
    cl_emit_limit(CL_LIMIT_DEPTH, 64, 65);
}

static void log_is_cut(void **state)
{
    (void)state;
    assert_int_equal(listen_to(log_too_much), 0);
    assert_int_equal(heard[0].head.length, sizeof(struct cl_frame_log) + CL_FRAME_LOG_MAX);
    assert_limit(1, CL_LIMIT_DEPTH, 64, 65);
}

static void raise_much(void)
{
    static char traceback[400 << 10];
    const struct cl_frame_error where = { .line = 7, .column = 3 };

    memset(traceback, 't', sizeof(traceback) - 1);
    memset(long_text, 'm', sizeof(long_text) - 1);
    cl_emit_error(&where, "ValueError", long_text, traceback);
}

static void error_texts_are_cut_to_one_frame(void **state)
{
    struct cl_frame_error body;

    (void)state;
    assert_int_equal(listen_to(raise_much), 0);
    assert_int_equal(heard_count, 1);
    assert_int_equal(heard[0].head.type, CL_F_ERROR);
    memcpy(&body, heard[0].bytes, sizeof(body));
    assert_int_equal(body.line, 7);
    assert_int_equal(body.column, 3);
    assert_int_equal(body.type_length, 10);
    assert_int_equal(body.message_length, 16 << 10);
    assert_int_equal(heard[0].head.length,
                     sizeof(body) + 10 + body.message_length + body.traceback_length);
    assert_memory_equal(heard[0].bytes + sizeof(body), "ValueErrormm", 12);
    assert_int_equal(heard[0].bytes[heard[0].head.length - 1], 't');
}

static void deny(void)
{
    const struct cl_frame_denied where = { .line = 1 };

    cl_emit_denied(&where, "modules", "socket", NULL);
}

static void denied_carries_its_texts(void **state)
{
    struct cl_frame_denied body;

    (void)state;
    assert_int_equal(listen_to(deny), 0);
    memcpy(&body, heard[0].bytes, sizeof(body));
    assert_int_equal(body.rule_length, 7);
    assert_int_equal(body.name_length, 6);
    assert_int_equal(body.message_length, 0);
    assert_string_equal(heard[0].bytes + sizeof(body), "modulessocket");
}

static void fail_lost(void)
{
    struct cl_err err = CL_ERR_INIT;

    cl_fail(&err, CL_E_LOST, "no call");
    cl_emit_failed(&err);
}

static void failed_carries_the_error(void **state)
{
    struct cl_err err;

    (void)state;
    assert_int_equal(listen_to(fail_lost), 0);
    memcpy(&err, heard[0].bytes, sizeof(err));
    assert_string_equal(err.text, "no call");
}

static void *print_for_ever(void *unused)
{
    for (;;)
        cl_emit_output(CL_F_STDOUT, "abcdefgh", 8);
    return unused;
}

static void end_among_threads(void)
{
    const struct cl_frame_call wide = { .output_bytes = 400, .result_bytes = 50 };
    pthread_t threads[4];

    cl_emit_open(pair[1], &wide);
    for (size_t i = 0; i < CL_COUNT(threads); i++)
        pthread_create(&threads[i], NULL, print_for_ever, NULL);
    for (;;)
        pause();
}

static void threads_cannot_tear_a_frame_or_follow_the_final_one(void **state)
{
    (void)state;
    assert_int_equal(listen_to(end_among_threads), 0);
    assert_int_equal(heard_count, 51);
    for (size_t i = 0; i < 50; i++)
        assert_heard(i, CL_F_STDOUT, "abcdefgh");
    assert_limit(50, CL_LIMIT_OUTPUT, 400, 408);
}

static void talk_to_nobody(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the zygote does */
    shutdown(pair[1], SHUT_RDWR);
    cl_emit_output(CL_F_STDOUT, "x", 1);
}

static void worker_that_nobody_hears_ends(void **state)
{
    (void)state;
    assert_int_equal(listen_to(talk_to_nobody), 1);
    assert_int_equal(heard_count, 0);
}

static int forget(void **state)
{
    (void)state;
    forget_all();
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_in_order_and_the_result_ends_the_process),
        cmocka_unit_test(output_at_the_cap_is_kept),
        cmocka_unit_test(output_past_the_cap_ends_with_limit_after_what_fits),
        cmocka_unit_test(long_output_is_split_between_characters),
        cmocka_unit_test(items_share_the_cap_of_results),
        cmocka_unit_test(result_over_its_cap_is_limit),
        cmocka_unit_test(files_over_their_cap_are_limit),
        cmocka_unit_test(progress_over_one_frame_is_limit),
        cmocka_unit_test(log_is_cut),
        cmocka_unit_test(error_texts_are_cut_to_one_frame),
        cmocka_unit_test(denied_carries_its_texts),
        cmocka_unit_test(failed_carries_the_error),
        cmocka_unit_test(threads_cannot_tear_a_frame_or_follow_the_final_one),
        cmocka_unit_test(worker_that_nobody_hears_ends),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
