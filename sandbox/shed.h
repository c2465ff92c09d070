/* SPDX-License-Identifier: Apache-2.0 */
/* What a process gives up for good. */
#ifndef CL_SHED_H
#define CL_SHED_H

#include <stddef.h>

#include "sandbox/base/err.h"

/* In a forked child: fds[i] becomes i, and all others close, or, as `flags` of close_range say, will
 * close with exec. They may have any order and be the same; fds[i] is i afterwards. */
int cl_shed_fds(int *fds, size_t count, unsigned flags, struct cl_err *err);
/* Keeps the capabilities of `held` and, to be had by exec, those of `bound`; both as cap_from_text
 * reads them. Needs SETPCAP to be permitted. */
int cl_shed_capabilities(const char *held, const char *bound, struct cl_err *err);

#endif
