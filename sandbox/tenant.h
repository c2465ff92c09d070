/* SPDX-License-Identifier: Apache-2.0 */
/* Who may call, as far as cloched has to know. Tokens and quotas are the API's to read. */
#ifndef CL_SANDBOX_TENANT_H
#define CL_SANDBOX_TENANT_H

#include <stdbool.h>

#include "policies/tenant.h"
#include "sandbox/base/list.h"

struct cl_tenant {
    struct cl_list node;               /* of the daemon, before of a load */
    const struct cl_tenant_file *file; /* mapped; NULL: `local`, which has every policy */
    int fd;                            /* what the API is given: the file, or local's token */
    uint32_t number;                   /* among those of its generation */
    uint64_t has_pool;                 /* bits, by policy, while a generation is put in force */
};

/* One more at the end; the fd and the mapping are its own. */
void cl_tenants_add(struct cl_list *tenants, uint32_t number, const struct cl_tenant_file *file,
                    int fd);
void cl_tenants_free(struct cl_list *tenants);
struct cl_tenant *cl_tenants_find(struct cl_list *tenants, const char *name); /* or NULL */
const char *cl_tenant_name(const struct cl_tenant *tenant);
bool cl_tenant_may_use(const struct cl_tenant *tenant, const char *policy);

#endif
