/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in force: who a token is, what a tenant may use.
 * Runs in: cloche-api.
 * Trusts: load.c.
 */
#include <string.h>

#include "api/tenants/impl.h"

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

struct cl_key *cl_tenancy_by_token(const struct cl_tenancy *tenancy, const char *token,
                                   size_t length)
{
    return cl_keyring_find(&tenancy->ring, token, length);
}

struct cl_key *cl_tenancy_by_certificate(const struct cl_tenancy *tenancy,
                                         const uint8_t digest[CL_TENANT_HASH])
{
    return cl_keyring_find_certificate(&tenancy->ring, digest);
}

struct cl_tenant *cl_tenancy_each(const struct cl_tenancy *tenancy,
                                  const struct cl_tenant *previous)
{
    const struct cl_list *next = previous ? previous->node.next : tenancy->tenants.next;

    return next == &tenancy->tenants ? NULL : cl_list_entry(next, struct cl_tenant, node);
}

struct cl_tenant *cl_tenancy_named(const struct cl_tenancy *tenancy, const char *name)
{
    cl_list_each (node, keep, &tenancy->tenants) {
        struct cl_tenant *tenant = cl_list_entry(node, struct cl_tenant, node);

        if (tenant->is_live && strcmp(tenant->name, name) == 0)
            return tenant;
    }
    return NULL;
}

struct cl_pool *cl_tenancy_pool(const struct cl_tenancy *tenancy, uint32_t index)
{
    return cl_idtable_get(&tenancy->by_index, index);
}

static struct cl_pool *next_of(const struct cl_tenant *tenant, const struct cl_pool *previous)
{
    struct cl_list *node = previous ? previous->of_tenant.next : tenant->pools.next;

    for (; node != &tenant->pools; node = node->next) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, of_tenant);

        if (pool->is_live)
            return pool;
    }
    return NULL;
}

struct cl_pool *cl_tenancy_next(const struct cl_tenancy *tenancy,
                                const struct cl_tenant *tenant, const struct cl_pool *previous)
{
    struct cl_list *node = previous ? previous->node.next : tenancy->pools.next;

    if (tenant)
        return next_of(tenant, previous);
    for (; node != &tenancy->pools; node = node->next) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);

        if (pool->is_live)
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

    policy = *policy ? policy : tenant->fallback;
    for (struct cl_pool *pool = cl_tenancy_next(tenancy, tenant, NULL); pool;
         pool = cl_tenancy_next(tenancy, tenant, pool)) {
        if (*policy && strcmp(pool->policy->name, policy) == 0)
            return pool;
        if (!*policy)
            best = better(best, pool);
    }
    return best;
}
