/* SPDX-License-Identifier: Apache-2.0 */
/* From a place to its byte, and onwards by characters. */
#ifndef CL_POLICIES_PLACE_H
#define CL_POLICIES_PLACE_H

#include "policies/report.h"

/* One character on, text and place together. */
void cl_place_next(const char **at, struct cl_place *place);

/* The byte under a place; NULL when there is no such line. */
const char *cl_place_source(const struct cl_place *place);

#endif
