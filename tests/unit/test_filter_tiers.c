/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the kernel about the filters of the other tiers: what they open works, what they must not
 * open stays shut.
 * Runs in: the unit tests, without privilege.
 * Trusts: nothing.
 */
#include "tests/support/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "sandbox/base/own.h"

#define X32 0x40000000

/* With every tier on: what they open, and what stays shut. */
static const struct probe tier_probes[] = {
    { "clone", { SIGCHLD }, EPERM },
    { "clone", { 0x3d0f00 | CLONE_NEWUSER }, EPERM },
    { "clone", { (0x3d0f00 & ~CLONE_THREAD) }, EPERM },
    { "clone", { 0x3d0f00 | PROBE_DIRT }, EPERM },
    { "clone3", { 0 }, ENOSYS },
    { "mmap", { 0, 4096, 5, MAP_PRIVATE, ~0u }, EBADF },
    { "mmap", { 0, 4096, 5, MAP_PRIVATE | MAP_ANONYMOUS, ~0u }, EACCES },
    { "mmap", { 0, 4096, 7, MAP_PRIVATE, ~0u }, EACCES },
    { "mmap", { 0, 4096, 7 | PROBE_DIRT, MAP_PRIVATE | PROBE_DIRT, ~0u }, EACCES },
    { "mprotect", { PROBE_HERE, 4096, 5 }, EACCES },
    { "socketpair", { AF_UNIX, SOCK_STREAM, 0, 1 }, EFAULT },
    { "socketpair", { AF_UNIX, SOCK_DGRAM, 0, 1 }, PROBE_TRAPPED },
    { "socketpair", { AF_VSOCK, SOCK_STREAM, 0, 1 }, EPERM },
    { "socketpair", { AF_UNIX | PROBE_DIRT, SOCK_STREAM, 0, 1 }, EPERM },
    { "socket", { AF_UNIX, SOCK_STREAM }, EPERM },
    { "sendto", { ~0u, 0, 0, 0, 0, 0 }, EBADF },
    { "sendto", { ~0u, 0, 0, 0, PROBE_HERE, 0 }, EPERM },
    { "ioctl", { ~0u, TCGETS }, EBADF },
    { "ioctl", { ~0u, FIONBIO }, EBADF },
    { "ioctl", { ~0u, FIOCLEX }, EBADF },
    { "ioctl", { ~0u, TIOCGWINSZ }, ENOTTY },
    { "ioctl", { ~0u, TIOCSTI }, PROBE_TRAPPED },
    { "ioctl", { ~0u, TIOCLINUX | PROBE_DIRT }, PROBE_TRAPPED },
    { "fcntl", { ~0u, F_GETFL }, EBADF },
    { "fcntl", { ~0u, F_DUPFD_CLOEXEC }, EBADF },
    { "fcntl", { ~0u, F_SETPIPE_SZ }, EPERM },
    { "fcntl", { ~0u, F_SETOWN | PROBE_DIRT }, EPERM },
    { "fcntl", { ~0u, F_NOTIFY }, EPERM },
    { "fcntl", { ~0u, F_SETSIG }, PROBE_TRAPPED },
    { "prlimit64", { 0, 7, 0, PROBE_HERE }, PROBE_DONE },
    { "prlimit64", { 0, 7, PROBE_HERE, 0 }, EPERM },
    { "prlimit64", { 1, 7, 0, PROBE_HERE }, PROBE_TRAPPED },
    { "prctl", { PR_SET_DUMPABLE, 1 }, EPERM },
    { "rt_sigaction", { SIGSYS | PROBE_DIRT, 0, 0, 8 }, PROBE_KILLED },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_RDONLY }, EFAULT },
    { "symlink", { 0 }, EACCES },
    { "execve", { 0 }, EPERM },
    { "ptrace", { 0 }, PROBE_TRAPPED },
};

static const struct probe late_probes[] = {
    { "openat", { (uint64_t)AT_FDCWD, 0, O_RDONLY | O_CLOEXEC }, EFAULT },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_WRONLY }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_RDWR }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_CREAT }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_TRUNC }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_TMPFILE | O_WRONLY }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_RDWR | PROBE_DIRT }, EACCES },
    { "ftruncate", { 0 }, EPERM },
};

static const struct probe bind_probes[] = {
    { "openat", { (uint64_t)AT_FDCWD, 0, O_RDONLY | O_DIRECTORY | O_CLOEXEC }, EFAULT },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_WRONLY }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_RDWR | PROBE_DIRT }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_CREAT }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_TRUNC }, EACCES },
    { "openat", { (uint64_t)AT_FDCWD, 0, O_TMPFILE | O_WRONLY }, EACCES },
    { "getdents64", { ~0u }, EBADF },
    { "mmap", { 0, 4096, 5, MAP_PRIVATE, ~0u }, EACCES },
    { "ftruncate", { 0 }, EPERM },
};

