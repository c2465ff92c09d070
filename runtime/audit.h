/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit hook (PEP 578): what the interpreter is about to do, against a table of what the
 * policy opens. Cannot be removed by Python code; native code passes it by, which is what the
 * kernel jail is for.
 */
#ifndef CL_RUNTIME_AUDIT_H
#define CL_RUNTIME_AUDIT_H

#include <stdbool.h>

#include "policies/policy.h"
#include "sandbox/base/err.h"

/* In the zygote, after cl_modules_prepare: decides each row of the table, installs the hook. */
int cl_audit_prepare(const struct cl_policy *policy, struct cl_err *err);

/* Refusing begins and ends with a call. */
void cl_audit_set(bool is_active);

/* Whether a call is being guarded now (not: our own warm-up). */
bool cl_audit_is_active(void);

/* Whether a call is being guarded now, and no library's module is being loaded. */
bool cl_audit_is_guarding(void);

/* A library's module begins (true) or ends (false) to run; these nest. What it does then is its
 * own affair: ctypes looks itself up, platform asks for the system's name. */
void cl_audit_load(bool begins);

#endif
