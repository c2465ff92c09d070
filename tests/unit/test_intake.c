/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering a call from a job socket whose other end sends anything.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/intake.h"
#include "sandbox/base/own.h"

static struct cl_intake intake;
static struct cl_call call;
static struct cl_err err;
static int pair[2];
static int probes;

static const struct cl_frame_call head = { CL_CALL_STREAM, 64, 1, 2, 3 };

static int setup(void **state)
{
    (void)state;
    memset(&intake, 0, sizeof(intake));
    memset(&call, 0, sizeof(call));
    memset(&err, 0, sizeof(err));
    probes = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return -1;
    intake.fd = pair[0];
    return 0;
}

static void forget(struct cl_bytes *text)
{
    free((void *)(uintptr_t)text->bytes);
}

/* A worker never does this: it ends. */
static void forget_call(void)
{
    struct cl_bytes *ones[] = { &call.source, &call.entry, &call.args, &call.kwargs,
                                &call.stdin_text };

    for (size_t i = 0; i < CL_COUNT(ones); i++)
        forget(ones[i]);
    for (size_t i = 0; i < call.file_count; i++) {
        forget(&call.file_path[i]);
        forget(&call.file_content[i]);
    }
    for (size_t i = 0; i < call.artifact_count; i++)
        forget(&call.artifact[i]);
    for (size_t i = 0; i < call.env_count; i++)
        forget(&call.env[i]);
    for (size_t i = 0; i < call.module_count; i++) {
        forget(&call.module_name[i]);
        forget(&call.module_source[i]);
        forget(&call.module_code[i]);
    }
}

static int teardown(void **state)
{
    (void)state;
    forget_call();
    close(pair[0]);
    close(pair[1]);
    return 0;
}

static void count_probe(const struct cl_frame_probe *probe)
{
    probes += (int)probe->number;
}

static int take(void)
{
    return cl_intake_call(&intake, &call, count_probe, &err);
}

static void put(const void *bytes, size_t length)
{
    assert_int_equal(write(pair[1], bytes, length), length);
}

static void put_frame(uint16_t type, const void *bytes, size_t length)
{
    struct cl_frame frame = { CL_FRAME_MAGIC, type, (uint32_t)length };

    put(&frame, sizeof(frame));
    put(bytes, length);
}

static void put_text(uint16_t type, const char *text)
{
    put_frame(type, text, strlen(text));
}

static void put_call(void)
{
    put_frame(CL_F_CALL, &head, sizeof(head));
}

static void put_file(const char *path, const char *content)
{
    struct cl_frame_file file = { (uint32_t)strlen(path), 0 };
    char bytes[256];
    size_t length = sizeof(file) + strlen(path) + strlen(content);

    memcpy(bytes, &file, sizeof(file));
    stpcpy(stpcpy(bytes + sizeof(file), path), content);
    put_frame(CL_F_FILE, bytes, length);
}

static void assert_text(const struct cl_bytes *text, const char *wanted)
{
    assert_non_null(text->bytes);
    assert_int_equal(text->length, strlen(wanted));
    assert_string_equal(text->bytes, wanted); /* terminated one past the end, too */
}

static void whole_call_is_gathered(void **state)
{
    (void)state;
    put_call();
    put_text(CL_F_ARGS, "[1]");
    put_text(CL_F_SOURCE, "def main(): pass\n");
    put_text(CL_F_KWARGS, "{}");
    put_text(CL_F_ENTRY, "main");
    put_text(CL_F_STDIN, "");
    put_file("a/b", "content");
    put_file("empty", "");
    put_text(CL_F_ARTIFACT, "*.png");
    put_text(CL_F_ENV, "A=b");
    put_text(CL_F_ENV, "C=");
    put_text(CL_F_GO, "");

    assert_int_equal(take(), 1);
    assert_memory_equal(&call.head, &head, sizeof(head));
    assert_text(&call.source, "def main(): pass\n");
    assert_text(&call.entry, "main");
    assert_text(&call.args, "[1]");
    assert_text(&call.kwargs, "{}");
    assert_text(&call.stdin_text, "");
    assert_int_equal(call.file_count, 2);
    assert_text(&call.file_path[0], "a/b");
    assert_text(&call.file_content[0], "content");
    assert_text(&call.file_path[1], "empty");
    assert_text(&call.file_content[1], "");
    assert_int_equal(call.artifact_count, 1);
    assert_text(&call.artifact[0], "*.png");
    assert_int_equal(call.env_count, 2);
    assert_text(&call.env[1], "C=");
}

static void frames_that_did_not_come_stay_null(void **state)
{
    (void)state;
    put_call();
    put_text(CL_F_SOURCE, "x");
    put_text(CL_F_GO, "");
    assert_int_equal(take(), 1);
    assert_null(call.entry.bytes);
    assert_null(call.stdin_text.bytes);
    assert_int_equal(call.file_count, 0);
}

