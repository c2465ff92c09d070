/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants, their tokens and their pools, by generation.
 * Runs in: cloche-api.
 * Trusts: cloched; policies still pass cl_policyview_open, token files are read once and wiped.
 */
#include "api/tenant.h"

#include <sodium.h>
#include <string.h>

#include "api/idtable.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

struct staged_tenant {
    bool is_staged;
    char name[CL_NAME_MAX];
    struct cl_token_digest digest;
};

struct staged_pool {
    struct cl_list node;
    const struct cl_policy *policy; /* owned */
    uint32_t index;
    uint32_t tenant;
};

struct cl_tenancy {
    uint8_t key[CL_TOKEN_KEY];
    uint32_t generation;
    uint32_t staging; /* generation that is arriving, 0: none */
    uint32_t policies;
    struct cl_tenant *tenants[CL_TENANTS_MAX]; /* in order of appearance */
    struct cl_list pools;
    struct cl_idtable by_index;
    struct staged_tenant staged_tenants[CL_TENANTS_MAX]; /* by cloched's index */
    struct cl_list staged_pools;                         /* as they were told */
    struct cl_msg_problem problem;                       /* count 0: none */
};

struct cl_tenancy *cl_tenancy_new(void)
{
    struct cl_tenancy *tenancy = calloc(1, sizeof(*tenancy));

    CL_CHECK(tenancy);
    cl_token_make_key(tenancy->key);
    cl_list_init(&tenancy->pools);
    cl_list_init(&tenancy->staged_pools);
    return tenancy;
}

static void drop_staged(struct cl_tenancy *tenancy)
{
    cl_list_each (node, keep, &tenancy->staged_pools) {
        struct staged_pool *staged = cl_list_entry(node, struct staged_pool, node);

        cl_list_unlink(node);
        cl_policyview_close(staged->policy);
        free(staged);
    }
    memset(tenancy->staged_tenants, 0, sizeof(tenancy->staged_tenants));
    tenancy->staging = 0;
    tenancy->policies = 0;
}

static void free_pool(struct cl_tenancy *tenancy, struct cl_pool *pool)
{
    cl_list_unlink(&pool->node);
    cl_idtable_take(&tenancy->by_index, pool->index);
    cl_policyview_close(pool->policy);
    free(pool);
}

void cl_tenancy_free(struct cl_tenancy *tenancy)
{
    if (!tenancy)
        return;
    drop_staged(tenancy);
    cl_list_each (node, keep, &tenancy->pools)
        free_pool(tenancy, cl_list_entry(node, struct cl_pool, node));
    cl_idtable_fini(&tenancy->by_index);
    for (size_t i = 0; i < CL_TENANTS_MAX; i++)
        free(tenancy->tenants[i]);
    sodium_memzero(tenancy->key, sizeof(tenancy->key));
    free(tenancy);
}

static int check_staging(struct cl_tenancy *tenancy, uint32_t generation, struct cl_err *err)
{
    if (tenancy->staging == 0 && generation > tenancy->generation)
        tenancy->staging = generation;
    if (generation == 0 || generation != tenancy->staging)
        return cl_fail(err, CL_E_LOST, "generation %u while %u arrives and %u is in force",
                       generation, tenancy->staging, tenancy->generation);
    return 0;
}

int cl_tenancy_on_tenant(struct cl_tenancy *tenancy, const struct cl_msg_tenant *msg, int fd,
                         struct cl_err *err)
{
    struct staged_tenant *slot;

    if (check_staging(tenancy, msg->generation, err) < 0)
        return -1;
    if (msg->tenant >= CL_TENANTS_MAX || tenancy->staged_tenants[msg->tenant].is_staged)
        return cl_fail(err, CL_E_LOST, "tenant %u is out of range or told twice", msg->tenant);

    slot = &tenancy->staged_tenants[msg->tenant];
    if (cl_token_read(fd, tenancy->key, &slot->digest, err) < 0)
        return cl_err_context(err, "tenant %s", msg->name);
    memcpy(slot->name, msg->name, sizeof(slot->name));
    slot->is_staged = true;
    return 0;
}

static bool is_staged(const struct cl_tenancy *tenancy, uint32_t index)
{
    cl_list_each (node, keep, &tenancy->staged_pools) {
        if (cl_list_entry(node, struct staged_pool, node)->index == index)
            return true;
    }
    return false;
}

