/* SPDX-License-Identifier: Apache-2.0 */
/* A line of a file, and a caret below the place that a problem is about. */
#ifndef CL_POLICIES_CARET_H
#define CL_POLICIES_CARET_H

#include <stdio.h>

#include "policies/paint.h"
#include "policies/report.h"

/* Nothing for a place without a line, or in a file that is no text. Of a long line the part
 * around the place. Tabs, wide and combining characters are counted as terminals show them. */
void cl_caret_print(const struct cl_place *place, const struct cl_paint *paint, FILE *out);

#endif
