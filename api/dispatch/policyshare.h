/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many tenants have one policy: cloched sends the same sealed file for each. It is checked and
 * mapped once, and stays as long as somebody uses it. A sealed file is the same as long as it is
 * there, and a mapping keeps it there, so its inode says which it is.
 */
#ifndef CL_API_POLICYSHARE_H
#define CL_API_POLICYSHARE_H

#include "policies/policy.h"
#include "sandbox/base/err.h"
#include "sandbox/base/list.h"

struct cl_policyshare {
    struct cl_list all; /* the latest first */
};

void cl_policyshare_init(struct cl_policyshare *share);

/* As cl_policyview_open; each success is one use to be closed. The fd is borrowed. */
const struct cl_policy *cl_policyshare_open(struct cl_policyshare *share, int fd,
                                            struct cl_err *err);
void cl_policyshare_close(struct cl_policyshare *share, const struct cl_policy *policy);

#endif
