/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the zygotes of a policy: starts one when it is wanted, waits longer after each failure,
 * replaces it without a gap, lets it go when nobody calls, or when another has more need of it.
 * Runs in: cloched.
 * Trusts: the checked policy.
 */
#include "sandbox/brood.h"

#include <inttypes.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/zygote.h"

enum {
    EVICT_US = 100000,   /* between one zygote that has to go for another, and the next */
    TENURE_US = 2000000, /* what one that is in use gets at least */
};

void cl_ruling_put(struct cl_ruling *ruling)
{
    if (--ruling->users > 0)
        return;
    cl_policyview_close(ruling->policy);
    cl_own_close(&ruling->fd);
    free(ruling);
}

static const char *name_of(const struct cl_brood *brood)
{
    return brood->ruling->policy->name;
}

/* ----------------------------------------------------------------------------- ranges of ids */

/* Another zygote makes the workers from now on: those of the last one are counted apart. */
static void turn(struct cl_brood *brood, struct cl_zygote *zygote)
{
    brood->zygote = zygote;
    cl_list_for (struct cl_pool, pool, in_brood, &brood->pools)
        cl_pool_turn(pool);
}

static void dismiss(struct cl_zygote *zygote)
{
    if (!zygote)
        return;
    cl_spare_retire(zygote, NULL, UINT32_MAX);
    cl_zygote_dry(zygote);
}

/* Calls that run go on; the next one that comes starts a zygote anew. */
static void rest(struct cl_brood *brood)
{
    struct cl_zygote *zygote = brood->zygote;

    cl_timer_stop(&brood->recycle);
    turn(brood, NULL);
    cl_list_for (struct cl_pool, pool, in_brood, &brood->pools)
        pool->used_us = pool->demand.rate_milli = 0; /* only calls that wait bring it back */
    dismiss(zygote);
    dismiss(cl_take_ptr(&brood->successor));
}

static bool is_busy(const struct cl_brood *brood)
{
    cl_list_for (struct cl_pool, pool, in_brood, &brood->pools) {
        if (pool->demand.queued > 0 || pool->now.active > pool->now.ready)
            return true;
    }
    return false;
}

/* The one of two that can be spared rather: idle before busy, then the one used longer ago. */
static struct cl_brood *rather(struct cl_brood *a, struct cl_brood *b)
{
    if (!a || is_busy(a) != is_busy(b))
        return !a || is_busy(a) ? b : a;
    return a->used_us <= b->used_us ? a : b;
}

/* All ranges are taken: whoever is not in need of one gives it up, and if all are, each in turn. */
static void evict(struct cl_timer *timer)
{
    struct cl_daemon *daemon = cl_list_entry(timer, struct cl_daemon, evict);
    const uint64_t now = cl_clock_us();
    struct cl_brood *least = NULL;

    if (cl_list_is_empty(&daemon->waiting))
        return;
    for (size_t k = 0; k < CL_IDMAP_ZYGOTES_MAX; k++) {
        struct cl_zygote *zygote = daemon->zygotes[k];
        if (zygote && zygote->state == CL_ZYGOTE_UP && zygote == zygote->brood->zygote &&
            (!is_busy(zygote->brood) || now - zygote->up_us > TENURE_US) &&
            !zygote->brood->is_kept)
            least = rather(least, zygote->brood);
    }
    if (least) {
        cl_log(CL_INFO, "brood.evict", "policy=%s zygote=%u", name_of(least), least->zygote->k);
        cl_front_count(&daemon->front, CL_COUNT_EVICTED);
        rest(least);
    }
    cl_timer_start(&daemon->loop, timer, now + EVICT_US);
}

void cl_brood_init_waiting(struct cl_daemon *daemon)
{
    cl_list_init(&daemon->waiting);
    cl_timer_init(&daemon->evict, evict);
}

/* --------------------------------------------------------------------------- start, failures */

static void start_zygote(struct cl_brood *brood, struct cl_zygote **place)
{
    struct cl_daemon *daemon = brood->daemon;
    struct cl_err err = CL_ERR_INIT;

    *place = cl_zygote_start(daemon, brood, &err);
    if (*place)
        return;
    if (err.kind != CL_E_BUSY) {
        cl_brood_on_failure(brood, err.text);
        return;
    }
    if (place == &brood->successor)
        return; /* the one in use does as well */
    cl_list_append(&daemon->waiting, &brood->waiting);
    if (cl_list_is_empty(&daemon->evict.node))
        evict(&daemon->evict);
}

bool cl_brood_may_try(const struct cl_brood *brood)
{
    return !brood->is_retired && cl_list_is_empty(&brood->start.timer.node) &&
           cl_list_is_empty(&brood->waiting);
}

