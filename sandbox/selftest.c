/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves the jail from inside before anybody may use it.
 * Runs in: cloched, once, at its start.
 * Trusts: the kernel's errno and signals as the probed workers report them: no caller's code has
 * run in any of them.
 */
#include "sandbox/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/reap.h"
#include "sandbox/zygote.h"

enum { DEADLINE_US = 10000000 };

#define RWX      (PROT_READ | PROT_WRITE | PROT_EXEC)
#define ANYWHERE (MAP_PRIVATE | MAP_ANONYMOUS)

/* One worker each: most of these end it. Pointers are NULL: a call that the filter lets through
 * says EFAULT or EINVAL, which is a failure here. */
static const struct probe {
    const char *name;
    uint32_t kind;
    uint32_t number;
    uint64_t args[6];
    uint32_t granted; /* a tier that allows the call: then it is not tried */
} probes[] = {
    { "the jail itself", CL_PROBE_JAIL, 0, { 0 }, 0 },
    { "socket AF_INET", CL_PROBE_SYSCALL, SYS_socket, { AF_INET, SOCK_STREAM }, 0 },
    { "socket AF_VSOCK", CL_PROBE_SYSCALL, SYS_socket, { AF_VSOCK, SOCK_STREAM }, 0 },
    { "openat",
      CL_PROBE_SYSCALL,
      SYS_openat,
      { (uint64_t)AT_FDCWD, 0, O_RDONLY },
      CL_TIER_TMP_FILES | CL_TIER_LATE_IMPORTS },
    { "execve", CL_PROBE_SYSCALL, SYS_execve, { 0 }, 0 },
    { "clone NEWUSER", CL_PROBE_SYSCALL, SYS_clone, { CLONE_NEWUSER | SIGCHLD }, 0 },
    { "unshare", CL_PROBE_SYSCALL, SYS_unshare, { CLONE_NEWNS }, 0 },
    { "setns", CL_PROBE_SYSCALL, SYS_setns, { CL_JOB_FD }, 0 },
    { "mount", CL_PROBE_SYSCALL, SYS_mount, { 0, 0, 0, MS_REMOUNT }, 0 },
    { "ptrace", CL_PROBE_SYSCALL, SYS_ptrace, { PTRACE_TRACEME }, 0 },
    { "bpf", CL_PROBE_SYSCALL, SYS_bpf, { 0 }, 0 },
    { "io_uring_setup", CL_PROBE_SYSCALL, SYS_io_uring_setup, { 1 }, 0 },
    { "keyctl", CL_PROBE_SYSCALL, SYS_keyctl, { 0 }, 0 },
    { "userfaultfd", CL_PROBE_SYSCALL, SYS_userfaultfd, { 0 }, 0 },
    { "kill", CL_PROBE_SYSCALL, SYS_kill, { 1, 0 }, 0 },
    { "setuid", CL_PROBE_SYSCALL, SYS_setuid, { 0 }, 0 },
    { "init_module", CL_PROBE_SYSCALL, SYS_init_module, { 0 }, 0 },
    { "perf_event_open", CL_PROBE_SYSCALL, SYS_perf_event_open, { 0 }, 0 },
    { "process_vm_readv", CL_PROBE_SYSCALL, SYS_process_vm_readv, { 1 }, 0 },
    { "mmap W+X", CL_PROBE_SYSCALL, SYS_mmap, { 0, 4096, RWX, ANYWHERE, (uint64_t)-1 }, 0 },
};

_Static_assert(sizeof(probes) / sizeof(probes[0]) <= CL_SELFTEST_MAX, "one run for each probe");

/* --------------------------------------------------------------------------------- judging */

/* What the filter and the kernel refuse with. Any other errno means that the call was let in. */
static bool is_refusal(int32_t sys)
{
    return sys == EPERM || sys == EACCES || sys == ENOSYS;
}

const char *cl_selftest_judge_call(bool died, int32_t status, int32_t sys)
{
    if (died)
        return status == SIGSYS ? NULL : "the worker died, but not by the filter";
    if (sys == 0)
        return "the call succeeded";
    return is_refusal(sys) ? NULL : "the call reached the kernel";
}

