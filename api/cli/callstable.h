/* SPDX-License-Identifier: Apache-2.0 */
/* Stored calls as people read them. */
#ifndef CL_CLI_CALLSTABLE_H
#define CL_CLI_CALLSTABLE_H

#include <stdio.h>

#include "api/json/scan.h"

/* The answer of GET /v1/calls: a line a call below a line of titles. */
void cl_callstable_print(struct cl_json answer, FILE *to);
/* The answer of GET /v1/calls/{id}: a line a fact. */
void cl_callstable_print_one(struct cl_json call, FILE *to);

#endif
