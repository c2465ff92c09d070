/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a compiled policy that somebody else wrote. Pure but for fcntl/fstat/mmap; fuzzed.
 */
#ifndef CL_BASE_POLICYVIEW_H
#define CL_BASE_POLICYVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "policies/policy.h"
#include "sandbox/base/err.h"

/* Checks that `fd` is a sealed memfd of a sane size, maps it read-only (MAP_PRIVATE) and checks every
 * field and span. The mapping lives until cl_policyview_close; the fd is borrowed. */
const struct cl_policy *cl_policyview_open(int fd, struct cl_err *err);
void cl_policyview_close(const struct cl_policy *policy);

/* The checks alone, on bytes in memory. */
int cl_policyview_check(const void *bytes, size_t length, struct cl_err *err);

/* Iterate a text span: returns the first (previous NULL) or next string, NULL at the end. */
const char *cl_policyview_text(const struct cl_policy *policy,
                               const struct cl_policy_span *span, const char *previous);
/* The start of a span of records. */
const void *cl_policyview_records(const struct cl_policy *policy,
                                  const struct cl_policy_span *span);

/* The next bind, after *target (NULL: the first). False when there is none. */
bool cl_policyview_bind(const struct cl_policy *policy, const char **source,
                        const char **target);

#endif
