/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides how many spares there are: follows demand up at once and down slowly. A pool that nobody
 * uses has none.
 * Runs in: cloched.
 * Trusts: the checked policy; demand as the API tells it is capped by the policy's `pool`.
 */
#include "sandbox/pool.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/reap.h"
#include "sandbox/zygote.h"

enum {
    EXITING_MAX = 8,  /* workers beside the bound that have answered and are on their way out */
    SPAWNING_MAX = 8, /* SPAWNs in flight: a clone costs CPU that calls want too */
    SAFETY = 4,       /* arrivals come in bursts, a refill takes longer under load */
    DECAY_US = 1000000,
    LATER_US = 400,
    CALM_US = 1000000,
    FIRST_REFILL_US = 2000,
};

/* --------------------------------------------------------------------------------- demand */

uint32_t cl_pool_target(const struct cl_pool_demand *demand, uint32_t min, uint32_t max)
{
    uint64_t arrivals = demand->rate_milli * demand->refill_us / 1000000 * SAFETY / 1000;
    uint64_t target = min + arrivals + demand->queued;

    return target < max ? (uint32_t)target : max;
}

uint64_t cl_pool_rate(uint64_t rate_milli, uint64_t gap_us, bool call)
{
    const uint64_t one = 1000u * 1000000u / DECAY_US;

    if (gap_us > 1000u * (uint64_t)DECAY_US)
        rate_milli = 0;
    return rate_milli * DECAY_US / (DECAY_US + gap_us) + (call ? one : 0);
}

static void update_rate(struct cl_pool *pool, bool call)
{
    uint64_t now = cl_clock_us();

    pool->demand.rate_milli = cl_pool_rate(pool->demand.rate_milli, now - pool->rate_us, call);
    pool->rate_us = now;
}

/* Kept ready whatever the demand. */
static uint32_t least_of(const struct cl_pool *pool)
{
    const uint64_t lasts_us = pool->policy->recycle_after_ms * 1000;
    const bool is_warm = pool->used_us > 0 && cl_clock_us() - pool->used_us < lasts_us;

    return pool->is_kept || is_warm ? pool->policy->pool_min : 0;
}

static uint32_t target_of(const struct cl_pool *pool)
{
    return cl_pool_target(&pool->demand, least_of(pool), pool->policy->pool_max);
}

bool cl_pool_is_wanted(const struct cl_pool *pool)
{
    return pool->is_kept || target_of(pool) > 0;
}

static void use(struct cl_pool *pool)
{
    pool->used_us = pool->brood->used_us = cl_clock_us();
}

struct cl_tally *cl_pool_tally(const struct cl_spare *spare)
{
    struct cl_pool *pool = spare->pool;

    return spare->zygote == pool->brood->zygote ? &pool->now : &pool->past;
}

void cl_pool_turn(struct cl_pool *pool)
{
    pool->past.ready += pool->now.ready;
    pool->past.spawning += pool->now.spawning;
    pool->past.active += pool->now.active;
    pool->past.live += pool->now.live;
    pool->now = (struct cl_tally){ 0 };
}

/* ----------------------------------------------------------------------------------- spares */

void cl_pool_offer(struct cl_spare *spare)
{
    struct cl_daemon *daemon = spare->daemon;
    struct cl_msg_offer msg = {
        .spare = spare->id,
        .pool = spare->pool->index,
        .generation = daemon->generation,
        .slot = spare->slot->number,
        .made_us = (uint32_t)spare->made_us,
    };

    if (!daemon->front.is_greeted || spare->state != CL_SPARE_OFFERED || spare->job < 0)
        return; /* one that is ready is kept for the API that is on its way */
    spare->is_offered = true;
    cl_front_send(&daemon->front, CL_M_SPARE, &msg, &spare->job);
}

static void retire_from(const struct cl_pool *pool, const struct cl_zygote *except)
{
    for (size_t k = 0; k < CL_IDMAP_ZYGOTES_MAX; k++) {
        struct cl_zygote *zygote = pool->daemon->zygotes[k];
        if (zygote && zygote->brood == pool->brood && zygote != except)
            cl_spare_retire(zygote, pool, UINT32_MAX);
    }
}

