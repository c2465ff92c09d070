/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a warm interpreter behind a read-only tree and clones one jailed worker per request.
 * Runs in: cloche-zygote, root of its own user namespace only.
 * Trusts: cloched on fd 3, and the policy on fd 4 once it is checked. It never sees a call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/arena.h"
#include "runtime/hugetext.h"
#include "runtime/interp.h"
#include "runtime/run.h"
#include "runtime/sigsys.h"
#include "runtime/worker.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/wire.h"

enum { POLICY_FD = 4 };

#ifdef CL_ASAN
/* Nobody may be traced here to look for leaks; what is too large to be had is a MemoryError; what
 * was freed counts in the jail's memory until it is given back; a fault of the caller's ends the
 * worker as it does without the sanitizer. */
const char *__asan_default_options(void) __attribute__((visibility("default")));

const char *__asan_default_options(void)
{
    return "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=1:handle_segv=0:"
           "handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0";
}
#endif

/* ------------------------------------------------------------------------------------- start */

/* PDEATHSIG says nothing when cloched is already gone; its end of the socket does. */
static int check_parent(struct cl_err *err)
{
    struct pollfd control = { .fd = CL_CONTROL_FD, .events = 0 };

    if (poll(&control, 1, 0) > 0 && (control.revents & POLLHUP))
        return cl_fail(err, CL_E_LOST, "cloched is gone");
    return 0;
}

static int take_process(struct cl_err *err)
{
    sigset_t none;

    umask(077);
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return cl_fail(err, CL_E_SYS, "signals");
    /* Without a terminal for ever; workers get a process group each, not a session: that would
     * make them leaders, which may take a terminal, and cost a scheduling group each. */
    if (setsid() < 0 && errno != EPERM) /* leads one already */
        return cl_fail(err, CL_E_SYS, "setsid");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "pdeathsig");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "dumpable");
    if (check_parent(err) < 0 || cl_sigsys_install(err) < 0)
        return -1;
    if (close_range(POLICY_FD + 1, ~0U, 0) < 0)
        return cl_fail(err, CL_E_SYS, "close_range");
    return 0;
}

static const struct cl_policy *take_policy(struct cl_err *err)
{
    const struct cl_policy *policy = cl_policyview_open(POLICY_FD, err);

    if (policy)
        close(POLICY_FD); /* the mapping stays */
    return policy;
}

/* The host's tree is closed after preloading, which reads its stdlib, and before anything that a
 * caller wrote exists. From here on no Python code runs in this process, so that the thread count
 * checked here stays what it is. */
