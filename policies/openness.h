/* SPDX-License-Identifier: Apache-2.0 */
/* How far a policy opens one system call, and which rules do: to compare two policies by. */
#ifndef CL_POLICIES_OPENNESS_H
#define CL_POLICIES_OPENNESS_H

#include <stdbool.h>
#include <stddef.h>

#include "policies/rules.h"
#include "policies/spec.h"

enum cl_openness {
    CL_OPEN_NOT = 0,
    CL_OPEN_SOME, /* with the arguments that its rules let through */
    CL_OPEN_ANY,  /* with any argument */
};

enum cl_openness cl_openness_of(const struct cl_spec *spec, const char *name);

/* The rules that let the call through under `spec` and, if there is one, not under `other`;
 * start with NULL. What stands under syscalls.allow has none. */
const struct cl_rule *cl_openness_next(const struct cl_spec *spec, const struct cl_spec *other,
                                       const char *name, const struct cl_rule *previous);

#endif
