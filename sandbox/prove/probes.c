/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the self-test's probes.
 * Runs in: cloche-prover.
 * Trusts: the policy, which was bounds-checked when it was mapped.
 */
#include "sandbox/prove/probes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

#define RWX      (PROT_READ | PROT_WRITE | PROT_EXEC)
#define ANYWHERE (MAP_PRIVATE | MAP_ANONYMOUS)

/* Most of these end their worker. Pointers are NULL: a call that the filter lets through says
 * EFAULT or EINVAL, which is a failure here. */
/* clang-format off */
#define CALL(number, ...) { CL_PROBE_SYSCALL, number, { __VA_ARGS__ }, "" }
static const struct cl_probe fixed[] = {
    { "the jail itself", { CL_PROBE_JAIL, 0, { 0 }, "" }, 0, CL_PROBE_CLOSED },
    { "socket AF_INET", CALL(SYS_socket, AF_INET, SOCK_STREAM), 0, CL_PROBE_CLOSED },
    { "socket AF_VSOCK", CALL(SYS_socket, AF_VSOCK, SOCK_STREAM), 0, CL_PROBE_CLOSED },
    { "openat", CALL(SYS_openat, (uint64_t)AT_FDCWD, 0, O_RDONLY),
      CL_TIER_TMP_FILES | CL_TIER_LATE_IMPORTS, CL_PROBE_CLOSED },
    { "execve", CALL(SYS_execve, 0), 0, CL_PROBE_CLOSED },
    { "clone NEWUSER", CALL(SYS_clone, CLONE_NEWUSER | SIGCHLD), 0, CL_PROBE_CLOSED },
    { "unshare", CALL(SYS_unshare, CLONE_NEWNS), 0, CL_PROBE_CLOSED },
    { "setns", CALL(SYS_setns, CL_JOB_FD), 0, CL_PROBE_CLOSED },
    { "mount", CALL(SYS_mount, 0, 0, 0, MS_REMOUNT), 0, CL_PROBE_CLOSED },
    { "ptrace", CALL(SYS_ptrace, PTRACE_TRACEME), 0, CL_PROBE_CLOSED },
    { "bpf", CALL(SYS_bpf, 0), 0, CL_PROBE_CLOSED },
    { "io_uring_setup", CALL(SYS_io_uring_setup, 1), 0, CL_PROBE_CLOSED },
    { "keyctl", CALL(SYS_keyctl, 0), 0, CL_PROBE_CLOSED },
    { "userfaultfd", CALL(SYS_userfaultfd, 0), 0, CL_PROBE_CLOSED },
    { "kill", CALL(SYS_kill, 1, 0), 0, CL_PROBE_CLOSED },
    { "setuid", CALL(SYS_setuid, 0), 0, CL_PROBE_CLOSED },
    { "init_module", CALL(SYS_init_module, 0), 0, CL_PROBE_CLOSED },
    { "perf_event_open", CALL(SYS_perf_event_open, 0), 0, CL_PROBE_CLOSED },
    { "process_vm_readv", CALL(SYS_process_vm_readv, 1), 0, CL_PROBE_CLOSED },
    { "mmap W+X", CALL(SYS_mmap, 0, 4096, RWX, ANYWHERE, (uint64_t)-1), 0, CL_PROBE_CLOSED },
};
/* clang-format on */

/* Of the host, and in no jail unless a policy binds something there. */
static const char *const hidden[] = { "/etc", "/proc", "/sys", "/root", "/home", "/var", "/run",
                                      "/mnt", "/opt",  "/srv", "/boot", "/bin",  "/sbin" };

/* What pthread_create asks for, with a stack that is none: the thread dies of it, and with it the
 * worker, which tells that there was one. */
#define THREAD_FLAGS                                                                           \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define NO_STACK 16

/* Calls that the rules let through only with certain arguments; all others are made with zeros. */
static const struct {
    uint32_t number;
    uint64_t args[6];
} arguments[] = {
    { SYS_clone, { THREAD_FLAGS, NO_STACK } },
    { SYS_ioctl, { 0, TCGETS } },
    { SYS_socketpair, { AF_UNIX, SOCK_STREAM } },
};

static bool is_listed(const struct cl_policy *policy, uint32_t number)
{
    const uint32_t *numbers = cl_policyview_records(policy, &policy->syscalls);

    for (uint32_t i = 0; i < policy->syscalls.count; i++) {
        if (numbers[i] == number)
            return true;
    }
    return false;
}

