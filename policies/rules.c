/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules about system calls, as one table: measured on CPython 3.11 and glibc 2.36, each row
 * with its reason.
 * Runs in: cloche-policyc.
 * Trusts: nothing; data only.
 */
#include "policies/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "policies/policy.h"
#include "sandbox/base/own.h"

#define COMPUTE CL_TIER_COMPUTE
#define TIME    CL_TIER_TIME
#define THREADS CL_TIER_THREADS
#define ASYNCIO CL_TIER_ASYNCIO
#define LATE    CL_TIER_LATE_IMPORTS
#define TMP     CL_TIER_TMP_FILES
#define READ    (LATE | CL_RULE_BINDS)
#define FILES   (READ | TMP)

#define BITS(arg_, mask_, value_)                                                              \
    {                                                                                          \
        CL_TEST_BITS, (arg_), (mask_), (value_)                                                \
    }
#define INT(arg_, value_) BITS(arg_, 0xffffffffu, value_)
#define ONE(arg_, bit_)   BITS(arg_, bit_, bit_)
#define NO(arg_, bits_)   BITS(arg_, bits_, 0)
#define IS(arg_, value_)                                                                       \
    {                                                                                          \
        CL_TEST_IS, (arg_), 0, (value_)                                                        \
    }
#define IS_NOT(arg_, value_)                                                                   \
    {                                                                                          \
        CL_TEST_IS_NOT, (arg_), 0, (value_)                                                    \
    }

/* name, tiers, why, tests... */
#define NEED(name_, tiers_, why_)                                                              \
    {                                                                                          \
        name_, CL_ANSWER_ALLOW, 0, tiers_, 0, true, why_,                                      \
        {                                                                                      \
            {                                                                                  \
                0                                                                              \
            }                                                                                  \
        }                                                                                      \
    }
#define ALLOW_IF(name_, tiers_, why_, ...)                                                     \
    {                                                                                          \
        name_, CL_ANSWER_ALLOW, 0, tiers_, 0, false, why_,                                     \
        {                                                                                      \
            __VA_ARGS__                                                                        \
        }                                                                                      \
    }
#define ALLOW(name_, tiers_, why_) ALLOW_IF(name_, tiers_, why_, { 0 })
#define ALLOW_UNLESS(name_, tiers_, unless_, why_, ...)                                        \
    {                                                                                          \
        name_, CL_ANSWER_ALLOW, 0, tiers_, unless_, false, why_,                               \
        {                                                                                      \
            __VA_ARGS__                                                                        \
        }                                                                                      \
    }
#define FAIL_IF(name_, tiers_, error_, why_, ...)                                              \
    {                                                                                          \
        name_, CL_ANSWER_ERRNO, error_, tiers_, 0, false, why_,                                \
        {                                                                                      \
            __VA_ARGS__                                                                        \
        }                                                                                      \
    }
#define FAIL_UNLESS(name_, tiers_, unless_, error_, why_, ...)                                 \
    {                                                                                          \
        name_, CL_ANSWER_ERRNO, error_, tiers_, unless_, false, why_,                          \
        {                                                                                      \
            __VA_ARGS__                                                                        \
        }                                                                                      \
    }
#define SOFT(name_, error_, why_) FAIL_IF(name_, CL_RULE_SOFT, error_, why_, { 0 })
#define KILL_IF(name_, tiers_, why_, ...)                                                      \
    {                                                                                          \
        name_, CL_ANSWER_KILL, 0, tiers_, 0, true, why_,                                       \
        {                                                                                      \
            __VA_ARGS__                                                                        \
        }                                                                                      \
    }

