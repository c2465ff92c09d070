/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way into the jail. Everything is prepared by the zygote before the clone; the child walks
 * one ordered table of steps (enter.c) and either comes out locked down or is gone: the first
 * failing step reports a cl_msg_failed on `status_fd` while that is open, and _exits with
 * CL_ENTER_EXIT + the step's index. No step allocates, logs, retries or returns early.
 */
#ifndef CL_ENTER_H
#define CL_ENTER_H

#include <stdint.h>
#include <sys/types.h>

#include "policies/policy.h"
#include "sandbox/base/err.h"

enum { CL_ENTER_EXIT = 64, CL_ENTER_CGROUPS_MAX = 4 };

/* What the worker knows of its own jail, read back by the ids step. */
struct cl_jail_seen {
    uint64_t caps; /* effective | permitted | inheritable */
    uint32_t no_new_privs;
    uint32_t uid, gid;
};

struct cl_jail {
    const struct cl_policy *policy; /* limits, tiers */
    uint64_t spare;                 /* for the status message */
    uid_t uid;      /* inside the zygote's user namespace, never 0; gid likewise */
    pid_t pid;      /* filled by cl_enter_clone in the parent */
    int job_fd;     /* becomes CL_JOB_FD */
    int status_fd;  /* the zygote's control socket */
    int cgroup_dir; /* v2: the slot's directory; -1 on v1 */
    int cgroup_procs[CL_ENTER_CGROUPS_MAX]; /* v1: "0" is written into each; -1 when unused */
    struct cl_jail_seen seen;               /* filled in the child */
};

/* The worker: runs after the jail is complete and never returns. */
typedef void cl_enter_run(const struct cl_jail_seen *seen);

/* clone3(CLONE_PARENT | NEWPID | NEWNS | PIDFD [| INTO_CGROUP]): the worker is a child of
 * cloched, which waits for it. In the parent: returns the pidfd (owned by the caller) and fills
 * jail->pid; -1 with err. In the child: enters the jail and runs `run`. */
int cl_enter_clone(struct cl_jail *jail, cl_enter_run *run, struct cl_err *err);

/* Walks the table. Comes back only in a complete jail. */
void cl_enter(struct cl_jail *jail);

/* The zygote's own half, once per zygote, before it reads anything but its policy: private
 * mounts, the read-only tree on a tmpfs with the policy's binds, host name, pivot_root and the
 * old root gone. `late_imports` trees are bound from the host's Python. */
int cl_enter_tree(const struct cl_policy *policy, struct cl_err *err);

/* The steps, each in its own file; order and reasons are in enter.c. */
int cl_enter_cgroup(struct cl_jail *jail, struct cl_err *err);
int cl_enter_mounts(struct cl_jail *jail, struct cl_err *err);
int cl_enter_rlimits(struct cl_jail *jail, struct cl_err *err);
int cl_enter_ids(struct cl_jail *jail, struct cl_err *err);
int cl_enter_landlock(struct cl_jail *jail, struct cl_err *err);
int cl_enter_fds(struct cl_jail *jail, struct cl_err *err);
int cl_enter_seccomp(struct cl_jail *jail, struct cl_err *err);

/* The zygote's half of the ids step, once: what workers inherit, and can only shrink further. */
int cl_enter_bounding(struct cl_err *err);

/* The zygote's part of the filter, when the policy has one: in the zygote, after everything but
 * its loop, and for good. */
int cl_enter_seccomp_zygote(const struct cl_policy *policy, struct cl_err *err);

/* Name of the step behind an exit status of CL_ENTER_EXIT + n; NULL for any other status. */
const char *cl_enter_step_name(int status);

#endif
