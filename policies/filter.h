/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers, allowed and denied calls of a policy -> a BPF program, by libseccomp. x86_64 only: other
 * architectures and x32 numbers end the process. What no rule mentions is a violation:
 * SECCOMP_RET_TRAP under on_violation: kill (the worker's SIGSYS handler reports the number and
 * exits), EPERM under on_violation: errno.
 *
 * Loading a filter costs the kernel time with each instruction, and each worker pays it. So a
 * policy is compiled into two where its rules allow: the zygote loads all but the rules of the
 * calls that it still needs (cl_rules_entry), each worker the rules of these alone. The kernel
 * runs both and takes the sterner answer, which is that of the whole.
 */
#ifndef CL_POLICIES_FILTER_H
#define CL_POLICIES_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
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

enum cl_filter_part { CL_FILTER_WHOLE, CL_FILTER_ZYGOTE, CL_FILTER_WORKER };

/* Whether the two parts together are the whole: not where a rule of the policy looks at the
 * arguments of a call that the entry needs. */
bool cl_filter_splits(const struct cl_spec *spec);

int cl_filter_make(const struct cl_spec *spec, enum cl_filter_part part,
                   struct cl_filter *filter, struct cl_err *err);

/* The rows that count under this policy, in order; start with NULL. A call under `allow` or
 * `deny` has none. */
const struct cl_rule *cl_filter_next(const struct cl_spec *spec,
                                     const struct cl_rule *previous);

#endif
