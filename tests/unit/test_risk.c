/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be granted without a word, with a reason, or never.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>
#include <sys/syscall.h>

#include "policies/risk.h"
#include "policies/text.h"
#include "sandbox/base/own.h"

static void names_resolve_to_numbers_of_x86_64(void **state)
{
    (void)state;
    assert_int_equal(cl_risk_number("read"), SYS_read);
    assert_int_equal(cl_risk_number("memfd_create"), SYS_memfd_create);
    assert_int_equal(cl_risk_number("socketcall"), -1); /* i386 only */
    assert_int_equal(cl_risk_number("waitpid"), -1);
    assert_int_equal(cl_risk_number("nonsense"), -1);
    assert_int_equal(cl_risk_number(""), -1);
}

static void unreviewed_call_needs_a_reason(void **state)
{
    (void)state;
    assert_int_equal(cl_risk_syscall("vmsplice")->class, CL_RISK_REASON);
    assert_int_equal(cl_risk_syscall("no_such_call")->class, CL_RISK_REASON);
    assert_int_equal(cl_risk_syscall("getppid")->class, CL_RISK_NONE);
}

static void ways_out_of_the_filter_are_never_granted(void **state)
{
    static const char *const never[] = { "ptrace",
                                         "clone3",
                                         "io_uring_setup",
                                         "rt_sigaction",
                                         "unshare",
                                         "setns",
                                         "mount",
                                         "bpf",
                                         "userfaultfd",
                                         "seccomp",
                                         "keyctl",
                                         "open_by_handle_at",
                                         "process_vm_writev",
                                         "shmget",
                                         "shmat",
                                         "semget",
                                         "msgget",
                                         "mq_open" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(never); i++) {
        const struct cl_risk *risk = cl_risk_syscall(never[i]);
        assert_int_equal(risk->class, CL_RISK_NEVER);
        assert_true(strlen(risk->why) > 5);
        assert_true(cl_risk_number(never[i]) >= 0);
    }
}

static void risky_modules_say_why(void **state)
{
    (void)state;
    assert_non_null(strstr(cl_risk_module("ctypes")->why, "native code"));
    assert_null(cl_risk_module("math"));
    assert_null(cl_risk_module("os.path"));
}

static void nearest_call_is_suggested(void **state)
{
    char nearest[64];

    (void)state;
    cl_risk_nearest("opnat", nearest, sizeof(nearest));
    assert_string_equal(nearest, "openat");
    cl_risk_nearest("gettime_ofday", nearest, sizeof(nearest));
    assert_string_equal(nearest, "gettimeofday");
    cl_risk_nearest("zzzzzzzzzzzzzz", nearest, sizeof(nearest));
    assert_string_equal(nearest, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_resolve_to_numbers_of_x86_64),
        cmocka_unit_test(unreviewed_call_needs_a_reason),
        cmocka_unit_test(ways_out_of_the_filter_are_never_granted),
        cmocka_unit_test(risky_modules_say_why),
        cmocka_unit_test(nearest_call_is_suggested),
    };

    return cmocka_run_group_tests_name("risk", tests, NULL, NULL);
}
