/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides how many spares there are: follows demand up at once and down slowly, waits longer
 * after each failure, replaces a zygote without a gap.
 * Runs in: cloched.
 * Trusts: the checked policy; demand as the API tells it is capped by the policy's `pool`.
 */
#include "sandbox/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
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
    FORGIVE_US = 10000000,
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

static uint32_t target_of(const struct cl_pool *pool)
{
    return cl_pool_target(&pool->demand, pool->policy->pool_min, pool->policy->pool_max);
}

/* ---------------------------------------------------------------------------------- zygotes */

static void start_zygote(struct cl_pool *pool, struct cl_zygote **place)
{
    struct cl_err err = CL_ERR_INIT;

    *place = cl_zygote_start(pool->daemon, pool, &err);
    if (!*place)
        cl_pool_on_failure(pool, err.text);
}

static bool may_try(const struct cl_pool *pool)
{
    return !pool->is_retired && cl_list_is_empty(&pool->start.node);
}

void cl_pool_start(struct cl_pool *pool)
{
    if (!pool->zygote && may_try(pool))
        start_zygote(pool, &pool->zygote);
}

static void on_start(struct cl_timer *timer)
{
    struct cl_pool *pool = cl_list_entry(timer, struct cl_pool, start);

    cl_pool_start(pool);
    cl_pool_refill(pool);
}

void cl_pool_on_failure(struct cl_pool *pool, const char *why)
{
    struct cl_daemon *daemon = pool->daemon;
    uint64_t now = cl_clock_us(), delay;

    if (!daemon->is_ready) {
        cl_daemon_stop(daemon, why); /* at the start this is a reason not to start at all */
        return;
    }
    pool->failures = now - pool->failed_us > FORGIVE_US ? 0 : pool->failures;
    pool->failed_us = now;
    delay = cl_timer_patience(pool->failures++);
    cl_log(CL_WARN, "pool.failure",
           "policy=%s in_a_row=%u next_try_ms=%" PRIu64 " error=\"%s\"", pool->name,
           pool->failures, delay / 1000, why);
    cl_timer_start(&daemon->loop, &pool->start, now + delay);
}

void cl_pool_on_death(struct cl_pool *pool, struct cl_zygote *zygote)
{
    struct cl_err err = CL_ERR_INIT;

    if (zygote == pool->successor)
        pool->successor = NULL;
    if (zygote == pool->zygote)
        pool->zygote = NULL;
    cl_fail(&err, CL_E_LOST, "the zygote of policy %s died", pool->name);
    if (!pool->is_retired)
        cl_pool_on_failure(pool, err.text);
}

/* One that is retired and dry. */
static void free_pool(struct cl_pool *pool)
{
    cl_list_unlink(&pool->node);
    cl_policyview_close(pool->policy);
    cl_own_close(&pool->policy_fd);
    free(pool);
}

void cl_pool_on_gone(struct cl_pool *pool)
{
    if (pool->is_retired && pool->zygotes == 0)
        free_pool(pool);
    else
        cl_pool_start(pool);
}

static void on_recycle(struct cl_timer *timer)
{
    struct cl_pool *pool = cl_list_entry(timer, struct cl_pool, recycle);

    if (pool->zygote && !pool->successor && may_try(pool))
        start_zygote(pool, &pool->successor);
    /* Again, should the successor not come up: its being up arms this for the next time. */
    if (pool->zygote && !pool->is_retired)
        cl_timer_start(&pool->daemon->loop, timer, cl_clock_us() + CL_TIMER_PATIENCE_US);
}

void cl_pool_on_up(struct cl_pool *pool, struct cl_zygote *zygote)
{
    struct cl_zygote *old = pool->zygote;

    if (pool->is_retired) {
        cl_zygote_dry(zygote);
        return;
    }
    if (zygote == pool->successor) {
        pool->successor = NULL;
        pool->zygote = zygote;
        if (old)
            cl_zygote_dry(old); /* its spares are retired once the new one has some */
    }
    cl_timer_start(&pool->daemon->loop, &pool->recycle,
                   cl_clock_us() + pool->policy->recycle_after_ms * 1000);
    cl_pool_refill(pool);
}

/* ----------------------------------------------------------------------------------- spares */

static void offer(struct cl_spare *spare)
{
    struct cl_daemon *daemon = spare->daemon;
    struct cl_msg_offer msg = {
        .spare = spare->id,
        .pool = spare->zygote->pool->index,
        .generation = daemon->generation,
        .slot = spare->slot->number,
    };

    if (!daemon->front.is_greeted)
        return; /* kept for the API that is on its way */
    spare->is_offered = true;
    cl_front_send(&daemon->front, CL_M_SPARE, &msg, &spare->job);
}

static void offer_kept(struct cl_spare *spare)
{
    if (spare->state == CL_SPARE_OFFERED && spare->job >= 0)
        offer(spare);
}

void cl_pool_offer_all(struct cl_daemon *daemon)
{
    cl_spare_each(daemon, offer_kept);
}

static void retire_old(const struct cl_pool *pool)
{
    for (size_t k = 0; k < CL_IDMAP_ZYGOTES_MAX; k++) {
        struct cl_zygote *zygote = pool->daemon->zygotes[k];
        if (zygote && zygote->pool == pool && zygote->state == CL_ZYGOTE_DRY)
            cl_spare_retire(zygote, UINT32_MAX);
    }
}

