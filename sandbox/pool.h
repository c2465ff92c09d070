/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool is a policy in force for a tenant: how many spares are wanted, and how many there are. Its
 * brood makes them.
 */
#ifndef CL_POOL_H
#define CL_POOL_H

#include "sandbox/brood.h"
#include "sandbox/spare.h"

struct cl_pool_demand {
    uint32_t queued;     /* calls that wait, as of the last WANT */
    uint64_t rate_milli; /* calls per 1000 s, decaying */
    uint64_t refill_us;  /* how long a spare takes, decaying */
};

struct cl_tally {
    uint32_t ready;    /* spares in SPAWNING or OFFERED, not retired */
    uint32_t spawning; /* those in SPAWNING */
    uint32_t active;   /* all that have not ended */
    uint32_t live;     /* all whose slot is not free yet */
};

struct cl_pool {
    struct cl_daemon *daemon;
    struct cl_list node;
    struct cl_list in_brood;
    struct cl_brood *brood;
    const struct cl_policy *policy; /* the brood's */
    char tenant[CL_NAME_MAX];
    uint32_t tenant_place; /* of the tenant in this generation */
    uint32_t index;        /* in the protocol, never reused */
    struct cl_timer later; /* refill once the call that took a spare is likely answered */
    struct cl_timer calm;  /* demand is looked at again when nothing happens */
    struct cl_pool_demand demand;
    struct cl_tally now, past; /* spares of the zygote in use, and of earlier ones */
    uint64_t rate_us;          /* when its rate was brought up to date */
    uint64_t used_us;          /* a call came last; 0: none ever did */
    bool is_kept;              /* has spares also when nobody calls */
    bool is_retired;           /* a reload replaced or dropped it */
};

/* The target of ready spares. */
uint32_t cl_pool_target(const struct cl_pool_demand *demand, uint32_t min, uint32_t max);
/* The rate after one more call came `gap_us` after the last; without `call` it only decays. */
uint64_t cl_pool_rate(uint64_t rate_milli, uint64_t gap_us, bool call);

/* A new pool, in the brood of its policy if there is one that may be shared. */
struct cl_pool *cl_pool_new(struct cl_daemon *daemon, const char *tenant,
                            struct cl_ruling *ruling);
struct cl_pool *cl_pool_find(struct cl_daemon *daemon, uint32_t index); /* NULL: unknown */
/* In force only. */
struct cl_pool *cl_pool_named(struct cl_daemon *daemon, const char *tenant, const char *name);

void cl_pool_want(struct cl_pool *pool, uint32_t queued);
bool cl_pool_is_wanted(const struct cl_pool *pool); /* whether it should have any spare */
void cl_pool_refill(struct cl_pool *pool);          /* spawns what is missing */
void cl_pool_retire(struct cl_pool *pool); /* no new spares; frees itself when it is dry */
void cl_pool_turn(struct cl_pool *pool);   /* its brood has another zygote now, or none */
/* Where a spare is counted. */
struct cl_tally *cl_pool_tally(const struct cl_spare *spare);
/* A spare is no longer ready: taken, retired or gone. Twice is harmless. */
void cl_pool_uncount(struct cl_spare *spare);
void cl_pool_on_spawned(struct cl_pool *pool, struct cl_spare *spare);
/* A call took a spare of this pool. */
void cl_pool_on_take(struct cl_pool *pool);
/* The slot of one of its spares is free again. */
void cl_pool_on_put(struct cl_pool *pool);
/* To the API that is there now, if it is ready and no API was told of it. */
void cl_pool_offer(struct cl_spare *spare);

#endif
