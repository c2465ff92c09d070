/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp profile as Docker and the OCI runtime specification write it -> the `syscalls` of a
 * policy. JSON is read by the loader of policies, which it is a part of: so every note has its
 * line, and cloche-policyc needs no second parser.
 */
#ifndef CL_POLICIES_OCI_H
#define CL_POLICIES_OCI_H

#include <stdio.h>

#include "policies/node.h"
#include "policies/report.h"

/* Writes the block to `yaml` and, one line each, what could not be carried over to `notes`. What
 * is written never opens more than the profile and passes the checks of a policy (whose limits
 * the first lines ask for). -1: no profile, reported. */
int cl_oci_import(const struct cl_doc *doc, FILE *yaml, FILE *notes, struct cl_report *report);

#endif
