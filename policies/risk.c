/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what is risky, and why.
 * Runs in: cloche-policyc.
 * Trusts: libseccomp's table of names.
 */
#include "policies/risk.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/text.h"
#include "sandbox/base/own.h"

enum { SYSCALLS_END = 600 }; /* above the last number of x86_64 */

#define LPE      "a steady source of local privilege escalations"
#define MOUNTS   "changes or opens mounts"
#define SOCKETS  "opens the kernel's network code, and AF_VSOCK and AF_NETLINK have no namespace"
#define EXEC     "runs another program in the jail"
#define TASKS    "makes new processes, with any flags"
#define PAGES    "lifts the rules on executable memory"
#define HANDLES  "the argument rules of the tiers are what makes it safe"
#define OTHERS   "reaches into other processes"
#define OUTLIVES "what it makes outlives its process, and the next call of the zygote finds it"
#define HARMLESS ""

static const struct cl_risk syscalls[] = {
    { "ptrace", CL_RISK_NEVER, OTHERS },
    { "process_vm_readv", CL_RISK_NEVER, OTHERS },
    { "process_vm_writev", CL_RISK_NEVER, OTHERS },
    { "process_madvise", CL_RISK_NEVER, OTHERS },
    { "process_mrelease", CL_RISK_NEVER, OTHERS },
    { "pidfd_getfd", CL_RISK_NEVER, OTHERS },
    { "kcmp", CL_RISK_NEVER, OTHERS },
    { "bpf", CL_RISK_NEVER, LPE },
    { "perf_event_open", CL_RISK_NEVER, LPE },
    { "userfaultfd", CL_RISK_NEVER, LPE },
    { "io_uring_setup", CL_RISK_NEVER, "does what other calls do behind the filter's back" },
    { "io_uring_enter", CL_RISK_NEVER, "does what other calls do behind the filter's back" },
    { "io_uring_register", CL_RISK_NEVER, "does what other calls do behind the filter's back" },
    { "keyctl", CL_RISK_NEVER, LPE },
    { "add_key", CL_RISK_NEVER, LPE },
    { "request_key", CL_RISK_NEVER, LPE },
    { "modify_ldt", CL_RISK_NEVER, LPE },
    { "seccomp", CL_RISK_NEVER, "a filter with a listener decides for other calls" },
    { "clone3", CL_RISK_NEVER, "its flags lie in memory, where no filter sees them" },
    { "rt_sigaction", CL_RISK_NEVER, "the rule that guards SIGSYS must stay" },
    { "unshare", CL_RISK_NEVER, "new namespaces open most of the kernel to the jail" },
    { "setns", CL_RISK_NEVER, "enters other namespaces" },
    { "shmget", CL_RISK_NEVER, OUTLIVES },
    { "shmat", CL_RISK_NEVER, OUTLIVES },
    { "semget", CL_RISK_NEVER, OUTLIVES },
    { "msgget", CL_RISK_NEVER, OUTLIVES },
    { "mq_open", CL_RISK_NEVER, OUTLIVES },
    { "mount", CL_RISK_NEVER, MOUNTS },
    { "umount2", CL_RISK_NEVER, MOUNTS },
    { "pivot_root", CL_RISK_NEVER, MOUNTS },
    { "chroot", CL_RISK_NEVER, MOUNTS },
    { "fsopen", CL_RISK_NEVER, MOUNTS },
    { "fsconfig", CL_RISK_NEVER, MOUNTS },
    { "fsmount", CL_RISK_NEVER, MOUNTS },
    { "fspick", CL_RISK_NEVER, MOUNTS },
    { "move_mount", CL_RISK_NEVER, MOUNTS },
    { "open_tree", CL_RISK_NEVER, MOUNTS },
    { "mount_setattr", CL_RISK_NEVER, MOUNTS },
    { "open_by_handle_at", CL_RISK_NEVER, "opens files by number, around the jail's tree" },
    { "name_to_handle_at", CL_RISK_NEVER, "opens files by number, around the jail's tree" },
    { "init_module", CL_RISK_NEVER, "loads code into the kernel" },
    { "finit_module", CL_RISK_NEVER, "loads code into the kernel" },
    { "delete_module", CL_RISK_NEVER, "unloads code of the kernel" },
    { "kexec_load", CL_RISK_NEVER, "replaces the kernel" },
    { "kexec_file_load", CL_RISK_NEVER, "replaces the kernel" },
    { "reboot", CL_RISK_NEVER, "ends the host" },
    { "iopl", CL_RISK_NEVER, "drives the hardware" },
    { "ioperm", CL_RISK_NEVER, "drives the hardware" },
    { "swapon", CL_RISK_NEVER, "changes the host's memory" },
    { "swapoff", CL_RISK_NEVER, "changes the host's memory" },
    { "acct", CL_RISK_NEVER, "changes the host's accounting" },
    { "quotactl", CL_RISK_NEVER, "changes the host's quotas" },
    { "syslog", CL_RISK_NEVER, "reads the kernel's log" },

    { "socket", CL_RISK_REASON, SOCKETS },
    { "socketpair", CL_RISK_REASON, SOCKETS },
    { "connect", CL_RISK_REASON, SOCKETS },
    { "bind", CL_RISK_REASON, SOCKETS },
    { "listen", CL_RISK_REASON, SOCKETS },
    { "accept", CL_RISK_REASON, SOCKETS },
    { "accept4", CL_RISK_REASON, SOCKETS },
    { "setsockopt", CL_RISK_REASON, SOCKETS },
    { "sendto", CL_RISK_REASON, SOCKETS },
    { "recvfrom", CL_RISK_REASON, SOCKETS },
    { "sendmsg", CL_RISK_REASON, "passes descriptors between processes" },
    { "recvmsg", CL_RISK_REASON, "passes descriptors between processes" },
    { "clone", CL_RISK_REASON, TASKS },
    { "fork", CL_RISK_REASON, TASKS },
    { "vfork", CL_RISK_REASON, TASKS },
    { "execve", CL_RISK_REASON, EXEC },
    { "execveat", CL_RISK_REASON, EXEC },
    { "memfd_create", CL_RISK_REASON,
      "makes files that can be mapped as code, outside of /tmp" },
    { "mmap", CL_RISK_REASON, PAGES },
    { "mprotect", CL_RISK_REASON, PAGES },
    { "pkey_mprotect", CL_RISK_REASON, PAGES },
    { "ioctl", CL_RISK_REASON, "every driver has its own, " HANDLES },
    { "fcntl", CL_RISK_REASON, HANDLES },
    { "prctl", CL_RISK_REASON, HANDLES },
    { "arch_prctl", CL_RISK_REASON, HANDLES },
    { "madvise", CL_RISK_REASON, HANDLES },
    { "openat", CL_RISK_REASON, "opens files, also for writing" },
    { "open", CL_RISK_REASON, "opens files, also for writing" },
    { "kill", CL_RISK_REASON, "signals other processes of the jail" },
    { "tkill", CL_RISK_REASON, "signals other processes of the jail" },
    { "tgkill", CL_RISK_REASON, "signals other processes of the jail" },
    { "setrlimit", CL_RISK_REASON, "changes the limits of the worker" },
    { "prlimit64", CL_RISK_REASON, "changes the limits of the worker" },
    { "sched_setaffinity", CL_RISK_REASON, "chooses its processors, and so its neighbours" },
    { "sched_setscheduler", CL_RISK_REASON, "changes its share of the processors" },
    { "getrusage", CL_RISK_REASON, "a finer clock for timing attacks than it needs" },
    { "sysinfo", CL_RISK_REASON, "shows the load of the host" },
    { "times", CL_RISK_NONE, HARMLESS },

    { "getuid", CL_RISK_NONE, HARMLESS },
    { "geteuid", CL_RISK_NONE, HARMLESS },
    { "getgid", CL_RISK_NONE, HARMLESS },
    { "getegid", CL_RISK_NONE, HARMLESS },
    { "getresuid", CL_RISK_NONE, HARMLESS },
    { "getresgid", CL_RISK_NONE, HARMLESS },
    { "getgroups", CL_RISK_NONE, HARMLESS },
    { "getppid", CL_RISK_NONE, HARMLESS },
    { "getpgrp", CL_RISK_NONE, HARMLESS },
    { "getpgid", CL_RISK_NONE, HARMLESS },
    { "getsid", CL_RISK_NONE, HARMLESS },
    { "getcpu", CL_RISK_NONE, HARMLESS },
    { "sched_getaffinity", CL_RISK_NONE, HARMLESS },
    { "clock_getres", CL_RISK_NONE, HARMLESS },
    { "gettimeofday", CL_RISK_NONE, HARMLESS },
    { "time", CL_RISK_NONE, HARMLESS },
    { "nanosleep", CL_RISK_NONE, HARMLESS },
    { "readv", CL_RISK_NONE, HARMLESS },
    { "writev", CL_RISK_NONE, HARMLESS },
    { "pread64", CL_RISK_NONE, HARMLESS },
    { "pwrite64", CL_RISK_NONE, HARMLESS },
    { "dup", CL_RISK_NONE, HARMLESS },
    { "dup2", CL_RISK_NONE, HARMLESS },
    { "dup3", CL_RISK_NONE, HARMLESS },
    { "poll", CL_RISK_NONE, HARMLESS },
    { "select", CL_RISK_NONE, HARMLESS },
    { "umask", CL_RISK_NONE, HARMLESS },
    { "uname", CL_RISK_NONE, HARMLESS },
    { "getcwd", CL_RISK_NONE, HARMLESS },
    { "fsync", CL_RISK_NONE, HARMLESS },
    { "fdatasync", CL_RISK_NONE, HARMLESS },
    { "membarrier", CL_RISK_NONE, HARMLESS },
};

