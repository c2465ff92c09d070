/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled tenant that passes every check. */
#ifndef CL_TESTS_TENANT_SAMPLE_H
#define CL_TESTS_TENANT_SAMPLE_H

#include "policies/tenant.h"

/* Tenant `acme`: policies default and numeric, tokens ci (call) and ops (all), some quota. */
void tenant_sample_init(struct cl_tenant_file *tenant);
/* The same in a sealed memfd, which is the caller's to close. */
int tenant_sample_seal(const struct cl_tenant_file *tenant);

#endif
