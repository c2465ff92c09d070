/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weighted turns of tenants, and what their quotas hold back.
 * Runs in: cloche-api.
 * Trusts: -
 */
#include "api/dispatch/turn.h"

#include "api/dispatch/impl.h"
#include "api/dispatch/jailclient.h"
#include "sandbox/base/clock.h"

enum { STRIDE = 10000 * 64 }; /* of weight 1; whole for every weight that divides it */

static uint64_t memory_of(const struct cl_job *job)
{
    return job->request.limits.value[CL_LIMIT_MEMORY];
}

static uint64_t weight_of(const struct cl_tenant *tenant)
{
    return tenant->quota.limits.weight ? tenant->quota.limits.weight : 1;
}

uint64_t cl_turn_part(const struct cl_dispatch *dispatch, const struct cl_tenant *tenant,
                      uint64_t all)
{
    const uint64_t weight = tenant->weighed ? tenant->weighed : weight_of(tenant);
    const uint64_t weights = dispatch->weights_waiting + (tenant->weighed ? 0 : weight);
    const uint64_t part = all * weight / weights;

    return part ? part : 1;
}

/* Only while somebody else waits, and what all share is scarce. */
static bool is_over_part(const struct cl_dispatch *dispatch, const struct cl_tenant *tenant)
{
    const uint32_t all = dispatch->caps.running_all;

    if (all == 0 || dispatch->weights_waiting == tenant->weighed || dispatch->running < all / 2)
        return false;
    return tenant->quota.running >= cl_turn_part(dispatch, tenant, all);
}

static bool may_begin(const struct cl_dispatch *dispatch, const struct cl_job *job)
{
    const struct cl_tenant *tenant = job->pool->tenant;

    return cl_quota_may_run(&tenant->quota, memory_of(job)) && !is_over_part(dispatch, tenant);
}

static void hold(struct cl_dispatch *dispatch, struct cl_tenant *tenant)
{
    if (!cl_list_is_empty(&tenant->held))
        return;
    /* Who comes back is not owed the turns of the time it was away. */
    if (tenant->pass < dispatch->pass)
        tenant->pass = dispatch->pass;
    cl_list_append(&dispatch->held, &tenant->held);
}

int cl_turn_check(const struct cl_job *job, struct cl_refusal *why)
{
    struct cl_quota *quota = &job->pool->tenant->quota;

    if (job->is_counted || quota->limits.cpu.amount + quota->limits.memory_bytes == 0)
        return 0;
    if (cl_quota_check_cpu(quota, cl_clock_us(), why) < 0)
        return -1;
    return cl_quota_check_size(quota, memory_of(job), why);
}

bool cl_turn_may(const struct cl_job *job, struct cl_turn_room *room)
{
    struct cl_tenant *tenant = job->pool->tenant;

    if (job->is_counted || cl_quota_may_run(&tenant->quota, memory_of(job)))
        return true;
    if (cl_list_is_empty(&room->node))
        cl_list_append(&tenant->rooms, &room->node);
    return false;
}

bool cl_turn_take(struct cl_dispatch *dispatch, struct cl_job *job)
{
    if (may_begin(dispatch, job))
        return true;
    hold(dispatch, job->pool->tenant);
    return false;
}

void cl_turn_begin(struct cl_dispatch *dispatch, struct cl_job *job)
{
    if (job->is_counted)
        return;
    job->is_counted = true;
    dispatch->running++;
    job->pool->running++;
    cl_quota_begin(&job->pool->tenant->quota, memory_of(job));
}

static void tell_rooms(struct cl_tenant *tenant)
{
    while (!cl_list_is_empty(&tenant->rooms)) {
        struct cl_turn_room *room =
            cl_list_entry(tenant->rooms.next, struct cl_turn_room, node);

        cl_list_unlink(&room->node);
        room->on_room(room);
    }
}

void cl_turn_end(struct cl_dispatch *dispatch, struct cl_job *job)
{
    struct cl_quota *quota = &job->pool->tenant->quota;

    if (!job->is_counted)
        return;
    job->is_counted = false;
    dispatch->running--;
    job->pool->running--;
    cl_quota_end(quota, memory_of(job));
    cl_quota_charge(quota, job->end.cpu_us, cl_clock_us());
    tell_rooms(job->pool->tenant);
}

