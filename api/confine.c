/* SPDX-License-Identifier: Apache-2.0 */
/*
 * no_new_privs, no core, not traceable, Landlock with no right but in the store's directory,
 * and a system call filter that lets through what an event loop over inherited sockets needs,
 * and what SQLite needs on files of that directory. Runs in: cloche-api, once, before it reads
 * anything. Trusts: nothing that comes later; after this a caller who owns the process owns
 * the store's files and no other.
 */
#include "api/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/own.h"

/* Debian 12's headers know ABI 3; every right is handled. */
struct ruleset {
    uint64_t fs, net, scoped;
};

enum { ABI_NET = 4, ABI_SCOPED = 6, ABI_KNOWN = 7 };

#define FIRST(n) (((uint64_t)1 << (n)) - 1)

static const struct {
    struct ruleset rights;
    size_t size;
} rulesets[ABI_KNOWN + 1] = {
    [1] = { { FIRST(13), 0, 0 }, offsetof(struct ruleset, net) },
    [2] = { { FIRST(14), 0, 0 }, offsetof(struct ruleset, net) },
    [3] = { { FIRST(15), 0, 0 }, offsetof(struct ruleset, net) },
    [4] = { { FIRST(15), FIRST(2), 0 }, offsetof(struct ruleset, scoped) },
    [5] = { { FIRST(16), FIRST(2), 0 }, offsetof(struct ruleset, scoped) },
    [6] = { { FIRST(16), FIRST(2), FIRST(2) }, sizeof(struct ruleset) },
    [7] = { { FIRST(16), FIRST(2), FIRST(2) }, sizeof(struct ruleset) },
};

/* Of the first fourteen: write, read, list, remove and make plain files. Nothing is executed,
 * linked elsewhere or made that is no plain file. */
enum {
    RIGHT_WRITE = 1 << 1,
    RIGHT_READ = 1 << 2,
    RIGHT_LIST = 1 << 3,
    RIGHT_REMOVE = 1 << 5,
    RIGHT_MAKE = 1 << 8,
    RIGHT_TRUNCATE = 1 << 14,
    ABI_TRUNCATE = 3,
};

struct below {
    uint64_t rights;
    int32_t directory;
} __attribute__((packed));

static int grant_store(int ruleset, int store, long abi, struct cl_err *err)
{
    const struct below below = {
        .rights = RIGHT_WRITE | RIGHT_READ | RIGHT_LIST | RIGHT_REMOVE | RIGHT_MAKE |
                  (abi >= ABI_TRUNCATE ? RIGHT_TRUNCATE : 0),
        .directory = store,
    };

    /* 1: LANDLOCK_RULE_PATH_BENEATH */
    if (store >= 0 && syscall(SYS_landlock_add_rule, ruleset, 1, &below, 0) != 0)
        return cl_fail(err, CL_E_SYS, "keep the store by Landlock");
    return 0;
}

static int landlock(int store, struct cl_err *err)
{
    /* 1: LANDLOCK_CREATE_RULESET_VERSION */
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    const long known = abi > ABI_KNOWN ? ABI_KNOWN : abi;
    cl_close_auto int ruleset = -1;

    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
        return 0; /* a kernel without Landlock: the filter and the uid are left */
    if (abi < 1)
        return cl_fail(err, CL_E_SYS, "ask for Landlock's version");
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &rulesets[known].rights,
                           rulesets[known].size, 0);
    if (ruleset < 0)
        return cl_fail(err, CL_E_SYS, "give up files by Landlock");
    if (grant_store(ruleset, store, abi, err) < 0)
        return -1;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return cl_fail(err, CL_E_SYS, "give up files by Landlock");
    return 0;
}

#ifndef CL_ASAN

/* Calls without a condition: none opens, names, starts or signals anything. */
static const uint16_t allowed[] = {
    /* sockets that we have, and what accept gives */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_accept4,
    SYS_accept,
    SYS_close,
    SYS_getsockopt,
    SYS_getsockname,
    SYS_getpeername,
    SYS_pread64,
    /* files of the store that are open; which may be opened, and how any but the audit log is
     * written, has a condition below */
    SYS_fsync,
    SYS_fdatasync,
    /* the loop */
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_epoll_ctl,
    SYS_timerfd_settime,
    SYS_poll,
    /* policies and tokens that cloched hands over */
    SYS_fstat,
    SYS_newfstatat,
    SYS_lseek,
    /* memory; mmap and mprotect have a condition below */
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_mlock,
    SYS_munlock,
    /* time, chance, the end */
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_time,
    SYS_getrandom,
    SYS_getpid,
    SYS_gettid,
    SYS_rt_sigreturn,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_restart_syscall,
    SYS_futex,
    SYS_sched_yield,
    SYS_exit,
    SYS_exit_group,
};

/* On a name in a directory, which is argument 0: only in the store's. An absolute name would
 * leave it; Landlock and the uid refuse that. */
static const uint16_t in_store[] = {
    SYS_openat,     SYS_unlinkat,
    SYS_renameat,   SYS_faccessat, /* for kernels that lack the next */
    SYS_faccessat2,
};