/* An index stands for one tenant and one policy for as long as cloched lives. */
static bool is_renamed(const struct cl_tenancy *tenancy, const struct cl_msg_policy *msg)
{
    const struct cl_pool *known = cl_tenancy_pool(tenancy, msg->pool);

    return known &&
           (strcmp(known->policy->name, msg->name) != 0 ||
            strcmp(known->tenant->name, tenancy->staged_tenants[msg->tenant].name) != 0);
}

static int check_policy(struct cl_tenancy *tenancy, const struct cl_msg_policy *msg,
                        struct cl_err *err)
{
    if (check_staging(tenancy, msg->generation, err) < 0)
        return -1;
    if (msg->pool == 0 || is_staged(tenancy, msg->pool))
        return cl_fail(err, CL_E_LOST, "pool %u is none, or told twice", msg->pool);
    if (tenancy->policies == CL_POOLS_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d policies", CL_POOLS_MAX);
    if (msg->tenant >= CL_TENANTS_MAX || !tenancy->staged_tenants[msg->tenant].is_staged)
        return cl_fail(err, CL_E_LOST, "pool %u of an unknown tenant", msg->pool);
    if (is_renamed(tenancy, msg))
        return cl_fail(err, CL_E_LOST, "pool %u was another tenant's or policy's", msg->pool);
    return 0;
}

int cl_tenancy_on_policy(struct cl_tenancy *tenancy, const struct cl_msg_policy *msg, int fd,
                         struct cl_err *err)
{
    const struct cl_policy *policy;
    struct staged_pool *staged;

    if (check_policy(tenancy, msg, err) < 0)
        return -1;
    policy = cl_policyview_open(fd, err);
    if (!policy)
        return cl_err_context(err, "policy %s", msg->name);
    staged = calloc(1, sizeof(*staged));
    CL_CHECK(staged);
    staged->policy = policy;
    staged->index = msg->pool;
    staged->tenant = msg->tenant;
    cl_list_init(&staged->node);
    cl_list_append(&tenancy->staged_pools, &staged->node);
    tenancy->policies++;
    if (strcmp(policy->name, msg->name) != 0)
        return cl_fail(err, CL_E_LOST, "policy %s calls itself %s", msg->name, policy->name);
    return 0;
}

/* Known by name, or new. */
static struct cl_tenant *adopt_tenant(struct cl_tenancy *tenancy, const char *name)
{
    size_t i = 0;

    while (i < CL_TENANTS_MAX && tenancy->tenants[i] &&
           strcmp(tenancy->tenants[i]->name, name) != 0)
        i++;
    if (i == CL_TENANTS_MAX)
        return NULL;
    if (!tenancy->tenants[i]) {
        tenancy->tenants[i] = calloc(1, sizeof(struct cl_tenant));
        CL_CHECK(tenancy->tenants[i]);
        snprintf(tenancy->tenants[i]->name, CL_NAME_MAX, "%s", name);
    }
    return tenancy->tenants[i];
}

static struct cl_pool *adopt_pool(struct cl_tenancy *tenancy, uint32_t index)
{
    struct cl_pool *pool = cl_tenancy_pool(tenancy, index);

    if (pool)
        return pool;
    pool = calloc(1, sizeof(*pool));
    CL_CHECK(pool);
    pool->index = index;
    cl_list_init(&pool->node);
    cl_list_init(&pool->idle);
    cl_list_init(&pool->jobs);
    cl_list_append(&tenancy->pools, &pool->node);
    cl_idtable_put(&tenancy->by_index, index, pool);
    return pool;
}

static bool is_same_policy(const struct cl_policy *a, const struct cl_policy *b)
{
    return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 &&
           strcmp(a->name, b->name) == 0;
}

/* Puts one staged pool in force. */
static void swap_pool(struct cl_tenancy *tenancy, struct staged_pool *staged, uint32_t order,
                      struct cl_tenant *tenant)
{
    struct cl_pool *pool = adopt_pool(tenancy, staged->index);
    const bool is_same = pool->is_live && is_same_policy(pool->policy, staged->policy);