/* uretprobe and uprobe: the kernel asks no filter about them, and answers SIGILL or ENXIO unless
 * they come from the trampoline that it mapped itself for a tracer. */
static bool is_unasked(uint32_t number)
{
    return number == 335 || number == 336;
}

static void fill_number(struct cl_probe *probe, const struct cl_policy *policy, uint32_t number)
{
    *probe = (struct cl_probe){
        .ask = { .kind = CL_PROBE_SYSCALL, .number = number },
        .meaning = is_listed(policy, number) ? CL_PROBE_OPEN : CL_PROBE_CLOSED,
    };
    for (size_t i = 0; i < CL_COUNT(arguments); i++) {
        if (arguments[i].number == number)
            memcpy(probe->ask.args, arguments[i].args, sizeof(probe->ask.args));
    }
}

static void fill_path(struct cl_probe *probe, const char *path, enum cl_probe_meaning meaning)
{
    const uint64_t flags =
        meaning == CL_PROBE_LOCKED ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY | O_DIRECTORY;

    *probe = (struct cl_probe){
        .name = meaning == CL_PROBE_LOCKED ? "write below" : "see",
        .ask = { CL_PROBE_PATH, SYS_openat, { (uint64_t)AT_FDCWD, 0, flags, 0600 }, "" },
        .meaning = meaning,
    };
    snprintf(probe->ask.path, sizeof(probe->ask.path), "%s%s", path,
             meaning == CL_PROBE_LOCKED ? "/.cloche" : "");
}

static bool is_on_the_way(const struct cl_policy *policy, const char *path)
{
    const char *source = NULL;
    const char *target = NULL;
    const size_t length = strlen(path);

    while (cl_policyview_bind(policy, &source, &target)) {
        if (strncmp(target, path, length) == 0 && (target[length] == '/' || !target[length]))
            return true;
    }
    return false;
}

static size_t fill_paths(struct cl_probe *probes, const struct cl_policy *policy)
{
    const char *source = NULL;
    const char *target = NULL;
    size_t count = 0;

    while (cl_policyview_bind(policy, &source, &target)) {
        fill_path(&probes[count++], target, CL_PROBE_SEEN);
        fill_path(&probes[count++], target, CL_PROBE_LOCKED);
    }
    for (size_t i = 0; i < CL_COUNT(hidden); i++) {
        if (!is_on_the_way(policy, hidden[i]))
            fill_path(&probes[count++], hidden[i], CL_PROBE_ABSENT);
    }
    fill_path(&probes[count++], "/tmp", policy->files_bytes ? CL_PROBE_SEEN : CL_PROBE_ABSENT);
    return count;
}

struct cl_probe *cl_probes_make(const struct cl_policy *policy, size_t *count)
{
    size_t most = CL_COUNT(fixed);
    struct cl_probe *probes;

    if (policy)
        most += CL_PROBES_SYSCALLS + policy->binds.count + CL_COUNT(hidden) + 1;
    probes = calloc(most, sizeof(*probes));
    CL_CHECK(probes);
    memcpy(probes, fixed, sizeof(fixed));
    *count = CL_COUNT(fixed);
    /* `syscalls.allow` may open by name what a tier opens, too. */
    for (size_t i = 0; policy && i < *count; i++) {
        if (probes[i].granted && is_listed(policy, probes[i].ask.number))
            probes[i].meaning = CL_PROBE_OPEN;
    }
    for (uint32_t number = 0; policy && number < CL_PROBES_SYSCALLS; number++) {
        if (!is_unasked(number))
            fill_number(&probes[(*count)++], policy, number);
    }
    if (policy)
        *count += fill_paths(&probes[*count], policy);
    return probes;
}

bool cl_probes_accept(enum cl_probe_meaning meaning, int32_t sys)
{
    const bool is_refused = sys == EPERM || sys == EACCES || sys == ENOSYS || sys == EOPNOTSUPP;

    switch (meaning) {
    case CL_PROBE_OPEN:
        return !is_refused;
    case CL_PROBE_SEEN:
        return sys == 0;
    case CL_PROBE_LOCKED:
        return is_refused || sys == EROFS;
    case CL_PROBE_ABSENT:
        return is_refused || sys == ENOENT;
    default:
        return is_refused;
    }
}
