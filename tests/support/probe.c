/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one system call in a process of its own and tells how that went.
 * Runs in: the unit tests, without privilege.
 * Trusts: nothing.
 */
#include "tests/support/probe.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "policies/risk.h"

enum { TRAP_STATUS = 200 };

char probe_page[4096] __attribute__((aligned(4096)));

static struct cl_filter filters[2];
static size_t filter_count;

void probe_make(const struct cl_spec *spec)
{
    struct cl_err err = CL_ERR_INIT;
    bool splits = cl_filter_splits(spec);

    filter_count = splits ? 2 : 1;
    assert_works(
        cl_filter_make(spec, splits ? CL_FILTER_ZYGOTE : CL_FILTER_WHOLE, &filters[0], &err),
        &err);
    if (splits)
        assert_works(cl_filter_make(spec, CL_FILTER_WORKER, &filters[1], &err), &err);
}

long probe_raw(uint64_t number, const uint64_t args[6])
{
    register uint64_t a4 __asm__("r10") = args[3];
    register uint64_t a5 __asm__("r8") = args[4];
    register uint64_t a6 __asm__("r9") = args[5];
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(a4), "r"(a5),
                       "r"(a6)
                     : "rcx", "r11", "memory");
    return result;
}

_Noreturn void probe_leave(int status)
{
    const uint64_t args[6] = { (uint64_t)status };

    for (;;)
        probe_raw(SYS_exit_group, args);
}

static void on_sigsys(int signal)
{
    (void)signal;
    probe_leave(TRAP_STATUS);
}

void probe_load(void)
{
    if (signal(SIGSYS, on_sigsys) == SIG_ERR || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        probe_leave(PROBE_SETUP);
    for (size_t i = 0; i < filter_count; i++) {
        struct sock_fprog program = { (unsigned short)filters[i].count, filters[i].steps };
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
            probe_leave(PROBE_SETUP);
    }
}

int probe_end(pid_t child)
{
    int status = 0;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return PROBE_KILLED;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
        return PROBE_SEGFAULT;
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), PROBE_SETUP);
    return WEXITSTATUS(status) == TRAP_STATUS ? PROBE_TRAPPED : WEXITSTATUS(status);
}

int probe_number(uint64_t number, const uint64_t args[6])
{
    pid_t child = fork();

    if (child == 0) {
        probe_load();
        long result = probe_raw(number, args);
        probe_leave(result < 0 && result > -4096 ? (int)-result : PROBE_DONE);
    }
    return probe_end(child);
}

void probe_rows(const struct probe *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = cl_risk_number(rows[i].name);
        assert_true(number >= 0);
        int got = probe_number((uint64_t)number, rows[i].args);
        if (got != rows[i].wanted)
            fail_msg("%s(%lx, %lx, %lx, %lx): %d, not %d", rows[i].name, rows[i].args[0],
                     rows[i].args[1], rows[i].args[2], rows[i].args[3], got, rows[i].wanted);
    }
}
