/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the policy's filter: the last step, after which nothing but compute is left.
 * Runs in: a worker on its way into the jail, single-threaded (so TSYNC has nothing to do).
 * Trusts: the program, which cl_policyview_open has checked instruction by instruction.
 */
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/enter/enter.h"

int cl_enter_seccomp(struct cl_jail *jail, struct cl_err *err)
{
    /* A policy without a filter would be a worker without one. */
    if (jail->filter.len == 0)
        return cl_fail(err, CL_E_INPUT, "the policy has no filter");
    /* Needs no_new_privs (the ids step), since there is no capability left. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &jail->filter) != 0)
        return cl_fail(err, CL_E_SYS, "load the filter");
    return 0;
}
