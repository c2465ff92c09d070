/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trapped system call becomes the final frame DENIED; a probe tells what the jail does.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "runtime/emit.h"
#include "runtime/learn.h"
#include "runtime/probe.h"
#include "runtime/sigsys.h"
#include "sandbox/base/own.h"

enum { UNNAMED = 400000 };

static int pair[2];

/* Traps all but what the handler itself, a probe and the test need. */
static void load_filter(void)
{
    static const uint32_t allowed[] = { SYS_write,        SYS_exit_group, SYS_futex,
                                        SYS_rt_sigreturn, SYS_lseek,      SYS_getpid,
                                        SYS_sigaltstack /* ASan, before _exit */ };
    struct sock_filter filter[2 * CL_COUNT(allowed) + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    struct sock_fprog program = { CL_COUNT(filter), filter };

    for (size_t i = 0; i < CL_COUNT(allowed); i++) {
        filter[1 + 2 * i] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        filter[2 + 2 * i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[CL_COUNT(filter) - 1] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(90);
}

static int run_filtered(void (*body)(void), char *bytes, size_t size, size_t *length)
{
    struct cl_err err = CL_ERR_INIT;
    int status = 0;

    *length = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct cl_frame_call caps = { .output_bytes = 100 };

        close(pair[0]);
        cl_emit_open(pair[1], &caps);
        if (cl_sigsys_install(&err) < 0)
            _exit(91);
        load_filter();
        body();
        _exit(42);
    }
    close(pair[1]);
    for (ssize_t got; (got = read(pair[0], bytes + *length, size - *length)) > 0;)
        *length += (size_t)got;
    close(pair[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void assert_denied(void (*body)(void), const char *name, const char *texts)
{
    struct cl_frame frame;
    struct cl_frame_denied denied;
    char bytes[512];
    size_t length;

    assert_int_equal(run_filtered(body, bytes, sizeof(bytes), &length), 0);
    assert_true(length > sizeof(frame) + sizeof(denied));
    memcpy(&frame, bytes, sizeof(frame));
    memcpy(&denied, bytes + sizeof(frame), sizeof(denied));
    assert_int_equal(frame.type, CL_F_DENIED);
    assert_int_equal(frame.length + sizeof(frame), length); /* and nothing behind it */
    assert_int_equal(denied.rule_length, 7);
    assert_int_equal(denied.name_length, strlen(name));
    assert_int_equal(length - sizeof(frame) - sizeof(denied), strlen(texts));
    assert_memory_equal(bytes + sizeof(frame) + sizeof(denied), texts, strlen(texts));
}

static void call_ptrace(void)
{
    syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void call_unnamed(void)
{
    syscall(UNNAMED);
}

static void call_i386(void)
{
    long number = 20; /* getpid there, writev here */

    __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
}

static void trapped_call_is_denied_by_name(void **state)
{
    (void)state;
    assert_denied(call_ptrace, "ptrace", "syscallptracesystem call ptrace is not allowed");
    assert_denied(call_unnamed, "400000", "syscall400000system call 400000 is not allowed");
}

static void trapped_foreign_call_is_denied_by_number(void **state)
{
    (void)state;
    assert_denied(call_i386, "20",
                  "syscall20system call 20 of a foreign architecture is not allowed");
}

static void sent_signal_is_no_refusal(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    int status = 0;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (cl_sigsys_install(&err) < 0)
            _exit(91);
        raise(SIGSYS);
        _exit(42);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void names_cover_the_table(void **state)
{
    (void)state;
    assert_string_equal(cl_sigsys_name(SYS_read), "read");
    assert_string_equal(cl_sigsys_name(SYS_ptrace), "ptrace");
    assert_string_equal(cl_sigsys_name(SYS_clone3), "clone3");
    assert_null(cl_sigsys_name(-1));
    assert_null(cl_sigsys_name(UNNAMED));
}

/* ---------------------------------------------------------------------------------- learning */

static void learn_twice(void)
{
    struct cl_policy policy;

    memset(&policy, 0, sizeof(policy));
    policy.flags = CL_POLICY_LEARN;
    cl_learn_prepare(&policy);
    if (syscall(SYS_ptrace, 0, 0, 0, 0) != -1 || errno != EPERM)
        _exit(43); /* nothing of the caller runs yet: refused, and not told */
    cl_learn_start();
    for (int i = 0; i < 2; i++) {
        if (syscall(SYS_ptrace, 0, 0, 0, 0) != -1 || errno != EPERM)
            _exit(44);
    }
}

static void learning_worker_goes_on_without_the_call_and_tells_once(void **state)
{
    static const char note[] = "learn syscall 101";
    const size_t head = sizeof(struct cl_frame) + sizeof(struct cl_frame_log);
    char bytes[512];
    size_t length;

    (void)state;
    assert_int_equal(run_filtered(learn_twice, bytes, sizeof(bytes), &length), 42);
    assert_int_equal(length, head + sizeof(note) - 1);
    assert_memory_equal(bytes + head, note, sizeof(note) - 1);
}

/* ------------------------------------------------------------------------------------ probes */

static void probe_allowed(void)
{
    struct cl_frame_probe probe = { .kind = CL_PROBE_SYSCALL,
                                    .number = SYS_lseek,
                                    .args = { 999, 0, SEEK_CUR } };
    struct cl_frame_probed probed;

    cl_probe_run(&probe, &probed);
    cl_emit_probed(&probed);
}

/* A probe that turned out to be a fork must not answer twice: only pid 1 of the jail does. */
static void probe_answers_from_the_init_of_a_jail_only(void **state)
{
    char bytes[256];
    size_t length;

    (void)state;
    assert_int_equal(run_filtered(probe_allowed, bytes, sizeof(bytes), &length), 0);
    assert_int_equal(length, 0);
}

static void probe_refused(void)
{
    struct cl_frame_probe probe = { .kind = CL_PROBE_SYSCALL, .number = SYS_mount };
    struct cl_frame_probed probed;

    cl_probe_run(&probe, &probed);
}

static void probe_of_a_refused_call_is_denied(void **state)
{
    (void)state;
    assert_denied(probe_refused, "mount", "syscallmountsystem call mount is not allowed");
}

static void probe_of_the_jail_tells_what_was_seen_at_entry(void **state)
{
    const struct cl_jail_seen seen = { 0x5, 1, 7, 8 };
    struct cl_frame_probe probe = { .kind = CL_PROBE_JAIL };
    struct cl_frame_probed before, after;

    (void)state;
    cl_probe_open(&seen);
    cl_probe_run(&probe, &before);
    int fd = open("/dev/null", O_RDONLY);
    cl_probe_run(&probe, &after);
    close(fd);
    assert_int_equal(before.sys, 0);
    assert_int_equal(before.pid, getpid());
    assert_int_equal(before.caps, 5);
    assert_int_equal(before.no_new_privs, 1);
    assert_int_equal(before.uid, 7);
    assert_int_equal(before.gid, 8);
    assert_int_equal(after.fd_count, before.fd_count + 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(trapped_call_is_denied_by_name),
        cmocka_unit_test(trapped_foreign_call_is_denied_by_number),
        cmocka_unit_test(sent_signal_is_no_refusal),
        cmocka_unit_test(names_cover_the_table),
        cmocka_unit_test(learning_worker_goes_on_without_the_call_and_tells_once),
        cmocka_unit_test(probe_answers_from_the_init_of_a_jail_only),
        cmocka_unit_test(probe_of_a_refused_call_is_denied),
        cmocka_unit_test(probe_of_the_jail_tells_what_was_seen_at_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
