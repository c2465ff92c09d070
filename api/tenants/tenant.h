/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may call, with which tokens, and under which policies: what cloched tells before LOADED,
 * put in force as one generation. A tenant and its keys live for ever once known; a pool as long
 * as it is in force or counted in `users`. What a reload took away is no longer `is_live`.
 */
#ifndef CL_API_TENANT_H
#define CL_API_TENANT_H

#include <stdbool.h>
#include <stdint.h>

#include "api/tenants/keyring.h"
#include "api/tenants/quota.h"
#include "api/tenants/token.h"
#include "policies/policy.h"
#include "policies/tenant.h"
#include "sandbox/base/list.h"
#include "sandbox/base/wire.h"

enum {
    CL_TENANTS_MAX = CL_TENANT_FILE_MAX + 1,                /* and the local one */
    CL_POOLS_MAX = CL_TENANTS_MAX * CL_TENANT_POLICIES_MAX, /* of one generation */
};

struct cl_tenant {
    struct cl_list node; /* of the tenancy */
    char name[CL_NAME_MAX];
    bool is_live;
    char fallback[CL_NAME_MAX]; /* its default policy; "": "default", or the first it has */
    struct cl_key *keys;        /* owned; all that it ever had */
    struct cl_list pools;       /* struct cl_pool, by of_tenant */
    struct cl_quota quota;      /* and the calls that count against it */
    struct cl_list held;        /* of the dispatcher: calls wait though there is a jail */
    struct cl_list rooms;       /* struct cl_turn_room: who hears of the next end of a call */
    uint64_t pass, turn;        /* of the dispatcher: when it is its turn, when it was passed */
    uint64_t weighed;           /* its weight among those that wait; 0: nothing of it waits */
};

#define CL_POLICY_DEFAULT "default"

/* One (tenant, policy): what is ready and what waits for it. The lists belong to dispatch.c. */
struct cl_pool {
    struct cl_list node;      /* of the tenancy */
    struct cl_list of_tenant; /* of its tenant */
    uint32_t index;           /* cloched's name for it, never 0 and never used for another */
    uint32_t users;           /* jobs and spares that point here */
    struct cl_tenant *tenant;
    const struct cl_policy *policy; /* owned mapping */
    uint32_t generation;            /* of the policy in force */
    uint32_t since;                 /* generation in which its content last changed */
    uint32_t order; /* place among its tenant's policies; the first is the default */
    bool is_live;
    bool had_spare;
    struct cl_list idle; /* struct cl_spare, parked; the oldest first */
    struct cl_list jobs; /* struct cl_job, waiting; the oldest first */
    uint32_t idle_count;
    uint32_t queued;
    uint32_t running;
    double done_per_s; /* smoothed */
    uint64_t done_at_us;
};

struct cl_tenancy;

struct cl_tenancy *cl_tenancy_new(void);
void cl_tenancy_free(struct cl_tenancy *tenancy);

/* The three messages of a generation. fds are borrowed. CL_E_LOST when cloched contradicts
 * itself; a token file that holds no token, or a broken tenant, is CL_E_INPUT. Nothing is in force before loaded. */
int cl_tenancy_on_tenant(struct cl_tenancy *tenancy, const struct cl_msg_tenant *msg, int fd,
                         struct cl_err *err);
int cl_tenancy_on_policy(struct cl_tenancy *tenancy, const struct cl_msg_policy *msg, int fd,
                         struct cl_err *err);
/* `on_change` hears of every pool whose policy is another one now, or is gone. */
int cl_tenancy_on_loaded(struct cl_tenancy *tenancy, const struct cl_msg_loaded *msg,
                         void (*on_change)(void *self, struct cl_pool *pool), void *self,
                         struct cl_err *err);

/* The last reload was refused; until the next one that is not. */
void cl_tenancy_on_problem(struct cl_tenancy *tenancy, const struct cl_msg_problem *msg);
const struct cl_msg_problem *cl_tenancy_problem(const struct cl_tenancy *tenancy); /* or NULL */

uint32_t cl_tenancy_generation(const struct cl_tenancy *tenancy); /* 0: nothing loaded yet */

/* The key of a token (keyring.h says how). NULL: none that is live. */
struct cl_key *cl_tenancy_by_token(const struct cl_tenancy *tenancy, const char *token,
                                   size_t length);
/* All tenants, live or not, one after the other: start with NULL. */
struct cl_tenant *cl_tenancy_each(const struct cl_tenancy *tenancy,
                                  const struct cl_tenant *previous);
struct cl_key *cl_tenancy_by_certificate(const struct cl_tenancy *tenancy,
                                         const uint8_t digest[CL_TENANT_HASH]);
/* A tenant that is live, by its name; NULL: none. */
struct cl_tenant *cl_tenancy_named(const struct cl_tenancy *tenancy, const char *name);

struct cl_pool *cl_tenancy_pool(const struct cl_tenancy *tenancy, uint32_t index);
/* The tenant's live pool of this policy; "" names its default: the first of its policies; for the
 * local tenant "default" if there is one, else the first it was told of. NULL: not allowed. */
struct cl_pool *cl_tenancy_find(const struct cl_tenancy *tenancy,
                                const struct cl_tenant *tenant, const char *policy);
/* The live pools of a tenant (NULL: of all), one after the other: start with NULL. */
struct cl_pool *cl_tenancy_next(const struct cl_tenancy *tenancy,
                                const struct cl_tenant *tenant, const struct cl_pool *previous);

#endif
