/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between the keys of a finished policy. */
#ifndef CL_POLICIES_CROSS_H
#define CL_POLICIES_CROSS_H

#include "policies/report.h"
#include "policies/spec.h"

/* Reports every contradiction as an error, every grant that is easily underestimated as a
 * warning. -1 if there was an error. */
int cl_cross_check(const struct cl_spec *spec, struct cl_report *report);

#endif
