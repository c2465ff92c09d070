/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a stored call may start: calls that somebody waits for come first, and those that were let go a moment ago
 * count, although they are still being marked on the disk and no quota knows of them.
 * Runs in: cloche-api.
 * Trusts: -
 */
#include "api/async/impl.h"
#include "sandbox/base/clock.h"

static struct cl_pool *pool_of(struct cl_async_call *call)
{
    struct cl_tenant *tenant = cl_async_tenant(call);

    return tenant ? cl_tenancy_find(call->async->app->tenancy, tenant, call->policy) : NULL;
}

/* What it will take of its tenant's sum: its own limit is read when it starts, and is this at most. */
static uint64_t memory_of(const struct cl_pool *pool)
{
    const uint64_t sum = pool->tenant->quota.limits.memory_bytes;

    return sum && pool->policy->memory_bytes > sum ? sum : pool->policy->memory_bytes;
}

bool cl_async_has_room(struct cl_async_call *call)
{
    const struct cl_pool *pool = pool_of(call);
    struct cl_refusal spent = CL_REFUSAL_INIT;
    uint64_t memory_bytes = 0;
    uint32_t ahead = 0, busy;

    if (!pool)
        return true;
    busy = pool->running + pool->queued;
    cl_list_for (struct cl_async_call, other, starting, &call->async->starting) {
        const struct cl_pool *taken = pool_of(other);
        if (!taken || taken->tenant != pool->tenant)
            continue;
        ahead++;
        busy += taken == pool;
        memory_bytes += memory_of(taken);
    }
    /* Three quarters of a pool, but one call of it at least. */
    return (busy == 0 || (uint64_t)busy * 4 < (uint64_t)pool->policy->pool_max * 3) &&
           cl_quota_may_follow(&pool->tenant->quota, ahead, memory_bytes + memory_of(pool)) &&
           cl_quota_check_cpu(&pool->tenant->quota, cl_clock_us(), &spent) == 0;
}
