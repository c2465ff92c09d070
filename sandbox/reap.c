/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps deadlines, kills, reads the kernel's counters and names the cause of every end.
 * Runs in: cloched.
 * Trusts: the kernel; neither the API, the zygote nor the worker has a say in a counter.
 */
#include "sandbox/reap.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"

enum { EXIT_US = 200000, CPU_STEP_US = 1000, PARK_US = 50000, PARK_STEPS = 64 };

/* ---------------------------------------------------------------------------------- causes */

static void set_limit(struct cl_msg_end *end, enum cl_limit limit, uint64_t value,
                      uint64_t used)
{
    end->cause = CL_END_LIMIT;
    end->limit = limit;
    end->value = value;
    end->used = used;
}

void cl_reap_name(const struct cl_exit *how, const struct cl_call_limits *limits,
                  struct cl_msg_end *end)
{
    /* Without a call there is no limit that it could have reached. */
    bool is_killed = how->code == CLD_KILLED && how->status == SIGKILL && limits->cpu_ms > 0;
    bool is_out_of_memory = is_killed && end->oom_kills > 0;

    if (end->cause == CL_END_KILLED || end->cause == CL_END_LOST ||
        end->cause == CL_END_EXPIRED)
        return;
    if (is_out_of_memory || (end->cause == CL_END_LIMIT && end->limit == CL_LIMIT_MEMORY))
        set_limit(end, CL_LIMIT_MEMORY, limits->memory_bytes, end->memory_peak_bytes);
    else if (end->cause == CL_END_LIMIT && end->limit == CL_LIMIT_WALL)
        set_limit(end, CL_LIMIT_WALL, limits->wall_ms, end->wall_us / 1000);
    else if (end->cause == CL_END_LIMIT || (is_killed && end->cpu_us >= limits->cpu_ms * 1000))
        set_limit(end, CL_LIMIT_CPU, limits->cpu_ms,
                  end->cpu_us / 1000); /* or RLIMIT_CPU's kill */
    else
        end->cause = how->code == CLD_EXITED ? CL_END_EXITED : CL_END_SIGNALLED;
    if (end->cause != CL_END_LIMIT)
        end->status = how->status;
}

uint64_t cl_reap_cpu_check(uint64_t now_us, uint64_t used_us, uint64_t cpu_ms, uint32_t cores)
{
    uint64_t limit_us = cpu_ms * 1000;
    uint64_t left = limit_us > used_us ? (limit_us - used_us) / (cores ? cores : 1) : 0;

    return now_us + (left > CPU_STEP_US ? left : CPU_STEP_US);
}

/* -------------------------------------------------------------------------------- counters */

