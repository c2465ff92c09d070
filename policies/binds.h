/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of the host that a jail sees, as the policy lists them. For apply.c's table. */
#ifndef CL_POLICIES_BINDS_H
#define CL_POLICIES_BINDS_H

#include "policies/lists.h"

int cl_binds_take(struct cl_apply *apply, const struct cl_key *key, const struct cl_node *node);

#endif