    cl_policyview_close(pool->policy);
    pool->policy = cl_take_ptr(&staged->policy);
    pool->tenant = tenant;
    pool->order = order;
    pool->generation = tenancy->staging;
    pool->since = is_same ? pool->since : tenancy->staging;
    pool->is_live = true;
}

static int swap_tenants(struct cl_tenancy *tenancy, struct cl_tenant *by_index[CL_TENANTS_MAX],
                        struct cl_err *err)
{
    for (size_t i = 0; i < CL_TENANTS_MAX && tenancy->tenants[i]; i++)
        tenancy->tenants[i]->is_live = false;
    for (size_t i = 0; i < CL_TENANTS_MAX; i++) {
        const struct staged_tenant *staged = &tenancy->staged_tenants[i];

        if (!staged->is_staged)
            continue;
        by_index[i] = adopt_tenant(tenancy, staged->name);
        if (!by_index[i])
            return cl_fail(err, CL_E_LIMIT, "more than %d tenants were ever known",
                           CL_TENANTS_MAX);
        by_index[i]->digest = staged->digest;
        by_index[i]->is_live = true;
    }
    return 0;
}

/* What was not told again is gone: at once if nobody needs it, else at a later load. */
static void retire_pools(struct cl_tenancy *tenancy)
{
    cl_list_each (node, keep, &tenancy->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);

        if (pool->generation == tenancy->staging)
            continue;
        if (pool->is_live)
            pool->since = tenancy->staging;
        pool->is_live = false;
        if (pool->users == 0)
            free_pool(tenancy, pool);
    }
}

int cl_tenancy_on_loaded(struct cl_tenancy *tenancy, const struct cl_msg_loaded *msg,
                         void (*on_change)(void *self, struct cl_pool *pool), void *self,
                         struct cl_err *err)
{
    struct cl_tenant *by_index[CL_TENANTS_MAX] = { NULL };
    uint32_t order = 0;

    if (check_staging(tenancy, msg->generation, err) < 0)
        return -1;
    if (msg->policies != tenancy->policies)
        return cl_fail(err, CL_E_LOST, "%u policies announced, %u told", msg->policies,
                       tenancy->policies);
    if (swap_tenants(tenancy, by_index, err) < 0)
        return -1;
    cl_list_each (node, keep, &tenancy->staged_pools) {
        struct staged_pool *staged = cl_list_entry(node, struct staged_pool, node);

        swap_pool(tenancy, staged, order++, by_index[staged->tenant]);
    }
    retire_pools(tenancy);
    tenancy->generation = tenancy->staging;
    tenancy->problem.count = 0;
    drop_staged(tenancy);
    cl_list_each (node, keep, &tenancy->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);

        if (pool->since == tenancy->generation)
            on_change(self, pool);
    }
    return 0;
}

void cl_tenancy_on_problem(struct cl_tenancy *tenancy, const struct cl_msg_problem *msg)
{
    tenancy->problem = *msg;
}

const struct cl_msg_problem *cl_tenancy_problem(const struct cl_tenancy *tenancy)
{
    return tenancy->problem.count > 0 ? &tenancy->problem : NULL;
}

uint32_t cl_tenancy_generation(const struct cl_tenancy *tenancy)
{
    return tenancy->generation;
}

struct cl_tenant *cl_tenancy_by_token(const struct cl_tenancy *tenancy, const char *token,
                                      size_t length)
{
    const struct cl_token_digest digest = cl_token_digest(tenancy->key, token, length);
    struct cl_tenant *found = NULL;

    for (size_t i = 0; i < CL_TENANTS_MAX && tenancy->tenants[i]; i++) {
        struct cl_tenant *tenant = tenancy->tenants[i];

        if (cl_token_is_equal(&digest, &tenant->digest) && tenant->is_live)
            found = tenant;
    }
    return found;
}

struct cl_pool *cl_tenancy_pool(const struct cl_tenancy *tenancy, uint32_t index)
{
    return cl_idtable_get(&tenancy->by_index, index);
}

struct cl_pool *cl_tenancy_next(const struct cl_tenancy *tenancy,
                                const struct cl_tenant *tenant, const struct cl_pool *previous)
{
    struct cl_list *node = previous ? previous->node.next : tenancy->pools.next;

    for (; node != &tenancy->pools; node = node->next) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);

        if (pool->is_live && (!tenant || pool->tenant == tenant))
            return pool;
    }
    return NULL;
}

/* The better default of two pools of one tenant. */
static struct cl_pool *better(struct cl_pool *a, struct cl_pool *b)
{
    if (!a || strcmp(b->policy->name, CL_POLICY_DEFAULT) == 0)
        return b;
    if (strcmp(a->policy->name, CL_POLICY_DEFAULT) == 0)
        return a;
    return b->order < a->order ? b : a;
}

struct cl_pool *cl_tenancy_find(const struct cl_tenancy *tenancy,
                                const struct cl_tenant *tenant, const char *policy)
{
    struct cl_pool *best = NULL;

    for (struct cl_pool *pool = cl_tenancy_next(tenancy, tenant, NULL); pool;
         pool = cl_tenancy_next(tenancy, tenant, pool)) {
        if (*policy && strcmp(pool->policy->name, policy) == 0)
            return pool;
        if (!*policy)
            best = better(best, pool);
    }
    return best;
}
