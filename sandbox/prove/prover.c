/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-prover POLICY quiet|list|every: stands where the API will, takes workers of one policy before any
 * caller may, and proves their jail from inside: one tells what it sees of it, one each makes a call
 * of every class that must be refused. With `every`, each system call and path there is has its
 * worker; `quiet` tells only what is wrong. Ends with 0 when the jail holds, with 1 when it does not, with 2 when that can't be said.
 * Runs in: cloche-prover, as the API's uid, with cloched's control socket at 3 and its output at 4.
 * Trusts: cloched; what the workers say, in which nobody else's code has run.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/wire.h"
#include "sandbox/prove/judge.h"

enum {
    HOLDS,
    FAILS,
    UNSAID,
    OUTPUT_FD = CL_CONTROL_FD + 1,
    AT_ONCE = 24,            /* workers asked at the same time */
    TRIES = 3,               /* when a worker went, and not by its call */
    PATIENCE_MS = 1000,      /* for a call that may wait for ever */
    DEADLINE_US = 180000000, /* of the short list: what a zygote may take to come up */
    EVERY_US = 900000000,    /* some 500 workers, on a slow machine */
};

struct run {
    const struct cl_probe *probe;
    uint64_t spare; /* 0: no worker was asked yet */
    uint32_t slot;
    uint32_t tries;
    uint32_t got; /* bytes of the answer */
    int job;      /* -1: not listened to */
    bool is_done;
    union {
        uint8_t bytes[2 * sizeof(struct cl_frame) + sizeof(struct cl_frame_probed)];
        struct {
            struct cl_frame ready, head;
            struct cl_frame_probed probed;
        } frames;
    } answer;
};

static struct {
    const struct cl_policy *policy; /* NULL until it was told */
    uint32_t pool;
    struct cl_probe *probes;
    struct run *runs;
    size_t count, done;
    bool is_quiet, is_every, has_failed;
    FILE *output;
} prover;

static _Noreturn __attribute__((format(printf, 1, 2))) void give_up(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("cloched: self-test: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(UNSAID);
}

static void tell(enum cl_msg_type type, void *msg)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_msg_send(CL_CONTROL_FD, type, msg, NULL, 0, &err) < 0)
        give_up("%s", err.text);
}

/* ------------------------------------------------------------------------------- conclusions */

/* One line; `cloche policy test` reads them. */
static void print(const struct run *run, const char *seen, const char *wrong)
{
    const struct cl_probe *probe = run->probe;

    fprintf(prover.output, "%s ", wrong ? "FAIL" : "ok");
    if (!probe->name)
        fprintf(prover.output, "syscall %u %s", probe->ask.number,
                probe->meaning == CL_PROBE_OPEN ? "open" : "closed");
    else
        fprintf(prover.output, "%s%s%s", probe->name, *probe->ask.path ? " " : "",
                probe->ask.path);
    fprintf(prover.output, ": %s%s%s\n", seen, wrong ? ", " : "", wrong ? wrong : "");
}

/* `wrong` NULL: as it has to be. */
static void conclude(struct run *run, const char *seen, const char *wrong)
{
    struct cl_msg_kill kill = { .spare = run->spare, .reason = CL_KILL_CANCELLED };

    run->is_done = true;
    prover.done++;
    prover.has_failed = prover.has_failed || wrong;
    if (wrong || !prover.is_quiet)
        print(run, seen, wrong);
    cl_own_close(&run->job);
    if (run->spare)
        tell(CL_M_KILL, &kill);
}

static void judge(struct run *run, const char *seen, const struct cl_outcome *outcome)
{
    conclude(run, seen, cl_judge_probe(run->probe->meaning, outcome));
}

/* A call that the filter traps ends the worker with DENIED; what it says is not read. */
static bool is_answer(const struct run *run)
{
    const struct cl_frame *head = &run->answer.frames.head;
    const bool is_call = run->probe->ask.kind != CL_PROBE_JAIL;

    return run->answer.frames.ready.type == CL_F_READY &&
           ((head->type == CL_F_DENIED && is_call) ||
            (head->type == CL_F_PROBED && head->length == sizeof(run->answer.frames.probed) &&
             run->got == sizeof(run->answer.bytes)));
}

