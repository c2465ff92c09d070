/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one worker: a raw clone3 with its namespaces.
 * Runs in: cloche-zygote; from the clone on also in the worker, which never comes back.
 * Trusts: the zygote that filled the jail; no caller's byte exists yet.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/enter/enter.h"

/* glibc keeps the thread's id in its control block and uses it in abort() and in recursive
 * mutexes. fork() refreshes it through CLONE_CHILD_SETTID; a raw clone has to find the place
 * first. The kernel tells (CONFIG_CHECKPOINT_RESTORE, as every distribution has it); 0 leaves
 * the parent's id in the child, which is wrong only for a signal that a worker sends itself. */
static uint64_t tid_address(void)
{
    int *address = NULL;

    if (prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) < 0 || !address)
        return 0;
    return *address == (int)syscall(SYS_gettid) ? (uint64_t)(uintptr_t)address : 0;
}

static struct clone_args clone_args_of(const struct cl_jail *jail, int *pidfd)
{
    struct clone_args args = {
        /* CLONE_PARENT: cloched waits for workers itself, and they outlive no zygote it kills.
         * NEWNS even without a /tmp: no mount of one worker can ever be another's. */
        .flags = CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .child_tid = tid_address(),
        .exit_signal = 0, /* CLONE_PARENT demands it: the zygote's own SIGCHLD is inherited */
    };

    if (args.child_tid)
        args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    if (jail->cgroup_dir >= 0) {
        args.flags |= CLONE_INTO_CGROUP; /* Linux 5.7: born in its group, nothing to migrate */
        args.cgroup = (unsigned)jail->cgroup_dir;
    }
    return args;
}

static _Noreturn void run_child(struct cl_jail *jail, cl_enter_run *run)
{
    prctl(PR_SET_NAME, "cloche-worker", 0, 0, 0); /* for people; the filter refuses it later */
    cl_enter(jail);
    run(&jail->seen);
    _exit(1); /* the parent's frames are below: there is no way back, whatever `run` did */
}

int cl_enter_clone(struct cl_jail *jail, cl_enter_run *run, struct cl_err *err)
{
    cl_close_auto int pidfd = -1;
    struct clone_args args = clone_args_of(jail, &pidfd);

    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        run_child(jail, run);
    if (pid < 0)
        return cl_fail(err, CL_E_SYS, "clone3");
    jail->pid = pid;
    return cl_take_fd(&pidfd);
}