static int close_world(const struct cl_policy *policy, struct cl_err *err)
{
    cl_arena_close();
    cl_interp_before_forks();
    if (cl_interp_check_threads(err) < 0 || cl_enter_tree(policy, err) < 0)
        return -1;
    /* A keyring of its own: none of the session that started cloched, none shared with others. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        return cl_fail(err, CL_E_SYS, "session keyring");
    return cl_enter_bounding(err);
}

static const struct cl_policy *start(struct cl_run_loaded *loaded, struct cl_err *err)
{
    const struct cl_policy *policy = NULL;

    if (take_process(err) < 0 || !(policy = take_policy(err)))
        return NULL;
    if (cl_interp_start(err) < 0 || cl_run_prepare(policy, loaded, err) < 0 ||
        cl_hugetext_remap(err) < 0)
        return NULL;
    return close_world(policy, err) < 0 ? NULL : policy;
}

/* The last of the start: from here on this process does nothing but make workers. */
static int tell_up(const struct cl_policy *policy, const struct cl_run_loaded *loaded,
                   uint64_t started_us, struct cl_err *err)
{
    struct cl_msg_up up = {
        .modules_preloaded = loaded->preloaded,
        .modules_mapped = loaded->mapped,
        .start_us = cl_clock_us() - started_us,
    };

    if (dup2(STDIN_FILENO, STDERR_FILENO) < 0) /* /dev/null: workers log through frames only */
        return cl_fail(err, CL_E_SYS, "close the log");
    if (cl_enter_seccomp_zygote(policy, err) < 0)
        return -1;
    return cl_msg_send(CL_CONTROL_FD, CL_M_UP, &up, NULL, 0, err);
}

/* ------------------------------------------------------------------------------------- spawn */

static void tell_failed(uint64_t spare, const struct cl_err *why)
{
    struct cl_msg_failed failed = { .spare = spare, .err = *why };
    struct cl_err ignored = CL_ERR_INIT;

    cl_msg_send(CL_CONTROL_FD, CL_M_FAILED, &failed, NULL, 0, &ignored);
}

/* fds: the job socket, then the slot's cgroup directory (v2) or `cgroup.procs` files (v1). */
static int fill_jail(struct cl_jail *jail, const struct cl_msg_spawn *spawn, const int *fds,
                     size_t fd_count, struct cl_err *err)
{
    if (spawn->slot >= CL_POLICY_SLOTS_MAX || fd_count < 1 ||
        fd_count - 1 > CL_ENTER_CGROUPS_MAX || (spawn->cgroup_v2 && fd_count != 2))
        return cl_fail(err, CL_E_LOST, "SPAWN of slot %u with %zu descriptors", spawn->slot,
                       fd_count);
    if (cl_fdpass_check(fds[0], SOCK_STREAM, err) < 0)
        return cl_err_context(err, "job socket");
    jail->spare = spawn->spare;
    jail->uid = 1 + spawn->slot;
    jail->job_fd = fds[0];
    jail->cgroup_dir = spawn->cgroup_v2 ? fds[1] : -1;
    for (size_t i = 0; i < CL_ENTER_CGROUPS_MAX; i++)
        jail->cgroup_procs[i] = !spawn->cgroup_v2 && i + 1 < fd_count ? fds[i + 1] : -1;
    return 0;
}

static int spawn_one(const struct cl_policy *policy, const struct cl_msg_spawn *spawn,
                     const int *fds, size_t fd_count)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_jail jail = {
        .policy = policy,
        .status_fd = CL_CONTROL_FD,
    };
    cl_close_auto int pidfd = -1;

    if (fill_jail(&jail, spawn, fds, fd_count, &err) == 0)
        pidfd = cl_enter_clone(&jail, cl_worker_run, &err);
    if (pidfd < 0) {
        tell_failed(spawn->spare, &err);
        return 0; /* cloched decides what a refused spawn means */
    }
    struct cl_msg_spawned spawned = { .spare = spawn->spare, .pid = jail.pid };

    return cl_msg_send(CL_CONTROL_FD, CL_M_SPAWNED, &spawned, &pidfd, 1, &err);
}

/* Until cloched closes its end. */
static int serve(const struct cl_policy *policy, struct cl_err *err)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count;
    int got;

    while ((got = cl_msg_recv(CL_CONTROL_FD, CL_WAY_CLOCHED_TO_ZYGOTE, &msg, fds, &fd_count,
                              err)) == 1) {
        int sent = spawn_one(policy, &msg.spawn, fds, fd_count);

        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
        if (sent < 0)
            return -1;
    }
    return got;
}

int main(int count, char **args)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_run_loaded loaded = { 0, 0 };
    uint64_t started_us = cl_clock_us();

    const int level = count > 1 ? cl_log_level_parse(args[1]) : CL_INFO;

    cl_log_open("zygote", level < 0 ? CL_INFO : (enum cl_log_level)level);
    if (cl_fdpass_check(CL_CONTROL_FD, SOCK_SEQPACKET, &err) < 0) {
        cl_log(CL_ERROR, "zygote.start", "error=\"%s\" hint=\"cloched starts this\"", err.text);
        return EXIT_FAILURE;
    }
    const struct cl_policy *policy = start(&loaded, &err);

    if (!policy || tell_up(policy, &loaded, started_us, &err) < 0) {
        cl_log(CL_ERROR, "zygote.start", "error=\"%s\"", err.text);
        tell_failed(0, &err);
        return EXIT_FAILURE;
    }
    /* _exit: what the interpreter would do at its end is of no use to anybody. */
    _exit(serve(policy, &err) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
