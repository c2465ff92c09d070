/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API cannot do any more once it is confined.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "api/confine.h"
#include "sandbox/base/own.h"

static int store_fd = -1; /* as cloche-api has it, or none */

/* Runs `try` confined, in a child. Its exit status, or 1000 + the signal that ended it. */
static int confined(int (*try)(void))
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        struct cl_err err = CL_ERR_INIT;

        _exit(cl_confine_files(store_fd, &err) < 0 || cl_confine_calls(store_fd, &err) < 0
                  ? 99
                  : try());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int serve(void)
{
    int pair[2];
    char *memory =
        mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char byte = 0;

    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ) < 0 || !malloc(1 << 22))
        return 1;
    /* socketpair is not among the calls that are left: use an inherited one. */
    pair[0] = 3;
    int waiting = 0;

    if (ioctl(pair[0], FIONREAD, &waiting) < 0 || waiting != 1)
        return 3;
    if (ioctl(pair[0], FIOASYNC, &waiting) == 0)
        return 4;
    return read(pair[0], &byte, 1) == 1 && write(pair[0], &byte, 1) == 1 ? 0 : 2;
}

static void it_serves_what_it_has(void **state)
{
    int pair[2];
    char byte = 'x';

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_true(dup2(pair[0], 3) == 3 || pair[1] == 3);
    assert_int_equal(write(pair[1] == 3 ? pair[0] : pair[1], &byte, 1), 1);
    assert_int_equal(confined(serve), 0);
}

static int try_open(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && (errno == EPERM || errno == EACCES) ? 0 : 1;
}

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int try_kill(void)
{
    return kill(getppid(), 0) < 0 && errno == EPERM ? 0 : 1;
}

static int try_setuid(void)
{
    return setuid(12345) < 0 && errno == EPERM ? 0 : 1;
}

static int try_unlink(void)
{
    return unlink("/tmp/nothing") < 0 && errno == EPERM ? 0 : 1;
}

static int try_x32(void)
{
    return syscall(0x40000000 + SYS_getpid) < 0 ? 0 : 1;
}

static void files_sockets_and_signals_are_refused(void **state)
{
    static int (*const tries[])(void) = { try_open,   try_socket, try_kill,
                                          try_setuid, try_unlink, try_x32 };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(tries); i++) {
        if (confined(tries[i]) != 0)
            fail_msg("try %zu was let through", i);
    }
}

static int try_exec(void)
{
    execl("/bin/true", "true", NULL);
    return 0;
}

static int try_fork(void)
{
    return fork() < 0 ? 0 : 1;
}

static int try_vfork(void)
{
    return (int)syscall(SYS_fork);
}

static int try_ptrace(void)
{
    return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int try_mmap_exec(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != NULL;
}

static int try_mprotect_exec(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static void what_only_an_intruder_does_kills(void **state)
{
    static int (*const tries[])(void) = { try_exec, try_vfork, try_ptrace, try_mmap_exec,
                                          try_mprotect_exec };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(tries); i++) {
        if (confined(tries[i]) != 1000 + SIGSYS)
            fail_msg("try %zu was let through", i);
    }
    assert_int_equal(confined(try_fork), 0);
}

static int look(void)
{
    struct rlimit core;

    /* Asking is not allowed any more, which is as good an answer. */
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 || getrlimit(RLIMIT_CORE, &core) == 0)
        return 1;
    return 0;
}

static void nothing_can_be_asked_or_undone(void **state)
{
    (void)state;
    assert_int_equal(confined(look), 0);
}

/* A sanitizer needs what is given up; the other variants run this. */
#ifdef CL_ASAN
static const int is_sanitized = 1;
#else
static const int is_sanitized = 0;
#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_what_it_has),
        cmocka_unit_test(files_sockets_and_signals_are_refused),
        cmocka_unit_test(what_only_an_intruder_does_kills),
        cmocka_unit_test(nothing_can_be_asked_or_undone),
    };

    return is_sanitized ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