const char *cl_selftest_judge_jail(const struct cl_frame_probed *seen, uint32_t uid)
{
    if (seen->pid != 1)
        return "it is not alone in a pid namespace";
    if (seen->uid != uid || seen->gid != uid || uid == 0)
        return "it has not the ids of its slot";
    if (seen->caps != 0)
        return "it has capabilities";
    if (seen->no_new_privs != 1)
        return "it could gain privileges";
    return seen->fd_count == CL_JOB_FD + 1 ? NULL
                                           : "it has other descriptors than its own four";
}

/* ----------------------------------------------------------------------------------- runs */

static size_t index_of(const struct cl_selftest_run *run)
{
    return (size_t)(run - run->daemon->selftest.runs);
}

static void finish(struct cl_daemon *daemon)
{
    struct cl_selftest *test = &daemon->selftest;
    struct cl_err err = CL_ERR_INIT;

    cl_timer_stop(&test->deadline);
    test->is_running = false;
    test->is_passed = !test->has_failed;
    if (test->is_passed) {
        cl_daemon_check_ready(daemon);
        return;
    }
    cl_fail(&err, CL_E_DENIED, "the jail does not hold: see the lines above");
    cl_daemon_stop(daemon, &err);
}

/* `wrong` NULL: as it has to be. */
static void conclude(struct cl_selftest_run *run, const char *seen, const char *wrong)
{
    struct cl_daemon *daemon = run->daemon;
    struct cl_selftest *test = &daemon->selftest;

    if (run->is_done)
        return;
    run->is_done = true;
    test->has_failed = test->has_failed || wrong;
    if (daemon->options.self_test || wrong)
        fprintf(daemon->options.self_test ? stdout : stderr, "%s %s: %s%s%s\n",
                wrong ? "FAIL" : "ok", probes[index_of(run)].name, seen, wrong ? ", " : "",
                wrong ? wrong : "");
    cl_loop_remove(&daemon->loop, &run->watch);
    if (++test->done == CL_COUNT(probes))
        finish(daemon);
}

/* A call that the filter traps ends the worker with DENIED; what it says is not read. */
static bool is_answer(const struct cl_selftest_run *run)
{
    const struct cl_frame *head = &run->answer.frames.head;
    bool is_call = probes[index_of(run)].kind == CL_PROBE_SYSCALL;

    return run->answer.frames.ready.type == CL_F_READY &&
           ((head->type == CL_F_DENIED && is_call) ||
            (head->type == CL_F_PROBED && head->length == sizeof(run->answer.frames.probed) &&
             run->got == sizeof(run->answer.bytes)));
}

/* Whether there is enough to judge. */
static bool is_complete(const struct cl_selftest_run *run)
{
    const size_t heads = offsetof(__typeof__(run->answer.frames), probed);

    return run->got == sizeof(run->answer.bytes) ||
           (run->got >= heads && run->answer.frames.head.type != CL_F_PROBED);
}

static void judge_answer(struct cl_selftest_run *run)
{
    const struct cl_frame_probed *seen = &run->answer.frames.probed;
    uint32_t uid = run->spare->slot->cgroup.number + 1;
    char text[96];

    if (!is_answer(run)) {
        conclude(run, "an answer that is none", "the worker broke the protocol");
    } else if (run->answer.frames.head.type == CL_F_DENIED) {
        conclude(run, "denied by the filter", NULL);
    } else if (probes[index_of(run)].kind == CL_PROBE_JAIL) {
        snprintf(text, sizeof(text), "pid %d uid %u gid %u caps %llx nnp %u fds %u", seen->pid,
                 seen->uid, seen->gid, (unsigned long long)seen->caps, seen->no_new_privs,
                 seen->fd_count);
        conclude(run, text, cl_selftest_judge_jail(seen, uid));
    } else {
        snprintf(text, sizeof(text), "%s", seen->sys ? strerrorname_np(seen->sys) : "success");
        conclude(run, text, cl_selftest_judge_call(false, 0, seen->sys));
    }
}

static void on_answer(struct cl_watch *watch, uint32_t events)
{
    struct cl_selftest_run *run = cl_list_entry(watch, struct cl_selftest_run, watch);
    struct cl_spare *spare = run->spare;
    ssize_t got = recv(watch->fd, run->answer.bytes + run->got,
                       sizeof(run->answer.bytes) - run->got, MSG_DONTWAIT);

    (void)events;
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        cl_loop_remove(&run->daemon->loop, watch); /* how it died is told by its exit status */
        return;
    }
    run->got += (uint32_t)got;
    if (!is_complete(run))
        return;
    judge_answer(run);
    cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
}

