/* SPDX-License-Identifier: Apache-2.0 */
/* Lays what a policy file says over the values it starts from (defaults or its parent's). */
#ifndef CL_POLICIES_APPLY_H
#define CL_POLICIES_APPLY_H

#include "policies/report.h"
#include "policies/spec.h"

/* Reads spec->doc, whose root must be there. Every problem is reported; -1 if there was any. */
int cl_apply_run(struct cl_spec *spec, struct cl_report *report);

#endif