/* Begins one call of a tenant that now may; a pool without a jail asks for one. */
static bool serve_one(struct cl_dispatch *dispatch, struct cl_tenant *tenant)
{
    cl_list_each (node, keep, &tenant->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, of_tenant);
        if (cl_list_is_empty(&pool->jobs))
            continue;

        struct cl_job *job = cl_list_entry(pool->jobs.next, struct cl_job, in_pool);
        struct cl_refusal why = CL_REFUSAL_INIT;
        if (cl_turn_check(job, &why) < 0) {
            cl_job_refuse(dispatch, job, &why);
            return true;
        }
        if (!may_begin(dispatch, job))
            continue;
        struct cl_spare *spare = cl_dispatch_pick(dispatch, pool);
        if (!spare) {
            cl_turn_want(dispatch, pool);
            continue;
        }
        cl_queue_remove(dispatch, job);
        cl_lease_start(dispatch, job, spare);
        return true;
    }
    return false;
}

static bool still_waits(const struct cl_dispatch *dispatch, const struct cl_tenant *tenant)
{
    cl_list_each (node, keep, &tenant->pools) {
        const struct cl_pool *pool = cl_list_entry(node, struct cl_pool, of_tenant);
        if (cl_list_is_empty(&pool->jobs))
            continue;
        if (pool->queued > 1 ||
            !may_begin(dispatch, cl_list_entry(pool->jobs.next, struct cl_job, in_pool)))
            return true;
    }
    return false;
}

static struct cl_tenant *foremost(const struct cl_dispatch *dispatch, uint64_t past)
{
    struct cl_tenant *best = NULL;

    cl_list_each (node, keep, &dispatch->held) {
        struct cl_tenant *tenant = cl_list_entry(node, struct cl_tenant, held);
        if (tenant->turn != past && (!best || tenant->pass < best->pass))
            best = tenant;
    }
    return best;
}

void cl_turn_serve(struct cl_dispatch *dispatch)
{
    if (cl_list_is_empty(&dispatch->held))
        return;
    const uint64_t turn = ++dispatch->turn; /* who has nothing to begin is passed by */

    for (struct cl_tenant *tenant = foremost(dispatch, turn); tenant;
         tenant = foremost(dispatch, turn)) {
        if (serve_one(dispatch, tenant)) {
            dispatch->pass = tenant->pass;
            tenant->pass += STRIDE / weight_of(tenant);
            continue;
        }
        tenant->turn = turn;
        if (!still_waits(dispatch, tenant))
            cl_list_unlink(&tenant->held);
    }
}

void cl_turn_wait(struct cl_dispatch *dispatch, struct cl_tenant *tenant)
{
    if (tenant->quota.queued++ > 0)
        return;
    tenant->weighed = weight_of(tenant);
    dispatch->weights_waiting += tenant->weighed;
}

void cl_turn_leave(struct cl_dispatch *dispatch, struct cl_tenant *tenant)
{
    if (--tenant->quota.queued > 0)
        return;
    dispatch->weights_waiting -= tenant->weighed;
    tenant->weighed = 0;
}

static uint64_t room_of(const struct cl_quota *quota, uint64_t limit)
{
    return limit > quota->running ? limit - quota->running : 0;
}

/* No more than it may begin: jails that are made for one tenant and wait for its turn are missing
 * to the others. */
void cl_turn_want(struct cl_dispatch *dispatch, struct cl_pool *pool)
{
    struct cl_tenant *tenant = pool->tenant;
    const struct cl_quota *quota = &tenant->quota;
    const uint32_t all = dispatch->caps.running_all;
    const bool has_company = all > 0 && dispatch->weights_waiting > tenant->weighed;
    uint64_t most = pool->queued;

    if (quota->limits.concurrency > 0 && most > room_of(quota, quota->limits.concurrency))
        most = room_of(quota, quota->limits.concurrency);
    if (has_company && most > room_of(quota, cl_turn_part(dispatch, tenant, all)))
        most = room_of(quota, cl_turn_part(dispatch, tenant, all));
    if (most < pool->queued)
        hold(dispatch, tenant); /* its next end asks for the others */
    /* None is said as well: what it has beyond that may be given to others. */
    if (most > 0 || has_company)
        cl_jailclient_send_want(dispatch->client, pool->index, (uint32_t)most);
}
