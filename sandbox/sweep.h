/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves nothing behind: kills what is in a tree of cgroups and removes it, now (leftovers of a
 * predecessor, a zygote's own) or when cloched is gone (the sweeper).
 */
#ifndef CL_SWEEP_H
#define CL_SWEEP_H

#include <sys/types.h>

#include "sandbox/base/err.h"
#include "sandbox/cgroup.h"

/* Kills what is inside `name` below `dir` and removes it, deepest first. -1 when something is
 * still there (try again: what is killed takes a moment to go); 0 also if it never existed. Of more
 * than `depth` groups inside each other it removes none. */
int cl_sweep_tree(int dir, const char *name, unsigned depth);
/* The same in every hierarchy. */
int cl_sweep_group(const struct cl_cgroup_host *host, const struct cl_cgroup *above,
                   const char *name, struct cl_err *err);
/* Until it is gone, at most `wait_ms`; blocks. */
int cl_sweep_base(const struct cl_cgroup_host *host, unsigned wait_ms, struct cl_err *err);

/* Forks the sweeper: it waits for cloched's death on a pipe, sweeps and exits. It shares the flocks
 * of two open files, so that they are held until it is done. Returns its pid. */
pid_t cl_sweep_start(const struct cl_cgroup_host *host, int state_lock, int range_lock,
                     struct cl_err *err);
/* Lets the sweeper begin although cloched lives: its orderly end. */
void cl_sweep_now(void);

#endif
