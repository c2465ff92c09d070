/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves the worker into its slot's cgroups where it was not born in them (v1).
 * Runs in: a worker on its way into the jail.
 * Trusts: the open `cgroup.procs` files, which cloched made.
 */
#include <unistd.h>

#include "sandbox/enter/enter.h"

int cl_enter_cgroup(struct cl_jail *jail, struct cl_err *err)
{
    for (int i = 0; i < CL_ENTER_CGROUPS_MAX; i++) {
        /* "0" means the writer, whatever pid namespace it is in. The write stalls for 11-15 ms
         * after a quiet spell (an RCU grace period): spares pay that, calls never do. */
        if (jail->cgroup_procs[i] >= 0 && write(jail->cgroup_procs[i], "0", 1) != 1)
            return cl_fail(err, CL_E_SYS, "join cgroup %d", i);
    }
    return 0;
}
