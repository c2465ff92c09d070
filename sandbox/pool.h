/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool is a policy in force for a tenant: how many spares are wanted, which zygote makes them,
 * when they retire.
 */
#ifndef CL_POOL_H
#define CL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "policies/policy.h"
#include "sandbox/loop.h"
#include "sandbox/spare.h"

struct cl_daemon;
struct cl_zygote;

struct cl_pool_demand {
    uint32_t queued;     /* calls that wait, as of the last WANT */
    uint64_t rate_milli; /* calls per 1000 s, decaying */
    uint64_t refill_us;  /* how long a spare takes, decaying */
};

struct cl_pool {
    struct cl_daemon *daemon;
    struct cl_list node;
    uint32_t index; /* in the protocol, never reused */
    uint32_t tenant;
    char name[CL_NAME_MAX];
    const struct cl_policy *policy; /* mapped */
    int policy_fd;
    struct cl_zygote *zygote;    /* makes spares; NULL until wanted, and after a death */
    struct cl_zygote *successor; /* starting, to take over */
    struct cl_timer start;       /* when a failed start may be tried again */
    struct cl_timer recycle;
    struct cl_timer later; /* refill once the call that took a spare is likely answered */
    struct cl_timer calm;  /* demand is looked at again when nothing happens */
    uint32_t failures;     /* in a row, of the zygote or of entries into the jail */
    uint64_t failed_us;
    struct cl_pool_demand demand;
    uint64_t rate_us;     /* when its rate was brought up to date */
    uint32_t zygotes;     /* that are not buried */
    uint64_t park_cpu_us; /* what a worker has used when it parks, see reap.c; 0: not known */
    bool is_retired;      /* a reload replaced or dropped it */
};

/* The target of ready spares. */
uint32_t cl_pool_target(const struct cl_pool_demand *demand, uint32_t min, uint32_t max);
/* The rate after one more call came `gap_us` after the last; without `call` it only decays. */
uint64_t cl_pool_rate(uint64_t rate_milli, uint64_t gap_us, bool call);

/* A new pool; takes the fd and the mapping. */
struct cl_pool *cl_pool_new(struct cl_daemon *daemon, const struct cl_policy *policy, int *fd);
struct cl_pool *cl_pool_find(struct cl_daemon *daemon, uint32_t index);    /* NULL: unknown */
struct cl_pool *cl_pool_named(struct cl_daemon *daemon, const char *name); /* in force only */

void cl_pool_start(
    struct cl_pool *pool); /* a zygote if there is none; harmless when there is */
void cl_pool_want(struct cl_pool *pool, uint32_t queued);
void cl_pool_refill(struct cl_pool *pool); /* spawns what is missing */
void cl_pool_retire(struct cl_pool *pool); /* no new spares; frees itself when it is dry */
/* A spare is no longer ready: taken, retired or gone. Twice is harmless. */
void cl_pool_uncount(struct cl_spare *spare);
/* A call took a spare of this pool. */
void cl_pool_on_take(struct cl_pool *pool);
/* Every spare that no API was told of yet, to the one that is there now. */
void cl_pool_offer_all(struct cl_daemon *daemon);

/* From the pool's zygotes. */
void cl_pool_on_up(struct cl_pool *pool, struct cl_zygote *zygote);
void cl_pool_on_spawned(struct cl_pool *pool, struct cl_spare *spare);
/* A spare or a zygote failed before it was of use: the next try waits longer. */
void cl_pool_on_failure(struct cl_pool *pool, const char *why);
/* `zygote` died, not asked to; its spares end as lost. */
void cl_pool_on_death(struct cl_pool *pool, struct cl_zygote *zygote);
/* One of its zygotes is buried. */
void cl_pool_on_gone(struct cl_pool *pool);

#endif
