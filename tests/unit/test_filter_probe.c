/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the kernel about the default policy's filter: every row that counts has a probe.
 * Runs in: the unit tests, without privilege.
 * Trusts: nothing.
 */
#include "tests/support/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "policies/set.h"
#include "sandbox/base/own.h"

enum { EXIT_PROBE = 77 };

static struct timespec no_time;

/* Every row of the default policy, in its order, and tricks with them. */
static const struct probe probes[] = {
    { "read", { ~0u }, EBADF },
    { "write", { ~0u }, EBADF },
    { "exit_group", { EXIT_PROBE }, EXIT_PROBE },
    { "brk", { 0 }, PROBE_DONE },
    { "munmap", { 1, 1 }, EINVAL },
    { "mremap", { 1, 1 }, EINVAL },
    { "rt_sigreturn", { 0 }, PROBE_SEGFAULT },
    { "close", { ~0u }, EBADF },
    { "lseek", { ~0u }, EBADF },
    { "fstat", { ~0u }, EBADF },
    { "exit", { EXIT_PROBE }, EXIT_PROBE },
    { "getpid", { 0 }, PROBE_DONE },
    { "gettid", { 0 }, PROBE_DONE },
    { "uname", { PROBE_HERE }, PROBE_DONE },
    { "rt_sigprocmask", { SIG_BLOCK, 0, 0, 8 }, PROBE_DONE },
    { "sigaltstack", { 0, 0 }, PROBE_DONE },
    { "sched_yield", { 0 }, PROBE_DONE },
    { "restart_syscall", { 0 }, EINTR },

    { "mmap",
      { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0u },
      PROBE_DONE },
    { "mmap", { 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~0u }, EACCES },
    { "mmap", { 0, 4096, PROT_EXEC | PROBE_DIRT, MAP_PRIVATE | MAP_ANONYMOUS, ~0u }, EACCES },
    { "mmap", { 0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, ~0u }, EACCES },
    { "mmap", { 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, ~0u }, ENOMEM },
    { "mprotect", { PROBE_HERE, 4096, PROT_READ | PROT_WRITE }, PROBE_DONE },
    { "mprotect", { PROBE_HERE, 4096, PROT_READ | PROT_EXEC }, EACCES },
    { "mprotect", { PROBE_HERE, 4096, PROT_EXEC | PROBE_DIRT }, EACCES },

    { "rt_sigaction", { SIGINT, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { 64, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { 63, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { 30, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { 29, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { 27, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { 23, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { 15, 0, 0, 8 }, PROBE_DONE },
    { "rt_sigaction", { SIGSYS, 0, 0, 8 }, PROBE_KILLED },
    { "rt_sigaction", { SIGSYS | PROBE_DIRT, 0, 0, 8 }, PROBE_KILLED },
    { "rt_sigaction", { SIGSYS | 1ull << 63, 0, 0, 8 }, PROBE_KILLED },

    { "futex", { PROBE_HERE, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1 }, EAGAIN },
    { "futex", { PROBE_HERE, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1 }, PROBE_DONE },
    { "futex", { PROBE_HERE, FUTEX_REQUEUE, 0, 0, PROBE_HERE + 8 }, PROBE_DONE },
    { "futex", { PROBE_HERE, FUTEX_CMP_REQUEUE, 0, 0, PROBE_HERE + 8, 1 }, EAGAIN },
    { "futex", { PROBE_HERE, FUTEX_WAKE_OP, 0, 0, PROBE_HERE + 8, 0 }, PROBE_DONE },
    { "futex", { PROBE_HERE, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, 0, 0, ~0u }, EAGAIN },
    { "futex", { PROBE_HERE, FUTEX_WAKE_BITSET, 1, 0, 0, ~0u }, PROBE_DONE },
    { "futex", { PROBE_HERE, FUTEX_LOCK_PI }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_LOCK_PI | PROBE_DIRT }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_LOCK_PI_PRIVATE }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_UNLOCK_PI }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_TRYLOCK_PI }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_WAIT_REQUEUE_PI }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_CMP_REQUEUE_PI }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_LOCK_PI2 }, ENOSYS },
    { "futex", { PROBE_HERE, FUTEX_FD }, PROBE_TRAPPED },

    { "madvise", { PROBE_HERE, 4096, MADV_NORMAL }, PROBE_DONE },
    { "madvise", { PROBE_HERE, 4096, MADV_RANDOM }, PROBE_DONE },
    { "madvise", { PROBE_HERE, 4096, MADV_SEQUENTIAL }, PROBE_DONE },
    { "madvise", { 1, 4096, MADV_WILLNEED }, EINVAL },
    { "madvise", { PROBE_HERE, 4096, MADV_DONTNEED }, PROBE_DONE },
    { "madvise", { 1, 4096, MADV_FREE }, EINVAL },
    { "madvise", { PROBE_HERE, 4096, MADV_DONTDUMP }, PROBE_DONE },
    { "madvise", { PROBE_HERE, 4096, MADV_MERGEABLE }, EINVAL },
    { "madvise", { PROBE_HERE, 4096, MADV_UNMERGEABLE }, EINVAL },
    { "madvise", { PROBE_HERE, 4096, MADV_HUGEPAGE }, EINVAL },
    { "madvise", { PROBE_HERE, 4096, MADV_NOHUGEPAGE }, EINVAL },
    { "madvise", { PROBE_HERE, 4096, MADV_HWPOISON }, PROBE_TRAPPED },
    { "madvise", { PROBE_HERE, 4096, MADV_HWPOISON | PROBE_DIRT }, PROBE_TRAPPED },

    { "clock_gettime", { CLOCK_MONOTONIC, PROBE_HERE }, PROBE_DONE },
    { "clock_nanosleep", { CLOCK_MONOTONIC, 0, (uint64_t)(uintptr_t)&no_time, 0 }, PROBE_DONE },
    { "getrandom", { PROBE_HERE, 16, 0 }, PROBE_DONE },

    { "open", { 0 }, EACCES },
    { "openat", { 0 }, EACCES },
    { "stat", { 0 }, EACCES },
    { "lstat", { 0 }, EACCES },
    { "newfstatat", { 0 }, EACCES },
    { "access", { 0 }, EACCES },
    { "faccessat", { 0 }, EACCES },
    { "readlink", { 0 }, EACCES },
    { "readlinkat", { 0 }, EACCES },
    { "getcwd", { 0 }, EACCES },
    { "statfs", { 0 }, EACCES },
    { "getdents64", { 0 }, EPERM },
    { "mkdir", { 0 }, EACCES },
    { "mkdirat", { 0 }, EACCES },
    { "rmdir", { 0 }, EACCES },
    { "rename", { 0 }, EACCES },
    { "renameat", { 0 }, EACCES },
    { "renameat2", { 0 }, EACCES },
    { "unlink", { 0 }, EACCES },
    { "unlinkat", { 0 }, EACCES },
    { "link", { 0 }, EACCES },
    { "linkat", { 0 }, EACCES },
    { "symlink", { 0 }, EACCES },
    { "symlinkat", { 0 }, EACCES },
    { "chmod", { 0 }, EACCES },
    { "fchmod", { 0 }, EACCES },
    { "fchmodat", { 0 }, EACCES },
    { "utimensat", { 0 }, EACCES },
    { "truncate", { 0 }, EACCES },
    { "ftruncate", { 0 }, EPERM },
    { "chdir", { 0 }, EPERM },
    { "umask", { 0 }, EPERM },
    { "setitimer", { 0 }, EPERM },
    { "alarm", { 0 }, EPERM },
    { "prlimit64", { 0 }, EPERM },
    { "prctl", { PR_SET_NAME, PROBE_HERE }, EPERM },
    { "setpriority", { 0 }, EPERM },
    { "sched_setaffinity", { 0 }, EPERM },
    { "ioctl", { 1, TIOCSTI, PROBE_HERE }, EPERM },
    { "ioctl", { 1, TIOCSTI | PROBE_DIRT, PROBE_HERE }, EPERM },
    { "fcntl", { 1, F_SETPIPE_SZ }, EPERM },
    { "dup", { 1 }, EPERM },
    { "writev", { 2 }, EPERM },
    { "pipe", { 0 }, EPERM },
    { "pipe2", { 0 }, EPERM },
    { "eventfd2", { 0 }, EPERM },
    { "memfd_create", { PROBE_HERE }, EPERM },
    { "poll", { 0 }, EPERM },
    { "ppoll", { 0 }, EPERM },
    { "select", { 0 }, EPERM },
    { "pselect6", { 0 }, EPERM },
    { "epoll_create1", { 0 }, EPERM },
    { "socket", { AF_INET, SOCK_STREAM }, EPERM },
    { "socket", { AF_VSOCK | PROBE_DIRT, SOCK_STREAM }, EPERM },
    { "socketpair", { AF_UNIX, SOCK_STREAM }, EPERM },
    { "connect", { 0 }, EPERM },
    { "clone", { SIGCHLD }, EPERM },
    { "clone", { CLONE_NEWUSER | PROBE_DIRT }, EPERM },
    { "fork", { 0 }, EPERM },
    { "vfork", { 0 }, EPERM },
    { "execve", { 0 }, EPERM },
    { "execveat", { 0 }, EPERM },
    { "wait4", { 0 }, EPERM },
    { "kill", { 0 }, EPERM },
    { "tkill", { 0 }, EPERM },
    { "tgkill", { 0 }, EPERM },
    { "sysinfo", { 0 }, EPERM },
    { "getrusage", { 0 }, EPERM },
    { "times", { 0 }, EPERM },
    { "sched_getaffinity", { 0 }, EPERM },
    { "getuid", { 0 }, EPERM },
    { "geteuid", { 0 }, EPERM },
    { "getgid", { 0 }, EPERM },
    { "getegid", { 0 }, EPERM },
    { "getppid", { 0 }, EPERM },
    { "clone3", { 0 }, ENOSYS },
    { "io_uring_setup", { 0 }, ENOSYS },
    { "io_uring_enter", { 0 }, ENOSYS },
    { "io_uring_register", { 0 }, ENOSYS },
    { "openat2", { 0 }, ENOSYS },
    { "faccessat2", { 0 }, ENOSYS },
    { "statx", { 0 }, ENOSYS },
    { "copy_file_range", { 0 }, ENOSYS },
    { "sendfile", { 0 }, ENOSYS },
    { "rseq", { 0 }, ENOSYS },
    { "set_robust_list", { 0 }, ENOSYS },
    { "membarrier", { 0 }, ENOSYS },
    { "fallocate", { 0 }, EOPNOTSUPP },
    { "listxattr", { 0 }, EOPNOTSUPP },
    { "llistxattr", { 0 }, EOPNOTSUPP },

    /* Without any row: violations. */
    { "ptrace", { 0 }, PROBE_TRAPPED },
    { "bpf", { 0 }, PROBE_TRAPPED },
    { "keyctl", { 0 }, PROBE_TRAPPED },
    { "add_key", { 0 }, PROBE_TRAPPED },
    { "unshare", { 0 }, PROBE_TRAPPED },
    { "setns", { 0 }, PROBE_TRAPPED },
    { "mount", { 0 }, PROBE_TRAPPED },
    { "umount2", { 0 }, PROBE_TRAPPED },
    { "pivot_root", { 0 }, PROBE_TRAPPED },
    { "chroot", { 0 }, PROBE_TRAPPED },
    { "userfaultfd", { 0 }, PROBE_TRAPPED },
    { "perf_event_open", { 0 }, PROBE_TRAPPED },
    { "process_vm_readv", { 0 }, PROBE_TRAPPED },
    { "process_vm_writev", { 0 }, PROBE_TRAPPED },
    { "open_by_handle_at", { 0 }, PROBE_TRAPPED },
    { "name_to_handle_at", { 0 }, PROBE_TRAPPED },
    { "init_module", { 0 }, PROBE_TRAPPED },
    { "seccomp", { 0 }, PROBE_TRAPPED },
    { "personality", { 0 }, PROBE_TRAPPED },
    { "modify_ldt", { 0 }, PROBE_TRAPPED },
    { "arch_prctl", { 0 }, PROBE_TRAPPED },
    { "iopl", { 3 }, PROBE_TRAPPED },
    { "pkey_mprotect", { PROBE_HERE, 4096, 7 }, PROBE_TRAPPED },
    { "remap_file_pages", { 0 }, PROBE_TRAPPED },
    { "shmget", { 0 }, PROBE_TRAPPED },
    { "msgget", { 0 }, PROBE_TRAPPED },
    { "semget", { 0 }, PROBE_TRAPPED },
    { "mq_open", { 0 }, PROBE_TRAPPED },
    { "setuid", { 0 }, PROBE_TRAPPED },
    { "setsid", { 0 }, PROBE_TRAPPED },
    { "vmsplice", { 0 }, PROBE_TRAPPED },
    { "splice", { 0 }, PROBE_TRAPPED },
    { "bind", { 0 }, PROBE_TRAPPED },
    { "sendmsg", { 0 }, PROBE_TRAPPED },
    { "recvmsg", { 0 }, PROBE_TRAPPED },
    { "pidfd_getfd", { 0 }, PROBE_TRAPPED },
    { "timer_create", { 0 }, PROBE_TRAPPED },
    { "readv", { 0 }, PROBE_TRAPPED },
};

