/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What native code in a jail could still do: what a policy's limits, tiers, files and calls leave
 * open when the Python guard is assumed to be gone.
 */
#ifndef CL_POLICIES_RESIDUE_H
#define CL_POLICIES_RESIDUE_H

#include <stddef.h>
#include <stdio.h>

#include "policies/spec.h"

/* `open_count`: system calls that answer ALLOW. */
void cl_residue_print(const struct cl_spec *spec, size_t open_count, FILE *out);

#endif
