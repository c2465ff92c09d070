/* SPDX-License-Identifier: Apache-2.0 */
/* The empty network namespace that all workers of a zygote share. */
#ifndef CL_NETNS_H
#define CL_NETNS_H

#include <stddef.h>

#include "sandbox/base/err.h"

/* Moves the caller into a fresh network namespace and proves that nothing in it is up or has an
 * address: there is `lo`, and on some hosts the idle fall-back devices of tunnel modules. Called while still in the host's user namespace, which then owns it:
 * nothing inside has any right over it, ever. */
int cl_netns_enter(struct cl_err *err);

/* The rule alone, on what was found in a namespace. */
int cl_netns_judge(size_t links, size_t links_up, size_t addresses, struct cl_err *err);

#endif
