/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the tenancy share: tenant.c (what arrives), load.c (what is put in
 * force), ask.c (what is asked). Nobody else includes this.
 */
#ifndef CL_API_TENANT_IMPL_H
#define CL_API_TENANT_IMPL_H

#include "api/dispatch/policyshare.h"
#include "api/idtable.h"
#include "api/tenants/tenant.h"

struct staged_tenant {
    bool is_staged;
    char name[CL_NAME_MAX];
    const struct cl_tenant_file *file; /* owned; NULL: the local tenant, whose digest this is */
    struct cl_token_digest digest;
};

struct staged_pool {
    struct cl_list node;
    const struct cl_policy *policy; /* owned */
    uint32_t index;
    uint32_t tenant;
    uint32_t order; /* among the policies of its tenant */
};

struct cl_tenancy {
    struct cl_keyring ring;
    struct cl_policyshare shared;
    uint32_t generation;
    uint32_t staging; /* generation that is arriving, 0: none */
    uint32_t policies;
    struct cl_list tenants; /* in order of appearance */
    struct cl_list pools;
    struct cl_idtable by_index;
    struct staged_tenant staged_tenants[CL_TENANTS_MAX]; /* by cloched's index */
    struct cl_list staged_pools;                         /* as they were told */
    struct cl_idtable staged_by_index;
    struct cl_msg_problem problem; /* count 0: none */
};

/* tenant.c */
int cl_tenancy_check_staging(struct cl_tenancy *tenancy, uint32_t generation,
                             struct cl_err *err);
void cl_tenancy_drop_staged(struct cl_tenancy *tenancy);
void cl_tenancy_free_pool(struct cl_tenancy *tenancy, struct cl_pool *pool);

#endif
