/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a generation of tenants, tokens and pools in force, all at once.
 * Runs in: cloche-api.
 * Trusts: tenant.c, which checked what arrived.
 */
#include <stdio.h>
#include <string.h>

#include "api/tenants/impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

/* Known by name, or new. Generations name their tenants in one order, mostly: the search begins
 * behind the one that was found last. */
static struct cl_tenant *adopt_tenant(struct cl_tenancy *tenancy, struct cl_list **last,
                                      const char *name)
{
    struct cl_list *const start = *last;
    struct cl_list *node = start;
    struct cl_tenant *tenant;

    do {
        node = node->next;
        tenant = cl_list_entry(node, struct cl_tenant, node);
        if (node != &tenancy->tenants && strcmp(tenant->name, name) == 0)
            return *last = node, tenant;
    } while (node != start);
    tenant = calloc(1, sizeof(*tenant));
    CL_CHECK(tenant);
    snprintf(tenant->name, sizeof(tenant->name), "%s", name);
    cl_list_init(&tenant->node);
    cl_list_init(&tenant->pools);
    cl_list_init(&tenant->held);
    cl_list_init(&tenant->rooms);
    cl_list_append(&tenancy->tenants, &tenant->node);
    *last = &tenant->node;
    return tenant;
}

static void adopt_key(struct cl_tenancy *tenancy, struct cl_tenant *tenant,
                      const struct cl_tenant_token *token, bool is_certificate)
{
    struct cl_key *key = tenant->keys;
    struct cl_token_digest digest;

    memcpy(digest.bytes, token->hash, sizeof(digest.bytes));
    while (key && strcmp(key->id, token->id) != 0)
        key = key->next;
    if (!key) {
        key = calloc(1, sizeof(*key));
        CL_CHECK(key);
        snprintf(key->id, sizeof(key->id), "%s", token->id);
        key->tenant = tenant;
        key->next = tenant->keys;
        tenant->keys = key;
    }
    if (key->since == 0 || !cl_token_is_equal(&key->digest, &digest) ||
        key->is_certificate != is_certificate)
        key->since = tenancy->staging;
    key->digest = digest;
    key->is_certificate = is_certificate;
    key->scopes = token->scopes;
    key->is_live = true;
    cl_keyring_add(&tenancy->ring, key);
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
    cl_list_init(&pool->of_tenant);
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
static void swap_pool(struct cl_tenancy *tenancy, struct staged_pool *staged,
                      struct cl_tenant *tenant)
{
    struct cl_pool *pool = adopt_pool(tenancy, staged->index);
    const bool is_same = pool->is_live && is_same_policy(pool->policy, staged->policy);

    cl_policyshare_close(&tenancy->shared, pool->policy);
    pool->policy = cl_take_ptr(&staged->policy);
    if (!pool->tenant)
        cl_list_append(&tenant->pools, &pool->of_tenant);
    pool->tenant = tenant;
    pool->order = staged->order;
    pool->generation = tenancy->staging;
    pool->since = is_same ? pool->since : tenancy->staging;
    pool->is_live = true;
}

static void swap_tenant(struct cl_tenancy *tenancy, struct cl_tenant *tenant,
                        const struct staged_tenant *staged)
{
    static const struct cl_tenant_quota none = { .weight = 100 };
    const struct cl_tenant_file *file = staged->file;
    struct cl_tenant_token local = { CL_TENANT_LOCAL_NAME, { 0 }, CL_SCOPES_ALL, 0 };

    tenant->is_live = true;
    cl_quota_set(&tenant->quota, file ? &file->quota : &none, cl_clock_us());
    snprintf(tenant->fallback, sizeof(tenant->fallback), "%s", file ? file->policies[0] : "");
    memcpy(local.hash, staged->digest.bytes, sizeof(local.hash));
    if (!file)
        adopt_key(tenancy, tenant, &local, false);
    for (uint32_t i = 0; file && i < file->token_count; i++)
        adopt_key(tenancy, tenant, &file->tokens[i], false);
    for (uint32_t i = 0; file && i < file->certificate_count; i++)
        adopt_key(tenancy, tenant, &file->certificates[i], true);
}

static void swap_tenants(struct cl_tenancy *tenancy, struct cl_tenant *by_index[CL_TENANTS_MAX])
{
    struct cl_list *last = &tenancy->tenants;

    cl_list_each (node, keep, &tenancy->tenants) {
        struct cl_tenant *tenant = cl_list_entry(node, struct cl_tenant, node);

        tenant->is_live = false;
        for (struct cl_key *key = tenant->keys; key; key = key->next)
            key->is_live = false;
    }
    cl_keyring_clear(&tenancy->ring);
    for (size_t i = 0; i < CL_TENANTS_MAX; i++) {
        const struct staged_tenant *staged = &tenancy->staged_tenants[i];

        if (!staged->is_staged)
            continue;
        by_index[i] = adopt_tenant(tenancy, &last, staged->name);
        swap_tenant(tenancy, by_index[i], staged);
    }
    cl_keyring_sort(&tenancy->ring);
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
            cl_tenancy_free_pool(tenancy, pool);
    }
}

int cl_tenancy_on_loaded(struct cl_tenancy *tenancy, const struct cl_msg_loaded *msg,
                         void (*on_change)(void *self, struct cl_pool *pool), void *self,
                         struct cl_err *err)
{
    struct cl_tenant *by_index[CL_TENANTS_MAX] = { NULL };

    if (cl_tenancy_check_staging(tenancy, msg->generation, err) < 0)
        return -1;
    if (msg->policies != tenancy->policies)
        return cl_fail(err, CL_E_LOST, "%u policies announced, %u told", msg->policies,
                       tenancy->policies);
    swap_tenants(tenancy, by_index);
    cl_list_each (node, keep, &tenancy->staged_pools) {
        struct staged_pool *staged = cl_list_entry(node, struct staged_pool, node);

        swap_pool(tenancy, staged, by_index[staged->tenant]);
    }
    retire_pools(tenancy);
    tenancy->generation = tenancy->staging;
    tenancy->problem.count = 0;
    cl_tenancy_drop_staged(tenancy);
    cl_list_each (node, keep, &tenancy->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);

        if (pool->since == tenancy->generation)
            on_change(self, pool);
    }
    return 0;
}