static void judge_answer(struct run *run)
{
    const struct cl_frame_probed *seen = &run->answer.frames.probed;
    const struct cl_outcome denied = { true, SIGSYS, 0 }, answered = { false, 0, seen->sys };
    char text[96];

    if (!is_answer(run)) {
        conclude(run, "an answer that is none", "the worker broke the protocol");
    } else if (run->answer.frames.head.type == CL_F_DENIED) {
        judge(run, "denied by the filter", &denied);
    } else if (run->probe->ask.kind == CL_PROBE_JAIL) {
        snprintf(text, sizeof(text), "pid %d uid %u gid %u caps %llx nnp %u fds %u", seen->pid,
                 seen->uid, seen->gid, (unsigned long long)seen->caps, seen->no_new_privs,
                 seen->fd_count);
        conclude(run, text, cl_judge_jail(seen, run->slot + 1));
    } else {
        snprintf(text, sizeof(text), "%s", seen->sys ? strerrorname_np(seen->sys) : "success");
        judge(run, text, &answered);
    }
}

/* ----------------------------------------------------------------------------------- workers */

/* Reads what is there; false when there is no more to come. */
static bool listen_to(struct run *run)
{
    const size_t heads = offsetof(__typeof__(run->answer.frames), probed);
    ssize_t got = recv(run->job, run->answer.bytes + run->got,
                       sizeof(run->answer.bytes) - run->got, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        cl_own_close(&run->job); /* how it died is told by END */
        return false;
    }
    run->got += (uint32_t)got;
    if (run->got == sizeof(run->answer.bytes) ||
        (run->got >= heads && run->answer.frames.head.type != CL_F_PROBED)) {
        judge_answer(run);
        return false;
    }
    return true;
}

static struct run *run_of(uint64_t spare)
{
    for (size_t i = 0; i < prover.count; i++) {
        if (prover.runs[i].spare == spare && !prover.runs[i].is_done)
            return &prover.runs[i];
    }
    return NULL;
}

/* Probes of calls that the policy grants need no worker. */
static struct run *next_run(void)
{
    struct run *run;

    while ((run = run_of(0)) && (run->probe->granted & prover.policy->tiers))
        conclude(run, "granted by the policy", NULL);
    return run;
}

