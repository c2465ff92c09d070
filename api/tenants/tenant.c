/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants, their tokens and their pools as they arrive, for one generation.
 * Runs in: cloche-api.
 * Trusts: cloched; policies still pass cl_policyview_open, tenants cl_tenantview_open, token files
 * are read once and wiped.
 */
#include "api/tenants/tenant.h"

#include <string.h>

#include "api/tenants/impl.h"
#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"

struct cl_tenancy *cl_tenancy_new(void)
{
    struct cl_tenancy *tenancy = calloc(1, sizeof(*tenancy));

    CL_CHECK(tenancy);
    cl_keyring_init(&tenancy->ring);
    cl_policyshare_init(&tenancy->shared);
    cl_list_init(&tenancy->tenants);
    cl_list_init(&tenancy->pools);
    cl_list_init(&tenancy->staged_pools);
    return tenancy;
}

void cl_tenancy_drop_staged(struct cl_tenancy *tenancy)
{
    cl_list_each (node, keep, &tenancy->staged_pools) {
        struct staged_pool *staged = cl_list_entry(node, struct staged_pool, node);

        cl_list_unlink(node);
        cl_policyshare_close(&tenancy->shared, staged->policy);
        free(staged);
    }
    cl_idtable_fini(&tenancy->staged_by_index);
    for (size_t i = 0; i < CL_TENANTS_MAX; i++)
        cl_tenantview_close(tenancy->staged_tenants[i].file);
    memset(tenancy->staged_tenants, 0, sizeof(tenancy->staged_tenants));
    tenancy->staging = 0;
    tenancy->policies = 0;
}

void cl_tenancy_free_pool(struct cl_tenancy *tenancy, struct cl_pool *pool)
{
    cl_list_unlink(&pool->node);
    cl_list_unlink(&pool->of_tenant);
    cl_idtable_take(&tenancy->by_index, pool->index);
    cl_policyshare_close(&tenancy->shared, pool->policy);
    free(pool);
}

static void free_tenant(struct cl_tenant *tenant)
{
    cl_list_unlink(&tenant->node);
    cl_list_unlink(&tenant->held);
    while (tenant->keys) {
        struct cl_key *next = tenant->keys->next;
        free(tenant->keys);
        tenant->keys = next;
    }
    free(tenant);
}

void cl_tenancy_free(struct cl_tenancy *tenancy)
{
    if (!tenancy)
        return;
    cl_tenancy_drop_staged(tenancy);
    cl_list_each (node, keep, &tenancy->pools)
        cl_tenancy_free_pool(tenancy, cl_list_entry(node, struct cl_pool, node));
    cl_idtable_fini(&tenancy->by_index);
    cl_list_each (node, keep, &tenancy->tenants)
        free_tenant(cl_list_entry(node, struct cl_tenant, node));
    cl_keyring_fini(&tenancy->ring);
    free(tenancy);
}

int cl_tenancy_check_staging(struct cl_tenancy *tenancy, uint32_t generation,
                             struct cl_err *err)
{
    if (tenancy->staging == 0 && generation > tenancy->generation)
        tenancy->staging = generation;
    if (generation == 0 || generation != tenancy->staging)
        return cl_fail(err, CL_E_LOST, "generation %u while %u arrives and %u is in force",
                       generation, tenancy->staging, tenancy->generation);
    return 0;
}

static int read_tenant(struct staged_tenant *slot, const struct cl_msg_tenant *msg, int fd,
                       struct cl_err *err)
{
    if (msg->kind == CL_TENANT_LOCAL)
        return cl_token_read(fd, &slot->digest, err);
    if (msg->kind != CL_TENANT_FILE)
        return cl_fail(err, CL_E_LOST, "a tenant of kind %u", msg->kind);
    slot->file = cl_tenantview_open(fd, err);
    if (!slot->file)
        return -1;
    if (strcmp(slot->file->name, msg->name) != 0)
        return cl_fail(err, CL_E_LOST, "it calls itself %s", slot->file->name);
    return 0;
}

int cl_tenancy_on_tenant(struct cl_tenancy *tenancy, const struct cl_msg_tenant *msg, int fd,
                         struct cl_err *err)
{
    struct staged_tenant *slot;

    if (cl_tenancy_check_staging(tenancy, msg->generation, err) < 0)
        return -1;
    if (msg->tenant >= CL_TENANTS_MAX || tenancy->staged_tenants[msg->tenant].is_staged)
        return cl_fail(err, CL_E_LOST, "tenant %u is out of range or told twice", msg->tenant);

    slot = &tenancy->staged_tenants[msg->tenant];
    if (read_tenant(slot, msg, fd, err) < 0)
        return cl_err_context(err, "tenant %s", msg->name);
    memcpy(slot->name, msg->name, sizeof(slot->name));
    slot->is_staged = true;
    return 0;
}

/* The place of a policy among those of its tenant; -1: it has none of this name. */
static int order_of(const struct staged_tenant *tenant, const char *policy)
{
    if (!tenant->file)
        return 0;
    for (uint32_t i = 0; i < tenant->file->policy_count; i++) {
        if (strcmp(tenant->file->policies[i], policy) == 0)
            return (int)i;
    }
    return -1;
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
    if (cl_tenancy_check_staging(tenancy, msg->generation, err) < 0)
        return -1;
    if (msg->pool == 0 || cl_idtable_get(&tenancy->staged_by_index, msg->pool))
        return cl_fail(err, CL_E_LOST, "pool %u is none, or told twice", msg->pool);
    if (tenancy->policies == CL_POOLS_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d policies", CL_POOLS_MAX);
    if (msg->tenant >= CL_TENANTS_MAX || !tenancy->staged_tenants[msg->tenant].is_staged)
        return cl_fail(err, CL_E_LOST, "pool %u of an unknown tenant", msg->pool);
    if (order_of(&tenancy->staged_tenants[msg->tenant], msg->name) < 0)
        return cl_fail(err, CL_E_LOST, "tenant %s has no policy %s",
                       tenancy->staged_tenants[msg->tenant].name, msg->name);
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
    policy = cl_policyshare_open(&tenancy->shared, fd, err);
    if (!policy)
        return cl_err_context(err, "policy %s", msg->name);
    staged = calloc(1, sizeof(*staged));
    CL_CHECK(staged);
    staged->policy = policy;
    staged->index = msg->pool;
    staged->tenant = msg->tenant;
    cl_list_init(&staged->node);
    staged->order = (uint32_t)order_of(&tenancy->staged_tenants[msg->tenant], msg->name);
    if (!tenancy->staged_tenants[msg->tenant].file)
        staged->order = tenancy->policies;
    cl_list_append(&tenancy->staged_pools, &staged->node);
    cl_idtable_put(&tenancy->staged_by_index, msg->pool, staged);
    tenancy->policies++;
    if (strcmp(policy->name, msg->name) != 0)
        return cl_fail(err, CL_E_LOST, "policy %s calls itself %s", msg->name, policy->name);
    return 0;
}
