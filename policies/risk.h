/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a grant opens to an attacker who runs native code in the jail. System calls beyond the
 * tiers are risky unless a row says otherwise, and then need a written reason; some are never
 * granted.
 */
#ifndef CL_POLICIES_RISK_H
#define CL_POLICIES_RISK_H

#include <stddef.h>

enum cl_risk_class {
    CL_RISK_NONE = 0, /* may be granted without a word */
    CL_RISK_REASON,   /* needs an entry under `reason` */
    CL_RISK_NEVER,    /* refused */
};

struct cl_risk {
    const char *name;
    enum cl_risk_class class;
    const char *why;
};

/* Never NULL: a name without a row gets the row of the unreviewed. */
const struct cl_risk *cl_risk_syscall(const char *name);
/* The row of a module that hands out more than it seems, or NULL. */
const struct cl_risk *cl_risk_module(const char *name);

/* The x86_64 number of a system call, -1 when the name is none. */
int cl_risk_number(const char *name);
/* The nearest name of a system call, "" when none is near. */
void cl_risk_nearest(const char *name, char *nearest, size_t size);

#endif