void cl_pool_on_spawned(struct cl_pool *pool, struct cl_spare *spare)
{
    spare->state = CL_SPARE_OFFERED;
    cl_reap_park(spare);
    spare->made_us = cl_clock_us() - spare->spawn_us;
    pool->demand.refill_us = (pool->demand.refill_us * 7 + spare->made_us) / 8;
    if (pool->demand.queued > 0)
        pool->demand.queued--;
    cl_pool_offer(spare);
    if (spare->zygote->state == CL_ZYGOTE_DRY)
        cl_spare_retire(spare->zygote, pool, UINT32_MAX);
    cl_pool_refill(pool);
    cl_daemon_check_ready(pool->daemon);
}

void cl_pool_uncount(struct cl_spare *spare)
{
    cl_pool_tally(spare)->ready -= spare->is_counted;
    spare->is_counted = false;
}

static bool is_full(const struct cl_daemon *daemon)
{
    return daemon->spares_live >= daemon->spares_max;
}

static bool is_missing(const struct cl_pool *pool)
{
    const struct cl_daemon *daemon = pool->daemon;
    const struct cl_tally *now = &pool->now;
    const uint32_t most = pool->policy->pool_max;

    /* A worker that has answered holds its slot, memory and CPU until it is gone. */
    return now->ready < target_of(pool) && now->active < most &&
           now->live < most + EXITING_MAX && pool->brood->zygote->live < CL_POLICY_SLOTS_MAX &&
           now->spawning < SPAWNING_MAX && (!daemon->is_draining || pool->demand.queued > 0);
}

/* Calls wait, and all the node may hold is held: the pool that was used longest ago and has spares
 * gives one up, and keeps none ready until it is used again. */
static void make_room(struct cl_pool *needy)
{
    struct cl_pool *idle = NULL;

    cl_list_for (struct cl_pool, pool, node, &needy->daemon->pools) {
        if (pool != needy && pool->demand.queued == 0 && pool->now.ready > pool->now.spawning &&
            (!pool->is_kept || pool->now.ready > pool->policy->pool_min) &&
            (!idle || pool->used_us < idle->used_us))
            idle = pool;
    }
    if (!idle)
        return;
    idle->used_us = 0;
    cl_spare_retire(idle->brood->zygote, idle, 1);
}

void cl_pool_refill(struct cl_pool *pool)
{
    struct cl_brood *brood = pool->brood;
    struct cl_zygote *zygote = brood->zygote;
    struct cl_err err = CL_ERR_INIT;

    if (!zygote || zygote->state != CL_ZYGOTE_UP || pool->is_retired ||
        !cl_brood_may_try(brood))
        return;
    while (!is_full(pool->daemon) && is_missing(pool)) {
        if (!cl_spare_spawn(pool, &err)) {
            cl_brood_on_failure(brood, err.text);
            return;
        }
    }
    if (pool->demand.queued > 0 && pool->now.ready == 0 && is_full(pool->daemon))
        make_room(pool);
    if (pool->past.ready > 0 && pool->now.ready - pool->now.spawning >= least_of(pool))
        retire_from(pool, zygote);
    if (zygote->spawned >= pool->policy->recycle_calls)
        cl_brood_recycle(brood);
    if (pool->now.ready > least_of(pool) && cl_list_is_empty(&pool->calm.node))
        cl_timer_start(&pool->daemon->loop, &pool->calm, cl_clock_us() + CALM_US);
}

/* Every second while there are more spares than the least: half of the surplus goes. */
static void on_calm(struct cl_timer *timer)
{
    struct cl_pool *pool = cl_list_entry(timer, struct cl_pool, calm);
    const uint32_t ready = pool->now.ready;

    if (ready > pool->now.spawning)
        pool->demand.queued /= 2; /* else it is known that they wait */
    update_rate(pool, false);
    if (ready > target_of(pool))
        cl_spare_retire(pool->brood->zygote, pool, (ready - target_of(pool) + 1) / 2);
    cl_pool_refill(pool);
}

static void on_later(struct cl_timer *timer)
{
    cl_pool_refill(cl_list_entry(timer, struct cl_pool, later));
}

