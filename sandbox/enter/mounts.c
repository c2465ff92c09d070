/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's own view of the tree: everything read-only as the zygote built it, and a private
 * /tmp if the policy grants bytes.
 * Runs in: a worker on its way into the jail, in a mount namespace of its own (CLONE_NEWNS).
 * Trusts: the checked policy, and the tree that cl_enter_tree built.
 */
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sandbox/enter/enter.h"

/* The pages are charged to the worker's memory cgroup, and the mount dies with the worker:
 * nobody ever has to clean up a directory that a jailed process wrote. */
static int mount_tmp(const struct cl_jail *jail, struct cl_err *err)
{
    const struct cl_policy *policy = jail->policy;
    char options[128];

    /* nr_inodes=0 would mean "no cap", and one inode is the root's. */
    snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=0700,uid=%u,gid=%u",
             (unsigned long long)policy->files_bytes, (unsigned long long)policy->inodes + 1,
             jail->uid, jail->uid);
    if (mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
        return cl_fail(err, CL_E_SYS, "mount /tmp");
    if (chdir("/tmp") < 0)
        return cl_fail(err, CL_E_SYS, "chdir /tmp");
    return 0;
}

int cl_enter_mounts(struct cl_jail *jail, struct cl_err *err)
{
    if (jail->policy->files_bytes > 0)
        return mount_tmp(jail, err);
    if (chdir("/") < 0)
        return cl_fail(err, CL_E_SYS, "chdir /");
    return 0;
}
