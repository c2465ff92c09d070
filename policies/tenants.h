/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenants.yaml read along its schema. One good tenant becomes one struct cl_tenant_file; a file
 * with a problem anywhere gives problems only.
 */
#ifndef CL_POLICIES_TENANTS_H
#define CL_POLICIES_TENANTS_H

#include <stdbool.h>

#include "policies/node.h"
#include "policies/report.h"
#include "policies/set.h"
#include "policies/tenant.h"

struct cl_tenants_entry {
    struct cl_tenant_file file;
    struct cl_place place; /* of its name */
    const struct cl_node *policies[CL_TENANT_POLICIES_MAX];
    const struct cl_node *tokens[CL_TENANT_TOKENS_MAX]; /* their hashes */
    const struct cl_node *certificates[CL_TENANT_CERTIFICATES_MAX];
};

struct cl_tenants {
    struct cl_doc *doc;               /* owned */
    struct cl_tenants_entry *entries; /* owned, in the order of the file */
    size_t count;
    bool is_refused;
};

/* Never NULL; every problem is reported. Copies the text; free it with cl_tenants_free, after
 * the report. */
struct cl_tenants *cl_tenants_read(const char *path, const char *text, size_t length,
                                   struct cl_report *report);
void cl_tenants_free(struct cl_tenants *tenants);

/* What spans tenants and policies: names that no policy of the set or the program has, a hash
 * that two tokens have. -1 when there was a problem, here or before. */
int cl_tenants_check(struct cl_tenants *tenants, struct cl_set *set, struct cl_report *report);

/* By its name or what stands in it. */
bool cl_tenants_is(const char *path, const char *text);

#endif