void cl_pool_on_spawned(struct cl_pool *pool, struct cl_spare *spare)
{
    struct cl_zygote *zygote = spare->zygote;

    spare->state = CL_SPARE_OFFERED;
    cl_reap_park(spare);
    pool->demand.refill_us = (pool->demand.refill_us * 7 + cl_clock_us() - spare->spawn_us) / 8;
    if (pool->demand.queued > 0)
        pool->demand.queued--;
    offer(spare);
    if (zygote->state == CL_ZYGOTE_DRY ||
        (zygote == pool->zygote && zygote->ready - zygote->spawning >= pool->policy->pool_min))
        retire_old(pool);
    cl_pool_refill(pool);
    cl_daemon_check_ready(pool->daemon);
}

void cl_pool_uncount(struct cl_spare *spare)
{
    spare->zygote->ready -= spare->is_counted;
    spare->is_counted = false;
}

static bool is_wanted(const struct cl_pool *pool, const struct cl_zygote *zygote)
{
    const struct cl_daemon *daemon = pool->daemon;
    uint32_t most = pool->policy->pool_max;

    /* A worker that has answered holds its slot, memory and CPU until it is gone. */
    return zygote->ready < target_of(pool) && zygote->active < most &&
           zygote->live < most + EXITING_MAX && zygote->live < CL_POLICY_SLOTS_MAX &&
           zygote->spawning < SPAWNING_MAX && daemon->spares_live < daemon->spares_max &&
           (!daemon->is_draining || pool->demand.queued > 0);
}

void cl_pool_refill(struct cl_pool *pool)
{
    struct cl_zygote *zygote = pool->zygote;
    struct cl_err err = CL_ERR_INIT;

    if (!zygote || zygote->state != CL_ZYGOTE_UP || !may_try(pool))
        return;
    while (is_wanted(pool, zygote)) {
        if (!cl_spare_spawn(zygote, &err)) {
            cl_pool_on_failure(pool, err.text);
            return;
        }
    }
    if (zygote->spawned >= pool->policy->recycle_calls)
        on_recycle(&pool->recycle);
    if (zygote->ready > pool->policy->pool_min && cl_list_is_empty(&pool->calm.node))
        cl_timer_start(&pool->daemon->loop, &pool->calm, cl_clock_us() + CALM_US);
}

/* Every second while there are more spares than the least: half of the surplus goes. */
static void on_calm(struct cl_timer *timer)
{
    struct cl_pool *pool = cl_list_entry(timer, struct cl_pool, calm);
    struct cl_zygote *zygote = pool->zygote;

    pool->demand.queued /= 2;
    update_rate(pool, false);
    if (zygote && zygote->ready > target_of(pool))
        cl_spare_retire(zygote, (zygote->ready - target_of(pool) + 1) / 2);
    cl_pool_refill(pool);
}

static void on_later(struct cl_timer *timer)
{
    cl_pool_refill(cl_list_entry(timer, struct cl_pool, later));
}

void cl_pool_on_take(struct cl_pool *pool)
{
    pool->failures = 0;
    update_rate(pool, true);
    /* A refill takes as long as a small call runs, and cores are few: the answer goes first. */
    if (pool->demand.queued > 0 || !pool->zygote || pool->zygote->ready == 0)
        cl_pool_refill(pool);
    else if (cl_list_is_empty(&pool->later.node))
        cl_timer_start(&pool->daemon->loop, &pool->later, cl_clock_us() + LATER_US);
}

void cl_pool_want(struct cl_pool *pool, uint32_t queued)
{
    pool->demand.queued = queued < pool->policy->pool_max ? queued : pool->policy->pool_max;
    cl_pool_start(pool);
    cl_pool_refill(pool);
}

/* ----------------------------------------------------------------------------- life of a pool */

struct cl_pool *cl_pool_new(struct cl_daemon *daemon, const struct cl_policy *policy, int *fd)
{
    struct cl_pool *pool = calloc(1, sizeof(*pool));

    CL_CHECK(pool);
    pool->daemon = daemon;
    pool->index = ++daemon->pool_last;
    pool->policy = policy;
    pool->policy_fd = cl_take_fd(fd);
    pool->demand.refill_us = FIRST_REFILL_US;
    snprintf(pool->name, sizeof(pool->name), "%s", policy->name);
    cl_list_init(&pool->node);
    cl_list_append(&daemon->pools, &pool->node);
    cl_timer_init(&pool->start, on_start);
    cl_timer_init(&pool->recycle, on_recycle);
    cl_timer_init(&pool->later, on_later);
    cl_timer_init(&pool->calm, on_calm);
    return pool;
}

struct cl_pool *cl_pool_find(struct cl_daemon *daemon, uint32_t index)
{
    cl_list_each (node, keep, &daemon->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);
        if (pool->index == index)
            return pool;
    }
    return NULL;
}

struct cl_pool *cl_pool_named(struct cl_daemon *daemon, const char *name)
{
    cl_list_each (node, keep, &daemon->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);
        if (!pool->is_retired && strcmp(pool->name, name) == 0)
            return pool;
    }
    return NULL;
}

void cl_pool_retire(struct cl_pool *pool)
{
    struct cl_zygote *all[] = { pool->zygote, pool->successor };

    pool->is_retired = true;
    pool->zygote = pool->successor = NULL;
    cl_timer_stop(&pool->start);
    cl_timer_stop(&pool->recycle);
    cl_timer_stop(&pool->later);
    cl_timer_stop(&pool->calm);
    for (size_t i = 0; i < CL_COUNT(all); i++) {
        if (!all[i])
            continue;
        cl_spare_retire(all[i], UINT32_MAX);
        cl_zygote_dry(all[i]);
    }
    if (pool->zygotes == 0)
        free_pool(pool);
}
