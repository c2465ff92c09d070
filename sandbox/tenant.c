/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tenants of a generation.
 * Runs in: cloched.
 * Trusts: what passed tenantview.
 */
#include "sandbox/tenant.h"

#include <string.h>

#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"

void cl_tenants_add(struct cl_list *tenants, uint32_t number, const struct cl_tenant_file *file,
                    int fd)
{
    struct cl_tenant *tenant = cl_own_new(sizeof(*tenant));

    *tenant = (struct cl_tenant){ .file = file, .fd = fd, .number = number };
    cl_list_append(tenants, &tenant->node);
}

void cl_tenants_free(struct cl_list *tenants)
{
    cl_list_for (struct cl_tenant, tenant, node, tenants) {
        cl_list_unlink(&tenant->node);
        cl_tenantview_close(tenant->file);
        cl_own_close(&tenant->fd);
        free(tenant);
    }
}

struct cl_tenant *cl_tenants_find(struct cl_list *tenants, const char *name)
{
    cl_list_for (struct cl_tenant, tenant, node, tenants) {
        if (strcmp(cl_tenant_name(tenant), name) == 0)
            return tenant;
    }
    return NULL;
}

const char *cl_tenant_name(const struct cl_tenant *tenant)
{
    return tenant->file ? tenant->file->name : CL_TENANT_LOCAL_NAME;
}

bool cl_tenant_may_use(const struct cl_tenant *tenant, const char *policy)
{
    for (uint32_t i = 0; tenant->file && i < tenant->file->policy_count; i++) {
        if (strcmp(tenant->file->policies[i], policy) == 0)
            return true;
    }
    return !tenant->file;
}