static void call_that_drips_in_is_gathered(void **state)
{
    char bytes[512];
    size_t length;

    (void)state;
    put_call();
    put_text(CL_F_SOURCE, "x = 1");
    put_text(CL_F_GO, "");
    length = (size_t)read(pair[0], bytes, sizeof(bytes));
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < length; i++) {
            if (write(pair[1], bytes + i, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    assert_int_equal(take(), 1);
    assert_text(&call.source, "x = 1");
    waitpid(child, NULL, 0);
}

static void payload_larger_than_the_buffer_is_gathered(void **state)
{
    size_t length = 5 * CL_INTAKE_BUFFER + 3;
    cl_free_auto char *text = malloc(length + 1);

    (void)state;
    memset(text, 's', length);
    text[length] = '\0';
    pid_t child = fork();
    if (child == 0) {
        put_call();
        put_text(CL_F_SOURCE, text);
        put_text(CL_F_GO, "");
        _exit(0);
    }
    assert_int_equal(take(), 1);
    assert_text(&call.source, text);
    waitpid(child, NULL, 0);
}

static void probes_come_before_the_call(void **state)
{
    struct cl_frame_probe probe = { CL_PROBE_JAIL, 21, { 0 }, "" };

    (void)state;
    put_frame(CL_F_PROBE, &probe, sizeof(probe));
    put_frame(CL_F_PROBE, &probe, sizeof(probe));
    put_call();
    put_frame(CL_F_PROBE, &probe, sizeof(probe));
    assert_fails(take(), &err, CL_E_LOST);
    assert_int_equal(probes, 42);
}

static void end_at_a_border_means_not_needed(void **state)
{
    (void)state;
    shutdown(pair[1], SHUT_WR);
    assert_int_equal(take(), 0);

    teardown(state);
    setup(state);
    put_call();
    put_text(CL_F_SOURCE, "x");
    shutdown(pair[1], SHUT_WR);
    assert_int_equal(take(), 0);
}

static void assert_refused(enum cl_err_kind kind)
{
    shutdown(pair[1], SHUT_WR);
    assert_fails(take(), &err, kind);
    teardown(NULL);
    setup(NULL);
}

static void end_inside_a_frame_fails_lost(void **state)
{
    (void)state;
    put("CL", 1);
    assert_refused(CL_E_LOST);
    put_call();
    put(&(struct cl_frame){ CL_FRAME_MAGIC, CL_F_SOURCE, 10 }, sizeof(struct cl_frame));
    put("five!", 5);
    assert_refused(CL_E_LOST);
}

static void frames_out_of_order_fail_lost(void **state)
{
    (void)state;
    put_text(CL_F_SOURCE, "before CALL");
    assert_refused(CL_E_LOST);
    put_text(CL_F_GO, "");
    assert_refused(CL_E_LOST);
    put_call();
    put_call();
    assert_refused(CL_E_LOST);
    put_call();
    put_text(CL_F_GO, ""); /* no SOURCE */
    assert_refused(CL_E_LOST);
    put_call();
    put_text(CL_F_SOURCE, "x");
    put_text(CL_F_GO, "");
    put("x", 1);
    assert_refused(CL_E_LOST);
}

static void frames_that_come_twice_fail_lost(void **state)
{
    static const uint16_t once[] = { CL_F_SOURCE, CL_F_ENTRY, CL_F_ARGS, CL_F_KWARGS,
                                     CL_F_STDIN };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(once); i++) {
        put_call();
        put_text(once[i], "{}");
        put_text(once[i], "{}");
        assert_refused(CL_E_LOST);
    }
}

static void put_many(int count)
{
    put_call();
    put_text(CL_F_SOURCE, "x");
    for (int i = 0; i < count; i++)
        put_text(CL_F_ENV, "A=b");
    put_text(CL_F_GO, "");
}

static void count_at_its_cap_works_and_one_more_fails(void **state)
{
    (void)state;
    put_many(CL_CALL_ENV_MAX);
    assert_int_equal(take(), 1);
    teardown(state);
    setup(state);
    put_many(CL_CALL_ENV_MAX + 1);
    assert_refused(CL_E_LOST);
}

static void foreign_frames_fail_lost(void **state)
{
    static const struct cl_frame wrong[] = {
        { 0x4142, CL_F_CALL, sizeof(head) },
        { CL_FRAME_MAGIC, CL_F_RESULT, 1 }, /* only a worker may send it */
        { CL_FRAME_MAGIC, 999, 0 },
        { CL_FRAME_MAGIC, CL_F_CALL, sizeof(head) - 1 },
        { CL_FRAME_MAGIC, CL_F_CALL, sizeof(head) + 1 },
        { CL_FRAME_MAGIC, CL_F_SOURCE, CL_FRAME_IN_MAX + 1 },
        { CL_FRAME_MAGIC, CL_F_CALL, UINT32_MAX },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        put(&wrong[i], sizeof(wrong[i]));
        assert_refused(CL_E_LOST);
    }
}

static void wrong_depth_fails_lost(void **state)
{
    struct cl_frame_call deep = head;

    (void)state;
    deep.depth = CL_DEPTH_MAX + 1;
    put_frame(CL_F_CALL, &deep, sizeof(deep));
    put_text(CL_F_SOURCE, "x");
    put_text(CL_F_GO, "");
    assert_refused(CL_E_LOST);
}

static void put_bad_file(uint32_t path_length, uint32_t mode, size_t length)
{
    char bytes[64] = { 0 };
    struct cl_frame_file file = { path_length, mode };

    memcpy(bytes, &file, sizeof(file));
    put_call();
    put_frame(CL_F_FILE, bytes, sizeof(file) + length);
}

static void file_whose_path_does_not_fit_fails_lost(void **state)
{
    (void)state;
    put_bad_file(0, 0, 4);
    assert_refused(CL_E_LOST);
    put_bad_file(5, 0, 4);
    assert_refused(CL_E_LOST);
    put_bad_file(UINT32_MAX, 0, 4);
    assert_refused(CL_E_LOST);
    put_bad_file(1, 0755, 4);
    assert_refused(CL_E_LOST);
}

static void put_module(const char *name, const char *source, const char *code)
{
    const struct cl_frame_module module = { (uint32_t)strlen(name), (uint32_t)strlen(source),
                                            (uint32_t)strlen(code) };
    char bytes[256];

    memcpy(bytes, &module, sizeof(module));
    stpcpy(stpcpy(stpcpy(bytes + sizeof(module), name), source), code);
    put_frame(CL_F_MODULE, bytes, sizeof(module) + strlen(bytes + sizeof(module)));
}

static void put_function(const char *entry)
{
    struct cl_frame_call function = head;

    function.flags = CL_CALL_FUNCTION;
    put_frame(CL_F_CALL, &function, sizeof(function));
    if (entry)
        put_text(CL_F_ENTRY, entry);
}

static void modules_of_a_function_are_gathered(void **state)
{
    (void)state;
    put_function("prices.net");
    put_module("prices", "import tax\n", "code");
    put_module("tax", "", "");
    put_text(CL_F_GO, "");

    assert_int_equal(take(), 1);
    assert_null(call.source.bytes);
    assert_int_equal(call.module_count, 2);
    assert_text(&call.module_name[0], "prices");
    assert_text(&call.module_source[0], "import tax\n");
    assert_text(&call.module_code[0], "code");
    assert_text(&call.module_name[1], "tax");
    assert_text(&call.module_source[1], "");
    assert_text(&call.module_code[1], "");
}

static void function_without_its_parts_fails_lost(void **state)
{
    (void)state;
    put_function("prices.net");
    put_text(CL_F_GO, "");
    assert_refused(CL_E_LOST);
    put_function(NULL);
    put_module("prices", "", "");
    put_text(CL_F_GO, "");
    assert_refused(CL_E_LOST);
    put_function("prices.net");
    put_module("prices", "", "");
    put_text(CL_F_SOURCE, "x");
    put_text(CL_F_GO, "");
    assert_refused(CL_E_LOST);
}

static void module_whose_lengths_do_not_fit_fails_lost(void **state)
{
    static const struct cl_frame_module wrong[] = {
        { 0, 1, 3 },  { 1, 1, 1 },
        { 1, 1, 3 },  { 1, UINT32_MAX, 4 }, /* wraps in 32 bits */
        { 65, 0, 0 }, { UINT32_MAX, UINT32_MAX, UINT32_MAX },
    };
    char bytes[sizeof(struct cl_frame_module) + 4] = { 0 };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        memcpy(bytes, &wrong[i], sizeof(wrong[i]));
        put_call();
        put_frame(CL_F_MODULE, bytes, sizeof(bytes));
        assert_refused(CL_E_LOST);
    }
}

