/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the policy's filter: the last step, after which nothing but compute is left.
 * Runs in: the zygote (its part, once) and a worker on its way into the jail; both are
 * single-threaded, so TSYNC has nothing to do.
 * Trusts: the programs, which cl_policyview_open has checked instruction by instruction.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/policyview.h"
#include "sandbox/enter/enter.h"

static int load(const struct cl_policy *policy, const struct cl_policy_span *span,
                struct cl_err *err)
{
    const struct sock_fprog program = {
        .len = (unsigned short)span->count,
        /* The kernel only reads it; its struct says otherwise. */
        .filter = (struct sock_filter *)(uintptr_t)cl_policyview_records(policy, span),
    };

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return cl_fail(err, CL_E_SYS, "load the filter");
    return 0;
}

/* Needs the capability that the zygote still has in its namespace. */
int cl_enter_seccomp_zygote(const struct cl_policy *policy, struct cl_err *err)
{
    return policy->filter_zygote.count > 0 ? load(policy, &policy->filter_zygote, err) : 0;
}

/* Needs no_new_privs (the ids step), since there is no capability left. */
int cl_enter_seccomp(struct cl_jail *jail, struct cl_err *err)
{
    /* A policy without a filter would be a worker without one. */
    if (jail->policy->filter.count == 0)
        return cl_fail(err, CL_E_INPUT, "the policy has no filter");
    return load(jail->policy, &jail->policy->filter, err);
}
