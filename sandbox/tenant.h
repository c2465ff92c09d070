/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may call, as far as cloched has to know: a name, its policies, and the directory whose files
 * are shown to the API. Tokens and quotas are the API's to read.
 */
#ifndef CL_SANDBOX_TENANT_H
#define CL_SANDBOX_TENANT_H

#include <stdbool.h>

#include "policies/tenant.h"
#include "sandbox/base/err.h"
#include "sandbox/base/list.h"

struct cl_daemon;

struct cl_tenant {
    struct cl_list node;               /* of the daemon, before of a load */
    const struct cl_tenant_file *file; /* mapped; NULL: `local`, which has every policy */
    int fd;            /* what the API is given; borrowed if it is local's token */
    uint32_t number;   /* among those of its generation */
    int place;         /* inotify's name of its functions_dir; -1: not watched */
    uint64_t has_pool; /* bits, by policy, while a generation is put in force */
    bool is_stale;     /* its functions have to be told, again */
};

/* Takes the fd and the mapping. */
struct cl_tenant *cl_tenant_new(const struct cl_tenant_file *file, int *fd);
void cl_tenant_free(struct cl_tenant *tenant);
const char *cl_tenant_name(const struct cl_tenant *tenant);
bool cl_tenant_may_use(const struct cl_tenant *tenant, const char *policy);

/* The functions of all tenants are to be told: a generation is in force, or the API is new. */
void cl_tenant_tell_all(struct cl_daemon *daemon);
/* Tells what has to be told and fits: one directory after the other. */
void cl_tenant_tell_next(struct cl_daemon *daemon);
/* Something happened in a directory that is not the configuration's. Whether it was a tenant's. */
bool cl_tenant_on_edit(struct cl_daemon *daemon, int place);

#endif
