/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands the quotas of stored bytes to the store thread.
 * Runs in: cloche-api.
 * Trusts: the tenancy.
 */
#include "api/tenants/store.h"

#include <stdlib.h>
#include <string.h>

#include "api/store.h"
#include "api/tenants/impl.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

struct telling {
    struct cl_store_quota *quotas; /* owned until the store has taken it */
    size_t count;
};

static int by_tenant(const void *a, const void *b)
{
    return strcmp(((const struct cl_store_quota *)a)->tenant,
                  ((const struct cl_store_quota *)b)->tenant);
}

static int tell(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct telling *telling = arg;

    (void)err;
    cl_store_take_quotas(store, &telling->quotas, telling->count);
    return 0;
}

static void on_told(void *arg, const struct cl_err *err)
{
    struct telling *telling = arg;

    if (err->kind != CL_E_NONE)
        cl_log(CL_WARN, "quota.stored", "what=\"%s\"", err->text);
    free(telling->quotas);
    free(telling);
}

static struct telling *collect(const struct cl_tenancy *tenancy)
{
    struct telling *telling = calloc(1, sizeof(*telling));

    CL_CHECK(telling);
    telling->quotas = calloc(CL_TENANTS_MAX, sizeof(*telling->quotas));
    CL_CHECK(telling->quotas);
    cl_list_each (node, keep, &tenancy->tenants) {
        const struct cl_tenant *tenant = cl_list_entry(node, struct cl_tenant, node);
        struct cl_store_quota *quota = &telling->quotas[telling->count];

        if (!tenant->is_live || tenant->quota.limits.stored_bytes == 0)
            continue;
        memcpy(quota->tenant, tenant->name, sizeof(quota->tenant));
        quota->bytes = tenant->quota.limits.stored_bytes;
        telling->count++;
    }
    qsort(telling->quotas, telling->count, sizeof(*telling->quotas), by_tenant);
    return telling;
}

void cl_tenantstore_tell(const struct cl_tenancy *tenancy, struct cl_storeq *queue)
{
    struct telling *telling = collect(tenancy);
    struct cl_err err = CL_ERR_INIT;

    if (cl_storeq_run(queue, tell, on_told, telling, &err) < 0)
        on_told(telling, &err);
}
