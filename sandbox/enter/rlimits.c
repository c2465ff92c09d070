/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits of one process: backstops behind the cgroup, and caps that only they have.
 * Runs in: a worker on its way into the jail.
 * Trusts: the checked policy.
 */
#include <errno.h>
#include <sys/resource.h>

#include "sandbox/base/own.h"
#include "sandbox/enter/enter.h"

/* A service manager may have set a hard limit below ours; nobody here could raise it, and the
 * lower one stays. */
static int lower(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit = { value, value };

    if (setrlimit(resource, &limit) == 0)
        return 0;
    if (errno != EPERM || getrlimit(resource, &limit) < 0)
        return -1;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(resource, &limit);
}

/* Soft and hard are the same everywhere: init of a pid namespace ignores the signals that a soft
 * limit sends, only the SIGKILL of the hard one works.
 *
 * There is no RLIMIT_AS: address space is not memory (threads, numpy and arenas reserve far more
 * than they touch), and the memory cgroup counts what is really used. */
int cl_enter_rlimits(struct cl_jail *jail, struct cl_err *err)
{
    const struct cl_policy *policy = jail->policy;
    const struct {
        const char *name;
        __rlimit_resource_t resource;
        rlim_t value;
    } limits[] = {
        { "core", RLIMIT_CORE, 0 },
        { "nofile", RLIMIT_NOFILE, 32 },
        { "fsize", RLIMIT_FSIZE, policy->files_bytes },
        { "memlock", RLIMIT_MEMLOCK, 0 },
        { "msgqueue", RLIMIT_MSGQUEUE, 0 },
        { "sigpending", RLIMIT_SIGPENDING, 64 },
        { "stack", RLIMIT_STACK, (rlim_t)8 << 20 },
        /* One more than the policy grants, so that the pids cgroup is the one that refuses: its
         * counter of refusals is what names the limit in the verdict; this one keeps none. */
        { "nproc", RLIMIT_NPROC, (rlim_t)policy->processes + 1 },
        /* Seconds, rounded up, and one of grace for starting up: cloched counts milliseconds
         * and is meant to be first. Where a jail may stay for a session the sum of its calls has
         * no bound but sessions.max, and cloched's counting stands alone. */
        { "cpu", RLIMIT_CPU,
          policy->flags & CL_POLICY_SESSIONS ? RLIM_INFINITY
                                             : (policy->cpu_ms + 999) / 1000 + 1 },
        { "nice", RLIMIT_NICE, 0 },
        { "rtprio", RLIMIT_RTPRIO, 0 },
    };

    for (size_t i = 0; i < CL_COUNT(limits); i++) {
        if (lower(limits[i].resource, limits[i].value) < 0)
            return cl_fail(err, CL_E_SYS, "rlimit %s", limits[i].name);
    }
    return 0;
}
