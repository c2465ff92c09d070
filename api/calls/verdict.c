/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that name a call's end, tried in order; the first that applies decides.
 * Runs in: cloche-api.
 * Trusts: END, which carries the kernel's counters. Frames come from the worker, who may lie
 * about its own call and nothing else.
 */
#include "api/calls/verdict.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

struct sides {
    const struct cl_verdict_seen *seen;
    const struct cl_msg_end *end;
};

static struct cl_verdict limit_of(enum cl_limit limit, uint64_t value, uint64_t used)
{
    return (
        struct cl_verdict){ .kind = CL_V_LIMIT, .limit = limit, .value = value, .used = used };
}

static bool is_starved(const struct sides *s)
{
    return s->seen->is_starved;
}

static struct cl_verdict as_starved(const struct sides *s)
{
    (void)s;
    return (struct cl_verdict){ .kind = CL_V_LOST,
                                .message = "the service had no memory for its answer" };
}

static bool is_broken(const struct sides *s)
{
    /* Half a frame from a process that ended by itself; a killed one may be cut anywhere. */
    return s->seen->broke_protocol ||
           (s->seen->has_partial && !s->seen->final && s->end->cause == CL_END_EXITED);
}

static struct cl_verdict as_protocol(const struct sides *s)
{
    (void)s;
    return (struct cl_verdict){ .kind = CL_V_ERROR, .is_protocol = true };
}

static bool is_over(const struct sides *s)
{
    return s->seen->over != CL_LIMIT_NONE;
}

static struct cl_verdict as_over(const struct sides *s)
{
    return limit_of(s->seen->over, s->seen->limits[s->seen->over], s->seen->over_used);
}

static bool is_kernel_limit(const struct sides *s)
{
    return s->end->cause == CL_END_LIMIT && cl_limit_name(s->end->limit);
}

static struct cl_verdict as_kernel_limit(const struct sides *s)
{
    return limit_of((enum cl_limit)s->end->limit, s->end->value, s->end->used);
}

static bool is_oom(const struct sides *s)
{
    return s->end->oom_kills > 0 &&
           (s->end->cause == CL_END_SIGNALLED || s->end->cause == CL_END_EXITED);
}

static struct cl_verdict as_oom(const struct sides *s)
{
    return limit_of(CL_LIMIT_MEMORY, s->seen->limits[CL_LIMIT_MEMORY],
                    s->end->memory_peak_bytes);
}

/* The code got an error because the kernel refused it a task: that is the reason, not the
 * error. */
static bool is_pids(const struct sides *s)
{
    return s->seen->final == CL_F_ERROR && s->end->pids_refused > 0;
}

static struct cl_verdict as_pids(const struct sides *s)
{
    const uint64_t value = s->seen->limits[CL_LIMIT_PROCESSES];

    return limit_of(CL_LIMIT_PROCESSES, value, value + 1);
}

/* A worker may keep a narrower limit than the call's, never a wider one. Depth is also that of an
 * expression, which has a cap of its own. */
static struct cl_verdict as_own(const struct cl_frame_limit *own, uint64_t in_force)
{
    const bool is_narrower =
        own->value > 0 && (own->value < in_force || own->limit == CL_LIMIT_DEPTH);
    struct cl_verdict verdict =
        limit_of((enum cl_limit)own->limit, is_narrower ? own->value : in_force, own->used);

    verdict.is_own = true;
    return verdict;
}

/* Success is a complete frame and a clean end; a worker that dies by a signal after its result
 * did not end as our code ends. The other final frames stand by themselves. */
static bool is_final(const struct sides *s)
{
    const bool is_clean = s->end->cause != CL_END_SIGNALLED &&
                          !(s->end->cause == CL_END_EXITED && s->end->status != 0);

    return s->seen->final && (is_clean || s->seen->final != CL_F_RESULT);
}