static void modules_over_their_cap_fail_lost(void **state)
{
    (void)state;
    put_function("m.f");
    call.module_count = CL_CALL_MODULES_MAX - 1;
    put_module("m", "", "");
    put_module("n", "", "");
    shutdown(pair[1], SHUT_WR);
    assert_fails(take(), &err, CL_E_LOST);
    assert_text(&call.module_name[CL_CALL_MODULES_MAX - 1], "m");
}

static void call_over_the_total_cap_fails_limit(void **state)
{
    struct cl_frame large = { CL_FRAME_MAGIC, CL_F_ENV, 100 };

    (void)state;
    put_call();
    put_text(CL_F_SOURCE, "x");
    intake.total = CL_INTAKE_TOTAL_MAX - sizeof(head) - 1 - 99;
    put(&large, sizeof(large));
    assert_refused(CL_E_LIMIT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_call_is_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_that_did_not_come_stay_null, setup, teardown),
        cmocka_unit_test_setup_teardown(call_that_drips_in_is_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(payload_larger_than_the_buffer_is_gathered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(probes_come_before_the_call, setup, teardown),
        cmocka_unit_test_setup_teardown(end_at_a_border_means_not_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(end_inside_a_frame_fails_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_out_of_order_fail_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_that_come_twice_fail_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(count_at_its_cap_works_and_one_more_fails, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(foreign_frames_fail_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_depth_fails_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(file_whose_path_does_not_fit_fails_lost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(modules_of_a_function_are_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(function_without_its_parts_fails_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(module_whose_lengths_do_not_fit_fails_lost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(modules_over_their_cap_fail_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(call_over_the_total_cap_fails_limit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