static const struct cl_risk unreviewed = { "", CL_RISK_REASON,
                                           "nobody has reviewed it for this use" };

/* Each gives native code, or a way past the second line, to whoever may import it. The kernel
 * jail holds all the same; `check` warns so that the grant is made knowingly. */
static const struct cl_risk modules[] = {
    { "ctypes", CL_RISK_REASON, "calls any function of the C library: native code" },
    { "_ctypes", CL_RISK_REASON, "calls any function of the C library: native code" },
    { "cffi", CL_RISK_REASON, "calls any function of the C library: native code" },
    { "os", CL_RISK_REASON, "makes system calls; the kernel jail alone refuses them" },
    { "posix", CL_RISK_REASON, "makes system calls; the kernel jail alone refuses them" },
    { "sys", CL_RISK_REASON, "holds every loaded module, allowed or not" },
    { "builtins", CL_RISK_REASON, "holds the built-in names that were removed" },
    { "importlib", CL_RISK_REASON, "imports around the list of modules" },
    { "gc", CL_RISK_REASON, "finds every object in the process" },
    { "inspect", CL_RISK_REASON, "reaches the frames of the code that guards the call" },
    { "marshal", CL_RISK_REASON, "makes code objects: native code by way of crafted bytecode" },
    { "pickle", CL_RISK_REASON, "calls anything by name while it loads" },
    { "code", CL_RISK_REASON, "runs source text" },
    { "subprocess", CL_RISK_REASON, "starts programs; the kernel jail refuses them" },
    { "socket", CL_RISK_REASON, "opens sockets; the kernel jail refuses them" },
    { "multiprocessing", CL_RISK_REASON, "starts processes; the kernel jail refuses them" },
    { "faulthandler", CL_RISK_REASON, "writes to any descriptor and can crash the worker" },
};

static const struct cl_risk *look_up(const struct cl_risk *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

const struct cl_risk *cl_risk_syscall(const char *name)
{
    const struct cl_risk *risk = look_up(syscalls, CL_COUNT(syscalls), name);

    return risk ? risk : &unreviewed;
}

const struct cl_risk *cl_risk_module(const char *name)
{
    return look_up(modules, CL_COUNT(modules), name);
}

int cl_risk_number(const char *name)
{
    int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name);

    /* Negative: none at all, or one of another architecture. */
    return number < 0 ? -1 : number;
}

void cl_risk_nearest(const char *name, char *nearest, size_t size)
{
    struct cl_text_nearest best = CL_TEXT_NEAREST_INIT(name);

    nearest[0] = '\0';
    for (int number = 0; number < SYSCALLS_END; number++) {
        cl_free_auto char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
        if (!known)
            continue;
        cl_text_nearest_try(&best, known);
        if (best.word == known)
            snprintf(nearest, size, "%s", known);
        best.word = NULL;
    }
}
