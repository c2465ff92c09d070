/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the self-test tries, one worker each: a fixed list of what no jail may let through, and,
 * when a policy is to be proved, every system call by its number.
 */
#ifndef CL_PROBES_H
#define CL_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policies/policy.h"
#include "sandbox/base/frame.h"

enum { CL_PROBES_SYSCALLS = 470 }; /* above the last number of x86_64 */

/* What the answer has to be. */
enum cl_probe_meaning {
    CL_PROBE_CLOSED = 0, /* refused by the filter, or by the kernel as one that may not */
    CL_PROBE_OPEN,   /* let through; what the kernel then says to the arguments is no matter */
    CL_PROBE_SEEN,   /* success */
    CL_PROBE_LOCKED, /* refused, or on a read-only file system */
    CL_PROBE_ABSENT, /* refused, or not there */
};

struct cl_probe {
    const char *name; /* NULL: the system call of that number, as the policy says */
    struct cl_frame_probe ask;
    uint32_t granted; /* tiers that allow the call: then it is not tried */
    enum cl_probe_meaning meaning;
};

/* The fixed list alone, or (`policy` not NULL) followed by every number; at least one row. Owned
 * by the caller. */
struct cl_probe *cl_probes_make(const struct cl_policy *policy, size_t *count);

/* Whether an errno (0: success) is what a probe of this meaning has to see. */
bool cl_probes_accept(enum cl_probe_meaning meaning, int32_t sys);

#endif
