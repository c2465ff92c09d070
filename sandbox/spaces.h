/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the namespaces of a zygote are made of: its host ids, and an empty network.
 *
 * Which host ids are Cloche's: An instance owns 65,536 of them: +1 is the API, +2 policyc,
 * +1024 * (k + 1) the range of zygote k, in which +0 is the zygote and +1 + n slot n's worker.
 */
#ifndef CL_SPACES_H
#define CL_SPACES_H

#include <stddef.h>
#include <sys/types.h>

#include "sandbox/base/err.h"

enum {
    CL_IDMAP_ZYGOTE_IDS = 1024,
    CL_IDMAP_INSTANCE_IDS = 65536,
    CL_IDMAP_ZYGOTES_MAX = CL_IDMAP_INSTANCE_IDS / CL_IDMAP_ZYGOTE_IDS - 1,
    CL_IDMAP_SLOTS_MAX = CL_IDMAP_ZYGOTE_IDS - 1,
};

/* The first range that no other instance on this host holds; the lock in /run/cloche stays while
 * the returned fd is open. */
int cl_idmap_claim(uid_t *base, struct cl_err *err);
uid_t cl_idmap_zygote(uid_t base, unsigned k);

/* Maps 0..1023 of the user namespace that `pid` has made to the host ids from `first` on. */
int cl_idmap_write(pid_t pid, uid_t first, struct cl_err *err);

/* Moves the caller into a fresh network namespace and proves that nothing in it is up or has an
 * address: there is `lo`, and on some hosts the idle fall-back devices of tunnel modules. Called while still in the host's user namespace, which then owns it:
 * nothing inside has any right over it, ever. */
int cl_netns_enter(struct cl_err *err);

/* The rule alone, on what was found in a namespace. */
int cl_netns_judge(size_t links, size_t links_up, size_t addresses, struct cl_err *err);

#endif
