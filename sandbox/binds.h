/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources of files.read_only, as they are on the host. Only cloched sees whose they are: in a
 * zygote's user namespace all strangers look alike.
 */
#ifndef CL_BINDS_H
#define CL_BINDS_H

#include "policies/policy.h"
#include "sandbox/base/err.h"

/* DENIED or SYS, naming the part, unless the source is a directory of root's that nobody else may
 * write to, on a way of such directories without a link. May wait for a disk. */
int cl_binds_check(const char *source, struct cl_err *err);

/* The same for every source of a policy: the first that is not fit. */
int cl_binds_check_all(const struct cl_policy *policy, struct cl_err *err);

#endif