static const struct probe shared_probes[] = {
    { "openat", { (uint64_t)AT_FDCWD, 0, O_RDWR | O_CREAT }, EFAULT },
    { "flock", { ~0u, LOCK_SH }, EPERM },
    { "fcntl", { ~0u, F_GETLK }, EPERM },
    { "fcntl", { ~0u, F_SETLK | PROBE_DIRT }, EPERM },
    { "fcntl", { ~0u, F_SETLKW }, EPERM },
    { "fcntl", { ~0u, F_GETFD }, EBADF },
};

static const struct probe private_probes[] = {
    { "flock", { ~0u, LOCK_SH }, EBADF },
    { "fcntl", { ~0u, F_GETLK }, EBADF },
    { "fcntl", { ~0u, F_SETLK }, EBADF },
    { "fcntl", { ~0u, F_SETLKW }, EBADF },
};

/* Where the vDSO can't tell the time, it asks; the clocks of tasks and of devices it never tells. */
#define DEVICE_CLOCK ((~(uint64_t)3 << 3 | 3) & UINT32_MAX) /* FD_TO_CLOCKID(3) */
static const struct probe timeless_probes[] = {
    { "clock_gettime", { CLOCK_REALTIME, PROBE_HERE }, PROBE_DONE },
    { "clock_gettime", { CLOCK_MONOTONIC, PROBE_HERE }, PROBE_DONE },
    { "clock_gettime", { CLOCK_MONOTONIC | PROBE_DIRT, PROBE_HERE }, PROBE_DONE },
    { "clock_gettime", { CLOCK_MONOTONIC_RAW, PROBE_HERE }, PROBE_DONE },
    { "clock_gettime", { CLOCK_BOOTTIME, PROBE_HERE }, PROBE_DONE },
    { "clock_gettime", { CLOCK_TAI, PROBE_HERE }, PROBE_DONE },
    { "clock_gettime", { CLOCK_PROCESS_CPUTIME_ID, PROBE_HERE }, PROBE_TRAPPED },
    { "clock_gettime", { CLOCK_THREAD_CPUTIME_ID, PROBE_HERE }, PROBE_TRAPPED },
    { "clock_gettime", { DEVICE_CLOCK, PROBE_HERE }, PROBE_TRAPPED },
    { "clock_nanosleep", { CLOCK_MONOTONIC }, PROBE_TRAPPED },
    { "clock_settime", { CLOCK_REALTIME }, PROBE_TRAPPED },
    { "getrandom", { PROBE_HERE, 16, 0 }, PROBE_TRAPPED },
};

static void load_words(const char *const *words, size_t count, const char *const *binds)
{
    static const struct cl_place nowhere;
    static struct cl_doc doc = { .name = "tiers" };
    struct cl_spec *spec = cl_spec_new(&doc);

    cl_items_fini(&spec->tiers);
    for (size_t i = 0; i < count; i++)
        cl_items_add(&spec->tiers, words[i], nowhere);
    for (; binds && *binds; binds++)
        cl_items_add(&spec->binds, *binds, nowhere);
    probe_make(spec);
    cl_spec_free(spec);
}

static void load_tiers(const char *const *words, size_t count)
{
    load_words(words, count, NULL);
}

static const char *const all_tiers[] = { "compute", "time",         "threads",
                                         "asyncio", "late_imports", "tmp_files" };

static void all_tiers_together_answer_each_probe(void **state)
{
    (void)state;
    load_tiers(all_tiers, CL_COUNT(all_tiers));
    probe_rows(tier_probes, CL_COUNT(tier_probes));
}

static void late_imports_open_for_reading_only(void **state)
{
    static const char *const words[] = { "compute", "late_imports" };

    (void)state;
    load_tiers(words, CL_COUNT(words));
    probe_rows(late_probes, CL_COUNT(late_probes));
}

static void compute_alone_has_the_clocks_of_the_vdso(void **state)
{
    static const char *const words[] = { "compute" };

    (void)state;
    load_tiers(words, CL_COUNT(words));
    probe_rows(timeless_probes, CL_COUNT(timeless_probes));
}

static void binds_open_for_reading_only(void **state)
{
    static const char *const words[] = { "compute" };
    static const char *const binds[] = { "/srv/models", "/models", NULL };

    (void)state;
    load_words(words, CL_COUNT(words), binds);
    probe_rows(bind_probes, CL_COUNT(bind_probes));
}

