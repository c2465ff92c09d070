/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers, allowed and denied calls of a policy -> a BPF program, by libseccomp. x86_64 only: other
 * architectures and x32 numbers end the process. What no rule mentions is a violation:
 * SECCOMP_RET_TRAP under on_violation: kill (the worker's SIGSYS handler reports the number and
 * exits), EPERM under on_violation: errno.
 */
#ifndef CL_POLICIES_FILTER_H
#define CL_POLICIES_FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "policies/policy.h"
#include "policies/rules.h"
#include "policies/spec.h"
#include "sandbox/base/err.h"

enum { CL_FILTER_SYSCALLS_MAX = 512 };

struct cl_filter {
    struct sock_filter steps[CL_POLICY_FILTER_MAX];
    size_t count;
    uint32_t open[CL_FILTER_SYSCALLS_MAX]; /* numbers that answer ALLOW, at least sometimes */
    size_t open_count;
};

int cl_filter_make(const struct cl_spec *spec, struct cl_filter *filter, struct cl_err *err);

/* The rows that count under this policy, in order; start with NULL. A call under `allow` or
 * `deny` has none. */
const struct cl_rule *cl_filter_next(const struct cl_spec *spec,
                                     const struct cl_rule *previous);

#endif
