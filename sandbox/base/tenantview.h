/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a compiled tenant that somebody else wrote. Pure but for fcntl/fstat/mmap; fuzzed.
 */
#ifndef CL_BASE_TENANTVIEW_H
#define CL_BASE_TENANTVIEW_H

#include <stddef.h>

#include "policies/tenant.h"
#include "sandbox/base/err.h"

/* Checks that `fd` is a sealed memfd of the right size, maps it read-only and checks every field.
 * The mapping lives until cl_tenantview_close; the fd is borrowed. */
const struct cl_tenant_file *cl_tenantview_open(int fd, struct cl_err *err);
void cl_tenantview_close(const struct cl_tenant_file *tenant);

/* The checks alone, on bytes in memory. */
int cl_tenantview_check(const void *bytes, size_t length, struct cl_err *err);

#endif