/* A lock on a file of the host would be felt by whoever else uses it. */
static void locks_are_for_private_files_only(void **state)
{
    static const char *const words[] = { "compute", "tmp_files" };
    static const char *const binds[] = { "/srv/models", "/models", NULL };

    (void)state;
    load_words(words, CL_COUNT(words), binds);
    probe_rows(shared_probes, CL_COUNT(shared_probes));
    load_words(words, CL_COUNT(words), NULL);
    probe_rows(private_probes, CL_COUNT(private_probes));
}

static void x32_numbers_kill_in_every_policy(void **state)
{
    static const uint64_t none[6];

    (void)state;
    load_tiers(all_tiers, CL_COUNT(all_tiers));
    assert_int_equal(probe_number(X32 | SYS_getpid, none), PROBE_KILLED);
    assert_int_equal(probe_number(X32 | SYS_write, none), PROBE_KILLED);
    assert_int_equal(probe_number(X32 | 520, none), PROBE_KILLED); /* x32's execve */
}

static void interrupt_0x80_kills_in_every_policy(void **state)
{
    (void)state;
    load_tiers(all_tiers, CL_COUNT(all_tiers));
    for (int number = 0; number < 32; number++) {
        pid_t child = fork();
        if (child == 0) {
            probe_load();
            int result = number;
            __asm__ volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
            probe_leave(PROBE_DONE);
        }
        assert_int_equal(probe_end(child), PROBE_KILLED);
    }
}

static void *add_one(void *number)
{
    ++*(int *)number;
    return NULL;
}

static void threads_tier_runs_threads(void **state)
{
    static const char *const words[] = { "compute", "time", "threads" };

    (void)state;
    load_tiers(words, CL_COUNT(words));
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        int number = 41;
        probe_load();
        if (pthread_create(&thread, NULL, add_one, &number) != 0 ||
            pthread_join(thread, NULL) != 0)
            probe_leave(1);
        probe_leave(number);
    }
    assert_int_equal(probe_end(child), 42);
}

static void asyncio_tier_wakes_an_event_loop(void **state)
{
    static const char *const words[] = { "compute", "time", "asyncio" };

    (void)state;
    load_tiers(words, CL_COUNT(words));
    pid_t child = fork();
    if (child == 0) {
        struct epoll_event event = { .events = EPOLLIN };
        int pair[2], on = 1;
        char byte = 0;
        probe_load();
        int loop = epoll_create1(EPOLL_CLOEXEC);
        if (loop < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
            ioctl(pair[0], FIONBIO, &on) < 0 ||
            epoll_ctl(loop, EPOLL_CTL_ADD, pair[0], &event) < 0 ||
            send(pair[1], "x", 1, 0) != 1)
            probe_leave(1);
        if (epoll_wait(loop, &event, 1, -1) != 1 || recv(pair[0], &byte, 1, 0) != 1)
            probe_leave(2);
        probe_leave(byte);
    }
    assert_int_equal(probe_end(child), 'x');
}

static void tmp_files_tier_keeps_files(void **state)
{
    static const char *const words[] = { "compute", "tmp_files" };
    char folder[] = "/tmp/cloche-probe-XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    load_tiers(words, CL_COUNT(words));
    pid_t child = fork();
    if (child == 0) {
        char text[4] = "";
        probe_load();
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0 || write(file, "abc", 3) != 3 || lseek(file, 0, SEEK_SET) != 0)
            probe_leave(1);
        if (read(file, text, 3) != 3 || ftruncate(file, 1) < 0 || close(file) < 0)
            probe_leave(2);
        probe_leave(unlink(path) < 0 ? 3 : text[2]);
    }
    assert_int_equal(probe_end(child), 'c');
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tiers_together_answer_each_probe),
        cmocka_unit_test(late_imports_open_for_reading_only),
        cmocka_unit_test(compute_alone_has_the_clocks_of_the_vdso),
        cmocka_unit_test(binds_open_for_reading_only),
        cmocka_unit_test(locks_are_for_private_files_only),
        cmocka_unit_test(x32_numbers_kill_in_every_policy),
        cmocka_unit_test(interrupt_0x80_kills_in_every_policy),
        cmocka_unit_test(threads_tier_runs_threads),
        cmocka_unit_test(asyncio_tier_wakes_an_event_loop),
        cmocka_unit_test(tmp_files_tier_keeps_files),
    };

    return cmocka_run_group_tests_name("filter_tiers", tests, NULL, NULL);
}