#define FUTEX(op_)          BITS(1, (uint32_t)FUTEX_CMD_MASK, op_)
#define NO_PI(op_)          FAIL_IF("futex", COMPUTE, ENOSYS, no_pi, FUTEX(op_))
#define SIGNAL(test_)       ALLOW_IF("rt_sigaction", COMPUTE, "any signal but SIGSYS", test_)
#define MADVISE(advice_)    ALLOW_IF("madvise", COMPUTE, #advice_, INT(2, advice_))
#define FCNTL(tiers_, cmd_) ALLOW_IF("fcntl", tiers_, #cmd_, INT(1, cmd_))
/* Locks belong to the inode: on a file of the host others would see them, and wait for them. */
#define LOCK(name_, ...)                                                                       \
    ALLOW_UNLESS(name_, TMP, CL_RULE_BINDS, files_why, __VA_ARGS__),                           \
        FAIL_IF(name_, CL_RULE_BINDS, EPERM, no_lock, __VA_ARGS__)
/* The vDSO tells these to everybody, by a system call where the clock source can't be read from user
 * space (hpet, acpi_pm, Xen): a worker that may not ask could not even begin there. */
#define VDSO_CLOCK(id_)                                                                        \
    ALLOW_UNLESS("clock_gettime", COMPUTE, TIME, #id_ ": the vDSO tells it too", INT(0, id_))
/* What pthread_create of glibc asks for; clone3 is ENOSYS so that it asks this way. */
#define THREAD_FLAGS                                                                           \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

_Static_assert(THREAD_FLAGS == 0x3d0f00, "the measured flags");

/* Of open flags: whatever may write, create or truncate. One row for each bit. */
#define O_TMPFILE_BIT 020000000
#define O_CHANGES     (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE_BIT)

static const char no_exec[] = "memory never becomes code";
static const char files_why[] = "files in the private /tmp";
static const char late_why[] = "files that may be read";
static const char no_lock[] = "files of the host are shared, and so their locks";
static const char no_write[] = "the tree is read-only";
static const char no_file[] = "there is no file to see";
static const char no_change[] = "there is no file to change";
static const char no_socket[] = "there is no network, and sockets reach past namespaces";
static const char no_task[] = "a call is one process";
static const char no_signal[] = "there is nobody to signal";
static const char falls_back[] = "libraries fall back to an older call that has a rule";
static const char no_mode[] = "the worker does not change what it is";
static const char no_look[] = "tells of the host, libraries do without";
static const char no_pi[] = "priority inheritance has a history of holes";
static const char loop_why[] = "the event loop waits on one epoll and wakes itself";

const struct cl_rule cl_rules[] = {
    /* ---- compute: what a warm interpreter needs to run and to answer */
    NEED("read", COMPUTE, "the call comes in on the job socket"),
    NEED("write", COMPUTE, "frames go out on the job socket"),
    NEED("exit_group", COMPUTE, "the end"),
    NEED("brk", COMPUTE, "heap"),
    NEED("munmap", COMPUTE, "heap"),
    NEED("mremap", COMPUTE, "heap"),
    NEED("rt_sigreturn", COMPUTE, "leaves a signal handler"),
    ALLOW("close", COMPUTE, "only closes"),
    ALLOW("lseek", COMPUTE, "only moves in what is open"),
    ALLOW("fstat", COMPUTE, "only looks at what is open"),
    ALLOW("exit", COMPUTE, "the end of a thread"),
    ALLOW("getpid", COMPUTE, "a number of the namespace"),
    ALLOW("gettid", COMPUTE, "a number of the namespace"),
    ALLOW("uname", COMPUTE, "uuid asks when it is imported; the host is called jail"),
    ALLOW("rt_sigprocmask", COMPUTE, "a blocked SIGSYS still ends the worker"),
    ALLOW("sigaltstack", COMPUTE, "changes the worker's own memory only"),
    ALLOW("sched_yield", COMPUTE, "gives time away"),
    ALLOW("restart_syscall", COMPUTE, "goes on with an interrupted wait"),

    ALLOW_IF("mmap", COMPUTE, "heap; without PROT_EXEC", NO(2, PROT_EXEC), NO(3, MAP_HUGETLB)),
    FAIL_UNLESS("mmap", COMPUTE, LATE, EACCES, no_exec, ONE(2, PROT_EXEC)),
    FAIL_IF("mmap", COMPUTE, ENOMEM, "huge pages are not in the memory limit", NO(2, PROT_EXEC),
            ONE(3, MAP_HUGETLB)),
    ALLOW_IF("mprotect", COMPUTE, "heap; without PROT_EXEC", NO(2, PROT_EXEC)),
    FAIL_IF("mprotect", COMPUTE, EACCES, no_exec, ONE(2, PROT_EXEC)),

    /* Anything but 31 (SIGSYS): one of the five low bits is 0, or a higher one is set. */
    SIGNAL(NO(0, 1)),
    SIGNAL(NO(0, 2)),
    SIGNAL(NO(0, 4)),
    SIGNAL(NO(0, 8)),
    SIGNAL(NO(0, 16)),
    SIGNAL(ONE(0, 32)),
    KILL_IF("rt_sigaction", COMPUTE, "the handler that reports violations stays",
            INT(0, SIGSYS)),

    ALLOW_IF("futex", COMPUTE, "locks: wait", FUTEX(FUTEX_WAIT)),
    ALLOW_IF("futex", COMPUTE, "locks: wake", FUTEX(FUTEX_WAKE)),
    ALLOW_IF("futex", COMPUTE, "locks: requeue", FUTEX(FUTEX_REQUEUE)),
    ALLOW_IF("futex", COMPUTE, "locks: compare and requeue", FUTEX(FUTEX_CMP_REQUEUE)),
    ALLOW_IF("futex", COMPUTE, "locks: wake two", FUTEX(FUTEX_WAKE_OP)),
    ALLOW_IF("futex", COMPUTE, "locks: wait with a time", FUTEX(FUTEX_WAIT_BITSET)),
    ALLOW_IF("futex", COMPUTE, "locks: wake", FUTEX(FUTEX_WAKE_BITSET)),
    NO_PI(FUTEX_LOCK_PI),
    NO_PI(FUTEX_UNLOCK_PI),
    NO_PI(FUTEX_TRYLOCK_PI),
    NO_PI(FUTEX_WAIT_REQUEUE_PI),
    NO_PI(FUTEX_CMP_REQUEUE_PI),
    NO_PI(FUTEX_LOCK_PI2),

    MADVISE(MADV_NORMAL),
    MADVISE(MADV_RANDOM),
    MADVISE(MADV_SEQUENTIAL),
    MADVISE(MADV_WILLNEED),
    ALLOW_IF("madvise", COMPUTE, "MADV_DONTNEED: gives memory back", INT(2, MADV_DONTNEED)),
    ALLOW_IF("madvise", COMPUTE, "MADV_FREE: gives memory back", INT(2, MADV_FREE)),
    MADVISE(MADV_DONTDUMP),
    FAIL_IF("madvise", COMPUTE, EINVAL, "merged pages tell of other tenants",
            INT(2, MADV_MERGEABLE)),
    FAIL_IF("madvise", COMPUTE, EINVAL, "merged pages tell of other tenants",
            INT(2, MADV_UNMERGEABLE)),
    FAIL_IF("madvise", COMPUTE, EINVAL, "numpy asks and goes on without",
            INT(2, MADV_HUGEPAGE)),
    FAIL_IF("madvise", COMPUTE, EINVAL, "as MADV_HUGEPAGE", INT(2, MADV_NOHUGEPAGE)),

    VDSO_CLOCK(CLOCK_REALTIME),
    VDSO_CLOCK(CLOCK_MONOTONIC),
    VDSO_CLOCK(CLOCK_MONOTONIC_RAW),
    VDSO_CLOCK(CLOCK_BOOTTIME),
    VDSO_CLOCK(CLOCK_TAI),

    /* ---- time: clocks and entropy */
    ALLOW("clock_gettime", TIME, "clocks of process and thread"),
    ALLOW("clock_nanosleep", TIME, "sleeps within the wall limit"),
    ALLOW("getrandom", TIME, "entropy"),

    /* ---- threads */
    ALLOW_IF("clone", THREADS, "threads, with exactly the flags of pthread_create",
             IS(0, THREAD_FLAGS)),
    FAIL_IF("clone", THREADS, EPERM, no_task, IS_NOT(0, THREAD_FLAGS)),
    ALLOW("rseq", THREADS, "each new thread registers"),
    ALLOW("set_robust_list", THREADS, "each new thread registers"),
    ALLOW("sched_getaffinity", THREADS, "counts the processors"),

    /* ---- asyncio */
    ALLOW("epoll_create1", ASYNCIO, loop_why),
    ALLOW("epoll_ctl", ASYNCIO, loop_why),
    ALLOW("epoll_wait", ASYNCIO, loop_why),
    ALLOW_IF("socketpair", ASYNCIO, "a pair within the process", IS(0, AF_UNIX),
             BITS(1, 0xf, SOCK_STREAM)),
    FAIL_IF("socketpair", ASYNCIO, EPERM, no_socket, IS_NOT(0, AF_UNIX)),
    ALLOW("getsockname", ASYNCIO, "looks at its own pair"),
    ALLOW_IF("sendto", ASYNCIO, "wakes the loop; no address", IS(4, 0)),
    FAIL_IF("sendto", ASYNCIO, EPERM, no_socket, IS_NOT(4, 0)),
    ALLOW("recvfrom", ASYNCIO, loop_why),

    /* ---- late_imports: .py and .so files from a read-only tree */
    ALLOW_IF("mmap", LATE, "code of a file, never writable",
             BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC), NO(3, MAP_ANONYMOUS | MAP_HUGETLB)),
    FAIL_IF("mmap", LATE, EACCES, no_exec,
            BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC | PROT_WRITE)),
    FAIL_IF("mmap", LATE, EACCES, no_exec, BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
            ONE(3, MAP_ANONYMOUS)),
    ALLOW_UNLESS("openat", READ, TMP, "reading only", NO(2, O_CHANGES)),
    FAIL_UNLESS("openat", READ, TMP, EACCES, no_write, ONE(2, O_WRONLY)),
    FAIL_UNLESS("openat", READ, TMP, EACCES, no_write, ONE(2, O_RDWR)),
    FAIL_UNLESS("openat", READ, TMP, EACCES, no_write, ONE(2, O_CREAT)),
    FAIL_UNLESS("openat", READ, TMP, EACCES, no_write, ONE(2, O_TRUNC)),
    FAIL_UNLESS("openat", READ, TMP, EACCES, no_write, ONE(2, O_TMPFILE_BIT)),

    /* ---- late_imports, tmp_files and files.read_only */
    ALLOW("newfstatat", FILES, late_why),
    ALLOW("getdents64", FILES, late_why),
    ALLOW("readlink", FILES, late_why),
    ALLOW("pread64", FILES, late_why),
    ALLOW_IF("ioctl", FILES | ASYNCIO, "TCGETS: open() asks whether it is a terminal",
             INT(1, TCGETS)),
    ALLOW_IF("ioctl", FILES | ASYNCIO, "FIOCLEX: not inherited", INT(1, FIOCLEX)),
    ALLOW_IF("ioctl", ASYNCIO, "FIONBIO: does not block", INT(1, FIONBIO)),
    FAIL_UNLESS("ioctl", FILES, ASYNCIO, EPERM, "FIONBIO: without asyncio", INT(1, FIONBIO)),
    FAIL_IF("ioctl", FILES | ASYNCIO, ENOTTY, "TIOCGWINSZ: there is no terminal",
            INT(1, TIOCGWINSZ)),
    FCNTL(FILES | ASYNCIO, F_DUPFD),
    FCNTL(FILES | ASYNCIO, F_DUPFD_CLOEXEC),
    FCNTL(FILES | ASYNCIO, F_GETFD),
    FCNTL(FILES | ASYNCIO, F_SETFD),
    FCNTL(FILES | ASYNCIO, F_GETFL),
    ALLOW_IF("fcntl", ASYNCIO, "F_SETFL: non-blocking", INT(1, F_SETFL)),
    FAIL_UNLESS("fcntl", FILES, ASYNCIO, EPERM, "F_SETFL: O_ASYNC sends signals",
                INT(1, F_SETFL)),
    FAIL_IF("fcntl", FILES | ASYNCIO, EPERM, "F_SETPIPE_SZ: pins kernel memory",
            INT(1, F_SETPIPE_SZ)),
    FAIL_IF("fcntl", FILES | ASYNCIO, EPERM, "F_SETOWN: sends signals", INT(1, F_SETOWN)),
    FAIL_IF("fcntl", FILES | ASYNCIO, EPERM, "F_NOTIFY: sends signals", INT(1, F_NOTIFY)),
    ALLOW_IF("prlimit64", FILES | THREADS, "reads its own limits", INT(0, 0), IS(2, 0)),
    FAIL_IF("prlimit64", FILES | THREADS, EPERM, no_mode, IS_NOT(2, 0)),

    /* ---- tmp_files */
    ALLOW("openat", TMP, files_why),
    ALLOW("pwrite64", TMP, files_why),
    ALLOW("ftruncate", TMP, files_why),
    ALLOW("mkdir", TMP, files_why),
    ALLOW("rmdir", TMP, files_why),
    ALLOW("rename", TMP, files_why),
    ALLOW("unlink", TMP, files_why),
    ALLOW("unlinkat", TMP, files_why),
    ALLOW("access", TMP, files_why),
    ALLOW("fsync", TMP, files_why),
    ALLOW("fdatasync", TMP, files_why),
    ALLOW("chmod", TMP, "shutil copies modes; /tmp is nosuid and noexec"),
    ALLOW("utimensat", TMP, "shutil copies times"),
    ALLOW("getcwd", TMP, files_why),
    ALLOW("getuid", TMP, "tempfile and shutil ask whose files they are"),
    ALLOW("geteuid", TMP, "tempfile and shutil ask whose files they are"),
    LOCK("flock", { 0 }),
    LOCK("fcntl", INT(1, F_GETLK)),
    LOCK("fcntl", INT(1, F_SETLK)),
    LOCK("fcntl", INT(1, F_SETLKW)),

    /* ---- polite refusals, whatever the tiers */
    SOFT("open", EACCES, no_file),
    SOFT("openat", EACCES, no_file),
    SOFT("stat", EACCES, no_file),
    SOFT("lstat", EACCES, no_file),
    SOFT("newfstatat", EACCES, no_file),
    SOFT("access", EACCES, no_file),
    SOFT("faccessat", EACCES, no_file),
    SOFT("readlink", EACCES, no_file),
    SOFT("readlinkat", EACCES, no_file),
    SOFT("getcwd", EACCES, no_file),
    SOFT("statfs", EACCES, no_file),
    SOFT("getdents64", EPERM, no_file),
    SOFT("mkdir", EACCES, no_change),
    SOFT("mkdirat", EACCES, no_change),
    SOFT("rmdir", EACCES, no_change),
    SOFT("rename", EACCES, no_change),
    SOFT("renameat", EACCES, no_change),
    SOFT("renameat2", EACCES, no_change),
    SOFT("unlink", EACCES, no_change),
    SOFT("unlinkat", EACCES, no_change),
    SOFT("link", EACCES, no_change),
    SOFT("linkat", EACCES, no_change),
    SOFT("symlink", EACCES, no_change),
    SOFT("symlinkat", EACCES, no_change),
    SOFT("chmod", EACCES, no_change),
    SOFT("fchmod", EACCES, no_change),
    SOFT("fchmodat", EACCES, no_change),
    SOFT("utimensat", EACCES, no_change),
    SOFT("truncate", EACCES, no_change),
    SOFT("ftruncate", EPERM, no_change),
    SOFT("chdir", EPERM, no_mode),
    SOFT("umask", EPERM, no_mode),
    SOFT("setitimer", EPERM, no_mode),
    SOFT("alarm", EPERM, no_mode),
    SOFT("prlimit64", EPERM, no_mode),
    SOFT("prctl", EPERM, no_mode),
    SOFT("setpriority", EPERM, no_mode),
    SOFT("sched_setaffinity", EPERM, no_mode),
    SOFT("ioctl", EPERM, "there is no device"),
    SOFT("fcntl", EPERM, "there is no file"),
    SOFT("dup", EPERM, "there is no file"),
    SOFT("writev", EPERM, "the C library's last words before it aborts"),
    SOFT("pipe", EPERM, no_task),
    SOFT("pipe2", EPERM, no_task),
    SOFT("eventfd2", EPERM, no_task),
    SOFT("memfd_create", EPERM, "there is no file to make"),
    SOFT("poll", EPERM, "there is nothing to wait for"),
    SOFT("ppoll", EPERM, "there is nothing to wait for"),
    SOFT("select", EPERM, "there is nothing to wait for"),
    SOFT("pselect6", EPERM, "there is nothing to wait for"),
    SOFT("epoll_create1", EPERM, "there is nothing to wait for"),
    SOFT("socket", EPERM, no_socket),
    SOFT("socketpair", EPERM, no_socket),
    SOFT("connect", EPERM, no_socket),
    SOFT("clone", EPERM, no_task),
    SOFT("fork", EPERM, no_task),
    SOFT("vfork", EPERM, no_task),
    SOFT("execve", EPERM, no_task),
    SOFT("execveat", EPERM, no_task),
    SOFT("wait4", EPERM, no_task),
    SOFT("kill", EPERM, no_signal),
    SOFT("tkill", EPERM, no_signal),
    SOFT("tgkill", EPERM, no_signal),
    SOFT("sysinfo", EPERM, no_look),
    SOFT("getrusage", EPERM, no_look),
    SOFT("times", EPERM, no_look),
    SOFT("sched_getaffinity", EPERM, no_look),
    SOFT("getuid", EPERM, no_look),
    SOFT("geteuid", EPERM, no_look),
    SOFT("getgid", EPERM, no_look),
    SOFT("getegid", EPERM, no_look),
    SOFT("getppid", EPERM, no_look),
    SOFT("clone3", ENOSYS, "its flags lie in memory; the C library falls back to clone"),
    SOFT("io_uring_setup", ENOSYS, falls_back),
    SOFT("io_uring_enter", ENOSYS, falls_back),
    SOFT("io_uring_register", ENOSYS, falls_back),
    SOFT("openat2", ENOSYS, falls_back),
    SOFT("faccessat2", ENOSYS, falls_back),
    SOFT("statx", ENOSYS, falls_back),
    SOFT("copy_file_range", ENOSYS, falls_back),
    SOFT("sendfile", ENOSYS, falls_back),
    SOFT("rseq", ENOSYS, falls_back),
    SOFT("set_robust_list", ENOSYS, falls_back),
    SOFT("membarrier", ENOSYS, falls_back),
    SOFT("fallocate", EOPNOTSUPP, falls_back),
    SOFT("listxattr", ENOTSUP, falls_back),
    SOFT("llistxattr", ENOTSUP, falls_back),
};

const size_t cl_rules_count = CL_COUNT(cl_rules);

const char *const cl_rules_entry[] = {
    /* the zygote: SPAWN comes, SPAWNED or FAILED goes */
    "recvmsg", "sendmsg", "sendto", "getsockopt", "clone3",
    /* the steps of enter.c, in turn */
    "mount", "chdir", "prlimit64", "setpgid", "prctl", "getgroups", "setgroups", "setresgid",
    "setresuid", "getresgid", "getresuid", "capset", "capget", "poll", "getuid", "getgid",
    "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "openat", "pipe2",
    "dup2", "close_range", "seccomp"
};

const size_t cl_rules_entry_count = CL_COUNT(cl_rules_entry);
