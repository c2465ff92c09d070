/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that one effective policy opens and closes, compared with another. */
#ifndef CL_POLICIES_DIFFCALLS_H
#define CL_POLICIES_DIFFCALLS_H

#include "policies/changes.h"
#include "policies/spec.h"

void cl_diffcalls_run(const struct cl_spec *a, const struct cl_spec *b,
                      struct cl_changes *changes);

#endif