/* What the worker has used until now or its end, all its threads together. */
static uint64_t cpu_now(const struct cl_spare *spare)
{
    struct timespec used = { 0, 0 };
    clockid_t clock;

    if (spare->child.pid == 0)
        return spare->cpu_end_us;
    if (clock_getcpuclockid(spare->child.pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static void count(const struct cl_spare *spare, uint64_t cpu_us, struct cl_msg_end *end)
{
    struct cl_cgroup_usage usage = { 0, 0, 0 };

    cl_cgroup_slot_usage(spare->slot, &usage);
    end->spare = spare->id;
    end->memory_peak_bytes = usage.memory_peak_bytes;
    end->pids_refused = usage.pids_refused;
    end->oom_kills = usage.oom_kills;
    if (spare->taken_us == 0)
        return; /* no call ran */
    end->wall_us = cl_clock_us() - spare->taken_us;
    end->cpu_us = cpu_us > spare->cpu_base_us ? cpu_us - spare->cpu_base_us : 0;
}

/* ------------------------------------------------------------------------------------- end */

/* The one END of a spare. */
static void tell(struct cl_spare *spare, struct cl_msg_end *end)
{
    cl_timer_stop(&spare->timer);
    cl_pool_uncount(spare);
    cl_pool_tally(spare)->active--;
    cl_pool_tally(spare)->spawning -= spare->state == CL_SPARE_SPAWNING;
    spare->state = CL_SPARE_ENDED;
    cl_log(CL_DEBUG, "spare.end", "spare=%" PRIu64 " cause=%u status=%d limit=%u", spare->id,
           end->cause, end->status, end->limit);
    if (spare->is_offered)
        cl_front_send(&spare->daemon->front, CL_M_END, end, NULL);
    spare->is_offered = false;
}

void cl_reap_abandon(struct cl_spare *spare)
{
    struct cl_msg_end end = { .spare = spare->id, .cause = CL_END_LOST };

    tell(spare, &end);
    cl_own_close(&spare->job); /* a worker that is there all the same sees this and ends */
    cl_spare_put(spare);
}

/* A worker that nobody took and nobody ended: the jail or the warm-up is broken. */
static bool is_failure(const struct cl_spare *spare, const struct cl_msg_end *end)
{
    return spare->state == CL_SPARE_OFFERED && !spare->is_retired && end->status != 0 &&
           (end->cause == CL_END_SIGNALLED || end->cause == CL_END_EXITED);
}

static void on_exit_worker(struct cl_child *child, const struct cl_exit *how)
{
    struct cl_spare *spare = cl_list_entry(child, struct cl_spare, child);
    struct cl_msg_end end;
    struct cl_err err = CL_ERR_INIT;

    /* A call can be over before its TAKE was read, but not before it was sent. */
    spare->cpu_end_us = how->cpu_us;
    cl_peer_serve(&spare->daemon->front.peer, CL_PEER_ALL);
    end = spare->verdict;
    cl_timer_stop(&spare->timer);
    if (spare->state != CL_SPARE_ENDED) {
        count(spare, how->cpu_us, &end);
        cl_reap_name(how, &spare->limits, &end);
        if (is_failure(spare, &end)) {
            cl_fail(&err, CL_E_LOST, "a worker did not come up: %s %d",
                    end.cause == CL_END_EXITED ? "exit status" : "signal", end.status);
            cl_brood_on_failure(spare->pool->brood, err.text);
        }
        tell(spare, &end);
    }
    cl_spare_put(spare);
}

/* ------------------------------------------------------------------------------------ kill */

static void on_overdue(struct cl_timer *timer);

/* Again until it is gone: a kill that failed must not be the last. */
static void strike(struct cl_spare *spare)
{
    /* The worker is init of its pid namespace: what is in there dies with it. */
    if (cl_cgroup_kill(&spare->slot->group) < 0)
        cl_child_kill(&spare->child);
    spare->timer.on_fire = on_overdue;
    cl_timer_start(&spare->daemon->loop, &spare->timer, cl_clock_us() + EXIT_US);
}

void cl_reap_kill(struct cl_spare *spare, enum cl_end_cause cause, enum cl_limit limit,
                  uint32_t reason)
{
    if (spare->state == CL_SPARE_SPAWNING) {
        cl_reap_abandon(spare);
        return;
    }
    if (spare->child.pid == 0)
        return; /* abandoned: its timer waits for the slot to be empty */
    if (spare->verdict.cause == 0)
        spare->verdict =
            (struct cl_msg_end){ .cause = cause, .limit = limit, .reason = reason };
    strike(spare);
}

int cl_reap_adopt(struct cl_spare *spare, pid_t pid, int pidfd, struct cl_err *err)
{
    spare->child.on_exit = on_exit_worker;
    return cl_child_adopt(&spare->daemon->children, &spare->child, pid, pidfd, err);
}

/* -------------------------------------------------------------------------------- deadline */

static uint32_t cores_of(const struct cl_spare *spare)
{
    const uint32_t processes = spare->pool->policy->processes;

    return processes < spare->daemon->cores ? processes : spare->daemon->cores;
}

/* Ends it if one of its deadlines is reached, else waits for the next. */
static void arm(struct cl_spare *spare, uint64_t cpu_us)
{
    const uint64_t now = cl_clock_us(), never = UINT64_MAX;
    const uint64_t used = cpu_us > spare->cpu_base_us ? cpu_us - spare->cpu_base_us : 0;
    const bool is_spent = used >= spare->limits.cpu_ms * 1000, is_idle = spare->calls == 0;
    const uint64_t wall_at = spare->taken_us + spare->limits.wall_ms * 1000;
    const uint64_t cpu_at =
        is_spent ? now : cl_reap_cpu_check(now, used, spare->limits.cpu_ms, cores_of(spare));
    const struct deadline {
        uint64_t at_us;
        enum cl_end_cause cause;
        enum cl_limit limit;
        enum cl_expiry expiry;
    } deadlines[] = {
        { spare->max_at_us, CL_END_EXPIRED, CL_LIMIT_NONE, CL_EXPIRY_MAX },
        { is_idle ? spare->idle_at_us : never, CL_END_EXPIRED, CL_LIMIT_NONE, CL_EXPIRY_IDLE },
        { is_idle ? never : wall_at, CL_END_LIMIT, CL_LIMIT_WALL, 0 },
        { is_idle ? never : cpu_at, CL_END_LIMIT, CL_LIMIT_CPU, 0 },
    };
    uint64_t next = never;

    for (size_t i = 0; i < CL_COUNT(deadlines); i++) {
        const struct deadline *at = &deadlines[i];
        if (at->at_us <= now) {
            cl_reap_kill(spare, at->cause, at->limit, at->expiry);
            return;
        }
        next = at->at_us < next ? at->at_us : next;
    }
    cl_timer_start(&spare->daemon->loop, &spare->timer, next);
}

static void on_deadline(struct cl_timer *timer)
{
    struct cl_spare *spare = cl_list_entry(timer, struct cl_spare, timer);

    arm(spare, cpu_now(spare));
}

static void on_overdue(struct cl_timer *timer)
{
    struct cl_spare *spare = cl_list_entry(timer, struct cl_spare, timer);

    cl_log(CL_INFO, "spare.overdue", "spare=%" PRIu64, spare->id);
    strike(spare);
}

/* Memory or processes of this call below the policy's: in force before TAKEN says so. */
static int narrow(struct cl_spare *spare, const struct cl_msg_take *take, struct cl_err *err)
{
    const struct cl_policy *policy = spare->pool->policy;
    struct cl_slot *slot = spare->slot;
    uint32_t processes = take->processes ? take->processes : policy->processes;

    if (spare->limits.memory_bytes == policy->memory_bytes && processes == policy->processes)
        return 0;
    slot->narrowed = true;
    return spare->daemon->cgroups.ops->slot_limit(slot, spare->limits.memory_bytes, processes,
                                                  err);
}

/* By now the worker may have run the call, even to its end, since TAKE and the call travel at the
 * same time. What its like had used when they parked is not the call's; the rest is, give or take
 * what one way in differs from another. */
static void set_base(struct cl_spare *spare, uint64_t most_times_usual)
{
    const uint64_t now_us = cpu_now(spare);
    const uint64_t most_us = spare->pool->brood->park_cpu_us * most_times_usual;

    spare->cpu_base_us = most_us > 0 && most_us < now_us ? most_us : now_us;
}

static void on_parked(struct cl_timer *timer)
{
    struct cl_spare *spare = cl_list_entry(timer, struct cl_spare, timer);

    spare->pool->brood->park_cpu_us =
        cl_reap_park_cpu(spare->pool->brood->park_cpu_us, cpu_now(spare));
    set_base(spare, 2);
}

/* Follows the lowest readings: one that came from a busy moment must not eat up short calls. */
uint64_t cl_reap_park_cpu(uint64_t usual_us, uint64_t seen_us)
{
    if (seen_us == 0)
        return usual_us; /* it has ended */
    if (usual_us == 0 || seen_us < usual_us)
        return seen_us;
    return usual_us + (seen_us - usual_us) / PARK_STEPS;
}

void cl_reap_park(struct cl_spare *spare)
{
    spare->timer.on_fire = on_parked;
    cl_timer_start(&spare->daemon->loop, &spare->timer, cl_clock_us() + PARK_US);
}

void cl_reap_take(struct cl_spare *spare, const struct cl_msg_take *take)
{
    const struct cl_policy *policy = spare->pool->policy;
    struct cl_err err = CL_ERR_INIT;

    cl_pool_uncount(spare);
    spare->state = CL_SPARE_TAKEN;
    spare->taken_us = cl_clock_us();
    if (spare->cpu_base_us == 0)
        set_base(spare, 1);
    spare->calls = 1;
    spare->cpu_take_us = spare->cpu_base_us;
    spare->max_at_us =
        take->session ? spare->taken_us + policy->session_max_ms * 1000 : UINT64_MAX;
    spare->limits = (struct cl_call_limits){
        take->wall_ms ? take->wall_ms : policy->wall_ms,
        take->cpu_ms ? take->cpu_ms : policy->cpu_ms,
        take->memory_bytes ? take->memory_bytes : policy->memory_bytes,
    };
    spare->timer.on_fire = on_deadline;
    if (spare->verdict.cause == 0)
        arm(spare, spare->cpu_base_us);
    /* Refused by the kernel: the parked worker holds more than that already. */
    if (narrow(spare, take, &err) < 0)
        cl_reap_kill(spare, CL_END_LIMIT, CL_LIMIT_MEMORY, 0);
}

void cl_reap_next(struct cl_spare *spare, const struct cl_msg_next *next)
{
    const struct cl_policy *policy = spare->pool->policy;
    uint64_t wall_ms = next->wall_ms ? next->wall_ms : policy->wall_ms;
    uint64_t cpu_ms = next->cpu_ms ? next->cpu_ms : policy->cpu_ms;
    uint64_t now = cl_clock_us(), cpu_us = cpu_now(spare);

    if (spare->calls++ == 0) {
        spare->taken_us = now;
        spare->cpu_base_us = cpu_us;
        spare->limits.wall_ms = spare->limits.cpu_ms = 0;
    }
    wall_ms += (now - spare->taken_us) / 1000;
    if (spare->limits.wall_ms < wall_ms)
        spare->limits.wall_ms = wall_ms;
    spare->limits.cpu_ms += cpu_ms;
    if (spare->verdict.cause == 0)
        arm(spare, cpu_us);
}

void cl_reap_rest(struct cl_spare *spare, struct cl_msg_usage *usage)
{
    struct cl_cgroup_usage used = { 0, 0, 0 };
    uint64_t cpu_us = cpu_now(spare);

    cl_cgroup_slot_usage(spare->slot, &used);
    *usage = (struct cl_msg_usage){
        .spare = spare->id,
        .cpu_us = cpu_us > spare->cpu_take_us ? cpu_us - spare->cpu_take_us : 0,
        .memory_bytes = cl_cgroup_slot_memory(&spare->daemon->cgroups, spare->slot),
        .memory_peak_bytes = used.memory_peak_bytes,
        .calls = --spare->calls,
        .pids_refused = used.pids_refused,
    };
    spare->idle_at_us = cl_clock_us() + spare->pool->policy->session_idle_ms * 1000;
    if (spare->verdict.cause == 0)
        arm(spare, cpu_us);
}

void cl_reap_finish(struct cl_spare *spare)
{
    struct cl_msg_end end = { .cause = CL_END_FINISHED };

    count(spare, cpu_now(spare), &end);
    tell(spare, &end);
    /* What it would use from here on is counted to nobody. */
    cl_child_kill(&spare->child);
    spare->timer.on_fire = on_overdue;
    cl_timer_start(&spare->daemon->loop, &spare->timer, cl_clock_us() + EXIT_US);
}