void cl_brood_start(struct cl_brood *brood)
{
    if (!brood->zygote && cl_brood_may_try(brood))
        start_zygote(brood, &brood->zygote);
}

static void start_if_wanted(struct cl_brood *brood)
{
    cl_list_for (struct cl_pool, pool, in_brood, &brood->pools) {
        if (cl_pool_is_wanted(pool))
            cl_brood_start(brood);
        cl_pool_refill(pool);
    }
}

static void on_start(struct cl_timer *timer)
{
    start_if_wanted(cl_list_entry(timer, struct cl_brood, start.timer));
}

void cl_brood_on_failure(struct cl_brood *brood, const char *why)
{
    if (!brood->daemon->is_ready) {
        cl_daemon_stop(brood->daemon, why); /* a reason not to start at all */
        return;
    }
    if (brood->is_retired)
        return;
    const uint64_t delay_us = cl_retry_later(&brood->daemon->loop, &brood->start);
    cl_log(CL_WARN, "pool.failure",
           "policy=%s in_a_row=%u next_try_ms=%" PRIu64 " error=\"%s\"", name_of(brood),
           brood->start.failures, delay_us / 1000, why);
}

void cl_brood_on_death(struct cl_brood *brood, struct cl_zygote *zygote)
{
    cl_front_count(&brood->daemon->front, CL_COUNT_DIED);
    if (zygote == brood->successor)
        brood->successor = NULL;
    if (zygote == brood->zygote)
        turn(brood, NULL);
    cl_brood_on_failure(brood, "the zygote died");
}

/* ------------------------------------------------------------------------------- replacement */

void cl_brood_recycle(struct cl_brood *brood)
{
    const uint64_t now = cl_clock_us();

    if (brood->zygote && !brood->successor && cl_brood_may_try(brood))
        start_zygote(brood, &brood->successor);
    /* Again, should the successor not come up: its being up arms this for the next time. */
    if (brood->zygote && !brood->is_retired)
        cl_timer_start(&brood->daemon->loop, &brood->recycle, now + CL_TIMER_PATIENCE_US);
}

/* A new one for nobody would cost more than the next caller's wait for it. */
static void on_recycle(struct cl_timer *timer)
{
    struct cl_brood *brood = cl_list_entry(timer, struct cl_brood, recycle);

    if (brood->is_kept ||
        cl_clock_us() - brood->used_us < brood->ruling->policy->recycle_after_ms * 1000)
        cl_brood_recycle(brood);
    else
        rest(brood);
}

void cl_brood_on_up(struct cl_brood *brood, struct cl_zygote *zygote)
{
    struct cl_zygote *old = brood->zygote;

    if (brood->is_retired) {
        cl_zygote_dry(zygote);
        return;
    }
    if (zygote == brood->successor) {
        brood->successor = NULL;
        turn(brood, zygote);
        cl_front_count(&brood->daemon->front, CL_COUNT_RECYCLED);
        if (old)
            cl_zygote_dry(old); /* its spares are retired once the new one has some */
    }
    cl_timer_start(&brood->daemon->loop, &brood->recycle,
                   cl_clock_us() + brood->ruling->policy->recycle_after_ms * 1000);
    start_if_wanted(brood);
}

/* ------------------------------------------------------------------------------ life of one */

struct cl_brood *cl_brood_new(struct cl_daemon *daemon, struct cl_ruling *ruling)
{
    struct cl_brood *brood = cl_own_new(sizeof(*brood));

    brood->daemon = daemon;
    brood->ruling = ruling;
    ruling->users++;
    cl_list_init(&brood->pools);
    cl_list_init(&brood->waiting);
    cl_timer_init(&brood->start.timer, on_start);
    cl_timer_init(&brood->recycle, on_recycle);
    return brood;
}

static void free_if_gone(struct cl_brood *brood)
{
    if (!brood->is_retired || brood->zygotes > 0)
        return;
    CL_CHECK(cl_list_is_empty(&brood->pools));
    cl_ruling_put(brood->ruling);
    free(brood);
}

void cl_brood_retire(struct cl_brood *brood)
{
    brood->is_retired = true;
    cl_timer_stop(&brood->start.timer);
    cl_list_unlink(&brood->waiting);
    rest(brood);
    free_if_gone(brood);
}

void cl_brood_on_gone(struct cl_brood *brood)
{
    brood->zygotes--;
    cl_list_for (struct cl_brood, next, waiting, &brood->daemon->waiting) {
        cl_list_unlink(&next->waiting);
        start_if_wanted(next);
        if (next->zygote || !cl_list_is_empty(&next->waiting))
            break; /* it has the range, or waits again */
    }
    if (!brood->is_retired)
        start_if_wanted(brood);
    free_if_gone(brood);
}