/* ---------------------------------------------------------------------------------- helpers */

static struct cl_set *set;
static struct cl_report report = CL_REPORT_INIT;

static const struct cl_spec *load_default(void)
{
    if (!set) {
        set = cl_set_new();
        assert_int_equal(cl_set_add_embedded(set, "default", &report), 0);
    }
    const struct cl_spec *spec = cl_set_resolve(set, cl_set_find(set, "default"), &report);
    assert_non_null(spec);
    probe_make(spec);
    return spec;
}

static int drop(void **state)
{
    (void)state;
    cl_set_free(set);
    cl_report_fini(&report);
    return 0;
}

/* ------------------------------------------------------------------------------------ tests */

static void default_filter_answers_each_probe(void **state)
{
    (void)state;
    load_default();
    probe_rows(probes, CL_COUNT(probes));
}

static bool is_probed(const struct cl_rule *rule)
{
    for (size_t i = 0; i < CL_COUNT(probes); i++) {
        bool is_hit = strcmp(probes[i].name, rule->name) == 0;
        for (size_t j = 0; j < CL_RULE_TESTS_MAX && rule->tests[j].op == CL_TEST_BITS; j++) {
            const struct cl_test *test = &rule->tests[j];
            is_hit = is_hit && (probes[i].args[test->arg] & test->mask) == test->value;
        }
        if (is_hit)
            return true;
    }
    return false;
}

static void every_rule_of_the_default_policy_has_a_probe(void **state)
{
    const struct cl_spec *spec = load_default();

    (void)state;
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule)) {
        if (!is_probed(rule))
            fail_msg("%s (%s) has no probe", rule->name, rule->why);
    }
}

static void blocked_sigsys_still_ends_the_worker(void **state)
{
    static const uint64_t none[6];

    (void)state;
    load_default();
    pid_t child = fork();
    if (child == 0) {
        sigset_t every;
        sigfillset(&every);
        probe_load();
        const uint64_t args[6] = { SIG_BLOCK, (uint64_t)(uintptr_t)&every, 0, 8 };
        if (probe_raw(SYS_rt_sigprocmask, args) != 0)
            probe_leave(PROBE_SETUP);
        probe_raw(SYS_ptrace, none);
        probe_leave(PROBE_DONE);
    }
    assert_int_equal(probe_end(child), PROBE_KILLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_filter_answers_each_probe),
        cmocka_unit_test(every_rule_of_the_default_policy_has_a_probe),
        cmocka_unit_test(blocked_sigsys_still_ends_the_worker),
    };

    return cmocka_run_group_tests_name("filter_probe", tests, NULL, drop);
}
