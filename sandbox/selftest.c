/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves the jail from inside before anybody may use it.
 * Runs in: cloched, once, at its start.
 * Trusts: the kernel's errno and signals as the probed workers report them: no caller's code has
 * run in any of them.
 */
#include "sandbox/selftest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/probes.h"
#include "sandbox/reap.h"
#include "sandbox/zygote.h"

enum {
    DEADLINE_US = 10000000,
    PROOF_DEADLINE_US = 120000000, /* of a policy: some 500 workers, one after the other */
    PATIENCE_US = 1000000,         /* for a call that may wait for ever */
};

/* --------------------------------------------------------------------------------- judging */

const char *cl_selftest_judge_call(bool died, int32_t status, int32_t sys)
{
    if (died)
        return status == SIGSYS ? NULL : "the worker died, but not by the filter";
    if (sys == 0)
        return "the call succeeded";
    return cl_probes_accept(CL_PROBE_CLOSED, sys) ? NULL : "the call reached the kernel";
}

const char *cl_selftest_judge_open(bool died, int32_t status, int32_t sys)
{
    if (died)
        return status == SIGSYS ? "the filter ended the worker" : NULL;
    return cl_probes_accept(CL_PROBE_OPEN, sys) ? NULL : "it is refused all the same";
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

static const struct cl_probe *probe_of(const struct cl_selftest_run *run)
{
    const struct cl_selftest *test = &run->daemon->selftest;

    return &test->probes[run - test->runs];
}

static const char *judge(const struct cl_selftest_run *run, bool died, int32_t status,
                         int32_t sys)
{
    const enum cl_probe_meaning meaning = probe_of(run)->meaning;

    switch (meaning) {
    case CL_PROBE_OPEN:
        return cl_selftest_judge_open(died, status, sys);
    case CL_PROBE_SEEN:
        return !died && sys == 0 ? NULL : "it can't be opened";
    case CL_PROBE_LOCKED:
    case CL_PROBE_ABSENT:
        if (!died && !cl_probes_accept(meaning, sys))
            return meaning == CL_PROBE_LOCKED ? "it is not read-only" : "it is there";
        return NULL;
    default:
        return cl_selftest_judge_call(died, status, sys);
    }
}

static void finish(struct cl_daemon *daemon)
{
    struct cl_selftest *test = &daemon->selftest;

    cl_timer_stop(&test->deadline);
    test->is_running = false;
    test->is_passed = !test->has_failed;
    if (test->is_passed)
        cl_daemon_check_ready(daemon);
    else
        cl_daemon_stop(daemon, "the jail does not hold: see the lines above");
}

/* One line; `cloche policy test` reads them. */
static void print(const struct cl_selftest_run *run, const char *seen, const char *wrong)
{
    const struct cl_probe *probe = probe_of(run);
    FILE *to = run->daemon->options.self_test ? stdout : stderr;
    char name[CL_FRAME_PROBE_PATH + 32];

    if (!probe->name)
        snprintf(name, sizeof(name), "syscall %u %s", probe->ask.number,
                 probe->meaning == CL_PROBE_OPEN ? "open" : "closed");
    else
        snprintf(name, sizeof(name), "%s%s%s", probe->name, *probe->ask.path ? " " : "",
                 probe->ask.path);
    fprintf(to, "%s %s: %s%s%s\n", wrong ? "FAIL" : "ok", name, seen, wrong ? ", " : "",
            wrong ? wrong : "");
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
        print(run, seen, wrong);
    cl_timer_stop(&run->patience);
    cl_loop_remove(&daemon->loop, &run->watch);
    if (++test->done == test->count)
        finish(daemon);
}

/* A call that the filter traps ends the worker with DENIED; what it says is not read. */
static bool is_answer(const struct cl_selftest_run *run)
{
    const struct cl_frame *head = &run->answer.frames.head;
    bool is_call = probe_of(run)->ask.kind != CL_PROBE_JAIL;

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
    uint32_t uid = run->spare->slot->number + 1;
    char text[96];

    if (!is_answer(run)) {
        conclude(run, "an answer that is none", "the worker broke the protocol");
    } else if (run->answer.frames.head.type == CL_F_DENIED) {
        conclude(run, "denied by the filter", judge(run, true, SIGSYS, 0));
    } else if (probe_of(run)->ask.kind == CL_PROBE_JAIL) {
        snprintf(text, sizeof(text), "pid %d uid %u gid %u caps %llx nnp %u fds %u", seen->pid,
                 seen->uid, seen->gid, (unsigned long long)seen->caps, seen->no_new_privs,
                 seen->fd_count);
        conclude(run, text, cl_selftest_judge_jail(seen, uid));
    } else {
        snprintf(text, sizeof(text), "%s", seen->sys ? strerrorname_np(seen->sys) : "success");
        conclude(run, text, judge(run, false, 0, seen->sys));
    }
}

/* The call waits for what will not come. */
static void on_patience(struct cl_timer *timer)
{
    struct cl_selftest_run *run = cl_list_entry(timer, struct cl_selftest_run, patience);

    conclude(run, "it waits",
             probe_of(run)->meaning == CL_PROBE_OPEN ? NULL : "the call reached the kernel");
    cl_reap_kill(run->spare, CL_END_LOST, CL_LIMIT_NONE, 0);
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

    cl_fail(&err, CL_E_LIMIT, "the self-test did not end in time: %u of %zu probes answered",
            test->done, test->count);
    cl_daemon_stop(daemon, err.text);
}

struct cl_pool *cl_selftest_open(struct cl_daemon *daemon)
{
    struct cl_selftest *test = &daemon->selftest;
    const char *name = daemon->options.proved;
    struct cl_pool *pool = cl_pool_named(daemon, name ? name : "default");

    if (!pool || test->count > 0)
        return pool;
    test->pool = pool;
    test->probes = cl_probes_make(name ? pool->policy : NULL, &test->count);
    test->runs = calloc(test->count, sizeof(*test->runs));
    CL_CHECK(test->runs);
    return pool;
}

uint32_t cl_selftest_wants(const struct cl_pool *pool)
{
    const struct cl_selftest *test = &pool->daemon->selftest;
    uint32_t missing = 0;

    /* At a start one failure is enough; a proof tells them all. */
    if (test->is_passed || (test->has_failed && !pool->daemon->options.proved) ||
        pool != test->pool)
        return 0;
    for (size_t i = 0; i < test->count && missing < CL_SELFTEST_MAX; i++)
        missing += !test->runs[i].is_started;
    return missing;
}

/* Probes of calls that the policy grants need no worker. */
static struct cl_selftest_run *next_run(struct cl_daemon *daemon,
                                        const struct cl_policy *policy)
{
    struct cl_selftest *test = &daemon->selftest;

    for (size_t i = 0; i < test->count; i++) {
        struct cl_selftest_run *run = &test->runs[i];
        if (run->is_started)
            continue;
        run->is_started = true;
        run->daemon = daemon;
        cl_timer_init(&run->patience, on_patience);
        run->watch = (struct cl_watch){ -1, EPOLLIN, on_answer };
        if (!(test->probes[i].granted & policy->tiers))
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
        cl_timer_start(&daemon->loop, &test->deadline,
                       cl_clock_us() +
                           (daemon->options.proved ? PROOF_DEADLINE_US : DEADLINE_US));
    }
    spare->is_probe = true;
    cl_pool_uncount(spare);
    run = next_run(daemon, spare->zygote->pool->policy);
    if (!run) {
        cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
        return;
    }
    struct {
        struct cl_frame head;
        struct cl_frame_probe body;
    } question = {
        .head = cl_frame_make(CL_F_PROBE, sizeof(question.body)),
        .body = probe_of(run)->ask,
    };
    run->spare = spare;
    run->watch.fd = spare->job;
    if (send(spare->job, &question, sizeof(question), MSG_NOSIGNAL) != sizeof(question) ||
        cl_loop_add(&daemon->loop, &run->watch, &err) < 0) {
        run->watch.fd = -1;
        conclude(run, "no worker", "it went before it was asked");
        return;
    }
    if (probe_of(run)->meaning == CL_PROBE_OPEN)
        cl_timer_start(&daemon->loop, &run->patience, cl_clock_us() + PATIENCE_US);
}

void cl_selftest_on_end(struct cl_daemon *daemon, const struct cl_spare *spare,
                        const struct cl_msg_end *end)
{
    struct cl_selftest *test = &daemon->selftest;
    char text[48];

    for (size_t i = 0; i < test->count; i++) {
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
        conclude(run, text, judge(run, true, signal_number, 0));
        return;
    }
}
