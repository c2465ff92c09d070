/* SPDX-License-Identifier: Apache-2.0 */
/* asyncio in a jail without epoll and sockets. */
#ifndef CL_RUNTIME_ASYNCLOOP_H
#define CL_RUNTIME_ASYNCLOOP_H

#include "policies/policy.h"

/* In the zygote: decides what the policy needs. */
void cl_asyncloop_prepare(const struct cl_policy *policy);

/* Makes our loop the default one of the asyncio that has just been loaded. */
int cl_asyncloop_install(void);

#endif
