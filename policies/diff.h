/* SPDX-License-Identifier: Apache-2.0 */
/* What one effective policy opens and closes, compared with another. */
#ifndef CL_POLICIES_DIFF_H
#define CL_POLICIES_DIFF_H

#include <stdbool.h>

#include "policies/changes.h"
#include "policies/spec.h"

/* `b` compared with `a`. No change is added when they grant the same. */
void cl_diff_run(const struct cl_spec *a, const struct cl_spec *b, struct cl_changes *changes);

/* Whether it is known which way a key opens: all of the schema must be. */
bool cl_diff_knows(const char *path);

#endif