static void on_deadline(struct cl_timer *timer)
{
    struct cl_selftest *test = cl_list_entry(timer, struct cl_selftest, deadline);
    struct cl_daemon *daemon = cl_list_entry(test, struct cl_daemon, selftest);
    struct cl_err err = CL_ERR_INIT;

    cl_fail(&err, CL_E_LIMIT,
            "the self-test did not end within %d s: %u of %zu probes answered",
            DEADLINE_US / 1000000, test->done, CL_COUNT(probes));
    cl_daemon_stop(daemon, &err);
}

uint32_t cl_selftest_missing(const struct cl_daemon *daemon)
{
    uint32_t missing = 0;

    for (size_t i = 0; i < CL_COUNT(probes); i++)
        missing += !daemon->selftest.runs[i].is_started;
    return missing;
}

bool cl_selftest_needs(const struct cl_daemon *daemon, const struct cl_pool *pool)
{
    const struct cl_selftest *test = &daemon->selftest;

    return !test->is_passed && !test->has_failed && cl_selftest_missing(daemon) > 0 &&
           strcmp(pool->name, "default") == 0;
}

/* Probes of calls that the policy grants need no worker. */
static struct cl_selftest_run *next_run(struct cl_daemon *daemon,
                                        const struct cl_policy *policy)
{
    struct cl_selftest *test = &daemon->selftest;

    for (size_t i = 0; i < CL_COUNT(probes); i++) {
        struct cl_selftest_run *run = &test->runs[i];
        if (run->is_started)
            continue;
        run->is_started = true;
        run->daemon = daemon;
        run->watch = (struct cl_watch){ -1, EPOLLIN, on_answer };
        if (!(probes[i].granted & policy->tiers))
            return run;
        conclude(run, "granted by the policy", NULL);
    }
    return NULL;
}

void cl_selftest_give(struct cl_daemon *daemon, struct cl_spare *spare)
{
    struct cl_selftest *test = &daemon->selftest;
    struct cl_selftest_run *run;
    struct cl_err err = CL_ERR_INIT;

    if (!test->is_running) {
        test->is_running = true;
        cl_timer_init(&test->deadline, on_deadline);
        cl_timer_start(&daemon->loop, &test->deadline, cl_clock_us() + DEADLINE_US);
    }
    spare->is_probe = true;
    cl_pool_uncount(spare);
    run = next_run(daemon, spare->zygote->pool->policy);
    if (!run) {
        cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
        return;
    }
    const struct probe *probe = &probes[index_of(run)];
    struct {
        struct cl_frame head;
        struct cl_frame_probe body;
    } question = {
        .head = cl_frame_make(CL_F_PROBE, sizeof(question.body)),
        .body = { .kind = probe->kind, .number = probe->number },
    };
    memcpy(question.body.args, probe->args, sizeof(probe->args));
    run->spare = spare;
    run->watch.fd = spare->job;
    if (send(spare->job, &question, sizeof(question), MSG_NOSIGNAL) != sizeof(question) ||
        cl_loop_add(&daemon->loop, &run->watch, &err) < 0) {
        run->watch.fd = -1;
        conclude(run, "no worker", "it went before it was asked");
    }
}

void cl_selftest_on_end(struct cl_daemon *daemon, const struct cl_spare *spare,
                        const struct cl_msg_end *end)
{
    struct cl_selftest *test = &daemon->selftest;
    char text[48];

    for (size_t i = 0; i < CL_COUNT(probes); i++) {
        struct cl_selftest_run *run = &test->runs[i];
        if (run->spare != spare || run->is_done)
            continue;
        /* It may have answered and gone before its socket had its turn. */
        while (run->watch.fd >= 0 && !run->is_done)
            on_answer(&run->watch, 0);
        if (run->is_done)
            return;
        int32_t signal_number = end->cause == CL_END_SIGNALLED ? end->status : 0;
        snprintf(text, sizeof(text),
                 end->cause == CL_END_SIGNALLED ? "killed by signal %d" : "exit status %d",
                 end->status);
        conclude(run, text, cl_selftest_judge_call(true, signal_number, 0));
        return;
    }
}
