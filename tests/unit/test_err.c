/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: filled in one place, bounded, and harmless when they come from a weaker process.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail_records_kind_place_and_text(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    errno = ENOENT;
    assert_int_equal(cl_fail(&err, CL_E_INPUT, "bad %s at %d", "key", 7), -1);
    int line = __LINE__ - 1;

    assert_int_equal(err.kind, CL_E_INPUT);
    assert_int_equal(err.sys, 0);
    assert_int_equal(err.line, line);
    assert_string_equal(err.file, "tests/unit/test_err.c");
    assert_string_equal(err.text, "bad key at 7");
    assert_int_equal(errno, ENOENT);
}

static void fail_sys_keeps_errno_and_its_words(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    errno = EACCES;
    cl_fail(&err, CL_E_SYS, "open %s", "x");
    assert_int_equal(err.sys, EACCES);
    assert_int_equal(errno, EACCES);
    assert_string_equal(err.text, "open x: Permission denied");

    errno = 4000;
    cl_fail(&err, CL_E_SYS, "open x");
    assert_string_equal(err.text, "open x: errno 4000");

    errno = 0;
    cl_fail(&err, CL_E_SYS, "open x");
    assert_string_equal(err.text, "open x");
}

static void fail_forgets_the_fault_before(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    errno = EIO;
    cl_fail(&err, CL_E_SYS, "a long text about the first fault");
    cl_fail(&err, CL_E_BUSY, "second");
    assert_int_equal(err.sys, 0);
    for (size_t i = strlen("second"); i < sizeof(err.text); i++)
        assert_int_equal(err.text[i], 0);
}

static void fail_cuts_long_text_and_the_front_of_a_long_path(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char longest[512];

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cl_err_set(&err, CL_E_LIMIT, "a/very/long/path/to/some/module/inner.c", 1, "%s", longest);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_string_equal(err.file, "path/to/some/module/inner.c");
    assert_int_equal(strlen(err.file), sizeof(err.file) - 1);
}

static void context_goes_in_front(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    cl_fail(&err, CL_E_LOST, "gone");
    assert_int_equal(cl_err_context(&err, "worker %d", 3), -1);
    assert_int_equal(cl_err_context(&err, "pool"), -1);
    assert_string_equal(err.text, "pool: worker 3: gone");
    assert_int_equal(err.kind, CL_E_LOST);
}

static void context_never_pushes_out_the_fault(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char longest[512];

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cl_fail(&err, CL_E_LOST, "gone");
    cl_err_context(&err, "%s", longest);
    assert_non_null(strstr(err.text, "x: gone"));

    cl_fail(&err, CL_E_LOST, "%s", longest);
    cl_err_context(&err, "pool");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "pool: xxx", 9);
}

static void distrust_drops_place_and_control_bytes(void **state)
{
    struct cl_err err;

    (void)state;
    memset(&err, 'A', sizeof(err));
    err.kind = CL_E_LIMIT;
    err.sys = EPERM;
    err.line = 12;
    memcpy(err.text, "a\nb\x1b[0m\x7f\xff", 9);
    cl_err_distrust(&err);

    assert_int_equal(err.kind, CL_E_LIMIT);
    assert_int_equal(err.sys, EPERM);
    assert_int_equal(err.line, 0);
    assert_string_equal(err.file, "");
    assert_memory_equal(err.text, "a?b?[0m??AAA", 12);
    assert_int_equal(err.text[sizeof(err.text) - 1], 0);
}

static void distrust_makes_unknown_kinds_lost(void **state)
{
    static const uint32_t kinds[] = { CL_E_NONE, CL_E_SYS + 1, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct cl_err err = { kinds[i], -5, 0, { 0 }, "x\0hidden" };
        cl_err_distrust(&err);
        assert_int_equal(err.kind, CL_E_LOST);
        assert_int_equal(err.sys, 0);
        assert_int_equal(err.text[2], 0);
    }

    struct cl_err err = { CL_E_SYS, 4096, 0, { 0 }, "x" };
    cl_err_distrust(&err);
    assert_int_equal(err.kind, CL_E_SYS);
    assert_int_equal(err.sys, 0);
}

static void every_kind_has_its_name(void **state)
{
    static const char *const names[] = { "none", "input", "denied", "limit",
                                         "busy", "lost",  "sys",    "unknown" };

    (void)state;
    for (uint32_t kind = CL_E_NONE; kind <= CL_E_SYS + 1; kind++)
        assert_string_equal(cl_err_kind_name(kind), names[kind]);
}

static void check_is_silent_when_it_holds_and_aborts_when_not(void **state)
{
    char line[512] = "";
    int ends[2];
    int status;

    (void)state;
    CL_CHECK(1 + 1 == 2);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        CL_CHECK(1 + 1 == 3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    assert_non_null(strstr(line, "error cloche check.failed expression=\"1 + 1 == 3\""));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_records_kind_place_and_text),
        cmocka_unit_test(fail_sys_keeps_errno_and_its_words),
        cmocka_unit_test(fail_forgets_the_fault_before),
        cmocka_unit_test(fail_cuts_long_text_and_the_front_of_a_long_path),
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(context_never_pushes_out_the_fault),
        cmocka_unit_test(distrust_drops_place_and_control_bytes),
        cmocka_unit_test(distrust_makes_unknown_kinds_lost),
        cmocka_unit_test(every_kind_has_its_name),
        cmocka_unit_test(check_is_silent_when_it_holds_and_aborts_when_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