void cl_pool_on_take(struct cl_pool *pool)
{
    pool->brood->start.failures = 0;
    use(pool);
    update_rate(pool, true);
    /* A refill takes as long as a small call runs, and cores are few: the answer goes first. */
    if (pool->demand.queued > 0 || pool->now.ready == 0)
        cl_pool_refill(pool);
    else if (cl_list_is_empty(&pool->later.node))
        cl_timer_start(&pool->daemon->loop, &pool->later, cl_clock_us() + LATER_US);
}

void cl_pool_want(struct cl_pool *pool, uint32_t queued)
{
    pool->demand.queued = queued < pool->policy->pool_max ? queued : pool->policy->pool_max;
    if (queued > 0)
        use(pool);
    cl_brood_start(pool->brood);
    cl_pool_refill(pool);
}

/* ----------------------------------------------------------------------------- life of a pool */

static struct cl_brood *find_shared(struct cl_daemon *daemon, const struct cl_policy *policy)
{
    if (!(policy->flags & CL_POLICY_SHARED_ZYGOTE))
        return NULL;
    cl_list_for (struct cl_pool, pool, node, &daemon->pools) {
        if (!pool->is_retired && strcmp(pool->policy->name, policy->name) == 0 &&
            memcmp(pool->policy->digest, policy->digest, sizeof(policy->digest)) == 0)
            return pool->brood;
    }
    return NULL;
}

struct cl_pool *cl_pool_new(struct cl_daemon *daemon, const char *tenant,
                            struct cl_ruling *ruling)
{
    struct cl_brood *shared = find_shared(daemon, ruling->policy);
    struct cl_pool *pool = cl_own_new(sizeof(*pool));

    pool->daemon = daemon;
    pool->brood = shared ? shared : cl_brood_new(daemon, ruling);
    pool->policy = pool->brood->ruling->policy;
    pool->index = ++daemon->pool_last;
    pool->demand.refill_us = FIRST_REFILL_US;
    snprintf(pool->tenant, sizeof(pool->tenant), "%s", tenant);
    cl_list_append(&daemon->pools, &pool->node);
    cl_list_append(&pool->brood->pools, &pool->in_brood);
    cl_timer_init(&pool->later, on_later);
    cl_timer_init(&pool->calm, on_calm);
    return pool;
}

struct cl_pool *cl_pool_find(struct cl_daemon *daemon, uint32_t index)
{
    cl_list_for (struct cl_pool, pool, node, &daemon->pools) {
        if (pool->index == index)
            return pool;
    }
    return NULL;
}

struct cl_pool *cl_pool_named(struct cl_daemon *daemon, const char *tenant, const char *name)
{
    cl_list_for (struct cl_pool, pool, node, &daemon->pools) {
        if (!pool->is_retired && strcmp(pool->tenant, tenant) == 0 &&
            strcmp(pool->policy->name, name) == 0)
            return pool;
    }
    return NULL;
}

static void free_if_dry(struct cl_pool *pool)
{
    if (!pool->is_retired || pool->now.live + pool->past.live > 0)
        return;
    cl_list_unlink(&pool->node);
    cl_list_unlink(&pool->in_brood);
    free(pool);
}

void cl_pool_retire(struct cl_pool *pool)
{
    struct cl_brood *brood = pool->brood;
    bool is_last = true;

    pool->is_retired = true;
    cl_timer_stop(&pool->later);
    cl_timer_stop(&pool->calm);
    retire_from(pool, NULL);
    cl_list_for (struct cl_pool, other, in_brood, &brood->pools)
        is_last = is_last && other->is_retired;
    free_if_dry(pool);
    if (is_last)
        cl_brood_retire(brood);
}

void cl_pool_on_put(struct cl_pool *pool)
{
    struct cl_daemon *daemon = pool->daemon;
    const bool was_full = daemon->spares_live + 1 == daemon->spares_max;

    if (pool->is_retired)
        free_if_dry(pool);
    else if (!was_full)
        cl_pool_refill(pool);
    if (!was_full)
        return;
    /* Those whose calls wait come before those that would like to be ready. */
    cl_list_for (struct cl_pool, other, node, &daemon->pools) {
        if (other->demand.queued > 0)
            cl_pool_refill(other);
    }
}