/* Nothing of ours makes these; whoever does has taken the process over. */
static const uint16_t killing[] = {
    SYS_execve,
    SYS_execveat,
    SYS_fork,
    SYS_vfork,
    SYS_clone3,
    SYS_ptrace,
    SYS_sendmsg, /* could hand cloched a descriptor whose close blocks */
    SYS_sendmmsg,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_mount,
    SYS_unshare,
    SYS_setns,
    SYS_bpf,
    SYS_init_module,
    SYS_finit_module,
    SYS_io_uring_setup,
    SYS_userfaultfd,
    SYS_keyctl,
};

enum { FILTER_MAX = 320, PROT_EXEC_BIT = 4, LISTENER_FD = 4 };

struct program {
    struct sock_filter code[FILTER_MAX];
    unsigned short length;
};

static void put(struct program *program, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    CL_CHECK(program->length < FILTER_MAX);
    program->code[program->length++] = (struct sock_filter){ code, yes, no, k };
}

/* If the loaded number is `number`, return `action`. */
static void put_row(struct program *program, uint32_t number, uint32_t action)
{
    put(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    put(program, BPF_RET | BPF_K, action, 0, 0);
}

/* Memory that is executable is never made. Argument 2 is `prot`; its low word is enough. */
static void put_unless_exec(struct program *program, uint32_t number)
{
    put(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    put(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]), 0, 0);
    put(program, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC_BIT, 0, 1);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

/* Allowed, unless the low word of an argument is `value`. */
static void put_unless(struct program *program, uint32_t number, unsigned argument,
                       uint32_t value)
{
    const uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * argument);

    put(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    put(program, BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

/* Allowed, if the low word of an argument is `value`. */
static void put_if(struct program *program, uint32_t number, unsigned argument, uint32_t value)
{
    const uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * argument);

    put(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    put(program, BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

/* Flags of a descriptor, its seals and locks; no copy of one, which could be of the listener. The
 * audit log's stay as they are: without O_APPEND what it holds could be written over. */
static void put_fcntl(struct program *program, int audit)
{
    static const uint32_t commands[] = { F_GETFD,     F_SETFD, F_GETFL, F_SETFL,
                                         F_GET_SEALS, F_SETLK, F_GETLK };

    put(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 5 + 2 * CL_COUNT(commands));
    put(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]), 0, 0);
    put_row(program, (uint32_t)audit, SECCOMP_RET_ERRNO | EPERM);
    put(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]), 0, 0);
    for (size_t i = 0; i < CL_COUNT(commands); i++)
        put_row(program, commands[i], SECCOMP_RET_ALLOW);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

/* How much waits to be read: libevent asks before it reads. Argument 1 is the request. */
static void put_ioctl(struct program *program)
{
    put(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4);
    put(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]), 0, 0);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, FIONREAD, 0, 1);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

static void build(struct program *program, int store, int audit)
{
    put(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    put(program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    put(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    for (size_t i = 0; i < CL_COUNT(allowed); i++)
        put_row(program, allowed[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < CL_COUNT(killing); i++)
        put_row(program, killing[i], SECCOMP_RET_KILL_PROCESS);
    for (size_t i = 0; store >= 0 && i < CL_COUNT(in_store); i++)
        put_if(program, in_store[i], 0, (uint32_t)store);
    put_ioctl(program);
    put_fcntl(program, audit);
    put_unless(program, SYS_pwrite64, 0, (uint32_t)audit);
    put_unless(program, SYS_ftruncate, 0, (uint32_t)audit);
    if (audit >= 0)
        put_if(program, SYS_dup3, 1, (uint32_t)audit);
    /* The listener outlives this process: what is done to it would outlive it, too. */
    put_unless(program, SYS_shutdown, 0, LISTENER_FD);
    put_unless(program, SYS_setsockopt, 0, LISTENER_FD);
    put_unless_exec(program, SYS_mmap);
    put_unless_exec(program, SYS_mprotect);
    /* The rest, x32 numbers too, is refused without harm: a library that asks gets an errno. */
    put(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

static int load_filter(int store, int audit, struct cl_err *err)
{
    static struct program program;
    struct sock_fprog prog = { 0, program.code };

    program.length = 0;
    build(&program, store, audit);
    prog.len = program.length;
    /* Of all threads: the one that could not is the result, if any. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) != 0)
        return cl_fail(err, CL_E_SYS, "load the system call filter");
    return 0;
}
#endif

#ifdef CL_ASAN
/* What was freed is kept for a while, which looks like a leak from outside. */
const char *__asan_default_options(void) __attribute__((visibility("default")));

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}
#endif

int cl_confine_memory(struct cl_err *err)
{
    static const struct rlimit none = { 0, 0 };

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        return cl_fail(err, CL_E_SYS, "close this process to others of its uid");
    return 0;
}

int cl_confine_files(int store, struct cl_err *err)
{
    tzset(); /* reads /etc/localtime for the last time */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return cl_fail(err, CL_E_SYS, "give up privileges");
    return cl_confine_memory(err) < 0 ? -1 : landlock(store, err);
}

int cl_confine_calls(int store, int audit, struct cl_err *err)
{
#ifdef CL_ASAN
    (void)store;
    (void)audit;
    (void)err;
    return 0; /* the sanitizer maps, reads and symbolizes as it likes */
#else
    return load_filter(store, audit, err);
#endif
}
