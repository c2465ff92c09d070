/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A brood is what makes the workers of a pool, or, under `isolation: policy`, of all pools of the
 * policy: the zygote in use and the one that will take its place. It has none before it is wanted,
 * and none any more when nobody used it for the time after which it would have been replaced.
 */
#ifndef CL_BROOD_H
#define CL_BROOD_H

#include <stdbool.h>
#include <stdint.h>

#include "policies/policy.h"
#include "sandbox/loop.h"

struct cl_daemon;
struct cl_zygote;

/* A compiled policy; every brood under it has a share. */
struct cl_ruling {
    const struct cl_policy *policy; /* mapped */
    int fd;
    uint32_t users;
};

/* One share less; the last one frees it. */
void cl_ruling_put(struct cl_ruling *ruling);

struct cl_brood {
    struct cl_daemon *daemon;
    struct cl_ruling *ruling;
    struct cl_list pools;        /* that it serves */
    struct cl_list waiting;      /* in the daemon's list of those that lack a range of ids */
    struct cl_zygote *zygote;    /* makes spares */
    struct cl_zygote *successor; /* starting, to take over */
    struct cl_retry start;       /* of the zygote, or an entry into the jail */
    struct cl_timer recycle;
    uint64_t used_us;     /* a call came last */
    uint32_t zygotes;     /* that are not buried */
    uint64_t park_cpu_us; /* what a worker has used when it parks, see reap.c; 0: not known */
    bool is_kept;         /* one of its pools has spares also when nobody calls */
    bool is_retired;
};

/* Takes a share of the ruling. */
struct cl_brood *cl_brood_new(struct cl_daemon *daemon, struct cl_ruling *ruling);
/* A zygote if there is none; harmless when there is. */
void cl_brood_start(struct cl_brood *brood);
/* Whether nothing speaks against making a spare or a zygote now. */
bool cl_brood_may_try(const struct cl_brood *brood);
/* The zygote has made its share of workers, or is old: another one takes over, without a gap. */
void cl_brood_recycle(struct cl_brood *brood);
/* No pool is left: frees itself when the last zygote is gone. */
void cl_brood_retire(struct cl_brood *brood);
void cl_brood_init_waiting(struct cl_daemon *daemon);

/* From its zygotes. */
void cl_brood_on_up(struct cl_brood *brood, struct cl_zygote *zygote);
/* A spare or a zygote failed before it was of use: the next try waits longer. */
void cl_brood_on_failure(struct cl_brood *brood, const char *why);
/* `zygote` died, not asked to; its spares end as lost. */
void cl_brood_on_death(struct cl_brood *brood, struct cl_zygote *zygote);
/* One of its zygotes is buried: its range of ids is free. */
void cl_brood_on_gone(struct cl_brood *brood);

#endif