/* Its clock starts with TAKE, and is cloched's: a call that waits ends by the wall limit. */
static void ask(struct run *run, const struct cl_msg_offer *offer, int *job)
{
    const uint64_t wall_ms = prover.policy->wall_ms;
    struct cl_msg_take take = { .spare = offer->spare };
    const struct {
        struct cl_frame head;
        struct cl_frame_probe body;
    } question = {
        .head = cl_frame_make(CL_F_PROBE, sizeof(question.body)),
        .body = run->probe->ask,
    };

    if (run->probe->meaning == CL_PROBE_OPEN && wall_ms > PATIENCE_MS)
        take.wall_ms = PATIENCE_MS;
    run->spare = offer->spare;
    run->slot = offer->slot;
    run->got = 0;
    run->job = cl_take_fd(job);
    tell(CL_M_TAKE, &take);
    /* One that went already is told of by END. */
    if (send(run->job, &question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
        cl_own_close(&run->job);
}

static void want_more(void)
{
    size_t left = prover.count - prover.done;
    struct cl_msg_want want = { .pool = prover.pool,
                                .queued = (uint32_t)(left < AT_ONCE ? left : AT_ONCE) };

    if (left > 0)
        tell(CL_M_WANT, &want);
}

static void on_spare(const struct cl_msg_offer *offer, int *job)
{
    struct run *run = offer->pool == prover.pool ? next_run() : NULL;
    struct cl_msg_spare drop = { .spare = offer->spare };

    if (run)
        ask(run, offer, job);
    else
        tell(CL_M_DROP, &drop);
}

/* Unanswered. What cloched or a full machine did to a worker says nothing about its jail. */
static void judge_end(struct run *run, const struct cl_msg_end *end)
{
    const bool is_late = end->cause == CL_END_LIMIT;
    const bool is_signal = end->cause == CL_END_SIGNALLED;
    const struct cl_outcome died = { true, is_signal ? end->status : 0, 0 };
    char text[48];

    run->spare = 0; /* it is gone: nothing to kill */
    if (is_late && run->probe->meaning == CL_PROBE_OPEN) {
        conclude(run, "it waits", NULL);
    } else if ((is_late || end->cause == CL_END_LOST) && ++run->tries < TRIES) {
        return;
    } else if (is_late) {
        conclude(run, "it waits", "the call reached the kernel");
    } else {
        snprintf(text, sizeof(text), is_signal ? "killed by signal %d" : "exit status %d",
                 end->status);
        judge(run, text, &died);
    }
}

static void on_end(const struct cl_msg_end *end)
{
    struct run *run = run_of(end->spare);

    if (!run)
        return;
    /* It may have answered and gone before its socket had its turn. */
    while (run->job >= 0 && listen_to(run))
        ;
    cl_own_close(&run->job);
    if (!run->is_done)
        judge_end(run, end);
    want_more();
}

/* ----------------------------------------------------------------------------------- cloched */

static void on_policy(const struct cl_msg_policy *policy, int fd, const char *name)
{
    struct cl_err err = CL_ERR_INIT;

    if (prover.policy || strcmp(policy->name, name) != 0)
        return;
    prover.pool = policy->pool;
    prover.policy = cl_policyview_open(fd, &err);
    if (!prover.policy)
        give_up("%s", err.text);
}

static void begin(const char *name)
{
    if (prover.runs)
        return; /* a reload meanwhile */
    if (!prover.policy)
        give_up("there is no policy %s", name);
    prover.probes = cl_probes_make(prover.is_every ? prover.policy : NULL, &prover.count);
    prover.runs = calloc(prover.count, sizeof(*prover.runs));
    CL_CHECK(prover.runs);
    for (size_t i = 0; i < prover.count; i++)
        prover.runs[i] = (struct run){ .probe = &prover.probes[i], .job = -1 };
    want_more();
}

static void on_message(const char *name)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;
    struct cl_err err = CL_ERR_INIT;
    int got = cl_msg_recv(CL_CONTROL_FD, CL_WAY_CLOCHED_TO_API, &msg, fds, &fd_count, &err);

    if (got <= 0)
        give_up("%s", got == 0 ? "cloched is gone" : err.text);
    switch (msg.head.type) {
    case CL_M_POLICY:
        on_policy(&msg.policy, fds[0], name);
        break;
    case CL_M_LOADED:
        begin(name);
        break;
    case CL_M_SPARE:
        on_spare(&msg.offer, &fds[0]);
        break;
    case CL_M_END:
        on_end(&msg.end);
        break;
    default: /* RETIRE: every spare is taken at once */
        break;
    }
    for (size_t i = 0; i < fd_count; i++)
        cl_own_close(&fds[i]);
}

/* Waits for cloched and for the workers that were asked, and serves what came. */
static void serve(const char *name, int wait_ms)
{
    struct pollfd watched[1 + AT_ONCE * 2] = { { CL_CONTROL_FD, POLLIN, 0 } };
    struct run *asked[1 + AT_ONCE * 2];
    nfds_t count = 1;

    for (size_t i = 0; i < prover.count && count < CL_COUNT(watched); i++) {
        if (prover.runs[i].job < 0)
            continue;
        asked[count] = &prover.runs[i];
        watched[count++] = (struct pollfd){ prover.runs[i].job, POLLIN, 0 };
    }
    if (poll(watched, count, wait_ms) < 0 && errno != EINTR)
        give_up("poll: %s", strerrordesc_np(errno));
    for (nfds_t i = 1; i < count; i++) {
        if (watched[i].revents)
            listen_to(asked[i]);
    }
    if (watched[0].revents)
        on_message(name);
}

int main(int count, char **args)
{
    struct cl_msg_hello hello = { .version = CL_WIRE_VERSION };
    struct cl_err err = CL_ERR_INIT;
    const uint64_t start_us = cl_clock_us();

    if (count < 3 || cl_fdpass_check(CL_CONTROL_FD, SOCK_SEQPACKET, &err) < 0 ||
        !(prover.output = fdopen(OUTPUT_FD, "w"))) {
        fputs("cloche-prover is started by cloched\n", stderr);
        return UNSAID;
    }
    prover.is_quiet = strcmp(args[2], "quiet") == 0;
    prover.is_every = strcmp(args[2], "every") == 0;
    const uint64_t until_us = start_us + (prover.is_every ? EVERY_US : DEADLINE_US);
    tell(CL_M_HELLO, &hello);
    while (!prover.runs || prover.done < prover.count) {
        uint64_t now_us = cl_clock_us();
        if (now_us >= until_us)
            give_up("it did not end in time: %zu of %zu probes answered", prover.done,
                    prover.count);
        serve(args[1], (int)((until_us - now_us) / 1000) + 1);
    }
    return fflush(prover.output) == 0 && !prover.has_failed ? HOLDS : FAILS;
}