static struct cl_verdict as_final(const struct sides *s)
{
    static const struct {
        uint32_t frame;
        enum cl_verdict_kind kind;
    } kinds[] = {
        { CL_F_RESULT, CL_V_OK },   { CL_F_ERROR, CL_V_ERROR }, { CL_F_DENIED, CL_V_DENIED },
        { CL_F_LIMIT, CL_V_LIMIT }, { CL_F_FAILED, CL_V_LOST },
    };
    struct cl_verdict verdict = { .kind = CL_V_LOST };
    const struct cl_frame_limit *own = &s->seen->own;

    for (size_t i = 0; i < CL_COUNT(kinds); i++) {
        if (kinds[i].frame == s->seen->final)
            verdict.kind = kinds[i].kind;
    }
    if (verdict.kind == CL_V_LIMIT)
        return as_own(own, s->seen->limits[own->limit]);
    if (verdict.kind == CL_V_LOST)
        verdict.message = "the worker could not serve";
    return verdict;
}

static bool is_cancelled(const struct sides *s)
{
    return s->end->cause == CL_END_KILLED && s->end->reason == CL_KILL_CANCELLED;
}

static struct cl_verdict as_cancelled(const struct sides *s)
{
    (void)s;
    return (struct cl_verdict){ .kind = CL_V_CANCELLED };
}

static bool is_filtered(const struct sides *s)
{
    return s->end->cause == CL_END_SIGNALLED && s->end->status == SIGSYS;
}

static struct cl_verdict as_filtered(const struct sides *s)
{
    (void)s;
    return (struct cl_verdict){ .kind = CL_V_DENIED, .is_syscall = true };
}

static bool is_signalled(const struct sides *s)
{
    return s->end->cause == CL_END_SIGNALLED;
}

static struct cl_verdict as_signalled(const struct sides *s)
{
    return (struct cl_verdict){ .kind = CL_V_CRASHED, .signal = s->end->status };
}

static bool is_exited(const struct sides *s)
{
    return s->end->cause == CL_END_EXITED;
}

static struct cl_verdict as_exited(const struct sides *s)
{
    return (struct cl_verdict){ .kind = CL_V_CRASHED, .status = s->end->status };
}

static bool is_anything(const struct sides *s)
{
    (void)s;
    return true;
}

static struct cl_verdict as_lost(const struct sides *s)
{
    const bool is_ours = s->end->cause == CL_END_LOST;

    return (struct cl_verdict){ .kind = CL_V_LOST,
                                .message = is_ours ? "the jail was taken down by the service"
                                                   : "the end of the call is not known" };
}

static const struct {
    bool (*applies)(const struct sides *s);
    struct cl_verdict (*verdict)(const struct sides *s);
} rules[] = {
    { is_starved, as_starved },   { is_broken, as_protocol },
    { is_over, as_over },         { is_kernel_limit, as_kernel_limit },
    { is_oom, as_oom },           { is_pids, as_pids },
    { is_final, as_final },       { is_cancelled, as_cancelled },
    { is_filtered, as_filtered }, { is_signalled, as_signalled },
    { is_exited, as_exited },     { is_anything, as_lost },
};

struct cl_verdict cl_verdict_join(const struct cl_verdict_seen *seen,
                                  const struct cl_msg_end *end)
{
    const struct sides sides = { seen, end };
    size_t i = 0;

    while (!rules[i].applies(&sides))
        i++;
    return rules[i].verdict(&sides);
}

const char *cl_verdict_name(enum cl_verdict_kind kind)
{
    static const char *const names[CL_V_COUNT_] = {
        [CL_V_OK] = "ok",       [CL_V_ERROR] = "error",     [CL_V_DENIED] = "denied",
        [CL_V_LIMIT] = "limit", [CL_V_CRASHED] = "crashed", [CL_V_CANCELLED] = "cancelled",
        [CL_V_LOST] = "lost",
    };

    return names[kind];
}

const char *cl_verdict_signal(int signal, char room[16])
{
    const char *name = sigabbrev_np(signal);

    if (name)
        snprintf(room, 16, "SIG%s", name);
    else
        snprintf(room, 16, "SIG%d", signal % 1000);
    return room;
}
