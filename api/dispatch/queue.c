/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for a jail, how long, and who is told to come back later.
 * Runs in: cloche-api.
 * Trusts: nothing of callers; every queue is bounded in number, bytes and time.
 */
#include <event2/event.h>
#include <string.h>

#include "api/dispatch/impl.h"
#include "api/dispatch/turn.h"
#include "sandbox/base/clock.h"

enum { RETRY_AFTER_MAX_S = 60 };

/* Seconds until the queue of a pool has drained at its present rate. */
static uint32_t retry_after(const struct cl_pool *pool)
{
    const double rate = pool->done_per_s > 0.1 ? pool->done_per_s : 0.1;
    const double seconds = (double)(pool->queued + 1) / rate;

    if (seconds >= RETRY_AFTER_MAX_S)
        return RETRY_AFTER_MAX_S;
    return (uint32_t)seconds + 1;
}

/* An average over about the last second of ends. */
void cl_queue_note_done(struct cl_pool *pool, uint64_t now_us)
{
    const double gap_s = (double)(now_us - pool->done_at_us) / 1e6;
    const double weight = gap_s < 1 ? gap_s : 1;

    if (pool->done_at_us && gap_s > 0)
        pool->done_per_s += weight * (1 / gap_s - pool->done_per_s);
    pool->done_at_us = now_us;
}

/* More than its part is only for who waits alone, or while half of the room is free. */
static bool is_over_share(const struct cl_dispatch *dispatch, const struct cl_tenant *tenant)
{
    if (dispatch->queued < dispatch->caps.queue_all / 2)
        return false;
    return tenant->quota.queued >= cl_turn_part(dispatch, tenant, dispatch->caps.queue_all);
}

int cl_queue_check(const struct cl_dispatch *dispatch, const struct cl_job *job,
                   struct cl_refusal *why)
{
    const struct cl_dispatch_caps *caps = &dispatch->caps;
    const struct cl_quota *quota = &job->pool->tenant->quota;

    if (cl_quota_check_size(quota, job->request.limits.value[CL_LIMIT_MEMORY], why) < 0 ||
        cl_quota_may_wait(quota, retry_after(job->pool), why) < 0)
        return -1;
    if (job->pool->queued < caps->queue_pool && dispatch->queued < caps->queue_all &&
        dispatch->queued_bytes + job->request.frames.length <= caps->queue_bytes &&
        !is_over_share(dispatch, job->pool->tenant))
        return 0;
    why->retry_after_s = retry_after(job->pool);
    return cl_refusal_set(why, CL_R_QUEUE_FULL, "%u calls wait for policy \"%s\", %u in all",
                          job->pool->queued, job->policy, dispatch->queued);
}

static void set_alarm(struct cl_dispatch *dispatch)
{
    const struct cl_job *oldest;
    uint64_t now = cl_clock_us();
    uint64_t due;

    if (cl_list_is_empty(&dispatch->waiting)) {
        event_del(dispatch->late);
        return;
    }
    oldest = cl_list_entry(dispatch->waiting.next, struct cl_job, in_age);
    due = oldest->arrived_us + (uint64_t)dispatch->caps.queue_ms * 1000;
    due = due > now ? due - now : 0;
    const struct timeval wait = { (time_t)(due / 1000000), (suseconds_t)(due % 1000000) };
    event_add(dispatch->late, &wait);
}

/* In front when it comes back: it was the oldest of its pool when it was served. */
void cl_queue_put(struct cl_dispatch *dispatch, struct cl_job *job, bool in_front)
{
    job->state = CL_JOB_QUEUED;
    cl_list_append(in_front ? job->pool->jobs.next : &job->pool->jobs, &job->in_pool);
    cl_list_append(in_front ? dispatch->waiting.next : &dispatch->waiting, &job->in_age);
    job->pool->queued++;
    cl_turn_wait(dispatch, job->pool->tenant);
    dispatch->queued++;
    dispatch->queued_bytes += job->request.frames.length;
    if (dispatch->queued == 1 || in_front)
        set_alarm(dispatch);
    cl_list_each (node, keep, &job->pool->idle)
        cl_spare_read(cl_list_entry(node, struct cl_spare, node), true);
    cl_turn_want(dispatch, job->pool);
}

void cl_queue_remove(struct cl_dispatch *dispatch, struct cl_job *job)
{
    const bool was_oldest = dispatch->waiting.next == &job->in_age;

    if (job->state != CL_JOB_QUEUED)
        return;
    cl_list_unlink(&job->in_pool);
    cl_list_unlink(&job->in_age);
    job->state = CL_JOB_NEW;
    job->pool->queued--;
    cl_turn_leave(dispatch, job->pool->tenant);
    dispatch->queued--;
    dispatch->queued_bytes -= job->request.frames.length;
    if (was_oldest)
        set_alarm(dispatch);
}

void cl_queue_serve(struct cl_dispatch *dispatch, struct cl_pool *pool)
{
    while (!cl_list_is_empty(&pool->jobs)) {
        struct cl_job *job = cl_list_entry(pool->jobs.next, struct cl_job, in_pool);
        struct cl_spare *spare = cl_dispatch_pick(dispatch, pool);
        struct cl_refusal why = CL_REFUSAL_INIT;

        if (spare && cl_turn_check(job, &why) < 0) {
            cl_job_refuse(dispatch, job, &why);
            continue;
        }
        if (!spare || !cl_turn_take(dispatch, job))
            break;
        cl_queue_remove(dispatch, job);
        cl_lease_start(dispatch, job, spare);
    }
    cl_turn_serve(dispatch); /* who was held for those that waited */
}

void cl_queue_on_late(struct cl_dispatch *dispatch)
{
    const uint64_t most_us = (uint64_t)dispatch->caps.queue_ms * 1000;
    const uint64_t now = cl_clock_us();

    while (!cl_list_is_empty(&dispatch->waiting)) {
        struct cl_job *job = cl_list_entry(dispatch->waiting.next, struct cl_job, in_age);
        struct cl_refusal why = CL_REFUSAL_INIT;

        if (now - job->arrived_us < most_us)
            break;
        why.retry_after_s = retry_after(job->pool);
        cl_refusal_set(&why, CL_R_QUEUE_TIMEOUT, "no jail was free for %u ms",
                       dispatch->caps.queue_ms);
        cl_job_refuse(dispatch, job, &why);
    }
    set_alarm(dispatch);
}

/* Moves a waiting call under the policy that is in force now, if it still fits. */
static void move(struct cl_dispatch *dispatch, struct cl_job *job)
{
    struct cl_refusal why = CL_REFUSAL_INIT;
    struct cl_pool *pool = cl_tenancy_find(dispatch->tenancy, job->pool->tenant, job->policy);

    if (!pool || cl_request_seal(&job->request, pool->policy, job->flags, &why) < 0) {
        why = (struct cl_refusal)CL_REFUSAL_INIT;
        why.retry_after_s = 1;
        cl_refusal_set(&why, CL_R_POLICY_RELOADED, "policy \"%s\" changed; send the call again",
                       job->policy);
        cl_job_refuse(dispatch, job, &why);
        return;
    }
    if (pool == job->pool)
        return;
    cl_queue_remove(dispatch, job);
    job->pool->users--;
    job->pool = pool;
    pool->users++;
    cl_queue_put(dispatch, job, false);
}

void cl_queue_on_change(struct cl_dispatch *dispatch, struct cl_pool *pool)
{
    cl_list_each (node, keep, &pool->jobs)
        move(dispatch, cl_list_entry(node, struct cl_job, in_pool));
}
