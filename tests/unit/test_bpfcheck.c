/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters: what seccomp takes, and nothing else.
 * Runs in: tests only; the kernel is asked for its opinion in a child.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/bpfcheck.h"
#include "sandbox/base/own.h"

#define ALLOW  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD_0 BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)

/* What the kernel says of a program; installing it needs a child. */
static int kernel_takes(const struct sock_filter *program, size_t count)
{
    struct sock_fprog prog = { (unsigned short)count,
                               (struct sock_filter *)(uintptr_t)program };
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
        syscall(SYS_exit_group, result == 0 ? 0 : errno);
        __builtin_trap(); /* it forbids its own exit: it was taken */
    }
    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == EINVAL ? 0 : 1;
}

static const struct {
    const char *name;
    struct sock_filter steps[4];
    size_t count;
} good[] = {
    { "return", { ALLOW }, 1 },
    { "errno", { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 13), ALLOW }, 2 },
    { "last word", { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 60), ALLOW }, 2 },
    { "length", { BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), ALLOW }, 2 },
    { "last cell",
      { LOAD_0, BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LDX | BPF_MEM, 15), ALLOW },
      4 },
    { "arithmetic",
      { LOAD_0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 1), BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 31),
        ALLOW },
      4 },
    { "jump to the end", { BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW, ALLOW }, 3 },
    { "branch to the end",
      { LOAD_0, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), ALLOW, ALLOW },
      4 },
    { "registers", { LOAD_0, BPF_STMT(BPF_MISC | BPF_TAX, 0), ALLOW }, 3 },
};

static const struct {
    const char *name;
    struct sock_filter steps[4];
    size_t count;
} bad[] = {
    { "no return", { LOAD_0 }, 1 },
    { "return in the middle only", { ALLOW, LOAD_0 }, 2 },
    { "past the words", { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW }, 2 },
    { "between words", { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW }, 2 },
    { "byte load", { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), ALLOW }, 2 },
    { "indirect load", { BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), ALLOW }, 2 },
    { "cell 16", { LOAD_0, BPF_STMT(BPF_ST, 16), ALLOW }, 3 },
    { "division by 0", { LOAD_0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW }, 3 },
    { "modulo", { LOAD_0, BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 2), ALLOW }, 3 },
    { "shift by 32", { LOAD_0, BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 32), ALLOW }, 3 },
    { "jump past the end", { BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW }, 2 },
    { "jump around", { BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), ALLOW }, 2 },
    { "true branch past the end",
      { LOAD_0, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0), ALLOW },
      3 },
    { "false branch past the end",
      { LOAD_0, BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 1, 0, 1), ALLOW },
      3 },
    { "unknown opcode", { { 0xffff, 0, 0, 0 }, ALLOW }, 2 },
};

static void good_filters_are_taken_by_us_and_the_kernel(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(good); i++) {
        if (cl_bpfcheck_run(good[i].steps, good[i].count, &err) < 0)
            fail_msg("%s: %s", good[i].name, err.text);
        if (kernel_takes(good[i].steps, good[i].count) != 1)
            fail_msg("%s: the kernel refuses it", good[i].name);
    }
}

static void bad_filters_are_refused_by_us_and_the_kernel(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad); i++) {
        err.kind = CL_E_NONE;
        if (cl_bpfcheck_run(bad[i].steps, bad[i].count, &err) == 0 || err.kind != CL_E_INPUT)
            fail_msg("%s: not refused", bad[i].name);
        if (kernel_takes(bad[i].steps, bad[i].count) != 0)
            fail_msg("%s: the kernel takes it", bad[i].name);
    }
}

static void every_opcode_is_judged_as_the_kernel_does(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (uint32_t code = 0; code < 0x100; code++) {
        bool is_return = BPF_CLASS(code) == BPF_RET;
        struct sock_filter step = { (uint16_t)code, 0, 0, is_return ? SECCOMP_RET_ALLOW : 0 };
        /* A and X are not 0: a division by X would kill the thread that exits. */
        struct sock_filter steps[] = {
            LOAD_0, BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LDX | BPF_IMM, 1), step, ALLOW, ALLOW
        };
        int ours = cl_bpfcheck_run(steps, CL_COUNT(steps), &err) == 0;

        /* Stricter by intent: a computed action. */
        if (code == (BPF_RET | BPF_A)) {
            assert_int_equal(ours, 0);
            continue;
        }
        int kernels = kernel_takes(steps, CL_COUNT(steps));
        if (ours != kernels)
            fail_msg("opcode 0x%02x: we say %d, the kernel %d", code, ours, kernels);
    }
}

static void actions_that_ask_another_process_are_refused(void **state)
{
    static const struct {
        uint32_t action;
        int result;
    } actions[] = {
        { SECCOMP_RET_KILL_PROCESS, 0 },
        { SECCOMP_RET_KILL_THREAD, 0 },
        { SECCOMP_RET_TRAP, 0 },
        { SECCOMP_RET_ERRNO | 1, 0 },
        { SECCOMP_RET_LOG, 0 },
        { SECCOMP_RET_ALLOW, 0 },
        { SECCOMP_RET_TRACE, -1 },
        { SECCOMP_RET_USER_NOTIF, -1 },
        { 0x12340000, -1 },
    };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(actions); i++) {
        struct sock_filter step = BPF_STMT(BPF_RET | BPF_K, actions[i].action);
        assert_int_equal(cl_bpfcheck_run(&step, 1, &err), actions[i].result);
    }
}

static void lengths_outside_of_the_kernels_are_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_free_auto struct sock_filter *steps = calloc(BPF_MAXINSNS + 1, sizeof(*steps));

    (void)state;
    assert_non_null(steps);
    for (size_t i = 0; i <= BPF_MAXINSNS; i++)
        steps[i] = (struct sock_filter)ALLOW;
    assert_fails(cl_bpfcheck_run(steps, 0, &err), &err, CL_E_INPUT);
    assert_works(cl_bpfcheck_run(steps, BPF_MAXINSNS, &err), &err);
    assert_fails(cl_bpfcheck_run(steps, BPF_MAXINSNS + 1, &err), &err, CL_E_INPUT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_filters_are_taken_by_us_and_the_kernel),
        cmocka_unit_test(bad_filters_are_refused_by_us_and_the_kernel),
        cmocka_unit_test(every_opcode_is_judged_as_the_kernel_does),
        cmocka_unit_test(actions_that_ask_another_process_are_refused),
        cmocka_unit_test(lengths_outside_of_the_kernels_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
